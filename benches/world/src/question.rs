//! What a benchmark asks, and how its answer is checked.

use crate::{Graph, Plain, Stage, Stopwatch, Tally};

/// Rounds of a measurement whose tally is compared with the plain world's.
pub const ROUNDS_CHECKED: u64 = 3;

/// Users up to whom it is compared: the plain world takes a second for ten thousand.
const USERS_CHECKED_MAX: u64 = 20_000;

/// A piece of work that can be repeated: the same for the engine, where it is timed, and for the plain world.
pub trait Question {
    /// What it is called, after its file's name.
    fn name(&self) -> String;

    /// Pieces of work in a round, in the mean: notes, subscriptions.
    fn elements(&self, graph: &Graph) -> u64;

    /// What has to be there before the first round.
    fn prepare(&self, stage: &mut impl Stage) {
        stage.sign_in();
    }

    /// One round. What is to be measured is done under the watch.
    fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally;
}

/// Compares what the engine did in the first of its rounds with what the plain world does in them. Of larger worlds it
/// only asks that they did something.
///
/// # Panics
/// If it is not the same, or nothing.
pub fn check(question: &impl Question, graph: Graph, rounds: u64, tally: Tally) {
    let name = question.name();
    assert!(rounds > 0 && tally != Tally::default(), "{name}: nothing was done in {rounds} rounds");
    if graph.users() > USERS_CHECKED_MAX {
        return;
    }
    let mut plain = Plain::signed_out(graph);
    question.prepare(&mut plain);
    let (mut expected, mut watch) = (Tally::default(), Stopwatch::default());
    for round in 0..rounds.min(ROUNDS_CHECKED) {
        expected += question.round(&mut plain, round, &mut watch);
    }
    assert_eq!(tally, expected, "{name} among {} {} users: the engine, and maps of sets", graph.users(), graph.name());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;

    struct PublishAndTell;

    impl Question for PublishAndTell {
        fn name(&self) -> String {
            "publish_and_tell".into()
        }

        fn elements(&self, graph: &Graph) -> u64 {
            graph.watchers_mean()
        }

        fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally {
            stage.offer(&[round % stage.graph().presentities()]);
            watch.time(|| stage.tell())
        }
    }

    fn told_by_the_engine(rounds: u64) -> Tally {
        let mut world = World::signed_out(Graph::uniform(50));
        PublishAndTell.prepare(&mut world);
        let mut tally = Tally::default();
        (0..rounds).for_each(|round| tally += PublishAndTell.round(&mut world, round, &mut Stopwatch::default()));
        tally
    }

    #[test]
    fn the_engine_does_what_maps_of_sets_do() {
        check(&PublishAndTell, Graph::uniform(50), 2, told_by_the_engine(2));
    }

    #[test]
    #[should_panic(expected = "nothing was done")]
    fn a_benchmark_that_measures_nothing_fails() {
        check(&PublishAndTell, Graph::uniform(50), 2, Tally::default());
    }

    #[test]
    #[should_panic(expected = "the engine, and maps of sets")]
    fn a_benchmark_that_measures_too_little_fails() {
        check(&PublishAndTell, Graph::uniform(50), 2, told_by_the_engine(1));
    }
}
