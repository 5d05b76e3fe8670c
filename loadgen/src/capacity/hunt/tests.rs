//! Searches of simulated targets: those that do what they are asked, and those that somebody disturbs now and then.

use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::super::staircase::STEP;
use super::super::{SEARCH_MAX, SEARCH_MAX_OF_MANY};
use super::*;

/// A long point, and what it takes with its warm-up and its end.
const CONFIRMING: Duration = Duration::from_secs(4);
const LONG: Duration = Duration::from_millis(4_600);
/// A step, and what rounding adds.
const NEARLY_STEP: f64 = STEP * (1.0 + 1e-9);
const BEGIN: f64 = 2_000.0;
const MOST: f64 = 5e6;

/// What a search came to.
struct Found {
    confirmed: Option<f64>,
    failed: Option<f64>,
    ended: Ended,
    points: usize,
    elapsed: Duration,
}

/// Hunts a target that `carries` a load at a stage or does not.
fn hunt(begin: f64, most: f64, time_max: Duration, carries: impl FnMut(Stage, f64) -> bool) -> Found {
    // Now and then it is known that somebody else was to blame.
    let failed = |point| if point % 3 == 0 { Went::Disturbed } else { Went::Failed };
    hunt_where(failed, begin, most, time_max, carries)
}

/// The same, with what a failure of the point of a number is told as.
fn hunt_where(
    failed: impl Fn(usize) -> Went,
    begin: f64,
    most: f64,
    time_max: Duration,
    mut carries: impl FnMut(Stage, f64) -> bool,
) -> Found {
    let mut hunt = Hunt::new(begin, (1.0, most), time_max, CONFIRMING);
    let mut elapsed = Duration::ZERO;
    for points in 0..1_000 {
        match hunt.next(elapsed) {
            Next::End(ended) => {
                let (confirmed, failed) = (hunt.confirmed(), hunt.failed());
                return Found { confirmed, failed, ended, points, elapsed };
            }
            Next::Try(stage, load) => {
                assert!(load <= most, "{load}");
                elapsed += match stage {
                    Stage::Grow => Duration::from_millis(1_600),
                    Stage::Narrow => Duration::from_millis(2_600),
                    Stage::Confirm => LONG,
                };
                let carried = carries(stage, load);
                hunt.tell(stage, load, if carried { Went::Passed } else { failed(points) });
            }
        }
    }
    panic!("it does not end");
}

/// One that fails short points above `short` and long ones above `long`.
fn steady(short: f64, long: f64, seconds: u64) -> Found {
    let most = |stage| if stage == Stage::Confirm { long } else { short };
    hunt(BEGIN, MOST, Duration::from_secs(seconds), |stage, load| load <= most(stage))
}

#[test]
fn the_limit_is_found_from_both_sides() {
    let Found { confirmed, failed, ended, points, .. } = steady(20_000.0, 20_000.0, 95);
    let (found, failed) = (confirmed.unwrap(), failed.unwrap());
    assert_eq!(ended, Ended::Settled);
    assert!(found <= 20_000.0 && failed > 20_000.0 && failed / found <= NEARLY_STEP, "{found} {failed}");
    assert!(points < 24, "{points}");
}

#[test]
fn what_short_points_do_not_show_long_ones_do() {
    let Found { confirmed, failed, ended, .. } = steady(24_000.0, 20_000.0, 200);
    let (found, failed) = (confirmed.unwrap(), failed.unwrap());
    assert_eq!(ended, Ended::Settled);
    assert!(found <= 20_000.0 && failed > 20_000.0 && failed / found <= NEARLY_STEP, "{found} {failed}");
}

#[test]
fn it_says_why_it_ends() {
    let ended = |short, long, seconds| steady(short, long, seconds).ended;
    assert_eq!(ended(1e9, 1e9, 95), Ended::NoLimit);
    assert_eq!(ended(0.0, 0.0, 95), Ended::NothingPassed);
    assert_eq!(ended(30_000.0, 15_000.0, 60), Ended::TimeUp);
    assert_eq!(ended(30_000.0, 1.0, 1_000), Ended::NothingPassed);
}

#[test]
fn a_begin_above_the_most_is_the_most() {
    let found = hunt(10.0 * MOST, MOST, Duration::from_secs(95), |_, _| true);
    assert_eq!((found.confirmed, found.ended), (Some(MOST), Ended::NoLimit));
    let found = hunt(10.0 * MOST, MOST, Duration::from_secs(95), |_, _| false);
    assert_eq!((found.confirmed, found.ended), (None, Ended::NothingPassed));
}

#[test]
fn one_unlucky_point_does_not_lower_the_answer() {
    let whole = steady(20_000.0, 20_000.0, 200);
    for unlucky in 0..whole.points {
        let mut point = 0;
        let found = hunt(BEGIN, MOST, Duration::from_secs(200), |_, load| {
            point += 1;
            load <= 20_000.0 && point != unlucky + 1
        });
        let found = found.confirmed.unwrap();
        assert!(found > 20_000.0 / NEARLY_STEP, "{found} if point {unlucky} fails");
    }
}

#[test]
fn a_machine_that_is_always_disturbed_has_something_confirmed_in_time() {
    for share in [1.0, 0.9, 0.8, 0.71] {
        let carries = |stage, load| load <= if stage == Stage::Confirm { share * 20_000.0 } else { 20_000.0 };
        let found = hunt_where(|_| Went::Disturbed, BEGIN, MOST, Duration::from_secs(95), carries);
        assert!(found.confirmed.is_some_and(|found| found >= 0.65 * 20_000.0), "{share}: {:?}", found.confirmed);
    }
}

#[test]
fn where_there_is_time_for_few_long_points_the_first_is_still_what_short_ones_found() {
    let long = |share| {
        hunt(BEGIN, MOST, Duration::from_secs(48), |stage, load| {
            load <= if stage == Stage::Confirm { share * 20_000.0 } else { 20_000.0 }
        })
    };
    assert!(long(1.0).confirmed.is_some_and(|found| found > 20_000.0 / NEARLY_STEP));
    assert!(long(0.7).confirmed.is_some());
}

/// A number drawn from 0 to 1.
fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn bad_luck_now_and_then_moves_the_answer_by_no_more_than_a_twentieth() {
    for (time_max, percent) in [(SEARCH_MAX, 85), (SEARCH_MAX_OF_MANY, 90)] {
        let (mut near, searches) = (0, 1_000);
        for seed in 0..searches {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let limit = 3_000.0 * 100f64.powf(unit(&mut rng));
            let found = hunt(BEGIN, MOST, time_max, |_, load| load <= limit && unit(&mut rng) >= 0.15);
            let confirmed = found.confirmed.unwrap_or(0.0);
            assert!(confirmed <= limit && found.elapsed <= time_max + LONG);
            near += u64::from(confirmed >= 0.95 * limit);
        }
        println!("{near} of {searches} in {time_max:?}");
        assert!(near * 100 >= searches * percent, "{near} of {searches} in {time_max:?}");
    }
}

#[test]
fn two_searches_in_turns_agree_though_the_limit_wanders() {
    let (mut agree, pairs) = (0, 300);
    for seed in 0..pairs {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        // Every second the machine is a little better or worse than before, and comes back within some twenty seconds.
        let (mut wander, mut hunts) =
            (0.0, [(); 2].map(|()| Hunt::new(BEGIN, (1.0, MOST), SEARCH_MAX_OF_MANY, CONFIRMING)));
        let mut spent = [Duration::ZERO; 2];
        let mut ended = [false; 2];
        while ended != [true; 2] {
            for search in (0..2).filter(|&search| !ended[search]).collect::<Vec<_>>() {
                let Next::Try(stage, load) = hunts[search].next(spent[search]) else {
                    ended[search] = true;
                    continue;
                };
                let took = if stage == Stage::Confirm { LONG } else { Duration::from_secs(2) };
                for _ in 0..took.as_secs() {
                    wander += 0.06 * (unit(&mut rng) + unit(&mut rng) - 1.0) - wander / 20.0;
                }
                let limit = 20_000.0 * (1.0 + wander + 0.1 * (unit(&mut rng) - 0.5));
                spent[search] += took;
                hunts[search].tell(stage, load, if load <= limit { Went::Passed } else { Went::Failed });
            }
        }
        let [one, other] = hunts.map(|hunt| hunt.confirmed().unwrap_or(0.0));
        agree += u64::from(one.min(other) >= 0.9 * one.max(other));
    }
    println!("{agree} of {pairs}");
    assert!(agree * 100 >= pairs * 90, "{agree} of {pairs}");
}

proptest! {
    #[test]
    fn it_ends_and_never_claims_what_failed(
        short in 1.0..1e7f64,
        share in 0.1..1.0f64,
        seconds in 10..300u64,
        begin in 1.0..1e8f64,
        (least, most) in prop_oneof![Just((1.0, MOST)), (1.0..1e4f64, 1.01..10.0f64).prop_map(|(least, by)| (least, least * by))],
        luck in prop_oneof![Just(0.0), 0.0..0.5f64],
        seed: u64,
    ) {
        let long = short * share;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut tried = Vec::new();
        let mut hunt = Hunt::new(begin, (least, most), Duration::from_secs(seconds), CONFIRMING);
        let mut elapsed = Duration::ZERO;
        let ended = loop {
            let (stage, load) = match hunt.next(elapsed) {
                Next::End(ended) => break ended,
                Next::Try(stage, load) => (stage, load),
            };
            prop_assert!((least..=most).contains(&load) && tried.len() < 200, "{load}");
            elapsed += if stage == Stage::Confirm { LONG } else { Duration::from_secs(2) };
            let carried = load <= if stage == Stage::Confirm { long } else { short } && unit(&mut rng) >= luck;
            tried.push((stage, load, carried));
            hunt.tell(stage, load, if carried { Went::Passed } else { Went::Failed });
        };
        let votes = |load: f64, wanted: bool| {
            tried.iter().filter(|&&it| it == (Stage::Confirm, load, wanted)).count()
        };
        if let Some(confirmed) = hunt.confirmed() {
            let (passed, failed) = (votes(confirmed, true), votes(confirmed, false));
            prop_assert!(confirmed <= long && passed >= failed, "{passed} passed and {failed} failed at {confirmed}");
            prop_assert!(hunt.failed().is_none_or(|failed| failed > confirmed));
        }
        if ended == Ended::Settled {
            let confirmed = hunt.confirmed();
            prop_assert!(confirmed.is_some());
            let near = |&&(_, load, carried): &&(Stage, f64, bool)| !carried && load <= confirmed.unwrap() * STEP.powi(4);
            prop_assert!(tried.iter().any(|it| near(&it)), "{tried:?}");
        }
        if luck == 0.0 && most <= long {
            prop_assert!(ended == Ended::NoLimit || ended == Ended::TimeUp, "{ended:?}");
            prop_assert!(seconds < 150 || ended == Ended::NoLimit, "{ended:?}: {tried:?}");
        }
    }
}
