//! Cancelling: of a workflow that cleans up behind itself, of an activity that reacts to it, and of a scope.
//!
//! `cargo run -p temporal-sdk --example cancellation` runs it on the embedded server, or on the one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_sdk::client::{WorkflowError, WorkflowOptions};
use temporal_sdk::workflow::{ActivityOptions, CancellationType};
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;

/// Copies a volume, until it is done or told to stop. It has to heartbeat to be told.
#[activity]
async fn copy_volume(ctx: &activity::Context, volume: String) -> activity::Result<String> {
    for block in 0..100_000_u32 {
        ctx.heartbeat(block);
        // Ends here, with the error that says "cancelled", when cancellation was requested.
        ctx.until_cancelled(tokio::time::sleep(Duration::from_millis(20)))
            .await?;
    }
    Ok(format!("{volume} is copied"))
}

#[activity]
async fn delete_copy(volume: String) -> activity::Result<()> {
    println!("the unfinished copy of {volume} is deleted");
    Ok(())
}

/// Waits for a mirror, but not for longer than the first of two answers.
#[activity]
async fn ask_mirror(ctx: &activity::Context, slow: bool) -> activity::Result<String> {
    if slow {
        loop {
            ctx.heartbeat(());
            ctx.until_cancelled(tokio::time::sleep(Duration::from_millis(20)))
                .await?;
        }
    }
    Ok("the quick mirror".into())
}

#[derive(Default)]
pub(crate) struct Backup {
    mirror: RefCell<String>,
    copying: Cell<bool>,
}

#[workflow]
impl Backup {
    #[run]
    async fn run(&self, ctx: &workflow::Context, volume: String) -> workflow::Result<String> {
        let mirror = first_mirror(ctx).await?;
        self.mirror.replace(mirror);
        self.copying.set(true);
        match ctx.execute_activity(copy_volume, volume.as_str(), long()).await {
            Ok(done) => Ok(done),
            Err(failure) if failure.is_cancelled() => {
                // What is started through `ctx` is cancelled at once by now; what is shielded is not.
                let quick = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
                ctx.shielded().execute_activity(delete_copy, volume, quick).await?;
                // The workflow ends as cancelled. Returning `Ok` would end it as completed.
                Err(failure.into())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    #[query]
    fn copying(&self) -> bool {
        self.copying.get()
    }

    #[query]
    fn mirror(&self) -> String {
        self.mirror.borrow().clone()
    }
}

/// Asks two mirrors. A scope of its own cancels the other one when the first has answered.
async fn first_mirror(ctx: &workflow::Context) -> workflow::Result<String> {
    let (scope, handle) = ctx.child();
    let slow = scope.start_activity(ask_mirror, true, long());
    let quick = scope.start_activity(ask_mirror, false, long());
    let mut answers = workflow::as_completed([slow, quick]);
    let first = answers.next().await;
    handle.cancel();
    // Waits until the other one has stopped.
    while answers.next().await.is_some() {}
    match first {
        Some(answer) => Ok(answer?),
        None => Err("there are no mirrors".into()),
    }
}

fn long() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(Duration::from_secs(3600))
        // Without a heartbeat timeout an activity is not told of its cancellation.
        .heartbeat_timeout(Duration::from_secs(10))
        // By default a cancelled activity counts as ended at once; here its end is waited for.
        .cancellation_type(CancellationType::WaitCancellationCompleted)
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<WorkflowError> {
    // Others may run the example on the same server.
    let task_queue = format!("cancellation-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<Backup>()
        .activity(copy_volume)
        .activity(delete_copy)
        .activity(ask_mirror)
        // How often heartbeats are sent at most: 80 % of the heartbeat timeout, unless that is longer than this.
        .max_heartbeat_throttle_interval(Duration::from_millis(50))
        .build()?;
    worker
        .run_until(async {
            let options = WorkflowOptions::new(format!("backup-{}", std::process::id()), &task_queue);
            let backup = env.client().start_workflow(Backup::run, "volume-1", options).await?;
            while !backup.query(Backup::copying, ()).await? {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            println!("copying from {}", backup.query(Backup::mirror, ()).await?);

            backup.cancel_with_reason("the volume is too large").await?;
            match backup.result().await {
                Ok(done) => anyhow::bail!("it was too late to cancel: {done}"),
                Err(error) => Ok(error),
            }
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
