//! The program as a person meets it: what it says, and its exit code.

mod program;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use program::{FAIL, PASS, loadgen, output, refused, scratch};

#[test]
fn help_teaches_with_examples() {
    for arguments in ["--help", "run --help", "capacity --help"] {
        let (code, help, _) = output(arguments);
        assert_eq!(code, PASS);
        for part in [
            "Examples:",
            "--speedup",
            "Exit code: 0 PASS, 1 FAIL, 2",
            "lync-2013",
            "traffic by kind",
            "100 million subscriptions",
        ] {
            assert!(help.contains(part), "{arguments}: `{part}` is not in: {help}");
        }
    }
}

#[test]
fn wrong_flags_are_refused() {
    refused("--nonsense", &["--nonsense"]);
    refused("--users 0", &["--users", "2..=100000000"]);
    refused("run --users 1", &["--users"]);
    refused("--contacts 0", &["--contacts", "from 1 to 65536"]);
    refused("--endpoints 900", &["from 1 to 64"]);
    refused("--document 8", &["--document", "24..=1048576"]);
    refused("--rate 0", &["--rate", "0.001"]);
    refused("--duration never", &["such as 500ms, 30s or 5m"]);
    refused("--skip-max 200%", &["from 0 to 1"]);
    refused("--shards 0", &["--shards"]);
    refused("--target teapot", &["embedded", "null"]);
    refused("run --warm-up stedy", &["--warm-up", "or the word steady"]);
    refused("run --until 90%", &["--until", "from 1% to 50%"]);
    refused("--mix mobile", &["`mobile` is not MODEL:SHARE"]);
    refused("--mix lync-2013:0.5,mobile:0.4", &["add up to 0.9"]);
    refused("--mix lync-2013:0.5,plain:0.5", &["cannot be in one population"]);
    refused("--mix plain:1 --model plain", &["--mix", "--model", "cannot be used with"]);
}

#[test]
fn what_would_be_passed_over_is_refused() {
    refused("run --vary users --users 200", &["--vary users", "`loadgen run`", "`loadgen capacity`"]);
    refused("run --searches 2 --users 200", &["--searches 2", "`loadgen run`", "`loadgen capacity`"]);
    refused("--searches 2 --vary users --users 200", &["--searches 2", "--vary users"]);
    refused("--searches 0 --users 200", &["--searches", "1..=10"]);
    refused("run --count-disturbed --users 200", &["--count-disturbed", "`loadgen run`"]);
    refused("run --runtime thread --target null --users 200", &["--runtime thread", "--target null"]);
    refused("run --spin 1ms --target null --users 200", &["--spin", "--target null"]);
    refused("run --spin 0 --runtime host --users 200", &["--spin", "--runtime host"]);
    refused("run --spin 2s --users 200", &["--spin", "from 0 to 1s"]);
    refused("--runtime glommio --target double:service=20us", &["--runtime glommio", "--target double"]);
    refused("--until 5% --users 200", &["--until", "a search for capacity", "`loadgen run`"]);
    for warm_up in ["", "--warm-up steady"] {
        let short = format!("run {warm_up} --until 5% --duration 3s --users 200");
        refused(&short, &["--until says nothing with --duration 3s", "5 s"]);
    }
    let both = "run --warm-up 1s --until 5% --schedule ramp:0.1..1 --users 200";
    refused(both, &["--until says nothing with a --schedule that changes the rate"]);
    refused("run --warm-up steady --schedule ramp:0.1..1 --users 200", &["--warm-up", "changes the rate"]);
    refused("run --until 5% --slow 1% --users 200", &["--until", "--slow, --stop, --drop or a storm"]);
    let storm = "--users 200 --contacts 20 --schedule reconnect-storm:20%";
    refused(&format!("run {storm}/800ms --duration 1s"), &["0.8 s", "a quarter", "1 s", "--duration"]);
    refused(&format!("{storm}/800ms"), &["0.8 s", "the shortest point of a search", "1 s"]);
    refused(&format!("{storm}/400ms --duration 500ms"), &["0.4 s", "0.5 s"]);
}

#[test]
fn what_the_machine_cannot_do_is_said_before_it_is_tried() {
    refused("--shards 64 --users 200", &["--shards 64", "CPU"]);
    let begin = Instant::now();
    refused("run --users 100000000 --contacts 2000 --shards 1", &["380,000,000,000 subscriptions"]);
    refused(
        "run --model plain --users 30000000 --shards 1 --contacts 10 --document 1048576",
        &["of memory", "GiB", "lower --users (to "],
    );
    refused("run --model plain --users 100000000 --shards 1 --contacts 10", &["100,000,000 presentities a shard"]);
    assert!(begin.elapsed() < Duration::from_secs(5), "it was built, or at least counted");
}

#[test]
fn wrong_models_are_told_with_file_and_line() {
    refused("--model lync-2031", &["`lync-2031`", "lync-2013, mobile, plain"]);
    refused("--model no/such/model.toml", &["no/such/model.toml", "cannot be read"]);
    let path = scratch("model.toml");
    let model = include_str!("../../tuning/users/plain.toml");
    std::fs::write(&path, model.replacen("value = 80_000", "value = \"many\"", 1)).unwrap();
    refused(&format!("--model {}", path.display()), &["model.toml:6:9", "\"many\"", "u32"]);
    std::fs::write(&path, model.replacen("value = 80_000", "value = 0", 1)).unwrap();
    refused(&format!("--model {}", path.display()), &["model.toml:6: `users` is 0, but must be from 2"]);
    let lync = include_str!("../../tuning/users/lync-2013.toml");
    std::fs::write(&path, lync.replacen("\"note\", \"calendarData\"", "\"note\", \"calendar\"", 1)).unwrap();
    refused(&format!("--model {}", path.display()), &["they must be state, note, calendarData"]);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_the_run() {
    refused("run --users 200 --json /no/such/folder/report.json", &["--json /no/such/folder/report.json"]);
}

#[test]
fn a_small_run_passes_and_its_json_is_complete() {
    let path = scratch("run.json");
    let line = "run --users 200 --contacts 20 --rate 500 --duration 1s --seed 3 --skip-max 100%";
    let (code, page, complaint) = output(&format!("{line} --json {}", path.display()));
    assert_eq!(code, PASS, "{page}{complaint}");
    for part in ["Machine", "Population", "Phases", "last watcher", "Truth", "PASS"] {
        assert!(page.contains(part), "`{part}` is not in: {page}");
    }
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();
    complete(&report);
    assert_eq!(report["verdict"], "PASS");
    assert_eq!(report["config"]["users"], 200);
    assert_eq!(report["config"]["seed"], 3);
    assert_eq!(report["notifications"]["lost"], 0);
    assert!(report["publications"]["sent"].as_u64().unwrap() > 300, "{report}");
    assert_eq!(report["publications"]["sent"], report["publications"]["planned"]);
    let last = report["latency_us"]["last"]["count"].as_u64().unwrap();
    let sent = report["publications"]["sent"].as_u64().unwrap();
    let unwatched = report["publications"]["unwatched"].as_u64().unwrap();
    assert_eq!(last + unwatched, sent, "every publication has its latency");
    assert_eq!(report["config"]["presence"], "lync");
    let count = |kind: &str| report["traffic"][kind]["count"].as_u64().unwrap_or(0);
    let categories = ["state", "note", "calendarData", "contactCard", "services"];
    let published: u64 = categories.iter().map(|name| count(&format!("publications_{name}"))).sum();
    assert_eq!(published, sent);
    assert!(report["traffic"]["notifications_state"]["rate_per_s"].as_f64().unwrap() > 0.0, "{report}");
    let idle = count("publications_idle_endpoint");
    assert!(idle > 0 && idle <= count("publications_absorbed"), "composition absorbs what is not shown: {report}");
    assert!(page.contains("policy edits applied") || count("policy_edits") == 0, "{page}");
}

#[test]
fn policies_that_change_all_the_time_break_no_promise() {
    let path = scratch("churn.toml");
    let model = include_str!("../../tuning/users/lync-2013.toml");
    let (before, edits) = model.split_at(model.find("[policy_edits_per_hour]").unwrap());
    std::fs::write(&path, format!("{before}{}", edits.replacen("value = 0.01", "value = 4", 1))).unwrap();
    let line = "run --users 200 --contacts 20 --rate 500 --duration 1s --skip-max 100%";
    let (code, page, complaint) = output(&format!("{line} --model {}", path.display()));
    std::fs::remove_file(path).unwrap();
    assert_eq!(code, PASS, "{page}{complaint}");
    assert!(page.contains("policy edits applied"), "{page}");
}

#[test]
fn a_small_search_tells_the_capacity() {
    let path = scratch("capacity.json");
    let line = "--users 200 --contacts 10 --duration 100ms --slo 200ms --model plain";
    let (code, page, complaint) = output(&format!("{line} --json {}", path.display()));
    assert!(code == PASS || code == Some(1), "{page}{complaint}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();
    complete(&report);
    // Whoever asks for nothing gets a page, and is told where.
    let said = page.lines().find_map(|line| line.strip_prefix("Report ")).unwrap_or_else(|| panic!("{page}")).trim();
    assert!(said.ends_with("/fanfare-report.html") && std::fs::read_to_string(said).unwrap().contains("</html>"));
    std::fs::remove_file(said).unwrap();
    for key in ["publications_per_s", "notifications_per_s", "users_by_rate", "users_by_memory", "lync_pools"] {
        assert!(report["capacity"][key].is_number(), "{key}: {report}");
    }
    assert_eq!(report["notifications"]["lost"], 0);
    assert_eq!(report["books"]["balanced"], true);
}

#[test]
fn the_null_target_runs_without_an_engine() {
    let (code, page, complaint) = output("run --users 200 --rate 200 --duration 300ms --skip-max 100% --target null");
    assert_eq!(code, PASS, "{page}{complaint}");
    assert!(!page.contains("Report "), "nobody asked for a page: {page}");
}

#[test]
fn a_run_in_which_nothing_was_due_is_no_pass() {
    let (code, page, _) = output("run --users 200 --rate 0.001 --duration 300ms --target null --schedule constant");
    assert_eq!(code, FAIL, "{page}");
    assert!(page.contains("nothing was due in the measured time"), "{page}");
}

#[test]
fn an_interrupted_run_still_tells_what_it_measured() {
    let path = scratch("cut.json");
    let child = loadgen(&format!("run --users 200 --rate 200 --duration 60s --json {}", path.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(2_500));
    let begin = Instant::now();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let page = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{page}");
    assert!(page.contains("cut short"), "{page}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(report["cut_short"], true);
    let series = &report["series"];
    let (measured_s, interval_s) = (report["measured_s"].as_f64().unwrap(), series["interval_s"].as_f64().unwrap());
    for column in ["/publications_planned", "/notifications_delivered", "/last_us/count", "/last_cells/counts"] {
        let entries = series.pointer(column).unwrap().as_array().unwrap().len();
        assert_eq!(entries, (measured_s / interval_s).ceil() as usize, "{column}: what never came is no interval");
    }
    assert!(report["publications"]["sent"].as_u64().unwrap() > 50, "{page}");
}

/// Every key of schema 1 is there.
fn complete(report: &serde_json::Value) {
    let quantiles = ["p50", "p90", "p99", "p999", "max", "count"];
    let keys: [(&str, &[&str]); 12] = [
        ("", &["schema", "verdict", "reasons", "warnings", "limited_by", "command", "commit", "phases"]),
        ("/host", &["cpu", "cores", "memory_bytes", "kernel"]),
        (
            "/config",
            &[
                "target",
                "model",
                "users",
                "watchers",
                "subscriptions",
                "shards",
                "seed",
                "duration_s",
                "rate_per_s",
                "slo_us",
                "document_bytes",
            ],
        ),
        ("/publications", &["planned", "sent", "refused", "absorbed", "rate_per_s"]),
        (
            "/notifications",
            &["delivered", "skipped", "skipped_share", "repeated", "cancelled", "pending", "lost", "rate_per_s"],
        ),
        ("/traffic", &["publications_state", "notifications_state"]),
        ("/latency_us", &["first", "median", "last"]),
        ("/rig", &["shard_gap_us", "generator_gap_us", "generator_lag_us"]),
        ("/generator", &["busy"]),
        (
            "/cost",
            &[
                "engine_cpu_s",
                "recorder_cpu_s",
                "spin_cpu_s",
                "cpu_ns_per_notification",
                "engine_bytes",
                "engine_gib",
                "subscribed_per_s",
                "bytes_per_subscription",
                "bytes_per_topic",
                "shards_per_topic",
            ],
        ),
        ("/books", &["owed", "balanced", "compared", "checked_presentities", "checked_presentities_share"]),
        ("/phases/0", &["name", "seconds"]),
    ];
    for (place, keys) in keys {
        let object = report.pointer(place).and_then(serde_json::Value::as_object).unwrap();
        for key in keys {
            assert!(object.contains_key(*key), "{place}/{key} is missing");
        }
    }
    for place in ["/latency_us", "/rig"] {
        for (name, times) in report.pointer(place).unwrap().as_object().unwrap() {
            for key in quantiles {
                assert!(times[key].is_u64(), "{place}/{name}/{key} is missing");
            }
        }
    }
    assert_eq!(report["schema"], 1);
}
