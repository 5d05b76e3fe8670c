//! Marks in order of arrival, each once: what is marked twice has one place, so there are never more than there are things.

use alloc::collections::{BTreeSet, VecDeque};

/// Marks, oldest first.
#[derive(Debug)]
pub(crate) struct Marks<K> {
    queue: VecDeque<K>,
    marked: BTreeSet<K>,
}

impl<K> Default for Marks<K> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), marked: BTreeSet::new() }
    }
}

impl<K: Copy + Ord> Marks<K> {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.marked.contains(&key)
    }

    /// Leaves a mark, if there is none.
    pub(crate) fn push(&mut self, key: K) {
        if self.marked.insert(key) {
            self.queue.push_back(key);
        }
    }

    /// Takes the oldest mark.
    pub(crate) fn pop(&mut self) -> Option<K> {
        let key = self.queue.pop_front()?;
        self.marked.remove(&key);
        Some(key)
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.queue.capacity() * size_of::<K>() + self.marked.len() * 2 * size_of::<K>()) as u64
    }
}
