//! The first program: a workflow that calls an activity.

use std::time::Duration;
use temporal_integration_tests::history::{EventType, types};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::{Client, WorkflowOptions};
use temporal_sdk::worker::{Worker, WorkerBuilder};
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{activity, workflow};

#[activity]
pub(crate) fn say_hello(name: String) -> activity::Result<String> {
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

/// A workflow without handlers can be a function.
#[workflow]
pub(crate) async fn say_hello_flow(ctx: &workflow::Context, name: String) -> workflow::Result<String> {
    let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
    Ok(ctx.execute_activity(say_hello, name, options).await?)
}

#[workflow(name = "hello-under-another-name")]
pub(crate) async fn renamed(name: String) -> workflow::Result<String> {
    Ok(format!("renamed {name}"))
}

/// Registers the activities of this module, for other modules' workers.
pub(crate) fn activities(builder: WorkerBuilder) -> WorkerBuilder {
    builder.activity(say_hello)
}

fn worker(env: &Env) -> WorkerBuilder {
    env.worker()
        .workflow::<SayHello>()
        .workflow::<say_hello_flow>()
        .workflow::<renamed>()
        .activity(say_hello)
}

/// S1, S4, S37, S38, S42, S62, S66, S67, S71, S110, S135, S179: connect, serve and start with one client, a typed result.
#[test]
fn s1_s4_s37_hello_as_in_the_documentation() {
    run(async |env| {
        let client = env.client();
        let queue = env.task_queue();
        let worker = Worker::builder(client, queue)
            .workflow::<SayHello>()
            .activity(say_hello)
            .build()?;
        let id = env.id("hello");
        let greeting: String = worker
            .run_until(async {
                let options = WorkflowOptions::new(&id, queue);
                let handle = client.start_workflow(SayHello::run, "my name", options).await?;
                anyhow::Ok(handle.result().await?)
            })
            .await??;
        assert_eq!(greeting, "Hello, my name!");
        use EventType::*;
        assert_eq!(
            types(&env.events(&id).await?),
            [
                WorkflowExecutionStarted,
                WorkflowTaskScheduled,
                WorkflowTaskStarted,
                WorkflowTaskCompleted,
                ActivityTaskScheduled,
                ActivityTaskStarted,
                ActivityTaskCompleted,
                WorkflowTaskScheduled,
                WorkflowTaskStarted,
                WorkflowTaskCompleted,
                WorkflowExecutionCompleted,
            ]
        );
        Ok(())
    });
}

#[test]
fn s8_start_and_await_in_one_call() {
    run(async |env| {
        env.serve(worker(&env), async {
            let greeting = env
                .client()
                .execute_workflow(SayHello::run, "you", env.options("one"))
                .await?;
            assert_eq!(greeting, "Hello, you!");
            Ok(())
        })
        .await
    });
}

/// S9, S44: the default name is the type's; whoever knows it starts the workflow.
#[test]
fn s9_s44_start_by_name() {
    run(async |env| {
        env.serve(worker(&env), async {
            let named = workflow::named::<String>("SayHello");
            let greeting = env
                .client()
                .execute_workflow(named, "name", env.options("named"))
                .await?;
            assert_eq!(greeting, "Hello, name!");
            Ok(())
        })
        .await
    });
}

#[test]
fn s42_a_workflow_can_be_a_function() {
    run(async |env| {
        env.serve(worker(&env), async {
            let greeting = env
                .client()
                .execute_workflow(say_hello_flow, "flow", env.options("flow"))
                .await?;
            assert_eq!(greeting, "Hello, flow!");
            Ok(())
        })
        .await
    });
}

#[test]
fn s43_a_workflow_under_another_name() {
    run(async |env| {
        env.serve(worker(&env), async {
            let handle = env
                .client()
                .start_workflow(renamed, "x", env.options("renamed"))
                .await?;
            assert_eq!(handle.result().await?, "renamed x");
            assert_eq!(handle.describe().await?.workflow_type(), "hello-under-another-name");
            Ok(())
        })
        .await
    });
}

/// S2: a clone serves after the original is gone.
#[test]
fn s2_clients_are_cheap_clones() {
    run(async |env| {
        let original = Client::connect(env.client().connection().address()).await?;
        let client = original.clone();
        drop(original);
        let options = env.options("clone");
        env.serve(worker(&env), async move {
            let task = tokio::spawn(async move { client.execute_workflow(SayHello::run, "clone", options).await });
            assert_eq!(task.await??, "Hello, clone!");
            Ok(())
        })
        .await
    });
}
