//! What does it cost to watch no more: one contact, or all in one call?

use criterion::Criterion;
use fanfare_benches::{Graph, Question, Stage, Stopwatch, Tally};

use crate::ask::{all_shapes, ask, both_shapes, next_users};

/// Users who call, each for so many of his contacts.
struct Unsubscribe {
    users: u64,
    contacts: usize,
}

impl Question for Unsubscribe {
    fn name(&self) -> String {
        match self.contacts {
            1 => "single".into(),
            _ => "roster".into(),
        }
    }

    fn elements(&self, graph: &Graph) -> u64 {
        self.users.min(graph.users()) * (self.contacts as u64).min(graph.contacts())
    }

    fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally {
        let graph = stage.graph();
        let calls: Vec<(u64, Vec<u64>)> = next_users(&graph, round, self.users)
            .map(|user| (user, graph.contacts_of(user).take(self.contacts).collect()))
            .collect();
        let ended = watch.time(|| calls.iter().map(|(user, contacts)| stage.unsubscribe_from(*user, contacts)).sum());
        let mut tally = Tally::of_changes(ended);
        // Whoever has left is told nothing more, though all of them change.
        let changed = &calls.first().expect("somebody left").1;
        for some in changed.chunks(16) {
            stage.offer(some);
        }
        tally += stage.tell();
        for (user, contacts) in &calls {
            stage.subscribe_to(*user, contacts);
        }
        tally += stage.tell();
        tally
    }
}

pub(crate) fn unsubscribe(c: &mut Criterion) {
    ask(c, "unsubscribe", &Unsubscribe { users: 64, contacts: 1 }, &all_shapes());
    ask(c, "unsubscribe", &Unsubscribe { users: 16, contacts: usize::MAX }, &both_shapes());
}
