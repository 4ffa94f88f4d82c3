//! What workflow code may not do, and what it is told: on a server, where only the message reaches the author.
#![allow(clippy::await_holding_refcell_ref, reason = "that is the mistake")]

use crate::rows_workflows::failed_task;
use crate::{MINUTE, quick, update_failure};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use temporal_integration_tests::env::captured;
use temporal_integration_tests::history::EventType;
use temporal_integration_tests::{Env, run};
use temporal_sdk::activity::{Activity, ActivityRef, NoParams};
use temporal_sdk::client::definition::{query_named, signal_named, update_named};
use temporal_sdk::client::{UpdateOptions, UpdateWaitStage, WorkflowHandle, WorkflowOptions};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::workflow::{Context, RawValues};
use temporal_sdk::{activity, workflow};

/// Why the workflow's first failed task failed.
async fn task_failure(env: &Env, suffix: &str) -> anyhow::Result<String> {
    let failed = env.failed_task(&env.unrecorded_id(suffix)).await?;
    Ok(failed.failure.unwrap_or_default().message)
}

fn event_type(event: &temporal_integration_tests::history::Event) -> EventType {
    event.event_type()
}

/// Misuses whatever it can.
#[derive(Default)]
pub(crate) struct Misusing {
    log: RefCell<Vec<String>>,
    done: Cell<bool>,
}

impl Misusing {
    fn misuse(&self, ctx: &Context, what: &str) -> workflow::Result<()> {
        match what {
            "sleep" => ctx.sleep(MINUTE).detach(),
            "spawn" => ctx.spawn(async {}).detach(),
            "random" => drop(ctx.random()),
            "set_current_details" => ctx.set_current_details("changed"),
            "on_signal" => ctx.on_signal("more", |_, (): ()| workflow::Ok(())),
            "continue_as_new" => return Err(ctx.continue_as_new(true)),
            "panic" => panic!("not like this"),
            _ => self.log.borrow_mut().push(what.to_owned()),
        }
        Ok(())
    }
}

#[workflow]
impl Misusing {
    #[run]
    async fn run(&self, ctx: &Context, holds: bool) -> workflow::Result<u64> {
        if holds {
            let held = self.log.borrow_mut();
            ctx.wait_condition(|| self.done.get()).await?;
            drop(held);
        }
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(ctx.random().next_u64())
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }

    #[signal]
    fn by_signal(&self, ctx: &Context, what: String) -> workflow::Result<()> {
        self.misuse(ctx, &what)
    }

    #[query]
    fn by_query(&self, ctx: &Context, what: String) -> workflow::Result<()> {
        self.misuse(ctx, &what)
    }

    #[update]
    fn by_update(&self, ctx: &Context, what: String) -> workflow::Result<()> {
        self.misuse(ctx, &what)
    }

    #[update]
    fn validated(&self, _what: String) {}

    #[validator(validated)]
    fn by_validator(&self, ctx: &Context, what: &str) -> workflow::Result<()> {
        self.misuse(ctx, what)
    }
}

/// Starts it, and waits until its run method has come to where it waits: what came with the start would be handled before.
async fn start(env: &Env, options: WorkflowOptions, holds: bool) -> anyhow::Result<WorkflowHandle<Misusing>> {
    let handle = env.client().start_workflow(Misusing::run, holds, options).await?;
    env.wait_for_event(handle.id(), |event| {
        event_type(event) == EventType::WorkflowTaskCompleted
    })
    .await?;
    Ok(handle)
}

async fn rejection(handle: &WorkflowHandle<Misusing>, what: &str) -> String {
    let error = handle.execute_update(Misusing::validated, what).await.unwrap_err();
    update_failure(error).to_string()
}

/// Queries and validators act on nothing, say why, and leave the workflow as it was. With a cache of 0 each task is a replay,
/// which knows of neither.
#[test]
fn queries_and_validators_that_act_are_told_so_and_change_nothing() {
    run(async |env| {
        let worker = env.worker().workflow::<Misusing>().max_cached_workflows(0);
        env.serve(worker, async {
            let handle = start(&env, env.options("acts"), false).await?;
            let about = format!("workflow Misusing (id {})", env.unrecorded_id("acts"));
            for what in ["sleep", "spawn", "random", "set_current_details", "on_signal"] {
                let error = handle.query(Misusing::by_query, what).await.unwrap_err();
                let expected = format!("{what} was called while {about} answered a query: a query may only read state; do it in a signal or an update");
                assert!(error.to_string().contains(&expected), "{error}");
                let rejected = rejection(&handle, what).await;
                let expected = format!("{what} was called while {about} validated an update: a validator may only read state; do it in the update's handler");
                assert!(rejected.contains(&expected), "{rejected}");
            }
            handle.signal(Misusing::finish, ()).await?;
            handle.result().await?;
            Ok(())
        })
        .await
    });
}

/// A validator's panic is the caller's to know, as a query's is: the workflow goes on.
#[test]
fn a_panic_in_a_validator_or_a_query_fails_nothing_else() {
    run(async |env| {
        env.serve(env.worker().workflow::<Misusing>(), async {
            let handle = start(&env, env.options("panics"), false).await?;
            let error = handle.execute_update(Misusing::validated, "panic").await.unwrap_err();
            let failure = update_failure(error);
            let application = failure.as_application().unwrap();
            assert_eq!(application.type_name(), "Panic");
            assert!(application.message().starts_with("not like this (at "), "{failure}");
            let error = handle.query(Misusing::by_query, "panic").await.unwrap_err();
            assert!(error.to_string().contains("not like this (at "), "{error}");
            handle.signal(Misusing::finish, ()).await?;
            handle.result().await?;
            let events = env.events(&env.unrecorded_id("panics")).await?;
            assert_eq!(failed_task(&events), None);
            Ok(())
        })
        .await
    });
}

/// Only the run method continues the workflow as new; each other place is told what to do instead.
#[test]
fn continue_as_new_from_handlers_is_refused() {
    run(async |env| {
        env.serve(env.worker().workflow::<Misusing>(), async {
            let handle = start(&env, env.unrecorded_options("looks"), false).await?;
            let about = format!(
                "of workflow Misusing (id {}) returned continue_as_new: only the run method can",
                env.unrecorded_id("looks")
            );
            let error = handle.query(Misusing::by_query, "continue_as_new").await.unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("the handler of query \"by_query\" {about}")),
                "{error}"
            );
            let rejected = rejection(&handle, "continue_as_new").await;
            assert!(
                rejected.contains(&format!("the validator of update \"validated\" {about}")),
                "{rejected}"
            );
            handle.terminate("seen").await?;

            let handle = start(&env, env.unrecorded_options("signal"), false).await?;
            handle.signal(Misusing::by_signal, "continue_as_new").await?;
            let message = task_failure(&env, "signal").await?;
            assert!(
                message.starts_with("the handler of signal \"by_signal\" of workflow Misusing (id "),
                "{message}"
            );
            assert!(
                message.ends_with("set a flag in the handler and return it from there"),
                "{message}"
            );
            handle.terminate("seen").await?;

            let handle = start(&env, env.unrecorded_options("update"), false).await?;
            let update = UpdateOptions::new(UpdateWaitStage::Accepted);
            let update = handle.start_update(Misusing::by_update, "continue_as_new", update);
            let failed = async {
                let message = task_failure(&env, "update").await?;
                handle.terminate("seen").await?;
                anyhow::Ok(message)
            };
            let (_, message) = tokio::join!(update, failed);
            let message = message?;
            assert!(
                message.starts_with("the handler of update \"by_update\" of workflow Misusing (id "),
                "{message}"
            );
            Ok(())
        })
        .await
    });
}

/// A borrow held across an await is explained to whatever meets it, by name.
#[test]
fn a_borrow_held_across_an_await_is_explained() {
    run(async |env| {
        env.serve(env.worker().workflow::<Misusing>(), async {
            let explains = |message: &str, code: &str| {
                let expected = format!("in {code} of workflow \"Misusing\": other code of the workflow holds a borrow of this `RefCell` across an await");
                assert!(message.contains(&expected), "{message}");
            };
            let handle = start(&env, env.unrecorded_options("looks"), true).await?;
            let error = handle.query(Misusing::by_query, "note").await.unwrap_err();
            explains(&error.to_string(), "query \"by_query\"");
            explains(&rejection(&handle, "note").await, "the validator of update \"validated\"");
            handle.signal(Misusing::by_signal, "note").await?;
            explains(&task_failure(&env, "looks").await?, "the handler of signal \"by_signal\"");
            handle.terminate("seen").await?;
            let handle = start(&env, env.unrecorded_options("update"), true).await?;
            let update = UpdateOptions::new(UpdateWaitStage::Accepted);
            let update = handle.start_update(Misusing::by_update, "note", update);
            let failed = async {
                let message = task_failure(&env, "update").await?;
                handle.terminate("seen").await?;
                anyhow::Ok(message)
            };
            let (_, message) = tokio::join!(update, failed);
            explains(&message?, "the handler of update \"by_update\"");
            Ok(())
        })
        .await
    });
}

thread_local! {
    static KEPT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Keeps its context, or uses the one that an earlier run kept.
#[workflow]
pub(crate) async fn keeps_its_context(ctx: &Context, what: String) -> workflow::Result<()> {
    if what == "keep" {
        KEPT.set(Some(ctx.clone()));
        return Ok(());
    }
    let Some(kept) = KEPT.with_borrow(Clone::clone) else {
        return Err(workflow::Error::task_failure("nothing is kept"));
    };
    match what.as_str() {
        "sleep" => kept.sleep(MINUTE).await?,
        "spawn" => kept.spawn(async {}).await,
        _ => kept.wait_condition(|| false).await?,
    }
    Ok(())
}

/// Whatever is called on a context whose run has ended fails the task, instead of waiting for ever.
#[test]
fn a_context_that_outlives_its_run_says_so() {
    run(async |env| {
        let worker = env.worker().workflow::<keeps_its_context>().workflow_threads(1);
        env.serve(worker, async {
            let client = env.client();
            client
                .execute_workflow(keeps_its_context, "keep", env.unrecorded_options("keep"))
                .await?;
            for what in ["sleep", "spawn", "wait_condition"] {
                let handle = client
                    .start_workflow(keeps_its_context, what, env.unrecorded_options(what))
                    .await?;
                let message = task_failure(&env, what).await?;
                let expected = format!(
                    "{what} was called on a context of workflow keeps_its_context (id {}, run ",
                    env.unrecorded_id("keep")
                );
                assert!(message.starts_with(&expected), "{message}");
                assert!(
                    message.contains("after that run ended: a context lives as long as its run"),
                    "{message}"
                );
                handle.terminate("seen").await?;
            }
            Ok(())
        })
        .await
    });
}

// ---- what cannot be registered, and names that cannot be had

#[workflow(name = "Misusing")]
pub(crate) async fn misusing_too(_ctx: &Context) -> workflow::Result<()> {
    Ok(())
}

#[workflow(dynamic)]
pub(crate) async fn takes_all(_ctx: &Context, _arguments: RawValues) -> workflow::Result<()> {
    Ok(())
}

#[workflow(dynamic)]
pub(crate) async fn takes_all_too(_ctx: &Context, _arguments: RawValues) -> workflow::Result<()> {
    Ok(())
}

#[activity(name = "echo")]
async fn echo(text: String) -> activity::Result<String> {
    Ok(text)
}

#[activity(name = "echo")]
async fn echo_too(text: String) -> activity::Result<String> {
    Ok(text)
}

#[activity(dynamic)]
async fn any_activity(_name: String, _arguments: RawValues) -> activity::Result<()> {
    Ok(())
}

#[activity(dynamic)]
async fn any_activity_too(_name: String, _arguments: RawValues) -> activity::Result<()> {
    Ok(())
}

/// An activity by hand, whose name no macro looks at.
struct Reserved;

impl ActivityRef for Reserved {
    type Params = NoParams;
    type Output = ();

    fn name(&self) -> Cow<'_, str> {
        "__temporal_activity".into()
    }
}

impl Activity for Reserved {
    async fn execute(&self, _ctx: &activity::Context, (): ()) -> activity::Result<()> {
        Ok(())
    }
}

/// Adds a handler of this name.
#[workflow]
pub(crate) async fn adds_a_handler(ctx: &Context, name: String) -> workflow::Result<()> {
    ctx.on_signal(name, |_, (): ()| workflow::Ok(()));
    Ok(())
}

#[test]
fn what_is_registered_twice_or_under_a_name_of_temporals_is_refused() {
    run(async |env| {
        let refused = |worker: WorkerBuilder, says: &[&str]| {
            let error = worker.build().unwrap_err().to_string();
            assert!(says.iter().all(|part| error.contains(part)), "{error}");
        };
        refused(
            env.worker().workflow::<Misusing>().workflow::<misusing_too>(),
            &[
                "the workflow type \"Misusing\" is registered twice",
                "#[workflow(name = ",
            ],
        );
        refused(
            env.worker().workflow::<takes_all>().workflow::<takes_all_too>(),
            &["::takes_all` and `", "::takes_all_too` are both dynamic"],
        );
        refused(
            env.worker().activity(echo).activity(echo_too),
            &["the activity \"echo\" is registered twice", "#[activity(name = "],
        );
        refused(
            env.worker().activity(any_activity).activity(any_activity_too),
            &["::any_activity` and `", "::any_activity_too` are both dynamic"],
        );
        refused(
            env.worker().activity(Reserved),
            &["the activity \"__temporal_activity\" has a name that belongs to Temporal"],
        );
        env.serve(env.worker().workflow::<adds_a_handler>(), async {
            for (suffix, name, why) in [
                (
                    "empty",
                    "",
                    "with the name \"\": a name cannot be empty; `on_any_signal`",
                ),
                (
                    "trace",
                    "__stack_trace",
                    "this name belongs to Temporal: choose another",
                ),
                (
                    "prefix",
                    "__temporal_x",
                    "names that begin with `__temporal_` belong to Temporal",
                ),
            ] {
                let options = env.unrecorded_options(suffix);
                let handle = env.client().start_workflow(adds_a_handler, name, options).await?;
                let message = task_failure(&env, suffix).await?;
                assert!(
                    message.starts_with("on_signal was called by workflow adds_a_handler (id "),
                    "{message}"
                );
                assert!(message.contains(why), "{message}");
                handle.terminate("seen").await?;
            }
            Ok(())
        })
        .await
    });
}

// ---- what fails what, by type

#[derive(Debug, thiserror::Error)]
#[error("it cannot be mended")]
pub(crate) struct Final;

#[derive(Debug, thiserror::Error)]
#[error("to be mended")]
pub(crate) struct Mistake;

/// Fails as it is told, with types that say what fails.
#[workflow(fail_workflow_on(Final, workflow::ConversionError))]
pub(crate) async fn fails_by_type(ctx: &Context, how: String) -> workflow::Result<()> {
    match how.as_str() {
        "final" => Err(workflow::Error::task_failure(Final)),
        _ => {
            let wrong = workflow::activity_named::<u32>("echo");
            ctx.execute_activity(wrong, how, quick()).await?;
            Ok(())
        }
    }
}

/// The same without types: its worker has them.
#[derive(Default)]
pub(crate) struct FailsByItsWorker {
    done: Cell<bool>,
}

#[workflow]
impl FailsByItsWorker {
    #[run]
    async fn run(&self, ctx: &Context, how: String) -> workflow::Result<()> {
        match how.as_str() {
            "final" => Err(workflow::Error::task_failure(Final)),
            _ => Ok(ctx.wait_condition(|| self.done.get()).await?),
        }
    }

    #[update]
    fn fail(&self, how: String) -> workflow::Result<()> {
        match how.as_str() {
            "final" => Err(workflow::Error::task_failure(Final)),
            _ => Err(Mistake.into()),
        }
    }
}

/// P64: error types that fail the workflow, or the update, instead of the task; and the reverse in an update's handler.
#[test]
fn p64_error_types_fail_the_workflow_instead_of_its_task() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<fails_by_type>()
            .workflow::<FailsByItsWorker>()
            .activity(echo)
            .fail_workflow_on::<Final>()
            .fail_workflow_task_on::<Mistake>();
        env.serve(worker, async {
            let client = env.client();
            let error = client
                .execute_workflow(fails_by_type, "final", env.options("final"))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("it cannot be mended"), "{error}");
            let error = client
                .execute_workflow(fails_by_type, "text", env.options("result"))
                .await
                .unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("the result of activity \"echo\" cannot be read: "),
                "{error}"
            );
            let untyped = workflow::named::<()>("fails_by_type");
            let error = client
                .execute_workflow(untyped, 7, env.options("input"))
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains("the input of workflow fails_by_type (id "),
                "{error}"
            );

            let run = FailsByItsWorker::run;
            let error = client
                .execute_workflow(run, "final", env.options("worker"))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("it cannot be mended"), "{error}");
            let handle = client
                .start_workflow(run, "wait", env.unrecorded_options("update"))
                .await?;
            let error = handle
                .execute_update(FailsByItsWorker::fail, "final")
                .await
                .unwrap_err();
            assert!(update_failure(error).to_string().contains("it cannot be mended"));
            let update = UpdateOptions::new(UpdateWaitStage::Accepted);
            let update = handle.start_update(FailsByItsWorker::fail, "mistake", update);
            let failed = async {
                let message = task_failure(&env, "update").await?;
                handle.terminate("seen").await?;
                anyhow::Ok(message)
            };
            let (_, message) = tokio::join!(update, failed);
            assert_eq!(message?, "to be mended");
            Ok(())
        })
        .await
    });
}

static CHANGED: AtomicBool = AtomicBool::new(false);

/// Is deployed anew, with other code, while it runs.
#[workflow(fail_workflow_on(nondeterminism))]
pub(crate) async fn changes_for_good(ctx: &Context) -> workflow::Result<()> {
    changing(ctx).await
}

#[workflow]
pub(crate) async fn changes_softly(ctx: &Context) -> workflow::Result<()> {
    changing(ctx).await
}

async fn changing(ctx: &Context) -> workflow::Result<()> {
    if CHANGED.load(Ordering::SeqCst) {
        ctx.execute_activity(workflow::activity_named::<()>("echo"), "x", quick())
            .await?;
    } else {
        ctx.sleep(MINUTE).await?;
    }
    Ok(())
}

/// P64: code that does not fit the history fails the task, or the workflow if it says so.
#[test]
fn p64_nondeterminism_fails_the_workflow_if_it_says_so() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<changes_for_good>()
            .workflow::<changes_softly>()
            .max_cached_workflows(0);
        env.serve(worker, async {
            let client = env.client();
            let hard = client
                .start_workflow(changes_for_good, (), env.unrecorded_options("hard"))
                .await?;
            let soft = client
                .start_workflow(changes_softly, (), env.unrecorded_options("soft"))
                .await?;
            for suffix in ["hard", "soft"] {
                let began = |event: &_| event_type(event) == EventType::TimerStarted;
                env.wait_for_event(&env.unrecorded_id(suffix), began).await?;
            }
            CHANGED.store(true, Ordering::SeqCst);
            // Their next tasks, for which the worker replays them.
            hard.signal(signal_named("anything"), ()).await?;
            soft.signal(signal_named("anything"), ()).await?;
            let error = hard.result().await.unwrap_err();
            assert!(error.to_string().contains("[TMPRL1100]"), "{error}");
            let message = task_failure(&env, "soft").await?;
            assert!(message.starts_with("[TMPRL1100]"), "{message}");
            soft.terminate("seen").await?;
            Ok(())
        })
        .await
    });
}

// ---- messages at the ends of a run

/// Adds its handlers when it runs, and tells which update they serve.
#[workflow]
pub(crate) async fn adds_handlers(ctx: &Context) -> workflow::Result<String> {
    let served = std::rc::Rc::new(RefCell::new(String::new()));
    let kept = std::rc::Rc::clone(&served);
    let look = |_: &Context, name: &str, _: &RawValues| match name {
        "serve" => workflow::Ok(()),
        _ => Err(format!("nobody serves {name}").into()),
    };
    ctx.on_any_validated_update(look, move |ctx: Context, name, values: RawValues| {
        let update = ctx
            .current_update()
            .map(|update| format!("{} ({})", update.id, update.name));
        kept.replace(update.unwrap_or_default());
        let value = values.get::<u32>(0);
        async move { workflow::Ok(format!("{name} {}", value?)) }
    });
    ctx.wait_condition(|| !served.borrow().is_empty()).await?;
    Ok(served.take())
}

/// P2, P5, P8: an update that comes with the start reaches the handler that the run method adds; its id is known there.
#[test]
fn p5_p8_an_update_with_start_reaches_a_handler_added_at_run_time() {
    run(async |env| {
        let worker = env.worker().workflow::<adds_handlers>().max_cached_workflows(0);
        env.serve(worker, async {
            let client = env.client();
            let update = UpdateOptions::new(UpdateWaitStage::Completed).id("the-update");
            let (handle, started) = client
                .start_update_with_start(
                    adds_handlers,
                    (),
                    env.options("with-start"),
                    update_named::<String>("serve"),
                    7,
                    update,
                )
                .await?;
            assert_eq!(started.result().await?, "serve 7");
            assert_eq!(handle.result().await?, "the-update (serve)");
            // A query replays all of it.
            let trace: String = handle.query(query_named("__stack_trace"), ()).await?;
            assert!(!trace.contains("wait"), "{trace}");

            let options = env.unrecorded_options("refused");
            let handle = client.start_workflow(adds_handlers, (), options).await?;
            let error = handle
                .execute_update(update_named::<String>("shout"), 7)
                .await
                .unwrap_err();
            assert!(update_failure(error).to_string().contains("nobody serves shout"));
            handle.terminate("seen").await?;
            Ok(())
        })
        .await
    });
}

/// Signals behind the one that ends the workflow are lost to its code: a warning names them, once.
#[test]
fn signals_that_come_too_late_are_warned_of() {
    run(async |env| {
        let worker = || env.worker().workflow::<Misusing>().max_cached_workflows(0);
        let handle = env
            .serve(worker(), async {
                let handle = start(&env, env.options("late"), false).await?;
                let waits = |event: &_| event_type(event) == EventType::WorkflowTaskCompleted;
                env.wait_for_event(&env.unrecorded_id("late"), waits).await?;
                Ok(handle)
            })
            .await?;
        handle.signal(Misusing::by_signal, "in time").await?;
        handle.signal(Misusing::finish, ()).await?;
        handle.signal(Misusing::by_signal, "late").await?;
        env.serve(worker(), async {
            handle.result().await?;
            // Answering it replays the run, which does not warn again.
            let error = handle.query(Misusing::by_query, "panic").await.unwrap_err();
            assert!(error.to_string().contains("not like this"), "{error}");
            let begin = format!(
                "workflow Misusing (id {}) ended while signals",
                env.unrecorded_id("late")
            );
            let lines = captured(|line| line.starts_with(&begin));
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].ends_with(" signals=\"by_signal\""), "{lines:?}");
            Ok(())
        })
        .await
    });
}
