//! What two servers say in other words: ids, times and sizes. Everything else compares as it is.
//!
//! Nothing is left out: what cannot be equal is replaced by a placeholder, so that it must be present on both sides, and two
//! ids that are equal on one server must be equal on the other.

use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use temporal_integration_tests::history::Event;

/// How far two history sizes may be apart, in percent: events hold times and task ids, whose length in bytes varies.
const SIZE_TOLERANCE: i64 = 15;

/// How far two times that are to come may be apart, in seconds.
const TIME_TOLERANCE: i64 = 5;

/// The placeholders of one scenario: the first id that is met is `id 1`, wherever it stands.
#[derive(Default)]
pub(super) struct Normal {
    ids: HashMap<String, usize>,
}

impl Normal {
    /// A message, or a part of one, as JSON has it.
    pub(super) fn value(&mut self, mut value: Value) -> Value {
        self.normalize(&mut value, None);
        value
    }

    fn normalize(&mut self, value: &mut Value, event_time: Option<i64>) {
        match value {
            Value::Object(fields) => {
                let own = fields.get("eventTime").and_then(Value::as_str).and_then(seconds);
                let event_time = own.or(event_time);
                read_payload(fields);
                for (name, value) in fields {
                    match name.as_str() {
                        // Numbers of the server's own tasks, with gaps; that they rise is checked.
                        "taskId" => *value = "a task id".into(),
                        // An opaque name that only the server reads.
                        "taskToken" | "nextPageToken" | "temporal-callback-token" => *value = "a token".into(),
                        "firstWorkflowTaskBackoff" => backoff(value),
                        // Found by subtraction on the real server, where it is a few nanoseconds off.
                        "currentRetryInterval" => rounded(value),
                        // Where a worker was in its code and its libraries: lines, and addresses of this process.
                        "stackTrace" => *value = "a stack trace".into(),
                        _ => self.normalize(value, event_time),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.normalize(value, event_time)),
            Value::String(text) => {
                *text = match (seconds(text), event_time) {
                    (Some(time), Some(event)) if time > event => format!("a time {} s later", time - event),
                    (Some(_), _) => "a time".to_owned(),
                    (None, _) => self.without_ids(text),
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text with a placeholder for each id in it.
    fn without_ids(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let id = rest.get(..36).filter(|id| uuid::Uuid::try_parse(id).is_ok());
            if let Some(id) = id {
                let next = self.ids.len() + 1;
                let number = *self.ids.entry(id.to_owned()).or_insert(next);
                out.push_str(&format!("<id {number}>"));
                rest = &rest[36..];
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        out
    }
}

/// Shows the data of a payload as what it is, so that what is in it is normalised too.
fn read_payload(fields: &mut Map<String, Value>) {
    if !fields.contains_key("metadata") {
        return;
    }
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        for value in metadata.values_mut() {
            if let Some(text) = value.as_str().and_then(decoded) {
                *value = text.into();
            }
        }
    }
    if let Some(data) = fields.get_mut("data")
        && let Some(text) = data.as_str().and_then(decoded)
    {
        *data = serde_json::from_str(&text).unwrap_or(Value::String(text));
        times_of_code(data);
    }
}

/// Times that the worker wrote into a marker: `{"seconds": …, "nanos": …}`.
fn times_of_code(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name.ends_with("_time") {
                    *value = "a time".into();
                } else {
                    times_of_code(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(times_of_code),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn decoded(base64: &str) -> Option<String> {
    // The crate's own reader of JSON is the decoder: a payload's data is base64 there.
    let message = format!("{{\"data\":{}}}", Value::String(base64.to_owned()));
    let payload: temporal_protos::api::common::v1::Payload = temporal_protos::json::from_json(&message).ok()?;
    String::from_utf8(payload.data.to_vec()).ok()
}

/// How long a run waits for its first task. What is not whole seconds is the rest of a second or of a cron interval.
fn backoff(value: &mut Value) {
    let text = value.as_str().unwrap_or_default().trim_end_matches('s').to_owned();
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.fract() > 0.0
    {
        *value = format!("up to {} s", seconds.ceil()).into();
    }
}

/// A duration to the tenth of a second.
fn rounded(value: &mut Value) {
    let text = value.as_str().unwrap_or_default().trim_end_matches('s').to_owned();
    if let Ok(seconds) = text.parse::<f64>() {
        *value = format!("{seconds:.1} s").into();
    }
}

/// The second of a time as JSON has it, rounded.
fn seconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[4] != b'-' || bytes[10] != b'T' || !text.ends_with('Z') {
        return None;
    }
    let event: Event = temporal_protos::json::from_json(&format!("{{\"eventTime\":\"{text}\"}}")).ok()?;
    let time = event.event_time?;
    Some(time.seconds + i64::from(time.nanos >= 500_000_000))
}

/// The paths at which two values differ, each with both values.
pub(super) fn differences(path: &str, a: &Value, b: &Value, found: &mut Vec<(String, String)>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                let alike = match name.as_str() {
                    "historySizeBytes" => similar(a, b),
                    "firstWorkflowTaskBackoff" => both_short(a, b),
                    _ => both_later(a, b),
                };
                if alike {
                    continue;
                }
                differences(&format!("{path}.{name}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{index}]"), a, b, found);
            }
        }
        (a, b) if a != b => found.push((path.to_owned(), format!("dev {a}, embedded {b}"))),
        _ => {}
    }
}

/// Whether two runs wait for the rest of a second at most: a run that continues another as new begins a second after it.
fn both_short(a: &Value, b: &Value) -> bool {
    let short = |value: &Value| value.is_null() || value == "up to 1 s";
    short(a) && short(b)
}

/// Whether two times are about as far behind their events: a run that follows another has the rest of the time of both.
fn both_later(a: &Value, b: &Value) -> bool {
    let later = |value: &Value| -> Option<i64> {
        let text = value.as_str()?.strip_prefix("a time ")?.strip_suffix(" s later")?;
        text.parse().ok()
    };
    matches!((later(a), later(b)), (Some(a), Some(b)) if (a - b).abs() <= TIME_TOLERANCE)
}

/// Whether two sizes, as JSON writes 64-bit numbers, are about the same.
fn similar(a: &Value, b: &Value) -> bool {
    let size = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
    let (Some(a), Some(b)) = (size(a), size(b)) else {
        return false;
    };
    (a - b).abs() * 100 <= a.max(b) * SIZE_TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: &str = "0197f3a0-0000-7000-8000-000000000001";
    const B: &str = "0197f3a0-0000-7000-8000-000000000002";

    fn normalized(value: Value) -> Value {
        Normal::default().value(value)
    }

    fn found(a: Value, b: Value) -> Vec<String> {
        let mut found = Vec::new();
        differences("", &normalized(a), &normalized(b), &mut found);
        found.into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn ids_are_equal_where_they_were() {
        let ids = |a, b, c| json!({"runId": a, "firstExecutionRunId": b, "message": format!("run {c}, not more")});
        assert_eq!(found(ids(A, A, B), ids(B, B, A)), Vec::<String>::new());
        assert_eq!(found(ids(A, A, B), ids(A, B, B)), [".message", ".runId"]);
        assert_eq!(
            found(ids(A, A, B), json!({"runId": A})),
            [".firstExecutionRunId", ".message"]
        );
    }

    #[test]
    fn times_are_there_and_as_far_away() {
        let time = |text| json!({"eventTime": "2026-11-28T10:00:00.25Z", "workflowExecutionExpirationTime": text});
        assert!(found(time("2026-11-28T10:00:30.24Z"), time("2026-11-28T10:00:30.26Z")).is_empty());
        let expires = [".workflowExecutionExpirationTime"];
        assert_eq!(
            found(time("2026-11-28T10:00:30.24Z"), time("2026-11-28T10:00:40Z")),
            expires
        );
        assert_eq!(
            found(
                time("2026-11-28T10:00:30Z"),
                json!({"eventTime": "2026-11-28T10:00:01Z"})
            ),
            expires
        );
    }

    #[test]
    fn payloads_are_read() {
        let payload = |data: &str| json!({"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": data});
        let value = normalized(payload("eyJpZCI6WzFdLCJjb21wbGV0ZV90aW1lIjo3fQ=="));
        let expected = json!({"metadata": {"encoding": "json/plain"}, "data": {"id": [1], "complete_time": "a time"}});
        assert_eq!(value, expected);
        assert_eq!(found(payload("MQ=="), payload("Mg==")), [".data"]);
    }

    #[test]
    fn sizes_are_about_the_same() {
        let size = |size: &str| json!({"historySizeBytes": size});
        assert!(found(size("1000"), size("1020")).is_empty());
        assert_eq!(found(size("1000"), size("2000")), [".historySizeBytes"]);
        assert_eq!(found(size("1000"), json!({})), [".historySizeBytes"]);
    }

    #[test]
    fn waits_for_the_first_task_are_there() {
        let wait = |wait: &str| json!({"firstWorkflowTaskBackoff": wait});
        assert!(found(wait("0.79s"), wait("0.81s")).is_empty());
        assert!(found(wait("0.79s"), json!({})).is_empty());
        assert_eq!(found(wait("0s"), wait("0.81s")), [".firstWorkflowTaskBackoff"]);
        assert_eq!(found(wait("0s"), json!({})), [".firstWorkflowTaskBackoff"]);
        assert_eq!(found(wait("2s"), wait("3s")), [".firstWorkflowTaskBackoff"]);
    }
}
