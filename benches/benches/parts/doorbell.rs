//! What does it cost to ring a shard's doorbell: one that is awake, several, one that sleeps?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{Criterion, Throughput};
use fanfare::mesh::doorbell::{Doorbell, Unpark, announce};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;

/// Counts who is woken.
#[derive(Default)]
struct Counted(AtomicU64);

impl Unpark for Counted {
    fn unpark(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Wakes as the engine's threads are woken: by a descriptor.
struct Descriptor(OwnedFd);

impl Unpark for Descriptor {
    fn unpark(&self) {
        rustix::io::write(&self.0, &1u64.to_ne_bytes()).expect("room for one");
    }
}

impl Descriptor {
    /// How often it was rung since the last look.
    fn taken(&self) -> u64 {
        let mut count = [0; 8];
        rustix::io::read(&self.0, &mut count).expect("somebody rang");
        u64::from_ne_bytes(count)
    }
}

pub(crate) fn ring_it(c: &mut Criterion) {
    let mut group = c.benchmark_group("doorbell");

    let counted = Arc::new(Counted::default());
    let bell = Doorbell::new(counted.clone());
    group.bench_function("awake", |b| b.iter(|| bell.ring()));
    assert_eq!(counted.0.load(Ordering::Relaxed), 0, "who is awake is left alone");

    // After a flush to seven others: one fence for all of them.
    let bells: Vec<_> = (0..7).map(|_| Doorbell::new(counted.clone())).collect();
    group.throughput(Throughput::Elements(7));
    group.bench_function("seven_awake", |b| {
        b.iter(|| {
            announce();
            bells.iter().filter(|bell| bell.ring_announced()).count()
        });
    });
    assert_eq!(counted.0.load(Ordering::Relaxed), 0, "who is awake is left alone");

    group.throughput(Throughput::Elements(1));
    let mut parked = 0;
    group.bench_function("asleep_protocol_alone", |b| {
        b.iter(|| {
            parked += 1;
            // The second ring finds the wake-up taken.
            bell.park(|| false, || assert!(bell.ring() && !bell.ring()))
        });
    });
    assert_eq!(counted.0.load(Ordering::Relaxed), parked, "each sleep is ended once");

    let descriptor = Arc::new(Descriptor(eventfd(0, EventfdFlags::NONBLOCK).expect("a descriptor")));
    let bell = Doorbell::new(descriptor.clone());
    group.bench_function("asleep_eventfd", |b| {
        b.iter(|| bell.park(|| false, || assert_eq!((bell.ring(), descriptor.taken()), (true, 1))));
    });
    group.finish();
}
