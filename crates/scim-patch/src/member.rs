//! The members of a group, which a store keeps as separate rows.

use scim_filter::{AttrExp, CompValue, CompareOp, ValFilter};
use scim_model::internal::{canonical_value, member_id, reference_id};
use scim_model::schema::Mutability;
use scim_model::{AttributePath, ResourceType, ScimError, ScimType, Tolerance};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::object::value_named;
use crate::tolerance::Tolerances;

/// Returns whether the path names the members of a group.
pub(crate) fn is_members_of(resource_type: &ResourceType, found: &AttributePath) -> bool {
    resource_type.has_members()
        && found.extension.is_none()
        && found.attribute.name == "members"
        && found.attribute.is_reference_set()
}

/// Returns the id that an element of `members` names, by its `value` or else its `$ref`.
fn named_id(element: &Value) -> Option<String> {
    let members = element.as_object()?;
    let named = ["value", "$ref"].into_iter().filter_map(|name| {
        let value = value_named(members, name)?;
        Some((name.to_owned(), value.clone()))
    });
    reference_id(&Map::from_iter(named)).map(str::to_owned)
}

/// Returns the id of a member to add.
///
/// # Errors
/// `invalidValue` when the element names no id, or a sub-attribute has a value of another data type, as in POST and PUT.
pub(crate) fn id_to_add(
    members: &AttributePath,
    element: &Value,
    tolerances: &mut Tolerances,
) -> Result<String, ScimError> {
    tolerances.text_for_complex(&members.attribute, element);
    let id = match element {
        Value::String(id) if tolerances.is_lenient() => Some(id.clone()),
        element => named_id(element),
    };
    let id = id.filter(|it| !it.is_empty()).ok_or_else(|| {
        let path = format_args!("{members}.value");
        ScimError::at(ScimType::InvalidValue, path, "is required: the id of a resource")
    })?;
    for (name, value) in element.as_object().into_iter().flatten() {
        let sub = members.attribute.sub_attribute(name);
        if let Some(sub) = sub.filter(|it| it.mutability != Mutability::ReadOnly)
            && !value.is_string()
        {
            let path = format_args!("{members}.{}", sub.name);
            canonical_value(sub, &path, value.clone(), tolerances.current())?;
        }
    }
    Ok(id)
}

/// Refuses `null` among members under a strict policy, as `canonical_element` does for other attributes.
pub(crate) fn refuse_null(members: &AttributePath, tolerances: &Tolerances) -> Result<(), ScimError> {
    if tolerances.current().allow(Tolerance::NullElement) {
        return Ok(());
    }
    let problem = "must not have null among its values";
    Err(ScimError::at(ScimType::InvalidValue, members, problem))
}

/// Returns the id that an element in the list of a `remove` names; the element may be a plain string. Returns `None`
/// when it names no resource, so that the caller refuses the request: otherwise success would be reported although
/// the member stays. As in an `add`, a text that is not an id is refused, and a `$ref` counts if there is no `value`.
/// It must then end with the id of a resource.
pub(crate) fn id_to_remove(listed: &Value) -> Option<Uuid> {
    let Value::Object(members) = listed else {
        return parse_id(listed.as_str()?);
    };
    match value_named(members, "value") {
        Some(Value::String(id)) if !id.trim().is_empty() => parse_id(id),
        None | Some(Value::Null | Value::String(_)) => {
            let uri = value_named(members, "$ref")?.clone();
            parse_id(reference_id(&Map::from_iter([("$ref".to_owned(), uri)]))?)
        }
        Some(_) => None,
    }
}

/// Takes the comparison of `type` out of a filter for members to remove, if the filter also names a member by
/// `value`, and members cannot refer to resources of that type. Returns the rest of the filter and the compared word.
/// The store detects whether the word contradicts the member.
pub(crate) fn without_other_type(
    members: &AttributePath,
    filter: &ValFilter,
    tolerances: &Tolerances,
) -> Option<(ValFilter, String)> {
    let ValFilter::And(terms) = filter else {
        return None;
    };
    let [first, second] = &terms[..] else { return None };
    let of_type = |term| equality(term, "type");
    let (word, rest) = of_type(first)
        .map(|it| (it, second))
        .or_else(|| of_type(second).map(|it| (it, first)))?;
    let names_member = equality(rest, "value").is_some();
    let is_other = names_member && tolerances.is_lenient() && !is_type_of(members, word);
    is_other.then(|| (rest.clone(), word.to_owned()))
}

/// Returns the text of `name eq "text"`; `None` for any other filter.
pub(crate) fn equality<'f>(filter: &'f ValFilter, name: &str) -> Option<&'f str> {
    match filter {
        ValFilter::Attr(AttrExp::Compare(path, CompareOp::Eq, CompValue::String(text)))
            if path.urn().is_none() && path.sub().is_none() && path.name().eq_ignore_ascii_case(name) =>
        {
            Some(text)
        }
        _ => None,
    }
}

/// Returns whether members can refer to resources of a type with this name.
fn is_type_of(members: &AttributePath, word: &str) -> bool {
    let types = members.attribute.sub_attribute("$ref");
    types.is_some_and(|it| {
        it.reference_types
            .iter()
            .any(|known| known.eq_ignore_ascii_case(word))
    })
}

/// Takes a `type` out of the sub-attributes to change in a member, if members cannot refer to resources of this type.
/// The store detects whether the `type` contradicts the member.
pub(crate) fn take_other_type(
    members: &AttributePath,
    named: &mut Map<String, Value>,
    tolerances: &Tolerances,
) -> Option<String> {
    let name = named.keys().find(|it| it.eq_ignore_ascii_case("type"))?.clone();
    let word = named[&name].as_str()?.to_owned();
    if is_type_of(members, &word) || !tolerances.is_lenient() {
        return None;
    }
    named.shift_remove(&name);
    Some(word)
}

/// Parses an id; a text that is not one is the id of no resource.
pub(crate) fn parse_id(id: &str) -> Option<Uuid> {
    member_id(&"members", &json!({ "value": id })).ok()
}
