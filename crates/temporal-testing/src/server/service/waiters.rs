//! Time skips while somebody waits for a run to end.

use std::collections::HashSet;

use temporal_protos::api::enums::v1::HistoryEventFilterType;

use crate::server::engine::{CallId, Request};

/// Counts the callers that wait for the end of a run, and says when that makes a difference.
///
/// The in-process environment uses it in place of the lock and unlock calls that clients of other languages make around
/// such a wait. It ends together with the answer, before time can go any further.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Whether it is used at all.
    enabled: bool,
    waiting: HashSet<CallId>,
    /// How many scopes there are in which waiting is to change nothing.
    held: usize,
    unlocked: bool,
}

/// What the engine has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Lock,
    Unlock,
}

impl Waiters {
    pub(super) fn new(enabled: bool) -> Self {
        Waiters {
            enabled,
            ..Waiters::default()
        }
    }

    pub(super) fn enter(&mut self, call: CallId, request: &Request) -> Option<Change> {
        if self.enabled && waits_for_end(request) {
            self.waiting.insert(call);
        }
        self.change()
    }

    /// The call was answered or given up.
    pub(super) fn leave(&mut self, call: CallId) -> Option<Change> {
        self.waiting.remove(&call);
        self.change()
    }

    pub(super) fn hold(&mut self) -> Option<Change> {
        self.held += 1;
        self.change()
    }

    pub(super) fn release(&mut self) -> Option<Change> {
        self.held = self.held.saturating_sub(1);
        self.change()
    }

    fn change(&mut self) -> Option<Change> {
        let wanted = self.held == 0 && !self.waiting.is_empty();
        if wanted == self.unlocked {
            return None;
        }
        self.unlocked = wanted;
        Some(if wanted { Change::Unlock } else { Change::Lock })
    }
}

fn waits_for_end(request: &Request) -> bool {
    match request {
        Request::GetWorkflowExecutionHistory(request) => {
            request.wait_new_event && request.history_event_filter_type() == HistoryEventFilterType::CloseEvent
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use temporal_protos::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;

    use super::*;

    #[test]
    fn the_first_waiter_unlocks_and_the_last_one_locks() {
        let wait = Request::GetWorkflowExecutionHistory(GetWorkflowExecutionHistoryRequest {
            wait_new_event: true,
            history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
            ..Default::default()
        });
        let read = Request::GetWorkflowExecutionHistory(GetWorkflowExecutionHistoryRequest::default());
        let mut waiters = Waiters::new(true);
        assert_eq!(waiters.enter(CallId(0), &read), None);
        assert_eq!(waiters.enter(CallId(1), &wait), Some(Change::Unlock));
        assert_eq!(waiters.enter(CallId(2), &wait), None);
        assert_eq!(waiters.hold(), Some(Change::Lock));
        assert_eq!(waiters.release(), Some(Change::Unlock));
        assert_eq!(waiters.leave(CallId(0)), None);
        assert_eq!(waiters.leave(CallId(1)), None);
        assert_eq!(waiters.leave(CallId(2)), Some(Change::Lock));
        assert_eq!(waiters.leave(CallId(2)), None);
        let mut disabled = Waiters::default();
        assert_eq!(disabled.enter(CallId(1), &wait), None);
    }
}
