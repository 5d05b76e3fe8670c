//! One shard against a model of maps and sets, under random operations of a watching application.
//!
//! The simulation (`seeds.rs`) looks for faults between shards; this looks for the smallest story that goes wrong on
//! one, because proptest shrinks it.

use std::collections::BTreeMap;

use bytes::Bytes;
use fanfare_core::{
    Categories, GroupId, Heap, Limits, PresentityId, Publication, Shard, ShardConfig, Tick, View, WatcherId,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Open,
    Close(usize),
    Subscribe(usize, Vec<u64>),
    Unsubscribe(usize, Vec<u64>),
    Publish(u64),
    Withdraw(u64),
    Step(usize),
    Drain(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let ids = || prop::collection::vec(0..12u64, 1..30);
    prop_oneof![
        2 => Just(Op::Open),
        1 => any::<usize>().prop_map(Op::Close),
        4 => (any::<usize>(), ids()).prop_map(|(who, ids)| Op::Subscribe(who, ids)),
        3 => (any::<usize>(), ids()).prop_map(|(who, ids)| Op::Unsubscribe(who, ids)),
        6 => (0..12u64).prop_map(Op::Publish),
        1 => (0..12u64).prop_map(Op::Withdraw),
        6 => (1..20usize).prop_map(Op::Step),
        6 => (any::<usize>(), 0..10usize).prop_map(|(who, room)| Op::Drain(who, room)),
    ]
}

/// What a subscription was told last, if anything: a version, or that there is none.
type Told = Option<Option<u32>>;

struct Model {
    shard: Shard<Heap>,
    watchers: Vec<(WatcherId, GroupId, BTreeMap<u64, Told>)>,
    states: BTreeMap<u64, u32>,
    version: u32,
}

impl Model {
    fn new() -> Self {
        let limits = Limits { short_walk_entries: 3, notes_per_ready: 5, ..Limits::default() };
        let shard = Shard::new(ShardConfig { limits, seen_bits: 6, ..ShardConfig::new(0, 1) }, Heap).unwrap();
        Self { shard, watchers: Vec::new(), states: BTreeMap::new(), version: 0 }
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        let ids = |numbers: &[u64]| numbers.iter().copied().map(PresentityId::new).collect::<Vec<_>>();
        let count = self.watchers.len();
        match op {
            Op::Open => {
                let watcher = self.shard.open_watcher(0).unwrap();
                let group = self.shard.open_group(watcher, 0, Categories::ALL).unwrap();
                self.watchers.push((watcher, group, BTreeMap::new()));
            }
            Op::Close(who) if count > 0 => {
                let (watcher, ..) = self.watchers.swap_remove(who % count);
                prop_assert!(self.shard.close_watcher(watcher));
            }
            Op::Subscribe(who, numbers) if count > 0 => {
                let (_, group, watched) = &mut self.watchers[who % count];
                let before = watched.len();
                for &number in &numbers {
                    watched.entry(number).or_insert(None);
                }
                let fresh = self.shard.subscribe(*group, View::PLAIN, &ids(&numbers)).unwrap();
                prop_assert_eq!(fresh, watched.len() - before);
            }
            Op::Unsubscribe(who, numbers) if count > 0 => {
                let (_, group, watched) = &mut self.watchers[who % count];
                let before = watched.len();
                watched.retain(|number, _| !numbers.contains(number));
                prop_assert_eq!(self.shard.unsubscribe(*group, &ids(&numbers)).unwrap(), before - watched.len());
            }
            Op::Publish(number) => {
                self.version += 1;
                self.states.insert(number, self.version);
                self.publish(number, Some(Bytes::copy_from_slice(&self.version.to_le_bytes())));
            }
            Op::Withdraw(number) => {
                self.states.remove(&number);
                self.publish(number, None);
            }
            Op::Step(budget) => {
                self.shard.step(Tick::ZERO, budget);
            }
            Op::Drain(who, room) if count > 0 => self.drain(who % count, room)?,
            _ => {}
        }
        self.shard.verify().map_err(|corrupt| TestCaseError::fail(corrupt.to_string()))
    }

    fn publish(&mut self, number: u64, document: Option<Bytes>) {
        let publication = Publication { document, ..Publication::plain(PresentityId::new(number), Bytes::new()) };
        self.shard.publish(publication).unwrap();
        // Requests are served by a step; outcomes hold credits until they are taken.
        self.shard.step(Tick::ZERO, 1);
        while self.shard.next_outcome().is_some() {}
    }

    fn drain(&mut self, who: usize, room: usize) -> Result<(), TestCaseError> {
        let (watcher, _, watched) = &mut self.watchers[who];
        self.shard.writable(*watcher);
        let mut outbox = self.shard.outbox(*watcher);
        for _ in 0..room {
            let Some(note) = outbox.next() else { break };
            let told = watched.get_mut(&note.presentity.get());
            let told = told.ok_or_else(|| TestCaseError::fail("a note without a subscription"))?;
            prop_assert_eq!(note.first, told.is_none());
            let version = note.document().map(|it| u32::from_le_bytes(it.as_slice().try_into().unwrap()));
            // On one shard nothing is under way between home and topic but what the next step takes in.
            if let (Some(Some(before)), Some(now)) = (*told, version) {
                prop_assert!(before < now, "version {now} after {before}");
            }
            *told = Some(version);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), TestCaseError> {
        while self.shard.step(Tick::ZERO, 1_000).more {}
        for who in 0..self.watchers.len() {
            while !self.watchers[who].2.is_empty() && self.shard.pending() > 0 {
                let before = self.shard.pending();
                self.drain(who, usize::MAX)?;
                if self.shard.pending() == before {
                    break;
                }
            }
        }
        prop_assert_eq!(self.shard.pending(), 0);
        for (_, _, watched) in &self.watchers {
            for (number, told) in watched {
                prop_assert_eq!(*told, Some(self.states.get(number).copied()), "presentity {}", number);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_does_what_maps_and_sets_do(ops in prop::collection::vec(op(), 1..250)) {
        let mut model = Model::new();
        for op in ops {
            model.apply(op)?;
        }
        model.end()?;
    }
}
