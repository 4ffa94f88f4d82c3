//! A task that touches one of many pending conditions: how much the others cost.
//!
//! `cargo xtask bench --package temporal-sdk --bench conditions`
#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[path = "support/history.rs"]
mod history;

use history::History;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use temporal_sdk::worker::bench::{BenchRun, BenchShards};
use temporal_sdk::workflow;
use temporal_sdk::workflow::Context;
use temporal_sdk::workflow::sync::Watch;

const PENDING: [u32; 4] = [10, 100, 1_000, 10_000];

fn main() {
    divan::main();
}

/// As many tasks as asked for, each of which waits for its own flag, again and again.
#[derive(Default)]
struct Tasks {
    flags: RefCell<Vec<Rc<Cell<bool>>>>,
}

#[workflow]
impl Tasks {
    #[run]
    async fn run(&self, ctx: &Context, pending: u32) -> workflow::Result<()> {
        for _ in 0..pending {
            let (scope, flag) = (ctx.clone(), Rc::new(Cell::new(false)));
            self.flags.borrow_mut().push(Rc::clone(&flag));
            let task = async move { while scope.wait_condition(|| flag.take()).await.is_ok() {} };
            ctx.spawn(task).detach();
        }
        ctx.wait_condition(|| false).await?;
        Ok(())
    }

    #[signal]
    fn touch(&self, index: usize) {
        self.flags.borrow()[index].set(true);
    }
}

/// The same in one task, by `join_all`.
#[derive(Default)]
struct Joined {
    flags: RefCell<Vec<Cell<bool>>>,
}

#[workflow]
impl Joined {
    #[run]
    async fn run(&self, ctx: &Context, pending: u32) -> workflow::Result<()> {
        *self.flags.borrow_mut() = (0..pending).map(|_| Cell::new(false)).collect();
        workflow::join_all((0..pending as usize).map(|index| async move {
            while ctx.wait_condition(|| self.flags.borrow()[index].take()).await.is_ok() {}
        }))
        .await;
        Ok(())
    }

    #[signal]
    fn touch(&self, index: usize) {
        self.flags.borrow()[index].set(true);
    }
}

/// Tasks that each watch a value of their own.
#[derive(Default)]
struct Watched {
    flags: RefCell<Vec<Watch<bool>>>,
}

#[workflow]
impl Watched {
    #[run]
    async fn run(&self, ctx: &Context, pending: u32) -> workflow::Result<()> {
        for _ in 0..pending {
            let (scope, flag) = (ctx.clone(), Watch::new(false));
            self.flags.borrow_mut().push(flag.clone());
            let task = async move {
                while scope.wait_for(&flag, |flag| *flag).await.is_ok() {
                    flag.set(false);
                }
            };
            ctx.spawn(task).detach();
        }
        ctx.cancelled().await;
        Ok(())
    }

    #[signal]
    fn touch(&self, index: usize) {
        self.flags.borrow()[index].set(true);
    }
}

fn touch_one<W: workflow::Workflow>(bencher: divan::Bencher<'_, '_>, pending: u32) {
    let shards = BenchShards::new::<W>(1, 1);
    let mut history = History::new(W::NAME, 0, &[pending]);
    let mut run: BenchRun = shards.start(history.next_task(&[])).unwrap();
    let mut index = 0;
    bencher.bench_local(|| {
        index = (index + 7) % pending as usize;
        assert!(run.task(history.next_task(&[("touch", index)])));
    });
}

#[divan::bench(args = PENDING)]
fn one_task_each(bencher: divan::Bencher<'_, '_>, pending: u32) {
    touch_one::<Tasks>(bencher, pending);
}

#[divan::bench(args = PENDING)]
fn join_all(bencher: divan::Bencher<'_, '_>, pending: u32) {
    touch_one::<Joined>(bencher, pending);
}

#[divan::bench(args = PENDING)]
fn watched(bencher: divan::Bencher<'_, '_>, pending: u32) {
    touch_one::<Watched>(bencher, pending);
}
