//! Updates: admitted, sent with a workflow task, accepted or rejected, completed.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::common::v1::{Link, WorkflowExecution, link};
use temporal_protos::api::enums::v1::{
    EventType, UpdateWorkflowExecutionLifecycleStage as Lifecycle, WorkflowTaskFailedCause as Cause,
};
use temporal_protos::api::errordetails::v1::{PermissionDeniedFailure, WorkflowNotReadyFailure};
use temporal_protos::api::failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo};
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::protocol::v1::{Message, message::SequencingId};
use temporal_protos::api::update::v1 as up;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::Message as _;
use temporal_protos::prost_types::Any;

use super::calls::{Answer, Call, CallId, Waiting};
use super::commands::Refusal;
use super::core::Engine;
use super::events::Attributes;
use super::limits::Limits;
use super::multi_operation::WithStart;
use super::rpc::Response;
use super::run::Turn;
use super::state::{Record, RunKey, TaskKind, UpdateStage};
use super::status::{Code, Status};
use super::time::Time;

/// How long a call waits for its stage before it reports how far the update is.
const LONG_POLL: Duration = Duration::from_secs(20);
/// A speculative task with more events than this is not discarded.
const DISCARDED_EVENTS: i64 = 10;

const REQUEST: &str = "type.googleapis.com/temporal.api.update.v1.Request";
const ACCEPTANCE: &str = "temporal.api.update.v1.Acceptance";
const REJECTION: &str = "temporal.api.update.v1.Rejection";
const RESPONSE: &str = "temporal.api.update.v1.Response";

/// How far an update is that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Admitted,
    /// It went out with the workflow task started behind this event.
    Sent(i64),
    Accepted,
}

/// An update that is not done.
#[derive(Debug)]
pub(super) struct LiveUpdate {
    /// Its place among the updates of the run.
    number: u64,
    request: up::Request,
    /// A reset told it again by an event: the worker needs no message.
    in_history: bool,
    stage: Stage,
    pub(super) waiters: Vec<Waiter>,
}

/// A call that waits for a stage of an update.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) call: CallId,
    wanted: Lifecycle,
    kind: WaiterKind,
    patience: Patience,
}

/// How long a call waits for its stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    until: Time,
    /// Its caller gives up then; otherwise it is told how far the update is, and asks again.
    given_up: bool,
}

impl Patience {
    fn new(call: Call, real_now: Time) -> Self {
        let until = real_now + LONG_POLL;
        match call.deadline.filter(|deadline| *deadline < until) {
            Some(deadline) => Patience {
                until: deadline,
                given_up: true,
            },
            None => Patience { until, given_up: false },
        }
    }
}

/// Which call it is.
#[derive(Debug)]
pub(super) enum WaiterKind {
    Update,
    Poll,
    /// With the start that the update came with.
    WithStart(Box<WithStart>),
}

/// How far an update is, as callers are told.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for one call")]
enum Progress {
    At(Lifecycle),
    Done(up::Outcome, Ended),
}

/// How an update got its outcome, which decides what its link names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Completed,
    Rejected,
}

/// What a worker says about an update.
#[expect(clippy::large_enum_variant, reason = "it lives for one call")]
enum Body {
    Acceptance(up::Acceptance),
    Rejection(up::Rejection),
    Response(up::Response),
}

fn body_type(message: &Message) -> Option<&str> {
    message.body.as_ref().and_then(|body| body.type_url.rsplit('/').next())
}

/// Whether a message of a worker leaves an event.
pub(super) fn message_writes_event(message: &Message) -> bool {
    matches!(body_type(message), Some(ACCEPTANCE | RESPONSE))
}

fn decode(message: &Message) -> Result<Body, Refusal> {
    let Some(body) = &message.body else {
        return Err(Refusal::Call(Status::invalid_argument("nil message body")));
    };
    let bad = |text: String| Refusal::Task(Cause::BadUpdateWorkflowExecutionMessage, text);
    let unreadable = |_| bad(format!("Message {} cannot be decoded", message.id));
    match body_type(message).unwrap_or_default() {
        ACCEPTANCE => up::Acceptance::decode(&body.value[..])
            .map(Body::Acceptance)
            .map_err(unreadable),
        REJECTION => up::Rejection::decode(&body.value[..])
            .map(Body::Rejection)
            .map_err(unreadable),
        RESPONSE => up::Response::decode(&body.value[..])
            .map(Body::Response)
            .map_err(unreadable),
        other => {
            let name = other.rsplit('.').next().unwrap_or_default();
            Err(bad(format!("Message type *update.{name} not supported")))
        }
    }
}

fn server_failure(kind: &str, message: &str) -> up::Outcome {
    let failure = Failure {
        message: message.to_owned(),
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: kind.to_owned(),
            non_retryable: true,
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    };
    up::Outcome {
        value: Some(up::outcome::Value::Failure(failure)),
    }
}

fn closed_before_done() -> up::Outcome {
    let text = "Workflow Update failed because the Workflow completed before the Update completed.";
    server_failure("AcceptedUpdateCompletedWorkflow", text)
}

impl Engine {
    pub(super) fn update_workflow_execution(
        &mut self,
        call: Call,
        request: wf::UpdateWorkflowExecutionRequest,
    ) -> Result<(), Status> {
        let wanted = check_update(&self.shared.config.limits, &request)?;
        let key = self.find_run(&request.namespace, request.workflow_execution.as_ref())?;
        self.check_first_run(key, &request.first_execution_run_id)?;
        self.admit_update(
            call,
            key,
            request.request.unwrap_or_default(),
            wanted,
            WaiterKind::Update,
        )
    }

    /// Lets an update in, or joins the one of the same id.
    pub(super) fn admit_update(
        &mut self,
        call: Call,
        key: RunKey,
        mut request: up::Request,
        wanted: Lifecycle,
        kind: WaiterKind,
    ) -> Result<(), Status> {
        let meta = request.meta.get_or_insert_default();
        if meta.update_id.is_empty() {
            meta.update_id = self.shared.random.uuid4().to_string();
        }
        let id = meta.update_id.clone();
        let patience = Patience::new(call, self.shared.real_now);
        let number = self.shared.number();
        self.turn(key, |turn| {
            let known = turn.run.live.updates.contains_key(&id) || turn.updates.contains_key(&id);
            if !known {
                turn.check_new_update()?;
                let update = LiveUpdate {
                    number,
                    request,
                    in_history: false,
                    stage: Stage::Admitted,
                    waiters: Vec::new(),
                };
                turn.run.live.updates.insert(id.clone(), update);
            }
            turn.wait_for_update(call.id, &id, wanted, kind, patience);
            turn.updates_may_go();
            Ok(())
        })
        .ok_or_else(|| Status::not_found("workflow not found"))?
    }

    pub(super) fn poll_workflow_execution_update(
        &mut self,
        call: Call,
        request: wf::PollWorkflowExecutionUpdateRequest,
    ) -> Result<(), Status> {
        let reference = request.update_ref.unwrap_or_default();
        let execution = reference.workflow_execution.unwrap_or_default();
        if execution.workflow_id.is_empty() {
            return Err(Status::invalid_argument(
                "Can't load workflow execution.  WorkflowId not set.",
            ));
        }
        if !execution.run_id.is_empty() && uuid::Uuid::try_parse(&execution.run_id).is_err() {
            return Err(Status::invalid_argument("RunId is not valid UUID."));
        }
        let key = self.find_run(&request.namespace, Some(&execution))?;
        let wanted = request
            .wait_policy
            .map_or(Lifecycle::Unspecified, |policy| policy.lifecycle_stage());
        let patience = Patience::new(call, self.shared.real_now);
        let id = reference.update_id;
        self.turn(key, |turn| {
            if !turn.run.live.updates.contains_key(&id) && !turn.updates.contains_key(&id) {
                return Err(Status::not_found(format!("update \"{id}\" not found")));
            }
            turn.wait_for_update(call.id, &id, wanted, WaiterKind::Poll, patience);
            Ok(())
        })
        .ok_or_else(|| Status::not_found("workflow not found"))?
    }

    /// A waiting call's time is up: how far the update is.
    pub(super) fn update_so_far(&mut self, key: RunKey, id: &str, call: CallId) -> Answer {
        let gone = || Status::not_found(format!("update \"{id}\" not found"));
        self.turn(key, |turn| {
            let progress = turn.update_progress(id).ok_or_else(gone)?;
            let update = turn.run.live.updates.get_mut(id).ok_or_else(gone)?;
            let at = update
                .waiters
                .iter()
                .position(|waiter| waiter.call == call)
                .ok_or_else(gone)?;
            let waiter = update.waiters.remove(at);
            if waiter.patience.given_up {
                return Err(Status::new(Code::DeadlineExceeded, "context deadline exceeded"));
            }
            Ok(turn.update_answer(id, waiter.kind, progress))
        })
        .unwrap_or_else(|| Err(gone()))
    }

    /// Refuses a request that names another chain of runs.
    pub(super) fn check_first_run(&self, key: RunKey, first_run_id: &str) -> Result<(), Status> {
        let same = self.runs.get(&key).is_some_and(|run| run.first_run_id == first_run_id);
        if first_run_id.is_empty() || same {
            return Ok(());
        }
        Err(Status::not_found("workflow execution not found"))
    }
}

/// Checks an update request; returns the stage it waits for.
pub(super) fn check_update(limits: &Limits, request: &wf::UpdateWorkflowExecutionRequest) -> Result<Lifecycle, Status> {
    let update = request.request.as_ref();
    let meta = update.and_then(|it| it.meta.as_ref());
    let meta = meta.ok_or_else(|| Status::invalid_argument("Update meta is not set on request."))?;
    limits.check_id(&meta.update_id, || "UpdateId length exceeds limit.".to_owned())?;
    let input = update.and_then(|it| it.input.as_ref());
    let input = input.ok_or_else(|| Status::invalid_argument("Update input is not set on request."))?;
    if input.name.is_empty() {
        return Err(Status::invalid_argument("Update name is not set on request."));
    }
    limits.check_blob(input.encoded_len())?;
    match request.wait_policy.as_ref().map_or(
        Lifecycle::Unspecified,
        temporal_protos::api::update::v1::WaitPolicy::lifecycle_stage,
    ) {
        Lifecycle::Admitted => {
            let text = "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.";
            let detail = "temporal.api.errordetails.v1.PermissionDeniedFailure";
            Err(Status::new(Code::PermissionDenied, text).with_detail(detail, &PermissionDeniedFailure::default()))
        }
        Lifecycle::Unspecified | Lifecycle::Accepted => Ok(Lifecycle::Accepted),
        Lifecycle::Completed => Ok(Lifecycle::Completed),
    }
}

impl Turn<'_> {
    fn check_new_update(&self) -> Result<(), Status> {
        if !self.is_open() {
            return Err(Status::not_found("workflow execution already completed"));
        }
        let limits = &self.shared.config.limits;
        if self.run.live.updates.len() >= limits.updates_in_flight {
            let text = format!(
                "limit on number of concurrent in-flight updates has been reached ({})",
                limits.updates_in_flight
            );
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        if self.updates.len() >= limits.updates {
            let text = format!(
                "The limit on the total number of distinct updates in this workflow has been reached ({}).",
                limits.updates
            );
            return Err(Status::new(Code::FailedPrecondition, text));
        }
        Ok(())
    }

    /// How far an update is; `None` when there is none of this id.
    fn update_progress(&self, id: &str) -> Option<Progress> {
        if let Some(update) = self.run.live.updates.get(id) {
            let stage = if update.stage == Stage::Accepted {
                Lifecycle::Accepted
            } else {
                Lifecycle::Admitted
            };
            return Some(Progress::At(stage));
        }
        Some(match &self.updates.get(id)?.stage {
            UpdateStage::Completed(outcome) => Progress::Done((**outcome).clone(), Ended::Completed),
            UpdateStage::Accepted if self.is_open() => Progress::At(Lifecycle::Accepted),
            UpdateStage::Accepted => Progress::Done(closed_before_done(), Ended::Rejected),
        })
    }

    fn wait_for_update(&mut self, call: CallId, id: &str, wanted: Lifecycle, kind: WaiterKind, patience: Patience) {
        let Some(progress) = self.update_progress(id) else {
            return;
        };
        let reached = match &progress {
            Progress::Done(..) => true,
            Progress::At(stage) => *stage >= wanted,
        };
        if reached {
            let answer = self.update_answer(id, kind, progress);
            self.shared.calls.answer(call, Ok(answer));
            return;
        }
        let waiting = Waiting::Update {
            run: self.key,
            update_id: id.to_owned(),
        };
        self.shared.calls.park(call, waiting, Some(patience.until));
        // An accepted update of a history that was copied has no live part yet.
        let number = self.shared.number();
        let update = self
            .run
            .live
            .updates
            .entry(id.to_owned())
            .or_insert_with(|| LiveUpdate {
                number,
                request: up::Request::default(),
                in_history: false,
                stage: Stage::Accepted,
                waiters: Vec::new(),
            });
        update.waiters.push(Waiter {
            call,
            wanted,
            kind,
            patience,
        });
    }

    fn update_answer(&self, id: &str, kind: WaiterKind, progress: Progress) -> Response {
        let update_ref = Some(up::UpdateRef {
            workflow_execution: Some(self.run.execution()),
            update_id: id.to_owned(),
        });
        let (stage, outcome, link) = match progress {
            Progress::At(Lifecycle::Accepted) => (Lifecycle::Accepted, None, Some(self.update_link(id))),
            Progress::At(stage) => (stage, None, None),
            Progress::Done(outcome, ended) => {
                // To the caller a failure looks like a rejection.
                let failed = matches!(outcome.value, Some(up::outcome::Value::Failure(_)));
                let link = if failed || ended == Ended::Rejected {
                    self.rejected_link()
                } else {
                    self.update_link(id)
                };
                (Lifecycle::Completed, Some(outcome), Some(link))
            }
        };
        let response = wf::UpdateWorkflowExecutionResponse {
            update_ref,
            outcome,
            stage: stage as i32,
            link,
        };
        match kind {
            WaiterKind::Update => Response::UpdateWorkflowExecution(response),
            WaiterKind::Poll => Response::PollWorkflowExecutionUpdate(wf::PollWorkflowExecutionUpdateResponse {
                outcome: response.outcome,
                stage: response.stage,
                update_ref: response.update_ref,
            }),
            WaiterKind::WithStart(start) => Response::ExecuteMultiOperation(start.answer(response)),
        }
    }

    fn update_link(&self, id: &str) -> Link {
        let request_id = self
            .run
            .live
            .updates
            .get(id)
            .map(|update| update.request.request_id.clone());
        let reference = link::workflow_event::RequestIdReference {
            request_id: request_id.unwrap_or_default(),
            event_type: EventType::WorkflowExecutionUpdateAccepted as i32,
        };
        let reference = link::workflow_event::Reference::RequestIdRef(reference);
        self.shared.event_link(self.run, reference)
    }

    fn rejected_link(&self) -> Link {
        let WorkflowExecution { workflow_id, run_id } = self.run.execution();
        Link {
            variant: Some(link::Variant::Workflow(link::Workflow {
                namespace: self.shared.namespaces.name(self.namespace),
                workflow_id,
                run_id,
                reason: "Update rejected".to_owned(),
            })),
        }
    }

    /// Whether an update waits for a task that brings it.
    pub(super) fn update_waits(&self) -> bool {
        let mut updates = self.run.live.updates.values();
        updates.any(|update| update.stage == Stage::Admitted)
    }

    /// Updates wait: a workflow task will carry them, a speculative one if none is pending.
    pub(super) fn updates_may_go(&mut self) {
        if !self.update_waits() || !self.is_open() || self.delayed || self.task.is_some() {
            return;
        }
        if self.next_attempt > 1 {
            self.want_task();
            return;
        }
        let task = self.unwritten_task(TaskKind::Speculative, 1);
        self.record(Record::TaskScheduled(Box::new(task)));
        self.leave_dead_sticky_queue();
    }

    /// The updates that the started workflow task takes along.
    pub(super) fn updates_to_send(&mut self) -> Vec<Message> {
        let Some((_, started)) = self.started_task() else {
            return Vec::new();
        };
        let behind = started.event_id - 1;
        let mut sent: Vec<(u64, Message)> = Vec::new();
        for (id, update) in &mut self.run.live.updates {
            if update.stage != Stage::Admitted {
                continue;
            }
            update.stage = Stage::Sent(behind);
            if update.in_history {
                continue;
            }
            let body = Any {
                type_url: REQUEST.to_owned(),
                value: update.request.encode_to_vec(),
            };
            let message = Message {
                id: format!("{id}/request"),
                protocol_instance_id: id.clone(),
                body: Some(body),
                sequencing_id: Some(SequencingId::EventId(behind)),
            };
            sent.push((update.number, message));
        }
        sent.sort_by_key(|(number, _)| *number);
        sent.into_iter().map(|(_, message)| message).collect()
    }

    /// The workflow task that took updates along did not complete: they wait for the next one.
    pub(super) fn updates_not_sent(&mut self) {
        for update in self.run.live.updates.values_mut() {
            if matches!(update.stage, Stage::Sent(_)) {
                update.stage = Stage::Admitted;
            }
        }
    }

    /// Checks the messages of a completion against the updates they are about.
    pub(super) fn check_messages(&self, messages: &[Message]) -> Result<(), Refusal> {
        let bad = |text: String| Refusal::Task(Cause::BadUpdateWorkflowExecutionMessage, text);
        let mut states: BTreeMap<&str, &str> = BTreeMap::new();
        let limit = self.shared.config.limits.blob_bytes;
        for message in messages {
            if message.body.as_ref().map_or(0, Any::encoded_len) > limit {
                let kind = body_type(message).unwrap_or_default();
                return Err(Refusal::Run(
                    Cause::BadUpdateWorkflowExecutionMessage,
                    format!("Message type {kind} exceeds size limit."),
                ));
            }
            let body = decode(message)?;
            let id = message.protocol_instance_id.as_str();
            let state = match states.get(id) {
                Some(state) => state,
                None => self.update_state(id).ok_or_else(|| {
                    bad(format!(
                        "update {id} wasn't found on the server. This is most likely a transient error which will be resolved automatically by retries"
                    ))
                })?,
            };
            let (name, from, to) = match body {
                Body::Acceptance(_) => ("Acceptance", "Sent", "Accepted"),
                Body::Rejection(_) => ("Rejection", "Sent", "Completed"),
                Body::Response(_) => ("Response", "Accepted", "Completed"),
            };
            if state != from {
                return Err(bad(format!(
                    "invalid state transition attempted for Update {id}: received *update.{name} message while in state {state}"
                )));
            }
            states.insert(id, to);
        }
        Ok(())
    }

    fn update_state(&self, id: &str) -> Option<&'static str> {
        if let Some(update) = self.run.live.updates.get(id) {
            return Some(match update.stage {
                Stage::Admitted => "Admitted",
                Stage::Sent(_) => "Sent",
                Stage::Accepted => "Accepted",
            });
        }
        Some(match self.updates.get(id)?.stage {
            UpdateStage::Accepted => "Accepted",
            UpdateStage::Completed(_) => "Completed",
        })
    }

    /// Does what a checked message says.
    pub(super) fn take_message(&mut self, message: Message) {
        let id = message.protocol_instance_id.clone();
        match decode(&message) {
            Ok(Body::Acceptance(acceptance)) => self.accept_update(&id, acceptance),
            Ok(Body::Response(response)) => {
                let outcome = response.outcome.unwrap_or_default();
                let accepted_event_id = self.updates.get(&id).map_or(0, |update| update.accepted_id);
                self.event(Attributes::WorkflowExecutionUpdateCompletedEventAttributes(
                    h::WorkflowExecutionUpdateCompletedEventAttributes {
                        meta: response.meta.or_else(|| {
                            Some(up::Meta {
                                update_id: id.clone(),
                                ..up::Meta::default()
                            })
                        }),
                        accepted_event_id,
                        outcome: Some(outcome.clone()),
                    },
                ));
                self.finish_update(&id, outcome, Ended::Completed);
            }
            Ok(Body::Rejection(rejection)) => {
                let failure = rejection.failure.unwrap_or_default();
                let outcome = up::Outcome {
                    value: Some(up::outcome::Value::Failure(failure)),
                };
                self.finish_update(&id, outcome, Ended::Rejected);
            }
            // The check refuses them.
            Err(_) => {}
        }
    }

    fn accept_update(&mut self, id: &str, acceptance: up::Acceptance) {
        let Some(update) = self.run.live.updates.get_mut(id) else {
            return;
        };
        let behind = match (acceptance.accepted_request_sequencing_event_id, update.stage) {
            (0, Stage::Sent(behind)) => behind,
            (told, _) => told,
        };
        update.stage = Stage::Accepted;
        let request = (!update.in_history).then(|| update.request.clone());
        self.event(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(
            h::WorkflowExecutionUpdateAcceptedEventAttributes {
                protocol_instance_id: id.to_owned(),
                accepted_request_message_id: acceptance.accepted_request_message_id,
                accepted_request_sequencing_event_id: behind,
                accepted_request: request,
            },
        ));
        let Some(update) = self.run.live.updates.get_mut(id) else {
            return;
        };
        let (ready, waiting) = std::mem::take(&mut update.waiters)
            .into_iter()
            .partition::<Vec<_>, _>(|waiter| waiter.wanted <= Lifecycle::Accepted);
        update.waiters = waiting;
        for waiter in ready {
            let answer = self.update_answer(id, waiter.kind, Progress::At(Lifecycle::Accepted));
            self.shared.calls.answer(waiter.call, Ok(answer));
        }
    }

    fn finish_update(&mut self, id: &str, outcome: up::Outcome, ended: Ended) {
        let Some(update) = self.run.live.updates.get_mut(id) else {
            return;
        };
        for waiter in std::mem::take(&mut update.waiters) {
            let answer = self.update_answer(id, waiter.kind, Progress::Done(outcome.clone(), ended));
            self.shared.calls.answer(waiter.call, Ok(answer));
        }
        self.run.live.updates.remove(id);
    }

    fn abort_update(&mut self, id: &str, status: &Status) {
        let Some(update) = self.run.live.updates.remove(id) else {
            return;
        };
        for waiter in update.waiters {
            match waiter.kind {
                WaiterKind::Update | WaiterKind::Poll => self.shared.calls.answer(waiter.call, Err(status.clone())),
                WaiterKind::WithStart(start) => self.abort_with_start(waiter.call, *start, status.clone()),
            }
        }
    }

    /// A call waits for an update no more; the update goes on.
    pub(super) fn stop_waiting_for_update(&mut self, id: &str, call: CallId) {
        if let Some(update) = self.run.live.updates.get_mut(id) {
            update.waiters.retain(|waiter| waiter.call != call);
        }
    }

    fn updates_at(&self, wanted: impl Fn(Stage) -> bool) -> Vec<String> {
        let updates = &self.run.live.updates;
        updates
            .iter()
            .filter(|(_, update)| wanted(update.stage))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The workflow task completed without a word about updates that it had: its worker knows none.
    pub(super) fn updates_left_unanswered(&mut self) {
        for id in self.updates_at(|stage| matches!(stage, Stage::Sent(_))) {
            let text = "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.";
            self.finish_update(&id, server_failure("UnprocessedUpdate", text), Ended::Rejected);
        }
    }

    /// The server failed the workflow task for what the worker said: updates that were out end with it.
    pub(super) fn updates_end_with_task(&mut self) {
        let text = "Unable to perform workflow execution update due to unexpected workflow task failure.";
        let detail = "temporal.api.errordetails.v1.WorkflowNotReadyFailure";
        let status = Status::new(Code::FailedPrecondition, text).with_detail(detail, &WorkflowNotReadyFailure {});
        for id in self.updates_at(|stage| stage != Stage::Accepted) {
            let recorded = self.run.live.updates.get(&id).filter(|update| update.in_history);
            let again = recorded.map(|update| update.request.clone());
            self.abort_update(&id, &status);
            // The next workflow task has its event, too.
            if let Some(request) = again {
                self.admit_again(request);
            }
        }
    }

    /// The run ends: accepted updates fail, others go on in its successor, if there is one.
    pub(super) fn updates_end_with_run(&mut self, continues: bool) -> BTreeMap<String, LiveUpdate> {
        for id in self.updates_at(|stage| stage == Stage::Accepted) {
            self.finish_update(&id, closed_before_done(), Ended::Rejected);
        }
        if continues {
            self.updates_not_sent();
            let mut updates = std::mem::take(&mut self.run.live.updates);
            // The successor's history has no event of them, and nobody asks again where nobody waits.
            updates.retain(|_, update| !update.in_history || !update.waiters.is_empty());
            for update in updates.values_mut() {
                update.in_history = false;
            }
            return updates;
        }
        let status = Status::not_found("workflow update was aborted by closing workflow");
        for id in self.updates_at(|_| true) {
            self.abort_update(&id, &status);
        }
        BTreeMap::new()
    }

    /// An update is let in again after a reset, with nobody waiting. The history has an admitted event of it.
    pub(super) fn admit_again(&mut self, request: up::Request) {
        let id = request
            .meta
            .as_ref()
            .map(|meta| meta.update_id.clone())
            .unwrap_or_default();
        let number = self.shared.number();
        self.run.live.updates.insert(
            id,
            LiveUpdate {
                number,
                request,
                in_history: true,
                stage: Stage::Admitted,
                waiters: Vec::new(),
            },
        );
    }

    /// Updates come from the run before.
    pub(super) fn inherit_updates(&mut self, updates: BTreeMap<String, LiveUpdate>) {
        for (id, update) in &updates {
            for waiter in &update.waiters {
                self.shared.calls.redirect(
                    waiter.call,
                    Waiting::Update {
                        run: self.key,
                        update_id: id.clone(),
                    },
                );
            }
        }
        self.run.live.updates = updates;
        self.updates_may_go();
    }

    /// Lets a speculative task vanish that only rejected updates; returns where the worker's history is set back to.
    pub(super) fn drop_speculative(&mut self, request: &mut wf::RespondWorkflowTaskCompletedRequest) -> Option<i64> {
        let (task, _) = self.started_task()?;
        let behind = task.scheduled_id - 1 - self.last_completed_id;
        let discards = request
            .capabilities
            .as_ref()
            .is_some_and(|it| it.discard_speculative_workflow_task_with_events);
        let only_rejections = request
            .messages
            .iter()
            .all(|message| body_type(message) == Some(REJECTION));
        let droppable = task.kind == TaskKind::Speculative
            && request.commands.is_empty()
            && !request.force_create_new_workflow_task
            && only_rejections
            && self.held.is_empty()
            && (behind == 0 || (discards && behind <= DISCARDED_EVENTS));
        if !droppable {
            return None;
        }
        for message in std::mem::take(&mut request.messages) {
            self.take_message(message);
        }
        self.updates_left_unanswered();
        self.task_over();
        self.record(Record::TaskDropped);
        self.answer_task_queries(std::mem::take(&mut request.query_results));
        self.updates_may_go();
        self.queries_may_go();
        Some(self.last_started_id)
    }
}
