//! Workers that serve Nexus operations: they poll for requests and answer them.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::common::v1::{Payload, link};
use temporal_protos::api::enums::v1::EventType;
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::NexusOperationScheduledEventAttributes;
use temporal_protos::api::nexus::v1 as nexus;
use temporal_protos::api::nexus::v1::start_operation_response::Variant as Start;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::Message;

use super::callback::CallbackToken;
use super::calls::{Call, CallId, Waiting};
use super::core::Engine;
use super::events::Attributes;
use super::matching::QueueType;
use super::nexus::Ending;
use super::nexus_failure::{as_canceled, call_failure, from_nexus, handler_failure, of_handler};
use super::nexus_link::{all_from_nexus, to_nexus};
use super::run::Turn;
use super::start::check_queue;
use super::state::{Errand, ErrandPhase, RunKey};
use super::status::Status;
use super::token::{TaskToken, TokenKind};

/// The address that handlers report the end of an operation to: this very server.
pub(super) const CALLBACK_URL: &str = "temporal://system";
/// The header of a callback that says which operation it is for.
pub(super) const CALLBACK_TOKEN: &str = "temporal-callback-token";
/// The longest token that a handler may give an operation, in bytes.
const TOKEN_LENGTH: usize = 4_096;

const GONE: &str = "Nexus task not found or already expired";

/// What a worker said of a request to start an operation.
enum Answer {
    Ended(Ending, Vec<nexus::Link>),
    Started(String, Vec<nexus::Link>),
    /// It makes no sense; the request is tried again.
    Failed(Failure),
}

impl Engine {
    pub(super) fn poll_nexus_task_queue(
        &mut self,
        call: Call,
        request: wf::PollNexusTaskQueueRequest,
    ) -> Result<(), Status> {
        self.check_poll_deadline(call)?;
        let namespace = self.shared.namespaces.find(&request.namespace)?.id;
        let name = request.task_queue.map(|queue| queue.name).unwrap_or_default();
        if name.is_empty() {
            return Err(Status::invalid_argument("missing task queue name"));
        }
        check_queue(&self.shared.config.limits, Some(&name))?;
        let queue = self.shared.matching.queue(namespace, QueueType::Nexus, &name);
        let shared = &mut self.shared;
        shared
            .matching
            .note_poller(queue, &request.identity, None, shared.real_now, shared.now);
        let (identity, key) = (request.identity, &request.worker_instance_key);
        self.park_poll(call, Waiting::NexusPoll, queue, identity, key);
        Ok(())
    }

    /// The request that a token names: its run, its operation and what it asks for.
    fn find_nexus_task(&self, namespace: &str, token: &[u8]) -> Result<(RunKey, TaskToken, Errand), Status> {
        self.shared.namespaces.find(namespace)?;
        let (token, errand) = match TaskToken::decode(TokenKind::NexusCancel, token) {
            Ok(token) => (token, Errand::Cancel),
            Err(_) => (TaskToken::decode(TokenKind::NexusStart, token)?, Errand::Start),
        };
        let run = self.shared.index.by_run_id(token.run_id());
        Ok((run.ok_or_else(|| Status::not_found(GONE))?, token, errand))
    }

    fn on_nexus_task(
        &mut self,
        (key, token, errand): (RunKey, TaskToken, Errand),
        work: impl FnOnce(&mut Turn<'_>, i64, Errand) -> Result<(), Status>,
    ) -> Result<(), Status> {
        self.turn(key, |turn| {
            let (id, stamp) = (token.id, token.stamp);
            if turn.is_open() && turn.is_nexus_out(id, errand, stamp) {
                let done = work(turn, id, errand);
                turn.take_orphan(id, errand, stamp);
                return done;
            }
            if turn.take_orphan(id, errand, stamp) {
                return Ok(());
            }
            Err(Status::not_found(GONE))
        })
        .ok_or_else(|| Status::not_found(GONE))?
    }

    pub(super) fn respond_nexus_task_completed(
        &mut self,
        request: wf::RespondNexusTaskCompletedRequest,
    ) -> Result<wf::RespondNexusTaskCompletedResponse, Status> {
        let task = self.find_nexus_task(&request.namespace, &request.task_token)?;
        let largest = self.shared.config.limits.blob_bytes;
        let variant = request.response.and_then(|response| response.variant);
        self.on_nexus_task(task, |turn, id, errand| {
            if errand == Errand::Cancel {
                // Whatever the answer is, the handler knows.
                turn.nexus_cancel_taken(id);
                return Ok(());
            }
            let start = match variant {
                Some(nexus::response::Variant::StartOperation(start)) => start.variant,
                Some(nexus::response::Variant::CancelOperation(_)) | None => None,
            };
            match read_answer(start, largest)? {
                Answer::Ended(ending, links) => turn.nexus_over(id, ending, all_from_nexus(&links)),
                Answer::Started(token, links) => turn.nexus_started(id, token, all_from_nexus(&links)),
                Answer::Failed(failure) => turn.nexus_request_failed(id, Errand::Start, failure),
            }
            Ok(())
        })?;
        Ok(wf::RespondNexusTaskCompletedResponse {})
    }

    pub(super) fn respond_nexus_task_failed(
        &mut self,
        request: wf::RespondNexusTaskFailedRequest,
    ) -> Result<wf::RespondNexusTaskFailedResponse, Status> {
        let task = self.find_nexus_task(&request.namespace, &request.task_token)?;
        let limits = self.shared.config.limits;
        self.on_nexus_task(task, |turn, id, errand| {
            let failure = of_handler(request.error, request.failure)?;
            limits.check_blob(failure.encoded_len())?;
            turn.nexus_request_failed(id, errand, failure);
            Ok(())
        })?;
        Ok(wf::RespondNexusTaskFailedResponse {})
    }
}

fn read_answer(start: Option<Start>, largest: usize) -> Result<Answer, Status> {
    Ok(match start {
        Some(Start::SyncSuccess(it)) if it.payload.as_ref().map_or(0, Payload::encoded_len) > largest => {
            let failure = call_failure("http: response body too large");
            Answer::Ended(Ending::Failed(failure), Vec::new())
        }
        Some(Start::SyncSuccess(it)) => Answer::Ended(Ending::Completed(it.payload), it.links),
        Some(Start::AsyncSuccess(it)) => {
            let token = if it.operation_token.is_empty() {
                it.operation_id
            } else {
                it.operation_token
            };
            if token.is_empty() {
                // Worded as on the real server.
                return Err(Status::invalid_argument("missing opration token in response"));
            }
            if token.len() > TOKEN_LENGTH {
                return Err(Status::invalid_argument(format!(
                    "operation token length exceeds allowed limit ({}/{TOKEN_LENGTH})",
                    token.len()
                )));
            }
            Answer::Started(token, it.links)
        }
        Some(Start::OperationError(error)) => {
            let failure = from_nexus(error.failure.unwrap_or_default())?;
            match error.operation_state.as_str() {
                "failed" => Answer::Ended(Ending::Failed(failure), Vec::new()),
                "canceled" => Answer::Ended(Ending::Canceled(failure), Vec::new()),
                _ => Answer::Failed(handler_failure("INTERNAL", "")),
            }
        }
        Some(Start::Failure(failure)) => {
            if failure.encoded_len() > largest {
                let failure = call_failure("http: response body too large");
                return Ok(Answer::Ended(Ending::Failed(failure), Vec::new()));
            }
            let canceled = as_canceled(failure.clone()) == failure;
            let ending = if canceled {
                Ending::Canceled(failure)
            } else {
                Ending::Failed(failure)
            };
            Answer::Ended(ending, Vec::new())
        }
        None => Answer::Failed(handler_failure("INTERNAL", "empty outcome")),
    })
}

impl Turn<'_> {
    /// A worker gets a request to a handler; `None` when it is not there to be had.
    pub(super) fn start_nexus_task(
        &mut self,
        id: i64,
        errand: Errand,
        call: CallId,
    ) -> Option<wf::PollNexusTaskQueueResponse> {
        let stamp = self.hand_out_nexus(id, errand, call)?;
        let operation = self.nexus.get(&id)?;
        let request = operation.request(errand)?;
        let Attributes::NexusOperationScheduledEventAttributes(scheduled) = self.history.event(id)?.attributes? else {
            return None;
        };
        let until = match request.phase {
            ErrandPhase::Out { until } => until,
            _ => self.shared.now,
        };
        let left = go_duration(until.since(self.shared.now));
        let mut header = scheduled.nexus_header.clone();
        header.insert("user-agent".to_owned(), "temporalio/server".to_owned());
        header.insert("request-timeout".to_owned(), left.clone());
        header.insert("Request-Timeout".to_owned(), left);
        let (kind, variant) = match errand {
            Errand::Start => {
                let start = self.start_request(id, scheduled, &mut header);
                (TokenKind::NexusStart, nexus::request::Variant::StartOperation(start))
            }
            Errand::Cancel => {
                header.insert("content-length".to_owned(), "0".to_owned());
                let cancel = nexus::CancelOperationRequest {
                    service: operation.service.clone(),
                    operation: operation.operation.clone(),
                    operation_id: operation.token.clone(),
                    operation_token: operation.token.clone(),
                };
                (TokenKind::NexusCancel, nexus::request::Variant::CancelOperation(cancel))
            }
        };
        Some(wf::PollNexusTaskQueueResponse {
            task_token: TaskToken::new(kind, self.run_id, id, stamp).encode(),
            request: Some(nexus::Request {
                header,
                scheduled_time: Some(request.ready_at.to_proto()),
                capabilities: Some(nexus::request::Capabilities {
                    temporal_failure_responses: errand == Errand::Start,
                }),
                endpoint: operation.endpoint.clone(),
                variant: Some(variant),
            }),
            ..wf::PollNexusTaskQueueResponse::default()
        })
    }

    /// The request to start an operation, and the headers that go with it.
    fn start_request(
        &self,
        id: i64,
        scheduled: NexusOperationScheduledEventAttributes,
        header: &mut BTreeMap<String, String>,
    ) -> nexus::StartOperationRequest {
        let link = to_nexus(&link::WorkflowEvent {
            namespace: self.shared.namespaces.name(self.namespace),
            workflow_id: self.workflow_id.to_string(),
            run_id: self.run_id.to_string(),
            reference: Some(link::workflow_event::Reference::EventRef(
                link::workflow_event::EventReference {
                    event_id: id,
                    event_type: EventType::NexusOperationScheduled as i32,
                },
            )),
        });
        header.insert("nexus-request-id".to_owned(), scheduled.request_id.clone());
        header.insert(
            "nexus-link".to_owned(),
            format!("<{}>; type=\"{}\"", link.url, link.r#type),
        );
        if let Some(timeout) = self.operation_timeout(id) {
            let text = || format!("{}ms", timeout.as_millis());
            header.entry("operation-timeout".to_owned()).or_insert_with(text);
        }
        let token = CallbackToken {
            run_id: self.run_id,
            scheduled_event_id: id,
            request_id: scheduled.request_id.clone(),
        };
        nexus::StartOperationRequest {
            service: scheduled.service,
            operation: scheduled.operation,
            request_id: scheduled.request_id,
            callback: CALLBACK_URL.to_owned(),
            payload: scheduled.input,
            callback_header: [(CALLBACK_TOKEN.to_owned(), token.to_text())].into(),
            links: vec![link],
        }
    }

    /// How long an operation may take from now on, if there is a limit.
    fn operation_timeout(&self, id: i64) -> Option<Duration> {
        let operation = self.nexus.get(&id)?;
        let close = (!operation.schedule_to_close.is_zero())
            .then(|| (operation.scheduled_at + operation.schedule_to_close).since(self.shared.now));
        let run = (!operation.start_to_close.is_zero()).then_some(operation.start_to_close);
        [close, run].into_iter().flatten().min()
    }
}

/// The duration as Go writes it, in seconds or, when short, in milliseconds.
fn go_duration(duration: Duration) -> String {
    let (whole, rest, unit) = if duration >= Duration::from_secs(1) {
        (duration.as_secs(), u128::from(duration.subsec_nanos()), "s")
    } else {
        let nanos = duration.as_nanos();
        (
            u64::try_from(nanos / 1_000_000).unwrap_or(0),
            nanos % 1_000_000 * 1_000,
            "ms",
        )
    };
    if rest == 0 {
        return format!("{whole}{unit}");
    }
    let fraction = format!("{rest:09}");
    format!("{whole}.{}{unit}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        for (nanos, text) in [
            (0, "0ms"),
            (1, "0.000001ms"),
            (490_529_071, "490.529071ms"),
            (1_000_000_000, "1s"),
            (7_980_481_365, "7.980481365s"),
            (8_500_000_000, "8.5s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), text);
        }
    }
}
