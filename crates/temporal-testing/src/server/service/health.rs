//! `grpc.health.v1.Health`: whoever can ask is served.

use futures_util::{StreamExt, stream};
use temporal_protos::health::v1::health_check_response::ServingStatus;
use temporal_protos::health::v1::{HealthCheckRequest, HealthCheckResponse};
use tower::service_fn;

use super::dispatch::{Reply, grpc, too_large};

pub(super) const SERVICE: &str = "grpc.health.v1.Health";

const KNOWN: &[&str] = &[
    "",
    "temporal.api.workflowservice.v1.WorkflowService",
    "temporal.api.operatorservice.v1.OperatorService",
    "temporal.api.testservice.v1.TestService",
    SERVICE,
];

fn status_of(service: &str) -> Option<HealthCheckResponse> {
    KNOWN.contains(&service).then_some(HealthCheckResponse {
        status: ServingStatus::Serving as i32,
    })
}

pub(super) fn check(request: http::Request<hyper::body::Incoming>) -> Reply {
    let service = service_fn(|request: tonic::Request<HealthCheckRequest>| async move {
        match status_of(&request.get_ref().service) {
            Some(status) => Ok(tonic::Response::new(status)),
            None => Err(tonic::Status::not_found("unknown service")),
        }
    });
    Box::pin(async move { too_large(grpc().unary(service, request).await) })
}

/// Sends the status once; it does not change while the server lives.
pub(super) fn watch(request: http::Request<hyper::body::Incoming>) -> Reply {
    let service = service_fn(|request: tonic::Request<HealthCheckRequest>| async move {
        let unknown = HealthCheckResponse {
            status: ServingStatus::ServiceUnknown as i32,
        };
        let status = status_of(&request.get_ref().service).unwrap_or(unknown);
        Ok::<_, tonic::Status>(tonic::Response::new(
            stream::once(async move { Ok(status) }).chain(stream::pending()),
        ))
    });
    Box::pin(async move { too_large(grpc().server_streaming(service, request).await) })
}
