//! Update-with-start: a start and an update in one call.

use temporal_protos::api::errordetails::v1::{
    MultiOperationExecutionFailure, multi_operation_execution_failure::OperationStatus,
};
use temporal_protos::api::failure::v1::MultiOperationExecutionAborted;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::api::workflowservice::v1::execute_multi_operation_request::operation::Operation;
use temporal_protos::prost::Message;
use temporal_protos::prost_types::Any;

use super::calls::Call;
use super::core::Engine;
use super::status::{Code, Status};
use super::update::{WaiterKind, check_update};

/// The error of the whole call when one of its two operations failed; the other counts as aborted.
pub(super) fn multi_operation_failure(failed: usize, status: Status) -> Status {
    let aborted = OperationStatus {
        code: i32::from(Code::Aborted as u8),
        message: "Operation was aborted.".to_owned(),
        details: vec![Any {
            type_url: "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted".to_owned(),
            value: MultiOperationExecutionAborted {}.encode_to_vec(),
        }],
    };
    let code = status.code;
    let real = OperationStatus {
        code: i32::from(code as u8),
        message: status.message,
        details: status.details,
    };
    let statuses = if failed == 0 {
        vec![real, aborted]
    } else {
        vec![aborted, real]
    };
    Status::new(code, "Update-with-Start could not be executed.").with_detail(
        "temporal.api.errordetails.v1.MultiOperationExecutionFailure",
        &MultiOperationExecutionFailure { statuses },
    )
}

impl Engine {
    pub(super) fn execute_multi_operation(
        &mut self,
        call: Call,
        request: wf::ExecuteMultiOperationRequest,
    ) -> Result<(), Status> {
        self.shared.namespaces.find(&request.namespace)?;
        let mut operations = request.operations.into_iter().map(|operation| operation.operation);
        let parts = (operations.next(), operations.next(), operations.next());
        let (Some(Some(Operation::StartWorkflow(start))), Some(Some(Operation::UpdateWorkflow(update))), None) = parts
        else {
            return Err(Status::invalid_argument(
                "Operations have to be exactly [Start, Update].",
            ));
        };
        if start.namespace != request.namespace || update.namespace != request.namespace {
            let text = "namespace of an operation is not the same as the namespace of the request";
            return Err(Status::invalid_argument(text));
        }
        self.update_with_start(call, start, update)
    }

    fn update_with_start(
        &mut self,
        call: Call,
        mut start: wf::StartWorkflowExecutionRequest,
        update: wf::UpdateWorkflowExecutionRequest,
    ) -> Result<(), Status> {
        let refuse = |failed: usize, text: &str| Err(multi_operation_failure(failed, Status::invalid_argument(text)));
        let namespace = self
            .check_start(&mut start)
            .map_err(|status| multi_operation_failure(0, status))?;
        if !start.cron_schedule.is_empty() {
            return refuse(0, "CronSchedule is not allowed.");
        }
        if start.request_eager_execution {
            return refuse(0, "RequestEagerExecution is not supported.");
        }
        if start.workflow_start_delay.is_some() {
            return refuse(0, "WorkflowStartDelay is not supported.");
        }
        let wanted =
            check_update(&self.shared.config.limits, &update).map_err(|status| multi_operation_failure(1, status))?;
        let execution = update.workflow_execution.unwrap_or_default();
        if execution.workflow_id != start.workflow_id {
            return refuse(1, "WorkflowId is not consistent with previous operation(s)");
        }
        if !execution.run_id.is_empty() {
            return refuse(1, "RunId is not allowed.");
        }
        if !update.first_execution_run_id.is_empty() {
            return refuse(1, "FirstExecutionRunId is not allowed.");
        }
        let request = update.request.unwrap_or_default();
        let update_id = request
            .meta
            .as_ref()
            .map(|meta| meta.update_id.clone())
            .unwrap_or_default();
        // An update that the workflow has already answers, whatever would become of the start.
        let known = self.shared.index.current(namespace, &start.workflow_id).filter(|key| {
            self.runs
                .get(key)
                .is_some_and(|run| run.updates.contains_key(&update_id))
        });
        let outcome = match known {
            Some(key) => super::start::StartOutcome {
                key,
                started: false,
                fresh: false,
                attached: None,
            },
            None => self
                .start(namespace, start, None)
                .map_err(|status| multi_operation_failure(0, status))?,
        };
        let response = self.start_response(&outcome)?;
        let kind = WaiterKind::WithStart(Box::new(response));
        self.admit_update(call, outcome.key, request, wanted, kind)
            .map_err(|status| multi_operation_failure(1, status))
    }
}
