//! What the benchmarks share: a world of a given size.
//!
//! Each benchmark runs in the test suite in its smallest form, so that it cannot rot; `FANFARE_USERS=100000` and the
//! like ask for a real size.

mod graph;

use bytes::Bytes;
use fanfare::map::PrivateMap;
use fanfare::{Categories, GroupId, PresentityId, Publication, ShardConfig, Tick, View};
pub use graph::{Graph, Shape};

/// One shard in which every user has one watcher, who watches as the graph says.
pub struct World {
    /// The shard.
    pub shard: fanfare::Shard,
    /// Who watches whom; presentities are numbered from 0.
    pub graph: Graph,
    groups: Vec<GroupId>,
    now: u64,
    serial: u64,
}

/// How many users a benchmark is asked to have.
#[must_use]
pub fn users_asked() -> u64 {
    std::env::var("FANFARE_USERS").ok().and_then(|users| users.parse().ok()).unwrap_or(1_000)
}

impl World {
    /// Users with one watcher and one group each, who watch nobody yet.
    ///
    /// # Panics
    /// If the shard cannot be made.
    #[must_use]
    pub fn signed_out(graph: Graph) -> Self {
        let mut shard = fanfare::Shard::new(ShardConfig::new(0, 1), PrivateMap).expect("a shard");
        let groups = (0..graph.users())
            .map(|user| {
                let watcher = shard.open_watcher(user).expect("a watcher");
                shard.open_group(watcher, user, Categories::ALL).expect("a group")
            })
            .collect();
        Self { shard, graph, groups, now: 0, serial: 0 }
    }

    /// Every user has published and watches the others.
    #[must_use]
    pub fn signed_in(graph: Graph) -> Self {
        let mut world = Self::signed_out(graph);
        for user in 0..graph.users() {
            world.publish(user);
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

    /// Publishes a new document of 32 bytes, and lets the shard take it in and walk it.
    ///
    /// # Panics
    /// If the shard refuses.
    pub fn publish(&mut self, user: u64) {
        self.serial += 1;
        self.now += 1;
        let mut document = [0u8; 32];
        document[..8].copy_from_slice(&self.serial.to_le_bytes());
        let publication = Publication::plain(PresentityId::new(user), Bytes::copy_from_slice(&document));
        self.shard.publish(publication).expect("a credit");
        while self.shard.step(Tick::from_micros(self.now), 4_096).more {}
        while self.shard.next_outcome().is_some() {}
    }

    /// Publishes new documents of 32 bytes in one turn, and lets the shard take them in and walk them.
    ///
    /// # Panics
    /// If the shard refuses.
    pub fn publish_all(&mut self, users: &[u64]) {
        self.now += 1;
        for &user in users {
            self.serial += 1;
            let mut document = [0u8; 32];
            document[..8].copy_from_slice(&self.serial.to_le_bytes());
            let publication = Publication::plain(PresentityId::new(user), Bytes::copy_from_slice(&document));
            self.shard.publish(publication).expect("a credit");
        }
        while self.shard.step(Tick::from_micros(self.now), 4_096).more {}
        while self.shard.next_outcome().is_some() {}
    }

    /// Tells every ready watcher everything, and returns how many notes that took and a sum over what was told.
    pub fn drain(&mut self) -> (u64, u64) {
        self.now += 1;
        while self.shard.step(Tick::from_micros(self.now), 4_096).more {}
        let (mut notes, mut sum) = (0, 0u64);
        while let Some(mut outbox) = self.shard.next_outbox() {
            while let Some(note) = outbox.next() {
                notes += 1;
                let first = note.document().and_then(|document| document.as_slice().first().copied());
                sum = sum.wrapping_add(note.stamp.to_bits() ^ u64::from(first.unwrap_or(0)));
            }
        }
        (notes, sum)
    }
}
