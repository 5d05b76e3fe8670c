//! What a poll is (RFC 2778: a fetcher; RFC 3856: a fetch; Lync: a batch of twenty): many presentities asked for at once, each in the
//! view that policy grants, from all their homes, within credits.

use std::sync::Arc;

use fanfare_core::presence::composition::MostAvailable;
use fanfare_core::status::Availability;
use fanfare_core::{
    Bound, Decision, EndpointId, EndpointPublication, Error, Identity, Limits, Outcome, Policy, PolicyEdit,
    PresentityId, Rendition, Scheme, ShardIndex, Shown, State, Status, Tick, Who,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;
const EVE: PresentityId = PresentityId::new(1_001);

fn three_shards(limits: Limits) -> Mesh {
    let everybody = Decision::Show(Scheme::OPEN);
    let scheme = Scheme::open_and_offline(&["state", "note"], MostAvailable, everybody).unwrap();
    Mesh::with_scheme(3, limits, scheme)
}

fn eve() -> Arc<Identity> {
    Arc::new(Identity::of(EVE))
}

fn is(mesh: &mut Mesh, who: PresentityId, availability: Availability) {
    mesh.endpoint(0, EndpointPublication::create(who, EndpointId(1), Status::new(availability), HOUR_US)).unwrap();
}

fn polled(mesh: &mut Mesh, from: usize, whom: &[PresentityId]) -> Vec<State> {
    mesh.shards[from].fetch_many_for(whom, &eve()).unwrap();
    match mesh.outcome() {
        Outcome::FetchedMany(states) => states.into(),
        other => panic!("{other:?} answers no poll"),
    }
}

fn availability(state: &State) -> Availability {
    Rendition::from_bytes(&state.parts[0].1).unwrap().status.availability
}

#[test]
fn lync_a_poll_of_twenty_is_answered_in_the_order_asked_whatever_their_homes() {
    let mut mesh = three_shards(Limits::default());
    // Homes in turns, and somebody twice.
    let mut whom: Vec<PresentityId> = (0..20).map(|nth| mesh.presentity_at(nth % 3, nth / 3)).collect();
    whom[7] = whom[0];
    let levels = [Availability::AVAILABLE, Availability::BUSY, Availability::AWAY];
    for (nth, who) in whom.iter().enumerate() {
        is(&mut mesh, *who, levels[(nth * nth + nth / 3) % 3]);
    }
    let expected: Vec<Availability> = whom
        .iter()
        .map(|who| {
            levels[whom
                .iter()
                .enumerate()
                .filter(|(_, it)| *it == who)
                .map(|(nth, _)| nth * nth + nth / 3)
                .next_back()
                .unwrap()
                % 3]
        })
        .collect();
    for from in 0..3 {
        let states = polled(&mut mesh, from, &whom);
        assert_eq!(states.iter().map(availability).collect::<Vec<_>>(), expected, "asked on shard {from}");
        assert!(states.iter().all(|state| state.shown() == Shown::State));
    }
    mesh.verify();
}

#[test]
fn rfc_3856_a_poll_tells_what_policy_grants_of_each_an_explicit_none_pending_or_refused() {
    let mut mesh = three_shards(Limits::default());
    let [open, nothing, asks, blocks, hides] = [0, 1, 2, 0, 1].map({
        let mut nth = 0;
        let mesh = &mesh;
        move |home| {
            nth += 1;
            mesh.presentity_at(home, nth)
        }
    });
    for who in [open, asks, blocks, hides] {
        is(&mut mesh, who, Availability::BUSY);
    }
    let everybody = || Policy::everybody(Decision::Show(Scheme::OPEN));
    for (who, decision) in
        [(asks, Decision::Confirm), (blocks, Decision::Block), (hides, Decision::Show(Scheme::OFFLINE))]
    {
        mesh.policy(2, PolicyEdit::new(who, who, everybody().with([(Who::User(EVE), 1, decision)])));
    }
    let states = polled(&mut mesh, 0, &[blocks, open, hides, nothing, asks]);
    let shown: Vec<Shown> = states.iter().map(State::shown).collect();
    assert_eq!(shown, [Shown::Refused, Shown::State, Shown::State, Shown::Nothing, Shown::Pending]);
    assert_eq!((availability(&states[1]), availability(&states[2])), (Availability::BUSY, Availability::OFFLINE));
    assert!(states[0].parts.is_empty() && states[4].parts.is_empty());
    // C6: nothing that happens can be told from a second look.
    let before = [states[0].stamp, states[2].stamp, states[4].stamp];
    for who in [blocks, hides, asks] {
        is(&mut mesh, who, Availability::AWAY);
    }
    let states = polled(&mut mesh, 1, &[blocks, hides, asks]);
    assert_eq!([states[0].stamp, states[1].stamp, states[2].stamp], before);
    mesh.verify();
}

#[test]
fn c8_a_poll_of_too_many_or_of_nobody_is_refused_and_takes_nothing() {
    let limits = Limits { fetch_presentities_max: 4, ..Limits::default() };
    let mut mesh = three_shards(limits);
    let whom: Vec<PresentityId> = (0..5).map(|nth| mesh.presentity_at(nth % 3, nth)).collect();
    let refused = mesh.shards[0].fetch_many_for(&whom, &eve());
    assert_eq!(refused, Err(Error::Limit { bound: Bound::FetchPresentities, limit: 4 }));
    assert_eq!(mesh.shards[0].fetch_many_for(&[], &eve()), Err(Error::NobodyToFetch));
    assert!((0..3).all(|home| mesh.shards[0].credits(ShardIndex::new(home)) == limits.credits));
    assert_eq!(polled(&mut mesh, 0, &whom[..4]).len(), 4);
    assert!(Limits { fetch_presentities_max: 0, ..limits }.validate().is_err());
}

#[test]
fn c8_a_poll_is_busy_at_once_and_whole_while_one_of_its_homes_has_no_credit() {
    let limits = Limits { credits: 2, ..Limits::default() };
    let mut mesh = three_shards(limits);
    let whom: Vec<PresentityId> = (0..3).map(|home| mesh.presentity_at(home, 0)).collect();
    let credits = |mesh: &Mesh| [0, 1, 2].map(|home| mesh.shards[0].credits(ShardIndex::new(home)));
    mesh.shards[0].fetch_many_for(&whom[1..], &eve()).unwrap();
    mesh.shards[0].fetch_for(whom[1], eve()).unwrap();
    assert_eq!(credits(&mesh), [2, 0, 1], "one for each home, whatever the number of presentities");
    for _ in 0..3 {
        assert!(matches!(mesh.shards[0].fetch_many_for(&whom, &eve()), Err(Error::Busy { .. })));
    }
    assert_eq!(credits(&mesh), [2, 0, 1], "all or nothing");
    mesh.verify();

    // Of two homes one has answered: nothing is told, and no credit is back.
    mesh.shards[0].step(Tick::ZERO, 1_024);
    let (asker, home) = (ShardIndex::new(0), ShardIndex::new(1));
    while let Some(message) = mesh.shards[0].next_message(home) {
        mesh.shards[1].receive(asker, message);
    }
    while let Some(message) = mesh.shards[1].next_message(asker) {
        mesh.shards[0].receive(home, message);
    }
    mesh.verify();
    assert!(!mesh.shards[0].step(Tick::ZERO, 1_024).more && !mesh.shards[0].is_idle());
    assert!(matches!(mesh.shards[0].next_outcome(), Some((_, Outcome::Fetched(_)))));
    assert!(mesh.shards[0].next_outcome().is_none());
    assert_eq!(credits(&mesh), [2, 1, 1]);
    assert!(matches!(mesh.outcome(), Outcome::FetchedMany(states) if states.len() == 2));
    assert_eq!(credits(&mesh), [2, 2, 2], "every credit comes back with the one outcome");
    assert!(mesh.shards.iter().all(|shard| shard.is_idle()));
    mesh.verify();
}
