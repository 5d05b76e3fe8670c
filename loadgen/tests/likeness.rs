//! Which results are taken for alike: those of the same flags, whatever was found.

mod program;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_loadgen::report::likeness::Likeness;
use fanfare_loadgen::report::saved::Saved;
use program::{loadgen, scratch};
use serde_json::{Value, json};

/// A path that no other test of this program has: they run at the same time.
fn own() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    scratch(&format!("likeness-{}.json", COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// A report of a small run with further flags, as it is saved.
fn report(flags: &str) -> Value {
    let path = own();
    let line = format!("run --users 200 --rate 300 --duration 200ms --skip-max 100% {flags} --json {}", path.display());
    // Whether it passes is not asked: a double may be too slow for that.
    let output = loadgen(&line).output().unwrap();
    assert!(path.exists(), "{flags}: {}", String::from_utf8_lossy(&output.stderr));
    program::take_report(&path)
}

fn likeness(report: &Value) -> Likeness {
    let path = own();
    std::fs::write(&path, report.to_string()).unwrap();
    let saved = Saved::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    Likeness::of(&saved.report)
}

/// What differs: the name, and what each has.
fn differences(one: &Value, other: &Value) -> Vec<(String, String, String)> {
    likeness(one).differences(&likeness(other))
}

#[test]
fn results_of_other_flags_are_not_alike_and_those_of_another_seed_are() {
    let usual = report("--contacts 20");
    assert_eq!(differences(&usual, &report("--contacts 20 --seed 9 --slow 0 --schedule poisson")), []);
    for (flags, name, value) in [
        ("--contacts 21", "contacts", "21"),
        ("--contacts 20 --endpoints 1.5", "endpoints", "1.5"),
        ("--contacts 20 --document 64", "document", "64"),
        ("--contacts 20 --schedule constant,hot:0.2", "schedule", "constant,hot:0.2"),
        ("--contacts 20 --slow 5%", "slow", "5%"),
    ] {
        let found = differences(&usual, &report(flags));
        assert!(found.iter().any(|(key, _, other)| key == name && other == value), "{flags}: {found:?}");
    }
    let double = |service: &str| report(&format!("--contacts 20 --target double:service={service}"));
    let [(name, one, other)] = differences(&double("20us"), &double("30us")).try_into().unwrap();
    assert_eq!([name, one, other], ["target", "double:service=20us", "double:service=30us"]);
}

#[test]
fn what_a_search_has_found_is_no_difference() {
    let run = report("--contacts 20");
    let of = |vary: &str, users: u32, rate_per_s: f64| {
        let mut report = run.clone();
        report["config"]["asked"]["vary"] = json!(vary);
        (report["config"]["users"], report["config"]["rate_per_s"]) = (json!(users), json!(rate_per_s));
        report["capacity"] = CAPACITY.parse().unwrap();
        report["capacity"]["vary"] = json!(vary);
        report
    };
    let names = |one: &Value, other: &Value| -> Vec<String> {
        differences(one, other).into_iter().map(|(name, ..)| name).collect()
    };
    assert!(names(&of("users", 9_000, 10.0), &of("users", 11_000, 12.0)).is_empty());
    assert_eq!(names(&of("rate", 9_000, 10.0), &of("rate", 11_000, 12.0)), ["users"]);
    assert_eq!(names(&of("rate", 9_000, 10.0), &of("users", 9_000, 10.0)), ["users", "vary"]);
}

/// What a report has of a search, without any point.
const CAPACITY: &str = r#"{
    "publications_per_s": 1000, "notifications_per_s": 20000, "users_by_rate": 9000, "users_by_memory": null,
    "lync_pools": 0.1, "rate_limited_by": null, "rate_limited_by_evidence": null, "own_rate_per_s": 300, "points": []
}"#;
