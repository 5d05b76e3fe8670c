//! Named lists: what each holds, which lists it is part of, and who all that comes to.
//!
//! Invariant: no list holds itself, however far down; none is nested deeper, or comes to more members, than the limits
//! allow; and every list that is named is there. It is checked when a list is set, for it and for all that hold it, so that
//! to expand one never fails.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ListEntry;
use crate::error::{Bound, Error};
use crate::id::{ListId, PresentityId};
use crate::limits::Limits;

/// One list.
#[derive(Debug, Default)]
struct Record {
    entries: Arc<[ListEntry]>,
    /// Lists that name it.
    holders: BTreeSet<ListId>,
}

/// All lists that a shard knows.
#[derive(Debug, Default)]
pub(super) struct Registry {
    lists: BTreeMap<ListId, Record>,
    entries: u64,
}

impl Registry {
    pub(super) fn contains(&self, list: ListId) -> bool {
        self.lists.contains_key(&list)
    }

    /// Sets what a list holds, or changes nothing.
    pub(super) fn set(&mut self, list: ListId, entries: Arc<[ListEntry]>, limits: &Limits) -> Result<(), Error> {
        if let Some(unknown) = nested(&entries).find(|nested| *nested != list && !self.contains(*nested)) {
            return Err(Error::NoSuchList(unknown));
        }
        let is_new = !self.contains(list);
        if is_new && self.lists.len() as u64 >= u64::from(limits.lists) {
            return Err(Error::Limit { bound: Bound::Lists, limit: limits.lists.into() });
        }
        let before = self.replace(list, entries);
        if let Err(why) = self.check(list, limits) {
            self.replace(list, before);
            if is_new {
                self.lists.remove(&list);
            }
            return Err(why);
        }
        Ok(())
    }

    /// Forgets a list that no other names.
    pub(super) fn remove(&mut self, list: ListId) -> Result<(), Error> {
        let record = self.lists.get(&list).ok_or(Error::NoSuchList(list))?;
        if let Some(&holder) = record.holders.first() {
            return Err(Error::ListHeld { list, holder });
        }
        self.replace(list, Arc::default());
        self.lists.remove(&list);
        Ok(())
    }

    /// A list's members and those of the lists in it, each once.
    pub(super) fn members(&self, list: ListId) -> Vec<PresentityId> {
        let (mut members, mut met, mut ahead) = (Vec::new(), BTreeSet::from([list]), Vec::from([list]));
        while let Some(record) = ahead.pop().and_then(|list| self.lists.get(&list)) {
            for entry in record.entries.iter() {
                match *entry {
                    ListEntry::Presentity(member) => members.push(member),
                    ListEntry::List(nested) if met.insert(nested) => ahead.push(nested),
                    ListEntry::List(_) => {}
                }
            }
        }
        members.sort_unstable();
        members.dedup();
        members
    }

    /// A list and all that hold it, directly or not.
    pub(super) fn with_holders(&self, list: ListId) -> BTreeSet<ListId> {
        let (mut met, mut ahead) = (BTreeSet::from([list]), Vec::from([list]));
        while let Some(record) = ahead.pop().and_then(|list| self.lists.get(&list)) {
            ahead.extend(record.holders.iter().copied().filter(|holder| met.insert(*holder)));
        }
        met
    }

    pub(super) fn bytes(&self) -> u64 {
        // An entry of a tree with half of its places free; and what names it in the lists that it holds.
        self.entries * (size_of::<ListEntry>() + 2 * size_of::<ListId>()) as u64
            + (self.lists.len() * 2 * size_of::<(ListId, Record)>()) as u64
    }

    fn replace(&mut self, list: ListId, entries: Arc<[ListEntry]>) -> Arc<[ListEntry]> {
        let record = self.lists.entry(list).or_default();
        self.entries += entries.len() as u64;
        let before = core::mem::replace(&mut record.entries, entries.clone());
        self.entries -= before.len() as u64;
        for old in nested(&before) {
            self.lists.get_mut(&old).map(|record| record.holders.remove(&list));
        }
        for new in nested(&entries) {
            self.lists.get_mut(&new).map(|record| record.holders.insert(list));
        }
        before
    }

    fn check(&self, list: ListId, limits: &Limits) -> Result<(), Error> {
        let above = self.levels(list, limits, |record| record.holders.iter().copied().collect())?;
        let below = self.levels(list, limits, |record| nested(&record.entries).collect())?;
        if above + below > limits.list_depth {
            return Err(Error::Limit { bound: Bound::ListDepth, limit: limits.list_depth.into() });
        }
        let limit = limits.list_members;
        let is_large = |list| self.members(list).len() as u64 > u64::from(limit);
        if self.with_holders(list).into_iter().any(is_large) {
            return Err(Error::Limit { bound: Bound::ListMembers, limit: limit.into() });
        }
        Ok(())
    }

    /// How many levels of lists there are beyond one, on the way that `next` goes. Level by level, since there may be more
    /// paths than anybody can walk; and a list that has just been set is in every cycle that there can be.
    fn levels(&self, list: ListId, limits: &Limits, next: impl Fn(&Record) -> Vec<ListId>) -> Result<u32, Error> {
        let (mut levels, mut level) = (0, BTreeSet::from([list]));
        loop {
            level = level.iter().filter_map(|list| self.lists.get(list)).flat_map(&next).collect();
            if level.is_empty() {
                return Ok(levels);
            }
            if level.contains(&list) {
                return Err(Error::ListCycle(list));
            }
            levels += 1;
            if levels > limits.list_depth {
                return Err(Error::Limit { bound: Bound::ListDepth, limit: limits.list_depth.into() });
            }
        }
    }
}

fn nested(entries: &[ListEntry]) -> impl Iterator<Item = ListId> + '_ {
    entries.iter().filter_map(|entry| match *entry {
        ListEntry::List(nested) => Some(nested),
        ListEntry::Presentity(_) => None,
    })
}
