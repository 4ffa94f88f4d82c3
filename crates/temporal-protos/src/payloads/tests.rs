use super::{CountMismatch, Group, PayloadVisitor, VisitPayloads, collect, collect_groups, replace, replace_groups};
use crate::any;
use crate::api::command::v1::{Command, RecordMarkerCommandAttributes, command};
use crate::api::common::v1::{Header, Memo, Payload, Payloads, SearchAttributes};
use crate::api::failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo};
use crate::api::protocol::v1::Message as ProtocolMessage;
use crate::api::sdk::v1::UserMetadata;
use crate::api::update::v1::{Acceptance, Input, Outcome, Rejection, Request, Response, outcome};
use crate::api::workflowservice::v1::{
    CountWorkflowExecutionsResponse, RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
    count_workflow_executions_response::AggregationGroup,
};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

fn payload(text: &str) -> Payload {
    Payload {
        data: text.to_string().into(),
        ..Default::default()
    }
}

fn list(texts: &[&str]) -> Payloads {
    Payloads {
        payloads: texts.iter().map(|text| payload(text)).collect(),
    }
}

fn texts(payloads: &[Payload]) -> Vec<String> {
    let text = |payload: &Payload| String::from_utf8_lossy(&payload.data).into_owned();
    payloads.iter().map(text).collect()
}

fn upper(payload: &mut Payload) {
    payload.data = String::from_utf8_lossy(&payload.data).to_uppercase().into();
}

fn start() -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        workflow_id: "wf".into(),
        input: Some(list(&["a", "b"])),
        memo: Some(Memo {
            fields: BTreeMap::from([("k".into(), payload("memo")), ("l".into(), payload("memo2"))]),
        }),
        header: Some(Header {
            fields: BTreeMap::from([("h".into(), payload("header"))]),
        }),
        search_attributes: Some(SearchAttributes {
            indexed_fields: BTreeMap::from([("City".into(), payload("plain"))]),
        }),
        user_metadata: Some(UserMetadata {
            summary: Some(payload("summary")),
            details: None,
        }),
        last_completion_result: Some(list(&[])),
        ..Default::default()
    }
}

#[test]
fn takes_in_order_and_puts_back() {
    let mut message = start();
    let mut taken = collect(&mut message);
    assert_eq!(texts(&taken), ["a", "b", "memo", "memo2", "header", "summary"]);
    assert_eq!(message.input, Some(list(&["", ""])));
    taken.iter_mut().for_each(upper);
    replace(&mut message, taken).unwrap();

    let mut expected = start();
    expected.input = Some(list(&["A", "B"]));
    expected.memo = Some(Memo {
        fields: BTreeMap::from([("k".into(), payload("MEMO")), ("l".into(), payload("MEMO2"))]),
    });
    expected.header = Some(Header {
        fields: BTreeMap::from([("h".into(), payload("HEADER"))]),
    });
    expected.user_metadata = Some(UserMetadata {
        summary: Some(payload("SUMMARY")),
        details: None,
    });
    assert_eq!(
        message, expected,
        "the search attribute is untouched, everything else went through"
    );
}

#[test]
fn taking_and_putting_changes_nothing() {
    let mut message = start();
    let taken = collect(&mut message);
    replace(&mut message, taken).unwrap();
    assert_eq!(message, start());
    let taken = collect_groups(&mut message);
    replace_groups(&mut message, taken).unwrap();
    assert_eq!(message, start());
}

#[test]
fn lists_may_change_their_length() {
    let mut message = start();
    let mut groups = collect_groups(&mut message);
    assert_eq!(groups[0].as_slice().len(), 2);
    groups[0] = Group::Many(vec![payload("a+b")]);
    replace_groups(&mut message, groups).unwrap();
    assert_eq!(message.input, Some(list(&["a+b"])));
    assert_eq!(message.memo, start().memo);
}

#[test]
fn a_single_place_takes_exactly_one() {
    let mut message = UserMetadata {
        summary: Some(payload("s")),
        details: None,
    };
    let mismatch = replace_groups(&mut message, vec![Group::Many(vec![payload("1"), payload("2")])]);
    let expected = CountMismatch { expected: 1, found: 2 };
    assert_eq!(mismatch, Err(expected));
    replace_groups(&mut message, vec![Group::Many(vec![payload("1")])]).unwrap();
    assert_eq!(message.summary, Some(payload("1")));
}

#[test]
fn wrong_counts_are_reported() {
    let mut message = list(&["a", "b"]);
    let mut taken = collect(&mut message);
    taken.push(payload("c"));
    assert_eq!(
        replace(&mut message, taken),
        Err(CountMismatch { expected: 2, found: 3 })
    );
    let mismatch = replace(&mut message, vec![payload("x")]).unwrap_err();
    assert_eq!(
        mismatch.to_string(),
        "put back as many payloads as were taken: 2 expected, 1 given"
    );
}

#[test]
fn failures_are_visited_down_the_chain() {
    let failure = |text: &str, cause| Failure {
        encoded_attributes: Some(payload(&alloc::format!("{text} attributes"))),
        cause,
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            details: Some(list(&[text])),
            ..Default::default()
        })),
        ..Default::default()
    };
    let mut outer = failure("outer", Some(Box::new(failure("inner", None))));
    assert_eq!(
        texts(&collect(&mut outer)),
        ["outer attributes", "inner attributes", "inner", "outer"]
    );
}

#[test]
fn markers_are_visited_in_the_order_of_their_keys() {
    let attributes = RecordMarkerCommandAttributes {
        marker_name: "core_local_activity".into(),
        details: BTreeMap::from([("result".into(), list(&["r"])), ("data".into(), list(&["d"]))]),
        ..Default::default()
    };
    let mut request = RespondWorkflowTaskCompletedRequest {
        commands: vec![Command {
            attributes: Some(command::Attributes::RecordMarkerCommandAttributes(attributes)),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(texts(&collect(&mut request)), ["d", "r"]);
    assert_eq!(
        texts(&collect(&mut request.commands)),
        ["", ""],
        "a list of messages can be visited too"
    );
}

#[test]
fn updates_inside_protocol_messages_are_visited() {
    let request = Request {
        input: Some(Input {
            args: Some(list(&["argument", "other"])),
            ..Default::default()
        }),
        ..Default::default()
    };
    let outcome = |value| Some(Outcome { value: Some(value) });
    let failure = Failure {
        encoded_attributes: Some(payload("failure")),
        ..Default::default()
    };
    let bodies = [
        any::pack(&request),
        any::pack(&Acceptance {
            accepted_request: Some(request.clone()),
            ..Default::default()
        }),
        any::pack(&Response {
            outcome: outcome(outcome::Value::Success(list(&["result"]))),
            ..Default::default()
        }),
        any::pack(&Rejection {
            failure: Some(failure),
            ..Default::default()
        }),
        prost_types::Any {
            type_url: "type.googleapis.com/somebody.Else".into(),
            value: vec![1, 2, 3],
        },
        prost_types::Any {
            type_url: "type.googleapis.com/temporal.api.update.v1.Request".into(),
            value: vec![0xff],
        },
    ];
    let mut message = RespondWorkflowTaskCompletedRequest {
        messages: bodies
            .into_iter()
            .map(|body| ProtocolMessage {
                body: Some(body),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let before = message.clone();
    let mut taken = collect(&mut message);
    assert_eq!(
        texts(&taken),
        ["argument", "other", "argument", "other", "result", "failure"]
    );
    taken.iter_mut().for_each(upper);
    replace(&mut message, taken).unwrap();
    let sent: Request = any::unpack(message.messages[0].body.as_ref().unwrap()).unwrap();
    assert_eq!(sent.input.unwrap().args, Some(list(&["ARGUMENT", "OTHER"])));
    assert_eq!(
        message.messages[4..],
        before.messages[4..],
        "unknown and damaged bodies stay as they are"
    );
}

#[test]
fn visitors_choose_headers_and_search_attributes() {
    struct Only {
        headers: bool,
        search: bool,
        seen: Vec<String>,
    }
    impl PayloadVisitor for Only {
        fn payload(&mut self, payload: &mut Payload) {
            self.seen.extend(texts(core::slice::from_ref(payload)));
        }
        fn visits_headers(&self) -> bool {
            self.headers
        }
        fn visits_search_attributes(&self) -> bool {
            self.search
        }
    }
    let seen = |message: &mut dyn VisitPayloads, headers, search| {
        let mut only = Only {
            headers,
            search,
            seen: Vec::new(),
        };
        message.visit_payloads(&mut only);
        only.seen
    };
    assert_eq!(seen(&mut start(), false, false), ["a", "b", "memo", "memo2", "summary"]);
    assert_eq!(
        seen(&mut start(), false, true),
        ["a", "b", "memo", "memo2", "plain", "summary"]
    );
    let mut count = CountWorkflowExecutionsResponse {
        groups: vec![AggregationGroup {
            group_values: vec![payload("Running")],
            count: 1,
        }],
        ..Default::default()
    };
    assert!(seen(&mut count, true, false).is_empty());
    assert_eq!(seen(&mut count, true, true), ["Running"]);
}
