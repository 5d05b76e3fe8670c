//! A trace of what a run would publish, drawn as it would be, without running it.
//!
//! On the main thread, as fast as the disk takes it: some 100 ns an event, and no memory but the merge's heads. Nothing
//! is asked of the machine, so what could never be run here can be drawn here.

use fanfare_tuning::users::Presence;
use itertools::kmerge_by;

use crate::arrivals::Arrivals;
use crate::plan::Occasion;
use crate::population::Population;
use crate::schedule::{Arrival, Drawing, Habit, Residents, Schedule};
use crate::settings::workload::Workload;
use crate::trace::files::Output;
use crate::trace::{Event, Header, Kind, TraceError};

/// Writes the trace of a run of this, warm-up included.
///
/// # Errors
/// What cannot be written.
pub(super) fn draw(workload: &Workload, output: &Output) -> Result<Header, TraceError> {
    let population = Population::new(workload.traits.clone());
    let occasion = Occasion {
        number: 1,
        rate_per_s: workload.rate_per_s,
        hot_user: 0,
        from_us: 0,
        warm_up: workload.pace.warm_up.longest(workload.duration),
        measure: Some(workload.duration),
    };
    let drawing = occasion.drawing(workload.traits.seed, workload.shape);
    let header = Header {
        records: 0,
        users: population.users(),
        composed: workload.presence == Presence::Lync,
        anonymised: false,
        seed: Some(workload.traits.seed),
    };
    let mut writer = output.trace(header)?;
    let habits = Habit::of(&population, &workload.mixes);
    let shards = (0..workload.shards).map(|shard| {
        of_shard(
            Residents { shard, shards: workload.shards, users: population.users() },
            &drawing,
            &population,
            &habits,
        )
    });
    let place = |(arrival, shard): &(Arrival, usize)| (arrival.plan_us, *shard);
    for (arrival, _) in kmerge_by(shards, |one: &_, other: &_| place(one) < place(other)) {
        let bytes = population.person(arrival.user).document_bytes;
        let Some(kind) = Kind::of(arrival.what, bytes) else { continue };
        let event = Event { at_us: arrival.plan_us, user: arrival.user, kind };
        writer.push(&event).map_err(|fault| output.fault(fault))?;
    }
    let header = writer.finish().map_err(|fault| output.fault(fault))?;
    output.keep()?;
    Ok(header)
}

/// The arrivals of one shard, as its publisher would draw them.
fn of_shard(
    residents: Residents,
    drawing: &Drawing,
    population: &Population,
    habits: &[Habit],
) -> impl Iterator<Item = (Arrival, usize)> {
    let mut arrivals = Arrivals::drawn(Schedule::new(residents, drawing, habits), residents);
    let end_us = drawing.end_us;
    std::iter::from_fn(move || Some((arrivals.next_arrival(population, 0), residents.shard)))
        .take_while(move |(arrival, _)| arrival.plan_us < end_us)
}
