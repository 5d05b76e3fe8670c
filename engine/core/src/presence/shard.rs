//! The whole shard: the fan-out and the desk, behind one face.
//!
//! Methods of the fan-out are methods of the shard (it dereferences to it); those that meaning changes are here.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use super::desk::Desk;
use super::scheme::Scheme;
use crate::error::{Bound, Corrupt, Error, LimitsError, ShardError};
use crate::id::{Categories, Category, PresentityId, ShardIndex, Tick, Ticket};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::publication::{EndpointPublication, NameClaim, PolicyEdit};
use crate::shard::message::{Interest, Message, Outcome, Publication, Request};
use crate::shard::{FanOut, FanOutConfig, Footprint, MESSAGES_TOGETHER, ShardMemory, Work};
use crate::store::{Heap, NONE};

/// What a shard has to know about itself and its mesh.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Which shard it is, from 0.
    pub index: usize,
    /// How many there are: 1 to [`crate::SHARDS_MAX`].
    pub shards: usize,
    /// How many of them, from shard 0 on, presentities are at home on: all, unless some only watch.
    pub homes: usize,
    /// The restart epoch: higher than at any earlier start, so that stamps and entity-tags go on rising.
    pub epoch: u16,
    /// A secret for the tables, so that chosen ids cannot be made to collide.
    pub seed: u64,
    /// The bounds.
    pub limits: Limits,
    /// Bits of `seen`: 16. Less only makes its wrap come sooner, which is what simulations want; 6 at the least.
    pub seen_bits: u8,
    /// What presence means here: the same on all shards.
    pub scheme: Arc<Scheme>,
}

impl ShardConfig {
    /// A shard with the default limits and the plain scheme.
    #[must_use]
    pub fn new(index: usize, shards: usize) -> Self {
        Self {
            index,
            shards,
            homes: shards,
            epoch: 0,
            seed: 0,
            limits: Limits::default(),
            seen_bits: 16,
            scheme: Arc::new(Scheme::plain()),
        }
    }
}

/// The presence state machine of one core.
///
/// It dereferences to [`FanOut`], whose methods are its own: watchers, groups, subscriptions, outboxes, outcomes.
pub struct Shard<B: ShardMemory = Heap> {
    pub(crate) fan: FanOut<B>,
    pub(crate) desk: Desk,
    /// Messages to itself that are taken in together; empty between two steps.
    own_messages: Vec<Message>,
}

impl<B: ShardMemory> Deref for Shard<B> {
    type Target = FanOut<B>;

    fn deref(&self) -> &FanOut<B> {
        &self.fan
    }
}

impl<B: ShardMemory> DerefMut for Shard<B> {
    fn deref_mut(&mut self) -> &mut FanOut<B> {
        &mut self.fan
    }
}

impl<B: ShardMemory> Shard<B> {
    /// A shard without watchers and without state. Takes hardly any memory until it is used.
    ///
    /// # Errors
    /// A limit out of its range, an index or number of shards that cannot be, or more views than the limits allow.
    pub fn new(config: ShardConfig, backing: B) -> Result<Self, ShardError> {
        let ShardConfig { index, shards, homes, epoch, seed, limits, seen_bits, scheme } = config;
        let views = scheme.views().len();
        if views > usize::from(limits.views_per_presentity) {
            return Err(ShardError::Views { views, limit: limits.views_per_presentity });
        }
        let (guard, views) = (scheme.guard().clone(), views as u16);
        let (differ, tag_secret) = (scheme.differ(), scheme.tag_secret());
        let tenancy = scheme.tenancy().cloned();
        let named = (0..scheme.categories().len() as u8).filter_map(Category::new);
        let categories = named.fold(Categories::NONE, Categories::with);
        let config = FanOutConfig {
            index,
            shards,
            homes,
            epoch,
            seed,
            limits,
            seen_bits,
            guard,
            views,
            categories,
            tenancy,
            differ,
            tag_secret,
        };
        Ok(Self { fan: FanOut::new(config, backing)?, desk: Desk::new(scheme, epoch), own_messages: Vec::new() })
    }

    /// What presence means here.
    #[must_use]
    pub fn scheme(&self) -> &Arc<Scheme> {
        &self.desk.scheme
    }

    /// Changes the bounds while the shard runs. What is there stays, also where it is more than a lowered bound allows; only
    /// what is new is refused until there is room.
    ///
    /// # Errors
    /// The first field out of its range, with the range; nothing has changed then. Besides what
    /// [`Limits::validate`] asks: `watchers`, `groups`, `subscriptions` and `topics` cannot be more than the shard was made with,
    /// whose arrays have addresses for so many (to begin with more costs nothing); `link_slots` cannot change, the rings being
    /// there; and `views_per_presentity` cannot be below the scheme's views.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), LimitsError> {
        let views = self.desk.scheme.views().len() as u16;
        self.fan.set_limits(limits, views)
    }

    /// Asks the presentity's home to make this the state of a view, where the scheme leaves composition to the embedder.
    ///
    /// The outcome comes by [`FanOut::next_outcome`].
    ///
    /// # Errors
    /// [`Error::Composed`] where it does not; [`Error::Busy`] while all credits to that home are out; [`Error::Limit`] for a
    /// document that is too long or a view that is not below `views_per_presentity`.
    pub fn publish(&mut self, publication: Publication) -> Result<Ticket, Error> {
        if self.desk.scheme.composes() {
            return Err(Error::Composed);
        }
        self.fan.publish(publication)
    }

    /// Asks the presentity's home to take in what one of its endpoints says. The outcome is [`Outcome::Accepted`] or a
    /// refusal.
    ///
    /// # Errors
    /// [`Error::Busy`] while all credits to that home are out; [`Error::NotComposed`], [`Error::UnknownCategory`],
    /// [`Error::CategoryTwice`]; [`Error::Limit`] for a document that is too long.
    pub fn publish_endpoint(&mut self, publication: EndpointPublication) -> Result<Ticket, Error> {
        if !self.desk.scheme.composes() {
            return Err(Error::NotComposed);
        }
        let limit = self.fan.limits().document_bytes;
        let mut named = Categories::NONE;
        for part in &publication.parts {
            if named.contains(part.category) {
                return Err(Error::CategoryTwice(part.category));
            }
            named = named.with(part.category);
            if part.category.index() >= self.desk.scheme.categories().len() {
                return Err(Error::UnknownCategory(part.category));
            }
            if part.document.as_ref().is_some_and(|document| document.len() > limit as usize) {
                return Err(Error::Limit { bound: Bound::DocumentBytes, limit: limit.into() });
            }
        }
        self.fan.ask(publication.presentity, Request::Endpoint(publication.into()))
    }

    /// Asks the presentity's home to let this be the policy. The outcome comes when every shard that has a watcher of it
    /// has applied it: [`Outcome::PolicyApplied`], or [`Outcome::Incomplete`] when one of them does not step in time.
    ///
    /// # Errors
    /// [`Error::Busy`] while all credits to that home are out.
    pub fn set_policy(&mut self, edit: PolicyEdit) -> Result<Ticket, Error> {
        self.fan.ask(edit.presentity, Request::SetPolicy(edit.into()))
    }

    /// Asks what this watcher may see of the presentity, once. The outcome is [`Outcome::Fetched`], in the view that
    /// policy grants.
    ///
    /// # Errors
    /// [`Error::Busy`] while all credits to that home are out.
    pub fn fetch_for(&mut self, presentity: PresentityId, who: Arc<Identity>) -> Result<Ticket, Error> {
        self.fan.ask(presentity, Request::FetchFor { presentity, who })
    }

    /// Asks what this watcher may see of each of these, once: a poll. It takes one credit for each home that they have, or none.
    /// The outcome is one [`Outcome::FetchedMany`] when all homes have answered, in the order asked for; each state is in the
    /// view that policy grants, and [`crate::State::shown`] says whether there is none, or the watcher waits or is refused.
    ///
    /// # Errors
    /// [`Error::Busy`] while all credits to any of the homes are out; [`Error::Limit`] for more presentities than
    /// `fetch_presentities_max`; [`Error::NobodyToFetch`].
    pub fn fetch_many_for(&mut self, presentities: &[PresentityId], who: &Arc<Identity>) -> Result<Ticket, Error> {
        self.fan.poll(presentities, who)
    }

    /// Asks the owner to decide on this watcher, if his policy leaves it to him; he finds him in the answer to
    /// [`Self::pending_watchers`]. The outcome is [`Outcome::Decided`].
    ///
    /// # Errors
    /// [`Error::Busy`] while all credits to that home are out.
    pub fn ask_owner(&mut self, presentity: PresentityId, who: Arc<Identity>) -> Result<Ticket, Error> {
        self.fan.ask(presentity, Request::Ask { presentity, who })
    }

    /// Asks who waits for the owner's decision. The outcome is [`Outcome::Pending`].
    ///
    /// # Errors
    /// [`Error::Busy`] while all credits to that home are out.
    pub fn pending_watchers(&mut self, presentity: PresentityId) -> Result<Ticket, Error> {
        self.fan.ask(presentity, Request::Pending { presentity })
    }

    /// Claims the id for the name that it was made from. The outcome is [`Outcome::Named`], or the refusal
    /// [`crate::Refusal::NameTaken`] when it stands for another.
    ///
    /// # Errors
    /// [`Error::Busy`] while all credits to that home are out.
    pub fn claim_name(&mut self, presentity: PresentityId, name: &str) -> Result<Ticket, Error> {
        self.fan.ask(presentity, Request::Claim(NameClaim { presentity, name: name.into() }.into()))
    }

    /// Asks a presentity's home for something: the same as the method for it.
    ///
    /// # Errors
    /// Those of the method.
    pub fn request(&mut self, request: Request) -> Result<Ticket, Error> {
        match request {
            Request::Publish(publication) => self.publish(publication),
            Request::Fetch { presentity, view } => self.fetch(presentity, view),
            Request::Endpoint(publication) => self.publish_endpoint(*publication),
            Request::SetPolicy(edit) => self.set_policy(*edit),
            Request::FetchFor { presentity, who } => self.fetch_for(presentity, who),
            Request::FetchMany { presentities, who } => self.fetch_many_for(&presentities, &who),
            Request::Ask { presentity, who } => self.ask_owner(presentity, who),
            Request::Pending { presentity } => self.pending_watchers(presentity),
            Request::Claim(claim) => self.fan.ask(claim.presentity, Request::Claim(claim)),
        }
    }

    /// Takes messages of another shard in, and leaves the vector empty. Faster than one after the other, for the first
    /// [`MESSAGES_TOGETHER`] of them ask for memory together; more than those are best brought in several calls.
    pub fn receive_all(&mut self, from: ShardIndex, messages: &mut Vec<Message>) {
        self.fan.approach_messages(messages);
        for message in messages.drain(..) {
            self.receive(from, message);
        }
    }

    /// Takes a message of another shard in.
    pub fn receive(&mut self, from: ShardIndex, message: Message) {
        match message {
            Message::Update(update) => self.fan.take_update(from, update),
            Message::Answer { ticket, outcome } => self.fan.take_answer(from, ticket, outcome),
            Message::Join(interest) => self.take_join(from, interest),
            Message::Leave(interest) => self.take_leave(from, interest),
            Message::Applied { presentity, epoch } => self.take_applied(from, presentity, epoch),
            Message::Request { ticket, request } => self.serve(from, ticket, request),
            Message::Watchers(message) => self.take_information(from, *message),
        }
    }

    fn serve(&mut self, from: ShardIndex, ticket: Ticket, request: Request) {
        let outcome = match request {
            Request::Publish(publication) => {
                self.fan.serve_publish(publication).map_or_else(Outcome::Refused, Outcome::Published)
            }
            Request::Fetch { presentity, view } => Outcome::Fetched(self.serve_fetch_of(presentity, view)),
            Request::Endpoint(publication) => {
                self.serve_endpoint(*publication).map_or_else(Outcome::Refused, Outcome::Accepted)
            }
            Request::SetPolicy(edit) => return self.serve_set_policy(from, ticket, *edit),
            Request::FetchFor { presentity, who } => Outcome::Fetched(self.serve_fetch_for(presentity, &who)),
            Request::FetchMany { presentities, who } => {
                let states = presentities.iter().map(|presentity| self.serve_fetch_for(*presentity, &who));
                Outcome::FetchedMany(states.collect())
            }
            Request::Ask { presentity, who } => {
                self.serve_ask(presentity, who).map_or_else(Outcome::Refused, Outcome::Decided)
            }
            Request::Pending { presentity } => Outcome::Pending(self.serve_pending(presentity)),
            Request::Claim(claim) => self.serve_claim(*claim).map_or_else(Outcome::Refused, |()| Outcome::Named),
        };
        self.fan.answer(from, ticket, outcome);
    }

    fn take_join(&mut self, from: ShardIndex, interest: Interest) {
        let Interest { presentity, view, policy, .. } = interest;
        self.recall_policy(presentity, policy);
        self.fan.take_join(from, interest);
        self.fan.interest_has_changed(from, presentity);
        if self.desk.scheme.has_events() {
            // To tell of a first watcher, the presentity has to be known. Watchers must not take the room of those who
            // publish, so for half of it there is no event.
            if self.fan.homes.wards.live() < self.fan.limits().presentities / 2 {
                let _ = self.ward_for(presentity);
            }
        }
        let is_new = self.fan.homes.find(presentity, view).is_some_and(|view| !self.fan.homes.views[view].is_composed);
        if is_new && self.desk.scheme.composes() {
            // Nobody has rendered the view yet.
            if let Some(ward) = self.ward_of(presentity) {
                self.expire_presence(ward);
            }
            if let Some(home) = self.fan.homes.find_home(presentity) {
                self.compose_home(home);
            }
        }
        if let Some(ward) = self.ward_of(presentity) {
            self.note_watched(ward);
        }
    }

    fn take_leave(&mut self, from: ShardIndex, interest: Interest) {
        let Interest { presentity, view, .. } = interest;
        self.fan.take_leave(from, interest);
        self.fan.interest_has_changed(from, presentity);
        if let Some(view) = self.fan.homes.find(presentity, view) {
            self.drop_view_if_unwatched(view);
        }
        let Some(ward) = self.ward_of(presentity) else { return };
        self.note_watched(ward);
        if self.desk.edits.is_under_way(presentity) && !self.listens(from, ward) {
            // Who looks at nothing shows nothing.
            let epoch = self.fan.homes.wards[ward].epoch;
            self.take_applied(from, presentity, epoch);
        } else {
            self.forget_if_empty(ward);
        }
    }

    /// Whether a shard listens to any view of a presentity.
    fn listens(&self, shard: ShardIndex, ward: u32) -> bool {
        let homes = &self.fan.homes;
        let mut readers = homes.views_of(homes.wards[ward].home).flat_map(|view| homes.readers_of(view));
        readers.any(|reader| usize::from(homes.readers[reader].shard) == shard.index())
    }

    /// Makes a step: [`Self::begin_step`], in which a quarter as many subscriptions as `entries`, and one at the least, are
    /// looked at for policies; then [`Self::walk`] for up to `entries`.
    ///
    /// A `now` before an earlier one counts as that earlier one (C7).
    pub fn step(&mut self, now: Tick, entries: usize) -> Work {
        let begun = self.begin_step(now, (entries / 4).max(1));
        let walk_entries = begun.walk_entries + self.walk(entries);
        Work { walk_entries, more: begun.more || self.fan.has_walks(), ..begun }
    }

    /// The first half of a step: lets time pass, takes in what this shard has for itself, and looks at up to so many
    /// subscriptions for policies, which count as entries in what it tells. What it has caused for other shards can be sent
    /// before the second half, which takes longer. That walks are left to do is not told here.
    ///
    /// A `now` before an earlier one counts as that earlier one (C7).
    pub fn begin_step(&mut self, now: Tick, subscriptions: usize) -> Work {
        self.fan.pass_time(now);
        let most = self.fan.limits().expiries_per_step as usize;
        let ended = self.fan.expire_groups(most) + self.follow_lists(most);
        let due = ended + self.fan.pace_due(most) + self.fan.expire_sessions(most);
        let expiring = self.expire_presences() | self.fan.expire_due() | (due >= most);
        let expiring = expiring | (self.fan.end_gaps(most) >= most);
        self.end_overdue_edits();
        let more_for_self = self.take_own_messages();
        let reevaluated = self.fan.reevaluate(subscriptions);
        let walk_entries = reevaluated + self.fan.gather_watchers((subscriptions - reevaluated).max(1));
        Work {
            walk_entries,
            more: expiring || more_for_self || !self.fan.gates.is_settled() || self.fan.has_watchers_to_gather(),
            deadline: self.deadline(),
        }
    }

    /// When something is due next, if nothing comes in: ask before sleeping, for to tell and to hold back changes it.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        let deadlines = [
            self.fan.homes.next_expiry().map(|(expires, _)| expires),
            self.desk.next_expiry().map(|(expires, _)| expires),
            self.desk.edits.first_deadline(),
            self.fan.first_due(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The second half of a step: goes on with the walks for up to `entries`, and tells how many it visited.
    pub fn walk(&mut self, entries: usize) -> usize {
        self.fan.walk_step(entries)
    }

    /// Ends publications that are past their expiry, up to the limit; tells whether more are due.
    fn expire_presences(&mut self) -> bool {
        let mut left = self.fan.limits().expiries_per_step as usize;
        while let Some((expires, ward)) = self.desk.next_expiry() {
            if expires > self.fan.now() {
                return false;
            }
            if left == 0 {
                return true;
            }
            left = left.saturating_sub(self.expire_presence(ward));
        }
        false
    }

    /// The way from this shard to itself: the same messages, as many at a step as a ring would hold; tells whether
    /// there are more.
    fn take_own_messages(&mut self) -> bool {
        let own = self.fan.index();
        let mut messages = core::mem::take(&mut self.own_messages);
        let mut left = self.fan.limits().link_slots as usize;
        while left > 0 {
            let together = left.min(MESSAGES_TOGETHER);
            messages.extend(core::iter::from_fn(|| self.fan.next_message(own)).take(together));
            if messages.is_empty() {
                break;
            }
            left -= messages.len();
            self.receive_all(own, &mut messages);
        }
        self.own_messages = messages;
        self.fan.has_own_messages()
    }

    /// Whether there is nothing to do until something happens. Expiries may still be ahead, and events untaken.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let now = self.fan.now();
        self.fan.is_at_rest()
            && self.desk.lists.is_settled()
            && self.desk.next_expiry().is_none_or(|(expires, _)| expires > now)
    }

    /// What the shard weighs now. Looks at a thousand tables: for reports, not for each turn.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let records = self.fan.footprint_of_records();
        Footprint { presence: records.presence + self.desk.bytes(), ..records }
    }

    /// Checks every invariant that can be seen from inside one shard. Looks at everything several times.
    ///
    /// # Errors
    /// The first rule that does not hold, and where.
    pub fn verify(&self) -> Result<(), Corrupt> {
        self.fan.verify_all(self.desk.documents())?;
        let wards = &self.fan.homes.wards;
        let is_live = |ward: u32| {
            let home = wards[ward].home;
            ward < wards.ever() && home < self.fan.homes.homes.ever() && self.fan.homes.homes[home].ward == ward
        };
        self.desk.verify(is_live)?;
        let live = (0..wards.ever()).filter(|&ward| wards[ward].home != NONE && is_live(ward)).count();
        if live != wards.live() as usize {
            return Err(Corrupt { rule: "each ward belongs to a home", index: live as u64 });
        }
        Ok(())
    }
}
