//! Calls that wait for their answer, and answers that wait to be fetched.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::matching::{QueueId, WorkerKey};
use super::rpc::Response;
use super::state::{Errand, RunKey};
use super::status::Status;
use super::time::Time;
use super::time_skipping::Wake;

/// Names one call; the caller chooses the numbers and uses each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A call that is being handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    /// When its caller gives up, in real time.
    pub(super) deadline: Option<Time>,
}

/// What a call is answered with.
pub type Answer = Result<Response, Status>;

/// Who waits for a task, and where.
#[derive(Clone, Debug)]
pub(super) struct Poller {
    pub(super) queue: QueueId,
    pub(super) identity: String,
    pub(super) worker: WorkerKey,
}

/// What a parked call waits for.
#[derive(Clone, Debug)]
pub(super) enum Waiting {
    /// A workflow task or query.
    WorkflowPoll(Poller),
    /// An activity task.
    ActivityPoll(Poller),
    /// A request to the handler of a Nexus operation.
    NexusPoll(Poller),
    /// Events from this id on, or the closing event alone.
    History {
        run: RunKey,
        next_event_id: i64,
        page_size: usize,
        close_only: bool,
    },
    /// The answer of a query.
    Query { run: RunKey, query: u64 },
    /// A stage of an update.
    Update { run: RunKey, update_id: String },
    /// Virtual time.
    Sleep(Wake),
}

/// A task that went out with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// The workflow task of a run, by its scheduled event and attempt.
    Workflow(RunKey, i64, i32),
    /// An activity of a run, by its scheduled event and stamp.
    Activity(RunKey, i64, i64),
    /// A query of a run.
    Query(RunKey, u64),
    /// A request to the handler of a Nexus operation of a run, by its scheduled event and stamp.
    Nexus(RunKey, i64, Errand, i64),
}

#[derive(Debug)]
struct Parked {
    waiting: Waiting,
    until: Option<Time>,
}

/// All calls that are inside the engine.
#[derive(Debug, Default)]
pub(super) struct Calls {
    parked: HashMap<CallId, Parked>,
    deadlines: BTreeSet<(Time, CallId)>,
    answers: VecDeque<(CallId, Answer)>,
    /// Tasks that went out, until they are done: the call may turn out to have no taker.
    delivered: HashMap<CallId, Vec<Delivered>>,
}

impl Calls {
    /// Keeps a call until it is answered, at the latest at `until` (real time).
    pub(super) fn park(&mut self, call: CallId, waiting: Waiting, until: Option<Time>) {
        if let Some(until) = until {
            self.deadlines.insert((until, call));
        }
        self.parked.insert(call, Parked { waiting, until });
    }

    /// Takes a parked call out without an answer.
    pub(super) fn unpark(&mut self, call: CallId) -> Option<Waiting> {
        let parked = self.parked.remove(&call)?;
        if let Some(until) = parked.until {
            self.deadlines.remove(&(until, call));
        }
        Some(parked.waiting)
    }

    /// A parked call waits for something else now.
    pub(super) fn redirect(&mut self, call: CallId, waiting: Waiting) {
        if let Some(parked) = self.parked.get_mut(&call) {
            parked.waiting = waiting;
        }
    }

    pub(super) fn waiting(&self, call: CallId) -> Option<&Waiting> {
        self.parked.get(&call).map(|parked| &parked.waiting)
    }

    /// Answers a call, parked or not.
    pub(super) fn answer(&mut self, call: CallId, answer: Answer) {
        self.unpark(call);
        self.answers.push_back((call, answer));
    }

    /// Takes back an answer that was not fetched yet.
    pub(super) fn withdraw(&mut self, call: CallId) {
        self.answers.retain(|(id, _)| *id != call);
    }

    pub(super) fn next_answer(&mut self) -> Option<(CallId, Answer)> {
        self.answers.pop_front()
    }

    /// When the first parked call gives up.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// Takes a parked call that waited long enough.
    pub(super) fn pop_expired(&mut self, real_now: Time) -> Option<(CallId, Waiting)> {
        let (_, call) = self
            .deadlines
            .first()
            .copied()
            .filter(|(until, _)| *until <= real_now)?;
        self.unpark(call).map(|waiting| (call, waiting))
    }

    /// Notes a task that a call's answer carries. Only the answer to a workflow task carries several.
    pub(super) fn deliver(&mut self, call: CallId, task: Delivered) {
        self.delivered.entry(call).or_default().push(task);
    }

    /// Forgets what a call carried, and says what.
    pub(super) fn undeliver(&mut self, call: CallId) -> Vec<Delivered> {
        self.delivered.remove(&call).unwrap_or_default()
    }

    /// Forgets one task that a call carried: it is done.
    pub(super) fn delivery_over(&mut self, call: CallId, is_it: impl Fn(&Delivered) -> bool) {
        if let Some(tasks) = self.delivered.get_mut(&call) {
            tasks.retain(|task| !is_it(task));
            if tasks.is_empty() {
                self.delivered.remove(&call);
            }
        }
    }
}
