//! Errors as a gRPC server reports them, without depending on a gRPC library.

use temporal_protos::api::errordetails::v1::NotFoundFailure;
use temporal_protos::prost::Message;
use temporal_protos::prost_types::Any;

/// The gRPC status codes, with their numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Code {
    /// The caller went away or gave up.
    Cancelled = 1,
    /// An error without a better code.
    Unknown = 2,
    /// The request can never succeed as it is.
    InvalidArgument = 3,
    /// The caller's deadline passed first.
    DeadlineExceeded = 4,
    /// What the request names does not exist.
    NotFound = 5,
    /// What the request would create exists.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// A limit was reached.
    ResourceExhausted = 8,
    /// The state does not allow the request.
    FailedPrecondition = 9,
    /// The operation was given up, often because of another one.
    Aborted = 10,
    /// A position past the end.
    OutOfRange = 11,
    /// The server does not serve this.
    Unimplemented = 12,
    /// The server is at fault.
    Internal = 13,
    /// The server cannot answer now; try again.
    Unavailable = 14,
    /// Data was lost.
    DataLoss = 15,
    /// The caller did not say who it is.
    Unauthenticated = 16,
}

/// An error answer: code, message and typed details (`google.rpc.Status` on the wire).
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The gRPC status code.
    pub code: Code,
    /// What went wrong, as the real server words it.
    pub message: String,
    /// Messages of `temporal.api.errordetails.v1`.
    pub details: Vec<Any>,
}

impl Status {
    /// A status without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Status {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// The same status with one more detail; `name` is the message's full protobuf name.
    pub(crate) fn with_detail(mut self, name: &str, detail: &impl Message) -> Self {
        self.details.push(Any {
            type_url: format!("type.googleapis.com/{name}"),
            value: detail.encode_to_vec(),
        });
        self
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Status::new(Code::InvalidArgument, message)
    }

    /// Not found, with the detail that the real server attaches.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        let detail = NotFoundFailure::default();
        Status::new(Code::NotFound, message).with_detail("temporal.api.errordetails.v1.NotFoundFailure", &detail)
    }

    pub(crate) fn unimplemented(message: impl Into<String>) -> Self {
        Status::new(Code::Unimplemented, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_an_any_of_the_named_message() {
        let status = Status::new(Code::NotFound, "gone").with_detail(
            "temporal.api.errordetails.v1.NotFoundFailure",
            &NotFoundFailure::default(),
        );
        assert_eq!(
            status.details[0].type_url,
            "type.googleapis.com/temporal.api.errordetails.v1.NotFoundFailure"
        );
        assert_eq!(Code::Unimplemented as u8, 12);
    }
}
