//! A look at everything of the homes, the slow way.

use alloc::vec::Vec;

use super::super::ShardMemory;
use super::Homes;
use crate::document::Document;
use crate::error::Corrupt;
use crate::id::{Category, PresentityId};
use crate::store::NONE;

impl<B: ShardMemory> Homes<B> {
    /// Checks the homes; `published` are the documents that the layer above holds.
    pub(crate) fn verify<'a>(&'a self, published: impl Iterator<Item = &'a Document>) -> Result<(), Corrupt> {
        let mut views_seen = 0u32;
        let mut readers_seen = 0u32;
        let mut states = 0u32;
        let mut documents: Vec<&Document> = published.collect();
        for home in 0..self.homes.ever() {
            let record = &self.homes[home];
            // A freed record's id may be any; only one that is found under it is in use.
            if self.find_home(PresentityId::new(record.presentity)) != Some(home) {
                continue;
            }
            let mut view = record.views;
            while view != NONE {
                views_seen += 1;
                let (readers, count) = self.verify_view(view, home)?;
                documents.extend(Category::all().filter_map(|category| self.document(view, category)));
                readers_seen += readers;
                states += u32::from(count != 0);
                view = self.views[view].next;
            }
        }
        let counts = [
            ("each view belongs to a home", views_seen, self.views.live()),
            ("each reader belongs to a view", readers_seen, self.readers.live()),
            ("states are counted", states, self.states),
        ];
        for (rule, found, counted) in counts {
            if found != counted {
                return Err(Corrupt { rule, index: found.into() });
            }
        }
        // A document may be several views' and a publication's, and weighs once.
        documents.sort_unstable_by_key(|document| document.as_slice().as_ptr());
        documents.dedup_by_key(|document| document.as_slice().as_ptr());
        let bytes: u64 = documents.into_iter().map(Document::weight).sum();
        if bytes != self.documents_bytes {
            return Err(Corrupt { rule: "the documents weigh what is counted", index: bytes });
        }
        self.expiries.verify(&self.views)
    }

    fn verify_view(&self, view: u32, home: u32) -> Result<(u32, u8), Corrupt> {
        let record = &self.views[view];
        let wrong = |rule| Err(Corrupt { rule, index: view.into() });
        if record.home != home {
            return wrong("a view names its home");
        }
        let documents = Category::all().filter(|&category| self.document(view, category).is_some()).count();
        if documents != usize::from(record.documents) {
            return wrong("a view counts its documents");
        }
        if record.documents == 0 && record.readers == NONE {
            return wrong("a view has a state or a reader");
        }
        let mut readers = 0;
        let mut reader = record.readers;
        while reader != NONE {
            readers += 1;
            if self.readers[reader].view != view {
                return wrong("a reader names its view");
            }
            let is_sent = self.readers[reader].sent_turn == record.turn || self.flapping.waits(view);
            if self.readers[reader].is_owed == 0 && !is_sent {
                return wrong("a reader that is not owed was sent the newest turn, or the view waits for its gap");
            }
            reader = self.readers[reader].next;
        }
        Ok((readers, record.documents))
    }
}
