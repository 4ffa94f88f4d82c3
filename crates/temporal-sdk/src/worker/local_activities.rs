//! Local activities: run by the worker within a workflow task, with retries of its own.

use super::retry::next_retry;
use super::shared::Shared;
use super::{activity_task, codec, execution, payload_limit};
use crate::activity::{CancellationReason, Context, Control, Ending, Error, Info, Latch};
use crate::panic::{self, Panic};
use bytes::Bytes;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use temporal_client::failure::ApplicationError;
use temporal_client::protos::api::common::v1::{Payload, Payloads};
use temporal_client::protos::api::enums::v1::TimeoutType;
use temporal_client::protos::api::failure::v1::failure::FailureInfo;
use temporal_client::protos::api::failure::v1::{CanceledFailureInfo, Failure, TimeoutFailureInfo};
use temporal_client::protos::payloads::VisitPayloads;
use temporal_client::protos::prost::Message;
use temporal_client::{Priority, RetryPolicy};
use temporal_core::{
    CancellationType, LocalActivityBackoff, LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq,
    ScheduleLocalActivity,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What a marker holds besides the end of its local activity and its names, at most.
const MARKER: usize = 1024;

/// How many times larger no codec makes a payload.
const CODEC_GROWTH: usize = 4;

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
    signs: Arc<Signs>,
    task: AbortHandle,
}

/// What a local activity is told, over all its attempts.
#[derive(Debug, Default)]
struct Signs {
    cancelled: Latch<CancellationReason>,
    /// The workflow waits for it no more.
    left: Latch<()>,
}

/// The time, as the workflow task has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// By the server's clock, since the Unix epoch.
    pub(super) now: Duration,
    pub(super) task_timeout: Duration,
}

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
        clock: Clock,
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
                    let signs = Arc::new(Signs::default());
                    let run = LocalRun::new(worker, caller, seq, *command, clock, Arc::clone(&signs));
                    let results = self.sender.clone();
                    let task = worker.spawn(async move {
                        let (attempt, outcome) = run.run().await;
                        // Nobody waits for one that the workflow left behind.
                        let _ = results.send((seq, attempt, outcome));
                    });
                    let running = RunningLocal {
                        command: asked,
                        signs,
                        task,
                    };
                    self.running.insert(seq, running);
                }
                LocalActivityRequest::Cancel(seq) => self.cancel(&[seq]),
            }
        }
    }

    /// Tells those of these numbers to stop, as far as they run.
    pub(super) fn cancel(&self, seqs: &[LocalActivitySeq]) {
        for running in seqs.iter().filter_map(|seq| self.running.get(seq)) {
            running.signs.cancelled.set(CancellationReason::Requested);
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
        for (_, running) in self.running.drain() {
            running.signs.left.set(());
        }
    }

    /// The workflow has closed: tells those under way to stop, but for those that are to be left to themselves.
    pub(super) fn close(self) {
        let told = self
            .running
            .iter()
            .filter(|(_, running)| running.command.cancellation_type != CancellationType::Abandon);
        let told: Vec<_> = told.map(|(seq, _)| *seq).collect();
        self.cancel(&told);
        self.leave_behind();
    }
}

impl Drop for LocalActivities {
    fn drop(&mut self) {
        for running in self.running.values() {
            // Blocking code can only be told.
            running.signs.cancelled.set(CancellationReason::NotFound);
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
    signs: Arc<Signs>,
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
        clock: Clock,
        signs: Arc<Signs>,
    ) -> Self {
        let scheduled_time = command
            .original_schedule_time
            .and_then(|time| SystemTime::UNIX_EPOCH.checked_add(time))
            .unwrap_or_else(SystemTime::now);
        let deadline = time_left(&command, clock).and_then(|left| Instant::now().checked_add(left));
        Self {
            worker: Arc::clone(worker),
            caller: caller.clone(),
            activity_id: command.activity_id.clone().unwrap_or_else(|| seq.0.to_string()),
            scheduled_time,
            deadline,
            threshold: command.local_retry_threshold.unwrap_or(clock.task_timeout),
            command,
            signs,
        }
    }

    /// The number of the last attempt, and how it ended.
    async fn run(self) -> (u32, LocalActivityOutcome) {
        let mut number = self.command.attempt.max(1);
        loop {
            if let Some(outcome) = self.attempted(number).await {
                let bounded = panic::caught(self.bounded(number, outcome)).await;
                let outcome = bounded.unwrap_or_else(|panic| failed(self.panicked(number, &panic), None));
                return (number, outcome);
            }
            number += 1;
        }
    }

    /// Sees to it that the end is not larger than a marker may be: the workflow task would fail for it, and in its next
    /// attempt the activity would run again.
    async fn bounded(&self, number: u32, outcome: LocalActivityOutcome) -> LocalActivityOutcome {
        match outcome {
            LocalActivityOutcome::Completed(Some(payload)) => {
                let payloads = Payloads {
                    payloads: vec![payload.clone()],
                };
                match self.too_large("result", &payloads).await {
                    Some(message) => failed(self.too_large_failure(number, message), None),
                    None => LocalActivityOutcome::Completed(Some(payload)),
                }
            }
            LocalActivityOutcome::Failed { failure, backoff } => match self.too_large("failure", &failure).await {
                Some(message) => failed(self.too_large_failure(number, message), backoff),
                None => failed(failure, backoff),
            },
            LocalActivityOutcome::Cancelled(failure) => match self.too_large("cancellation", &failure).await {
                Some(message) => {
                    tracing::warn!(
                        workflow_id = self.caller.workflow_id,
                        "{message}; the details are left out"
                    );
                    LocalActivityOutcome::Cancelled(cancelled_failure(Vec::new()))
                }
                None => LocalActivityOutcome::Cancelled(failure),
            },
            outcome @ (LocalActivityOutcome::Completed(None) | LocalActivityOutcome::TimedOut(..)) => outcome,
        }
    }

    /// What is said of an end that is too large, as the server sees it: behind the codec; `None` if it is not.
    async fn too_large<M>(&self, what: &str, message: &M) -> Option<String>
    where
        M: Message + VisitPayloads + Clone + Send,
    {
        let limit = payload_limit::known(self.worker.payload_limit.load(Ordering::Relaxed))?;
        let converter = self.worker.client.data_converter();
        let mut size = message.encoded_len();
        if size > limit / CODEC_GROWTH && converter.codec().is_some() {
            let mut encoded = message.clone();
            // What cannot be encoded fails the workflow task, which says so.
            codec::encode(converter, &mut encoded).await.ok()?;
            size = encoded.encoded_len();
        }
        let Caller {
            workflow_id,
            workflow_type,
            ..
        } = &self.caller;
        let (activity_id, activity_type) = (&self.activity_id, &self.command.activity_type);
        size += MARKER + activity_id.len() + activity_type.len();
        let what = || {
            format!(
                "the {what} of local activity \"{activity_type}\" (id {activity_id}) of workflow \"{workflow_type}\" ({workflow_id})"
            )
        };
        (size > limit).then(|| payload_limit::explained(&what(), size, limit))
    }

    /// Another attempt would have the same end, so there is none.
    fn too_large_failure(&self, number: u32, message: String) -> Failure {
        let failure = payload_limit::failure(self.worker.client.data_converter(), message);
        self.log(number, &failure, false);
        failure
    }

    /// The failure of an attempt when code around the activity panicked.
    fn panicked(&self, number: u32, panic: &Panic) -> Failure {
        let name = &self.command.activity_type;
        let error = execution::panicked_around(name, panic);
        let converted = panic::catch(|| self.worker.client.data_converter().error_to_failure(&error, None));
        let failure = converted.unwrap_or_else(|_| execution::unconverted(name));
        self.log(number, &failure, false);
        failure
    }

    fn log(&self, number: u32, failure: &Failure, benign: bool) {
        let failed = execution::Failed {
            activity_type: &self.command.activity_type,
            activity_id: &self.activity_id,
            attempt: number,
            workflow_id: &self.caller.workflow_id,
            local: true,
        };
        execution::log_failure(&failed, failure, benign);
    }

    /// Runs one attempt and the pause behind it; `None` when another attempt is to follow.
    async fn attempted(&self, number: u32) -> Option<LocalActivityOutcome> {
        let attempt = panic::caught(self.attempt(number)).await;
        let failure = match attempt.unwrap_or_else(|panic| Attempt::Failed(self.panicked(number, &panic))) {
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
        if self.signs.cancelled.get().is_some() || self.is_over() {
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
            _ = self.signs.cancelled.wait() => Some(LocalActivityOutcome::Cancelled(cancelled_failure(Vec::new()))),
            () = self.over() => Some(LocalActivityOutcome::Cancelled(cancelled_failure(Vec::new()))),
            () = tokio::time::sleep(pause) => None,
        }
    }

    /// Whether it is too late for another attempt, since the worker ends: for one that the workflow waits for when the time
    /// for a graceful end is over, and at once for one that it left behind. Nobody hears how it ended then.
    fn is_over(&self) -> bool {
        self.worker.time_over.get().is_some() || self.signs.left.get().is_some() && self.worker.is_shutting_down()
    }

    /// Waits until it is too late for another attempt.
    async fn over(&self) {
        let left = async {
            self.signs.left.wait().await;
            self.worker.shutdown.wait().await;
        };
        tokio::select! {
            biased;
            () = self.worker.time_over.wait() => {}
            () = left => {}
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
            _ = self.signs.cancelled.wait() => return Attempt::Cancelled(cancelled_failure(Vec::new())),
            () = self.over() => return Attempt::Cancelled(cancelled_failure(Vec::new())),
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
            let reason = self.signs.cancelled.wait().await;
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
                self.log(number, &failure, execution::is_benign(&*error));
                Attempt::Failed(failure)
            }
            Ending::Cancelled { details } if reason.is_some() => {
                let details =
                    details.map(|details| activity_task::details_payloads(&*details, &**converter.payload_converter()));
                Attempt::Cancelled(cancelled_failure(details.unwrap_or_default()))
            }
            Ending::Cancelled { .. } => {
                let error = ApplicationError::new("the activity says that it was cancelled, but nobody asked for that");
                self.failed(number, &error.kind("Cancelled"))
            }
            // Every other attempt would end so too.
            Ending::CompleteAsync => {
                let error = ApplicationError::new(
                    "a local activity cannot be completed later, from elsewhere: make it an activity of the task queue",
                );
                self.failed(number, &error.kind("CompleteAsync").non_retryable())
            }
        }
    }

    /// An attempt that failed, as the log has it too.
    fn failed(&self, number: u32, error: &ApplicationError) -> Attempt {
        let failure = self.worker.client.data_converter().error_to_failure(error, None);
        self.log(number, &failure, false);
        Attempt::Failed(failure)
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

/// How much of its time over all attempts is left; `None` if that is not limited.
fn time_left(command: &ScheduleLocalActivity, clock: Clock) -> Option<Duration> {
    // A first attempt begins now. Both times are the server's, whatever the clock here says.
    let used = match (command.attempt, command.original_schedule_time) {
        (0 | 1, _) | (_, None) => Duration::ZERO,
        (_, Some(scheduled)) => clock.now.saturating_sub(scheduled),
    };
    let timeout = command.schedule_to_close_timeout?;
    Some(timeout.saturating_sub(used))
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

fn cancelled_failure(details: Vec<Payload>) -> Failure {
    Failure {
        message: "local activity cancelled".to_owned(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo {
            details: (!details.is_empty()).then_some(Payloads { payloads: details }),
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

#[cfg(test)]
mod tests {
    use super::{Clock, time_left};
    use std::time::{Duration, SystemTime};
    use temporal_core::ScheduleLocalActivity;

    const SECOND: Duration = Duration::from_secs(1);

    /// The server's clock is an hour behind, or in front: that has no part in how much time is left.
    #[test]
    fn the_time_left_is_counted_by_the_clock_of_the_server() {
        let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        for scheduled in [here - 3600 * SECOND, here + 3600 * SECOND] {
            let clock = Clock {
                now: scheduled + 3 * SECOND,
                task_timeout: SECOND,
            };
            let mut command = ScheduleLocalActivity {
                attempt: 2,
                original_schedule_time: Some(scheduled),
                schedule_to_close_timeout: Some(10 * SECOND),
                ..ScheduleLocalActivity::default()
            };
            assert_eq!(time_left(&command, clock), Some(7 * SECOND));
            command.attempt = 1;
            assert_eq!(time_left(&command, clock), Some(10 * SECOND));
            command.schedule_to_close_timeout = None;
            assert_eq!(time_left(&command, clock), None);
        }
    }
}
