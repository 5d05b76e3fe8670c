//! What single publications came to: for questions that nobody could ask while they were measured.
//!
//! One list on each core, in the order in which the publications were over. Its invariant: it is never longer than its
//! bound, and what is left out is left out evenly: once it is full it keeps every second, and takes every second from then
//! on. Costs two comparisons and a store a publication, and 800 KB, which are touched before anything is measured.

/// So many: a 99th percentile of them rests on hundreds.
const KEPT_MAX: usize = 1 << 15;

/// One publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Single {
    /// When it was due, on the run's clock.
    pub plan_us: u64,
    /// From then until the first, the median and the last watcher was told.
    pub latency_us: [u32; 3],
}

/// Some of many publications, evenly.
#[derive(Clone, Debug)]
pub struct Singles {
    kept: Vec<Single>,
    /// Of how many each one is left.
    stride: u64,
    /// How many pass until the next one is kept.
    until_next: u64,
}

impl Singles {
    /// An empty list with all its room: a page that is touched first while something is measured takes its time there.
    pub(super) fn with_room() -> Self {
        let mut kept = vec![Single { plan_us: 0, latency_us: [0; 3] }; KEPT_MAX];
        // Zeros would be pages that nobody has.
        kept.iter_mut().for_each(|single| single.plan_us = u64::MAX);
        kept.clear();
        Self { kept, stride: 1, until_next: 0 }
    }

    /// Takes one, or passes it over.
    pub(super) fn record(&mut self, plan_us: u64, latency_us: [u64; 3]) {
        if self.until_next > 0 {
            self.until_next -= 1;
            return;
        }
        if self.kept.len() == KEPT_MAX {
            self.thin_out();
        }
        self.until_next = self.stride - 1;
        let latency_us = latency_us.map(|micros| u32::try_from(micros).unwrap_or(u32::MAX));
        self.kept.push(Single { plan_us, latency_us });
    }

    /// Those that are left.
    #[must_use]
    pub fn kept(&self) -> &[Single] {
        &self.kept
    }

    /// For how many each of them stands.
    #[must_use]
    pub fn stride(&self) -> u64 {
        self.stride
    }

    #[cold]
    fn thin_out(&mut self) {
        let mut at = 0;
        self.kept.retain(|_| {
            at += 1;
            at % 2 == 1
        });
        self.stride *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_all_kept_and_of_many_some_evenly() {
        let mut singles = Singles::with_room();
        for at in 0..1_000 {
            singles.record(at, [1, 2, u64::MAX]);
        }
        assert_eq!((singles.kept().len(), singles.stride()), (1_000, 1));
        assert_eq!(singles.kept()[7], Single { plan_us: 7, latency_us: [1, 2, u32::MAX] });
        for at in 1_000..10 * KEPT_MAX as u64 {
            singles.record(at, [0; 3]);
        }
        assert_eq!(singles.stride(), 16);
        assert!((KEPT_MAX / 2..=KEPT_MAX).contains(&singles.kept().len()));
        let apart = singles.kept().windows(2).map(|two| two[1].plan_us - two[0].plan_us);
        assert!(apart.clone().all(|apart| apart == 16), "{:?}", apart.max());
    }
}
