//! Children: started by their parent, told about to it, closed with it.

use std::collections::BTreeMap;

use temporal_protos::api::command::v1 as c;
use temporal_protos::api::common::v1::{WorkflowExecution, WorkflowType};
use temporal_protos::api::enums::v1::{
    ContinueAsNewInitiator, ParentClosePolicy, StartChildWorkflowExecutionFailedCause,
    WorkflowExecutionStatus as RunStatus, WorkflowIdReusePolicy,
};
use temporal_protos::api::history::v1 as h;

use super::super::cron::Cron;
use super::core::{Effect, Engine};
use super::events::Attributes;
use super::launch::Launch;
use super::namespace::NamespaceId;
use super::run::{Extras, Turn};
use super::start::{Timeouts, filled_policy};
use super::state::{Child, RunKey};
use super::time::{duration, to_proto};
use super::workflow_task::{SERVER_IDENTITY, normal_queue};

impl Turn<'_> {
    /// The namespace that a command names, else the run's own.
    pub(super) fn target_namespace(&self, name: &str) -> NamespaceId {
        if name.is_empty() {
            self.namespace
        } else {
            self.shared.namespaces.id(name).unwrap_or(self.namespace)
        }
    }

    pub(super) fn initiate_child(
        &mut self,
        command: c::StartChildWorkflowExecutionCommandAttributes,
        completed_id: i64,
        extras: Extras,
    ) {
        let namespace = self.target_namespace(&command.namespace);
        let timeouts = Timeouts::new(
            command.workflow_execution_timeout.as_ref(),
            command.workflow_run_timeout.as_ref(),
            command.workflow_task_timeout.as_ref(),
        );
        let queue = command
            .task_queue
            .map(|queue| queue.name)
            .filter(|name| !name.is_empty());
        let policy = match ParentClosePolicy::try_from(command.parent_close_policy) {
            Ok(ParentClosePolicy::Unspecified) | Err(_) => ParentClosePolicy::Terminate,
            Ok(policy) => policy,
        };
        let reuse = match WorkflowIdReusePolicy::try_from(command.workflow_id_reuse_policy) {
            Ok(WorkflowIdReusePolicy::Unspecified) | Err(_) => WorkflowIdReusePolicy::AllowDuplicate,
            Ok(reuse) => reuse,
        };
        let search_attributes = command.search_attributes.map(|mut attributes| {
            self.type_search_attributes(&mut attributes);
            attributes
        });
        let attributes = h::StartChildWorkflowExecutionInitiatedEventAttributes {
            namespace: self.shared.namespaces.name(namespace),
            namespace_id: namespace.text(),
            workflow_id: command.workflow_id,
            workflow_type: command.workflow_type,
            task_queue: Some(normal_queue(queue.as_deref().unwrap_or(&self.task_queue))),
            input: command.input,
            workflow_execution_timeout: timeouts.execution,
            workflow_run_timeout: Some(timeouts.run.unwrap_or_default()),
            workflow_task_timeout: Some(timeouts.task),
            parent_close_policy: policy as i32,
            workflow_task_completed_event_id: completed_id,
            workflow_id_reuse_policy: reuse as i32,
            retry_policy: command.retry_policy.as_ref().map(filled_policy),
            cron_schedule: command.cron_schedule,
            header: command.header,
            memo: command.memo,
            search_attributes,
            priority: command.priority,
            versioning_override: command.versioning_override,
            ..h::StartChildWorkflowExecutionInitiatedEventAttributes::default()
        };
        let id = self.event_with(
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(attributes),
            extras,
        );
        self.shared.effects.push_back(Effect::StartChild(self.key, id));
    }

    fn initiated_child(
        &self,
        initiated_id: i64,
    ) -> Option<(h::StartChildWorkflowExecutionInitiatedEventAttributes, Extras)> {
        let event = self.history.event(initiated_id)?;
        let extras = Extras {
            user_metadata: event.user_metadata,
            ..Extras::default()
        };
        match event.attributes? {
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(it) => Some((it, extras)),
            _ => None,
        }
    }

    fn child_start_failed(
        &mut self,
        initiated_event_id: i64,
        initiated: h::StartChildWorkflowExecutionInitiatedEventAttributes,
        cause: StartChildWorkflowExecutionFailedCause,
    ) {
        self.arrive(Attributes::StartChildWorkflowExecutionFailedEventAttributes(
            h::StartChildWorkflowExecutionFailedEventAttributes {
                namespace: initiated.namespace,
                namespace_id: initiated.namespace_id,
                workflow_id: initiated.workflow_id,
                workflow_type: initiated.workflow_type,
                cause: cause as i32,
                initiated_event_id,
                ..h::StartChildWorkflowExecutionFailedEventAttributes::default()
            },
        ));
    }
}

/// What a closed child tells its parent.
struct ChildResult {
    namespace: NamespaceId,
    execution: WorkflowExecution,
    closing: Attributes,
}

impl Engine {
    /// Starts a child that a parent's command asked for.
    pub(super) fn start_child(&mut self, parent: RunKey, initiated_id: i64) {
        let found = self.turn(parent, |turn| {
            // After a reset it may be known already how its start went.
            let child = turn.children.get(&initiated_id).filter(|_| turn.is_open());
            let pending = child.is_some_and(|child| child.run_id.is_none());
            pending.then(|| turn.initiated_child(initiated_id)).flatten()
        });
        let Some((initiated, extras)) = found.flatten() else {
            return;
        };
        let namespace = NamespaceId::parse(&initiated.namespace_id);
        if self.shared.namespaces.get(namespace).is_none() {
            let cause = StartChildWorkflowExecutionFailedCause::NamespaceNotFound;
            self.turn(parent, |turn| turn.child_start_failed(initiated_id, initiated, cause));
            return;
        }
        if !self.child_id_is_free(namespace, &initiated) {
            let cause = StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists;
            self.turn(parent, |turn| turn.child_start_failed(initiated_id, initiated, cause));
            return;
        }
        let Some(launch) = self.child_launch(parent, initiated_id, namespace, &initiated, extras) else {
            return;
        };
        let run_id = launch.run_id;
        self.begin_run(launch);
        self.turn(parent, |turn| {
            turn.arrive(Attributes::ChildWorkflowExecutionStartedEventAttributes(
                h::ChildWorkflowExecutionStartedEventAttributes {
                    namespace: initiated.namespace,
                    namespace_id: initiated.namespace_id,
                    initiated_event_id: initiated_id,
                    workflow_execution: Some(WorkflowExecution {
                        workflow_id: initiated.workflow_id,
                        run_id: run_id.to_string(),
                    }),
                    workflow_type: initiated.workflow_type,
                    header: initiated.header,
                },
            ));
        });
    }

    /// Whether a child may have its id, making room if its policy says so.
    fn child_id_is_free(
        &mut self,
        namespace: NamespaceId,
        initiated: &h::StartChildWorkflowExecutionInitiatedEventAttributes,
    ) -> bool {
        let Some(key) = self.shared.index.current(namespace, &initiated.workflow_id) else {
            return true;
        };
        let Some(run) = self.runs.get(&key) else { return true };
        let policy = WorkflowIdReusePolicy::try_from(initiated.workflow_id_reuse_policy);
        if run.is_open() {
            if policy != Ok(WorkflowIdReusePolicy::TerminateIfRunning) {
                return false;
            }
            self.turn(key, |turn| {
                turn.terminate_run(
                    "TerminateIfRunning WorkflowIdReusePolicy",
                    None,
                    SERVER_IDENTITY,
                    Extras::default(),
                );
            });
            return true;
        }
        match policy {
            Ok(WorkflowIdReusePolicy::RejectDuplicate) => false,
            Ok(WorkflowIdReusePolicy::AllowDuplicateFailedOnly) => run.status != RunStatus::Completed,
            Ok(
                WorkflowIdReusePolicy::Unspecified
                | WorkflowIdReusePolicy::AllowDuplicate
                | WorkflowIdReusePolicy::TerminateIfRunning,
            )
            | Err(_) => true,
        }
    }

    fn child_launch(
        &mut self,
        parent: RunKey,
        initiated_id: i64,
        namespace: NamespaceId,
        initiated: &h::StartChildWorkflowExecutionInitiatedEventAttributes,
        extras: Extras,
    ) -> Option<Launch> {
        let now = self.shared.now;
        let run_id = self.shared.random.uuid7(now);
        let parent = self.runs.get(&parent)?;
        let (root_workflow, root_run) = parent.root();
        let cron = Cron::parse(&initiated.cron_schedule)
            .ok()
            .filter(|_| !initiated.cron_schedule.is_empty());
        let backoff = cron
            .as_ref()
            .and_then(|cron| cron.backoff(now, now))
            .unwrap_or_default();
        let initiator = if cron.is_some() {
            ContinueAsNewInitiator::CronSchedule
        } else {
            ContinueAsNewInitiator::Unspecified
        };
        let started = h::WorkflowExecutionStartedEventAttributes {
            workflow_type: initiated.workflow_type.clone(),
            parent_workflow_namespace: self.shared.namespaces.name(parent.namespace),
            parent_workflow_namespace_id: parent.namespace.text(),
            parent_workflow_execution: Some(parent.execution()),
            parent_initiated_event_id: initiated_id,
            root_workflow_execution: Some(WorkflowExecution {
                workflow_id: root_workflow,
                run_id: root_run,
            }),
            task_queue: initiated.task_queue.clone(),
            input: initiated.input.clone(),
            workflow_execution_timeout: initiated.workflow_execution_timeout,
            workflow_run_timeout: initiated.workflow_run_timeout,
            workflow_task_timeout: initiated.workflow_task_timeout,
            workflow_execution_expiration_time: initiated
                .workflow_execution_timeout
                .as_ref()
                .map(|timeout| (now + duration(Some(timeout))).to_proto()),
            initiator: initiator as i32,
            original_execution_run_id: run_id.to_string(),
            first_execution_run_id: run_id.to_string(),
            retry_policy: initiated.retry_policy.clone(),
            attempt: 1,
            cron_schedule: initiated.cron_schedule.clone(),
            first_workflow_task_backoff: Some(to_proto(backoff)),
            memo: initiated.memo.clone(),
            search_attributes: initiated.search_attributes.clone(),
            header: initiated.header.clone(),
            priority: initiated
                .priority
                .clone()
                .or_else(|| parent.priority.as_deref().cloned()),
            ..h::WorkflowExecutionStartedEventAttributes::default()
        };
        Some(Launch {
            namespace,
            workflow_id: initiated.workflow_id.clone(),
            run_id,
            started,
            extras,
            request_id: self.shared.random.uuid4().to_string(),
            signal: None,
            unattended: false,
            updates: BTreeMap::new(),
        })
    }

    /// Tells the parent of a closed run, unless another run of the same workflow follows, be it after a reset.
    pub(super) fn tell_parent(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        let last = run.next_run_id.is_none() && run.reset_to.is_none();
        let Some(parent) = run.parent.as_deref().filter(|_| last).cloned() else {
            return;
        };
        let Some(closing) = run.history.event(run.close_event_id).and_then(|event| event.attributes) else {
            return;
        };
        let result = ChildResult {
            namespace: run.namespace,
            execution: run.execution(),
            closing,
        };
        let first_run = run.first_run_id.clone();
        let Some(parent_key) = self.after_resets(parent.run_id) else {
            return;
        };
        self.turn(parent_key, |turn| {
            turn.child_closed(parent.initiated_id, &first_run, result);
        });
    }

    /// Does with the children of a closed run what their parent close policies say.
    pub(super) fn close_children(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        let parent = run.execution();
        // Children that the run shares with the one it was reset to go on under that one.
        let heir = run
            .reset_to
            .and_then(|run_id| self.shared.index.by_run_id(run_id))
            .and_then(|key| self.runs.get(&key));
        let inherited = |id: &i64, child: &Child| {
            let same = heir.and_then(|heir| heir.children.get(id));
            same.is_some_and(|it| it.workflow_id == child.workflow_id && it.run_id == child.run_id)
        };
        let own = run.children.iter().filter(|(id, child)| !inherited(id, child));
        let children: Vec<Child> = own.map(|(_, child)| (**child).clone()).collect();
        for child in children {
            let Some(first_run) = child.run_id else { continue };
            let Some(current) = self.shared.index.current(child.namespace, &child.workflow_id) else {
                continue;
            };
            let same = self
                .runs
                .get(&current)
                .is_some_and(|run| run.is_open() && run.first_run_id == first_run.to_string());
            if !same {
                continue;
            }
            match child.policy {
                ParentClosePolicy::Terminate | ParentClosePolicy::Unspecified => {
                    self.turn(current, |turn| {
                        turn.terminate_run("by parent close policy", None, SERVER_IDENTITY, Extras::default());
                    });
                }
                ParentClosePolicy::RequestCancel => {
                    let attributes = h::WorkflowExecutionCancelRequestedEventAttributes {
                        external_workflow_execution: Some(parent.clone()),
                        identity: SERVER_IDENTITY.to_owned(),
                        ..h::WorkflowExecutionCancelRequestedEventAttributes::default()
                    };
                    self.turn(current, |turn| turn.request_cancel(attributes, Extras::default()));
                }
                ParentClosePolicy::Abandon => {}
            }
        }
    }
}

impl Turn<'_> {
    fn child_closed(&mut self, initiated_event_id: i64, first_run: &str, result: ChildResult) {
        let Some(child) = self.children.get(&initiated_event_id).filter(|_| self.is_open()) else {
            return;
        };
        if child.run_id.is_none_or(|run_id| run_id.to_string() != first_run) {
            return;
        }
        let started_event_id = child.started_id;
        let namespace = self.shared.namespaces.name(result.namespace);
        let namespace_id = result.namespace.text();
        let workflow_execution = Some(result.execution);
        // The type that was asked for, whatever the child continued as.
        let workflow_type = Some(WorkflowType {
            name: child.workflow_type.clone(),
        });
        let attributes = match result.closing {
            Attributes::WorkflowExecutionCompletedEventAttributes(it) => {
                Attributes::ChildWorkflowExecutionCompletedEventAttributes(
                    h::ChildWorkflowExecutionCompletedEventAttributes {
                        result: it.result,
                        namespace,
                        namespace_id,
                        workflow_execution,
                        workflow_type,
                        initiated_event_id,
                        started_event_id,
                    },
                )
            }
            Attributes::WorkflowExecutionFailedEventAttributes(it) => {
                Attributes::ChildWorkflowExecutionFailedEventAttributes(
                    h::ChildWorkflowExecutionFailedEventAttributes {
                        failure: it.failure,
                        namespace,
                        namespace_id,
                        workflow_execution,
                        workflow_type,
                        initiated_event_id,
                        started_event_id,
                        retry_state: it.retry_state,
                    },
                )
            }
            Attributes::WorkflowExecutionCanceledEventAttributes(it) => {
                Attributes::ChildWorkflowExecutionCanceledEventAttributes(
                    h::ChildWorkflowExecutionCanceledEventAttributes {
                        details: it.details,
                        namespace,
                        namespace_id,
                        workflow_execution,
                        workflow_type,
                        initiated_event_id,
                        started_event_id,
                    },
                )
            }
            Attributes::WorkflowExecutionTimedOutEventAttributes(it) => {
                Attributes::ChildWorkflowExecutionTimedOutEventAttributes(
                    h::ChildWorkflowExecutionTimedOutEventAttributes {
                        namespace,
                        namespace_id,
                        workflow_execution,
                        workflow_type,
                        initiated_event_id,
                        started_event_id,
                        retry_state: it.retry_state,
                    },
                )
            }
            _ => Attributes::ChildWorkflowExecutionTerminatedEventAttributes(
                h::ChildWorkflowExecutionTerminatedEventAttributes {
                    namespace,
                    namespace_id,
                    workflow_execution,
                    workflow_type,
                    initiated_event_id,
                    started_event_id,
                },
            ),
        };
        self.arrive(attributes);
    }
}
