//! The run's randomness.

use crate::workflow::run::Run;
use rand::TryRng;
use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;

/// The run's own random numbers: the same in every replay. Get it with [`Context::random`](crate::workflow::Context::random).
///
/// It is a [`rand::Rng`]: `ctx.random().random_range(1..=6)` with `use rand::RngExt`. All handles of a run draw from one
/// stream. The algorithm is xoshiro256++ seeded through SplitMix64, and never changes: what it gave is part of histories.
///
/// Code that may only look (queries, validators, side effects) cannot draw: it does not run again in a replay.
///
/// ```
/// use rand::RngExt as _;
/// use rand::seq::{IndexedRandom as _, SliceRandom as _};
/// use temporal_sdk::workflow;
///
/// #[workflow]
/// async fn draws(ctx: &workflow::Context, mut names: Vec<String>) -> workflow::Result<Option<String>> {
///     let mut random = ctx.random();
///     if random.random_bool(0.5) {
///         names.shuffle(&mut random);
///     }
///     let percent = random.random_range(1..=100);
///     ctx.set_current_details(format!("drew {percent} %"));
///     Ok(names.choose(&mut random).cloned())
/// }
/// ```
#[derive(Clone)]
pub struct Random {
    run: Run,
}

impl Random {
    /// The stream of a run.
    pub(crate) fn of(run: &Run) -> Self {
        Self { run: Rc::clone(run) }
    }

    /// The next 64 bits.
    pub fn next_u64(&self) -> u64 {
        self.stream().next_u64()
    }

    /// The stream, which is drawn from now.
    fn stream(&self) -> &Stream {
        // Code that outlives its run may draw: there is nothing left to change.
        let _ = self.run.may_act("random");
        &self.run.random
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The upper half: the better bits of this generator.
        Ok((self.stream().next_u64() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.stream().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.stream().fill(bytes);
        Ok(())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Random").finish_non_exhaustive()
    }
}

/// The numbers behind it.
#[derive(Debug)]
pub(crate) struct Stream {
    state: Cell<[u64; 4]>,
}

impl Stream {
    /// A stream from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: Cell::new(expand(seed)),
        }
    }

    /// Begins the stream anew.
    pub(crate) fn reseed(&self, seed: u64) {
        self.state.set(expand(seed));
    }

    /// The next 64 bits.
    pub(crate) fn next_u64(&self) -> u64 {
        let [mut a, mut b, mut c, mut d] = self.state.get();
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= shifted;
        d = d.rotate_left(45);
        self.state.set([a, b, c, d]);
        result
    }

    /// Fills `bytes`, eight at a time, least significant first.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Four words from one, by SplitMix64.
fn expand(seed: u64) -> [u64; 4] {
    let mut state = seed;
    [(); 4].map(|()| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For tests that draw lots themselves.
    impl TryRng for Stream {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok((Stream::next_u64(self) >> 32) as u32)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(Stream::next_u64(self))
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            self.fill(bytes);
            Ok(())
        }
    }

    #[test]
    fn the_stream_never_changes() {
        let stream = Stream::new(0);
        // SplitMix64(0) begins with e220a8397b1dcdaf: the reference implementation's value.
        assert_eq!(stream.state.get()[0], 0xe220_a839_7b1d_cdaf);
        let first: Vec<u64> = (0..3).map(|_| stream.next_u64()).collect();
        assert_eq!(first, [0x53175d61490b23df, 0x61da6f3dc380d507, 0x5c0fdf91ec9a7bfc]);
    }
}
