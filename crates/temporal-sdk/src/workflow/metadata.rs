//! The query that tells what a workflow consists of.

use crate::workflow::definition::{HandlerTable, WorkflowEntry};
use crate::workflow::run::Run;
use bytes::Bytes;
use serde_json::{Value, json};
use temporal_protos::api::common::v1::Payload;

/// The query's name.
pub(crate) const QUERY: &str = "__temporal_workflow_metadata";

/// What user interfaces and command lines read, so it does not go through the program's own converter.
pub(crate) fn answer(run: &Run, entry: &WorkflowEntry) -> Payload {
    let mut queries = definitions(&entry.queries);
    queries.push(json!({"name": QUERY, "description": "Tells what the workflow consists of."}));
    let metadata = json!({
        "definition": {
            "type": run.info.workflow_type,
            "queryDefinitions": queries,
            "signalDefinitions": definitions(&entry.signals),
            "updateDefinitions": definitions(&entry.updates),
        },
        "currentDetails": &*run.details.borrow(),
    });
    Payload {
        metadata: [
            ("encoding".to_owned(), Bytes::from_static(b"json/protobuf")),
            (
                "messageType".to_owned(),
                Bytes::from_static(b"temporal.api.sdk.v1.WorkflowMetadata"),
            ),
        ]
        .into(),
        data: metadata.to_string().into(),
        ..Payload::default()
    }
}

/// Named ones in order, the dynamic one last and without a name, as other SDKs do.
fn definitions<O>(table: &HandlerTable<O>) -> Vec<Value> {
    let all = table.named.values().chain(&table.dynamic);
    all.map(|handler| {
        let mut definition = json!({"name": handler.options.name});
        if !handler.options.description.is_empty() {
            definition["description"] = handler.options.description.into();
        }
        definition
    })
    .collect()
}
