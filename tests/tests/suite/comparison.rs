//! The embedded server against a real one: the same scenario gives the same history, event by event.
//!
//! Both run with the same workflow ids and task queues, so that attributes compare as they are; only what a server makes up
//! (run ids, times, tokens) is left out.

use crate::{activities, cancellation, children, client, continue_as_new, data, dynamic, failing, hello};
use crate::{local_activities, messages, nexus_workflows, ordering, timers_conditions, trouble};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;
use temporal_integration_tests::history::to_json;
use temporal_integration_tests::server::{Kind, address_of};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::{Client, RetryPolicy};
use temporal_sdk::worker::WorkerBuilder;

type Scenario = for<'a> fn(&'a Env, &'a str) -> BoxFuture<'a, anyhow::Result<()>>;

/// Starts the workflow and waits for its end, however it ends.
macro_rules! executes {
    ($workflow:expr, $input:expr) => {
        |env, name| {
            async move {
                let handle = env
                    .client()
                    .start_workflow($workflow, $input, env.unrecorded_options(name))
                    .await?;
                let _ = handle.result().await;
                Ok(())
            }
            .boxed()
        }
    };
}

const SCENARIOS: &[(&str, Scenario)] = &[
    ("hello", executes!(hello::SayHello::run, "you")),
    ("flow", executes!(hello::say_hello_flow, "you")),
    ("missing", executes!(client::sum, (1, 2, None))),
    ("kinds", executes!(activities::all_kinds, "four")),
    ("retries", executes!(activities::retries, ())),
    ("failures", executes!(activities::failures, ())),
    ("doubles", executes!(local_activities::doubles, 5)),
    ("sleeps", executes!(timers_conditions::sleeps, ())),
    ("none", executes!(timers_conditions::no_timers, ())),
    ("once", executes!(cancellation::cancels_at_once, ())),
    ("refused", executes!(children::refused_child, ())),
    ("passes", executes!(children::passes_on_failure, ())),
    ("bytes", executes!(data::gives_bytes, ())),
    ("application", executes!(failing::fails, "application")),
    ("anyhow", executes!(failing::fails, "anyhow")),
    ("init", executes!(dynamic::Constructed::run, "Ada")),
    ("turnstile", executes!(ordering::Turnstile::run, 10_u32)),
    ("badly", executes!(trouble::weighs_badly, ())),
    ("down", executes!(continue_as_new::counts_down, (1_u32, 1_u32))),
    ("terminated", |env, name| {
        async move {
            let handle = env
                .client()
                .start_workflow(client::Waiter::run, (), env.unrecorded_options(name))
                .await?;
            first_task(env, name).await?;
            handle.terminate("no longer wanted").await?;
            Ok(())
        }
        .boxed()
    }),
    ("cancelled", |env, name| {
        async move {
            let options = env.unrecorded_options(name);
            let handle = env
                .client()
                .start_workflow(cancellation::cancelled_in_sleep, (), options)
                .await?;
            first_task(env, name).await?;
            handle.cancel_with_reason("a reason").await?;
            let _ = handle.result().await;
            Ok(())
        }
        .boxed()
    }),
    ("signalled", |env, name| {
        async move {
            let handle = env
                .client()
                .start_workflow(client::Waiter::run, (), env.unrecorded_options(name))
                .await?;
            first_task(env, name).await?;
            handle.signal(client::Waiter::end, ()).await?;
            handle.result().await?;
            Ok(())
        }
        .boxed()
    }),
    ("updated", |env, name| {
        async move {
            let handle = env
                .client()
                .start_workflow(messages::Ledger::run, (), env.unrecorded_options(name))
                .await?;
            first_task(env, name).await?;
            let options = temporal_sdk::client::UpdateOptions::new(temporal_sdk::client::UpdateWaitStage::Completed);
            handle
                .start_update(messages::Ledger::enter_and_count, "a", options.id("u1"))
                .await?;
            handle.signal(messages::Ledger::close, ()).await?;
            handle.result().await?;
            Ok(())
        }
        .boxed()
    }),
    ("with-start", |env, name| {
        async move {
            let options = env.unrecorded_options(name);
            let handle = env
                .client()
                .signal_with_start(messages::Ledger::run, (), options, messages::Ledger::enter, "x")
                .await?;
            first_task(env, name).await?;
            handle.signal(messages::Ledger::close, ()).await?;
            handle.result().await?;
            Ok(())
        }
        .boxed()
    }),
    ("delayed", |env, name| {
        async move {
            let options = env.unrecorded_options(name).start_delay(Duration::from_secs(1));
            let handle = env
                .client()
                .start_workflow(hello::say_hello_flow, "you", options)
                .await?;
            handle.result().await?;
            Ok(())
        }
        .boxed()
    }),
    ("retried", |env, name| {
        async move {
            let policy = RetryPolicy::new().maximum_attempts(2);
            let options = env.unrecorded_options(name).retry_policy(policy);
            let handle = env.client().start_workflow(failing::fails, "anyhow", options).await?;
            let _ = handle.result().await;
            Ok(())
        }
        .boxed()
    }),
    ("update-with-start", |env, name| {
        async move {
            use temporal_sdk::client::protos::api::enums::v1::WorkflowIdConflictPolicy;
            let options = env
                .unrecorded_options(name)
                .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
            let client = env.client();
            let (run, update) = (messages::Ledger::run, messages::Ledger::enter_and_count);
            client.execute_update_with_start(run, (), options, update, "a").await?;
            let handle = client.workflow_handle::<messages::Ledger>(env.unrecorded_id(name));
            handle.signal(messages::Ledger::close, ()).await?;
            handle.result().await?;
            Ok(())
        }
        .boxed()
    }),
    ("nexus", |env, name| {
        async move {
            let queue = format!("{}-nexus", env.task_queue());
            let endpoint = env.nexus_endpoint(&queue).await?;
            let options = env.unrecorded_options(name);
            let workflow = nexus_workflows::calls_every_way;
            let handle = env
                .client()
                .start_workflow(workflow, endpoint.as_str(), options)
                .await?;
            let (ended, served) = tokio::join!(handle.result(), nexus_workflows::serve(env, &queue, handle.id(), 5));
            served?;
            ended?;
            Ok(())
        }
        .boxed()
    }),
];

/// What cannot agree, as (scenario, path of the attribute), with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("sleeps", ".data", "the workflow returns how long it slept"),
    ("update-with-start", ".updateId", "drawn at random by the client"),
    (
        "update-with-start",
        ".acceptedRequestMessageId",
        "made of the update id, which is drawn at random",
    ),
];

async fn first_task(env: &Env, name: &str) -> anyhow::Result<()> {
    use temporal_integration_tests::history::EventType;
    let id = env.unrecorded_id(name);
    env.wait_for_event(&id, |event| event.event_type() == EventType::WorkflowTaskCompleted)
        .await?;
    Ok(())
}

fn worker(env: &Env) -> WorkerBuilder {
    let builder = env
        .worker()
        .workflow::<hello::SayHello>()
        .workflow::<hello::say_hello_flow>()
        .workflow::<client::sum>()
        .workflow::<client::Waiter>()
        .workflow::<activities::all_kinds>()
        .workflow::<activities::retries>()
        .workflow::<activities::failures>()
        .workflow::<local_activities::doubles>()
        .workflow::<timers_conditions::sleeps>()
        .workflow::<timers_conditions::no_timers>()
        .workflow::<cancellation::cancels_at_once>()
        .workflow::<cancellation::cancelled_in_sleep>()
        .workflow::<children::Ship>()
        .workflow::<children::refused_child>()
        .workflow::<children::passes_on_failure>()
        .workflow::<data::gives_bytes>()
        .workflow::<failing::fails>()
        .workflow::<dynamic::Constructed>()
        .workflow::<ordering::Turnstile>()
        .workflow::<trouble::weighs_badly>()
        .workflow::<continue_as_new::counts_down>()
        .workflow::<messages::Ledger>()
        .workflow::<nexus_workflows::calls_every_way>()
        .workflow::<nexus_workflows::Shipment>();
    let builder = hello::activities(builder);
    let builder = activities::activities(builder);
    let builder = cancellation::activities(builder);
    let builder = trouble::activities(builder);
    local_activities::activities(builder)
}

/// The attributes that a server makes up, or that differ from run to run on one server.
const MADE_UP: &[&str] = &[
    "eventTime",
    "createTime",
    "expireTime",
    "taskId",
    "requestId",
    "runId",
    "originalExecutionRunId",
    "firstExecutionRunId",
    "continuedExecutionRunId",
    "newExecutionRunId",
    "historySizeBytes",
    "namespaceId",
    "firstWorkflowTaskBackoff",
    "version",
    "stackTrace",
    // Drawn at random by the worker.
    "protocolInstanceId",
    "endpointId",
];

/// The event without what a server makes up.
fn normalize(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !MADE_UP.contains(&name.as_str()));
            // A child without an id of its own gets one drawn from its parent's run id.
            if fields
                .get("workflowId")
                .and_then(Value::as_str)
                .is_some_and(|id| uuid::Uuid::parse_str(id).is_ok())
            {
                fields.remove("workflowId");
            }
            if fields.get("kind").and_then(Value::as_str) == Some("TASK_QUEUE_KIND_STICKY") {
                fields.remove("name");
            }
            // The details of a local activity's marker hold its times.
            if fields.get("markerName").and_then(Value::as_str) == Some("core_local_activity")
                && let Some(Value::Object(details)) = fields.get_mut("details")
            {
                details.remove("data");
            }
            fields.values_mut().for_each(normalize);
        }
        Value::Array(values) => values.iter_mut().for_each(normalize),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The paths at which two values differ, each with both values.
fn differences(path: &str, a: &Value, b: &Value, found: &mut Vec<(String, String)>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                differences(&format!("{path}.{name}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{index}]"), a, b, found);
            }
        }
        (a, b) if a != b => found.push((path.to_owned(), format!("dev {a}, embedded {b}"))),
        _ => {}
    }
}

/// What a scenario leaves on a server.
async fn history_on(env: &Env, kind: Kind) -> anyhow::Result<Vec<Vec<Value>>> {
    let client = Client::connect(address_of(kind).await?.as_str()).await?;
    let env = env.with_client(client);
    env.serve(worker(&env), async {
        let mut histories = Vec::new();
        for (name, scenario) in SCENARIOS {
            scenario(&env, name)
                .await
                .map_err(|error| error.context(format!("{name} on {kind:?}")))?;
            let events = env.events(&env.unrecorded_id(name)).await?;
            let Value::Object(mut history) = serde_json::from_str(&to_json(events)?)? else {
                anyhow::bail!("a history is an object");
            };
            let Some(Value::Array(mut events)) = history.remove("events") else {
                anyhow::bail!("a history has events");
            };
            events.iter_mut().for_each(normalize);
            histories.push(events);
        }
        Ok(histories)
    })
    .await
}

fn kind_of(event: &Value) -> &str {
    event.get("eventType").and_then(Value::as_str).unwrap_or_default()
}

/// S179: each scenario on both servers.
#[test]
fn s179_both_servers_write_the_same_histories() {
    run(async |env| {
        let dev = history_on(&env, Kind::Dev).await?;
        let embedded = history_on(&env, Kind::Embedded).await?;
        let mut report = Vec::new();
        for (((name, _), dev), embedded) in SCENARIOS.iter().zip(dev).zip(embedded) {
            let kinds = |events: &[Value]| events.iter().map(|event| kind_of(event).to_owned()).collect::<Vec<_>>();
            let (a, b) = (kinds(&dev), kinds(&embedded));
            if a != b {
                report.push(format!("{name}: dev {a:?}\n  embedded {b:?}"));
                continue;
            }
            for (a, b) in dev.iter().zip(&embedded) {
                let mut found = Vec::new();
                differences("", a, b, &mut found);
                found.retain(|(path, _)| !EXCEPTIONS.iter().any(|(of, at, _)| of == name && path.ends_with(at)));
                report.extend(
                    found
                        .into_iter()
                        .map(|(path, both)| format!("{name}: {}{path}: {both}", kind_of(a))),
                );
            }
        }
        assert!(
            report.is_empty(),
            "{} differences:\n{}",
            report.len(),
            report.join("\n")
        );
        Ok(())
    });
}
