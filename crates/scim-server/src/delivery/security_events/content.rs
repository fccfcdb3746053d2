//! The payload of events about resources: the names of the changed attributes, or their values (RFC 9967 section 2.2).

use scim_model::SchemaRegistry;
use scim_model::change::{AttributeChange, AttributeChanges, Change, ChangeDetail, Operation};
use scim_model::internal::{PATCH_OP_URN, etag, location};
use scim_model::schema::ResourceType;
use serde_json::{Map, Value, json};

use crate::delivery::event::timestamp;

/// The size of the values from which a token names the attributes only, in bytes of JSON.
const MAX_VALUE_BYTES: usize = 100_000;

/// The payload of an event about a resource.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// The paths of the changed attributes.
    Attributes(Vec<String>),
    /// The created resource, or a PATCH request.
    Data(Value),
}

/// Returns the paths of the attributes that a change concerns. A part of a complex attribute is `name.familyName`.
pub(super) fn attributes(change: &Change) -> Content {
    Content::Attributes(match &change.detail {
        ChangeDetail::Attributes(changes) if change.operation == Operation::Create => {
            let paths = changes.iter().map(|(path, _)| path.to_owned());
            std::iter::once("id".to_owned()).chain(paths).collect()
        }
        ChangeDetail::Attributes(changes) => {
            let mut paths: Vec<String> = edits(changes).into_iter().map(|(path, _)| path).collect();
            // Members that came and members that went are two edits of one attribute.
            paths.dedup();
            paths
        }
        ChangeDetail::Member(_) => vec![MEMBERS.to_owned()],
        ChangeDetail::Unreadable(_) => Vec::new(),
    })
}

/// Returns the values of a change. `None` if the journal does not have them, or if they are too large.
pub(super) fn data(change: &Change, registry: &SchemaRegistry, base_url: Option<&str>) -> Option<Content> {
    let data = match (&change.detail, change.operation) {
        (ChangeDetail::Attributes(changes), Operation::Create) => {
            let resource_type = registry.resource_type(&change.resource_type)?;
            resource(change, changes, resource_type, base_url)?
        }
        (ChangeDetail::Attributes(changes), _) => patch(changes)?,
        (ChangeDetail::Member(member), Operation::MemberDeleted) => {
            patch_request(&[removed_reference(MEMBERS, &member.to_string())])
        }
        // The new name of the member is in the change of the member.
        (ChangeDetail::Member(_) | ChangeDetail::Unreadable(_), _) => return None,
    };
    (data.to_string().len() <= MAX_VALUE_BYTES).then_some(Content::Data(data))
}

const MEMBERS: &str = "members";

/// The created resource as a GET returns it, without values that are derived from other resources.
fn resource(
    change: &Change,
    changes: &AttributeChanges,
    resource_type: &ResourceType,
    base_url: Option<&str>,
) -> Option<Value> {
    let mut schemas = vec![Value::from(&*resource_type.schema.id)];
    let mut values = Map::new();
    for (path, change) in changes.iter() {
        let value = match change {
            AttributeChange::Value { new: Some(value), .. } => value.clone(),
            AttributeChange::References { added, .. } => references(added),
            AttributeChange::Value { new: None, .. } | AttributeChange::Hidden => continue,
            AttributeChange::Steps(_) => return None,
        };
        let extension = path
            .rsplit_once(':')
            .and_then(|(urn, name)| Some((resource_type.extension_of(urn)?, name)));
        let Some((schema, name)) = extension else {
            values.insert(path.to_owned(), value);
            continue;
        };
        if !values.contains_key(&*schema.id) {
            schemas.push(Value::from(&*schema.id));
        }
        let object = values.entry(schema.id.to_string()).or_insert_with(|| json!({}));
        object[name] = value;
    }
    let mut meta = json!({
        "resourceType": &*change.resource_type,
        "created": timestamp(change.at),
        "lastModified": timestamp(change.at),
        "version": etag(change.version),
    });
    if let Some(base_url) = base_url {
        meta["location"] = location(base_url, resource_type, change.id).into();
    }
    let mut resource = Map::new();
    resource.insert("schemas".to_owned(), schemas.into());
    resource.insert("id".to_owned(), change.id.to_string().into());
    resource.extend(values);
    resource.insert("meta".to_owned(), meta);
    Some(Value::Object(resource))
}

/// One operation of a PATCH.
enum Edit<'a> {
    Set(&'a Value),
    Unset,
    Add(&'a [String]),
    Remove(&'a [String]),
    /// The journal does not have the values, because they are secret.
    Hidden,
    /// The journal has the values in a form of an earlier version.
    Steps,
}

/// The changes as a PATCH request that leads from the old values to the new ones. Secrets are left out.
fn patch(changes: &AttributeChanges) -> Option<Value> {
    let mut operations = Vec::new();
    for (path, edit) in edits(changes) {
        match edit {
            Edit::Set(value) => operations.push(json!({"op": "replace", "path": path, "value": value})),
            Edit::Unset => operations.push(json!({"op": "remove", "path": path})),
            Edit::Add(ids) => operations.push(json!({"op": "add", "path": path, "value": references(ids)})),
            Edit::Remove(ids) => operations.extend(ids.iter().map(|it| removed_reference(&path, it))),
            Edit::Hidden => {}
            Edit::Steps => return None,
        }
    }
    (!operations.is_empty()).then(|| patch_request(&operations))
}

fn patch_request(operations: &[Value]) -> Value {
    json!({"schemas": [PATCH_OP_URN], "Operations": operations})
}

fn references(ids: &[String]) -> Value {
    ids.iter().map(|it| json!({ "value": it })).collect()
}

fn removed_reference(path: &str, id: &str) -> Value {
    json!({"op": "remove", "path": format!("{path}[value eq {}]", Value::from(id))})
}

fn edits(changes: &AttributeChanges) -> Vec<(String, Edit<'_>)> {
    let mut edits = Vec::new();
    for (path, change) in changes.iter() {
        match change {
            AttributeChange::Value {
                old: Some(Value::Object(old)),
                new: Some(Value::Object(new)),
            } => sub_attributes(path, old, new, &mut edits),
            AttributeChange::Value { new: Some(new), .. } => edits.push((path.to_owned(), Edit::Set(new))),
            AttributeChange::Value { new: None, .. } => edits.push((path.to_owned(), Edit::Unset)),
            AttributeChange::References { added, removed } => {
                if !removed.is_empty() {
                    edits.push((path.to_owned(), Edit::Remove(removed)));
                }
                if !added.is_empty() {
                    edits.push((path.to_owned(), Edit::Add(added)));
                }
            }
            AttributeChange::Hidden => edits.push((path.to_owned(), Edit::Hidden)),
            AttributeChange::Steps(_) => edits.push((path.to_owned(), Edit::Steps)),
        }
    }
    edits
}

/// Adds the sub-attributes that differ: a PATCH that replaces a complex attribute keeps those that it does not name.
fn sub_attributes<'a>(
    path: &str,
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
    edits: &mut Vec<(String, Edit<'a>)>,
) {
    for (name, value) in new.iter().filter(|(name, value)| old.get(*name) != Some(value)) {
        edits.push((format!("{path}.{name}"), Edit::Set(value)));
    }
    for name in old.keys().filter(|it| !new.contains_key(*it)) {
        edits.push((format!("{path}.{name}"), Edit::Unset));
    }
}
