//! The query that tells what each task of a workflow waits for.

use crate::workflow::error::Error;
use crate::workflow::operation::Wait;
use crate::workflow::run::Run;
use bytes::Bytes;
use serde_json::json;
use std::fmt::Write as _;
use temporal_client::data::PayloadConverterExt as _;
use temporal_protos::api::common::v1::Payload;

/// The query's name.
pub(crate) const QUERY: &str = "__stack_trace";

/// The name of the query for tools.
pub(crate) const ENHANCED_QUERY: &str = "__enhanced_stack_trace";

pub(crate) fn answer(run: &Run) -> Result<Payload, Error> {
    let converter = run.environment.converter.payload_converter();
    converter.encode(&text(run)).map_err(Error::conversion)
}

/// The same for tools, as the Temporal API defines it. It does not go through the program's own converter.
pub(crate) fn enhanced(run: &Run) -> Payload {
    let waits = waits(run);
    let location = |wait: &Wait, function: String| {
        json!({
            "filePath": wait.started_at.file(),
            "line": wait.started_at.line(),
            "column": wait.started_at.column(),
            "functionName": function,
        })
    };
    let tasks = run.executor.names().into_iter().map(|(task, name)| {
        let waits = waits.iter().filter(|wait| wait.task == Some(task));
        let locations: Vec<_> = waits
            .map(|wait| location(wait, format!("{name} waits for {}", wait.what)))
            .collect();
        json!({ "locations": locations })
    });
    let unawaited = waits.iter().filter(|wait| wait.task.is_none());
    let unawaited =
        unawaited.map(|wait| json!({ "locations": [location(wait, format!("{} is not awaited yet", wait.what))] }));
    let stacks: Vec<_> = tasks.chain(unawaited).collect();
    let trace = json!({
        "sdk": { "name": "temporal-rust", "version": env!("CARGO_PKG_VERSION") },
        "sources": {},
        "stacks": stacks,
    });
    Payload {
        metadata: [
            ("encoding".to_owned(), Bytes::from_static(b"json/protobuf")),
            (
                "messageType".to_owned(),
                Bytes::from_static(b"temporal.api.sdk.v1.EnhancedStackTrace"),
            ),
        ]
        .into(),
        data: trace.to_string().into(),
        ..Payload::default()
    }
}

/// Each task that is not at its end, with what it waits for and where that was started.
fn text(run: &Run) -> String {
    let waits = waits(run);
    let mut text = String::new();
    for (task, name) in run.executor.names() {
        let _ = writeln!(text, "{name}");
        let mut known = false;
        for wait in waits.iter().filter(|wait| wait.task == Some(task)) {
            known = true;
            let _ = writeln!(text, "    waits for {}, started at {}", wait.what, wait.started_at);
        }
        if !known {
            let _ = writeln!(text, "    waits for something of its own");
        }
    }
    let unawaited: Vec<&Wait> = waits.iter().filter(|wait| wait.task.is_none()).collect();
    if !unawaited.is_empty() {
        let _ = writeln!(text, "not awaited yet");
    }
    for wait in unawaited {
        let _ = writeln!(text, "    {}, started at {}", wait.what, wait.started_at);
    }
    text
}

fn waits(run: &Run) -> Vec<Wait> {
    let mut waits = Vec::new();
    run.timers.waits("timer", &mut waits);
    run.activities.waits("activity", &mut waits);
    run.local_activities.waits("local activity", &mut waits);
    run.child_starts.waits("the start of child workflow", &mut waits);
    without_starting(&mut waits, "child workflow", |waits| {
        run.children.waits("child workflow", waits);
    });
    run.external_signals.waits("a signal to another workflow,", &mut waits);
    run.external_cancels
        .waits("a request to cancel another workflow,", &mut waits);
    run.nexus_starts.waits("the start of Nexus operation", &mut waits);
    without_starting(&mut waits, "Nexus operation", |waits| {
        run.nexus_operations.waits("Nexus operation", waits);
    });
    run.executor.waits(&mut waits);
    run.waits.waits(&mut waits);
    waits.sort_by(|a, b| (a.started_at, &a.what).cmp(&(b.started_at, &b.what)));
    waits
}

/// Adds the ends of a kind of operation without those of which the start is still waited for.
fn without_starting(waits: &mut Vec<Wait>, kind: &str, add: impl FnOnce(&mut Vec<Wait>)) {
    let prefix = format!("the start of {kind} ");
    let starting: Vec<String> = waits
        .iter()
        .filter_map(|wait| Some(format!("{kind} {}", wait.what.strip_prefix(&prefix)?)))
        .collect();
    add(waits);
    waits.retain(|wait| !starting.contains(&wait.what));
}
