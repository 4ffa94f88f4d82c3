//! An activity that somebody else finishes: its code hands the work over and returns, the result comes later, from
//! anywhere.
//!
//! Here an expense waits for a person. The activity notes its task token where the person's program finds it. Other
//! programs can also use ids, `ActivityTarget::ids(workflow_id, activity_id)`, where the workflow gave the activity one.
//!
//! `cargo run -p temporal-sdk --example async_completion` runs it on the embedded server, or on the one at
//! `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::time::Duration;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::{ActivityTarget, Client, WorkflowOptions};
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{Worker, activities, activity, workflow};
use temporal_testing::WorkflowEnvironment;
use tokio::sync::mpsc;

/// A request on somebody's desk.
struct Request {
    expense: String,
    cents: u64,
    activity: ActivityTarget,
}

/// The desk: a database table or a message queue elsewhere.
struct Desk(mpsc::Sender<Request>);

#[activities]
impl Desk {
    #[activity]
    async fn approve(&self, ctx: &activity::Context, expense: String, cents: u64) -> activity::Result<String> {
        let request = Request {
            expense,
            cents,
            activity: ctx.info().task_token.clone().into(),
        };
        self.0.send(request).await?;
        // Neither a success nor a failure: the activity stays open until someone completes it or its timeout is over.
        Err(activity::Error::complete_async())
    }
}

#[workflow]
pub(crate) async fn reimburse(ctx: &workflow::Context, expense: String, cents: u64) -> workflow::Result<String> {
    // The one who approves has a week. The start-to-close timeout covers the time until it is completed from elsewhere.
    let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(7 * 24 * 3600));
    match ctx
        .execute_activity(Desk::approve, (expense.as_str(), cents), options)
        .await
    {
        Ok(by) => Ok(format!("{expense}: paid, approved by {by}")),
        Err(failure) => match failure.as_application() {
            Some(refusal) if refusal.type_name() == "Refused" => Ok(format!("{expense}: {}", refusal.message())),
            _ => Err(failure.into()),
        },
    }
}

/// The other program: it needs a client, and nothing of the worker.
async fn decide(client: Client, mut desk: mpsc::Receiver<Request>) -> anyhow::Result<()> {
    while let Some(request) = desk.recv().await {
        let activity = client.activity_handle(request.activity);
        if request.cents < 10_000 {
            activity.complete(&"Grace").await?;
        } else {
            println!("{} is too expensive", request.expense);
            let refusal = ApplicationError::new("refused, take the train")
                .kind("Refused")
                .non_retryable();
            activity.fail(&refusal).await?;
        }
    }
    Ok(())
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<[String; 2]> {
    let (sender, receiver) = mpsc::channel(10);
    let deciding = tokio::spawn(decide(env.client().clone(), receiver));

    // The desk is in this process, so the task queue is too.
    let task_queue = format!("async-completion-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<reimburse>()
        .activities(Desk(sender))
        .build()?;
    let results = worker
        .run_until(async {
            let execute = |expense: &str, cents: u64| {
                let options = WorkflowOptions::new(format!("{task_queue}-{expense}"), &task_queue);
                env.client().execute_workflow(reimburse, (expense, cents), options)
            };
            anyhow::Ok([execute("lunch", 1_800).await?, execute("flight", 90_000).await?])
        })
        .await??;
    // The worker has ended, and with it the desk's sender.
    deciding.await??;
    Ok(results)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:?}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
