//! Together with the official Python SDK: each side's workflows, activities, clients and histories with the other's.

use crate::MINUTE;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_integration_tests::history::{EventType, essential, to_json};
use temporal_integration_tests::python::{INSTALL, Python};
use temporal_integration_tests::{Env, run, server};
use temporal_sdk::client::WorkflowHistory;
use temporal_sdk::client::definition::{query_named, signal_named, update_named};
use temporal_sdk::worker::{Replayer, WorkerBuilder};
use temporal_sdk::workflow::{ActivityOptions, NexusOperation, NexusOperationOptions};
use temporal_sdk::{activity, workflow};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Greeting {
    salutation: String,
    name: String,
}

#[activity]
async fn compose_greeting(greeting: Greeting) -> activity::Result<String> {
    Ok(format!("{}, {}!", greeting.salutation, greeting.name))
}

#[activity]
fn rust_reverse(text: String) -> activity::Result<String> {
    Ok(text.chars().rev().collect())
}

/// The twin of the Python workflow of this name: it issues the same commands in the same order.
pub(crate) struct CrossGreeting {
    salutation: RefCell<String>,
    finished: Cell<bool>,
    greetings: RefCell<Vec<String>>,
}

impl Default for CrossGreeting {
    fn default() -> Self {
        Self {
            salutation: RefCell::new("Hello".to_owned()),
            finished: Cell::default(),
            greetings: RefCell::default(),
        }
    }
}

impl CrossGreeting {
    async fn compose(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        let greeting = Greeting {
            salutation: self.salutation.borrow().clone(),
            name,
        };
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(10));
        Ok(ctx.execute_activity(compose_greeting, greeting, options).await?)
    }
}

#[workflow]
impl CrossGreeting {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<Vec<String>> {
        ctx.sleep(Duration::from_millis(10)).await?;
        let greeting = self.compose(ctx, name).await?;
        self.greetings.borrow_mut().push(greeting);
        ctx.wait_condition(|| self.finished.get()).await?;
        Ok(self.greetings.borrow().clone())
    }

    #[signal]
    fn salute(&self, salutation: String) {
        self.salutation.replace(salutation);
    }

    #[signal]
    fn finish(&self) {
        self.finished.set(true);
    }

    #[query]
    fn salutation_now(&self) -> String {
        self.salutation.borrow().clone()
    }

    #[update]
    async fn greet(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        let greeting = self.compose(ctx, name).await?;
        self.greetings.borrow_mut().push(greeting.clone());
        Ok(greeting)
    }

    #[validator(greet)]
    fn check_greet(&self, name: &String) -> workflow::Result<()> {
        if name.is_empty() {
            Err("a greeting needs a name".into())
        } else {
            Ok(())
        }
    }
}

#[workflow]
pub(crate) async fn rust_calls_python(
    ctx: &workflow::Context,
    queue: String,
    text: String,
) -> workflow::Result<String> {
    let options = ActivityOptions::start_to_close_timeout(MINUTE).task_queue(queue);
    Ok(ctx
        .execute_activity(activity::named::<String>("python_upper"), text, options)
        .await?)
}

/// Calls a Nexus service of Python: one operation answers at once, one fails, one starts a workflow, and one is cancelled.
#[workflow]
pub(crate) async fn rust_calls_python_nexus(
    ctx: &workflow::Context,
    endpoint: String,
) -> workflow::Result<Vec<String>> {
    let operation = |name: &str| NexusOperation::<String, String>::named("python-words", name);
    let options = || NexusOperationOptions::new(&endpoint).schedule_to_close_timeout(MINUTE);
    let upper = ctx
        .execute_nexus_operation(operation("upper"), "quiet", options())
        .await?;
    let refused = ctx.execute_nexus_operation(operation("refuse"), "way", options()).await;
    let reversed = ctx
        .execute_nexus_operation(operation("reverse"), "stressed", options())
        .await?;
    let waits = ctx.start_nexus_operation(operation("reverse"), "", options()).await?;
    waits.cancel();
    let cancelled = waits.await.is_err_and(|failure| failure.is_cancelled());
    let refused = refused.map_or_else(
        |failure| failure.root_cause().message().to_owned(),
        |_| "taken".to_owned(),
    );
    Ok(vec![upper, refused, reversed, cancelled.to_string()])
}

/// The body with a Python, unless there is none.
fn with_python(body: impl AsyncFnOnce(Env, Python, String) -> anyhow::Result<()>) {
    let Some(python) = Python::find() else {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        temporal_integration_tests::env::missing(&name, INSTALL);
        return;
    };
    run(async |env| {
        let address = server::address().await?;
        body(env, python, address.trim_start_matches("http://").to_owned()).await
    });
}

fn worker(env: &Env) -> WorkerBuilder {
    env.worker().workflow::<CrossGreeting>().activity(compose_greeting)
}

async fn python_replays(env: &Env, python: &Python, id: &str) -> anyhow::Result<()> {
    let events = env.events(id).await?;
    let length = events.len();
    let file = std::env::temp_dir().join(format!("{id}.json"));
    std::fs::write(&file, to_json(events)?)?;
    let replayed = python.call(&["replay", &file.display().to_string()]).await;
    std::fs::remove_file(&file)?;
    assert_eq!(replayed?["replayed"], length);
    Ok(())
}

async fn rust_replays(env: &Env, id: &str) -> anyhow::Result<()> {
    let replayer = Replayer::builder().workflow::<CrossGreeting>().build()?;
    replayer
        .replay(WorkflowHistory::from_json(&to_json(env.events(id).await?)?)?)
        .await?;
    Ok(())
}

/// S9: a Python client starts, updates, queries and signals a Rust workflow, and gets its result; its history replays in both.
#[test]
fn s9_a_python_client_steers_a_rust_workflow() {
    with_python(async |env, python, address| {
        let id = env.id("rust");
        env.serve(worker(&env), async {
            let seen = python
                .call(&["client", &address, env.client().namespace(), env.task_queue(), &id])
                .await?;
            assert_eq!(seen["update"], "Hello, Update!");
            assert_eq!(seen["query"], "Aloha");
            let rejected = seen["rejected"].as_str().unwrap_or_default();
            assert!(rejected.contains("a greeting needs a name"), "{rejected}");
            let mut result: Vec<String> = serde_json::from_value(seen["result"].clone())?;
            result.sort();
            assert_eq!(result.len(), 2);
            assert!(result.contains(&"Hello, Update!".to_owned()), "{result:?}");
            Ok(())
        })
        .await?;
        rust_replays(&env, &id).await?;
        python_replays(&env, &python, &id).await
    });
}

/// S9: a Rust client does the same with the Python workflow; its history replays in both.
#[test]
fn s9_a_rust_client_steers_a_python_workflow() {
    with_python(async |env, python, address| {
        let _worker = python
            .worker(&address, env.client().namespace(), env.task_queue())
            .await?;
        let id = env.id("python");
        // Typed by the Rust twin, and by name.
        let handle = env
            .client()
            .start_workflow(CrossGreeting::run, "Python", env.options("python"))
            .await?;
        // With the run's own activity behind it: what ends in the same task as the update's, each SDK goes on with in its own order.
        env.until(&id, EventType::WorkflowTaskCompleted, 3).await?;
        assert_eq!(
            handle.execute_update(CrossGreeting::greet, "Update").await?,
            "Hello, Update!"
        );
        handle.signal(signal_named("salute"), "Aloha").await?;
        assert_eq!(
            handle.query(query_named::<String>("salutation_now"), ()).await?,
            "Aloha"
        );
        let error = handle
            .execute_update(update_named::<String>("greet"), "")
            .await
            .unwrap_err();
        let failure = crate::update_failure(error);
        assert_eq!(failure.root_cause().message(), "a greeting needs a name");
        handle.signal(CrossGreeting::finish, ()).await?;
        let greetings = handle.result().await?;
        assert_eq!(greetings.len(), 2);
        assert!(greetings.contains(&"Hello, Update!".to_owned()), "{greetings:?}");
        python_replays(&env, &python, &id).await?;
        rust_replays(&env, &id).await
    });
}

/// S68: a Rust workflow calls a Python activity, and a Python workflow a Rust one.
#[test]
fn s68_activities_across_languages() {
    with_python(async |env, python, address| {
        let python_queue = env.id("queue");
        let namespace = env.client().namespace().to_owned();
        let _worker = python.worker(&address, &namespace, &python_queue).await?;
        env.serve(
            env.worker().workflow::<rust_calls_python>().activity(rust_reverse),
            async {
                let input = (python_queue.as_str(), "quiet");
                let result = env
                    .client()
                    .execute_workflow(rust_calls_python, input, env.options("upper"))
                    .await?;
                assert_eq!(result, "QUIET");
                let id = env.unrecorded_id("reverse");
                let seen = python
                    .call(&["call", &address, &namespace, &python_queue, &id, env.task_queue()])
                    .await?;
                assert_eq!(seen["result"], "desserts");
                Ok(())
            },
        )
        .await
    });
}

/// S9: the twins, steered alike, write the same history.
#[test]
fn s9_twins_write_the_same_history() {
    with_python(async |env, python, address| {
        let namespace = env.client().namespace().to_owned();
        let python_queue = env.id("queue");
        let _worker = python.worker(&address, &namespace, &python_queue).await?;
        env.serve(worker(&env), async {
            let mut histories = Vec::new();
            for (suffix, queue) in [("ours", env.task_queue()), ("theirs", python_queue.as_str())] {
                let id = env.id(suffix);
                let options = temporal_sdk::client::WorkflowOptions::new(&id, queue);
                let handle = env.client().start_workflow(CrossGreeting::run, "x", options).await?;
                env.wait_for_event(&id, |event| event.event_type() == EventType::ActivityTaskCompleted)
                    .await?;
                handle.execute_update(CrossGreeting::greet, "y").await?;
                handle.signal(CrossGreeting::finish, ()).await?;
                assert_eq!(handle.result().await?, ["Hello, x!", "Hello, y!"]);
                histories.push(essential(&env.events(&id).await?));
            }
            assert_eq!(histories[0], histories[1]);
            Ok(())
        })
        .await
    });
}

/// P24: a Python service serves the Nexus operations of a Rust workflow, with workflows of its own where it says so.
#[test]
fn p24_nexus_operations_across_languages() {
    with_python(async |env, python, address| {
        let python_queue = env.unrecorded_id("queue");
        let endpoint = env.nexus_endpoint(&python_queue).await?;
        let _worker = python.worker(&address, env.client().namespace(), &python_queue).await?;
        env.serve(env.worker().workflow::<rust_calls_python_nexus>(), async {
            let told = env
                .client()
                .execute_workflow(rust_calls_python_nexus, endpoint.as_str(), env.options("nexus"))
                .await?;
            assert_eq!(told[0], "QUIET");
            assert!(told[1].contains("no way"), "{}", told[1]);
            assert_eq!(told[2..], ["desserts", "true"]);
            Ok(())
        })
        .await
    });
}
