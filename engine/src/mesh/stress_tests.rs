//! The real rings and the real door under real threads. Nothing here is timed, every loop is bounded by a count; it is
//! meant to be run under AddressSanitizer too:
//! `RUSTFLAGS=-Zsanitizer=address cargo +nightly test -p fanfare --lib --tests --target x86_64-unknown-linux-gnu`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::doorbell::{Doorbell, Unpark};
use super::ingress::{Ingress, NotTaken};
use super::link::Port;

#[derive(Default)]
struct Sleep {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Sleep {
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

impl Unpark for Sleep {
    fn unpark(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

fn bell() -> (Arc<Doorbell>, Arc<Sleep>) {
    let sleep = Arc::new(Sleep::default());
    (Arc::new(Doorbell::new(sleep.clone())), sleep)
}

/// Four shards send each other boxed numbers and hand every box back to where it came from, over rings of eight
/// slots, asleep whenever nothing is there.
#[test]
fn every_box_lent_over_the_links_comes_home() {
    const SHARDS: usize = 4;
    const BOXES: usize = 20_000;
    type Lent = Box<(usize, usize)>;

    let (bells, sleeps): (Vec<_>, Vec<_>) = (0..SHARDS).map(|_| bell()).unzip();
    let finished = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = Port::<Lent, Lent>::mesh(SHARDS, 8)
        .into_iter()
        .zip(sleeps)
        .map(|(mut port, sleep)| {
            let (bells, finished) = (bells.clone(), finished.clone());
            thread::spawn(move || {
                let own = port.own().index();
                let mut to_send = [BOXES; SHARDS];
                let mut next_in = [0; SHARDS];
                let mut home_again = [0; SHARDS];
                let mut returning: Vec<Vec<Lent>> = (0..SHARDS).map(|_| Vec::new()).collect();
                let mut done = false;
                while finished.load(Ordering::Acquire) != SHARDS {
                    let mut idle = true;
                    for peer in port.peers() {
                        let from = peer.index.index();
                        for lent in peer.returns_in.incoming().into_iter().flatten() {
                            assert_eq!(lent.0, own);
                            home_again[from] += 1;
                            idle = false;
                        }
                        if returning[from].len() < 4 {
                            for lent in peer.messages_in.incoming().into_iter().flatten().take(4) {
                                assert_eq!(*lent, (from, next_in[from]));
                                next_in[from] += 1;
                                returning[from].push(lent);
                                idle = false;
                            }
                        }
                        let left = &mut to_send[from];
                        let sent = peer.messages_out.flush(|| {
                            (*left != 0).then(|| {
                                *left -= 1;
                                Box::new((own, BOXES - 1 - *left))
                            })
                        });
                        let sent = sent + peer.returns_out.flush(|| returning[from].pop());
                        if sent != 0 {
                            idle = false;
                            bells[from].ring();
                        }
                        if *left != 0 || !returning[from].is_empty() {
                            idle = false;
                        }
                    }
                    if !done && home_again.iter().sum::<usize>() == BOXES * (SHARDS - 1) {
                        done = true;
                        finished.fetch_add(1, Ordering::AcqRel);
                        bells.iter().for_each(|bell| {
                            bell.ring();
                        });
                    }
                    if idle {
                        let has_input = || port.has_input() || finished.load(Ordering::Acquire) == SHARDS;
                        bells[own].park(has_input, || sleep.wait());
                    } else {
                        thread::yield_now();
                    }
                }
                assert_eq!(next_in.iter().sum::<usize>(), BOXES * (SHARDS - 1));
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread found a box out of order");
    }
}

/// Many callers at one small door, whose shard sleeps whenever it finds nothing.
#[test]
fn every_command_is_served_once() {
    const CALLERS: usize = 4;
    const COMMANDS: usize = 10_000;

    let (doorbell, sleep) = bell();
    let door = Arc::new(Ingress::<Box<usize>>::new(4, doorbell.clone()));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let door = door.clone();
            thread::spawn(move || {
                for number in 0..COMMANDS {
                    while door.push(Box::new(number)) == Err(NotTaken::Full) {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let mut served = 0;
    let mut sum = 0;
    while served < CALLERS * COMMANDS {
        match door.pop() {
            Some(number) => {
                served += 1;
                sum += *number;
            }
            None => {
                doorbell.park(|| !door.is_empty(), || sleep.wait());
            }
        }
    }
    assert_eq!(sum, CALLERS * (COMMANDS * (COMMANDS - 1) / 2));
    for caller in callers {
        caller.join().expect("a caller does not fail");
    }
}

/// A door that is closed while callers push: every command is dropped by the time all have returned.
#[test]
fn a_door_closed_under_its_callers_keeps_nothing() {
    for _ in 0..200 {
        let (doorbell, _sleep) = bell();
        let door = Arc::new(Ingress::<Arc<()>>::new(64, doorbell));
        let token = Arc::new(());
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let (door, token) = (door.clone(), token.clone());
                thread::spawn(move || while door.push(token.clone()) != Err(NotTaken::Closed) {})
            })
            .collect();
        thread::yield_now();
        door.close();
        for caller in callers {
            caller.join().expect("a caller does not fail");
        }
        assert_eq!(Arc::strong_count(&token), 1);
    }
}
