//! Who watches whom, drawn and not stored: the same for the engine, its floor and its rivals.
//!
//! The presentities are cut into as many strata as a user has contacts, and a user draws one from each: so no contact is
//! drawn twice, at the cost of one multiplication each, and a million users need no memory.

/// How popular presentities are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All alike: each has as many watchers as a user has contacts, give or take their root.
    Uniform,
    /// The r-th most popular of a stratum has watchers as r to the power of -0.75: a few thousand for the first of a
    /// million, ten for most.
    PowerLaw,
}

/// Users with one watcher each, who watch as many others.
#[derive(Clone, Copy, Debug)]
pub struct Graph {
    users: u64,
    presentities: u64,
    contacts: u64,
    shape: Shape,
}

impl Graph {
    /// So many users; the contacts are no more than there are users.
    #[must_use]
    pub fn new(users: u64, contacts: u64, shape: Shape) -> Self {
        Self { users, presentities: users, contacts: contacts.min(users), shape }
    }

    /// With 80 contacts each, all presentities equally popular.
    #[must_use]
    pub fn uniform(users: u64) -> Self {
        Self::new(users, 80, Shape::Uniform)
    }

    /// With 80 contacts each, a few presentities far more popular than most.
    #[must_use]
    pub fn power_law(users: u64) -> Self {
        Self::new(users, 80, Shape::PowerLaw)
    }

    /// So many users who all watch one presentity, number 0, and nobody else.
    #[must_use]
    pub fn hot(users: u64) -> Self {
        Self { presentities: 1, ..Self::new(users, 1, Shape::Uniform) }
    }

    /// What it is called in the names of benchmarks.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.shape {
            _ if self.presentities == 1 => "hot",
            Shape::Uniform => "uniform",
            Shape::PowerLaw => "power_law",
        }
    }

    /// Users, numbered from 0.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.users
    }

    /// How many are watched, numbered from 0: all users, unless the graph is a hot one.
    #[must_use]
    pub fn presentities(&self) -> u64 {
        self.presentities
    }

    /// Watchers of a presentity in the mean.
    #[must_use]
    pub fn watchers_mean(&self) -> u64 {
        self.subscriptions() / self.presentities.max(1)
    }

    /// Contacts of each user.
    #[must_use]
    pub fn contacts(&self) -> u64 {
        self.contacts
    }

    /// All subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> u64 {
        self.users * self.contacts
    }

    /// A user's contacts, all different, in an order of the user's own.
    pub fn contacts_of(&self, user: u64) -> impl Iterator<Item = u64> + use<> {
        let Self { presentities, contacts, shape, .. } = *self;
        let mut state = mixed(user);
        let first = state % contacts.max(1);
        (0..contacts).map(move |nth| {
            state = mixed(state.wrapping_add(nth));
            let stratum = (first + nth) % contacts;
            let (from, to) = (stratum * presentities / contacts, (stratum + 1) * presentities / contacts);
            // Bits of a double's fraction: exact, and below one.
            let fraction = (state >> 11) as f64 / (1u64 << 53) as f64;
            let place = match shape {
                Shape::Uniform => fraction,
                Shape::PowerLaw => fraction.powi(4),
            };
            from + ((to - from) as f64 * place) as u64
        })
    }
}

/// A number that shows nothing of the one it was made from.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn contacts_are_different_and_exist() {
        for (users, shape) in [(7, Shape::Uniform), (1_000, Shape::Uniform), (1_000, Shape::PowerLaw)] {
            let graph = Graph::new(users, 80, shape);
            for user in 0..users {
                let contacts: HashSet<_> = graph.contacts_of(user).collect();
                assert_eq!(contacts.len() as u64, graph.contacts(), "{users} {shape:?}");
                assert!(contacts.iter().all(|&contact| contact < users));
            }
        }
    }

    #[test]
    fn everybody_watches_the_one_presentity_of_a_hot_graph() {
        let graph = Graph::hot(100);
        assert!((0..100).all(|user| graph.contacts_of(user).eq([0])));
        assert_eq!((graph.subscriptions(), graph.watchers_mean(), graph.name()), (100, 100, "hot"));
    }

    #[test]
    fn a_power_law_has_popular_presentities_and_a_uniform_graph_has_none() {
        let most_watched = |shape| {
            let graph = Graph::new(10_000, 80, shape);
            let mut watchers = vec![0u32; 10_000];
            (0..10_000).flat_map(|user| graph.contacts_of(user)).for_each(|contact| watchers[contact as usize] += 1);
            watchers.into_iter().max().expect("there are some")
        };
        assert!(most_watched(Shape::Uniform) < 160);
        assert!(most_watched(Shape::PowerLaw) > 1_000);
    }
}
