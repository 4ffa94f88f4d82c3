//! A stand-in for the server: it turns commands into events, and what the test says happened into events as well.
//!
//! Every task is run twice, on the cached run and on a fresh one that replays all of history: both must give the same
//! commands and messages.

mod commands;
mod happenings;

pub(super) use commands::text;

use crate::workflow::failure_policy::FailurePolicy;
use crate::workflow::host::{Drive, HostEnvironment, TaskFailure, WorkflowHost};
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::{Interceptor, Workflow};
use std::collections::VecDeque;
use std::sync::Arc;
use temporal_client::data::{DataConverter, PayloadConverterExt as _, ToPayload};
use temporal_core::{
    Completion, LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq, Outcome, QueryId, QueryRequest,
    ScheduleLocalActivity, WorkflowTask,
};
use temporal_protos::api::command::v1::Command;
use temporal_protos::api::common::v1::{Payload, Payloads, WorkflowType};
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{ApplicationFailureInfo, CanceledFailureInfo, Failure};
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::*;
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::api::protocol::v1::message::SequencingId;
use temporal_protos::api::query::v1::WorkflowQueryResult;
use temporal_protos::api::update::v1::Request;

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
    /// How a local activity ends that is asked to.
    pub(super) local_cancelled: fn() -> LocalActivityOutcome,
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
        Self::on_worker::<W>(workflow_type, arguments, interceptors, FailurePolicy::default())
    }

    pub(super) fn with_failures<W: Workflow>(arguments: Vec<Payload>, failures: FailurePolicy) -> Self {
        Self::on_worker::<W>(W::NAME, arguments, vec![], failures)
    }

    fn on_worker<W: Workflow>(
        workflow_type: &str,
        arguments: Vec<Payload>,
        interceptors: Vec<Arc<dyn Interceptor>>,
        failures: FailurePolicy,
    ) -> Self {
        let mut workflows = WorkflowRegistry::default();
        workflows.register::<W>().unwrap();
        let environment = Arc::new(HostEnvironment {
            workflows,
            converter: DataConverter::default(),
            namespace: "default".to_owned(),
            task_queue: "queue".to_owned(),
            detect_foreign_wakes: true,
            restrictions: Default::default(),
            broken: Default::default(),
            interceptors,
            failures,
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
            local_cancelled: || LocalActivityOutcome::Cancelled(cancelled()),
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
                Drive::Finished {
                    outcome: Outcome::Completed(completion),
                    ..
                } => return Ok(completion),
                Drive::Finished { outcome, .. } => panic!("not the answer to a task: {outcome:?}"),
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
            LocalActivityRequest::Cancel(seq) => (seq, Some((self.local_cancelled)())),
        };
        match outcome {
            Some(outcome) => {
                host.handle_local_activity(seq, 1, outcome);
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
            Drive::Finished {
                outcome: Outcome::Replayed,
                ..
            } => Ok(()),
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
}

fn answer(host: &mut WorkflowHost) -> WorkflowQueryResult {
    match host.drive().map_err(|failure| failure.failure.message).unwrap() {
        Drive::Finished {
            outcome: Outcome::Query(_, result),
            ..
        } => result,
        other => panic!("not the answer to a query: {other:?}"),
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
