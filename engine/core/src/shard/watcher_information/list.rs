//! A list of watchers, and how it is passed on: all of it in bounded pieces, then what has changed.
//!
//! Every change has a number. A reader has a cursor: what it was told by number, or how far by key while it is told the
//! whole. Of a watcher that has ended its end is kept until every reader was told it, and not for ever: of more than so many the
//! oldest are let go of, and a reader that has missed one is told the whole again. So a reader may be as slow as it likes.
//! The whole goes by key and each piece says which stretch it tells all of, so that a receiver knows by itself what is gone.
//! Invariant: each listed one stands once in the order of changes; those that have ended are counted.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;

use super::{ListedWatcher, Stretch, WatcherEvent, WatcherKey, WatcherPiece, WatcherStatus};
use crate::id::{GroupId, PresentityId, ShardIndex};
use crate::limits::Limits;

/// Watchers in one message at the most: it should cost no more than a publication with several categories.
const PIECE_MAX: u32 = 16;

#[derive(Clone, Copy, Debug)]
struct Entry {
    listed: ListedWatcher,
    /// The number of its newest change,
    changed: u64,
    /// and of that which brought it here.
    born: u64,
}

/// Who watches, and in which order that changed.
#[derive(Debug)]
pub(crate) struct WatcherList {
    entries: BTreeMap<WatcherKey, Entry>,
    order: BTreeMap<u64, WatcherKey>,
    /// Those that have ended, by the number of their end.
    ended: BTreeSet<u64>,
    ended_max: usize,
    /// Watchers in one message: no more than the ring has room for messages, so that who makes that small has little under way.
    piece: usize,
    /// The newest change's number,
    changes: u64,
    /// and that of the newest end that was let go of before all were told.
    forgotten: u64,
    /// How many of somebody's subscriptions wait for a decision.
    pending: BTreeMap<PresentityId, u32>,
}

/// How much of a list a reader was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// Every change up to this one was told, or will be by the walk.
    seen: u64,
    /// The newest change of which a walk may have told.
    glimpsed: u64,
    walk: Walk,
    left_out: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Walk {
    /// It is to be told the whole,
    Begin,
    /// and was, up to here,
    At(WatcherKey),
    /// or wholly.
    Done,
}

impl Cursor {
    /// That of a reader that was told nothing.
    pub(crate) const NEW: Self = Self { seen: 0, glimpsed: 0, walk: Walk::Begin, left_out: 0 };

    /// The newest change that the reader may know of. A walk tells of what came after its beginning, too.
    pub(crate) fn told(&self) -> u64 {
        self.seen.max(self.glimpsed)
    }

    /// The newest change whose end the reader does not need to be told any more.
    pub(crate) fn done_with(&self) -> u64 {
        if self.walk == Walk::Begin { u64::MAX } else { self.seen }
    }
}

impl WatcherList {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            ended: BTreeSet::new(),
            ended_max: limits.watchers_listed as usize,
            piece: PIECE_MAX.min(limits.link_slots) as usize,
            changes: 0,
            forgotten: 0,
            pending: BTreeMap::new(),
        }
    }

    pub(crate) fn live(&self) -> usize {
        self.entries.len() - self.ended.len()
    }

    pub(crate) fn is_live(&self, key: WatcherKey) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.listed.status != WatcherStatus::Terminated)
    }

    /// Whether a reader that may know of changes up to `told` may know of a watcher.
    pub(crate) fn is_known(&self, key: WatcherKey, told: u64) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.born <= told)
    }

    /// Those that have not ended.
    pub(crate) fn watchers(&self) -> impl Iterator<Item = &ListedWatcher> {
        let all = self.entries.values().map(|entry| &entry.listed);
        all.filter(|listed| listed.status != WatcherStatus::Terminated)
    }

    /// Whether a subscription of somebody's waits for a decision.
    pub(crate) fn is_pending(&self, watcher: PresentityId) -> bool {
        self.pending.contains_key(&watcher)
    }

    /// Lists a watcher, or says where it stands now; tells whether that is news.
    pub(crate) fn put(&mut self, listed: ListedWatcher) -> bool {
        let before = self.entries.get(&listed.key).copied();
        if before.is_some_and(|before| before.listed.status == listed.status) {
            return false;
        }
        let born = match before {
            Some(before) => {
                self.take_out(before);
                before.born
            }
            None => self.changes + 1,
        };
        self.enter(listed, born);
        true
    }

    /// Ends a watcher; tells whether that is news. `told` is the newest change that some reader may know of: who was never told of the
    /// watcher is not told of its end.
    pub(crate) fn end(&mut self, key: WatcherKey, event: WatcherEvent, told: u64) -> bool {
        let Some(entry) = self.entries.get(&key).copied() else { return false };
        if entry.listed.status == WatcherStatus::Terminated {
            return false;
        }
        self.take_out(entry);
        if entry.born > told {
            self.entries.remove(&key);
            return false;
        }
        self.enter(ListedWatcher { status: WatcherStatus::Terminated, event, ..entry.listed }, entry.born);
        if self.ended.len() > self.ended_max
            && let Some(oldest) = self.ended.pop_first()
        {
            self.forgotten = oldest;
            self.drop_end(oldest);
        }
        true
    }

    /// Lets go of ends that every reader is done with.
    pub(crate) fn forget_ends(&mut self, upto: u64) {
        while let Some(&oldest) = self.ended.first().filter(|&&oldest| oldest <= upto) {
            self.ended.pop_first();
            self.drop_end(oldest);
        }
    }

    /// Takes in a piece of a shard's list, or of a home's; tells whether it brought news.
    pub(crate) fn take(&mut self, piece: &WatcherPiece, of: Option<ShardIndex>, told: u64) -> bool {
        let mut is_news = false;
        for listed in &piece.watchers {
            is_news |= match listed.status {
                WatcherStatus::Terminated => self.end(listed.key, listed.event, told),
                _ => self.put(*listed),
            };
        }
        let Some(stretch) = piece.covers else { return is_news };
        let (first, last) = match of {
            Some(shard) => (Bound::Included(first_of(shard)), Bound::Included(last_of(shard))),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let from = stretch.after.map_or(first, Bound::Excluded);
        let upto = stretch.upto.map_or(last, Bound::Included);
        // A sender's stretches follow each other; nonsense would be a panic of the map's.
        if let (Bound::Excluded(after), Bound::Included(upto)) = (from, upto)
            && after >= upto
        {
            return is_news;
        }
        let named = |key: &WatcherKey| piece.watchers.iter().any(|listed| listed.key == *key);
        let gone: Vec<WatcherKey> = self.entries.range((from, upto)).map(|(key, _)| *key).collect();
        for key in gone.into_iter().filter(|key| !named(key)) {
            is_news |= self.end(key, WatcherEvent::Timeout, told);
        }
        is_news
    }

    /// Ends all that a shard has listed.
    pub(crate) fn end_all_of(&mut self, shard: ShardIndex, told: u64) -> bool {
        let keys: Vec<WatcherKey> = self.entries.range(first_of(shard)..=last_of(shard)).map(|(key, _)| *key).collect();
        keys.into_iter().fold(false, |is_news, key| self.end(key, WatcherEvent::Timeout, told) | is_news)
    }

    /// Whether a reader has to be told anything.
    pub(crate) fn is_owed(&self, cursor: &Cursor, left_out: u64) -> bool {
        cursor.walk != Walk::Done || cursor.seen < self.changes || cursor.left_out != left_out
    }

    /// What a reader is to be told next.
    pub(crate) fn next_piece(
        &self,
        cursor: &mut Cursor,
        (presentity, round): (PresentityId, u32),
        left_out: u64,
    ) -> Option<WatcherPiece> {
        if !self.is_owed(cursor, left_out) {
            return None;
        }
        if cursor.walk == Walk::Done && cursor.seen < self.forgotten {
            cursor.walk = Walk::Begin;
        }
        cursor.left_out = left_out;
        let after = match cursor.walk {
            Walk::Done => {
                let changed = self.order.range(cursor.seen + 1..).take(self.piece);
                let watchers: Box<[_]> = changed.clone().map(|(_, key)| self.entries[key].listed).collect();
                cursor.seen = if watchers.len() < self.piece {
                    self.changes
                } else {
                    changed.last().map_or(self.changes, |(change, _)| *change)
                };
                return Some(WatcherPiece { presentity, round, covers: None, watchers, left_out });
            }
            Walk::Begin => {
                // What changes from now on is told after the walk, or once more.
                cursor.seen = self.changes;
                None
            }
            Walk::At(key) => Some(key),
        };
        cursor.glimpsed = self.changes;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let watchers: Box<[_]> =
            self.entries.range((from, Bound::Unbounded)).take(self.piece).map(|(_, entry)| entry.listed).collect();
        let upto = watchers.last().filter(|_| watchers.len() == self.piece).map(|last| last.key);
        cursor.walk = upto.map_or(Walk::Done, Walk::At);
        Some(WatcherPiece { presentity, round, covers: Some(Stretch { after, upto }), watchers, left_out })
    }

    /// All for a follower that was told everything up to a change, or nothing yet: whether it is the whole list, and which.
    pub(crate) fn since(&self, seen: Option<u64>) -> (bool, Box<[ListedWatcher]>) {
        let Some(seen) = seen.filter(|&seen| seen >= self.forgotten) else {
            return (true, self.watchers().copied().collect());
        };
        let changed = self.order.range(seen + 1..).map(|(_, key)| &self.entries[key]);
        // What came and went meanwhile is nothing to him.
        let known = changed.filter(|entry| entry.listed.status != WatcherStatus::Terminated || entry.born <= seen);
        (false, known.map(|entry| entry.listed).collect())
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    pub(crate) fn bytes(&self) -> u64 {
        // Entries of trees with half of their places free.
        let each = size_of::<(WatcherKey, Entry)>() + size_of::<(u64, WatcherKey)>();
        let pending = self.pending.len() * size_of::<(PresentityId, u32)>();
        (2 * (self.entries.len() * each + self.ended.len() * size_of::<u64>() + pending)) as u64
    }

    /// Whether counts and orders agree with the entries.
    pub(crate) fn is_sound(&self) -> bool {
        let is_ended = |entry: &Entry| entry.listed.status == WatcherStatus::Terminated;
        self.order.len() == self.entries.len()
            && self.order.iter().all(|(change, key)| self.entries.get(key).is_some_and(|it| it.changed == *change))
            && self.entries.values().all(|it| is_ended(it) == self.ended.contains(&it.changed))
            && self.entries.values().filter(|it| is_ended(it)).count() == self.ended.len()
            && self.ended.len() <= self.ended_max
            && self.pending.values().map(|count| *count as usize).sum::<usize>()
                == self.entries.values().filter(|it| counts_as_pending(&it.listed).is_some()).count()
    }

    fn enter(&mut self, listed: ListedWatcher, born: u64) {
        self.changes += 1;
        let changed = self.changes;
        self.order.insert(changed, listed.key);
        if listed.status == WatcherStatus::Terminated {
            self.ended.insert(changed);
        }
        if let Some(watcher) = counts_as_pending(&listed) {
            *self.pending.entry(watcher).or_default() += 1;
        }
        self.entries.insert(listed.key, Entry { listed, changed, born });
    }

    /// Takes an entry out of everything but the entries.
    fn take_out(&mut self, entry: Entry) {
        self.order.remove(&entry.changed);
        self.ended.remove(&entry.changed);
        if let Some(watcher) = counts_as_pending(&entry.listed)
            && let Some(count) = self.pending.get_mut(&watcher)
        {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&watcher);
            }
        }
    }

    fn drop_end(&mut self, change: u64) {
        if let Some(key) = self.order.remove(&change) {
            self.entries.remove(&key);
        }
    }
}

fn counts_as_pending(listed: &ListedWatcher) -> Option<PresentityId> {
    listed.watcher.filter(|_| listed.status == WatcherStatus::Pending)
}

fn first_of(shard: ShardIndex) -> WatcherKey {
    WatcherKey::Subscription { shard, group: GroupId::from_bits(0) }
}

fn last_of(shard: ShardIndex) -> WatcherKey {
    WatcherKey::Subscription { shard, group: GroupId::from_bits(u64::MAX) }
}
