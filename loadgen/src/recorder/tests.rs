//! The recorder, told what an engine would tell it, and what one never should.

use super::*;
use crate::payload::Header;
use fanfare::presence::rendition::Entry;
use fanfare::{Rendition, Scheme};

fn of(slot: usize, user: u32) -> Followed {
    Followed { slot, watcher: slot as u32, user }
}

struct Rig {
    recorder: Recorder,
    log: Arc<PublicationLog>,
    press: Press,
    last: u32,
    version: u32,
}

impl Rig {
    /// One user, 7, with three watchers on one shard in slots 0 to 2, all of which know version 1.
    fn new() -> Self {
        let log = Arc::new(PublicationLog::new(1, 8, 8));
        let mut recorder = Recorder::new(0, Arc::clone(&log), 8, 3, Sample::ALL);
        recorder.watch(7, Sight::Plain, 3);
        recorder.begin_latencies(0, Intervals::default());
        let mut rig = Self { recorder, log, press: Press::new(), last: NO_INDEX, version: 1 };
        let first = rig.press.document(&Header { user: 7, version: 1, plan_us: 0, index: NO_INDEX }, 64);
        (0..3).for_each(|slot| rig.told(0, slot, true, None, &first));
        rig
    }

    fn publish(&mut self, plan_us: u64) -> bytes::Bytes {
        let index = PublicationLog::index(0, u64::from(self.version));
        let opening = Opening { plan_us, user: 7, previous: self.last, watchers: 3, wide: true, measured: true };
        assert!(self.log.open(index, &opening));
        self.version += 1;
        self.last = index;
        self.press.document(&Header { user: 7, version: self.version, plan_us, index }, 64)
    }

    fn told(&mut self, now_us: u64, slot: usize, first: bool, skipped: Option<u32>, document: &[u8]) {
        let known = Header::read(document).map(|header| header.version);
        let receipt = Receipt { now_us, of: of(slot, 7), sight: Sight::Plain, counts: true, first, known, skipped };
        self.recorder.note(&receipt, std::iter::once((Category::FIRST, document)));
        self.recorder.settle();
    }
}

#[test]
fn a_skipped_version_counts_from_its_own_plan() {
    let mut rig = Rig::new();
    let two = rig.publish(1_000);
    rig.told(1_100, 0, false, Some(0), &two);
    let three = rig.publish(5_000);
    // Slot 0 saw both; slots 1 and 2 hear of version 3 only, long after version 2 was due.
    for (slot, skipped) in [(0, 0), (1, 1), (2, 1)] {
        rig.told(6_000 + slot as u64, slot, false, Some(skipped), &three);
    }
    assert_eq!(rig.recorder.tally().faults, Faults::default());
    assert_eq!(rig.recorder.tally().skipped, 2);
    let latency = rig.recorder.take_latencies().from_plan;
    let (first, last) = (latency.first.quantiles(), latency.last.quantiles());
    assert_eq!((last.count, first.count), (2, 2));
    // Version 2: first 100, last 5,002. Version 3: first 1,000, last 1,002. To three digits.
    assert!((100..=101).contains(&first.p50) && (1_000..=1_001).contains(&first.max), "{first:?}");
    assert!((1_002..=1_003).contains(&last.p50) && (5_000..=5_004).contains(&last.max), "{last:?}");
    assert_eq!(rig.log.ended(0), 2);
}

#[test]
fn what_is_told_before_a_late_shard_hears_that_its_point_has_begun_is_counted_there() {
    let mut rig = Rig::new();
    let (left_over, last) = (rig.publish(1_000), rig.publish(1_500));
    rig.told(2_000, 0, false, Some(0), &left_over);
    assert_eq!(rig.recorder.take_latencies().from_plan.last.quantiles().count, 0);
    // What was left over from the point that is over is nobody's; what is due in the next one is its own.
    let early = rig.publish(3_000);
    (0..3).for_each(|slot| rig.told(3_100, slot, false, None, &last));
    (0..3).for_each(|slot| rig.told(3_200, slot, false, None, &early));
    rig.recorder.begin_latencies(3_000, Intervals::over(3_000, 103_000));
    let latencies = rig.recorder.take_latencies();
    assert_eq!(latencies.from_plan.last.quantiles().count, 1);
    assert_eq!(latencies.timeline.times().iter().map(|[_, _, last]| last.len()).sum::<u64>(), 1);
}

#[test]
fn what_must_not_be_is_counted() {
    let mut rig = Rig::new();
    let (two, three) = (rig.publish(0), rig.publish(0));
    rig.told(1, 0, false, Some(1), &three);
    rig.told(2, 0, false, Some(0), &two);
    rig.told(3, 0, false, Some(0), &three);
    rig.told(4, 1, false, Some(0), &three);
    rig.told(5, 2, false, None, &three[..40]);
    rig.recorder.note(
        &Receipt {
            now_us: 6,
            of: of(2, 6),
            sight: Sight::Plain,
            counts: true,
            first: false,
            known: Some(3),
            skipped: None,
        },
        std::iter::once((Category::FIRST, &three[..])),
    );
    let nothing = Receipt {
        now_us: 7,
        of: of(2, 7),
        sight: Sight::Plain,
        counts: true,
        first: false,
        known: Some(3),
        skipped: None,
    };
    rig.recorder.note(&nothing, std::iter::empty());
    let expected = Faults { backwards: 1, repeated: 1, untrue: 2, stateless: 1, miscounted: 1, ..Faults::default() };
    assert_eq!(rig.recorder.tally().faults, expected);
}

#[test]
fn the_newest_of_several_parts_counts() {
    let mut rig = Rig::new();
    let (two, three) = (rig.publish(0), rig.publish(0));
    let receipt = Receipt {
        now_us: 9,
        of: of(0, 7),
        sight: Sight::Plain,
        counts: true,
        first: false,
        known: Some(3),
        skipped: Some(1),
    };
    rig.recorder.note(&receipt, [&three[..], &two[..]].map(|document| (Category::FIRST, document)).into_iter());
    rig.recorder.settle();
    assert_eq!(rig.recorder.seen(&of(0, 7)), 3);
    assert_eq!(rig.recorder.tally().faults, Faults::default());
}

/// Wide publications of user 7, whom one colleague watches (slot 0) and one federated user (slot 1).
struct Composed {
    recorder: Recorder,
    log: Arc<PublicationLog>,
    press: Press,
    last: u32,
    version: u32,
}

impl Composed {
    fn new() -> Self {
        let log = Arc::new(PublicationLog::new(1, 8, 8));
        let mut recorder = Recorder::new(0, Arc::clone(&log), 8, 2, Sample::ALL);
        recorder.watch(7, Sight::Whole, 1);
        recorder.watch(7, Sight::Number, 1);
        recorder.begin_latencies(0, Intervals::default());
        log.set_newest_wide(7, Mark { version: 1, index: NO_INDEX });
        let mut composed = Self { recorder, log, press: Press::new(), last: NO_INDEX, version: 1 };
        let first = composed.press.document(&Header { user: 7, version: 1, plan_us: 0, index: NO_INDEX }, 64);
        composed.told(0, Sight::Whole, true, None, (Category::FIRST, &whole(1, &first)));
        composed.told(1, Sight::Number, true, None, (Category::FIRST, &number(1)));
        composed
    }

    fn publish(&mut self, wide: bool) -> bytes::Bytes {
        let index = PublicationLog::index(0, u64::from(self.version));
        let watchers = 1 + u32::from(wide);
        let opening = Opening { plan_us: 0, user: 7, previous: self.last, watchers, wide, measured: true };
        assert!(self.log.open(index, &opening));
        (self.version, self.last) = (self.version + 1, index);
        if wide {
            self.log.set_newest_wide(7, Mark { version: self.version, index });
        }
        self.press.document(&Header { user: 7, version: self.version, plan_us: 0, index }, 64)
    }

    fn told(&mut self, slot: usize, sight: Sight, first: bool, skipped: Option<u32>, part: (Category, &[u8])) {
        let receipt = Receipt { now_us: 9, of: of(slot, 7), sight, counts: true, first, known: None, skipped };
        self.recorder.note(&receipt, std::iter::once(part));
        self.recorder.settle();
    }

    fn faults(&self) -> Faults {
        self.recorder.tally().faults
    }
}

fn whole(version: u32, document: &[u8]) -> Vec<u8> {
    let status = presence::status_of(version);
    Rendition { status, entries: vec![Entry { endpoint: presence::SHOWN, status, document }] }.to_bytes()
}

fn number(version: u32) -> Vec<u8> {
    Rendition { status: presence::status_of(version), entries: Vec::new() }.to_bytes()
}

#[test]
fn those_outside_are_counted_for_what_is_wide_and_for_nothing_else() {
    let mut run = Composed::new();
    let two = run.publish(true);
    let note = run.publish(false);
    let card = run.publish(true);
    let five = run.publish(true);
    run.told(0, Sight::Whole, false, Some(0), (Category::FIRST, &whole(2, &two)));
    run.told(0, Sight::Whole, false, Some(0), (Category::numbered(1), &note));
    run.told(0, Sight::Whole, false, Some(0), (Scheme::LYNC_CARD, &card));
    assert_eq!(run.log.ended(0), 1, "only the note was for the colleague alone");
    // Two of the three wide ones; the note between them is none of his.
    run.told(1, Sight::Number, false, Some(1), (Scheme::LYNC_CARD, &card));
    run.told(1, Sight::Number, false, Some(0), (Category::FIRST, &number(5)));
    run.told(0, Sight::Whole, false, Some(0), (Category::FIRST, &whole(5, &five)));
    assert_eq!((run.log.ended(0), run.faults()), (4, Faults::default()));
    assert_eq!((run.recorder.seen(&of(0, 7)), run.recorder.seen(&of(1, 7))), (5, 5));
    assert_eq!(run.recorder.take_latencies().from_plan.last.quantiles().count, 4);
    run.told(1, Sight::Number, false, Some(0), (Category::FIRST, &number(5)));
    run.told(1, Sight::Number, false, Some(0), (Category::numbered(1), &note));
    run.told(1, Sight::Number, false, Some(0), (Category::FIRST, &number(9)));
    assert_eq!(run.faults(), Faults { repeated: 1, denied: 1, stray: 1, ..Faults::default() });
}

#[test]
fn who_is_moved_to_another_view_may_be_told_again_but_nothing_older() {
    let mut run = Composed::new();
    let (two, three) = (run.publish(false), run.publish(false));
    run.told(0, Sight::Whole, false, Some(0), (Category::numbered(1), &two));
    run.told(0, Sight::Urgent, true, Some(0), (Category::numbered(1), &two));
    assert_eq!(run.faults(), Faults::default());
    // What he missed in the view that he left was cancelled there; here it counts as received all the same.
    let four = run.publish(false);
    run.told(0, Sight::Whole, true, Some(0), (Category::numbered(1), &four));
    assert_eq!((run.faults(), run.log.ended(0)), (Faults::default(), 3));
    run.told(0, Sight::Urgent, true, Some(0), (Category::numbered(1), &three));
    assert_eq!(run.faults(), Faults { backwards: 1, ..Faults::default() });
    assert_eq!(run.recorder.seen(&of(0, 7)), 4);
}

#[test]
fn what_is_told_again_to_those_outside_may_be_older_than_the_card_that_they_have_seen() {
    let mut run = Composed::new();
    run.publish(true);
    let card = run.publish(true);
    run.told(1, Sight::Number, false, Some(0), (Category::FIRST, &number(2)));
    run.told(1, Sight::Number, false, Some(0), (Scheme::LYNC_CARD, &card));
    assert_eq!(run.recorder.seen(&of(1, 7)), 3);
    run.told(1, Sight::Number, true, Some(0), (Category::FIRST, &number(2)));
    assert_eq!((run.recorder.seen(&of(1, 7)), run.faults()), (3, Faults::default()));
    // What is no first state is never older.
    run.told(1, Sight::Number, false, Some(0), (Category::FIRST, &number(2)));
    assert_ne!(run.faults(), Faults::default());
}
