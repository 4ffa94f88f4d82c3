//! What the workflow's code asks for.

use super::WorkflowRun;
use super::operations::next;
use super::step::Phase;
use crate::machines::{Activity, Address, CancelExternal, Child, End, Nexus, Signal, Timer};
use crate::{
    ActivitySeq, CancelExternalSeq, ChildSeq, ContinueAsNew, ExternalTarget, LocalActivitySeq, NexusSeq, QueryId,
    ScheduleActivity, ScheduleLocalActivity, ScheduleNexus, SideEffectSeq, SignalExternal, SignalExternalSeq,
    StartChild, StartTimer, TimerSeq,
};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::failure::v1::Failure;

impl WorkflowRun {
    /// Whether a command counts here: the code works off a batch, answers no query, and has not closed the run.
    fn accepts(&mut self, command: &str) -> bool {
        self.accepts_last(command) && (!self.is_closed() || self.flags.moves_terminal_commands())
    }

    /// As `accepts`, for what still counts when the run is closed: the end of an update.
    fn accepts_last(&mut self, command: &str) -> bool {
        self.task.queries.misused(command);
        matches!(self.phase, Phase::Running { .. }) && !self.task.queries.is_answering()
    }

    /// Schedules an activity. Its end comes as a job.
    pub fn schedule_activity(&mut self, command: ScheduleActivity) -> ActivitySeq {
        if !self.accepts("schedule_activity") {
            return ActivitySeq(0);
        }
        let seq = ActivitySeq(next(&mut self.operations.last.activity));
        let activity = Activity::schedule(seq, command, &mut self.out);
        self.operations.activities.insert(seq.0, activity);
        seq
    }

    /// Cancels an activity as its cancellation type says. The end comes as a job: at once for `TryCancel` and `Abandon`,
    /// else when the server tells it. Spurious calls do nothing.
    pub fn cancel_activity(&mut self, seq: ActivitySeq) {
        if self.accepts("cancel_activity") {
            let out = &mut self.out;
            self.operations
                .activities
                .step(seq.0, |activity| activity.cancel(seq, out));
        }
    }

    /// Schedules a local activity: the worker runs it inside the workflow task. Its end comes as a job.
    pub fn schedule_local_activity(&mut self, command: ScheduleLocalActivity) -> LocalActivitySeq {
        if !self.accepts("schedule_local_activity") {
            return LocalActivitySeq(0);
        }
        let seq = LocalActivitySeq(next(&mut self.operations.last.activity));
        self.operations
            .local_activities
            .schedule(seq, command, self.position.now);
        seq
    }

    /// Cancels a local activity as its cancellation type says. The end comes as a job. Spurious calls do nothing.
    pub fn cancel_local_activity(&mut self, seq: LocalActivitySeq) {
        if self.accepts("cancel_local_activity") {
            self.operations
                .local_activities
                .cancel(seq, self.position.now, &mut self.out);
        }
    }

    /// Starts a timer. That it fired comes as a job.
    pub fn start_timer(&mut self, command: StartTimer) -> TimerSeq {
        if !self.accepts("start_timer") {
            return TimerSeq(0);
        }
        let seq = TimerSeq(next(&mut self.operations.last.timer));
        let timer = Timer::start(seq, command, &mut self.out);
        self.operations.timers.insert(seq.0, timer);
        seq
    }

    /// Cancels a timer. The timer's future ends as cancelled by the caller itself: no job comes.
    pub fn cancel_timer(&mut self, seq: TimerSeq) {
        if self.accepts("cancel_timer") {
            let out = &mut self.out;
            self.operations.timers.step(seq.0, |timer| timer.cancel(seq, out));
        }
    }

    /// Starts a child workflow. That it started, and its end, come as jobs.
    pub fn start_child(&mut self, command: StartChild) -> ChildSeq {
        if !self.accepts("start_child") {
            return ChildSeq(0);
        }
        let seq = ChildSeq(next(&mut self.operations.last.child));
        let child = Child::start(seq, command, &mut self.out);
        self.operations.children.insert(seq.0, child);
        seq
    }

    /// Cancels a child workflow as its cancellation type says. The end comes as a job: `ChildStarted` with a cancelled
    /// failure if it had not started, else `ChildResolved`. Spurious calls do nothing.
    pub fn cancel_child(&mut self, seq: ChildSeq, reason: &str) {
        if self.accepts("cancel_child") {
            let out = &mut self.out;
            self.operations
                .children
                .step(seq.0, |child| child.cancel(seq, reason, out));
        }
    }

    /// Signals another workflow. Whether it was delivered comes as a job.
    pub fn signal_external(&mut self, command: SignalExternal) -> SignalExternalSeq {
        if !self.accepts("signal_external") {
            return SignalExternalSeq(0);
        }
        let seq = SignalExternalSeq(next(&mut self.operations.last.signal));
        let address = self.address(command.target.clone());
        let signal = Signal::request(seq, address, command, &mut self.out);
        self.operations.signals.insert(seq.0, signal);
        seq
    }

    /// Takes a signal back that was not sent yet. If it was, it goes on and resolves by a job.
    pub fn cancel_signal_external(&mut self, seq: SignalExternalSeq) {
        if self.accepts("cancel_signal_external") {
            let out = &mut self.out;
            self.operations.signals.step(seq.0, |signal| signal.cancel(seq, out));
        }
    }

    /// Asks another workflow to cancel. Whether the request was delivered comes as a job.
    pub fn cancel_external(&mut self, target: ExternalTarget, reason: &str) -> CancelExternalSeq {
        if !self.accepts("cancel_external") {
            return CancelExternalSeq(0);
        }
        let seq = CancelExternalSeq(next(&mut self.operations.last.cancel));
        let address = self.address(target);
        let cancel = CancelExternal::request(seq, address, reason.to_string(), &mut self.out);
        self.operations.cancels.insert(seq.0, cancel);
        seq
    }

    fn address(&self, target: ExternalTarget) -> Address {
        match target {
            ExternalTarget::Child(seq) => self
                .operations
                .children
                .get(seq.0)
                .map(Child::address)
                .unwrap_or_default(),
            ExternalTarget::Workflow {
                namespace,
                workflow_id,
                run_id,
            } => Address {
                namespace,
                workflow_id,
                run_id,
                child_only: false,
            },
        }
    }

    /// Schedules a Nexus operation. That it started, and its end, come as jobs.
    pub fn schedule_nexus(&mut self, command: ScheduleNexus) -> NexusSeq {
        if !self.accepts("schedule_nexus") {
            return NexusSeq(0);
        }
        let seq = NexusSeq(next(&mut self.operations.last.nexus));
        let nexus = Nexus::schedule(seq, command, &mut self.out);
        self.operations.nexus.insert(seq.0, nexus);
        seq
    }

    /// Cancels a Nexus operation as its cancellation type says. The end comes as a job: `NexusStarted` with a failure if
    /// it had not started, else `NexusResolved`. Spurious calls do nothing.
    pub fn cancel_nexus(&mut self, seq: NexusSeq) {
        if self.accepts("cancel_nexus") {
            let out = &mut self.out;
            self.operations.nexus.step(seq.0, |nexus| nexus.cancel(seq, out));
        }
    }

    /// Whether the code behind this patch runs: always in new histories; in replay if history holds the marker.
    ///
    /// Code that goes on after it closed the run is new where it was not asked before, since nothing of it is recorded.
    pub fn patched(&mut self, id: &str, deprecated: bool) -> bool {
        if !self.accepts("patched") {
            return self.operations.patches.answer(id).unwrap_or(self.is_closed());
        }
        let recorded = self.phase == Phase::Running { recorded: true };
        self.operations.patches.call(id, deprecated, recorded, &mut self.out)
    }

    /// Begins a side effect: the value that history holds for it. `None`: make it, and hand it to
    /// [`record_side_effect`](Self::record_side_effect).
    pub fn side_effect(&mut self) -> (SideEffectSeq, Option<Payload>) {
        if !self.accepts("side_effect") {
            return (SideEffectSeq(0), None);
        }
        let seq = SideEffectSeq(next(&mut self.operations.last.side_effect));
        let value = self.operations.side_effects.call(seq, &mut self.out);
        (seq, value)
    }

    /// The value of a side effect that history does not hold yet. A marker will remember it.
    pub fn record_side_effect(&mut self, seq: SideEffectSeq, value: Payload) {
        if seq.0 != 0 && self.accepts("record_side_effect") {
            self.operations.side_effects.record(seq, value, &mut self.out);
        }
    }

    /// Begins a side effect by id, whose value may change from call to call: the value that is history's for this call.
    /// `None`: make it, and hand it to [`record_mutable_side_effect`](Self::record_mutable_side_effect).
    pub fn mutable_side_effect(&mut self, id: &str) -> Option<Payload> {
        if !self.accepts("mutable_side_effect") {
            return None;
        }
        let recorded = self.phase == Phase::Running { recorded: true };
        self.operations.mutable_side_effects.call(id, recorded, &mut self.out)
    }

    /// The value of a mutable side effect that history does not hold. A marker will remember it if it changed.
    pub fn record_mutable_side_effect(&mut self, id: &str, value: Payload) {
        if self.accepts("record_mutable_side_effect") {
            self.operations.mutable_side_effects.record(id, value, &mut self.out);
        }
    }

    /// Upserts search attributes; a null payload removes one.
    pub fn upsert_search_attributes(&mut self, attributes: BTreeMap<String, Payload>) {
        if self.accepts("upsert_search_attributes") {
            self.operations
                .properties
                .upsert_search_attributes(attributes, &mut self.out);
        }
    }

    /// Upserts memo fields; a null payload removes a key.
    pub fn upsert_memo(&mut self, fields: BTreeMap<String, Payload>) {
        if self.accepts("upsert_memo") {
            self.operations.properties.upsert_memo(fields, &mut self.out);
        }
    }

    /// Accepts an update: from now on history holds it.
    pub fn accept_update(&mut self, protocol_instance_id: &str) {
        if self.accepts_last("accept_update") {
            self.operations.updates.accept(protocol_instance_id, &mut self.out);
        }
    }

    /// Rejects an update that is not accepted yet: history will not hold it.
    pub fn reject_update(&mut self, protocol_instance_id: &str, failure: Failure) {
        if self.accepts_last("reject_update") {
            self.operations.updates.reject(protocol_instance_id, failure);
        }
    }

    /// Ends an accepted update. It still counts in the task in which the run was closed.
    pub fn complete_update(&mut self, protocol_instance_id: &str, result: Result<Option<Payload>, Failure>) {
        if self.accepts_last("complete_update") {
            self.operations
                .updates
                .complete(protocol_instance_id, result, &mut self.out);
        }
    }

    /// Answers the query at hand, or one of this task.
    pub fn answer_query(&mut self, id: &QueryId, result: Result<Option<Payload>, Failure>) {
        self.task.queries.answer(id, result);
    }

    /// Closes the run with a result.
    pub fn complete(&mut self, result: Option<Payload>) {
        self.close("complete", End::Complete(result.map(Box::new)));
    }

    /// Closes the run with a failure.
    pub fn fail(&mut self, failure: Failure) {
        self.close("fail", End::Fail(Box::new(failure)));
    }

    /// Closes the run as cancelled.
    pub fn cancel(&mut self) {
        self.close("cancel", End::Cancel);
    }

    /// Closes the run and starts the next one.
    pub fn continue_as_new(&mut self, command: ContinueAsNew) {
        self.close("continue_as_new", End::ContinueAsNew(Box::new(command)));
    }

    fn close(&mut self, command: &str, end: End) {
        if self.accepts_last(command) && !self.is_closed() {
            self.operations.closing.request(end, &mut self.out);
            self.operations.local_activities.close();
        }
    }
}
