//! Histories that official SDKs of the Core family recorded on a real server, replayed by scripts that issue the same commands:
//! the Python SDK's by `../histories/record.py`, the TypeScript SDK's by `../histories/record_typescript.js`.

use crate::check::{completion, summary, work};
use crate::script::{Ctx, End, Instance, Script, failure, json};
use std::time::Duration;
use temporal_core::CancellationType::{TryCancel, WaitCancellationCompleted};
use temporal_core::protos::api::common::v1::Payload;
use temporal_core::*;

/// The histories of one name that each of the SDKs recorded.
macro_rules! recorded {
    ($name:literal) => {
        [
            include_str!(concat!("../histories/python_", $name, ".json")),
            include_str!(concat!("../histories/typescript_", $name, ".json")),
        ]
    };
}

/// Replays the histories that both SDKs recorded with the same script.
fn both_replay(recorded: [&str; 2], script: &Script) {
    for json in recorded {
        replays(json, script);
    }
}

/// Replays a recorded history, whole and evicted after every task, and once more with a script that goes astray.
fn replays(json: &str, script: &Script) {
    let history = History::from_json(json).unwrap();
    let mut instance = Instance::new(script, history.clone().into_replay_task()).unwrap();
    assert!(matches!(work(&mut instance).unwrap(), Outcome::Replayed));
    for task in crate::check::tasks_of(&history.events) {
        let whole = WorkflowTask {
            messages: Vec::new(),
            ..crate::check::whole_task(&history.events, &task)
        };
        let mut instance = Instance::new(script, whole).unwrap();
        let commands = completion(work(&mut instance).unwrap()).commands;
        assert!(commands.iter().all(|command| !summary(command).is_empty()));
    }
    let astray = Script::new(|ctx| async move {
        ctx.sleep(1).await;
        ctx.activity("astray").await;
        End::Complete(None)
    });
    let mut instance = Instance::new(&astray, history.into_replay_task()).unwrap();
    assert!(matches!(work(&mut instance), Err(RunError::Nondeterminism(_))));
}

/// The text in a JSON string payload.
fn text(payload: &Payload) -> String {
    serde_json::from_slice(&payload.data).unwrap()
}

#[test]
fn activities() {
    let script = Script::new(|ctx| async move {
        let one = ctx.start_activity("greet");
        let two = ctx.start_activity("greet");
        ctx.activity_end(one).await;
        ctx.activity_end(two).await;
        assert!(matches!(ctx.activity("fail").await, Resolution::Failed(_)));
        let hanging = ctx.start_activity_with("hang", WaitCancellationCompleted);
        let tried = ctx.start_activity("hang");
        ctx.sleep(1).await;
        ctx.run(|run| run.cancel_activity(hanging));
        assert!(matches!(ctx.activity_end(hanging).await, Resolution::Cancelled(_)));
        ctx.run(|run| run.cancel_activity(tried));
        assert!(matches!(ctx.activity_end(tried).await, Resolution::Cancelled(_)));
        End::Complete(None)
    });
    replays(include_str!("../histories/python_activities.json"), &script);

    let script = Script::new(|ctx| async move {
        let one = ctx.start_activity("greet");
        let two = ctx.start_activity("greet");
        ctx.activity_end(one).await;
        ctx.activity_end(two).await;
        assert!(matches!(ctx.activity("fail").await, Resolution::Failed(_)));
        for kind in [WaitCancellationCompleted, TryCancel] {
            let hanging = ctx.start_activity_with("hang", kind);
            ctx.sleep(1).await;
            ctx.run(|run| run.cancel_activity(hanging));
            assert!(matches!(ctx.activity_end(hanging).await, Resolution::Cancelled(_)));
        }
        End::Complete(None)
    });
    replays(include_str!("../histories/typescript_activities.json"), &script);
}

async fn update(ctx: Ctx, update: UpdateReceived) {
    ctx.run(|run| run.accept_update(&update.protocol_instance_id));
    if update.name == "long" {
        ctx.sleep(1).await;
        ctx.activity("greet").await;
    }
    let result = Ok(update.arguments.into_iter().next());
    ctx.run(|run| run.complete_update(&update.protocol_instance_id, result));
}

#[test]
fn handlers() {
    let script = Script::new(|ctx| async move {
        ctx.signal("end").await;
        ctx.activity("greet").await;
        let short = ctx.start_timer(1);
        let long = ctx.start_timer(100);
        ctx.timer(short).await;
        let end = ctx.start_activity("greet");
        ctx.run(|run| run.cancel_timer(long));
        ctx.activity_end(end).await;
        End::Complete(None)
    })
    .update(update);
    replays(include_str!("../histories/python_handlers.json"), &script);

    let script = Script::new(|ctx| async move {
        ctx.signal("end").await;
        ctx.activity("greet").await;
        let long = ctx.start_timer(100);
        ctx.sleep(1).await;
        ctx.run(|run| run.cancel_timer(long));
        // A condition with a time limit is a timer there, which is cancelled at once when it holds: no event, but a number.
        let limit = ctx.start_timer(10);
        ctx.run(|run| run.cancel_timer(limit));
        ctx.sleep(1).await;
        ctx.activity("greet").await;
        End::Complete(None)
    })
    .update(update);
    replays(include_str!("../histories/typescript_handlers.json"), &script);
}

#[test]
fn patches() {
    let script = Script::new(|ctx| async move {
        if ctx.patched("one") {
            ctx.activity("greet").await;
        }
        ctx.sleep(1).await;
        ctx.run(|run| run.patched("two", true));
        assert!(ctx.patched("one"));
        if ctx.patched("three") {
            ctx.sleep(1).await;
        }
        End::Complete(None)
    });
    both_replay(recorded!("patched"), &script);
}

#[test]
fn local_activities() {
    let script = Script::new(|ctx| async move {
        let Resolution::Completed(Some(greeting)) = ctx.local("greet").await else {
            panic!()
        };
        let replayed = ctx.run(|run| run.is_replaying());
        assert_eq!(greeting, json(if replayed { "Hello, a!" } else { "local" }));
        let late = ctx.start_local("slow", TryCancel);
        let quick = ctx.start_local("slow", TryCancel);
        ctx.local_end(quick).await;
        ctx.local_end(late).await;
        let Resolution::Failed(failed) = ctx.local("fail").await else {
            panic!()
        };
        assert_eq!(failed.cause.unwrap().message, "no");
        ctx.activity("greet").await;
        assert!(matches!(ctx.local("slow").await, Resolution::Completed(_)));
        let Resolution::Backoff {
            backoff,
            attempt,
            original_schedule_time,
        } = ctx.local("flaky").await
        else {
            panic!()
        };
        assert_eq!((backoff, attempt), (Duration::from_secs(2), 2));
        ctx.sleep(backoff.as_secs()).await;
        let again = ctx.run(|run| {
            run.schedule_local_activity(ScheduleLocalActivity {
                activity_type: "flaky".into(),
                attempt,
                original_schedule_time: Some(original_schedule_time),
                ..ScheduleLocalActivity::default()
            })
        });
        assert!(matches!(ctx.local_end(again).await, Resolution::Completed(_)));
        let hanging = ctx.start_local("hang", TryCancel);
        ctx.sleep(1).await;
        ctx.run(|run| run.cancel_local_activity(hanging));
        assert!(matches!(ctx.local_end(hanging).await, Resolution::Cancelled(_)));
        End::Complete(None)
    })
    .local(|command| {
        Some(match (command.activity_type.as_str(), command.attempt) {
            ("fail", _) => LocalActivityOutcome::Failed {
                failure: failure("no"),
                backoff: None,
            },
            ("flaky", 1) => LocalActivityOutcome::Failed {
                failure: failure("not yet"),
                backoff: Some(LocalActivityBackoff {
                    duration: Duration::from_secs(2),
                    failed_attempt: 1,
                }),
            },
            ("hang", _) => return None,
            _ => LocalActivityOutcome::Completed(Some(json("local"))),
        })
    });
    both_replay(recorded!("local_activities"), &script);
}

#[test]
fn children() {
    let script = Script::new(|ctx| async move {
        let prefix = text(&ctx.arguments.borrow()[0]);
        let start = |name: &str| {
            let seq = ctx.start_child("Kid", &format!("{prefix}-{name}"), WaitCancellationCompleted);
            let ctx = ctx.clone();
            async move {
                assert!(matches!(ctx.child_start(seq).await, ChildStart::Started { .. }));
                seq
            }
        };
        let other = |name: &str| ExternalTarget::Workflow {
            namespace: String::new(),
            workflow_id: format!("{prefix}-{name}"),
            run_id: String::new(),
        };
        let ok = start("ok").await;
        assert!(matches!(ctx.child_end(ok).await, Resolution::Completed(_)));
        let fails = start("fail").await;
        assert!(matches!(ctx.child_end(fails).await, Resolution::Failed(_)));
        let waits = start("wait").await;
        ctx.signal_external(ExternalTarget::Child(waits), "stop")
            .1
            .await
            .unwrap();
        assert!(matches!(ctx.child_end(waits).await, Resolution::Completed(_)));
        let cancelled = start("cancel").await;
        ctx.run(|run| run.cancel_child(cancelled, ""));
        assert!(matches!(ctx.child_end(cancelled).await, Resolution::Cancelled(_)));
        ctx.signal_external(other("external"), "add").1.await.unwrap();
        ctx.cancel_external(other("external")).await.unwrap();
        ctx.signal_external(other("nobody"), "add").1.await.unwrap_err();
        End::Complete(None)
    });
    both_replay(recorded!("children"), &script);
}

fn null() -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), "binary/null".into())].into(),
        ..Payload::default()
    }
}

#[test]
fn properties() {
    let script = Script::new(|ctx| async move {
        ctx.run(|run| {
            assert_eq!(run.memo().len(), 1);
            run.upsert_memo([("state".to_owned(), json("running"))].into());
            run.upsert_search_attributes([("Colour".to_owned(), json("blue"))].into());
        });
        ctx.sleep(1).await;
        ctx.run(|run| run.upsert_memo([("state".to_owned(), null())].into()));
        if ctx.arguments.borrow()[0].data == "true" {
            End::ContinueAsNew(ContinueAsNew::default())
        } else {
            End::Complete(None)
        }
    });
    both_replay(recorded!("continued_as_new"), &script);
    both_replay(recorded!("properties"), &script);
}

#[test]
fn cancelled() {
    let script = Script::new(|ctx| async move {
        let timer = ctx.start_timer(1000);
        ctx.cancelled().await;
        ctx.run(|run| run.cancel_timer(timer));
        ctx.activity("greet").await;
        End::Cancel
    });
    both_replay(recorded!("cancelled"), &script);
}
