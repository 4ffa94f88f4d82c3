//! Patches: changes of workflow code that histories remember by a marker.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | unknown | call while history goes on, without a marker looked ahead to | Absent | |
//! | unknown | call otherwise | Present | RecordMarker, then UpsertSearchAttributes (flag 2) |
//! | Absent, Present | call | the same | |
//! | Present, marker out | MarkerRecorded `core_patch` of this id | confirmed | |
//! | confirmed | UpsertWorkflowSearchAttributes of `TemporalChangeVersion`, or another event | done | |
//! | unknown | MarkerRecorded `core_patch` of a deprecated patch | unknown | (the code may have dropped the call) |

use super::support::{Differences, command};
use crate::output::{CommandKey, Output};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{
    Command, RecordMarkerCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes,
};
use temporal_protos::api::common::v1::{Payload, Payloads, SearchAttributes};
use temporal_protos::api::enums::v1::CommandType;
use temporal_protos::api::history::v1::MarkerRecordedEventAttributes;

pub(crate) const PATCH_MARKER: &str = "core_patch";
pub(crate) const PATCH_ATTRIBUTE: &str = "TemporalChangeVersion";
const DETAIL: &str = "patch-data";
/// The server refuses larger values of a search attribute.
const ATTRIBUTE_LIMIT: usize = 2048;

/// The patches of a run.
#[derive(Debug, Default)]
pub(crate) struct Patches {
    /// What calls were answered.
    answers: BTreeMap<String, bool>,
    /// Markers of the batches applied so far.
    markers: BTreeSet<String>,
    /// Patches in the order of their markers, numbered from 0.
    used: Vec<(String, bool)>,
}

/// What a marker holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PatchData {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) deprecated: bool,
}

impl PatchData {
    pub(crate) fn read(marker: &MarkerRecordedEventAttributes) -> Option<Self> {
        let detail = |key: &str| Some(marker.details.get(key)?.payloads.first()?.data.as_ref());
        if let Some(data) = detail(DETAIL) {
            return serde_json::from_slice(data).ok();
        }
        // As written before 2023: the id in plain bytes, and one byte.
        let id = core::str::from_utf8(detail("patch_id")?).ok()?.to_string();
        let deprecated = detail("deprecated")
            .and_then(<[u8]>::first)
            .is_some_and(|flag| *flag != 0);
        Some(Self { id, deprecated })
    }
}

impl Patches {
    /// History holds this marker in the batch being applied.
    pub(crate) fn looked_ahead(&mut self, id: String) {
        self.markers.insert(id);
    }

    /// `recorded`: history goes on after this batch, so only markers count.
    pub(crate) fn call(&mut self, id: &str, deprecated: bool, recorded: bool, out: &mut Output) -> bool {
        if let Some(&answer) = self.answers.get(id) {
            return answer;
        }
        let present = !recorded || self.markers.contains(id);
        self.answers.insert(id.to_string(), present);
        if present {
            let number = u32::try_from(self.used.len()).unwrap_or(u32::MAX);
            self.used.push((id.to_string(), deprecated));
            out.command(CommandKey::PatchMarker(number));
            if self.attribute(number).data.len() < ATTRIBUTE_LIMIT {
                out.command(CommandKey::PatchAttributes(number));
            }
        }
        present
    }

    /// What a call was answered before, if any.
    pub(crate) fn answer(&self, id: &str) -> Option<bool> {
        self.answers.get(id).copied()
    }

    pub(crate) fn recorded(&self, number: u32, data: &PatchData) -> Result<(), Differences> {
        let id = self.used.get(number as usize).map_or("", |(id, _)| id.as_str());
        Differences::default().field("patch", &data.id, id).check()
    }

    pub(crate) fn send_marker(&self, number: u32) -> Option<Command> {
        let (id, deprecated) = self.used.get(number as usize)?;
        let data = PatchData {
            id: id.clone(),
            deprecated: *deprecated,
        };
        let data = serde_json::to_vec(&data).unwrap_or_default();
        let details = [(
            DETAIL.to_string(),
            Payloads {
                payloads: alloc::vec![json_payload(data)],
            },
        )];
        let attributes = RecordMarkerCommandAttributes {
            marker_name: PATCH_MARKER.to_string(),
            details: details.into(),
            ..RecordMarkerCommandAttributes::default()
        };
        Some(command(
            CommandType::RecordMarker,
            Attributes::RecordMarkerCommandAttributes(attributes),
            None,
        ))
    }

    pub(crate) fn send_attributes(&self, number: u32) -> Option<Command> {
        let fields = [(PATCH_ATTRIBUTE.to_string(), self.attribute(number))];
        let attributes = UpsertWorkflowSearchAttributesCommandAttributes {
            search_attributes: Some(SearchAttributes {
                indexed_fields: fields.into(),
            }),
        };
        let attributes = Attributes::UpsertWorkflowSearchAttributesCommandAttributes(attributes);
        Some(command(CommandType::UpsertWorkflowSearchAttributes, attributes, None))
    }

    /// All ids up to this patch, sorted.
    fn attribute(&self, number: u32) -> Payload {
        let ids: BTreeSet<&str> = self
            .used
            .iter()
            .take(number as usize + 1)
            .map(|(id, _)| id.as_str())
            .collect();
        let mut payload = json_payload(serde_json::to_vec(&ids).unwrap_or_default());
        payload
            .metadata
            .insert("type".to_string(), "KeywordList".as_bytes().to_vec().into());
        payload
    }

    pub(crate) fn describe(&self, number: u32) -> String {
        self.used
            .get(number as usize)
            .map(|(id, _)| format!("patch {id:?}"))
            .unwrap_or_default()
    }
}

/// A `json/plain` payload.
pub(crate) fn json_payload(data: Vec<u8>) -> Payload {
    Payload {
        metadata: [("encoding".to_string(), "json/plain".as_bytes().to_vec().into())].into(),
        data: data.into(),
        ..Payload::default()
    }
}
