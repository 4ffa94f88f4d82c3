//! Signals.

use super::handle::Started;
use super::options::{new_request_id, payloads};
use super::start::ParamsOf;
use super::{SignalError, StartWorkflowError, WorkflowHandle, WorkflowOptions};
use crate::client::Client;
use crate::connection::Call;
use crate::data::ConversionError;
use crate::definition::{EncodeParams, IntoInput, SignalRef, WorkflowRef};
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::workflowservice::v1::{
    SignalWithStartWorkflowExecutionRequest, SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
};

impl<W> WorkflowHandle<W> {
    /// Sends a signal. It has arrived at the server when this returns, not yet at the workflow.
    ///
    /// ```no_run
    /// # use temporal_client::{WorkflowHandle, definition::{NoParams, SignalMarker}};
    /// # struct Order;
    /// # impl Order { #[allow(non_upper_case_globals)] const hold: SignalMarker<Order, NoParams> = SignalMarker::new("hold"); }
    /// # async fn example(handle: WorkflowHandle<Order>) -> anyhow::Result<()> {
    /// handle.signal(Order::hold, ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SignalError::NotFound`] when the workflow is not there or has ended.
    pub fn signal<S, I>(&self, signal: S, input: I) -> Call<(), SignalError>
    where
        S: SignalRef<W>,
        S::Params: EncodeParams,
        I: IntoInput<S::Params>,
    {
        let input = self
            .client
            .data_converter()
            .params_to_payloads::<S::Params>(&input.into_input());
        let request = input.map(|input| SignalWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(self.execution()),
            signal_name: signal.name().into_owned(),
            input: payloads(input),
            identity: self.client.identity().to_owned(),
            request_id: new_request_id(),
            ..SignalWorkflowExecutionRequest::default()
        });
        let client = self.client.clone();
        Call::new(move |call| async move {
            client.invoke(request?, call).await?;
            Ok(())
        })
    }
}

impl Client {
    /// Sends a signal to a workflow, and starts it first where it does not run: both or neither.
    ///
    /// ```no_run
    /// use temporal_client::definition::{signal_named, workflow_named};
    /// use temporal_client::{Client, WorkflowOptions};
    ///
    /// # async fn example(client: Client) -> anyhow::Result<()> {
    /// let cart = workflow_named::<()>("Cart");
    /// let options = WorkflowOptions::new("cart-of-c-4", "carts");
    /// client.signal_with_start(cart, (), options, signal_named("add"), "a book").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StartWorkflowError::AlreadyStarted`] when the workflow has ended and its id may not be used again; others when
    /// an input cannot be converted or the server refuses.
    pub fn signal_with_start<R, I, S, J>(
        &self,
        workflow: R,
        input: I,
        options: WorkflowOptions,
        signal: S,
        signal_input: J,
    ) -> Call<WorkflowHandle<R::Workflow>, StartWorkflowError>
    where
        R: WorkflowRef,
        I: IntoInput<ParamsOf<R>>,
        ParamsOf<R>: EncodeParams,
        S: SignalRef<R::Workflow>,
        S::Params: EncodeParams,
        J: IntoInput<S::Params>,
    {
        let request = || -> Result<_, ConversionError> {
            let start = self.start_request(&workflow, input, options)?;
            let signal_input = self
                .data_converter()
                .params_to_payloads::<S::Params>(&signal_input.into_input())?;
            Ok(signal_with_start(start, signal.name().into_owned(), signal_input))
        };
        let request = request();
        let client = self.clone();
        Call::new(move |call| async move {
            let request = request?;
            let workflow_id = request.workflow_id.clone();
            let response = client.invoke(request, call).await;
            let response = response.map_err(|error| StartWorkflowError::new(error, &workflow_id))?;
            let started = Started {
                run_id: response.run_id,
                first_execution_run_id: response.first_execution_run_id,
            };
            Ok(WorkflowHandle::started(client, workflow_id, started))
        })
    }
}

fn signal_with_start(
    start: StartWorkflowExecutionRequest,
    signal_name: String,
    signal_input: Vec<Payload>,
) -> SignalWithStartWorkflowExecutionRequest {
    SignalWithStartWorkflowExecutionRequest {
        namespace: start.namespace,
        workflow_id: start.workflow_id,
        workflow_type: start.workflow_type,
        task_queue: start.task_queue,
        input: start.input,
        workflow_execution_timeout: start.workflow_execution_timeout,
        workflow_run_timeout: start.workflow_run_timeout,
        workflow_task_timeout: start.workflow_task_timeout,
        identity: start.identity,
        request_id: start.request_id,
        workflow_id_reuse_policy: start.workflow_id_reuse_policy,
        workflow_id_conflict_policy: start.workflow_id_conflict_policy,
        signal_name,
        signal_input: payloads(signal_input),
        retry_policy: start.retry_policy,
        cron_schedule: start.cron_schedule,
        memo: start.memo,
        search_attributes: start.search_attributes,
        header: start.header,
        workflow_start_delay: start.workflow_start_delay,
        user_metadata: start.user_metadata,
        links: start.links,
        versioning_override: start.versioning_override,
        priority: start.priority,
        time_skipping_config: start.time_skipping_config,
        ..SignalWithStartWorkflowExecutionRequest::default()
    }
}
