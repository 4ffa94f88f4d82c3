//! Nexus operations, as a workflow sees them.

use crate::workflow::activity::result_of;
use crate::workflow::context::Context;
use crate::workflow::interceptor::{OutgoingKind, OutgoingOptions};
use crate::workflow::operation::{Operation, OperationId, Slot};
use crate::workflow::options::setters;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Duration;
use temporal_client::data::{FromPayload, ToPayload};
use temporal_client::definition::One;
use temporal_client::failure::Failure;
use temporal_core::{CancellationType, NexusSeq, Resolution, ScheduleNexus};
use temporal_protos::api::failure::v1::Failure as FailureMessage;

/// A Nexus service that [`#[nexus_service]`](macro@crate::nexus_service) declares.
///
/// ```
/// # use std::time::Duration;
/// use temporal_sdk::{workflow, workflow::{CancellationType, NexusOperationOptions}};
/// use temporal_sdk::nexus_service;
///
/// #[nexus_service(name = "payments")]
/// trait Payments {
///     /// Charges a customer.
///     fn charge(cents: u64) -> String;
/// }
///
/// # async fn example(ctx: &workflow::Context) -> workflow::Result<()> {
/// let options = NexusOperationOptions::new("payments-endpoint")
///     .schedule_to_close_timeout(Duration::from_secs(60))
///     .cancellation_type(CancellationType::WaitCancellationRequested);
/// let receipt: String = ctx.execute_nexus_operation(Payments::charge, 1700_u64, options).await?;
/// # Ok(())
/// # }
/// ```
pub trait NexusService {
    /// The service's name.
    const NAME: &'static str;
}

/// An operation of a Nexus service: its names, and the types of what goes in and what comes out.
///
/// [`#[nexus_service]`](macro@crate::nexus_service) makes them of a trait; by name:
///
/// ```
/// use temporal_sdk::workflow::NexusOperation;
///
/// const CHARGE: NexusOperation<u64, String> = NexusOperation::new("payments", "charge");
/// ```
pub struct NexusOperation<I, O> {
    service: Cow<'static, str>,
    operation: Cow<'static, str>,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O> NexusOperation<I, O> {
    /// The operation of this name, of the service of this name.
    #[must_use]
    pub const fn new(service: &'static str, operation: &'static str) -> Self {
        Self {
            service: Cow::Borrowed(service),
            operation: Cow::Borrowed(operation),
            types: PhantomData,
        }
    }

    /// The same with names that are known only now.
    #[must_use]
    pub fn named(service: impl Into<String>, operation: impl Into<String>) -> Self {
        Self {
            service: Cow::Owned(service.into()),
            operation: Cow::Owned(operation.into()),
            types: PhantomData,
        }
    }
}

impl<I, O> NexusOperation<I, O> {
    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The operation's name.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }
}

impl<I, O> Clone for NexusOperation<I, O> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            operation: self.operation.clone(),
            types: PhantomData,
        }
    }
}

impl<I, O> fmt::Debug for NexusOperation<I, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.service, self.operation)
    }
}

/// Where and how a Nexus operation runs.
#[derive(Debug, Clone)]
pub struct NexusOperationOptions {
    command: ScheduleNexus,
    summary: Option<String>,
}

impl NexusOperationOptions {
    /// At this endpoint.
    #[must_use]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            command: ScheduleNexus {
                endpoint: endpoint.into(),
                cancellation_type: CancellationType::WaitCancellationCompleted,
                ..ScheduleNexus::default()
            },
            summary: None,
        }
    }

    setters! {
        /// Limits the operation from being scheduled to its end. Default: the server's limit.
        schedule_to_close_timeout(timeout: Duration) => |this| this.command.schedule_to_close_timeout = Some(timeout);
        /// Limits the time until it is started. Default: none.
        schedule_to_start_timeout(timeout: Duration) => |this| this.command.schedule_to_start_timeout = Some(timeout);
        /// Limits it from its start to its end. Default: none.
        start_to_close_timeout(timeout: Duration) => |this| this.command.start_to_close_timeout = Some(timeout);
        /// What a cancelled operation waits for. Default: [`CancellationType::WaitCancellationCompleted`].
        cancellation_type(kind: CancellationType) => |this| this.command.cancellation_type = kind;
        /// Headers of the Nexus request. Default: none.
        headers(headers: BTreeMap<String, String>) => |this| this.command.nexus_header = headers;
        /// A line shown with it in user interfaces. Default: none.
        summary(summary: impl Into<String>) => |this| this.summary = Some(summary.into());
    }
}

/// A Nexus operation that is being started: [`Context::start_nexus_operation`]. It gives a handle once it is started.
///
/// Dropping it cancels the operation.
#[must_use = "dropping it cancels the operation: await it"]
pub struct StartNexusOperation<O> {
    start: Operation<Result<Option<String>, FailureMessage>>,
    end: Option<Rc<Slot<Resolution>>>,
    seq: NexusSeq,
    name: String,
    context: Context,
    output: PhantomData<fn() -> O>,
}

impl<O> StartNexusOperation<O> {
    /// Asks for the operation's cancellation.
    pub fn cancel(&self) {
        // Not by the start, which may have happened already though nobody looked yet.
        if self.end.as_ref().is_some_and(|end| end.is_pending()) {
            self.context.run().cancel_operation(OperationId::Nexus(self.seq), "");
        }
    }

    /// Lets the operation start and run without anybody waiting for it.
    pub fn detach(mut self) {
        self.start.detach();
        self.end = None;
    }

    fn started(&mut self, token: Option<String>) -> NexusOperationHandle<O> {
        let end = match self.end.take() {
            Some(slot) => Operation::started(self.context.run(), OperationId::Nexus(self.seq), slot),
            None => Operation::never(),
        };
        NexusOperationHandle {
            end,
            token,
            name: std::mem::take(&mut self.name),
            context: self.context.clone(),
            output: PhantomData,
        }
    }
}

impl<O> Future for StartNexusOperation<O> {
    type Output = Result<NexusOperationHandle<O>, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.start.poll(context).map(|start| match start {
            Ok(token) => Ok(this.started(token)),
            Err(failure) => Err(this.context.run().environment.converter.failure_to_error(failure)),
        })
    }
}

impl<O> Drop for StartNexusOperation<O> {
    fn drop(&mut self) {
        self.start.detach();
        if let Some(end) = self.end.take()
            && end.is_pending()
        {
            self.context.run().drop_operation(OperationId::Nexus(self.seq));
        }
    }
}

impl<O> fmt::Debug for StartNexusOperation<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StartNexusOperation")
            .field("operation", &self.name)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// A Nexus operation under way: [`Context::start_nexus_operation`]. Await it for its result.
///
/// Dropping the handle cancels the operation; [`detach`](Self::detach) lets it run on.
#[must_use = "dropping the handle cancels the operation: await it, keep it, or `.detach()` it"]
pub struct NexusOperationHandle<O> {
    end: Operation<Resolution>,
    token: Option<String>,
    name: String,
    context: Context,
    output: PhantomData<fn() -> O>,
}

impl<O> NexusOperationHandle<O> {
    /// The operation's token; `None` when its result came at once.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Asks for the operation's cancellation. Its [`CancellationType`] says when awaiting it then ends.
    pub fn cancel(&self) {
        self.end.cancel("");
    }

    /// Lets the operation run on without its handle.
    pub fn detach(mut self) {
        self.end.detach();
    }
}

impl<O: FromPayload> Future for NexusOperationHandle<O> {
    type Output = Result<O, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.end
            .poll(context)
            .map(|resolution| result_of(&this.context, resolution, || format!("Nexus operation {}", this.name)))
    }
}

impl<O> fmt::Debug for NexusOperationHandle<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NexusOperationHandle")
            .field("operation", &self.name)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// A Nexus operation from its start to its end: [`Context::execute_nexus_operation`]. Dropping it cancels the operation.
#[must_use = "dropping it cancels the operation: await it"]
pub struct ExecuteNexusOperation<O>(Stage<O>);

enum Stage<O> {
    Starting(StartNexusOperation<O>),
    Running(NexusOperationHandle<O>),
}

impl<O> ExecuteNexusOperation<O> {
    /// Asks for the operation's cancellation. Its [`CancellationType`] says when awaiting it then ends.
    pub fn cancel(&self) {
        match &self.0 {
            Stage::Starting(start) => start.cancel(),
            Stage::Running(handle) => handle.cancel(),
        }
    }

    /// Lets the operation run without anybody waiting for it.
    pub fn detach(self) {
        match self.0 {
            Stage::Starting(start) => start.detach(),
            Stage::Running(handle) => handle.detach(),
        }
    }
}

impl<O: FromPayload> Future for ExecuteNexusOperation<O> {
    type Output = Result<O, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.0 {
                Stage::Running(handle) => return Pin::new(handle).poll(context),
                Stage::Starting(start) => match Pin::new(start).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                    Poll::Ready(Ok(handle)) => this.0 = Stage::Running(handle),
                },
            }
        }
    }
}

impl<O> fmt::Debug for ExecuteNexusOperation<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stage::Starting(start) => start.fmt(formatter),
            Stage::Running(handle) => handle.fmt(formatter),
        }
    }
}

impl Context {
    /// Starts a Nexus operation. Awaiting it gives a [`NexusOperationHandle`] once it is started.
    #[track_caller]
    pub fn start_nexus_operation<I: ToPayload, O>(
        &self,
        operation: NexusOperation<I, O>,
        input: impl Into<I>,
        options: NexusOperationOptions,
    ) -> StartNexusOperation<O> {
        let _ = self.run().may_act("start_nexus_operation");
        let name = format!("{operation:?}");
        let mut arguments = self.encode::<One<I>>(&input.into(), || format!("Nexus operation {name}"));
        let (mut options, mut headers) = (options, BTreeMap::new());
        self.intercept(
            OutgoingKind::NexusOperation,
            &operation.operation,
            &mut arguments,
            &mut headers,
            OutgoingOptions::NexusOperation(&mut options),
        );
        let mut command = options.command;
        let texts = headers
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_lowercase(), String::from_utf8(value.data.to_vec()).ok()?)));
        command.nexus_header.extend(texts);
        command.service = operation.service.into_owned();
        command.operation = operation.operation.into_owned();
        command.input = arguments.into_iter().next();
        command.user_metadata = self.metadata(options.summary.as_ref(), None);
        let (run, started_at) = (self.run(), Location::caller());
        let mut started = None;
        let start = self.operation("start_nexus_operation", Err, || {
            let seq = run.command("start_nexus_operation", |core| core.schedule_nexus(command))?;
            let id = OperationId::Nexus(seq);
            started = Some((
                seq,
                run.nexus_operations.insert_at(seq.0, Some(self.member(id)), started_at),
            ));
            Some((id, run.nexus_starts.insert_at(seq.0, None, started_at)))
        });
        let (seq, end) = started.map_or((NexusSeq(0), None), |(seq, end)| (seq, Some(end)));
        StartNexusOperation {
            start,
            end,
            seq,
            name,
            context: self.clone(),
            output: PhantomData,
        }
    }

    /// Runs a Nexus operation from its start to its end.
    ///
    /// ```
    /// # use temporal_sdk::workflow::{self, NexusOperation, NexusOperationOptions};
    /// const CHARGE: NexusOperation<u64, String> = NexusOperation::new("payments", "charge");
    /// # async fn example(ctx: &workflow::Context) -> workflow::Result<()> {
    /// let receipt = ctx.execute_nexus_operation(CHARGE, 17_u64, NexusOperationOptions::new("payments-endpoint")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the operation fails, or is cancelled.
    #[track_caller]
    pub fn execute_nexus_operation<I: ToPayload, O: FromPayload>(
        &self,
        operation: NexusOperation<I, O>,
        input: impl Into<I>,
        options: NexusOperationOptions,
    ) -> ExecuteNexusOperation<O> {
        ExecuteNexusOperation(Stage::Starting(self.start_nexus_operation(operation, input, options)))
    }
}
