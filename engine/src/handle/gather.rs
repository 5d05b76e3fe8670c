//! One call of many publications: its parts go to their homes, and one answer comes back.
//!
//! Shared by the parts; each home puts in what came of its own, under a lock that it takes once. Invariant: when the
//! last part is dropped, served or lost, the caller has the answer, with a reason in every place that got none.

use std::sync::{Arc, Mutex, PoisonError};

use fanfare_core::Published;

use super::answer::Answering;
use super::{CallError, Shared};

/// What came of each publication of a call, by its place in the call.
pub(crate) type Results = Vec<Result<Published, CallError>>;

/// Where the parts' results come together.
#[derive(Debug)]
pub(crate) struct Gather {
    results: Mutex<Vec<Option<Result<Published, CallError>>>>,
    answering: Option<Answering<Results>>,
    shared: Arc<Shared>,
}

impl Gather {
    pub(super) fn new(places: usize, answering: Answering<Results>, shared: Arc<Shared>) -> Arc<Self> {
        let results = Mutex::new(std::iter::repeat_with(|| None).take(places).collect());
        Arc::new(Self { results, answering: Some(answering), shared })
    }

    /// Puts in what came of some of the publications.
    pub(crate) fn put(&self, results: impl IntoIterator<Item = (u32, Result<Published, CallError>)>) {
        let mut all = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, result) in results {
            all[place as usize] = Some(result);
        }
    }
}

impl Gather {
    /// Puts this reason in every place that has nothing yet.
    pub(super) fn refuse_rest(&self, error: &CallError) {
        let mut all = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        for result in all.iter_mut().filter(|result| result.is_none()) {
            *result = Some(Err(error.clone()));
        }
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        let results = std::mem::take(self.results.get_mut().unwrap_or_else(PoisonError::into_inner));
        let lost = || Err(CallError::from(self.shared.fate.ending()));
        if let Some(answering) = self.answering.take() {
            answering.give(Ok(results.into_iter().map(|result| result.unwrap_or_else(lost)).collect()));
        }
    }
}
