//! Asking for what messages will touch, before they are taken in one by one.
//!
//! A publication, or a join, touches a dozen lines that nobody has looked at for long, and the address of most of them lies in one of
//! the others: bucket, home, view, document, reader; topic, document, subscriber list. One message after the other would
//! wait for each. Here a few messages go the way together, a step of it for all of them at a time, so that the lines of a
//! step come from memory together. Nothing is changed, and what is not there is not looked for.

use super::message::{Message, Request};
use super::{FanOut, ShardMemory};
use crate::id::PresentityId;
use crate::store::NONE;

/// Messages that go the way together: as many lines as a core may wait for at once, about.
pub const MESSAGES_TOGETHER: usize = 16;

impl<B: ShardMemory> FanOut<B> {
    /// Asks for the lines that taking in these messages will need; looks at the first [`MESSAGES_TOGETHER`].
    pub(crate) fn approach_messages(&self, messages: &[Message]) {
        let mut presentities = [PresentityId::new(0); MESSAGES_TOGETHER];
        let mut topics = [NONE; MESSAGES_TOGETHER];
        let (mut at_home, mut updates) = (0, 0);
        for message in messages.iter().take(MESSAGES_TOGETHER) {
            let presentity = match message {
                Message::Request { request: Request::Publish(publication), .. } => publication.presentity,
                Message::Join(interest) => interest.presentity,
                Message::Update(update) => {
                    topics[updates] = update.topic;
                    updates += 1;
                    continue;
                }
                _ => continue,
            };
            presentities[at_home] = presentity;
            at_home += 1;
        }
        self.approach_topics(&topics[..updates]);
        self.homes.approach(&presentities[..at_home]);
    }

    fn approach_topics(&self, topics: &[u32]) {
        for &topic in topics {
            self.topics.topics.approach(topic);
            self.topics.places.approach(topic);
        }
        let ever = self.topics.documents.len();
        for &topic in topics.iter().filter(|&&topic| topic < ever) {
            self.topics.entries.approach(self.topics.topics[topic].head);
        }
        self.topics.documents.approach::<B>(topics.iter().copied());
    }
}

impl<B: ShardMemory> super::home::Homes<B> {
    fn approach(&self, presentities: &[PresentityId]) {
        if presentities.is_empty() {
            return;
        }
        self.approach_table(presentities);
        let mut places = [NONE; MESSAGES_TOGETHER];
        for (place, &presentity) in places.iter_mut().zip(presentities) {
            *place = self.candidate(presentity);
            self.homes.approach(*place);
        }
        let places = &mut places[..presentities.len()];
        for place in &mut *places {
            *place = self.homes.get(*place).map_or(NONE, |home| home.views);
        }
        let views = || places.iter().filter_map(|&view| self.views.get(view));
        for view in views() {
            B::approach(view);
        }
        for document in views().filter_map(|view| view.document.as_ref()) {
            B::approach(document.address());
        }
        // One reader of each view at a time, until no view has any more.
        for place in &mut *places {
            *place = self.views.get(*place).map_or(NONE, |view| view.readers);
        }
        while places.iter().any(|&reader| reader != NONE) {
            places.iter().for_each(|&reader| self.readers.approach(reader));
            for place in &mut *places {
                *place = self.readers.get(*place).map_or(NONE, |reader| reader.next);
            }
        }
    }
}
