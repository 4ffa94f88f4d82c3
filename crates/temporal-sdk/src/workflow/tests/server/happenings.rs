//! What a test says happened, as events.

use super::{Server, cancelled, payload, payloads};
use temporal_client::data::ToPayload;
use temporal_protos::api::common::v1::{ActivityType, WorkflowExecution};
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::*;
use temporal_protos::api::update::v1::{Input, Meta, Request};

impl Server {
    pub(in crate::workflow::tests) fn signal<T: ToPayload>(&mut self, name: &str, value: &T) {
        self.event(Attributes::WorkflowExecutionSignaledEventAttributes(
            WorkflowExecutionSignaledEventAttributes {
                signal_name: name.to_owned(),
                input: payloads(value),
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn update<T: ToPayload>(&mut self, id: &str, name: &str, value: &T) {
        self.updates.push_back(Request {
            meta: Some(Meta {
                update_id: id.to_owned(),
                ..Meta::default()
            }),
            input: Some(Input {
                name: name.to_owned(),
                args: payloads(value),
                ..Input::default()
            }),
            ..Request::default()
        });
    }

    pub(in crate::workflow::tests) fn cancel(&mut self) {
        self.event(Attributes::WorkflowExecutionCancelRequestedEventAttributes(
            Default::default(),
        ));
    }

    pub(super) fn find(&self, wanted: impl Fn(&Attributes) -> bool) -> i64 {
        let found = self
            .events
            .iter()
            .rev()
            .find(|event| event.attributes.as_ref().is_some_and(&wanted));
        found.expect("no such event").event_id
    }

    fn scheduled(&self, id: &str) -> i64 {
        self.find(|attributes| matches!(attributes, Attributes::ActivityTaskScheduledEventAttributes(a) if a.activity_id == id))
    }

    /// An activity that history holds though the workflow's code did not ask for it.
    pub(in crate::workflow::tests) fn activity_scheduled(&mut self, id: &str) {
        self.event(Attributes::ActivityTaskScheduledEventAttributes(
            ActivityTaskScheduledEventAttributes {
                activity_id: id.to_owned(),
                activity_type: Some(ActivityType { name: "act".to_owned() }),
                workflow_task_completed_event_id: 4,
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn complete_activity<T: ToPayload>(&mut self, id: &str, value: &T) {
        let scheduled_event_id = self.scheduled(id);
        let started_event_id = self.event(Attributes::ActivityTaskStartedEventAttributes(
            ActivityTaskStartedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ));
        self.event(Attributes::ActivityTaskCompletedEventAttributes(
            ActivityTaskCompletedEventAttributes {
                result: payloads(value),
                scheduled_event_id,
                started_event_id,
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn fail_activity(&mut self, id: &str, cause: Failure) {
        let scheduled_event_id = self.scheduled(id);
        let started_event_id = self.event(Attributes::ActivityTaskStartedEventAttributes(
            ActivityTaskStartedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ));
        self.event(Attributes::ActivityTaskFailedEventAttributes(
            ActivityTaskFailedEventAttributes {
                failure: Some(cause),
                scheduled_event_id,
                started_event_id,
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn cancel_activity(&mut self, id: &str) {
        let scheduled_event_id = self.scheduled(id);
        self.event(Attributes::ActivityTaskCanceledEventAttributes(
            ActivityTaskCanceledEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn fire_timer(&mut self, id: &str) {
        let started_event_id = self
            .find(|attributes| matches!(attributes, Attributes::TimerStartedEventAttributes(a) if a.timer_id == id));
        self.event(Attributes::TimerFiredEventAttributes(TimerFiredEventAttributes {
            timer_id: id.to_owned(),
            started_event_id,
        }));
    }

    fn initiated(&self, id: &str) -> (i64, StartChildWorkflowExecutionInitiatedEventAttributes) {
        let found = self.events.iter().rev().find_map(|event| match &event.attributes {
            Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(a)) if a.workflow_id == id => {
                Some((event.event_id, a.clone()))
            }
            _ => None,
        });
        found.expect("no such child")
    }

    pub(in crate::workflow::tests) fn start_child(&mut self, id: &str) {
        let (initiated_event_id, initiated) = self.initiated(id);
        self.event(Attributes::ChildWorkflowExecutionStartedEventAttributes(
            ChildWorkflowExecutionStartedEventAttributes {
                initiated_event_id,
                workflow_execution: Some(execution(id)),
                workflow_type: initiated.workflow_type,
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn refuse_child(&mut self, id: &str) {
        let (initiated_event_id, initiated) = self.initiated(id);
        self.event(Attributes::StartChildWorkflowExecutionFailedEventAttributes(
            StartChildWorkflowExecutionFailedEventAttributes {
                initiated_event_id,
                workflow_id: id.to_owned(),
                workflow_type: initiated.workflow_type,
                cause: 1,
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn complete_child<T: ToPayload>(&mut self, id: &str, value: &T) {
        let (initiated_event_id, initiated) = self.initiated(id);
        self.event(Attributes::ChildWorkflowExecutionCompletedEventAttributes(
            ChildWorkflowExecutionCompletedEventAttributes {
                result: payloads(value),
                initiated_event_id,
                workflow_execution: Some(execution(id)),
                workflow_type: initiated.workflow_type,
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn cancel_child(&mut self, id: &str) {
        let (initiated_event_id, initiated) = self.initiated(id);
        self.event(Attributes::ChildWorkflowExecutionCanceledEventAttributes(
            ChildWorkflowExecutionCanceledEventAttributes {
                initiated_event_id,
                workflow_execution: Some(execution(id)),
                workflow_type: initiated.workflow_type,
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn deliver_signal(&mut self) {
        let initiated_event_id = self.find(|attributes| {
            matches!(
                attributes,
                Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
            )
        });
        self.event(Attributes::ExternalWorkflowExecutionSignaledEventAttributes(
            ExternalWorkflowExecutionSignaledEventAttributes {
                initiated_event_id,
                ..Default::default()
            },
        ));
    }

    fn nexus_scheduled(&self) -> i64 {
        self.find(|attributes| matches!(attributes, Attributes::NexusOperationScheduledEventAttributes(_)))
    }

    pub(in crate::workflow::tests) fn start_nexus(&mut self) {
        let scheduled_event_id = self.nexus_scheduled();
        self.event(Attributes::NexusOperationStartedEventAttributes(
            NexusOperationStartedEventAttributes {
                scheduled_event_id,
                operation_token: "token".to_owned(),
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn complete_nexus<T: ToPayload>(&mut self, value: &T) {
        let scheduled_event_id = self.nexus_scheduled();
        self.event(Attributes::NexusOperationCompletedEventAttributes(
            NexusOperationCompletedEventAttributes {
                scheduled_event_id,
                result: Some(payload(value)),
                ..Default::default()
            },
        ));
    }

    pub(in crate::workflow::tests) fn cancel_nexus(&mut self) {
        let scheduled_event_id = self.nexus_scheduled();
        self.event(Attributes::NexusOperationCanceledEventAttributes(
            NexusOperationCanceledEventAttributes {
                scheduled_event_id,
                failure: Some(cancelled()),
                ..Default::default()
            },
        ));
    }
}

fn execution(workflow_id: &str) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: format!("{workflow_id}-run"),
    }
}
