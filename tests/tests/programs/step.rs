//! Random pieces of workflows.

use crate::random::Random;
use serde::{Deserialize, Serialize};

/// A piece of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Step {
    /// An activity; the number says how it behaves and how it is cancelled.
    Activity(u8),
    Local(Local),
    /// Seconds.
    Timer(u64),
    Child(Kid),
    /// A child that is sent a signal once it has started.
    SignalledChild(Kid),
    /// A child that nobody waits for.
    DetachedChild(Kid),
    /// A signal to a program, which may have ended or not exist.
    Signal(Other),
    Cancel(Other),
    /// Waits for so many signals.
    Bumps(u32),
    BumpsOrTimer(u32),
    /// Waits until no handler runs.
    Handlers,
    /// An activity that the run's randomness chooses.
    Random,
    SideEffect,
    Patch(u8),
    DeprecatedPatch(u8),
    Version(u8),
    Memo(u8),
    Attribute(u8),
    DetachedActivity(u8),
    DetachedTimer,
    Nexus(Call),
    DetachedNexus(Call),
    /// Sets what is watched.
    Set(u8),
    /// Waits until what is watched is so much.
    Reached(u8),
    /// Waits until the program was told of all that came with the task.
    Delivered,
    /// Wakes one that waits, or all.
    Notify(bool),
    Notified,
    Send(u8),
    Receive,
    Sequence(Vec<Step>),
    Join(Vec<Step>),
    /// The losers are dropped.
    Select(Vec<Step>),
    Completed(Vec<Step>),
    /// One of them, drawn in one of several ways.
    Choice(u8, Vec<Step>),
    Spawned(Box<Step>),
    Timeout(Box<Step>),
    /// The first in a scope that is cancelled when the second ends.
    Scope(Box<Step>, Box<Step>),
    /// An operation that is cancelled by its handle once the step has ended.
    Cancelled(Handle, Box<Step>),
    Shielded(Box<Step>),
    /// The first is run, whatever became of it the second, where no cancellation reaches.
    Cleanup(Box<Step>, Box<Step>),
    /// A child that is a program itself.
    Program(Box<Step>),
    /// A program is told to run this, too.
    Tell(Other, Box<Step>),
    /// While it holds what only one may hold.
    Locked(Box<Step>),
    /// While it holds so many permits.
    Permitted(u8, Box<Step>),
    /// Tasks that are waited for as a group.
    Group(Vec<Step>),
    /// Tasks that send what they give through a channel with so much room, of which so many values are received.
    Piped(u8, u8, Vec<Step>),
}

/// A local activity: what it does, and how it is cancelled.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Local {
    pub(crate) does: u8,
    pub(crate) cancellation: u8,
}

impl Local {
    fn random(random: &mut Random) -> Self {
        Self {
            does: random.kind(7),
            cancellation: random.kind(3),
        }
    }
}

/// A Nexus operation: what becomes of it, and how it is cancelled.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) does: u8,
    pub(crate) cancellation: u8,
}

impl Call {
    fn random(random: &mut Random) -> Self {
        Self {
            does: random.kind(11),
            cancellation: random.kind(4),
        }
    }
}

/// A child: what it does, how it is cancelled, what becomes of it when its parent ends, and whether its id is one that
/// others may have.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Kid {
    pub(crate) does: u8,
    pub(crate) cancellation: u8,
    pub(crate) closing: u8,
    pub(crate) namesake: bool,
}

impl Kid {
    fn random(random: &mut Random) -> Self {
        Self {
            does: random.kind(8),
            cancellation: random.kind(4),
            closing: random.kind(4),
            namesake: random.once_in(3),
        }
    }
}

/// A workflow that a program has to do with.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Other {
    Itself,
    /// That of another seed.
    Neighbour(u64),
    Nobody,
}

impl Other {
    fn random(random: &mut Random) -> Self {
        match random.below(4) {
            0 => Self::Itself,
            number @ (1 | 2) => Self::Neighbour(number),
            _ => Self::Nobody,
        }
    }

    /// Cancellation of programs is rare, so that most come to an end of their own.
    fn cancelled(random: &mut Random) -> Self {
        if random.once_in(3) {
            Self::random(random)
        } else {
            Self::Nobody
        }
    }
}

/// An operation with a handle.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Handle {
    Timer,
    Activity(u8),
    Local(Local),
    Child(Kid),
    Nexus(Call),
}

impl Handle {
    fn random(random: &mut Random) -> Self {
        match random.below(9) {
            0 => Self::Timer,
            // Of those that heartbeat.
            1..=3 => Self::Activity(9 + random.kind(3)),
            4 => Self::Local(Local::random(random)),
            5 | 6 => Self::Child(Kid::random(random)),
            7 => Self::Nexus(Call::random(random)),
            // Of those that take a while and can be cancelled.
            _ => Self::Nexus(Call {
                does: [4, 9, 10][usize::from(random.kind(3))],
                ..Call::random(random)
            }),
        }
    }
}

/// How many kinds of steps hold no others.
const PLAIN: u8 = 32;

impl Step {
    /// A step that holds others to this depth.
    pub(crate) fn random(random: &mut Random, depth: u32) -> Self {
        let kinds = if depth == 0 { PLAIN } else { 55 };
        match random.kind(kinds) {
            kind if kind < PLAIN => Self::plain(random, kind),
            32..=34 => Self::Sequence(Self::some(random, depth)),
            35 => Self::Join(Self::some(random, depth)),
            36 | 37 => Self::Select(Self::some(random, depth)),
            38 => Self::Completed(Self::some(random, depth)),
            39 => Self::Choice(random.kind(7), Self::some(random, depth)),
            40 => Self::Spawned(Self::boxed(random, depth)),
            41 => Self::Timeout(Self::boxed(random, depth)),
            42 => Self::Scope(Self::boxed(random, depth), Self::boxed(random, depth)),
            43 | 44 => Self::Cancelled(Handle::random(random), Self::boxed(random, depth)),
            45 => Self::Shielded(Self::boxed(random, depth)),
            46 => Self::Cleanup(Self::boxed(random, depth), Self::boxed(random, depth)),
            47 => Self::Program(Self::boxed(random, depth)),
            48 => Self::Tell(Other::random(random), Box::new(Self::random(random, 0))),
            49 => Self::Locked(Self::boxed(random, depth)),
            50 => Self::Permitted(1 + random.kind(3), Self::boxed(random, depth)),
            51 => Self::Group(Self::some(random, depth)),
            52 => Self::Piped(random.kind(4), random.kind(4), Self::some(random, depth)),
            53 => Self::Join(vec![
                Self::Reached(1 + random.kind(4)),
                Self::Sequence(vec![Self::random(random, depth - 1), Self::Set(4)]),
            ]),
            _ => Self::Join(vec![
                Self::Locked(Self::boxed(random, depth)),
                Self::Locked(Self::boxed(random, depth)),
            ]),
        }
    }

    /// A step that holds no others.
    fn plain(random: &mut Random, kind: u8) -> Self {
        match kind {
            0 | 1 => Self::Activity(random.kind(12)),
            2 | 3 => Self::Local(Local::random(random)),
            4 => Self::Timer(random.below(100)),
            5 => Self::Child(Kid::random(random)),
            6 => Self::SignalledChild(Kid::random(random)),
            7 => Self::DetachedChild(Kid::random(random)),
            8 => Self::Signal(Other::random(random)),
            9 => Self::Cancel(Other::cancelled(random)),
            10 => Self::Bumps(1 + u32::from(random.kind(3))),
            11 => Self::BumpsOrTimer(1 + u32::from(random.kind(5))),
            12 => Self::Random,
            13 => Self::SideEffect,
            14 => Self::Patch(random.kind(3)),
            15 => Self::DeprecatedPatch(random.kind(3)),
            16 => Self::Version(random.kind(2)),
            17 => Self::Memo(random.kind(3)),
            18 => Self::Attribute(random.kind(4)),
            19 => Self::DetachedActivity(random.kind(4)),
            20 => Self::DetachedTimer,
            21 => Self::Notify(random.once_in(2)),
            22 => Self::Notified,
            23 => Self::Send(random.kind(9)),
            24 => Self::Receive,
            25 => Self::Handlers,
            26 | 27 => Self::Nexus(Call::random(random)),
            28 => Self::DetachedNexus(Call::random(random)),
            29 => Self::Set(random.kind(5)),
            30 => Self::Reached(1 + random.kind(4)),
            _ => Self::Delivered,
        }
    }

    fn boxed(random: &mut Random, depth: u32) -> Box<Self> {
        Box::new(Self::random(random, depth - 1))
    }

    fn some(random: &mut Random, depth: u32) -> Vec<Self> {
        let count = 1 + random.kind(3);
        (0..count).map(|_| Self::random(random, depth - 1)).collect()
    }

    /// A program: some steps, one after the other or all together.
    pub(crate) fn program(random: &mut Random) -> Self {
        let count = 1 + random.kind(4);
        let steps = (0..count).map(|_| Self::random(random, 3)).collect();
        if random.once_in(3) {
            Self::Join(steps)
        } else {
            Self::Sequence(steps)
        }
    }
}
