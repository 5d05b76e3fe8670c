//! What presence rules ask (RFC 5025, on RFC 4745): who is let in, who waits, who is shown less, how rules combine, and
//! that a decision can be explained.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_core::presence::composition::LastWrite;
use fanfare_core::presence::view::{EntriesRule, StatusRule, ViewRule};
use fanfare_core::status::{Activities, Activity, Availability};
use fanfare_core::{
    Bound, Categories, Category, Decision, EndpointId, EndpointPublication, GroupId, Handling, Identity, Limits,
    Network, Outcome, Policy, PolicyEdit, PolicyEpoch, PresentityId, Refusal, Scheme, Status, View, WatcherId, Who,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;
const NOTE: Category = Category::numbered(1);
const EVE: PresentityId = PresentityId::new(1_001);
const BOB: PresentityId = PresentityId::new(1_002);
const OPEN: View = View(0);
const OFFLINE: View = View(1);
const DISCREET: View = View(2);

/// Two shards, and ken at home on one of them, who is available and has a note.
struct Office {
    mesh: Mesh,
    ken: PresentityId,
}

fn office(limits: Limits) -> Office {
    let rule = |name: &str, container, categories, status, entries| ViewRule {
        name: name.into(),
        container,
        categories,
        status,
        entries,
    };
    let state = Categories::only(Category::FIRST);
    let views = vec![
        rule("open", 2, Categories::ALL, StatusRule::AsIs, EntriesRule::Shown),
        rule("offline", 0, Categories::ALL, StatusRule::Offline, EntriesRule::None),
        rule("discreet", 1, state, StatusRule::NumberOnly, EntriesRule::None),
    ];
    let scheme = Scheme::new(&["state", "note"], views, LastWrite, Policy::everybody(Decision::Show(OPEN))).unwrap();
    let mesh = Mesh::with_scheme(2, limits, scheme);
    let ken = mesh.presentity_at(1, 0);
    let mut office = Office { mesh, ken };
    office.is(Availability::AVAILABLE);
    office
}

impl Office {
    fn is(&mut self, availability: Availability) {
        let status = Status::new(availability).with_activities(Activities::only(Activity::Working));
        let publication = EndpointPublication::create(self.ken, EndpointId(1), status, HOUR_US);
        self.mesh.endpoint(0, publication.with(NOTE, Bytes::from_static(b"in the garden"))).unwrap();
    }

    fn rules(&mut self, rules: impl IntoIterator<Item = (Who, Handling)>) -> u32 {
        self.set(Policy::presence_rules(rules, OPEN, OFFLINE))
    }

    fn set(&mut self, policy: Policy) -> u32 {
        match self.mesh.policy(0, PolicyEdit::new(self.ken, self.ken, policy)) {
            Outcome::PolicyApplied { epoch } => epoch.get(),
            other => panic!("{other:?}"),
        }
    }

    fn watch(&mut self, who: Identity) -> (WatcherId, GroupId) {
        let (watcher, group) = self.mesh.watcher_for(0, who);
        self.mesh.shards[0].watch(group, &[self.ken]).unwrap();
        self.mesh.settle();
        (watcher, group)
    }

    /// The view that this watcher gets, and what he is told in it first.
    fn sees(&mut self, who: Identity) -> (View, Option<Availability>) {
        let (watcher, _) = self.watch(who);
        let mut heard = self.mesh.hear(0, watcher);
        assert_eq!((heard.len(), heard[0].first), (1, true));
        let heard = heard.remove(0);
        (heard.view, heard.document.as_ref().map(|_| heard.rendition().status.availability))
    }
}

#[test]
fn rfc_5025_allow_polite_block_confirm_and_block_each_show_what_they_say() {
    let mut office = office(Limits::default());
    let handlings = [Handling::Allow, Handling::PoliteBlock, Handling::Confirm, Handling::Block];
    let user = |nth: usize| PresentityId::new(2_000 + nth as u64);
    let rules = handlings.iter().enumerate().map(|(nth, &handling)| (Who::User(user(nth)), handling));
    office.rules(rules.collect::<Vec<_>>());
    let shown = [
        (OPEN, Some(Availability::AVAILABLE)),
        (OFFLINE, Some(Availability::OFFLINE)),
        (View::PENDING, None),
        (View::BLOCKED, None),
    ];
    for (nth, shown) in shown.into_iter().enumerate() {
        assert_eq!(office.sees(Identity::of(user(nth))), shown);
    }
    office.mesh.verify();
}

#[test]
fn of_all_rules_that_match_the_most_permissive_wins_in_whatever_order_they_stand() {
    let handlings = [Handling::Block, Handling::Confirm, Handling::PoliteBlock, Handling::Allow];
    for (low, &less) in handlings.iter().enumerate() {
        for &more in &handlings[low + 1..] {
            let rules = [(Who::User(EVE), less), (Who::Everyone, more)];
            let turned = [(Who::Everyone, less), (Who::User(EVE), more)];
            let alone = Policy::presence_rules([(Who::User(EVE), more)], OPEN, OFFLINE);
            let expected = fanfare_core::Guard::decide(&alone, &Identity::of(EVE)).view;
            for rules in [rules, turned] {
                for rules in [rules, [rules[1], rules[0]]] {
                    let mut office = office(Limits::default());
                    office.rules(rules);
                    assert_eq!(office.sees(Identity::of(EVE)).0, expected, "{rules:?}");
                }
            }
        }
    }
}

#[test]
fn whom_no_rule_names_is_not_let_in() {
    let mut office = office(Limits::default());
    office.rules([(Who::User(BOB), Handling::Allow)]);
    assert_eq!(office.sees(Identity::of(EVE)), (View::BLOCKED, None));
    office.rules([]);
    assert_eq!(office.sees(Identity::of(BOB)), (View::BLOCKED, None));
}

#[test]
fn rules_name_users_domains_organisations_groups_and_networks() {
    let eve =
        Identity { user: EVE, domain: 5, organisation: 6, network: Network::Federated, groups: Box::from([7, 8]) };
    let names = [
        (Who::User(EVE), Who::User(BOB)),
        (Who::Domain(5), Who::Domain(6)),
        (Who::Organisation(6), Who::Organisation(5)),
        (Who::Group(8), Who::Group(9)),
        (Who::Network(Network::Federated), Who::Network(Network::PublicCloud)),
    ];
    for (hers, another_s) in names {
        let mut office = office(Limits::default());
        office.rules([(hers, Handling::Allow)]);
        assert_eq!(office.sees(eve.clone()).0, OPEN, "{hers:?}");
        office.rules([(another_s, Handling::Allow)]);
        assert_eq!(office.sees(eve.clone()).0, View::BLOCKED, "{another_s:?}");
    }
}

#[test]
fn a_view_takes_away_what_its_watchers_may_not_see() {
    let mut office = office(Limits::default());
    office.set(Policy::ranked([(Who::User(EVE), 1, Decision::Show(DISCREET))], Decision::Show(OPEN)));
    let ((eve, _), (bob, _)) = (office.watch(Identity::of(EVE)), office.watch(Identity::of(BOB)));
    let (to_eve, to_bob) = (office.mesh.hear(0, eve).remove(0), office.mesh.hear(0, bob).remove(0));
    assert_eq!(to_eve.told(), [Category::FIRST]);
    let number_only = Status::new(Availability::AVAILABLE);
    assert_eq!((to_eve.rendition().status, to_eve.rendition().entries), (number_only, vec![]));
    assert_eq!(to_bob.part(NOTE), Some(&b"in the garden"[..]));
    assert!(to_bob.rendition().status.activities.contains(Activity::Working));
}

#[test]
fn a_decision_is_explained_by_its_rule_and_by_the_number_of_its_policy() {
    let mut office = office(Limits::default());
    let (_, eve) = office.watch(Identity::of(EVE));
    let why = |office: &Office, group| {
        let why = office.mesh.shards[0].explain(group, office.ken).unwrap().unwrap();
        (why.view, why.rule, why.epoch.map(PolicyEpoch::get), why.is_silent)
    };
    assert_eq!(why(&office, eve), (OPEN, None, Some(0), false), "the scheme's word for everybody");
    let rules = [(Who::User(BOB), Handling::Allow), (Who::User(EVE), Handling::PoliteBlock)];
    assert_eq!(office.rules(rules), 1);
    assert_eq!(why(&office, eve), (OFFLINE, Some(1), Some(1), false));
    assert_eq!(office.rules([(Who::User(BOB), Handling::Allow)]), 2);
    assert_eq!(why(&office, eve), (View::BLOCKED, None, Some(2), false));
    let stranger = office.mesh.presentity_at(0, 5);
    assert_eq!(office.mesh.shards[0].explain(eve, stranger), Ok(None));
}

#[test]
fn a_policy_that_names_a_view_which_does_not_exist_or_has_too_many_rules_is_refused() {
    let mut office = office(Limits { rules_per_policy: 2, ..Limits::default() });
    let (eve, _) = office.watch(Identity::of(EVE));
    office.mesh.hear(0, eve);
    let refused = |office: &mut Office, policy| match office.mesh.policy(0, PolicyEdit::new(office.ken, EVE, policy)) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    };
    let unknown = Policy::everybody(Decision::Show(View(3)));
    assert_eq!(refused(&mut office, unknown), Refusal::UnknownView(View(3)));
    let by_rule = Policy::ranked([(Who::User(EVE), 1, Decision::Show(View(9)))], Decision::Block);
    assert_eq!(refused(&mut office, by_rule), Refusal::UnknownView(View(9)));
    let many = Policy::presence_rules((0..3).map(|group| (Who::Group(group), Handling::Block)), OPEN, OFFLINE);
    assert_eq!(refused(&mut office, many), Refusal::Limit { bound: Bound::Rules, limit: 2 });
    assert_eq!(office.mesh.hear(0, eve), [], "what is refused has changed nothing");
    assert_eq!(office.rules([(Who::Group(1), Handling::Allow), (Who::Group(2), Handling::Allow)]), 1);
}

#[test]
fn a_policy_that_is_removed_leaves_the_word_to_the_scheme_again() {
    let mut office = office(Limits::default());
    let (eve, _) = office.watch(Identity::of(EVE));
    office.rules([]);
    assert_eq!(office.mesh.hear(0, eve).pop().unwrap().view, View::BLOCKED);
    let outcome = office.mesh.policy(0, PolicyEdit::remove(office.ken, office.ken));
    assert!(matches!(outcome, Outcome::PolicyApplied { epoch } if epoch.get() == 2), "{outcome:?}");
    let heard = office.mesh.hear(0, eve);
    assert_eq!((heard.len(), heard[0].view, heard[0].first), (1, OPEN, true));
    assert_eq!(heard[0].rendition().status.availability, Availability::AVAILABLE);
    assert_eq!(office.sees(Identity::of(BOB)).0, OPEN);
}

#[test]
fn a_fetch_is_answered_in_the_view_that_policy_grants_and_a_blocked_one_shows_nothing_at_all() {
    let mut office = office(Limits::default());
    office.rules([
        (Who::User(BOB), Handling::Allow),
        (Who::User(EVE), Handling::Block),
        (Who::Group(1), Handling::Confirm),
        (Who::Group(2), Handling::PoliteBlock),
    ]);
    let mut fetch = |who: Identity| {
        office.mesh.shards[0].fetch_for(office.ken, Arc::new(who)).unwrap();
        match office.mesh.outcome() {
            Outcome::Fetched(state) => state,
            other => panic!("{other:?}"),
        }
    };
    let in_group = |group| Identity { groups: Box::from([group]), ..Identity::of(PresentityId::new(3_000)) };
    let open = fetch(Identity::of(BOB));
    assert_eq!((open.view, open.parts.len()), (OPEN, 2));
    let state = fanfare_core::Rendition::from_bytes(&open.parts[0].1).unwrap();
    assert_eq!(state.status.availability, Availability::AVAILABLE);
    for (who, view) in [(Identity::of(EVE), View::BLOCKED), (in_group(1), View::PENDING)] {
        let closed = fetch(who);
        assert_eq!((closed.view, closed.parts.len()), (view, 0));
    }
    let polite = fetch(in_group(2));
    assert_eq!((polite.view, polite.parts.len()), (OFFLINE, 1));
    let state = fanfare_core::Rendition::from_bytes(&polite.parts[0].1).unwrap();
    assert_eq!((state.status, state.entries), (Status::OFFLINE, vec![]));
}

#[test]
fn who_is_blocked_politely_sees_offline_and_hears_of_no_change() {
    let mut office = office(Limits::default());
    office.rules([(Who::User(EVE), Handling::PoliteBlock), (Who::Everyone, Handling::Block)]);
    let (eve, _) = office.watch(Identity::of(EVE));
    let first = office.mesh.hear(0, eve).remove(0);
    assert_eq!((first.rendition().status, first.told()), (Status::OFFLINE, vec![Category::FIRST]));
    office.rules([(Who::User(EVE), Handling::PoliteBlock), (Who::User(BOB), Handling::Allow)]);
    let (bob, _) = office.watch(Identity::of(BOB));
    office.mesh.hear(0, bob);
    for availability in [Availability::BUSY, Availability::AWAY, Availability::AVAILABLE] {
        office.is(availability);
        let heard = office.mesh.hear(0, bob);
        assert_eq!((heard.len(), heard[0].rendition().status.availability), (1, availability));
        assert_eq!(office.mesh.hear(0, eve), []);
    }
    let ken = office.ken;
    office.mesh.endpoint(0, EndpointPublication::remove(ken, EndpointId(1))).unwrap();
    assert_eq!(office.mesh.hear(0, bob).len(), 1);
    assert_eq!(office.mesh.hear(0, eve), [], "when he was really there or gone does not show, nor since when");
}
