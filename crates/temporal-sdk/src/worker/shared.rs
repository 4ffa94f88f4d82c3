//! What the tasks of one worker share.

use super::WorkerError;
use super::local_activities::LocalActivities;
use super::options::Options;
use super::registry::ActivityRegistry;
use super::shard::Shards;
use crate::activity::{CancellationReason, Control, Error, ExecutorError, Latch};
use crate::panic;
use dashmap::DashMap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use temporal_client::protos::api::common::v1::WorkerVersionStamp;
use temporal_client::protos::api::enums::v1::TaskQueueKind;
use temporal_client::protos::api::taskqueue::v1::TaskQueue;
use temporal_client::{CallOptions, Client, RetryOptions, Rpc, RpcError};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

/// How long an answer is tried to be delivered. One that comes too late does no harm: the server refuses it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the tasks of one worker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) task_queue: String,
    pub(super) options: Options,
    pub(super) identity: String,
    /// Names this worker to the server, from its start to its end.
    pub(super) instance_key: String,
    /// Where the server puts the tasks of workflows that are cached here.
    pub(super) sticky_queue: Option<String>,
    pub(super) activities: ActivityRegistry,
    pub(super) shards: Shards,
    pub(super) workflow_slots: Arc<Semaphore>,
    pub(super) activity_slots: Arc<Semaphore>,
    pub(super) local_activity_slots: Arc<Semaphore>,
    /// Set when the worker is to end: nothing new is begun.
    pub(super) shutdown: Arc<Latch<()>>,
    /// Whether the server ends open polls when it is told of the shutdown.
    pub(super) server_ends_polls: AtomicBool,
    /// When a poll last brought something, or the shutdown began.
    pub(super) last_polled: Mutex<Instant>,
    /// How many bytes the namespace takes in one place; 0 while that is not known.
    pub(super) payload_limit: AtomicU64,
    /// How many bytes the namespace takes as a run's memo; 0 while that is not known.
    pub(super) memo_limit: AtomicU64,
    /// Set when the time for a graceful end is over.
    pub(super) time_over: Latch<()>,
    pub(super) fatal: mpsc::UnboundedSender<WorkerError>,
    /// Local activities that go on between two workflow tasks of their run, by run id.
    pub(super) parked: Mutex<HashMap<String, LocalActivities>>,
    /// Activities that run, each touched by a thread of its own.
    running: DashMap<u64, Control>,
    numbers: AtomicU64,
    /// Whether it was said that the executor is too small.
    warned_of_executor: AtomicBool,
    tasks: Mutex<JoinSet<()>>,
}

/// The slots of a worker, by kind of task.
pub(super) struct Slots {
    pub(super) workflow: Arc<Semaphore>,
    pub(super) activity: Arc<Semaphore>,
    pub(super) local_activity: Arc<Semaphore>,
}

impl Slots {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            workflow: Arc::new(Semaphore::new(options.max_concurrent_workflow_tasks)),
            activity: Arc::new(Semaphore::new(options.max_concurrent_activities)),
            local_activity: Arc::new(Semaphore::new(options.max_concurrent_local_activities)),
        }
    }
}

impl Shared {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a worker, put together in one place"
    )]
    pub(super) fn new(
        client: Client,
        task_queue: String,
        options: Options,
        activities: ActivityRegistry,
        shards: Shards,
        cached: bool,
        shutdown: Arc<Latch<()>>,
        fatal: mpsc::UnboundedSender<WorkerError>,
    ) -> Self {
        let instance_key = uuid::Uuid::new_v4().to_string();
        let slots = Slots::new(&options);
        Self {
            identity: options.identity.clone().unwrap_or_else(|| client.identity().to_owned()),
            sticky_queue: cached.then(|| format!("{}:{instance_key}", client.identity())),
            client,
            task_queue,
            options,
            instance_key,
            activities,
            shards,
            workflow_slots: slots.workflow,
            activity_slots: slots.activity,
            local_activity_slots: slots.local_activity,
            shutdown,
            server_ends_polls: AtomicBool::new(false),
            last_polled: Mutex::new(Instant::now()),
            payload_limit: AtomicU64::new(0),
            memo_limit: AtomicU64::new(0),
            time_over: Latch::default(),
            fatal,
            parked: Mutex::default(),
            running: DashMap::new(),
            numbers: AtomicU64::new(0),
            warned_of_executor: AtomicBool::new(false),
            tasks: Mutex::new(JoinSet::new()),
        }
    }

    pub(super) fn namespace(&self) -> String {
        self.client.namespace().to_owned()
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutdown.get().is_some()
    }

    /// The task queue that everybody polls.
    pub(super) fn normal_queue(&self) -> TaskQueue {
        TaskQueue {
            name: self.task_queue.clone(),
            kind: TaskQueueKind::Normal.into(),
            ..Default::default()
        }
    }

    /// The task queue that only this worker polls, if it caches workflows.
    pub(super) fn sticky_task_queue(&self) -> Option<TaskQueue> {
        Some(TaskQueue {
            name: self.sticky_queue.clone()?,
            kind: TaskQueueKind::Sticky.into(),
            normal_name: self.task_queue.clone(),
        })
    }

    /// Which build of the code answers.
    pub(super) fn version_stamp(&self) -> Option<WorkerVersionStamp> {
        let build_id = self.options.build_id.clone();
        (!build_id.is_empty()).then_some(WorkerVersionStamp {
            build_id,
            use_versioning: false,
        })
    }

    /// Delivers an answer, or asks for what can be asked for twice: tries for a minute if the server cannot be reached or
    /// does not answer.
    pub(super) async fn respond<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        self.client.call(request).options(self.patiently()).await
    }

    /// How an answer is delivered. An attempt has half the time of other calls: what was lost with a connection that died
    /// without a word is sent again before the server gives up waiting. It takes one answer of several.
    pub(super) fn patiently(&self) -> CallOptions {
        let retry = RetryOptions::forever()
            .maximum_interval(Duration::from_secs(2))
            .maximum_elapsed(PATIENCE)
            .timeouts(true);
        let attempt = self.client.connection().rpc_timeout() / 2;
        CallOptions::new().retry(retry).timeout(attempt)
    }

    /// Runs a task that the worker waits for when it ends. Its panic ends the worker, at once.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut tasks = self.tasks.lock();
        while let Some(ended) = tasks.try_join_next() {
            self.ended(ended);
        }
        let fatal = self.fatal.clone();
        tasks.spawn(async move {
            if let Err(panic) = panic::caught(task).await {
                // Nobody may be left to hear it.
                let _ = fatal.send(WorkerError::Panicked(panic.to_string()));
            }
        })
    }

    /// Waits for all tasks, also for those that they begin.
    pub(super) async fn all_ended(&self) {
        loop {
            let mut tasks = std::mem::take(&mut *self.tasks.lock());
            if tasks.is_empty() {
                return;
            }
            while let Some(ended) = tasks.join_next().await {
                self.ended(ended);
            }
        }
    }

    fn ended(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            // Nobody may be left to hear it.
            let _ = self.fatal.send(WorkerError::Panicked(error.to_string()));
        }
    }

    /// An executor that took no job for an activity takes no other either: it ends the worker.
    pub(super) fn end_if_executor_broke(&self, error: &Error) {
        if let Some(error) = error.downcast_ref::<ExecutorError>() {
            // Nobody may be left to hear it.
            let _ = self.fatal.send(error.clone().into());
        }
    }

    /// Warns, once, when the executor runs fewer activities at the same time than the worker takes. `local`: one of
    /// those that block is local.
    pub(super) fn check_executor(&self, local: bool) {
        let options = &self.options;
        let remote = if options.remote_activities {
            options.max_concurrent_activities
        } else {
            0
        };
        let local = if local || !options.remote_activities {
            options.max_concurrent_local_activities
        } else {
            0
        };
        if let Some(capacity) = options.executor.capacity()
            && capacity < remote.saturating_add(local)
            && self.activities.has_blocking()
            && !self.warned_of_executor.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                capacity,
                max_concurrent_activities = remote,
                max_concurrent_local_activities = local,
                "the executor runs fewer activities at the same time than the worker takes: those beyond wait while their timeouts run; make it larger, or lower these options"
            );
        }
    }

    /// Ends all tasks where they are.
    pub(super) fn abort(&self) {
        self.cancel_activities();
        self.tasks.lock().abort_all();
        self.parked.lock().clear();
    }

    /// Keeps the control of a running activity until the guard is dropped. One that begins when the worker's time is over is
    /// told at once.
    pub(super) fn running(self: &Arc<Self>, control: Control) -> Running {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.running.insert(number, control.clone());
        // Looked at only now, so that either this or `cancel_activities` tells it.
        if self.time_over.get().is_some() {
            control.cancel(CancellationReason::WorkerShutdown);
        }
        Running {
            worker: Arc::clone(self),
            number,
        }
    }

    /// Tells all running activities to stop, since the worker's time is over.
    pub(super) fn cancel_activities(&self) {
        self.time_over.set(());
        for control in &self.running {
            control.cancel(CancellationReason::WorkerShutdown);
        }
    }
}

/// A running activity, known to its worker.
#[derive(Debug)]
pub(super) struct Running {
    worker: Arc<Shared>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.running.remove(&self.number);
    }
}
