//! What a cancellation reaches, and what it leaves alone.

use crate::workflow;
use crate::workflow::sync::Notify;
use crate::workflow::tests::server::{Server, failure, payload};
use crate::workflow::{
    ActivityOptions, CancellationType, ChildWorkflowOptions, Context, LocalActivityOptions, NexusOperation,
    NexusOperationOptions, WaitError, activity_named,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use temporal_core::{LocalActivityBackoff, LocalActivityOutcome};
use temporal_protos::api::command::v1::command::Attributes;

const MINUTE: Duration = Duration::from_secs(60);

fn activity(kind: CancellationType) -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(MINUTE).cancellation_type(kind)
}

fn told<T>(result: Result<T, WaitError>) -> &'static str {
    match result {
        Ok(_) => "ended",
        Err(WaitError::Cancelled(_)) => "given up",
        Err(error) if error.is_timeout() => "timed out",
        Err(_) => "failed otherwise",
    }
}

/// Waits for something with a time limit.
#[workflow]
async fn limited(ctx: &Context, what: String) -> workflow::Result<String> {
    let act = activity_named::<String>("act");
    let pending = Notify::new();
    let end = match what.as_str() {
        "nothing" => told(ctx.timeout(MINUTE, pending.notified()).await),
        "activity" => told(
            ctx.timeout(
                MINUTE,
                ctx.start_activity(act, (), activity(CancellationType::TryCancel)),
            )
            .await,
        ),
        "waiting activity" => {
            let options = activity(CancellationType::WaitCancellationCompleted);
            told(ctx.timeout(MINUTE, ctx.start_activity(act, (), options)).await)
        }
        "joined activities" => {
            let options = activity(CancellationType::TryCancel);
            let all = (0..2).map(|_| ctx.start_activity(activity_named::<String>("act"), (), options.clone()));
            told(ctx.timeout(MINUTE, workflow::join_all(all)).await)
        }
        "cleaning up" => {
            let work = async {
                let _ = ctx.sleep(MINUTE / 2).await;
                ctx.shielded().sleep(MINUTE / 6).await
            };
            told(ctx.timeout(MINUTE, work).await)
        }
        "nested" => {
            let inner = ctx.timeout(MINUTE / 2, pending.notified());
            told(ctx.timeout(MINUTE, async { inner.await.is_err().then_some(()) }).await)
        }
        other => panic!("no case {other}"),
    };
    Ok(end.to_owned())
}

#[track_caller]
fn limited_by(what: &str, first: &[&str], steps: &[(fn(&mut Server), &[&str])]) {
    let mut server = Server::start::<limited>(vec![payload(&what.to_owned())]);
    assert_eq!(server.task().summary(), first, "{what}");
    for (number, (step, commands)) in steps.iter().enumerate() {
        step(&mut server);
        assert_eq!(server.task().summary(), *commands, "{what}: step {number}");
    }
    server.replay().unwrap();
}

#[test]
fn a_time_limit_outlives_cancellation() {
    let cancel: fn(&mut Server) = Server::cancel;
    limited_by(
        "nothing",
        &["start timer 1 of 60s"],
        &[(cancel, &["cancel timer 1", "complete \"given up\""])],
    );
    limited_by(
        "nested",
        &["start timer 1 of 30s", "start timer 2 of 60s"],
        &[(cancel, &["cancel timer 1", "cancel timer 2", "complete \"ended\""])],
    );
    limited_by(
        "activity",
        &["schedule activity act 1", "start timer 1 of 60s"],
        &[(cancel, &["cancel activity", "cancel timer 1", "complete \"ended\""])],
    );
    limited_by(
        "joined activities",
        &[
            "schedule activity act 1",
            "schedule activity act 2",
            "start timer 1 of 60s",
        ],
        &[(
            cancel,
            &[
                "cancel activity",
                "cancel activity",
                "cancel timer 1",
                "complete \"ended\"",
            ],
        )],
    );
    limited_by(
        "waiting activity",
        &["schedule activity act 1", "start timer 1 of 60s"],
        &[
            (cancel, &["cancel activity"]),
            (
                |server| server.cancel_activity("1"),
                &["cancel timer 1", "complete \"ended\""],
            ),
        ],
    );
    limited_by(
        "waiting activity",
        &["schedule activity act 1", "start timer 1 of 60s"],
        &[
            (cancel, &["cancel activity"]),
            (|server| server.fire_timer("1"), &["complete \"timed out\""]),
        ],
    );
    limited_by(
        "cleaning up",
        &["start timer 1 of 60s", "start timer 2 of 30s"],
        &[
            (cancel, &["cancel timer 2", "start timer 3 of 10s"]),
            (
                |server| server.fire_timer("3"),
                &["cancel timer 1", "complete \"ended\""],
            ),
        ],
    );
}

/// Its signal handlers pass on what their waits fail with.
#[derive(Default)]
struct CleansUp;

#[workflow]
impl CleansUp {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        let end = ctx.sleep(MINUTE).await;
        let options = activity(CancellationType::TryCancel);
        ctx.shielded()
            .execute_activity(activity_named::<()>("clean_up"), (), options)
            .await?;
        Ok(end?)
    }

    #[signal]
    async fn work(&self, ctx: &Context) -> workflow::Result<()> {
        Ok(ctx.sleep(MINUTE / 2).await?)
    }

    #[signal]
    fn look(&self, ctx: &Context) -> workflow::Result<()> {
        match ctx.cancellation_reason() {
            Some(_) => Err(workflow::Error::from(temporal_client::failure::CancelledError::new(
                "so it is",
            ))),
            None => Ok(()),
        }
    }
}

#[test]
fn a_cancelled_signal_handler_leaves_the_run_method_its_cleaning_up() {
    let mut server = Server::start::<CleansUp>(vec![]);
    server.signal("work", &());
    assert_eq!(
        server.task().summary(),
        ["start timer 1 of 30s", "start timer 2 of 60s"]
    );
    server.cancel();
    server.signal("look", &());
    let commands = server.task().summary();
    assert_eq!(
        commands,
        ["cancel timer 1", "cancel timer 2", "schedule activity clean_up 1"]
    );
    server.complete_activity("1", &());
    assert_eq!(server.task().summary(), ["cancelled"]);
    server.replay().unwrap();
}

/// A scope in a scope in the workflow's; nobody keeps the middle one.
#[workflow]
async fn nested_scopes(ctx: &Context) -> workflow::Result<()> {
    let inner = {
        let (middle, _) = ctx.child();
        middle.child().0
    };
    inner.sleep(MINUTE).await?;
    Ok(())
}

#[test]
fn cancellation_reaches_through_a_scope_that_is_gone() {
    let mut server = Server::start::<nested_scopes>(vec![]);
    assert_eq!(server.task().summary(), ["start timer 1 of 60s"]);
    server.cancel();
    assert_eq!(server.task().summary(), ["cancel timer 1", "cancelled"]);
    server.replay().unwrap();
}

/// Many scopes one in the other, which end all at once.
#[workflow]
async fn deep_scopes(ctx: &Context, cancel: bool) -> workflow::Result<bool> {
    let (mut inner, outermost) = ctx.child();
    for _ in 0..200_000 {
        inner = inner.child().0;
    }
    if cancel {
        outermost.cancel();
    }
    Ok(inner.is_cancelled())
}

#[test]
fn deeply_nested_scopes_are_cancelled_and_dropped() {
    for cancel in [false, true] {
        let mut server = Server::start::<deep_scopes>(vec![payload(&cancel)]);
        assert_eq!(server.task().summary(), [format!("complete {cancel}")]);
    }
}

/// Cancels what has started before it looks at it.
#[derive(Default)]
struct CancelsUnseen {
    go: Cell<bool>,
}

#[workflow]
impl CancelsUnseen {
    #[run]
    async fn run(&self, ctx: &Context, what: String) -> workflow::Result<bool> {
        const CHARGE: NexusOperation<u32, String> = NexusOperation::new("payments", "charge");
        let shielded = ctx.shielded();
        let go = || shielded.wait_condition(|| self.go.take());
        let result = if what == "child" {
            let options = ChildWorkflowOptions::new("child");
            let start = ctx.start_child_workflow(workflow::named::<String>("Child"), (), options);
            go().await?;
            start.cancel_with_reason("no longer needed");
            start.await?.await
        } else {
            let start = ctx.start_nexus_operation(CHARGE, 1_u32, NexusOperationOptions::new("endpoint"));
            go().await?;
            start.cancel();
            start.await?.await
        };
        Ok(result.is_err_and(|failure| failure.is_cancelled()))
    }

    #[signal]
    fn go(&self) {
        self.go.set(true);
    }
}

#[test]
fn a_child_that_started_unseen_is_cancelled() {
    let mut server = Server::start::<CancelsUnseen>(vec![payload(&"child")]);
    assert_eq!(server.task().summary(), ["start child Child child"]);
    server.start_child("child");
    server.signal("go", &());
    let done = server.task();
    assert_eq!(done.summary(), ["cancel workflow child"]);
    server.cancel_child("child");
    assert_eq!(server.task().summary(), ["complete true"]);
    server.replay().unwrap();
}

#[test]
fn a_nexus_operation_that_started_unseen_is_cancelled() {
    let mut server = Server::start::<CancelsUnseen>(vec![payload(&"nexus")]);
    assert_eq!(server.task().summary(), ["schedule nexus payments.charge"]);
    server.start_nexus();
    server.signal("go", &());
    assert_eq!(server.task().summary(), ["cancel nexus"]);
    server.cancel_nexus();
    assert_eq!(server.task().summary(), ["complete true"]);
    server.replay().unwrap();
}

/// A local activity that waits for its cancellation.
#[derive(Default)]
struct WaitsLocally {
    seen: RefCell<Vec<bool>>,
}

#[workflow]
impl WaitsLocally {
    #[run]
    async fn run(self: Rc<Self>, ctx: &Context) -> workflow::Result<Vec<bool>> {
        let options = LocalActivityOptions::start_to_close_timeout(MINUTE)
            .cancellation_type(CancellationType::WaitCancellationCompleted);
        let end = ctx
            .execute_local_activity(activity_named::<()>("local"), (), options)
            .await;
        self.seen
            .borrow_mut()
            .push(end.is_err_and(|failure| failure.is_cancelled()));
        Ok(self.seen.take())
    }
}

#[test]
fn a_cancelled_local_activity_is_not_tried_again() {
    let mut server = Server::start::<WaitsLocally>(vec![]);
    server.local = Box::new(|_| None);
    server.local_cancelled = || LocalActivityOutcome::Failed {
        failure: failure("broken"),
        backoff: Some(LocalActivityBackoff {
            duration: MINUTE,
            failed_attempt: 1,
        }),
    };
    assert_eq!(server.task().summary(), [""; 0]);
    server.cancel();
    assert_eq!(
        server.task().summary(),
        ["marker core_local_activity", "complete [true]"]
    );
    server.replay().unwrap();
}

/// Changes nothing of its memo and search attributes.
#[workflow]
async fn upserts_nothing(ctx: &Context) -> workflow::Result<()> {
    ctx.upsert_memo(temporal_client::Memo::new());
    ctx.upsert_search_attributes(temporal_client::SearchAttributes::new());
    Ok(())
}

#[test]
fn no_command_for_no_change() {
    let mut server = Server::start::<upserts_nothing>(vec![]);
    assert_eq!(server.task().summary(), ["complete null"]);
}

/// Lets go of what it runs, or asks for its end, by the future that runs it from its start to its end.
#[workflow]
async fn lets_go(ctx: &Context, what: String, detach: bool) -> workflow::Result<String> {
    const CHARGE: NexusOperation<u32, String> = NexusOperation::new("payments", "charge");
    let result = if what == "child" {
        let options = ChildWorkflowOptions::new("child");
        let child = ctx.execute_child_workflow(workflow::named::<String>("Child"), (), options);
        ctx.sleep(MINUTE).await?;
        if detach {
            child.detach();
            return Ok("detached".to_owned());
        }
        child.cancel_with_reason("enough");
        child.await
    } else {
        let charge = ctx.execute_nexus_operation(CHARGE, 1_u32, NexusOperationOptions::new("endpoint"));
        ctx.sleep(MINUTE).await?;
        if detach {
            charge.detach();
            return Ok("detached".to_owned());
        }
        charge.cancel();
        charge.await
    };
    Ok(if result.is_err_and(|failure| failure.is_cancelled()) {
        "cancelled"
    } else {
        "ended"
    }
    .to_owned())
}

#[test]
fn children_and_operations_are_let_go_and_cancelled_as_a_whole() {
    type Step = fn(&mut Server);
    let cases: [(&str, Step, &str, Step); 2] = [
        (
            "child",
            |server| server.start_child("child"),
            "cancel workflow child",
            |server| server.cancel_child("child"),
        ),
        ("nexus", Server::start_nexus, "cancel nexus", Server::cancel_nexus),
    ];
    for (what, start, command, cancel) in cases {
        let begin = |detach: bool| {
            let mut server = Server::start::<lets_go>(vec![payload(&what.to_owned()), payload(&detach)]);
            server.task();
            start(&mut server);
            server.fire_timer("1");
            server
        };
        let mut detached = begin(true);
        assert_eq!(detached.task().summary(), ["complete \"detached\""], "{what}");
        let mut cancelled = begin(false);
        assert_eq!(cancelled.task().summary(), [command], "{what}");
        cancel(&mut cancelled);
        assert_eq!(cancelled.task().summary(), ["complete \"cancelled\""], "{what}");
        cancelled.replay().unwrap();
    }
}

/// Takes a signal to another workflow back before it goes out.
#[workflow]
async fn takes_back(ctx: &Context) -> workflow::Result<bool> {
    let signal = ctx
        .external_workflow::<WaitsLocally>("other")
        .signal(workflow::signal_named("hello"), 1);
    signal.cancel();
    Ok(signal.await.is_err_and(|failure| failure.is_cancelled()))
}

#[test]
fn a_signal_is_taken_back() {
    let mut server = Server::start::<takes_back>(vec![]);
    assert_eq!(server.task().summary(), ["complete true"]);
}

/// Starts an activity that the worker may run at once, and one that it may not.
#[workflow]
async fn eager_and_not(ctx: &Context) -> workflow::Result<()> {
    let eager = activity(CancellationType::TryCancel);
    let not = eager.clone().disable_eager_execution();
    let eager = ctx.start_activity(activity_named::<()>("any"), (), eager);
    let not = ctx.start_activity(activity_named::<()>("any"), (), not);
    eager.await?;
    Ok(not.await?)
}

#[test]
fn an_activity_can_forbid_its_eager_execution() {
    let mut server = Server::start::<eager_and_not>(vec![]);
    let asked: Vec<bool> = server
        .task()
        .commands
        .into_iter()
        .filter_map(|command| match command.attributes? {
            Attributes::ScheduleActivityTaskCommandAttributes(it) => Some(it.request_eager_execution),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [true, false]);
}
