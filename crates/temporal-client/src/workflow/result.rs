//! Waiting for a workflow's end.

use super::{WorkflowError, WorkflowHandle};
use crate::client::Client;
use crate::connection::{Call, CallOptions, Code};
use crate::data::FromPayload;
use crate::definition::WorkflowDefinition;
use crate::failure::{CancelledError, TerminatedError, TimeoutError, TimeoutType};
use crate::interceptor::CallError;
use temporal_protos::api::common::v1::{Payloads, WorkflowExecution};
use temporal_protos::api::enums::v1::HistoryEventFilterType;
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;

/// How a run ended.
enum End {
    Completed(Option<Payloads>),
    Failed(WorkflowError),
    /// Another run goes on where this one ended.
    FollowedBy(String),
}

impl<W: WorkflowDefinition> WorkflowHandle<W>
where
    W::Output: FromPayload,
{
    /// Waits for the workflow's result, for as long as it takes.
    ///
    /// Runs that follow one another (retries, continue-as-new, cron) are followed to the last, unless
    /// [`follow_runs`](Self::follow_runs) says otherwise. An outage of the server is waited out.
    ///
    /// # Errors
    /// A variant of [`WorkflowError`] for each way in which a workflow ends without a result.
    pub fn result(&self) -> Call<W::Output, WorkflowError> {
        let client = self.client.clone();
        let workflow_id = self.workflow_id.clone();
        let mut run_id = self.result_run_id.clone();
        let follow = self.follow_runs;
        Call::new(move |call| async move {
            let call = call.or_long_poll();
            loop {
                let execution = WorkflowExecution {
                    workflow_id: workflow_id.clone(),
                    run_id: run_id.clone(),
                };
                let event = close_event(&client, execution, &call).await?;
                match end_of(&client, event, follow) {
                    End::Completed(result) => return Ok(client.data_converter().result_from_payloads(result)?),
                    End::Failed(error) => return Err(error),
                    End::FollowedBy(next) => run_id = next,
                }
            }
        })
    }
}

/// Waits for the last event of a run.
async fn close_event(
    client: &Client,
    execution: WorkflowExecution,
    call: &CallOptions,
) -> Result<HistoryEvent, CallError> {
    let mut request = GetWorkflowExecutionHistoryRequest {
        namespace: client.namespace().to_owned(),
        execution: Some(execution),
        wait_new_event: true,
        history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
        skip_archival: true,
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    loop {
        let response = match client.invoke(request.clone(), call.clone()).await {
            Ok(response) => response,
            // Nothing happened for as long as a call may take: ask again.
            Err(CallError::Rpc(error)) if error.code() == Code::DeadlineExceeded => continue,
            Err(error) => return Err(error),
        };
        let events = response.history.map(|history| history.events).unwrap_or_default();
        if let Some(event) = events.into_iter().last() {
            return Ok(event);
        }
        request.next_page_token = response.next_page_token;
    }
}

fn end_of(client: &Client, event: HistoryEvent, follow: bool) -> End {
    let next = |run_id: String| Some(run_id).filter(|run_id| follow && !run_id.is_empty());
    let converter = client.data_converter();
    match event.attributes {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(end)) => match next(end.new_execution_run_id) {
            Some(run_id) => End::FollowedBy(run_id),
            None => End::Completed(end.result),
        },
        Some(Attributes::WorkflowExecutionFailedEventAttributes(end)) => match next(end.new_execution_run_id) {
            Some(run_id) => End::FollowedBy(run_id),
            None => {
                let failure = converter.failure_to_error(end.failure.unwrap_or_default());
                End::Failed(WorkflowError::Failed(failure))
            }
        },
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(end)) => match next(end.new_execution_run_id) {
            Some(run_id) => End::FollowedBy(run_id),
            None => {
                let error = TimeoutError::new("workflow execution timed out", TimeoutType::StartToClose);
                End::Failed(WorkflowError::TimedOut(error))
            }
        },
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(end)) => {
            match next(end.new_execution_run_id.clone()) {
                Some(run_id) => End::FollowedBy(run_id),
                None => End::Failed(WorkflowError::ContinuedAsNew {
                    new_run_id: end.new_execution_run_id,
                }),
            }
        }
        Some(Attributes::WorkflowExecutionCanceledEventAttributes(end)) => {
            let details = end.details.map(|details| details.payloads).unwrap_or_default();
            let error = CancelledError::received("", details, converter.payload_converter());
            End::Failed(WorkflowError::Cancelled(error))
        }
        Some(Attributes::WorkflowExecutionTerminatedEventAttributes(end)) => {
            End::Failed(WorkflowError::Terminated(TerminatedError::by(end.reason, end.identity)))
        }
        _ => End::Failed(WorkflowError::UnknownEnd {
            event_type: event.event_type,
        }),
    }
}
