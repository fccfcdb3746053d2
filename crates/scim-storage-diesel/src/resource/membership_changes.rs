//! The members that a write has effectively added to a group and removed from it.

use std::collections::HashMap;

use uuid::Uuid;

/// The effects of a write on the memberships of a group, in order.
#[derive(Default)]
pub(crate) struct MembershipChanges {
    /// `None` where a later change has undone an earlier one.
    effects: Vec<Option<(Uuid, Effect)>>,
    /// The index of the effect on each member.
    places: HashMap<Uuid, usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Added,
    Removed,
}

impl MembershipChanges {
    /// Records new members.
    pub(crate) fn add(&mut self, ids: impl IntoIterator<Item = Uuid>) {
        ids.into_iter().for_each(|id| self.record(id, Effect::Added));
    }

    /// Records members that are gone.
    pub(crate) fn remove(&mut self, ids: impl IntoIterator<Item = Uuid>) {
        ids.into_iter().for_each(|id| self.record(id, Effect::Removed));
    }

    /// Additions and removals of a member alternate, so a second effect undoes the first.
    fn record(&mut self, id: Uuid, effect: Effect) {
        match self.places.remove(&id) {
            Some(place) => self.effects[place] = None,
            None => {
                self.places.insert(id, self.effects.len());
                self.effects.push(Some((id, effect)));
            }
        }
    }

    /// Returns whether no membership was written, not even one that was undone.
    pub(crate) fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Returns the ids of the members that are new, and of those that are gone.
    pub(crate) fn added_and_removed(&self) -> (Vec<Uuid>, Vec<Uuid>) {
        let ids = |wanted: Effect| {
            let effects = self.effects.iter().flatten();
            effects
                .filter(|(_, it)| *it == wanted)
                .map(|(id, _)| *id)
                .collect()
        };
        (ids(Effect::Added), ids(Effect::Removed))
    }
}
