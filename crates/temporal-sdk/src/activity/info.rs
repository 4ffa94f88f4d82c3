//! What an activity is told of itself.

use bytes::Bytes;
use std::time::{Duration, SystemTime};
use temporal_client::{Priority, RetryPolicy};

/// What an activity is told of itself: who called it, which attempt it is, how much time it has.
///
/// ```
/// # use temporal_sdk::activity;
/// let mut info = activity::Info::default();
/// info.attempt = 3;   // for a test environment
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// The activity's id, unique among the pending activities of its workflow.
    pub activity_id: String,
    /// The name it was called by.
    pub activity_type: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Whether it is a local activity: one that runs within a workflow task.
    pub is_local: bool,
    /// The namespace of the worker.
    pub namespace: String,
    /// The task queue it was taken from.
    pub task_queue: String,
    /// What names this attempt to the server, also for completing it from elsewhere; empty for a local activity.
    pub task_token: Bytes,
    /// Id of the workflow that called it; `None` for an activity that a client started.
    pub workflow_id: Option<String>,
    /// Run of the workflow that called it.
    pub workflow_run_id: Option<String>,
    /// Type of the workflow that called it.
    pub workflow_type: Option<String>,
    /// Namespace of the workflow that called it.
    pub workflow_namespace: Option<String>,
    /// Run of the activity itself, for one that a client started.
    pub activity_run_id: Option<String>,
    /// When it was first scheduled.
    pub scheduled_time: SystemTime,
    /// When this attempt was scheduled.
    pub current_attempt_scheduled_time: SystemTime,
    /// When this attempt was started.
    pub started_time: SystemTime,
    /// From being scheduled to its end, over all attempts; `None` when unlimited.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Of this attempt; `None` when unlimited.
    pub start_to_close_timeout: Option<Duration>,
    /// Between two heartbeats; `None` when none are asked for.
    pub heartbeat_timeout: Option<Duration>,
    /// How it is retried.
    pub retry_policy: Option<RetryPolicy>,
    /// Its priority, and its key among the activities of the same priority.
    pub priority: Priority,
}

impl Info {
    /// When this attempt is given up by the server, if it has a timeout.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        let attempt = self
            .start_to_close_timeout
            .and_then(|timeout| self.started_time.checked_add(timeout));
        let all = self
            .schedule_to_close_timeout
            .and_then(|timeout| self.scheduled_time.checked_add(timeout));
        match (attempt, all) {
            (Some(attempt), Some(all)) => Some(attempt.min(all)),
            (one, other) => one.or(other),
        }
    }
}

/// The first attempt of an activity `unknown` of a workflow `test`, started at the Unix epoch.
impl Default for Info {
    fn default() -> Self {
        Self {
            activity_id: "test".into(),
            activity_type: "unknown".into(),
            attempt: 1,
            is_local: false,
            namespace: "default".into(),
            task_queue: "test".into(),
            task_token: Bytes::from_static(b"test"),
            workflow_id: Some("test".into()),
            workflow_run_id: Some("test-run".into()),
            workflow_type: Some("test".into()),
            workflow_namespace: Some("default".into()),
            activity_run_id: None,
            scheduled_time: SystemTime::UNIX_EPOCH,
            current_attempt_scheduled_time: SystemTime::UNIX_EPOCH,
            started_time: SystemTime::UNIX_EPOCH,
            schedule_to_close_timeout: Some(Duration::from_secs(1)),
            start_to_close_timeout: Some(Duration::from_secs(1)),
            heartbeat_timeout: None,
            retry_policy: None,
            priority: Priority::default(),
        }
    }
}
