//! The value of the Date field (RFC 9110 §5.6.7, §6.6.1), formatted once a second.

/// Seconds from 1970 up to the end of the year 9999, the last one that IMF-fixdate can write.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Seconds of a day; leap seconds have no number of their own in Unix time.
const DAY: u64 = 86_400;

const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A moment as an IMF-fixdate, kept until the second changes.
///
/// ```
/// use ringlane_protocol::date::Date;
///
/// let mut date = Date::new(784_111_777);
/// assert_eq!(date.as_bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
/// date.update(784_111_778);
/// assert_eq!(date.as_bytes(), b"Sun, 06 Nov 1994 08:49:38 GMT");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Date {
    unix_seconds: u64,
    /// `unix_seconds` as an IMF-fixdate.
    text: [u8; 29],
}

impl Date {
    /// The moment so many seconds after 1970-01-01T00:00:00Z; from the year 10000 on its last representable second.
    #[must_use]
    pub fn new(unix_seconds: u64) -> Self {
        Self {
            unix_seconds,
            text: format(unix_seconds),
        }
    }

    /// Moves to another moment; within the same second one comparison.
    pub fn update(&mut self, unix_seconds: u64) {
        if unix_seconds != self.unix_seconds {
            *self = Self::new(unix_seconds);
        }
    }

    /// The field's value, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 29] {
        &self.text
    }
}

fn format(unix_seconds: u64) -> [u8; 29] {
    let seconds = unix_seconds.min(SECONDS_MAX);
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(WEEKDAYS[(days % 7) as usize]);
    two_digits(&mut text, 5, day);
    text[8..11].copy_from_slice(MONTHS[month as usize]);
    two_digits(&mut text, 12, year / 100);
    two_digits(&mut text, 14, year % 100);
    two_digits(&mut text, 17, second / 3600);
    two_digits(&mut text, 20, second / 60 % 60);
    two_digits(&mut text, 23, second % 60);
    text
}

fn two_digits(text: &mut [u8; 29], at: usize, number: u64) {
    text[at] = b'0' + (number / 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

/// Year, month from 0, and day from 1, of a day counted from 1970-01-01 in the Gregorian calendar.
///
/// Years are taken to begin in March, so that the leap day is the last one, and are counted from the year 0: 400 of them
/// are 146,097 days, and from March on five months are always 153 days.
fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    const FROM_YEAR_0: u64 = 719_468;
    const PER_400_YEARS: u64 = 146_097;
    let days = days_since_1970 + FROM_YEAR_0;
    let (era, day_of_era) = (days / PER_400_YEARS, days % PER_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110 §5.6.7, computed with `date -u -d @… '+%a, %d %b %Y %H:%M:%S GMT'`.
    const TABLE: &[(u64, &str)] = &[
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (59, "Thu, 01 Jan 1970 00:00:59 GMT"),
        (86_399, "Thu, 01 Jan 1970 23:59:59 GMT"),
        (86_400, "Fri, 02 Jan 1970 00:00:00 GMT"),
        (5_097_599, "Sat, 28 Feb 1970 23:59:59 GMT"),
        (5_097_600, "Sun, 01 Mar 1970 00:00:00 GMT"),
        (68_169_600, "Tue, 29 Feb 1972 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (946_684_799, "Fri, 31 Dec 1999 23:59:59 GMT"),
        (946_684_800, "Sat, 01 Jan 2000 00:00:00 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
        (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
        (2_147_483_648, "Tue, 19 Jan 2038 03:14:08 GMT"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (4_294_967_296, "Sun, 07 Feb 2106 06:28:16 GMT"),
        (13_574_563_200, "Tue, 29 Feb 2400 00:00:00 GMT"),
        (SECONDS_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (SECONDS_MAX + 1, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ];

    #[test]
    fn dates_are_those_of_the_table() {
        let mut date = Date::new(1);
        for &(unix_seconds, expected) in TABLE {
            date.update(unix_seconds);
            assert_eq!(core::str::from_utf8(date.as_bytes()), Ok(expected), "{unix_seconds}");
            assert_eq!(date, Date::new(unix_seconds));
        }
    }

    /// The naive twin: counting day by day from 1970 to the end of the year 9999.
    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..=SECONDS_MAX / DAY {
            assert_eq!(civil(days), (year, month, day));
            let leap = u64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
            let days_of_month = [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize];
            day += 1;
            if day > days_of_month {
                (month, day) = (month + 1, 1);
            }
            if month == 12 {
                (year, month) = (year + 1, 0);
            }
        }
    }
}
