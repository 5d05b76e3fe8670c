//! What does it cost to mark those who watch a presentity that has changed?
//!
//! Home and topic have taken the publication in before; drains come after. What is measured is the walk.

use criterion::Criterion;
use fanfare_benches::{Graph, Question, Stage, Stopwatch, Tally};

use crate::ask::{BATCH, all_shapes, ask, next_publishers};

struct Mark;

impl Question for Mark {
    fn name(&self) -> String {
        format!("walks_of_{BATCH}")
    }

    fn elements(&self, graph: &Graph) -> u64 {
        graph.watchers_mean() * BATCH.min(graph.presentities())
    }

    fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally {
        stage.offer(&next_publishers(&stage.graph(), round, BATCH));
        let mut tally = watch.time(|| stage.mark());
        tally += stage.tell();
        tally
    }
}

pub(crate) fn mark(c: &mut Criterion) {
    ask(c, "mark", &Mark, &all_shapes());
}
