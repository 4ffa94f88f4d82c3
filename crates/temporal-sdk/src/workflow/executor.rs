//! The executor inside one run: polls what was woken, in wake order, on one thread.
//!
//! A waker only puts its task's number into a queue, so it is `Send` and `Sync` as Rust demands; but a wake is lawful only
//! on the thread that drives the run, and only while it does. Any other wake comes from something outside the
//! workflow (a runtime, a thread, a timer that is not Temporal's) and is kept for the host to fail the task with.

use crate::workflow::operation::Wait;
use crate::workflow::seq_map::SeqMap;
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};

/// A future of workflow code.
pub(crate) type LocalBoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// What a task is, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskName {
    /// The workflow's run method.
    Run,
    /// An async signal handler.
    Signal(String),
    /// An async update handler.
    Update(String),
    /// A future given to `ctx.spawn`.
    Spawned(&'static Location<'static>),
}

impl fmt::Display for TaskName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => formatter.write_str("the run method"),
            Self::Signal(name) => write!(formatter, "the handler of signal \"{name}\""),
            Self::Update(name) => write!(formatter, "the handler of update \"{name}\""),
            Self::Spawned(location) => write!(formatter, "the task spawned at {location}"),
        }
    }
}

/// Number of a task in its run; never used twice.
pub(crate) type TaskId = u64;

/// States of a task's waker.
const IDLE: u8 = 0;
/// In the queue only to look at a condition again.
const LOOKING: u8 = 1;
/// In the queue because something woke it.
const WOKEN: u8 = 2;
/// Polled to the end, or dropped.
const GONE: u8 = 3;

struct TaskWaker {
    id: TaskId,
    name: TaskName,
    state: AtomicU8,
    queue: Arc<WakeQueue>,
}

impl TaskWaker {
    /// Notes that the task is to be polled; whether it has to be queued for that.
    fn becomes(&self, wanted: u8) -> bool {
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            (state < wanted).then_some(wanted)
        });
        before == Ok(IDLE)
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue.wake(self);
    }
}

/// What the wakers of a run share with it.
struct WakeQueue {
    ready: Mutex<VecDeque<TaskId>>,
    /// Token of the thread that drives the run now; 0 when none does.
    driver: AtomicU64,
    /// Whether wakes now only mean: look at your conditions again.
    looking: AtomicBool,
    /// The first unlawful wake.
    foreign: Mutex<Option<TaskName>>,
    /// Whether an unlawful wake counts as a fault.
    guarded: AtomicBool,
}

impl WakeQueue {
    fn wake(&self, task: &TaskWaker) {
        if task.state.load(Ordering::Acquire) == GONE {
            return;
        }
        if self.driver.load(Ordering::Acquire) != thread_token() && self.guarded.load(Ordering::Relaxed) {
            self.foreign.lock().get_or_insert_with(|| task.name.clone());
            return;
        }
        let wanted = if self.looking.load(Ordering::Relaxed) {
            LOOKING
        } else {
            WOKEN
        };
        if task.becomes(wanted) {
            self.ready.lock().push_back(task.id);
        }
    }
}

/// A number that tells threads apart; never 0.
fn thread_token() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static TOKEN: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    TOKEN.try_with(|token| *token).unwrap_or(u64::MAX)
}

struct Task {
    future: RefCell<Option<LocalBoxFuture<()>>>,
    waker: Waker,
    shared: Arc<TaskWaker>,
}

/// A condition that a task waits for.
struct Condition {
    waker: Waker,
    /// Whether the waker is the task's own, with no combinator between.
    direct: bool,
    task: Option<TaskId>,
    started_at: &'static Location<'static>,
}

/// The tasks of one run.
pub(crate) struct Executor {
    queue: Arc<WakeQueue>,
    tasks: RefCell<SeqMap<TaskId, Rc<Task>>>,
    next_task: Cell<TaskId>,
    /// The task that is being polled.
    current: Cell<Option<TaskId>>,
    conditions: RefCell<SeqMap<u64, Condition>>,
    next_condition: Cell<u64>,
    /// Whether the poll under way changed something that a condition may see.
    progress: Cell<bool>,
}

/// While this lives, wakes are lawful on this thread.
pub(crate) struct Driving<'a>(&'a WakeQueue, u64);

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.0.driver.store(self.1, Ordering::Release);
    }
}

impl Executor {
    pub(crate) fn new(guarded: bool) -> Self {
        Self {
            queue: Arc::new(WakeQueue {
                ready: Mutex::default(),
                driver: AtomicU64::new(0),
                looking: AtomicBool::new(false),
                foreign: Mutex::default(),
                guarded: AtomicBool::new(guarded),
            }),
            tasks: RefCell::default(),
            next_task: Cell::new(0),
            current: Cell::new(None),
            conditions: RefCell::default(),
            next_condition: Cell::new(0),
            progress: Cell::new(false),
        }
    }

    /// Makes wakes on this thread lawful until the answer is dropped.
    pub(crate) fn drive(&self) -> Driving<'_> {
        let before = self.queue.driver.swap(thread_token(), Ordering::AcqRel);
        Driving(&self.queue, before)
    }

    /// Whether this thread drives the run now.
    pub(crate) fn is_driven(&self) -> bool {
        self.queue.driver.load(Ordering::Acquire) == thread_token()
    }

    /// The task that is being polled, or that panicked when it was.
    pub(crate) fn current_name(&self) -> Option<TaskName> {
        let task = self.tasks.borrow().get(self.current.get()?).cloned()?;
        Some(task.shared.name.clone())
    }

    /// The task that something outside the run woke, if that happened.
    pub(crate) fn foreign_wake(&self) -> Option<TaskName> {
        self.queue.foreign.lock().take()
    }

    /// Puts a task at the end of the queue.
    pub(crate) fn spawn(&self, name: TaskName, future: LocalBoxFuture<()>) -> TaskId {
        let id = self.park(name, future);
        self.start(id);
        id
    }

    /// Keeps a task without polling it until [`start`](Self::start).
    pub(crate) fn park(&self, name: TaskName, future: LocalBoxFuture<()>) -> TaskId {
        let id = self.next_task.get();
        self.next_task.set(id + 1);
        let shared = Arc::new(TaskWaker {
            id,
            name,
            state: AtomicU8::new(IDLE),
            queue: Arc::clone(&self.queue),
        });
        let task = Task {
            future: RefCell::new(Some(future)),
            waker: Waker::from(Arc::clone(&shared)),
            shared,
        };
        self.tasks.borrow_mut().insert(id, Rc::new(task));
        id
    }

    /// Polls a new task at once, in the midst of the poll under way; it is queued only when that wakes it.
    pub(crate) fn begin(&self, name: TaskName, future: LocalBoxFuture<()>) {
        let id = self.park(name, future);
        let task = self.tasks.borrow().get(id).cloned();
        if let Some(task) = task {
            task.shared.state.store(WOKEN, Ordering::Release);
        }
        let current = self.current.get();
        self.poll(id);
        self.current.set(current);
        self.progress.set(true);
    }

    /// Puts a parked task at the end of the queue.
    pub(crate) fn start(&self, id: TaskId) {
        let task = self.tasks.borrow().get(id).cloned();
        if let Some(task) = task {
            task.waker.wake_by_ref();
        }
    }

    /// Drops a task. One that is being polled goes when its poll ends.
    pub(crate) fn abort(&self, id: TaskId) {
        let task = self.tasks.borrow_mut().remove(id);
        if let Some(task) = task {
            task.shared.state.store(GONE, Ordering::Release);
            let future = task.future.try_borrow_mut().ok().and_then(|mut future| future.take());
            drop(future);
        }
    }

    /// Drops all tasks, newest first.
    pub(crate) fn clear(&self) {
        loop {
            let last = self.tasks.borrow().last_key();
            match last {
                Some(id) => self.abort(id),
                None => break,
            }
        }
        drop(self.conditions.take());
        self.queue.ready.lock().clear();
    }

    /// How many tasks are not at their end.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Polls until nothing is ready and no condition changes.
    pub(crate) fn run_until_blocked(&self) {
        self.drain();
        let mut progress = true;
        while progress && !self.conditions.borrow().is_empty() {
            self.look();
            progress = self.drain();
        }
    }

    /// Queues the tasks that wait for conditions, in the order in which the conditions were registered.
    fn look(&self) {
        self.queue.looking.store(true, Ordering::Relaxed);
        let (conditions, tasks) = (self.conditions.borrow(), self.tasks.borrow());
        let mut ready = None;
        for condition in conditions.values() {
            if !condition.direct {
                drop(ready.take());
                condition.waker.wake_by_ref();
            } else if let Some(task) = condition.task.and_then(|id| tasks.get(id))
                && task.shared.becomes(LOOKING)
            {
                ready
                    .get_or_insert_with(|| self.queue.ready.lock())
                    .push_back(task.shared.id);
            }
        }
        drop(ready);
        self.queue.looking.store(false, Ordering::Relaxed);
    }

    /// Polls what is ready, in order; whether any poll did more than look at a condition that does not hold.
    fn drain(&self) -> bool {
        let mut progress = false;
        let mut batch = VecDeque::new();
        loop {
            // What is woken meanwhile comes behind the batch.
            std::mem::swap(&mut *self.queue.ready.lock(), &mut batch);
            if batch.is_empty() {
                return progress;
            }
            for id in batch.drain(..) {
                progress |= self.poll(id);
            }
        }
    }

    fn poll(&self, id: TaskId) -> bool {
        let task = self.tasks.borrow().get(id).cloned();
        let Some(task) = task else { return false };
        // Nothing but this thread makes it gone, and then it is not among the tasks.
        let woken = task.shared.state.swap(IDLE, Ordering::AcqRel) == WOKEN;
        self.progress.set(woken);
        self.current.set(Some(id));
        let done = {
            let mut slot = task.future.borrow_mut();
            let Some(future) = slot.as_mut() else { return false };
            future.as_mut().poll(&mut Context::from_waker(&task.waker)).is_ready()
        };
        self.current.set(None);
        if !self.progress.get() {
            // A set of futures that has looked at each of its own wakes itself to be polled once more: no news to a condition.
            let state = &task.shared.state;
            let _ = state.compare_exchange(WOKEN, LOOKING, Ordering::AcqRel, Ordering::Acquire);
        }
        let aborted = task.shared.state.load(Ordering::Acquire) == GONE;
        if done || aborted {
            self.progress.set(true);
            task.shared.state.store(GONE, Ordering::Release);
            self.tasks.borrow_mut().remove(id);
            let future = task.future.borrow_mut().take();
            drop(future);
        }
        self.progress.get()
    }

    /// Notes that the poll under way changed something that a condition may see.
    pub(crate) fn note_progress(&self) {
        self.progress.set(true);
    }

    /// Registers a condition: its waker is called whenever it has to be looked at again.
    pub(crate) fn register_condition(&self, waker: Waker, started_at: &'static Location<'static>) -> u64 {
        let id = self.next_condition.get();
        self.next_condition.set(id + 1);
        let condition = Condition {
            direct: self.is_current(&waker),
            waker,
            task: self.current(),
            started_at,
        };
        self.conditions.borrow_mut().insert(id, condition);
        id
    }

    /// Whether this is the waker of the task that is being polled.
    fn is_current(&self, waker: &Waker) -> bool {
        let tasks = self.tasks.borrow();
        let task = self.current().and_then(|id| tasks.get(id));
        task.is_some_and(|task| task.waker.will_wake(waker))
    }

    /// Replaces a condition's waker.
    pub(crate) fn update_condition(&self, id: u64, waker: &Waker) {
        let direct = self.is_current(waker);
        if let Some(registered) = self.conditions.borrow_mut().get_mut(id) {
            registered.waker.clone_from(waker);
            (registered.direct, registered.task) = (direct, self.current());
        }
    }

    /// The task that is being polled.
    pub(crate) fn current(&self) -> Option<TaskId> {
        self.current.get()
    }

    /// The tasks that are not at their end, in the order in which they were started.
    pub(crate) fn names(&self) -> Vec<(TaskId, TaskName)> {
        let tasks = self.tasks.borrow();
        tasks.iter().map(|(id, task)| (id, task.shared.name.clone())).collect()
    }

    /// The conditions that tasks wait for.
    pub(crate) fn waits(&self, waits: &mut Vec<Wait>) {
        for condition in self.conditions.borrow().values() {
            waits.push(Wait {
                task: condition.task,
                what: "a condition".to_owned(),
                started_at: condition.started_at,
            });
        }
    }

    /// Whether the task waits for a condition.
    pub(crate) fn awaits_condition(&self, task: TaskId) -> bool {
        let conditions = self.conditions.borrow();
        conditions.values().any(|condition| condition.task == Some(task))
    }

    /// Forgets a condition.
    pub(crate) fn unregister_condition(&self, id: u64) {
        self.conditions.borrow_mut().remove(id);
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Executor")
            .field("tasks", &self.tasks())
            .finish_non_exhaustive()
    }
}
