//! From one job to the next.

use super::{Settling, WorkflowRun};
use crate::history::Scan;
use crate::{Job, Next, RunError};
use alloc::boxed::Box;
use alloc::format;
use temporal_protos::api::history::v1::history_event::Attributes;

/// What the run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No task in hand.
    Idle,
    /// Before the next batch of history.
    Between,
    /// The code works off a batch. Recorded: history holds what it asked for then.
    Running { recorded: bool },
    /// Nothing of history is left; queries may be.
    AtEnd,
}

impl WorkflowRun {
    /// What happened next.
    ///
    /// # Errors
    /// When code and history disagree, or the history is broken. The run is of no use from then on: evict it.
    pub fn next_job(&mut self) -> Result<Next, RunError> {
        if let Some(failed) = &self.failed {
            return Err((**failed).clone());
        }
        let next = self.advance();
        if let Err(error) = &next {
            self.failed = Some(Box::new(error.clone()));
        }
        next
    }

    fn advance(&mut self) -> Result<Next, RunError> {
        self.task.queries.end_answering();
        loop {
            if let Some(job) = self.out.next_job() {
                return Ok(Next::Job(job));
            }
            if self.task.settling == Settling::Asked {
                self.task.settling = Settling::Told;
                return Ok(Next::Job(Job::Settled));
            }
            match self.phase {
                Phase::Idle => return Ok(Next::Done),
                Phase::Between => {
                    if !self.enter_batch()? {
                        return Ok(Next::NeedsHistory);
                    }
                }
                Phase::Running { recorded: true } => {
                    self.operations.local_activities.code_blocked();
                    if !self.resolve_by_marker() {
                        self.confirm()?;
                        self.phase = Phase::Between;
                    }
                }
                Phase::Running { recorded: false } => {
                    self.operations.local_activities.code_blocked();
                    if !self
                        .operations
                        .local_activities
                        .resolve_next(self.position.now, &mut self.out)
                    {
                        return Ok(self.next_query());
                    }
                }
                Phase::AtEnd => return Ok(self.next_query()),
            }
        }
    }

    fn next_query(&mut self) -> Next {
        self.task
            .queries
            .next()
            .map_or(Next::Done, |query| Next::Job(Job::Query(query)))
    }

    /// Applies the next batch, or finds that none is left. `false`: the next page of history is needed.
    fn enter_batch(&mut self) -> Result<bool, RunError> {
        if self.position.unconfirmed && !self.confirm_last_task()? {
            return Ok(false);
        }
        let only_query = self.task.started_event_id == 0 && !self.task.replay;
        match self.history.scan() {
            Scan::NeedsHistory => return Ok(false),
            Scan::Batch { commands: None, .. } if only_query => self.phase = Phase::AtEnd,
            Scan::Batch { events, commands } => self.apply_batch(events, commands)?,
            Scan::End if only_query || self.task.replay => self.phase = Phase::AtEnd,
            Scan::End => {
                return Err(RunError::BadHistory(format!(
                    "the task's started event {} is missing: fetch the history again",
                    self.task.started_event_id
                )));
            }
        }
        Ok(true)
    }

    /// Finds the commands of the last task in history. `false`: the next page is needed.
    fn confirm_last_task(&mut self) -> Result<bool, RunError> {
        match self.history.front().map(|event| &event.attributes) {
            // A query on a run that stands still.
            None => Ok(true),
            Some(Some(Attributes::WorkflowTaskCompletedEventAttributes(_))) => {
                if !self.history.has_commands_of_front() {
                    return Ok(false);
                }
                self.confirm()?;
                self.position.unconfirmed = false;
                Ok(true)
            }
            // The answer never counted, though the code has moved on.
            Some(_) => Err(RunError::CacheMismatch {
                task_starts_after: self.position.previous,
                run_stands_at: self.position.started,
            }),
        }
    }

    /// Resolves the next local activity by its marker. Whether there was one.
    fn resolve_by_marker(&mut self) -> bool {
        while let Some(marker) = self.operations.markers.front() {
            match self.operations.local_activities.is_open(marker) {
                Some(true) => {
                    let Some(marker) = self.operations.markers.pop_front() else {
                        return false;
                    };
                    return self
                        .operations
                        .local_activities
                        .resolve_by_marker(marker, &mut self.out);
                }
                Some(false) => {
                    self.operations.markers.pop_front();
                }
                // The code did not schedule it: matching will say so.
                None => return false,
            }
        }
        false
    }
}
