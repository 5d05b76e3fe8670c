//! Rendering: a presentity's endpoints become the documents of its views, each composed and encoded once.
//!
//! Only views that some shard listens to are rendered. A document that a view shows as it was published is shared with
//! the publication, not copied. Invariant: after [`Shard::recompose`], every rendered view shows what the endpoints say,
//! and expires with the first of them if it shows anything of them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Shard;
use super::composition::{Composed, EndpointState};
use super::publish::STATE;
use super::record::{Presence, seconds};
use super::rendition::{Entry, Rendition};
use super::scheme::Scheme;
use super::view::{EntriesRule, StatusRule, ViewRule};
use crate::document::Document;
use crate::id::{Category, EndpointId, PresentityId, Tick, View};
use crate::shard::ShardMemory;
use crate::status::Status;
use crate::store::NONE;

/// A presentity's endpoints in order, ready to be rendered.
struct Ranked<'a> {
    record: &'a Presence,
    scheme: &'a Scheme,
    /// Places of endpoints, best first, hard state last.
    order: Vec<usize>,
    shown: usize,
    status: Status,
}

impl<'a> Ranked<'a> {
    fn new(record: &'a Presence, scheme: &'a Scheme, now: Tick) -> Self {
        let devices: Vec<usize> =
            (0..record.endpoints.len()).filter(|&it| record.endpoints[it].id != EndpointId::HARD).collect();
        let hard = record.find(EndpointId::HARD);
        let chosen = hard.map(|hard| &record.endpoints[hard]).filter(|it| it.has_status).map(|it| it.status);
        let composed = if devices.is_empty() {
            let status = Status::offline_since(record.last_seen);
            Composed { order: Vec::new(), shown: 0, status }
        } else {
            let states: Vec<EndpointState> = devices
                .iter()
                .map(|&it| &record.endpoints[it])
                .map(|it| EndpointState {
                    endpoint: it.id,
                    tag: it.tag,
                    status: it.status,
                    priority: it.priority,
                    active_at: it.active_at,
                    claims: it.claims_at(seconds(now)),
                })
                .collect();
            scheme.composition().compose(&states, chosen)
        };
        // An embedder's composition may say what it likes: what is not there is not looked at, and nothing twice.
        let mut order: Vec<usize> = Vec::with_capacity(record.endpoints.len());
        for place in composed.order.iter().filter_map(|&it| devices.get(it).copied()) {
            if !order.contains(&place) {
                order.push(place);
            }
        }
        let shown = composed.shown.min(order.len());
        order.extend(hard);
        Self { record, scheme, order, shown, status: composed.status }
    }

    /// The composition's first choice among the devices.
    fn winner(&self) -> Option<u8> {
        let first = self.order.first().filter(|&&it| self.record.endpoints[it].id != EndpointId::HARD)?;
        u8::try_from(*first).ok()
    }

    /// Whether there is anything to be told at all.
    fn says_something(&self) -> bool {
        !self.record.endpoints.is_empty() || self.record.last_seen != Tick::NEVER
    }

    /// What a view shows of the status and the endpoints.
    fn rendition(&self, rule: &ViewRule) -> Vec<u8> {
        let entry = |&place: &usize| {
            let endpoint = &self.record.endpoints[place];
            let document = self.record.document(place, STATE).map_or(&[][..], Document::as_slice);
            Entry { endpoint: endpoint.id, status: rule.status.apply(endpoint.status), document }
        };
        let is_worth_it = |place: &&usize| {
            self.record.endpoints[**place].id != EndpointId::HARD || self.record.document(**place, STATE).is_some()
        };
        let entries = match rule.entries {
            EntriesRule::None => Vec::new(),
            // Hard state stands where no device does.
            EntriesRule::Shown if self.shown == 0 => self.order.iter().filter(is_worth_it).map(entry).collect(),
            EntriesRule::Shown => self.order[..self.shown].iter().map(entry).collect(),
            EntriesRule::All => self.order.iter().filter(is_worth_it).map(entry).collect(),
        };
        Rendition { status: rule.status.apply(self.status), entries }.to_bytes()
    }

    /// A category's document as it was published by the best who has one.
    fn document(&self, category: Category, rule: &ViewRule) -> Option<&'a Document> {
        if !rule.categories.contains(category) || rule.status == StatusRule::Offline {
            return None;
        }
        self.order.iter().find_map(|&place| self.record.document(place, category))
    }

    /// A view that is always offline is so from the beginning: that a presentity appears for the first time is not told
    /// there either.
    fn shows_state(&self, rule: &ViewRule) -> bool {
        (self.says_something() || rule.status == StatusRule::Offline) && rule.categories.contains(STATE)
    }

    /// The state as a view shows it, as bytes; for an answer.
    fn parts(&self, rule: &ViewRule) -> Box<[(Category, Bytes)]> {
        let state = self.shows_state(rule).then(|| (STATE, Bytes::from(self.rendition(rule))));
        let others = Category::all()
            .take(self.scheme.categories().len())
            .skip(1)
            .filter_map(|category| Some((category, Bytes::copy_from_slice(self.document(category, rule)?.as_slice()))));
        state.into_iter().chain(others).collect()
    }
}

impl<B: ShardMemory> Shard<B> {
    /// Brings every rendered view up to what the endpoints say; tells whether any of them changed.
    pub(crate) fn recompose(&mut self, ward: u32) -> bool {
        self.compose_home(self.fan.homes.wards[ward].home)
    }

    /// As [`Self::recompose`], for a presentity that may have published nothing.
    pub(crate) fn compose_home(&mut self, home: u32) -> bool {
        if !self.desk.scheme.composes() {
            return false;
        }
        let ward = self.fan.homes.homes[home].ward;
        let nothing = Presence::default();
        if self.desk.offline.is_none() && self.desk.scheme.has_offline_view() {
            let rendition = Rendition { status: Status::OFFLINE, entries: Vec::new() };
            let document = Document::try_new(&rendition.to_bytes()).expect("memory for a composed state");
            // Held for good, whoever shows it.
            self.fan.homes.hold(&document);
            self.desk.offline = Some(document);
        }
        let record = if ward == NONE { &nothing } else { &self.desk.presences[ward] };
        let ranked = Ranked::new(record, &self.desk.scheme, self.fan.now());
        let earliest = record.devices().map(|it| it.expires).min().unwrap_or(Tick::NEVER);
        let mut changes = Vec::new();
        // Views of the same rule for the status look the same: the document is made once.
        let offline = self.desk.offline.clone();
        let offline = offline.map(|document| (StatusRule::Offline, EntriesRule::None, document));
        let mut made: Vec<(StatusRule, EntriesRule, Document)> = offline.into_iter().collect();
        for view in self.fan.homes.views_of(home) {
            let Some(rule) = self.desk.scheme.rule(self.fan.homes.views[view].view) else { continue };
            let current = self.fan.homes.document(view, STATE);
            if !ranked.shows_state(rule) {
                changes.extend(current.map(|_| (view, STATE, None)));
            } else {
                let known = made.iter().find(|(status, entries, _)| (*status, *entries) == (rule.status, rule.entries));
                let document = match known {
                    Some((_, _, document)) => document.clone(),
                    None => {
                        let document = Document::try_new(&ranked.rendition(rule)).expect("memory for a composed state");
                        made.push((rule.status, rule.entries, document.clone()));
                        document
                    }
                };
                if current.map(Document::as_slice) != Some(document.as_slice()) {
                    changes.push((view, STATE, Some(document)));
                }
            }
            for category in Category::all().take(self.desk.scheme.categories().len()).skip(1) {
                let document = ranked.document(category, rule);
                if self.fan.homes.document(view, category).map(Document::as_slice) != document.map(Document::as_slice) {
                    changes.push((view, category, document.cloned()));
                }
            }
        }
        let (winner, online) = (ranked.winner(), !ranked.status.is_offline());
        let changed = !changes.is_empty();
        let mut view = self.fan.homes.homes[home].views;
        while view != NONE {
            let record = &mut self.fan.homes.views[view];
            record.is_composed = true;
            record.hides_stamp |= self.desk.scheme.rule(record.view).is_some_and(|it| it.status == StatusRule::Offline);
            // What shows nothing of the endpoints does not end with them.
            let expires = if record.hides_stamp { Tick::NEVER } else { earliest };
            let known_until = record.expires;
            if self.fan.homes.set_composed_expiry(view, expires) {
                self.fan.owe_expiry(view, known_until);
            }
            view = self.fan.homes.views[view].next;
        }
        for (view, category, document) in changes {
            self.fan.set_state(view, category, document, Tick::NEVER).expect("memory for a composed state");
        }
        if ward != NONE {
            self.desk.presences[ward].standing.shown = winner;
            self.note_online(ward, online);
        }
        changed
    }

    fn clear_view(&mut self, view: u32) {
        for category in Category::all() {
            if self.fan.homes.document(view, category).is_some() {
                self.fan.set_state(view, category, None, Tick::NEVER).expect("to take a document away needs no memory");
            }
        }
        let known_until = self.fan.homes.views[view].expires;
        if self.fan.homes.set_composed_expiry(view, Tick::NEVER) {
            self.fan.owe_expiry(view, known_until);
        }
    }

    /// The last shard has left a view: it is not rendered any more.
    pub(crate) fn drop_view_if_unwatched(&mut self, view: u32) {
        let record = &self.fan.homes.views[view];
        if record.is_composed && record.readers == NONE {
            self.clear_view(view);
            if self.fan.homes.evict_if_empty(view) {
                self.fan.counters.evicted += 1;
            }
        }
    }

    /// What a view of a presentity shows, whether anybody looks at it or not.
    pub(crate) fn render(&self, presentity: PresentityId, view: View) -> Box<[(Category, Bytes)]> {
        let Some(rule) = self.desk.scheme.rule(view) else { return Box::new([]) };
        let nothing = Presence::default();
        let record = self.ward_of(presentity).map_or(&nothing, |ward| &self.desk.presences[ward]);
        Ranked::new(record, &self.desk.scheme, self.fan.now()).parts(rule)
    }
}
