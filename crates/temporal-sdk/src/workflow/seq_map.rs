//! A map of what is numbered in the order in which it comes up.

use std::collections::VecDeque;

/// Values by numbers that grow: in order, in one block, so that a run that waits for one thing holds little.
///
/// Adding the highest number costs the same at any size, and so does removing the lowest or the highest.
#[derive(Debug)]
pub(crate) struct SeqMap<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for SeqMap<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: Ord + Copy + Into<u64>, V> SeqMap<K, V> {
    /// Adds a value, or replaces the one with this number.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.0.is_empty() {
            // Most have one: no room for more before there are more.
            self.0.reserve_exact(1);
        }
        match self.find(key) {
            Ok(index) => self.0[index].1 = value,
            Err(index) => self.0.insert(index, (key, value)),
        }
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.find(key).ok().map(|index| &self.0[index].1)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.find(key).ok().map(|index| &mut self.0[index].1)
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let index = self.find(key).ok()?;
        let (_, value) = self.0.remove(index)?;
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
        Some(value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_iter().map(|(_, value)| value)
    }

    pub(crate) fn last_key(&self) -> Option<K> {
        self.0.back().map(|(key, _)| *key)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, key: K) -> Result<usize, usize> {
        match (self.0.front(), self.0.back()) {
            (_, Some((last, _))) if *last < key => Err(self.0.len()),
            (Some((first, _)), _) => {
                // Where it is if no number is missing before it.
                let guess = usize::try_from(key.into().saturating_sub((*first).into())).unwrap_or(usize::MAX);
                match self.0.get(guess) {
                    Some((found, _)) if *found == key => Ok(guess),
                    _ => self.0.binary_search_by_key(&key, |(key, _)| *key),
                }
            }
            (None, _) => Err(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SeqMap;

    #[test]
    fn keeps_the_order_of_numbers() {
        let mut map = SeqMap::<u32, _>::default();
        for (key, value) in [(1, "a"), (5, "c"), (3, "b"), (5, "d")] {
            map.insert(key, value);
        }
        assert_eq!(map.iter().collect::<Vec<_>>(), [(1, &"a"), (3, &"b"), (5, &"d")]);
        assert_eq!((map.get(3), map.get(4), map.last_key()), (Some(&"b"), None, Some(5)));
        assert_eq!((map.remove(3), map.remove(3)), (Some("b"), None));
        assert_eq!(map.into_values().collect::<Vec<_>>(), ["a", "d"]);
    }

    #[test]
    fn gives_room_back() {
        let mut map = SeqMap::<u32, _>::default();
        map.insert(0, 0);
        assert_eq!(map.0.capacity(), 1);
        for key in 1..1000 {
            map.insert(key, key);
        }
        for key in 0..1000 {
            assert_eq!(map.remove(key), Some(key));
        }
        assert!(map.is_empty() && map.0.capacity() < 8, "{} left", map.0.capacity());
    }
}
