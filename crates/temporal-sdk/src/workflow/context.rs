//! What workflow code acts through.

use crate::workflow::activity::{ActivityHandle, ActivityOptions};
use crate::workflow::child::{ChildWorkflowOptions, ExecuteChildWorkflow, StartChildWorkflow};
use crate::workflow::condition::WaitCondition;
use crate::workflow::external::{CancelExternalWorkflow, ExternalWorkflowHandle, SignalExternalWorkflow};
use crate::workflow::info::Info;
use crate::workflow::interceptor::{OutgoingKind, OutgoingOptions};
use crate::workflow::local_activity::LocalActivityOptions;
use crate::workflow::operation::{Operation, OperationId};
use crate::workflow::run::{Phase, Run};
use crate::workflow::scope::{Scope, ScopeHandle};
use crate::workflow::spawn::JoinHandle;
use crate::workflow::timer::{Sleep, Timeout, TimerOptions};
use crate::workflow::waiting::Waiting;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use temporal_client::data::{ConversionError, FromPayload, PayloadConverter, PayloadConverterExt as _};
use temporal_client::definition::{ActivityRef, EncodeParams, IntoInput, Params, WorkflowDefinition, WorkflowRef};
use temporal_client::failure::CancelledError;
use temporal_client::{Memo, SearchAttributes};
use temporal_core::{ChildSeq, ChildStart, ExternalTarget, Resolution, SignalExternal, StartTimer};
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::enums::v1::SuggestContinueAsNewReason;
use temporal_protos::api::failure::v1::CanceledFailureInfo;
use temporal_protos::api::failure::v1::Failure as FailureMessage;
use temporal_protos::api::failure::v1::failure::FailureInfo;

/// What workflow code acts through: activities, timers, children, time, randomness, and what the run knows of itself.
///
/// It is a cheap handle, to be cloned into tasks, and it is a cancellation scope: what is started through it is cancelled
/// when its scope is. The context that the run method and the handlers get is the scope of the workflow itself.
///
/// Everything started here starts at once, in the order of the calls; awaiting it only waits for its end. Dropping what a
/// call gave cancels what it started, unless it is detached.
#[derive(Clone)]
pub struct Context {
    run: Run,
    scope: Scope,
    update: Option<Rc<UpdateInfo>>,
}

/// Which update a handler runs for: [`Context::current_update`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpdateInfo {
    /// The update's id.
    pub id: String,
    /// The update's name.
    pub name: String,
}

impl Context {
    pub(crate) fn root(run: &Run) -> Self {
        Self {
            run: Rc::clone(run),
            scope: run.root.clone(),
            update: None,
        }
    }

    pub(crate) fn for_update(&self, id: String, name: String) -> Self {
        Self {
            update: Some(Rc::new(UpdateInfo { id, name })),
            ..self.clone()
        }
    }

    pub(crate) fn run(&self) -> &Run {
        &self.run
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Turns values into payloads and back as the worker does: for interceptors.
    #[must_use]
    pub fn payload_converter(&self) -> &Arc<dyn PayloadConverter> {
        self.run.environment.converter.payload_converter()
    }

    // ---- activities

    /// Runs an activity. Its result, or how it failed, comes when the handle is awaited.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use temporal_sdk::{workflow, workflow::ActivityOptions};
    /// # async fn example(ctx: &workflow::Context) -> workflow::Result<()> {
    /// let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
    /// let greeting = ctx.execute_activity(workflow::activity_named::<String>("say_hello"), "Temporal", options).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn execute_activity<A: ActivityRef>(
        &self,
        activity: A,
        input: impl IntoInput<A::Params>,
        options: ActivityOptions,
    ) -> ActivityHandle<A::Output>
    where
        A::Params: EncodeParams,
    {
        self.start_activity(activity, input, options)
    }

    /// Starts an activity. The same as [`execute_activity`](Self::execute_activity), for code that keeps the handle.
    #[track_caller]
    pub fn start_activity<A: ActivityRef>(
        &self,
        activity: A,
        input: impl IntoInput<A::Params>,
        options: ActivityOptions,
    ) -> ActivityHandle<A::Output>
    where
        A::Params: EncodeParams,
    {
        let _ = self.run.may_act("start_activity");
        let mut options = options;
        let shown = OutgoingOptions::Activity(&mut options);
        let (name, arguments, header) = self.prepare_activity(OutgoingKind::Activity, &activity, input, shown);
        let mut command = options.command;
        (command.arguments, command.header) = (arguments, header);
        command.activity_type.clone_from(&name);
        command.user_metadata = self.metadata(options.summary.as_ref(), None);
        let (run, started_at) = (&self.run, Location::caller());
        let operation = self.operation("start_activity", cancelled_resolution, || {
            let seq = run.command("start_activity", |core| core.schedule_activity(command))?;
            let id = OperationId::Activity(seq);
            Some((id, run.activities.insert_at(seq.0, Some(self.member(id)), started_at)))
        });
        ActivityHandle::new(operation, self, name)
    }

    /// Runs a local activity: in this worker, without a task of its own. Its result, or how it failed, comes when the
    /// handle is awaited. For what takes well under a second.
    #[track_caller]
    pub fn execute_local_activity<A: ActivityRef>(
        &self,
        activity: A,
        input: impl IntoInput<A::Params>,
        options: LocalActivityOptions,
    ) -> ActivityHandle<A::Output>
    where
        A::Params: EncodeParams,
    {
        self.start_local_activity(activity, input, options)
    }

    /// Starts a local activity. The same as [`execute_local_activity`](Self::execute_local_activity), for code that keeps
    /// the handle.
    #[track_caller]
    pub fn start_local_activity<A: ActivityRef>(
        &self,
        activity: A,
        input: impl IntoInput<A::Params>,
        options: LocalActivityOptions,
    ) -> ActivityHandle<A::Output>
    where
        A::Params: EncodeParams,
    {
        let _ = self.run.may_act("start_local_activity");
        let mut options = options;
        let shown = OutgoingOptions::LocalActivity(&mut options);
        let (name, arguments, header) = self.prepare_activity(OutgoingKind::LocalActivity, &activity, input, shown);
        let mut command = options.command;
        (command.arguments, command.header) = (arguments, header);
        command.activity_type.clone_from(&name);
        command.user_metadata = self.metadata(options.summary.as_ref(), None);
        let (run, started_at) = (&self.run, Location::caller());
        let operation = self.operation("start_local_activity", cancelled_resolution, || {
            let seq = run.command("start_local_activity", |core| run.local_retries.schedule(core, command))?;
            let id = OperationId::LocalActivity(seq);
            Some((
                id,
                run.local_activities.insert_at(seq.0, Some(self.member(id)), started_at),
            ))
        });
        ActivityHandle::new(operation, self, name)
    }

    // ---- children and other workflows

    /// Runs a child workflow from its start to its end: `ctx.execute_child_workflow(Ship::run, order, options).await?`.
    ///
    /// Awaiting it gives the child's result, or how it was not started or failed.
    #[track_caller]
    pub fn execute_child_workflow<R: WorkflowRef>(
        &self,
        workflow: R,
        input: impl IntoInput<<R::Workflow as WorkflowDefinition>::Params>,
        options: ChildWorkflowOptions,
    ) -> ExecuteChildWorkflow<R::Workflow>
    where
        <R::Workflow as WorkflowDefinition>::Params: EncodeParams,
    {
        ExecuteChildWorkflow::new(self.start_child_workflow(workflow, input, options))
    }

    /// Starts a child workflow. Awaiting it gives a [`ChildWorkflowHandle`](super::ChildWorkflowHandle) once the server
    /// started it.
    #[track_caller]
    pub fn start_child_workflow<R: WorkflowRef>(
        &self,
        workflow: R,
        input: impl IntoInput<<R::Workflow as WorkflowDefinition>::Params>,
        options: ChildWorkflowOptions,
    ) -> StartChildWorkflow<R::Workflow>
    where
        <R::Workflow as WorkflowDefinition>::Params: EncodeParams,
    {
        // Before an id is drawn.
        let _ = self.run.may_act("start_child_workflow");
        let workflow_type = workflow.name().into_owned();
        let what = || format!("child workflow \"{workflow_type}\"");
        let mut arguments = self.encode::<<R::Workflow as WorkflowDefinition>::Params>(&input.into_input(), what);
        let (mut options, mut header) = (options, BTreeMap::new());
        if options.command.workflow_id.is_empty() {
            options.command.workflow_id = self.uuid4().to_string();
        }
        let (kind, shown) = (
            OutgoingKind::ChildWorkflow,
            OutgoingOptions::ChildWorkflow(&mut options),
        );
        self.intercept(kind, &workflow_type, &mut arguments, &mut header, shown);
        let mut command = options.command;
        command.workflow_type.clone_from(&workflow_type);
        (command.arguments, command.header) = (arguments, header);
        command.memo = self.encode_memo(&options.memo, what);
        command.user_metadata = self.metadata(options.static_summary.as_ref(), options.static_details.as_ref());
        let workflow_id = command.workflow_id.clone();
        let (run, started_at) = (&self.run, Location::caller());
        let mut started = None;
        let start = self.operation("start_child_workflow", ChildStart::Cancelled, || {
            let seq = run.command("start_child_workflow", |core| core.start_child(command))?;
            let id = OperationId::Child(seq);
            started = Some((seq, run.children.insert_at(seq.0, Some(self.member(id)), started_at)));
            Some((id, run.child_starts.insert_at(seq.0, None, started_at)))
        });
        let (seq, end) = started.map_or((ChildSeq(0), None), |(seq, end)| (seq, Some(end)));
        StartChildWorkflow::new(self, seq, start, end, workflow_id, workflow_type)
    }

    /// Another workflow of type `W`, to signal or to cancel:
    /// `ctx.external_workflow::<Ship>("ship-2").signal(Ship::hold, ()).await?`. It need not exist yet.
    #[must_use]
    pub fn external_workflow<W>(&self, workflow_id: impl Into<String>) -> ExternalWorkflowHandle<W> {
        ExternalWorkflowHandle::new(self, workflow_id.into())
    }

    #[track_caller]
    pub(crate) fn signal_target<P: EncodeParams>(
        &self,
        target: ExternalTarget,
        name: &str,
        values: &<P as Params>::Values,
    ) -> SignalExternalWorkflow {
        let _ = self.run.may_act("signal of another workflow");
        let mut command = SignalExternal {
            target,
            name: name.to_owned(),
            arguments: self.encode::<P>(values, || format!("signal \"{name}\"")),
            header: BTreeMap::new(),
        };
        let (arguments, header) = (&mut command.arguments, &mut command.header);
        self.intercept(OutgoingKind::Signal, name, arguments, header, OutgoingOptions::None);
        let (run, started_at) = (&self.run, Location::caller());
        let operation = self.operation("signal of another workflow", Err, || {
            let seq = run.command("signal of another workflow", |core| core.signal_external(command))?;
            let id = OperationId::SignalExternal(seq);
            Some((
                id,
                run.external_signals.insert_at(seq.0, Some(self.member(id)), started_at),
            ))
        });
        SignalExternalWorkflow::new(self, operation)
    }

    #[track_caller]
    pub(crate) fn cancel_target(&self, target: ExternalTarget, reason: &str) -> CancelExternalWorkflow {
        let _ = self.run.may_act("cancel of another workflow");
        let id = match &target {
            ExternalTarget::Workflow { workflow_id, .. } => workflow_id.as_str(),
            ExternalTarget::Child(_) => "",
        };
        let (arguments, header) = (&mut Vec::new(), &mut BTreeMap::new());
        self.intercept(
            OutgoingKind::CancelExternal,
            id,
            arguments,
            header,
            OutgoingOptions::None,
        );
        let (run, started_at) = (&self.run, Location::caller());
        let operation = self.operation("cancel of another workflow", Err, || {
            let seq = run.command("cancel of another workflow", |core| {
                core.cancel_external(target, reason)
            })?;
            Some((
                OperationId::CancelExternal(seq),
                run.external_cancels.insert_at(seq.0, None, started_at),
            ))
        });
        CancelExternalWorkflow::new(self, operation)
    }

    // ---- time and conditions

    /// Waits for `duration` of workflow time: a durable timer, which survives the worker. Awaiting it fails only by
    /// cancellation.
    #[track_caller]
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.start_timer(duration)
    }

    /// Waits until the workflow's clock shows `time`. When that is past, it is a timer of zero: the code goes on with the next
    /// workflow task.
    #[track_caller]
    pub fn sleep_until(&self, time: SystemTime) -> Sleep {
        self.start_timer(time.duration_since(self.now()).unwrap_or_default())
    }

    /// Starts a durable timer, with a summary.
    #[track_caller]
    pub fn start_timer(&self, options: impl Into<TimerOptions>) -> Sleep {
        self.timer(options.into(), Location::caller(), |id| Some(self.member(id)))
    }

    /// Starts a timer that belongs to no scope: what it limits decides what a cancellation means.
    #[track_caller]
    pub(crate) fn start_limit(&self, options: TimerOptions) -> Sleep {
        self.shielded().timer(options, Location::caller(), |_| None)
    }

    /// Starts a timer that was asked for there.
    pub(crate) fn timer(
        &self,
        options: TimerOptions,
        started_at: &'static Location<'static>,
        member: impl FnOnce(OperationId) -> Option<(Scope, u64)>,
    ) -> Sleep {
        let TimerOptions { duration, summary } = options;
        let command = StartTimer {
            duration,
            user_metadata: self.metadata(summary.as_ref(), None),
        };
        let run = &self.run;
        let cancelled = |failure: FailureMessage| Err(CancelledError::new(failure.message));
        let operation = self.operation("sleep", cancelled, || {
            let seq = run.command("sleep", |core| core.start_timer(command))?;
            let id = OperationId::Timer(seq);
            Some((id, run.timers.insert_at(seq.0, member(id), started_at)))
        });
        Sleep::new(operation)
    }

    /// Gives a future this much of workflow time: a [`Duration`], or [`TimerOptions`] with a summary. The timer starts now; when
    /// it fires first, the future is dropped.
    ///
    /// When this scope is cancelled, what the future waits for in it ends as it does without a limit (an activity as its
    /// cancellation type says), and the limit still holds. A future that waits for nothing that a cancellation ends, such as a
    /// channel, is given up at once.
    #[track_caller]
    pub fn timeout<F: Future>(&self, limit: impl Into<TimerOptions>, future: F) -> Timeout<F> {
        Timeout::new(self, limit.into(), future)
    }

    /// Waits until the predicate holds. It is looked at again whenever the workflow's code made progress.
    ///
    /// ```
    /// # use std::{cell::Cell, time::Duration};
    /// # use temporal_sdk::workflow;
    /// # async fn example(ctx: &workflow::Context, ready: Cell<bool>) -> workflow::Result<()> {
    /// ctx.wait_condition(|| ready.get()).await?;
    /// ctx.wait_condition(|| ready.get()).timeout(Duration::from_secs(60)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn wait_condition<P: FnMut() -> bool>(&self, predicate: P) -> WaitCondition<P> {
        WaitCondition::new(self.clone(), predicate)
    }

    /// The workflow's clock: when the server started the current workflow task. It stands still within a task.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.run.core().now()
    }

    // ---- tasks and cancellation

    /// Starts a task of the workflow: a future that is polled in its own right, in a deterministic order.
    ///
    /// Unlike a task of `tokio::spawn`, it ends with its handle: dropping that ends the task at its next await and cancels what
    /// it waits for. Keep the handle, or let the task run on with [`JoinHandle::detach`]:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use temporal_sdk::workflow;
    /// # async fn example(ctx: &workflow::Context) {
    /// let alarm = ctx.sleep(Duration::from_secs(3600));
    /// let task = ctx.spawn(async move {
    ///     let _ = alarm.await;
    ///     tracing::warn!("still at it after an hour");
    /// });
    /// task.detach();
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        JoinHandle::spawn(&self.run, Location::caller(), future)
    }

    /// A scope inside this one, and the handle that cancels it. It is also cancelled when this scope is. What is to be in the
    /// scope is started through its context.
    #[must_use]
    pub fn child(&self) -> (Self, ScopeHandle) {
        let scope = self.scope.child();
        let handle = ScopeHandle::new(scope.clone(), &self.run);
        (Self { scope, ..self.clone() }, handle)
    }

    /// A scope that no cancellation of this one, nor of the workflow, reaches: for cleaning up.
    #[must_use]
    pub fn shielded(&self) -> Self {
        Self {
            scope: Scope::detached(),
            ..self.clone()
        }
    }

    /// Whether this scope is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.scope.is_cancelled()
    }

    /// The reason given with the cancellation; empty when none was given, `None` while the scope is not cancelled.
    #[must_use]
    pub fn cancellation_reason(&self) -> Option<String> {
        self.scope.reason().map(|reason| reason.to_string())
    }

    /// Waits until this scope is cancelled, and gives what an operation in it fails with then.
    #[track_caller]
    pub fn cancelled(&self) -> ScopeCancelled {
        ScopeCancelled {
            context: self.clone(),
            member: None,
            waiting: Some(Waiting::new("a cancellation")),
        }
    }

    /// Like [`cancelled`](Self::cancelled), for what tells itself what it waits for.
    pub(crate) fn watch_cancellation(&self) -> ScopeCancelled {
        ScopeCancelled {
            context: self.clone(),
            member: None,
            waiting: None,
        }
    }

    pub(crate) fn cancelled_now(&self) -> Option<CancelledError> {
        self.scope.reason().map(|reason| CancelledError::new(&*reason))
    }

    // ---- the run

    /// What the run knows of itself, from its start.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.run.info
    }

    /// How many events the run's history has, as of the current workflow task.
    #[must_use]
    pub fn history_length(&self) -> u32 {
        self.run.core().history_length()
    }

    /// How many bytes the run's history has, as of the current workflow task.
    #[must_use]
    pub fn history_size(&self) -> u64 {
        self.run.core().history_size_bytes()
    }

    /// Whether the server suggests to continue as new, since the history gets long.
    #[must_use]
    pub fn is_continue_as_new_suggested(&self) -> bool {
        self.run.core().continue_as_new_suggested()
    }

    /// Why the server suggests to continue as new; empty when it does not, or does not say.
    #[must_use]
    pub fn continue_as_new_reasons(&self) -> Vec<SuggestContinueAsNewReason> {
        self.run.core().continue_as_new_reasons().to_vec()
    }

    /// Whether the worker deployment version that new runs start with is another one than this run is pinned to, as of the
    /// current workflow task: time to [continue as new](Self::continue_as_new_with) with
    /// [`initial_versioning_behavior`](super::ContinueAsNewOptions::initial_versioning_behavior), so that the next run moves on.
    ///
    /// ```
    /// # use temporal_sdk::workflow::{self, ContinueAsNewOptions, ContinueAsNewVersioningBehavior};
    /// # async fn run(ctx: &workflow::Context, round: u32) -> workflow::Result<()> {
    /// if ctx.is_target_worker_deployment_version_changed() {
    ///     let options =
    ///         ContinueAsNewOptions::new().initial_versioning_behavior(ContinueAsNewVersioningBehavior::AutoUpgrade);
    ///     return Err(ctx.continue_as_new_with(round, options));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_target_worker_deployment_version_changed(&self) -> bool {
        self.run.core().target_version_changed()
    }

    /// Whether what happens now happened before. Only for what has no effect on the workflow, such as metrics.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.run.core().is_replaying()
    }

    /// Whether this code may only look: a query is being answered, an update validated, or the value of a side effect made.
    /// What acts on the workflow is refused then; code that several kinds of handlers share can ask first.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match self.run.phase() {
            Phase::Query | Phase::Validator | Phase::SideEffect => true,
            Phase::Open | Phase::Ended => false,
        }
    }

    /// A note of the workflow's memo. `None` when there is none with this key.
    ///
    /// # Errors
    /// When it does not hold a `T`.
    pub fn memo<T: FromPayload>(&self, key: &str) -> Result<Option<T>, ConversionError> {
        let payload = self.run.core().memo().get(key).cloned();
        payload
            .map(|payload| self.payload_converter().decode(payload))
            .transpose()
    }

    /// All notes of the workflow's memo, as they are.
    #[must_use]
    pub fn raw_memo(&self) -> BTreeMap<String, Payload> {
        self.run.core().memo().clone()
    }

    /// Sets notes of the workflow's memo; the value `()` removes one.
    ///
    /// ```
    /// # use temporal_sdk::{client::Memo, workflow};
    /// # fn example(ctx: &workflow::Context) {
    /// ctx.upsert_memo(Memo::new().with("stage", "packing").with("problem", ()));
    /// # }
    /// ```
    pub fn upsert_memo(&self, memo: Memo) {
        let fields = self.encode_memo(&memo, || "the workflow".to_owned());
        let _ = self.run.command("upsert_memo", |core| core.upsert_memo(fields));
    }

    /// By what the workflow is found.
    #[must_use]
    pub fn search_attributes(&self) -> SearchAttributes {
        let indexed_fields = self.run.core().search_attributes().clone();
        temporal_protos::api::common::v1::SearchAttributes { indexed_fields }.into()
    }

    /// Sets search attributes; [`unset`](SearchAttributes::unset) ones are removed.
    ///
    /// ```
    /// # use temporal_sdk::{client::{SearchAttributeKey, SearchAttributes}, workflow};
    /// const STAGE: SearchAttributeKey<String> = SearchAttributeKey::keyword("Stage");
    /// # fn example(ctx: &workflow::Context) {
    /// ctx.upsert_search_attributes(SearchAttributes::new().with(&STAGE, "packing".to_owned()));
    /// # }
    /// ```
    ///
    /// A struct that derives [`SearchAttributeSet`](crate::SearchAttributeSet) sets all of its fields at once:
    ///
    /// ```
    /// # use temporal_sdk::{SearchAttributeSet, client::SearchAttributeError, workflow};
    /// #[derive(SearchAttributeSet)]
    /// struct OrderAttributes {
    ///     customer_id: String,
    ///     amount: Option<i64>,
    /// }
    /// # fn example(ctx: &workflow::Context) -> Result<(), SearchAttributeError> {
    /// let mut order = OrderAttributes::from_search_attributes(&ctx.search_attributes())?;
    /// order.amount = None;
    /// ctx.upsert_search_attributes(order.to_changes());
    /// assert_eq!(OrderAttributes::customer_id.name(), "CustomerId");
    /// # Ok(())
    /// # }
    /// ```
    pub fn upsert_search_attributes(&self, changes: impl Into<SearchAttributes>) {
        let fields = temporal_protos::api::common::v1::SearchAttributes::from(changes.into()).indexed_fields;
        let _ = self
            .run
            .command("upsert_search_attributes", |core| core.upsert_search_attributes(fields));
    }

    /// The result of the last run of the same cron or chain that completed. `None` when there is none.
    ///
    /// # Errors
    /// When it does not hold a `T`.
    pub fn last_result<T: FromPayload>(&self) -> Result<Option<T>, ConversionError> {
        let payload = self.run.info.last_result.first().cloned();
        payload
            .map(|payload| self.payload_converter().decode(payload))
            .transpose()
    }

    /// How the last run of the same cron or chain failed. `None` when it did not.
    #[must_use]
    pub fn last_failure(&self) -> Option<temporal_client::failure::Failure> {
        let failure = self.run.info.last_failure.clone()?;
        Some(self.run.environment.converter.failure_to_error(*failure))
    }

    /// Sets what user interfaces show as the workflow's current details.
    pub fn set_current_details(&self, details: impl Into<String>) {
        if self.run.may_act("set_current_details") {
            self.run.details.replace(details.into());
        }
    }

    /// What [`set_current_details`](Self::set_current_details) set last.
    #[must_use]
    pub fn current_details(&self) -> String {
        self.run.details.borrow().clone()
    }

    /// Whether no async signal or update handler runs. Wait for it before the run method returns:
    /// `ctx.wait_condition(|| ctx.all_handlers_finished()).await?`.
    #[must_use]
    pub fn all_handlers_finished(&self) -> bool {
        self.run.handlers.all_finished()
    }

    /// The update that this context was given to the handler of; `None` in other code.
    #[must_use]
    pub fn current_update(&self) -> Option<&UpdateInfo> {
        self.update.as_deref()
    }

    // ---- inside

    /// Starts an operation in this scope, or ends it as cancelled when the scope is.
    pub(crate) fn operation<T>(
        &self,
        call: &str,
        cancelled: impl FnOnce(FailureMessage) -> T,
        start: impl FnOnce() -> Option<(OperationId, Rc<crate::workflow::operation::Slot<T>>)>,
    ) -> Operation<T> {
        if let Some(reason) = self.scope.reason() {
            // Even so it is misuse in a query.
            let _ = self.run.command(call, |_| ());
            return Operation::ended(cancelled(cancelled_failure(&reason)));
        }
        match start() {
            Some((id, slot)) => Operation::started(&self.run, id, slot),
            None => Operation::never(),
        }
    }

    /// What starting an activity and a local one have in common: its name, and the arguments and headers, past the
    /// interceptors.
    fn prepare_activity<A: ActivityRef>(
        &self,
        kind: OutgoingKind,
        activity: &A,
        input: impl IntoInput<A::Params>,
        options: OutgoingOptions<'_>,
    ) -> (String, Vec<Payload>, BTreeMap<String, Payload>)
    where
        A::Params: EncodeParams,
    {
        let name = activity.name().into_owned();
        let mut arguments = self.encode::<A::Params>(&input.into_input(), || match kind {
            OutgoingKind::LocalActivity => format!("local activity \"{name}\""),
            _ => format!("activity \"{name}\""),
        });
        let mut header = BTreeMap::new();
        self.intercept(kind, &name, &mut arguments, &mut header, options);
        (name, arguments, header)
    }

    pub(crate) fn member(&self, operation: OperationId) -> (Scope, u64) {
        (self.scope.clone(), self.scope.add_operation(operation))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("workflow_id", &self.run.info.workflow_id)
            .field("run_id", &self.run.info.run_id)
            .field("scope", &self.scope)
            .finish()
    }
}

/// Waits until a scope is cancelled: [`Context::cancelled`].
#[must_use = "futures do nothing unless awaited"]
pub struct ScopeCancelled {
    context: Context,
    member: Option<u64>,
    waiting: Option<Waiting>,
}

impl ScopeCancelled {
    pub(crate) fn run(&self) -> &Run {
        &self.context.run
    }
}

impl Future for ScopeCancelled {
    type Output = CancelledError;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<CancelledError> {
        if let Some(cancelled) = self.context.cancelled_now() {
            self.member = None;
            self.waiting = None;
            return Poll::Ready(cancelled);
        }
        match self.member {
            Some(member) => self.context.scope.update_waiter(member, context.waker()),
            None => self.member = Some(self.context.scope.add_waiter(context.waker().clone())),
        }
        match &mut self.waiting {
            Some(waiting) => waiting.polled(Poll::Pending),
            None => Poll::Pending,
        }
    }
}

impl Drop for ScopeCancelled {
    fn drop(&mut self) {
        if let Some(member) = self.member.take() {
            self.context.scope.remove(member);
        }
    }
}

impl fmt::Debug for ScopeCancelled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ScopeCancelled").finish_non_exhaustive()
    }
}

fn cancelled_resolution(failure: FailureMessage) -> Resolution {
    Resolution::Cancelled(failure)
}

/// What an operation fails with that was cancelled before it began.
fn cancelled_failure(reason: &str) -> FailureMessage {
    FailureMessage {
        message: if reason.is_empty() {
            "cancelled before it was started: its scope is cancelled; start through ctx.shielded() what is to run nevertheless"
        } else {
            reason
        }
        .to_owned(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
        ..FailureMessage::default()
    }
}
