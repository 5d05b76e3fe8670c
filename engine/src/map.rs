//! Memory for a shard's arrays straight from the operating system: private anonymous maps with huge pages.
//!
//! Lives in no thread of its own: a shard asks for its arrays when it is made and touches them while it grows, on its
//! own core, so that every page comes from the memory next to it. Addresses are asked for up to the array's limit at
//! once, memory only where a record is, or was said to come: so an array lies in one piece, no growth moves it, and an index becomes an
//! address by a comparison and an addition (an array in segments took two more loads and a second comparison, and a third
//! of all instructions of a notification with them: `benches/record/`). Where the system does not give addresses that
//! freely (a limit on address space, strict accounting), the array begins small and moves when it has doubled.
//!
//! This is the one module of the crate's production code with unsafe blocks, three of them: reading a map as records
//! costs no check for each access because the checks were made once, when the map was made; and a hint to the
//! processor cannot fault.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut, Range};
use std::sync::OnceLock;

use bytemuck::Pod;
use fanfare_core::store::{Backing, HeldPiece, Hints, OutOfMemory, Records};
use memmap2::{MmapMut, MmapOptions};

const HUGE_PAGE: usize = 2 << 20;

/// Addresses that one array takes at once, at most: as much as the largest machine has memory for its largest array.
const ADDRESSES_BYTES_MAX: usize = 64 << 30;

/// Bytes of a cache line. Of a longer record two are asked for: what is looked at most lies there.
const LINE: usize = 64;

/// What an array begins with where addresses are scarce.
const SCARCE_BYTES: usize = 8 * HUGE_PAGE;

/// Arrays in private memory, zeroed, with huge pages where the system gives them.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrivateMap;

impl Hints for PrivateMap {
    #[inline]
    fn approach<T>(address: *const T) {
        ask_for(address.cast());
    }
}

/// Asks for the line at this address.
#[inline]
fn ask_for(address: *const i8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction is a hint for which every address is valid; it reads nothing that a program could see, and
        // SSE is part of every x86-64 processor.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    // Elsewhere the standard library has no such hint yet.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

impl<T: Pod> Backing<T> for PrivateMap {
    const PAGE_BYTES: usize = HUGE_PAGE;
    type Records = MappedRecords<T>;

    fn records(&self, limit: u32) -> Result<MappedRecords<T>, OutOfMemory> {
        let limit = limit as usize;
        let map_of = |bytes: usize| Map::new(limit.min(bytes / size_of::<T>()));
        let at_once = if addresses_are_free() { ADDRESSES_BYTES_MAX } else { SCARCE_BYTES };
        let map = map_of(at_once).or_else(|_| map_of(SCARCE_BYTES))?;
        Ok(MappedRecords { map, limit })
    }
}

/// Whether addresses cost nothing here: no limit on the process's address space, and no strict accounting, under which the
/// first arrays would use up what the later ones need.
fn addresses_are_free() -> bool {
    static FREE: OnceLock<bool> = OnceLock::new();
    *FREE.get_or_init(|| {
        let strict = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.trim() == "2");
        !strict && rustix::process::getrlimit(rustix::process::Resource::As).current.is_none()
    })
}

/// An array in a memory map of its own.
#[derive(Debug)]
pub struct MappedRecords<T> {
    map: Map<T>,
    limit: usize,
}

impl<T: Pod> Records<T> for MappedRecords<T> {
    type Held<'a>
        = HeldPiece<'a, T>
    where
        Self: 'a;

    #[inline]
    fn hold(&mut self) -> HeldPiece<'_, T> {
        HeldPiece(self.map.as_mut_slice())
    }

    #[inline]
    fn reserve(&mut self, len: u32) -> Result<(), OutOfMemory> {
        if len as usize <= self.map.records { Ok(()) } else { self.grow(len as usize) }
    }

    fn take_memory(&mut self, records: Range<u32>) -> Result<bool, OutOfMemory> {
        self.map.take_memory(records.start as usize..records.end as usize)
    }

    #[inline]
    fn approach(&self, index: u32) {
        self.map.approach(index as usize);
    }
}

impl<T: Pod> MappedRecords<T> {
    /// Moves to a map of twice the size, where addresses are scarce.
    #[cold]
    fn grow(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len > self.limit {
            return Err(OutOfMemory);
        }
        let mut larger = Map::new((2 * self.map.records).clamp(len, self.limit))?;
        larger.as_mut_slice()[..self.map.records].copy_from_slice(self.map.as_slice());
        self.map = larger;
        Ok(())
    }
}

impl<T: Pod> Index<u32> for MappedRecords<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.map.as_slice()[index as usize]
    }
}

impl<T: Pod> IndexMut<u32> for MappedRecords<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.map.as_mut_slice()[index as usize]
    }
}

/// So many records in one piece.
struct Map<T> {
    map: MmapMut,
    records: usize,
    of: PhantomData<T>,
}

impl<T> fmt::Debug for Map<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("records", &self.records).finish_non_exhaustive()
    }
}

impl<T: Pod> Map<T> {
    const FITS_A_PAGE: () = assert!(align_of::<T>() <= 4096 && size_of::<T>() != 0, "a map is aligned to pages only");

    fn new(records: usize) -> Result<Self, OutOfMemory> {
        const { Self::FITS_A_PAGE };
        let bytes = records.checked_mul(size_of::<T>()).ok_or(OutOfMemory)?;
        // A map of no bytes is an error to the system.
        let map = MmapOptions::new().len(bytes.max(1)).no_reserve_swap().map_anon().map_err(|_| OutOfMemory)?;
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_PAGE {
            // Advice only: a kernel without huge pages refuses it, and the map is as good in small pages.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        debug_assert!(map.as_ptr().cast::<T>().is_aligned());
        Ok(Self { map, records, of: PhantomData })
    }

    /// Has the system fill the pages of these records, and those around them up to bounds of huge ones; tells whether it did.
    #[cfg(target_os = "linux")]
    fn take_memory(&self, records: Range<usize>) -> Result<bool, OutOfMemory> {
        let begin = records.start * size_of::<T>() / HUGE_PAGE * HUGE_PAGE;
        let end = (records.end * size_of::<T>()).next_multiple_of(HUGE_PAGE).min(self.map.len());
        match self.map.advise_range(memmap2::Advice::PopulateWrite, begin, end.saturating_sub(begin)) {
            Ok(()) => Ok(true),
            Err(why) if why.raw_os_error() == Some(rustix::io::Errno::NOMEM.raw_os_error()) => Err(OutOfMemory),
            // A kernel before 5.14 does not know the advice: each page comes with its first touch.
            Err(_) => Ok(false),
        }
    }

    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)]
    fn take_memory(&self, _: Range<usize>) -> Result<bool, OutOfMemory> {
        Ok(false)
    }

    #[inline]
    fn as_slice(&self) -> &[T] {
        // SAFETY: the map is `records * size_of::<T>()` bytes long (`new`), starts at a page and so is aligned for T
        // (`FITS_A_PAGE`), is private to this value and lives as long as it; any bytes, so zeros too, are a T (`Pod`).
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.records) }
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as in `as_slice`; the borrow of `self` is exclusive, and nothing else points into the map.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.records) }
    }

    #[inline]
    fn approach(&self, index: usize) {
        let address = self.map.as_ptr().cast::<T>().wrapping_add(index).cast::<i8>();
        ask_for(address);
        if size_of::<T>() > LINE {
            ask_for(address.wrapping_add(LINE));
        }
        #[cfg(not(target_arch = "x86_64"))]
        if let Some(record) = self.as_slice().get(index) {
            // A read in its place: it cannot be dropped, as its value is used, and nothing here waits for it.
            std::hint::black_box(bytemuck::bytes_of(record)[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_zeroed_writable_and_there_up_to_the_limit() {
        let mut records: MappedRecords<u64> = PrivateMap.records(300_000).expect("addresses are there");
        records.reserve(300_000).expect("2.4 MB are there");
        assert!((0..300_000).all(|index| records[index] == 0));
        records[299_999] = 7;
        records.approach(299_999);
        records.approach(u32::MAX);
        assert_eq!(records[299_999], 7);
        assert_eq!(records.reserve(300_001), Err(OutOfMemory));
    }

    #[test]
    fn memory_taken_before_is_as_good_as_memory_touched() {
        let mut records: MappedRecords<u64> = PrivateMap.records(3_000_000).expect("addresses are there");
        records.reserve(3_000_000).expect("24 MB are there");
        records[1_000_000] = 7;
        // Over the bound of a huge page, over a record in use, and up to the end of the map.
        for part in [0..1, 200_000..1_500_000, 1_500_000..3_000_000, 3_000_000..3_000_000] {
            assert!(records.take_memory(part).expect("24 MB are there"));
        }
        assert_eq!(records[1_000_000], 7);
        assert!((0..3_000_000).filter(|&index| index != 1_000_000).all(|index| records[index] == 0));
    }

    #[test]
    fn where_addresses_are_scarce_an_array_moves_as_it_grows() {
        let mut records: MappedRecords<u64> =
            MappedRecords { map: Map::new(1_000).expect("a page is there"), limit: 5_000 };
        for index in 0..5_000 {
            records.reserve(index + 1).expect("40 kB are there");
            assert_eq!(records[index], 0);
            records[index] = index.into();
        }
        assert!((0..5_000).all(|index| records[index] == u64::from(index)));
        assert_eq!(records.reserve(5_001), Err(OutOfMemory));
    }

    #[test]
    fn what_the_system_cannot_give_is_an_error() {
        assert!(Map::<u64>::new(usize::MAX / 8).is_err());
        assert!(Map::<u64>::new(usize::MAX / 32).is_err());
        let none: MappedRecords<u64> = PrivateMap.records(0).expect("nothing is always there");
        assert!(none.map.as_slice().is_empty());
    }
}
