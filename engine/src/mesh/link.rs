//! The links between every two shards, and the [`Port`] that holds one shard's ends of them.
//!
//! Of every ordered pair of shards (a, b) there is a forward ring of messages from a to b and a hand-back ring of
//! documents from b to a: b returns there what a had lent it. A port belongs to its shard's thread.
//!
//! Invariant: the reader of a hand-back ring never waits for anything: taking a document back frees memory and needs
//! no room anywhere. So a hand-back ring always empties, hence a shard that waits for room in it (and so takes no
//! more messages from that peer) always goes on, hence forward rings always empty, and there is no circle of shards
//! that wait for each other.
//!
//! Cost: `slots` messages and as many document words for every ordered pair; memory is touched when it is first used.

use std::fmt;

use fanfare_core::{Document, Message, ShardIndex};

use super::ring::{Receiver, Sender, ring};

/// One shard's ends of all its links. The types are parameters only so that loom can put its own in.
pub struct Port<M = Message, D = Document> {
    own: ShardIndex,
    peers: Box<[Peer<M, D>]>,
}

/// The four ring ends towards one peer.
#[derive(Debug)]
pub struct Peer<M = Message, D = Document> {
    /// Who it is.
    pub index: ShardIndex,
    /// Messages to the peer.
    pub messages_out: Sender<M>,
    /// Messages from the peer.
    pub messages_in: Receiver<M>,
    /// Documents that the peer lent us, on their way home.
    pub returns_out: Sender<D>,
    /// Documents that we lent the peer, coming home.
    pub returns_in: Receiver<D>,
}

impl<M, D> Port<M, D> {
    /// The ports of so many shards, every two of which are linked by rings of so many slots.
    #[must_use]
    pub fn mesh(shards: usize, slots: usize) -> Vec<Self> {
        let mut peers: Vec<Vec<Peer<M, D>>> = (0..shards).map(|_| Vec::with_capacity(shards - 1)).collect();
        for low in 0..shards {
            for high in low + 1..shards {
                let (up, up_end) = ring(slots);
                let (down, down_end) = ring(slots);
                let (home_to_low, low_returns) = ring(slots);
                let (home_to_high, high_returns) = ring(slots);
                peers[low].push(Peer {
                    index: ShardIndex::new(high),
                    messages_out: up,
                    messages_in: down_end,
                    returns_out: home_to_high,
                    returns_in: low_returns,
                });
                peers[high].push(Peer {
                    index: ShardIndex::new(low),
                    messages_out: down,
                    messages_in: up_end,
                    returns_out: home_to_low,
                    returns_in: high_returns,
                });
            }
        }
        peers
            .into_iter()
            .enumerate()
            .map(|(own, mut peers)| {
                peers.sort_by_key(|peer| peer.index);
                Self { own: ShardIndex::new(own), peers: peers.into() }
            })
            .collect()
    }

    /// The shard whose port this is.
    #[must_use]
    pub fn own(&self) -> ShardIndex {
        self.own
    }

    /// All other shards, in rising order.
    pub fn peers(&mut self) -> impl Iterator<Item = &mut Peer<M, D>> {
        self.peers.iter_mut()
    }

    /// Whether anything waits to be taken in.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.peers.iter().any(|peer| !peer.messages_in.is_empty() || !peer.returns_in.is_empty())
    }
}

impl<M, D> fmt::Debug for Port<M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("own", &self.own).field("peers", &self.peers.len()).finish()
    }
}

#[cfg(all(test, not(fanfare_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_two_shards_are_linked_both_ways() {
        let mut ports: Vec<Port<(usize, usize), (usize, usize)>> = Port::mesh(4, 2);
        for (from, port) in ports.iter_mut().enumerate() {
            for peer in port.peers() {
                let mut message = Some((from, peer.index.index()));
                assert_eq!(peer.messages_out.flush(|| message.take()), 1);
                let mut document = Some((from, peer.index.index()));
                assert_eq!(peer.returns_out.flush(|| document.take()), 1);
            }
        }
        for (to, port) in ports.iter_mut().enumerate() {
            assert!(port.has_input());
            for peer in port.peers() {
                let from = peer.index.index();
                assert!(peer.messages_in.incoming().expect("one is there").eq([(from, to)]));
                assert!(peer.returns_in.incoming().expect("one is there").eq([(from, to)]));
            }
            assert!(!port.has_input());
        }
    }
}
