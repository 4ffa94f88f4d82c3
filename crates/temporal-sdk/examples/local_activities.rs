//! Local activities: short steps that run in the worker of the workflow, without a task of their own.
//!
//! They suit what takes well under a second, such as a look-up in a cache or a database: one local activity costs no round
//! trip to the server, only a marker in the history. They cannot heartbeat, and other workers cannot take them over.
//!
//! `cargo run -p temporal-sdk --example local_activities` runs it on the embedded server, or on the one at
//! `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::{RetryPolicy, WorkflowOptions};
use temporal_sdk::workflow::{ActivityOptions, LocalActivityOptions};
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    product: String,
    pieces: u64,
}

#[activity]
fn price_in_cents(product: String) -> activity::Result<u64> {
    match product.as_str() {
        "pen" => Ok(250),
        "notebook" => Ok(700),
        // Not worth a retry: the workflow fails with it.
        _ => Err(ApplicationError::new(format!("there is no {product:?}"))
            .kind("UnknownProduct")
            .non_retryable()
            .into()),
    }
}

#[activity]
fn discount_percent(ctx: &activity::Context, customer: String) -> activity::Result<u64> {
    // The first attempt fails, as look-ups sometimes do: it is retried right here, in the same workflow task.
    if ctx.info().attempt == 1 {
        return Err("the replica is behind".into());
    }
    Ok(if customer == "Ada" { 10 } else { 0 })
}

#[activity]
async fn send_quote(customer: String, cents: u64) -> activity::Result<String> {
    Ok(format!("{customer} pays {}.{:02}", cents / 100, cents % 100))
}

#[workflow]
pub(crate) async fn quote(ctx: &workflow::Context, customer: String, lines: Vec<Line>) -> workflow::Result<String> {
    let retries = RetryPolicy::new()
        .initial_interval(Duration::from_millis(10))
        .maximum_attempts(5);
    let local = LocalActivityOptions::start_to_close_timeout(Duration::from_secs(1)).retry_policy(retries);

    // All of them start at once.
    let prices = lines
        .iter()
        .map(|line| ctx.start_local_activity(price_in_cents, line.product.as_str(), local.clone()));
    let mut sum = 0;
    for (line, price) in lines.iter().zip(workflow::join_all(prices).await) {
        sum += line.pieces * price?;
    }
    let percent = ctx
        .execute_local_activity(discount_percent, customer.as_str(), local)
        .await?;
    sum -= sum * percent / 100;

    // Talking to the outside takes as long as it takes: a task of its own, which any worker may take.
    let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(30));
    Ok(ctx.execute_activity(send_quote, (customer, sum), options).await?)
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<String> {
    // Others may run the example on the same server.
    let task_queue = format!("local-activities-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<quote>()
        .activity(price_in_cents)
        .activity(discount_percent)
        .activity(send_quote)
        .build()?;
    worker
        .run_until(async {
            let id = format!("quote-{}", std::process::id());
            let line = |product: &str, pieces| Line {
                product: product.into(),
                pieces,
            };
            let input = ("Ada", vec![line("pen", 3), line("notebook", 1)]);
            let options = WorkflowOptions::new(id, &task_queue);
            Ok(env.client().execute_workflow(quote, input, options).await?)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
