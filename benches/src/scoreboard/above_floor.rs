//! How much more than the unavoidable does a notification cost?
//!
//! Batches of 64 publications, the engine's and the floor's in turn. The floor makes the deliveries of other
//! presentities, so that it finds their lines as cold as the engine found its own; every order of the floor has its turn,
//! and the fastest is the floor.

use std::time::Duration;

use fanfare::{PresentityId, View};
use fanfare_bench_world::World;
use fanfare_core::{FloorOrder, FloorRoom};
use fanfare_rivals::median;

use super::cpu_time::cpu_time_of;

/// Publications between two drains.
pub(crate) const BATCH: u64 = 64;

/// What a notification costs in one world.
#[derive(Clone, Copy, Debug)]
pub struct AboveFloor {
    /// Nanoseconds a notification: the median of the rounds.
    pub engine_ns: f64,
    /// Nanoseconds a notification at the floor, in its fastest order.
    pub floor_ns: f64,
    /// The median of the rounds' ratios.
    pub ratio: f64,
}

/// Time spent on so many deliveries.
#[derive(Clone, Copy, Default)]
struct Spent {
    time: Duration,
    deliveries: u64,
}

impl Spent {
    fn add(&mut self, time: Duration, deliveries: u64) {
        self.time += time;
        self.deliveries += deliveries;
    }

    fn ns_each(&self) -> f64 {
        self.time.as_secs_f64() * 1e9 / (self.deliveries.max(1) as f64)
    }
}

/// Measures a world that is at rest, in so many rounds of so many batches.
pub fn above_floor(world: &mut World, rounds: usize, batches: usize) -> AboveFloor {
    let mut order = Order { presentities: world.graph.presentities(), next: 1 };
    let mut room = FloorRoom::default();
    let mut engine = Vec::with_capacity(rounds);
    let mut floors = [const { Vec::new() }; FloorOrder::ALL.len()];
    for _ in 0..rounds {
        let (mut spent, mut at_floor) = (Spent::default(), [Spent::default(); FloorOrder::ALL.len()]);
        for batch in 0..batches {
            let publishers = order.batch();
            let (time, (told, _)) = cpu_time_of(|| {
                world.publish_all(&publishers);
                world.drain()
            });
            spent.add(time, told);
            let which = batch % FloorOrder::ALL.len();
            let ids: Vec<_> = order.batch().into_iter().map(PresentityId::new).collect();
            let (time, done) = cpu_time_of(|| world.shard.floor(&ids, View::PLAIN, FloorOrder::ALL[which], &mut room));
            at_floor[which].add(time, done.deliveries);
        }
        engine.push(spent.ns_each());
        floors.iter_mut().zip(at_floor).for_each(|(floor, spent)| floor.push(spent.ns_each()));
    }
    let of_order = |floor: &Vec<f64>| median(floor.iter().copied());
    let fastest = floors.iter().min_by(|one, other| of_order(one).total_cmp(&of_order(other)));
    let floor = fastest.cloned().unwrap_or_default();
    AboveFloor {
        engine_ns: of_order(&engine),
        floor_ns: of_order(&floor),
        ratio: median(engine.iter().zip(&floor).map(|(engine, floor)| engine / floor)),
    }
}

/// Presentities in an order that leaves none out and shows no cache a pattern.
pub(crate) struct Order {
    pub(crate) presentities: u64,
    pub(crate) next: u64,
}

impl Order {
    /// Presentities that are all different.
    pub(crate) fn batch(&mut self) -> Vec<u64> {
        // A step near the golden section of the whole, odd and so, for the sizes asked for, without a common divisor.
        let step = (self.presentities as f64 * 0.618) as u64 | 1;
        let batch = (0..BATCH.min(self.presentities)).map(|nth| (self.next + nth * step) % self.presentities);
        let batch: Vec<u64> = batch.collect();
        self.next = (self.next + BATCH * step + 1) % self.presentities;
        batch
    }
}

#[cfg(test)]
mod tests {
    use fanfare_bench_world::Graph;

    use super::*;

    #[test]
    fn every_order_of_the_floor_reaches_all_subscriptions_and_leaves_the_shard_as_it_was() {
        let mut world = World::signed_in(Graph::uniform(300));
        let ids: Vec<_> = (0..64).map(PresentityId::new).collect();
        let mut room = FloorRoom::default();
        let done = FloorOrder::ALL.map(|order| world.shard.floor(&ids, View::PLAIN, order, &mut room));
        assert!(done.iter().all(|one| *one == done[0]), "{done:?}");
        world.shard.verify().expect("it is as it was");
        let publishers: Vec<u64> = (0..64).collect();
        world.publish_all(&publishers);
        assert_eq!(world.drain().0, done[0].deliveries, "the floor makes the deliveries that the engine makes");
    }

    #[test]
    fn a_batch_is_of_different_presentities() {
        for presentities in [64, 1_000, 10_000, 100_000, 1_000_000] {
            let mut order = Order { presentities, next: 1 };
            for _ in 0..50 {
                let mut batch = order.batch();
                batch.sort_unstable();
                batch.dedup();
                assert_eq!(batch.len() as u64, BATCH);
            }
        }
    }
}
