//! Homes: what is true of the presentities that belong to this shard, and which shards want to hear of it.
//!
//! The home numbers each view's changes (turns) and stamps the presentity's changes over all its views. It queues no
//! state: for every interested shard it remembers only that something newer is owed, and reads what is newest when
//! the link has room. A home lives while it has a state or an interested shard; when it goes, its partition keeps the
//! highest stamp that went, and a new home starts above it.

use alloc::boxed::Box;
use alloc::vec;

use bytemuck::{Pod, Zeroable};

use super::ShardMemory;
use super::expiry::Expiries;
use crate::document::Document;
use crate::error::Corrupt;
use crate::id::{CATEGORIES, Category, PARTITIONS, PresentityId, Stamp, Tick, View};
use crate::store::{Heap, IdTable, Links, NONE, Record, Slab, SlabFull};

/// A presentity at home: 24 bytes.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Home {
    pub(crate) presentity: u64,
    /// The stamp of its newest change.
    pub(crate) stamp: u64,
    /// Its views, chained.
    pub(crate) views: u32,
    pub(crate) spare: u32,
}

impl Record for Home {
    fn chain(&mut self) -> &mut u32 {
        &mut self.views
    }
}

/// One rendering of a presentity's state: 48 bytes.
#[derive(Debug, Default)]
pub(crate) struct HomeView {
    /// The earliest expiry among the documents.
    pub(crate) expires: Tick,
    /// The document, while all changes were of one category; else they lie in `parts`.
    pub(crate) document: Option<Document>,
    pub(crate) home: u32,
    pub(crate) turn: u32,
    /// The interested shards, chained.
    pub(crate) readers: u32,
    pub(crate) next: u32,
    /// Where the view stands among the expiries.
    pub(crate) expiry_place: u32,
    pub(crate) parts: u32,
    pub(crate) view: View,
    pub(crate) category: u8,
    /// How many documents there are.
    pub(crate) documents: u8,
}

impl Record for HomeView {
    fn chain(&mut self) -> &mut u32 {
        &mut self.next
    }
}

/// The documents of a view with several categories.
#[derive(Debug, Default)]
pub(crate) struct HomeParts {
    pub(crate) documents: [Option<Document>; CATEGORIES],
    pub(crate) expires: [Tick; CATEGORIES],
    pub(crate) turns: [u32; CATEGORIES],
    pub(crate) history: u64,
    /// The categories that ever changed, as a set's bits.
    pub(crate) known: u8,
    chain: u32,
}

impl Record for HomeParts {
    fn chain(&mut self) -> &mut u32 {
        &mut self.chain
    }
}

/// A shard's interest in a view, and what it is owed: 32 bytes.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Reader {
    pub(crate) view: u32,
    /// The topic there, and its generation when it joined.
    pub(crate) topic: u32,
    pub(crate) generation: u32,
    /// The turn that was sent last.
    pub(crate) sent_turn: u32,
    /// The view's next reader.
    pub(crate) next: u32,
    /// In the link's list of readers that are owed something.
    pub(crate) owed_links: Links,
    pub(crate) shard: u8,
    pub(crate) is_owed: u8,
    /// Nothing was sent since its join: it gets all there is.
    pub(crate) wants_whole: u8,
    pub(crate) spare: u8,
}

impl Reader {
    pub(crate) fn owed_links(&mut self) -> &mut Links {
        &mut self.owed_links
    }
}

impl Record for Reader {
    fn chain(&mut self) -> &mut u32 {
        &mut self.next
    }
}

/// What became of a new state.
pub(crate) enum Change {
    /// It is what was there.
    None,
    /// Only the expiry moved: the interested have to know, but nobody is told.
    Expiry,
    /// It is a new turn.
    Turn,
}

/// The homes of one shard.
pub(crate) struct Homes<B: ShardMemory> {
    pub(crate) homes: Slab<Home, B>,
    pub(crate) views: Slab<HomeView, Heap>,
    pub(crate) parts: Slab<HomeParts, Heap>,
    pub(crate) readers: Slab<Reader, B>,
    table: IdTable,
    pub(crate) expiries: Expiries,
    /// By partition, the highest stamp of a home that is gone.
    floors: Box<[Stamp]>,
    /// Views with a document.
    pub(crate) states: u32,
    /// Bytes of the documents that are some view's state.
    pub(crate) documents_bytes: u64,
    /// Bytes of those that are not any more, and that other shards still hold.
    pub(crate) retired_bytes: u64,
}

impl<B: ShardMemory> Homes<B> {
    pub(crate) fn new(backing: &B, epoch: u16, seed: u64) -> Self {
        // How many homes there may be follows from the limits on states here and on topics everywhere.
        let limit = u32::MAX - 1;
        Self {
            homes: Slab::new(backing.clone(), limit),
            views: Slab::new(Heap, limit),
            parts: Slab::new(Heap, limit),
            readers: Slab::new(backing.clone(), limit),
            table: IdTable::new(seed),
            expiries: Expiries::default(),
            floors: vec![Stamp::first_of(epoch); PARTITIONS].into_boxed_slice(),
            states: 0,
            documents_bytes: 0,
            retired_bytes: 0,
        }
    }

    pub(crate) fn find(&self, presentity: PresentityId, view: View) -> Option<u32> {
        let home = self.find_home(presentity)?;
        let mut index = self.homes[home].views;
        while index != NONE && self.views[index].view != view {
            index = self.views[index].next;
        }
        (index != NONE).then_some(index)
    }

    fn find_home(&self, presentity: PresentityId) -> Option<u32> {
        self.table.find(presentity, |index| self.homes[index].presentity == presentity.get())
    }

    /// The stamp of the presentity's newest change, known here or not.
    pub(crate) fn stamp_of(&self, presentity: PresentityId) -> Stamp {
        match self.find_home(presentity) {
            Some(home) => Stamp::from_bits(self.homes[home].stamp),
            None => self.floors[presentity.partition().index()],
        }
    }

    /// The stamp of a view's presentity.
    pub(crate) fn stamp(&self, view: u32) -> Stamp {
        Stamp::from_bits(self.homes[self.views[view].home].stamp)
    }

    /// The view, made if it is new.
    pub(crate) fn find_or_create(&mut self, presentity: PresentityId, view: View) -> Result<u32, SlabFull> {
        if let Some(index) = self.find(presentity, view) {
            return Ok(index);
        }
        self.views.reserve(1)?;
        let home = match self.find_home(presentity) {
            Some(home) => home,
            None => self.create_home(presentity)?,
        };
        let index = self.views.insert()?;
        self.views[index] = HomeView {
            expires: Tick::NEVER,
            home,
            readers: NONE,
            next: self.homes[home].views,
            expiry_place: NONE,
            parts: NONE,
            view,
            category: super::topic::NO_CATEGORY,
            ..HomeView::default()
        };
        self.homes[home].views = index;
        Ok(index)
    }

    fn create_home(&mut self, presentity: PresentityId) -> Result<u32, SlabFull> {
        let home = self.homes.insert()?;
        let homes = &self.homes;
        let entered = self.table.insert(presentity, home, |index| PresentityId::new(homes[index].presentity));
        if entered.is_err() {
            self.homes.remove(home);
            return Err(SlabFull::Memory);
        }
        let floor = self.floors[presentity.partition().index()];
        self.homes[home] = Home { presentity: presentity.get(), stamp: floor.to_bits(), views: NONE, spare: 0 };
        Ok(home)
    }

    /// Forgets a view that has neither state nor interest, and the home if that was its last; tells whether it did.
    pub(crate) fn evict_if_empty(&mut self, view: u32) -> bool {
        let record = &self.views[view];
        if record.documents != 0 || record.readers != NONE {
            return false;
        }
        let home = record.home;
        let next = record.next;
        if record.parts != NONE {
            self.parts.remove(record.parts);
        }
        if self.homes[home].views == view {
            self.homes[home].views = next;
        } else {
            let mut before = self.homes[home].views;
            while self.views[before].next != view {
                before = self.views[before].next;
            }
            self.views[before].next = next;
        }
        self.views.remove(view);
        let record = &self.homes[home];
        if record.views == NONE {
            let presentity = PresentityId::new(record.presentity);
            let floor = &mut self.floors[presentity.partition().index()];
            *floor = (*floor).max(Stamp::from_bits(record.stamp));
            self.table.remove(presentity, home);
            self.homes.remove(home);
        }
        true
    }

    /// A category's document.
    pub(crate) fn document(&self, view: u32, category: Category) -> Option<&Document> {
        let record = &self.views[view];
        match record.parts {
            NONE if record.category == category.number() => record.document.as_ref(),
            NONE => None,
            parts => self.parts[parts].documents[category.index()].as_ref(),
        }
    }

    /// Makes this the state of a category of a view. The last write wins.
    pub(crate) fn set(
        &mut self,
        view: u32,
        category: Category,
        document: Option<Document>,
        expires: Tick,
    ) -> Result<Change, SlabFull> {
        let expires = if document.is_some() { expires } else { Tick::NEVER };
        let before = self.document(view, category);
        let is_same = before.map(Document::as_slice) == document.as_ref().map(Document::as_slice);
        if !is_same {
            self.make_parts_for(view, category)?;
        }
        let record = &mut self.views[view];
        let old_expires = record.expires;
        if !is_same {
            record.turn = record.turn.wrapping_add(1);
            let home = &mut self.homes[record.home];
            home.stamp = Stamp::from_bits(home.stamp).next().to_bits();
            let had_state = record.documents != 0;
            if let Some(document) = &document {
                self.documents_bytes += document.weight();
                record.documents += 1;
            }
            let replaced = match record.parts {
                NONE => {
                    record.category = category.number();
                    core::mem::replace(&mut record.document, document)
                }
                parts => {
                    let parts = &mut self.parts[parts];
                    parts.turns[category.index()] = record.turn;
                    parts.known |= 1 << category.number();
                    parts.history = parts.history << 4 | u64::from(category.number());
                    core::mem::replace(&mut parts.documents[category.index()], document)
                }
            };
            if replaced.is_some() {
                record.documents -= 1;
            }
            match (had_state, record.documents != 0) {
                (false, true) => self.states += 1,
                (true, false) => self.states -= 1,
                _ => {}
            }
            if let Some(replaced) = replaced {
                self.retire(replaced);
            }
        }
        self.set_expiry(view, category, expires);
        Ok(match (is_same, old_expires == self.views[view].expires) {
            (false, _) => Change::Turn,
            (true, false) => Change::Expiry,
            (true, true) => Change::None,
        })
    }

    /// Spreads a view over several categories when a second one comes.
    fn make_parts_for(&mut self, view: u32, category: Category) -> Result<(), SlabFull> {
        let record = &mut self.views[view];
        if record.parts != NONE || record.category == category.number() || record.category == super::topic::NO_CATEGORY
        {
            return Ok(());
        }
        let index = self.parts.insert()?;
        let parts = &mut self.parts[index];
        let only = usize::from(record.category);
        *parts = HomeParts { expires: [Tick::NEVER; CATEGORIES], known: 1 << only, ..HomeParts::default() };
        parts.documents[only] = record.document.take();
        parts.expires[only] = record.expires;
        parts.turns[only] = record.turn;
        parts.history = u64::from(record.category) * 0x1111_1111_1111_1111;
        record.parts = index;
        Ok(())
    }

    fn set_expiry(&mut self, view: u32, category: Category, expires: Tick) {
        let record = &mut self.views[view];
        let earliest = match record.parts {
            NONE if record.category == category.number() => expires,
            NONE => return,
            parts => {
                let parts = &mut self.parts[parts];
                parts.expires[category.index()] = expires;
                parts.expires.iter().copied().min().unwrap_or(Tick::NEVER)
            }
        };
        if earliest != record.expires {
            record.expires = earliest;
            self.expiries.set(&mut self.views, view);
        }
    }

    /// The category whose document expires first, with its expiry.
    pub(crate) fn first_to_expire(&self, view: u32) -> Option<Category> {
        let record = &self.views[view];
        match record.parts {
            NONE => Category::new(record.category),
            parts => {
                let expires = &self.parts[parts].expires;
                (0..CATEGORIES as u8).filter_map(Category::new).min_by_key(|category| expires[category.index()])
            }
        }
    }

    fn retire(&mut self, document: Document) {
        let weight = document.weight();
        self.documents_bytes -= weight;
        if document.retire() {
            self.retired_bytes += weight;
        }
    }

    /// Takes back a count that was lent to a topic.
    pub(crate) fn take_back(&mut self, document: Document) {
        let weight = document.weight();
        if document.hand_back() {
            self.retired_bytes -= weight;
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.homes.bytes() + self.views.bytes() + self.parts.bytes() + self.readers.bytes() + self.expiries.bytes()
    }

    pub(crate) fn tables_bytes(&self) -> u64 {
        self.table.bytes() + (self.floors.len() * size_of::<Stamp>()) as u64
    }

    pub(crate) fn verify(&self) -> Result<(), Corrupt> {
        let mut views_seen = 0u32;
        let mut readers_seen = 0u32;
        let (mut states, mut bytes) = (0u32, 0u64);
        for home in 0..self.homes.ever() {
            let record = &self.homes[home];
            // A freed record's id may be any; only one that is found under it is in use.
            if self.find_home(PresentityId::new(record.presentity)) != Some(home) {
                continue;
            }
            let mut view = record.views;
            while view != NONE {
                views_seen += 1;
                let (readers, documents, weight) = self.verify_view(view, home)?;
                readers_seen += readers;
                states += u32::from(documents != 0);
                bytes += weight;
                view = self.views[view].next;
            }
        }
        let counts = [
            ("each view belongs to a home", views_seen, self.views.live()),
            ("each reader belongs to a view", readers_seen, self.readers.live()),
            ("states are counted", states, self.states),
        ];
        for (rule, found, counted) in counts {
            if found != counted {
                return Err(Corrupt { rule, index: found.into() });
            }
        }
        if bytes != self.documents_bytes {
            return Err(Corrupt { rule: "the documents weigh what is counted", index: bytes });
        }
        self.expiries.verify(&self.views)
    }

    fn verify_view(&self, view: u32, home: u32) -> Result<(u32, u8, u64), Corrupt> {
        let record = &self.views[view];
        let wrong = |rule| Err(Corrupt { rule, index: view.into() });
        if record.home != home {
            return wrong("a view names its home");
        }
        let documents: (u8, u64) = (0..CATEGORIES as u8)
            .filter_map(Category::new)
            .filter_map(|category| self.document(view, category))
            .fold((0, 0), |(count, weight), document| (count + 1, weight + document.weight()));
        if documents.0 != record.documents {
            return wrong("a view counts its documents");
        }
        if record.documents == 0 && record.readers == NONE {
            return wrong("a view has a state or a reader");
        }
        let mut readers = 0;
        let mut reader = record.readers;
        while reader != NONE {
            readers += 1;
            if self.readers[reader].view != view {
                return wrong("a reader names its view");
            }
            if self.readers[reader].is_owed == 0 && self.readers[reader].sent_turn != record.turn {
                return wrong("a reader that is not owed was sent the newest turn");
            }
            reader = self.readers[reader].next;
        }
        Ok((readers, documents.0, documents.1))
    }
}
