//! What Lync 2013's enhanced presence asks: its categories, its containers with the members they have by themselves, and
//! that a watcher who is in several sees only the highest.

use bytes::Bytes;
use fanfare_core::status::{Activities, Activity, Availability};
use fanfare_core::{
    Category, EndpointId, EndpointPublication, GroupId, Identity, Limits, Network, Outcome, Policy, PolicyEdit,
    PresentityId, Scheme, Status, Tick, View, WatcherId, Who,
};
use fanfare_tests::mesh::{Heard, Mesh};

const HOUR_US: u64 = 3_600_000_000;
const CONTOSO: u64 = 40;
const EVE: PresentityId = PresentityId::new(1_001);
const CATEGORIES: [&str; 5] = ["state", "note", "calendarData", "contactCard", "services"];
const CARD: Category = Scheme::LYNC_CARD;

/// Two shards, and ken of the organisation, with a document of each category, at home on one of them.
struct Pool {
    mesh: Mesh,
    ken: PresentityId,
    scheme: Scheme,
}

fn pool() -> Pool {
    let scheme = Scheme::lync(CONTOSO);
    let mesh = Mesh::with_scheme(2, Limits::default(), scheme.clone());
    let ken = mesh.presentity_at(1, 0);
    let mut pool = Pool { mesh, ken, scheme };
    pool.is(Availability::AVAILABLE);
    pool
}

fn colleague() -> Identity {
    Identity { organisation: CONTOSO, groups: Box::from([9]), ..Identity::of(EVE) }
}

fn outsider(network: Network) -> Identity {
    Identity { organisation: 41, network, ..Identity::of(EVE) }
}

impl Pool {
    fn is(&mut self, availability: Availability) {
        let idle_since = Tick::from_micros(5);
        let doing = Activities::only(Activity::Presentation);
        let status = Status::new(availability).with_activities(doing).with_idle_since(idle_since);
        let publication = EndpointPublication::create(self.ken, EndpointId(1), status, HOUR_US);
        let publication = CATEGORIES.iter().fold(publication, |publication, name| {
            publication.with(self.scheme.category(name).unwrap(), Bytes::from_static(name.as_bytes()))
        });
        self.mesh.endpoint(0, publication).unwrap();
    }

    /// Ken's own containers: the members that they have by themselves, and these.
    fn set(&mut self, named: impl IntoIterator<Item = (Who, u16)>) {
        let usual = [
            (Who::Organisation(CONTOSO), 200),
            (Who::Network(Network::Federated), 100),
            (Who::Network(Network::PublicCloud), 100),
            (Who::Everyone, 0),
        ];
        let policy = Policy::containers(self.scheme.views(), usual.into_iter().chain(named)).unwrap();
        let outcome = self.mesh.policy(1, PolicyEdit::new(self.ken, self.ken, policy));
        assert!(matches!(outcome, Outcome::PolicyApplied { .. }), "{outcome:?}");
    }

    fn watch(&mut self, who: Identity) -> (WatcherId, GroupId) {
        let (watcher, group) = self.mesh.watcher_for(0, who);
        self.mesh.shards[0].watch(group, &[self.ken]).unwrap();
        self.mesh.settle();
        (watcher, group)
    }

    /// What this watcher is told first.
    fn first(&mut self, who: Identity) -> Heard {
        let (watcher, _) = self.watch(who);
        let mut heard = self.mesh.hear(0, watcher);
        assert_eq!((heard.len(), heard[0].first), (1, true));
        heard.remove(0)
    }

    fn container(&self, container: u16) -> View {
        self.scheme.view_of(container).unwrap()
    }
}

#[test]
fn there_are_five_categories_with_lync_s_names() {
    let scheme = Scheme::lync(CONTOSO);
    assert_eq!(scheme.categories().collect::<Vec<_>>(), CATEGORIES);
    for (number, name) in (0..).zip(CATEGORIES) {
        assert_eq!(scheme.category(name), Category::new(number));
    }
    assert_eq!((scheme.category("noteHistory"), scheme.category("contactCard")), (None, Some(CARD)));
}

#[test]
fn membership_by_enterprise_federation_cloud_and_everybody_is_as_lync_has_it() {
    let mut pool = pool();
    let members = [
        (colleague(), 200),
        (Identity { network: Network::Federated, ..colleague() }, 200),
        (outsider(Network::Federated), 100),
        (outsider(Network::PublicCloud), 100),
        (outsider(Network::Enterprise), 0),
    ];
    for (who, container) in members {
        let view = pool.first(who.clone()).view;
        assert_eq!(view, pool.container(container), "{who:?}");
    }
    // The same members are in them when the presentity has containers of its own.
    pool.set([]);
    assert_eq!(pool.first(colleague()).view, pool.container(200));
    assert_eq!(pool.first(outsider(Network::Federated)).view, pool.container(100));
    assert_eq!(pool.first(outsider(Network::Enterprise)).view, pool.container(0));
}

#[test]
fn container_0_shows_the_contact_card_and_nothing_else() {
    let mut pool = pool();
    let heard = pool.first(outsider(Network::Enterprise));
    assert_eq!(heard.parts, [(CARD, Some(b"contactCard".to_vec()))]);
}

#[test]
fn container_100_shows_the_availability_number_alone_beside_the_contact_card() {
    let mut pool = pool();
    let heard = pool.first(outsider(Network::Federated));
    assert_eq!(heard.told(), [Category::FIRST, CARD]);
    let rendition = heard.rendition();
    assert_eq!((rendition.status, rendition.entries), (Status::new(Availability::AVAILABLE), vec![]));
}

#[test]
fn containers_200_300_and_400_show_everything_and_who_may_interrupt_is_told_so() {
    for (container, do_not_disturb) in [(200, 9_500), (300, 6_900), (400, 9_500)] {
        let mut pool = pool();
        pool.set([(Who::User(EVE), container)]);
        let (eve, _) = pool.watch(colleague());
        let heard = pool.mesh.hear(0, eve).remove(0);
        assert_eq!(heard.view, pool.container(container));
        let told: Vec<_> = CATEGORIES[1..]
            .iter()
            .map(|name| heard.part(pool.scheme.category(name).unwrap()) == Some(name.as_bytes()))
            .collect();
        assert_eq!(told, [true; 4]);
        let rendition = heard.rendition();
        assert!(rendition.status.activities.contains(Activity::Presentation));
        assert_eq!((rendition.entries.len(), rendition.entries[0].document), (1, &b"state"[..]));
        pool.is(Availability::DO_NOT_DISTURB);
        let heard = pool.mesh.hear(0, eve).remove(0);
        let rendition = heard.rendition();
        assert_eq!(rendition.status.availability.get(), do_not_disturb);
        assert_eq!(
            rendition.entries[0].status.availability.get(),
            do_not_disturb,
            "no device tells what the whole hides"
        );
        pool.is(Availability::BUSY);
        assert_eq!(pool.mesh.hear(0, eve)[0].rendition().status.availability, Availability::BUSY);
    }
}

#[test]
fn container_32000_always_shows_offline_and_no_document() {
    let mut pool = pool();
    pool.set([(Who::User(EVE), 32_000)]);
    let (eve, _) = pool.watch(colleague());
    let heard = pool.mesh.hear(0, eve).remove(0);
    assert_eq!((heard.view, heard.told()), (pool.container(32_000), vec![Category::FIRST]));
    assert_eq!((heard.rendition().status, heard.rendition().entries), (Status::OFFLINE, vec![]));
    pool.is(Availability::BUSY);
    assert_eq!(pool.mesh.hear(0, eve), []);
}

#[test]
fn who_is_in_several_containers_gets_the_highest() {
    let groups = [300, 400, 32_000];
    for (by_name, by_group) in groups.iter().flat_map(|&one| groups.map(|other| (one, other))) {
        let mut pool = pool();
        pool.set([(Who::User(EVE), by_name), (Who::Group(9), by_group)]);
        assert_eq!(pool.first(colleague()).view, pool.container(by_name.max(by_group)));
    }
    let mut pool = pool();
    pool.set([(Who::User(EVE), 100)]);
    assert_eq!(pool.first(colleague()).view, pool.container(200), "a lower one takes nothing away");
}

#[test]
fn a_container_that_the_scheme_does_not_have_is_refused_when_the_policy_is_made() {
    let views = Scheme::lync(CONTOSO);
    let made = Policy::containers(views.views(), [(Who::User(EVE), 200), (Who::Everyone, 201)]);
    assert_eq!(made, Err(fanfare_core::presence::policy::UnknownContainer(201)));
}

#[test]
fn a_watcher_moved_between_containers_is_told_a_first_state_that_is_never_older() {
    let mut pool = pool();
    let (eve, group) = pool.watch(colleague());
    let mut stamp = pool.mesh.hear(0, eve).remove(0).stamp;
    for (nth, container) in [300, 400, 32_000, 300, 200, 32_000, 400].into_iter().enumerate() {
        if nth % 2 == 0 {
            pool.is(Availability::new(3_500 + nth as u16).unwrap());
        }
        pool.set([(Who::User(EVE), container)]);
        let heard = pool.mesh.hear(0, eve);
        let view = pool.container(container);
        assert_eq!((heard.len(), heard[0].view, heard[0].first), (1, view, true), "to {container}");
        assert!(heard[0].stamp >= stamp, "to {container}");
        stamp = heard[0].stamp;
        let why = pool.mesh.shards[0].explain(group, pool.ken).unwrap().unwrap();
        assert_eq!((why.view, why.is_told, why.stamp), (view, true, stamp));
    }
    pool.mesh.verify();
}

#[test]
fn the_aggregate_is_that_of_the_most_available_device_in_every_container() {
    let mut pool = pool();
    pool.set([(Who::User(EVE), 300)]);
    let (eve, _) = pool.watch(colleague());
    let (federated, _) = pool.watch(Identity { user: PresentityId::new(1_002), ..outsider(Network::Federated) });
    let phone = EndpointPublication::create(pool.ken, EndpointId(2), Status::new(Availability::AWAY), HOUR_US);
    pool.is(Availability::BUSY);
    pool.mesh.endpoint(1, phone).unwrap();
    for watcher in [eve, federated] {
        let heard = pool.mesh.hear(0, watcher).pop().unwrap();
        assert_eq!(heard.rendition().status.availability, Availability::BUSY);
    }
    let ken = pool.ken;
    pool.mesh.endpoint(1, EndpointPublication::remove(ken, EndpointId(1))).unwrap();
    for watcher in [eve, federated] {
        let heard = pool.mesh.hear(0, watcher).pop().unwrap();
        assert_eq!(heard.rendition().status.availability, Availability::AWAY);
    }
}
