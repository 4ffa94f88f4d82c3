//! Applying one batch: all events of a workflow task go to the machines first, then the code hears of them job by job.

use super::step::Phase;
use super::{Settling, WorkflowRun};
use crate::convert::since_epoch;
use crate::machines::{
    Incoming, LOCAL_ACTIVITY_MARKER, LocalMarker, MUTABLE_SIDE_EFFECT_MARKER, PATCH_MARKER, PatchData,
    SIDE_EFFECT_MARKER,
};
use crate::{Job, RunError};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use core::mem::take;
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::protocol::v1::{Message, message::SequencingId};
use temporal_protos::api::update::v1::Request;
use temporal_protos::prost::Message as _;

/// Behind all events.
const LAST: i64 = i64::MAX;

/// An update on its way to the code; the request may be in an admitted event.
struct Arriving {
    instance: String,
    message_id: String,
    sequencing_event_id: i64,
    request: Option<Request>,
    accepted: bool,
}

impl WorkflowRun {
    pub(super) fn apply_batch(&mut self, events: usize, commands: Option<usize>) -> Result<(), RunError> {
        let first = self.history.taken() == 0;
        self.read_clock(events - 1)?;
        let mut updates = match commands {
            Some(commands) => self.look_ahead(events, commands)?,
            None => self.messages()?,
        };
        self.task.settling = Settling::Unasked;
        self.position.previous = self.position.started;
        self.position.before_task = self.history.taken();
        self.phase = Phase::Running {
            recorded: commands.is_some(),
        };
        // Out of the way while its events change the rest of the run; a failed run needs it no more.
        let mut history = take(&mut self.history);
        for index in 0..events {
            let Some(event) = history.get_mut(index) else { break };
            while updates
                .front()
                .is_some_and(|update| update.sequencing_event_id.max(1) < event.event_id)
            {
                self.receive_next(&mut updates)?;
            }
            self.position.started = event.event_id;
            if !belongs_to_task(event) {
                self.position.before_task = event.event_id;
            }
            self.apply_event(event)?;
        }
        history.advance(events);
        self.history = history;
        while !updates.is_empty() {
            self.receive_next(&mut updates)?;
        }
        if commands.is_none() && !self.task.replay && self.position.started != self.task.started_event_id {
            return Err(RunError::BadHistory(format!(
                "the history ends at event {} but the task was started by event {}: fetch the history again",
                self.position.started, self.task.started_event_id
            )));
        }
        if first {
            self.out.job(Job::Run);
        }
        Ok(())
    }

    /// The workflow's clock during a batch is that of its started event.
    fn read_clock(&mut self, started: usize) -> Result<(), RunError> {
        let Some(event) = self.history.get(started) else {
            return Err(RunError::BadHistory("a workflow task has no started event".into()));
        };
        // Clocks of servers may differ: the workflow's never goes back.
        self.position.now = self.position.now.max(since_epoch(event.event_time.as_ref()));
        self.position.history_length = u32::try_from(event.event_id).unwrap_or(u32::MAX);
        if let Some(Attributes::WorkflowTaskStartedEventAttributes(attributes)) = &event.attributes {
            self.position.history_size = u64::try_from(attributes.history_size_bytes).unwrap_or(0);
            self.position.continue_as_new_suggested = attributes.suggest_continue_as_new;
            self.position.continue_as_new_reasons = attributes.suggest_continue_as_new_reasons().collect();
            self.position.target_version_changed = attributes.target_worker_deployment_version_changed;
        }
        Ok(())
    }

    /// What history knows of the answer to this batch: flags, patches, ends of local activities, accepted updates.
    fn look_ahead(&mut self, events: usize, commands: usize) -> Result<VecDeque<Arriving>, RunError> {
        if let Some(Attributes::WorkflowTaskCompletedEventAttributes(completed)) =
            self.history.get(events).and_then(|event| event.attributes.as_ref())
        {
            self.flags.observe(completed.sdk_metadata.as_ref());
        }
        self.operations.markers.clear();
        let mut updates = VecDeque::new();
        for index in events + 1..=events + commands {
            let Some(event) = self.history.get_mut(index) else {
                break;
            };
            match &mut event.attributes {
                Some(Attributes::MarkerRecordedEventAttributes(marker)) if marker.marker_name == PATCH_MARKER => {
                    if let Some(data) = PatchData::read(marker) {
                        self.operations.patches.looked_ahead(data.id);
                    }
                }
                Some(Attributes::MarkerRecordedEventAttributes(marker))
                    if marker.marker_name == LOCAL_ACTIVITY_MARKER =>
                {
                    let marker = LocalMarker::take(marker)
                        .map_err(|error| RunError::BadHistory(format!("event {}: {error}", event.event_id)))?;
                    self.operations.markers.push_back(marker);
                }
                Some(Attributes::MarkerRecordedEventAttributes(marker)) if marker.marker_name == SIDE_EFFECT_MARKER => {
                    self.operations
                        .side_effects
                        .looked_ahead(marker)
                        .map_err(|error| RunError::BadHistory(format!("event {}: {error}", event.event_id)))?;
                }
                Some(Attributes::MarkerRecordedEventAttributes(marker))
                    if marker.marker_name == MUTABLE_SIDE_EFFECT_MARKER =>
                {
                    self.operations
                        .mutable_side_effects
                        .looked_ahead(marker)
                        .map_err(|error| RunError::BadHistory(format!("event {}: {error}", event.event_id)))?;
                }
                Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                    updates.push_back(Arriving {
                        instance: accepted.protocol_instance_id.clone(),
                        message_id: accepted.accepted_request_message_id.clone(),
                        sequencing_event_id: accepted.accepted_request_sequencing_event_id,
                        request: accepted.accepted_request.take(),
                        accepted: true,
                    });
                }
                _ => {}
            }
        }
        updates
            .make_contiguous()
            .sort_by_key(|update| update.sequencing_event_id);
        Ok(updates)
    }

    /// The updates that came with the task.
    fn messages(&mut self) -> Result<VecDeque<Arriving>, RunError> {
        let mut updates = VecDeque::new();
        for message in take(&mut self.task.messages) {
            updates.push_back(Arriving::read(message)?);
        }
        updates
            .make_contiguous()
            .sort_by_key(|update| update.sequencing_event_id);
        Ok(updates)
    }

    fn receive_next(&mut self, updates: &mut VecDeque<Arriving>) -> Result<(), RunError> {
        let Some(update) = updates.pop_front() else {
            return Ok(());
        };
        let Some(request) = update
            .request
            .or_else(|| self.position.admitted.remove(&update.instance))
        else {
            return Err(RunError::BadHistory(format!(
                "the update {:?} comes without its request: fetch the history again",
                update.instance
            )));
        };
        let incoming = Incoming {
            instance: update.instance,
            message_id: update.message_id,
            sequencing_event_id: if update.sequencing_event_id == LAST {
                0
            } else {
                update.sequencing_event_id
            },
            request,
            accepted: update.accepted,
        };
        self.operations.updates.receive(incoming, &mut self.out);
        Ok(())
    }
}

/// Whether a workflow task that the server forgets takes the event with it.
fn belongs_to_task(event: &HistoryEvent) -> bool {
    matches!(
        event.attributes,
        Some(Attributes::WorkflowTaskScheduledEventAttributes(_) | Attributes::WorkflowTaskStartedEventAttributes(_))
    )
}

impl Arriving {
    fn read(message: Message) -> Result<Self, RunError> {
        let request = match message.body {
            None => None,
            Some(body) if body.type_url.ends_with("/temporal.api.update.v1.Request") => {
                Some(Request::decode(body.value.as_slice()).map_err(|error| RunError::BadHistory(error.to_string()))?)
            }
            Some(body) => {
                return Err(RunError::BadHistory(format!(
                    "the task has a message of the unknown type {:?}",
                    body.type_url
                )));
            }
        };
        Ok(Self {
            instance: message.protocol_instance_id,
            message_id: message.id,
            sequencing_event_id: match message.sequencing_id {
                Some(SequencingId::EventId(id)) => id,
                Some(SequencingId::CommandIndex(_)) | None => LAST,
            },
            request,
            accepted: false,
        })
    }
}
