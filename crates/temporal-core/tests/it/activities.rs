//! Activities.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism, replay};
use crate::script::{End, Script, end, failure};
use temporal_core::protos::api::failure::v1::failure::FailureInfo;
use temporal_core::*;

fn one_activity() -> Script {
    Script::new(|ctx| async move { end(ctx.activity("charge").await) })
}

#[test]
fn completes() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "charge");
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.completed();
    let runs = check(&h, &one_activity(), &[&["activity 1 charge"], &["complete"]]);
    assert!(runs[1].closes_workflow);
    let metadata = runs[0].sdk_metadata.as_ref().unwrap();
    assert_eq!(
        (metadata.core_used_flags.as_slice(), metadata.sdk_name.as_str()),
        (&[1, 2][..], "test-sdk")
    );
    assert_eq!(runs[1].sdk_metadata, None);
}

#[test]
fn fails_with_activity_failure_info() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "charge");
    h.activity_failed(scheduled, failure("card declined"));
    h.full_task();
    h.failed();
    let script = Script::new(|ctx| async move {
        let Resolution::Failed(failed) = ctx.activity("charge").await else {
            panic!()
        };
        assert_eq!(failed.cause.as_ref().unwrap().message, "card declined");
        let Some(FailureInfo::ActivityFailureInfo(info)) = &failed.failure_info else {
            panic!()
        };
        assert_eq!(
            (info.scheduled_event_id, info.started_event_id, info.retry_state),
            (5, 6, 5)
        );
        assert_eq!((info.activity_id.as_str(), info.identity.as_str()), ("1", "worker"));
        End::Fail(failed)
    });
    check(&h, &script, &[&["activity 1 charge"], &["fail activity failed"]]);
}

#[test]
fn times_out() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "charge");
    h.activity_timed_out(scheduled, failure("too late"));
    h.full_task();
    h.failed();
    check(
        &h,
        &one_activity(),
        &[&["activity 1 charge"], &["fail activity timed out"]],
    );
}

/// Starts an activity, waits for the signal `stop`, cancels it, and ends as it ends.
fn cancelled_by_signal(kind: CancellationType) -> Script {
    Script::new(move |ctx| async move {
        let seq = ctx.start_activity_with("charge", kind);
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_activity(seq));
        ctx.run(|run| run.cancel_activity(seq));
        match ctx.activity_end(seq).await {
            Resolution::Cancelled(failure) => {
                let Some(FailureInfo::ActivityFailureInfo(_)) = failure.failure_info else {
                    panic!()
                };
                let cause = failure.cause.unwrap();
                assert!(matches!(cause.failure_info, Some(FailureInfo::CanceledFailureInfo(_))));
                End::Cancel
            }
            other => end(other),
        }
    })
}

#[test]
fn try_cancel_ends_at_once() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "charge");
    h.signaled("stop");
    h.full_task();
    h.activity_cancel_requested(scheduled);
    h.canceled();
    let script = cancelled_by_signal(CancellationType::TryCancel);
    check(
        &h,
        &script,
        &[&["activity 1 charge"], &["cancel activity @5", "cancel"]],
    );
}

#[test]
fn wait_for_cancellation() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "charge");
    h.signaled("stop");
    h.full_task();
    h.activity_cancel_requested(scheduled);
    h.activity_canceled(scheduled);
    h.full_task();
    h.canceled();
    let script = cancelled_by_signal(CancellationType::WaitCancellationCompleted);
    check(
        &h,
        &script,
        &[&["activity 1 charge"], &["cancel activity @5"], &["cancel"]],
    );
}

#[test]
fn wait_for_cancellation_may_complete_after_all() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "charge");
    h.signaled("stop");
    h.full_task();
    h.activity_cancel_requested(scheduled);
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.completed();
    let script = cancelled_by_signal(CancellationType::WaitCancellationCompleted);
    check(
        &h,
        &script,
        &[&["activity 1 charge"], &["cancel activity @5"], &["complete"]],
    );
}

#[test]
fn abandon_asks_for_nothing() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.activity_scheduled("1", "charge");
    h.signaled("stop");
    h.full_task();
    h.canceled();
    let script = cancelled_by_signal(CancellationType::Abandon);
    check(&h, &script, &[&["activity 1 charge"], &["cancel"]]);
}

#[test]
fn late_end_of_a_cancelled_activity_is_ignored() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "charge");
    h.signaled("stop");
    h.full_task();
    h.activity_cancel_requested(scheduled);
    let timer = h.timer_started("1");
    h.activity_completed(scheduled, "late");
    h.full_task();
    h.timer_fired(timer);
    h.full_task();
    h.completed();
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_activity("charge");
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_activity(seq));
        ctx.sleep(1).await;
        assert!(matches!(ctx.activity_end(seq).await, Resolution::Cancelled(_)));
        End::Complete(None)
    });
    check(
        &h,
        &script,
        &[
            &["activity 1 charge"],
            &["cancel activity @5", "timer 1 1s"],
            &[],
            &["complete"],
        ],
    );
}

#[test]
fn cancelled_before_sent_leaves_no_trace() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.activity_scheduled("2", "refund");
    h.activity_completed(5, "done");
    h.full_task();
    h.completed();
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_activity_with("charge", CancellationType::WaitCancellationCompleted);
        ctx.run(|run| run.cancel_activity(seq));
        assert!(matches!(ctx.activity_end(seq).await, Resolution::Cancelled(_)));
        end(ctx.activity("refund").await)
    });
    check(&h, &script, &[&["activity 2 refund"], &["complete"]]);
}

#[test]
fn cancel_after_it_ended_in_the_same_task_does_nothing() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("1");
    let scheduled = h.activity_scheduled("1", "charge");
    h.timer_fired(5);
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.completed();
    let script = Script::new(|ctx| async move {
        let timer = ctx.start_timer(5);
        let seq = ctx.start_activity("charge");
        ctx.timer(timer).await;
        ctx.run(|run| run.cancel_activity(seq));
        end(ctx.activity_end(seq).await)
    });
    check(&h, &script, &[&["timer 1 5s", "activity 1 charge"], &["complete"]]);
}

#[test]
fn nondeterminism_names_the_activity() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "refund");
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.completed();
    let error = nondeterminism(&h, &one_activity());
    assert_eq!(error.event_id, 5);
    assert_eq!(
        error.to_string(),
        "[TMPRL1100] nondeterminism at event 5: history holds ActivityTaskScheduled(activity type \"refund\", id \"1\"), \
         the workflow's code asked for ScheduleActivity(activity type \"charge\", id \"1\"); activity type: history has \
         \"refund\", the code \"charge\"; put the change behind a patch, so that runs from before it do what they did, or reset \
         or end this run"
    );
}

#[test]
fn nondeterminism_of_ids_and_custom_ids() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("mine", "charge");
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.completed();
    let error = nondeterminism(&h, &one_activity());
    assert_eq!(error.details, "; activity id: history has \"mine\", the code \"1\"");
    let custom = Script::new(|ctx| async move {
        let command = ScheduleActivity {
            activity_id: Some("mine".into()),
            activity_type: "charge".into(),
            ..ScheduleActivity::default()
        };
        let seq = ctx.run(|run| run.schedule_activity(command));
        end(ctx.activity_end(seq).await)
    });
    check(&h, &custom, &[&["activity mine charge"], &["complete"]]);
}

#[test]
fn nondeterminism_missing_and_surplus() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.completed();
    let error = nondeterminism(&h, &one_activity());
    assert_eq!(
        (error.event_id, error.found.as_str()),
        (5, "WorkflowExecutionCompleted")
    );
    assert_eq!(error.expected, "ScheduleActivity(activity type \"charge\", id \"1\")");

    let mut h = HistoryBuilder::new();
    h.full_task();
    h.signaled("go");
    h.full_task();
    let error = nondeterminism(&h, &one_activity());
    assert_eq!((error.event_id, error.found.as_str()), (5, "WorkflowExecutionSignaled"));

    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "charge");
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.completed();
    let error = nondeterminism(
        &h,
        &Script::new(|ctx| async move {
            ctx.signal("never").await;
            End::Complete(None)
        }),
    );
    assert_eq!((error.event_id, error.expected.as_str()), (5, "nothing"));
}

#[test]
fn nondeterminism_of_a_cancellation() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.activity_scheduled("1", "charge");
    h.signaled("stop");
    h.full_task();
    h.timer_started("1");
    let error = nondeterminism(&h, &cancelled_by_signal(CancellationType::WaitCancellationCompleted));
    assert_eq!((error.event_id, error.found.as_str()), (10, "TimerStarted(id \"1\")"));
    assert_eq!(error.expected, "CancelActivity(activity type \"charge\", id \"1\")");
}

#[test]
fn closing_of_an_unknown_activity_is_a_broken_history() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.activity_scheduled("1", "charge");
    h.activity_completed(99, "done");
    h.full_task();
    assert!(matches!(
        replay(&h.events, &one_activity()),
        Err(RunError::BadHistory(_))
    ));
}
