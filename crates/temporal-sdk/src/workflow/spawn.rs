//! Tasks inside a workflow.

use crate::workflow::executor::{TaskId, TaskName};
use crate::workflow::operation::Slot;
use crate::workflow::run::Run;
use crate::workflow::waiting::Waiting;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A task started with [`Context::spawn`](crate::workflow::Context::spawn): await it for what it returns.
///
/// Dropping the handle ends the task at its next await and cancels what it waits for; [`detach`](Self::detach) lets it run
/// on.
#[must_use = "dropping the handle ends the task: await it, keep it, or `.detach()` it"]
pub struct JoinHandle<T> {
    slot: Rc<Slot<T>>,
    /// `None` once it is detached.
    task: Option<(Run, TaskId)>,
    waiting: Waiting,
}

impl<T: 'static> JoinHandle<T> {
    pub(crate) fn spawn(
        run: &Run,
        location: &'static Location<'static>,
        future: impl Future<Output = T> + 'static,
    ) -> Self {
        let slot = Slot::pending();
        if !run.may_act("spawn") {
            return Self {
                slot,
                task: None,
                waiting: Waiting::for_task(location),
            };
        }
        let filled = Rc::clone(&slot);
        let task = async move { filled.fill(future.await) };
        let id = run.executor.spawn(TaskName::Spawned(location), Box::pin(task));
        Self {
            slot,
            task: Some((Rc::clone(run), id)),
            waiting: Waiting::for_task(location),
        }
    }

    /// Lets the task run on without its handle, until the workflow ends.
    pub fn detach(mut self) {
        self.task = None;
    }

    /// Whether the task has returned.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !self.slot.is_pending()
    }
}

impl<T> JoinHandle<T> {
    /// Ends the task at its next await, and cancels what it waits for.
    pub fn cancel(self) {
        drop(self);
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let poll = self.slot.poll(context);
        self.waiting.polled(poll)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some((run, id)) = self.task.take()
            && self.slot.is_pending()
        {
            run.drop_task(id);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JoinHandle")
            .field("finished", &!self.slot.is_pending())
            .finish()
    }
}
