//! Updates of workflows that are started first where they do not run.

use super::error::is_workflow_not_found;
use super::handle::Started;
use super::start::ParamsOf;
use super::update::update_request;
use super::{
    StartWorkflowError, UpdateError, UpdateHandle, UpdateOptions, UpdateWaitStage, UpdateWithStartError,
    WorkflowHandle, WorkflowIdConflictPolicy, WorkflowOptions,
};
use crate::client::Client;
use crate::connection::{Call, CallOptions, Code, RpcError};
use crate::data::{ConversionError, FromPayload};
use crate::definition::{EncodeParams, IntoInput, UpdateRef, WorkflowRef};
use crate::interceptor::CallError;
use temporal_protos::any;
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use temporal_protos::api::errordetails::v1::{
    MultiOperationExecutionFailure, WorkflowExecutionAlreadyStartedFailure, multi_operation_execution_failure,
};
use temporal_protos::api::workflowservice::v1::execute_multi_operation_request::{Operation, operation};
use temporal_protos::api::workflowservice::v1::execute_multi_operation_response::response::Response;
use temporal_protos::api::workflowservice::v1::{
    ExecuteMultiOperationRequest, ExecuteMultiOperationResponse, StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse,
};
use tonic::Status;

impl Client {
    /// Makes an update on a workflow, started first where it does not run, and waits for the update's result.
    ///
    /// ```no_run
    /// use temporal_client::definition::{update_named, workflow_named};
    /// use temporal_client::{Client, WorkflowOptions};
    ///
    /// # async fn example(client: Client) -> anyhow::Result<()> {
    /// let cart = workflow_named::<()>("Cart");
    /// let add = update_named::<u32>("add_item");
    /// let options = WorkflowOptions::new("cart-of-c-4", "carts");
    /// let items = client.execute_update_with_start(cart, (), options, add, "a book").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The id conflict policy is `UseExisting` unless the options set one.
    ///
    /// # Errors
    /// [`UpdateWithStartError::Start`] when the workflow is not started, [`UpdateWithStartError::Update`] when the update
    /// fails.
    pub fn execute_update_with_start<R, I, U, J>(
        &self,
        workflow: R,
        input: I,
        options: WorkflowOptions,
        update: U,
        update_input: J,
    ) -> Call<U::Output, UpdateWithStartError>
    where
        R: WorkflowRef,
        I: IntoInput<ParamsOf<R>>,
        ParamsOf<R>: EncodeParams,
        U: UpdateRef<R::Workflow>,
        U::Params: EncodeParams,
        U::Output: FromPayload,
        J: IntoInput<U::Params>,
    {
        let started = self.start_update_with_start(
            workflow,
            input,
            options,
            update,
            update_input,
            UpdateWaitStage::Completed,
        );
        Call::new(move |call| async move {
            let (_, handle) = started.options(call.clone()).await?;
            Ok(handle.result().options(call).await?)
        })
    }

    /// Starts an update on a workflow, started first where it does not run, and returns handles to both.
    ///
    /// The id conflict policy is `UseExisting` unless the options set one.
    ///
    /// # Errors
    /// [`UpdateWithStartError::Start`] when the workflow is not started, [`UpdateWithStartError::Update`] when the update does
    /// not reach it. That the workflow rejects the update, or that its handler fails, is no error here:
    /// [`result`](UpdateHandle::result) then gives [`UpdateError::Failed`].
    pub fn start_update_with_start<R, I, U, J>(
        &self,
        workflow: R,
        input: I,
        mut options: WorkflowOptions,
        update: U,
        update_input: J,
        update_options: impl Into<UpdateOptions>,
    ) -> Call<(WorkflowHandle<R::Workflow>, UpdateHandle<U::Output>), UpdateWithStartError>
    where
        R: WorkflowRef,
        I: IntoInput<ParamsOf<R>>,
        ParamsOf<R>: EncodeParams,
        U: UpdateRef<R::Workflow>,
        U::Params: EncodeParams,
        J: IntoInput<U::Params>,
    {
        if options.id_conflict_policy == WorkflowIdConflictPolicy::Unspecified {
            options.id_conflict_policy = WorkflowIdConflictPolicy::UseExisting;
        }
        let start = self.start_request(&workflow, input, options);
        let update = update_request(self, &update, update_input, update_options.into());
        let client = self.clone();
        Call::new(move |call| async move {
            let (start, update) = requests(start, update)?;
            let call = call.or_long_poll();
            let wanted = update
                .wait_policy
                .map_or(Stage::Accepted, |policy| policy.lifecycle_stage());
            let (started, updated) = execute(&client, start, update, &call).await?;
            let workflow_id = updated
                .update_ref
                .as_ref()
                .and_then(|update| update.workflow_execution.as_ref());
            let workflow_id = workflow_id
                .map(|execution| execution.workflow_id.clone())
                .unwrap_or_default();
            let handle = WorkflowHandle::started(client.clone(), workflow_id, started);
            Ok((
                handle,
                UpdateHandle::from_response(client, updated, wanted, &call).await?,
            ))
        })
    }
}

fn requests(
    start: Result<StartWorkflowExecutionRequest, ConversionError>,
    update: Result<UpdateWorkflowExecutionRequest, ConversionError>,
) -> Result<(StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest), UpdateWithStartError> {
    let start = start.map_err(StartWorkflowError::from)?;
    let mut update = update.map_err(UpdateError::from)?;
    update.workflow_execution = Some(WorkflowExecution {
        workflow_id: start.workflow_id.clone(),
        run_id: String::new(),
    });
    Ok((start, update))
}

/// Sends both until the update has been accepted.
async fn execute(
    client: &Client,
    start: StartWorkflowExecutionRequest,
    update: UpdateWorkflowExecutionRequest,
    call: &CallOptions,
) -> Result<(Started, UpdateWorkflowExecutionResponse), UpdateWithStartError> {
    let workflow_id = start.workflow_id.clone();
    let operation = |operation| Operation {
        operation: Some(operation),
    };
    let request = ExecuteMultiOperationRequest {
        namespace: client.namespace().to_owned(),
        resource_id: format!("workflow:{workflow_id}"),
        operations: vec![
            operation(operation::Operation::StartWorkflow(start)),
            operation(operation::Operation::UpdateWorkflow(update)),
        ],
    };
    loop {
        match client.invoke(request.clone(), call.clone()).await {
            Ok(response) => {
                if let Some(done) = halves(response) {
                    return Ok(done);
                }
            }
            Err(CallError::Rpc(error)) if error.code() == Code::DeadlineExceeded => {}
            Err(CallError::Rpc(error)) => return Err(half_failed(error, &workflow_id)),
            Err(CallError::Codec(error)) => return Err(StartWorkflowError::Data(error.into()).into()),
        }
    }
}

/// The two answers; `None` while the update is not accepted.
fn halves(response: ExecuteMultiOperationResponse) -> Option<(Started, UpdateWorkflowExecutionResponse)> {
    let (mut started, mut updated) = (None, None);
    for response in response.responses {
        match response.response {
            Some(Response::StartWorkflow(response)) => {
                started = Some(Started {
                    run_id: response.run_id,
                    first_execution_run_id: response.first_execution_run_id,
                });
            }
            Some(Response::UpdateWorkflow(response)) => updated = Some(response),
            None => {}
        }
    }
    Some((started?, updated.filter(|update| update.stage() >= Stage::Accepted)?))
}

/// The error of the half that failed: the other half's says only that it was aborted.
fn half_failed(error: RpcError, workflow_id: &str) -> UpdateWithStartError {
    let failure: Option<MultiOperationExecutionFailure> = error.typed_detail();
    let statuses = failure.map(|failure| failure.statuses).unwrap_or_default();
    let is_cause = |status: &multi_operation_execution_failure::OperationStatus| {
        !matches!(Code::from_i32(status.code), Code::Ok | Code::Aborted)
    };
    let Some((index, status)) = statuses.into_iter().enumerate().find(|(_, status)| is_cause(status)) else {
        return StartWorkflowError::Rpc(error).into();
    };
    let already = status
        .details
        .iter()
        .find_map(|detail| any::unpack::<WorkflowExecutionAlreadyStartedFailure>(detail).ok());
    let source = RpcError::new(error.rpc(), Status::new(Code::from_i32(status.code), status.message));
    match (index, already) {
        (0, Some(already)) => StartWorkflowError::AlreadyStarted {
            workflow_id: workflow_id.to_owned(),
            run_id: already.run_id,
            source,
        }
        .into(),
        (0, None) => StartWorkflowError::Rpc(source).into(),
        _ if is_workflow_not_found(&source) => UpdateError::NotFound(source).into(),
        _ => UpdateError::Rpc(source).into(),
    }
}
