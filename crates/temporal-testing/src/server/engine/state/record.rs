//! The records that change a run.

use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::HistoryEvent;
use uuid::Uuid;

use super::super::time::Time;
use super::activity::ActivityChange;
use super::nexus::{Errand, NexusChange};
use super::parts::{Started, Sticky, WorkflowTask};

/// One change of a run's state: an event, or something that leaves none.
#[derive(Clone, Debug)]
pub(in crate::server::engine) enum Record {
    /// An event. Its id is assigned here; a held one waits until [`Record::Release`].
    Event {
        /// The event, without an id.
        event: Box<HistoryEvent>,
        /// Whether it is held back because a workflow task runs.
        held: bool,
    },
    /// The held events take their place in history.
    Release {
        /// Their task ids, in the order of their places.
        task_ids: Vec<i64>,
    },
    /// A held `TimerFired` vanishes because its timer was cancelled; by its timer's started event.
    DropFired(i64),
    /// A transaction ends: what it wrote is one batch.
    EndBatch,
    /// A workflow task is pending without an event (transient or speculative).
    TaskScheduled(Box<WorkflowTask>),
    /// The pending workflow task moved to another queue without an event.
    TaskMoved {
        /// The queue it waits on now.
        queue: String,
        /// Whether that is a sticky queue.
        sticky: bool,
    },
    /// A transient or speculative workflow task starts without an event.
    TaskStarted(Box<Started>),
    /// The start of the workflow task is taken back: its poller never got it.
    TaskPutBack,
    /// The pending workflow task is gone without an event.
    TaskDropped,
    /// The attempt that the next workflow task has.
    NextAttempt(i32),
    /// The sticky queue is set or cleared.
    Sticky(Option<Box<Sticky>>),
    /// A workflow task continues a chain of heartbeats that began then.
    TaskHeartbeats(Time),
    /// The run was made by a reset, then.
    ResetAt(Time),
    /// The run was reset to this one.
    ResetTo(Uuid),
    /// A request id is known from now on.
    RequestId {
        /// The request.
        id: String,
        /// What it made.
        event_type: i32,
        /// Where that is.
        event_id: i64,
    },
    /// An activity, by its scheduled event, changes without an event.
    Activity(i64, ActivityChange),
    /// A request to the handler of a Nexus operation, by its scheduled event, changes without an event.
    Nexus(i64, Errand, NexusChange),
    /// A completion callback, by its place, was told or could not be.
    CallbackTold {
        /// Its place among the run's callbacks.
        index: usize,
        /// When.
        at: Time,
        /// Why it could not be.
        failure: Option<Box<Failure>>,
    },
}
