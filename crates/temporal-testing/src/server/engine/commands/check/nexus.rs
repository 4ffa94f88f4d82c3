//! Whether commands about Nexus operations can be carried out.

use temporal_protos::api::command::v1::{Command, command::Attributes};
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporal_protos::prost::Message as _;

use super::{Checker, Refusal, bad, closing_held, is_negative};

/// The most bytes of an operation's headers, names and values.
const HEADER_BYTES: usize = 8_192;
/// A header that the server itself sets.
const RESERVED_HEADER: &str = "request-timeout";

impl<'a> Checker<'a> {
    pub(super) fn schedule_nexus_operation(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadScheduleNexusOperationAttributes;
        const NAME: &str = "ScheduleNexusOperationCommandAttributes";
        let Some(Attributes::ScheduleNexusOperationCommandAttributes(it)) = &command.attributes else {
            return Err(bad(CAUSE, format!("empty {NAME}")));
        };
        if self.shared.endpoints.id(&it.endpoint).is_none() {
            return Err(bad(CAUSE, format!("endpoint {:?} not found", it.endpoint)));
        }
        let longest = self.limits.id_length;
        for (value, field) in [(&it.service, "Service"), (&it.operation, "Operation")] {
            if value.len() > longest {
                let text = format!("{NAME}.{field} exceeds length limit of {longest}");
                return Err(bad(CAUSE, text));
            }
        }
        for (timeout, field) in [
            (&it.schedule_to_close_timeout, "ScheduleToCloseTimeout"),
            (&it.schedule_to_start_timeout, "ScheduleToStartTimeout"),
            (&it.start_to_close_timeout, "StartToCloseTimeout"),
        ] {
            if is_negative(timeout.as_ref()) {
                let text = format!("{NAME}.{field} is invalid: negative duration");
                return Err(bad(CAUSE, text));
            }
        }
        if it.input.as_ref().map_or(0, Payload::encoded_len) > self.limits.blob_bytes {
            return Err(Refusal::Run(CAUSE, format!("{NAME}.Input exceeds size limit")));
        }
        let reserved = it
            .nexus_header
            .keys()
            .find(|name| name.to_lowercase() == RESERVED_HEADER);
        if let Some(name) = reserved {
            let text = format!("{NAME}.NexusHeader contains a disallowed header key: {name:?}");
            return Err(bad(CAUSE, text));
        }
        let bytes: usize = it
            .nexus_header
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if bytes > HEADER_BYTES {
            return Err(bad(CAUSE, format!("{NAME}.NexusHeader exceeds size limit")));
        }
        let most = self.limits.pending_nexus_operations;
        if self.state.nexus.len() + self.operations.len() >= most {
            let text = format!("workflow has reached the pending nexus operation limit of {most} for this namespace");
            return Err(bad(Cause::PendingNexusOperationsLimitExceeded, text));
        }
        self.operations.insert(self.next_id);
        Ok(true)
    }

    pub(super) fn cancel_nexus_operation(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadRequestCancelNexusOperationAttributes;
        let Some(Attributes::RequestCancelNexusOperationCommandAttributes(it)) = &command.attributes else {
            return Err(bad(CAUSE, "empty CancelNexusOperationCommandAttributes"));
        };
        let id = it.scheduled_event_id;
        let pending = self.state.nexus.get(&id);
        if pending.is_none() && !self.operations.contains(&id) && !closing_held(self.state, id) {
            let text =
                "requested cancelation for a non-existing or already completed operation with scheduled event ID of";
            return Err(bad(CAUSE, format!("{text} {id}")));
        }
        if pending.is_some_and(|operation| operation.cancellation.is_some()) || !self.cancelled.insert(id) {
            let text = "cancelation was already requested for an operation with scheduled event ID";
            return Err(bad(CAUSE, format!("{text} {id}")));
        }
        Ok(true)
    }
}
