//! A few shards joined by hand, without faults: for tests that tell one story.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_core::{
    Accepted, Categories, Category, EndpointPublication, GroupId, Heap, Identity, Limits, Outcome, PolicyEdit,
    PresentityId, Publication, Refusal, Rendition, Scheme, Shard, ShardConfig, ShardIndex, Stamp, Tick, Ticket, View,
    WatcherId,
};

/// What a watcher was told, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// By whose presence.
    pub presentity: PresentityId,
    /// In which view.
    pub view: View,
    /// The version.
    pub stamp: Stamp,
    /// Whether it was the first.
    pub first: bool,
    /// Changes that it stands for besides its own.
    pub skipped: u32,
    /// The first document told.
    pub document: Option<Vec<u8>>,
    /// The categories told, each with its document or with nothing where that is gone.
    pub parts: Vec<(Category, Option<Vec<u8>>)>,
}

impl Heard {
    /// The composed state that was told.
    ///
    /// # Panics
    /// If no state was told, or one that is not composed.
    #[must_use]
    pub fn rendition(&self) -> Rendition<'_> {
        Rendition::from_bytes(self.part(Category::FIRST).expect("a state was told")).expect("the state is composed")
    }

    /// The document told of that category, if there is one.
    #[must_use]
    pub fn part(&self, category: Category) -> Option<&[u8]> {
        self.parts.iter().find(|(told, _)| *told == category)?.1.as_deref()
    }

    /// The categories told, those whose document is gone among them.
    #[must_use]
    pub fn told(&self) -> Vec<Category> {
        self.parts.iter().map(|(category, _)| *category).collect()
    }
}

/// Shards and their common clock.
pub struct Mesh {
    /// The shards.
    pub shards: Vec<Shard<Heap>>,
    /// Their time, in microseconds.
    pub now: u64,
}

impl Mesh {
    /// So many shards with these limits.
    ///
    /// # Panics
    /// If the limits are out of range.
    #[must_use]
    pub fn new(shards: usize, limits: Limits) -> Self {
        Self::with_scheme(shards, limits, Scheme::plain())
    }

    /// So many shards with these limits, on which presence means this.
    ///
    /// # Panics
    /// If the limits are out of range.
    #[must_use]
    pub fn with_scheme(shards: usize, limits: Limits, scheme: Scheme) -> Self {
        let scheme = Arc::new(scheme);
        let make = |index| {
            let config = ShardConfig { limits, scheme: scheme.clone(), ..ShardConfig::new(index, shards) };
            Shard::new(config, Heap).expect("a shard")
        };
        Self { shards: (0..shards).map(make).collect(), now: 0 }
    }

    /// A watcher with one group of somebody's that wants everything policy grants.
    ///
    /// # Panics
    /// At a limit.
    pub fn watcher_for(&mut self, shard: usize, who: Identity) -> (WatcherId, GroupId) {
        let watcher = self.shards[shard].open_watcher(0).expect("room for a watcher");
        let group = self.shards[shard].open_group_for(watcher, 0, Categories::ALL, Arc::new(who));
        (watcher, group.expect("room for a group"))
    }

    /// A watcher with one group that wants everything.
    ///
    /// # Panics
    /// At a limit.
    pub fn watcher(&mut self, shard: usize) -> (WatcherId, GroupId) {
        let watcher = self.shards[shard].open_watcher(0).expect("room for a watcher");
        let group = self.shards[shard].open_group(watcher, 0, Categories::ALL).expect("room for a group");
        (watcher, group)
    }

    /// A presentity whose home is that shard; different for each `nth`.
    ///
    /// # Panics
    /// Never: every shard has presentities.
    #[must_use]
    pub fn presentity_at(&self, home: usize, nth: usize) -> PresentityId {
        let of_home = |id: &PresentityId| id.partition().home(self.shards.len()).index() == home;
        (1..).map(PresentityId::new).filter(of_home).nth(nth).expect("ids without end")
    }

    /// Publishes a plain document from that shard.
    ///
    /// # Panics
    /// If the shard refuses.
    pub fn publish(&mut self, shard: usize, presentity: PresentityId, document: &[u8]) -> Ticket {
        let publication = Publication::plain(presentity, Bytes::copy_from_slice(document));
        self.shards[shard].publish(publication).expect("a credit")
    }

    /// Publishes a category at the presentity's home, without composition, and settles.
    ///
    /// # Panics
    /// If the shard refuses.
    pub fn publish_category(&mut self, presentity: PresentityId, category: Category, document: &'static str) {
        let home = presentity.partition().home(self.shards.len()).index();
        let publication = Publication { category, ..Publication::plain(presentity, document.into()) };
        self.shards[home].publish(publication).expect("a credit");
        self.settle();
    }

    /// One turn of every shard, links included; what outcomes came.
    pub fn turn(&mut self, entries: usize) -> Vec<(Ticket, Outcome)> {
        let mut outcomes = Vec::new();
        for index in 0..self.shards.len() {
            self.shards[index].step(Tick::from_micros(self.now), entries);
            outcomes.extend(std::iter::from_fn(|| self.shards[index].next_outcome()));
            for to in (0..self.shards.len()).filter(|&to| to != index) {
                let (from_index, to_index) = (ShardIndex::new(index), ShardIndex::new(to));
                while let Some(document) = self.shards[index].next_return(to_index) {
                    self.shards[to].receive_return(document);
                }
                while self.shards[to].can_receive(from_index) {
                    let Some(message) = self.shards[index].next_message(to_index) else { break };
                    self.shards[to].receive(from_index, message);
                }
            }
        }
        outcomes
    }

    /// Turns until nothing moves but the drains.
    pub fn settle(&mut self) -> Vec<(Ticket, Outcome)> {
        (0..8).flat_map(|_| self.turn(1 << 20)).collect()
    }

    /// Settles; the outcome of the one request that was under way.
    ///
    /// # Panics
    /// If not exactly one outcome came.
    pub fn outcome(&mut self) -> Outcome {
        let mut outcomes = self.settle();
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        outcomes.remove(0).1
    }

    /// What the home says to a publication of an endpoint, asked for from that shard.
    ///
    /// # Errors
    /// The home's refusal.
    ///
    /// # Panics
    /// If the shard itself refuses, or more was under way.
    pub fn endpoint(&mut self, shard: usize, publication: EndpointPublication) -> Result<Accepted, Refusal> {
        self.shards[shard].publish_endpoint(publication).expect("a credit");
        match self.outcome() {
            Outcome::Accepted(accepted) => Ok(accepted),
            Outcome::Refused(refusal) => Err(refusal),
            other => panic!("{other:?} answers no publication"),
        }
    }

    /// What becomes of a change of policy, asked for from that shard.
    ///
    /// # Panics
    /// If the shard itself refuses, or more was under way.
    pub fn policy(&mut self, shard: usize, edit: PolicyEdit) -> Outcome {
        self.shards[shard].set_policy(edit).expect("a credit");
        self.outcome()
    }

    /// What that watcher has to be told now.
    pub fn hear(&mut self, shard: usize, watcher: WatcherId) -> Vec<Heard> {
        self.hear_some(shard, watcher, usize::MAX)
    }

    /// The first so many of it; the rest is left.
    pub fn hear_some(&mut self, shard: usize, watcher: WatcherId, count: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut outbox = self.shards[shard].outbox(watcher);
        while heard.len() < count {
            let Some(note) = outbox.next() else { break };
            heard.push(Heard {
                presentity: note.presentity,
                view: note.view,
                stamp: note.stamp,
                first: note.first,
                skipped: note.skipped,
                document: note.document().map(|document| document.as_slice().to_vec()),
                parts: note.parts().map(|(category, it)| (category, it.map(|it| it.as_slice().to_vec()))).collect(),
            });
        }
        heard
    }

    /// Checks every invariant of every shard.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn verify(&self) {
        for shard in &self.shards {
            shard.verify().expect("every invariant");
        }
    }
}
