//! Statuses on the wire.

use temporal_protos::api::common::v1::GrpcStatus;
use temporal_protos::prost::Message;

use crate::server::engine::{Code, Status};

/// The gRPC status; typed details travel as a `google.rpc.Status` in `grpc-status-details-bin`.
pub(super) fn to_tonic(status: Status) -> tonic::Status {
    let code = tonic::Code::from_i32(i32::from(status.code as u8));
    if status.details.is_empty() {
        return tonic::Status::new(code, status.message);
    }
    let details = GrpcStatus {
        code: i32::from(status.code as u8),
        message: status.message.clone(),
        details: status.details,
    };
    tonic::Status::with_details(code, status.message, details.encode_to_vec().into())
}

/// The answer to what nobody serves.
pub(super) fn unimplemented(service: &str, method: &str) -> tonic::Status {
    tonic::Status::unimplemented(format!("{method} of {service} is not served by the embedded server"))
}

/// The answer to a call that arrives or waits while the server shuts down.
pub(super) fn shutting_down() -> Status {
    Status::new(Code::Unavailable, "the server is shutting down")
}

#[cfg(test)]
mod tests {
    use temporal_protos::any;
    use temporal_protos::api::errordetails::v1::NamespaceNotFoundFailure;

    use super::*;

    #[test]
    fn details_travel_with_code_and_message() {
        let mut status = Status::new(Code::NotFound, "Namespace nons is not found.");
        assert!(to_tonic(status.clone()).details().is_empty());
        status.details.push(any::pack(&NamespaceNotFoundFailure {
            namespace: "nons".into(),
        }));
        let sent = to_tonic(status);
        let read = GrpcStatus::decode(sent.details()).unwrap();
        assert_eq!((read.code, read.message.as_str()), (5, "Namespace nons is not found."));
        let detail: NamespaceNotFoundFailure = any::unpack(&read.details[0]).unwrap();
        assert_eq!(detail.namespace, "nons");
    }
}
