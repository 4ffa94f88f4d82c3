//! What a run knows of itself.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use temporal_client::{Priority, RetryPolicy};
use temporal_core::{Initialize, WorkflowTask};
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::enums::v1::ContinueAsNewInitiator;
use temporal_protos::api::failure::v1::Failure;

/// What a run knows of itself, from its start: [`Context::info`](crate::workflow::Context::info).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Info {
    /// The workflow's id.
    pub workflow_id: String,
    /// The run's id.
    pub run_id: String,
    /// The workflow's type.
    pub workflow_type: String,
    /// The namespace it runs in.
    pub namespace: String,
    /// The task queue it runs on.
    pub task_queue: String,
    /// 1 for the first try of this workflow under its retry policy, and so on.
    pub attempt: u32,
    /// When this run was started, by the server's clock.
    pub start_time: SystemTime,
    /// The id of the first run of the chain of retries, crons and continue-as-news that this run belongs to.
    pub first_execution_run_id: String,
    /// The id of the run that this one was reset from; the run's own id when it was not.
    pub original_execution_run_id: String,
    /// The id of the run that continued as this one.
    pub continued_run_id: Option<String>,
    /// Why this run follows another one: that one continued as new, failed and is retried, or ran on a cron schedule.
    pub initiator: Option<ContinueAsNewInitiator>,
    /// The cron schedule it runs on.
    pub cron_schedule: Option<String>,
    /// The limit over all runs of the chain.
    pub execution_timeout: Option<Duration>,
    /// When that limit ends the chain.
    pub execution_expiration_time: Option<SystemTime>,
    /// The limit of this run.
    pub run_timeout: Option<Duration>,
    /// The limit of one workflow task.
    pub task_timeout: Duration,
    /// How long the first workflow task was held back: by a cron schedule, a retry, or a start with a delay.
    pub first_task_backoff: Option<Duration>,
    /// How it is retried when it fails.
    pub retry_policy: Option<RetryPolicy>,
    /// The workflow that started this one as its child.
    pub parent: Option<Box<Relative>>,
    /// The event of the parent's history that started this one.
    pub parent_initiated_event_id: Option<i64>,
    /// The outermost workflow above this one.
    pub root: Option<Box<Relative>>,
    /// Who started it, as its client or worker calls itself.
    pub starter_identity: String,
    /// Its priority and fairness.
    pub priority: Priority,
    pub(crate) headers: BTreeMap<String, Payload>,
    pub(crate) last_result: Vec<Payload>,
    pub(crate) last_failure: Option<Box<Failure>>,
}

/// A workflow that another one descends from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relative {
    /// Its id.
    pub workflow_id: String,
    /// Its run's id.
    pub run_id: String,
    /// Its namespace.
    pub namespace: String,
}

impl Info {
    pub(crate) fn new(task: TaskIdentity, namespace: &str, initialize: &mut Initialize) -> Self {
        let started = &mut initialize.started;
        Self {
            workflow_id: task.workflow_id,
            run_id: task.run_id,
            workflow_type: task.workflow_type,
            namespace: namespace.to_owned(),
            task_queue: started.task_queue.take().unwrap_or_default().name,
            attempt: u32::try_from(started.attempt).unwrap_or(1).max(1),
            start_time: UNIX_EPOCH + initialize.start_time,
            first_execution_run_id: std::mem::take(&mut started.first_execution_run_id),
            original_execution_run_id: std::mem::take(&mut started.original_execution_run_id),
            continued_run_id: not_empty(&mut started.continued_execution_run_id),
            initiator: match started.initiator() {
                ContinueAsNewInitiator::Unspecified => None,
                initiator => Some(initiator),
            },
            cron_schedule: not_empty(&mut started.cron_schedule),
            execution_timeout: limit(started.workflow_execution_timeout),
            execution_expiration_time: started
                .workflow_execution_expiration_time
                .and_then(|time| SystemTime::try_from(time).ok())
                .filter(|time| *time > UNIX_EPOCH),
            run_timeout: limit(started.workflow_run_timeout),
            task_timeout: limit(started.workflow_task_timeout).unwrap_or_default(),
            first_task_backoff: limit(started.first_workflow_task_backoff),
            retry_policy: started.retry_policy.as_ref().map(Into::into),
            parent_initiated_event_id: started
                .parent_workflow_execution
                .is_some()
                .then_some(started.parent_initiated_event_id),
            parent: started.parent_workflow_execution.take().map(|parent| {
                Box::new(Relative {
                    workflow_id: parent.workflow_id,
                    run_id: parent.run_id,
                    namespace: std::mem::take(&mut started.parent_workflow_namespace),
                })
            }),
            root: started.root_workflow_execution.take().map(|root| {
                Box::new(Relative {
                    workflow_id: root.workflow_id,
                    run_id: root.run_id,
                    namespace: namespace.to_owned(),
                })
            }),
            starter_identity: std::mem::take(&mut started.identity),
            priority: started.priority.as_ref().map(Into::into).unwrap_or_default(),
            headers: std::mem::take(&mut initialize.header),
            last_result: started.last_completion_result.take().unwrap_or_default().payloads,
            last_failure: started.continued_failure.take().map(Box::new),
        }
    }

    /// The headers of the start, as interceptors put them there.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, Payload> {
        &self.headers
    }
}

/// Which run a task belongs to.
#[derive(Debug, Clone)]
pub(crate) struct TaskIdentity {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
}

impl TaskIdentity {
    pub(crate) fn of(task: &WorkflowTask) -> Self {
        Self {
            workflow_id: task.workflow_id.clone(),
            run_id: task.run_id.clone(),
            workflow_type: task.workflow_type.clone(),
        }
    }
}

fn not_empty(text: &mut String) -> Option<String> {
    Some(std::mem::take(text)).filter(|text| !text.is_empty())
}

/// The server writes zero for a limit that is not there.
fn limit(duration: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(duration?)
        .ok()
        .filter(|duration| !duration.is_zero())
}
