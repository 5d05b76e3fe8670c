//! Several shards in one thread, joined by the engine's own rings: what a publication costs when its watchers lie on
//! several of them, without the mood of several cores.
//!
//! The shards' records lie on the heap, where small pages show what a topic weighs.

use fanfare::mesh::link::Port;
use fanfare::{
    Categories, Document, Footprint, GroupId, Heap, Message, PresentityId, ShardConfig, ShardIndex, Tick, View,
};

use crate::world::{limits, numbered, serial_of};
use crate::{Graph, Stage, Tally};

type Shard = fanfare::presence::Shard<Heap>;

/// A second, as in the world of one shard.
const A_WHILE_US: u64 = 1_000_000;

/// Linked shards and their users; users are dealt to shards.
pub struct Mesh {
    shards: Vec<Shard>,
    ports: Vec<Port<Message, Document>>,
    graph: Graph,
    /// By user, the shard of its watcher, and its group there.
    groups: Vec<(usize, GroupId)>,
    now: u64,
    serial: u64,
    /// Entries that walks had visited when it was last looked at.
    walked: u64,
}

/// What a turn of all shards did.
#[derive(Clone, Copy, Default)]
struct Turn {
    messages: u64,
    outcomes: usize,
    is_more: bool,
}

impl Mesh {
    /// So many shards. Users, each with one watcher that watches nobody yet, are dealt out one by one.
    ///
    /// # Panics
    /// If there cannot be so many shards.
    #[must_use]
    pub fn signed_out(shards: usize, graph: Graph) -> Self {
        let limits = limits(&graph);
        let make =
            |index| Shard::new(ShardConfig { limits, ..ShardConfig::new(index, shards) }, Heap).expect("a shard");
        let mut shards: Vec<Shard> = (0..shards).map(make).collect();
        let ports = Port::mesh(shards.len(), limits.link_slots as usize);
        let groups = (0..graph.users())
            .map(|user| {
                let at = user as usize % shards.len();
                let watcher = shards[at].open_watcher(user).expect("a watcher");
                (at, shards[at].open_group(watcher, user, Categories::ALL).expect("a group"))
            })
            .collect();
        Self { shards, ports, graph, groups, now: 0, serial: 0, walked: 0 }
    }

    /// Topics on all shards: for each presentity, as many as shards with a watcher of it.
    #[must_use]
    pub fn topics(&self) -> u64 {
        self.shards.iter().map(|shard| shard.population().topics).sum()
    }

    /// What all shards weigh.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| Footprint::total(&shard.footprint())).sum()
    }

    /// Updates that went from homes to topics so far, those on the home's own shard included.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.shards.iter().map(|shard| shard.counters().updates_sent).sum()
    }

    fn request(&mut self, presentity: u64, expires: Tick) {
        self.serial += 1;
        let at = presentity as usize % self.shards.len();
        let publication = fanfare::Publication { expires, ..numbered(presentity, self.serial) };
        self.shards[at].publish(publication).expect("a credit");
    }

    fn walked_since(&mut self) -> u64 {
        let walked = self.shards.iter().map(|shard| shard.counters().walk_entries).sum();
        walked - std::mem::replace(&mut self.walked, walked)
    }

    /// One turn of every shard: links in, walks, links out. The engine sends before it walks, which is the same where nothing is
    /// drained in between.
    fn turn(&mut self, entries: usize) -> Turn {
        let mut turn = Turn::default();
        for (shard, port) in self.shards.iter_mut().zip(&mut self.ports) {
            for peer in port.peers() {
                for document in peer.returns_in.incoming().into_iter().flatten() {
                    shard.receive_return(document);
                    turn.messages += 1;
                }
                let from: ShardIndex = peer.index;
                let Some(mut messages) = peer.messages_in.incoming() else { continue };
                while shard.can_receive(from) {
                    let Some(message) = messages.next() else { break };
                    shard.receive(from, message);
                    turn.messages += 1;
                }
            }
            turn.is_more |= shard.step(Tick::from_micros(self.now), entries).more;
            turn.outcomes += std::iter::from_fn(|| shard.next_outcome()).count();
            for peer in port.peers() {
                turn.messages += peer.returns_out.flush(|| shard.next_return(peer.index)) as u64;
                turn.messages += peer.messages_out.flush(|| shard.next_message(peer.index)) as u64;
            }
        }
        turn
    }

    /// Turns until nothing is under way between shards, without any walk; how many requests were answered.
    fn carry(&mut self) -> usize {
        let mut outcomes = 0;
        loop {
            let turn = self.turn(0);
            outcomes += turn.outcomes;
            if turn.messages == 0 {
                return outcomes;
            }
        }
    }
}

impl Stage for Mesh {
    fn graph(&self) -> Graph {
        self.graph
    }

    fn offer(&mut self, presentities: &[u64]) {
        self.now += 1;
        presentities.iter().for_each(|&presentity| self.request(presentity, Tick::NEVER));
        assert_eq!(self.carry(), presentities.len(), "every publication is answered");
    }

    fn offer_for_a_while(&mut self, presentities: &[u64]) {
        self.now += 1;
        let expires = Tick::from_micros((self.now / A_WHILE_US + 2) * A_WHILE_US);
        presentities.iter().for_each(|&presentity| self.request(presentity, expires));
        assert_eq!(self.carry(), presentities.len(), "every publication is answered");
    }

    fn expire(&mut self) {
        self.now = (self.now / A_WHILE_US + 2) * A_WHILE_US;
        let now = Tick::from_micros(self.now);
        for shard in &mut self.shards {
            while shard.step(now, 0).deadline.is_some_and(|deadline| deadline <= now) {}
        }
        self.carry();
    }

    fn mark(&mut self) -> Tally {
        loop {
            let turn = self.turn(4_096);
            if turn.messages == 0 && !turn.is_more {
                return Tally { marked: self.walked_since(), ..Tally::default() };
            }
        }
    }

    fn tell(&mut self) -> Tally {
        self.now += 1;
        self.mark();
        let mut tally = Tally::default();
        for shard in &mut self.shards {
            while let Some(mut outbox) = shard.next_outbox() {
                while let Some(note) = outbox.next() {
                    tally.add_note(note.watcher_token, note.presentity.get(), serial_of(note.document()));
                }
            }
        }
        tally
    }

    fn subscribe_to(&mut self, user: u64, presentities: &[u64]) -> usize {
        let ids: Vec<_> = presentities.iter().copied().map(PresentityId::new).collect();
        let (at, group) = self.groups[user as usize];
        self.shards[at].subscribe(group, View::PLAIN, &ids).expect("room")
    }

    fn unsubscribe_from(&mut self, user: u64, presentities: &[u64]) -> usize {
        let ids: Vec<_> = presentities.iter().copied().map(PresentityId::new).collect();
        let (at, group) = self.groups[user as usize];
        self.shards[at].unsubscribe(group, &ids).expect("the group lives")
    }
}
