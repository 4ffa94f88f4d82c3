//! From a request to the function that serves it.

use super::calls::Call;
use super::core::Engine;
use super::rpc::{Request, Response};
use super::status::Status;

macro_rules! route {
    ($engine:ident, $request:ident, $call:ident;
     now { $($now:ident => $now_fn:ident,)* }
     call_now { $($call_now:ident => $call_now_fn:ident,)* }
     maybe { $($maybe:ident => $maybe_fn:ident,)* }
     later { $($later:ident => $later_fn:ident,)* }) => {
        match $request {
            $(Request::$now(request) => $engine.$now_fn(request).map(|response| Some(Response::$now(response))),)*
            $(Request::$call_now(request) => $engine.$call_now_fn($call, request).map(|response| Some(Response::$call_now(response))),)*
            $(Request::$maybe(request) => $engine.$maybe_fn($call, request).map(|response| response.map(Response::$maybe)),)*
            $(Request::$later(request) => $engine.$later_fn($call, request).map(|()| None),)*
        }
    };
}

impl Engine {
    /// Serves a request; `None` when its answer comes later.
    pub(super) fn dispatch(&mut self, call: Call, request: Request) -> Result<Option<Response>, Status> {
        route! { self, request, call;
            now {
                RegisterNamespace => register_namespace,
                DescribeNamespace => describe_namespace,
                ListNamespaces => list_namespaces,
                UpdateNamespace => update_namespace,
                DeprecateNamespace => deprecate_namespace,
                DeleteNamespace => delete_namespace,
                GetSystemInfo => get_system_info,
                GetClusterInfo => get_cluster_info,
                GetSearchAttributes => get_search_attributes,
                AddSearchAttributes => add_search_attributes,
                RemoveSearchAttributes => remove_search_attributes,
                ListSearchAttributes => list_search_attributes,
                CreateNexusEndpoint => create_nexus_endpoint,
                UpdateNexusEndpoint => update_nexus_endpoint,
                DeleteNexusEndpoint => delete_nexus_endpoint,
                GetNexusEndpoint => get_nexus_endpoint,
                ListNexusEndpoints => list_nexus_endpoints,
                StartWorkflowExecution => start_workflow_execution,
                SignalWorkflowExecution => signal_workflow_execution,
                SignalWithStartWorkflowExecution => signal_with_start_workflow_execution,
                RequestCancelWorkflowExecution => request_cancel_workflow_execution,
                TerminateWorkflowExecution => terminate_workflow_execution,
                DeleteWorkflowExecution => delete_workflow_execution,
                DescribeWorkflowExecution => describe_workflow_execution,
                GetWorkflowExecutionHistoryReverse => get_workflow_execution_history_reverse,
                RespondWorkflowTaskFailed => respond_workflow_task_failed,
                RespondQueryTaskCompleted => respond_query_task_completed,
                RecordActivityTaskHeartbeat => record_activity_task_heartbeat,
                RecordActivityTaskHeartbeatById => record_activity_task_heartbeat_by_id,
                RespondActivityTaskCompleted => respond_activity_task_completed,
                RespondActivityTaskCompletedById => respond_activity_task_completed_by_id,
                RespondActivityTaskFailed => respond_activity_task_failed,
                RespondActivityTaskFailedById => respond_activity_task_failed_by_id,
                RespondActivityTaskCanceled => respond_activity_task_canceled,
                RespondActivityTaskCanceledById => respond_activity_task_canceled_by_id,
                RespondNexusTaskCompleted => respond_nexus_task_completed,
                RespondNexusTaskFailed => respond_nexus_task_failed,
                ResetWorkflowExecution => reset_workflow_execution,
                PauseActivity => pause_activity,
                UnpauseActivity => unpause_activity,
                ResetActivity => reset_activity,
                UpdateActivityOptions => update_activity_options,
                ResetStickyTaskQueue => reset_sticky_task_queue,
                ShutdownWorker => shutdown_worker,
                DescribeTaskQueue => describe_task_queue,
                ListWorkflowExecutions => list_workflow_executions,
                ListOpenWorkflowExecutions => list_open_workflow_executions,
                ListClosedWorkflowExecutions => list_closed_workflow_executions,
                ScanWorkflowExecutions => scan_workflow_executions,
                CountWorkflowExecutions => count_workflow_executions,
                LockTimeSkipping => lock_time_skipping,
                UnlockTimeSkipping => unlock_time_skipping,
                GetCurrentTime => get_current_time,
            }
            call_now {
                RespondWorkflowTaskCompleted => respond_workflow_task_completed,
            }
            maybe {
                QueryWorkflow => query_workflow,
                GetWorkflowExecutionHistory => get_workflow_execution_history,
            }
            later {
                PollWorkflowTaskQueue => poll_workflow_task_queue,
                PollActivityTaskQueue => poll_activity_task_queue,
                PollNexusTaskQueue => poll_nexus_task_queue,
                ExecuteMultiOperation => execute_multi_operation,
                UpdateWorkflowExecution => update_workflow_execution,
                PollWorkflowExecutionUpdate => poll_workflow_execution_update,
                Sleep => sleep,
                SleepUntil => sleep_until,
                UnlockTimeSkippingWithSleep => unlock_time_skipping_with_sleep,
            }
        }
    }
}
