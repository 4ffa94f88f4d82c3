//! Code around the workflows of a worker.

use crate::workflow::activity::ActivityOptions;
use crate::workflow::child::ChildWorkflowOptions;
use crate::workflow::context::Context;
use crate::workflow::continue_as_new::ContinueAsNewOptions;
use crate::workflow::error::Result;
use crate::workflow::executor::LocalBoxFuture as StaticFuture;
use crate::workflow::local_activity::LocalActivityOptions;
use crate::workflow::nexus::NexusOperationOptions;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use temporal_client::data::{ConversionError, FromPayload, PayloadConverterExt as _};
use temporal_core::SignalReceived;
use temporal_protos::api::common::v1::Payload;

/// A future that stays on its thread.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Code around all workflows of a worker: what comes in, and what goes out.
///
/// Every method does nothing of its own by default. Interceptors are given to the worker in order; for what comes in the
/// first is the outermost, for what goes out it is the first. They are workflow code: whatever they do has to be the same
/// in every replay.
///
/// Headers travel with every call: an interceptor of clients or workflows puts something into them, and one of workflows
/// or activities on the other side reads it.
///
/// ```
/// use temporal_sdk::workflow::{Call, Context, Interceptor, LocalBoxFuture, Next, Outgoing, Result};
/// use temporal_sdk::client::protos::api::common::v1::Payload;
///
/// /// Passes the caller's tenant on to whatever the workflow calls.
/// struct Tenant;
///
/// impl Interceptor for Tenant {
///     fn execute<'a>(&'a self, call: Call, next: Next<'a, Payload>) -> LocalBoxFuture<'a, Result<Payload>> {
///         Box::pin(async move {
///             tracing::info!(tenant = ?call.headers().get("tenant"), "the workflow begins");
///             next.run(call).await
///         })
///     }
///
///     fn outgoing(&self, ctx: &Context, call: &mut Outgoing<'_>) {
///         if let Some(tenant) = ctx.info().headers().get("tenant") {
///             call.headers.insert("tenant".to_owned(), tenant.clone());
///         }
///     }
/// }
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// The run method is about to run: `next.run(call)` runs it. What `#[init]` makes was made before, of the arguments as they
    /// came.
    fn execute<'a>(&'a self, call: Call, next: Next<'a, Payload>) -> LocalBoxFuture<'a, Result<Payload>> {
        next.run(call)
    }

    /// A signal handler is about to run: `next.run(call)` runs it.
    fn signal<'a>(&'a self, call: Call, next: Next<'a, ()>) -> LocalBoxFuture<'a, Result<()>> {
        next.run(call)
    }

    /// An update handler is about to run: `next.run(call)` runs it. The update is accepted by then.
    fn update<'a>(&'a self, call: Call, next: Next<'a, Payload>) -> LocalBoxFuture<'a, Result<Payload>> {
        next.run(call)
    }

    /// An update is about to be validated: an error rejects it. Arguments that are changed here are what the validator
    /// sees, and no more: those of the handler are changed in [`update`](Self::update).
    ///
    /// # Errors
    /// To reject the update.
    fn validate_update(&self, call: &mut Call) -> Result<()> {
        let _ = call;
        Ok(())
    }

    /// A query has been received: an error is the answer.
    ///
    /// # Errors
    /// To refuse the query.
    fn query(&self, call: &mut Call) -> Result<()> {
        let _ = call;
        Ok(())
    }

    /// A query that this interceptor let in has been answered, or refused further inside: what is given back is the answer.
    ///
    /// # Errors
    /// To refuse the query.
    fn query_answered(&self, call: &Call, answer: Result<Payload>) -> Result<Payload> {
        let _ = call;
        answer
    }

    /// The workflow calls something: its arguments, headers and options may be changed.
    fn outgoing(&self, ctx: &Context, call: &mut Outgoing<'_>) {
        let _ = (ctx, call);
    }
}

/// The run method or a handler, about to be called.
#[derive(Debug, Clone)]
pub struct Call {
    context: Context,
    name: String,
    arguments: Vec<Payload>,
    headers: BTreeMap<String, Payload>,
}

impl Call {
    pub(crate) fn new(
        context: Context,
        name: String,
        arguments: Vec<Payload>,
        headers: BTreeMap<String, Payload>,
    ) -> Self {
        Self {
            context,
            name,
            arguments,
            headers,
        }
    }

    pub(crate) fn into_arguments(self) -> Vec<Payload> {
        self.arguments
    }

    /// The signal that it is.
    pub(crate) fn into_signal(self) -> SignalReceived {
        SignalReceived {
            name: self.name,
            arguments: self.arguments,
            header: self.headers,
            identity: String::new(),
        }
    }

    /// The workflow's context.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The workflow type, or the name of the signal, query or update.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What travelled with the call.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, Payload> {
        &self.headers
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &[Payload] {
        &self.arguments
    }

    /// The arguments, to change them.
    pub fn arguments_mut(&mut self) -> &mut Vec<Payload> {
        &mut self.arguments
    }

    /// The argument at this place, counted from 0.
    ///
    /// # Errors
    /// When there is no such argument, or it does not hold a `T`.
    pub fn argument<T: FromPayload>(&self, index: usize) -> std::result::Result<T, ConversionError> {
        let Some(argument) = self.arguments.get(index) else {
            return Err(ConversionError::new(format!(
                "there is no argument at index {index}: the call came with {}",
                self.arguments.len()
            )));
        };
        self.context.payload_converter().decode(argument.clone())
    }
}

/// What is inside of an interceptor: the other interceptors, and the run method or handler.
pub struct Next<'a, T> {
    rest: &'a [Arc<dyn Interceptor>],
    around: Around<T>,
    code: Box<dyn FnOnce(Call) -> StaticFuture<Result<T>> + 'a>,
}

/// Which of an interceptor's methods goes around the code.
type Around<T> = for<'a> fn(&'a (dyn Interceptor + 'static), Call, Next<'a, T>) -> LocalBoxFuture<'a, Result<T>>;

impl<'a, T: 'static> Next<'a, T> {
    pub(crate) fn new(
        interceptors: &'a [Arc<dyn Interceptor>],
        around: Around<T>,
        code: impl FnOnce(Call) -> StaticFuture<Result<T>> + 'a,
    ) -> Self {
        Self {
            rest: interceptors,
            around,
            code: Box::new(code),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// The code's own, and those of the interceptors inside.
    pub fn run(self, call: Call) -> LocalBoxFuture<'a, Result<T>> {
        match self.rest.split_first() {
            Some((first, rest)) => (self.around)(&**first, call, Next { rest, ..self }),
            None => (self.code)(call),
        }
    }
}

impl<T> fmt::Debug for Next<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Next")
            .field("interceptors", &self.rest.len())
            .finish_non_exhaustive()
    }
}

/// What a workflow calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutgoingKind {
    /// An activity.
    Activity,
    /// A local activity.
    LocalActivity,
    /// A child workflow.
    ChildWorkflow,
    /// A signal to another workflow.
    Signal,
    /// A request that another workflow cancel itself. It has no arguments and no headers: what is set here goes nowhere.
    CancelExternal,
    /// A Nexus operation. Its headers are texts: of those set here, the ones that are UTF-8 go out, with lower-case names.
    NexusOperation,
    /// The workflow's own next run.
    ContinueAsNew,
}

/// A call that a workflow makes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outgoing<'a> {
    /// What is called.
    pub kind: OutgoingKind,
    /// The activity's or workflow's type, or the name of the signal or the Nexus operation; of what is cancelled, its id.
    pub name: &'a str,
    /// The arguments.
    pub arguments: &'a mut Vec<Payload>,
    /// What travels with the call.
    pub headers: &'a mut BTreeMap<String, Payload>,
    /// How it is called.
    pub options: OutgoingOptions<'a>,
}

/// How a workflow calls something. Options are replaced by themselves with changes:
/// `*options = options.clone().heartbeat_timeout(timeout)`.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutgoingOptions<'a> {
    /// Of an activity.
    Activity(&'a mut ActivityOptions),
    /// Of a local activity.
    LocalActivity(&'a mut LocalActivityOptions),
    /// Of a child workflow; its id is chosen by now.
    ChildWorkflow(&'a mut ChildWorkflowOptions),
    /// Of a Nexus operation.
    NexusOperation(&'a mut NexusOperationOptions),
    /// Of the next run.
    ContinueAsNew(&'a mut ContinueAsNewOptions),
    /// What is called takes none.
    None,
}

impl OutgoingOptions<'_> {
    fn reborrow(&mut self) -> OutgoingOptions<'_> {
        match self {
            Self::Activity(options) => OutgoingOptions::Activity(options),
            Self::LocalActivity(options) => OutgoingOptions::LocalActivity(options),
            Self::ChildWorkflow(options) => OutgoingOptions::ChildWorkflow(options),
            Self::NexusOperation(options) => OutgoingOptions::NexusOperation(options),
            Self::ContinueAsNew(options) => OutgoingOptions::ContinueAsNew(options),
            Self::None => OutgoingOptions::None,
        }
    }
}

impl Context {
    /// Shows the interceptors a call that the workflow makes.
    pub(crate) fn intercept(
        &self,
        kind: OutgoingKind,
        name: &str,
        arguments: &mut Vec<Payload>,
        headers: &mut BTreeMap<String, Payload>,
        mut options: OutgoingOptions<'_>,
    ) {
        for interceptor in &self.run().environment.interceptors {
            let mut call = Outgoing {
                kind,
                name,
                arguments,
                headers,
                options: options.reborrow(),
            };
            interceptor.outgoing(self, &mut call);
        }
    }
}
