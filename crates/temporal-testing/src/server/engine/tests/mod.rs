//! Synchronous tests of the engine: calls in, histories out.

mod activities;
mod basics;
mod buffering;
mod callbacks;
mod chains;
mod contract;
mod details;
mod families;
mod limits;
mod lists;
mod nexus;
mod nexus_endpoints;
mod operators;
mod polls;
mod properties;
mod queries;
mod reading;
mod resets;
mod time_skipping;
mod updates;
mod workflow_tasks;

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::command::v1::{self as c, Command, command::Attributes as CommandAttributes};
use temporal_protos::api::common::v1::{ActivityType, Payload, Payloads, WorkflowExecution, WorkflowType};
use temporal_protos::api::enums::v1::{CommandType, EventType, TaskQueueKind};
use temporal_protos::api::failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo};
use temporal_protos::api::history::v1::{HistoryEvent, history_event::Attributes};
use temporal_protos::api::taskqueue::v1::{StickyExecutionAttributes, TaskQueue};
use temporal_protos::api::workflowservice::v1 as wf;

use super::commands::pascal;
use super::time::to_proto;
use super::{Answer, CallId, Code, Engine, EngineConfig, Rpc, Status, Time, TimeMode, rpc};

/// Where tests begin.
const START: Time = Time::from_millis(1_800_000_000_000);
/// The task queue of workflows and activities alike.
const QUEUE: &str = "q";
const STICKY: &str = "q-sticky";

type Task = wf::PollWorkflowTaskQueueResponse;
type ActivityTask = wf::PollActivityTaskQueueResponse;

/// An engine, a real clock moved by hand, and what was answered.
struct Harness {
    engine: Engine,
    now: Time,
    calls: u64,
    answers: BTreeMap<CallId, Answer>,
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn payloads(text: &str) -> Payloads {
    Payloads {
        payloads: vec![Payload {
            data: text.as_bytes().to_vec().into(),
            ..Payload::default()
        }],
    }
}

fn execution(id: &str) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: id.to_owned(),
        ..WorkflowExecution::default()
    }
}

fn queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_owned(),
        kind: TaskQueueKind::Normal as i32,
        ..TaskQueue::default()
    }
}

fn application_failure(message: &str) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "Oops".to_owned(),
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    }
}

/// `1:WorkflowExecutionStarted 2:WftScheduled …`
fn short(events: &[HistoryEvent]) -> String {
    let name = |event: &HistoryEvent| {
        let name = EventType::try_from(event.event_type).unwrap().as_str_name();
        pascal(name.trim_start_matches("EVENT_TYPE_")).replace("WorkflowTask", "Wft")
    };
    events
        .iter()
        .map(|event| format!("{}:{}", event.event_id, name(event)))
        .collect::<Vec<_>>()
        .join(" ")
}

impl Harness {
    fn new() -> Self {
        Self::with(EngineConfig::default())
    }

    fn skipping(locks: u32) -> Self {
        Self::with(EngineConfig {
            time: TimeMode::Skipping { initial_locks: locks },
            ..EngineConfig::default()
        })
    }

    fn with(config: EngineConfig) -> Self {
        Harness {
            engine: Engine::new(config, START),
            now: START,
            calls: 0,
            answers: BTreeMap::new(),
        }
    }

    fn collect(&mut self) {
        while let Some((call, answer)) = self.engine.poll_answer() {
            assert!(self.answers.insert(call, answer).is_none(), "a call is answered once");
        }
    }

    /// Sends a call.
    fn send<R: Rpc>(&mut self, _: R, request: R::Request) -> CallId {
        self.send_until::<R>(request, None)
    }

    fn send_until<R: Rpc>(&mut self, request: R::Request, deadline: Option<Time>) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.engine.handle(self.now, call, deadline, R::request(request));
        self.collect();
        call
    }

    /// The answer of a call, if it came.
    fn take<R: Rpc>(&mut self, _: R, call: CallId) -> Option<Result<R::Response, Status>> {
        self.answers
            .remove(&call)
            .map(|answer| answer.map(|response| R::response(response).expect("the call's RPC")))
    }

    /// A call that is answered at once.
    fn ask<R: Rpc + Copy>(&mut self, rpc: R, request: R::Request) -> Result<R::Response, Status> {
        let call = self.send(rpc, request);
        self.take(rpc, call)
            .unwrap_or_else(|| panic!("{} is not answered at once", R::NAME))
    }

    /// Lets real time pass, serving every deadline on the way.
    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        for _ in 0..100_000 {
            let due = self.engine.next_deadline().filter(|due| *due <= end);
            self.now = due.map_or(end, |due| due.max(self.now));
            self.engine.handle_timeout(self.now);
            self.collect();
            if due.is_none() {
                return;
            }
        }
        panic!("deadlines do not end");
    }

    /// Serves what is due now and skips time as far as it goes, without letting real time pass.
    fn settle(&mut self) {
        self.advance(Duration::ZERO);
    }

    fn start(&mut self, id: &str) -> String {
        self.start_with(id, |_| {}).unwrap().run_id
    }

    fn start_with(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut wf::StartWorkflowExecutionRequest),
    ) -> Result<wf::StartWorkflowExecutionResponse, Status> {
        let mut request = wf::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType { name: "W".to_owned() }),
            task_queue: Some(queue(QUEUE)),
            identity: "starter".to_owned(),
            request_id: format!("start-{}", self.calls),
            ..wf::StartWorkflowExecutionRequest::default()
        };
        change(&mut request);
        self.ask(rpc::StartWorkflowExecution, request)
    }

    fn send_poll(&mut self, queue: TaskQueue) -> CallId {
        let request = wf::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue),
            identity: "worker".to_owned(),
            ..wf::PollWorkflowTaskQueueRequest::default()
        };
        self.send(rpc::PollWorkflowTaskQueue, request)
    }

    fn polled(&mut self, call: CallId) -> Task {
        self.take(rpc::PollWorkflowTaskQueue, call)
            .expect("a task is there")
            .unwrap()
    }

    /// Polls a workflow task that is there.
    fn poll(&mut self) -> Task {
        let call = self.send_poll(queue(QUEUE));
        self.polled(call)
    }

    /// Whether a task waits in the queue.
    fn has_task(&mut self) -> bool {
        let call = self.send_poll(queue(QUEUE));
        let got = self.answers.remove(&call).is_some();
        self.engine.cancel_call(self.now, call);
        self.collect();
        got
    }

    fn send_activity_poll(&mut self) -> CallId {
        let request = wf::PollActivityTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue(QUEUE)),
            identity: "activity-worker".to_owned(),
            ..wf::PollActivityTaskQueueRequest::default()
        };
        self.send(rpc::PollActivityTaskQueue, request)
    }

    fn poll_activity(&mut self) -> ActivityTask {
        let call = self.send_activity_poll();
        self.take(rpc::PollActivityTaskQueue, call)
            .expect("an activity is there")
            .unwrap()
    }

    fn complete(&mut self, task: &Task, commands: Vec<Command>) -> wf::RespondWorkflowTaskCompletedResponse {
        self.complete_with(task, commands, |_| {}).unwrap()
    }

    fn complete_with(
        &mut self,
        task: &Task,
        commands: Vec<Command>,
        change: impl FnOnce(&mut wf::RespondWorkflowTaskCompletedRequest),
    ) -> Result<wf::RespondWorkflowTaskCompletedResponse, Status> {
        let mut request = wf::RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token.clone(),
            commands,
            identity: "worker".to_owned(),
            namespace: "default".to_owned(),
            ..wf::RespondWorkflowTaskCompletedRequest::default()
        };
        change(&mut request);
        self.ask(rpc::RespondWorkflowTaskCompleted, request)
    }

    /// Completes and stays sticky for ten seconds.
    fn complete_sticky(&mut self, task: &Task, commands: Vec<Command>) -> wf::RespondWorkflowTaskCompletedResponse {
        self.complete_with(task, commands, |request| {
            request.sticky_attributes = Some(StickyExecutionAttributes {
                worker_task_queue: Some(sticky_queue()),
                schedule_to_start_timeout: Some(to_proto(seconds(10))),
            });
        })
        .unwrap()
    }

    fn fail(&mut self, task: &Task) {
        self.ask(
            rpc::RespondWorkflowTaskFailed,
            wf::RespondWorkflowTaskFailedRequest {
                task_token: task.task_token.clone(),
                identity: "worker".to_owned(),
                failure: Some(application_failure("task failed")),
                ..wf::RespondWorkflowTaskFailedRequest::default()
            },
        )
        .unwrap();
    }

    fn signal(&mut self, id: &str, name: &str) {
        self.signal_request(id, name, "").unwrap();
    }

    fn signal_request(&mut self, id: &str, name: &str, request_id: &str) -> Result<(), Status> {
        self.ask(
            rpc::SignalWorkflowExecution,
            wf::SignalWorkflowExecutionRequest {
                namespace: "default".to_owned(),
                workflow_execution: Some(execution(id)),
                signal_name: name.to_owned(),
                request_id: request_id.to_owned(),
                ..wf::SignalWorkflowExecutionRequest::default()
            },
        )
        .map(|_| ())
    }

    fn cancel(&mut self, id: &str) {
        let request = wf::RequestCancelWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(execution(id)),
            ..wf::RequestCancelWorkflowExecutionRequest::default()
        };
        self.ask(rpc::RequestCancelWorkflowExecution, request).unwrap();
    }

    fn terminate(&mut self, id: &str) -> Result<(), Status> {
        let request = wf::TerminateWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(execution(id)),
            reason: "enough".to_owned(),
            ..wf::TerminateWorkflowExecutionRequest::default()
        };
        self.ask(rpc::TerminateWorkflowExecution, request).map(|_| ())
    }

    fn describe(&mut self, id: &str) -> wf::DescribeWorkflowExecutionResponse {
        let request = wf::DescribeWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            execution: Some(execution(id)),
        };
        self.ask(rpc::DescribeWorkflowExecution, request).unwrap()
    }

    fn events(&mut self, id: &str) -> Vec<HistoryEvent> {
        self.events_of(execution(id))
    }

    fn events_of(&mut self, execution: WorkflowExecution) -> Vec<HistoryEvent> {
        let request = wf::GetWorkflowExecutionHistoryRequest {
            namespace: "default".to_owned(),
            execution: Some(execution),
            ..wf::GetWorkflowExecutionHistoryRequest::default()
        };
        self.ask(rpc::GetWorkflowExecutionHistory, request)
            .unwrap()
            .history
            .unwrap()
            .events
    }

    fn attributes(&mut self, id: &str, event: i64) -> Attributes {
        let events = self.events(id);
        events
            .into_iter()
            .find(|it| it.event_id == event)
            .unwrap()
            .attributes
            .unwrap()
    }

    fn history(&mut self, id: &str) -> String {
        short(&self.events(id))
    }

    fn history_of(&mut self, id: &str, run_id: &str) -> String {
        let run = WorkflowExecution {
            workflow_id: id.to_owned(),
            run_id: run_id.to_owned(),
        };
        short(&self.events_of(run))
    }

    /// A run that began and completed its first task with these commands.
    fn begun(&mut self, id: &str, commands: Vec<Command>) {
        self.start(id);
        let task = self.poll();
        self.complete(&task, commands);
    }
}

fn sticky_queue() -> TaskQueue {
    TaskQueue {
        name: STICKY.to_owned(),
        kind: TaskQueueKind::Sticky as i32,
        normal_name: QUEUE.to_owned(),
    }
}

fn command(kind: CommandType, attributes: CommandAttributes) -> Command {
    Command {
        command_type: kind as i32,
        attributes: Some(attributes),
        ..Command::default()
    }
}

fn complete_workflow() -> Command {
    let attributes = c::CompleteWorkflowExecutionCommandAttributes {
        result: Some(payloads("done")),
    };
    command(
        CommandType::CompleteWorkflowExecution,
        CommandAttributes::CompleteWorkflowExecutionCommandAttributes(attributes),
    )
}

fn fail_workflow(failure: Failure) -> Command {
    let attributes = c::FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
    command(
        CommandType::FailWorkflowExecution,
        CommandAttributes::FailWorkflowExecutionCommandAttributes(attributes),
    )
}

fn cancel_workflow() -> Command {
    let attributes = c::CancelWorkflowExecutionCommandAttributes::default();
    command(
        CommandType::CancelWorkflowExecution,
        CommandAttributes::CancelWorkflowExecutionCommandAttributes(attributes),
    )
}

fn start_timer(id: &str, after: Duration) -> Command {
    let attributes = c::StartTimerCommandAttributes {
        timer_id: id.to_owned(),
        start_to_fire_timeout: Some(to_proto(after)),
    };
    command(
        CommandType::StartTimer,
        CommandAttributes::StartTimerCommandAttributes(attributes),
    )
}

fn cancel_timer(id: &str) -> Command {
    let attributes = c::CancelTimerCommandAttributes {
        timer_id: id.to_owned(),
    };
    command(
        CommandType::CancelTimer,
        CommandAttributes::CancelTimerCommandAttributes(attributes),
    )
}

fn marker(name: &str) -> Command {
    let attributes = c::RecordMarkerCommandAttributes {
        marker_name: name.to_owned(),
        ..c::RecordMarkerCommandAttributes::default()
    };
    command(
        CommandType::RecordMarker,
        CommandAttributes::RecordMarkerCommandAttributes(attributes),
    )
}

/// An activity with a start-to-close timeout of ten seconds.
fn activity(id: &str) -> Command {
    activity_with(id, |_| {})
}

fn activity_with(id: &str, change: impl FnOnce(&mut c::ScheduleActivityTaskCommandAttributes)) -> Command {
    let mut attributes = c::ScheduleActivityTaskCommandAttributes {
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType { name: "A".to_owned() }),
        task_queue: Some(queue(QUEUE)),
        start_to_close_timeout: Some(to_proto(seconds(10))),
        input: Some(payloads("in")),
        ..c::ScheduleActivityTaskCommandAttributes::default()
    };
    change(&mut attributes);
    command(
        CommandType::ScheduleActivityTask,
        CommandAttributes::ScheduleActivityTaskCommandAttributes(attributes),
    )
}

fn cancel_activity(scheduled_event_id: i64) -> Command {
    let attributes = c::RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
    command(
        CommandType::RequestCancelActivityTask,
        CommandAttributes::RequestCancelActivityTaskCommandAttributes(attributes),
    )
}
