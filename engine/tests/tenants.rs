//! Tenants on real threads: a budget is said on the shard, kept for callers of handles, and changed while they call.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::*;
use fanfare::*;

/// Odd presentities are tenant 1's.
#[derive(Debug)]
struct ByParity;

impl Tenancy for ByParity {
    fn tenant_of(&self, presentity: PresentityId) -> TenantId {
        TenantId((presentity.get() % 2) as u8)
    }
}

/// Sets the tenant's budget whenever it is told another.
struct Bounds {
    asked: mpsc::Receiver<Tenant>,
    done: mpsc::Sender<Result<(), Error>>,
}

impl Frontend for Bounds {
    fn poll(&mut self, shard: &mut Shard, now: Tick) -> Poll {
        while let Ok(tenant) = self.asked.try_recv() {
            let limits = Limits { notes_per_ready: 7, ..*shard.limits() };
            let set = shard.set_limits(limits).map_err(Error::OutOfRange);
            let _ = self.done.send(set.and_then(|()| shard.set_tenant(TenantId(1), tenant)));
        }
        Poll { worked: false, deadline: Some(now.after_micros(1_000)) }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

fn a_tenant_over_its_budget_is_refused_with_the_time_to_wait(on: On) {
    let (ask, asked) = mpsc::channel();
    let (done, set) = mpsc::channel();
    let frontends = std::sync::Mutex::new(Some(Bounds { asked, done }));
    let engine = on
        .builder(1)
        .with(|builder| builder.scheme(Scheme::plain().with_tenancy(ByParity)))
        .start(move |_: Core| frontends.lock().expect("no panic").take().expect("one shard"))
        .expect("it starts");
    let door = engine.handle();
    let (theirs, others) = (PresentityId::new(1), PresentityId::new(2));
    let budget = Tenant { publications_per_s: 1, publications_burst: 1, ..Tenant::default() };
    ask.send(budget).expect("the frontend is there");
    assert_eq!(set.recv_timeout(LONG), Ok(Ok(())));
    let refused = (0..1_000).find_map(|_| door.publish(says(theirs, "again")).wait().err()).expect("one a second");
    let CallError::Shard(Error::OverBudget { tenant, bound, limit, retry_after_us }) = refused else {
        panic!("{refused}")
    };
    assert_eq!((tenant, bound, limit), (TenantId(1), Bound::TenantPublications, 1));
    assert!((1..=1_000_000).contains(&retry_after_us), "{retry_after_us}");
    assert!(door.publish(says(others, "not held up")).wait().is_ok());
    // The time of the turn is the time of what is asked in it.
    let through = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_micros(retry_after_us.into()));
        door.publish(says(theirs, "in time")).wait().ok()
    });
    assert!(through.is_some(), "it is let through after that time");
    ask.send(Tenant::default()).expect("the frontend is there");
    assert_eq!(set.recv_timeout(LONG), Ok(Ok(())));
    assert!((0..100).all(|_| door.publish(says(theirs, "as often as it likes")).wait().is_ok()));
    engine.shutdown().expect("it ends well");
}

on_every_runtime!(a_tenant_over_its_budget_is_refused_with_the_time_to_wait);
