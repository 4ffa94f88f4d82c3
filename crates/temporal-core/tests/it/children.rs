//! Child workflows.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism};
use crate::script::{End, Script, end, failure};
use temporal_core::CancellationType::{Abandon, TryCancel, WaitCancellationCompleted, WaitCancellationRequested};
use temporal_core::protos::api::command::v1::command::Attributes as Cmd;
use temporal_core::protos::api::failure::v1::failure::FailureInfo;
use temporal_core::*;

fn one_child() -> Script {
    Script::new(|ctx| async move {
        let seq = ctx.start_child("Ship", "ship-1", TryCancel);
        match ctx.child_start(seq).await {
            ChildStart::Started { run_id } => assert_eq!(run_id, "child-run"),
            ChildStart::Failed { workflow_id, .. } => {
                assert_eq!(workflow_id, "ship-1");
                return End::Fail(failure("not started"));
            }
            ChildStart::Cancelled(_) => return End::Cancel,
        }
        end(ctx.child_end(seq).await)
    })
}

#[test]
fn completes() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.child_initiated("ship-1", "Ship");
    h.child_started(initiated);
    h.full_task();
    h.child_completed(initiated, "arrived");
    h.full_task();
    h.completed();
    check(&h, &one_child(), &[&["child ship-1 Ship"], &[], &["complete"]]);
}

#[test]
fn started_and_completed_in_one_task() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.child_initiated("ship-1", "Ship");
    h.child_started(initiated);
    h.child_completed(initiated, "arrived");
    h.full_task();
    h.completed();
    check(&h, &one_child(), &[&["child ship-1 Ship"], &["complete"]]);
}

#[test]
fn does_not_start() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.child_initiated("ship-1", "Ship");
    h.child_start_failed(initiated);
    h.full_task();
    h.failed();
    check(&h, &one_child(), &[&["child ship-1 Ship"], &["fail not started"]]);
}

#[test]
fn fails_times_out_is_terminated() {
    type Add = fn(&mut HistoryBuilder, i64) -> i64;
    let ends: [(Add, &str, &str); 3] = [
        (
            |h, id| h.child_failed(id, failure("sunk")),
            "fail child workflow failed",
            "sunk",
        ),
        (
            HistoryBuilder::child_timed_out,
            "fail child workflow timed out",
            "workflow timeout",
        ),
        (
            HistoryBuilder::child_terminated,
            "fail child workflow terminated",
            "terminated",
        ),
    ];
    for (add, command, cause) in ends {
        let mut h = HistoryBuilder::new();
        h.full_task();
        let initiated = h.child_initiated("ship-1", "Ship");
        h.child_started(initiated);
        add(&mut h, initiated);
        h.full_task();
        h.failed();
        let runs = check(&h, &one_child(), &[&["child ship-1 Ship"], &[command]]);
        let closing = format!("{:?}", runs[1].commands[0]);
        assert!(closing.contains(cause), "{closing}");
        let Some(Cmd::FailWorkflowExecutionCommandAttributes(failed)) = &runs[1].commands[0].attributes else {
            panic!("{closing}")
        };
        let Some(FailureInfo::ChildWorkflowExecutionFailureInfo(info)) = failed
            .failure
            .as_ref()
            .and_then(|failure| failure.failure_info.as_ref())
        else {
            panic!("{closing}")
        };
        // The code did not say in which; history does.
        assert_eq!(info.namespace, "default");
    }
}

/// Starts a child, waits for it to run, then for the signal `stop`, cancels it and ends as it does.
fn cancelled_by_signal(kind: CancellationType) -> Script {
    Script::new(move |ctx| async move {
        let seq = ctx.start_child("Ship", "ship-1", kind);
        let ChildStart::Started { .. } = ctx.child_start(seq).await else {
            panic!()
        };
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_child(seq, "enough"));
        ctx.run(|run| run.cancel_child(seq, "enough"));
        match ctx.child_end(seq).await {
            Resolution::Cancelled(failure) => {
                let Some(FailureInfo::ChildWorkflowExecutionFailureInfo(info)) = failure.failure_info else {
                    panic!()
                };
                assert_eq!(info.workflow_execution.unwrap().workflow_id, "ship-1");
                End::Cancel
            }
            other => end(other),
        }
    })
}

fn until_stop() -> (HistoryBuilder, i64) {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.child_initiated("ship-1", "Ship");
    h.child_started(initiated);
    h.signaled("stop");
    h.full_task();
    (h, initiated)
}

#[test]
fn cancellation_types() {
    let (mut h, initiated) = until_stop();
    h.canceled();
    check(
        &h,
        &cancelled_by_signal(Abandon),
        &[&["child ship-1 Ship"], &["cancel"]],
    );

    let (mut h, _) = until_stop();
    h.cancel_external_initiated("ship-1");
    h.canceled();
    check(
        &h,
        &cancelled_by_signal(TryCancel),
        &[&["child ship-1 Ship"], &["cancel child ship-1", "cancel"]],
    );

    let (mut h, _) = until_stop();
    let request = h.cancel_external_initiated("ship-1");
    h.cancel_external_done(request);
    h.full_task();
    h.child_canceled(initiated);
    h.full_task();
    h.canceled();
    check(
        &h,
        &cancelled_by_signal(WaitCancellationCompleted),
        &[&["child ship-1 Ship"], &["cancel child ship-1"], &[], &["cancel"]],
    );

    let (mut h, _) = until_stop();
    let request = h.cancel_external_initiated("ship-1");
    h.cancel_external_done(request);
    h.full_task();
    h.canceled();
    check(
        &h,
        &cancelled_by_signal(WaitCancellationRequested),
        &[&["child ship-1 Ship"], &["cancel child ship-1"], &["cancel"]],
    );
}

#[test]
fn cancel_request_that_fails_waits_for_the_end() {
    let (mut h, initiated) = until_stop();
    let request = h.cancel_external_initiated("ship-1");
    h.cancel_external_failed(request);
    h.child_completed(initiated, "arrived");
    h.full_task();
    h.completed();
    check(
        &h,
        &cancelled_by_signal(WaitCancellationRequested),
        &[&["child ship-1 Ship"], &["cancel child ship-1"], &["complete"]],
    );
}

#[test]
fn cancelled_before_sent_leaves_no_trace() {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_child("Ship", "ship-1", WaitCancellationCompleted);
        ctx.run(|run| run.cancel_child(seq, "enough"));
        assert!(matches!(ctx.child_start(seq).await, ChildStart::Cancelled(_)));
        End::Cancel
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.canceled();
    check(&h, &script, &[&["cancel"]]);
}

#[test]
fn cancelled_before_started() {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_child("Ship", "ship-1", TryCancel);
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_child(seq, "enough"));
        assert!(matches!(ctx.child_start(seq).await, ChildStart::Cancelled(_)));
        ctx.sleep(1).await;
        End::Cancel
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.child_initiated("ship-1", "Ship");
    h.signaled("stop");
    h.full_task();
    let request = h.cancel_external_initiated("ship-1");
    let timer = h.timer_started("1");
    h.child_started(initiated);
    h.cancel_external_done(request);
    h.child_canceled(initiated);
    h.full_task();
    h.timer_fired(timer);
    h.full_task();
    h.canceled();
    check(
        &h,
        &script,
        &[
            &["child ship-1 Ship"],
            &["cancel child ship-1", "timer 1 1s"],
            &[],
            &["cancel"],
        ],
    );
}

#[test]
fn signal_to_a_child() {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_child("Ship", "ship-1", TryCancel);
        ctx.child_start(seq).await;
        let (_, sent) = ctx.signal_external(ExternalTarget::Child(seq), "hold");
        sent.await.unwrap();
        end(ctx.child_end(seq).await)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.child_initiated("ship-1", "Ship");
    h.child_started(initiated);
    h.full_task();
    let signal = h.signal_external_initiated("ship-1", "hold");
    h.signal_external_done(signal);
    h.full_task();
    h.child_completed(initiated, "held");
    h.full_task();
    h.completed();
    check(
        &h,
        &script,
        &[&["child ship-1 Ship"], &["signal ship-1 hold"], &[], &["complete"]],
    );
}

#[test]
fn nondeterminism_of_children() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.child_initiated("ship-2", "Truck");
    let error = nondeterminism(&h, &one_child());
    assert_eq!(
        error.found,
        "StartChildWorkflowExecutionInitiated(workflow type \"Truck\", id \"ship-2\")"
    );
    assert_eq!(
        error.expected,
        "StartChildWorkflow(workflow type \"Ship\", id \"ship-1\")"
    );
    assert_eq!(
        error.details,
        "; workflow type: history has \"Truck\", the code \"Ship\"; workflow id: history has \"ship-2\", the code \"ship-1\""
    );

    let (mut h, _) = until_stop();
    h.cancel_external_initiated("another");
    let error = nondeterminism(&h, &cancelled_by_signal(TryCancel));
    assert_eq!(
        error.expected,
        "CancelChildWorkflow(workflow type \"Ship\", id \"ship-1\")"
    );
}
