//! A run begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use temporal_protos::api::enums::v1::EventType;
use temporal_protos::api::history::v1 as h;
use uuid::Uuid;

use super::core::Engine;
use super::events::Attributes;
use super::namespace::NamespaceId;
use super::run::{Extras, Run};
use super::state::{Record, RunKey, State};
use super::update::LiveUpdate;

/// All that a new run needs.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) namespace: NamespaceId,
    pub(super) workflow_id: String,
    pub(super) run_id: Uuid,
    pub(super) started: h::WorkflowExecutionStartedEventAttributes,
    pub(super) extras: Extras,
    /// The request that asked for it, if one did.
    pub(super) request_id: String,
    /// A signal that comes with it.
    pub(super) signal: Option<(h::WorkflowExecutionSignaledEventAttributes, Extras)>,
    /// Nobody worked on its predecessor, which timed out.
    pub(super) unattended: bool,
    /// Updates that its predecessor did not get to.
    pub(super) updates: BTreeMap<String, LiveUpdate>,
}

impl Engine {
    /// Begins a run whose predecessor chose its id.
    pub(super) fn launch(&mut self, launch: Launch) {
        self.begin_run(launch);
    }

    /// Begins a run: its started event and, unless it is held back, its first workflow task.
    pub(super) fn begin_run(&mut self, mut launch: Launch) -> RunKey {
        let key = RunKey(self.shared.number());
        let workflow_id: Arc<str> = launch.workflow_id.into();
        launch.started.workflow_id = workflow_id.to_string();
        let state = State::new(key, launch.namespace, workflow_id, launch.run_id);
        let mut run = Run::new(state);
        run.live.unattended = launch.unattended;
        self.runs.insert(key, run);
        self.turn(key, |turn| {
            turn.event_with(
                Attributes::WorkflowExecutionStartedEventAttributes(launch.started),
                launch.extras,
            );
            if !launch.request_id.is_empty() {
                let event_type = EventType::WorkflowExecutionStarted as i32;
                turn.record(Record::RequestId {
                    id: launch.request_id,
                    event_type,
                    event_id: 1,
                });
            }
            if let Some((signal, extras)) = launch.signal {
                turn.event_with(Attributes::WorkflowExecutionSignaledEventAttributes(signal), extras);
            }
            turn.want_task();
            turn.inherit_updates(launch.updates);
        });
        if let Some(run) = self.runs.get(&key) {
            self.shared.index.insert(run);
        }
        key
    }
}
