//! Reading histories, comparing them, and keeping them for later releases.

use anyhow::{Context as _, bail};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::enums::v1::HistoryEventFilterType;
use temporal_protos::api::history::v1::History;
use temporal_protos::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;
use temporal_sdk::client::Client;

pub use temporal_protos::api::enums::v1::EventType;
pub use temporal_protos::api::history::v1::HistoryEvent as Event;
pub use temporal_protos::api::history::v1::history_event::Attributes;

/// The events of a run; of the newest one for an empty run id.
///
/// # Errors
/// When the history cannot be read.
pub async fn fetch(client: &Client, workflow_id: &str, run_id: &str) -> anyhow::Result<Vec<Event>> {
    let mut request = request(client, workflow_id, run_id);
    let mut events = Vec::new();
    loop {
        let answer = client.call(request.clone()).await?;
        events.extend(answer.history.unwrap_or_default().events);
        if answer.next_page_token.is_empty() {
            return Ok(events);
        }
        request.next_page_token = answer.next_page_token;
    }
}

/// Waits for an event that the predicate accepts; gives the events up to it.
///
/// # Errors
/// When the history cannot be read, or the run ends without such an event.
pub async fn wait_for(
    client: &Client,
    workflow_id: &str,
    accept: impl Fn(&Event) -> bool,
) -> anyhow::Result<Vec<Event>> {
    let mut request = request(client, workflow_id, "");
    request.wait_new_event = true;
    let mut events = Vec::new();
    loop {
        let answer = client.call(request.clone()).await?;
        for event in answer.history.unwrap_or_default().events {
            let accepted = accept(&event);
            events.push(event);
            if accepted {
                return Ok(events);
            }
        }
        if answer.next_page_token.is_empty() {
            bail!(
                "the run ended without the event that was waited for: {:?}",
                types(&events)
            );
        }
        request.next_page_token = answer.next_page_token;
    }
}

fn request(client: &Client, workflow_id: &str, run_id: &str) -> GetWorkflowExecutionHistoryRequest {
    GetWorkflowExecutionHistoryRequest {
        namespace: client.namespace().to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            run_id: run_id.to_owned(),
        }),
        history_event_filter_type: HistoryEventFilterType::AllEvent.into(),
        ..Default::default()
    }
}

/// The types of events.
#[must_use]
pub fn types(events: &[Event]) -> Vec<EventType> {
    events.iter().map(Event::event_type).collect()
}

/// How many events there are of a type.
#[must_use]
pub fn count(events: &[Event], kind: EventType) -> usize {
    events.iter().filter(|event| event.event_type() == kind).count()
}

/// The types of events without those of workflow tasks, which depend on timing.
#[must_use]
pub fn essential(events: &[Event]) -> Vec<EventType> {
    let task = [
        EventType::WorkflowTaskScheduled,
        EventType::WorkflowTaskStarted,
        EventType::WorkflowTaskCompleted,
        EventType::WorkflowTaskTimedOut,
        EventType::WorkflowTaskFailed,
    ];
    types(events).into_iter().filter(|kind| !task.contains(kind)).collect()
}

/// A history as JSON, in the form that the `temporal` program and the web UI write.
///
/// # Errors
/// When it has no JSON form.
pub fn to_json(events: Vec<Event>) -> anyhow::Result<String> {
    temporal_protos::json::to_json(&History { events }).context("a history has a JSON form")
}

/// Where histories are kept.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("histories")
}

/// Keeps the histories of a test's workflows when `RECORD_HISTORIES` is set.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    ids: Arc<Mutex<BTreeSet<String>>>,
}

impl Recorder {
    /// Notes an id that a workflow may be started with.
    pub(crate) fn note(&self, id: &str) {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned());
    }

    /// Writes the histories of the workflows that exist, each to `histories/<version>/<test>.<id suffix>.json`.
    pub(crate) async fn finish(&self, client: &Client, test: &str) -> anyhow::Result<()> {
        if std::env::var_os("RECORD_HISTORIES").is_none() {
            return Ok(());
        }
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let folder = folder().join(env!("CARGO_PKG_VERSION"));
        std::fs::create_dir_all(&folder)?;
        for id in ids {
            let Ok(events) = fetch(client, &id, "").await else {
                continue;
            };
            // Long ones show nothing that short ones do not.
            if events.len() > 500 {
                continue;
            }
            let suffix = id.rsplit_once('-').map_or("", |(_, suffix)| suffix);
            let file = folder.join(format!("{}.{suffix}.json", test.replace("::", ".")));
            // What a version has written stays.
            if !file.exists() {
                std::fs::write(&file, to_json(events)? + "\n")?;
            }
        }
        Ok(())
    }
}
