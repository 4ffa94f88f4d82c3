//! The workflow that runs random steps, and what they call.

use crate::step::Step;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::workflow::{
    ActivityOptions, CancellationType, ChildWorkflowOptions, Context, LocalActivityOptions, signal_named,
};
use temporal_sdk::{activity, workflow};

const MINUTE: Duration = Duration::from_secs(60);

/// What a program is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) seed: u64,
    /// A run for each, one continued as the next.
    pub(crate) runs: Vec<Step>,
    pub(crate) bumps: u32,
    pub(crate) finished: bool,
}

/// What a program has done so far, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) run_id: String,
    pub(crate) log: Vec<u32>,
}

/// Runs a program.
#[derive(Default)]
pub(crate) struct Program {
    seed: Cell<u64>,
    bumps: Cell<u32>,
    /// Nothing more will come from outside, so that nothing waits for it.
    finished: Cell<bool>,
    /// Nothing of what handlers still do in the run's last task is recorded.
    ended: Cell<bool>,
    log: RefCell<Vec<u32>>,
}

impl Program {
    fn note(&self, kind: u32, value: u32) -> u32 {
        if self.ended.get() {
            return value;
        }
        self.log.borrow_mut().push(kind * 1000 + value % 1000);
        value
    }
}

fn cancellation(number: u8) -> CancellationType {
    match number % 3 {
        0 => CancellationType::TryCancel,
        1 => CancellationType::WaitCancellationCompleted,
        _ => CancellationType::Abandon,
    }
}

fn activity_options(number: u8) -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(MINUTE)
        .heartbeat_timeout(MINUTE)
        .retry_policy(RetryPolicy::new().maximum_attempts(2))
        .cancellation_type(cancellation(number))
}

fn local_options(number: u8) -> LocalActivityOptions {
    let interval = match number {
        // A timer of the workflow goes before the next attempt.
        3 => Duration::from_secs(20),
        _ => Duration::from_millis(1),
    };
    LocalActivityOptions::start_to_close_timeout(MINUTE)
        .retry_policy(RetryPolicy::new().maximum_attempts(2).initial_interval(interval))
        .local_retry_threshold(Duration::from_secs(1))
        .cancellation_type(cancellation(number))
}

#[activity]
async fn act(ctx: &activity::Context, number: u8) -> activity::Result<u32> {
    match number / 3 {
        0 => {}
        1 if ctx.info().attempt == 1 => return Err("not at once".into()),
        1 => {}
        2 => return Err(ApplicationError::new("never").non_retryable().into()),
        // Long enough that cancellation may come, with the answer to a heartbeat.
        _ => {
            for beat in 0..4_u32 {
                ctx.heartbeat(beat);
                ctx.until_cancelled(tokio::time::sleep(Duration::from_millis(4)))
                    .await?;
            }
        }
    }
    Ok(u32::from(number))
}

#[activity]
async fn local(ctx: &activity::Context, number: u8) -> activity::Result<u32> {
    match number {
        1 => Err(ApplicationError::new("never").non_retryable().into()),
        2 | 3 if ctx.info().attempt == 1 => Err("not at once".into()),
        _ => Ok(u32::from(number)),
    }
}

/// A child of a program.
#[workflow]
pub(crate) async fn child(ctx: &Context, number: u8) -> workflow::Result<u32> {
    match number {
        0 => {}
        1 => ctx.sleep(Duration::from_secs(30)).await?,
        2 => return Ok(ctx.execute_activity(act, 9, activity_options(1)).await?),
        3 => return Err(ApplicationError::new("no luck").into()),
        4 => return Err(ctx.continue_as_new(1_u8)),
        _ => ctx.shielded().sleep(Duration::from_secs(20)).await?,
    }
    Ok(u32::from(number))
}

type Running = Pin<Box<dyn Future<Output = workflow::Result<u32>>>>;

fn start(ctx: &Context, program: &Rc<Program>, step: Step) -> Running {
    let (ctx, program) = (ctx.clone(), Rc::clone(program));
    Box::pin(async move { run(&ctx, &program, step).await })
}

fn start_all(ctx: &Context, program: &Rc<Program>, steps: Vec<Step>) -> Vec<Running> {
    steps.into_iter().map(|step| start(ctx, program, step)).collect()
}

/// What went wrong counts too, so that failures do not end everything at once.
fn counted<E>(result: Result<u32, E>) -> u32 {
    result.unwrap_or(999)
}

fn child_options(ctx: &Context, number: u8) -> ChildWorkflowOptions {
    let options = match number / 6 {
        // Of two with this id at the same time, one is refused.
        3 => ChildWorkflowOptions::new(format!("{}-child", ctx.info().workflow_id)),
        _ => ChildWorkflowOptions::default(),
    };
    options.cancellation_type(cancellation(number / 6)).task_timeout(MINUTE)
}

async fn run(ctx: &Context, program: &Rc<Program>, step: Step) -> workflow::Result<u32> {
    match step {
        Step::Sequence(_)
        | Step::Join(_)
        | Step::Select(_)
        | Step::Completed(_)
        | Step::Spawned(_)
        | Step::Timeout(_)
        | Step::Scope(..)
        | Step::Shielded(_)
        | Step::Cleanup(..) => composed(ctx, program, step).await,
        Step::Bumps(_) | Step::BumpsOrTimer(_) | Step::Timer(_) => waiting(ctx, program, step).await,
        Step::Child(_) | Step::SignalledChild(_) | Step::Signal(_) | Step::CancelExternal => {
            Ok(others(ctx, program, step).await)
        }
        Step::Activity(number) => {
            let result = ctx.execute_activity(act, number, activity_options(number)).await;
            Ok(program.note(1, counted(result)))
        }
        Step::Local(number) => {
            let result = ctx.execute_local_activity(local, number, local_options(number)).await;
            Ok(program.note(2, counted(result)))
        }
        Step::Random => {
            let number = ctx.uuid4().as_bytes()[0] % 12;
            let result = ctx.execute_activity(act, number, activity_options(number)).await;
            Ok(program.note(3, counted(result)))
        }
        Step::SideEffect => {
            // Another value each time it is made.
            let value = ctx.side_effect(uncertain);
            Ok(program.note(4, value))
        }
        Step::Patch(number) => Ok(program.note(5, u32::from(ctx.patched(&format!("patch-{number}"))))),
        Step::Version(number) => Ok(program.note(6, ctx.version(&format!("version-{number}"), 1..=3))),
        Step::Memo(number) => {
            ctx.upsert_memo(temporal_sdk::client::Memo::new().with("number", number));
            let now: Option<u8> = ctx.memo("number")?;
            Ok(program.note(7, u32::from(now.unwrap_or(99))))
        }
        Step::Detached(number) => {
            ctx.start_activity(act, number, activity_options(number)).detach();
            Ok(1)
        }
    }
}

/// A number that nobody can foresee.
fn uncertain() -> u32 {
    static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

async fn waiting(ctx: &Context, program: &Rc<Program>, step: Step) -> workflow::Result<u32> {
    match step {
        Step::Bumps(count) => {
            let wanted = program.bumps.get() + count;
            ctx.wait_condition(|| program.finished.get() || program.bumps.get() >= wanted)
                .await?;
            Ok(program.note(10, count))
        }
        Step::BumpsOrTimer(count) => {
            let wanted = program.bumps.get() + count;
            let result = ctx
                .wait_condition(|| program.bumps.get() >= wanted)
                .timeout(MINUTE)
                .await;
            Ok(program.note(11, counted(result.map(|()| count))))
        }
        Step::Timer(seconds) => {
            ctx.sleep(Duration::from_secs(seconds)).await?;
            Ok(program.note(12, 1))
        }
        _ => Ok(0),
    }
}

async fn others(ctx: &Context, program: &Rc<Program>, step: Step) -> u32 {
    match step {
        Step::Child(number) => {
            let result = ctx
                .execute_child_workflow(child, number % 6, child_options(ctx, number))
                .await;
            program.note(20, counted(result))
        }
        Step::SignalledChild(number) => {
            let Ok(started) = ctx
                .start_child_workflow(child, number, child_options(ctx, number))
                .await
            else {
                return program.note(21, 998);
            };
            let signalled = started.signal(signal_named("hello"), 1).await;
            program.note(22, u32::from(signalled.is_ok()));
            program.note(23, counted(started.await))
        }
        Step::Signal(to) => {
            let other = ctx.external_workflow::<Program>(format!("p-{}", program.seed.get() ^ to));
            let result = other.signal(Program::bump, ()).await;
            program.note(24, counted(result.map(|()| 1)))
        }
        Step::CancelExternal => {
            let result = ctx.external_workflow::<Program>("nobody").cancel().await;
            program.note(25, counted(result.map(|()| 1)))
        }
        _ => 0,
    }
}

async fn composed(ctx: &Context, program: &Rc<Program>, step: Step) -> workflow::Result<u32> {
    Ok(match step {
        Step::Sequence(steps) => {
            let mut total = 0;
            for step in steps {
                total += start(ctx, program, step).await?;
            }
            total
        }
        Step::Join(steps) => workflow::join_all(start_all(ctx, program, steps))
            .await
            .into_iter()
            .map(counted)
            .sum(),
        Step::Select(steps) => {
            let mut first = workflow::as_completed(start_all(ctx, program, steps));
            first.next().await.map_or(0, counted)
        }
        Step::Completed(steps) => {
            let mut completed = workflow::as_completed(start_all(ctx, program, steps));
            let mut total: u32 = 0;
            while let Some(result) = completed.next().await {
                total = total.wrapping_mul(3).wrapping_add(counted(result));
            }
            total
        }
        Step::Spawned(step) => {
            let task = ctx.spawn(start(ctx, program, *step));
            ctx.sleep(MINUTE).await?;
            counted(task.await)
        }
        Step::Timeout(step) => ctx.timeout(MINUTE, start(ctx, program, *step)).await.map_or(7, counted),
        Step::Scope(inner, until) => {
            let (scope, handle) = ctx.child();
            let mut inner = start(&scope, program, *inner);
            workflow::select! {
                result = &mut inner => counted(result),
                result = start(ctx, program, *until) => {
                    handle.cancel();
                    counted(result).wrapping_add(counted(inner.await))
                }
            }
        }
        Step::Shielded(step) => start(&ctx.shielded(), program, *step).await?,
        Step::Cleanup(step, cleanup) => {
            let result = start(ctx, program, *step).await;
            start(&ctx.shielded(), program, *cleanup).await?;
            result?
        }
        _ => 0,
    })
}

#[workflow]
impl Program {
    #[run]
    async fn run(self: Rc<Self>, ctx: &Context, start: Start) -> workflow::Result<Done> {
        let result = self.work(ctx, start).await;
        self.ended.set(true);
        result
    }

    #[signal]
    pub(crate) fn bump(&self) {
        self.bumps.set(self.bumps.get() + 1);
    }

    #[signal]
    pub(crate) fn finish(&self) {
        self.finished.set(true);
    }

    #[signal]
    pub(crate) async fn step(self: Rc<Self>, ctx: &Context, step: Step) {
        let _ = run(ctx, &self, step).await;
    }

    #[update]
    pub(crate) async fn change(self: Rc<Self>, ctx: &Context, step: Step) -> workflow::Result<u32> {
        self.bumps.set(self.bumps.get() + 1);
        run(ctx, &self, step).await
    }

    #[validator(change)]
    fn check(&self, step: &Step) -> Result<(), Refused> {
        match step {
            Step::Detached(_) => Err(Refused),
            _ => Ok(()),
        }
    }

    #[query]
    pub(crate) fn log(&self, ctx: &Context) -> Done {
        self.done(ctx)
    }
}

impl Program {
    async fn work(self: &Rc<Self>, ctx: &Context, start: Start) -> workflow::Result<Done> {
        let Start {
            seed,
            mut runs,
            bumps,
            finished,
        } = start;
        self.seed.set(seed);
        self.bumps.set(self.bumps.get() + bumps);
        self.finished.set(self.finished.get() || finished);
        let rest = runs.split_off(1);
        if let Some(step) = runs.pop() {
            run(ctx, self, step).await?;
        }
        if !rest.is_empty() {
            return Err(ctx.continue_as_new(Start {
                seed,
                runs: rest,
                bumps: self.bumps.get(),
                finished: self.finished.get(),
            }));
        }
        Ok(self.done(ctx))
    }

    fn done(&self, ctx: &Context) -> Done {
        Done {
            run_id: ctx.info().run_id.clone(),
            log: self.log.borrow().clone(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("refused")]
pub(crate) struct Refused;

/// The activities of programs.
pub(crate) fn activities(worker: temporal_sdk::worker::WorkerBuilder) -> temporal_sdk::worker::WorkerBuilder {
    worker.activity(act).activity(local)
}
