//! Who waits for an owner's decision, for those of his groups that follow who watches him (RFC 3857: waiting).
//!
//! The list of those who have asked is the desk's; the fan-out below, which gathers the other watchers, is told of it whenever it
//! changes while somebody follows.

use alloc::sync::Arc;

use super::Shard;
use crate::id::{PresentityId, ShardIndex};
use crate::identity::Identity;
use crate::shard::ShardMemory;
use crate::shard::watcher_information::{WatcherEvent, WatcherMessage};

impl<B: ShardMemory> Shard<B> {
    pub(super) fn take_information(&mut self, from: ShardIndex, message: WatcherMessage) {
        let begun = match message {
            WatcherMessage::Follow { presentity, .. } => Some(presentity),
            _ => None,
        };
        self.fan.take_information(from, message);
        if let Some(presentity) = begun {
            self.tell_who_waits(presentity);
        }
    }

    /// Somebody may wait who did not, or the other way round.
    pub(super) fn tell_who_waits(&mut self, presentity: PresentityId) {
        if self.fan.is_followed(presentity) {
            let waiting = self.serve_pending(presentity);
            self.fan.set_waiting(presentity, waiting);
        }
    }

    /// The owner has decided on some who waited.
    pub(super) fn tell_who_was_answered(&mut self, presentity: PresentityId, answered: &[Arc<Identity>]) {
        if !self.fan.is_followed(presentity) {
            return;
        }
        for who in answered {
            // Who is to be asked about all the same was turned away.
            let is_let_in = !self.decide_at_home(presentity, who).view.is_closed();
            let event = if is_let_in { WatcherEvent::Approved } else { WatcherEvent::Rejected };
            self.fan.end_waiting(presentity, who.user, event);
        }
        self.tell_who_waits(presentity);
    }
}
