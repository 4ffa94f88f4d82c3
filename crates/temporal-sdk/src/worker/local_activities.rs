//! Local activities: run by the worker within a workflow task, with retries of its own.

use super::retry::next_retry;
use super::shared::Shared;
use super::{activity_task, execution};
use crate::activity::{CancellationReason, Context, Control, Ending, Error, Info, Latch};
use bytes::Bytes;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use temporal_client::protos::api::common::v1::Payload;
use temporal_client::protos::api::enums::v1::TimeoutType;
use temporal_client::protos::api::failure::v1::failure::FailureInfo;
use temporal_client::protos::api::failure::v1::{CanceledFailureInfo, Failure, TimeoutFailureInfo};
use temporal_client::{Priority, RetryPolicy};
use temporal_core::{
    LocalActivityBackoff, LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq, ScheduleLocalActivity,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The workflow that local activities belong to.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    pub(super) workflow_id: String,
    pub(super) run_id: String,
    pub(super) workflow_type: String,
}

/// The local activities of one run that are under way. Dropping it ends them.
#[derive(Debug)]
pub(super) struct LocalActivities {
    running: HashMap<LocalActivitySeq, RunningLocal>,
    results: mpsc::UnboundedReceiver<(LocalActivitySeq, u32, LocalActivityOutcome)>,
    sender: mpsc::UnboundedSender<(LocalActivitySeq, u32, LocalActivityOutcome)>,
}

#[derive(Debug)]
struct RunningLocal {
    command: ScheduleLocalActivity,
    cancellation: Arc<Cancellation>,
    task: AbortHandle,
}

/// Cancellation of a local activity over all its attempts.
type Cancellation = Latch<CancellationReason>;

impl Default for LocalActivities {
    fn default() -> Self {
        let (sender, results) = mpsc::unbounded_channel();
        Self {
            running: HashMap::new(),
            results,
            sender,
        }
    }
}

/// What is said of a local activity that the worker does not have, if one of those to be run is such. It fails the
/// workflow task, as in the Go SDK: another deployment mends it, and nothing of it stays in the history.
pub(super) fn unregistered(worker: &Shared, requests: &[LocalActivityRequest]) -> Option<String> {
    requests.iter().find_map(|request| match request {
        LocalActivityRequest::Run(_, command) if worker.activities.find(&command.activity_type).is_none() => {
            let names = worker.activities.names();
            let error = execution::not_registered(&command.activity_type, &worker.task_queue, &names);
            Some(format!("{error}; local activities run on the worker of their workflow"))
        }
        LocalActivityRequest::Run(..) | LocalActivityRequest::Cancel(_) => None,
    })
}

impl LocalActivities {
    /// Starts and cancels what the workflow asks for.
    ///
    /// A run that was evicted while it waited for one asks for it again: it goes on. Begun anew behind every heartbeat it
    /// would never end.
    pub(super) fn apply(
        &mut self,
        worker: &Arc<Shared>,
        caller: &Caller,
        task_timeout: Duration,
        requests: Vec<LocalActivityRequest>,
    ) {
        if requests.iter().any(|request| self.is_stale(request)) {
            // What the run went through is not what it went through before.
            *self = Self::default();
        }
        for request in requests {
            match request {
                LocalActivityRequest::Run(seq, _) if self.running.contains_key(&seq) => {}
                LocalActivityRequest::Run(seq, command) => {
                    let asked = (*command).clone();
                    let cancellation = Arc::new(Cancellation::default());
                    let run = LocalRun::new(worker, caller, seq, *command, task_timeout, Arc::clone(&cancellation));
                    let results = self.sender.clone();
                    let task = worker.spawn(async move {
                        let (attempt, outcome) = run.run().await;
                        // Nobody waits for one that the workflow left behind.
                        let _ = results.send((seq, attempt, outcome));
                    });
                    let running = RunningLocal {
                        command: asked,
                        cancellation,
                        task,
                    };
                    self.running.insert(seq, running);
                }
                LocalActivityRequest::Cancel(seq) => {
                    if let Some(running) = self.running.get(&seq) {
                        running.cancellation.set(CancellationReason::Requested);
                    }
                }
            }
        }
    }

    /// Whether another one runs by the number of the one that is asked for.
    fn is_stale(&self, request: &LocalActivityRequest) -> bool {
        match request {
            LocalActivityRequest::Run(seq, command) => self
                .running
                .get(seq)
                .is_some_and(|running| running.command != **command),
            LocalActivityRequest::Cancel(_) => false,
        }
    }

    /// The next one to end, with the number of its last attempt; never, if none is under way.
    pub(super) async fn next(&mut self) -> (LocalActivitySeq, u32, LocalActivityOutcome) {
        match self.results.recv().await {
            Some((seq, attempt, outcome)) => {
                self.running.remove(&seq);
                (seq, attempt, outcome)
            }
            // Not reached: this holds a sender too.
            None => std::future::pending().await,
        }
    }

    /// Lets those under way go on, though the workflow does not wait for them.
    pub(super) fn leave_behind(mut self) {
        self.running.clear();
    }
}

impl Drop for LocalActivities {
    fn drop(&mut self) {
        for running in self.running.values() {
            // Blocking code can only be told.
            running.cancellation.set(CancellationReason::NotFound);
            running.task.abort();
        }
    }
}

/// One local activity, over all its attempts.
struct LocalRun {
    worker: Arc<Shared>,
    caller: Caller,
    command: ScheduleLocalActivity,
    activity_id: String,
    scheduled_time: SystemTime,
    /// When it is given up, over all attempts.
    deadline: Option<Instant>,
    /// A longer pause between attempts is not spent within the workflow task.
    threshold: Duration,
    cancellation: Arc<Cancellation>,
}

/// How one attempt ended.
enum Attempt {
    Completed(Payload),
    Failed(Failure),
    Cancelled(Failure),
    TimedOut(TimeoutType),
}

impl LocalRun {
    fn new(
        worker: &Arc<Shared>,
        caller: &Caller,
        seq: LocalActivitySeq,
        command: ScheduleLocalActivity,
        task_timeout: Duration,
        cancellation: Arc<Cancellation>,
    ) -> Self {
        let scheduled_time = command
            .original_schedule_time
            .and_then(|time| SystemTime::UNIX_EPOCH.checked_add(time))
            .unwrap_or_else(SystemTime::now);
        // A first attempt begins now, whatever the server's clock says.
        let used = match command.attempt {
            0 | 1 => Duration::ZERO,
            _ => SystemTime::now().duration_since(scheduled_time).unwrap_or_default(),
        };
        let deadline = command
            .schedule_to_close_timeout
            .and_then(|timeout| Instant::now().checked_add(timeout.saturating_sub(used)));
        Self {
            worker: Arc::clone(worker),
            caller: caller.clone(),
            activity_id: command.activity_id.clone().unwrap_or_else(|| seq.0.to_string()),
            scheduled_time,
            deadline,
            threshold: command.local_retry_threshold.unwrap_or(task_timeout),
            command,
            cancellation,
        }
    }

    /// The number of the last attempt, and how it ended.
    async fn run(self) -> (u32, LocalActivityOutcome) {
        let mut number = self.command.attempt.max(1);
        loop {
            if let Some(outcome) = self.attempted(number).await {
                return (number, outcome);
            }
            number += 1;
        }
    }

    /// Runs one attempt and the pause behind it; `None` when another attempt is to follow.
    async fn attempted(&self, number: u32) -> Option<LocalActivityOutcome> {
        let failure = match self.attempt(number).await {
            Attempt::Completed(payload) => return Some(LocalActivityOutcome::Completed(Some(payload))),
            Attempt::Cancelled(failure) => return Some(LocalActivityOutcome::Cancelled(failure)),
            Attempt::TimedOut(TimeoutType::StartToClose) => timeout_failure(TimeoutType::StartToClose, None),
            Attempt::TimedOut(kind) => return Some(LocalActivityOutcome::TimedOut(kind, timeout_failure(kind, None))),
            Attempt::Failed(failure) => failure,
        };
        let Some(pause) = next_retry(self.command.retry_policy.as_ref(), number, &failure) else {
            return Some(failed(failure, None));
        };
        if self.deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
            return Some(failed(failure, None));
        }
        if self.cancellation.get().is_some() {
            // Whoever asked would hear nothing of another attempt, nor that one of the request.
            return Some(LocalActivityOutcome::Cancelled(cancelled_failure(Vec::new())));
        }
        if pause > self.threshold {
            let backoff = LocalActivityBackoff {
                duration: pause,
                failed_attempt: number,
            };
            return Some(failed(failure, Some(backoff)));
        }
        tokio::select! {
            biased;
            _ = self.cancellation.wait() => Some(LocalActivityOutcome::Cancelled(cancelled_failure(Vec::new()))),
            () = tokio::time::sleep(pause) => None,
        }
    }

    async fn attempt(&self, number: u32) -> Attempt {
        let name = &self.command.activity_type;
        let Some(definition) = self.worker.activities.find(name).cloned() else {
            let error = execution::not_registered(name, &self.worker.task_queue, &self.worker.activities.names());
            return self.ended(number, error, None);
        };
        let slots = Arc::clone(&self.worker.local_activity_slots);
        let _slot = tokio::select! {
            biased;
            _ = self.cancellation.wait() => return Attempt::Cancelled(cancelled_failure(Vec::new())),
            slot = slots.acquire_owned() => slot,
            () = sleep(self.command.schedule_to_start_timeout) => return Attempt::TimedOut(TimeoutType::ScheduleToStart),
            () = sleep_until(self.deadline) => return Attempt::TimedOut(TimeoutType::ScheduleToClose),
        };
        if definition.is_blocking() {
            self.worker.check_executor(true);
        }
        let (ctx, control) = self.context(number);
        let _running = self.worker.running(control.clone());
        let arguments = self.command.arguments.clone();
        let running = execution::attempt(definition, ctx, arguments);
        let watched = async {
            let reason = self.cancellation.wait().await;
            control.cancel(reason);
            std::future::pending::<Infallible>().await
        };
        let result = tokio::select! {
            biased;
            result = running => result,
            never = watched => match never {},
            () = sleep(self.command.start_to_close_timeout) => {
                control.cancel(CancellationReason::TimedOut);
                return Attempt::TimedOut(TimeoutType::StartToClose);
            }
            () = sleep_until(self.deadline) => {
                control.cancel(CancellationReason::TimedOut);
                return Attempt::TimedOut(TimeoutType::ScheduleToClose);
            }
        };
        match result {
            Ok(payload) => Attempt::Completed(payload),
            Err(error) => self.ended(number, error, control.cancellation_reason()),
        }
    }

    fn ended(&self, number: u32, error: Error, reason: Option<CancellationReason>) -> Attempt {
        self.worker.end_if_executor_broke(&error);
        let converter = self.worker.client.data_converter();
        match error.into_ending() {
            Ending::Failed { error, type_name } => {
                let failure = converter.error_to_failure(&*error, type_name.as_deref());
                let failed = execution::Failed {
                    activity_type: &self.command.activity_type,
                    activity_id: &self.activity_id,
                    attempt: number,
                    workflow_id: &self.caller.workflow_id,
                    local: true,
                };
                execution::log_failure(&failed, &failure, execution::is_benign(&*error));
                Attempt::Failed(failure)
            }
            Ending::Cancelled { details } if reason.is_some() => {
                let details =
                    details.map(|details| activity_task::details_payloads(&*details, &**converter.payload_converter()));
                Attempt::Cancelled(cancelled_failure(details.unwrap_or_default()))
            }
            Ending::Cancelled { .. } => Attempt::Failed(application_failure(
                converter,
                "the activity says that it was cancelled, but nobody asked for that",
                "Cancelled",
            )),
            Ending::CompleteAsync => Attempt::Failed(application_failure(
                converter,
                "a local activity cannot be completed later, from elsewhere: make it an activity of the task queue",
                "CompleteAsync",
            )),
        }
    }

    fn context(&self, number: u32) -> (Context, Control) {
        let worker = &self.worker;
        let started = SystemTime::now();
        let info = Info {
            activity_id: self.activity_id.clone(),
            activity_type: self.command.activity_type.clone(),
            attempt: number,
            is_local: true,
            namespace: worker.namespace(),
            task_queue: worker.task_queue.clone(),
            task_token: Bytes::new(),
            workflow_id: Some(self.caller.workflow_id.clone()),
            workflow_run_id: Some(self.caller.run_id.clone()),
            workflow_type: Some(self.caller.workflow_type.clone()),
            workflow_namespace: Some(worker.namespace()),
            activity_run_id: None,
            scheduled_time: self.scheduled_time,
            current_attempt_scheduled_time: started,
            started_time: started,
            schedule_to_close_timeout: self.command.schedule_to_close_timeout,
            start_to_close_timeout: self.command.start_to_close_timeout,
            heartbeat_timeout: None,
            retry_policy: self.command.retry_policy.as_ref().map(RetryPolicy::from),
            priority: Priority::default(),
        };
        Context::builder(info)
            .headers(self.command.header.clone())
            .client(worker.client.clone())
            .data_converter(worker.client.data_converter().clone())
            .executor(Arc::clone(&worker.options.executor))
            .interceptors(worker.options.activity_interceptors.clone())
            .shutdown(Arc::clone(&worker.shutdown))
            .build()
    }
}

fn failed(failure: Failure, backoff: Option<LocalActivityBackoff>) -> LocalActivityOutcome {
    LocalActivityOutcome::Failed { failure, backoff }
}

/// Ends after the time; never, if there is none.
async fn sleep(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn application_failure(converter: &temporal_client::DataConverter, message: &str, kind: &str) -> Failure {
    let error = temporal_client::failure::ApplicationError::new(message).kind(kind);
    converter.error_to_failure(&error, None)
}

fn cancelled_failure(details: Vec<Payload>) -> Failure {
    Failure {
        message: "local activity cancelled".to_owned(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo {
            details: (!details.is_empty())
                .then_some(temporal_client::protos::api::common::v1::Payloads { payloads: details }),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn timeout_failure(kind: TimeoutType, cause: Option<Failure>) -> Failure {
    Failure {
        message: "local activity timeout".to_owned(),
        cause: cause.map(Box::new),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: kind.into(),
            ..Default::default()
        })),
        ..Default::default()
    }
}
