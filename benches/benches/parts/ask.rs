//! Asks a question of the engine, times it, and has the answer checked.

use criterion::{Criterion, Throughput};
use fanfare_benches::{Graph, Question, ROUNDS_CHECKED, Stage, Stopwatch, Tally, World, check, users_asked};

/// Publishers of one turn that are marked or told together.
pub(crate) const BATCH: u64 = 16;

/// Presentities that are next to publish: far from each other, so that none is warm from the last time.
pub(crate) fn next_publishers(graph: &Graph, round: u64, batch: u64) -> Vec<u64> {
    let batch = batch.min(graph.presentities());
    (round * batch..(round + 1) * batch).map(|nth| nth * 7_919 % graph.presentities()).collect()
}

/// Users that are next to change what they watch; each once.
pub(crate) fn next_users(graph: &Graph, round: u64, batch: u64) -> impl Iterator<Item = u64> + use<> {
    let (users, batch) = (graph.users(), batch.min(graph.users()));
    (round * batch..(round + 1) * batch).map(move |nth| nth * 7_919 % users)
}

/// The graph in which all presentities are alike, and the one in which they are not.
pub(crate) fn both_shapes() -> [Graph; 2] {
    [Graph::uniform(users_asked()), Graph::power_law(users_asked())]
}

/// Both, and the one in which everybody watches the same.
pub(crate) fn all_shapes() -> [Graph; 3] {
    let [uniform, power_law] = both_shapes();
    [uniform, power_law, Graph::hot(users_asked())]
}

/// Asks it of one shard.
pub(crate) fn ask(c: &mut Criterion, group: &str, question: &impl Question, graphs: &[Graph]) {
    ask_of(c, group, question, graphs, World::signed_out);
}

/// Asks it of the worlds that `make` makes, which are made only if the question is among those that were named.
pub(crate) fn ask_of<S: Stage>(
    c: &mut Criterion,
    group: &str,
    question: &impl Question,
    graphs: &[Graph],
    make: impl Fn(Graph) -> S,
) {
    let mut group = c.benchmark_group(group);
    for &graph in graphs {
        let (mut stage, mut rounds, mut tally) = (None, 0, Tally::default());
        group.throughput(Throughput::Elements(question.elements(&graph).max(1)));
        group.bench_function(format!("{}/{}/{}_users", question.name(), graph.name(), graph.users()), |b| {
            let stage = stage.get_or_insert_with(|| {
                let mut stage = make(graph);
                question.prepare(&mut stage);
                stage
            });
            b.iter_custom(|iterations| {
                let mut watch = Stopwatch::default();
                for _ in 0..iterations {
                    let done = question.round(stage, rounds, &mut watch);
                    if rounds < ROUNDS_CHECKED {
                        tally += done;
                    }
                    rounds += 1;
                }
                watch.elapsed()
            });
        });
        drop(stage);
        if rounds > 0 {
            check(question, graph, rounds, tally);
        }
    }
    group.finish();
}
