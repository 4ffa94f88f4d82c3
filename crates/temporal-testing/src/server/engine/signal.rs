//! Signals, cancel requests and termination from outside.

use temporal_protos::api::common::v1::{Link, Payloads, WorkflowExecution, link};
use temporal_protos::api::enums::v1::{EventType, WorkflowIdConflictPolicy};
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::Message;

use super::core::Engine;
use super::events::Attributes;
use super::limits::Limits;
use super::run::{Extras, Turn};
use super::status::{Code, Status};

/// The refusal for a run that is over.
pub(super) fn already_completed() -> Status {
    Status::not_found("workflow execution already completed")
}

fn gone() -> Status {
    Status::not_found("workflow not found")
}

impl Engine {
    pub(super) fn signal_workflow_execution(
        &mut self,
        request: wf::SignalWorkflowExecutionRequest,
    ) -> Result<wf::SignalWorkflowExecutionResponse, Status> {
        self.shared.namespaces.find(&request.namespace)?;
        check_execution(request.workflow_execution.as_ref())?;
        check_signal(&self.shared.config.limits, &request.signal_name, request.input.as_ref())?;
        self.shared
            .config
            .limits
            .check_id(&request.request_id, || "RequestId length exceeds limit.".to_owned())?;
        let key = self.find_run(&request.namespace, request.workflow_execution.as_ref())?;
        let attributes = h::WorkflowExecutionSignaledEventAttributes {
            signal_name: request.signal_name,
            input: request.input,
            identity: request.identity,
            header: request.header,
            request_id: request.request_id,
            ..h::WorkflowExecutionSignaledEventAttributes::default()
        };
        let extras = Extras {
            links: request.links,
            ..Extras::default()
        };
        let link = self
            .turn(key, |turn| {
                let link = turn.signal_link(&attributes.request_id);
                turn.signal(attributes, extras).map(|()| link)
            })
            .ok_or_else(gone)??;
        Ok(wf::SignalWorkflowExecutionResponse { link: Some(link) })
    }

    pub(super) fn signal_with_start_workflow_execution(
        &mut self,
        request: wf::SignalWithStartWorkflowExecutionRequest,
    ) -> Result<wf::SignalWithStartWorkflowExecutionResponse, Status> {
        let mut start = start_part(&request);
        self.check_start(&mut start)?;
        if request.signal_name.is_empty() {
            return Err(Status::invalid_argument("signal not set"));
        }
        check_signal(
            &self.shared.config.limits,
            &request.signal_name,
            request.signal_input.as_ref(),
        )?;
        if request.workflow_id_conflict_policy == WorkflowIdConflictPolicy::Fail as i32 {
            let text = "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.";
            return Err(Status::invalid_argument(text));
        }
        if start.request_id.is_empty() {
            start.request_id = self.shared.random.uuid4().to_string();
        }
        let namespace = self.shared.namespaces.find(&request.namespace)?.id;
        let signal = h::WorkflowExecutionSignaledEventAttributes {
            signal_name: request.signal_name,
            input: request.signal_input,
            identity: request.identity,
            header: request.header,
            request_id: start.request_id.clone(),
            ..h::WorkflowExecutionSignaledEventAttributes::default()
        };
        let extras = Extras {
            links: request.links,
            ..Extras::default()
        };
        let terminates = start.workflow_id_conflict_policy == WorkflowIdConflictPolicy::TerminateExisting as i32;
        let running = self
            .shared
            .index
            .current(namespace, &start.workflow_id)
            .filter(|key| self.runs.get(key).is_some_and(|run| run.is_open()) && !terminates);
        let request_id = start.request_id.clone();
        let (key, started) = match running {
            Some(key) => {
                self.turn(key, |turn| {
                    turn.signal(signal, extras)?;
                    turn.end_delay();
                    Ok(())
                })
                .ok_or_else(gone)??;
                (key, false)
            }
            None => {
                let outcome = self.start(namespace, start, Some((signal, extras)))?;
                (outcome.key, outcome.started)
            }
        };
        let run = self.runs.get(&key).ok_or_else(gone)?;
        let (run_id, first_execution_run_id) = (run.run_id.to_string(), run.first_run_id.clone());
        let signal_link = self.turn(key, |turn| turn.signal_link(&request_id));
        Ok(wf::SignalWithStartWorkflowExecutionResponse {
            run_id,
            first_execution_run_id,
            started,
            signal_link,
        })
    }

    pub(super) fn request_cancel_workflow_execution(
        &mut self,
        request: wf::RequestCancelWorkflowExecutionRequest,
    ) -> Result<wf::RequestCancelWorkflowExecutionResponse, Status> {
        let key = self.find_run(&request.namespace, request.workflow_execution.as_ref())?;
        self.check_first_run(key, &request.first_execution_run_id)?;
        let attributes = h::WorkflowExecutionCancelRequestedEventAttributes {
            cause: request.reason,
            identity: request.identity,
            ..h::WorkflowExecutionCancelRequestedEventAttributes::default()
        };
        let extras = Extras {
            links: request.links,
            ..Extras::default()
        };
        self.turn(key, |turn| turn.request_cancel(attributes, extras));
        Ok(wf::RequestCancelWorkflowExecutionResponse {})
    }

    pub(super) fn terminate_workflow_execution(
        &mut self,
        request: wf::TerminateWorkflowExecutionRequest,
    ) -> Result<wf::TerminateWorkflowExecutionResponse, Status> {
        let key = self.find_run(&request.namespace, request.workflow_execution.as_ref())?;
        self.check_first_run(key, &request.first_execution_run_id)?;
        self.shared
            .config
            .limits
            .check_blob(request.details.as_ref().map_or(0, Payloads::encoded_len))?;
        self.turn(key, |turn| {
            if !turn.is_open() {
                return Err(already_completed());
            }
            let extras = Extras {
                links: request.links,
                ..Extras::default()
            };
            turn.terminate_run(&request.reason, request.details, &request.identity, extras);
            Ok(wf::TerminateWorkflowExecutionResponse {})
        })
        .ok_or_else(gone)?
    }

    pub(super) fn delete_workflow_execution(
        &mut self,
        request: wf::DeleteWorkflowExecutionRequest,
    ) -> Result<wf::DeleteWorkflowExecutionResponse, Status> {
        let key = self.find_run(&request.namespace, request.workflow_execution.as_ref())?;
        self.turn(key, |turn| {
            if turn.is_open() {
                turn.terminate_run(
                    super::close::DELETED,
                    None,
                    super::workflow_task::SERVER_IDENTITY,
                    Extras::default(),
                );
            }
        });
        self.settle();
        self.forget(key);
        Ok(wf::DeleteWorkflowExecutionResponse {})
    }
}

impl Turn<'_> {
    /// A signal arrives. One that came before, by its request id, is taken for the same.
    pub(super) fn signal(
        &mut self,
        attributes: h::WorkflowExecutionSignaledEventAttributes,
        extras: Extras,
    ) -> Result<(), Status> {
        if !self.is_open() {
            return Err(already_completed());
        }
        if self.signal_request_ids.contains(&attributes.request_id) {
            return Ok(());
        }
        if self.signals >= self.shared.config.limits.signals {
            let text = format!(
                "exceeded workflow execution limit for signal events ({})",
                self.shared.config.limits.signals
            );
            return Err(Status::new(Code::InvalidArgument, text));
        }
        self.arrive_with(Attributes::WorkflowExecutionSignaledEventAttributes(attributes), extras);
        Ok(())
    }

    /// A cancel request arrives; the second one changes nothing.
    pub(super) fn request_cancel(
        &mut self,
        attributes: h::WorkflowExecutionCancelRequestedEventAttributes,
        extras: Extras,
    ) {
        if self.is_open() && !self.cancel_requested {
            self.arrive_with(
                Attributes::WorkflowExecutionCancelRequestedEventAttributes(attributes),
                extras,
            );
            self.end_delay();
        }
    }

    /// A first workflow task that is held back comes now.
    fn end_delay(&mut self) {
        if self.delayed {
            self.first_task_due();
        }
    }

    fn signal_link(&self, request_id: &str) -> Link {
        let reference = link::workflow_event::RequestIdReference {
            request_id: request_id.to_owned(),
            event_type: EventType::WorkflowExecutionSignaled as i32,
        };
        let reference = link::workflow_event::Reference::RequestIdRef(reference);
        self.shared.event_link(self.run, reference)
    }
}

fn check_execution(execution: Option<&WorkflowExecution>) -> Result<(), Status> {
    match execution {
        None => Err(Status::invalid_argument("Execution is not set on request.")),
        Some(execution) if execution.workflow_id.is_empty() => {
            Err(Status::invalid_argument("WorkflowId is not set on request."))
        }
        Some(_) => Ok(()),
    }
}

fn check_signal(limits: &Limits, name: &str, input: Option<&Payloads>) -> Result<(), Status> {
    if name.is_empty() {
        return Err(Status::invalid_argument("SignalName is not set on request."));
    }
    limits.check_id(name, || "SignalName length exceeds limit.".to_owned())?;
    limits.check_blob(input.map_or(0, Payloads::encoded_len))
}

fn start_part(request: &wf::SignalWithStartWorkflowExecutionRequest) -> wf::StartWorkflowExecutionRequest {
    let it = request.clone();
    wf::StartWorkflowExecutionRequest {
        namespace: it.namespace,
        workflow_id: it.workflow_id,
        workflow_type: it.workflow_type,
        task_queue: it.task_queue,
        input: it.input,
        workflow_execution_timeout: it.workflow_execution_timeout,
        workflow_run_timeout: it.workflow_run_timeout,
        workflow_task_timeout: it.workflow_task_timeout,
        identity: it.identity,
        request_id: it.request_id,
        workflow_id_reuse_policy: it.workflow_id_reuse_policy,
        workflow_id_conflict_policy: it.workflow_id_conflict_policy,
        retry_policy: it.retry_policy,
        cron_schedule: it.cron_schedule,
        memo: it.memo,
        search_attributes: it.search_attributes,
        header: it.header,
        workflow_start_delay: it.workflow_start_delay,
        user_metadata: it.user_metadata,
        links: it.links,
        versioning_override: it.versioning_override,
        priority: it.priority,
        time_skipping_config: it.time_skipping_config,
        ..wf::StartWorkflowExecutionRequest::default()
    }
}
