//! Watches ten thousand contacts from a tokio program: `cargo run -p fanfare --example tokio_contacts`.

use std::collections::HashSet;
use std::error::Error;

use bytes::Bytes;
use fanfare::{Engine, NoFrontend, PresentityId, Publication};

/// Public, so that a test can run it.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::builder().start(|_core| NoFrontend)?;
    let door = engine.handle();
    let contacts: Vec<PresentityId> = (0..10_000).map(PresentityId::new).collect();
    let states = contacts.iter().map(|&who| Publication::plain(who, Bytes::from_static(b"available")));
    door.publish_all(states).await?.into_iter().collect::<Result<Vec<_>, _>>()?;

    let mut watcher = door.watcher(1).await?;
    watcher.subscribe(&contacts).await?;
    let mut available = HashSet::new();
    while available.len() < contacts.len() {
        let notes = watcher.next_batch().await?;
        available.extend(notes.iter().filter(|note| note.document().is_some()).map(|note| note.presentity));
    }
    println!("{} contacts are available", available.len());
    Ok(engine.shutdown()?)
}
