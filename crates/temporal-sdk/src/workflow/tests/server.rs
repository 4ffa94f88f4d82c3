//! A stand-in for the server: it turns commands into events, and what the test says happened into events as well.
//!
//! Every task is run twice, on the cached run and on a fresh one that replays all of history: both must give the same
//! commands and messages.

use crate::workflow::failure_policy::FailurePolicy;
use crate::workflow::host::{Drive, HostEnvironment, TaskFailure, WorkflowHost};
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::{Interceptor, Workflow};
use prost::Message as _;
use std::collections::VecDeque;
use std::sync::Arc;
use temporal_client::data::{DataConverter, PayloadConverterExt as _, ToPayload};
use temporal_core::{
    Completion, LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq, Outcome, QueryId, QueryRequest,
    ScheduleLocalActivity, WorkflowTask,
};
use temporal_protos::api::command::v1::Command;
use temporal_protos::api::command::v1::command::Attributes as Asked;
use temporal_protos::api::common::v1::{ActivityType, Payload, Payloads, WorkflowExecution, WorkflowType};
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{ApplicationFailureInfo, CanceledFailureInfo, Failure};
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::*;
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::api::protocol::v1::message::SequencingId;
use temporal_protos::api::query::v1::WorkflowQueryResult;
use temporal_protos::api::update::v1::{Acceptance, Input, Meta, Rejection, Request, Response};

/// What runs a local activity in a test.
pub(super) type LocalActivity = Box<dyn FnMut(&ScheduleLocalActivity) -> Option<LocalActivityOutcome>>;

pub(super) struct Server {
    environment: Arc<HostEnvironment>,
    workflow_type: String,
    pub(super) events: Vec<HistoryEvent>,
    host: Option<WorkflowHost>,
    /// Started event of the last completed task, and how many events the cached run has seen.
    previous_started: i64,
    messages: Vec<Message>,
    queries: Vec<QueryRequest>,
    updates: VecDeque<Request>,
    /// The server's clock, in seconds.
    pub(super) now: i64,
    /// Runs local activities; `None` leaves one running.
    pub(super) local: LocalActivity,
    /// Whether every task is also run as a full replay.
    pub(super) check_replay: bool,
}

/// What a task gave.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) commands: Vec<Command>,
    pub(super) messages: Vec<Message>,
    pub(super) completion: Completion,
}

pub(super) fn payload<T: ToPayload>(value: &T) -> Payload {
    DataConverter::default().payload_converter().encode(value).unwrap()
}

pub(super) fn payloads<T: ToPayload>(value: &T) -> Option<Payloads> {
    Some(Payloads {
        payloads: vec![payload(value)],
    })
}

pub(super) fn failure(message: &str) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "Broken".to_owned(),
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    }
}

impl Server {
    pub(super) fn start<W: Workflow>(arguments: Vec<Payload>) -> Self {
        Self::start_type::<W>(W::NAME, arguments)
    }

    pub(super) fn start_type<W: Workflow>(workflow_type: &str, arguments: Vec<Payload>) -> Self {
        Self::intercepted::<W>(workflow_type, arguments, vec![])
    }

    pub(super) fn intercepted<W: Workflow>(
        workflow_type: &str,
        arguments: Vec<Payload>,
        interceptors: Vec<Arc<dyn Interceptor>>,
    ) -> Self {
        let mut workflows = WorkflowRegistry::default();
        workflows.register::<W>().unwrap();
        let environment = Arc::new(HostEnvironment {
            workflows,
            converter: DataConverter::default(),
            namespace: "default".to_owned(),
            task_queue: "queue".to_owned(),
            detect_foreign_wakes: true,
            interceptors,
            failures: FailurePolicy::default(),
        });
        let mut server = Self {
            environment,
            workflow_type: workflow_type.to_owned(),
            events: Vec::new(),
            host: None,
            previous_started: 0,
            messages: Vec::new(),
            queries: Vec::new(),
            updates: VecDeque::new(),
            now: 1_700_000_000,
            local: Box::new(|command| panic!("no local activity {} here", command.activity_type)),
            check_replay: true,
        };
        let input = (!arguments.is_empty()).then_some(Payloads { payloads: arguments });
        server.event(Attributes::WorkflowExecutionStartedEventAttributes(
            WorkflowExecutionStartedEventAttributes {
                workflow_type: Some(WorkflowType {
                    name: workflow_type.to_owned(),
                }),
                input,
                attempt: 1,
                original_execution_run_id: "run".to_owned(),
                first_execution_run_id: "run".to_owned(),
                ..Default::default()
            },
        ));
        server
    }

    pub(super) fn event(&mut self, attributes: Attributes) -> i64 {
        let event_id = i64::try_from(self.events.len()).unwrap() + 1;
        self.events.push(HistoryEvent {
            event_id,
            event_time: Some(prost_types::Timestamp {
                seconds: self.now,
                nanos: 0,
            }),
            attributes: Some(attributes),
            ..HistoryEvent::default()
        });
        event_id
    }

    // ---- what happens

    pub(super) fn signal<T: ToPayload>(&mut self, name: &str, value: &T) {
        self.event(Attributes::WorkflowExecutionSignaledEventAttributes(
            WorkflowExecutionSignaledEventAttributes {
                signal_name: name.to_owned(),
                input: payloads(value),
                ..Default::default()
            },
        ));
    }

    pub(super) fn update<T: ToPayload>(&mut self, id: &str, name: &str, value: &T) {
        self.updates.push_back(Request {
            meta: Some(Meta {
                update_id: id.to_owned(),
                ..Meta::default()
            }),
            input: Some(Input {
                name: name.to_owned(),
                args: payloads(value),
                ..Input::default()
            }),
            ..Request::default()
        });
    }

    pub(super) fn cancel(&mut self) {
        self.event(Attributes::WorkflowExecutionCancelRequestedEventAttributes(
            Default::default(),
        ));
    }

    fn find(&self, wanted: impl Fn(&Attributes) -> bool) -> i64 {
        let found = self
            .events
            .iter()
            .rev()
            .find(|event| event.attributes.as_ref().is_some_and(&wanted));
        found.expect("no such event").event_id
    }

    fn scheduled(&self, id: &str) -> i64 {
        self.find(|attributes| matches!(attributes, Attributes::ActivityTaskScheduledEventAttributes(a) if a.activity_id == id))
    }

    /// An activity that history holds though the workflow's code did not ask for it.
    pub(super) fn activity_scheduled(&mut self, id: &str) {
        self.event(Attributes::ActivityTaskScheduledEventAttributes(
            ActivityTaskScheduledEventAttributes {
                activity_id: id.to_owned(),
                activity_type: Some(ActivityType { name: "act".to_owned() }),
                workflow_task_completed_event_id: 4,
                ..Default::default()
            },
        ));
    }

    pub(super) fn complete_activity<T: ToPayload>(&mut self, id: &str, value: &T) {
        let scheduled_event_id = self.scheduled(id);
        let started_event_id = self.event(Attributes::ActivityTaskStartedEventAttributes(
            ActivityTaskStartedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ));
        self.event(Attributes::ActivityTaskCompletedEventAttributes(
            ActivityTaskCompletedEventAttributes {
                result: payloads(value),
                scheduled_event_id,
                started_event_id,
                ..Default::default()
            },
        ));
    }

    pub(super) fn fail_activity(&mut self, id: &str, cause: Failure) {
        let scheduled_event_id = self.scheduled(id);
        let started_event_id = self.event(Attributes::ActivityTaskStartedEventAttributes(
            ActivityTaskStartedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ));
        self.event(Attributes::ActivityTaskFailedEventAttributes(
            ActivityTaskFailedEventAttributes {
                failure: Some(cause),
                scheduled_event_id,
                started_event_id,
                ..Default::default()
            },
        ));
    }

    pub(super) fn cancel_activity(&mut self, id: &str) {
        let scheduled_event_id = self.scheduled(id);
        self.event(Attributes::ActivityTaskCanceledEventAttributes(
            ActivityTaskCanceledEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ));
    }

    pub(super) fn fire_timer(&mut self, id: &str) {
        let started_event_id = self
            .find(|attributes| matches!(attributes, Attributes::TimerStartedEventAttributes(a) if a.timer_id == id));
        self.event(Attributes::TimerFiredEventAttributes(TimerFiredEventAttributes {
            timer_id: id.to_owned(),
            started_event_id,
        }));
    }

    fn initiated(&self, id: &str) -> (i64, StartChildWorkflowExecutionInitiatedEventAttributes) {
        let found = self.events.iter().rev().find_map(|event| match &event.attributes {
            Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(a)) if a.workflow_id == id => {
                Some((event.event_id, a.clone()))
            }
            _ => None,
        });
        found.expect("no such child")
    }

    pub(super) fn start_child(&mut self, id: &str) {
        let (initiated_event_id, initiated) = self.initiated(id);
        self.event(Attributes::ChildWorkflowExecutionStartedEventAttributes(
            ChildWorkflowExecutionStartedEventAttributes {
                initiated_event_id,
                workflow_execution: Some(execution(id)),
                workflow_type: initiated.workflow_type,
                ..Default::default()
            },
        ));
    }

    pub(super) fn refuse_child(&mut self, id: &str) {
        let (initiated_event_id, initiated) = self.initiated(id);
        self.event(Attributes::StartChildWorkflowExecutionFailedEventAttributes(
            StartChildWorkflowExecutionFailedEventAttributes {
                initiated_event_id,
                workflow_id: id.to_owned(),
                workflow_type: initiated.workflow_type,
                cause: 1,
                ..Default::default()
            },
        ));
    }

    pub(super) fn complete_child<T: ToPayload>(&mut self, id: &str, value: &T) {
        let (initiated_event_id, initiated) = self.initiated(id);
        self.event(Attributes::ChildWorkflowExecutionCompletedEventAttributes(
            ChildWorkflowExecutionCompletedEventAttributes {
                result: payloads(value),
                initiated_event_id,
                workflow_execution: Some(execution(id)),
                workflow_type: initiated.workflow_type,
                ..Default::default()
            },
        ));
    }

    pub(super) fn cancel_child(&mut self, id: &str) {
        let (initiated_event_id, initiated) = self.initiated(id);
        self.event(Attributes::ChildWorkflowExecutionCanceledEventAttributes(
            ChildWorkflowExecutionCanceledEventAttributes {
                initiated_event_id,
                workflow_execution: Some(execution(id)),
                workflow_type: initiated.workflow_type,
                ..Default::default()
            },
        ));
    }

    pub(super) fn deliver_signal(&mut self) {
        let initiated_event_id = self.find(|attributes| {
            matches!(
                attributes,
                Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
            )
        });
        self.event(Attributes::ExternalWorkflowExecutionSignaledEventAttributes(
            ExternalWorkflowExecutionSignaledEventAttributes {
                initiated_event_id,
                ..Default::default()
            },
        ));
    }

    fn nexus_scheduled(&self) -> i64 {
        self.find(|attributes| matches!(attributes, Attributes::NexusOperationScheduledEventAttributes(_)))
    }

    pub(super) fn start_nexus(&mut self) {
        let scheduled_event_id = self.nexus_scheduled();
        self.event(Attributes::NexusOperationStartedEventAttributes(
            NexusOperationStartedEventAttributes {
                scheduled_event_id,
                operation_token: "token".to_owned(),
                ..Default::default()
            },
        ));
    }

    pub(super) fn complete_nexus<T: ToPayload>(&mut self, value: &T) {
        let scheduled_event_id = self.nexus_scheduled();
        self.event(Attributes::NexusOperationCompletedEventAttributes(
            NexusOperationCompletedEventAttributes {
                scheduled_event_id,
                result: Some(payload(value)),
                ..Default::default()
            },
        ));
    }

    pub(super) fn cancel_nexus(&mut self) {
        let scheduled_event_id = self.nexus_scheduled();
        self.event(Attributes::NexusOperationCanceledEventAttributes(
            NexusOperationCanceledEventAttributes {
                scheduled_event_id,
                failure: Some(cancelled()),
                ..Default::default()
            },
        ));
    }

    // ---- tasks

    /// Runs a workflow task and takes its answer into history.
    pub(super) fn task(&mut self) -> Done {
        self.try_task()
            .unwrap_or_else(|failure| panic!("the task failed: {}", failure.failure.message))
    }

    /// Runs a workflow task that fails; gives the message.
    pub(super) fn failing_task(&mut self) -> String {
        let failure = self.try_task().expect_err("the task did not fail");
        self.host = None;
        failure.failure.message
    }

    pub(super) fn try_task(&mut self) -> Result<Done, TaskFailure> {
        let scheduled_event_id = self.event(Attributes::WorkflowTaskScheduledEventAttributes(Default::default()));
        let started = self.event(Attributes::WorkflowTaskStartedEventAttributes(
            WorkflowTaskStartedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ));
        self.messages = self
            .updates
            .drain(..)
            .map(|request| Message {
                id: format!("{}/request", request.meta.as_ref().unwrap().update_id),
                protocol_instance_id: request.meta.as_ref().unwrap().update_id.clone(),
                body: Some(any("temporal.api.update.v1.Request", &request)),
                sequencing_id: Some(SequencingId::EventId(scheduled_event_id)),
            })
            .collect();
        let result = self.run(started);
        match result {
            Ok(completion) => Ok(self.record(completion, scheduled_event_id, started)),
            Err(failure) => {
                self.event(Attributes::WorkflowTaskFailedEventAttributes(
                    WorkflowTaskFailedEventAttributes {
                        scheduled_event_id,
                        started_event_id: started,
                        cause: failure.cause as i32,
                        ..Default::default()
                    },
                ));
                Err(failure)
            }
        }
    }

    fn workflow_task(&self, started: i64, cached: bool) -> WorkflowTask {
        let from = if cached {
            usize::try_from(self.previous_started).unwrap()
        } else {
            0
        };
        WorkflowTask {
            workflow_id: "workflow".to_owned(),
            run_id: "run".to_owned(),
            workflow_type: self.workflow_type.clone(),
            attempt: 1,
            started_event_id: started,
            previous_started_event_id: self.previous_started,
            events: self.events[from..].to_vec(),
            messages: self.messages.clone(),
            queries: self.queries.clone(),
            ..WorkflowTask::default()
        }
    }

    fn run(&mut self, started: i64) -> Result<Completion, TaskFailure> {
        let fresh_task = self.workflow_task(started, false);
        let mut host = match self.host.take() {
            Some(mut host) => {
                host.handle_task(self.workflow_task(started, true))?;
                host
            }
            None => WorkflowHost::start(&self.environment, fresh_task.clone())?,
        };
        let completion = self.drive(&mut host)?;
        self.host = Some(host);
        if self.check_replay {
            let mut fresh = WorkflowHost::start(&self.environment, fresh_task)?;
            let replayed = self.drive(&mut fresh)?;
            assert_eq!(
                replayed.commands, completion.commands,
                "a full replay gives other commands"
            );
            assert_eq!(
                replayed.messages, completion.messages,
                "a full replay gives other messages"
            );
        }
        Ok(completion)
    }

    fn drive(&mut self, host: &mut WorkflowHost) -> Result<Completion, TaskFailure> {
        loop {
            match host.drive()? {
                Drive::NeedsHistory => panic!("all of history was given"),
                Drive::Finished(Outcome::Completed(completion)) => return Ok(completion),
                Drive::Finished(other) => panic!("not the answer to a task: {other:?}"),
                Drive::LocalActivities(requests) => {
                    let mut resolved = false;
                    for request in requests {
                        resolved |= self.run_local(host, request);
                    }
                    if !resolved {
                        match host.heartbeat()? {
                            Outcome::Completed(completion) => return Ok(completion),
                            other => panic!("not the answer to a task: {other:?}"),
                        }
                    }
                }
            }
        }
    }

    fn run_local(&mut self, host: &mut WorkflowHost, request: LocalActivityRequest) -> bool {
        let (seq, outcome): (LocalActivitySeq, _) = match request {
            LocalActivityRequest::Run(seq, command) => (seq, (self.local)(&command)),
            LocalActivityRequest::Cancel(seq) => (seq, Some(LocalActivityOutcome::Cancelled(cancelled()))),
        };
        match outcome {
            Some(outcome) => {
                host.handle_local_activity(seq, outcome);
                true
            }
            None => false,
        }
    }

    /// Asks the cached run, and a fresh one, a query; gives the answer.
    pub(super) fn query<T: ToPayload>(&mut self, name: &str, value: &T) -> WorkflowQueryResult {
        let query = QueryRequest {
            id: QueryId::Direct,
            name: name.to_owned(),
            arguments: vec![payload(value)],
            header: Default::default(),
        };
        let mut task = self.workflow_task(0, false);
        task.queries = vec![query];
        task.started_event_id = 0;
        task.messages.clear();
        let mut fresh = WorkflowHost::start(&self.environment, task.clone()).unwrap();
        let replayed = answer(&mut fresh);
        if let Some(mut host) = self.host.take() {
            task.events.clear();
            host.handle_task(task).unwrap();
            let cached = answer(&mut host);
            assert_eq!(cached, replayed, "a full replay gives another answer");
            self.host = Some(host);
        }
        replayed
    }

    /// Drops the cached run.
    pub(super) fn evict(&mut self) {
        self.host = None;
    }

    /// Replays all of history.
    pub(super) fn replay(&mut self) -> Result<(), TaskFailure> {
        let mut task = self.workflow_task(0, false);
        task.replay = true;
        task.messages.clear();
        let mut host = WorkflowHost::start(&self.environment, task)?;
        match host.drive()? {
            Drive::Finished(Outcome::Replayed) => Ok(()),
            other => panic!("not the end of a replay: {other:?}"),
        }
    }

    fn record(&mut self, completion: Completion, scheduled_event_id: i64, started: i64) -> Done {
        let completed = self.event(Attributes::WorkflowTaskCompletedEventAttributes(
            WorkflowTaskCompletedEventAttributes {
                scheduled_event_id,
                started_event_id: started,
                sdk_metadata: completion.sdk_metadata.clone(),
                ..Default::default()
            },
        ));
        self.previous_started = started;
        for command in completion.commands.clone() {
            self.record_command(command, completed, &completion.messages);
        }
        Done {
            commands: completion.commands.clone(),
            messages: completion.messages.clone(),
            completion,
        }
    }

    fn record_command(&mut self, command: Command, completed: i64, messages: &[Message]) {
        let workflow_task_completed_event_id = completed;
        let attributes = match command.attributes.expect("a command has attributes") {
            Asked::ScheduleActivityTaskCommandAttributes(a) => {
                Attributes::ActivityTaskScheduledEventAttributes(ActivityTaskScheduledEventAttributes {
                    activity_id: a.activity_id,
                    activity_type: a.activity_type,
                    input: a.input,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::RequestCancelActivityTaskCommandAttributes(a) => {
                Attributes::ActivityTaskCancelRequestedEventAttributes(ActivityTaskCancelRequestedEventAttributes {
                    scheduled_event_id: a.scheduled_event_id,
                    workflow_task_completed_event_id,
                })
            }
            Asked::StartTimerCommandAttributes(a) => {
                Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes {
                    timer_id: a.timer_id,
                    start_to_fire_timeout: a.start_to_fire_timeout,
                    workflow_task_completed_event_id,
                })
            }
            Asked::CancelTimerCommandAttributes(a) => {
                let started_event_id = self.find(
                    |event| matches!(event, Attributes::TimerStartedEventAttributes(t) if t.timer_id == a.timer_id),
                );
                Attributes::TimerCanceledEventAttributes(TimerCanceledEventAttributes {
                    timer_id: a.timer_id,
                    started_event_id,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::StartChildWorkflowExecutionCommandAttributes(a) => {
                Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(
                    StartChildWorkflowExecutionInitiatedEventAttributes {
                        workflow_id: a.workflow_id,
                        workflow_type: a.workflow_type,
                        input: a.input,
                        workflow_task_completed_event_id,
                        ..Default::default()
                    },
                )
            }
            Asked::SignalExternalWorkflowExecutionCommandAttributes(a) => {
                Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(
                    SignalExternalWorkflowExecutionInitiatedEventAttributes {
                        workflow_execution: a.execution,
                        signal_name: a.signal_name,
                        input: a.input,
                        child_workflow_only: a.child_workflow_only,
                        workflow_task_completed_event_id,
                        ..Default::default()
                    },
                )
            }
            Asked::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => {
                Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(
                    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
                        workflow_execution: Some(WorkflowExecution {
                            workflow_id: a.workflow_id,
                            run_id: a.run_id,
                        }),
                        child_workflow_only: a.child_workflow_only,
                        workflow_task_completed_event_id,
                        ..Default::default()
                    },
                )
            }
            Asked::ScheduleNexusOperationCommandAttributes(a) => {
                Attributes::NexusOperationScheduledEventAttributes(NexusOperationScheduledEventAttributes {
                    endpoint: a.endpoint,
                    service: a.service,
                    operation: a.operation,
                    input: a.input,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::RequestCancelNexusOperationCommandAttributes(a) => {
                Attributes::NexusOperationCancelRequestedEventAttributes(NexusOperationCancelRequestedEventAttributes {
                    scheduled_event_id: a.scheduled_event_id,
                    workflow_task_completed_event_id,
                })
            }
            Asked::RecordMarkerCommandAttributes(a) => {
                Attributes::MarkerRecordedEventAttributes(MarkerRecordedEventAttributes {
                    marker_name: a.marker_name,
                    details: a.details,
                    failure: a.failure,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::UpsertWorkflowSearchAttributesCommandAttributes(a) => {
                Attributes::UpsertWorkflowSearchAttributesEventAttributes(
                    UpsertWorkflowSearchAttributesEventAttributes {
                        search_attributes: a.search_attributes,
                        workflow_task_completed_event_id,
                    },
                )
            }
            Asked::ModifyWorkflowPropertiesCommandAttributes(a) => {
                Attributes::WorkflowPropertiesModifiedEventAttributes(WorkflowPropertiesModifiedEventAttributes {
                    upserted_memo: a.upserted_memo,
                    workflow_task_completed_event_id,
                })
            }
            Asked::CompleteWorkflowExecutionCommandAttributes(a) => {
                Attributes::WorkflowExecutionCompletedEventAttributes(WorkflowExecutionCompletedEventAttributes {
                    result: a.result,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::FailWorkflowExecutionCommandAttributes(a) => {
                Attributes::WorkflowExecutionFailedEventAttributes(WorkflowExecutionFailedEventAttributes {
                    failure: a.failure,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::CancelWorkflowExecutionCommandAttributes(_) => {
                Attributes::WorkflowExecutionCanceledEventAttributes(WorkflowExecutionCanceledEventAttributes {
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::ContinueAsNewWorkflowExecutionCommandAttributes(a) => {
                Attributes::WorkflowExecutionContinuedAsNewEventAttributes(
                    WorkflowExecutionContinuedAsNewEventAttributes {
                        workflow_type: a.workflow_type,
                        input: a.input,
                        workflow_task_completed_event_id,
                        ..Default::default()
                    },
                )
            }
            Asked::ProtocolMessageCommandAttributes(a) => {
                let message = messages
                    .iter()
                    .find(|message| message.id == a.message_id)
                    .expect("no such message");
                message_event(message)
            }
        };
        self.event(attributes);
    }
}

fn message_event(message: &Message) -> Attributes {
    let body = message.body.as_ref().expect("a message has a body");
    if body.type_url.ends_with("Acceptance") {
        let acceptance = Acceptance::decode(body.value.as_slice()).unwrap();
        return Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(
            WorkflowExecutionUpdateAcceptedEventAttributes {
                protocol_instance_id: message.protocol_instance_id.clone(),
                accepted_request_message_id: acceptance.accepted_request_message_id,
                accepted_request_sequencing_event_id: acceptance.accepted_request_sequencing_event_id,
                accepted_request: acceptance.accepted_request,
            },
        );
    }
    let response = Response::decode(body.value.as_slice()).unwrap();
    Attributes::WorkflowExecutionUpdateCompletedEventAttributes(WorkflowExecutionUpdateCompletedEventAttributes {
        meta: response.meta,
        accepted_event_id: 0,
        outcome: response.outcome,
    })
}

fn answer(host: &mut WorkflowHost) -> WorkflowQueryResult {
    match host.drive().map_err(|failure| failure.failure.message).unwrap() {
        Drive::Finished(Outcome::Query(_, result)) => result,
        other => panic!("not the answer to a query: {other:?}"),
    }
}

fn execution(workflow_id: &str) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: format!("{workflow_id}-run"),
    }
}

fn cancelled() -> Failure {
    Failure {
        message: "cancelled".to_owned(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
        ..Failure::default()
    }
}

fn any<M: prost::Message>(name: &str, message: &M) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: message.encode_to_vec(),
    }
}

impl Done {
    /// The commands in short: `schedule activity greet 1`, `start timer 1` …
    pub(super) fn summary(&self) -> Vec<String> {
        self.commands.iter().map(summary).collect()
    }

    /// The messages in short: `accept u1`, `complete u1: …`, `reject u1: …`.
    pub(super) fn answers(&self) -> Vec<String> {
        self.messages.iter().map(message_summary).collect()
    }
}

fn summary(command: &Command) -> String {
    match command.attributes.as_ref().unwrap() {
        Asked::ScheduleActivityTaskCommandAttributes(a) => {
            format!(
                "schedule activity {} {}",
                a.activity_type.as_ref().unwrap().name,
                a.activity_id
            )
        }
        Asked::RequestCancelActivityTaskCommandAttributes(_) => "cancel activity".to_owned(),
        Asked::StartTimerCommandAttributes(a) => {
            format!(
                "start timer {} of {}s",
                a.timer_id,
                a.start_to_fire_timeout.unwrap_or_default().seconds
            )
        }
        Asked::CancelTimerCommandAttributes(a) => format!("cancel timer {}", a.timer_id),
        Asked::StartChildWorkflowExecutionCommandAttributes(a) => {
            format!(
                "start child {} {}",
                a.workflow_type.as_ref().unwrap().name,
                a.workflow_id
            )
        }
        Asked::SignalExternalWorkflowExecutionCommandAttributes(a) => {
            format!("signal {} {}", a.execution.as_ref().unwrap().workflow_id, a.signal_name)
        }
        Asked::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => {
            format!("cancel workflow {}", a.workflow_id)
        }
        Asked::ScheduleNexusOperationCommandAttributes(a) => format!("schedule nexus {}.{}", a.service, a.operation),
        Asked::RequestCancelNexusOperationCommandAttributes(_) => "cancel nexus".to_owned(),
        Asked::RecordMarkerCommandAttributes(a) => format!("marker {}", a.marker_name),
        Asked::UpsertWorkflowSearchAttributesCommandAttributes(_) => "upsert search attributes".to_owned(),
        Asked::ModifyWorkflowPropertiesCommandAttributes(_) => "upsert memo".to_owned(),
        Asked::CompleteWorkflowExecutionCommandAttributes(a) => format!("complete {}", text(a.result.as_ref())),
        Asked::FailWorkflowExecutionCommandAttributes(a) => format!("fail: {}", a.failure.as_ref().unwrap().message),
        Asked::CancelWorkflowExecutionCommandAttributes(_) => "cancelled".to_owned(),
        Asked::ContinueAsNewWorkflowExecutionCommandAttributes(a) => {
            format!("continue as new {}", text(a.input.as_ref()))
        }
        Asked::ProtocolMessageCommandAttributes(a) => format!("message {}", a.message_id),
    }
}

fn message_summary(message: &Message) -> String {
    let id = &message.protocol_instance_id;
    let body = message.body.as_ref().unwrap();
    if body.type_url.ends_with("Acceptance") {
        return format!("accept {id}");
    }
    if body.type_url.ends_with("Rejection") {
        let rejection = Rejection::decode(body.value.as_slice()).unwrap();
        return format!("reject {id}: {}", rejection.failure.unwrap().message);
    }
    let response = Response::decode(body.value.as_slice()).unwrap();
    match response.outcome.unwrap().value.unwrap() {
        temporal_protos::api::update::v1::outcome::Value::Success(result) => {
            format!("complete {id}: {}", text(Some(&result)))
        }
        temporal_protos::api::update::v1::outcome::Value::Failure(failure) => format!("fail {id}: {}", failure.message),
    }
}

/// JSON payloads as they read.
pub(super) fn text(payloads: Option<&Payloads>) -> String {
    let texts = payloads.iter().flat_map(|payloads| &payloads.payloads);
    let texts: Vec<_> = texts
        .map(
            |payload| match payload.metadata.get("encoding").map(|encoding| &encoding[..]) {
                Some(b"binary/null") => "null".to_owned(),
                _ => String::from_utf8_lossy(&payload.data).into_owned(),
            },
        )
        .collect();
    texts.join(", ")
}
