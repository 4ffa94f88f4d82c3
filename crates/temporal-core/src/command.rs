//! What workflow code asks for.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use temporal_protos::api::common::v1::{Payload, Priority, RetryPolicy};
use temporal_protos::api::enums::v1::{ContinueAsNewVersioningBehavior, ParentClosePolicy, WorkflowIdReusePolicy};
use temporal_protos::api::sdk::v1::UserMetadata;

macro_rules! sequence_numbers {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);
    )*};
}

sequence_numbers! {
    /// Number of an activity in its run, from 1.
    ActivitySeq,
    /// Number of a local activity in its run, from 1.
    LocalActivitySeq,
    /// Number of a timer in its run, from 1.
    TimerSeq,
    /// Number of a child workflow in its run, from 1.
    ChildSeq,
    /// Number of a signal to another workflow in its run, from 1.
    SignalExternalSeq,
    /// Number of a request to cancel another workflow in its run, from 1.
    CancelExternalSeq,
    /// Number of a Nexus operation in its run, from 1.
    NexusSeq,
    /// Number of a side effect in its run, from 1.
    SideEffectSeq,
}

/// What a cancelled operation waits for before it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CancellationType {
    /// Ask for cancellation and end at once as cancelled.
    #[default]
    TryCancel,
    /// Ask for cancellation and wait for the operation's own end.
    WaitCancellationCompleted,
    /// Ask for nothing, end at once as cancelled.
    Abandon,
    /// Ask for cancellation and wait until the other side has the request (children and Nexus operations).
    WaitCancellationRequested,
}

/// An activity to schedule.
#[derive(Debug, Clone, Default)]
pub struct ScheduleActivity {
    /// Its id; the run's sequence number when absent.
    pub activity_id: Option<String>,
    /// Its type.
    pub activity_type: String,
    /// Where it runs; the workflow's own queue when empty.
    pub task_queue: String,
    /// Headers.
    pub header: BTreeMap<String, Payload>,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// From being scheduled to its end, over all attempts.
    pub schedule_to_close_timeout: Option<Duration>,
    /// From being scheduled to being started.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Of one attempt.
    pub start_to_close_timeout: Option<Duration>,
    /// Between heartbeats.
    pub heartbeat_timeout: Option<Duration>,
    /// Server default when absent.
    pub retry_policy: Option<RetryPolicy>,
    /// What cancellation waits for.
    pub cancellation_type: CancellationType,
    /// Forbids eager dispatch.
    pub do_not_eagerly_execute: bool,
    /// Priority and fairness.
    pub priority: Option<Priority>,
    /// Summary shown in user interfaces.
    pub user_metadata: Option<UserMetadata>,
}

/// A local activity to run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleLocalActivity {
    /// Its id; the run's sequence number when absent, the one of the first attempt.
    pub activity_id: Option<String>,
    /// Its type.
    pub activity_type: String,
    /// Headers.
    pub header: BTreeMap<String, Payload>,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// 1 at first; higher when a timer held the back-off of an earlier attempt.
    pub attempt: u32,
    /// The first attempt, if this is a later one.
    pub first: Option<LocalActivitySeq>,
    /// When it was first scheduled, since the Unix epoch, if this is a later attempt.
    pub original_schedule_time: Option<Duration>,
    /// From being scheduled to its end, over all attempts.
    pub schedule_to_close_timeout: Option<Duration>,
    /// From being scheduled to being started.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Of one attempt.
    pub start_to_close_timeout: Option<Duration>,
    /// Retry policy.
    pub retry_policy: Option<RetryPolicy>,
    /// A back-off longer than this becomes a timer. Default: the workflow task timeout.
    pub local_retry_threshold: Option<Duration>,
    /// What cancellation waits for.
    pub cancellation_type: CancellationType,
    /// Summary shown in user interfaces.
    pub user_metadata: Option<UserMetadata>,
}

/// A local activity that the worker has to run now (or has to cancel).
#[derive(Debug, Clone)]
pub enum LocalActivityRequest {
    /// Run it, with retries up to the threshold.
    Run(LocalActivitySeq, alloc::boxed::Box<ScheduleLocalActivity>),
    /// Cancel it.
    Cancel(LocalActivitySeq),
}

/// A timer to start.
#[derive(Debug, Clone, Default)]
pub struct StartTimer {
    /// How long; zero is allowed.
    pub duration: Duration,
    /// Summary shown in user interfaces.
    pub user_metadata: Option<UserMetadata>,
}

/// A child workflow to start.
#[derive(Debug, Clone, Default)]
pub struct StartChild {
    /// Its id; must not be empty.
    pub workflow_id: String,
    /// Its type.
    pub workflow_type: String,
    /// Where it runs; the workflow's own queue when empty.
    pub task_queue: String,
    /// Namespace; the workflow's own when empty.
    pub namespace: String,
    /// Headers.
    pub header: BTreeMap<String, Payload>,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// Over all its runs.
    pub execution_timeout: Option<Duration>,
    /// Of one run.
    pub run_timeout: Option<Duration>,
    /// Of one of its workflow tasks.
    pub task_timeout: Option<Duration>,
    /// What happens to it when this workflow ends.
    pub parent_close_policy: ParentClosePolicy,
    /// Whether its id may be used again.
    pub workflow_id_reuse_policy: WorkflowIdReusePolicy,
    /// Retry policy of the child.
    pub retry_policy: Option<RetryPolicy>,
    /// Cron schedule; none when empty.
    pub cron_schedule: String,
    /// Memo.
    pub memo: BTreeMap<String, Payload>,
    /// Search attributes.
    pub search_attributes: BTreeMap<String, Payload>,
    /// What cancellation waits for.
    pub cancellation_type: CancellationType,
    /// Priority and fairness.
    pub priority: Option<Priority>,
    /// Static summary and details.
    pub user_metadata: Option<UserMetadata>,
}

/// Another workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalTarget {
    /// A child of this run.
    Child(ChildSeq),
    /// Any workflow.
    Workflow {
        /// Namespace; the workflow's own when empty.
        namespace: String,
        /// Its id.
        workflow_id: String,
        /// Its run; the current one when empty.
        run_id: String,
    },
}

/// A signal to another workflow.
#[derive(Debug, Clone)]
pub struct SignalExternal {
    /// To whom.
    pub target: ExternalTarget,
    /// Its name.
    pub name: String,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: BTreeMap<String, Payload>,
}

/// A Nexus operation to start.
#[derive(Debug, Clone, Default)]
pub struct ScheduleNexus {
    /// Endpoint.
    pub endpoint: String,
    /// Service.
    pub service: String,
    /// Operation.
    pub operation: String,
    /// Input.
    pub input: Option<Payload>,
    /// Headers of the Nexus request.
    pub nexus_header: BTreeMap<String, String>,
    /// From being scheduled to its end.
    pub schedule_to_close_timeout: Option<Duration>,
    /// From being scheduled to being started.
    pub schedule_to_start_timeout: Option<Duration>,
    /// From being started to its end.
    pub start_to_close_timeout: Option<Duration>,
    /// What cancellation waits for.
    pub cancellation_type: CancellationType,
    /// Summary shown in user interfaces.
    pub user_metadata: Option<UserMetadata>,
}

/// How a run continues as a new one. What is absent is taken over from this run, by the server or by the core; a cron
/// schedule is not, for the run has ended it.
#[derive(Debug, Clone, Default)]
pub struct ContinueAsNew {
    /// Type; this workflow's own when empty.
    pub workflow_type: String,
    /// Queue; this workflow's own when empty.
    pub task_queue: String,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: BTreeMap<String, Payload>,
    /// Of one run.
    pub run_timeout: Option<Duration>,
    /// Of a workflow task.
    pub task_timeout: Option<Duration>,
    /// Retry policy; `None` carries the one over that this run was started with.
    pub retry_policy: Option<RetryPolicy>,
    /// Memo; `None` carries the current one over.
    pub memo: Option<BTreeMap<String, Payload>>,
    /// Search attributes; `None` carries the current ones over.
    pub search_attributes: Option<BTreeMap<String, Payload>>,
    /// Delay of the new run's first task.
    pub backoff_start_interval: Option<Duration>,
    /// Version the new run starts with.
    pub initial_versioning_behavior: ContinueAsNewVersioningBehavior,
}
