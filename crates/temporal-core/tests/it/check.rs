//! Runs a scenario in every way a worker can meet it, and compares.

use crate::builder::{HistoryBuilder, update_request};
use crate::script::{Instance, Script};
use temporal_core::protos::api::command::v1::Command;
use temporal_core::protos::api::command::v1::command::Attributes as Cmd;
use temporal_core::protos::api::common::v1::WorkflowExecution;
use temporal_core::protos::api::history::v1::HistoryEvent;
use temporal_core::protos::api::history::v1::history_event::Attributes;
use temporal_core::protos::api::protocol::v1::{Message, message::SequencingId};
use temporal_core::protos::prost::Message as _;
use temporal_core::protos::prost_types::Any;
use temporal_core::*;

/// One workflow task of a history.
#[derive(Debug, Clone)]
pub(crate) struct TaskOf {
    pub(crate) started: i64,
    pub(crate) previous: i64,
    pub(crate) messages: Vec<Message>,
}

/// An update as the server delivers it.
pub(crate) fn message(id: &str, after: i64) -> Message {
    Message {
        id: format!("{id}/request"),
        protocol_instance_id: id.into(),
        body: Some(Any {
            type_url: "type.googleapis.com/temporal.api.update.v1.Request".into(),
            value: update_request(id, "update").encode_to_vec(),
        }),
        sequencing_id: Some(SequencingId::EventId(after)),
    }
}

/// The tasks that were completed, and the open one at the end if there is one.
pub(crate) fn tasks_of(events: &[HistoryEvent]) -> Vec<TaskOf> {
    let mut tasks = Vec::new();
    let mut previous = 0;
    for (index, event) in events.iter().enumerate() {
        if !matches!(
            event.attributes,
            Some(Attributes::WorkflowTaskStartedEventAttributes(_))
        ) {
            continue;
        }
        let completed = match events.get(index + 1).map(|next| &next.attributes) {
            None => false,
            Some(Some(Attributes::WorkflowTaskCompletedEventAttributes(_))) => true,
            Some(_) => continue,
        };
        let messages = events[index + 1..]
            .iter()
            .skip(usize::from(completed))
            .take_while(|event| {
                !matches!(
                    event.attributes,
                    Some(Attributes::WorkflowTaskScheduledEventAttributes(_))
                )
            })
            .filter_map(|event| match &event.attributes {
                Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                    // What came by an admitted event comes by no message.
                    accepted.accepted_request.as_ref()?;
                    Some(Message {
                        id: accepted.accepted_request_message_id.clone(),
                        body: Some(Any {
                            type_url: "type.googleapis.com/temporal.api.update.v1.Request".into(),
                            value: accepted.accepted_request.as_ref()?.encode_to_vec(),
                        }),
                        ..message(
                            &accepted.protocol_instance_id,
                            accepted.accepted_request_sequencing_event_id,
                        )
                    })
                }
                _ => None,
            })
            .collect();
        tasks.push(TaskOf {
            started: event.event_id,
            previous,
            messages,
        });
        previous = event.event_id;
    }
    tasks
}

/// The task that a worker without a cache gets.
pub(crate) fn whole_task(events: &[HistoryEvent], task: &TaskOf) -> WorkflowTask {
    WorkflowTask {
        workflow_type: "Flow".into(),
        started_event_id: task.started,
        previous_started_event_id: task.previous,
        events: events[..task.started as usize].to_vec(),
        messages: task.messages.clone(),
        ..WorkflowTask::default()
    }
}

/// The task that a worker with the run in its cache gets.
pub(crate) fn sticky_task(events: &[HistoryEvent], task: &TaskOf) -> WorkflowTask {
    let mut whole = whole_task(events, task);
    whole.events.drain(..task.previous as usize);
    whole
}

pub(crate) fn replay_task(events: &[HistoryEvent]) -> WorkflowTask {
    WorkflowTask {
        workflow_type: "Flow".into(),
        events: events.to_vec(),
        replay: true,
        ..WorkflowTask::default()
    }
}

pub(crate) fn completion(outcome: Outcome) -> Completion {
    match outcome {
        Outcome::Completed(completion) => completion,
        other => panic!("expected a completion, got {other:?}"),
    }
}

/// Works off a task whose history is whole.
pub(crate) fn work(instance: &mut Instance) -> Result<Outcome, RunError> {
    instance.work(&mut || panic!("no further page was promised"))
}

/// Replays a history as a whole.
pub(crate) fn replay(events: &[HistoryEvent], script: &Script) -> Result<(), RunError> {
    let mut instance = Instance::new(script, replay_task(events))?;
    match work(&mut instance)? {
        Outcome::Replayed => Ok(()),
        other => panic!("a replay gave {other:?}"),
    }
}

/// Replays in pages of some size.
fn replay_paged(events: &[HistoryEvent], script: &Script, size: usize) -> Result<(), RunError> {
    let mut pages = events.chunks(size).map(<[_]>::to_vec);
    let task = WorkflowTask {
        events: pages.next().unwrap(),
        more_events: true,
        ..replay_task(&[])
    };
    let mut instance = Instance::new(script, task)?;
    instance.work(&mut || pages.next()).map(drop)
}

/// Runs a scenario incrementally (sticky), evicted after every task, replayed, replayed in pages; the commands of every
/// task must be the same and be `expected`. Gives the completions of the incremental run.
#[track_caller]
pub(crate) fn check(history: &HistoryBuilder, script: &Script, expected: &[&[&str]]) -> Vec<Completion> {
    let events = &history.events;
    let tasks = tasks_of(events);
    let mut incremental = Vec::new();
    let mut instance: Option<Instance> = None;
    for task in &tasks {
        match &mut instance {
            None => instance = Some(Instance::new(script, whole_task(events, task)).unwrap()),
            Some(instance) => instance.handle_task(sticky_task(events, task)).unwrap(),
        }
        incremental.push(completion(work(instance.as_mut().unwrap()).unwrap()));
    }
    let found: Vec<Vec<String>> = incremental
        .iter()
        .map(|completion| completion.commands.iter().map(summary).collect())
        .collect();
    assert_eq!(found, expected, "commands, task by task");
    for (index, task) in tasks.iter().enumerate() {
        let mut evicted = Instance::new(script, whole_task(events, task)).unwrap();
        let evicted = completion(work(&mut evicted).unwrap());
        assert_eq!(
            evicted.commands, incremental[index].commands,
            "commands of task {index} after an eviction"
        );
        assert_eq!(
            evicted.messages, incremental[index].messages,
            "messages of task {index} after an eviction"
        );
    }
    replay(events, script).unwrap();
    for size in 1..=5 {
        replay_paged(events, script, size).unwrap();
    }
    incremental
}

/// Replays a history that the code contradicts, and gives the error; every way of meeting it must agree.
#[track_caller]
pub(crate) fn nondeterminism(history: &HistoryBuilder, script: &Script) -> Nondeterminism {
    let Err(RunError::Nondeterminism(error)) = replay(&history.events, script) else {
        panic!("the code does not contradict the history");
    };
    let mut instance = Instance::new(script, replay_task(&history.events)).unwrap();
    let first = work(&mut instance).unwrap_err();
    assert_eq!(first, RunError::Nondeterminism(error.clone()));
    // Sticky: the first task live, the next one finds the contradiction or one of those after it does.
    let tasks = tasks_of(&history.events);
    let mut sticky: Option<Instance> = None;
    let mut met = false;
    for task in &tasks {
        let result = match &mut sticky {
            None => Instance::new(script, whole_task(&history.events, task))
                .and_then(|instance| work(sticky.insert(instance))),
            Some(instance) => instance
                .handle_task(sticky_task(&history.events, task))
                .and_then(|()| work(instance)),
        };
        if let Err(found) = result {
            assert_eq!(found, RunError::Nondeterminism(error.clone()), "on a cached run");
            met = true;
            break;
        }
    }
    let mut after = tasks.iter().filter(|task| task.started > error.event_id).peekable();
    assert!(met || after.peek().is_none(), "the cached run did not meet it");
    for task in after {
        let found = Instance::new(script, whole_task(&history.events, task)).and_then(|mut evicted| work(&mut evicted));
        assert_eq!(
            found.unwrap_err(),
            RunError::Nondeterminism(error.clone()),
            "after an eviction"
        );
    }
    error
}

/// A command in a few words.
pub(crate) fn summary(command: &Command) -> String {
    let workflow = |w: &Option<WorkflowExecution>| w.as_ref().map(|w| w.workflow_id.clone()).unwrap_or_default();
    match command.attributes.as_ref().unwrap() {
        Cmd::ScheduleActivityTaskCommandAttributes(a) => {
            format!("activity {} {}", a.activity_id, a.activity_type.as_ref().unwrap().name)
        }
        Cmd::RequestCancelActivityTaskCommandAttributes(a) => format!("cancel activity @{}", a.scheduled_event_id),
        Cmd::StartTimerCommandAttributes(a) => {
            format!(
                "timer {} {}s",
                a.timer_id,
                a.start_to_fire_timeout.as_ref().unwrap().seconds
            )
        }
        Cmd::CancelTimerCommandAttributes(a) => format!("cancel timer {}", a.timer_id),
        Cmd::CompleteWorkflowExecutionCommandAttributes(_) => "complete".into(),
        Cmd::FailWorkflowExecutionCommandAttributes(a) => format!("fail {}", a.failure.as_ref().unwrap().message),
        Cmd::CancelWorkflowExecutionCommandAttributes(_) => "cancel".into(),
        Cmd::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => {
            format!(
                "cancel {} {}",
                if a.child_workflow_only { "child" } else { "external" },
                a.workflow_id
            )
        }
        Cmd::RecordMarkerCommandAttributes(a) => {
            let details = a.details.get("data").or(a.details.get("patch-data")).unwrap();
            let data: serde_json::Value = serde_json::from_slice(&details.payloads[0].data).unwrap();
            match a.marker_name.as_str() {
                "SideEffect" => {
                    let id = &a.details["side-effect-id"].payloads[0].data;
                    format!("side effect {}", String::from_utf8_lossy(id))
                }
                "MutableSideEffect" => {
                    let detail = |key: &str| String::from_utf8_lossy(&a.details[key].payloads[0].data);
                    format!(
                        "mutable {} {} {}",
                        detail("side-effect-id"),
                        detail("mutable-side-effect-call-counter"),
                        detail("data")
                    )
                }
                "core_patch" => format!("patch {}", data["id"].as_str().unwrap()),
                _ => format!("local {} {}", data["seq"], data["activity_type"].as_str().unwrap()),
            }
        }
        Cmd::ContinueAsNewWorkflowExecutionCommandAttributes(a) => {
            format!("continue as new {}", a.workflow_type.as_ref().unwrap().name)
        }
        Cmd::StartChildWorkflowExecutionCommandAttributes(a) => {
            format!("child {} {}", a.workflow_id, a.workflow_type.as_ref().unwrap().name)
        }
        Cmd::SignalExternalWorkflowExecutionCommandAttributes(a) => {
            format!("signal {} {}", workflow(&a.execution), a.signal_name)
        }
        Cmd::UpsertWorkflowSearchAttributesCommandAttributes(a) => {
            let keys: Vec<&str> = a
                .search_attributes
                .as_ref()
                .unwrap()
                .indexed_fields
                .keys()
                .map(String::as_str)
                .collect();
            format!("attributes {}", keys.join(" "))
        }
        Cmd::ProtocolMessageCommandAttributes(a) => format!("message {}", a.message_id),
        Cmd::ModifyWorkflowPropertiesCommandAttributes(a) => {
            let keys: Vec<&str> = a
                .upserted_memo
                .as_ref()
                .unwrap()
                .fields
                .keys()
                .map(String::as_str)
                .collect();
            format!("memo {}", keys.join(" "))
        }
        Cmd::ScheduleNexusOperationCommandAttributes(a) => format!("nexus {}", a.operation),
        Cmd::RequestCancelNexusOperationCommandAttributes(a) => format!("cancel nexus @{}", a.scheduled_event_id),
    }
}
