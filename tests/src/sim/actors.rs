//! Those who watch and publish, the bad ones among them too: slow, vanishing, holding on to stale ids.

use fanfare_core::{
    CATEGORIES, Categories, Category, Error, GroupId, Note, PresentityId, Publication, Rate, Stamp, Tick, View,
    WatcherId,
};
use rand::RngExt;

use super::presence::Presences;
use super::truth::{Session, WatchGroup, Watched, number_of};
use super::wishes::Offered;
use super::world::{Awaited, World};

/// What of a note the model wants to know.
struct Told {
    group: u64,
    presentity: PresentityId,
    view: View,
    stamp: Stamp,
    first: bool,
    parts: Vec<(Category, Option<Vec<u8>>)>,
    offered: Option<Offered>,
}

impl Told {
    fn of(note: &Note<'_>, has_wishes: bool) -> Self {
        Self {
            offered: has_wishes.then(|| Offered::of(note)),
            group: note.group_token(),
            presentity: note.presentity,
            view: note.view,
            stamp: note.stamp,
            first: note.first,
            parts: note
                .parts()
                .map(|(category, document)| (category, document.map(|it| it.as_slice().to_vec())))
                .collect(),
        }
    }
}

impl World {
    pub(super) fn open_session(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        let key = self.next_key;
        let tenant = self.any_tenant();
        let refused = self.session_is_refused(shard, tenant);
        match self.shards[shard].open_watcher_of(tenant, key) {
            Ok(id) if refused.is_none() => {
                self.faults.id_reuse += u64::from(id.to_bits() >> 32 > 1);
                self.next_key += 1;
                self.sessions.insert(key, Session::new(id, shard, tenant, self.rng.random_bool(0.3)));
                Ok(())
            }
            Err(Error::Limit { bound, limit }) if refused == Some((bound, limit)) => Ok(()),
            other => Err(format!("C8: a watcher that should be refused for {refused:?} gives {other:?}")),
        }
    }

    pub(super) fn close_session(&mut self) -> Result<(), String> {
        let Some(key) = self.any_session() else { return Ok(()) };
        let session = self.sessions.remove(&key).ok_or("a session")?;
        if self.groups.values().any(|group| group.watcher == key && group.watched.values().any(|it| !it.is_told)) {
            self.faults.vanished_watcher += 1;
        }
        self.groups.retain(|_, group| group.watcher != key);
        if !self.shards[session.shard].close_watcher(session.id) {
            return Err("an open watcher could not be closed".into());
        }
        Ok(())
    }

    pub(super) fn open_group(&mut self) -> Result<(), String> {
        let Some(watcher) = self.any_session() else { return Ok(()) };
        let session = &self.sessions[&watcher];
        let mut wants = Categories::ALL;
        if self.rng.random_bool(0.3) {
            wants = Categories::NONE;
            for category in (0..CATEGORIES as u8).filter_map(Category::new) {
                if self.rng.random_bool(0.5) {
                    wants = wants.with(category);
                }
            }
        }
        let key = self.next_key;
        match self.shards[session.shard].open_group(session.id, key, wants) {
            Ok(id) => {
                self.next_key += 1;
                self.groups.insert(key, WatchGroup::new(id, watcher, wants, None));
                self.check_let_in(key, 0)
            }
            Err(Error::Limit { .. }) => Ok(()),
            Err(why) => Err(format!("a group was refused: {why}")),
        }
    }

    pub(super) fn close_group(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group() else { return Ok(()) };
        let group = self.groups.remove(&key).ok_or("a group")?;
        let shard = self.sessions[&group.watcher].shard;
        if self.shards[shard].close_group(group.id) { Ok(()) } else { Err("an open group could not be closed".into()) }
    }

    pub(super) fn subscribe(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|group| group.who.is_none()) else { return Ok(()) };
        let count = self.rng.random_range(1..=40);
        let list: Vec<PresentityId> = (0..count).map(|_| self.any_presentity()).collect();
        let view = View(self.rng.random_range(0..self.views));
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = self.sessions[&group.watcher].shard;
        match self.shards[shard].subscribe(group.id, view, &list) {
            Ok(count) => {
                let before = group.watched.len();
                group.is_edited = true;
                for presentity in list {
                    group.watched.entry(presentity.get()).or_insert_with(|| Watched::new(view));
                }
                if group.watched.len() - before != count {
                    return Err(format!("{count} new subscriptions where {} were", group.watched.len() - before));
                }
                self.check_let_in(key, count)
            }
            Err(Error::Limit { .. } | Error::Crowded { .. }) => {
                self.faults.limit += 1;
                let held = self.shards[shard].subscriptions(group.id).count();
                if held == group.watched.len() { Ok(()) } else { Err("C8: a refused call left subscriptions".into()) }
            }
            Err(why) => Err(format!("a subscription was refused: {why}")),
        }
    }

    pub(super) fn unsubscribe(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group() else { return Ok(()) };
        let count = self.rng.random_range(1..=12);
        let list: Vec<PresentityId> = (0..count).map(|_| self.any_presentity()).collect();
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = self.sessions[&group.watcher].shard;
        let before = group.watched.len();
        group.is_edited = true;
        for presentity in &list {
            group.watched.remove(&presentity.get());
        }
        match self.shards[shard].unsubscribe(group.id, &list) {
            Ok(count) if count == before - group.watched.len() => Ok(()),
            other => Err(format!("{} subscriptions were to end, and {other:?} did", before - group.watched.len())),
        }
    }

    pub(super) fn move_subscription(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|group| group.who.is_none()) else { return Ok(()) };
        let presentity = self.any_presentity();
        let view = View(self.rng.random_range(0..self.views));
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = self.sessions[&group.watcher].shard;
        let watched = group.watched.get_mut(&presentity.get());
        match (self.shards[shard].move_subscription(group.id, presentity, view), watched) {
            (Ok(false), None) | (Err(Error::Limit { .. }), Some(_)) => Ok(()),
            (Ok(true), Some(watched)) => {
                if watched.view != view {
                    self.faults.moved_view += 1;
                    *watched = Watched { stamp: watched.stamp, ..Watched::new(view) };
                }
                Ok(())
            }
            (other, _) => Err(format!("a move of {presentity:?} gave {other:?}")),
        }
    }

    pub(super) fn publish(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        let presentity = self.any_presentity();
        self.publish_for(shard, presentity)
    }

    pub(super) fn storm(&mut self) -> Result<(), String> {
        self.faults.storm += 1;
        let presentity = self.any_presentity();
        let shard = self.home_of(presentity);
        for _ in 0..self.rng.random_range(20..200) {
            self.publish_for(shard, presentity)?;
            if self.stalled[shard] == 0 {
                let now = self.now;
                let budget = self.rng.random_range(1..4);
                self.step(shard, now, budget)?;
            }
            if self.rng.random_bool(0.3) {
                self.carry_some()?;
            }
        }
        Ok(())
    }

    fn publish_for(&mut self, shard: usize, presentity: PresentityId) -> Result<(), String> {
        if self.is_composed() {
            return Ok(());
        }
        let view = self.rng.random_range(0..self.views);
        let category = self.rng.random_range(0..self.categories);
        let document = match self.rng.random_range(0..10u32) {
            0 => None,
            1 => self.truth.same_again(presentity.get(), view, category),
            _ => Some(self.truth.make(presentity.get(), view, category, self.truth.next_length())),
        };
        let expires = match self.rng.random_range(0..10u32) {
            0..=2 => Tick::from_micros(self.now + self.rng.random_range(0..2_000u64)),
            _ => Tick::NEVER,
        };
        let category = Category::new(category).ok_or("a category")?;
        let publication = Publication { presentity, view: View(view), category, document, expires };
        self.truth.offered(&publication);
        let asked = self.shards[shard].publish(publication);
        self.asked_to_publish(shard, presentity, asked)
    }

    pub(super) fn fetch(&mut self) -> Result<(), String> {
        let (shard, presentity) = (self.any_shard(), self.any_presentity());
        let view = View(self.rng.random_range(0..self.views));
        let asked = self.shards[shard].fetch(presentity, view);
        self.asked(shard, presentity, asked)
    }

    /// A request has a ticket, or else all credits are out.
    pub(super) fn asked(
        &mut self,
        shard: usize,
        presentity: PresentityId,
        asked: Result<fanfare_core::Ticket, Error>,
    ) -> Result<(), String> {
        let home = self.home_of(presentity);
        let is_over = self.tenants.is_some() && self.share_is_used_up(shard, presentity);
        let outstanding = self.outstanding.entry((shard, home)).or_default();
        match asked {
            Err(Error::Busy { .. }) if is_over && *outstanding < self.limits.credits => {
                self.faults.no_share += 1;
                Ok(())
            }
            Ok(ticket) if !is_over && *outstanding < self.limits.credits => {
                *outstanding += 1;
                self.awaited.insert((shard, ticket), Awaited::Unserved);
                self.network.home_of_ticket.insert((shard, ticket), home);
                Ok(())
            }
            Err(Error::Busy { .. }) if *outstanding >= self.limits.credits => {
                self.faults.no_credit += 1;
                Ok(())
            }
            other => Err(format!("C8: {other:?} with {outstanding} of {} credits out", self.limits.credits)),
        }
    }

    pub(super) fn use_stale_id(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        self.faults.stale_id += 1;
        let bits = u64::from(self.rng.random_range(0..40u32)) | u64::from(self.rng.random_range(0..6u32)) << 32;
        let (watcher, group) = (WatcherId::from_bits(bits), GroupId::from_bits(bits));
        // Groups of a parked watcher live.
        if self.parked_on(shard).any(|it| it.is_meant(watcher, group)) {
            return Ok(());
        }
        if !self.sessions.values().any(|session| session.shard == shard && session.id == watcher) {
            let shard = &mut self.shards[shard];
            let opened = shard.open_group(watcher, 0, Categories::ALL);
            shard.writable(watcher);
            let parks = shard.track(watcher, 1).is_ok() || shard.park(watcher, 1, 0).is_ok();
            if parks || shard.set_active(watcher, true).is_ok() || shard.pace_watcher(watcher, 1).is_ok() {
                return Err("C5: a stale watcher id has manners".into());
            }
            if shard.close_watcher(watcher) || opened != Err(Error::NoSuchWatcher(watcher)) {
                return Err("C5: a stale watcher id did something".into());
            }
            if shard.outbox(watcher).next().is_some() {
                return Err("C5: a stale watcher id was told something".into());
            }
        }
        let is_live = |it: &WatchGroup| it.id == group && self.sessions[&it.watcher].shard == shard;
        if !self.groups.values().any(is_live) {
            let presentity = self.any_presentity();
            let shard = &mut self.shards[shard];
            let subscribed = shard.subscribe(group, View::PLAIN, &[presentity]);
            let moved = shard.move_subscription(group, presentity, View(1));
            let rate = Rate { gap_us_min: 1, ..Rate::default() };
            let renewed = shard.renew_group(group, 1_000_000).is_ok();
            if renewed || shard.set_rate(group, rate).is_ok() || shard.refresh_group(group).is_ok() {
                return Err("C5: a stale group id has manners".into());
            }
            if shard.close_group(group) || subscribed.is_ok() || moved.is_ok() {
                return Err("C5: a stale group id did something".into());
            }
        }
        Ok(())
    }

    /// Some slow watcher's socket has room again.
    pub(super) fn open_writable(&mut self) -> Result<(), String> {
        if let Some(key) = self.any_session() {
            let session = &self.sessions[&key];
            self.shards[session.shard].writable(session.id);
        }
        Ok(())
    }

    pub(super) fn drain_one(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        if self.stalled[shard] > 0 {
            return Ok(());
        }
        let Some(watcher) = self.shards[shard].next_ready() else { return Ok(()) };
        let key = self.shards[shard].watcher_token(watcher).ok_or("C5: a closed watcher is ready")?;
        let now = self.shards[shard].now();
        let session = self.sessions.get_mut(&key).ok_or("C5: a closed watcher is ready")?;
        if !session.is_active {
            return Err("an inactive watcher is to be told something".into());
        }
        if let Some(began) = session.began.filter(|_| session.gap_us != 0)
            && now < began.after_micros(session.gap_us)
        {
            return Err(format!("a batch at {now:?}, {} us after {began:?}, is too early", session.gap_us));
        }
        let room = if session.is_slow { self.rng.random_range(0..3) } else { usize::MAX };
        self.faults.slow_watcher += u64::from(session.is_slow);
        self.drain(shard, watcher, room)
    }

    /// Takes up to `room` notes of a watcher, and asks the model about each.
    pub(super) fn drain(&mut self, shard: usize, watcher: WatcherId, room: usize) -> Result<(), String> {
        let now = self.shards[shard].now();
        let mut told = Vec::new();
        let mut outbox = self.shards[shard].outbox(watcher);
        while told.len() < room {
            let Some(note) = outbox.next() else { break };
            told.push(Told::of(&note, self.has_wishes));
        }
        drop(outbox);
        for note in &told {
            self.stir(note.stamp.to_bits() ^ note.presentity.get() << 48 ^ note.group << 32);
            self.check(note, now)?;
            if let Some(offered) = &note.offered {
                self.check_offered(note.group, note.presentity.get(), &note.parts, offered)?;
            }
        }
        self.count_told(shard, watcher, told.iter().map(|note| (note.group, note.presentity.get())))?;
        // A batch that may have been cut goes on, and what tells nothing is none.
        let is_over = !told.is_empty() && told.len() < room.min(self.limits.notes_per_ready as usize);
        let key = self.shards[shard].watcher_token(watcher).ok_or("C5: a closed watcher is told something")?;
        self.sessions.get_mut(&key).ok_or("a session")?.began = is_over.then_some(now);
        if !is_over {
            self.groups.values_mut().filter(|group| group.watcher == key).for_each(|group| group.began = None);
        }
        Ok(())
    }

    fn check(&mut self, note: &Told, now: Tick) -> Result<(), String> {
        let Told { group, presentity, view, stamp, first, ref parts, .. } = *note;
        let is_composed = self.is_composed();
        let group = self.groups.get_mut(&group).ok_or("C5: a note for a closed group")?;
        let watched = group.watched.get_mut(&presentity.get()).ok_or("C5: a note after unsubscribe")?;
        if let Some(who) = &group.who {
            self.policies.check(presentity.get(), who, view, stamp)?;
            if first {
                // Policy has moved it there, or there and back before it was told.
                *watched = Watched { stamp: watched.stamp, ..Watched::new(view) };
            }
        }
        if let Some(began) = group.began.filter(|&began| began != now && !first)
            && now < began.after_micros(group.rate.gap_us_min)
        {
            return Err(format!("a batch at {now:?} after one at {began:?} is too early for {:?}", group.rate));
        }
        Self::gathers(group.gathers_until)?;
        group.told = Some(now);
        // What is told first begins a batch only if one may begin; where that is not known, nothing is demanded.
        let is_over = |began: Tick| began == now || now >= began.after_micros(group.rate.gap_us_min);
        let is_open = !first || group.began.is_some_and(is_over);
        if group.rate != Rate::default() && is_open {
            group.began = Some(now);
        }
        if watched.view != view {
            return Err(format!("C6: {presentity:?} was told in {view:?} instead of {:?}", watched.view));
        }
        if watched.is_due_again && !first {
            return Err(format!("{presentity:?} was to be told again, and only what has changed was"));
        }
        let may_repeat = watched.is_due_again || group.may_repeat || watched.may_be_whole;
        let again = first && watched.is_told && may_repeat;
        let is_told = watched.is_told || watched.is_known && !first;
        if first == is_told && !again {
            return Err(format!("C4: first is {first}, but told before is {}", watched.is_told));
        }
        let too_old = match watched.stamp {
            // In its new view a moved subscription may be shown what it was shown in the old one, as of then.
            Some(before) if first => stamp < before,
            Some(before) => stamp <= before,
            None => false,
        };
        if too_old {
            return Err(format!("C1: {presentity:?} was shown {stamp:?} after {:?}", watched.stamp));
        }
        watched.stamp = Some(stamp);
        watched.is_told = true;
        watched.may_be_whole = false;
        if first {
            // All there is: what is not told is not there.
            (watched.told, watched.is_due_again) = ([None; CATEGORIES], false);
        }
        for (category, document) in parts {
            if !group.wants.contains(*category) {
                return Err(format!("a group was told {category:?}, which it does not want"));
            }
            watched.told[category.index()] = match document {
                Some(bytes) if is_composed => {
                    for serial in Presences::serials_in(*category, view, bytes)? {
                        self.truth.check_serial(presentity, view, *category, serial, now)?;
                    }
                    Some(number_of(bytes))
                }
                Some(bytes) => Some(self.truth.check_told(presentity, view, *category, bytes, now)?),
                None => None,
            };
        }
        Ok(())
    }

    pub(super) fn any_session(&mut self) -> Option<u64> {
        any_key(&self.sessions, &mut self.rng)
    }

    fn any_group(&mut self) -> Option<u64> {
        any_key(&self.groups, &mut self.rng)
    }

    pub(super) fn any_group_where(&mut self, is_meant: impl Fn(&WatchGroup) -> bool) -> Option<u64> {
        if self.presences.is_none() {
            return self.any_group();
        }
        let keys: Vec<u64> = self.groups.iter().filter(|(_, group)| is_meant(group)).map(|(key, _)| *key).collect();
        keys.get(self.rng.random_range(0..keys.len().max(1))).copied()
    }
}

fn any_key<T>(map: &std::collections::BTreeMap<u64, T>, rng: &mut impl RngExt) -> Option<u64> {
    let nth = rng.random_range(0..map.len().max(1));
    map.keys().nth(nth).copied()
}
