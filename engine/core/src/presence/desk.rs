//! The desk of a home: what endpoints have published, beside the fan-out's record of the same presentity.
//!
//! One record for each presentity that publishes through an endpoint or was seen not long ago, has a policy of its own, a
//! name, or somebody who waits for its decision, or of whom an event is to be told; it has the number of the fan-out's
//! ward. Invariant: a record in use has a ward;
//! the record's expiry is its earliest endpoint's, or when it is forgotten.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;

use super::edits::Edits;
use super::lists::Lists;
use super::record::{LISTED, Presence};
use super::scheme::Scheme;
use super::stream::{Audit, Streams};
use crate::document::Document;
use crate::error::Corrupt;
use crate::id::{EntityTag, PresentityId, Tick};
use crate::identity::Identity;
use crate::shard::expiry::Expiries;
use crate::store::{Arena, Heap, List, NONE};

/// All that a home knows beyond the fan-out.
pub(crate) struct Desk {
    pub(crate) scheme: Arc<Scheme>,
    /// By ward.
    pub(crate) presences: Arena<Presence, Heap>,
    pub(crate) expiries: Expiries,
    /// Who has something to be told, in order of arrival.
    pub(crate) listed: List,
    pub(crate) streams: Streams,
    pub(crate) edits: Edits,
    pub(crate) lists: Lists,
    /// What every view that is always offline shows: one document for all, made when it is needed.
    pub(crate) offline: Option<Document>,
    tags: u64,
    /// What the records' boxes weigh.
    pub(crate) heap_bytes: u64,
}

impl Desk {
    pub(crate) fn new(scheme: Arc<Scheme>, epoch: u16) -> Self {
        Self {
            scheme,
            presences: Arena::on_heap(),
            expiries: Expiries::default(),
            listed: List::EMPTY,
            streams: Streams { audit: VecDeque::new(), lost: 0 },
            edits: Edits { under_way: BTreeMap::new(), deadlines: BTreeSet::new() },
            lists: Lists::default(),
            offline: None,
            tags: u64::from(epoch) << 48,
            heap_bytes: 0,
        }
    }

    /// Whose publication ends first, and when.
    pub(crate) fn next_expiry(&self) -> Option<(Tick, u32)> {
        self.expiries.first(&self.presences)
    }

    pub(crate) fn next_tag(&mut self) -> EntityTag {
        self.tags += 1;
        EntityTag(self.tags)
    }

    /// Changes a record; what it weighs is counted.
    pub(crate) fn edit(&mut self, ward: u32, change: impl FnOnce(&mut Presence)) {
        let record = &mut self.presences[ward];
        let before = record.heap_bytes() as u64;
        change(record);
        self.heap_bytes = self.heap_bytes + record.heap_bytes() as u64 - before;
    }

    /// Says when the record has to be looked at again.
    pub(crate) fn set_expiry(&mut self, ward: u32, expires: Tick) {
        self.presences[ward].expires = expires;
        self.expiries.set(&mut self.presences, ward);
    }

    /// Every document that was published and not taken away.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &Document> {
        let presences = (0..self.presences.len()).map(|ward| &self.presences[ward]);
        let parts = presences.flat_map(|presence| &presence.parts).filter_map(|part| part.document.as_ref());
        parts.chain(&self.offline)
    }

    pub(crate) fn bytes(&self) -> u64 {
        let audit = (self.streams.audit.capacity() * size_of::<Audit>()) as u64;
        self.presences.bytes()
            + self.expiries.bytes()
            + self.heap_bytes
            + audit
            + self.edits.bytes()
            + self.lists.bytes()
    }

    pub(crate) fn verify(&self, is_live: impl Fn(u32) -> bool) -> Result<(), Corrupt> {
        let mut heap_bytes = 0;
        let mut listed = 0u32;
        for ward in 0..self.presences.len() {
            let record = &self.presences[ward];
            let wrong = |rule| Err(Corrupt { rule, index: ward.into() });
            heap_bytes += record.heap_bytes() as u64;
            listed += u32::from(record.standing.has(LISTED));
            let is_empty = record.endpoints.is_empty() && record.rare.is_none() && record.place == NONE;
            if !is_live(ward) && !is_empty {
                return wrong("a presence in use has a ward");
            }
            if record.parts.iter().any(|part| usize::from(part.endpoint) >= record.endpoints.len()) {
                return wrong("a part names an endpoint that is there");
            }
            let earliest = record.devices().map(|it| it.expires).min();
            if earliest.is_some_and(|earliest| earliest != record.expires) {
                return wrong("a presence expires with its first endpoint");
            }
        }
        if heap_bytes != self.heap_bytes {
            return Err(Corrupt { rule: "what presences weigh is counted", index: heap_bytes });
        }
        let mut ward = self.listed.head;
        while ward != NONE {
            if !self.presences[ward].standing.has(LISTED) || listed == 0 {
                return Err(Corrupt { rule: "who is listed for an event knows it", index: ward.into() });
            }
            listed -= 1;
            ward = self.presences[ward].links.next;
        }
        if listed != 0 {
            return Err(Corrupt { rule: "who has something to be told is listed", index: listed.into() });
        }
        self.expiries.verify(&self.presences)
    }
}

/// The identities' numbers, for an answer.
pub(crate) fn users(pending: &[Arc<Identity>]) -> Box<[PresentityId]> {
    pending.iter().map(|who| who.user).collect()
}
