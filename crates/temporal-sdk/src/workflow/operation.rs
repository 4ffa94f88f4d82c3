//! What workflow code waits for: a slot that the host fills, and the handle that awaits it.

use crate::workflow::executor::TaskId;
use crate::workflow::run::RunState;
use crate::workflow::scope::Scope;
use crate::workflow::seq_map::SeqMap;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use temporal_core::{
    ActivitySeq, CancelExternalSeq, ChildSeq, LocalActivitySeq, NexusSeq, SignalExternalSeq, TimerSeq,
};

/// Which operation of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationId {
    Timer(TimerSeq),
    Activity(ActivitySeq),
    LocalActivity(LocalActivitySeq),
    Child(ChildSeq),
    SignalExternal(SignalExternalSeq),
    CancelExternal(CancelExternalSeq),
    Nexus(NexusSeq),
}

/// Where the end of an operation is put.
pub(crate) struct Slot<T> {
    state: RefCell<State<T>>,
    /// The task that polled it last.
    waiter: Cell<Option<TaskId>>,
}

enum State<T> {
    Pending(Option<Waker>),
    Ready(T),
    Taken,
}

impl<T> Slot<T> {
    pub(crate) fn pending() -> Rc<Self> {
        Rc::new(Self {
            state: RefCell::new(State::Pending(None)),
            waiter: Cell::new(None),
        })
    }

    /// Puts the value and wakes who waits. A second value is dropped.
    pub(crate) fn fill(&self, value: T) {
        let waker = {
            let mut state = self.state.borrow_mut();
            match &mut *state {
                State::Pending(waker) => {
                    let waker = waker.take();
                    *state = State::Ready(value);
                    waker
                }
                State::Ready(_) | State::Taken => None,
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<T> {
        let mut state = self.state.borrow_mut();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ready(value) => Poll::Ready(value),
            State::Pending(waker) => {
                *state = State::Pending(Some(match waker {
                    Some(waker) if waker.will_wake(context.waker()) => waker,
                    _ => context.waker().clone(),
                }));
                Poll::Pending
            }
            State::Taken => Poll::Pending,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(*self.state.borrow(), State::Pending(_))
    }
}

/// The operations of one kind that are not at their end.
pub(crate) struct Table<T>(RefCell<SeqMap<u32, Entry<T>>>);

struct Entry<T> {
    slot: Rc<Slot<T>>,
    membership: Option<(Scope, u64)>,
    /// Where workflow code started it.
    started_at: &'static Location<'static>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Table<T> {
    /// Adds an operation of a scope that was started at a place.
    pub(crate) fn insert_at(
        &self,
        number: u32,
        membership: Option<(Scope, u64)>,
        started_at: &'static Location<'static>,
    ) -> Rc<Slot<T>> {
        let slot = Slot::pending();
        let entry = Entry {
            slot: Rc::clone(&slot),
            membership,
            started_at,
        };
        self.0.borrow_mut().insert(number, entry);
        slot
    }

    /// The operation's end. Nothing happens when nobody waits for it.
    pub(crate) fn resolve(&self, number: u32, value: T) {
        if let Some(slot) = self.take(number) {
            slot.fill(value);
        }
    }

    /// Forgets an operation, and takes it out of its scope.
    pub(crate) fn take(&self, number: u32) -> Option<Rc<Slot<T>>> {
        let entry = self.0.borrow_mut().remove(number)?;
        if let Some((scope, key)) = entry.membership {
            scope.remove(key);
        }
        Some(entry.slot)
    }

    /// Whether the task waits for one of them; with `scoped`, for one that a scope can cancel.
    pub(crate) fn is_awaited(&self, task: TaskId, scoped: bool) -> bool {
        let entries = self.0.borrow();
        entries
            .values()
            .any(|entry| entry.slot.waiter.get() == Some(task) && (!scoped || entry.membership.is_some()))
    }

    /// What tasks wait for here, by task and number.
    pub(crate) fn waits(&self, kind: &'static str, waits: &mut Vec<Wait>) {
        for (number, entry) in self.0.borrow().iter() {
            waits.push(Wait {
                task: entry.slot.waiter.get(),
                what: format!("{kind} {number}"),
                started_at: entry.started_at,
            });
        }
    }

    pub(crate) fn clear(&self) {
        let entries = std::mem::take(&mut *self.0.borrow_mut());
        drop(entries);
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} pending", self.0.borrow().len())
    }
}

/// What a task waits for.
#[derive(Debug)]
pub(crate) struct Wait {
    /// `None` when nobody has polled it yet.
    pub(crate) task: Option<TaskId>,
    pub(crate) what: String,
    pub(crate) started_at: &'static Location<'static>,
}

/// A started operation: await it, cancel it, drop it (which cancels it), or detach it.
pub(crate) struct Operation<T> {
    slot: Rc<Slot<T>>,
    /// `None` when there is nothing to cancel: it was never started, or it is detached.
    owner: Option<(Rc<RunState>, OperationId)>,
}

impl<T> Operation<T> {
    pub(crate) fn started(run: &Rc<RunState>, id: OperationId, slot: Rc<Slot<T>>) -> Self {
        Self {
            slot,
            owner: Some((Rc::clone(run), id)),
        }
    }

    /// An operation that ended before it began.
    pub(crate) fn ended(value: T) -> Self {
        let slot = Slot::pending();
        slot.fill(value);
        Self { slot, owner: None }
    }

    /// An operation of a run that has ended: it never ends.
    pub(crate) fn never() -> Self {
        Self {
            slot: Slot::pending(),
            owner: None,
        }
    }

    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<T> {
        if let Some((run, _)) = &self.owner {
            self.slot.waiter.set(run.executor.current());
        }
        let poll = self.slot.poll(context);
        if poll.is_ready() {
            self.owner = None;
        }
        poll
    }

    /// Asks for cancellation; the operation's end still has to be awaited.
    pub(crate) fn cancel(&self, reason: &str) {
        if let Some((run, id)) = &self.owner
            && self.slot.is_pending()
        {
            run.cancel_operation(*id, reason);
        }
    }

    /// Lets it run on without its handle.
    pub(crate) fn detach(&mut self) {
        self.owner = None;
    }
}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        if let Some((run, id)) = self.owner.take()
            && self.slot.is_pending()
        {
            run.drop_operation(id);
        }
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Operation")
            .field("id", &self.owner.as_ref().map(|(_, id)| id))
            .field("pending", &self.slot.is_pending())
            .finish()
    }
}
