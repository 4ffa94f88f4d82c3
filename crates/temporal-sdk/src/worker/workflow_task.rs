//! The way of a workflow task: poll (in `poller`) → decode → shard → run loop → encode → respond.
#![expect(
    deprecated,
    reason = "how the build id of a worker without a deployment reaches the history"
)]

use super::local_activities::{self, Caller, Clock, LocalActivities};
use super::shard::{RunLease, Step, deadlock, task_failure};
use super::shared::Shared;
use super::{activity_task, codec, payload_limit};
use crate::workflow::host::TaskFailure;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use temporal_client::protos::api::command::v1::Command;
use temporal_client::protos::api::command::v1::command::Attributes;
use temporal_client::protos::api::common::v1::{Memo, WorkflowExecution};
use temporal_client::protos::api::enums::v1::{QueryResultType, WorkflowTaskFailedCause};
use temporal_client::protos::api::errordetails::v1::NamespaceNotFoundFailure;
use temporal_client::protos::api::history::v1::HistoryEvent;
use temporal_client::protos::api::query::v1::{WorkflowQuery, WorkflowQueryResult};
use temporal_client::protos::api::taskqueue::v1::StickyExecutionAttributes;
use temporal_client::protos::api::workflowservice::v1::respond_workflow_task_completed_request::Capabilities;
use temporal_client::protos::api::workflowservice::v1::{
    GetWorkflowExecutionHistoryRequest, PollWorkflowTaskQueueResponse, RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest,
};
use temporal_client::protos::prost::Message as _;
use temporal_client::{Code, RpcError};
use temporal_core::{Completion, Outcome, QueryId, QueryRequest, WorkflowTask};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// How many activities are asked for along with one answer.
const MOST_EAGER: usize = 3;

/// From how many bytes on an answer may be too large for one message: the limit of servers is 4 MiB unless set otherwise.
const NOTABLE: usize = 1 << 20;

/// Handles a workflow task, and those that the server gives with the answers.
pub(super) async fn run(worker: Arc<Shared>, polled: PollWorkflowTaskQueueResponse) {
    let mut next = Some(polled);
    while let Some(polled) = next {
        next = one(&worker, polled).await;
    }
}

async fn one(worker: &Arc<Shared>, mut polled: PollWorkflowTaskQueueResponse) -> Option<PollWorkflowTaskQueueResponse> {
    let received = Instant::now();
    let decoded = codec::decode(worker.client.data_converter(), &mut polled).await;
    let (ticket, task, pages) = take_apart(polled, received);
    let mut lease = worker.shards.run(&ticket.execution.run_id);
    let cached = !begins_history(&task);
    let ended = match decoded {
        Ok(()) if worker.shards.is_blocked(&ticket.execution.run_id) => Ended::Failed(deadlock()),
        Ok(()) => drive(worker, &ticket, &mut lease, task, pages).await,
        Err(error) => Ended::Failed(codec_failure(&error)),
    };
    match ended {
        Ended::Finished(outcome) => match *outcome {
            Outcome::Completed(completion) => ticket.completed(worker, lease, completion).await,
            Outcome::Query(_, result) => {
                ticket.query_answered(worker, result).await;
                // One that was rebuilt only for the query is not likely to be asked again.
                if cached {
                    lease.keep();
                }
                None
            }
            Outcome::Replayed => None,
        },
        Ended::Abandoned => None,
        Ended::Failed(failure) => {
            // Given up before the server hears of it, since the next task may come at once.
            drop(lease);
            ticket.failed(worker, failure).await;
            None
        }
    }
}

/// How the run took a task.
enum Ended {
    Finished(Box<Outcome>),
    Failed(TaskFailure),
    /// Nobody waits for an answer.
    Abandoned,
}

/// Brings the run what it needs until the task is finished.
async fn drive(
    worker: &Arc<Shared>,
    ticket: &Ticket,
    lease: &mut RunLease,
    task: WorkflowTask,
    mut pages: Pages,
) -> Ended {
    let caller = ticket.caller();
    // A query leaves those that go on to the next workflow task.
    let mut locals = if ticket.only_query {
        LocalActivities::default()
    } else {
        worker.parked.lock().remove(&caller.run_id).unwrap_or_default()
    };
    // Kept in case the run is not cached; its events are few then.
    let mut again = (!begins_history(&task)).then(|| task.clone());
    let mut step = lease.begin(task).await;
    loop {
        step = match step {
            Step::WholeHistory => {
                let Some(mut task) = again.take() else {
                    return Ended::Failed(task_failure(
                        "the server's history of this run does not fit its task".to_owned(),
                        "BadHistory",
                    ));
                };
                pages = Pages::from_start(ticket);
                match pages.next(worker).await {
                    Ok((events, more)) => {
                        (task.events, task.more_events) = (events, more);
                        lease.begin(task).await
                    }
                    Err(ended) => return ended,
                }
            }
            Step::NextPage => match pages.next(worker).await {
                Ok((events, more)) => lease.page(events, more).await,
                Err(ended) => return ended,
            },
            Step::LocalActivities {
                requests,
                task_timeout,
                now,
            } => {
                if let Some(error) = local_activities::unregistered(worker, &requests) {
                    return Ended::Failed(task_failure(error, "NotFoundError"));
                }
                let clock = Clock {
                    now: now + ticket.received.elapsed(),
                    task_timeout,
                };
                locals.apply(worker, &caller, clock, requests);
                tokio::select! {
                    biased;
                    () = worker.time_over.wait() => return Ended::Abandoned,
                    (seq, attempt, outcome) = locals.next() => lease.local_activity(seq, attempt, outcome).await,
                    () = tokio::time::sleep_until(ticket.received + task_timeout.mul_f64(0.8)) => lease.heartbeat().await,
                }
            }
            Step::Finished { outcome, cancels } => {
                locals.cancel(&cancels);
                match &*outcome {
                    Outcome::Completed(completion) if completion.force_create_new_workflow_task => {
                        worker.parked.lock().insert(caller.run_id, locals);
                    }
                    Outcome::Completed(completion) if completion.closes_workflow => locals.close(),
                    Outcome::Completed(_) | Outcome::Query(..) | Outcome::Replayed => locals.leave_behind(),
                }
                return Ended::Finished(outcome);
            }
            Step::Failed(failure) => return Ended::Failed(failure),
            Step::ThreadLost => return Ended::Abandoned,
        };
    }
}

/// What answers a task.
struct Ticket {
    task_token: Bytes,
    execution: WorkflowExecution,
    workflow_type: String,
    attempt: i32,
    /// Whether it is a query and nothing else.
    only_query: bool,
    poller_group_id: String,
    received: Instant,
    /// The names of the queries that came along, by id; of the one that is the task by an empty id.
    queries: HashMap<String, String>,
}

impl Ticket {
    fn caller(&self) -> Caller {
        Caller {
            workflow_id: self.execution.workflow_id.clone(),
            run_id: self.execution.run_id.clone(),
            workflow_type: self.workflow_type.clone(),
        }
    }

    fn resource_id(&self) -> String {
        format!("workflow:{}", self.execution.workflow_id)
    }

    /// Answers with commands. Gives the next task, if the server has one already.
    async fn completed(
        &self,
        worker: &Arc<Shared>,
        lease: RunLease,
        completion: Completion,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        let Completion {
            mut commands,
            messages,
            query_results,
            sdk_metadata,
            force_create_new_workflow_task,
            changed_memo,
            closes_workflow,
        } = completion;
        let mut eager_slots = reserve_eager(worker, &mut commands);
        let mut request = RespondWorkflowTaskCompletedRequest {
            task_token: self.task_token.clone(),
            commands,
            identity: worker.identity.clone(),
            sticky_attributes: sticky_attributes(worker),
            // A worker that is ending takes no more than it must.
            return_new_workflow_task: force_create_new_workflow_task || !worker.is_shutting_down(),
            force_create_new_workflow_task,
            query_results,
            namespace: worker.namespace(),
            resource_id: self.resource_id(),
            worker_version_stamp: worker.version_stamp(),
            messages,
            sdk_metadata,
            capabilities: Some(Capabilities {
                discard_speculative_workflow_task_with_events: true,
            }),
            worker_instance_key: worker.instance_key.clone(),
            ..Default::default()
        };
        if let Err(error) = codec::encode(worker.client.data_converter(), &mut request).await {
            drop(lease);
            self.failed(worker, codec_failure(&error)).await;
            return None;
        }
        if let Err(failure) = self.bound(worker, &mut request, changed_memo).await {
            drop(lease);
            self.failed(worker, failure).await;
            return None;
        }
        let parts = (request.encoded_len() > NOTABLE).then(|| payload_limit::largest_parts(&request));
        let answer = match worker.respond(request).await {
            Ok(answer) => answer,
            Err(error) => {
                drop(lease);
                worker.parked.lock().remove(&self.execution.run_id);
                self.refused(worker, error, parts).await;
                return None;
            }
        };
        if closes_workflow {
            drop(lease);
        } else {
            lease.keep();
        }
        for task in answer.activity_tasks {
            let Some(slot) = eager_slots.pop() else {
                tracing::error!("the server gave an activity that was not asked for: it will time out");
                break;
            };
            let task = activity_task::run(Arc::clone(worker), task);
            worker.spawn(async move {
                task.await;
                drop(slot);
            });
        }
        answer.workflow_task.filter(|task| !task.task_token.is_empty())
    }

    /// Sees to it that nothing in an answer is larger than the namespace takes.
    async fn bound(
        &self,
        worker: &Shared,
        request: &mut RespondWorkflowTaskCompletedRequest,
        mut changed_memo: Option<Memo>,
    ) -> Result<(), TaskFailure> {
        let converter = worker.client.data_converter();
        if let Some(memo) = &mut changed_memo {
            codec::encode(converter, memo)
                .await
                .map_err(|error| codec_failure(&error))?;
        }
        let limit = worker.payload_limit.load(Ordering::Relaxed);
        let limits = payload_limit::Limits {
            value: limit,
            memo: worker.memo_limit.load(Ordering::Relaxed),
        };
        let (commands, described) = (&request.commands, self.described());
        if let Some(failure) = payload_limit::too_large(commands, changed_memo.as_ref(), &described, limits) {
            return Err(failure);
        }
        payload_limit::fail_large_updates(&mut request.messages, &described, limit, converter)
            .await
            .map_err(|error| codec_failure(&error))?;
        for (id, result) in &mut request.query_results {
            payload_limit::fail_large_answer(result, &self.answer_of(Some(id)), limit, converter);
        }
        Ok(())
    }

    /// The workflow, for people.
    fn described(&self) -> String {
        let Self {
            workflow_type,
            execution,
            ..
        } = self;
        format!("workflow \"{workflow_type}\" ({})", execution.workflow_id)
    }

    /// The answer of a query that came with the task, or of the one that is the task.
    fn answer_of(&self, id: Option<&str>) -> String {
        let name = self.queries.get(id.unwrap_or_default()).map_or("", String::as_str);
        format!("the answer of query \"{name}\" of {}", self.described())
    }

    /// The server does not take an answer.
    async fn refused(&self, worker: &Shared, error: RpcError, parts: Option<String>) {
        let WorkflowExecution { workflow_id, run_id } = &self.execution;
        match error.code() {
            Code::NotFound if !names_no_namespace(&error) => {
                tracing::debug!(workflow_id, run_id, %error, "the server waits for a workflow task no more");
            }
            // Something happened in the meantime: the server offers the task again, with that in it.
            Code::InvalidArgument if error.message().contains("UnhandledCommand") => {
                tracing::debug!(workflow_id, run_id, %error, "the workflow has more to see before it can end");
            }
            _ if is_too_large(&error) => {
                let mut failure = task_failure(
                    format!(
                        "the answer to a workflow task of {} is too large for one message: it {}: {} ({})",
                        self.described(),
                        parts.unwrap_or_default(),
                        payload_limit::SPLIT,
                        error.message()
                    ),
                    "PayloadsTooLarge",
                );
                // The cause that names a message too large makes the server end the run; code can be mended.
                failure.cause = WorkflowTaskFailedCause::PayloadsTooLarge;
                self.failed(worker, failure).await;
            }
            // The server does not always fail the task itself; where it has, it does not take this.
            Code::InvalidArgument | Code::NotFound => {
                let message = format!(
                    "the server does not take the answer to a workflow task of {}: {}",
                    self.described(),
                    error.message()
                );
                self.failed(worker, task_failure(message, "AnswerRefused")).await;
            }
            _ => tracing::warn!(workflow_id, run_id, %error, "the server does not take the answer to a workflow task"),
        }
    }

    async fn query_answered(&self, worker: &Shared, result: WorkflowQueryResult) {
        let (converter, what) = (worker.client.data_converter(), self.answer_of(None));
        let mut request = RespondQueryTaskCompletedRequest {
            task_token: self.task_token.clone(),
            completed_type: result.result_type,
            query_result: result.answer,
            error_message: result.error_message,
            failure: result.failure,
            namespace: worker.namespace(),
            poller_group_id: self.poller_group_id.clone(),
            ..Default::default()
        };
        if let Err(error) = codec::encode(converter, &mut request).await {
            request = self.query_failed(worker, codec_failure(&error));
        }
        let limit = worker.payload_limit.load(Ordering::Relaxed);
        if let Some(message) = payload_limit::large_answer(request.query_result.as_ref(), &what, limit) {
            request = self.query_failed(worker, task_failure(message, "PayloadsTooLarge"));
        }
        let size = request.encoded_len();
        let Err(error) = worker.respond(request).await else {
            return;
        };
        if !is_too_large(&error) {
            return self.undelivered(&error);
        }
        let message = format!(
            "{what} has {size} bytes, more than one message may have: {} ({})",
            payload_limit::REMEDY,
            error.message()
        );
        let request = self.query_failed(worker, task_failure(message, "PayloadsTooLarge"));
        self.answer_query(worker, request).await;
    }

    async fn answer_query(&self, worker: &Shared, request: RespondQueryTaskCompletedRequest) {
        if let Err(error) = worker.respond(request).await {
            self.undelivered(&error);
        }
    }

    fn undelivered(&self, error: &RpcError) {
        let WorkflowExecution { workflow_id, run_id } = &self.execution;
        tracing::debug!(workflow_id, run_id, %error, "the answer to a query was not delivered");
    }

    fn query_failed(&self, worker: &Shared, failure: TaskFailure) -> RespondQueryTaskCompletedRequest {
        RespondQueryTaskCompletedRequest {
            task_token: self.task_token.clone(),
            completed_type: QueryResultType::Failed.into(),
            error_message: failure.failure.message.clone(),
            cause: failure.cause.into(),
            failure: Some(*failure.failure),
            namespace: worker.namespace(),
            poller_group_id: self.poller_group_id.clone(),
            ..Default::default()
        }
    }

    /// Tells the server, and people, that the task failed.
    async fn failed(&self, worker: &Shared, failure: TaskFailure) {
        tracing::warn!(
            workflow_id = self.execution.workflow_id,
            run_id = self.execution.run_id,
            workflow_type = self.workflow_type,
            attempt = self.attempt,
            cause = failure.cause.as_str_name(),
            message = failure.failure.message,
            "workflow task failed: it is tried again until the code is mended"
        );
        if self.only_query {
            let mut request = self.query_failed(worker, failure);
            if codec::encode(worker.client.data_converter(), &mut request)
                .await
                .is_err()
            {
                request.failure = None;
            }
            return self.answer_query(worker, request).await;
        }
        worker.parked.lock().remove(&self.execution.run_id);
        // The server offers a failed task again at once, so a second failure is kept back until the task times out: that
        // is the pause between the attempts.
        if self.attempt > 1 {
            return;
        }
        let mut request = RespondWorkflowTaskFailedRequest {
            task_token: self.task_token.clone(),
            cause: failure.cause.into(),
            failure: Some(*failure.failure),
            identity: worker.identity.clone(),
            namespace: worker.namespace(),
            resource_id: self.resource_id(),
            worker_version: worker.version_stamp(),
            ..Default::default()
        };
        if codec::encode(worker.client.data_converter(), &mut request)
            .await
            .is_err()
        {
            request.failure = None;
        }
        if let Err(error) = worker.respond(request).await {
            tracing::debug!(%error, "the failure of a workflow task was not delivered");
        }
    }
}

/// Where the next page of a run's history is.
struct Pages {
    execution: WorkflowExecution,
    token: Bytes,
    /// Whether the first page is still to be fetched, for which there is no token.
    at_start: bool,
}

impl Pages {
    fn from_start(ticket: &Ticket) -> Self {
        Self {
            execution: ticket.execution.clone(),
            token: Bytes::new(),
            at_start: true,
        }
    }

    /// The next events, and whether there are more.
    async fn next(&mut self, worker: &Shared) -> Result<(Vec<HistoryEvent>, bool), Ended> {
        if self.token.is_empty() && !self.at_start {
            return Ok((Vec::new(), false));
        }
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: worker.namespace(),
            execution: Some(self.execution.clone()),
            next_page_token: std::mem::take(&mut self.token),
            ..Default::default()
        };
        let mut page = match worker.respond(request).await {
            Ok(page) => page,
            Err(error) => {
                let WorkflowExecution { workflow_id, run_id } = &self.execution;
                tracing::warn!(workflow_id, run_id, %error, "the history of a workflow cannot be fetched: its task is left to time out");
                return Err(Ended::Abandoned);
            }
        };
        if let Err(error) = codec::decode(worker.client.data_converter(), &mut page).await {
            return Err(Ended::Failed(codec_failure(&error)));
        }
        self.at_start = false;
        self.token = page.next_page_token;
        Ok((page.history.unwrap_or_default().events, !self.token.is_empty()))
    }
}

/// The parts of a polled task: for the answer, for the run, and for more of the history.
fn take_apart(polled: PollWorkflowTaskQueueResponse, received: Instant) -> (Ticket, WorkflowTask, Pages) {
    let execution = polled.workflow_execution.unwrap_or_default();
    let workflow_type = polled.workflow_type.unwrap_or_default().name;
    let pages = Pages {
        execution: execution.clone(),
        token: polled.next_page_token,
        at_start: false,
    };
    let only_query = polled.query.is_some();
    let named = |(id, query): (&String, &WorkflowQuery)| (id.clone(), query.query_type.clone());
    let mut queries: HashMap<_, _> = polled.queries.iter().map(named).collect();
    queries.extend(
        polled
            .query
            .iter()
            .map(|query| (String::new(), query.query_type.clone())),
    );
    let direct = polled.query.map(|query| query_request(QueryId::Direct, query));
    let attached = polled
        .queries
        .into_iter()
        .map(|(id, query)| query_request(QueryId::Attached(id), query));
    let task = WorkflowTask {
        workflow_id: execution.workflow_id.clone(),
        run_id: execution.run_id.clone(),
        workflow_type: workflow_type.clone(),
        attempt: u32::try_from(polled.attempt).unwrap_or(1).max(1),
        started_event_id: polled.started_event_id,
        previous_started_event_id: polled.previous_started_event_id,
        events: polled.history.unwrap_or_default().events,
        more_events: !pages.token.is_empty(),
        messages: polled.messages,
        queries: direct.into_iter().chain(attached).collect(),
        replay: false,
    };
    let ticket = Ticket {
        task_token: polled.task_token,
        execution,
        workflow_type,
        attempt: polled.attempt,
        only_query,
        poller_group_id: polled.poller_group_id,
        received,
        queries,
    };
    (ticket, task, pages)
}

/// Whether a command goes to a namespace that there is not.
fn names_no_namespace(error: &RpcError) -> bool {
    error.typed_detail::<NamespaceNotFoundFailure>().is_some()
}

/// Whether a message was larger than the server takes.
fn is_too_large(error: &RpcError) -> bool {
    error.code() == Code::ResourceExhausted && error.message().contains("message larger than max")
}

fn query_request(id: QueryId, query: WorkflowQuery) -> QueryRequest {
    QueryRequest {
        id,
        name: query.query_type,
        arguments: query.query_args.unwrap_or_default().payloads,
        header: query.header.unwrap_or_default().fields,
    }
}

fn begins_history(task: &WorkflowTask) -> bool {
    task.events.first().is_some_and(|event| event.event_id == 1)
}

fn sticky_attributes(worker: &Shared) -> Option<StickyExecutionAttributes> {
    // A worker that ends is not to get the next task.
    let worker_task_queue = worker.sticky_task_queue().filter(|_| !worker.is_shutting_down())?;
    Some(StickyExecutionAttributes {
        worker_task_queue: Some(worker_task_queue),
        schedule_to_start_timeout: worker.options.sticky_timeout.try_into().ok(),
    })
}

/// Keeps slots free for activities that the server may give with the answer, and asks for no more than those.
fn reserve_eager(worker: &Shared, commands: &mut [Command]) -> Vec<OwnedSemaphorePermit> {
    let mut slots = Vec::new();
    for command in commands {
        let Some(Attributes::ScheduleActivityTaskCommandAttributes(schedule)) = &mut command.attributes else {
            continue;
        };
        if !schedule.request_eager_execution {
            continue;
        }
        let queue = schedule.task_queue.as_ref().map_or("", |queue| queue.name.as_str());
        let ours = queue.is_empty() || queue == worker.task_queue;
        let known = || {
            schedule
                .activity_type
                .as_ref()
                .is_some_and(|kind| worker.activities.find(&kind.name).is_some())
        };
        let wanted = worker.options.eager_activities
            && worker.options.remote_activities
            && worker.options.max_activities_per_second.is_none()
            && !worker.is_shutting_down()
            && slots.len() < MOST_EAGER;
        let slot = (ours && wanted && known())
            .then(|| Arc::clone(&worker.activity_slots).try_acquire_owned().ok())
            .flatten();
        schedule.request_eager_execution = slot.is_some();
        slots.extend(slot);
    }
    slots
}

fn codec_failure(error: &temporal_client::data::CodecError) -> TaskFailure {
    task_failure(format!("the payload codec failed: {error}"), "CodecError")
}
