//! Policy churn: users let a colleague into their workgroup, and out again.
//!
//! Whose policy changes is found from the watcher's side: one of his contacts lets him in. Every second edit takes the
//! oldest policy of this shard's making away, so that there are as many as users made in the run and not ever more.

use std::collections::VecDeque;

use fanfare::presence::policy::UnknownContainer;
use fanfare::{Policy, PolicyEdit, PresentityId, Scheme, Who};

use crate::population::{Population, Scratch};
use crate::presence::ORGANISATION;

/// Lync's container of those who may interrupt.
const WORKGROUP: u16 = 300;

/// Makes one shard's edits.
#[derive(Default)]
pub(super) struct Editor {
    made: VecDeque<PresentityId>,
    edits: u64,
    scratch: Scratch,
}

impl Editor {
    /// The next edit, in favour of a watcher or at the expense of another. It counts once it is sent: see
    /// [`Self::sent`].
    ///
    /// # Errors
    /// A scheme without Lync's containers.
    pub(super) fn next(
        &mut self,
        scheme: &Scheme,
        population: &Population,
        watcher: u32,
    ) -> Result<PolicyEdit, UnknownContainer> {
        if self.takes_away()
            && let Some(&owner) = self.made.front()
        {
            return Ok(PolicyEdit::remove(owner, owner));
        }
        population.draw(watcher, &mut self.scratch);
        let contacts = self.scratch.contacts();
        let owner = contacts[self.edits as usize % contacts.len()];
        // A user's policy takes the place of the scheme's, so it says of everybody else what that does.
        let let_in = [(Who::User(PresentityId::new(watcher.into())), WORKGROUP)];
        let members = Scheme::lync_members(ORGANISATION).into_iter().chain(let_in);
        Ok(PolicyEdit::new(owner, owner, Policy::containers(scheme.views(), members)?))
    }

    /// The edit made last has been sent.
    pub(super) fn sent(&mut self, owner: PresentityId) {
        if !self.takes_away() {
            self.made.push_back(owner);
        } else if self.made.front() == Some(&owner) {
            self.made.pop_front();
        }
        self.edits += 1;
    }

    fn takes_away(&self) -> bool {
        self.edits % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use fanfare::{Guard, Network, View};

    use super::*;
    use crate::population::{Kind, Traits};
    use crate::presence;

    #[test]
    fn a_colleague_is_let_in_and_out_again_and_nobody_else_sees_a_difference() {
        let kind = Kind { watchers: [0.5, 0.1], ..Kind::alike(5.0, 24.0) };
        let population = Population::new(Traits { users: 100, kinds: vec![kind], seed: 1 });
        let scheme = presence::scheme();
        let mut editor = Editor::default();
        let view_of = |guard: &dyn Guard, user, network| guard.decide(&presence::identity(user, network)).view;
        let edit = editor.next(&scheme, &population, 7).unwrap();
        let again = editor.next(&scheme, &population, 7).unwrap();
        assert_eq!(edit.presentity, again.presentity, "an edit that was not sent is made again");
        let guard = edit.guard.unwrap();
        assert_eq!(view_of(&*guard, 7, Network::Enterprise), scheme.view_of(WORKGROUP).unwrap());
        for (user, network) in [(8, Network::Enterprise), (9, Network::Federated), (10, Network::PublicCloud)] {
            let usual: View = view_of(&**scheme.guard(), user, network);
            assert_eq!(view_of(&*guard, user, network), usual);
        }
        editor.sent(edit.presentity);
        let out = editor.next(&scheme, &population, 8).unwrap();
        assert!(out.guard.is_none() && out.presentity == edit.presentity);
        editor.sent(out.presentity);
        assert!(editor.next(&scheme, &population, 8).unwrap().guard.is_some());
    }
}
