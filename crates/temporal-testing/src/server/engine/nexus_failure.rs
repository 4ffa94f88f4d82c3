//! Failures of Nexus operations and of their handlers, in the two forms that workers use.

use serde_json::{Map, Value};
use temporal_protos::api::common::v1::{Payload, Payloads};
use temporal_protos::api::enums::v1::{NexusHandlerErrorRetryBehavior as RetryBehavior, TimeoutType};
use temporal_protos::api::failure::v1::{
    ApplicationFailureInfo, CanceledFailureInfo, Failure, NexusHandlerFailureInfo, NexusOperationFailureInfo,
    TimeoutFailureInfo, failure::FailureInfo,
};
use temporal_protos::api::nexus::v1 as nexus;
use temporal_protos::json;

use super::state::NexusOperation;
use super::status::Status;

/// What the metadata of a Nexus failure calls one that holds a Temporal failure.
const TEMPORAL_FAILURE: &str = "temporal.api.failure.v1.Failure";

/// The failure that a workflow is told: that the operation did not succeed, because of this.
pub(super) fn operation_failure(operation: &NexusOperation, scheduled_event_id: i64, cause: Failure) -> Failure {
    Failure {
        message: "nexus operation completed unsuccessfully".to_owned(),
        cause: Some(Box::new(cause)),
        failure_info: Some(FailureInfo::NexusOperationExecutionFailureInfo(
            NexusOperationFailureInfo {
                scheduled_event_id,
                endpoint: operation.endpoint.clone(),
                service: operation.service.clone(),
                operation: operation.operation.clone(),
                operation_id: operation.token.clone(),
                operation_token: operation.token.clone(),
            },
        )),
        ..Failure::default()
    }
}

/// One of the operation's timeouts passed.
pub(super) fn timed_out(kind: TimeoutType) -> Failure {
    Failure {
        message: "operation timed out".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: kind as i32,
            ..TimeoutFailureInfo::default()
        })),
        ..Failure::default()
    }
}

/// A handler's failure that the server itself makes.
pub(super) fn handler_failure(kind: &str, message: impl Into<String>) -> Failure {
    Failure {
        message: message.into(),
        failure_info: Some(FailureInfo::NexusHandlerFailureInfo(NexusHandlerFailureInfo {
            r#type: kind.to_owned(),
            ..NexusHandlerFailureInfo::default()
        })),
        ..Failure::default()
    }
}

/// A call that could not be made or whose answer cannot be taken, for good.
pub(super) fn call_failure(message: &str) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "CallError".to_owned(),
            non_retryable: true,
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    }
}

/// Whether a request that failed like this is tried again.
pub(super) fn is_retryable(failure: &Failure) -> bool {
    let Some(FailureInfo::NexusHandlerFailureInfo(info)) = &failure.failure_info else {
        return !matches!(&failure.failure_info, Some(FailureInfo::ApplicationFailureInfo(info)) if info.non_retryable);
    };
    match RetryBehavior::try_from(info.retry_behavior) {
        Ok(RetryBehavior::Retryable) => true,
        Ok(RetryBehavior::NonRetryable) => false,
        Ok(RetryBehavior::Unspecified) | Err(_) => !matches!(
            info.r#type.as_str(),
            "BAD_REQUEST" | "UNAUTHENTICATED" | "UNAUTHORIZED" | "NOT_FOUND" | "CONFLICT" | "NOT_IMPLEMENTED"
        ),
    }
}

/// The failure of a handler, told in either form.
pub(super) fn of_handler(error: Option<nexus::HandlerError>, failure: Option<Failure>) -> Result<Failure, Status> {
    if let Some(error) = error {
        let cause = from_nexus(error.failure.unwrap_or_default())?;
        return Ok(Failure {
            cause: Some(Box::new(cause)),
            failure_info: Some(FailureInfo::NexusHandlerFailureInfo(NexusHandlerFailureInfo {
                r#type: error.error_type,
                retry_behavior: error.retry_behavior,
            })),
            ..Failure::default()
        });
    }
    let Some(failure) = failure else {
        return Err(Status::invalid_argument("request must contain error or failure"));
    };
    if !matches!(failure.failure_info, Some(FailureInfo::NexusHandlerFailureInfo(_))) {
        let text = "request Failure must contain error or failure with NexusHandlerFailureInfo";
        return Err(Status::invalid_argument(text));
    }
    // The real server loses the source on the way.
    Ok(Failure {
        source: String::new(),
        ..failure
    })
}

/// The Temporal failure that a Nexus failure stands for.
pub(super) fn from_nexus(failure: nexus::Failure) -> Result<Failure, Status> {
    let cause = match failure.cause {
        Some(cause) => Some(Box::new(from_nexus(*cause)?)),
        None => None,
    };
    if failure
        .metadata
        .get("type")
        .is_some_and(|kind| kind == TEMPORAL_FAILURE)
    {
        let mut inner: Failure = if failure.details.is_empty() {
            Failure::default()
        } else {
            let text = std::str::from_utf8(&failure.details).ok();
            text.and_then(|text| json::from_json(text).ok())
                .ok_or_else(not_serializable)?
        };
        inner.message = failure.message;
        if !failure.stack_trace.is_empty() {
            inner.stack_trace = failure.stack_trace;
        }
        inner.cause = cause.or(inner.cause);
        return Ok(inner);
    }
    let mut details = Map::new();
    if !failure.metadata.is_empty() {
        let metadata = failure
            .metadata
            .into_iter()
            .map(|(key, value)| (key, Value::from(value)));
        details.insert("metadata".to_owned(), Value::Object(metadata.collect()));
    }
    if !failure.details.is_empty() {
        let value: Value = serde_json::from_slice(&failure.details).map_err(|_| not_serializable())?;
        details.insert("details".to_owned(), value);
    }
    let info = (!details.is_empty()).then(|| {
        FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "NexusFailure".to_owned(),
            details: Some(Payloads {
                payloads: vec![Payload {
                    metadata: [("encoding".to_owned(), b"json/plain"[..].into())].into(),
                    data: in_order(&details).into_bytes().into(),
                    ..Payload::default()
                }],
            }),
            ..ApplicationFailureInfo::default()
        })
    });
    Ok(Failure {
        message: failure.message,
        stack_trace: failure.stack_trace,
        cause,
        failure_info: info,
        ..Failure::default()
    })
}

/// The JSON of an object with its metadata before its details.
fn in_order(details: &Map<String, Value>) -> String {
    let members: Vec<String> = ["metadata", "details"]
        .into_iter()
        .filter_map(|name| details.get(name).map(|value| format!("\"{name}\":{value}")))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn not_serializable() -> Status {
    Status::invalid_argument("failure details must be JSON serializable")
}

/// The failure of a cancelled operation: whatever its handler said, it is a cancellation.
pub(super) fn as_canceled(failure: Failure) -> Failure {
    if matches!(failure.failure_info, Some(FailureInfo::CanceledFailureInfo(_))) {
        return failure;
    }
    Failure {
        message: failure.message,
        stack_trace: failure.stack_trace,
        cause: failure.cause,
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
        ..Failure::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nexus_failure(metadata: &[(&str, &str)], details: &'static [u8]) -> nexus::Failure {
        nexus::Failure {
            message: "m".to_owned(),
            metadata: metadata
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            details: details.into(),
            ..nexus::Failure::default()
        }
    }

    #[test]
    fn a_nexus_failure_keeps_what_it_has_beside_its_message() {
        let plain = from_nexus(nexus_failure(&[], b"")).unwrap();
        assert_eq!((plain.message.as_str(), plain.failure_info), ("m", None));
        let more = from_nexus(nexus_failure(&[("k", "v")], br#"{"a":1}"#)).unwrap();
        let Some(FailureInfo::ApplicationFailureInfo(info)) = more.failure_info else {
            panic!("application")
        };
        assert_eq!(info.r#type, "NexusFailure");
        let details = &info.details.unwrap().payloads[0].data;
        assert_eq!(details, &br#"{"metadata":{"k":"v"},"details":{"a":1}}"#[..]);
        assert!(from_nexus(nexus_failure(&[], b"\xff")).is_err());
    }

    #[test]
    fn a_temporal_failure_comes_out_of_its_json() {
        let details = br#"{"source":"S","applicationFailureInfo":{"type":"Ty","nonRetryable":true}}"#;
        let failure = from_nexus(nexus_failure(&[("type", TEMPORAL_FAILURE)], details)).unwrap();
        assert_eq!((failure.message.as_str(), failure.source.as_str()), ("m", "S"));
        let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else {
            panic!("application")
        };
        assert_eq!((info.r#type.as_str(), info.non_retryable), ("Ty", true));
    }

    #[test]
    fn the_type_of_a_handler_error_says_whether_to_try_again_unless_the_error_does() {
        let failure = |kind: &str, behavior: RetryBehavior| Failure {
            failure_info: Some(FailureInfo::NexusHandlerFailureInfo(NexusHandlerFailureInfo {
                r#type: kind.to_owned(),
                retry_behavior: behavior as i32,
            })),
            ..Failure::default()
        };
        for kind in [
            "INTERNAL",
            "UNAVAILABLE",
            "RESOURCE_EXHAUSTED",
            "UPSTREAM_TIMEOUT",
            "WEIRD",
            "",
        ] {
            assert!(is_retryable(&failure(kind, RetryBehavior::Unspecified)), "{kind}");
        }
        for kind in [
            "BAD_REQUEST",
            "UNAUTHORIZED",
            "NOT_FOUND",
            "CONFLICT",
            "NOT_IMPLEMENTED",
        ] {
            assert!(!is_retryable(&failure(kind, RetryBehavior::Unspecified)), "{kind}");
        }
        assert!(is_retryable(&failure("BAD_REQUEST", RetryBehavior::Retryable)));
        assert!(!is_retryable(&failure("INTERNAL", RetryBehavior::NonRetryable)));
    }
}
