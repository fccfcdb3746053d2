//! A resource's own attributes in canonical form: from what a client sent, to what is stored.

mod check;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{Place, ScimError, ScimType, invalid};
use crate::json;
use crate::schema::{Attribute, AttributePath, AttributeType, Mutability, ResourceType, Returned, Schema};
use crate::secret::{ClearText, SentSecrets};
use crate::value::canonical::{canonical_value, check_unknown, wrong_type};
use crate::value::key;
use crate::value::policy::Policy;
use crate::value::reference::member_id;

/// Bytes of all attributes of a resource together, members of groups not counted.
pub const MAX_DOCUMENT: usize = 1024 * 1024;

/// What a client may change of a resource, in canonical form: names spelled as in the schema, no
/// `null`, `[]` or `{}`, values in the form that is stored and returned.
///
/// It holds neither `id`, `meta` and `schemas` nor derived attributes (`User.groups`,
/// `Group.members`): those belong to the store. `schemas` is derived from it, see
/// [`Document::schemas`]. What no schema describes, because an operator took an extension away,
/// stays in it and is not shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(pub Map<String, Value>);

/// The body of a POST or PUT, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// What is to be stored.
    pub document: Document,
    /// Ids of the group's members, in order and each once; `None` when the type has no members, or
    /// the body did not speak of them. A replacement that does not speak of them clears them
    /// so there it is always `Some` for groups.
    pub members: Option<Vec<Uuid>>,
    /// The `type` of those members for which the client named one. One that contradicts the member
    /// is an error, which needs the store to tell.
    pub member_types: Vec<(Uuid, String)>,
    /// The password, and other secrets: valid, and not in the document. What a replacement
    /// does not speak of stays.
    pub secrets: SentSecrets,
    /// The attributes with `returned` = `request` that the client sent: they are part of the answer
    /// ([`crate::Projection::with_sent`]).
    pub requested: Vec<AttributePath>,
}

impl Sent {
    fn has_secret_of(&self, extension: &str) -> bool {
        let of_it = |path: &String| path.strip_prefix(extension).is_some_and(|it| it.starts_with(':'));
        self.secrets
            .iter()
            .any(|(path, secret)| of_it(path) && secret.is_some())
    }
}

impl Document {
    /// The body of a POST in canonical form (RFC 7644 section 3.3): readOnly attributes ignored,
    /// everything checked.
    ///
    /// # Errors
    /// `invalidSyntax` for a body that is no resource of this type, `invalidValue` for a value that
    /// does not fit its attribute or is missing; the detail names the attribute by its full path.
    pub fn for_create(resource_type: &ResourceType, body: Value, policy: Policy) -> Result<Sent, ScimError> {
        let sent = read(resource_type, body, policy)?;
        check_secrets(resource_type, &sent, true)?;
        // Secrets are not in the document, and an extension may hold nothing else.
        let has_secret = |extension: &Schema| sent.has_secret_of(&extension.id);
        sent.document.check_all(resource_type, None, has_secret)?;
        Ok(sent)
    }

    /// The body of a PUT in canonical form (RFC 7644 section 3.5.1), to take the place of `current`:
    /// attributes left out are cleared, except those with a default (`active`), immutable ones, those
    /// that are never returned, and what no schema describes.
    ///
    /// # Errors
    /// As [`Document::for_create`]; `mutability` when an immutable attribute would change.
    pub fn for_replace(
        resource_type: &ResourceType,
        current: &Document,
        body: Value,
        policy: Policy,
    ) -> Result<Sent, ScimError> {
        let speaks_of = |name: &str| {
            body.as_object()
                .is_some_and(|it| it.keys().any(|key| key.eq_ignore_ascii_case(name)))
        };
        let left_out: Vec<_> = with_default(resource_type)
            .filter(|it| !speaks_of(&it.name))
            .cloned()
            .collect();
        let said = if has_unseen(resource_type) {
            body.clone()
        } else {
            Value::Null
        };
        let mut sent = read(resource_type, body, policy)?;
        for attribute in left_out {
            if let Some(value) = current.0.get(&attribute.name) {
                sent.document.0.insert(attribute.name.clone(), value.clone());
            }
        }
        keep_in_elements(resource_type, current, &mut sent.document, Unseen::Kept)?;
        keep_values(resource_type, current, &said, &mut sent.document)?;
        keep_undescribed(resource_type, current, &mut sent.document);
        if resource_type.has_members() {
            sent.members.get_or_insert_default();
        }
        check_secrets(resource_type, &sent, false)?;
        // Secrets stay, and an extension may hold nothing else: then it was in no document before.
        let may_hold_secrets = |extension: &Schema| {
            let holds_secrets = extension.attributes.iter().any(|it| it.is_secret());
            sent.has_secret_of(&extension.id) || (holds_secrets && !current.has_extension(&extension.id))
        };
        sent.document.check_all(resource_type, None, may_hold_secrets)?;
        Ok(sent)
    }

    /// Gives attributes that count as something while they are unassigned that value: `active` becomes
    /// true. For servers that want to store and show it.
    pub fn fill_defaults(&mut self, resource_type: &ResourceType) {
        for attribute in with_default(resource_type) {
            if let Some(default) = attribute.default {
                self.0
                    .entry(attribute.name.as_str())
                    .or_insert(Value::Bool(default));
            }
        }
    }

    /// The URNs of the schemas that have values in it, the core schema first; and of extensions
    /// that every resource must have and that hold nothing but secrets, which are in no document.
    pub fn schemas<'a>(&self, resource_type: &'a ResourceType) -> Vec<&'a str> {
        let is_secret = |schema: &Schema| schema.attributes.iter().all(|it| it.is_secret());
        let present = resource_type.extensions.iter().filter(|(schema, required)| {
            self.0.get(&*schema.id).is_some_and(has_values) || (*required && is_secret(schema))
        });
        let present = present.map(|(schema, _)| &*schema.id);
        [&*resource_type.schema.id].into_iter().chain(present).collect()
    }

    /// The text that is stored: an object with `schemas` first, then the attributes in the order of
    /// the schema, so that equal documents are equal text. `members` is not part of it.
    ///
    /// `schemas` also names extensions that the type has no longer and whose data stays: so a reader
    /// sees that the text cannot be shown as it is.
    pub fn to_stored_json(&self, resource_type: &ResourceType) -> String {
        let mut text = String::with_capacity(512);
        text.push_str("{\"schemas\":[");
        let undescribed = self.undescribed_extensions(resource_type);
        for (index, urn) in self
            .schemas(resource_type)
            .into_iter()
            .chain(undescribed)
            .enumerate()
        {
            if index > 0 {
                text.push(',');
            }
            json::write_string(&mut text, urn);
        }
        text.push(']');
        let mut written = 0;
        let names = resource_type.parts().flat_map(|(extension, schema)| {
            let names = schema.attributes.iter().map(|it| it.name.as_str());
            names
                .filter(move |_| extension.is_none())
                .chain(extension.map(|urn| &**urn))
        });
        for (name, value) in names.filter_map(|name| self.0.get_key_value(name)) {
            written += 1;
            if !is_kept_elsewhere(resource_type, name) {
                write_member(&mut text, name, value);
            }
        }
        if written < self.0.len() {
            for (name, value) in &self.0 {
                let is_derived = ["schemas", "id", "meta"].contains(&name.as_str());
                if !is_derived && !is_described(resource_type, name) {
                    write_member(&mut text, name, value);
                }
            }
        }
        text.push('}');
        text
    }

    /// Reads what [`Document::to_stored_json`] wrote.
    ///
    /// # Errors
    /// When the text is no JSON object: somebody else wrote it.
    pub fn from_stored_json(text: &str) -> Result<Document, ScimError> {
        match json::parse(text.as_bytes())? {
            Value::Object(mut members) => {
                members.shift_remove("schemas");
                Ok(Document(members))
            }
            _ => Err(ScimError::internal("a stored document is no object")),
        }
    }

    fn undescribed_extensions<'a>(
        &'a self,
        resource_type: &'a ResourceType,
    ) -> impl Iterator<Item = &'a str> {
        let extensions = self
            .0
            .iter()
            .filter(|(name, value)| name.contains(':') && has_values(value));
        extensions
            .map(|(name, _)| name.as_str())
            .filter(|name| !is_described(resource_type, name))
    }
}

/// The body as attributes of the type; what is required is not asked for yet.
fn read(resource_type: &ResourceType, body: Value, policy: Policy) -> Result<Sent, ScimError> {
    let Value::Object(body) = body else {
        return Err(ScimError::new(
            ScimType::InvalidSyntax,
            "the body must be a JSON object",
        ));
    };
    check_schemas(resource_type, &body, policy)?;
    let mut sent = Sent {
        document: Document::default(),
        members: None,
        member_types: Vec::new(),
        secrets: SentSecrets::new(),
        requested: Vec::new(),
    };
    let mut core = Found::default();
    let mut extensions: Vec<(usize, Map<String, Value>)> = Vec::new();
    for (name, value) in body {
        if name.eq_ignore_ascii_case("schemas") {
            // Checked above, and derived from the values in the document.
        } else if let Some((index, attribute)) = core_attribute(resource_type, &name) {
            core.take(
                &mut sent,
                Place {
                    extension: None,
                    attribute: &attribute.name,
                },
                index,
                attribute,
                value,
                policy,
            )?;
        } else if let Some(index) = extension_index(resource_type, &name) {
            let urn = &resource_type.extensions[index].0.id;
            match value {
                Value::Null => {}
                Value::Object(members) => extensions.push((index, members)),
                other => return Err(wrong_type(urn, "an object", &other)),
            }
        } else {
            check_unknown(policy, &name)?;
        }
    }
    sent.document.0 = core.in_order();
    extensions.sort_by_key(|(index, _)| *index);
    for (index, members) in extensions {
        let schema = &resource_type.extensions[index].0;
        let values = read_extension(schema, members, &mut sent, policy)?;
        if !values.is_empty() {
            sent.document
                .0
                .insert(schema.id.to_string(), Value::Object(values));
        }
    }
    if resource_type.has_members() {
        take_members(&mut sent)?;
    }
    Ok(sent)
}

fn read_extension(
    schema: &Arc<Schema>,
    members: Map<String, Value>,
    sent: &mut Sent,
    policy: Policy,
) -> Result<Map<String, Value>, ScimError> {
    let mut found = Found::default();
    for (name, value) in members {
        let attribute = schema
            .attributes
            .iter()
            .enumerate()
            .find(|(_, it)| it.name.eq_ignore_ascii_case(&name));
        let place = Place {
            extension: Some(&schema.id),
            attribute: &name,
        };
        match attribute {
            Some((index, attribute)) => {
                let place = Place {
                    attribute: &attribute.name,
                    ..place
                };
                found.take(sent, place, index, attribute, value, policy)?;
            }
            None => check_unknown(policy, &place)?,
        }
    }
    Ok(found.in_order())
}

/// Values with the place of their attribute in the schema.
#[derive(Default)]
struct Found(Vec<(usize, String, Value)>);

impl Found {
    fn take(
        &mut self,
        sent: &mut Sent,
        place: Place<'_>,
        index: usize,
        attribute: &Arc<Attribute>,
        value: Value,
        policy: Policy,
    ) -> Result<(), ScimError> {
        // RFC 7644 sections 3.3 and 3.5.1: readOnly attributes are ignored.
        if attribute.mutability == Mutability::ReadOnly {
            return Ok(());
        }
        let value = canonical_value(attribute, &place, value, policy)?;
        if attribute.is_secret() {
            sent.secrets.insert(place.to_string(), clear_text(value));
            return Ok(());
        }
        let Some(value) = value else {
            return Ok(());
        };
        note_requested(&mut sent.requested, place.extension, attribute, &value);
        self.0.push((index, attribute.name.clone(), value));
        Ok(())
    }

    fn in_order(mut self) -> Map<String, Value> {
        self.0.sort_by_key(|(index, ..)| *index);
        self.0.into_iter().map(|(_, name, value)| (name, value)).collect()
    }
}

fn note_requested(
    requested: &mut Vec<AttributePath>,
    extension: Option<&str>,
    attribute: &Arc<Attribute>,
    value: &Value,
) {
    let path = |sub| AttributePath {
        extension: extension.map(Into::into),
        attribute: attribute.clone(),
        sub,
    };
    if attribute.returned == Returned::Request {
        requested.push(path(None));
    }
    for sub in attribute
        .sub_attributes
        .iter()
        .filter(|it| it.returned == Returned::Request)
    {
        let has_sub = |it: &Value| it.get(&sub.name).is_some();
        if has_sub(value)
            || value
                .as_array()
                .is_some_and(|elements| elements.iter().any(has_sub))
        {
            requested.push(path(Some(sub.clone())));
        }
    }
}

/// Common attributes come first, as in [`ResourceType::parts`].
fn core_attribute<'a>(resource_type: &'a ResourceType, name: &str) -> Option<(usize, &'a Arc<Attribute>)> {
    let attributes = resource_type
        .common
        .attributes
        .iter()
        .chain(&resource_type.schema.attributes);
    attributes
        .enumerate()
        .find(|(_, it)| it.name.eq_ignore_ascii_case(name))
}

fn extension_index(resource_type: &ResourceType, urn: &str) -> Option<usize> {
    resource_type
        .extensions
        .iter()
        .position(|(schema, _)| schema.id.eq_ignore_ascii_case(urn))
}

/// RFC 7643 sections 3 and 3.3: `schemas` names at least the core schema.
///
/// Clients of other times name `urn:scim:schemas:core:1.0` or nothing (Google, OneLogin): leniently,
/// that is no reason to refuse a document that fits. An empty list, or one of schemas that are known
/// and do not include the core schema, is a mistake of another kind.
fn check_schemas(
    resource_type: &ResourceType,
    body: &Map<String, Value>,
    policy: Policy,
) -> Result<(), ScimError> {
    let core = &resource_type.schema.id;
    let refused = |what: &str| {
        Err(ScimError::new(
            ScimType::InvalidSyntax,
            format!("`schemas` {what}: it must be an array that names `{core}`"),
        ))
    };
    let schemas = body
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("schemas"))
        .map(|(_, value)| value);
    let urns = match schemas {
        None if policy.lenient => return Ok(()),
        None => return refused("is missing"),
        Some(Value::Array(urns)) if urns.is_empty() => return refused("is empty"),
        Some(Value::Array(urns)) => urns,
        Some(_) => return refused("is no array"),
    };
    let mut names_core = false;
    let mut names_known = false;
    for urn in urns {
        let Value::String(urn) = urn else {
            return refused("holds something that is no string");
        };
        names_core |= urn.eq_ignore_ascii_case(core);
        names_known |= extension_index(resource_type, urn).is_some()
            || urn.starts_with("urn:ietf:params:scim:schemas:core:2.0:");
    }
    if names_core || (policy.lenient && !names_known) {
        Ok(())
    } else {
        refused("does not name the core schema")
    }
}

fn take_members(sent: &mut Sent) -> Result<(), ScimError> {
    let Some(Value::Array(members)) = sent.document.0.shift_remove("members") else {
        return Ok(());
    };
    let mut ids = Vec::with_capacity(members.len());
    let mut seen = std::collections::HashSet::with_capacity(members.len());
    for member in &members {
        let id = member_id(&"members", member)?;
        if let Some(type_) = member.get("type").and_then(Value::as_str) {
            sent.member_types.push((id, type_.to_owned()));
        }
        if seen.insert(id) {
            ids.push(id);
        }
    }
    sent.members = Some(ids);
    Ok(())
}

/// The value of a secret attribute, which is a string, on its way to a hash.
fn clear_text(value: Option<Value>) -> Option<ClearText> {
    match value {
        Some(Value::String(text)) => Some(ClearText::new(text)),
        _ => None,
    }
}

/// A required secret is asked for here, once: it is in no document that could be checked later.
fn check_secrets(resource_type: &ResourceType, sent: &Sent, is_new: bool) -> Result<(), ScimError> {
    for (extension, schema) in resource_type.parts() {
        let speaks_of = |urn: &Arc<str>| sent.document.has_extension(urn) || sent.has_secret_of(urn);
        let asked = is_new && extension.is_none_or(speaks_of);
        let required = schema
            .attributes
            .iter()
            .filter(|it| it.required && it.is_secret());
        for attribute in required {
            let place = Place {
                extension: extension.map(|it| &**it),
                attribute: &attribute.name,
            };
            let is_missing = match sent.secrets.get(&place.to_string()) {
                Some(value) => value.as_ref().is_none_or(ClearText::is_empty),
                None => asked,
            };
            if is_missing {
                return Err(invalid(&place, "is required and must not be empty"));
            }
        }
    }
    Ok(())
}

fn with_default(resource_type: &ResourceType) -> impl Iterator<Item = &Arc<Attribute>> {
    resource_type
        .schema
        .attributes
        .iter()
        .filter(|it| it.default.is_some())
}

/// RFC 7644 section 3.5.1: an immutable attribute that has a value keeps it; naming another value is
/// an error. What clients are never shown they cannot repeat, so it stays unless the body names it.
///
/// So an object that the body leaves out, an extension or a complex value, goes but for what is kept
/// of it. Then the object stays, and with it what it must have: a replacement can empty no part of an
/// object that it cannot remove.
///
/// `body` is what the client sent, or anything if the type has nothing that is never shown.
fn keep_values(
    resource_type: &ResourceType,
    current: &Document,
    body: &Value,
    new: &mut Document,
) -> Result<(), ScimError> {
    for (extension, schema) in resource_type.parts() {
        let object = |document: &Document| match extension {
            None => Some(document.0.clone()),
            Some(urn) => document.0.get(&**urn).and_then(Value::as_object).cloned(),
        };
        let concerned = |it: &&Arc<Attribute>| is_kept(it) || it.sub_attributes.iter().any(is_kept);
        if !schema.attributes.iter().any(|it| concerned(&it)) {
            continue;
        }
        let Some(old) = object(current) else { continue };
        let named = object(new);
        let left_out = named.is_none();
        let mut kept = named.unwrap_or_default();
        for attribute in schema.attributes.iter().filter(concerned) {
            let place = Place {
                extension: extension.map(|it| &**it),
                attribute: &attribute.name,
            };
            let Some(old) = old.get(&attribute.name) else {
                continue;
            };
            let stays = is_immutable(attribute) || (is_unseen(attribute) && !place.is_named_in(body, None));
            if stays && !kept.contains_key(&attribute.name) {
                kept.insert(attribute.name.clone(), old.clone());
                continue;
            }
            if let (Value::Object(old), false) = (old, attribute.multi_valued) {
                keep_parts(attribute, &place, old, body, &mut kept)?;
            }
            if let (true, Some(new)) = (is_immutable(attribute), kept.get_mut(&attribute.name)) {
                keep_unchanged(attribute, &place, old, new)?;
            }
        }
        let Some(urn) = extension else {
            new.0 = kept;
            continue;
        };
        if kept.is_empty() {
            continue;
        }
        if left_out {
            keep_required(&schema.attributes, &old, &mut kept);
        }
        sort_by_schema(&schema.attributes, &mut kept);
        new.0.insert(urn.to_string(), Value::Object(kept));
    }
    Ok(())
}

/// The same within a single complex value.
fn keep_parts(
    attribute: &Attribute,
    place: &Place<'_>,
    old: &Map<String, Value>,
    body: &Value,
    kept: &mut Map<String, Value>,
) -> Result<(), ScimError> {
    let stays = |it: &&Arc<Attribute>| {
        let is_kept = is_immutable(it) || (is_unseen(it) && !place.is_named_in(body, Some(&it.name)));
        is_kept && old.contains_key(&it.name)
    };
    let staying: Vec<_> = attribute.sub_attributes.iter().filter(stays).collect();
    if staying.is_empty() {
        return Ok(());
    }
    let left_out = !kept.contains_key(&attribute.name);
    let value = kept
        .entry(attribute.name.clone())
        .or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(value) = value else {
        return Ok(());
    };
    for sub in staying {
        let old = &old[&sub.name];
        let value = value.entry(sub.name.clone()).or_insert_with(|| old.clone());
        if is_immutable(sub) {
            keep_unchanged(sub, &format_args!("{place}.{}", sub.name), old, value)?;
        }
    }
    if left_out {
        keep_required(&attribute.sub_attributes, old, value);
    }
    sort_by_schema(&attribute.sub_attributes, value);
    Ok(())
}

/// Whether what is never shown stays in values of multi-valued attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unseen {
    Kept,
    AsSent,
}

impl Document {
    /// The result of a PATCH, with what values of multi-valued attributes cannot lose while they stay.
    ///
    /// These values come and go as a whole. But one with the `value` and the `type` of one in `before`
    /// is that one (7643-2.4-09): its immutable sub-attributes are what they were, and what no schema
    /// describes stays in it.
    ///
    /// # Errors
    /// `mutability` when an immutable sub-attribute of a value that stays would change.
    pub fn keep_in_elements(
        &mut self,
        resource_type: &ResourceType,
        before: &Document,
    ) -> Result<(), ScimError> {
        keep_in_elements(resource_type, before, self, Unseen::AsSent)
    }
}

fn keep_in_elements(
    resource_type: &ResourceType,
    current: &Document,
    new: &mut Document,
    unseen: Unseen,
) -> Result<(), ScimError> {
    for (extension, schema) in resource_type.parts() {
        let old = match extension {
            None => Some(&current.0),
            Some(urn) => current.0.get(&**urn).and_then(Value::as_object),
        };
        let new = match extension {
            None => Some(&mut new.0),
            Some(urn) => new.0.get_mut(&**urn).and_then(Value::as_object_mut),
        };
        let (Some(old), Some(new)) = (old, new) else {
            continue;
        };
        for attribute in schema.attributes.iter().filter(|it| it.multi_valued) {
            if extension.is_none() && is_kept_elsewhere(resource_type, &attribute.name) {
                continue;
            }
            let (Some(Value::Array(old)), Some(Value::Array(new))) =
                (old.get(&attribute.name), new.get_mut(&attribute.name))
            else {
                continue;
            };
            let place = Place {
                extension: extension.map(|it| &**it),
                attribute: &attribute.name,
            };
            if attribute.type_ == AttributeType::Complex && old != new {
                keep_in_list(attribute, &place, old, new, unseen)?;
            }
        }
    }
    Ok(())
}

fn keep_in_list(
    attribute: &Attribute,
    place: &Place<'_>,
    old: &[Value],
    new: &mut [Value],
    unseen: Unseen,
) -> Result<(), ScimError> {
    let stays = |name: &str| match attribute.sub_attributes.iter().find(|it| it.name == name) {
        None => true,
        Some(sub) => is_immutable(sub) || (unseen == Unseen::Kept && is_unseen(sub)),
    };
    let old = old.iter().filter_map(Value::as_object);
    let mut old_by_identity: HashMap<_, Vec<&Map<String, Value>>> = HashMap::new();
    for element in old.filter(|it| it.keys().any(|name| stays(name))) {
        if let Some(identity) = identity(attribute, element) {
            old_by_identity.entry(identity).or_default().push(element);
        }
    }
    if old_by_identity.is_empty() {
        return Ok(());
    }
    let immutable: Vec<_> = attribute
        .sub_attributes
        .iter()
        .filter(|it| is_immutable(it))
        .collect();
    let contradiction = |old: &Map<String, Value>, new: &Map<String, Value>, may_be_left_out: bool| {
        immutable
            .iter()
            .copied()
            .find(|sub| match (old.get(&sub.name), new.get(&sub.name)) {
                (Some(old), Some(new)) => !key::same(sub, old, new),
                (None, None) => false,
                _ => !may_be_left_out,
            })
    };
    // Where several have one identity, first what repeats one of them, then what says less or more.
    let mut paired = vec![false; new.len()];
    for may_be_left_out in [false, true] {
        for (element, paired) in new.iter_mut().zip(&mut paired) {
            let Value::Object(element) = element else { continue };
            let olds = identity(attribute, element).and_then(|it| old_by_identity.get_mut(&it));
            let Some(olds) = olds.filter(|it| !*paired && !it.is_empty()) else {
                continue;
            };
            let agrees = |old: &&Map<String, Value>| contradiction(old, element, may_be_left_out).is_none();
            let Some(index) = olds.iter().position(agrees) else {
                if let (true, Some(sub)) = (may_be_left_out, contradiction(olds[0], element, true)) {
                    return Err(changes_immutable(&format_args!("{place}.{}", sub.name)));
                }
                continue;
            };
            *paired = true;
            for (name, value) in olds.remove(index).iter().filter(|(name, _)| stays(name)) {
                if immutable.iter().any(|it| it.name == *name) {
                    element.insert(name.clone(), value.clone());
                } else {
                    element.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            sort_by_schema(&attribute.sub_attributes, element);
        }
    }
    Ok(())
}

/// What tells one value of a multi-valued attribute from the others: `value` and `type`.
fn identity(attribute: &Attribute, element: &Map<String, Value>) -> Option<(Value, Option<Value>)> {
    let key = |name: &str| {
        let value = element.get(name)?;
        Some(Value::from(key::of(attribute.sub_attribute(name)?, value)?))
    };
    Some((key("value")?, key("type")))
}

fn keep_required(attributes: &[Arc<Attribute>], old: &Map<String, Value>, kept: &mut Map<String, Value>) {
    for attribute in attributes.iter().filter(|it| it.required) {
        if let Some(old) = old.get(&attribute.name) {
            kept.entry(attribute.name.clone()).or_insert_with(|| old.clone());
        }
    }
}

/// Equal values are equal text.
fn sort_by_schema(attributes: &[Arc<Attribute>], values: &mut Map<String, Value>) {
    let place = |name: &String| attributes.iter().position(|it| it.name == *name);
    let mut entries: Vec<_> = std::mem::take(values).into_iter().collect();
    entries.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    values.extend(entries);
}

/// Whether a replacement that leaves it out keeps it.
fn is_kept(attribute: &Arc<Attribute>) -> bool {
    is_immutable(attribute) || is_unseen(attribute)
}

fn is_immutable(attribute: &Arc<Attribute>) -> bool {
    attribute.mutability == Mutability::Immutable
}

/// Whether it is in the document and never in an answer.
fn is_unseen(attribute: &Arc<Attribute>) -> bool {
    attribute.returned == Returned::Never && !attribute.is_secret()
}

fn has_unseen(resource_type: &ResourceType) -> bool {
    let mut attributes = resource_type.parts().flat_map(|(_, schema)| &schema.attributes);
    attributes.any(|it| is_unseen(it) || it.sub_attributes.iter().any(is_unseen))
}

impl Place<'_> {
    /// Whether a body names the attribute, or a sub-attribute of it: with a value, with `null`, or by
    /// something else than an object in place of what would hold it.
    fn is_named_in(&self, body: &Value, sub: Option<&str>) -> bool {
        let names = self.extension.into_iter().chain([self.attribute]).chain(sub);
        let mut value = body;
        for name in names {
            let Value::Object(members) = value else {
                return true;
            };
            match members.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)) {
                Some((_, named)) => value = named,
                None => return false,
            }
        }
        true
    }
}

/// Other words for the same are no change, and the words stay what they were.
fn keep_unchanged(
    attribute: &Attribute,
    path: &dyn std::fmt::Display,
    old: &Value,
    new: &mut Value,
) -> Result<(), ScimError> {
    if !key::same(attribute, old, new) {
        return Err(changes_immutable(path));
    }
    new.clone_from(old);
    Ok(())
}

fn changes_immutable(path: &dyn std::fmt::Display) -> ScimError {
    ScimError::at(ScimType::Mutability, path, "is immutable and already has a value")
}

/// Data of an extension, attribute or sub-attribute that was taken away stays until it comes back; in
/// a complex value as long as that stays.
fn keep_undescribed(resource_type: &ResourceType, current: &Document, new: &mut Document) {
    for (name, value) in &current.0 {
        if !is_described(resource_type, name) {
            new.0.insert(name.clone(), value.clone());
            continue;
        }
        if let Some((_, attribute)) = core_attribute(resource_type, name) {
            keep_undescribed_parts(attribute, value, new.0.get_mut(name));
            continue;
        }
        let Some(schema) = resource_type.extension_of(name) else {
            continue;
        };
        for (name_within, value) in value.as_object().into_iter().flatten() {
            if let Some(attribute) = schema.attributes.iter().find(|it| it.name == *name_within) {
                let new = new.0.get_mut(name).and_then(|it| it.get_mut(name_within));
                keep_undescribed_parts(attribute, value, new);
                continue;
            }
            let extension = new
                .0
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(extension) = extension {
                extension.insert(name_within.clone(), value.clone());
            }
        }
    }
}

fn keep_undescribed_parts(attribute: &Attribute, old: &Value, new: Option<&mut Value>) {
    let (Value::Object(old), Some(Value::Object(new))) = (old, new) else {
        return;
    };
    for (name, value) in old {
        if attribute.sub_attributes.iter().all(|it| it.name != *name) {
            new.insert(name.clone(), value.clone());
        }
    }
}

fn is_described(resource_type: &ResourceType, name: &str) -> bool {
    core_attribute(resource_type, name).is_some() || extension_index(resource_type, name).is_some()
}

/// `members` is in a document only while a PATCH needs the whole list.
fn is_kept_elsewhere(resource_type: &ResourceType, name: &str) -> bool {
    resource_type.has_members() && name == "members"
}

fn has_values(value: &Value) -> bool {
    value.as_object().is_some_and(|it| !it.is_empty())
}

fn write_member(text: &mut String, name: &str, value: &Value) {
    text.push(',');
    json::write_string(text, name);
    text.push(':');
    json::write_value(text, value);
}
