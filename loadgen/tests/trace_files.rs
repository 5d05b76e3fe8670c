//! What becomes of files: a trace is there as it was or whole and new, whatever comes in between.

mod traces;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use traces::folder::{Folder, KEY};
use traces::{HEADER, drawn, write};

const ROWS: &str = "time_s,user,kind,category,bytes\n1,ken,publish,0,24\n";

#[test]
fn what_was_there_stays_until_there_is_something_whole() {
    let folder = Folder::new("stays");
    let old = write(HEADER, &drawn(10, 1));
    let mut damaged = write(HEADER, &drawn(9_000, 2));
    *damaged.last_mut().unwrap() ^= 1;
    folder.file("old.trace", &old);
    folder.file("damaged.trace", &damaged);
    folder.file("bad.csv", format!("{ROWS}2,ken,publish,0\n"));
    folder.file("key", KEY);
    let names = ["bad.csv", "damaged.trace", "key", "old.trace"];
    for verb in [
        "import bad.csv",
        "import bad.csv --anonymise --key-file key",
        "anonymise damaged.trace --key-file key",
        "export damaged.trace",
    ] {
        let blamed = if verb.contains("bad.csv") { "bad.csv:3: " } else { "damaged.trace: block 2 is corrupt" };
        for out in ["old.trace", "new.trace"] {
            folder.refused(1, &format!("trace {verb} --out {out}"), &[&format!("loadgen: {blamed}")]);
            assert!(fs::read(folder.0.join("old.trace")).unwrap() == old, "{verb}");
            folder.is_empty_but_for(&names);
        }
    }
    folder.file("good.csv", ROWS);
    folder.done("trace import good.csv --out old.trace");
    assert_eq!(folder.read("old.trace").1.len(), 1);
}

#[test]
fn the_input_is_no_output() {
    let folder = Folder::new("same");
    let trace = write(HEADER, &drawn(10, 1));
    folder.file("one.trace", &trace);
    folder.file("one.csv", ROWS);
    folder.file("key", KEY);
    symlink("one.trace", folder.0.join("link.trace")).unwrap();
    for verb in [
        "anonymise one.trace --key-file key --out one.trace",
        "anonymise one.trace --key-file key --out link.trace",
        "export one.trace --out ./one.trace",
        "import one.csv --out one.csv",
    ] {
        folder.refused(1, &format!("trace {verb}"), &["it is the input and the output of this one"]);
    }
    assert!(fs::read(folder.0.join("one.trace")).unwrap() == trace);
    folder.is_empty_but_for(&["key", "link.trace", "one.csv", "one.trace"]);
}

#[test]
fn what_takes_a_files_place_is_where_it_was_and_for_whom_it_was() {
    let folder = Folder::new("place");
    folder.file("log.csv", ROWS);
    folder.file("real.trace", "");
    let real = folder.0.join("real.trace");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("real.trace", folder.0.join("link.trace")).unwrap();
    // Somebody was killed here.
    folder.file(".real.trace.part", vec![7; 1 << 20]);
    folder.done("trace import log.csv --out link.trace");
    assert_eq!(folder.read("real.trace").1.len(), 1);
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::symlink_metadata(folder.0.join("link.trace")).unwrap().is_symlink());
    folder.is_empty_but_for(&["link.trace", "log.csv", "real.trace"]);
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let folder = Folder::new("lines");
    for end in ["\n", "\r\n"] {
        let told = |rows: &[&str], says: &str| {
            folder.file("x.csv", rows.join(end));
            folder.refused(1, "trace import x.csv --out x.trace", &[says]);
        };
        let columns = "time_s,user,kind,category,bytes";
        let good = "1,ken,publish,0,24";
        told(&[columns, good, "soon,ken,publish,0,24"], "x.csv:3: time_s is `soon`");
        told(&[columns, good, good, good, "2,ken,publish,0", ""], "x.csv:5: it has 4 fields");
        told(&[columns, "", good, "", "", "2,ken,publish,9,24", ""], "x.csv:6: category is `9`");
        told(&[columns, "1,\"ken", "of sales\",publish,9,24"], "x.csv:2: category is `9`");
        told(&[columns, "1,\"ken", "of sales\",publish,0,24", "0,bo,publish,0,24"], "x.csv:4: time_s is `0`");
        folder.file("x.csv", [columns, "", good, " ", good, "", ""].join(end));
        folder.done("trace import x.csv --out x.trace");
        assert_eq!(folder.read("x.trace").1.len(), 2);
    }
}

#[test]
fn drawing_asks_nothing_of_the_machine_and_leaves_nothing_but_the_trace() {
    let folder = Folder::new("draws");
    // Nobody could run this one here.
    folder.done("trace draw --users 90000000 --contacts 1000 --shards 64 --rate 500 --duration 1s --out much.trace");
    let (header, events) = folder.read("much.trace");
    assert!(header.users == 90_000_000 && events.len() > 500, "{header:?}");
    for flag in ["--html x", "--hlog x", "--hgrm x", "--csv x", "--prometheus x", "--json x", "--record x", "--slo 5ms"]
    {
        let name = flag.split(' ').next().unwrap();
        folder.refused(2, &format!("trace draw --out y.trace {flag}"), &[&format!("{name} means nothing")]);
    }
    folder.refused(2, "trace draw --users 3 --shards 4 --out y.trace", &["at least one for each of the 4 shards"]);
    folder.is_empty_but_for(&["much.trace"]);
}

#[test]
fn what_a_run_records_is_what_would_be_drawn_for_it() {
    let folder = Folder::new("recorded");
    for (name, flags) in [
        ("plain", "--target null --users 300 --contacts 2 --rate 9000 --duration 800ms"),
        (
            "shape",
            "--target null --users 300 --contacts 2 --rate 9000 --duration 800ms --schedule ramp:0.1..1 --shards 1",
        ),
        ("composed", "--users 300 --contacts 4 --rate 1500 --duration 600ms --seed 9 --skip-max 100%"),
    ] {
        folder.done(&format!("run {flags} --record {name}.recorded"));
        folder.done(&format!("trace draw {flags} --out {name}.drawn"));
        let bytes = |ending: &str| fs::read(folder.0.join(format!("{name}.{ending}"))).unwrap();
        assert!(folder.read(&format!("{name}.drawn")).1.len() > 500, "{name}");
        assert!(bytes("recorded") == bytes("drawn"), "{name}");
    }
}

#[test]
fn a_run_that_is_ended_before_anybody_published_leaves_the_trace_as_it_was() {
    let folder = Folder::new("ended");
    let old = write(HEADER, &drawn(10, 1));
    folder.file("old.trace", &old);
    // Their sign-in takes some seconds, and it ends at the first signal.
    let run = "run --target null --users 60000 --contacts 80 --duration 1s --record old.trace";
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(run.split(' '))
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The shards' threads are there when signals are waited for, and before anybody signs in.
    let threads = format!("/proc/{}/task", child.id());
    while fs::read_dir(&threads).map_or(0, Iterator::count) < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let page = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect::<Vec<_>>().join("\n");
    assert_eq!(child.wait().unwrap().code(), Some(1), "{page}");
    for part in ["cut short", "the run was not recorded: old.trace: nothing was published", "left as it was"] {
        assert!(page.contains(part), "`{part}` is not in: {page}");
    }
    assert!(fs::read(folder.0.join("old.trace")).unwrap() == old);
    folder.is_empty_but_for(&["old.trace"]);
}
