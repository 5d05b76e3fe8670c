//! Before anybody signs in: what a shard will have to hold, and what its users say first.

use fanfare::{Population, Shard};

use super::requests::Requests;
use super::sign_in::Roster;
use crate::publisher::{Publisher, Sent};
use crate::targets::Sizes;

/// First documents published in one poll.
const BUILD_PER_POLL: u32 = 256;

/// Who will sign in on one of so many shards.
pub(super) fn expected(sizes: &Sizes, shards: usize) -> Population {
    let shards = shards as u64;
    let watchers = sizes.watchers.div_ceil(shards);
    let subscriptions = sizes.subscriptions.div_ceil(shards);
    // Colleagues and others are shown different views, each a topic.
    let views = if sizes.composed { 2 } else { 1 };
    let topics = subscriptions.min(views * u64::from(sizes.users));
    Population { watchers, groups: watchers, subscriptions, topics, ..Population::default() }
}

/// Publishes what users say first, `next` being the next step. Tells whether any was taken.
pub(super) fn say(
    shard: &mut Shard,
    publisher: &mut Publisher,
    requests: &mut Requests,
    roster: &Roster,
    next: &mut u32,
) -> bool {
    let steps = publisher.first_steps();
    let end = (*next + BUILD_PER_POLL).min(publisher.residents().count() * steps);
    let begin = *next;
    while *next < end {
        let user = publisher.residents().user(*next / steps);
        let step = *next % steps;
        if let Some(outgoing) = publisher.first(user, step)
            && requests.send(shard, roster, &outgoing) == Sent::Busy
        {
            break;
        }
        if step + 1 == steps {
            publisher.first_accepted(user);
        }
        *next += 1;
    }
    *next != begin
}
