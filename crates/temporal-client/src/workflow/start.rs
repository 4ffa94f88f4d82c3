//! Starting workflows.

use super::handle::Started;
use super::{StartWorkflowError, WorkflowError, WorkflowHandle, WorkflowOptions};
use crate::client::Client;
use crate::connection::{Call, CallOptions};
use crate::data::{ConversionError, FromPayload};
use crate::definition::{EncodeParams, IntoInput, WorkflowDefinition, WorkflowRef};
use crate::eager::EagerSlot;
use crate::interceptor::CallError;
use temporal_protos::api::workflowservice::v1::{StartWorkflowExecutionRequest, StartWorkflowExecutionResponse};

/// The parameters of the workflow that `R` names.
pub(super) type ParamsOf<R> = <<R as WorkflowRef>::Workflow as WorkflowDefinition>::Params;
/// The result of the workflow that `R` names.
pub(super) type OutputOf<R> = <<R as WorkflowRef>::Workflow as WorkflowDefinition>::Output;

impl Client {
    /// Starts a workflow and returns a handle to it.
    ///
    /// ```no_run
    /// use temporal_client::definition::workflow_named;
    /// use temporal_client::{Client, WorkflowOptions};
    ///
    /// # async fn example() -> anyhow::Result<()> {
    /// let client = Client::connect("http://localhost:7233").await?;
    /// // With `temporal_sdk` the workflow is named by its run method: `SayHello::run`.
    /// let say_hello = workflow_named::<String>("SayHello");
    /// let handle = client.start_workflow(say_hello, "World", WorkflowOptions::new("hello-1", "greetings")).await?;
    /// println!("{}", handle.result().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StartWorkflowError::AlreadyStarted`] when the id is taken; others when the input cannot be converted or the
    /// server refuses.
    pub fn start_workflow<R, I>(
        &self,
        workflow: R,
        input: I,
        options: WorkflowOptions,
    ) -> Call<WorkflowHandle<R::Workflow>, StartWorkflowError>
    where
        R: WorkflowRef,
        I: IntoInput<ParamsOf<R>>,
        ParamsOf<R>: EncodeParams,
    {
        let request = self.start_request(&workflow, input, options);
        let client = self.clone();
        Call::new(move |call| async move { client.start_with_request(request?, call).await })
    }

    /// Starts a workflow and waits for its result: [`start_workflow`](Self::start_workflow) and
    /// [`WorkflowHandle::result`] in one.
    ///
    /// # Errors
    /// [`WorkflowError::Start`] when it is not started, the others as it ends.
    pub fn execute_workflow<R, I>(
        &self,
        workflow: R,
        input: I,
        options: WorkflowOptions,
    ) -> Call<OutputOf<R>, WorkflowError>
    where
        R: WorkflowRef,
        I: IntoInput<ParamsOf<R>>,
        ParamsOf<R>: EncodeParams,
        OutputOf<R>: FromPayload,
    {
        let request = self.start_request(&workflow, input, options);
        let client = self.clone();
        Call::new(move |call| async move {
            let request = request.map_err(StartWorkflowError::from)?;
            let handle: WorkflowHandle<R::Workflow> = client.start_with_request(request, call.clone()).await?;
            handle.result().options(call).await
        })
    }

    pub(super) fn start_request<R, I>(
        &self,
        workflow: &R,
        input: I,
        options: WorkflowOptions,
    ) -> Result<StartWorkflowExecutionRequest, ConversionError>
    where
        R: WorkflowRef,
        I: IntoInput<ParamsOf<R>>,
        ParamsOf<R>: EncodeParams,
    {
        let input = self
            .data_converter()
            .params_to_payloads::<ParamsOf<R>>(&input.into_input())?;
        options.into_request(self, &workflow.name(), input)
    }

    async fn start_with_request<W>(
        &self,
        request: StartWorkflowExecutionRequest,
        call: CallOptions,
    ) -> Result<WorkflowHandle<W>, StartWorkflowError> {
        let workflow_id = request.workflow_id.clone();
        let response = self.invoke(request, call).await;
        let response = response.map_err(|error| StartWorkflowError::new(error, &workflow_id))?;
        let started = Started {
            run_id: response.run_id,
            first_execution_run_id: response.first_execution_run_id,
        };
        Ok(WorkflowHandle::started(self.clone(), workflow_id, started))
    }
}

/// Sends a start, and hands the first task to a worker of this process where that is wanted and possible.
pub(crate) async fn send_start(
    mut request: StartWorkflowExecutionRequest,
    client: &Client,
    options: &CallOptions,
) -> Result<StartWorkflowExecutionResponse, CallError> {
    let slot = eager_slot(client, &request);
    request.request_eager_execution = slot.is_some();
    client.data_converter().encode_message(&mut request).await?;
    // The payloads of the task stay as they are: its worker decodes them.
    let call = client
        .connection()
        .call(request, Some(client.namespace()), options.clone());
    let mut response = call.await?;
    if let (Some(slot), Some(task)) = (slot, response.eager_workflow_task.take()) {
        slot(task);
    }
    Ok(response)
}

fn eager_slot(client: &Client, request: &StartWorkflowExecutionRequest) -> Option<EagerSlot> {
    let able = client
        .capabilities()
        .is_some_and(|capabilities| capabilities.eager_workflow_start);
    let task_queue = request
        .task_queue
        .as_ref()
        .filter(|_| request.request_eager_execution && able)?;
    client
        .connection()
        .eager_workers()
        .reserve(client.namespace(), &task_queue.name)
}
