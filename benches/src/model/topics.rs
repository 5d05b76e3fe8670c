//! How many shards a publication touches: as many as have at least one of its watchers.

use fanfare::SHARDS_MAX;

use super::ModelError;

/// Where the watchers of a presentity are, seen from the shard, or the group of shards, that its user belongs to.
///
/// The embedder chooses the shard of a watcher; the home of a presentity is where its hash says, whatever the placement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Placement {
    /// Anywhere, by chance.
    Spread,
    /// Users are placed near their contacts: this share of a user's watchers is on his own shard, the others anywhere on
    /// the other shards.
    Near {
        /// From 0 to 1.
        share: f64,
    },
    /// Users are hashed to groups of shards: this share of a user's watchers is somewhere in his own group, the others
    /// anywhere outside.
    Groups {
        /// Shards of a group.
        shards: u32,
        /// From 0 to 1.
        share: f64,
    },
}

/// Shards that have at least one of so many watchers, in the mean.
///
/// Without any placement it is K = C(1 − (1 − 1/C)^N); with one, the same for the shards inside and for those outside.
///
/// # Errors
/// [`ModelError::Shards`], [`ModelError::GroupShards`], [`ModelError::Share`], [`ModelError::Watchers`].
pub fn topics_touched(watchers: f64, shards: u32, placement: Placement) -> Result<f64, ModelError> {
    if !(1..=SHARDS_MAX as u32).contains(&shards) {
        return Err(ModelError::Shards(shards));
    }
    if !(watchers.is_finite() && watchers >= 1.0) {
        return Err(ModelError::Watchers(watchers));
    }
    let (inside, share) = match placement {
        Placement::Spread => (shards, 1.0),
        Placement::Near { share } => (1, share),
        Placement::Groups { shards, share } => (shards, share),
    };
    if !(1..=shards).contains(&inside) {
        return Err(ModelError::GroupShards { group_shards: inside, shards });
    }
    if !(0.0..=1.0).contains(&share) {
        return Err(ModelError::Share(share));
    }
    let outside = shards - inside;
    // Where there is no outside, nobody is there.
    let share = if outside == 0 { 1.0 } else { share };
    Ok(touched(inside, share, watchers) + touched(outside, 1.0 - share, watchers))
}

/// Of `shards` shards among which this share of the watchers is spread, those that have one.
fn touched(shards: u32, share: f64, watchers: f64) -> f64 {
    if shards == 0 {
        return 0.0;
    }
    let shards = f64::from(shards);
    shards * (1.0 - (1.0 - share / shards).powf(watchers))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::{Graph, Mesh, Stage};

    const DRAWS: u32 = 4_000;

    /// The mean number of different shards that watchers were really drawn to.
    fn drawn(watchers: u32, shards: u32, inside: u32, share: f64) -> f64 {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut total = 0;
        for _ in 0..DRAWS {
            let mut touched = HashSet::new();
            for _ in 0..watchers {
                let is_inside = inside == shards || random.random::<f64>() < share;
                touched.insert(if is_inside {
                    random.random_range(0..inside)
                } else {
                    random.random_range(inside..shards)
                });
            }
            total += touched.len();
        }
        total as f64 / f64::from(DRAWS)
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 0.02 * expected + 0.01, "{found} is not about {expected}");
    }

    #[test]
    fn the_formula_agrees_with_draws() {
        for watchers in [1, 7, 80, 320] {
            for shards in [1, 2, 16, 48, 64] {
                let found = topics_touched(watchers.into(), shards, Placement::Spread).unwrap();
                assert_near(found, drawn(watchers, shards, shards, 1.0));
            }
        }
    }

    #[test]
    fn the_formula_agrees_with_draws_wherever_watchers_are_placed() {
        for (inside, share) in [(1, 0.0), (1, 0.5), (1, 0.9), (1, 1.0), (8, 0.8), (8, 1.0)] {
            let found = topics_touched(80.0, 16, Placement::Groups { shards: inside, share }).unwrap();
            assert_near(found, drawn(80, 16, inside, share));
        }
        let near = topics_touched(80.0, 16, Placement::Near { share: 0.5 }).unwrap();
        assert_eq!(near, topics_touched(80.0, 16, Placement::Groups { shards: 1, share: 0.5 }).unwrap());
    }

    #[test]
    fn the_formula_agrees_with_the_engine() {
        // Few contacts, so that not every shard has a watcher of everybody.
        let graph = Graph::new(600, 3, crate::Shape::Uniform);
        let mut watchers = vec![0u32; 600];
        (0..600).flat_map(|user| graph.contacts_of(user)).for_each(|contact| watchers[contact as usize] += 1);
        for shards in [1, 2, 3, 4] {
            let mut mesh = Mesh::signed_out(shards as usize, graph);
            mesh.sign_in();
            let of = |&watchers: &u32| topics_touched(watchers.into(), shards, Placement::Spread).unwrap();
            let expected: f64 = watchers.iter().filter(|&&watchers| watchers > 0).map(of).sum();
            assert_near(mesh.topics() as f64, expected);
        }
    }

    #[test]
    fn watchers_placed_by_chance_are_watchers_spread() {
        let spread = topics_touched(80.0, 16, Placement::Spread).unwrap();
        for (inside, share) in [(1, 1.0 / 16.0), (4, 0.25), (16, 1.0), (16, 0.3)] {
            let placed = topics_touched(80.0, 16, Placement::Groups { shards: inside, share }).unwrap();
            assert!((placed - spread).abs() < 1e-9, "{inside} shards with {share}: {placed}, {spread}");
        }
    }

    #[test]
    fn more_shards_and_more_watchers_touch_more() {
        let touched = |watchers, shards| topics_touched(watchers, shards, Placement::Spread).unwrap();
        for shards in 1..=63 {
            assert!(touched(80.0, shards) < touched(80.0, shards + 1));
            assert!(touched(80.0, shards) <= f64::from(shards).min(80.0) + 1e-9);
        }
        for watchers in 1..40 {
            assert!(touched(watchers.into(), 64) < touched((watchers + 1).into(), 64));
        }
        for percent in 2..100 {
            let near = |percent| Placement::Near { share: f64::from(percent) / 100.0 };
            let [some, more] = [percent, percent + 1].map(|it| topics_touched(80.0, 64, near(it)).unwrap());
            assert!(more < some, "{percent} %");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let ask = |watchers, shards, placement| topics_touched(watchers, shards, placement);
        for shards in [0, 65, u32::MAX] {
            assert!(matches!(ask(80.0, shards, Placement::Spread), Err(ModelError::Shards(_))));
        }
        for watchers in [0.0, 0.9, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(ask(watchers, 2, Placement::Spread), Err(ModelError::Watchers(_))));
        }
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(ask(80.0, 2, Placement::Near { share }), Err(ModelError::Share(_))));
        }
        for shards in [0, 3] {
            assert!(matches!(
                ask(80.0, 2, Placement::Groups { shards, share: 0.5 }),
                Err(ModelError::GroupShards { .. })
            ));
        }
    }
}
