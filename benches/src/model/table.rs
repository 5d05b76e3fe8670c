//! The model's answer as a table for people, and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::{Constants, Estimate, ModelError, Origin, Placement, Population, estimate};

/// Numbers of cores that the table is for.
pub const CORES: [u32; 4] = [2, 8, 16, 64];

/// The share of watchers near a user, or in his group, that the table's placements take: colleagues, of whom half of a
/// Lync user's contacts are, and four of five for a group that is cut along organisations.
const NEAR_SHARE: f64 = 0.5;
const GROUP_SHARE: f64 = 0.8;

/// A placement and what it is called.
#[derive(Clone, Copy, Debug)]
struct Named {
    name: &'static str,
    placement: Placement,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Where watchers are.
    pub placement: &'static str,
    /// What comes of it.
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// All that the program says.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// Users with one watcher each.
    pub users: u64,
    /// Contacts of each.
    pub contacts: f64,
    /// One shard, which all is measured by.
    pub one_shard: Estimate,
    /// For each number of cores, each placement that is possible there; spread first.
    pub rows: Vec<Row>,
}

/// Asks the model for 2, 8, 16 and 64 cores, with watchers spread, near, and in groups of four and of eight shards.
///
/// # Errors
/// Those of [`estimate`].
pub fn answer(constants: &Constants, population: Population) -> Result<Answer, ModelError> {
    let groups = |shards, share| Placement::Groups { shards, share };
    let placements = [
        Named { name: "spread", placement: Placement::Spread },
        Named { name: "half on the own shard", placement: Placement::Near { share: NEAR_SHARE } },
        Named { name: "groups of 4, 80 % inside", placement: groups(4, GROUP_SHARE) },
        Named { name: "groups of 8, 80 % inside", placement: groups(8, GROUP_SHARE) },
        Named { name: "groups of 8, all inside", placement: groups(8, 1.0) },
    ];
    let mut rows = Vec::new();
    for cores in CORES {
        // A group as large as the mesh is no placement.
        let is_one = |named: &&Named| !matches!(named.placement, Placement::Groups { shards, .. } if shards >= cores);
        for Named { name, placement } in placements.iter().filter(is_one) {
            rows.push(Row { placement: name, estimate: estimate(constants, population, cores, *placement)? });
        }
    }
    let one_shard = estimate(constants, population, 1, Placement::Spread)?;
    Ok(Answer { users: population.users, contacts: population.contacts, one_shard, rows })
}

/// The answer for a screen of 120 columns.
#[must_use]
pub fn render(constants: &Constants, answer: &Answer) -> String {
    let mut text = String::new();
    let Answer { users, contacts, one_shard, rows } = answer;
    let mut line = |words: std::fmt::Arguments<'_>| text.write_fmt(format_args!("{words}\n")).expect("memory");
    line(format_args!(
        "{users} users with one watcher and {contacts} contacts each; one shard carries {:.2} million notifications a second",
        one_shard.notifications_per_second_per_core / 1e6
    ));
    line(format_args!("and a subscription on it weighs {:.1} bytes.\n", one_shard.bytes_per_subscription));
    line(format_args!(
        "{:>5}  {:<24} {:>6} {:>12} {:>6} {:>6} {:>10} {:>15} {:>12}",
        "cores", "watchers", "topics", "bytes/subscr", "more", "GiB", "efficiency", "by instructions", "notes/s/core"
    ));
    let mut spread_efficiency = 1.0;
    for Row { placement, estimate } in rows {
        if *placement == "spread" {
            spread_efficiency = estimate.efficiency;
        }
        let won = match 100.0 * (estimate.efficiency / spread_efficiency - 1.0) {
            _ if *placement == "spread" => String::new(),
            won => format!("  {won:+.0} %"),
        };
        line(format_args!(
            "{:>5}  {:<24} {:>6.1} {:>12.1} {:>6.1} {:>6.2} {:>8.0} % {:>13.0} % {:>12.0}{won}",
            estimate.shards,
            placement,
            estimate.topics_touched,
            estimate.bytes_per_subscription,
            estimate.extra_bytes_per_subscription,
            estimate.bytes_total / f64::from(1u32 << 30),
            100.0 * estimate.efficiency,
            100.0 * estimate.efficiency_by_instructions,
            estimate.notifications_per_second_per_core,
        ));
    }
    line(format_args!(
        "\nThe time of an update was measured with all shards in one thread, and is noisy: `efficiency` is rough.\n\
         `by instructions` leaves memory out and flatters. Both extrapolate from 1 to 8 shards and 20,000 users: shares count, not rates."
    ));
    line(format_args!("\nFrom these constants:"));
    for (name, constant) in constants.named() {
        let origin = match constant.origin {
            Origin::Measured => "measured",
            Origin::Derived => "derived",
        };
        line(format_args!("  {name:<25} {:>8.2}  {origin}: {}", constant.value, constant.from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_for_each_number_of_cores_and_possible_placement() {
        let constants = Constants::default();
        let answer = answer(&constants, Population { users: 1_000, contacts: 80.0 }).unwrap();
        let rows_of = |cores| answer.rows.iter().filter(|row| row.estimate.shards == cores).count();
        assert_eq!(CORES.map(rows_of), [2, 3, 5, 5]);
        let text = render(&constants, &answer);
        assert_eq!(text.lines().filter(|line| line.contains(" % ")).count(), 15);
        assert!(text.contains("measured:") && text.contains("derived:"));
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(json["rows"][0]["shards"], 2);
        assert_eq!(json["rows"].as_array().unwrap().len(), 15);
    }
}
