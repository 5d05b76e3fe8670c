//! Tenants: budgets that refuse and let through again, shares by weight, and everything for who is alone.

use fanfare_core::{
    Bound, Categories, Error, Limits, LimitsError, Outcome, PresentityId, Publication, Scheme, Shard, Tenant, TenantId,
    TenantUse, View,
};
use fanfare_tests::mesh::Mesh;
use fanfare_tests::tenants::{ByRemainder, watcher_of};

const BY: ByRemainder = ByRemainder(10);
const ONE: TenantId = TenantId(1);
const TWO: TenantId = TenantId(2);

fn tenants(shards: usize, limits: Limits) -> Mesh {
    Mesh::with_scheme(shards, limits, Scheme::plain().with_tenancy(BY))
}

fn weighs(mesh: &mut Mesh, tenant: TenantId, weight: u16) {
    for shard in &mut mesh.shards {
        shard.set_tenant(tenant, Tenant { weight, ..Tenant::default() }).unwrap();
    }
}

fn state(presentity: PresentityId) -> Publication {
    Publication::plain(presentity, b"state".as_slice().into())
}

/// Takes the next so many ready watchers' notes; how many of each token there were.
fn drain(shard: &mut Shard, watchers: usize) -> [usize; 3] {
    let mut told = [0; 3];
    for _ in 0..watchers {
        let Some(mut outbox) = shard.next_outbox() else { break };
        let Some(note) = outbox.next() else { continue };
        told[note.watcher_token as usize] += 1;
        while outbox.next().is_some() {}
    }
    told
}

/// Two tenants with so many watchers each, all of one presentity of theirs, and all told.
fn two_audiences(weights: [u16; 2], watchers: u64, limits: Limits) -> Mesh {
    let mut mesh = tenants(1, limits);
    for (tenant, weight) in [1u8, 2].into_iter().zip(weights) {
        weighs(&mut mesh, TenantId(tenant), weight);
        for _ in 0..watchers {
            let (_, group) = watcher_of(&mut mesh.shards[0], tenant, tenant.into());
            mesh.shards[0].subscribe(group, View::PLAIN, &[BY.presentity(tenant, 0)]).unwrap();
        }
    }
    mesh.settle();
    drain(&mut mesh.shards[0], usize::MAX);
    mesh
}

#[test]
fn walks_are_shared_by_weight_while_both_want_them_and_whoever_is_left_gets_all() {
    for (weights, short_walk_entries) in [([1, 3], 256), ([3, 1], 100_000), ([1, 1], 256), ([100, 300], 256)] {
        let limits = Limits { short_walk_entries, ..Limits::default() };
        let mut mesh = two_audiences(weights, 20_000, limits);
        for tenant in 1..=2 {
            mesh.publish(0, BY.presentity(tenant, 0), b"changed");
        }
        let mut told = [0; 3];
        let mut steps = 0;
        loop {
            steps += 1;
            mesh.turn(1_024);
            let more = drain(&mut mesh.shards[0], usize::MAX);
            told.iter_mut().zip(more).for_each(|(told, more)| *told += more);
            if told[1] == 20_000 || told[2] == 20_000 {
                break;
            }
            // A change has a lap's part of its entries walked at once, whatever the budget: three of 20,000.
            let besides = if steps == 1 { 6 } else { 0 };
            assert_eq!(more.iter().sum::<usize>(), 1_024 + besides, "nothing of a step is lost");
            let due = 1_024 * steps * usize::from(weights[0]) / usize::from(weights[0] + weights[1]);
            assert!(told[1].abs_diff(due) <= 64, "after {steps} steps {told:?} at {weights:?}");
        }
        // Whoever is not through has all of the next step.
        mesh.turn(1_024);
        let more = drain(&mut mesh.shards[0], usize::MAX);
        let left = (40_000 - told[1] - told[2]).min(1_024);
        assert!(weights[0] == weights[1] || more.iter().sum::<usize>() == left, "{more:?}");
        mesh.verify();
    }
}

#[test]
fn steps_of_one_entry_are_shared_by_weight_too() {
    let mut mesh = two_audiences([1, 3], 400, Limits::default());
    for tenant in 1..=2 {
        mesh.publish(0, BY.presentity(tenant, 0), b"changed");
    }
    let mut told = [0; 3];
    for _ in 0..400 {
        mesh.turn(1);
        let more = drain(&mut mesh.shards[0], usize::MAX);
        told.iter_mut().zip(more).for_each(|(told, more)| *told += more);
    }
    // A change has one entry walked at once, whatever the budget.
    assert!(told[1].abs_diff(100) <= 3 && told[2].abs_diff(300) <= 3, "{told:?}");
}

#[test]
fn ready_watchers_have_their_turns_by_weight_and_a_mass_sign_in_holds_up_its_own() {
    let mut mesh = two_audiences([1, 3], 300, Limits::default());
    // Watchers of tenant 1 sign in: first states are marked at once, without a walk, and are all ready before those of
    // tenant 2.
    for _ in 0..10_000 {
        let (_, group) = watcher_of(&mut mesh.shards[0], 1, 1);
        mesh.shards[0].subscribe(group, View::PLAIN, &[BY.presentity(1, 0)]).unwrap();
    }
    mesh.publish(0, BY.presentity(2, 0), b"changed");
    mesh.turn(1_024);
    let told = drain(&mut mesh.shards[0], 400);
    assert!(told[1].abs_diff(100) <= 1 && told[2].abs_diff(300) <= 1, "{told:?}");
    assert_eq!(drain(&mut mesh.shards[0], 5_000), [0, 5_000, 0], "who is alone has all turns");
    mesh.verify();
    drain(&mut mesh.shards[0], usize::MAX);
    mesh.verify();
}

#[test]
fn credits_are_shared_by_weight_while_both_ask() {
    let mut mesh = tenants(2, Limits::default());
    weighs(&mut mesh, TWO, 3);
    let here = |mesh: &Mesh, tenant| {
        (0..).map(|nth| BY.presentity(tenant, nth)).find(|&who| mesh.shards[0].home_of(who).index() == 1)
    };
    let (one, two) = (here(&mesh, 1).unwrap(), here(&mesh, 2).unwrap());
    let ask = |mesh: &mut Mesh, who| (0..1_000).take_while(|_| mesh.shards[0].publish(state(who)).is_ok()).count();
    assert_eq!(ask(&mut mesh, one), 256, "who is alone has all");
    assert_eq!(ask(&mut mesh, two), 0, "and gives back what he has when it is answered");
    mesh.settle();
    assert_eq!(ask(&mut mesh, one), 64, "from then on his share is kept for the other");
    assert_eq!(ask(&mut mesh, two), 192);
    assert_eq!(ask(&mut mesh, one), 0);
    mesh.verify();
    assert_eq!(mesh.settle().len(), 256);
    mesh.now += 2_000_000;
    mesh.settle();
    assert_eq!(ask(&mut mesh, one), 256, "the other has not asked for more than a second");
    mesh.settle();
    mesh.verify();
    assert!(mesh.shards[0].tenant_use(TWO).refused > 0);
}

#[test]
fn a_budget_of_publications_refuses_and_lets_through_after_the_time_that_it_says() {
    let mut mesh = tenants(1, Limits::default());
    let budget = Tenant { publications_per_s: 100, publications_burst: 5, ..Tenant::default() };
    mesh.shards[0].set_tenant(ONE, budget).unwrap();
    let (ken, ada) = (BY.presentity(1, 0), BY.presentity(2, 0));
    let mut published = 0;
    for round in 0u64..50 {
        let refused = loop {
            match mesh.shards[0].publish(state(ken)) {
                Ok(_) => published += 1,
                Err(refused) => break refused,
            }
        };
        let Error::OverBudget { tenant, bound, limit, retry_after_us } = refused else { panic!("{refused}") };
        assert_eq!((tenant, bound, limit), (ONE, Bound::TenantPublications, 100));
        assert_eq!(refused.retry_after_us(), Some(retry_after_us));
        assert_eq!(published, 5 + round, "the burst, and one each time");
        // Whoever else publishes, and whatever else is asked of that presentity, is not held up.
        assert!(mesh.shards[0].publish(state(ada)).is_ok());
        assert!(mesh.shards[0].fetch(ken, View::PLAIN).is_ok());
        mesh.now += u64::from(retry_after_us) - 1;
        mesh.settle();
        assert!(mesh.shards[0].publish(state(ken)).is_err(), "a microsecond too early");
        mesh.now += 1;
        mesh.settle();
    }
    assert_eq!(mesh.now, 50 * 10_000);
    // More from now on, while it runs.
    mesh.shards[0].set_tenant(ONE, Tenant::default()).unwrap();
    assert!((0..100).all(|_| mesh.shards[0].publish(state(ken)).is_ok()));
    mesh.settle();
    mesh.verify();
}

#[test]
fn budgets_of_watchers_and_subscriptions_are_a_tenants_own() {
    let mut mesh = tenants(1, Limits::default());
    let shard = &mut mesh.shards[0];
    shard.set_tenant(ONE, Tenant { watchers: 2, subscriptions: 10, ..Tenant::default() }).unwrap();
    let all: Vec<_> = (0..12).map(|nth| BY.presentity(2, nth)).collect();
    let limit = |bound, limit| Error::Limit { bound, limit };
    let (first, one) = watcher_of(shard, 1, 0);
    let (_, two) = watcher_of(shard, 1, 0);
    assert_eq!(shard.open_watcher_of(ONE, 0), Err(limit(Bound::TenantWatchers, 2)));
    assert_eq!(shard.subscribe(one, View::PLAIN, &all[..6]), Ok(6));
    assert_eq!(shard.subscribe(two, View::PLAIN, &all[..5]), Err(limit(Bound::TenantSubscriptions, 10)));
    assert_eq!(shard.subscribe(two, View::PLAIN, &all[..4]), Ok(4));
    assert_eq!(shard.subscribe(two, View::PLAIN, &all[..4]), Ok(0), "what is held is held");
    assert_eq!(shard.tenant_use(ONE), TenantUse { watchers: 2, subscriptions: 10, refused: 0 });
    let (other, free) = watcher_of(shard, 2, 0);
    assert_eq!(shard.subscribe(free, View::PLAIN, &all), Ok(12));
    assert_eq!((shard.tenant_of(first), shard.tenant_of(other)), (Some(ONE), Some(TWO)));

    // Lowered below what there is: that stays, and nothing comes.
    shard.set_tenant(ONE, Tenant { watchers: 1, subscriptions: 3, ..Tenant::default() }).unwrap();
    assert_eq!(shard.tenant_use(ONE).subscriptions, 10);
    assert_eq!(shard.subscribe(one, View::PLAIN, &all[..7]), Err(limit(Bound::TenantSubscriptions, 3)));
    assert_eq!(shard.unsubscribe(one, &all[..6]), Ok(6));
    assert!(shard.subscribe(one, View::PLAIN, &all[..1]).is_err(), "four are still more than three");
    assert_eq!(shard.unsubscribe(two, &all[..2]), Ok(2));
    assert_eq!(shard.subscribe(one, View::PLAIN, &all[..1]), Ok(1));
    assert!(shard.close_watcher(first));
    assert!(shard.open_watcher_of(ONE, 0).is_err());
    assert_eq!(shard.tenant_use(ONE), TenantUse { watchers: 1, subscriptions: 2, refused: 0 });
    mesh.verify();
}

#[test]
fn tenants_out_of_range_and_where_there_are_none_are_refused() {
    let mut mesh = tenants(1, Limits::default());
    let refused = mesh.shards[0].set_tenant(ONE, Tenant { weight: 0, ..Tenant::default() });
    let out = LimitsError { field: "tenant.weight", value: 0, min: 1, max: 10_000 };
    assert_eq!(refused, Err(Error::OutOfRange(out)));
    for tenant in
        [Tenant { publications_per_s: 0, ..Tenant::default() }, Tenant { publications_burst: 0, ..Tenant::default() }]
    {
        assert!(matches!(mesh.shards[0].set_tenant(ONE, tenant), Err(Error::OutOfRange(_))));
    }
    assert_eq!(mesh.shards[0].tenant(ONE), Some(&Tenant::default()), "nothing has changed");

    let mut mesh = Mesh::new(1, Limits::default());
    let shard = &mut mesh.shards[0];
    assert_eq!(shard.set_tenant(ONE, Tenant::default()), Err(Error::NoTenancy));
    assert_eq!(shard.open_watcher_of(ONE, 0), Err(Error::NoTenancy));
    assert!(shard.open_watcher_of(TenantId::DEFAULT, 0).is_ok());
    assert_eq!(shard.tenant(ONE), None);
}

#[test]
fn all_two_hundred_and_fifty_six_tenants_share_and_tickets_tell_them_apart() {
    let by = ByRemainder(256);
    let mut mesh = Mesh::with_scheme(1, Limits::default(), Scheme::plain().with_tenancy(by));
    for tenant in 0..=255u8 {
        let (_, group) = watcher_of(&mut mesh.shards[0], tenant, 0);
        mesh.shards[0].subscribe(group, View::PLAIN, &[by.presentity(tenant, 0)]).unwrap();
    }
    mesh.settle();
    drain(&mut mesh.shards[0], usize::MAX);
    let tickets: Vec<_> = (0..=255u8).map(|tenant| mesh.publish(0, by.presentity(tenant, 0), b"once")).collect();
    assert!(tickets.is_sorted(), "tickets rise");
    mesh.verify();
    let outcomes = mesh.turn(1_024);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Published(_))));
    assert_eq!(outcomes.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), tickets);
    assert_eq!(drain(&mut mesh.shards[0], usize::MAX), [256, 0, 0]);
    assert_eq!(mesh.shards[0].credits(mesh.shards[0].index()), 256);
    mesh.verify();
}

#[test]
fn a_watcher_keeps_its_manners_in_its_tenants_queue() {
    let mut mesh = tenants(1, Limits::default());
    let ken = BY.presentity(1, 0);
    let (away, group) = watcher_of(&mut mesh.shards[0], 1, 1);
    let (slow, other) = watcher_of(&mut mesh.shards[0], 1, 2);
    for group in [group, other] {
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    }
    mesh.settle();
    drain(&mut mesh.shards[0], usize::MAX);
    mesh.shards[0].set_active(away, false).unwrap();
    mesh.shards[0].pace_watcher(slow, 1_000).unwrap();
    mesh.publish(0, ken, b"while away");
    mesh.settle();
    assert_eq!(drain(&mut mesh.shards[0], usize::MAX), [0, 0, 1], "its first batch");
    mesh.publish(0, ken, b"too early");
    mesh.settle();
    assert_eq!(drain(&mut mesh.shards[0], usize::MAX), [0, 0, 0]);
    mesh.verify();
    mesh.shards[0].set_active(away, true).unwrap();
    mesh.now += 1_000;
    mesh.settle();
    assert_eq!(drain(&mut mesh.shards[0], usize::MAX), [0, 1, 1]);
    // One that is closed while it waits leaves a place behind, which the next user of its record may have to wait for.
    mesh.publish(0, ken, b"to nobody");
    mesh.settle();
    assert!(mesh.shards[0].close_watcher(away));
    let again = mesh.shards[0].open_watcher_of(TWO, 0).unwrap();
    let group = mesh.shards[0].open_group(again, 0, Categories::ALL).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.verify();
    mesh.now += 1_000;
    mesh.settle();
    assert_eq!(drain(&mut mesh.shards[0], usize::MAX), [1, 0, 1]);
    mesh.verify();
}
