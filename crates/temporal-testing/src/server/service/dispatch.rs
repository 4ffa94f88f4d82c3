//! Finds the RPC of a path, and turns messages into requests and answers into responses.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use temporal_protos::prost::Message;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::body::Delivery;
use super::driver::{Call, Driver};
use super::health;
use super::status::{to_tonic, unimplemented};
use crate::server::engine::rpc::{self, Rpc};
use crate::server::engine::{Code, Status};

/// The largest request message, as on the real server.
pub(super) const MAX_REQUEST_BYTES: usize = 4 << 20;

/// How long past its deadline a call may stay with the engine before it is given up without an answer.
const GRACE: Duration = Duration::from_millis(100);

pub(super) type Reply = Pin<Box<dyn Future<Output = http::Response<Body>> + Send>>;

type Handler = fn(Driver, http::Request<hyper::body::Incoming>) -> Reply;

/// All services of the server.
#[derive(Clone)]
pub(in crate::server) struct Services {
    driver: Driver,
}

macro_rules! paths {
    ($($service:literal: [$($name:ident)*])*) => {
        /// The RPCs that are served, by path.
        static SERVED: LazyLock<HashMap<String, Handler>> = LazyLock::new(|| {
            HashMap::from([$($((
                format!("/{}/{}", $service, <rpc::$name as Rpc>::NAME),
                serve_rpc::<rpc::$name> as Handler,
            ),)*)*])
        });
    };
}

paths! {
    "temporal.api.workflowservice.v1.WorkflowService": [
        RegisterNamespace DescribeNamespace ListNamespaces UpdateNamespace DeprecateNamespace
        GetSystemInfo GetClusterInfo GetSearchAttributes
        StartWorkflowExecution ExecuteMultiOperation SignalWorkflowExecution SignalWithStartWorkflowExecution
        RequestCancelWorkflowExecution TerminateWorkflowExecution ResetWorkflowExecution DeleteWorkflowExecution
        QueryWorkflow UpdateWorkflowExecution PollWorkflowExecutionUpdate
        DescribeWorkflowExecution GetWorkflowExecutionHistory GetWorkflowExecutionHistoryReverse
        ListWorkflowExecutions ListOpenWorkflowExecutions ListClosedWorkflowExecutions ScanWorkflowExecutions
        CountWorkflowExecutions
        PollWorkflowTaskQueue RespondWorkflowTaskCompleted RespondWorkflowTaskFailed RespondQueryTaskCompleted
        PollActivityTaskQueue RecordActivityTaskHeartbeat RecordActivityTaskHeartbeatById
        RespondActivityTaskCompleted RespondActivityTaskCompletedById RespondActivityTaskFailed
        RespondActivityTaskFailedById RespondActivityTaskCanceled RespondActivityTaskCanceledById
        PauseActivity UnpauseActivity ResetActivity UpdateActivityOptions
        ResetStickyTaskQueue ShutdownWorker RecordWorkerHeartbeat DescribeTaskQueue
    ]
    "temporal.api.operatorservice.v1.OperatorService": [
        AddSearchAttributes RemoveSearchAttributes ListSearchAttributes DeleteNamespace
    ]
    "temporal.api.testservice.v1.TestService": [
        LockTimeSkipping UnlockTimeSkipping Sleep SleepUntil UnlockTimeSkippingWithSleep GetCurrentTime
    ]
}

impl Services {
    pub(in crate::server) fn new(driver: Driver) -> Self {
        Services { driver }
    }

    /// Answers one HTTP request.
    pub(super) fn call(&self, request: http::Request<hyper::body::Incoming>) -> Reply {
        let path = request.uri().path();
        if let Some(handler) = SERVED.get(path) {
            return handler(self.driver.clone(), request);
        }
        match path.trim_start_matches('/').split_once('/') {
            Some((health::SERVICE, "Check")) => health::check(request),
            Some((health::SERVICE, "Watch")) => health::watch(request),
            Some((service, method)) => ready(unimplemented(service, method).into_http()),
            None => ready(tonic::Status::unimplemented(format!("malformed method name: {path:?}")).into_http()),
        }
    }
}

fn ready(response: http::Response<Body>) -> Reply {
    Box::pin(std::future::ready(response))
}

/// The codec and limits all RPCs share.
pub(super) fn grpc<Request, Response>() -> Grpc<ProstCodec<Response, Request>>
where
    Request: Message + Default + Send + 'static,
    Response: Message + Send + 'static,
{
    Grpc::new(ProstCodec::default())
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(usize::MAX)
}

fn serve_rpc<R>(driver: Driver, request: http::Request<hyper::body::Incoming>) -> Reply
where
    R: Rpc,
    R::Request: Message + Default,
    R::Response: Message,
{
    Box::pin(async move {
        let timeout = grpc_timeout(request.headers());
        let finished = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&finished);
        let service = service_fn(move |request: tonic::Request<R::Request>| {
            let mut call = driver.call(R::request(request.into_inner()), timeout);
            let slot = Arc::clone(&slot);
            async move {
                let answer = wait(&mut call, timeout).await;
                *slot.lock() = Some(call);
                let response = answer.map_err(to_tonic)?;
                match R::response(response) {
                    Some(message) => Ok(tonic::Response::new(message)),
                    None => Err(tonic::Status::internal(format!(
                        "{} got the answer of another call",
                        R::NAME
                    ))),
                }
            }
        });
        let response = grpc::<R::Request, R::Response>().unary(service, request).await;
        let call = finished.lock().take();
        match call {
            Some(call) => response.map(|body| Body::new(Delivery::new(body, call))),
            // The request could not even be read.
            None => too_large(response),
        }
    })
}

/// Waits for the answer, not much longer than the caller does.
async fn wait(call: &mut Call, timeout: Option<Duration>) -> Result<crate::server::engine::Response, Status> {
    let Some(timeout) = timeout else {
        return call.answer().await;
    };
    match tokio::time::timeout(timeout.saturating_add(GRACE), call.answer()).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::new(Code::DeadlineExceeded, "context deadline exceeded")),
    }
}

/// A message above the limit is RESOURCE_EXHAUSTED on the real server, tonic calls it out of range.
pub(super) fn too_large(response: http::Response<Body>) -> http::Response<Body> {
    match tonic::Status::from_header_map(response.headers()) {
        Some(status) if status.code() == tonic::Code::OutOfRange => {
            tonic::Status::resource_exhausted(format!("grpc: received message larger than max {MAX_REQUEST_BYTES}"))
                .into_http()
        }
        Some(_) | None => response,
    }
}

/// The `grpc-timeout` header: up to eight digits and a unit.
fn grpc_timeout(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_in_every_unit() {
        let read = |text: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            grpc_timeout(&headers)
        };
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("70S"), Some(Duration::from_secs(70)));
        assert_eq!(read("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(read("5u"), Some(Duration::from_micros(5)));
        for wrong in ["", "1", "S", "123456789S", "-1S", "1s", "é"] {
            let mut headers = http::HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_bytes(wrong.as_bytes()).unwrap());
            assert_eq!(grpc_timeout(&headers), None, "{wrong}");
        }
    }
}
