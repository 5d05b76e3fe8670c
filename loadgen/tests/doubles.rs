//! The rig measured by doubles: targets whose faults and limits are known beforehand.

mod program;

use std::process::{Command, Stdio};
use std::time::Duration;

use program::{PASS, loadgen, output, refused, scratch, take_report};
use serde_json::Value;

const ON_A_DOUBLE: &str = "--users 200 --contacts 10 --shards 1 --model plain";

fn run(arguments: &str, name: &str) -> (Option<i32>, Value) {
    let path = scratch(name);
    let (code, page, complaint) = output(&format!("{arguments} --json {}", path.display()));
    assert!(complaint.is_empty(), "{page}{complaint}");
    (code, take_report(&path))
}

#[test]
fn a_stall_shows_in_latency_from_plan() {
    let (_, report) =
        run(&format!("run {ON_A_DOUBLE} --target double:stall=200ms/1s --rate 2000 --duration 3s"), "stall");
    // A fifth of the time it stands still, and who comes then waits a tenth of a second in the mean.
    assert!(report["latency_us"]["last"]["p99"].as_u64().unwrap() >= 150_000, "{report}");
    assert!(report["rig"]["generator_lag_us"]["p99"].as_u64().unwrap() >= 150_000, "{report}");
    assert_eq!(report["config"]["target"], "double");
    assert_eq!(report["notifications"]["lost"], 0);
}

#[test]
fn latency_that_grows_all_the_while_is_told_and_a_short_time_is_not_judged() {
    let on = format!("run {ON_A_DOUBLE} --target double:service=1500us --rate 1000 --duration");
    // Each second brings half a second more to do.
    let (_, report) = run(&format!("{on} 4s"), "grows");
    assert_eq!(report["steadiness"]["found"], "trend", "{}", report["steadiness"]);
    assert!(report["steadiness"]["change_share"].as_f64().unwrap() > 0.5, "{}", report["steadiness"]);
    let warned = |warning: &Value| warning.as_str().unwrap().contains("last watcher's median rose");
    assert!(report["warnings"].as_array().unwrap().iter().any(warned), "{}", report["warnings"]);
    let (_, report) = run(&format!("{on} 300ms"), "short");
    assert_eq!(report["steadiness"]["found"], "too-short");
    assert!(!report["warnings"].as_array().unwrap().iter().any(warned), "{}", report["warnings"]);
    let (_, report) = run(&format!("{on} 4s --schedule ramp"), "ramp");
    assert!(report.get("steadiness").is_none(), "where the load changes latency may: {}", report["steadiness"]);
}

#[test]
fn a_limit_that_is_known_is_found_and_named() {
    let line = format!("capacity {ON_A_DOUBLE} --target double:bucket=8000/s --duration 200ms --slo last.p99<50ms");
    let (code, report) = run(&line, "bucket");
    assert_eq!(code, PASS, "{report}");
    let found = report["capacity"]["publications_per_s"].as_f64().unwrap();
    // A burst of 64 is no more than 1 % of a second; what a busy machine takes off is found by hand.
    assert!((2_000.0..8_400.0).contains(&found), "{found}");
    assert_eq!(report["capacity"]["rate_limited_by"], "double");
    assert_eq!(report["limited_by"], "double");
    assert!(report["capacity"]["failed_per_s"].as_f64().unwrap() > found, "{report}");
    let ended = report["capacity"]["ended"].as_str().unwrap();
    assert!(ended.starts_with("settled") || ended.starts_with("not settled"), "it has a limit: {ended}");
}

#[test]
fn several_searches_take_turns_and_the_median_one_is_reported() {
    let line = format!(
        "capacity {ON_A_DOUBLE} --target double:bucket=4000/s --duration 200ms --slo last.p99<50ms --searches 2"
    );
    let (_, report) = run(&line, "turns");
    let capacity = &report["capacity"];
    let found = |search: &Value| search["found_per_s"].as_f64().unwrap();
    let searches = capacity["searches"].as_array().unwrap();
    assert_eq!(searches.len(), 2, "{capacity}");
    let least = searches.iter().map(found).fold(f64::INFINITY, f64::min);
    assert_eq!(capacity["publications_per_s"].as_f64().unwrap(), least, "of two the smaller: {capacity}");
    for (number, search) in searches.iter().enumerate() {
        let points = capacity["points"].as_array().unwrap();
        let of_it = points.iter().filter(|point| point["search"] == number);
        let passed = |rate: f64| of_it.clone().any(|point| point["sent_per_s"] == rate && point["passed"] == true);
        assert!(found(search) == 0.0 || passed(found(search)), "what a search found is one of its points: {capacity}");
    }
}

#[test]
fn what_a_target_does_is_nobody_elses_doing() {
    // It stands still for a tenth of the time, and its watchers are told late; its core is its own all the while.
    let line = format!("run {ON_A_DOUBLE} --target double:stall=100ms/1s --rate 500 --duration 4s --skip-max 100%");
    let (_, report) = run(&line, "stall");
    let undisturbed = &report["undisturbed"];
    // A machine that took the core for most of the time has left too little to tell.
    if undisturbed["share"].as_f64().is_some_and(|share| share > 0.5) {
        assert!(undisturbed["latency_us"]["last"]["p99"].as_u64().unwrap() > 50_000, "{undisturbed}");
    }
}

#[test]
fn bad_watchers_are_told_in_the_end_and_nobody_waits_for_them() {
    let line = "run --users 500 --contacts 20 --rate 500 --duration 2s --skip-max 100% --slow 5% --stop 5% \
                --drop 100%/min --schedule reconnect-storm:20%/500ms";
    let (code, report) = run(line, "bad");
    assert_eq!(code, PASS, "{report}");
    let bad = |what: &str| report["troubled"][what].as_u64().unwrap();
    assert!(bad("slow") > 0 && bad("stopped") > 0 && bad("left") > 0, "{report}");
    assert_eq!(bad("left"), bad("returned"));
    assert_eq!(report["troubled"]["return_us"]["count"].as_u64().unwrap(), bad("returned"));
    assert_eq!((&report["notifications"]["lost"], &report["publications"]["unfinished"]), (&0.into(), &0.into()));
    assert!(report["books"]["compared"].as_u64().unwrap() > 10_000, "they are looked at, too: {report}");
}

#[test]
fn after_ctrl_c_nobody_leaves_who_has_not_left_yet() {
    let path = scratch("hurry");
    let line = "run --users 200 --contacts 10 --rate 200 --duration 60s --skip-max 100% --drop 50%/min --json";
    let mut child = loadgen(line).arg(&path).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    let report = take_report(&path);
    let bad = |what: &str| report["troubled"][what].as_u64().unwrap();
    assert!(bad("watchers") > 50 && bad("left") < bad("watchers") / 2, "{report}");
    assert_eq!(bad("left"), bad("returned"));
    assert_eq!((&report["notifications"]["lost"], &report["books"]["balanced"]), (&0.into(), &true.into()));
}

#[test]
fn storms_hot_presentities_and_courses_run() {
    for schedule in ["constant,step:3", "diurnal", "ramp:1..0.2,hot:0.3", "sign-in-storm:30%/300ms"] {
        let line =
            format!("run --users 200 --contacts 10 --rate 400 --duration 1s --skip-max 100% --schedule {schedule}");
        let (code, report) = run(&line, "schedule");
        assert_eq!(code, PASS, "{schedule}: {report}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    refused("run --slo last.p98<10ms", &["--slo", "at character 6", "p50, p90, p99, p99.9 or max"]);
    refused("run --schedule poisson,constant", &["`constant`", "contradicts"]);
    refused("capacity --schedule ramp", &["--schedule", "loadgen run"]);
    refused("run --target double:stall=5s/1s", &["stall=5s/1s", "shorter"]);
    refused("run --target null --slow 1%", &["--target is not embedded"]);
    refused("run --slow 60% --stop 60%", &["add up to more"]);
    refused("run --drop 5%", &["1%/min"]);
}
