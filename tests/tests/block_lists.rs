//! What XMPP's block lists (XEP-0191) and privacy lists (XEP-0016) ask: a block holds over everything else, an end of it
//! is followed by the presence there is, and of an ordered list the first item that matches decides.

use fanfare_core::presence::composition::HighestPriority;
use fanfare_core::status::Availability;
use fanfare_core::{
    Decision, EndpointId, EndpointPublication, Identity, Limits, Outcome, Policy, PolicyEdit, PresentityId, Scheme,
    Status, View, WatcherId, Who,
};
use fanfare_tests::mesh::{Heard, Mesh};

const HOUR_US: u64 = 3_600_000_000;
const EVE: PresentityId = PresentityId::new(1_001);
const BOB: PresentityId = PresentityId::new(1_002);
const OPEN: Decision = Decision::Show(Scheme::OPEN);
const OFFLINE: Decision = Decision::Show(Scheme::OFFLINE);

/// Two shards, ken at home on one of them, and eve and bob on the other.
struct Office {
    mesh: Mesh,
    ken: PresentityId,
    eve: WatcherId,
    bob: WatcherId,
}

fn eve() -> Identity {
    Identity { domain: 77, groups: Box::from([5]), ..Identity::of(EVE) }
}

fn office() -> Office {
    let scheme = Scheme::open_and_offline(&["state"], HighestPriority, Decision::Confirm).unwrap();
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme);
    let ken = mesh.presentity_at(1, 0);
    let [eve, bob] = [eve(), Identity::of(BOB)].map(|who| {
        let (watcher, group) = mesh.watcher_for(0, who);
        mesh.shards[0].watch(group, &[ken]).unwrap();
        watcher
    });
    let mut office = Office { mesh, ken, eve, bob };
    office.is(Availability::AVAILABLE);
    office
}

impl Office {
    fn is(&mut self, availability: Availability) {
        let status = Status::new(availability);
        let publication = EndpointPublication::create(self.ken, EndpointId(1), status, HOUR_US);
        self.mesh.endpoint(0, publication).unwrap();
    }

    fn set(&mut self, policy: &Policy) {
        let outcome = self.mesh.policy(1, PolicyEdit::new(self.ken, self.ken, policy.clone()));
        assert!(matches!(outcome, Outcome::PolicyApplied { .. }), "{outcome:?}");
    }

    fn to(&mut self, watcher: WatcherId) -> Vec<Heard> {
        self.mesh.hear(0, watcher)
    }

    /// The one note that this watcher is told: its view, and what it shows if that is anything.
    fn one(&mut self, watcher: WatcherId) -> (View, Option<Availability>) {
        let heard = self.to(watcher);
        assert_eq!(heard.len(), 1, "{heard:?}");
        (heard[0].view, heard[0].document.as_ref().map(|_| heard[0].rendition().status.availability))
    }
}

#[test]
fn xep_0191_who_is_blocked_is_sent_unavailable_and_nothing_after_it() {
    let mut office = office();
    let roster = Policy::roster().approve(EVE, Scheme::OPEN).approve(BOB, Scheme::OPEN);
    office.set(&roster);
    for watcher in [office.eve, office.bob] {
        assert_eq!(office.one(watcher), (Scheme::OPEN, Some(Availability::AVAILABLE)));
    }
    office.set(&roster.with_blocked([Who::User(EVE)], OFFLINE));
    assert_eq!(office.one(office.eve), (Scheme::OFFLINE, Some(Availability::OFFLINE)));
    assert_eq!(office.to(office.bob), []);
    office.is(Availability::BUSY);
    assert_eq!(office.to(office.eve), []);
    assert_eq!(office.one(office.bob), (Scheme::OPEN, Some(Availability::BUSY)));
    office.mesh.verify();
}

#[test]
fn xep_0191_an_unblocked_contact_is_sent_the_presence_there_is_and_is_in_the_roster_as_before() {
    let mut office = office();
    let roster = Policy::roster().approve(EVE, Scheme::OPEN);
    for instead in [OFFLINE, Decision::Block] {
        office.set(&roster.with_blocked([Who::User(EVE)], instead));
        assert_eq!(office.to(office.eve).pop().unwrap().view, instead.view());
        office.is(Availability::AWAY);
        office.set(&roster);
        let heard = office.to(office.eve);
        assert_eq!((heard.len(), heard[0].first), (1, true));
        assert_eq!(heard[0].rendition().status.availability, Availability::AWAY);
    }
}

#[test]
fn xep_0191_a_block_holds_over_every_other_rule_that_lets_somebody_in() {
    let mut office = office();
    let open = [(Who::User(EVE), 30, OPEN), (Who::Group(5), 31, OPEN), (Who::Everyone, 32, OPEN)];
    let policy = Policy::ranked(open, OPEN);
    for blocked in [Who::User(EVE), Who::Domain(77), Who::Group(5)] {
        office.set(&policy);
        assert_eq!(office.to(office.eve).pop().unwrap().view, Scheme::OPEN);
        office.set(&policy.with_blocked([blocked], Decision::Block));
        assert_eq!(office.one(office.eve), (View::BLOCKED, None), "{blocked:?}");
    }
    office.to(office.bob);
    office.set(&policy.with_blocked([Who::Everyone], Decision::Block));
    assert_eq!(office.one(office.bob), (View::BLOCKED, None), "a block list may name everybody");
}

#[test]
fn xep_0016_the_first_item_that_matches_decides_whatever_follows_it() {
    let mut office = office();
    office.to(office.eve);
    let (deny, allow) = (Decision::Block, OPEN);
    let lists = [
        (vec![(Who::User(EVE), deny), (Who::Everyone, allow)], View::BLOCKED),
        (vec![(Who::Everyone, allow), (Who::User(EVE), deny)], Scheme::OPEN),
        (vec![(Who::Domain(77), deny), (Who::User(EVE), allow)], View::BLOCKED),
        (vec![(Who::User(EVE), allow), (Who::Domain(77), deny)], Scheme::OPEN),
        (vec![(Who::User(BOB), allow), (Who::Group(5), deny), (Who::Domain(77), allow)], View::BLOCKED),
        (vec![(Who::User(EVE), allow), (Who::User(EVE), deny)], Scheme::OPEN),
    ];
    for (items, expected) in lists {
        office.set(&Policy::first_match(items.clone(), Decision::Confirm));
        assert_eq!(office.one(office.eve).0, expected, "{items:?}");
    }
}

#[test]
fn xep_0016_whom_no_item_names_gets_what_the_list_says_of_the_others() {
    let mut office = office();
    office.to(office.eve);
    for (otherwise, view) in [(OPEN, Scheme::OPEN), (Decision::Block, View::BLOCKED), (OFFLINE, Scheme::OFFLINE)] {
        office.set(&Policy::first_match([(Who::User(BOB), Decision::Confirm)], otherwise));
        assert_eq!(office.one(office.eve).0, view);
    }
}

#[test]
fn xep_0016_a_list_in_place_of_another_is_obeyed_at_once() {
    let mut office = office();
    let at_work = Policy::first_match([(Who::Group(5), OPEN)], Decision::Block);
    let at_home = Policy::first_match([(Who::User(BOB), OPEN)], Decision::Block);
    office.set(&at_work);
    assert_eq!((office.one(office.eve).0, office.one(office.bob).0), (Scheme::OPEN, View::BLOCKED));
    office.set(&at_home);
    assert_eq!((office.one(office.eve).0, office.one(office.bob).0), (View::BLOCKED, Scheme::OPEN));
}
