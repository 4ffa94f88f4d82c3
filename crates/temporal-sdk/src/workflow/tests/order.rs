//! The order in which workflow code is polled: it is a file format.

use crate::workflow;
use crate::workflow::sync::Watch;
use crate::workflow::tests::server::{Server, payload};
use crate::workflow::{ActivityOptions, Context, activity_named};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Writes down what happens.
#[derive(Default)]
struct Ordered {
    log: RefCell<Vec<String>>,
    count: Cell<u32>,
    open: Cell<bool>,
}

impl Ordered {
    fn note(&self, what: impl Into<String>) {
        self.log.borrow_mut().push(what.into());
    }

    fn told(&self) -> String {
        self.log.borrow().join(" ")
    }
}

#[workflow]
impl Ordered {
    #[run]
    async fn run(self: Rc<Self>, ctx: &Context, what: String) -> workflow::Result<String> {
        self.note("run");
        match what.as_str() {
            "conditions" => {
                // Each takes the one permit there is, in the order of their registration.
                let waiters = (0..3).map(|number| {
                    let (this, ctx) = (Rc::clone(&self), ctx.clone());
                    async move {
                        ctx.wait_condition(|| {
                            let permits = this.count.get();
                            this.count.set(permits.saturating_sub(1));
                            permits > 0
                        })
                        .await?;
                        this.note(format!("waiter{number}"));
                        workflow::Ok(())
                    }
                });
                for result in workflow::join_all(waiters).await {
                    result?;
                }
            }
            "chain" => {
                // The second holds because of the first, the third because of the second.
                let tasks: Vec<_> = (0..3)
                    .rev()
                    .map(|number| {
                        let (this, context) = (Rc::clone(&self), ctx.clone());
                        ctx.spawn(async move {
                            let result = context.wait_condition(|| this.count.get() > number).await;
                            this.note(format!("link{number}"));
                            this.count.set(this.count.get() + 1);
                            result
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await?;
                }
            }
            "spawn" => {
                let (a, b) = (Rc::clone(&self), Rc::clone(&self));
                let first = ctx.spawn(async move { a.note("first") });
                self.note("between");
                let second = ctx.spawn(async move {
                    b.note("second");
                    2
                });
                assert_eq!(second.await, 2);
                first.await;
            }
            "select" => {
                // Both are ready: the first written wins.
                let won = workflow::select! {
                    _ = async { self.note("a") } => "a",
                    _ = async { self.note("b") } => "b",
                };
                self.note(won);
                let skipped = workflow::select! {
                    _ = std::future::ready(()), if won == "b" => "left out",
                    value = std::future::ready("taken") => value,
                };
                self.note(skipped);
            }
            "completed" => {
                let activities = (1..=3).map(|number| {
                    let options = ActivityOptions::start_to_close_timeout(MINUTE);
                    ctx.start_activity(activity_named::<u32>("act"), number, options)
                });
                let mut completed = workflow::as_completed(activities);
                while let Some(result) = completed.next().await {
                    self.note(result?.to_string());
                }
            }
            "timers" => {
                let (a, b) = workflow::join!(ctx.sleep(MINUTE), ctx.sleep(2 * MINUTE));
                a?;
                b?;
            }
            "timeout" => {
                let waited = ctx.wait_condition(|| self.open.get()).timeout(MINUTE).await;
                self.note(if waited.is_ok() { "opened" } else { "timed out" });
            }
            _ => ctx.wait_condition(|| self.open.get()).await?,
        }
        Ok(self.told())
    }

    #[signal]
    fn note_sync(&self, what: String) {
        self.note(what);
    }

    #[signal]
    async fn note_async(&self, ctx: &Context, what: String) -> workflow::Result<()> {
        self.note(format!("{what}-begins"));
        ctx.wait_condition(|| self.open.get()).await?;
        self.note(format!("{what}-ends"));
        Ok(())
    }

    #[signal]
    fn permits(&self, permits: u32) {
        self.count.set(permits);
    }

    #[signal]
    fn open(&self) {
        self.open.set(true);
    }

    #[query]
    fn log(&self) -> String {
        self.told()
    }
}

fn start(what: &str) -> Server {
    Server::start::<Ordered>(vec![payload(&what.to_owned())])
}

#[test]
fn signals_of_the_first_task_come_before_run() {
    let mut server = start("wait");
    server.signal("note_async", &"a".to_owned());
    server.signal("note_sync", &"b".to_owned());
    server.task();
    server.signal("note_async", &"c".to_owned());
    server.signal("open", &());
    assert_eq!(server.task().summary(), ["complete \"a-begins b run c-begins a-ends\""]);
}

#[test]
fn conditions_are_looked_at_in_the_order_of_registration() {
    let mut server = start("conditions");
    server.task();
    server.signal("permits", &2);
    server.task();
    server.signal("permits", &1);
    assert_eq!(server.task().summary(), ["complete \"run waiter0 waiter1 waiter2\""]);
}

#[test]
fn conditions_are_looked_at_until_none_changes() {
    let mut server = start("chain");
    server.task();
    server.signal("permits", &1);
    assert_eq!(server.task().summary(), ["complete \"run link0 link1 link2\""]);
}

#[test]
fn spawned_tasks_run_in_the_order_of_spawning() {
    assert_eq!(
        start("spawn").task().summary(),
        ["complete \"run between first second\""]
    );
}

#[test]
fn select_polls_in_the_order_written() {
    assert_eq!(start("select").task().summary(), ["complete \"run a a taken\""]);
}

#[test]
fn as_completed_follows_history() {
    let mut server = start("completed");
    server.task();
    server.complete_activity("2", &2);
    server.complete_activity("1", &1);
    server.task();
    server.evict();
    server.complete_activity("3", &3);
    assert_eq!(server.task().summary(), ["complete \"run 2 1 3\""]);
}

#[test]
fn joined_timers_start_in_order() {
    let mut server = start("timers");
    assert_eq!(
        server.task().summary(),
        ["start timer 1 of 60s", "start timer 2 of 120s"]
    );
    server.fire_timer("1");
    assert!(server.task().summary().is_empty());
    server.fire_timer("2");
    assert_eq!(server.task().summary(), ["complete \"run\""]);
}

#[test]
fn a_condition_with_a_timeout() {
    let mut server = start("timeout");
    assert_eq!(server.task().summary(), ["start timer 1 of 60s"]);
    server.signal("open", &());
    assert_eq!(server.task().summary(), ["cancel timer 1", "complete \"run opened\""]);
    let mut server = start("timeout");
    server.task();
    server.fire_timer("1");
    assert_eq!(server.task().summary(), ["complete \"run timed out\""]);
    // What holds at once starts no timer.
    let mut server = start("timeout");
    server.signal("open", &());
    assert_eq!(server.task().summary(), ["complete \"run opened\""]);
}

/// Waits for something outside.
#[derive(Default)]
struct Foreign;

static OUTSIDE: Mutex<Option<Waker>> = Mutex::new(None);

#[workflow]
impl Foreign {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        std::future::poll_fn(|context| -> Poll<()> {
            *OUTSIDE.lock().unwrap() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        Ok(())
    }

    #[signal]
    fn poke(&self) {}
}

#[test]
fn a_wake_from_outside_fails_the_next_task() {
    let mut server = Server::start::<Foreign>(vec![]);
    server.check_replay = false;
    server.task();
    let waker = OUTSIDE.lock().unwrap().take().unwrap();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    server.signal("poke", &());
    let message = server.failing_task();
    assert!(message.starts_with("[TMPRL1100] the run method of workflow \"Foreign\" was woken by something outside"));
}

/// A crowd of tasks, each of which waits for a value of its own.
#[derive(Default)]
struct Crowd {
    values: RefCell<Vec<Watch<bool>>>,
    looks: Rc<Cell<u32>>,
}

#[workflow]
impl Crowd {
    #[run]
    async fn run(&self, ctx: &Context, size: u32) -> workflow::Result<u32> {
        for _ in 0..size {
            let (context, value, looks) = (ctx.clone(), Watch::new(false), Rc::clone(&self.looks));
            self.values.borrow_mut().push(value.clone());
            ctx.spawn(async move {
                let touched = context.wait_for(&value, |touched| {
                    looks.set(looks.get() + 1);
                    *touched
                });
                // Cancelled with the workflow, all but one.
                let _ = touched.await;
            })
            .detach();
        }
        ctx.cancelled().await;
        Ok(self.looks.get())
    }

    #[signal]
    fn touch(&self, index: usize) {
        self.values.borrow()[index].set(true);
    }
}

#[test]
fn a_task_that_touches_one_of_ten_thousand_waits_looks_at_one() {
    let mut server = Server::start::<Crowd>(vec![payload(&10_000)]);
    assert!(server.task().commands.is_empty());
    server.signal("touch", &4_711);
    assert!(server.task().commands.is_empty());
    server.cancel();
    // Each when it began to wait, one when it was touched; and those that were cancelled looked no more.
    assert_eq!(server.task().summary(), ["complete 10001"]);
}

/// Waits in sets of futures that poll only what was woken, and wake themselves when they have polled all of it.
#[derive(Default)]
struct Gathering {
    arrived: RefCell<Vec<u32>>,
}

#[workflow]
impl Gathering {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<Vec<u32>> {
        let waits = |number| async move {
            let arrived = ctx.wait_condition(|| self.arrived.borrow().contains(&number));
            arrived.await.map(|()| number)
        };
        let mut set: FuturesUnordered<_> = (1..=3).map(waits).collect();
        let mut order = Vec::new();
        while let Some(number) = set.next().await {
            order.push(number?);
        }
        Ok(order)
    }

    #[signal]
    fn arrive(&self, number: u32) {
        self.arrived.borrow_mut().push(number);
    }
}

#[test]
fn a_set_of_conditions_ends_its_look() {
    let mut server = Server::start::<Gathering>(vec![]);
    for number in [2, 3, 1] {
        assert!(server.task().commands.is_empty());
        server.signal("arrive", &number);
    }
    assert_eq!(server.task().summary(), ["complete [2,3,1]"]);
    server.replay().unwrap();
}
