//! How long does a publication take to its last watcher?

use criterion::Criterion;
use fanfare_benches::{Graph, Mesh, Question, Stage, Stopwatch, Tally};

use crate::ask::{all_shapes, ask, ask_of, both_shapes, next_publishers};

/// So many publications in one turn.
struct FanOut(u64);

impl Question for FanOut {
    fn name(&self) -> String {
        match self.0 {
            1 => "publish_to_last".into(),
            batch => format!("batch_of_{batch}"),
        }
    }

    fn elements(&self, graph: &Graph) -> u64 {
        graph.watchers_mean() * self.0.min(graph.presentities())
    }

    fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally {
        let publishers = next_publishers(&stage.graph(), round, self.0);
        watch.time(|| {
            stage.offer(&publishers);
            let mut tally = stage.mark();
            tally += stage.tell();
            tally
        })
    }
}

pub(crate) fn publish_to_last(c: &mut Criterion) {
    ask(c, "fan_out", &FanOut(1), &all_shapes());
    // Many publications in one turn: the lines of watchers told several things are warm, and misses overlap.
    ask(c, "fan_out", &FanOut(256), &both_shapes());
    // The same on two shards in one thread, their rings included: what topics on both of them cost. Their records lie on
    // the heap in small pages, which are slower than the engine's maps: not to be compared with the above.
    ask_of(c, "fan_out_on_2_shards", &FanOut(1), &all_shapes(), |graph| Mesh::signed_out(2, graph));
    ask_of(c, "fan_out_on_2_shards", &FanOut(256), &both_shapes(), |graph| Mesh::signed_out(2, graph));
}
