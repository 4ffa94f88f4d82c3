//! What a run's state is made of.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use temporal_protos::api::common::v1::{Payload, Priority, RetryPolicy};
use temporal_protos::api::enums::v1::{ParentClosePolicy, WorkflowExecutionStatus};
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::update::v1::Outcome;
use temporal_protos::api::workflow::v1::{ResetPointInfo, ResetPoints};
use uuid::Uuid;

use super::super::events::Attributes;
use super::super::history::History;
use super::super::namespace::NamespaceId;
use super::super::time::Time;
use super::activity::Activity;
use super::nexus::{CompletionCallback, NexusOperation};

/// Names one run inside the engine; numbers rise and are used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::server::engine) struct RunKey(pub(in crate::server::engine) u64);

/// How a pending workflow task relates to history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::engine) enum TaskKind {
    /// Its events are in history.
    Normal,
    /// A retry: its events are only shown behind history until it completes.
    Transient,
    /// Made for an update: its events are only shown, and it may vanish.
    Speculative,
}

/// The start of a workflow task.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct Started {
    pub(in crate::server::engine) event_id: i64,
    pub(in crate::server::engine) at: Time,
    pub(in crate::server::engine) request_id: String,
    pub(in crate::server::engine) identity: String,
    pub(in crate::server::engine) history_size: i64,
    pub(in crate::server::engine) suggest_continue_as_new: bool,
}

/// The pending workflow task.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct WorkflowTask {
    pub(in crate::server::engine) kind: TaskKind,
    pub(in crate::server::engine) scheduled_id: i64,
    pub(in crate::server::engine) attempt: i32,
    pub(in crate::server::engine) scheduled_at: Time,
    /// When the first of a chain of heartbeating tasks was scheduled.
    pub(in crate::server::engine) original_scheduled_at: Time,
    pub(in crate::server::engine) queue: String,
    pub(in crate::server::engine) sticky: bool,
    pub(in crate::server::engine) timeout: Duration,
    pub(in crate::server::engine) started: Option<Started>,
}

/// The queue of the worker that has the run cached.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct Sticky {
    pub(in crate::server::engine) queue: String,
    pub(in crate::server::engine) schedule_to_start: Duration,
}

/// The run that started this one.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct Parent {
    pub(in crate::server::engine) namespace: NamespaceId,
    pub(in crate::server::engine) workflow_id: String,
    pub(in crate::server::engine) run_id: Uuid,
    pub(in crate::server::engine) initiated_id: i64,
}

/// A child between its initiated event and its closing event.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct Child {
    pub(in crate::server::engine) namespace: NamespaceId,
    pub(in crate::server::engine) workflow_id: String,
    pub(in crate::server::engine) workflow_type: String,
    pub(in crate::server::engine) policy: ParentClosePolicy,
    /// The first run of the child, once it started.
    pub(in crate::server::engine) run_id: Option<Uuid>,
    /// The event that says so, 0 while it is held back.
    pub(in crate::server::engine) started_id: i64,
}

/// A signal or cancel request on its way to another workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::engine) enum External {
    Signal,
    Cancel,
}

/// An update that history knows.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct AcceptedUpdate {
    pub(in crate::server::engine) accepted_id: i64,
    pub(in crate::server::engine) stage: UpdateStage,
}

/// How far an accepted update is.
#[derive(Clone, Debug)]
pub(in crate::server::engine) enum UpdateStage {
    Accepted,
    Completed(Box<Outcome>),
}

/// A timer that the workflow started.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct WorkflowTimer {
    pub(in crate::server::engine) timer_id: String,
    pub(in crate::server::engine) due: Time,
}

/// The search attribute that names the builds of the workers of a run.
const BUILD_IDS: &str = "BuildIds";

/// A search attribute payload of type KeywordList.
fn keyword_list(json: &'static str) -> Payload {
    let metadata = [("encoding", "json/plain"), ("type", "KeywordList")];
    Payload {
        metadata: metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec().into()))
            .collect(),
        data: json.as_bytes().to_vec().into(),
        ..Payload::default()
    }
}

/// A map that was used keeps its last node when it is empty again: this gives it back.
pub(in crate::server::engine) fn give_back<K, V>(map: &mut BTreeMap<K, V>) {
    if map.is_empty() {
        *map = BTreeMap::new();
    }
}

/// Request ids with the event that each made: its type and its id. Mostly one, so a sorted list, which is smaller than a map.
#[derive(Clone, Debug, Default)]
pub(in crate::server::engine) struct RequestIds(Vec<(String, (i32, i64))>);

impl RequestIds {
    fn position(&self, id: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(id))
    }

    pub(in crate::server::engine) fn get(&self, id: &str) -> Option<&(i32, i64)> {
        let (_, event) = self.0.get(self.position(id).ok()?)?;
        Some(event)
    }

    pub(in crate::server::engine) fn contains_key(&self, id: &str) -> bool {
        self.position(id).is_ok()
    }

    pub(super) fn insert(&mut self, id: String, event: (i32, i64)) {
        match self.position(&id) {
            Ok(index) => self.0[index].1 = event,
            Err(index) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, (id, event));
            }
        }
    }

    pub(in crate::server::engine) fn iter(&self) -> impl Iterator<Item = (&String, &(i32, i64))> {
        self.0.iter().map(|(id, event)| (id, event))
    }
}

/// Everything known about one run.
///
/// Read it as you like; outside of `apply` nothing can change it, because [`Run`](super::super::run::Run) only lends it
/// shared.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct State {
    pub(in crate::server::engine) key: RunKey,
    pub(in crate::server::engine) namespace: NamespaceId,
    pub(in crate::server::engine) workflow_id: Arc<str>,
    pub(in crate::server::engine) run_id: Uuid,

    // From the started event.
    pub(in crate::server::engine) first_run_id: String,
    pub(in crate::server::engine) original_run_id: String,
    pub(in crate::server::engine) workflow_type: String,
    pub(in crate::server::engine) task_queue: String,
    pub(in crate::server::engine) start_time: Time,
    pub(in crate::server::engine) execution_time: Time,
    pub(in crate::server::engine) task_timeout: Duration,
    /// Zero when the user set none.
    pub(in crate::server::engine) run_timeout: Duration,
    /// Zero when the user set none.
    pub(in crate::server::engine) execution_timeout: Duration,
    pub(in crate::server::engine) execution_expires_at: Option<Time>,
    pub(in crate::server::engine) attempt: i32,
    pub(in crate::server::engine) retry_policy: Option<Box<RetryPolicy>>,
    pub(in crate::server::engine) cron: String,
    pub(in crate::server::engine) parent: Option<Box<Parent>>,
    /// Workflow id and run id of the topmost ancestor; `None` for a run that is its own root.
    pub(in crate::server::engine) root: Option<Box<(String, String)>>,
    pub(in crate::server::engine) priority: Option<Box<Priority>>,
    pub(in crate::server::engine) memo: BTreeMap<String, Payload>,
    pub(in crate::server::engine) search_attributes: BTreeMap<String, Payload>,

    // How it goes.
    pub(in crate::server::engine) status: WorkflowExecutionStatus,
    pub(in crate::server::engine) close_time: Option<Time>,
    pub(in crate::server::engine) close_event_id: i64,
    /// The run that follows this one, when its closing event names it.
    pub(in crate::server::engine) next_run_id: Option<Uuid>,
    /// When a reset made this run.
    pub(in crate::server::engine) reset_at: Option<Time>,
    /// The run that this one was reset to.
    pub(in crate::server::engine) reset_to: Option<Uuid>,
    pub(in crate::server::engine) history: History,
    /// Events held back while a workflow task runs, without ids.
    pub(in crate::server::engine) held: Vec<HistoryEvent>,
    pub(in crate::server::engine) transitions: i64,

    // Workflow tasks.
    pub(in crate::server::engine) task: Option<Box<WorkflowTask>>,
    pub(in crate::server::engine) next_attempt: i32,
    /// Started event of the last completed task, 0 for none.
    pub(in crate::server::engine) last_started_id: i64,
    /// Completed event of the last completed task, 0 for none.
    pub(in crate::server::engine) last_completed_id: i64,
    /// When the completion that began a chain of heartbeats was scheduled.
    pub(in crate::server::engine) first_completed: Option<(i64, Time)>,
    pub(in crate::server::engine) sticky: Option<Box<Sticky>>,
    /// Whether the first workflow task is held back until the execution time.
    pub(in crate::server::engine) delayed: bool,

    // Pending operations, by scheduled, started or initiated event.
    pub(in crate::server::engine) activities: BTreeMap<i64, Box<Activity>>,
    pub(in crate::server::engine) activity_ids: BTreeMap<String, i64>,
    /// How many of the activities can be handed out or were.
    pub(in crate::server::engine) activities_in_flight: u32,
    pub(in crate::server::engine) timers: BTreeMap<i64, WorkflowTimer>,
    pub(in crate::server::engine) timer_ids: BTreeMap<String, i64>,
    pub(in crate::server::engine) timers_due: BTreeSet<(Time, i64)>,
    pub(in crate::server::engine) children: BTreeMap<i64, Box<Child>>,
    pub(in crate::server::engine) externals: BTreeMap<i64, External>,
    pub(in crate::server::engine) nexus: BTreeMap<i64, Box<NexusOperation>>,
    pub(in crate::server::engine) updates: BTreeMap<String, AcceptedUpdate>,

    // What came from outside.
    /// The cancel request's event was written or is held back.
    pub(in crate::server::engine) cancel_requested: bool,
    pub(in crate::server::engine) signals: u32,
    pub(in crate::server::engine) signal_request_ids: BTreeSet<String>,
    /// Request ids that started this run or were attached to it, with the event that says so (0 while held back).
    pub(in crate::server::engine) request_ids: RequestIds,
    /// Who is told when the run is over.
    pub(in crate::server::engine) callbacks: Vec<CompletionCallback>,
}

impl State {
    pub(in crate::server::engine) fn new(
        key: RunKey,
        namespace: NamespaceId,
        workflow_id: Arc<str>,
        run_id: Uuid,
    ) -> Self {
        State {
            key,
            namespace,
            workflow_id,
            run_id,
            first_run_id: String::new(),
            original_run_id: String::new(),
            workflow_type: String::new(),
            task_queue: String::new(),
            start_time: Time::default(),
            execution_time: Time::default(),
            task_timeout: Duration::ZERO,
            run_timeout: Duration::ZERO,
            execution_timeout: Duration::ZERO,
            execution_expires_at: None,
            attempt: 1,
            retry_policy: None,
            cron: String::new(),
            parent: None,
            root: None,
            priority: None,
            memo: BTreeMap::new(),
            search_attributes: BTreeMap::new(),
            status: WorkflowExecutionStatus::Running,
            close_time: None,
            close_event_id: 0,
            next_run_id: None,
            reset_at: None,
            reset_to: None,
            history: History::new(),
            held: Vec::new(),
            transitions: 0,
            task: None,
            next_attempt: 1,
            last_started_id: 0,
            last_completed_id: 0,
            first_completed: None,
            sticky: None,
            delayed: false,
            activities: BTreeMap::new(),
            activity_ids: BTreeMap::new(),
            activities_in_flight: 0,
            timers: BTreeMap::new(),
            timer_ids: BTreeMap::new(),
            timers_due: BTreeSet::new(),
            children: BTreeMap::new(),
            externals: BTreeMap::new(),
            nexus: BTreeMap::new(),
            updates: BTreeMap::new(),
            cancel_requested: false,
            signals: 0,
            signal_request_ids: BTreeSet::new(),
            request_ids: RequestIds::default(),
            callbacks: Vec::new(),
        }
    }

    /// Gives back what the maps of pending operations hold while they are empty.
    pub(super) fn give_back(&mut self) {
        give_back(&mut self.activities);
        give_back(&mut self.activity_ids);
        give_back(&mut self.timers);
        give_back(&mut self.timer_ids);
        give_back(&mut self.children);
        give_back(&mut self.externals);
        give_back(&mut self.nexus);
        if self.timers_due.is_empty() {
            self.timers_due = BTreeSet::new();
        }
    }

    pub(in crate::server::engine) fn is_open(&self) -> bool {
        self.status == WorkflowExecutionStatus::Running
    }

    /// The started workflow task, if one is started.
    pub(in crate::server::engine) fn started_task(&self) -> Option<(&WorkflowTask, &Started)> {
        let task = self.task.as_deref()?;
        task.started.as_ref().map(|started| (task, started))
    }

    /// How many things of this run keep time from being skipped.
    pub(in crate::server::engine) fn in_flight(&self) -> u64 {
        if !self.is_open() {
            return 0;
        }
        let starting = self.children.values().filter(|child| child.run_id.is_none()).count();
        u64::from(self.task.is_some())
            + u64::from(self.activities_in_flight)
            + (starting + self.externals.len()) as u64
            + self.nexus_in_flight()
    }

    /// One search attribute, also of those that the server sets.
    pub(in crate::server::engine) fn search_attribute(&self, name: &str) -> Option<Cow<'_, Payload>> {
        if let Some(value) = self.search_attributes.get(name) {
            return Some(Cow::Borrowed(value));
        }
        // Every run has it once a worker has answered: made when it is asked for, it costs no run anything.
        (name == BUILD_IDS && self.first_completed.is_some()).then(|| Cow::Owned(keyword_list(r#"["unversioned"]"#)))
    }

    /// All search attributes, also those that the server sets.
    pub(in crate::server::engine) fn all_search_attributes(&self) -> BTreeMap<String, Payload> {
        let mut all = self.search_attributes.clone();
        if let Some(Cow::Owned(value)) = self.search_attribute(BUILD_IDS) {
            all.insert(BUILD_IDS.to_owned(), value);
        }
        all
    }

    /// Workflow id and run id of the topmost ancestor, which may be this run.
    pub(in crate::server::engine) fn root(&self) -> (String, String) {
        match &self.root {
            Some(root) => (**root).clone(),
            None => (self.workflow_id.to_string(), self.run_id.to_string()),
        }
    }

    /// The place that this run can be reset to, unless one of an earlier run stands for the same code.
    pub(in crate::server::engine) fn reset_point(&self, before: &ResetPoints) -> Option<ResetPointInfo> {
        let (id, at) = self.first_completed?;
        before.points.is_empty().then(|| ResetPointInfo {
            run_id: self.run_id.to_string(),
            first_workflow_task_completed_id: id,
            create_time: Some(at.to_proto()),
            resettable: true,
            ..ResetPointInfo::default()
        })
    }

    /// The places that this run and those before it can be reset to.
    pub(in crate::server::engine) fn reset_points(&self) -> Option<ResetPoints> {
        let mut points = match self.history.event(1).and_then(|event| event.attributes) {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started.prev_auto_reset_points,
            _ => None,
        }
        .unwrap_or_default();
        points.points.extend(self.reset_point(&points));
        (!points.points.is_empty()).then_some(points)
    }

    /// When the run times out, if the user set a timeout.
    pub(in crate::server::engine) fn run_expires_at(&self) -> Option<Time> {
        let run = (!self.run_timeout.is_zero()).then(|| self.execution_time + self.run_timeout);
        [run, self.execution_expires_at].into_iter().flatten().min()
    }
}
