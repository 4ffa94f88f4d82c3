//! Replay equivalence: random workflows, with random things happening to them and evictions at random, give the same
//! commands live, after an eviction, and as a full replay.

use crate::workflow;
use crate::workflow::random::Stream;
use crate::workflow::tests::server::{Server, failure, payload};
use crate::workflow::{
    ActivityOptions, CancellationType, ChildWorkflowOptions, Context, LocalActivityOptions, activity_named,
    signal_named,
};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use temporal_core::LocalActivityOutcome;
use temporal_protos::api::history::v1::history_event::Attributes;

const MINUTE: Duration = Duration::from_secs(60);

/// A piece of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Step {
    Activity(u8),
    Local,
    Timer(u64),
    Child(u8),
    Signal,
    Bumps(u32),
    BumpsOrTimer(u32),
    Random,
    Patch(u8),
    /// A value from outside.
    Outside(u32),
    Sequence(Vec<Step>),
    Join(Vec<Step>),
    /// The losers are dropped.
    Select(Vec<Step>),
    Completed(Vec<Step>),
    Spawned(Box<Step>),
    Timeout(Box<Step>),
    /// The first in a scope that is cancelled when the second ends.
    Scope(Box<Step>, Box<Step>),
    Shielded(Box<Step>),
    Detached,
}

fn step(random: &mut Stream, depth: u32) -> Step {
    let steps = |random: &mut Stream| {
        let count = random.random_range(1..=3);
        (0..count).map(|_| step(random, depth - 1)).collect::<Vec<_>>()
    };
    let kinds = if depth == 0 { 11 } else { 19 };
    match random.random_range(0..kinds) {
        0 => Step::Activity(random.random_range(0..3)),
        1 => Step::Local,
        2 => Step::Timer(random.random_range(0..100)),
        3 => Step::Child(random.random_range(0..3)),
        4 => Step::Signal,
        5 => Step::Bumps(random.random_range(1..4)),
        6 => Step::BumpsOrTimer(random.random_range(1..6)),
        7 => Step::Random,
        8 => Step::Patch(random.random_range(0..3)),
        9 => Step::Outside(random.random_range(0..100)),
        10 => Step::Detached,
        11 => Step::Sequence(steps(random)),
        12 => Step::Join(steps(random)),
        13 => Step::Select(steps(random)),
        14 => Step::Completed(steps(random)),
        15 => Step::Spawned(Box::new(step(random, depth - 1))),
        16 => Step::Timeout(Box::new(step(random, depth - 1))),
        17 => Step::Scope(Box::new(step(random, depth - 1)), Box::new(step(random, depth - 1))),
        _ => Step::Shielded(Box::new(step(random, depth - 1))),
    }
}

/// Runs a program.
#[derive(Default)]
struct Program {
    bumps: Cell<u32>,
}

fn kind(number: u8) -> CancellationType {
    match number % 3 {
        0 => CancellationType::TryCancel,
        1 => CancellationType::WaitCancellationCompleted,
        _ => CancellationType::Abandon,
    }
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
    result.unwrap_or(1000)
}

async fn run(ctx: &Context, program: &Rc<Program>, step: Step) -> workflow::Result<u32> {
    Ok(match step {
        Step::Activity(number) => {
            let options = ActivityOptions::start_to_close_timeout(MINUTE).cancellation_type(kind(number));
            counted(
                ctx.execute_activity(activity_named::<u32>("act"), u32::from(number), options)
                    .await,
            )
        }
        Step::Local => {
            let options = LocalActivityOptions::start_to_close_timeout(MINUTE);
            counted(
                ctx.execute_local_activity(activity_named::<u32>("local"), 1, options)
                    .await,
            )
        }
        Step::Timer(seconds) => {
            ctx.sleep(Duration::from_secs(seconds)).await?;
            1
        }
        Step::Child(number) => {
            let options = ChildWorkflowOptions::default().cancellation_type(kind(number));
            counted(
                ctx.execute_child_workflow(workflow::named::<u32>("Child"), 1, options)
                    .await,
            )
        }
        Step::Signal => {
            let other = ctx.external_workflow::<Program>("other");
            counted(other.signal(signal_named("hello"), 1).await.map(|()| 1))
        }
        Step::Bumps(count) => {
            let wanted = program.bumps.get() + count;
            ctx.wait_condition(|| program.bumps.get() >= wanted).await?;
            count
        }
        Step::BumpsOrTimer(count) => {
            let wanted = program.bumps.get() + count;
            counted(
                ctx.wait_condition(|| program.bumps.get() >= wanted)
                    .timeout(MINUTE)
                    .await
                    .map(|()| count),
            )
        }
        Step::Random => {
            let number = ctx.random().random_range(0..3_u8);
            Box::pin(run(ctx, program, Step::Activity(number))).await?
        }
        Step::Outside(number) => ctx.side_effect(|| number),
        Step::Patch(number) => u32::from(ctx.patched(&format!("patch-{number}"))),
        Step::Sequence(steps) => {
            let mut total = 0;
            for step in steps {
                total += Box::pin(run(ctx, program, step)).await?;
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
            let mut total = 0;
            while let Some(result) = completed.next().await {
                total = total * 3 + counted(result);
            }
            total
        }
        Step::Spawned(step) => {
            let task = ctx.spawn(start(ctx, program, *step));
            let timer = ctx.sleep(MINUTE);
            timer.await?;
            counted(task.await)
        }
        Step::Timeout(step) => {
            let result = ctx.timeout(MINUTE, start(ctx, program, *step)).await;
            result.map_or(7, counted)
        }
        Step::Scope(inner, until) => {
            let (scope, handle) = ctx.child();
            let mut inner = start(&scope, program, *inner);
            workflow::select! {
                result = &mut inner => counted(result),
                result = start(ctx, program, *until) => {
                    handle.cancel();
                    counted(result) + counted(inner.await)
                }
            }
        }
        Step::Shielded(step) => Box::pin(run(&ctx.shielded(), program, *step)).await?,
        Step::Detached => {
            let options = ActivityOptions::start_to_close_timeout(MINUTE);
            ctx.start_activity(activity_named::<u32>("act"), 1, options).detach();
            1
        }
    })
}

#[workflow]
impl Program {
    #[run]
    async fn run(self: Rc<Self>, ctx: &Context, step: Step) -> workflow::Result<u32> {
        run(ctx, &self, step).await
    }

    #[signal]
    fn bump(&self) {
        self.bumps.set(self.bumps.get() + 1);
    }

    #[signal]
    async fn step(self: Rc<Self>, ctx: &Context, step: Step) {
        let _ = run(ctx, &self, step).await;
    }

    #[update]
    async fn change(self: Rc<Self>, ctx: &Context, step: Step) -> workflow::Result<u32> {
        self.bumps.set(self.bumps.get() + 1);
        run(ctx, &self, step).await
    }
}

/// Something that may happen next.
#[derive(Debug, Clone)]
enum Event {
    Activity(String, bool),
    CancelActivity(String),
    Timer(String),
    StartChild(String),
    RefuseChild(String),
    CompleteChild(String),
    CancelChild(String),
    Deliver,
}

/// What the server may tell about operations that are not at their end.
fn possible(server: &Server) -> Vec<Event> {
    let mut open: Vec<(i64, Vec<Event>)> = Vec::new();
    for event in &server.events {
        let id = event.event_id;
        let mut close = |closed: i64| open.retain(|(id, _)| *id != closed);
        match event.attributes.as_ref().unwrap() {
            Attributes::ActivityTaskScheduledEventAttributes(a) => open.push((
                id,
                vec![
                    Event::Activity(a.activity_id.clone(), true),
                    Event::Activity(a.activity_id.clone(), false),
                ],
            )),
            Attributes::ActivityTaskCancelRequestedEventAttributes(a) => {
                for (id, events) in &mut open {
                    if *id == a.scheduled_event_id
                        && let Some(Event::Activity(name, _)) = events.first().cloned()
                    {
                        events.push(Event::CancelActivity(name));
                    }
                }
            }
            Attributes::ActivityTaskCompletedEventAttributes(a) => close(a.scheduled_event_id),
            Attributes::ActivityTaskFailedEventAttributes(a) => close(a.scheduled_event_id),
            Attributes::ActivityTaskCanceledEventAttributes(a) => close(a.scheduled_event_id),
            Attributes::TimerStartedEventAttributes(a) => open.push((id, vec![Event::Timer(a.timer_id.clone())])),
            Attributes::TimerFiredEventAttributes(a) => close(a.started_event_id),
            Attributes::TimerCanceledEventAttributes(a) => close(a.started_event_id),
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(a) => open.push((
                id,
                vec![
                    Event::StartChild(a.workflow_id.clone()),
                    Event::RefuseChild(a.workflow_id.clone()),
                ],
            )),
            Attributes::StartChildWorkflowExecutionFailedEventAttributes(a) => close(a.initiated_event_id),
            Attributes::ChildWorkflowExecutionStartedEventAttributes(a) => {
                let name = a.workflow_execution.as_ref().unwrap().workflow_id.clone();
                close(a.initiated_event_id);
                open.push((
                    a.initiated_event_id,
                    vec![Event::CompleteChild(name.clone()), Event::CancelChild(name)],
                ));
            }
            Attributes::ChildWorkflowExecutionCompletedEventAttributes(a) => close(a.initiated_event_id),
            Attributes::ChildWorkflowExecutionCanceledEventAttributes(a) => close(a.initiated_event_id),
            Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(_) => {
                open.push((id, vec![Event::Deliver]));
            }
            Attributes::ExternalWorkflowExecutionSignaledEventAttributes(a) => close(a.initiated_event_id),
            _ => {}
        }
    }
    // The stand-in delivers the last signal only.
    let last_signal = open.iter().rposition(|(_, events)| matches!(events[0], Event::Deliver));
    let kept = open
        .into_iter()
        .enumerate()
        .filter(|(index, (_, events))| !matches!(events[0], Event::Deliver) || Some(*index) == last_signal);
    kept.flat_map(|(_, (_, events))| events).collect()
}

fn happen(server: &mut Server, event: Event, random: &mut Stream) {
    match event {
        Event::Activity(id, true) => server.complete_activity(&id, &random.random_range(0..100_u32)),
        Event::Activity(id, false) => server.fail_activity(&id, failure("no luck")),
        Event::CancelActivity(id) => server.cancel_activity(&id),
        Event::Timer(id) => server.fire_timer(&id),
        Event::StartChild(id) => server.start_child(&id),
        Event::RefuseChild(id) => server.refuse_child(&id),
        Event::CompleteChild(id) => server.complete_child(&id, &random.random_range(0..100_u32)),
        Event::CancelChild(id) => server.cancel_child(&id),
        Event::Deliver => server.deliver_signal(),
    }
}

/// Runs the workflow of a seed to its end, or for a while. Gives whether it ended, and the number of its commands.
fn run_seed(seed: u64) -> (bool, usize) {
    let mut random = Stream::new(seed);
    let program = Step::Sequence((0..3).map(|_| step(&mut random, 3)).collect());
    let mut server = Server::start::<Program>(vec![payload(&program)]);
    let slow = random.random_bool(0.2);
    // A fresh run repeats the local activities of the task in hand, so their results follow from their ids.
    server.local = Box::new(move |command| {
        let id: u64 = command
            .activity_id
            .as_deref()
            .and_then(|id| id.parse().ok())
            .unwrap_or_default();
        let mut local = Stream::new(seed ^ id);
        if slow && local.random_bool(0.3) {
            return None;
        }
        Some(match local.random_range(0..4) {
            0 => LocalActivityOutcome::Failed {
                failure: failure("no luck"),
                backoff: None,
            },
            _ => LocalActivityOutcome::Completed(Some(payload(&local.random_range(0..100_u32)))),
        })
    });
    let mut cancelled = false;
    let (mut closed, mut commands) = (false, 0);
    for task in 0..60 {
        server.now += 1;
        let done = server.task();
        commands += done.commands.len();
        closed = done.completion.closes_workflow;
        if closed {
            break;
        }
        if random.random_bool(if slow { 0.5 } else { 0.1 }) {
            server.evict();
        }
        for number in 0..random.random_range(1..=3) {
            let events = possible(&server);
            match random.random_range(0..10) {
                0 => server.signal("bump", &()),
                1 if number == 0 => {
                    let program = step(&mut random, 1);
                    server.update(&format!("u{task}"), "change", &program);
                }
                2 if !cancelled && random.random_bool(0.1) => {
                    cancelled = true;
                    server.cancel();
                }
                3 if random.random_bool(0.3) => {
                    let program = step(&mut random, 1);
                    server.signal("step", &program);
                }
                _ if events.is_empty() => server.signal("bump", &()),
                _ => {
                    let event = events[random.random_range(0..events.len())].clone();
                    happen(&mut server, event, &mut random);
                }
            }
        }
    }
    if let Err(failure) = server.replay() {
        panic!("the whole history does not replay: {}", failure.failure.message);
    }
    (closed, commands)
}

#[test]
fn random_programs_replay() {
    let from: u64 = std::env::var("TEMPORAL_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0);
    let count: u64 = std::env::var("TEMPORAL_TEST_SEEDS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(300);
    let (mut closed, mut commands) = (0, 0);
    for seed in from..from + count {
        match std::panic::catch_unwind(|| run_seed(seed)) {
            Ok((ended, given)) => {
                closed += u64::from(ended);
                commands += given;
            }
            Err(panic) => {
                eprintln!("seed {seed} fails: run it alone with TEMPORAL_TEST_SEED={seed} TEMPORAL_TEST_SEEDS=1");
                std::panic::resume_unwind(panic);
            }
        }
    }
    // Otherwise nothing was tested.
    if count >= 100 {
        assert!(closed > count / 3, "only {closed} of {count} programs ended");
        assert!(
            commands as u64 > 6 * count,
            "only {commands} commands in {count} programs"
        );
    }
}
