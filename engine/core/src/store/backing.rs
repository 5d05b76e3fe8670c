//! Where an arena's memory comes from: the heap here, a private memory map with huge pages in the crate `fanfare`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::DerefMut;

/// The operating system gave no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// A source of segments: fixed runs of records that never move, so that growth copies nothing and stalls nobody.
pub trait Backing<T>: Clone {
    /// Bytes of one segment, about: a segment holds the largest power of two of records that fits.
    const SEGMENT_BYTES: usize;
    /// Bytes that become resident together when one of them is touched; the unit of measured memory.
    const PAGE_BYTES: usize;
    /// A run of records.
    type Segment: DerefMut<Target = [T]>;

    /// Gives a segment of exactly so many records, each in its default state.
    ///
    /// # Errors
    /// When there is no more memory.
    fn segment(&self, records: usize) -> Result<Self::Segment, OutOfMemory>;
}

/// Segments from the global allocator, for records of any type and for small worlds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

impl<T: Default> Backing<T> for Heap {
    const SEGMENT_BYTES: usize = 64 * 1024;
    const PAGE_BYTES: usize = 4096;
    type Segment = Box<[T]>;

    fn segment(&self, records: usize) -> Result<Box<[T]>, OutOfMemory> {
        let mut segment = Vec::new();
        segment.try_reserve_exact(records).map_err(|_| OutOfMemory)?;
        segment.resize_with(records, T::default);
        Ok(segment.into_boxed_slice())
    }
}
