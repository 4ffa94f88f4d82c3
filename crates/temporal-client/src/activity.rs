//! Finishing activities from outside of their workers.

use crate::client::Client;
use crate::connection::{Call, RpcError};
use crate::data::{ConversionError, DataError, ToPayload};
use crate::failure::short_type_name;
use crate::interceptor::{CallError, ClientRequest};
use crate::workflow::payloads;
use bytes::Bytes;
use std::error::Error;
use temporal_protos::api::common::v1::Payloads;
use temporal_protos::api::workflowservice::v1::{
    RecordActivityTaskHeartbeatByIdRequest, RecordActivityTaskHeartbeatRequest, RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest, RespondActivityTaskCompletedByIdRequest, RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest, RespondActivityTaskFailedRequest,
};

/// Which activity is meant: by its task token, or by the ids of its workflow and its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActivityTarget {
    /// The token of one attempt, which the activity's context tells.
    TaskToken(Bytes),
    /// The activity of a workflow, whichever attempt it is at.
    Ids {
        /// The workflow's id.
        workflow_id: String,
        /// The run's id; the current one when empty.
        run_id: String,
        /// The activity's id.
        activity_id: String,
    },
}

impl ActivityTarget {
    /// The activity of the current run of a workflow.
    pub fn ids(workflow_id: impl Into<String>, activity_id: impl Into<String>) -> Self {
        Self::Ids {
            workflow_id: workflow_id.into(),
            run_id: String::new(),
            activity_id: activity_id.into(),
        }
    }

    /// The same activity of this run.
    #[must_use]
    pub fn in_run(mut self, id: impl Into<String>) -> Self {
        if let Self::Ids { run_id, .. } = &mut self {
            *run_id = id.into();
        }
        self
    }
}

impl From<Bytes> for ActivityTarget {
    fn from(token: Bytes) -> Self {
        Self::TaskToken(token)
    }
}

impl From<Vec<u8>> for ActivityTarget {
    fn from(token: Vec<u8>) -> Self {
        Self::TaskToken(token.into())
    }
}

impl From<&[u8]> for ActivityTarget {
    fn from(token: &[u8]) -> Self {
        Self::TaskToken(Bytes::copy_from_slice(token))
    }
}

/// An activity that could not be finished, or must not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActivityHandleError {
    /// The activity was asked to cancel itself: stop, and report that it did.
    #[error("the activity's cancellation was requested: stop the work and call report_cancelled")]
    Cancelled,
    /// The activity was paused: stop the work, another attempt follows.
    #[error("the activity was paused: stop the work, another attempt follows when it goes on")]
    Paused,
    /// The activity was reset: stop the work, another attempt follows.
    #[error("the activity was reset: stop the work, another attempt follows")]
    Reset,
    /// There is no such activity, or not any more: it was finished, timed out or its workflow has ended.
    #[error(transparent)]
    NotFound(RpcError),
    /// A value cannot be converted.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The server refused it, or could not be reached.
    #[error(transparent)]
    Rpc(RpcError),
}

impl From<CallError> for ActivityHandleError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Codec(error) => Self::Data(error.into()),
            CallError::Rpc(error) if error.is_not_found() => Self::NotFound(error),
            CallError::Rpc(error) => Self::Rpc(error),
        }
    }
}

impl From<ConversionError> for ActivityHandleError {
    fn from(error: ConversionError) -> Self {
        Self::Data(error.into())
    }
}

/// An activity that is finished from outside of its worker.
///
/// Its code returned `activity::Error::complete_async()`; somebody who knows its task token or ids finishes it.
///
/// ```no_run
/// use temporal_client::{ActivityTarget, Client};
///
/// # async fn example(client: Client) -> anyhow::Result<()> {
/// let approval = client.activity_handle(ActivityTarget::ids("order-17", "wait-for-approval"));
/// approval.heartbeat(&"seen by the manager").await?;
/// approval.complete(&true).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ActivityHandle {
    client: Client,
    target: ActivityTarget,
}

impl Client {
    /// A handle to an activity that is finished from outside of its worker. The server is not asked.
    pub fn activity_handle(&self, target: impl Into<ActivityTarget>) -> ActivityHandle {
        ActivityHandle {
            client: self.clone(),
            target: target.into(),
        }
    }
}

/// Makes the request by task token or the one by ids, which have the same fields otherwise.
macro_rules! respond {
    ($self:ident, $by_token:ident, $by_ids:ident, $field:ident: $value:expr, $then:expr) => {{
        let (namespace, identity) = ($self.client.namespace().to_owned(), $self.client.identity().to_owned());
        let value = $value;
        match $self.target.clone() {
            ActivityTarget::TaskToken(task_token) => $self.send(
                value.map(|$field| $by_token {
                    task_token,
                    $field,
                    namespace,
                    identity,
                    ..$by_token::default()
                }),
                $then,
            ),
            ActivityTarget::Ids {
                workflow_id,
                run_id,
                activity_id,
            } => $self.send(
                value.map(|$field| $by_ids {
                    resource_id: format!("workflow:{workflow_id}"),
                    workflow_id,
                    run_id,
                    activity_id,
                    $field,
                    namespace,
                    identity,
                    ..$by_ids::default()
                }),
                $then,
            ),
        }
    }};
}

macro_rules! heard {
    () => {
        |response| {
            if response.cancel_requested {
                Err(ActivityHandleError::Cancelled)
            } else if response.activity_reset {
                Err(ActivityHandleError::Reset)
            } else if response.activity_paused {
                Err(ActivityHandleError::Paused)
            } else {
                Ok(())
            }
        }
    };
}

#[allow(
    clippy::needless_update,
    reason = "one macro for messages that differ in what more they have"
)]
impl ActivityHandle {
    /// Completes the activity with this result.
    ///
    /// # Errors
    /// [`ActivityHandleError::NotFound`] when there is nothing to complete any more.
    pub fn complete<T: ToPayload>(&self, result: &T) -> Call<(), ActivityHandleError> {
        respond!(
            self,
            RespondActivityTaskCompletedRequest,
            RespondActivityTaskCompletedByIdRequest,
            result: self.convert(result),
            |_| Ok(())
        )
    }

    /// Fails the activity with this error, after which it is retried as its retry policy says.
    ///
    /// # Errors
    /// [`ActivityHandleError::NotFound`] when there is nothing to fail any more.
    pub fn fail<E: Error + 'static>(&self, error: &E) -> Call<(), ActivityHandleError> {
        let name = short_type_name(std::any::type_name::<E>());
        respond!(
            self,
            RespondActivityTaskFailedRequest,
            RespondActivityTaskFailedByIdRequest,
            failure: Ok(Some(self.client.data_converter().error_to_failure(error, Some(name)))),
            |_| Ok(())
        )
    }

    /// Reports that the activity is cancelled, with a value that tells how far it came (`&()` for none).
    ///
    /// # Errors
    /// [`ActivityHandleError::NotFound`] when there is nothing to report any more.
    pub fn report_cancelled<T: ToPayload>(&self, details: &T) -> Call<(), ActivityHandleError> {
        respond!(
            self,
            RespondActivityTaskCanceledRequest,
            RespondActivityTaskCanceledByIdRequest,
            details: self.convert(details),
            |_| Ok(())
        )
    }

    /// Reports that the activity lives, with a value that the next attempt can read (`&()` for none).
    ///
    /// # Errors
    /// [`ActivityHandleError::Cancelled`], [`ActivityHandleError::Paused`] or [`ActivityHandleError::Reset`] when it is not to
    /// go on.
    pub fn heartbeat<T: ToPayload>(&self, details: &T) -> Call<(), ActivityHandleError> {
        let details = self.convert(details);
        respond!(
            self,
            RecordActivityTaskHeartbeatRequest,
            RecordActivityTaskHeartbeatByIdRequest,
            details: details,
            heard!()
        )
    }

    fn convert<T: ToPayload>(&self, value: &T) -> Result<Option<Payloads>, ConversionError> {
        let payload = self.client.data_converter().payload_converter().to_payload(value)?;
        Ok(payloads(vec![payload]))
    }

    fn send<R>(
        &self,
        request: Result<R, ConversionError>,
        then: impl FnOnce(R::Response) -> Result<(), ActivityHandleError> + Send + 'static,
    ) -> Call<(), ActivityHandleError>
    where
        R: ClientRequest,
        R::Response: Send,
    {
        let client = self.client.clone();
        Call::new(move |call| async move { then(client.invoke(request?, call).await?) })
    }
}
