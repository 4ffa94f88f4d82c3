//! What tasks wait for besides operations and conditions, for the query that tells it.

use crate::workflow::executor::TaskId;
use crate::workflow::operation::Wait;
use crate::workflow::run::{Run, RunState};
use crate::workflow::seq_map::SeqMap;
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};

thread_local! {
    /// The run whose code this thread runs.
    static AT_HAND: RefCell<Weak<RunState>> = const { RefCell::new(Weak::new()) };
}

/// While this lives, the run is the one whose code this thread runs.
pub(crate) struct AtHand(Weak<RunState>);

impl AtHand {
    pub(crate) fn begin(run: &Run) -> Self {
        Self(AT_HAND.with(|at_hand| at_hand.replace(Rc::downgrade(run))))
    }
}

impl Drop for AtHand {
    fn drop(&mut self) {
        // The thread may be at its end.
        let _ = AT_HAND.try_with(|at_hand| at_hand.replace(std::mem::take(&mut self.0)));
    }
}

/// Whether the call may wake a task of the run at hand: nobody asks this before there is one to wake. Raises in code that
/// may only look, where the wake would come in no replay.
#[must_use]
pub(crate) fn may_wake(call: &str) -> bool {
    let run = AT_HAND.with(|at_hand| at_hand.borrow().upgrade());
    run.is_none_or(|run| run.may_act(call))
}

/// The waits of a run that are under way; most have none.
#[derive(Debug, Default)]
pub(crate) struct Waits(OnceCell<Box<RefCell<SeqMap<u64, Entry>>>>);

#[derive(Debug)]
struct Entry {
    task: Option<TaskId>,
    what: &'static str,
    started_at: &'static Location<'static>,
    hears: bool,
}

impl Waits {
    fn add(&self, entry: Entry) -> u64 {
        let mut entries = self.0.get_or_init(Box::default).borrow_mut();
        let key = entries.last_key().map_or(0, |last| last + 1);
        entries.insert(key, entry);
        key
    }

    fn remove(&self, key: u64) {
        if let Some(entries) = self.0.get() {
            entries.borrow_mut().remove(key);
        }
    }

    /// Whether the task waits for what hears of a cancellation itself.
    pub(crate) fn hear_cancellation(&self, task: TaskId) -> bool {
        let awaits = |entry: &Entry| entry.task == Some(task) && entry.hears;
        self.0
            .get()
            .is_some_and(|entries| entries.borrow().values().any(awaits))
    }

    pub(crate) fn waits(&self, waits: &mut Vec<Wait>) {
        let Some(entries) = self.0.get() else { return };
        waits.extend(entries.borrow().values().map(|entry| Wait {
            task: entry.task,
            what: entry.what.to_owned(),
            started_at: entry.started_at,
        }));
    }
}

/// A wait of a future: registered with the run at hand while the future is pending.
pub(crate) struct Waiting {
    what: &'static str,
    started_at: &'static Location<'static>,
    /// Whether what is waited for ends when it is cancelled with its scope.
    hears: bool,
    registered: Option<(Weak<RunState>, u64)>,
}

impl Waiting {
    /// A wait for this, begun by the caller.
    #[track_caller]
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            started_at: Location::caller(),
            hears: false,
            registered: None,
        }
    }

    /// The same for what ends when it is cancelled with its scope.
    #[track_caller]
    pub(crate) fn in_scope(what: &'static str) -> Self {
        let mut waiting = Self::new(what);
        waiting.hears = true;
        waiting
    }

    /// A wait for the end of a task that was started there.
    pub(crate) fn for_task(started_at: &'static Location<'static>) -> Self {
        Self {
            what: "a task",
            started_at,
            hears: true,
            registered: None,
        }
    }

    /// What the future's poll gave: notes whether it is pending.
    pub(crate) fn polled<T>(&mut self, poll: std::task::Poll<T>) -> std::task::Poll<T> {
        if poll.is_ready() {
            self.end();
        } else if self.registered.is_none() {
            self.registered = AT_HAND.with(|at_hand| {
                let run = at_hand.borrow().upgrade()?;
                let entry = Entry {
                    task: run.executor.current(),
                    what: self.what,
                    started_at: self.started_at,
                    hears: self.hears,
                };
                Some((Rc::downgrade(&run), run.waits.add(entry)))
            });
        }
        poll
    }

    fn end(&mut self) {
        if let Some((run, key)) = self.registered.take()
            && let Some(run) = run.upgrade()
        {
            run.waits.remove(key);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Waiting").field(&self.what).finish()
    }
}
