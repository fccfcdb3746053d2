//! The names of a resource. Each entry of the journal records them, although its change may not concern them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AttributeChange, AttributeChanges};
use crate::schema::ResourceType;

/// The names of a resource after a change; for a deletion, the last ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceNames {
    /// The id that the client gave the resource.
    #[serde(rename = "externalId", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The value of the attribute [`name_attribute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ResourceNames {
    /// Returns the names that the values of a document contain. Attributes that are never returned are left out.
    pub fn of_values(resource_type: &ResourceType, values: &Map<String, Value>) -> ResourceNames {
        let text = |name: &str| {
            let attribute = resource_type.core_attribute(name)?;
            let text = values.get(name)?.as_str()?;
            (!attribute.is_never_read()).then(|| text.to_owned())
        };
        ResourceNames {
            external_id: text("externalId"),
            name: text(name_attribute(&resource_type.name)),
        }
    }

    /// Returns the names that a stored document contains. A document that cannot be read has no names.
    pub fn of_document(resource_type: &ResourceType, stored_document: &str) -> ResourceNames {
        let values = serde_json::from_str(stored_document).unwrap_or_default();
        ResourceNames::of_values(resource_type, &values)
    }

    /// Returns the names that the stored document of a group contains. The schema of groups is built in, and hides
    /// neither of them.
    pub fn of_group(stored_document: &str) -> ResourceNames {
        let values: Map<String, Value> = serde_json::from_str(stored_document).unwrap_or_default();
        let text = |name: &str| values.get(name)?.as_str().map(str::to_owned);
        ResourceNames {
            external_id: text("externalId"),
            name: text("displayName"),
        }
    }

    /// Returns the names that the changes of a creation or a deletion contain.
    pub fn of_changes(resource_type: &str, changes: &AttributeChanges) -> ResourceNames {
        let text = |name: &str| match changes.get(name)? {
            AttributeChange::Value { old, new } => new.as_ref().or(old.as_ref())?.as_str().map(str::to_owned),
            _ => None,
        };
        ResourceNames {
            external_id: text("externalId"),
            name: text(name_attribute(resource_type)),
        }
    }

    /// Reads the text that a store has kept; `None` if it was damaged.
    pub fn from_stored(text: &str) -> Option<ResourceNames> {
        serde_json::from_str(text).ok()
    }

    /// The text for a store to keep.
    pub fn to_stored(&self) -> String {
        serde_json::to_string(self).expect("its keys are strings, and writing to memory does not fail")
    }
}

pub(super) const USER: &str = "User";

/// Returns the attribute that names the resources of a type to people: `userName` of a user, otherwise `displayName`.
pub fn name_attribute(resource_type: &str) -> &'static str {
    match resource_type == USER {
        true => "userName",
        false => "displayName",
    }
}
