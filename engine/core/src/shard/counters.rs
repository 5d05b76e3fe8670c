//! What a shard has done, in plain numbers. Only its own core writes them.

/// Running totals since the shard was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Turns that subscriptions became behind, one more for each subscription's first state. At any moment
    /// `owed = delivered + skipped + cancelled + filtered + pending` (C3).
    pub owed: u64,
    /// Notes taken from outboxes, but for those that tell again.
    pub delivered: u64,
    /// Notes that told again what had been told: for a refresh, a resume, or a group's longest gap. They are no part of what is owed.
    pub repeated: u64,
    /// Turns that a newer one overtook before they were told.
    pub skipped: u64,
    /// Turns still untold when their subscription ended.
    pub cancelled: u64,
    /// Turns of categories that the group does not want, and such as are too long ago to tell.
    pub filtered: u64,
    /// Skipped or filtered turns that were counted early, to keep `seen` from wrapping.
    pub settled: u64,
    /// Publications that became the state, at this home.
    pub published: u64,
    /// Publications that left the state as it was.
    pub absorbed: u64,
    /// Requests that this home refused.
    pub refused: u64,
    /// Calls that found no credit.
    pub busy: u64,
    /// Documents that expired at this home.
    pub expired: u64,
    /// Homes and views forgotten for lack of state and of interest.
    pub evicted: u64,
    /// Updates sent to topics, this shard's own too.
    pub updates_sent: u64,
    /// Updates taken in.
    pub updates_taken: u64,
    /// Updates meant for an earlier life of a topic.
    pub updates_stale: u64,
    /// Joins sent.
    pub joins_sent: u64,
    /// Leaves sent.
    pub leaves_sent: u64,
    /// Entries that walks visited.
    pub walk_entries: u64,
    /// Changes that found the topic's last walk still under way.
    pub walks_extended: u64,
    /// Subscribers marked because a removal moved them while their topic was walked.
    pub carried: u64,
    /// Marks that turned out to be needless.
    pub marks_needless: u64,
    /// Policies that this shard was told to apply.
    pub policies_taken: u64,
    /// Subscriptions that were looked at again because of one.
    pub reevaluated: u64,
    /// Publications of endpoints that this home took in.
    pub composed: u64,
    /// Groups that were not renewed in time.
    pub groups_expired: u64,
    /// Watchers that were resumed here.
    pub sessions_resumed: u64,
    /// Parked watchers that nobody resumed in time.
    pub sessions_expired: u64,
    /// Messages about who watches whom.
    pub information_sent: u64,
}

impl Counters {
    /// Adds another shard's totals.
    pub fn add(&mut self, other: &Self) {
        let Self {
            owed,
            delivered,
            repeated,
            skipped,
            cancelled,
            filtered,
            settled,
            published,
            absorbed,
            refused,
            busy,
            expired,
            evicted,
            updates_sent,
            updates_taken,
            updates_stale,
            joins_sent,
            leaves_sent,
            walk_entries,
            walks_extended,
            carried,
            marks_needless,
            policies_taken,
            reevaluated,
            composed,
            groups_expired,
            sessions_resumed,
            sessions_expired,
            information_sent,
        } = self;
        for (mine, theirs) in [
            (owed, other.owed),
            (delivered, other.delivered),
            (repeated, other.repeated),
            (skipped, other.skipped),
            (cancelled, other.cancelled),
            (filtered, other.filtered),
            (settled, other.settled),
            (published, other.published),
            (absorbed, other.absorbed),
            (refused, other.refused),
            (busy, other.busy),
            (expired, other.expired),
            (evicted, other.evicted),
            (updates_sent, other.updates_sent),
            (updates_taken, other.updates_taken),
            (updates_stale, other.updates_stale),
            (joins_sent, other.joins_sent),
            (leaves_sent, other.leaves_sent),
            (walk_entries, other.walk_entries),
            (walks_extended, other.walks_extended),
            (carried, other.carried),
            (marks_needless, other.marks_needless),
            (policies_taken, other.policies_taken),
            (reevaluated, other.reevaluated),
            (composed, other.composed),
            (groups_expired, other.groups_expired),
            (sessions_resumed, other.sessions_resumed),
            (sessions_expired, other.sessions_expired),
            (information_sent, other.information_sent),
        ] {
            *mine += theirs;
        }
    }
}
