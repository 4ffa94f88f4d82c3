//! Recorded histories: their JSON, and the task that replays them.

use crate::WorkflowTask;
use alloc::string::String;
use alloc::vec::Vec;
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::{History as WireHistory, HistoryEvent};
use temporal_protos::json::{JsonError, histories_from_json, to_json_pretty};

/// The recorded history of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Its events, in order.
    pub events: Vec<HistoryEvent>,
}

/// Why JSON could not be read as a history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryJsonError {
    /// The text is not the JSON of histories.
    #[error("not a history in JSON: {0}")]
    Json(#[from] JsonError),
    /// One history was asked for, and the text holds another number of them.
    #[error("the text holds {0} histories where one is expected: use History::all_from_json")]
    NotOne(usize),
}

impl History {
    /// Reads the JSON of one history, as the Temporal CLI, the web interface, SDKs and older tools write it: an object with
    /// `events`, a bare array of events, or an array of one history; enums by their full or their older names.
    ///
    /// # Errors
    /// When the text is not such JSON, or holds more or less than one history.
    pub fn from_json(text: &str) -> Result<Self, HistoryJsonError> {
        let mut histories = Self::all_from_json(text)?;
        match histories.pop() {
            Some(history) if histories.is_empty() => Ok(history),
            last => Err(HistoryJsonError::NotOne(histories.len() + usize::from(last.is_some()))),
        }
    }

    /// Reads the JSON of any number of histories.
    ///
    /// # Errors
    /// When the text is not the JSON of histories.
    pub fn all_from_json(text: &str) -> Result<Vec<Self>, HistoryJsonError> {
        let histories = histories_from_json(text)?;
        Ok(histories
            .into_iter()
            .map(|history| Self { events: history.events })
            .collect())
    }

    /// The JSON of this history, as `temporal workflow show --output json` prints it.
    ///
    /// # Errors
    /// When an event has a time outside the range of JSON timestamps, or a message of an unknown type.
    pub fn to_json(&self) -> Result<String, JsonError> {
        to_json_pretty(&WireHistory {
            events: self.events.clone(),
        })
    }

    /// The task that replays this history ([`Outcome::Replayed`](crate::Outcome::Replayed) at its end). Workflow and run id
    /// are those of the started event.
    pub fn into_replay_task(self) -> WorkflowTask {
        let mut task = WorkflowTask {
            replay: true,
            ..WorkflowTask::default()
        };
        if let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) =
            self.events.first().and_then(|event| event.attributes.as_ref())
        {
            task.workflow_id.clone_from(&started.workflow_id);
            task.run_id.clone_from(&started.original_execution_run_id);
            task.workflow_type = started
                .workflow_type
                .as_ref()
                .map(|t| t.name.clone())
                .unwrap_or_default();
        }
        task.events = self.events;
        task
    }
}
