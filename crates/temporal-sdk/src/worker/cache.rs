//! Which runs a shard keeps.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Values by run id, of which the least recently used idle ones give way.
///
/// A run in use is never given up, so the cache may hold more than its capacity for as long as those tasks take.
#[derive(Debug)]
pub(super) struct Cache<T> {
    /// Boxed, since a hash table keeps room for about half as many again.
    entries: HashMap<Arc<str>, Box<Entry<T>>>,
    /// The idle runs, the one idle for longest first.
    idle: BTreeMap<u64, Arc<str>>,
    clock: u64,
    capacity: usize,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    idle_since: Option<u64>,
}

impl<T> Cache<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            idle: BTreeMap::new(),
            clock: 0,
            capacity,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get_mut(&mut self, run_id: &str) -> Option<&mut T> {
        self.entries.get_mut(run_id).map(|entry| &mut entry.value)
    }

    /// The run's value, in use from now on; made if there is none.
    pub(super) fn take_up(&mut self, run_id: &Arc<str>, make: impl FnOnce() -> T) -> &mut T {
        let entry = self.entries.entry(Arc::clone(run_id)).or_insert_with(|| {
            Box::new(Entry {
                value: make(),
                idle_since: None,
            })
        });
        if let Some(tick) = entry.idle_since.take() {
            self.idle.remove(&tick);
        }
        &mut entry.value
    }

    /// The run is not in use any more. Gives what has to go.
    #[must_use]
    pub(super) fn lay_down(&mut self, run_id: &Arc<str>) -> Vec<T> {
        if let Some(entry) = self.entries.get_mut(run_id)
            && entry.idle_since.is_none()
        {
            self.clock += 1;
            entry.idle_since = Some(self.clock);
            self.idle.insert(self.clock, Arc::clone(run_id));
        }
        let mut evicted = Vec::new();
        while self.entries.len() > self.capacity {
            let Some((_, oldest)) = self.idle.pop_first() else {
                break;
            };
            evicted.extend(self.entries.remove(&oldest).map(|entry| entry.value));
        }
        evicted
    }

    /// Gives the run up.
    pub(super) fn remove(&mut self, run_id: &str) -> Option<T> {
        let entry = self.entries.remove(run_id)?;
        if let Some(tick) = entry.idle_since {
            self.idle.remove(&tick);
        }
        Some(entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;
    use std::sync::Arc;

    fn lay_down(cache: &mut Cache<u32>, run_id: &str) -> Vec<u32> {
        cache.lay_down(&Arc::from(run_id))
    }

    fn take_up(cache: &mut Cache<u32>, run_id: &str, value: u32) {
        cache.take_up(&Arc::from(run_id), || value);
    }

    #[test]
    fn gives_up_the_least_recently_used_idle_run() {
        let mut cache = Cache::new(2);
        for (run_id, value) in [("a", 1), ("b", 2)] {
            take_up(&mut cache, run_id, value);
            assert!(lay_down(&mut cache, run_id).is_empty());
        }
        take_up(&mut cache, "a", 9);
        assert!(lay_down(&mut cache, "a").is_empty());
        take_up(&mut cache, "c", 3);
        assert_eq!(lay_down(&mut cache, "c"), [2]);
        assert_eq!(cache.get_mut("a"), Some(&mut 1));
        assert_eq!(cache.get_mut("b"), None);
    }

    #[test]
    fn never_gives_up_a_run_in_use() {
        let mut cache = Cache::new(1);
        take_up(&mut cache, "a", 1);
        take_up(&mut cache, "b", 2);
        assert_eq!(lay_down(&mut cache, "b"), [2]);
        assert_eq!(cache.get_mut("a"), Some(&mut 1));
        assert!(lay_down(&mut cache, "a").is_empty());
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn keeps_nothing_idle_with_capacity_zero() {
        let mut cache = Cache::new(0);
        take_up(&mut cache, "a", 1);
        assert_eq!(lay_down(&mut cache, "a"), [1]);
        assert_eq!(cache.remove("a"), None);
        assert_eq!(cache.len(), 0);
    }
}
