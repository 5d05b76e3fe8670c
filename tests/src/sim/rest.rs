//! The end of a life: faults are healed, everything comes to rest, and everybody must have been told the truth.

use fanfare_core::{CATEGORIES, PresentityId, Tick, View};

use super::truth::number_of;
use super::world::{FAN_OUT_GAP_US_MAX, World};

/// Rounds after which a world without faults must be at rest.
const ROUNDS: usize = 20_000;

impl World {
    /// Heals every fault and lets the world come to rest; then checks C3 and C4.
    pub(super) fn rest(&mut self) -> Result<(), String> {
        self.stalled.fill(0);
        self.now += 10;
        self.come_back()?;
        if self.has_manners {
            self.rest_with_manners()?;
        }
        if self.has_lists {
            self.rest_with_lists()?;
        }
        self.settle()?;
        if self.limits.fan_out_gap_us != 0 {
            self.now += FAN_OUT_GAP_US_MAX;
            self.settle()?;
        }
        self.verify()?;
        self.check_told_truth()?;
        for (key, group) in &self.groups {
            if group.watched.values().any(|watched| watched.is_due_again) {
                return Err(format!("group {key} was refreshed or resumed and not told again"));
            }
        }
        self.tell_those_behind()?;
        self.check_followers()?;
        if self.has_manners { self.check_manners() } else { Ok(()) }
    }

    /// Closes every session; then nothing may be left but the states.
    pub(super) fn end(&mut self) -> Result<(), String> {
        for (_, session) in std::mem::take(&mut self.sessions) {
            self.shards[session.shard].close_watcher(session.id);
        }
        self.groups.clear();
        self.followers.believed.clear();
        self.settle()?;
        self.verify()?;
        for (index, shard) in self.shards.iter().enumerate() {
            let (population, footprint) = (shard.population(), shard.footprint());
            if population.topics + population.watchers + population.groups + population.subscriptions != 0 {
                return Err(format!("shard {index} keeps {population:?} when everybody has left"));
            }
            if footprint.retired != 0 {
                return Err(format!("C8: shard {index} misses {} bytes of retired documents", footprint.retired));
            }
        }
        Ok(())
    }

    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            let all = 0..self.shards.len();
            for shard in all.clone() {
                self.step(shard, self.now, 1_024)?;
                while let Some(watcher) = self.shards[shard].next_ready() {
                    self.drain(shard, watcher, usize::MAX)?;
                }
                self.tell_followers(shard, usize::MAX)?;
            }
            for key in self.sessions.keys().copied().collect::<Vec<_>>() {
                let session = &self.sessions[&key];
                self.shards[session.shard].writable(session.id);
            }
            for (from, to) in all.clone().flat_map(|from| all.clone().map(move |to| (from, to))) {
                if from != to {
                    self.send(from, to, usize::MAX);
                    self.deliver(from, to, usize::MAX)?;
                }
            }
            if self.network.is_empty() && self.shards.iter().all(fanfare_core::Shard::is_idle) {
                return Ok(());
            }
        }
        Err("C3: without faults the world does not come to rest".into())
    }

    /// What a view shows, by category, as numbers.
    pub(super) fn truth_of(&self, presentity: PresentityId, view: View, now: Tick) -> [Option<u64>; CATEGORIES] {
        match &self.presences {
            Some(presences) if self.is_composed() => {
                presences.show(presentity.get(), view, now).map(|bytes| bytes.as_deref().map(number_of))
            }
            _ if view.is_closed() => [None; CATEGORIES],
            _ => self.truth.state(presentity, view, now),
        }
    }

    fn check_told_truth(&self) -> Result<(), String> {
        if !self.awaited.is_empty() {
            return Err(format!("{} requests were never answered", self.awaited.len()));
        }
        for (key, group) in &self.groups {
            for (&presentity, watched) in &group.watched {
                let presentity = PresentityId::new(presentity);
                if !watched.is_told && !watched.is_known {
                    let shard = self.sessions[&group.watcher].shard;
                    let why = self.shards[shard].explain(group.id, presentity);
                    return Err(format!("C4: group {key} was never told anything of {presentity:?}: {why:?}"));
                }
                let home = self.home_of(presentity);
                let now = Tick::from_micros(self.now).max(self.shards[home].now());
                if let Some(who) = &group.who {
                    let granted = self.policies.view_of(presentity.get(), who);
                    if watched.view != granted {
                        return Err(format!(
                            "C6: {who:?} rests in {:?} of {presentity:?}, and {granted:?} is granted",
                            watched.view
                        ));
                    }
                }
                let truth = self.truth_of(presentity, watched.view, now);
                for (category, held) in truth.iter().enumerate() {
                    let wanted = fanfare_core::Category::new(category as u8).is_some_and(|it| group.wants.contains(it));
                    if wanted && !group.is_choosy && watched.told[category] != *held {
                        return Err(format!(
                            "C3: group {key} believes {:?} of {presentity:?} category {category}, and true is {held:?}",
                            watched.told[category]
                        ));
                    }
                }
            }
        }
        for (index, shard) in self.shards.iter().enumerate() {
            if shard.pending() != 0 {
                return Err(format!("C3: shard {index} rests with {} turns pending", shard.pending()));
            }
        }
        Ok(())
    }
}
