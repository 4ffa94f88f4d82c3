//! Workers answer workflow tasks.

use std::time::Duration;

use temporal_protos::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::taskqueue::v1::StickyExecutionAttributes;
use temporal_protos::api::workflowservice::v1 as wf;

use super::calls::Call;
use super::commands::{Outcome, Refusal, cause_name, check};
use super::core::Engine;
use super::events::Attributes;
use super::history::MOST_BYTES;
use super::matching::worker_key;
use super::run::{Extras, Turn};
use super::state::{Record, RunKey, Sticky, TaskKind};
use super::status::Status;
use super::time::duration;
use super::token::{TaskToken, TokenKind};
use super::workflow_task::{SERVER_IDENTITY, TaskEnd, server_failure};

/// How long a worker may keep a workflow task going by heartbeats.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(30 * 60);

/// The request id of a task that goes out with the answer to the one before.
const NEXT_TASK_REQUEST: &str = "request-from-RespondWorkflowTaskCompleted";

fn task_not_found() -> Status {
    Status::not_found("Workflow task not found.")
}

impl Engine {
    /// The run whose started workflow task a token names.
    fn find_workflow_task(&self, namespace: &str, token: &[u8]) -> Result<(RunKey, TaskToken), Status> {
        let token = TaskToken::decode(TokenKind::Workflow, token)?;
        let key = self.run_of_token(namespace, &token)?.ok_or_else(task_not_found)?;
        Ok((key, token))
    }

    pub(super) fn respond_workflow_task_completed(
        &mut self,
        call: Call,
        request: wf::RespondWorkflowTaskCompletedRequest,
    ) -> Result<wf::RespondWorkflowTaskCompletedResponse, Status> {
        let (key, token) = self.find_workflow_task(&request.namespace, &request.task_token)?;
        self.turn(key, |turn| turn.complete_task(call, &token, request))
            .ok_or_else(task_not_found)?
    }

    pub(super) fn respond_workflow_task_failed(
        &mut self,
        request: wf::RespondWorkflowTaskFailedRequest,
    ) -> Result<wf::RespondWorkflowTaskFailedResponse, Status> {
        let (key, token) = self.find_workflow_task(&request.namespace, &request.task_token)?;
        self.turn(key, |turn| {
            if !turn.is_open() {
                return Err(Status::not_found("workflow execution already completed"));
            }
            turn.expect_task(&token)?;
            let cause = Cause::try_from(request.cause).unwrap_or(Cause::Unspecified);
            if cause == Cause::GrpcMessageTooLarge {
                turn.terminate_run(&cause_name(cause), None, SERVER_IDENTITY, Extras::default());
                return Ok(wf::RespondWorkflowTaskFailedResponse {});
            }
            let limits = &turn.shared.config.limits;
            let failure = request
                .failure
                .map(|failure| limits.cut(&failure, false).unwrap_or(failure));
            turn.fail_task(TaskEnd::Failed {
                cause,
                failure,
                identity: request.identity,
            });
            Ok(wf::RespondWorkflowTaskFailedResponse {})
        })
        .ok_or_else(task_not_found)?
    }
}

impl Turn<'_> {
    /// Refuses a token that does not name the started task.
    fn expect_task(&self, token: &TaskToken) -> Result<(), Status> {
        match self.started_task() {
            Some((task, _)) if task.scheduled_id == token.id && self.run.live.task_stamp == token.stamp => Ok(()),
            Some(_) | None => Err(task_not_found()),
        }
    }

    fn complete_task(
        &mut self,
        call: Call,
        token: &TaskToken,
        mut request: wf::RespondWorkflowTaskCompletedRequest,
    ) -> Result<wf::RespondWorkflowTaskCompletedResponse, Status> {
        self.expect_task(token)?;
        self.refuse(&request)?;
        if let Some(reset_to) = self.drop_speculative(&mut request) {
            self.run.live.task_worker = None;
            return Ok(wf::RespondWorkflowTaskCompletedResponse {
                reset_history_event_id: reset_to,
                ..wf::RespondWorkflowTaskCompletedResponse::default()
            });
        }
        let heartbeat = self.heartbeat_since(&request)?;

        self.write_started_task(&request.identity);
        let completed_id = self.write_completed(&mut request);
        self.run.live.worker_identity.clone_from(&request.identity);
        // Before the commands, which may end the run.
        self.answer_task_queries(std::mem::take(&mut request.query_results));
        self.collect();
        let mut messages = std::mem::take(&mut request.messages);
        let outcome = self.carry_out(std::mem::take(&mut request.commands), &mut messages, completed_id);
        for message in messages {
            if self.is_open() {
                self.take_message(message);
            }
        }
        self.updates_left_unanswered();
        let arrived = self.release();
        if !self.is_open() {
            return Ok(wf::RespondWorkflowTaskCompletedResponse::default());
        }
        self.stick(request.sticky_attributes.as_ref());
        if self.outgrown() {
            return Ok(wf::RespondWorkflowTaskCompletedResponse::default());
        }
        if arrived || request.force_create_new_workflow_task {
            self.want_task();
            if let Some(since) = heartbeat {
                self.record(Record::TaskHeartbeats(since));
            }
        }
        // Only a worker that wants its next task at once gets one that may vanish.
        if !request.return_new_workflow_task && self.update_waits() {
            self.want_task();
        }
        self.updates_may_go();
        self.queries_may_go();
        Ok(self.after_completion(call, &request, outcome))
    }

    /// What goes out with the answer: the next workflow task and activities for the worker that asked for them.
    fn after_completion(
        &mut self,
        call: Call,
        request: &wf::RespondWorkflowTaskCompletedRequest,
        outcome: Outcome,
    ) -> wf::RespondWorkflowTaskCompletedResponse {
        let mut response = wf::RespondWorkflowTaskCompletedResponse::default();
        let worker = worker_key(&request.worker_instance_key, &request.identity);
        for id in outcome.eager {
            let started = self.start_activity(id, &request.identity, worker.clone(), call.id);
            response.activity_tasks.extend(started);
        }
        let size = self.history.committed_size();
        if request.return_new_workflow_task
            && self.start_task_for(&request.identity, Some(call.id), NEXT_TASK_REQUEST.to_owned(), size)
        {
            self.run.live.task_worker = Some(worker);
            // The worker that asks for it has the run, sticky or not.
            response.workflow_task = Some(self.task_response(true));
        }
        response
    }

    fn write_completed(&mut self, request: &mut wf::RespondWorkflowTaskCompletedRequest) -> i64 {
        let (scheduled_event_id, started_event_id) = self
            .started_task()
            .map_or((0, 0), |(task, started)| (task.scheduled_id, started.event_id));
        let id = self.event(Attributes::WorkflowTaskCompletedEventAttributes(
            h::WorkflowTaskCompletedEventAttributes {
                scheduled_event_id,
                started_event_id,
                identity: request.identity.clone(),
                sdk_metadata: request.sdk_metadata.take(),
                metering_metadata: request.metering_metadata.take(),
                worker_version: request.worker_version_stamp.take(),
                ..h::WorkflowTaskCompletedEventAttributes::default()
            },
        ));
        self.task_over();
        self.run.live.task_worker = None;
        id
    }

    /// Refuses commands that cannot be carried out: usually the task fails for it, sometimes the run ends.
    fn refuse(&mut self, request: &wf::RespondWorkflowTaskCompletedRequest) -> Result<(), Status> {
        let unwritten = self
            .started_task()
            .map_or(0, |(task, _)| if task.kind == TaskKind::Normal { 0 } else { 2 });
        let next_id = self.history.next_id() + unwritten + 1;
        let unseen = !self.held.is_empty();
        let refusal = check(self, self.shared, &request.commands, &request.messages, unseen, next_id)
            .and_then(|()| self.check_messages(&request.messages));
        let (cause, message, fatal) = match refusal {
            Ok(()) => return Ok(()),
            Err(Refusal::Call(status)) => {
                // On the real server a speculative task does not outlive an error: it is offered again.
                self.put_back_speculative_task();
                return Err(status);
            }
            Err(Refusal::Task(cause, message)) => (cause, message, false),
            Err(Refusal::Run(cause, message)) => (cause, message, true),
        };
        let name = cause_name(cause);
        let text = if message.is_empty() {
            name
        } else {
            format!("{name}: {message}")
        };
        let failure = Some(server_failure(text.clone()));
        let end = TaskEnd::Failed {
            cause,
            failure,
            identity: request.identity.clone(),
        };
        self.updates_end_with_task();
        let attempt = self.started_task().map_or(1, |(task, _)| task.attempt);
        if attempt > 1 && cause != Cause::UnhandledCommand {
            // As on the real server, it is left to its timeout: that is the pause before it is tried again.
            self.task_over();
        } else if fatal {
            self.end_failed_task(end);
            self.terminate_run(&text, None, SERVER_IDENTITY, Extras::default());
        } else {
            self.fail_task(end);
        }
        Err(Status::invalid_argument(text))
    }

    /// When a chain of heartbeats began, if this completion continues one.
    fn heartbeat_since(
        &mut self,
        request: &wf::RespondWorkflowTaskCompletedRequest,
    ) -> Result<Option<super::time::Time>, Status> {
        let heartbeat = request.force_create_new_workflow_task && request.commands.is_empty();
        let Some((task, _)) = self.started_task().filter(|_| heartbeat) else {
            return Ok(None);
        };
        let since = task.original_scheduled_at;
        if self.shared.now.since(since) < LONGEST_HEARTBEAT {
            return Ok(Some(since));
        }
        self.fail_task(TaskEnd::TimedOut);
        Err(Status::not_found("workflow task heartbeat timeout"))
    }

    /// Remembers the worker that has the run cached, or that none has.
    fn stick(&mut self, attributes: Option<&StickyExecutionAttributes>) {
        let sticky = attributes.and_then(|it| {
            let queue = it.worker_task_queue.as_ref().filter(|queue| !queue.name.is_empty())?;
            Some(Box::new(Sticky {
                queue: queue.name.clone(),
                schedule_to_start: duration(it.schedule_to_start_timeout.as_ref()),
            }))
        });
        if sticky.is_some() || self.sticky.is_some() {
            self.record(Record::Sticky(sticky));
        }
    }

    /// Ends an open run whose history passed the limit; whether it did.
    pub(super) fn outgrown(&mut self) -> bool {
        if !self.is_open() {
            return false;
        }
        let bytes = self.shared.config.limits.history_bytes.min(MOST_BYTES);
        let reason = if self.history.len() > self.shared.config.limits.history_events {
            "Workflow history count exceeds limit."
        } else if self.history.size() > bytes {
            "Workflow history size exceeds limit."
        } else {
            return false;
        };
        self.terminate_run(reason, None, SERVER_IDENTITY, Extras::default());
        true
    }
}
