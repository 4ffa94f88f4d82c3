//! Everything that is due at some virtual time, ordered.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::CallId;
use super::state::RunKey;
use super::time::Time;

/// What a timer of one run is for; a run has at most one timer a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Slot {
    /// The run or execution timeout.
    RunTimeout,
    /// The first workflow task is held back until then (start delay, cron, retry, continue-as-new).
    FirstTask,
    /// The pending workflow task times out (schedule-to-start or start-to-close).
    WorkflowTask,
    /// The earliest of the timers that the workflow started.
    Timers,
    /// The nearest timeout, or the retry, of an activity, by its scheduled event.
    Activity(i64),
    /// The nearest timeout, or the retry, of a Nexus operation, by its scheduled event.
    Nexus(i64),
    /// A query whose worker does not take it, or says nothing, moves on, by its number.
    Query(u64),
    /// The run is forgotten.
    Retention,
}

/// Whether time may be skipped to a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pull {
    /// Something waits for this moment: time jumps to it.
    Awaited,
    /// It only matters if time gets there by itself.
    Passive,
}

/// The owner of a timer and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A timer of a run.
    Run(RunKey, Slot),
    /// A caller of `Sleep` or `SleepUntil` is answered.
    Sleep(CallId),
    /// A task queue's dispatch rate allows another task.
    Dispatch(u64),
}

/// The timer queue: set, clear and pop cost the logarithm of the number of timers.
#[derive(Debug, Default)]
pub(super) struct Timers {
    awaited: BTreeSet<(Time, Timer)>,
    passive: BTreeSet<(Time, Timer)>,
    set: BTreeMap<Timer, (Time, Pull)>,
}

impl Timers {
    fn of(&mut self, pull: Pull) -> &mut BTreeSet<(Time, Timer)> {
        match pull {
            Pull::Awaited => &mut self.awaited,
            Pull::Passive => &mut self.passive,
        }
    }

    /// Sets a timer, replacing what the same timer was set to.
    pub(super) fn set(&mut self, timer: Timer, due: Time, pull: Pull) {
        match self.set.insert(timer, (due, pull)) {
            Some(old) if old == (due, pull) => return,
            Some((old_due, old_pull)) => {
                self.of(old_pull).remove(&(old_due, timer));
            }
            None => {}
        }
        self.of(pull).insert((due, timer));
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.set.contains_key(&timer)
    }

    /// Clears a timer, if it is set.
    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some((due, pull)) = self.set.remove(&timer) {
            self.of(pull).remove(&(due, timer));
        }
    }

    /// Clears all timers of a run.
    pub(super) fn clear_run(&mut self, run: RunKey) {
        let mine: Vec<Timer> = self
            .set
            .range(Timer::Run(run, Slot::RunTimeout)..=Timer::Run(run, Slot::Retention))
            .map(|(timer, _)| *timer)
            .collect();
        for timer in mine {
            self.clear(timer);
        }
    }

    /// When the next timer is due.
    pub(super) fn next(&self) -> Option<Time> {
        [self.awaited.first(), self.passive.first()]
            .into_iter()
            .flatten()
            .map(|(due, _)| *due)
            .min()
    }

    /// When the next timer that time may skip to is due.
    pub(super) fn next_awaited(&self) -> Option<Time> {
        self.awaited.first().map(|(due, _)| *due)
    }

    /// Takes the earliest timer that is due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        let first = [self.awaited.first(), self.passive.first()]
            .into_iter()
            .flatten()
            .min()
            .copied();
        let (_, timer) = first.filter(|(due, _)| *due <= now)?;
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_millis(seconds * 1_000)
    }

    #[test]
    fn timers_fire_in_order_and_a_passive_one_does_not_pull() {
        let mut timers = Timers::default();
        let a = Timer::Run(RunKey(1), Slot::Timers);
        let b = Timer::Run(RunKey(1), Slot::RunTimeout);
        timers.set(a, at(10), Pull::Awaited);
        timers.set(b, at(5), Pull::Passive);
        assert_eq!(timers.next(), Some(at(5)));
        assert_eq!(timers.next_awaited(), Some(at(10)));
        assert_eq!(timers.pop_due(at(4)), None);
        timers.set(a, at(3), Pull::Awaited);
        assert_eq!(timers.pop_due(at(6)), Some(a));
        assert_eq!(timers.pop_due(at(6)), Some(b));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn clearing_a_run_leaves_the_others() {
        let mut timers = Timers::default();
        for run in [1, 2, 3] {
            timers.set(Timer::Run(RunKey(run), Slot::RunTimeout), at(1), Pull::Awaited);
            timers.set(Timer::Run(RunKey(run), Slot::Retention), at(1), Pull::Passive);
        }
        timers.clear_run(RunKey(2));
        let left: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(1))).collect();
        assert_eq!(left.len(), 4);
        assert!(!left.iter().any(|timer| matches!(timer, Timer::Run(RunKey(2), _))));
    }
}
