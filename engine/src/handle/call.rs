//! A call of a handle, under way: a future, and for threads without an executor something to wait for.
//!
//! The command is on its way when the call is returned, not when it is first polled, so many can be under way at
//! once, and to drop a [`Call`] takes nothing back: it only says that the answer is not wanted. That is what makes
//! every call safe to cancel. Invariant: a call ends, with an answer or with the reason for which none will come.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::answer::Asked;
use super::block_on::block_on;
use super::{CallError, Shared};
use crate::runtime::OnShard;

/// What is still to be done on the caller's side when the answer is there.
type Then = Box<dyn FnOnce() + Send>;

/// A call under way: `await` it, or [`Call::wait`].
///
/// It is independent of any runtime, and is woken once. Dropping it does not undo the call: what was asked happens, or
/// has happened, and only the answer is lost. A watcher that is opened for nobody is closed again.
#[must_use = "whether the call has succeeded is told by awaiting it or by `wait`"]
pub struct Call<T>(State<T>);

enum State<T> {
    Done(Option<Result<T, CallError>>),
    Asked { asked: Asked<T>, shared: Arc<Shared>, then: Option<Then> },
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Done(_) => "Call(ended)",
            State::Asked { .. } => "Call(under way)",
        })
    }
}

impl<T> Call<T> {
    pub(super) fn done(result: Result<T, CallError>) -> Self {
        Self(State::Done(Some(result)))
    }

    pub(super) fn asked(asked: Asked<T>, shared: Arc<Shared>) -> Self {
        Self(State::Asked { asked, shared, then: None })
    }

    /// Has this done on the caller's side when the answer is there and good, before it is told.
    pub(super) fn then(mut self, what: impl FnOnce() + Send + 'static) -> Self {
        if let State::Asked { then, .. } = &mut self.0 {
            *then = Some(Box::new(what));
        }
        self
    }

    /// Sleeps until the call has ended.
    ///
    /// # Errors
    /// Those of the call, and [`CallError::OnShard`] on a thread that turns a shard, where it would wait for itself;
    /// what was asked happens all the same.
    pub fn wait(self) -> Result<T, CallError> {
        if OnShard::is_here() && matches!(self.0, State::Asked { .. }) {
            return Err(CallError::OnShard);
        }
        // Without a time it is never given up.
        block_on(self, None).unwrap_or(Err(CallError::OnShard))
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Call<T> {}

impl<T> Future for Call<T> {
    type Output = Result<T, CallError>;

    /// # Panics
    /// When it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Done(result) => Poll::Ready(result.take().expect("a call is not polled after it was ready")),
            State::Asked { asked, shared, then } => {
                let Poll::Ready(answer) = asked.poll(context) else { return Poll::Pending };
                let answer = answer.unwrap_or_else(|| Err(shared.fate.ending().into()));
                if let (Ok(_), Some(then)) = (&answer, then.take()) {
                    then();
                }
                self.0 = State::Done(None);
                Poll::Ready(answer)
            }
        }
    }
}
