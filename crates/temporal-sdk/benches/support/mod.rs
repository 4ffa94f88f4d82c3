//! The workflow and the task that the benches run.

mod history;

use history::History;
use std::cell::Cell;
use temporal_core::WorkflowTask;
use temporal_sdk::workflow;

/// Waits for one signal.
#[derive(Default)]
pub(crate) struct Waits {
    signalled: Cell<bool>,
}

#[workflow]
impl Waits {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        ctx.wait_condition(|| self.signalled.get()).await?;
        Ok(())
    }

    #[signal]
    fn go(&self) {
        self.signalled.set(true);
    }
}

/// The first task of a run.
pub(crate) fn first_task(number: u64) -> WorkflowTask {
    History::new::<()>("Waits", number, &[]).next_task(&[])
}
