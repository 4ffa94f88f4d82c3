//! What the code of one run, and the host that drives it, share.

use crate::workflow::definition::WorkflowEntry;
use crate::workflow::error::Error;
use crate::workflow::executor::{Executor, TaskId};
use crate::workflow::handlers::Handlers;
use crate::workflow::host::HostEnvironment;
use crate::workflow::info::Info;
use crate::workflow::local_activity::LocalActivities;
use crate::workflow::misuse;
use crate::workflow::operation::{OperationId, Table};
use crate::workflow::random::Stream;
use crate::workflow::scope::Scope;
use crate::workflow::sync::Notify;
use crate::workflow::waiting::Waits;
use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use temporal_client::failure::CancelledError;
use temporal_core::{ChildStart, Resolution, WorkflowRun};
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::failure::v1::Failure;

/// The run as its code sees it. Reached through [`Context`](crate::workflow::Context).
pub(crate) struct RunState {
    pub(crate) environment: Arc<HostEnvironment>,
    pub(crate) entry: Arc<WorkflowEntry>,
    /// The state machines. Borrowed for a call at a time, never across workflow code.
    pub(crate) core: RefCell<WorkflowRun>,
    pub(crate) executor: Executor,
    /// The run method's task, until it is first polled.
    pub(crate) main: Cell<Option<TaskId>>,
    pub(crate) info: Info,
    pub(crate) random: Stream,
    /// The scope that the workflow's own cancellation reaches.
    pub(crate) root: Scope,
    pub(crate) handlers: Handlers,
    pub(crate) details: RefCell<String>,
    /// Who waits for what else the task brings.
    pub(crate) settling: RefCell<Option<Notify>>,
    pub(crate) timers: Table<Result<(), CancelledError>>,
    pub(crate) activities: Table<Resolution>,
    pub(crate) local_activities: Table<Resolution>,
    pub(crate) local_retries: LocalActivities,
    pub(crate) child_starts: Table<ChildStart>,
    pub(crate) children: Table<Resolution>,
    pub(crate) external_signals: Table<Result<(), Failure>>,
    pub(crate) external_cancels: Table<Result<(), Failure>>,
    pub(crate) nexus_starts: Table<Result<Option<String>, Failure>>,
    pub(crate) nexus_operations: Table<Resolution>,
    pub(crate) waits: Waits,
    /// How the workflow ends, once its code has said so.
    outcome: RefCell<Option<Box<Result<Payload, Error>>>>,
    closed: Cell<bool>,
    phase: Cell<Phase>,
}

/// What workflow code may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Anything.
    Open,
    /// Look, but not act: a query is being answered.
    Query,
    /// Look, but not act: an update is being validated.
    Validator,
    /// Look, but not act: a side effect's value is being made.
    SideEffect,
    /// Nothing: the run has ended, or is being evicted.
    Ended,
}

/// While this lives, the run is in another phase.
pub(crate) struct InPhase<'a> {
    run: &'a RunState,
    before: Phase,
}

impl Drop for InPhase<'_> {
    fn drop(&mut self) {
        self.run.phase.set(self.before);
    }
}

impl RunState {
    pub(crate) fn new(
        environment: &Arc<HostEnvironment>,
        entry: Arc<WorkflowEntry>,
        core: WorkflowRun,
        info: Info,
        seed: u64,
    ) -> Self {
        Self {
            environment: Arc::clone(environment),
            core: RefCell::new(core),
            executor: Executor::new(environment.detect_foreign_wakes && entry.sandboxed),
            entry,
            main: Cell::new(None),
            info,
            random: Stream::new(seed),
            root: Scope::detached(),
            handlers: Handlers::default(),
            details: RefCell::default(),
            settling: RefCell::default(),
            timers: Table::default(),
            activities: Table::default(),
            local_activities: Table::default(),
            local_retries: LocalActivities::default(),
            child_starts: Table::default(),
            children: Table::default(),
            external_signals: Table::default(),
            external_cancels: Table::default(),
            nexus_starts: Table::default(),
            nexus_operations: Table::default(),
            waits: Waits::default(),
            outcome: RefCell::default(),
            closed: Cell::new(false),
            phase: Cell::new(Phase::Open),
        }
    }

    /// The state machines, to look at.
    pub(crate) fn core(&self) -> Ref<'_, WorkflowRun> {
        self.core.borrow()
    }

    /// The classes of calls that fail its tasks.
    pub(crate) fn restricted(&self) -> u8 {
        if self.entry.sandboxed {
            self.environment.restrictions.mask() & !self.entry.allowed
        } else {
            0
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Runs what follows in this phase, until the answer is dropped.
    pub(crate) fn in_phase(&self, phase: Phase) -> InPhase<'_> {
        InPhase {
            run: self,
            before: self.phase.replace(phase),
        }
    }

    /// Hands a command to the state machines. `None` when the run has ended: then nothing is emitted.
    ///
    /// `call` names what workflow code called, for the message when it may not.
    pub(crate) fn command<T>(&self, call: &str, command: impl FnOnce(&mut WorkflowRun) -> T) -> Option<T> {
        self.may_act(call).then(|| command(&mut self.core.borrow_mut()))
    }

    /// Whether the call may change something of the run; `false` in a run that has ended. Raises in code that may only look,
    /// unless that unwinds already.
    ///
    /// Whatever workflow code calls to act asks this before anything is changed.
    #[must_use]
    pub(crate) fn may_act(&self, call: &str) -> bool {
        match self.phase.get() {
            Phase::Open if self.executor.is_driven() => true,
            Phase::Open => {
                self.called_by_others(call, "by code of something else");
                false
            }
            // Code that is dropped with its run may call what it likes: nothing happens.
            Phase::Ended if self.executor.is_driven() => false,
            Phase::Ended => {
                self.called_by_others(call, "after that run ended");
                false
            }
            // Code that unwinds cleans up, and a second panic would end the process.
            _ if std::thread::panicking() => false,
            Phase::Query => misuse::raise(&format!(
                "{call} was called while {} answered a query: a query may only read state; do it in a signal or an update",
                self.described(),
            )),
            Phase::SideEffect => misuse::raise(&format!(
                "{call} was called in a side effect of {}: its closure only makes a value; do it before or after",
                self.described(),
            )),
            Phase::Validator => misuse::raise(&format!(
                "{call} was called while {} validated an update: a validator may only read state; do it in the update's handler",
                self.described(),
            )),
        }
    }

    /// Whether what a dropped handle stood for may go with it. Raises in code that may only look; what unwinds leaves it be.
    fn may_drop(&self) -> bool {
        match self.phase.get() {
            Phase::Open | Phase::Ended => true,
            Phase::Query | Phase::Validator | Phase::SideEffect => self.may_act("cancellation by dropping a handle"),
        }
    }

    /// The workflow, for messages.
    pub(crate) fn described(&self) -> String {
        format!("workflow {} (id {})", self.info.workflow_type, self.info.workflow_id)
    }

    /// A context belongs to the code of its run, while that runs.
    fn called_by_others(&self, call: &str, how: &str) {
        let message = format!(
            "{call} was called on a context of workflow {} (id {}, run {}) {how}: a context lives as long as its run and serves its code alone; take the one that the run method or the handler gets, and keep it nowhere else",
            self.info.workflow_type, self.info.workflow_id, self.info.run_id
        );
        if misuse::is_caught() && !std::thread::panicking() {
            misuse::raise(&message);
        }
        tracing::error!("{message}");
    }

    /// The workflow is to end so. What was said first holds, but a failure of the task is never lost.
    pub(crate) fn end_with(&self, outcome: Result<Payload, Error>) {
        let outcome = outcome.map_err(|error| self.judged(error));
        if let Err(error) = &outcome
            && error.is_task_failure()
        {
            self.outcome.replace(Some(Box::new(outcome)));
            return;
        }
        if !self.closed.get() {
            self.outcome.borrow_mut().get_or_insert_with(|| Box::new(outcome));
        }
    }

    /// Whether the run method is still to be polled for the first time.
    pub(crate) fn is_before_run_method(&self) -> bool {
        let main = self.main.take();
        self.main.set(main);
        main.is_some()
    }

    /// The error as the policies of workflow and worker see it.
    pub(crate) fn judged(&self, error: Error) -> Error {
        self.entry.failures.apply(&self.environment.failures, error)
    }

    /// Why the task fails, if it does.
    pub(crate) fn take_task_failure(&self) -> Option<Error> {
        let mut outcome = self.outcome.borrow_mut();
        match outcome.take().map(|outcome| *outcome) {
            Some(Err(error)) if error.is_task_failure() => Some(error),
            other => {
                *outcome = other.map(Box::new);
                None
            }
        }
    }

    /// How the workflow ends, once its code has said so. Told once.
    pub(crate) fn take_outcome(&self) -> Option<Result<Payload, Error>> {
        let outcome = self.outcome.borrow_mut().take()?;
        self.closed.set(true);
        Some(*outcome)
    }

    /// Asks for the cancellation of an operation that somebody waits for.
    pub(crate) fn cancel_operation(&self, operation: OperationId, reason: &str) {
        if self.phase.get() == Phase::Ended {
            return;
        }
        if let OperationId::LocalActivity(seq) = operation {
            let end = self.command(CANCELLATION, |core| self.local_retries.cancel(core, seq));
            if let Some(Some(resolution)) = end {
                self.local_activities.resolve(seq.0, resolution);
            }
            return;
        }
        self.command_cancellation(operation, reason);
        match operation {
            // Nobody tells the end of a cancelled timer.
            OperationId::Timer(seq) => self.timers.resolve(seq.0, Err(CancelledError::new(reason))),
            OperationId::Activity(_)
            | OperationId::LocalActivity(_)
            | OperationId::Child(_)
            | OperationId::SignalExternal(_)
            | OperationId::CancelExternal(_)
            | OperationId::Nexus(_) => {}
        }
    }

    /// Cancels an operation that nobody waits for any more.
    pub(crate) fn drop_operation(&self, operation: OperationId) {
        if !self.may_drop() {
            return;
        }
        self.forget(operation);
        if self.phase.get() == Phase::Open {
            self.command_cancellation(operation, "");
        }
    }

    /// Ends a task that nobody waits for any more.
    pub(crate) fn drop_task(&self, task: TaskId) {
        if self.may_drop() {
            self.executor.abort(task);
        }
    }

    fn command_cancellation(&self, operation: OperationId, reason: &str) {
        let _ = self.command(CANCELLATION, |core| match operation {
            OperationId::Timer(seq) => core.cancel_timer(seq),
            OperationId::Activity(seq) => core.cancel_activity(seq),
            OperationId::LocalActivity(seq) => self.local_retries.abandon(core, seq),
            OperationId::Child(seq) => core.cancel_child(seq, reason),
            OperationId::SignalExternal(seq) => core.cancel_signal_external(seq),
            // A request that is on its way cannot be taken back.
            OperationId::CancelExternal(_) => {}
            OperationId::Nexus(seq) => core.cancel_nexus(seq),
        });
    }

    /// Whatever comes of the operation, nobody is told.
    fn forget(&self, operation: OperationId) {
        match operation {
            OperationId::Timer(seq) => drop(self.timers.take(seq.0)),
            OperationId::Activity(seq) => drop(self.activities.take(seq.0)),
            OperationId::LocalActivity(seq) => drop(self.local_activities.take(seq.0)),
            OperationId::Child(seq) => {
                drop(self.child_starts.take(seq.0));
                drop(self.children.take(seq.0));
            }
            OperationId::SignalExternal(seq) => drop(self.external_signals.take(seq.0)),
            OperationId::CancelExternal(seq) => drop(self.external_cancels.take(seq.0)),
            OperationId::Nexus(seq) => {
                drop(self.nexus_starts.take(seq.0));
                drop(self.nexus_operations.take(seq.0));
            }
        }
    }

    /// Whether the task at hand waits for what comes to an end by itself when it is cancelled: an operation, a condition or a task.
    /// The timer of a time limit is none.
    pub(crate) fn awaits_operation(&self) -> bool {
        let Some(task) = self.executor.current() else {
            return false;
        };
        self.timers.is_awaited(task, true)
            || self.activities.is_awaited(task, false)
            || self.local_activities.is_awaited(task, false)
            || self.child_starts.is_awaited(task, false)
            || self.children.is_awaited(task, false)
            || self.external_signals.is_awaited(task, false)
            || self.external_cancels.is_awaited(task, false)
            || self.nexus_starts.is_awaited(task, false)
            || self.nexus_operations.is_awaited(task, false)
            || self.executor.awaits_condition(task)
            || self.waits.hear_cancellation(task)
    }

    /// Drops all tasks of the run. Nothing is emitted from here on. The instance stays, for queries.
    pub(crate) fn end(&self) {
        self.phase.set(Phase::Ended);
        self.executor.clear();
        self.timers.clear();
        self.activities.clear();
        self.local_activities.clear();
        self.local_retries.clear();
        self.child_starts.clear();
        self.children.clear();
        self.external_signals.clear();
        self.external_cancels.clear();
        self.nexus_starts.clear();
        self.nexus_operations.clear();
    }
}

impl fmt::Debug for RunState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RunState")
            .field("workflow_id", &self.info.workflow_id)
            .field("run_id", &self.info.run_id)
            .finish_non_exhaustive()
    }
}

/// What the code does that drops or cancels an operation, for messages.
const CANCELLATION: &str = "cancellation of an operation";

/// A shared run.
pub(crate) type Run = Rc<RunState>;
