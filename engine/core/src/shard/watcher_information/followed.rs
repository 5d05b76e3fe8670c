//! The home's side: who is followed by which shards, what the shards with watchers have reported, and one list of it all.
//!
//! Each shard that has interest in a presentity that is followed is asked for a report, those that come later too; one that loses
//! interest is told to cease. The list is passed on once every shard asked at first has reported. Who waits for the owner's
//! decision is said by the layer above. Invariant: a presentity is here while somebody follows it, or a shard was not told yet to
//! cease.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::list::{Cursor, WatcherList};
use super::{ListedWatcher, Owed, WatcherEvent, WatcherKey, WatcherMessage, WatcherPiece, WatcherStatus};
use crate::error::Corrupt;
use crate::id::{PresentityId, ShardIndex, ShardSet};
use crate::shard::{FanOut, ShardMemory};

/// A shard that was asked to report.
#[derive(Clone, Copy, Debug)]
struct Source {
    round: u32,
    /// Whether it has told all it had.
    is_whole: bool,
    left_out: u64,
}

/// A presentity at home here whose watchers somebody follows.
#[derive(Debug)]
struct Followed {
    list: WatcherList,
    sources: BTreeMap<ShardIndex, Source>,
    /// The shards that follow, each with the number that its list goes under.
    followers: BTreeMap<ShardIndex, (u32, Cursor)>,
    /// Who waits for the owner's decision.
    waiting: Box<[PresentityId]>,
    is_whole: bool,
}

impl Followed {
    fn told(&self) -> u64 {
        self.followers.values().map(|(_, cursor)| cursor.told()).max().unwrap_or(0)
    }

    fn left_out(&self) -> u64 {
        self.sources.values().map(|source| source.left_out).sum()
    }

    /// Lists as waiting whoever waits and has no subscription that does.
    fn list_waiting(&mut self, event: WatcherEvent) -> bool {
        let told = self.told();
        let mut is_news = false;
        for &user in &self.waiting {
            let key = WatcherKey::Waiting(user);
            is_news |= if self.list.is_pending(user) {
                self.list.end(key, WatcherEvent::Giveup, told)
            } else {
                self.list.put(ListedWatcher { key, watcher: Some(user), status: WatcherStatus::Waiting, event })
            };
        }
        is_news
    }
}

/// All of a home shard.
#[derive(Debug, Default)]
pub(crate) struct FollowedPresentities {
    followed: BTreeMap<PresentityId, Followed>,
    rounds: u32,
}

impl FollowedPresentities {
    fn contains(&self, presentity: PresentityId) -> bool {
        self.followed.contains_key(&presentity)
    }

    pub(crate) fn bytes(&self) -> u64 {
        let each = 2 * size_of::<(PresentityId, Followed)>() as u64;
        let shard = 2 * size_of::<(ShardIndex, (u32, Cursor))>() + 2 * size_of::<(ShardIndex, Source)>();
        let bytes_of = |followed: &Followed| {
            let shards = followed.sources.len().max(followed.followers.len());
            followed.list.bytes() + each + (shards * shard + size_of_val(&*followed.waiting)) as u64
        };
        self.followed.values().map(bytes_of).sum()
    }
}

impl<B: ShardMemory> FanOut<B> {
    pub(super) fn take_follow(&mut self, from: ShardIndex, presentity: PresentityId, round: u32) {
        let followed = self.followed.followed.entry(presentity).or_insert_with(|| Followed {
            list: WatcherList::new(&self.limits),
            sources: BTreeMap::new(),
            followers: BTreeMap::new(),
            waiting: Box::default(),
            is_whole: false,
        });
        followed.followers.insert(from, (round, Cursor::NEW));
        for shard in self.interested_in(presentity).iter() {
            self.owe_information(shard, Owed::Report(presentity));
        }
        self.pass_on(presentity);
    }

    pub(super) fn take_unfollow(&mut self, from: ShardIndex, presentity: PresentityId) {
        let Some(followed) = self.followed.followed.get_mut(&presentity) else { return };
        followed.followers.remove(&from);
        if !followed.followers.is_empty() {
            return;
        }
        for shard in followed.sources.keys() {
            self.links[shard.index()].information.push(Owed::Report(presentity));
        }
        self.forget_if_unfollowed(presentity);
    }

    /// A shard has begun to listen to a view of a presentity's, or has ended.
    pub(crate) fn interest_has_changed(&mut self, shard: ShardIndex, presentity: PresentityId) {
        if self.followed.contains(presentity) {
            self.owe_information(shard, Owed::Report(presentity));
            self.pass_on(presentity);
        }
    }

    /// Whether somebody follows who watches a presentity at home here.
    pub(crate) fn is_followed(&self, presentity: PresentityId) -> bool {
        self.followed.contains(presentity)
    }

    /// These wait for the owner's decision, and nobody else.
    pub(crate) fn set_waiting(&mut self, presentity: PresentityId, waiting: Box<[PresentityId]>) {
        let Some(followed) = self.followed.followed.get_mut(&presentity) else { return };
        let told = followed.told();
        for user in core::mem::replace(&mut followed.waiting, waiting) {
            if !followed.waiting.contains(&user) {
                followed.list.end(WatcherKey::Waiting(user), WatcherEvent::Giveup, told);
            }
        }
        followed.list_waiting(WatcherEvent::Subscribe);
        self.pass_on(presentity);
    }

    /// The owner has decided on somebody who waited.
    pub(crate) fn end_waiting(&mut self, presentity: PresentityId, user: PresentityId, event: WatcherEvent) {
        if let Some(followed) = self.followed.followed.get_mut(&presentity) {
            let told = followed.told();
            followed.list.end(WatcherKey::Waiting(user), event, told);
        }
    }

    pub(super) fn take_reported(&mut self, from: ShardIndex, piece: &WatcherPiece) {
        let Some(followed) = self.followed.followed.get_mut(&piece.presentity) else { return };
        let told = followed.told();
        let Some(source) = followed.sources.get_mut(&from).filter(|source| source.round == piece.round) else {
            // It was told to cease, and perhaps to begin anew, while this was on its way.
            return;
        };
        source.left_out = piece.left_out;
        source.is_whole |= piece.covers.is_some_and(|stretch| stretch.upto.is_none());
        if followed.list.take(piece, Some(from), told) {
            followed.list_waiting(WatcherEvent::Timeout);
        }
        self.pass_on(piece.presentity);
    }

    pub(super) fn make_report(&mut self, presentity: PresentityId, to: ShardIndex) -> Option<WatcherMessage> {
        let is_interested = self.interested_in(presentity).contains(to);
        let followed = self.followed.followed.get_mut(&presentity)?;
        let is_wanted = is_interested && !followed.followers.is_empty();
        match (is_wanted, followed.sources.contains_key(&to)) {
            (true, false) => {
                self.followed.rounds = self.followed.rounds.wrapping_add(1);
                let round = self.followed.rounds;
                followed.sources.insert(to, Source { round, is_whole: false, left_out: 0 });
                Some(WatcherMessage::Report { presentity, round })
            }
            (false, true) => {
                followed.sources.remove(&to);
                let told = followed.told();
                if followed.list.end_all_of(to, told) {
                    followed.list_waiting(WatcherEvent::Timeout);
                }
                self.pass_on(presentity);
                self.forget_if_unfollowed(presentity);
                Some(WatcherMessage::Cease { presentity })
            }
            _ => None,
        }
    }

    pub(super) fn make_listed(&mut self, presentity: PresentityId, to: ShardIndex) -> Option<WatcherMessage> {
        let followed = self.followed.followed.get_mut(&presentity).filter(|followed| followed.is_whole)?;
        let left_out = followed.left_out();
        let (round, cursor) = followed.followers.get_mut(&to)?;
        let piece = followed.list.next_piece(cursor, (presentity, *round), left_out)?;
        let is_owed = followed.list.is_owed(cursor, left_out);
        let done_with = followed.followers.values().map(|(_, cursor)| cursor.done_with()).min();
        followed.list.forget_ends(done_with.unwrap_or(u64::MAX));
        if is_owed {
            self.owe_information(to, Owed::Listed(presentity));
        }
        Some(WatcherMessage::Listed(piece))
    }

    /// Owes each shard that follows what it was not told, once all who were asked have told all they had.
    fn pass_on(&mut self, presentity: PresentityId) {
        let interested = self.interested_in(presentity);
        let Some(followed) = self.followed.followed.get_mut(&presentity) else { return };
        let has_reported = |shard: ShardIndex| followed.sources.get(&shard).is_some_and(|source| source.is_whole);
        if !followed.is_whole && !interested.iter().all(has_reported) {
            return;
        }
        followed.is_whole = true;
        let left_out = followed.left_out();
        for (shard, (_, cursor)) in &followed.followers {
            if followed.list.is_owed(cursor, left_out) {
                self.links[shard.index()].information.push(Owed::Listed(presentity));
            }
        }
    }

    /// Shards that listen to any view of a presentity's.
    fn interested_in(&self, presentity: PresentityId) -> ShardSet {
        let mut shards = ShardSet::NONE;
        if let Some(home) = self.homes.find_home(presentity) {
            for reader in self.homes.views_of(home).flat_map(|view| self.homes.readers_of(view)) {
                shards.insert(ShardIndex(self.homes.readers[reader].shard));
            }
        }
        shards
    }

    fn forget_if_unfollowed(&mut self, presentity: PresentityId) {
        let is_over = |followed: &Followed| followed.followers.is_empty() && followed.sources.is_empty();
        if self.followed.followed.get(&presentity).is_some_and(is_over) {
            self.followed.followed.remove(&presentity);
        }
    }

    pub(super) fn verify_followed(&self) -> Result<(), Corrupt> {
        for (presentity, followed) in &self.followed.followed {
            let wrong = |rule| Err(Corrupt { rule, index: presentity.get() });
            if !followed.list.is_sound() {
                return wrong("a home's list of watchers is in order");
            }
            if followed.followers.is_empty() && followed.sources.is_empty() {
                return wrong("who is followed has a follower, or a shard that has still to cease");
            }
            let is_marked = |shard: ShardIndex, owed| self.links[shard.index()].information.contains(owed);
            let interested = self.interested_in(*presentity);
            for shard in (0..self.shards).map(ShardIndex::new) {
                let is_wanted = interested.contains(shard) && !followed.followers.is_empty();
                if is_wanted != followed.sources.contains_key(&shard) && !is_marked(shard, Owed::Report(*presentity)) {
                    return wrong("every shard with watchers of somebody who is followed is asked for them");
                }
            }
            let left_out = followed.left_out();
            for (&shard, (_, cursor)) in followed.followers.iter().filter(|_| followed.is_whole) {
                if followed.list.is_owed(cursor, left_out) && !is_marked(shard, Owed::Listed(*presentity)) {
                    return wrong("what followers were not told is owed");
                }
            }
        }
        Ok(())
    }
}
