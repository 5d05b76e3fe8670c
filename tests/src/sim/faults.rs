//! Which faults a simulation met, and how often: a fault that was never met proves nothing.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How often each fault was met.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Faults {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Faults {
            /// Adds another run's counts.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Each fault with its count.
            #[must_use]
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

faults! {
    /// A link had no room for what was owed.
    link_full,
    /// The ring that hands documents back had no room.
    returns_full,
    /// A shard did not step for a while.
    stall,
    /// A watcher took some of its notes and left the rest.
    slow_watcher,
    /// A watcher was closed with something still untold.
    vanished_watcher,
    /// A subscriber was removed while its topic was walked, and another was carried to its place.
    removal_in_walk,
    /// A change found a walk under way.
    change_in_walk,
    /// An id of something closed was used.
    stale_id,
    /// A record was used again under a new generation.
    id_reuse,
    /// `seen` would have wrapped but for being settled.
    wrap_of_seen,
    /// A presentity was forgotten.
    eviction,
    /// A presentity that was forgotten came back.
    eviction_and_return,
    /// A shard was told an earlier time than before.
    clock_back,
    /// The clock jumped far ahead.
    clock_jump,
    /// A step with a budget of one entry.
    budget_one,
    /// Many changes of one presentity in a row.
    storm,
    /// A request found no credit.
    no_credit,
    /// A state expired.
    expiry,
    /// A subscription was moved to another view.
    moved_view,
    /// An update reached a topic that it was not meant for any more.
    stale_update,
    /// A bulk call was refused whole at a limit.
    limit,
    /// Many policies of one presentity in a row.
    policy_storm,
    /// A policy came to a shard that watches its presentity.
    policy_taken,
    /// A subscription was looked at again because of a policy.
    reevaluated,
    /// A policy was not applied everywhere in time.
    policy_incomplete,
    /// An entity-tag or version was stale, or another rule of publications was broken.
    endpoint_refused,
    /// An endpoint's publication was accepted.
    endpoint_accepted,
    /// Nobody looked at what a watcher is told.
    inactive_watcher,
    /// A group was told something again.
    refresh,
    /// A group was not renewed in time.
    group_expired,
    /// A connection was lost, and the watcher parked.
    parked,
    /// It came back to its shard.
    resumed,
    /// It came back to a shard, which may be another, after it had been taken away.
    resumed_elsewhere,
    /// A shard had no room for it.
    session_refused,
    /// More was unacknowledged than was remembered.
    ring_too_short,
    /// A token or a count was wrong.
    resume_refused,
    /// A watcher was not resumed in time.
    session_expired,
    /// Something was told again that had been told.
    repeated,
    /// A list was told together.
    list_gathered,
    /// What is on a list changed.
    list_changed,
    /// A list was to hold itself.
    list_cycle,
    /// A watcher said that he knew a state.
    known_state,
    /// A change was offered as a difference.
    difference,
    /// Limits were changed while everybody lived under them.
    limits_changed,
    /// A tenant had published as much as it may.
    over_budget,
    /// A tenant's share of credits was used up while others asked, too.
    no_share,
    /// An owner began to follow who watches him.
    followed,
    /// A follower was told something.
    follower_told,
    /// A follower had fallen so far behind that it was told the whole list again.
    follower_told_all_again,
    /// More watched somebody than may be listed.
    watcher_left_out,
    /// Somebody was listed who waits for the owner's decision and does not subscribe.
    watcher_waiting,
    /// Somebody polled presentities of several homes.
    poll,
}
