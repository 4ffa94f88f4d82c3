//! Options of a worker.

use super::BuildError;
use crate::activity::{Executor, Interceptor, TokioExecutor};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Options {
    pub(super) identity: Option<String>,
    pub(super) build_id: String,
    pub(super) max_cached_workflows: usize,
    pub(super) max_concurrent_workflow_tasks: usize,
    pub(super) max_concurrent_activities: usize,
    pub(super) max_concurrent_local_activities: usize,
    pub(super) workflow_pollers: usize,
    pub(super) sticky_pollers: usize,
    pub(super) activity_pollers: usize,
    pub(super) workflow_threads: usize,
    pub(super) sticky_timeout: Duration,
    pub(super) graceful_shutdown_timeout: Duration,
    pub(super) max_heartbeat_throttle: Duration,
    pub(super) default_heartbeat_throttle: Duration,
    pub(super) max_activities_per_second: Option<f64>,
    pub(super) max_task_queue_activities_per_second: Option<f64>,
    pub(super) eager_activities: bool,
    pub(super) remote_activities: bool,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) activity_interceptors: Vec<Arc<dyn Interceptor>>,
    pub(super) failures: crate::workflow::failure_policy::FailurePolicy,
    pub(super) workflow_interceptors: Vec<Arc<dyn crate::workflow::Interceptor>>,
    pub(super) detect_foreign_wakes: bool,
    pub(super) restrictions: crate::workflow::Restrictions,
    pub(super) deadlock_timeout: Option<Duration>,
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("identity", &self.identity)
            .field("build_id", &self.build_id)
            .field("max_cached_workflows", &self.max_cached_workflows)
            .field("max_concurrent_workflow_tasks", &self.max_concurrent_workflow_tasks)
            .field("max_concurrent_activities", &self.max_concurrent_activities)
            .field("executor", &self.executor)
            .finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            identity: None,
            build_id: String::new(),
            max_cached_workflows: 1000,
            max_concurrent_workflow_tasks: 100,
            max_concurrent_activities: 100,
            max_concurrent_local_activities: 100,
            workflow_pollers: 2,
            sticky_pollers: 4,
            activity_pollers: 5,
            workflow_threads: std::thread::available_parallelism().map_or(1, usize::from),
            sticky_timeout: Duration::from_secs(10),
            graceful_shutdown_timeout: Duration::ZERO,
            max_heartbeat_throttle: Duration::from_secs(60),
            default_heartbeat_throttle: Duration::from_secs(30),
            max_activities_per_second: None,
            max_task_queue_activities_per_second: None,
            eager_activities: true,
            remote_activities: true,
            executor: Arc::new(TokioExecutor),
            activity_interceptors: Vec::new(),
            failures: Default::default(),
            workflow_interceptors: Vec::new(),
            detect_foreign_wakes: true,
            restrictions: Default::default(),
            deadlock_timeout: Some(Duration::from_secs(5)),
        }
    }
}

impl Options {
    pub(super) fn check(&self) -> Result<(), BuildError> {
        let counts = [
            ("max_concurrent_workflow_tasks", self.max_concurrent_workflow_tasks),
            ("max_concurrent_activities", self.max_concurrent_activities),
            ("max_concurrent_local_activities", self.max_concurrent_local_activities),
            ("workflow_pollers", self.workflow_pollers),
            ("activity_pollers", self.activity_pollers),
            ("workflow_threads", self.workflow_threads),
        ];
        if let Some((option, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(BuildError::Option {
                option,
                value: value.to_string(),
                remedy: "it takes at least 1",
            });
        }
        if self.max_cached_workflows > 0 && self.sticky_pollers == 0 {
            return Err(BuildError::Option {
                option: "sticky_pollers",
                value: "0".to_owned(),
                remedy: "tasks of cached workflows need at least 1; to cache none, set max_cached_workflows(0)",
            });
        }
        if self.max_cached_workflows > 0 && self.max_concurrent_workflow_tasks == 1 {
            return Err(BuildError::Option {
                option: "max_concurrent_workflow_tasks",
                value: "1".to_owned(),
                remedy: "with cached workflows it takes at least 2, one for each queue that is polled; or set max_cached_workflows(0)",
            });
        }
        let rates = [
            ("max_activities_per_second", self.max_activities_per_second),
            (
                "max_task_queue_activities_per_second",
                self.max_task_queue_activities_per_second,
            ),
        ];
        for (option, rate) in rates {
            if let Some(rate) = rate
                && !(rate.is_finite() && rate > 0.0)
            {
                return Err(BuildError::Option {
                    option,
                    value: rate.to_string(),
                    remedy: "it takes a number greater than 0; to run no activities, register none",
                });
            }
        }
        Ok(())
    }
}
