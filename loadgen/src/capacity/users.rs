//! The search over users instead of rates: every population is built, signed in, measured at its own rate and checked.
//!
//! Runs on the main thread. Each try is a whole run, so what it costs grows with the users; the search is the same
//! [`Hunt`], in users. The invariant: a number of users that was found has passed everything that `loadgen run` asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::evidence::Went;
use super::hunt::{Ended, Hunt, Next, Stage};
use super::{ByLoad, CONFIRMING_MAX, GROW, NARROW, Search, Tried, hopeless};
use crate::plan::{self, RunError};
use crate::report::Findings;
use crate::settings::Settings;
use crate::verdict;

/// No new population is built after this time.
const SEARCH_MAX: Duration = Duration::from_secs(600);

/// Fewer users than these are no load.
const USERS_MIN: f64 = 100.0;

/// Searches, and returns the run that the report is about, with its settings: the one that was
/// confirmed, or the last of all.
///
/// # Errors
/// As [`plan::run`].
pub fn search(settings: Settings, interrupted: &Arc<AtomicBool>) -> Result<(Settings, Findings), RunError> {
    search_by(settings, interrupted, |tried| plan::run(tried, interrupted))
}

/// The same, with what runs a population passed in, so that tests search without a target.
fn search_by(
    settings: Settings,
    interrupted: &AtomicBool,
    mut run: impl FnMut(&Settings) -> Result<Findings, RunError>,
) -> Result<(Settings, Findings), RunError> {
    let mut search = Search::default();
    let begin = Instant::now();
    let (longest, most) = (settings.duration, f64::from(settings.users_max()));
    let first = f64::from(settings.traits.users).min(most);
    let least = f64::from(settings.users_min()).max(USERS_MIN);
    let mut hunt = Hunt::new(first, (least, most), SEARCH_MAX, longest.min(SEARCH_MAX / CONFIRMING_MAX));
    let (mut last, mut refusal) = (None, None);
    let (mut passed, mut failed) = (ByLoad::default(), ByLoad::default());
    let ended = loop {
        if interrupted.load(Ordering::Relaxed) {
            break Ended::Cut;
        }
        let (stage, users) = match hunt.next(begin.elapsed()) {
            Next::End(ended) => break ended,
            Next::Try(stage, users) => (stage, users),
        };
        let measure = match stage {
            Stage::Grow => GROW.min(longest),
            Stage::Narrow => NARROW.min(longest),
            Stage::Confirm => longest,
        };
        let tried = settings.with_users(users as u32, measure);
        let findings = match run(&tried) {
            Ok(findings) => findings,
            // Too large for the target: that is what a search is for, and fewer users may do.
            Err(RunError::Crew(error)) => {
                search.points.push(Tried::nothing(&tried, vec![error.to_string()]));
                hunt.tell(stage, users, Went::FailedPlainly);
                refusal = Some(RunError::Crew(error));
                continue;
            }
            Err(error) => return Err(error),
        };
        let reasons = verdict::of_run(&findings, &tried);
        let short = match &findings.point {
            Some(point) => Tried { reasons, ..Tried::of(&tried, point) },
            None => Tried::nothing(&tried, reasons),
        };
        let went = match &findings.point {
            Some(point) => short.went(&tried, point, hopeless(&tried, measure)),
            None => Went::Failed,
        };
        search.points.push(short);
        if interrupted.load(Ordering::Relaxed) {
            last = last.or(Some((tried, findings)));
            break Ended::Cut;
        }
        hunt.tell(stage, users, went);
        if let (Some(point), true) = (&findings.point, went != Went::Passed) {
            failed.keep(users, point.clone());
        }
        // The one that is confirmed in the end; until there is one, the last of all.
        if went == Went::Passed && stage == Stage::Confirm {
            passed.keep(users, (tried, findings));
        } else {
            last = Some((tried, findings));
        }
    };
    if let Some((found, findings)) = passed.take(hunt.confirmed()) {
        search.best.clone_from(&findings.point);
        search.is_confirmed = true;
        last = Some((found, findings));
    }
    search.limit = failed.take(hunt.failed());
    search.ended = Some(ended);
    let Some((found, mut findings)) = last else { return Err(refusal.unwrap_or(RunError::Cut)) };
    if hunt.confirmed().is_none() {
        findings.point = None;
    }
    findings.cut |= ended == Ended::Cut;
    findings.searches = vec![search];
    Ok((settings.found(found), findings))
}

#[cfg(test)]
mod tests;
