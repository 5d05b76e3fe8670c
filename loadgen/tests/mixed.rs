//! Several kinds of users in one run of the real program, and measurements that depend on what is seen.

mod program;

use program::{PASS, output, scratch, take_report};
use serde_json::Value;

/// The report of a run that passed.
fn run(arguments: &str, name: &str) -> Value {
    let path = scratch(name);
    let (code, page, complaint) = output(&format!("run {arguments} --json {}", path.display()));
    assert_eq!(code, PASS, "{page}{complaint}");
    take_report(&path)
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}"))
}

#[test]
fn two_kinds_of_users_watch_one_another_and_publish_each_in_its_way() {
    let of =
        |mix: &str| run(&format!("--mix {mix} --users 400 --contacts 20 --speedup 100 --duration 1s"), "mixed.json");
    let mixed = of("lync-2013:0.5,mobile:0.5");
    assert_eq!(mixed["config"]["model"], "lync-2013:0.5,mobile:0.5");
    let endpoints = number(&mixed, "/config/endpoints_per_user");
    assert!((endpoints - 1.45).abs() < 0.05, "{endpoints}");
    // 200 users four times an hour, 200 eight times, 100 times as fast.
    assert!((number(&mixed, "/config/rate_per_s") - 200.0 * 12.0 / 3_600.0 * 100.0).abs() < 0.01);
    let desks = of("lync-2013:1");
    let document = |report: &Value| number(report, "/config/document_bytes");
    assert!(document(&mixed) < 0.75 * document(&desks), "telephones publish less at a time");
    // A third of what is published is by desks: they alone have a second endpoint that is not shown.
    let idle = |report: &Value| number(report, "/config/second_endpoint_share");
    assert!((idle(&mixed) / idle(&desks) - 1.0 / 3.0).abs() < 1e-4, "{} {}", idle(&mixed), idle(&desks));
}

#[test]
fn a_measurement_ends_when_its_mean_is_known() {
    let report = run(
        "--model plain --users 200 --contacts 5 --target double:service=20us --shards 1 --rate 2000 --warm-up 200ms --until 50% \
         --duration 2m",
        "paced.json",
    );
    let warm_up_s = report["phases"].as_array().unwrap().iter().find_map(|phase| phase["warm_up_s"].as_f64());
    assert_eq!(warm_up_s, Some(0.2));
    assert_eq!(report["mean_known"]["reached"], true, "{}", report["mean_known"]);
    assert!(number(&report, "/mean_known/intervals") >= 32.0);
    let measured_s = number(&report, "/measured_s");
    assert!((3.0..119.0).contains(&measured_s), "{measured_s}");
    let planned = number(&report, "/publications/planned");
    assert!((planned / (2_000.0 * measured_s) - 1.0).abs() < 0.1, "{planned} in {measured_s} s");
    assert!(report.get("warm_up").is_none());
}
