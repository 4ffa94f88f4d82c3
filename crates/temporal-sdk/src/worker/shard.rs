//! A shard: one thread that owns its cached runs outright.
//!
//! Workflow code runs here and nowhere else, so it needs no lock and no `Send`. A shard never waits for the network: what
//! a run needs from outside is answered as a [`Step`], and the task that asked brings it with its next call.

use super::cache::Cache;
use super::watchdog::Watch;
use crate::activity::Latch;
use crate::panic;
use crate::workflow::host::{Drive, HostEnvironment, TaskFailure, TaskFailureKind, WorkflowHost};
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;
use temporal_client::protos::api::enums::v1::WorkflowTaskFailedCause;
use temporal_client::protos::api::failure::v1::failure::FailureInfo;
use temporal_client::protos::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporal_client::protos::api::history::v1::HistoryEvent;
use temporal_client::protos::api::history::v1::history_event::Attributes;
use temporal_core::{LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq, Outcome, WorkflowTask};
use tokio::sync::oneshot;

/// What a workflow task needs next.
#[derive(Debug)]
pub(super) enum Step {
    /// The run is not here: begin again with the whole history.
    WholeHistory,
    /// The next page of history.
    NextPage,
    /// Local activities to start and to cancel; the results one by one, or a heartbeat.
    LocalActivities {
        requests: Vec<LocalActivityRequest>,
        task_timeout: Duration,
        /// When the task started by the server's clock, since the Unix epoch.
        now: Duration,
    },
    /// The task is finished: answer this, and tell these local activities to stop.
    Finished {
        outcome: Box<Outcome>,
        cancels: Vec<LocalActivitySeq>,
    },
    /// The task failed; the run is given up already.
    Failed(TaskFailure),
    /// The thread was given up because of another run's code: the run is lost here.
    ThreadLost,
}

enum Call {
    Begin(Begin),
    Page {
        run_id: Arc<str>,
        events: Vec<HistoryEvent>,
        more: bool,
        reply: oneshot::Sender<Step>,
    },
    LocalActivity {
        run_id: Arc<str>,
        seq: LocalActivitySeq,
        attempt: u32,
        outcome: Box<LocalActivityOutcome>,
        reply: oneshot::Sender<Step>,
    },
    Heartbeat {
        run_id: Arc<str>,
        reply: oneshot::Sender<Step>,
    },
    End {
        run_id: Arc<str>,
        lease: u64,
        keep: bool,
    },
}

struct Begin {
    run_id: Arc<str>,
    lease: u64,
    task: Box<WorkflowTask>,
    reply: oneshot::Sender<Step>,
}

/// The shards of a worker.
#[derive(Debug)]
pub(super) struct Shards {
    environment: Arc<HostEnvironment>,
    shards: Vec<RwLock<Handle>>,
    /// Numbers the leases.
    leases: AtomicU64,
    /// Runs whose code has not given its thread back.
    blocked: Mutex<HashMap<Arc<str>, Arc<Watch>>>,
}

/// A shard as seen from outside.
#[derive(Debug, Clone)]
struct Handle {
    calls: mpsc::Sender<Call>,
    state: Arc<ThreadState>,
    capacity: usize,
}

/// What a shard's thread shares with those that wait for it.
#[derive(Debug, Default)]
struct ThreadState {
    watch: Arc<Watch>,
    /// The run whose code runs.
    run_id: Mutex<Option<Arc<str>>>,
    /// The run for which the thread was given up: the thread may come to others later, when its code gives it back after all.
    culprit: OnceLock<Option<Arc<str>>>,
    /// Set when the thread is given up, since its code does not give it back; the culprit is known by then.
    given_up: Latch<()>,
}

impl Handle {
    fn start(environment: &Arc<HostEnvironment>, number: usize, capacity: usize) -> std::io::Result<Self> {
        let (sender, calls) = mpsc::channel();
        let environment = Arc::clone(environment);
        let state = Arc::new(ThreadState::default());
        let shared = Arc::clone(&state);
        thread::Builder::new()
            .name(format!("temporal-shard-{}", number + 1))
            .spawn(move || {
                shared.watch.install();
                Shard::new(environment, capacity, shared).run(&calls);
            })?;
        Ok(Self {
            calls: sender,
            state,
            capacity,
        })
    }
}

impl Shards {
    /// Starts the threads, which share the cache's capacity. They end when this is dropped.
    pub(super) fn start(environment: &Arc<HostEnvironment>, threads: usize, capacity: usize) -> std::io::Result<Self> {
        let shards = (0..threads).map(|number| {
            let capacity = capacity / threads + usize::from(number < capacity % threads);
            Handle::start(environment, number, capacity).map(RwLock::new)
        });
        Ok(Self {
            environment: Arc::clone(environment),
            shards: shards.collect::<std::io::Result<_>>()?,
            leases: AtomicU64::new(1),
            blocked: Mutex::default(),
        })
    }

    /// Gives up the threads whose workflow code runs for longer than the limit, and starts new ones for their shards.
    pub(super) fn give_up_blocked(&self, limit: Duration) -> std::io::Result<()> {
        self.blocked.lock().retain(|_, watch| watch.is_blocked());
        for (number, shard) in self.shards.iter().enumerate() {
            let blocked = shard.read().clone();
            let state = &blocked.state;
            // Read before the time: it is the run whose code has had the thread for so long.
            let run_id = state.run_id.lock().clone();
            let since = state.watch.blocked_for();
            if since <= limit {
                continue;
            }
            tracing::error!(
                run_id = run_id.as_deref(),
                ?since,
                "workflow code does not give its thread back: its workflow task fails, and its shard goes on with a new thread"
            );
            if let Some(run_id) = &run_id {
                self.blocked.lock().insert(Arc::clone(run_id), Arc::clone(&state.watch));
            }
            *shard.write() = Handle::start(&self.environment, number, blocked.capacity)?;
            // A thread is given up once.
            let _ = state.culprit.set(run_id);
            state.given_up.set(());
        }
        Ok(())
    }

    /// Takes the run up for one task. Waits while another task of the same run is under way.
    pub(super) fn run(&self, run_id: &str) -> RunLease {
        let index = usize::try_from(hash(run_id) % self.shards.len() as u64).unwrap_or(0);
        let handle = self.shards[index].read().clone();
        RunLease {
            run_id: run_id.into(),
            lease: self.leases.fetch_add(1, Ordering::Relaxed),
            shard: handle.calls,
            state: handle.state,
            begun: false,
        }
    }

    /// Whether code of this run still holds a thread that was given up.
    pub(super) fn is_blocked(&self, run_id: &str) -> bool {
        self.blocked.lock().get(run_id).is_some_and(|watch| watch.is_blocked())
    }
}

/// FNV-1a: the same run goes to the same shard, in every build.
fn hash(run_id: &str) -> u64 {
    run_id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// One task's hold on its run. Dropping it gives the run up.
#[derive(Debug)]
#[must_use]
pub(super) struct RunLease {
    run_id: Arc<str>,
    lease: u64,
    shard: mpsc::Sender<Call>,
    state: Arc<ThreadState>,
    begun: bool,
}

impl RunLease {
    /// Starts the task, or starts it again with the whole history.
    pub(super) async fn begin(&mut self, task: WorkflowTask) -> Step {
        self.begun = true;
        let run_id = Arc::clone(&self.run_id);
        let (task, lease) = (Box::new(task), self.lease);
        self.call(|reply| {
            Call::Begin(Begin {
                run_id,
                lease,
                task,
                reply,
            })
        })
        .await
    }

    /// Goes on with the next page of history.
    pub(super) async fn page(&mut self, events: Vec<HistoryEvent>, more: bool) -> Step {
        let run_id = Arc::clone(&self.run_id);
        self.call(|reply| Call::Page {
            run_id,
            events,
            more,
            reply,
        })
        .await
    }

    /// Goes on with the end of a local activity, which this attempt brought.
    pub(super) async fn local_activity(
        &mut self,
        seq: LocalActivitySeq,
        attempt: u32,
        outcome: LocalActivityOutcome,
    ) -> Step {
        let run_id = Arc::clone(&self.run_id);
        let outcome = Box::new(outcome);
        self.call(|reply| Call::LocalActivity {
            run_id,
            seq,
            attempt,
            outcome,
            reply,
        })
        .await
    }

    /// Finishes the task now, though local activities still run.
    pub(super) async fn heartbeat(&mut self) -> Step {
        let run_id = Arc::clone(&self.run_id);
        self.call(|reply| Call::Heartbeat { run_id, reply }).await
    }

    /// The task is done and the run stays cached.
    pub(super) fn keep(mut self) {
        self.end(true);
    }

    fn end(&mut self, keep: bool) {
        if std::mem::take(&mut self.begun) {
            let (run_id, lease) = (Arc::clone(&self.run_id), self.lease);
            // A shard that is gone has given up all its runs.
            let _ = self.shard.send(Call::End { run_id, lease, keep });
        }
    }

    async fn call(&self, call: impl FnOnce(oneshot::Sender<Step>) -> Call) -> Step {
        let (reply, answer) = oneshot::channel();
        if self.shard.send(call(reply)).is_err() {
            return Step::Failed(shard_gone());
        }
        tokio::select! {
            biased;
            step = answer => step.unwrap_or_else(|_| Step::Failed(shard_gone())),
            () = self.state.given_up.wait() => match self.state.culprit.get() {
                Some(Some(culprit)) if *culprit == self.run_id => Step::Failed(deadlock()),
                _ => Step::ThreadLost,
            },
        }
    }
}

impl Drop for RunLease {
    fn drop(&mut self) {
        self.end(false);
    }
}

fn shard_gone() -> TaskFailure {
    task_failure("the thread of this workflow has ended".to_owned(), "WorkerShutdown")
}

/// The failure of a task whose code does not give its thread back.
pub(super) fn deadlock() -> TaskFailure {
    task_failure(
        "[TMPRL1101] workflow code does not give its thread back: it blocks (a lock, a channel, sleeping, I/O) or computes for too long in one go; wait with the futures of workflow::Context, and do such work in activities"
            .to_owned(),
        "Deadlock",
    )
}

/// A failure of a workflow task that the worker itself finds.
pub(super) fn task_failure(message: String, kind: &str) -> TaskFailure {
    TaskFailure {
        cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
        failure: Box::new(Failure {
            message,
            failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: kind.to_owned(),
                ..Default::default()
            })),
            ..Default::default()
        }),
        error: None,
        kind: TaskFailureKind::Failed,
    }
}

/// A run on its shard.
struct Run {
    host: Option<WorkflowHost>,
    /// The task that has it; others wait their turn.
    lease: Option<u64>,
    waiting: VecDeque<Begin>,
    task_timeout: Duration,
}

impl Run {
    fn new() -> Self {
        Self {
            host: None,
            lease: None,
            waiting: VecDeque::new(),
            task_timeout: Duration::from_secs(10),
        }
    }
}

struct Shard {
    environment: Arc<HostEnvironment>,
    runs: Cache<Run>,
    state: Arc<ThreadState>,
}

impl Shard {
    fn new(environment: Arc<HostEnvironment>, capacity: usize, state: Arc<ThreadState>) -> Self {
        Self {
            environment,
            runs: Cache::new(capacity),
            state,
        }
    }

    fn run(mut self, calls: &mpsc::Receiver<Call>) {
        while let Ok(call) = calls.recv() {
            match call {
                Call::Begin(begin) => self.begin(begin),
                Call::Page {
                    run_id,
                    events,
                    more,
                    reply,
                } => self.step(&run_id, reply, |host| {
                    host.handle_history_page(events, more);
                    host.drive()
                }),
                Call::LocalActivity {
                    run_id,
                    seq,
                    attempt,
                    outcome,
                    reply,
                } => self.step(&run_id, reply, |host| {
                    host.handle_local_activity(seq, attempt, *outcome);
                    host.drive()
                }),
                Call::Heartbeat { run_id, reply } => {
                    self.step(&run_id, reply, |host| host.heartbeat().map(Drive::finished));
                }
                Call::End { run_id, lease, keep } => self.end(&run_id, lease, keep),
            }
        }
        tracing::debug!(cached = self.runs.len(), "shard ends");
    }

    fn begin(&mut self, begin: Begin) {
        let run = self.runs.take_up(&begin.run_id, Run::new);
        // A task that begins again, with the whole history, has the lease already.
        if run.lease.is_some_and(|lease| lease != begin.lease) {
            run.waiting.push_back(begin);
            return;
        }
        run.lease = Some(begin.lease);
        let Begin {
            run_id, task, reply, ..
        } = begin;
        if task.has_whole_history() {
            run.task_timeout = task_timeout(&task).unwrap_or(run.task_timeout);
            give_up(run.host.take());
            let environment = Arc::clone(&self.environment);
            self.state.enter(&run_id);
            match caught(|| WorkflowHost::start(&environment, *task)) {
                Ok(host) => run.host = Some(host),
                Err(failure) => return send(reply, Step::Failed(failure)),
            }
            self.step(&run_id, reply, WorkflowHost::drive);
        } else if run.host.is_some() {
            self.step(&run_id, reply, |host| {
                host.handle_task(*task)?;
                host.drive()
            });
        } else {
            send(reply, Step::WholeHistory);
        }
    }

    fn step(
        &mut self,
        run_id: &Arc<str>,
        reply: oneshot::Sender<Step>,
        act: impl FnOnce(&mut WorkflowHost) -> Result<Drive, TaskFailure>,
    ) {
        let Some(run) = self.runs.get_mut(run_id) else {
            return send(reply, Step::WholeHistory);
        };
        let Some(host) = &mut run.host else {
            return send(reply, Step::WholeHistory);
        };
        self.state.enter(run_id);
        let step = match caught(|| act(host)) {
            Ok(Drive::NeedsHistory) => Step::NextPage,
            Ok(Drive::LocalActivities(requests)) => Step::LocalActivities {
                requests,
                task_timeout: run.task_timeout,
                now: host.now(),
            },
            Ok(Drive::Finished { outcome, cancels }) => Step::Finished {
                outcome: Box::new(outcome),
                cancels,
            },
            Err(failure) => {
                give_up(run.host.take());
                match failure.kind {
                    TaskFailureKind::CacheMismatch => Step::WholeHistory,
                    TaskFailureKind::Failed => Step::Failed(failure),
                }
            }
        };
        send(reply, step);
    }

    fn end(&mut self, run_id: &Arc<str>, lease: u64, keep: bool) {
        let Some(run) = self.runs.get_mut(run_id) else { return };
        if run.lease != Some(lease) {
            // It ended while it waited for its turn.
            run.waiting.retain(|begin| begin.lease != lease);
            return;
        }
        run.lease = None;
        if !keep {
            give_up(run.host.take());
        }
        if let Some(next) = run.waiting.pop_front() {
            self.begin(next);
        } else if run.host.is_some() {
            for evicted in self.runs.lay_down(run_id) {
                give_up(evicted.host);
            }
        } else {
            self.runs.remove(run_id);
        }
    }
}

impl ThreadState {
    /// The code of this run is about to run.
    fn enter(&self, run_id: &Arc<str>) {
        *self.run_id.lock() = Some(Arc::clone(run_id));
    }
}

/// Where an answer goes. The task that asked may be gone, with its worker; its lease has then ended too.
fn send(reply: oneshot::Sender<Step>, step: Step) {
    let _ = reply.send(step);
}

/// Drops a run. What it holds may panic when it is dropped; the shard goes on.
fn give_up(host: Option<WorkflowHost>) {
    if let Some(host) = host
        && let Err(panic) = panic::catch(|| drop(host))
    {
        tracing::error!(%panic, "a workflow panicked while it was evicted");
    }
}

/// A panic that workflow code's own net did not catch fails the task all the same.
fn caught<T>(act: impl FnOnce() -> Result<T, TaskFailure>) -> Result<T, TaskFailure> {
    panic::catch(act).unwrap_or_else(|panic| Err(task_failure(panic.to_string(), "Panic")))
}

fn task_timeout(task: &WorkflowTask) -> Option<Duration> {
    match task.events.first()?.attributes.as_ref()? {
        Attributes::WorkflowExecutionStartedEventAttributes(started) => started
            .workflow_task_timeout?
            .try_into()
            .ok()
            .filter(|timeout: &Duration| !timeout.is_zero()),
        _ => None,
    }
}

trait WholeHistory {
    /// Whether the task begins with the run's first event.
    fn has_whole_history(&self) -> bool;
}

impl WholeHistory for WorkflowTask {
    fn has_whole_history(&self) -> bool {
        self.events.first().is_some_and(|event| event.event_id == 1)
    }
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
