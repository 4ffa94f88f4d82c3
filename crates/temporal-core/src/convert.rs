//! Between plain types and protobuf leaves.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use temporal_protos::api::common::v1::{Header, Memo, Payload, Payloads, SearchAttributes};
use temporal_protos::api::enums::v1::TaskQueueKind;
use temporal_protos::api::taskqueue::v1::TaskQueue;
use temporal_protos::prost_types;

/// A duration for the wire; absent stays absent.
pub(crate) fn wire_duration(duration: Option<Duration>) -> Option<prost_types::Duration> {
    duration.map(|duration| prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: duration.subsec_nanos().cast_signed(),
    })
}

/// A point in time, since the Unix epoch; times before it count as the epoch.
pub(crate) fn since_epoch(time: Option<&prost_types::Timestamp>) -> Duration {
    time.map_or(Duration::ZERO, |time| {
        Duration::new(
            u64::try_from(time.seconds).unwrap_or(0),
            u32::try_from(time.nanos).unwrap_or(0),
        )
    })
}

/// Arguments; none at all leaves the field out.
pub(crate) fn payloads(payloads: Vec<Payload>) -> Option<Payloads> {
    (!payloads.is_empty()).then_some(Payloads { payloads })
}

/// A single result.
pub(crate) fn single(payload: Option<Payload>) -> Option<Payloads> {
    payload.map(|payload| Payloads {
        payloads: alloc::vec![payload],
    })
}

/// The arguments in a field.
pub(crate) fn arguments(payloads: Option<Payloads>) -> Vec<Payload> {
    payloads.map(|payloads| payloads.payloads).unwrap_or_default()
}

/// The result in a field.
pub(crate) fn result(payloads: Option<Payloads>) -> Option<Payload> {
    payloads.and_then(|payloads| payloads.payloads.into_iter().next())
}

/// Headers; none at all leaves the field out.
pub(crate) fn header(fields: BTreeMap<String, Payload>) -> Option<Header> {
    (!fields.is_empty()).then_some(Header { fields })
}

/// The headers in a field.
pub(crate) fn header_fields(header: Option<Header>) -> BTreeMap<String, Payload> {
    header.map(|header| header.fields).unwrap_or_default()
}

/// Memo fields; none at all leaves the field out.
pub(crate) fn memo(fields: BTreeMap<String, Payload>) -> Option<Memo> {
    (!fields.is_empty()).then_some(Memo { fields })
}

/// Search attributes; none at all leaves the field out.
pub(crate) fn search_attributes(indexed_fields: BTreeMap<String, Payload>) -> Option<SearchAttributes> {
    (!indexed_fields.is_empty()).then_some(SearchAttributes { indexed_fields })
}

/// A normal task queue; an empty name gives `own`.
pub(crate) fn task_queue(name: String, own: &str) -> Option<TaskQueue> {
    Some(TaskQueue {
        name: if name.is_empty() { own.into() } else { name },
        kind: TaskQueueKind::Normal.into(),
        ..TaskQueue::default()
    })
}
