//! A frontend in a hundred lines, on sockets in another hundred: presence over TCP, in lines of text, on every core.
//!
//! `cargo run -p fanfare --example lines -- [thread|glommio|auto] [port]`, and then with `nc 127.0.0.1 5070`:
//!
//! ```text
//! watch 7 8          the states now and, whenever one changes, the newest: `NUMBER STAMP text`,
//! unwatch 8          or `NUMBER STAMP` where there is none
//! say 7 in a call    `ok STAMP` when the home has taken it, or `error ...`
//! quit
//! ```
//!
//! Each core has a listener of its own on the one port, and keeps the connections that the kernel gives it. Invariant:
//! whatever its client does, a connection takes bounded memory. A command has [`LINE_MAX`] bytes at most, and is read
//! when the one before it has been answered and the answer written. Notes are taken while fewer than [`OUTPUT_MAX`]
//! bytes of output wait, and none while the socket does not take those: then the watcher just goes stale.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, mem};

use bytes::Bytes;
use fanfare::{
    Categories, Core, EncodeOnce, Engine, Event, Frontend, GroupId, Interest, Io, Note, Outbox, Outcome, Poll,
    PresentityId, Publication, Runtime, Shard, Tick, Ticket, View, WatcherId,
};
use socket2::{Domain, Socket, Type};

/// Bytes of a command at most, with the end of its line.
pub const LINE_MAX: usize = 4 << 10;
/// Bytes of output to which no more notes are added until it has been written.
pub const OUTPUT_MAX: usize = 64 << 10;
/// Presentities that change at about the same time: so many lines are kept for the other watchers of a core.
const LINES_KEPT: usize = 4096;
/// The listener's token. Those of connections are the ids of their watchers, which are never 0.
const LISTENER: u64 = 0;

/// The frontend of one core: a listener and its connections, each of which is a watcher.
pub struct Lines {
    io: Io,
    listener: Option<TcpListener>,
    connections: HashMap<WatcherId, Connection>,
    asked: HashMap<Ticket, WatcherId>,
    /// Whom something has happened to: from their descriptors, and from the shard.
    events: Vec<Event>,
    encoded: EncodeOnce<Vec<u8>>,
    counts: Arc<Counts>,
}

impl Frontend for Lines {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        self.io.take_events(&mut self.events);
        let events = mem::take(&mut self.events);
        for event in &events {
            let watcher = WatcherId::from_bits(event.token);
            if let Some(listener) = self.listener.as_ref().filter(|_| event.token == LISTENER) {
                // Whoever cannot be let in, for want of room, finds the connection closed.
                let accepted = Connection::accept(listener, shard, &self.io);
                self.counts.accepted.fetch_add(accepted.iter().len(), Ordering::Relaxed);
                self.connections.extend(accepted);
            } else if self.serve(shard, watcher, event).is_err()
                && let Some(connection) = self.connections.remove(&watcher)
            {
                let _ = self.io.deregister(connection.stream.get_ref().as_fd());
                shard.close_watcher(watcher);
            }
        }
        // While the engine shuts down it does not wait for clients, who may never have said enough.
        Poll { worked: !events.is_empty() && self.listener.is_some(), deadline: None }
    }

    fn ready(&mut self, watcher: WatcherId, outbox: &mut Outbox<'_>) {
        let Some(connection) = self.connections.get_mut(&watcher) else { return };
        while connection.takes_notes() {
            let Some(note) = outbox.next() else { break };
            connection.output.extend_from_slice(self.encoded.get(&note, |note| encode(note, &self.counts)));
        }
        self.counts.output_max.fetch_max(connection.output.len(), Ordering::Relaxed);
        self.events.push(again(watcher));
    }

    fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        // Whoever asked may have left meanwhile.
        let Some(watcher) = self.asked.remove(&ticket) else { return };
        let Some(connection) = self.connections.get_mut(&watcher) else { return };
        connection.asks = false;
        connection.answer(match outcome {
            Outcome::Published(published) => format!("ok {}", published.stamp.to_bits()),
            Outcome::Refused(why) => format!("error {why}"),
            other => format!("error {other:?}"),
        });
        self.events.push(again(watcher));
    }

    fn stop(&mut self, _: &mut Shard) {
        if let Some(listener) = self.listener.take() {
            let _ = self.io.deregister(listener.as_fd());
        }
    }
}

impl Lines {
    /// The frontend of this core, unless the listener cannot be registered there.
    pub fn new(core: Core, listener: TcpListener, counts: Arc<Counts>) -> io::Result<Self> {
        core.io.register(listener.as_fd(), LISTENER, Interest::READ)?;
        let (connections, asked, events) = Default::default();
        let (listener, encoded) = (Some(listener), EncodeOnce::new(LINES_KEPT));
        Ok(Self { io: core.io, listener, connections, asked, events, encoded, counts })
    }

    /// Writes what is there, then obeys one command. An error ends the connection.
    fn serve(&mut self, shard: &mut Shard, watcher: WatcherId, event: &Event) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&watcher) else { return Ok(()) };
        if connection.write()? {
            // It may have left notes in the outbox, for want of room.
            shard.writable(watcher);
        } else if event.closed {
            // It has left without reading all: there is nothing to wait for.
            return Err(ErrorKind::BrokenPipe.into());
        }
        let takes = self.listener.is_some() && connection.takes_commands(event);
        if takes && let Some(line) = connection.read()? {
            match connection.obey(shard, &line) {
                Ok(ticket) => self.asked.extend(ticket.map(|ticket| (ticket, watcher))),
                Err(why) => connection.answer(format!("error {why}")),
            }
            connection.write()?;
            // More may have been read, of which the descriptor does not tell.
            self.events.push(again(watcher));
        }
        connection.wait(&self.io, watcher)
    }
}

/// A socket that is read and written without waiting.
struct Connection {
    stream: BufReader<TcpStream>,
    group: GroupId,
    command: Vec<u8>,
    output: Vec<u8>,
    /// What it waits for: to write when the socket has not taken all of the output.
    interest: Interest,
    /// Its publication is not answered yet.
    asks: bool,
    /// The rest of a line is to be skipped, which was too long.
    skips: bool,
}

impl Connection {
    fn accept(listener: &TcpListener, shard: &mut Shard, io: &Io) -> io::Result<(WatcherId, Self)> {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        // Notes are short and far between: each is to go at once, and not to wait for the answer to the one before.
        stream.set_nodelay(true)?;
        let watcher = shard.open_watcher(0).map_err(io::Error::other)?;
        let opened = shard.open_group(watcher, 0, Categories::ALL).map_err(io::Error::other).and_then(|group| {
            let (command, output, interest) = (Vec::new(), Vec::new(), Interest::READ);
            io.register(stream.as_fd(), watcher.to_bits(), interest)?;
            let stream = BufReader::new(stream);
            Ok((watcher, Self { stream, group, command, output, interest, asks: false, skips: false }))
        });
        opened.inspect_err(|_| _ = shard.close_watcher(watcher))
    }

    fn takes_notes(&self) -> bool {
        !self.interest.writable && self.output.len() < OUTPUT_MAX
    }

    fn takes_commands(&self, event: &Event) -> bool {
        self.output.is_empty() && !self.asks && (event.readable || !self.stream.buffer().is_empty())
    }

    fn answer(&mut self, line: String) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.push(b'\n');
    }

    /// Writes what the socket takes, and tells whether that was all.
    fn write(&mut self) -> io::Result<bool> {
        if !self.output.is_empty() {
            let written = now(self.stream.get_ref().write(&self.output))?.unwrap_or(0);
            self.output.drain(..written);
        }
        Ok(self.output.is_empty())
    }

    /// The next line once it is there, or as much of it as a command may have.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let room = (LINE_MAX - self.command.len()) as u64;
        match now(self.stream.by_ref().take(room).read_until(b'\n', &mut self.command))? {
            Some(0) => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read.map(|_| mem::take(&mut self.command))),
        }
    }

    fn obey(&mut self, shard: &mut Shard, line: &[u8]) -> Result<Option<Ticket>, Box<dyn Error>> {
        let is_whole = line.ends_with(b"\n");
        if mem::replace(&mut self.skips, !is_whole) {
            return Ok(None);
        } else if !is_whole {
            return Err(format!("a command has at most {LINE_MAX} bytes").into());
        }
        let line = str::from_utf8(line).map_err(|_| "a command is text in UTF-8")?.trim_end_matches(['\r', '\n']);
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "watch" => _ = shard.subscribe(self.group, View::PLAIN, &numbers(rest)?)?,
            "unwatch" => _ = shard.unsubscribe(self.group, &numbers(rest)?)?,
            "say" => {
                let (number, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let text = Bytes::copy_from_slice(text.as_bytes());
                let ticket = shard.publish(Publication::plain(numbers(number)?[0], text))?;
                self.asks = true;
                return Ok(Some(ticket));
            }
            "quit" => self.stream.get_ref().shutdown(Shutdown::Both)?,
            _ => return Err("the commands are watch, unwatch, say and quit".into()),
        }
        Ok(None)
    }

    fn wait(&mut self, io: &Io, watcher: WatcherId) -> io::Result<()> {
        let is_written = self.output.is_empty();
        let interest = Interest { readable: is_written && !self.asks, writable: !is_written };
        if mem::replace(&mut self.interest, interest) == interest {
            return Ok(());
        }
        io.modify(self.stream.get_ref().as_fd(), watcher.to_bits(), interest)
    }
}

/// What came of reading or writing, or nothing if it would have to wait.
fn now<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

fn numbers(text: &str) -> Result<Vec<PresentityId>, String> {
    let number = |word: &str| word.parse().map(PresentityId::new).map_err(|_| format!("`{word}` is no number"));
    let numbers = text.split_whitespace().map(number).collect::<Result<Vec<_>, _>>()?;
    if numbers.is_empty() { Err("a number is missing".to_owned()) } else { Ok(numbers) }
}

/// What a connection is told: the same for all of them.
fn encode(note: &Note<'_>, counts: &Counts) -> Vec<u8> {
    counts.encoded.fetch_add(1, Ordering::Relaxed);
    let mut line = format!("{} {}", note.presentity.get(), note.stamp.to_bits()).into_bytes();
    if let Some(document) = note.document() {
        line.push(b' ');
        // Somebody else may have published more than one line.
        line.extend(document.as_slice().iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }));
    }
    line.push(b'\n');
    line
}

/// For a connection that has something to do of which its descriptor does not tell.
fn again(watcher: WatcherId) -> Event {
    Event { token: watcher.to_bits(), readable: false, writable: false, closed: false }
}

/// What the cores have done.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections accepted.
    pub accepted: AtomicUsize,
    /// Lines encoded: one for each change and core, whatever the number of its watchers there.
    pub encoded: AtomicUsize,
    /// Bytes that waited for one connection at most.
    pub output_max: AtomicUsize,
}

/// A listener on this port of the loopback, or on a free one for 0. Every core may have one on the same.
///
/// # Errors
/// When the port cannot be had.
pub fn listener(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = match env::args().nth(1).as_deref() {
        None | Some("auto") => Runtime::Auto,
        Some("thread") => Runtime::Thread,
        Some("glommio") => Runtime::Glommio,
        Some(other) => return Err(format!("`{other}` is no runtime: say thread, glommio or auto").into()),
    };
    // Shows whether the port can be had, and if it is 0, which one it is. No connection may come to it, so it is closed
    // as soon as the cores have theirs.
    let first = listener(env::args().nth(2).map_or(Ok(5070), |port| port.parse())?)?;
    let (port, counts) = (first.local_addr()?.port(), Arc::new(Counts::default()));
    let shared = counts.clone();
    let engine = Engine::builder().runtime(runtime).start(move |core| {
        let lines = listener(port).and_then(|listener| Lines::new(core, listener, shared.clone()));
        lines.expect("what one listener could have, another can")
    })?;
    drop(first);
    println!("{}\nlistening on 127.0.0.1:{port} until Enter is pressed", engine.report());
    io::stdin().read_line(&mut String::new())?;
    println!("{counts:?}");
    Ok(engine.shutdown()?)
}
