//! The calls the engine serves: one list makes the request and response enums and a marker type per RPC.

use temporal_protos::api::operatorservice::v1 as op;
use temporal_protos::api::testservice::v1 as test;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::{DecodeError, Message};

/// Names one RPC the engine serves and ties its messages to [`Request`] and [`Response`].
///
/// A gRPC service maps mechanically: the RPC `StartWorkflowExecution` is `rpc::StartWorkflowExecution`.
pub trait Rpc {
    /// The request message.
    type Request: Send + 'static;
    /// The response message.
    type Response: Send + 'static;
    /// The RPC's name, `StartWorkflowExecution`.
    const NAME: &'static str;

    /// Wraps the request message for [`Engine::handle`](super::Engine::handle).
    fn request(message: Self::Request) -> Request;

    /// The response message out of an answer; `None` when the answer belongs to another RPC.
    fn response(answer: Response) -> Option<Self::Response>;
}

macro_rules! rpcs {
    ($($name:ident ( $request:ty ) -> $response:ty ;)*) => {
        /// A request to the engine, one variant an RPC.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "requests are moved a few times and never stored in bulk")]
        pub enum Request {
            $(#[doc = concat!("The request of `", stringify!($name), "`.")] $name($request),)*
        }

        /// An answer of the engine, one variant an RPC.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "answers are moved a few times and never stored in bulk")]
        pub enum Response {
            $(#[doc = concat!("The response of `", stringify!($name), "`.")] $name($response),)*
        }

        impl Request {
            /// The name of the RPC this is the request of.
            pub fn rpc_name(&self) -> &'static str {
                match self { $(Request::$name(_) => stringify!($name),)* }
            }

            /// The names of all RPCs the engine serves.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The request of the RPC `name` out of its bytes on the wire; `None` when there is no such RPC.
            ///
            /// # Errors
            /// When the bytes are no message of this RPC.
            pub fn decode(name: &str, bytes: &[u8]) -> Option<Result<Request, DecodeError>> {
                match name {
                    $(stringify!($name) => Some(<$request as Message>::decode(bytes).map(Request::$name)),)*
                    _ => None,
                }
            }
        }

        $(
            #[doc = concat!("The RPC `", stringify!($name), "`.")]
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl Rpc for $name {
                type Request = $request;
                type Response = $response;
                const NAME: &'static str = stringify!($name);

                fn request(message: $request) -> Request {
                    Request::$name(message)
                }

                fn response(answer: Response) -> Option<$response> {
                    #[allow(irrefutable_let_patterns, reason = "for a list of one")]
                    if let Response::$name(message) = answer { Some(message) } else { None }
                }
            }
        )*
    };
}

rpcs! {
    // Namespaces and the system.
    RegisterNamespace(wf::RegisterNamespaceRequest) -> wf::RegisterNamespaceResponse;
    DescribeNamespace(wf::DescribeNamespaceRequest) -> wf::DescribeNamespaceResponse;
    ListNamespaces(wf::ListNamespacesRequest) -> wf::ListNamespacesResponse;
    UpdateNamespace(wf::UpdateNamespaceRequest) -> wf::UpdateNamespaceResponse;
    DeprecateNamespace(wf::DeprecateNamespaceRequest) -> wf::DeprecateNamespaceResponse;
    GetSystemInfo(wf::GetSystemInfoRequest) -> wf::GetSystemInfoResponse;
    GetClusterInfo(wf::GetClusterInfoRequest) -> wf::GetClusterInfoResponse;
    GetSearchAttributes(wf::GetSearchAttributesRequest) -> wf::GetSearchAttributesResponse;
    AddSearchAttributes(op::AddSearchAttributesRequest) -> op::AddSearchAttributesResponse;
    RemoveSearchAttributes(op::RemoveSearchAttributesRequest) -> op::RemoveSearchAttributesResponse;
    ListSearchAttributes(op::ListSearchAttributesRequest) -> op::ListSearchAttributesResponse;
    DeleteNamespace(op::DeleteNamespaceRequest) -> op::DeleteNamespaceResponse;
    CreateNexusEndpoint(op::CreateNexusEndpointRequest) -> op::CreateNexusEndpointResponse;
    UpdateNexusEndpoint(op::UpdateNexusEndpointRequest) -> op::UpdateNexusEndpointResponse;
    DeleteNexusEndpoint(op::DeleteNexusEndpointRequest) -> op::DeleteNexusEndpointResponse;
    GetNexusEndpoint(op::GetNexusEndpointRequest) -> op::GetNexusEndpointResponse;
    ListNexusEndpoints(op::ListNexusEndpointsRequest) -> op::ListNexusEndpointsResponse;

    // Runs.
    StartWorkflowExecution(wf::StartWorkflowExecutionRequest) -> wf::StartWorkflowExecutionResponse;
    ExecuteMultiOperation(wf::ExecuteMultiOperationRequest) -> wf::ExecuteMultiOperationResponse;
    SignalWorkflowExecution(wf::SignalWorkflowExecutionRequest) -> wf::SignalWorkflowExecutionResponse;
    SignalWithStartWorkflowExecution(wf::SignalWithStartWorkflowExecutionRequest) -> wf::SignalWithStartWorkflowExecutionResponse;
    RequestCancelWorkflowExecution(wf::RequestCancelWorkflowExecutionRequest) -> wf::RequestCancelWorkflowExecutionResponse;
    TerminateWorkflowExecution(wf::TerminateWorkflowExecutionRequest) -> wf::TerminateWorkflowExecutionResponse;
    ResetWorkflowExecution(wf::ResetWorkflowExecutionRequest) -> wf::ResetWorkflowExecutionResponse;
    DeleteWorkflowExecution(wf::DeleteWorkflowExecutionRequest) -> wf::DeleteWorkflowExecutionResponse;
    QueryWorkflow(wf::QueryWorkflowRequest) -> wf::QueryWorkflowResponse;
    UpdateWorkflowExecution(wf::UpdateWorkflowExecutionRequest) -> wf::UpdateWorkflowExecutionResponse;
    PollWorkflowExecutionUpdate(wf::PollWorkflowExecutionUpdateRequest) -> wf::PollWorkflowExecutionUpdateResponse;
    DescribeWorkflowExecution(wf::DescribeWorkflowExecutionRequest) -> wf::DescribeWorkflowExecutionResponse;
    GetWorkflowExecutionHistory(wf::GetWorkflowExecutionHistoryRequest) -> wf::GetWorkflowExecutionHistoryResponse;
    GetWorkflowExecutionHistoryReverse(wf::GetWorkflowExecutionHistoryReverseRequest) -> wf::GetWorkflowExecutionHistoryReverseResponse;
    ListWorkflowExecutions(wf::ListWorkflowExecutionsRequest) -> wf::ListWorkflowExecutionsResponse;
    ListOpenWorkflowExecutions(wf::ListOpenWorkflowExecutionsRequest) -> wf::ListOpenWorkflowExecutionsResponse;
    ListClosedWorkflowExecutions(wf::ListClosedWorkflowExecutionsRequest) -> wf::ListClosedWorkflowExecutionsResponse;
    ScanWorkflowExecutions(wf::ScanWorkflowExecutionsRequest) -> wf::ScanWorkflowExecutionsResponse;
    CountWorkflowExecutions(wf::CountWorkflowExecutionsRequest) -> wf::CountWorkflowExecutionsResponse;

    // Workers.
    PollWorkflowTaskQueue(wf::PollWorkflowTaskQueueRequest) -> wf::PollWorkflowTaskQueueResponse;
    RespondWorkflowTaskCompleted(wf::RespondWorkflowTaskCompletedRequest) -> wf::RespondWorkflowTaskCompletedResponse;
    RespondWorkflowTaskFailed(wf::RespondWorkflowTaskFailedRequest) -> wf::RespondWorkflowTaskFailedResponse;
    RespondQueryTaskCompleted(wf::RespondQueryTaskCompletedRequest) -> wf::RespondQueryTaskCompletedResponse;
    PollActivityTaskQueue(wf::PollActivityTaskQueueRequest) -> wf::PollActivityTaskQueueResponse;
    RecordActivityTaskHeartbeat(wf::RecordActivityTaskHeartbeatRequest) -> wf::RecordActivityTaskHeartbeatResponse;
    RecordActivityTaskHeartbeatById(wf::RecordActivityTaskHeartbeatByIdRequest) -> wf::RecordActivityTaskHeartbeatByIdResponse;
    RespondActivityTaskCompleted(wf::RespondActivityTaskCompletedRequest) -> wf::RespondActivityTaskCompletedResponse;
    RespondActivityTaskCompletedById(wf::RespondActivityTaskCompletedByIdRequest) -> wf::RespondActivityTaskCompletedByIdResponse;
    RespondActivityTaskFailed(wf::RespondActivityTaskFailedRequest) -> wf::RespondActivityTaskFailedResponse;
    RespondActivityTaskFailedById(wf::RespondActivityTaskFailedByIdRequest) -> wf::RespondActivityTaskFailedByIdResponse;
    RespondActivityTaskCanceled(wf::RespondActivityTaskCanceledRequest) -> wf::RespondActivityTaskCanceledResponse;
    RespondActivityTaskCanceledById(wf::RespondActivityTaskCanceledByIdRequest) -> wf::RespondActivityTaskCanceledByIdResponse;
    PollNexusTaskQueue(wf::PollNexusTaskQueueRequest) -> wf::PollNexusTaskQueueResponse;
    RespondNexusTaskCompleted(wf::RespondNexusTaskCompletedRequest) -> wf::RespondNexusTaskCompletedResponse;
    RespondNexusTaskFailed(wf::RespondNexusTaskFailedRequest) -> wf::RespondNexusTaskFailedResponse;
    PauseActivity(wf::PauseActivityRequest) -> wf::PauseActivityResponse;
    UnpauseActivity(wf::UnpauseActivityRequest) -> wf::UnpauseActivityResponse;
    ResetActivity(wf::ResetActivityRequest) -> wf::ResetActivityResponse;
    UpdateActivityOptions(wf::UpdateActivityOptionsRequest) -> wf::UpdateActivityOptionsResponse;
    ResetStickyTaskQueue(wf::ResetStickyTaskQueueRequest) -> wf::ResetStickyTaskQueueResponse;
    ShutdownWorker(wf::ShutdownWorkerRequest) -> wf::ShutdownWorkerResponse;
    DescribeTaskQueue(wf::DescribeTaskQueueRequest) -> wf::DescribeTaskQueueResponse;

    // Time skipping.
    LockTimeSkipping(test::LockTimeSkippingRequest) -> test::LockTimeSkippingResponse;
    UnlockTimeSkipping(test::UnlockTimeSkippingRequest) -> test::UnlockTimeSkippingResponse;
    Sleep(test::SleepRequest) -> test::SleepResponse;
    SleepUntil(test::SleepUntilRequest) -> test::SleepResponse;
    UnlockTimeSkippingWithSleep(test::SleepRequest) -> test::SleepResponse;
    GetCurrentTime(()) -> test::GetCurrentTimeResponse;
}
