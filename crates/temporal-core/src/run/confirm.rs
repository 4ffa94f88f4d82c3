//! The commands of a completed task against the events that record them, one by one and in order.

use super::WorkflowRun;
use super::operations::Operation;
use crate::history::{describe, is_command_event};
use crate::machines::{
    Activity, CancelExternal, Child, Differences, LOCAL_ACTIVITY_MARKER, MUTABLE_SIDE_EFFECT_MARKER, Nexus,
    PATCH_ATTRIBUTE, PATCH_MARKER, PatchData, SIDE_EFFECT_MARKER, SideEffects, Signal, Timer,
};
use crate::output::CommandKey;
use crate::{Nondeterminism, RunError};
use alloc::format;
use alloc::string::{String, ToString};
use core::mem::take;
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::{HistoryEvent, MarkerRecordedEventAttributes};

/// How an event fits to the expected command.
enum Fit {
    /// It records that command.
    Confirms,
    /// It needs no command.
    Skips,
    /// It records something else, or the same kind of thing with other content.
    Contradicts(Differences),
}

impl WorkflowRun {
    /// Takes `WorkflowTaskCompleted` and the command events behind it out of the history.
    pub(super) fn confirm(&mut self) -> Result<(), RunError> {
        if let Some(Attributes::WorkflowTaskCompletedEventAttributes(completed)) =
            self.history.front().and_then(|event| event.attributes.as_ref())
        {
            self.flags.observe(completed.sdk_metadata.as_ref());
        }
        // Out of the way while its events change the rest of the run; a failed run needs it no more.
        let mut history = take(&mut self.history);
        let mut events = 1;
        let mut skipped_patch = false;
        while let Some(event) = history.get_mut(events).filter(|event| is_command_event(event)) {
            self.confirm_by(event, &mut skipped_patch)?;
            events += 1;
        }
        history.advance(events);
        self.history = history;
        while let Some(CommandKey::PatchAttributes(_)) = self.out.expected() {
            self.out.confirmed();
        }
        match self.out.expected() {
            None => Ok(()),
            Some(key) => Err(RunError::Nondeterminism(Nondeterminism {
                event_id: self
                    .history
                    .front()
                    .map_or(self.history.taken(), |event| event.event_id),
                found: self.history.front().map_or_else(|| "nothing".into(), describe),
                expected: self.describe_command(key),
                details: String::new(),
            })),
        }
    }

    fn confirm_by(&mut self, event: &mut HistoryEvent, skipped_patch: &mut bool) -> Result<(), RunError> {
        if let Some(CommandKey::PatchAttributes(_)) = self.out.expected() {
            // History may lack it: older SDKs did not write it, and long ones are left out.
            self.out.confirmed();
            if is_patch_attributes(event) {
                return Ok(());
            }
        }
        if take(skipped_patch) && is_patch_attributes(event) {
            return Ok(());
        }
        match self.fit(event) {
            Fit::Confirms => self.out.confirmed(),
            Fit::Skips => *skipped_patch = true,
            Fit::Contradicts(differences) => {
                let expected = self.out.expected();
                return Err(RunError::Nondeterminism(Nondeterminism {
                    event_id: event.event_id,
                    found: describe(event),
                    expected: expected.map_or_else(|| "nothing".into(), |key| self.describe_command(key)),
                    details: differences.0,
                }));
            }
        }
        Ok(())
    }

    fn fit(&mut self, event: &mut HistoryEvent) -> Fit {
        let event_id = event.event_id;
        let expected = self.out.expected();
        let Some(attributes) = &mut event.attributes else {
            return Fit::Contradicts(Differences::default());
        };
        if let Attributes::MarkerRecordedEventAttributes(marker) = attributes {
            return self.fit_marker(expected, marker);
        }
        let Some(key) = expected else {
            return Fit::Contradicts(Differences::default());
        };
        match self.record(key, event_id, attributes) {
            Some(Ok(())) => Fit::Confirms,
            Some(Err(differences)) => Fit::Contradicts(differences),
            None => Fit::Contradicts(Differences::default()),
        }
    }

    /// Tells the machine behind a command of the event that records it; `None`: the event is of another kind.
    fn record(&mut self, key: CommandKey, event_id: i64, event: &mut Attributes) -> Option<Result<(), Differences>> {
        let operations = &mut self.operations;
        let (made, operation) = match (key, event) {
            (CommandKey::ScheduleActivity(seq), Attributes::ActivityTaskScheduledEventAttributes(e)) => (
                {
                    let checked = operations
                        .activities
                        .get(seq.0)
                        .map_or(Ok(()), |activity| activity.check_scheduled(seq, e));
                    if checked.is_ok() {
                        let id = take(&mut e.activity_id);
                        operations
                            .activities
                            .step(seq.0, |activity| activity.scheduled(event_id, id));
                    }
                    checked
                },
                Some(Operation::Activity(seq)),
            ),
            (CommandKey::CancelActivity(seq), Attributes::ActivityTaskCancelRequestedEventAttributes(e)) => {
                let own = operations.activities.get(seq.0).and_then(Activity::scheduled_event_id);
                (same_event("scheduled event", e.scheduled_event_id, own), None)
            }
            (CommandKey::StartTimer(seq), Attributes::TimerStartedEventAttributes(e)) => (
                operations.timers.confirm(
                    seq.0,
                    |_| Timer::check_id(seq, &e.timer_id),
                    |_| Some(Timer::Started { event_id }),
                ),
                Some(Operation::Timer(seq)),
            ),
            (CommandKey::CancelTimer(seq), Attributes::TimerCanceledEventAttributes(e)) => {
                if let Some(started) = operations.timers.get(seq.0).and_then(Timer::event_id) {
                    operations.by_event.remove(&started);
                }
                (
                    operations
                        .timers
                        .confirm(seq.0, |_| Timer::check_id(seq, &e.timer_id), |_| None),
                    None,
                )
            }
            (CommandKey::StartChild(seq), Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(e)) => (
                operations.children.confirm(
                    seq.0,
                    |child| child.check_initiated(e),
                    |child| child.initiated(event_id, &e.namespace),
                ),
                Some(Operation::Child(seq)),
            ),
            (
                CommandKey::CancelChild(seq),
                Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(e),
            ) => (
                operations
                    .children
                    .get(seq.0)
                    .map_or(Ok(()), |child| child.cancel_initiated(e)),
                Some(Operation::ChildCancel(seq)),
            ),
            (
                CommandKey::SignalExternal(seq),
                Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(e),
            ) => (
                operations.signals.confirm(
                    seq.0,
                    |signal| signal.check_initiated(e),
                    |signal| Some(signal.initiated()),
                ),
                Some(Operation::Signal(seq)),
            ),
            (
                CommandKey::CancelExternal(seq),
                Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(e),
            ) => (
                operations.cancels.confirm(
                    seq.0,
                    |cancel| cancel.check_initiated(e),
                    |cancel| Some(cancel.initiated()),
                ),
                Some(Operation::Cancel(seq)),
            ),
            (CommandKey::ScheduleNexus(seq), Attributes::NexusOperationScheduledEventAttributes(e)) => (
                operations.nexus.confirm(
                    seq.0,
                    |nexus| nexus.check_scheduled(e),
                    |nexus| nexus.scheduled(event_id),
                ),
                Some(Operation::Nexus(seq)),
            ),
            (CommandKey::CancelNexus(seq), Attributes::NexusOperationCancelRequestedEventAttributes(e)) => {
                let own = operations.nexus.get(seq.0).and_then(Nexus::scheduled_event_id);
                (same_event("scheduled event", e.scheduled_event_id, own), None)
            }
            (key, event) => return self.record_property(key, event),
        };
        if let (Ok(()), Some(operation)) = (&made, operation) {
            operations.by_event.insert(event_id, operation);
        }
        Some(made)
    }

    /// Commands whose event ends the matter.
    fn record_property(&mut self, key: CommandKey, event: &Attributes) -> Option<Result<(), Differences>> {
        let operations = &mut self.operations;
        Some(match (key, event) {
            (
                CommandKey::UpsertSearchAttributes(upsert),
                Attributes::UpsertWorkflowSearchAttributesEventAttributes(e),
            ) => operations
                .properties
                .recorded(upsert, e.search_attributes.as_ref().map(|s| &s.indexed_fields)),
            (CommandKey::UpsertMemo(upsert), Attributes::WorkflowPropertiesModifiedEventAttributes(e)) => operations
                .properties
                .recorded(upsert, e.upserted_memo.as_ref().map(|m| &m.fields)),
            (CommandKey::AcceptUpdate(update), Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(e)) => {
                operations.updates.accepted(update, &e.protocol_instance_id)
            }
            (CommandKey::CompleteUpdate(update), Attributes::WorkflowExecutionUpdateCompletedEventAttributes(e)) => {
                operations
                    .updates
                    .completed(update, e.meta.as_ref().map_or("", |meta| meta.update_id.as_str()))
            }
            (CommandKey::Close, event) => operations.closing.recorded(event, &self.own),
            _ => return None,
        })
    }

    fn fit_marker(&mut self, expected: Option<CommandKey>, marker: &MarkerRecordedEventAttributes) -> Fit {
        let made = match (expected, marker.marker_name.as_str()) {
            (Some(CommandKey::LocalActivityMarker(seq)), LOCAL_ACTIVITY_MARKER) => {
                self.operations.local_activities.recorded(seq, marker)
            }
            (Some(CommandKey::SideEffectMarker(seq)), SIDE_EFFECT_MARKER) => {
                self.operations.side_effects.recorded(seq, marker)
            }
            (Some(CommandKey::MutableSideEffectMarker(number)), MUTABLE_SIDE_EFFECT_MARKER) => {
                self.operations.mutable_side_effects.recorded(number, marker)
            }
            (expected, PATCH_MARKER) => {
                let Some(data) = PatchData::read(marker) else {
                    return Fit::Contradicts(Differences::default());
                };
                let made = match expected {
                    Some(CommandKey::PatchMarker(number)) => self.operations.patches.recorded(number, &data),
                    _ => Err(Differences(format!(
                        "; patch {:?} is not asked for by the code",
                        data.id
                    ))),
                };
                if made.is_err() && data.deprecated {
                    return Fit::Skips;
                }
                made
            }
            _ => Err(Differences::default()),
        };
        match made {
            Ok(()) => Fit::Confirms,
            Err(differences) => Fit::Contradicts(differences),
        }
    }

    /// The command in words, e.g. `StartTimer(id "1")`.
    pub(super) fn describe_command(&self, key: CommandKey) -> String {
        let operations = &self.operations;
        let content = match key {
            CommandKey::ScheduleActivity(seq) | CommandKey::CancelActivity(seq) => {
                operations.activities.get(seq.0).map(|activity| activity.describe(seq))
            }
            CommandKey::StartTimer(seq) | CommandKey::CancelTimer(seq) => Some(format!("id \"{}\"", seq.0)),
            CommandKey::StartChild(seq) | CommandKey::CancelChild(seq) => {
                operations.children.get(seq.0).map(Child::describe)
            }
            CommandKey::SignalExternal(seq) => operations.signals.get(seq.0).map(Signal::describe),
            CommandKey::CancelExternal(seq) => operations.cancels.get(seq.0).map(CancelExternal::describe),
            CommandKey::ScheduleNexus(seq) | CommandKey::CancelNexus(seq) => {
                operations.nexus.get(seq.0).map(Nexus::describe)
            }
            CommandKey::LocalActivityMarker(seq) => Some(operations.local_activities.describe(seq)),
            CommandKey::PatchMarker(number) => Some(operations.patches.describe(number)),
            CommandKey::PatchAttributes(_) => Some(PATCH_ATTRIBUTE.into()),
            CommandKey::SideEffectMarker(seq) => Some(SideEffects::describe(seq)),
            CommandKey::MutableSideEffectMarker(number) => Some(operations.mutable_side_effects.describe(number)),
            CommandKey::UpsertSearchAttributes(upsert) | CommandKey::UpsertMemo(upsert) => {
                Some(operations.properties.describe(upsert))
            }
            CommandKey::AcceptUpdate(update) | CommandKey::CompleteUpdate(update) => {
                Some(operations.updates.describe(update))
            }
            CommandKey::Close => return operations.closing.describe(&self.own),
        };
        format!("{}({})", key.name(), content.unwrap_or_default())
    }
}

fn same_event(name: &str, found: i64, own: Option<i64>) -> Result<(), Differences> {
    Differences::default()
        .field(
            name,
            &found.to_string(),
            &own.map_or_else(|| "none".into(), |id| id.to_string()),
        )
        .check()
}

/// Whether the event is the upsert behind a patch marker.
fn is_patch_attributes(event: &HistoryEvent) -> bool {
    let Some(Attributes::UpsertWorkflowSearchAttributesEventAttributes(upsert)) = &event.attributes else {
        return false;
    };
    upsert.search_attributes.as_ref().is_some_and(|attributes| {
        attributes.indexed_fields.len() == 1 && attributes.indexed_fields.contains_key(PATCH_ATTRIBUTE)
    })
}
