//! What RFC 3903 asks of a home that takes publications, and RFC 4827 of one that keeps hard state under them.

use bytes::Bytes;
use fanfare_core::presence::composition::LastWrite;
use fanfare_core::status::Availability;
use fanfare_core::{
    Bound, Category, Decision, EndpointId, EndpointPublication, EntityTag, Error, Heap, Identity, Limits, Outcome,
    PartEdit, PresentityId, Publication, Refusal, Scheme, Shard, ShardConfig, Status, Tick, WatcherId,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;
const STATE: Category = Category::FIRST;
const NOTE: Category = Category::numbered(1);
const CALENDAR: Category = Category::numbered(2);
const DESK: EndpointId = EndpointId(1);
const PHONE: EndpointId = EndpointId(2);
const HARD_CARD: (EndpointId, &[u8]) = (EndpointId::HARD, b"a card");

/// Two shards, ken at home on one of them, and somebody on the other who sees everything of him.
struct Office {
    mesh: Mesh,
    ken: PresentityId,
    bob: WatcherId,
}

fn office(limits: Limits) -> Office {
    let names = ["state", "note", "calendar"];
    let scheme = Scheme::open_and_offline(&names, LastWrite, Decision::Show(Scheme::OPEN)).unwrap();
    let mut mesh = Mesh::with_scheme(2, limits, scheme);
    let ken = mesh.presentity_at(1, 0);
    let (bob, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(1_001)));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    // The first state of one who never was here is that there is none.
    assert_eq!(mesh.hear(0, bob)[0].parts, []);
    Office { mesh, ken, bob }
}

impl Office {
    fn says(&mut self, publication: EndpointPublication) -> Result<fanfare_core::Accepted, Refusal> {
        self.mesh.endpoint(0, publication)
    }

    fn create(&self, endpoint: EndpointId, availability: Availability) -> EndpointPublication {
        EndpointPublication::create(self.ken, endpoint, Status::new(availability), HOUR_US)
    }

    fn refresh(&self, endpoint: EndpointId, tag: EntityTag) -> EndpointPublication {
        EndpointPublication::refresh(self.ken, endpoint, tag, HOUR_US)
    }

    /// The availabilities that bob was told, one for each note.
    fn told(&mut self) -> Vec<Availability> {
        self.mesh.hear(0, self.bob).iter().map(|heard| heard.rendition().status.availability).collect()
    }

    fn pass(&mut self, micros: u64) {
        self.mesh.now += micros;
        self.mesh.settle();
    }
}

fn edit(category: Category, text: &'static str, version: Option<u32>) -> PartEdit {
    PartEdit { category, document: Some(Bytes::from_static(text.as_bytes())), version }
}

#[test]
fn a_publication_is_created_refreshed_without_a_body_modified_and_removed() {
    let mut office = office(Limits::default());
    let created = office.says(office.create(DESK, Availability::AVAILABLE)).unwrap();
    assert_eq!((created.absorbed, created.expires), (false, Tick::from_micros(HOUR_US)));
    assert_eq!(office.told(), [Availability::AVAILABLE]);

    office.pass(HOUR_US / 2);
    let refreshed = office.says(office.refresh(DESK, created.tag)).unwrap();
    assert_eq!((refreshed.absorbed, refreshed.expires), (true, Tick::from_micros(HOUR_US / 2 + HOUR_US)));
    // Past the first expiry and before the second nothing has happened that anybody would have to hear of.
    office.pass(HOUR_US / 2 + 1);
    assert_eq!(office.told(), []);

    let modified = office.create(DESK, Availability::BUSY).if_match(refreshed.tag);
    let modified = office.says(modified).unwrap();
    assert_eq!(office.told(), [Availability::BUSY]);

    let removal = EndpointPublication::remove(office.ken, DESK).if_match(modified.tag);
    assert!(!office.says(removal).unwrap().absorbed);
    assert_eq!(office.told(), [Availability::OFFLINE]);
    office.mesh.verify();
}

#[test]
fn a_publication_that_is_not_refreshed_expires_and_that_is_told() {
    let mut office = office(Limits::default());
    office.says(office.create(DESK, Availability::AVAILABLE)).unwrap();
    assert_eq!(office.told(), [Availability::AVAILABLE]);
    office.pass(HOUR_US - 1);
    assert_eq!(office.told(), []);
    office.pass(1);
    assert_eq!(office.told(), [Availability::OFFLINE]);
    office.mesh.verify();
}

#[test]
fn a_stale_tag_is_refused_with_the_current_one() {
    let mut office = office(Limits::default());
    let first = office.says(office.create(DESK, Availability::AVAILABLE)).unwrap().tag;
    let second = office.says(office.create(DESK, Availability::BUSY).if_match(first)).unwrap().tag;
    assert_eq!(office.told(), [Availability::BUSY]);
    let stale = [
        office.refresh(DESK, first),
        office.create(DESK, Availability::AWAY).if_match(first),
        EndpointPublication::remove(office.ken, DESK).if_match(first),
    ];
    for publication in stale {
        assert_eq!(office.says(publication), Err(Refusal::StaleTag { current: Some(second) }));
    }
    assert_eq!(office.told(), [], "what is refused has changed nothing");
    assert!(office.says(office.refresh(DESK, second)).is_ok());
}

#[test]
fn a_tag_of_what_expired_or_was_removed_matches_nothing() {
    let mut office = office(Limits::default());
    let tag = office.says(office.create(DESK, Availability::AVAILABLE)).unwrap().tag;
    office.pass(HOUR_US);
    assert_eq!(office.says(office.refresh(DESK, tag)), Err(Refusal::StaleTag { current: None }));
    let tag = office.says(office.create(DESK, Availability::AVAILABLE)).unwrap().tag;
    office.says(EndpointPublication::remove(office.ken, DESK)).unwrap();
    assert_eq!(office.says(office.refresh(DESK, tag)), Err(Refusal::StaleTag { current: None }));
}

#[test]
fn tags_rise_and_none_comes_twice_after_a_restart_either() {
    let mut tags = Vec::new();
    for epoch in 0..3 {
        let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Block).unwrap().into();
        let mut shard = Shard::new(ShardConfig { epoch, scheme, ..ShardConfig::new(0, 1) }, Heap).unwrap();
        for nth in 0..20u64 {
            let ken = PresentityId::new(nth % 3);
            let status = Status::new(Availability::AVAILABLE);
            shard.publish_endpoint(EndpointPublication::create(ken, EndpointId(nth % 2), status, HOUR_US)).unwrap();
            shard.step(Tick::from_micros(nth), 1_024);
            let Some((_, Outcome::Accepted(accepted))) = shard.next_outcome() else { panic!("accepted") };
            tags.push(accepted.tag);
        }
    }
    assert!(tags.windows(2).all(|pair| pair[0] < pair[1]), "{tags:?}");
}

#[test]
fn a_lifetime_that_is_too_short_is_refused_with_the_least_and_one_too_long_is_granted_the_most() {
    let limits = Limits { lifetime_us_min: 1_000, lifetime_us_max: 9_000, ..Limits::default() };
    let mut office = office(limits);
    let lasting = |lifetime_us, office: &Office| EndpointPublication {
        lifetime_us,
        ..office.create(DESK, Availability::AVAILABLE)
    };
    assert_eq!(office.says(lasting(999, &office)), Err(Refusal::TooBrief { least_us: 1_000 }));
    assert_eq!(office.told(), []);
    assert_eq!(office.says(lasting(1_000, &office)).unwrap().expires, Tick::from_micros(1_000));
    assert_eq!(office.says(lasting(9_001, &office)).unwrap().expires, Tick::from_micros(9_000));
    office.told();
    office.pass(9_000);
    assert_eq!(office.told(), [Availability::OFFLINE], "what was granted is what counts");
}

#[test]
fn hard_state_stands_under_soft_state_and_has_no_expiry() {
    let mut office = office(Limits::default());
    let hard = vec![edit(STATE, "a card", None), edit(NOTE, "write to me", None)];
    let accepted = office.says(EndpointPublication::hard(office.ken, hard)).unwrap();
    assert_eq!(accepted.expires, Tick::NEVER);
    let heard = office.mesh.hear(0, office.bob).pop().unwrap();
    assert_eq!((heard.rendition().entries[0].endpoint, heard.rendition().entries[0].document), HARD_CARD);
    assert_eq!(heard.part(NOTE), Some(&b"write to me"[..]));

    let soft = office.create(DESK, Availability::AVAILABLE).with(NOTE, Bytes::from_static(b"at the desk"));
    office.says(soft).unwrap();
    let heard = office.mesh.hear(0, office.bob).pop().unwrap();
    let shown: Vec<_> = heard.rendition().entries.iter().map(|entry| entry.endpoint).collect();
    assert_eq!((shown, heard.part(NOTE)), (vec![DESK], Some(&b"at the desk"[..])));

    // Years later only the device's word has gone.
    office.pass(400 * 24 * HOUR_US);
    let heard = office.mesh.hear(0, office.bob).pop().unwrap();
    assert_eq!((heard.rendition().entries[0].endpoint, heard.rendition().entries[0].document), HARD_CARD);
    assert_eq!(heard.part(NOTE), Some(&b"write to me"[..]));

    office.says(EndpointPublication::remove(office.ken, EndpointId::HARD)).unwrap();
    let heard = office.mesh.hear(0, office.bob).pop().unwrap();
    assert_eq!(heard.parts, [(STATE, None), (NOTE, None)]);
    office.mesh.verify();
}

#[test]
fn a_device_with_a_note_of_its_own_hides_the_hard_note_and_one_without_shows_it() {
    let mut office = office(Limits::default());
    office.says(EndpointPublication::hard(office.ken, vec![edit(NOTE, "on holiday", None)])).unwrap();
    office.says(office.create(DESK, Availability::AVAILABLE)).unwrap();
    assert_eq!(office.mesh.hear(0, office.bob).pop().unwrap().part(NOTE), Some(&b"on holiday"[..]));
    // A later publication of the desk that says nothing of the note leaves the hard one where it was.
    office.says(office.create(DESK, Availability::BUSY)).unwrap();
    assert_eq!(office.mesh.hear(0, office.bob).pop().unwrap().told(), [STATE]);
}

#[test]
fn more_endpoints_than_there_may_be_are_refused_and_hard_state_is_none_of_them() {
    let mut office = office(Limits { endpoints_per_presentity: 2, ..Limits::default() });
    office.says(EndpointPublication::hard(office.ken, vec![edit(NOTE, "hard", None)])).unwrap();
    for endpoint in [DESK, PHONE] {
        office.says(office.create(endpoint, Availability::AVAILABLE)).unwrap();
    }
    let third = EndpointId(3);
    let refusal = Refusal::Limit { bound: Bound::Endpoints, limit: 2 };
    assert_eq!(office.says(office.create(third, Availability::AVAILABLE)), Err(refusal));
    office.says(office.create(PHONE, Availability::BUSY)).unwrap();
    office.says(EndpointPublication::remove(office.ken, PHONE)).unwrap();
    assert!(office.says(office.create(third, Availability::AVAILABLE)).is_ok());
}

#[test]
fn a_document_that_is_too_long_and_a_category_that_nobody_named_are_refused_at_once() {
    let mut office = office(Limits { document_bytes: 4, ..Limits::default() });
    let long = office.create(DESK, Availability::AVAILABLE).with(NOTE, Bytes::from_static(b"12345"));
    let refused = Error::Limit { bound: Bound::DocumentBytes, limit: 4 };
    assert_eq!(office.mesh.shards[0].publish_endpoint(long), Err(refused));
    let unnamed = Category::numbered(3);
    let unknown = office.create(DESK, Availability::AVAILABLE).with(unnamed, Bytes::from_static(b"1"));
    assert_eq!(office.mesh.shards[0].publish_endpoint(unknown), Err(Error::UnknownCategory(unnamed)));
    assert!(office.says(office.create(DESK, Availability::AVAILABLE).with(NOTE, Bytes::from_static(b"1234"))).is_ok());
}

#[test]
fn an_endpoint_that_publishes_nothing_has_nothing_to_be_refreshed_or_changed() {
    let mut office = office(Limits::default());
    let change = EndpointPublication { status: None, ..office.create(DESK, Availability::AVAILABLE) };
    assert_eq!(office.says(change.clone()), Err(Refusal::NoSuchEndpoint(DESK)));
    assert_eq!(office.says(change.with(NOTE, Bytes::from_static(b"n"))), Err(Refusal::NoSuchEndpoint(DESK)));
    let never_given = office.refresh(DESK, EntityTag::from_bits(77));
    assert_eq!(office.says(never_given), Err(Refusal::StaleTag { current: None }));
    assert!(office.says(EndpointPublication::remove(office.ken, DESK)).unwrap().absorbed);
    assert_eq!(office.told(), []);
}

#[test]
fn two_devices_that_edit_one_hard_note_cannot_overwrite_each_other_unseen() {
    let mut office = office(Limits::default());
    let write = |text, version| vec![edit(NOTE, text, Some(version))];
    let stale = |current| Err(Refusal::StaleVersion { category: NOTE, current });
    assert_eq!(office.says(EndpointPublication::hard(office.ken, write("of nothing", 1))), stale(0));
    assert!(office.says(EndpointPublication::hard(office.ken, write("desk's", 0))).is_ok());
    assert_eq!(office.says(EndpointPublication::hard(office.ken, write("phone's", 0))), stale(1));
    assert_eq!(office.mesh.hear(0, office.bob).pop().unwrap().part(NOTE), Some(&b"desk's"[..]));
    assert!(office.says(EndpointPublication::hard(office.ken, write("phone's, merged", 1))).is_ok());
    assert_eq!(office.says(EndpointPublication::hard(office.ken, write("desk's again", 1))), stale(2));
    // Another category has versions of its own, and to take a document away is a write like any other.
    let away = PartEdit { category: NOTE, document: None, version: Some(2) };
    let parts = vec![away, edit(CALENDAR, "free", Some(0))];
    assert!(office.says(EndpointPublication::hard(office.ken, parts)).is_ok());
    assert_eq!(office.says(EndpointPublication::hard(office.ken, write("back", 0))), stale(3));
    let heard = office.mesh.hear(0, office.bob).pop().unwrap();
    assert_eq!((heard.part(NOTE), heard.part(CALENDAR)), (None, Some(&b"free"[..])));
}

#[test]
fn a_change_of_one_category_does_not_send_the_others_again() {
    let mut office = office(Limits::default());
    let all = office.create(DESK, Availability::AVAILABLE);
    let all = all.with(NOTE, Bytes::from_static(b"one")).with(CALENDAR, Bytes::from_static(b"free"));
    let tag = office.says(all).unwrap().tag;
    assert_eq!(office.mesh.hear(0, office.bob).pop().unwrap().told(), [STATE, NOTE, CALENDAR]);
    let change = EndpointPublication { status: None, ..office.refresh(DESK, tag) };
    let tag = office.says(change.with(NOTE, Bytes::from_static(b"two"))).unwrap().tag;
    let heard = office.mesh.hear(0, office.bob);
    assert_eq!((heard.len(), heard[0].parts.clone()), (1, vec![(NOTE, Some(b"two".to_vec()))]));
    office.says(office.create(DESK, Availability::BUSY).if_match(tag)).unwrap();
    assert_eq!(office.mesh.hear(0, office.bob).pop().unwrap().told(), [STATE]);
}

#[test]
fn who_has_gone_is_shown_as_last_seen_then_and_forgotten_when_that_is_long_ago() {
    let mut office = office(Limits { last_seen_us: 5 * HOUR_US, ..Limits::default() });
    for endpoint in [DESK, PHONE] {
        office.says(office.create(endpoint, Availability::AVAILABLE)).unwrap();
    }
    office.told();
    office.mesh.now = 700;
    office.says(EndpointPublication::remove(office.ken, PHONE)).unwrap();
    office.says(EndpointPublication::remove(office.ken, DESK)).unwrap();
    let last_seen = Status::offline_since(Tick::from_micros(700));
    assert_eq!(office.mesh.hear(0, office.bob).pop().unwrap().rendition().status, last_seen);
    office.pass(5 * HOUR_US - 1);
    assert_eq!(office.told(), []);
    office.pass(1);
    assert_eq!(office.mesh.hear(0, office.bob).pop().unwrap().parts, [(STATE, None)]);
    assert_eq!(office.mesh.shards[1].population().states, 0);
    office.mesh.verify();
}

#[test]
fn states_are_either_composed_or_set_directly_and_never_both() {
    let mut office = office(Limits::default());
    let ken = office.ken;
    let by_hand = Publication::plain(ken, Bytes::from_static(b"by hand"));
    assert_eq!(office.mesh.shards[0].publish(by_hand.clone()), Err(Error::Composed));

    let mut mesh = Mesh::with_scheme(1, Limits::default(), Scheme::plain());
    let publication = EndpointPublication::create(ken, DESK, Status::new(Availability::BUSY), HOUR_US);
    assert_eq!(mesh.shards[0].publish_endpoint(publication), Err(Error::NotComposed));
    assert!(mesh.shards[0].publish(by_hand).is_ok());
}

#[test]
fn a_new_publication_moves_the_versions_of_what_it_takes_away() {
    let mut office = office(Limits::default());
    let note = Bytes::from_static(b"one");
    office.says(office.create(DESK, Availability::AVAILABLE).with(NOTE, note)).unwrap();
    office.says(office.create(DESK, Availability::AVAILABLE)).unwrap();
    let edit = PartEdit { category: NOTE, document: Some(Bytes::from_static(b"two")), version: Some(1) };
    let change =
        EndpointPublication { status: None, parts: vec![edit.clone()], ..office.create(DESK, Availability::AVAILABLE) };
    assert_eq!(office.says(change), Err(Refusal::StaleVersion { category: NOTE, current: 2 }));
    // And one that names a category twice is not taken at all: which of the two would it be?
    let twice = EndpointPublication::hard(office.ken, vec![edit.clone(), edit]);
    assert_eq!(office.mesh.shards[0].publish_endpoint(twice), Err(Error::CategoryTwice(NOTE)));
}
