//! Nexus operations.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism};
use crate::script::{End, Script, end, failure};
use temporal_core::CancellationType::{Abandon, TryCancel, WaitCancellationCompleted, WaitCancellationRequested};
use temporal_core::*;

fn one_operation() -> Script {
    Script::new(|ctx| async move {
        let seq = ctx.start_nexus("quote", TryCancel);
        match ctx.nexus_start(seq).await {
            Ok(token) => ctx.note(&token.unwrap_or_default()),
            Err(failure) => return End::Fail(failure),
        }
        end(ctx.nexus_end(seq).await)
    })
}

#[test]
fn synchronous() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.nexus_scheduled("quote");
    h.nexus_completed(scheduled);
    h.full_task();
    h.completed();
    check(&h, &one_operation(), &[&["nexus quote"], &["complete"]]);
}

#[test]
fn asynchronous() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.nexus_scheduled("quote");
    h.nexus_started(scheduled, "token");
    h.full_task();
    h.nexus_completed(scheduled);
    h.full_task();
    h.completed();
    check(&h, &one_operation(), &[&["nexus quote"], &[], &["complete"]]);
}

#[test]
fn fails_before_and_after_the_start() {
    for started in [false, true] {
        let mut h = HistoryBuilder::new();
        h.full_task();
        let scheduled = h.nexus_scheduled("quote");
        if started {
            h.nexus_started(scheduled, "token");
        }
        h.nexus_failed(scheduled, failure("no quote"));
        h.full_task();
        h.failed();
        check(&h, &one_operation(), &[&["nexus quote"], &["fail no quote"]]);
    }
}

fn cancelled_by_signal(kind: CancellationType) -> Script {
    Script::new(move |ctx| async move {
        let seq = ctx.start_nexus("quote", kind);
        ctx.nexus_start(seq).await.unwrap();
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_nexus(seq));
        ctx.run(|run| run.cancel_nexus(seq));
        end(ctx.nexus_end(seq).await)
    })
}

fn until_stop() -> (HistoryBuilder, i64) {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.nexus_scheduled("quote");
    h.nexus_started(scheduled, "token");
    h.signaled("stop");
    h.full_task();
    (h, scheduled)
}

#[test]
fn cancellation_types() {
    let (mut h, scheduled) = until_stop();
    h.canceled();
    check(&h, &cancelled_by_signal(Abandon), &[&["nexus quote"], &["cancel"]]);

    let (mut h, _) = until_stop();
    h.nexus_cancel_requested(scheduled);
    h.canceled();
    check(
        &h,
        &cancelled_by_signal(TryCancel),
        &[&["nexus quote"], &["cancel nexus @5", "cancel"]],
    );

    let (mut h, _) = until_stop();
    h.nexus_cancel_requested(scheduled);
    h.nexus_cancel_delivered(scheduled);
    h.full_task();
    h.nexus_canceled(scheduled);
    h.full_task();
    h.canceled();
    let waits = cancelled_by_signal(WaitCancellationCompleted);
    check(&h, &waits, &[&["nexus quote"], &["cancel nexus @5"], &[], &["cancel"]]);

    let (mut h, _) = until_stop();
    h.nexus_cancel_requested(scheduled);
    h.nexus_cancel_delivered(scheduled);
    h.full_task();
    h.canceled();
    let waits = cancelled_by_signal(WaitCancellationRequested);
    check(&h, &waits, &[&["nexus quote"], &["cancel nexus @5"], &["cancel"]]);
}

#[test]
fn cancelled_before_sent_leaves_no_trace() {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_nexus("quote", WaitCancellationCompleted);
        ctx.run(|run| run.cancel_nexus(seq));
        assert!(ctx.nexus_start(seq).await.is_err());
        End::Cancel
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.canceled();
    check(&h, &script, &[&["cancel"]]);
}

#[test]
fn nondeterminism_of_operations() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.nexus_scheduled("price");
    let error = nondeterminism(&h, &one_operation());
    assert_eq!(
        error.expected,
        "ScheduleNexusOperation(service \"service\", operation \"quote\")"
    );
    assert_eq!(error.details, "; operation: history has \"price\", the code \"quote\"");

    let (mut h, _) = until_stop();
    h.completed();
    let error = nondeterminism(&h, &cancelled_by_signal(WaitCancellationCompleted));
    assert_eq!(
        error.expected,
        "CancelNexusOperation(service \"service\", operation \"quote\")"
    );
}
