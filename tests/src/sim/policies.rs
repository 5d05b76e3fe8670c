//! The model of policies: which was accepted when, and what each says of whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare_core::{Decision, Guard, Identity, Policy, PresentityId, Stamp, View};

/// One presentity's policies, oldest first; the first is the scheme's, which holds as of no stamp.
#[derive(Debug)]
struct History {
    accepted: Vec<(Stamp, Arc<dyn Guard>)>,
    /// The newest that a ticket said is applied everywhere.
    completed: usize,
}

/// All policies.
pub(super) struct Policies {
    default: Arc<dyn Guard>,
    histories: BTreeMap<u64, History>,
}

impl Policies {
    pub(super) fn new(otherwise: Decision) -> Self {
        Self { default: Arc::new(Policy::everybody(otherwise)), histories: BTreeMap::new() }
    }

    fn history(&mut self, presentity: u64) -> &mut History {
        let first = (Stamp::from_bits(0), self.default.clone());
        self.histories.entry(presentity).or_insert_with(|| History { accepted: vec![first], completed: 0 })
    }

    /// A home has accepted a policy, or gone back to the scheme's, as of this stamp; its number.
    pub(super) fn accepted(&mut self, presentity: PresentityId, guard: Option<Arc<dyn Guard>>, stamp: Stamp) -> usize {
        let guard = guard.unwrap_or_else(|| self.default.clone());
        let history = self.history(presentity.get());
        history.accepted.push((stamp, guard));
        history.accepted.len() - 1
    }

    /// A ticket said that the policy of this number, or a later one, is applied by everybody.
    pub(super) fn completed(&mut self, presentity: PresentityId, number: usize) {
        let history = self.history(presentity.get());
        history.completed = history.completed.max(number);
    }

    /// What the newest policy says of a watcher.
    pub(super) fn view_of(&self, presentity: u64, who: &Identity) -> View {
        let newest = self.histories.get(&presentity).and_then(|history| history.accepted.last());
        newest.map_or(&self.default, |(_, guard)| guard).decide(who).view
    }

    /// C6: what a watcher is shown as of a stamp is what the policy of that stamp, or a later one, grants, and what the
    /// newest that is said to be applied, or a later one, grants.
    pub(super) fn check(&self, presentity: u64, who: &Identity, view: View, stamp: Stamp) -> Result<(), String> {
        let Some(history) = self.histories.get(&presentity) else {
            let granted = self.default.decide(who).view;
            let is_it = granted == view;
            return if is_it { Ok(()) } else { Err(format!("C6: {who:?} gets {view:?}, and {granted:?} is granted")) };
        };
        let of_stamp = history.accepted.iter().rposition(|(since, _)| *since <= stamp).unwrap_or(0);
        let oldest = of_stamp.max(history.completed);
        if history.accepted[oldest..].iter().any(|(_, guard)| guard.decide(who).view == view) {
            return Ok(());
        }
        Err(format!(
            "C6: {who:?} is shown {view:?} of presentity {presentity} as of {stamp:?}, which policies {oldest} to {} deny \
             ({} is completed)",
            history.accepted.len() - 1,
            history.completed
        ))
    }
}
