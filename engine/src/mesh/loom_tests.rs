//! Every interleaving and every permitted reordering of the mesh's own protocols, by loom.
//!
//! A wake-up that is lost shows as a deadlock: all threads of the model wait. Run them by
//! `RUSTFLAGS="--cfg fanfare_loom" cargo test -p fanfare --release --lib loom`. Each model is as small as still shows its
//! protocol, and bounds pre-emptions where the full space would take minutes.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::doorbell::{Doorbell, Unpark};
use super::ingress::{Ingress, NotTaken};
use super::link::{Peer, Port};
use super::ring::ring;

/// What an eventfd is to a sleeper: sticky, and reset by the one who waits.
#[derive(Default)]
struct Eventfd {
    written: Mutex<bool>,
    changed: Condvar,
}

impl Eventfd {
    fn wait(&self) {
        let mut written = self.written.lock().unwrap();
        while !*written {
            written = self.changed.wait(written).unwrap();
        }
        *written = false;
    }
}

impl Unpark for Eventfd {
    fn unpark(&self) {
        *self.written.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// A bell and what its owner sleeps on.
fn bell() -> (Arc<Doorbell>, Arc<Eventfd>) {
    let eventfd = Arc::new(Eventfd::default());
    (Arc::new(Doorbell::new(eventfd.clone())), eventfd)
}

fn model(preemptions: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 20_000;
    builder.check(body);
}

/// No lost wake-up between a link and the shard that reads it.
#[test]
fn a_message_in_a_ring_always_wakes_its_reader() {
    model(Some(4), || {
        let (doorbell, eventfd) = bell();
        let (mut sender, mut receiver) = ring(2);
        let bell = doorbell.clone();
        let writer = thread::spawn(move || {
            for number in 0..2 {
                let mut one = Some(number);
                assert_eq!(sender.flush(|| one.take()), 1);
                bell.ring();
            }
        });
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(receiver.incoming().into_iter().flatten());
            if seen.len() < 2 {
                doorbell.park(|| !receiver.is_empty(), || eventfd.wait());
            }
        }
        assert_eq!(seen, [0, 1]);
        writer.join().unwrap();
    });
}

/// No lost wake-up between any number of foreign threads and a shard. The inputs are bare flags: they order nothing,
/// so all that is relied on is the doorbell's own.
#[test]
fn ringers_at_the_same_bell_never_leave_it_to_each_other() {
    model(Some(4), || {
        let (doorbell, eventfd) = bell();
        let inputs: Arc<[AtomicBool; 2]> = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let ringers: Vec<_> = (0..2)
            .map(|index| {
                let (bell, inputs) = (doorbell.clone(), inputs.clone());
                thread::spawn(move || {
                    inputs[index].store(true, Ordering::Relaxed);
                    bell.ring();
                })
            })
            .collect();
        let mut taken = 0;
        while taken < 2 {
            let input = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
            let found =
                inputs.iter().filter(|flag| input(flag)).inspect(|flag| flag.store(false, Ordering::Relaxed)).count();
            taken += found;
            if taken < 2 {
                doorbell.park(|| inputs.iter().any(input), || eventfd.wait());
            }
        }
        for ringer in ringers {
            ringer.join().unwrap();
        }
    });
}

/// No lost wake-up between the real door and a shard.
#[test]
fn a_command_at_the_door_always_wakes_the_shard() {
    model(Some(4), || {
        let (doorbell, eventfd) = bell();
        let door = Arc::new(Ingress::new(2, doorbell.clone()));
        let callers: Vec<_> = (0..2)
            .map(|number| {
                let door = door.clone();
                thread::spawn(move || assert_eq!(door.push(number), Ok(())))
            })
            .collect();
        let mut sum = 0;
        let mut taken = 0;
        while taken < 2 {
            while let Some(number) = door.pop() {
                sum += number;
                taken += 1;
            }
            if taken < 2 {
                doorbell.park(|| !door.is_empty(), || eventfd.wait());
            }
        }
        assert_eq!(sum, 1);
        for caller in callers {
            caller.join().unwrap();
        }
    });
}

/// Counts what is dropped, so that a command can be neither lost nor answered twice.
struct Command(Arc<std::sync::atomic::AtomicUsize>);

impl Drop for Command {
    fn drop(&mut self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A command that races with the end of its shard is popped or dropped, never left lying.
#[test]
fn a_closing_door_leaves_no_command_inside() {
    model(Some(5), || {
        let (doorbell, _eventfd) = bell();
        let door = Arc::new(Ingress::new(2, doorbell));
        let settled = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (door, command) = (door.clone(), Command(settled.clone()));
                thread::spawn(move || door.push(command) != Err(NotTaken::Full))
            })
            .collect();
        door.close();
        for caller in callers {
            assert!(caller.join().unwrap());
        }
        // The door still stands, so whatever is settled was not settled by its fall.
        assert_eq!(settled.load(std::sync::atomic::Ordering::Relaxed), 2);
        drop(door);
    });
}

/// A shard that is told to stop while it goes to sleep does not sleep.
#[test]
fn shutdown_reaches_every_sleeper() {
    model(None, || {
        let stopping = Arc::new(AtomicBool::new(false));
        let sleepers: Vec<_> = (0..2)
            .map(|_| {
                let (doorbell, eventfd) = bell();
                let (stopping, bell) = (stopping.clone(), doorbell.clone());
                let thread = thread::spawn(move || {
                    while !stopping.load(Ordering::Acquire) {
                        doorbell.park(|| stopping.load(Ordering::Acquire), || eventfd.wait());
                    }
                });
                (thread, bell)
            })
            .collect();
        stopping.store(true, Ordering::Release);
        for (_, bell) in &sleepers {
            bell.ring();
        }
        for (thread, _) in sleepers {
            thread.join().unwrap();
        }
    });
}

/// The two ends of one link between two shards.
fn link<M, D>(slots: usize) -> (Port<M, D>, Port<M, D>) {
    let mut ports = Port::mesh(2, slots);
    let peer = ports.pop().unwrap();
    (ports.pop().unwrap(), peer)
}

fn only<M, D>(port: &mut Port<M, D>) -> &mut Peer<M, D> {
    port.peers().next().unwrap()
}

/// A count that was lent to a shard always comes home, over rings of one slot, however both sides sleep. The counts
/// are plain memory that the home alone touches.
#[test]
fn the_last_count_of_a_document_comes_home() {
    struct Lent(Arc<loom::cell::UnsafeCell<u32>>);
    // SAFETY: only the home, which made it, looks at the count. Loom checks it.
    unsafe impl Send for Lent {}

    model(Some(5), || {
        let (mut home, mut peer) = link::<Lent, Lent>(1);
        let (home_bell, home_eventfd) = bell();
        let (peer_bell, peer_eventfd) = bell();
        let (to_home, to_peer) = (home_bell.clone(), peer_bell.clone());

        let interested = thread::spawn(move || {
            let mut told = 0;
            let mut returning = Vec::new();
            while told < 2 || !returning.is_empty() {
                let link = only(&mut peer);
                // Like `Shard::can_receive`: nothing more is taken in while a count waits to be handed back.
                if returning.is_empty() {
                    let mut messages = link.messages_in.incoming().into_iter().flatten();
                    if let Some(lent) = messages.next() {
                        told += 1;
                        returning.push(lent);
                    }
                }
                if link.returns_out.flush(|| returning.pop()) != 0 {
                    to_home.ring();
                }
                if !returning.is_empty() {
                    thread::yield_now();
                } else if told < 2 {
                    peer_bell.park(|| peer.has_input(), || peer_eventfd.wait());
                }
            }
        });

        let lent = Arc::new(loom::cell::UnsafeCell::new(0_u32));
        let (mut to_send, mut home_again) = (2, 0);
        while home_again < 2 {
            let link = only(&mut home);
            for document in link.returns_in.incoming().into_iter().flatten() {
                // SAFETY: only this thread touches the count.
                document.0.with_mut(|count| unsafe { *count -= 1 });
                home_again += 1;
            }
            let sent = link.messages_out.flush(|| {
                (to_send != 0).then(|| {
                    to_send -= 1;
                    // SAFETY: only this thread touches the count.
                    lent.with_mut(|count| unsafe { *count += 1 });
                    Lent(lent.clone())
                })
            });
            if sent != 0 {
                to_peer.ring();
            }
            if home_again == 2 {
                break;
            }
            if to_send != 0 {
                thread::yield_now();
            } else {
                home_bell.park(|| home.has_input(), || home_eventfd.wait());
            }
        }
        interested.join().unwrap();
        // SAFETY: the other thread has ended.
        lent.with(|count| assert_eq!(unsafe { *count }, 0));
    });
}

/// A credit that goes out with a request comes back with its answer, over rings of one slot and one credit.
#[test]
fn no_credit_is_lost_on_the_way() {
    model(Some(5), || {
        let (mut asker, mut home) = link::<u32, ()>(1);
        let (asker_bell, asker_eventfd) = bell();
        let (home_bell, home_eventfd) = bell();
        let (to_asker, to_home) = (asker_bell.clone(), home_bell.clone());

        let serving = thread::spawn(move || {
            let mut answered = 0;
            let mut owed: Option<u32> = None;
            while answered < 2 {
                let link = only(&mut home);
                if owed.is_none() {
                    owed = link.messages_in.incoming().and_then(|mut requests| requests.next());
                }
                if link.messages_out.flush(|| owed.take()) != 0 {
                    answered += 1;
                    to_asker.ring();
                }
                if owed.is_some() {
                    // The credit has reserved this answer's room.
                    panic!("an answer found no room");
                }
                if answered < 2 {
                    home_bell.park(|| home.has_input(), || home_eventfd.wait());
                }
            }
        });

        let (mut credits, mut asked, mut answers) = (1, 0, 0);
        while answers < 2 {
            let link = only(&mut asker);
            for answer in link.messages_in.incoming().into_iter().flatten() {
                assert_eq!(answer, answers);
                answers += 1;
                credits += 1;
            }
            let sent = link.messages_out.flush(|| {
                (credits != 0 && asked < 2).then(|| {
                    credits -= 1;
                    asked += 1;
                    asked - 1
                })
            });
            if sent != 0 {
                to_home.ring();
            }
            if answers < 2 {
                asker_bell.park(|| asker.has_input(), || asker_eventfd.wait());
            }
        }
        assert_eq!(credits, 1);
        serving.join().unwrap();
    });
}
