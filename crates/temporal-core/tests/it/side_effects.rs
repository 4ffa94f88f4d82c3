//! Values recorded by markers.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism, replay};
use crate::script::{End, Script, end, json};
use std::cell::Cell;
use std::rc::Rc;
use temporal_core::protos::api::command::v1::command::Attributes as Cmd;

/// Two values around an activity of which the first is the name. `made` counts how often a value is made.
fn script(made: &Rc<Cell<u32>>) -> Script {
    let made = Rc::clone(made);
    Script::new(move |ctx| {
        let made = Rc::clone(&made);
        async move {
            let name = ctx.side_effect(|| {
                made.set(made.get() + 1);
                json("red")
            });
            let end = end(ctx
                .activity(&String::from_utf8_lossy(&name.data).replace('"', ""))
                .await);
            ctx.side_effect(|| json("blue"));
            end
        }
    })
}

fn history() -> HistoryBuilder {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.side_effect_marker(1, "red");
    let scheduled = h.activity_scheduled("1", "red");
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.side_effect_marker(2, "blue");
    h.completed();
    h
}

#[test]
fn a_value_is_made_once_and_comes_back_in_replay() {
    let made = Rc::new(Cell::new(0));
    let h = history();
    let runs = check(
        &h,
        &script(&made),
        &[&["side effect 1", "activity 1 red"], &["side effect 2", "complete"]],
    );
    let Some(Cmd::RecordMarkerCommandAttributes(marker)) = &runs[0].commands[0].attributes else {
        panic!("{:?}", runs[0].commands[0])
    };
    assert_eq!(marker.details["side-effect-id"].payloads[0].data, "1");
    assert_eq!(marker.details["data"].payloads[0].data, "\"red\"");
    made.set(0);
    replay(&h.events, &script(&made)).unwrap();
    assert_eq!(made.get(), 0, "the value is history's");
}

#[test]
fn the_value_of_history_counts() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.side_effect_marker(1, "green");
    let scheduled = h.activity_scheduled("1", "green");
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.side_effect_marker(2, "blue");
    h.completed();
    replay(&h.events, &script(&Rc::default())).unwrap();
}

#[test]
fn nondeterminism_of_side_effects() {
    let h = history();
    let gone = Script::new(|ctx| async move { end(ctx.activity("red").await) });
    let error = nondeterminism(&h, &gone);
    assert_eq!(
        (error.event_id, error.found.as_str(), error.expected.as_str()),
        (
            5,
            "MarkerRecorded(marker \"SideEffect\")",
            "ScheduleActivity(activity type \"red\", id \"1\")"
        )
    );
    let mut h = HistoryBuilder::new();
    h.full_task();
    let scheduled = h.activity_scheduled("1", "red");
    h.activity_completed(scheduled, "done");
    h.full_task();
    h.completed();
    let error = nondeterminism(&h, &script(&Rc::default()));
    assert_eq!(
        (error.event_id, error.expected.as_str()),
        (5, "RecordMarker(side effect 1)")
    );
    let other = Script::new(|ctx| async move {
        ctx.side_effect(|| json("red"));
        ctx.side_effect(|| json("red"));
        End::Complete(None)
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.side_effect_marker(2, "red");
    h.side_effect_marker(1, "red");
    h.completed();
    let error = nondeterminism(&h, &other);
    assert!(
        error.details.contains("side effect: history has 2, the code 1"),
        "{error:?}"
    );
}

/// Asks three times for a setting that changes now and then, around signals.
fn setting(values: [&'static str; 3], made: &Rc<Cell<usize>>) -> Script {
    let made = Rc::clone(made);
    Script::new(move |ctx| {
        let made = Rc::clone(&made);
        async move {
            let mut seen = String::new();
            for (number, value) in values.into_iter().enumerate() {
                let value = ctx.mutable_side_effect("setting", || {
                    made.set(made.get() + 1);
                    json(value)
                });
                seen += &String::from_utf8_lossy(&value.data);
                if number < 2 {
                    ctx.signal("next").await;
                }
            }
            End::Complete(Some(json(&seen.replace('"', ""))))
        }
    })
}

fn changes() -> HistoryBuilder {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.mutable_side_effect_marker("setting", 1, "a");
    h.signaled("next");
    h.full_task();
    h.signaled("next");
    h.full_task();
    h.mutable_side_effect_marker("setting", 3, "b");
    h.completed();
    h
}

#[test]
fn a_value_is_recorded_when_it_changes() {
    let h = changes();
    let made = Rc::new(Cell::new(0));
    let expected: &[&[&str]] = &[
        &["mutable \"setting\" 1 \"a\""],
        &[],
        &["mutable \"setting\" 3 \"b\"", "complete"],
    ];
    let runs = check(&h, &setting(["a", "a", "b"], &made), expected);
    assert!(format!("{:?}", runs[2].commands[1]).contains("aab"), "{:?}", runs[2]);
    made.set(0);
    // History's values count, whatever the code would make now.
    replay(&h.events, &setting(["x", "y", "z"], &made)).unwrap();
    assert_eq!(made.get(), 0);
}

#[test]
fn nondeterminism_of_mutable_side_effects() {
    let h = changes();
    let gone = Script::new(|ctx| async move {
        ctx.signal("next").await;
        ctx.signal("next").await;
        End::Complete(None)
    });
    let error = nondeterminism(&h, &gone);
    assert_eq!(
        (error.event_id, error.found.as_str(), error.expected.as_str()),
        (5, "MarkerRecorded(marker \"MutableSideEffect\")", "nothing")
    );
    let other = Script::new(|ctx| async move {
        ctx.mutable_side_effect("other", || json("a"));
        ctx.signal("next").await;
        End::Complete(None)
    });
    let error = nondeterminism(&h, &other);
    assert_eq!(error.expected, "RecordMarker(mutable side effect \"other\", call 1)");
    assert!(
        error
            .details
            .contains("id: history has \"setting\", the code \"other\""),
        "{error:?}"
    );
}
