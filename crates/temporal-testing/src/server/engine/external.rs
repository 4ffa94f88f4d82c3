//! Signals and cancel requests from one workflow to another.

use temporal_protos::api::command::v1 as c;
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::enums::v1::{
    CancelExternalWorkflowExecutionFailedCause as CancelCause,
    SignalExternalWorkflowExecutionFailedCause as SignalCause,
};
use temporal_protos::api::history::v1 as h;

use super::core::{Effect, Engine};
use super::events::Attributes;
use super::namespace::NamespaceId;
use super::run::{Extras, Turn};
use super::state::RunKey;
use super::workflow_task::SERVER_IDENTITY;

impl Turn<'_> {
    pub(super) fn initiate_signal(
        &mut self,
        command: c::SignalExternalWorkflowExecutionCommandAttributes,
        completed_id: i64,
        extras: Extras,
    ) {
        let namespace = self.target_namespace(&command.namespace);
        let attributes = h::SignalExternalWorkflowExecutionInitiatedEventAttributes {
            workflow_task_completed_event_id: completed_id,
            namespace: command.namespace,
            namespace_id: namespace.text(),
            workflow_execution: command.execution,
            signal_name: command.signal_name,
            input: command.input,
            child_workflow_only: command.child_workflow_only,
            header: command.header,
            ..h::SignalExternalWorkflowExecutionInitiatedEventAttributes::default()
        };
        let id = self.event_with(
            Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(attributes),
            extras,
        );
        self.shared.effects.push_back(Effect::SignalExternal(self.key, id));
    }

    pub(super) fn initiate_cancel(
        &mut self,
        command: c::RequestCancelExternalWorkflowExecutionCommandAttributes,
        completed_id: i64,
        extras: Extras,
    ) {
        let namespace = self.target_namespace(&command.namespace);
        let attributes = h::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
            workflow_task_completed_event_id: completed_id,
            namespace: command.namespace,
            namespace_id: namespace.text(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: command.workflow_id,
                run_id: command.run_id,
            }),
            child_workflow_only: command.child_workflow_only,
            reason: command.reason,
            ..h::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes::default()
        };
        let id = self.event_with(
            Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(attributes),
            extras,
        );
        self.shared.effects.push_back(Effect::CancelExternal(self.key, id));
    }
}

/// Where a signal or cancel request goes.
struct Target {
    namespace: NamespaceId,
    execution: WorkflowExecution,
    child_only: bool,
}

impl Target {
    fn new(namespace_id: &str, execution: Option<WorkflowExecution>, child_only: bool) -> Self {
        Target {
            namespace: NamespaceId::parse(namespace_id),
            execution: execution.unwrap_or_default(),
            child_only,
        }
    }
}

impl Engine {
    /// What a run that is still open initiated, and which run that is.
    fn pending_external(&self, source: RunKey, initiated_id: i64) -> Option<(Attributes, WorkflowExecution)> {
        let run = self.runs.get(&source)?;
        if !run.is_open() || !run.externals.contains_key(&initiated_id) {
            return None;
        }
        Some((run.history.event(initiated_id)?.attributes?, run.execution()))
    }

    /// The run that a workflow may reach: another one than itself, and its own child if it says so.
    fn reach(&self, source: RunKey, target: &Target) -> Option<RunKey> {
        let run_id = uuid::Uuid::try_parse(&target.execution.run_id).ok();
        let key = self
            .lookup(target.namespace, &target.execution.workflow_id, run_id)
            .ok()?;
        let (from, to) = (self.runs.get(&source)?, self.runs.get(&key)?);
        let itself = from.namespace == to.namespace && from.workflow_id == to.workflow_id;
        let child = to.parent.as_deref().is_some_and(|parent| parent.run_id == from.run_id);
        (!itself && (child || !target.child_only)).then_some(key)
    }

    pub(super) fn signal_external(&mut self, source: RunKey, initiated_id: i64) {
        let Some((Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(it), from)) =
            self.pending_external(source, initiated_id)
        else {
            return;
        };
        let target = Target::new(&it.namespace_id, it.workflow_execution, it.child_workflow_only);
        let attributes = h::WorkflowExecutionSignaledEventAttributes {
            signal_name: it.signal_name,
            input: it.input,
            identity: SERVER_IDENTITY.to_owned(),
            header: it.header,
            external_workflow_execution: Some(from),
            request_id: self.shared.random.uuid4().to_string(),
            ..h::WorkflowExecutionSignaledEventAttributes::default()
        };
        let outcome = match self.reach(source, &target) {
            None => Err(SignalCause::ExternalWorkflowExecutionNotFound),
            Some(key) => self
                .turn(key, |turn| {
                    if turn.signals >= turn.shared.config.limits.signals {
                        return Err(SignalCause::SignalCountLimitExceeded);
                    }
                    let sent = turn.signal(attributes, Extras::default());
                    sent.map_err(|_| SignalCause::ExternalWorkflowExecutionNotFound)
                })
                .unwrap_or(Err(SignalCause::ExternalWorkflowExecutionNotFound)),
        };
        let namespace = self.shared.namespaces.name(target.namespace);
        let namespace_id = target.namespace.text();
        let workflow_execution = Some(target.execution);
        let result = match outcome {
            Ok(()) => Attributes::ExternalWorkflowExecutionSignaledEventAttributes(
                h::ExternalWorkflowExecutionSignaledEventAttributes {
                    initiated_event_id: initiated_id,
                    namespace,
                    namespace_id,
                    workflow_execution,
                    ..h::ExternalWorkflowExecutionSignaledEventAttributes::default()
                },
            ),
            Err(cause) => Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(
                h::SignalExternalWorkflowExecutionFailedEventAttributes {
                    cause: cause as i32,
                    namespace,
                    namespace_id,
                    workflow_execution,
                    initiated_event_id: initiated_id,
                    ..h::SignalExternalWorkflowExecutionFailedEventAttributes::default()
                },
            ),
        };
        self.turn(source, |turn| turn.arrive(result));
    }

    pub(super) fn cancel_external(&mut self, source: RunKey, initiated_id: i64) {
        let Some((Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(it), from)) =
            self.pending_external(source, initiated_id)
        else {
            return;
        };
        let target = Target::new(&it.namespace_id, it.workflow_execution, it.child_workflow_only);
        let attributes = h::WorkflowExecutionCancelRequestedEventAttributes {
            cause: it.reason,
            external_initiated_event_id: initiated_id,
            external_workflow_execution: Some(from),
            identity: SERVER_IDENTITY.to_owned(),
        };
        let reached = self
            .reach(source, &target)
            .and_then(|key| self.turn(key, |turn| turn.request_cancel(attributes, Extras::default())))
            .is_some();
        let namespace = self.shared.namespaces.name(target.namespace);
        let namespace_id = target.namespace.text();
        let workflow_execution = Some(target.execution);
        let result = if reached {
            Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(
                h::ExternalWorkflowExecutionCancelRequestedEventAttributes {
                    initiated_event_id: initiated_id,
                    namespace,
                    namespace_id,
                    workflow_execution,
                },
            )
        } else {
            Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(
                h::RequestCancelExternalWorkflowExecutionFailedEventAttributes {
                    cause: CancelCause::ExternalWorkflowExecutionNotFound as i32,
                    namespace,
                    namespace_id,
                    workflow_execution,
                    initiated_event_id: initiated_id,
                    ..h::RequestCancelExternalWorkflowExecutionFailedEventAttributes::default()
                },
            )
        };
        self.turn(source, |turn| turn.arrive(result));
    }
}
