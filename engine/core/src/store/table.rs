//! From a presentity to the number of its record: one line of memory a look-up, eight bytes an entry.
//!
//! The table holds record numbers only; the id itself is read from the record, which the caller touches next anyway. An
//! entry's place is its bucket, a cache line with room for twelve: a byte of each entry's hash says which may be meant. In
//! a table of groups and entries apart (`hashbrown`, here before) the second line's address waits for the first, which
//! was a third of what a sign-in costs (`benches/record/`). A full bucket's entries overflow into the next.
//!
//! The table is cut by partition, so that no growth moves more than a thousandth of the entries at once and nobody waits
//! for a table of millions to be copied.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::backing::{Hints, OutOfMemory};
use crate::id::{PARTITIONS, PresentityId, mix};

/// Numbers of records by presentity; several records may share a presentity.
pub(crate) struct IdTable {
    parts: Box<[Part]>,
    /// Ids may come from outside: without a secret, chosen ids could be made to share a bucket.
    seed: u64,
}

/// The entries of one partition.
#[derive(Default)]
struct Part {
    buckets: Box<[Bucket]>,
    len: usize,
}

/// Entries of a bucket.
const ROOM: usize = 12;

/// A line of entries.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Bucket {
    /// What tells an entry from most others; 0 where there is none.
    tags: [u8; ROOM],
    /// Entries that would be here, or in a bucket before, and are in one behind.
    passed: u32,
    numbers: [u32; ROOM],
}

const _: () = assert!(size_of::<Bucket>() == 64, "a look-up reads one line");

impl IdTable {
    pub(crate) fn new(seed: u64) -> Self {
        let parts: Vec<_> = core::iter::repeat_with(Part::default).take(PARTITIONS).collect();
        Self { parts: parts.into_boxed_slice(), seed }
    }

    /// Asks for the lines that these will be looked up in, all on their way at once. In a look-up's own loop there would be
    /// too much between one line and the next for the processor to have more than a few of them under way.
    #[inline]
    pub(crate) fn approach<H: Hints>(&self, presentities: &[PresentityId]) {
        for &presentity in presentities {
            let part = &self.parts[presentity.partition().index()];
            if let Some(bucket) = part.buckets.get(part.home(hash(self.seed, presentity))) {
                H::approach(&raw const *bucket);
            }
        }
    }

    /// The numbers entered for this presentity (and, rarely, for another with the same tag: the caller compares).
    #[inline]
    pub(crate) fn candidates(&self, presentity: PresentityId) -> impl Iterator<Item = u32> + '_ {
        let part = &self.parts[presentity.partition().index()];
        let hash = hash(self.seed, presentity);
        let (tag, home) = (tag(hash), part.home(hash));
        let mut at = home;
        let mut here = part.buckets.get(at).map_or((Places(0), None), |bucket| (bucket.with(tag), Some(bucket)));
        core::iter::from_fn(move || {
            loop {
                let (ref mut found, bucket) = here;
                let bucket: &Bucket = bucket?;
                if let Some(place) = found.next() {
                    return Some(bucket.numbers[place]);
                }
                if bucket.passed == 0 {
                    return None;
                }
                at = part.behind(at);
                if at == home {
                    // Entries stay where they overflowed to, so all buckets may have been passed by somebody.
                    return None;
                }
                here = (part.buckets[at].with(tag), Some(&part.buckets[at]));
            }
        })
    }

    /// The entered number that `is` accepts.
    #[inline]
    pub(crate) fn find(&self, presentity: PresentityId, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.candidates(presentity).find(|&index| is(index))
    }

    /// Enters a number. `presentity_of` reads the presentity of an entered number, for when the part grows.
    pub(crate) fn insert(
        &mut self,
        presentity: PresentityId,
        index: u32,
        presentity_of: impl Fn(u32) -> PresentityId,
    ) -> Result<(), OutOfMemory> {
        let seed = self.seed;
        let part = &mut self.parts[presentity.partition().index()];
        // Beyond three quarters too many buckets are full.
        if (part.len + 1) * 4 > part.buckets.len() * ROOM * 3 {
            part.grow(|index| hash(seed, presentity_of(index)))?;
        }
        part.put(hash(seed, presentity), index);
        Ok(())
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, presentity: PresentityId, index: u32) {
        let hash = hash(self.seed, presentity);
        self.parts[presentity.partition().index()].take(hash, index);
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        let buckets: usize = self.parts.iter().map(|part| part.buckets.len()).sum();
        (self.parts.len() * size_of::<Part>() + buckets * size_of::<Bucket>()) as u64
    }
}

impl Part {
    /// The bucket that an entry belongs to.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        // The low half of the hash, scaled: any number of buckets will do, so that growth need not double.
        ((u64::from(hash as u32) * self.buckets.len() as u64) >> 32) as usize
    }

    #[inline]
    fn behind(&self, at: usize) -> usize {
        if at + 1 == self.buckets.len() { 0 } else { at + 1 }
    }

    /// Puts an entry into the first bucket from its home on that has room; there is one.
    fn put(&mut self, hash: u64, number: u32) {
        let mut at = self.home(hash);
        loop {
            let bucket = &mut self.buckets[at];
            if let Some(place) = bucket.with(0).next() {
                bucket.tags[place] = tag(hash);
                bucket.numbers[place] = number;
                self.len += 1;
                return;
            }
            bucket.passed += 1;
            at = self.behind(at);
        }
    }

    /// Takes an entry out, if it is there.
    fn take(&mut self, hash: u64, number: u32) {
        if self.buckets.is_empty() {
            return;
        }
        let home = self.home(hash);
        let mut at = home;
        loop {
            let bucket = &mut self.buckets[at];
            if let Some(place) = bucket.with(tag(hash)).find(|&place| bucket.numbers[place] == number) {
                bucket.tags[place] = 0;
                self.len -= 1;
                // Those that it had passed are passed by one less.
                let mut passed = home;
                while passed != at {
                    self.buckets[passed].passed -= 1;
                    passed = self.behind(passed);
                }
                return;
            }
            if bucket.passed == 0 {
                return;
            }
            at = self.behind(at);
            if at == home {
                return;
            }
        }
    }

    /// Makes half as many buckets more.
    #[cold]
    fn grow(&mut self, hash_of: impl Fn(u32) -> u64) -> Result<(), OutOfMemory> {
        let count = self.buckets.len() + self.buckets.len() / 2 + 1;
        let mut buckets = Vec::new();
        buckets.try_reserve_exact(count).map_err(|_| OutOfMemory)?;
        buckets.resize(count, Bucket::default());
        let before = core::mem::replace(&mut self.buckets, buckets.into_boxed_slice());
        self.len = 0;
        for bucket in &before {
            for (_, &number) in bucket.tags.iter().zip(&bucket.numbers).filter(|(tag, _)| **tag != 0) {
                self.put(hash_of(number), number);
            }
        }
        Ok(())
    }
}

impl Bucket {
    /// The places with this tag.
    #[inline]
    fn with(&self, tag: u8) -> Places {
        let mut bytes = [0; 16];
        bytes[..ROOM].copy_from_slice(&self.tags);
        // All bytes are compared at once: one that is the tag is zero now, and the high bit of a byte is left of it after
        // the carry into it was not set. No byte's carry reaches the next, so nothing else is taken for the tag.
        let differs = u128::from_le_bytes(bytes) ^ (LOW_BITS * u128::from(tag));
        let carried = (differs & !HIGH_BITS) + !HIGH_BITS;
        Places(!(carried | differs) & HIGH_BITS & TAGS)
    }
}

/// The lowest, and the highest bit of each of sixteen bytes, and the bytes that tags take of them.
const LOW_BITS: u128 = u128::MAX / 255;
const HIGH_BITS: u128 = LOW_BITS << 7;
const TAGS: u128 = (1 << (8 * ROOM)) - 1;

/// Places in a bucket: the highest bit of a byte for each.
#[derive(Clone, Copy)]
struct Places(u128);

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let place = self.0.trailing_zeros() as usize / 8 % ROOM;
        self.0 &= self.0 - 1;
        Some(place)
    }
}

fn hash(seed: u64, presentity: PresentityId) -> u64 {
    mix(presentity.get() ^ seed)
}

/// A byte of the hash that the place has nothing to do with, and never 0.
#[inline]
fn tag(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    /// Ids of few partitions, so that buckets fill and overflow; several numbers share an id.
    fn id_of(number: u32) -> PresentityId {
        PresentityId::new(u64::from(number / 3) << 54 | u64::from(number % 7_919))
    }

    #[test]
    fn what_was_entered_is_found_until_it_is_taken_out() {
        let mut table = IdTable::new(7);
        let mut model = BTreeSet::new();
        let mut state = 1u64;
        for _ in 0..60_000 {
            state = mix(state);
            let number = (state % 6_000) as u32;
            // It grows for a while, and shrinks for a while.
            let adds = state >> 32 & 7 < if model.len() < 3_000 { 5 } else { 3 };
            if adds && model.insert(number) {
                table.insert(id_of(number), number, id_of).expect("memory");
            } else if !adds && model.remove(&number) {
                table.remove(id_of(number), number);
            }
            let asked = (state >> 40) as u32 % 6_000;
            assert_eq!(table.find(id_of(asked), |index| index == asked).is_some(), model.contains(&asked));
        }
        assert_eq!(table.len(), model.len());
        for &number in &model {
            assert!(table.candidates(id_of(number)).any(|candidate| candidate == number));
            table.remove(id_of(number), number);
        }
        let left = table.parts.iter().flat_map(|part| part.buckets.iter());
        assert!(left.clone().all(|bucket| bucket.passed == 0 && bucket.tags == [0; ROOM]));
        assert_eq!(table.len(), 0);
    }

    /// Ids of one partition, so that its few buckets fill, overflow and have all been passed.
    fn crowded(number: u32) -> PresentityId {
        let ids = (0..).map(PresentityId::new).filter(|id| id.partition().index() == 3);
        ids.into_iter().nth(number as usize).expect("there are many")
    }

    #[test]
    fn a_tag_is_found_in_its_places_and_nowhere_else() {
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = mix(state);
            // Neighbours of the tag in every sense, all around it.
            let tag = (state >> 8) as u8;
            let near = [tag, tag.wrapping_add(1), tag.wrapping_sub(1), tag ^ 0x80, 0, 0xFF];
            let mut bucket = Bucket { passed: state as u32, ..Bucket::default() };
            for (nth, place) in bucket.tags.iter_mut().enumerate() {
                *place = near[(mix(state ^ nth as u64) % 6) as usize];
            }
            let places: Vec<_> = bucket.with(tag).collect();
            let model: Vec<_> = (0..ROOM).filter(|&place| bucket.tags[place] == tag).collect();
            assert_eq!(places, model, "{:?} {tag}", bucket.tags);
        }
    }

    #[test]
    fn who_is_not_there_is_not_found_though_every_bucket_was_passed() {
        let ids: Vec<_> = (0..90).map(crowded).collect();
        let id_of = |number: u32| ids[number as usize];
        for (least, most) in [(8, 18), (20, 36), (30, 45)] {
            let (mut table, mut there) = (IdTable::new(11), BTreeSet::new());
            let (mut state, mut all_passed) = (1u64, 0);
            for _ in 0..20_000 {
                state = mix(state);
                let number = (state % 90) as u32;
                if there.contains(&number) && there.len() > least {
                    there.remove(&number);
                    table.remove(id_of(number), number);
                } else if there.len() < most && there.insert(number) {
                    table.insert(id_of(number), number, id_of).expect("memory");
                }
                all_passed += u32::from(table.parts[3].buckets.iter().all(|bucket| bucket.passed != 0));
                let asked = (state >> 40) as u32 % 90;
                assert_eq!(table.find(id_of(asked), |index| index == asked).is_some(), there.contains(&asked));
            }
            assert!(all_passed > 0 || most > 18, "it never came to what is tested: {least} to {most}");
        }
    }

    #[test]
    fn an_entry_takes_eight_bytes_or_so_in_a_large_table() {
        let mut table = IdTable::new(7);
        let id = |number: u32| PresentityId::new(number.into());
        for number in 0..400_000 {
            table.insert(id(number), number, id).expect("memory");
        }
        assert!((7.0..11.0).contains(&(table.bytes() as f64 / 400_000.0)), "{}", table.bytes());
    }
}
