//! The search over users instead of rates: every population is built, signed in, measured at its own rate and checked.
//!
//! Runs on the main thread. Each try is a whole run, so what it costs grows with the users; the search is the same
//! [`Hunt`], in users. The invariant: a number of users that was found has passed everything that `loadgen run` asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::hunt::{Ended, Hunt, Next, Stage};
use super::{CONFIRMING_MAX, GROW, NARROW, Search, Tried};
use crate::plan::{self, RunError};
use crate::report::Findings;
use crate::settings::Settings;
use crate::verdict;

/// No new population is built after this time.
const SEARCH_MAX: Duration = Duration::from_secs(600);

/// Fewer users than these are no load.
const USERS_MIN: f64 = 100.0;

/// Searches, and returns the run that the report is about, with its settings: the last that passed a long measurement, or
/// the last of all.
///
/// # Errors
/// As [`plan::run`].
pub fn search(settings: Settings, interrupted: &Arc<AtomicBool>) -> Result<(Settings, Findings), RunError> {
    let mut search = Search::default();
    let begin = Instant::now();
    let (longest, most) = (settings.duration, f64::from(settings.users_max()));
    let first = f64::from(settings.traits.users).min(most);
    let mut hunt = Hunt::new(first, (USERS_MIN, most), SEARCH_MAX, longest.min(SEARCH_MAX / CONFIRMING_MAX));
    let mut last = None;
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
        let findings = plan::run(&tried, interrupted)?;
        let reasons = verdict::of_run(&findings, &tried);
        let passed = reasons.is_empty();
        let point = findings.point.as_ref();
        search.points.push(Tried {
            rate_per_s: tried.rate_per_s,
            users: tried.traits.users,
            sent_per_s: point.map_or(0.0, |point| point.sent_per_s),
            last_p99_us: point.map_or(0, |point| point.latency[2].p99),
            skipped_share: point.map_or(0.0, |point| point.skipped_share()),
            reasons,
        });
        if interrupted.load(Ordering::Relaxed) {
            last = last.or(Some((tried, findings)));
            break Ended::Cut;
        }
        if !passed && hunt.failed().is_none_or(|lowest| users < lowest) {
            search.limit.clone_from(&findings.point);
        }
        hunt.tell(stage, users, passed);
        // The largest that passed, and of those that failed the last.
        if passed && stage == Stage::Confirm || hunt.confirmed().is_none() {
            if passed && stage == Stage::Confirm {
                search.best.clone_from(&findings.point);
            }
            last = Some((tried, findings));
        }
    };
    search.ended = Some(ended);
    let Some((found, mut findings)) = last else { return Err(RunError::Cut) };
    if hunt.confirmed().is_none() {
        findings.point = None;
    }
    findings.cut |= ended == Ended::Cut;
    findings.search = Some(search);
    Ok((settings.found(found), findings))
}
