//! Polling something that takes a while, in the two ways there are.
//!
//! - Often: one activity asks again and again, and heartbeats, so that its end is noticed when its worker dies.
//! - Rarely: every attempt asks once and fails with "not yet"; the retry policy makes the next attempt, hours later if
//!   need be. Nothing runs and no history grows in the meantime.
//!
//! `cargo run -p temporal-sdk --example polling` runs it on the embedded server, which skips the waiting, or on the one at
//! `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::{RetryPolicy, WorkflowOptions};
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{Worker, activities, activity, workflow};
use temporal_testing::WorkflowEnvironment;

/// A cloud whose machines and certificates take a while. A real one would be asked over the network.
#[derive(Default)]
struct Cloud {
    asked_for_machine: AtomicU32,
}

impl Cloud {
    fn machine_is_up(&self) -> bool {
        self.asked_for_machine.fetch_add(1, Ordering::Relaxed) >= 3
    }
}

#[activities]
impl Cloud {
    /// Asks often: every few milliseconds here, every few seconds elsewhere.
    #[activity]
    async fn wait_for_machine(&self, ctx: &activity::Context, machine: String) -> activity::Result<String> {
        let mut asked = 0_u32;
        while !self.machine_is_up() {
            asked += 1;
            // Tells the server that this still runs, and learns of a cancellation.
            ctx.heartbeat(asked);
            ctx.until_cancelled(tokio::time::sleep(Duration::from_millis(5)))
                .await?;
        }
        Ok(format!("{machine} is up"))
    }

    /// Asks once. The certificate is there when it was asked for four times.
    #[activity]
    async fn certificate(&self, ctx: &activity::Context, machine: String) -> activity::Result<String> {
        if ctx.info().attempt < 4 {
            return Err(ApplicationError::new("the certificate is not issued yet")
                .kind("NotYet")
                .into());
        }
        Ok(format!("it has a certificate for {machine}.example.com"))
    }
}

#[workflow]
pub(crate) async fn provision(ctx: &workflow::Context, machine: String, every: Duration) -> workflow::Result<String> {
    let often =
        ActivityOptions::start_to_close_timeout(Duration::from_secs(600)).heartbeat_timeout(Duration::from_secs(10));
    let up = ctx
        .execute_activity(Cloud::wait_for_machine, machine.as_str(), often)
        .await?;

    // The same interval again and again, without an end. The schedule-to-close timeout would set one.
    let policy = RetryPolicy::new().initial_interval(every).backoff_coefficient(1.0);
    let rarely = ActivityOptions::start_to_close_timeout(Duration::from_secs(5)).retry_policy(policy);
    let certified = ctx.execute_activity(Cloud::certificate, machine, rarely).await?;
    Ok(format!("{up}, {certified}"))
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<String> {
    // Others may run the example on the same server.
    let task_queue = format!("polling-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<provision>()
        .activities(Cloud::default())
        .build()?;
    // Ten minutes pass at once where time is skipped.
    let every = if env.supports_time_skipping() {
        Duration::from_secs(600)
    } else {
        Duration::from_millis(100)
    };
    worker
        .run_until(async {
            let options = WorkflowOptions::new(format!("provision-{}", std::process::id()), &task_queue);
            Ok(env
                .client()
                .execute_workflow(provision, ("vm-1", every), options)
                .await?)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
