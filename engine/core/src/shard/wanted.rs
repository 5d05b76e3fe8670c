//! What of a topic's changes a subscription wanted to hear of, where the topic has several categories or the group not all.

use super::{FanOut, ShardMemory};
use crate::id::{CATEGORIES, Categories, Category};
use crate::store::NONE;

/// Changes whose category the history tells.
const HISTORY: u32 = 16;

impl<B: ShardMemory> FanOut<B> {
    /// Which categories a subscription is told once more that has seen all there is.
    #[cold]
    pub(super) fn told_again(&mut self, topic: u32, wants: Categories) -> Categories {
        self.counters.repeated += 1;
        self.held_of(topic, wants)
    }

    /// Which of these categories a topic has.
    pub(super) fn held_of(&self, topic: u32, wants: Categories) -> Categories {
        let record = &self.topics.topics[topic];
        let held = match record.parts {
            NONE => record.categories(),
            parts => {
                let documents = &self.topics.parts[parts].documents;
                let held = Category::all().filter(|category| documents[category.index()].is_some());
                held.fold(Categories::NONE, Categories::with)
            }
        };
        held.and(wants)
    }

    /// Which categories a subscription that is `behind` turns behind is told, how many wanted changes are skipped
    /// with it, and whether it may have been more; nothing if no change was wanted.
    pub(super) fn wanted_of(
        &mut self,
        topic: u32,
        wants: Categories,
        behind: u16,
        first: bool,
    ) -> Option<(Categories, u32, bool)> {
        let record = &self.topics.topics[topic];
        let behind = u32::from(behind);
        let (changed, history) = match record.parts {
            NONE => {
                let only = record.categories();
                let number = only.iter().next().map_or(0, Category::number);
                (only, u64::from(number) * 0x1111_1111_1111_1111)
            }
            parts => {
                let parts = &self.topics.parts[parts];
                // Whoever was settled may have missed a change of any category.
                let any = first || behind >= u32::from(self.outboxes.seen.lap);
                let changed = (0..CATEGORIES as u8).filter_map(Category::new).filter(|category| {
                    let age = record.turn.wrapping_sub(parts.turns[category.index()]);
                    parts.known >> category.index() & 1 == 1
                        && (any || age < behind)
                        && !(first && parts.documents[category.index()].is_none())
                });
                (changed.fold(Categories::NONE, Categories::with), parts.history)
            }
        };
        let told = changed.and(wants);
        let counters = &mut self.counters;
        if wants == Categories::ALL {
            counters.delivered += 1;
            counters.skipped += u64::from(behind - 1);
            return Some((told, behind - 1, false));
        }
        if told == Categories::NONE && !first {
            counters.filtered += u64::from(behind);
            return None;
        }
        if record.parts == NONE {
            // All changes were of the one category, which is wanted, or of none at all.
            let skipped = if told == Categories::NONE { 0 } else { behind - 1 };
            counters.delivered += 1;
            counters.skipped += u64::from(skipped);
            counters.filtered += u64::from(behind - 1 - skipped);
            return Some((told, skipped, false));
        }
        let remembered = behind.min(HISTORY);
        let recent = (0..remembered)
            .filter(|&back| wants.contains(Category::from_low_bits((history >> (4 * back)) as u8)))
            .count() as u32;
        // At least one change was wanted, or it is the first state: that is this note. Others are skipped.
        let skipped = recent.saturating_sub(1);
        counters.delivered += 1;
        counters.skipped += u64::from(skipped);
        counters.filtered += u64::from(behind - 1 - skipped);
        // Of whoever was settled the changes that he missed before that are counted, and nobody knows of which categories.
        let at_least = behind > HISTORY || behind >= self.outboxes.seen.lap.into();
        Some((told, skipped, at_least))
    }
}
