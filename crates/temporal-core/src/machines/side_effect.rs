//! Side effects: values that workflow code made outside of the workflow, remembered by a marker.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | unknown | call, with a marker looked ahead to | Sent | RecordMarker |
//! | unknown | call otherwise | unknown, with a number | |
//! | unknown | value | Made | RecordMarker |
//! | Made | sent | Sent | |
//! | Made, Sent | MarkerRecorded `SideEffect` of this number | *ended* | |
//!
//! The marker is that of the Go and Java SDKs, which tools know; the Core family has none.

use super::patch::json_payload;
use super::support::{Differences, Table, command};
use crate::SideEffectSeq;
use crate::convert::{result, single};
use crate::output::{CommandKey, Output};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::mem::take;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{Command, RecordMarkerCommandAttributes};
use temporal_protos::api::common::v1::{Payload, Payloads};
use temporal_protos::api::enums::v1::CommandType;
use temporal_protos::api::history::v1::MarkerRecordedEventAttributes;

pub(crate) const SIDE_EFFECT_MARKER: &str = "SideEffect";
const ID: &str = "side-effect-id";
const DATA: &str = "data";

/// The side effects of a run that history did not confirm yet.
#[derive(Debug, Default)]
pub(crate) struct SideEffects {
    /// Values of the batch being applied, by number.
    markers: BTreeMap<u32, Payload>,
    table: Table<SideEffect>,
}

#[derive(Debug)]
enum SideEffect {
    Made(Payload),
    Sent,
}

/// The number in a marker.
fn number(marker: &MarkerRecordedEventAttributes) -> Option<u32> {
    serde_json::from_slice(&marker.details.get(ID)?.payloads.first()?.data).ok()
}

impl SideEffects {
    /// History holds this marker in the batch being applied: takes the value out of it.
    pub(crate) fn looked_ahead(&mut self, marker: &mut MarkerRecordedEventAttributes) -> Result<(), String> {
        let number = number(marker).ok_or("a side effect's marker has no number")?;
        let value = result(marker.details.get_mut(DATA).map(take)).unwrap_or_default();
        self.markers.insert(number, value);
        Ok(())
    }

    /// The value that history holds for this number.
    pub(crate) fn call(&mut self, seq: SideEffectSeq, out: &mut Output) -> Option<Payload> {
        let value = self.markers.remove(&seq.0)?;
        self.table.insert(seq.0, SideEffect::Sent);
        out.command(CommandKey::SideEffectMarker(seq));
        Some(value)
    }

    pub(crate) fn record(&mut self, seq: SideEffectSeq, value: Payload, out: &mut Output) {
        self.table.insert(seq.0, SideEffect::Made(value));
        out.command(CommandKey::SideEffectMarker(seq));
    }

    pub(crate) fn recorded(
        &mut self,
        seq: SideEffectSeq,
        marker: &MarkerRecordedEventAttributes,
    ) -> Result<(), Differences> {
        let found = number(marker).unwrap_or(0);
        let check = |_: &SideEffect| Differences::default().number("side effect", found, seq.0).check();
        self.table.confirm(seq.0, check, |_| None)
    }

    pub(crate) fn send(&mut self, seq: SideEffectSeq) -> Option<Command> {
        self.table.send(seq.0, |state| {
            let SideEffect::Made(value) = state else {
                return (Some(state), None);
            };
            let id = Payloads {
                payloads: alloc::vec![json_payload(seq.0.to_string().into_bytes())],
            };
            let details = [
                (ID.to_string(), id),
                (DATA.to_string(), single(Some(value)).unwrap_or_default()),
            ];
            let attributes = RecordMarkerCommandAttributes {
                marker_name: SIDE_EFFECT_MARKER.to_string(),
                details: details.into(),
                ..RecordMarkerCommandAttributes::default()
            };
            let attributes = Attributes::RecordMarkerCommandAttributes(attributes);
            (
                Some(SideEffect::Sent),
                Some(command(CommandType::RecordMarker, attributes, None)),
            )
        })
    }

    pub(crate) fn describe(seq: SideEffectSeq) -> String {
        format!("side effect {}", seq.0)
    }
}
