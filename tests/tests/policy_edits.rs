//! How a decision about who sees what travels: an owner who is asked, edits that overtake each other, a shard that does
//! not step, and the record of all of it.

use std::sync::Arc;

use fanfare_core::presence::composition::LastWrite;
use fanfare_core::status::Availability;
use fanfare_core::{
    Audit, Audited, Bound, Decision, EndpointId, EndpointPublication, Identity, Limits, Outcome, Policy, PolicyEdit,
    PresentityId, Refusal, Scheme, ShardIndex, Status, Tick, View, WatcherId, Who,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;
const EVE: PresentityId = PresentityId::new(1_001);
const BOB: PresentityId = PresentityId::new(1_002);
const OPEN: Decision = Decision::Show(Scheme::OPEN);

/// Three shards, and ken, who is available, at home on the first. Whoever is not named has to ask him.
fn office(limits: Limits) -> (Mesh, PresentityId) {
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Confirm).unwrap();
    let mut mesh = Mesh::with_scheme(3, limits, scheme);
    let ken = mesh.presentity_at(0, 0);
    let status = Status::new(Availability::AVAILABLE);
    mesh.endpoint(0, EndpointPublication::create(ken, EndpointId(1), status, HOUR_US)).unwrap();
    (mesh, ken)
}

fn watch(mesh: &mut Mesh, shard: usize, who: PresentityId, whom: PresentityId) -> WatcherId {
    let (watcher, group) = mesh.watcher_for(shard, Identity::of(who));
    mesh.shards[shard].watch(group, &[whom]).unwrap();
    mesh.settle();
    watcher
}

/// The views of the notes that this watcher is told now.
fn views(mesh: &mut Mesh, shard: usize, watcher: WatcherId) -> Vec<View> {
    mesh.hear(shard, watcher).iter().map(|heard| heard.view).collect()
}

fn ask(mesh: &mut Mesh, shard: usize, whom: PresentityId, who: PresentityId) -> Result<View, Refusal> {
    mesh.shards[shard].ask_owner(whom, Arc::new(Identity::of(who))).unwrap();
    match mesh.outcome() {
        Outcome::Decided(verdict) => Ok(verdict.view),
        Outcome::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn waiting(mesh: &mut Mesh, shard: usize, whom: PresentityId) -> Vec<PresentityId> {
    mesh.shards[shard].pending_watchers(whom).unwrap();
    match mesh.outcome() {
        Outcome::Pending(waiting) => waiting.into(),
        other => panic!("{other:?}"),
    }
}

fn audited(mesh: &mut Mesh) -> Vec<Audit> {
    std::iter::from_fn(|| mesh.shards[0].next_audit()).collect()
}

/// One turn of every shard but this one, which neither steps nor takes anything in.
fn turn_without(mesh: &mut Mesh, absent: usize) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let present: Vec<usize> = (0..mesh.shards.len()).filter(|&shard| shard != absent).collect();
    for &from in &present {
        mesh.shards[from].step(Tick::from_micros(mesh.now), 1 << 20);
        outcomes.extend(std::iter::from_fn(|| mesh.shards[from].next_outcome()).map(|(_, outcome)| outcome));
        for &to in present.iter().filter(|&&to| to != from) {
            while let Some(document) = mesh.shards[from].next_return(ShardIndex::new(to)) {
                mesh.shards[to].receive_return(document);
            }
            while mesh.shards[to].can_receive(ShardIndex::new(from)) {
                let Some(message) = mesh.shards[from].next_message(ShardIndex::new(to)) else { break };
                mesh.shards[to].receive(ShardIndex::new(from), message);
            }
        }
    }
    outcomes
}

#[test]
fn who_has_to_ask_waits_until_the_owner_approves_and_then_gets_a_first_state() {
    let (mut mesh, ken) = office(Limits::default());
    let eve = watch(&mut mesh, 1, EVE, ken);
    assert_eq!(views(&mut mesh, 1, eve), [View::PENDING]);
    assert_eq!(waiting(&mut mesh, 0, ken), [], "to watch is not yet to ask");
    assert_eq!(ask(&mut mesh, 1, ken, EVE), Ok(View::PENDING));
    assert_eq!(ask(&mut mesh, 2, ken, BOB), Ok(View::PENDING));
    assert_eq!(ask(&mut mesh, 1, ken, EVE), Ok(View::PENDING));
    assert_eq!(waiting(&mut mesh, 2, ken), [EVE, BOB], "oldest first, and each once");

    let policy = Policy::roster().approve(EVE, Scheme::OPEN);
    assert!(matches!(mesh.policy(2, PolicyEdit::new(ken, ken, policy)), Outcome::PolicyApplied { .. }));
    let heard = mesh.hear(1, eve);
    assert_eq!((heard.len(), heard[0].view, heard[0].first), (1, Scheme::OPEN, true));
    assert_eq!(heard[0].rendition().status.availability, Availability::AVAILABLE);
    assert_eq!(waiting(&mut mesh, 1, ken), [BOB]);
    assert_eq!(ask(&mut mesh, 1, ken, EVE), Ok(Scheme::OPEN), "who may see need not wait");
    mesh.verify();
}

#[test]
fn who_is_dismissed_waits_no_more_and_may_ask_again() {
    let (mut mesh, ken) = office(Limits { pending_per_presentity: 1, ..Limits::default() });
    assert_eq!(ask(&mut mesh, 1, ken, EVE), Ok(View::PENDING));
    let full = Refusal::Limit { bound: Bound::Pending, limit: 1 };
    assert_eq!(ask(&mut mesh, 1, ken, BOB), Err(full));
    let edit = PolicyEdit { dismissed: vec![EVE], ..PolicyEdit::new(ken, ken, Policy::roster()) };
    mesh.policy(0, edit);
    assert_eq!(waiting(&mut mesh, 0, ken), []);
    assert_eq!(ask(&mut mesh, 1, ken, EVE), Ok(View::PENDING));
    assert_eq!(waiting(&mut mesh, 0, ken), [EVE]);
    mesh.verify();
}

#[test]
fn the_record_tells_who_decided_what_in_order() {
    let (mut mesh, ken) = office(Limits::default());
    watch(&mut mesh, 1, EVE, ken);
    mesh.now = 10;
    ask(&mut mesh, 1, ken, EVE).unwrap();
    mesh.now = 20;
    mesh.policy(2, PolicyEdit::new(ken, BOB, Policy::roster().approve(EVE, Scheme::OPEN)));
    mesh.now = 30;
    mesh.policy(2, PolicyEdit::remove(ken, ken));
    let told: Vec<_> = audited(&mut mesh).iter().map(|it| (it.presentity, it.epoch.get(), it.what)).collect();
    let expected = [
        (ken, 0, Audited::Asked { watcher: EVE }),
        (ken, 1, Audited::PolicySet { author: BOB }),
        (ken, 1, Audited::Answered { watcher: EVE }),
        (ken, 1, Audited::Applied),
        (ken, 2, Audited::PolicyRemoved { author: ken }),
        (ken, 2, Audited::Applied),
    ];
    assert_eq!(told, expected);
    assert_eq!(audited(&mut mesh), []);
}

#[test]
fn what_nobody_reads_of_the_record_is_given_up_oldest_first_and_counted() {
    let (mut mesh, ken) = office(Limits { audit_entries: 3, ..Limits::default() });
    // Each leaves two entries: that it was set and, since nobody watches, that it is applied.
    for author in [EVE, BOB, ken] {
        mesh.policy(1, PolicyEdit::new(ken, author, Policy::everybody(OPEN)));
    }
    let told: Vec<_> = audited(&mut mesh).iter().map(|it| (it.epoch.get(), it.what)).collect();
    let expected = [
        (2, Audited::Lost { entries: 3 }),
        (2, Audited::Applied),
        (3, Audited::PolicySet { author: ken }),
        (3, Audited::Applied),
    ];
    assert_eq!(told, expected);
    mesh.policy(1, PolicyEdit::remove(ken, EVE));
    let told: Vec<_> = audited(&mut mesh).iter().map(|it| it.what).collect();
    assert_eq!(told, [Audited::PolicyRemoved { author: EVE }, Audited::Applied], "losses are told once");
}

#[test]
fn of_two_edits_in_a_row_both_tickets_end_with_the_newer_number() {
    let (mut mesh, ken) = office(Limits::default());
    let eve = watch(&mut mesh, 1, EVE, ken);
    mesh.hear(1, eve);
    for decision in [OPEN, Decision::Block] {
        mesh.shards[2].set_policy(PolicyEdit::new(ken, ken, Policy::everybody(decision))).unwrap();
    }
    let epochs: Vec<_> = mesh
        .settle()
        .into_iter()
        .map(|(_, outcome)| match outcome {
            Outcome::PolicyApplied { epoch } => epoch.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(epochs, [2, 2]);
    assert_eq!(views(&mut mesh, 1, eve), [View::BLOCKED], "the older is never seen");
    mesh.verify();
}

#[test]
fn a_shard_that_does_not_step_is_named_and_applies_the_policy_when_it_does() {
    let (mut mesh, ken) = office(Limits { policy_apply_us: 500, ..Limits::default() });
    mesh.policy(0, PolicyEdit::new(ken, ken, Policy::everybody(OPEN)));
    let (eve, bob) = (watch(&mut mesh, 1, EVE, ken), watch(&mut mesh, 2, BOB, ken));
    assert_eq!((views(&mut mesh, 1, eve), views(&mut mesh, 2, bob)), (vec![Scheme::OPEN], vec![Scheme::OPEN]));
    audited(&mut mesh);

    mesh.shards[0].set_policy(PolicyEdit::new(ken, ken, Policy::everybody(Decision::Block))).unwrap();
    for _ in 0..8 {
        assert!(turn_without(&mut mesh, 2).is_empty(), "its time is not up");
    }
    assert_eq!(views(&mut mesh, 1, eve), [View::BLOCKED], "who does step does not wait for the other");
    mesh.now += 500;
    let outcomes = turn_without(&mut mesh, 2);
    let [Outcome::Incomplete { epoch, shards }] = outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((epoch.get(), shards.iter().collect::<Vec<_>>()), (2, vec![ShardIndex::new(2)]));
    let told: Vec<_> = audited(&mut mesh).iter().map(|it| it.what).collect();
    assert_eq!(told, [Audited::PolicySet { author: ken }, Audited::Incomplete { shards }]);

    assert!(mesh.settle().is_empty(), "a ticket ends once");
    assert_eq!(views(&mut mesh, 2, bob), [View::BLOCKED]);
    mesh.verify();
}

#[test]
fn a_shard_whose_last_watcher_goes_is_not_waited_for() {
    let (mut mesh, ken) = office(Limits::default());
    let bob = watch(&mut mesh, 2, BOB, ken);
    mesh.shards[0].set_policy(PolicyEdit::new(ken, ken, Policy::everybody(Decision::Block))).unwrap();
    for _ in 0..4 {
        assert!(turn_without(&mut mesh, 2).is_empty());
    }
    mesh.shards[2].close_watcher(bob);
    assert!(matches!(mesh.outcome(), Outcome::PolicyApplied { .. }));
    mesh.verify();
}

#[test]
fn whom_an_edit_does_not_concern_is_told_nothing_of_it() {
    let (mut mesh, ken) = office(Limits::default());
    mesh.policy(0, PolicyEdit::new(ken, ken, Policy::everybody(OPEN)));
    let (eve, bob) = (watch(&mut mesh, 1, EVE, ken), watch(&mut mesh, 1, BOB, ken));
    mesh.hear(1, eve);
    mesh.hear(1, bob);
    let policy = Policy::everybody(OPEN).with_blocked([Who::User(EVE)], Decision::Show(Scheme::OFFLINE));
    mesh.policy(0, PolicyEdit::new(ken, ken, policy));
    assert_eq!(views(&mut mesh, 1, eve), [Scheme::OFFLINE]);
    assert_eq!(mesh.hear(1, bob), []);
}

#[test]
fn a_shard_that_signs_watchers_in_without_end_says_all_the_same_that_a_policy_is_applied() {
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Show(Scheme::OPEN)).unwrap();
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme);
    let (ken, (zero, one)) = (mesh.presentity_at(1, 0), (ShardIndex::new(0), ShardIndex::new(1)));
    let others: Vec<_> = (1..600).map(|nth| mesh.presentity_at(1, nth)).collect();
    let (_, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(1_001)));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    mesh.shards[1].set_policy(PolicyEdit::new(ken, ken, Policy::everybody(Decision::Block))).unwrap();
    mesh.shards[1].step(Tick::ZERO, 1_024);
    while let Some(message) = mesh.shards[1].next_message(zero) {
        mesh.shards[0].receive(one, message);
    }
    // The link carries fewer joins than there come to be.
    let mut applied = false;
    for joining in others.chunks(6) {
        mesh.shards[0].watch(group, joining).unwrap();
        mesh.shards[0].step(Tick::ZERO, 1_024);
        for _ in 0..4 {
            let Some(message) = mesh.shards[0].next_message(one) else { break };
            mesh.shards[1].receive(zero, message);
        }
        mesh.shards[1].step(Tick::ZERO, 1_024);
        applied |= std::iter::from_fn(|| mesh.shards[1].next_outcome())
            .any(|(_, outcome)| matches!(outcome, Outcome::PolicyApplied { .. }));
    }
    assert!(applied);
}
