//! Random pieces of workflows.

use crate::random::Random;
use serde::{Deserialize, Serialize};

/// A piece of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Step {
    /// An activity; the number says how it behaves and how it is cancelled.
    Activity(u8),
    Local(u8),
    /// Seconds.
    Timer(u64),
    Child(u8),
    /// A child that is sent a signal once it has started.
    SignalledChild(u8),
    /// A signal to another program, which may have ended or not exist.
    Signal(u64),
    /// The cancellation of one that does not exist.
    CancelExternal,
    /// Waits for so many signals.
    Bumps(u32),
    BumpsOrTimer(u32),
    /// An activity that the run's randomness chooses.
    Random,
    SideEffect,
    Patch(u8),
    Version(u8),
    Memo(u8),
    Sequence(Vec<Step>),
    Join(Vec<Step>),
    /// The losers are dropped.
    Select(Vec<Step>),
    Completed(Vec<Step>),
    Spawned(Box<Step>),
    Timeout(Box<Step>),
    /// The first in a scope that is cancelled when the second ends.
    Scope(Box<Step>, Box<Step>),
    Shielded(Box<Step>),
    /// The first is run, whatever became of it the second, where no cancellation reaches.
    Cleanup(Box<Step>, Box<Step>),
    Detached(u8),
}

impl Step {
    /// A step that holds others to this depth.
    pub(crate) fn random(random: &mut Random, depth: u32) -> Self {
        let kinds = if depth == 0 { 17 } else { 28 };
        match random.kind(kinds) {
            0 | 1 => Self::Activity(random.kind(12)),
            2 | 3 => Self::Local(random.kind(4)),
            4 => Self::Timer(random.below(100)),
            5 => Self::Child(random.kind(21)),
            6 => Self::SignalledChild(random.kind(6)),
            7 => Self::Signal(random.below(3)),
            8 => Self::CancelExternal,
            9 => Self::Bumps(1 + u32::from(random.kind(3))),
            10 => Self::BumpsOrTimer(1 + u32::from(random.kind(5))),
            11 => Self::Random,
            12 => Self::SideEffect,
            13 => Self::Patch(random.kind(3)),
            14 => Self::Version(random.kind(2)),
            15 => Self::Memo(random.kind(3)),
            16 => Self::Detached(random.kind(4)),
            17 | 18 => Self::Sequence(Self::some(random, depth)),
            19 => Self::Join(Self::some(random, depth)),
            20 | 21 => Self::Select(Self::some(random, depth)),
            22 => Self::Completed(Self::some(random, depth)),
            23 => Self::Spawned(Self::boxed(random, depth)),
            24 => Self::Timeout(Self::boxed(random, depth)),
            25 => Self::Scope(Self::boxed(random, depth), Self::boxed(random, depth)),
            26 => Self::Shielded(Self::boxed(random, depth)),
            _ => Self::Cleanup(Self::boxed(random, depth), Self::boxed(random, depth)),
        }
    }

    fn boxed(random: &mut Random, depth: u32) -> Box<Self> {
        Box::new(Self::random(random, depth - 1))
    }

    fn some(random: &mut Random, depth: u32) -> Vec<Self> {
        let count = 1 + random.kind(3);
        (0..count).map(|_| Self::random(random, depth - 1)).collect()
    }

    /// A program: some steps, one after the other.
    pub(crate) fn program(random: &mut Random) -> Self {
        let count = 1 + random.kind(3);
        Self::Sequence((0..count).map(|_| Self::random(random, 3)).collect())
    }
}
