//! Cron schedules of workflows: five fields, `@daily` and its kin, `@every 2s`, in a time zone of choice.
//!
//! Rules are those of the real server. A day matches when both day fields do, but when neither starts with `*` or `?` one
//! of them is enough. A local time that a clock change skips does not come; one that it repeats comes twice.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};

use super::engine::Time;
use super::visibility::parse_units;

const SECOND: i64 = 1_000_000_000;

/// How far ahead a matching time is looked for.
const HORIZON_YEARS: i16 = 5;

/// A cron schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Nanoseconds between two times; whole seconds, at least one.
    Every(i64),
    Calendar {
        fields: Fields,
        zone: TimeZone,
    },
}

/// Bit `n` of a set: the number `n` matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    minute: u64,
    hour: u64,
    day_of_month: u64,
    month: u64,
    day_of_week: u64,
    /// Whether one of the day fields is open, so that both have to match.
    both_days: bool,
}

/// Why a text is no cron schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// There are more or fewer than five fields.
    #[error("{0} fields: a cron schedule has five, minute hour day-of-month month day-of-week")]
    FieldCount(usize),
    /// A field does not parse or is out of its range.
    #[error("{text:?} is no {field}: use *, ?, numbers from {min} to {max}, ranges a-b, lists a,b and steps /n")]
    Field {
        /// The part of the field that is wrong.
        text: String,
        /// Which field it is.
        field: FieldName,
        /// The smallest number allowed.
        min: u8,
        /// The largest number allowed.
        max: u8,
    },
    /// A word after `@` that stands for nothing.
    #[error(
        "{0:?} is unknown: use @yearly, @monthly, @weekly, @daily, @hourly or @every with a duration such as 1h30m"
    )]
    Descriptor(String),
    /// A time zone that is not in the database.
    #[error("time zone {0:?} is unknown: use a name such as Europe/Berlin")]
    TimeZone(String),
}

/// One of the five fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldName {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 12, or JAN to DEC.
    Month,
    /// 0 to 6 from Sunday, or SUN to SAT.
    DayOfWeek,
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldName::Minute => "minute",
            FieldName::Hour => "hour",
            FieldName::DayOfMonth => "day of the month",
            FieldName::Month => "month",
            FieldName::DayOfWeek => "day of the week",
        })
    }
}

impl FieldName {
    const fn range(self) -> (u8, u8) {
        match self {
            FieldName::Minute => (0, 59),
            FieldName::Hour => (0, 23),
            FieldName::DayOfMonth => (1, 31),
            FieldName::Month => (1, 12),
            FieldName::DayOfWeek => (0, 6),
        }
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            FieldName::Minute | FieldName::Hour | FieldName::DayOfMonth => &[],
            FieldName::Month => &[
                "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
            ],
            FieldName::DayOfWeek => &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        }
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl Cron {
    /// Reads a schedule: `CRON_TZ=zone ` or `TZ=zone ` if wanted (UTC else), then five fields or a descriptor.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let (zone, rest) = split_zone(text)?;
        let rest = rest.trim();
        if rest.starts_with('@') {
            return descriptor(rest, zone);
        }
        let parts: Vec<_> = rest.split_whitespace().collect();
        let &[minute, hour, day_of_month, month, day_of_week] = parts.as_slice() else {
            return Err(CronError::FieldCount(parts.len()));
        };
        let (minute, _) = field(FieldName::Minute, minute)?;
        let (hour, _) = field(FieldName::Hour, hour)?;
        let (day_of_month, any_day) = field(FieldName::DayOfMonth, day_of_month)?;
        let (month, _) = field(FieldName::Month, month)?;
        let (day_of_week, any_weekday) = field(FieldName::DayOfWeek, day_of_week)?;
        let both_days = any_day || any_weekday;
        let fields = Fields {
            minute,
            hour,
            day_of_month,
            month,
            day_of_week,
            both_days,
        };
        Ok(Cron(Kind::Calendar { fields, zone }))
    }

    /// The first matching time after `time`; `None` when there is none within five years.
    pub fn next_after(&self, time: Time) -> Option<Time> {
        match &self.0 {
            Kind::Every(nanos) => time
                .as_nanos()
                .checked_add(*nanos)
                .map(|next| Time::from_nanos(floor(next))),
            Kind::Calendar { fields, zone } => {
                let start = Timestamp::from_nanosecond(i128::from(floor(time.as_nanos()))).ok()?;
                let next = fields.next_after(start.to_zoned_datetime(zone.clone()))?;
                i64::try_from(next.timestamp().as_nanosecond())
                    .ok()
                    .map(Time::from_nanos)
            }
        }
    }

    /// How long after `close`, in whole seconds rounded up, the next run starts, when the last one started at `start`.
    pub fn backoff(&self, start: Time, close: Time) -> Option<Duration> {
        let next = match &self.0 {
            Kind::Every(nanos) => {
                // Times follow each other from the start on.
                let passed = close.as_nanos().saturating_sub(floor(start.as_nanos())).max(0);
                let steps = passed / nanos + 1;
                Time::from_nanos(floor(start.as_nanos()).checked_add(steps.checked_mul(*nanos)?)?)
            }
            Kind::Calendar { .. } => self.next_after(close.max(start))?,
        };
        let wait = next.since(close);
        Some(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
    }
}

fn floor(nanos: i64) -> i64 {
    nanos.div_euclid(SECOND).saturating_mul(SECOND)
}

fn split_zone(text: &str) -> Result<(TimeZone, &str), CronError> {
    let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) else {
        return Ok((TimeZone::UTC, text));
    };
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    if name.is_empty() {
        return Ok((TimeZone::UTC, rest));
    }
    let zone = TimeZone::get(name).map_err(|_| CronError::TimeZone(name.to_owned()))?;
    Ok((zone, rest))
}

fn descriptor(text: &str, zone: TimeZone) -> Result<Cron, CronError> {
    let unknown = || CronError::Descriptor(text.to_owned());
    if let Some(duration) = text.strip_prefix("@every ") {
        let nanos = parse_units(duration, false).ok_or_else(unknown)?;
        return Ok(Cron(Kind::Every(floor(nanos).max(SECOND))));
    }
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => return Err(unknown()),
    };
    let mut cron = Cron::parse(fields)?;
    if let Kind::Calendar { zone: zone_slot, .. } = &mut cron.0 {
        *zone_slot = zone;
    }
    Ok(cron)
}

/// The set of a field, and whether it starts out open (`*` or `?` without a step).
fn field(name: FieldName, text: &str) -> Result<(u64, bool), CronError> {
    let (mut set, mut open) = (0, false);
    // Empty parts of a list are let pass, as by the real server.
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (min, max) = name.range();
        let error = || CronError::Field {
            text: part.to_owned(),
            field: name,
            min,
            max,
        };
        let (bits, star) = range(name, part).ok_or_else(error)?;
        set |= bits;
        open |= star;
    }
    Ok((set, open))
}

fn range(name: FieldName, part: &str) -> Option<(u64, bool)> {
    let (min, max) = name.range();
    let mut halves = part.split('/');
    let (bounds, step) = (halves.next()?, halves.next());
    if halves.next().is_some() {
        return None;
    }
    let mut ends = bounds.split('-');
    let (first, last) = (ends.next()?, ends.next());
    let mut star = matches!(first, "*" | "?");
    let (low, high) = if star {
        (min, max)
    } else {
        if ends.next().is_some() {
            return None;
        }
        let low = number(name, first)?;
        match last {
            Some(last) => (low, number(name, last)?),
            None if step.is_some() => (low, max),
            None => (low, low),
        }
    };
    let step = match step {
        Some(step) => {
            let step: usize = step.parse().ok()?;
            star &= step <= 1;
            step
        }
        None => 1,
    };
    if low < min || high > max || low > high || step == 0 {
        return None;
    }
    let bits = (low..=high).step_by(step).fold(0, |set, number| set | 1u64 << number);
    Some((bits, star))
}

fn number(name: FieldName, text: &str) -> Option<u8> {
    let (min, _) = name.range();
    match name.names().iter().position(|known| known.eq_ignore_ascii_case(text)) {
        Some(at) => u8::try_from(at).ok().map(|at| at + min),
        None => text.parse().ok(),
    }
}

impl Fields {
    /// The first match in a later second than `start`, a whole second.
    fn next_after(&self, start: ZonedDateTime) -> Option<ZonedDateTime> {
        let last_year = start.year().checked_add(HORIZON_YEARS)?;
        let mut at = start.checked_add(1.second()).ok()?;
        while at.year() <= last_year {
            at = if !has(self.month, at.month()) {
                at.first_of_month()
                    .ok()?
                    .checked_add(1.month())
                    .ok()?
                    .start_of_day()
                    .ok()?
            } else if !self.day_matches(&at) {
                at.tomorrow().ok()?.start_of_day().ok()?
            } else if !has(self.hour, at.hour()) {
                step(&at, 3600 - i64::from(at.minute()) * 60 - i64::from(at.second()))?
            } else if at.second() != 0 || !has(self.minute, at.minute()) {
                step(&at, 60 - i64::from(at.second()))?
            } else {
                return Some(at);
            };
        }
        None
    }

    fn day_matches(&self, at: &ZonedDateTime) -> bool {
        let of_month = has(self.day_of_month, at.day());
        let of_week = has(self.day_of_week, at.weekday().to_sunday_zero_offset());
        if self.both_days {
            of_month && of_week
        } else {
            of_month || of_week
        }
    }
}

/// Real seconds, not those of the wall clock.
fn step(at: &ZonedDateTime, seconds: i64) -> Option<ZonedDateTime> {
    at.checked_add(seconds.seconds()).ok()
}

fn has(set: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| set >> number & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        let nanos = text.parse::<Timestamp>().unwrap().as_nanosecond();
        Time::from_nanos(i64::try_from(nanos).unwrap())
    }

    fn nexts(cron: &str, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(cron).unwrap();
        let mut at = time(from);
        (0..count)
            .map(|_| {
                at = cron.next_after(at).unwrap();
                Timestamp::from_nanosecond(i128::from(at.as_nanos()))
                    .unwrap()
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn recorded_backoffs_of_the_real_server() {
        let mut cases = 0;
        for line in include_str!("../../tests/data/cron.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            cases += 1;
            let mut parts = line.split(" | ");
            let (cron, expected) = (parts.next().unwrap(), parts.next().unwrap());
            match (Cron::parse(cron), expected.split_once(' ')) {
                (Err(_), None) => assert_eq!(expected, "invalid", "{cron}"),
                (Ok(found), None) => {
                    assert_eq!(expected, "never", "{cron} is refused by the real server");
                    assert_eq!(found.next_after(time("2026-11-24T17:59:29Z")), None, "{cron}");
                }
                (Ok(found), Some((start, seconds))) => {
                    let wait = found.backoff(time(start), time(start)).unwrap();
                    assert_eq!(wait.as_secs().to_string(), seconds, "{cron}");
                }
                (Err(error), Some(_)) => panic!("{cron}: {error}"),
            }
        }
        assert!(cases > 90, "{cases}");
    }

    #[test]
    fn a_time_the_clock_change_skips_does_not_come() {
        // Europe/Berlin goes from 02:00 to 03:00 on 2026-03-29.
        assert_eq!(
            nexts("CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]
        );
        assert_eq!(
            nexts("TZ=Europe/Berlin 0 * * * *", "2026-03-29T00:30:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]
        );
    }

    #[test]
    fn a_time_the_clock_change_repeats_comes_twice() {
        // Europe/Berlin goes from 03:00 back to 02:00 on 2026-10-25.
        assert_eq!(
            nexts("CRON_TZ=Europe/Berlin 0,30 2 * * *", "2026-10-24T22:00:00Z", 5),
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-26T01:00:00Z"
            ]
        );
    }

    #[test]
    fn midnight_that_does_not_exist_is_stepped_over() {
        // In Cairo the clock goes from 00:00 to 01:00 on 2026-04-24.
        assert_eq!(
            nexts("CRON_TZ=Africa/Cairo @daily", "2026-04-22T22:30:00Z", 2),
            ["2026-04-24T21:00:00Z", "2026-04-25T21:00:00Z"]
        );
    }

    #[test]
    fn leap_days_and_days_that_never_come() {
        assert_eq!(nexts("0 0 29 2 *", "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
        assert_eq!(
            Cron::parse("0 0 30 2 *")
                .unwrap()
                .next_after(time("2026-01-01T00:00:00Z")),
            None
        );
    }

    #[test]
    fn every_counts_from_the_start_of_the_run() {
        let cron = Cron::parse("@every 10s").unwrap();
        let start = time("2026-01-01T00:00:03.7Z");
        let wait = |close: &str| cron.backoff(start, time(close)).unwrap().as_secs();
        assert_eq!(wait("2026-01-01T00:00:04Z"), 9);
        assert_eq!(wait("2026-01-01T00:00:13.1Z"), 10);
        assert_eq!(wait("2026-01-01T00:00:45Z"), 8);
    }

    #[test]
    fn errors_name_the_field() {
        for (cron, error) in [
            ("* * * *", "4 fields"),
            ("* 24 * * *", "\"24\" is no hour"),
            ("* * * foo *", "\"foo\" is no month"),
            ("@reboot", "@reboot"),
            ("TZ=Mars/Base * * * * *", "Mars/Base"),
            ("", "0 fields"),
        ] {
            let message = Cron::parse(cron).unwrap_err().to_string();
            assert!(message.contains(error), "{message}");
        }
    }
}
