//! A worker and a client by hand, one call at a time: what arrives in which order is up to the scenario.

use super::Stage;
use crate::MINUTE;
use std::time::Duration;
use temporal_client::connection::{Rpc, RpcError};
use temporal_integration_tests::history::{self, EventType};
use temporal_integration_tests::look_until;
use temporal_protos::api::command::v1 as c;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::common::v1::{ActivityType, Payload, Payloads, RetryPolicy, WorkflowExecution, WorkflowType};
use temporal_protos::api::enums::v1::{
    CommandType, ParentClosePolicy, TaskQueueKind, TaskQueueType, WorkflowTaskFailedCause,
};
use temporal_protos::api::failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo};
use temporal_protos::api::taskqueue::v1::{StickyExecutionAttributes, TaskQueue};
use temporal_protos::api::workflowservice::v1 as wf;

pub(super) type Task = wf::PollWorkflowTaskQueueResponse;
pub(super) type ActivityTask = wf::PollActivityTaskQueueResponse;
pub(super) type Commands = Vec<c::Command>;

/// How long a task may be on its way.
const SOON: Duration = Duration::from_secs(20);

/// Calls the server for one scenario, on a task queue of its own.
#[derive(Clone, Copy)]
pub(super) struct Hand<'a> {
    stage: &'a Stage<'a>,
}

impl<'a> Hand<'a> {
    pub(super) fn new(stage: &'a Stage<'a>) -> Self {
        Self { stage }
    }

    pub(super) fn stage(&self) -> &'a Stage<'a> {
        self.stage
    }

    pub(super) fn client(&self) -> &'a temporal_client::Client {
        self.stage.env.client()
    }

    pub(super) fn namespace(&self) -> String {
        self.stage.env.client().namespace().to_owned()
    }

    /// The scenario's own task queue.
    pub(super) fn queue(&self) -> TaskQueue {
        queue(&self.stage.id())
    }

    fn sticky(&self) -> TaskQueue {
        let normal = self.queue().name;
        TaskQueue {
            name: format!("{normal}-sticky"),
            kind: TaskQueueKind::Sticky as i32,
            normal_name: normal,
        }
    }

    /// The scenario's workflow, whichever run is the newest.
    pub(super) fn execution(&self) -> WorkflowExecution {
        self.other("")
    }

    /// Another workflow of the scenario, whose histories are compared as well.
    pub(super) fn other(&self, suffix: &str) -> WorkflowExecution {
        WorkflowExecution {
            workflow_id: self.stage.also(suffix),
            run_id: String::new(),
        }
    }

    /// Calls the server and notes what it refuses.
    pub(super) async fn call<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        let answer = self.stage.env.client().call(request).await;
        if let Err(error) = &answer {
            self.stage.note_error(R::NAME, error);
        }
        answer
    }

    /// Calls the server and notes what it answers, or refuses.
    pub(super) async fn noted<R: Rpc<Response: temporal_protos::json::JsonMessage>>(
        &self,
        request: R,
    ) -> Result<R::Response, RpcError> {
        let answer = self.call(request).await?;
        self.stage.note(R::NAME, &answer);
        Ok(answer)
    }

    // ---- clients

    /// Starts the scenario's workflow; gives its run id.
    pub(super) async fn start(&self) -> anyhow::Result<String> {
        self.start_with(|_| {}).await
    }

    pub(super) async fn start_with(
        &self,
        change: impl FnOnce(&mut wf::StartWorkflowExecutionRequest),
    ) -> anyhow::Result<String> {
        let mut request = self.start_request("");
        change(&mut request);
        Ok(self.call(request).await?.run_id)
    }

    pub(super) fn start_request(&self, suffix: &str) -> wf::StartWorkflowExecutionRequest {
        wf::StartWorkflowExecutionRequest {
            namespace: self.namespace(),
            workflow_id: self.other(suffix).workflow_id,
            workflow_type: Some(workflow_type()),
            task_queue: Some(self.queue()),
            identity: "starter".to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            input: Some(payloads("input")),
            ..wf::StartWorkflowExecutionRequest::default()
        }
    }

    pub(super) async fn signal(&self, name: &str) -> anyhow::Result<()> {
        self.signal_to(self.execution(), name).await
    }

    pub(super) async fn signal_to(&self, execution: WorkflowExecution, name: &str) -> anyhow::Result<()> {
        let request = wf::SignalWorkflowExecutionRequest {
            namespace: self.namespace(),
            workflow_execution: Some(execution),
            signal_name: name.to_owned(),
            input: Some(payloads(name)),
            identity: "signaller".to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..wf::SignalWorkflowExecutionRequest::default()
        };
        self.call(request).await?;
        Ok(())
    }

    pub(super) async fn cancel(&self) -> anyhow::Result<()> {
        let request = wf::RequestCancelWorkflowExecutionRequest {
            namespace: self.namespace(),
            workflow_execution: Some(self.execution()),
            identity: "canceller".to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            reason: "no need".to_owned(),
            ..wf::RequestCancelWorkflowExecutionRequest::default()
        };
        self.call(request).await?;
        Ok(())
    }

    pub(super) async fn terminate(&self) -> anyhow::Result<()> {
        self.terminate_other(self.execution()).await
    }

    pub(super) async fn terminate_other(&self, execution: WorkflowExecution) -> anyhow::Result<()> {
        let request = wf::TerminateWorkflowExecutionRequest {
            namespace: self.namespace(),
            workflow_execution: Some(execution),
            reason: "enough".to_owned(),
            details: Some(payloads("details")),
            identity: "terminator".to_owned(),
            ..wf::TerminateWorkflowExecutionRequest::default()
        };
        self.call(request).await?;
        Ok(())
    }

    /// Notes what the server tells of the workflow.
    pub(super) async fn describe(&self) -> anyhow::Result<wf::DescribeWorkflowExecutionResponse> {
        let request = wf::DescribeWorkflowExecutionRequest {
            namespace: self.namespace(),
            execution: Some(self.execution()),
        };
        let mut answer = self.call(request).await?;
        // Its history's length and size are numbers that only a closed run's description has to get right.
        answer.execution_config = None;
        answer.workflow_execution_info = None;
        answer.workflow_extended_info = None;
        self.stage.note("Describe", &answer);
        Ok(answer)
    }

    /// Waits until the history of the newest run has so many events of a type.
    pub(super) async fn until(&self, kind: EventType, times: usize) -> anyhow::Result<()> {
        self.until_in(self.execution(), kind, times).await
    }

    pub(super) async fn until_in(
        &self,
        execution: WorkflowExecution,
        kind: EventType,
        times: usize,
    ) -> anyhow::Result<()> {
        self.stage.until_in(&execution.workflow_id, kind, times).await
    }

    /// Lets time pass on the server, by a timer of another workflow.
    pub(super) async fn let_pass(&self, time: Duration) -> anyhow::Result<()> {
        let id = format!("{}-clock-{}", self.execution().workflow_id, uuid::Uuid::new_v4());
        let mut request = self.start_request("");
        request.workflow_id.clone_from(&id);
        request.task_queue = Some(queue(&id));
        request.workflow_run_timeout = to_duration(time);
        self.call(request).await?;
        let client = self.stage.env.client();
        history::wait_for(client, &id, |event| {
            event.event_type() == EventType::WorkflowExecutionTimedOut
        })
        .await?;
        Ok(())
    }

    // ---- workers

    /// Takes the next workflow task of the scenario's queue, and notes it.
    pub(super) async fn task(&self) -> anyhow::Result<Task> {
        self.task_of(self.queue()).await
    }

    /// Takes the next workflow task for the worker that has the run cached, and notes it.
    /// Takes the task that a signal brings from the sticky queue. Somebody has to wait there before: else it goes elsewhere.
    pub(super) async fn sticky_task(&self, signal: &str) -> anyhow::Result<Task> {
        let describe = wf::DescribeTaskQueueRequest {
            namespace: self.namespace(),
            task_queue: Some(self.sticky()),
            task_queue_type: TaskQueueType::Workflow as i32,
            ..wf::DescribeTaskQueueRequest::default()
        };
        let (task, signalled) = tokio::join!(self.task_of(self.sticky()), async {
            look_until(async || {
                let described = self.client().call(describe.clone()).await?;
                Ok::<_, RpcError>((!described.pollers.is_empty()).then_some(()))
            })
            .await?;
            self.signal(signal).await
        });
        signalled?;
        task
    }

    pub(super) async fn task_of(&self, queue: TaskQueue) -> anyhow::Result<Task> {
        let request = wf::PollWorkflowTaskQueueRequest {
            namespace: self.namespace(),
            task_queue: Some(queue),
            identity: "worker".to_owned(),
            ..wf::PollWorkflowTaskQueueRequest::default()
        };
        let mut task = self.call_for_task(request).await?;
        anyhow::ensure!(!task.task_token.is_empty(), "no workflow task came");
        // How busy the queue is, which the embedded server does not say.
        task.backlog_count_hint = 0;
        task.poller_scaling_decision = None;
        self.stage.note("workflow task", &task);
        Ok(task)
    }

    async fn call_for_task<R: Rpc>(&self, request: R) -> anyhow::Result<R::Response> {
        let answer = self.stage.env.client().call(request).timeout(MINUTE);
        Ok(tokio::time::timeout(SOON, answer).await??)
    }

    /// Takes the next activity task of the scenario's queue, and notes it.
    pub(super) async fn activity(&self) -> anyhow::Result<ActivityTask> {
        self.activity_of(self.queue()).await
    }

    pub(super) async fn activity_of(&self, queue: TaskQueue) -> anyhow::Result<ActivityTask> {
        let request = wf::PollActivityTaskQueueRequest {
            namespace: self.namespace(),
            task_queue: Some(queue),
            identity: "activity-worker".to_owned(),
            ..wf::PollActivityTaskQueueRequest::default()
        };
        let mut task = self.call_for_task(request).await?;
        anyhow::ensure!(!task.task_token.is_empty(), "no activity task came");
        task.poller_scaling_decision = None;
        self.stage.note("activity task", &task);
        Ok(task)
    }

    /// Completes the task with commands.
    pub(super) async fn complete(&self, task: &Task, commands: Commands) -> anyhow::Result<()> {
        self.complete_with(task, commands, |_| {}).await?;
        Ok(())
    }

    pub(super) async fn complete_with(
        &self,
        task: &Task,
        commands: Commands,
        change: impl FnOnce(&mut wf::RespondWorkflowTaskCompletedRequest),
    ) -> Result<wf::RespondWorkflowTaskCompletedResponse, RpcError> {
        let mut request = wf::RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token.clone(),
            commands,
            identity: "worker".to_owned(),
            namespace: self.namespace(),
            ..wf::RespondWorkflowTaskCompletedRequest::default()
        };
        change(&mut request);
        let mut answer = self.call(request).await?;
        for task in &mut answer.activity_tasks {
            task.poller_scaling_decision = None;
        }
        if let Some(task) = &mut answer.workflow_task {
            task.backlog_count_hint = 0;
            task.poller_scaling_decision = None;
        }
        self.stage.note("answer", &answer);
        Ok(answer)
    }

    /// Completes the task, and keeps the run for the sticky queue, whose tasks wait for five seconds.
    pub(super) async fn complete_sticky(&self, task: &Task, commands: Commands) -> anyhow::Result<()> {
        let sticky = StickyExecutionAttributes {
            worker_task_queue: Some(self.sticky()),
            schedule_to_start_timeout: seconds(5),
        };
        self.complete_with(task, commands, |request| request.sticky_attributes = Some(sticky))
            .await?;
        Ok(())
    }

    /// Fails the task as a worker does whose code has a bug.
    pub(super) async fn fail_task(&self, task: &Task) -> anyhow::Result<()> {
        let request = wf::RespondWorkflowTaskFailedRequest {
            task_token: task.task_token.clone(),
            cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure as i32,
            failure: Some(failure("a bug")),
            identity: "worker".to_owned(),
            namespace: self.namespace(),
            ..wf::RespondWorkflowTaskFailedRequest::default()
        };
        self.call(request).await?;
        Ok(())
    }

    pub(super) async fn complete_activity(&self, task: &ActivityTask) -> Result<(), RpcError> {
        let request = wf::RespondActivityTaskCompletedRequest {
            task_token: task.task_token.clone(),
            result: Some(payloads("result")),
            identity: "activity-worker".to_owned(),
            namespace: self.namespace(),
            ..wf::RespondActivityTaskCompletedRequest::default()
        };
        self.call(request).await.map(drop)
    }

    pub(super) async fn fail_activity(&self, task: &ActivityTask, failure: Failure) -> Result<(), RpcError> {
        let request = wf::RespondActivityTaskFailedRequest {
            task_token: task.task_token.clone(),
            failure: Some(failure),
            identity: "activity-worker".to_owned(),
            namespace: self.namespace(),
            ..wf::RespondActivityTaskFailedRequest::default()
        };
        self.call(request).await.map(drop)
    }

    pub(super) async fn cancel_activity(&self, task: &ActivityTask) -> Result<(), RpcError> {
        let request = wf::RespondActivityTaskCanceledRequest {
            task_token: task.task_token.clone(),
            details: Some(payloads("cleaned up")),
            identity: "activity-worker".to_owned(),
            namespace: self.namespace(),
            ..wf::RespondActivityTaskCanceledRequest::default()
        };
        self.call(request).await.map(drop)
    }

    /// Heartbeats, and notes the answer.
    pub(super) async fn heartbeat(&self, task: &ActivityTask, details: &str) -> Result<(), RpcError> {
        let request = wf::RecordActivityTaskHeartbeatRequest {
            task_token: task.task_token.clone(),
            details: Some(payloads(details)),
            identity: "activity-worker".to_owned(),
            namespace: self.namespace(),
            ..wf::RecordActivityTaskHeartbeatRequest::default()
        };
        self.noted(request).await.map(drop)
    }

    /// Begins: starts the workflow and completes its first task with commands.
    pub(super) async fn begin(&self, commands: Commands) -> anyhow::Result<()> {
        self.start().await?;
        let task = self.task().await?;
        self.complete(&task, commands).await
    }

    /// Takes the next task and ends the workflow in it.
    pub(super) async fn end(&self) -> anyhow::Result<()> {
        let task = self.task().await?;
        self.complete(&task, vec![complete_workflow()]).await
    }
}

// ---- what requests are made of

pub(super) fn queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_owned(),
        kind: TaskQueueKind::Normal as i32,
        ..TaskQueue::default()
    }
}

pub(super) fn workflow_type() -> WorkflowType {
    WorkflowType {
        name: "ByHand".to_owned(),
    }
}

pub(super) fn payload(text: &str) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: format!("\"{text}\"").into(),
        ..Payload::default()
    }
}

pub(super) fn payloads(text: &str) -> Payloads {
    Payloads {
        payloads: vec![payload(text)],
    }
}

pub(super) fn failure(message: &str) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "ByHand".to_owned(),
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    }
}

pub(super) fn to_duration(time: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(time).ok()
}

pub(super) fn seconds(seconds: u64) -> Option<prost_types::Duration> {
    to_duration(Duration::from_secs(seconds))
}

/// A policy of quick retries.
pub(super) fn retries(attempts: i32) -> Option<RetryPolicy> {
    Some(RetryPolicy {
        initial_interval: to_duration(Duration::from_millis(10)),
        maximum_attempts: attempts,
        ..RetryPolicy::default()
    })
}

pub(super) fn command(kind: CommandType, attributes: Attributes) -> c::Command {
    c::Command {
        command_type: kind as i32,
        attributes: Some(attributes),
        ..c::Command::default()
    }
}

pub(super) fn complete_workflow() -> c::Command {
    let attributes = c::CompleteWorkflowExecutionCommandAttributes {
        result: Some(payloads("done")),
    };
    command(
        CommandType::CompleteWorkflowExecution,
        Attributes::CompleteWorkflowExecutionCommandAttributes(attributes),
    )
}

pub(super) fn fail_workflow(failure: Failure) -> c::Command {
    let attributes = c::FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
    command(
        CommandType::FailWorkflowExecution,
        Attributes::FailWorkflowExecutionCommandAttributes(attributes),
    )
}

pub(super) fn cancel_workflow() -> c::Command {
    let attributes = c::CancelWorkflowExecutionCommandAttributes {
        details: Some(payloads("cancelled")),
    };
    command(
        CommandType::CancelWorkflowExecution,
        Attributes::CancelWorkflowExecutionCommandAttributes(attributes),
    )
}

pub(super) fn continue_as_new(
    change: impl FnOnce(&mut c::ContinueAsNewWorkflowExecutionCommandAttributes),
) -> c::Command {
    let mut attributes = c::ContinueAsNewWorkflowExecutionCommandAttributes {
        workflow_type: Some(workflow_type()),
        input: Some(payloads("again")),
        ..c::ContinueAsNewWorkflowExecutionCommandAttributes::default()
    };
    change(&mut attributes);
    command(
        CommandType::ContinueAsNewWorkflowExecution,
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    )
}

pub(super) fn timer(id: &str, after: Duration) -> c::Command {
    let attributes = c::StartTimerCommandAttributes {
        timer_id: id.to_owned(),
        start_to_fire_timeout: to_duration(after),
    };
    command(
        CommandType::StartTimer,
        Attributes::StartTimerCommandAttributes(attributes),
    )
}

pub(super) fn cancel_timer(id: &str) -> c::Command {
    let attributes = c::CancelTimerCommandAttributes {
        timer_id: id.to_owned(),
    };
    command(
        CommandType::CancelTimer,
        Attributes::CancelTimerCommandAttributes(attributes),
    )
}

pub(super) fn marker(name: &str) -> c::Command {
    let attributes = c::RecordMarkerCommandAttributes {
        marker_name: name.to_owned(),
        details: [("data".to_owned(), payloads(name))].into(),
        ..c::RecordMarkerCommandAttributes::default()
    };
    command(
        CommandType::RecordMarker,
        Attributes::RecordMarkerCommandAttributes(attributes),
    )
}

impl Hand<'_> {
    /// An activity of the scenario's queue, with a start-to-close timeout of a minute and one attempt.
    pub(super) fn schedule(
        &self,
        id: &str,
        change: impl FnOnce(&mut c::ScheduleActivityTaskCommandAttributes),
    ) -> c::Command {
        let mut attributes = c::ScheduleActivityTaskCommandAttributes {
            activity_id: id.to_owned(),
            activity_type: Some(ActivityType { name: "act".to_owned() }),
            task_queue: Some(self.queue()),
            input: Some(payloads(id)),
            start_to_close_timeout: to_duration(MINUTE),
            retry_policy: retries(1),
            ..c::ScheduleActivityTaskCommandAttributes::default()
        };
        change(&mut attributes);
        command(
            CommandType::ScheduleActivityTask,
            Attributes::ScheduleActivityTaskCommandAttributes(attributes),
        )
    }

    /// Starts a child on the scenario's queue with `-children` at its end.
    pub(super) fn child(
        &self,
        suffix: &str,
        policy: ParentClosePolicy,
        change: impl FnOnce(&mut c::StartChildWorkflowExecutionCommandAttributes),
    ) -> c::Command {
        let mut attributes = c::StartChildWorkflowExecutionCommandAttributes {
            workflow_id: self.other(suffix).workflow_id,
            workflow_type: Some(WorkflowType {
                name: "Child".to_owned(),
            }),
            task_queue: Some(self.children()),
            input: Some(payloads(suffix)),
            parent_close_policy: policy as i32,
            ..c::StartChildWorkflowExecutionCommandAttributes::default()
        };
        change(&mut attributes);
        command(
            CommandType::StartChildWorkflowExecution,
            Attributes::StartChildWorkflowExecutionCommandAttributes(attributes),
        )
    }

    /// The task queue of the children.
    pub(super) fn children(&self) -> TaskQueue {
        queue(&format!("{}-children", self.queue().name))
    }
}

pub(super) fn request_cancel_activity(scheduled_event_id: i64) -> c::Command {
    let attributes = c::RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
    command(
        CommandType::RequestCancelActivityTask,
        Attributes::RequestCancelActivityTaskCommandAttributes(attributes),
    )
}

pub(super) fn signal_external(execution: WorkflowExecution, child_only: bool) -> c::Command {
    let attributes = c::SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(execution),
        signal_name: "knock".to_owned(),
        input: Some(payloads("knock")),
        child_workflow_only: child_only,
        ..c::SignalExternalWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::SignalExternalWorkflowExecution,
        Attributes::SignalExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

pub(super) fn cancel_external(execution: WorkflowExecution, child_only: bool) -> c::Command {
    let attributes = c::RequestCancelExternalWorkflowExecutionCommandAttributes {
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        child_workflow_only: child_only,
        reason: "a reason".to_owned(),
        ..c::RequestCancelExternalWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::RequestCancelExternalWorkflowExecution,
        Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes),
    )
}
