//! What a shard's sessions do beside publishing: they poll, come for a short time, expand groups, refresh and register.
//!
//! A short subscription and an expanded group are watchers of their own, *guests*: what they are told is looked at, whether policy
//! grants it, and counted, and nobody waits for it, so that what is measured is of those who signed in. What is drawn is drawn from
//! the run's seed, the user, and how many events this shard has had. The invariant: every guest is closed when its point is
//! over. A registration renews the lifetime of its endpoint's group, as Lync's auto-extension does, and a refresh also has all
//! told again (RFC 6665); of a user with several endpoints each is as likely.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fanfare::{Categories, Error, Network, PresentityId, Shard, State, Ticket, View, WatcherId};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::sign_in::{Roster, sight_of};
use crate::crew::Common;
use crate::population::{Scratch, below, unit};
use crate::presence::{self, Sight};
use crate::publisher::Outgoing;
use crate::sessions::{EVENTS, GROUP_LIFETIME_US, SessionEvent, Sessions as Habits};
use crate::traffic::Flow;

/// Tokens of guests begin here: above the numbers of all who signed in.
pub(super) const GUESTS: u64 = 1 << 40;

/// Guests closed in one poll: each ends all its subscriptions.
const CLOSED_PER_POLL: usize = 16;

/// The sessions of one shard.
pub(super) struct Sessions {
    common: Arc<Common>,
    events: u64,
    /// Guests, by when they go.
    staying: BTreeMap<(u64, u64), WatcherId>,
    /// The guest who watches the group that a user has expanded.
    expanded: HashMap<u32, WatcherId>,
    scratch: Scratch,
    whom: Vec<PresentityId>,
    /// Events that were due in the measured time and are done.
    pub(super) done: [u64; EVENTS],
    /// What polls were told.
    pub(super) polled: Flow,
    /// Notes to guests since the start.
    pub(super) told: u64,
    /// Those of them in the measured time, since the point began.
    pub(super) told_measured: u64,
}

impl Sessions {
    pub(super) fn new(common: Arc<Common>) -> Self {
        Self {
            common,
            events: 0,
            staying: BTreeMap::new(),
            expanded: HashMap::new(),
            scratch: Scratch::default(),
            whom: Vec::new(),
            done: [0; EVENTS],
            polled: Flow::default(),
            told: 0,
            told_measured: 0,
        }
    }

    /// A point begins.
    pub(super) fn begin_point(&mut self) {
        self.done = [0; EVENTS];
        self.polled = Flow::default();
        self.told_measured = 0;
    }

    /// Does what is due, and tells the ticket if it will be answered.
    ///
    /// # Errors
    /// What the engine refuses.
    pub(super) fn go(
        &mut self,
        shard: &mut Shard,
        roster: &Roster,
        outgoing: &Outgoing,
        event: SessionEvent,
    ) -> Result<Option<Ticket>, Error> {
        let user = outgoing.user;
        let mut stream = self.stream(user);
        let asked = match event {
            SessionEvent::Poll => {
                let Some(habits) = self.habits(user) else { return Ok(None) };
                self.draw_others(user, habits.poll_presentities, &mut stream);
                let who = Arc::new(presence::identity(user, self.common.plan.population.network(user)));
                Some(shard.fetch_many_for(&self.whom, &who)?)
            }
            SessionEvent::ShortSubscription => {
                let common = Arc::clone(&self.common);
                common.plan.population.draw(user, &mut self.scratch);
                let guest = self.let_in(shard, user, false)?;
                let stays_us = self.habits(user).map_or(0, |habits| habits.short_subscription_us);
                self.staying.insert((outgoing.plan_us + stays_us, self.events), guest);
                None
            }
            SessionEvent::GroupExpansion => {
                let members = self.members(user);
                self.draw_others(user, members, &mut self.group_stream(user));
                let guest = self.let_in(shard, user, true)?;
                if let Some(before) = self.expanded.insert(user, guest) {
                    shard.close_watcher(before);
                }
                None
            }
            SessionEvent::Refresh | SessionEvent::Registration => {
                self.renew(shard, roster, user, event, &mut stream)?;
                None
            }
        };
        self.events += 1;
        if asked.is_none() {
            self.finished(event, outgoing.measured);
        }
        Ok(asked)
    }

    /// An event is over.
    fn finished(&mut self, event: SessionEvent, measured: bool) {
        self.done[event.number()] += u64::from(measured);
    }

    /// A poll was answered. Tells what is wrong with the answer, if anything is.
    pub(super) fn answered(&mut self, outgoing: &Outgoing, states: &[State]) -> Option<String> {
        let network = self.common.plan.population.network(outgoing.user);
        let wanted = self.habits(outgoing.user).map_or(0, |habits| habits.poll_presentities);
        if states.len() != self.count_of_others(wanted) as usize {
            return Some(format!("a poll of {wanted} was answered with {} states", states.len()));
        }
        for state in states {
            let categories = || state.parts.iter().map(|(category, _)| *category);
            let sight = Sight::of(state.view).filter(|sight| is_fit(network, *sight));
            if !sight.is_some_and(|sight| categories().all(|category| sight.shows(category))) || state.parts.is_empty()
            {
                return Some(format!("a poll was answered with {:?}, of which not all is for these eyes", state.view));
            }
        }
        if outgoing.measured {
            self.polled.count += states.len() as u64;
            self.polled.bytes +=
                states.iter().flat_map(|state| &*state.parts).map(|(_, it)| it.len() as u64).sum::<u64>();
        }
        self.finished(SessionEvent::Poll, outgoing.measured);
        None
    }

    /// A guest was told something in this view. Tells whether he may be in it.
    pub(super) fn told(&mut self, view: View, measured: bool) -> bool {
        self.told += 1;
        self.told_measured += u64::from(measured);
        Sight::of(view).is_some()
    }

    /// Lets those go whose time is over.
    pub(super) fn close_due(&mut self, shard: &mut Shard, now_us: u64) {
        for _ in 0..CLOSED_PER_POLL {
            let Some(first) = self.staying.first_entry().filter(|first| first.key().0 <= now_us) else { return };
            shard.close_watcher(first.remove());
        }
    }

    /// The point is over: all guests go.
    pub(super) fn end(&mut self, shard: &mut Shard) {
        let staying = std::mem::take(&mut self.staying).into_values();
        for guest in staying.chain(self.expanded.drain().map(|(_, guest)| guest)) {
            shard.close_watcher(guest);
        }
    }

    /// A guest of the user's who watches whom was drawn last: the contacts, or others.
    fn let_in(&mut self, shard: &mut Shard, user: u32, others: bool) -> Result<WatcherId, Error> {
        let guest = shard.open_watcher(GUESTS + u64::from(user))?;
        let who = Arc::new(presence::identity(user, self.common.plan.population.network(user)));
        let whom = if others { &self.whom[..] } else { self.scratch.contacts() };
        let watched =
            shard.open_group_for(guest, user.into(), Categories::ALL, who).and_then(|group| shard.watch(group, whom));
        // Nobody stays who was not let in whole.
        if let Err(error) = watched {
            shard.close_watcher(guest);
            return Err(error);
        }
        Ok(guest)
    }

    fn renew(
        &self,
        shard: &mut Shard,
        roster: &Roster,
        user: u32,
        event: SessionEvent,
        stream: &mut SplitMix64,
    ) -> Result<(), Error> {
        let endpoints = self.common.plan.population.person(user).endpoints;
        let resident = user as usize / self.common.plan.shards;
        let Some(&first) = roster.numbers.get(resident) else { return Ok(()) };
        let group = roster.groups[(first + below(endpoints, stream.next_u64())) as usize];
        let renewed = shard.renew_group(group, GROUP_LIFETIME_US).and_then(|_| match event {
            SessionEvent::Refresh => shard.refresh_group(group),
            _ => Ok(()),
        });
        match renewed {
            // Somebody who behaves badly and is away has nothing to renew.
            Err(Error::NoSuchGroup(_)) => Ok(()),
            renewed => renewed,
        }
    }

    /// Draws so many users, each another and none of them this one.
    fn draw_others(&mut self, user: u32, count: u32, stream: &mut SplitMix64) {
        let count = self.count_of_others(count) as usize;
        let users = self.common.plan.population.users();
        self.whom.clear();
        while self.whom.len() < count {
            let other = PresentityId::new(below(users, stream.next_u64()).into());
            if other.get() != u64::from(user) && !self.whom.contains(&other) {
                self.whom.push(other);
            }
        }
    }

    /// As many as there are, if there are not so many others.
    fn count_of_others(&self, wanted: u32) -> u32 {
        wanted.min(self.common.plan.population.users() - 1)
    }

    /// How many are in the user's distribution group.
    fn members(&self, user: u32) -> u32 {
        let Some(habits) = self.habits(user) else { return 0 };
        let mut stream = self.group_stream(user);
        let mut at = unit(stream.next_u64());
        let class = habits.group_classes.iter().find(|(share, ..)| {
            at -= share;
            at < 0.0
        });
        let class = class.or(habits.group_classes.last());
        class.map_or(0, |&(_, least, most)| least + below(most - least + 1, stream.next_u64()))
    }

    fn habits(&self, user: u32) -> Option<&Habits> {
        let habit = self.common.habits.iter().find(|habit| habit.users.contains(&user));
        habit.map(|habit| &habit.mix.sessions)
    }

    /// What an event of a user's is drawn from.
    fn stream(&self, user: u32) -> SplitMix64 {
        SplitMix64::seed_from_u64(self.common.plan.population.seed() ^ u64::from(user) << 32 ^ self.events)
    }

    /// What a user's distribution group is drawn from: he has one, which is the same whenever he expands it.
    fn group_stream(&self, user: u32) -> SplitMix64 {
        SplitMix64::seed_from_u64(self.common.plan.population.seed().rotate_left(17) ^ !u64::from(user) << 8)
    }
}

/// Whether somebody who comes this way may see so much: policies let colleagues into the workgroup and out again.
fn is_fit(network: Network, sight: Sight) -> bool {
    sight == sight_of(true, network) || network == Network::Enterprise && sight == Sight::Urgent
}
