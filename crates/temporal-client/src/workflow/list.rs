//! Finding workflows.

use super::history::fetch;
use super::{HistoryError, ListWorkflowsError, WorkflowExecution, WorkflowHistory};
use crate::client::Client;
use crate::connection::{Call, CallOptions};
use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use temporal_protos::api::common::v1::{Payload, WorkflowExecution as Execution};
use temporal_protos::api::workflowservice::v1::{CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest};

/// How many histories are fetched at once by [`WorkflowList::histories`].
const FETCHES: usize = 8;

/// Workflows that a list filter finds: a stream of `Result<WorkflowExecution, ListWorkflowsError>`.
#[must_use = "nothing is listed until it is polled"]
pub struct WorkflowList {
    client: Client,
    list: BoxStream<'static, Result<WorkflowExecution, ListWorkflowsError>>,
}

/// Histories of the workflows that a list filter finds: a stream of `Result<WorkflowHistory, HistoryError>`.
#[must_use = "nothing is fetched until it is polled"]
pub struct WorkflowHistories(BoxStream<'static, Result<WorkflowHistory, HistoryError>>);

impl Stream for WorkflowList {
    type Item = Result<WorkflowExecution, ListWorkflowsError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.list.poll_next_unpin(context)
    }
}

impl Stream for WorkflowHistories {
    type Item = Result<WorkflowHistory, HistoryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for WorkflowList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WorkflowList").finish_non_exhaustive()
    }
}

impl fmt::Debug for WorkflowHistories {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WorkflowHistories").finish_non_exhaustive()
    }
}

impl WorkflowList {
    /// The histories of these workflows, in the same order, some of them fetched ahead.
    pub fn histories(self) -> WorkflowHistories {
        let client = self.client;
        let histories = self.list.map_err(HistoryError::from).map_ok(move |workflow| {
            let client = client.clone();
            let execution = Execution {
                workflow_id: workflow.id().to_owned(),
                run_id: workflow.run_id().to_owned(),
            };
            async move { fetch(&client, execution, CallOptions::new()).await }
        });
        WorkflowHistories(histories.try_buffered(FETCHES).boxed())
    }
}

/// How many workflows a list filter finds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkflowCount {
    /// All of them.
    pub count: u64,
    /// Those of each group, where the filter has a `GROUP BY`.
    pub groups: Vec<WorkflowCountGroup>,
}

/// One group of a [`WorkflowCount`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkflowCountGroup {
    /// How many there are.
    pub count: u64,
    /// The values by which they are grouped.
    pub values: Vec<Payload>,
}

impl Client {
    /// The workflows that a list filter finds, such as `WorkflowType = 'SayHello' AND ExecutionStatus = 'Running'`; all
    /// for an empty filter. The newest come first. Typed filters are in [`visibility`](crate::visibility).
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt as _;
    ///
    /// # async fn example(client: temporal_client::Client) -> anyhow::Result<()> {
    /// let mut workflows = client.list_workflows("ExecutionStatus = 'Failed'");
    /// while let Some(workflow) = workflows.try_next().await? {
    ///     println!("{} {}", workflow.workflow_type(), workflow.id());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_workflows(&self, query: impl Into<String>) -> WorkflowList {
        let request = ListWorkflowExecutionsRequest {
            namespace: self.namespace().to_owned(),
            query: query.into(),
            ..ListWorkflowExecutionsRequest::default()
        };
        let client = self.clone();
        let pages = stream::try_unfold(Some(request), move |request| {
            let client = client.clone();
            async move {
                let Some(mut request) = request else {
                    return Ok::<_, ListWorkflowsError>(None);
                };
                let response = client.invoke(request.clone(), CallOptions::new()).await?;
                request.next_page_token = response.next_page_token;
                let next = Some(request).filter(|request| !request.next_page_token.is_empty());
                let page = response.executions.into_iter();
                let page = page.map(move |info| Ok(WorkflowExecution::new(info, client.data_converter())));
                Ok(Some((stream::iter(page), next)))
            }
        });
        WorkflowList {
            client: self.clone(),
            list: pages.try_flatten().boxed(),
        }
    }

    /// How many workflows a list filter finds.
    ///
    /// # Errors
    /// [`ListWorkflowsError::InvalidQuery`] when the filter is not valid.
    pub fn count_workflows(&self, query: impl Into<String>) -> Call<WorkflowCount, ListWorkflowsError> {
        let request = CountWorkflowExecutionsRequest {
            namespace: self.namespace().to_owned(),
            query: query.into(),
        };
        let client = self.clone();
        Call::new(move |call| async move {
            let response = client.invoke(request, call).await?;
            let number = |count: i64| u64::try_from(count).unwrap_or_default();
            let groups = response.groups.into_iter().map(|group| WorkflowCountGroup {
                count: number(group.count),
                values: group.group_values,
            });
            Ok(WorkflowCount {
                count: number(response.count),
                groups: groups.collect(),
            })
        })
    }
}
