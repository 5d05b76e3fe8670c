//! Traces through the program: recorded, replayed, drawn, imported, anonymised, and what it says when they are wrong.

mod traces;

use std::fs;
use std::path::Path;

use fanfare_loadgen::trace::export::export;
use fanfare_loadgen::trace::import::{How, import};
use fanfare_loadgen::trace::{Event, Header, Kind, Reader};
use proptest::prelude::*;
use traces::folder::{Folder, KEY};
use traces::{HEADER, drawn, read, write};

fn without_times(events: &[Event]) -> Vec<(u32, Kind)> {
    events.iter().map(|event| (event.user, event.kind)).collect()
}

#[test]
fn a_replay_recorded_again_is_the_same_trace() {
    let folder = Folder::new("again");
    folder.done("trace draw --target null --users 500 --contacts 1 --rate 8000 --duration 600ms --out drawn.trace");
    let run = "run --target null --users 500 --contacts 1 --schedule trace:drawn.trace";
    folder.done(&format!("{run} --record once.trace"));
    folder.done(&format!("{run} --record one-shard.trace --shards 1"));
    folder.done(&format!("{run} --record fast.trace --speed 4"));
    let page = folder.done(&format!("{run} --record max.trace --speed max"));
    assert!(page.contains("latency from plan is latency from send"), "{page}");
    folder.done(&format!("{run} --speed max --json max.json --csv max.csv --hlog max.hlog"));
    let text = |name: &str| fs::read_to_string(folder.0.join(name)).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text("max.json")).unwrap();
    assert!(report.get("series").is_none(), "nobody knew beforehand how long it would be");
    let whole = format!("whole,0.0,{},", report["measured_s"].as_f64().unwrap());
    assert!(text("max.csv").lines().skip(1).all(|line| line.starts_with(&whole)), "`{whole}`: {}", text("max.csv"));
    assert_eq!(text("max.hlog").matches("Tag=").count(), 3, "all of it is one interval: {}", text("max.hlog"));
    ["max.json", "max.csv", "max.hlog"].iter().for_each(|name| fs::remove_file(folder.0.join(name)).unwrap());
    let (header, events) = folder.read("drawn.trace");
    assert!((5_000..9_000).contains(&events.len()), "{}", events.len());
    assert!(events.iter().any(|event| matches!(event.kind, Kind::Publish { category: 1.., .. })));
    let bytes = |name: &str| fs::read(folder.0.join(name)).unwrap();
    assert!(bytes("once.trace") == bytes("drawn.trace"), "even the times are the trace's own");
    assert!(bytes("one-shard.trace") == bytes("drawn.trace"), "on however many shards");
    for name in ["fast.trace", "max.trace"] {
        let (found, replayed) = folder.read(name);
        assert_eq!(found, header);
        assert!(without_times(&replayed) == without_times(&events), "{name} is the same apart from times");
        let times = |events: &[Event]| events.iter().map(|event| event.at_us).collect::<Vec<_>>();
        assert!(times(&replayed) != times(&events) && times(&replayed).is_sorted(), "{name} has times of its own");
    }
    // What was written on the way is gone.
    folder.is_empty_but_for(&["drawn.trace", "fast.trace", "max.trace", "once.trace", "one-shard.trace"]);
}

#[test]
fn an_engines_run_is_recorded_and_replayed_with_everything_that_users_did() {
    let folder = Folder::new("engine");
    let lync = include_str!("../../tuning/users/lync-2013.toml");
    let (before, edits) = lync.split_at(lync.find("[policy_edits_per_hour]").unwrap());
    folder.file("churn.toml", format!("{before}{}", edits.replacen("value = 0.01", "value = 0.4", 1)));
    let run = "run --model churn.toml --users 400 --contacts 10 --seed 3 --skip-max 100%";
    folder.done(&format!("{run} --rate 1500 --duration 700ms --record engine.trace"));
    let (header, events) = folder.read("engine.trace");
    assert_eq!((header.users, header.composed, header.seed), (400, true, Some(3)));
    for kind in [Kind::PublishIdle, Kind::EditPolicy] {
        assert!(events.iter().any(|event| event.kind == kind), "{kind:?} of {} events", events.len());
    }
    let info = folder.done("trace info engine.trace");
    assert!(info.contains("composed presence") && info.contains("edit-policy") && info.contains("--seed 3"), "{info}");
    let page = folder.done(&format!("{run} --schedule trace:engine.trace --record again.trace"));
    assert!(!page.contains("others watch others"), "{page}");
    assert_eq!(folder.read("again.trace"), (header, events.clone()));
    folder.done(&format!("{run} --schedule trace:engine.trace --speed max --record max.trace"));
    assert!(without_times(&folder.read("max.trace").1) == without_times(&events));
    // Without an engine, what is not shown is passed over, and recorded all the same.
    folder.done(&format!("{run} --target null --schedule trace:engine.trace --record null.trace"));
    assert_eq!(folder.read("null.trace"), (header, events.clone()));
    // Who could have done it matters to nobody there: these have one endpoint each, and other colleagues.
    for target in ["null", "double:service=1us"] {
        let other = format!("{run} --endpoints 1 --target {target}").replace("--seed 3", "--seed 4");
        let page = folder.done(&format!("{other} --schedule trace:engine.trace --record other.trace"));
        assert!(
            page.contains("the trace is of 400 users drawn with --seed 3, and this run has 400 drawn with --seed 4"),
            "{page}"
        );
        assert_eq!(folder.read("other.trace"), (header, events.clone()), "{target}");
    }
}

#[test]
fn who_was_to_leave_after_the_end_of_a_replay_is_not_waited_for() {
    let folder = Folder::new("leave");
    folder.done("trace draw --model plain --users 500 --contacts 5 --rate 2000 --duration 500ms --out drawn.trace");
    let run = "run --model plain --users 500 --contacts 5 --skip-max 100% --slo 10s --drop 100%/min --schedule trace:drawn.trace";
    folder.done(&format!("{run} --speed max --json max.json"));
    let report: serde_json::Value = serde_json::from_slice(&fs::read(folder.0.join("max.json")).unwrap()).unwrap();
    let bad = |what: &str| report["troubled"][what].as_u64().unwrap();
    assert!(bad("watchers") > 20 && bad("left") < bad("watchers") / 2, "{}", report["troubled"]);
    assert_eq!(bad("left"), bad("returned"));
}

#[test]
fn what_a_run_cannot_replay_is_refused_with_the_way_out() {
    let folder = Folder::new("refused");
    folder.file("whole.trace", write(HEADER, &drawn(100, 1)));
    folder.file("empty.trace", write(HEADER, &[]));
    let right = [Event { at_us: 1, user: 0, kind: Kind::Publish { category: 0, bytes: 24 } }];
    folder.file("right.trace", write(HEADER, &right));
    let mut damaged = write(HEADER, &drawn(100, 1));
    damaged[500] ^= 1;
    folder.file("damaged.trace", &damaged);
    folder.file("cut.trace", &damaged[..300]);
    folder.file("text.trace", "time_s,user,kind");
    let refused = |arguments: &str, says: &[&str]| folder.refused(2, arguments, says);
    refused("run --schedule trace:none.trace", &["none.trace: it cannot be read: No such file"]);
    refused("run --schedule trace:.", &[".: it is no file"]);
    refused("run --schedule trace:text.trace", &["text.trace: it ends after 16 bytes"]);
    refused("run --schedule trace:damaged.trace", &["damaged.trace: block 0 is corrupt, somewhere in records 0 to 99"]);
    refused(
        "run --schedule trace:cut.trace",
        &["cut.trace: it is truncated: block 0, from record 0 on, ends after 236"],
    );
    refused("run --schedule trace:empty.trace", &["empty.trace: it has no events"]);
    refused("run --users 999 --schedule trace:whole.trace", &["of 1000 users, but the run has 999", "--users 1000"]);
    refused(
        "run --users 1000 --model plain --schedule trace:whole.trace",
        &["of category 7, but the model plain has 1"],
    );
    refused("run --schedule lumpy", &["lumpy", "--schedule", "trace:FILE"]);
    refused("--schedule trace:whole.trace", &["`loadgen run`"]);
    refused("--record x.trace", &["--record is for `loadgen run`"]);
    refused("run --speed 2", &["say --schedule trace:FILE"]);
    refused("run --schedule trace:whole.trace --speed 0", &["`max`, or a factor from 0.001"]);
    refused("run --schedule trace:whole.trace --rate 9", &["--rate and --schedule trace:FILE contradict"]);
    refused("run --schedule trace:whole.trace --speedup 9", &["--speedup and --schedule trace:FILE contradict"]);
    refused("run --schedule trace:whole.trace --speed max --duration 1s", &["--duration and --speed max contradict"]);
    refused("run --target null --users 1000 --schedule trace:right.trace --record right.trace", &["it is in use"]);
    refused("run --users 200 --record no/such/x.trace", &["no/such/x.trace: it cannot be written"]);
    refused("trace draw --out x.trace --json y.json", &["--json means nothing"]);
    assert_eq!(folder.read("right.trace").1, right, "what was there is there still");
}

#[test]
fn presence_that_nobody_composes_is_refused_by_an_engine() {
    let folder = Folder::new("composed");
    let idle = [Event { at_us: 1, user: 0, kind: Kind::PublishIdle }];
    folder.file("idle.trace", write(HEADER, &idle));
    folder.refused(
        2,
        "run --users 1000 --model plain --schedule trace:idle.trace",
        &["composed presence", "--target null"],
    );
    folder.refused(
        2,
        "run --users 1000 --endpoints 1 --schedule trace:idle.trace",
        &["second endpoints", "--endpoints 1.9"],
    );
}

#[test]
fn a_recording_that_does_not_fit_the_disk_fails_the_run_with_its_reason() {
    let folder = Folder::new("full");
    folder.refused(
        1,
        "trace draw --users 200 --duration 1s --out /dev/full",
        &["/dev/full: it cannot be written: No space left"],
    );
    // Files without names go beside the trace; only who may write there comes as far as the full disk.
    if tempfile::tempfile_in("/dev").is_ok() {
        let run = "run --target null --users 200 --rate 200 --duration 300ms --record /dev/full";
        folder.refused(1, run, &["FAIL", "the run was not recorded: /dev/full: it cannot be written: No space left"]);
    }
}

#[test]
fn csv_becomes_a_trace_and_names_become_numbers() {
    let folder = Folder::new("csv");
    let rows = "time_s,user,kind,category,bytes\n\
                1700000000.5,\"ken, of sales\",publish,0,100\n\
                1700000000.75,bo,publish,4,30\n\
                1700000000.75 , bo , edit-policy,,\n\
                1700000003,\"ken, of sales\",publish-idle,,0\n";
    folder.file("log.csv", rows);
    folder.file("key", KEY);
    folder.refused(1, "trace import log.csv --out log.trace", &["log.csv:2: time_s is `1700000000.5`", "--from-first"]);
    folder.is_empty_but_for(&["key", "log.csv"]);
    let says = folder.done("trace import log.csv --from-first --out log.trace");
    assert!(says.contains("4 events of 2 users"), "{says}");
    let (header, events) = folder.read("log.trace");
    assert_eq!((header.users, header.composed, header.seed), (2, true, None));
    let publish = |category, bytes| Kind::Publish { category, bytes };
    let expected = [
        (0, 0, publish(0, 100)),
        (250_000, 1, publish(4, 30)),
        (250_000, 1, Kind::EditPolicy),
        (2_500_000, 0, Kind::PublishIdle),
    ];
    assert_eq!(events, expected.map(|(at_us, user, kind)| Event { at_us, user, kind }));
    let exported = folder.done("trace export log.trace");
    assert!(
        exported.starts_with("time_s,user,kind,category,bytes\n0.000000,0,publish,0,100\n0.250000,1,"),
        "{exported}"
    );
    folder.done("trace import log.csv --from-first --anonymise --key-file key --out keyed.trace");
    folder.done("trace anonymise log.trace --key-file key --out after.trace");
    assert_eq!(folder.read("keyed.trace"), folder.read("after.trace"));
    folder.is_empty_but_for(&["after.trace", "key", "keyed.trace", "log.csv", "log.trace"]);
}

#[test]
fn wrong_csv_is_told_with_line_and_column() {
    let folder = Folder::new("wrong-csv");
    let refused = |rows: &str, says: &[&str]| {
        folder.file("x.csv", rows);
        folder.refused(1, "trace import x.csv --out x.trace", says);
    };
    let row = |row: &str| format!("time_s,user,kind,category,bytes\n1,ken,publish,0,24\n{row}\n");
    refused("", &["x.csv:1: the columns are ``, but `time_s,user,kind,category,bytes`"]);
    refused("time,user\n", &["x.csv:1: the columns are `time,user`"]);
    refused(&row("2,ken,publish,0"), &["x.csv:3: it has 4 fields, but 5 were expected"]);
    refused(&row("soon,ken,publish,0,1"), &["x.csv:3: time_s is `soon`, but seconds"]);
    refused(&row("nan,ken,publish,0,1"), &["x.csv:3: time_s is `nan`"]);
    refused(&row("-1,ken,publish,0,1"), &["x.csv:3: time_s is `-1`"]);
    refused(&row("0.5,ken,publish,0,1"), &["x.csv:3: time_s is `0.5`, but 1.000000 or more"]);
    refused(&row("2,,publish,0,1"), &["x.csv:3: user is ``, but a name or a number"]);
    refused(
        &row("2,ken,subscribe,0,1"),
        &["x.csv:3: kind is `subscribe`, but publish, publish-idle, edit-policy, or one of poll,"],
    );
    refused(&row("2,ken,publish,8,1"), &["x.csv:3: category is `8`, but a number below 8"]);
    refused(&row("2,ken,publish,0,1048577"), &["x.csv:3: bytes is `1048577`, but a number up to 1048576"]);
    refused(&row("2,ken,edit-policy,0,24"), &["x.csv:3: bytes is `24`, but nothing"]);
    refused(&row(&format!("2,\"{}", "x".repeat(1 << 20))), &["x.csv", "more than 65536 bytes", "never closes"]);
    folder.file("x.csv", row("2,ken,publish,0,1"));
    folder.refused(1, "trace import x.csv --numbers --out x.trace", &["x.csv:2: user is `ken`, but a number below"]);
    folder.refused(1, "trace import x.csv --out x.csv", &["x.csv: it is in use"]);
    folder.refused(2, "trace import x.csv --out x.trace --anonymise", &["--key-file"]);
}

#[test]
fn anonymised_users_have_other_numbers_and_nothing_else_has_changed() {
    let folder = Folder::new("anonymise");
    let events = drawn(5_000, 2);
    folder.file("open.trace", write(HEADER, &events));
    folder.file("key", KEY);
    folder.done("trace anonymise open.trace --key-file key --out hidden.trace");
    let (header, hidden) = folder.read("hidden.trace");
    assert_eq!(header, Header { records: 5_000, anonymised: true, seed: None, ..HEADER });
    let mut numbers = std::collections::HashMap::new();
    let mut same = 0;
    for (before, after) in events.iter().zip(&hidden) {
        assert_eq!((before.at_us, before.kind), (after.at_us, after.kind));
        assert_eq!(*numbers.entry(before.user).or_insert(after.user), after.user, "one user is one user still");
        same += u32::from(before.user == after.user);
    }
    let distinct: std::collections::HashSet<_> = numbers.values().collect();
    assert_eq!(distinct.len(), numbers.len(), "and no two are the same");
    assert!(same < 100, "{same}");
    let info = folder.done("trace info hidden.trace");
    assert!(info.contains("anonymised") && info.contains("no seed"), "{info}");
    for (key, says) in [("short", "`s` at character 1"), ("", "0 digits"), ("0011zz", "`z` at character 5")] {
        folder.file("key", key);
        folder.refused(1, "trace anonymise open.trace --key-file key --out no.trace", &["--key-file key", says]);
    }
}

#[test]
fn help_teaches_traces() {
    let folder = Folder::new("help");
    let help = folder.done("trace --help");
    for part in ["import log.csv", "--speed max", "latency from send", "It holds no documents", "Exit code"] {
        assert!(help.contains(part), "`{part}` is not in: {help}");
    }
    assert!(folder.done("trace import --help").contains("seconds since the begin of the trace"));
    assert!(folder.done("trace anonymise --help").contains("Not hidden: when something happened"));
    assert!(folder.done("run --help").contains("--record"));
}

fn exported_and_imported(path: &Path, events: &[Event]) -> (Header, Vec<Event>) {
    let (csv, out) = (path.join("x.csv"), path.join("x.trace"));
    let mut text = Vec::new();
    export(Reader::begin(&write(HEADER, events)[..]).unwrap(), &mut text).unwrap();
    fs::write(&csv, text).unwrap();
    import(&csv, &out, How { numbers: true, ..How::default() }).unwrap();
    read(&fs::read(out).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn csv_there_and_back_is_the_same(count in 0..200usize, seed in any::<u64>(), far in 0..(1u64 << 47)) {
        let folder = Folder::new("round-trip");
        let mut events = drawn(count, seed);
        events.iter_mut().for_each(|event| event.at_us += far);
        let (header, found) = exported_and_imported(&folder.0, &events);
        prop_assert_eq!(header.users, events.iter().map(|event| event.user + 1).max().unwrap_or(0));
        prop_assert_eq!(found, events);
    }
}
