//! Reports that were saved: pages made of them, files that are refused, and the forms of other tools.

use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;

use fanfare_loadgen::outputs::Output;
use fanfare_loadgen::report::histogram::decode;
use fanfare_loadgen::report::page::{self, PageError, Subject};
use fanfare_loadgen::report::saved::{Saved, SavedError};
use fanfare_loadgen::report::screen::grouped;
use fanfare_loadgen::report::{export, json, schema_text};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-reports-{name}", std::process::id()))
}

fn loadgen(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    let process::Output { status, stdout, stderr } =
        command.args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// One real run for all tests: its JSON.
fn saved() -> &'static str {
    static SAVED: OnceLock<String> = OnceLock::new();
    SAVED.get_or_init(|| {
        let path = scratch("saved.json");
        let line = "run --users 200 --contacts 20 --rate 1000 --duration 1s --skip-max 100% --json";
        let mut arguments: Vec<_> = line.split(' ').collect();
        arguments.push(path.to_str().unwrap());
        let (code, page, complaint) = loadgen(&arguments);
        assert_eq!(code, Some(0), "{page}{complaint}");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        text
    })
}

/// The same, changed, and read.
fn read(name: &str, text: &str) -> Result<Saved, SavedError> {
    let path = scratch(name);
    std::fs::write(&path, text).unwrap();
    let read = Saved::read(&path);
    std::fs::remove_file(path).unwrap();
    read
}

fn changed(pointer: &str, value: Value) -> String {
    let mut report: Value = serde_json::from_str(saved()).unwrap();
    *report.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = value;
    report.to_string()
}

fn refusal(name: &str, text: &str) -> String {
    let refused = read(name, text).unwrap_err().to_string();
    assert!(refused.contains(name), "the file is named: {refused}");
    refused
}

#[test]
fn a_report_that_was_written_is_read_and_written_the_same() {
    let read = read("same.json", saved()).unwrap();
    // Without showing both where they differ: they are long.
    assert!(json::render(&read.report) == saved().trim_end());
    let longest = saved().lines().filter(|line| line.contains("last_us") || line.contains("planned")).count();
    assert!(longest > 0 && saved().lines().count() < 800, "lists stand on one line: {}", saved().lines().count());
}

#[test]
fn broken_files_are_refused_with_their_name_the_place_and_what_was_expected() {
    let half = &saved()[..saved().len() / 2];
    let said = refusal("half.json", half);
    assert!(
        said.contains(&format!("half.json:{}:", half.lines().count())) && said.ends_with("it was cut off"),
        "{said}"
    );
    // Wherever it is cut, in a number too, it is that which is said.
    let short = r#"{"schema": 1, "began": "now", "x": [-1.5e-3, true, null, "\u00e4"], "y": 12"#;
    for end in 1..=short.len() {
        let said = refusal("cut.json", &short[..end]);
        assert!(said.ends_with("it was cut off"), "{}: {said}", &short[..end]);
    }
    assert!(refusal("empty.json", "").contains("empty.json:1:0: it ends here"));
    assert!(refusal("list.json", " [1, 2]").contains("expected a report, which is an object with the key `schema`"));
    let said = refusal("type.json", &changed("/config/users", "many".into()));
    assert!(said.contains("type.json:1:") && said.contains("\"many\", expected u32"), "{said}");
    let said = refusal("older.json", &changed("/schema", 0.into()));
    assert!(
        said.contains("key `schema` is 0") && said.contains("reads schema 1") && said.contains("or measure again"),
        "{said}"
    );
    let newer = changed("/schema", 2.into()).replace("\"config\"", "\"renamed\"");
    let said = refusal("newer.json", &newer);
    assert!(said.contains("a newer loadgen wrote it: read it with that one"), "before the rest: {said}");
    assert!(refusal("other.json", "{\"a\": 1}").contains("it is not a report of loadgen"));
    let said = refusal("short.json", &changed("/series/last_us/p99", serde_json::json!([1, 2])));
    assert!(said.contains("`series.last_us.p99` has 2 entries, expected 10"), "{said}");
    let point = r#"{"rate_per_s":1,"sent_per_s":1,"last_p99_us":1,"skipped_share":0,"passed":true,"reasons":[]}"#;
    let capacity = format!(
        r#"{{"publications_per_s":1,"notifications_per_s":1,"users_by_rate":1,"users_by_memory":1,"lync_pools":1,
        "rate_limited_by":null,"rate_limited_by_evidence":null,"own_rate_per_s":1,"points":[{}]}}"#,
        vec![point; 10_001].join(",")
    );
    let mut report: Value = serde_json::from_str(saved()).unwrap();
    report["capacity"] = serde_json::from_str(&capacity).unwrap();
    let said = refusal("points.json", &report.to_string());
    assert!(said.contains("`capacity.points` has 10001 entries, expected at most 10000"), "{said}");
    let said = refusal("histogram.json", &changed("/curves/from_plan/last/histogram_us", "AAAA".into()));
    assert!(said.contains("`curves.from_plan.last.histogram_us`: not an HdrHistogram"), "{said}");
    let said = refusal("interval.json", &changed("/series/interval_s", 0.into()));
    assert!(said.contains("`series.interval_s` is 0, expected seconds"), "{said}");
    let missing = scratch("missing.json");
    assert!(Saved::read(&missing).unwrap_err().to_string().ends_with("No such file or directory (os error 2)"));
}

#[test]
fn what_older_results_lack_is_done_without() {
    let mut report: Value = serde_json::from_str(saved()).unwrap();
    for key in ["curves", "series", "measured_at", "latency_from_send_us"] {
        report.as_object_mut().unwrap().remove(key).unwrap();
    }
    let Saved { name, report } = read("old.json", &report.to_string()).unwrap();
    let page = page::render(&[Subject { name: &name, report: &report }]).unwrap();
    assert!(page.contains("id=\"plot-curve\"") && !page.contains("id=\"plot-heat-0\""));
    assert!(page.contains("saved without a series"));
    assert!(export::hgrm::render(&report).is_empty());
}

#[test]
fn each_plot_has_its_picture_its_legend_and_its_numbers() {
    let Saved { name, report } = read("page.json", saved()).unwrap();
    let page = page::render(&[Subject { name: &name, report: &report }]).unwrap();
    for id in ["curve", "heat-0", "fan-out", "skipped", "sent", "traffic", "cost"] {
        let from = page.find(&format!("id=\"plot-{id}\"")).unwrap_or_else(|| panic!("{id} is missing"));
        let plot = &page[from..from + page[from..].find("</figure>").unwrap()];
        assert!(plot.contains("<svg viewBox") && plot.contains("<title id=") && plot.contains("<desc id="), "{id}");
        assert!(plot.matches("<tr>").count() > 1 && plot.contains("<ul class=\"legend\"><li>"), "{id}");
    }
    let sent = grouped(report.publications.sent);
    assert!(page.contains("PASS") && page.contains("coordinated omission"));
    assert!(page.contains(&format!(">{sent}<")), "the numbers are those of the report: {sent}");
    assert!(page.contains("`loadgen capacity`"), "why there is no throughput against latency");
    for outside in ["<script", "http://", "https://", "@import", "url("] {
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(outside), "{outside}");
    }
}

#[test]
fn nothing_that_a_report_says_becomes_part_of_the_page() {
    let evil = "<script>alert(1)</script>\"'&--><svg onload=alert(2)>";
    let mut report: Value = serde_json::from_str(saved()).unwrap();
    for place in
        ["/command", "/commit", "/verdict", "/host/cpu", "/config/model", "/config/runtime_why", "/phases/0/name"]
    {
        *report.pointer_mut(place).unwrap() = evil.into();
    }
    report["reasons"] = serde_json::json!([evil]);
    report["limited_by"] = evil.into();
    report["limited_by_evidence"] = evil.into();
    let kind = report["traffic"]["notifications_state"].clone();
    report["traffic"][evil] = kind;
    let Saved { report, .. } = read("evil.json", &report.to_string()).unwrap();
    let page =
        page::render(&[Subject { name: evil, report: &report }, Subject { name: "b", report: &report }]).unwrap();
    assert!(!page.contains("<script") && !page.contains("<svg onload"), "something was not escaped");
    assert!(page.matches("&#60;script&#62;").count() + page.matches("&lt;script&gt;").count() > 8);
}

#[test]
fn a_latency_target_is_shown_whosever_it_is() {
    let Saved { name, mut report } = read("slo.json", saved()).unwrap();
    for (slo, slo_us, shown) in [
        (Some("first.p50&lt;1000us"), None, "first.p50&lt;1000us"),
        (None, Some(5_000), "last.p99&lt;5000us"),
        (None, None, "none"),
    ] {
        report.config.slo = slo.map(|slo| slo.replace("&lt;", "<"));
        report.config.slo_us = slo_us;
        let page = page::render(&[Subject { name: &name, report: &report }]).unwrap().replace("&#60;", "&lt;");
        let row = &page[page.find("latency target").expect("a row")..];
        assert!(row[..row.find("</tr>").unwrap()].contains(shown), "{shown}: {}", &row[..200]);
    }
}

#[test]
fn hostile_numbers_end_in_a_page_and_not_in_a_panic() {
    for (place, value) in [
        ("/latency_us/last/p99", u64::MAX.into()),
        ("/curves/from_plan/last/points_us", serde_json::json!([[0.5, u64::MAX], [1.0, 0]])),
        ("/cost/cpu_ns_per_notification", 1e300.into()),
        ("/cost/cpu_ns_per_notification", (-1e300).into()),
        ("/series/interval_s", 1e6.into()),
        ("/series/notifications_skipped/3", u64::MAX.into()),
        ("/traffic/notifications_state/rate_per_s", 1e308.into()),
        ("/publications/rate_per_s", (-5.0).into()),
    ] {
        let Saved { name, report } = read("hostile.json", &changed(place, value)).unwrap();
        let page = page::render(&[Subject { name: &name, report: &report }]).unwrap();
        assert!(page.contains("</html>") && !page.contains("NaN"), "{place}");
    }
}

#[test]
fn several_results_are_laid_over_one_another_as_far_as_they_can_be_told_apart() {
    let Saved { report, .. } = read("several.json", saved()).unwrap();
    let subject = |name| Subject { name, report: &report };
    let page = page::render(&[subject("before.json"), subject("after.json")]).unwrap();
    assert!(page.contains("before.json (") && page.contains("after.json ("));
    assert!(page.contains("id=\"plot-heat-1\""));
    assert!(page.contains("var(--series-1)\" stroke-dasharray=\"18 10\""), "the second has its own dashes");
    assert!(matches!(page::render(&[subject("x"); 9]), Err(PageError::Subjects(9))));
    assert!(matches!(page::render(&[]), Err(PageError::Subjects(0))));
}

#[test]
fn the_program_makes_a_page_of_saved_results_and_says_where() {
    let (path, out) = (scratch("one.json"), scratch("one.html"));
    std::fs::write(&path, saved()).unwrap();
    let [file, page] = [path.to_str().unwrap(), out.to_str().unwrap()];
    let (code, said, complaint) = loadgen(&["report", file, file, "--out", page]);
    assert_eq!((code, said.trim()), (Some(0), page), "{complaint}");
    let whole = std::fs::read_to_string(&out).unwrap();
    assert!(whole.trim_end().ends_with("</html>"), "{}", whole.len());
    std::fs::write(&path, &saved()[..100]).unwrap();
    let (code, _, complaint) = loadgen(&["report", file, "--out", page]);
    assert_eq!(code, Some(2), "{complaint}");
    assert!(complaint.contains("one.json:"), "{complaint}");
    let (code, _, complaint) = loadgen(&["report", file, "--out", "/no/such/folder/page.html"]);
    assert_eq!(code, Some(2), "{complaint}");
    let (code, _, complaint) = loadgen(&["report"]);
    assert!(code == Some(2) && complaint.contains("<FILE>"), "{complaint}");
    std::fs::remove_file(path).unwrap();
    std::fs::remove_file(out).unwrap();
}

#[test]
fn every_form_is_written_and_a_full_disk_fails_the_run_after_its_report() {
    let path = |name: &str| scratch(name).to_str().unwrap().to_owned();
    let line = "run --users 200 --rate 500 --duration 300ms --skip-max 100% --model plain";
    let forms = ["--html", "--hlog", "--hgrm", "--csv", "--prometheus"];
    let mut arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
    arguments.extend(forms.iter().flat_map(|form| [(*form).to_owned(), path(&form[2..])]));
    // Everything that is written to this device is refused for want of room.
    arguments.extend(["--json".to_owned(), "/dev/full".to_owned()]);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (code, page, complaint) = loadgen(&arguments);
    assert_eq!(code, Some(1), "{page}{complaint}");
    assert!(complaint.contains("--json /dev/full: cannot be written: No space left on device"), "{complaint}");
    assert!(page.contains("PASS") && page.contains("last watcher") && page.contains("Report       /"), "{page}");
    for form in forms {
        let written = std::fs::read_to_string(path(&form[2..])).unwrap();
        assert!(written.len() > 200, "{form}: {written}");
        std::fs::remove_file(path(&form[2..])).unwrap();
    }
}

#[test]
fn a_file_that_could_not_be_written_anew_holds_what_it_held() {
    let path = scratch("kept.json");
    let run = format!("{} run --target null --users 200 --rate 500 --duration 300ms", env!("CARGO_BIN_EXE_loadgen"));
    // No file may be longer than a block or two: the report stops there, as on a disk that has filled.
    let limited = format!("trap '' XFSZ; ulimit -f 1; exec {run} --skip-max 100% --json {}", path.display());
    for before in [None, Some("the result of yesterday")] {
        before.iter().for_each(|text| std::fs::write(&path, text).unwrap());
        let process::Output { status, stderr, .. } = Command::new("sh").args(["-c", &limited]).output().unwrap();
        let complaint = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{complaint}");
        assert!(complaint.contains("kept.json: cannot be written: File too large"), "{complaint}");
        assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), before);
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_file_is_written_through_its_link_with_the_rights_that_it_had() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (path, link) = (scratch("linked.html"), scratch("link.html"));
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    symlink(&path, &link).unwrap();
    Output::open("--out", &link).unwrap().write(b"new").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    std::fs::remove_file(link).unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_interval_log_is_read_back_with_the_quantiles_of_the_report() {
    let Saved { report, .. } = read("log.json", saved()).unwrap();
    let log = export::hlog::render(&report);
    let series = report.series.as_ref().unwrap();
    let mut lasts = Vec::new();
    let mut began = None;
    for entry in IntervalLogIterator::new(&log) {
        match entry.unwrap() {
            LogEntry::BaseTime(moment) => began = Some(moment),
            LogEntry::Interval(interval) if interval.tag().unwrap().as_str() == "last" => {
                lasts.push(decode(interval.encoded_histogram()).unwrap());
            }
            _ => {}
        }
    }
    assert!(began.unwrap().as_secs() > 1_700_000_000);
    assert_eq!(lasts.len(), series.last_us.count.len());
    let mut sum = Histogram::<u64>::new_with_bounds(1, 60_000_000, 2).unwrap();
    for (at, last) in lasts.iter().enumerate() {
        assert_eq!(last.len(), series.last_us.count[at]);
        assert_eq!((last.value_at_quantile(0.99), last.max()), (series.last_us.p99[at], series.last_us.max[at]));
        sum.add(last).unwrap();
    }
    assert_eq!(sum.len(), report.latency_us.last.count, "the intervals hold everything that was measured");
    let counted: u64 = series.publications_planned.iter().sum();
    assert_eq!(counted, report.publications.planned);
}

#[test]
fn tables_and_metrics_hold_the_figures_of_the_report() {
    let Saved { report, .. } = read("figures.json", saved()).unwrap();
    let table = String::from_utf8(export::csv::render(&report)).unwrap();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("scope,from_s,to_s,measure,figure,value"));
    let last = format!("whole,0.0,1.0,latency_from_plan_last_us,p99,{}.0", report.latency_us.last.p99);
    assert!(table.lines().any(|line| line == last), "`{last}` is not in {table}");
    assert!(table.lines().all(|line| line.matches(',').count() == 5));
    let metrics = export::prometheus::render(&report);
    let sent = format!("fanfare_publications_sent {}.0", report.publications.sent);
    assert!(metrics.lines().any(|line| line == sent), "`{sent}` is not in {metrics}");
    let p99 = "fanfare_latency_seconds{from=\"plan\",watcher=\"last\",quantile=\"0.99\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(p99)).unwrap_or_else(|| panic!("{metrics}"));
    let micros = value.parse::<f64>().unwrap() * 1e6;
    assert!((micros - report.latency_us.last.p99 as f64).abs() < 0.5);
    assert!(metrics.ends_with("# EOF\n"));
    let nothing = serde_json::json!({"p50": 0, "p90": 0, "p99": 0, "p999": 0, "max": 0, "count": 0});
    let Saved { report, .. } = read("none.json", &changed("/latency_us/first", nothing)).unwrap();
    let metrics = export::prometheus::render(&report);
    assert!(!metrics.contains("from=\"plan\",watcher=\"first\""), "of nothing there are no quantiles: {metrics}");
    assert!(metrics.contains("from=\"send\",watcher=\"first\"") && metrics.contains("from=\"plan\",watcher=\"last\""));
}

#[test]
fn what_waited_to_be_sent_counts_from_plan_and_not_from_send() {
    let path = scratch("late.json");
    let line = "run --users 200 --contacts 20 --rate 20000 --duration 100ms --target double:service=1ms --json";
    let mut arguments: Vec<_> = line.split(' ').collect();
    arguments.push(path.to_str().unwrap());
    // Nobody serves so many: they are sent late, and told when they are served.
    let (code, page, complaint) = loadgen(&arguments);
    assert_eq!(code, Some(1), "{page}{complaint}");
    let Saved { report, .. } = Saved::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let (plan, send) = (report.latency_us.last, report.latency_from_send_us.last);
    assert!(plan.count == send.count && plan.p50 > 10 * send.p50, "{plan:?} {send:?}");
    let series = report.series.unwrap();
    let planned: u64 = series.publications_planned.iter().sum();
    assert_eq!(planned, report.publications.planned);
    assert!(series.publications_sent.iter().sum::<u64>() < planned, "what is sent after the end is in no interval");
}

/// `UPDATE=1 cargo test -p fanfare-loadgen --test reports` writes the file again.
#[test]
fn the_published_schema_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, schema_text()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), schema_text(), "run with UPDATE=1 where this is meant");
    let (code, said, _) = loadgen(&["schema"]);
    assert_eq!((code, said), (Some(0), schema_text()));
    let schema: Value = serde_json::from_str(&schema_text()).unwrap();
    let report: Value = serde_json::from_str(saved()).unwrap();
    for key in report.as_object().unwrap().keys() {
        assert!(schema["properties"].get(key).is_some(), "{key} is not in the schema");
    }
}
