//! Dynamic workflows, activities and handlers: they take every name that has no code of its own.
//!
//! Here the names are those of a small language: a workflow's type is the name of a recipe, which is data, and each of its
//! steps is called as an activity of that name. Names that are known at compile time are better served by ordinary, typed
//! workflows.
//!
//! `cargo run -p temporal-sdk --example dynamic` runs it on the embedded server, or on the one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
use temporal_sdk::client::WorkflowOptions;
use temporal_sdk::client::definition::{query_named, signal_named, update_named};
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{RawValues, Worker, activity, args, workflow};
use temporal_testing::WorkflowEnvironment;

/// Does any step: the name says which, the arguments are decoded as it asks for them.
#[activity(dynamic)]
async fn any_step(name: String, args: RawValues) -> activity::Result<String> {
    match name.as_str() {
        "resize" => Ok(format!("{} at {} px", args.get::<String>(0)?, args.get::<u32>(1)?)),
        _ => Ok(format!("{name} {}", args.get::<String>(0)?)),
    }
}

#[derive(Default)]
pub(crate) struct Recipe {
    steps: RefCell<Vec<String>>,
    settings: RefCell<BTreeMap<String, u32>>,
    complete: Cell<bool>,
}

#[workflow(dynamic)]
impl Recipe {
    #[run]
    async fn run(&self, ctx: &workflow::Context, args: RawValues) -> workflow::Result<String> {
        ctx.wait_condition(|| self.complete.get()).await?;
        let mut subject: String = args.get(0)?;
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
        for step in self.steps.take() {
            let setting = self.settings.borrow().get(&step).copied();
            // Called by name. The result's type is the caller's to know.
            let activity = activity::named::<String>(step);
            subject = ctx
                .execute_activity(activity, args![subject, setting], options.clone())
                .await?;
        }
        Ok(format!("{}: {subject}", ctx.info().workflow_type))
    }

    /// An ordinary handler, for the one name that is known. It goes before the dynamic one.
    #[signal]
    fn cook(&self) {
        self.complete.set(true);
    }

    /// Any other signal sets what it is named after.
    #[signal(dynamic)]
    fn set(&self, name: String, args: RawValues) -> workflow::Result<()> {
        let value = args.get(0)?;
        self.settings.borrow_mut().insert(name, value);
        Ok(())
    }

    /// Any update adds the step of its name, and tells how many there are.
    #[update(dynamic)]
    fn add(&self, name: String, _args: RawValues) -> usize {
        self.steps.borrow_mut().push(name);
        self.steps.borrow().len()
    }

    /// Any query tells how often a step is in the recipe.
    #[query(dynamic)]
    fn count(&self, name: String, _args: RawValues) -> usize {
        self.steps.borrow().iter().filter(|step| **step == name).count()
    }
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<String> {
    // Others may run the example on the same server.
    let task_queue = format!("dynamic-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<Recipe>()
        .activity(any_step)
        .build()?;
    worker
        .run_until(async {
            let options = WorkflowOptions::new(format!("thumbnail-{}", std::process::id()), &task_queue);
            let recipe = workflow::named::<String>("Thumbnail");
            let recipe = env.client().start_workflow(recipe, "cat.png", options).await?;
            recipe.signal(signal_named("resize"), 64).await?;
            recipe.execute_update(update_named::<usize>("resize"), ()).await?;
            let steps = recipe.execute_update(update_named::<usize>("sharpen"), ()).await?;
            let resized = recipe.query(query_named::<usize>("resize"), ()).await?;
            println!("{steps} steps, {resized} of them to resize");
            recipe.signal(signal_named("cook"), ()).await?;
            Ok(recipe.result().await?)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
