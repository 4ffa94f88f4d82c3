//! One run of a workflow on a worker's thread: the core's state machines with the workflow's code on top.

use crate::panic::{self, Panic};
use crate::worker::watchdog::watched;
use crate::workflow::borrow;
use crate::workflow::dispatch;
use crate::workflow::error::Error;
use crate::workflow::failure_policy::FailurePolicy;
use crate::workflow::guard::{self, BrokenRuns, Restrictions};
use crate::workflow::info::{Info, TaskIdentity};
use crate::workflow::interceptor::Interceptor;
use crate::workflow::misuse;
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::run::{Phase, Run, RunState};
use crate::workflow::settling;
use crate::workflow::start;
use crate::workflow::waiting::AtHand;
use std::fmt::{self, Write as _};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use temporal_client::data::DataConverter;
use temporal_client::failure::ApplicationError;
use temporal_core::{
    ChildSeq, ChildStart, Completion, Initialize, Job, LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq,
    Next, Outcome, RunError, RunOptions, WorkflowRun, WorkflowTask,
};
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{Command, FailWorkflowExecutionCommandAttributes};
use temporal_protos::api::enums::v1::{CommandType, WorkflowTaskFailedCause};
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::HistoryEvent;

/// What the runs of one worker share.
pub(crate) struct HostEnvironment {
    /// The workflow types.
    pub(crate) workflows: WorkflowRegistry,
    /// Converts values and failures. Codecs are the worker's business.
    pub(crate) converter: DataConverter,
    /// The worker's namespace.
    pub(crate) namespace: String,
    /// The worker's task queue.
    pub(crate) task_queue: String,
    /// Whether a wake from outside the run fails the task.
    pub(crate) detect_foreign_wakes: bool,
    /// Which calls fail the task.
    pub(crate) restrictions: Restrictions,
    /// The runs that made such a call.
    pub(crate) broken: BrokenRuns,
    /// Which errors fail the workflow, and which only its task.
    pub(crate) failures: FailurePolicy,
    /// Code around all workflows, outermost first.
    pub(crate) interceptors: Vec<Arc<dyn Interceptor>>,
}

/// One run: its state machines and its code. Lives and dies on one thread.
///
/// Dropping it (eviction) drops the workflow's futures; nothing is emitted then.
pub(crate) struct WorkflowHost {
    environment: Arc<HostEnvironment>,
    stage: Stage,
    /// Whether the task in hand asks for an answer that can close the workflow.
    is_live: bool,
    /// What the workflow's code logs inside of, while it is not replaying.
    span: Option<tracing::Span>,
}

enum Stage {
    /// Its first job is still to come.
    New(Box<(TaskIdentity, WorkflowRun)>),
    Running(Run),
    /// Between the two, or after a failure there.
    Broken,
}

/// What a run needs before it can go on.
#[derive(Debug)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(crate) enum Drive {
    /// The next page of history: [`WorkflowHost::handle_history_page`], then drive again.
    NeedsHistory,
    /// Start or cancel these local activities; drive again when one resolves (or call [`WorkflowHost::heartbeat`]).
    LocalActivities(Vec<LocalActivityRequest>),
    /// The task is finished: answer this, and tell these local activities, which nothing waits for any more, to stop.
    Finished {
        outcome: Outcome,
        cancels: Vec<LocalActivitySeq>,
    },
}

/// A workflow task that failed. The run must be evicted in any case.
#[derive(Debug)]
pub(crate) struct TaskFailure {
    /// What to tell the server.
    pub(crate) cause: WorkflowTaskFailedCause,
    /// What to tell people.
    pub(crate) failure: Box<Failure>,
    /// What the core says, when the failure is its own.
    pub(crate) error: Option<Box<RunError>>,
    /// What the worker has to do.
    pub(crate) kind: TaskFailureKind,
}

/// What the worker has to do about a failed task, besides evicting the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskFailureKind {
    /// The task continues from where the cached run does not stand: fetch the whole history and start again.
    CacheMismatch,
    /// Report the failure to the server.
    Failed,
}

impl WorkflowHost {
    /// The first task of a run as this worker sees it.
    pub(crate) fn start(environment: &Arc<HostEnvironment>, task: WorkflowTask) -> Result<Self, TaskFailure> {
        let identity = TaskIdentity::of(&task);
        let is_live = is_live(&task);
        let options = RunOptions {
            sdk_name: SDK_NAME.into(),
            sdk_version: env!("CARGO_PKG_VERSION").into(),
        };
        let run = WorkflowRun::new(options, task).map_err(|error| run_failure(environment, &error))?;
        Ok(Self {
            environment: Arc::clone(environment),
            stage: Stage::New(Box::new((identity, run))),
            is_live,
            span: None,
        })
    }

    /// The next task of the same run.
    pub(crate) fn handle_task(&mut self, task: WorkflowTask) -> Result<(), TaskFailure> {
        self.span = None;
        self.is_live = is_live(&task);
        let handled = self.with_core(|core| core.handle_task(task));
        handled
            .unwrap_or(Ok(()))
            .map_err(|error| run_failure(&self.environment, &error))
    }

    /// The page of history that [`Drive::NeedsHistory`] asked for.
    pub(crate) fn handle_history_page(&mut self, events: Vec<HistoryEvent>, more: bool) {
        let _ = self.with_core(|core| core.handle_history_page(events, more));
    }

    /// The end of a local activity that [`Drive::LocalActivities`] asked for, in this attempt.
    pub(crate) fn handle_local_activity(&mut self, seq: LocalActivitySeq, attempt: u32, outcome: LocalActivityOutcome) {
        let _ = self.with_core(|core| core.handle_local_activity_attempt(seq, attempt, outcome));
    }

    /// Runs until something is needed from outside.
    pub(crate) fn drive(&mut self) -> Result<Drive, TaskFailure> {
        match self.advance() {
            Err(failure) if self.fails_workflow(&failure) => Ok(Drive::finished(failed_workflow(failure))),
            result => result,
        }
    }

    /// Whether code that does not fit the history ends the workflow instead of the task.
    fn fails_workflow(&self, failure: &TaskFailure) -> bool {
        self.is_live && self.fails_by_nondeterminism(failure)
    }

    /// Whether this is code that does not fit the history, and such code is to end the workflow instead of the task.
    pub(crate) fn fails_by_nondeterminism(&self, failure: &TaskFailure) -> bool {
        let entry = self.environment.workflows.find(self.workflow_type());
        failure.cause == WorkflowTaskFailedCause::NonDeterministicError
            && (self.environment.failures.nondeterminism_fails_workflow
                || entry.is_some_and(|entry| entry.failures.nondeterminism_fails_workflow))
    }

    fn advance(&mut self) -> Result<Drive, TaskFailure> {
        loop {
            let next = self.with_core(WorkflowRun::next_job).ok_or_else(|| self.broken())?;
            match next.map_err(|error| run_failure(&self.environment, &error))? {
                Next::Job(Job::Initialize(initialize)) => self.initialize(*initialize)?,
                Next::Job(job) => self.apply(job)?,
                Next::NeedsHistory => return Ok(Drive::NeedsHistory),
                Next::Done => return self.done(),
            }
        }
    }

    /// Finishes the task now though local activities still run: the server gives a new task at once.
    pub(crate) fn heartbeat(&mut self) -> Result<Outcome, TaskFailure> {
        let finished = self.with_core(WorkflowRun::finish_task).ok_or_else(|| self.broken())?;
        finished.map_err(|error| run_failure(&self.environment, &error))
    }

    /// When the task in hand started by the server's clock, since the Unix epoch.
    pub(crate) fn now(&mut self) -> Duration {
        self.with_core(|core| core.now()).unwrap_or_default()
    }

    fn with_core<T>(&mut self, call: impl FnOnce(&mut WorkflowRun) -> T) -> Option<T> {
        match &mut self.stage {
            Stage::New(new) => Some(call(&mut new.1)),
            Stage::Running(run) => Some(call(&mut run.core.borrow_mut())),
            Stage::Broken => None,
        }
    }

    /// Empty when the run is broken.
    fn workflow_type(&self) -> &str {
        match &self.stage {
            Stage::New(new) => &new.0.workflow_type,
            Stage::Running(run) => &run.info.workflow_type,
            Stage::Broken => "",
        }
    }

    /// Makes the instance and the run method's future, which is not polled yet.
    fn initialize(&mut self, mut initialize: Initialize) -> Result<(), TaskFailure> {
        let Some(entry) = self.environment.workflows.find(self.workflow_type()).cloned() else {
            let unknown = self.unknown_workflow();
            self.stage = Stage::Broken;
            return Err(unknown);
        };
        let Stage::New(new) = std::mem::replace(&mut self.stage, Stage::Broken) else {
            return Err(self.broken());
        };
        let (identity, core) = *new;
        let info = Info::new(identity, &self.environment.namespace, &mut initialize);
        let run = Rc::new(RunState::new(
            &self.environment,
            Arc::clone(&entry),
            core,
            info,
            initialize.random_seed,
        ));
        self.stage = Stage::Running(Rc::clone(&run));
        let arguments = initialize.arguments;
        if let Some(message) = self.environment.broken.find(&run.info.run_id) {
            return Err(self.failed(&Error::task_failure(message)));
        }
        let restricted = run.restricted();
        self.in_workflow(&run, restricted, |run| start::instantiate(run, &entry, arguments))?;
        self.close_if_said(&run);
        Ok(())
    }

    fn apply(&mut self, job: Job) -> Result<(), TaskFailure> {
        let Stage::Running(run) = &self.stage else {
            return Err(self.broken());
        };
        let run = Rc::clone(run);
        // A query changes nothing, so nothing is to be polled.
        let is_query = matches!(job, Job::Query(_));
        // What it calls fails the query alone.
        let restricted = if is_query { 0 } else { run.restricted() };
        self.in_workflow(&run, restricted, |run| {
            apply(run, job)?;
            if !is_query {
                run.executor.run_until_blocked();
            }
            Ok(())
        })?;
        self.close_if_said(&run);
        Ok(())
    }

    /// Runs workflow code: with its panics caught, its logs in place, its wakes lawful, and its calls of these classes noted.
    fn in_workflow(
        &mut self,
        run: &Run,
        restricted: u8,
        code: impl FnOnce(&Run) -> Result<(), Error>,
    ) -> Result<(), TaskFailure> {
        let replaying = run.core().is_replaying();
        let span = if replaying {
            tracing::Span::none()
        } else {
            self.span(run)
        };
        let guarded = || {
            let _driving = run.executor.drive();
            let _at_hand = AtHand::begin(run);
            let (caught, found) = watched(|| {
                guard::watch(restricted, &self.environment.restrictions, || {
                    panic::catch(|| misuse::catch(|| code(run)))
                })
            });
            guard::warn_of_overflow(&run.info.workflow_type, &found);
            let broken = found.refused;
            let broken = broken.map(|call| guard::explain(&run.info.workflow_type, &run.info.workflow_id, &call));
            match caught {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => run.end_with(Err(error)),
                Ok(Err(raised)) => unwound(run, raised),
                Err(panic) => {
                    panicked(run, &panic, broken.as_deref());
                    // It tells of both.
                    return broken.map(|broken| (broken, run.take_task_failure()));
                }
            }
            broken.map(|broken| (broken, None))
        };
        let broken = if replaying {
            tracing::dispatcher::with_default(&tracing::Dispatch::none(), guarded)
        } else {
            span.in_scope(guarded)
        };
        if let Some((message, failure)) = broken {
            self.environment.broken.add(&run.info.run_id, &message);
            return Err(self.failed(&failure.unwrap_or_else(|| Error::task_failure(message))));
        }
        // A fault of the code itself goes before what it led to.
        let failure = run.take_task_failure();
        if let (None, Some(task)) = (&failure, run.executor.foreign_wake()) {
            return Err(self.failed(&Error::task_failure(format!(
                "[TMPRL1100] {task} of workflow \"{}\" was woken by something outside the workflow: a future of tokio, of another runtime, or of another thread was awaited in it; use the futures of workflow::Context, and activities for the rest",
                run.info.workflow_type
            ))));
        }
        match failure {
            Some(error) => Err(self.failed(&error)),
            None => Ok(()),
        }
    }

    fn span(&mut self, run: &Run) -> tracing::Span {
        let info = &run.info;
        self.span
            .get_or_insert_with(|| {
                tracing::info_span!(
                    "workflow",
                    workflow_id = info.workflow_id,
                    run_id = info.run_id,
                    workflow_type = info.workflow_type
                )
            })
            .clone()
    }

    /// All of the task is applied: waits for local activities, or finishes.
    fn done(&mut self) -> Result<Drive, TaskFailure> {
        let mut requests = Vec::new();
        let finished = self.with_core(|core| {
            while let Some(request) = core.next_local_activity() {
                requests.push(request);
            }
            (!core.waits_for_local_activities()).then(|| core.finish_task())
        });
        match finished {
            Some(Some(finished)) => {
                let live = matches!(finished, Ok(Outcome::Completed(_)));
                self.drop_closed(live);
                let outcome = finished.map_err(|error| run_failure(&self.environment, &error))?;
                Ok(Drive::Finished {
                    outcome,
                    cancels: requests.iter().filter_map(cancelled).collect(),
                })
            }
            Some(None) => Ok(Drive::LocalActivities(requests)),
            None => Err(self.broken()),
        }
    }

    /// Closes the workflow, once its code has said how. The code lives on until the task is done: what of it is still at work
    /// in this task may answer.
    fn close_if_said(&self, run: &Run) {
        let Some(outcome) = run.take_outcome() else { return };
        let mut core = run.core.borrow_mut();
        match outcome {
            Ok(payload) => core.complete(Some(payload)),
            Err(error) => match error.into_continue_as_new() {
                Ok(command) => core.continue_as_new(command.0),
                Err(error) if error.is_cancelled() && run.root.is_cancelled() => core.cancel(),
                Err(error) => core.fail(error.to_failure(&self.environment.converter)),
            },
        }
    }

    /// Drops the code of a workflow that has closed, now or in a replay. Its state stays, for queries.
    fn drop_closed(&mut self, live: bool) {
        let Stage::Running(run) = &self.stage else { return };
        if run.phase() == Phase::Ended || !run.core().is_closed() {
            return;
        }
        let run = Rc::clone(run);
        if live {
            self.span(&run).in_scope(|| warn_of_late_signals(&run));
        }
        let unfinished = run.handlers.unfinished();
        if !unfinished.is_empty() && live {
            self.span(&run).in_scope(|| {
                tracing::warn!(
                    handlers = unfinished.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                    "the workflow ended while handlers ran, which are dropped: wait for them with ctx.wait_condition(|| ctx.all_handlers_finished()), or give them `unfinished_policy = abandon`"
                );
            });
        }
        drop_code(&run);
    }

    fn failed(&self, error: &Error) -> TaskFailure {
        TaskFailure {
            cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
            failure: Box::new(error.to_failure(&self.environment.converter)),
            error: None,
            kind: TaskFailureKind::Failed,
        }
    }

    fn broken(&self) -> TaskFailure {
        self.failed(&Error::task_failure("the run failed before and has to be evicted"))
    }

    fn unknown_workflow(&self) -> TaskFailure {
        let known: Vec<_> = self.environment.workflows.names().collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        let error = ApplicationError::new(format!(
            "the workflow type \"{}\" is not registered with the worker of task queue \"{}\"; it has: {known}",
            self.workflow_type(),
            self.environment.task_queue
        ));
        self.failed(&Error::from(error.kind("UnknownWorkflowType")))
    }
}

impl Drive {
    /// The end of a task that leaves no local activity to be told.
    pub(crate) fn finished(outcome: Outcome) -> Self {
        Self::Finished {
            outcome,
            cancels: Vec::new(),
        }
    }
}

/// The local activity that is to be cancelled, if that is what is asked for. A task that is finished starts none.
fn cancelled(request: &LocalActivityRequest) -> Option<LocalActivitySeq> {
    match request {
        LocalActivityRequest::Cancel(seq) => Some(*seq),
        LocalActivityRequest::Run(..) => None,
    }
}

fn is_live(task: &WorkflowTask) -> bool {
    task.started_event_id != 0 && !task.replay
}

/// The answer that fails the workflow with what was to fail its task.
fn failed_workflow(failure: TaskFailure) -> Outcome {
    let attributes = FailWorkflowExecutionCommandAttributes {
        failure: Some(*failure.failure),
    };
    let command = Command {
        command_type: CommandType::FailWorkflowExecution as i32,
        attributes: Some(Attributes::FailWorkflowExecutionCommandAttributes(attributes)),
        ..Command::default()
    };
    Outcome::Completed(Completion {
        commands: vec![command],
        closes_workflow: true,
        ..Completion::default()
    })
}

/// The type of the failure of code that does not fit its history.
pub(crate) const NONDETERMINISM: &str = "Nondeterminism";

/// What completions say of this SDK.
const SDK_NAME: &str = "temporal-rust-sdk";

fn apply(run: &Run, job: Job) -> Result<(), Error> {
    match job {
        // Handled before.
        Job::Initialize(_) => {}
        Job::Run => {
            if let Some(main) = run.main.take() {
                run.executor.start(main);
                run.executor.run_until_blocked();
                dispatch::deliver_early_updates(run)?;
            }
        }
        Job::Signal(signal) => {
            if run.core().is_closed() {
                run.handlers.late_signals.borrow_mut().insert(signal.name.clone());
            }
            dispatch::signal(run, signal);
        }
        Job::Update(update) => dispatch::update(run, *update)?,
        Job::Query(query) => dispatch::query(run, query),
        Job::CancelRequested { reason } => run.root.cancel(run, &reason),
        Job::TimerFired(seq) => run.timer_fired(seq),
        Job::ActivityResolved(seq, resolution) => run.activities.resolve(seq.0, resolution),
        Job::LocalActivityResolved(seq, resolution) => run.local_activity_resolved(seq, resolution),
        Job::ChildStarted(seq, start) => child_started(run, seq, start),
        Job::ChildResolved(seq, resolution) => run.children.resolve(seq.0, resolution),
        Job::SignalExternalResolved(seq, result) => run.external_signals.resolve(seq.0, result),
        Job::CancelExternalResolved(seq, result) => run.external_cancels.resolve(seq.0, result),
        Job::NexusStarted(seq, result) => {
            if result.is_err() {
                // It will have no end.
                drop(run.nexus_operations.take(seq.0));
            }
            run.nexus_starts.resolve(seq.0, result);
        }
        Job::Settled => settling::settled(run),
        Job::NexusResolved(seq, resolution) => run.nexus_operations.resolve(seq.0, resolution),
        Job::RandomSeedUpdated(seed) => run.random.reseed(seed),
    }
    Ok(())
}

fn warn_of_late_signals(run: &Run) {
    let late = run.handlers.late_signals.take();
    if !late.is_empty() {
        tracing::warn!(
            signals = late.into_iter().collect::<Vec<_>>().join(", "),
            "{} ended while signals of the same workflow task were still to be applied, which are lost to its code: before it returns, await ctx.messages_delivered(), and take what came",
            run.described()
        );
    }
}

fn child_started(run: &Run, seq: ChildSeq, start: ChildStart) {
    match &start {
        ChildStart::Started { .. } => {}
        // It will have no end.
        ChildStart::Failed { .. } | ChildStart::Cancelled(_) => drop(run.children.take(seq.0)),
    }
    run.child_starts.resolve(seq.0, start);
}

/// A poll of the workflow's code panicked, maybe after it had called what it may not.
fn panicked(run: &Run, panic: &Panic, broken: Option<&str>) {
    let mut text = format!(
        "workflow code panicked: {panic}{}{}",
        borrow::hint(run, &panic.message),
        runtime_hint(&panic.message)
    );
    run.handlers.calling.take();
    let fails_workflow = run.entry.failures.panic_fails_workflow || run.environment.failures.panic_fails_workflow;
    let fails_workflow = fails_workflow && broken.is_none();
    if let Some(broken) = broken {
        let _ = write!(text, "\nbefore that: {broken}");
    }
    let error = Error::from(ApplicationError::new(text).kind("Panic"));
    if fails_workflow {
        unwound(run, error);
    } else {
        run.end_with(Err(error.into_task_failure()));
    }
}

/// What to do when code asked for tokio's runtime, in tokio's words.
fn runtime_hint(message: &str) -> &'static str {
    if message.contains("there is no reactor running") || message.contains("must be called from the context of a Tokio")
    {
        "; workflow code runs on no runtime of tokio: run tasks with ctx.spawn(..), wait with ctx.sleep(..), and do I/O in an activity"
    } else {
        ""
    }
}

/// A poll of the workflow's code was left in its midst by this error.
fn unwound(run: &Run, error: Error) {
    let error = run.judged(error);
    if !error.is_task_failure() {
        // It cannot be polled again, and what it leaves behind cancels nothing before the workflow fails.
        let _ending = run.in_phase(Phase::Ended);
        dropping(run, |run| run.executor.clear());
    }
    run.end_with(Err(error));
}

/// Drops the workflow's code, which may do anything in its drops but emit.
fn drop_code(run: &Run) {
    let _driving = run.executor.drive();
    dropping(run, |run| run.end());
}

/// Drops code of the workflow, again until no drop panics: what panicked is gone by then.
fn dropping(run: &Run, code: impl Fn(&Run)) {
    loop {
        match panic::catch(|| misuse::catch(|| code(run))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(%error, "workflow code did what it may not while it was dropped"),
            Err(panic) => tracing::error!(%panic, "workflow code panicked while it was dropped"),
        }
    }
}

fn run_failure(environment: &HostEnvironment, error: &RunError) -> TaskFailure {
    let (cause, kind, type_name) = match error {
        RunError::Nondeterminism(_) => (
            WorkflowTaskFailedCause::NonDeterministicError,
            TaskFailureKind::Failed,
            NONDETERMINISM,
        ),
        RunError::CacheMismatch { .. } => (
            WorkflowTaskFailedCause::ResetStickyTaskQueue,
            TaskFailureKind::CacheMismatch,
            "CacheMismatch",
        ),
        _ => (
            WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
            TaskFailureKind::Failed,
            "BadHistory",
        ),
    };
    TaskFailure {
        cause,
        failure: Box::new(environment.converter.error_to_failure(error, Some(type_name))),
        error: Some(Box::new(error.clone())),
        kind,
    }
}

impl Drop for WorkflowHost {
    fn drop(&mut self) {
        if let Stage::Running(run) = &self.stage {
            tracing::dispatcher::with_default(&tracing::Dispatch::none(), || {
                drop_code(run);
                let _driving = run.executor.drive();
                dropping(run, |run| run.handlers.clear());
            });
        }
    }
}

impl fmt::Debug for HostEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostEnvironment")
            .field("workflows", &self.workflows)
            .field("namespace", &self.namespace)
            .field("task_queue", &self.task_queue)
            .field("interceptors", &self.interceptors.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WorkflowHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WorkflowHost")
            .field("workflow_type", &self.workflow_type())
            .finish_non_exhaustive()
    }
}
