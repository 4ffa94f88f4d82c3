//! Listing and counting runs.

use std::collections::BTreeMap;

use temporal_protos::api::enums::v1::WorkflowExecutionStatus as RunStatus;
use temporal_protos::api::filter::v1::StartTimeFilter;
use temporal_protos::api::workflow::v1::WorkflowExecutionInfo;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::bytes::Bytes;

use super::super::visibility::{Attributes, PageToken, Position, Query, Schema, SystemSchema, Value};
use super::commands::pascal;
use super::core::Engine;
use super::describe::execution_info;
use super::namespace::Namespace;
use super::state::State;
use super::status::Status;
use super::time::Time;

/// The rows of a page that names no size.
const PAGE: usize = 1_000;

/// A run as a row of a list.
#[derive(Clone, Copy)]
struct Row<'a> {
    run: &'a State,
    namespace: &'a Namespace,
}

impl Attributes for Row<'_> {
    fn attribute(&self, name: &str) -> Option<Value> {
        let run = self.run;
        let keyword = |text: &str| Some(Value::Keyword(text.to_owned()));
        let closed = |number: i64| run.close_time.map(|_| Value::Int(number));
        match name {
            "WorkflowId" => keyword(&run.workflow_id),
            "RunId" => keyword(&run.run_id.to_string()),
            "WorkflowType" => keyword(&run.workflow_type),
            "TaskQueue" => keyword(&run.task_queue),
            "ExecutionStatus" => Some(Value::Int(i64::from(run.status as i32))),
            "StartTime" => Some(Value::Datetime(run.start_time.as_nanos())),
            "ExecutionTime" => Some(Value::Datetime(run.execution_time.as_nanos())),
            "CloseTime" => run.close_time.map(|at| Value::Datetime(at.as_nanos())),
            "ExecutionDuration" => run
                .close_time
                .map(|at| Value::Int(at.as_nanos().saturating_sub(run.execution_time.as_nanos()))),
            "HistoryLength" => closed(run.history.len()),
            "HistorySizeBytes" => closed(run.history.size()),
            "StateTransitionCount" => closed(run.transitions),
            "ParentWorkflowId" => run.parent.as_deref().and_then(|parent| keyword(&parent.workflow_id)),
            "ParentRunId" => run
                .parent
                .as_deref()
                .and_then(|parent| keyword(&parent.run_id.to_string())),
            "RootWorkflowId" => keyword(&run.root().0),
            "RootRunId" => keyword(&run.root().1),
            _ => {
                let kind = SystemSchema
                    .attribute_type(name)
                    .or_else(|| self.namespace.search_attributes.get(name).copied())?;
                Value::from_payload(name, kind, &*run.search_attribute(name)?)
                    .ok()
                    .flatten()
            }
        }
    }
}

/// Where a run stands in lists.
fn position(run: &State) -> Position {
    Position {
        close_time: run.close_time.map(Time::as_nanos),
        start_time: run.start_time.as_nanos(),
        run_id: run.run_id.to_string(),
    }
}

/// What a list says of a run: sizes only once it is closed.
fn list_info(run: &State) -> WorkflowExecutionInfo {
    let mut info = execution_info(run);
    info.auto_reset_points = None;
    info.first_run_id = String::new();
    info.priority = None;
    if run.is_open() {
        info.history_length = 0;
        info.history_size_bytes = 0;
        info.state_transition_count = 0;
    }
    info
}

/// One page of a list.
struct Page {
    executions: Vec<WorkflowExecutionInfo>,
    next_page_token: Bytes,
}

impl Engine {
    fn query(&self, namespace: &str, text: &str) -> Result<(&Namespace, Query), Status> {
        let namespace = self.shared.namespaces.find(namespace)?;
        let query = Query::parse(text, &namespace.search_attributes)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok((namespace, query))
    }

    /// Runs that a query matches, in list order, behind a position.
    fn matching_runs<'a>(
        &'a self,
        namespace: &'a Namespace,
        query: &'a Query,
        after: Option<&Position>,
    ) -> impl Iterator<Item = &'a State> + 'a {
        self.shared
            .index
            .in_list_order(namespace.id, after)
            .filter_map(|key| self.runs.get(&key))
            .map(|run| &**run)
            .filter(move |run| query.matches(&Row { run, namespace }))
    }

    fn list(
        &self,
        namespace: &str,
        text: &str,
        size: i32,
        token: &[u8],
        wanted: impl Fn(&State) -> bool,
    ) -> Result<Page, Status> {
        let (namespace, query) = self.query(namespace, text)?;
        let after = match token {
            [] => None,
            token => Some(PageToken::read(token).ok_or_else(|| Status::invalid_argument("Invalid NextPageToken."))?),
        };
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size > 0)
            .map_or(PAGE, |size| size.min(PAGE));
        let mut runs = self
            .matching_runs(namespace, &query, after.as_ref())
            .filter(|run| wanted(run));
        let rows: Vec<&State> = runs.by_ref().take(size).collect();
        let more = runs.next().is_some();
        let next_page_token = match rows.last() {
            Some(last) if more => PageToken::after(&position(last)).into(),
            Some(_) | None => Bytes::new(),
        };
        Ok(Page {
            executions: rows.into_iter().map(list_info).collect(),
            next_page_token,
        })
    }

    pub(super) fn list_workflow_executions(
        &mut self,
        it: wf::ListWorkflowExecutionsRequest,
    ) -> Result<wf::ListWorkflowExecutionsResponse, Status> {
        let Page {
            executions,
            next_page_token,
        } = self.list(&it.namespace, &it.query, it.page_size, &it.next_page_token, |_| true)?;
        Ok(wf::ListWorkflowExecutionsResponse {
            executions,
            next_page_token,
        })
    }

    pub(super) fn scan_workflow_executions(
        &mut self,
        it: wf::ScanWorkflowExecutionsRequest,
    ) -> Result<wf::ScanWorkflowExecutionsResponse, Status> {
        let Page {
            executions,
            next_page_token,
        } = self.list(&it.namespace, &it.query, it.page_size, &it.next_page_token, |_| true)?;
        Ok(wf::ScanWorkflowExecutionsResponse {
            executions,
            next_page_token,
        })
    }

    pub(super) fn list_open_workflow_executions(
        &mut self,
        it: wf::ListOpenWorkflowExecutionsRequest,
    ) -> Result<wf::ListOpenWorkflowExecutionsResponse, Status> {
        use wf::list_open_workflow_executions_request::Filters;
        let span = Span::new(it.start_time_filter.as_ref());
        let Page {
            executions,
            next_page_token,
        } = self.list(&it.namespace, "", it.maximum_page_size, &it.next_page_token, |run| {
            run.is_open()
                && span.holds(run.start_time)
                && match &it.filters {
                    Some(Filters::ExecutionFilter(filter)) => *run.workflow_id == *filter.workflow_id,
                    Some(Filters::TypeFilter(filter)) => run.workflow_type == filter.name,
                    None => true,
                }
        })?;
        Ok(wf::ListOpenWorkflowExecutionsResponse {
            executions,
            next_page_token,
        })
    }

    pub(super) fn list_closed_workflow_executions(
        &mut self,
        it: wf::ListClosedWorkflowExecutionsRequest,
    ) -> Result<wf::ListClosedWorkflowExecutionsResponse, Status> {
        use wf::list_closed_workflow_executions_request::Filters;
        if let Some(Filters::StatusFilter(filter)) = &it.filters
            && matches!(filter.status(), RunStatus::Unspecified | RunStatus::Running)
        {
            return Err(Status::invalid_argument(
                "StatusFilter must be specified and must be not Running.",
            ));
        }
        let span = Span::new(it.start_time_filter.as_ref());
        let Page {
            executions,
            next_page_token,
        } = self.list(&it.namespace, "", it.maximum_page_size, &it.next_page_token, |run| {
            !run.is_open()
                && run.close_time.is_some_and(|at| span.holds(at))
                && match &it.filters {
                    Some(Filters::ExecutionFilter(filter)) => *run.workflow_id == *filter.workflow_id,
                    Some(Filters::TypeFilter(filter)) => run.workflow_type == filter.name,
                    Some(Filters::StatusFilter(filter)) => run.status == filter.status(),
                    None => true,
                }
        })?;
        Ok(wf::ListClosedWorkflowExecutionsResponse {
            executions,
            next_page_token,
        })
    }

    pub(super) fn count_workflow_executions(
        &mut self,
        request: wf::CountWorkflowExecutionsRequest,
    ) -> Result<wf::CountWorkflowExecutionsResponse, Status> {
        use wf::count_workflow_executions_response::AggregationGroup;
        let (namespace, query) = self.query(&request.namespace, &request.query)?;
        let mut counts: BTreeMap<RunStatus, i64> = BTreeMap::new();
        for run in self.matching_runs(namespace, &query, None) {
            *counts.entry(run.status).or_default() += 1;
        }
        let count = counts.values().sum();
        let mut groups = Vec::new();
        if query.groups_by_status() {
            for (status, count) in counts {
                let name = pascal(status.as_str_name().trim_start_matches("WORKFLOW_EXECUTION_STATUS_"));
                groups.push(AggregationGroup {
                    group_values: vec![Value::Keyword(name).to_payload()],
                    count,
                });
            }
        }
        Ok(wf::CountWorkflowExecutionsResponse { count, groups })
    }
}

/// A span of time, open where a filter names no end.
struct Span {
    earliest: Time,
    latest: Time,
}

impl Span {
    fn new(filter: Option<&StartTimeFilter>) -> Self {
        let earliest = filter
            .and_then(|filter| filter.earliest_time.as_ref())
            .map(Time::from_proto);
        let latest = filter
            .and_then(|filter| filter.latest_time.as_ref())
            .map(Time::from_proto);
        Span {
            earliest: earliest.unwrap_or(Time::from_nanos(i64::MIN)),
            latest: latest.unwrap_or(Time::MAX),
        }
    }

    fn holds(&self, time: Time) -> bool {
        self.earliest <= time && time <= self.latest
    }
}
