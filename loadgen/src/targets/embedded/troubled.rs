//! The bad watchers of one shard: holds back those who do not read, and lets others leave and come back.
//!
//! Lives on the shard's core, beside the generator. It knows only the bad ones; a run without trouble has none, and
//! pays one look at an empty table for each watcher that is told something. The invariant: a watcher that was held back
//! is told so to the engine (`writable`) when it reads again, so that nobody stays behind when the point is over.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use fanfare::{Categories, Clock, GroupId, Shard, View, WatcherId};

use crate::crew::Common;
use crate::point::PointOrder;
use crate::population::Scratch;
use crate::presence;
use crate::trouble::{Chance, SLOW_PAUSE, Trouble, TroubleCounts};

/// Watchers that leave or come back in one poll: each that comes back subscribes to all its contacts.
const MOVES_PER_POLL: usize = 16;

/// The bad watchers of one shard.
#[derive(Debug, Default)]
pub(super) struct Troubled {
    bad: Vec<Bad>,
    /// Where each of them stands in that list.
    places: HashMap<WatcherId, usize>,
    /// Slow ones that were told something, and when they read again.
    pausing: VecDeque<(u64, usize)>,
    /// Those who read nothing, and were to be told something.
    stopped: Vec<usize>,
    /// Who leaves (false) and comes back (true), and when; the next one last.
    moves: Vec<(u64, bool, usize)>,
    active: bool,
    counts: TroubleCounts,
}

/// A bad watcher.
#[derive(Debug)]
struct Bad {
    trouble: Trouble,
    number: u32,
    user: u32,
    watcher: WatcherId,
    /// When a slow one reads again.
    reads_again_us: u64,
    /// First states that one who came back waits for, and since when.
    awaited: u32,
    due_us: u64,
}

impl Troubled {
    /// Takes a watcher that has just signed in into the list.
    pub(super) fn add(&mut self, trouble: Trouble, number: u32, user: u32, watcher: WatcherId) {
        self.places.insert(watcher, self.bad.len());
        self.bad.push(Bad { trouble, number, user, watcher, reads_again_us: 0, awaited: 0, due_us: 0 });
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.bad.is_empty()
    }

    /// A point begins: from now on they behave badly.
    pub(super) fn begin(&mut self, order: &PointOrder, common: &Common, shard: usize) {
        let Some(plan) = &common.plan.troubles else { return };
        let drawing = &order.drawing;
        let span = (drawing.measure_from_us, drawing.end_us);
        self.active = true;
        self.counts = TroubleCounts { bad: self.bad.len() as u64, ..TroubleCounts::default() };
        self.moves.clear();
        for (place, bad) in self.bad.iter().enumerate() {
            self.counts.slow += u64::from(bad.trouble == Trouble::Slow);
            self.counts.stopped += u64::from(bad.trouble == Trouble::Stop);
            let chance = Chance::draw(drawing.seed, shard, bad.number);
            let absence = plan.troubles.absence(bad.trouble, &chance, drawing.from_us, span, plan.measured);
            if let Some((leave_us, return_us)) = absence {
                self.moves.extend([(leave_us, false, place), (return_us, true, place)]);
            }
        }
        // Backwards in time, and of one watcher the return before the departure: the last is taken first.
        self.moves.sort_unstable_by_key(|&(at_us, returns, place)| std::cmp::Reverse((at_us, returns, place)));
    }

    /// The point is over: everybody reads again.
    pub(super) fn end(&mut self, shard: &mut Shard) {
        self.active = false;
        let held = self.pausing.drain(..).map(|(_, place)| place).chain(self.stopped.drain(..));
        held.for_each(|place| shard.writable(self.bad[place].watcher));
    }

    /// What became of them.
    pub(super) fn take_counts(&mut self) -> TroubleCounts {
        std::mem::take(&mut self.counts)
    }

    /// Whether somebody has still to come back.
    pub(super) fn is_moving(&self) -> bool {
        !self.moves.is_empty()
    }

    /// The point was cut, or its trace is over before anybody could know when: whoever is away comes back now, and whoever has not left stays.
    pub(super) fn hurry(&mut self, now_us: u64) {
        // The first is the last to be taken: once its time has come, so has everybody's.
        if self.moves.first().is_none_or(|&(at_us, ..)| at_us <= now_us) {
            return;
        }
        let stays: HashSet<usize> =
            self.moves.iter().filter(|(_, returns, _)| !returns).map(|&(_, _, place)| place).collect();
        self.moves.retain(|(_, _, place)| !stays.contains(place));
        self.moves.iter_mut().for_each(|(at_us, ..)| *at_us = now_us.min(*at_us));
    }

    /// Lets those leave, come back and read whose time has come. Tells whether anybody left or came.
    ///
    /// # Errors
    /// What the engine refuses to somebody who comes back.
    pub(super) fn go_on(
        &mut self,
        shard: &mut Shard,
        common: &Common,
        groups: &mut [GroupId],
        scratch: &mut Scratch,
        now_us: u64,
    ) -> Result<bool, fanfare::Error> {
        while let Some(&(due_us, place)) = self.pausing.front()
            && due_us <= now_us
        {
            self.pausing.pop_front();
            shard.writable(self.bad[place].watcher);
        }
        for round in 0..MOVES_PER_POLL {
            let Some((due_us, returns, place)) = self.moves.pop_if(|(due_us, ..)| *due_us <= now_us) else {
                return Ok(round != 0);
            };
            if returns {
                self.come_back(shard, common, groups, scratch, place, due_us)?;
            } else {
                let watcher = self.bad[place].watcher;
                self.places.remove(&watcher);
                shard.close_watcher(watcher);
                self.counts.left += 1;
            }
        }
        Ok(true)
    }

    fn come_back(
        &mut self,
        shard: &mut Shard,
        common: &Common,
        groups: &mut [GroupId],
        scratch: &mut Scratch,
        place: usize,
        due_us: u64,
    ) -> Result<(), fanfare::Error> {
        let Bad { number, user, .. } = self.bad[place];
        common.plan.population.draw(user, scratch);
        let watcher = shard.open_watcher(number.into())?;
        let (token, all) = (user.into(), Categories::ALL);
        let group = if common.plan.composed {
            let who = Arc::new(presence::identity(user, common.plan.population.network(user)));
            shard.open_group_for(watcher, token, all, who)?
        } else {
            shard.open_group(watcher, token, all)?
        };
        let mut subscribed = 0;
        for batch in scratch.contacts().chunks(common.plan.batch) {
            subscribed += match common.plan.composed {
                false => shard.subscribe(group, View::PLAIN, batch)?,
                true => shard.watch(group, batch)?,
            };
        }
        groups[number as usize] = group;
        self.places.insert(watcher, place);
        let bad = &mut self.bad[place];
        (bad.watcher, bad.awaited, bad.due_us) = (watcher, subscribed as u32, due_us);
        self.counts.returned += 1;
        Ok(())
    }

    /// How many notes the watcher takes now; nothing if it is a good one, which is waited for.
    pub(super) fn takes(&mut self, watcher: WatcherId, clock: Clock) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let &place = self.places.get(&watcher)?;
        let bad = &mut self.bad[place];
        let now_us = clock.now().as_micros();
        match bad.trouble {
            _ if !self.active => Some(u32::MAX),
            Trouble::Stop => {
                self.stopped.push(place);
                Some(0)
            }
            // He was told something, and has not read it yet.
            Trouble::Slow if now_us < bad.reads_again_us => Some(0),
            Trouble::Slow => {
                bad.reads_again_us = now_us + SLOW_PAUSE.as_micros() as u64;
                self.pausing.push_back((bad.reads_again_us, place));
                Some(1)
            }
            Trouble::Drop | Trouble::Storm => Some(u32::MAX),
        }
    }

    /// So many first states were told to a watcher.
    pub(super) fn told_first(&mut self, watcher: WatcherId, count: u32, now_us: u64) {
        let Some(&place) = self.places.get(&watcher) else { return };
        let bad = &mut self.bad[place];
        if bad.awaited != 0 {
            bad.awaited = bad.awaited.saturating_sub(count);
            if bad.awaited == 0 {
                self.counts.return_us.record(now_us.saturating_sub(bad.due_us));
            }
        }
    }
}
