//! A run ends, and another may follow it.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::command::v1 as c;
use temporal_protos::api::common::v1::Payloads;
use temporal_protos::api::enums::v1::{ContinueAsNewInitiator, RetryState};
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::workflow::v1::ResetPoints;
use uuid::Uuid;

use super::super::cron::Cron;
use super::core::{Effect, Engine};
use super::events::Attributes;
use super::launch::Launch;
use super::matching::Work;
use super::old_clients::workflow_timeout;
use super::retry;
use super::run::{Extras, Turn};
use super::start::{bounded, filled_policy};
use super::state::RunKey;
use super::time::{Time, duration, to_proto};
use super::workflow_task::{SERVER_IDENTITY, TaskEnd, normal_queue};

/// The least time between the starts of a run that times out and of its retry.
const LEAST_TIMED_OUT: Duration = Duration::from_secs(1);

/// Why a run ends that is to be deleted.
pub(super) const DELETED: &str = "Delete workflow execution";

/// What a run ended with, as far as its successor cares.
#[derive(Debug, Default)]
struct Ended {
    result: Option<Payloads>,
    failure: Option<Failure>,
}

impl Turn<'_> {
    /// The run completes with a result.
    pub(super) fn complete_run(&mut self, result: Option<Payloads>, completed_id: i64, extras: Extras) {
        let next = self.next_cron_run(Ended {
            result: result.clone(),
            failure: None,
        });
        let attributes = h::WorkflowExecutionCompletedEventAttributes {
            result,
            workflow_task_completed_event_id: completed_id,
            new_execution_run_id: id_text(next.as_ref()),
        };
        self.event_with(
            Attributes::WorkflowExecutionCompletedEventAttributes(attributes),
            extras,
        );
        self.closed(next);
    }

    /// The run fails: it is retried, or runs again with its cron schedule, or is over.
    pub(super) fn fail_run(&mut self, failure: Failure, completed_id: i64, extras: Extras) {
        let (next, retry_state) = self.next_after_failure(&failure);
        let attributes = h::WorkflowExecutionFailedEventAttributes {
            failure: Some(failure),
            retry_state: retry_state as i32,
            workflow_task_completed_event_id: completed_id,
            new_execution_run_id: id_text(next.as_ref()),
        };
        self.event_with(Attributes::WorkflowExecutionFailedEventAttributes(attributes), extras);
        self.closed(next);
    }

    /// The run ends cancelled.
    pub(super) fn cancel_run(&mut self, details: Option<Payloads>, completed_id: i64, extras: Extras) {
        let attributes = h::WorkflowExecutionCanceledEventAttributes {
            workflow_task_completed_event_id: completed_id,
            details,
        };
        self.event_with(Attributes::WorkflowExecutionCanceledEventAttributes(attributes), extras);
        self.closed(None);
    }

    /// The run is ended from outside.
    pub(super) fn terminate_run(&mut self, reason: &str, details: Option<Payloads>, identity: &str, extras: Extras) {
        self.end_failed_task(TaskEnd::forced());
        let attributes = h::WorkflowExecutionTerminatedEventAttributes {
            reason: reason.to_owned(),
            details,
            identity: identity.to_owned(),
        };
        self.event_with(
            Attributes::WorkflowExecutionTerminatedEventAttributes(attributes),
            extras,
        );
        self.closed(None);
    }

    /// The run or execution timeout passed.
    pub(super) fn run_timed_out(&mut self) {
        if !self.is_open() || self.run_expires_at().is_none_or(|due| due > self.shared.now) {
            return;
        }
        self.end_failed_task(TaskEnd::forced());
        let failure = workflow_timeout();
        let expired = self.execution_expires_at.is_some_and(|due| due <= self.shared.now);
        let (mut next, retry_state) = if expired {
            (None, RetryState::Timeout)
        } else {
            self.next_after_timeout(&failure)
        };
        if let Some(next) = &mut next {
            next.unattended = self.first_completed.is_none();
        }
        self.event(Attributes::WorkflowExecutionTimedOutEventAttributes(
            h::WorkflowExecutionTimedOutEventAttributes {
                retry_state: retry_state as i32,
                new_execution_run_id: id_text(next.as_ref()),
            },
        ));
        self.closed(next);
    }

    /// The run ends and the workflow goes on in another run.
    pub(super) fn continue_as_new(
        &mut self,
        command: c::ContinueAsNewWorkflowExecutionCommandAttributes,
        completed_id: i64,
        extras: Extras,
    ) {
        let run_id = self.shared.random.uuid4();
        let mut started = self.started_event();
        if let Some(kind) = command.workflow_type.filter(|kind| !kind.name.is_empty()) {
            started.workflow_type = Some(kind);
        }
        if let Some(queue) = command.task_queue.filter(|queue| !queue.name.is_empty()) {
            started.task_queue = Some(normal_queue(&queue.name));
        }
        started.input = command.input;
        if let Some(timeout) = command.workflow_run_timeout {
            started.workflow_run_timeout = Some(bounded(timeout));
        }
        // Without a timeout the real server writes that it is zero.
        started.workflow_run_timeout.get_or_insert_default();
        if command.workflow_task_timeout.is_some() {
            started.workflow_task_timeout = command.workflow_task_timeout;
        }
        // What the command does not say of these two is not taken over.
        started.retry_policy = command.retry_policy.as_ref().map(filled_policy);
        started.cron_schedule = command.cron_schedule;
        started.header = command.header;
        started.memo = command.memo;
        started.search_attributes = command.search_attributes.map(|mut attributes| {
            self.type_search_attributes(&mut attributes);
            attributes
        });
        let initiator = match ContinueAsNewInitiator::try_from(command.initiator) {
            Ok(ContinueAsNewInitiator::Unspecified) | Err(_) => ContinueAsNewInitiator::Workflow,
            Ok(initiator) => initiator,
        };
        started.attempt = 1;
        started.continued_failure = command.failure;
        started.last_completion_result = command.last_completion_result;
        let asked = duration(command.backoff_start_interval.as_ref());
        let backoff = if asked.is_zero() { self.least_interval() } else { asked };
        let event = h::WorkflowExecutionContinuedAsNewEventAttributes {
            new_execution_run_id: run_id.to_string(),
            workflow_type: started.workflow_type.clone(),
            task_queue: started.task_queue.clone(),
            input: started.input.clone(),
            workflow_run_timeout: started.workflow_run_timeout,
            workflow_task_timeout: started.workflow_task_timeout,
            workflow_task_completed_event_id: completed_id,
            // As the command says, even where the run after it does otherwise.
            backoff_start_interval: command.backoff_start_interval,
            initiator: command.initiator,
            last_completion_result: started.last_completion_result.clone(),
            header: started.header.clone(),
            memo: started.memo.clone(),
            search_attributes: started.search_attributes.clone(),
            ..h::WorkflowExecutionContinuedAsNewEventAttributes::default()
        };
        let mut launch = self.successor(run_id, started, initiator, backoff);
        if backoff.is_zero() {
            launch.started.first_workflow_task_backoff = None;
        }
        self.event_with(
            Attributes::WorkflowExecutionContinuedAsNewEventAttributes(event),
            extras,
        );
        self.closed(Some(launch));
    }

    /// How long the next run of a continue-as-new chain is held back, so that runs are not too close.
    fn least_interval(&self) -> Duration {
        if self.shared.clock.can_skip() {
            return Duration::ZERO;
        }
        let age = self.shared.now.since(self.execution_time);
        self.shared.config.continue_as_new_interval.saturating_sub(age)
    }

    fn started_event(&self) -> h::WorkflowExecutionStartedEventAttributes {
        match self.history.event(1).and_then(|event| event.attributes) {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started,
            _ => h::WorkflowExecutionStartedEventAttributes::default(),
        }
    }

    fn next_after_failure(&mut self, failure: &Failure) -> (Option<Launch>, RetryState) {
        self.next_run(failure, Duration::ZERO)
    }

    /// No worker is needed to time a run out and to begin the next: such runs begin at least a second apart, lest the
    /// server fill itself with runs of a nanosecond.
    fn next_after_timeout(&mut self, failure: &Failure) -> (Option<Launch>, RetryState) {
        let age = self.shared.now.since(self.execution_time);
        self.next_run(failure, LEAST_TIMED_OUT.saturating_sub(age))
    }

    fn next_run(&mut self, failure: &Failure, least: Duration) -> (Option<Launch>, RetryState) {
        let now = self.shared.now;
        let policy = self.retry_policy.as_deref();
        match retry::delay(policy, self.attempt, Some(failure), now, self.execution_expires_at) {
            Ok(backoff) => {
                let backoff = backoff.max(least);
                let run_id = self.shared.random.uuid4();
                let mut started = self.started_event();
                started.attempt = self.attempt.saturating_add(1);
                started.continued_failure = Some(failure.clone());
                let launch = self.successor(run_id, started, ContinueAsNewInitiator::Retry, backoff);
                (Some(launch), RetryState::InProgress)
            }
            Err(state) => (
                self.next_cron_run(Ended {
                    result: None,
                    failure: Some(failure.clone()),
                }),
                state,
            ),
        }
    }

    /// The next run of the cron schedule, if there is one and it would begin in time.
    fn next_cron_run(&mut self, ended: Ended) -> Option<Launch> {
        if self.cron.is_empty() {
            return None;
        }
        let now = self.shared.now;
        let backoff = Cron::parse(&self.cron).ok()?.backoff(self.execution_time, now)?;
        if self.execution_expires_at.is_some_and(|expires| now + backoff > expires) {
            return None;
        }
        let run_id = self.shared.random.uuid4();
        let mut started = self.started_event();
        started.attempt = 1;
        if ended.result.is_some() {
            started.last_completion_result = ended.result;
        }
        started.continued_failure = ended.failure;
        Some(self.successor(run_id, started, ContinueAsNewInitiator::CronSchedule, backoff))
    }

    /// What the run after this one begins with.
    fn successor(
        &mut self,
        run_id: Uuid,
        mut started: h::WorkflowExecutionStartedEventAttributes,
        initiator: ContinueAsNewInitiator,
        backoff: Duration,
    ) -> Launch {
        started.continued_execution_run_id = self.run_id.to_string();
        started.original_execution_run_id = run_id.to_string();
        started.first_execution_run_id.clone_from(&self.first_run_id);
        started.initiator = initiator as i32;
        started.first_workflow_task_backoff = Some(to_proto(backoff));
        started.identity = String::new();
        started.eager_execution_accepted = false;
        started.workflow_execution_expiration_time = self.execution_expires_at.map(Time::to_proto);
        started.prev_auto_reset_points = self.reset_points_left(started.prev_auto_reset_points.take());
        // This run's end is told before the schedule's next run.
        let told = initiator == ContinueAsNewInitiator::CronSchedule;
        let callbacks = self.callbacks.iter().filter(|_| !told);
        started.completion_callbacks = callbacks.map(|it| it.callback.clone()).collect();
        let first = self.history.event(1).unwrap_or_default();
        Launch {
            namespace: self.namespace,
            workflow_id: self.workflow_id.to_string(),
            run_id,
            started,
            extras: Extras {
                user_metadata: first.user_metadata,
                links: first.links,
                ..Extras::default()
            },
            request_id: String::new(),
            signal: None,
            unattended: false,
            updates: BTreeMap::new(),
        }
    }

    /// Where this run and those before it could be reset to, once this run is closed.
    fn reset_points_left(&self, before: Option<ResetPoints>) -> Option<ResetPoints> {
        let mut points = before.unwrap_or_default();
        let this = self.run_id.to_string();
        points.points.extend(self.reset_point(&points));
        for point in points.points.iter_mut().filter(|point| point.run_id == this) {
            let retention = self.shared.namespaces.get(self.namespace).map(|it| it.retention);
            point.expire_time = Some((self.shared.now + retention.unwrap_or_default()).to_proto());
        }
        Some(points)
    }

    /// What follows a closing event: nothing of the run stays pending.
    fn closed(&mut self, next: Option<Launch>) {
        self.task_over();
        for work in self.run.live.tickets.keys().copied().collect::<Vec<_>>() {
            if !matches!(work, Work::Query(..)) {
                self.dequeue(work);
            }
        }
        for id in self.nexus.keys().copied().collect::<Vec<_>>() {
            self.orphan_nexus(id);
        }
        let live = &mut self.run.live;
        live.task_worker = None;
        live.activity_workers.clear();
        let activities = std::mem::take(&mut live.activity_calls).into_values();
        let requests = std::mem::take(&mut live.nexus_calls).into_values();
        for call in activities.chain(requests) {
            self.shared.calls.undeliver(call);
        }
        let left = self.updates_end_with_run(next.is_some());
        self.queries_outlive_run();
        self.shared.effects.push_back(Effect::Closed(self.key));
        if let Some(mut launch) = next {
            launch.updates = left;
            self.shared.effects.push_back(Effect::Launch(Box::new(launch)));
        }
    }
}

impl Engine {
    /// Tells the parent and the children of a closed run.
    pub(super) fn after_close(&mut self, key: RunKey) {
        if let Some(run) = self.runs.get(&key) {
            self.shared.index.closed(run);
        }
        self.tell_callbacks(key);
        self.tell_parent(key);
        self.close_children(key);
    }

    /// Forgets all runs of a namespace; open ones end before, and whoever waits for that is told.
    pub(super) fn delete_runs_of(&mut self, namespace: super::namespace::NamespaceId) {
        let runs = |engine: &Engine| -> Vec<RunKey> { engine.shared.index.in_list_order(namespace, None).collect() };
        for key in runs(self) {
            self.turn(key, |turn| {
                if turn.is_open() {
                    turn.terminate_run(DELETED, None, SERVER_IDENTITY, Extras::default());
                }
            });
        }
        self.settle();
        for key in runs(self) {
            self.forget(key);
        }
    }
}

fn id_text(next: Option<&Launch>) -> String {
    next.map(|launch| launch.run_id.to_string()).unwrap_or_default()
}
