//! Local activities.

use crate::builder::{EPOCH, HistoryBuilder};
use crate::check::{check, completion, nondeterminism, replay, sticky_task, summary, tasks_of, whole_task, work};
use crate::script::{End, Instance, Script, end, failure, json};
use std::time::Duration;
use temporal_core::CancellationType::{Abandon, TryCancel, WaitCancellationCompleted};
use temporal_core::protos::api::command::v1::command::Attributes as Cmd;
use temporal_core::protos::api::failure::v1::failure::FailureInfo;
use temporal_core::protos::api::sdk::v1::UserMetadata;
use temporal_core::*;

fn one_local() -> Script {
    Script::new(|ctx| async move { end(ctx.local("lookup").await) })
}

#[test]
fn completes_inside_the_task() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.local_marker(1, "lookup");
    h.completed();
    let runs = check(&h, &one_local(), &[&["local 1 lookup", "complete"]]);
    let Some(Cmd::RecordMarkerCommandAttributes(marker)) = &runs[0].commands[0].attributes else {
        panic!()
    };
    let data: serde_json::Value = serde_json::from_slice(&marker.details["data"].payloads[0].data).unwrap();
    assert_eq!(data["attempt"], 1);
    assert_eq!(data["activity_id"], "1");
    assert_eq!(data["original_schedule_time"]["seconds"], EPOCH + 3);
    assert_eq!(marker.details["result"].payloads[0], json("local"));
    assert!(!runs[0].force_create_new_workflow_task);
}

#[test]
fn the_marker_has_its_summary() {
    let script = Script::new(|ctx| async move {
        let command = ScheduleLocalActivity {
            activity_type: "lookup".into(),
            user_metadata: Some(UserMetadata {
                summary: Some(json("looks it up")),
                details: None,
            }),
            ..ScheduleLocalActivity::default()
        };
        let seq = ctx.run(|run| run.schedule_local_activity(command));
        end(ctx.local_end(seq).await)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.local_marker(1, "lookup");
    h.completed();
    let runs = check(&h, &script, &[&["local 1 lookup", "complete"]]);
    let metadata = runs[0].commands[0].user_metadata.as_ref();
    assert_eq!(
        metadata.and_then(|metadata| metadata.summary.clone()),
        Some(json("looks it up"))
    );
}

#[test]
fn fails() {
    let script = Script::new(|ctx| async move {
        let Resolution::Failed(failed) = ctx.local("lookup").await else {
            panic!()
        };
        let Some(FailureInfo::ActivityFailureInfo(info)) = &failed.failure_info else {
            panic!()
        };
        assert_eq!(info.activity_type.as_ref().unwrap().name, "lookup");
        assert_eq!(failed.cause.as_ref().unwrap().message, "not found");
        End::Fail(failed)
    })
    .local(|_| {
        Some(LocalActivityOutcome::Failed {
            failure: failure("not found"),
            backoff: None,
        })
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.local_marker_with(1, "lookup", "null", Some(failure("not found")));
    h.failed();
    check(&h, &script, &[&["local 1 lookup", "fail activity failed"]]);
}

#[test]
fn numbers_are_shared_with_activities() {
    let script = Script::new(|ctx| async move {
        ctx.local("lookup").await;
        ctx.activity("charge").await;
        end(ctx.local("lookup").await)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.local_marker(1, "lookup");
    let scheduled = h.activity_scheduled("2", "charge");
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.local_marker(3, "lookup");
    h.completed();
    check(
        &h,
        &script,
        &[
            &["local 1 lookup", "activity 2 charge"],
            &["local 3 lookup", "complete"],
        ],
    );
}

#[test]
fn order_is_that_of_the_markers() {
    let script = Script::new(|ctx| async move {
        let slow = ctx.start_local("slow", TryCancel);
        let quick = ctx.start_local("quick", TryCancel);
        for (seq, name) in [(slow, "slow"), (quick, "quick")] {
            let inner = ctx.clone();
            ctx.spawn(async move {
                inner.local_end(seq).await;
                inner.start_activity(name);
                inner.note(name);
            });
        }
        let inner = ctx.clone();
        ctx.until(move || (inner.state.borrow().len() == 2).then_some(())).await;
        End::Complete(None)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.local_marker(2, "quick");
    h.activity_scheduled("3", "quick");
    h.local_marker(1, "slow");
    h.activity_scheduled("4", "slow");
    h.completed();
    // A replay takes the order from the markers.
    replay(&h.events, &script).unwrap();
    // A live run takes it from the outcomes: here slow comes first.
    let task = WorkflowTask {
        started_event_id: 3,
        events: h.events[..3].to_vec(),
        ..WorkflowTask::default()
    };
    let mut instance = Instance::new(&script, task).unwrap();
    let commands = completion(work(&mut instance).unwrap()).commands;
    let found: Vec<String> = commands.iter().map(summary).collect();
    assert_eq!(
        found,
        [
            "local 1 slow",
            "activity 3 slow",
            "local 2 quick",
            "activity 4 quick",
            "complete"
        ]
    );
}

/// Heartbeats: the local activity hangs during two tasks, and ends in the third.
#[test]
fn heartbeats_until_it_ends() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.full_task();
    h.full_task();
    h.local_marker(1, "lookup");
    h.completed();
    let hangs = one_local().local(|_| None);
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&hangs, whole_task(&h.events, &tasks[0])).unwrap();
    for task in &tasks[1..] {
        let beat = completion(work(&mut instance).unwrap());
        assert!(beat.force_create_new_workflow_task && beat.commands.is_empty());
        instance.handle_task(sticky_task(&h.events, task)).unwrap();
    }
    let beat = completion(work(&mut instance).unwrap());
    assert!(beat.force_create_new_workflow_task);
    replay(&h.events, &hangs).unwrap();
    // After an eviction the third task runs it again.
    let mut evicted = Instance::new(&one_local(), whole_task(&h.events, &tasks[2])).unwrap();
    let found: Vec<String> = completion(work(&mut evicted).unwrap())
        .commands
        .iter()
        .map(summary)
        .collect();
    assert_eq!(found, ["local 1 lookup", "complete"]);
    assert_eq!(evicted.jobs, ["Initialize", "Run", "LocalActivityResolved"]);
}

/// Whose second attempt, behind a timer, has the id of the first, or its own.
fn backs_off(inherits: bool) -> Script {
    Script::new(move |ctx| async move {
        let Resolution::Backoff {
            backoff,
            attempt,
            original_schedule_time,
        } = ctx.local("lookup").await
        else {
            panic!()
        };
        assert_eq!((backoff, attempt), (Duration::from_secs(60), 4));
        assert_eq!(original_schedule_time.as_secs() as i64, EPOCH + 3);
        ctx.sleep(backoff.as_secs()).await;
        let command = ScheduleLocalActivity {
            activity_type: "lookup".into(),
            attempt,
            first: inherits.then_some(LocalActivitySeq(1)),
            original_schedule_time: Some(original_schedule_time),
            ..ScheduleLocalActivity::default()
        };
        let seq = ctx.run(|run| run.schedule_local_activity(command));
        end(ctx.local_end(seq).await)
    })
    .local(move |command| {
        Some(match command.attempt {
            1 => LocalActivityOutcome::Failed {
                failure: failure("busy"),
                backoff: Some(LocalActivityBackoff {
                    duration: Duration::from_secs(60),
                    failed_attempt: 3,
                }),
            },
            _ => {
                assert_eq!(command.activity_id.as_deref(), Some(if inherits { "1" } else { "2" }));
                LocalActivityOutcome::Completed(None)
            }
        })
    })
}

fn backed_off(last_id: &str) -> HistoryBuilder {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.local_marker_with(1, "lookup", r#"{"seconds":60,"nanos":0}"#, Some(failure("busy")));
    let timer = h.timer_started("1");
    h.timer_fired(timer);
    h.full_task();
    h.local_marker_of(2, last_id, "lookup", "null", None);
    h.completed();
    h
}

const BACKED_OFF: &[&[&str]] = &[&["local 1 lookup", "timer 1 60s"], &["local 2 lookup", "complete"]];

#[test]
fn long_back_off_becomes_a_timer() {
    check(&backed_off("2"), &backs_off(false), BACKED_OFF);
}

/// The id serves as an idempotency key, so a timer between the attempts does not change it.
#[test]
fn the_id_stays_over_a_long_back_off() {
    check(&backed_off("1"), &backs_off(true), BACKED_OFF);
}

/// Histories in which each attempt behind a timer has an id of its own, as they come from other SDKs, replay too.
#[test]
fn an_id_of_its_own_behind_a_back_off_is_no_contradiction() {
    replay(&backed_off("2").events, &backs_off(true)).unwrap();
    nondeterminism(&backed_off("3"), &backs_off(true));
    nondeterminism(&backed_off("1"), &backs_off(false));
}

fn cancelled_by_signal(kind: CancellationType) -> Script {
    Script::new(move |ctx| async move {
        let seq = ctx.start_local("lookup", kind);
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_local_activity(seq));
        ctx.run(|run| run.cancel_local_activity(seq));
        end(ctx.local_end(seq).await)
    })
    .local(|_| None)
}

#[test]
fn cancellation_types() {
    for kind in [TryCancel, Abandon, WaitCancellationCompleted] {
        let mut h = HistoryBuilder::new();
        h.full_task();
        h.signaled("stop");
        h.full_task();
        h.local_marker_cancelled(1, "lookup");
        h.canceled();
        check(&h, &cancelled_by_signal(kind), &[&[], &["local 1 lookup", "cancel"]]);
    }
}

#[test]
fn cancelled_before_it_could_run_leaves_no_trace() {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_local("lookup", WaitCancellationCompleted);
        ctx.run(|run| run.cancel_local_activity(seq));
        assert!(matches!(ctx.local_end(seq).await, Resolution::Cancelled(_)));
        End::Cancel
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.canceled();
    check(&h, &script, &[&["cancel"]]);
}

#[test]
fn a_closed_run_waits_for_none() {
    let script = Script::new(|ctx| async move {
        ctx.start_local("lookup", TryCancel);
        ctx.signal("stop").await;
        End::Complete(None)
    })
    .local(|_| None);
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.signaled("stop");
    h.full_task();
    h.completed();
    let runs = check(&h, &script, &[&[], &["complete"]]);
    assert!(runs[0].force_create_new_workflow_task);
    assert!(!runs[1].force_create_new_workflow_task);
}

#[test]
fn nondeterminism_of_local_activities() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.local_marker(1, "search");
    h.completed();
    let error = nondeterminism(&h, &one_local());
    assert_eq!(error.found, "MarkerRecorded(marker \"core_local_activity\")");
    assert_eq!(error.expected, "RecordMarker(local activity type \"lookup\", id \"1\")");
    assert_eq!(
        error.details,
        "; activity type: history has \"search\", the code \"lookup\""
    );

    let mut h = HistoryBuilder::new();
    h.full_task();
    h.local_marker(1, "lookup");
    h.completed();
    let error = nondeterminism(
        &h,
        &Script::new(|ctx| async move {
            ctx.sleep(1).await;
            End::Complete(None)
        }),
    );
    assert_eq!((error.event_id, error.expected.as_str()), (5, "StartTimer(id \"1\")"));
}
