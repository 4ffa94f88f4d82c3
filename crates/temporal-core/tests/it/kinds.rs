//! Every kind of command in every way that a worker can meet it: live, after an eviction behind every task, in a replay,
//! and with a history that holds something else.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism};
use crate::script::{Ctx, End, Script, end, failure, json};
use std::collections::BTreeSet;
use temporal_core::CancellationType::{TryCancel, WaitCancellationCompleted};
use temporal_core::protos::api::enums::v1::CommandType;
use temporal_core::{ChildStart, ContinueAsNew, ExternalTarget};

/// A kind of command.
struct Kind {
    script: Script,
    /// What the script does.
    history: HistoryBuilder,
    /// The commands of each task of that history.
    commands: &'static [&'static [&'static str]],
    /// What the script does not do.
    other: HistoryBuilder,
    /// What is wrong with that.
    error: &'static str,
}

/// What every error ends with.
const REMEDY: &str =
    "; put the change behind a patch, so that runs from before it do what they did, or reset or end this run";

impl Kind {
    /// Meets the histories in every way; gives the types of the commands.
    #[track_caller]
    fn verify(&self) -> BTreeSet<i32> {
        let tasks = check(&self.history, &self.script, self.commands);
        assert!(tasks.len() > 1, "nothing comes after an eviction");
        let error = nondeterminism(&self.other, &self.script).to_string();
        assert_eq!(
            error,
            format!("[TMPRL1100] nondeterminism at event {}{REMEDY}", self.error)
        );
        let commands = tasks.into_iter().flat_map(|task| task.commands);
        commands.map(|command| command.command_type).collect()
    }
}

macro_rules! kinds {
    ($($name:ident)*) => {
        mod each {
            $(#[test]
            fn $name() {
                super::$name().verify();
            })*
        }

        fn all() -> Vec<Kind> {
            vec![$($name()),*]
        }
    };
}

kinds! {
    start_timer cancel_timer schedule_activity cancel_activity local_activity start_child cancel_child signal_external
    cancel_external patch version side_effect search_attributes memo accept_update complete_update schedule_nexus
    cancel_nexus complete fail cancel continue_as_new
}

#[test]
fn no_type_of_command_is_left_out() {
    let found: BTreeSet<i32> = all().iter().flat_map(Kind::verify).collect();
    let known = (1..100).filter(|kind| CommandType::try_from(*kind).is_ok());
    assert_eq!(found, known.collect());
}

/// A history whose first task was done.
fn begun() -> HistoryBuilder {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h
}

/// One in which something was begun, and then the signal `stop` came.
fn until_stop<T>(begin: impl FnOnce(&mut HistoryBuilder) -> T) -> HistoryBuilder {
    let mut h = begun();
    begin(&mut h);
    h.signaled("stop");
    h.full_task();
    h
}

/// Its end, after the signal `end`.
fn ends(h: &mut HistoryBuilder) {
    h.signaled("end");
    h.full_task();
    h.completed();
}

async fn until_end(ctx: &Ctx) -> End {
    ctx.signal("end").await;
    End::Complete(None)
}

fn other() -> ExternalTarget {
    ExternalTarget::Workflow {
        namespace: String::new(),
        workflow_id: "other".into(),
        run_id: String::new(),
    }
}

fn start_timer() -> Kind {
    let script = Script::new(|ctx| async move {
        ctx.sleep(60).await;
        End::Complete(None)
    });
    let mut history = begun();
    let timer = history.timer_started("1");
    history.timer_fired(timer);
    history.full_task();
    history.completed();
    let mut other = begun();
    other.timer_started("7");
    Kind {
        script,
        history,
        commands: &[&["timer 1 60s"], &["complete"]],
        other,
        error: "5: history holds TimerStarted(id \"7\"), the workflow's code asked for StartTimer(id \"1\"); timer id: \
                history has \"7\", the code \"1\"",
    }
}

fn cancel_timer() -> Kind {
    let script = Script::new(|ctx| async move {
        let timer = ctx.start_timer(60);
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_timer(timer));
        until_end(&ctx).await
    });
    let mut history = until_stop(|h| h.timer_started("1"));
    history.timer_canceled("1");
    ends(&mut history);
    let mut other = until_stop(|h| h.timer_started("1"));
    other.timer_started("2");
    Kind {
        script,
        history,
        commands: &[&["timer 1 60s"], &["cancel timer 1"], &["complete"]],
        other,
        error: "10: history holds TimerStarted(id \"2\"), the workflow's code asked for CancelTimer(id \"1\")",
    }
}

fn schedule_activity() -> Kind {
    let mut history = begun();
    let scheduled = history.activity_scheduled("1", "charge");
    history.activity_completed(scheduled, "done");
    history.full_task();
    history.completed();
    let mut other = begun();
    other.activity_scheduled("1", "refund");
    Kind {
        script: Script::new(|ctx| async move { end(ctx.activity("charge").await) }),
        history,
        commands: &[&["activity 1 charge"], &["complete"]],
        other,
        error: "5: history holds ActivityTaskScheduled(activity type \"refund\", id \"1\"), the workflow's code asked for \
                ScheduleActivity(activity type \"charge\", id \"1\"); activity type: history has \"refund\", the code \
                \"charge\"",
    }
}

fn cancel_activity() -> Kind {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_activity_with("charge", WaitCancellationCompleted);
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_activity(seq));
        end(ctx.activity_end(seq).await)
    });
    let scheduled = |h: &mut HistoryBuilder| h.activity_scheduled("1", "charge");
    let mut history = until_stop(scheduled);
    history.activity_cancel_requested(5);
    history.activity_canceled(5);
    history.full_task();
    history.canceled();
    let mut other = until_stop(scheduled);
    other.completed();
    Kind {
        script,
        history,
        commands: &[&["activity 1 charge"], &["cancel activity @5"], &["cancel"]],
        other,
        error: "10: history holds WorkflowExecutionCompleted, the workflow's code asked for CancelActivity(activity type \
                \"charge\", id \"1\")",
    }
}

fn local_activity() -> Kind {
    let script = Script::new(|ctx| async move {
        ctx.local("lookup").await;
        until_end(&ctx).await
    });
    let mut history = begun();
    history.local_marker(1, "lookup");
    ends(&mut history);
    let mut other = begun();
    other.local_marker(1, "search");
    Kind {
        script,
        history,
        commands: &[&["local 1 lookup"], &["complete"]],
        other,
        error: "5: history holds MarkerRecorded(marker \"core_local_activity\"), the workflow's code asked for \
                RecordMarker(local activity type \"lookup\", id \"1\"); activity type: history has \"search\", the code \
                \"lookup\"",
    }
}

fn start_child() -> Kind {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_child("Ship", "ship-1", TryCancel);
        let ChildStart::Started { .. } = ctx.child_start(seq).await else {
            panic!("the child starts")
        };
        end(ctx.child_end(seq).await)
    });
    let mut history = begun();
    let initiated = history.child_initiated("ship-1", "Ship");
    history.child_started(initiated);
    history.full_task();
    history.child_completed(initiated, "arrived");
    history.full_task();
    history.completed();
    let mut other = begun();
    other.child_initiated("ship-2", "Ship");
    Kind {
        script,
        history,
        commands: &[&["child ship-1 Ship"], &[], &["complete"]],
        other,
        error: "5: history holds StartChildWorkflowExecutionInitiated(workflow type \"Ship\", id \"ship-2\"), the \
                workflow's code asked for StartChildWorkflow(workflow type \"Ship\", id \"ship-1\"); workflow id: history \
                has \"ship-2\", the code \"ship-1\"",
    }
}

fn cancel_child() -> Kind {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_child("Ship", "ship-1", WaitCancellationCompleted);
        ctx.child_start(seq).await;
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_child(seq, "enough"));
        end(ctx.child_end(seq).await)
    });
    let begin = |h: &mut HistoryBuilder| {
        let initiated = h.child_initiated("ship-1", "Ship");
        h.child_started(initiated);
    };
    let mut history = until_stop(begin);
    let request = history.cancel_external_initiated("ship-1");
    history.cancel_external_done(request);
    history.child_canceled(5);
    history.full_task();
    history.canceled();
    let mut other = until_stop(begin);
    other.cancel_external_initiated("ship-2");
    Kind {
        script,
        history,
        commands: &[&["child ship-1 Ship"], &["cancel child ship-1"], &["cancel"]],
        other,
        error: "11: history holds RequestCancelExternalWorkflowExecutionInitiated(workflow id \"ship-2\"), the workflow's \
                code asked for CancelChildWorkflow(workflow type \"Ship\", id \"ship-1\"); workflow id: history has \
                \"ship-2\", the code \"ship-1\"",
    }
}

fn signal_external() -> Kind {
    let script = Script::new(|ctx| async move {
        let (_, sent) = ctx.signal_external(other(), "hello");
        sent.await.unwrap();
        End::Complete(None)
    });
    let mut history = begun();
    let initiated = history.signal_external_initiated("other", "hello");
    history.signal_external_done(initiated);
    history.full_task();
    history.completed();
    let mut other = begun();
    other.signal_external_initiated("other", "goodbye");
    Kind {
        script,
        history,
        commands: &[&["signal other hello"], &["complete"]],
        other,
        error: "5: history holds SignalExternalWorkflowExecutionInitiated(signal \"goodbye\", workflow id \"other\"), the \
                workflow's code asked for SignalExternalWorkflow(signal \"hello\", workflow id \"other\"); signal name: history \
                has \"goodbye\", the code \"hello\"",
    }
}

fn cancel_external() -> Kind {
    let script = Script::new(|ctx| async move {
        ctx.cancel_external(other()).await.unwrap();
        End::Complete(None)
    });
    let mut history = begun();
    let initiated = history.cancel_external_initiated("other");
    history.cancel_external_done(initiated);
    history.full_task();
    history.completed();
    let mut other = begun();
    other.signal_external_initiated("other", "hello");
    Kind {
        script,
        history,
        commands: &[&["cancel external other"], &["complete"]],
        other,
        error: "5: history holds SignalExternalWorkflowExecutionInitiated(signal \"hello\", workflow id \"other\"), the \
                workflow's code asked for CancelExternalWorkflow(workflow id \"other\")",
    }
}

fn patch() -> Kind {
    let script = Script::new(|ctx| async move {
        ctx.patched("b");
        ctx.patched("a");
        until_end(&ctx).await
    });
    let mut history = begun();
    history.patch("b");
    history.patch("a");
    ends(&mut history);
    let mut other = begun();
    other.patch("a");
    other.patch("b");
    Kind {
        script,
        history,
        commands: &[
            &[
                "patch b",
                "attributes TemporalChangeVersion",
                "patch a",
                "attributes TemporalChangeVersion",
            ],
            &["complete"],
        ],
        other,
        error: "5: history holds MarkerRecorded(marker \"core_patch\"), the workflow's code asked for RecordMarker(patch \
                \"b\"); patch: history has \"a\", the code \"b\"",
    }
}

/// Versions are patches in the core: one for each version, the highest asked for first.
fn version() -> Kind {
    let script = Script::new(|ctx| async move {
        let versions = ["packing/v2", "packing/v1"];
        let version = versions.into_iter().find(|version| ctx.patched(version));
        end(ctx.activity(version.unwrap_or("packing")).await)
    });
    let mut history = begun();
    history.patch("packing/v2");
    let scheduled = history.activity_scheduled("1", "packing/v2");
    history.activity_completed(scheduled, "packed");
    history.full_task();
    history.completed();
    let mut other = begun();
    other.patch("packing/v3");
    other.activity_scheduled("1", "packing/v3");
    Kind {
        script,
        history,
        commands: &[
            &[
                "patch packing/v2",
                "attributes TemporalChangeVersion",
                "activity 1 packing/v2",
            ],
            &["complete"],
        ],
        other,
        error: "5: history holds MarkerRecorded(marker \"core_patch\"), the workflow's code asked for \
                ScheduleActivity(activity type \"packing\", id \"1\"); patch \"packing/v3\" is not asked for by the code",
    }
}

fn side_effect() -> Kind {
    let script = Script::new(|ctx| async move {
        ctx.side_effect(|| json("red"));
        until_end(&ctx).await
    });
    let mut history = begun();
    history.side_effect_marker(1, "red");
    ends(&mut history);
    let mut other = begun();
    other.side_effect_marker(2, "red");
    Kind {
        script,
        history,
        commands: &[&["side effect 1"], &["complete"]],
        other,
        error: "5: history holds MarkerRecorded(marker \"SideEffect\"), the workflow's code asked for RecordMarker(side \
                effect 1); side effect: history has 2, the code 1",
    }
}

fn search_attributes() -> Kind {
    let script = Script::new(|ctx| async move {
        ctx.run(|run| run.upsert_search_attributes([("Size".to_owned(), json("value"))].into()));
        until_end(&ctx).await
    });
    let mut history = begun();
    history.search_attributes_upserted("Size");
    ends(&mut history);
    let mut other = begun();
    other.search_attributes_upserted("Weight");
    Kind {
        script,
        history,
        commands: &[&["attributes Size"], &["complete"]],
        other,
        error: "5: history holds UpsertWorkflowSearchAttributes(keys Weight), the workflow's code asked for \
                UpsertSearchAttributes(keys Size); fields: history has \"keys Weight\", the code \"keys Size\"",
    }
}

fn memo() -> Kind {
    let script = Script::new(|ctx| async move {
        ctx.run(|run| run.upsert_memo([("state".to_owned(), json("value"))].into()));
        until_end(&ctx).await
    });
    let mut history = begun();
    history.memo_upserted("state");
    ends(&mut history);
    let mut other = begun();
    other.memo_upserted("note");
    Kind {
        script,
        history,
        commands: &[&["memo state"], &["complete"]],
        other,
        error: "5: history holds WorkflowPropertiesModified(keys note), the workflow's code asked for UpsertMemo(keys \
                state); fields: history has \"keys note\", the code \"keys state\"",
    }
}

fn accept_update() -> Kind {
    let script = Script::new(|ctx| async move { until_end(&ctx).await }).update(|ctx, update| async move {
        ctx.run(|run| run.accept_update(&update.protocol_instance_id));
        ctx.sleep(1).await;
        ctx.run(|run| run.complete_update(&update.protocol_instance_id, Ok(None)));
    });
    let mut history = begun();
    history.full_task();
    let accepted = history.update_accepted("u", 5);
    let timer = history.timer_started("1");
    history.timer_fired(timer);
    history.full_task();
    history.update_completed("u", accepted);
    ends(&mut history);
    let mut other = begun();
    other.full_task();
    other.timer_started("1");
    other.update_accepted("u", 5);
    Kind {
        script,
        history,
        commands: &[
            &[],
            &["message u/request/accept", "timer 1 1s"],
            &["message u/request/complete"],
            &["complete"],
        ],
        other,
        error: "8: history holds TimerStarted(id \"1\"), the workflow's code asked for AcceptUpdate(update \"u\")",
    }
}

fn complete_update() -> Kind {
    let mut history = begun();
    history.full_task();
    let accepted = history.update_accepted("u", 5);
    history.update_completed("u", accepted);
    ends(&mut history);
    let mut other = begun();
    other.full_task();
    other.update_accepted("u", 5);
    other.timer_started("1");
    Kind {
        script: Script::new(|ctx| async move { until_end(&ctx).await }),
        history,
        commands: &[
            &[],
            &["message u/request/accept", "message u/request/complete"],
            &["complete"],
        ],
        other,
        error: "9: history holds TimerStarted(id \"1\"), the workflow's code asked for CompleteUpdate(update \"u\")",
    }
}

fn schedule_nexus() -> Kind {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_nexus("quote", TryCancel);
        ctx.nexus_start(seq).await.unwrap();
        end(ctx.nexus_end(seq).await)
    });
    let mut history = begun();
    let scheduled = history.nexus_scheduled("quote");
    history.nexus_started(scheduled, "token");
    history.full_task();
    history.nexus_completed(scheduled);
    history.full_task();
    history.completed();
    let mut other = begun();
    other.nexus_scheduled("price");
    Kind {
        script,
        history,
        commands: &[&["nexus quote"], &[], &["complete"]],
        other,
        error: "5: history holds NexusOperationScheduled(service \"service\", operation \"price\"), the workflow's code \
                asked for ScheduleNexusOperation(service \"service\", operation \"quote\"); operation: history has \
                \"price\", the code \"quote\"",
    }
}

fn cancel_nexus() -> Kind {
    let script = Script::new(|ctx| async move {
        let seq = ctx.start_nexus("quote", WaitCancellationCompleted);
        ctx.nexus_start(seq).await.unwrap();
        ctx.signal("stop").await;
        ctx.run(|run| run.cancel_nexus(seq));
        end(ctx.nexus_end(seq).await)
    });
    let begin = |h: &mut HistoryBuilder| {
        let scheduled = h.nexus_scheduled("quote");
        h.nexus_started(scheduled, "token");
    };
    let mut history = until_stop(begin);
    history.nexus_cancel_requested(5);
    history.nexus_cancel_delivered(5);
    history.full_task();
    history.nexus_canceled(5);
    history.full_task();
    history.canceled();
    let mut other = until_stop(begin);
    other.completed();
    Kind {
        script,
        history,
        commands: &[&["nexus quote"], &["cancel nexus @5"], &[], &["cancel"]],
        other,
        error: "11: history holds WorkflowExecutionCompleted, the workflow's code asked for CancelNexusOperation(service \
                \"service\", operation \"quote\")",
    }
}

/// A run that ends after the signal `end`, and one that was ended otherwise.
fn closing(
    how: fn() -> End,
    closed: fn(&mut HistoryBuilder) -> i64,
    otherwise: fn(&mut HistoryBuilder) -> i64,
) -> (Script, HistoryBuilder, HistoryBuilder) {
    let script = Script::new(move |ctx| async move {
        ctx.signal("end").await;
        how()
    });
    let mut history = begun();
    history.signaled("end");
    history.full_task();
    let mut other = history.clone();
    closed(&mut history);
    otherwise(&mut other);
    (script, history, other)
}

fn complete() -> Kind {
    let end = || End::Complete(Some(json("done")));
    let (script, history, other) = closing(end, HistoryBuilder::completed, HistoryBuilder::failed);
    Kind {
        script,
        history,
        commands: &[&[], &["complete"]],
        other,
        error: "9: history holds WorkflowExecutionFailed, the workflow's code asked for CompleteWorkflow",
    }
}

fn fail() -> Kind {
    let end = || End::Fail(failure("broken"));
    let (script, history, other) = closing(end, HistoryBuilder::failed, HistoryBuilder::canceled);
    Kind {
        script,
        history,
        commands: &[&[], &["fail broken"]],
        other,
        error: "9: history holds WorkflowExecutionCanceled, the workflow's code asked for FailWorkflow",
    }
}

fn cancel() -> Kind {
    let (script, history, other) = closing(|| End::Cancel, HistoryBuilder::canceled, HistoryBuilder::completed);
    Kind {
        script,
        history,
        commands: &[&[], &["cancel"]],
        other,
        error: "9: history holds WorkflowExecutionCompleted, the workflow's code asked for CancelWorkflow",
    }
}

fn continue_as_new() -> Kind {
    let end = || End::ContinueAsNew(ContinueAsNew::default());
    let (script, history, other) = closing(end, |h| h.continued_as_new("Flow"), |h| h.continued_as_new("Other"));
    Kind {
        script,
        history,
        commands: &[&[], &["continue as new Flow"]],
        other,
        error: "9: history holds WorkflowExecutionContinuedAsNew(workflow type \"Other\"), the workflow's code asked for \
                ContinueAsNew(workflow type \"Flow\"); workflow type: history has \"Other\", the code \"Flow\"",
    }
}
