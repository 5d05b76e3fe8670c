//! One shard in which every user has one watcher, who watches as a graph says.

use bytes::Bytes;
use fanfare::map::PrivateMap;
use fanfare::{Categories, Document, GroupId, Limits, Note, PresentityId, Publication, ShardConfig, Tick, View};

use crate::{Graph, Stage, Tally};

/// A second, which is longer than any benchmark's virtual time between two looks at what has expired.
const A_WHILE_US: u64 = 1_000_000;

/// One shard and its users.
pub struct World {
    /// The shard.
    pub shard: fanfare::Shard,
    /// Who watches whom; presentities are numbered from 0.
    pub graph: Graph,
    groups: Vec<GroupId>,
    now: u64,
    serial: u64,
    /// Entries that walks had visited when it was last looked at.
    walked: u64,
}

impl World {
    /// Users with one watcher and one group each, who watch nobody yet.
    ///
    /// # Panics
    /// If the shard cannot be made.
    #[must_use]
    pub fn signed_out(graph: Graph) -> Self {
        let config = ShardConfig { limits: limits(&graph), ..ShardConfig::new(0, 1) };
        let mut shard = fanfare::Shard::new(config, PrivateMap).expect("a shard");
        let groups = (0..graph.users())
            .map(|user| {
                let watcher = shard.open_watcher(user).expect("a watcher");
                shard.open_group(watcher, user, Categories::ALL).expect("a group")
            })
            .collect();
        Self { shard, graph, groups, now: 0, serial: 0, walked: 0 }
    }

    /// Every user has published and watches the others.
    #[must_use]
    pub fn signed_in(graph: Graph) -> Self {
        let mut world = Self::signed_out(graph);
        for presentity in 0..graph.presentities() {
            world.publish(presentity);
        }
        for user in 0..graph.users() {
            world.subscribe(user);
        }
        world.drain();
        world
    }

    /// Subscribes a user to its contacts, in one call.
    ///
    /// # Panics
    /// If the shard refuses.
    pub fn subscribe(&mut self, user: u64) -> usize {
        let contacts: Vec<_> = self.graph.contacts_of(user).map(PresentityId::new).collect();
        self.shard.subscribe(self.groups[user as usize], View::PLAIN, &contacts).expect("room")
    }

    /// Ends all that a user watches by the graph, in one call.
    ///
    /// # Panics
    /// Never: the group lives as long as the world.
    pub fn unsubscribe(&mut self, user: u64) -> usize {
        let contacts: Vec<_> = self.graph.contacts_of(user).map(PresentityId::new).collect();
        self.shard.unsubscribe(self.groups[user as usize], &contacts).expect("the group lives")
    }

    /// Publishes a new document of 32 bytes, and lets the shard take it in and walk it.
    ///
    /// # Panics
    /// If the shard refuses.
    pub fn publish(&mut self, user: u64) {
        self.serial += 1;
        self.now += 1;
        self.shard.publish(numbered(user, self.serial)).expect("a credit");
        while self.shard.step(Tick::from_micros(self.now), 4_096).more {}
        while self.shard.next_outcome().is_some() {}
    }

    /// Publishes new documents of 32 bytes in one turn, and lets the shard take them in and walk them.
    ///
    /// # Panics
    /// If the shard refuses: there are fewer credits than documents.
    pub fn publish_all(&mut self, presentities: &[u64]) {
        self.now += 1;
        for &presentity in presentities {
            self.serial += 1;
            self.shard.publish(numbered(presentity, self.serial)).expect("a credit");
        }
        while self.shard.step(Tick::from_micros(self.now), 4_096).more {}
        while self.shard.next_outcome().is_some() {}
    }

    /// Publishes all of these documents, 64 at a time, and lets the shard take each lot in and walk it.
    ///
    /// # Panics
    /// If the shard refuses.
    pub fn publish_payloads<const BYTES: usize>(&mut self, batch: &[(u32, [u8; BYTES])]) {
        // Well below the credits of a link; and one buffer for a lot, because the home copies each document anyway.
        for lot in batch.chunks(64) {
            let buffer = Bytes::from_iter(lot.iter().flat_map(|(_, document)| *document));
            for (nth, (user, _)) in lot.iter().enumerate() {
                let document = buffer.slice(nth * BYTES..(nth + 1) * BYTES);
                let publication = Publication::plain(PresentityId::new(u64::from(*user)), document);
                self.shard.publish(publication).expect("a credit");
            }
            self.now += 1;
            while self.shard.step(Tick::from_micros(self.now), 4_096).more {}
            while self.shard.next_outcome().is_some() {}
        }
    }

    /// Tells every ready watcher everything, and returns how many notes that took and a sum over what was told.
    pub fn drain(&mut self) -> (u64, u64) {
        let (mut notes, mut sum) = (0, 0u64);
        self.hear(|_, note| {
            notes += 1;
            let first = note.document().and_then(|document| document.as_slice().first().copied());
            sum = sum.wrapping_add(note.stamp.to_bits() ^ u64::from(first.unwrap_or(0)));
        });
        (notes, sum)
    }

    /// Tells every ready watcher everything, and shows each note to the caller with the user who is told.
    #[inline]
    pub fn hear(&mut self, mut told: impl FnMut(u64, &Note<'_>)) {
        self.now += 1;
        while self.shard.step(Tick::from_micros(self.now), 4_096).more {}
        while let Some(mut outbox) = self.shard.next_outbox() {
            while let Some(note) = outbox.next() {
                told(note.watcher_token, &note);
            }
        }
    }

    fn request(&mut self, user: u64, expires: Tick) {
        self.serial += 1;
        self.now += 1;
        let publication = Publication { expires, ..numbered(user, self.serial) };
        self.shard.publish(publication).expect("a credit");
    }

    /// Entries that walks have visited since the last look: at an update at once those that no budget may put off, one of
    /// 8,192 or part of them, and the others in steps.
    fn walked_since(&mut self) -> u64 {
        let walked = self.shard.counters().walk_entries;
        walked - std::mem::replace(&mut self.walked, walked)
    }

    /// Takes in what was requested, without any step of a walk.
    fn take_in(&mut self, requests: usize) {
        // The shard takes in as many messages a step as a ring would hold, which is more than twice these need.
        for _ in 0..2 {
            self.shard.step(Tick::from_micros(self.now), 0);
        }
        let outcomes = std::iter::from_fn(|| self.shard.next_outcome()).count();
        assert_eq!(outcomes, requests, "every publication is answered in its step");
    }
}

impl Stage for World {
    fn graph(&self) -> Graph {
        self.graph
    }

    fn offer(&mut self, presentities: &[u64]) {
        presentities.iter().for_each(|&presentity| self.request(presentity, Tick::NEVER));
        self.take_in(presentities.len());
    }

    fn offer_for_a_while(&mut self, presentities: &[u64]) {
        let expires = Tick::from_micros((self.now / A_WHILE_US + 2) * A_WHILE_US);
        presentities.iter().for_each(|&presentity| self.request(presentity, expires));
        self.take_in(presentities.len());
    }

    fn expire(&mut self) {
        self.now = (self.now / A_WHILE_US + 2) * A_WHILE_US;
        let now = Tick::from_micros(self.now);
        // Walks have work from the first step on, so `more` does not say when all have expired; the deadline does.
        while self.shard.step(now, 0).deadline.is_some_and(|deadline| deadline <= now) {}
        self.shard.step(now, 0);
    }

    fn mark(&mut self) -> Tally {
        while self.shard.step(Tick::from_micros(self.now), 4_096).more {}
        Tally { marked: self.walked_since(), ..Tally::default() }
    }

    fn tell(&mut self) -> Tally {
        let mut tally = Tally::default();
        self.hear(|user, note| tally.add_note(user, note.presentity.get(), serial_of(note.document())));
        self.walked_since();
        tally
    }

    fn subscribe_to(&mut self, user: u64, presentities: &[u64]) -> usize {
        let ids: Vec<_> = presentities.iter().copied().map(PresentityId::new).collect();
        self.shard.subscribe(self.groups[user as usize], View::PLAIN, &ids).expect("room")
    }

    fn unsubscribe_from(&mut self, user: u64, presentities: &[u64]) -> usize {
        let ids: Vec<_> = presentities.iter().copied().map(PresentityId::new).collect();
        self.shard.unsubscribe(self.groups[user as usize], &ids).expect("the group lives")
    }
}

/// The default limits, unless the graph needs more: the defaults are for a million users, and ten million are asked for
/// by hand.
pub(crate) fn limits(graph: &Graph) -> Limits {
    let Limits { watchers, groups, subscriptions, topics, presentities, .. } = Limits::default();
    let at_least = |default: u32, needed: u64| default.max(u32::try_from(needed).expect("a number of 32 bits"));
    // Churn makes a subscription before it ends another, and a user's last run of slots is partly empty.
    let slots = graph.users() * (graph.contacts() + 16).next_multiple_of(16);
    Limits {
        watchers: at_least(watchers, graph.users()),
        groups: at_least(groups, graph.users()),
        subscriptions: at_least(subscriptions, slots),
        topics: at_least(topics, graph.presentities()),
        presentities: at_least(presentities, graph.presentities()),
        ..Limits::default()
    }
}

/// A publication of 32 bytes that begin with a number.
#[inline]
pub(crate) fn numbered(presentity: u64, serial: u64) -> Publication {
    let mut document = [0u8; 32];
    document[..8].copy_from_slice(&serial.to_le_bytes());
    Publication::plain(PresentityId::new(presentity), Bytes::copy_from_slice(&document))
}

/// The number that a document begins with; 0 where there is none.
#[inline]
pub(crate) fn serial_of(document: Option<&Document>) -> u64 {
    let number = document.and_then(|document| document.as_slice().first_chunk().copied());
    number.map_or(0, u64::from_le_bytes)
}
