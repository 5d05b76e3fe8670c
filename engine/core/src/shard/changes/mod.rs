//! What a topic's changes were, for groups that are not told every one of them, or only what is different.
//!
//! Beside the topics, and only for those that such a group watches here. When an update comes in, what it replaces is still
//! there: so each distinct trigger is asked once for each change, and a difference is made once, however many watch; what is
//! kept is the turn at which a trigger fired last, and the newest difference of each category. A topic that was watched so
//! once is kept here until it is let go of. Invariant: each run of such a group says so. A shard without such groups pays a look at an empty map
//! for each update.

mod partial;
mod trigger;

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use bytes::Bytes;
pub use partial::Differ;
pub use trigger::{Change, PartTrigger, Trigger};

use super::conditional::StateTag;
use super::message::{Part, Parts};
use super::slot::{CHOOSY, LANES, Outboxes, PARTIAL, SlotRun, place};
use super::verify::wrong;
use super::{FanOut, ShardMemory};
use crate::error::Corrupt;
use crate::id::{CATEGORIES, Category};
use crate::store::NONE;

/// How a group is told of changes, if not of each and in full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    trigger: Option<Arc<dyn Trigger>>,
    is_partial: bool,
}

impl Wish {
    pub(crate) fn flags(&self) -> u8 {
        let trigger = if self.trigger.is_some() { CHOOSY } else { 0 };
        trigger | if self.is_partial { PARTIAL } else { 0 }
    }
}

/// A trigger, while a group has it, and when it last fired for a topic.
#[derive(Debug)]
struct Firing {
    trigger: Weak<dyn Trigger>,
    turn: u32,
}

/// What is kept of one topic.
#[derive(Debug, Default)]
struct Kept {
    firings: Vec<Firing>,
    is_partial: bool,
    /// The newest change of a category as a difference, where it could be told as one.
    differences: [Option<Bytes>; CATEGORIES],
}

/// What is kept, by topic.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    kept: BTreeMap<u32, Kept>,
    differ: Option<Arc<dyn Differ>>,
}

impl Changes {
    pub(crate) fn new(differ: Option<Arc<dyn Differ>>) -> Self {
        Self { kept: BTreeMap::new(), differ }
    }

    /// Whether somebody here has to know what a topic's changes are.
    #[inline]
    pub(crate) fn are_kept(&self, topic: u32) -> bool {
        !self.kept.is_empty() && self.kept.contains_key(&topic)
    }

    /// The topic is let go of.
    #[inline]
    pub(crate) fn forget(&mut self, topic: u32) {
        if !self.kept.is_empty() {
            self.kept.remove(&topic);
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        let of_one = |kept: &Kept| {
            let differences: usize = kept.differences.iter().flatten().map(Bytes::len).sum();
            // An entry of a tree with half of its places free.
            kept.firings.capacity() * size_of::<Firing>() + differences + 2 * size_of::<(u32, Kept)>()
        };
        self.kept.values().map(of_one).sum::<usize>() as u64
    }

    /// A subscription with this wish looks at a topic, which is at that turn. Triggers beyond `most` are not asked: whose group
    /// has one is told everything.
    fn keep(&mut self, (topic, turn): (u32, u32), wish: &Wish, most: u32) {
        let kept = self.kept.entry(topic).or_default();
        kept.is_partial |= wish.is_partial;
        let Some(trigger) = &wish.trigger else { return };
        if kept.firing_of(trigger).is_none() {
            kept.firings.retain(|firing| firing.trigger.strong_count() != 0);
            if kept.firings.len() < most as usize {
                kept.firings.push(Firing { trigger: Arc::downgrade(trigger), turn });
            }
        }
    }
}

impl Kept {
    fn firing_of(&self, trigger: &Arc<dyn Trigger>) -> Option<&Firing> {
        let address = Arc::as_ptr(trigger).cast::<()>();
        self.firings.iter().find(|firing| firing.trigger.as_ptr().cast::<()>() == address)
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// A slot whose group has a wish looks at a topic.
    #[cold]
    pub(crate) fn keep_changes(&mut self, slot: u32, topic: u32) {
        let group = self.outboxes.runs[place(slot).0].group;
        let turn = self.topics.topics[topic].turn;
        if let Some(wish) = self.outboxes.wishes.get(&group) {
            self.topics.documents.changes.keep((topic, turn), wish, self.limits.triggers_per_topic);
        }
    }

    /// An update is about to bring a topic to that turn: what it replaces is still there.
    #[cold]
    pub(crate) fn note_changes(&mut self, topic: u32, turn: u32, whole: bool, parts: &Parts) {
        let mut changed: [Option<Option<Bytes>>; CATEGORIES] = Default::default();
        each_change(parts, &mut |part| {
            changed[part.category.index()] =
                Some(part.document.as_ref().map(|it| Bytes::copy_from_slice(it.as_slice())));
        });
        for category in Category::all() {
            let after = match changed[category.index()].take() {
                Some(after) => after,
                // What a whole update does not name is gone.
                None if whole => None,
                None => continue,
            };
            let before = self.topics.document(topic, category).map(|it| Bytes::copy_from_slice(it.as_slice()));
            if before != after {
                self.topics.documents.changes.note(topic, turn, category, before.as_deref(), after.as_deref());
            }
        }
    }

    /// Lets a group wish what it wished on another shard.
    pub(crate) fn put_wish(&mut self, group: u32, wish: Wish) {
        self.wish(group, |before| *before = wish);
    }

    /// Sets or changes what a group wishes, and has its topics know.
    fn wish(&mut self, group: u32, change: impl FnOnce(&mut Wish)) {
        let wishes = &mut self.outboxes.wishes;
        let wish = wishes.entry(group).or_default();
        change(wish);
        let flags = wish.flags();
        if flags == 0 {
            wishes.remove(&group);
        }
        self.outboxes.flag_runs(group, |before| before & !(CHOOSY | PARTIAL) | flags);
        let mut run = self.outboxes.groups[group].runs.head;
        while run != NONE && flags != 0 {
            let SlotRun { used, topics, links, .. } = self.outboxes.runs[run];
            for lane in (0..LANES).filter(|lane| used >> lane & 1 != 0) {
                self.keep_changes(run * LANES + lane, topics[lane as usize]);
            }
            run = links.next;
        }
    }
}

impl<B: ShardMemory> Outboxes<B> {
    /// What groups wish and watchers know, in entries of trees with half of their places free.
    pub(crate) fn wishes_bytes(&self) -> u64 {
        let known = self.known_tags.len() * size_of::<(u32, StateTag)>();
        (2 * (self.wishes.len() * size_of::<(u32, Wish)>() + known)) as u64
    }

    /// Checks that wishes and what their groups' runs say of them agree.
    pub(crate) fn verify_wishes(&self) -> Result<(), Corrupt> {
        for group in 0..self.groups.ever() {
            let record = &self.groups[group];
            let flags = self.wishes.get(&group).map_or(0, Wish::flags);
            if record.generation & 1 == 0 && flags != 0 {
                return wrong("only a group that is open has a wish", group);
            }
            let mut run = if record.generation & 1 == 1 { record.runs.head } else { NONE };
            while run != NONE {
                if self.runs[run].flags & (CHOOSY | PARTIAL) != flags {
                    return wrong("a run knows its group's wish", run);
                }
                run = self.runs[run].links.next;
            }
        }
        Ok(())
    }
}

fn each_change(parts: &Parts, see: &mut impl FnMut(&Part)) {
    match parts {
        Parts::None => {}
        Parts::One(part) => see(part),
        Parts::Many(parts) => parts.iter().for_each(see),
        Parts::Guarded(guarded) => each_change(&guarded.1, see),
    }
}
