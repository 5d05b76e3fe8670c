//! How fast do subscriptions come and go, in bulk?

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fanfare_benches::{Graph, World, users_asked};

fn sign_in(c: &mut Criterion) {
    let users = users_asked();
    let mut group = c.benchmark_group("subscribe");
    group.sample_size(10);
    group.throughput(Throughput::Elements(users * 80));
    group.bench_function(format!("bulk_of_80/{users}_users"), |b| {
        b.iter_batched_ref(
            || World::signed_out(Graph::uniform(users)),
            |world| {
                let mut count = 0;
                for user in 0..users {
                    count += world.subscribe(user);
                }
                black_box(count)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, sign_in);
criterion_main!(benches);
