//! A bounded ring with one writer and one reader: the only way from one shard to another.
//!
//! [`Sender`] lives on one core, [`Receiver`] on another. Invariant: what is written is read once, in order. Cost: a
//! [`Sender::flush`] of any number of values is one release store, and none when there is nothing to say; a
//! [`Receiver::incoming`] takes all that is there for one acquire load and one release store. Nothing is allocated
//! after [`ring`].

#[cfg(not(fanfare_loom))]
use real as spsc;
#[cfg(fanfare_loom)]
use stand_in as spsc;

/// The writing end.
#[derive(Debug)]
pub struct Sender<T> {
    ring: spsc::Producer<T>,
    slots: usize,
}

/// The reading end.
#[derive(Debug)]
pub struct Receiver<T> {
    ring: spsc::Consumer<T>,
}

/// Makes a ring of so many slots.
#[must_use]
pub fn ring<T>(slots: usize) -> (Sender<T>, Receiver<T>) {
    let (producer, consumer) = spsc::ring(slots);
    (Sender { ring: producer, slots }, Receiver { ring: consumer })
}

impl<T> Sender<T> {
    /// Writes what `next` gives until it gives no more or the ring is full, and makes all of it visible at once.
    /// Tells how many values that were.
    ///
    /// `next` is only asked while there is room, so nothing is ever taken from the caller that finds no place.
    pub fn flush(&mut self, mut next: impl FnMut() -> Option<T>) -> usize {
        let mut room = self.ring.known_room();
        if room <= self.slots / 2 {
            // The reader's index is on a line that the reader writes; it is only looked at when what we remember of
            // it leaves little room.
            room = self.ring.room();
        }
        if room == 0 {
            return 0;
        }
        // An empty flush must not store: it would take the line of our index away from the reader that polls it.
        let Some(first) = next() else { return 0 };
        self.ring.write(room, core::iter::once(first).chain(core::iter::from_fn(next)))
    }

    /// Whether not even one value would find room now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ring.known_room() == 0 && self.ring.room() == 0
    }
}

impl<T> Receiver<T> {
    /// All that is there now, or nothing if that is nothing. What is not taken from the iterator stays in the ring;
    /// the room of what was taken is given back when the iterator is dropped.
    pub fn incoming(&mut self) -> Option<impl Iterator<Item = T> + '_> {
        let there = self.ring.there();
        (there != 0).then(|| self.ring.read(there))
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.there() == 0
    }
}

#[cfg(not(fanfare_loom))]
mod real {
    //! The ring of production: `rtrb`, by its chunk API.

    pub(super) use rtrb::chunks::ReadChunkIntoIter;

    #[derive(Debug)]
    pub(super) struct Producer<T>(rtrb::Producer<T>);

    #[derive(Debug)]
    pub(super) struct Consumer<T>(rtrb::Consumer<T>);

    pub(super) fn ring<T>(slots: usize) -> (Producer<T>, Consumer<T>) {
        let (producer, consumer) = rtrb::RingBuffer::new(slots);
        (Producer(producer), Consumer(consumer))
    }

    impl<T> Producer<T> {
        pub(super) fn known_room(&self) -> usize {
            self.0.cached_slots()
        }

        pub(super) fn room(&self) -> usize {
            self.0.slots()
        }

        /// `room` is what was found free, and only this end makes it less.
        pub(super) fn write(&mut self, room: usize, values: impl Iterator<Item = T>) -> usize {
            match self.0.write_chunk_uninit(room) {
                Ok(chunk) => chunk.fill_from_iter(values),
                Err(_) => unreachable!("the room of a ring shrinks only by its one writer"),
            }
        }
    }

    impl<T> Consumer<T> {
        pub(super) fn there(&self) -> usize {
            self.0.slots()
        }

        /// `there` is what was found written, and only this end makes it less.
        pub(super) fn read(&mut self, there: usize) -> ReadChunkIntoIter<'_, T> {
            match self.0.read_chunk(there) {
                Ok(chunk) => chunk.into_iter(),
                Err(_) => unreachable!("the content of a ring shrinks only by its one reader"),
            }
        }
    }
}

#[cfg(fanfare_loom)]
mod stand_in {
    //! The ring that loom sees: the same API and the same two indices with the same orderings, and nothing more.
    //!
    //! Indices run on and are never reduced, so that full and empty differ. Slots are loom cells: a model in which
    //! two threads touch one slot unordered fails.

    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;

    use crate::mesh::sync::Ordering;

    #[derive(Debug)]
    struct Shared<T> {
        head: AtomicUsize,
        tail: AtomicUsize,
        slots: Vec<UnsafeCell<Option<T>>>,
    }

    // SAFETY: a slot is written only while its index is outside head..tail and read only while it is inside; the
    // release store of the index by one end and the acquire load by the other order the two. Loom checks exactly that.
    unsafe impl<T: Send> Sync for Shared<T> {}
    // SAFETY: the values move with the ring.
    unsafe impl<T: Send> Send for Shared<T> {}

    #[derive(Debug)]
    pub(super) struct Producer<T> {
        shared: Arc<Shared<T>>,
        tail: usize,
        known_head: core::cell::Cell<usize>,
    }

    #[derive(Debug)]
    pub(super) struct Consumer<T> {
        shared: Arc<Shared<T>>,
        head: usize,
    }

    pub(super) fn ring<T>(slots: usize) -> (Producer<T>, Consumer<T>) {
        let shared = Arc::new(Shared {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            slots: (0..slots).map(|_| UnsafeCell::new(None)).collect(),
        });
        (
            Producer { shared: shared.clone(), tail: 0, known_head: core::cell::Cell::new(0) },
            Consumer { shared, head: 0 },
        )
    }

    impl<T> Producer<T> {
        pub(super) fn known_room(&self) -> usize {
            self.shared.slots.len() - (self.tail - self.known_head.get())
        }

        pub(super) fn room(&self) -> usize {
            self.known_head.set(self.shared.head.load(Ordering::Acquire));
            self.known_room()
        }

        pub(super) fn write(&mut self, room: usize, values: impl Iterator<Item = T>) -> usize {
            let mut written = 0;
            for value in values.take(room) {
                let slot = &self.shared.slots[(self.tail + written) % self.shared.slots.len()];
                // SAFETY: the slot is outside head..tail, so the reader does not touch it.
                slot.with_mut(|place| unsafe { *place = Some(value) });
                written += 1;
            }
            self.tail += written;
            self.shared.tail.store(self.tail, Ordering::Release);
            written
        }
    }

    impl<T> Consumer<T> {
        pub(super) fn there(&self) -> usize {
            self.shared.tail.load(Ordering::Acquire) - self.head
        }

        pub(super) fn read(&mut self, there: usize) -> Reading<'_, T> {
            let end = self.head + there;
            Reading { consumer: self, end }
        }
    }

    pub(super) struct Reading<'a, T> {
        consumer: &'a mut Consumer<T>,
        end: usize,
    }

    impl<T> Iterator for Reading<'_, T> {
        type Item = T;

        fn next(&mut self) -> Option<T> {
            let consumer = &mut *self.consumer;
            if consumer.head == self.end {
                return None;
            }
            let slot = &consumer.shared.slots[consumer.head % consumer.shared.slots.len()];
            consumer.head += 1;
            // SAFETY: the slot is inside head..tail, so the writer does not touch it until head is stored.
            slot.with_mut(|place| unsafe { (*place).take() })
        }
    }

    impl<T> Drop for Reading<'_, T> {
        fn drop(&mut self) {
            self.consumer.shared.head.store(self.consumer.head, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(fanfare_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_flush_takes_only_what_finds_room() {
        let (mut sender, mut receiver) = ring(4);
        let mut numbers = 0..10;
        assert_eq!(sender.flush(|| numbers.next()), 4);
        assert!(sender.is_full());
        assert_eq!(sender.flush(|| numbers.next()), 0);
        assert_eq!(receiver.incoming().expect("four are there").collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(sender.flush(|| numbers.next()), 4);
        assert_eq!(numbers.next(), Some(8), "nothing was taken without a place");
    }

    #[test]
    fn what_is_not_taken_stays() {
        let (mut sender, mut receiver) = ring(4);
        let mut numbers = 0..3;
        sender.flush(|| numbers.next());
        assert_eq!(receiver.incoming().expect("three are there").next(), Some(0));
        assert_eq!(receiver.incoming().expect("two are left").collect::<Vec<_>>(), [1, 2]);
        assert!(receiver.incoming().is_none());
    }
}
