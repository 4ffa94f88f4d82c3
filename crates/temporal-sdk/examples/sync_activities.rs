//! Activities that block their thread: plain functions, run on a pool of threads.
//!
//! A `fn` with `#[activity]` may compute for long, read files, or wait on a lock, which an `async fn` must not do. By default
//! it runs on tokio's pool for blocking code. A pool of the worker's own limits how many run at the same time.
//!
//! `cargo run -p temporal-sdk --example sync_activities` runs it on the embedded server, or on the one at
//! `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::num::NonZeroUsize;
use std::time::Duration;
use temporal_sdk::activity::ThreadPool;
use temporal_sdk::client::{RetryPolicy, WorkflowOptions};
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;

/// Counts the primes below a number, and goes on where the last attempt got to.
#[activity]
fn count_primes(ctx: &activity::Context, below: u32) -> activity::Result<u32> {
    let (mut next, mut found) = ctx.heartbeat_details::<(u32, u32)>()?.unwrap_or((2, 0));
    while next < below {
        found += u32::from(is_prime(next));
        next += 1;
        if next.is_multiple_of(1_000) {
            // Returns at once: heartbeats are sent in the background, the newest one now and then.
            ctx.heartbeat((next, found));
            // Ends the activity here when it was cancelled.
            ctx.check_cancelled()?;
        }
        // A worker that crashes half-way. The next attempt need not begin anew.
        if next == below / 2 && ctx.info().attempt == 1 {
            return Err("out of memory".into());
        }
    }
    println!("{}", std::thread::current().name().unwrap_or("a thread"));
    Ok(found)
}

fn is_prime(number: u32) -> bool {
    (2..)
        .take_while(|divisor| divisor * divisor <= number)
        .all(|divisor| !number.is_multiple_of(divisor))
}

#[workflow]
pub(crate) async fn primes(ctx: &workflow::Context, limits: Vec<u32>) -> workflow::Result<Vec<u32>> {
    let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(60))
        .heartbeat_timeout(Duration::from_secs(5))
        .retry_policy(RetryPolicy::new().initial_interval(Duration::from_millis(10)));
    let counts = limits
        .into_iter()
        .map(|below| ctx.start_activity(count_primes, below, options.clone()));
    let mut found = Vec::new();
    for count in workflow::join_all(counts).await {
        found.push(count?);
    }
    Ok(found)
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<Vec<u32>> {
    const THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
    // Others may run the example on the same server.
    let task_queue = format!("sync-activities-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<primes>()
        .activity(count_primes)
        .executor(ThreadPool::new(THREADS)?)
        // No more than there are threads, or the rest waits in line while its timeouts run.
        .max_concurrent_activities(THREADS.get())
        .build()?;
    worker
        .run_until(async {
            let options = WorkflowOptions::new(format!("primes-{}", std::process::id()), &task_queue);
            Ok(env
                .client()
                .execute_workflow(primes, vec![10_000, 20_000, 30_000], options)
                .await?)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:?}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
