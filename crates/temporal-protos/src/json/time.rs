//! Timestamps as RFC 3339 and durations in seconds.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// Seconds from year 1 to year 9999.
const TIMESTAMPS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// About 10,000 years either way.
const DURATIONS: RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;
const NANOS: u32 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Appends a timestamp such as `2024-02-29T12:00:00.500Z`. `None` when it is out of range.
pub(super) fn write_timestamp(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Option<()> {
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < NANOS)?;
    if !TIMESTAMPS.contains(&seconds) {
        return None;
    }
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    digits(year, 4, out);
    for (mark, value) in [
        (b'-', month),
        (b'-', day),
        (b'T', second / 3600),
        (b':', second / 60 % 60),
        (b':', second % 60),
    ] {
        out.push(mark);
        digits(value, 2, out);
    }
    fraction(nanos, out);
    out.push(b'Z');
    Some(())
}

/// Appends a duration such as `3s` or `-0.500s`. `None` when it is out of range or its parts differ in sign.
pub(super) fn write_duration(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Option<()> {
    let opposed = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
    if opposed || nanos.unsigned_abs() >= NANOS || !DURATIONS.contains(&seconds) {
        return None;
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    let mut width = 1;
    let whole = seconds.abs();
    while whole >= 10_i64.pow(width) {
        width += 1;
    }
    digits(whole, width, out);
    fraction(nanos.unsigned_abs(), out);
    out.push(b's');
    Some(())
}

fn digits(value: i64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10_i64.pow(place) % 10) as u8);
    }
}

/// Nothing, or a point with 3, 6 or 9 digits.
fn fraction(nanos: u32, out: &mut Vec<u8>) {
    let (value, width) = match nanos {
        0 => return,
        _ if nanos.is_multiple_of(1_000_000) => (nanos / 1_000_000, 3),
        _ if nanos.is_multiple_of(1_000) => (nanos / 1_000, 6),
        _ => (nanos, 9),
    };
    out.push(b'.');
    digits(i64::from(value), width, out);
}

/// Seconds and nanoseconds of an RFC 3339 timestamp with any offset.
pub(super) fn parse_timestamp(text: &str) -> Option<(i64, i32)> {
    let (date, rest) = text.split_at_checked(10)?;
    let date = date.as_bytes();
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&date[..4])?, number(&date[5..7])?, number(&date[8..])?);
    let (clock, rest) = rest.split_at_checked(9)?;
    let clock = clock.as_bytes();
    if !matches!(clock[0], b'T' | b't' | b' ') || clock[3] != b':' || clock[6] != b':' {
        return None;
    }
    let (hour, minute, second) = (number(&clock[1..3])?, number(&clock[4..6])?, number(&clock[7..])?);
    let (nanos, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
            (parse_fraction(&rest[..end])?, &rest[end..])
        }
        None => (0, rest),
    };
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month);
    if !valid || year < 1 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    TIMESTAMPS.contains(&seconds).then_some((seconds, nanos))
}

/// Seconds that local time of the zone `Z` or `+hh:mm` is ahead.
fn offset(zone: &str) -> Option<i64> {
    match zone.as_bytes() {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let (hours, minutes) = (number(&[*a, *b])?, number(&[*c, *d])?);
            let ahead = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
            Some(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

/// Seconds and nanoseconds of a duration such as `1.5s`.
pub(super) fn parse_duration(text: &str) -> Option<(i64, i32)> {
    let text = text.strip_suffix('s')?;
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (whole, nanos) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, parse_fraction(fraction)?),
        None => (text, 0),
    };
    let seconds = number(whole.as_bytes()).filter(|seconds| DURATIONS.contains(seconds))?;
    Some(if negative { (-seconds, -nanos) } else { (seconds, nanos) })
}

/// Nanoseconds of the digits after a point.
fn parse_fraction(text: &str) -> Option<i32> {
    let value = i32::try_from(number(text.as_bytes())?).ok()?;
    (text.len() <= 9).then(|| value * 10_i32.pow(9 - text.len() as u32))
}

/// A number of 1 to 12 digits.
fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 12 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years are counted from March, so that the leap
/// day is the last of its year; 400 years are one cycle of 146,097 days.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    cycle * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// The date that is so many days after 1970-01-01: the inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let cycle = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day_of_year + 2) / 153;
    let month = (march + 2) % 12 + 1;
    let year = cycle * 400 + year + i64::from(month <= 2);
    (year, month, day_of_year - (153 * march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::{civil, days, parse_duration, parse_timestamp, write_duration, write_timestamp};
    use alloc::string::String;
    use alloc::vec::Vec;

    fn written(write: fn(i64, i32, &mut Vec<u8>) -> Option<()>, seconds: i64, nanos: i32) -> Option<String> {
        let mut out = Vec::new();
        write(seconds, nanos, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_day_of_800_years_round_trips() {
        let mut previous = None;
        for day in -146_097..146_097 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
            assert!(previous < Some((year, month, of_month)), "dates rise");
            previous = Some((year, month, of_month));
        }
    }

    #[test]
    fn timestamps() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
            (951_827_696, 120_000_000, "2000-02-29T12:34:56.120Z"),
            (951_827_696, 120_000, "2000-02-29T12:34:56.000120Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (253_402_300_799, 1, "9999-12-31T23:59:59.000000001Z"),
        ] {
            assert_eq!(written(write_timestamp, seconds, nanos).as_deref(), Some(text));
            assert_eq!(parse_timestamp(text), Some((seconds, nanos)));
        }
        assert_eq!(written(write_timestamp, 253_402_300_800, 0), None);
        assert_eq!(written(write_timestamp, 0, -1), None);
        assert_eq!(written(write_timestamp, 0, 1_000_000_000), None);
    }

    #[test]
    fn timestamps_of_other_writers() {
        let noon = Some((951_825_600, 500_000_000));
        for text in [
            "2000-02-29T12:00:00.5Z",
            "2000-02-29t14:30:00.50+02:30",
            "2000-02-29 07:00:00.500000-05:00",
        ] {
            assert_eq!(parse_timestamp(text), noon, "{text}");
        }
        for text in [
            "",
            "2000-02-29",
            "2000-02-29T12:00:00",
            "2001-02-29T12:00:00Z",
            "2000-13-01T12:00:00Z",
            "2000-02-29T24:00:00Z",
            "2000-02-29T12:00:00.Z",
            "2000-02-29T12:00:00.1234567891Z",
            "2000-02-29T12:00:00+25:00",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "2000-02-29T12:00:00ZZ",
            "2000-02-2éT12:00:00Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (seconds, nanos, text) in [
            (0, 0, "0s"),
            (3, 0, "3s"),
            (0, 500_000_000, "0.500s"),
            (-0, -500_000_000, "-0.500s"),
            (-12, -1_000, "-12.000001s"),
            (315_576_000_000, 1, "315576000000.000000001s"),
        ] {
            assert_eq!(written(write_duration, seconds, nanos).as_deref(), Some(text));
            assert_eq!(parse_duration(text), Some((seconds, nanos)));
        }
        assert_eq!(parse_duration("0.5s"), Some((0, 500_000_000)));
        for (seconds, nanos) in [(1, -1), (-1, 1), (315_576_000_001, 0), (0, 1_000_000_000)] {
            assert_eq!(written(write_duration, seconds, nanos), None);
        }
        for text in [
            "",
            "s",
            "1",
            "1.s",
            ".5s",
            "1.1234567891s",
            "--1s",
            "1e3s",
            "315576000001s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
