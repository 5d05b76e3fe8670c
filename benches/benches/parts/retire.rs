//! Where should a document be freed: by whichever core drops it last, or by the core that made it?
//!
//! Two threads: one makes documents as a home does, one holds each until the next comes, as a topic does. Measured is
//! the maker's and the holder's time together for 4,096 documents of 200 bytes.

use std::thread;

use criterion::{Criterion, Throughput};
use fanfare::mesh::ring::{Receiver, Sender, ring};
use triomphe::ThinArc;

type Document = ThinArc<u32, u8>;

const DOCUMENTS: u64 = 4_096;

/// Makes documents that begin with a number, from the last down to 0.
fn made(sender: &mut Sender<Document>, mut take_back: impl FnMut()) {
    let body = [7u8; 200];
    let mut left = DOCUMENTS;
    while left > 0 {
        sender.flush(|| {
            left = left.checked_sub(1)?;
            Some(Document::from_header_and_slice(left as u32, &body))
        });
        take_back();
    }
}

fn held(receiver: &mut Receiver<Document>, mut let_go: impl FnMut(Document)) {
    let mut left = DOCUMENTS;
    let mut sum = 0;
    while left > 0 {
        for document in receiver.incoming().into_iter().flatten() {
            left -= 1;
            sum += u64::from(document.header.header);
            let_go(document);
        }
        std::hint::spin_loop();
    }
    assert_eq!(sum, DOCUMENTS * (DOCUMENTS - 1) / 2, "each document came once");
}

pub(crate) fn retire(c: &mut Criterion) {
    let mut group = c.benchmark_group("retire");
    group.throughput(Throughput::Elements(DOCUMENTS));
    group.sample_size(20);
    group.bench_function("freed_by_the_holder", |b| {
        b.iter(|| {
            let (mut sender, mut receiver) = ring(256);
            thread::scope(|scope| {
                scope.spawn(move || held(&mut receiver, drop));
                made(&mut sender, || ());
            });
        });
    });
    group.bench_function("handed_back_to_the_maker", |b| {
        b.iter(|| {
            let (mut sender, mut receiver) = ring(256);
            let (mut home, mut returns) = ring(256);
            thread::scope(|scope| {
                scope.spawn(move || {
                    held(&mut receiver, |document| {
                        let mut document = Some(document);
                        while document.is_some() {
                            home.flush(|| document.take());
                        }
                    });
                });
                let take_back = || returns.incoming().into_iter().flatten().for_each(drop);
                made(&mut sender, take_back);
            });
        });
    });
    group.finish();
}
