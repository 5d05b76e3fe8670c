//! Lives many simulated lives and tells the first that went wrong.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;
use fanfare_tests::sim::{self, Failure, Faults};

/// Simulates meshes of shards in virtual time, under every fault, and checks the contract C1 to C8.
#[derive(Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let threads = match args.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let next = AtomicU64::new(args.seed);
    let end = args.seed.saturating_add(args.seeds);
    let total = Mutex::new(Faults::default());
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    match sim::run(seed) {
                        Ok((faults, _)) => total.lock().expect("no poisoned counts").add(&faults),
                        Err(found) => {
                            next.store(end, Ordering::Relaxed);
                            let mut failure = failure.lock().expect("no poisoned failure");
                            if failure.as_ref().is_none_or(|first| found.seed < first.seed) {
                                *failure = Some(found);
                            }
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Some(failure) = failure.into_inner().expect("no poisoned failure") {
        println!("{failure}");
        println!("again: cargo run --release -p fanfare-tests --bin simulate -- --seeds 1 --seed {}", failure.seed);
        return ExitCode::FAILURE;
    }
    let counts = total.into_inner().expect("no poisoned counts").counts();
    for (name, count) in &counts {
        println!("{name:>20} {count}");
    }
    let unmet: Vec<_> = counts.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect();
    if !unmet.is_empty() && args.seeds >= 100 {
        println!("these faults were never met, so nothing was proved about them: {}", unmet.join(", "));
        return ExitCode::FAILURE;
    }
    println!("{} seeds of {} operations and more passed", args.seeds, sim::OPERATIONS);
    ExitCode::SUCCESS
}
