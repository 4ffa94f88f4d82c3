//! Histories recorded from a real dev server (Temporal CLI 1.9.1, Python SDK 1.35.0).

use super::oracle::agrees;
use std::path::PathBuf;
use temporal_protos::api::enums::v1::EventType;
use temporal_protos::api::history::v1::History;
use temporal_protos::json::{from_json, histories_from_json, to_json, to_json_pretty};

const FILES: [&str; 6] = [
    "again_continued.cli.json",
    "again_failed.cli.json",
    "everything.cli.json",
    "everything.python.json",
    "terminated.cli.json",
    "terminated.python.json",
];

fn data(file: &str) -> String {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn agrees_with_the_oracle() {
    for file in FILES {
        agrees("temporal.api.history.v1.History", &data(file));
    }
}

#[test]
fn writes_the_bytes_that_the_cli_writes() {
    for file in FILES.iter().filter(|file| file.contains(".cli.")) {
        let text = data(file);
        let history: History = from_json(&text).unwrap();
        assert_eq!(to_json_pretty(&history).unwrap(), text.trim_end(), "{file}");
    }
}

#[test]
fn reads_the_same_from_the_cli_and_from_python() {
    for name in ["everything", "terminated"] {
        let cli: History = from_json(&data(&format!("{name}.cli.json"))).unwrap();
        let python: History = from_json(&data(&format!("{name}.python.json"))).unwrap();
        assert_eq!(cli, python);
    }
}

#[test]
fn reads_what_older_tools_wrote() {
    let text = data("everything.cli.json");
    let history: History = from_json(&text).unwrap();
    let mut old = text;
    for event in &history.events {
        let name = event.event_type().as_str_name();
        let pascal: String = name["EVENT_TYPE_".len()..]
            .split('_')
            .map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()))
            .collect();
        old = old.replace(&format!("\"{name}\""), &format!("\"{pascal}\""));
    }
    assert!(old.contains("\"WorkflowExecutionStarted\"") && !old.contains("EVENT_TYPE_"));
    assert_eq!(from_json::<History>(&old).unwrap(), history);
}

#[test]
fn reads_histories_in_every_shape() {
    let text = data("terminated.cli.json");
    let one: History = from_json(&text).unwrap();
    let other: History = from_json(&data("again_failed.cli.json")).unwrap();
    let events = text
        .trim()
        .strip_prefix("{\n  \"events\":")
        .and_then(|rest| rest.strip_suffix('}'));
    let bare = events.expect("the CLI writes only events").to_owned();
    let response = format!("{{\"nextPageToken\": \"AQ==\", \"history\": {text}, \"archived\": false}}");
    let both = format!("[{text}, {}]", data("again_failed.cli.json"));
    let raw_both = format!("[{response}, {}]", to_json(&other).unwrap());
    assert_eq!(histories_from_json(&text).unwrap(), std::slice::from_ref(&one));
    assert_eq!(histories_from_json(&bare).unwrap(), std::slice::from_ref(&one));
    assert_eq!(histories_from_json(&response).unwrap(), std::slice::from_ref(&one));
    assert_eq!(histories_from_json(&both).unwrap(), [one.clone(), other.clone()]);
    assert_eq!(histories_from_json(&raw_both).unwrap(), [one, other]);
    assert_eq!(histories_from_json("[]").unwrap(), []);
    assert_eq!(histories_from_json("{}").unwrap(), [History::default()]);
}

#[test]
fn errors_of_histories_have_paths() {
    let error = |text| histories_from_json(text).unwrap_err().to_string();
    assert_eq!(
        error("[{\"eventId\": 1},\n {\"eventId\": true}]"),
        "[1].eventId: expected a 64-bit integer, found true (line 2, column 14)"
    );
    assert_eq!(
        error(r#"[{"history": {"events": [{"eventTime": "yesterday"}]}}]"#),
        "[0].history.events[0].eventTime: expected a timestamp such as \"2006-01-02T15:04:05Z\", found the string \
         \"yesterday\" (line 1, column 40)"
    );
    assert_eq!(error("7"), "expected an object, found the number 7 (line 1, column 1)");
    assert_eq!(
        error("{} {}"),
        "expected the end of the text, found an object (line 1, column 4)"
    );
}

#[test]
fn events_keep_their_type() {
    let history: History = from_json(&data("everything.cli.json")).unwrap();
    assert_eq!(history.events[0].event_type(), EventType::WorkflowExecutionStarted);
    let last = history.events.last().unwrap();
    assert_eq!(last.event_type(), EventType::WorkflowExecutionCompleted);
    assert_eq!(last.event_id as usize, history.events.len());
}
