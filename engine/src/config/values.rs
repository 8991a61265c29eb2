//! How a knob's value is written as text: durations, sizes, counts, switches and core lists.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// A value that a knob can hold, with its one textual form.
pub(super) trait Value: Sized {
    /// Reads the textual form; the error completes the sentence «NAME is "text", …».
    fn parse(text: &str) -> Result<Self, String>;
    /// Writes what `parse` reads.
    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Which cores a server runs on.
///
/// ```
/// use ringlane::Cores;
/// let cores: Cores = "0-2,5".parse().unwrap();
/// assert_eq!(cores, Cores::List(vec![0, 1, 2, 5]));
/// assert_eq!(Cores::default(), Cores::All);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cores {
    /// Every core that the process's affinity mask allows (sched_getaffinity(2)).
    #[default]
    All,
    /// These cores, by the system's numbers, each once.
    List(Vec<usize>),
}

impl std::str::FromStr for Cores {
    type Err = String;

    /// Reads `all`, a core, a range, or a list of them: `0`, `0-3`, `0,2,4-5`.
    fn from_str(text: &str) -> Result<Cores, String> {
        <Cores as Value>::parse(text)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(out)
    }
}

impl Value for Cores {
    fn parse(text: &str) -> Result<Cores, String> {
        const PROBLEM: &str =
            "which is not a list of cores: write all, a core, a range or a list, such as 0, 0-3 or 0,2";
        if text == "all" {
            return Ok(Cores::All);
        }
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (digits(first).ok_or(PROBLEM)?, digits(last).ok_or(PROBLEM)?);
            if first > last || last >= libc::CPU_SETSIZE as u64 {
                return Err(PROBLEM.into());
            }
            cores.extend(first as usize..=last as usize);
        }
        cores.sort_unstable();
        if cores.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("which names a core twice: name each core once".into());
        }
        Ok(Cores::List(cores))
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cores::All => out.write_str("all"),
            Cores::List(cores) => {
                for (index, core) in cores.iter().enumerate() {
                    write!(out, "{}{core}", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Duration, String> {
        const PROBLEM: &str = "which is not a duration: write a whole number and a unit, such as 75s, 500ms or 2m";
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or(PROBLEM)?;
        let number = digits(&text[..unit_at]).ok_or(PROBLEM)?;
        let milliseconds = match &text[unit_at..] {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => return Err(PROBLEM.into()),
        };
        milliseconds.map(Duration::from_millis).ok_or_else(|| PROBLEM.into())
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_millis() {
            milliseconds if milliseconds.is_multiple_of(1000) => write!(out, "{}s", milliseconds / 1000),
            milliseconds => write!(out, "{milliseconds}ms"),
        }
    }
}

/// A number of bytes; its textual form takes a binary unit.
#[derive(Clone, Copy)]
pub(super) struct Size(pub u64);

impl Value for Size {
    fn parse(text: &str) -> Result<Size, String> {
        const PROBLEM: &str =
            "which is not a size: write a whole number of bytes or a unit, such as 4096, 16KiB or 2MiB";
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number = digits(&text[..unit_at]).ok_or(PROBLEM)?;
        let scale = match &text[unit_at..] {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(PROBLEM.into()),
        };
        number.checked_mul(scale).map(Size).ok_or_else(|| PROBLEM.into())
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 != 0 && self.0.is_multiple_of(scale) {
                return write!(out, "{}{unit}", self.0 / scale);
            }
        }
        write!(out, "{}B", self.0)
    }
}

impl Value for u32 {
    fn parse(text: &str) -> Result<u32, String> {
        digits(text)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| "which is not a count: write a whole number below 4294967296".into())
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl Value for NonZeroU32 {
    fn parse(text: &str) -> Result<NonZeroU32, String> {
        <u32 as Value>::parse(text).and_then(|number| {
            NonZeroU32::new(number).ok_or_else(|| "which is zero: write a number from 1, or none for no limit".into())
        })
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl Value for bool {
    fn parse(text: &str) -> Result<bool, String> {
        match text {
            "true" | "on" | "1" => Ok(true),
            "false" | "off" | "0" => Ok(false),
            _ => Err("which is not a switch: write on or off".into()),
        }
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if *self { "on" } else { "off" })
    }
}

impl<V: Value> Value for Option<V> {
    fn parse(text: &str) -> Result<Option<V>, String> {
        if text == "none" {
            Ok(None)
        } else {
            V::parse(text).map(Some)
        }
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            None => out.write_str("none"),
            Some(value) => value.write(out),
        }
    }
}

/// Reads decimal digits and nothing else; `str::parse` would take a sign.
fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}
