//! Pollers meet tasks.

use std::time::Duration;

use temporal_protos::api::common::v1::WorkflowType;
use temporal_protos::api::enums::v1::TaskQueueKind;
use temporal_protos::api::history::v1::History;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::bytes::Bytes;

use super::calls::{Call, CallId, Poller, Waiting};
use super::core::Engine;
use super::matching::{QueueId, QueueType, Work, worker_key};
use super::rpc::Response;
use super::run::Turn;
use super::start::check_queue;
use super::status::{Code, Status};
use super::token::{HistoryToken, TaskToken, TokenKind};
use super::workflow_task::normal_queue;

/// How long an empty poll takes.
const LONG_POLL: Duration = Duration::from_secs(60);
/// A poll whose caller gives up sooner is refused.
const SHORTEST_POLL: Duration = Duration::from_secs(2);
/// The events of one page of a workflow task's history.
pub(super) const HISTORY_PAGE: usize = 256;

impl Engine {
    pub(super) fn check_poll_deadline(&self, call: Call) -> Result<(), Status> {
        let short = call
            .deadline
            .is_some_and(|deadline| deadline.since(self.shared.real_now) < SHORTEST_POLL);
        if short {
            Err(Status::new(Code::FailedPrecondition, "Context timeout is too short."))
        } else {
            Ok(())
        }
    }

    pub(super) fn poll_workflow_task_queue(
        &mut self,
        call: Call,
        request: wf::PollWorkflowTaskQueueRequest,
    ) -> Result<(), Status> {
        self.check_poll_deadline(call)?;
        let namespace = self.shared.namespaces.find(&request.namespace)?.id;
        let task_queue = request.task_queue.unwrap_or_default();
        check_queue(&self.shared.config.limits, Some(&task_queue.name))?;
        let queue = self
            .shared
            .matching
            .queue(namespace, QueueType::Workflow, &task_queue.name);
        let shared = &mut self.shared;
        shared
            .matching
            .note_poller(queue, &request.identity, None, shared.real_now, shared.now);
        if task_queue.kind == TaskQueueKind::Sticky as i32 && !task_queue.normal_name.is_empty() {
            // Its worker serves the normal queue too, though it may not poll it just now.
            let normal = shared
                .matching
                .queue(namespace, QueueType::Workflow, &task_queue.normal_name);
            shared
                .matching
                .note_poller(normal, &request.identity, None, shared.real_now, shared.now);
        }
        let (identity, key) = (request.identity, &request.worker_instance_key);
        self.park_poll(call, Waiting::WorkflowPoll, queue, identity, key);
        Ok(())
    }

    pub(super) fn poll_activity_task_queue(
        &mut self,
        call: Call,
        request: wf::PollActivityTaskQueueRequest,
    ) -> Result<(), Status> {
        self.check_poll_deadline(call)?;
        let namespace = self.shared.namespaces.find(&request.namespace)?.id;
        let name = request.task_queue.map(|queue| queue.name).unwrap_or_default();
        check_queue(&self.shared.config.limits, Some(&name))?;
        let rate = request
            .task_queue_metadata
            .and_then(|metadata| metadata.max_tasks_per_second);
        let queue = self.shared.matching.queue(namespace, QueueType::Activity, &name);
        let shared = &mut self.shared;
        shared
            .matching
            .note_poller(queue, &request.identity, rate, shared.real_now, shared.now);
        let (identity, key) = (request.identity, &request.worker_instance_key);
        self.park_poll(call, Waiting::ActivityPoll, queue, identity, key);
        Ok(())
    }

    /// Keeps a poll until there is a task for it.
    pub(super) fn park_poll(
        &mut self,
        call: Call,
        waiting: fn(Poller) -> Waiting,
        queue: QueueId,
        identity: String,
        instance_key: &str,
    ) {
        let until = self.shared.long_poll_until(call, LONG_POLL);
        let worker = worker_key(instance_key, &identity);
        let has_ended = self.shared.matching.has_ended(&worker);
        self.shared.matching.add_poller(queue, call.id, worker.clone());
        let poller = Poller {
            queue,
            identity,
            worker,
        };
        self.shared.calls.park(call.id, waiting(poller), Some(until));
        if has_ended {
            self.end_polls(queue, vec![call.id]);
        }
    }

    /// Answers polls with no task.
    pub(super) fn end_polls(&mut self, queue: QueueId, polls: Vec<CallId>) {
        for call in polls {
            let empty = match self.shared.calls.waiting(call) {
                Some(Waiting::WorkflowPoll(_)) => Response::PollWorkflowTaskQueue(Default::default()),
                Some(Waiting::ActivityPoll(_)) => Response::PollActivityTaskQueue(Default::default()),
                Some(Waiting::NexusPoll(_)) => Response::PollNexusTaskQueue(Default::default()),
                _ => continue,
            };
            self.shared.matching.remove_poller(queue, call);
            self.shared.calls.answer(call, Ok(empty));
        }
    }

    /// A task and a poller came together: the run starts the task and the poll is answered. A task that turns out to be gone
    /// leaves the poller waiting.
    pub(super) fn hand_out(&mut self, work: Work, call: CallId) {
        let Some(poller) = self.shared.calls.waiting(call).and_then(|waiting| match waiting {
            Waiting::WorkflowPoll(poller) | Waiting::ActivityPoll(poller) | Waiting::NexusPoll(poller) => {
                Some(poller.clone())
            }
            Waiting::History { .. } | Waiting::Query { .. } | Waiting::Update { .. } | Waiting::Sleep(_) => None,
        }) else {
            // Nobody waits there any more, so the next one gets it.
            let (Work::Workflow(key) | Work::Activity(key, _) | Work::Query(key, _) | Work::Nexus(key, ..)) = work;
            self.turn(key, |turn| turn.put_back_in_queue(work));
            return;
        };
        let backlog = self
            .shared
            .matching
            .get(poller.queue)
            .map_or(0, super::matching::Queue::backlog);
        let backlog = i64::try_from(backlog).unwrap_or(i64::MAX);
        let response = match work {
            Work::Workflow(key) => self.turn(key, |turn| {
                turn.run.live.tickets.remove(&work);
                let sticky = turn.task.as_deref().is_some_and(|task| task.sticky);
                turn.start_task(&poller, call).then(|| {
                    let mut response = turn.task_response(sticky);
                    response.backlog_count_hint = backlog;
                    Response::PollWorkflowTaskQueue(response)
                })
            }),
            Work::Activity(key, id) => self.turn(key, |turn| {
                turn.run.live.tickets.remove(&work);
                turn.start_activity(id, &poller.identity, poller.worker.clone(), call)
                    .map(Response::PollActivityTaskQueue)
            }),
            Work::Query(key, number) => self.turn(key, |turn| {
                turn.run.live.tickets.remove(&work);
                turn.start_query(number, call).map(Response::PollWorkflowTaskQueue)
            }),
            Work::Nexus(key, id, errand) => self.turn(key, |turn| {
                turn.run.live.tickets.remove(&work);
                turn.start_nexus_task(id, errand, call)
                    .map(Response::PollNexusTaskQueue)
            }),
        };
        match response.flatten() {
            Some(response) => self.shared.calls.answer(call, Ok(response)),
            None => self.shared.matching.add_poller(poller.queue, call, poller.worker),
        }
    }
}

impl Turn<'_> {
    /// The started workflow task as its worker gets it; `partial`: only what came since the last completed task.
    pub(super) fn task_response(&mut self, partial: bool) -> wf::PollWorkflowTaskQueueResponse {
        let messages = self.updates_to_send();
        let queries = self.queries_to_send();
        let Some((task, started)) = self.started_task() else {
            return wf::PollWorkflowTaskQueueResponse::default();
        };
        let first = if partial && self.last_started_id > 0 {
            self.last_started_id + 1
        } else {
            1
        };
        let (history, next_page_token) = self.task_history(first);
        wf::PollWorkflowTaskQueueResponse {
            task_token: TaskToken::new(
                TokenKind::Workflow,
                self.run_id,
                task.scheduled_id,
                self.run.live.task_stamp,
            )
            .encode(),
            workflow_execution: Some(self.run.execution()),
            workflow_type: Some(WorkflowType {
                name: self.workflow_type.clone(),
            }),
            previous_started_event_id: self.last_started_id,
            started_event_id: started.event_id,
            attempt: task.attempt,
            history: Some(history),
            next_page_token,
            workflow_execution_task_queue: Some(normal_queue(&self.task_queue)),
            scheduled_time: Some(task.scheduled_at.to_proto()),
            started_time: Some(started.at.to_proto()),
            queries,
            messages,
            ..wf::PollWorkflowTaskQueueResponse::default()
        }
    }

    /// The first page of history from an event on, with the unwritten events behind it when it is the last page.
    pub(super) fn task_history(&self, first: i64) -> (History, Bytes) {
        let end = self.history.page_end(first, HISTORY_PAGE);
        let mut events: Vec<_> = self.history.events(first, end).collect();
        if end < self.history.len() {
            return (History { events }, HistoryToken::new(self.run_id, end + 1).encode());
        }
        events.extend(self.unwritten_events());
        (History { events }, Bytes::new())
    }
}
