//! One call that fetches many presentities: its parts go to their homes, and one answer comes back.
//!
//! Shared by the parts; each home answers for all of its own together. Invariant: when the last part is dropped, answered or
//! lost, the caller has the answer: every state in its place, or the first reason for which one of them is not there.

use std::sync::{Arc, Mutex, PoisonError};

use fanfare_core::{Bound, Error, Identity, PresentityId, Request, State};

use super::answer::{Answering, answer};
use super::book::Reply;
use super::call::Call;
use super::door::Command;
use super::{CallError, Handle, Shared};

/// Where what the homes tell comes together.
#[derive(Debug)]
struct Polled {
    states: Mutex<Result<Vec<Option<State>>, CallError>>,
    answering: Option<Answering<Box<[State]>>>,
    shared: Arc<Shared>,
}

/// What one home is asked for, by its places in the call.
#[derive(Debug)]
pub(crate) struct PolledPart {
    places: Vec<usize>,
    polled: Arc<Polled>,
}

impl Handle {
    /// Asks what this watcher may see of each of these, once: a poll. The states stand in the order asked for, each in the view
    /// that policy grants; [`State::shown`] says whether there is none, or the watcher waits or is refused. Each home answers
    /// for all of its own together, in one command.
    ///
    /// # Errors
    /// As [`Handle::publish`], for all if it befalls one of the homes; [`Error::Limit`] for more presentities than
    /// `fetch_presentities_max`; [`Error::NobodyToFetch`].
    pub fn fetch_many_for(&self, presentities: &[PresentityId], who: &Arc<Identity>) -> Call<Box<[State]>> {
        let limit = self.shared.fetch_presentities_max;
        if presentities.is_empty() {
            return Call::done(Err(Error::NobodyToFetch.into()));
        }
        if presentities.len() > limit as usize {
            return Call::done(Err(Error::Limit { bound: Bound::FetchPresentities, limit: limit.into() }.into()));
        }
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); self.shared.homes];
        for (place, presentity) in presentities.iter().enumerate() {
            parts[self.home(*presentity)].push(place);
        }
        let (asked, answering) = answer();
        let states = Mutex::new(Ok(presentities.iter().map(|_| None).collect()));
        let polled = Arc::new(Polled { states, answering: Some(answering), shared: self.shared.clone() });
        for (home, places) in parts.into_iter().enumerate().filter(|(_, places)| !places.is_empty()) {
            let at_home = places.iter().map(|&place| presentities[place]).collect();
            let request = Request::FetchMany { presentities: at_home, who: who.clone() };
            let reply = Reply::FetchedMany(PolledPart { places, polled: polled.clone() });
            let refused = match self.shared.refusal(home) {
                Some(refusal) => Err(refusal),
                None => self.shared.push(home, Command::Ask { request, reply }),
            };
            if let Err(error) = refused {
                polled.refuse(error);
            }
        }
        Call::asked(asked, self.shared.clone())
    }
}

impl PolledPart {
    /// Puts in what came of the part.
    pub(super) fn give(self, result: Result<Box<[State]>, CallError>) {
        match result {
            Ok(told) => {
                let mut states = self.polled.states.lock().unwrap_or_else(PoisonError::into_inner);
                if let Ok(states) = &mut *states {
                    self.places.iter().zip(told).for_each(|(&place, state)| states[place] = Some(state));
                }
            }
            Err(error) => self.polled.refuse(error),
        }
    }
}

impl Polled {
    /// What one part has met befalls all.
    fn refuse(&self, error: CallError) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.is_ok() {
            *states = Err(error);
        }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        let states = self.states.get_mut().unwrap_or_else(PoisonError::into_inner);
        let states = std::mem::replace(states, Ok(Vec::new()));
        let lost = || CallError::from(self.shared.fate.ending());
        if let Some(answering) = self.answering.take() {
            let all = |states: Vec<Option<State>>| states.into_iter().map(|state| state.ok_or_else(lost)).collect();
            answering.give(states.and_then(all));
        }
    }
}
