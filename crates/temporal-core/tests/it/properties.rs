//! Memo and search attributes.

use crate::builder::HistoryBuilder;
use crate::check::{check, nondeterminism};
use crate::script::{End, Script, json};
use temporal_core::ContinueAsNew;
use temporal_core::protos::api::command::v1::command::Attributes as Cmd;
use temporal_core::protos::api::common::v1::Payload;

fn null() -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), "binary/null".into())].into(),
        ..Payload::default()
    }
}

fn upserts() -> Script {
    Script::new(|ctx| async move {
        ctx.run(|run| {
            assert_eq!(run.memo()["note"], json("old"));
            assert_eq!(run.search_attributes()["Colour"], json("red"));
            run.upsert_memo([("state".to_owned(), json("value"))].into());
            run.upsert_search_attributes([("Size".to_owned(), json("value"))].into());
            assert_eq!(run.memo().len(), 2);
            assert_eq!(run.search_attributes()["Size"], json("value"));
        });
        End::Complete(None)
    })
}

#[test]
fn are_upserted() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.memo_upserted("state");
    h.search_attributes_upserted("Size");
    h.completed();
    check(&h, &upserts(), &[&["memo state", "attributes Size", "complete"]]);
}

#[test]
fn are_carried_over_to_the_next_run() {
    let script = Script::new(|ctx| async move {
        ctx.run(|run| {
            run.upsert_memo([("note".to_owned(), null())].into());
            run.upsert_search_attributes([("Size".to_owned(), json("large"))].into());
            run.patched("v2", false);
        });
        End::ContinueAsNew(ContinueAsNew::default())
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.memo_upserted("note");
    h.search_attributes_upserted("Size");
    h.patch("v2");
    h.continued_as_new("Flow");
    let expected: &[&str] = &[
        "memo note",
        "attributes Size",
        "patch v2",
        "attributes TemporalChangeVersion",
        "continue as new Flow",
    ];
    let runs = check(&h, &script, &[expected]);
    let Some(Cmd::ContinueAsNewWorkflowExecutionCommandAttributes(next)) = &runs[0].commands[4].attributes else {
        panic!()
    };
    assert_eq!(next.memo, None);
    let attributes = &next.search_attributes.as_ref().unwrap().indexed_fields;
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["Colour", "Size"]);
    assert_eq!(next.task_queue.as_ref().unwrap().name, "queue");
}

#[test]
fn nondeterminism_of_upserts() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.memo_upserted("other");
    let error = nondeterminism(&h, &upserts());
    assert_eq!(error.found, "WorkflowPropertiesModified(keys other)");
    assert_eq!(error.expected, "UpsertMemo(keys state)");

    let mut h = HistoryBuilder::new();
    h.full_task();
    h.memo_upserted("state");
    h.search_attributes_upserted("Weight");
    let error = nondeterminism(&h, &upserts());
    assert_eq!(error.expected, "UpsertSearchAttributes(keys Size)");
}
