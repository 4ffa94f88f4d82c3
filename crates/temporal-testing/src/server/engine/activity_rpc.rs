//! What workers and operators say about activities.

use temporal_protos::api::common::v1::{Payloads, WorkflowExecution};
use temporal_protos::api::failure::v1::{Failure, failure::FailureInfo};
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::Message;

use super::core::Engine;
use super::events::Attributes;
use super::limits::oversize;
use super::run::Turn;
use super::state::{ActivityChange, RunKey};
use super::status::Status;
use super::token::{TaskToken, TokenKind};

const GONE: &str = "invalid activityID or activity already timed out or invoking workflow is completed";

/// What a heartbeat is answered with.
struct HeartbeatAnswer {
    cancel_requested: bool,
    activity_paused: bool,
    activity_reset: bool,
}

/// Which activity a call is about.
enum Target {
    /// A started one, by its token.
    Token(TaskToken),
    /// By its id.
    Id(String),
}

impl Engine {
    fn activity_by_token(&self, namespace: &str, token: &[u8]) -> Result<(RunKey, Target), Status> {
        let token = TaskToken::decode(TokenKind::Activity, token)?;
        let key = self.run_of_token(namespace, &token)?;
        Ok((key.ok_or_else(|| Status::not_found(GONE))?, Target::Token(token)))
    }

    fn activity_by_id(
        &self,
        namespace: &str,
        workflow_id: &str,
        run_id: &str,
        activity_id: String,
    ) -> Result<(RunKey, Target), Status> {
        let execution = WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            run_id: run_id.to_owned(),
        };
        let key = self.find_run(namespace, Some(&execution))?;
        if activity_id.is_empty() {
            return Err(Status::invalid_argument("activityID is not set"));
        }
        Ok((key, Target::Id(activity_id)))
    }

    fn on_activity<R>(
        &mut self,
        (key, target): (RunKey, Target),
        work: impl FnOnce(&mut Turn<'_>, i64) -> Result<R, Status>,
    ) -> Result<R, Status> {
        self.turn(key, |turn| {
            let id = turn.find_activity(&target)?;
            work(turn, id)
        })
        .ok_or_else(|| Status::not_found(GONE))?
    }

    pub(super) fn record_activity_task_heartbeat(
        &mut self,
        request: wf::RecordActivityTaskHeartbeatRequest,
    ) -> Result<wf::RecordActivityTaskHeartbeatResponse, Status> {
        let target = self.activity_by_token(&request.namespace, &request.task_token)?;
        let answer = self.on_activity(target, |turn, id| {
            Ok(turn.heartbeat(id, request.details, request.identity))
        })?;
        Ok(wf::RecordActivityTaskHeartbeatResponse {
            cancel_requested: answer.cancel_requested,
            activity_paused: answer.activity_paused,
            activity_reset: answer.activity_reset,
        })
    }

    pub(super) fn record_activity_task_heartbeat_by_id(
        &mut self,
        it: wf::RecordActivityTaskHeartbeatByIdRequest,
    ) -> Result<wf::RecordActivityTaskHeartbeatByIdResponse, Status> {
        let target = self.activity_by_id(&it.namespace, &it.workflow_id, &it.run_id, it.activity_id)?;
        let answer = self.on_activity(target, |turn, id| Ok(turn.heartbeat(id, it.details, it.identity)))?;
        Ok(wf::RecordActivityTaskHeartbeatByIdResponse {
            cancel_requested: answer.cancel_requested,
            activity_paused: answer.activity_paused,
            activity_reset: answer.activity_reset,
        })
    }

    pub(super) fn respond_activity_task_completed(
        &mut self,
        request: wf::RespondActivityTaskCompletedRequest,
    ) -> Result<wf::RespondActivityTaskCompletedResponse, Status> {
        let target = self.activity_by_token(&request.namespace, &request.task_token)?;
        self.on_activity(target, |turn, id| {
            turn.activity_completed(id, request.result, request.identity)
        })?;
        Ok(wf::RespondActivityTaskCompletedResponse {})
    }

    pub(super) fn respond_activity_task_completed_by_id(
        &mut self,
        it: wf::RespondActivityTaskCompletedByIdRequest,
    ) -> Result<wf::RespondActivityTaskCompletedByIdResponse, Status> {
        let target = self.activity_by_id(&it.namespace, &it.workflow_id, &it.run_id, it.activity_id)?;
        self.on_activity(target, |turn, id| turn.activity_completed(id, it.result, it.identity))?;
        Ok(wf::RespondActivityTaskCompletedByIdResponse {})
    }

    pub(super) fn respond_activity_task_failed(
        &mut self,
        request: wf::RespondActivityTaskFailedRequest,
    ) -> Result<wf::RespondActivityTaskFailedResponse, Status> {
        check_failure(request.failure.as_ref())?;
        let target = self.activity_by_token(&request.namespace, &request.task_token)?;
        let failures = self.on_activity(target, |turn, id| {
            Ok(turn.respond_failed(id, request.failure, request.last_heartbeat_details, request.identity))
        })?;
        Ok(wf::RespondActivityTaskFailedResponse { failures })
    }

    pub(super) fn respond_activity_task_failed_by_id(
        &mut self,
        it: wf::RespondActivityTaskFailedByIdRequest,
    ) -> Result<wf::RespondActivityTaskFailedByIdResponse, Status> {
        check_failure(it.failure.as_ref())?;
        let target = self.activity_by_id(&it.namespace, &it.workflow_id, &it.run_id, it.activity_id)?;
        let failures = self.on_activity(target, |turn, id| {
            Ok(turn.respond_failed(id, it.failure, it.last_heartbeat_details, it.identity))
        })?;
        Ok(wf::RespondActivityTaskFailedByIdResponse { failures })
    }

    pub(super) fn respond_activity_task_canceled(
        &mut self,
        request: wf::RespondActivityTaskCanceledRequest,
    ) -> Result<wf::RespondActivityTaskCanceledResponse, Status> {
        let target = self.activity_by_token(&request.namespace, &request.task_token)?;
        self.on_activity(target, |turn, id| {
            turn.activity_canceled(id, request.details, request.identity)
        })?;
        Ok(wf::RespondActivityTaskCanceledResponse {})
    }

    pub(super) fn respond_activity_task_canceled_by_id(
        &mut self,
        it: wf::RespondActivityTaskCanceledByIdRequest,
    ) -> Result<wf::RespondActivityTaskCanceledByIdResponse, Status> {
        let target = self.activity_by_id(&it.namespace, &it.workflow_id, &it.run_id, it.activity_id)?;
        self.on_activity(target, |turn, id| turn.activity_canceled(id, it.details, it.identity))?;
        Ok(wf::RespondActivityTaskCanceledByIdResponse {})
    }
}

/// A worker's failure is an application failure.
fn check_failure(failure: Option<&Failure>) -> Result<(), Status> {
    match failure.map(|failure| &failure.failure_info) {
        None | Some(Some(FailureInfo::ApplicationFailureInfo(_))) => Ok(()),
        Some(_) => Err(Status::invalid_argument("Failure must have ApplicationFailureInfo.")),
    }
}

impl Turn<'_> {
    fn find_activity(&self, target: &Target) -> Result<i64, Status> {
        if !self.is_open() {
            return Err(Status::not_found("workflow execution already completed"));
        }
        match target {
            Target::Token(token) => {
                let activity = self.activities.get(&token.id);
                let same = activity.is_some_and(|activity| activity.is_started() && activity.stamp == token.stamp);
                if same {
                    Ok(token.id)
                } else {
                    Err(Status::not_found(GONE))
                }
            }
            Target::Id(activity_id) => {
                let id = self.activity_ids.get(activity_id).copied().ok_or_else(|| {
                    Status::not_found(format!(
                        "cannot find pending activity with ActivityID {activity_id}, check workflow execution history for more details"
                    ))
                })?;
                let started = self.activities.get(&id).is_some_and(|activity| activity.is_started());
                if started { Ok(id) } else { Err(Status::not_found(GONE)) }
            }
        }
    }

    /// Fails an activity for what it says, which is too large.
    fn oversized(&mut self, id: i64, message: &str, identity: String) {
        self.activity_failed(id, oversize(message, true), identity);
    }

    fn is_oversized(&self, payloads: Option<&Payloads>) -> bool {
        let size = payloads.map_or(0, Payloads::encoded_len);
        self.shared.config.limits.is_too_large(size)
    }

    fn heartbeat(&mut self, id: i64, details: Option<Payloads>, identity: String) -> HeartbeatAnswer {
        if self.is_oversized(details.as_ref()) {
            self.oversized(id, "Heartbeat details exceed size limit.", identity);
            return HeartbeatAnswer {
                cancel_requested: true,
                activity_paused: false,
                activity_reset: false,
            };
        }
        self.change_activity(
            id,
            ActivityChange::Heartbeat {
                at: self.shared.now,
                details,
            },
        );
        let activity = self.activities.get(&id);
        HeartbeatAnswer {
            cancel_requested: activity.is_some_and(|it| it.cancel_event != 0),
            activity_paused: activity.is_some_and(|it| it.pause.is_some()),
            activity_reset: activity.is_some_and(|it| it.reset),
        }
    }

    fn activity_completed(&mut self, id: i64, result: Option<Payloads>, identity: String) -> Result<(), Status> {
        if self.is_oversized(result.as_ref()) {
            self.oversized(id, "Complete result exceeds size limit.", identity);
            return Ok(());
        }
        self.activity_over(
            id,
            Attributes::ActivityTaskCompletedEventAttributes(h::ActivityTaskCompletedEventAttributes {
                result,
                scheduled_event_id: id,
                identity,
                ..h::ActivityTaskCompletedEventAttributes::default()
            }),
        );
        Ok(())
    }

    /// Gives what the server objects to. The cause that a worker tells is not kept, as on the real server.
    fn respond_failed(
        &mut self,
        id: i64,
        failure: Option<Failure>,
        details: Option<Payloads>,
        identity: String,
    ) -> Vec<Failure> {
        let failure = failure.unwrap_or_default();
        let mut objections = Vec::new();
        if self.is_oversized(details.as_ref()) {
            objections.push(oversize("Heartbeat details exceed size limit.", true));
        } else if details.is_some() {
            self.heartbeat(id, details, identity.clone());
        }
        let cut = self.shared.config.limits.cut(&failure, true);
        objections.extend(cut.clone());
        self.activity_failed(id, cut.unwrap_or(failure), identity);
        objections
    }

    fn activity_canceled(&mut self, id: i64, details: Option<Payloads>, identity: String) -> Result<(), Status> {
        if self.is_oversized(details.as_ref()) {
            self.oversized(id, "Cancel details exceed size limit.", identity);
            return Ok(());
        }
        let requested = self.activities.get(&id).map_or(0, |activity| activity.cancel_event);
        if requested == 0 {
            let text = "unable to mark activity as canceled without activity being request canceled first";
            return Err(Status::invalid_argument(text));
        }
        self.activity_over(
            id,
            Attributes::ActivityTaskCanceledEventAttributes(h::ActivityTaskCanceledEventAttributes {
                details,
                latest_cancel_requested_event_id: requested,
                scheduled_event_id: id,
                identity,
                ..h::ActivityTaskCanceledEventAttributes::default()
            }),
        );
        Ok(())
    }
}
