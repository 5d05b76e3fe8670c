//! Runs too large to follow every subscription follow a seeded part, and what is not followed is still accounted for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use fanfare::Category;
use fanfare_loadgen::args::{Cli, Verb};
use fanfare_loadgen::crew::{Answer, Checked, Crew, CrewPlan, Order};
use fanfare_loadgen::host::Host;
use fanfare_loadgen::payload::{Header, Press};
use fanfare_loadgen::plan;
use fanfare_loadgen::population::{Kind, Population, Scratch, Traits};
use fanfare_loadgen::presence::Sight;
use fanfare_loadgen::recorder::{Followed, NO_INDEX, Opening, PublicationLog, Receipt, Recorder};
use fanfare_loadgen::report::{Report, json, screen};
use fanfare_loadgen::sample::{ONE_IN, Sample};
use fanfare_loadgen::schedule::Mix;
use fanfare_loadgen::settings::{Purpose, Settings};
use fanfare_loadgen::targets::{self, RuntimeName, Sizes};
use fanfare_loadgen::trace::reels::Reels;

/// A run of this line that can follow so many subscriptions.
fn run(line: &str, followed_max: u64) -> (Report, String) {
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let Some(Verb::Run(flags)) = cli.command else { panic!("a run") };
    let mut settings = Settings::resolve(Purpose::Run, flags, Host::look(), line.to_owned()).unwrap();
    settings.followed_max = followed_max;
    let findings = plan::run(&settings, &Arc::new(AtomicBool::new(false))).unwrap();
    let report = Report::new(&settings, findings);
    let page = screen::render(&report);
    (report, page)
}

#[test]
fn a_run_that_follows_a_sample_passes_and_says_so() {
    let line = "loadgen run --model plain --users 20000 --contacts 20 --shards 1 --rate 5000 --duration 1s --seed 5 --skip-max 100%";
    let (report, page) = run(line, 1_000);
    assert!(report.passed(), "{page}");
    let followed = Sample::one_in(ONE_IN, 5).count(20_000);
    assert!((200..=430).contains(&followed), "a 64th of 20,000 is 312: {followed}");
    assert_eq!(report.books.checked_presentities, followed);
    assert!((report.books.checked_presentities_share - followed as f64 / 20_000.0).abs() < 1e-5);
    // Twenty watchers each, in the mean.
    assert!(report.books.compared.abs_diff(followed * 20) < followed * 2, "{}", report.books.compared);
    assert!(report.books.balanced && report.books.pending == 0 && report.notifications.lost == 0, "{page}");
    assert_eq!(report.books.owed, report.books.delivered + report.books.skipped);
    assert!(report.books.delivered >= 400_000 + 20 * 4_000, "the books are of everybody: {page}");
    // Latency is of those publications alone whose watchers are followed.
    let (last, sent) = (report.latency_us.last.count, report.publications.sent);
    assert!(last > 20 && last < sent / 30, "{last} of {sent}");
    assert_eq!(report.publications.unwatched, 0, "who is not followed is watched all the same");
    assert!(page.contains("drawn from the seed"), "{page}");
    let json: serde_json::Value = serde_json::from_str(&json::render(&report)).unwrap();
    assert_eq!(json["books"]["checked_presentities"], followed);
    assert!(
        json["cost"]["engine_gib"].as_f64().unwrap() > 0.0 && json["cost"]["subscribed_per_s"].as_f64().unwrap() > 0.0
    );
}

#[test]
fn below_the_bound_everybody_is_followed() {
    let line =
        "loadgen run --model plain --users 300 --contacts 10 --shards 1 --rate 500 --duration 300ms --skip-max 100%";
    let (report, page) = run(line, 3_000);
    assert!(report.passed(), "{page}");
    assert_eq!((report.books.checked_presentities, report.books.compared), (300, 3_000));
    assert!(!page.contains("drawn from the seed"), "{page}");
    assert_eq!(report.latency_us.last.count + report.publications.unwatched, report.publications.sent);
}

#[test]
fn composed_presence_can_be_sampled_and_so_can_the_null_target() {
    for line in [
        "loadgen run --users 2000 --contacts 10 --rate 2000 --duration 500ms --skip-max 100%",
        "loadgen run --model plain --target null --users 2000 --contacts 10 --rate 2000 --duration 300ms --skip-max 100%",
    ] {
        let (report, page) = run(line, 1_000);
        assert!(report.passed(), "{line}: {page}");
        assert!(report.books.compared > 0 && report.books.checked_presentities < 100, "{line}: {page}");
    }
}

/// What the check at the end finds when two users have published a version that nobody was told: one of those whom
/// `sample` holds or would hold, and one whom it does not. Tells what was lost, and the watchers of the two.
fn check_after_a_loss(sample: Sample, drawn_by: Sample) -> (Checked, [u64; 2]) {
    let (users, contacts) = (1_000, 12);
    let kind = Kind { endpoints: 1.5, ..Kind::alike(f64::from(contacts), 32.0) };
    let population = Population::new(Traits { users, kinds: vec![kind], seed: 3 });
    let totals = population.totals();
    let lost = [true, false].map(|held| (0..users).find(|&user| drawn_by.holds(user) == held).unwrap());
    let sizes = Sizes {
        subscriptions: totals.subscriptions,
        watchers: totals.watchers,
        document_bytes_max: 32,
        document_bytes: 32,
        users,
        seed: 3,
        composed: false,
        outside_share: 0.0,
        runtime: RuntimeName::Thread,
        spin: None,
    };
    let mut watchers = [0, 0];
    let mut scratch = Scratch::default();
    for user in 0..users {
        let person = population.draw(user, &mut scratch);
        for (count, &lost) in watchers.iter_mut().zip(&lost) {
            *count += u64::from(person.endpoints) * u64::from(scratch.contains(user, lost));
        }
    }
    let (crew, seats) = Crew::assemble(CrewPlan {
        population,
        shards: 1,
        batch: 100,
        mixes: vec![Mix { frequency: 1.0, categories: vec![1.0], ..Mix::default() }],
        composed: false,
        sample,
        troubles: None,
        subscriptions: totals.subscriptions,
        reels: Reels::default(),
        cut: Arc::new(AtomicBool::new(false)),
    });
    let target = targets::start_embedded(seats, &sizes).unwrap();
    crew.ask("build", |_| Order::Build, |_| {}).unwrap();
    crew.ask("sign-in", |_| Order::SignIn, |_| {}).unwrap();
    for user in lost {
        crew.common().versions[user as usize].store(2, Ordering::Relaxed);
    }
    let answers = crew.ask("check", |_| Order::Check, |_| {}).unwrap();
    target.stop().unwrap();
    let Some(Answer::Checked(checked)) = answers.into_iter().next() else { panic!("a check") };
    (*checked, watchers)
}

#[test]
fn the_check_finds_what_those_who_are_followed_have_lost() {
    let sample = Sample::one_in(8, 3);
    let (checked, [of_followed, of_other]) = check_after_a_loss(sample, sample);
    assert!(of_followed > 0 && of_other > 0);
    assert_eq!(checked.lost, of_followed);
    assert!(checked.compared.abs_diff(18_000 / 8) < 700, "{}", checked.compared);
    assert!(checked.identity_holds() && checked.owed == checked.delivered, "{checked:?}");
    let (checked, [of_followed, of_other]) = check_after_a_loss(Sample::ALL, sample);
    assert_eq!(checked.lost, of_followed + of_other);
    assert_eq!(checked.compared, checked.delivered);
}

/// Everybody is told a second version but one watcher of a followed presentity, and one of somebody who is not followed.
#[test]
fn a_state_that_a_followed_watcher_was_not_told_is_found() {
    let sample = Sample::one_in(4, 9);
    let (users, watchers) = (400u32, 3u32);
    let log = Arc::new(PublicationLog::new(1, 1 << 9, 0));
    let mut recorder = Recorder::new(0, Arc::clone(&log), users, (users * watchers) as usize, sample);
    let press = Press::new();
    let of = |watcher: u32, user: u32| Followed { slot: (user * watchers + watcher) as usize, watcher, user };
    let forgotten = [(0..users).find(|&user| sample.holds(user)), (0..users).find(|&user| !sample.holds(user))];
    (0..users).for_each(|user| recorder.watch(user, Sight::Plain, watchers));
    for version in [1, 2] {
        for user in 0..users {
            let mut index = NO_INDEX;
            if version == 2 && sample.holds(user) {
                index = PublicationLog::index(0, user.into());
                let previous = NO_INDEX;
                assert!(
                    log.open(index, &Opening { plan_us: 1, user, previous, watchers, wide: false, measured: true })
                );
            }
            let document = press.document(&Header { user, version, plan_us: 1, index }, 64);
            for watcher in 0..watchers {
                if version == 2 && watcher == 1 && forgotten.contains(&Some(user)) {
                    continue;
                }
                let (of, first, known) = (of(watcher, user), version == 1, Some(version));
                let receipt =
                    Receipt { now_us: 5, of, sight: Sight::Plain, counts: true, first, known, skipped: Some(0) };
                recorder.note(&receipt, std::iter::once((Category::FIRST, &document[..])));
            }
        }
    }
    recorder.settle();
    let missed: Vec<_> = (0..users)
        .filter(|&user| sample.holds(user))
        .flat_map(|user| (0..watchers).map(move |watcher| (watcher, user)))
        .filter(|&(watcher, user)| recorder.seen(&of(watcher, user)) != 2)
        .collect();
    assert_eq!(missed, [(1, forgotten[0].unwrap())]);
    // Its publication is not over, for somebody has still to be told; all others of the followed are.
    assert_eq!(log.ended(0), sample.count(users) - 1);
    assert_eq!(recorder.tally().firsts, u64::from(users * watchers), "first states are counted for everybody");
    assert_eq!(recorder.tally().faults.sum(), 0);
    assert_eq!(recorder.seen(&of(0, forgotten[1].unwrap())), 0, "who is not followed leaves nothing behind");
}

#[test]
fn an_untrue_document_is_found_whether_its_watcher_is_followed_or_not() {
    let sample = Sample::one_in(4, 9);
    let log = Arc::new(PublicationLog::new(1, 4, 0));
    let mut recorder = Recorder::new(0, Arc::clone(&log), 100, 100, sample);
    let document = Press::new().document(&Header { user: 100, version: 1, plan_us: 1, index: NO_INDEX }, 64);
    for user in 0..100 {
        let of = Followed { slot: user as usize, watcher: user, user };
        let receipt =
            Receipt { now_us: 5, of, sight: Sight::Plain, counts: true, first: false, known: None, skipped: None };
        recorder.note(&receipt, std::iter::once((Category::FIRST, &document[..])));
    }
    assert_eq!(recorder.tally().faults.untrue, 100);
}
