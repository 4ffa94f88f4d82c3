//! Values from outside the workflow, recorded once.

use crate::workflow;
use crate::workflow::Context;
use crate::workflow::tests::server::{Server, payload};
use rand::RngExt as _;
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    static WORLD: Cell<u32> = const { Cell::new(0) };
}

/// Looks at the world twice.
#[workflow]
async fn looking(ctx: &Context, acts: bool) -> workflow::Result<(u32, u32)> {
    let first = ctx.side_effect(|| {
        if acts {
            drop(ctx.sleep(Duration::from_secs(1)));
        }
        WORLD.get()
    });
    ctx.sleep(Duration::from_secs(1)).await?;
    Ok((first, ctx.side_effect(|| WORLD.get())))
}

#[test]
fn a_side_effect_keeps_its_value() {
    WORLD.set(7);
    let mut server = Server::start::<looking>(vec![payload(&false)]);
    assert_eq!(server.task().summary(), ["marker SideEffect", "start timer 1 of 1s"]);
    WORLD.set(8);
    server.evict();
    server.fire_timer("1");
    assert_eq!(server.task().summary(), ["marker SideEffect", "complete [7,8]"]);
}

#[test]
fn a_side_effect_that_acts_is_told_so() {
    let mut server = Server::start::<looking>(vec![payload(&true)]);
    let message = server.failing_task();
    assert!(
        message.starts_with("sleep was called in a side effect of workflow looking"),
        "{message}"
    );
}

/// Draws through several handles.
#[workflow]
async fn drawing(ctx: &Context) -> workflow::Result<()> {
    let first: u64 = ctx.random().random();
    ctx.run().random.reseed(7);
    let mut handle = ctx.random();
    let again: u64 = handle.random();
    ctx.run().random.reseed(7);
    assert_eq!(again, ctx.random().next_u64());
    assert_ne!(again, first);
    let dice: u8 = handle.random_range(1..=6);
    assert!((1..=6).contains(&dice));
    Ok(())
}

#[test]
fn it_is_an_rng_and_handles_share_it() {
    let mut server = Server::start::<drawing>(vec![]);
    assert_eq!(server.task().summary(), ["complete null"]);
}

/// Looks at the world every second.
#[workflow]
async fn watching(ctx: &Context, times: u32) -> workflow::Result<Vec<u32>> {
    let mut seen = Vec::new();
    for _ in 0..times {
        seen.push(ctx.mutable_side_effect("world", || WORLD.get()));
        ctx.sleep(Duration::from_secs(1)).await?;
    }
    Ok(seen)
}

#[test]
fn a_mutable_side_effect_is_recorded_when_it_changes() {
    WORLD.set(7);
    let mut server = Server::start::<watching>(vec![payload(&4)]);
    assert_eq!(
        server.task().summary(),
        ["marker MutableSideEffect", "start timer 1 of 1s"]
    );
    server.fire_timer("1");
    assert_eq!(server.task().summary(), ["start timer 2 of 1s"]);
    WORLD.set(8);
    server.evict();
    server.fire_timer("2");
    assert_eq!(
        server.task().summary(),
        ["marker MutableSideEffect", "start timer 3 of 1s"]
    );
    server.fire_timer("3");
    server.evict();
    assert_eq!(server.task().summary(), ["start timer 4 of 1s"]);
    server.fire_timer("4");
    assert_eq!(server.task().summary(), ["complete [7,7,8,8]"]);
    WORLD.set(9);
    server.replay().unwrap();
}

/// Acts where it may only look.
#[workflow]
async fn acts_watching(ctx: &Context) -> workflow::Result<u32> {
    Ok(ctx.mutable_side_effect("world", || {
        drop(ctx.sleep(Duration::from_secs(1)));
        WORLD.get()
    }))
}

#[test]
fn a_mutable_side_effect_that_acts_is_told_so() {
    let message = Server::start::<acts_watching>(vec![]).failing_task();
    assert!(message.starts_with("sleep was called in a side effect"), "{message}");
}
