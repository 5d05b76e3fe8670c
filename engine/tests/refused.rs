//! What the system refuses the engine: io_uring, CPUs, descriptors, threads. Each ends in the documented fall-back or in
//! a typed error, and never in a hang, an exit or a leak.
//!
//! Limits and filters bind a process for good, so each test runs its body in a process of its own: this program once
//! more, told to run that one test. A control group is made where the tests may make one, and taken away again.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::*;
use fanfare::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Holds the name of the test whose body the process is to run, and what it was told.
const APART: &str = "FANFARE_TEST_APART";

/// Runs a test's body in a process of its own, which is given a word with it, and gives what that wrote. In that
/// process it runs the body, and gives nothing.
fn apart(test: &str, word: &str, body: impl FnOnce(&str)) -> Option<String> {
    if let Ok(asked) = std::env::var(APART) {
        let told = asked.strip_prefix(test).and_then(|rest| rest.strip_prefix('=')).expect("one test is asked for");
        body(told);
        return None;
    }
    let program = std::env::current_exe().expect("a program has a path");
    let mut child = Command::new(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(APART, format!("{test}={word}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process can be started");
    let all = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
        })
    };
    let out = all(Box::new(child.stdout.take().expect("it is piped")));
    let err = all(Box::new(child.stderr.take().expect("it is piped")));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("it is ours to wait for") {
            Some(status) => break Some(status),
            None if begun.elapsed() > 2 * LONG => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = [out, err].map(|thread| thread.join().expect("no panic").expect("a pipe can be read")).concat();
    let status = status.unwrap_or_else(|| panic!("{test} hangs apart:\n{text}"));
    // Without the count, a name that fits no test would pass for a success.
    assert!(status.success() && text.contains("1 passed"), "{test} apart ended with {status}:\n{text}");
    Some(text)
}

/// The test's name on this runtime, as `on_every_runtime` makes it.
fn name(on: On, test: &str) -> String {
    format!("{}::{test}", format!("{on:?}").to_lowercase())
}

/// Publishes and is told, on every home.
fn works(engine: &Engine) {
    let door = engine.handle();
    let people = one_on_each(engine.report().homes);
    let mut watcher = door.watcher(1).wait().expect("it opens");
    watcher.subscribe(&people).wait().expect("it subscribes");
    for who in people {
        let stamp = door.publish(says(who, "here")).wait().expect("it is published").stamp;
        until(&mut watcher, |note| note.presentity == who && note.stamp >= stamp);
    }
}

#[cfg(feature = "glommio")]
fn only_refused(started: Result<Engine, StartError>) -> UringRefused {
    match started.expect_err("io_uring is not to be had") {
        StartError::Glommio(refused) => refused,
        error => panic!("{error}"),
    }
}

/// The system calls of io_uring, which have these numbers on every architecture.
#[cfg(feature = "glommio")]
const IO_URING_CALLS: [i64; 3] = [425, 426, 427];

#[cfg(feature = "glommio")]
#[test]
fn io_uring_refused_by_seccomp_is_done_without_and_told() {
    use seccompiler::{SeccompAction, SeccompFilter};

    if !has_glommio() {
        return;
    }
    let log = apart("io_uring_refused_by_seccomp_is_done_without_and_told", "", |_| {
        let eperm = SeccompAction::Errno(rustix::io::Errno::PERM.raw_os_error() as u32);
        let rules = IO_URING_CALLS.into_iter().map(|call| (call, Vec::new())).collect();
        let here = std::env::consts::ARCH.try_into().expect("filters are known on this architecture");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, eperm, here).expect("it is a filter");
        let filter: seccompiler::BpfProgram = filter.try_into().expect("it compiles");
        // Of this thread, and so of those that it starts.
        seccompiler::apply_filter(&filter).expect("a thread may bind itself");
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();

        let engine = Engine::builder().shards(1).limits(small()).start(|_| Nothing).expect("it falls back");
        works(&engine);
        let Report { runtime, why, .. } = engine.report();
        assert_eq!(*runtime, RuntimeKind::Thread);
        assert!(why.contains(&UringRefused::Seccomp.to_string()), "{why}");
        let line = engine.report().to_string();
        assert!(line.contains("on thread") && line.contains(why.as_str()) && !line.contains('\n'), "{line}");
        engine.shutdown().expect("it ends well");

        let refused = only_refused(Engine::builder().runtime(Runtime::Glommio).start(|_| Nothing));
        assert_eq!(refused, UringRefused::Seccomp);
    });
    let Some(log) = log else { return };
    let told: Vec<&str> = log.lines().filter(|line| line.contains("engine started")).collect();
    let [line] = told[..] else { panic!("{told:?}") };
    assert!(line.contains("1 shard on thread (") && line.contains("refused under a seccomp filter"), "{line}");
}

#[cfg(feature = "glommio")]
#[test]
fn no_locked_memory_means_no_glommio() {
    if !has_glommio() {
        return;
    }
    apart("no_locked_memory_means_no_glommio", "", |_| {
        let maximum = getrlimit(Resource::Memlock).maximum;
        setrlimit(Resource::Memlock, Rlimit { current: Some(0), maximum }).expect("less may always be asked for");
        let engine = Engine::builder().shards(1).limits(small()).start(|_| Nothing).expect("it falls back");
        assert_eq!(engine.report().runtime, RuntimeKind::Thread);
        assert!(engine.report().to_string().contains("locked memory is 0 bytes"), "{}", engine.report());
        works(&engine);
        engine.shutdown().expect("it ends well");
        let refused = only_refused(Engine::builder().runtime(Runtime::Glommio).start(|_| Nothing));
        assert!(matches!(refused, UringRefused::Memlock { bytes: 0, .. }), "{refused}");
    });
}

/// Binds the calling thread, and those that it starts, to one CPU.
fn only_one_cpu() -> usize {
    let cpu = Cpus::all().resolve().expect("the mask can be read")[0];
    let mut mask = CpuSet::new();
    mask.set(cpu);
    sched_setaffinity(None, &mask).expect("a thread may bind itself");
    cpu
}

#[test]
fn one_cpu_is_enough_and_is_not_shared_by_two_shards() {
    apart("one_cpu_is_enough_and_is_not_shared_by_two_shards", "", |_| {
        let cpu = only_one_cpu();
        let engine = Engine::builder().limits(small()).start(|_| Nothing).expect("one CPU is enough");
        assert_eq!((engine.shards(), &engine.report().cpus[..]), (1, &[cpu][..]));
        works(&engine);
        engine.shutdown().expect("it ends well");
        let error = Engine::builder().shards(2).start(|_| Nothing).expect_err("two need two");
        assert!(matches!(error, StartError::MoreShardsThanCpus { shards: 2, cpus: 1 }), "{error}");
    });
}

fn a_shard_shares_its_cpu_with_foreign_threads(on: On) {
    apart(&name(on, "a_shard_shares_its_cpu_with_foreign_threads"), "", |_| {
        only_one_cpu();
        let engine = on.builder(1).with(|builder| builder.pin(true)).start(|_| Nothing).expect("one CPU is enough");
        works(&engine);
        let who = PresentityId::new(1);
        let callers: Vec<_> = (0..4)
            .map(|_| engine.handle())
            .map(|door| std::thread::spawn(move || (0..200).map(|_| door.publish(says(who, "x")).wait()).collect()))
            .collect();
        for caller in callers {
            let answers: Result<Vec<Published>, CallError> = caller.join().expect("no caller fails");
            assert_eq!(answers.map(|answers| answers.len()), Ok(200));
        }
        engine.shutdown().expect("it ends well");
    });
}

/// A control group of a test's own, below the one that the tests run in. It is taken away with this.
struct Group(PathBuf);

impl Group {
    /// One with this controller, where one may be made: with version 1 or, if it has the controller, version 2.
    fn with(controller: &str) -> Option<Self> {
        static GROUPS: AtomicUsize = AtomicUsize::new(0);
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let way_of = |wanted: &str| {
            let lines = own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
            let (_, way) = { lines }.find(|(controllers, _)| controllers.split(',').any(|one| one == wanted))?;
            Some(way.trim_start_matches('/').to_owned())
        };
        let (root, way) = match way_of(controller) {
            Some(way) => (Path::new("/sys/fs/cgroup").join(controller), way),
            None => (PathBuf::from("/sys/fs/cgroup"), way_of("")?),
        };
        // In a container the way may be told as the machine outside sees it; what is mounted is the own group then.
        let parent = Some(root.join(way)).filter(|parent| parent.is_dir()).unwrap_or(root);
        let number = GROUPS.fetch_add(1, Ordering::Relaxed);
        let group = Self(parent.join(format!("fanfare-test-{}-{number}", std::process::id())));
        fs::create_dir(&group.0).ok()?;
        Some(group)
    }

    fn has(&self, file: &str) -> bool {
        self.0.join(file).exists()
    }

    /// Writes what there is; a file that is not there is not made.
    fn set(&self, file: &str, value: &str) -> bool {
        self.has(file) && fs::write(self.0.join(file), value).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel may count a process that was waited for as a member for a moment longer.
        let begun = Instant::now();
        while fs::remove_dir(&self.0).is_err() && begun.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs a body apart, inside a group that it is told the path of; where none can be made it is skipped.
fn apart_in(test: &str, make: impl FnOnce() -> Option<Group>, body: impl FnOnce(&str)) {
    let enter = |group: &str| {
        let own = std::process::id().to_string();
        fs::write(Path::new(group).join("cgroup.procs"), own).expect("who may make a group may enter it");
        body(group);
    };
    if std::env::var_os(APART).is_some() {
        apart(test, "", enter);
    } else if let Some(group) = make() {
        apart(test, group.0.to_str().expect("it is named in ASCII"), enter);
    } else {
        println!("skipped: no such control group can be made here");
    }
}

fn half_a_cpu() -> Option<Group> {
    let group = Group::with("cpu")?;
    if !group.set("cpu.max", "50000 100000") && !group.set("cpu.cfs_period_us", "100000") {
        return None;
    }
    (!group.has("cpu.cfs_quota_us") || group.set("cpu.cfs_quota_us", "50000")).then_some(group)
}

#[test]
fn half_a_cpu_is_known() {
    apart_in("half_a_cpu_is_known", half_a_cpu, |_| {
        let engine = Engine::builder().limits(small()).start(|_| Nothing).expect("half a CPU is enough");
        let report = engine.report();
        assert_eq!((report.host.quota_cpus, report.shards, report.spin), (Some(0.5), 1, Duration::ZERO));
        let line = report.to_string();
        assert!(line.contains("spin 0ns") && line.contains("quota of 0.5 CPUs"), "{line}");
        works(&engine);
        engine.shutdown().expect("it ends well");
    });
}

fn half_a_cpu_is_enough(on: On) {
    apart_in(&name(on, "half_a_cpu_is_enough"), half_a_cpu, |_| {
        let engine = on.engine(2);
        // Hosts never spin, whatever is granted.
        assert!(on == On::Hosts || engine.report().spin.is_zero(), "{}", engine.report());
        works(&engine);
        engine.shutdown().expect("it ends well");
    });
}

/// The numbers of the process's open descriptors.
fn open_descriptors() -> BTreeSet<u64> {
    let all = fs::read_dir("/proc/self/fd").expect("procfs is there");
    let numbers: BTreeSet<u64> = all
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().parse().expect("a number"))
        .collect();
    // The one for the folder itself is closed by now.
    numbers.into_iter().filter(|number| Path::new(&format!("/proc/self/fd/{number}")).exists()).collect()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("procfs is there").count()
}

/// Lets the process open only so many descriptors more while it does this.
fn with_descriptors<R>(more: usize, code: impl FnOnce() -> R) -> R {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let open = open_descriptors();
    let limit = (0..).filter(|number| !open.contains(number)).nth(more).expect("there are enough numbers");
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum }).expect("less may always be asked for");
    let result = code();
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("it was allowed before");
    result
}

/// Waits until the process has what it had before: threads that end give their own back a moment later.
fn until_given_back(before: (usize, usize)) {
    let begun = Instant::now();
    loop {
        let now = (open_descriptors().len(), threads());
        if now == before {
            return;
        }
        assert!(begun.elapsed() < LONG, "descriptors and threads were {before:?} and are {now:?}");
        std::thread::yield_now();
    }
}

fn a_start_without_descriptors_fails_with_a_reason_and_leaves_nothing(on: On) {
    apart(&name(on, "a_start_without_descriptors_fails_with_a_reason_and_leaves_nothing"), "", |_| {
        let before = (open_descriptors().len(), threads());
        works(&on.engine(2));
        until_given_back(before);
        let mut refusals = 0;
        for more in 0.. {
            match with_descriptors(more, || on.builder(2).start(|_| Nothing)) {
                // glommio is not tried where not even the probe had a ring.
                Err(StartError::System { .. } | StartError::Glommio(UringRefused::Setup { .. })) => refusals += 1,
                Err(error) => panic!("with {more} more: {error:?}"),
                Ok(engine) => {
                    works(&engine);
                    engine.shutdown().expect("it ends well");
                    break;
                }
            }
            until_given_back(before);
        }
        assert!(refusals >= 2, "it needs two bells at the least");
        until_given_back(before);
    });
}

/// With no descriptor to be had, a state expires in time and its watcher is told.
fn expires_without_descriptors(engine: &Engine) {
    works(engine);
    let (door, who) = (engine.handle(), PresentityId::new(1));
    let mut watcher = door.watcher(1).wait().expect("it opens");
    watcher.subscribe(&[who]).wait().expect("it subscribes");
    with_descriptors(0, || {
        let mut soon = says(who, "soon gone");
        soon.expires = engine.now().after_micros(100_000);
        let stamp = door.publish(soon).wait().expect("it is published").stamp;
        until(&mut watcher, |note| note.stamp > stamp && note.document().is_none());
    });
}

fn deadlines_are_met_without_further_descriptors(on: On) {
    apart(&name(on, "deadlines_are_met_without_further_descriptors"), "", |_| {
        let engine = on.engine(1);
        expires_without_descriptors(&engine);
        engine.shutdown().expect("it ends well");
    });
}

#[test]
fn a_host_that_steps_meets_its_deadlines_without_further_descriptors() {
    apart("a_host_that_steps_meets_its_deadlines_without_further_descriptors", "", |_| {
        let mut engine = Engine::builder().shards(0).hosts(1).limits(small()).start(|_| Nothing).expect("it starts");
        let seat = engine.seats().remove(0);
        let host = std::thread::spawn(move || {
            let mut host = seat.take(|_| Nothing).expect("it can be taken");
            loop {
                match host.step() {
                    Ok(Step::Again) => {}
                    Ok(Step::Rest) => {
                        let readable = &mut [PollFd::new(&host, PollFlags::IN)];
                        poll(readable, None).expect("a descriptor can be waited for");
                    }
                    ended => return ended,
                }
            }
        });
        expires_without_descriptors(&engine);
        engine.shutdown().expect("it ends well");
        assert_eq!(host.join().expect("no panic"), Ok(Step::End));
    });
}

fn a_start_without_threads_fails_with_a_reason_and_leaves_nothing(on: On) {
    let name = name(on, "a_start_without_threads_fails_with_a_reason_and_leaves_nothing");
    let group = || Group::with("pids").filter(|group| group.set("pids.max", "max"));
    apart_in(&name, group, |group| {
        let limit = |threads: &str| fs::write(Path::new(group).join("pids.max"), threads).expect("it may be set");
        // The hosts' own threads are the host's business, so their seats are left to the engine.
        let start = || {
            let builder = Engine::builder().pin(false).limits(small());
            let builder = match on {
                On::Thread => builder.shards(2).runtime(Runtime::Thread),
                On::Glommio => builder.shards(2).runtime(Runtime::Glommio),
                On::Hosts => builder.shards(0).hosts(2),
            };
            builder.start(|_| Nothing)
        };
        let before = (open_descriptors().len(), threads());
        drop(start().expect("nothing is refused yet"));
        until_given_back(before);
        let mut refusals = 0;
        for more in 0.. {
            limit(&(before.1 + more).to_string());
            let started = start();
            limit("max");
            match started {
                Err(StartError::System { .. }) => refusals += 1,
                Err(error) => panic!("with {more} threads more: {error:?}"),
                Ok(engine) => {
                    drop(engine);
                    break;
                }
            }
            until_given_back(before);
        }
        assert!(refusals >= 1, "it needs a thread at the least");
        until_given_back(before);
    });
}

on_every_runtime!(
    a_shard_shares_its_cpu_with_foreign_threads,
    half_a_cpu_is_enough,
    a_start_without_descriptors_fails_with_a_reason_and_leaves_nothing,
    deadlines_are_met_without_further_descriptors,
    a_start_without_threads_fails_with_a_reason_and_leaves_nothing,
);
