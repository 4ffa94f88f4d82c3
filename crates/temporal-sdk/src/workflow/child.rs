//! Child workflows.

use crate::workflow::activity::result_of;
use crate::workflow::context::Context;
use crate::workflow::external::SignalExternalWorkflow;
use crate::workflow::operation::{Operation, OperationId, Slot};
use crate::workflow::options::setters;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Duration;
use temporal_client::data::FromPayload;
use temporal_client::definition::{EncodeParams, IntoInput, SignalRef, WorkflowDefinition};
use temporal_client::failure::{ApplicationError, Failure};
use temporal_client::{Memo, Priority, RetryPolicy, SearchAttributes};
use temporal_core::{CancellationType, ChildSeq, ChildStart, ExternalTarget, Resolution, StartChild};
use temporal_protos::api::enums::v1::{
    ParentClosePolicy, StartChildWorkflowExecutionFailedCause, WorkflowIdReusePolicy,
};

/// How a child workflow runs.
///
/// ```
/// use std::time::Duration;
/// use temporal_sdk::workflow::{ChildWorkflowOptions, ParentClosePolicy};
///
/// let options = ChildWorkflowOptions::new("ship-order-17")
///     .task_queue("shipping")
///     .execution_timeout(Duration::from_secs(7 * 24 * 3600))
///     .parent_close_policy(ParentClosePolicy::Abandon)
///     .static_summary("Shipment of order 17");
/// ```
#[derive(Clone)]
pub struct ChildWorkflowOptions {
    pub(crate) command: StartChild,
    pub(crate) memo: Memo,
    pub(crate) static_summary: Option<String>,
    pub(crate) static_details: Option<String>,
}

impl ChildWorkflowOptions {
    /// A child with this workflow id. `ChildWorkflowOptions::default()` makes one up from the run's randomness.
    #[must_use]
    pub fn new(workflow_id: impl Into<String>) -> Self {
        let mut options = Self::default();
        options.command.workflow_id = workflow_id.into();
        options
    }

    setters! {
        /// The namespace it runs in. Default: the parent's own. Not every server lets a child run elsewhere.
        namespace(namespace: impl Into<String>) => |this| this.command.namespace = namespace.into();
        /// Where it runs. Default: the parent's own task queue.
        task_queue(task_queue: impl Into<String>) => |this| this.command.task_queue = task_queue.into();
        /// Limits it over all its runs. Default: none.
        execution_timeout(timeout: Duration) => |this| this.command.execution_timeout = Some(timeout);
        /// Limits each of its runs. Default: the execution timeout.
        run_timeout(timeout: Duration) => |this| this.command.run_timeout = Some(timeout);
        /// Limits each of its workflow tasks. Default: 10 seconds.
        task_timeout(timeout: Duration) => |this| this.command.task_timeout = Some(timeout);
        /// What happens to it when its parent ends. Default: it is terminated.
        parent_close_policy(policy: ParentClosePolicy) => |this| this.command.parent_close_policy = policy;
        /// Whether its id may have been used before. Default: it may.
        id_reuse_policy(policy: WorkflowIdReusePolicy) => |this| this.command.workflow_id_reuse_policy = policy;
        /// How it is retried when it fails. Default: not at all.
        retry_policy(policy: RetryPolicy) => |this| this.command.retry_policy = Some((&policy).into());
        /// Runs it again and again on this schedule. Default: it runs once.
        cron_schedule(schedule: impl Into<String>) => |this| this.command.cron_schedule = schedule.into();
        /// Notes shown with it in lists. Default: none.
        memo(memo: Memo) => |this| this.memo = memo;
        /// By what it is found. Default: nothing.
        search_attributes(attributes: impl Into<SearchAttributes>) => |this| this.command.search_attributes = attributes.into().payloads().clone();
        /// What a cancelled child waits for. Default: [`CancellationType::WaitCancellationCompleted`].
        cancellation_type(kind: CancellationType) => |this| this.command.cancellation_type = kind;
        /// Its priority and fairness. Default: the parent's.
        priority(priority: Priority) => |this| this.command.priority = Some((&priority).into());
        /// A line shown with it in user interfaces. Default: none.
        static_summary(summary: impl Into<String>) => |this| this.static_summary = Some(summary.into());
        /// Text shown with it in user interfaces; may be of several lines. Default: none.
        static_details(details: impl Into<String>) => |this| this.static_details = Some(details.into());
    }
}

impl Default for ChildWorkflowOptions {
    fn default() -> Self {
        Self {
            command: StartChild {
                cancellation_type: CancellationType::WaitCancellationCompleted,
                parent_close_policy: ParentClosePolicy::Terminate,
                workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate,
                ..StartChild::default()
            },
            memo: Memo::new(),
            static_summary: None,
            static_details: None,
        }
    }
}

impl fmt::Debug for ChildWorkflowOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChildWorkflowOptions")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

/// A child workflow that is being started: [`Context::start_child_workflow`]. It gives a handle once the server started it.
///
/// Dropping it cancels the child.
///
/// # Errors
/// Awaiting it gives a [`Failure::Application`] of type `WorkflowAlreadyStarted` when a workflow has the id already, and a
/// cancellation when it was cancelled before it started.
#[must_use = "dropping it cancels the child: await it"]
pub struct StartChildWorkflow<W> {
    start: Operation<ChildStart>,
    end: Option<Rc<Slot<Resolution>>>,
    seq: ChildSeq,
    workflow_id: String,
    workflow_type: String,
    context: Context,
    types: PhantomData<fn() -> W>,
}

impl<W> StartChildWorkflow<W> {
    pub(crate) fn new(
        context: &Context,
        seq: ChildSeq,
        start: Operation<ChildStart>,
        end: Option<Rc<Slot<Resolution>>>,
        workflow_id: String,
        workflow_type: String,
    ) -> Self {
        Self {
            start,
            end,
            seq,
            workflow_id,
            workflow_type,
            context: context.clone(),
            types: PhantomData,
        }
    }

    /// Asks for the child's cancellation. One that the server has not heard of is not started at all; else its
    /// [`CancellationType`] says what awaiting it then gives.
    pub fn cancel(&self) {
        self.cancel_with_reason("");
    }

    /// Like [`cancel`](Self::cancel), with a reason that the child is told.
    pub fn cancel_with_reason(&self, reason: &str) {
        // Not by the start, which may have happened already though nobody looked yet.
        if self.end.as_ref().is_some_and(|end| end.is_pending()) {
            self.context
                .run()
                .cancel_operation(OperationId::Child(self.seq), reason);
        }
    }

    /// Lets the child start and run without anybody waiting for it. Its parent close policy still holds.
    pub fn detach(mut self) {
        self.start.detach();
        self.end = None;
    }

    fn started(&mut self, run_id: String) -> ChildWorkflowHandle<W> {
        let run = self.context.run();
        let end = match self.end.take() {
            Some(slot) => Operation::started(run, OperationId::Child(self.seq), slot),
            None => Operation::never(),
        };
        ChildWorkflowHandle {
            end,
            seq: self.seq,
            workflow_id: std::mem::take(&mut self.workflow_id),
            run_id,
            workflow_type: std::mem::take(&mut self.workflow_type),
            context: self.context.clone(),
            types: PhantomData,
        }
    }
}

impl<W> Future for StartChildWorkflow<W> {
    type Output = Result<ChildWorkflowHandle<W>, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.start.poll(context).map(|start| match start {
            ChildStart::Started { run_id } => Ok(this.started(run_id)),
            ChildStart::Failed {
                cause,
                workflow_id,
                workflow_type,
            } => Err(not_started(cause, &workflow_id, &workflow_type)),
            ChildStart::Cancelled(failure) => Err(this.context.run().environment.converter.failure_to_error(failure)),
        })
    }
}

impl<W> Drop for StartChildWorkflow<W> {
    fn drop(&mut self) {
        self.start.detach();
        if let Some(end) = self.end.take()
            && end.is_pending()
        {
            self.context.run().drop_operation(OperationId::Child(self.seq));
        }
    }
}

impl<W> fmt::Debug for StartChildWorkflow<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StartChildWorkflow")
            .field("workflow_id", &self.workflow_id)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

fn not_started(cause: StartChildWorkflowExecutionFailedCause, workflow_id: &str, workflow_type: &str) -> Failure {
    let (kind, why) = match cause {
        StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists => (
            "WorkflowAlreadyStarted",
            "a workflow with this id runs, or its id may not be used again",
        ),
        StartChildWorkflowExecutionFailedCause::NamespaceNotFound => {
            ("NamespaceNotFound", "its namespace does not exist")
        }
        StartChildWorkflowExecutionFailedCause::InvalidVersioningOverride => {
            ("InvalidVersioningOverride", "its versioning override is not valid")
        }
        StartChildWorkflowExecutionFailedCause::Unspecified => ("ChildWorkflowNotStarted", "the server refused it"),
    };
    ApplicationError::new(format!(
        "child workflow {workflow_type} (id {workflow_id}) was not started: {why}"
    ))
    .kind(kind)
    .non_retryable()
    .into()
}

/// A child workflow that runs: [`Context::start_child_workflow`]. Await it for its result.
///
/// Dropping the handle cancels the child; [`detach`](Self::detach) lets it run on.
///
/// # Errors
/// Awaiting it gives a [`Failure::ChildWorkflow`] when the child failed, timed out, was cancelled or terminated.
#[must_use = "dropping the handle cancels the child: await it, keep it, or `.detach()` it"]
pub struct ChildWorkflowHandle<W> {
    end: Operation<Resolution>,
    seq: ChildSeq,
    workflow_id: String,
    run_id: String,
    workflow_type: String,
    context: Context,
    types: PhantomData<fn() -> W>,
}

impl<W> ChildWorkflowHandle<W> {
    /// The child's workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// The id of the child's first run.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Asks for the child's cancellation. Its [`CancellationType`] says when awaiting it then ends.
    pub fn cancel(&self) {
        self.end.cancel("");
    }

    /// Like [`cancel`](Self::cancel), with a reason that the child is told.
    pub fn cancel_with_reason(&self, reason: &str) {
        self.end.cancel(reason);
    }

    /// Lets the child run on without its handle. Its parent close policy still holds.
    pub fn detach(mut self) {
        self.end.detach();
    }

    /// Signals the child. The future ends once the signal is delivered.
    #[track_caller]
    pub fn signal<S: SignalRef<W>>(&self, signal: S, input: impl IntoInput<S::Params>) -> SignalExternalWorkflow
    where
        S::Params: EncodeParams,
    {
        let values = input.into_input();
        self.context
            .signal_target::<S::Params>(ExternalTarget::Child(self.seq), &signal.name(), &values)
    }
}

impl<W: WorkflowDefinition> Future for ChildWorkflowHandle<W>
where
    W::Output: FromPayload,
{
    type Output = Result<W::Output, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.end.poll(context).map(|resolution| {
            result_of(&this.context, resolution, || {
                format!("child workflow \"{}\" (id {})", this.workflow_type, this.workflow_id)
            })
        })
    }
}

impl<W> fmt::Debug for ChildWorkflowHandle<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChildWorkflowHandle")
            .field("workflow_id", &self.workflow_id)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// A child workflow from its start to its end: [`Context::execute_child_workflow`]. Dropping it cancels the child.
#[must_use = "dropping it cancels the child: await it"]
pub struct ExecuteChildWorkflow<W>(State<W>);

enum State<W> {
    Starting(StartChildWorkflow<W>),
    Running(ChildWorkflowHandle<W>),
}

impl<W> ExecuteChildWorkflow<W> {
    pub(crate) fn new(start: StartChildWorkflow<W>) -> Self {
        Self(State::Starting(start))
    }

    /// Asks for the child's cancellation. Its [`CancellationType`] says when awaiting it then ends.
    pub fn cancel(&self) {
        self.cancel_with_reason("");
    }

    /// Like [`cancel`](Self::cancel), with a reason that the child is told.
    pub fn cancel_with_reason(&self, reason: &str) {
        match &self.0 {
            State::Starting(start) => start.cancel_with_reason(reason),
            State::Running(handle) => handle.cancel_with_reason(reason),
        }
    }

    /// Lets the child run without anybody waiting for it. Its parent close policy still holds.
    pub fn detach(self) {
        match self.0 {
            State::Starting(start) => start.detach(),
            State::Running(handle) => handle.detach(),
        }
    }
}

impl<W: WorkflowDefinition> Future for ExecuteChildWorkflow<W>
where
    W::Output: FromPayload,
{
    type Output = Result<W::Output, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.0 {
                State::Running(handle) => return Pin::new(handle).poll(context),
                State::Starting(start) => match Pin::new(start).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                    Poll::Ready(Ok(handle)) => this.0 = State::Running(handle),
                },
            }
        }
    }
}

impl<W> fmt::Debug for ExecuteChildWorkflow<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Starting(start) => start.fmt(formatter),
            State::Running(handle) => handle.fmt(formatter),
        }
    }
}
