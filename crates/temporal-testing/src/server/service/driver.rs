//! The engine's one owner: takes calls in, hands answers out, wakes the engine when it wants to be woken.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use temporal_protos::api::testservice::v1::{LockTimeSkippingRequest, UnlockTimeSkippingRequest};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::status::shutting_down;
use super::waiters::{Change, Waiters};
use crate::server::engine::{CallId, Code, Engine, EngineConfig, Request, Response, Status, Time};

/// What a call is answered with.
pub(in crate::server) type Answer = Result<Response, Status>;

/// How many timeouts in a row are fired before other calls get a turn.
const TIMEOUTS_IN_A_ROW: usize = 200;

/// A handle on the engine, cheap to clone. Its lock is held while the engine works and never while anything waits.
#[derive(Clone)]
pub(in crate::server) struct Driver(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Wakes the task that sleeps until the next deadline.
    earlier_deadline: Notify,
    closed: CancellationToken,
    message_bytes: usize,
    started: (SystemTime, Instant),
}

struct State {
    engine: Engine,
    waiting: HashMap<CallId, oneshot::Sender<Answer>>,
    waiters: Waiters,
    next_call: u64,
    /// The latest time the engine was told.
    now: Time,
    /// What the timer task sleeps until.
    sleeps_until: Option<Time>,
    closed: bool,
}

/// A call that was taken in: while it lives, the caller is there.
///
/// Dropped before [`delivered`](Self::delivered), it tells the engine that the caller went away.
pub(in crate::server) struct Call {
    driver: Driver,
    id: CallId,
    answer: oneshot::Receiver<Answer>,
    delivered: bool,
}

impl Driver {
    /// A driver of a new engine. [`run_timers`](Self::run_timers) has to run beside it.
    ///
    /// `unlock_while_waiting`: time skips, if it can, while a call waits for the end of a run.
    pub(in crate::server) fn new(config: EngineConfig, unlock_while_waiting: bool) -> Self {
        let started = (SystemTime::now(), Instant::now());
        let now = Time::from(started.0);
        let message_bytes = config.limits.message_bytes;
        Driver(Arc::new(Shared {
            state: Mutex::new(State {
                engine: Engine::new(config, now),
                waiting: HashMap::new(),
                waiters: Waiters::new(unlock_while_waiting),
                next_call: 0,
                now,
                sleeps_until: None,
                closed: false,
            }),
            earlier_deadline: Notify::new(),
            closed: CancellationToken::new(),
            message_bytes,
            started,
        }))
    }

    /// The largest request message.
    pub(in crate::server) fn message_bytes(&self) -> usize {
        self.0.message_bytes
    }

    /// Takes a call in. `timeout` is how long its caller waits, if it says.
    pub(in crate::server) fn call(&self, request: Request, timeout: Option<Duration>) -> Call {
        let (sender, answer) = oneshot::channel();
        let id = self.with_state(|state| {
            let id = state.next_id();
            if state.closed {
                // Fails only if the caller is gone already.
                let _ = sender.send(Err(shutting_down()));
                return id;
            }
            state.waiting.insert(id, sender);
            let change = state.waiters.enter(id, &request);
            let (now, deadline) = (state.now, timeout.map(|timeout| state.now + timeout));
            let name = request.rpc_name();
            // A panic is a bug of the engine; it must not take the other callers down with it.
            let handled = catch_unwind(AssertUnwindSafe(|| state.engine.handle(now, id, deadline, request)));
            if handled.is_err() {
                tracing::error!(rpc = name, "the engine panicked");
                state.answer(
                    id,
                    Err(Status::new(Code::Internal, format!("{name} failed inside the server"))),
                );
            }
            state.tell(change);
            id
        });
        Call {
            driver: self.clone(),
            id,
            answer,
            delivered: false,
        }
    }

    /// Sleeps until the engine's deadlines and fires them, until the server is closed.
    pub(in crate::server) fn run_timers(&self) -> impl Future<Output = ()> + Send + use<> {
        let driver = self.clone();
        async move {
            loop {
                // Registered before the deadline is read, so that no change is missed.
                let changed = driver.0.earlier_deadline.notified();
                let (deadline, closed) = driver.with_state(|state| {
                    state.sleeps_until = state.engine.next_deadline();
                    (state.sleeps_until, state.closed)
                });
                if closed {
                    return;
                }
                match deadline.map(|deadline| driver.instant(deadline)) {
                    Some(Some(at)) => {
                        tokio::select! {
                            () = tokio::time::sleep_until(at) => {}
                            () = changed => {}
                        }
                    }
                    Some(None) | None => changed.await,
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// Answers every waiting and every later call with UNAVAILABLE.
    pub(in crate::server) fn close(&self) {
        self.with_state(|state| {
            state.closed = true;
            for (_, waiting) in state.waiting.drain() {
                // Fails only if the caller is gone already.
                let _ = waiting.send(Err(shutting_down()));
            }
        });
        self.0.earlier_deadline.notify_one();
        self.0.closed.cancel();
    }

    /// Ends with [`close`](Self::close).
    pub(in crate::server) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.closed.clone().cancelled_owned()
    }

    /// Keeps time from skipping for those who wait, until as many calls of [`release_time`](Self::release_time).
    pub(in crate::server) fn hold_time(&self) {
        self.with_state(|state| {
            let change = state.waiters.hold();
            state.tell(change);
        });
    }

    /// Ends one [`hold_time`](Self::hold_time).
    pub(in crate::server) fn release_time(&self) {
        self.with_state(|state| {
            let change = state.waiters.release();
            state.tell(change);
        });
    }

    /// The virtual time now.
    pub(in crate::server) fn current_time(&self) -> SystemTime {
        let nanos = self.with_state(|state| state.engine.clock().at(state.now)).as_nanos();
        let distance = Duration::from_nanos(nanos.unsigned_abs());
        if nanos < 0 {
            SystemTime::UNIX_EPOCH - distance
        } else {
            SystemTime::UNIX_EPOCH + distance
        }
    }

    /// Works on the engine at the time now, then hands out what became ready and fires what became due.
    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.state.lock();
        state.now = state.now.max(self.now());
        let result = work(&mut state);
        state.settle();
        let next = state.engine.next_deadline();
        let earlier = match (next, state.sleeps_until) {
            (Some(next), Some(sleeping)) => next < sleeping,
            (next, None) => next.is_some(),
            (None, Some(_)) => false,
        };
        if earlier {
            state.sleeps_until = next;
        }
        drop(state);
        if earlier {
            self.0.earlier_deadline.notify_one();
        }
        result
    }

    fn now(&self) -> Time {
        let (system, instant) = self.0.started;
        Time::from(system) + instant.elapsed()
    }

    /// The instant of a time; `None` when it is too far to be expressed.
    fn instant(&self, time: Time) -> Option<Instant> {
        let (system, instant) = self.0.started;
        instant.checked_add(time.since(Time::from(system)))
    }
}

impl State {
    fn settle(&mut self) {
        for _ in 0..TIMEOUTS_IN_A_ROW {
            while let Some((id, answer)) = self.engine.poll_answer() {
                self.answer(id, answer);
            }
            if self.engine.next_deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
            // As in a call: a bug of the engine must not end the task that fires timers.
            let handled = catch_unwind(AssertUnwindSafe(|| self.engine.handle_timeout(self.now)));
            if handled.is_err() {
                tracing::error!("the engine panicked while it fired timers");
                return;
            }
        }
    }

    fn next_id(&mut self) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        id
    }

    /// Tells the engine about a change of those who wait; its answer is of no interest.
    fn tell(&mut self, change: Option<Change>) {
        let request = match change {
            Some(Change::Lock) => Request::LockTimeSkipping(LockTimeSkippingRequest {}),
            Some(Change::Unlock) => Request::UnlockTimeSkipping(UnlockTimeSkippingRequest {}),
            None => return,
        };
        let id = self.next_id();
        self.engine.handle(self.now, id, None, request);
    }

    fn answer(&mut self, id: CallId, answer: Answer) {
        // Before anything else can happen in the engine: time stops with the answer that was waited for.
        let change = self.waiters.leave(id);
        self.tell(change);
        if let Some(waiting) = self.waiting.remove(&id) {
            // A caller that is gone takes its answer back when its `Call` is dropped.
            let _ = waiting.send(answer);
        }
    }
}

impl Call {
    /// Waits for the answer.
    pub(in crate::server) async fn answer(&mut self) -> Answer {
        match (&mut self.answer).await {
            Ok(answer) => answer,
            Err(_) => Err(shutting_down()),
        }
    }

    /// The answer has reached the caller: nothing has to be taken back.
    pub(in crate::server) fn delivered(mut self) {
        self.delivered = true;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.delivered {
            return;
        }
        let id = self.id;
        self.driver.with_state(|state| {
            state.waiting.remove(&id);
            let change = state.waiters.leave(id);
            state.tell(change);
            let now = state.now;
            state.engine.cancel_call(now, id);
        });
    }
}

#[cfg(test)]
mod tests {
    use temporal_protos::api::workflowservice::v1::GetSystemInfoRequest;

    use super::*;

    #[tokio::test]
    async fn a_closed_server_answers_unavailable() {
        let driver = Driver::new(EngineConfig::default(), false);
        let timers = tokio::spawn(driver.run_timers());
        driver.close();
        let mut call = driver.call(Request::GetSystemInfo(GetSystemInfoRequest {}), None);
        assert_eq!(call.answer().await.unwrap_err().code, Code::Unavailable);
        timers.await.unwrap();
    }

    #[tokio::test]
    async fn virtual_time_starts_at_real_time() {
        let driver = Driver::new(EngineConfig::default(), false);
        let distance = SystemTime::now()
            .duration_since(driver.current_time())
            .unwrap_or_default();
        assert!(distance < Duration::from_secs(60), "{distance:?}");
    }
}
