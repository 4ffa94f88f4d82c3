//! Every RPC of the services, by its request message.

use super::rpc::Rpc;

macro_rules! rpcs {
    ($service:literal, $package:ident {
        $($name:ident $request:ident -> $response:ident $(, $prefix:literal [$($path:tt)+])?;)*
    }) => {$(
        impl Rpc for temporal_protos::api::$package::v1::$request {
            type Response = temporal_protos::api::$package::v1::$response;
            const NAME: &'static str = stringify!($name);
            const PATH: &'static str = concat!("/temporal.api.", stringify!($package), ".v1.", $service, "/", stringify!($name));
            $(fn resource_id(&self) -> Option<String> {
                resource_id($prefix, at!(self, $($path)+))
            })?
        }
    )*};
}

/// The string at a path of fields, all but the last messages.
macro_rules! at {
    ($message:expr, $field:ident) => {
        Some($message.$field.as_str())
    };
    ($message:expr, $field:ident . $($rest:tt)+) => {
        $message.$field.as_ref().and_then(|message| at!(message, $($rest)+))
    };
}

fn resource_id(prefix: &str, value: Option<&str>) -> Option<String> {
    value
        .filter(|value| !value.is_empty())
        .map(|value| format!("{prefix}{value}"))
}

rpcs!("WorkflowService", workflowservice {
    RegisterNamespace RegisterNamespaceRequest -> RegisterNamespaceResponse;
    DescribeNamespace DescribeNamespaceRequest -> DescribeNamespaceResponse;
    ListNamespaces ListNamespacesRequest -> ListNamespacesResponse;
    UpdateNamespace UpdateNamespaceRequest -> UpdateNamespaceResponse;
    DeprecateNamespace DeprecateNamespaceRequest -> DeprecateNamespaceResponse;
    StartWorkflowExecution StartWorkflowExecutionRequest -> StartWorkflowExecutionResponse, "workflow:" [workflow_id];
    ExecuteMultiOperation ExecuteMultiOperationRequest -> ExecuteMultiOperationResponse, "" [resource_id];
    GetWorkflowExecutionHistory GetWorkflowExecutionHistoryRequest -> GetWorkflowExecutionHistoryResponse, "workflow:" [execution.workflow_id];
    GetWorkflowExecutionHistoryReverse GetWorkflowExecutionHistoryReverseRequest -> GetWorkflowExecutionHistoryReverseResponse, "workflow:" [execution.workflow_id];
    PollWorkflowTaskQueue PollWorkflowTaskQueueRequest -> PollWorkflowTaskQueueResponse, "poller:" [poller_group_id];
    RespondWorkflowTaskCompleted RespondWorkflowTaskCompletedRequest -> RespondWorkflowTaskCompletedResponse, "" [resource_id];
    RespondWorkflowTaskFailed RespondWorkflowTaskFailedRequest -> RespondWorkflowTaskFailedResponse, "" [resource_id];
    PollActivityTaskQueue PollActivityTaskQueueRequest -> PollActivityTaskQueueResponse, "poller:" [poller_group_id];
    RecordActivityTaskHeartbeat RecordActivityTaskHeartbeatRequest -> RecordActivityTaskHeartbeatResponse, "" [resource_id];
    RecordActivityTaskHeartbeatById RecordActivityTaskHeartbeatByIdRequest -> RecordActivityTaskHeartbeatByIdResponse, "" [resource_id];
    RespondActivityTaskCompleted RespondActivityTaskCompletedRequest -> RespondActivityTaskCompletedResponse, "" [resource_id];
    RespondActivityTaskCompletedById RespondActivityTaskCompletedByIdRequest -> RespondActivityTaskCompletedByIdResponse, "" [resource_id];
    RespondActivityTaskFailed RespondActivityTaskFailedRequest -> RespondActivityTaskFailedResponse, "" [resource_id];
    RespondActivityTaskFailedById RespondActivityTaskFailedByIdRequest -> RespondActivityTaskFailedByIdResponse, "" [resource_id];
    RespondActivityTaskCanceled RespondActivityTaskCanceledRequest -> RespondActivityTaskCanceledResponse, "" [resource_id];
    RespondActivityTaskCanceledById RespondActivityTaskCanceledByIdRequest -> RespondActivityTaskCanceledByIdResponse, "" [resource_id];
    RequestCancelWorkflowExecution RequestCancelWorkflowExecutionRequest -> RequestCancelWorkflowExecutionResponse, "workflow:" [workflow_execution.workflow_id];
    SignalWorkflowExecution SignalWorkflowExecutionRequest -> SignalWorkflowExecutionResponse, "workflow:" [workflow_execution.workflow_id];
    SignalWithStartWorkflowExecution SignalWithStartWorkflowExecutionRequest -> SignalWithStartWorkflowExecutionResponse, "workflow:" [workflow_id];
    ResetWorkflowExecution ResetWorkflowExecutionRequest -> ResetWorkflowExecutionResponse, "workflow:" [workflow_execution.workflow_id];
    TerminateWorkflowExecution TerminateWorkflowExecutionRequest -> TerminateWorkflowExecutionResponse, "workflow:" [workflow_execution.workflow_id];
    DeleteWorkflowExecution DeleteWorkflowExecutionRequest -> DeleteWorkflowExecutionResponse, "workflow:" [workflow_execution.workflow_id];
    ListOpenWorkflowExecutions ListOpenWorkflowExecutionsRequest -> ListOpenWorkflowExecutionsResponse;
    ListClosedWorkflowExecutions ListClosedWorkflowExecutionsRequest -> ListClosedWorkflowExecutionsResponse;
    ListWorkflowExecutions ListWorkflowExecutionsRequest -> ListWorkflowExecutionsResponse;
    ListArchivedWorkflowExecutions ListArchivedWorkflowExecutionsRequest -> ListArchivedWorkflowExecutionsResponse;
    ScanWorkflowExecutions ScanWorkflowExecutionsRequest -> ScanWorkflowExecutionsResponse;
    CountWorkflowExecutions CountWorkflowExecutionsRequest -> CountWorkflowExecutionsResponse;
    GetSearchAttributes GetSearchAttributesRequest -> GetSearchAttributesResponse;
    RespondQueryTaskCompleted RespondQueryTaskCompletedRequest -> RespondQueryTaskCompletedResponse, "poller:" [poller_group_id];
    ResetStickyTaskQueue ResetStickyTaskQueueRequest -> ResetStickyTaskQueueResponse, "workflow:" [execution.workflow_id];
    ShutdownWorker ShutdownWorkerRequest -> ShutdownWorkerResponse;
    QueryWorkflow QueryWorkflowRequest -> QueryWorkflowResponse, "workflow:" [execution.workflow_id];
    DescribeWorkflowExecution DescribeWorkflowExecutionRequest -> DescribeWorkflowExecutionResponse, "workflow:" [execution.workflow_id];
    DescribeTaskQueue DescribeTaskQueueRequest -> DescribeTaskQueueResponse, "taskqueue:" [task_queue.name];
    GetClusterInfo GetClusterInfoRequest -> GetClusterInfoResponse;
    GetSystemInfo GetSystemInfoRequest -> GetSystemInfoResponse;
    ListTaskQueuePartitions ListTaskQueuePartitionsRequest -> ListTaskQueuePartitionsResponse, "taskqueue:" [task_queue.name];
    CreateSchedule CreateScheduleRequest -> CreateScheduleResponse, "schedule:" [schedule_id];
    DescribeSchedule DescribeScheduleRequest -> DescribeScheduleResponse, "schedule:" [schedule_id];
    UpdateSchedule UpdateScheduleRequest -> UpdateScheduleResponse, "schedule:" [schedule_id];
    PatchSchedule PatchScheduleRequest -> PatchScheduleResponse, "schedule:" [schedule_id];
    ListScheduleMatchingTimes ListScheduleMatchingTimesRequest -> ListScheduleMatchingTimesResponse, "schedule:" [schedule_id];
    DeleteSchedule DeleteScheduleRequest -> DeleteScheduleResponse, "schedule:" [schedule_id];
    ListSchedules ListSchedulesRequest -> ListSchedulesResponse;
    CountSchedules CountSchedulesRequest -> CountSchedulesResponse;
    UpdateWorkerBuildIdCompatibility UpdateWorkerBuildIdCompatibilityRequest -> UpdateWorkerBuildIdCompatibilityResponse;
    GetWorkerBuildIdCompatibility GetWorkerBuildIdCompatibilityRequest -> GetWorkerBuildIdCompatibilityResponse;
    UpdateWorkerVersioningRules UpdateWorkerVersioningRulesRequest -> UpdateWorkerVersioningRulesResponse;
    GetWorkerVersioningRules GetWorkerVersioningRulesRequest -> GetWorkerVersioningRulesResponse;
    GetWorkerTaskReachability GetWorkerTaskReachabilityRequest -> GetWorkerTaskReachabilityResponse;
    DescribeDeployment DescribeDeploymentRequest -> DescribeDeploymentResponse;
    DescribeWorkerDeploymentVersion DescribeWorkerDeploymentVersionRequest -> DescribeWorkerDeploymentVersionResponse, "deployment:" [deployment_version.deployment_name];
    ListDeployments ListDeploymentsRequest -> ListDeploymentsResponse;
    GetDeploymentReachability GetDeploymentReachabilityRequest -> GetDeploymentReachabilityResponse;
    GetCurrentDeployment GetCurrentDeploymentRequest -> GetCurrentDeploymentResponse;
    SetCurrentDeployment SetCurrentDeploymentRequest -> SetCurrentDeploymentResponse;
    SetWorkerDeploymentCurrentVersion SetWorkerDeploymentCurrentVersionRequest -> SetWorkerDeploymentCurrentVersionResponse, "deployment:" [deployment_name];
    DescribeWorkerDeployment DescribeWorkerDeploymentRequest -> DescribeWorkerDeploymentResponse, "deployment:" [deployment_name];
    DeleteWorkerDeployment DeleteWorkerDeploymentRequest -> DeleteWorkerDeploymentResponse, "deployment:" [deployment_name];
    DeleteWorkerDeploymentVersion DeleteWorkerDeploymentVersionRequest -> DeleteWorkerDeploymentVersionResponse, "deployment:" [deployment_version.deployment_name];
    SetWorkerDeploymentRampingVersion SetWorkerDeploymentRampingVersionRequest -> SetWorkerDeploymentRampingVersionResponse, "deployment:" [deployment_name];
    ListWorkerDeployments ListWorkerDeploymentsRequest -> ListWorkerDeploymentsResponse;
    CreateWorkerDeployment CreateWorkerDeploymentRequest -> CreateWorkerDeploymentResponse;
    CreateWorkerDeploymentVersion CreateWorkerDeploymentVersionRequest -> CreateWorkerDeploymentVersionResponse;
    UpdateWorkerDeploymentVersionComputeConfig UpdateWorkerDeploymentVersionComputeConfigRequest -> UpdateWorkerDeploymentVersionComputeConfigResponse;
    ValidateWorkerDeploymentVersionComputeConfig ValidateWorkerDeploymentVersionComputeConfigRequest -> ValidateWorkerDeploymentVersionComputeConfigResponse;
    UpdateWorkerDeploymentVersionMetadata UpdateWorkerDeploymentVersionMetadataRequest -> UpdateWorkerDeploymentVersionMetadataResponse, "deployment:" [deployment_version.deployment_name];
    SetWorkerDeploymentManager SetWorkerDeploymentManagerRequest -> SetWorkerDeploymentManagerResponse, "deployment:" [deployment_name];
    UpdateWorkflowExecution UpdateWorkflowExecutionRequest -> UpdateWorkflowExecutionResponse, "workflow:" [workflow_execution.workflow_id];
    PollWorkflowExecutionUpdate PollWorkflowExecutionUpdateRequest -> PollWorkflowExecutionUpdateResponse, "workflow:" [update_ref.workflow_execution.workflow_id];
    StartBatchOperation StartBatchOperationRequest -> StartBatchOperationResponse, "batch:" [job_id];
    StopBatchOperation StopBatchOperationRequest -> StopBatchOperationResponse, "batch:" [job_id];
    DescribeBatchOperation DescribeBatchOperationRequest -> DescribeBatchOperationResponse, "batch:" [job_id];
    ListBatchOperations ListBatchOperationsRequest -> ListBatchOperationsResponse;
    PollNexusTaskQueue PollNexusTaskQueueRequest -> PollNexusTaskQueueResponse, "poller:" [poller_group_id];
    RespondNexusTaskCompleted RespondNexusTaskCompletedRequest -> RespondNexusTaskCompletedResponse, "poller:" [poller_group_id];
    RespondNexusTaskFailed RespondNexusTaskFailedRequest -> RespondNexusTaskFailedResponse, "poller:" [poller_group_id];
    UpdateActivityOptions UpdateActivityOptionsRequest -> UpdateActivityOptionsResponse, "workflow:" [execution.workflow_id];
    UpdateWorkflowExecutionOptions UpdateWorkflowExecutionOptionsRequest -> UpdateWorkflowExecutionOptionsResponse, "workflow:" [workflow_execution.workflow_id];
    PauseActivity PauseActivityRequest -> PauseActivityResponse, "workflow:" [execution.workflow_id];
    UnpauseActivity UnpauseActivityRequest -> UnpauseActivityResponse, "workflow:" [execution.workflow_id];
    ResetActivity ResetActivityRequest -> ResetActivityResponse, "workflow:" [execution.workflow_id];
    CreateWorkflowRule CreateWorkflowRuleRequest -> CreateWorkflowRuleResponse;
    DescribeWorkflowRule DescribeWorkflowRuleRequest -> DescribeWorkflowRuleResponse;
    DeleteWorkflowRule DeleteWorkflowRuleRequest -> DeleteWorkflowRuleResponse;
    ListWorkflowRules ListWorkflowRulesRequest -> ListWorkflowRulesResponse;
    TriggerWorkflowRule TriggerWorkflowRuleRequest -> TriggerWorkflowRuleResponse, "workflow:" [execution.workflow_id];
    RecordWorkerHeartbeat RecordWorkerHeartbeatRequest -> RecordWorkerHeartbeatResponse, "" [resource_id];
    ListWorkers ListWorkersRequest -> ListWorkersResponse;
    CountWorkers CountWorkersRequest -> CountWorkersResponse;
    UpdateTaskQueueConfig UpdateTaskQueueConfigRequest -> UpdateTaskQueueConfigResponse, "taskqueue:" [task_queue];
    FetchWorkerConfig FetchWorkerConfigRequest -> FetchWorkerConfigResponse, "" [resource_id];
    UpdateWorkerConfig UpdateWorkerConfigRequest -> UpdateWorkerConfigResponse, "" [resource_id];
    DescribeWorker DescribeWorkerRequest -> DescribeWorkerResponse, "worker:" [worker_instance_key];
    PauseWorkflowExecution PauseWorkflowExecutionRequest -> PauseWorkflowExecutionResponse, "workflow:" [workflow_id];
    UnpauseWorkflowExecution UnpauseWorkflowExecutionRequest -> UnpauseWorkflowExecutionResponse, "workflow:" [workflow_id];
    StartActivityExecution StartActivityExecutionRequest -> StartActivityExecutionResponse, "activity:" [activity_id];
    StartNexusOperationExecution StartNexusOperationExecutionRequest -> StartNexusOperationExecutionResponse;
    DescribeActivityExecution DescribeActivityExecutionRequest -> DescribeActivityExecutionResponse, "activity:" [activity_id];
    DescribeNexusOperationExecution DescribeNexusOperationExecutionRequest -> DescribeNexusOperationExecutionResponse;
    PollActivityExecution PollActivityExecutionRequest -> PollActivityExecutionResponse, "activity:" [activity_id];
    PollNexusOperationExecution PollNexusOperationExecutionRequest -> PollNexusOperationExecutionResponse;
    ListActivityExecutions ListActivityExecutionsRequest -> ListActivityExecutionsResponse;
    ListNexusOperationExecutions ListNexusOperationExecutionsRequest -> ListNexusOperationExecutionsResponse;
    CountActivityExecutions CountActivityExecutionsRequest -> CountActivityExecutionsResponse;
    CountNexusOperationExecutions CountNexusOperationExecutionsRequest -> CountNexusOperationExecutionsResponse;
    RequestCancelActivityExecution RequestCancelActivityExecutionRequest -> RequestCancelActivityExecutionResponse, "activity:" [activity_id];
    RequestCancelNexusOperationExecution RequestCancelNexusOperationExecutionRequest -> RequestCancelNexusOperationExecutionResponse;
    TerminateActivityExecution TerminateActivityExecutionRequest -> TerminateActivityExecutionResponse, "activity:" [activity_id];
    DeleteActivityExecution DeleteActivityExecutionRequest -> DeleteActivityExecutionResponse;
    PauseActivityExecution PauseActivityExecutionRequest -> PauseActivityExecutionResponse, "" [resource_id];
    ResetActivityExecution ResetActivityExecutionRequest -> ResetActivityExecutionResponse, "" [resource_id];
    UnpauseActivityExecution UnpauseActivityExecutionRequest -> UnpauseActivityExecutionResponse, "" [resource_id];
    UpdateActivityExecutionOptions UpdateActivityExecutionOptionsRequest -> UpdateActivityExecutionOptionsResponse, "" [resource_id];
    TerminateNexusOperationExecution TerminateNexusOperationExecutionRequest -> TerminateNexusOperationExecutionResponse;
    DeleteNexusOperationExecution DeleteNexusOperationExecutionRequest -> DeleteNexusOperationExecutionResponse;
    PollWorkflowExecutionTimeSkipping PollWorkflowExecutionTimeSkippingRequest -> PollWorkflowExecutionTimeSkippingResponse, "workflow:" [workflow_execution.workflow_id];
});

rpcs!("OperatorService", operatorservice {
    AddSearchAttributes AddSearchAttributesRequest -> AddSearchAttributesResponse;
    RemoveSearchAttributes RemoveSearchAttributesRequest -> RemoveSearchAttributesResponse;
    ListSearchAttributes ListSearchAttributesRequest -> ListSearchAttributesResponse;
    DeleteNamespace DeleteNamespaceRequest -> DeleteNamespaceResponse;
    AddOrUpdateRemoteCluster AddOrUpdateRemoteClusterRequest -> AddOrUpdateRemoteClusterResponse;
    RemoveRemoteCluster RemoveRemoteClusterRequest -> RemoveRemoteClusterResponse;
    ListClusters ListClustersRequest -> ListClustersResponse;
    GetNexusEndpoint GetNexusEndpointRequest -> GetNexusEndpointResponse;
    CreateNexusEndpoint CreateNexusEndpointRequest -> CreateNexusEndpointResponse;
    UpdateNexusEndpoint UpdateNexusEndpointRequest -> UpdateNexusEndpointResponse;
    DeleteNexusEndpoint DeleteNexusEndpointRequest -> DeleteNexusEndpointResponse;
    ListNexusEndpoints ListNexusEndpointsRequest -> ListNexusEndpointsResponse;
});

impl Rpc for temporal_protos::health::v1::HealthCheckRequest {
    type Response = temporal_protos::health::v1::HealthCheckResponse;
    const NAME: &'static str = "Check";
    const PATH: &'static str = "/grpc.health.v1.Health/Check";
}
