//! The command line program: reads the arguments, runs, shows the report, and says PASS or FAIL by its exit code.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use fanfare_loadgen::args::{Cli, Vary, Verb};
use fanfare_loadgen::capacity;
use fanfare_loadgen::host::Host;
use fanfare_loadgen::plan;
use fanfare_loadgen::report::{Report, json, screen};
use fanfare_loadgen::settings::{Purpose, Settings};
use fanfare_loadgen::trace;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

const FAIL: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // Clap ends the program with 2 when the arguments are wrong, and with 0 after `--help`.
    let cli = Cli::parse();
    if let Some(Verb::Trace(verb)) = cli.command {
        return match trace::cli::run(verb) {
            Ok(says) => {
                print!("{says}");
                ExitCode::SUCCESS
            }
            Err(error) => complain(&error, if error.is_usage() { USAGE } else { FAIL }),
        };
    }
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    let settings = match Settings::resolve(cli, Host::look(), command) {
        Ok(settings) => settings,
        Err(error) => return complain(&error, USAGE),
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first one ends the run with a report. Registered in this order, a second one ends it at once.
        let registered = flag::register_conditional_default(signal, Arc::clone(&interrupted))
            .and_then(|_| flag::register(signal, Arc::clone(&interrupted)));
        if let Err(error) = registered {
            eprintln!("loadgen: Ctrl-C will end the run without a report: {error}");
        }
    }
    let done = match (settings.purpose, settings.vary) {
        (Purpose::Capacity, Vary::Users) => capacity::users::search(settings, &interrupted),
        _ => plan::run(&settings, &interrupted).map(|findings| (settings, findings)),
    };
    let (mut settings, findings) = match done {
        Ok(done) => done,
        Err(error) => return complain(&error, FAIL),
    };
    let report = Report::new(&settings, findings);
    print!("{}", screen::render(&report));
    if let Err(error) = settings.write_json(&json::render(&report)) {
        return complain(&error, FAIL);
    }
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::from(FAIL) }
}

fn complain(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("loadgen: {error}");
    ExitCode::from(code)
}
