//! Side effects by id, whose values may change: a marker remembers each change.
//!
//! | state of a call | on | becomes | emits |
//! |---|---|---|---|
//! | new | call, with a marker looked ahead to for this call of the id | Sent | RecordMarker |
//! | new | call while history goes on, of an id that has a value | *ended*, with that value | |
//! | new | call otherwise | new: the code makes a value | |
//! | new | the same value as before | *ended* | |
//! | new | another value | Made | RecordMarker |
//! | Made | sent | Sent | |
//! | Made, Sent | MarkerRecorded `MutableSideEffect` of this id and call | *ended* | |
//!
//! The marker is that of the Go and Java SDKs, which tools know; the Core family has none.

use super::patch::json_payload;
use super::support::{Differences, Table, command};
use crate::convert::{result, single};
use crate::output::{CommandKey, Output};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::mem::take;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{Command, RecordMarkerCommandAttributes};
use temporal_protos::api::common::v1::{Payload, Payloads};
use temporal_protos::api::enums::v1::CommandType;
use temporal_protos::api::history::v1::MarkerRecordedEventAttributes;

pub(crate) const MUTABLE_SIDE_EFFECT_MARKER: &str = "MutableSideEffect";
const ID: &str = "side-effect-id";
const DATA: &str = "data";
const CALL: &str = "mutable-side-effect-call-counter";

/// The mutable side effects of a run; most have none.
#[derive(Debug, Default)]
pub(crate) struct MutableSideEffects(Option<Box<Known>>);

#[derive(Debug, Default)]
struct Known {
    values: BTreeMap<String, Value>,
    /// Values of the batch being applied, by id and call.
    markers: BTreeMap<(String, u32), Payload>,
    /// Changes that history did not confirm yet, numbered over all ids.
    table: Table<Change>,
    last: u32,
}

/// What an id stands at.
#[derive(Debug, Default)]
struct Value {
    calls: u32,
    current: Option<Payload>,
}

#[derive(Debug)]
struct Change {
    id: String,
    call: u32,
    /// `None` once it is sent.
    value: Option<Payload>,
}

/// The id and the call in a marker.
fn read(marker: &MarkerRecordedEventAttributes) -> Option<(String, u32)> {
    let detail = |key: &str| Some(marker.details.get(key)?.payloads.first()?.data.as_ref());
    let id = serde_json::from_slice(detail(ID)?).ok()?;
    let call = serde_json::from_slice(detail(CALL)?).ok()?;
    Some((id, call))
}

impl MutableSideEffects {
    /// History holds this marker in the batch being applied: takes the value out of it.
    pub(crate) fn looked_ahead(&mut self, marker: &mut MarkerRecordedEventAttributes) -> Result<(), String> {
        let key = read(marker).ok_or("a mutable side effect's marker has no id or no call")?;
        let value = result(marker.details.get_mut(DATA).map(take)).unwrap_or_default();
        self.0.get_or_insert_default().markers.insert(key, value);
        Ok(())
    }

    /// The value that is history's for this call; `None`: the code makes one. `recorded`: history goes on after this batch.
    pub(crate) fn call(&mut self, id: &str, recorded: bool, out: &mut Output) -> Option<Payload> {
        let known = self.0.get_or_insert_default();
        if !known.values.contains_key(id) {
            known.values.insert(id.to_string(), Value::default());
        }
        let value = known.values.get_mut(id)?;
        value.calls += 1;
        match known.markers.remove(&(id.to_string(), value.calls)) {
            Some(changed) => {
                value.current = Some(changed.clone());
                known.change(id, None, out);
                Some(changed)
            }
            None if recorded => value.current.clone(),
            None => None,
        }
    }

    /// The value that the code made for the last call of the id. A marker will remember it if it is another one than before.
    pub(crate) fn record(&mut self, id: &str, made: Payload, out: &mut Output) {
        let Some(known) = &mut self.0 else { return };
        let Some(value) = known.values.get_mut(id) else { return };
        if value.current.as_ref() != Some(&made) {
            value.current = Some(made.clone());
            known.change(id, Some(made), out);
        }
    }

    pub(crate) fn recorded(&mut self, number: u32, marker: &MarkerRecordedEventAttributes) -> Result<(), Differences> {
        let Some(known) = &mut self.0 else {
            return Err(Differences::default());
        };
        let (id, call) = read(marker).unwrap_or_default();
        let check = |change: &Change| {
            Differences::default()
                .field("id", &id, &change.id)
                .number("call", call, change.call)
                .check()
        };
        known.table.confirm(number, check, |_| None)
    }

    pub(crate) fn send(&mut self, number: u32) -> Option<Command> {
        self.0.as_mut()?.table.send(number, |mut change| {
            let command = change.value.take().map(|value| marker_command(&change, value));
            (Some(change), command)
        })
    }

    pub(crate) fn describe(&self, number: u32) -> String {
        let change = self.0.as_ref().and_then(|known| known.table.get(number));
        change.map_or_else(String::new, |change| {
            format!("mutable side effect {:?}, call {}", change.id, change.call)
        })
    }
}

impl Known {
    fn change(&mut self, id: &str, value: Option<Payload>, out: &mut Output) {
        self.last += 1;
        let call = self.values.get(id).map_or(0, |value| value.calls);
        let id = id.to_string();
        self.table.insert(self.last, Change { id, call, value });
        out.command(CommandKey::MutableSideEffectMarker(self.last));
    }
}

fn marker_command(change: &Change, value: Payload) -> Command {
    let detail = |data| Payloads {
        payloads: alloc::vec![json_payload(data)],
    };
    let details = [
        (
            ID.to_string(),
            detail(serde_json::to_vec(&change.id).unwrap_or_default()),
        ),
        (CALL.to_string(), detail(change.call.to_string().into_bytes())),
        (DATA.to_string(), single(Some(value)).unwrap_or_default()),
    ];
    let attributes = RecordMarkerCommandAttributes {
        marker_name: MUTABLE_SIDE_EFFECT_MARKER.to_string(),
        details: details.into(),
        ..RecordMarkerCommandAttributes::default()
    };
    command(
        CommandType::RecordMarker,
        Attributes::RecordMarkerCommandAttributes(attributes),
        None,
    )
}
