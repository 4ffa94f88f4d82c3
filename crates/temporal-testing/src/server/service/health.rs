//! `grpc.health.v1.Health`: whoever can ask is served.

use futures_util::{StreamExt, stream};
use temporal_protos::health::v1::health_check_response::ServingStatus;
use temporal_protos::health::v1::{HealthCheckRequest, HealthCheckResponse};
use tower::service_fn;

use super::dispatch::{Reply, grpc, too_large};
use super::driver::Driver;

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

pub(super) fn check(driver: &Driver, request: http::Request<hyper::body::Incoming>) -> Reply {
    let max = driver.message_bytes();
    let service = service_fn(|request: tonic::Request<HealthCheckRequest>| async move {
        match status_of(&request.get_ref().service) {
            Some(status) => Ok(tonic::Response::new(status)),
            None => Err(tonic::Status::not_found("unknown service")),
        }
    });
    Box::pin(async move { too_large(grpc(max).unary(service, request).await, max) })
}

/// Sends the status at once and, as its last word, that the server shuts down.
pub(super) fn watch(driver: &Driver, request: http::Request<hyper::body::Incoming>) -> Reply {
    let max = driver.message_bytes();
    let driver = driver.clone();
    let service = service_fn(move |request: tonic::Request<HealthCheckRequest>| {
        let closed = driver.closed();
        async move {
            let unknown = HealthCheckResponse {
                status: ServingStatus::ServiceUnknown as i32,
            };
            let status = status_of(&request.get_ref().service).unwrap_or(unknown);
            let last = HealthCheckResponse {
                status: ServingStatus::NotServing as i32,
            };
            let end = async move {
                closed.await;
                Ok(last)
            };
            Ok::<_, tonic::Status>(tonic::Response::new(
                stream::once(async move { Ok(status) }).chain(stream::once(end)),
            ))
        }
    });
    Box::pin(async move { too_large(grpc(max).server_streaming(service, request).await, max) })
}
