//! Owners who follow who watches them, and people who ask them; what each follower believes is held against who watches.
//!
//! In worlds of their own, among those where states have a meaning and groups follow no lists, so that other seeds live the lives that they always lived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fanfare_core::{
    Bound, Categories, Error, GroupId, Identity, ListedWatcher, PresentityId, ShardIndex, View, WatcherInformation,
    WatcherKey, WatcherStatus,
};
use rand::RngExt;

use super::truth::{WatchGroup, Watched};
use super::world::World;

/// What one follower believes.
#[derive(Debug)]
pub(super) struct Believed {
    presentity: PresentityId,
    version: Option<u32>,
    watchers: BTreeMap<WatcherKey, ListedWatcher>,
    left_out: u64,
    /// It was offered something and did not take it.
    is_behind: bool,
}

/// Those who follow, by group, and who waits for whose decision.
#[derive(Debug, Default)]
pub(super) struct Followers {
    pub(super) believed: BTreeMap<u64, Believed>,
    waiting: BTreeMap<u64, Vec<Arc<Identity>>>,
}

impl World {
    /// Whether a seed's owners follow who watches them.
    pub(super) fn has_followers(seed: u64) -> bool {
        matches!(seed % 11, 3 | 4) && seed % 5 != 4 && !Self::has_lists(seed)
    }

    pub(super) fn operate_followers(&mut self) -> Result<(), String> {
        self.followers.believed.retain(|key, _| self.groups.contains_key(key));
        match self.rng.random_range(0..11u32) {
            0..=2 => self.follow_own_watchers(),
            3 => self.unfollow(),
            4..=5 => {
                let shard = self.any_shard();
                self.tell_followers(shard, 1)
            }
            6..=7 => self.look_unasked(),
            8..=9 => self.ask_owner(),
            _ => self.come_and_go(),
        }
    }

    fn follow_own_watchers(&mut self) -> Result<(), String> {
        let Some(watcher) = self.any_session() else { return Ok(()) };
        // Few, so that several follow the same and one may be ahead of the other.
        let presentity = PresentityId::new(self.rng.random_range(1..=self.presentities.min(3)));
        let who = Arc::new(Identity::of(presentity));
        let Self { shards, sessions, followers, groups, .. } = self;
        let session = &sessions[&watcher];
        let shard = &mut shards[session.shard];
        let key = self.next_key;
        let Ok(id) = shard.open_group_for(session.id, key, Categories::ALL, who.clone()) else { return Ok(()) };
        self.next_key += 1;
        groups.insert(key, WatchGroup::new(id, watcher, Categories::ALL, Some(who)));
        let stranger = PresentityId::new(presentity.get() + 1);
        if shard.follow_watchers(id, stranger) != Err(Error::NotOwner(stranger)) {
            return Err("C6: a stranger may follow".into());
        }
        let here = |key: &u64| groups.get(key).is_some_and(|group| sessions[&group.watcher].shard == session.shard);
        let others = followers.believed.iter().filter(|(key, it)| here(key) && it.presentity == presentity).count();
        let is_full = others >= self.limits.followers_per_presentity as usize;
        match shard.follow_watchers(id, presentity) {
            Ok(()) if !is_full => {
                let believed =
                    Believed { presentity, version: None, watchers: BTreeMap::new(), left_out: 0, is_behind: false };
                followers.believed.insert(key, believed);
                self.faults.followed += 1;
                Ok(())
            }
            Err(Error::Limit { bound: Bound::Followers, .. }) if is_full => Ok(()),
            // How many homes have still to be told that nobody follows is not known here.
            Err(Error::Limit { bound: Bound::Followed, .. }) if others == 0 => Ok(()),
            other => Err(format!("C8: to follow beside {others} others gave {other:?}")),
        }
    }

    fn any_follower(&mut self) -> Option<u64> {
        let nth = self.rng.random_range(0..self.followers.believed.len().max(1));
        self.followers.believed.keys().nth(nth).copied()
    }

    fn unfollow(&mut self) -> Result<(), String> {
        let Some(key) = self.any_follower() else { return Ok(()) };
        self.followers.believed.remove(&key);
        let group = &self.groups[&key];
        let shard = &mut self.shards[self.sessions[&group.watcher].shard];
        if !shard.unfollow_watchers(group.id) || shard.unfollow_watchers(group.id) {
            return Err("a follower ends once".into());
        }
        match shard.watcher_information(group.id) {
            None => Ok(()),
            Some(told) => Err(format!("C5: {told:?} after the end")),
        }
    }

    fn look_unasked(&mut self) -> Result<(), String> {
        let Some(key) = self.any_follower() else { return Ok(()) };
        let group = &self.groups[&key];
        let shard = self.sessions[&group.watcher].shard;
        self.take_information(shard, key, group.id)
    }

    /// One group comes and goes, again and again, and now and then somebody looks.
    fn come_and_go(&mut self) -> Result<(), String> {
        let presentity = PresentityId::new(self.rng.random_range(1..=self.presentities.min(3)));
        for _ in 0..self.rng.random_range(4..40) {
            let Some(key) = self.any_group_where(|group| group.who.is_none()) else { return Ok(()) };
            let group = self.groups.get_mut(&key).ok_or("a group")?;
            let shard = self.sessions[&group.watcher].shard;
            if group.watched.remove(&presentity.get()).is_some() {
                let ended = self.shards[shard].unsubscribe(group.id, &[presentity]);
                ended.map_err(|why| format!("an end was refused: {why}"))?;
            } else if self.shards[shard].subscribe(group.id, View(0), &[presentity]).is_ok() {
                group.watched.insert(presentity.get(), Watched::new(View(0)));
            }
            let home = self.home_of(presentity);
            for shard in [shard, home] {
                if self.stalled[shard] == 0 {
                    self.step(shard, self.now, 12)?;
                }
            }
            for _ in 0..4 {
                self.carry_some()?;
            }
            let follower = self.any_shard();
            self.tell_followers(follower, 1)?;
        }
        Ok(())
    }

    fn ask_owner(&mut self) -> Result<(), String> {
        let (shard, presentity) = (self.any_shard(), self.any_presentity());
        let who = Arc::new(self.any_identity());
        let asked = self.shards[shard].ask_owner(presentity, who);
        self.asked(shard, presentity, asked)
    }

    /// A home is asked to let the owner decide: what it must answer.
    pub(super) fn serve_ask(&mut self, presentity: PresentityId, who: &Arc<Identity>) -> View {
        let view = self.policies.view_of(presentity.get(), who);
        let waiting = self.followers.waiting.entry(presentity.get()).or_default();
        if view == View::PENDING && waiting.iter().all(|other| other.user != who.user) {
            waiting.push(who.clone());
        }
        view
    }

    /// A home has accepted a policy: whom it says something of waits no more.
    pub(super) fn answer_waiting(&mut self, presentity: PresentityId) {
        let Self { policies, followers, .. } = self;
        if let Some(waiting) = followers.waiting.get_mut(&presentity.get()) {
            waiting.retain(|who| policies.view_of(presentity.get(), who) == View::PENDING);
        }
    }

    /// Tells the followers of a shard, or some of them, what there is.
    pub(super) fn tell_followers(&mut self, shard: usize, most: usize) -> Result<(), String> {
        for _ in 0..most {
            let Some(follower) = self.shards[shard].next_follower() else { return Ok(()) };
            let key = follower.group_token;
            let group = self.groups.get(&key).ok_or("C5: the follower of a closed group")?;
            let believed = self.followers.believed.get_mut(&key).ok_or("C5: a follower that follows no more")?;
            let is_his = (follower.group, follower.watcher_token) == (group.id, group.watcher);
            if !is_his || believed.presentity != follower.presentity {
                return Err(format!("{follower:?} is none"));
            }
            if !self.sessions[&group.watcher].is_active {
                return Err("an inactive follower is to be told something".into());
            }
            if most != usize::MAX && key % 2 == 0 {
                // Its socket is full.
                believed.is_behind = true;
                continue;
            }
            self.take_information(shard, key, follower.group)?;
        }
        Ok(())
    }

    /// Those that did not take what they were offered look for themselves.
    pub(super) fn tell_those_behind(&mut self) -> Result<(), String> {
        let behind = self.followers.believed.iter().filter(|(key, it)| it.is_behind && self.groups.contains_key(key));
        for key in behind.map(|(key, _)| *key).collect::<Vec<_>>() {
            let group = &self.groups[&key];
            let shard = self.sessions[&group.watcher].shard;
            self.take_information(shard, key, group.id)?;
        }
        Ok(())
    }

    fn take_information(&mut self, shard: usize, key: u64, group: GroupId) -> Result<(), String> {
        let Some(told) = self.shards[shard].watcher_information(group) else { return Ok(()) };
        let WatcherInformation { presentity, version, full, watchers, left_out } = told;
        self.stir(u64::from(version) ^ watchers.len() as u64 ^ presentity.get() << 32);
        let believed = self.followers.believed.get_mut(&key).ok_or("C5: information after the end")?;
        let due = believed.version.map_or(0, |version| version + 1);
        if (believed.presentity, due) != (presentity, version) || (due == 0 && !full) {
            return Err(format!("version {version}, full: {full}, where {due} of {:?} was due", believed.presentity));
        }
        (believed.version, believed.is_behind) = (Some(version), false);
        self.faults.follower_told += 1;
        self.faults.follower_told_all_again += u64::from(full && version != 0);
        if full {
            believed.watchers.clear();
        }
        let nothing_new = watchers.is_empty() && believed.left_out == left_out && !full;
        believed.left_out = left_out;
        self.faults.watcher_left_out += u64::from(left_out != 0);
        let mut named = BTreeSet::new();
        for listed in &watchers {
            self.faults.watcher_waiting += u64::from(listed.status == WatcherStatus::Waiting);
            let before = match listed.status {
                WatcherStatus::Terminated if full => return Err("a whole list names who has ended".into()),
                WatcherStatus::Terminated => believed.watchers.remove(&listed.key),
                _ => believed.watchers.insert(listed.key, *listed),
            };
            let who_changed = before.is_some_and(|before| before.watcher != listed.watcher);
            if who_changed || !named.insert(listed.key) {
                return Err(format!("{listed:?} after {before:?}"));
            }
        }
        if nothing_new { Err("a follower was told nothing".into()) } else { Ok(()) }
    }

    /// Every follower believes what is true.
    pub(super) fn check_followers(&self) -> Result<(), String> {
        for (key, believed) in self.followers.believed.iter().filter(|(key, _)| self.groups.contains_key(key)) {
            let group = &self.groups[key];
            let wrong = |what: String| Err(format!("the follower {key} of {:?} believes {what}", believed.presentity));
            if believed.version.is_none() {
                return wrong("nothing: it was never told".into());
            }
            if !self.sessions[&group.watcher].is_active {
                continue;
            }
            let truth = self.watchers_of(believed.presentity);
            let (mut listed_by, mut pending) = (vec![0; self.shards.len()], BTreeSet::new());
            let mut waiting = BTreeSet::new();
            for (key, listed) in &believed.watchers {
                match *key {
                    WatcherKey::Waiting(user) => {
                        waiting.insert(user);
                    }
                    WatcherKey::Subscription { shard, .. } => {
                        listed_by[shard.index()] += 1;
                        let is_true = truth.get(key) == Some(&(listed.watcher, listed.status));
                        if !is_true {
                            return wrong(format!("{listed:?}, and true is {:?}", truth.get(key)));
                        }
                        pending.extend(listed.watcher.filter(|_| listed.status == WatcherStatus::Pending));
                    }
                }
            }
            let mut left_out = 0;
            for (shard, listed) in listed_by.into_iter().enumerate() {
                let of_shard = |key: &&WatcherKey| matches!(key, WatcherKey::Subscription { shard: of, .. } if *of == ShardIndex::new(shard));
                let all = truth.keys().filter(of_shard).count();
                if listed != all.min(self.limits.watchers_listed as usize) {
                    return wrong(format!("in {listed} watchers of shard {shard}, and there are {all}"));
                }
                left_out += (all - listed) as u64;
            }
            if left_out != believed.left_out {
                return wrong(format!("that {} are left out, and {left_out} are", believed.left_out));
            }
            let asked = self.followers.waiting.get(&believed.presentity.get());
            let users = asked.into_iter().flatten().map(|who| who.user);
            let due: BTreeSet<_> = users.filter(|user| !pending.contains(user)).collect();
            if waiting != due {
                return wrong(format!("that {waiting:?} wait, and {due:?} do"));
            }
        }
        Ok(())
    }

    /// Who watches a presentity and is not refused.
    fn watchers_of(&self, presentity: PresentityId) -> BTreeMap<WatcherKey, (Option<PresentityId>, WatcherStatus)> {
        let groups = self.groups.values().filter_map(|group| Some((group, group.watched.get(&presentity.get())?)));
        let listed = groups.filter_map(|(group, watched)| {
            let granted = group.who.as_ref().map(|who| self.policies.view_of(presentity.get(), who));
            let status = match granted.unwrap_or(watched.view) {
                View::BLOCKED => return None,
                View::PENDING => WatcherStatus::Pending,
                _ => WatcherStatus::Active,
            };
            let shard = ShardIndex::new(self.sessions[&group.watcher].shard);
            let key = WatcherKey::Subscription { shard, group: group.id };
            Some((key, (group.who.as_ref().map(|who| who.user), status)))
        });
        listed.collect()
    }
}
