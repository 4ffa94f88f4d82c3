//! Timers.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism};
use crate::script::{End, Script};

#[test]
fn fires() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let started = h.timer_started("1");
    h.timer_fired(started);
    h.full_task();
    h.completed();
    let script = Script::new(|ctx| async move {
        ctx.sleep(60).await;
        assert_eq!(ctx.run(|run| run.now().as_secs()), 1_700_000_000 + 8);
        End::Complete(None)
    });
    check(&h, &script, &[&["timer 1 60s"], &["complete"]]);
}

#[test]
fn two_at_once_resolve_in_order() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let first = h.timer_started("1");
    let second = h.timer_started("2");
    h.timer_fired(second);
    h.timer_fired(first);
    h.full_task();
    h.activity_scheduled("1", "two");
    h.activity_scheduled("2", "one");
    h.completed();
    let script = Script::new(|ctx| async move {
        let (one, two) = (ctx.start_timer(1), ctx.start_timer(1));
        for (timer, name) in [(one, "one"), (two, "two")] {
            let inner = ctx.clone();
            ctx.spawn(async move {
                inner.timer(timer).await;
                inner.start_activity(name);
                inner.note(name);
            });
        }
        let inner = ctx.clone();
        ctx.until(move || (inner.state.borrow().len() == 2).then_some(())).await;
        End::Complete(None)
    });
    check(
        &h,
        &script,
        &[
            &["timer 1 1s", "timer 2 1s"],
            &["activity 1 two", "activity 2 one", "complete"],
        ],
    );
}

/// Starts a timer and takes it back when told so.
fn cancelled_by_signal() -> Script {
    Script::new(|ctx| async move {
        let timer = ctx.start_timer(60);
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_timer(timer));
        ctx.run(|run| run.cancel_timer(timer));
        End::Complete(None)
    })
}

#[test]
fn cancelled() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("1");
    h.signaled("stop");
    h.full_task();
    h.timer_canceled("1");
    h.completed();
    check(
        &h,
        &cancelled_by_signal(),
        &[&["timer 1 60s"], &["cancel timer 1", "complete"]],
    );
}

#[test]
fn cancelled_before_sent_leaves_no_trace() {
    let mut h = HistoryBuilder::new();
    h.signaled("stop");
    h.full_task();
    h.completed();
    check(&h, &cancelled_by_signal(), &[&["complete"]]);
}

#[test]
fn cancelled_in_the_task_in_which_it_fired() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let started = h.timer_started("1");
    h.signaled("stop");
    h.timer_fired(started);
    h.full_task();
    h.completed();
    check(&h, &cancelled_by_signal(), &[&["timer 1 60s"], &["complete"]]);
}

#[test]
fn nondeterminism_of_timers() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.activity_scheduled("1", "charge");
    let error = nondeterminism(&h, &cancelled_by_signal());
    assert_eq!(error.expected, "StartTimer(id \"1\")");

    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("7");
    let error = nondeterminism(&h, &cancelled_by_signal());
    assert_eq!(error.details, "; timer id: history has \"7\", the code \"1\"");

    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("1");
    h.signaled("stop");
    h.full_task();
    h.completed();
    let error = nondeterminism(&h, &cancelled_by_signal());
    assert_eq!((error.event_id, error.expected.as_str()), (10, "CancelTimer(id \"1\")"));
}
