//! A value with tasks that wait for what it becomes.

use crate::workflow::context::Context;
use crate::workflow::seq_map::SeqMap;
use crate::workflow::waiting::{Waiting, may_wake};
use std::cell::{Ref, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll, Waker};
use temporal_client::failure::CancelledError;

/// A value that tasks of a workflow watch: each waits for what it is to become with [`Context::wait_for`], and is looked
/// at only when this value was changed. Clones are the same value.
///
/// A `Cell` or `RefCell` with [`Context::wait_condition`] does the same for few conditions. That looks at every pending
/// condition whenever anything in the workflow moved, which takes some 30 ns for each of them; with thousands
/// pending, give each its own `Watch`, and a workflow task costs what it touches.
///
/// ```
/// use std::cell::RefCell;
/// use std::collections::BTreeMap;
/// use temporal_sdk::workflow;
/// use temporal_sdk::workflow::sync::Watch;
///
/// /// Waits for every parcel's arrival.
/// #[derive(Default)]
/// struct Parcels {
///     arrived: RefCell<BTreeMap<String, Watch<bool>>>,
/// }
///
/// #[workflow]
/// impl Parcels {
///     #[run]
///     async fn run(&self, ctx: &workflow::Context, parcels: Vec<String>) -> workflow::Result<()> {
///         let watches = parcels.into_iter().map(|parcel| (parcel, Watch::default()));
///         self.arrived.borrow_mut().extend(watches);
///         let watches: Vec<_> = self.arrived.borrow().values().cloned().collect();
///         for arrived in watches {
///             ctx.wait_for(&arrived, |arrived| *arrived).await?;
///         }
///         Ok(())
///     }
///
///     #[signal]
///     fn arrived(&self, parcel: String) {
///         if let Some(arrived) = self.arrived.borrow().get(&parcel) {
///             arrived.set(true);
///         }
///     }
/// }
/// ```
pub struct Watch<T>(Rc<Inner<T>>);

struct Inner<T> {
    value: RefCell<T>,
    waiters: RefCell<Waiters>,
}

#[derive(Default)]
struct Waiters {
    /// In the order in which they began to wait.
    wakers: SeqMap<u64, Waker>,
    next: u64,
}

impl<T> Watch<T> {
    /// A value that nobody waits for yet.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Rc::new(Inner {
            value: RefCell::new(value),
            waiters: RefCell::default(),
        }))
    }

    /// The value, to look at. Do not hold it across an await.
    ///
    /// # Panics
    /// While [`update`](Self::update) changes the value.
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.0.value.borrow()
    }

    /// The value.
    ///
    /// # Panics
    /// While [`update`](Self::update) changes the value.
    #[must_use]
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.borrow().clone()
    }

    /// Puts another value in its place, and has those look who wait.
    ///
    /// # Panics
    /// While the value is [borrowed](Self::borrow).
    pub fn set(&self, value: T) {
        drop(self.replace(value));
    }

    /// Like [`set`](Self::set); gives what the value was.
    ///
    /// # Panics
    /// While the value is [borrowed](Self::borrow).
    pub fn replace(&self, value: T) -> T {
        self.update(|current| std::mem::replace(current, value))
    }

    /// Changes the value in place, and has those look who wait.
    ///
    /// # Panics
    /// While the value is [borrowed](Self::borrow).
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let waited_for = !self.0.waiters.borrow().wakers.is_empty();
        let may_wake = !waited_for || may_wake("change of a Watch");
        let result = change(&mut self.0.value.borrow_mut());
        if !may_wake {
            return result;
        }
        let wakers: Vec<Waker> = self.0.waiters.borrow().wakers.values().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
        result
    }
}

impl<T> Clone for Watch<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: Default> Default for Watch<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Watch<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Watch<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.value.try_borrow() {
            Ok(value) => formatter.debug_tuple("Watch").field(&*value).finish(),
            Err(_) => formatter.write_str("Watch(<borrowed>)"),
        }
    }
}

impl Context {
    /// Waits until what is watched fits. The predicate is called when the future is first polled, when the value was changed,
    /// and whenever else the task that waits is polled; those that wait for the same value look in the order in which they began. A value that fits only in passing, and is
    /// changed again before the workflow's code gets to run, may not be seen.
    ///
    /// Put a limit to it with [`timeout`](Self::timeout).
    ///
    /// # Errors
    /// [`CancelledError`] when this context's scope is cancelled.
    #[track_caller]
    pub fn wait_for<T, P>(&self, watch: &Watch<T>, predicate: P) -> WaitFor<T, P>
    where
        P: FnMut(&T) -> bool,
    {
        WaitFor {
            context: self.clone(),
            watch: watch.clone(),
            predicate,
            registered: None,
            waiting: Waiting::in_scope("a watched value"),
        }
    }
}

/// Waits until a value fits: [`Context::wait_for`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitFor<T, P> {
    context: Context,
    watch: Watch<T>,
    predicate: P,
    registered: Option<Registered>,
    waiting: Waiting,
}

struct Registered {
    waiter: u64,
    scope_member: u64,
    waker: Waker,
}

// The predicate is called, never pinned.
impl<T, P> Unpin for WaitFor<T, P> {}

impl<T, P> WaitFor<T, P> {
    fn register(&mut self, waker: &Waker) {
        if self.registered.is_none() && !self.context.run().may_act("wait_for") {
            return;
        }
        let (scope, mut waiters) = (self.context.scope(), self.watch.0.waiters.borrow_mut());
        match &mut self.registered {
            Some(registered) if registered.waker.will_wake(waker) => {}
            Some(registered) => {
                waiters.wakers.insert(registered.waiter, waker.clone());
                scope.update_waiter(registered.scope_member, waker);
                registered.waker.clone_from(waker);
            }
            None => {
                let waiter = waiters.next;
                waiters.next += 1;
                waiters.wakers.insert(waiter, waker.clone());
                self.registered = Some(Registered {
                    waiter,
                    scope_member: scope.add_waiter(waker.clone()),
                    waker: waker.clone(),
                });
            }
        }
    }

    fn unregister(&mut self) {
        if let Some(registered) = self.registered.take() {
            let waker = self.watch.0.waiters.borrow_mut().wakers.remove(registered.waiter);
            drop(waker);
            self.context.scope().remove(registered.scope_member);
        }
    }
}

impl<T, P: FnMut(&T) -> bool> Future for WaitFor<T, P> {
    type Output = Result<(), CancelledError>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if (this.predicate)(&this.watch.borrow()) {
            this.unregister();
            this.context.run().executor.note_progress();
            return this.waiting.polled(Poll::Ready(Ok(())));
        }
        if let Some(cancelled) = this.context.cancelled_now() {
            this.unregister();
            this.context.run().executor.note_progress();
            return this.waiting.polled(Poll::Ready(Err(cancelled)));
        }
        this.register(context.waker());
        this.waiting.polled(Poll::Pending)
    }
}

impl<T, P> Drop for WaitFor<T, P> {
    fn drop(&mut self) {
        self.unregister();
    }
}

impl<T, P> fmt::Debug for WaitFor<T, P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WaitFor").finish_non_exhaustive()
    }
}
