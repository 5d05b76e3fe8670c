//! Every contender makes the deliveries that the graph says, and no others.

use std::rc::Rc;

use fanfare_bench_world::{Graph, Shape};
use fanfare_rivals::{Audience, Budget, Comparison, Contender, Publishing, Rival, all, due, measure, run};

/// Contenders that can run on this machine; the others say why.
fn here() -> Vec<&'static Contender> {
    let (here, missing): (Vec<_>, Vec<_>) = all().iter().partition(|contender| contender.available().is_ok());
    for contender in missing {
        println!("not here: {}", contender.available().expect_err("it is missing"));
    }
    here
}

fn every_contender_agrees_with_the_model(graph: Graph, batch: usize) {
    let audience = Rc::new(Audience::of_graph(graph).expect("it is small"));
    for contender in here() {
        let mut rival = contender.build(&audience).expect("it is small");
        let mut publishing = Publishing::drawn(graph.users() as u32, batch, 7);
        let mut batch = Vec::new();
        // Each batch by itself, so that a delivery that comes a drain too late is found.
        for nth in 0..20 {
            publishing.next_into(&mut batch);
            rival.publish(&batch);
            assert_eq!(rival.drain(), due(&audience, &batch), "{} in batch {nth}", contender.name);
        }
        // And with nothing published nothing is told.
        assert_eq!(rival.drain().deliveries, 0, "{}", contender.name);
    }
}

#[test]
fn when_all_are_equally_popular() {
    every_contender_agrees_with_the_model(Graph::new(200, 10, Shape::Uniform), 64);
}

#[test]
fn when_some_are_watched_by_many_and_some_by_nobody() {
    let graph = Graph::new(200, 10, Shape::PowerLaw);
    let audience = Audience::of_graph(graph).expect("it is small");
    assert!((0..200).any(|presentity| audience.of(presentity).is_empty()));
    every_contender_agrees_with_the_model(graph, 64);
}

#[test]
fn when_everything_changes_and_small_outboxes_are_full() {
    // All 200 in one batch: each watcher is told of 40 presentities at once.
    every_contender_agrees_with_the_model(Graph::new(200, 40, Shape::Uniform), 1_000);
}

#[test]
fn when_several_batches_are_published_before_a_drain() {
    // Of different presentities, because those who conflate and those who do not differ otherwise.
    let graph = Graph::new(200, 10, Shape::Uniform);
    let audience = Rc::new(Audience::of_graph(graph).expect("it is small"));
    for contender in here() {
        let mut rival = contender.build(&audience).expect("it is small");
        let mut publishing = Publishing::drawn(200, 64, 7);
        let (mut batch, mut model) = (Vec::new(), fanfare_rivals::Told::default());
        for _ in 0..3 {
            publishing.next_into(&mut batch);
            rival.publish(&batch);
            model = model.and(due(&audience, &batch));
        }
        assert_eq!(rival.drain(), model, "{}", contender.name);
    }
}

#[test]
fn a_contender_is_who_the_list_says_and_tells_how_it_differs() {
    let audience = Rc::new(Audience::of_graph(Graph::new(20, 3, Shape::Uniform)).expect("it is small"));
    for contender in here() {
        let rival = contender.build(&audience).expect("it is small");
        assert_eq!((rival.name(), rival.class()), (contender.name, contender.class));
        assert!(rival.differs().ends_with('.') && rival.differs().len() > 20, "{}", contender.name);
    }
}

#[test]
fn a_sample_counts_what_the_graph_says() {
    let audience = Rc::new(Audience::of_graph(Graph::new(200, 10, Shape::Uniform)).expect("it is small"));
    let mut rival: Box<dyn Rival> = all()[0].build(&audience).expect("it is small");
    // 25 batches of 64 are eight laps of 200 users, each of whom has ten contacts.
    let mut publishing = Publishing::drawn(200, 64, 7);
    let sample = run(&mut *rival, &audience, &mut publishing, Budget::Batches(25)).expect("it is right");
    assert_eq!(sample.notifications, 8 * 200 * 10);
}

#[test]
fn a_comparison_has_a_sample_a_round_for_everybody() {
    let graph = Graph::new(200, 10, Shape::PowerLaw);
    let comparison = Comparison { graph, budget: Budget::Batches(3), rounds: 4, batch: 64, seed: 1 };
    let mut turns = 0;
    let measured = comparison
        .measure(&here(), &mut |progress| turns += usize::from(matches!(progress, fanfare_rivals::Progress::Turn(..))))
        .expect("all are right");
    assert_eq!((measured.len(), turns), (here().len(), 4 * here().len()));
    for one in &measured {
        assert_eq!(one.samples.len(), 4, "{}", one.name);
        assert_eq!(one.deliveries, measured[0].deliveries, "{}", one.name);
        assert!(one.times_engine_median.is_some() && one.notifications_per_s_median > 0.0, "{}", one.name);
    }
    assert_eq!(measured[0].times_engine_median, Some(1.0));
}

#[test]
fn by_name_too() {
    let measured = measure(&["fanfare", "index-outbox"], 200, Shape::Uniform, 0.001, 2).expect("both are right");
    assert_eq!(measured.iter().map(|one| one.name).collect::<Vec<_>>(), ["fanfare", "index-outbox"]);
    assert!(measure(&["nobody"], 200, Shape::Uniform, 0.001, 1).is_err());
}
