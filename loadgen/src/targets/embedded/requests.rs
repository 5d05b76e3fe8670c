//! What the generator asks of homes, and what they answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fanfare::{
    Category, EndpointPublication, Error, Outcome, PolicyEdit, PresentityId, Publication, Refusal, Shard, Tick, Ticket,
    View,
};

use super::editor::Editor;
use super::sessions::Sessions;
use super::sign_in::Roster;
use crate::crew::Common;
use crate::presence;
use crate::publisher::{Outgoing, Sent};
use crate::recorder::NO_INDEX;
use crate::schedule::What;
use crate::sessions::SessionEvent;
use crate::traffic::Answers;

/// Requests without an answer, and counts of those with one.
pub(super) struct Requests {
    common: Arc<Common>,
    under_way: HashMap<u64, Outgoing>,
    refused: VecDeque<Outgoing>,
    editor: Editor,
    pub(super) sessions: Sessions,
    /// Refusals by homes since the point began.
    pub(super) refusals: u64,
    /// Answers to what was due within the measured time, since the point began.
    answers: Answers,
    /// Publications that composition has absorbed since somebody watches.
    pub(super) absorbed: u64,
    pub(super) fatal: Option<String>,
}

impl Requests {
    pub(super) fn new(common: Arc<Common>) -> Self {
        Self {
            sessions: Sessions::new(Arc::clone(&common)),
            common,
            under_way: HashMap::new(),
            refused: VecDeque::new(),
            editor: Editor::default(),
            refusals: 0,
            answers: Answers::default(),
            absorbed: 0,
            fatal: None,
        }
    }

    /// A point begins.
    pub(super) fn begin_point(&mut self) {
        self.refusals = 0;
        self.answers = Answers::default();
        self.sessions.begin_point();
    }

    /// Whether everything was answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.under_way.is_empty() && self.refused.is_empty()
    }

    /// Hands one request to the engine.
    pub(super) fn send(&mut self, shard: &mut Shard, roster: &Roster, outgoing: &Outgoing) -> Sent {
        if let What::Session(event) = outgoing.what {
            return self.send_session(shard, roster, outgoing, event);
        }
        let asked = match outgoing.what {
            What::EditPolicy => match self.edit(shard, outgoing.user) {
                Ok(edit) => {
                    let owner = edit.presentity;
                    shard.set_policy(edit).inspect(|_| self.editor.sent(owner))
                }
                Err(reason) => return self.give_up(reason),
            },
            What::Publish(category) if !self.common.plan.composed => shard.publish(Publication {
                presentity: PresentityId::new(outgoing.user.into()),
                view: View::PLAIN,
                category: Category::new(category).unwrap_or(Category::FIRST),
                document: Some(outgoing.document.clone()),
                expires: Tick::NEVER,
            }),
            _ => {
                let categories = shard.scheme().categories().len();
                shard.publish_endpoint(said_by_endpoint(outgoing, categories))
            }
        };
        match asked {
            Ok(ticket) => {
                self.under_way.insert(ticket.get(), outgoing.clone());
                Sent::Accepted
            }
            Err(Error::Busy { .. }) => Sent::Busy,
            Err(error) => self.give_up(format!("the engine refused a request: {error}")),
        }
    }

    fn send_session(&mut self, shard: &mut Shard, roster: &Roster, outgoing: &Outgoing, event: SessionEvent) -> Sent {
        match self.sessions.go(shard, roster, outgoing, event) {
            Ok(asked) => {
                if let Some(ticket) = asked {
                    self.under_way.insert(ticket.get(), outgoing.clone());
                }
                Sent::Accepted
            }
            Err(Error::Busy { .. }) => Sent::Busy,
            Err(error) => self.give_up(format!("the engine refused what a session does: {error}")),
        }
    }

    /// What was answered since the point began, sessions included.
    pub(super) fn answers(&self) -> Answers {
        let Sessions { done, polled, told_measured, .. } = self.sessions;
        Answers { sessions: done, polled, told_guests: told_measured, ..self.answers }
    }

    /// Sends again what homes refused, in order.
    pub(super) fn send_again(&mut self, shard: &mut Shard, roster: &Roster) {
        while let Some(outgoing) = self.refused.pop_front() {
            if self.send(shard, roster, &outgoing) == Sent::Busy {
                self.refused.push_front(outgoing);
                return;
            }
        }
    }

    /// Takes an answer.
    pub(super) fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        let Some(outgoing) = self.under_way.remove(&ticket.get()) else { return };
        let measured = u64::from(outgoing.measured);
        match outcome {
            Outcome::Accepted(accepted) if accepted.absorbed && outgoing.plan_us != 0 => {
                self.absorbed += 1;
                self.answers.absorbed += measured;
            }
            Outcome::FetchedMany(states) => {
                self.fatal = self.sessions.answered(&outgoing, &states).or(self.fatal.take());
            }
            Outcome::PolicyApplied { .. } => self.answers.applied += measured,
            Outcome::Incomplete { .. } => self.answers.incomplete += measured,
            Outcome::Refused(refusal) => self.refused(outgoing, refusal),
            _ => {}
        }
    }

    fn refused(&mut self, outgoing: Outgoing, refusal: Refusal) {
        let newest = self.common.versions[outgoing.user as usize].load(Ordering::Relaxed);
        // What makes no version can be said later as well as now.
        let is_newest = outgoing.version == 0 || outgoing.plan_us == 0 || outgoing.version == newest;
        if matches!(refusal, Refusal::Busy { .. }) && is_newest {
            self.refusals += 1;
            self.refused.push_back(outgoing);
            return;
        }
        // A newer one is on its way already, or it never can be: the entry is taken back, and the run has failed.
        if outgoing.index != NO_INDEX {
            self.common.log.void(outgoing.index);
        }
        self.fatal = Some(format!("a home refused a request: {refusal}"));
    }

    fn edit(&mut self, shard: &Shard, watcher: u32) -> Result<PolicyEdit, String> {
        let edit = self.editor.next(shard.scheme(), &self.common.plan.population, watcher);
        edit.map_err(|error| format!("no policy can be made: {error}"))
    }

    fn give_up(&mut self, reason: String) -> Sent {
        self.fatal = Some(reason);
        Sent::Busy
    }
}

/// What a user's endpoint, or his hard state, says.
fn said_by_endpoint(outgoing: &Outgoing, categories: usize) -> EndpointPublication {
    let presentity = PresentityId::new(outgoing.user.into());
    let document = || outgoing.document.clone();
    let lifetime_us = presence::LIFETIME_US;
    match outgoing.what {
        What::Publish(0) => {
            // It replaces what the endpoint said before. The other categories are hard state, and stay.
            let status = presence::status_of(outgoing.version);
            EndpointPublication::create(presentity, presence::SHOWN, status, lifetime_us)
                .with(Category::FIRST, document())
        }
        What::Publish(category) => {
            EndpointPublication::hard(presentity, Vec::new()).with(Category::numbered(category), document())
        }
        What::PublishIdle | What::EditPolicy | What::Session(_) => {
            let status = presence::idle_status(outgoing.plan_us);
            EndpointPublication::create(presentity, presence::IDLE, status, lifetime_us)
        }
        What::PublishRest => Category::all()
            .take(categories)
            .skip(1)
            .fold(EndpointPublication::hard(presentity, Vec::new()), |publication, category| {
                publication.with(category, document())
            }),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fanfare::EndpointId;

    use super::*;

    fn said(what: What) -> EndpointPublication {
        let document = Bytes::from_static(b"says so");
        let outgoing = Outgoing { user: 3, what, version: 5, plan_us: 9, measured: true, index: NO_INDEX, document };
        said_by_endpoint(&outgoing, 5)
    }

    #[test]
    fn the_state_is_an_endpoints_and_everything_else_is_hard() {
        let state = said(What::Publish(0));
        assert_eq!((state.endpoint, state.status), (presence::SHOWN, Some(presence::status_of(5))));
        assert_eq!((state.parts.len(), state.parts[0].category), (1, Category::FIRST));
        let note = said(What::Publish(1));
        assert_eq!((note.endpoint, note.status, note.parts.len()), (EndpointId::HARD, None, 1));
        let rest = said(What::PublishRest);
        assert_eq!(rest.parts.iter().map(|part| part.category.index()).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let idle = said(What::PublishIdle);
        assert_eq!((idle.endpoint, idle.parts.len()), (presence::IDLE, 0));
        assert!(idle.status.unwrap().availability > state.status.unwrap().availability);
    }
}
