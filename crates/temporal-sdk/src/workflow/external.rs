//! Other workflows, as a workflow sees them.

use crate::workflow::context::Context;
use crate::workflow::operation::Operation;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{self, Poll};
use temporal_client::definition::{EncodeParams, IntoInput, SignalRef};
use temporal_client::failure::Failure;
use temporal_core::ExternalTarget;
use temporal_protos::api::failure::v1::Failure as FailureMessage;

/// Another workflow of type `W`: [`Context::external_workflow`].
pub struct ExternalWorkflowHandle<W> {
    context: Context,
    workflow_id: String,
    run_id: String,
    namespace: String,
    types: PhantomData<fn() -> W>,
}

impl<W> ExternalWorkflowHandle<W> {
    pub(crate) fn new(context: &Context, workflow_id: String) -> Self {
        Self {
            context: context.clone(),
            workflow_id,
            run_id: String::new(),
            namespace: String::new(),
            types: PhantomData,
        }
    }

    /// Of this run only. Default: whichever run is current.
    #[must_use]
    pub fn with_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = run_id.into();
        self
    }

    /// In this namespace. Default: the workflow's own.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Its workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// Signals it. The future ends once the signal is delivered; it fails when there is no such workflow.
    #[track_caller]
    pub fn signal<S: SignalRef<W>>(&self, signal: S, input: impl IntoInput<S::Params>) -> SignalExternalWorkflow
    where
        S::Params: EncodeParams,
    {
        let values = input.into_input();
        self.context
            .signal_target::<S::Params>(self.target(), &signal.name(), &values)
    }

    /// Asks for its cancellation. The future ends once the request is delivered; it fails when there is no such workflow.
    #[track_caller]
    pub fn cancel(&self) -> CancelExternalWorkflow {
        self.cancel_with_reason("")
    }

    /// Like [`cancel`](Self::cancel), with a reason that the other workflow is told.
    #[track_caller]
    pub fn cancel_with_reason(&self, reason: &str) -> CancelExternalWorkflow {
        self.context.cancel_target(self.target(), reason)
    }

    fn target(&self) -> ExternalTarget {
        ExternalTarget::Workflow {
            namespace: self.namespace.clone(),
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id.clone(),
        }
    }
}

impl<W> fmt::Debug for ExternalWorkflowHandle<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ExternalWorkflowHandle")
            .field("workflow_id", &self.workflow_id)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

macro_rules! delivery {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name {
            operation: Operation<Result<(), FailureMessage>>,
            context: Context,
        }

        impl $name {
            pub(crate) fn new(context: &Context, operation: Operation<Result<(), FailureMessage>>) -> Self {
                Self { operation, context: context.clone() }
            }

            /// Lets it go its way: dropping it then takes nothing back.
            pub fn detach(mut self) {
                self.operation.detach();
            }
        }

        impl Future for $name {
            type Output = Result<(), Failure>;

            fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
                let this = self.get_mut();
                let converter = &this.context.run().environment.converter;
                this.operation
                    .poll(context)
                    .map(|result| result.map_err(|failure| converter.failure_to_error(failure)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_tuple(stringify!($name)).field(&self.operation).finish()
            }
        }
    };
}

impl SignalExternalWorkflow {
    /// Takes the signal back if it was not sent yet: awaiting it then gives a cancellation. One that was sent goes on.
    pub fn cancel(&self) {
        self.operation.cancel("");
    }
}

delivery!(
    /// A signal to another workflow on its way. Await it for its delivery; dropping it takes it back if it was not sent yet.
    #[must_use = "dropping it takes the signal back: await it, or `.detach()` it"]
    SignalExternalWorkflow
);
delivery!(
    /// A request to cancel another workflow on its way. Await it for its delivery.
    #[must_use = "await it to learn whether the request was delivered"]
    CancelExternalWorkflow
);
