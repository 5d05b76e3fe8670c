//! How long does a publication take to its last watcher, on one shard?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fanfare_benches::{Graph, World, users_asked};

fn publish_to_last(c: &mut Criterion) {
    let users = users_asked();
    let mut world = World::signed_in(Graph::uniform(users));
    let mut group = c.benchmark_group("fan_out");
    group.throughput(Throughput::Elements(80));
    let mut publisher = 0;
    group.bench_function(format!("publish_to_last/{users}_users"), |b| {
        b.iter(|| {
            publisher = (publisher + 7_919) % users;
            world.publish(publisher);
            black_box(world.drain())
        });
    });
    // Many publications in one turn: the lines of watchers told several things are warm, and misses overlap.
    let batch = 256.min(users);
    group.throughput(Throughput::Elements(80 * batch));
    group.bench_function(format!("batch_of_{batch}/{users}_users"), |b| {
        b.iter(|| {
            for _ in 0..batch {
                publisher = (publisher + 7_919) % users;
                world.publish(publisher);
            }
            black_box(world.drain())
        });
    });
    group.finish();
}

criterion_group!(benches, publish_to_last);
criterion_main!(benches);
