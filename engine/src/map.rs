//! Memory for a shard's arenas straight from the operating system: private anonymous maps with huge pages.
//!
//! Lives in no thread of its own: a shard asks for segments while it grows, on its own core, so that every page is
//! first touched there and comes from the memory next to it. Invariant: a segment is as many valid records as were
//! asked for, and never moves. Cost: one system call or two for every 16 MiB; pages become resident when they are
//! touched. This is the one module of the crate's production code with unsafe blocks, two of them: reading a map as
//! records costs no check for each access because the checks were made once, when the map was made.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use fanfare_core::store::{Backing, OutOfMemory};
use memmap2::MmapMut;

const HUGE_PAGE: usize = 2 << 20;

/// Segments of private memory, zeroed, with huge pages where the system gives them.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrivateMap;

impl<T: Pod + Default> Backing<T> for PrivateMap {
    /// Whole huge pages, and enough of them that the system call is lost among the records.
    const SEGMENT_BYTES: usize = 8 * HUGE_PAGE;
    const PAGE_BYTES: usize = HUGE_PAGE;
    type Segment = MappedRecords<T>;

    fn segment(&self, records: usize) -> Result<MappedRecords<T>, OutOfMemory> {
        let mut segment = MappedRecords::new(records)?;
        // A fresh map is all zeros. A type whose default is something else is rare, and pays by touching its pages.
        let default = T::default();
        if bytemuck::bytes_of(&default).iter().any(|&byte| byte != 0) {
            segment.fill(default);
        }
        Ok(segment)
    }
}

/// A run of records in a memory map of its own.
pub struct MappedRecords<T> {
    map: MmapMut,
    records: usize,
    of: PhantomData<T>,
}

impl<T> fmt::Debug for MappedRecords<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedRecords").field("records", &self.records).finish_non_exhaustive()
    }
}

impl<T: Pod> MappedRecords<T> {
    const FITS_A_PAGE: () = assert!(align_of::<T>() <= 4096 && size_of::<T>() != 0, "a map is aligned to pages only");

    fn new(records: usize) -> Result<Self, OutOfMemory> {
        const { Self::FITS_A_PAGE };
        let bytes = records.checked_mul(size_of::<T>()).ok_or(OutOfMemory)?;
        // A map of no bytes is an error to the system.
        let map = MmapMut::map_anon(bytes.max(1)).map_err(|_| OutOfMemory)?;
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_PAGE {
            // Advice only: a kernel without huge pages refuses it, and the map is as good in small pages.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        debug_assert!(map.as_ptr().cast::<T>().is_aligned());
        Ok(Self { map, records, of: PhantomData })
    }
}

impl<T: Pod> Deref for MappedRecords<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the map is `records * size_of::<T>()` bytes long (`new`), starts at a page and so is aligned for T
        // (`FITS_A_PAGE`), is private to this value and lives as long as it; any bytes, so zeros too, are a T (`Pod`).
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.records) }
    }
}

impl<T: Pod> DerefMut for MappedRecords<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; the borrow of `self` is exclusive, and nothing else points into the map.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.records) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_zeroed_writable_and_as_long_as_asked() {
        let mut segment: MappedRecords<u64> = PrivateMap.segment(300_000).expect("2.4 MB are there");
        assert_eq!(segment.len(), 300_000);
        assert!(segment.iter().all(|&record| record == 0));
        segment[299_999] = 7;
        assert_eq!(segment[299_999], 7);
    }

    #[test]
    fn records_begin_in_their_default_state() {
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(transparent)]
        struct Link(u32);
        impl Default for Link {
            fn default() -> Self {
                Self(u32::MAX)
            }
        }
        let segment: MappedRecords<Link> = PrivateMap.segment(10).expect("a page is there");
        assert!(segment.iter().all(|link| link.0 == u32::MAX));
    }

    #[test]
    fn what_the_system_cannot_give_is_an_error() {
        let segment: Result<MappedRecords<u64>, _> = PrivateMap.segment(usize::MAX / 8);
        assert!(segment.is_err());
        let none: MappedRecords<u64> = PrivateMap.segment(0).expect("nothing is always there");
        assert!(none.is_empty());
    }
}
