//! What the page of a report says, asked of its text: figures as the report has them, words that are explained, and what
//! could not be drawn.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use fanfare_loadgen::report::Report;
use fanfare_loadgen::report::page::{self, Subject};
use serde_json::{Value, json};

/// The report of a small run, made once.
fn measured() -> Value {
    static REPORT: OnceLock<Value> = OnceLock::new();
    let made = || {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-page.json", std::process::id()));
        let run = "run --target null --users 100 --contacts 3 --rate 2000 --duration 500ms --json";
        let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(run.split(' ')).arg(&file).output().unwrap();
        assert!(output.status.code() != Some(2), "{output:?}");
        let report = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        std::fs::remove_file(file).unwrap();
        report
    };
    REPORT.get_or_init(made).clone()
}

fn page_of(reports: &[Value]) -> String {
    let reports: Vec<Report> = reports.iter().map(|report| serde_json::from_value(report.clone()).unwrap()).collect();
    let subjects: Vec<_> =
        reports.iter().zip(["one.json", "two.json"]).map(|(report, name)| Subject { name, report }).collect();
    page::render(&subjects).unwrap()
}

/// The plot with this name, from its begin to its end.
fn plot<'a>(page: &'a str, id: &str) -> &'a str {
    let from = page.find(&format!("id=\"plot-{id}\"")).unwrap_or_else(|| panic!("there is no {id} in {page}"));
    page[from..].split("</figure>").next().unwrap()
}

#[test]
fn percentiles_are_the_reports_own_and_not_those_of_the_nearest_point_that_is_drawn() {
    let mut report = measured();
    report["latency_us"]["last"] =
        json!({ "p50": 1_111, "p90": 2_222, "p99": 3_333, "p999": 4_444, "max": 5_555, "count": 1_000 });
    let page = page_of(&[report]);
    let curve = plot(&page, "curve");
    let row = "<td>last watcher, from plan</td><td>1.11 ms</td><td>2.22 ms</td><td>3.33 ms</td><td>4.44 ms</td><td>5.56 ms</td>";
    assert!(curve.contains("<th scope=\"col\">p99.9</th><th scope=\"col\">max</th>"), "{curve}");
    assert!(curve.contains(row) || curve.contains(&row.replace("5.56", "5.55")), "{curve}");
}

#[test]
fn what_a_search_confirmed_and_where_latency_turns_up_are_two_things() {
    let mut report = measured();
    let point = |rate: f64, last_p99_us: u64, passed: bool| {
        json!({ "rate_per_s": rate, "sent_per_s": rate, "last_p99_us": last_p99_us, "skipped_share": 0.0, "passed": passed,
                "reasons": [] })
    };
    report["capacity"] = json!({
        "publications_per_s": 8_000.0, "notifications_per_s": 1.0, "users_by_rate": 1, "users_by_memory": null,
        "lync_pools": 1.0, "rate_limited_by": null, "rate_limited_by_evidence": null, "own_rate_per_s": 1.0,
        "knee_per_s": 4_000.0,
        "points": [point(2_000.0, 100, true), point(4_000.0, 120, true), point(8_000.0, 4_000, true),
                   point(16_000.0, 90_000, false)],
    });
    let alone = page_of(std::slice::from_ref(&report));
    let throughput = plot(&alone, "throughput");
    for part in ["confirmed 8,000/s", "knee 4,000/s", "the rate from which on latency rises faster"] {
        assert!(throughput.contains(part), "`{part}` is not in {throughput}");
    }
    assert!(!throughput.contains("knee 8,000/s"), "{throughput}");
    assert!(alone.contains("knee, publications a second"), "{alone}");
    let both = page_of(&[report.clone(), report]);
    for part in ["1: confirmed 8,000/s", "2: confirmed 8,000/s", "2: knee 4,000/s"] {
        assert!(plot(&both, "throughput").contains(part), "`{part}` is not there");
    }
}

#[test]
fn what_was_driven_is_named() {
    for (target, who) in [("null", "loop"), ("double", "double"), ("embedded", "engine")] {
        let mut report = measured();
        report["config"]["target"] = json!(target);
        let page = page_of(&[report]);
        let cost = plot(&page, "cost");
        assert!(cost.contains(&format!("<td>{who}</td>")), "{target}: {cost}");
        assert_eq!(cost.contains("<td>engine</td>"), who == "engine", "{target}");
    }
}

#[test]
fn a_name_follows_a_title_only_where_there_are_several() {
    let report = measured();
    let alone = page_of(std::slice::from_ref(&report));
    assert!(plot(&alone, "heat-0").contains("<h2>Last watcher over time</h2>"));
    let both = page_of(&[report.clone(), report]);
    assert!(plot(&both, "heat-1").contains("<h2>Last watcher over time: two.json ("));
}

#[test]
fn what_could_not_be_divided_into_intervals_is_told_with_its_reason() {
    let mut unplanned = measured();
    unplanned["series"] = Value::Null;
    let mut old = unplanned.clone();
    old["curves"] = Value::Null;
    let mut nothing = unplanned.clone();
    for watcher in ["first", "median", "last"] {
        nothing["latency_us"][watcher]["count"] = json!(0);
    }
    for (report, why) in [
        (&unplanned, "not drawn: the end of this run was not known beforehand"),
        (&old, "not drawn: the result was saved without a series"),
        (&nothing, "not drawn: nothing was measured"),
    ] {
        let page = page_of(std::slice::from_ref(report));
        for (id, title) in
            [("heat-0", "Last watcher over time"), ("skipped", "Skipped over time"), ("sent", "Publications over time")]
        {
            assert!(!page.contains(&format!("id=\"plot-{id}\"")), "{why}: {id}");
            assert!(page.contains(&format!("{title}: {why}")), "{why}: {title}: {page}");
        }
    }
    // Beside one that has it, only its own is missing.
    let page = page_of(&[measured(), unplanned]);
    assert!(plot(&page, "heat-0").contains("one.json") && plot(&page, "sent").contains("one.json"));
    assert!(page.contains("Last watcher over time: two.json"), "{page}");
    assert!(page.contains("not drawn: the end of this run was not known beforehand"), "{page}");
}
