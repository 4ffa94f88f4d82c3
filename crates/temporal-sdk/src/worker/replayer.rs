//! Running recorded histories through today's code.

use super::replay_all::{ReplayAll, ReplayItem};
use super::{BuildError, codec};
use crate::panic;
use crate::workflow::failure_policy::FailurePolicy;
use crate::workflow::host::{Drive, HostEnvironment, NONDETERMINISM, TaskFailure, WorkflowHost};
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::{Interceptor, Restrictions, Workflow};
use futures_core::Stream;
use std::fmt;
use std::sync::Arc;
use temporal_client::DataConverter;
use temporal_client::data::CodecError;
use temporal_client::protos::api::failure::v1::failure::FailureInfo;
use temporal_client::protos::api::history::v1::history_event::Attributes;
use temporal_client::protos::api::history::v1::{History, HistoryEvent};
use temporal_client::workflow::WorkflowHistory;
use temporal_core::{Nondeterminism, RunError, WorkflowTask};

/// Runs recorded histories through today's workflow code and tells whether it still does what it did.
///
/// No server is needed. Run it in tests, on histories of every kind that production holds: code that fails here would
/// get stuck there.
///
/// ```no_run
/// use temporal_sdk::client::workflow::WorkflowHistory;
/// use temporal_sdk::{worker::Replayer, workflow};
///
/// #[derive(Default)]
/// struct SayHello;
///
/// #[workflow]
/// impl SayHello {
///     #[run]
///     async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
///         Ok(format!("Hello, {name}!"))
///     }
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// // Written by `temporal workflow show --output json`, or downloaded in the web interface.
/// let history = WorkflowHistory::from_json(&std::fs::read_to_string("history.json")?)?;
/// Replayer::builder().workflow::<SayHello>().build()?.replay(history).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Replayer {
    environment: Arc<HostEnvironment>,
    threads: usize,
}

/// Builds a [`Replayer`].
#[must_use]
pub struct ReplayerBuilder {
    workflows: WorkflowRegistry,
    error: Option<BuildError>,
    converter: DataConverter,
    namespace: String,
    task_queue: String,
    threads: usize,
    detect_foreign_wakes: bool,
    restrictions: Restrictions,
    interceptors: Vec<Arc<dyn Interceptor>>,
    failures: FailurePolicy,
}

impl fmt::Debug for ReplayerBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReplayerBuilder")
            .field("workflows", &self.workflows)
            .finish_non_exhaustive()
    }
}

impl ReplayerBuilder {
    /// Replays workflows of this type.
    pub fn workflow<W: Workflow>(mut self) -> Self {
        if let Err(error) = self.workflows.register::<W>() {
            self.error.get_or_insert(error.into());
        }
        self
    }

    /// Replays workflows of this type under a name of their own, as
    /// [`WorkerBuilder::workflow_named`](crate::worker::WorkerBuilder::workflow_named) runs them.
    pub fn workflow_named<W: Workflow>(mut self, name: impl Into<String>) -> Self {
        if let Err(error) = self.workflows.register_named::<W>(name.into().into()) {
            self.error.get_or_insert(error.into());
        }
        self
    }

    /// How payloads are read, which has to be how they were written; the default converter by default.
    pub fn data_converter(mut self, converter: DataConverter) -> Self {
        self.converter = converter;
        self
    }

    /// The namespace that workflows see; `default` by default.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The task queue that workflows see; `replay` by default.
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.task_queue = task_queue.into();
        self
    }

    /// How many histories are replayed at the same time by [`Replayer::replay_all`]; as many as the machine has cores by
    /// default.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Puts code around all workflows, as the worker had it: inside of what was given before.
    pub fn workflow_interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Errors of this type fail the workflow task, as the worker was told: a history in which one failed the workflow does
    /// not replay.
    pub fn fail_workflow_task_on<E: std::error::Error + Send + Sync + 'static>(mut self) -> Self {
        self.failures.fail_task_on::<E>();
        self
    }

    /// Errors of this type fail the workflow, as the worker was told, also where they would fail its task.
    pub fn fail_workflow_on<E: std::error::Error + Send + Sync + 'static>(mut self) -> Self {
        self.failures.fail_workflow_on::<E>();
        self
    }

    /// A panic of workflow code fails the workflow, as the worker was told, instead of the task.
    pub fn fail_workflow_on_panic(mut self) -> Self {
        self.failures.panic_fails_workflow = true;
        self
    }

    /// Workflow code that does not fit the history fails the workflow, as the worker was told: a history that ended so
    /// replays. In any other one code that does not fit is an error, as ever.
    pub fn fail_workflow_on_nondeterminism(mut self) -> Self {
        self.failures.nondeterminism_fails_workflow = true;
        self
    }

    /// Lets workflow code be woken by what is not the workflow's own, as a worker may be told to.
    pub fn allow_foreign_wakes(mut self) -> Self {
        self.detect_foreign_wakes = false;
        self
    }

    /// Which calls of workflow code are an error; all classes of [`Restricted`](crate::workflow::Restricted) by default.
    pub fn restrictions(mut self, restrictions: Restrictions) -> Self {
        self.restrictions = restrictions;
        self
    }

    /// Runs workflow code without the guard, as a worker may be told to.
    pub fn unsandboxed(self) -> Self {
        self.allow_foreign_wakes().restrictions(Restrictions::none())
    }

    /// The replayer.
    ///
    /// # Errors
    /// When no workflow is registered, or a name twice, or there are no threads.
    pub fn build(self) -> Result<Replayer, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.workflows.is_empty() {
            return Err(BuildError::Nothing(self.task_queue));
        }
        if self.threads == 0 {
            return Err(BuildError::Option {
                option: "threads",
                value: "0".to_owned(),
                remedy: "it takes at least 1",
            });
        }
        Ok(Replayer {
            environment: Arc::new(HostEnvironment {
                workflows: self.workflows,
                converter: self.converter,
                namespace: self.namespace,
                task_queue: self.task_queue,
                detect_foreign_wakes: self.detect_foreign_wakes,
                restrictions: self.restrictions,
                broken: Default::default(),
                interceptors: self.interceptors,
                failures: self.failures,
            }),
            threads: self.threads,
        })
    }
}

/// A history that today's code does not replay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The code asks for something else than what the history holds.
    #[error("{0}")]
    Nondeterminism(#[source] Nondeterminism),
    /// The workflow task fails: the code panics, its type is not registered, an input does not decode.
    #[error("the workflow task fails: {message}")]
    TaskFailed {
        /// Why.
        message: String,
    },
    /// The events are not a history of one run from its start.
    #[error("the history cannot be replayed: {reason}")]
    BadHistory {
        /// What is wrong with them.
        reason: String,
    },
    /// The payload codec cannot decode it.
    #[error("the payloads of the history cannot be decoded: {0}")]
    Codec(#[from] CodecError),
}

impl From<TaskFailure> for ReplayError {
    fn from(failure: TaskFailure) -> Self {
        match failure.error.map(|error| *error) {
            Some(RunError::Nondeterminism(error)) => Self::Nondeterminism(error),
            Some(RunError::BadHistory(reason)) => Self::BadHistory { reason },
            Some(error @ RunError::CacheMismatch { .. }) => Self::BadHistory {
                reason: error.to_string(),
            },
            Some(_) | None => Self::TaskFailed {
                message: failure.failure.message,
            },
        }
    }
}

impl Replayer {
    /// Begins to build a replayer.
    pub fn builder() -> ReplayerBuilder {
        ReplayerBuilder {
            workflows: WorkflowRegistry::default(),
            error: None,
            converter: DataConverter::default(),
            namespace: "default".to_owned(),
            task_queue: "replay".to_owned(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            detect_foreign_wakes: true,
            restrictions: Restrictions::default(),
            interceptors: Vec::new(),
            failures: FailurePolicy::default(),
        }
    }

    /// Replays one history. It may be of a run that still goes on.
    ///
    /// # Errors
    /// When today's code does not do what the history says, or cannot.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn replay(&self, history: WorkflowHistory) -> Result<(), ReplayError> {
        let mut events = History { events: history.events };
        codec::decode(&self.environment.converter, &mut events).await?;
        let task = task(history.workflow_id, events)?;
        let environment = Arc::clone(&self.environment);
        let replay = tokio::task::spawn_blocking(move || replay(&environment, task));
        replay.await.unwrap_or_else(|error| {
            Err(ReplayError::TaskFailed {
                message: format!("the replay did not end: {error}"),
            })
        })
    }

    /// Replays many histories, several at the same time, and gives one report when it is awaited.
    ///
    /// The histories are a stream of [`WorkflowHistory`] or of `Result`s of it; only as many are held in memory as are
    /// being replayed.
    ///
    /// ```no_run
    /// # use temporal_sdk::{client::Client, worker::Replayer};
    /// # async fn example(client: Client, replayer: Replayer) -> Result<(), Box<dyn std::error::Error>> {
    /// let histories = client.list_workflows("WorkflowType = 'SayHello'").histories();
    /// let report = replayer.replay_all(histories).on_progress(|progress| tracing::info!("{progress}")).await;
    /// println!("{report}");
    /// report.into_result()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn replay_all<S>(&self, histories: S) -> ReplayAll<S>
    where
        S: Stream<Item: ReplayItem> + Send,
    {
        ReplayAll::new(self.clone(), self.threads, histories)
    }
}

/// The whole history as one task.
fn task(workflow_id: String, history: History) -> Result<WorkflowTask, ReplayError> {
    let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) =
        history.events.first().and_then(|event| event.attributes.as_ref())
    else {
        return Err(ReplayError::BadHistory {
            reason: "it does not begin with WorkflowExecutionStarted: give the whole history of one run".to_owned(),
        });
    };
    Ok(WorkflowTask {
        workflow_id: if workflow_id.is_empty() {
            started.workflow_id.clone()
        } else {
            workflow_id
        },
        run_id: started.original_execution_run_id.clone(),
        workflow_type: started.workflow_type.clone().unwrap_or_default().name,
        attempt: 1,
        events: history.events,
        replay: true,
        ..WorkflowTask::default()
    })
}

fn replay(environment: &Arc<HostEnvironment>, task: WorkflowTask) -> Result<(), ReplayError> {
    let failed_by_nondeterminism = task.events.last().is_some_and(failed_by_nondeterminism);
    let replay = || {
        let mut host = WorkflowHost::start(environment, task)?;
        let driven = match host.drive() {
            Err(failure) if failed_by_nondeterminism && host.fails_by_nondeterminism(&failure) => return Ok(()),
            driven => driven?,
        };
        match driven {
            // Local activities that were under way when the history was taken have no end yet.
            Drive::Finished { .. } | Drive::LocalActivities(_) => Ok(()),
            Drive::NeedsHistory => Err(ReplayError::BadHistory {
                reason: "it ends before its time".to_owned(),
            }),
        }
    };
    panic::catch(replay).unwrap_or_else(|panic| {
        Err(ReplayError::TaskFailed {
            message: panic.to_string(),
        })
    })
}

/// Whether the workflow failed because its code did not fit its history.
fn failed_by_nondeterminism(last: &HistoryEvent) -> bool {
    let Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) = &last.attributes else {
        return false;
    };
    let info = failed
        .failure
        .as_ref()
        .and_then(|failure| failure.failure_info.as_ref());
    matches!(info, Some(FailureInfo::ApplicationFailureInfo(info)) if info.r#type == NONDETERMINISM)
}
