//! What does it cost to pass messages from one shard to another: one at a time, or a turn's worth at once?
//!
//! One thread fills and empties, so that the figure is instructions and not the mood of two cores.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use crossbeam_queue::ArrayQueue;
use fanfare::mesh::ring::ring;

/// As large as a message between shards.
type Load = [u64; 9];

const BATCH: u64 = 64;

/// What a receiver has to find: the first word of every message.
fn checked(sum: u64) -> u64 {
    assert_eq!(sum, BATCH * (BATCH - 1) / 2, "each message came once");
    sum
}

pub(crate) fn pass_64(c: &mut Criterion) {
    let mut group = c.benchmark_group("link");
    group.throughput(Throughput::Elements(BATCH));

    let (mut sender, mut receiver) = ring::<Load>(1_024);
    group.bench_function("ours_flushed", |b| {
        b.iter(|| {
            let mut left = BATCH;
            sender.flush(|| {
                left = left.checked_sub(1)?;
                Some([left; 9])
            });
            let incoming = receiver.incoming().expect("the batch is there");
            checked(incoming.fold(0, |sum, load: Load| sum + black_box(load)[0]))
        });
    });

    let (mut sender, mut receiver) = rtrb::RingBuffer::<Load>::new(1_024);
    group.bench_function("rtrb_one_by_one", |b| {
        b.iter(|| {
            for left in 0..BATCH {
                sender.push([left; 9]).expect("room");
            }
            let incoming = std::iter::from_fn(|| receiver.pop().ok());
            checked(incoming.fold(0, |sum, load: Load| sum + black_box(load)[0]))
        });
    });

    let queue = ArrayQueue::<Load>::new(1_024);
    group.bench_function("array_queue", |b| {
        b.iter(|| {
            for left in 0..BATCH {
                queue.push([left; 9]).expect("room");
            }
            checked(std::iter::from_fn(|| queue.pop()).fold(0, |sum, load: Load| sum + black_box(load)[0]))
        });
    });

    let (sender, receiver) = std::sync::mpsc::sync_channel::<Load>(1_024);
    group.bench_function("std_sync_channel", |b| {
        b.iter(|| {
            for left in 0..BATCH {
                sender.try_send([left; 9]).expect("room");
            }
            checked(receiver.try_iter().fold(0, |sum, load: Load| sum + black_box(load)[0]))
        });
    });
    group.finish();
}
