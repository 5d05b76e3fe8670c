//! Requests: asked with a ticket and a credit, served at the home, answered once.
//!
//! A credit is held from the call until the embedder has taken the outcome. So neither the ring, nor the answers that
//! wait for room in it, nor the outcomes can be more than the credits; and a shard can take any request in, since the
//! place for its answer is there.

use super::home::Change;
use super::message::{Message, Outcome, Publication, Request, State};
use super::tenant::{tenant_of_ticket, ticket_of};
use super::{FanOut, ShardMemory};
use crate::document::Document;
use crate::error::{Bound, Error, Published, Refusal};
use crate::id::{CATEGORIES, Category, PresentityId, ShardIndex, Stamp, Tick, Ticket, View};
use crate::store::SlabFull;

impl<B: ShardMemory> FanOut<B> {
    /// Asks the presentity's home to make this the state of a view.
    pub(crate) fn publish(&mut self, publication: Publication) -> Result<Ticket, Error> {
        let limit = self.limits.document_bytes;
        if publication.document.as_ref().is_some_and(|document| document.len() > limit as usize) {
            return Err(Error::Limit { bound: Bound::DocumentBytes, limit: limit.into() });
        }
        self.check_view(publication.view)?;
        self.ask(publication.presentity, Request::Publish(publication))
    }

    /// Asks the presentity's home for its state, once. The outcome comes by [`Self::next_outcome`].
    ///
    /// # Errors
    /// [`Error::Busy`] while all credits to that home are out.
    pub fn fetch(&mut self, presentity: PresentityId, view: View) -> Result<Ticket, Error> {
        self.ask(presentity, Request::Fetch { presentity, view })
    }

    /// The stamp of a presentity's newest change, if it is at home here; that of nothing if it is not.
    #[must_use]
    pub fn stamp_at_home(&self, presentity: PresentityId) -> Stamp {
        self.homes.stamp_of(presentity)
    }

    /// How many requests may be asked of that home now, by all tenants together.
    #[must_use]
    pub fn credits(&self, home: ShardIndex) -> u32 {
        self.limits.credits.saturating_sub(self.links[home.index()].credits_out)
    }

    /// Whether this shard, as a home, takes publications: not while too many replaced documents are out.
    #[must_use]
    pub fn takes_publications(&self) -> bool {
        self.homes.retired_bytes <= self.limits.retired_bytes
    }

    /// The outcome of a request, in order of arrival. To take it frees the request's credit.
    pub fn next_outcome(&mut self) -> Option<(Ticket, Outcome)> {
        let (homes, ticket, outcome) = self.outcomes.pop_front()?;
        for home in homes.iter() {
            self.links[home.index()].credits_out -= 1;
            self.give_credit_back(home.index(), tenant_of_ticket(ticket.0));
        }
        Some((ticket, outcome))
    }

    pub(crate) fn ask(&mut self, presentity: PresentityId, request: Request) -> Result<Ticket, Error> {
        let home = self.home_of(presentity);
        let is_publication = matches!(request, Request::Publish(_) | Request::Endpoint(_));
        let tenant = self.admit(presentity, is_publication)?;
        if tenant.is_none() && !self.has_credit(None, home) {
            return Err(self.is_busy(None));
        }
        self.take_credit(tenant, home);
        self.tickets += 1;
        let ticket = Ticket(tenant.map_or(self.tickets, |tenant| ticket_of(self.tickets, tenant)));
        self.links[home.index()].requests.push_back(Message::Request { ticket, request });
        Ok(ticket)
    }

    /// Makes this the state, unless something is against it.
    pub(crate) fn serve_publish(&mut self, publication: Publication) -> Result<Published, Refusal> {
        let Publication { presentity, view: name, category, document, expires } = publication;
        if document.is_some() && expires <= self.now {
            return Err(Refusal::Expired { expires, now: self.now });
        }
        if !self.takes_publications() {
            return Err(Refusal::Busy { retry_after_us: self.limits.retry_after_us });
        }
        let found = self.homes.find(presentity, name);
        let Some(bytes) = document else {
            // To take away what is not there changes nothing, and makes no home.
            let Some(view) = found else {
                return Ok(Published { stamp: self.homes.stamp_of(presentity), absorbed: true });
            };
            let published = self.set_state(view, category, None, Tick::NEVER)?;
            if self.homes.evict_if_empty(view) {
                self.counters.evicted += 1;
            }
            return Ok(published);
        };
        let has_state = found.is_some_and(|view| self.homes.views[view].documents != 0);
        if !has_state && self.homes.states >= self.limits.presentities {
            return Err(Refusal::Limit { bound: Bound::Presentities, limit: self.limits.presentities.into() });
        }
        let document = Document::try_new(&bytes).ok_or(Refusal::OutOfMemory)?;
        // What it replaces makes room for it; a refresh of what is there needs none.
        let replaced = found.and_then(|view| self.homes.document(view, category));
        let more = document.weight().saturating_sub(replaced.map_or(0, Document::weight));
        if more != 0 && self.homes.documents_bytes + more > self.limits.documents_bytes {
            return Err(Refusal::Limit { bound: Bound::DocumentsBytes, limit: self.limits.documents_bytes });
        }
        let view = self.homes.find_or_create(presentity, name).map_err(|_| Refusal::OutOfMemory)?;
        self.set_state(view, category, Some(document), expires).inspect_err(|_| {
            self.homes.evict_if_empty(view);
        })
    }

    /// The seam for composition: whatever the layer above composes for a view comes in here.
    pub(crate) fn set_state(
        &mut self,
        view: u32,
        category: Category,
        document: Option<Document>,
        expires: Tick,
    ) -> Result<Published, Refusal> {
        self.expire_view(view);
        let known_until = self.homes.views[view].expires;
        let change = self.homes.set(view, category, document, expires).map_err(|why| match why {
            SlabFull::Memory | SlabFull::Limit => Refusal::OutOfMemory,
        })?;
        match change {
            Change::Turn => {
                self.counters.published += 1;
                self.owe_change(view, known_until);
            }
            Change::Expiry => {
                self.counters.absorbed += 1;
                self.owe_updates(view);
            }
            Change::None => self.counters.absorbed += 1,
        }
        Ok(Published { stamp: self.homes.stamp(view), absorbed: !matches!(change, Change::Turn) })
    }

    /// Tells what the state is.
    pub(crate) fn serve_fetch(&mut self, presentity: PresentityId, name: View) -> State {
        let Some(view) = self.homes.find(presentity, name) else {
            return State { view: name, stamp: self.homes.stamp_of(presentity), parts: [].into() };
        };
        self.expire_view(view);
        // Copied, so that the count of the home's document stays with the home.
        let parts = (0..CATEGORIES as u8)
            .filter_map(Category::new)
            .filter_map(|category| {
                let document = self.homes.document(view, category)?;
                Some((category, bytes::Bytes::copy_from_slice(document.as_slice())))
            })
            .collect();
        let state = State { view: name, stamp: self.homes.stamp(view), parts };
        if self.homes.evict_if_empty(view) {
            self.counters.evicted += 1;
        }
        state
    }

    /// Ends what is past its expiry in a view, each document a turn of its own, in order of expiry (C7).
    pub(crate) fn expire_view(&mut self, view: u32) -> usize {
        if self.homes.views[view].is_composed {
            // The layer above takes away what has expired; until then the topics know by themselves.
            return 0;
        }
        let mut ended = 0;
        while self.homes.views[view].expires <= self.now {
            let Some(category) = self.homes.first_to_expire(view) else { break };
            // To take a document away needs no memory.
            if self.homes.set(view, category, None, Tick::NEVER).is_err() {
                break;
            }
            ended += 1;
        }
        if ended > 0 {
            self.counters.expired += ended as u64;
            self.owe_updates(view);
        }
        ended
    }
}
