//! The reactor of plain threads: epoll, with an eventfd to be unparked by.
//!
//! epoll's own time-outs are whole milliseconds, and the call that takes finer ones is missing on old kernels and
//! forbidden in some containers. So a wait with a time-out is a `ppoll` on the epoll descriptor, which is as fine as
//! the kernel's timers and to be had everywhere; the events are then fetched without waiting. It costs one system
//! call more, on a core that has just slept; a wait without end and a look without waiting are one call as ever.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

use super::{Event, Interest, Reactor};
use crate::mesh::doorbell::Unpark;

const BELL: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
const EVENTS_AT_ONCE: usize = 1024;

/// An epoll instance, and the eventfd that unparks it.
pub struct Epoll {
    epoll: OwnedFd,
    bell: Arc<Bell>,
    /// For those who wait on the epoll descriptor by other means, who must have it before they begin: a shard that
    /// finds no descriptor left for it when a deadline comes up could not go on.
    timer: Option<OwnedFd>,
    timer_is_set: bool,
    watched: usize,
    raw: Vec<epoll::Event>,
    events: Vec<Event>,
}

impl fmt::Debug for Epoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoll").field("watched", &self.watched).finish_non_exhaustive()
    }
}

/// The eventfd: made before the thread that it wakes, so that everybody who may wake it can be given it. A host may
/// have a waker called beside it.
#[derive(Debug)]
pub struct Bell {
    eventfd: OwnedFd,
    waker: Mutex<Option<Waker>>,
}

impl Bell {
    /// Makes one.
    ///
    /// # Errors
    /// What the system says: most likely that there are no more descriptors.
    pub fn new() -> io::Result<Arc<Self>> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Self { eventfd, waker: Mutex::default() }))
    }

    /// The waker to be called beside the eventfd.
    pub(crate) fn set_waker(&self, waker: Option<Waker>) {
        // What is dropped here may run code of the host's: not under the lock.
        let _old = std::mem::replace(&mut *self.waker(), waker);
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unpark for Bell {
    fn unpark(&self) {
        // The counter is sticky until the sleeper reads it. The write can only fail when it is already at its top,
        // and then the sleeper wakes as well.
        let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
        let waker = self.waker().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Epoll {
    /// Makes one that this bell wakes.
    ///
    /// # Errors
    /// What the system says: most likely that there are no more descriptors.
    pub fn new(bell: Arc<Bell>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &bell.eventfd, EventData::new_u64(BELL), EventFlags::IN)?;
        let (raw, events) = (Vec::with_capacity(EVENTS_AT_ONCE), Vec::new());
        Ok(Self { epoll, bell, timer: None, timer_is_set: false, watched: 0, raw, events })
    }

    /// As [`Epoll::new`], for one who will [`Reactor::arm`] it.
    ///
    /// # Errors
    /// As [`Epoll::new`].
    pub fn with_timer(bell: Arc<Bell>) -> io::Result<Self> {
        let mut epoll = Self::new(bell)?;
        epoll.make_timer()?;
        Ok(epoll)
    }

    fn make_timer(&mut self) -> io::Result<()> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        epoll::add(&self.epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        self.timer = Some(timer);
        Ok(())
    }

    /// Waits and leaves the events in `raw`.
    fn wait_raw(&mut self, timeout: Option<Duration>) -> Result<(), Errno> {
        self.raw.clear();
        let look = match timeout {
            None => None,
            Some(Duration::ZERO) => Some(Timespec::default()),
            Some(timeout) => {
                let mut readable = [PollFd::new(&self.epoll, PollFlags::IN)];
                if poll(&mut readable, Some(&timespec(timeout)))? == 0 {
                    return Ok(());
                }
                Some(Timespec::default())
            }
        };
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.raw), look.as_ref()).map(|_| ())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    // That the other side has closed is something to be read: whoever does not want to read now is not to be told it
    // in every turn. A broken connection is told in any case.
    flags.set(EventFlags::IN | EventFlags::RDHUP, interest.readable);
    flags.set(EventFlags::OUT, interest.writable);
    flags
}

impl Reactor for Epoll {
    fn register(&mut self, descriptor: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        if matches!(token, BELL | TIMER) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the two highest tokens are the reactor's own"));
        }
        epoll::add(&self.epoll, descriptor, EventData::new_u64(token), flags(interest))?;
        self.watched += 1;
        Ok(())
    }

    fn modify(&mut self, descriptor: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, descriptor, EventData::new_u64(token), flags(interest))?)
    }

    fn deregister(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        epoll::delete(&self.epoll, descriptor)?;
        self.watched -= 1;
        Ok(())
    }

    fn is_watching(&self) -> bool {
        self.watched != 0
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        // Level-triggered: what was not taken last time is told again, so the list need not grow.
        self.events.clear();
        match self.wait_raw(timeout) {
            Ok(()) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for event in &self.raw {
            let (token, flags) = (event.data.u64(), event.flags);
            if token == BELL {
                // Resets the counter. What was put in before the write that it counted is seen by the turn to come.
                let _ = rustix::io::read(&self.bell.eventfd, &mut [0u8; 8]);
            } else if token == TIMER {
                // It has rung, and is set again only for another rest.
                let _ = self.timer.as_ref().map(|timer| rustix::io::read(timer, &mut [0u8; 8]));
                self.timer_is_set = false;
            } else {
                let closed = flags.intersects(EventFlags::ERR | EventFlags::HUP | EventFlags::RDHUP);
                self.events.push(Event {
                    token,
                    readable: flags.contains(EventFlags::IN) || closed,
                    writable: flags.contains(EventFlags::OUT),
                    closed,
                });
            }
        }
        Ok(())
    }

    fn arm(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_none() && !self.timer_is_set {
            return Ok(());
        }
        if self.timer.is_none() {
            self.make_timer()?;
        }
        let Some(timer) = &self.timer else { return Ok(()) };
        // Zero would take the time away instead of ringing at once.
        let value = timespec(timeout.map_or(Duration::ZERO, |timeout| timeout.max(Duration::from_nanos(1))));
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
        self.timer_is_set = timeout.is_some();
        Ok(())
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    fn take_events(&mut self, events: &mut Vec<Event>) {
        events.append(&mut self.events);
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        self.bell.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoll() -> Epoll {
        Bell::new().and_then(Epoll::new).expect("descriptors are there")
    }

    #[test]
    fn an_unpark_before_the_wait_ends_it_once() {
        let mut epoll = epoll();
        epoll.unparker().unpark();
        epoll.unparker().unpark();
        epoll.wait(None).expect("the wait ends");
        epoll.wait(Some(Duration::from_micros(300))).expect("time is up");
        let mut events = Vec::new();
        epoll.take_events(&mut events);
        assert_eq!(events, []);
    }

    #[test]
    fn a_descriptor_is_told_until_it_is_read_or_deregistered() {
        let mut epoll = epoll();
        let (mut reader, writer) = io::pipe().expect("descriptors are there");
        epoll.register(reader.as_fd(), 7, Interest::READ).expect("a pipe can be watched");
        assert!(epoll.is_watching());
        io::Write::write_all(&mut &writer, b"x").expect("the pipe has room");
        for _ in 0..2 {
            epoll.wait(None).expect("the wait ends");
            let mut events = Vec::new();
            epoll.take_events(&mut events);
            assert_eq!(events, [Event { token: 7, readable: true, writable: false, closed: false }]);
        }
        io::Read::read_exact(&mut reader, &mut [0]).expect("a byte is there");
        epoll.wait(Some(Duration::ZERO)).expect("a look is always possible");
        let mut events = Vec::new();
        epoll.take_events(&mut events);
        assert_eq!(events, []);
        epoll.deregister(reader.as_fd()).expect("it was watched");
        assert!(!epoll.is_watching());
        assert!(epoll.register(reader.as_fd(), u64::MAX, Interest::READ).is_err());
    }

    /// Whether the reactor's own descriptor is readable within half a minute.
    fn is_told(epoll: &Epoll, timeout: Duration) -> bool {
        poll(&mut [PollFd::new(&epoll.descriptor(), PollFlags::IN)], Some(&timespec(timeout)))
            .expect("it can be polled")
            == 1
    }

    #[test]
    fn its_own_descriptor_tells_of_bell_time_and_descriptors() {
        let long = Duration::from_secs(30);
        let mut epoll = epoll();
        assert!(!is_told(&epoll, Duration::ZERO));
        epoll.arm(Some(Duration::from_micros(200))).expect("a timer can be had");
        assert!(is_told(&epoll, long));
        epoll.wait(Some(Duration::ZERO)).expect("a look is always possible");
        assert!(!is_told(&epoll, Duration::ZERO), "the look has taken the time in");
        epoll.unparker().unpark();
        assert!(is_told(&epoll, long));
        epoll.wait(Some(Duration::ZERO)).expect("a look is always possible");
        epoll.arm(Some(Duration::from_millis(2))).expect("a timer can be had");
        epoll.arm(None).expect("it can be taken away");
        assert!(!is_told(&epoll, Duration::from_millis(4)), "the time was taken away");
        let (reader, writer) = io::pipe().expect("descriptors are there");
        epoll.register(reader.as_fd(), 7, Interest::READ).expect("a pipe can be watched");
        io::Write::write_all(&mut &writer, b"x").expect("the pipe has room");
        assert!(is_told(&epoll, long));
    }
}
