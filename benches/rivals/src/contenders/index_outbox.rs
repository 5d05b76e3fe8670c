//! uWebSockets' algorithm on dense arrays: the hardest rival, little more than the floor.
//!
//! A publication is written once. Its index is appended to each watcher's small outbox, and the watcher is put on the list
//! of the ready if the outbox was empty; a drain reads what the indices name. What decides the speed is memory:
//!
//! * An outbox is half a cache line, and it is all of a watcher that is touched (against a whole line, with indices of
//!   four bytes: 17 to 23 ns a notification among 100,000 users became 14 to 19).
//! * Appends to different watchers do not depend on each other, and there is no branch between them that a processor
//!   guesses wrong, so it has as many lines under way as it can. Asking for them ahead, as the engine does, gained nothing.
//! * Outboxes lie in huge pages where the system has them to give, as the engine's arenas do (a third, among a million).

use std::rc::Rc;

use memmap2::MmapMut;

use crate::audience::Audience;
use crate::error::RivalError;
use crate::rival::{Change, Class, Payload, Rival, Told};

/// What one watcher has still to be told: how many, and the indices of the messages.
type Outbox = [u16; 1 + PLACES];

/// Indices in an outbox. (uWebSockets has 32, not in the subscriber's first line.)
const PLACES: usize = 15;

/// Messages that indices can name.
const MESSAGES_MAX: usize = 1 << 16;

/// Indices of messages, by watcher.
pub(super) struct IndexOutbox {
    audience: Rc<Audience>,
    /// What was published and is not drained yet, once each.
    messages: Vec<Change>,
    outboxes: MmapMut,
    /// Watchers with something in their outbox, in the first `waiting` places; one place more than there are watchers.
    ready: Vec<u32>,
    waiting: usize,
    /// What was told before the drain, because an outbox was full.
    told_early: Told,
}

impl IndexOutbox {
    /// Everybody's outbox is empty.
    ///
    /// # Errors
    /// If the system does not give the memory.
    pub(super) fn over(audience: Rc<Audience>) -> Result<Self, RivalError> {
        let users = audience.graph().users() as usize;
        let outboxes = MmapMut::map_anon(users * size_of::<Outbox>()).map_err(|error| RivalError::Unavailable {
            name: "index-outbox",
            reason: format!("the system gives no memory map ({error}); ask for fewer users"),
        })?;
        // Where there are none to be had it runs on small pages, a little slower.
        #[cfg(target_os = "linux")]
        let _ = outboxes.advise(memmap2::Advice::HugePage);
        Ok(Self {
            audience,
            messages: Vec::new(),
            outboxes,
            ready: vec![0; users + 1],
            waiting: 0,
            told_early: Told::default(),
        })
    }

    /// Everybody who is ready is told everything.
    fn tell_all(&mut self, told: &mut Told) {
        let outboxes: &mut [Outbox] = bytemuck::cast_slice_mut(&mut self.outboxes);
        for &watcher in &self.ready[..self.waiting] {
            let outbox = &mut outboxes[watcher as usize];
            tell(watcher, outbox, &self.messages, told);
            outbox[0] = 0;
        }
        self.waiting = 0;
        self.messages.clear();
    }
}

impl Rival for IndexOutbox {
    fn name(&self) -> &'static str {
        "index-outbox"
    }

    fn class(&self) -> Class {
        Class::IndexOutbox
    }

    fn differs(&self) -> &'static str {
        "uWebSockets' algorithm on dense arrays: keeps no truth, no order across reconnects, conflates nothing, and \
         nobody can subscribe or leave."
    }

    fn publish(&mut self, batch: &[(u32, Payload)]) {
        for &(presentity, payload) in batch {
            // As uWebSockets does when there is no index left.
            if self.messages.len() == MESSAGES_MAX {
                let mut told = std::mem::take(&mut self.told_early);
                self.tell_all(&mut told);
                self.told_early = told;
            }
            let message = self.messages.len() as u16;
            self.messages.push(Change { presentity, payload });
            let outboxes: &mut [Outbox] = bytemuck::cast_slice_mut(&mut self.outboxes);
            let (ready, mut end) = (self.ready.as_mut_slice(), self.waiting);
            for &watcher in self.audience.of(presentity) {
                let outbox = &mut outboxes[watcher as usize];
                let count = outbox[0];
                if let Some(place) = outbox.get_mut(1 + usize::from(count)) {
                    *place = message;
                    outbox[0] = count + 1;
                } else {
                    // As uWebSockets does: a full outbox is drained at once. The watcher stays on the list.
                    tell(watcher, outbox, &self.messages, &mut self.told_early);
                    outbox[..2].copy_from_slice(&[1, message]);
                }
                // Written always and kept only if the outbox was empty, so that nothing has to be guessed.
                ready[end] = watcher;
                end += usize::from(count == 0);
            }
            self.waiting = end;
        }
    }

    fn drain(&mut self) -> Told {
        let mut told = std::mem::take(&mut self.told_early);
        self.tell_all(&mut told);
        told
    }
}

/// Reads everything in an outbox.
#[inline]
fn tell(watcher: u32, outbox: &Outbox, messages: &[Change], told: &mut Told) {
    for &message in outbox[1..].iter().take(usize::from(outbox[0])) {
        let change = &messages[usize::from(message)];
        told.take(watcher, change.presentity, &change.payload);
    }
}

#[cfg(test)]
mod tests {
    use fanfare_bench_world::{Graph, Shape};

    use super::*;
    use crate::publishing::{Publishing, due};

    #[test]
    fn nothing_is_lost_when_the_indices_run_out() {
        let audience = Rc::new(Audience::of_graph(Graph::new(50, 3, Shape::Uniform)).expect("it is small"));
        let mut rival = IndexOutbox::over(Rc::clone(&audience)).expect("it is small");
        let mut publishing = Publishing::drawn(50, 50, 1);
        let (mut batch, mut model) = (Vec::new(), Told::default());
        for _ in 0..=MESSAGES_MAX / 50 {
            publishing.next_into(&mut batch);
            rival.publish(&batch);
            model = model.and(due(&audience, &batch));
        }
        assert_eq!(rival.drain(), model);
        assert_eq!(rival.drain(), Told::default());
    }
}
