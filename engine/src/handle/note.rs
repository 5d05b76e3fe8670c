//! A note that has left its shard.

use fanfare_core::{Category, Document, Note, PresentityId, Stamp, View};

/// One view of one presentity, told to a watcher of a handle. It owns what it tells.
///
/// Each document costs one count and no copy. It stays in memory as long as the note does, so do not hoard notes.
#[derive(Clone, Debug)]
pub struct OwnedNote {
    /// What was given when the watcher was opened.
    pub token: u64,
    /// Whose presence it is.
    pub presentity: PresentityId,
    /// In which rendering.
    pub view: View,
    /// The version: the state is the newest as of it.
    pub stamp: Stamp,
    /// Whether it is the first that the subscription is told, or all told again.
    pub first: bool,
    /// Changes that this note stands for besides its own.
    pub skipped: u32,
    /// Whether there may have been more of them.
    pub skipped_at_least: bool,
    parts: Parts,
}

/// Nearly always one, which needs no allocation.
#[derive(Clone, Debug)]
enum Parts {
    One((Category, Option<Document>)),
    Several(Box<[(Category, Option<Document>)]>),
}

impl OwnedNote {
    pub(super) fn of(note: &Note<'_>) -> Self {
        let mut parts = note.parts().map(|(category, document)| (category, document.cloned()));
        let parts = match (parts.next(), parts.next()) {
            (Some(only), None) => Parts::One(only),
            (first, second) => Parts::Several(first.into_iter().chain(second).chain(parts).collect()),
        };
        Self {
            token: note.watcher_token,
            presentity: note.presentity,
            view: note.view,
            stamp: note.stamp,
            first: note.first,
            skipped: note.skipped,
            skipped_at_least: note.skipped_at_least,
            parts,
        }
    }

    /// The document of the first category told that has one: all there is to an engine with one category. Without
    /// one the presentity has no state.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        self.parts().find_map(|(_, document)| document)
    }

    /// The categories told, each with its document or with nothing where its state is gone.
    pub fn parts(&self) -> impl Iterator<Item = (Category, Option<&Document>)> {
        let parts = match &self.parts {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Several(parts) => parts,
        };
        parts.iter().map(|(category, document)| (*category, document.as_ref()))
    }
}
