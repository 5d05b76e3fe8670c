//! Lists: groups that are told together first, groups that follow named lists, and lists in lists.
//!
//! In worlds of their own (a seed in seven), so that other seeds live the lives that they always lived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fanfare_core::{EndReason, Error, GroupEnded, ListEntry, ListId, PresentityId, Tick, View};
use rand::RngExt;

use super::truth::Watched;
use super::world::World;

/// The longest that a list may gather, in microseconds.
const GATHER_US_MAX: u64 = 2_000;
/// Lists are numbered below it.
const LISTS: u64 = 5;

/// What is on each list of a shard.
pub(super) type Lists = BTreeMap<ListId, Vec<ListEntry>>;

impl World {
    /// Whether a seed's watchers have lists.
    pub(super) fn has_lists(seed: u64) -> bool {
        seed % 7 == 3
    }

    pub(super) fn operate_lists(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..12u32) {
            0..=3 => self.gather(),
            4..=6 => self.set_list(),
            7..=9 => self.follow(),
            10 => self.subscribe_exactly(),
            _ => self.remove_list(),
        }
    }

    fn gather(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|_| true) else { return Ok(()) };
        let wait_us = self.rng.random_range(0..=GATHER_US_MAX);
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = &mut self.shards[self.sessions[&group.watcher].shard];
        shard.gather(group.id, wait_us).map_err(|why| format!("a list was refused: {why}"))?;
        group.gathers_until = Some(shard.now().after_micros(wait_us));
        Ok(())
    }

    /// Lists that are told now must have had something of everybody, or have waited for long enough.
    pub(super) fn take_gathered(&mut self, shard: usize) -> Result<(), String> {
        while let Some(gathered) = self.shards[shard].next_gathered() {
            let group = self.groups.get_mut(&gathered.group_token).ok_or("C5: a closed list has gathered")?;
            let until = group.gathers_until.take().ok_or("a list has gathered twice")?;
            let pending: BTreeSet<_> = self.shards[shard].pending_members(gathered.group).collect();
            let untold = |id: &PresentityId| group.watched.get(&id.get()).is_some_and(|watched| !watched.is_told);
            // Policy may move him to another view in the very step, and the model hears of that when he is told.
            let is_moved = group.who.is_some();
            if pending.len() != gathered.pending as usize || !is_moved && !pending.iter().all(untold) {
                return Err(format!("{gathered:?}, and pending are {pending:?}"));
            }
            if gathered.pending != 0 && !is_moved && self.shards[shard].now() < until {
                return Err(format!("a list is told before {until:?} without {pending:?}"));
            }
            self.faults.list_gathered += 1;
        }
        Ok(())
    }

    fn set_list(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        let list = ListId(self.rng.random_range(0..LISTS));
        let entries: Vec<ListEntry> = (0..self.rng.random_range(0..8u32))
            .map(|_| match self.rng.random_bool(0.2) {
                true => ListEntry::List(ListId(self.rng.random_range(0..LISTS))),
                false => ListEntry::Presentity(self.any_presentity()),
            })
            .collect();
        let lists = &mut self.lists[shard];
        let before = lists.insert(list, entries.clone());
        let is_known = |entry: &ListEntry| matches!(entry, ListEntry::List(id) if !lists.contains_key(id));
        let has_unknown = entries.iter().any(is_known);
        let (members, nested) = expand(lists, list);
        let is_cycle = nested.contains(&list);
        let is_large = members.len() > self.limits.list_members as usize;
        match self.shards[shard].set_list(list, Arc::from(entries)) {
            Ok(()) if !has_unknown && !is_cycle && !is_large => {
                self.faults.list_changed += 1;
                // Whoever follows it, or one that it is on, comes back to what is on that.
                let here = self.groups.values_mut().filter(|it| self.sessions[&it.watcher].shard == shard);
                let touched =
                    here.filter(|it| it.follows.is_some_and(|its| its == list || expand(lists, its).1.contains(&list)));
                touched.for_each(|group| group.is_edited = false);
                return Ok(());
            }
            Err(Error::ListCycle(_)) if is_cycle => self.faults.list_cycle += 1,
            // One that holds it may be too large, or too many stand one in the other.
            Err(Error::Limit { .. }) if !is_cycle => {}
            Err(Error::NoSuchList(_)) if has_unknown => {}
            other => return Err(format!("a list of {members:?}, cycle: {is_cycle}, gave {other:?}")),
        }
        match before {
            Some(before) => lists.insert(list, before),
            None => lists.remove(&list),
        };
        Ok(())
    }

    fn remove_list(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        let list = ListId(self.rng.random_range(0..LISTS));
        let is_held = self.lists[shard].values().flatten().any(|entry| *entry == ListEntry::List(list));
        match self.shards[shard].remove_list(list) {
            Ok(()) if !is_held && self.lists[shard].remove(&list).is_some() => Ok(()),
            Err(Error::ListHeld { .. }) if is_held => Ok(()),
            Err(Error::NoSuchList(_)) if !self.lists[shard].contains_key(&list) => Ok(()),
            other => Err(format!("to remove {list:?} gave {other:?}")),
        }
    }

    fn follow(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|_| true) else { return Ok(()) };
        let list = ListId(self.rng.random_range(0..LISTS));
        let view = View(self.rng.random_range(0..self.views));
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = self.sessions[&group.watcher].shard;
        let followed = match group.who {
            Some(_) => self.shards[shard].watch_list(group.id, list),
            None => self.shards[shard].subscribe_list(group.id, view, list),
        };
        match followed {
            Ok(_) => {
                (group.follows, group.is_edited) = (Some(list), false);
                self.take_members(shard, key)
            }
            Err(Error::Limit { .. }) => Ok(()),
            Err(Error::NoSuchList(_)) if !self.lists[shard].contains_key(&list) => Ok(()),
            Err(why) => Err(format!("{list:?} may not be followed: {why}")),
        }
    }

    fn subscribe_exactly(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|group| group.who.is_none()) else { return Ok(()) };
        let list: Vec<_> = (0..self.rng.random_range(0..20u32)).map(|_| self.any_presentity()).collect();
        let view = View(self.rng.random_range(0..self.views));
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = self.sessions[&group.watcher].shard;
        match self.shards[shard].subscribe_exactly(group.id, view, &list) {
            Ok(_) => {
                group.is_edited = true;
                self.take_members(shard, key)?;
                let watched: BTreeSet<_> = self.groups[&key].watched.keys().copied().collect();
                let meant: BTreeSet<_> = list.iter().map(|id| id.get()).collect();
                if watched == meant { Ok(()) } else { Err(format!("{watched:?} are watched, and not {meant:?}")) }
            }
            Err(Error::Limit { .. }) => Ok(()),
            Err(why) => Err(format!("members were refused: {why}")),
        }
    }

    /// After a step of a shard: who follows a list may have come nearer to it.
    pub(super) fn take_followers(&mut self, shard: usize) -> Result<(), String> {
        let is_meant = |key: &u64| {
            let group = &self.groups[key];
            group.follows.is_some() && self.sessions[&group.watcher].shard == shard
        };
        let keys: Vec<u64> = self.groups.keys().copied().filter(is_meant).collect();
        keys.into_iter().try_for_each(|key| self.take_members(shard, key))
    }

    fn take_members(&mut self, shard: usize, key: u64) -> Result<(), String> {
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let members: BTreeMap<u64, View> =
            self.shards[shard].subscriptions(group.id).map(|(_, who, view)| (who.get(), view)).collect();
        group.watched.retain(|id, _| members.contains_key(id));
        for (id, view) in members {
            group.watched.entry(id).or_insert_with(|| Watched::new(view));
        }
        Ok(())
    }

    /// Whether a group may have ended for the sake of its list.
    pub(super) fn ended_with_its_list(&self, shard: usize, ended: &GroupEnded) -> bool {
        let Some(list) = self.groups.get(&ended.group_token).and_then(|group| group.follows) else { return false };
        match ended.why {
            EndReason::NoResource => !self.lists[shard].contains_key(&list),
            EndReason::Probation => self.lists[shard].contains_key(&list),
            _ => false,
        }
    }

    /// Lets the time pass for which lists wait. Then nobody waits, and every follower is as its list is.
    pub(super) fn rest_with_lists(&mut self) -> Result<(), String> {
        self.settle()?;
        self.now += 2 * GATHER_US_MAX;
        self.settle()?;
        for (key, group) in &self.groups {
            if group.gathers_until.is_some() {
                return Err(format!("list {key} gathers for ever"));
            }
            let shard = self.sessions[&group.watcher].shard;
            let Some(list) = group.follows.filter(|_| !group.is_edited) else { continue };
            let (members, _) = expand(&self.lists[shard], list);
            if !group.watched.keys().copied().eq(members.iter().map(|id| id.get())) {
                return Err(format!("group {key} follows {list:?} of {members:?} and watches {:?}", group.watched));
            }
        }
        Ok(())
    }

    /// Whether a group's notes are too early: it is a list that gathers.
    pub(super) fn gathers(until: Option<Tick>) -> Result<(), String> {
        until.map_or(Ok(()), |until| Err(format!("a list that gathers until {until:?} is told something")))
    }
}

/// Everybody on a list, and the lists in it.
fn expand(lists: &Lists, list: ListId) -> (BTreeSet<PresentityId>, BTreeSet<ListId>) {
    let (mut members, mut met, mut ahead) = (BTreeSet::new(), BTreeSet::new(), vec![list]);
    while let Some(next) = ahead.pop() {
        for entry in lists.get(&next).into_iter().flatten() {
            match *entry {
                ListEntry::Presentity(member) => drop(members.insert(member)),
                ListEntry::List(nested) if met.insert(nested) => ahead.push(nested),
                ListEntry::List(_) => {}
            }
        }
    }
    (members, met)
}
