//! The instance of one run, its handlers, and which of them run.

use crate::workflow::added::{AddedTable, Handle};
use crate::workflow::definition::{HandlerTable, Instance, UnfinishedPolicy, WorkflowEntry};
use crate::workflow::executor::TaskName;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use temporal_core::{SignalReceived, UpdateReceived};
use temporal_protos::api::common::v1::Payload;

/// The instance of one run, its handlers, and which of them run.
#[derive(Default)]
pub(crate) struct Handlers {
    subject: RefCell<Option<Subject>>,
    pub(crate) added_signals: AddedTable<()>,
    pub(crate) added_queries: AddedTable<Payload>,
    pub(crate) added_updates: AddedTable<Payload>,
    /// Signals that nobody handles yet.
    pub(crate) kept_signals: RefCell<VecDeque<SignalReceived>>,
    /// Updates that nobody handled before the run method was first polled.
    pub(crate) early_updates: RefCell<VecDeque<UpdateReceived>>,
    /// The names of signals that came when the run was closed already, in the workflow task that closed it.
    pub(crate) late_signals: RefCell<BTreeSet<String>>,
    running: RefCell<BTreeMap<u64, Running>>,
    next: Cell<u64>,
    /// The handler that is being called, for what it may do wrong.
    pub(crate) calling: RefCell<Option<String>>,
}

/// What the handlers belong to.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) entry: Arc<WorkflowEntry>,
    pub(crate) instance: Instance,
}

/// A handler that is not at its end.
#[derive(Debug, Clone)]
struct Running {
    name: TaskName,
    policy: UnfinishedPolicy,
}

impl Handlers {
    pub(crate) fn set_subject(&self, entry: &Arc<WorkflowEntry>, instance: Instance) {
        *self.subject.borrow_mut() = Some(Subject {
            entry: Arc::clone(entry),
            instance,
        });
    }

    pub(crate) fn subject(&self) -> Option<Subject> {
        self.subject.borrow().clone()
    }

    /// Calls a handler, and remembers which one when it panics.
    pub(crate) fn call<T>(&self, name: impl FnOnce() -> String, code: impl FnOnce() -> T) -> T {
        self.calling.replace(Some(name()));
        let called = code();
        self.calling.take();
        called
    }

    pub(crate) fn all_finished(&self) -> bool {
        self.running.borrow().is_empty()
    }

    /// The handlers whose loss is to be warned of.
    pub(crate) fn unfinished(&self) -> Vec<TaskName> {
        let running = self.running.borrow();
        let warned = running
            .values()
            .filter(|running| running.policy == UnfinishedPolicy::WarnAndAbandon);
        warned.map(|running| running.name.clone()).collect()
    }

    pub(crate) fn clear(&self) {
        let subject = self.subject.borrow_mut().take();
        drop(subject);
        self.added_signals.clear();
        self.added_queries.clear();
        self.added_updates.clear();
        self.kept_signals.borrow_mut().clear();
        self.early_updates.borrow_mut().clear();
        self.running.borrow_mut().clear();
    }

    /// Notes that a handler runs; the key notes its end.
    pub(crate) fn begin(&self, name: TaskName, policy: UnfinishedPolicy) -> u64 {
        let key = self.next.get();
        self.next.set(key + 1);
        self.running.borrow_mut().insert(key, Running { name, policy });
        key
    }

    pub(crate) fn end(&self, key: u64) {
        self.running.borrow_mut().remove(&key);
    }
}

/// The handler of a name: an added one, one of the workflow's own, or a dynamic one in the same order.
pub(crate) enum Found<'a, O> {
    Added(Rc<dyn Handle<O> + 'a>),
    Own(&'a dyn Handle<O>),
}

impl<'a, O: 'a> Found<'a, O> {
    pub(crate) fn find(added: &AddedTable<O>, own: &'a HandlerTable<O>, name: &str) -> Option<Self> {
        // The empty name is that of the dynamic one, and never a caller's.
        let named = |name: &str| added.get(name).map(|handler| Self::Added(handler));
        let known = (!name.is_empty()).then(|| named(name)).flatten();
        known
            .or_else(|| own.named.get(name).map(|handler| Self::Own(handler)))
            .or_else(|| named(""))
            .or_else(|| own.dynamic.as_ref().map(|handler| Self::Own(handler)))
    }

    pub(crate) fn handler(&self) -> &dyn Handle<O> {
        match self {
            Self::Added(handler) => &**handler,
            Self::Own(handler) => *handler,
        }
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Handlers")
            .field("running", &self.running.borrow())
            .finish_non_exhaustive()
    }
}
