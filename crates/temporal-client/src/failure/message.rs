//! Failures to protobuf messages and back, and the payloads inside them.

use super::parts::{Parts, sent_details};
use super::tree::each;
use super::{
    ActivityError, ApplicationError, CancelledError, ChildWorkflowError, Failure, NexusHandlerError,
    NexusOperationError, ResetWorkflowError, ServerError, TerminatedError, TimeoutError,
};
use crate::data::PayloadConverter;
use std::sync::Arc;
use temporal_protos::api::failure::v1 as proto;
use temporal_protos::api::failure::v1::failure::FailureInfo;

/// What this SDK signs its failures with.
const SOURCE: &str = "RustSDK";

/// The last segment of a Rust type name, without generics: `core::num::ParseIntError` is `ParseIntError`.
#[must_use]
pub fn short_type_name(full: &str) -> &str {
    let plain = full.split_once('<').map_or(full, |(plain, _)| plain);
    plain.rsplit("::").next().unwrap_or(plain)
}

pub(super) fn to_message(failure: &Failure, converter: &Arc<dyn PayloadConverter>) -> proto::Failure {
    let info = match failure {
        Failure::Application(error) => {
            let mut info = error.parts().info.clone();
            sent_details(&mut info.details, error.parts(), converter);
            FailureInfo::ApplicationFailureInfo(info)
        }
        Failure::Cancelled(error) => {
            let mut info = error.parts().info.clone();
            sent_details(&mut info.details, error.parts(), converter);
            FailureInfo::CanceledFailureInfo(info)
        }
        Failure::Timeout(error) => FailureInfo::TimeoutFailureInfo(error.parts().info.clone()),
        Failure::Terminated(error) => FailureInfo::TerminatedFailureInfo(error.parts().info.clone()),
        Failure::Server(error) => FailureInfo::ServerFailureInfo(error.parts().info),
        Failure::ResetWorkflow(error) => FailureInfo::ResetWorkflowFailureInfo(error.parts().info.clone()),
        Failure::Activity(error) => FailureInfo::ActivityFailureInfo(error.parts().info.clone()),
        Failure::ChildWorkflow(error) => FailureInfo::ChildWorkflowExecutionFailureInfo(error.parts().info.clone()),
        Failure::NexusOperation(error) => FailureInfo::NexusOperationExecutionFailureInfo(error.parts().info.clone()),
        Failure::NexusHandler(error) => FailureInfo::NexusHandlerFailureInfo(error.parts().info.clone()),
    };
    let source = each!(failure, error => error.reported_by());
    proto::Failure {
        message: failure.message().to_owned(),
        source: if source.is_empty() { SOURCE } else { source }.to_owned(),
        stack_trace: failure.stack_trace().to_owned(),
        cause: failure.cause().map(|cause| Box::new(to_message(cause, converter))),
        failure_info: Some(info),
        encoded_attributes: None,
    }
}

pub(super) fn from_message(mut message: proto::Failure, converter: &Arc<dyn PayloadConverter>) -> Failure {
    let cause = message.cause.take().map(|cause| from_message(*cause, converter));
    let info = message.failure_info.take();
    macro_rules! failure {
        ($kind:ident, $info:expr) => {
            $kind::from_parts(Box::new(Parts {
                message: message.message,
                stack_trace: message.stack_trace,
                source: message.source,
                cause,
                converter: Some(Arc::clone(converter)),
                values: Vec::new(),
                info: $info,
            }))
            .into()
        };
    }
    match info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => failure!(ApplicationError, info),
        Some(FailureInfo::CanceledFailureInfo(info)) => failure!(CancelledError, info),
        Some(FailureInfo::TimeoutFailureInfo(info)) => failure!(TimeoutError, info),
        Some(FailureInfo::TerminatedFailureInfo(info)) => failure!(TerminatedError, info),
        Some(FailureInfo::ServerFailureInfo(info)) => failure!(ServerError, info),
        Some(FailureInfo::ResetWorkflowFailureInfo(info)) => failure!(ResetWorkflowError, info),
        Some(FailureInfo::ActivityFailureInfo(info)) => failure!(ActivityError, info),
        Some(FailureInfo::ChildWorkflowExecutionFailureInfo(info)) => failure!(ChildWorkflowError, info),
        Some(FailureInfo::NexusOperationExecutionFailureInfo(info)) => failure!(NexusOperationError, info),
        Some(FailureInfo::NexusHandlerFailureInfo(info)) => failure!(NexusHandlerError, info),
        None => failure!(ApplicationError, proto::ApplicationFailureInfo::default()),
    }
}
