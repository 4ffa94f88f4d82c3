//! The order in which a run sees what happened.

use crate::{MINUTE, quick};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use temporal_integration_tests::history::EventType;
use temporal_integration_tests::{run, run_within};
use temporal_sdk::workflow::sync::{WaitGroup, Watch};
use temporal_sdk::{activity, workflow};

#[activity]
async fn nothing() -> activity::Result<()> {
    Ok(())
}

#[derive(Default)]
pub(crate) struct Order {
    log: RefCell<Vec<String>>,
    done: Cell<bool>,
}

#[workflow]
impl Order {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
        self.note("run");
        ctx.execute_activity(nothing, (), quick()).await?;
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(self.log.borrow().clone())
    }

    fn note(&self, text: impl Into<String>) {
        self.log.borrow_mut().push(text.into());
    }

    #[signal]
    async fn slow(&self, ctx: &workflow::Context, name: String) -> workflow::Result<()> {
        self.note(format!("{name} begins"));
        ctx.execute_activity(nothing, (), quick()).await?;
        self.note(format!("{name} ends"));
        Ok(())
    }

    #[signal]
    fn done(&self) {
        self.note("done");
        self.done.set(true);
    }

    #[update]
    fn mark(&self, name: String) {
        self.note(name);
    }
}

/// S49: signals sent before the first task are handled in their order, before `run` begins.
#[test]
fn s49_signals_of_the_first_task_come_before_run() {
    run(async |env| {
        let handle = env
            .client()
            .start_workflow(Order::run, (), env.options("first"))
            .await?;
        handle.signal(Order::slow, "a").await?;
        handle.signal(Order::slow, "b").await?;
        env.serve(env.worker().workflow::<Order>().activity(nothing), async {
            let id = env.id("first");
            env.wait_for_event(&id, |event| event.event_type() == EventType::ActivityTaskCompleted)
                .await?;
            handle.execute_update(Order::mark, "update").await?;
            env.until(&id, EventType::ActivityTaskCompleted, 3).await?;
            handle.signal(Order::done, ()).await?;
            let log = handle.result().await?;
            assert_eq!(log[..3], ["a begins", "b begins", "run"], "{log:?}");
            assert_eq!(log.last().map(String::as_str), Some("done"), "{log:?}");
            assert_eq!(log.len(), 7, "{log:?}");
            Ok(())
        })
        .await
    });
}

/// Many conditions; each is met once.
#[derive(Default)]
pub(crate) struct Turnstile {
    turn: Cell<u32>,
    log: RefCell<Vec<u32>>,
}

#[workflow]
impl Turnstile {
    #[run]
    async fn run(&self, ctx: &workflow::Context, number: u32) -> workflow::Result<Vec<u32>> {
        let all = (0..number).rev().map(|turn| async move {
            // Each lets the next one in, all in one task.
            ctx.wait_condition(|| self.turn.get() == turn).await?;
            self.log.borrow_mut().push(turn);
            self.turn.set(turn + 1);
            workflow::Result::<()>::Ok(())
        });
        for result in workflow::join_all(all).await {
            result?;
        }
        Ok(self.log.borrow().clone())
    }
}

/// S84: conditions are looked at again until none changes.
#[test]
fn s84_conditions_that_let_each_other_in() {
    run(async |env| {
        env.serve(env.worker().workflow::<Turnstile>(), async {
            let log = env
                .client()
                .execute_workflow(Turnstile::run, 100_u32, env.options("turnstile"))
                .await?;
            assert_eq!(log, (0..100).collect::<Vec<_>>());
            let events = env.events(&env.id("turnstile")).await?;
            assert_eq!(events.len(), 5);
            Ok(())
        })
        .await
    });
}

/// Waits for each of many switches, in tasks of their own.
#[derive(Default)]
pub(crate) struct Switchboard {
    switches: RefCell<Vec<Watch<bool>>>,
    log: Rc<RefCell<Vec<u32>>>,
}

#[workflow]
impl Switchboard {
    #[run]
    async fn run(&self, ctx: &workflow::Context, number: u32) -> workflow::Result<Vec<u32>> {
        let group = WaitGroup::new();
        for index in 0..number {
            let (context, switch, log) = (ctx.clone(), Watch::new(false), Rc::clone(&self.log));
            self.switches.borrow_mut().push(switch.clone());
            let member = group.member();
            ctx.spawn(async move {
                if context.wait_for(&switch, |on| *on).await.is_ok() {
                    log.borrow_mut().push(index);
                }
                drop(member);
            })
            .detach();
        }
        group.wait().await;
        Ok(self.log.take())
    }

    #[signal]
    fn switch_on(&self, first: u32, then: u32) {
        for index in [first, then] {
            self.switches.borrow()[index as usize].set(true);
        }
    }
}

/// S84: who waits for a watched value goes on when that is changed, in the order of the changes.
#[test]
fn s84_a_watched_value_wakes_who_waits_for_it() {
    run_within(MINUTE * 3, async |env| {
        env.serve(env.worker().workflow::<Switchboard>(), async {
            // Of the few the history is kept.
            let many = env.unrecorded_options("switchboard");
            for (number, options) in [(20_u32, env.options("few")), (1000, many)] {
                let handle = env.client().start_workflow(Switchboard::run, number, options).await?;
                env.wait_for_event(handle.id(), |event| {
                    event.event_type() == EventType::WorkflowTaskCompleted
                })
                .await?;
                for first in (0..number).rev().step_by(2) {
                    handle.signal(Switchboard::switch_on, (first, first - 1)).await?;
                }
                let log = handle.result().await?;
                assert_eq!(log, (0..number).rev().collect::<Vec<_>>());
            }
            Ok(())
        })
        .await
    });
}
