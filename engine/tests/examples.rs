//! The examples run to their ends, and the frontend of `lines` keeps what it says on every runtime.

#[path = "../examples/embed.rs"]
#[allow(unreachable_pub, reason = "public for programs")]
mod embed;
#[path = "../examples/embedded_mio.rs"]
#[allow(unreachable_pub, reason = "public for programs")]
mod embedded_mio;
#[path = "../examples/embedded_tokio.rs"]
#[allow(unreachable_pub, reason = "public for programs")]
mod embedded_tokio;
#[path = "../examples/lines.rs"]
#[allow(dead_code, unreachable_pub, reason = "public for programs; its own is not run here")]
mod lines;
#[path = "../examples/presence.rs"]
#[allow(unreachable_pub, reason = "public for programs")]
mod presence;
#[path = "../examples/tokio_contacts.rs"]
#[allow(unreachable_pub, reason = "public for programs")]
mod tokio_contacts;

mod common;

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use common::*;
use fanfare::{EngineError, Frontend, Interest, Io, Outbox, Poll, PresentityId, Shard, Tick, WatcherId};
use lines::{Counts, LINE_MAX, Lines, OUTPUT_MAX, listener};
use socket2::{Domain, Socket, Type};

#[test]
fn embed_ends_well() {
    ends_well(|| told(embed::main()));
}

#[test]
fn tokio_contacts_ends_well_and_is_short() {
    ends_well(|| told(tokio_contacts::main()));
    let lines = include_str!("../examples/tokio_contacts.rs").lines().count();
    assert!(lines <= 30, "it has {lines} lines");
}

#[test]
fn presence_ends_well() {
    ends_well(|| told(presence::main()));
}

#[test]
fn embedded_tokio_ends_well() {
    ends_well(|| embedded_tokio::main().map_err(|error| error.to_string()));
}

#[test]
fn embedded_mio_is_told_the_newest_of_each_and_ends_well() {
    ends_well(|| embedded_mio::main().map_err(|error| error.to_string()));
    let told = embedded_mio::watch().expect("it ends well");
    assert_eq!(told.values().collect::<Vec<_>>(), ["in a call", "gone home"]);
}

fn told(result: Result<(), Box<dyn Error>>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}

/// Runs a main function on a thread of its own, and fails if it does not end.
fn ends_well(main: impl FnOnce() -> Result<(), String> + Send + 'static) {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(main()));
    result.recv_timeout(LONG).expect("it ends, and without a panic").expect("it ends well");
}

/// An engine with `Lines` on every shard.
struct Server {
    engine: Running,
    port: u16,
    counts: Vec<Arc<Counts>>,
}

fn serve(on: On, shards: usize) -> Server {
    // Keeps the port for the cores until they have it.
    let first = listener(0).expect("a port is free");
    let port = first.local_addr().expect("it is bound").port();
    let counts: Vec<Arc<Counts>> = (0..shards).map(|_| Arc::default()).collect();
    let of_cores = counts.clone();
    let engine = on
        .builder(shards)
        .start(move |core| {
            let counts = of_cores[core.index.index()].clone();
            Lines::new(core, listener(port).expect("the port can be shared"), counts).expect("it can be watched")
        })
        .expect("it starts");
    Server { engine, port, counts }
}

impl Server {
    fn client(&self) -> Client {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server accepts");
        Client::new(stream)
    }

    fn sum(&self, count: impl Fn(&Counts) -> &AtomicUsize) -> usize {
        self.counts.iter().map(|counts| count(counts).load(Ordering::Relaxed)).sum()
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LONG)).expect("a socket has a time-out");
        stream.set_nodelay(true).expect("a socket can be told not to wait");
        Self(BufReader::new(stream))
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).expect("the server takes it");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line comes");
        assert!(line.ends_with('\n'), "the server has hung up after {line:?}");
        line.pop();
        line
    }

    /// Takes lines up to this one.
    fn lines_until(&mut self, satisfies: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| satisfies(line)) {
            lines.push(self.line());
        }
        lines
    }

    /// Takes lines until these stamps have been told. Gives how many it took.
    fn newest_until(&mut self, newest: &HashMap<u64, u64>) -> usize {
        let (mut told, mut lines) = (HashMap::new(), 0);
        while told != *newest {
            let line = self.line();
            let (number, stamp, _) = state(&line);
            assert!(told.insert(number, stamp).is_none_or(|old| old < stamp), "C1");
            lines += 1;
        }
        lines
    }

    fn watch(&mut self, numbers: &[u64]) {
        self.send(format!("watch {}\n", words(numbers)));
    }

    /// Says something, and gives the stamp.
    fn say(&mut self, number: u64, text: &str) -> u64 {
        self.send(format!("say {number} {text}\n"));
        let answer = self.line();
        let stamp = answer.strip_prefix("ok ").unwrap_or_else(|| panic!("{answer}"));
        stamp.parse().expect("a stamp is a number")
    }

    fn is_hung_up_on(&mut self) {
        let mut rest = Vec::new();
        // A server that closes a socket with input left unread resets the connection.
        let _ = self.0.read_to_end(&mut rest);
    }
}

fn words(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// `NUMBER STAMP text`.
fn state(line: &str) -> (u64, u64, Option<&str>) {
    let mut words = line.splitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    (number(), number(), words.next())
}

fn what_one_says_is_told_to_who_watches(on: On) {
    for shards in [1, 2] {
        let server = serve(on, shards);
        let people: Vec<u64> = one_on_each(shards).into_iter().map(PresentityId::get).collect();
        let (mut watcher, mut sayer) = (server.client(), server.client());
        watcher.watch(&people);
        let mut firsts: Vec<String> = people.iter().map(|_| watcher.line()).collect();
        firsts.sort();
        let mut expected: Vec<String> = people.iter().map(|number| format!("{number} 0")).collect();
        expected.sort();
        assert_eq!(firsts, expected, "nobody has a state yet");
        for &number in &people {
            for text in ["available", "in a call, back at noon", ""] {
                let stamp = sayer.say(number, text);
                assert_eq!(watcher.line(), format!("{number} {stamp} {text}"));
            }
        }
        // Who comes late is told at once.
        let stamp = sayer.say(people[0], "here");
        let mut late = server.client();
        late.watch(&people[..1]);
        assert_eq!(late.line(), format!("{} {stamp} here", people[0]));
        late.send("quit\n");
        late.is_hung_up_on();
        assert_eq!(sayer.say(people[0], "still here"), stamp + 1);
        server.engine.shutdown().expect("it ends well");
    }
}

fn who_unwatches_is_told_nothing_more(on: On) {
    let server = serve(on, 2);
    let people: Vec<u64> = one_on_each(2).into_iter().map(PresentityId::get).collect();
    let (mut watcher, mut sayer) = (server.client(), server.client());
    for round in 0..50 {
        watcher.watch(&people);
        watcher.lines_until(|line| state(line).0 == people[0]);
        watcher.send(format!("unwatch {}\n", people[0]));
        // Commands of one connection are obeyed in their order, so once this is answered the other has been.
        watcher.send(format!("say 999 {round}\n"));
        watcher.lines_until(|line| line.starts_with("ok "));
        sayer.say(people[0], &format!("secret {round}"));
        let end = sayer.say(people[1], &format!("end {round}"));
        let lines = watcher.lines_until(|line| state(line).1 == end);
        assert!(lines.iter().all(|line| state(line).0 == people[1]), "{lines:?}");
        watcher.send(format!("unwatch {}\n", words(&people)));
    }
    server.engine.shutdown().expect("it ends well");
}

fn a_slow_reader_goes_stale_and_takes_bounded_memory(on: On) {
    const PEOPLE: u64 = 250;
    const ROUNDS: u64 = 20;
    let long_text = "x".repeat(3_000);
    let server = serve(on, 2);
    let people: Vec<u64> = (0..PEOPLE).collect();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket is there");
    socket.set_recv_buffer_size(4_096).expect("a buffer can be small");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    socket.connect(&address.into()).expect("the server accepts");
    let (mut slow, mut quick) = (Client::new(socket.into()), server.client());
    slow.watch(&people);
    quick.watch(&people);

    let door = server.engine.handle();
    let mut newest = HashMap::new();
    for round in 0..ROUNDS {
        let states = people.iter().map(|&number| says(PresentityId::new(number), &format!("{round} {long_text}")));
        let published = door.publish_all(states).wait().expect("they are taken");
        for (&number, published) in people.iter().zip(published) {
            newest.insert(number, published.expect("it is taken").stamp.to_bits());
        }
    }
    // The slow one has read nothing so far, and keeps nobody from hearing all.
    quick.newest_until(&newest);
    let lines = slow.newest_until(&newest);
    // All changes together are more than the kernel takes for one connection in both directions.
    assert!(lines < (PEOPLE * ROUNDS) as usize, "{lines} lines: nothing was skipped");
    for counts in &server.counts {
        let output_max = counts.output_max.load(Ordering::Relaxed);
        assert!(output_max <= OUTPUT_MAX + long_text.len() + 40, "{output_max} bytes waited for one connection");
    }
    server.engine.shutdown().expect("it ends well");
}

fn bad_input_is_answered_with_an_error_and_harms_nobody(on: On) {
    let server = serve(on, 1);
    let mut client = server.client();
    let long = "x".repeat(LINE_MAX);
    let too_long = [format!("say 7 {long}\n"), format!("say 7 {long}{long}{long}say 7 {long}\n")];
    let errors: [(&[u8], &str); 12] = [
        (b"watch x\n", "error `x` is no number"),
        (b"watch 7 -1\n", "error `-1` is no number"),
        (b"watch 18446744073709551616\n", "error `18446744073709551616` is no number"),
        (b"watch\n", "error a number is missing"),
        (b"unwatch  \n", "error a number is missing"),
        (b"say\n", "error a number is missing"),
        (b"say me something\n", "error `me` is no number"),
        (b"shout 7 something\n", "error the commands are watch, unwatch, say and quit"),
        (b"\r\n", "error the commands are watch, unwatch, say and quit"),
        (b"say 7 \xff\xfe\n", "error a command is text in UTF-8"),
        (too_long[0].as_bytes(), "error a command has at most 4096 bytes"),
        (too_long[1].as_bytes(), "error a command has at most 4096 bytes"),
    ];
    for (input, error) in errors {
        client.send(input);
        assert_eq!(client.line(), error);
    }
    // None of them watched or said anything, and the next command is none the worse for them.
    let stamp = client.say(7, "whole");
    client.watch(&[7]);
    assert_eq!(client.line(), format!("7 {stamp} whole"));

    // A command of the greatest length, one that comes in pieces, and many that come at once.
    let text = "y".repeat(LINE_MAX - "say 8 \n".len());
    client.say(8, &text);
    for byte in b"say 9 in pieces\n" {
        client.send([*byte]);
    }
    assert_eq!(client.line(), "ok 1");
    client.send((1..=500).map(|text| format!("say 10 {text}\r\n")).collect::<String>());
    for stamp in 1..=500 {
        assert_eq!(client.line(), format!("ok {stamp}"), "answers come in order");
    }

    // Clients that leave in the middle of a word, or without waiting for an answer.
    for input in ["wat", "say 11 x", "say 11 x\n", "watch 8\nsay 8 x\n"] {
        server.client().send(input);
    }
    client.watch(&[11]);
    client.lines_until(|line| line.starts_with("11 ") && line.ends_with('x'));
    server.engine.shutdown().expect("it ends well");
}

fn every_core_accepts_and_encodes_a_change_once(on: On) {
    const CHANGES: usize = 30;
    let server = serve(on, 2);
    let mut clients: Vec<Client> = Vec::new();
    // The kernel deals connections out by chance, which leaves no core without two of them for long.
    while server.counts.iter().any(|counts| counts.accepted.load(Ordering::Relaxed) < 2) || clients.len() < 8 {
        assert!(clients.len() < 200, "some core accepts nothing");
        let mut client = server.client();
        client.watch(&[7]);
        assert_eq!(client.line(), "7 0");
        clients.push(client);
    }
    assert_eq!(server.sum(|counts| &counts.accepted), clients.len());
    let before = server.sum(|counts| &counts.encoded);
    assert_eq!(before, 2, "on each core once, that there is no state");
    for change in 0..CHANGES {
        let sayer = change % clients.len();
        clients[sayer].send(format!("say 7 {change}\n"));
        for (place, client) in clients.iter_mut().enumerate() {
            // The sayer's answer may come before the change, or after it.
            let mut lines: Vec<String> = (0..=usize::from(place == sayer)).map(|_| client.line()).collect();
            lines.sort();
            let expected = [format!("7 {} {change}", change + 1), format!("ok {}", change + 1)];
            assert_eq!(lines, expected[..lines.len()]);
        }
    }
    assert_eq!(server.sum(|counts| &counts.encoded), before + 2 * CHANGES, "and each change once, not once a watcher");
    server.engine.shutdown().expect("it ends well");
}

fn an_engine_that_ends_waits_for_no_client(on: On) {
    let server = serve(on, 2);
    let (mut idle, mut half) = (server.client(), server.client());
    half.send("say 7 something that has no e");
    idle.watch(&[7]);
    assert_eq!(idle.line(), "7 0");
    // One says on and on, and reads what it is told; it stops when nobody listens any more.
    let mut talker = server.client();
    talker.watch(&[8]);
    let (talks, is_talking) = mpsc::channel();
    let talking = std::thread::spawn(move || {
        while talker.0.get_mut().write_all(b"say 8 and another thing\n").is_ok() {
            let mut line = String::new();
            if !matches!(talker.0.read_line(&mut line), Ok(1..)) {
                break;
            }
            let _ = talks.send(());
        }
    });
    is_talking.recv_timeout(LONG).expect("it is answered");
    let ended: Result<(), EngineError> = server.engine.shutdown();
    assert_eq!(ended, Ok(()));
    talking.join().expect("the talker does not panic");
    idle.is_hung_up_on();
    half.is_hung_up_on();
}

on_every_runtime!(
    what_one_says_is_told_to_who_watches,
    who_unwatches_is_told_nothing_more,
    a_slow_reader_goes_stale_and_takes_bounded_memory,
    bad_input_is_answered_with_an_error_and_harms_nobody,
    every_core_accepts_and_encodes_a_change_once,
    an_engine_that_ends_waits_for_no_client,
);

/// Holds a connection of which it wants to hear nothing now, as `lines` does while an answer is waited for.
struct Deaf {
    io: Io,
    stream: TcpStream,
    told: Arc<AtomicUsize>,
}

impl Frontend for Deaf {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        let mut events = Vec::new();
        self.io.take_events(&mut events);
        self.told.fetch_add(events.len(), Ordering::Relaxed);
        let _ = &self.stream;
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

#[test]
fn a_frontend_that_wants_to_hear_nothing_of_a_connection_can_sleep() {
    let listener = listener(0).expect("a port is free");
    listener.set_nonblocking(false).expect("a socket can wait");
    let client = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it is listened to");
    let (stream, _) = listener.accept().expect("it has connected");
    let (stream, told) = (std::sync::Mutex::new(Some(stream)), Arc::new(AtomicUsize::new(0)));
    let count = told.clone();
    let engine = On::Thread.builder(1).start(move |core| {
        let stream = stream.lock().expect("nobody panicked").take().expect("there is one shard");
        let nothing = Interest { readable: false, writable: false };
        core.io.register(stream.as_fd(), 5, nothing).expect("it can be watched");
        Deaf { io: core.io, stream, told: count.clone() }
    });
    let engine = engine.expect("it starts");
    client.shutdown(Shutdown::Write).expect("it is open");
    for round in 0..100 {
        // Each is a turn at least, and each turn looks at the descriptors.
        engine.handle().publish(says(PresentityId::new(7), &round.to_string())).wait().expect("it is taken");
    }
    let told = told.load(Ordering::Relaxed);
    assert!(told <= 1, "it was told {told} times");
    engine.shutdown().expect("it ends well");
}
