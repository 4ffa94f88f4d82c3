//! The engine's entry points.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use temporal_protos::api::common::v1::{Link, WorkflowExecution, link};
use uuid::Uuid;

use super::calls::{Answer, Call, CallId, Calls, Delivered, Waiting};
use super::clock::Clock;
use super::config::EngineConfig;
use super::index::Index;
use super::launch::Launch;
use super::matching::{Match, Matching};
use super::multi_operation::Again;
use super::namespace::{NamespaceId, Namespaces};
use super::nexus_endpoint::Endpoints;
use super::random::Random;
use super::rpc::{Request, Response};
use super::run::{Run, Turn};
use super::state::RunKey;
use super::status::{Code, Status};
use super::time::Time;
use super::timers::{Pull, Slot, Timer, Timers};

/// How many timers one call fires at most; what else is due then fires with the next call.
const FIRED_AT_ONCE: u32 = 256;

/// Everything that is not a run.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: EngineConfig,
    pub(super) clock: Clock,
    pub(super) real_now: Time,
    /// Virtual time.
    pub(super) now: Time,
    pub(super) random: Random,
    pub(super) cluster_id: Uuid,
    pub(super) namespaces: Namespaces,
    pub(super) endpoints: Endpoints,
    pub(super) index: Index,
    pub(super) timers: Timers,
    /// What is due at some real time, however far virtual time is.
    pub(super) real_timers: Timers,
    pub(super) matching: Matching,
    pub(super) calls: Calls,
    pub(super) effects: VecDeque<Effect>,
    /// How many things keep time from being skipped.
    pub(super) in_flight: u64,
    task_ids: i64,
    numbers: u64,
}

/// Work that one run's turn leaves for the engine, done right after it, in order.
#[derive(Debug)]
pub(super) enum Effect {
    /// A new run begins.
    Launch(Box<Launch>),
    /// An update-with-start is tried again: the run that it used is closed.
    UpdateWithStart(Box<Again>),
    /// A run has new events and readers that wait for them.
    HistoryGrew(RunKey),
    /// A run closed.
    Closed(RunKey),
    /// A child is to be started, by its initiated event.
    StartChild(RunKey, i64),
    /// A signal goes to another workflow, by its initiated event.
    SignalExternal(RunKey, i64),
    /// A cancel request goes to another workflow, by its initiated event.
    CancelExternal(RunKey, i64),
}

impl Shared {
    /// A link to an event of a run.
    pub(super) fn event_link(&self, run: &Run, reference: link::workflow_event::Reference) -> Link {
        Link {
            variant: Some(link::Variant::WorkflowEvent(link::WorkflowEvent {
                namespace: self.namespaces.name(run.namespace),
                workflow_id: run.workflow_id.to_string(),
                run_id: run.run_id.to_string(),
                reference: Some(reference),
            })),
        }
    }

    /// The next number of anything that needs one.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn next_task_id(&mut self) -> i64 {
        self.task_ids += 1;
        self.task_ids
    }

    /// When a long poll is answered empty: a second before its caller gives up, at the latest after `limit`.
    pub(super) fn long_poll_until(&self, call: Call, limit: Duration) -> Time {
        let limit = self.real_now + limit;
        call.deadline.map_or(limit, |deadline| {
            (deadline - Duration::from_secs(1)).max(self.real_now).min(limit)
        })
    }
}

/// The whole server as one value.
///
/// - What arrived: [`handle`](Self::handle), [`cancel_call`](Self::cancel_call), [`handle_timeout`](Self::handle_timeout).
/// - What to do: [`poll_answer`](Self::poll_answer) until it returns `None`, after every one of them; then sleep until
///   [`next_deadline`](Self::next_deadline) or the next call.
///
/// Each of these does a bounded amount of work, so that a workflow that the server alone keeps going (a run that times out
/// and is retried, over and over) holds nobody up: what is left is due at once.
///
/// All times given and returned are real time and may not run backwards.
#[derive(Debug)]
pub struct Engine {
    pub(super) runs: HashMap<RunKey, Run>,
    pub(super) shared: Shared,
}

impl Engine {
    /// An engine with the namespaces of `config` and nothing in them.
    pub fn new(config: EngineConfig, now: Time) -> Self {
        let clock = Clock::new(config.time);
        let mut random = Random::new(config.seed);
        let mut namespaces = Namespaces::default();
        for name in &config.namespaces {
            namespaces.add(
                random.uuid4(),
                name,
                config.retention,
                config.custom_search_attributes(),
            );
        }
        Engine {
            runs: HashMap::new(),
            shared: Shared {
                clock,
                real_now: now,
                now,
                cluster_id: random.uuid4(),
                random,
                namespaces,
                endpoints: Endpoints::default(),
                index: Index::default(),
                timers: Timers::default(),
                real_timers: Timers::default(),
                matching: Matching::default(),
                calls: Calls::default(),
                effects: VecDeque::new(),
                in_flight: 0,
                task_ids: 1_048_576,
                numbers: 0,
                config,
            },
        }
    }

    /// Takes one call in. `deadline` is when its caller gives up, if it says.
    ///
    /// The answer comes from [`poll_answer`](Self::poll_answer), at once or later; each call is answered exactly once unless
    /// it is cancelled first.
    pub fn handle(&mut self, now: Time, call: CallId, deadline: Option<Time>, request: Request) {
        self.advance(now);
        self.shared.matching.sweep(self.shared.real_now);
        let call = Call { id: call, deadline };
        match self.dispatch(call, request) {
            Ok(Some(response)) => self.shared.calls.answer(call.id, Ok(response)),
            Ok(None) => {}
            Err(status) => self.shared.calls.answer(call.id, Err(status)),
        }
        self.settle();
    }

    /// The caller went away: forgets a waiting call.
    ///
    /// Of use after the answer too, if that could not be handed over: a task that the answer carried is put back for
    /// another poller.
    pub fn cancel_call(&mut self, now: Time, call: CallId) {
        self.advance(now);
        if let Some(waiting) = self.shared.calls.unpark(call) {
            self.stop_waiting(call, &waiting);
        }
        self.shared.calls.withdraw(call);
        for task in self.shared.calls.undeliver(call) {
            self.put_back(task);
        }
        self.settle();
    }

    /// Fires what is due and, while time skips, jumps to what is next. Spurious calls do nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        if self.fire_due()
            && let Some(target) = self.skip_target()
        {
            let real = self.shared.real_now;
            self.shared.clock.jump(real, target);
            self.advance(now);
            self.fire_due();
        }
        while let Some((call, waiting)) = self.shared.calls.pop_expired(self.shared.real_now) {
            self.expire(call, waiting);
            self.settle();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, in real time. In the past when it is due already.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let timer = match self.skip_target() {
            Some(_) => Some(self.shared.real_now),
            None => self.shared.timers.next().map(|due| self.shared.clock.real(due)),
        };
        let others = [self.shared.real_timers.next(), self.shared.calls.next_deadline()];
        others.into_iter().chain([timer]).flatten().min()
    }

    /// The next answer that is ready.
    #[must_use]
    pub fn poll_answer(&mut self) -> Option<(CallId, Answer)> {
        self.shared.calls.next_answer()
    }

    /// The engine's clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    fn advance(&mut self, now: Time) {
        self.shared.real_now = self.shared.real_now.max(now);
        self.shared.now = self.shared.clock.at(self.shared.real_now);
    }

    /// The virtual time to jump to, if time may be skipped now and something waits for it.
    fn skip_target(&self) -> Option<Time> {
        if !self.shared.clock.is_unlocked() || self.shared.in_flight > 0 {
            return None;
        }
        self.shared.timers.next_awaited().filter(|due| *due <= Time::HORIZON)
    }

    /// Fires what is due, a limited number of timers: firing may make more of them due. Whether nothing is due any more.
    fn fire_due(&mut self) -> bool {
        for _ in 0..FIRED_AT_ONCE {
            let Shared {
                timers,
                real_timers,
                now,
                real_now,
                ..
            } = &mut self.shared;
            let Some(timer) = timers.pop_due(*now).or_else(|| real_timers.pop_due(*real_now)) else {
                return true;
            };
            match timer {
                Timer::Run(key, slot) => self.fire(key, slot),
                Timer::Sleep(call) => self.wake_sleeper(call),
                Timer::Dispatch(queue) => self.shared.matching.wake(super::matching::QueueId(queue)),
            }
            self.settle();
        }
        let shared = &self.shared;
        shared.timers.next().is_none_or(|due| due > shared.now)
            && shared.real_timers.next().is_none_or(|due| due > shared.real_now)
    }

    fn fire(&mut self, key: RunKey, slot: Slot) {
        if slot == Slot::Retention {
            self.forget(key);
            return;
        }
        self.turn(key, |turn| match slot {
            Slot::RunTimeout => turn.run_timed_out(),
            Slot::FirstTask => turn.first_task_due(),
            Slot::WorkflowTask => turn.workflow_task_timed_out(),
            Slot::Timers => turn.timers_fired(),
            Slot::Activity(id) => turn.activity_due(id),
            Slot::Nexus(id) => turn.nexus_due(id),
            Slot::Query(number) => turn.query_due(number),
            Slot::Retention => {}
        });
    }

    /// A turn of work on a run; `None` when there is no such run.
    pub(super) fn turn<R>(&mut self, key: RunKey, work: impl FnOnce(&mut Turn<'_>) -> R) -> Option<R> {
        let run = self.runs.get_mut(&key)?;
        let mut turn = Turn {
            run,
            shared: &mut self.shared,
        };
        let result = work(&mut turn);
        turn.finish();
        Some(result)
    }

    /// Does what turns left to do, then brings tasks and pollers together, until nothing is left.
    pub(super) fn settle(&mut self) {
        loop {
            if let Some(effect) = self.shared.effects.pop_front() {
                self.effect(effect);
                continue;
            }
            match self.shared.matching.next_match(self.shared.now) {
                Some(Match::Pair(work, call)) => self.hand_out(work, call),
                Some(Match::Wait(queue, wait)) => {
                    let due = self.shared.now + wait;
                    self.shared.timers.set(Timer::Dispatch(queue.0), due, Pull::Passive);
                }
                None => break,
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(launch) => self.launch(*launch),
            Effect::UpdateWithStart(again) => self.update_with_start_again(*again),
            Effect::HistoryGrew(key) => self.serve_readers(key),
            Effect::Closed(key) => self.after_close(key),
            Effect::StartChild(parent, initiated) => self.start_child(parent, initiated),
            Effect::SignalExternal(source, initiated) => self.signal_external(source, initiated),
            Effect::CancelExternal(source, initiated) => self.cancel_external(source, initiated),
        }
    }

    /// A parked call's time is up: the empty answer of its kind.
    fn expire(&mut self, call: CallId, waiting: Waiting) {
        if !matches!(waiting, Waiting::Update { .. }) {
            self.stop_waiting(call, &waiting);
        }
        let answer = match waiting {
            Waiting::WorkflowPoll(_) => Ok(Response::PollWorkflowTaskQueue(Default::default())),
            Waiting::ActivityPoll(_) => Ok(Response::PollActivityTaskQueue(Default::default())),
            Waiting::NexusPoll(_) => Ok(Response::PollNexusTaskQueue(Default::default())),
            Waiting::History { run, next_event_id, .. } => self.empty_history(run, next_event_id),
            Waiting::Query { .. } => Err(Status::new(Code::DeadlineExceeded, "context deadline exceeded")),
            Waiting::Update { run, update_id } => self.update_so_far(run, &update_id, call),
            Waiting::Sleep(_) => Err(Status::new(Code::DeadlineExceeded, "context deadline exceeded")),
        };
        self.shared.calls.answer(call, answer);
    }

    /// Removes a call that no longer waits from where it waited.
    fn stop_waiting(&mut self, call: CallId, waiting: &Waiting) {
        match waiting {
            Waiting::WorkflowPoll(poller) | Waiting::ActivityPoll(poller) | Waiting::NexusPoll(poller) => {
                self.shared.matching.remove_poller(poller.queue, call);
            }
            Waiting::History { run, .. } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.live.readers.retain(|reader| *reader != call);
                }
            }
            Waiting::Query { run, query } => {
                self.turn(*run, |turn| turn.drop_query(*query));
            }
            Waiting::Update { run, update_id } => {
                self.turn(*run, |turn| turn.stop_waiting_for_update(update_id, call));
            }
            Waiting::Sleep(wake) => {
                self.shared.timers.clear(Timer::Sleep(call));
                self.sleep_over(*wake);
            }
        }
    }

    /// The poller of a task never got it.
    fn put_back(&mut self, task: Delivered) {
        match task {
            Delivered::Workflow(key, scheduled_id, attempt) => {
                self.turn(key, |turn| turn.put_back_workflow_task(scheduled_id, attempt));
            }
            Delivered::Activity(key, scheduled_id, stamp) => {
                self.turn(key, |turn| turn.put_back_activity(scheduled_id, stamp));
            }
            Delivered::Nexus(key, scheduled_id, errand, stamp) => {
                self.turn(key, |turn| turn.put_back_nexus(scheduled_id, errand, stamp));
            }
            Delivered::Query(key, query) => {
                self.turn(key, |turn| turn.put_back_query(query));
            }
        }
    }

    /// The run that a request names: by run id, or the newest of the workflow id.
    pub(super) fn find_run(&self, namespace: &str, execution: Option<&WorkflowExecution>) -> Result<RunKey, Status> {
        let namespace = self.shared.namespaces.find(namespace)?.id;
        let execution = execution.ok_or_else(|| Status::invalid_argument("Execution is not set on request."))?;
        if execution.workflow_id.is_empty() {
            return Err(Status::invalid_argument("WorkflowId is not set on request."));
        }
        let run_id = parse_run_id(&execution.run_id)?;
        self.lookup(namespace, &execution.workflow_id, run_id)
    }

    /// The run of a workflow id with this run id, or the newest one.
    pub(super) fn lookup(
        &self,
        namespace: NamespaceId,
        workflow_id: &str,
        run_id: Option<Uuid>,
    ) -> Result<RunKey, Status> {
        let Some(run_id) = run_id else {
            let current = self.shared.index.current(namespace, workflow_id);
            return current.ok_or_else(|| Status::not_found(format!("workflow not found for ID: {workflow_id}")));
        };
        let found = self.shared.index.by_run_id(run_id).filter(|key| {
            self.runs
                .get(key)
                .is_some_and(|run| run.namespace == namespace && *run.workflow_id == *workflow_id)
        });
        found.ok_or_else(|| {
            if self.shared.index.current(namespace, workflow_id).is_none() {
                return Status::not_found(format!("workflow not found for ID: {workflow_id}"));
            }
            let text =
                format!("workflow execution not found for workflow ID \"{workflow_id}\" and run ID \"{run_id}\"");
            Status::not_found(text)
        })
    }

    /// Forgets a closed run.
    pub(super) fn forget(&mut self, key: RunKey) {
        let Some(mut run) = self.runs.remove(&key) else { return };
        self.shared.timers.clear_run(key);
        self.shared.real_timers.clear_run(key);
        for ticket in std::mem::take(&mut run.live.tickets).into_values() {
            self.shared.matching.remove(ticket);
        }
        self.shared.in_flight -= run.counted();
        self.shared.index.remove(&run);
        let gone = || Status::not_found(format!("workflow not found for ID: {}", run.workflow_id));
        let readers = run.live.readers.iter().copied();
        let queries = run.live.queries.values().map(|query| query.call);
        let updates = run
            .live
            .updates
            .values()
            .flat_map(|update| update.waiters.iter().map(|waiter| waiter.call));
        for call in readers.chain(queries).chain(updates) {
            self.shared.calls.answer(call, Err(gone()));
        }
    }
}

/// A run id of a request, `None` when empty.
pub(super) fn parse_run_id(text: &str) -> Result<Option<Uuid>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    Uuid::try_parse(text)
        .map(Some)
        .map_err(|_| Status::invalid_argument("Invalid RunId."))
}
