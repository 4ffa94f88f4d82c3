//! The end of a run.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism};
use crate::script::{End, Script, failure};
use temporal_core::ContinueAsNew;
use temporal_core::protos::api::command::v1::command::Attributes as Cmd;
use temporal_core::protos::api::common::v1::RetryPolicy;
use temporal_core::protos::api::history::v1::history_event::Attributes;

#[test]
fn every_way() {
    let complete = Script::new(|_| async { End::Complete(None) });
    let fail = Script::new(|_| async { End::Fail(failure("broken")) });
    let cancel = Script::new(|ctx| async move {
        ctx.cancelled().await;
        End::Cancel
    });
    let continues = Script::new(|_| async { End::ContinueAsNew(ContinueAsNew::default()) });

    let begun = || {
        let mut h = HistoryBuilder::new();
        h.full_task();
        h
    };
    let mut h = begun();
    h.completed();
    check(&h, &complete, &[&["complete"]]);
    assert_eq!(nondeterminism(&h, &fail).expected, "FailWorkflow");
    assert_eq!(
        nondeterminism(&h, &continues).expected,
        "ContinueAsNew(workflow type \"Flow\")"
    );

    let mut h = begun();
    h.failed();
    check(&h, &fail, &[&["fail broken"]]);
    assert_eq!(nondeterminism(&h, &complete).expected, "CompleteWorkflow");

    let mut h = begun();
    h.continued_as_new("Flow");
    check(&h, &continues, &[&["continue as new Flow"]]);
    let mut h = begun();
    h.continued_as_new("Other");
    let error = nondeterminism(&h, &continues);
    assert_eq!(
        error.details,
        "; workflow type: history has \"Other\", the code \"Flow\""
    );

    let mut h = begun();
    h.cancel_requested();
    h.cancel_requested();
    h.full_task();
    h.canceled();
    check(&h, &cancel, &[&[], &["cancel"]]);
    let error = nondeterminism(
        &h,
        &Script::new(|ctx| async move {
            ctx.cancelled().await;
            End::Complete(None)
        }),
    );
    assert_eq!(
        (error.found.as_str(), error.expected.as_str()),
        ("WorkflowExecutionCanceled", "CompleteWorkflow")
    );
}

#[test]
fn commands_before_it_are_kept_and_later_ones_dropped() {
    let script = Script::new(|ctx| async move {
        ctx.start_timer(1);
        let inner = ctx.clone();
        ctx.spawn(async move {
            inner.signal("go").await;
            inner.run(|run| run.complete(None));
            inner.run(|run| run.fail(failure("too late")));
            inner.start_timer(2);
        });
        ctx.signal("never").await;
        End::Complete(None)
    });
    let mut h = HistoryBuilder::new();
    h.signaled("go");
    h.full_task();
    h.timer_started("1");
    h.completed();
    check(&h, &script, &[&["timer 1 1s", "complete"]]);
}

#[test]
fn surplus_and_missing_end() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.completed();
    let waits = Script::new(|ctx| async move {
        ctx.signal("never").await;
        End::Complete(None)
    });
    let error = nondeterminism(&h, &waits);
    assert_eq!((error.event_id, error.expected.as_str()), (5, "nothing"));

    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("1");
    let error = nondeterminism(&h, &Script::new(|_| async { End::Complete(None) }));
    assert_eq!((error.event_id, error.expected.as_str()), (5, "CompleteWorkflow"));
}

#[test]
fn the_next_run_is_retried_like_this_one() {
    let policy = |maximum_attempts| RetryPolicy {
        maximum_attempts,
        ..RetryPolicy::default()
    };
    for (asked, sent) in [(None, 5), (Some(policy(2)), 2)] {
        let script = Script::new(move |_| {
            let retry_policy = asked.clone();
            async {
                End::ContinueAsNew(ContinueAsNew {
                    retry_policy,
                    ..ContinueAsNew::default()
                })
            }
        });
        let mut h = HistoryBuilder::new();
        let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &mut h.events[0].attributes else {
            panic!("a history begins with its start")
        };
        started.retry_policy = Some(policy(5));
        h.full_task();
        h.continued_as_new("Flow");
        let runs = check(&h, &script, &[&["continue as new Flow"]]);
        let Some(Cmd::ContinueAsNewWorkflowExecutionCommandAttributes(next)) = &runs[0].commands[0].attributes else {
            panic!("{:?}", runs[0].commands)
        };
        assert_eq!(next.retry_policy, Some(policy(sent)));
    }
}
