//! All contenders: who they are, what they weigh, and how they are built. One file each.
//!
//! The weights are estimates from the sizes of what a contender keeps, on the high side; they decide what fits, nothing else.

mod broadcast;
mod fanfare_shard;
mod index_outbox;
#[cfg(target_os = "linux")]
mod local_channel;
mod locked_map;
mod ring_bus;
mod subject_trie;

use std::rc::Rc;

use fanfare_bench_world::Graph;

use crate::audience::Audience;
use crate::error::RivalError;
use crate::rival::{Class, Rival};
use locked_map::{Crossbeam, Flume, LockedMap};

/// The most bytes that contenders that are there at the same time may take, by estimate.
pub const BYTES_MAX: u64 = 12 << 30;

/// One who can be asked for by name.
pub struct Contender {
    /// As it is asked for.
    pub name: &'static str,
    /// What kind of algorithm it is.
    pub class: Class,
    /// Bytes that a subscription takes, and a user.
    weight: (u64, u64),
    /// The most users that it takes, and why no more.
    users_max: Option<(u64, &'static str)>,
    available: fn() -> Result<(), RivalError>,
    build: fn(&Rc<Audience>) -> Built,
}

/// A contender ready to go, or why it is not.
type Built = Result<Box<dyn Rival>, RivalError>;

/// Bytes of the graph turned round, which all share.
const AUDIENCE_WEIGHT: (u64, u64) = (4, 4);

static ALL: &[Contender] = &[
    Contender {
        name: "fanfare",
        class: Class::Engine,
        weight: (22, 600),
        users_max: None,
        available: || Ok(()),
        build: |audience| Ok(Box::new(fanfare_shard::FanfareShard::signed_in(*audience.graph()))),
    },
    Contender {
        name: "index-outbox",
        class: Class::IndexOutbox,
        weight: (0, 40),
        users_max: None,
        available: || Ok(()),
        build: |audience| Ok(Box::new(index_outbox::IndexOutbox::over(Rc::clone(audience))?)),
    },
    Contender {
        name: "subject-trie",
        class: Class::Queueing,
        weight: (4, 800),
        users_max: None,
        available: || Ok(()),
        build: |audience| Ok(Box::new(subject_trie::SubjectTrie::over(audience))),
    },
    Contender {
        name: "map-flume",
        class: Class::Queueing,
        weight: (16, 900),
        users_max: None,
        available: || Ok(()),
        build: |audience| Ok(Box::new(LockedMap::<Flume>::over(audience))),
    },
    Contender {
        name: "map-crossbeam",
        class: Class::Queueing,
        weight: (24, 2_600),
        users_max: None,
        available: || Ok(()),
        build: |audience| Ok(Box::new(LockedMap::<Crossbeam>::over(audience))),
    },
    Contender {
        name: "tokio-broadcast",
        class: Class::Queueing,
        weight: (20, 400),
        users_max: None,
        available: || Ok(()),
        build: |audience| Ok(Box::new(broadcast::Broadcast::over(audience))),
    },
    #[cfg(target_os = "linux")]
    Contender {
        name: "glommio-local",
        class: Class::Queueing,
        weight: (0, 400),
        users_max: None,
        available: local_channel::available,
        build: |audience| Ok(Box::new(local_channel::LocalChannel::over(Rc::clone(audience))?)),
    },
    Contender {
        name: "bus",
        class: Class::Queueing,
        weight: (84, 64 << 10),
        users_max: Some((ring_bus::USERS_MAX, "each bus starts a thread, and there is one for each user")),
        available: || Ok(()),
        build: |audience| Ok(Box::new(ring_bus::RingBus::over(audience))),
    },
];

/// All of them, the engine first.
#[must_use]
pub fn all() -> &'static [Contender] {
    ALL
}

/// The contender of this name.
///
/// # Errors
/// If nobody has it.
pub fn named(name: &str) -> Result<&'static Contender, RivalError> {
    let known = || ALL.iter().map(|contender| contender.name).collect::<Vec<_>>().join(", ");
    let found = ALL.iter().find(|contender| contender.name == name);
    found.ok_or_else(|| RivalError::Unknown { name: name.into(), known: known() })
}

/// Bytes of the graph turned round, by estimate.
pub(crate) fn audience_bytes(graph: &Graph) -> u64 {
    weigh(AUDIENCE_WEIGHT, graph)
}

fn weigh((subscription, user): (u64, u64), graph: &Graph) -> u64 {
    graph.subscriptions().saturating_mul(subscription).saturating_add(graph.users().saturating_mul(user))
}

impl Contender {
    /// What it takes for a graph, by estimate, without the graph turned round.
    #[must_use]
    pub fn bytes(&self, graph: &Graph) -> u64 {
        weigh(self.weight, graph)
    }

    /// Whether it could run with a graph: not too many users, and not too much memory.
    ///
    /// # Errors
    /// Why it could not.
    pub fn fits(&self, graph: &Graph) -> Result<(), RivalError> {
        let (name, users) = (self.name, graph.users());
        if let Some((users_max, reason)) = self.users_max.filter(|(users_max, _)| users > *users_max) {
            return Err(RivalError::TooManyUsers { name, users_max, reason });
        }
        let bytes = self.bytes(graph).saturating_add(audience_bytes(graph));
        if bytes > BYTES_MAX {
            return Err(RivalError::TooLarge { name, users, bytes, bytes_max: BYTES_MAX });
        }
        Ok(())
    }

    /// Whether the machine has what it needs.
    ///
    /// # Errors
    /// What is missing, and the way out.
    pub fn available(&self) -> Result<(), RivalError> {
        (self.available)()
    }

    /// Builds it, with everybody signed in.
    ///
    /// # Errors
    /// If it does not fit, or the machine does not have what it needs.
    pub fn build(&self, audience: &Rc<Audience>) -> Result<Box<dyn Rival>, RivalError> {
        self.fits(audience.graph())?;
        self.available()?;
        (self.build)(audience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_fit_is_refused_with_the_way_out() {
        let engine = named("fanfare").expect("it is there");
        assert_eq!(engine.fits(&Graph::uniform(1_000_000)), Ok(()));
        let refused = engine.fits(&Graph::uniform(10_000_000)).expect_err("20 GB");
        assert!(matches!(refused, RivalError::TooLarge { name: "fanfare", .. }));
        assert!(refused.to_string().contains("fewer users"), "{refused}");
        let refused = named("bus").expect("it is there").fits(&Graph::uniform(10_000)).expect_err("10,000 threads");
        assert!(matches!(refused, RivalError::TooManyUsers { name: "bus", users_max: 1_000, .. }));
    }

    #[test]
    fn nothing_overflows_however_much_is_asked_for() {
        let graph = Graph::new(1 << 32, 1 << 31, fanfare_bench_world::Shape::Uniform);
        assert!(all().iter().all(|contender| contender.fits(&graph).is_err()));
    }

    #[test]
    fn at_a_hundred_thousand_users_all_that_have_no_bound_of_users_fit_together() {
        let graph = Graph::uniform(100_000);
        let bytes: u64 = all().iter().filter(|it| it.fits(&graph).is_ok()).map(|it| it.bytes(&graph)).sum();
        assert!(bytes + audience_bytes(&graph) < BYTES_MAX);
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let refused = named("nats").map(|_| ()).expect_err("nobody");
        assert!(refused.to_string().contains("index-outbox"), "{refused}");
    }
}
