//! Where the time of a sign-in storm went: the engine, the drawing of contacts, the recorder, others on the same cores.
//!
//! Reckoned on the main thread, at the end, for the recorder is calibrated when everything else is over. The invariant:
//! what is the engine's is all that is nobody else's, so nothing of its work is left out of the figure.

use crate::crew::SignIn;
use crate::recorder::calibrate::RecorderCost;

/// Nanoseconds of a subscription, on a core of the shards'.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Division {
    /// The engine: to subscribe, and until the first state is told.
    pub engine_ns: f64,
    /// Of which in the calls that open and subscribe.
    pub subscribe_ns: f64,
    /// Drawing contacts and counting who is watched.
    pub draw_ns: f64,
    /// Taking first states in.
    pub recorder_ns: f64,
    /// The share of the time in which the shards had their cores.
    pub on_cpu_share: f64,
}

impl Division {
    /// Divides a storm that took so long on so many shards.
    #[must_use]
    pub fn of(sign_in: &SignIn, seconds: f64, shards: usize, cost: &RecorderCost) -> Self {
        let subscriptions = sign_in.subscriptions.max(1) as f64;
        // What was measured on the wall, without the share of it in which somebody else had the core. The recorder's cost is
        // a median, and so without it already. A shard that waits for another's last states sleeps, which is no work.
        let awake_ns = ((seconds * 1e9 * shards as f64) as u64).saturating_sub(sign_in.asleep_ns);
        let on_cpu_share = sign_in.thread.on_cpu_share(awake_ns);
        let of_core = |wall_ns: f64| wall_ns * on_cpu_share / subscriptions;
        let draw_ns = of_core(sign_in.generator_ns as f64);
        let recorder_ns = cost.first_ns + sign_in.readings as f64 * cost.reading_ns / subscriptions;
        let rest_ns = of_core(awake_ns as f64) - draw_ns - recorder_ns;
        let subscribe_ns = of_core(sign_in.engine_ns as f64);
        Self { engine_ns: rest_ns.max(0.0), subscribe_ns, draw_ns, recorder_ns, on_cpu_share }
    }

    /// What of the engine's was not to subscribe: joins, walks, the drain of first states.
    #[must_use]
    pub fn first_state_ns(&self) -> f64 {
        (self.engine_ns - self.subscribe_ns).max(0.0)
    }

    /// Subscriptions that one core of the engine's takes a second, first states told; 0 if nothing was measured.
    #[must_use]
    pub fn subscribed_per_s(&self) -> f64 {
        if self.engine_ns > 0.0 { 1e9 / self.engine_ns } else { 0.0 }
    }

    /// As figures of the phase.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, f64); 4] {
        [
            ("engine_ns_per_subscription", self.engine_ns),
            ("first_state_ns_per_subscription", self.first_state_ns()),
            ("recorder_ns_per_subscription", self.recorder_ns),
            ("on_cpu_share", self.on_cpu_share),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ThreadTimes;

    #[test]
    fn what_is_nobody_elses_is_the_engines() {
        let cost = RecorderCost { note_ns: 50.0, first_ns: 8.0, reading_ns: 40.0 };
        let mut sign_in = SignIn {
            watchers: 100,
            subscriptions: 1_000,
            generator_ns: 20_000,
            engine_ns: 120_000,
            readings: 50,
            ..SignIn::default()
        };
        // 2 x 120 ns a subscription, less 20 to draw, 8 to record and 2 for the clock.
        let division = Division::of(&sign_in, 120e-6, 2, &cost);
        assert!((division.engine_ns - 210.0).abs() < 1e-6, "{division:?}");
        assert!((division.first_state_ns() - 90.0).abs() < 1e-6, "{division:?}");
        assert!((division.subscribed_per_s() - 1e9 / 210.0).abs() < 1.0, "{division:?}");
        sign_in.thread = ThreadTimes { ran_ns: 100_000, waited_ns: 1 };
        sign_in.asleep_ns = 40_000;
        // Of what they were awake on the wall half was not theirs.
        let division = Division::of(&sign_in, 120e-6, 2, &cost);
        assert!((division.engine_ns - 80.0).abs() < 1e-6, "{division:?}");
        assert!((division.subscribe_ns - 60.0).abs() < 1e-6, "{division:?}");
    }

    #[test]
    fn a_storm_of_nobody_divides_into_nothing() {
        let division = Division::of(&SignIn::default(), 0.0, 1, &RecorderCost::default());
        assert!(division.subscribed_per_s().abs() < 1e-9 && division.first_state_ns().abs() < 1e-9);
    }
}
