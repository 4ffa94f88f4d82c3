//! How many bytes a cached run holds while it waits for one signal.
//!
//! `cargo xtask bench --package temporal-sdk --bench idle_memory`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unsafe_code,
    reason = "a benchmark that counts what is allocated"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};
use support::{Waits, first_task};
use temporal_sdk::worker::bench::BenchShards;

const RUNS: u64 = 10_000;

/// The system's allocator, and how much of it is held.
struct Counting;

static HELD: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        HELD.fetch_add(new_size as i64 - layout.size() as i64, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let shards = BenchShards::new::<Waits>(1, usize::MAX / 2);
    // What is allocated once for all runs is not counted.
    let _ = runtime.block_on(shards.task(first_task(RUNS))).unwrap();
    let before = HELD.load(Ordering::Relaxed);
    for number in 0..RUNS {
        let _ = runtime.block_on(shards.task(first_task(number))).unwrap();
    }
    let held = HELD.load(Ordering::Relaxed) - before;
    println!(
        "{RUNS} cached runs that wait for a signal hold {} bytes each",
        held / RUNS as i64
    );
}
