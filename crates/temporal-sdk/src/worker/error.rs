//! What ends a worker, and what keeps it from being built.

use crate::activity::ExecutorError;
use crate::workflow::RegisterWorkflowError;
use temporal_client::RpcError;

/// Why a worker cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two activities have one name.
    #[error(
        "the activity \"{0}\" is registered twice: give one of them another name with #[activity(name = \"…\")], or leave one out"
    )]
    ActivityTwice(String),
    /// Two activities are dynamic.
    #[error(
        "the activities `{first}` and `{second}` are both dynamic: only one can take the calls that no other activity takes; leave one out, or give it a name"
    )]
    TwoDynamicActivities {
        /// The Rust type of the one that was registered first, or whose method it is.
        first: &'static str,
        /// The same of the one that was registered after it.
        second: &'static str,
    },
    /// An activity has a name that is Temporal's own.
    #[error(
        "the activity \"{0}\" has a name that belongs to Temporal: choose one that does not begin with `__temporal_`"
    )]
    ReservedActivityName(String),
    /// A workflow type cannot be registered.
    #[error(transparent)]
    Workflow(#[from] RegisterWorkflowError),
    /// There is nothing to run.
    #[error(
        "nothing is registered with the worker of task queue \"{0}\": add .workflow::<MyWorkflow>() or .activity(my_activity)"
    )]
    Nothing(String),
    /// An option has a value that it cannot have.
    #[error("{option} is {value}: {remedy}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        remedy: &'static str,
    },
}

/// Why a worker ended though nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The server refuses to give it tasks, for a reason that does not pass.
    #[error(
        "the worker of task queue \"{task_queue}\" in namespace \"{namespace}\" gets no tasks: {source}; check the namespace's name and the credentials"
    )]
    Refused {
        /// The task queue.
        task_queue: String,
        /// The namespace.
        namespace: String,
        /// What the server says.
        source: Box<RpcError>,
    },
    /// The executor of blocking activities takes no more.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// The system gives no threads for workflows.
    #[error("the threads that run workflows cannot be started: {0}")]
    Threads(#[from] std::io::Error),
    /// The worker was shut down while [`run_until`](super::Worker::run_until) still waited for its future.
    #[error("the worker was shut down before the future of `run_until` was ready")]
    ShutDownEarly,
    /// The worker's own code panicked, or code of yours where the worker does not expect it to.
    #[error("the worker panicked: {0}; unless the panic is in code of yours, this is a bug of the SDK")]
    Panicked(String),
}
