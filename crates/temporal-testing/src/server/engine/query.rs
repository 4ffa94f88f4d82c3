//! Queries: answered with a workflow task that is under way, or by a task of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::common::v1::{Payloads, WorkflowType};
use temporal_protos::api::enums::v1::{QueryRejectCondition, QueryResultType, WorkflowExecutionStatus};
use temporal_protos::api::errordetails::v1::QueryFailedFailure;
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::History;
use temporal_protos::api::query::v1::{QueryRejected, WorkflowQuery, WorkflowQueryResult};
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::Message;

use super::calls::{Answer, Call, CallId, Delivered, Waiting};
use super::core::Engine;
use super::limits::Limits;
use super::matching::{QueueType, Work};
use super::rpc::Response;
use super::run::Turn;
use super::status::Status;
use super::timers::{Pull, Slot};
use super::token::{TaskToken, TokenKind};
use super::workflow_task::normal_queue;

/// How long a query waits on the sticky queue, if the worker does not say.
const STICKY_WAIT: Duration = Duration::from_secs(5);

/// How long a worker may think about a query before another gets it. Real time: the worker that does not answer may be
/// gone, while the query keeps time from being skipped.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Where a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It waits for a workflow task, or for one to end.
    Waiting,
    /// It went out with the started workflow task.
    Attached,
    /// It is in a task queue by itself.
    Queued { sticky: bool },
    /// A worker has it by itself.
    Sent { poll: CallId },
}

/// A query without an answer.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) call: CallId,
    query: WorkflowQuery,
    stage: Stage,
}

impl Query {
    /// Whether time may not be skipped because of it: a worker can have it, or has it.
    pub(super) fn keeps_time(&self) -> bool {
        matches!(self.stage, Stage::Queued { .. } | Stage::Sent { .. })
    }
}

impl Engine {
    pub(super) fn query_workflow(
        &mut self,
        call: Call,
        request: wf::QueryWorkflowRequest,
    ) -> Result<Option<wf::QueryWorkflowResponse>, Status> {
        let query = request
            .query
            .ok_or_else(|| Status::invalid_argument("WorkflowQuery is not set on request."))?;
        if query.query_type.is_empty() {
            return Err(Status::invalid_argument("QueryType is not set on request."));
        }
        self.shared.config.limits.check_blob(query.encoded_len())?;
        let key = self.find_run(&request.namespace, request.execution.as_ref())?;
        let condition = QueryRejectCondition::try_from(request.query_reject_condition);
        let number = self.shared.number();
        let waits = self.turn(key, |turn| {
            if let Some(rejected) = turn.rejects_query(condition.unwrap_or(QueryRejectCondition::Unspecified)) {
                return Err(rejected);
            }
            turn.shared.calls.park(
                call.id,
                Waiting::Query {
                    run: key,
                    query: number,
                },
                call.deadline,
            );
            let query = Query {
                call: call.id,
                query,
                stage: Stage::Waiting,
            };
            turn.run.live.queries.insert(number, query);
            turn.queries_may_go();
            Ok(())
        });
        match waits {
            Some(Ok(())) => Ok(None),
            Some(Err(rejected)) => Ok(Some(wf::QueryWorkflowResponse {
                query_rejected: Some(rejected),
                ..wf::QueryWorkflowResponse::default()
            })),
            None => Err(Status::not_found("workflow not found")),
        }
    }

    pub(super) fn respond_query_task_completed(
        &mut self,
        request: wf::RespondQueryTaskCompletedRequest,
    ) -> Result<wf::RespondQueryTaskCompletedResponse, Status> {
        let token = TaskToken::decode(TokenKind::Query, &request.task_token)?;
        let gone = || Status::not_found("query task not found, or already expired");
        let key = self.run_of_token(&request.namespace, &token)?.ok_or_else(gone)?;
        let number = u64::try_from(token.id).map_err(|_| gone())?;
        let result = WorkflowQueryResult {
            result_type: request.completed_type,
            answer: request.query_result,
            error_message: request.error_message,
            failure: request.failure,
        };
        self.turn(key, |turn| {
            // One that waits for another worker was with this one before.
            let sent = turn
                .run
                .live
                .queries
                .get(&number)
                .is_some_and(|query| matches!(query.stage, Stage::Sent { .. } | Stage::Queued { .. }));
            if !sent {
                return Err(gone());
            }
            let answer = query_answer(&turn.shared.config.limits, result);
            turn.answer_query(number, answer);
            Ok(wf::RespondQueryTaskCompletedResponse {})
        })
        .ok_or_else(gone)?
    }
}

impl Turn<'_> {
    fn rejects_query(&self, condition: QueryRejectCondition) -> Option<QueryRejected> {
        let rejected = match condition {
            QueryRejectCondition::NotOpen => !self.is_open(),
            QueryRejectCondition::NotCompletedCleanly => {
                !self.is_open() && self.status != WorkflowExecutionStatus::Completed
            }
            QueryRejectCondition::Unspecified | QueryRejectCondition::None => false,
        };
        rejected.then(|| QueryRejected {
            status: self.status as i32,
        })
    }

    /// Queries that no workflow task will carry go by themselves.
    pub(super) fn queries_may_go(&mut self) {
        let ready = !self.is_open() || (self.last_completed_id > 0 && self.task.is_none());
        if !ready || self.run.live.queries.is_empty() {
            return;
        }
        for (number, stage) in self.query_stages() {
            if stage == Stage::Waiting {
                self.queue_query(number, true);
            }
        }
    }

    fn query_stages(&self) -> Vec<(u64, Stage)> {
        self.run
            .live
            .queries
            .iter()
            .map(|(number, query)| (*number, query.stage))
            .collect()
    }

    fn set_stage(&mut self, number: u64, stage: Stage) {
        if let Some(query) = self.run.live.queries.get_mut(&number) {
            query.stage = stage;
        }
    }

    /// Puts a query into the sticky queue, if wanted and polled, else into the normal one.
    fn queue_query(&mut self, number: u64, try_sticky: bool) {
        let sticky = self.sticky.as_deref().filter(|_| try_sticky).cloned().filter(|sticky| {
            let queue = self
                .shared
                .matching
                .queue(self.namespace, QueueType::Workflow, &sticky.queue);
            self.shared.matching.is_polled(queue, self.shared.real_now)
        });
        let work = Work::Query(self.key, number);
        self.clear_real_timer(Slot::Query(number));
        self.set_stage(
            number,
            Stage::Queued {
                sticky: sticky.is_some(),
            },
        );
        match sticky {
            Some(sticky) => {
                let wait = if sticky.schedule_to_start.is_zero() {
                    STICKY_WAIT
                } else {
                    sticky.schedule_to_start
                };
                self.set_timer(Slot::Query(number), self.shared.now + wait, Pull::Passive);
                self.enqueue(work, QueueType::Workflow, &sticky.queue);
            }
            None => {
                let queue = self.task_queue.clone();
                self.clear_timer(Slot::Query(number));
                self.enqueue(work, QueueType::Workflow, &queue);
            }
        }
    }

    /// The sticky queue's worker did not take a query in time, or the one that has it did not answer.
    pub(super) fn query_due(&mut self, number: u64) {
        match self.run.live.queries.get(&number).map(|it| it.stage) {
            Some(Stage::Queued { sticky: true }) => self.queue_query(number, false),
            Some(Stage::Sent { poll }) => {
                self.shared.calls.undeliver(poll);
                self.queue_query(number, false);
            }
            Some(Stage::Queued { sticky: false } | Stage::Waiting | Stage::Attached) | None => {}
        }
    }

    /// The run is no longer sticky.
    pub(super) fn queries_leave_sticky(&mut self) {
        for (number, stage) in self.query_stages() {
            if stage == (Stage::Queued { sticky: true }) {
                self.queue_query(number, false);
            }
        }
    }

    /// Queries wait on although their run closed; its sticky queue is gone.
    pub(super) fn queries_outlive_run(&mut self) {
        for (number, stage) in self.query_stages() {
            match stage {
                Stage::Waiting | Stage::Attached | Stage::Queued { sticky: true } => self.queue_query(number, false),
                Stage::Queued { sticky: false } | Stage::Sent { .. } => {}
            }
        }
    }

    /// The queries that a workflow task takes along.
    pub(super) fn queries_to_send(&mut self) -> BTreeMap<String, WorkflowQuery> {
        let mut queries = BTreeMap::new();
        for (number, query) in &mut self.run.live.queries {
            if query.stage == Stage::Waiting {
                query.stage = Stage::Attached;
                queries.insert(number.to_string(), query.query.clone());
            }
        }
        queries
    }

    /// The workflow task that took queries along did not complete.
    pub(super) fn queries_not_sent(&mut self) {
        for query in self.run.live.queries.values_mut() {
            if query.stage == Stage::Attached {
                query.stage = Stage::Waiting;
            }
        }
    }

    /// A workflow task completed with answers; queries without one go on waiting.
    pub(super) fn answer_task_queries(&mut self, results: BTreeMap<String, WorkflowQueryResult>) {
        for (id, result) in results {
            let Ok(number) = id.parse() else { continue };
            let attached = self
                .run
                .live
                .queries
                .get(&number)
                .is_some_and(|it| it.stage == Stage::Attached);
            if attached {
                let answer = query_answer(&self.shared.config.limits, result);
                self.answer_query(number, answer);
            }
        }
        self.queries_not_sent();
    }

    fn answer_query(&mut self, number: u64, answer: Answer) {
        if let Some(query) = self.remove_query(number) {
            self.shared.calls.answer(query.call, answer);
        }
    }

    /// Nobody waits for a query any more.
    pub(super) fn drop_query(&mut self, number: u64) {
        self.remove_query(number);
    }

    fn remove_query(&mut self, number: u64) -> Option<Query> {
        let query = self.run.live.queries.remove(&number)?;
        self.dequeue(Work::Query(self.key, number));
        self.clear_timer(Slot::Query(number));
        self.clear_real_timer(Slot::Query(number));
        if let Stage::Sent { poll } = query.stage {
            self.shared.calls.undeliver(poll);
        }
        Some(query)
    }

    /// A worker gets a query by itself.
    pub(super) fn start_query(&mut self, number: u64, poll: CallId) -> Option<wf::PollWorkflowTaskQueueResponse> {
        let query = self.run.live.queries.get(&number)?;
        let Stage::Queued { sticky } = query.stage else {
            return None;
        };
        let content = query.query.clone();
        self.set_stage(number, Stage::Sent { poll });
        self.clear_timer(Slot::Query(number));
        self.set_real_timer(Slot::Query(number), ANSWER_WAIT);
        self.shared.calls.deliver(poll, Delivered::Query(self.key, number));
        let (history, next_page_token) = if sticky {
            (History::default(), Default::default())
        } else {
            self.task_history(1)
        };
        let token = TaskToken::new(TokenKind::Query, self.run_id, i64::try_from(number).unwrap_or(0), 0);
        Some(wf::PollWorkflowTaskQueueResponse {
            task_token: token.encode(),
            workflow_execution: Some(self.run.execution()),
            workflow_type: Some(WorkflowType {
                name: self.workflow_type.clone(),
            }),
            previous_started_event_id: self.last_started_id,
            history: Some(history),
            next_page_token,
            query: Some(content),
            workflow_execution_task_queue: Some(normal_queue(&self.task_queue)),
            ..wf::PollWorkflowTaskQueueResponse::default()
        })
    }

    /// The query that went out with an answer was never received.
    pub(super) fn put_back_query(&mut self, number: u64) {
        let sent = self
            .run
            .live
            .queries
            .get(&number)
            .is_some_and(|query| matches!(query.stage, Stage::Sent { .. }));
        if sent {
            self.queue_query(number, true);
        }
    }
}

fn query_answer(limits: &Limits, result: WorkflowQueryResult) -> Answer {
    let size = result.answer.as_ref().map_or(0, Payloads::encoded_len);
    if let Err(refused) = limits.check_blob(size) {
        return Err(query_failed(refused.message, None));
    }
    match QueryResultType::try_from(result.result_type) {
        Ok(QueryResultType::Answered) => Ok(Response::QueryWorkflow(wf::QueryWorkflowResponse {
            query_result: result.answer,
            ..wf::QueryWorkflowResponse::default()
        })),
        Ok(QueryResultType::Unspecified | QueryResultType::Failed) | Err(_) => {
            Err(query_failed(result.error_message, result.failure))
        }
    }
}

fn query_failed(message: String, failure: Option<Failure>) -> Status {
    Status::invalid_argument(message).with_detail(
        "temporal.api.errordetails.v1.QueryFailedFailure",
        &QueryFailedFailure { failure },
    )
}
