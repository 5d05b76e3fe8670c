//! A contender that loses, repeats, ages or mixes up a delivery gets an error and no figure.

use std::rc::Rc;

use fanfare_bench_world::{Graph, Shape};
use fanfare_rivals::{Audience, Budget, Class, Payload, Publishing, Rival, RivalError, Told, run};

/// What is wrong with a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The hundredth delivery is not made.
    Drops,
    /// The hundredth delivery is made twice.
    Repeats,
    /// The hundredth delivery shows what the presentity published the time before.
    Ages,
    /// The hundredth delivery goes to somebody else.
    Misleads,
    /// One delivery is not made, and another is made twice: the count is right.
    Replaces,
    /// The last drain leaves something for later.
    Delays,
}

/// The plainest fan-out there is, with a fault.
struct Broken {
    audience: Rc<Audience>,
    fault: Fault,
    newest: Vec<Payload>,
    due: Vec<(u32, u32, Payload, Payload)>,
    made: u64,
}

impl Rival for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn class(&self) -> Class {
        Class::Queueing
    }

    fn differs(&self) -> &'static str {
        "It is wrong."
    }

    fn publish(&mut self, batch: &[(u32, Payload)]) {
        for &(presentity, payload) in batch {
            let before = std::mem::replace(&mut self.newest[presentity as usize], payload);
            let watchers = self.audience.of(presentity).iter();
            self.due.extend(watchers.map(|&watcher| (watcher, presentity, payload, before)));
        }
    }

    fn drain(&mut self) -> Told {
        let mut told = Told::default();
        let held = if self.fault == Fault::Delays { self.due.pop() } else { None };
        let mut last: Option<(u32, u32, Payload)> = None;
        for (watcher, presentity, payload, before) in self.due.drain(..) {
            self.made += 1;
            let take = |told: &mut Told| told.take(watcher, presentity, &payload);
            match self.fault {
                Fault::Drops if self.made == 100 => {}
                Fault::Repeats if self.made == 100 => {
                    take(&mut told);
                    take(&mut told);
                }
                Fault::Ages if self.made == 100 => told.take(watcher, presentity, &before),
                Fault::Misleads if self.made == 100 => told.take(watcher ^ 1, presentity, &payload),
                Fault::Replaces if self.made == 100 => {
                    let (watcher, presentity, payload) = last.expect("there was one before");
                    told.take(watcher, presentity, &payload);
                }
                _ => take(&mut told),
            }
            last = Some((watcher, presentity, payload));
        }
        self.due.extend(held);
        told
    }
}

fn verdict(fault: Fault) -> Result<u64, RivalError> {
    let audience = Rc::new(Audience::of_graph(Graph::new(200, 10, Shape::Uniform)).expect("it is small"));
    let newest = vec![[0; 32]; 200];
    let mut broken = Broken { audience: Rc::clone(&audience), fault, newest, due: Vec::new(), made: 0 };
    let mut publishing = Publishing::drawn(200, 64, 1);
    run(&mut broken, &audience, &mut publishing, Budget::Batches(10)).map(|sample| sample.notifications)
}

#[test]
fn without_a_fault_it_is_measured() {
    assert!(verdict(Fault::None).is_ok_and(|notifications| notifications > 5_000));
}

#[test]
fn with_any_fault_it_is_refused() {
    for fault in [Fault::Drops, Fault::Repeats, Fault::Ages, Fault::Misleads, Fault::Replaces, Fault::Delays] {
        let refused = verdict(fault).expect_err("it is wrong");
        assert!(matches!(refused, RivalError::Wrong { name: "broken", told, due } if told != due), "{fault:?}");
    }
}

#[test]
fn the_count_alone_would_not_have_found_all_faults() {
    for fault in [Fault::Ages, Fault::Misleads, Fault::Replaces] {
        let Err(RivalError::Wrong { told, due, .. }) = verdict(fault) else { panic!("{fault:?} was not found") };
        assert_eq!(told.deliveries, due.deliveries);
    }
}
