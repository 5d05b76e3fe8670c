//! Publications of endpoints, served at the home (RFC 3903, RFC 4827).
//!
//! Every check comes before the first change, so a publication that is refused has changed nothing.

use alloc::vec::Vec;

use super::Shard;
use super::record::{Endpoint, LISTED, Part, Presence, WATCHED, seconds};
use crate::document::Document;
use crate::error::{Accepted, Bound, Refusal};
use crate::id::{Category, EndpointId, EntityTag, PolicyEpoch, PresentityId, Stamp, Tick};
use crate::publication::{EndpointPublication, PartEdit};
use crate::shard::ShardMemory;
use crate::status::{AvailabilityClass, Status};
use crate::store::NONE;

impl<B: ShardMemory> Shard<B> {
    pub(crate) fn serve_endpoint(&mut self, publication: EndpointPublication) -> Result<Accepted, Refusal> {
        let presentity = publication.presentity;
        if let Some(ward) = self.ward_of(presentity) {
            // What has expired is not there to be refreshed, changed or matched.
            self.expire_presence(ward);
        }
        if !self.fan.takes_publications() {
            return Err(Refusal::Busy { retry_after_us: self.fan.limits().retry_after_us });
        }
        let ward = self.ward_of(presentity);
        let nothing = Presence::default();
        let record = ward.map_or(&nothing, |ward| &self.desk.presences[ward]);
        let found = record.find(publication.endpoint);
        check_condition(&publication, record, found)?;
        if publication.lifetime_us == 0 {
            return Ok(self.remove_endpoint(&publication, ward.zip(found)));
        }
        let expires = self.check_new(&publication, record, found)?;
        let documents = self.check_documents(&publication, ward)?;

        // From here on nothing is refused, but for want of memory.
        let ward = self.ward_for(presentity)?;
        let tag = self.desk.next_tag();
        self.write_endpoint(ward, &publication, tag, expires, documents);
        if publication.status.is_some() {
            self.count_claim(ward, publication.endpoint);
        }
        let absorbed = !self.recompose(ward);
        self.fan.counters.composed += 1;
        Ok(Accepted { tag, expires, stamp: self.stamp_of_ward(ward), absorbed })
    }

    /// What would stand in the way of the publication as such; its expiry if nothing does.
    fn check_new(
        &self,
        publication: &EndpointPublication,
        record: &Presence,
        found: Option<usize>,
    ) -> Result<Tick, Refusal> {
        let limits = self.fan.limits();
        let is_hard = publication.endpoint == EndpointId::HARD;
        if !is_hard && publication.lifetime_us < limits.lifetime_us_min {
            return Err(Refusal::TooBrief { least_us: limits.lifetime_us_min });
        }
        for PartEdit { category, version, .. } in &publication.parts {
            let current = found.and_then(|found| record.part(found, *category)).map_or(0, |part| part.version);
            if version.is_some_and(|version| version != current) {
                return Err(Refusal::StaleVersion { category: *category, current });
            }
        }
        if found.is_none() && publication.status.is_none() && !is_hard {
            return Err(Refusal::NoSuchEndpoint(publication.endpoint));
        }
        let devices = record.devices().count();
        if found.is_none() && !is_hard && devices >= usize::from(limits.endpoints_per_presentity) {
            let limit = limits.endpoints_per_presentity.into();
            return Err(Refusal::Limit { bound: Bound::Endpoints, limit });
        }
        let lifetime_us = publication.lifetime_us.min(limits.lifetime_us_max);
        Ok(if is_hard { Tick::NEVER } else { self.fan.now().after_micros(lifetime_us) })
    }

    /// Room and memory for the documents, each of which may be rendered once in every view.
    fn check_documents(
        &self,
        publication: &EndpointPublication,
        ward: Option<u32>,
    ) -> Result<Vec<Option<Document>>, Refusal> {
        let limits = self.fan.limits();
        if ward.is_none() && self.fan.homes.wards.live() >= limits.presentities {
            return Err(Refusal::Limit { bound: Bound::Presentities, limit: limits.presentities.into() });
        }
        let documents = publication.parts.iter().map(|part| {
            let made = part.document.as_ref().map(|bytes| Document::try_new(bytes).ok_or(Refusal::OutOfMemory));
            made.transpose()
        });
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        // What it replaces makes room for it; a refresh needs none.
        let replaced = ward.and_then(|ward| {
            let record = &self.desk.presences[ward];
            let place = record.find(publication.endpoint)?;
            let parts = publication.parts.iter().filter_map(|edit| record.document(place, edit.category));
            Some(parts.map(Document::weight).sum::<u64>())
        });
        let weight: u64 = documents.iter().flatten().map(Document::weight).sum();
        let weight = weight.saturating_sub(replaced.unwrap_or(0));
        let views = self.fan.homes.find_home(publication.presentity);
        let views = views.map_or(0, |home| self.fan.homes.views_of(home).count() as u64);
        if weight != 0 && self.fan.homes.documents_bytes + weight * (1 + views) > limits.documents_bytes {
            return Err(Refusal::Limit { bound: Bound::DocumentsBytes, limit: limits.documents_bytes });
        }
        Ok(documents)
    }

    fn write_endpoint(
        &mut self,
        ward: u32,
        publication: &EndpointPublication,
        tag: EntityTag,
        expires: Tick,
        documents: Vec<Option<Document>>,
    ) {
        let mut released = Vec::new();
        for document in documents.iter().flatten() {
            self.fan.homes.hold(document);
        }
        self.desk.edit(ward, |record| {
            let mut endpoints = core::mem::take(&mut record.endpoints).into_vec();
            let mut parts = core::mem::take(&mut record.parts).into_vec();
            let place = endpoints.iter().position(|it| it.id == publication.endpoint).unwrap_or_else(|| {
                endpoints.push(Endpoint {
                    id: publication.endpoint,
                    tag,
                    expires,
                    active_at: Tick::ZERO,
                    status: Status::OFFLINE,
                    claims_since_s: 0,
                    claims: 0,
                    priority: 0,
                    has_status: false,
                });
                endpoints.len() - 1
            });
            let endpoint = &mut endpoints[place];
            (endpoint.tag, endpoint.expires) = (tag, expires);
            if let Some(status) = publication.status {
                (endpoint.status, endpoint.has_status) = (status, true);
                endpoint.priority = publication.priority;
                endpoint.active_at = endpoint.active_at.max(publication.active_at);
                if publication.condition.is_none() && publication.endpoint != EndpointId::HARD {
                    // A publication of its own and not a change of the last one: what that said is gone.
                    let is_edited = |category| publication.parts.iter().any(|edit| edit.category == category);
                    let mine = parts.iter_mut().filter(|part| usize::from(part.endpoint) == place);
                    for part in mine.filter(|part| !is_edited(part.category)) {
                        if let Some(document) = part.document.take() {
                            part.version = next_version(part.version);
                            released.push(document);
                        }
                    }
                }
            }
            for (edit, document) in publication.parts.iter().zip(documents) {
                let same = |part: &&mut Part| usize::from(part.endpoint) == place && part.category == edit.category;
                if let Some(part) = parts.iter_mut().find(same) {
                    part.version = next_version(part.version);
                    released.extend(core::mem::replace(&mut part.document, document));
                } else if document.is_some() {
                    parts.push(Part { document, version: 1, endpoint: place as u8, category: edit.category });
                }
            }
            (record.endpoints, record.parts) = (endpoints.into(), parts.into());
        });
        self.release(released);
        self.reckon_expiry(ward);
    }

    /// Takes an endpoint's publication away.
    fn remove_endpoint(&mut self, publication: &EndpointPublication, at: Option<(u32, usize)>) -> Accepted {
        let tag = self.desk.next_tag();
        let Some((ward, place)) = at else {
            // To take away what is not there changes nothing, and makes no record.
            let stamp = self.fan.homes.stamp_of(publication.presentity);
            return Accepted { tag, expires: self.fan.now(), stamp, absorbed: true };
        };
        self.drop_endpoints(ward, |index, _| index == place);
        let absorbed = !self.recompose(ward);
        self.fan.counters.composed += 1;
        let accepted = Accepted { tag, expires: self.fan.now(), stamp: self.stamp_of_ward(ward), absorbed };
        self.forget_if_empty(ward);
        accepted
    }

    /// Takes those endpoints away that `is_gone` says are, with their documents.
    pub(crate) fn drop_endpoints(&mut self, ward: u32, is_gone: impl Fn(usize, &Endpoint) -> bool) {
        let mut released = Vec::new();
        let now = self.fan.now();
        self.desk.edit(ward, |record| {
            let had_devices = record.devices().next().is_some();
            // A device that expired was last known to be there when it did, however late that is noticed.
            let last_seen = record.devices().map(|it| it.expires.min(now)).max().unwrap_or(now);
            // By old place: the new one.
            let mut places = Vec::new();
            let mut kept = 0;
            for (index, endpoint) in record.endpoints.iter().enumerate() {
                let stays = !is_gone(index, endpoint);
                places.push(stays.then_some(kept));
                kept += u8::from(stays);
            }
            let parts = core::mem::take(&mut record.parts).into_vec().into_iter();
            let kept_parts = parts.filter_map(|mut part| match places[usize::from(part.endpoint)] {
                Some(place) => {
                    part.endpoint = place;
                    Some(part)
                }
                None => {
                    released.extend(part.document.take());
                    None
                }
            });
            record.parts = kept_parts.collect();
            let endpoints = core::mem::take(&mut record.endpoints).into_vec().into_iter();
            let stays = endpoints.zip(&places).filter(|(_, place)| place.is_some());
            record.endpoints = stays.map(|(endpoint, _)| endpoint).collect();
            if had_devices && record.devices().next().is_none() {
                record.last_seen = last_seen;
            }
        });
        self.release(released);
        self.reckon_expiry(ward);
    }

    /// Lets go of documents that were published.
    fn release(&mut self, documents: Vec<Document>) {
        for document in documents {
            self.fan.homes.retire(document);
        }
    }

    fn reckon_expiry(&mut self, ward: u32) {
        let record = &self.desk.presences[ward];
        let earliest = record.devices().map(|it| it.expires).min();
        let expires = earliest.unwrap_or_else(|| match record.last_seen {
            Tick::NEVER => Tick::NEVER,
            seen => seen.after_micros(self.fan.limits().last_seen_us),
        });
        self.desk.set_expiry(ward, expires);
    }

    /// An endpoint that says the user is active while another one is shown makes a claim.
    fn count_claim(&mut self, ward: u32, endpoint: EndpointId) {
        let now_s = seconds(self.fan.now());
        let record = &mut self.desk.presences[ward];
        let Some(place) = record.find(endpoint) else { return };
        let is_active = |it: &Endpoint| it.status.availability.class() <= AvailabilityClass::Available;
        let is_shown = record.standing.shown.is_none_or(|shown| usize::from(shown) == place);
        let it = &mut record.endpoints[place];
        if !is_active(it) || is_shown {
            // It has gone idle, or it is the one that is shown: it fights with nobody.
            it.claims = 0;
            return;
        }
        if it.claims_at(now_s) == 0 {
            (it.claims, it.claims_since_s) = (0, now_s);
        }
        it.claims = it.claims.saturating_add(1);
    }

    /// Ends what has expired of a presentity, or forgets it; tells how many endpoints ended.
    pub(crate) fn expire_presence(&mut self, ward: u32) -> usize {
        let now = self.fan.now();
        let record = &self.desk.presences[ward];
        if record.expires > now {
            return 0;
        }
        let due = record.devices().filter(|it| it.expires <= now).count();
        if due == 0 {
            // Nobody has been there for so long that it is forgotten when.
            self.desk.presences[ward].last_seen = Tick::NEVER;
            self.desk.set_expiry(ward, Tick::NEVER);
        } else {
            self.drop_endpoints(ward, |_, it| it.expires <= now);
            self.fan.counters.expired += due as u64;
        }
        self.recompose(ward);
        self.forget_if_empty(ward);
        due.max(1)
    }

    fn stamp_of_ward(&self, ward: u32) -> Stamp {
        let home = self.fan.homes.wards[ward].home;
        Stamp::from_bits(self.fan.homes.homes[home].stamp)
    }

    pub(crate) fn ward_of(&self, presentity: PresentityId) -> Option<u32> {
        let home = self.fan.homes.find_home(presentity)?;
        let ward = self.fan.homes.homes[home].ward;
        (ward != NONE).then_some(ward)
    }

    /// The ward of a presentity, made with its record if it is new.
    pub(crate) fn ward_for(&mut self, presentity: PresentityId) -> Result<u32, Refusal> {
        if let Some(ward) = self.ward_of(presentity) {
            return Ok(ward);
        }
        let limits = self.fan.limits();
        if self.fan.homes.wards.live() >= limits.presentities {
            return Err(Refusal::Limit { bound: Bound::Presentities, limit: limits.presentities.into() });
        }
        self.new_ward(presentity)
    }

    fn new_ward(&mut self, presentity: PresentityId) -> Result<u32, Refusal> {
        let wanted = self.fan.homes.wards.ever() + 1;
        while self.desk.presences.len() < wanted {
            self.desk.presences.push().map_err(|_| Refusal::OutOfMemory)?;
        }
        let ward = self.fan.homes.ward_for(presentity).map_err(|_| Refusal::OutOfMemory)?;
        self.note_watched(ward);
        Ok(ward)
    }

    /// A shard joins that still knows a policy which was removed and forgotten here: it is told so, under a number that is
    /// new to it. That takes no more room than the policy did.
    pub(crate) fn recall_policy(&mut self, presentity: PresentityId, known: PolicyEpoch) {
        let ward = self.ward_of(presentity);
        let is_forgotten = ward.is_none_or(|ward| self.fan.homes.wards[ward].epoch == PolicyEpoch::default());
        if is_forgotten && self.fan.homes.is_outdated(presentity, known) {
            let ward = self.new_ward(presentity).expect("memory for a policy");
            self.fan.homes.wards[ward].epoch = self.fan.homes.policy_floor(presentity);
        }
    }

    /// Forgets a record that says nothing: no endpoint, no last-seen, no policy, no name, nobody who waits.
    pub(crate) fn forget_if_empty(&mut self, ward: u32) {
        let record = &self.desk.presences[ward];
        let is_empty = record.endpoints.is_empty()
            && record.last_seen == Tick::NEVER
            && record.rare.is_none()
            && !record.standing.has(LISTED)
            && !record.standing.has(WATCHED);
        // A policy that is gone need not be remembered: who still applies it names its number when it joins, and a later
        // one has a higher number.
        let has_policy = self.fan.homes.wards[ward].guard.is_some();
        if !is_empty || has_policy || self.desk.edits.is_under_way(self.presentity_of(ward)) {
            return;
        }
        // Who was not told yet has to be told the same as the others, and who has not applied it to be heard.
        if self.fan.homes.owes_guard(ward) {
            return;
        }
        let home = self.fan.homes.wards[ward].home;
        self.desk.edit(ward, |record| *record = Presence::default());
        self.recompose(ward);
        debug_assert!(self.fan.homes.homes[home].ward == ward);
        self.fan.homes.remove_ward(ward);
    }
}

/// Versions go round without 0, which stands for none.
fn next_version(version: u32) -> u32 {
    version.checked_add(1).unwrap_or(1)
}

fn check_condition(publication: &EndpointPublication, record: &Presence, found: Option<usize>) -> Result<(), Refusal> {
    let current = found.map(|found| record.endpoints[found].tag);
    match publication.condition {
        Some(_) if publication.condition != current => Err(Refusal::StaleTag { current }),
        _ => Ok(()),
    }
}

/// Where the category of a state stands in every scheme: the first.
pub(crate) const STATE: Category = Category::FIRST;
