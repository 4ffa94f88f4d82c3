//! Reading histories, comparing them, and keeping them for later releases.

use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use temporal_protos::api::common::v1::{WorkflowExecution, WorkflowType};
use temporal_protos::api::enums::v1::HistoryEventFilterType;
use temporal_protos::api::history::v1::History;
use temporal_protos::api::workflowservice::v1::execute_multi_operation_request::operation::Operation;
use temporal_protos::api::workflowservice::v1::{
    ExecuteMultiOperationRequest, GetWorkflowExecutionHistoryRequest, StartWorkflowExecutionRequest,
};
use temporal_sdk::client::Client;
use temporal_sdk::client::interceptor::{ClientInterceptor, Intercepted, Next};

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

/// The histories of all runs of a workflow, the first one first; none for a workflow that does not exist.
///
/// # Errors
/// When one cannot be read.
pub async fn chain(client: &Client, workflow_id: &str) -> anyhow::Result<Vec<Vec<Event>>> {
    let mut runs = Vec::new();
    let mut next = Some(String::new());
    while let Some(run_id) = next {
        let events = match fetch(client, workflow_id, &run_id).await {
            Ok(events) => events,
            Err(error) if runs.is_empty() && error.to_string().contains("not found") => break,
            Err(error) => return Err(error),
        };
        next = run_before(&events);
        runs.push(events);
    }
    runs.reverse();
    Ok(runs)
}

/// The run that this one continues: after a reset, a retry, a cron tick or as new.
fn run_before(events: &[Event]) -> Option<String> {
    let mut before = events
        .iter()
        .rev()
        .filter_map(|event| match event.attributes.as_ref()? {
            Attributes::WorkflowTaskFailedEventAttributes(it) => Some(&it.base_run_id),
            Attributes::WorkflowExecutionStartedEventAttributes(it) => Some(&it.continued_execution_run_id),
            _ => None,
        });
    before.find(|run_id| !run_id.is_empty()).cloned()
}

/// Longer histories than this are not kept: they show nothing that shorter ones do not.
const LONGEST: usize = 500;

/// A workflow whose histories are kept.
#[derive(Debug, Clone)]
struct Noted {
    id: String,
    /// Its part of the files' names.
    name: String,
    /// Whether its children's are kept too.
    with_children: bool,
}

/// Keeps the histories of a test's workflows when `RECORD_HISTORIES` is set.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    noted: Arc<Mutex<Vec<Noted>>>,
}

impl Recorder {
    /// Notes an id that a workflow may be started with, by its last part.
    pub(crate) fn note(&self, id: &str) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.iter().all(|known| known.id != id) {
            noted.push(Noted {
                id: id.to_owned(),
                name: id.rsplit_once('-').map_or("", |(_, suffix)| suffix).to_owned(),
                with_children: false,
            });
        }
    }

    /// Notes a workflow whose id says nothing, by its type, with its children.
    pub(crate) fn note_type(&self, id: &str, workflow_type: Option<&WorkflowType>) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.iter().any(|known| known.id == id) {
            return;
        }
        let kind = workflow_type.map_or("", |kind| &kind.name);
        let same = |known: &&Noted| known.name.trim_end_matches(|digit: char| digit.is_ascii_digit()) == kind;
        let name = match noted.iter().filter(same).count() {
            0 => kind.to_owned(),
            others => format!("{kind}{}", others + 1),
        };
        noted.push(Noted {
            id: id.to_owned(),
            name,
            with_children: true,
        });
    }

    /// The workflow at this place.
    fn at(&self, place: usize) -> Option<Noted> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get(place).cloned()
    }

    /// Writes the histories of the workflows that exist, each to `histories/<version>/<test>.<name>.json`; those of runs that
    /// went on in another run to `<test>.<name>.run1.json` and so on.
    pub(crate) async fn finish(&self, client: &Client, test: &str) -> anyhow::Result<()> {
        if std::env::var_os("RECORD_HISTORIES").is_none() {
            return Ok(());
        }
        let folder = folder().join(env!("CARGO_PKG_VERSION"));
        std::fs::create_dir_all(&folder)?;
        let test = test.replace("::", ".");
        let mut place = 0;
        while let Some(Noted {
            id,
            name,
            with_children,
        }) = self.at(place)
        {
            place += 1;
            let runs = chain(client, &id).await?;
            let newest = runs.len();
            for (number, events) in (1..).zip(runs) {
                if with_children {
                    self.note_children(&events);
                }
                let file = folder.join(match number == newest {
                    true => format!("{test}.{name}.json"),
                    false => format!("{test}.{name}.run{number}.json"),
                });
                // What a version has written stays.
                if events.len() <= LONGEST && !file.exists() {
                    std::fs::write(&file, to_json(events)? + "\n")?;
                }
            }
        }
        Ok(())
    }

    fn note_children(&self, events: &[Event]) {
        for event in events {
            if let Some(Attributes::ChildWorkflowExecutionStartedEventAttributes(child)) = &event.attributes
                && let Some(execution) = &child.workflow_execution
            {
                self.note_type(&execution.workflow_id, child.workflow_type.as_ref());
            }
        }
    }
}

/// Notes each workflow that is started.
impl ClientInterceptor for Recorder {
    fn start_workflow<'a>(
        &'a self,
        request: StartWorkflowExecutionRequest,
        next: Next<'a>,
    ) -> Intercepted<'a, StartWorkflowExecutionRequest> {
        self.note_type(&request.workflow_id, request.workflow_type.as_ref());
        next.run(request)
    }

    fn update_with_start<'a>(
        &'a self,
        request: ExecuteMultiOperationRequest,
        next: Next<'a>,
    ) -> Intercepted<'a, ExecuteMultiOperationRequest> {
        for operation in &request.operations {
            if let Some(Operation::StartWorkflow(start)) = &operation.operation {
                self.note_type(&start.workflow_id, start.workflow_type.as_ref());
            }
        }
        next.run(request)
    }
}
