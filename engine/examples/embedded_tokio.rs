//! A shard that turns inside a tokio program's own thread: `cargo run -p fanfare --example embedded_tokio`.
//!
//! The engine starts no thread for it: one task of the runtime steps the shard, and other tasks of the same thread use
//! the engine meanwhile. They must await their calls; to wait for one would keep the thread from stepping.

use std::error::Error;

use bytes::Bytes;
use fanfare::{CallError, Embedded, Engine, Handle, NoFrontend, PresentityId, Publication, Step};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;

type AnyError = Box<dyn Error + Send + Sync>;

/// Public, so that a test can run it.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), AnyError> {
    let mut engine = Engine::builder().shards(0).hosts(1).start(|_core| NoFrontend)?;
    let seat = engine.seats().pop().ok_or("one host was asked for")?;
    let host = seat.take(|_core| NoFrontend)?;

    let visit = tokio::spawn(visit(engine.handle()));
    let end = async {
        println!("the watcher was told: {:?}", visit.await??);
        engine.drain();
        while !engine.is_drained() {
            yield_now().await;
        }
        // At once, since everything is done; the next step hears of it and ends the other future.
        Ok::<(), AnyError>(engine.shutdown()?)
    };
    // If one of them fails, the other has nothing left to wait for.
    tokio::try_join!(turn(host), end)?;
    Ok(())
}

/// Steps the shard whenever there is something to do, until the engine has stopped.
async fn turn(host: Embedded<NoFrontend>) -> Result<(), AnyError> {
    // It owns the host, and with it the descriptor that it waits for.
    #[expect(deprecated, reason = "its successor is unsafe, for types whose descriptor may change; a host's does not")]
    let mut host = AsyncFd::with_interest(host, Interest::READABLE)?;
    loop {
        match host.get_mut().step()? {
            Step::Again => yield_now().await,
            // It was readable for what the next step will look after, so that much is taken as seen.
            Step::Rest => host.readable().await?.clear_ready(),
            Step::End => return Ok(()),
        }
    }
}

/// What a program does with an engine; it need not know that the engine lives on its own thread.
async fn visit(door: Handle) -> Result<Vec<String>, CallError> {
    let ken = PresentityId::new(7);
    let mut watcher = door.watcher(1).await?;
    watcher.subscribe(&[ken]).await?;
    let mut told = Vec::new();
    for state in ["available", "in a call", "gone home"] {
        door.publish(Publication::plain(ken, Bytes::from_static(state.as_bytes()))).await?;
        while told.last().is_none_or(|last| last != state) {
            for note in watcher.next_batch().await? {
                told.extend(note.document().map(|document| String::from_utf8_lossy(document.as_slice()).into_owned()));
            }
        }
    }
    Ok(told)
}
