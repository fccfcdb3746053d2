//! Departures from the RFCs that clients depend on, one function each.
//!
//! Every function asks [`Tolerances::allow`] first, so that a strict policy changes nothing; the one exception is
//! booleans in quotes, which every policy understands. A name such as `entra--manager-array` is the trace of
//! a recorded exchange in `tests/fixtures/clients.json`. Names and `op` in any letter case need no tolerance: RFC
//! 7643 section 2.1 compares names without case.

use scim_filter::{AttrExp, AttrPath, CompValue, CompareOp, ValFilter};
use scim_model::internal::{attribute_named, boolean_text, key, number_text};
use scim_model::{Attribute, AttributePath, AttributeType, ResourceType, ScimError, ScimType, Tolerance};
use serde_json::{Map, Value};

use crate::error::remove_with_value;
use crate::member::{id_to_remove, is_members_of};
use crate::object::value_named;
use crate::operation::Operation;
use crate::tolerance::Tolerances;

/// An attribute named in a value without `path`.
pub(crate) struct Named<'v> {
    pub(crate) name: &'v String,
    pub(crate) value: &'v Value,
    /// Whether it is in an object under the URN of the core schema.
    pub(crate) is_under_urn: bool,
}

impl Tolerances {
    /// Replaces booleans in quotes by booleans, in the value itself and in its sub-attributes.
    ///
    /// Entra without the flag aadOptscim062020, mitodl's Keycloak extension and Microsoft's SCIM validator send
    /// `"False"` and `"true"` (traces `keycloak--string-active`, `entra-validator--primary-text`). In a PATCH every
    /// policy understands them.
    pub(crate) fn boolean_text(&mut self, attribute: &Attribute, mut value: Value) -> Value {
        let mut replaced = false;
        let mut replace = |attribute: &Attribute, value: &mut Value| {
            let values = match value {
                _ if attribute.type_ != AttributeType::Boolean => return,
                Value::Array(values) => &mut values[..],
                single => std::slice::from_mut(single),
            };
            for value in values {
                if let Some(boolean) = value.as_str().and_then(boolean_text) {
                    *value = Value::Bool(boolean);
                    replaced = true;
                }
            }
        };
        replace(attribute, &mut value);
        for (name, value) in value.as_object_mut().into_iter().flatten() {
            if let Some(sub) = attribute.sub_attribute(name) {
                replace(sub, value);
            }
        }
        if replaced {
            self.allow(Tolerance::BooleanText);
        }
        value
    }

    /// Returns whether a sub-attribute after a filter is the value itself, because the attribute is simple:
    /// `tags[value eq "x"].value`.
    ///
    /// Entra treats the multi-valued attributes of custom extensions alike.
    pub(crate) fn is_value_of_simple(&mut self, found: &AttributePath, sub: &str) -> bool {
        found.attribute.has_simple_values()
            && sub.eq_ignore_ascii_case("value")
            && self.allow(Tolerance::ValueOfSimple)
    }

    /// Returns whether a key of a value without `path` may be a path.
    ///
    /// Entra with the flag and the validator send `"name.givenName"` as a key (A-57; traces
    /// `entra-flag--pathless-add-dotted`, `entra-validator--replace-attributes-verbose`).
    pub(crate) fn path_as_key(&mut self) -> bool {
        self.allow(Tolerance::PathAsKey)
    }

    /// Returns whether readOnly attributes in a value without `path` are ignored.
    ///
    /// Okta renames a group with `{"id": "…", "displayName": "New"}` (A-13; trace `okta--group-push`).
    pub(crate) fn read_only_in_value(&mut self) -> bool {
        self.allow(Tolerance::ReadOnlyIgnored)
    }

    /// Returns whether an unknown attribute in a value is ignored. An unknown attribute in a path is always an error.
    ///
    /// Entra with the flag sends attributes that a mapping names wrongly (A-11; trace
    /// `entra-flag--unknown-attribute`).
    pub(crate) fn unknown_in_value(&mut self) -> bool {
        self.allow(Tolerance::UnknownIgnored)
    }

    /// Records unknown sub-attributes of a value of a multi-valued attribute, which `canonical_element` leaves out.
    pub(crate) fn unknown_in_element(&mut self, attribute: &Attribute, element: &Value) {
        let mut names = element.as_object().into_iter().flat_map(Map::keys);
        if attribute.type_ == AttributeType::Complex
            && names.any(|name| attribute.sub_attribute(name).is_none())
        {
            self.unknown_in_value();
        }
    }

    /// Returns the value to create when the filter of a path matches none: the equalities of the filter. A filter
    /// other than equalities joined by `and` does not say what to create.
    ///
    /// Entra sends `emails[type eq "work"].value` for users without a work address and expects one afterwards, even
    /// for `Replace` (A-38; traces `entra--add-missing-values`, `entra--replace-missing-email`). Bitwarden's tests
    /// add a member as `members[value eq "id"]` (trace `fixtures--bitwarden-add-by-filter`).
    pub(crate) fn value_from_filter(
        &mut self,
        attribute: &Attribute,
        filter: &ValFilter,
    ) -> Option<Map<String, Value>> {
        let terms = match filter {
            ValFilter::And(terms) => &**terms,
            single => std::slice::from_ref(single),
        };
        let mut value = Map::new();
        for term in terms {
            let ValFilter::Attr(AttrExp::Compare(path, CompareOp::Eq, operand)) = term else {
                return None;
            };
            let type_ = attribute
                .sub_attribute(path.name())
                .map_or(attribute.type_, |it| it.type_);
            let operand = match operand {
                CompValue::String(text) => Value::String(text.clone()),
                CompValue::Null => return None,
                // The text without quotes, see `NumberForText`.
                word if type_ == AttributeType::String => Value::String(word.to_string()),
                CompValue::Bool(it) => Value::Bool(*it),
                CompValue::Number(number) => serde_json::from_str(number.as_str()).ok()?,
            };
            // `type eq "x" and type eq "y"` describes no value.
            if value.keys().any(|it| it.eq_ignore_ascii_case(path.name())) {
                return None;
            }
            value.insert(path.name().to_owned(), operand);
        }
        self.allow(Tolerance::CreatedFromFilter).then_some(value)
    }

    /// Returns the values that a `remove` lists in its `value`; `None` when the policy does not accept a list.
    ///
    /// Entra without the flag, JumpCloud, ssosync, rauthy and older authentik remove members by a list (A-39; traces
    /// `entra--members-remove-several-value-array`, `authentik--older-remove-by-value`), where RFC 7644 section
    /// 3.5.2.2 read literally empties the group. Salesforce puts the list into an object under the name of the
    /// attribute (trace `fixtures--salesforce-remove-members-object`).
    fn values_to_remove(&mut self, attribute: &Attribute, value: &Value) -> Option<Vec<Value>> {
        let nested = value
            .as_object()
            .and_then(|it| value_named(it, &attribute.name))
            .filter(|_| attribute.sub_attribute(&attribute.name).is_none());
        let leniency = if nested.is_some() {
            Tolerance::RemoveNested
        } else {
            Tolerance::RemoveByValue
        };
        self.allow(leniency).then(|| match nested.unwrap_or(value) {
            Value::Array(values) => values.iter().filter(|it| !it.is_null()).cloned().collect(),
            single => vec![single.clone()],
        })
    }

    /// Returns the values that a `remove` of a multi-valued attribute or sub-attribute lists.
    ///
    /// # Errors
    /// `invalidValue` under a policy that accepts no list. The same for a list of members of a group, or of other
    /// references, in which an element names no resource: success would be reported although the members keep their
    /// access. An empty array removes no member (trace `idp-scim-sync--remove-nobody`).
    pub(crate) fn listed_values(
        &mut self,
        resource_type: &ResourceType,
        found: &AttributePath,
        value: &Value,
    ) -> Result<Vec<Value>, ScimError> {
        let attribute = found.leaf();
        let listed = self.values_to_remove(attribute, value);
        let listed = listed.ok_or_else(|| remove_with_value(found))?;
        let are_members = is_members_of(resource_type, found);
        let is_named = |it: &Value| match are_members {
            true => id_to_remove(it).is_some(),
            false => names_any(attribute, it),
        };
        let are_named = listed.iter().all(is_named)
            && (!listed.is_empty() || value.as_array().is_some_and(Vec::is_empty));
        if attribute.is_reference_set() && !are_named {
            let problem =
                "cannot be removed by this `value`: each element must have the id of a member as its `value`";
            return Err(ScimError::at(ScimType::InvalidValue, found, problem));
        }
        Ok(listed
            .into_iter()
            .map(|it| self.typed_values(attribute, it))
            .collect())
    }

    /// Turns the text of numbers and booleans in a list of values to remove into numbers and booleans. `canonical_value`
    /// does so for values to write.
    ///
    /// Entra sends the numbers of custom extensions as strings, and without the flag aadOptscim062020 booleans too.
    fn typed_values(&mut self, attribute: &Attribute, mut listed: Value) -> Value {
        let part = |name: &str| match attribute.type_ {
            AttributeType::Complex => attribute.sub_attribute(name).map(|it| &**it),
            _ => name.eq_ignore_ascii_case("value").then_some(attribute),
        };
        match &mut listed {
            Value::Object(members) => {
                for (name, value) in members {
                    self.typed_value(part(name), value);
                }
            }
            value => self.typed_value(part("value"), value),
        }
        listed
    }

    fn typed_value(&mut self, attribute: Option<&Attribute>, value: &mut Value) {
        let Some((attribute, text)) = attribute.zip(value.as_str()) else {
            return;
        };
        let typed = match attribute.type_ {
            AttributeType::Boolean => boolean_text(text)
                .filter(|_| self.allow(Tolerance::BooleanText))
                .map(Value::Bool),
            AttributeType::Integer | AttributeType::Decimal => number_text(attribute.type_, text)
                .filter(|_| self.allow(Tolerance::NumberText))
                .map(Value::Number),
            _ => None,
        };
        if let Some(typed) = typed {
            *value = typed;
        }
    }

    /// Returns whether the `path` of a write is the URN of the core schema, which is the resource itself.
    pub(crate) fn is_core_urn(&mut self, resource_type: &ResourceType, operation: &Operation) -> bool {
        let path = operation.path.as_deref().unwrap_or_default();
        operation.write().is_some()
            && path.eq_ignore_ascii_case(&resource_type.schema.id)
            && self.allow(Tolerance::CoreUrnContainer)
    }

    /// Returns the attributes that a value without `path` names, with those in an object under the URN of the core schema.
    ///
    /// Applivery and Laravel's clients send such an object (trace `applivery--core-urn-container`).
    pub(crate) fn named_attributes<'v>(
        &mut self,
        resource_type: &ResourceType,
        named: &'v Map<String, Value>,
    ) -> Vec<Named<'v>> {
        let mut attributes = Vec::with_capacity(named.len());
        for (name, value) in named {
            match value {
                Value::Object(inner)
                    if name.eq_ignore_ascii_case(&resource_type.schema.id)
                        && self.allow(Tolerance::CoreUrnContainer) =>
                {
                    let inner = self.named_attributes(resource_type, inner).into_iter();
                    attributes.extend(inner.map(|it| Named {
                        is_under_urn: true,
                        ..it
                    }));
                }
                _ => attributes.push(Named {
                    name,
                    value,
                    is_under_urn: false,
                }),
            }
        }
        attributes
    }

    /// Records an object under the URN of the core schema that is itself in the object of an extension.
    pub(crate) fn core_urn_container(&mut self) {
        self.allow(Tolerance::CoreUrnContainer);
    }

    /// Returns whether a key in an object under the URN of an extension may have the URN of a schema, as in a POST.
    pub(crate) fn repeated_urn(&mut self) -> bool {
        self.allow(Tolerance::QualifiedKey)
    }

    /// Records a `remove` with a `value` in addition to a filter, whose `value` is ignored.
    ///
    /// JumpCloud names a member in the filter and again in a `value` (trace `jumpcloud--remove-filter-with-value`).
    pub(crate) fn value_with_filter(&mut self) {
        self.allow(Tolerance::RemoveValueIgnored);
    }

    /// Records a plain string in place of a complex value. `canonical_value` turns it into `{"value": …}`, as for
    /// POST and PUT.
    ///
    /// Entra and the validator send the manager as a plain string (A-37; traces
    /// `entra-flag--pathless-manager-urn-key`, `entra-validator--manager-string-and-empty-string`).
    pub(crate) fn text_for_complex(&mut self, attribute: &Attribute, value: &Value) {
        if attribute.type_ == AttributeType::Complex
            && value.is_string()
            && attribute.sub_attribute("value").is_some()
        {
            self.allow(Tolerance::TextForComplex);
        }
    }

    /// Turns a plain string in place of a selected complex value into `{"value": …}`, so that the `type` and the other
    /// sub-attributes of the selected value stay.
    ///
    /// Entra sends `emails[type eq "work"]` with a plain string.
    pub(crate) fn text_for_selected(&mut self, attribute: &Attribute, value: Value) -> Value {
        self.text_for_complex(attribute, &value);
        match value {
            Value::String(text) if self.is_lenient() && attribute.sub_attribute("value").is_some() => {
                Value::Object(Map::from_iter([("value".to_owned(), Value::String(text))]))
            }
            value => value,
        }
    }

    /// Returns whether the value is an empty reference, which clears the attribute.
    ///
    /// The validator clears a manager with `""` or `{"value": ""}` (trace
    /// `entra-validator--manager-string-and-empty-string`).
    pub(crate) fn empty_reference(&mut self, attribute: &Attribute, value: &Value) -> bool {
        let is_empty = match value {
            Value::String(text) => text.is_empty(),
            Value::Object(reference) => has_empty_value(reference),
            _ => false,
        };
        is_empty && attribute.is_shown_reference() && self.allow(Tolerance::EmptyReference)
    }

    /// Returns the same for a reference that has been merged.
    pub(crate) fn empty_merged_reference(&mut self, reference: &Map<String, Value>) -> bool {
        has_empty_value(reference) && self.allow(Tolerance::EmptyReference)
    }

    /// Records a reference whose `$ref` is empty, and which has no `value`.
    pub(crate) fn empty_uri(&mut self) {
        self.allow(Tolerance::EmptyReference);
    }

    /// Unwraps an array of one element in place of a single value. An array of several elements stays as it is, and is
    /// refused later.
    ///
    /// Older Entra jobs send `[{"value": "x"}]` for a single-valued attribute (A-34; trace `entra--manager-array`).
    pub(crate) fn array_for_single(&mut self, attribute: &Attribute, value: Value) -> Value {
        let Value::Array(mut elements) = value else {
            return value;
        };
        if elements.len() != 1 || !self.allow(Tolerance::ArrayForSingle) {
            return Value::Array(elements);
        }
        match elements.remove(0) {
            Value::Object(mut members) if attribute.type_ != AttributeType::Complex => {
                members.shift_remove("value").unwrap_or(Value::Object(members))
            }
            other => other,
        }
    }

    /// Resolves a reference of an extension that is named without the URN of the extension, if exactly one extension
    /// has a reference with this name. Every other attribute of an extension needs its URN.
    ///
    /// Older Entra jobs send `"path": "manager"` (trace `entra--manager-array`).
    pub(crate) fn unqualified_reference(
        &mut self,
        resource_type: &ResourceType,
        path: &AttrPath,
    ) -> Option<AttributePath> {
        if path.urn().is_some() {
            return None;
        }
        let mut found = resource_type.extensions.iter().filter_map(|(schema, _)| {
            let attribute = attribute_named(&schema.attributes, path.name())?;
            let sub = match path.sub() {
                None => None,
                Some(name) => Some(attribute.sub_attribute(name)?.clone()),
            };
            attribute.is_shown_reference().then(|| AttributePath {
                extension: Some(schema.id.clone()),
                attribute: attribute.clone(),
                sub,
            })
        });
        let only = found.next().filter(|_| found.next().is_none())?;
        self.allow(Tolerance::UnqualifiedReference).then_some(only)
    }
}

fn has_empty_value(reference: &Map<String, Value>) -> bool {
    value_named(reference, "value").is_some_and(|it| it.as_str() == Some(""))
}

/// Returns the `value` in an element of a `remove` list. A plain string is the `value` itself.
pub(crate) fn listed_value(listed: &Value) -> Option<&Value> {
    match listed {
        Value::Object(listed) => value_named(listed, "value").filter(|it| !it.is_null()),
        simple => Some(simple),
    }
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|it| it.trim().is_empty())
}

/// Returns whether an element of a `remove` list can name a reference at all: by the id or the URI of its resource, or
/// by other sub-attributes. A plain string is the id.
fn names_any(attribute: &Attribute, listed: &Value) -> bool {
    let is_usable = |sub: &Attribute, value: &Value| !is_blank(value) && key::of(sub, value).is_some();
    let Value::Object(given) = listed else {
        return attribute
            .sub_attribute("value")
            .is_some_and(|it| is_usable(it, listed));
    };
    let has = |name: &str| {
        let value = value_named(given, name).filter(|it| !it.is_null());
        attribute
            .sub_attribute(name)
            .zip(value)
            .is_some_and(|(sub, it)| is_usable(sub, it))
    };
    match value_named(given, "value") {
        None | Some(Value::Null) => attribute.sub_attributes.iter().any(|it| has(&it.name)),
        Some(_) => has("value") || has("$ref"),
    }
}

/// Returns whether an element of a `remove` list names a stored value that has been found by its `value`.
///
/// An element with a `value` and another `type` does not, since one address may be stored as `work` and as `home`. An
/// element without `value` names the stored values that have all its sub-attributes. Sub-attributes that are `null` do
/// not count: Entra sends `"$ref": null` (trace `entra--remove-ref-null`).
pub(crate) fn names_stored(attribute: &Attribute, listed: &Value, stored: &Value) -> bool {
    let Value::Object(listed) = listed else {
        return true;
    };
    let given = |name: &str| value_named(listed, name).filter(|it| !it.is_null());
    let is_same = |sub: &Attribute, given: &Value| {
        stored.get(&sub.name).is_some_and(|it| {
            it == given || key::of(sub, it).is_some_and(|it| Some(it) == key::of(sub, given))
        })
    };
    if given("value").is_some() {
        let points_at_resource = attribute.sub_attribute("$ref").is_some();
        return match attribute.sub_attribute("type").zip(given("type")) {
            Some((sub, type_)) if !points_at_resource => stored.get("type").is_none() || is_same(sub, type_),
            _ => true,
        };
    }
    let mut criteria = attribute
        .sub_attributes
        .iter()
        .filter_map(|sub| Some((sub, given(&sub.name)?)))
        .peekable();
    criteria.peek().is_some() && criteria.all(|(sub, given)| is_same(sub, given))
}
