//! Events that arrived and were not applied yet, split into workflow tasks.
//!
//! A *batch* is what one workflow task sees: the events up to and with the `WorkflowTaskStarted` that was followed by
//! `WorkflowTaskCompleted`. Tasks that failed or timed out end no batch: their events belong to the next one. The events
//! of the commands stand right behind `WorkflowTaskCompleted`, so they are known (looked ahead to) while the batch is
//! being applied.

use super::is_command_event;
use crate::RunError;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::history::v1::history_event::Attributes;

/// What the buffer holds next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The next page decides.
    NeedsHistory,
    /// A batch.
    Batch {
        /// How many events it has, up to and with `WorkflowTaskStarted`.
        events: usize,
        /// How many command events follow its `WorkflowTaskCompleted`; `None`: the task was not completed.
        commands: Option<usize>,
    },
    /// No further workflow task was started.
    End,
}

/// Events in order, without gaps.
#[derive(Debug, Default)]
pub(crate) struct EventBuffer {
    events: VecDeque<HistoryEvent>,
    more: bool,
    /// Id of the last event taken out.
    taken: i64,
}

impl EventBuffer {
    /// Replaces the content by a task's history. Events that were taken out before are skipped.
    pub(crate) fn restart(&mut self, events: Vec<HistoryEvent>, more: bool) -> Result<(), RunError> {
        self.release();
        self.extend(events, more)
    }

    /// Adds a page.
    pub(crate) fn extend(&mut self, mut events: Vec<HistoryEvent>, more: bool) -> Result<(), RunError> {
        self.more = more;
        let expected = self.events.back().map_or(self.taken, |last| last.event_id) + 1;
        if self.events.is_empty() {
            let known = events.iter().take_while(|event| event.event_id < expected).count();
            events.drain(..known);
            if let Some(first) = events.first().filter(|first| first.event_id != expected) {
                return Err(RunError::CacheMismatch {
                    task_starts_after: first.event_id - 1,
                    run_stands_at: self.taken,
                });
            }
        }
        if let Some((event, after)) = events
            .iter()
            .zip(expected..)
            .find(|(event, expected)| event.event_id != *expected)
            .map(|(event, expected)| (event.event_id, expected - 1))
        {
            return Err(RunError::BadHistory(format!(
                "event {event} follows event {after}: fetch the history again"
            )));
        }
        if self.events.is_empty() {
            self.events = events.into();
        } else {
            self.events.extend(events);
        }
        Ok(())
    }

    /// Puts the position back, when the server forgot a task.
    pub(crate) fn rewind(&mut self, taken: i64) {
        self.release();
        self.taken = taken;
    }

    /// Drops what is left, and the room for it: between tasks a run keeps no events.
    pub(crate) fn release(&mut self) {
        self.events = VecDeque::new();
    }

    pub(crate) fn taken(&self) -> i64 {
        self.taken
    }

    pub(crate) fn front(&self) -> Option<&HistoryEvent> {
        self.events.front()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut HistoryEvent> {
        self.events.get_mut(index)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&HistoryEvent> {
        self.events.get(index)
    }

    /// Lets the first events go.
    pub(crate) fn advance(&mut self, events: usize) {
        let events = events.min(self.events.len());
        if let Some(last) = events.checked_sub(1).and_then(|last| self.events.get(last)) {
            self.taken = last.event_id;
        }
        self.events.drain(..events);
    }

    /// Whether everything behind the `WorkflowTaskCompleted` in front, up to the last command event, is here.
    pub(crate) fn has_commands_of_front(&self) -> bool {
        self.command_events_from(1).is_some()
    }

    /// Looks for the next batch.
    pub(crate) fn scan(&self) -> Scan {
        for (index, event) in self.events.iter().enumerate() {
            if !matches!(
                event.attributes,
                Some(Attributes::WorkflowTaskStartedEventAttributes(_))
            ) {
                continue;
            }
            match self.events.get(index + 1).map(|next| &next.attributes) {
                Some(Some(Attributes::WorkflowTaskCompletedEventAttributes(_))) => {
                    return match self.command_events_from(index + 2) {
                        Some(commands) => Scan::Batch {
                            events: index + 1,
                            commands: Some(commands),
                        },
                        None => Scan::NeedsHistory,
                    };
                }
                Some(_) => {}
                None if self.more => return Scan::NeedsHistory,
                None => {
                    return Scan::Batch {
                        events: index + 1,
                        commands: None,
                    };
                }
            }
        }
        if self.more { Scan::NeedsHistory } else { Scan::End }
    }

    /// How many command events stand from `start` on; `None` when the next page decides.
    fn command_events_from(&self, start: usize) -> Option<usize> {
        let commands = self
            .events
            .iter()
            .skip(start)
            .take_while(|event| is_command_event(event))
            .count();
        (!self.more || start + commands < self.events.len()).then_some(commands)
    }
}
