//! What does it cost when some of all subscriptions are given up for others: 1 % of them, 10 % of them?
//!
//! Ended, made, and the first states told. Users change eight contacts each in two calls; every other round they change
//! back, so that the world stays the size that it was.

use criterion::Criterion;
use fanfare_benches::{Graph, Question, Stage, Stopwatch, Tally};

use crate::ask::{ask, both_shapes, next_users};

const CONTACTS: usize = 8;

/// So many in a hundred subscriptions.
struct Churn {
    percent: u64,
}

impl Churn {
    fn users(&self, graph: &Graph) -> u64 {
        (graph.subscriptions() * self.percent / 100 / CONTACTS as u64).clamp(1, graph.users())
    }
}

impl Question for Churn {
    fn name(&self) -> String {
        format!("of_{}_percent", self.percent)
    }

    fn elements(&self, graph: &Graph) -> u64 {
        self.users(graph) * CONTACTS as u64
    }

    fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally {
        let graph = stage.graph();
        let changes: Vec<(u64, Vec<u64>, Vec<u64>)> = next_users(&graph, round / 2, self.users(&graph))
            .map(|user| {
                let old: Vec<_> = graph.contacts_of(user).take(CONTACTS).collect();
                // The neighbours: about as popular, and for the most part not among the contacts.
                let new = old.iter().map(|contact| (contact + 1) % graph.presentities()).collect();
                if round.is_multiple_of(2) { (user, old, new) } else { (user, new, old) }
            })
            .collect();
        watch.time(|| {
            let mut changed = 0;
            for (user, old, new) in &changes {
                changed += stage.unsubscribe_from(*user, old);
                changed += stage.subscribe_to(*user, new);
            }
            let mut tally = Tally::of_changes(changed);
            tally += stage.tell();
            tally
        })
    }
}

pub(crate) fn churn(c: &mut Criterion) {
    for percent in [1, 10] {
        ask(c, "churn", &Churn { percent }, &both_shapes());
    }
}
