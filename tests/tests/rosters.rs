//! What RFC 6121 asks of presence subscriptions: each of the nine states of its appendix A.1 is reached by requests and
//! approvals between two users, and presence flows in exactly those that let it.

use std::sync::Arc;

use fanfare_core::presence::composition::HighestPriority;
use fanfare_core::presence::roster::{Granted, Subscription};
use fanfare_core::status::Availability;
use fanfare_core::{
    Decision, EndpointId, EndpointPublication, GroupId, Identity, Limits, Outcome, Policy, PolicyEdit, PresentityId,
    Scheme, Status, WatcherId,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;

/// Two users, each at home on a shard of its own, and each with a session that has the other in its roster.
struct Rosters {
    mesh: Mesh,
    users: [PresentityId; 2],
    policies: [Policy; 2],
    sessions: [(WatcherId, GroupId); 2],
}

/// What one of the two does; the number says which.
#[derive(Clone, Copy)]
enum Step {
    /// `subscribe`
    Asks(usize),
    /// `subscribed`
    Approves(usize),
    /// `unsubscribed`
    Denies(usize),
}

use Step::{Approves, Asks, Denies};

fn rosters() -> Rosters {
    let scheme = Scheme::open_and_offline(&["state"], HighestPriority, Decision::Confirm).unwrap();
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme);
    let users = [mesh.presentity_at(0, 0), mesh.presentity_at(1, 0)];
    let sessions = [0, 1].map(|user| {
        let (watcher, group) = mesh.watcher_for(user, Identity::of(users[user]));
        mesh.shards[user].watch(group, &[users[1 - user]]).unwrap();
        (watcher, group)
    });
    let mut rosters = Rosters { mesh, users, policies: [Policy::roster(), Policy::roster()], sessions };
    for user in 0..2 {
        rosters.edit(user, Vec::new());
    }
    rosters
}

impl Rosters {
    fn edit(&mut self, user: usize, dismissed: Vec<PresentityId>) {
        let edit = PolicyEdit::new(self.users[user], self.users[user], self.policies[user].clone());
        let outcome = self.mesh.policy(user, PolicyEdit { dismissed, ..edit });
        assert!(matches!(outcome, Outcome::PolicyApplied { .. }), "{outcome:?}");
    }

    fn does(&mut self, step: Step) {
        match step {
            Asks(user) => {
                let who = Arc::new(Identity::of(self.users[user]));
                self.mesh.shards[user].ask_owner(self.users[1 - user], who).unwrap();
                self.mesh.settle();
            }
            Approves(user) => {
                self.policies[user] = self.policies[user].approve(self.users[1 - user], Scheme::OPEN);
                self.edit(user, Vec::new());
            }
            Denies(user) => {
                self.policies[user] = self.policies[user].deny(self.users[1 - user]);
                self.edit(user, vec![self.users[1 - user]]);
            }
        }
    }

    /// What a user grants the other, as the engine tells it to the other's shard and to the user.
    fn grants(&mut self, user: usize) -> Granted {
        let other = 1 - user;
        let group = self.sessions[other].1;
        let view = self.mesh.shards[other].explain(group, self.users[user]).unwrap().unwrap().view;
        self.mesh.shards[user].pending_watchers(self.users[user]).unwrap();
        let Outcome::Pending(waiting) = self.mesh.outcome() else { panic!("those who wait") };
        Granted::of(view, waiting.contains(&self.users[other]))
    }

    /// The subscription as that user sees it.
    fn state(&mut self, user: usize) -> Subscription {
        Subscription::of(self.grants(1 - user), self.grants(user))
    }

    /// Whether the other hears that this user comes, is there, and goes.
    fn is_heard(&mut self, user: usize) -> bool {
        let other = 1 - user;
        self.mesh.hear(other, self.sessions[other].0);
        let status = Status::new(Availability::AVAILABLE);
        let publication = EndpointPublication::create(self.users[user], EndpointId(1), status, HOUR_US);
        self.mesh.endpoint(user, publication).unwrap();
        let heard = self.mesh.hear(other, self.sessions[other].0);
        assert!(heard.iter().all(|heard| heard.rendition().status == status), "{heard:?}");
        self.mesh.endpoint(user, EndpointPublication::remove(self.users[user], EndpointId(1))).unwrap();
        let after = self.mesh.hear(other, self.sessions[other].0);
        assert_eq!(after.len(), heard.len());
        assert!(after.iter().all(|heard| heard.rendition().status.is_offline()), "{after:?}");
        !heard.is_empty()
    }
}

/// After these steps the first user's roster has this item, the second one's has the mirrored one, and presence flows
/// as both say.
fn reaches(steps: &[Step], item: Subscription, token: &str, asks: bool, mirrored: Subscription) {
    let mut rosters = rosters();
    for &step in steps {
        rosters.does(step);
    }
    assert_eq!((rosters.state(0), rosters.state(1)), (item, mirrored));
    assert_eq!((item.token(), item.asks()), (token, asks));
    let is_heard = [rosters.is_heard(0), rosters.is_heard(1)];
    assert_eq!(is_heard, [matches!(token, "from" | "both"), matches!(token, "to" | "both")]);
    rosters.mesh.verify();
}

#[test]
fn rfc_6121_none() {
    reaches(&[], Subscription::None, "none", false, Subscription::None);
}

#[test]
fn rfc_6121_none_pending_out() {
    reaches(&[Asks(0)], Subscription::NonePendingOut, "none", true, Subscription::NonePendingIn);
}

#[test]
fn rfc_6121_none_pending_in() {
    reaches(&[Asks(1)], Subscription::NonePendingIn, "none", false, Subscription::NonePendingOut);
}

#[test]
fn rfc_6121_none_pending_out_and_in() {
    let both = Subscription::NonePendingOutIn;
    reaches(&[Asks(0), Asks(1)], both, "none", true, both);
}

#[test]
fn rfc_6121_to() {
    reaches(&[Asks(0), Approves(1)], Subscription::To, "to", false, Subscription::From);
}

#[test]
fn rfc_6121_to_pending_in() {
    let steps = [Asks(0), Approves(1), Asks(1)];
    reaches(&steps, Subscription::ToPendingIn, "to", false, Subscription::FromPendingOut);
}

#[test]
fn rfc_6121_from() {
    reaches(&[Asks(1), Approves(0)], Subscription::From, "from", false, Subscription::To);
}

#[test]
fn rfc_6121_from_pending_out() {
    let steps = [Asks(1), Approves(0), Asks(0)];
    reaches(&steps, Subscription::FromPendingOut, "from", true, Subscription::ToPendingIn);
}

#[test]
fn rfc_6121_both() {
    let steps = [Asks(0), Approves(1), Asks(1), Approves(0)];
    reaches(&steps, Subscription::Both, "both", false, Subscription::Both);
}

#[test]
fn a_request_that_is_denied_leaves_no_trace_and_may_be_made_again() {
    reaches(&[Asks(0), Denies(1)], Subscription::None, "none", false, Subscription::None);
    let again = [Asks(0), Denies(1), Asks(0)];
    reaches(&again, Subscription::NonePendingOut, "none", true, Subscription::NonePendingIn);
}

#[test]
fn an_approval_that_is_taken_back_ends_one_way_and_not_the_other() {
    let mutual = [Asks(0), Approves(1), Asks(1), Approves(0)];
    let steps = [&mutual[..], &[Denies(1)]].concat();
    reaches(&steps, Subscription::From, "from", false, Subscription::To);
    let steps = [&mutual[..], &[Denies(0)]].concat();
    reaches(&steps, Subscription::To, "to", false, Subscription::From);
}

#[test]
fn who_is_approved_is_sent_the_presence_there_is() {
    let mut rosters = rosters();
    let status = Status::new(Availability::BUSY);
    let publication = EndpointPublication::create(rosters.users[1], EndpointId(1), status, HOUR_US);
    rosters.mesh.endpoint(1, publication).unwrap();
    rosters.does(Asks(0));
    let (watcher, _) = rosters.sessions[0];
    assert!(rosters.mesh.hear(0, watcher).iter().all(|heard| heard.view.is_closed() && heard.document.is_none()));
    rosters.does(Approves(1));
    let heard = rosters.mesh.hear(0, watcher);
    assert_eq!((heard.len(), heard[0].first, heard[0].rendition().status), (1, true, status));
}
