//! Cancellation scopes.

use crate::workflow::operation::OperationId;
use crate::workflow::run::RunState;
use crate::workflow::seq_map::SeqMap;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::task::Waker;

/// A cancellation scope: what was started in it is cancelled with it.
#[derive(Clone)]
pub(crate) struct Scope(Rc<Inner>);

struct Inner {
    /// The scope around it: kept for it, since its cancellation comes by way of each scope between.
    parent: Option<Scope>,
    /// Its key among the members of the scope around it.
    place: u64,
    /// Why it was cancelled, once it is.
    cancelled: RefCell<Option<Rc<str>>>,
    /// What to tell, in the order in which it came.
    members: RefCell<SeqMap<u64, Member>>,
    next: Cell<u64>,
}

/// What a scope tells of its cancellation.
enum Member {
    Operation(OperationId),
    Waiter(Waker),
    Child(Weak<Inner>),
}

impl Scope {
    /// A scope that only its handle cancels.
    pub(crate) fn detached() -> Self {
        Self::new(None)
    }

    fn new(cancelled: Option<Rc<str>>) -> Self {
        Self(Rc::new(Inner::new(None, 0, cancelled)))
    }

    /// A scope that is cancelled with this one, or alone.
    pub(crate) fn child(&self) -> Self {
        if let Some(reason) = self.reason() {
            return Self::new(Some(reason));
        }
        Self(Rc::new_cyclic(|child| {
            let place = self.0.add(Member::Child(Weak::clone(child)));
            Inner::new(Some(self.clone()), place, None)
        }))
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.cancelled.borrow().is_some()
    }

    /// Why it was cancelled; `None` while it is not.
    pub(crate) fn reason(&self) -> Option<Rc<str>> {
        self.0.cancelled.borrow().clone()
    }

    /// Cancels what was started in it, in that order. Does nothing the second time.
    pub(crate) fn cancel(&self, run: &RunState, reason: &str) {
        let reason: Rc<str> = reason.into();
        // Not by recursion: it would be as deep as scopes are nested.
        let mut telling: Vec<_> = self.0.begin_cancel(&reason).into_iter().collect();
        while let Some(members) = telling.last_mut() {
            match members.next() {
                Some(Member::Operation(operation)) => run.cancel_operation(operation, &reason),
                Some(Member::Waiter(waker)) => waker.wake(),
                Some(Member::Child(child)) => {
                    let child = child.upgrade();
                    telling.extend(child.and_then(|child| child.begin_cancel(&reason)));
                }
                None => drop(telling.pop()),
            }
        }
    }

    /// Adds an operation that was just started; the key takes it out again.
    pub(crate) fn add_operation(&self, operation: OperationId) -> u64 {
        self.0.add(Member::Operation(operation))
    }

    /// Adds someone to wake; the key takes it out again.
    pub(crate) fn add_waiter(&self, waker: Waker) -> u64 {
        self.0.add(Member::Waiter(waker))
    }

    /// Replaces the waker of someone to wake.
    pub(crate) fn update_waiter(&self, key: u64, waker: &Waker) {
        if let Some(Member::Waiter(registered)) = self.0.members.borrow_mut().get_mut(key) {
            registered.clone_from(waker);
        }
    }

    /// Takes a member out.
    pub(crate) fn remove(&self, key: u64) {
        let member = self.0.members.borrow_mut().remove(key);
        drop(member);
    }
}

impl Inner {
    fn new(parent: Option<Scope>, place: u64, cancelled: Option<Rc<str>>) -> Self {
        Self {
            parent,
            place,
            cancelled: RefCell::new(cancelled),
            members: RefCell::default(),
            next: Cell::new(0),
        }
    }

    fn add(&self, member: Member) -> u64 {
        let key = self.next.get();
        self.next.set(key + 1);
        self.members.borrow_mut().insert(key, member);
        key
    }

    /// Notes that it is cancelled; gives whom to tell, unless it was cancelled before.
    fn begin_cancel(&self, reason: &Rc<str>) -> Option<impl Iterator<Item = Member> + use<>> {
        let mut cancelled = self.cancelled.borrow_mut();
        if cancelled.is_some() {
            return None;
        }
        *cancelled = Some(Rc::clone(reason));
        Some(self.members.take().into_values())
    }
}

impl Drop for Inner {
    /// Leaves the scope around it, and so does that one if nobody else holds it. One after the other: a recursion as deep as
    /// scopes are nested could be too deep.
    fn drop(&mut self) {
        let (mut parent, mut place) = (self.parent.take(), self.place);
        while let Some(scope) = parent {
            scope.remove(place);
            let Some(mut inner) = Rc::into_inner(scope.0) else {
                break;
            };
            (parent, place) = (inner.parent.take(), inner.place);
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Scope")
            .field("cancelled", &self.0.cancelled.borrow())
            .finish_non_exhaustive()
    }
}

/// Cancels the scope that came with it from [`Context::child`](crate::workflow::Context::child). Dropping it does nothing.
#[derive(Clone)]
pub struct ScopeHandle {
    scope: Scope,
    run: Weak<RunState>,
}

impl ScopeHandle {
    pub(crate) fn new(scope: Scope, run: &Rc<RunState>) -> Self {
        Self {
            scope,
            run: Rc::downgrade(run),
        }
    }

    /// Cancels all that was started in the scope and is not at its end. What is started in it later is cancelled at once.
    pub fn cancel(&self) {
        self.cancel_with_reason("");
    }

    /// Like [`cancel`](Self::cancel), with a reason that [`Context::cancellation_reason`](crate::workflow::Context::cancellation_reason) tells.
    pub fn cancel_with_reason(&self, reason: &str) {
        if let Some(run) = self.run.upgrade()
            && run.may_act("cancel of a scope")
        {
            self.scope.cancel(&run, reason);
        }
    }

    /// Whether the scope is cancelled, by this handle or with the scope around it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.scope.is_cancelled()
    }
}

impl fmt::Debug for ScopeHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ScopeHandle").field(&self.scope).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;
    use std::task::Waker;

    #[test]
    fn child_scopes_that_are_gone_leave_nothing_behind() {
        let scope = Scope::detached();
        for _ in 0..100 {
            let _ = scope.add_waiter(Waker::noop().clone());
            drop(scope.child().child());
        }
        assert_eq!(scope.0.members.borrow().len(), 100);
    }
}
