//! One workflow task, from the poller's hands to the answer, without a network: through a shard, and on the caller's own
//! thread for comparison. The difference is what crossing to the shard's thread and back costs.
//!
//! `cargo xtask bench --package temporal-sdk --bench shard`
#![allow(clippy::unwrap_used, reason = "a benchmark")]

mod support;

use divan::counter::ItemsCount;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Waits, first_task};
use temporal_sdk::worker::bench::BenchShards;

static NUMBER: AtomicU64 = AtomicU64::new(0);

fn main() {
    divan::main();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// First task of a new run through one shard that caches a thousand.
#[divan::bench]
fn through_a_shard(bencher: divan::Bencher<'_, '_>) {
    let (runtime, shards) = (runtime(), BenchShards::new::<Waits>(1, 1000));
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| first_task(NUMBER.fetch_add(1, Ordering::Relaxed)))
        .bench_local_values(|task| assert!(runtime.block_on(shards.task(task)).is_some()));
}

/// The same task driven on this thread.
#[divan::bench]
fn inline(bencher: divan::Bencher<'_, '_>) {
    let shards = BenchShards::new::<Waits>(1, 1);
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| first_task(NUMBER.fetch_add(1, Ordering::Relaxed)))
        .bench_local_values(|task| assert!(shards.inline(task)));
}
