//! The engine's entry points.

use std::collections::VecDeque;

use super::clock::Clock;
use super::config::EngineConfig;
use super::rpc::{Request, Response};
use super::status::Status;
use super::time::Time;

/// Names one call; the caller chooses the numbers and uses each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// The whole server as one value.
///
/// - What arrived: [`handle`](Self::handle), [`cancel_call`](Self::cancel_call), [`handle_timeout`](Self::handle_timeout).
/// - What to do: [`poll_answer`](Self::poll_answer) until it returns `None`, after every one of them; then sleep until
///   [`next_deadline`](Self::next_deadline) or the next call.
///
/// All times given and returned are real time and may not run backwards.
#[derive(Debug)]
pub struct Engine {
    clock: Clock,
    answers: VecDeque<(CallId, Result<Response, Status>)>,
}

impl Engine {
    /// An engine with the namespaces of `config` and nothing in them.
    pub fn new(config: EngineConfig, now: Time) -> Self {
        let _ = now;
        Engine {
            clock: Clock::new(config.time),
            answers: VecDeque::new(),
        }
    }

    /// Takes one call in. `deadline` is when its caller gives up, if it says.
    ///
    /// The answer comes from [`poll_answer`](Self::poll_answer), at once or later; each call is answered exactly once unless
    /// it is cancelled first.
    pub fn handle(&mut self, now: Time, call: CallId, deadline: Option<Time>, request: Request) {
        let _ = (now, deadline);
        self.answers.push_back((
            call,
            Err(Status::unimplemented(format!(
                "{} is not served yet",
                request.rpc_name()
            ))),
        ));
    }

    /// The caller went away: forgets a waiting call.
    ///
    /// Of use after the answer too, if that could not be handed over: a task that the answer carried is put back for
    /// another poller.
    pub fn cancel_call(&mut self, now: Time, call: CallId) {
        let _ = now;
        self.answers.retain(|(id, _)| *id != call);
    }

    /// Fires what is due and, while time skips, jumps to what is next. Spurious calls do nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, in real time. In the past when it is due already.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        None
    }

    /// The next answer that is ready.
    #[must_use]
    pub fn poll_answer(&mut self) -> Option<(CallId, Result<Response, Status>)> {
        self.answers.pop_front()
    }

    /// The engine's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}
