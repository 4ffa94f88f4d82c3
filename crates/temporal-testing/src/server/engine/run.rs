//! One run and a turn of work on it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use temporal_protos::api::common::v1::{Link, WorkflowExecution};
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::sdk::v1::UserMetadata;

use super::calls::CallId;
use super::core::{Effect, Shared};
use super::events::{Attributes, Origin, event_type, origin};
use super::matching::{QueueType, Ticket, Work, WorkerKey};
use super::namespace::NamespaceId;
use super::nexus::Orphan;
use super::query::Query;
use super::state::{ActivityChange, Errand, Record, State, UpdateStage, give_back};
use super::timers::{Pull, Slot, Timer};
use super::update::LiveUpdate;

/// A run: its state, which only records change, and who waits for it, which no record knows.
#[derive(Debug)]
pub(super) struct Run {
    // Boxed, so that the map of all runs has room to spare for small entries only.
    state: Box<State>,
    pub(super) live: Box<Live>,
}

/// What would be lost with the connections.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Calls that wait for more history.
    pub(super) readers: Vec<CallId>,
    /// Queries without an answer, by number.
    pub(super) queries: BTreeMap<u64, Query>,
    /// Updates that are not done, and done ones someone still waits for, by id.
    pub(super) updates: BTreeMap<String, LiveUpdate>,
    /// Receipts of tasks in task queues.
    pub(super) tickets: BTreeMap<Work, Ticket>,
    /// The poll that took the workflow task.
    pub(super) task_call: Option<CallId>,
    /// The worker that has the workflow task; after a failure, until the next start, the one that had it.
    pub(super) task_worker: Option<WorkerKey>,
    /// Tells this start of the workflow task from any other.
    pub(super) task_stamp: i64,
    /// The polls that took activities, by scheduled event.
    pub(super) activity_calls: BTreeMap<i64, CallId>,
    /// The workers that have activities or had their last attempts, by scheduled event.
    pub(super) activity_workers: BTreeMap<i64, WorkerKey>,
    /// The polls that took requests to handlers of Nexus operations, by scheduled event.
    pub(super) nexus_calls: BTreeMap<(i64, Errand), CallId>,
    /// Requests to handlers that workers still have though their operations or the run are over.
    pub(super) nexus_orphans: Vec<Orphan>,
    /// The worker whose commands are being carried out.
    pub(super) worker_identity: String,
    /// The run before it timed out without a worker: time is not skipped for its sake, or a chain of such runs would drive
    /// the clock for ever.
    pub(super) unattended: bool,
    /// Commands are being carried out: what arrives because of them comes after them.
    collecting: bool,
    /// What this run adds to the engine's count of things in flight.
    counted: u64,
    /// Something was recorded in this turn.
    dirty: bool,
}

impl Live {
    /// A map that was used keeps memory when it is empty again; an idle run has many of them.
    fn give_back(&mut self) {
        give_back(&mut self.queries);
        give_back(&mut self.updates);
        give_back(&mut self.tickets);
        give_back(&mut self.activity_calls);
        give_back(&mut self.activity_workers);
        give_back(&mut self.nexus_calls);
        if self.nexus_orphans.is_empty() {
            self.nexus_orphans = Vec::new();
        }
    }
}

impl Deref for Run {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl Run {
    pub(super) fn new(state: State) -> Self {
        Run {
            state: Box::new(state),
            live: Box::default(),
        }
    }

    pub(super) fn execution(&self) -> WorkflowExecution {
        WorkflowExecution {
            workflow_id: self.workflow_id.to_string(),
            run_id: self.run_id.to_string(),
        }
    }

    /// Whether the run has an update of this id that can still be waited for, or that is done.
    pub(super) fn has_update(&self, id: &str) -> bool {
        let known = self.updates.contains_key(id) || self.live.updates.contains_key(id);
        self.update_is_done(id) || (known && self.is_open())
    }

    pub(super) fn update_is_done(&self, id: &str) -> bool {
        let update = self.updates.get(id);
        update.is_some_and(|it| matches!(it.stage, UpdateStage::Completed(_)))
    }

    /// What this run adds to the engine's count of things in flight.
    pub(super) fn counted(&self) -> u64 {
        self.live.counted
    }
}

/// Work on one run: reads its state, writes records, and leaves the rest of the engine consistent in [`Turn::finish`].
#[derive(Debug)]
pub(super) struct Turn<'e> {
    pub(super) run: &'e mut Run,
    pub(super) shared: &'e mut Shared,
}

impl Deref for Turn<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.run.state
    }
}

/// What a command or request adds to its event beside the attributes.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    pub(super) user_metadata: Option<UserMetadata>,
    pub(super) links: Vec<Link>,
    pub(super) worker_may_ignore: bool,
}

impl Turn<'_> {
    /// Applies a record.
    pub(super) fn record(&mut self, record: Record) -> i64 {
        self.run.live.dirty = true;
        self.run.state.apply(record)
    }

    /// Writes an event, or holds it back while a workflow task runs; returns its id, 0 when held.
    pub(super) fn event(&mut self, attributes: Attributes) -> i64 {
        self.event_with(attributes, Extras::default())
    }

    pub(super) fn event_with(&mut self, attributes: Attributes, extras: Extras) -> i64 {
        self.event_at(self.shared.now, attributes, extras)
    }

    pub(super) fn event_at(&mut self, at: super::time::Time, attributes: Attributes, extras: Extras) -> i64 {
        let running = self.started_task().is_some() || self.run.live.collecting;
        let held = running && origin(&attributes) != Origin::Own;
        if held {
            self.settle_started_task();
        }
        let event = HistoryEvent {
            event_time: Some(at.to_proto()),
            event_type: event_type(&attributes) as i32,
            task_id: self.shared.next_task_id(),
            user_metadata: extras.user_metadata,
            links: extras.links,
            worker_may_ignore: extras.worker_may_ignore,
            attributes: Some(attributes),
            ..HistoryEvent::default()
        };
        self.record(Record::Event {
            event: Box::new(event),
            held,
        })
    }

    /// From here to [`release`](Self::release), arrivals are held back even though no task runs.
    pub(super) fn collect(&mut self) {
        self.run.live.collecting = true;
    }

    /// Held events take their place; whether there were any.
    pub(super) fn release(&mut self) -> bool {
        self.run.live.collecting = false;
        let any = !self.held.is_empty();
        if any {
            // Numbered anew, so that the numbers rise with the events' places.
            let held = self.held.len();
            let task_ids = (0..held).map(|_| self.shared.next_task_id()).collect();
            self.record(Record::Release { task_ids });
        }
        any
    }

    /// Changes an activity and what hangs on it: its timer and its place in the task queue.
    pub(super) fn change_activity(&mut self, id: i64, change: ActivityChange) {
        self.record(Record::Activity(id, change));
        self.sync_activity(id);
    }

    pub(super) fn set_timer(&mut self, slot: Slot, due: super::time::Time, pull: Pull) {
        self.shared.timers.set(Timer::Run(self.key, slot), due, pull);
    }

    /// Sets a timer that runs with the wall clock, whatever time is skipped.
    pub(super) fn set_real_timer(&mut self, slot: Slot, after: Duration) {
        let due = self.shared.real_now + after;
        self.shared
            .real_timers
            .set(Timer::Run(self.key, slot), due, Pull::Passive);
    }

    pub(super) fn clear_real_timer(&mut self, slot: Slot) {
        self.shared.real_timers.clear(Timer::Run(self.key, slot));
    }

    pub(super) fn clear_timer(&mut self, slot: Slot) {
        self.shared.timers.clear(Timer::Run(self.key, slot));
    }

    /// Queues a task of this run, unless it is queued there already.
    pub(super) fn enqueue(&mut self, work: Work, kind: QueueType, name: &str) {
        self.enqueue_in(self.namespace, work, kind, name);
    }

    /// Like [`enqueue`](Self::enqueue), in a queue of another namespace.
    pub(super) fn enqueue_in(&mut self, namespace: NamespaceId, work: Work, kind: QueueType, name: &str) {
        let queue = self.shared.matching.queue(namespace, kind, name);
        if self
            .run
            .live
            .tickets
            .get(&work)
            .is_some_and(|ticket| ticket.queue == queue)
        {
            return;
        }
        self.dequeue(work);
        let priority = match work {
            Work::Activity(_, id) => self
                .run
                .state
                .activities
                .get(&id)
                .and_then(|activity| activity.options.priority.as_ref()),
            Work::Workflow(_) | Work::Query(..) => self.run.state.priority.as_deref(),
            Work::Nexus(..) => None,
        };
        let ticket = self.shared.matching.add(queue, work, priority, self.failed_with(work));
        self.run.live.tickets.insert(work, ticket);
    }

    /// The worker that had a task and failed.
    fn failed_with(&self, work: Work) -> Option<WorkerKey> {
        match work {
            Work::Workflow(_) => self.run.live.task_worker.clone(),
            Work::Activity(_, id) => self.run.live.activity_workers.get(&id).cloned(),
            Work::Query(..) | Work::Nexus(..) => None,
        }
    }

    /// A task that was taken out for a poller that is gone goes back to its place.
    pub(super) fn put_back_in_queue(&mut self, work: Work) {
        if let Some(ticket) = self.run.live.tickets.get(&work) {
            self.shared.matching.put_back(*ticket, work, self.failed_with(work));
        }
    }

    /// Takes a task of this run out of its queue.
    pub(super) fn dequeue(&mut self, work: Work) {
        if let Some(ticket) = self.run.live.tickets.remove(&work) {
            self.shared.matching.remove(ticket);
        }
    }

    /// Ends the turn: one batch of history, after which the run may be too long; timers, queues, counts and readers follow
    /// the state.
    pub(super) fn finish(mut self) {
        if self.run.live.dirty {
            self.record(Record::EndBatch);
            if self.outgrown() {
                self.record(Record::EndBatch);
            }
            self.run.live.dirty = false;
            self.sync_timers();
            self.sync_task_queue();
            if !self.run.live.readers.is_empty() {
                self.shared.effects.push_back(Effect::HistoryGrew(self.key));
            }
        }
        let direct = self
            .run
            .live
            .queries
            .values()
            .filter(|query| query.keeps_time())
            .count() as u64;
        let in_flight = self.in_flight() + direct;
        self.shared.in_flight = self.shared.in_flight + in_flight - self.run.live.counted;
        self.run.live.give_back();
        self.run.live.counted = in_flight;
    }

    fn sync_timers(&mut self) {
        if self.close_time.is_some() {
            self.shared.timers.clear_run(self.key);
            let namespace = self.shared.namespaces.get(self.namespace);
            let retention = namespace.map_or(Duration::ZERO, |it| it.retention);
            // Real time: a test that skips a month still wants to see what ended before.
            if !self.shared.real_timers.is_set(Timer::Run(self.key, Slot::Retention)) {
                self.set_real_timer(Slot::Retention, retention);
            }
            return;
        }
        let pull = if self.run.live.unattended && self.first_completed.is_none() {
            Pull::Passive
        } else {
            Pull::Awaited
        };
        match self.run_expires_at() {
            Some(due) => self.set_timer(Slot::RunTimeout, due, pull),
            None => self.clear_timer(Slot::RunTimeout),
        }
        if self.delayed {
            self.set_timer(Slot::FirstTask, self.execution_time, pull);
        } else {
            self.clear_timer(Slot::FirstTask);
        }
        match self.timers_due.first().copied() {
            Some((due, _)) => self.set_timer(Slot::Timers, due, Pull::Awaited),
            None => self.clear_timer(Slot::Timers),
        }
        match self.workflow_task_due() {
            Some(due) => self.set_timer(Slot::WorkflowTask, due, Pull::Passive),
            None => self.clear_timer(Slot::WorkflowTask),
        }
    }

    /// The pending workflow task is in its queue exactly while nobody has it.
    fn sync_task_queue(&mut self) {
        let work = Work::Workflow(self.key);
        match self.task.as_deref() {
            Some(task) if task.started.is_none() => {
                let queue = task.queue.clone();
                self.enqueue(work, QueueType::Workflow, &queue);
            }
            Some(_) | None => self.dequeue(work),
        }
    }
}

impl Turn<'_> {
    /// The workflow's timers that are due fire together.
    pub(super) fn timers_fired(&mut self) {
        let due: Vec<i64> = self
            .timers_due
            .iter()
            .take_while(|(due, _)| *due <= self.shared.now)
            .map(|(_, id)| *id)
            .collect();
        for started_event_id in due {
            let Some(timer_id) = self.timers.get(&started_event_id).map(|timer| timer.timer_id.clone()) else {
                continue;
            };
            self.arrive_quietly(Attributes::TimerFiredEventAttributes(
                temporal_protos::api::history::v1::TimerFiredEventAttributes {
                    timer_id,
                    started_event_id,
                },
            ));
        }
        if self.started_task().is_none() {
            self.want_task();
        }
    }
}
