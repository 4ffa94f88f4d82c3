//! The end of a task.

use super::step::Phase;
use super::{Settling, WorkflowRun};
use crate::machines::{CancelExternal, Nexus, Signal};
use crate::output::CommandKey;
use crate::{Completion, Outcome, QueryId, RunError};
use alloc::vec::Vec;
use temporal_protos::api::command::v1::Command;
use temporal_protos::api::common::v1::Memo;
use temporal_protos::api::enums::v1::CommandType;
use temporal_protos::api::protocol::v1::Message;

impl WorkflowRun {
    /// Ends the task: what to answer. With local activities still running it is a heartbeat
    /// (`force_create_new_workflow_task`).
    ///
    /// # Errors
    /// When the run has failed, or `next_job` did not say `Done`.
    pub fn finish_task(&mut self) -> Result<Outcome, RunError> {
        if let Some(failed) = &self.failed {
            return Err((**failed).clone());
        }
        if self.phase == Phase::Idle || self.phase == Phase::Between || self.out.has_jobs() {
            return Err(RunError::Misuse("call finish_task once after next_job said Done"));
        }
        self.task.queries.end_answering();
        self.history.release();
        self.out.release();
        let live = self.phase == Phase::Running { recorded: false };
        if self.task.replay {
            self.phase = Phase::Idle;
            return Ok(Outcome::Replayed);
        }
        if !live {
            self.phase = Phase::Idle;
            let answer = self.task.queries.take_direct().unwrap_or_default();
            return Ok(Outcome::Query(QueryId::Direct, answer));
        }
        let force_create_new_workflow_task = self.waits_for_local_activities();
        self.phase = Phase::Idle;
        let mut messages = self.operations.updates.take_rejections();
        let commands = self.send_commands(&mut messages);
        let upserts = |command: &Command| command.command_type() == CommandType::ModifyWorkflowProperties;
        let changed_memo = commands.iter().any(upserts).then(|| Memo {
            fields: self.memo().clone(),
        });
        self.position.unconfirmed = true;
        // Where the code was told that this is all, a task that also brings what came later would be another one.
        let alone = self.task.settling == Settling::Told;
        self.position.discardable = commands.is_empty() && !force_create_new_workflow_task && !alone;
        Ok(Outcome::Completed(Completion {
            commands,
            messages,
            query_results: self.task.queries.take_attached(),
            sdk_metadata: self.flags.news(&self.options),
            force_create_new_workflow_task,
            changed_memo,
            closes_workflow: self.is_closed(),
        }))
    }

    /// Every command goes out, and stays expected until history confirms it.
    fn send_commands(&mut self, messages: &mut Vec<Message>) -> Vec<Command> {
        let keys: Vec<CommandKey> = self.out.commands().collect();
        keys.into_iter()
            .filter_map(|key| self.send_command(key, messages))
            .collect()
    }

    fn send_command(&mut self, key: CommandKey, messages: &mut Vec<Message>) -> Option<Command> {
        let (operations, own) = (&mut self.operations, &self.own);
        match key {
            CommandKey::ScheduleActivity(seq) | CommandKey::CancelActivity(seq) => {
                operations.activities.send(seq.0, |activity| activity.send(seq, own))
            }
            CommandKey::LocalActivityMarker(seq) => operations.local_activities.send(seq),
            CommandKey::StartTimer(seq) | CommandKey::CancelTimer(seq) => {
                operations.timers.send(seq.0, |timer| timer.send(seq))
            }
            CommandKey::StartChild(seq) | CommandKey::CancelChild(seq) => {
                operations.children.send(seq.0, |child| child.send(own))
            }
            CommandKey::SignalExternal(seq) => operations.signals.send(seq.0, Signal::send),
            CommandKey::CancelExternal(seq) => operations.cancels.send(seq.0, CancelExternal::send),
            CommandKey::ScheduleNexus(seq) | CommandKey::CancelNexus(seq) => operations.nexus.send(seq.0, Nexus::send),
            CommandKey::PatchMarker(number) => operations.patches.send_marker(number),
            CommandKey::PatchAttributes(number) => operations.patches.send_attributes(number),
            CommandKey::SideEffectMarker(seq) => operations.side_effects.send(seq),
            CommandKey::MutableSideEffectMarker(number) => operations.mutable_side_effects.send(number),
            CommandKey::UpsertSearchAttributes(upsert) => operations.properties.send_search_attributes(upsert),
            CommandKey::UpsertMemo(upsert) => operations.properties.send_memo(upsert),
            CommandKey::AcceptUpdate(update) => operations.updates.send_acceptance(update, messages),
            CommandKey::CompleteUpdate(update) => operations.updates.send_response(update, messages),
            CommandKey::Close => operations.closing.send(
                own,
                &operations.properties.memo,
                &operations.properties.search_attributes,
            ),
        }
    }
}
