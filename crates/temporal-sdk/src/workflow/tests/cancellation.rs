//! The table of cancellation: each operation, and what becomes of it when it is dropped, its scope or the workflow is
//! cancelled, it is shielded, it has ended before, or its scope was cancelled before it began.

use crate::workflow;
use crate::workflow::tests::server::{Server, payload};
use crate::workflow::{
    ActivityOptions, CancellationType, ChildWorkflowOptions, Context, Failure, LocalActivityOptions, NexusOperation,
    NexusOperationOptions, activity_named, signal_named,
};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use temporal_core::LocalActivityOutcome;

const MINUTE: Duration = Duration::from_secs(60);

type Ended = Pin<Box<dyn Future<Output = Result<String, Failure>>>>;

/// Does to an operation what the test says.
#[derive(Default)]
struct Table {
    go: Cell<bool>,
    never: Cell<bool>,
}

fn start(ctx: &Context, table: &Rc<Table>, operation: &str) -> Ended {
    let (operation, kind) = match operation.split_once(' ') {
        Some((operation, "wait")) => (operation, CancellationType::WaitCancellationCompleted),
        Some((operation, "abandon")) => (operation, CancellationType::Abandon),
        Some((_, other)) => panic!("no cancellation type {other}"),
        None => (operation, CancellationType::TryCancel),
    };
    match operation {
        "timer" => {
            let sleep = ctx.sleep(MINUTE);
            Box::pin(async move { Ok(sleep.await.map(|()| "fired".to_owned())?) })
        }
        "activity" => {
            let options = ActivityOptions::start_to_close_timeout(MINUTE).cancellation_type(kind);
            Box::pin(ctx.start_activity(activity_named::<String>("act"), 1, options))
        }
        "local" => {
            let options = LocalActivityOptions::start_to_close_timeout(MINUTE).cancellation_type(kind);
            Box::pin(ctx.start_local_activity(activity_named::<String>("local"), 1, options))
        }
        "child" => {
            let options = ChildWorkflowOptions::new("child").cancellation_type(kind);
            Box::pin(ctx.execute_child_workflow(workflow::named::<String>("Child"), 1, options))
        }
        "condition" => {
            let (ctx, table) = (ctx.clone(), Rc::clone(table));
            Box::pin(async move {
                Ok(ctx
                    .wait_condition(|| table.never.get())
                    .await
                    .map(|()| "held".to_owned())?)
            })
        }
        "nexus" => {
            const CHARGE: NexusOperation<u32, String> = NexusOperation::new("payments", "charge");
            let options = NexusOperationOptions::new("endpoint").cancellation_type(kind);
            Box::pin(ctx.execute_nexus_operation(CHARGE, 1_u32, options))
        }
        "signal" => {
            let signal = ctx.external_workflow::<Table>("other").signal(signal_named("hello"), 1);
            Box::pin(async move { signal.await.map(|()| "delivered".to_owned()) })
        }
        other => panic!("no operation {other}"),
    }
}

fn told(result: Result<String, Failure>) -> String {
    match result {
        Ok(value) => value,
        Err(failure) if failure.is_cancelled() => "cancelled".to_owned(),
        Err(failure) => format!("failed: {failure}"),
    }
}

#[workflow]
impl Table {
    #[run]
    async fn run(self: Rc<Self>, ctx: &Context, operation: String, case: String) -> workflow::Result<String> {
        let (scope, handle) = ctx.child();
        let scope = if case == "shielded" { ctx.shielded() } else { scope };
        if case == "not yet started" {
            handle.cancel();
        }
        let mut ended = start(&scope, &self, &operation);
        let shielded = ctx.shielded();
        loop {
            workflow::select! {
                result = &mut ended => {
                    // After its end there is nothing to cancel.
                    handle.cancel();
                    return Ok(told(result));
                }
                _ = shielded.wait_condition(|| self.go.take()) => match case.as_str() {
                    "dropped" => break,
                    _ => handle.cancel(),
                }
            }
        }
        drop(ended);
        shielded.wait_condition(|| self.go.take()).await?;
        Ok("dropped".to_owned())
    }

    #[signal]
    fn go(&self) {
        self.go.set(true);
    }

    #[signal]
    fn hold(&self) {
        self.never.set(true);
    }
}

/// Runs a case: after the first task, each step is what happens and the commands that follow.
#[track_caller]
fn check(operation: &str, case: &str, first: &[&str], steps: &[(fn(&mut Server), &[&str])]) {
    let mut server = Server::start::<Table>(vec![payload(&operation.to_owned()), payload(&case.to_owned())]);
    server.local = Box::new(|_| None);
    assert_eq!(server.task().summary(), first, "{operation}, {case}");
    for (number, (step, commands)) in steps.iter().enumerate() {
        step(&mut server);
        assert_eq!(server.task().summary(), *commands, "{operation}, {case}: step {number}");
    }
    server.replay().unwrap();
}

fn go(server: &mut Server) {
    server.signal("go", &());
}

fn cancel(server: &mut Server) {
    server.cancel();
}

fn nothing(_: &mut Server) {}

#[test]
fn timer() {
    let sent = &["start timer 1 of 60s"][..];
    let fire = |server: &mut Server| server.fire_timer("1");
    check(
        "timer",
        "dropped",
        sent,
        &[(go, &["cancel timer 1"]), (go, &["complete \"dropped\""])],
    );
    check(
        "timer",
        "scope cancelled",
        sent,
        &[(go, &["cancel timer 1", "complete \"cancelled\""])],
    );
    check(
        "timer",
        "workflow cancelled",
        sent,
        &[(cancel, &["cancel timer 1", "complete \"cancelled\""])],
    );
    check(
        "timer",
        "shielded",
        sent,
        &[(cancel, &[]), (fire, &["complete \"fired\""])],
    );
    check("timer", "already finished", sent, &[(fire, &["complete \"fired\""])]);
    check("timer", "not yet started", &["complete \"cancelled\""], &[]);
}

#[test]
fn activity() {
    let sent = &["schedule activity act 1"][..];
    let complete = |server: &mut Server| server.complete_activity("1", &"done");
    let cancelled = |server: &mut Server| server.cancel_activity("1");
    check(
        "activity",
        "dropped",
        sent,
        &[
            (go, &["cancel activity"]),
            (cancelled, &[]),
            (go, &["complete \"dropped\""]),
        ],
    );
    check(
        "activity abandon",
        "dropped",
        sent,
        &[(go, &[]), (complete, &[]), (go, &["complete \"dropped\""])],
    );
    check(
        "activity",
        "scope cancelled",
        sent,
        &[(go, &["cancel activity", "complete \"cancelled\""])],
    );
    check(
        "activity wait",
        "scope cancelled",
        sent,
        &[(go, &["cancel activity"]), (cancelled, &["complete \"cancelled\""])],
    );
    check(
        "activity wait",
        "scope cancelled",
        sent,
        &[(go, &["cancel activity"]), (complete, &["complete \"done\""])],
    );
    check(
        "activity abandon",
        "scope cancelled",
        sent,
        &[(go, &["complete \"cancelled\""])],
    );
    check(
        "activity",
        "workflow cancelled",
        sent,
        &[(cancel, &["cancel activity", "complete \"cancelled\""])],
    );
    check(
        "activity",
        "shielded",
        sent,
        &[(cancel, &[]), (complete, &["complete \"done\""])],
    );
    check(
        "activity",
        "already finished",
        sent,
        &[(complete, &["complete \"done\""])],
    );
    check("activity", "not yet started", &["complete \"cancelled\""], &[]);
}

#[test]
fn local_activity() {
    let marker = "marker core_local_activity";
    let end = |server: &mut Server| {
        server.local = Box::new(|_| Some(LocalActivityOutcome::Completed(Some(payload(&"done")))));
        server.evict();
    };
    check(
        "local",
        "dropped",
        &[],
        &[(go, &[marker]), (go, &["complete \"dropped\""])],
    );
    check(
        "local",
        "scope cancelled",
        &[],
        &[(go, &[marker, "complete \"cancelled\""])],
    );
    check(
        "local wait",
        "scope cancelled",
        &[],
        &[(go, &[marker, "complete \"cancelled\""])],
    );
    check(
        "local abandon",
        "scope cancelled",
        &[],
        &[(go, &[marker, "complete \"cancelled\""])],
    );
    check(
        "local",
        "workflow cancelled",
        &[],
        &[(cancel, &[marker, "complete \"cancelled\""])],
    );
    check(
        "local",
        "shielded",
        &[],
        &[(cancel, &[]), (end, &[marker, "complete \"done\""])],
    );
    check(
        "local",
        "already finished",
        &[],
        &[(end, &[marker, "complete \"done\""])],
    );
    check("local", "not yet started", &["complete \"cancelled\""], &[]);
}

#[test]
fn child() {
    let sent = &["start child Child child"][..];
    let start = |server: &mut Server| server.start_child("child");
    let complete = |server: &mut Server| server.complete_child("child", &"done");
    let cancelled = |server: &mut Server| server.cancel_child("child");
    check(
        "child wait",
        "dropped",
        sent,
        &[
            (start, &[]),
            (go, &["cancel workflow child"]),
            (cancelled, &[]),
            (go, &["complete \"dropped\""]),
        ],
    );
    check(
        "child wait",
        "scope cancelled",
        sent,
        &[
            (start, &[]),
            (go, &["cancel workflow child"]),
            (cancelled, &["complete \"cancelled\""]),
        ],
    );
    check(
        "child",
        "scope cancelled",
        sent,
        &[(start, &[]), (go, &["cancel workflow child", "complete \"cancelled\""])],
    );
    check(
        "child abandon",
        "scope cancelled",
        sent,
        &[(start, &[]), (go, &["complete \"cancelled\""])],
    );
    check(
        "child wait",
        "workflow cancelled",
        sent,
        &[
            (start, &[]),
            (cancel, &["cancel workflow child"]),
            (cancelled, &["complete \"cancelled\""]),
        ],
    );
    check(
        "child",
        "shielded",
        sent,
        &[(start, &[]), (cancel, &[]), (complete, &["complete \"done\""])],
    );
    check(
        "child",
        "already finished",
        sent,
        &[(start, &[]), (complete, &["complete \"done\""])],
    );
    check("child", "not yet started", &["complete \"cancelled\""], &[]);
}

#[test]
fn condition() {
    let hold = |server: &mut Server| server.signal("hold", &());
    check(
        "condition",
        "dropped",
        &[],
        &[(go, &[]), (go, &["complete \"dropped\""])],
    );
    check(
        "condition",
        "scope cancelled",
        &[],
        &[(go, &["complete \"cancelled\""])],
    );
    check(
        "condition",
        "workflow cancelled",
        &[],
        &[(cancel, &["complete \"cancelled\""])],
    );
    check(
        "condition",
        "shielded",
        &[],
        &[(cancel, &[]), (hold, &["complete \"held\""])],
    );
    check("condition", "already finished", &[], &[(hold, &["complete \"held\""])]);
    check("condition", "not yet started", &["complete \"cancelled\""], &[]);
}

#[test]
fn signal_to_another_workflow() {
    let sent = &["signal other hello"][..];
    let deliver = |server: &mut Server| server.deliver_signal();
    // Once it is sent it cannot be taken back.
    check(
        "signal",
        "dropped",
        sent,
        &[(go, &[]), (deliver, &[]), (go, &["complete \"dropped\""])],
    );
    check(
        "signal",
        "scope cancelled",
        sent,
        &[(go, &[]), (deliver, &["complete \"delivered\""])],
    );
    check(
        "signal",
        "workflow cancelled",
        sent,
        &[(cancel, &[]), (deliver, &["complete \"delivered\""])],
    );
    check(
        "signal",
        "shielded",
        sent,
        &[(cancel, &[]), (deliver, &["complete \"delivered\""])],
    );
    check(
        "signal",
        "already finished",
        sent,
        &[(deliver, &["complete \"delivered\""])],
    );
    check("signal", "not yet started", &["complete \"cancelled\""], &[]);
    check("signal", "dropped", sent, &[(nothing, &[])]);
}

#[test]
fn nexus_operation() {
    let sent = &["schedule nexus payments.charge"][..];
    let start = |server: &mut Server| server.start_nexus();
    let complete = |server: &mut Server| server.complete_nexus(&"done");
    let cancelled = |server: &mut Server| server.cancel_nexus();
    check(
        "nexus wait",
        "dropped",
        sent,
        &[
            (start, &[]),
            (go, &["cancel nexus"]),
            (cancelled, &[]),
            (go, &["complete \"dropped\""]),
        ],
    );
    check(
        "nexus wait",
        "scope cancelled",
        sent,
        &[
            (start, &[]),
            (go, &["cancel nexus"]),
            (cancelled, &["complete \"cancelled\""]),
        ],
    );
    check(
        "nexus",
        "scope cancelled",
        sent,
        &[(start, &[]), (go, &["cancel nexus", "complete \"cancelled\""])],
    );
    check(
        "nexus abandon",
        "scope cancelled",
        sent,
        &[(start, &[]), (go, &["complete \"cancelled\""])],
    );
    check(
        "nexus",
        "workflow cancelled",
        sent,
        &[(cancel, &["cancel nexus", "complete \"cancelled\""])],
    );
    check(
        "nexus",
        "shielded",
        sent,
        &[(start, &[]), (cancel, &[]), (complete, &["complete \"done\""])],
    );
    check("nexus", "already finished", sent, &[(complete, &["complete \"done\""])]);
    check("nexus", "not yet started", &["complete \"cancelled\""], &[]);
}
