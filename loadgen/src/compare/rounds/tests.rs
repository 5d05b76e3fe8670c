//! Thousands of comparisons of simulated sides: how often is the answer wrong?

use std::collections::BTreeMap;
use std::convert::Infallible;

use rand_distr::{Distribution, Exp1, StandardNormal};

use super::super::answer::{Answer, Comparison};
use super::*;

const QUESTION: Question = Question { figure: None, confidence: 0.99 };
const ROUNDS: usize = 12;

/// A result whose deciding figure has this value.
fn result(value: f64) -> Outcome {
    let mut measured = Measured::default();
    measured.values[0] = Some(value);
    Outcome::Passed(Box::new(measured))
}

/// Compares two simulated sides whose noise is that of a shared machine: some percent, skewed to the slow side, disturbed now
/// and then, and with a mood that drifts from pair to pair.
fn compare(seed: u64, b_over_a: f64) -> (Comparison, usize) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x5eed);
    let mut ran = 0;
    let runs = run(&QUESTION, ROUNDS, seed, |turn| {
        ran += 1;
        let even: f64 = StandardNormal.sample(&mut rng);
        let skewed: f64 = Exp1.sample(&mut rng);
        let truth = 200.0 * if turn.side == Letter::B { b_over_a } else { 1.0 };
        let mood = 1.0 + 0.05 * turn.pair as f64;
        Ok::<_, Infallible>(result(truth * mood * (1.0 + 0.015 * even + 0.02 * skewed)))
    });
    let names = ["a".to_owned(), "b".to_owned()];
    (answer::answer(&QUESTION, names, runs.unwrap(), &mut Xoshiro256PlusPlus::seed_from_u64(seed)), ran)
}

fn answers(seeds: u64, b_over_a: f64) -> BTreeMap<&'static str, u32> {
    let mut counted = BTreeMap::new();
    for seed in 0..seeds {
        let (comparison, _) = compare(seed, b_over_a);
        assert!(comparison.answered);
        *counted
            .entry(match comparison.answer {
                Answer::Better => "faster",
                Answer::Worse => "slower",
                Answer::CannotTell => "cannot tell",
            })
            .or_insert(0) += 1;
    }
    counted
}

#[test]
fn a_thing_compared_with_itself_is_told_different_once_in_a_hundred() {
    // Early looks included. With a chance of 1 %, 19 of 20 seeds hold in 98 of 100 tries.
    let seeds = 500;
    let counted = answers(seeds, 1.0);
    let cannot = counted.get("cannot tell").copied().unwrap_or(0);
    assert!(cannot >= 489, "{counted:?} of {seeds}: 495 are expected at least");
}

#[test]
fn ten_percent_are_told_and_which_way() {
    let slower = answers(100, 1.1);
    assert!(slower.get("slower").is_some_and(|&count| count >= 95) && !slower.contains_key("faster"), "{slower:?}");
    let faster = answers(100, 1.0 / 1.1);
    assert!(faster.get("faster").is_some_and(|&count| count >= 95) && !faster.contains_key("slower"), "{faster:?}");
}

#[test]
fn a_plain_difference_is_told_before_all_rounds_are_run() {
    let (comparison, ran) = compare(1, 3.0);
    assert_eq!(comparison.answer, Answer::Worse);
    assert!((8..2 * ROUNDS).contains(&ran), "{ran} runs");
    assert!(comparison.sentence.starts_with("B is slower: CPU ns a notification of B is "), "{}", comparison.sentence);
    let (comparison, ran) = compare(1, 1.0);
    assert_eq!(ran, 2 * ROUNDS);
    assert!(comparison.sentence.starts_with("cannot tell: ") && comparison.sentence.contains("nine times of ten"));
}

#[test]
fn failed_runs_count_for_nothing_and_many_end_it() {
    let fails = |which: fn(Turn) -> bool| {
        let mut ran = 0;
        let runs = run(&QUESTION, ROUNDS, 3, |turn| {
            ran += 1;
            let failed = Outcome::Failed(vec!["the rate was missed".to_owned()]);
            Ok::<_, Infallible>(if which(turn) { failed } else { result(200.0 + turn.pair as f64) })
        });
        let runs = runs.unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        (answer::answer(&QUESTION, names, runs, &mut Xoshiro256PlusPlus::seed_from_u64(1)), ran)
    };
    let (comparison, _) = fails(|turn| turn.side == Letter::B && turn.pair == 2);
    assert_eq!(comparison.counted, [ROUNDS - 1; 2], "neither does the other of the pair");
    assert_eq!((comparison.failures[0].pair, comparison.answered), (3, true));
    assert!(comparison.warnings[0].contains("not counted: 1; nor"), "{:?}", comparison.warnings);
    let (comparison, ran) = fails(|turn| turn.side == Letter::B);
    assert_eq!((ran, comparison.answered, comparison.answer), (8, false, Answer::CannotTell));
    assert!(comparison.sentence.contains("given up after 4 runs"), "{}", comparison.sentence);
}

#[test]
fn who_has_lost_a_run_is_told_nothing_early() {
    let mut ran = 0;
    let runs = run(&QUESTION, ROUNDS, 3, |turn| {
        ran += 1;
        let fails = turn.pair == 0 && turn.side == Letter::A;
        let noise = 1.0 + 0.01 * (ran % 3) as f64;
        let value = noise * if turn.side == Letter::A { 200.0 } else { 600.0 };
        Ok::<_, Infallible>(if fails { Outcome::Failed(Vec::new()) } else { result(value) })
    });
    assert_eq!((ran, runs.unwrap().a.len()), (2 * ROUNDS, ROUNDS - 1));
}

#[test]
fn at_the_highest_confidence_a_plain_difference_is_told_early_and_of_all_figures() {
    let question = Question { figure: None, confidence: 0.999 };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    let mut ran = 0;
    let runs = run(&question, ROUNDS, 4, |turn| {
        ran += 1;
        let mut measured = Measured::default();
        for value in &mut measured.values {
            let noise: f64 = StandardNormal.sample(&mut rng);
            let of_side = if turn.side == Letter::A { 1e5 } else { 3e5 };
            *value = Some(of_side * (1.0 + 0.01 * noise));
        }
        Ok::<_, Infallible>(Outcome::Passed(Box::new(measured)))
    });
    assert!(ran < 2 * ROUNDS, "{ran} runs");
    let names = ["a".to_owned(), "b".to_owned()];
    let comparison = answer::answer(&question, names, runs.unwrap(), &mut rng);
    assert!(comparison.figures.iter().all(|figure| figure.answer != Answer::CannotTell), "{:?}", comparison.figures);
}

#[test]
fn only_equal_figures_are_called_the_same() {
    let word_of = |b: f64| {
        let runs = run(&QUESTION, ROUNDS, 3, |turn| {
            let value = if turn.side == Letter::A { 200.0 } else { b };
            let failed = Outcome::Failed(Vec::new());
            Ok::<_, Infallible>(if turn.pair < 3 { result(value) } else { failed })
        });
        let names = ["a".to_owned(), "b".to_owned()];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        answer::answer(&QUESTION, names, runs.unwrap(), &mut rng).figures[0].word
    };
    assert_eq!(word_of(200.0), "the same");
    assert_eq!(word_of(230.0), "cannot tell", "given up, so neither told apart nor equal");
}

#[test]
fn an_error_ends_it_at_once() {
    let mut ran = 0;
    let ended = run(&QUESTION, ROUNDS, 3, |_| {
        ran += 1;
        Err::<Outcome, _>("interrupted")
    });
    assert_eq!((ended.unwrap_err(), ran), ("interrupted", 1));
}

#[test]
fn many_figures_raise_no_more_alarms_than_one() {
    // Each of twelve figures is noise. Told one by one at 99 %, one comparison of nine would have an alarm.
    let mut alarms = 0;
    for seed in 0..200 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let runs = run(&QUESTION, 6, seed, |_| {
            let mut measured = Measured::default();
            for value in &mut measured.values {
                let noise: f64 = StandardNormal.sample(&mut rng);
                *value = Some(1e5 * (1.0 + 0.02 * noise));
            }
            Ok::<_, Infallible>(Outcome::Passed(Box::new(measured)))
        });
        let names = ["a".to_owned(), "b".to_owned()];
        let comparison = answer::answer(&QUESTION, names, runs.unwrap(), &mut rng);
        alarms +=
            u32::from(comparison.figures.iter().any(|figure| !figure.decides && figure.answer != Answer::CannotTell));
    }
    assert!(alarms <= 6, "{alarms} of 200; 2 are expected");
}
