//! Patches.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism, replay};
use crate::script::{End, Script, end};
use temporal_core::RunError;
use temporal_core::protos::api::command::v1::command::Attributes as Cmd;

/// Runs `new` behind the patch, else `old`.
fn patched() -> Script {
    Script::new(|ctx| async move {
        let name = if ctx.patched("v2") { "new" } else { "old" };
        assert_eq!(ctx.patched("v2"), name == "new");
        end(ctx.activity(name).await)
    })
}

fn deprecated() -> Script {
    Script::new(|ctx| async move {
        ctx.run(|run| run.patched("v2", true));
        end(ctx.activity("new").await)
    })
}

fn gone() -> Script {
    Script::new(|ctx| async move { end(ctx.activity("new").await) })
}

fn history(mark: impl FnOnce(&mut HistoryBuilder), activity: &str) -> HistoryBuilder {
    let mut h = HistoryBuilder::new();
    h.full_task();
    mark(&mut h);
    let scheduled = h.activity_scheduled("1", activity);
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.completed();
    h
}

#[test]
fn new_histories_get_the_marker() {
    let h = history(
        |h| {
            h.patch("v2");
        },
        "new",
    );
    let commands = &["patch v2", "attributes TemporalChangeVersion", "activity 1 new"];
    let runs = check(&h, &patched(), &[commands, &["complete"]]);
    let Some(Cmd::UpsertWorkflowSearchAttributesCommandAttributes(upsert)) = &runs[0].commands[1].attributes else {
        panic!()
    };
    let value = &upsert.search_attributes.as_ref().unwrap().indexed_fields["TemporalChangeVersion"];
    assert_eq!(value.data, "[\"v2\"]");
    assert_eq!(value.metadata["type"], "KeywordList");
    check(&h, &deprecated(), &[commands, &["complete"]]);
}

#[test]
fn old_histories_go_the_old_way() {
    let h = history(|_| (), "old");
    replay(&h.events, &patched()).unwrap();
    // A deprecated call in a history without the marker is allowed.
    let h = history(|_| (), "new");
    replay(&h.events, &deprecated()).unwrap();
}

#[test]
fn histories_without_the_attributes_replay() {
    let h = history(
        |h| {
            h.patch_marker("v2", false);
        },
        "new",
    );
    replay(&h.events, &patched()).unwrap();
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.patch_marker("v2", false);
    let script = Script::new(|ctx| async move {
        ctx.patched("v2");
        ctx.signal("never").await;
        End::Complete(None)
    });
    replay(&h.events, &script).unwrap();
}

#[test]
fn markers_of_the_older_format_replay() {
    let h = history(
        |h| {
            h.old_patch_marker("v2", false);
        },
        "new",
    );
    replay(&h.events, &patched()).unwrap();
    assert!(nondeterminism(&h, &gone()).details.contains("\"v2\""));
    let h = history(
        |h| {
            h.old_patch_marker("v2", true);
        },
        "new",
    );
    replay(&h.events, &gone()).unwrap();
}

#[test]
fn deprecated_markers_outlive_the_call() {
    let h = history(
        |h| {
            h.patch_marker("v2", true);
            h.patch_attributes();
        },
        "new",
    );
    replay(&h.events, &gone()).unwrap();
    replay(&h.events, &deprecated()).unwrap();
    replay(&h.events, &patched()).unwrap();
}

#[test]
fn answers_do_not_change_within_a_run() {
    // The first call, in a recorded task without marker, said no; it stays so in the live task.
    let script = Script::new(|ctx| async move {
        let before = ctx.patched("v2");
        ctx.sleep(1).await;
        assert_eq!(before, ctx.patched("v2"));
        let other = ctx.patched("v3");
        end(ctx
            .activity(if before {
                "new"
            } else if other {
                "newest"
            } else {
                "old"
            })
            .await)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    let timer = h.timer_started("1");
    h.timer_fired(timer);
    h.open_task();
    let task = &crate::check::tasks_of(&h.events)[1];
    let mut instance = crate::script::Instance::new(&script, crate::check::whole_task(&h.events, task)).unwrap();
    let commands = crate::check::completion(crate::check::work(&mut instance).unwrap()).commands;
    let found: Vec<String> = commands.iter().map(crate::check::summary).collect();
    assert_eq!(
        found,
        ["patch v3", "attributes TemporalChangeVersion", "activity 1 newest"]
    );
}

#[test]
fn all_ids_so_far_are_in_the_attribute() {
    let script = Script::new(|ctx| async move {
        ctx.patched("b");
        ctx.patched("a");
        End::Complete(None)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.patch("b");
    h.patch("a");
    h.completed();
    let attributes = "attributes TemporalChangeVersion";
    let runs = check(
        &h,
        &script,
        &[&["patch b", attributes, "patch a", attributes, "complete"]],
    );
    let text = format!("{:?}", runs[0].commands[3]);
    assert!(text.contains(r#"[\"a\",\"b\"]"#), "{text}");
}

#[test]
fn attribute_that_is_too_long_is_left_out() {
    let long = "x".repeat(3000);
    let id = long.clone();
    let script = Script::new(move |ctx| {
        let id = id.clone();
        async move {
            ctx.patched(&id);
            End::Complete(None)
        }
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.patch_marker(&long, false);
    h.completed();
    check(&h, &script, &[&[&format!("patch {long}"), "complete"]]);
}

#[test]
fn nondeterminism_of_patches() {
    let h = history(
        |h| {
            h.patch("v2");
        },
        "new",
    );
    let error = nondeterminism(&h, &gone());
    assert_eq!(
        (error.event_id, error.found.as_str()),
        (5, "MarkerRecorded(marker \"core_patch\")")
    );
    assert!(error.details.contains("\"v2\""), "{}", error.details);

    let other = Script::new(|ctx| async move {
        let name = if ctx.patched("v3") { "new" } else { "old" };
        end(ctx.activity(name).await)
    });
    // In replay the call says no; live it would have said yes.
    let Err(RunError::Nondeterminism(error)) = replay(&h.events, &other) else {
        panic!()
    };
    assert_eq!(error.expected, "ScheduleActivity(activity type \"old\", id \"1\")");
}
