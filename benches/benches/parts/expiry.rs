//! What does it cost when states expire, all at one moment: to end them, and to tell everybody?

use criterion::Criterion;
use fanfare_benches::{Graph, Question, Stage, Stopwatch, Tally};

use crate::ask::{all_shapes, ask, both_shapes, next_publishers};

/// States that end together.
const STATES: u64 = 256;

/// Whether those who watch are told under the watch.
struct Expire {
    to_last: bool,
}

impl Question for Expire {
    fn name(&self) -> String {
        if self.to_last { "to_last".into() } else { "at_home".into() }
    }

    fn elements(&self, graph: &Graph) -> u64 {
        let states = STATES.min(graph.presentities());
        if self.to_last { states * graph.watchers_mean() } else { states }
    }

    fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally {
        stage.offer_for_a_while(&next_publishers(&stage.graph(), round, STATES));
        let mut tally = stage.tell();
        tally += if self.to_last {
            watch.time(|| {
                stage.expire();
                stage.tell()
            })
        } else {
            watch.time(|| stage.expire());
            stage.tell()
        };
        tally
    }
}

pub(crate) fn expire(c: &mut Criterion) {
    ask(c, "expiry", &Expire { to_last: false }, &both_shapes());
    ask(c, "expiry", &Expire { to_last: true }, &all_shapes());
}
