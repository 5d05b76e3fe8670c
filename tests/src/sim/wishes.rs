//! How groups want to be told of changes: of some only, as differences, and not of what they know.
//!
//! In worlds of their own (a seed in seven), so that other seeds live the lives that they always lived.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fanfare_core::{Categories, Category, Differ, Note, PartTrigger, StateTag, View};
use rand::RngExt;

use super::truth::Watched;
use super::world::World;

/// States that somebody was told, as he knows them then, by presentity, view and filter.
pub(super) type KnownStates = BTreeMap<(u64, View, Categories), (StateTag, Watched)>;

/// Documents begin alike more often than they end alike: the length of what they have in common, and the rest.
#[derive(Debug)]
pub(super) struct Prefix;

impl Differ for Prefix {
    fn difference(&self, _: Category, before: &[u8], after: &[u8]) -> Option<Bytes> {
        let common = before.iter().zip(after).take_while(|(old, new)| old == new).count();
        let kept = u8::try_from(common).ok()?;
        Some([&[kept], &after[common..]].concat().into())
    }
}

/// What a note offers beside the documents.
pub(super) struct Offered {
    tag: StateTag,
    differences: Vec<(Category, Bytes)>,
}

impl Offered {
    pub(super) fn of(note: &Note<'_>) -> Self {
        let differences =
            note.told().iter().filter_map(|category| Some((category, note.difference(category)?.clone())));
        Self { tag: note.state_tag(), differences: differences.collect() }
    }
}

impl World {
    /// Whether a seed's groups have wishes.
    pub(super) fn has_wishes(seed: u64) -> bool {
        seed % 7 == 4
    }

    pub(super) fn operate_wishes(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|_| true) else { return Ok(()) };
        let kind = self.rng.random_range(0..10u32);
        let (is_partial, has_trigger) = (self.rng.random_bool(0.8), self.rng.random_bool(0.7));
        let [added, removed, changed] = [(); 3].map(|()| self.rng.random_bool(0.5));
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = &mut self.shards[self.sessions[&group.watcher].shard];
        let wished = match kind {
            0..=1 => {
                let trigger = PartTrigger { categories: group.wants, added, removed, changed };
                group.is_choosy = has_trigger;
                for watched in group.watched.values_mut() {
                    watched.is_due_again = watched.is_told;
                }
                shard.set_trigger(group.id, has_trigger.then(|| Arc::new(trigger) as _))
            }
            2..=3 => shard.set_partial(group.id, is_partial),
            _ => {
                for (&id, watched) in group.watched.iter_mut().filter(|(_, watched)| !watched.is_told) {
                    let Some((tag, state)) = self.known_states.get(&(id, watched.view, group.wants)) else { continue };
                    let presentity = fanfare_core::PresentityId::new(id);
                    if shard.know(group.id, presentity, *tag) != Ok(true) {
                        return Err(format!("{presentity:?} is watched, and nothing can be known of him"));
                    }
                    (watched.told, watched.documents, watched.is_known) = (state.told, state.documents.clone(), true);
                    self.faults.known_state += 1;
                }
                Ok(())
            }
        };
        wished.map_err(|why| format!("a wish was refused: {why}"))
    }

    /// A note whose documents are true, with what it offers beside them.
    pub(super) fn check_offered(
        &mut self,
        group: u64,
        presentity: u64,
        parts: &[(Category, Option<Vec<u8>>)],
        offered: &Offered,
    ) -> Result<(), String> {
        let group = self.groups.get_mut(&group).ok_or("a group")?;
        let wants = group.wants;
        let watched: &mut Watched = group.watched.get_mut(&presentity).ok_or("a subscription")?;
        for (category, difference) in &offered.differences {
            let before = watched.documents[category.index()].as_deref().ok_or("a difference to nothing")?;
            let after = before.get(..difference[0].into()).map(|kept| [kept, &difference[1..]].concat());
            let told = parts.iter().find(|(told, _)| told == category).and_then(|(_, document)| document.clone());
            if after.is_none() || after != told {
                return Err(format!("a difference makes {after:?} of {before:?}, and told is {told:?}"));
            }
            self.faults.difference += 1;
        }
        for (category, document) in parts {
            watched.documents[category.index()] = document.clone();
        }
        if !group.is_choosy {
            self.known_states.insert((presentity, watched.view, wants), (offered.tag, watched.clone()));
        }
        Ok(())
    }
}
