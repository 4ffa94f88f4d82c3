//! Patches and versions: code that changes under running workflows.

use crate::workflow;
use crate::workflow::Context;
use crate::workflow::tests::server::Server;
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    /// Which generation of the code runs: stands for a deployment.
    static GENERATION: Cell<u32> = const { Cell::new(0) };
}

/// Changes from generation to generation.
#[derive(Default)]
struct Versioned {
    poked: Cell<u32>,
}

#[workflow]
impl Versioned {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<Vec<u32>> {
        let mut taken = Vec::new();
        for round in 1..=2 {
            taken.push(match GENERATION.get() {
                0 => 0,
                1 => ctx.version("step", 0..=1),
                2 => ctx.version("step", 0..=2),
                _ => ctx.version("step", 2..=3),
            });
            ctx.sleep(Duration::from_secs(u64::from(round))).await?;
            ctx.wait_condition(|| self.poked.get() >= round).await?;
        }
        Ok(taken)
    }

    #[signal]
    fn poke(&self) {
        self.poked.set(self.poked.get() + 1);
    }
}

/// Goes on with the code of another generation.
fn deploy(server: &mut Server, generation: u32) {
    GENERATION.set(generation);
    server.evict();
}

fn finish(server: &mut Server) -> Vec<String> {
    server.fire_timer("1");
    server.signal("poke", &());
    assert_eq!(
        server.task().summary().last().map(String::as_str),
        Some("start timer 2 of 2s")
    );
    server.fire_timer("2");
    server.signal("poke", &());
    server.task().summary()
}

#[test]
fn a_new_run_takes_the_highest_version_and_keeps_it() {
    GENERATION.set(1);
    let mut server = Server::start::<Versioned>(vec![]);
    let first = server.task().summary();
    assert_eq!(first[0], "marker core_patch");
    deploy(&mut server, 2);
    assert_eq!(finish(&mut server), ["complete [1,1]"]);
    server.replay().unwrap();
}

#[test]
fn a_run_from_before_the_first_version_takes_none() {
    GENERATION.set(0);
    let mut server = Server::start::<Versioned>(vec![]);
    assert_eq!(server.task().summary(), ["start timer 1 of 1s"]);
    deploy(&mut server, 2);
    assert_eq!(finish(&mut server), ["complete [0,0]"]);
}

#[test]
fn a_version_that_the_code_has_no_more_fails_the_task() {
    GENERATION.set(1);
    let mut server = Server::start::<Versioned>(vec![]);
    server.task();
    deploy(&mut server, 3);
    server.fire_timer("1");
    let message = server.failing_task();
    assert!(
        message
            .starts_with("workflow Versioned (id workflow) took version 1 of \"step\", but the code has only 2 to 3"),
        "{message}"
    );
    // The old code mends it.
    deploy(&mut server, 2);
    server.signal("poke", &());
    assert_eq!(server.task().summary(), ["start timer 2 of 2s"]);
}

/// Ends when it is poked; another signal takes a version.
#[derive(Default)]
struct Hurried {
    poked: Cell<bool>,
}

#[workflow]
impl Hurried {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        ctx.wait_condition(|| self.poked.get()).await?;
        Ok(())
    }

    #[signal]
    fn poke(&self) {
        self.poked.set(true);
    }

    #[signal]
    fn late(&self, ctx: &Context) {
        assert_eq!(ctx.version("late", 1..=3), 3);
        assert!(ctx.patched("later"));
    }
}

/// A handler that comes in the task in which the run ends, after its end: nothing of it is recorded, so it is new code.
#[test]
fn what_comes_after_the_end_takes_the_highest_version() {
    let mut server = Server::start::<Hurried>(vec![]);
    assert!(server.task().commands.is_empty());
    server.signal("poke", &());
    server.signal("late", &());
    assert_eq!(server.task().summary(), ["complete null"]);
    server.replay().unwrap();
}
