//! A workflow that is steered while it runs: signals, queries, updates with a validator.
//!
//! `cargo run -p temporal-sdk --example greeting` runs it on the embedded server, or on the one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_sdk::client::{Client, WorkflowOptions};
use temporal_sdk::worker::Worker;
use temporal_sdk::{activity, workflow, workflow::ActivityOptions};
use temporal_testing::WorkflowEnvironment;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct GreetingInfo {
    salutation: String,
    name: String,
}

#[activity]
async fn create_greeting(info: GreetingInfo) -> activity::Result<String> {
    Ok(format!("{}, {}!", info.salutation, info.name))
}

#[derive(Debug, thiserror::Error)]
#[error("a greeting cannot be empty")]
struct EmptyGreeting;

#[derive(Default)]
pub(crate) struct GreetingWorkflow {
    info: RefCell<GreetingInfo>,
    greeting: RefCell<String>,
    updated: Cell<bool>,
    complete: Cell<bool>,
}

#[workflow]
impl GreetingWorkflow {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        self.info.replace(GreetingInfo {
            salutation: "Hello".into(),
            name,
        });
        loop {
            let info = self.info.borrow().clone();
            let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
            let greeting = ctx.execute_activity(create_greeting, info, options).await?;
            self.greeting.replace(greeting);
            ctx.wait_condition(|| self.updated.take() || self.complete.get())
                .await?;
            if self.complete.get() {
                return Ok(self.greeting.borrow().clone());
            }
        }
    }

    #[signal]
    fn update_salutation(&self, salutation: String) {
        self.info.borrow_mut().salutation = salutation;
        self.updated.set(true);
    }

    #[signal(name = "complete")]
    fn complete_with_greeting(&self) {
        self.complete.set(true);
    }

    #[query]
    fn current_greeting(&self) -> String {
        self.greeting.borrow().clone()
    }

    #[update]
    fn set_and_get_greeting(&self, greeting: String) -> String {
        self.greeting.replace(greeting)
    }

    #[update]
    async fn wait_for_greeting(&self, ctx: &workflow::Context, beginning: String) -> workflow::Result<String> {
        ctx.wait_condition(|| self.greeting.borrow().starts_with(&beginning))
            .await?;
        Ok(self.greeting.borrow().clone())
    }

    #[validator(set_and_get_greeting)]
    fn check(&self, greeting: &String) -> Result<(), EmptyGreeting> {
        if greeting.is_empty() {
            Err(EmptyGreeting)
        } else {
            Ok(())
        }
    }
}

async fn steer(client: &Client) -> anyhow::Result<String> {
    let id = format!("greeting-{}", std::process::id());
    let handle = client
        .start_workflow(GreetingWorkflow::run, "Temporal", WorkflowOptions::new(id, "greeting"))
        .await?;

    let greeting = handle
        .execute_update(GreetingWorkflow::wait_for_greeting, "Hello")
        .await?;
    println!("an update waits for {greeting:?}");

    handle.signal(GreetingWorkflow::update_salutation, "Aloha").await?;
    handle
        .execute_update(GreetingWorkflow::wait_for_greeting, "Aloha")
        .await?;
    let greeting = handle.query(GreetingWorkflow::current_greeting, ()).await?;
    println!("after a signal, a query answers {greeting:?}");

    let before = handle
        .execute_update(GreetingWorkflow::set_and_get_greeting, "Hi there!")
        .await?;
    println!("an update replaces {before:?}");
    if let Err(refused) = handle.execute_update(GreetingWorkflow::set_and_get_greeting, "").await {
        println!("an update is refused: {refused}");
    }

    handle.signal(GreetingWorkflow::complete_with_greeting, ()).await?;
    Ok(handle.result().await?)
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<String> {
    let client = env.client();
    let worker = Worker::builder(client, "greeting")
        .workflow::<GreetingWorkflow>()
        .activity(create_greeting)
        .build()?;
    worker.run_until(steer(client)).await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let greeting = example(&WorkflowEnvironment::from_env().await?).await?;
    println!("the workflow ends with {greeting:?}");
    Ok(())
}
