//! Task queues: tasks on one side, pollers on the other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use temporal_protos::api::common::v1::Priority;

use super::calls::CallId;
use super::namespace::NamespaceId;
use super::state::{Errand, RunKey};
use super::time::Time;

/// What a task queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum QueueType {
    Workflow,
    Activity,
    Nexus,
}

/// Names one task queue inside the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct QueueId(pub(super) u64);

/// A task for a poller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Work {
    /// The pending workflow task of a run.
    Workflow(RunKey),
    /// An activity of a run, by its scheduled event.
    Activity(RunKey, i64),
    /// A query of a run, by its number.
    Query(RunKey, u64),
    /// A request to the handler of a Nexus operation of a run, by its scheduled event.
    Nexus(RunKey, i64, Errand),
}

/// Tells workers apart: the instance key that a worker sends, else its identity.
pub(super) type WorkerKey = Arc<str>;

/// The key of a worker that sends these.
pub(super) fn worker_key(instance_key: &str, identity: &str) -> WorkerKey {
    if instance_key.is_empty() {
        identity
    } else {
        instance_key
    }
    .into()
}

/// A task in its queue.
#[derive(Clone, Debug)]
struct Queued {
    work: Work,
    /// The worker that had it and failed: any other that waits comes first, or workers that know different code could
    /// swap their tasks for ever.
    not_for: Option<WorkerKey>,
}

/// The place of a task in its queue: by priority, then fairly by key, then first come first served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    priority: i32,
    pass: u64,
    number: u64,
}

/// A receipt for a queued task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) queue: QueueId,
    place: Place,
}

/// A poller seen lately.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Time,
    pub(super) rate: Option<f64>,
}

/// So many queues, or fairness keys of a queue, are kept without asking whether they are of any use.
const FEW: usize = 256;
/// So many pollers of a queue are remembered after their polls, as on the real server.
const MOST_SEEN: usize = 1_000;

/// Work of one fairness key of weight 1 moves its key on by this much.
const PASS: f64 = 1_048_576.0;

/// A queue's sharing among fairness keys of one priority.
#[derive(Debug, Default)]
struct Fairness {
    /// Where the queue is: no key may claim what it did not use before.
    floor: u64,
    keys: BTreeMap<String, u64>,
    /// With this many keys those that do not matter any more are dropped.
    most_keys: usize,
}

impl Fairness {
    fn next_pass(&mut self, key: &str, weight: f32) -> u64 {
        let weight = if weight > 0.0 {
            f64::from(weight).clamp(0.001, 1_000.0)
        } else {
            1.0
        };
        let last = self.keys.get(key).copied().unwrap_or(0).max(self.floor);
        if self.keys.len() >= self.most_keys {
            // Behind the floor a key is as good as unknown.
            self.keys.retain(|_, pass| *pass > self.floor);
            self.most_keys = (2 * self.keys.len()).max(FEW);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1,000 and 10^9"
        )]
        let pass = last + (PASS / weight) as u64;
        self.keys.insert(key.to_owned(), pass);
        pass
    }
}

/// A token bucket over virtual time.
#[derive(Debug)]
struct Limit {
    rate: f64,
    tokens: f64,
    at: Time,
}

impl Limit {
    fn burst(&self) -> f64 {
        self.rate.max(1.0)
    }

    /// Takes a token, or says how long until there is one (`None`: never).
    fn take(&mut self, now: Time) -> Result<(), Option<Duration>> {
        let refill = now.since(self.at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + refill).min(self.burst());
        self.at = now;
        if self.rate <= 0.0 {
            return Err(None);
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Some(
            Duration::from_secs_f64(((1.0 - self.tokens) / self.rate).min(3_600.0)) + Duration::from_nanos(1),
        ))
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    tasks: BTreeMap<Place, Queued>,
    pollers: VecDeque<(CallId, WorkerKey)>,
    fairness: BTreeMap<i32, Fairness>,
    limit: Option<Limit>,
    /// Who polled lately, in real time.
    pub(super) seen: BTreeMap<String, Seen>,
    pub(super) last_poll: Option<Time>,
}

impl Queue {
    /// Whether nothing would change if the queue were not there.
    fn is_idle(&self, real_now: Time) -> bool {
        let heard = self.last_poll.is_some_and(|at| real_now.since(at) < REPORTED);
        self.tasks.is_empty() && self.pollers.is_empty() && !heard
    }

    /// The dispatch rate that its workers set, in tasks per second.
    pub(super) fn rate(&self) -> Option<f64> {
        self.limit.as_ref().map(|limit| limit.rate)
    }

    pub(super) fn backlog(&self) -> usize {
        self.tasks.len()
    }

    /// How many tasks wait at each priority.
    pub(super) fn backlog_by_priority(&self) -> BTreeMap<i32, i64> {
        let mut counts = BTreeMap::new();
        for place in self.tasks.keys() {
            *counts.entry(place.priority).or_insert(0) += 1;
        }
        counts
    }
}

/// What the queues want done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// This task goes to this poller.
    Pair(Work, CallId),
    /// The queue may hand out nothing before then.
    Wait(QueueId, Duration),
}

/// The last of the priority keys; those beyond it count as it.
const LAST_PRIORITY: i32 = 5;
/// The priority of a task that names none.
const MIDDLE_PRIORITY: i32 = 3;
/// How long a poller counts as present after its poll ended.
const RECENT: Duration = Duration::from_secs(10);
/// How long a poller is reported after it was last seen.
pub(super) const REPORTED: Duration = Duration::from_secs(300);

/// All task queues.
#[derive(Debug, Default)]
pub(super) struct Matching {
    names: HashMap<(NamespaceId, QueueType, String), QueueId>,
    queues: HashMap<QueueId, Queue>,
    ready: BTreeSet<QueueId>,
    numbers: u64,
    /// With this many queues those of no use are dropped.
    most_queues: usize,
    ended: EndedWorkers,
}

/// The workers that said that they end: a poll that was on its way then is to bring them no task.
#[derive(Debug, Default)]
struct EndedWorkers {
    keys: HashSet<WorkerKey>,
    /// In the order in which they ended.
    order: VecDeque<WorkerKey>,
}

impl EndedWorkers {
    /// How many are remembered.
    const MOST: usize = 1_000;

    fn add(&mut self, worker: WorkerKey) {
        if self.keys.insert(worker.clone()) {
            self.order.push_back(worker);
        }
        if self.order.len() > Self::MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }
}

impl Matching {
    /// The queue of this name, made if need be.
    pub(super) fn queue(&mut self, namespace: NamespaceId, kind: QueueType, name: &str) -> QueueId {
        if let Some(id) = self.find(namespace, kind, name) {
            return id;
        }
        // Numbers are used once: a late reference to a queue that was dropped finds nothing.
        self.numbers += 1;
        let id = QueueId(self.numbers);
        self.names.insert((namespace, kind, name.to_owned()), id);
        self.queues.insert(id, Queue::default());
        id
    }

    /// Drops queues that hold nothing and that nobody polled lately, whenever their number has doubled.
    pub(super) fn sweep(&mut self, real_now: Time) {
        if self.queues.len() < self.most_queues.max(FEW) {
            return;
        }
        let queues = &mut self.queues;
        self.names.retain(|_, id| {
            let idle = queues.get(id).is_none_or(|queue| queue.is_idle(real_now));
            if idle {
                queues.remove(id);
            }
            !idle
        });
        self.most_queues = 2 * self.queues.len();
    }

    pub(super) fn find(&self, namespace: NamespaceId, kind: QueueType, name: &str) -> Option<QueueId> {
        self.names.get(&(namespace, kind, name.to_owned())).copied()
    }

    pub(super) fn get(&self, id: QueueId) -> Option<&Queue> {
        self.queues.get(&id)
    }

    fn get_mut(&mut self, id: QueueId) -> Option<&mut Queue> {
        self.queues.get_mut(&id)
    }

    fn check_ready(&mut self, id: QueueId) {
        if self
            .get(id)
            .is_some_and(|queue| !queue.tasks.is_empty() && !queue.pollers.is_empty())
        {
            self.ready.insert(id);
        }
    }

    /// Queues a task, rather not for this worker. Queries go first.
    pub(super) fn add(
        &mut self,
        id: QueueId,
        work: Work,
        priority: Option<&Priority>,
        not_for: Option<WorkerKey>,
    ) -> Ticket {
        self.numbers += 1;
        let number = self.numbers;
        let mut place = Place {
            priority: 0,
            pass: 0,
            number,
        };
        if let Some(queue) = self.queues.get_mut(&id) {
            if !matches!(work, Work::Query(..)) {
                let key = priority.map_or(0, |priority| priority.priority_key);
                place.priority = if key > 0 {
                    key.min(LAST_PRIORITY)
                } else {
                    MIDDLE_PRIORITY
                };
                let fairness = queue.fairness.entry(place.priority).or_default();
                let (key, weight) = priority.map_or(("", 0.0), |it| (it.fairness_key.as_str(), it.fairness_weight));
                place.pass = fairness.next_pass(key, weight);
            }
            queue.tasks.insert(place, Queued { work, not_for });
        }
        self.check_ready(id);
        Ticket { queue: id, place }
    }

    /// A task that was matched with a poller that is gone goes back to its place.
    pub(super) fn put_back(&mut self, ticket: Ticket, work: Work, not_for: Option<WorkerKey>) {
        if let Some(queue) = self.get_mut(ticket.queue) {
            queue.tasks.insert(ticket.place, Queued { work, not_for });
        }
        self.check_ready(ticket.queue);
    }

    /// Takes a task out before anyone got it.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        if let Some(queue) = self.get_mut(ticket.queue) {
            queue.tasks.remove(&ticket.place);
        }
    }

    /// A caller waits for a task.
    pub(super) fn add_poller(&mut self, id: QueueId, call: CallId, worker: WorkerKey) {
        if let Some(queue) = self.get_mut(id) {
            queue.pollers.push_back((call, worker));
        }
        self.check_ready(id);
    }

    /// A caller waits no more.
    pub(super) fn remove_poller(&mut self, id: QueueId, call: CallId) {
        if let Some(queue) = self.get_mut(id) {
            queue.pollers.retain(|(waiting, _)| *waiting != call);
        }
    }

    /// The tasks of a queue, in order.
    pub(super) fn works(&self, id: QueueId) -> Vec<Work> {
        self.get(id)
            .into_iter()
            .flat_map(|queue| queue.tasks.values().map(|queued| queued.work))
            .collect()
    }

    /// Callers that wait now.
    pub(super) fn pollers(&self, id: QueueId) -> impl Iterator<Item = CallId> + '_ {
        self.get(id)
            .into_iter()
            .flat_map(|queue| queue.pollers.iter().map(|(call, _)| *call))
    }

    /// The polls of a queue by one worker.
    pub(super) fn pollers_of(&self, id: QueueId, worker: &WorkerKey) -> Vec<CallId> {
        let pollers = self.get(id).into_iter().flat_map(|queue| &queue.pollers);
        let own = pollers.filter(|(_, polls)| polls == worker);
        own.map(|(call, _)| *call).collect()
    }

    /// A worker takes no more tasks.
    pub(super) fn worker_ends(&mut self, worker: WorkerKey) {
        self.ended.add(worker);
    }

    /// Whether a worker said that it ends.
    pub(super) fn has_ended(&self, worker: &WorkerKey) -> bool {
        self.ended.keys.contains(worker)
    }

    /// Notes that someone polls, in real time.
    pub(super) fn note_poller(&mut self, id: QueueId, identity: &str, rate: Option<f64>, real_now: Time, now: Time) {
        let Some(queue) = self.get_mut(id) else { return };
        queue.last_poll = Some(real_now);
        if queue.seen.len() >= MOST_SEEN && !queue.seen.contains_key(identity) {
            queue.seen.retain(|_, seen| real_now.since(seen.at) < REPORTED);
            if queue.seen.len() >= MOST_SEEN {
                queue.seen.pop_first();
            }
        }
        queue.seen.insert(identity.to_owned(), Seen { at: real_now, rate });
        match (rate, &mut queue.limit) {
            (Some(rate), Some(limit)) => limit.rate = rate,
            (Some(rate), None) => {
                queue.limit = Some(Limit {
                    rate,
                    tokens: rate.max(1.0),
                    at: now,
                });
            }
            (None, _) => queue.limit = None,
        }
    }

    /// Forgets that anyone polls this queue: its worker shuts down.
    pub(super) fn forget_pollers(&mut self, id: QueueId) {
        if let Some(queue) = self.get_mut(id) {
            queue.last_poll = None;
            queue.seen.clear();
        }
    }

    /// Whether someone polls this queue or did a moment ago.
    pub(super) fn is_polled(&self, id: QueueId, real_now: Time) -> bool {
        self.get(id).is_some_and(|queue| {
            !queue.pollers.is_empty() || queue.last_poll.is_some_and(|at| real_now.since(at) < RECENT)
        })
    }

    /// The dispatch rate of a queue allows a task again.
    pub(super) fn wake(&mut self, id: QueueId) {
        self.check_ready(id);
    }

    /// The next thing to do, until `None`.
    pub(super) fn next_match(&mut self, now: Time) -> Option<Match> {
        while let Some(id) = self.ready.first().copied() {
            let Some(queue) = self.queues.get_mut(&id) else {
                self.ready.remove(&id);
                continue;
            };
            let first = queue.tasks.first_key_value();
            let Some((place, Queued { work, not_for })) = first.filter(|_| !queue.pollers.is_empty()) else {
                self.ready.remove(&id);
                continue;
            };
            let (place, work) = (*place, *work);
            let other = |(_, worker): &(CallId, WorkerKey)| not_for.as_ref() != Some(worker);
            let at = queue.pollers.iter().position(other).unwrap_or(0);
            let limited = queue
                .limit
                .as_mut()
                .filter(|_| matches!(work, Work::Activity(..)))
                .map(|limit| limit.take(now));
            if let Some(Err(wait)) = limited {
                self.ready.remove(&id);
                match wait {
                    Some(wait) => return Some(Match::Wait(id, wait)),
                    None => continue,
                }
            }
            queue.tasks.remove(&place);
            let Some((call, _)) = queue.pollers.remove(at) else {
                continue;
            };
            if let Some(fairness) = queue.fairness.get_mut(&place.priority) {
                fairness.floor = fairness.floor.max(place.pass);
                if queue.tasks.is_empty() {
                    fairness.keys.clear();
                }
            }
            return Some(Match::Pair(work, call));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(matching: &mut Matching, now: Time) -> Vec<Work> {
        std::iter::from_fn(|| match matching.next_match(now) {
            Some(Match::Pair(work, _)) => Some(work),
            Some(Match::Wait(..)) | None => None,
        })
        .collect()
    }

    fn priority(key: i32, fairness: &str, weight: f32) -> Priority {
        Priority {
            priority_key: key,
            fairness_key: fairness.to_owned(),
            fairness_weight: weight,
        }
    }

    fn worker(key: &str) -> WorkerKey {
        worker_key(key, "")
    }

    fn queue(matching: &mut Matching) -> QueueId {
        matching.queue(NamespaceId::default(), QueueType::Activity, "q")
    }

    #[test]
    fn lower_priority_keys_go_first_and_equal_ones_in_order() {
        let mut matching = Matching::default();
        let id = queue(&mut matching);
        for (number, key) in [(5, 9), (1, 5), (2, 0), (3, 1), (4, 3)] {
            matching.add(
                id,
                Work::Activity(RunKey(1), number),
                Some(&priority(key, "", 0.0)),
                None,
            );
        }
        for call in 0..5 {
            matching.add_poller(id, CallId(call), worker("w"));
        }
        let order: Vec<i64> = pairs(&mut matching, Time::default())
            .into_iter()
            .map(|work| if let Work::Activity(_, id) = work { id } else { 0 })
            .collect();
        assert_eq!(order, [3, 2, 4, 5, 1], "beyond the last key is the last");
    }

    #[test]
    fn fairness_keys_take_turns_by_weight() {
        let mut matching = Matching::default();
        let id = queue(&mut matching);
        for number in 0..6 {
            matching.add(
                id,
                Work::Activity(RunKey(1), number),
                Some(&priority(0, "a", 1.0)),
                None,
            );
        }
        for number in 10..16 {
            matching.add(
                id,
                Work::Activity(RunKey(1), number),
                Some(&priority(0, "b", 2.0)),
                None,
            );
        }
        for call in 0..6 {
            matching.add_poller(id, CallId(call), worker("w"));
        }
        let of_b = pairs(&mut matching, Time::default())
            .iter()
            .filter(|work| matches!(work, Work::Activity(_, 10..)))
            .count();
        assert_eq!(of_b, 4, "twice the weight, twice the share");
    }

    #[test]
    fn a_rate_holds_tasks_back_until_a_token_is_there() {
        let mut matching = Matching::default();
        let id = queue(&mut matching);
        let start = Time::from_millis(1_000);
        matching.note_poller(id, "me", Some(1.0), start, start);
        for number in 0..2 {
            matching.add(id, Work::Activity(RunKey(1), number), None, None);
            matching.add_poller(id, CallId(number as u64), worker("w"));
        }
        assert!(matches!(matching.next_match(start), Some(Match::Pair(..))));
        let Some(Match::Wait(waiting, wait)) = matching.next_match(start) else {
            panic!("limited")
        };
        assert_eq!(waiting, id);
        assert_eq!(matching.next_match(start), None);
        matching.wake(id);
        assert!(matches!(matching.next_match(start + wait), Some(Match::Pair(..))));
    }

    #[test]
    fn a_task_that_failed_goes_to_the_first_other_worker_and_else_to_the_first() {
        let mut matching = Matching::default();
        let id = queue(&mut matching);
        for (call, key) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            matching.add_poller(id, CallId(call), worker(key));
        }
        let work = Work::Workflow(RunKey(1));
        let mut next = |not_for: &str| {
            matching.add(id, work, None, Some(worker(not_for)));
            matching.next_match(Time::default())
        };
        assert_eq!(next("a"), Some(Match::Pair(work, CallId(3))));
        assert_eq!(next("b"), Some(Match::Pair(work, CallId(1))));
        assert_eq!(next("a"), Some(Match::Pair(work, CallId(4))));
        assert_eq!(next("a"), Some(Match::Pair(work, CallId(2))), "there is no other");
        assert_eq!(next("a"), None);
    }

    #[test]
    fn a_removed_task_is_not_handed_out() {
        let mut matching = Matching::default();
        let id = queue(&mut matching);
        let ticket = matching.add(id, Work::Workflow(RunKey(1)), None, None);
        matching.remove(ticket);
        matching.add_poller(id, CallId(1), worker("w"));
        assert_eq!(matching.next_match(Time::default()), None);
        assert_eq!(matching.pollers(id).count(), 1);
    }

    #[test]
    fn queues_of_no_use_are_dropped_and_the_others_kept() {
        let mut matching = Matching::default();
        let start = Time::from_millis(1_000);
        let namespace = NamespaceId::default();
        let held = matching.queue(namespace, QueueType::Workflow, "held");
        let ticket = matching.add(held, Work::Workflow(RunKey(1)), None, None);
        let polled = matching.queue(namespace, QueueType::Workflow, "polled");
        let mut most = 0;
        for number in 0..100_000_u64 {
            let now = start + Duration::from_millis(number);
            matching.note_poller(polled, "me", None, now, now);
            let id = matching.queue(namespace, QueueType::Workflow, &format!("sticky-{number}"));
            let ticket = matching.add(id, Work::Workflow(RunKey(2)), None, None);
            matching.remove(ticket);
            matching.sweep(now);
            most = most.max(matching.queues.len());
        }
        assert!(most <= 2 * FEW, "{most}");
        assert_eq!(matching.queues.len(), matching.names.len());
        assert!(matching.find(namespace, QueueType::Workflow, "polled").is_some());
        matching.add_poller(held, CallId(1), worker("w"));
        assert!(matches!(matching.next_match(start), Some(Match::Pair(..))));
        matching.put_back(ticket, Work::Workflow(RunKey(1)), None);
        matching.add_poller(held, CallId(2), worker("w"));
        assert_eq!(
            matching.next_match(start),
            Some(Match::Pair(Work::Workflow(RunKey(1)), CallId(2)))
        );
    }

    #[test]
    fn what_is_known_of_pollers_and_fairness_keys_is_bounded() {
        let mut matching = Matching::default();
        let id = queue(&mut matching);
        let now = Time::from_millis(1_000);
        matching.add(id, Work::Activity(RunKey(1), 0), Some(&priority(5, "last", 1.0)), None);
        for number in 0..5_000 {
            matching.note_poller(id, &format!("poller-{number}"), None, now, now);
            let key = priority(0, &format!("key-{number}"), 1.0);
            matching.add(id, Work::Activity(RunKey(1), number), Some(&key), None);
            matching.add_poller(id, CallId(u64::try_from(number).unwrap()), worker("w"));
            assert!(matches!(matching.next_match(now), Some(Match::Pair(..))));
        }
        let queue = matching.get(id).unwrap();
        assert!(queue.seen.len() <= MOST_SEEN);
        assert!(queue.fairness.values().all(|fairness| fairness.keys.len() <= 2 * FEW));
    }
}
