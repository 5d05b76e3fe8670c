//! A look at everything: every invariant of a shard, checked the slow way. For tests and simulations.

use alloc::vec::Vec;

use super::slot::{HELD, LANES, SlotRun, place};
use super::topic::{JOINED, LIVE, OWES_JOIN, OWES_LEAVE, WALKS, WALKS_LONG, WALKS_SHORT};
use super::watcher::Standing;
use super::{FanOut, ShardMemory};
use crate::document::Document;
use crate::error::Corrupt;
use crate::store::NONE;

pub(super) fn wrong<T>(rule: &'static str, index: impl Into<u64>) -> Result<T, Corrupt> {
    Err(Corrupt { rule, index: index.into() })
}

impl<B: ShardMemory> FanOut<B> {
    /// Turns that subscriptions are owed and were not told yet. Looks at every subscription.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.used_slots().map(|slot| u64::from(self.behind(slot))).sum()
    }

    /// Checks every invariant of the fan-out; `published` are the documents that the layer above holds. Looks at everything several times.
    pub(crate) fn verify_all<'a>(&'a self, published: impl Iterator<Item = &'a Document>) -> Result<(), Corrupt> {
        self.topics.verify()?;
        self.homes.verify(published)?;
        self.verify_gates()?;
        let slots = self.verify_watchers()?;
        self.verify_slots(slots)?;
        self.verify_lists()?;
        self.verify_tenants()?;
        self.verify_sessions()?;
        self.verify_information()?;
        self.verify_polls()?;
        let c = &self.counters;
        let accounted = c.delivered + c.skipped + c.cancelled + c.filtered + self.pending();
        if c.owed != accounted {
            return wrong(
                "owed = delivered + skipped + cancelled + filtered + pending (C3)",
                c.owed.abs_diff(accounted),
            );
        }
        Ok(())
    }

    fn used_slots(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.topics.topics.ever())
            .filter(|&topic| self.topics.topics[topic].lives())
            .flat_map(|topic| self.topics.subscribers(topic))
    }

    fn behind(&self, slot: u32) -> u16 {
        let (run, lane) = place(slot);
        let record = &self.outboxes.runs[run];
        self.outboxes.seen.behind(self.topics.topics[record.topics[lane]].turn, record.seen[lane])
    }

    /// Follows every watcher to its groups and runs; tells how many slots they have.
    fn verify_watchers(&self) -> Result<u64, Corrupt> {
        let outboxes = &self.outboxes;
        let (mut watchers, mut groups, mut runs, mut slots, mut ready, mut held_runs) = (0, 0, 0, 0u64, 0u64, 0u64);
        for index in 0..outboxes.watchers.ever() {
            let watcher = &outboxes.watchers[index];
            if watcher.generation & 1 == 0 {
                continue;
            }
            watchers += 1;
            let mut dirty_runs = 0u32;
            let mut group = watcher.groups.head;
            while group != NONE {
                groups += 1;
                let record = &outboxes.groups[group];
                if record.watcher != index || record.generation & 1 == 0 {
                    return wrong("a group in a watcher's list is that watcher's", group);
                }
                let (mut run, mut len, mut full_before) = (record.runs.head, 0, false);
                while run != NONE {
                    runs += 1;
                    let record = &outboxes.runs[run];
                    self.verify_run(run, record, index, group)?;
                    if full_before && !record.is_full() {
                        return wrong("runs with a free lane come first", run);
                    }
                    full_before = record.is_full();
                    len += record.used.count_ones();
                    let is_held = record.flags & HELD != 0;
                    held_runs += u64::from(is_held);
                    dirty_runs += u32::from(record.dirty != 0 && !is_held);
                    run = record.links.next;
                }
                if len != record.len {
                    return wrong("a group counts its subscriptions", group);
                }
                slots += u64::from(len);
                group = record.links.next;
            }
            let mut run = watcher.dirty.head;
            while run != NONE {
                let record = &outboxes.runs[run];
                if record.dirty == 0 || record.watcher != index || record.flags & HELD != 0 {
                    return wrong("a run in a watcher's dirty list is dirty and that watcher's", run);
                }
                dirty_runs = dirty_runs.wrapping_sub(1);
                run = record.dirty_links.next;
            }
            if dirty_runs != 0 {
                return wrong("every dirty run is in its watcher's list", index);
            }
            if watcher.dirty.is_empty() != (watcher.standing == Standing::Idle as u8) {
                return wrong("a watcher is idle exactly while it has no dirty run", index);
            }
            ready += u64::from(watcher.standing == Standing::Ready as u8);
        }
        if held_runs != outboxes.verify_paces()? {
            return wrong("every held run is in its group's pace", held_runs);
        }
        outboxes.verify_wishes()?;
        outboxes.verify_tags()?;
        outboxes.group_expiries.verify(&outboxes.groups)?;
        if ready != outboxes.ready.waiting as u64 {
            return wrong("ready watchers are counted", ready);
        }
        let mut places: Vec<u32> = outboxes.ready.places().collect();
        places.sort_unstable();
        if let Some(pair) = places.windows(2).find(|pair| pair[0] == pair[1]) {
            return wrong("nobody has two places among the ready", pair[0]);
        }
        for index in 0..outboxes.watchers.ever() {
            let record = &outboxes.watchers[index];
            let has_place = places.binary_search(&index).is_ok();
            if has_place != (record.has_place != 0) {
                return wrong("whoever has a place among the ready knows it", index);
            }
            if record.standing == Standing::Ready as u8 && !has_place {
                return wrong("every ready watcher has a place", index);
            }
        }
        for (rule, found, counted) in [
            ("watchers are counted", watchers, outboxes.watchers.live()),
            ("groups are counted", groups, outboxes.groups.live()),
            ("runs are counted", runs, outboxes.runs.live()),
        ] {
            if found != counted {
                return wrong(rule, found);
            }
        }
        Ok(slots)
    }

    fn verify_run(&self, index: u32, run: &SlotRun, watcher: u32, group: u32) -> Result<(), Corrupt> {
        if run.watcher != watcher || run.group != group {
            return wrong("a run names its watcher and its group", index);
        }
        if run.used == 0 || (run.dirty | run.fresh) & !run.used != 0 {
            return wrong("a run has a lane in use, and only such are dirty or fresh", index);
        }
        for lane in (0..LANES as usize).filter(|lane| run.used & 1 << lane != 0) {
            let (topic, entry) = (run.topics[lane], run.entries[lane]);
            let lives = self.topics.topics.get(topic).is_some_and(|topic| topic.lives());
            let (entries, position) = place(entry);
            let named = self.topics.entries.get(entries).and_then(|run| run.slots.get(position));
            if !lives || named != Some(&(index * LANES + lane as u32)) {
                return wrong("a slot's entry names the slot", index * LANES + lane as u32);
            }
        }
        Ok(())
    }

    /// Follows every topic to its subscribers.
    fn verify_slots(&self, slots: u64) -> Result<(), Corrupt> {
        let (mut subscribers, mut entry_runs) = (0u64, 0u32);
        for index in 0..self.topics.topics.ever() {
            let topic = &self.topics.topics[index];
            if !topic.lives() {
                continue;
            }
            entry_runs += topic.len.div_ceil(super::subscriber::ENTRIES);
            for slot in self.topics.subscribers(index) {
                subscribers += 1;
                let (run, lane) = place(slot);
                if self.outboxes.runs[run].topics[lane] != index {
                    return wrong("a topic's subscriber looks at the topic", slot);
                }
                let is_dirty = self.outboxes.runs[run].dirty & 1 << lane != 0;
                let may_rest = topic.has(WALKS) || !topic.is_open(self.now);
                if self.behind(slot) != 0 && !is_dirty && !may_rest {
                    return wrong("who is owed something is marked, or a walk is on its way", slot);
                }
                if self.behind(slot) > 3 * self.outboxes.seen.lap + 1 {
                    return wrong("nobody is more than three laps behind", slot);
                }
            }
        }
        if subscribers != slots {
            return wrong("topics have as many subscribers as groups have subscriptions", subscribers);
        }
        if entry_runs != self.topics.entries.live() {
            return wrong("entry runs are counted", entry_runs);
        }
        Ok(())
    }

    fn verify_lists(&self) -> Result<(), Corrupt> {
        let (mut walking, mut owing) = (0u64, 0u64);
        for index in 0..self.topics.topics.ever() {
            let topic = &self.topics.topics[index];
            walking += u64::from(topic.lives() && topic.has(WALKS));
            owing += u64::from(topic.lives() && topic.has(OWES_JOIN | OWES_LEAVE));
            if topic.lives() && !topic.has(LIVE | OWES_JOIN | OWES_LEAVE | JOINED) {
                return wrong("a silent topic waits for its home", index);
            }
        }
        let lists = self.all_walks().flat_map(|walks| [(&walks.short, WALKS_SHORT), (&walks.long, WALKS_LONG)]);
        for (list, flag) in lists {
            let mut topic = list.head;
            while topic != NONE {
                if !self.topics.topics[topic].has(flag) || walking == 0 {
                    return wrong("a walk list holds walks of its kind", topic);
                }
                walking -= 1;
                topic = self.topics.places[topic].walk_links.next;
            }
        }
        if walking != 0 {
            return wrong("every walk is in a list", walking);
        }
        for (home, link) in self.links.iter().enumerate() {
            let mut topic = link.interests.head;
            while topic != NONE {
                if self.home_of_topic(topic).index() != home || owing == 0 {
                    return wrong("a topic owes its interest to its home", topic);
                }
                owing -= 1;
                topic = self.topics.places[topic].interest_links.next;
            }
            let polls = self.polls.on_link(crate::id::ShardIndex::new(home));
            if polls > link.credits_out as usize {
                return wrong("every poll holds a credit of each home that it asks", home as u64);
            }
            if link.credits_out > self.made_with.credits {
                return wrong("no more credits than were given", home as u64);
            }
            if link.returns.len() > self.returns_max() + 2 * crate::id::CATEGORIES {
                return wrong("documents to hand back are bounded (C8)", link.returns.len() as u64);
            }
        }
        if owing != 0 {
            return wrong("every topic that owes interest is in a list", owing);
        }
        Ok(())
    }
}
