//! The worker.

use super::options::Options;
use super::poller::{RateLimit, learn_capabilities, poll_activity_tasks, poll_workflow_tasks, take_first_tasks};
use super::registry::ActivityRegistry;
use super::shard::Shards;
use super::shared::Shared;
use super::shutdown::{AbortOnDrop, finish};
use super::{RunningWorker, ShutdownHandle, WorkerBuilder, WorkerError};
use crate::activity::Latch;
use crate::workflow::host::HostEnvironment;
use crate::workflow::registry::WorkflowRegistry;
use futures_util::FutureExt as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use temporal_client::{Client, EagerRegistration};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Runs workflows and activities of one task queue.
///
/// ```no_run
/// use temporal_sdk::client::Client;
/// use temporal_sdk::{activity, worker::Worker};
///
/// #[activity]
/// async fn ping() -> activity::Result<()> {
///     Ok(())
/// }
///
/// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::builder(&client, "my-task-queue").activity(ping).build()?;
/// let answer = worker.run_until(async { /* use the client */ 42 }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    client: Client,
    task_queue: String,
    workflows: WorkflowRegistry,
    activities: ActivityRegistry,
    options: Options,
    shutdown: Arc<Latch<()>>,
}

impl Worker {
    /// Begins to build a worker of this task queue, in the client's namespace and with its data converter.
    pub fn builder(client: &Client, task_queue: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder::new(client.clone(), task_queue.into())
    }

    pub(super) fn new(
        client: Client,
        task_queue: String,
        workflows: WorkflowRegistry,
        activities: ActivityRegistry,
        options: Options,
    ) -> Self {
        Self {
            client,
            task_queue,
            workflows,
            activities,
            options,
            shutdown: Arc::default(),
        }
    }

    /// The task queue.
    #[must_use]
    pub fn task_queue(&self) -> &str {
        &self.task_queue
    }

    /// Something that asks the worker to shut down while it runs.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle::new(Arc::clone(&self.shutdown))
    }

    /// Runs until a [`shutdown_handle`](Self::shutdown_handle) asks for the end.
    ///
    /// Then no more tasks are taken, workflow tasks in hand are finished, activities are told of the shutdown, and are
    /// told to stop when the graceful shutdown timeout is over; `run` returns when all have ended. Dropping the future
    /// instead ends everything where it is; the server gives the tasks to another worker when they time out.
    ///
    /// A server that cannot be reached does not end it: it tries again until that works.
    ///
    /// # Errors
    /// When the server refuses to give it tasks for a reason that does not pass (no such namespace, bad credentials), or
    /// the executor of blocking activities or the system's threads give out.
    pub async fn run(self) -> Result<(), WorkerError> {
        let (fatal, mut fatal_errors) = mpsc::unbounded_channel();
        let Assembled {
            shared,
            mut pollers,
            first_tasks: _first_tasks,
        } = self.assemble(fatal)?;
        let _abort = AbortOnDrop(Arc::clone(&shared));
        tracing::info!(
            task_queue = shared.task_queue,
            namespace = shared.client.namespace(),
            identity = shared.identity,
            "worker starts"
        );
        let mut no_more_threads = std::pin::pin!(watch_for_deadlocks(&shared).fuse());
        let result = loop {
            tokio::select! {
                biased;
                () = shared.shutdown.wait() => break Ok(()),
                Some(error) = fatal_errors.recv() => break Err(error),
                error = &mut no_more_threads => break Err(error),
                // A poller that met an error that does not pass has said so; one that panicked has not.
                Some(ended) = pollers.join_next() => {
                    if let Err(panic) = ended {
                        break Err(WorkerError::Panicked(panic.to_string()));
                    }
                }
            }
        };
        if let Err(error) = &result {
            tracing::error!(task_queue = shared.task_queue, %error, "worker ends");
        }
        tokio::select! {
            () = finish(&shared, pollers) => {}
            // The tasks of blocked code would never end.
            _ = &mut no_more_threads => {}
        }
        tracing::info!(task_queue = shared.task_queue, "worker has ended");
        result
    }

    /// Runs until the future is ready, then shuts down as [`run`](Self::run) does and gives what the future gave.
    ///
    /// # Errors
    /// As [`run`](Self::run), and when the worker is shut down by a handle while the future is not ready.
    pub async fn run_until<F: Future>(self, future: F) -> Result<F::Output, WorkerError> {
        let handle = self.shutdown_handle();
        let mut run = std::pin::pin!(self.run());
        let output = tokio::select! {
            output = future => output,
            ended = &mut run => {
                ended?;
                return Err(WorkerError::ShutDownEarly);
            }
        };
        handle.shutdown();
        run.await?;
        Ok(output)
    }

    /// Runs in the background, on the tokio runtime this is called on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> RunningWorker {
        let shutdown = self.shutdown_handle();
        RunningWorker::new(shutdown, tokio::spawn(self.run()))
    }

    /// Starts threads and pollers.
    pub(super) fn assemble(self, fatal: mpsc::UnboundedSender<WorkerError>) -> Result<Assembled, WorkerError> {
        let Self {
            client,
            task_queue,
            workflows,
            activities,
            options,
            shutdown,
        } = self;
        let runs_workflows = !workflows.is_empty();
        let runs_activities = !activities.is_empty() && options.remote_activities;
        let environment = Arc::new(HostEnvironment {
            workflows,
            converter: client.data_converter().clone(),
            namespace: client.namespace().to_owned(),
            task_queue: task_queue.clone(),
            detect_foreign_wakes: options.detect_foreign_wakes,
            restrictions: options.restrictions.clone(),
            broken: Default::default(),
            interceptors: options.workflow_interceptors.clone(),
            failures: options.failures.clone(),
        });
        let threads = if runs_workflows { options.workflow_threads } else { 0 };
        let shards = Shards::start(&environment, threads, options.max_cached_workflows)?;
        let cached = runs_workflows && options.max_cached_workflows > 0;
        let shared = Arc::new(Shared::new(
            client, task_queue, options, activities, shards, cached, shutdown, fatal,
        ));
        shared.check_executor(false);
        let mut pollers = JoinSet::new();
        pollers.spawn(learn_capabilities(Arc::clone(&shared)));
        if runs_workflows {
            poll_workflows(&shared, &mut pollers);
        }
        let first_tasks = runs_workflows.then(|| take_first_tasks(&shared));
        if runs_activities {
            let rate = Arc::new(RateLimit::new(shared.options.max_activities_per_second));
            for _ in 0..shared
                .options
                .activity_pollers
                .min(shared.options.max_concurrent_activities)
            {
                pollers.spawn(poll_activity_tasks(Arc::clone(&shared), Arc::clone(&rate)));
            }
        }
        Ok(Assembled {
            shared,
            pollers,
            first_tasks,
        })
    }
}

pub(super) struct Assembled {
    pub(super) shared: Arc<Shared>,
    pub(super) pollers: JoinSet<()>,
    /// Lets eager starts find the worker; `None` without workflows.
    pub(super) first_tasks: Option<EagerRegistration>,
}

/// Polls both queues, with no more polls than there are slots, so that none of the two queues takes all of them.
fn poll_workflows(shared: &Arc<Shared>, pollers: &mut JoinSet<()>) {
    let slots = shared.options.max_concurrent_workflow_tasks;
    let sticky_queue = shared.sticky_task_queue();
    let reserved = usize::from(sticky_queue.is_some());
    let normal = shared.options.workflow_pollers.min(slots - reserved);
    for _ in 0..normal {
        pollers.spawn(poll_workflow_tasks(Arc::clone(shared), shared.normal_queue()));
    }
    if let Some(queue) = sticky_queue {
        for _ in 0..shared.options.sticky_pollers.min(slots - normal) {
            pollers.spawn(poll_workflow_tasks(Arc::clone(shared), queue.clone()));
        }
    }
}

/// Looks after workflow code that does not give its thread back. Ends only if there are no more threads.
async fn watch_for_deadlocks(shared: &Shared) -> WorkerError {
    let Some(timeout) = shared.options.deadlock_timeout else {
        return std::future::pending().await;
    };
    let interval = (timeout / 8).clamp(Duration::from_millis(10), Duration::from_secs(1));
    loop {
        tokio::time::sleep(interval).await;
        if let Err(error) = shared.shards.give_up_blocked(timeout) {
            return error.into();
        }
    }
}
