//! What stands between the client's methods and the server: interceptors, then the codec.

use crate::client::Client;
use crate::connection::{CallOptions, Rpc, RpcError};
use crate::data::CodecError;
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use temporal_protos::api::workflowservice::v1::*;
use temporal_protos::payloads::VisitPayloads;

/// A call of the client's that failed, before it becomes the error of its operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The codec failed.
    #[error("the payload codec failed: {0}")]
    Codec(#[from] CodecError),
    /// The server refused it, or could not be reached.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

/// What an interceptor gets for a request.
pub type Intercepted<'a, R> = BoxFuture<'a, Result<<R as Rpc>::Response, CallError>>;

/// A request of the client's that interceptors see.
pub trait ClientRequest: Rpc + VisitPayloads {
    #[doc(hidden)]
    fn intercept<'a>(self, interceptor: &'a dyn ClientInterceptor, next: Next<'a>) -> Intercepted<'a, Self>;

    #[doc(hidden)]
    fn send<'a>(self, client: &'a Client, options: &'a CallOptions) -> Intercepted<'a, Self>;
}

/// What is inside of an interceptor: the other interceptors, then the codec and the server.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    rest: &'a [Arc<dyn ClientInterceptor>],
    client: &'a Client,
    options: &'a CallOptions,
}

impl<'a> Next<'a> {
    /// Goes on with the request.
    pub fn run<R: ClientRequest>(self, request: R) -> Intercepted<'a, R> {
        match self.rest.split_first() {
            Some((first, rest)) => request.intercept(&**first, Self { rest, ..self }),
            None => request.send(self.client, self.options),
        }
    }

    /// The client that makes the call.
    #[must_use]
    pub fn client(&self) -> &'a Client {
        self.client
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Next")
            .field("interceptors", &self.rest.len())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Takes a request through the interceptors and the codec to the server, and the answer back.
    pub(crate) async fn invoke<R: ClientRequest>(
        &self,
        request: R,
        options: CallOptions,
    ) -> Result<R::Response, CallError> {
        let next = Next {
            rest: self.options().interceptors(),
            client: self,
            options: &options,
        };
        next.run(request).await
    }
}

async fn send<R>(mut request: R, client: &Client, options: &CallOptions) -> Result<R::Response, CallError>
where
    R: Rpc + VisitPayloads,
    R::Response: VisitPayloads,
{
    let converter = client.data_converter();
    converter.encode_message(&mut request).await?;
    let call = client
        .connection()
        .call(request, Some(client.namespace()), options.clone());
    let mut response = call.await?;
    converter.decode_message(&mut response).await?;
    Ok(response)
}

macro_rules! operations {
    ($($(#[$doc:meta])* $method:ident($request:ident) $(by $send:path)?;)*) => {
        /// Sees the requests that the client's methods make, and their answers.
        ///
        /// Each method gets the request's message, payloads converted but not yet through the codec, and goes on with
        /// `next.run(request)`, which is all it does unless written otherwise. Context is passed on to workflows and
        /// their handlers by the message's header. Interceptors of
        /// [`ClientOptions::interceptor`](crate::ClientOptions::interceptor) are called in the order in which they were
        /// added, the first outermost.
        ///
        /// ```
        /// use temporal_client::interceptor::{ClientInterceptor, Intercepted, Next};
        /// use temporal_client::protos::api::workflowservice::v1::StartWorkflowExecutionRequest;
        ///
        /// /// Starts every workflow with a prefix in its id.
        /// struct Prefix(&'static str);
        ///
        /// impl ClientInterceptor for Prefix {
        ///     fn start_workflow<'a>(
        ///         &'a self,
        ///         mut request: StartWorkflowExecutionRequest,
        ///         next: Next<'a>,
        ///     ) -> Intercepted<'a, StartWorkflowExecutionRequest> {
        ///         request.workflow_id.insert_str(0, self.0);
        ///         next.run(request)
        ///     }
        /// }
        /// ```
        pub trait ClientInterceptor: Send + Sync + 'static {
            $($(#[$doc])*
            fn $method<'a>(&'a self, request: $request, next: Next<'a>) -> Intercepted<'a, $request> {
                next.run(request)
            })*
        }

        $(impl ClientRequest for $request {
            fn intercept<'a>(self, interceptor: &'a dyn ClientInterceptor, next: Next<'a>) -> Intercepted<'a, Self> {
                interceptor.$method(self, next)
            }

            fn send<'a>(self, client: &'a Client, options: &'a CallOptions) -> Intercepted<'a, Self> {
                operations!(@send self, client, options $(, $send)?)
            }
        })*
    };
    (@send $request:expr, $client:expr, $options:expr) => {
        Box::pin(send($request, $client, $options))
    };
    (@send $request:expr, $client:expr, $options:expr, $send:path) => {
        Box::pin($send($request, $client, $options))
    };
}

operations! {
    /// A start.
    start_workflow(StartWorkflowExecutionRequest) by crate::workflow::send_start;
    /// A signal with start.
    signal_with_start(SignalWithStartWorkflowExecutionRequest);
    /// An update with start: both requests are in it.
    update_with_start(ExecuteMultiOperationRequest);
    /// A signal.
    signal_workflow(SignalWorkflowExecutionRequest);
    /// A query.
    query_workflow(QueryWorkflowRequest);
    /// The start of an update.
    start_update(UpdateWorkflowExecutionRequest);
    /// Asking for the outcome of an update; made again until there is one.
    poll_update(PollWorkflowExecutionUpdateRequest);
    /// Asking for the end of a workflow; made again until there is one.
    poll_result(GetWorkflowExecutionHistoryRequest);
    /// A request to cancel.
    cancel_workflow(RequestCancelWorkflowExecutionRequest);
    /// A termination.
    terminate_workflow(TerminateWorkflowExecutionRequest);
    /// A description.
    describe_workflow(DescribeWorkflowExecutionRequest);
    /// A page of a list.
    list_workflows(ListWorkflowExecutionsRequest);
    /// A count.
    count_workflows(CountWorkflowExecutionsRequest);
    /// The completion of an activity by its task token.
    complete_activity(RespondActivityTaskCompletedRequest);
    /// The completion of an activity by its ids.
    complete_activity_by_id(RespondActivityTaskCompletedByIdRequest);
    /// The failure of an activity by its task token.
    fail_activity(RespondActivityTaskFailedRequest);
    /// The failure of an activity by its ids.
    fail_activity_by_id(RespondActivityTaskFailedByIdRequest);
    /// The report of an activity's cancellation by its task token.
    report_activity_cancelled(RespondActivityTaskCanceledRequest);
    /// The report of an activity's cancellation by its ids.
    report_activity_cancelled_by_id(RespondActivityTaskCanceledByIdRequest);
    /// The heartbeat of an activity by its task token.
    heartbeat_activity(RecordActivityTaskHeartbeatRequest);
    /// The heartbeat of an activity by its ids.
    heartbeat_activity_by_id(RecordActivityTaskHeartbeatByIdRequest);
}
