//! `compare` and `history` as a person meets them: real runs, a stand-in whose figures are known, and bad input.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rand_distr::{Distribution, Exp1, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde_json::{Value, json};

const ANSWERED: Option<i32> = Some(0);
const NOT_ANSWERED: Option<i32> = Some(1);
const USAGE: Option<i32> = Some(2);

/// A folder for one test alone, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn write(&self, name: &str, report: &Value) -> String {
        let file = self.file(name);
        fs::write(&file, report.to_string()).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn loadgen(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_loadgen")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// The report of a small run, which the stand-in and the tests of saved results change.
fn template(folder: &Folder) -> Value {
    let file = folder.file("template.json");
    let line = format!("run --users 200 --contacts 20 --rate 300 --duration 500ms --skip-max 100% --json {file}");
    let (code, page, complaint) = loadgen(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(code, ANSWERED, "{page}{complaint}");
    let report = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    fs::remove_file(file).unwrap();
    report
}

/// Draws of a noise that a stand-in picks from.
const DRAWS: usize = 4_096;

/// A program that takes `run … --seed N --json FILE` and at once writes a result: this many CPU nanoseconds a notification,
/// with noise of 3 % that leans to the slow side. Which draw it is, seed and the file's name say.
fn stand_in(folder: &Folder, name: &str, report: &Value, cpu_ns: f64) -> String {
    let mut report = report.clone();
    report["cost"]["cpu_ns_per_notification"] = json!("CPU_NS");
    let template = folder.write(&format!("{name}.template"), &report);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut draw = || {
        let (even, skewed): (f64, f64) = (StandardNormal.sample(&mut rng), Exp1.sample(&mut rng));
        format!("{:.1}\n", cpu_ns * (1.0 + 0.02 * even + 0.02 * skewed))
    };
    let draws = folder.file(&format!("{name}.draws"));
    fs::write(&draws, (0..DRAWS).map(|_| draw()).collect::<String>()).unwrap();
    let script = format!(
        r#"#!/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in --json) file=$2;; --seed) seed=$2;; esac
    shift
done
drawn=$(printf '%s %s' "$seed" "${{file##*/}}" | cksum | cut -d' ' -f1)
cpu_ns=$(sed -n "$((drawn % {DRAWS} + 1))p" '{draws}')
sed "s/\"CPU_NS\"/$cpu_ns/" '{template}' > "$file"
"#
    );
    program(folder, name, &script)
}

fn program(folder: &Folder, name: &str, script: &str) -> String {
    let file = folder.file(name);
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    format!("program:{file}")
}

#[test]
fn help_teaches_with_examples() {
    for (verb, parts) in [
        ("compare", ["loadgen compare commit:main commit:HEAD", "A B B A", "Holm", "Exit code: 0 answered"]),
        ("history", ["loadgen history results/", "never mixed", "ranks", "Exit code: 0 shown"]),
    ] {
        let (code, help, _) = loadgen(&[verb, "--help"]);
        assert_eq!(code, ANSWERED);
        for part in parts {
            assert!(help.contains(part), "{verb}: `{part}` is not in: {help}");
        }
    }
}

fn sentence(page: &str) -> &str {
    page.trim_end().lines().next_back().unwrap_or_default()
}

#[test]
fn twenty_seeds_cannot_tell_a_thing_from_itself_and_tell_ten_percent() {
    let folder = Folder::new("twenty");
    let report = template(&folder);
    let a = stand_in(&folder, "a", &report, 200.0);
    let b = stand_in(&folder, "b", &report, 220.0);
    let compare = |seed: u64, side: &str| {
        // Each seed stands for a whole comparison with seeds of its own.
        let seed = (seed * 1_000).to_string();
        let (code, page, complaint) =
            loadgen(&["compare", &a, side, "--seed", &seed, "--rounds", "8", "--fail-if-slower"]);
        let is_slower = sentence(&page).starts_with("B is slower: ");
        assert_eq!(code, if is_slower { NOT_ANSWERED } else { ANSWERED }, "{page}{complaint}");
        (sentence(&page).starts_with("cannot tell: "), is_slower)
    };
    let seeds = 1..=20;
    let (same, slower) = std::thread::scope(|scope| {
        let same = scope.spawn(|| seeds.clone().filter(|&seed| compare(seed, &a).0).count());
        let slower = seeds.clone().filter(|&seed| compare(seed, &b).1).count();
        (same.join().unwrap(), slower)
    });
    assert!(same >= 19, "cannot tell: {same} of 20");
    assert!(slower >= 18, "slower: {slower} of 20");
}

#[test]
fn flags_are_compared_by_runs_that_take_turns() {
    let folder = Folder::new("flags");
    let (json, kept) = (folder.file("answer.json"), folder.file("kept"));
    let common = "--users 200 --contacts 20 --rate 300 --duration 300ms --skip-max 100% --shards 1";
    let mut line =
        vec!["compare", "flags:--document 32", "flags:--document 20000", "--rounds", "4", "--figure", "bytes"];
    line.extend(["--json", &json, "--keep", &kept, "--"]);
    line.extend(common.split(' '));
    let (code, page, complaint) = loadgen(&line);
    assert_eq!(code, ANSWERED, "{page}{complaint}");
    for part in ["A            --document 32", "Counted      4 pairs", "* bytes a subscription", "B is larger: "] {
        assert!(page.contains(part), "`{part}` is not in: {page}{complaint}");
    }
    let answer: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!((&answer["answer"], &answer["answered"]), (&json!("worse"), &json!(true)));
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 8);
    let result =
        |name: &str| -> Value { serde_json::from_slice(&fs::read(Path::new(&kept).join(name)).unwrap()).unwrap() };
    let seeds = ["01-a.json", "01-b.json", "02-a.json"].map(|name| result(name)["config"]["seed"].clone());
    assert_eq!(seeds[0], seeds[1], "both of a pair do the same");
    assert_ne!(seeds[0], seeds[2], "pairs differ");

    // What was kept can be compared again, now as results that are no pairs.
    let (a, b) = (format!("{kept}/*-a.json"), format!("{kept}/*-b.json"));
    let (code, page, complaint) = loadgen(&["compare", &a, &b, "--figure", "bytes"]);
    assert_eq!(code, ANSWERED, "{page}{complaint}");
    assert!(page.contains("not in pairs") && sentence(&page).starts_with("B is larger: "), "{page}");
}

/// A repository whose `loadgen` is a few lines that write a result, as small as a program can be that cargo builds.
fn repository(folder: &Folder, report: &Value, cpu_ns: [f64; 2]) -> PathBuf {
    let root = folder.0.join("repository");
    fs::create_dir_all(root.join("src")).unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"];
        let done = Command::new("git").arg("-C").arg(&root).args(identity).args(arguments).output().unwrap();
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let manifest = "[package]\nname = \"fanfare-loadgen\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
                    [[bin]]\nname = \"loadgen\"\npath = \"src/main.rs\"\n";
    let lock = "version = 4\n\n[[package]]\nname = \"fanfare-loadgen\"\nversion = \"0.1.0\"\n";
    let program = "fn main() {\n    let file = std::env::args().next_back().unwrap();\n    \
                   std::fs::write(file, include_str!(\"result.json\")).unwrap();\n}\n";
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    fs::write(root.join("Cargo.lock"), lock).unwrap();
    fs::write(root.join("src/main.rs"), program).unwrap();
    fs::write(root.join(".gitignore"), "/target\n").unwrap();
    git(&["init", "--quiet"]);
    for (place, cpu_ns) in cpu_ns.into_iter().enumerate() {
        let mut report = report.clone();
        report["cost"]["cpu_ns_per_notification"] = json!(cpu_ns);
        report["commit"] = json!(format!("number{place}"));
        fs::write(root.join("src/result.json"), report.to_string()).unwrap();
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "one more"]);
    }
    root
}

#[test]
fn commits_are_checked_out_built_compared_and_cleared_away() {
    let folder = Folder::new("commits");
    let root = repository(&folder, &template(&folder), [200.0, 230.0]);
    let begin = |from: &Path, a: &str, b: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command.args(["compare", a, b]).current_dir(from).env_remove("CARGO_TARGET_DIR");
        command
    };
    let end = |mut command: Command| {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    // One that was killed has left its checkout.
    let head = Command::new("git").arg("-C").arg(&root).args(["rev-parse", "HEAD"]).output().unwrap();
    let left = root.join("target/compare").join(&String::from_utf8(head.stdout).unwrap()[..12]);
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half"), "a file").unwrap();
    let (code, page, complaint) = end(begin(&root, "commit:HEAD~1", "commit:HEAD"));
    assert_eq!(code, ANSWERED, "{page}{complaint}");
    assert!(page.contains("commit: number0 / number1") && sentence(&page).starts_with("B is slower: "), "{page}");
    let (code, _, complaint) = end(begin(&root, "commit:HEAD", "commit:nonsense"));
    assert_eq!(code, NOT_ANSWERED);
    assert!(complaint.contains("commit nonsense cannot be built: git does not know it"), "{complaint}");
    let listed = Command::new("git").arg("-C").arg(&root).args(["worktree", "list"]).output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 1, "a worktree is left");
    let left: Vec<_> =
        fs::read_dir(root.join("target/compare")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["build"]);

    // A target folder is told from where the program is, as cargo takes it, and not from the repository's root.
    let mut from_below = begin(&root.join("src"), "commit:HEAD", "commit:HEAD");
    from_below.env("CARGO_TARGET_DIR", "../target/elsewhere");
    let (code, page, complaint) = end(from_below);
    assert_eq!(code, ANSWERED, "{page}{complaint}");
    assert!(root.join("target/elsewhere/compare/build/release/loadgen").exists(), "{complaint}");
}

#[test]
fn runs_that_fail_are_told_with_side_and_reason() {
    let folder = Folder::new("fail");
    let report = template(&folder);
    let good = stand_in(&folder, "good", &report, 200.0);
    let mut failed = report.clone();
    (failed["verdict"], failed["reasons"]) = (json!("FAIL"), json!(["the rate was missed"]));
    let failed = folder.write("failed.json.template", &failed);
    let script = format!("#!/bin/sh\nfor last; do :; done\ncp '{failed}' \"$last\"\nexit 1\n");
    let bad = program(&folder, "bad", &script);
    let (code, page, complaint) = loadgen(&["compare", &good, &bad]);
    assert_eq!(code, NOT_ANSWERED, "{page}{complaint}");
    for part in ["Failed       B, 1: the rate was missed", "Counted      0 pairs", "cannot tell: given up after 4 runs"]
    {
        assert!(page.contains(part), "`{part}` is not in: {page}");
    }
    let broken = program(&folder, "broken", "#!/bin/sh\necho 'no such flag' >&2\nexit 3\n");
    let (code, page, _) = loadgen(&["compare", &broken, &good]);
    assert_eq!(code, NOT_ANSWERED, "{page}");
    assert!(page.contains("left no result") && page.contains("no such flag"), "{page}");
    let (code, _, complaint) = loadgen(&["compare", "program:/no/such/program", &good]);
    assert_eq!(code, NOT_ANSWERED);
    assert!(complaint.contains("/no/such/program cannot be run"), "{complaint}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = Folder::new("refused");
    let report = template(&folder);
    let saved = folder.write("one.json", &report);
    let refused = |arguments: &[&str], says: &[&str]| {
        let (code, _, complaint) = loadgen(&[&["compare"], arguments].concat());
        assert_eq!(code, USAGE, "{arguments:?}: {complaint}");
        for part in says {
            assert!(complaint.contains(part), "{arguments:?}: `{part}` is not in: {complaint}");
        }
    };
    refused(&["commit:", "flags:"], &["nothing after the colon"]);
    refused(&["flags:--shards 'x", "flags:"], &["a quote that does not end"]);
    refused(&["flags:--json x", "flags:"], &["--json is set by `compare` itself"]);
    refused(&["flags:", "flags:", "--", "--json", "x"], &["--json is set by `compare` itself"]);
    refused(&["flags:--shards 0", "flags:"], &["side A", "--shards"]);
    refused(&["flags:", "flags:--users 20", "--", "--users", "30"], &["side B", "--users"]);
    refused(&["flags:", "target:teapot"], &["side B", "teapot"]);
    refused(&["flags:", &saved], &["cannot take turns"]);
    refused(&[&saved, &saved, "--", "--users", "20"], &["both sides are saved results"]);
    refused(&["no/such/file.json", &saved], &["no/such/file.json", "no such file"]);
    refused(&[&saved, &saved, "--figure", "speed"], &["no figure `speed`", "cpu-ns", "last-p99"]);
    refused(&[&saved, &saved, "--confidence", "100%"], &["from 50% to 99.9%"]);
    refused(&[&saved, &saved, "--rounds", "1"], &["3..=500"]);

    let cut = folder.file("cut.json");
    let text = report.to_string();
    fs::write(&cut, &text[..text.len() / 2]).unwrap();
    refused(&[&cut, &saved], &["cut.json:1:", "it was cut off"]);
    let mut newer = report.clone();
    newer["schema"] = json!(2);
    refused(&[&folder.write("newer.json", &newer), &saved], &["newer.json", "`schema` is 2"]);
    let mut other = report.clone();
    other["config"]["shards"] = json!(64);
    let mixed = Folder::new("mixed");
    mixed.write("1.json", &report);
    mixed.write("2.json", &other);
    refused(&[&mixed.0.display().to_string(), &saved], &["2.json", "shards is 64"]);
}

#[test]
fn one_saved_result_of_each_tells_nothing_and_says_why() {
    let folder = Folder::new("alone");
    let saved = folder.write("one.json", &template(&folder));
    let (code, page, _) = loadgen(&["compare", &saved, &saved]);
    assert_eq!(code, NOT_ANSWERED, "{page}");
    assert!(sentence(&page).contains("at least 3 are needed"), "{page}");
}

/// Writes results of these values, one an hour.
fn results(folder: &Folder, report: &Value, name: &str, values: &[f64]) {
    for (place, value) in values.iter().enumerate() {
        let mut report = report.clone();
        report["began"] = json!(format!("2026-11-{:02}T{:02}:00:00Z", 1 + place / 24, place % 24));
        report["commit"] = json!(format!("{name}{place:04}"));
        report["cost"]["cpu_ns_per_notification"] = json!(value);
        // Names are no order: those of a folder may be anything.
        folder.write(&format!("{:02}-{name}.json", (place * 7) % 100), &report);
    }
}

#[test]
fn history_shows_where_it_changed_and_keeps_machines_apart() {
    let folder = Folder::new("history");
    let report = template(&folder);
    let noise = [0.3, -1.1, 0.8, 2.1, -0.4, 0.1, -0.9, 1.2, 0.5, -1.6];
    let values: Vec<f64> = (0..24).map(|place| if place < 14 { 200.0 } else { 230.0 } + noise[place % 10]).collect();
    results(&folder, &report, "here", &values);
    let mut elsewhere = report.clone();
    elsewhere["host"]["cpu"] = json!("Another");
    results(&folder, &elsewhere, "there", &[900.0, 901.0]);
    let mut failed = report.clone();
    (failed["verdict"], failed["reasons"]) = (json!("FAIL"), json!(["the rate was missed"]));
    folder.write("99-failed.json", &failed);
    fs::write(folder.file("98-broken.json"), "{").unwrap();
    let json = folder.file("trend.txt");
    let (code, page, complaint) = loadgen(&["history", &folder.0.display().to_string(), "--json", &json]);
    assert_eq!(code, ANSWERED, "{page}{complaint}");
    for part in [
        "Series 1 of 2  CPU ns a notification: 24 results",
        "CHANGE   slower from result 15 on: 200 to 230 (+14.9 %)",
        "between commits here0013 and here0014",
        "▁",
        "Series 2 of 2",
        "apart from series 1 by cpu: Another",
        "2 results are too few",
        "Left out     2 files",
        "99-failed.json: FAIL: the rate was missed",
        "98-broken.json:1:1",
    ] {
        assert!(page.contains(part), "`{part}` is not in: {page}");
    }
    let trend: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(trend["series"][0]["changes"][0]["commit_after"], "here0014");
    assert_eq!(trend["series"][0]["changes"].as_array().unwrap().len(), 1);
    assert!(trend["series"][1]["changes"].as_array().unwrap().is_empty());
}

#[test]
fn history_without_results_is_refused() {
    let folder = Folder::new("nothing");
    let (code, _, complaint) = loadgen(&["history", &folder.0.display().to_string()]);
    assert_eq!(code, USAGE, "{complaint}");
    fs::write(folder.file("x.json"), "[]").unwrap();
    let (code, _, complaint) = loadgen(&["history", &folder.0.display().to_string()]);
    assert_eq!(code, USAGE);
    assert!(complaint.contains("none of 1 files") && complaint.contains("x.json"), "{complaint}");
}
