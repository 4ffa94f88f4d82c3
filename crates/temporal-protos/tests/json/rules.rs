//! The rules of reading and writing, one by one.

use temporal_protos::any;
use temporal_protos::api::common::v1::{GrpcStatus, Payload, Payloads, RetryPolicy, SearchAttributes};
use temporal_protos::api::enums::v1::{EventType, TimeoutType};
use temporal_protos::api::errordetails::v1::QueryFailedFailure;
use temporal_protos::api::failure::v1::{Failure, TimeoutFailureInfo};
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::protocol::v1::Message as ProtocolMessage;
use temporal_protos::api::taskqueue::v1::{TaskQueueConfig, TaskQueueMetadata};
use temporal_protos::api::update::v1::{Meta, Request};
use temporal_protos::api::workflowservice::v1::{DescribeTaskQueueResponse, UpdateActivityOptionsRequest};
use temporal_protos::json::{JsonError, JsonMessage, from_json, json_to_wire, to_json, to_json_pretty, wire_to_json};
use temporal_protos::prost_types::{Any, Duration, FieldMask, Timestamp};

fn read<M: JsonMessage>(text: &str) -> M {
    from_json(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused<M: JsonMessage + std::fmt::Debug>(text: &str) -> String {
    match from_json::<M>(text) {
        Ok(message) => panic!("{text} was read as {message:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn defaults_are_left_out_and_null_is_a_default() {
    assert_eq!(to_json(&HistoryEvent::default()).unwrap(), "{}");
    assert_eq!(to_json_pretty(&HistoryEvent::default()).unwrap(), "{}");
    let event = read::<HistoryEvent>(r#"{"eventId": null, "eventTime": null, "links": null, "eventType": null}"#);
    assert_eq!(event, HistoryEvent::default());
    assert_eq!(
        read::<SearchAttributes>(r#"{"indexedFields": null}"#),
        SearchAttributes::default()
    );
}

#[test]
fn names_are_read_in_both_cases_and_unknown_ones_passed_over() {
    let text = r#"{"event_id": "3", "worker_may_ignore": true, "newThing": {"a": [1, {"b": null}]}, "taskId": 7}"#;
    let event: HistoryEvent = read(text);
    assert_eq!((event.event_id, event.worker_may_ignore, event.task_id), (3, true, 7));
    assert_eq!(
        to_json(&event).unwrap(),
        r#"{"eventId":"3","taskId":"7","workerMayIgnore":true}"#
    );
}

#[test]
fn enums_are_read_by_name_old_name_and_number() {
    for text in [
        r#"{"eventType": "EVENT_TYPE_TIMER_FIRED"}"#,
        r#"{"eventType": "TimerFired"}"#,
        r#"{"eventType": 18}"#,
        r#"{"eventType": "18"}"#,
    ] {
        assert_eq!(read::<HistoryEvent>(text).event_type(), EventType::TimerFired, "{text}");
    }
    let timeout: TimeoutFailureInfo = read(r#"{"timeoutType": "ScheduleToStart"}"#);
    assert_eq!(timeout.timeout_type(), TimeoutType::ScheduleToStart);
    let unknown: HistoryEvent = read(r#"{"eventType": "EVENT_TYPE_FROM_THE_FUTURE", "eventId": "4"}"#);
    assert_eq!((unknown.event_type, unknown.event_id), (0, 4), "like an unknown member");
    let number = HistoryEvent {
        event_type: 4000,
        ..Default::default()
    };
    assert_eq!(to_json(&number).unwrap(), r#"{"eventType":4000}"#);
    assert_eq!(read::<HistoryEvent>(r#"{"eventType": 4000}"#), number);
    assert_eq!(
        refused::<HistoryEvent>(r#"{"eventType": []}"#),
        "eventType: expected the name of an enum value, found an array (line 1, column 15)"
    );
}

#[test]
fn integers_are_numbers_or_strings() {
    for text in ["5", "\"5\"", "5.0", "\"5.0\"", "5e0", "50e-1"] {
        let event: HistoryEvent = read(&format!("{{\"eventId\": {text}}}"));
        assert_eq!(event.event_id, 5, "{text}");
    }
    for value in [i64::MIN, -1, i64::MAX] {
        let event = HistoryEvent {
            event_id: value,
            ..Default::default()
        };
        assert_eq!(read::<HistoryEvent>(&to_json(&event).unwrap()), event);
    }
    for text in [
        "5.5",
        "\"\"",
        "\"5 \"",
        "9223372036854775808",
        "1e30",
        "\"inf\"",
        "true",
        "{}",
    ] {
        let error = refused::<HistoryEvent>(&format!("{{\"eventId\": {text}}}"));
        assert!(
            error.starts_with("eventId: expected a 64-bit integer, found "),
            "{text}: {error}"
        );
    }
    let error = refused::<RetryPolicy>(r#"{"maximumAttempts": 2147483648}"#);
    assert!(error.contains("expected a 32-bit integer"), "{error}");
    assert_eq!(
        read::<RetryPolicy>(r#"{"maximumAttempts": -2147483648}"#).maximum_attempts,
        i32::MIN
    );
}

#[test]
fn floats_are_written_as_go_writes_them() {
    for (value, text) in [
        (2.0, "2"),
        (1.5, "1.5"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.000_001, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (-1e300, "-1e+300"),
        (f64::NAN, "\"NaN\""),
        (f64::INFINITY, "\"Infinity\""),
        (f64::NEG_INFINITY, "\"-Infinity\""),
    ] {
        let policy = RetryPolicy {
            backoff_coefficient: value,
            ..Default::default()
        };
        let json = to_json(&policy).unwrap();
        assert_eq!(json, format!("{{\"backoffCoefficient\":{text}}}"));
        assert_eq!(
            read::<RetryPolicy>(&json).backoff_coefficient.to_bits(),
            value.to_bits()
        );
    }
    let config: TaskQueueConfig = read(r#"{"fairnessWeightOverrides": {"a": 0.1, "b": "2.5", "c": 0}}"#);
    assert_eq!(
        to_json(&config).unwrap(),
        r#"{"fairnessWeightOverrides":{"a":0.1,"b":2.5,"c":0}}"#
    );
    let error = refused::<RetryPolicy>(r#"{"backoffCoefficient": 1e999}"#);
    assert!(error.contains("expected a number, found the number 1e999"), "{error}");
}

#[test]
fn bytes_are_read_in_every_base64() {
    for text in ["+/+/aGk=", "-_-_aGk", "+/-_aGk", "+/+/aGl="] {
        let payload: Payload = read(&format!("{{\"data\": \"{text}\"}}"));
        assert_eq!(payload.data, [0xfb, 0xff, 0xbf, b'h', b'i'].as_slice(), "{text}");
        assert_eq!(to_json(&payload).unwrap(), r#"{"data":"+/+/aGk="}"#);
    }
    assert_eq!(
        refused::<Payloads>(r#"{"payloads": [{}, {"data": "!"}]}"#),
        "payloads[1].data: expected bytes in base64, found the string \"!\" (line 1, column 28)"
    );
}

#[test]
fn maps_are_written_in_order_with_their_defaults() {
    let payload = r#"{"metadata": {"z": "eg==", "a": "", "encoding": "anNvbg=="}, "data": "MQ=="}"#;
    assert_eq!(
        to_json(&read::<Payload>(payload)).unwrap(),
        r#"{"metadata":{"a":"","encoding":"anNvbg==","z":"eg=="},"data":"MQ=="}"#
    );
    let text = r#"{"statsByPriorityKey": {"10": {}, "-1": {"approximateBacklogCount": "5"}, "0": null}}"#;
    assert_eq!(
        to_json(&read::<DescribeTaskQueueResponse>(text)).unwrap(),
        r#"{"statsByPriorityKey":{"-1":{"approximateBacklogCount":"5"},"0":{},"10":{}}}"#
    );
    assert_eq!(
        refused::<DescribeTaskQueueResponse>(r#"{"statsByPriorityKey": {"ten": {}}}"#),
        "statsByPriorityKey: expected a whole number as the key, found the key \"ten\" (line 1, column 32)"
    );
    assert_eq!(
        refused::<SearchAttributes>(r#"{"indexedFields": {"City": {"data": 1}}}"#),
        "indexedFields[\"City\"].data: expected bytes in base64, found the number 1 (line 1, column 37)"
    );
}

#[test]
fn times_have_their_own_form() {
    let policy: RetryPolicy = read(r#"{"initialInterval": "0.5s", "maximumInterval": "100s"}"#);
    assert_eq!(
        policy.initial_interval,
        Some(Duration {
            seconds: 0,
            nanos: 500_000_000
        })
    );
    assert_eq!(
        to_json(&policy).unwrap(),
        r#"{"initialInterval":"0.500s","maximumInterval":"100s"}"#
    );
    let time: Timestamp = read("\"2024-02-29T13:00:00.25+01:00\"");
    assert_eq!(to_json(&time).unwrap(), "\"2024-02-29T12:00:00.250Z\"");
    let broken = HistoryEvent {
        event_time: Some(Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        }),
        ..Default::default()
    };
    assert_eq!(
        to_json(&broken).unwrap_err().to_string(),
        "eventTime: the timestamp of 9223372036854775807 s and 0 ns is out of range"
    );
    assert_eq!(
        refused::<RetryPolicy>(r#"{"initialInterval": 5}"#),
        "initialInterval: expected a duration such as \"1.5s\", found the number 5 (line 1, column 21)"
    );
}

#[test]
fn wrappers_are_bare_values() {
    let metadata: TaskQueueMetadata = read(r#"{"maxTasksPerSecond": 0}"#);
    assert_eq!(metadata.max_tasks_per_second, Some(0.0));
    assert_eq!(to_json(&metadata).unwrap(), r#"{"maxTasksPerSecond":0}"#);
    assert_eq!(
        read::<TaskQueueMetadata>(r#"{"maxTasksPerSecond": null}"#),
        TaskQueueMetadata::default()
    );
}

#[test]
fn field_masks_are_one_string() {
    let mask = FieldMask {
        paths: vec!["task_queue".into(), "retry_policy.initial_interval".into()],
    };
    let request = UpdateActivityOptionsRequest {
        update_mask: Some(mask),
        ..Default::default()
    };
    let json = to_json(&request).unwrap();
    assert_eq!(json, r#"{"updateMask":"taskQueue,retryPolicy.initialInterval"}"#);
    assert_eq!(read::<UpdateActivityOptionsRequest>(&json), request);
    assert_eq!(read::<FieldMask>("\"\""), FieldMask::default());
}

#[test]
fn packed_messages_carry_their_type() {
    let request = Request {
        meta: Some(Meta {
            update_id: "u".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let message = ProtocolMessage {
        body: Some(any::pack(&request)),
        ..Default::default()
    };
    let json = to_json(&message).unwrap();
    assert_eq!(
        json,
        r#"{"body":{"@type":"type.googleapis.com/temporal.api.update.v1.Request","meta":{"updateId":"u"}}}"#
    );
    assert_eq!(read::<ProtocolMessage>(&json), message);
    let late = r#"{"body": {"meta": {"update_id": "u"}, "@type": "host/temporal.api.update.v1.Request"}}"#;
    let body = read::<ProtocolMessage>(late).body.unwrap();
    assert_eq!(body.type_url, "host/temporal.api.update.v1.Request");
    assert_eq!(any::unpack::<Request>(&body).unwrap(), request);
    assert_eq!(read::<Any>("{}"), Any::default());
    assert_eq!(to_json(&Any::default()).unwrap(), "{}");
}

#[test]
fn packed_well_known_types_stand_under_value() {
    let text = r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}"#;
    let any: Any = read(text);
    assert_eq!(to_json(&any).unwrap(), text);
    let empty = r#"{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}"#;
    assert_eq!(to_json(&read::<Any>(empty)).unwrap(), empty);
    let status = GrpcStatus {
        details: vec![any::pack(&GrpcStatus {
            code: 5,
            details: vec![any::pack(&QueryFailedFailure::default())],
            ..Default::default()
        })],
        ..Default::default()
    };
    let json = to_json(&status).unwrap();
    assert!(
        json.contains("\"@type\":\"type.googleapis.com/google.rpc.Status\",\"code\":5"),
        "{json}"
    );
    assert_eq!(read::<GrpcStatus>(&json), status);
}

#[test]
fn packed_messages_must_be_known() {
    let error = refused::<ProtocolMessage>(r#"{"body": {"@type": "type.googleapis.com/a.B"}}"#);
    assert!(
        error.starts_with("body: expected a known type under \"@type\", found \"type.googleapis.com/a.B\""),
        "{error}"
    );
    let error = refused::<ProtocolMessage>(r#"{"body": {"meta": {}}}"#);
    assert!(
        error.starts_with("body: expected an object with \"@type\", found one without"),
        "{error}"
    );
    let message = |any| ProtocolMessage {
        body: Some(any),
        ..Default::default()
    };
    let unknown = message(Any {
        type_url: "x/a.B".into(),
        value: vec![],
    });
    assert_eq!(
        to_json(&unknown).unwrap_err().to_string(),
        "body: an Any holds a message of the unknown type \"x/a.B\""
    );
    let damaged = message(Any {
        value: vec![0x0a, 0x05],
        ..any::pack(&Request::default())
    });
    assert_eq!(
        to_json(&damaged).unwrap_err().to_string(),
        "body: the wire bytes are damaged"
    );
}

#[test]
fn text_is_escaped() {
    let failure = Failure {
        message: "a\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}é😀".into(),
        ..Default::default()
    };
    let json = to_json(&failure).unwrap();
    assert_eq!(json, "{\"message\":\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\u{7f}é😀\"}");
    assert_eq!(read::<Failure>(&json), failure);
}

#[test]
fn nesting_is_limited_and_does_not_overflow() {
    let deep = format!("{}{{}}{}", "{\"cause\":".repeat(100_000), "}".repeat(100_000));
    let error = refused::<Failure>(&deep);
    assert!(error.contains("messages nested less deeply"), "{error}");
    let mut failure = Failure::default();
    for _ in 0..200 {
        failure = Failure {
            cause: Some(Box::new(failure)),
            ..Default::default()
        };
    }
    let error = to_json(&failure).unwrap_err().to_string();
    assert!(error.ends_with("messages are nested deeper than 100 levels"), "{error}");
    let deep = format!("{{\"unknown\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(from_json::<Failure>(&deep).is_err());
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        "{",
        "{\"eventId\" 1}",
        "{\"eventId\": 1,}",
        "{} x",
        "[]",
        "{'a': 1}",
        "{\"eventId\": 01}",
    ] {
        let error = from_json::<HistoryEvent>(text).unwrap_err();
        assert!(matches!(error, JsonError::Unexpected { .. }), "{text}: {error:?}");
    }
    assert_eq!(
        refused::<HistoryEvent>("{\n  \"links\": {}\n}"),
        "links: expected an array, found an object (line 2, column 12)"
    );
}

#[test]
fn messages_go_by_name_too() {
    let wire = json_to_wire("temporal.api.history.v1.HistoryEvent", r#"{"eventId": "1"}"#).unwrap();
    assert_eq!(wire, [8, 1]);
    let json = wire_to_json("temporal.api.history.v1.HistoryEvent", &wire).unwrap();
    assert_eq!(json, r#"{"eventId":"1"}"#);
    assert_eq!(
        wire_to_json("HistoryEvent", &wire).unwrap_err().to_string(),
        "no message of this API is named \"HistoryEvent\": give its full protobuf name"
    );
    assert_eq!(HistoryEvent::NAME, "temporal.api.history.v1.HistoryEvent");
}
