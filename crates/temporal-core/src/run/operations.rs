//! All machines of a run.

use crate::machines::{
    Activity, CancelExternal, Child, Closing, LocalActivities, LocalMarker, MutableSideEffects, Nexus, Patches,
    Properties, SideEffects, Signal, Table, Timer, Updates,
};
use crate::{ActivitySeq, CancelExternalSeq, ChildSeq, NexusSeq, SignalExternalSeq, TimerSeq};
use alloc::collections::{BTreeMap, VecDeque};

#[derive(Debug, Default)]
pub(super) struct Operations {
    pub(super) activities: Table<Activity>,
    pub(super) timers: Table<Timer>,
    pub(super) children: Table<Child>,
    pub(super) signals: Table<Signal>,
    pub(super) cancels: Table<CancelExternal>,
    pub(super) nexus: Table<Nexus>,
    pub(super) local_activities: LocalActivities,
    pub(super) patches: Patches,
    pub(super) side_effects: SideEffects,
    pub(super) mutable_side_effects: MutableSideEffects,
    pub(super) properties: Properties,
    pub(super) updates: Updates,
    pub(super) closing: Closing,
    /// By the event that made them known.
    pub(super) by_event: BTreeMap<i64, Operation>,
    /// Markers of local activities in the batch being applied.
    pub(super) markers: VecDeque<LocalMarker>,
    pub(super) last: LastNumbers,
}

/// The last number given out, by kind.
#[derive(Debug, Default)]
pub(super) struct LastNumbers {
    /// Shared by activities and local activities, as in the whole Core family: ids in its histories come from it.
    pub(super) activity: u32,
    pub(super) timer: u32,
    pub(super) child: u32,
    pub(super) signal: u32,
    pub(super) cancel: u32,
    pub(super) nexus: u32,
    pub(super) side_effect: u32,
}

/// Whose event it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Activity(ActivitySeq),
    Timer(TimerSeq),
    Child(ChildSeq),
    ChildCancel(ChildSeq),
    Signal(SignalExternalSeq),
    Cancel(CancelExternalSeq),
    Nexus(NexusSeq),
}

/// Gives the next number of a kind.
pub(super) fn next(last: &mut u32) -> u32 {
    *last += 1;
    *last
}
