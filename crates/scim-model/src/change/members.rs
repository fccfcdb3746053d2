//! Changes of a group's members, as operations on rows.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

/// A change of a group's members as row operations. Adding a member that is there, or removing one
/// that is not, changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MembersChange {
    /// The members stay.
    #[default]
    None,
    /// Steps in order, each on the result of the one before.
    Steps(Vec<MembersStep>),
}

/// One step of a change of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembersStep {
    /// These become members.
    Add(Vec<Uuid>),
    /// These are removed from the members.
    Remove(Vec<Uuid>),
    /// All members are removed.
    RemoveAll,
    /// Exactly these are members.
    ReplaceAll(Vec<Uuid>),
}

impl MembersStep {
    pub(super) fn from_json(value: &Value) -> Option<MembersStep> {
        let members = value.as_object().filter(|it| it.len() == 1)?;
        let (name, value) = members.iter().next()?;
        if name == "removeAll" {
            return (*value == true).then_some(MembersStep::RemoveAll);
        }
        let ids = value.as_array()?.iter().map(|it| it.as_str()?.parse().ok());
        let ids = ids.collect::<Option<Vec<Uuid>>>()?;
        match &**name {
            "add" => Some(MembersStep::Add(ids)),
            "remove" => Some(MembersStep::Remove(ids)),
            "replaceAll" => Some(MembersStep::ReplaceAll(ids)),
            _ => None,
        }
    }
}

impl Serialize for MembersStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let (name, ids) = match self {
            MembersStep::Add(ids) => ("add", ids),
            MembersStep::Remove(ids) => ("remove", ids),
            MembersStep::ReplaceAll(ids) => ("replaceAll", ids),
            MembersStep::RemoveAll => {
                map.serialize_entry("removeAll", &true)?;
                return map.end();
            }
        };
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        map.serialize_entry(name, &ids)?;
        map.end()
    }
}
