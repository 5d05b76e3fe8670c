//! What so many shards carry, and what a subscription weighs on them.

use serde::Serialize;

use super::{Constants, ModelError, Placement, topics_touched};

/// Who is there: everybody watches, and is watched by, as many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Population {
    /// Users with one watcher each.
    pub users: u64,
    /// Contacts of each, and so watchers of each.
    pub contacts: f64,
}

/// What the model says of one number of shards and one placement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Shards, one for each core.
    pub shards: u32,
    /// Shards with a topic for a presentity: K.
    pub topics_touched: f64,
    /// Bytes that a subscription weighs more than on one shard.
    pub extra_bytes_per_subscription: f64,
    /// Bytes that a subscription weighs, with its part of everything.
    pub bytes_per_subscription: f64,
    /// Bytes of all subscriptions.
    pub bytes_total: f64,
    /// Time of all cores together for a notification, in ns.
    pub notification_ns: f64,
    /// Notifications a second that each core carries.
    pub notifications_per_second_per_core: f64,
    /// The same as a share of what one shard alone carries.
    pub efficiency: f64,
    /// The same share by instructions alone, as if memory and other cores' lines cost nothing, which flatters.
    pub efficiency_by_instructions: f64,
}

/// What it costs to serve these users with so many shards.
///
/// A notification costs its own mark and note; the K-th part of the updates that its publication takes, of which those to
/// another shard than the home's are a message there and a document back; and its part of the publication, whose request
/// and answer are messages unless the publisher's shard is the home. Homes are spread by hash.
///
/// # Errors
/// [`ModelError::Users`], and those of [`topics_touched`] and [`Constants::validate`].
pub fn estimate(
    constants: &Constants,
    population: Population,
    shards: u32,
    placement: Placement,
) -> Result<Estimate, ModelError> {
    constants.validate()?;
    let Population { users, contacts } = population;
    if users == 0 {
        return Err(ModelError::Users);
    }
    let touched = topics_touched(contacts, shards, placement)?;
    let time = Price::in_ns(constants);
    let instructions = Price::in_instructions(constants);
    let share =
        |price: &Price| price.of_notification(contacts, 1, 1.0) / price.of_notification(contacts, shards, touched);
    let notification_ns = time.of_notification(contacts, shards, touched);
    // One topic is among what was measured on one shard. Rounding must not make it a little less than one.
    let extra_bytes_per_subscription = (touched - 1.0).max(0.0) * constants.topic_bytes.value / contacts;
    let bytes_per_subscription = constants.subscription_bytes.value + extra_bytes_per_subscription;
    Ok(Estimate {
        shards,
        topics_touched: touched,
        extra_bytes_per_subscription,
        bytes_per_subscription,
        bytes_total: bytes_per_subscription * contacts * users as f64,
        notification_ns,
        notifications_per_second_per_core: 1e9 / notification_ns,
        efficiency: share(&time),
        efficiency_by_instructions: share(&instructions),
    })
}

/// What each piece of work costs, all in the same unit.
struct Price {
    notification: f64,
    update: f64,
    publication: f64,
    message: f64,
}

impl Price {
    fn in_ns(constants: &Constants) -> Self {
        Self {
            notification: constants.notification_ns.value,
            update: constants.update_ns.value,
            publication: constants.publication_ns.value,
            message: constants.message_ns.value,
        }
    }

    /// The instructions of a message are among those of updates and publications; that lines travel takes none.
    fn in_instructions(constants: &Constants) -> Self {
        Self {
            notification: constants.notification_instructions.value,
            update: constants.update_instructions.value,
            publication: constants.publication_instructions.value,
            message: 0.0,
        }
    }

    /// What one notification costs all cores together.
    fn of_notification(&self, watchers: f64, shards: u32, touched: f64) -> f64 {
        let elsewhere = 1.0 - 1.0 / f64::from(shards);
        let messages = 2.0 * elsewhere * (touched + 1.0);
        self.notification + (self.publication + touched * self.update + messages * self.message) / watchers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLION: Population = Population { users: 1_000_000, contacts: 80.0 };

    fn of(shards: u32, placement: Placement) -> Estimate {
        estimate(&Constants::default(), MILLION, shards, placement).unwrap()
    }

    #[test]
    fn one_shard_weighs_what_was_measured_and_is_its_own_measure() {
        let one = of(1, Placement::Spread);
        assert_eq!(one.bytes_per_subscription, Constants::default().subscription_bytes.value);
        assert_eq!((one.extra_bytes_per_subscription, one.efficiency), (0.0, 1.0));
        assert_eq!(one.efficiency_by_instructions, 1.0);
        assert_eq!(one.bytes_total, one.bytes_per_subscription * 80e6);
    }

    #[test]
    fn more_shards_weigh_more_and_each_carries_less() {
        for shards in 1..64 {
            let (few, more) = (of(shards, Placement::Spread), of(shards + 1, Placement::Spread));
            assert!(few.bytes_per_subscription < more.bytes_per_subscription, "{shards}");
            assert!(few.efficiency > more.efficiency, "{shards}");
            assert!(few.efficiency_by_instructions > more.efficiency_by_instructions, "{shards}");
            assert!(more.efficiency_by_instructions > more.efficiency, "{shards}: memory only makes it worse");
            let all = |it: Estimate| it.notifications_per_second_per_core * f64::from(it.shards);
            assert!(all(few) < all(more), "{shards}: together they carry more all the same");
        }
    }

    #[test]
    fn the_nearer_the_watchers_the_less_it_costs() {
        for percent in 2..100 {
            let near = |percent| of(64, Placement::Near { share: f64::from(percent) / 100.0 });
            assert!(near(percent + 1).efficiency > near(percent).efficiency);
            assert!(near(percent + 1).bytes_per_subscription < near(percent).bytes_per_subscription);
        }
        let groups = |shards| of(64, Placement::Groups { shards, share: 1.0 });
        assert!(groups(8).efficiency > groups(16).efficiency);
        assert_eq!(groups(64), of(64, Placement::Spread));
    }

    #[test]
    fn the_designs_figures_are_those_of_a_topic_of_85_bytes() {
        let mut constants = Constants::default();
        constants.topic_bytes.value = 85.0;
        for (shards, bytes) in [(2, 1.0), (16, 16.0), (64, 48.0)] {
            let found = estimate(&constants, MILLION, shards, Placement::Spread).unwrap().extra_bytes_per_subscription;
            assert!((found - bytes).abs() < 0.5, "{shards} shards: {found}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let ask = |users, contacts, shards| {
            estimate(&Constants::default(), Population { users, contacts }, shards, Placement::Spread)
        };
        assert!(matches!(ask(0, 80.0, 2), Err(ModelError::Users)));
        assert!(matches!(ask(1, f64::NAN, 2), Err(ModelError::Watchers(_))));
        assert!(matches!(ask(1, 80.0, 0), Err(ModelError::Shards(0))));
        assert!(matches!(ask(1, 80.0, 65), Err(ModelError::Shards(65))));
        let mut constants = Constants::default();
        constants.update_ns.value = f64::INFINITY;
        assert!(matches!(estimate(&constants, MILLION, 2, Placement::Spread), Err(ModelError::Constant { .. })));
    }
}
