//! Workflow tasks: their boundaries, failures, caches and pages.

use crate::builder::{HistoryBuilder, RUN_ID};
use crate::check::{check, completion, message, replay, replay_task, sticky_task, tasks_of, whole_task, work};
use crate::script::{End, Instance, Script, end, failure};
use temporal_core::protos::api::enums::v1::SuggestContinueAsNewReason;
use temporal_core::protos::api::history::v1::history_event::Attributes;
use temporal_core::*;

fn two_signals() -> Script {
    Script::new(|ctx| async move {
        ctx.signal("a").await;
        ctx.signal("b").await;
        ctx.start_timer(1);
        ctx.signal("c").await;
        End::Complete(None)
    })
}

#[test]
fn failed_and_timed_out_tasks_are_no_boundaries() {
    let mut h = HistoryBuilder::new();
    h.failed_task();
    h.signaled("a");
    h.timed_out_task();
    h.signaled("b");
    h.full_task();
    h.timer_started("1");
    h.signaled("c");
    h.failed_task();
    h.full_task();
    h.completed();
    check(&h, &two_signals(), &[&["timer 1 1s"], &["complete"]]);
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&two_signals(), whole_task(&h.events, &tasks[0])).unwrap();
    let _ = work(&mut instance).unwrap();
    assert_eq!(instance.jobs, ["Initialize", "Signal", "Signal", "Run"]);
}

#[test]
fn transient_attempts() {
    // Attempt 2: scheduled and started stand only at the end of the shipped history.
    let mut h = HistoryBuilder::new();
    h.failed_task();
    h.open_task();
    check(&h, &two_signals(), &[&[]]);
}

#[test]
fn clock_length_and_size() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.signaled("a");
    h.open_task();
    let script = Script::new(|ctx| async move {
        let seen = |run: &mut WorkflowRun| {
            (
                run.now().as_secs(),
                run.history_length(),
                run.history_size_bytes(),
                run.is_replaying(),
            )
        };
        assert_eq!(ctx.run(seen), (1_700_000_003, 3, 200, true));
        ctx.signal("a").await;
        assert_eq!(ctx.run(seen), (1_700_000_007, 7, 600, false));
        assert!(!ctx.run(|run| run.continue_as_new_suggested()));
        End::Complete(None)
    });
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&script, whole_task(&h.events, &tasks[1])).unwrap();
    assert_eq!(completion(work(&mut instance).unwrap()).commands.len(), 1);
}

#[test]
fn p31_p32_the_server_says_why_to_continue_as_new() {
    let mut h = HistoryBuilder::new();
    h.open_task();
    let Some(Attributes::WorkflowTaskStartedEventAttributes(started)) = &mut h.events.last_mut().unwrap().attributes
    else {
        panic!()
    };
    started.suggest_continue_as_new = true;
    started.suggest_continue_as_new_reasons = vec![SuggestContinueAsNewReason::TooManyUpdates.into()];
    started.target_worker_deployment_version_changed = true;
    let script = Script::new(|ctx| async move {
        assert!(ctx.run(|run| run.continue_as_new_suggested()));
        assert!(ctx.run(|run| run.target_version_changed()));
        let reasons = ctx.run(|run| run.continue_as_new_reasons().to_vec());
        assert_eq!(reasons, [SuggestContinueAsNewReason::TooManyUpdates]);
        End::Complete(None)
    });
    let mut instance = Instance::new(&script, whole_task(&h.events, &tasks_of(&h.events)[0])).unwrap();
    assert_eq!(completion(work(&mut instance).unwrap()).commands.len(), 1);
}

#[test]
fn reset_seeds_anew() {
    let script = Script::new(|ctx| async move {
        ctx.signal("go").await;
        let seeds = ctx.seeds();
        assert_eq!(seeds.len(), 2);
        assert_ne!(seeds[0], seeds[1]);
        ctx.note(&format!("{seeds:?}"));
        End::Complete(None)
    });
    let mut h = HistoryBuilder::new();
    h.reset("22222222-0000-4000-8000-000000000002");
    h.signaled("go");
    h.full_task();
    h.completed();
    check(&h, &script, &[&["complete"]]);
    let mut instance = Instance::new(&script, replay_task(&h.events)).unwrap();
    let _ = work(&mut instance).unwrap();
    assert_eq!(instance.jobs, ["Initialize", "RandomSeedUpdated", "Signal", "Run"]);
    assert!(!RUN_ID.is_empty());
}

#[test]
fn cache_mismatches() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("1");
    h.timer_fired(5);
    h.full_task();
    let tasks = tasks_of(&h.events);
    let script = Script::new(|ctx| async move {
        ctx.sleep(1).await;
        ctx.signal("never").await;
        End::Complete(None)
    });
    // A sticky task without the run.
    let error = Instance::new(&script, sticky_task(&h.events, &tasks[1])).err().unwrap();
    assert_eq!(
        error,
        RunError::CacheMismatch {
            task_starts_after: 3,
            run_stands_at: 0
        }
    );
    // A run whose answer never counted: the server still stands before it.
    let mut instance = Instance::new(&script, whole_task(&h.events, &tasks[0])).unwrap();
    let _ = work(&mut instance).unwrap();
    let mut failed = HistoryBuilder::new();
    failed.timed_out_task();
    failed.open_task();
    let again = WorkflowTask {
        started_event_id: 6,
        previous_started_event_id: 0,
        events: failed.events.clone(),
        ..WorkflowTask::default()
    };
    assert!(matches!(
        instance.handle_task(again),
        Err(RunError::CacheMismatch { .. })
    ));
    // A run that skipped a task.
    let mut instance = Instance::new(&script, whole_task(&h.events, &tasks[0])).unwrap();
    let _ = work(&mut instance).unwrap();
    let mut ahead = sticky_task(&h.events, &tasks[1]);
    ahead.previous_started_event_id = 30;
    assert!(matches!(
        instance.handle_task(ahead),
        Err(RunError::CacheMismatch { .. })
    ));
}

#[test]
fn whole_history_for_a_cached_run() {
    // The sticky queue timed out: the normal queue ships everything, and the cached run is still good.
    let mut h = HistoryBuilder::new();
    h.full_task();
    let timer = h.timer_started("1");
    h.timer_fired(timer);
    h.task_scheduled();
    h.event(Attributes::WorkflowTaskTimedOutEventAttributes(Default::default()));
    h.full_task();
    h.completed();
    let script = Script::new(|ctx| async move {
        ctx.sleep(1).await;
        End::Complete(None)
    });
    check(&h, &script, &[&["timer 1 1s"], &["complete"]]);
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&script, whole_task(&h.events, &tasks[0])).unwrap();
    let _ = work(&mut instance).unwrap();
    instance.handle_task(whole_task(&h.events, &tasks[1])).unwrap();
    assert_eq!(completion(work(&mut instance).unwrap()).commands.len(), 1);
    assert_eq!(instance.jobs, ["Initialize", "Run", "TimerFired"]);
}

#[test]
fn broken_histories() {
    let script = two_signals();
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.signaled("a");
    h.full_task();
    let mut gap = h.events.clone();
    gap.remove(4);
    assert!(matches!(replay(&gap, &script), Err(RunError::BadHistory(_))));
    let mut headless = h.clone();
    headless.events.remove(0);
    for (index, event) in headless.events.iter_mut().enumerate() {
        event.event_id = index as i64 + 1;
    }
    assert!(matches!(
        replay(&headless.events, &script),
        Err(RunError::BadHistory(_))
    ));
    let cut = WorkflowTask {
        started_event_id: 7,
        ..whole_task(&h.events[..5], &tasks_of(&h.events)[0].clone())
    };
    let mut instance = Instance::new(&script, cut).unwrap();
    assert!(matches!(work(&mut instance), Err(RunError::BadHistory(_))));
    // Once failed, always failed.
    assert!(matches!(work(&mut instance), Err(RunError::BadHistory(_))));
}

#[test]
fn unknown_events() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.signaled("a");
    h.signaled("b");
    h.open_task();
    h.events[5].attributes = None;
    h.events[5].event_type = 4711;
    let error = replay(&h.events, &two_signals()).unwrap_err();
    assert!(error.to_string().contains("4711"), "{error}");
    h.events[5].worker_may_ignore = true;
    replay(&h.events, &two_signals()).unwrap();
}

#[test]
fn terminated_and_timed_out_runs_replay() {
    for end in [
        Attributes::WorkflowExecutionTerminatedEventAttributes(Default::default()),
        Attributes::WorkflowExecutionTimedOutEventAttributes(Default::default()),
    ] {
        let mut h = HistoryBuilder::new();
        h.full_task();
        h.activity_scheduled("1", "charge");
        h.failed_task();
        h.event(end);
        let script = Script::new(|ctx| async move { end_of(ctx).await });
        replay(&h.events, &script).unwrap();
    }
}

async fn end_of(ctx: crate::script::Ctx) -> End {
    end(ctx.activity("charge").await)
}

/// Code that goes on by an event may wait for what else its task brings: a signal behind it, which would come too late for a
/// run that ends.
#[test]
fn told_of_all() {
    let script = Script::new(|ctx| async move {
        ctx.sleep(1).await;
        ctx.settled().await;
        ctx.signal("a").await;
        ctx.settled().await;
        ctx.signal("b").await;
        End::Complete(None)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("1");
    h.timer_fired(5);
    h.signaled("a");
    h.signaled("b");
    h.full_task();
    h.completed();
    check(&h, &script, &[&["timer 1 1s"], &["complete"]]);
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&script, whole_task(&h.events, &tasks[1])).unwrap();
    let _ = work(&mut instance).unwrap();
    assert_eq!(
        instance.jobs,
        [
            "Initialize",
            "Run",
            "TimerFired",
            "Signal",
            "Signal",
            // Once: nothing comes behind it that the code could ask about.
            "Settled"
        ]
    );
}

/// Where the code was told of all, the server must not send the events of a forgotten task again with others behind them.
#[test]
fn told_of_all_in_a_task_that_is_forgotten() {
    let script = Script::new(|ctx| async move {
        ctx.signal("a").await;
        ctx.settled().await;
        ctx.signal("b").await;
        End::Complete(None)
    })
    .update(|ctx, update| async move {
        ctx.run(|run| run.reject_update(&update.protocol_instance_id, failure("bad")));
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&script, whole_task(&h.events, &tasks[0])).unwrap();
    let _ = work(&mut instance).unwrap();
    h.signaled("a");
    let mut speculative = h.clone();
    speculative.open_task();
    let mut task = sticky_task(&speculative.events, &tasks_of(&speculative.events)[1]);
    task.messages = vec![message("bad", 6)];
    instance.handle_task(task).unwrap();
    assert!(completion(work(&mut instance).unwrap()).commands.is_empty());
    h.signaled("b");
    h.full_task();
    h.completed();
    let forgotten = sticky_task(&h.events, &tasks_of(&h.events)[1]);
    assert!(matches!(
        instance.handle_task(forgotten),
        Err(RunError::CacheMismatch { .. })
    ));
    replay(&h.events, &script).unwrap();
}

#[test]
fn the_loop_must_be_followed() {
    let mut h = HistoryBuilder::new();
    h.open_task();
    let task = whole_task(&h.events, &tasks_of(&h.events)[0]);
    let mut run = WorkflowRun::new(RunOptions::default(), task).unwrap();
    assert!(matches!(run.finish_task(), Err(RunError::Misuse(_))));
    assert!(matches!(run.next_job(), Ok(Next::Job(Job::Initialize(_)))));
    assert!(matches!(run.finish_task(), Err(RunError::Misuse(_))));
    assert!(matches!(run.next_job(), Ok(Next::Job(Job::Run))));
    assert!(matches!(run.next_job(), Ok(Next::Done)));
    assert!(matches!(run.finish_task(), Ok(Outcome::Completed(_))));
    assert!(matches!(run.finish_task(), Err(RunError::Misuse(_))));
    assert!(matches!(run.next_job(), Ok(Next::Done)));
    // Between tasks nothing is recorded.
    assert_eq!(run.start_timer(StartTimer::default()), TimerSeq(0));
}
