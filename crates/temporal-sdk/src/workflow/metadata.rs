//! The query that tells what a workflow consists of.

use crate::workflow::definition::{HandlerOptions, HandlerTable, WorkflowEntry};
use crate::workflow::run::Run;
use crate::workflow::stack_trace;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use temporal_protos::api::common::v1::Payload;

/// The query's name.
pub(crate) const QUERY: &str = "__temporal_workflow_metadata";

/// What user interfaces and command lines read, so it does not go through the program's own converter.
pub(crate) fn answer(run: &Run, entry: &WorkflowEntry) -> Payload {
    let handlers = &run.handlers;
    let mut queries = definitions(&entry.queries, handlers.added_queries.options());
    let built_in = [
        json!({"name": stack_trace::ENHANCED_QUERY, "description": "Tells tools what each task of the workflow waits for."}),
        json!({"name": stack_trace::QUERY, "description": "Tells what each task of the workflow waits for."}),
        json!({"name": QUERY, "description": "Tells what the workflow consists of."}),
    ];
    queries.splice(0..0, built_in);
    let metadata = json!({
        "definition": {
            "type": run.info.workflow_type,
            "queryDefinitions": queries,
            "signalDefinitions": definitions(&entry.signals, handlers.added_signals.options()),
            "updateDefinitions": definitions(&entry.updates, handlers.added_updates.options()),
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

/// By name; a dynamic handler has none, as in other SDKs, and comes last.
fn definitions<O>(table: &HandlerTable<O>, added: Vec<HandlerOptions>) -> Vec<Value> {
    let own = table
        .named
        .values()
        .chain(&table.dynamic)
        .map(|handler| handler.options.clone());
    let all: BTreeMap<_, _> = own
        .chain(added)
        .map(|options| ((options.name.is_empty(), options.name), options.description))
        .collect();
    all.into_iter()
        .map(|((_, name), description)| {
            let mut definition = json!({"name": name});
            if !description.is_empty() {
                definition["description"] = description.into();
            }
            definition
        })
        .collect()
}
