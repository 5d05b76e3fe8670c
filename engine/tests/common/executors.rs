//! What polls futures in a test: executors that others made, and one made by hand.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};

use crate::common::LONG;

/// What polls the futures of a test.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Executor {
    TokioThreads,
    TokioHere,
    Smol,
    Hand,
}

impl Executor {
    pub(crate) const ALL: [Self; 4] = [Self::TokioThreads, Self::TokioHere, Self::Smol, Self::Hand];

    /// Runs this future to its end, as a task where the executor has tasks.
    pub(crate) fn run<F>(self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        use tokio::runtime::Builder;
        within_reason(move || match self {
            Self::TokioThreads => run_as_task(Builder::new_multi_thread().worker_threads(2), future),
            Self::TokioHere => run_as_task(&mut Builder::new_current_thread(), future),
            Self::Smol => smol::block_on(smol::spawn(future)),
            Self::Hand => Arc::new(Hand::default()).run(future),
        })
    }
}

pub(crate) fn run_as_task<F>(builder: &mut tokio::runtime::Builder, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = builder.enable_time().build().expect("threads are there");
    runtime.block_on(async { tokio::spawn(future).await.expect("the task does not panic") })
}

/// Does this on a thread of its own, and fails if it does not end.
pub(crate) fn within_reason<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = std::thread::spawn(move || done.send(what()));
    match result.recv_timeout(LONG) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it never ends"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().expect_err("it ended without a result"))
        }
    }
}

/// An executor of one future, made by hand, which counts how often it is woken.
#[derive(Default)]
pub(crate) struct Hand {
    wakes: AtomicUsize,
    is_woken: Mutex<bool>,
    wakes_up: Condvar,
}

impl Wake for Hand {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        *self.is_woken.lock().expect("nobody panicked") = true;
        self.wakes_up.notify_one();
    }
}

impl Hand {
    /// Polls this future now and whenever it was woken.
    pub(crate) fn run<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = Waker::from(self.clone());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let is_woken = self.is_woken.lock().expect("nobody panicked");
            let waited = self.wakes_up.wait_timeout_while(is_woken, LONG, |is_woken| !*is_woken);
            let (mut is_woken, waited) = waited.expect("nobody panicked");
            assert!(!waited.timed_out(), "it is never woken");
            *is_woken = false;
        }
    }

    pub(crate) fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(&Waker::from(self.clone())))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}
