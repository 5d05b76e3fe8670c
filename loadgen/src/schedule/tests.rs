//! What is drawn: how often, by whom, and how it scatters.

use super::*;

const RESIDENTS: Residents = Residents { shard: 1, shards: 3, users: 1_000 };

/// A third of the rate is this shard's.
fn drawing(rate_per_s: f64, from_us: u64, seed: u64) -> Drawing {
    Drawing {
        rate_per_s: 3.0 * rate_per_s,
        shape: Shape::default(),
        hot_user: 1,
        from_us,
        measure_from_us: from_us,
        end_us: u64::MAX,
        seed,
    }
}

/// Everybody's habit.
fn all(mix: Mix) -> [Habit; 1] {
    [Habit { users: 0..RESIDENTS.users, mix: Mix { frequency: 1.0, ..mix } }]
}

fn only(categories: &[f64]) -> [Habit; 1] {
    all(Mix { categories: categories.to_vec(), ..Mix::default() })
}

#[test]
fn each_kind_publishes_as_often_as_it_does_and_what_it_does() {
    let mix = |frequency, categories: &[f64], idle| Mix {
        frequency,
        categories: categories.into(),
        idle,
        policies: 0.0,
        ..Mix::default()
    };
    let habits = [
        Habit { users: 0..800, mix: mix(4.0, &[0.5, 0.5], 0.5) },
        Habit { users: 800..1_000, mix: mix(8.0, &[1.0, 0.0], 0.0) },
    ];
    let (mut counts, mut all) = ([[0u32; 2]; 3], 0);
    for shard in 0..3 {
        let mut schedule = Schedule::new(Residents { shard, ..RESIDENTS }, &drawing(10_000.0, 0, 3), &habits);
        let arrivals = std::iter::repeat_with(|| schedule.next_arrival()).take_while(|due| due.plan_us < 4_000_000);
        for Arrival { user, what, .. } in arrivals {
            assert_eq!(user as usize % 3, shard);
            let what = match what {
                What::Publish(category) => usize::from(category),
                _ => 2,
            };
            counts[what][usize::from(user >= 800)] += 1;
            all += u32::from(what < 2);
        }
    }
    assert!((f64::from(all) / 120_000.0 - 1.0).abs() < 0.01, "{all}");
    // 800 users four times an hour and 200 eight times: two thirds and one third.
    for ([desks, telephones], expected) in counts.into_iter().zip([[40_000, 40_000], [40_000, 0], [40_000, 0]]) {
        for (found, expected) in [desks, telephones].into_iter().zip(expected) {
            assert!(found.abs_diff(expected) <= expected / 50, "{counts:?}");
        }
    }
}

#[test]
fn residents_of_a_range_are_numbered_among_all_residents() {
    for range in [0..1_000, 0..1, 799..803, 998..1_000, 500..500] {
        for shard in 0..3 {
            let residents = Residents { shard, ..RESIDENTS };
            let found: Vec<u32> = residents.numbers(&range).map(|number| residents.user(number)).collect();
            let expected: Vec<u32> = range.clone().filter(|user| *user as usize % 3 == shard).collect();
            assert_eq!(found, expected, "{range:?} {shard}");
        }
    }
}

#[test]
fn residents_share_the_users_out() {
    let all: u32 = (0..3).map(|shard| Residents { shard, ..RESIDENTS }.count()).sum();
    assert_eq!(all, 1_000);
    assert_eq!(RESIDENTS.user(0), 1);
    assert_eq!(RESIDENTS.user(RESIDENTS.count() - 1), 997);
}

#[test]
fn the_mean_rate_is_the_one_asked_for() {
    let mut schedule = Schedule::new(RESIDENTS, &drawing(50_000.0, 1_000_000, 7), &only(&[1.0]));
    let mut last = 1_000_000;
    for _ in 0..200_000 {
        let arrival = schedule.next_arrival();
        assert!(arrival.plan_us >= last);
        assert_eq!(arrival.user % 3, 1);
        last = arrival.plan_us;
    }
    let seconds = (last - 1_000_000) as f64 / 1e6;
    assert!((200_000.0 / seconds / 50_000.0 - 1.0).abs() < 0.01, "{seconds}");
}

#[test]
fn a_schedule_is_the_same_to_the_microsecond_wherever_it_begins() {
    let shape = Shape { course: Course::Ramp { from: 0.1, to: 1.0 }, ..Shape::default() };
    let arrivals = |from_us: u64| {
        let drawing = Drawing { shape, end_us: from_us + 2_000_000, ..drawing(50_000.0, from_us, 7) };
        let mut schedule = Schedule::new(RESIDENTS, &drawing, &only(&[1.0]));
        std::iter::repeat_with(move || schedule.next_arrival())
            .take(50_000)
            .map(move |due| (due.plan_us - from_us, due.user))
    };
    assert!(arrivals(0).eq(arrivals(1 << 45)));
}

#[test]
fn gaps_scatter_like_those_of_a_poisson_process() {
    let mut schedule = Schedule::new(RESIDENTS, &drawing(100.0, 0, 8), &only(&[1.0]));
    let (mut last, mut sum, mut squares) = (0, 0.0, 0.0);
    for _ in 0..50_000 {
        let plan = schedule.next_arrival().plan_us;
        let gap = (plan - last) as f64;
        (last, sum, squares) = (plan, sum + gap, squares + gap * gap);
    }
    let mean = sum / 50_000.0;
    let deviation = (squares / 50_000.0 - mean * mean).sqrt();
    assert!((deviation / mean - 1.0).abs() < 0.03, "{mean} {deviation}");
}

#[test]
fn the_hot_user_has_his_share_and_the_rate_stays() {
    let shape = Shape { hot_share: Some(0.25), ..Shape::default() };
    let (mut all, mut hot) = (0, 0);
    for shard in 0..3 {
        let drawing = Drawing { shape, hot_user: 4, ..drawing(10_000.0, 0, 5) };
        let mut schedule = Schedule::new(Residents { shard, ..RESIDENTS }, &drawing, &only(&[1.0]));
        let arrivals = std::iter::repeat_with(|| schedule.next_arrival()).take_while(|due| due.plan_us < 4_000_000);
        for Arrival { user, .. } in arrivals {
            all += 1;
            hot += u32::from(user == 4);
        }
    }
    assert!((f64::from(all) / 120_000.0 - 1.0).abs() < 0.01, "{all}");
    assert!((f64::from(hot) / 30_000.0 - 1.0).abs() < 0.03, "{hot}");
}

#[test]
fn a_constant_schedule_does_not_scatter() {
    let shape = Shape { spacing: Spacing::Constant, ..Shape::default() };
    let mut schedule = Schedule::new(RESIDENTS, &Drawing { shape, ..drawing(1_000.0, 0, 5) }, &only(&[1.0]));
    let plans: Vec<u64> = (0..5).map(|_| schedule.next_arrival().plan_us).collect();
    assert!(plans.windows(2).all(|pair| (999..=1_001).contains(&(pair[1] - pair[0]))), "{plans:?}");
}

#[test]
fn kinds_come_in_their_shares_and_what_is_not_shown_comes_on_top() {
    let mix = Mix { categories: vec![0.9, 0.0, 0.1], idle: 0.25, policies: 0.05, ..Mix::default() };
    let mut schedule = Schedule::new(RESIDENTS, &drawing(1_000.0, 0, 9), &all(mix));
    let (mut counts, mut last_us) = ([0; 5], 0);
    for _ in 0..130_000 {
        let Arrival { plan_us, what, .. } = schedule.next_arrival();
        last_us = plan_us;
        counts[match what {
            What::Publish(category) => usize::from(category),
            What::PublishIdle => 3,
            What::EditPolicy | What::Session(_) | What::PublishRest => 4,
        }] += 1;
    }
    assert!((89_000..91_000).contains(&counts[0]) && counts[1] == 0, "{counts:?}");
    assert!((24_000..26_000).contains(&counts[3]) && (4_500..5_500).contains(&counts[4]), "{counts:?}");
    let published_per_s = f64::from(counts[0] + counts[2]) * 1e6 / last_us as f64;
    assert!((published_per_s / 1_000.0 - 1.0).abs() < 0.02, "{published_per_s}");
}

#[test]
fn sessions_do_what_they_do_beside_publications_that_stay_as_they_were() {
    let sessions = Sessions { per_hour: [3_600.0, 360.0, 36.0, 72.0, 720.0], ..Sessions::default() };
    let alone = Mix { categories: vec![1.0], ..Mix::default() };
    let mut counts = [0.0; 5];
    for shard in 0..3 {
        let residents = Residents { shard, ..RESIDENTS };
        let arrivals = |mix: &Mix| {
            let mut schedule = Schedule::new(residents, &drawing(1_000.0, 500, 9), &all(mix.clone()));
            std::iter::repeat_with(move || schedule.next_arrival()).take_while(|due| due.plan_us < 20_000_500)
        };
        let both: Vec<Arrival> = arrivals(&Mix { sessions: sessions.clone(), ..alone.clone() }).collect();
        assert!(both.is_sorted_by_key(|due| due.plan_us));
        let published = both.iter().filter(|due| matches!(due.what, What::Publish(_))).copied();
        assert!(published.eq(arrivals(&alone)), "publications are drawn as they are without");
        for Arrival { user, what, .. } in both {
            let What::Session(event) = what else { continue };
            assert_eq!(user as usize % 3, shard);
            counts[event.number()] += 1.0;
        }
    }
    for (found, per_hour) in counts.into_iter().zip(sessions.per_hour) {
        let expected: f64 = 20.0 * 1_000.0 * per_hour / 3_600.0;
        assert!((found - expected).abs() < 3.0 * expected.sqrt(), "{found} where {expected} are expected: {counts:?}");
    }
}
