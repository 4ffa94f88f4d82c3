//! A handle to a workflow.

use super::options::new_request_id;
use super::{WorkflowDescription, WorkflowOperationError};
use crate::client::Client;
use crate::connection::Call;
use crate::data::ToPayload;
use std::fmt;
use std::marker::PhantomData;
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, RequestCancelWorkflowExecutionRequest, TerminateWorkflowExecutionRequest,
};

/// A workflow of type `W` on the server, by its id.
///
/// One made by a start speaks to whichever run is current, waits for the result of the run it started and those that
/// follow it, and cancels or terminates only what grew out of that run. One from
/// [`Client::workflow_handle`](crate::Client::workflow_handle) speaks to the current run unless given a run id.
///
/// ```no_run
/// use temporal_client::definition::Untyped;
/// use temporal_client::{Client, WorkflowExecutionStatus};
///
/// # async fn example(client: Client) -> anyhow::Result<()> {
/// let handle = client.workflow_handle::<Untyped<String>>("order-17");
/// if handle.describe().await?.status() == WorkflowExecutionStatus::Running {
///     handle.cancel_with_reason("out of stock").await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct WorkflowHandle<W> {
    pub(super) client: Client,
    pub(super) workflow_id: String,
    /// The run to speak to; the current one when empty.
    pub(super) run_id: String,
    pub(super) first_execution_run_id: String,
    /// The run whose result is waited for; `run_id` when empty.
    pub(super) result_run_id: String,
    pub(super) follow_runs: bool,
    workflow: PhantomData<fn() -> W>,
}

/// What the server says of a start.
pub(super) struct Started {
    pub(super) run_id: String,
    pub(super) first_execution_run_id: String,
}

impl<W> Clone for WorkflowHandle<W> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id.clone(),
            first_execution_run_id: self.first_execution_run_id.clone(),
            result_run_id: self.result_run_id.clone(),
            ..*self
        }
    }
}

impl<W> fmt::Debug for WorkflowHandle<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WorkflowHandle")
            .field("workflow_id", &self.workflow_id)
            .field("run_id", &self.run_id())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A handle to a workflow that exists, by its id. The server is not asked.
    ///
    /// For a workflow of no type known here, `W` is [`Untyped<Output>`](crate::definition::Untyped).
    ///
    /// ```no_run
    /// use temporal_client::definition::{Untyped, query_named};
    ///
    /// # async fn example(client: temporal_client::Client) -> anyhow::Result<()> {
    /// let handle = client.workflow_handle::<Untyped<String>>("order-17");
    /// let status: String = handle.query(query_named("status"), ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn workflow_handle<W>(&self, workflow_id: impl Into<String>) -> WorkflowHandle<W> {
        WorkflowHandle::new(self.clone(), workflow_id.into())
    }
}

impl<W> WorkflowHandle<W> {
    fn new(client: Client, workflow_id: String) -> Self {
        Self {
            client,
            workflow_id,
            run_id: String::new(),
            first_execution_run_id: String::new(),
            result_run_id: String::new(),
            follow_runs: true,
            workflow: PhantomData,
        }
    }

    pub(super) fn started(client: Client, workflow_id: String, started: Started) -> Self {
        let Started {
            run_id,
            first_execution_run_id: first,
        } = started;
        Self {
            first_execution_run_id: if first.is_empty() { run_id.clone() } else { first },
            result_run_id: run_id,
            ..Self::new(client, workflow_id)
        }
    }

    /// The same workflow, but only this run of it.
    #[must_use]
    pub fn with_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = run_id.into();
        self.result_run_id.clone_from(&self.run_id);
        self
    }

    /// The same workflow, but only if it grew out of this run: otherwise cancelling, terminating and updating fail.
    #[must_use]
    pub fn with_first_execution_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.first_execution_run_id = run_id.into();
        self
    }

    /// Whether [`result`](Self::result) goes on to the runs that follow: retries, continue-as-new, cron. It does, by
    /// default.
    #[must_use]
    pub fn follow_runs(mut self, follow: bool) -> Self {
        self.follow_runs = follow;
        self
    }

    /// The same workflow by another type.
    #[must_use]
    pub fn typed<V>(self) -> WorkflowHandle<V> {
        WorkflowHandle {
            client: self.client,
            workflow_id: self.workflow_id,
            run_id: self.run_id,
            first_execution_run_id: self.first_execution_run_id,
            result_run_id: self.result_run_id,
            follow_runs: self.follow_runs,
            workflow: PhantomData,
        }
    }

    /// The workflow's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.workflow_id
    }

    /// The run it is bound to, or that it started.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        [&self.run_id, &self.result_run_id]
            .into_iter()
            .find(|id| !id.is_empty())
            .map(String::as_str)
    }

    /// The first of the runs, where it is known.
    #[must_use]
    pub fn first_execution_run_id(&self) -> Option<&str> {
        Some(self.first_execution_run_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The client it was made by.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn execution(&self) -> WorkflowExecution {
        WorkflowExecution {
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id.clone(),
        }
    }

    /// Asks the workflow to cancel itself.
    ///
    /// # Errors
    /// [`WorkflowOperationError::NotFound`] when it is not there or has ended.
    pub fn cancel(&self) -> Call<(), WorkflowOperationError> {
        self.cancel_with_reason("")
    }

    /// Asks the workflow to cancel itself, for this reason.
    ///
    /// # Errors
    /// [`WorkflowOperationError::NotFound`] when it is not there or has ended.
    pub fn cancel_with_reason(&self, reason: impl Into<String>) -> Call<(), WorkflowOperationError> {
        let request = RequestCancelWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.execution()),
            identity: self.client.identity().to_owned(),
            request_id: new_request_id(),
            first_execution_run_id: self.first_execution_run_id.clone(),
            reason: reason.into(),
            ..RequestCancelWorkflowExecutionRequest::default()
        };
        let client = self.client.clone();
        Call::new(move |call| async move {
            client.invoke(request, call).await?;
            Ok(())
        })
    }

    /// Ends the workflow at once: it is not asked, and cannot clean up.
    ///
    /// # Errors
    /// [`WorkflowOperationError::NotFound`] when it is not there or has ended.
    pub fn terminate(&self, reason: impl Into<String>) -> Call<(), WorkflowOperationError> {
        self.terminate_request(reason.into(), Ok(None))
    }

    /// Ends the workflow at once, with a value that tells why.
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate), and when the value cannot be converted.
    pub fn terminate_with_details<T: ToPayload>(
        &self,
        reason: impl Into<String>,
        details: &T,
    ) -> Call<(), WorkflowOperationError> {
        let details = self.client.data_converter().payload_converter().to_payload(details);
        self.terminate_request(
            reason.into(),
            details.map(|payload| super::options::payloads(vec![payload])),
        )
    }

    fn terminate_request(
        &self,
        reason: String,
        details: Result<Option<temporal_protos::api::common::v1::Payloads>, crate::data::ConversionError>,
    ) -> Call<(), WorkflowOperationError> {
        let request = details.map(|details| TerminateWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.execution()),
            reason,
            details,
            identity: self.client.identity().to_owned(),
            first_execution_run_id: self.first_execution_run_id.clone(),
            ..TerminateWorkflowExecutionRequest::default()
        });
        let client = self.client.clone();
        Call::new(move |call| async move {
            client.invoke(request?, call).await?;
            Ok(())
        })
    }

    /// What the server knows of the workflow.
    ///
    /// # Errors
    /// [`WorkflowOperationError::NotFound`] when it is not there.
    pub fn describe(&self) -> Call<WorkflowDescription, WorkflowOperationError> {
        let request = DescribeWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(self.execution()),
        };
        let client = self.client.clone();
        Call::new(move |call| async move {
            let response = client.invoke(request, call).await?;
            Ok(WorkflowDescription::new(response, client.data_converter()))
        })
    }
}
