//! Several contenders on one graph, taking turns.
//!
//! They alternate round by round (A B C A B C), so that the machine's moods meet all of them. Where they do not fit into
//! memory together, they are built in groups that do, one group after the other; who is in which group is told.

use std::rc::Rc;
use std::time::Duration;

use fanfare_bench_world::{Graph, Shape};

use crate::audience::Audience;
use crate::contenders::{BYTES_MAX, Contender, audience_bytes, named};
use crate::error::RivalError;
use crate::measured::{Budget, Measured, Sample, median, run};
use crate::publishing::Publishing;
use crate::rival::{Class, Rival};

/// The seed of the publishing order, if nothing else is said.
pub const SEED: u64 = 1;

/// Publications between two drains, if nothing else is said.
pub const BATCH: usize = 64;

/// What is to be compared, on what, for how long.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Who watches whom.
    pub graph: Graph,
    /// What each contender does in each round.
    pub budget: Budget,
    /// How often each has its turn.
    pub rounds: usize,
    /// Publications between two drains.
    pub batch: usize,
    /// What the publishing order is drawn from.
    pub seed: u64,
}

/// How far a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A contender is being built.
    Building(&'static str),
    /// A contender has its turn, in this round, counted from 0.
    Turn(&'static str, usize),
}

/// A contender that is there, and where in the sequence of publications it is.
struct Entrant {
    rival: Box<dyn Rival>,
    publishing: Publishing,
    samples: Vec<Sample>,
}

/// Measures contenders by name: 80 contacts each, batches of 64.
///
/// # Errors
/// If a name is unknown, somebody does not fit or cannot run here, or tells something that is not so.
pub fn measure(
    names: &[&str],
    users: u64,
    shape: Shape,
    seconds_each: f64,
    rounds: usize,
) -> Result<Vec<Measured>, RivalError> {
    let contenders = names.iter().map(|name| named(name)).collect::<Result<Vec<_>, _>>()?;
    let budget = Budget::Time(Duration::try_from_secs_f64(seconds_each).unwrap_or_default());
    let comparison = Comparison { graph: Graph::new(users, 80, shape), budget, rounds, batch: BATCH, seed: SEED };
    comparison.measure(&contenders, &mut |_| {})
}

impl Comparison {
    /// Measures these contenders, and says how far it is.
    ///
    /// # Errors
    /// If somebody does not fit or cannot run here, or tells something that is not so.
    pub fn measure(
        &self,
        contenders: &[&Contender],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Measured>, RivalError> {
        for (amount, what) in [(self.rounds, "the number of rounds"), (self.batch, "the size of a batch")] {
            if amount == 0 {
                return Err(RivalError::Nothing { what });
            }
        }
        contenders.iter().try_for_each(|contender| contender.fits(&self.graph))?;
        let audience = Rc::new(Audience::of_graph(self.graph)?);
        let mut measured = Vec::new();
        for (nth, group) in self.groups(contenders).iter().enumerate() {
            measured.extend(self.take_turns(nth, group, &audience, progress)?);
        }
        Ok(measured)
    }

    /// Contenders in their order, cut where the next would not fit beside the others.
    fn groups<'a>(&self, contenders: &[&'a Contender]) -> Vec<Vec<&'a Contender>> {
        let room = BYTES_MAX.saturating_sub(audience_bytes(&self.graph));
        let (mut groups, mut bytes) = (vec![Vec::new()], 0u64);
        for &contender in contenders {
            let weight = contender.bytes(&self.graph);
            if bytes.saturating_add(weight) > room {
                groups.push(Vec::new());
                bytes = 0;
            }
            bytes += weight;
            if let Some(group) = groups.last_mut() {
                group.push(contender);
            }
        }
        groups
    }

    fn take_turns(
        &self,
        turn_group: usize,
        group: &[&Contender],
        audience: &Rc<Audience>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Measured>, RivalError> {
        let users = self.graph.users();
        // Numbered by 32 bits: the audience was made, so there are no more subscriptions than that.
        let order = Publishing::drawn(users as u32, self.batch, self.seed);
        let mut entrants = Vec::with_capacity(group.len());
        for contender in group {
            progress(Progress::Building(contender.name));
            let mut rival = contender.build(audience)?;
            let mut publishing = order.clone();
            // One lap or so untimed: queues get their memory, pages their frames.
            let warm = Budget::Batches((users / self.batch as u64).clamp(1, 200));
            run(&mut *rival, audience, &mut publishing, warm)?;
            entrants.push(Entrant { rival, publishing, samples: Vec::with_capacity(self.rounds) });
        }
        for round in 0..self.rounds {
            for entrant in &mut entrants {
                progress(Progress::Turn(entrant.rival.name(), round));
                let sample = run(&mut *entrant.rival, audience, &mut entrant.publishing, self.budget)?;
                entrant.samples.push(sample);
            }
        }
        let per_s = |entrant: &Entrant| entrant.samples.iter().map(Sample::per_s).collect::<Vec<_>>();
        let engine = entrants.iter().find(|entrant| entrant.rival.class() == Class::Engine).map(per_s);
        let measured = entrants.iter().map(|entrant| {
            let samples = per_s(entrant);
            let times_engine_median = engine
                .as_ref()
                .map(|engine| median(samples.iter().zip(engine).map(|(sample, engine)| sample / engine)));
            Measured {
                name: entrant.rival.name(),
                class: entrant.rival.class(),
                users,
                contacts: self.graph.contacts(),
                notifications_per_s_median: median(samples.iter().copied()),
                samples,
                times_engine_median,
                turn_group,
                deliveries: entrant.samples.iter().map(|sample| sample.notifications).sum(),
                differs: entrant.rival.differs(),
            }
        });
        Ok(measured.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contenders::all;

    #[test]
    fn contenders_that_do_not_fit_together_are_grouped_and_nobody_is_left_out() {
        let graph = Graph::uniform(2_000_000);
        let comparison = Comparison { graph, budget: Budget::Batches(1), rounds: 1, batch: BATCH, seed: SEED };
        let contenders: Vec<_> = all().iter().filter(|contender| contender.fits(&graph).is_ok()).collect();
        let groups = comparison.groups(&contenders);
        assert!(groups.len() > 1);
        assert_eq!(groups.concat().len(), contenders.len());
        for group in groups {
            let bytes: u64 = group.iter().map(|contender| contender.bytes(&graph)).sum();
            assert!(!group.is_empty() && bytes + audience_bytes(&graph) <= BYTES_MAX);
        }
    }

    #[test]
    fn nothing_to_do_is_refused() {
        for (rounds, batch) in [(0, 1), (1, 0)] {
            let graph = Graph::uniform(100);
            let comparison = Comparison { graph, budget: Budget::Batches(1), rounds, batch, seed: SEED };
            assert!(matches!(comparison.measure(&[&all()[0]], &mut |_| {}), Err(RivalError::Nothing { .. })));
        }
    }
}
