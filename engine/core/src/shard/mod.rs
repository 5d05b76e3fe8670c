//! The shard: homes, topics, watchers and what is under way between them, on one core, in one thread of control.
//!
//! A publication becomes the newest state at its *home*; the home owes an update to every shard that listens; there it
//! becomes the newest state of a *topic*; a *walk* marks the topic's subscriptions; and a *drain* tells each watcher
//! what is newest when it gets to it. Nothing on the way is a queue of states, so nothing grows when somebody is slow.

mod approach;
mod changes;
mod conditional;
mod counters;
mod documents;
mod drain;
pub(crate) mod expiry;
mod flapping;
#[cfg(feature = "floor")]
mod floor;
mod gate;
mod group;
pub(crate) mod home;
mod interest;
mod link;
mod members;
mod memory;
pub(crate) mod message;
mod note;
mod pace;
mod poll;
mod query;
mod quota;
mod ready;
mod request;
mod session;
mod slot;
mod subscriber;
mod subscription;
mod tenant;
mod topic;
mod update;
mod verify;
mod walk;
mod wanted;
mod watcher;
pub(crate) mod watcher_information;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

pub use approach::MESSAGES_TOGETHER;
use changes::Changes;
pub use changes::{Change, Differ, PartTrigger, Trigger};
use conditional::KnownTags;
pub use conditional::StateTag;
pub use counters::Counters;
use documents::Documents;
pub use drain::Outbox;
use expiry::Expiries;
#[cfg(feature = "floor")]
pub use floor::{FloorDone, FloorOrder, FloorRoom};
use gate::Gates;
use group::Group;
pub use group::{EndReason, GroupEnded};
use home::{Home, Homes, Reader};
use link::Link;
pub use members::MembersChanged;
use message::Outcome;
pub use note::Note;
pub use pace::{Gathered, Rate};
use pace::{GatheredLists, Paces};
use poll::Polls;
pub use query::Explanation;
use ready::Ready;
use session::{Arrivals, Sessions};
pub use session::{ResumeToken, Session, SessionEnded, SessionRefused};
use slot::{LANES, Outboxes, Seen, SlotRun};
use subscriber::EntryRun;
use tenant::Tenants;
use topic::{Topic, TopicPlaces, Topics};
use walk::Walks;
use watcher::Watcher;
use watcher_information::{FollowedPresentities, Followings, Reports};

use crate::error::{Bound, Error, ShardError};
use crate::guard::Guard;
use crate::id::{Categories, GroupId, PresentityId, SHARDS_MAX, ShardIndex, ShardSet, Tick, Ticket};
use crate::limits::Limits;
use crate::store::{Arena, Backing, Heap, Hints, IdTable, OutOfMemory, Slab, SlabFull};
use crate::tenant::Tenancy;

/// A backing for every kind of record that a shard keeps in it.
pub trait ShardMemory:
    Hints
    + Backing<SlotRun>
    + Backing<Watcher>
    + Backing<Group>
    + Backing<EntryRun>
    + Backing<Topic>
    + Backing<TopicPlaces>
    + Backing<Home>
    + Backing<Reader>
{
}

impl<B> ShardMemory for B where
    B: Hints
        + Backing<SlotRun>
        + Backing<Watcher>
        + Backing<Group>
        + Backing<EntryRun>
        + Backing<Topic>
        + Backing<TopicPlaces>
        + Backing<Home>
        + Backing<Reader>
{
}

/// What a fan-out has to know about itself and its mesh.
pub(crate) struct FanOutConfig {
    pub(crate) index: usize,
    pub(crate) shards: usize,
    pub(crate) homes: usize,
    pub(crate) epoch: u16,
    pub(crate) seed: u64,
    pub(crate) limits: Limits,
    pub(crate) seen_bits: u8,
    /// Decides wherever a presentity has no policy of its own.
    pub(crate) guard: Arc<dyn Guard>,
    /// Views that it decides between.
    pub(crate) views: u16,
    /// Makes differences, if anybody does.
    pub(crate) differ: Option<Arc<dyn Differ>>,
    pub(crate) tag_secret: [u8; 16],
    /// The categories that there are.
    pub(crate) categories: Categories,
    /// Says whose presentities are, if there are tenants.
    pub(crate) tenancy: Option<Arc<dyn Tenancy>>,
}

/// Topics that there can be: more than may be asked for, since a change of policy spreads watchers over views.
const TOPICS_MAX: u32 = (1 << 31) - 1;

/// What a step did and what it left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Subscriber entries that walks visited.
    pub walk_entries: usize,
    /// Whether there is more to do at once.
    pub more: bool,
    /// When something is due next, if nothing comes in: a state or a group that expires, a pace, a policy. What is told or held
    /// back after the step may make it earlier: see [`crate::Shard::deadline`].
    pub deadline: Option<Tick>,
}

/// What a shard weighs, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Records: slots, subscriber lists, watchers and what of theirs is not acknowledged, topics, homes, readers.
    pub arenas: u64,
    /// Groups: their records, identities, expiries and paces.
    pub groups: u64,
    /// The tables from presentities to records.
    pub tables: u64,
    /// Documents that are some view's state.
    pub documents: u64,
    /// Replaced documents that other shards still hold.
    pub retired: u64,
    /// What of `arenas` and `tables` topics take: their records, without subscriber lists.
    pub topics: u64,
    /// What endpoints have published, without documents, what is under way about policies, and lists of watchers who are
    /// followed.
    pub presence: u64,
}

impl Footprint {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.arenas + self.groups + self.tables + self.documents + self.retired + self.presence
    }
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// Watchers open.
    pub watchers: u64,
    /// Groups open.
    pub groups: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Topics: views that this shard's watchers look at.
    pub topics: u64,
    /// Views at home here that have a state.
    pub states: u64,
}

/// The fan-out state machine of one core, as far as it needs no meaning: [`crate::Shard`] adds that.
pub struct FanOut<B: ShardMemory = Heap> {
    index: ShardIndex,
    shards: usize,
    home_shards: usize,
    limits: Limits,
    /// The bounds that arrays and rings were made for, and the most credits that ever were.
    made_with: Limits,
    /// The categories that the scheme names.
    categories: Categories,
    now: Tick,
    outboxes: Outboxes<B>,
    topics: Topics<B>,
    walks: Walks,
    tenants: Option<Box<Tenants>>,
    pub(crate) gates: Gates,
    pub(crate) homes: Homes<B>,
    links: Box<[Link]>,
    /// Who watches whom: what this shard reports, what it gathers as a home, and what its groups follow.
    reports: Reports,
    followed: FollowedPresentities,
    followings: Followings,
    /// Groups that have ended by themselves and were not asked for yet: no more than may end in a step.
    ended: VecDeque<GroupEnded>,
    gathered: GatheredLists,
    /// Parked watchers that have, as many at the most.
    ended_sessions: VecDeque<SessionEnded>,
    /// Subscriptions that have come from another shard and wait for what their home says.
    arrivals: Arrivals,
    /// Outcomes not taken yet, with the homes whose credits they hold.
    outcomes: VecDeque<(ShardSet, Ticket, Outcome)>,
    polls: Polls,
    tickets: u64,
    /// Bulk subscribes so far.
    calls: u32,
    pub(crate) counters: Counters,
}

impl<B: ShardMemory> FanOut<B> {
    pub(crate) fn new(config: FanOutConfig, backing: B) -> Result<Self, ShardError> {
        let FanOutConfig { index, shards, homes, epoch, seed, limits, seen_bits, guard, views, .. } = config;
        let FanOutConfig { categories, tenancy, differ, tag_secret, .. } = config;
        limits.validate()?;
        if index >= shards || shards > SHARDS_MAX {
            return Err(ShardError::Index { index, shards });
        }
        if !(1..=shards).contains(&homes) {
            return Err(ShardError::Homes { homes, shards });
        }
        if !(6..=16).contains(&seen_bits) {
            return Err(ShardError::SeenBits(seen_bits));
        }
        let runs = limits.subscriptions.div_ceil(LANES);
        // There is never need for more than one run for each fifteen subscriptions and one for each topic; the bound is
        // that of a bulk call's worst case, so that it never refuses what would fit. 28 bits are what an entry's
        // number leaves for its run.
        let entry_runs = limits.subscriptions.saturating_add(limits.topics).min((1 << 28) - 1);
        Ok(Self {
            index: ShardIndex::new(index),
            shards,
            home_shards: homes,
            limits,
            made_with: limits,
            categories,
            now: Tick::ZERO,
            outboxes: Outboxes {
                watchers: Slab::new(&backing, limits.watchers)?,
                groups: Slab::new(&backing, limits.groups)?,
                runs: Slab::new(&backing, runs)?,
                ready: Ready::of_tenants(tenancy.is_some()),
                seen: Seen::of_bits(seen_bits),
                group_expiries: Expiries::default(),
                paces: Paces::new(limits.paces),
                wishes: BTreeMap::new(),
                known_tags: KnownTags::new(),
                sessions: Sessions::new(limits.watchers),
            },
            topics: Topics {
                topics: Slab::new(&backing, TOPICS_MAX)?,
                places: Arena::new(&backing, TOPICS_MAX)?,
                documents: Documents::none(Changes::new(differ), tag_secret),
                parts: Slab::on_heap(TOPICS_MAX),
                entries: Slab::new(&backing, entry_runs)?,
                table: IdTable::new(seed),
                has_views: false,
            },
            walks: Walks::NONE,
            tenants: tenancy.map(|tenancy| Box::new(Tenants::new(tenancy, shards))),
            gates: Gates::new(guard, views, seed),
            homes: Homes::new(&backing, epoch, seed)?,
            links: (0..shards).map(|_| Link::new()).collect(),
            reports: Reports::new(limits.watchers_listed),
            followed: FollowedPresentities::default(),
            followings: Followings::default(),
            ended: VecDeque::new(),
            gathered: GatheredLists::new(),
            ended_sessions: VecDeque::new(),
            arrivals: Arrivals::default(),
            outcomes: VecDeque::new(),
            polls: Polls::default(),
            tickets: 0,
            calls: 0,
            counters: Counters::default(),
        })
    }

    /// The latest moment that the shard was told.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.now
    }

    /// Lets time pass, and nothing else: a `now` before an earlier one counts as that earlier one (C7). A step does so by
    /// itself; what is asked of the shard before its step, after it has slept, is else answered as of the last one.
    pub fn pass_time(&mut self, now: Tick) {
        self.now = self.now.max(now);
    }

    /// Whether anything waits for the way from this shard to itself.
    pub(crate) fn has_own_messages(&self) -> bool {
        !self.links[self.index.index()].is_idle()
    }

    /// Puts an outcome where the embedder takes it from.
    pub(crate) fn take_answer(&mut self, from: ShardIndex, ticket: Ticket, outcome: Outcome) {
        match outcome {
            Outcome::FetchedMany(states) => self.take_fetched(from, ticket, states),
            outcome => self.outcomes.push_back((ShardSet::only(from), ticket, outcome)),
        }
    }

    /// Which shard this is.
    #[must_use]
    pub fn index(&self) -> ShardIndex {
        self.index
    }

    /// How many shards the mesh has.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// The shard where a presentity is at home.
    #[must_use]
    pub fn home_of(&self, presentity: PresentityId) -> ShardIndex {
        presentity.partition().home(self.home_shards)
    }

    /// The bounds, as they are now.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Running totals.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn footprint_of_records(&self) -> Footprint {
        let Outboxes { watchers, groups, runs, ready, group_expiries, paces, sessions, .. } = &self.outboxes;
        let tenants = self.tenants.as_ref().map_or(0, |it| it.bytes());
        Footprint {
            arenas: watchers.bytes()
                + runs.bytes()
                + ready.bytes()
                + tenants
                + sessions.bytes()
                + self.arrivals.bytes()
                + self.topics.bytes()
                + self.gates.bytes()
                + self.homes.bytes()
                + self.homes.flapping.bytes(),
            groups: groups.bytes()
                + self.gates.identities_bytes()
                + group_expiries.bytes()
                + paces.bytes()
                + (self.ended.capacity() * size_of::<GroupEnded>()) as u64
                + (self.gathered.capacity() * size_of::<GroupId>()) as u64
                + self.outboxes.wishes_bytes(),
            tables: self.topics.table.bytes() + self.gates.table_bytes() + self.homes.tables_bytes(),
            documents: self.homes.documents_bytes,
            retired: self.homes.retired_bytes,
            topics: self.topics.record_bytes() + self.topics.table.bytes(),
            presence: self.information_bytes(),
        }
    }

    /// How many of each there are. Looks at every topic.
    #[must_use]
    pub fn population(&self) -> Population {
        let topics = &self.topics.topics;
        let subscriptions = (0..topics.ever())
            .map(|index| &topics[index])
            .filter(|topic| topic.lives())
            .map(|topic| u64::from(topic.len));
        Population {
            watchers: self.outboxes.watchers.live().into(),
            groups: self.outboxes.groups.live().into(),
            subscriptions: subscriptions.sum(),
            topics: topics.live().into(),
            states: self.homes.states.into(),
        }
    }

    /// When a group ends, a pace has something to do, or a gap between changes is over: the first of them.
    pub(crate) fn first_due(&self) -> Option<Tick> {
        self.first_group_due().into_iter().chain(self.homes.flapping.first_due()).min()
    }

    /// Whether there is nothing to walk, nobody to ask for again or to tell, nothing owed, no outcome, no expiry due.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.has_walks()
            && self.gates.is_settled()
            && self.outboxes.ready.is_empty()
            && self.outcomes.is_empty()
            && self.polls.is_empty()
            && self.ended.is_empty()
            && self.gathered.is_empty()
            && self.ended_sessions.is_empty()
            && self.information_rests()
            && self.first_due().is_none_or(|due| due > self.now)
            && self.links.iter().all(Link::is_idle)
            && self.homes.next_expiry().is_none_or(|(expires, _)| expires > self.now)
    }

    /// Ends states that are past their expiry, up to the limit; tells whether more are due.
    pub(crate) fn expire_due(&mut self) -> bool {
        let mut left = self.limits.expiries_per_step as usize;
        while let Some((expires, view)) = self.homes.next_expiry() {
            if expires > self.now {
                return false;
            }
            if left == 0 {
                return true;
            }
            left = left.saturating_sub(self.expire_view(view));
            if self.homes.evict_if_empty(view) {
                self.counters.evicted += 1;
            }
        }
        false
    }
}

/// The error for a slab that took no more.
fn full(why: SlabFull, bound: Bound, limit: u32, what: &'static str) -> Error {
    match why {
        SlabFull::Limit => Error::Limit { bound, limit: limit.into() },
        SlabFull::Memory => Error::OutOfMemory(what),
    }
}

impl From<OutOfMemory> for ShardError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}
