//! What the benches need of a worker's insides; not for users.

use super::shard::{Shards, Step};
use crate::workflow::host::{Drive, HostEnvironment, WorkflowHost};
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::{RegisterWorkflowError, Workflow};
use std::sync::Arc;
use temporal_client::data::DataConverter;
use temporal_core::{Outcome, WorkflowTask};

/// Shards without a network.
pub struct BenchShards {
    shards: Shards,
    environment: Arc<HostEnvironment>,
}

impl BenchShards {
    /// Shards that host one workflow type.
    ///
    /// # Panics
    /// When the threads cannot be started or the workflow cannot be registered.
    #[must_use]
    pub fn new<W: Workflow>(threads: usize, capacity: usize) -> Self {
        Self::try_new::<W>(threads, capacity).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_new<W: Workflow>(threads: usize, capacity: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let mut workflows = WorkflowRegistry::default();
        workflows
            .register::<W>()
            .map_err(|error: RegisterWorkflowError| Box::new(error))?;
        let environment = Arc::new(HostEnvironment {
            workflows,
            converter: DataConverter::default(),
            namespace: "default".to_owned(),
            task_queue: "bench".to_owned(),
            detect_foreign_wakes: true,
            restrictions: crate::workflow::Restrictions::none(),
            broken: Default::default(),
            failures: Default::default(),
            interceptors: Vec::new(),
        });
        Ok(Self {
            shards: Shards::start(&environment, threads, capacity)?,
            environment,
        })
    }

    /// One task's whole way through its shard; `None` when it did not finish.
    pub async fn task(&self, task: WorkflowTask) -> Option<Outcome> {
        let mut lease = self.shards.run(&task.run_id);
        match lease.begin(task).await {
            Step::Finished { outcome, .. } => {
                lease.keep();
                Some(*outcome)
            }
            Step::WholeHistory | Step::NextPage | Step::LocalActivities { .. } | Step::Failed(_) | Step::ThreadLost => {
                None
            }
        }
    }

    /// The same task on the caller's thread, without the shard around it.
    #[must_use]
    pub fn inline(&self, task: WorkflowTask) -> bool {
        WorkflowHost::start(&self.environment, task).is_ok_and(|mut host| host.drive().is_ok())
    }
}

/// One cached run on the caller's thread.
pub struct BenchRun(WorkflowHost);

impl BenchShards {
    /// A run, after its first task; `None` when that failed.
    #[must_use]
    pub fn start(&self, task: WorkflowTask) -> Option<BenchRun> {
        let mut host = WorkflowHost::start(&self.environment, task).ok()?;
        let _ = host.drive().ok()?;
        Some(BenchRun(host))
    }
}

impl BenchRun {
    /// Does the run's next task; whether it succeeded.
    pub fn task(&mut self, task: WorkflowTask) -> bool {
        self.0.handle_task(task).is_ok()
            && matches!(
                self.0.drive(),
                Ok(Drive::Finished {
                    outcome: Outcome::Completed(_),
                    ..
                })
            )
    }
}
