//! How runs are found.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::namespace::NamespaceId;
use super::run::Run;
use super::state::RunKey;
use super::time::Time;

/// Runs by workflow id, by run id, and newest start first.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The runs of each workflow id, oldest first; the last one is the current one.
    workflows: HashMap<(NamespaceId, Arc<str>), BTreeSet<RunKey>>,
    run_ids: HashMap<Uuid, RunKey>,
    by_start: BTreeSet<(NamespaceId, Reverse<Time>, Reverse<RunKey>)>,
}

impl Index {
    pub(super) fn insert(&mut self, run: &Run) {
        self.workflows
            .entry((run.namespace, run.workflow_id.clone()))
            .or_default()
            .insert(run.key);
        self.run_ids.insert(run.run_id, run.key);
        self.by_start
            .insert((run.namespace, Reverse(run.start_time), Reverse(run.key)));
    }

    pub(super) fn remove(&mut self, run: &Run) {
        let name = (run.namespace, run.workflow_id.clone());
        if let Some(runs) = self.workflows.get_mut(&name) {
            runs.remove(&run.key);
            if runs.is_empty() {
                self.workflows.remove(&name);
            }
        }
        self.run_ids.remove(&run.run_id);
        self.by_start
            .remove(&(run.namespace, Reverse(run.start_time), Reverse(run.key)));
    }

    /// The newest run of a workflow id.
    pub(super) fn current(&self, namespace: NamespaceId, workflow_id: &str) -> Option<RunKey> {
        self.workflows
            .get(&(namespace, Arc::from(workflow_id)))?
            .last()
            .copied()
    }

    pub(super) fn by_run_id(&self, run_id: Uuid) -> Option<RunKey> {
        self.run_ids.get(&run_id).copied()
    }

    /// The runs of a namespace, newest start first, behind the one given.
    pub(super) fn newest_first(
        &self,
        namespace: NamespaceId,
        after: Option<(Time, RunKey)>,
    ) -> impl Iterator<Item = RunKey> + '_ {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = match after {
            Some((start, key)) => Excluded((namespace, Reverse(start), Reverse(key))),
            None => std::ops::Bound::Included((namespace, Reverse(Time::MAX), Reverse(RunKey(u64::MAX)))),
        };
        self.by_start
            .range((from, Unbounded))
            .take_while(move |(owner, _, _)| *owner == namespace)
            .map(|(_, _, key)| key.0)
    }
}
