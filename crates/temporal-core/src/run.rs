//! One workflow run.

use crate::{
    ActivitySeq, CancelExternalSeq, ChildSeq, ContinueAsNew, ExternalTarget, LocalActivityOutcome,
    LocalActivityRequest, LocalActivitySeq, Next, NexusSeq, Outcome, QueryId, RunError, RunOptions, ScheduleActivity,
    ScheduleLocalActivity, ScheduleNexus, SignalExternal, SignalExternalSeq, StartChild, StartTimer, TimerSeq,
    WorkflowTask,
};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::HistoryEvent;

/// One workflow run.
///
/// - Getters: `now`, `is_replaying`, `history_length` …
/// - `handle_*`: what arrived.
/// - Commands: `schedule_activity`, `start_timer`, … `complete`.
/// - `next_job`, `next_local_activity`, `finish_task`: what to do.
#[derive(Debug)]
pub struct WorkflowRun {}

#[allow(
    missing_docs,
    unused_variables,
    clippy::unimplemented,
    clippy::needless_pass_by_value
)]
impl WorkflowRun {
    // ---- what arrives
    pub fn new(options: RunOptions, task: WorkflowTask) -> Result<Self, RunError> {
        unimplemented!()
    }
    /// The next task of the same run (sticky continuation, or a query).
    pub fn handle_task(&mut self, task: WorkflowTask) -> Result<(), RunError> {
        unimplemented!()
    }
    pub fn handle_history_page(&mut self, events: Vec<HistoryEvent>, more: bool) {
        unimplemented!()
    }
    pub fn handle_local_activity(&mut self, seq: LocalActivitySeq, outcome: LocalActivityOutcome) {
        unimplemented!()
    }

    // ---- what to do
    pub fn next_job(&mut self) -> Result<Next, RunError> {
        unimplemented!()
    }
    /// Local activities to start or cancel now; ask after `next_job` said `Done`. While `waits_for_local_activities`, hand results in and go on with `next_job`.
    pub fn next_local_activity(&mut self) -> Option<LocalActivityRequest> {
        unimplemented!()
    }
    pub fn waits_for_local_activities(&self) -> bool {
        unimplemented!()
    }
    /// Ends the task: what to answer. With local activities still running it is a heartbeat (`force_create_new_workflow_task`).
    pub fn finish_task(&mut self) -> Result<Outcome, RunError> {
        unimplemented!()
    }

    // ---- getters
    /// Start time of the current workflow task since the Unix epoch: the workflow's clock.
    pub fn now(&self) -> Duration {
        unimplemented!()
    }
    pub fn is_replaying(&self) -> bool {
        unimplemented!()
    }
    pub fn history_length(&self) -> u32 {
        unimplemented!()
    }
    pub fn history_size_bytes(&self) -> u64 {
        unimplemented!()
    }
    pub fn continue_as_new_suggested(&self) -> bool {
        unimplemented!()
    }
    pub fn is_closed(&self) -> bool {
        unimplemented!()
    }
    /// Current memo (start, then upserts).
    pub fn memo(&self) -> &BTreeMap<String, Payload> {
        unimplemented!()
    }
    pub fn search_attributes(&self) -> &BTreeMap<String, Payload> {
        unimplemented!()
    }

    // ---- commands
    pub fn schedule_activity(&mut self, command: ScheduleActivity) -> ActivitySeq {
        unimplemented!()
    }
    /// The end comes as a job: at once for `TryCancel` and `Abandon`, else when the server tells it. Spurious calls do nothing.
    pub fn cancel_activity(&mut self, seq: ActivitySeq) {
        unimplemented!()
    }
    pub fn schedule_local_activity(&mut self, command: ScheduleLocalActivity) -> LocalActivitySeq {
        unimplemented!()
    }
    pub fn cancel_local_activity(&mut self, seq: LocalActivitySeq) {
        unimplemented!()
    }
    pub fn start_timer(&mut self, command: StartTimer) -> TimerSeq {
        unimplemented!()
    }
    /// The timer's future ends as cancelled by the caller itself: no job comes.
    pub fn cancel_timer(&mut self, seq: TimerSeq) {
        unimplemented!()
    }
    pub fn start_child(&mut self, command: StartChild) -> ChildSeq {
        unimplemented!()
    }
    pub fn cancel_child(&mut self, seq: ChildSeq, reason: &str) {
        unimplemented!()
    }
    pub fn signal_external(&mut self, command: SignalExternal) -> SignalExternalSeq {
        unimplemented!()
    }
    /// Takes a signal back that was not sent yet. If it was, it goes on and resolves by a job.
    pub fn cancel_signal_external(&mut self, seq: SignalExternalSeq) {
        unimplemented!()
    }
    pub fn cancel_external(&mut self, target: ExternalTarget, reason: &str) -> CancelExternalSeq {
        unimplemented!()
    }
    pub fn schedule_nexus(&mut self, command: ScheduleNexus) -> NexusSeq {
        unimplemented!()
    }
    pub fn cancel_nexus(&mut self, seq: NexusSeq) {
        unimplemented!()
    }
    /// Whether the code behind this patch runs: always in new histories; in replay if history holds the marker.
    pub fn patched(&mut self, id: &str, deprecated: bool) -> bool {
        unimplemented!()
    }
    pub fn upsert_search_attributes(&mut self, attributes: BTreeMap<String, Payload>) {
        unimplemented!()
    }
    /// Upserts memo fields; a null payload removes a key.
    pub fn upsert_memo(&mut self, fields: BTreeMap<String, Payload>) {
        unimplemented!()
    }
    pub fn accept_update(&mut self, protocol_instance_id: &str) {
        unimplemented!()
    }
    pub fn reject_update(&mut self, protocol_instance_id: &str, failure: Failure) {
        unimplemented!()
    }
    pub fn complete_update(&mut self, protocol_instance_id: &str, result: Result<Option<Payload>, Failure>) {
        unimplemented!()
    }
    pub fn answer_query(&mut self, id: &QueryId, result: Result<Option<Payload>, Failure>) {
        unimplemented!()
    }
    pub fn complete(&mut self, result: Option<Payload>) {
        unimplemented!()
    }
    pub fn fail(&mut self, failure: Failure) {
        unimplemented!()
    }
    pub fn cancel(&mut self) {
        unimplemented!()
    }
    pub fn continue_as_new(&mut self, command: ContinueAsNew) {
        unimplemented!()
    }
}
