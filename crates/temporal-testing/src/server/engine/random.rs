//! The engine's own source of randomness.

use std::time::Duration;

use uuid::Uuid;

use super::time::Time;

/// A seeded generator (SplitMix64): the same seed gives the same ids.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random duration below `end`; zero when that is zero.
    pub(super) fn below(&mut self, end: Duration) -> Duration {
        if end.is_zero() {
            return Duration::ZERO;
        }
        let nanos = u64::try_from(end.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.next() % nanos)
    }

    /// A random UUID (version 4).
    pub(super) fn uuid4(&mut self) -> Uuid {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// A UUID ordered by time (version 7).
    pub(super) fn uuid7(&mut self, now: Time) -> Uuid {
        let bits = ((u128::from(self.next()) << 64) | u128::from(self.next())).to_be_bytes();
        let mut tail = [0; 10];
        tail.copy_from_slice(&bits[..10]);
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_of_valid_uuids() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        let now = Time::from_millis(1_700_000_000_000);
        assert_eq!(a.uuid4(), b.uuid4());
        let id = a.uuid7(now);
        assert_eq!(id, b.uuid7(now));
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(a.uuid4().get_version_num(), 4);
        assert_ne!(Random::new(8).uuid4(), Random::new(7).uuid4());
    }
}
