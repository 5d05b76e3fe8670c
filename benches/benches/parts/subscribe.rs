//! What does it cost to begin to watch: one, all contacts in one call, all users of a shard?

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use fanfare_benches::{Graph, Question, Stage, Stopwatch, Tally, World, users_asked};

use crate::ask::{all_shapes, ask, both_shapes, next_users};

/// Users who call, each for so many of his contacts.
struct Subscribe {
    users: u64,
    contacts: usize,
}

impl Question for Subscribe {
    fn name(&self) -> String {
        match self.contacts {
            1 => "single".into(),
            _ => "roster".into(),
        }
    }

    fn elements(&self, graph: &Graph) -> u64 {
        self.users.min(graph.users()) * (self.contacts as u64).min(graph.contacts())
    }

    fn round(&self, stage: &mut impl Stage, round: u64, watch: &mut Stopwatch) -> Tally {
        let graph = stage.graph();
        let calls: Vec<(u64, Vec<u64>)> = next_users(&graph, round, self.users)
            .map(|user| (user, graph.contacts_of(user).take(self.contacts).collect()))
            .collect();
        for (user, contacts) in &calls {
            stage.unsubscribe_from(*user, contacts);
        }
        stage.mark();
        let made = watch.time(|| calls.iter().map(|(user, contacts)| stage.subscribe_to(*user, contacts)).sum());
        // The first states are not measured, and checked all the same.
        let mut tally = Tally::of_changes(made);
        tally += stage.tell();
        tally
    }
}

/// Everybody signs in to an empty shard, whose arenas and tables grow meanwhile.
fn sign_in(c: &mut Criterion) {
    let users = users_asked();
    let mut group = c.benchmark_group("subscribe");
    group.sample_size(10);
    for graph in both_shapes() {
        let mut told = None;
        group.throughput(Throughput::Elements(graph.subscriptions()));
        group.bench_function(format!("sign_in/{}/{users}_users", graph.name()), |b| {
            b.iter_batched_ref(
                || World::signed_out(graph),
                |world| {
                    let count: usize = (0..users).map(|user| world.subscribe(user)).sum();
                    assert_eq!(count as u64, graph.subscriptions());
                    black_box(count)
                },
                BatchSize::PerIteration,
            );
            told.get_or_insert_with(|| {
                let mut world = World::signed_out(graph);
                (0..users).for_each(|user| _ = world.subscribe(user));
                world.tell().notes
            });
        });
        // Nobody has published: each is told explicitly that there is no state, once.
        assert!(told.is_none_or(|told| told == graph.subscriptions()));
    }
    group.finish();
}

pub(crate) fn subscribe(c: &mut Criterion) {
    ask(c, "subscribe", &Subscribe { users: 64, contacts: 1 }, &all_shapes());
    ask(c, "subscribe", &Subscribe { users: 16, contacts: usize::MAX }, &both_shapes());
    sign_in(c);
}
