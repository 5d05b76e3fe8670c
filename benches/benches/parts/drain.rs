//! What does it cost to tell watchers what was marked: one note each, or several?

use criterion::Criterion;
use fanfare_benches::{Graph, Question, Stage, Stopwatch, Tally};

use crate::ask::{BATCH, all_shapes, ask, both_shapes, next_publishers};

/// After so many publications.
struct Drain(u64);

impl Question for Drain {
    fn name(&self) -> String {
        format!("after_{}", self.0)
    }

    fn elements(&self, graph: &Graph) -> u64 {
        graph.watchers_mean() * self.0.min(graph.presentities())
    }

    fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally {
        stage.offer(&next_publishers(&stage.graph(), round, self.0));
        stage.mark();
        watch.time(|| stage.tell())
    }
}

pub(crate) fn drain(c: &mut Criterion) {
    // In a large world these are one note for each of 1,280 watchers.
    ask(c, "drain", &Drain(BATCH), &all_shapes());
    // Up to ten thousand users: several notes for nearly every watcher, in lines that are warm from the first.
    ask(c, "drain", &Drain(256), &both_shapes());
}
