//! What clients send beyond the RFC, one function each, with the client's name.
//!
//! Every function asks [`Tolerances`] first: under a strict policy none of them changes anything, and
//! the RFC alone decides; but for booleans in quotes, which are understood always. What a client really sent stands in `tests/fixtures/clients.json` under the
//! name that is given here as its trace. `op` and names in any letter case are no tolerance: names know
//! no case (RFC 7643 section 2.1).

use scim_filter::{AttrExp, AttrPath, CompValue, CompareOp, LeniencyKind, ValFilter};
use scim_model::schema::attribute_named;
use scim_model::validate::boolean_text;
use scim_model::{Attribute, AttributePath, AttributeType, Policy, ResourceType, key};
use serde_json::{Map, Value};

/// A tolerance that a PATCH needed, for the server to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leniency {
    /// A boolean came as `"True"` or `"False"`.
    BooleanText,
    /// A key of a value without path was a path, for example `name.givenName`.
    PathAsKey,
    /// A value was created because a filter matched none.
    CreatedFromFilter,
    /// A remove named the values to remove in `value`.
    RemoveByValue,
    /// The values to remove stood in an object under the attribute's name.
    RemoveNested,
    /// A filter came with a `value` that a remove has no use for.
    RemoveValueIgnored,
    /// A plain string stood for a complex value.
    TextForComplex,
    /// An empty `value` cleared a reference.
    EmptyReference,
    /// A single value came in an array.
    ArrayForSingle,
    /// A value without path spoke of readOnly attributes.
    ReadOnlyIgnored,
    /// A value spoke of unknown attributes.
    UnknownIgnored,
    /// A reference of an extension was named without its URN.
    UnqualifiedReference,
    /// A path was not quite in the RFC's grammar: single quotes, unusual white space.
    PathSyntax,
}

impl Leniency {
    /// All of them, in order.
    pub const ALL: [Leniency; 13] = [
        Leniency::BooleanText,
        Leniency::PathAsKey,
        Leniency::CreatedFromFilter,
        Leniency::RemoveByValue,
        Leniency::RemoveNested,
        Leniency::RemoveValueIgnored,
        Leniency::TextForComplex,
        Leniency::EmptyReference,
        Leniency::ArrayForSingle,
        Leniency::ReadOnlyIgnored,
        Leniency::UnknownIgnored,
        Leniency::UnqualifiedReference,
        Leniency::PathSyntax,
    ];

    /// A name for metrics, in the style of Prometheus labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Leniency::BooleanText => "boolean_text",
            Leniency::PathAsKey => "path_as_key",
            Leniency::CreatedFromFilter => "created_from_filter",
            Leniency::RemoveByValue => "remove_by_value",
            Leniency::RemoveNested => "remove_nested",
            Leniency::RemoveValueIgnored => "remove_value_ignored",
            Leniency::TextForComplex => "text_for_complex",
            Leniency::EmptyReference => "empty_reference",
            Leniency::ArrayForSingle => "array_for_single",
            Leniency::ReadOnlyIgnored => "read_only_ignored",
            Leniency::UnknownIgnored => "unknown_ignored",
            Leniency::UnqualifiedReference => "unqualified_reference",
            Leniency::PathSyntax => "path_syntax",
        }
    }
}

/// What the policy tolerates, and what a request has needed of it.
#[derive(Debug)]
pub(crate) struct Tolerances {
    lenient: bool,
    used: Vec<Leniency>,
    /// Where those of the operation at work start.
    of_this: usize,
}

impl Tolerances {
    pub(crate) fn new(policy: Policy) -> Tolerances {
        Tolerances {
            lenient: policy.lenient,
            used: Vec::new(),
            of_this: 0,
        }
    }

    /// Each tolerance counts once for an operation.
    pub(crate) fn next_operation(&mut self) {
        self.of_this = self.used.len();
    }

    pub(crate) fn take(&mut self) -> Vec<Leniency> {
        std::mem::take(&mut self.used)
    }

    /// Forgets what the operation at work has needed: another look at it will note it again.
    pub(crate) fn forget_operation(&mut self) {
        self.used.truncate(self.of_this);
    }

    pub(crate) fn is_lenient(&self) -> bool {
        self.lenient
    }

    fn allow(&mut self, leniency: Leniency) -> bool {
        if self.lenient && !self.used[self.of_this..].contains(&leniency) {
            self.used.push(leniency);
        }
        self.lenient
    }

    /// Entra without the flag aadOptscim062020, mitodl's Keycloak extension and the SCIM validator of
    /// Microsoft send `"False"` and `"true"` for booleans (traces `keycloak--string-active`,
    /// `entra-validator--primary-text`). In a PATCH they are understood under any policy.
    ///
    /// The value, with booleans in place of their names; also where they are sub-attributes of it.
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
            self.allow(Leniency::BooleanText);
        }
        value
    }

    /// Entra quotes the boolean in `roles[primary eq "True"]` (trace `entra--roles-primary-true-string`),
    /// which is understood under any policy.
    pub(crate) fn boolean_text_in_filter(&mut self, filter: &ValFilter, attribute: &Attribute) {
        let is_boolean = |path: &AttrPath| {
            attribute
                .sub_attribute(path.name())
                .is_some_and(|it| it.type_ == AttributeType::Boolean)
        };
        fn is_quoted(filter: &ValFilter, is_boolean: &dyn Fn(&AttrPath) -> bool) -> bool {
            match filter {
                ValFilter::Attr(AttrExp::Compare(path, _, CompValue::String(_))) => is_boolean(path),
                ValFilter::Attr(_) => false,
                ValFilter::And(operands) | ValFilter::Or(operands) => {
                    operands.iter().any(|it| is_quoted(it, is_boolean))
                }
                ValFilter::Not(operand) => is_quoted(operand, is_boolean),
            }
        }
        if is_quoted(filter, &is_boolean) {
            self.allow(Leniency::BooleanText);
        }
    }

    /// Syncope and others do not quite keep to the grammar: `members[value eq 'id']` (trace
    /// `parser--single-quotes`). What the parser accepted is counted here; a name with `$` is a name of
    /// the RFC.
    pub(crate) fn path_syntax(&mut self, accepted: &[scim_filter::Leniency]) {
        if accepted.iter().any(|it| it.kind != LeniencyKind::DollarName) {
            self.allow(Leniency::PathSyntax);
        }
    }

    /// Entra with the flag and the validator send one operation without path whose keys are paths,
    /// `"name.givenName"` (A-57; traces `entra-flag--pathless-add-dotted`,
    /// `entra-validator--replace-attributes-verbose`).
    pub(crate) fn path_as_key(&mut self) -> bool {
        self.allow(Leniency::PathAsKey)
    }

    /// Okta renames a group with `{"id": "…", "displayName": "New"}` (A-13; trace `okta--group-push`).
    /// In a value without path, what clients cannot write is left out.
    pub(crate) fn read_only_in_value(&mut self) -> bool {
        self.allow(Leniency::ReadOnlyIgnored)
    }

    /// Clients send what they have; a path that names nothing is an error all the same (A-11; trace
    /// `entra-flag--unknown-attribute`).
    pub(crate) fn unknown_in_value(&mut self) -> bool {
        self.allow(Leniency::UnknownIgnored)
    }

    /// Entra sends `emails[type eq "work"].value` for users without a work address and expects one to
    /// be there afterwards, also for `Replace` (A-38; traces `entra--add-missing-values`,
    /// `entra--replace-missing-email`). Bitwarden's tests add a member as `members[value eq "id"]` (trace
    /// `fixtures--bitwarden-add-by-filter`).
    ///
    /// The value is made of the terms of a filter that only joins equalities by `and`; any other filter
    /// does not say what to create.
    pub(crate) fn value_from_filter(&mut self, filter: &ValFilter) -> Option<Map<String, Value>> {
        let terms = match filter {
            ValFilter::And(terms) => &**terms,
            single => std::slice::from_ref(single),
        };
        let mut value = Map::new();
        for term in terms {
            let ValFilter::Attr(AttrExp::Compare(path, CompareOp::Eq, operand)) = term else {
                return None;
            };
            let operand = match operand {
                CompValue::String(text) => Value::String(text.clone()),
                CompValue::Bool(it) => Value::Bool(*it),
                CompValue::Number(number) => serde_json::from_str(number.as_str()).ok()?,
                CompValue::Null => return None,
            };
            // No value has two types.
            if value.keys().any(|it| it.eq_ignore_ascii_case(path.name())) {
                return None;
            }
            value.insert(path.name().to_owned(), operand);
        }
        self.allow(Leniency::CreatedFromFilter).then_some(value)
    }

    /// Entra without the flag, JumpCloud, ssosync, rauthy and older authentik remove members by a list
    /// in `value` (A-39; traces `entra--members-remove-several-value-array`,
    /// `authentik--older-remove-by-value`). The RFC knows no such value and would empty the group.
    ///
    /// Salesforce puts the list into an object under the attribute's name (trace
    /// `fixtures--salesforce-remove-members-object`).
    pub(crate) fn values_to_remove(&mut self, attribute: &Attribute, value: &Value) -> Option<Vec<Value>> {
        let nested = value
            .as_object()
            .and_then(|it| attribute_of(it, &attribute.name))
            .filter(|_| attribute.sub_attribute(&attribute.name).is_none());
        let leniency = if nested.is_some() {
            Leniency::RemoveNested
        } else {
            Leniency::RemoveByValue
        };
        self.allow(leniency).then(|| match nested.unwrap_or(value) {
            Value::Array(values) => values.iter().filter(|it| !it.is_null()).cloned().collect(),
            single => vec![single.clone()],
        })
    }

    /// JumpCloud names a member in the filter and again in a `value` (trace
    /// `jumpcloud--remove-filter-with-value`).
    pub(crate) fn value_beside_filter(&mut self) {
        self.allow(Leniency::RemoveValueIgnored);
    }

    /// Entra and the validator send the manager as a plain string (A-37; traces
    /// `entra-flag--pathless-manager-urn-key`, `entra-validator--manager-string-and-empty-string`). The
    /// value becomes `{"value": …}` with its canonical form.
    pub(crate) fn text_for_complex(&mut self, attribute: &Attribute, value: &Value) {
        if attribute.type_ == AttributeType::Complex
            && value.is_string()
            && attribute.sub_attribute("value").is_some()
        {
            self.allow(Leniency::TextForComplex);
        }
    }

    /// The validator clears a manager with `""` or `{"value": ""}` (trace
    /// `entra-validator--manager-string-and-empty-string`).
    pub(crate) fn empty_reference(&mut self, attribute: &Attribute, value: &Value) -> bool {
        let is_empty = match value {
            Value::String(text) => text.is_empty(),
            Value::Object(members) => {
                attribute_of(members, "value").is_some_and(|it| it.as_str() == Some(""))
            }
            _ => false,
        };
        is_empty && attribute.is_shown_reference() && self.allow(Leniency::EmptyReference)
    }

    /// Older Entra jobs wrap the value of a single attribute, `[{"value": "x"}]` (A-34; trace
    /// `entra--manager-array`). An array of several stays one, to be refused.
    pub(crate) fn array_for_single(&mut self, attribute: &Attribute, value: Value) -> Value {
        let Value::Array(mut elements) = value else {
            return value;
        };
        if elements.len() != 1 || !self.allow(Leniency::ArrayForSingle) {
            return Value::Array(elements);
        }
        match elements.remove(0) {
            Value::Object(mut members) if attribute.type_ != AttributeType::Complex => {
                members.shift_remove("value").unwrap_or(Value::Object(members))
            }
            other => other,
        }
    }

    /// Older Entra jobs name the manager without the URN of the extension, `"path": "manager"` (trace
    /// `entra--manager-array`). It is taken for what it means if exactly one extension has a reference
    /// of that name; every other attribute of an extension needs its URN.
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
        self.allow(Leniency::UnqualifiedReference).then_some(only)
    }
}

/// The `value` of what a remove lists, by which it is looked up; a plain string is one itself.
pub(crate) fn listed_value(listed: &Value) -> Option<&Value> {
    match listed {
        Value::Object(listed) => attribute_of(listed, "value").filter(|it| !it.is_null()),
        simple => Some(simple),
    }
}

/// Whether what a remove lists names a stored value that has its `value`, if it says one: not if it
/// says another `type`, since the same address may stand there as work and as home. Without `value` it
/// names what has all that it says. `null` says nothing (Entra sends `"$ref": null`).
pub(crate) fn names_value(attribute: &Attribute, listed: &Value, stored: &Value) -> bool {
    let Value::Object(members) = listed else {
        return true;
    };
    let said = |name: &str| attribute_of(members, name).filter(|it| !it.is_null());
    let same = |sub: &Attribute, said: &Value| {
        stored.get(&sub.name).is_some_and(|it| {
            it == said
                || key::of(sub, it)
                    .zip(key::of(sub, said))
                    .is_some_and(|(a, b)| a == b)
        })
    };
    if said("value").is_some() {
        let points_at_resource = attribute.sub_attribute("$ref").is_some();
        return match attribute.sub_attribute("type").zip(said("type")) {
            Some((sub, type_)) if !points_at_resource => stored.get("type").is_none() || same(sub, type_),
            _ => true,
        };
    }
    let mut said_any = false;
    let all = attribute.sub_attributes.iter().all(|sub| match said(&sub.name) {
        None => true,
        Some(value) => {
            said_any = true;
            same(sub, value)
        }
    });
    all && said_any
}

/// A member of an object by its name in any case.
pub(crate) fn attribute_of<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members
        .iter()
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
