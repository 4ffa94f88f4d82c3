//! Building a worker.

use super::options::Options;
use super::registry::ActivityRegistry;
use super::{BuildError, Worker};
use crate::activity::{self, Activity, ActivitySet, Definition, Executor, Interceptor};
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::{self, Restrictions, Workflow};
use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use temporal_client::Client;
use temporal_client::data::{FromPayload, ToPayload};

/// Builds a [`Worker`]: what it runs, and how.
///
/// Something to run is required; every option has a default that suits a worker of one process with a few cores.
///
/// ```no_run
/// use std::time::Duration;
/// use temporal_sdk::client::Client;
/// use temporal_sdk::{Worker, activity, workflow};
///
/// #[activity]
/// async fn ping(host: String) -> activity::Result<()> {
///     Ok(())
/// }
///
/// #[workflow]
/// async fn watch(ctx: &workflow::Context, host: String) -> workflow::Result<()> {
///     Ok(())
/// }
///
/// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::builder(&client, "monitoring")
///     .workflow::<watch>()
///     .activity(ping)
///     .max_concurrent_activities(20)
///     .max_activities_per_second(50.0)
///     .graceful_shutdown_timeout(Duration::from_secs(30))
///     .build()?;
/// worker.run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct WorkerBuilder {
    client: Client,
    task_queue: String,
    workflows: WorkflowRegistry,
    activities: ActivityRegistry,
    error: Option<BuildError>,
    options: Options,
}

impl WorkerBuilder {
    pub(super) fn new(client: Client, task_queue: String) -> Self {
        Self {
            client,
            task_queue,
            workflows: WorkflowRegistry::default(),
            activities: ActivityRegistry::default(),
            error: None,
            options: Options::default(),
        }
    }

    /// Runs workflows of this type.
    pub fn workflow<W: Workflow>(mut self) -> Self {
        if let Err(error) = self.workflows.register::<W>() {
            self.error.get_or_insert(error.into());
        }
        self
    }

    /// Runs workflows of this type under a name of their own. A generic type has one name for all its parameters; here each gets
    /// another one, and callers write `run.with_name(..)`:
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use temporal_sdk::client::definition::WorkflowRef as _;
    /// use temporal_sdk::workflow;
    ///
    /// #[derive(Default)]
    /// struct Collects<T>(RefCell<Vec<T>>);
    ///
    /// #[workflow]
    /// impl<T: serde::Serialize + serde::de::DeserializeOwned + Default + 'static> Collects<T> {
    ///     #[run]
    ///     async fn run(&self, ctx: &workflow::Context, wanted: usize) -> workflow::Result<Vec<T>> {
    ///         ctx.wait_condition(|| self.0.borrow().len() >= wanted).await?;
    ///         Ok(self.0.take())
    ///     }
    ///
    ///     #[signal]
    ///     fn add(&self, value: T) {
    ///         self.0.borrow_mut().push(value);
    ///     }
    /// }
    ///
    /// # async fn example(client: temporal_sdk::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let worker = temporal_sdk::worker::Worker::builder(&client, "queue")
    ///     .workflow_named::<Collects<u64>>("CollectsNumbers")
    ///     .workflow_named::<Collects<String>>("CollectsTexts");
    /// let options = temporal_sdk::client::WorkflowOptions::new("numbers", "queue");
    /// let numbers = client.start_workflow(Collects::<u64>::run.with_name("CollectsNumbers"), 3_usize, options).await?;
    /// numbers.signal(Collects::<u64>::add, 7_u64).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn workflow_named<W: Workflow>(mut self, name: impl Into<String>) -> Self {
        if let Err(error) = self.workflows.register_named::<W>(name.into().into()) {
            self.error.get_or_insert(error.into());
        }
        self
    }

    /// Runs this activity: a function with `#[activity]` on it, or any value that implements [`Activity`].
    pub fn activity(self, activity: impl Activity) -> Self {
        self.definition(Definition::new(activity))
    }

    /// Runs the activities of a value with `#[activities]` on its `impl` block: the value itself, or an `Arc` of it.
    pub fn activities(mut self, activities: impl ActivitySet) -> Self {
        for definition in activities.into_definitions() {
            self = self.definition(definition);
        }
        self
    }

    /// Runs a closure of one input as the activity of this name.
    pub fn activity_named<I, O, F, R>(self, name: impl Into<Cow<'static, str>>, code: F) -> Self
    where
        I: FromPayload,
        O: ToPayload + Send,
        F: Fn(I) -> R + Send + Sync + 'static,
        R: Future<Output = activity::Result<O>> + Send,
    {
        self.activity(activity::from_fn(name, code))
    }

    /// Runs an activity that is put together already.
    pub fn definition(mut self, definition: Definition) -> Self {
        if let Err(error) = self.activities.register(definition) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// Who the worker is, as histories record it; the client's identity by default.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.options.identity = Some(identity.into());
        self
    }

    /// Which build of the code this is, as histories record it; nothing by default.
    pub fn build_id(mut self, build_id: impl Into<String>) -> Self {
        self.options.build_id = build_id.into();
        self
    }

    /// How many workflow runs are kept in memory between their tasks; 1000 by default.
    ///
    /// A run that is not kept is rebuilt from its whole history at its next task. With 0 none is kept.
    pub fn max_cached_workflows(mut self, runs: usize) -> Self {
        self.options.max_cached_workflows = runs;
        self
    }

    /// How many workflow tasks are under way at the same time; 100 by default, at least 2 when workflows are cached.
    pub fn max_concurrent_workflow_tasks(mut self, tasks: usize) -> Self {
        self.options.max_concurrent_workflow_tasks = tasks;
        self
    }

    /// How many activities run at the same time; 100 by default.
    pub fn max_concurrent_activities(mut self, activities: usize) -> Self {
        self.options.max_concurrent_activities = activities;
        self
    }

    /// How many local activities run at the same time; 100 by default.
    pub fn max_concurrent_local_activities(mut self, activities: usize) -> Self {
        self.options.max_concurrent_local_activities = activities;
        self
    }

    /// How many polls for tasks of new or uncached workflows are open at the same time; 2 by default.
    pub fn workflow_pollers(mut self, pollers: usize) -> Self {
        self.options.workflow_pollers = pollers;
        self
    }

    /// How many polls for tasks of cached workflows are open at the same time; 4 by default.
    pub fn sticky_pollers(mut self, pollers: usize) -> Self {
        self.options.sticky_pollers = pollers;
        self
    }

    /// How many polls for activities are open at the same time; 5 by default.
    pub fn activity_pollers(mut self, pollers: usize) -> Self {
        self.options.activity_pollers = pollers;
        self
    }

    /// How many threads run workflow code; as many as the machine has cores by default.
    ///
    /// A run stays on one thread for as long as it is cached.
    pub fn workflow_threads(mut self, threads: usize) -> Self {
        self.options.workflow_threads = threads;
        self
    }

    /// How long the task of a cached workflow waits for this worker before any worker may take it; 10 s by default.
    pub fn sticky_timeout(mut self, timeout: Duration) -> Self {
        self.options.sticky_timeout = timeout;
        self
    }

    /// How long activities may go on after a shutdown began, before they are told to stop; not at all by default.
    ///
    /// They are told of the shutdown at once ([`Context::worker_shutdown`](activity::Context::worker_shutdown)), and of
    /// cancellation when the time is over. The worker then still waits until all have ended.
    pub fn graceful_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.options.graceful_shutdown_timeout = timeout;
        self
    }

    /// The longest time between two heartbeats that are sent; 60 s by default.
    pub fn max_heartbeat_throttle_interval(mut self, interval: Duration) -> Self {
        self.options.max_heartbeat_throttle = interval;
        self
    }

    /// The time between two heartbeats that are sent, for activities without a heartbeat timeout; 30 s by default.
    pub fn default_heartbeat_throttle_interval(mut self, interval: Duration) -> Self {
        self.options.default_heartbeat_throttle = interval;
        self
    }

    /// How many activities this worker starts in a second at most; no limit by default. Less than 1 is allowed.
    pub fn max_activities_per_second(mut self, rate: f64) -> Self {
        self.options.max_activities_per_second = Some(rate);
        self
    }

    /// How many activities the server gives out from the task queue in a second at most, to all its workers together; no
    /// limit by default. The last worker to say so decides.
    pub fn max_task_queue_activities_per_second(mut self, rate: f64) -> Self {
        self.options.max_task_queue_activities_per_second = Some(rate);
        self
    }

    /// Never takes activities along with the answer to the workflow task that scheduled them. By default it does while
    /// it has room for them, which saves a round trip.
    pub fn disable_eager_activities(mut self) -> Self {
        self.options.eager_activities = false;
        self
    }

    /// Runs activities only as local activities of its own workflows: takes none from the task queue.
    pub fn no_remote_activities(mut self) -> Self {
        self.options.remote_activities = false;
        self
    }

    /// Where activities that are not async run; [`TokioExecutor`](activity::TokioExecutor) by default.
    pub fn executor(mut self, executor: impl Executor) -> Self {
        self.options.executor = Arc::new(executor);
        self
    }

    /// Puts code around all activities, local ones too. The first interceptor is the outermost.
    pub fn activity_interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.options.activity_interceptors.push(Arc::new(interceptor));
        self
    }

    /// Errors of this type fail the workflow task, which is retried until the code is mended, instead of the workflow, or of
    /// the update whose handler returns it.
    pub fn fail_workflow_task_on<E: std::error::Error + Send + Sync + 'static>(mut self) -> Self {
        self.options.failures.fail_task_on::<E>();
        self
    }

    /// Errors of this type fail the workflow, also where they would fail its task: `ConversionError`, which an input or a
    /// result is that cannot be read, and what is wrapped in [`Error::task_failure`](workflow::Error::task_failure). In an
    /// update handler they fail the update. What the workflow itself says of a type goes before this.
    pub fn fail_workflow_on<E: std::error::Error + Send + Sync + 'static>(mut self) -> Self {
        self.options.failures.fail_workflow_on::<E>();
        self
    }

    /// A panic of workflow code fails the workflow, instead of the task.
    pub fn fail_workflow_on_panic(mut self) -> Self {
        self.options.failures.panic_fails_workflow = true;
        self
    }

    /// Workflow code that does not fit the history fails the workflow, instead of the task.
    pub fn fail_workflow_on_nondeterminism(mut self) -> Self {
        self.options.failures.nondeterminism_fails_workflow = true;
        self
    }

    /// Puts code around all workflows. The first interceptor is the outermost.
    pub fn workflow_interceptor(mut self, interceptor: impl workflow::Interceptor) -> Self {
        self.options.workflow_interceptors.push(Arc::new(interceptor));
        self
    }

    /// Lets workflow code be woken by what is not the workflow's own, which is not deterministic. By default such a wake
    /// fails the workflow task.
    pub fn allow_foreign_wakes(mut self) -> Self {
        self.options.detect_foreign_wakes = false;
        self
    }

    /// Which calls of workflow code fail its task; all classes of [`Restricted`](workflow::Restricted) by default.
    pub fn restrictions(mut self, restrictions: Restrictions) -> Self {
        self.options.restrictions = restrictions;
        self
    }

    /// Runs workflow code without the guard: it may be woken by anything and call what it likes. What it does must be the
    /// same in every replay all the same.
    pub fn unsandboxed(self) -> Self {
        self.allow_foreign_wakes().restrictions(Restrictions::none())
    }

    /// How long workflow code may keep its thread before its workflow task fails; 5 s by default, `None` for ever, as is
    /// good with a debugger.
    pub fn deadlock_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.deadlock_timeout = timeout.into();
        self
    }

    /// The worker, not running yet.
    ///
    /// # Errors
    /// When a name is registered twice, nothing is registered, or an option has a value that it cannot have.
    pub fn build(self) -> Result<Worker, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.task_queue.is_empty() {
            return Err(BuildError::Option {
                option: "task_queue",
                value: "empty".to_owned(),
                remedy: "write the name that workflows and activities are started with",
            });
        }
        self.options.check()?;
        if self.workflows.is_empty() && self.activities.is_empty() {
            return Err(BuildError::Nothing(self.task_queue));
        }
        Ok(Worker::new(
            self.client,
            self.task_queue,
            self.workflows,
            self.activities,
            self.options,
        ))
    }
}
