//! Every bound of a shard, in one place, each with its reason (C8). Those of one tenant are in [`crate::Tenant`].

use crate::error::LimitsError;
use crate::id::SHARDS_MAX;

/// The bounds of one shard. Past any of them the caller gets a typed error; nothing grows in silence.
///
/// The defaults carry a pool of a million users on one shard; memory is taken as it is needed, or when
/// [`crate::FanOut::take_memory`] is called. [`Limits::lync_2013`] has those of Lync Server 2013. They may be changed while the
/// shard runs: [`crate::Shard::set_limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Watchers on this shard. 40 bytes each, and four while they wait to be told.
    pub watchers: u32,
    /// Groups on this shard, over all watchers. 48 bytes each, eight more while it has an expiry, and eight with an identity.
    pub groups: u32,
    /// Subscriptions on this shard, in runs of 16. Twelve bytes each, and four to five in the topic's list.
    pub subscriptions: u32,
    /// Groups and watchers that are told at a pace of their own, and lists. 128 bytes each.
    pub paces: u32,
    /// The longest gap between two batches that a pace may ask for, in microseconds: a watcher that wants to hear less often
    /// than once in it is better served by asking.
    pub gap_us_max: u64,
    /// The least time between two changes of one view that are fanned out, in microseconds: what a presentity that flaps may
    /// cost its watchers. What changes meanwhile is passed on when it is over, newest state only. 0 for none.
    pub fan_out_gap_us: u64,
    /// How long the first batch of a list may wait for members of whom nothing is known, in microseconds: somebody looks at an
    /// empty screen meanwhile.
    pub gather_us_max: u64,
    /// Triggers that are asked about the changes of one presentity's view, on one shard: each is asked before anybody is told.
    pub triggers_per_topic: u32,
    /// Lists that the shard knows, nested ones included. Some 100 bytes each, and 32 for each entry.
    pub lists: u32,
    /// Members of one list, those of nested lists included: so many are watched in one go, and looked at when one comes or goes.
    pub list_members: u32,
    /// Lists that may stand one in the other. Nobody has been seen to need more than three.
    pub list_depth: u32,
    /// What a group that ended for lack of room is told to wait before it is opened again, in microseconds.
    pub group_retry_after_us: u64,
    /// Notes that a watcher may have been told and not acknowledged, of which it is remembered what they were about: four
    /// bytes each. Who resumes with more is told everything once more, which costs what its subscriptions cost.
    pub unacknowledged_per_watcher: u32,
    /// How long a watcher without a connection may be kept, in microseconds; who asks for more is granted this. It takes the
    /// memory, and the marks, of one with a connection.
    pub park_us_max: u64,
    /// The shortest lifetime of a group that expires, in microseconds: renewals cost as much as notes.
    pub group_lifetime_us_min: u64,
    /// The longest, in microseconds; who asks for more is granted this. Lync grants 8 hours, and 12 at the most.
    pub group_lifetime_us_max: u64,
    /// What a group is granted that names no lifetime, in microseconds, within the two bounds above.
    pub group_lifetime_us_default: u64,
    /// Groups of one watcher: SIP dialogs of a user, say. Below the `groups` that the shard was made with, it is held against a
    /// count of the watcher's groups each time one is opened: one look at each.
    pub groups_per_watcher: u32,
    /// Subscriptions of one group: looking for a double costs one line per 16 of them.
    pub subscriptions_per_group: u32,
    /// Subscriptions of one watcher, over all its groups: the contacts of a user. Below the `subscriptions` that the shard was
    /// made with, each bulk call looks at every group of the watcher's. A user with several sessions holds his list in each of
    /// them, so each counts for itself.
    pub subscriptions_per_watcher: u32,
    /// Category subscriptions on one topic, that is one view of one presentity on one shard. A group that wants so many
    /// categories may not add a subscriber where as many subscribers as there would be, each with so many categories, are more
    /// than this: Lync's rule. Who is refused can fetch. Each topic counts its own subscribers, which it knows anyway: a count
    /// over shards and views would be a message for each subscription. So on all there may be as many times as many as there
    /// are interested shards and views. What moves to another view is never refused.
    pub category_subscriptions_per_topic: u32,
    /// (presentity, view) pairs that watchers of this shard look at. 88 bytes each.
    pub topics: u32,
    /// States at home on this shard, views of presentities that have a document; and presentities that publish through
    /// endpoints, have a policy, a name or somebody who waits. Those that are only watched are bounded by the topics of
    /// all shards.
    pub presentities: u32,
    /// Views of one presentity, which are numbered below it: each is composed, encoded and sent for itself, and found by
    /// a short walk.
    pub views_per_presentity: u16,
    /// Bytes of one document. Lync's largest is 25 KB.
    pub document_bytes: u32,
    /// Bytes of all documents at home on this shard. What views show of what was published is counted once for each view
    /// that renders it; a view that is first looked at later may add as much again.
    pub documents_bytes: u64,
    /// Bytes of replaced documents that other shards have not handed back yet. Above it the shard refuses
    /// publications as `Busy`: somebody has stopped stepping. Expiries go on, so what is not handed back may come to
    /// this and the documents there were.
    pub retired_bytes: u64,
    /// Messages in the ring from one shard to another, and documents in the ring back.
    pub link_slots: u32,
    /// Requests of this shard, to one home, that are not answered yet: credits.
    pub credits: u32,
    /// Presentities that one call may fetch. A home answers for all of its own in one go, at about a microsecond each, and copies
    /// what they show; Lync's clients poll 20 at a time.
    pub fetch_presentities_max: u32,
    /// What `Busy` proposes as the time to wait, in microseconds: about one turn under load.
    pub retry_after_us: u32,
    /// Expiries turned into changes in one step, so that a mass of them cannot hold up a turn (C7); as many groups and
    /// subscriptions that end with them, of which the last group ends whole; as much of paces that are due, and of watchers that
    /// nobody has resumed.
    pub expiries_per_step: u32,
    /// Entries that a step marks: at least 1,024, or C9 does not hold. One costs 5 to 50 ns. The watchers of 1,024 entries are
    /// still in a core's caches when they are told after the step; four times as many are not. A turn of the engine tells up to
    /// twice as many watchers, so more entries make longer turns.
    pub walk_entries_per_step: u32,
    /// Walks of so many entries or fewer are short and go first (C9).
    pub short_walk_entries: u32,
    /// Notes that one watcher may take before the next watcher has its turn.
    pub notes_per_ready: u32,
    /// Endpoints of one presentity that publish at a time. Lync allows 1 to 64 and advises no more than 8.
    pub endpoints_per_presentity: u8,
    /// The shortest lifetime of a publication, in microseconds: below it a device costs more than it tells. The least
    /// that Lync grants a registration is 300 s; SIP devices on phones ask for less.
    pub lifetime_us_min: u64,
    /// The longest lifetime of a publication, in microseconds; who asks for more is granted this. A dead device is shown
    /// for so long at the most.
    pub lifetime_us_max: u64,
    /// How long it is remembered when a presentity that says nothing else was last seen, in microseconds.
    pub last_seen_us: u64,
    /// Rules of one policy: each costs 24 bytes on every interested shard's core.
    pub rules_per_policy: u32,
    /// Watchers of one presentity that its owner has still to decide on. Lync's queue has 200.
    pub pending_per_presentity: u32,
    /// Policies that some interested shard has still to apply.
    pub policy_edits: u32,
    /// Watchers of one presentity that each shard lists for an owner who follows them; those beyond are counted. About 200
    /// bytes each, on the watcher's shard, at home and where the owner is, while he follows.
    pub watchers_listed: u32,
    /// Groups of this shard that follow the watchers of one presentity: an owner's devices.
    pub followers_per_presentity: u32,
    /// Presentities whose watchers groups of this shard follow, with those whose home was not told yet that none does any
    /// more. Each costs its home a message for sixteen of its watchers that come or go.
    pub followed_presentities: u32,
    /// How long a change of policy may take to reach every interested shard, in microseconds, before its ticket ends as
    /// incomplete. It goes on all the same.
    pub policy_apply_us: u64,
    /// Decisions kept for the audit stream until it is read; after that the oldest go, and are counted.
    pub audit_entries: u32,
    /// Bytes of the name that an id may be claimed for: the longest address there is (RFC 7622).
    pub name_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            watchers: 4_000_000,
            groups: 8_000_000,
            subscriptions: 400_000_000,
            paces: 4_000_000,
            gap_us_max: 86_400_000_000,
            fan_out_gap_us: 0,
            gather_us_max: 30_000_000,
            triggers_per_topic: 64,
            lists: 1_000_000,
            list_members: 16_384,
            list_depth: 8,
            group_retry_after_us: 10_000_000,
            unacknowledged_per_watcher: 4_096,
            park_us_max: 3_600_000_000,
            group_lifetime_us_min: 60_000_000,
            group_lifetime_us_max: 12 * 3_600_000_000,
            group_lifetime_us_default: 8 * 3_600_000_000,
            groups_per_watcher: Self::UNBOUNDED,
            subscriptions_per_group: 65_536,
            subscriptions_per_watcher: Self::UNBOUNDED,
            category_subscriptions_per_topic: Self::UNBOUNDED,
            topics: 16_000_000,
            presentities: 16_000_000,
            views_per_presentity: 64,
            document_bytes: 25 * 1024,
            documents_bytes: 64 << 30,
            retired_bytes: 256 << 20,
            link_slots: 1024,
            credits: 256,
            fetch_presentities_max: 128,
            retry_after_us: 1_000,
            expiries_per_step: 1_024,
            walk_entries_per_step: 1_024,
            short_walk_entries: 256,
            notes_per_ready: 1_024,
            endpoints_per_presentity: 8,
            lifetime_us_min: 60_000_000,
            lifetime_us_max: 86_400_000_000,
            last_seen_us: 30 * 86_400_000_000,
            rules_per_policy: 4_096,
            pending_per_presentity: 200,
            policy_edits: 1_024,
            watchers_listed: 1_000,
            followers_per_presentity: 64,
            followed_presentities: 1_000_000,
            policy_apply_us: 1_000_000,
            audit_entries: 4_096,
            name_bytes: 3_071,
        }
    }
}

impl Limits {
    /// For bounds on a part that need not be lower than the shard's own: a bound that can bind nobody is never looked at.
    pub const UNBOUNDED: u32 = (1 << 31) - 1;

    /// Checks that every bound can be kept.
    ///
    /// # Errors
    /// The first field that is out of its range, with the range.
    pub fn validate(&self) -> Result<(), LimitsError> {
        // A slot's number and a list entry's number are 32 bits, and one value of each means "none".
        const INDEX_MAX: u64 = (1 << 31) - 1;
        // Added to any moment that an engine lives to see, it does not overflow.
        const TIME_MAX: u64 = 1 << 56;
        let fields: &[(&'static str, u64, u64, u64)] = &[
            ("watchers", self.watchers.into(), 1, INDEX_MAX),
            ("groups", self.groups.into(), 1, INDEX_MAX),
            ("subscriptions", self.subscriptions.into(), 1, INDEX_MAX),
            // A group's record has 24 bits for the number of its pace.
            ("paces", self.paces.into(), 1, (1 << 24) - 1),
            ("gap_us_max", self.gap_us_max, 1, TIME_MAX),
            ("fan_out_gap_us", self.fan_out_gap_us, 0, TIME_MAX),
            ("gather_us_max", self.gather_us_max, 1, TIME_MAX),
            ("triggers_per_topic", self.triggers_per_topic.into(), 1, INDEX_MAX),
            ("lists", self.lists.into(), 1, INDEX_MAX),
            ("list_members", self.list_members.into(), 1, INDEX_MAX),
            ("list_depth", self.list_depth.into(), 1, 64),
            ("group_retry_after_us", self.group_retry_after_us, 1, TIME_MAX),
            ("unacknowledged_per_watcher", self.unacknowledged_per_watcher.into(), 1, INDEX_MAX),
            ("park_us_max", self.park_us_max, 1, TIME_MAX),
            ("group_lifetime_us_min", self.group_lifetime_us_min, 1, self.group_lifetime_us_max),
            ("group_lifetime_us_max", self.group_lifetime_us_max, 1, TIME_MAX),
            ("group_lifetime_us_default", self.group_lifetime_us_default, 1, TIME_MAX),
            ("groups_per_watcher", self.groups_per_watcher.into(), 1, INDEX_MAX),
            ("subscriptions_per_watcher", self.subscriptions_per_watcher.into(), 1, INDEX_MAX),
            // None at all is a way to have everybody fetch.
            ("category_subscriptions_per_topic", self.category_subscriptions_per_topic.into(), 0, INDEX_MAX),
            ("subscriptions_per_group", self.subscriptions_per_group.into(), 1, INDEX_MAX),
            ("topics", self.topics.into(), 1, INDEX_MAX),
            ("presentities", self.presentities.into(), 1, INDEX_MAX / SHARDS_MAX as u64),
            // The two highest numbers are views that show nothing.
            ("views_per_presentity", self.views_per_presentity.into(), 1, u64::from(u16::MAX) - 1),
            ("document_bytes", self.document_bytes.into(), 1, 1 << 30),
            ("documents_bytes", self.documents_bytes, 1, u64::MAX),
            ("retired_bytes", self.retired_bytes, 1, u64::MAX),
            ("link_slots", self.link_slots.into(), 1, 1 << 20),
            ("credits", self.credits.into(), 1, 1 << 20),
            ("fetch_presentities_max", self.fetch_presentities_max.into(), 1, 1 << 16),
            ("retry_after_us", self.retry_after_us.into(), 1, 60_000_000),
            ("expiries_per_step", self.expiries_per_step.into(), 1, INDEX_MAX),
            ("walk_entries_per_step", self.walk_entries_per_step.into(), 1, INDEX_MAX),
            ("short_walk_entries", self.short_walk_entries.into(), 1, INDEX_MAX),
            ("notes_per_ready", self.notes_per_ready.into(), 1, INDEX_MAX),
            ("endpoints_per_presentity", self.endpoints_per_presentity.into(), 1, 64),
            ("lifetime_us_min", self.lifetime_us_min, 1, self.lifetime_us_max),
            ("lifetime_us_max", self.lifetime_us_max, 1, TIME_MAX),
            ("last_seen_us", self.last_seen_us, 1, TIME_MAX),
            ("rules_per_policy", self.rules_per_policy.into(), 1, INDEX_MAX),
            ("pending_per_presentity", self.pending_per_presentity.into(), 1, INDEX_MAX),
            ("policy_edits", self.policy_edits.into(), 1, INDEX_MAX),
            ("watchers_listed", self.watchers_listed.into(), 1, 1 << 20),
            ("followers_per_presentity", self.followers_per_presentity.into(), 1, 1 << 20),
            ("followed_presentities", self.followed_presentities.into(), 1, INDEX_MAX),
            ("policy_apply_us", self.policy_apply_us, 1, TIME_MAX),
            ("audit_entries", self.audit_entries.into(), 1, INDEX_MAX),
            ("name_bytes", self.name_bytes.into(), 1, 1 << 20),
        ];
        for &(field, value, min, max) in fields {
            if !(min..=max).contains(&value) {
                return Err(LimitsError { field, value, min, max });
            }
        }
        Ok(())
    }
}
