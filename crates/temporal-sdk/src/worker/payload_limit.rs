//! Values that are larger than the namespace takes: told before the server ends the workflow for it.

use super::codec;
use super::shard::task_failure;
use crate::workflow::host::TaskFailure;
use temporal_client::DataConverter;
use temporal_client::data::CodecError;
use temporal_client::failure::ApplicationError;
use temporal_client::protos::any;
use temporal_client::protos::api::command::v1::Command;
use temporal_client::protos::api::command::v1::command::Attributes;
use temporal_client::protos::api::common::v1::{Memo, Payload, Payloads};
use temporal_client::protos::api::enums::v1::{QueryResultType, WorkflowTaskFailedCause};
use temporal_client::protos::api::failure::v1::Failure;
use temporal_client::protos::api::protocol::v1::Message;
use temporal_client::protos::api::query::v1::WorkflowQueryResult;
use temporal_client::protos::api::update::v1::{Acceptance, Outcome, Rejection, Response, outcome};
use temporal_client::protos::api::workflowservice::v1::RespondWorkflowTaskCompletedRequest;
use temporal_client::protos::prost::Message as _;

/// From which part of the limit on a value is warned of: a quarter.
const WARNED_PART: usize = 4;

/// How many commands of an answer that is too large are named.
const NAMED: usize = 3;

/// What to do about a value that is too large.
pub(super) const REMEDY: &str =
    "keep large values elsewhere and pass their address, split them, or compress them with a payload codec";

/// What is said of a value that is larger than the namespace takes.
pub(super) fn explained(what: &str, size: usize, limit: usize) -> String {
    format!("[TMPRL1103] {what} has {size} bytes, but the namespace takes at most {limit} in one place: {REMEDY}")
}

/// The failure of an activity or update whose value is too large.
pub(super) fn failure(converter: &DataConverter, message: String) -> Failure {
    let error = ApplicationError::new(message).kind("PayloadsTooLarge").non_retryable();
    converter.error_to_failure(&error, None)
}

/// The limit as a size; `None` while it is not known.
pub(super) fn known(limit: u64) -> Option<usize> {
    usize::try_from(limit).ok().filter(|limit| *limit > 0)
}

/// How large values may be, in bytes; 0 while that is not known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// What the namespace takes in one place.
    pub(super) value: u64,
    /// What it takes as the memo of a run.
    pub(super) memo: u64,
}

/// What the server measures against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Value,
    Memo,
}

/// The failure of a task one of whose commands is larger than the server takes; the server would end the run. Large values
/// below the limits are warned of. `changed_memo` is the run's memo after all commands, encoded; `workflow` is described for
/// people.
pub(super) fn too_large(
    commands: &[Command],
    changed_memo: Option<&Memo>,
    workflow: &str,
    limits: Limits,
) -> Option<TaskFailure> {
    let memo = changed_memo.map_or(0, Memo::encoded_len);
    let parts = commands.iter().flat_map(|command| {
        [(Part::Value, value_len(command)), (Part::Memo, memo_len(command))]
            .map(|(part, size)| (part, Some(command), size))
    });
    let mut too_large = None;
    for (part, command, size) in parts.chain([(Part::Memo, None, memo)]) {
        let limit = match part {
            Part::Value => limits.value,
            Part::Memo => limits.memo,
        };
        let Some(limit) = known(limit).filter(|limit| size > limit / WARNED_PART) else {
            continue;
        };
        let what = command.map_or_else(|| "the memo".to_owned(), |command| described(command, part));
        if size > limit {
            too_large.get_or_insert((what, size, limit));
        } else {
            tracing::warn!(
                size,
                limit,
                "[TMPRL1103] {what} of {workflow} is large: it stays in the workflow's history, and above the limit the task fails"
            );
        }
    }
    let (what, size, limit) = too_large?;
    let what = format!("{what} of {workflow}");
    let mut failure = task_failure(explained(&what, size, limit), "PayloadsTooLarge");
    failure.cause = WorkflowTaskFailedCause::PayloadsTooLarge;
    Some(failure)
}

/// Fails the updates whose outcome is too large, since the server ends the whole run for it. The messages are encoded
/// already.
///
/// # Errors
/// The codec's own.
pub(super) async fn fail_large_updates(
    messages: &mut [Message],
    workflow: &str,
    limit: u64,
    converter: &DataConverter,
) -> Result<(), CodecError> {
    let Some(limit) = known(limit) else { return Ok(()) };
    for message in messages {
        let Some(body) = message.body.as_ref().filter(|body| body.encoded_len() > limit) else {
            continue;
        };
        let size = body.encoded_len();
        let of_update = format!("of update \"{}\" of {workflow}", message.protocol_instance_id);
        // The server has the request itself: its echo is left out where it alone is what is too large.
        let body = if let Ok(acceptance) = any::unpack::<Acceptance>(body) {
            any::pack(&Acceptance {
                accepted_request: None,
                ..acceptance
            })
        } else if let Ok(mut rejection) = any::unpack::<Rejection>(body) {
            rejection.rejected_request = None;
            if rejection.encoded_len() > limit {
                let text = explained(&format!("the rejection {of_update}"), size, limit);
                tracing::warn!("{text}");
                rejection.failure = Some(failure(converter, text));
            }
            any::pack(&rejection)
        } else if let Ok(response) = any::unpack::<Response>(body) {
            let text = explained(&format!("the result {of_update}"), size, limit);
            tracing::warn!("{text}");
            let value = Some(outcome::Value::Failure(failure(converter, text)));
            let mut failed = Message {
                body: Some(any::pack(&Response {
                    outcome: Some(Outcome { value }),
                    ..response
                })),
                ..Message::default()
            };
            codec::encode(converter, &mut failed).await?;
            message.body = failed.body;
            continue;
        } else {
            continue;
        };
        message.body = Some(body);
    }
    Ok(())
}

/// What is said of a query's answer that is too large; `None` if it is not.
pub(super) fn large_answer(answer: Option<&Payloads>, what: &str, limit: u64) -> Option<String> {
    let size = answer.map_or(0, Payloads::encoded_len);
    let limit = known(limit).filter(|limit| size > *limit)?;
    Some(explained(what, size, limit))
}

/// Fails a query whose answer is too large.
pub(super) fn fail_large_answer(result: &mut WorkflowQueryResult, what: &str, limit: u64, converter: &DataConverter) {
    if let Some(message) = large_answer(result.answer.as_ref(), what, limit) {
        *result = WorkflowQueryResult {
            result_type: QueryResultType::Failed.into(),
            answer: None,
            error_message: message.clone(),
            failure: Some(failure(converter, message)),
        };
    }
}

/// What makes an answer large: its size, and its largest parts.
pub(super) fn largest_parts(request: &RespondWorkflowTaskCompletedRequest) -> String {
    let commands = request
        .commands
        .iter()
        .map(|command| (command.encoded_len(), described(command, Part::Value)));
    let messages = request.messages.iter().map(|message| {
        let what = format!("a message of update \"{}\"", message.protocol_instance_id);
        (message.encoded_len(), what)
    });
    let answers = request
        .query_results
        .values()
        .map(|result| (result.encoded_len(), "the answer of a query".to_owned()));
    let mut parts: Vec<_> = commands.chain(messages).chain(answers).collect();
    parts.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let count = parts.len();
    let named: Vec<String> = parts
        .into_iter()
        .take(NAMED)
        .map(|(size, what)| format!("{what} with {size} bytes"))
        .collect();
    format!(
        "has {} bytes in {count} commands and messages, the largest being {}",
        request.encoded_len(),
        named.join(", ")
    )
}

/// What to do about an answer that is larger than one gRPC message may be.
pub(super) const SPLIT: &str = "let the workflow do less at a time (await what it starts in batches), keep large values elsewhere and pass their address, or compress them with a payload codec";

/// The size that the server measures against the limit of one place; 0 for what it does not measure. Kind by kind as the
/// server does it, since it ends the run for what is larger.
fn value_len(command: &Command) -> usize {
    let listed = |payloads: Option<&Payloads>| payloads.map_or(0, Payloads::encoded_len);
    match &command.attributes {
        Some(Attributes::CompleteWorkflowExecutionCommandAttributes(it)) => listed(it.result.as_ref()),
        Some(Attributes::FailWorkflowExecutionCommandAttributes(it)) => {
            it.failure.as_ref().map_or(0, Failure::encoded_len)
        }
        Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(it)) => listed(it.input.as_ref()),
        Some(Attributes::ScheduleActivityTaskCommandAttributes(it)) => listed(it.input.as_ref()),
        Some(Attributes::StartChildWorkflowExecutionCommandAttributes(it)) => listed(it.input.as_ref()),
        Some(Attributes::SignalExternalWorkflowExecutionCommandAttributes(it)) => listed(it.input.as_ref()),
        Some(Attributes::ScheduleNexusOperationCommandAttributes(it)) => {
            it.input.as_ref().map_or(0, Payload::encoded_len)
        }
        Some(Attributes::RecordMarkerCommandAttributes(it)) => it
            .details
            .iter()
            .map(|(key, value)| key.len() + value.encoded_len())
            .sum(),
        Some(Attributes::ModifyWorkflowPropertiesCommandAttributes(it)) => {
            data_len(it.upserted_memo.iter().flat_map(|memo| &memo.fields))
        }
        Some(Attributes::UpsertWorkflowSearchAttributesCommandAttributes(it)) => {
            data_len(it.search_attributes.iter().flat_map(|it| &it.indexed_fields))
        }
        _ => 0,
    }
}

/// The size that the server measures against the limit of memos.
fn memo_len(command: &Command) -> usize {
    let memo = match &command.attributes {
        Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(it)) => it.memo.as_ref(),
        Some(Attributes::StartChildWorkflowExecutionCommandAttributes(it)) => it.memo.as_ref(),
        _ => None,
    };
    memo.map_or(0, Memo::encoded_len)
}

/// What the server counts of fields: their names and the data of their payloads.
fn data_len<'a>(fields: impl Iterator<Item = (&'a String, &'a Payload)>) -> usize {
    fields.map(|(key, value)| key.len() + value.data.len()).sum()
}

/// A command, or the part of it that the server measures.
fn described(command: &Command, part: Part) -> String {
    let memo = part == Part::Memo;
    match &command.attributes {
        Some(Attributes::CompleteWorkflowExecutionCommandAttributes(_)) => "the result".to_owned(),
        Some(Attributes::FailWorkflowExecutionCommandAttributes(_)) => "the failure".to_owned(),
        Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(_)) => {
            format!("the {} of the new run", if memo { "memo" } else { "input" })
        }
        Some(Attributes::ScheduleActivityTaskCommandAttributes(activity)) => format!(
            "the input of activity \"{}\"",
            activity.activity_type.as_ref().map_or("", |kind| kind.name.as_str())
        ),
        Some(Attributes::StartChildWorkflowExecutionCommandAttributes(child)) => format!(
            "the {} of child workflow \"{}\"",
            if memo { "memo" } else { "input" },
            child.workflow_type.as_ref().map_or("", |kind| kind.name.as_str())
        ),
        Some(Attributes::SignalExternalWorkflowExecutionCommandAttributes(signal)) => {
            format!("the input of signal \"{}\"", signal.signal_name)
        }
        Some(Attributes::ScheduleNexusOperationCommandAttributes(nexus)) => {
            format!("the input of Nexus operation \"{}\"", nexus.operation)
        }
        Some(Attributes::RecordMarkerCommandAttributes(marker)) => {
            format!(
                "the marker \"{}\" (of a local activity or a side effect)",
                marker.marker_name
            )
        }
        Some(Attributes::ModifyWorkflowPropertiesCommandAttributes(_)) => "the memo".to_owned(),
        Some(Attributes::UpsertWorkflowSearchAttributesCommandAttributes(_)) => {
            "an upsert of search attributes".to_owned()
        }
        _ => "a command".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, fail_large_updates, too_large};
    use temporal_client::DataConverter;
    use temporal_client::protos::any;
    use temporal_client::protos::api::command::v1::command::Attributes;
    use temporal_client::protos::api::command::v1::{
        Command, CompleteWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        ModifyWorkflowPropertiesCommandAttributes, RecordMarkerCommandAttributes,
        ScheduleActivityTaskCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
    };
    use temporal_client::protos::api::common::v1::{Header, Memo, Payload, Payloads};
    use temporal_client::protos::api::failure::v1::Failure;
    use temporal_client::protos::api::protocol::v1::Message;
    use temporal_client::protos::api::update::v1::{Acceptance, Input, Outcome, Request, Response, outcome};

    fn completion(bytes: usize) -> Command {
        let payload = Payload {
            data: vec![0; bytes].into(),
            ..Payload::default()
        };
        Command {
            attributes: Some(Attributes::CompleteWorkflowExecutionCommandAttributes(
                CompleteWorkflowExecutionCommandAttributes {
                    result: Some(Payloads {
                        payloads: vec![payload],
                    }),
                },
            )),
            ..Command::default()
        }
    }

    fn response(bytes: usize) -> Message {
        let value = Some(outcome::Value::Success(Payloads {
            payloads: vec![Payload {
                data: vec![0; bytes].into(),
                ..Payload::default()
            }],
        }));
        Message {
            protocol_instance_id: "u1".to_owned(),
            body: Some(any::pack(&Response {
                meta: None,
                outcome: Some(Outcome { value }),
            })),
            ..Message::default()
        }
    }

    fn outcome_of(message: &Message) -> Option<outcome::Value> {
        let response = any::unpack::<Response>(message.body.as_ref().unwrap()).unwrap();
        response.outcome.unwrap().value
    }

    #[tokio::test]
    async fn only_updates_that_are_too_large_fail() {
        let mut messages = [response(2000), response(10)];
        let converter = DataConverter::default();
        fail_large_updates(&mut messages, "workflow \"Big\" (w-1)", 1000, &converter)
            .await
            .unwrap();
        let Some(outcome::Value::Failure(failure)) = outcome_of(&messages[0]) else {
            panic!("the large one did not fail")
        };
        assert!(
            failure
                .message
                .starts_with("[TMPRL1103] the result of update \"u1\" of workflow \"Big\" (w-1) has 20"),
            "{}",
            failure.message
        );
        assert!(matches!(outcome_of(&messages[1]), Some(outcome::Value::Success(_))));
    }

    #[tokio::test]
    async fn the_echo_of_a_large_request_is_left_out() {
        let request = Request {
            input: Some(Input {
                name: "x".repeat(2000),
                ..Input::default()
            }),
            ..Request::default()
        };
        let body = any::pack(&Acceptance {
            accepted_request_message_id: "m".to_owned(),
            accepted_request: Some(request),
            ..Acceptance::default()
        });
        let mut messages = [Message {
            body: Some(body),
            ..Message::default()
        }];
        fail_large_updates(&mut messages, "", 1000, &DataConverter::default())
            .await
            .unwrap();
        let acceptance = any::unpack::<Acceptance>(messages[0].body.as_ref().unwrap()).unwrap();
        assert_eq!(acceptance.accepted_request, None);
        assert_eq!(acceptance.accepted_request_message_id, "m");
    }

    const LIMITS: Limits = Limits { value: 1000, memo: 500 };
    const BIG: &str = "workflow \"Big\" (w-1)";

    #[test]
    fn says_which_value_of_which_workflow_is_too_large() {
        assert!(too_large(&[completion(900)], None, BIG, LIMITS).is_none());
        let unknown = Limits { value: 0, memo: 0 };
        assert!(too_large(&[completion(9000)], None, BIG, unknown).is_none());
        let failure = too_large(&[completion(10), completion(1000)], None, BIG, LIMITS).unwrap();
        assert!(
            failure.failure.message.starts_with(
                "[TMPRL1103] the result of workflow \"Big\" (w-1) has 1006 bytes, but the namespace takes at most 1000 in one place: keep"
            ),
            "{}",
            failure.failure.message
        );
    }

    fn said(attributes: Attributes) -> Option<String> {
        let command = Command {
            attributes: Some(attributes),
            ..Command::default()
        };
        let failure = too_large(&[command], None, BIG, LIMITS)?;
        let message = failure.failure.message;
        Some(message.split(" bytes").next().unwrap_or_default().to_owned())
    }

    fn payload(bytes: usize) -> Payload {
        Payload {
            data: vec![0; bytes].into(),
            ..Payload::default()
        }
    }

    /// Several values of one command count together, with what is around them, as on the server.
    #[test]
    fn counts_what_the_server_counts() {
        let marker = |bytes| RecordMarkerCommandAttributes {
            marker_name: "m".to_owned(),
            details: ["data", "result"]
                .map(|key| {
                    let payloads = vec![payload(bytes)];
                    (key.to_owned(), Payloads { payloads })
                })
                .into(),
            // Not measured.
            failure: Some(message(5000)),
            ..Default::default()
        };
        let marker = |bytes| said(Attributes::RecordMarkerCommandAttributes(marker(bytes)));
        assert_eq!(marker(480), None);
        assert_eq!(
            marker(495).as_deref(),
            Some(
                "[TMPRL1103] the marker \"m\" (of a local activity or a side effect) of workflow \"Big\" (w-1) has 1012"
            )
        );
        let failed = |bytes| {
            said(Attributes::FailWorkflowExecutionCommandAttributes(
                FailWorkflowExecutionCommandAttributes {
                    failure: Some(message(bytes)),
                },
            ))
        };
        assert_eq!(failed(990), None);
        assert_eq!(
            failed(1000).as_deref(),
            Some("[TMPRL1103] the failure of workflow \"Big\" (w-1) has 1003")
        );
        let activity = |header| {
            let fields = [("trace".to_owned(), payload(header))].into();
            said(Attributes::ScheduleActivityTaskCommandAttributes(
                ScheduleActivityTaskCommandAttributes {
                    header: Some(Header { fields }),
                    ..Default::default()
                },
            ))
        };
        assert_eq!(activity(2000), None, "headers are not measured");
    }

    fn message(bytes: usize) -> Failure {
        Failure {
            message: "f".repeat(bytes),
            ..Failure::default()
        }
    }

    /// A memo has a limit of its own, for the notes of a command and for the whole that they leave.
    #[test]
    fn memos_are_measured_as_a_whole() {
        let memo = |bytes| Memo {
            fields: ["a", "b"].map(|key| (key.to_owned(), payload(bytes))).into(),
        };
        let child = |bytes| {
            said(Attributes::StartChildWorkflowExecutionCommandAttributes(
                StartChildWorkflowExecutionCommandAttributes {
                    memo: Some(memo(bytes)),
                    ..Default::default()
                },
            ))
        };
        assert_eq!(child(200), None);
        assert_eq!(
            child(300).as_deref(),
            Some("[TMPRL1103] the memo of child workflow \"\" of workflow \"Big\" (w-1) has 624")
        );
        let upsert = |bytes| {
            said(Attributes::ModifyWorkflowPropertiesCommandAttributes(
                ModifyWorkflowPropertiesCommandAttributes {
                    upserted_memo: Some(memo(bytes)),
                },
            ))
        };
        assert_eq!(upsert(499), None, "the whole is what the limit of memos is for");
        assert_eq!(
            upsert(500).as_deref(),
            Some("[TMPRL1103] the memo of workflow \"Big\" (w-1) has 1002")
        );
        assert!(too_large(&[], Some(&memo(200)), BIG, LIMITS).is_none());
        let failure = too_large(&[], Some(&memo(300)), BIG, LIMITS).unwrap();
        let told = failure.failure.message;
        assert!(
            told.starts_with(
                "[TMPRL1103] the memo of workflow \"Big\" (w-1) has 624 bytes, but the namespace takes at most 500"
            ),
            "{told}"
        );
    }
}
