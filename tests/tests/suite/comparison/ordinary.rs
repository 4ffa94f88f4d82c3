//! Ordinary workflows of the suite, run by an ordinary worker.
//!
//! Where two things happen at once, which comes first is up to chance on any server: those scenarios are not here but by hand.

use super::Scenario;
use crate::{
    activities, author, beyond, cancellation, children, client, continue_as_new, data, doors, dynamic, failing, hello,
};
use crate::{
    local_activities, messages, nexus_workflows, ordering, patches, rows_workflows, timers_conditions, trouble,
};
use futures_util::FutureExt as _;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use temporal_integration_tests::Env;
use temporal_integration_tests::history::EventType;
use temporal_sdk::client::definition::{signal_named, update_named};
use temporal_sdk::client::protos::api::enums::v1::WorkflowIdConflictPolicy;
use temporal_sdk::client::{
    RetryPolicy, SearchAttributeKey, SearchAttributes, UpdateOptions, UpdateWaitStage, WorkflowOptions,
};
use temporal_sdk::worker::{Worker, WorkerBuilder};
use temporal_sdk::{args, workflow};

/// Starts the workflow and waits for its end, however it ends.
macro_rules! executes {
    ($workflow:expr, $input:expr) => {
        executes!($workflow, $input, |options| options)
    };
    ($workflow:expr, $input:expr, |$options:ident| $change:expr) => {
        |stage| {
            async move {
                let $options = stage.options();
                let client = stage.env.client();
                let handle = client.start_workflow($workflow, $input, $change).await?;
                let _ = handle.result().await;
                Ok(())
            }
            .boxed_local()
        }
    };
}

/// Starts the workflow, waits for the end of its first task, and goes on with the handle.
macro_rules! steers {
    ($workflow:expr, $input:expr, |$stage:ident, $handle:ident| $body:expr) => {
        |$stage| {
            async move {
                let client = $stage.env.client();
                let $handle = client.start_workflow($workflow, $input, $stage.options()).await?;
                $stage.first_task().await?;
                $body
                Ok(())
            }
            .boxed_local()
        }
    };
}

/// Starts an operation, and ends it in some way: what [`cancellation::Ends`] is told.
macro_rules! ends {
    ($name:literal, $operation:literal, $way:literal) => {
        (
            $name,
            steers!(cancellation::Ends::run, ($operation, $way), |stage, handle| {
                if $way == "workflow" {
                    handle.cancel().await?;
                } else {
                    handle.signal(cancellation::Ends::go, ()).await?;
                }
                handle.result().await?;
            }),
        )
    };
}

fn completed(id: &str) -> UpdateOptions {
    UpdateOptions::new(UpdateWaitStage::Completed).id(id)
}

pub(super) const SCENARIOS: &[Scenario] = &[
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
    ("bytes", executes!(data::gives_bytes, ())),
    ("application", executes!(failing::fails, "application")),
    ("anyhow", executes!(failing::fails, "anyhow")),
    ("init", executes!(dynamic::Constructed::run, "Ada")),
    ("turnstile", executes!(ordering::Turnstile::run, 10_u32)),
    ("badly", executes!(trouble::weighs_badly, ())),
    ("down", executes!(continue_as_new::counts_down, (1_u32, 1_u32))),
    (
        "terminated",
        steers!(client::Waiter::run, (), |stage, handle| {
            handle.terminate("no longer wanted").await?;
        }),
    ),
    (
        "cancelled",
        steers!(cancellation::cancelled_in_sleep, (), |stage, handle| {
            handle.cancel_with_reason("a reason").await?;
            let _ = handle.result().await;
        }),
    ),
    (
        "signalled",
        steers!(client::Waiter::run, (), |stage, handle| {
            handle.signal(client::Waiter::end, ()).await?;
            handle.result().await?;
        }),
    ),
    (
        "updated",
        steers!(messages::Ledger::run, (), |stage, handle| {
            handle
                .start_update(messages::Ledger::enter_and_count, "a", completed("u1"))
                .await?;
            handle.signal(messages::Ledger::close, ()).await?;
            handle.result().await?;
        }),
    ),
    ("with-start", |stage| {
        async move {
            let enter = messages::Ledger::enter;
            let handle = stage
                .env
                .client()
                .signal_with_start(messages::Ledger::run, (), stage.options(), enter, "x")
                .await?;
            stage.first_task().await?;
            handle.signal(messages::Ledger::close, ()).await?;
            handle.result().await?;
            Ok(())
        }
        .boxed_local()
    }),
    (
        "delayed",
        executes!(hello::say_hello_flow, "you", |options| {
            options.start_delay(Duration::from_secs(1))
        }),
    ),
    (
        "retried",
        executes!(failing::fails, "anyhow", |options| {
            options.retry_policy(RetryPolicy::new().maximum_attempts(2))
        }),
    ),
    ("update-with-start", |stage| {
        async move {
            let options = stage
                .options()
                .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
            let client = stage.env.client();
            let (run, update) = (messages::Ledger::run, messages::Ledger::enter_and_count);
            client.execute_update_with_start(run, (), options, update, "a").await?;
            let handle = client.workflow_handle::<messages::Ledger>(stage.id());
            handle.signal(messages::Ledger::close, ()).await?;
            handle.result().await?;
            Ok(())
        }
        .boxed_local()
    }),
    ("nexus", |stage| {
        async move {
            let env = stage.env;
            let queue = format!("{}-nexus", env.task_queue());
            let endpoint = env.nexus_endpoint(&queue).await?;
            let workflow = nexus_workflows::calls_every_way;
            let handle = env
                .client()
                .start_workflow(workflow, endpoint.as_str(), stage.options())
                .await?;
            nexus_workflows::serve(env, &queue, handle.id(), handle.result()).await??;
            stage.also("arrives");
            stage.also("returns");
            Ok(())
        }
        .boxed_local()
    }),
    // What a workflow writes about itself.
    ("memo", |stage| {
        async move {
            let options = stage.options().memo("customer", "Ada");
            let client = stage.env.client();
            let handle = client
                .start_workflow(continue_as_new::Carries::run, 0_u32, options)
                .await?;
            stage.first_task().await?;
            handle.signal(continue_as_new::Carries::again, ()).await?;
            handle.result().await?;
            Ok(())
        }
        .boxed_local()
    }),
    ("otherwise", executes!(author::continues_otherwise, 0_u32)),
    (
        "attributed",
        executes!(beyond::attributed, (), |options| {
            let key = SearchAttributeKey::<String>::keyword("SuiteKeyword");
            options.search_attributes(SearchAttributes::new().with(&key, "blue".to_owned()))
        }),
    ),
    (
        "indexed",
        executes!(author::indexed, (), |options| {
            let key = SearchAttributeKey::<String>::keyword("SuiteKeyword");
            options.search_attributes(SearchAttributes::new().with(&key, "blue".to_owned()))
        }),
    ),
    (
        "summarised",
        executes!(beyond::summarised, (), |options| {
            options.static_summary("a workflow").static_details("with details")
        }),
    ),
    (
        "priority",
        executes!(beyond::knows_failure, (), |options| {
            let policy = RetryPolicy::new().initial_interval(Duration::from_secs(1));
            options
                .retry_policy(policy)
                .priority(temporal_sdk::client::Priority::new(2))
        }),
    ),
    // What code remembers in markers.
    (
        "patched",
        steers!(patches::patched::Changing::run, (), |stage, handle| {
            handle.signal(patches::patched::Changing::go, ()).await?;
            handle.result().await?;
        }),
    ),
    (
        "versioned",
        steers!(rows_workflows::VersionedAfter::run, (), |stage, handle| {
            handle.signal(rows_workflows::VersionedAfter::go_on, ()).await?;
            handle.result().await?;
        }),
    ),
    ("local-retries", executes!(local_activities::local_retries, ())),
    ("local-backoff", executes!(local_activities::backs_off_by_timer, ())),
    ("local-long", |stage| {
        async move {
            let options = stage.options().task_timeout(local_activities::LONG_TASK);
            let client = stage.env.client();
            let handle = client
                .start_workflow(local_activities::outlasts_its_task, (), options)
                .await?;
            stage.first_task().await?;
            doors::open(handle.run_id().unwrap_or_default());
            handle.result().await?;
            Ok(())
        }
        .boxed_local()
    }),
    // Failing.
    ("next-retry", executes!(activities::impatient, ())),
    (
        "bad-handlers",
        steers!(failing::Handlers::run, (), |stage, handle| {
            let _ = handle
                .start_update(failing::Handlers::bad_update, (), completed("bad"))
                .await?
                .result()
                .await;
            handle.signal(failing::Handlers::bad_signal, ()).await?;
            let _ = handle.result().await;
        }),
    ),
    ("task-failure", executes!(fails_its_task, ())),
    ("panics", executes!(rows_workflows::panics_for_good, ())),
    ("nobody", executes!(author::writes_to_nobody, ())),
    // Messages.
    (
        "reasoned",
        steers!(beyond::says_why, (), |stage, handle| {
            handle.cancel_with_reason("it rains").await?;
            handle.result().await?;
        }),
    ),
    (
        "cleans",
        steers!(cancellation::cleans_up, (), |stage, handle| {
            handle.cancel().await?;
            let _ = handle.result().await;
        }),
    ),
    (
        "stubborn",
        steers!(cancellation::Stubborn::run, (), |stage, handle| {
            handle.cancel().await?;
            stage.until(EventType::WorkflowTaskCompleted, 2).await?;
            handle.cancel().await?;
            handle.signal(cancellation::Stubborn::go_on, ()).await?;
            handle.result().await?;
        }),
    ),
    (
        "patient",
        steers!(messages::Patient::run, (), |stage, handle| {
            let options = UpdateOptions::new(UpdateWaitStage::Accepted).id("slow");
            let update = handle
                .start_update(messages::Patient::wait_for_release, (), options)
                .await?;
            handle.signal(messages::Patient::finish, ()).await?;
            stage.until(EventType::WorkflowTaskCompleted, 3).await?;
            handle.signal(messages::Patient::release, ()).await?;
            update.result().await?;
            handle.result().await?;
        }),
    ),
    (
        "greeting",
        steers!(messages::GreetingWorkflow::run, "world", |stage, handle| {
            stage.until(EventType::WorkflowTaskCompleted, 2).await?;
            let set = messages::GreetingWorkflow::set_and_get_greeting;
            let rejected = handle.start_update(set, "", completed("empty")).await?.result().await;
            anyhow::ensure!(rejected.is_err(), "the validator rejects it");
            handle.start_update(set, "Hi", completed("hi")).await?.result().await?;
            handle
                .signal(messages::GreetingWorkflow::complete_with_greeting, ())
                .await?;
            handle.result().await?;
        }),
    ),
    ("dynamic", |stage| {
        async move {
            let client = stage.env.client();
            // It would take every type of the other worker's queue.
            let queue = format!("{}-queue", stage.id());
            let worker = Worker::builder(client, &queue).workflow::<dynamic::AnyWorkflow>();
            dynamic::activities(worker)
                .build()?
                .run_until(async {
                    let named = workflow::named::<Vec<String>>("NeverHeardOf");
                    let options = WorkflowOptions::new(stage.id(), &queue);
                    let handle = client.start_workflow(named, args!["a", 7], options).await?;
                    stage.until(EventType::WorkflowTaskCompleted, 2).await?;
                    let change = update_named::<usize>("change");
                    handle.start_update(change, args!["a", "b"], completed("u")).await?;
                    handle.signal(signal_named("shout"), args![1, 2, 3]).await?;
                    stage.until(EventType::WorkflowTaskCompleted, 4).await?;
                    handle.signal(signal_named("finish"), ()).await?;
                    handle.result().await?;
                    Ok(())
                })
                .await?
        }
        .boxed_local()
    }),
    // Concurrency.
    ("concurrent", executes!(one_after_the_other, ())),
    (
        "waits",
        steers!(timers_conditions::Waits::run, (), |stage, handle| {
            stage.until(EventType::TimerStarted, 3).await?;
            handle.signal(timers_conditions::Waits::set, 2_u32).await?;
            handle.result().await?;
        }),
    ),
    ends!("timer-dropped", "timer", "dropped"),
    ends!("timer-scope", "timer", "scope"),
    ends!("timer-workflow", "timer", "workflow"),
    ends!("timer-shielded", "timer", "shielded"),
    ends!("condition-dropped", "condition", "dropped"),
    ends!("condition-scope", "condition", "scope"),
    ends!("condition-workflow", "condition", "workflow"),
    ends!("activity-scope", "activity", "scope"),
    ends!("activity-workflow", "activity", "workflow"),
    ("activity-asked", executes!(cancellation::does_not_wait, false)),
    ("activity-abandoned", executes!(cancellation::does_not_wait, true)),
    ("child-left", |stage| {
        async move {
            let (client, child) = (stage.env.client(), stage.also("child"));
            client
                .execute_workflow(children::leaves_child, child.as_str(), stage.options())
                .await?;
            let handle = client.workflow_handle::<children::Ship>(child);
            handle.signal(children::Ship::go, ()).await?;
            handle.result().await?;
            Ok(())
        }
        .boxed_local()
    }),
];

/// Tasks that wait for each other's timers, so that it is known which comes first.
#[workflow]
pub(crate) async fn one_after_the_other(ctx: &workflow::Context) -> workflow::Result<u32> {
    let task = ctx.spawn({
        let ctx = ctx.clone();
        async move {
            ctx.sleep(Duration::from_secs(6)).await?;
            workflow::Result::<u32>::Ok(ctx.side_effect(|| 1))
        }
    });
    let (slept, noted) = workflow::join!(ctx.sleep(Duration::from_millis(10)), async { ctx.side_effect(|| 2) });
    slept?;
    // The loser is dropped, and its timer cancelled.
    let winner = workflow::select! {
        result = task => result?,
        _ = ctx.sleep(crate::MINUTE) => 0,
    };
    Ok(winner + noted)
}

static FAILED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Fails the second task of each run once.
#[workflow]
pub(crate) async fn fails_its_task(ctx: &workflow::Context) -> workflow::Result<()> {
    ctx.sleep(Duration::from_millis(10)).await?;
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.insert(ctx.info().run_id.clone()) {
        return Err(workflow::Error::task_failure("not now"));
    }
    Ok(())
}

pub(super) fn worker(env: &Env) -> WorkerBuilder {
    let builder = env
        .worker()
        .workflow::<hello::SayHello>()
        .workflow::<hello::say_hello_flow>()
        .workflow::<client::sum>()
        .workflow::<client::Waiter>()
        .workflow::<activities::all_kinds>()
        .workflow::<activities::retries>()
        .workflow::<activities::failures>()
        .workflow::<activities::impatient>()
        .workflow::<author::continues_otherwise>()
        .workflow::<author::indexed>()
        .workflow::<author::writes_to_nobody>()
        .workflow::<beyond::attributed>()
        .workflow::<beyond::knows_failure>()
        .workflow::<beyond::says_why>()
        .workflow::<beyond::summarised>()
        .workflow::<local_activities::doubles>()
        .workflow::<local_activities::local_retries>()
        .workflow::<local_activities::backs_off_by_timer>()
        .workflow::<local_activities::outlasts_its_task>()
        .workflow::<timers_conditions::sleeps>()
        .workflow::<timers_conditions::no_timers>()
        .workflow::<cancellation::cancels_at_once>()
        .workflow::<cancellation::cancelled_in_sleep>()
        .workflow::<cancellation::cleans_up>()
        .workflow::<cancellation::Stubborn>()
        .workflow::<children::Ship>()
        .workflow::<data::gives_bytes>()
        .workflow::<failing::fails>()
        .workflow::<failing::Handlers>()
        .workflow::<dynamic::Constructed>()
        .workflow::<one_after_the_other>()
        .workflow::<fails_its_task>()
        .workflow::<timers_conditions::Waits>()
        .workflow::<cancellation::Ends>()
        .workflow::<cancellation::does_not_wait>()
        .workflow::<children::leaves_child>()
        .workflow::<ordering::Turnstile>()
        .workflow::<patches::patched::Changing>()
        .workflow::<rows_workflows::VersionedAfter>()
        .workflow::<rows_workflows::panics_for_good>()
        .workflow::<trouble::weighs_badly>()
        .workflow::<continue_as_new::counts_down>()
        .workflow::<continue_as_new::Carries>()
        .workflow::<messages::Ledger>()
        .workflow::<nexus_workflows::calls_every_way>()
        .workflow::<nexus_workflows::Shipment>()
        .workflow::<messages::Patient>()
        .workflow::<messages::GreetingWorkflow>();
    let builder = hello::activities(builder);
    let builder = activities::activities(builder);
    let builder = beyond::activities(builder);
    let builder = cancellation::activities(builder);
    let builder = messages::activities(builder);
    let builder = trouble::activities(builder);
    local_activities::activities(builder)
}
