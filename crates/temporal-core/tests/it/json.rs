//! Histories as JSON.

use crate::builder::HistoryBuilder;
use temporal_core::{History, HistoryJsonError};

#[test]
fn goes_both_ways() {
    let mut builder = HistoryBuilder::new();
    builder.full_task();
    builder.patch("v2");
    let scheduled = builder.activity_scheduled("1", "charge");
    builder.activity_completed(scheduled, "done");
    let history = History { events: builder.events };
    let json = history.to_json().unwrap();
    assert!(json.contains("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED"), "{json}");
    assert_eq!(History::from_json(&json).unwrap(), history);
}

#[test]
fn every_shape_and_spelling() {
    let full = r#"{"events":[{"eventId":"1","eventType":"EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"}]}"#;
    let history = History::from_json(full).unwrap();
    assert_eq!(history.events[0].event_id, 1);
    for same in [
        r#"[{"eventId":1,"eventType":"WorkflowExecutionStarted"}]"#,
        r#"[{"events":[{"eventId":"1","eventType":1}]}]"#,
    ] {
        assert_eq!(History::from_json(same).unwrap(), history, "{same}");
    }
    let two = format!("[{full},{full}]");
    assert!(matches!(History::from_json(&two), Err(HistoryJsonError::NotOne(2))));
    assert_eq!(History::all_from_json(&two).unwrap().len(), 2);
    assert!(matches!(History::from_json("[]"), Err(HistoryJsonError::NotOne(0))));
    assert!(matches!(History::from_json("{"), Err(HistoryJsonError::Json(_))));
}
