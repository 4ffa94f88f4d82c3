//! Histories.

use super::{HistoryError, WorkflowHandle};
use crate::client::Client;
use crate::connection::{Call, CallOptions, Code};
use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::enums::v1::HistoryEventFilterType;
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::{History, HistoryEvent};
use temporal_protos::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;
use temporal_protos::json::{self, JsonError};

/// The events of one run, as the server keeps them: payloads are not decoded by the codec.
///
/// ```
/// use temporal_client::WorkflowHistory;
///
/// let json = r#"{"events": [{"eventId": "1", "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
///     "workflowExecutionStartedEventAttributes": {"workflowId": "order-17"}}]}"#;
/// let history = WorkflowHistory::from_json(json)?;
/// assert_eq!((history.workflow_id.as_str(), history.events.len()), ("order-17", 1));
/// # Ok::<(), temporal_client::workflow::HistoryFormatError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkflowHistory {
    /// The workflow's id; empty where it is not known.
    pub workflow_id: String,
    /// The events, in order.
    pub events: Vec<HistoryEvent>,
}

/// A text that is not the JSON of a history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryFormatError {
    /// It is not JSON, or not of this form.
    #[error("not the JSON of a workflow history: {0}")]
    Json(#[from] JsonError),
    /// It does not hold exactly one history.
    #[error("expected one history, found {found}: read several with WorkflowHistory::many_from_json")]
    Count {
        /// How many there are.
        found: usize,
    },
}

impl WorkflowHistory {
    /// A history of these events; the workflow's id is taken from the first.
    #[must_use]
    pub fn new(events: Vec<HistoryEvent>) -> Self {
        let workflow_id = events.first().and_then(|event| match event.attributes.as_ref()? {
            Attributes::WorkflowExecutionStartedEventAttributes(started) => Some(started.workflow_id.clone()),
            _ => None,
        });
        Self {
            workflow_id: workflow_id.unwrap_or_default(),
            events,
        }
    }

    /// The history in a JSON text, as the Temporal CLI (`temporal workflow show --output json`), the web interface and
    /// the other SDKs write it, in today's form or an older one.
    ///
    /// # Errors
    /// When it is not JSON of a history.
    pub fn from_json(json: &str) -> Result<Self, HistoryFormatError> {
        let mut histories = Self::many_from_json(json)?;
        match (histories.len(), histories.pop()) {
            (1, Some(history)) => Ok(history),
            (found, _) => Err(HistoryFormatError::Count { found }),
        }
    }

    /// The histories in a JSON text that holds a list of them.
    ///
    /// # Errors
    /// When it is not JSON of histories.
    pub fn many_from_json(json: &str) -> Result<Vec<Self>, HistoryFormatError> {
        let histories = json::histories_from_json(json)?;
        Ok(histories.into_iter().map(|history| Self::new(history.events)).collect())
    }

    /// The history as JSON, in the form that all Temporal tools read.
    ///
    /// # Errors
    /// When an event has no JSON: a time out of range, a detail of unknown type.
    pub fn to_json(&self) -> Result<String, HistoryFormatError> {
        let history = History {
            events: self.events.clone(),
        };
        Ok(json::to_json_pretty(&history)?)
    }

    /// The same history, of the workflow with this id.
    #[must_use]
    pub fn with_workflow_id(mut self, id: impl Into<String>) -> Self {
        self.workflow_id = id.into();
        self
    }

    /// The id of the run, where the first event tells it.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        match self.events.first()?.attributes.as_ref()? {
            Attributes::WorkflowExecutionStartedEventAttributes(started) => {
                Some(started.original_execution_run_id.as_str()).filter(|id| !id.is_empty())
            }
            _ => None,
        }
    }
}

/// Events of a run as they come from the server: a stream of `Result<HistoryEvent, HistoryError>`.
#[must_use = "nothing is fetched until it is polled"]
pub struct HistoryEvents(BoxStream<'static, Result<HistoryEvent, HistoryError>>);

impl Stream for HistoryEvents {
    type Item = Result<HistoryEvent, HistoryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for HistoryEvents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HistoryEvents").finish_non_exhaustive()
    }
}

impl<W> WorkflowHandle<W> {
    /// The whole history of the run, as it is now.
    ///
    /// # Errors
    /// [`HistoryError::NotFound`] when there is no such workflow.
    pub fn fetch_history(&self) -> Call<WorkflowHistory, HistoryError> {
        let (client, execution) = (self.client.clone(), self.history_execution());
        Call::new(move |call| async move { fetch(&client, execution, call).await })
    }

    /// The events of the run, page by page, as it is now.
    pub fn fetch_history_events(&self) -> HistoryEvents {
        HistoryEvents(pages(
            self.client.clone(),
            self.history_execution(),
            false,
            CallOptions::new(),
        ))
    }

    /// The events of the run: those that are there, then each as it happens, until the run ends.
    pub fn follow_history_events(&self) -> HistoryEvents {
        let call = CallOptions::new().or_long_poll();
        HistoryEvents(pages(self.client.clone(), self.history_execution(), true, call))
    }

    /// The run whose history is meant: the one it is bound to or started.
    fn history_execution(&self) -> WorkflowExecution {
        WorkflowExecution {
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id().unwrap_or_default().to_owned(),
        }
    }
}

pub(super) async fn fetch(
    client: &Client,
    execution: WorkflowExecution,
    call: CallOptions,
) -> Result<WorkflowHistory, HistoryError> {
    let workflow_id = execution.workflow_id.clone();
    let events = pages(client.clone(), execution, false, call).try_collect().await?;
    Ok(WorkflowHistory { workflow_id, events })
}

fn pages(
    client: Client,
    execution: WorkflowExecution,
    follow: bool,
    call: CallOptions,
) -> BoxStream<'static, Result<HistoryEvent, HistoryError>> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: client.namespace().to_owned(),
        execution: Some(execution),
        wait_new_event: follow,
        history_event_filter_type: HistoryEventFilterType::AllEvent.into(),
        skip_archival: follow,
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let pages = stream::try_unfold(Some(request), move |request| {
        let (client, call) = (client.clone(), call.clone());
        async move {
            let Some(mut request) = request else {
                return Ok::<_, HistoryError>(None);
            };
            let response = loop {
                match client.call(request.clone()).options(call.clone()).await {
                    Ok(response) => break response,
                    Err(error) if follow && error.code() == Code::DeadlineExceeded => {}
                    Err(error) => return Err(error.into()),
                }
            };
            let events = response.history.map(|history| history.events).unwrap_or_default();
            request.next_page_token = response.next_page_token;
            let next = Some(request).filter(|request| !request.next_page_token.is_empty());
            Ok(Some((stream::iter(events.into_iter().map(Ok)), next)))
        }
    });
    pages.try_flatten().boxed()
}
