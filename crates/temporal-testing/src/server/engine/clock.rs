//! Real time in, virtual time out.

use std::time::Duration;

use super::config::TimeMode;
use super::time::Time;

/// Maps real time to the virtual time that events and timers live in.
///
/// Virtual time is real time plus an offset that only ever grows: it runs with the wall clock and jumps ahead when time is
/// skipped. A clock holds no reference to the engine, so each run could have its own.
#[derive(Clone, Debug)]
pub struct Clock {
    /// How far virtual time is ahead of real time, in nanoseconds.
    ahead: i64,
    /// `None`: time never skips. `Some(n)`: it may while `n` is zero.
    locks: Option<u32>,
}

impl Clock {
    /// A clock that shows real time so far.
    pub fn new(mode: TimeMode) -> Self {
        let locks = match mode {
            TimeMode::Real => None,
            TimeMode::Skipping { initial_locks } => Some(initial_locks),
        };
        Clock { ahead: 0, locks }
    }

    /// The virtual time at a real time.
    pub fn at(&self, real: Time) -> Time {
        real.shifted(self.ahead)
    }

    /// The real time at which the clock shows `virtual_time`, if nothing is skipped.
    pub fn real(&self, virtual_time: Time) -> Time {
        if virtual_time == Time::MAX {
            Time::MAX
        } else {
            virtual_time.shifted(-self.ahead)
        }
    }

    /// Whether this clock was made to skip time at all.
    pub fn can_skip(&self) -> bool {
        self.locks.is_some()
    }

    /// Whether no lock holds time now.
    pub fn is_unlocked(&self) -> bool {
        self.locks == Some(0)
    }

    /// Takes a lock; false when this clock does not skip.
    pub(super) fn lock(&mut self) -> bool {
        self.locks = self.locks.map(|locks| locks.saturating_add(1));
        self.can_skip()
    }

    /// Gives a lock back; false when there was none to give.
    pub(super) fn unlock(&mut self) -> bool {
        match self.locks {
            Some(locks @ 1..) => {
                self.locks = Some(locks - 1);
                true
            }
            Some(0) | None => false,
        }
    }

    /// Jumps so that the clock shows at least `target` at the real time `real`; returns how far it jumped.
    pub(super) fn jump(&mut self, real: Time, target: Time) -> Duration {
        let distance = target.since(self.at(real));
        self.ahead = self
            .ahead
            .saturating_add(i64::try_from(distance.as_nanos()).unwrap_or(i64::MAX));
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_moves_virtual_time_once_and_it_runs_on_with_the_wall_clock() {
        let mut clock = Clock::new(TimeMode::Skipping { initial_locks: 1 });
        assert!(!clock.is_unlocked());
        assert!(clock.unlock());
        assert!(!clock.unlock(), "an unlock too many changes nothing");
        let start = Time::from_millis(1_000);
        assert_eq!(clock.jump(start, Time::from_millis(61_000)), Duration::from_secs(60));
        assert_eq!(clock.jump(start, Time::from_millis(5_000)), Duration::ZERO);
        assert_eq!(clock.at(Time::from_millis(1_500)), Time::from_millis(61_500));
        assert_eq!(clock.real(Time::from_millis(61_500)), Time::from_millis(1_500));
    }
}
