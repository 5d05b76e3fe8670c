//! Gates: which view of a presentity each watcher of this shard gets, and what happens when that changes (C6).
//!
//! As long as a presentity has no policy of its own the scheme's guard decides and a gate costs nothing. A policy comes
//! with an update of a view: the gate is made, every topic of the presentity is closed at once, its subscriptions are
//! asked for again a bounded number at a step, and each topic opens when the last of its own was. Then the home is told
//! that the policy is applied. A presentity's updates travel behind its policy, so none that was composed under it can be
//! shown by a topic that does not know it.
//!
//! Invariant: a topic that is closed belongs to a gate that closes; a gate lives while its presentity has a topic here.
//! It weighs 56 bytes and a table's entry for each presentity with a policy that this shard watches.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::message::{Message, NewGuard};
use super::subscriber::ENTRIES;
use super::topic::{CLOSED, LIVE, OWES_LEAVE};
use super::{FanOut, ShardMemory};
use crate::error::Corrupt;
use crate::guard::{Guard, Verdict};
use crate::id::{PolicyEpoch, PresentityId, ShardIndex, View};
use crate::identity::Identity;
use crate::store::{Arena, Heap, IdTable, Links, List, NONE, Record, Slab, SlabFull};

/// One presentity's policy, as applied here.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    presentity: PresentityId,
    guard: Option<Arc<dyn Guard>>,
    pub(crate) epoch: PolicyEpoch,
    /// The closed topic under re-evaluation, and how many of its oldest entries were not asked for yet.
    topic: u32,
    left: u32,
    /// The run that the newest of these is in, as long as that is known.
    run: u32,
    /// Among the gates that close, or in the link's list of those that have closed and not said so.
    links: Links,
    standing: Standing,
}

const _: () = assert!(size_of::<Gate>() == 56);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Settled,
    Closes,
    OwesApplied,
}

impl Gate {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Record for Gate {
    fn chain(&mut self) -> &mut u32 {
        &mut self.left
    }
}

/// The gates of a shard, and who its groups are.
pub(crate) struct Gates {
    gates: Slab<Gate, Heap>,
    table: IdTable,
    closing: List,
    /// By group; it is as long as the last group that has an identity needs.
    identities: Arena<Option<Arc<Identity>>, Heap>,
    /// Decides for all presentities without a policy.
    default: Arc<dyn Guard>,
    /// Views that there are: what a guard names beyond them shows nothing.
    views: u16,
}

impl Gates {
    pub(crate) fn new(default: Arc<dyn Guard>, views: u16, seed: u64) -> Self {
        Self {
            gates: Slab::on_heap(u32::MAX - 1),
            table: IdTable::new(seed),
            closing: List::EMPTY,
            identities: Arena::on_heap(),
            default,
            views,
        }
    }

    fn find(&self, presentity: PresentityId) -> Option<u32> {
        if self.gates.live() == 0 {
            return None;
        }
        self.table.find(presentity, |gate| self.gates[gate].presentity == presentity)
    }

    /// The newest policy of a presentity that is known here.
    pub(crate) fn epoch_of(&self, presentity: PresentityId) -> PolicyEpoch {
        self.find(presentity).map_or(PolicyEpoch::default(), |gate| self.gates[gate].epoch)
    }

    /// What the policy that is known here says of a watcher, and its number.
    pub(crate) fn decide(&self, presentity: PresentityId, who: &Identity) -> (Verdict, PolicyEpoch) {
        let gate = self.find(presentity).map(|gate| &self.gates[gate]);
        let guard = gate.and_then(|gate| gate.guard.as_ref()).unwrap_or(&self.default);
        (self.verdict_of(&**guard, who), gate.map_or(PolicyEpoch::default(), |gate| gate.epoch))
    }

    /// What a guard says of a watcher, if it is a view that there is.
    pub(crate) fn verdict_of(&self, guard: &dyn Guard, who: &Identity) -> Verdict {
        let mut verdict = guard.decide(who);
        if verdict.view.0 >= self.views && !verdict.view.is_closed() {
            // A guard that keeps its word names none; one that does not must not open anything.
            verdict.view = View::BLOCKED;
        }
        verdict
    }

    pub(crate) fn identity(&self, group: u32) -> Option<&Arc<Identity>> {
        if group < self.identities.len() { self.identities[group].as_ref() } else { None }
    }

    /// Says who a group is, or that nobody is.
    pub(crate) fn set_identity(&mut self, group: u32, who: Option<Arc<Identity>>) -> Result<(), SlabFull> {
        while who.is_some() && self.identities.len() <= group {
            self.identities.push()?;
        }
        if group < self.identities.len() {
            self.identities[group] = who;
        }
        Ok(())
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.closing.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.gates.bytes()
    }

    pub(crate) fn identities_bytes(&self) -> u64 {
        self.identities.bytes()
    }

    pub(crate) fn table_bytes(&self) -> u64 {
        self.table.bytes()
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// A policy has come with an update for one of the presentity's topics.
    #[cold]
    pub(crate) fn take_guard(&mut self, topic: u32, new: NewGuard) {
        let presentity = self.topics.topics[topic].presentity;
        let gate = self.gate_for(presentity);
        let record = &mut self.gates.gates[gate];
        if record.epoch >= new.epoch {
            // It has come with the update for another of its topics already.
            return;
        }
        record.epoch = new.epoch;
        record.guard = new.guard;
        record.topic = NONE;
        self.leave_list(gate);
        self.gates.gates[gate].standing = Standing::Closes;
        self.gates.closing.push_back(&mut self.gates.gates, gate, Gate::links);
        self.counters.policies_taken += 1;
        for other in self.topics_of(presentity) {
            let record = &mut self.topics.topics[other];
            record.state |= CLOSED;
            if other != topic {
                // Its own update follows, as of the policy's stamp or later; what it knows may be older.
                record.state &= !LIVE;
            }
        }
    }

    fn gate_for(&mut self, presentity: PresentityId) -> u32 {
        if let Some(gate) = self.gates.find(presentity) {
            return gate;
        }
        let Gates { gates, table, .. } = &mut self.gates;
        // The mesh has no way to refuse a policy, and to go on without would show what it denies.
        let gate = gates.insert().expect("memory for a policy");
        gates[gate] = Gate { presentity, topic: NONE, ..Gate::default() };
        table.insert(presentity, gate, |gate| gates[gate].presentity).expect("memory for a policy");
        gate
    }

    fn topics_of(&self, presentity: PresentityId) -> Vec<u32> {
        let all = self.topics.table.candidates(presentity);
        all.filter(|&topic| self.topics.topics[topic].presentity == presentity).collect()
    }

    /// Takes a gate out of the list that it is in.
    fn leave_list(&mut self, gate: u32) {
        let Gate { presentity, standing, .. } = self.gates.gates[gate];
        let home = self.home_of(presentity);
        let list = match standing {
            Standing::Settled => return,
            Standing::Closes => &mut self.gates.closing,
            Standing::OwesApplied => &mut self.links[home.index()].applied,
        };
        list.remove(&mut self.gates.gates, gate, Gate::links);
        self.gates.gates[gate].standing = Standing::Settled;
    }

    /// Forgets a policy when nobody here looks at its presentity any more.
    pub(crate) fn drop_gate_if_unwatched(&mut self, presentity: PresentityId) {
        let Some(gate) = self.gates.find(presentity) else { return };
        if self.topics_of(presentity).is_empty() {
            self.leave_list(gate);
            self.gates.gates[gate].guard = None;
            self.gates.table.remove(presentity, gate);
            self.gates.gates.remove(gate);
        }
    }

    /// Asks again for up to so many subscriptions of gates that close, and tells how many it were.
    pub(crate) fn reevaluate(&mut self, budget: usize) -> usize {
        let mut left = budget;
        while left > 0 && !self.gates.closing.is_empty() {
            let gate = self.gates.closing.head;
            left -= self.reevaluate_gate(gate, left);
        }
        budget - left
    }

    fn reevaluate_gate(&mut self, gate: u32, budget: usize) -> usize {
        let presentity = self.gates.gates[gate].presentity;
        let Some(topic) = self.closed_topic(gate) else {
            self.leave_list(gate);
            self.gates.gates[gate].standing = Standing::OwesApplied;
            let home = self.home_of(presentity);
            self.links[home.index()].applied.push_back(&mut self.gates.gates, gate, Gate::links);
            return 0;
        };
        let record = &self.topics.topics[topic];
        // From the newest entry to the oldest: what a removal brings here from the end was asked for already, and what
        // comes in at the end was asked for before it came.
        let Gate { mut left, mut run, .. } = self.gates.gates[gate];
        if run == NONE {
            run = record.head;
            for _ in 0..(record.len.div_ceil(ENTRIES) - left.div_ceil(ENTRIES)) {
                run = self.topics.entries[run].next;
            }
        }
        let mut visited = 0;
        while left > 0 && visited < budget {
            left -= 1;
            visited += 1;
            let entries = &self.topics.entries[run];
            let slot = entries.slots[(left % ENTRIES) as usize];
            if left.is_multiple_of(ENTRIES) {
                run = entries.next;
            }
            self.reevaluate_slot(slot, presentity);
        }
        self.counters.reevaluated += visited as u64;
        let record = &mut self.gates.gates[gate];
        (record.left, record.run) = (left, run);
        if left == 0 {
            self.open_topic(topic);
            self.gates.gates[gate].topic = NONE;
        }
        visited.max(1)
    }

    /// The closed topic that a gate is at, or the next one.
    fn closed_topic(&mut self, gate: u32) -> Option<u32> {
        let Gate { presentity, topic, .. } = self.gates.gates[gate];
        let is_closed = |topic: u32| {
            let record = &self.topics.topics[topic];
            record.lives() && record.presentity == presentity && record.has(CLOSED)
        };
        if topic != NONE && is_closed(topic) {
            return Some(topic);
        }
        let topic = self.topics_of(presentity).into_iter().find(|&topic| is_closed(topic))?;
        let len = self.topics.topics[topic].len;
        let record = &mut self.gates.gates[gate];
        (record.topic, record.left, record.run) = (topic, len, NONE);
        Some(topic)
    }

    /// A closed topic has lost a subscriber: where its gate goes on may have gone with it.
    #[cold]
    pub(crate) fn shorten_reevaluation(&mut self, topic: u32) {
        let record = &self.topics.topics[topic];
        let Some(gate) = self.gates.find(record.presentity) else { return };
        let gate = &mut self.gates.gates[gate];
        if gate.topic == topic && gate.left > record.len {
            (gate.left, gate.run) = (record.len, NONE);
        }
    }

    fn reevaluate_slot(&mut self, slot: u32, presentity: PresentityId) {
        let (run, _) = super::slot::place(slot);
        let group = self.outboxes.runs[run].group;
        let Some(who) = self.gates.identity(group) else {
            // It was subscribed to the view by number, and policy has no say in it.
            return;
        };
        let (verdict, _) = self.gates.decide(presentity, who);
        // Neither topics nor entries can run out: each topic has a subscription, and there are no more of those.
        self.move_slot(slot, presentity, verdict.view).expect("memory for a change of policy");
    }

    /// Every subscriber of a topic may see it now.
    fn open_topic(&mut self, topic: u32) {
        let record = &mut self.topics.topics[topic];
        record.state &= !CLOSED;
        if record.has(LIVE) {
            self.begin_or_extend_walk(topic);
        }
    }

    /// The next policy that this shard has applied, for its home.
    pub(crate) fn next_applied(&mut self, to: ShardIndex) -> Option<Message> {
        let gate = self.links[to.index()].applied.head;
        if gate == NONE {
            return None;
        }
        let Gate { presentity, epoch, .. } = self.gates.gates[gate];
        let topics = self.topics.table.candidates(presentity).map(|topic| &self.topics.topics[topic]);
        if topics.filter(|topic| topic.presentity == presentity).any(|topic| topic.has(OWES_LEAVE)) {
            // What its watchers were moved away from is left first, so that the home sees who watches what.
            return None;
        }
        self.leave_list(gate);
        Some(Message::Applied { presentity, epoch })
    }

    pub(crate) fn verify_gates(&self) -> Result<(), Corrupt> {
        let wrong = |rule, index: u32| Err(Corrupt { rule, index: index.into() });
        for topic in 0..self.topics.topics.ever() {
            let record = &self.topics.topics[topic];
            if !record.lives() || !record.has(CLOSED) {
                continue;
            }
            let gate = self.gates.find(record.presentity).map(|gate| self.gates.gates[gate].standing);
            if gate != Some(Standing::Closes) {
                return wrong("a closed topic belongs to a gate that closes (C6)", topic);
            }
        }
        let mut gates = 0;
        for gate in 0..self.gates.gates.ever() {
            let presentity = self.gates.gates[gate].presentity;
            if self.gates.find(presentity) != Some(gate) {
                continue;
            }
            gates += 1;
            if self.topics_of(presentity).is_empty() {
                return wrong("a gate lives while its presentity is watched", gate);
            }
        }
        if gates != self.gates.gates.live() {
            return wrong("gates are counted", gates);
        }
        Ok(())
    }
}
