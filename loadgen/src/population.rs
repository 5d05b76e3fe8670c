//! Who there is: every user's endpoints, contacts and document, drawn from the seed and recomputed, never stored.
//!
//! Users of one kind have neighbouring numbers. Everybody's contacts are drawn from all kinds alike, and shards take users in
//! turns, so the order means nothing; and whoever wants a user of a kind draws one number. The invariant: what is drawn for a user depends on the seed and the user alone, so any core can draw any user at any
//! time and gets the same. A user costs about 60 ns and 5 to 15 ns a contact; a scratch is a few KB, once for a core.

use std::ops::Range;

use fanfare::{Network, PresentityId};
use fanfare_tuning::users::Spread;
use fanfare_tuning::users::blend::divide;
use rand_distr::{Distribution, LogNormal};
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

use crate::payload::HEADER_BYTES;

/// More users than a machine holds.
pub const USERS_MAX: u32 = 100_000_000;

/// What the population is drawn from.
#[derive(Clone, Debug)]
pub struct Traits {
    /// Users, at least 2.
    pub users: u32,
    /// What kinds of users there are, one at least, and one user of each.
    pub kinds: Vec<Kind>,
    /// From which everything is drawn.
    pub seed: u64,
}

/// Users who are alike.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The share of all users; together they are 1.
    pub share: f64,
    /// Endpoints of a user in the mean, at least 1.
    pub endpoints: f64,
    /// Contacts of a user.
    pub contacts: Spread,
    /// The share of contacts that are watched here.
    pub internal_share: f64,
    /// Bytes of a user's document.
    pub document: Spread,
    /// Who the users are, where presence is composed: the share of them that belongs to the organisation, and the share
    /// that is federated. The others are of public clouds.
    pub watchers: [f64; 2],
}

impl Kind {
    /// Everybody, and all alike: colleagues with one endpoint, so many contacts, and documents of so many bytes.
    #[must_use]
    pub fn alike(contacts: f64, document_bytes: f64) -> Self {
        Self {
            share: 1.0,
            endpoints: 1.0,
            contacts: Spread::Constant { value: contacts },
            internal_share: 1.0,
            document: Spread::Constant { value: document_bytes },
            watchers: [1.0, 0.0],
        }
    }
}

impl Traits {
    /// A figure of the kinds in the mean over all users.
    #[must_use]
    pub fn mean(&self, of: impl Fn(&Kind) -> f64) -> f64 {
        self.kinds.iter().map(|kind| kind.share * of(kind)).sum()
    }

    /// The users of each kind.
    #[must_use]
    pub fn ranges(&self) -> Vec<Range<u32>> {
        divide(self.users, self.kinds.iter().map(|kind| kind.share))
    }

    /// Bytes of the largest document.
    #[must_use]
    pub fn document_bytes_max(&self) -> u32 {
        self.kinds.iter().map(|kind| kind.document.max().ceil() as u32).max().unwrap_or(0)
    }
}

/// The population.
#[derive(Clone, Debug)]
pub struct Population {
    traits: Traits,
    kinds: Vec<Drawn>,
}

/// A kind, ready to be drawn from.
#[derive(Clone, Debug)]
struct Drawn {
    /// The user after its last.
    end: u32,
    traits: Kind,
    contacts: Draw,
    document: Draw,
}

/// One user, without the contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Devices, each a watcher.
    pub endpoints: u32,
    /// How many contacts each of them watches.
    pub contacts: u32,
    /// Bytes of the document that the user publishes.
    pub document_bytes: u32,
}

impl Population {
    /// The population of these traits.
    #[must_use]
    pub fn new(traits: Traits) -> Self {
        let drawn = |(kind, users): (&Kind, Range<u32>)| Drawn {
            end: users.end,
            traits: kind.clone(),
            contacts: Draw::new(&kind.contacts),
            document: Draw::new(&kind.document),
        };
        let kinds = traits.kinds.iter().zip(traits.ranges()).map(drawn).collect();
        Self { traits, kinds }
    }

    /// Users.
    #[must_use]
    pub fn users(&self) -> u32 {
        self.traits.users
    }

    /// From which everything is drawn.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.traits.seed
    }

    /// The users of each kind.
    #[must_use]
    pub fn ranges(&self) -> Vec<Range<u32>> {
        self.traits.ranges()
    }

    /// The user, without the contacts.
    #[must_use]
    pub fn person(&self, user: u32) -> Person {
        self.begin(user).0
    }

    /// How the user comes here as a watcher. Drawn apart, so that everything else is the same whatever the shares.
    #[must_use]
    pub fn network(&self, user: u32) -> Network {
        let [internal, federated] = self.kind(user).traits.watchers;
        if internal >= 1.0 {
            return Network::Enterprise;
        }
        let at = unit(SplitMix64::seed_from_u64(!self.traits.seed ^ u64::from(user) << 20).next_u64());
        match at {
            _ if at < internal => Network::Enterprise,
            _ if at < internal + federated => Network::Federated,
            _ => Network::PublicCloud,
        }
    }

    /// The user; the contacts are in the scratch until the next draw. They are distinct, and the user is not among them.
    pub fn draw(&self, user: u32, scratch: &mut Scratch) -> Person {
        let (person, mut stream) = self.begin(user);
        scratch.begin(person.contacts as usize);
        scratch.claim(user);
        while scratch.contacts.len() < person.contacts as usize {
            let contact = below(self.traits.users, stream.next_u64());
            if scratch.claim(contact) {
                scratch.contacts.push(PresentityId::new(u64::from(contact)));
            }
        }
        person
    }

    /// Sums over all users: watchers, subscriptions, and bytes of documents.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for user in 0..self.traits.users {
            let person = self.person(user);
            totals.watchers += u64::from(person.endpoints);
            totals.subscriptions += u64::from(person.endpoints) * u64::from(person.contacts);
            totals.document_bytes += u64::from(person.document_bytes);
        }
        totals
    }

    fn begin(&self, user: u32) -> (Person, Xoshiro256PlusPlus) {
        let traits = &self.traits;
        let mut stream = Xoshiro256PlusPlus::seed_from_u64(
            traits.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(user).wrapping_mul(0xd1b5_4a32_d192_ed03),
        );
        let kind = self.kind(user);
        let whole = kind.traits.endpoints.floor();
        let endpoints = whole as u32 + u32::from(unit(stream.next_u64()) < kind.traits.endpoints - whole);
        let wanted = kind.contacts.sample(&mut stream) * kind.traits.internal_share;
        let document_bytes = kind.document.sample(&mut stream).round() as u32;
        let person = Person {
            endpoints,
            contacts: (wanted.round() as u32).clamp(1, traits.users - 1),
            document_bytes: document_bytes.max(HEADER_BYTES as u32),
        };
        (person, stream)
    }

    fn kind(&self, user: u32) -> &Drawn {
        // Nearly always there is one, and nothing to look for.
        let place = self.kinds.iter().position(|kind| user < kind.end).unwrap_or(self.kinds.len() - 1);
        &self.kinds[place]
    }
}

/// Sums over a population.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Endpoints of all users.
    pub watchers: u64,
    /// Contacts of all endpoints.
    pub subscriptions: u64,
    /// One document for each user.
    pub document_bytes: u64,
}

/// Room for one user's contacts, used again for the next.
#[derive(Debug, Default)]
pub struct Scratch {
    contacts: Vec<PresentityId>,
    /// Open addressing; an entry is the draw's number above the user's. Entries of earlier draws are as good as empty,
    /// so that nothing has to be cleared.
    table: Vec<u64>,
    mask: usize,
    draw: u32,
}

impl Scratch {
    /// The contacts drawn last.
    #[must_use]
    pub fn contacts(&self) -> &[PresentityId] {
        &self.contacts
    }

    /// Whether the user is among the contacts drawn last.
    #[must_use]
    pub fn contains(&self, user: u32, contact: u32) -> bool {
        user != contact && self.find(contact).is_ok()
    }

    fn begin(&mut self, contacts: usize) {
        self.contacts.clear();
        let room = (2 * (contacts + 1)).next_power_of_two();
        if self.table.len() < room {
            self.table.resize(room, 0);
        }
        self.mask = room - 1;
        self.draw = self.draw.wrapping_add(1);
        if self.draw == 0 {
            self.table.fill(0);
            self.draw = 1;
        }
    }

    /// Takes the user in; false if it was in already.
    fn claim(&mut self, user: u32) -> bool {
        match self.find(user) {
            Ok(_) => false,
            Err(free) => {
                self.table[free] = u64::from(self.draw) << 32 | u64::from(user);
                true
            }
        }
    }

    /// Where the user is, or where it would go. Drawn users are noise already, so their low bits do for a hash.
    fn find(&self, user: u32) -> Result<usize, usize> {
        let wanted = u64::from(self.draw) << 32 | u64::from(user);
        let mut at = user as usize & self.mask;
        loop {
            let entry = self.table[at];
            if entry == wanted {
                return Ok(at);
            }
            if (entry >> 32) as u32 != self.draw {
                return Err(at);
            }
            at = (at + 1) & self.mask;
        }
    }
}

/// A spread, ready to be drawn from.
#[derive(Clone, Debug)]
enum Draw {
    Constant(f64),
    LogNormal(LogNormal<f64>, f64),
}

impl Draw {
    fn new(spread: &Spread) -> Self {
        match *spread {
            Spread::Constant { value } => Self::Constant(value),
            Spread::LogNormal { mean, sigma, max } => {
                // The mean of exp(normal) is exp(mu + sigma^2/2).
                let mu = mean.ln() - sigma * sigma / 2.0;
                LogNormal::new(mu, sigma).map_or(Self::Constant(mean), |drawn| Self::LogNormal(drawn, max))
            }
        }
    }

    fn sample(&self, stream: &mut Xoshiro256PlusPlus) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::LogNormal(drawn, max) => drawn.sample(stream).min(*max),
        }
    }
}

/// A number below `bound` from 64 random bits, without a division. The bias is below one in four thousand million.
pub(crate) fn below(bound: u32, bits: u64) -> u32 {
    ((u64::from(bound) * (bits >> 32)) >> 32) as u32
}

/// A number from 0 to 1, 1 not included.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use fanfare_tuning::users::UserModel;

    use super::*;

    fn lync(users: u32, seed: u64) -> Population {
        let model = UserModel::find("lync-2013").unwrap();
        Population::new(Traits { users, kinds: vec![kind_of(&model, 1.0)], seed })
    }

    fn kind_of(model: &UserModel, share: f64) -> Kind {
        Kind {
            share,
            endpoints: model.endpoints_per_user.value,
            contacts: model.contacts,
            internal_share: 1.0,
            document: model.document_bytes,
            watchers: [model.watchers.internal.value, model.watchers.federated.value],
        }
    }

    #[test]
    fn each_kind_has_its_users_and_its_own_means() {
        let [lync, mobile] = ["lync-2013", "mobile"].map(|name| UserModel::find(name).unwrap());
        let kinds = vec![kind_of(&lync, 0.8), kind_of(&mobile, 0.2)];
        let traits = Traits { users: 20_000, kinds, seed: 7 };
        let endpoints = traits.mean(|kind| kind.endpoints);
        assert!((endpoints - (0.8 * 1.9 + 0.2)).abs() < 1e-9, "{endpoints}");
        let population = Population::new(traits);
        assert_eq!(population.ranges(), [0..16_000, 16_000..20_000]);
        let mean = |users: Range<u32>, of: fn(Person) -> u32| {
            let count = f64::from(users.end - users.start);
            users.map(|user| f64::from(of(population.person(user)))).sum::<f64>() / count
        };
        let [desks, telephones] = [0..16_000, 16_000..20_000];
        assert!((mean(desks.clone(), |person| person.endpoints) - 1.9).abs() < 0.02);
        assert!((mean(telephones.clone(), |person| person.endpoints) - 1.0).abs() < 1e-9);
        assert!((mean(desks, |person| person.document_bytes) - 4_096.0).abs() < 100.0);
        assert!((mean(telephones, |person| person.document_bytes) - 1_024.0).abs() < 50.0);
        let mut scratch = Scratch::default();
        population.draw(3, &mut scratch);
        let both = [true, false].map(|low| scratch.contacts().iter().any(|contact| (contact.get() < 16_000) == low));
        assert_eq!(both, [true, true], "everybody watches everybody, whatever his kind");
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let (mut one, mut two) = (Scratch::default(), Scratch::default());
        let mut differing = 0;
        for user in 0..500 {
            assert_eq!(lync(10_000, 1).draw(user, &mut one), lync(10_000, 1).draw(user, &mut two));
            assert_eq!(one.contacts(), two.contacts());
            lync(10_000, 2).draw(user, &mut two);
            differing += u32::from(one.contacts() != two.contacts());
        }
        assert!(differing > 490, "{differing}");
    }

    #[test]
    fn watchers_come_in_their_shares() {
        let population = lync(10_000, 5);
        let count = |network| (0..10_000).filter(|&user| population.network(user) == network).count();
        let counts = [Network::Enterprise, Network::Federated, Network::PublicCloud].map(count);
        for (count, expected) in counts.into_iter().zip([5_000, 1_000, 4_000]) {
            assert!(count.abs_diff(expected) < 200, "{counts:?}");
        }
    }

    #[test]
    fn a_draw_does_not_depend_on_the_draws_before() {
        let population = lync(10_000, 3);
        let (mut one, mut two) = (Scratch::default(), Scratch::default());
        for user in 0..400 {
            population.draw(user, &mut one);
        }
        population.draw(399, &mut two);
        assert_eq!(one.contacts(), two.contacts());
    }

    #[test]
    fn contacts_are_distinct_and_not_oneself() {
        // So few users that most draws are doubles, and some users watch everybody.
        let population = lync(200, 4);
        let mut scratch = Scratch::default();
        for user in 0..200 {
            let person = population.draw(user, &mut scratch);
            let set: HashSet<_> = scratch.contacts().iter().map(|contact| contact.get()).collect();
            assert_eq!(set.len(), person.contacts as usize);
            assert!(!set.contains(&u64::from(user)));
            assert!(set.iter().all(|&contact| contact < 200));
            for other in 0..200 {
                assert_eq!(scratch.contains(user, other), set.contains(&u64::from(other)));
            }
        }
    }

    #[test]
    fn means_are_those_of_the_model() {
        let users = 80_000;
        let population = lync(users, 5);
        let totals = population.totals();
        let contacts: u64 = (0..users).map(|user| u64::from(population.person(user).contacts)).sum();
        let mean = |sum: u64| sum as f64 / f64::from(users);
        assert!((mean(contacts) - 80.0).abs() < 1.5, "{}", mean(contacts));
        assert!((mean(totals.watchers) - 1.9).abs() < 0.01, "{}", mean(totals.watchers));
        assert!((mean(totals.document_bytes) - 4_096.0).abs() < 60.0, "{}", mean(totals.document_bytes));
        let many = (0..users).filter(|&user| population.person(user).contacts >= 100).count();
        assert!(many < users as usize / 4, "fewer than 25 % have 100 contacts or more");
        assert!((0..users).all(|user| (1..=1_000).contains(&population.person(user).contacts)));
    }

    #[test]
    fn half_the_contacts_are_watched_with_half_the_share() {
        let mut traits = lync(50_000, 6).traits;
        traits.kinds[0].internal_share = 0.5;
        let population = Population::new(traits);
        let contacts: u64 = (0..50_000).map(|user| u64::from(population.person(user).contacts)).sum();
        assert!((contacts as f64 / 50_000.0 - 40.0).abs() < 1.0);
    }
}
