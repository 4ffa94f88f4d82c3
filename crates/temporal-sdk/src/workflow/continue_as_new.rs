//! Continuing as a new run.

use crate::workflow::context::Context;
use crate::workflow::error::Error;
use crate::workflow::interceptor::{OutgoingKind, OutgoingOptions};
use crate::workflow::options::setters;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use temporal_client::definition::{AnyParams, EncodeParams, IntoInput, WorkflowDefinition, WorkflowRef};
use temporal_client::{Memo, RetryPolicy, SearchAttributes};
use temporal_core::ContinueAsNew;
use temporal_protos::api::enums::v1::ContinueAsNewVersioningBehavior;

/// How a workflow continues as new: [`Context::continue_as_new_with`](crate::workflow::Context::continue_as_new_with).
///
/// What is not set is taken over from this run: workflow type, task queue, timeouts, retry policy, memo and search attributes.
/// Its cron schedule is not: the new run stands outside of it.
///
/// ```
/// # use std::time::Duration;
/// # use temporal_sdk::workflow::{self, ContinueAsNewOptions};
/// # async fn run(ctx: &workflow::Context, month: u32) -> workflow::Result<()> {
/// let options = ContinueAsNewOptions::new().run_timeout(Duration::from_secs(40 * 24 * 3600));
/// return Err(ctx.continue_as_new_with(month + 1, options));
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ContinueAsNewOptions {
    pub(crate) workflow_type: Option<String>,
    pub(crate) task_queue: Option<String>,
    pub(crate) run_timeout: Option<Duration>,
    pub(crate) task_timeout: Option<Duration>,
    pub(crate) backoff_start_interval: Option<Duration>,
    pub(crate) retry_policy: Option<RetryPolicy>,
    pub(crate) memo: Option<Memo>,
    pub(crate) search_attributes: Option<SearchAttributes>,
    pub(crate) initial_versioning_behavior: ContinueAsNewVersioningBehavior,
}

impl ContinueAsNewOptions {
    /// All as in this run.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Continues as another workflow type.
        workflow_type(workflow_type: impl Into<String>) => |this| this.workflow_type = Some(workflow_type.into());
        /// Continues on another task queue.
        task_queue(task_queue: impl Into<String>) => |this| this.task_queue = Some(task_queue.into());
        /// Limits the new run.
        run_timeout(timeout: Duration) => |this| this.run_timeout = Some(timeout);
        /// Limits a workflow task of the new run.
        task_timeout(timeout: Duration) => |this| this.task_timeout = Some(timeout);
        /// Waits before the new run's first workflow task.
        backoff_start_interval(interval: Duration) => |this| this.backoff_start_interval = Some(interval);
        /// How the new run is retried when it fails, in place of the policy of this one.
        retry_policy(policy: RetryPolicy) => |this| this.retry_policy = Some(policy);
        /// The new run's notes, in place of this one's.
        memo(memo: Memo) => |this| this.memo = Some(memo);
        /// By what the new run is found, in place of what this one is found by.
        search_attributes(attributes: impl Into<SearchAttributes>) => |this| this.search_attributes = Some(attributes.into());
        /// Which worker deployment version the new run starts with. Default: the server decides.
        initial_versioning_behavior(behavior: ContinueAsNewVersioningBehavior) => |this| this.initial_versioning_behavior = behavior;
    }
}

/// The command, ready to be handed to the core.
pub(crate) struct ContinueAsNewCommand(pub(crate) ContinueAsNew);

impl fmt::Debug for ContinueAsNewCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ContinueAsNewCommand")
    }
}

impl Context {
    /// Ends this run and begins a new one with this input: return it as the error of the run method.
    ///
    /// The input is anything that the workflow's own parameters are sent as: one value, `()`, or `args![a, b]`. Whether it fits
    /// them is not checked when the code is compiled; it is by [`continue_as_new_to`](Self::continue_as_new_to)`(Self::run, ..)`.
    ///
    /// ```
    /// # use temporal_sdk::workflow;
    /// # async fn run(ctx: &workflow::Context, round: u32) -> workflow::Result<()> {
    /// return Err(ctx.continue_as_new(round + 1));
    /// # }
    /// ```
    #[must_use = "return it as the error of the run method"]
    pub fn continue_as_new(&self, input: impl IntoInput<AnyParams>) -> Error {
        self.continue_as_new_with(input, ContinueAsNewOptions::new())
    }

    /// Like [`continue_as_new`](Self::continue_as_new), with options.
    #[must_use = "return it as the error of the run method"]
    pub fn continue_as_new_with(&self, input: impl IntoInput<AnyParams>, options: ContinueAsNewOptions) -> Error {
        self.continues::<AnyParams>(&input.into_input(), options)
    }

    /// Ends this run and begins a new one of this workflow type, or of another, which takes this input: return it as the error
    /// of the run method.
    ///
    /// ```
    /// # use temporal_sdk::workflow::{self, ContinueAsNewOptions};
    /// # #[derive(Default)]
    /// # struct Archive;
    /// # #[temporal_sdk::workflow]
    /// # impl Archive {
    /// #     #[run]
    /// #     async fn run(&self, _: &workflow::Context, orders: u64) -> workflow::Result<()> { let _ = orders; Ok(()) }
    /// # }
    /// # async fn run(ctx: &workflow::Context, orders: u64) -> workflow::Result<()> {
    /// return Err(ctx.continue_as_new_to(Archive::run, orders, ContinueAsNewOptions::new()));
    /// # }
    /// ```
    #[must_use = "return it as the error of the run method"]
    pub fn continue_as_new_to<R: WorkflowRef>(
        &self,
        workflow: R,
        input: impl IntoInput<<R::Workflow as WorkflowDefinition>::Params>,
        options: ContinueAsNewOptions,
    ) -> Error
    where
        <R::Workflow as WorkflowDefinition>::Params: EncodeParams,
    {
        let options = options.workflow_type(workflow.name());
        self.continues::<<R::Workflow as WorkflowDefinition>::Params>(&input.into_input(), options)
    }

    fn continues<P: EncodeParams>(&self, values: &P::Values, options: ContinueAsNewOptions) -> Error {
        let mut arguments = self.encode::<P>(values, || "the new run".to_owned());
        let (mut options, mut header) = (options, BTreeMap::new());
        let name = options.workflow_type.clone().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| self.info().workflow_type.clone());
        let shown = OutgoingOptions::ContinueAsNew(&mut options);
        self.intercept(OutgoingKind::ContinueAsNew, &name, &mut arguments, &mut header, shown);
        let workflow_type = options.workflow_type.unwrap_or_default();
        Error::continue_as_new(ContinueAsNewCommand(ContinueAsNew {
            workflow_type,
            header,
            task_queue: options.task_queue.unwrap_or_default(),
            arguments,
            run_timeout: options.run_timeout,
            task_timeout: options.task_timeout,
            retry_policy: options.retry_policy.as_ref().map(Into::into),
            memo: options
                .memo
                .map(|memo| self.encode_memo(&memo, || "the new run".to_owned())),
            search_attributes: options
                .search_attributes
                .map(|attributes| attributes.payloads().clone()),
            backoff_start_interval: options.backoff_start_interval,
            initial_versioning_behavior: options.initial_versioning_behavior,
        }))
    }
}
