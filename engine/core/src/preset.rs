//! Limits as another server has them.

use crate::limits::Limits;

/// Endpoints that a user of Lync's may have, and is advised to have no more than.
const ENDPOINTS: u32 = 8;
/// Users that are logged on to one registrar.
const USERS: u32 = 12_000;
const MINUTE_US: u64 = 60_000_000;

impl Limits {
    /// The limits of Lync Server 2013, as documented, for one shard in the place of one registrar. With several shards to a
    /// registrar, what counts users (`presentities`, `watchers` and what follows from them) is to be divided by them.
    ///
    /// | Lync | Value | Here |
    /// |---|---|---|
    /// | users logged on to a registrar | 12,000 | `presentities` |
    /// | endpoints of a user | 8 | `endpoints_per_presentity`; `watchers`, for all users together |
    /// | contacts of a user | 250 | `subscriptions_per_watcher`, `subscriptions_per_group` |
    /// | open SUBSCRIBE dialogs of a user | 200 | `groups_per_watcher` |
    /// | category subscriptions on a presentity | 1,000 | `category_subscriptions_per_topic`: 200 watchers of five categories; who comes after them polls |
    /// | prompted subscribers | 200 | `pending_per_presentity` |
    /// | lifetime of a subscription: default, least, most | 8 h, 20 min, 12 h | `group_lifetime_us_default`, `_min`, `_max` |
    /// | lifetime of a registration: least, most | 300 s, 900 s | `lifetime_us_min`, `_max` |
    /// | the largest document | 25 KB | `document_bytes` |
    #[must_use]
    pub fn lync_2013() -> Self {
        let watchers = USERS * ENDPOINTS;
        Self {
            presentities: USERS,
            endpoints_per_presentity: ENDPOINTS as u8,
            watchers,
            groups: watchers * 200,
            groups_per_watcher: 200,
            subscriptions: watchers * 250,
            subscriptions_per_watcher: 250,
            subscriptions_per_group: 250,
            category_subscriptions_per_topic: 1_000,
            pending_per_presentity: 200,
            group_lifetime_us_default: 8 * 60 * MINUTE_US,
            group_lifetime_us_min: 20 * MINUTE_US,
            group_lifetime_us_max: 12 * 60 * MINUTE_US,
            lifetime_us_min: 5 * MINUTE_US,
            lifetime_us_max: 15 * MINUTE_US,
            document_bytes: 25 * 1024,
            ..Self::default()
        }
    }
}
