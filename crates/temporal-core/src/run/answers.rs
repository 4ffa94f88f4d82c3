//! The queries of a task and their answers.

use crate::convert::single;
use crate::{QueryId, QueryRequest};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::enums::v1::QueryResultType;
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporal_protos::api::query::v1::WorkflowQueryResult;

/// Queries that wait, the one being answered, and those that were.
#[derive(Debug, Default)]
pub(super) struct Queries {
    waiting: VecDeque<QueryRequest>,
    answering: Option<QueryId>,
    answers: BTreeMap<QueryId, WorkflowQueryResult>,
}

impl Queries {
    pub(super) fn new(queries: Vec<QueryRequest>) -> Self {
        let answers = queries
            .iter()
            .map(|query| (query.id.clone(), unanswered(&query.name)))
            .collect();
        Self {
            waiting: queries.into(),
            answering: None,
            answers,
        }
    }

    pub(super) fn next(&mut self) -> Option<QueryRequest> {
        let query = self.waiting.pop_front()?;
        self.answering = Some(query.id.clone());
        Some(query)
    }

    /// The code is done with the query it had.
    pub(super) fn end_answering(&mut self) {
        self.answering = None;
    }

    pub(super) fn is_answering(&self) -> bool {
        self.answering.is_some()
    }

    /// The code made a command while a query is answered: that query fails, whatever its answer.
    pub(super) fn misused(&mut self, command: &str) {
        let Some(id) = self.answering.clone() else { return };
        let message = format!(
            "the query's handler called {command}, but a query must not change the workflow: move that call to a signal or an update"
        );
        self.answers.insert(id, failed(message, "QueryMadeCommand"));
    }

    pub(super) fn answer(&mut self, id: &QueryId, result: Result<Option<Payload>, Failure>) {
        let Some(answer) = self.answers.get_mut(id) else { return };
        if is_misuse(answer) {
            return;
        }
        *answer = match result {
            Ok(payload) => WorkflowQueryResult {
                result_type: QueryResultType::Answered.into(),
                answer: single(payload),
                ..WorkflowQueryResult::default()
            },
            Err(failure) => WorkflowQueryResult {
                result_type: QueryResultType::Failed.into(),
                error_message: failure.message.clone(),
                failure: Some(failure),
                ..WorkflowQueryResult::default()
            },
        };
    }

    /// The answer of a query task, if it was one.
    pub(super) fn take_direct(&mut self) -> Option<WorkflowQueryResult> {
        self.answers.remove(&QueryId::Direct)
    }

    /// The answers of the queries that rode on the task.
    pub(super) fn take_attached(&mut self) -> BTreeMap<String, WorkflowQueryResult> {
        core::mem::take(&mut self.answers)
            .into_iter()
            .filter_map(|(id, answer)| match id {
                QueryId::Attached(key) => Some((key, answer)),
                QueryId::Direct => None,
            })
            .collect()
    }
}

fn unanswered(name: &str) -> WorkflowQueryResult {
    failed(
        format!("the workflow's code did not answer the query {name:?}"),
        "QueryNotAnswered",
    )
}

fn failed(message: String, kind: &str) -> WorkflowQueryResult {
    WorkflowQueryResult {
        result_type: QueryResultType::Failed.into(),
        error_message: message.clone(),
        failure: Some(Failure {
            message,
            failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: kind.to_string(),
                ..ApplicationFailureInfo::default()
            })),
            ..Failure::default()
        }),
        ..WorkflowQueryResult::default()
    }
}

fn is_misuse(answer: &WorkflowQueryResult) -> bool {
    matches!(
        answer.failure.as_ref().and_then(|failure| failure.failure_info.as_ref()),
        Some(FailureInfo::ApplicationFailureInfo(info)) if info.r#type == "QueryMadeCommand"
    )
}
