//! Errors to failures and back.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::error::Error;
use std::fmt;
use std::time::Duration;
use temporal_client::DataConverter;
use temporal_client::data::{
    CompositeConverter, ConversionError, EncodingConverter, ErasedSlot, ErasedValue, PayloadConverterExt as _,
};
use temporal_client::failure::*;
use temporal_client::protos::api::common::v1::{ActivityType, Payload, Payloads};
use temporal_client::protos::api::failure::v1::failure::FailureInfo;
use temporal_client::protos::api::failure::v1::{self as proto, Failure as Message};

fn converter() -> DataConverter {
    DataConverter::default()
}

fn there_and_back(error: &(dyn Error + 'static), type_name: Option<&str>) -> Failure {
    converter().failure_to_error(converter().error_to_failure(error, type_name))
}

#[derive(Debug)]
struct NoFunds(std::num::ParseIntError);

impl fmt::Display for NoFunds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no funds")
    }
}

impl Error for NoFunds {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn application_errors_keep_everything() {
    let error = ApplicationError::new("card declined")
        .kind("Declined")
        .non_retryable()
        .details(&"first")
        .unwrap()
        .details(&2)
        .unwrap()
        .next_retry_delay(Duration::from_secs(60))
        .category(ApplicationErrorCategory::Benign)
        .caused_by(&NoFunds("x".parse::<u8>().unwrap_err()));
    let message = converter().error_to_failure(&error, Some("Ignored"));
    assert_eq!(
        (message.message.as_str(), message.source.as_str()),
        ("card declined", "RustSDK")
    );
    let Some(FailureInfo::ApplicationFailureInfo(info)) = &message.failure_info else {
        panic!("{message:?}");
    };
    assert_eq!((info.r#type.as_str(), info.non_retryable), ("Declined", true));
    assert_eq!(info.next_retry_delay.unwrap().seconds, 60);
    assert_eq!(info.category(), ApplicationErrorCategory::Benign);

    let Failure::Application(back) = converter().failure_to_error(message.clone()) else {
        panic!("not an application error");
    };
    assert_eq!(back.detail::<String>().unwrap(), "first");
    assert_eq!(back.detail_at::<i32>(1).unwrap(), 2);
    assert!(
        back.detail_at::<i32>(2)
            .unwrap_err()
            .to_string()
            .contains("no detail number 2")
    );
    assert!(back.is_non_retryable() && back.is_benign());
    assert_eq!(back.retry_delay(), Some(Duration::from_secs(60)));
    assert_eq!(back.cause().unwrap().message(), "no funds");
    assert_eq!(
        back.cause().unwrap().cause().unwrap().message(),
        "invalid digit found in string"
    );
    // Raised once more, nothing is lost.
    assert_eq!(converter().error_to_failure(&back, None), message);
}

/// An encoding with a name of its own, as of an organization that does without JSON.
struct Own;

const OWN: &str = "own/json";

impl EncodingConverter for Own {
    fn encoding(&self) -> &'static str {
        OWN
    }

    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
        let mut data = Vec::new();
        value
            .write_json(&mut data)
            .map_err(|error| ConversionError::new(error.to_string()))?;
        Ok(Some(Payload {
            metadata: [("encoding".into(), OWN.into())].into(),
            data: data.into(),
            ..Payload::default()
        }))
    }

    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        slot.read_json(&payload.data)
            .map_err(|error| ConversionError::new(error.to_string()))
    }
}

#[test]
fn details_are_sent_by_the_payload_converter_that_reads_them() {
    let converter = DataConverter::default().with_payload_converter(CompositeConverter::empty().with(Own));
    let raw = converter.payload_converter().encode(&"third").unwrap();
    let error = ApplicationError::new("declined")
        .details(&"first")
        .unwrap()
        .details(&Some(2))
        .unwrap()
        .raw_details(vec![raw])
        .caused_by(&CancelledError::new("stopped").details(&vec![4_u8]).unwrap());
    assert_eq!(error.detail::<String>().unwrap(), "first", "not sent yet");

    let message = converter.error_to_failure(&error, None);
    let Failure::Application(back) = converter.failure_to_error(message.clone()) else {
        panic!("not an application error");
    };
    assert!(
        back.detail_payloads()
            .iter()
            .all(|payload| payload.metadata["encoding"] == OWN),
        "{back:?}"
    );
    assert_eq!(back.detail::<String>().unwrap(), "first");
    assert_eq!(back.detail_at::<Option<i32>>(1).unwrap(), Some(2));
    assert_eq!(back.detail_at::<String>(2).unwrap(), "third");
    let Some(Failure::Cancelled(cause)) = back.cause() else {
        panic!("no cause: {back:?}");
    };
    assert_eq!(cause.detail::<Vec<u8>>().unwrap(), [4]);
    assert_eq!(converter.error_to_failure(&back, None), message, "raised once more");
}

#[test]
fn any_error_becomes_an_application_error_named_by_its_type() {
    let error = NoFunds("x".parse::<u8>().unwrap_err());
    let failure = there_and_back(&error, Some(short_type_name(std::any::type_name::<NoFunds>())));
    let application = failure.as_application().unwrap();
    assert_eq!(
        (application.type_name(), application.message()),
        ("NoFunds", "no funds")
    );
    assert!(!application.is_non_retryable());
    assert_eq!(ApplicationError::from_error(&error).type_name(), "NoFunds");
    assert_eq!(failure.causes().count(), 2);
    assert_eq!(failure.root_cause().message(), "invalid digit found in string");
    assert_eq!(short_type_name("alloc::boxed::Box<dyn core::error::Error>"), "Box");
    assert_eq!(short_type_name("Plain"), "Plain");
}

#[test]
fn a_wrapper_keeps_what_the_wrapped_says_of_retries() {
    let inner = ApplicationError::new("declined").kind("Declined").non_retryable();
    let wrapped = anyhow::Error::new(inner).context("charging the card");
    let failure = there_and_back(&*wrapped, None);
    let Failure::Application(outer) = &failure else {
        panic!("{failure:?}")
    };
    assert_eq!((outer.message(), outer.type_name()), ("charging the card", "Declined"));
    assert!(outer.is_non_retryable());
    assert_eq!(outer.cause().unwrap().message(), "declined");
    let named = there_and_back(&*wrapped, Some("Mine"));
    assert_eq!(named.as_application().unwrap().type_name(), "Mine");
}

fn activity_failure(cause: Message) -> Message {
    Message {
        message: "activity error".into(),
        source: "Server".into(),
        cause: Some(Box::new(cause)),
        failure_info: Some(FailureInfo::ActivityFailureInfo(proto::ActivityFailureInfo {
            scheduled_event_id: 5,
            started_event_id: 6,
            identity: "worker".into(),
            activity_type: Some(ActivityType { name: "charge".into() }),
            activity_id: "1".into(),
            retry_state: RetryState::MaximumAttemptsReached.into(),
        })),
        ..Message::default()
    }
}

fn cancelled() -> Message {
    Message {
        message: "stop".into(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(proto::CanceledFailureInfo::default())),
        ..Message::default()
    }
}

#[test]
fn activity_errors_are_typed() {
    let timeout = Message {
        failure_info: Some(FailureInfo::TimeoutFailureInfo(proto::TimeoutFailureInfo {
            timeout_type: TimeoutType::Heartbeat.into(),
            last_heartbeat_details: Some(Payloads {
                payloads: vec![
                    temporal_client::data::PayloadConverterExt::encode(&**converter().payload_converter(), &7).unwrap(),
                ],
            }),
        })),
        ..Message::default()
    };
    let message = activity_failure(timeout);
    let failure = converter().failure_to_error(message.clone());
    let Failure::Activity(activity) = &failure else {
        panic!("{failure:?}")
    };
    assert_eq!(
        (activity.activity_id(), activity.activity_type(), activity.identity()),
        ("1", "charge", "worker")
    );
    assert_eq!((activity.scheduled_event_id(), activity.started_event_id()), (5, 6));
    assert_eq!(activity.retry_state(), RetryState::MaximumAttemptsReached);
    let timeout = failure.as_timeout().unwrap();
    assert_eq!(timeout.timeout_type(), TimeoutType::Heartbeat);
    assert_eq!(timeout.last_heartbeat_details::<u32>().unwrap(), 7);
    assert!(failure.is_timeout() && !failure.is_cancelled());
    assert_eq!(
        failure.to_string(),
        "activity charge (id 1): activity error (maximum attempts reached)"
    );
    assert_eq!(failure.source().unwrap().to_string(), "heartbeat timeout");
    assert!(failure.source().unwrap().is::<TimeoutError>());
    let again = converter().error_to_failure(&failure, None);
    assert_eq!(again.cause.as_ref().unwrap().source, "RustSDK");
    assert_eq!(again.failure_info, message.failure_info);
}

#[test]
fn cancellation_is_seen_through_the_activity() {
    let failure = converter().failure_to_error(activity_failure(cancelled()));
    assert!(failure.is_cancelled());
    let wrapped = ApplicationError::new("gave up").caused_by(&failure);
    assert!(!Failure::from(wrapped).is_cancelled());
    assert!(Failure::from(CancelledError::new("")).is_cancelled());
}

#[test]
fn every_kind_survives() {
    use FailureInfo::*;
    let infos = [
        TerminatedFailureInfo(proto::TerminatedFailureInfo { identity: "me".into() }),
        ServerFailureInfo(proto::ServerFailureInfo { non_retryable: true }),
        ResetWorkflowFailureInfo(proto::ResetWorkflowFailureInfo::default()),
        ChildWorkflowExecutionFailureInfo(proto::ChildWorkflowExecutionFailureInfo {
            namespace: "n".into(),
            initiated_event_id: 3,
            ..Default::default()
        }),
        NexusOperationExecutionFailureInfo(proto::NexusOperationFailureInfo {
            endpoint: "e".into(),
            service: "s".into(),
            operation: "o".into(),
            ..Default::default()
        }),
        NexusHandlerFailureInfo(proto::NexusHandlerFailureInfo {
            r#type: "NOT_FOUND".into(),
            ..Default::default()
        }),
        CanceledFailureInfo(proto::CanceledFailureInfo::default()),
        TimeoutFailureInfo(proto::TimeoutFailureInfo::default()),
        ApplicationFailureInfo(proto::ApplicationFailureInfo::default()),
    ];
    for info in infos {
        let message = Message {
            message: "m".into(),
            source: "GoSDK".into(),
            stack_trace: "at line 1".into(),
            failure_info: Some(info),
            ..Message::default()
        };
        let failure = converter().failure_to_error(message.clone());
        assert_eq!((failure.message(), failure.stack_trace()), ("m", "at line 1"));
        assert!(failure.to_string().contains('m'), "{failure}");
        assert_eq!(converter().error_to_failure(&failure, None), message);
        assert_eq!(converter().error_to_failure(failure.as_error(), None), message);
    }
}

#[test]
fn p65_common_attributes_can_be_hidden() {
    let hiding = converter().with_failure_converter(DefaultFailureConverter::new().encode_common_attributes(true));
    let error = ApplicationError::new("secret").caused_by(&ApplicationError::new("deeper secret"));
    let message = hiding.error_to_failure(&error, None);
    assert_eq!(message.message, "Encoded failure");
    assert_eq!(message.cause.as_ref().unwrap().message, "Encoded failure");
    assert!(
        message
            .encoded_attributes
            .as_ref()
            .unwrap()
            .data
            .starts_with(b"{\"message\":\"secret\"")
    );
    // Whoever receives it need not hide anything to read it.
    let back = converter().failure_to_error(message);
    assert_eq!(
        (back.message(), back.root_cause().message()),
        ("secret", "deeper secret")
    );
}
