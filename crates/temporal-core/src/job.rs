//! What happened in a run, in history order.

use crate::{
    ActivitySeq, CancelExternalSeq, ChildSeq, LocalActivitySeq, NexusSeq, QueryRequest, SignalExternalSeq, TimerSeq,
};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::enums::v1::{StartChildWorkflowExecutionFailedCause, TimeoutType};
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::WorkflowExecutionStartedEventAttributes;

/// What [`WorkflowRun::next_job`](crate::WorkflowRun::next_job) found.
#[derive(Debug)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub enum Next {
    /// Something happened: apply it, then poll the workflow's code until it blocks.
    Job(Job),
    /// The next page of history has to be handed in first.
    NeedsHistory,
    /// Nothing is left in this task: call `finish_task`.
    Done,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Job {
    /// The first job of a run: construct the workflow. Its main function is *not* polled before [`Job::Run`].
    Initialize(Box<Initialize>),
    /// All events and messages of the first task are applied: poll the main function from now on.
    Run,
    /// A signal arrived.
    Signal(SignalReceived),
    /// An update arrived.
    Update(Box<UpdateReceived>),
    /// All that the workflow task brought was told of: what `WorkflowRun::tell_when_settled` asked for.
    Settled,
    /// A query is to be answered with `WorkflowRun::answer_query`; it may emit no command.
    Query(QueryRequest),
    /// Cancellation of the workflow was requested. Comes once.
    CancelRequested {
        /// The reason given with the request, possibly empty.
        reason: String,
    },
    /// A timer fired.
    TimerFired(TimerSeq),
    /// An activity reached its end.
    ActivityResolved(ActivitySeq, Resolution),
    /// A local activity reached its end.
    LocalActivityResolved(LocalActivitySeq, Resolution),
    /// A child workflow was started, or not.
    ChildStarted(ChildSeq, ChildStart),
    /// A child workflow reached its end.
    ChildResolved(ChildSeq, Resolution),
    /// A signal to another workflow was delivered, or not.
    SignalExternalResolved(SignalExternalSeq, Result<(), Failure>),
    /// A request to cancel another workflow was delivered, or not.
    CancelExternalResolved(CancelExternalSeq, Result<(), Failure>),
    /// A Nexus operation was started, with its token if it is asynchronous, or not.
    NexusStarted(NexusSeq, Result<Option<String>, Failure>),
    /// A Nexus operation reached its end.
    NexusResolved(NexusSeq, Resolution),
    /// The run continues a reset one: randomness is seeded anew from here.
    RandomSeedUpdated(u64),
}

/// How a run begins.
#[derive(Debug)]
pub struct Initialize {
    /// The Started event, whole; `input` and `header` are taken out of it below.
    pub started: WorkflowExecutionStartedEventAttributes,
    /// The workflow's arguments.
    pub arguments: Vec<Payload>,
    /// Headers of the start.
    pub header: BTreeMap<String, Payload>,
    /// Seed of the run's randomness, derived from the original run id.
    pub random_seed: u64,
    /// Start time, since the Unix epoch.
    pub start_time: core::time::Duration,
}

/// A signal that arrived.
#[derive(Debug)]
pub struct SignalReceived {
    /// The signal's name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Payload>,
    /// Its headers.
    pub header: BTreeMap<String, Payload>,
    /// Identity of the sender.
    pub identity: String,
}

/// An update that arrived. Answer with `accept_update` or `reject_update`, then `complete_update`.
#[derive(Debug)]
pub struct UpdateReceived {
    /// The protocol instance, naming the update in the run's answers.
    pub protocol_instance_id: String,
    /// The update's id.
    pub update_id: String,
    /// The update's name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Payload>,
    /// Its headers.
    pub header: BTreeMap<String, Payload>,
    /// Identity of the sender.
    pub identity: String,
    /// Whether to run the validator: not for an update that history already holds as accepted.
    pub run_validator: bool,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// With a result (activities and children that return nothing give `None`).
    Completed(Option<Payload>),
    /// With a failure: the operation's own failure (activity, child, Nexus operation failure info) with its cause.
    Failed(Failure),
    /// Cancelled: a failure with cancelled failure info, wrapped as the server would (activity, child failure info).
    Cancelled(Failure),
    /// A local activity's next attempt is so far off that a timer has to hold it: start a timer of `backoff`, then schedule
    /// the local activity again with this `attempt` and `original_schedule_time`. Only local activities end so.
    Backoff {
        /// How long to wait.
        backoff: core::time::Duration,
        /// Number of the next attempt.
        attempt: u32,
        /// When it was first scheduled, since the Unix epoch.
        original_schedule_time: core::time::Duration,
    },
}

/// Whether a child workflow started.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub enum ChildStart {
    /// It runs, with this run id.
    Started {
        /// Run id of the child's first run.
        run_id: String,
    },
    /// The server refused to start it.
    Failed {
        /// Why.
        cause: StartChildWorkflowExecutionFailedCause,
        /// The id that was asked for.
        workflow_id: String,
        /// The child's type.
        workflow_type: String,
    },
    /// Cancelled before it was sent.
    Cancelled(Failure),
}

/// A pause between two attempts of a local activity that a timer has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalActivityBackoff {
    /// How long it is.
    pub duration: core::time::Duration,
    /// Number of the attempt that failed.
    pub failed_attempt: u32,
}

/// The outcome of a local activity's run, handed in with `handle_local_activity`.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalActivityOutcome {
    /// It returned a result.
    Completed(Option<Payload>),
    /// It failed for good (no retry is left), unless there is a `backoff`.
    Failed {
        /// The application failure.
        failure: Failure,
        /// The pause before the next attempt, when it is too long to hold the task: the workflow makes it a timer.
        backoff: Option<LocalActivityBackoff>,
    },
    /// It was cancelled.
    Cancelled(Failure),
    /// It timed out.
    TimedOut(TimeoutType, Failure),
}
