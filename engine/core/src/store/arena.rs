//! An array that grows by whole segments: an index stays valid, a record never moves, growth copies nothing.
//!
//! A doubling vector would copy gigabytes in the middle of a sign-in storm and keep up to half of its memory idle.
//! The price is one more load per access, of a segment's address, which stays in the nearest cache.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use super::backing::{Backing, OutOfMemory};

/// Records of one type, by number.
pub struct Arena<T, B: Backing<T>> {
    segments: Vec<B::Segment>,
    backing: B,
    len: u32,
}

impl<T, B: Backing<T>> Arena<T, B> {
    const SHIFT: u32 = (B::SEGMENT_BYTES / size_of::<T>()).ilog2();
    const MASK: u32 = (1 << Self::SHIFT) - 1;

    /// An arena without records and without memory.
    pub fn new(backing: B) -> Self {
        Self { segments: Vec::new(), backing, len: 0 }
    }

    /// Records there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for so many more records.
    ///
    /// # Errors
    /// When there is no more memory; nothing has changed then.
    pub fn reserve(&mut self, records: u32) -> Result<(), OutOfMemory> {
        let wanted = (u64::from(self.len) + u64::from(records)).div_ceil(1 << Self::SHIFT);
        while (self.segments.len() as u64) < wanted {
            self.segments.push(self.backing.segment(1 << Self::SHIFT)?);
        }
        Ok(())
    }

    /// Adds a record in its default state and gives its number.
    ///
    /// # Errors
    /// When there is no more memory.
    pub fn push(&mut self) -> Result<u32, OutOfMemory> {
        self.reserve(1)?;
        self.len += 1;
        Ok(self.len - 1)
    }

    /// Bytes that the records have made resident, in whole pages.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let full = u64::from(self.len >> Self::SHIFT) * (size_of::<T>() as u64) * (1 << Self::SHIFT);
        let rest = u64::from(self.len & Self::MASK) * size_of::<T>() as u64;
        full + rest.next_multiple_of(B::PAGE_BYTES as u64)
    }
}

impl<T, B: Backing<T>> Index<u32> for Arena<T, B> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.segments[(index >> Self::SHIFT) as usize][(index & Self::MASK) as usize]
    }
}

impl<T, B: Backing<T>> IndexMut<u32> for Arena<T, B> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.segments[(index >> Self::SHIFT) as usize][(index & Self::MASK) as usize]
    }
}
