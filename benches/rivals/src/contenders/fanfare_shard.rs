//! The engine itself, behind the same trait: one shard, driven as a frontend's core would drive it.

use fanfare_bench_world::{Graph, World};

use crate::rival::{Class, Payload, Rival, Told};

/// One `fanfare::Shard` in which every user has one watcher.
pub(super) struct FanfareShard {
    world: World,
}

impl FanfareShard {
    /// Everybody has published once, is signed in, and was told the first states.
    #[must_use]
    pub(super) fn signed_in(graph: Graph) -> Self {
        Self { world: World::signed_in(graph) }
    }
}

impl Rival for FanfareShard {
    fn name(&self) -> &'static str {
        "fanfare"
    }

    fn class(&self) -> Class {
        Class::Engine
    }

    fn differs(&self) -> &'static str {
        "The engine: keeps the newest state, order and what each watcher has seen, and queues nothing."
    }

    fn publish(&mut self, batch: &[(u32, Payload)]) {
        self.world.publish_payloads(batch);
    }

    fn drain(&mut self) -> Told {
        let mut told = Told::default();
        self.world.hear(|user, note| {
            let payload = note.document().map_or(&[][..], fanfare::Document::as_slice);
            told.take(user as u32, note.presentity.get() as u32, payload);
        });
        told
    }
}
