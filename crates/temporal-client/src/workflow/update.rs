//! Updates.

use super::options::payloads;
use super::{UpdateError, WorkflowHandle};
use crate::client::Client;
use crate::connection::{Call, CallOptions, Code};
use crate::data::{ConversionError, FromPayload};
use crate::definition::{EncodeParams, IntoInput, UpdateRef};
use crate::failure::ApplicationError;
use crate::interceptor::CallError;
use std::fmt;
use std::marker::PhantomData;
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use temporal_protos::api::update::v1::{
    Input, Meta, Outcome, Request, UpdateRef as UpdateReference, WaitPolicy, outcome,
};
use temporal_protos::api::workflowservice::v1::{
    PollWorkflowExecutionUpdateRequest, UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse,
};
use uuid::Uuid;

/// How far an update has come when its start returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpdateWaitStage {
    /// The workflow has accepted it: its validator passed.
    Accepted,
    /// The workflow has done it.
    Completed,
}

impl UpdateWaitStage {
    fn stage(self) -> Stage {
        match self {
            Self::Accepted => Stage::Accepted,
            Self::Completed => Stage::Completed,
        }
    }
}

/// How an update is started: what to wait for, and its id.
///
/// An [`UpdateWaitStage`] alone is one, too.
#[derive(Debug, Clone)]
pub struct UpdateOptions {
    stage: UpdateWaitStage,
    id: Option<String>,
}

impl UpdateOptions {
    /// Waits until it has come so far.
    #[must_use]
    pub fn new(stage: UpdateWaitStage) -> Self {
        Self { stage, id: None }
    }

    /// With this id, by which the server recognises a repetition and others can ask for the outcome; a new one by
    /// default.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl From<UpdateWaitStage> for UpdateOptions {
    fn from(stage: UpdateWaitStage) -> Self {
        Self::new(stage)
    }
}

impl<W> WorkflowHandle<W> {
    /// Makes an update and waits for its result.
    ///
    /// ```no_run
    /// use temporal_client::definition::update_named;
    ///
    /// # async fn example<W>(handle: temporal_client::WorkflowHandle<W>) -> anyhow::Result<()> {
    /// let items: u32 = handle.execute_update(update_named("add_item"), "a book").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`UpdateError::Failed`] when the workflow rejects it or its handler fails.
    pub fn execute_update<U, I>(&self, update: U, input: I) -> Call<U::Output, UpdateError>
    where
        U: UpdateRef<W>,
        U::Params: EncodeParams,
        U::Output: FromPayload,
        I: IntoInput<U::Params>,
    {
        let started = self.update_call::<U, I>(update, input, UpdateWaitStage::Completed.into());
        Call::new(move |call| async move {
            let handle: UpdateHandle<U::Output> = started.options(call.clone()).await?;
            handle.result().options(call).await
        })
    }

    /// Starts an update and returns a handle to it, once it has come as far as asked for.
    ///
    /// ```no_run
    /// use temporal_client::definition::update_named;
    /// use temporal_client::{UpdateWaitStage, WorkflowHandle};
    ///
    /// # async fn example<W>(handle: WorkflowHandle<W>) -> anyhow::Result<()> {
    /// let add = update_named::<u32>("add_item");
    /// let update = handle.start_update(add, "a book", UpdateWaitStage::Accepted).await?;
    /// println!("{} items now", update.result().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`UpdateError`] when the update does not reach the workflow. That the workflow rejects it, or that its handler fails, is
    /// no error here, whatever was waited for: [`result`](UpdateHandle::result) then gives [`UpdateError::Failed`].
    pub fn start_update<U, I>(
        &self,
        update: U,
        input: I,
        options: impl Into<UpdateOptions>,
    ) -> Call<UpdateHandle<U::Output>, UpdateError>
    where
        U: UpdateRef<W>,
        U::Params: EncodeParams,
        I: IntoInput<U::Params>,
    {
        self.update_call::<U, I>(update, input, options.into())
    }

    /// A handle to an update that was started, by its id. The server is not asked.
    pub fn update_handle<O>(&self, update_id: impl Into<String>) -> UpdateHandle<O> {
        let reference = UpdateReference {
            workflow_execution: Some(self.execution()),
            update_id: update_id.into(),
        };
        UpdateHandle::new(self.client.clone(), reference, None)
    }

    fn update_call<U, I>(
        &self,
        update: U,
        input: I,
        options: UpdateOptions,
    ) -> Call<UpdateHandle<U::Output>, UpdateError>
    where
        U: UpdateRef<W>,
        U::Params: EncodeParams,
        I: IntoInput<U::Params>,
    {
        let wanted = options.stage.stage();
        let request = update_request(&self.client, &update, input, options);
        let request = request.map(|request| UpdateWorkflowExecutionRequest {
            workflow_execution: Some(self.execution()),
            first_execution_run_id: self.first_execution_run_id.clone(),
            ..request
        });
        let client = self.client.clone();
        Call::new(move |call| async move {
            let request = request?;
            let call = call.or_long_poll();
            loop {
                let response = match client.invoke(request.clone(), call.clone()).await {
                    Ok(response) => response,
                    Err(CallError::Rpc(error)) if error.code() == Code::DeadlineExceeded => continue,
                    Err(error) => return Err(error.into()),
                };
                // The server answers early when its own time is up; the same update id makes asking again safe.
                if response.stage() >= Stage::Accepted {
                    return UpdateHandle::from_response(client, response, wanted, &call).await;
                }
            }
        })
    }
}

/// The request of an update, but for the workflow it is for.
pub(super) fn update_request<W, U, I>(
    client: &Client,
    update: &U,
    input: I,
    options: UpdateOptions,
) -> Result<UpdateWorkflowExecutionRequest, ConversionError>
where
    U: UpdateRef<W>,
    U::Params: EncodeParams,
    I: IntoInput<U::Params>,
{
    let args = client
        .data_converter()
        .params_to_payloads::<U::Params>(&input.into_input())?;
    Ok(UpdateWorkflowExecutionRequest {
        namespace: client.namespace().to_owned(),
        wait_policy: Some(WaitPolicy {
            lifecycle_stage: options.stage.stage().into(),
        }),
        request: Some(Request {
            meta: Some(Meta {
                update_id: options.id.unwrap_or_else(|| Uuid::new_v4().to_string()),
                identity: client.identity().to_owned(),
            }),
            input: Some(Input {
                header: None,
                name: update.name().into_owned(),
                args: payloads(args),
            }),
            ..Request::default()
        }),
        ..UpdateWorkflowExecutionRequest::default()
    })
}

/// An update that was started, whose result is an `O`.
pub struct UpdateHandle<O> {
    client: Client,
    reference: UpdateReference,
    outcome: Option<Outcome>,
    output: PhantomData<fn() -> O>,
}

impl<O> Clone for UpdateHandle<O> {
    fn clone(&self) -> Self {
        Self::new(self.client.clone(), self.reference.clone(), self.outcome.clone())
    }
}

impl<O> fmt::Debug for UpdateHandle<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UpdateHandle")
            .field("id", &self.id())
            .field("workflow_id", &self.workflow_id())
            .finish_non_exhaustive()
    }
}

impl<O> UpdateHandle<O> {
    fn new(client: Client, reference: UpdateReference, outcome: Option<Outcome>) -> Self {
        Self {
            client,
            reference,
            outcome,
            output: PhantomData,
        }
    }

    /// The handle, once the update is completed where that is wanted.
    pub(super) async fn from_response(
        client: Client,
        response: UpdateWorkflowExecutionResponse,
        wanted: Stage,
        call: &CallOptions,
    ) -> Result<Self, UpdateError> {
        let mut handle = Self::new(client, response.update_ref.unwrap_or_default(), response.outcome);
        if wanted == Stage::Completed && handle.outcome.is_none() {
            handle.outcome = Some(poll(&handle.client, &handle.reference, call).await?);
        }
        Ok(handle)
    }

    /// The update's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.reference.update_id
    }

    /// The workflow's id.
    #[must_use]
    pub fn workflow_id(&self) -> &str {
        self.execution().map_or("", |execution| &execution.workflow_id)
    }

    /// The id of the workflow's run, where it is known.
    #[must_use]
    pub fn workflow_run_id(&self) -> Option<&str> {
        self.execution()
            .map(|execution| execution.run_id.as_str())
            .filter(|id| !id.is_empty())
    }

    fn execution(&self) -> Option<&WorkflowExecution> {
        self.reference.workflow_execution.as_ref()
    }
}

impl<O: FromPayload> UpdateHandle<O> {
    /// Waits for the update's result, for as long as it takes.
    ///
    /// # Errors
    /// [`UpdateError::Failed`] when its handler failed.
    pub fn result(&self) -> Call<O, UpdateError> {
        let (client, reference, known) = (self.client.clone(), self.reference.clone(), self.outcome.clone());
        Call::new(move |call| async move {
            let outcome = match known {
                Some(outcome) => outcome,
                None => poll(&client, &reference, &call.or_long_poll()).await?,
            };
            let converter = client.data_converter();
            match outcome.value {
                Some(outcome::Value::Success(result)) => Ok(converter.result_from_payloads(Some(result))?),
                Some(outcome::Value::Failure(failure)) => Err(UpdateError::Failed(converter.failure_to_error(failure))),
                None => Err(UpdateError::Failed(
                    ApplicationError::new("the update has no outcome").into(),
                )),
            }
        })
    }
}

async fn poll(client: &Client, reference: &UpdateReference, call: &CallOptions) -> Result<Outcome, UpdateError> {
    let request = PollWorkflowExecutionUpdateRequest {
        namespace: client.namespace().to_owned(),
        update_ref: Some(reference.clone()),
        identity: client.identity().to_owned(),
        wait_policy: Some(WaitPolicy {
            lifecycle_stage: Stage::Completed.into(),
        }),
    };
    loop {
        match client.invoke(request.clone(), call.clone()).await {
            Ok(response) => {
                if let Some(outcome) = response.outcome {
                    return Ok(outcome);
                }
            }
            Err(CallError::Rpc(error)) if error.code() == Code::DeadlineExceeded => {}
            Err(error) => return Err(error.into()),
        }
    }
}
