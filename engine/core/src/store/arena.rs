//! An array that grows record by record: an index stays valid.

use core::ops::{Index, IndexMut};

use super::backing::{Backing, Heap, OutOfMemory, Records, Segments};

/// Records of one type, by number.
pub struct Arena<T, B: Backing<T>> {
    records: B::Records,
    len: u32,
    /// Records whose memory was taken before they come.
    taken: u32,
}

impl<T, B: Backing<T>> Arena<T, B> {
    /// An arena without records, which will never have more than `limit`.
    ///
    /// # Errors
    /// When the system does not even give addresses.
    pub fn new(backing: &B, limit: u32) -> Result<Self, OutOfMemory> {
        Ok(Self { records: backing.records(limit)?, len: 0, taken: 0 })
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
        self.records.reserve(self.len.checked_add(records).ok_or(OutOfMemory)?)
    }

    /// Takes the memory of the first so many records, up to `bytes_max` of it but for a record's rest; tells how many bytes
    /// that was.
    pub(crate) fn take_memory(&mut self, records: u32, bytes_max: usize) -> Result<usize, OutOfMemory> {
        let begin = self.taken.max(self.len);
        let most = u32::try_from(bytes_max.div_ceil(size_of::<T>())).unwrap_or(u32::MAX);
        let end = records.min(begin.saturating_add(most));
        if end <= begin {
            return Ok(0);
        }
        self.records.reserve(end)?;
        if !self.records.take_memory(begin..end)? {
            return Ok(0);
        }
        self.taken = end;
        Ok((end - begin) as usize * size_of::<T>())
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

    /// Bytes that the records, and memory taken for more of them, have made resident, in whole pages.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (u64::from(self.len.max(self.taken)) * size_of::<T>() as u64).next_multiple_of(B::PAGE_BYTES as u64)
    }

    /// Takes the records in hand for a loop; see [`Records::hold`].
    #[inline]
    pub(crate) fn hold(&mut self) -> <B::Records as Records<T>>::Held<'_> {
        self.records.hold()
    }

    /// A hint that the record will be looked at soon; never wrong.
    #[inline]
    pub fn approach(&self, index: u32) {
        self.records.approach(index);
    }
}

impl<T: Default> Arena<T, Heap> {
    /// An arena without records on the heap.
    #[must_use]
    pub fn on_heap() -> Self {
        Self { records: Segments::NONE, len: 0, taken: 0 }
    }
}

impl<T, B: Backing<T>> Index<u32> for Arena<T, B> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.records[index]
    }
}

impl<T, B: Backing<T>> IndexMut<u32> for Arena<T, B> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.records[index]
    }
}
