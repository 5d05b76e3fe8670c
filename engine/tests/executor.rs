//! A frontend on glommio may use the executor it lives in: its sockets, its timers, its tasks.
#![cfg(feature = "glommio")]

mod common;

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use common::*;
use fanfare::glommio::net::TcpListener;
use fanfare::glommio::timer::Timer;
use fanfare::*;
use smol::io::AsyncReadExt;

/// Publishes each byte that a task of its own reads from a socket of glommio's, after a while of glommio's.
struct Reader {
    bytes: Rc<RefCell<Vec<u8>>>,
    ken: PresentityId,
}

impl Reader {
    fn new(core: &Core, ken: PresentityId, port: mpsc::Sender<u16>) -> Self {
        assert_eq!(core.runtime, RuntimeKind::Glommio);
        let bytes = Rc::new(RefCell::new(Vec::new()));
        let (read, waker) = (bytes.clone(), core.waker.clone());
        fanfare::glommio::spawn_local(async move {
            let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
            port.send(listener.local_addr().expect("it is bound").port()).expect("the test waits");
            let mut stream = listener.accept().await.expect("the test connects");
            let mut byte = [0];
            while stream.read(&mut byte).await.is_ok_and(|length| length == 1) {
                Timer::new(Duration::from_millis(2)).await;
                read.borrow_mut().push(byte[0]);
                waker.wake_by_ref();
            }
        })
        .detach();
        Self { bytes, ken }
    }
}

impl Frontend for Reader {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        let bytes = self.bytes.take();
        for &byte in &bytes {
            shard
                .publish(says(self.ken, std::str::from_utf8(&[byte]).expect("the test sends letters")))
                .expect("a credit");
        }
        Poll { worked: !bytes.is_empty(), deadline: None }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

#[test]
fn a_frontend_uses_sockets_timers_and_tasks_of_its_executor() {
    if !has_glommio() {
        return;
    }
    let ken = PresentityId::new(7);
    let (told, port) = mpsc::channel();
    let engine = On::Glommio.builder(1).start(move |core| Reader::new(&core, ken, told.clone())).expect("it starts");
    let mut watcher = engine.handle().watcher(1).wait().expect("it opens");
    watcher.subscribe(&[ken]).wait().expect("it subscribes");
    let port = port.recv_timeout(LONG).expect("the task has bound its socket");
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    for letter in ["a", "b", "c"] {
        // The shard sleeps by now, as often as not; the socket's readiness has to wake its executor.
        std::thread::sleep(Duration::from_millis(5));
        stream.write_all(letter.as_bytes()).expect("the socket has room");
        until(&mut watcher, |note| text(note).as_deref() == Some(letter));
    }
    drop(stream);
    engine.shutdown().expect("it ends well");
}

/// A task that never waits for anything but its own turn beside a shard without work, and one with.
#[test]
fn tasks_and_shard_leave_each_other_their_turns() {
    if !has_glommio() {
        return;
    }
    let (told, tell) = mpsc::channel();
    let engine = On::Glommio
        .builder(1)
        .start(move |_| {
            let told = told.clone();
            fanfare::glommio::spawn_local(async move {
                for round in 0..100 {
                    Timer::new(Duration::from_micros(100)).await;
                    let _ = told.send(round);
                }
            })
            .detach();
            Nothing
        })
        .expect("it starts");
    let door = engine.handle();
    let mut rounds = Vec::new();
    // The shard is kept busy, so that it has no rest in which the task would have its turn for nothing.
    while rounds.len() < 100 {
        let results = door.publish_all((0..2_000).map(|id| says(PresentityId::new(id % 500), &id.to_string()))).wait();
        assert!(results.expect("the engine runs").iter().all(Result::is_ok));
        rounds.extend(tell.try_iter());
    }
    assert_eq!(rounds, (0..100).collect::<Vec<_>>());
    engine.shutdown().expect("it ends well");
}
