//! Literals whose meaning depends on the attribute: points in time, durations, statuses.

use temporal_protos::api::enums::v1::WorkflowExecutionStatus;

/// Nanoseconds since the Unix epoch of an RFC 3339 time: date, `T`, time of day with seconds, and `Z` or an offset.
///
/// `None` for anything else; shorter forms are not taken, as on the real server.
pub fn parse_datetime(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let shape = bytes.len() >= 20
        && bytes[10] == b'T'
        && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && bytes[11..19].iter().enumerate().all(|(at, byte)| match at {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        });
    let zone = text.get(19..).map(|rest| match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    })?;
    let zoned = zone == "Z" || (zone.len() == 6 && zone.starts_with(['+', '-']) && zone.as_bytes()[3] == b':');
    if !shape || !zoned {
        return None;
    }
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok()
}

/// Nanoseconds of a duration: a number of nanoseconds, `hh:mm:ss`, or numbers with units (`1h30m`, `1.5d`, `-2s`).
///
/// Units are `ns`, `us`, `µs`, `ms`, `s`, `m`, `h` and `d`. `None` for anything else.
pub fn parse_duration(text: &str) -> Option<i64> {
    if let Ok(nanos) = text.parse::<i64>() {
        return Some(nanos);
    }
    if text.contains(':') {
        return parse_clock(text);
    }
    parse_units(text, true)
}

/// Nanoseconds of numbers with units, `1h30m`; `days` says whether `d` is a unit.
pub(crate) fn parse_units(text: &str, days: bool) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
            .count();
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = &rest[..letters];
        if unit == "d" && !days {
            return None;
        }
        total += number * nanos_per(unit)?;
        rest = &rest[letters..];
    }
    let nanos = if negative { -total } else { total };
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within the range of i64")]
    (nanos.abs() < 9.2e18).then_some(nanos as i64)
}

fn nanos_per(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        "d" => 86400e9,
        _ => return None,
    })
}

fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut part = |max: i64| {
        let digits = parts.next()?;
        let number: i64 = digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())??;
        (number <= max).then_some(number)
    };
    let (hours, minutes, seconds) = (part(i64::MAX)?, part(59)?, part(59)?);
    if parts.next().is_some() {
        return None;
    }
    hours
        .checked_mul(3600)?
        .checked_add(minutes * 60 + seconds)?
        .checked_mul(1_000_000_000)
}

/// The status with a name, `Running` or `WORKFLOW_EXECUTION_STATUS_RUNNING`.
pub(super) fn parse_status(name: &str) -> Option<WorkflowExecutionStatus> {
    if let Some(status) = WorkflowExecutionStatus::from_str_name(name) {
        return Some(status);
    }
    (0..=8)
        .filter_map(|number| WorkflowExecutionStatus::try_from(number).ok())
        .find(|status| status_name(*status) == name)
}

/// The short name of a status, `ContinuedAsNew`.
pub(super) fn status_name(status: WorkflowExecutionStatus) -> &'static str {
    match status {
        WorkflowExecutionStatus::Unspecified => "Unspecified",
        WorkflowExecutionStatus::Running => "Running",
        WorkflowExecutionStatus::Completed => "Completed",
        WorkflowExecutionStatus::Failed => "Failed",
        WorkflowExecutionStatus::Canceled => "Canceled",
        WorkflowExecutionStatus::Terminated => "Terminated",
        WorkflowExecutionStatus::ContinuedAsNew => "ContinuedAsNew",
        WorkflowExecutionStatus::TimedOut => "TimedOut",
        WorkflowExecutionStatus::Paused => "Paused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_are_strict() {
        assert_eq!(parse_datetime("1970-01-01T00:00:01Z"), Some(1_000_000_000));
        assert_eq!(parse_datetime("1970-01-01T01:00:00.5+01:00"), Some(500_000_000));
        assert_eq!(
            parse_datetime("2026-01-02T03:04:05.123456789Z").map(|nanos| nanos % 1_000_000_000),
            Some(123_456_789)
        );
        for wrong in [
            "",
            "abc",
            "2026-01-02",
            "2026-01-02 03:04:05",
            "2026-01-02T03:04:05",
            "2026-01-02t03:04:05z",
            "2026-01-02T03:04Z",
            "2026-02-30T03:04:05Z",
            "1767323045000000000",
            "2026-01-02T03:04:05Z[UTC]",
            "２026-01-02T03:04:05Z",
        ] {
            assert_eq!(parse_datetime(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_in_every_form() {
        const HOUR: i64 = 3_600_000_000_000;
        for (text, nanos) in [
            ("1h", HOUR),
            ("1h30m", HOUR * 3 / 2),
            ("1d", 24 * HOUR),
            ("1.5d", 36 * HOUR),
            ("1d2h", 26 * HOUR),
            ("-1h", -HOUR),
            ("1", 1),
            ("0", 0),
            ("01:00:00", HOUR),
            ("1:2:3", HOUR + 123_000_000_000),
            ("100:00:00", 100 * HOUR),
            ("5ms", 5_000_000),
        ] {
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
        }
        for wrong in [
            "",
            "foo",
            "1x",
            "1w",
            "00:61:00",
            "1:2",
            "1:2:3:4",
            "h",
            "1h2",
            "999999999999999h",
            "-",
            ".",
            "1..5h",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn statuses_by_both_names() {
        assert_eq!(parse_status("TimedOut"), Some(WorkflowExecutionStatus::TimedOut));
        assert_eq!(
            parse_status("WORKFLOW_EXECUTION_STATUS_PAUSED"),
            Some(WorkflowExecutionStatus::Paused)
        );
        assert_eq!(parse_status("running"), None);
    }
}
