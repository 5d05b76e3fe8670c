//! How watchers want to be told: whether anybody looks, in batches, at a rate, until when, and everything once more.
//!
//! In worlds of their own (two seeds in seven), so that other seeds live the lives that they always lived.

use fanfare_core::{Bound, EndReason, Error, Rate, Tick};
use rand::RngExt;

use super::sessions::Parked;
use super::world::World;

/// The longest gap that is asked for, in microseconds.
const GAP_US_MAX: u64 = 5_000;
/// A whole second of the engine's, by which a group may live longer than it asked for.
const SECOND_US: u64 = 1 << 20;

impl World {
    /// Whether a seed's watchers have manners.
    pub(super) fn has_manners(seed: u64) -> bool {
        matches!(seed % 7, 1 | 2)
    }

    pub(super) fn operate_manners(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..14u32) {
            0..=4 => self.look_or_look_away(),
            5..=6 => self.pace_a_watcher(),
            7..=9 => self.set_a_rate(),
            10 => self.refresh(),
            11..=12 => self.renew(),
            _ => {
                self.now += self.rng.random_range(SECOND_US / 2..3 * SECOND_US);
                Ok(())
            }
        }
    }

    fn look_or_look_away(&mut self) -> Result<(), String> {
        let Some(key) = self.any_session() else { return Ok(()) };
        let is_active = self.rng.random_bool(0.6);
        let session = self.sessions.get_mut(&key).ok_or("a session")?;
        session.is_active = is_active;
        self.faults.inactive_watcher += u64::from(!is_active);
        let shard = &mut self.shards[session.shard];
        shard.set_active(session.id, is_active).map_err(|why| format!("a watcher may not look away: {why}"))?;
        if shard.is_active(session.id) == Some(is_active) {
            Ok(())
        } else {
            Err("whether it looks is not known".into())
        }
    }

    fn pace_a_watcher(&mut self) -> Result<(), String> {
        let Some(key) = self.any_session() else { return Ok(()) };
        let gap_us = if self.rng.random_bool(0.3) { 0 } else { self.rng.random_range(1..=2 * GAP_US_MAX) };
        let session = &self.sessions[&key];
        let (shard, before) = (session.shard, session.gap_us);
        let (least, most) = self.paces_on(shard);
        let limit = u64::from(self.limits.paces);
        let (room, may_lack) = (before != 0 || least < limit, before == 0 && most >= limit);
        let paced = self.shards[shard].pace_watcher(session.id, gap_us);
        match paced {
            Ok(()) if gap_us <= GAP_US_MAX && (room || gap_us == 0) => {
                let session = self.sessions.get_mut(&key).ok_or("a session")?;
                session.gap_us = gap_us;
                if before == 0 {
                    session.began = None;
                }
                Ok(())
            }
            Err(Error::Rate(_)) if gap_us > GAP_US_MAX => Ok(()),
            Err(Error::Limit { bound: Bound::Paces, .. }) if may_lack => Ok(()),
            other => Err(format!("C8: a watcher's gap of {gap_us} us after {before} gave {other:?}")),
        }
    }

    fn set_a_rate(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|_| true) else { return Ok(()) };
        let mut rate = Rate::default();
        if self.rng.random_bool(0.8) {
            rate.gap_us_min = self.rng.random_range(0..GAP_US_MAX / 4);
        }
        if self.rng.random_bool(0.5) {
            rate.gap_us_max = self.rng.random_range(1..2 * GAP_US_MAX);
            rate.adaptive_us = self.rng.random_range(0..3u64) * rate.gap_us_max;
        }
        let longest = rate.gap_us_min.max(1_000)..=GAP_US_MAX;
        let is_sound = rate.gap_us_max == 0 || longest.contains(&rate.gap_us_max);
        let group = &self.groups[&key];
        let shard = self.sessions[&group.watcher].shard;
        let has_one = group.rate != Rate::default();
        let (least, most) = self.paces_on(shard);
        let limit = u64::from(self.limits.paces);
        let (room, may_lack) = (has_one || least < limit, !has_one && most >= limit);
        let set = self.shards[shard].set_rate(group.id, rate);
        match set {
            Ok(()) if is_sound && (room || rate == Rate::default()) => {
                let group = self.groups.get_mut(&key).ok_or("a group")?;
                group.rate = rate;
                group.may_repeat |= rate.gap_us_max != 0;
                if rate == Rate::default() {
                    group.began = None;
                }
                Ok(())
            }
            Err(Error::Rate(_)) if !is_sound => Ok(()),
            Err(Error::Limit { bound: Bound::Paces, .. }) if may_lack => {
                self.faults.limit += 1;
                Ok(())
            }
            other => Err(format!("C8: {rate:?} gave {other:?}")),
        }
    }

    /// What is told at a pace on a shard, at the least and at the most: of who was not resumed in time the groups end one by
    /// one, and the model hears of the last.
    fn paces_on(&self, shard: usize) -> (u64, u64) {
        let watchers = self.sessions.values().filter(|it| it.shard == shard && it.gap_us != 0).count();
        let has_rate = |rate: Rate| rate != Rate::default();
        let groups = self.groups.values().filter(|it| self.sessions[&it.watcher].shard == shard && has_rate(it.rate));
        let parked = |is_meant: &dyn Fn(&Parked) -> bool| {
            let of_one = |it: &Parked| {
                let groups = it.groups.values().filter(|group| has_rate(group.rate)).count();
                groups + usize::from(it.session.gap_us != 0)
            };
            self.parked_on(shard).filter(|it| is_meant(it)).map(of_one).sum::<usize>()
        };
        let open = watchers + groups.count();
        let now = self.shards[shard].now();
        ((open + parked(&|it| it.until > now)) as u64, (open + parked(&|_| true)) as u64)
    }

    fn refresh(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|_| true) else { return Ok(()) };
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        self.faults.refresh += 1;
        for watched in group.watched.values_mut() {
            watched.is_due_again = watched.is_told;
        }
        let shard = self.sessions[&group.watcher].shard;
        self.shards[shard].refresh_group(group.id).map_err(|why| format!("a refresh was refused: {why}"))
    }

    fn renew(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|_| true) else { return Ok(()) };
        let lifetime_us = self.rng.random_range(0..3 * SECOND_US);
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = &mut self.shards[self.sessions[&group.watcher].shard];
        let granted_us = lifetime_us.min(self.limits.group_lifetime_us_max);
        let from = shard.now().after_micros(granted_us);
        match shard.renew_group(group.id, lifetime_us) {
            Ok(expires) if (from..from.after_micros(SECOND_US)).contains(&expires) => {
                group.expires = expires;
                Ok(())
            }
            Err(Error::TooBrief { least_us }) if lifetime_us < least_us => Ok(()),
            other => Err(format!("a group that asked to live for {lifetime_us} us was given {other:?}")),
        }
    }

    /// Groups that have ended by themselves must have been due.
    pub(super) fn take_ended(&mut self, shard: usize) -> Result<(), String> {
        while let Some(ended) = self.shards[shard].next_ended() {
            let with_its_list = self.ended_with_its_list(shard, &ended);
            if self.take_ended_of_parked(shard, &ended)? {
                continue;
            }
            let group = self.groups.remove(&ended.group_token).ok_or("a group ended twice")?;
            let is_his = group.id == ended.group && group.watcher == ended.watcher_token;
            let is_over = ended.why == EndReason::Timeout && group.expires <= self.shards[shard].now();
            if !is_his || !is_over && !with_its_list {
                return Err(format!("{ended:?}, which was to live until {:?}", group.expires));
            }
            self.faults.group_expired += 1;
        }
        Ok(())
    }

    /// Somebody looks at every watcher again, and half of them are told in batches no more: these have their first states
    /// without waiting for any rate. All the rest comes with time.
    pub(super) fn rest_with_manners(&mut self) -> Result<(), String> {
        for (key, session) in &mut self.sessions {
            let shard = &mut self.shards[session.shard];
            if key % 2 == 0 {
                shard.pace_watcher(session.id, 0).map_err(|why| format!("an end of batches was refused: {why}"))?;
                (session.gap_us, session.began) = (0, None);
            }
            shard.set_active(session.id, true).map_err(|why| format!("a watcher may not look: {why}"))?;
            session.is_active = true;
        }
        self.settle()?;
        for (key, group) in &self.groups {
            let waits = self.sessions[&group.watcher].gap_us != 0;
            if !waits && group.watched.values().any(|watched| !watched.is_told) {
                return Err(format!("C4: group {key} waits for a first state: {:?}", group.rate));
            }
        }
        for _ in 0..4 {
            self.now += GAP_US_MAX;
            self.settle()?;
        }
        Ok(())
    }

    /// Everything that was to be told again has been, and every group with a longest gap is told all once that is over.
    pub(super) fn check_manners(&mut self) -> Result<(), String> {
        for (key, group) in &self.groups {
            if group.expires <= Tick::from_micros(self.now) {
                return Err(format!("group {key} outlived {:?}", group.expires));
            }
        }
        // A watcher that is told in batches may have begun one a moment before a group of his was due: that is told with the next.
        let due = Tick::from_micros(self.now + GAP_US_MAX);
        for in_batches in [false, true] {
            self.now += GAP_US_MAX;
            self.settle()?;
            for (key, group) in &self.groups {
                let is_meant = in_batches || self.sessions[&group.watcher].gap_us == 0;
                // An adaptive gap may be longer: it grows with what was told.
                let has_gap = group.rate.gap_us_max != 0 && group.rate.adaptive_us == 0 && !group.watched.is_empty();
                if is_meant && has_gap && group.told < Some(due) {
                    return Err(format!(
                        "group {key} was told nothing for longer than its longest gap: {:?}",
                        group.rate
                    ));
                }
            }
        }
        Ok(())
    }
}
