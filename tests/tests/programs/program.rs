//! The workflow that runs random steps.

use crate::activities::{MINUTE, act, activity_options, local, local_options};
use crate::coordination::{Shared, coordinated};
use crate::nexus::start_nexus;
use crate::others::others;
use crate::step::{Handle, Local, Step};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};
use temporal_sdk::client::{Memo, SearchAttributeKey, SearchAttributes};
use temporal_sdk::workflow;
use temporal_sdk::workflow::{ActivityHandle, Context};

/// A search attribute that programs set. The server has it.
pub(crate) const STAGE: SearchAttributeKey<String> = SearchAttributeKey::keyword("Stage");

/// How often a program may outlast its workflow tasks.
const LONG_STEPS: u8 = 2;

/// What a program is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) seed: u64,
    /// A run for each, one continued as the next.
    pub(crate) runs: Vec<Step>,
    /// Whether a local activity may outlast a workflow task, which is short then.
    pub(crate) patient: bool,
    /// Whether a run takes all that came with its last task before it ends.
    pub(crate) settles: bool,
    pub(crate) finished: bool,
    pub(crate) bumps: u32,
    pub(crate) total: u32,
    /// What was sent and not received.
    pub(crate) left: Vec<u32>,
}

/// What a program has done so far, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) run_id: String,
    pub(crate) log: Vec<u32>,
}

/// Runs a program.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) seed: Cell<u64>,
    bumps: Cell<u32>,
    /// Nothing more will come from outside, so that nothing waits for it.
    pub(crate) finished: Cell<bool>,
    /// How many of its steps may still outlast a workflow task.
    long: Cell<u8>,
    pub(crate) shared: Shared,
    /// Nothing of what handlers still do in the run's last task is recorded.
    ended: Cell<bool>,
    log: RefCell<Vec<u32>>,
}

impl Program {
    pub(crate) fn note(&self, kind: u32, value: u32) -> u32 {
        if self.ended.get() {
            return value;
        }
        self.log.borrow_mut().push(kind * 1000 + value % 1000);
        value
    }
}

pub(crate) type Running = Pin<Box<dyn Future<Output = workflow::Result<u32>>>>;

pub(crate) fn start(ctx: &Context, program: &Rc<Program>, step: Step) -> Running {
    let (ctx, program) = (ctx.clone(), Rc::clone(program));
    Box::pin(async move { run(&ctx, &program, step).await })
}

fn start_all(ctx: &Context, program: &Rc<Program>, steps: Vec<Step>) -> Vec<Running> {
    steps.into_iter().map(|step| start(ctx, program, step)).collect()
}

/// What went wrong counts too, so that failures do not end everything at once.
pub(crate) fn counted<E>(result: Result<u32, E>) -> u32 {
    result.unwrap_or(999)
}

/// Starts a local activity, one of the few long ones if it asks for that.
pub(crate) fn start_local(ctx: &Context, program: &Program, activity: Local) -> ActivityHandle<u32> {
    let long = activity.does == 6 && program.long.get() > 0;
    if long {
        program.long.set(program.long.get() - 1);
    }
    ctx.start_local_activity(local, (activity.does, long), local_options(activity))
}

async fn run(ctx: &Context, program: &Rc<Program>, step: Step) -> workflow::Result<u32> {
    match step {
        Step::Sequence(_)
        | Step::Join(_)
        | Step::Select(_)
        | Step::Completed(_)
        | Step::Choice(..)
        | Step::Spawned(_)
        | Step::Timeout(_)
        | Step::Scope(..)
        | Step::Shielded(_)
        | Step::Cleanup(..) => composed(ctx, program, step).await,
        Step::Bumps(_) | Step::BumpsOrTimer(_) | Step::Timer(_) | Step::Delivered => waiting(ctx, program, step).await,
        Step::Notify(_)
        | Step::Notified
        | Step::Send(_)
        | Step::Receive
        | Step::Handlers
        | Step::Set(_)
        | Step::Reached(_)
        | Step::Locked(_)
        | Step::Permitted(..)
        | Step::Group(_)
        | Step::Piped(..) => coordinated(ctx, program, step).await,
        Step::Child(_)
        | Step::SignalledChild(_)
        | Step::DetachedChild(_)
        | Step::Cancelled(Handle::Child(_), _)
        | Step::Program(_)
        | Step::Signal(_)
        | Step::Tell(..)
        | Step::Cancel(_) => Ok(others(ctx, program, step).await),
        Step::Cancelled(handle, step) => cancelled(ctx, program, handle, *step).await,
        Step::SideEffect
        | Step::Patch(_)
        | Step::DeprecatedPatch(_)
        | Step::Version(_)
        | Step::Memo(_)
        | Step::Attribute(_) => recorded(ctx, program, step),
        Step::Activity(number) => {
            let result = ctx.execute_activity(act, number, activity_options(number)).await;
            Ok(program.note(1, counted(result)))
        }
        Step::Local(activity) => {
            let result = start_local(ctx, program, activity).await;
            Ok(program.note(2, counted(result)))
        }
        Step::Random => {
            let number = ctx.uuid4().as_bytes()[0] % 12;
            let result = ctx.execute_activity(act, number, activity_options(number)).await;
            Ok(program.note(3, counted(result)))
        }
        Step::DetachedActivity(number) => {
            ctx.start_activity(act, number, activity_options(number)).detach();
            Ok(1)
        }
        Step::Nexus(call) => {
            let result = start_nexus(ctx, call).await;
            Ok(program.note(9, counted(result)))
        }
        Step::DetachedNexus(call) => {
            start_nexus(ctx, call).detach();
            Ok(1)
        }
        Step::DetachedTimer => {
            ctx.sleep(MINUTE).detach();
            Ok(1)
        }
    }
}

/// A number that nobody can foresee.
fn uncertain() -> u32 {
    static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// What is decided at once, and kept in history.
fn recorded(ctx: &Context, program: &Program, step: Step) -> workflow::Result<u32> {
    Ok(match step {
        // Another value each time it is made.
        Step::SideEffect => program.note(4, ctx.side_effect(uncertain)),
        Step::Patch(number) => program.note(5, u32::from(ctx.patched(&format!("patch-{number}")))),
        Step::DeprecatedPatch(number) => {
            ctx.deprecate_patch(&format!("patch-{number}"));
            1
        }
        Step::Version(number) => program.note(6, ctx.version(&format!("version-{number}"), 1..=3)),
        Step::Memo(number) => {
            // The last one takes it away.
            ctx.upsert_memo(match number {
                2 => Memo::new().with("number", ()),
                _ => Memo::new().with("number", number),
            });
            let now: Option<u8> = ctx.memo("number")?;
            program.note(7, u32::from(now.unwrap_or(99)))
        }
        Step::Attribute(number) => {
            let before = ctx.search_attributes().get(&STAGE);
            let mut change = SearchAttributes::new();
            match number {
                3 => change.unset(&STAGE),
                _ => change.set(&STAGE, number.to_string()),
            }
            ctx.upsert_search_attributes(change);
            let before = before.and_then(|before| before.parse().ok());
            program.note(8, before.unwrap_or(99))
        }
        _ => 0,
    })
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
        Step::Delivered => {
            ctx.messages_delivered().await;
            Ok(program.note(17, program.bumps.get()))
        }
        _ => Ok(0),
    }
}

/// Starts an operation, runs the step, cancels the operation and waits for its end.
async fn cancelled(ctx: &Context, program: &Rc<Program>, handle: Handle, step: Step) -> workflow::Result<u32> {
    Ok(match handle {
        Handle::Timer => {
            let timer = ctx.sleep(MINUTE);
            let result = start(ctx, program, step).await;
            timer.cancel();
            program.note(13, u32::from(timer.await.is_ok()));
            result?
        }
        Handle::Activity(number) => {
            let activity = ctx.start_activity(act, number, activity_options(number));
            let result = start(ctx, program, step).await;
            activity.cancel();
            program.note(14, counted(activity.await));
            result?
        }
        Handle::Local(activity) => {
            let activity = start_local(ctx, program, activity);
            let result = start(ctx, program, step).await;
            activity.cancel();
            program.note(15, counted(activity.await));
            result?
        }
        Handle::Nexus(call) => {
            let operation = start_nexus(ctx, call);
            let result = start(ctx, program, step).await;
            operation.cancel();
            program.note(16, counted(operation.await));
            result?
        }
        Handle::Child(_) => 0,
    })
}

/// One number in so many, drawn in one of several ways.
fn draw(ctx: &Context, by: u8, count: usize) -> usize {
    let drawn = match by {
        0 => ctx.random().next_u64(),
        1 => u64::from(ctx.uuid4().as_bytes()[0]),
        2 => u64::from(ctx.uuid7().as_bytes()[15]),
        3 => u64::from(ctx.side_effect(uncertain)),
        4 => u64::from(ctx.history_length()),
        5 => ctx.history_size(),
        _ => ctx
            .now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| u64::from(now.subsec_micros())),
    };
    usize::try_from(drawn % count as u64).unwrap_or(0)
}

async fn composed(ctx: &Context, program: &Rc<Program>, step: Step) -> workflow::Result<u32> {
    Ok(match step {
        Step::Sequence(steps) => {
            let mut total: u32 = 0;
            for step in steps {
                total = total.wrapping_add(start(ctx, program, step).await?);
            }
            total
        }
        Step::Join(steps) => workflow::join_all(start_all(ctx, program, steps))
            .await
            .into_iter()
            .map(counted)
            .fold(0, u32::wrapping_add),
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
        Step::Choice(by, mut steps) => {
            let drawn = draw(ctx, by, steps.len());
            start(ctx, program, steps.swap_remove(drawn)).await?
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
            Step::DetachedActivity(_) => Err(Refused),
            // What the run has come to counts, too.
            _ if self.bumps.get() % 5 == 4 => Err(Refused),
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
        let mut runs = start.runs;
        self.seed.set(start.seed);
        self.bumps.set(self.bumps.get() + start.bumps);
        self.finished.set(self.finished.get() || start.finished);
        self.long.set(if start.patient { LONG_STEPS } else { 0 });
        self.shared.carry_over(start.total, start.left);
        let rest = runs.split_off(1);
        if let Some(step) = runs.pop() {
            run(ctx, self, step).await?;
        }
        if start.settles {
            ctx.messages_delivered().await;
        }
        if !rest.is_empty() {
            return Err(ctx.continue_as_new(Start {
                seed: start.seed,
                runs: rest,
                patient: start.patient,
                settles: start.settles,
                finished: self.finished.get(),
                bumps: self.bumps.get(),
                total: self.shared.total.try_lock().map_or(7, |total| *total),
                left: self.shared.left(),
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
