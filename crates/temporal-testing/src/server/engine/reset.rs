//! Resetting a run: another run takes over from one of its workflow tasks.

use std::sync::Arc;

use temporal_protos::api::enums::v1::{
    EventType, ResetReapplyExcludeType, ResetReapplyType, UpdateAdmittedEventOrigin, WorkflowExecutionStatus,
    WorkflowTaskFailedCause,
};
use temporal_protos::api::failure::v1::{Failure, ResetWorkflowFailureInfo, failure::FailureInfo};
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::update::v1::Request;
use temporal_protos::api::workflow::v1::post_reset_operation::Variant as PostReset;
use temporal_protos::api::workflowservice::v1 as wf;
use uuid::Uuid;

use super::core::{Effect, Engine};
use super::events::Attributes;
use super::run::{Extras, Run, Turn};
use super::state::{ActivityChange, External, Record, RunKey, State};
use super::status::Status;
use super::workflow_task::SERVER_IDENTITY;

/// The identity under which the old run ends.
const RESETTER: &str = "history-resetter";

/// The request id of a task that the reset starts itself.
const NO_REQUEST: &str = "emptyUuid";

/// What of the old run's later events is told to the new one.
#[derive(Clone, Copy, Debug)]
struct Reapply {
    signals: bool,
    updates: bool,
    nexus: bool,
}

impl Engine {
    pub(super) fn reset_workflow_execution(
        &mut self,
        request: wf::ResetWorkflowExecutionRequest,
    ) -> Result<wf::ResetWorkflowExecutionResponse, Status> {
        if request.request_id.is_empty() {
            return Err(Status::invalid_argument("RequestId is not set on request."));
        }
        if let Some(operation) = request.post_reset_operations.first() {
            return Err(match operation.variant {
                Some(PostReset::SignalWorkflow(_)) => Status::invalid_argument(
                    "unsupported post reset operation: *workflow.PostResetOperation_SignalWorkflow_",
                ),
                Some(PostReset::UpdateWorkflowOptions(_)) => {
                    Status::unimplemented("a change of options after a reset is not served")
                }
                None => Status::invalid_argument("unsupported post reset operation: <nil>"),
            });
        }
        let base = self.find_run(&request.namespace, request.workflow_execution.as_ref())?;
        let run = self
            .runs
            .get(&base)
            .ok_or_else(|| Status::not_found("workflow not found"))?;
        let current = self.shared.index.current(run.namespace, &run.workflow_id);
        if let Some(current) = current.and_then(|key| self.runs.get(&key))
            && current.reset_at.is_some()
            && current.request_ids.contains_key(&request.request_id)
        {
            return Ok(wf::ResetWorkflowExecutionResponse {
                run_id: current.run_id.to_string(),
            });
        }
        let last = check_point(run, request.workflow_task_finish_event_id)?;
        let reapply = reapply(&request);
        let admitted = admitted(run.history.events(1, last));
        let new_run_id = self.shared.random.uuid4();
        let key = self.copy_run(base, last, new_run_id)?;
        if let Some(current) = current {
            self.turn(current, |turn| {
                if turn.is_open() {
                    // It may have continued the base as new: whoever waits for its end waits for the new run's.
                    turn.record(Record::ResetTo(new_run_id));
                    turn.terminate_run(&request.reason, None, RESETTER, Extras::default());
                }
            });
        }
        self.turn(base, |turn| turn.record(Record::ResetTo(new_run_id)));
        // What the end of the old run released is among it.
        let later = self.events_since(base, last);
        let base_run_id = self
            .runs
            .get(&base)
            .map(|run| run.run_id.to_string())
            .unwrap_or_default();
        self.turn(key, |turn| {
            if !turn.is_open() {
                // What it shares with the base is too long already.
                return;
            }
            turn.begin_after_reset(&base_run_id, &request.reason);
            for update in admitted {
                turn.admit_again(update);
            }
            for event in later {
                turn.reapply(event, reapply);
            }
            turn.resume_operations();
            let event_type = EventType::WorkflowExecutionStarted as i32;
            turn.record(Record::RequestId {
                id: request.request_id,
                event_type,
                event_id: 1,
            });
            turn.want_task();
        });
        if let Some(run) = self.runs.get(&key) {
            self.shared.index.insert(run);
        }
        Ok(wf::ResetWorkflowExecutionResponse {
            run_id: new_run_id.to_string(),
        })
    }

    /// A run with the first events of another.
    fn copy_run(&mut self, base: RunKey, last: i64, run_id: Uuid) -> Result<RunKey, Status> {
        let key = RunKey(self.shared.number());
        let run = self
            .runs
            .get(&base)
            .ok_or_else(|| Status::not_found("workflow not found"))?;
        let workflow_id: Arc<str> = run.workflow_id.clone();
        let batches: Vec<Vec<h::HistoryEvent>> = run.history.batches(last);
        let state = State::new(key, run.namespace, workflow_id, run_id);
        self.runs.insert(key, Run::new(state));
        self.turn(key, |turn| {
            for (index, batch) in batches.into_iter().enumerate() {
                if index > 0 {
                    turn.record(Record::EndBatch);
                }
                for event in batch {
                    turn.record(Record::Event {
                        event: Box::new(event),
                        held: false,
                    });
                }
            }
        });
        Ok(key)
    }

    /// The events of a run after `last`, and those of the runs that continued it as new.
    fn events_since(&self, run: RunKey, last: i64) -> Vec<h::HistoryEvent> {
        let (mut key, mut last, mut events) = (run, last, Vec::new());
        while let Some(run) = self.runs.get(&key) {
            events.extend(run.history.events(last + 1, run.history.len()));
            last = 0;
            let next = run
                .next_run_id
                .filter(|_| run.status == WorkflowExecutionStatus::ContinuedAsNew)
                .and_then(|run_id| self.shared.index.by_run_id(run_id));
            let Some(next) = next else { break };
            key = next;
        }
        events
    }

    /// The run that a parent's child reports to: resets are followed.
    pub(super) fn after_resets(&self, run_id: Uuid) -> Option<RunKey> {
        let mut key = self.shared.index.by_run_id(run_id)?;
        for _ in 0..1_000 {
            let Some(next) = self.runs.get(&key).and_then(|run| run.reset_to) else {
                break;
            };
            key = self.shared.index.by_run_id(next)?;
        }
        Some(key)
    }
}

/// The last event that the new run keeps.
fn check_point(run: &Run, finish: i64) -> Result<i64, Status> {
    if finish <= 1 || finish > run.history.len() {
        return Err(Status::invalid_argument(
            "Workflow task finish ID must be > 1 && <= workflow last event ID.",
        ));
    }
    let last = finish - 1;
    if run.history.page_end(last, 1) != last {
        return Err(Status::invalid_argument(format!(
            "StateRebuilder unable to Rebuild mutable state to event ID: {last}, version: 0, this event must be at the boundary"
        )));
    }
    let kind = run.history.event(last).and_then(|event| event.attributes);
    match kind {
        Some(
            Attributes::WorkflowTaskScheduledEventAttributes(_) | Attributes::WorkflowTaskStartedEventAttributes(_),
        ) => Ok(last),
        _ => Err(Status::invalid_argument(format!(
            "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: {finish}"
        ))),
    }
}

/// Updates that were admitted by an event and neither accepted in these events nor finished.
fn admitted(events: impl Iterator<Item = h::HistoryEvent>) -> Vec<Request> {
    let mut admitted: Vec<Request> = Vec::new();
    for event in events {
        match event.attributes {
            Some(Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(it)) => admitted.extend(it.request),
            Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(it)) => {
                let id = it.protocol_instance_id;
                admitted.retain(|request| request.meta.as_ref().is_none_or(|meta| meta.update_id != id));
            }
            _ => {}
        }
    }
    admitted
}

fn reapply(request: &wf::ResetWorkflowExecutionRequest) -> Reapply {
    let excluded = |kind: ResetReapplyExcludeType| request.reset_reapply_exclude_types.contains(&(kind as i32));
    let old = ResetReapplyType::try_from(request.reset_reapply_type).unwrap_or(ResetReapplyType::Unspecified);
    Reapply {
        signals: old != ResetReapplyType::None && !excluded(ResetReapplyExcludeType::Signal),
        updates: !matches!(old, ResetReapplyType::None | ResetReapplyType::Signal)
            && !excluded(ResetReapplyExcludeType::Update),
        nexus: !excluded(ResetReapplyExcludeType::Nexus),
    }
}

impl Turn<'_> {
    /// The copied run goes on by itself: its task fails, its activities begin anew.
    fn begin_after_reset(&mut self, base_run_id: &str, reason: &str) {
        let now = self.shared.now;
        self.record(Record::ResetAt(now));
        if self.started_task().is_none() {
            let size = self.history.committed_size();
            self.start_task_for(SERVER_IDENTITY, None, NO_REQUEST.to_owned(), size);
        }
        let (scheduled_event_id, started_event_id) = self
            .started_task()
            .map_or((0, 0), |(task, started)| (task.scheduled_id, started.event_id));
        let failure = Failure {
            message: reason.to_owned(),
            failure_info: Some(FailureInfo::ResetWorkflowFailureInfo(
                ResetWorkflowFailureInfo::default(),
            )),
            ..Failure::default()
        };
        let new_run_id = self.run_id.to_string();
        self.event(Attributes::WorkflowTaskFailedEventAttributes(
            h::WorkflowTaskFailedEventAttributes {
                scheduled_event_id,
                started_event_id,
                cause: WorkflowTaskFailedCause::ResetWorkflow as i32,
                failure: Some(failure),
                identity: SERVER_IDENTITY.to_owned(),
                base_run_id: base_run_id.to_owned(),
                new_run_id,
                ..h::WorkflowTaskFailedEventAttributes::default()
            },
        ));
        self.record(Record::NextAttempt(1));
        for id in self.activities.keys().copied().collect::<Vec<_>>() {
            self.change_activity(id, ActivityChange::Anew { at: now });
        }
    }

    /// What is still pending in the copied run goes on.
    fn resume_operations(&mut self) {
        for id in self.nexus.keys().copied().collect::<Vec<_>>() {
            self.resume_nexus_operation(id);
        }
        let key = self.key;
        let starting: Vec<i64> = self
            .children
            .iter()
            .filter(|(_, child)| child.run_id.is_none())
            .map(|(id, _)| *id)
            .collect();
        let externals: Vec<(i64, External)> = self.externals.iter().map(|(id, kind)| (*id, *kind)).collect();
        let effects = &mut self.shared.effects;
        effects.extend(starting.into_iter().map(|id| Effect::StartChild(key, id)));
        effects.extend(externals.into_iter().map(|(id, kind)| match kind {
            External::Signal => Effect::SignalExternal(key, id),
            External::Cancel => Effect::CancelExternal(key, id),
        }));
    }

    /// Tells the run what came to its predecessor after the point of the reset.
    fn reapply(&mut self, event: h::HistoryEvent, what: Reapply) {
        match event.attributes {
            Some(Attributes::WorkflowExecutionSignaledEventAttributes(it)) if what.signals => {
                let extras = Extras {
                    links: event.links,
                    ..Extras::default()
                };
                self.event_with(Attributes::WorkflowExecutionSignaledEventAttributes(it), extras);
            }
            Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(it)) if what.updates => {
                // What has no request here has an admitted event.
                if let Some(request) = it.accepted_request {
                    self.readmit_update(request);
                }
            }
            Some(Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(it)) if what.updates => {
                self.readmit_update(it.request.unwrap_or_default());
            }
            Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(it)) => {
                let extras = Extras {
                    links: event.links,
                    worker_may_ignore: event.worker_may_ignore,
                    ..Extras::default()
                };
                let attributes = Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(it);
                self.event_with(attributes, extras);
            }
            Some(attributes) if what.nexus && self.is_news_of_nexus(&attributes) => {
                let extras = Extras {
                    links: event.links,
                    ..Extras::default()
                };
                self.event_with(attributes, extras);
            }
            Some(attributes) => self.reapply_to_child(attributes),
            None => {}
        }
    }

    /// Whether an event says that a pending Nexus operation began or ended.
    fn is_news_of_nexus(&self, attributes: &Attributes) -> bool {
        use Attributes::*;
        let (id, request_id) = match attributes {
            NexusOperationStartedEventAttributes(it) => (it.scheduled_event_id, &it.request_id),
            NexusOperationCompletedEventAttributes(it) => (it.scheduled_event_id, &it.request_id),
            NexusOperationFailedEventAttributes(it) => (it.scheduled_event_id, &it.request_id),
            NexusOperationCanceledEventAttributes(it) => (it.scheduled_event_id, &it.request_id),
            NexusOperationTimedOutEventAttributes(it) => (it.scheduled_event_id, &it.request_id),
            _ => return false,
        };
        // Runs that continued the base as new have operations of the same numbers.
        self.nexus.get(&id).is_some_and(|it| it.request_id == *request_id)
    }

    /// What became of a child that the new run has, too. As on the real server the number alone tells the child, though a run
    /// that continued the base as new may have another one of that number.
    fn reapply_to_child(&mut self, mut attributes: Attributes) {
        use Attributes::*;
        let (initiated_event_id, started) = match &mut attributes {
            StartChildWorkflowExecutionFailedEventAttributes(it) => (it.initiated_event_id, None),
            ChildWorkflowExecutionStartedEventAttributes(it) => (it.initiated_event_id, None),
            ChildWorkflowExecutionCompletedEventAttributes(it) => {
                (it.initiated_event_id, Some(&mut it.started_event_id))
            }
            ChildWorkflowExecutionFailedEventAttributes(it) => (it.initiated_event_id, Some(&mut it.started_event_id)),
            ChildWorkflowExecutionCanceledEventAttributes(it) => {
                (it.initiated_event_id, Some(&mut it.started_event_id))
            }
            ChildWorkflowExecutionTimedOutEventAttributes(it) => {
                (it.initiated_event_id, Some(&mut it.started_event_id))
            }
            ChildWorkflowExecutionTerminatedEventAttributes(it) => {
                (it.initiated_event_id, Some(&mut it.started_event_id))
            }
            _ => return,
        };
        let Some(child) = self.children.get(&initiated_event_id) else {
            return;
        };
        match started {
            // Its start was an event of another number, perhaps.
            Some(started_event_id) => *started_event_id = child.started_id,
            None if child.run_id.is_some() => return,
            None => {}
        }
        self.event(attributes);
    }

    fn readmit_update(&mut self, request: Request) {
        self.event(Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(
            h::WorkflowExecutionUpdateAdmittedEventAttributes {
                request: Some(request.clone()),
                origin: UpdateAdmittedEventOrigin::Reapply as i32,
            },
        ));
        self.admit_again(request);
    }
}
