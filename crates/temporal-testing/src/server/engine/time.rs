//! Points in time as the engine counts them.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use temporal_protos::prost_types;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A point in time, in nanoseconds since the Unix epoch.
///
/// Real and virtual time share this type; [`Clock`](super::clock::Clock) maps one to the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    /// The latest time that can be expressed.
    pub const MAX: Time = Time(i64::MAX);

    /// Time is never skipped beyond this, about the year 2200: from here on every sum is exact for years to come, so that
    /// what is to happen later is later.
    pub(crate) const HORIZON: Time = Time(230 * 365 * 86_400 * NANOS_PER_SECOND);

    /// A time from nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Time(nanos)
    }

    /// A time from milliseconds since the Unix epoch; saturates.
    pub const fn from_millis(millis: i64) -> Self {
        Time(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The time that passed from `earlier` to this, zero when `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This time moved by a signed number of nanoseconds; saturates.
    pub(crate) const fn shifted(self, nanos: i64) -> Self {
        Time(self.0.saturating_add(nanos))
    }

    /// The protobuf timestamp of this time.
    pub fn to_proto(self) -> prost_types::Timestamp {
        prost_types::Timestamp {
            seconds: self.0.div_euclid(NANOS_PER_SECOND),
            // The remainder of a division by 10^9 always fits.
            nanos: i32::try_from(self.0.rem_euclid(NANOS_PER_SECOND)).unwrap_or(0),
        }
    }

    /// The time of a protobuf timestamp; saturates outside of what 64 bits of nanoseconds hold.
    pub fn from_proto(timestamp: &prost_types::Timestamp) -> Self {
        Time(
            timestamp
                .seconds
                .saturating_mul(NANOS_PER_SECOND)
                .saturating_add(i64::from(timestamp.nanos)),
        )
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::MAX`].
    fn add(self, duration: Duration) -> Time {
        Time(
            self.0
                .saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, duration: Duration) -> Time {
        Time(
            self.0
                .saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Time::default() + after,
            Err(before) => Time::default() - before.duration(),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}s",
            self.0.div_euclid(NANOS_PER_SECOND),
            self.0.rem_euclid(NANOS_PER_SECOND)
        )
    }
}

/// The duration a protobuf duration stands for; zero for absent and negative ones.
pub(crate) fn duration(proto: Option<&prost_types::Duration>) -> Duration {
    let Some(proto) = proto else { return Duration::ZERO };
    let nanos = i128::from(proto.seconds) * i128::from(NANOS_PER_SECOND) + i128::from(proto.nanos);
    u64::try_from(nanos.max(0)).map_or(Duration::from_nanos(u64::MAX), Duration::from_nanos)
}

/// The protobuf duration of a duration; saturates.
pub(crate) fn to_proto(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // Nanoseconds beneath a second always fit.
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_round_trip_on_both_sides_of_the_epoch() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, -5_000_000_001] {
            let time = Time::from_nanos(nanos);
            assert_eq!(Time::from_proto(&time.to_proto()), time);
        }
    }

    #[test]
    fn negative_durations_count_as_zero() {
        assert_eq!(
            duration(Some(&prost_types::Duration { seconds: -3, nanos: 0 })),
            Duration::ZERO
        );
        assert_eq!(duration(None), Duration::ZERO);
        assert_eq!(
            duration(Some(&prost_types::Duration {
                seconds: i64::MAX,
                nanos: 0
            })),
            Duration::from_nanos(u64::MAX)
        );
    }
}
