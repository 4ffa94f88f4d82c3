//! A timer that can be moved while it runs: an auction that ends some time after its last bid.
//!
//! `cargo run -p temporal-sdk --example updatable_timer` runs it on the embedded server, which skips the waiting, or on the
//! one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};
use temporal_sdk::client::WorkflowOptions;
use temporal_sdk::{Worker, workflow};
use temporal_testing::WorkflowEnvironment;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bid {
    pub(crate) bidder: String,
    pub(crate) euros: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("the bid has to be higher than {0} euros")]
struct TooLow(u32);

pub(crate) struct Auction {
    ends: Cell<SystemTime>,
    best: RefCell<Option<Bid>>,
}

#[workflow]
impl Auction {
    /// Makes the workflow of its input, before any handler runs: here the state depends on it.
    #[init]
    fn new(ctx: &workflow::Context, duration: Duration) -> Self {
        Self {
            ends: Cell::new(ctx.now() + duration),
            best: RefCell::default(),
        }
    }

    #[run]
    async fn run(&self, ctx: &workflow::Context, _duration: Duration) -> workflow::Result<Option<Bid>> {
        loop {
            let ends = self.ends.get();
            let timer = ctx.sleep_until(ends);
            let moved = ctx.wait_condition(|| self.ends.get() != ends);
            // Whichever is not first is dropped: the timer is cancelled when the end was moved.
            workflow::select! {
                over = timer => {
                    over?;
                    return Ok(self.best.take());
                }
                moved = moved => moved?,
            }
        }
    }

    /// Takes a bid, and tells when the auction ends now: after `time_to_answer`.
    #[update]
    fn bid(&self, ctx: &workflow::Context, bid: Bid, time_to_answer: Duration) -> SystemTime {
        self.best.replace(Some(bid));
        self.ends.set(ctx.now() + time_to_answer);
        self.ends.get()
    }

    #[validator(bid)]
    fn is_higher(&self, bid: &Bid, _time_to_answer: &Duration) -> Result<(), TooLow> {
        match &*self.best.borrow() {
            Some(best) if bid.euros <= best.euros => Err(TooLow(best.euros)),
            _ => Ok(()),
        }
    }
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<Option<Bid>> {
    // Others may run the example on the same server.
    let task_queue = format!("updatable-timer-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<Auction>()
        .build()?;
    // A day passes at once where time is skipped.
    let hour = if env.supports_time_skipping() {
        Duration::from_secs(3600)
    } else {
        Duration::from_millis(500)
    };
    worker
        .run_until(async {
            let options = WorkflowOptions::new(format!("auction-{}", std::process::id()), &task_queue);
            let auction = env.client().start_workflow(Auction::run, 24 * hour, options).await?;

            let bid = |bidder: &str, euros| Bid {
                bidder: bidder.into(),
                euros,
            };
            let first = auction
                .execute_update(Auction::bid, (bid("Ada", 100), 48 * hour))
                .await?;
            if let Err(refused) = auction.execute_update(Auction::bid, (bid("Alan", 90), hour)).await {
                println!("refused: {refused}");
            }
            let last = auction.execute_update(Auction::bid, (bid("Grace", 120), hour)).await?;
            println!("the last bid moved the end: {}", last != first);
            Ok(auction.result().await?)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:?}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
