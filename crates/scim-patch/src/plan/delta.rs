//! The net effect of operations on the members of a group.

use std::collections::HashMap;

use scim_model::store::MembersStep;
use uuid::Uuid;

/// The effect of operations on members, independent of the members that the group has.
#[derive(Default)]
pub(super) struct Delta {
    /// Whether the members that the group had before are removed unless they are named.
    replaces: bool,
    /// Whether each named id is a member afterwards, in the order in which the ids were named first.
    named: Vec<(Uuid, bool)>,
    /// Where an id is in `named`.
    positions: HashMap<Uuid, usize>,
}

impl Delta {
    /// Removes all members.
    pub(super) fn clear(&mut self) {
        *self = Delta {
            replaces: true,
            ..Delta::default()
        };
    }

    pub(super) fn add(&mut self, id: Uuid) {
        self.set(id, true);
    }

    pub(super) fn remove(&mut self, id: Uuid) {
        self.set(id, false);
    }

    fn set(&mut self, id: Uuid, is_member: bool) {
        let position = *self.positions.entry(id).or_insert(self.named.len());
        if position == self.named.len() {
            self.named.push((id, is_member));
        } else {
            self.named[position].1 = is_member;
        }
    }

    pub(super) fn into_steps(self) -> Vec<MembersStep> {
        let ids = |is_member: bool| -> Vec<Uuid> {
            let named = self.named.iter().filter(|(_, it)| *it == is_member);
            named.map(|(id, _)| *id).collect()
        };
        let (removed, added) = (ids(false), ids(true));
        if self.replaces {
            return vec![match added.is_empty() {
                true => MembersStep::RemoveAll,
                false => MembersStep::ReplaceAll(added),
            }];
        }
        let mut steps = Vec::new();
        if !removed.is_empty() {
            steps.push(MembersStep::Remove(removed));
        }
        if !added.is_empty() {
            steps.push(MembersStep::Add(added));
        }
        steps
    }
}
