//! What went in and out, by kind.
//!
//! Counted on each core by whoever sees it pass, over the measured time, and added up at the end. A note that tells
//! several categories counts for each of them.

use std::collections::BTreeMap;

use fanfare::CATEGORIES;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schedule::What;
use crate::sessions::{EVENTS, SessionEvent};

/// Things of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// How many.
    pub count: u64,
    /// Bytes of their documents.
    pub bytes: u64,
}

impl Flow {
    /// One more.
    pub fn note(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }

    fn since(&self, earlier: &Self) -> Self {
        Self { count: self.count - earlier.count, bytes: self.bytes - earlier.bytes }
    }
}

/// What watchers were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// First states: of new subscriptions, and of those that a policy has moved to another view.
    pub firsts: Flow,
    /// Changes, by category.
    pub categories: [Flow; CATEGORIES],
}

impl Told {
    /// What was told since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut categories = self.categories;
        for (flow, earlier) in categories.iter_mut().zip(&earlier.categories) {
            *flow = flow.since(earlier);
        }
        Self { firsts: self.firsts.since(&earlier.firsts), categories }
    }
}

/// What publishers sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Publications of what is shown, by category.
    pub categories: [Flow; CATEGORIES],
    /// Publications of endpoints that are not shown.
    pub idle: Flow,
    /// Changes of policies.
    pub policies: Flow,
    /// What sessions were to do beside, by [`SessionEvent`].
    pub sessions_planned: [u64; EVENTS],
}

impl Published {
    /// Something was done beside publishing what is shown.
    pub fn note_beside(&mut self, what: What) {
        match what {
            What::EditPolicy => self.policies.note(0),
            What::Session(event) => self.sessions_planned[event.number()] += 1,
            What::Publish(_) | What::PublishRest | What::PublishIdle => self.idle.note(0),
        }
    }
}

/// What homes answered to that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Publications that composition absorbed: nobody is told of them.
    pub absorbed: u64,
    /// Policies that every shard with a watcher has applied.
    pub applied: u64,
    /// Policies that some shard had not applied in time.
    pub incomplete: u64,
    /// What sessions have done beside publishing, by [`SessionEvent`].
    pub sessions: [u64; EVENTS],
    /// What polls were told: presentities, and bytes of their documents.
    pub polled: Flow,
    /// Notifications to sessions that came in the point and went with it.
    pub told_guests: u64,
}

/// All of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// In.
    pub published: Published,
    /// And what became of it.
    pub answers: Answers,
    /// Out.
    pub told: Told,
}

/// One kind, as a report shows it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the fields are the documented JSON schema, word for word")]
pub struct Kind {
    pub count: u64,
    pub rate_per_s: f64,
    pub bytes_per_s: f64,
}

impl Traffic {
    /// Adds another core's.
    pub fn add(&mut self, other: &Self) {
        let (mine, theirs) = (&mut self.published, &other.published);
        let flows = mine.categories.iter_mut().zip(&theirs.categories);
        let flows = flows.chain([(&mut mine.idle, &theirs.idle), (&mut mine.policies, &theirs.policies)]);
        let flows = flows.chain(self.told.categories.iter_mut().zip(&other.told.categories));
        flows.chain([(&mut self.told.firsts, &other.told.firsts)]).for_each(|(flow, other)| flow.add(other));
        self.answers.absorbed += other.answers.absorbed;
        self.answers.applied += other.answers.applied;
        self.answers.incomplete += other.answers.incomplete;
        self.answers.told_guests += other.answers.told_guests;
        self.answers.polled.add(&other.answers.polled);
        let planned = self.published.sessions_planned.iter_mut().zip(&other.published.sessions_planned);
        let done = self.answers.sessions.iter_mut().zip(&other.answers.sessions);
        planned.chain(done).for_each(|(events, other)| *events += other);
    }

    /// By kind, over so many seconds. Kinds that there were none of are left out, but for the categories.
    #[must_use]
    pub fn by_kind(&self, categories: &[String], published_s: f64, told_s: f64) -> BTreeMap<String, Kind> {
        let kind = |flow: Flow, seconds: f64| Kind {
            count: flow.count,
            rate_per_s: per_second(flow.count, seconds),
            bytes_per_s: per_second(flow.bytes, seconds),
        };
        let of_answers = |count| Flow { count, bytes: 0 };
        let mut kinds = BTreeMap::new();
        for (name, (published, told)) in
            categories.iter().zip(self.published.categories.iter().zip(&self.told.categories))
        {
            kinds.insert(format!("publications_{name}"), kind(*published, published_s));
            kinds.insert(format!("notifications_{name}"), kind(*told, told_s));
        }
        let rare = [
            ("publications_idle_endpoint", self.published.idle, published_s),
            ("publications_absorbed", of_answers(self.answers.absorbed), published_s),
            ("policy_edits", self.published.policies, published_s),
            ("policy_edits_applied", of_answers(self.answers.applied), published_s),
            ("policy_edits_incomplete", of_answers(self.answers.incomplete), published_s),
            ("notifications_first", self.told.firsts, told_s),
            ("polled_presentities", self.answers.polled, published_s),
            ("notifications_sessions", of_answers(self.answers.told_guests), told_s),
        ];
        let sessions = SessionEvent::ALL.into_iter();
        let sessions =
            sessions.map(|event| (event.plural(), of_answers(self.answers.sessions[event.number()]), published_s));
        for (name, flow, seconds) in rare.into_iter().chain(sessions).filter(|(_, flow, _)| flow.count != 0) {
            kinds.insert(name.to_owned(), kind(flow, seconds));
        }
        kinds
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    (count as f64 / seconds.max(1e-6) * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_added_up_and_rates_are_by_the_second() {
        let mut one = Traffic::default();
        one.told.categories[0].note(100);
        one.published.idle.note(0);
        let mut both = one;
        both.add(&one);
        let kinds = both.by_kind(&["state".to_owned()], 4.0, 0.5);
        assert_eq!(kinds["notifications_state"], Kind { count: 2, rate_per_s: 4.0, bytes_per_s: 400.0 });
        assert_eq!(kinds["publications_idle_endpoint"].rate_per_s, 0.5);
        assert_eq!(kinds["publications_state"].count, 0);
        assert!(!kinds.contains_key("policy_edits"));
        assert_eq!(both.told.since(&one.told), one.told);
    }
}
