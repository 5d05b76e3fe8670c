//! What does a command cost on its way through the door for foreign threads: into an idle one, and at a full one?
//!
//! One thread pushes and pops, as in the benchmark of links; what two threads cost each other is measured by
//! `examples/foreign.rs`.

use std::sync::Arc;

use criterion::{Criterion, Throughput};
use fanfare::mesh::doorbell::{Doorbell, Unpark};
use fanfare::mesh::ingress::{Ingress, NotTaken};

const BATCH: u64 = 64;

/// The shard is awake: nobody is woken.
struct Awake;

impl Unpark for Awake {
    fn unpark(&self) {
        panic!("nobody sleeps");
    }
}

pub(crate) fn through_the_door(c: &mut Criterion) {
    let mut group = c.benchmark_group("ingress");
    group.throughput(Throughput::Elements(BATCH));
    let door = Ingress::<Box<u64>>::new(BATCH as usize, Arc::new(Doorbell::new(Arc::new(Awake))));
    group.bench_function("push_64_and_pop", |b| {
        b.iter(|| {
            // A box each, for what the engine puts in comes from an allocator, too.
            (0..BATCH).for_each(|nth| door.push(Box::new(nth)).expect("room"));
            let sum: u64 = std::iter::from_fn(|| door.pop()).map(|nth| *nth).sum();
            assert_eq!(sum, BATCH * (BATCH - 1) / 2);
            sum
        });
    });

    let full = Ingress::<u64>::new(BATCH as usize, Arc::new(Doorbell::new(Arc::new(Awake))));
    (0..BATCH).for_each(|nth| full.push(nth).expect("room"));
    group.throughput(Throughput::Elements(1));
    group.bench_function("refused", |b| b.iter(|| assert_eq!(full.push(0), Err(NotTaken::Full))));
    assert!((0..BATCH).eq(std::iter::from_fn(|| full.pop())), "what was refused is not in, and what was in still is");
    group.finish();
}
