//! What sessions do beside publishing, in runs of the real program: as often as the documents say, all of it done, recorded and
//! done again.

mod program;

use std::path::Path;

use program::{PASS, output, scratch, take_report};
use serde_json::Value;

/// What the documents say of a user in an hour (and of 1.9 endpoints): polls once a minute, six short subscriptions, a group in two hours,
/// a refresh in eight hours and a registration in ten minutes.
const DOCUMENTS: [(&str, f64); 5] = [
    ("polls", 60.0),
    ("short_subscriptions", 6.0),
    ("group_expansions", 0.5),
    ("subscription_refreshes", 1.9 / 8.0),
    ("registrations", 1.9 * 6.0),
];

fn run(flags: &str, json: &Path) -> (Value, String) {
    let (code, says, complaint) = output(&format!("run --shards 2 --json {} {flags}", json.display()));
    let report = take_report(json);
    assert_eq!(code, PASS, "{flags}: {} {complaint}", report["reasons"]);
    (report, says)
}

#[test]
fn the_lync_model_runs_as_the_default_and_its_sessions_do_what_the_documents_say() {
    let json = scratch("sessions.json");
    let flags = "--users 1000 --speedup 200 --duration 4s --warm-up 1s --document 64 --seed 5";
    let (report, says) = run(flags, &json);
    assert_eq!(report["config"]["model"], "lync-2013");
    for (name, per_hour) in DOCUMENTS {
        let kind = &report["sessions"][name];
        let figure = |key: &str| kind[key].as_f64().unwrap_or_else(|| panic!("{name} {key} in {}", report["sessions"]));
        let document_per_s = 1_000.0 * 200.0 * per_hour / 3_600.0;
        assert!((figure("expected_per_s") / document_per_s - 1.0).abs() < 0.001, "{name}: {kind}");
        let expected = document_per_s * report["measured_s"].as_f64().unwrap();
        let off = figure("planned") - expected;
        assert!(off.abs() < 3.0 * expected.sqrt(), "{name}: {off} off {expected}");
        assert!((off / expected.sqrt() - figure("sigmas")).abs() < 0.01, "{name}: {kind}");
        assert_eq!(figure("done"), figure("planned"), "{name}");
        assert_eq!(report["traffic"][name]["count"].as_f64(), Some(figure("done")), "{name}");
    }
    let polled = report["traffic"]["polled_presentities"]["count"].as_f64().unwrap();
    assert_eq!(polled, 13.0 * report["sessions"]["polls"]["done"].as_f64().unwrap());
    assert!(report["traffic"]["notifications_sessions"]["count"].as_f64().unwrap() > 10_000.0, "guests are told");
    assert_eq!(report["faults"]["denied"], 0);
    assert!(says.contains("short subscriptions") && says.contains("sigma"), "{says}");
}

#[test]
fn what_sessions_did_is_recorded_and_done_again() {
    let (json, first, second) = (scratch("replay.json"), scratch("first.trace"), scratch("second.trace"));
    let users = "--users 600 --contacts 20 --document 64 --seed 7";
    let recording = format!("{users} --speedup 100 --duration 2s --record {}", first.display());
    let (recorded, _) = run(&recording, &json);
    let replaying = format!("{users} --schedule trace:{} --record {}", first.display(), second.display());
    let (replayed, _) = run(&replaying, &json);
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap(), "the same again");
    for (name, _) in DOCUMENTS {
        let count = |report: &Value| report["traffic"][name]["count"].as_u64().unwrap_or(0);
        assert!(count(&recorded) > 0 && count(&replayed) >= count(&recorded), "{name}");
    }
    assert!(replayed["sessions"].is_null(), "of a trace no model says how often");
    let (_, info, _) = output(&format!("trace info {}", first.display()));
    for word in ["poll", "short-subscription", "group-expansion", "refresh", "registration"] {
        assert!(info.contains(word), "{word} in {info}");
    }
    let csv = scratch("sessions.csv");
    let again = scratch("again.trace");
    for verb in [
        format!("trace export {} --out {}", first.display(), csv.display()),
        format!("trace import --numbers {} --out {}", csv.display(), again.display()),
    ] {
        let (code, says, complaint) = output(&verb);
        assert_eq!(code, PASS, "{verb}: {says} {complaint}");
    }
    let (_, info_again, _) = output(&format!("trace info {}", again.display()));
    let events = |info: &str| info.lines().filter(|line| line.starts_with("  ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(events(&info_again), events(&info));
    [first, second, csv, again].iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

#[test]
fn targets_without_an_engine_say_that_they_leave_sessions_out() {
    let json = scratch("left-out.json");
    for target in ["null", "double:service=1us"] {
        let (report, _) = run(&format!("--users 200 --duration 500ms --rate 100 --target {target}"), &json);
        let warnings = report["warnings"].to_string();
        assert!(warnings.contains("polls") && warnings.contains("were left out"), "{target}: {warnings}");
        assert!(report["sessions"].is_null() && report["traffic"]["polls"].is_null());
        let (report, _) =
            run(&format!("--model plain --users 200 --duration 500ms --rate 100 --target {target}"), &json);
        assert!(!report["warnings"].to_string().contains("left out"), "plain has nothing to leave out");
    }
}
