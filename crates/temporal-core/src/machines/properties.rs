//! Memo and search attributes: what they are now, and the upserts on their way.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | (none) | upsert of anything | Requested | UpsertSearchAttributes or UpsertMemo |
//! | Requested | sent | Sent | |
//! | Requested, Sent | UpsertWorkflowSearchAttributes, WorkflowPropertiesModified with the same keys | *ended* | |

use super::support::{Differences, Table, command};
use crate::history::keys;
use crate::output::{CommandKey, Output};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{
    Command, ModifyWorkflowPropertiesCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes,
};
use temporal_protos::api::common::v1::{Memo, Payload, SearchAttributes};
use temporal_protos::api::enums::v1::CommandType;

/// Memo and search attributes of a run.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    pub(crate) memo: BTreeMap<String, Payload>,
    pub(crate) search_attributes: BTreeMap<String, Payload>,
    upserts: Table<Upsert>,
    last: u32,
}

/// One upsert.
#[derive(Debug)]
pub(crate) enum Upsert {
    Requested(BTreeMap<String, Payload>),
    Sent(Vec<String>),
}

impl Properties {
    pub(crate) fn upsert_search_attributes(&mut self, fields: BTreeMap<String, Payload>, out: &mut Output) {
        if fields.is_empty() {
            // The server refuses a command that changes nothing.
            return;
        }
        // An empty list removes a search attribute as well.
        let mut current = fields.clone();
        for payload in current.values_mut().filter(|payload| payload.data.as_ref() == b"[]") {
            payload.data = "null".as_bytes().into();
        }
        apply(&mut self.search_attributes, current);
        self.last += 1;
        out.command(CommandKey::UpsertSearchAttributes(self.last));
        self.upserts.insert(self.last, Upsert::Requested(fields));
    }

    pub(crate) fn upsert_memo(&mut self, fields: BTreeMap<String, Payload>, out: &mut Output) {
        if fields.is_empty() {
            return;
        }
        apply(&mut self.memo, fields.clone());
        self.last += 1;
        out.command(CommandKey::UpsertMemo(self.last));
        self.upserts.insert(self.last, Upsert::Requested(fields));
    }

    /// The memo was changed from outside.
    pub(crate) fn memo_modified(&mut self, memo: Option<Memo>) {
        if let Some(memo) = memo {
            apply(&mut self.memo, memo.fields);
        }
    }

    pub(crate) fn recorded(
        &mut self,
        upsert: u32,
        fields: Option<&BTreeMap<String, Payload>>,
    ) -> Result<(), Differences> {
        let empty = BTreeMap::new();
        let found = keys(fields.unwrap_or(&empty).keys());
        let check = |state: &Upsert| Differences::default().field("fields", &found, &state.keys()).check();
        self.upserts.confirm(upsert, check, |_| None)
    }

    pub(crate) fn send_search_attributes(&mut self, upsert: u32) -> Option<Command> {
        self.upserts.send(upsert, |state| {
            let (state, indexed_fields) = state.send();
            let attributes = UpsertWorkflowSearchAttributesCommandAttributes {
                search_attributes: Some(SearchAttributes { indexed_fields }),
            };
            let attributes = Attributes::UpsertWorkflowSearchAttributesCommandAttributes(attributes);
            (
                Some(state),
                Some(command(CommandType::UpsertWorkflowSearchAttributes, attributes, None)),
            )
        })
    }

    pub(crate) fn send_memo(&mut self, upsert: u32) -> Option<Command> {
        self.upserts.send(upsert, |state| {
            let (state, fields) = state.send();
            let attributes = ModifyWorkflowPropertiesCommandAttributes {
                upserted_memo: Some(Memo { fields }),
            };
            let attributes = Attributes::ModifyWorkflowPropertiesCommandAttributes(attributes);
            (
                Some(state),
                Some(command(CommandType::ModifyWorkflowProperties, attributes, None)),
            )
        })
    }

    pub(crate) fn describe(&self, upsert: u32) -> String {
        self.upserts.get(upsert).map(Upsert::keys).unwrap_or_default()
    }
}

impl Upsert {
    fn keys(&self) -> String {
        match self {
            Self::Requested(fields) => keys(fields.keys()),
            Self::Sent(names) => keys(names.iter()),
        }
    }

    fn send(self) -> (Self, BTreeMap<String, Payload>) {
        match self {
            Self::Requested(fields) => (Self::Sent(fields.keys().cloned().collect()), fields),
            Self::Sent(names) => (Self::Sent(names), BTreeMap::new()),
        }
    }
}

/// Sets fields; a null payload removes one.
fn apply(current: &mut BTreeMap<String, Payload>, fields: BTreeMap<String, Payload>) {
    for (key, payload) in fields {
        if is_null(&payload) {
            current.remove(&key);
        } else {
            current.insert(key, payload);
        }
    }
}

fn is_null(payload: &Payload) -> bool {
    match payload.metadata.get("encoding").map(AsRef::as_ref) {
        Some(b"binary/null") => true,
        Some(b"json/plain") => payload.data.as_ref() == b"null",
        _ => false,
    }
}
