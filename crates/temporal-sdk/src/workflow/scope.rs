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
        Self::new(None, None)
    }

    fn new(parent: Option<Self>, cancelled: Option<Rc<str>>) -> Self {
        Self(Rc::new(Inner {
            parent,
            cancelled: RefCell::new(cancelled),
            members: RefCell::default(),
            next: Cell::new(0),
        }))
    }

    /// A scope that is cancelled with this one, or alone.
    pub(crate) fn child(&self) -> Self {
        if let Some(reason) = self.reason() {
            return Self::new(None, Some(reason));
        }
        let child = Self::new(Some(self.clone()), None);
        self.0.sweep();
        self.0.add(Member::Child(Rc::downgrade(&child.0)));
        child
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
        if self.is_cancelled() {
            return;
        }
        let reason: Rc<str> = reason.into();
        *self.0.cancelled.borrow_mut() = Some(Rc::clone(&reason));
        let members = std::mem::take(&mut *self.0.members.borrow_mut());
        for member in members.into_values() {
            match member {
                Member::Operation(operation) => run.cancel_operation(operation, &reason),
                Member::Waiter(waker) => waker.wake(),
                Member::Child(child) => {
                    if let Some(child) = child.upgrade() {
                        Self(child).cancel(run, &reason);
                    }
                }
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
    fn add(&self, member: Member) -> u64 {
        let key = self.next.get();
        self.next.set(key + 1);
        self.members.borrow_mut().insert(key, member);
        key
    }

    /// Forgets child scopes that are gone, when it pays: after as many additions as there are members.
    fn sweep(&self) {
        let mut members = self.members.borrow_mut();
        if self.next.get().is_multiple_of(64) && members.len() >= 64 {
            members.retain(|member| !matches!(member, Member::Child(child) if child.strong_count() == 0));
        }
    }
}

impl Drop for Inner {
    /// One after the other: a recursion as deep as scopes are nested could be too deep.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut inner) = next.and_then(|scope| Rc::into_inner(scope.0)) {
            next = inner.parent.take();
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
