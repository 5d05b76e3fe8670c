//! RFC 6446: how often a group is told at most, and at least. All by conflation.

use fanfare_core::{Bound, Error, GroupId, Limits, PresentityId, Rate, Tick, View, WatcherId};
use fanfare_tests::mesh::{Heard, Mesh};

const SECOND_US: u64 = 1_000_000;

struct Scene {
    mesh: Mesh,
    contacts: Vec<PresentityId>,
    watcher: WatcherId,
    group: GroupId,
}

impl Scene {
    /// One watcher of forty, who has been told the first state of all.
    fn new(rate: Rate) -> Self {
        let mut mesh = Mesh::new(1, Limits::default());
        let contacts: Vec<PresentityId> = (0..40).map(|nth| mesh.presentity_at(0, nth)).collect();
        let (watcher, group) = mesh.watcher(0);
        mesh.shards[0].subscribe(group, View::PLAIN, &contacts).unwrap();
        mesh.shards[0].set_rate(group, rate).unwrap();
        let mut scene = Self { mesh, contacts, watcher, group };
        assert_eq!(scene.told().len(), 40);
        scene
    }

    fn told(&mut self) -> Vec<Heard> {
        self.mesh.settle();
        self.mesh.verify();
        match self.mesh.shards[0].next_ready() {
            Some(ready) => self.mesh.hear(0, ready),
            None => Vec::new(),
        }
    }

    /// A moment later.
    fn publish(&mut self, contacts: std::ops::Range<usize>, text: &str) {
        self.mesh.now += 1;
        for nth in contacts {
            self.mesh.publish(0, self.contacts[nth], text.as_bytes());
        }
    }

    /// What is told in each of so many quarters of a second, and of whom in all.
    fn quarters(&mut self, count: usize) -> Vec<usize> {
        (0..count)
            .map(|_| {
                self.mesh.now += SECOND_US / 4;
                self.told().len()
            })
            .collect()
    }
}

#[test]
fn what_is_offered_and_not_taken_ends_no_gap() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.shards[0].set_rate(group, Rate { gap_us_min: 1_000, ..Rate::default() }).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 1);
    mesh.now = 5;
    mesh.publish(0, ken, b"open");
    mesh.settle();
    // Its frontend's socket is full, and has room a moment later.
    assert_eq!(mesh.shards[0].next_ready(), Some(watcher));
    drop(mesh.shards[0].outbox(watcher));
    mesh.now = 6;
    mesh.shards[0].writable(watcher);
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher), [], "the gap is not over");
    mesh.now = 1_000;
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 1);
    mesh.verify();
}

#[test]
fn rfc_6446_max_rate_conflates_what_comes_sooner() {
    let mut scene = Scene::new(Rate::per_second(Some(1.0), None).unwrap());
    scene.publish(0..20, "one");
    assert_eq!(scene.told(), [], "the first states were a batch");
    scene.publish(10..30, "two");
    assert_eq!(scene.quarters(4), [0, 0, 0, 30], "all that has changed meanwhile, once");
    scene.publish(0..1, "three");
    assert_eq!(scene.quarters(8), [0, 0, 0, 1, 0, 0, 0, 0]);
    scene.publish(0..1, "four");
    assert_eq!(scene.told().len(), 1, "whoever was quiet is told at once");
}

#[test]
fn a_first_state_does_not_wait_and_nobody_waits_for_it() {
    let mut scene = Scene::new(Rate { gap_us_min: SECOND_US, ..Rate::default() });
    // The last run has lanes to spare: what is new comes beside what waits.
    scene.publish(30..40, "one");
    assert_eq!(scene.told(), []);
    let due = scene.mesh.shards[0].deadline().unwrap();
    for nth in 0..4 {
        scene.mesh.now += SECOND_US / 5;
        let new = scene.mesh.presentity_at(0, 90 + nth);
        scene.mesh.shards[0].subscribe(scene.group, View::PLAIN, &[new]).unwrap();
        let heard = scene.told();
        assert_eq!(heard.iter().map(|heard| (heard.presentity, heard.first)).collect::<Vec<_>>(), [(new, true)]);
        assert_eq!(scene.mesh.shards[0].deadline(), Some(due), "those who wait, wait no longer for it");
    }
    scene.mesh.now = due.as_micros();
    assert_eq!(scene.told().len(), 10);
}

#[test]
fn a_batch_that_is_cut_goes_on() {
    let mut scene = Scene::new(Rate { gap_us_min: SECOND_US, ..Rate::default() });
    scene.mesh.now += SECOND_US;
    scene.publish(0..40, "new");
    scene.mesh.settle();
    for left in [30, 20, 10, 0] {
        scene.mesh.now += 1;
        let ready = scene.mesh.shards[0].next_ready().unwrap_or_else(|| panic!("{left} are left to be told"));
        assert_eq!(scene.mesh.hear_some(0, ready, 10).len(), 10);
        scene.mesh.shards[0].writable(ready);
        scene.mesh.verify();
        assert_eq!(scene.mesh.shards[0].pending(), left);
    }
    scene.publish(0..1, "newer");
    assert_eq!(scene.told(), []);
}

#[test]
fn what_cannot_be_told_again_is_asked_for_once() {
    let mut scene = Scene::new(Rate { gap_us_max: 1_000, adaptive_us: 64_000, ..Rate::default() });
    scene.mesh.shards[0].set_active(scene.watcher, false).unwrap();
    scene.mesh.now += 100_000;
    assert_eq!(scene.told(), []);
    assert_eq!(scene.mesh.shards[0].deadline(), None, "nothing is due of who is told nothing");
    scene.mesh.shards[0].set_active(scene.watcher, true).unwrap();
    assert_eq!(scene.told().len(), 40);
    assert!(scene.mesh.shards[0].deadline().is_some(), "and again in time");
}

#[test]
fn what_waits_for_a_rate_is_let_go_with_it_and_ends_with_its_subscription() {
    let slow = Rate { gap_us_min: SECOND_US, ..Rate::default() };
    let mut scene = Scene::new(slow);
    scene.publish(0..40, "new");
    assert_eq!(scene.told(), []);
    let some = scene.contacts[..16].to_vec();
    assert_eq!(scene.mesh.shards[0].unsubscribe(scene.group, &some).unwrap(), 16);
    scene.mesh.verify();
    scene.mesh.shards[0].set_rate(scene.group, Rate::default()).unwrap();
    assert_eq!(scene.told().len(), 24, "as changes come");
    scene.mesh.shards[0].set_rate(scene.group, slow).unwrap();
    scene.publish(16..40, "newer");
    assert_eq!(scene.told().len(), 24, "a rate that has just begun has had no batch");
    scene.publish(16..40, "newest");
    assert_eq!(scene.told(), []);
    assert!(scene.mesh.shards[0].close_group(scene.group));
    scene.mesh.verify();
    assert_eq!(scene.told(), []);
    assert!(scene.mesh.shards[0].close_watcher(scene.watcher));
    let counters = scene.mesh.shards[0].counters();
    assert_eq!(counters.owed, counters.delivered + counters.skipped + counters.cancelled, "{counters:?}");
}

#[test]
fn rfc_6446_min_rate_tells_all_again_when_nothing_was_told_for_so_long() {
    let mut scene = Scene::new(Rate::per_second(None, Some(1.0)).unwrap());
    assert_eq!(scene.quarters(8), [0, 0, 0, 40, 0, 0, 0, 40]);
    let heard = scene.quarters(2);
    scene.publish(3..4, "new");
    assert_eq!((heard, scene.told().len()), (vec![0, 0], 1));
    assert_eq!(scene.quarters(4), [0, 0, 0, 40], "counted from what was told last");
    assert_eq!(scene.mesh.shards[0].counters().repeated, 120);
    // The same again, in answer to the rate, and not as a change.
    scene.mesh.now += SECOND_US;
    let heard = scene.told();
    assert!(heard.iter().all(|heard| heard.first && heard.skipped == 0), "{heard:?}");
    assert!(heard.iter().filter(|heard| heard.document.as_deref() == Some(b"new")).count() == 1);
    let counters = scene.mesh.shards[0].counters();
    assert_eq!(counters.owed, counters.delivered, "repeats stand outside");
}

#[test]
fn rfc_6446_adaptive_min_rate_is_a_mean() {
    // Ten batches a period of ten seconds; each change makes the next repeat come later.
    let gap_us_max = SECOND_US;
    let mut scene = Scene::new(Rate { gap_us_max, adaptive_us: 10 * SECOND_US, ..Rate::default() });
    let batches = |scene: &mut Scene, seconds: usize, changes: usize| {
        let mut batches = 0;
        for quarter in 0..4 * seconds {
            if changes != 0 && quarter % (4 / changes) == 0 {
                scene.publish(0..1, &quarter.to_string());
                batches += usize::from(!scene.told().is_empty());
            }
            scene.mesh.now += SECOND_US / 4;
            batches += usize::from(!scene.told().is_empty());
        }
        batches
    };
    let quiet = batches(&mut scene, 60, 0);
    assert!((45..=80).contains(&quiet), "about one a second: {quiet}");
    let busy = batches(&mut scene, 60, 4);
    assert!((240..=260).contains(&busy), "as changes come, and next to no repeats: {busy}");
    scene.mesh.now += 10 * SECOND_US;
    assert_eq!(scene.told().len(), 40, "after a period without any there are none to count");
}

#[test]
fn rates_that_nobody_can_keep_are_refused() {
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e6] {
        assert!(matches!(Rate::per_second(Some(rate), None), Err(Error::Rate(_))), "{rate}");
        assert!(matches!(Rate::per_second(None, Some(rate)), Err(Error::Rate(_))), "{rate}");
    }
    let mut mesh = Mesh::new(1, Limits { paces: 1, ..Limits::default() });
    let (watcher, group) = mesh.watcher(0);
    let beyond = Rate::per_second(None, Some(1e-9)).unwrap();
    let crossed = Rate::per_second(Some(1.0), Some(2.0)).unwrap();
    let period = Rate { gap_us_max: 2_000, adaptive_us: 2_000, ..Rate::default() };
    for adaptive_us in [2_000, 128_000] {
        mesh.shards[0].set_rate(group, Rate { adaptive_us, ..period }).unwrap();
    }
    let (brief, long) = (Rate { adaptive_us: 1_999, ..period }, Rate { adaptive_us: 128_001, ..period });
    let often = Rate { gap_us_max: 999, ..Rate::default() };
    for rate in [beyond, crossed, brief, long, often, Rate { gap_us_max: 0, ..period }] {
        assert!(matches!(mesh.shards[0].set_rate(group, rate), Err(Error::Rate(_))), "{rate:?}");
    }
    mesh.shards[0].set_rate(group, Rate { gap_us_min: 7, ..Rate::default() }).unwrap();
    assert_eq!(mesh.shards[0].pace_watcher(watcher, 7), Err(Error::Limit { bound: Bound::Paces, limit: 1 }));
    mesh.shards[0].set_rate(group, Rate::default()).unwrap();
    mesh.shards[0].pace_watcher(watcher, 7).unwrap();
    assert!(mesh.shards[0].close_group(group));
    assert_eq!(mesh.shards[0].set_rate(group, Rate::default()), Err(Error::NoSuchGroup(group)));
    assert!(mesh.shards[0].close_watcher(watcher));
    let (other, group) = mesh.watcher(0);
    mesh.shards[0].set_rate(group, Rate { gap_us_min: 7, ..Rate::default() }).unwrap();
    assert_eq!(
        mesh.shards[0].step(Tick::from_micros(1), 1).deadline,
        None,
        "nothing is due of one who waits for nothing"
    );
    assert!(mesh.shards[0].close_watcher(other));
    mesh.verify();
}
