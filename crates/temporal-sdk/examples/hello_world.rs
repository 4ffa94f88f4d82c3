//! A workflow that runs an activity, the worker that runs both, and a client that starts the workflow.
//!
//! `cargo run -p temporal-sdk --example hello_world` runs it on the embedded server, or on the one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::time::Duration;
use temporal_sdk::client::WorkflowOptions;
use temporal_sdk::worker::Worker;
use temporal_sdk::{activity, workflow, workflow::ActivityOptions};
use temporal_testing::WorkflowEnvironment;

#[activity]
fn say_hello(name: String) -> activity::Result<String> {
    Ok(format!("Hello, {name}!"))
}

#[derive(Default)]
pub(crate) struct SayHello;

#[workflow]
impl SayHello {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
        Ok(ctx.execute_activity(say_hello, name, options).await?)
    }
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<String> {
    let client = env.client();
    let worker = Worker::builder(client, "hello-world")
        .workflow::<SayHello>()
        .activity(say_hello)
        .build()?;
    let greeting = worker
        .run_until(async {
            let id = format!("hello-world-{}", std::process::id());
            let options = WorkflowOptions::new(id, "hello-world");
            client.execute_workflow(SayHello::run, "Temporal", options).await
        })
        .await??;
    Ok(greeting)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
