//! The model of presence: what endpoints have published at each home, and what the views must show of it.
//!
//! It composes in its own way, from maps, and must come to the engine's bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use fanfare_core::presence::composition::{Composition, HighestPriority, LastWrite, UnionOfEndpoints};
use fanfare_core::presence::rendition::Entry;
use fanfare_core::presence::view::{EntriesRule, StatusRule, ViewRule};
use fanfare_core::{
    CATEGORIES, Categories, Category, Decision, EndpointId, EndpointPublication, EntityTag, Limits, Policy, Rendition,
    Scheme, Status, Tick, View,
};

use super::truth::serial_of;

/// Which composition a world has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    LastWrite,
    HighestPriority,
    Union,
    /// The world composes by itself; policies decide between its views.
    SetDirectly,
}

/// One endpoint, as the model has it.
#[derive(Clone, Debug)]
pub(super) struct Device {
    /// Which of all publications served was its newest.
    pub(super) order: u64,
    pub(super) expires: Tick,
    status: Option<Status>,
    priority: i8,
    active_at: Tick,
    /// By category: document and version.
    pub(super) parts: BTreeMap<usize, (Option<Vec<u8>>, u32)>,
}

/// One presentity, as the model has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub(super) devices: BTreeMap<u64, Device>,
    last_seen: Option<Tick>,
}

/// All that was published through endpoints.
pub(super) struct Presences {
    pub(super) kind: Kind,
    pub(super) categories: u8,
    pub(super) persons: BTreeMap<u64, Person>,
    served: u64,
    /// Which publication an entity-tag was given for.
    pub(super) orders: BTreeMap<(u64, EntityTag), u64>,
}

/// What a home must say to an endpoint's publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Refused,
    /// Accepted, as this one of all; nothing where there was nothing to remove.
    Accepted(u64),
}

impl Presences {
    pub(super) fn new(kind: Kind, categories: u8) -> Self {
        Self { kind, categories, persons: BTreeMap::new(), served: 0, orders: BTreeMap::new() }
    }

    /// The scheme that a world of this kind has.
    pub(super) fn scheme(&self, views: u16, otherwise: Decision) -> Scheme {
        let names: Vec<String> = (0..self.categories).map(|number| format!("category-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let views: Vec<ViewRule> = (0..views).map(rule_of).collect();
        let guard = Policy::everybody(otherwise);
        match self.kind {
            Kind::LastWrite => scheme(&names, views, LastWrite, guard),
            Kind::HighestPriority => scheme(&names, views, HighestPriority, guard),
            Kind::Union => scheme(&names, views, UnionOfEndpoints, guard),
            Kind::SetDirectly => scheme(&names, views, LastWrite, guard).set_directly(),
        }
    }

    /// A home takes a publication in at its `now`.
    pub(super) fn serve(&mut self, publication: &EndpointPublication, now: Tick, limits: &Limits) -> Due {
        self.served += 1;
        let order = self.served;
        let person = self.persons.entry(publication.presentity.get()).or_default();
        person.pass_time(now);
        let key = publication.endpoint.0;
        let is_hard = publication.endpoint == EndpointId::HARD;
        let found = person.devices.get(&key);
        if let Some(tag) = publication.condition
            && self.orders.get(&(publication.presentity.get(), tag)).copied() != found.map(|device| device.order)
        {
            return Due::Refused;
        }
        if publication.lifetime_us == 0 {
            if person.devices.remove(&key).is_some() && !is_hard {
                person.note_gone(now);
            }
            return Due::Accepted(order);
        }
        let devices = person.devices.keys().filter(|&&key| key != EndpointId::HARD.0).count();
        let version_of = |category: usize| found.and_then(|it| it.parts.get(&category)).map_or(0, |part| part.1);
        let stale =
            |it: &fanfare_core::PartEdit| it.version.is_some_and(|it_was| it_was != version_of(it.category.index()));
        if (!is_hard && publication.lifetime_us < limits.lifetime_us_min)
            || publication.parts.iter().any(stale)
            || (found.is_none() && publication.status.is_none() && !is_hard)
            || (found.is_none() && !is_hard && devices >= usize::from(limits.endpoints_per_presentity))
        {
            return Due::Refused;
        }
        let device = person.devices.entry(key).or_insert_with(|| Device {
            order,
            expires: Tick::NEVER,
            status: None,
            priority: 0,
            active_at: Tick::ZERO,
            parts: BTreeMap::new(),
        });
        device.order = order;
        device.expires = match is_hard {
            true => Tick::NEVER,
            false => now.after_micros(publication.lifetime_us.min(limits.lifetime_us_max)),
        };
        if let Some(status) = publication.status {
            device.status = Some(status);
            device.priority = publication.priority;
            device.active_at = device.active_at.max(publication.active_at);
            if publication.condition.is_none() && !is_hard {
                for (category, part) in &mut device.parts {
                    let is_edited = publication.parts.iter().any(|edit| edit.category.index() == *category);
                    if !is_edited && part.0.take().is_some() {
                        part.1 += 1;
                    }
                }
            }
        }
        for edit in &publication.parts {
            let document = edit.document.as_deref().map(<[u8]>::to_vec);
            match device.parts.get_mut(&edit.category.index()) {
                Some(part) => *part = (document, part.1 + 1),
                None if document.is_some() => {
                    device.parts.insert(edit.category.index(), (document, 1));
                }
                None => {}
            }
        }
        Due::Accepted(order)
    }

    /// The documents of a view, by category, at a home's `now`.
    pub(super) fn show(&self, presentity: u64, view: View, now: Tick) -> [Option<Vec<u8>>; CATEGORIES] {
        let mut shown: [Option<Vec<u8>>; CATEGORIES] = Default::default();
        if view.is_closed() {
            return shown;
        }
        let mut person = self.persons.get(&presentity).cloned().unwrap_or_default();
        person.pass_time(now);
        let rule = rule_of(view.0);
        if rule.status == StatusRule::Offline {
            // It looks the same whether anybody was ever there or not.
            shown[0] = Some(Rendition { status: Status::OFFLINE, entries: Vec::new() }.to_bytes());
            return shown;
        }
        if person.devices.is_empty() && person.last_seen.is_none() {
            return shown;
        }
        let (ranked, count) = person.ranked(self.kind);
        let hard = person.devices.get(&EndpointId::HARD.0);
        let chosen = hard.and_then(|hard| hard.status);
        let best = match self.kind {
            Kind::Union => ranked.iter().min_by_key(|(id, it)| (it.status_now().availability, *id)),
            _ => ranked.first(),
        };
        let whole = match best {
            None => Status::offline_since(person.last_seen.unwrap_or(Tick::NEVER)),
            Some((_, it)) if it.status_now().is_offline() => it.status_now(),
            Some((_, it)) => chosen.unwrap_or(it.status_now()),
        };
        let all: Vec<(u64, &Device)> = ranked.iter().copied().chain(hard.map(|it| (EndpointId::HARD.0, it))).collect();
        let entries = all.iter().filter(|(id, it)| {
            let place = ranked.iter().position(|(other, _)| other == id);
            match place {
                Some(place) => place < count,
                None => count == 0 && it.document(0).is_some(),
            }
        });
        let entries = entries.map(|(id, it)| Entry {
            endpoint: EndpointId(*id),
            status: apply(rule.status, it.status_now()),
            document: it.document(0).unwrap_or_default(),
        });
        let entries = if rule.entries == EntriesRule::None { Vec::new() } else { entries.collect() };
        shown[0] = Some(Rendition { status: apply(rule.status, whole), entries }.to_bytes());
        let others = Category::all().zip(&mut shown).take(self.categories.into()).skip(1);
        for (category, shown) in others {
            if rule.categories.contains(category) && rule.status != StatusRule::Offline {
                *shown = all.iter().find_map(|(_, it)| it.document(category.index())).map(<[u8]>::to_vec);
            }
        }
        shown
    }

    /// The serial numbers of published documents inside a told one.
    pub(super) fn serials_in(category: Category, view: View, bytes: &[u8]) -> Result<Vec<u64>, String> {
        let serial = |bytes: &[u8]| serial_of(bytes).ok_or_else(|| format!("C2: bytes never published: {bytes:?}"));
        if category != Category::FIRST {
            return Ok(vec![serial(bytes)?]);
        }
        let rendition = Rendition::from_bytes(bytes).map_err(|why| format!("C2: {why}"))?;
        let rule = rule_of(view.0);
        if rule.entries == EntriesRule::None && !rendition.entries.is_empty() {
            return Err(format!("C6: {view:?} shows endpoints: {rendition:?}"));
        }
        if rule.status == StatusRule::Offline && rendition.status != Status::OFFLINE {
            return Err(format!("C6: {view:?} shows {:?}", rendition.status));
        }
        rendition.entries.iter().filter(|it| !it.document.is_empty()).map(|it| serial(it.document)).collect()
    }
}

impl Person {
    /// Ends the devices that have expired.
    fn pass_time(&mut self, now: Tick) {
        while let Some((&key, first)) = self.devices.iter().min_by_key(|(_, device)| device.expires) {
            let expires = first.expires;
            if expires > now {
                return;
            }
            self.devices.remove(&key);
            self.note_gone(expires);
        }
    }

    fn note_gone(&mut self, when: Tick) {
        if self.devices.keys().all(|&key| key == EndpointId::HARD.0) {
            self.last_seen = Some(when);
        }
    }

    /// The devices, best first, and how many are shown.
    fn ranked(&self, kind: Kind) -> (Vec<(u64, &Device)>, usize) {
        let devices = self.devices.iter().filter(|(key, _)| **key != EndpointId::HARD.0);
        let mut devices: Vec<(u64, &Device)> = devices.map(|(key, device)| (*key, device)).collect();
        match kind {
            Kind::LastWrite | Kind::SetDirectly => devices.sort_by_key(|(_, it)| Reverse(it.order)),
            Kind::HighestPriority => {
                devices
                    .sort_by_key(|(_, it)| (it.status_now().is_offline(), -i16::from(it.priority), Reverse(it.order)));
            }
            Kind::Union => devices.sort_by_key(|(id, it)| {
                (-i16::from(it.priority), it.status_now().availability, Reverse(it.active_at), *id)
            }),
        }
        let shown = if kind == Kind::Union { devices.len() } else { devices.len().min(1) };
        (devices, shown)
    }
}

impl Device {
    fn status_now(&self) -> Status {
        self.status.unwrap_or(Status::OFFLINE)
    }

    fn document(&self, category: usize) -> Option<&[u8]> {
        self.parts.get(&category)?.0.as_deref()
    }
}

fn scheme(names: &[&str], views: Vec<ViewRule>, composition: impl Composition + 'static, guard: Policy) -> Scheme {
    Scheme::new(names, views, composition, guard).expect("a scheme of small numbers")
}

/// What the views of a simulated world show.
fn rule_of(view: u16) -> ViewRule {
    let (status, entries, categories) = match view {
        0 => (StatusRule::AsIs, EntriesRule::Shown, Categories::ALL),
        1 => (StatusRule::NumberOnly, EntriesRule::None, Categories::only(Category::FIRST)),
        _ => (StatusRule::Offline, EntriesRule::None, Categories::ALL),
    };
    ViewRule { name: format!("view {view}").into(), container: view, categories, status, entries }
}

fn apply(rule: StatusRule, status: Status) -> Status {
    match rule {
        StatusRule::AsIs => status,
        StatusRule::NumberOnly => Status::new(status.availability),
        StatusRule::UrgentOnly => status.urgent_only(),
        StatusRule::Offline => Status::OFFLINE,
    }
}
