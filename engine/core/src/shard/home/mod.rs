//! Homes: what is true of the presentities that belong to this shard, and which shards want to hear of it.
//!
//! The home numbers each view's changes (turns) and stamps the presentity's changes over all its views. It queues no
//! state: for every interested shard it remembers only that something newer is owed, and reads what is newest when
//! the link has room. A home lives while it has a state, an interested shard or a ward; when it goes, its partition keeps the
//! highest stamp that went, and a new home starts above it.

mod record;
mod verify;

use alloc::boxed::Box;
use alloc::vec;

use super::ShardMemory;
use super::expiry::Expiries;
use super::flapping::Flapping;
use crate::document::{Document, Released};
use crate::id::{Category, PARTITIONS, PolicyEpoch, PresentityId, Stamp, Tick, View};
use crate::store::{Arena, Heap, IdTable, NONE, OutOfMemory, Slab, SlabFull};
pub(crate) use record::{Home, Reader, UNSETTLED, WANTS_GUARD};
pub(crate) use record::{HomeParts, HomeView, Ward};

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
    pub(crate) wards: Slab<Ward, Heap>,
    /// By ward, the stamp that its newest policy was accepted as of; as long as the last ward that had one needs.
    policy_stamps: Arena<Stamp, Heap>,
    /// By partition, the highest of them whose ward is gone.
    policy_stamp_floors: Box<[Stamp]>,
    table: IdTable,
    pub(crate) expiries: Expiries,
    pub(crate) flapping: Flapping,
    /// By partition, the highest stamp of a home that is gone.
    floors: Box<[Stamp]>,
    /// By partition, the highest policy of a ward that is gone: a shard may still know it.
    policy_floors: Box<[PolicyEpoch]>,
    /// Views with a document.
    pub(crate) states: u32,
    /// Bytes of the documents that are some view's state.
    pub(crate) documents_bytes: u64,
    /// Bytes of those that are not any more, and that other shards still hold.
    pub(crate) retired_bytes: u64,
}

impl<B: ShardMemory> Homes<B> {
    pub(crate) fn new(backing: &B, epoch: u16, seed: u64) -> Result<Self, OutOfMemory> {
        // How many homes there may be follows from the limits on states here and on topics everywhere.
        let limit = u32::MAX - 1;
        Ok(Self {
            homes: Slab::new(backing, limit)?,
            views: Slab::on_heap(limit),
            parts: Slab::on_heap(limit),
            readers: Slab::new(backing, limit)?,
            wards: Slab::on_heap(limit),
            policy_stamps: Arena::on_heap(),
            policy_stamp_floors: vec![Stamp::first_of(epoch); PARTITIONS].into_boxed_slice(),
            table: IdTable::new(seed),
            expiries: Expiries::default(),
            flapping: Flapping::default(),
            floors: vec![Stamp::first_of(epoch); PARTITIONS].into_boxed_slice(),
            policy_floors: vec![PolicyEpoch::default(); PARTITIONS].into_boxed_slice(),
            states: 0,
            documents_bytes: 0,
            retired_bytes: 0,
        })
    }

    /// Which view's state ends first, and when.
    pub(crate) fn next_expiry(&self) -> Option<(Tick, u32)> {
        self.expiries.first(&self.views)
    }

    pub(crate) fn find(&self, presentity: PresentityId, view: View) -> Option<u32> {
        let home = self.find_home(presentity)?;
        let mut index = self.homes[home].views;
        while index != NONE && self.views[index].view != view {
            index = self.views[index].next;
        }
        (index != NONE).then_some(index)
    }

    /// Asks for the lines that these will be looked up in.
    pub(crate) fn approach_table(&self, presentities: &[PresentityId]) {
        self.table.approach::<B>(presentities);
    }

    /// The home that is this presentity's, most likely.
    pub(crate) fn candidate(&self, presentity: PresentityId) -> u32 {
        self.table.candidates(presentity).next().unwrap_or(NONE)
    }

    pub(crate) fn find_home(&self, presentity: PresentityId) -> Option<u32> {
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
        let home = self.home_for(presentity)?;
        let index = self.views.insert()?;
        self.views[index] = HomeView {
            expires: Tick::NEVER,
            home,
            // A view that was forgotten does not begin again: every turn raises the stamp, so none has the number of another
            // that showed something else, and who comes back after a move knows by it whether he has seen the newest.
            turn: Stamp::from_bits(self.homes[home].stamp).counter() as u32,
            readers: NONE,
            next: self.homes[home].views,
            expiry_place: NONE,
            parts: NONE,
            view,
            category: record::NO_CATEGORY,
            hides_stamp: view.is_closed(),
            ..HomeView::default()
        };
        self.homes[home].views = index;
        Ok(index)
    }

    /// The home, made if it is new.
    pub(crate) fn home_for(&mut self, presentity: PresentityId) -> Result<u32, SlabFull> {
        if let Some(home) = self.find_home(presentity) {
            return Ok(home);
        }
        let home = self.homes.insert()?;
        let homes = &self.homes;
        let entered = self.table.insert(presentity, home, |index| PresentityId::new(homes[index].presentity));
        if entered.is_err() {
            self.homes.remove(home);
            return Err(SlabFull::Memory);
        }
        let floor = self.floors[presentity.partition().index()];
        self.homes[home] = Home { presentity: presentity.get(), stamp: floor.to_bits(), views: NONE, ward: NONE };
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
        self.flapping.forget(view);
        self.evict_home_if_empty(home);
        true
    }

    /// Forgets a home that has neither a view nor a ward.
    pub(crate) fn evict_home_if_empty(&mut self, home: u32) {
        let record = &self.homes[home];
        if record.views == NONE && record.ward == NONE {
            let presentity = PresentityId::new(record.presentity);
            let floor = &mut self.floors[presentity.partition().index()];
            *floor = (*floor).max(Stamp::from_bits(record.stamp));
            self.table.remove(presentity, home);
            self.homes.remove(home);
        }
    }

    /// The stamp that a view shows.
    pub(crate) fn stamp_shown(&self, view: &HomeView) -> Stamp {
        let home = &self.homes[view.home];
        if view.hides_stamp {
            self.quiet_stamp(PresentityId::new(home.presentity))
        } else {
            Stamp::from_bits(home.stamp)
        }
    }

    /// What a view that shows nothing, or the same always, shows as its stamp: that of the newest policy. It is never
    /// older than what a watcher saw before he was moved there, and tells nothing of what happens.
    pub(crate) fn quiet_stamp(&self, presentity: PresentityId) -> Stamp {
        let ward = self.find_home(presentity).map_or(NONE, |home| self.homes[home].ward);
        let floor = self.policy_stamp_floors[presentity.partition().index()];
        // No ward has the number of none.
        if ward < self.policy_stamps.len() { self.policy_stamps[ward].max(floor) } else { floor }
    }

    /// Remembers the stamp that a policy was accepted as of.
    pub(crate) fn keep_policy_stamp(&mut self, ward: u32) -> Result<(), SlabFull> {
        while self.policy_stamps.len() <= ward {
            self.policy_stamps.push()?;
        }
        self.policy_stamps[ward] = Stamp::from_bits(self.homes[self.wards[ward].home].stamp);
        Ok(())
    }

    /// The views of a home.
    pub(crate) fn views_of(&self, home: u32) -> impl Iterator<Item = u32> + '_ {
        core::iter::successors(named(self.homes[home].views), |&view| named(self.views[view].next))
    }

    /// The readers of a view.
    pub(crate) fn readers_of(&self, view: u32) -> impl Iterator<Item = u32> + '_ {
        core::iter::successors(named(self.views[view].readers), |&reader| named(self.readers[reader].next))
    }

    /// Raises the presentity's stamp without a change of any view.
    pub(crate) fn raise_stamp(&mut self, home: u32) {
        let home = &mut self.homes[home];
        home.stamp = Stamp::from_bits(home.stamp).next().to_bits();
    }

    /// The ward of a home, made if it is new.
    pub(crate) fn ward_for(&mut self, presentity: PresentityId) -> Result<u32, SlabFull> {
        self.wards.reserve(1)?;
        let home = self.home_for(presentity)?;
        if self.homes[home].ward == NONE {
            let ward = self.wards.insert()?;
            self.wards[ward] = Ward { home, ..Ward::default() };
            self.homes[home].ward = ward;
        }
        Ok(self.homes[home].ward)
    }

    /// What a shard that joins a view, and knows this policy, lacks of the newest.
    pub(crate) fn guard_marks(&self, view: u32, known: PolicyEpoch) -> u8 {
        match self.homes[self.views[view].home].ward {
            NONE => 0,
            ward => match self.wards[ward].epoch {
                epoch if epoch == known || epoch == PolicyEpoch::default() => 0,
                _ => WANTS_GUARD | UNSETTLED,
            },
        }
    }

    /// The highest number that a policy of the presentity's may have had before its ward was made.
    pub(crate) fn policy_floor(&self, presentity: PresentityId) -> PolicyEpoch {
        self.policy_floors[presentity.partition().index()]
    }

    /// Whether a shard may still apply a policy that is gone and forgotten.
    pub(crate) fn is_outdated(&self, presentity: PresentityId, known: PolicyEpoch) -> bool {
        known != PolicyEpoch::default() && known != self.policy_floor(presentity)
    }

    /// Whether some shard was not sent the policy of a ward yet, or joined late and has not said that it applied it.
    pub(crate) fn owes_guard(&self, ward: u32) -> bool {
        let mut readers = self.views_of(self.wards[ward].home).flat_map(|view| self.readers_of(view));
        readers.any(|reader| self.readers[reader].guard_marks != 0)
    }

    /// Lets go of a ward, and of its home if it was there for nothing else.
    pub(crate) fn remove_ward(&mut self, ward: u32) {
        let Ward { home, epoch, .. } = self.wards[ward];
        let partition = PresentityId::new(self.homes[home].presentity).partition();
        let floor = &mut self.policy_floors[partition.index()];
        *floor = (*floor).max(epoch);
        self.wards[ward].guard = None;
        if ward < self.policy_stamps.len() {
            let floor = &mut self.policy_stamp_floors[partition.index()];
            *floor = (*floor).max(core::mem::take(&mut self.policy_stamps[ward]));
        }
        self.wards.remove(ward);
        self.homes[home].ward = NONE;
        self.evict_home_if_empty(home);
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
                if document.hold() {
                    self.documents_bytes += document.weight();
                }
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
        if record.parts != NONE || record.category == category.number() || record.category == record::NO_CATEGORY {
            return Ok(());
        }
        let index = self.parts.insert()?;
        let parts = &mut self.parts[index];
        let only = usize::from(record.category);
        *parts = HomeParts { known: 1 << only, ..HomeParts::default() };
        parts.documents[only] = record.document.take();
        if record.expires != Tick::NEVER && !record.is_composed {
            parts.expires_mut()[only] = record.expires;
        }
        parts.turns[only] = record.turn;
        parts.history = u64::from(record.category) * 0x1111_1111_1111_1111;
        record.parts = index;
        Ok(())
    }

    fn set_expiry(&mut self, view: u32, category: Category, expires: Tick) {
        let record = &mut self.views[view];
        if record.is_composed {
            return;
        }
        let earliest = match record.parts {
            NONE if record.category == category.number() => expires,
            NONE => return,
            parts => {
                let parts = &mut self.parts[parts];
                if parts.expires.is_none() && expires == Tick::NEVER {
                    return;
                }
                let each = parts.expires_mut();
                each[category.index()] = expires;
                each.iter().copied().min().unwrap_or(Tick::NEVER)
            }
        };
        if earliest != record.expires {
            record.expires = earliest;
            self.expiries.set(&mut self.views, view);
        }
    }

    /// Says until when the documents of a composed view hold; tells whether that is new.
    pub(crate) fn set_composed_expiry(&mut self, view: u32, expires: Tick) -> bool {
        let record = &mut self.views[view];
        let is_new = record.expires != expires;
        record.expires = expires;
        is_new
    }

    /// The category whose document expires first, with its expiry.
    pub(crate) fn first_to_expire(&self, view: u32) -> Option<Category> {
        let record = &self.views[view];
        match record.parts {
            NONE => Category::new(record.category),
            parts => {
                let expires = self.parts[parts].expires.as_ref()?;
                Category::all().min_by_key(|category| expires[category.index()])
            }
        }
    }

    /// Holds a document that is no view's state yet.
    pub(crate) fn hold(&mut self, document: &Document) {
        if document.hold() {
            self.documents_bytes += document.weight();
        }
    }

    /// Lets go of a document that was a record's.
    pub(crate) fn retire(&mut self, document: Document) {
        let weight = document.weight();
        match document.release() {
            Released::Held => return,
            Released::Freed => {}
            Released::Lent => self.retired_bytes += weight,
        }
        self.documents_bytes -= weight;
    }

    /// Takes back a count that was lent to a topic.
    pub(crate) fn take_back(&mut self, document: Document) {
        let weight = document.weight();
        if document.hand_back() {
            self.retired_bytes -= weight;
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.homes.bytes()
            + self.views.bytes()
            + self.parts.bytes()
            + self.readers.bytes()
            + self.wards.bytes()
            + self.policy_stamps.bytes()
            + self.expiries.bytes()
    }

    pub(crate) fn tables_bytes(&self) -> u64 {
        let floors = PARTITIONS * (2 * size_of::<Stamp>() + size_of::<PolicyEpoch>());
        self.table.bytes() + floors as u64
    }
}

fn named(index: u32) -> Option<u32> {
    (index != NONE).then_some(index)
}
