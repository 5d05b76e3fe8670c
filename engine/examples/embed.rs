//! Embeds an engine, publishes from one thread and watches from another: `cargo run -p fanfare --example embed`.

use std::error::Error;

use bytes::Bytes;
use fanfare::{Engine, NoFrontend, PresentityId, Publication};

/// Public, so that a test can run it.
pub fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::builder().start(|_core| NoFrontend)?;
    println!("an engine with {} shard(s)", engine.shards());

    let door = engine.handle();
    let (ken, kim) = (PresentityId::new(1), PresentityId::new(2));
    let mut watcher = door.watcher(42).wait()?;
    watcher.subscribe(&[ken, kim]).wait()?;

    let publisher = std::thread::spawn(move || {
        for (who, what) in [(ken, "available"), (kim, "away"), (ken, "in a call"), (kim, "gone home")] {
            door.publish(Publication::plain(who, Bytes::from_static(what.as_bytes()))).wait()?;
        }
        Ok::<(), fanfare::CallError>(())
    });
    let mut gone_home = false;
    while !gone_home {
        for note in watcher.next_batch().wait()? {
            let state = note.document().map_or("nothing yet".into(), |d| String::from_utf8_lossy(d.as_slice()));
            println!("{:?} is {state} ({} skipped)", note.presentity, note.skipped);
            gone_home |= state == "gone home";
        }
    }
    publisher.join().expect("the publisher does not panic")?;
    Ok(engine.shutdown()?)
}
