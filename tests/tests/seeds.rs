//! Every seed that ever failed, again; and a short simulation of seeds that did not.

use std::fs;
use std::path::Path;

use fanfare_tests::sim::{self, Faults};

#[test]
fn seeds_that_failed_once_pass_for_ever() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let seed = line.split_whitespace().next().unwrap().parse().unwrap();
            sim::run(seed).unwrap_or_else(|failure| panic!("{failure}"));
            count += 1;
        }
    }
    assert!(count > 0, "no seeds were read");
}

#[test]
fn a_short_simulation_meets_every_fault() {
    let mut faults = Faults::default();
    for seed in 1_000_000..1_000_150 {
        faults.add(&sim::run(seed).unwrap_or_else(|failure| panic!("{failure}")).0);
    }
    println!("{faults:#?}");
    for (name, count) in faults.counts() {
        assert_ne!(count, 0, "{name} was never met");
    }
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in [1, 2, 3] {
        let (once, twice) = (sim::run(seed).unwrap(), sim::run(seed).unwrap());
        assert_eq!(once.1, twice.1, "seed {seed}");
    }
}
