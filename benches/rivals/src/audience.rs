//! The graph turned round: who watches each presentity.
//!
//! Made once, before anything is timed, and shared by the model and by those contenders that keep such a list. Dense:
//! one array of offsets and one of watchers, four bytes a subscription, so that reading a row is a straight run.

use fanfare_bench_world::Graph;

use crate::error::RivalError;

/// Who watches whom, by presentity.
#[derive(Debug)]
pub struct Audience {
    graph: Graph,
    rows: Rows,
}

/// Where each subscription's receiver stands: its watcher's receivers lie side by side, in the order of its contacts.
///
/// For contenders that have a receiver for each subscription. The place divided by the contacts is the watcher.
#[derive(Debug)]
pub(crate) struct Places {
    contacts: u32,
    rows: Rows,
}

/// One row of numbers for each presentity, all in one array.
#[derive(Debug)]
struct Rows {
    from: Vec<u32>,
    entries: Vec<u32>,
}

impl Audience {
    /// Turns the graph round: two walks over it.
    ///
    /// # Errors
    /// If there are no subscriptions, or more than 32 bits can number.
    pub fn of_graph(graph: Graph) -> Result<Self, RivalError> {
        let (subscriptions, max) = (graph.subscriptions(), u64::from(u32::MAX));
        if subscriptions == 0 {
            return Err(RivalError::Nothing { what: "the number of users or of contacts" });
        }
        if subscriptions > max {
            return Err(RivalError::TooManySubscriptions { subscriptions, max });
        }
        Ok(Self { graph, rows: Rows::filled(&graph, |user, _| user) })
    }

    /// What it was made of.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The watchers of a presentity, rising.
    #[must_use]
    #[inline]
    pub fn of(&self, presentity: u32) -> &[u32] {
        self.rows.of(presentity)
    }

    /// Each user's contacts, one user after the other, with the place of the subscription.
    pub(crate) fn places(&self) -> Places {
        let contacts = self.graph.contacts() as u32;
        Places { contacts, rows: Rows::filled(&self.graph, |user, nth| user * contacts + nth) }
    }
}

impl Places {
    /// The places of a presentity's receivers, rising.
    #[inline]
    pub(crate) fn of(&self, presentity: u32) -> &[u32] {
        self.rows.of(presentity)
    }

    /// Whose receiver stands at a place.
    #[inline]
    pub(crate) fn watcher(&self, place: u32) -> u32 {
        place / self.contacts
    }
}

impl Rows {
    /// Counts each row, then fills it: no row is ever moved.
    fn filled(graph: &Graph, entry: impl Fn(u32, u32) -> u32) -> Self {
        let users = graph.users();
        let mut from = vec![0u32; users as usize + 1];
        for contact in (0..users).flat_map(|user| graph.contacts_of(user)) {
            from[contact as usize + 1] += 1;
        }
        for presentity in 0..users as usize {
            from[presentity + 1] += from[presentity];
        }
        let mut next = from.clone();
        let mut entries = vec![0u32; graph.subscriptions() as usize];
        for user in 0..users {
            for (nth, contact) in graph.contacts_of(user).enumerate() {
                let place = &mut next[contact as usize];
                entries[*place as usize] = entry(user as u32, nth as u32);
                *place += 1;
            }
        }
        Self { from, entries }
    }

    #[inline]
    fn of(&self, presentity: u32) -> &[u32] {
        let row = presentity as usize;
        &self.entries[self.from[row] as usize..self.from[row + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use fanfare_bench_world::Shape;

    use super::*;

    #[test]
    fn who_watches_stands_in_the_rows_of_whom_it_watches() {
        let graph = Graph::new(300, 12, Shape::PowerLaw);
        let audience = Audience::of_graph(graph).expect("it fits");
        let places = audience.places();
        for presentity in 0..300 {
            let watchers: Vec<_> =
                (0..300).filter(|&user| graph.contacts_of(user).any(|it| it == u64::from(presentity))).collect();
            let row: Vec<_> = audience.of(presentity).iter().copied().map(u64::from).collect();
            assert_eq!(row, watchers);
            let by_place: Vec<_> = places.of(presentity).iter().map(|&at| u64::from(places.watcher(at))).collect();
            assert_eq!(by_place, watchers);
        }
    }

    #[test]
    fn nobody_and_too_many_are_refused() {
        let refused = |graph| Audience::of_graph(graph).map(|_| ()).expect_err("refused");
        assert!(matches!(refused(Graph::uniform(0)), RivalError::Nothing { .. }));
        assert!(matches!(refused(Graph::uniform(1 << 40)), RivalError::TooManySubscriptions { .. }));
    }
}
