//! Messages packed into [`Any`]: the updates inside protocol messages and the details of gRPC errors.
//!
//! # Example
//! ```
//! use temporal_protos::any;
//! use temporal_protos::api::update::v1::Request;
//!
//! let body = any::pack(&Request::default());
//! assert_eq!(body.type_url, "type.googleapis.com/temporal.api.update.v1.Request");
//! assert_eq!(any::unpack::<Request>(&body)?, Request::default());
//! # Ok::<(), any::UnpackError>(())
//! ```

use crate::api::common::v1::GrpcStatus;
use crate::api::errordetails::v1::{self as errordetails, multi_operation_execution_failure};
use crate::api::update::v1 as update;
use alloc::string::{String, ToString as _};
use core::fmt;
use prost::{DecodeError, Message};
use prost_types::Any;

/// A message with a type URL, by which it is recognised inside an [`Any`].
pub trait TypeUrl: Message + Default {
    /// The full protobuf name, such as `temporal.api.update.v1.Request`.
    const NAME: &'static str;
    /// The URL that [`pack`] writes: `type.googleapis.com/` and the name.
    const URL: &'static str;
}

macro_rules! type_urls {
    ($($message:ty: $name:literal,)*) => {$(
        impl TypeUrl for $message {
            const NAME: &'static str = $name;
            const URL: &'static str = concat!("type.googleapis.com/", $name);
        }
    )*};
}

type_urls! {
    update::Request: "temporal.api.update.v1.Request",
    update::Response: "temporal.api.update.v1.Response",
    update::Acceptance: "temporal.api.update.v1.Acceptance",
    update::Rejection: "temporal.api.update.v1.Rejection",
    // The message of the same shape in Temporal's own package: it stands in for Google's.
    GrpcStatus: "google.rpc.Status",
    errordetails::ActivityExecutionAlreadyStartedFailure:
        "temporal.api.errordetails.v1.ActivityExecutionAlreadyStartedFailure",
    errordetails::CancellationAlreadyRequestedFailure:
        "temporal.api.errordetails.v1.CancellationAlreadyRequestedFailure",
    errordetails::ClientVersionNotSupportedFailure: "temporal.api.errordetails.v1.ClientVersionNotSupportedFailure",
    errordetails::MultiOperationExecutionFailure: "temporal.api.errordetails.v1.MultiOperationExecutionFailure",
    multi_operation_execution_failure::OperationStatus:
        "temporal.api.errordetails.v1.MultiOperationExecutionFailure.OperationStatus",
    errordetails::NamespaceAlreadyExistsFailure: "temporal.api.errordetails.v1.NamespaceAlreadyExistsFailure",
    errordetails::NamespaceInvalidStateFailure: "temporal.api.errordetails.v1.NamespaceInvalidStateFailure",
    errordetails::NamespaceNotActiveFailure: "temporal.api.errordetails.v1.NamespaceNotActiveFailure",
    errordetails::NamespaceNotFoundFailure: "temporal.api.errordetails.v1.NamespaceNotFoundFailure",
    errordetails::NamespaceUnavailableFailure: "temporal.api.errordetails.v1.NamespaceUnavailableFailure",
    errordetails::NewerBuildExistsFailure: "temporal.api.errordetails.v1.NewerBuildExistsFailure",
    errordetails::NexusOperationExecutionAlreadyStartedFailure:
        "temporal.api.errordetails.v1.NexusOperationExecutionAlreadyStartedFailure",
    errordetails::NotFoundFailure: "temporal.api.errordetails.v1.NotFoundFailure",
    errordetails::PermissionDeniedFailure: "temporal.api.errordetails.v1.PermissionDeniedFailure",
    errordetails::QueryFailedFailure: "temporal.api.errordetails.v1.QueryFailedFailure",
    errordetails::ResourceExhaustedFailure: "temporal.api.errordetails.v1.ResourceExhaustedFailure",
    errordetails::ServerVersionNotSupportedFailure: "temporal.api.errordetails.v1.ServerVersionNotSupportedFailure",
    errordetails::SystemWorkflowFailure: "temporal.api.errordetails.v1.SystemWorkflowFailure",
    errordetails::WorkflowExecutionAlreadyStartedFailure:
        "temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure",
    errordetails::WorkflowNotReadyFailure: "temporal.api.errordetails.v1.WorkflowNotReadyFailure",
    errordetails::WorkflowTaskCompletionBufferLostFailure:
        "temporal.api.errordetails.v1.WorkflowTaskCompletionBufferLostFailure",
}

/// An [`Any`] holding `message`.
pub fn pack<M: TypeUrl>(message: &M) -> Any {
    Any {
        type_url: M::URL.to_string(),
        value: message.encode_to_vec(),
    }
}

/// Whether `any` says that it holds an `M`, whatever stands before the last slash of its type URL.
pub fn is<M: TypeUrl>(any: &Any) -> bool {
    type_name(any) == M::NAME
}

/// The full protobuf name of the message in `any`: what follows the last slash of its type URL.
pub fn type_name(any: &Any) -> &str {
    any.type_url
        .rsplit_once('/')
        .map_or(any.type_url.as_str(), |(_, name)| name)
}

/// The `M` that `any` holds.
///
/// # Errors
/// [`UnpackError::OtherType`] when it holds another message, [`UnpackError::Decode`] when the bytes are not one.
pub fn unpack<M: TypeUrl>(any: &Any) -> Result<M, UnpackError> {
    if !is::<M>(any) {
        return Err(UnpackError::OtherType {
            expected: M::NAME,
            found: type_name(any).to_string(),
        });
    }
    M::decode(any.value.as_slice()).map_err(|source| UnpackError::Decode { name: M::NAME, source })
}

/// Why an [`Any`] was not unpacked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum UnpackError {
    /// It holds a message of another type.
    OtherType {
        /// The name of the type asked for.
        expected: &'static str,
        /// The name of the type that is there.
        found: String,
    },
    /// The bytes are not a message of the type they claim to be.
    Decode {
        /// The name of the type.
        name: &'static str,
        /// What is wrong with the bytes.
        source: DecodeError,
    },
}

impl fmt::Display for UnpackError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherType { expected, found } => {
                write!(
                    formatter,
                    "expected a packed {expected}, found {found:?}: unpack that type instead"
                )
            }
            Self::Decode { name, source } => write!(formatter, "the packed {name} is damaged: {source}"),
        }
    }
}

impl core::error::Error for UnpackError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::OtherType { .. } => None,
            Self::Decode { source, .. } => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{UnpackError, is, pack, unpack};
    use crate::api::errordetails::v1::QueryFailedFailure;
    use crate::api::update::v1::{Rejection, Request};
    use alloc::string::ToString as _;

    #[test]
    fn recognises_the_type_whatever_the_host() {
        let mut any = pack(&Request::default());
        any.type_url = "https://example.com/types/temporal.api.update.v1.Request".into();
        assert!(is::<Request>(&any));
        assert!(!is::<Rejection>(&any));
        assert_eq!(unpack::<Request>(&any), Ok(Request::default()));
    }

    #[test]
    fn names_the_type_that_is_there() {
        let error = unpack::<QueryFailedFailure>(&pack(&Request::default())).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("expected a packed temporal.api.errordetails.v1.QueryFailedFailure"),
            "{text}"
        );
        assert!(text.contains("temporal.api.update.v1.Request"), "{text}");
    }

    #[test]
    fn reports_damaged_bytes() {
        let mut any = pack(&Request::default());
        any.value = [0xff].into();
        assert!(matches!(unpack::<Request>(&any), Err(UnpackError::Decode { .. })));
    }
}
