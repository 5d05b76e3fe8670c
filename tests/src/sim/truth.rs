//! The model: what was published, what is the state at each home, who watches what, and what each was told.
//!
//! Maps and sets, nothing clever. It learns of a publication when the home takes it in, so it has the homes' order.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fanfare_core::{
    CATEGORIES, Categories, Category, GroupId, Identity, ListId, PresentityId, Publication, Rate, Stamp, TenantId,
    Tick, View, WatcherId,
};

use super::tally::Tally;

/// The view of documents that an endpoint publishes.
const ANY_VIEW: u16 = u16::MAX;

/// A document that was ever made, by serial number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    presentity: u64,
    view: u16,
    category: u8,
    /// The latest expiry that any publication gave it.
    pub(super) expires_max: Tick,
}

/// One category's state at a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Which document.
    pub(super) serial: u64,
    /// Until when.
    pub(super) expires: Tick,
}

/// What a home must answer to a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It is past its expiry.
    Refused,
    /// It is the state, and whether it was before.
    Published {
        /// Nobody is told.
        absorbed: bool,
    },
}

/// All states at all homes.
#[derive(Default)]
pub(super) struct Truth {
    made: Vec<Made>,
    states: BTreeMap<(u64, u16), [Option<Held>; CATEGORIES]>,
}

impl Truth {
    /// A new document: its bytes tell which it is.
    pub(super) fn make(&mut self, presentity: u64, view: u16, category: u8, length: usize) -> Bytes {
        let serial = self.made.len() as u64;
        self.made.push(Made { presentity, view, category, expires_max: Tick::ZERO });
        let mut bytes = serial.to_le_bytes().to_vec();
        bytes.resize(8 + length, (serial % 251) as u8);
        Bytes::from(bytes)
    }

    /// A new document that an endpoint publishes: it may be told in any view.
    pub(super) fn make_for_endpoint(&mut self, presentity: u64, category: u8, length: usize) -> Bytes {
        self.make(presentity, ANY_VIEW, category, length)
    }

    /// The home has taken documents of an endpoint in: they may be told until then.
    pub(super) fn may_be_told_until<'a>(&mut self, documents: impl Iterator<Item = &'a [u8]>, expires: Tick) {
        for document in documents {
            let serial = serial_of(document).expect("a document that was made");
            let made = &mut self.made[serial as usize];
            made.expires_max = made.expires_max.max(expires);
        }
    }

    /// The document that is the state now, to be published again.
    pub(super) fn same_again(&self, presentity: u64, view: u16, category: u8) -> Option<Bytes> {
        let held = self.states.get(&(presentity, view))?[usize::from(category)]?;
        let mut bytes = held.serial.to_le_bytes().to_vec();
        bytes.resize(8 + (held.serial % 40) as usize, (held.serial % 251) as u8);
        Some(Bytes::from(bytes))
    }

    /// The length that [`Self::make`] is to be given for the next document.
    pub(super) fn next_length(&self) -> usize {
        self.made.len() % 40
    }

    /// A publication is on its way: its document may be told from now on, until its expiry.
    pub(super) fn offered(&mut self, publication: &Publication) {
        if let Some(document) = &publication.document {
            let serial = serial_of(document).expect("a document that was made");
            let made = &mut self.made[serial as usize];
            made.expires_max = made.expires_max.max(publication.expires);
        }
    }

    /// A home takes a publication in at its `now`.
    pub(super) fn served(&mut self, publication: &Publication, now: Tick) -> Expected {
        if publication.document.is_some() && publication.expires <= now {
            return Expected::Refused;
        }
        let state = self.states.entry((publication.presentity.get(), publication.view.0)).or_default();
        let place = &mut state[publication.category.index()];
        let before = place.filter(|held| held.expires > now).map(|held| held.serial);
        *place = publication.document.as_deref().map(|document| Held {
            serial: serial_of(document).expect("a document that was made"),
            expires: publication.expires,
        });
        Expected::Published { absorbed: before == place.map(|held| held.serial) }
    }

    /// The state of a view at a home's `now`.
    pub(super) fn state(&self, presentity: PresentityId, view: View, now: Tick) -> [Option<u64>; CATEGORIES] {
        let state = self.states.get(&(presentity.get(), view.0)).copied().unwrap_or_default();
        state.map(|held| held.filter(|held| held.expires > now).map(|held| held.serial))
    }

    /// C2 and C7: the bytes were published for this category of this view, and may still be told at `now`.
    pub(super) fn check_told(
        &self,
        presentity: PresentityId,
        view: View,
        category: Category,
        bytes: &[u8],
        now: Tick,
    ) -> Result<u64, String> {
        let serial = serial_of(bytes).ok_or_else(|| format!("C2: bytes that were never published: {bytes:?}"))?;
        self.check_serial(presentity, view, category, serial, now)
    }

    /// As [`Self::check_told`], for a document of which only the number is at hand.
    pub(super) fn check_serial(
        &self,
        presentity: PresentityId,
        view: View,
        category: Category,
        serial: u64,
        now: Tick,
    ) -> Result<u64, String> {
        let made = self.made.get(serial as usize).ok_or_else(|| format!("C2: no document {serial}"))?;
        let is_for = (made.presentity, made.view, usize::from(made.category));
        let view_due = if made.view == ANY_VIEW { ANY_VIEW } else { view.0 };
        if is_for != (presentity.get(), view_due, category.index()) {
            return Err(format!("C2: {presentity:?} {view:?} {category:?} was told document {serial} of {made:?}"));
        }
        if made.expires_max <= now {
            return Err(format!("C7: document {serial}, past its expiry {:?}, was told at {now:?}", made.expires_max));
        }
        Ok(serial)
    }
}

/// A number for told bytes of any kind.
pub(super) fn number_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Which document these bytes are, if they are one to the last byte.
pub(super) fn serial_of(bytes: &[u8]) -> Option<u64> {
    let serial = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let rest = &bytes[8..];
    (rest.len() as u64 == serial % 40 && rest.iter().all(|&byte| u64::from(byte) == serial % 251)).then_some(serial)
}

/// One subscription, as the model has it.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// In which view.
    pub(super) view: View,
    /// The stamp shown last.
    pub(super) stamp: Option<Stamp>,
    /// Whether it was told anything in its view.
    pub(super) is_told: bool,
    /// What it was told last, by category.
    pub(super) told: [Option<u64>; CATEGORIES],
    /// Whether all is to be told again.
    pub(super) is_due_again: bool,
    /// Whether its watcher has said that he knows what stands in `told`.
    pub(super) is_known: bool,
    /// The documents that it was told last, in a world whose groups have wishes.
    pub(super) documents: [Option<Vec<u8>>; CATEGORIES],
    /// Whether its session has moved since: then what has changed is told with all else.
    pub(super) may_be_whole: bool,
}

impl Watched {
    /// A subscription that was told nothing yet.
    pub(super) fn new(view: View) -> Self {
        Self {
            view,
            stamp: None,
            is_told: false,
            told: [None; CATEGORIES],
            is_due_again: false,
            may_be_whole: false,
            is_known: false,
            documents: Default::default(),
        }
    }
}

/// One group, as the model has it.
#[derive(Clone, Debug)]
pub(super) struct WatchGroup {
    /// Its id on its shard.
    pub(super) id: GroupId,
    /// The watcher's key in the model.
    pub(super) watcher: u64,
    /// Its filter.
    pub(super) wants: Categories,
    /// Who it is, if policy says what it sees.
    pub(super) who: Option<Arc<Identity>>,
    /// Its subscriptions by presentity.
    pub(super) watched: BTreeMap<u64, Watched>,
    /// When it ends, if it does.
    pub(super) expires: Tick,
    /// How often it is told,
    pub(super) rate: Rate,
    /// and when its newest batch began since it has such a rate.
    pub(super) began: Option<Tick>,
    /// When it was told something.
    pub(super) told: Option<Tick>,
    /// Whether it ever had a longest gap: what that has marked is told again later, too.
    pub(super) may_repeat: bool,
    /// Whether it has a trigger: what that is silent about it does not know.
    pub(super) is_choosy: bool,
    /// Until when it is a list that gathers,
    pub(super) gathers_until: Option<Tick>,
    /// which it follows,
    pub(super) follows: Option<ListId>,
    /// and whether its members were changed by hand since that list was changed.
    pub(super) is_edited: bool,
}

/// One watcher, as the model has it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Its id on its shard.
    pub(super) id: WatcherId,
    /// Its shard.
    pub(super) shard: usize,
    /// Whose it is, in a world with tenants.
    pub(super) tenant: TenantId,
    /// Whether it takes only a few notes at a time.
    pub(super) is_slow: bool,
    /// Whether anybody looks.
    pub(super) is_active: bool,
    /// How far apart its batches are, in microseconds; 0 if it is told as changes come.
    pub(super) gap_us: u64,
    /// When the newest of them began, if that one is over.
    pub(super) began: Option<Tick>,
    /// What it was told and has not acknowledged, if that is counted.
    pub(super) tally: Option<Tally>,
}

impl Session {
    /// One that was just opened.
    pub(super) fn new(id: WatcherId, shard: usize, tenant: TenantId, is_slow: bool) -> Self {
        Self { id, shard, tenant, is_slow, is_active: true, gap_us: 0, began: None, tally: None }
    }
}

impl WatchGroup {
    /// One that was just opened.
    pub(super) fn new(id: GroupId, watcher: u64, wants: Categories, who: Option<Arc<Identity>>) -> Self {
        let (watched, expires) = (BTreeMap::new(), Tick::NEVER);
        Self {
            id,
            watcher,
            wants,
            who,
            watched,
            expires,
            rate: Rate::default(),
            began: None,
            told: None,
            may_repeat: false,
            is_choosy: false,
            gathers_until: None,
            follows: None,
            is_edited: false,
        }
    }
}
