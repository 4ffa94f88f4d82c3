//! Signals and cancellations to other workflows.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism};
use crate::script::{End, Script};
use temporal_core::ExternalTarget;

fn other() -> ExternalTarget {
    ExternalTarget::Workflow {
        namespace: String::new(),
        workflow_id: "other".into(),
        run_id: String::new(),
    }
}

fn signals() -> Script {
    Script::new(|ctx| async move {
        let (_, sent) = ctx.signal_external(other(), "hello");
        match sent.await {
            Ok(()) => End::Complete(None),
            Err(failure) => End::Fail(failure),
        }
    })
}

fn cancels() -> Script {
    Script::new(|ctx| async move {
        match ctx.cancel_external(other()).await {
            Ok(()) => End::Complete(None),
            Err(failure) => End::Fail(failure),
        }
    })
}

#[test]
fn signal_is_delivered() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.signal_external_initiated("other", "hello");
    h.signal_external_done(initiated);
    h.full_task();
    h.completed();
    check(&h, &signals(), &[&["signal other hello"], &["complete"]]);
}

#[test]
fn signal_is_not_delivered() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.signal_external_initiated("other", "hello");
    h.signal_external_failed(initiated);
    h.full_task();
    h.failed();
    let fails = "fail the signal could not be delivered: no workflow with the id \"other\" is running: it ended, or was never started";
    check(&h, &signals(), &[&["signal other hello"], &[fails]]);
}

#[test]
fn signal_is_taken_back() {
    let script = Script::new(|ctx| async move {
        let (seq, sent) = ctx.signal_external(other(), "hello");
        ctx.run(|run| run.cancel_signal_external(seq));
        assert!(sent.await.is_err());
        let (seq, sent) = ctx.signal_external(other(), "again");
        ctx.sleep(1).await;
        ctx.run(|run| run.cancel_signal_external(seq));
        sent.await.unwrap();
        End::Complete(None)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.signal_external_initiated("other", "again");
    let timer = h.timer_started("1");
    h.timer_fired(timer);
    h.full_task();
    h.signal_external_done(initiated);
    h.full_task();
    h.completed();
    check(
        &h,
        &script,
        &[&["signal other again", "timer 1 1s"], &[], &["complete"]],
    );
}

#[test]
fn cancel_is_delivered_or_not() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.cancel_external_initiated("other");
    h.cancel_external_done(initiated);
    h.full_task();
    h.completed();
    check(&h, &cancels(), &[&["cancel external other"], &["complete"]]);

    let mut h = HistoryBuilder::new();
    h.full_task();
    let initiated = h.cancel_external_initiated("other");
    h.cancel_external_failed(initiated);
    h.full_task();
    h.failed();
    let fails = "fail the workflow could not be asked to cancel: no workflow with the id \"other\" is running: it ended, or was never started";
    check(&h, &cancels(), &[&["cancel external other"], &[fails]]);
}

#[test]
fn nondeterminism_of_externals() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.signal_external_initiated("another", "hello");
    let error = nondeterminism(&h, &signals());
    assert_eq!(
        error.expected,
        "SignalExternalWorkflow(signal \"hello\", workflow id \"other\")"
    );
    assert_eq!(
        error.details,
        "; workflow id: history has \"another\", the code \"other\""
    );

    let mut h = HistoryBuilder::new();
    h.full_task();
    h.cancel_external_initiated("another");
    let error = nondeterminism(&h, &cancels());
    assert_eq!(error.expected, "CancelExternalWorkflow(workflow id \"other\")");
}
