//! Finds the RPC of a path, and turns messages into requests and answers into responses.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use temporal_protos::api::enums::v1::HistoryEventFilterType;
use temporal_protos::prost::Message;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::body::Delivery;
use super::driver::{Answer, Call, Driver};
use super::health;
use super::status::{to_tonic, unimplemented};
use crate::server::engine::rpc::{self, Rpc};
use crate::server::engine::{Request, Response, show_next_run};

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
        PollNexusTaskQueue RespondNexusTaskCompleted RespondNexusTaskFailed
        PauseActivity UnpauseActivity ResetActivity UpdateActivityOptions
        ResetStickyTaskQueue ShutdownWorker DescribeTaskQueue
    ]
    "temporal.api.operatorservice.v1.OperatorService": [
        AddSearchAttributes RemoveSearchAttributes ListSearchAttributes DeleteNamespace
        CreateNexusEndpoint UpdateNexusEndpoint DeleteNexusEndpoint GetNexusEndpoint ListNexusEndpoints
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
            Some((health::SERVICE, "Check")) => health::check(&self.driver, request),
            Some((health::SERVICE, "Watch")) => health::watch(&self.driver, request),
            Some((service, method)) => ready(unimplemented(service, method).into_http()),
            None => ready(tonic::Status::unimplemented(format!("malformed method name: {path:?}")).into_http()),
        }
    }
}

fn ready(response: http::Response<Body>) -> Reply {
    Box::pin(std::future::ready(response))
}

/// The codec and limits all RPCs share.
pub(super) fn grpc<Request, Response>(max_request: usize) -> Grpc<ProstCodec<Response, Request>>
where
    Request: Message + Default + Send + 'static,
    Response: Message + Send + 'static,
{
    Grpc::new(ProstCodec::default())
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(max_request)
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
        let follows_next_run = follows_next_run(request.headers());
        let max_request = driver.message_bytes();
        let finished = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&finished);
        let service = service_fn(move |request: tonic::Request<R::Request>| {
            let request = R::request(request.into_inner());
            let old_words = !follows_next_run && wants_closing_events(&request);
            let mut call = driver.call(request, timeout);
            let slot = Arc::clone(&slot);
            async move {
                let Some(answer) = wait(&mut call, timeout).await else {
                    // Dropped undelivered: the engine forgets the call, and takes back a task that it may just have sent.
                    drop(call);
                    return Err(tonic::Status::deadline_exceeded("context deadline exceeded"));
                };
                *slot.lock() = Some(call);
                let mut response = answer.map_err(to_tonic)?;
                if let Response::GetWorkflowExecutionHistory(history) = &mut response
                    && old_words
                {
                    show_next_run(history);
                }
                match R::response(response) {
                    Some(message) => Ok(tonic::Response::new(message)),
                    None => Err(tonic::Status::internal(format!(
                        "{} got the answer of another call",
                        R::NAME
                    ))),
                }
            }
        });
        let response = grpc::<R::Request, R::Response>(max_request)
            .unary(service, request)
            .await;
        let call = finished.lock().take();
        match call {
            Some(call) => response.map(|body| Body::new(Delivery::new(body, call))),
            // The request could not even be read, or its answer did not come in time.
            None => too_large(response, max_request),
        }
    })
}

/// Waits for the answer, not much longer than the caller does; `None` when that was too long.
async fn wait(call: &mut Call, timeout: Option<Duration>) -> Option<Answer> {
    match timeout {
        Some(timeout) => tokio::time::timeout(timeout.saturating_add(GRACE), call.answer())
            .await
            .ok(),
        None => Some(call.answer().await),
    }
}

/// A message above the limit is RESOURCE_EXHAUSTED on the real server, tonic calls it out of range.
pub(super) fn too_large(response: http::Response<Body>, max_request: usize) -> http::Response<Body> {
    match tonic::Status::from_header_map(response.headers()) {
        Some(status) if status.code() == tonic::Code::OutOfRange => {
            tonic::Status::resource_exhausted(format!("grpc: received message larger than max {max_request}"))
                .into_http()
        }
        Some(_) | None => response,
    }
}

/// Whether the caller says that it can follow a run to the next by any closing event.
fn follows_next_run(headers: &http::HeaderMap) -> bool {
    let values = headers.get_all("supported-features").into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|feature| feature.trim() == "follows-next-run-id")
}

fn wants_closing_events(request: &Request) -> bool {
    matches!(request, Request::GetWorkflowExecutionHistory(it)
        if it.history_event_filter_type() == HistoryEventFilterType::CloseEvent)
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
