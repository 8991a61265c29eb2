//! How the report writes numbers.

/// A whole number with its thousands apart: `12,345`.
pub fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number <= -0.5 { format!("−{text}") } else { text }
}

/// Nanoseconds as people read them: `912 ns`, `5.91 µs`, `1.23 ms`.
pub fn duration(nanoseconds: f64) -> String {
    let (number, unit) = match nanoseconds {
        ..1e3 => return format!("{nanoseconds:.0} ns"),
        ..1e6 => (nanoseconds / 1e3, "µs"),
        ..1e9 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(number))
}

/// Bytes as people read them: `128 B`, `4.6 kB`.
pub fn bytes(bytes: f64) -> String {
    match bytes {
        ..1e3 => format!("{bytes:.0} B"),
        ..1e6 => format!("{} kB", three_digits(bytes / 1e3)),
        _ => format!("{} MB", three_digits(bytes / 1e6)),
    }
}

/// A part of a whole: `37 %`.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn three_digits(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, duration, percent, thousands};

    #[test]
    fn thousands_are_apart() {
        for (number, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (1234.0, "1,234"),
            (-1234567.0, "−1,234,567"),
            (-0.2, "0"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn units_fit_the_number() {
        assert_eq!(duration(911.6), "912 ns");
        assert_eq!(duration(5_910.0), "5.91 µs");
        assert_eq!(duration(244_000.0), "244 µs");
        assert_eq!(duration(12_340_000.0), "12.3 ms");
        assert_eq!(bytes(86.0), "86 B");
        assert_eq!(bytes(4_600.0), "4.60 kB");
        assert_eq!(percent(0.955), "96 %");
    }
}
