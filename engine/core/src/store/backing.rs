//! Where an arena's memory comes from: the heap here, a private memory map with huge pages in the crate `fanfare`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut, Range};

/// The operating system gave no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Asks for memory before it is needed.
pub trait Hints {
    /// A hint that what lies there will be looked at soon, so that its line can come from memory meanwhile; never wrong,
    /// whatever the address. Without effect on the heap, and on processors for which the language has no such hint.
    #[inline]
    fn approach<T>(address: *const T) {
        let _ = address;
    }
}

/// A source of arrays that grow.
pub trait Backing<T>: Clone {
    /// Bytes that become resident together when one of them is touched; the unit of measured memory.
    const PAGE_BYTES: usize;
    /// An array of records.
    type Records: Records<T>;

    /// An array that has no records yet and will have no more than `limit`.
    ///
    /// # Errors
    /// When the system does not even give addresses.
    fn records(&self, limit: u32) -> Result<Self::Records, OutOfMemory>;
}

/// An array that grows at its end. How an index becomes an address is the array's own affair, so that one that lies in
/// a piece needs a comparison and an addition for it.
pub trait Records<T>: Index<u32, Output = T> + IndexMut<u32> {
    /// The array in the hand of a loop.
    type Held<'a>: IndexMut<u32, Output = T>
    where
        Self: 'a;

    /// Takes the array in hand for a loop that writes records: where it lies cannot change meanwhile and stays in registers,
    /// while through the array itself it is read again after each write.
    fn hold(&mut self) -> Self::Held<'_>;

    /// Makes room for the records below `len`; new ones are in their default state (zeroed, where they are plain data).
    ///
    /// # Errors
    /// When there is no more memory; nothing has changed then.
    fn reserve(&mut self, len: u32) -> Result<(), OutOfMemory>;

    /// Takes the memory of these records, for which there is room, from the system now and not when each is touched first;
    /// tells whether it is there. Without effect where memory comes with the room.
    ///
    /// # Errors
    /// When there is no more memory.
    fn take_memory(&mut self, records: Range<u32>) -> Result<bool, OutOfMemory> {
        let _ = records;
        Ok(true)
    }

    /// A hint that the record will be looked at soon, so that its line can come from memory meanwhile. Without effect
    /// where there is nothing to be won; never wrong, whatever the index.
    #[inline]
    fn approach(&self, index: u32) {
        let _ = index;
    }
}

/// Segments from the global allocator, for records of any type and for small worlds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

impl Hints for Heap {}

impl<T: Default> Backing<T> for Heap {
    const PAGE_BYTES: usize = 4096;
    type Records = Segments<T>;

    fn records(&self, _: u32) -> Result<Segments<T>, OutOfMemory> {
        Ok(Segments::NONE)
    }
}

/// An array in segments of the largest power of two of records that fits 64 KiB: an index stays valid, a record never
/// moves, growth copies nothing. A doubling vector would copy megabytes in the middle of a sign-in storm and keep up to
/// half of its memory idle. The price is one more load per access, of a segment's address.
#[derive(Debug)]
pub struct Segments<T>(Vec<Box<[T]>>);

const SEGMENT_BYTES: usize = 64 * 1024;

impl<T> Segments<T> {
    pub(crate) const NONE: Self = Self(Vec::new());
    const SHIFT: u32 = (SEGMENT_BYTES / size_of::<T>()).ilog2();
    const MASK: u32 = (1 << Self::SHIFT) - 1;
}

impl<T: Default> Records<T> for Segments<T> {
    type Held<'a>
        = HeldSegments<'a, T>
    where
        Self: 'a;

    fn hold(&mut self) -> HeldSegments<'_, T> {
        HeldSegments(self)
    }

    fn reserve(&mut self, len: u32) -> Result<(), OutOfMemory> {
        while self.0.len() < len.div_ceil(1 << Self::SHIFT) as usize {
            let mut segment = Vec::new();
            segment.try_reserve_exact(1 << Self::SHIFT).map_err(|_| OutOfMemory)?;
            segment.resize_with(1 << Self::SHIFT, T::default);
            self.0.push(segment.into_boxed_slice());
        }
        Ok(())
    }
}

impl<T> Index<u32> for Segments<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.0[(index >> Self::SHIFT) as usize][(index & Self::MASK) as usize]
    }
}

impl<T> IndexMut<u32> for Segments<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.0[(index >> Self::SHIFT) as usize][(index & Self::MASK) as usize]
    }
}

/// Segments in the hand of a loop.
pub struct HeldSegments<'a, T>(&'a mut Segments<T>);

impl<T> Index<u32> for HeldSegments<'_, T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.0[index]
    }
}

impl<T> IndexMut<u32> for HeldSegments<'_, T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.0[index]
    }
}

/// An array that lies in one piece, in the hand of a loop.
pub struct HeldPiece<'a, T>(pub &'a mut [T]);

impl<T> Index<u32> for HeldPiece<'_, T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.0[index as usize]
    }
}

impl<T> IndexMut<u32> for HeldPiece<'_, T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.0[index as usize]
    }
}
