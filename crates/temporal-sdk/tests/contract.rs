//! The user's side as it was agreed on before there was any code: each block of that contract, word for word, compiles, and what
//! can run does. Around the blocks is what they leave out; `…` in them is filled in. To change a line here is to break users.
#![allow(
    unused,
    clippy::unwrap_used,
    clippy::needless_return,
    reason = "the lines are as they were agreed on"
)]

use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporal_sdk::activity::CancellationReason;
use temporal_sdk::client::data::{RawValue, ToPayload};
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::{
    ActivityTarget, Client, Memo, SearchAttributes, WorkflowHandle, WorkflowHistory, WorkflowOptions,
};
use temporal_sdk::worker::Replayer;
use temporal_sdk::workflow::{ChildWorkflowOptions, LocalActivityOptions};
use temporal_sdk::{RawValues, Worker, activities, args};
use temporal_testing::environment::DevServerOptions;
use temporal_testing::{ActivityEnvironment, WorkflowEnvironment};

const MINUTE: Duration = Duration::from_secs(60);

fn five_seconds() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(Duration::from_secs(5))
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Order;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Receipt;

// ---- Hello

use temporal_sdk::{activity, workflow, workflow::ActivityOptions};

#[rustfmt::skip]
#[activity]
fn say_hello(name: String) -> activity::Result<String> {          // sync: runs on the blocking pool; `async fn`: on tokio
    Ok(format!("Hello, {name}!"))
}

#[derive(Default)]
struct SayHello;

#[workflow]
impl SayHello {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
        Ok(ctx.execute_activity(say_hello, name, options).await?)
    }
}

#[rustfmt::skip]
async fn serves() -> anyhow::Result<()> {
    let client = Client::connect("http://localhost:7233").await?;      // or ClientOptions / environment and temporal.toml
    Worker::builder(&client, "my-task-queue").workflow::<SayHello>().activity(say_hello).build()?.run().await?;
    Ok(())
}

#[rustfmt::skip]
async fn starts(client: &Client) -> anyhow::Result<String> {
    let options = WorkflowOptions::new("my-workflow-id", "my-task-queue");   // what is required is in the constructor
    let handle = client.start_workflow(SayHello::run, "my name", options).await?;   // WorkflowHandle<SayHello>
    let greeting: String = handle.result().await?;                     // typed; or client.execute_workflow(..) for both
    let _: WorkflowHandle<SayHello> = handle;
    Ok(greeting)
}

/// By name: workflows, activities, signals, queries and updates, with one value or `args![..]`.
async fn by_name(client: &Client) -> anyhow::Result<String> {
    let options = WorkflowOptions::new("by-name", "my-task-queue");
    Ok(client
        .execute_workflow(workflow::named::<String>("SayHello"), args!["my name"], options)
        .await?)
}

async fn more_by_name(ctx: &workflow::Context, handle: &WorkflowHandle<SayHello>) -> anyhow::Result<()> {
    let options = five_seconds();
    let _ = ctx
        .execute_activity(activity::named::<String>("…"), args![1, "b"], options)
        .await?;
    handle.signal(workflow::signal_named("…"), args![1, "b"]).await?;
    let _: u32 = handle.query(workflow::query_named("…"), 7).await?;
    let _: u32 = handle
        .execute_update(workflow::update_named("…"), "c".to_owned())
        .await?;
    Ok(())
}

#[tokio::test]
async fn hello() -> anyhow::Result<()> {
    let env = WorkflowEnvironment::start_time_skipping().await?;
    let client = env.client();
    let worker = Worker::builder(client, "my-task-queue")
        .workflow::<SayHello>()
        .activity(say_hello)
        .build()?;
    let greetings = worker
        .run_until(async { anyhow::Ok([starts(client).await?, by_name(client).await?]) })
        .await??;
    assert_eq!(greetings, ["Hello, my name!", "Hello, my name!"]);
    // The marker is still the function.
    assert!(say_hello("x".into()).is_ok_and(|greeting| greeting == "Hello, x!"));
    Ok(())
}

// ---- A workflow with handlers

mod greeting {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    struct GreetingInfo {
        salutation: String,
        name: String,
    }

    #[activity]
    async fn create_greeting(info: GreetingInfo) -> activity::Result<String> {
        Ok(format!("{} {}", info.salutation, info.name))
    }

    #[derive(Debug, thiserror::Error)]
    #[error("a greeting needs a text")]
    struct EmptyGreeting;

    #[derive(Default)]
    struct GreetingWorkflow {
        info: RefCell<GreetingInfo>,
        greeting: RefCell<String>,
        updated: Cell<bool>,
        complete: Cell<bool>,
    }

    #[rustfmt::skip]
    #[workflow]
    impl GreetingWorkflow {
        #[run]
        async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
            self.info.borrow_mut().name = name;
            loop {
                let info = self.info.borrow().clone();
                let greeting = ctx.execute_activity(create_greeting, info, five_seconds()).await?;
                self.greeting.replace(greeting);
                ctx.wait_condition(|| self.updated.take() || self.complete.get()).await?;
                if self.complete.get() { return Ok(self.greeting.borrow().clone()); }
            }
        }
        #[signal] fn update_salutation(&self, salutation: String) { /* sync or async; ctx is optional everywhere */
            self.info.borrow_mut().salutation = salutation;
            self.updated.set(true);
        }
        #[signal(name = "complete")] async fn complete_with_greeting(&self, ctx: &workflow::Context) { self.complete.set(true) }
        #[query]  fn current_greeting(&self) -> String { self.greeting.borrow().clone() }
        #[update] fn set_and_get_greeting(&self, greeting: String) -> String { self.greeting.replace(greeting) }
        #[validator(set_and_get_greeting)] fn check(&self, greeting: &String) -> Result<(), EmptyGreeting> {
            if greeting.is_empty() { Err(EmptyGreeting) } else { Ok(()) }
        }
    }

    #[rustfmt::skip]
    async fn talks(handle: &WorkflowHandle<GreetingWorkflow>) -> anyhow::Result<(String, String)> {
        handle.signal(GreetingWorkflow::update_salutation, "Aloha").await?;
        let now = handle.query(GreetingWorkflow::current_greeting, ()).await?;
        let old = handle.execute_update(GreetingWorkflow::set_and_get_greeting, "Hi").await?;
        Ok((now, old))
    }

    #[tokio::test]
    async fn greets() -> anyhow::Result<()> {
        let env = WorkflowEnvironment::start_time_skipping().await?;
        let client = env.client();
        let worker = Worker::builder(client, "tq")
            .workflow::<GreetingWorkflow>()
            .activity(create_greeting)
            .build()?;
        worker
            .run_until(async {
                let options = WorkflowOptions::new("wf", "tq");
                let handle = client.start_workflow(GreetingWorkflow::run, "Ada", options).await?;
                // The activity may be done before or after each of these.
                let (now, old) = talks(&handle).await?;
                let until_then = ["", " Ada", "Aloha Ada"];
                assert!(until_then.contains(&now.as_str()) && until_then.contains(&old.as_str()));
                let refused = handle.execute_update(GreetingWorkflow::set_and_get_greeting, "").await;
                assert!(refused.is_err());
                handle.signal(GreetingWorkflow::complete_with_greeting, ()).await?;
                assert!(["Hi", "Aloha Ada"].contains(&handle.result().await?.as_str()));
                anyhow::Ok(())
            })
            .await?
    }
}

// ---- The other forms of a definition

mod forms {
    use super::*;
    use std::rc::Rc;

    struct Initialised {
        name: String,
    }

    #[rustfmt::skip]
    #[workflow(name = "…")]
    impl Initialised {
        #[init] fn new(ctx: &workflow::Context, name: String) -> Self { Self { name } }
        #[run]
        async fn run(self: Rc<Self>, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
            Ok(format!("{} {name}", self.name))
        }
    }

    #[derive(Default)]
    struct Anything;

    #[rustfmt::skip]
    #[workflow(dynamic)]
    impl Anything {
        #[run]
        async fn run(&self, name: String, args: RawValues) -> workflow::Result<()> { Ok(()) }
        #[signal(dynamic)] fn any(&self, name: String, args: RawValues) {}
        #[query(dynamic)] fn any_query(&self, name: String, args: RawValues) -> usize { args.len() }
        #[update(dynamic)] fn any_update(&self, name: String, args: RawValues) -> usize { args.len() }
    }

    #[activity(dynamic)]
    fn any_activity(name: String, args: RawValues) -> activity::Result<()> {
        Ok(())
    }

    #[rustfmt::skip]
    #[workflow] async fn say_hello_flow(ctx: &workflow::Context, name: String) -> workflow::Result<String> { Ok(name) }

    #[rustfmt::skip]
    #[workflow] trait Payments { #[run] async fn run(order: Order) -> Receipt; #[signal] fn approve(); }

    #[rustfmt::skip]
    #[activities] trait Gateways { #[activity] async fn charge(order: Order) -> Receipt; }

    async fn declared(client: &Client) -> anyhow::Result<Receipt> {
        let handle = client
            .start_workflow(Payments::run, Order, WorkflowOptions::new("payment", "payments"))
            .await?;
        handle.signal(Payments::approve, ()).await?;
        Ok(handle.result().await?)
    }

    #[tokio::test]
    async fn registers() -> anyhow::Result<()> {
        let env = WorkflowEnvironment::start_time_skipping().await?;
        Worker::builder(env.client(), "tq")
            .workflow::<Initialised>()
            .workflow::<Anything>()
            .workflow::<say_hello_flow>()
            .activity(any_activity)
            .build()?;
        Ok(())
    }
}

// ---- In a workflow

mod in_a_workflow {
    use super::*;
    use std::cell::Cell;

    #[activity]
    async fn charge(order: Order) -> activity::Result<Receipt> {
        Ok(Receipt)
    }

    #[activity]
    async fn lookup(id: u32) -> activity::Result<String> {
        Ok(id.to_string())
    }

    #[activity]
    async fn refund(id: u32) -> activity::Result<()> {
        Ok(())
    }

    #[workflow]
    trait Ship {
        #[run]
        async fn run(order: Order) -> Receipt;
        #[signal]
        fn hold();
    }

    #[derive(Default)]
    struct Shop {
        ready: Cell<bool>,
    }

    #[rustfmt::skip]
    #[workflow]
    impl Shop {
        #[run]
        async fn run(&self, ctx: &workflow::Context, next_input: u32) -> workflow::Result<Receipt> {
            let (order, id) = (Order, 7_u32);
            let options = five_seconds();
            ctx.execute_activity(charge, order, options).await?;          // start_activity(..) gives a handle: await it, cancel it, detach it
            let options = LocalActivityOptions::start_to_close_timeout(MINUTE);
            ctx.execute_local_activity(lookup, id, options).await?;
            let child = ctx.start_child_workflow(Ship::run, order, ChildWorkflowOptions::new("ship-1")).await?;   // resolves once started
            child.signal(Ship::hold, ()).await?;  let receipt = child.await?;
            ctx.external_workflow::<Ship>("ship-2").signal(Ship::hold, ()).await?;                // and .cancel()
            ctx.external_workflow::<Ship>("ship-2").cancel().await?;
            ctx.sleep(Duration::from_secs(3600)).await?;
            ctx.wait_condition(|| self.ready.get()).timeout(MINUTE).await?;                        // Err(Timeout) or Err(Cancelled)
            let options = five_seconds();
            let (scope, handle) = ctx.child();  ctx.shielded().execute_activity(refund, id, options).await?;
            let task = ctx.spawn(async move { 1 });                                                // a deterministic task
            let (mut a, mut b) = (ctx.sleep(MINUTE), ctx.sleep(MINUTE));
            workflow::select! { r = &mut a => r?, _ = &mut b => {} }   workflow::join!(a, b);   workflow::join_all([ctx.sleep(MINUTE)]).await;
            ctx.patched("v2"); ctx.deprecate_patch("v2"); ctx.now(); ctx.random(); ctx.uuid4(); ctx.info(); ctx.memo::<u32>("k")?;
            ctx.upsert_search_attributes(SearchAttributes::new()); ctx.upsert_memo(Memo::new()); ctx.set_current_details("…"); ctx.all_handlers_finished();
            if ctx.is_continue_as_new_suggested() {
                return Err(ctx.continue_as_new(next_input));
            }
            Ok(receipt)
        }
    }

    async fn handles(ctx: &workflow::Context) -> workflow::Result<()> {
        let started = ctx.start_activity(charge, Order, five_seconds());
        started.cancel();
        started.await?;
        ctx.start_activity(charge, Order, five_seconds()).detach();
        Ok(())
    }
}

// ---- In an activity

mod in_an_activity {
    use super::*;

    struct Pool;

    struct Payments {
        pool: Pool,
    }

    impl Payments {
        fn new(pool: Pool) -> Self {
            Self { pool }
        }
    }

    #[rustfmt::skip]
    #[activities] impl Payments { #[activity] async fn charge(&self, ctx: &activity::Context,
    order: Order) -> activity::Result<Receipt> { Ok(Receipt) } }

    #[rustfmt::skip]
    #[activity]
    async fn asks(ctx: &activity::Context, progress: u32) -> activity::Result<()> {
        let (timeout, future) = (Duration::ZERO, async {});
        ctx.info();   ctx.heartbeat(progress);   let _ = ctx.heartbeat_details::<u32>();   ctx.client();
        ctx.is_cancelled();   ctx.cancelled().await;   ctx.wait_cancelled(timeout);   ctx.check_cancelled()?;
        ctx.until_cancelled(future).await?;                              // ends the future at its next await; what is outside is shielded
        ctx.is_worker_shutdown();   ctx.worker_shutdown().await;   ctx.wait_worker_shutdown(timeout);
        Ok(())
    }

    #[activity]
    async fn is_finished_later() -> activity::Result<()> {
        return Err(activity::Error::complete_async()); // finished later: client.activity_handle(task_token or ids)
    }

    #[rustfmt::skip]
    #[activity]
    fn declines() -> activity::Result<()> {
        let d = 7;
        return Err(ApplicationError::new("card declined").kind("Declined").non_retryable().details(&d)?.next_retry_delay(MINUTE).into());
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no ink")]
    struct NoInk;

    /// Errors of any type convert with `?`; anyhow's too.
    #[activity]
    fn prints(how: String) -> activity::Result<()> {
        match how.as_str() {
            "typed" => Err(NoInk)?,
            "anyhow" => Err(anyhow::anyhow!(NoInk))?,
            _ => panic!("on fire"),
        }
        Ok(())
    }

    async fn finishes(client: &Client, task_token: Vec<u8>) -> anyhow::Result<()> {
        client.activity_handle(task_token).complete(&()).await?;
        client
            .activity_handle(ActivityTarget::ids("wf", "1"))
            .complete(&())
            .await?;
        Ok(())
    }

    #[tokio::test]
    async fn fails_and_is_registered() -> anyhow::Result<()> {
        let env = WorkflowEnvironment::start_time_skipping().await?;
        let pool = Pool;
        Worker::builder(env.client(), "tq")
            .activities(Payments::new(pool))
            .build()?;

        let env = ActivityEnvironment::new();
        let declined = env.run(declines, ()).await.unwrap_err().to_string();
        assert_eq!(declined, "Declined: card declined");
        for how in ["typed", "anyhow"] {
            let error = env.run(prints, how).await.unwrap_err().to_string();
            assert!(error.contains("no ink"), "{error}");
        }
        let panicked = env.run(prints, "badly").await.unwrap_err().to_string();
        assert!(panicked.contains("Panic") && panicked.contains("on fire"), "{panicked}");
        Ok(())
    }
}

// ---- Tests

#[derive(Default)]
struct WaitADay;

#[workflow]
impl WaitADay {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.sleep(Duration::from_secs(24 * 3600)).await?;
        Ok("all done".to_owned())
    }
}

#[rustfmt::skip]
#[tokio::test]
async fn waits_a_day() -> anyhow::Result<()> {
    let env = WorkflowEnvironment::start_time_skipping().await?;          // embedded, in process, no port, any platform
    let worker = Worker::builder(env.client(), "tq").workflow::<WaitADay>().build()?;
    let result = worker.run_until(async {
        env.client().execute_workflow(WaitADay::run, (), WorkflowOptions::new("wf", "tq")).await
    }).await??;
    assert_eq!(result, "all done");                                       // 24 h skipped, in milliseconds
    Ok(())
}

async fn other_environments(options: DevServerOptions, address: &str, d: Duration) -> anyhow::Result<()> {
    let env = WorkflowEnvironment::start_local().await?;
    let _ = WorkflowEnvironment::start_dev_server(options).await?;
    let _ = WorkflowEnvironment::connect(address).await?;
    env.sleep(d).await;
    let _ = env.current_time();
    env.auto_time_skipping_disabled(async {}).await;
    Ok(())
}

#[tokio::test]
async fn an_activity_alone() {
    let mut env = ActivityEnvironment::new();
    env.info.attempt = 2;
    env.on_heartbeat(|details| assert_eq!(details.len(), 1));
    assert!(
        env.run(say_hello, "x")
            .await
            .is_ok_and(|greeting| greeting == "Hello, x!")
    );
    env.cancel();
    env.worker_shutdown();
}

#[rustfmt::skip]
async fn replays(client: &Client, json: &str) -> anyhow::Result<()> {
    Replayer::builder().workflow::<SayHello>().build()?.replay(WorkflowHistory::from_json(json)?).await?;
    let report = Replayer::builder().workflow::<SayHello>().build()?
        .replay_all(client.list_workflows("WorkflowType = 'SayHello'").histories()).await;
    anyhow::ensure!(report.is_ok(), "{report}");
    Ok(())
}
