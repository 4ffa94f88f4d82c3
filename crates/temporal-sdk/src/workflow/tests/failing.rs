//! The table of failing, and misuse that answers clearly.

use crate::worker::{ReplayError, Replayer, ReplayerBuilder};
use crate::workflow;
use crate::workflow::failure_policy::FailurePolicy;
use crate::workflow::tests::server::{Server, failure, payload};
use crate::workflow::{ActivityOptions, ApplicationError, Context, activity_named};
use std::cell::Cell;
use std::time::Duration;
use temporal_client::workflow::WorkflowHistory;
use temporal_protos::api::command::v1::command::Attributes as Asked;
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::failure::v1::failure::FailureInfo;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] std::num::ParseIntError);

/// Fails as its argument says.
#[derive(Default)]
struct Failing {
    signalled: Cell<bool>,
}

#[workflow]
impl Failing {
    #[run]
    async fn run(&self, ctx: &Context, how: String) -> workflow::Result<String> {
        match how.as_str() {
            "application" => Err(ApplicationError::new("declined")
                .kind("Declined")
                .non_retryable()
                .into()),
            "std" => Err("x".parse::<u32>().map_err(Outer).unwrap_err().into()),
            "anyhow" => Err(anyhow::Error::from(Outer("x".parse::<u32>().unwrap_err()))
                .context("while paying")
                .into()),
            "text" => Err("just text".into()),
            "task" => Err(workflow::Error::task_failure("mend me")),
            "panic" => panic!("not yet written"),
            "again" => Err(ctx.continue_as_new("next")),
            "activity" => {
                let options = ActivityOptions::start_to_close_timeout(MINUTE);
                Ok(ctx
                    .execute_activity(activity_named::<String>("act"), 1, options)
                    .await?)
            }
            "anyhow activity" => {
                let options = ActivityOptions::start_to_close_timeout(MINUTE);
                let result = ctx.execute_activity(activity_named::<String>("act"), 1, options).await;
                Ok(result.map_err(anyhow::Error::from)?)
            }
            "cancelled" => {
                ctx.sleep(MINUTE).await?;
                Ok("slept".to_owned())
            }
            "anyhow cancelled" => {
                let slept: anyhow::Result<()> = ctx.sleep(MINUTE).await.map_err(anyhow::Error::from);
                slept.map_err(|error| error.context("while sleeping"))?;
                Ok("slept".to_owned())
            }
            "scope" => {
                let (scope, handle) = ctx.child();
                handle.cancel_with_reason("enough");
                scope.sleep(MINUTE).await?;
                Ok("slept".to_owned())
            }
            "timeout" => {
                ctx.timeout(MINUTE, std::future::pending::<()>()).await?;
                Ok("never".to_owned())
            }
            "wrong result" => {
                let options = ActivityOptions::start_to_close_timeout(MINUTE);
                let number: u32 = ctx.execute_activity(activity_named::<u32>("act"), 1, options).await?;
                Ok(number.to_string())
            }
            _ => {
                ctx.wait_condition(|| self.signalled.get()).await?;
                Ok("signalled".to_owned())
            }
        }
    }

    #[signal]
    fn fail(&self, message: String) -> workflow::Result<()> {
        Err(message.into())
    }

    #[signal]
    async fn fail_later(&self, ctx: &Context) -> workflow::Result<()> {
        ctx.sleep(MINUTE).await?;
        Err(ApplicationError::new("later").into())
    }

    #[signal]
    fn again(&self, ctx: &Context) -> workflow::Result<()> {
        Err(ctx.continue_as_new(()))
    }

    #[query]
    fn acts(&self, ctx: &Context) -> workflow::Result<String> {
        ctx.sleep(MINUTE).detach();
        Ok(String::new())
    }

    #[query]
    fn panics(&self) -> u32 {
        panic!("no answer")
    }

    #[query]
    fn refuses(&self) -> workflow::Result<u32> {
        Err(ApplicationError::new("not now").kind("Busy").into())
    }

    #[update]
    async fn change(&self, ctx: &Context, how: String) -> workflow::Result<String> {
        ctx.sleep(MINUTE).await?;
        match how.as_str() {
            "panic" => panic!("in an update"),
            "task" => Err(workflow::Error::task_failure("mend the update")),
            "again" => Err(ctx.continue_as_new(())),
            _ => Err(ApplicationError::new("refused").into()),
        }
    }

    #[query]
    fn renews(&self, ctx: &Context) -> workflow::Result<u32> {
        Err(ctx.continue_as_new(()))
    }

    #[update]
    fn judged(&self, _how: String) {}

    #[validator(judged)]
    fn judge(&self, ctx: &Context, how: &str) -> workflow::Result<()> {
        match how {
            "panic" => panic!("not this one"),
            "again" => Err(ctx.continue_as_new(())),
            _ => Ok(()),
        }
    }

    #[update]
    fn checked(&self) -> u32 {
        7
    }

    #[validator(checked)]
    fn check(&self, ctx: &Context) -> workflow::Result<()> {
        ctx.sleep(MINUTE).detach();
        Ok(())
    }
}

fn start(how: &str) -> Server {
    Server::start::<Failing>(vec![payload(&how.to_owned())])
}

fn failed(server: &mut Server) -> Failure {
    let done = server.task();
    match done.commands.last().and_then(|command| command.attributes.clone()) {
        Some(Asked::FailWorkflowExecutionCommandAttributes(attributes)) => attributes.failure.unwrap(),
        other => panic!("the workflow did not fail: {other:?}"),
    }
}

fn kind(failure: &Failure) -> &str {
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => &info.r#type,
        other => panic!("not an application failure: {other:?}"),
    }
}

#[test]
fn an_application_error_fails_the_workflow() {
    let failure = failed(&mut start("application"));
    assert_eq!((kind(&failure), failure.message.as_str()), ("Declined", "declined"));
    assert!(matches!(&failure.failure_info, Some(FailureInfo::ApplicationFailureInfo(info)) if info.non_retryable));
}

#[test]
fn any_other_error_fails_the_workflow_with_its_type_and_causes() {
    let failure = failed(&mut start("std"));
    assert_eq!((kind(&failure), failure.message.as_str()), ("Outer", "outer"));
    assert_eq!(failure.cause.unwrap().message, "invalid digit found in string");
    let failure = failed(&mut start("anyhow"));
    assert_eq!(failure.message, "while paying");
    let outer = failure.cause.unwrap();
    assert_eq!(outer.message, "outer");
    assert_eq!(outer.cause.unwrap().message, "invalid digit found in string");
    assert_eq!(failed(&mut start("text")).message, "just text");
}

#[test]
fn an_activitys_failure_fails_the_workflow_with_its_cause() {
    for how in ["activity", "anyhow activity"] {
        let mut server = start(how);
        server.task();
        server.fail_activity("1", failure("no luck"));
        let failure = failed(&mut server);
        assert!(
            matches!(failure.failure_info, Some(FailureInfo::ActivityFailureInfo(_))),
            "{failure:?}"
        );
        assert_eq!(failure.cause.unwrap().message, "no luck");
    }
}

#[test]
fn a_task_failure_or_panic_fails_the_task() {
    assert_eq!(start("task").failing_task(), "mend me");
    let message = start("panic").failing_task();
    assert!(
        message.starts_with("workflow code panicked: not yet written (at crates/temporal-sdk/src/"),
        "{message}"
    );
    let failure = start("panic").try_task().unwrap_err().failure;
    assert_eq!(kind(&failure), "Panic");
    let mut server = start("wrong result");
    server.task();
    server.complete_activity("1", &"text");
    let message = server.failing_task();
    assert!(
        message.starts_with("the result of activity \"act\" cannot be read: "),
        "{message}"
    );
    assert!(message.contains("u32"), "{message}");
}

#[test]
fn cancellation_closes_as_cancelled_only_when_it_was_asked_for() {
    for how in ["cancelled", "anyhow cancelled"] {
        let mut server = start(how);
        server.task();
        server.cancel();
        assert_eq!(server.task().summary(), ["cancel timer 1", "cancelled"], "{how}");
    }
    let failure = failed(&mut start("scope"));
    assert_eq!(failure.message, "enough");
    assert!(matches!(
        failure.failure_info,
        Some(FailureInfo::CanceledFailureInfo(_))
    ));
}

#[test]
fn a_timeout_fails_the_workflow() {
    let mut server = start("timeout");
    server.task();
    server.fire_timer("1");
    let failure = failed(&mut server);
    assert!(matches!(failure.failure_info, Some(FailureInfo::TimeoutFailureInfo(_))));
}

#[test]
fn continue_as_new() {
    let mut server = start("again");
    assert_eq!(server.task().summary(), ["continue as new \"next\""]);
    server.replay().unwrap();
}

#[test]
fn a_signal_handlers_error_fails_the_workflow() {
    let mut server = start("wait");
    server.signal("fail", &"bad signal".to_owned());
    assert_eq!(server.task().summary(), ["fail: bad signal"]);
    let mut server = start("wait");
    server.signal("fail_later", &());
    server.task();
    server.fire_timer("1");
    assert_eq!(server.task().summary(), ["fail: later"]);
    let mut server = start("wait");
    server.signal("again", &());
    assert_eq!(
        server.failing_task(),
        "the handler of signal \"again\" of workflow Failing (id workflow) returned continue_as_new: only the run method can, so set a flag in the handler and return it from there"
    );
}

#[test]
fn continue_as_new_from_another_handler_is_refused_with_the_remedy() {
    let mut server = start("wait");
    server.task();
    assert_eq!(
        server.query("renews", &()).error_message,
        "the handler of query \"renews\" of workflow Failing (id workflow) returned continue_as_new: only the run method can, and a query may only read state; set a flag in a signal or an update and return it from there"
    );
    server.update("u1", "judged", &"again");
    assert_eq!(
        server.task().answers(),
        [
            "reject u1: the validator of update \"judged\" of workflow Failing (id workflow) returned continue_as_new: only the run method can, and a validator may only read state; set a flag in the update's handler and return it from there"
        ]
    );
    server.update("u2", "change", &"again");
    server.task();
    server.fire_timer("1");
    assert_eq!(
        server.failing_task(),
        "the handler of update \"change\" of workflow Failing (id workflow) returned continue_as_new: only the run method can, so set a flag in the handler and return it from there"
    );
}

#[test]
fn a_validators_panic_rejects_the_update() {
    let mut server = start("wait");
    server.update("u1", "judged", &"panic");
    let done = server.task();
    let answers = done.answers();
    assert!(
        answers[0].starts_with("reject u1: not this one (at crates/temporal-sdk/src/"),
        "{answers:?}"
    );
    // The workflow acts as before.
    server.update("u2", "judged", &"well");
    assert_eq!(server.task().answers(), ["accept u2", "complete u2: null"]);
    server.signal("fail", &"the workflow lives".to_owned());
    assert_eq!(server.task().summary(), ["fail: the workflow lives"]);
}

#[test]
fn an_update_handlers_error_fails_the_update_and_its_panic_the_task() {
    let mut server = start("wait");
    server.update("u1", "change", &"error".to_owned());
    assert_eq!(server.task().answers(), ["accept u1"]);
    server.fire_timer("1");
    assert_eq!(server.task().answers(), ["fail u1: refused"]);
    for (how, message) in [("panic", "in an update"), ("task", "mend the update")] {
        let mut server = start("wait");
        server.update("u1", "change", &how.to_owned());
        server.task();
        server.fire_timer("1");
        assert!(server.failing_task().contains(message));
    }
}

#[test]
fn unknown_handlers_are_answered_with_the_known_ones() {
    let mut server = start("wait");
    server.signal("nobody", &());
    server.update("u1", "nothing", &());
    assert_eq!(
        server.task().answers(),
        ["reject u1: workflow \"Failing\" has no update handler \"nothing\"; it has: change, checked, judged"]
    );
    let answer = server.query("nothing", &());
    assert_eq!(
        answer.error_message,
        "workflow \"Failing\" has no query handler \"nothing\"; it has: __stack_trace, __temporal_workflow_metadata, acts, panics, refuses, renews"
    );
    server.update("u2", "change", &7);
    let answers = server.task().answers();
    assert!(
        answers[0].starts_with("reject u2: the arguments of update \"change\" cannot be read: "),
        "{answers:?}"
    );
}

#[test]
fn a_query_or_validator_that_acts_is_told_so() {
    let mut server = start("wait");
    server.task();
    let answer = server.query("acts", &());
    assert!(
        answer
            .error_message
            .starts_with("sleep was called while workflow Failing (id workflow) answered a query")
    );
    server.update("u1", "checked", &());
    let answers = server.task().answers();
    assert!(
        answers[0].starts_with("reject u1: sleep was called while workflow Failing"),
        "{answers:?}"
    );
}

#[test]
fn a_querys_error_goes_to_the_caller() {
    let mut server = start("wait");
    server.task();
    assert_eq!(server.query("refuses", &()).error_message, "not now");
    assert!(server.query("panics", &()).error_message.starts_with("no answer (at "));
    server.signal("fail", &"the workflow lives".to_owned());
    assert_eq!(server.task().summary(), ["fail: the workflow lives"]);
}

#[test]
fn an_unknown_workflow_type_names_the_known_ones() {
    let mut server = Server::start_type::<Failing>("Nobody", vec![]);
    assert_eq!(
        server.failing_task(),
        "the workflow type \"Nobody\" is not registered with the worker of task queue \"queue\"; it has: Failing"
    );
    let message = Server::start::<Failing>(vec![payload(&7)]).failing_task();
    assert!(
        message.starts_with("the input of workflow Failing (id workflow) cannot be read: "),
        "{message}"
    );
}

/// Panics when it is dropped, while nothing else does.
#[derive(Default)]
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

/// Panics while other tasks hold what wakes older ones, waits for timers, and panics when it is dropped.
#[workflow(fail_workflow_on(panic))]
async fn collapsing(ctx: &Context) -> workflow::Result<()> {
    let (sender, mut receiver) = workflow::sync::unbounded::<u32>();
    ctx.spawn(async move { receiver.recv().await }).detach();
    let context = ctx.clone();
    ctx.spawn(async move {
        let _explosive = Explosive;
        let _sleep = context.sleep(MINUTE);
        let _sender = sender;
        std::future::pending::<()>().await;
    })
    .detach();
    let context = ctx.clone();
    ctx.spawn(async move {
        let _explosive = Explosive;
        let _ = context.sleep(2 * MINUTE).await;
    })
    .detach();
    ctx.sleep(MINUTE / 2).await?;
    panic!("the roof came down")
}

#[test]
fn a_workflow_that_fails_by_a_panic_leaves_nothing_behind() {
    let mut server = Server::start::<collapsing>(vec![]);
    let timers = server.task().summary();
    assert_eq!(timers.len(), 3, "{timers:?}");
    server.fire_timer("1");
    let summary = server.task().summary();
    assert_eq!(summary.len(), 1, "{summary:?}");
    assert!(
        summary[0].starts_with("fail: workflow code panicked: the roof came down"),
        "{summary:?}"
    );
    server.replay().unwrap();
}

/// Panics when its instance, or a handler it added, is dropped.
#[derive(Default)]
struct Fragile {
    _explosive: Explosive,
}

#[workflow]
impl Fragile {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        let explosive = Explosive;
        ctx.on_signal("poke", move |_, (): ()| {
            let _ = &explosive;
            workflow::Ok(())
        });
        Ok(ctx.sleep(MINUTE).await?)
    }
}

#[test]
fn an_instance_that_panics_when_it_is_dropped_does_no_harm() {
    let mut server = Server::start::<Fragile>(vec![]);
    server.task();
    server.evict();
    server.fire_timer("1");
    assert_eq!(server.task().summary(), ["complete null"]);
    server.evict();
}

#[derive(Debug, thiserror::Error)]
#[error("to be mended")]
struct ToBeMended;

#[derive(Debug, thiserror::Error)]
#[error("final")]
struct Final;

/// Types of errors that fail its workflow, or its task.
#[derive(Default)]
struct Typed;

#[workflow(fail_workflow_on(Final, workflow::ConversionError), fail_task_on(ToBeMended))]
impl Typed {
    #[run]
    async fn run(&self, ctx: &Context, how: String) -> workflow::Result<()> {
        match how.as_str() {
            "final" => Err(workflow::Error::task_failure(Final)),
            "other" => Err(workflow::Error::task_failure("mend me")),
            "result" => {
                let waits = ctx.clone();
                ctx.spawn(async move { drop(waits.sleep(MINUTE).await) }).detach();
                let options = ActivityOptions::start_to_close_timeout(MINUTE);
                ctx.execute_activity(activity_named::<u32>("act"), 1, options).await?;
                Ok(())
            }
            _ => Ok(ctx.sleep(MINUTE).await?),
        }
    }

    #[update]
    fn change(&self, how: String) -> workflow::Result<()> {
        match how.as_str() {
            "mend" => Err(ToBeMended.into()),
            "final" => Err(workflow::Error::task_failure(Final)),
            _ => Ok(()),
        }
    }
}

#[test]
fn an_error_of_a_type_fails_the_workflow_instead_of_its_task() {
    let start = |how: &str| Server::start::<Typed>(vec![payload(&how.to_owned())]);
    let failure = failed(&mut start("final"));
    assert_eq!((kind(&failure), failure.message.as_str()), ("Final", "final"));
    assert_eq!(start("other").failing_task(), "mend me");
    let failure = failed(&mut Server::start::<Typed>(vec![payload(&7)]));
    assert_eq!(kind(&failure), "ConversionError");
    assert!(
        failure
            .message
            .starts_with("the input of workflow Typed (id workflow) cannot be read: "),
        "{failure:?}"
    );
    let mut server = start("result");
    server.task();
    server.complete_activity("1", &"text");
    let done = server.task();
    let summary = done.summary();
    assert_eq!(summary.len(), 1, "{summary:?}");
    assert!(
        summary[0].starts_with("fail: the result of activity \"act\" cannot be read: "),
        "{summary:?}"
    );
    server.replay().unwrap();
}

#[test]
fn the_types_hold_for_update_handlers_too() {
    let start = || Server::start::<Typed>(vec![payload(&"sleep")]);
    let mut server = start();
    server.update("u1", "change", &"mend");
    assert_eq!(server.failing_task(), "to be mended");
    let mut server = start();
    server.update("u1", "change", &"final");
    assert_eq!(server.task().answers(), ["accept u1", "fail u1: final"]);
}

/// Says of one type what its worker says otherwise.
#[workflow(fail_workflow_on(ToBeMended))]
async fn insisting(_ctx: &Context, how: String) -> workflow::Result<()> {
    match how.as_str() {
        "mend" => Err(ToBeMended.into()),
        "final" => Err(workflow::Error::task_failure(Final)),
        _ => "x".parse::<u32>().map(drop).map_err(Into::into),
    }
}

#[test]
fn the_worker_says_it_for_workflows_that_do_not() {
    let start = |how: &str| {
        let mut failures = FailurePolicy::default();
        failures.fail_task_on::<ToBeMended>();
        failures.fail_workflow_on::<Final>();
        failures.fail_task_on::<std::num::ParseIntError>();
        Server::with_failures::<insisting>(vec![payload(&how.to_owned())], failures)
    };
    assert_eq!(kind(&failed(&mut start("mend"))), "ToBeMended");
    assert_eq!(kind(&failed(&mut start("final"))), "Final");
    assert_eq!(start("parse").failing_task(), "invalid digit found in string");
}

/// Fails otherwise than usual.
#[derive(Default)]
struct Otherwise;

#[workflow(
    fail_task_on(ToBeMended, std::num::ParseIntError),
    fail_workflow_on(panic, nondeterminism)
)]
impl Otherwise {
    #[run]
    async fn run(&self, ctx: &Context, how: String) -> workflow::Result<()> {
        match how.as_str() {
            "own" => Err(ToBeMended.into()),
            "anyhow" => Err(anyhow::Error::from(ToBeMended).context("outer").into()),
            "panic" => panic!("for good"),
            _ => {
                ctx.sleep(MINUTE).await?;
                Ok(())
            }
        }
    }
}

#[test]
fn a_workflow_says_which_errors_fail_what() {
    let start = |how: &str| Server::start::<Otherwise>(vec![payload(&how.to_owned())]);
    assert_eq!(start("own").failing_task(), "to be mended");
    assert!(start("anyhow").failing_task().contains("outer"));
    let mut server = start("panic");
    let summary = server.task().summary();
    assert!(
        summary[0].starts_with("fail: workflow code panicked: for good"),
        "{summary:?}"
    );
    server.replay().unwrap();
    // The history says that the workflow did something else.
    let mut server = start("sleep");
    server.task();
    server.events.truncate(4);
    server.activity_scheduled("1");
    server.evict();
    server.check_replay = false;
    server.signal("poke", &());
    let summary = server.task().summary();
    assert!(
        summary[0].starts_with("fail: [TMPRL1100] nondeterminism"),
        "{summary:?}"
    );
}

/// `Otherwise` without its policies, which a worker may have instead.
struct Plain;

#[workflow(name = "Otherwise")]
impl Plain {
    #[init]
    fn new(_how: String) -> Self {
        Self
    }

    #[run]
    async fn run(&self, ctx: &Context, how: String) -> workflow::Result<()> {
        match how.as_str() {
            "own" => Err(ToBeMended.into()),
            "panic" => panic!("for good"),
            _ => {
                ctx.sleep(MINUTE).await?;
                Ok(())
            }
        }
    }
}

/// `Typed` without its policies.
#[workflow(name = "Typed")]
async fn lenient(_ctx: &Context, _how: String) -> workflow::Result<()> {
    Err(workflow::Error::task_failure(Final))
}

#[test]
fn a_replayer_has_the_policies_of_the_worker() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let replay = |server: &Server, replayer: ReplayerBuilder| {
        let replayer = replayer.build().unwrap();
        runtime.block_on(replayer.replay(WorkflowHistory::new(server.events.clone())))
    };
    let plain = || Replayer::builder().workflow::<Plain>();
    let own = || Replayer::builder().workflow::<Otherwise>();

    let mut panics = Server::start::<Otherwise>(vec![payload(&"panic")]);
    panics.task();
    replay(&panics, own()).unwrap();
    replay(&panics, plain().fail_workflow_on_panic()).unwrap();
    let error = replay(&panics, plain()).unwrap_err();
    assert!(matches!(&error, ReplayError::TaskFailed { message } if message.contains("for good")));

    let mut errs = Server::start::<Plain>(vec![payload(&"own")]);
    errs.task();
    replay(&errs, plain()).unwrap();
    let error = replay(&errs, plain().fail_workflow_task_on::<ToBeMended>()).unwrap_err();
    assert!(matches!(&error, ReplayError::TaskFailed { message } if message == "to be mended"));

    let mut finals = Server::start::<Typed>(vec![payload(&"final")]);
    finals.task();
    let without = || Replayer::builder().workflow::<lenient>();
    replay(&finals, without().fail_workflow_on::<Final>()).unwrap();
    let error = replay(&finals, without()).unwrap_err();
    assert!(matches!(&error, ReplayError::TaskFailed { message } if message == "final"));

    // The workflow failed because its history said something else.
    let mut other = Server::start::<Otherwise>(vec![payload(&"sleep")]);
    other.task();
    other.events.truncate(4);
    other.activity_scheduled("1");
    other.evict();
    other.check_replay = false;
    other.signal("poke", &());
    other.task();
    replay(&other, own()).unwrap();
    replay(&other, plain().fail_workflow_on_nondeterminism()).unwrap();
    let error = replay(&other, plain()).unwrap_err();
    assert!(matches!(error, ReplayError::Nondeterminism(_)));
    // One that did not end so is of no use.
    other.events.pop();
    let error = replay(&other, plain().fail_workflow_on_nondeterminism()).unwrap_err();
    assert!(matches!(error, ReplayError::Nondeterminism(_)));
}
