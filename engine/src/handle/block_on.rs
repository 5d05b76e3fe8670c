//! Waiting for a future on a thread that has no executor: the blocking form of every call.
//!
//! The thread sleeps until the future's waker is called or time is up. Cost: one allocation, and a sleep.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// What the future comes to, or nothing if it has not by then.
pub(super) fn block_on<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Sleeper(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        match until {
            // An unpark that came since the poll is kept, so this returns at once then.
            None => std::thread::park(),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                std::thread::park_timeout(left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_ends_with_the_future_or_with_the_time() {
        assert_eq!(block_on(ready(7), None), Some(7));
        assert_eq!(block_on(pending::<()>(), Some(Instant::now() + Duration::from_millis(1))), None);
    }

    #[test]
    fn a_waker_called_on_another_thread_ends_the_sleep() {
        let mut waker = None;
        let future = std::future::poll_fn(|context| match waker.replace(context.waker().clone()) {
            None => {
                let waker = context.waker().clone();
                std::thread::spawn(move || waker.wake());
                Poll::Pending
            }
            Some(_) => Poll::Ready(()),
        });
        assert_eq!(block_on(future, None), Some(()));
    }
}
