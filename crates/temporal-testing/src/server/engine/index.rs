//! How runs are found.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use uuid::Uuid;

use super::super::visibility::Position;
use super::namespace::NamespaceId;
use super::run::Run;
use super::state::RunKey;
use super::time::Time;

/// The place of a run in lists: open ones first, then the last to close; newest start first among them.
type Row = (NamespaceId, Reverse<Time>, Reverse<Time>, Uuid);

/// Runs by workflow id, by run id, and in the order of lists.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The runs of each workflow id, oldest first; the last one is the current one.
    workflows: HashMap<(NamespaceId, Arc<str>), Vec<RunKey>>,
    run_ids: HashMap<Uuid, RunKey>,
    rows: BTreeSet<(Row, RunKey)>,
}

fn row(run: &Run, close_time: Option<Time>) -> (Row, RunKey) {
    let place = (
        run.namespace,
        Reverse(close_time.unwrap_or(Time::MAX)),
        Reverse(run.start_time),
        run.run_id,
    );
    (place, run.key)
}

impl Index {
    pub(super) fn insert(&mut self, run: &Run) {
        let runs = self
            .workflows
            .entry((run.namespace, run.workflow_id.clone()))
            .or_insert_with(|| Vec::with_capacity(1));
        if let Err(place) = runs.binary_search(&run.key) {
            runs.insert(place, run.key);
        }
        self.run_ids.insert(run.run_id, run.key);
        self.rows.insert(row(run, run.close_time));
    }

    /// A run closed: it stands elsewhere in lists.
    pub(super) fn closed(&mut self, run: &Run) {
        if self.rows.remove(&row(run, None)) {
            self.rows.insert(row(run, run.close_time));
        }
    }

    pub(super) fn remove(&mut self, run: &Run) {
        let name = (run.namespace, run.workflow_id.clone());
        if let Some(runs) = self.workflows.get_mut(&name) {
            if let Ok(place) = runs.binary_search(&run.key) {
                runs.remove(place);
            }
            if runs.is_empty() {
                self.workflows.remove(&name);
            }
        }
        self.run_ids.remove(&run.run_id);
        self.rows.remove(&row(run, run.close_time));
        self.rows.remove(&row(run, None));
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

    /// The runs of a namespace in the order of lists, behind a position.
    pub(super) fn in_list_order(
        &self,
        namespace: NamespaceId,
        after: Option<&Position>,
    ) -> impl Iterator<Item = RunKey> + '_ {
        let from = match after {
            Some(after) => {
                let close = after.close_time.map_or(Time::MAX, Time::from_nanos);
                let start = Reverse(Time::from_nanos(after.start_time));
                let run_id = Uuid::try_parse(&after.run_id).unwrap_or_default();
                Bound::Excluded(((namespace, Reverse(close), start, run_id), RunKey(u64::MAX)))
            }
            None => Bound::Included((
                (namespace, Reverse(Time::MAX), Reverse(Time::MAX), Uuid::nil()),
                RunKey(0),
            )),
        };
        self.rows
            .range((from, Bound::Unbounded))
            .take_while(move |((owner, ..), _)| *owner == namespace)
            .map(|(_, key)| *key)
    }
}
