//! Reading histories: in pages, backwards, and waiting for more.

use std::time::Duration;

use temporal_protos::api::enums::v1::HistoryEventFilterType;
use temporal_protos::api::history::v1::{History, HistoryEvent};
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::bytes::Bytes;

use super::calls::{Answer, Call, Waiting};
use super::core::Engine;
use super::poll::HISTORY_PAGE;
use super::rpc::Response;
use super::run::Turn;
use super::state::RunKey;
use super::status::Status;
use super::token::HistoryToken;

/// How long a call waits for events before it is answered without.
const LONG_POLL: Duration = Duration::from_secs(20);

fn page_size(asked: i32) -> usize {
    usize::try_from(asked)
        .ok()
        .filter(|size| *size > 0)
        .map_or(HISTORY_PAGE, |size| size.min(HISTORY_PAGE))
}

fn response(events: Vec<HistoryEvent>, next_page_token: Bytes) -> wf::GetWorkflowExecutionHistoryResponse {
    wf::GetWorkflowExecutionHistoryResponse {
        history: Some(History { events }),
        next_page_token,
        ..wf::GetWorkflowExecutionHistoryResponse::default()
    }
}

impl Engine {
    pub(super) fn get_workflow_execution_history(
        &mut self,
        call: Call,
        request: wf::GetWorkflowExecutionHistoryRequest,
    ) -> Result<Option<wf::GetWorkflowExecutionHistoryResponse>, Status> {
        let (key, first) = self.history_position(&request)?;
        let close_only = request.history_event_filter_type == HistoryEventFilterType::CloseEvent as i32;
        let size = page_size(request.maximum_page_size);
        let until = self.shared.long_poll_until(call, LONG_POLL);
        let waits = request.wait_new_event;
        self.turn(key, |turn| {
            if close_only {
                if let Some(response) = turn.close_event(waits) {
                    return Some(response);
                }
            } else if !waits || first <= turn.history.len() || !turn.is_open() {
                return Some(turn.history_page(first, size, waits));
            }
            let waiting = Waiting::History {
                run: key,
                next_event_id: first,
                page_size: size,
                close_only,
            };
            turn.shared.calls.park(call.id, waiting, Some(until));
            turn.run.live.readers.push(call.id);
            None
        })
        .ok_or_else(|| Status::not_found("workflow not found"))
    }

    fn history_position(&self, request: &wf::GetWorkflowExecutionHistoryRequest) -> Result<(RunKey, i64), Status> {
        let execution = request.execution.as_ref();
        if request.next_page_token.is_empty() {
            return self.find_run(&request.namespace, execution).map(|key| (key, 1));
        }
        let token = HistoryToken::decode(&request.next_page_token)?;
        let namespace = self.shared.namespaces.find(&request.namespace)?.id;
        let workflow_id = execution
            .map(|execution| execution.workflow_id.as_str())
            .unwrap_or_default();
        let key = self.lookup(namespace, workflow_id, Some(token.run_id()))?;
        Ok((key, token.next_event_id))
    }

    /// Answers the readers of a run that has what they wait for.
    pub(super) fn serve_readers(&mut self, key: RunKey) {
        let answers = self.turn(key, |turn| {
            let mut answers = Vec::new();
            for call in std::mem::take(&mut turn.run.live.readers) {
                match turn.reader_answer(call) {
                    Some(response) => answers.push((call, response)),
                    None => turn.run.live.readers.push(call),
                }
            }
            answers
        });
        for (call, response) in answers.unwrap_or_default() {
            self.shared
                .calls
                .answer(call, Ok(Response::GetWorkflowExecutionHistory(response)));
        }
    }

    /// The answer of a reader that waited in vain.
    pub(super) fn empty_history(&self, key: RunKey, next_event_id: i64) -> Answer {
        let run = self
            .runs
            .get(&key)
            .ok_or_else(|| Status::not_found("workflow not found"))?;
        let token = HistoryToken::new(run.run_id, next_event_id).encode();
        Ok(Response::GetWorkflowExecutionHistory(response(Vec::new(), token)))
    }

    pub(super) fn get_workflow_execution_history_reverse(
        &mut self,
        request: wf::GetWorkflowExecutionHistoryReverseRequest,
    ) -> Result<wf::GetWorkflowExecutionHistoryReverseResponse, Status> {
        let (key, last) = if request.next_page_token.is_empty() {
            (self.find_run(&request.namespace, request.execution.as_ref())?, i64::MAX)
        } else {
            let token = HistoryToken::decode(&request.next_page_token)?;
            let namespace = self.shared.namespaces.find(&request.namespace)?.id;
            let workflow_id = request.execution.unwrap_or_default().workflow_id;
            (
                self.lookup(namespace, &workflow_id, Some(token.run_id()))?,
                token.next_event_id,
            )
        };
        let run = self
            .runs
            .get(&key)
            .ok_or_else(|| Status::not_found("workflow not found"))?;
        let last = last.min(run.history.len());
        let size = i64::try_from(page_size(request.maximum_page_size)).unwrap_or(i64::MAX);
        let first = run.history.batch_start(last.saturating_sub(size - 1).max(1));
        let mut events: Vec<_> = run.history.events(first, last).collect();
        events.reverse();
        let next_page_token = if first > 1 {
            HistoryToken::new(run.run_id, first - 1).encode()
        } else {
            Bytes::new()
        };
        Ok(wf::GetWorkflowExecutionHistoryReverseResponse {
            history: Some(History { events }),
            next_page_token,
        })
    }
}

impl Turn<'_> {
    /// A page of history; with `waits`, a token for what is to come as long as the run is open.
    fn history_page(&self, first: i64, size: usize, waits: bool) -> wf::GetWorkflowExecutionHistoryResponse {
        let end = self.history.page_end(first, size);
        let mut events: Vec<_> = self.history.events(first, end).collect();
        let more = end < self.history.len();
        if !more && !waits {
            events.extend(self.unwritten_events());
        }
        let token = if more || (waits && self.is_open()) {
            HistoryToken::new(self.run_id, end.max(first - 1) + 1).encode()
        } else {
            Bytes::new()
        };
        response(events, token)
    }

    /// The closing event alone; `None` when there is none and the call waits.
    fn close_event(&self, waits: bool) -> Option<wf::GetWorkflowExecutionHistoryResponse> {
        if self.is_open() {
            return (!waits).then(|| response(Vec::new(), Bytes::new()));
        }
        Some(response(
            self.history.event(self.close_event_id).into_iter().collect(),
            Bytes::new(),
        ))
    }

    fn reader_answer(&self, call: super::calls::CallId) -> Option<wf::GetWorkflowExecutionHistoryResponse> {
        let Some(Waiting::History {
            next_event_id,
            page_size,
            close_only,
            ..
        }) = self.shared.calls.waiting(call)
        else {
            return None;
        };
        if *close_only {
            return self.close_event(true);
        }
        let ready = *next_event_id <= self.history.len() || !self.is_open();
        ready.then(|| self.history_page(*next_event_id, *page_size, true))
    }
}
