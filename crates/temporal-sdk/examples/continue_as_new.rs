//! A workflow that lives for years: it continues as a new run before its history gets long, and hands its state over.
//!
//! `cargo run -p temporal-sdk --example continue_as_new` runs it on the embedded server, which skips the months, or on the
//! one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_sdk::client::WorkflowOptions;
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;

/// The input of every run, and all that one run hands to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    customer: String,
    cents: u64,
    /// How long a period is: a month, unless an example is in a hurry.
    period: Duration,
    /// How many periods are still to be billed, unless it is cancelled before.
    periods: u32,
    /// How many periods one run bills at most.
    periods_per_run: u32,
    pub(crate) billed: u64,
    pub(crate) runs: u32,
}

#[activity]
async fn charge(customer: String, cents: u64) -> activity::Result<u64> {
    println!("{customer} is charged {cents} cents");
    Ok(cents)
}

#[derive(Default)]
pub(crate) struct Billing {
    cancelled: Cell<bool>,
    price: RefCell<Option<u64>>,
}

#[workflow]
impl Billing {
    #[run]
    async fn run(&self, ctx: &workflow::Context, mut subscription: Subscription) -> workflow::Result<Subscription> {
        subscription.runs += 1;
        let mut billed = 0;
        loop {
            if let Some(cents) = self.price.take() {
                subscription.cents = cents;
            }
            let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(10));
            let input = (subscription.customer.as_str(), subscription.cents);
            subscription.billed += ctx.execute_activity(charge, input, options).await?;
            subscription.periods -= 1;
            if subscription.periods == 0 {
                return Ok(subscription);
            }
            billed += 1;

            let cancelled = ctx.wait_condition(|| self.cancelled.get()).timeout(subscription.period);
            match cancelled.await {
                Ok(()) => return Ok(subscription),
                Err(error) if error.is_timeout() => {}
                Err(error) => return Err(error.into()),
            }
            // The server suggests it when the history gets long. The count only keeps this example short.
            if ctx.is_continue_as_new_suggested() || billed >= subscription.periods_per_run {
                // What handlers began belongs to this run, so they end first.
                ctx.wait_condition(|| ctx.all_handlers_finished()).await?;
                // And a signal that came with the event that brought the code here belongs to it too.
                ctx.messages_delivered().await;
                if let Some(cents) = self.price.take() {
                    subscription.cents = cents;
                }
                // Not an error, but it ends the run like one: nothing of this run goes on.
                return Err(ctx.continue_as_new(subscription));
            }
        }
    }

    #[signal]
    fn set_price(&self, cents: u64) {
        self.price.replace(Some(cents));
    }

    #[signal]
    fn cancel_subscription(&self) {
        self.cancelled.set(true);
    }
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<Subscription> {
    // Others may run the example on the same server.
    let task_queue = format!("continue-as-new-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<Billing>()
        .activity(charge)
        .build()?;
    let period = if env.supports_time_skipping() {
        Duration::from_secs(30 * 24 * 3600)
    } else {
        Duration::from_millis(500)
    };
    worker
        .run_until(async {
            let subscription = Subscription {
                customer: "Ada".into(),
                cents: 500,
                period,
                periods: 5,
                periods_per_run: 2,
                billed: 0,
                runs: 0,
            };
            let id = format!("billing-{}", std::process::id());
            let options = WorkflowOptions::new(id, &task_queue);
            let billing = env.client().start_workflow(Billing::run, subscription, options).await?;

            // The result is that of the last run: the handle follows.
            Ok(billing.result().await?)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:?}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
