//! Connections that are lost and come back: to their shard, to another, too late, with wrong tokens and wrong counts.
//!
//! In worlds of their own (two seeds in eleven), so that other seeds live the lives that they always lived.

use std::collections::{BTreeMap, VecDeque};

use fanfare_core::{Error, GroupEnded, GroupId, ResumeToken, SessionRefused, Tick, WatcherId};
use rand::RngExt;

use super::tally::Tally;
use super::truth::{Session, WatchGroup};
use super::world::World;

/// A watcher without a connection.
pub(super) struct Parked {
    key: u64,
    pub(super) session: Session,
    pub(super) groups: BTreeMap<u64, WatchGroup>,
    place: Place,
    pub(super) until: Tick,
}

/// Where it is.
enum Place {
    OnShard(ResumeToken),
    Between(fanfare_core::Session),
}

impl Parked {
    fn is_on(&self, shard: usize) -> bool {
        self.session.shard == shard && matches!(self.place, Place::OnShard(_))
    }

    /// Whether it has that place on its shard, or one of its groups that id.
    pub(super) fn is_meant(&self, watcher: WatcherId, group: GroupId) -> bool {
        self.session.id.index() == watcher.index() || self.groups.values().any(|its| its.id == group)
    }
}

impl World {
    /// Whether connections of a seed's watchers are lost.
    pub(super) fn has_sessions(seed: u64) -> bool {
        // Lists are followed, and wishes hold, while their watchers are away: the models of those do not know that.
        matches!(seed % 11, 5 | 6) && !Self::has_lists(seed) && !Self::has_wishes(seed)
    }

    pub(super) fn operate_sessions(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..12u32) {
            0..=2 => self.track(),
            3..=4 => self.acknowledge(),
            5..=6 => self.park(),
            7 => self.resume_wrongly(),
            8..=9 => self.resume(),
            _ => self.move_on(),
        }
    }

    pub(super) fn parked_on(&self, shard: usize) -> impl Iterator<Item = &Parked> {
        self.parked.iter().filter(move |parked| parked.is_on(shard))
    }

    fn track(&mut self) -> Result<(), String> {
        let Some(key) = self.any_session() else { return Ok(()) };
        let limit = self.limits.unacknowledged_per_watcher;
        let ring_slots = self.rng.random_range(0..=limit + 1);
        let session = self.sessions.get_mut(&key).ok_or("a session")?;
        match self.shards[session.shard].track(session.id, ring_slots) {
            Ok(()) if ring_slots <= limit => {
                session.tally = Some(Tally { ring_slots: ring_slots as usize, acknowledged: 0, told: VecDeque::new() });
                Ok(())
            }
            Err(Error::Limit { .. }) if ring_slots > limit => Ok(()),
            other => Err(format!("C8: {ring_slots} slots, at most {limit}, gave {other:?}")),
        }
    }

    fn acknowledge(&mut self) -> Result<(), String> {
        let Some(key) = self.any_session() else { return Ok(()) };
        let is_sound = self.rng.random_bool(0.8);
        let tally = self.sessions[&key].tally.clone();
        let count = tally.as_ref().map_or(0, |tally| self.any_count(tally, is_sound));
        let session = self.sessions.get_mut(&key).ok_or("a session")?;
        match (self.shards[session.shard].acknowledge(session.id, count), &mut session.tally) {
            (Ok(()), Some(tally)) if is_sound => {
                tally.take(count);
                Ok(())
            }
            (Err(Error::NotTracked(_)), None) => Ok(()),
            (Err(Error::Acknowledged { .. }), Some(_)) if !is_sound => Ok(()),
            (other, tally) => Err(format!("an acknowledged count of {count} gave {other:?}, and told was {tally:?}")),
        }
    }

    fn park(&mut self) -> Result<(), String> {
        let Some(key) = self.any_session() else { return Ok(()) };
        let for_us = self.rng.random_range(0..=2 * self.limits.park_us_max);
        let secret = self.rng.random();
        let session = &self.sessions[&key];
        let shard = &mut self.shards[session.shard];
        let token = match shard.park(session.id, for_us, secret) {
            Ok(token) if session.tally.is_some() => token,
            Err(Error::NotTracked(_)) if session.tally.is_none() => return Ok(()),
            other => return Err(format!("a parking gave {other:?}")),
        };
        if shard.outbox(session.id).next().is_some() || shard.close_watcher(session.id) {
            return Err("C5: the id of a parked watcher did something".into());
        }
        let until = shard.now().after_micros(for_us.min(self.limits.park_us_max));
        self.faults.parked += 1;
        let session = self.sessions.remove(&key).ok_or("a session")?;
        let (groups, others) =
            std::mem::take(&mut self.groups).into_iter().partition(|(_, group)| group.watcher == key);
        self.groups = others;
        self.parked.push(Parked { key, session, groups, place: Place::OnShard(token), until });
        Ok(())
    }

    fn any_parked(&mut self) -> Option<usize> {
        let nth = self.rng.random_range(0..self.parked.len().max(1));
        (nth < self.parked.len()).then_some(nth)
    }

    /// A token that was never given, or that of another shard; or a count that was never told.
    fn resume_wrongly(&mut self) -> Result<(), String> {
        let Some(nth) = self.any_parked() else { return Ok(()) };
        let Place::OnShard(token) = self.parked[nth].place else { return Ok(()) };
        let (owner, is_late) = (self.parked[nth].session.shard, self.is_late(nth));
        let tally = self.parked[nth].session.tally.clone().ok_or("a tally")?;
        let bit = self.rng.random_range(0..128u32);
        let wrong = ResumeToken::from_bits(token.to_bits() ^ 1 << bit);
        let elsewhere = (owner + 1) % self.shards.len();
        self.faults.resume_refused += 1;
        for (shard, token) in [(owner, wrong), (elsewhere, token)] {
            let shard = &mut self.shards[shard];
            let taken = shard.take_session(token, tally.acknowledged).map(|_| ());
            let answers = [shard.resume(token, tally.acknowledged, 0).map(|_| ()), taken];
            if answers != [Err(Error::NoSuchSession); 2] || shard.parked(token).is_some() {
                return Err(format!("a wrong token gave {answers:?}"));
            }
        }
        let count = self.any_count(&tally, false);
        match self.shards[owner].resume(token, count, 0) {
            Err(Error::Acknowledged { .. }) if !is_late => Ok(()),
            Err(Error::NoSuchSession) if is_late => Ok(()),
            other => Err(format!("a resume from {count}, which was never told, gave {other:?}")),
        }
    }

    /// Whether a parked watcher's time was over when its shard last looked.
    fn is_late(&self, nth: usize) -> bool {
        let parked = &self.parked[nth];
        parked.until <= self.shards[parked.session.shard].now()
    }

    fn resume(&mut self) -> Result<(), String> {
        let Some(nth) = self.any_parked() else { return Ok(()) };
        self.resume_at(nth)
    }

    fn resume_at(&mut self, nth: usize) -> Result<(), String> {
        let Place::OnShard(token) = self.parked[nth].place else { return Ok(()) };
        let tally = self.parked[nth].session.tally.clone().ok_or("a tally")?;
        let count = self.any_count(&tally, true);
        let (key, is_late) = (self.parked[nth].key, self.is_late(nth));
        let shard = &mut self.shards[self.parked[nth].session.shard];
        let id = match shard.resume(token, count, key) {
            Ok(id) if !is_late => id,
            Err(Error::NoSuchSession) if is_late => return Ok(()),
            other => return Err(format!("a resume gave {other:?}, late: {is_late}")),
        };
        if shard.resume(token, count, key) != Err(Error::NoSuchSession) {
            return Err("a token served twice".into());
        }
        if shard.watcher_token(self.parked[nth].session.id).is_some() {
            return Err("C5: the id from before is known".into());
        }
        self.faults.resumed += 1;
        let mut parked = self.parked.swap_remove(nth);
        self.faults.ring_too_short += u64::from(parked.are_due_again(count));
        self.is_back(parked, id)
    }

    /// Takes a parked watcher away from its shard, or opens one that was taken on some shard.
    fn move_on(&mut self) -> Result<(), String> {
        let Some(nth) = self.any_parked() else { return Ok(()) };
        let Place::OnShard(token) = self.parked[nth].place else {
            let shard = self.any_shard();
            return self.open_at(nth, shard);
        };
        let tally = self.parked[nth].session.tally.clone().ok_or("a tally")?;
        let count = self.any_count(&tally, true);
        let is_late = self.is_late(nth);
        let shard = &mut self.shards[self.parked[nth].session.shard];
        match shard.take_session(token, count) {
            Ok(session) if !is_late => {
                let parked = &mut self.parked[nth];
                let watched: usize = parked.groups.values().map(|group| group.watched.len()).sum();
                if session.subscriptions() != watched || session.watcher_token() != parked.key {
                    return Err(format!("{session:?} was taken where {watched} subscriptions were"));
                }
                self.faults.ring_too_short += u64::from(parked.are_due_again(count));
                parked.place = Place::Between(session);
                Ok(())
            }
            Err(Error::NoSuchSession) if is_late => Ok(()),
            other => Err(format!("a session was not given: {other:?}, late: {is_late}")),
        }
    }

    fn open_at(&mut self, nth: usize, shard: usize) -> Result<(), String> {
        let mut parked = self.parked.swap_remove(nth);
        let Place::Between(session) = parked.place else { return Err("it was not taken".into()) };
        let is_late = parked.until <= self.shards[shard].now();
        let before = self.shards[shard].population();
        match self.shards[shard].open_session(session, parked.key) {
            Ok(id) if !is_late => {
                self.faults.resumed_elsewhere += 1;
                (parked.session.shard, parked.session.began) = (shard, None);
                for group in parked.groups.values_mut() {
                    group.began = None;
                    group.watched.values_mut().for_each(|watched| watched.may_be_whole = true);
                }
                parked.place = Place::OnShard(ResumeToken::from_bits(0));
                self.is_back(parked, id)
            }
            Err(SessionRefused { why: Error::NoSuchSession, .. }) if is_late => {
                self.faults.session_expired += 1;
                Ok(())
            }
            Err(SessionRefused { session, why: Error::Limit { .. } }) if !is_late => {
                self.faults.session_refused += 1;
                let after = self.shards[shard].population();
                let counts = |of: fanfare_core::Population| (of.watchers, of.groups, of.subscriptions);
                if counts(before) != counts(after) {
                    return Err(format!("C8: a refused session left {after:?} of {before:?}"));
                }
                parked.place = Place::Between(session);
                self.parked.push(parked);
                Ok(())
            }
            other => Err(format!("a session was opened: {other:?}, late: {is_late}")),
        }
    }

    /// A watcher has a connection again, and a new id; on another shard its groups have, too.
    fn is_back(&mut self, mut parked: Parked, id: WatcherId) -> Result<(), String> {
        let shard = &self.shards[parked.session.shard];
        let groups: BTreeMap<u64, _> = shard.groups(id).map(|(group, token)| (token, group)).collect();
        if !groups.keys().eq(parked.groups.keys()) {
            return Err(format!("{:?} came back with the groups {groups:?}", parked.session));
        }
        for (key, group) in &mut parked.groups {
            group.id = groups[key];
        }
        (parked.session.id, parked.session.is_active) = (id, true);
        self.groups.append(&mut parked.groups);
        self.sessions.insert(parked.key, parked.session);
        Ok(())
    }

    /// A group of a parked watcher may end like others; tells whether it was one.
    pub(super) fn take_ended_of_parked(&mut self, shard: usize, ended: &GroupEnded) -> Result<bool, String> {
        let now = self.shards[shard].now();
        let Some(parked) = self.parked.iter_mut().find(|it| it.is_on(shard) && it.key == ended.watcher_token) else {
            return Ok(false);
        };
        let group = parked.groups.remove(&ended.group_token).ok_or("a group of a parked watcher ended twice")?;
        self.faults.group_expired += 1;
        if group.expires <= now { Ok(true) } else { Err(format!("{ended:?} was to live until {:?}", group.expires)) }
    }

    /// Watchers that were not resumed must have been due.
    pub(super) fn take_ended_sessions(&mut self, shard: usize) -> Result<(), String> {
        while let Some(ended) = self.shards[shard].next_ended_session() {
            let its = |it: &Parked| it.is_on(shard) && it.key == ended.watcher_token;
            let nth = self.parked.iter().position(its).ok_or("a session ended that was not parked")?;
            let parked = self.parked.swap_remove(nth);
            if parked.until != ended.until || parked.until > self.shards[shard].now() {
                return Err(format!("{ended:?}, which was to be kept until {:?}", parked.until));
            }
            self.faults.session_expired += 1;
        }
        Ok(())
    }

    /// Everybody who may still come back does, as far as there is room.
    pub(super) fn come_back(&mut self) -> Result<(), String> {
        for nth in (0..self.parked.len()).rev() {
            self.resume_at(nth)?;
        }
        for nth in (0..self.parked.len()).rev() {
            let key = self.parked[nth].key;
            for shard in 0..self.shards.len() {
                let taken = |it: &Parked| it.key == key && matches!(it.place, Place::Between(_));
                if let Some(nth) = self.parked.iter().position(taken) {
                    self.open_at(nth, shard)?;
                }
            }
        }
        // Nobody has room for the rest.
        self.parked.retain(|parked| matches!(parked.place, Place::OnShard(_)));
        Ok(())
    }
}

impl Parked {
    /// What was told after the count is to be told again; tells whether that is everything, for want of memory.
    fn are_due_again(&mut self, count: u32) -> bool {
        let Some(tally) = &mut self.session.tally else { return false };
        tally.take(count);
        let told = std::mem::take(&mut tally.told);
        let is_all = told.len() > tally.ring_slots;
        for (key, group) in &mut self.groups {
            for (&presentity, watched) in &mut group.watched {
                watched.is_due_again |= watched.is_told && (is_all || told.contains(&(*key, presentity)));
            }
        }
        is_all
    }
}
