//! A host's shard turned in a loop of tasks, beside other tasks, on executors that others made.

mod common;
#[path = "common/executors.rs"]
mod executors;

use std::io::{PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use common::*;
use executors::within_reason;
use fanfare::{
    CallError, Embedded, Engine, Frontend, Io, NoFrontend, Outbox, PresentityId, Publication, Refusal, Shard, Step,
    Tick, WatcherId,
};
use tokio::io::unix::AsyncFd;

/// What turns a host's shard in a loop of tasks.
#[derive(Clone, Copy, Debug)]
enum Loop {
    Tokio,
    Smol,
}

impl Loop {
    /// Steps the shard until the engine has stopped, beside this.
    fn turn<F: Frontend>(self, mut host: Embedded<F>, beside: impl Future<Output = ()>) {
        match self {
            Self::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("an epoll instance is there").block_on(async {
                    let descriptor = host.as_fd().try_clone_to_owned().expect("descriptors are there");
                    #[expect(
                        deprecated,
                        reason = "what replaces it is unsafe, and an owned descriptor stays what it is"
                    )]
                    let descriptor = AsyncFd::with_interest(descriptor, tokio::io::Interest::READABLE);
                    let descriptor = descriptor.expect("it can be watched");
                    let turning = async {
                        while step_on(&mut host) {
                            descriptor.readable().await.expect("it can be watched").clear_ready();
                        }
                    };
                    tokio::join!(turning, beside);
                });
            }
            Self::Smol => smol::block_on(async {
                let descriptor = host.as_fd().try_clone_to_owned().expect("descriptors are there");
                let descriptor = smol::Async::new(descriptor).expect("it can be watched");
                let turning = async {
                    while step_on(&mut host) {
                        descriptor.readable().await.expect("it can be watched");
                    }
                };
                smol::future::zip(turning, beside).await;
            }),
        }
    }
}

/// Steps to the next rest. Tells whether there is one.
fn step_on<F: Frontend>(host: &mut Embedded<F>) -> bool {
    loop {
        match host.step().expect("nothing panics") {
            Step::Again => {}
            Step::Rest => return true,
            Step::End => return false,
        }
    }
}

/// Says of every byte that comes through a pipe, and of every call of its waker.
struct Ears {
    io: Io,
    pipe: PipeReader,
    called: Arc<AtomicUsize>,
    calls_heard: usize,
    heard: mpsc::Sender<&'static str>,
}

impl Frontend for Ears {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> fanfare::Poll {
        let mut events = Vec::new();
        self.io.take_events(&mut events);
        for _ in &events {
            self.pipe.read_exact(&mut [0]).expect("a byte is there");
            self.heard.send("a byte").expect("the test waits");
        }
        let called = self.called.load(Ordering::SeqCst);
        for _ in self.calls_heard..called {
            self.heard.send("a call").expect("the test waits");
        }
        let worked = !events.is_empty() || called != self.calls_heard;
        self.calls_heard = called;
        fanfare::Poll { worked, deadline: None }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

#[test]
fn a_host_among_tasks_is_told_of_bytes_calls_commands_and_expiries() {
    for looping in [Loop::Tokio, Loop::Smol] {
        within_reason(move || {
            let mut engine =
                Engine::builder().shards(0).hosts(1).limits(small()).start(|_| NoFrontend).expect("it starts");
            let seat = engine.seats().pop().expect("one host was asked for");
            let (reader, mut writer) = std::io::pipe().expect("descriptors are there");
            let (called, (heard, hears), mut waker) = (Arc::new(AtomicUsize::new(0)), mpsc::channel(), None);
            let host = seat.take(|core| {
                core.io.register(reader.as_fd(), 5, fanfare::Interest::READ).expect("a pipe can be watched");
                waker = Some(core.waker);
                Ears { io: core.io, pipe: reader, called: called.clone(), calls_heard: 0, heard }
            });
            let (host, waker) = (host.expect("it is taken"), waker.expect("the core has one"));
            let door = engine.handle();
            let (ends, ended) = smol::channel::bounded(1);
            // Each of these comes when the shard rests, or is about to, and nothing else happens to wake it.
            let other = std::thread::spawn(move || {
                for _ in 0..200 {
                    writer.write_all(b"x").expect("the pipe has room");
                    assert_eq!(hears.recv_timeout(LONG), Ok("a byte"));
                    called.fetch_add(1, Ordering::SeqCst);
                    waker.wake_by_ref();
                    assert_eq!(hears.recv_timeout(LONG), Ok("a call"));
                }
                // Along with the pipe's end, which must stay open.
                ends.send_blocking(writer).expect("the host waits");
            });
            looping.turn(host, async {
                let ken = PresentityId::new(7);
                let mut watcher = door.watcher(1).await.expect("it opens");
                watcher.subscribe(&[ken]).await.expect("it subscribes");
                for round in 0..100 {
                    let expires = door.now().after_micros(1_000);
                    let published = door.publish(Publication { expires, ..says(ken, &round.to_string()) }).await;
                    let mut told = match published {
                        Ok(published) => published.stamp,
                        // It came too late to be true at all.
                        Err(CallError::Refused(Refusal::Expired { .. })) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    let published = told;
                    while told == published {
                        for note in watcher.next_batch().await.expect("the engine runs") {
                            told = note.stamp.max(told);
                        }
                    }
                }
                let _writer = ended.recv().await.expect("the other thread says when");
                engine.drain();
                while !engine.is_drained() {
                    smol::future::yield_now().await;
                }
                engine.shutdown().expect("it ends well");
                other.join().expect("it hears all");
            });
        });
    }
}
