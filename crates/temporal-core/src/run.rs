//! One workflow run.

mod answers;
mod batch;
mod commands;
mod confirm;
mod events;
mod finish;
mod flags;
mod operations;
mod step;

use crate::history::EventBuffer;
use crate::machines::Own;
use crate::output::Output;
use crate::{LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq, RunError, RunOptions, WorkflowTask};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use answers::Queries;
use core::time::Duration;
use flags::Flags;
use operations::Operations;
use step::Phase;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::enums::v1::SuggestContinueAsNewReason;
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::api::update::v1::Request;

/// One workflow run.
///
/// - Getters: `now`, `is_replaying`, `history_length` …
/// - `handle_*`: what arrived.
/// - Commands: `schedule_activity`, `start_timer`, … `complete`.
/// - `next_job`, `next_local_activity`, `finish_task`: what to do.
///
/// A command that is not allowed where it is made (after the run closed, while a query is answered, between tasks)
/// does nothing; what it returns never resolves.
#[derive(Debug)]
pub struct WorkflowRun {
    options: RunOptions,
    own: Own,
    history: EventBuffer,
    operations: Operations,
    out: Output,
    flags: Flags,
    task: Task,
    position: Position,
    phase: Phase,
    failed: Option<Box<RunError>>,
}

/// The task in hand, without its history.
#[derive(Debug, Default)]
struct Task {
    /// 0: only queries.
    started_event_id: i64,
    messages: VecDeque<Message>,
    queries: Queries,
    replay: bool,
    settling: Settling,
}

/// Whether the code wants to know that it was told of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Settling {
    /// It never asked.
    #[default]
    Unasked,
    /// It asked and was not told yet.
    Asked,
    /// It was told.
    Told,
}

/// Where the run stands in its history.
#[derive(Debug, Default)]
struct Position {
    /// Started event of the last batch applied.
    started: i64,
    /// Started event of the batch before that.
    previous: i64,
    /// The last event before that task was scheduled and started: where to go on when the server forgets the task.
    before_task: i64,
    /// The last task was answered, and history did not say yet that it was completed.
    unconfirmed: bool,
    /// The answer had nothing that the server keeps, so that it may forget the task.
    discardable: bool,
    cancel_requested: bool,
    now: Duration,
    history_length: u32,
    history_size: u64,
    continue_as_new_suggested: bool,
    continue_as_new_reasons: Vec<SuggestContinueAsNewReason>,
    target_version_changed: bool,
    /// Requests of updates that were admitted by an event.
    admitted: BTreeMap<String, Request>,
}

impl WorkflowRun {
    /// A run from its first event on.
    ///
    /// # Errors
    /// `CacheMismatch` if the task's history does not begin with event 1: fetch the whole history.
    pub fn new(options: RunOptions, task: WorkflowTask) -> Result<Self, RunError> {
        if task.events.is_empty() && !task.more_events {
            return Err(RunError::CacheMismatch {
                task_starts_after: task.previous_started_event_id,
                run_stands_at: 0,
            });
        }
        let mut run = Self {
            options,
            own: Own {
                workflow_type: task.workflow_type.clone(),
                ..Own::default()
            },
            history: EventBuffer::default(),
            operations: Operations::default(),
            out: Output::default(),
            flags: Flags::default(),
            task: Task::default(),
            position: Position::default(),
            phase: Phase::Idle,
            failed: None,
        };
        run.begin(task)?;
        Ok(run)
    }

    /// The next task of the same run (sticky continuation, or a query).
    ///
    /// # Errors
    /// `CacheMismatch` if the task does not go on where this run stands: evict it and fetch the whole history.
    pub fn handle_task(&mut self, task: WorkflowTask) -> Result<(), RunError> {
        if let Some(failed) = &self.failed {
            return Err((**failed).clone());
        }
        let only_query = task.started_event_id == 0;
        let goes_on_after = task.previous_started_event_id;
        let idle = self.phase == Phase::Idle;
        if idle && (goes_on_after == self.position.started || only_query && goes_on_after == 0) {
            // Where the run stands.
        } else if idle && self.is_forgotten(goes_on_after) {
            self.history.rewind(self.position.before_task);
            self.position.started = self.position.previous;
            self.position.unconfirmed = false;
        } else {
            return Err(RunError::CacheMismatch {
                task_starts_after: goes_on_after,
                run_stands_at: self.position.started,
            });
        }
        self.begin(task)
    }

    /// Whether the server forgot the last task (a speculative one, whose updates were all rejected). The first task of a
    /// run is none: what comes before it is applied before the main function is polled.
    fn is_forgotten(&self, goes_on_after: i64) -> bool {
        self.position.unconfirmed
            && self.position.discardable
            && goes_on_after == self.position.previous
            && goes_on_after != 0
    }

    fn begin(&mut self, task: WorkflowTask) -> Result<(), RunError> {
        self.history.restart(task.events, task.more_events)?;
        self.task = Task {
            started_event_id: task.started_event_id,
            messages: task.messages.into(),
            queries: Queries::new(task.queries),
            replay: task.replay,
            settling: Settling::default(),
        };
        self.phase = Phase::Between;
        Ok(())
    }

    /// The page of history that `Next::NeedsHistory` asked for; `more` says whether yet another follows.
    pub fn handle_history_page(&mut self, events: Vec<HistoryEvent>, more: bool) {
        if let Err(error) = self.history.extend(events, more) {
            self.failed.get_or_insert_with(|| Box::new(error));
        }
    }

    /// A local activity ended. Go on with `next_job`.
    pub fn handle_local_activity(&mut self, seq: LocalActivitySeq, outcome: LocalActivityOutcome) {
        self.operations.local_activities.outcome(seq, None, outcome);
    }

    /// Like [`handle_local_activity`](Self::handle_local_activity), with the number of the attempt that ended it, for the
    /// marker: retries within the task count it up.
    pub fn handle_local_activity_attempt(
        &mut self,
        seq: LocalActivitySeq,
        attempt: u32,
        outcome: LocalActivityOutcome,
    ) {
        self.operations.local_activities.outcome(seq, Some(attempt), outcome);
    }

    /// Asks for a [`Job::Settled`](crate::Job::Settled) behind the last job of the workflow task in hand, as far as that is known: ends of local
    /// activities come later.
    ///
    /// `false` when the code was told that and nothing came since: no other job follows.
    #[must_use]
    pub fn tell_when_settled(&mut self) -> bool {
        if matches!(self.phase, Phase::Running { .. }) && !self.task.queries.is_answering() {
            if self.task.settling == Settling::Told && !self.out.has_jobs() {
                return false;
            }
            self.task.settling = Settling::Asked;
        }
        true
    }

    /// Local activities to start or cancel now; ask after `next_job` said `Done`. While `waits_for_local_activities`,
    /// hand results in and go on with `next_job`.
    #[must_use]
    pub fn next_local_activity(&mut self) -> Option<LocalActivityRequest> {
        match self.phase {
            Phase::Running { recorded: false } if !self.task.replay => self.operations.local_activities.next_request(),
            _ => None,
        }
    }

    /// Whether local activities of this task still run. In a replay nobody runs them.
    pub fn waits_for_local_activities(&self) -> bool {
        self.phase == Phase::Running { recorded: false }
            && !self.task.replay
            && !self.is_closed()
            && self.operations.local_activities.is_waiting()
    }

    /// Start time of the current workflow task since the Unix epoch: the workflow's clock.
    pub fn now(&self) -> Duration {
        self.position.now
    }

    /// Whether what the code does now was done before: history holds the end of this task, or a query is answered.
    pub fn is_replaying(&self) -> bool {
        self.task.replay
            || !matches!(self.phase, Phase::Running { recorded: false })
            || self.task.queries.is_answering()
    }

    /// How many events the history has, up to the start of the current task.
    pub fn history_length(&self) -> u32 {
        self.position.history_length
    }

    /// How many bytes the history has, as the server counts.
    pub fn history_size_bytes(&self) -> u64 {
        self.position.history_size
    }

    /// Whether the server finds the history long enough.
    pub fn continue_as_new_suggested(&self) -> bool {
        self.position.continue_as_new_suggested
    }

    /// Why the server finds the history long enough.
    pub fn continue_as_new_reasons(&self) -> &[SuggestContinueAsNewReason] {
        &self.position.continue_as_new_reasons
    }

    /// Whether the worker deployment version that a new run would start with is another one than this run's.
    pub fn target_version_changed(&self) -> bool {
        self.position.target_version_changed
    }

    /// Whether the code has completed, failed, cancelled or continued the run.
    pub fn is_closed(&self) -> bool {
        self.operations.closing.is_closed()
    }

    /// Current memo (start, then upserts).
    pub fn memo(&self) -> &BTreeMap<String, Payload> {
        &self.operations.properties.memo
    }

    /// Current search attributes (start, then upserts).
    pub fn search_attributes(&self) -> &BTreeMap<String, Payload> {
        &self.operations.properties.search_attributes
    }
}
