//! Update-with-start: a start and an update in one call.

use temporal_protos::api::errordetails::v1::{
    MultiOperationExecutionFailure, multi_operation_execution_failure::OperationStatus,
};
use temporal_protos::api::failure::v1::MultiOperationExecutionAborted;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::api::workflowservice::v1::execute_multi_operation_request::operation::Operation;
use temporal_protos::prost::Message;
use temporal_protos::prost_types::Any;

use super::calls::{Call, CallId};
use super::core::{Effect, Engine};
use super::run::Turn;
use super::start::StartOutcome;
use super::status::{Code, Status};
use super::update::{WaiterKind, check_update};

/// The start that an update came with.
#[derive(Debug)]
pub(super) struct WithStart {
    response: wf::StartWorkflowExecutionResponse,
    /// The update was done before: then nothing is linked.
    done: bool,
    /// This call began the run.
    fresh: bool,
    /// What to do again, once, if the run that it used closes without a word about the update.
    again: Option<Box<Again>>,
}

/// A call that is tried again.
#[derive(Debug)]
pub(super) struct Again {
    call: Call,
    start: wf::StartWorkflowExecutionRequest,
    update: wf::UpdateWorkflowExecutionRequest,
}

impl WithStart {
    /// The answer to both, once the update has its own.
    pub(super) fn answer(
        mut self,
        mut update: wf::UpdateWorkflowExecutionResponse,
    ) -> wf::ExecuteMultiOperationResponse {
        use wf::execute_multi_operation_response::{self as multi, response::Response as Part};
        let part = |part| multi::Response { response: Some(part) };
        if self.done {
            self.response.link = None;
            update.link = None;
        }
        wf::ExecuteMultiOperationResponse {
            responses: vec![
                part(Part::StartWorkflow(self.response)),
                part(Part::UpdateWorkflow(update)),
            ],
        }
    }
}

/// What became of one of the two operations.
fn operation_status(status: &Status) -> OperationStatus {
    OperationStatus {
        code: i32::from(status.code as u8),
        message: status.message.clone(),
        details: status.details.clone(),
    }
}

fn aborted() -> OperationStatus {
    OperationStatus {
        code: i32::from(Code::Aborted as u8),
        message: "Operation was aborted.".to_owned(),
        details: vec![Any {
            type_url: "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted".to_owned(),
            value: MultiOperationExecutionAborted {}.encode_to_vec(),
        }],
    }
}

fn failure(code: Code, statuses: Vec<OperationStatus>) -> Status {
    Status::new(code, "Update-with-Start could not be executed.").with_detail(
        "temporal.api.errordetails.v1.MultiOperationExecutionFailure",
        &MultiOperationExecutionFailure { statuses },
    )
}

/// The error of the whole call when the start failed; the update counts as aborted.
fn start_failed(status: &Status) -> Status {
    failure(status.code, vec![operation_status(status), aborted()])
}

/// The error of the whole call when the update failed; the start counts as aborted unless it began a run.
fn update_failed(status: &Status, fresh: bool) -> Status {
    let start = if fresh { OperationStatus::default() } else { aborted() };
    failure(status.code, vec![start, operation_status(status)])
}

impl Turn<'_> {
    /// An update that came with a start ends without an outcome.
    pub(super) fn abort_with_start(&mut self, call: CallId, start: WithStart, mut status: Status) {
        if !start.fresh && !self.is_open() {
            if let Some(again) = start.again {
                self.shared.calls.unpark(call);
                self.shared.effects.push_back(Effect::UpdateWithStart(again));
                return;
            }
            // Its caller may try it again.
            status = Status::new(Code::Aborted, status.message);
        }
        let status = update_failed(&status, start.fresh);
        self.shared.calls.answer(call, Err(status));
    }
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
        let again = Again {
            call,
            start: start.clone(),
            update: update.clone(),
        };
        self.update_with_start(call, start, update, Some(Box::new(again)))
    }

    /// Does the call again whose update went under with a run that closed.
    pub(super) fn update_with_start_again(&mut self, again: Again) {
        let Again { call, start, update } = again;
        if let Err(status) = self.update_with_start(call, start, update, None) {
            self.shared.calls.answer(call.id, Err(status));
        }
    }

    fn update_with_start(
        &mut self,
        call: Call,
        mut start: wf::StartWorkflowExecutionRequest,
        update: wf::UpdateWorkflowExecutionRequest,
        again: Option<Box<Again>>,
    ) -> Result<(), Status> {
        let refuse_start = |text: &str| Err(start_failed(&Status::invalid_argument(text)));
        let refuse_update = |text: &str| Err(update_failed(&Status::invalid_argument(text), false));
        let namespace = self.check_start(&mut start).map_err(|status| start_failed(&status))?;
        if !start.cron_schedule.is_empty() {
            return refuse_start("CronSchedule is not allowed.");
        }
        if start.request_eager_execution {
            return refuse_start("RequestEagerExecution is not supported.");
        }
        if start.workflow_start_delay.is_some() {
            return refuse_start("WorkflowStartDelay is not supported.");
        }
        let wanted =
            check_update(&self.shared.config.limits, &update).map_err(|status| update_failed(&status, false))?;
        let execution = update.workflow_execution.unwrap_or_default();
        if execution.workflow_id != start.workflow_id {
            return refuse_update("WorkflowId is not consistent with previous operation(s)");
        }
        if !execution.run_id.is_empty() {
            return refuse_update("RunId is not allowed.");
        }
        if !update.first_execution_run_id.is_empty() {
            return refuse_update("FirstExecutionRunId is not allowed.");
        }
        let request = update.request.unwrap_or_default();
        let update_id = request
            .meta
            .as_ref()
            .map(|meta| meta.update_id.clone())
            .unwrap_or_default();
        // An update that the workflow has already answers, whatever would become of the start. One that the end of a run cut
        // off does not.
        let current = self.shared.index.current(namespace, &start.workflow_id);
        let known = current.filter(|key| self.runs.get(key).is_some_and(|run| run.has_update(&update_id)));
        let outcome = match known {
            Some(key) => StartOutcome {
                key,
                started: false,
                fresh: false,
                attached: None,
            },
            None => self
                .start(namespace, start, None)
                .map_err(|status| start_failed(&status))?,
        };
        let mut response = self.start_response(&outcome)?;
        let fresh = outcome.fresh;
        if !fresh {
            response.started = false;
            response.first_execution_run_id.clear();
        }
        let run = self.runs.get(&outcome.key);
        let done = run.is_some_and(|run| run.update_is_done(&update_id));
        let start = WithStart {
            response,
            done,
            fresh,
            again,
        };
        let kind = WaiterKind::WithStart(Box::new(start));
        self.admit_update(call, outcome.key, request, wanted, kind)
            .map_err(|status| update_failed(&status, fresh))
    }
}
