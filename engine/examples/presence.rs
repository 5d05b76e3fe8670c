//! Two devices and three watchers: what is composed, and who sees it. `cargo run -p fanfare --example presence`.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use fanfare::status::Availability;
use fanfare::{
    Category, EndpointId, EndpointPublication, Engine, Handle, Identity, Network, NoFrontend, Policy, PolicyEdit,
    PresentityId, Rendition, Scheme, Status, Watcher, Who,
};

const CONTOSO: u64 = 1;
const KEN: PresentityId = PresentityId::new(1);
const NOTE: Category = Category::numbered(1);
const HOUR_US: u64 = 3_600_000_000;

/// A watcher of Ken's who works at Contoso, or comes from elsewhere.
fn watcher(door: &Handle, user: u64, network: Network) -> Result<Watcher, Box<dyn Error>> {
    let organisation = if network == Network::Enterprise { CONTOSO } else { 0 };
    let who = Identity { organisation, network, ..Identity::of(PresentityId::new(user)) };
    let mut watcher = door.watcher_for(user, Arc::new(who)).wait()?;
    watcher.watch(&[KEN]).wait()?;
    Ok(watcher)
}

/// Takes notes until the status is this one; tells whether there was a note of Ken's to be read beside it.
fn hear(watcher: &mut Watcher, wanted: Availability) -> Result<bool, Box<dyn Error>> {
    let (mut is_there, mut has_note) = (false, false);
    while !is_there {
        for note in watcher.next_batch().wait()? {
            for (category, document) in note.parts() {
                match document {
                    Some(state) if category == Category::FIRST => {
                        is_there |= Rendition::from_bytes(state.as_slice())?.status.availability == wanted;
                    }
                    document => has_note |= category == NOTE && document.is_some(),
                }
            }
        }
    }
    Ok(has_note)
}

/// Public, so that a test can run it.
pub fn main() -> Result<(), Box<dyn Error>> {
    let scheme = Scheme::lync(CONTOSO);
    let engine = Engine::builder().scheme(scheme.clone()).start(|_core| NoFrontend)?;
    let door = engine.handle();

    // What the user says by no device in particular, and what two devices say.
    let note = EndpointPublication::hard(KEN, Vec::new()).with(NOTE, Bytes::from_static(b"in the garden"));
    let phone = EndpointPublication::create(KEN, EndpointId(1), Status::new(Availability::AWAY), HOUR_US);
    let desk = EndpointPublication::create(KEN, EndpointId(2), Status::new(Availability::DO_NOT_DISTURB), HOUR_US);
    for publication in [note, phone, desk.clone()] {
        door.publish_endpoint(publication).wait()?;
    }
    let mut colleague = watcher(&door, 2, Network::Enterprise)?;
    let mut stranger = watcher(&door, 3, Network::PublicCloud)?;
    println!("a colleague sees do-not-disturb, and the note: {}", hear(&mut colleague, Availability::DO_NOT_DISTURB)?);
    println!("a stranger sees do-not-disturb, and the note: {}", hear(&mut stranger, Availability::DO_NOT_DISTURB)?);

    // The colleague may interrupt from now on, and the stranger sees Ken offline, whatever he does.
    let members = Scheme::lync_members(CONTOSO).into_iter();
    let members = members.chain([(Who::User(PresentityId::new(2)), 300), (Who::User(PresentityId::new(3)), 32_000)]);
    let policy = Policy::containers(scheme.views(), members)?;
    let epoch = door.set_policy(PolicyEdit::new(KEN, KEN, policy)).wait()?;
    hear(&mut colleague, Availability::URGENT_ONLY)?;
    hear(&mut stranger, Availability::OFFLINE)?;
    println!("policy {} is applied: the colleague sees urgent-only, the stranger offline", epoch.get());
    for watching in door.watchers_of(KEN).wait()? {
        let view = &scheme.views()[usize::from(watching.view.0)];
        println!("{:?} gets `{}`", watching.user.expect("both are somebody"), view.name);
    }
    Ok(engine.shutdown()?)
}
