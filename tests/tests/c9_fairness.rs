//! C9: a short walk is not held up by long ones, a long one always gets on, inside a watcher the drain rotates, and tenants
//! share by weight, so that one that floods holds up its own.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_core::presence::composition::LastWrite;
use fanfare_core::status::Availability;
use fanfare_core::{
    Decision, EndpointId, EndpointPublication, Identity, Limits, Outcome, Policy, PolicyEdit, PresentityId,
    Publication, Scheme, Status, TenantId, View, WatcherId,
};
use fanfare_tests::mesh::Mesh;
use fanfare_tests::tenants::{ByRemainder, watcher_of};

#[test]
fn c9_a_publication_with_256_watchers_is_marked_within_two_steps_beside_a_storm_of_long_walks() {
    let mut mesh = Mesh::new(1, Limits::default());
    let famous: Vec<_> = (0..3).map(PresentityId::new).collect();
    let ken = PresentityId::new(99);
    let watchers: Vec<_> = (0..20_000).map(|_| mesh.watcher(0)).collect();
    for (nth, &(_, group)) in watchers.iter().enumerate() {
        mesh.shards[0].subscribe(group, View::PLAIN, &famous).unwrap();
        if nth < 256 {
            mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        }
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    for version in 0u32..50 {
        for &presentity in &famous {
            mesh.publish(0, presentity, &version.to_le_bytes());
        }
        mesh.publish(0, ken, &version.to_le_bytes());
        mesh.turn(1_024);
        mesh.turn(1_024);
        for &(watcher, _) in &watchers[..256] {
            let heard = mesh.hear(0, watcher);
            assert!(heard.iter().any(|heard| heard.presentity == ken), "round {version}");
        }
    }
    // The long walks had at least their quarter all the time, and come to an end.
    assert!(mesh.shards[0].counters().walk_entries >= 100 * 1_024);
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    assert_eq!(mesh.shards[0].pending(), 0);
}

#[test]
fn c9_long_walks_get_on_with_a_budget_of_one_beside_short_ones_without_end() {
    let mut mesh = Mesh::new(1, Limits { short_walk_entries: 4, ..Limits::default() });
    let (famous, ken) = (PresentityId::new(1), PresentityId::new(2));
    let watchers: Vec<_> = (0..20).map(|_| mesh.watcher(0)).collect();
    for (nth, &(_, group)) in watchers.iter().enumerate() {
        let list = if nth < 4 { vec![famous, ken] } else { vec![famous] };
        mesh.shards[0].subscribe(group, View::PLAIN, &list).unwrap();
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    mesh.publish(0, famous, b"once");
    let mut told = BTreeSet::new();
    for version in 0u32..100 {
        mesh.publish(0, ken, &version.to_le_bytes());
        mesh.turn(1);
        while let Some(watcher) = mesh.shards[0].next_ready() {
            if mesh.hear(0, watcher).iter().any(|heard| heard.presentity == famous) {
                told.insert(watcher);
            }
        }
    }
    assert_eq!(told.len(), 20);
}

#[test]
fn c9_a_slow_watcher_hears_of_everybody_though_some_change_all_the_time() {
    let mut mesh = Mesh::new(1, Limits::default());
    let all: Vec<_> = (0..100).map(PresentityId::new).collect();
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &all).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    for &presentity in &all {
        mesh.publish(0, presentity, b"once");
    }
    mesh.settle();
    let mut told = BTreeSet::new();
    for version in 0u32..120 {
        // The first ten change in every turn, and the watcher has room for one note in each.
        for &presentity in &all[..10] {
            mesh.publish(0, presentity, &version.to_le_bytes());
        }
        mesh.turn(1_024);
        mesh.shards[0].writable(watcher);
        told.extend(mesh.hear_some(0, watcher, 1).iter().map(|heard| heard.presentity));
    }
    assert_eq!(told.len(), 100);
    mesh.verify();
}

#[test]
fn c9_a_walk_that_lost_most_of_its_entries_is_short_from_then_on() {
    let mut mesh = Mesh::new(1, Limits::default());
    let famous: Vec<_> = (0..60).map(PresentityId::new).collect();
    let ken = PresentityId::new(99);
    let watchers: Vec<_> = (0..1_000).map(|_| mesh.watcher(0)).collect();
    for &(_, group) in &watchers {
        mesh.shards[0].subscribe(group, View::PLAIN, &famous).unwrap();
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    for &presentity in famous.iter().chain([&ken]) {
        mesh.publish(0, presentity, b"once");
    }
    mesh.turn(1_024);
    for &(_, group) in &watchers[100..] {
        mesh.shards[0].unsubscribe(group, &[ken]).unwrap();
    }
    mesh.publish(0, ken, b"again");
    mesh.turn(1_024);
    mesh.turn(1_024);
    for &(watcher, _) in &watchers[..100] {
        assert!(mesh.hear(0, watcher).iter().any(|heard| heard.document.as_deref() == Some(b"again")));
    }
    mesh.verify();
}

#[test]
fn c9_a_publication_is_marked_within_two_steps_while_a_policy_is_applied_to_ten_thousand_watchers() {
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Show(Scheme::OPEN)).unwrap();
    let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme);
    let (famous, ken) = (PresentityId::new(1), PresentityId::new(2));
    let watchers: Vec<_> = (0..10_000u64)
        .map(|nth| {
            let (watcher, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(100 + nth)));
            let whom = [famous, ken];
            mesh.shards[0].watch(group, if nth < 256 { &whom } else { &whom[..1] }).unwrap();
            watcher
        })
        .collect();
    let is =
        |who, availability| EndpointPublication::create(who, EndpointId(1), Status::new(availability), 3_600_000_000);
    mesh.endpoint(0, is(famous, Availability::AVAILABLE)).unwrap();
    for &watcher in &watchers {
        mesh.hear(0, watcher);
    }
    let mut beside = 0;
    for round in 0..20u64 {
        let decision = if round % 2 == 0 { Decision::Block } else { Decision::Show(Scheme::OPEN) };
        mesh.shards[0].set_policy(PolicyEdit::new(famous, famous, Policy::everybody(decision))).unwrap();
        let mut applied = false;
        for nth in 0..22 {
            let availability = if nth % 2 == 0 { Availability::BUSY } else { Availability::AWAY };
            mesh.shards[0].publish_endpoint(is(ken, availability)).unwrap();
            let before = mesh.shards[0].counters().reevaluated;
            for _ in 0..2 {
                let outcomes = mesh.turn(1_024);
                applied |= outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::PolicyApplied { .. }));
            }
            beside += u64::from(mesh.shards[0].counters().reevaluated != before);
            for &watcher in &watchers[..256] {
                let heard = mesh.hear(0, watcher);
                assert!(heard.iter().any(|heard| heard.presentity == ken), "round {round}, publication {nth}");
            }
        }
        assert!(applied, "10,000 watchers are looked at 256 at a step");
    }
    assert!(beside > 100, "most publications were made while a policy was being applied: {beside}");
    mesh.settle();
    mesh.verify();
}

/// What a turn of the engine drains at the most.
const WATCHERS_PER_TURN: usize = 2_048;

/// A shard on which four tenants watch their own: three have a presentity each with 256 watchers, the fourth is to be flooded.
fn four_tenants(scheme: Scheme) -> Mesh {
    let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme);
    let has_tenants = mesh.shards[0].tenant(TenantId(1)).is_some();
    for tenant in 1..=3 {
        for _ in 0..256 {
            audience_of(&mut mesh, has_tenants, tenant, &[FOUR.presentity(tenant, 0)]);
        }
    }
    mesh
}

const FOUR: ByRemainder = ByRemainder(4);
/// The tenant that misbehaves.
const FLOODER: u8 = 0;

/// One watcher, told by the tenant that is its token.
fn audience_of(mesh: &mut Mesh, has_tenants: bool, tenant: u8, presentities: &[PresentityId]) -> WatcherId {
    let shard = &mut mesh.shards[0];
    let (watcher, group) = watcher_of(shard, if has_tenants { tenant } else { 0 }, tenant.into());
    shard.subscribe(group, View::PLAIN, presentities).unwrap();
    watcher
}

/// Everybody hears what there is.
fn rest(mesh: &mut Mesh) {
    mesh.settle();
    while let Some(mut outbox) = mesh.shards[0].next_outbox() {
        while outbox.next().is_some() {}
    }
}

/// Three tenants publish in every second turn while `flood` does what it likes in each; the most turns that it took
/// until all 256 watchers of such a publication were told, in turns that mark 1,024 entries and drain 2,048 watchers. A
/// watcher whose token is that of no tenant takes nothing.
fn turns_to_tell_the_others(mesh: &mut Mesh, rounds: u64, mut flood: impl FnMut(&mut Mesh, u64)) -> u64 {
    let mut waiting: BTreeMap<u8, (u64, usize)> = BTreeMap::new();
    let mut most = 0;
    for round in 0..rounds {
        flood(mesh, round);
        for tenant in 1..=3 {
            if round % 2 == 0 && !waiting.contains_key(&tenant) {
                let publication = Publication::plain(FOUR.presentity(tenant, 0), round.to_le_bytes().to_vec().into());
                if mesh.shards[0].publish(publication).is_ok() {
                    waiting.insert(tenant, (round, 0));
                }
            }
        }
        mesh.turn(1_024);
        for _ in 0..WATCHERS_PER_TURN {
            let Some(mut outbox) = mesh.shards[0].next_outbox() else { break };
            while let Some(note) = outbox.next() {
                let tenant = note.watcher_token as u8;
                if tenant > 3 {
                    break;
                }
                if let Some((_, told)) = waiting.get_mut(&tenant).filter(|_| tenant != FLOODER) {
                    *told += 1;
                }
            }
        }
        waiting.retain(|_, (since, told)| {
            most = most.max(round + 1 - *since);
            *told < 256
        });
    }
    most
}

#[test]
fn c9_a_tenant_that_floods_at_ten_times_its_share_holds_nobody_else_up() {
    // Its share of a step that all want is 256 entries: it has 2,600 marked in each, in short walks, of a hundred
    // presentities with 200 watchers, and its watchers come by the hundred besides.
    let run = |scheme| {
        let mut mesh = four_tenants(scheme);
        let has_tenants = mesh.shards[0].tenant(TenantId(1)).is_some();
        let all: Vec<_> = (0..100).map(|nth| FOUR.presentity(FLOODER, nth)).collect();
        for _ in 0..200 {
            audience_of(&mut mesh, has_tenants, FLOODER, &all);
        }
        rest(&mut mesh);
        let most = turns_to_tell_the_others(&mut mesh, 300, |mesh, round| {
            for nth in 0..13 {
                let who = all[((round * 13 + nth) % 100) as usize];
                mesh.shards[0].publish(Publication::plain(who, round.to_le_bytes().to_vec().into())).unwrap();
            }
            for _ in 0..10 {
                audience_of(mesh, has_tenants, FLOODER, &all[..1]);
            }
        });
        mesh.verify();
        rest(&mut mesh);
        assert_eq!(mesh.shards[0].pending(), 0, "who floods is told everything, too, later");
        most
    };
    assert!(run(Scheme::plain()) > 2, "without tenants others wait");
    let most = run(Scheme::plain().with_tenancy(FOUR));
    assert!(most <= 2, "{most} turns");
}

#[test]
fn c9_a_tenants_mass_sign_in_holds_nobody_else_up() {
    let run = |scheme| {
        let mut mesh = four_tenants(scheme);
        let has_tenants = mesh.shards[0].tenant(TenantId(1)).is_some();
        let ken = FOUR.presentity(FLOODER, 0);
        audience_of(&mut mesh, has_tenants, FLOODER, &[ken]);
        rest(&mut mesh);
        turns_to_tell_the_others(&mut mesh, 20, |mesh, _| {
            // Their first states are marked at once, and a turn tells 2,048.
            for _ in 0..5_000 {
                audience_of(mesh, has_tenants, FLOODER, &[ken]);
            }
        })
    };
    assert!(run(Scheme::plain()) > 2, "without tenants others wait");
    let most = run(Scheme::plain().with_tenancy(FOUR));
    assert!(most <= 2, "{most} turns");
}

#[test]
fn c9_a_stuck_watcher_holds_nobody_up_and_costs_nothing() {
    for scheme in [Scheme::plain(), Scheme::plain().with_tenancy(FOUR)] {
        let mut mesh = four_tenants(scheme);
        let has_tenants = mesh.shards[0].tenant(TenantId(1)).is_some();
        let mut all: Vec<_> = (1..200).map(|nth| FOUR.presentity(1, nth)).collect();
        all.extend((1..=3).map(|tenant| FOUR.presentity(tenant, 0)));
        rest(&mut mesh);
        // It looks at everybody, and from its first note on its socket is full.
        let shard = &mut mesh.shards[0];
        let (stuck, group) = watcher_of(shard, if has_tenants { 1 } else { 0 }, 99);
        shard.subscribe(group, View::PLAIN, &all).unwrap();
        let mut weighs = None;
        let most = turns_to_tell_the_others(&mut mesh, 300, |mesh, round| {
            if round >= 60 {
                let footprint = mesh.shards[0].footprint();
                assert_eq!(*weighs.get_or_insert(footprint), footprint, "round {round}");
            }
            for nth in 0..4 {
                mesh.publish(0, all[((round * 4 + nth) % 199) as usize], &round.to_le_bytes());
            }
        });
        assert!(most <= 2, "{most} turns");
        mesh.shards[0].writable(stuck);
        mesh.settle();
        let heard = mesh.hear(0, stuck);
        assert_eq!(heard.len(), all.len(), "and then it hears the newest of everybody, once");
        mesh.verify();
    }
}

/// A presentity of one tenant with so many watchers changes in each of so many turns.
fn beside_a_hot_presentity(scheme: Scheme, watchers: usize, rounds: u64) -> u64 {
    let mut mesh = four_tenants(scheme);
    let has_tenants = mesh.shards[0].tenant(TenantId(1)).is_some();
    let hot = FOUR.presentity(FLOODER, 0);
    for _ in 0..watchers {
        audience_of(&mut mesh, has_tenants, FLOODER, &[hot]);
    }
    rest(&mut mesh);
    let entries = mesh.shards[0].counters().walk_entries;
    let most = turns_to_tell_the_others(&mut mesh, rounds, |mesh, round| {
        mesh.publish(0, hot, &round.to_le_bytes());
    });
    let of_others = rounds / 2 * 3 * 256;
    let of_hot = mesh.shards[0].counters().walk_entries - entries - of_others;
    assert!(of_hot >= rounds * 256, "and it has its quarter at the least: {of_hot} in {rounds} turns");
    most
}

#[test]
fn c9_a_hot_presentity_with_100_000_watchers_holds_nobody_else_up() {
    for scheme in [Scheme::plain(), Scheme::plain().with_tenancy(FOUR)] {
        let most = beside_a_hot_presentity(scheme, 100_000, 300);
        assert!(most <= 2, "{most} turns");
    }
}

/// A turn a millisecond is 1,000 changes a second.
#[test]
fn c9_a_hot_presentity_with_a_million_watchers_and_1000_changes_a_second_holds_nobody_else_up() {
    let most = beside_a_hot_presentity(Scheme::plain().with_tenancy(FOUR), 1_000_000, 1_000);
    assert!(most <= 2, "{most} turns");
}
