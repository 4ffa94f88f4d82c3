//! The run's randomness.

use rand::TryRng;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

/// The run's own random numbers: the same in every replay. Get it with [`Context::random`](crate::workflow::Context::random).
///
/// It is a [`rand::Rng`]: `ctx.random().random_range(1..=6)` with `use rand::RngExt`. All handles of a run draw from one
/// stream. The algorithm is xoshiro256++ seeded through SplitMix64, and never changes: what it gave is part of histories.
#[derive(Debug, Clone)]
pub struct Random {
    state: Rc<Cell<[u64; 4]>>,
}

impl Random {
    /// A stream from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: Rc::new(Cell::new(expand(seed))),
        }
    }

    /// Begins the stream anew, for all handles.
    pub(crate) fn reseed(&self, seed: u64) {
        self.state.set(expand(seed));
    }

    /// The next 64 bits.
    pub fn next_u64(&self) -> u64 {
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

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The upper half: the better bits of this generator.
        Ok((Random::next_u64(self) >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(Random::next_u64(self))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
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
    use rand::RngExt;

    #[test]
    fn the_stream_never_changes() {
        let random = Random::new(0);
        // SplitMix64(0) begins with e220a8397b1dcdaf: the reference implementation's value.
        assert_eq!(random.state.get()[0], 0xe220_a839_7b1d_cdaf);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(first, [0x53175d61490b23df, 0x61da6f3dc380d507, 0x5c0fdf91ec9a7bfc]);
    }

    #[test]
    fn it_is_an_rng_and_handles_share_it() {
        let random = Random::new(7);
        let mut handle = random.clone();
        let a: u64 = handle.random();
        random.reseed(7);
        assert_eq!(a, random.next_u64());
        let dice: u8 = handle.random_range(1..=6);
        assert!((1..=6).contains(&dice));
    }
}
