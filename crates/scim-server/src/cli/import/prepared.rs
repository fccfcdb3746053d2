//! Resources: from a line to what the store gets.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};
use scim_model::internal::check_keys;
use scim_model::store::{ImportedResource, NewResource};
use scim_model::{Document, Policy, ResourceType, ScimError, ScimType, SecretHash, SecretHashes};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::ids::Ids;
use super::setting::Setting;
use crate::cli::transfer::{SECRETS, time};
use crate::clock;

/// A resource of a line, ready for the store.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) line: u64,
    pub(super) resource: ImportedResource,
}

impl Prepared {
    /// The group with this id, to add members to.
    pub(super) fn with_members(mut self, id: Uuid, members: Vec<Uuid>) -> Prepared {
        self.resource.new.id = id;
        self.resource.new.members = members;
        self
    }
}

/// Reads resources in a setting.
pub(super) struct Reader<'a> {
    pub(super) setting: &'a Setting<'a>,
    pub(super) ids: &'a Ids,
}

impl Reader<'_> {
    /// Reads a resource as a POST is read, with ids, versions and times as the arguments demand.
    pub(super) fn prepare(&self, line: u64, value: Value) -> Result<Prepared, ScimError> {
        let Value::Object(mut body) = value else {
            return Err(ScimError::new(ScimType::InvalidSyntax, "expected a JSON object"));
        };
        let meta = match body.remove("meta") {
            Some(Value::Object(meta)) => meta,
            _ => Map::new(),
        };
        let resource_type = self.resource_type(&body, &meta)?;
        let id = self.id(body.remove("id"))?;
        let secrets = secrets(body.remove(SECRETS))?;
        let mut body = Value::Object(body);
        check_keys(
            &self.setting.registry,
            &resource_type,
            &body,
            ScimType::InvalidSyntax,
        )?;
        self.rename_references(&resource_type, &mut body);
        let sent = Document::for_create(&resource_type, body, Policy { lenient: true })?;
        let members = sent.members.unwrap_or_default();
        let (version, created, last_modified) = match self.setting.arguments.keep_versions {
            true => kept(&meta)?,
            false => (1, self.setting.now, self.setting.now),
        };
        let new = NewResource {
            resource_type,
            id,
            now: self.setting.now,
            actor: self.setting.actor.clone(),
            document: sent.document,
            members: members.into_iter().map(|it| self.ids.of(it)).collect(),
            secrets,
        };
        let resource = ImportedResource {
            new,
            version,
            created,
            last_modified,
            is_recorded: !self.setting.arguments.keep_journal,
        };
        Ok(Prepared { line, resource })
    }

    fn resource_type(
        &self,
        body: &Map<String, Value>,
        meta: &Map<String, Value>,
    ) -> Result<Arc<ResourceType>, ScimError> {
        let name = meta.get("resourceType").and_then(Value::as_str);
        let schemas = body.get("schemas").and_then(Value::as_array);
        let has_schema = |it: &&Arc<ResourceType>| {
            let is_own = |urn: &Value| {
                urn.as_str()
                    .is_some_and(|urn| urn.eq_ignore_ascii_case(&it.schema.id))
            };
            schemas.is_some_and(|urns| urns.iter().any(is_own))
        };
        let types = &self.setting.registry.resource_types;
        let found = match name {
            Some(name) => types.iter().find(|it| &*it.name == name),
            None => types.iter().find(has_schema),
        };
        found.cloned().ok_or_else(|| {
            let problem = "names no resource type of this server: repeat the `--schemas` of the servers";
            match name {
                Some(_) => ScimError::at(ScimType::InvalidValue, "meta.resourceType", problem),
                None => ScimError::at(ScimType::InvalidSyntax, "schemas", problem),
            }
        })
    }

    fn id(&self, value: Option<Value>) -> Result<Uuid, ScimError> {
        let Some(value) = value else {
            return match self.setting.arguments.keep_ids {
                true => Err(ScimError::at(
                    ScimType::InvalidValue,
                    "id",
                    "is missing, and `--keep-ids` needs it",
                )),
                false => Ok(clock::new_id()),
            };
        };
        let id = value.as_str().and_then(|it| Uuid::try_parse(it).ok());
        let id = id.ok_or_else(|| ScimError::at(ScimType::InvalidValue, "id", "is not a UUID"))?;
        Ok(self.ids.of(id))
    }

    /// Replaces the ids in references such as `manager`.
    fn rename_references(&self, resource_type: &ResourceType, body: &mut Value) {
        for path in resource_type.shown_references() {
            let holder = match &path.extension {
                None => Some(&mut *body),
                Some(urn) => body.get_mut(&**urn),
            };
            let value = holder
                .and_then(|it| it.get_mut(&path.attribute.name))
                .and_then(|it| it.get_mut("value"));
            if let Some(value) = value
                && let Some(id) = value.as_str().and_then(|it| Uuid::try_parse(it).ok())
            {
                *value = self.ids.of(id).to_string().into();
            }
        }
    }
}

/// The version and the times in `meta`.
fn kept(meta: &Map<String, Value>) -> Result<(i64, DateTime<Utc>, DateTime<Utc>), ScimError> {
    let text = |name: &str| meta.get(name).and_then(Value::as_str);
    let invalid =
        |name: &str, problem: &str| ScimError::at(ScimType::InvalidValue, format!("meta.{name}"), problem);
    let version = text("version").and_then(|it| {
        let digits = it
            .strip_prefix("W/\"")
            .and_then(|it| it.strip_suffix('"'))
            .unwrap_or(it);
        digits.parse().ok().filter(|it| *it > 0)
    });
    let at = |name: &str| {
        let time = text(name).and_then(time);
        let time = time.ok_or_else(|| invalid(name, "is not a time, and `--keep-versions` needs one"))?;
        Ok::<_, ScimError>(time.trunc_subsecs(3))
    };
    let version = version.ok_or_else(|| {
        invalid(
            "version",
            "is not a version such as `W/\"3\"`, and `--keep-versions` needs one",
        )
    })?;
    Ok((version, at("created")?, at("lastModified")?))
}

fn secrets(value: Option<Value>) -> Result<SecretHashes, ScimError> {
    let invalid = || {
        ScimError::at(
            ScimType::InvalidValue,
            SECRETS,
            "must have a PHC string for each path",
        )
    };
    let hashes = match value {
        None => return Ok(SecretHashes::new()),
        Some(Value::Object(hashes)) => hashes,
        Some(_) => return Err(invalid()),
    };
    let hash = |(path, hash): (String, Value)| match hash {
        Value::String(hash) if hash.starts_with('$') => Ok((path, Some(SecretHash(hash)))),
        _ => Err(invalid()),
    };
    hashes.into_iter().map(hash).collect()
}
