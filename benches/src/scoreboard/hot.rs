//! What does somebody cost whom everybody watches, and who waits for it?

use std::time::Duration;

use fanfare::{PresentityId, Tick, View};
use fanfare_bench_world::{Graph, Stage, World};
use fanfare_core::{FloorOrder, FloorRoom};
use fanfare_rivals::median;

use super::cpu_time::cpu_time_of;

/// Who is watched by everybody, and who by a few.
const FAMOUS: u64 = 0;
const OTHER: u64 = 1;

/// The largest audience that has to be reached within two steps beside it (C9), and the least budget for which it does.
const FEW: u64 = 256;
const BUDGET: usize = 1_024;

/// Publish to the last watcher over the floor for the same list, and the steps until a small audience is marked while the
/// large one is walked.
#[must_use]
pub fn hot(watchers: u64, rounds: usize) -> (f64, f64) {
    let mut world = World::signed_in(Graph::hot(watchers));
    for user in 0..FEW.min(watchers) {
        world.subscribe_to(user, &[OTHER]);
    }
    world.publish_all(&[OTHER]);
    world.drain();

    let mut room = FloorRoom::default();
    let per_delivery = |time: Duration, deliveries: u64| time.as_secs_f64() / deliveries.max(1) as f64;
    let mut engine = Vec::new();
    let mut floors = [const { Vec::new() }; FloorOrder::ALL.len()];
    for _ in 0..rounds {
        let (time, (told, _)) = cpu_time_of(|| {
            world.publish_all(&[FAMOUS]);
            world.drain()
        });
        engine.push(per_delivery(time, told));
        for (order, floor) in FloorOrder::ALL.into_iter().zip(&mut floors) {
            let ids = [PresentityId::new(FAMOUS)];
            let (time, done) = cpu_time_of(|| world.shard.floor(&ids, View::PLAIN, order, &mut room));
            floor.push(per_delivery(time, done.deliveries));
        }
    }
    let middle = |all: &Vec<f64>| median(all.iter().copied());
    let fastest = floors.iter().min_by(|one, other| middle(one).total_cmp(&middle(other))).cloned().unwrap_or_default();
    let ratio = median(engine.iter().zip(&fastest).map(|(engine, floor)| engine / floor));
    (ratio, f64::from(steps_beside(&mut world)))
}

/// Steps from the arrival of a small audience's publication until all of it is told, with a large walk under way.
fn steps_beside(world: &mut World) -> u32 {
    world.offer(&[FAMOUS]);
    world.shard.step(Tick::ZERO, BUDGET);
    world.offer(&[OTHER]);
    let (mut steps, mut left) = (0, FEW.min(world.graph.users()));
    while left > 0 && steps < 1_000 {
        world.shard.step(Tick::ZERO, BUDGET);
        steps += 1;
        while let Some(mut outbox) = world.shard.next_outbox() {
            while let Some(note) = outbox.next() {
                left -= u64::from(note.presentity == PresentityId::new(OTHER));
            }
        }
    }
    world.drain();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_audience_does_not_wait_for_a_large_one() {
        let (ratio, steps) = hot(20_000, 1);
        assert!(ratio > 0.0);
        assert!((1.0..=2.0).contains(&steps), "{steps}");
    }
}
