//! What machines emit into: jobs for the workflow's code and commands for the server.

use crate::{
    ActivitySeq, CancelExternalSeq, ChildSeq, Job, LocalActivitySeq, NexusSeq, SideEffectSeq, SignalExternalSeq,
    TimerSeq,
};
use alloc::collections::VecDeque;

/// What the workflow's code asked for, as a name that is cheap to queue: the machine behind it owns the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandKey {
    ScheduleActivity(ActivitySeq),
    CancelActivity(ActivitySeq),
    LocalActivityMarker(LocalActivitySeq),
    StartTimer(TimerSeq),
    CancelTimer(TimerSeq),
    StartChild(ChildSeq),
    CancelChild(ChildSeq),
    SignalExternal(SignalExternalSeq),
    CancelExternal(CancelExternalSeq),
    ScheduleNexus(NexusSeq),
    CancelNexus(NexusSeq),
    PatchMarker(u32),
    PatchAttributes(u32),
    SideEffectMarker(SideEffectSeq),
    MutableSideEffectMarker(u32),
    UpsertSearchAttributes(u32),
    UpsertMemo(u32),
    AcceptUpdate(u32),
    CompleteUpdate(u32),
    Close,
}

/// Jobs and commands in the order in which they came up.
#[derive(Debug, Default)]
pub(crate) struct Output {
    jobs: VecDeque<Job>,
    commands: VecDeque<CommandKey>,
}

impl Output {
    /// Tells the workflow's code.
    pub(crate) fn job(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    pub(crate) fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// Gives the room for jobs back: between tasks there are none.
    pub(crate) fn release(&mut self) {
        self.jobs = VecDeque::new();
    }

    pub(crate) fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Asks the server. A closing command stays the last.
    pub(crate) fn command(&mut self, key: CommandKey) {
        if self.commands.back() == Some(&CommandKey::Close) {
            self.commands.insert(self.commands.len() - 1, key);
        } else {
            self.commands.push_back(key);
        }
    }

    /// Takes a command back that neither left nor was found in history yet.
    pub(crate) fn retract(&mut self, key: CommandKey) {
        if let Some(index) = self.commands.iter().rposition(|queued| *queued == key) {
            self.commands.remove(index);
        }
    }

    /// The command that history has to confirm next.
    pub(crate) fn expected(&self) -> Option<CommandKey> {
        self.commands.front().copied()
    }

    /// History confirmed the expected command.
    pub(crate) fn confirmed(&mut self) {
        self.commands.pop_front();
    }

    pub(crate) fn commands(&self) -> impl Iterator<Item = CommandKey> + '_ {
        self.commands.iter().copied()
    }
}
