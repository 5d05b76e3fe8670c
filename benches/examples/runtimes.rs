//! What turns the shards, side by side: wake-up latency from a foreign thread, and the CPU of a quiet engine, on plain
//! threads, on glommio and in a host's loop; with the path of `loadgen` also the CPU of a notification and latency at
//! half load.
//!
//! `cargo run --release -p fanfare-benches --example runtimes -- [--rounds N] [--loadgen PATH] [--rate PER_S]`
//!
//! The runtimes take turns within each round, so that the machine's moods meet all of them; the table has medians over
//! the rounds, and every single figure stands below it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare::{
    Clock, Core, Engine, Frontend, Outbox, Poll, PresentityId, Publication, Runtime, Shard, Tick, WatcherId,
    bind_this_thread,
};

const RUNTIMES: [&str; 3] = ["thread", "glommio", "host"];
const WAKES: usize = 500;

/// Notes when it was polled after a call.
struct Sleeper {
    clock: Clock,
    called_ns: Arc<AtomicU64>,
    heard_ns: Arc<AtomicU64>,
}

impl Frontend for Sleeper {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        if self.called_ns.swap(0, Ordering::AcqRel) != 0 {
            self.heard_ns.store(self.clock.nanos(), Ordering::Release);
        }
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

/// An engine of so many shards, on CPUs from the second on if there are enough, so that the caller has the first.
struct Running {
    engine: Engine,
    hosts: Vec<JoinHandle<()>>,
    called_ns: Arc<AtomicU64>,
    heard_ns: Arc<AtomicU64>,
    waker: Waker,
}

fn start(runtime: &str, shards: usize) -> Running {
    let (called_ns, heard_ns) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (told, tell) = std::sync::mpsc::channel();
    let make = {
        let (called_ns, heard_ns) = (called_ns.clone(), heard_ns.clone());
        move |core: Core| {
            let _ = told.send(core.waker.clone());
            Sleeper { clock: core.clock, called_ns: called_ns.clone(), heard_ns: heard_ns.clone() }
        }
    };
    let builder = match runtime {
        "thread" => Engine::builder().shards(shards).runtime(Runtime::Thread),
        "glommio" => Engine::builder().shards(shards).runtime(Runtime::Glommio),
        _ => Engine::builder().shards(0).hosts(shards),
    };
    let of_hosts = make.clone();
    let mut engine = builder.start(make).expect("the engine starts");
    let hosts = engine.seats().into_iter().enumerate().map(|(cpu, seat)| {
        let make = of_hosts.clone();
        std::thread::spawn(move || {
            let _ = bind_this_thread(cpu);
            let mut host = seat.take(make).expect("the seat is taken");
            host.run().expect("the host ends with the engine");
        })
    });
    let hosts = hosts.collect();
    let waker = tell.recv().expect("a frontend is made");
    Running { engine, hosts, called_ns, heard_ns, waker }
}

impl Running {
    fn stop(self) {
        self.engine.shutdown().expect("it ends well");
        for host in self.hosts {
            host.join().expect("no host panics");
        }
    }
}

/// Microseconds from a call of the core's waker to the poll, and of a publication's way there and back, for a shard that
/// sleeps.
fn wake(runtime: &str, figures: &mut Figures) {
    let running = start(runtime, 1);
    let (clock, door) = (running.engine.clock(), running.engine.handle());
    let (mut one_way, mut round_trip) = (Vec::new(), Vec::new());
    for number in 0..WAKES {
        std::thread::sleep(Duration::from_millis(1));
        let called = clock.nanos();
        running.heard_ns.store(0, Ordering::Release);
        running.called_ns.store(called, Ordering::Release);
        running.waker.wake_by_ref();
        let heard = loop {
            match running.heard_ns.load(Ordering::Acquire) {
                0 => std::thread::sleep(Duration::from_micros(20)),
                heard => break heard,
            }
        };
        one_way.push((heard - called) as f64 / 1e3);
        std::thread::sleep(Duration::from_millis(1));
        let begun = Instant::now();
        let publication = Publication::plain(PresentityId::new(number as u64), Bytes::from_static(b"here"));
        door.publish(publication).wait().expect("it is published");
        round_trip.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    let kicks = running.engine.stats()[0].kicks;
    running.stop();
    figures.put(runtime, "wake_us_p50", quantile(&mut one_way, 0.5));
    figures.put(runtime, "wake_us_p99", quantile(&mut one_way, 0.99));
    figures.put(runtime, "publish_and_back_us_p50", quantile(&mut round_trip, 0.5));
    figures.put(runtime, "kicks", kicks as f64);
}

/// CPU of a quiet engine, in per cent of a core for each shard.
fn idle(runtime: &str, figures: &mut Figures) {
    const QUIET: Duration = Duration::from_secs(2);
    let shards = std::thread::available_parallelism().map_or(1, usize::from);
    let running = start(runtime, shards);
    let door = running.engine.handle();
    for id in 0..100 {
        let publication = Publication::plain(PresentityId::new(id), Bytes::from_static(b"here"));
        door.publish(publication).wait().expect("it is published");
    }
    std::thread::sleep(Duration::from_millis(200));
    let before = cpu_time();
    std::thread::sleep(QUIET);
    let spent = cpu_time() - before;
    running.stop();
    figures.put(runtime, "idle_percent_per_shard", 100.0 * spent.as_secs_f64() / QUIET.as_secs_f64() / shards as f64);
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A Lync pool at about half of what the machine carries.
fn half_load(runtime: &str, loadgen: &str, rate: &str, figures: &mut Figures) {
    let json = std::env::temp_dir().join(format!("fanfare-runtimes-{}.json", std::process::id()));
    let status = Command::new(loadgen)
        .args(["run", "--duration", "8", "--rate", rate, "--runtime", runtime, "--json"])
        .arg(&json)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("loadgen can be run");
    let text = std::fs::read_to_string(&json).unwrap_or_default();
    let _ = std::fs::remove_file(&json);
    let report: serde_json::Value = serde_json::from_str(&text).expect("loadgen has written its report");
    let figure = |path: &str| report.pointer(path).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
    figures.put(runtime, "half_load_passes", f64::from(u8::from(status.success())));
    figures.put(runtime, "cpu_ns_per_notification", figure("/cost/cpu_ns_per_notification"));
    figures.put(runtime, "last_us_p50_at_half_load", figure("/latency_us/last/p50"));
    figures.put(runtime, "last_us_p99_at_half_load", figure("/latency_us/last/p99"));
    figures.put(runtime, "notifications_per_s", figure("/notifications/rate_per_s"));
}

/// Every figure of every runtime, in the order of the rounds.
#[derive(Default)]
struct Figures(BTreeMap<String, BTreeMap<String, Vec<f64>>>);

impl Figures {
    fn put(&mut self, runtime: &str, name: &str, value: f64) {
        self.0.entry(name.to_owned()).or_default().entry(runtime.to_owned()).or_default().push(value);
    }

    fn print(&self) {
        println!("{:28}{:>14}{:>14}{:>14}", "median", RUNTIMES[0], RUNTIMES[1], RUNTIMES[2]);
        for (name, of) in &self.0 {
            let medians =
                RUNTIMES.map(|runtime| of.get(runtime).map_or(f64::NAN, |all| quantile(&mut all.clone(), 0.5)));
            println!("{name:28}{:>14.2}{:>14.2}{:>14.2}", medians[0], medians[1], medians[2]);
        }
        println!("\n{}", serde_json::to_string_pretty(&self.0).expect("numbers can be written"));
    }
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value =
        |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    let rounds = value("--rounds").and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let rate = value("--rate").map_or("10667", String::as_str);
    let mut figures = Figures::default();
    for _ in 0..rounds {
        for runtime in RUNTIMES {
            wake(runtime, &mut figures);
            idle(runtime, &mut figures);
        }
        for runtime in RUNTIMES {
            if let Some(loadgen) = value("--loadgen") {
                half_load(runtime, loadgen, rate, &mut figures);
            }
        }
    }
    figures.print();
}
