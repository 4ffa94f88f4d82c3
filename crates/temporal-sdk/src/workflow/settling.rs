//! Waiting for what else the workflow task in hand brings.

use crate::workflow::context::Context;
use crate::workflow::run::RunState;
use crate::workflow::sync::Notify;
use crate::workflow::waiting::Waiting;
use std::rc::Rc;

impl Context {
    /// Waits until the workflow was told of all that came with the workflow task in hand: of signals behind the event by which
    /// this code goes on, above all. It takes no time, and emits nothing.
    ///
    /// What comes with one task is told of in the order of history, and code runs in between. A run that ends halfway never
    /// sees the rest, though the server counts it as delivered. So before a run that takes signals ends or continues as new,
    /// it waits, and looks again:
    ///
    /// ```
    /// # use std::{cell::RefCell, time::Duration};
    /// # use temporal_sdk::workflow;
    /// /// Works off orders, a thousand a run.
    /// #[derive(Default)]
    /// struct Orders(RefCell<Vec<String>>);
    ///
    /// #[workflow]
    /// impl Orders {
    ///     #[run]
    ///     async fn run(&self, ctx: &workflow::Context, orders: Vec<String>) -> workflow::Result<()> {
    ///         self.0.borrow_mut().extend(orders);
    ///         while !ctx.is_continue_as_new_suggested() {
    ///             ctx.wait_condition(|| !self.0.borrow().is_empty()).await?;
    ///             let order = self.0.borrow_mut().remove(0);
    ///             # let _ = order;
    ///             ctx.sleep(Duration::from_secs(1)).await?;
    ///         }
    ///         ctx.messages_delivered().await;
    ///         Err(ctx.continue_as_new(self.0.take()))
    ///     }
    ///
    ///     #[signal]
    ///     fn order(&self, name: String) {
    ///         self.0.borrow_mut().push(name);
    ///     }
    /// }
    /// ```
    ///
    /// A signal that comes later, while the task is worked off, is not lost either: the server does not let a run end that was
    /// not told of all, and gives its worker the task again.
    #[track_caller]
    pub fn messages_delivered(&self) -> impl Future<Output = ()> + use<> {
        let (run, waiting) = (Rc::clone(self.run()), Waiting::new("the messages of a workflow task"));
        async move {
            if !run.core.borrow_mut().tell_when_settled() {
                return;
            }
            let delivered = run.settling.borrow_mut().get_or_insert_default().notified_of(waiting);
            delivered.await;
        }
    }
}

/// Tells those who wait that this is all.
pub(crate) fn settled(run: &RunState) {
    let waiting: Option<Notify> = run.settling.take();
    if let Some(waiting) = waiting {
        waiting.notify_waiters();
    }
}
