//! A copy of the directory that an application makes from what is delivered to it.

use std::collections::{BTreeMap, HashMap};

use scim_model::{Document, Policy, SchemaRegistry};
use serde_json::{Map, Value};

use super::writers::version;
use crate::harness::HttpClient;

/// The values of a resource by name. The name of an extension precedes the names of its attributes, and members are
/// sorted ids.
pub type Attributes = BTreeMap<String, Value>;

/// The resources by key.
pub type Resources = BTreeMap<String, Attributes>;

/// Names a resource of a tenant.
pub fn key(tenant: &str, resource_type: &str, id: &str) -> String {
    format!("{tenant}/{resource_type}s/{id}")
}

/// The attributes of a resource as a client sends it or gets it, without those that follow from other resources.
pub fn attributes(resource: &Value) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in resource.as_object().unwrap() {
        match &**name {
            "schemas" | "id" | "meta" | "groups" => {}
            "members" => set_members(&mut attributes, ids(value)),
            urn if urn.starts_with("urn:") => {
                let values = value.as_object().unwrap().iter();
                attributes.extend(values.map(|(name, it)| (format!("{urn}:{name}"), it.clone())));
            }
            _ => drop(attributes.insert(name.clone(), value.clone())),
        }
    }
    attributes
}

fn ids(members: &Value) -> Vec<Value> {
    let members = members.as_array().unwrap().iter();
    members.map(|it| it["value"].clone()).collect()
}

fn set_members(attributes: &mut Attributes, mut ids: Vec<Value>) {
    ids.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    match ids.is_empty() {
        true => drop(attributes.remove("members")),
        false => drop(attributes.insert("members".to_owned(), ids.into())),
    }
}

/// Reads all resources of a tenant over SCIM.
pub fn directory(client: &HttpClient, tenant: &str) -> Resources {
    let mut resources = Resources::new();
    for resource_type in ["User", "Group"] {
        let mut path = format!("/{resource_type}s?count=200&cursor");
        loop {
            let (status, page) = client.send("GET", &path, None);
            assert_eq!(status, 200, "{page}");
            for it in page["Resources"].as_array().unwrap_or(&Vec::new()) {
                let key = key(tenant, resource_type, it["id"].as_str().unwrap());
                resources.insert(key, attributes(it));
            }
            let Some(cursor) = page["nextCursor"].as_str() else {
                break;
            };
            path = format!("/{resource_type}s?count=200&cursor={cursor}");
        }
    }
    resources
}

/// A copy, with the mistakes that were found while it was made.
#[derive(Default)]
pub struct Replica {
    pub resources: Resources,
    /// The last version of each resource, also of deleted ones.
    versions: HashMap<String, i64>,
    /// Deliveries about a resource that came after those of a later version.
    pub reordered: Vec<String>,
    /// Deliveries that do not fit the state of the resource.
    pub unexpected: Vec<String>,
}

impl Replica {
    /// Applies an event of the feed.
    pub fn apply_event(&mut self, event: &Value) {
        let (data, event_type) = (&event["data"], event["type"].as_str().unwrap());
        let text = |name: &str| data[name].as_str().unwrap();
        let key = key(text("tenant"), text("resourceType"), text("resourceId"));
        self.check_order(&key, data["version"].as_i64().unwrap(), event);
        let is_known = self.resources.contains_key(&key);
        let expected = match event_type.rsplit('.').next().unwrap() {
            "created" => !is_known,
            // The members leave a group that was deleted.
            "member_removed" => true,
            _ => is_known,
        };
        if !expected {
            self.unexpected.push(event.to_string());
        }
        if event_type.ends_with(".deleted") {
            self.resources.remove(&key);
            return;
        }
        if event_type.ends_with(".member_removed") && !is_known {
            return;
        }
        let attributes = self.resources.entry(key).or_default();
        for (name, change) in data["changes"].as_object().unwrap() {
            if name == "members" {
                change_members(attributes, change);
            } else if let Some(new) = change.get("new") {
                attributes.insert(name.clone(), new.clone());
            } else {
                attributes.remove(name);
            }
        }
    }

    /// Applies a security event token about a resource.
    pub fn apply_token(&mut self, registry: &SchemaRegistry, claims: &Value) {
        let (uri, event) = claims["events"].as_object().unwrap().iter().next().unwrap();
        let Some(kind) = uri.strip_prefix("urn:ietf:params:scim:event:prov:") else {
            return;
        };
        let path = claims["sub_id"]["uri"].as_str().unwrap();
        let key = format!("{}{path}", claims["tenant"].as_str().unwrap());
        // A deletion has no content, and so no version.
        if let Some(etag) = event["version"].as_str() {
            self.check_order(&key, version(etag), claims);
        }
        let is_known = self.resources.contains_key(&key);
        if is_known == kind.starts_with("create") {
            self.unexpected.push(claims.to_string());
        }
        match kind {
            "create:full" => drop(self.resources.insert(key, attributes(&event["data"]))),
            "delete" => drop(self.resources.remove(&key)),
            "activate" | "deactivate" => {
                let active = self.resources.get(&key).and_then(|it| it.get("active"));
                if active != Some(&Value::from(kind == "activate")) {
                    self.unexpected.push(claims.to_string());
                }
            }
            "patch:full" if is_known => {
                let resource_type = if path.starts_with("/Users/") {
                    "User"
                } else {
                    "Group"
                };
                let attributes = self.resources.get_mut(&key).unwrap();
                *attributes = patched(registry, resource_type, attributes, &event["data"]);
            }
            // The name of a member, which the group does not store.
            "patch:notice" if event["attributes"] == serde_json::json!(["members"]) => {}
            _ => self.unexpected.push(claims.to_string()),
        }
    }

    fn check_order(&mut self, key: &str, version: i64, delivery: &Value) {
        let last = self.versions.entry(key.to_owned()).or_default();
        if version < *last {
            self.reordered.push(delivery.to_string());
        }
        *last = version.max(*last);
    }
}

fn change_members(attributes: &mut Attributes, change: &Value) {
    // A member that was renamed is the same member.
    let Some(added) = change["added"].as_array() else {
        return;
    };
    let removed = change["removed"].as_array().unwrap();
    let members = attributes.get("members").and_then(Value::as_array);
    let mut members = members.cloned().unwrap_or_default();
    members.retain(|it| !removed.contains(it));
    members.extend(added.iter().cloned());
    set_members(attributes, members);
}

/// Applies a PATCH as a server would.
fn patched(
    registry: &SchemaRegistry,
    resource_type: &str,
    attributes: &Attributes,
    patch: &Value,
) -> Attributes {
    let resource_type = registry.resource_type(resource_type).unwrap();
    let policy = Policy { lenient: false };
    let operations = scim_patch::Operation::parse_all(patch.clone(), policy).unwrap();
    let document = Document::from_values(resource(attributes));
    let outcome = scim_patch::apply(resource_type, &document, &operations, policy).unwrap();
    self::attributes(&Value::Object(outcome.document.into_values()))
}

/// The resource that has these attributes.
fn resource(attributes: &Attributes) -> Map<String, Value> {
    let mut resource = Map::new();
    for (name, value) in attributes {
        if name == "members" {
            let members = value.as_array().unwrap().iter();
            let members = members.map(|it| serde_json::json!({ "value": it }));
            resource.insert(name.clone(), members.collect());
        } else if let Some((urn, name)) = name.rsplit_once(':') {
            let extension = resource.entry(urn).or_insert_with(|| Map::new().into());
            extension[name] = value.clone();
        } else {
            resource.insert(name.clone(), value.clone());
        }
    }
    resource
}
