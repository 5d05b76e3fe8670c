//! The command line program: reads the arguments, runs, shows the report, and says PASS or FAIL by its exit code.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use fanfare_loadgen::args::{Cli, Flags, ReportFlags, Verb};
use fanfare_loadgen::capacity::{self, Vary};
use fanfare_loadgen::compare::args::CompareArgs;
use fanfare_loadgen::host::Host;
use fanfare_loadgen::outputs::Output;
use fanfare_loadgen::report::page::{self, Subject};
use fanfare_loadgen::report::saved::Saved;
use fanfare_loadgen::report::{Report, schema_text, screen};
use fanfare_loadgen::settings::{Purpose, Settings};
use fanfare_loadgen::trace_verbs::{self, TraceVerb};
use fanfare_loadgen::{compare, history, manual, plan};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

const FAIL: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // Clap ends the program with 2 when the arguments are wrong, and with 0 after `--help`.
    let cli = Cli::parse();
    match cli.command {
        Some(Verb::Run(flags)) => measure(Purpose::Run, flags),
        Some(Verb::Capacity(flags)) => measure(Purpose::Capacity, flags),
        None => measure(Purpose::Capacity, cli.flags),
        Some(Verb::Compare(args)) => compare(&args),
        Some(Verb::History(args)) => ended(history::execute(&args), USAGE),
        Some(Verb::Completions(args)) => ended(manual::completions(&args), FAIL),
        Some(Verb::Man(args)) => ended(manual::pages(&args), FAIL),
        Some(Verb::Trace(verb)) => trace_verb(verb),
        Some(Verb::Report(flags)) => show(&flags),
        Some(Verb::Schema) => {
            print!("{}", schema_text());
            ExitCode::SUCCESS
        }
    }
}

fn measure(purpose: Purpose, flags: Flags) -> ExitCode {
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    let settings = match Settings::resolve(purpose, flags, Host::look(), command) {
        Ok(settings) => settings,
        Err(error) => return complain(&error, USAGE),
    };
    let interrupted = interruption();
    let done = match (settings.purpose, settings.vary) {
        (Purpose::Capacity, Vary::Users) => capacity::users::search(settings, &interrupted),
        _ => plan::run(&settings, &interrupted).map(|findings| (settings, findings)),
    };
    let (mut settings, findings) = match done {
        Ok(done) => done,
        Err(error) => return complain(&error, FAIL),
    };
    let report = Report::new(&settings, findings);
    // First what people wait for: a disk that is full by now keeps nobody from reading it.
    print!("{}", screen::render(&report));
    let (page, failed) = settings.outputs.write(&report);
    if let Some(page) = page {
        println!("\nReport       {}", page.display());
    }
    for error in &failed {
        complain(error, FAIL);
    }
    if report.passed() && failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAIL) }
}

fn compare(args: &CompareArgs) -> ExitCode {
    match compare::execute(args, &interruption()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAIL),
        Err(error) => complain(&error, if error.is_usage() { USAGE } else { FAIL }),
    }
}

/// True from the first Ctrl-C on, which ends a run with a report; a second one ends the program at once.
fn interruption() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Registered in this order, the default action is taken when the flag is set already.
        let registered = flag::register_conditional_default(signal, Arc::clone(&interrupted))
            .and_then(|_| flag::register(signal, Arc::clone(&interrupted)));
        if let Err(error) = registered {
            eprintln!("loadgen: Ctrl-C will end the run without a report: {error}");
        }
    }
    interrupted
}

fn ended<E: std::error::Error>(result: Result<(), E>, code: u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, code),
    }
}

/// `loadgen trace`: what it says, or what was wrong.
fn trace_verb(verb: TraceVerb) -> ExitCode {
    match trace_verbs::run(verb) {
        Ok(says) => {
            print!("{says}");
            ExitCode::SUCCESS
        }
        Err(error) => complain(&error, if error.is_usage() { USAGE } else { FAIL }),
    }
}

/// `loadgen report`: a page from saved results.
fn show(flags: &ReportFlags) -> ExitCode {
    let read: Result<Vec<_>, _> = flags.files.iter().map(|file| Saved::read(file)).collect();
    let saved = match read {
        Ok(saved) => saved,
        Err(error) => return complain(&error, USAGE),
    };
    let mut output = match Output::open("--out", &flags.out) {
        Ok(output) => output,
        Err(error) => return complain(&error, USAGE),
    };
    let subjects: Vec<_> = saved.iter().map(|Saved { name, report }| Subject { name, report }).collect();
    let page = match page::render(&subjects) {
        Ok(page) => page,
        Err(error) => return complain(&error, FAIL),
    };
    match output.write(page.as_bytes()) {
        Ok(()) => {
            println!("{}", std::path::absolute(&flags.out).unwrap_or_else(|_| flags.out.clone()).display());
            ExitCode::SUCCESS
        }
        Err(error) => complain(&error, FAIL),
    }
}

fn complain(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("loadgen: {error}");
    ExitCode::from(code)
}
