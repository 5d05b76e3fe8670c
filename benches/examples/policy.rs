//! How long a change of policy takes to be applied, and what a presentity weighs.
//!
//! ```text
//! cargo run --release -p fanfare-benches --example policy            # 10,000 watchers on 2 shards, 20 changes
//! cargo run --release -p fanfare-benches --example policy -- 500000  # as many watchers as are said
//! cargo run --release -p fanfare-benches --example policy -- weigh   # bytes of a presentity, without its documents
//! cargo run --release -p fanfare-benches --example policy -- cost    # time of a publication, and of asking a policy
//! ```
//!
//! Half of the watchers are let in and locked out again by turns; between two changes the engine is quiet. The time is
//! from the call to its answer, on a thread that is no shard's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare::presence::composition::MostAvailable;
use fanfare::status::Availability;
use fanfare::{
    Categories, Category, Core, Decision, EndpointId, EndpointPublication, Engine, Frontend, Guard, Heap, Identity,
    Outbox, Policy, PolicyEdit, Poll, PresentityId, Scheme, Shard, ShardConfig, Status, Tick, WatcherId, Who,
};

const CHANGES: usize = 20;
const KEN: PresentityId = PresentityId::new(1);
const HOUR_US: u64 = 3_600_000_000;
const CATEGORIES: [&str; 5] = ["state", "note", "calendarData", "contactCard", "services"];

fn scheme() -> Scheme {
    Scheme::open_and_offline(&CATEGORIES, MostAvailable, Decision::Show(Scheme::OPEN)).expect("a scheme")
}

/// A shard's part of the watchers, each somebody else.
struct Crowd {
    shard: usize,
    shards: usize,
    watchers: usize,
    opened: bool,
    ready: Arc<AtomicUsize>,
}

impl Frontend for Crowd {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if !self.opened {
            self.opened = true;
            for user in (0..self.watchers).filter(|user| user % self.shards == self.shard) {
                let who = Identity::of(PresentityId::new(user as u64));
                let who = Arc::new(Identity { groups: [user as u64 / 2 % 2].into(), ..who });
                let watcher = shard.open_watcher(user as u64).expect("room");
                let group = shard.open_group_for(watcher, 0, Categories::ALL, who).expect("room");
                shard.watch(group, &[KEN]).expect("room");
            }
        }
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while outbox.next().is_some() {
            self.ready.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn is_available() -> EndpointPublication {
    EndpointPublication::create(KEN, EndpointId(1), Status::new(Availability::AVAILABLE), HOUR_US)
}

fn apply(watchers: usize) {
    let told = Arc::new(AtomicUsize::new(0));
    let counted = told.clone();
    let engine = Engine::builder()
        .shards(2)
        .scheme(scheme())
        .start(move |core: Core| Crowd {
            shard: core.index.index(),
            shards: 2,
            watchers,
            opened: false,
            ready: counted.clone(),
        })
        .expect("an engine starts");
    let door = engine.handle();
    door.publish_endpoint(is_available()).wait().expect("it is published");
    let mut times = Vec::new();
    for change in 0..CHANGES {
        let open = Policy::everybody(Decision::Show(Scheme::OPEN));
        let policy = if change % 2 == 0 { open.with_blocked([Who::Group(1)], Decision::Block) } else { open };
        // Quiet: everybody has been told what came before.
        let mut before = usize::MAX;
        while std::mem::replace(&mut before, told.load(Ordering::Relaxed)) != told.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let edit = PolicyEdit::new(KEN, KEN, policy);
        let begun = Instant::now();
        door.set_policy(edit).wait().expect("it is applied");
        times.push(begun.elapsed());
    }
    std::thread::sleep(Duration::from_millis(100));
    let notes = told.load(Ordering::Relaxed);
    engine.shutdown().expect("it ends well");
    times.sort_unstable();
    let us = |nth: usize| times[nth].as_secs_f64() * 1e6;
    println!(
        "{watchers} watchers on 2 shards, half of them moved: applied after {:.0} us (median of {CHANGES}; {:.0} to {:.0}); \
         {notes} notes told",
        us(CHANGES / 2),
        us(0),
        us(CHANGES - 1)
    );
}

/// On the heap, where memory is counted by small pages and not by huge ones.
type HeapShard = fanfare::presence::Shard<Heap>;

/// What one shard weighs for each presentity of two endpoints, five categories and one rendered view; and for each
/// subscription that somebody with an identity has, 80 to a watcher.
fn weigh() {
    const PRESENTITIES: u64 = 20_000;
    let config = ShardConfig { scheme: Arc::new(scheme()), ..ShardConfig::new(0, 1) };
    let mut shard = HeapShard::new(config, Heap).expect("a shard");
    let weight = |shard: &HeapShard| {
        let footprint = shard.footprint();
        footprint.total() - footprint.documents
    };
    let settle = |shard: &mut HeapShard| {
        while shard.step(Tick::from_micros(1), 1 << 20).more {}
        while shard.next_outcome().is_some() {}
        while let Some(watcher) = shard.next_ready() {
            let mut outbox = shard.outbox(watcher);
            while outbox.next().is_some() {}
        }
    };
    let ids: Vec<_> = (0..PRESENTITIES).map(PresentityId::new).collect();
    let empty = weight(&shard);
    // One watcher, so that each has a view to be rendered.
    let watch = |shard: &mut HeapShard, user: u64, whom: &[PresentityId]| {
        let watcher = shard.open_watcher(user).expect("room");
        let who = Arc::new(Identity::of(PresentityId::new(user)));
        let group = shard.open_group_for(watcher, 0, Categories::ALL, who).expect("room");
        shard.watch(group, whom).expect("room");
    };
    watch(&mut shard, 0, &ids);
    settle(&mut shard);
    for &id in &ids {
        let document = |nth: u64| Bytes::copy_from_slice(&(id.get() * 8 + nth).to_le_bytes());
        let status = |availability| Status::new(availability);
        let desk = EndpointPublication::create(id, EndpointId(1), status(Availability::AVAILABLE), HOUR_US);
        let desk = (0..5).fold(desk, |desk, nth| desk.with(Category::numbered(nth), document(nth.into())));
        let phone = EndpointPublication::create(id, EndpointId(2), status(Availability::AWAY), HOUR_US);
        for publication in [desk, phone.with(Category::FIRST, document(7))] {
            shard.publish_endpoint(publication).expect("a credit");
            settle(&mut shard);
        }
    }
    let published = weight(&shard);
    let topics = shard.footprint().topics;
    let at_home = (published - empty - topics) as f64 / PRESENTITIES as f64 - SUBSCRIPTION_BYTES;
    println!(
        "a presentity with two endpoints, five categories and one rendered view: {at_home:.0} bytes at home, the reader of \
         the one shard that watches included, and {:.0} in that shard's topic; without documents",
        topics as f64 / PRESENTITIES as f64,
    );
    let subscriptions = PRESENTITIES * 80;
    for user in 1..=PRESENTITIES {
        let contacts: Vec<_> =
            (0..80).map(|nth| ids[((user * 7_919 + nth * 104_729) % PRESENTITIES) as usize]).collect();
        watch(&mut shard, user, &contacts);
    }
    settle(&mut shard);
    println!(
        "a subscription of somebody's, 80 to a watcher, each with an identity of his own: {:.2} bytes",
        (weight(&shard) - published) as f64 / subscriptions as f64 + IDENTITY_BYTES / 80.0,
    );
}

/// A slot, and a run of subscribers that only one of them is in.
const SUBSCRIPTION_BYTES: f64 = 12.0 + 64.0;

/// An identity without groups, with its counts and the allocator's word: the shard does not count what it only shares.
const IDENTITY_BYTES: f64 = 80.0;

/// What a publication of an endpoint's costs the home, by the number of views that are watched, and what a policy costs a
/// subscription.
fn cost() {
    const ROUNDS: u64 = 100_000;
    let views = Scheme::lync(1).views().len() as u16;
    for watched in [0, 1, views] {
        let config = ShardConfig { scheme: Arc::new(Scheme::lync(1)), ..ShardConfig::new(0, 1) };
        let mut shard = HeapShard::new(config, Heap).expect("a shard");
        let watcher = shard.open_watcher(1).expect("room");
        for view in 0..watched {
            let group = shard.open_group(watcher, 1, Categories::ALL).expect("room");
            // Colleagues' first: that is the view of most.
            shard.subscribe(group, fanfare::View((view + 2) % views), &[KEN]).expect("room");
        }
        let begun = Instant::now();
        for round in 0..ROUNDS {
            let number = if round % 2 == 0 { Availability::AVAILABLE } else { Availability::BUSY };
            let publication = EndpointPublication::create(KEN, EndpointId(1), Status::new(number), HOUR_US);
            let document = Bytes::copy_from_slice(&round.to_le_bytes());
            shard.publish_endpoint(publication.with(Category::FIRST, document)).expect("a credit");
            while shard.step(Tick::from_micros(round), 1_024).more {}
            while shard.next_outcome().is_some() {}
        }
        let ns = begun.elapsed().as_nanos() as f64 / ROUNDS as f64;
        println!("a publication of one of two states, {watched} views watched: {ns:.0} ns, walks and marks included");
    }
    for rules in [4u64, 4_096] {
        let named = (0..rules).map(|user| (Who::User(PresentityId::new(user * 2)), 1, Decision::Block));
        let policy = Policy::ranked(named, Decision::Show(Scheme::OPEN));
        let who: Vec<_> = (0..ROUNDS).map(|user| Identity::of(PresentityId::new(user * 7_919 % (rules * 4)))).collect();
        let begun = Instant::now();
        let open = who.iter().filter(|who| policy.decide(who).view == Scheme::OPEN).count();
        let ns = begun.elapsed().as_nanos() as f64 / ROUNDS as f64;
        println!("a policy of {rules} rules asked of one of {ROUNDS} watchers, {open} of whom it lets in: {ns:.0} ns");
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        None => apply(10_000),
        Some("weigh") => weigh(),
        Some("cost") => cost(),
        Some(other) => match other.parse() {
            Ok(watchers) => apply(watchers),
            Err(_) => {
                eprintln!("`{other}` is not known: say nothing, a number of watchers, `weigh` or `cost`");
                std::process::exit(2);
            }
        },
    }
}
