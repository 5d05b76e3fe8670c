//! What does it cost to apply a policy that moves half of a presentity's watchers to another view?
//!
//! One shard; from the call to its answer, without the notes that come of it. `examples/policy.rs` has the time that an
//! embedder sees, on several shards.

use criterion::{Criterion, Throughput};
use fanfare_benches::{Crowd, ROUNDS_CHECKED, Stopwatch, users_asked};

pub(crate) fn move_half(c: &mut Criterion) {
    let mut group = c.benchmark_group("policy_move");
    for watchers in [80, users_asked()] {
        group.throughput(Throughput::Elements(watchers));
        let (mut crowd, mut rounds) = (None, 0);
        group.bench_function(format!("half_of/{watchers}_watchers"), |b| {
            let crowd = crowd.get_or_insert_with(|| Crowd::of(watchers));
            b.iter_custom(|iterations| {
                let mut watch = Stopwatch::default();
                for _ in 0..iterations {
                    watch.time(|| crowd.turn_round());
                    let told = crowd.tell();
                    rounds += 1;
                    assert!(told.notes > 0);
                    if rounds <= ROUNDS_CHECKED {
                        assert_eq!(told, crowd.expected(), "who was moved is told, and nobody else");
                    }
                }
                watch.elapsed()
            });
        });
    }
    group.finish();
}
