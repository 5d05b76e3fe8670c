//! The seam between the loop and the system: register a descriptor, wait with time-out, be unparked.
//!
//! A [`Reactor`] belongs to one shard's thread; only its unpark handle is shared. [`Io`] is the frontend's key to it.
//! Invariant: [`Reactor::wait`] returns when a registered descriptor is ready, when time is up, or when somebody has
//! called the unpark handle since the last wait returned, whichever is first. Cost: one system call a wait; a turn
//! with no registered descriptor makes none.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::mesh::doorbell::Unpark;

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(target_os = "linux")]
pub use epoll::{Bell, Epoll};

/// What a descriptor is registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Tell when it can be read.
    pub readable: bool,
    /// Tell when it can be written.
    pub writable: bool,
}

impl Interest {
    /// Neither: only that it breaks is told.
    pub const NONE: Self = Self { readable: false, writable: false };
    /// Reading only.
    pub const READ: Self = Self { readable: true, writable: false };
    /// Writing only.
    pub const WRITE: Self = Self { readable: false, writable: true };
    /// Both.
    pub const BOTH: Self = Self { readable: true, writable: true };
}

/// A descriptor is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it was registered with.
    pub token: u64,
    /// It can be read, or has ended.
    pub readable: bool,
    /// It can be written.
    pub writable: bool,
    /// It is broken or its other side is gone.
    pub closed: bool,
}

/// How one shard's thread waits.
pub trait Reactor {
    /// Watches a descriptor, level-triggered. `token` comes back with its events; the two highest are the reactor's own.
    ///
    /// # Errors
    /// What the system says.
    fn register(&mut self, descriptor: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()>;

    /// Changes what a registered descriptor is watched for.
    ///
    /// # Errors
    /// What the system says.
    fn modify(&mut self, descriptor: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()>;

    /// Watches it no more. Call it before the descriptor is closed.
    ///
    /// # Errors
    /// What the system says.
    fn deregister(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()>;

    /// Whether any descriptor is registered, so that waiting without time-out makes sense in a busy turn.
    fn is_watching(&self) -> bool;

    /// Waits for an event, for the unpark handle, or so long (`None`: for ever), and keeps the events.
    ///
    /// # Errors
    /// What the system says; an interrupted wait is not an error.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Has [`Reactor::descriptor`] become readable after so long (`None`: never) even if nothing else happens. The next
    /// wait ends it.
    ///
    /// # Errors
    /// What the system says: most likely that there are no more descriptors.
    fn arm(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// What is readable whenever a wait without time-out would not block, for whoever waits by other means.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Moves the events of the last wait to the end of `events`.
    fn take_events(&mut self, events: &mut Vec<Event>);

    /// What ends a wait from another thread.
    fn unparker(&self) -> Arc<dyn Unpark>;
}

/// A frontend's key to its shard's reactor. Clones are the same key; it stays on its thread.
#[derive(Clone)]
pub struct Io {
    reactor: Rc<RefCell<dyn Reactor>>,
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").finish_non_exhaustive()
    }
}

impl Io {
    /// The key to this reactor.
    #[must_use]
    pub fn new(reactor: impl Reactor + 'static) -> Self {
        Self { reactor: Rc::new(RefCell::new(reactor)) }
    }

    /// See [`Reactor::register`].
    ///
    /// # Errors
    /// What the system says.
    pub fn register(&self, descriptor: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.reactor.borrow_mut().register(descriptor, token, interest)
    }

    /// See [`Reactor::modify`].
    ///
    /// # Errors
    /// What the system says.
    pub fn modify(&self, descriptor: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.reactor.borrow_mut().modify(descriptor, token, interest)
    }

    /// See [`Reactor::deregister`].
    ///
    /// # Errors
    /// What the system says.
    pub fn deregister(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.reactor.borrow_mut().deregister(descriptor)
    }

    /// Moves the events that wait for this [`poll`](super::Frontend::poll) to the end of `events`. Events not taken in
    /// one turn come again in the next, as long as they are true.
    pub fn take_events(&self, events: &mut Vec<Event>) {
        self.reactor.borrow_mut().take_events(events);
    }

    pub(crate) fn is_watching(&self) -> bool {
        self.reactor.borrow().is_watching()
    }

    /// Waits as [`Reactor::wait`] does.
    ///
    /// # Panics
    /// When the system cannot wait, which leaves the shard no way to go on.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        if let Err(error) = self.reactor.borrow_mut().wait(timeout) {
            panic!("the reactor cannot wait: {error}");
        }
    }

    /// Takes in what is ready, without waiting.
    pub(crate) fn look(&self) {
        self.wait(Some(Duration::ZERO));
    }

    /// As [`Reactor::arm`].
    ///
    /// # Panics
    /// When the system gives no timer, which leaves the shard no way to meet its deadlines.
    pub(crate) fn arm(&self, timeout: Option<Duration>) {
        if let Err(error) = self.reactor.borrow_mut().arm(timeout) {
            panic!("the reactor has no timer: {error}");
        }
    }

    /// The reactor's own descriptor, once more.
    pub(crate) fn clone_descriptor(&self) -> io::Result<OwnedFd> {
        self.reactor.borrow().descriptor().try_clone_to_owned()
    }
}
