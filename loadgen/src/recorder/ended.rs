//! How many publications of a publisher's point have ended, by whichever core tells the last watcher.
//!
//! One word for each publisher: the number of its point in the upper 16 bits, and the count below. The publisher alone begins
//! a point, and any core ends a publication. The invariant: a straggler, left over from an earlier point that took too long, is
//! never counted for a later one, whoever ends it and when. Costs one atomic exchange a publication.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where the number of the point begins.
const POINT_SHIFT: u32 = 48;

/// See the module.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Ended(AtomicU64);

impl Ended {
    /// Which point it is; numbers come again after 65,536 of them.
    pub(super) fn point(&self) -> u16 {
        point_of(self.0.load(Ordering::Relaxed))
    }

    /// The next point begins.
    pub(super) fn begin_point(&self) {
        self.0.store(u64::from(self.point().wrapping_add(1)) << POINT_SHIFT, Ordering::Release);
    }

    /// A publication of that point has ended.
    pub(super) fn note(&self, point: u16) {
        let one_more = |word| (point_of(word) == point).then_some(word + 1);
        // It is refused to a straggler, of whom nobody asks any more.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more);
    }

    /// Publications of the point that have ended.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire) & ((1 << POINT_SHIFT) - 1)
    }
}

fn point_of(word: u64) -> u16 {
    (word >> POINT_SHIFT) as u16
}
