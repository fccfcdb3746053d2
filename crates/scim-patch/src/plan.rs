//! Changes of members that can be told from the operations alone.
//!
//! `add`, `replace` and `remove` of the whole `members` attribute, and of members named by their
//! `value` in a filter, become row operations; nobody has to read who is a member. A filter over
//! anything else (`members[type eq "Group"]`, `not`, a sub-attribute behind the bracket) needs the
//! list: then the whole request is applied to a document that holds the members.

use std::collections::HashMap;

use scim_filter::{AttrExp, CompValue, CompareOp, ValFilter};
use scim_model::message::Op;
use scim_model::store::MembersStep;
use scim_model::validate::member_id;
use scim_model::{AttributePath, Policy, ResourceType, ScimError};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::error::{PatchError, invalid_value};
use crate::operation::Operation;
use crate::quirks::{self, Leniency};
use crate::target::Target;

/// How to carry out a PATCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What happens to the members.
    pub members: MembersPlan,
    /// The operations on the document: all of them if the list of members is needed, else those
    /// (or the parts of those) that are not about members.
    pub rest: Vec<Operation>,
    /// Tolerances that the planned part needed.
    pub leniencies: Vec<Leniency>,
}

/// What a PATCH does to a group's members.
#[derive(Clone, Debug, PartialEq)]
pub enum MembersPlan {
    /// Nothing.
    Untouched,
    /// Row operations, in order: what is left of all that were asked for.
    Steps(Vec<MembersStep>),
    /// The document must hold the members; see [`crate::Change::members`] for what comes out.
    NeedsList,
}

/// Separates the operations on members from the others.
///
/// # Errors
/// As [`crate::apply()`], for the operations on members.
pub fn plan(
    resource_type: &ResourceType,
    operations: &[Operation],
    policy: Policy,
) -> Result<Plan, PatchError> {
    let mut plan = Plan {
        members: MembersPlan::Untouched,
        rest: Vec::new(),
        leniencies: Vec::new(),
    };
    if !resource_type.has_members() {
        plan.rest = operations.to_vec();
        return Ok(plan);
    }
    let mut steps = Vec::new();
    for operation in operations {
        match planned(resource_type, operation, policy, &mut plan.leniencies)
            .map_err(|it| operation.fail(it))?
        {
            Part::Rest(rest) => plan.rest.push(rest),
            Part::Steps(new, rest) => {
                steps.extend(new);
                plan.rest.extend(rest);
            }
            Part::NeedsList => {
                plan.members = MembersPlan::NeedsList;
                plan.rest = operations.to_vec();
                plan.leniencies.clear();
                return Ok(plan);
            }
        }
    }
    if !steps.is_empty() {
        plan.members = MembersPlan::Steps(net(&steps));
    }
    Ok(plan)
}

/// What steps come to in the end, in two at most: who was added and removed again is no change, not
/// even of the version.
fn net(steps: &[MembersStep]) -> Vec<MembersStep> {
    // With `cleared`, exactly those in `last` with true are members; else the others stay.
    let mut cleared = false;
    let mut order: Vec<Uuid> = Vec::new();
    let mut last: HashMap<Uuid, bool> = HashMap::new();
    let set = |order: &mut Vec<Uuid>, last: &mut HashMap<Uuid, bool>, ids: &[Uuid], is_member: bool| {
        for id in ids {
            if last.insert(*id, is_member).is_none() {
                order.push(*id);
            }
        }
    };
    for step in steps {
        match step {
            MembersStep::Add(ids) => set(&mut order, &mut last, ids, true),
            MembersStep::Remove(ids) => set(&mut order, &mut last, ids, false),
            MembersStep::RemoveAll | MembersStep::ReplaceAll(_) => {
                cleared = true;
                order.clear();
                last.clear();
                if let MembersStep::ReplaceAll(ids) = step {
                    set(&mut order, &mut last, ids, true);
                }
            }
        }
    }
    let (members, others): (Vec<Uuid>, Vec<Uuid>) = order.into_iter().partition(|id| last[id]);
    match (cleared, members.is_empty()) {
        (true, true) => vec![MembersStep::RemoveAll],
        (true, false) => vec![MembersStep::ReplaceAll(members)],
        (false, _) => {
            let steps = [
                (MembersStep::Remove as fn(_) -> _, others),
                (MembersStep::Add, members),
            ];
            steps
                .into_iter()
                .filter(|(_, ids)| !ids.is_empty())
                .map(|(step, ids)| step(ids))
                .collect()
        }
    }
}

enum Part {
    Rest(Operation),
    Steps(Vec<MembersStep>, Option<Operation>),
    NeedsList,
}

fn planned(
    resource_type: &ResourceType,
    operation: &Operation,
    policy: Policy,
    leniencies: &mut Vec<Leniency>,
) -> Result<Part, ScimError> {
    let Some(path) = &operation.path else {
        return pathless(resource_type, operation, policy);
    };
    let Ok(target) = Target::find(resource_type, path, policy) else {
        // The error is reported when its turn comes.
        return Ok(Part::Rest(operation.clone()));
    };
    match target {
        Target::Attribute(found) if is_members(&found) && found.sub.is_none() => {
            whole(&found, operation, policy, leniencies).map(|it| Part::Steps(it, None))
        }
        Target::Values {
            attribute,
            filter,
            sub,
            ..
        } if is_members(&attribute) => {
            let Some(ids) = ids_in(&filter).filter(|_| sub.is_none()) else {
                return Ok(Part::NeedsList);
            };
            match (operation.op, &operation.value) {
                (Op::Remove, value) => {
                    if value.is_some() && policy.lenient {
                        leniencies.push(Leniency::RemoveValueIgnored);
                    }
                    // What is no id is nobody's id.
                    Ok(Part::Steps(
                        vec![MembersStep::Remove(
                            ids.iter().filter_map(|it| uuid(it)).collect(),
                        )],
                        None,
                    ))
                }
                // Bitwarden adds a member by `members[value eq "id"]` and an empty value.
                (Op::Add, Some(Value::Object(value)))
                    if policy.lenient && ids.len() == 1 && says_no_other(value, &ids[0]) =>
                {
                    leniencies.push(Leniency::CreatedFromFilter);
                    let id = member_id(&attribute, &json!({"value": ids[0]}))?;
                    Ok(Part::Steps(vec![MembersStep::Add(vec![id])], None))
                }
                _ => Ok(Part::NeedsList),
            }
        }
        Target::Attribute(found) if is_members(&found) => Ok(Part::NeedsList),
        _ => Ok(Part::Rest(operation.clone())),
    }
}

/// An operation without path may speak of members among others.
fn pathless(resource_type: &ResourceType, operation: &Operation, policy: Policy) -> Result<Part, ScimError> {
    let (Op::Add | Op::Replace, Some(Value::Object(value))) = (operation.op, &operation.value) else {
        return Ok(Part::Rest(operation.clone()));
    };
    let mut steps = Vec::new();
    let mut rest = Map::new();
    for (name, value) in value {
        match Target::find(resource_type, name, policy) {
            Ok(Target::Attribute(found)) if is_members(&found) && found.sub.is_none() => {
                let part = Operation {
                    path: None,
                    value: Some(value.clone()),
                    ..operation.clone()
                };
                steps.extend(whole(&found, &part, policy, &mut Vec::new())?);
            }
            Ok(Target::Attribute(found) | Target::Values { attribute: found, .. }) if is_members(&found) => {
                return Ok(Part::NeedsList);
            }
            _ => {
                rest.insert(name.clone(), value.clone());
            }
        }
    }
    if rest.len() == value.len() {
        return Ok(Part::Rest(operation.clone()));
    }
    let rest = (!rest.is_empty()).then(|| Operation {
        value: Some(Value::Object(rest)),
        ..operation.clone()
    });
    Ok(Part::Steps(steps, rest))
}

fn whole(
    members: &AttributePath,
    operation: &Operation,
    policy: Policy,
    leniencies: &mut Vec<Leniency>,
) -> Result<Vec<MembersStep>, ScimError> {
    let value = operation.value.as_ref();
    Ok(match operation.op {
        Op::Remove => match value.filter(|it| !it.is_null()) {
            None => vec![MembersStep::RemoveAll],
            Some(_) if !policy.lenient => return Err(remove_with_value(members)),
            Some(value) => {
                let (listed, leniency) = quirks::values_to_remove(&members.attribute, value);
                leniencies.push(leniency);
                vec![MembersStep::Remove(listed.iter().filter_map(named_id).collect())]
            }
        },
        Op::Add => match value {
            None => {
                return Err(invalid_value(format!(
                    "`{members}`: the operation needs a `value`"
                )));
            }
            Some(value) => vec![MembersStep::Add(ids(members, value, policy)?)],
        },
        Op::Replace => match value {
            None => {
                return Err(invalid_value(format!(
                    "`{members}`: the operation needs a `value`"
                )));
            }
            Some(value) => {
                let ids = ids(members, value, policy)?;
                vec![if ids.is_empty() {
                    MembersStep::RemoveAll
                } else {
                    MembersStep::ReplaceAll(ids)
                }]
            }
        },
    })
}

/// RFC 7644 section 3.5.2.2 knows no `value` here; emptying the group instead is the worst answer.
pub(crate) fn remove_with_value(attribute: &AttributePath) -> ScimError {
    invalid_value(format!(
        "a remove of `{attribute}` has no `value`: name the values in the path's filter"
    ))
}

fn ids(members: &AttributePath, value: &Value, policy: Policy) -> Result<Vec<Uuid>, ScimError> {
    let elements = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(elements) => &elements[..],
        single => std::slice::from_ref(single),
    };
    let mut ids = Vec::with_capacity(elements.len());
    for element in elements.iter().filter(|it| !it.is_null()) {
        ids.push(match element {
            Value::String(id) if policy.lenient => member_id(members, &json!({"value": id}))?,
            Value::Object(_) => member_id(members, element)?,
            _ => {
                return Err(invalid_value(format!(
                    "`{members}` must hold objects with a `value`"
                )));
            }
        });
    }
    Ok(ids)
}

fn named_id(listed: &Value) -> Option<Uuid> {
    match listed {
        Value::String(id) => uuid(id),
        Value::Object(_) => member_id(&"members", listed).ok(),
        _ => None,
    }
}

fn uuid(id: &str) -> Option<Uuid> {
    member_id(&"members", &json!({"value": id})).ok()
}

fn says_no_other(value: &Map<String, Value>, id: &str) -> bool {
    value
        .iter()
        .all(|(name, it)| !name.eq_ignore_ascii_case("value") || it.as_str() == Some(id))
}

/// The ids of `value eq "a"` and `value eq "a" or value eq "b"`; `None` for any other filter.
fn ids_in(filter: &ValFilter) -> Option<Vec<String>> {
    let terms = match filter {
        ValFilter::Or(terms) => &**terms,
        single => std::slice::from_ref(single),
    };
    terms
        .iter()
        .map(|term| match term {
            ValFilter::Attr(AttrExp::Compare(path, CompareOp::Eq, CompValue::String(id)))
                if path.urn.is_none() && path.sub.is_none() && path.name.eq_ignore_ascii_case("value") =>
            {
                Some(id.clone())
            }
            _ => None,
        })
        .collect()
}

fn is_members(path: &AttributePath) -> bool {
    path.extension.is_none() && path.attribute.name == "members"
}
