//! Durations and times to protobuf and back.

use std::time::{Duration, SystemTime};

/// A duration as protobuf; one too long for it becomes the longest.
pub(crate) fn proto_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap_or(prost_types::Duration {
        seconds: i64::MAX,
        nanos: 0,
    })
}

/// A time from protobuf.
pub(crate) fn system_time(time: prost_types::Timestamp) -> Option<SystemTime> {
    SystemTime::try_from(time).ok()
}
