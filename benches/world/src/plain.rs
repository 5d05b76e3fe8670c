//! Presence by maps of sets: what must come out, obviously right and slow.

use std::collections::{HashMap, HashSet};

use crate::{Graph, Stage, Tally};

/// A world of maps and sets.
#[derive(Debug)]
pub struct Plain {
    graph: Graph,
    /// By presentity, who watches.
    watchers: HashMap<u64, HashSet<u64>>,
    /// By presentity, the number in its document.
    states: HashMap<u64, u64>,
    /// Whose state ends when time passes.
    fleeting: HashSet<u64>,
    /// Who has still to be told of whom.
    owed: HashSet<(u64, u64)>,
    /// Whose state is new since walks were made.
    changed: HashSet<u64>,
    serial: u64,
}

impl Plain {
    /// Nobody watches anybody yet.
    #[must_use]
    pub fn signed_out(graph: Graph) -> Self {
        Self {
            graph,
            watchers: HashMap::new(),
            states: HashMap::new(),
            fleeting: HashSet::new(),
            owed: HashSet::new(),
            changed: HashSet::new(),
            serial: 0,
        }
    }

    fn change(&mut self, presentity: u64) {
        self.changed.insert(presentity);
        let watchers = self.watchers.get(&presentity).into_iter().flatten();
        self.owed.extend(watchers.map(|&watcher| (watcher, presentity)));
    }
}

impl Stage for Plain {
    fn graph(&self) -> Graph {
        self.graph
    }

    fn offer(&mut self, presentities: &[u64]) {
        for &presentity in presentities {
            self.serial += 1;
            self.states.insert(presentity, self.serial);
            self.fleeting.remove(&presentity);
            self.change(presentity);
        }
    }

    fn offer_for_a_while(&mut self, presentities: &[u64]) {
        self.offer(presentities);
        self.fleeting.extend(presentities);
    }

    fn expire(&mut self) {
        for presentity in std::mem::take(&mut self.fleeting) {
            self.states.remove(&presentity);
            self.change(presentity);
        }
    }

    fn mark(&mut self) -> Tally {
        let audience = |presentity| self.watchers.get(&presentity).map_or(0, HashSet::len) as u64;
        let marked = std::mem::take(&mut self.changed).into_iter().map(audience).sum();
        Tally { marked, ..Tally::default() }
    }

    fn tell(&mut self) -> Tally {
        self.changed.clear();
        let mut tally = Tally::default();
        for (watcher, presentity) in std::mem::take(&mut self.owed) {
            tally.add_note(watcher, presentity, self.states.get(&presentity).copied().unwrap_or(0));
        }
        tally
    }

    fn subscribe_to(&mut self, user: u64, presentities: &[u64]) -> usize {
        let is_new = |presentity: &&u64| self.watchers.entry(**presentity).or_default().insert(user);
        let fresh: Vec<_> = presentities.iter().filter(is_new).map(|&presentity| (user, presentity)).collect();
        let count = fresh.len();
        self.owed.extend(fresh);
        count
    }

    fn unsubscribe_from(&mut self, user: u64, presentities: &[u64]) -> usize {
        let watched =
            |presentity: &&u64| self.watchers.get_mut(*presentity).is_some_and(|watchers| watchers.remove(&user));
        let ended: Vec<_> = presentities.iter().filter(watched).collect();
        for &&presentity in &ended {
            self.owed.remove(&(user, presentity));
        }
        ended.len()
    }
}
