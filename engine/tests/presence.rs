//! Presence through handles, on real threads: publications of endpoints, policies, and who watches whom.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use fanfare::presence::composition::MostAvailable;
use fanfare::status::Availability;
use fanfare::*;

const HOUR_US: u64 = 3_600_000_000;
const EVE: PresentityId = PresentityId::new(9_001);
const BOB: PresentityId = PresentityId::new(9_002);

fn scheme() -> Scheme {
    Scheme::open_and_offline(&["state", "note"], MostAvailable, Decision::Show(Scheme::OPEN)).expect("a scheme")
}

fn with_presence(on: On, shards: usize) -> Running {
    on.builder(shards).with(|builder| builder.scheme(scheme())).start(|_| Nothing).expect("an engine starts")
}

fn is(who: PresentityId, endpoint: u64, availability: Availability) -> EndpointPublication {
    EndpointPublication::create(who, EndpointId(endpoint), Status::new(availability), HOUR_US)
}

fn somebody(user: PresentityId) -> Arc<Identity> {
    Arc::new(Identity::of(user))
}

/// The status that a note of the first category tells.
fn status(note: &OwnedNote) -> Option<Status> {
    let (category, document) = note.parts().next()?;
    let document = document.filter(|_| category == Category::FIRST)?;
    Some(Rendition::from_bytes(document.as_slice()).expect("a composed state").status)
}

fn what_endpoints_publish_is_composed_and_told(on: On) {
    let engine = with_presence(on, 2);
    let door = engine.handle();
    for who in one_on_each(2) {
        let mut watcher = door.watcher_for(1, somebody(BOB)).wait().expect("it opens");
        assert_eq!(watcher.watch(&[who]).wait(), Ok(1));
        let first = door.publish_endpoint(is(who, 1, Availability::AWAY)).wait().expect("it is published");
        door.publish_endpoint(is(who, 2, Availability::BUSY)).wait().expect("it is published");
        let told = |note: &OwnedNote| status(note).is_some_and(|it| it.availability == Availability::BUSY);
        until(&mut watcher, told);

        let stale = door.publish_endpoint(is(who, 2, Availability::AVAILABLE).if_match(first.tag)).wait();
        assert!(matches!(stale, Err(CallError::Refused(Refusal::StaleTag { current: Some(_) }))), "{stale:?}");
        let state = door.fetch_for(who, somebody(EVE)).wait().expect("it is fetched");
        let rendition = Rendition::from_bytes(&state.parts[0].1).expect("a composed state");
        assert_eq!(rendition.status.availability, Availability::BUSY);
    }
    engine.shutdown().expect("it ends well");
}

fn a_poll_is_answered_from_all_homes_in_the_order_asked(on: On) {
    let engine = with_presence(on, 2);
    let door = engine.handle();
    let [first, second] = one_on_each(2)[..] else { panic!("one on each of two") };
    let blocks = Policy::everybody(Decision::Show(Scheme::OPEN)).with_blocked([Who::User(EVE)], Decision::Block);
    door.set_policy(PolicyEdit::new(second, second, blocks)).wait().expect("it is applied");
    for who in [first, second] {
        door.publish_endpoint(is(who, 1, Availability::BUSY)).wait().expect("it is published");
    }
    let nobody = PresentityId::new(77_777);
    let shown = |who: PresentityId| {
        let states =
            door.fetch_many_for(&[second, nobody, first, second], &somebody(who)).wait().expect("it is fetched");
        states.iter().map(State::shown).collect::<Vec<_>>()
    };
    assert_eq!(shown(EVE), [Shown::Refused, Shown::Nothing, Shown::State, Shown::Refused]);
    assert_eq!(shown(BOB), [Shown::State, Shown::Nothing, Shown::State, Shown::State]);
    let too_many = vec![first; Limits::default().fetch_presentities_max as usize + 1];
    for (whom, why) in
        [(&too_many[..], Error::Limit { bound: Bound::FetchPresentities, limit: 128 }), (&[], Error::NobodyToFetch)]
    {
        assert_eq!(door.fetch_many_for(whom, &somebody(EVE)).wait().err(), Some(CallError::Shard(why)));
    }
    engine.shutdown().expect("it ends well");
    let late = door.fetch_many_for(&[first, second], &somebody(EVE)).wait();
    assert!(matches!(late, Err(CallError::Engine(_))), "{late:?}");
}

fn a_policy_is_applied_on_every_shard_when_the_call_ends(on: On) {
    let engine = with_presence(on, 2);
    let door = engine.handle();
    for who in one_on_each(2) {
        let mut watchers: Vec<(PresentityId, Watcher)> = (0..4)
            .map(|nth| {
                let user = if nth < 2 { EVE } else { BOB };
                let mut watcher = door.watcher_for(nth, somebody(user)).wait().expect("it opens");
                watcher.watch(&[who]).wait().expect("it watches");
                (user, watcher)
            })
            .collect();
        door.publish_endpoint(is(who, 1, Availability::AVAILABLE)).wait().expect("it is published");
        for (_, watcher) in &mut watchers {
            until(watcher, |note| status(note).is_some());
        }
        let policy = Policy::everybody(Decision::Show(Scheme::OPEN)).with_blocked([Who::User(EVE)], Decision::Block);
        let epoch = door.set_policy(PolicyEdit::new(who, who, policy)).wait().expect("it is applied");
        assert_eq!(epoch.get(), 1);
        let after = door.publish_endpoint(is(who, 1, Availability::BUSY)).wait().expect("it is published").stamp;
        for (user, watcher) in &mut watchers {
            if *user == BOB {
                until(watcher, |note| status(note).is_some_and(|it| it.availability == Availability::BUSY));
                continue;
            }
            let notes = until(watcher, |note| note.view == View::BLOCKED);
            let shown = notes.iter().filter(|note| note.stamp >= after);
            assert!(shown.clone().all(|note| note.view == View::BLOCKED && note.parts().next().is_none()), "{notes:?}");
        }
        let mut found = door.watchers_of(who).wait().expect("every shard says");
        found.sort_by_key(|it| it.watcher_token);
        let seen: Vec<_> = found.iter().map(|it| (it.user, it.view)).collect();
        let (blocked, open) = ((Some(EVE), View::BLOCKED), (Some(BOB), Scheme::OPEN));
        assert_eq!(seen, [blocked, blocked, open, open]);
    }
    engine.shutdown().expect("it ends well");
}

fn who_has_to_ask_waits_for_the_owner(on: On) {
    let engine = with_presence(on, 2);
    let door = engine.handle();
    let ken = PresentityId::new(1);
    door.set_policy(PolicyEdit::new(ken, ken, Policy::roster())).wait().expect("it is applied");
    door.publish_endpoint(is(ken, 1, Availability::AVAILABLE)).wait().expect("it is published");
    let mut watcher = door.watcher_for(1, somebody(BOB)).wait().expect("it opens");
    watcher.watch(&[ken]).wait().expect("it watches");
    until(&mut watcher, |note| note.view == View::PENDING && note.parts().next().is_none());
    assert_eq!(door.ask_owner(ken, somebody(BOB)).wait().map(|verdict| verdict.view), Ok(View::PENDING));
    assert_eq!(door.pending_watchers(ken).wait().as_deref(), Ok(&[BOB][..]));
    let approved = Policy::roster().approve(BOB, Scheme::OPEN);
    door.set_policy(PolicyEdit::new(ken, ken, approved)).wait().expect("it is applied");
    until(&mut watcher, |note| note.first && status(note).is_some());
    assert_eq!(door.pending_watchers(ken).wait().as_deref(), Ok(&[][..]));
    assert_eq!(door.claim_name(ken, "ken@example.com").wait(), Ok(()));
    let taken = door.claim_name(ken, "barbie@example.com").wait();
    assert_eq!(taken, Err(CallError::Refused(Refusal::NameTaken)));
    engine.shutdown().expect("it ends well");
}

/// Answers of policies come late, and must not be taken for those of what was asked after them.
fn policies_and_other_requests_may_overtake_each_other(on: On) {
    let engine = with_presence(on, 2);
    let door = engine.handle();
    let ken = PresentityId::new(1);
    let mut watcher = door.watcher_for(1, somebody(BOB)).wait().expect("it opens");
    watcher.watch(&[ken]).wait().expect("it watches");
    for round in 0..50 {
        let decision = if round % 2 == 0 { Decision::Confirm } else { Decision::Show(Scheme::OPEN) };
        let edit = door.set_policy(PolicyEdit::new(ken, ken, Policy::everybody(decision)));
        let published = door.publish_endpoint(is(ken, 1, Availability::AVAILABLE));
        let second = door.set_policy(PolicyEdit::new(ken, ken, Policy::everybody(decision)));
        assert!(published.wait().is_ok());
        let (first, second) = (edit.wait().expect("it is applied"), second.wait().expect("it is applied"));
        assert!(first <= second && second.get() == 2 * round + 2, "{first:?}, {second:?}");
    }
    engine.shutdown().expect("it ends well");
}

on_every_runtime!(
    what_endpoints_publish_is_composed_and_told,
    a_poll_is_answered_from_all_homes_in_the_order_asked,
    a_policy_is_applied_on_every_shard_when_the_call_ends,
    who_has_to_ask_waits_for_the_owner,
    policies_and_other_requests_may_overtake_each_other,
);

#[test]
fn a_host_that_does_not_step_leaves_a_policy_incomplete_and_is_named() {
    let limits = Limits { policy_apply_us: 50_000, ..small() };
    let builder = Engine::builder().pin(false).limits(limits).scheme(scheme()).shards(1).hosts(1);
    let mut engine = builder.patience(LONG).start(|_| Nothing).expect("it starts");
    let mut host = engine.seats().remove(0).take(|_| OneWatcher(false)).expect("it can be taken");
    let door = engine.handle();
    let ken = PresentityId::new(1);
    // The host's frontend begins to watch; its join has to be on the way before the policy comes.
    elsewhere(|| door.publish_endpoint(is(ken, 1, Availability::AVAILABLE)).wait()).expect("it is published");
    for _ in 0..1_000 {
        host.step().expect("the engine runs");
        std::thread::sleep(Duration::from_micros(100));
    }
    let block = || PolicyEdit::new(ken, ken, Policy::everybody(Decision::Block));
    let left = elsewhere(|| door.set_policy(block()).wait());
    let Err(CallError::Incomplete { epoch, shards }) = left else { panic!("the host has not stepped: {left:?}") };
    assert_eq!(epoch.get(), 1);
    assert_eq!(shards.iter().map(ShardIndex::index).collect::<Vec<_>>(), [1]);
    // It applies the policy, and the next one, when it steps again.
    let applied = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| door.set_policy(block()).wait());
        while !waiting.is_finished() {
            host.step().expect("the engine runs");
            std::thread::yield_now();
        }
        waiting.join().expect("it does not panic")
    });
    assert!(matches!(applied, Ok(epoch) if epoch.get() == 2), "{applied:?}");
    let ending = std::thread::spawn(move || engine.shutdown());
    while !ending.is_finished() {
        // What it ends with, the engine knows too.
        let _ = host.step();
    }
    ending.join().expect("it does not panic").expect("it ends well");
}

/// On another thread: this one turns a shard, and must not wait for it.
fn elsewhere<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(what).join().expect("it does not panic"))
}

/// A frontend that watches one presentity as somebody.
struct OneWatcher(bool);

impl Frontend for OneWatcher {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if !self.0 {
            self.0 = true;
            let watcher = shard.open_watcher(1).expect("there is room");
            let group = shard.open_group_for(watcher, 1, Categories::ALL, somebody(BOB)).expect("there is room");
            shard.watch(group, &[PresentityId::new(1)]).expect("there is room");
        }
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while outbox.next().is_some() {}
    }
}
