//! Getting tasks.
#![expect(
    deprecated,
    reason = "how the build id of a worker without a deployment reaches the history"
)]

use super::shared::Shared;
use super::{WorkerError, activity_task, workflow_task};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use temporal_client::protos::api::common::v1::WorkerVersionCapabilities;
use temporal_client::protos::api::taskqueue::v1::{TaskQueue, TaskQueueMetadata};
use temporal_client::protos::api::workflowservice::v1::{
    DescribeNamespaceRequest, DescribeNamespaceResponse, PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest,
};
use temporal_client::{Code, EagerRegistration, RetryOptions, Rpc, RpcError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a poll waits at the server: more than the server's own minute.
const LONG_POLL: Duration = Duration::from_secs(70);

/// How long a poll that is open when the worker shuts down may still bring a task, where the server ends such polls itself.
const DRAIN: Duration = Duration::from_secs(5);

/// Where the server leaves them open, they are broken off when none brought a task for this long. A poll that is broken off
/// from this side swallows a task that is on its way, so that is done when none seems to be.
const QUIET: Duration = Duration::from_millis(100);

/// The longest pause before the server is asked again what it can do.
const LEARNING_PAUSE: Duration = Duration::from_secs(60);

/// Asks what the server can do about open polls when the worker shuts down, and how large values may be, until it says so.
pub(super) async fn learn_capabilities(worker: Arc<Shared>) {
    let request = DescribeNamespaceRequest {
        namespace: worker.namespace(),
        ..Default::default()
    };
    let mut pause = Duration::from_millis(200);
    let mut warned = false;
    while !worker.is_shutting_down() {
        let error = tokio::select! {
            biased;
            () = worker.shutdown.wait() => return,
            described = worker.client.call(request.clone()) => match described {
                Ok(described) => return learn(&worker, described),
                Err(error) => error,
            },
        };
        // If it matters for polling, the polls say so too.
        if !std::mem::replace(&mut warned, true) {
            tracing::warn!(
                task_queue = worker.task_queue,
                namespace = worker.client.namespace(),
                %error,
                "the namespace cannot be described: until it can, too large values are not noticed before they are sent, and open polls are broken off when the worker ends"
            );
        }
        rest(&worker, pause).await;
        pause = (pause * 2).min(LEARNING_PAUSE);
    }
}

fn learn(worker: &Shared, described: DescribeNamespaceResponse) {
    let info = described.namespace_info.unwrap_or_default();
    let limits = info.limits.unwrap_or_default();
    let bytes = |limit: i64| u64::try_from(limit).unwrap_or(0);
    let value = bytes(limits.blob_size_limit_error);
    worker.payload_limit.store(value, Ordering::Relaxed);
    let memo = bytes(limits.memo_size_limit_error);
    worker.memo_limit.store(memo, Ordering::Relaxed);
    let ends_polls = info.capabilities.unwrap_or_default().worker_poll_complete_on_shutdown;
    worker.server_ends_polls.store(ends_polls, Ordering::Relaxed);
}

/// Takes workflow tasks from one queue until the worker shuts down.
pub(super) async fn poll_workflow_tasks(worker: Arc<Shared>, queue: TaskQueue) {
    let request = PollWorkflowTaskQueueRequest {
        namespace: worker.namespace(),
        task_queue: Some(queue),
        identity: worker.identity.clone(),
        worker_instance_key: worker.instance_key.clone(),
        worker_version_capabilities: capabilities(&worker),
        ..Default::default()
    };
    let mut trouble = Trouble::default();
    while let Some(slot) = free_slot(&worker, &worker.workflow_slots).await {
        let polled = match poll(&worker, request.clone()).await {
            Some(Ok(polled)) => polled,
            Some(Err(error)) => match trouble.meets(&worker, error) {
                Some(pause) => {
                    rest(&worker, pause).await;
                    continue;
                }
                None => return,
            },
            None => return,
        };
        trouble.is_over(&worker);
        if !polled.task_token.is_empty() {
            let task = workflow_task::run(Arc::clone(&worker), polled);
            worker.spawn(async move {
                task.await;
                drop(slot);
            });
        }
    }
}

/// Takes the first tasks of workflows that a client of the same connection starts eagerly, while it has room for them, until the
/// registration is dropped or the worker shuts down.
pub(super) fn take_first_tasks(worker: &Arc<Shared>) -> EagerRegistration {
    let weak = Arc::downgrade(worker);
    worker.client.register_eager_worker(worker.task_queue.clone(), move || {
        let worker = weak.upgrade().filter(|worker| !worker.is_shutting_down())?;
        let slot = Arc::clone(&worker.workflow_slots).try_acquire_owned().ok()?;
        Some(Box::new(move |polled| {
            let task = workflow_task::run(Arc::clone(&worker), polled);
            worker.spawn(async move {
                task.await;
                drop(slot);
            });
        }))
    })
}

/// Takes activity tasks until the worker shuts down.
pub(super) async fn poll_activity_tasks(worker: Arc<Shared>, rate: Arc<RateLimit>) {
    let limit = worker.options.max_task_queue_activities_per_second;
    let request = PollActivityTaskQueueRequest {
        namespace: worker.namespace(),
        task_queue: Some(worker.normal_queue()),
        identity: worker.identity.clone(),
        worker_instance_key: worker.instance_key.clone(),
        worker_version_capabilities: capabilities(&worker),
        task_queue_metadata: limit.map(|max_tasks_per_second| TaskQueueMetadata {
            max_tasks_per_second: Some(max_tasks_per_second),
        }),
        ..Default::default()
    };
    let mut trouble = Trouble::default();
    while let Some(slot) = free_slot(&worker, &worker.activity_slots).await {
        rest(&worker, rate.pause()).await;
        let polled = match poll(&worker, request.clone()).await {
            Some(Ok(polled)) => polled,
            Some(Err(error)) => match trouble.meets(&worker, error) {
                Some(pause) => {
                    rest(&worker, pause).await;
                    continue;
                }
                None => return,
            },
            None => return,
        };
        trouble.is_over(&worker);
        if !polled.task_token.is_empty() {
            let task = activity_task::run(Arc::clone(&worker), polled);
            worker.spawn(async move {
                task.await;
                drop(slot);
            });
        }
    }
}

fn capabilities(worker: &Shared) -> Option<WorkerVersionCapabilities> {
    let build_id = worker.options.build_id.clone();
    (!build_id.is_empty()).then(|| WorkerVersionCapabilities {
        build_id,
        ..Default::default()
    })
}

/// A slot for one more task; `None` when the worker shuts down first.
async fn free_slot(worker: &Shared, slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = worker.shutdown.wait() => None,
        slot = Arc::clone(slots).acquire_owned() => slot.ok(),
    }
}

/// One poll; `None` when the worker shuts down first. An empty answer is an empty message.
async fn poll<R: Rpc>(worker: &Shared, request: R) -> Option<Result<R::Response, RpcError>> {
    let poll = worker
        .client
        .call(request)
        .timeout(LONG_POLL)
        .retry(RetryOptions::none());
    let drained = async {
        worker.shutdown.wait().await;
        if worker.server_ends_polls.load(Ordering::Relaxed) {
            return tokio::time::sleep(DRAIN).await;
        }
        loop {
            let quiet_for = worker.last_polled.lock().elapsed();
            match QUIET.checked_sub(quiet_for) {
                Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                _ => break,
            }
        }
    };
    tokio::select! {
        biased;
        polled = poll => match polled {
            Err(error) if error.code() == Code::DeadlineExceeded => Some(Ok(R::Response::default())),
            Err(_) if worker.is_shutting_down() => None,
            polled => {
                *worker.last_polled.lock() = Instant::now();
                Some(polled)
            }
        },
        () = drained => None,
    }
}

/// Waits, unless the worker shuts down.
async fn rest(worker: &Shared, pause: Duration) {
    if !pause.is_zero() {
        tokio::select! {
            () = worker.shutdown.wait() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A server that cannot be reached: said once when it begins and once when it is over.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    since: Option<Instant>,
}

impl Trouble {
    /// How long to wait before the next poll; `None` when there will be none, since the error does not pass.
    fn meets(&mut self, worker: &Shared, error: RpcError) -> Option<Duration> {
        if is_fatal(error.code()) {
            // Another poller may have said it before.
            let _ = worker.fatal.send(WorkerError::Refused {
                task_queue: worker.task_queue.clone(),
                namespace: worker.namespace(),
                source: Box::new(error),
            });
            return None;
        }
        if self.since.is_none() {
            self.since = Some(Instant::now());
            tracing::warn!(task_queue = worker.task_queue, %error, "polling for tasks fails: trying again until it works");
        }
        self.failures += 1;
        Some(backoff(self.failures, error.code()))
    }

    fn is_over(&mut self, worker: &Shared) {
        self.failures = 0;
        if let Some(since) = self.since.take() {
            tracing::info!(task_queue = worker.task_queue, after = ?since.elapsed(), "polling for tasks works again");
        }
    }
}

fn is_fatal(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::InvalidArgument
            | Code::Unimplemented
            | Code::FailedPrecondition
    )
}

/// 100 ms, then twice as long each time, up to 2 s (10 s when the server says that it has too much to do).
pub(super) fn backoff(failures: u32, code: Code) -> Duration {
    let (first, longest) = match code {
        Code::ResourceExhausted => (1000, 10_000),
        _ => (100, 2000),
    };
    let pause = 2_u64
        .saturating_pow(failures.saturating_sub(1))
        .saturating_mul(first)
        .min(longest);
    // Up to a fifth less, so that not all pollers come at the same time.
    Duration::from_millis(pause - rand::random_range(0..=pause / 5))
}

/// Spreads starts evenly over time.
#[derive(Debug)]
pub(super) struct RateLimit {
    interval: Option<Duration>,
    next: parking_lot::Mutex<Option<Instant>>,
}

impl RateLimit {
    /// So many a second; no limit when absent.
    pub(super) fn new(rate: Option<f64>) -> Self {
        Self {
            interval: rate.map(|rate| Duration::try_from_secs_f64(rate.recip()).unwrap_or(Duration::MAX)),
            next: parking_lot::Mutex::new(None),
        }
    }

    /// Takes the next place, and tells how long it is until then.
    fn pause(&self) -> Duration {
        let Some(interval) = self.interval else {
            return Duration::ZERO;
        };
        let now = Instant::now();
        let mut next = self.next.lock();
        let place = next.map_or(now, |next| next.max(now));
        *next = place.checked_add(interval);
        place.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Duration, RateLimit, backoff};

    #[test]
    fn backoff_grows_to_its_limit() {
        let between = |failures, code, longest: u64| {
            let pause = backoff(failures, code);
            let longest = Duration::from_millis(longest);
            assert!(pause <= longest && pause >= longest * 4 / 5, "{pause:?}");
        };
        between(1, Code::Unavailable, 100);
        between(2, Code::Unavailable, 200);
        between(100, Code::Unavailable, 2000);
        between(100, Code::ResourceExhausted, 10_000);
    }

    #[test]
    fn rate_gives_places_evenly() {
        let rate = RateLimit::new(Some(10.0));
        assert_eq!(rate.pause(), Duration::ZERO);
        let second = rate.pause();
        assert!(
            second > Duration::from_millis(50) && second <= Duration::from_millis(100),
            "{second:?}"
        );
        assert!(rate.pause() > second);
        assert_eq!(RateLimit::new(None).pause(), Duration::ZERO);
    }
}
