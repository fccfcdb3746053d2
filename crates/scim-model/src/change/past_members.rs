//! The members of a group in the past: from later members, changes are undone one by one, the newest first.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::difference::MEMBERS;
use super::{AttributeChange, ChangeDetail, Operation};

/// The members of a group between two of its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastMembers {
    /// The ids of the members; empty for a resource that does not exist.
    Known(BTreeSet<Uuid>),
    /// A change cannot be read, or does not record which members there were, so the members before it are not known.
    Unknown,
}

impl PastMembers {
    /// Returns the members before a change, if these are the members after it.
    #[must_use]
    pub fn undo(self, operation: Operation, detail: &ChangeDetail) -> PastMembers {
        match (operation, detail, self) {
            (Operation::Create, ..) => PastMembers::Known(BTreeSet::new()),
            (Operation::Delete, detail, _) => PastMembers::Known(BTreeSet::new()).before(detail),
            (Operation::MemberRenamed, _, members) => members,
            (_, detail, members) => members.before(detail),
        }
    }

    fn before(self, detail: &ChangeDetail) -> PastMembers {
        let PastMembers::Known(mut members) = self else {
            return PastMembers::Unknown;
        };
        let change = match detail {
            ChangeDetail::Attributes(changes) => changes.get(MEMBERS),
            // The member was deleted, and left the group.
            ChangeDetail::Member(id) => {
                members.insert(*id);
                None
            }
            ChangeDetail::Unreadable(_) => return PastMembers::Unknown,
        };
        match change {
            Some(AttributeChange::References { added, removed }) => {
                for id in ids(added) {
                    members.remove(&id);
                }
                members.extend(ids(removed));
                PastMembers::Known(members)
            }
            Some(_) => PastMembers::Unknown,
            None => PastMembers::Known(members),
        }
    }
}

/// Texts that are not ids never named a member.
fn ids(texts: &[String]) -> impl Iterator<Item = Uuid> {
    texts.iter().filter_map(|it| it.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(ids: &[u128]) -> PastMembers {
        PastMembers::Known(ids.iter().copied().map(Uuid::from_u128).collect())
    }

    fn list(ids: &[u128]) -> String {
        let texts: Vec<String> = ids.iter().map(|it| Uuid::from_u128(*it).to_string()).collect();
        serde_json::to_string(&texts).expect("it is JSON")
    }

    fn references(added: &[u128], removed: &[u128]) -> ChangeDetail {
        let (added, removed) = (list(added), list(removed));
        ChangeDetail::from_stored(&format!(
            r#"{{"members":{{"added":{added},"removed":{removed}}}}}"#
        ))
    }

    #[test]
    fn changes_of_members_are_undone() {
        let title = ChangeDetail::from_stored(r#"{"displayName":{"old":"a","new":"b"}}"#);
        let member = ChangeDetail::Member(Uuid::from_u128(7));
        let steps = ChangeDetail::from_stored(r#"{"members":{"steps":[{"removeAll":true}]}}"#);
        let damaged = ChangeDetail::from_stored("{");
        for (operation, detail, after, before) in [
            (
                Operation::Update,
                references(&[1], &[2]),
                known(&[1, 3]),
                known(&[2, 3]),
            ),
            (Operation::Update, title.clone(), known(&[1]), known(&[1])),
            (Operation::Create, references(&[1], &[]), known(&[1]), known(&[])),
            (
                Operation::Create,
                damaged.clone(),
                PastMembers::Unknown,
                known(&[]),
            ),
            (
                Operation::Delete,
                references(&[], &[1, 2]),
                known(&[]),
                known(&[1, 2]),
            ),
            (Operation::Delete, title, PastMembers::Unknown, known(&[])),
            (
                Operation::MemberDeleted,
                member.clone(),
                known(&[1]),
                known(&[1, 7]),
            ),
            (Operation::MemberRenamed, member, known(&[7]), known(&[7])),
            (Operation::Update, steps, known(&[1]), PastMembers::Unknown),
            (Operation::Update, damaged, known(&[1]), PastMembers::Unknown),
            (
                Operation::Update,
                references(&[1], &[]),
                PastMembers::Unknown,
                PastMembers::Unknown,
            ),
        ] {
            assert_eq!(
                after.clone().undo(operation, &detail),
                before,
                "{operation:?} {detail:?}"
            );
        }
    }
}
