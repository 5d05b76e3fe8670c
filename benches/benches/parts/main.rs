//! Benchmarks of the engine's parts, one file a question.
//!
//! ```text
//! FANFARE_USERS=100000 cargo bench -p fanfare-benches                # all of them
//! FANFARE_USERS=1000000 cargo bench -p fanfare-benches -- fan_out    # those whose name has that in it
//! FANFARE_USERS=200 cargo bench -p fanfare-benches -- --test         # once each, checked, not timed
//! ```
//!
//! Users have 80 contacts each, all equally popular (`uniform`) or some far more than most (`power_law`), or all watch one
//! presentity (`hot`). Ten million users take 20 GB and are for doing by hand, one question at a time.

mod ask;
mod churn;
mod doorbell;
mod drain;
mod expiry;
mod fan_out;
mod ingress;
mod link;
mod mark;
mod policy_move;
mod retire;
mod subscribe;
mod unsubscribe;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Less time than criterion takes by itself: to make a world takes longer than to measure it.
fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = parts;
    config = quick();
    targets = mark::mark, drain::drain, fan_out::publish_to_last, subscribe::subscribe, unsubscribe::unsubscribe,
        churn::churn, expiry::expire, policy_move::move_half, link::pass_64, doorbell::ring_it, ingress::through_the_door,
        retire::retire
}
criterion_main!(parts);
