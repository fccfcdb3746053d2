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
use scim_model::validate::{member_id, reference_id};
use scim_model::{AttributePath, Policy, ResourceType, ScimError};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::apply::selection::remove_with_value;
use crate::error::{PatchError, invalid_value};
use crate::operation::Operation;
use crate::quirks::{Leniency, Tolerances, attribute_of};
use crate::target::Target;

/// How to carry out a PATCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What happens to the members.
    pub members: MembersPlan,
    /// The operations on the document: all of them if the list of members is needed, else those
    /// (or the parts of those) that are not about members.
    pub rest: Vec<Operation>,
    /// Tolerances that the planned part needed; [`crate::Outcome::leniencies`] has the others.
    pub leniencies: Vec<Leniency>,
    /// The `type` of new members for which the client named one. One that contradicts the member is an
    /// error, which needs the store to tell.
    pub member_types: Vec<(Uuid, String)>,
}

/// What a PATCH does to a group's members.
#[derive(Clone, Debug, PartialEq)]
pub enum MembersPlan {
    /// Nothing.
    Untouched,
    /// Row operations: `Remove` and `Add` of different ids, `ReplaceAll`, or `RemoveAll`. They are what
    /// remains of all operations: an id that is added and then removed is only removed.
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
        member_types: Vec::new(),
    };
    if !resource_type.has_members() {
        plan.rest = operations.to_vec();
        return Ok(plan);
    }
    let mut planner = Planner {
        resource_type,
        policy,
        tolerances: Tolerances::new(policy),
        delta: Delta::default(),
        types: Vec::new(),
        needs_list: false,
    };
    for operation in operations {
        planner.tolerances.next_operation();
        let rest = planner
            .operation(operation)
            .map_err(|error| operation.fail(error))?;
        plan.rest.extend(rest);
    }
    plan.member_types = planner.types;
    if planner.needs_list {
        plan.members = MembersPlan::NeedsList;
        plan.rest = operations.to_vec();
        return Ok(plan);
    }
    plan.leniencies = planner.tolerances.take();
    let steps = planner.delta.into_steps();
    if !steps.is_empty() {
        plan.members = MembersPlan::Steps(steps);
    }
    Ok(plan)
}

struct Planner<'a> {
    resource_type: &'a ResourceType,
    policy: Policy,
    tolerances: Tolerances,
    delta: Delta,
    types: Vec<(Uuid, String)>,
    needs_list: bool,
}

impl Planner<'_> {
    /// What of an operation is not about members.
    fn operation(&mut self, operation: &Operation) -> Result<Option<Operation>, ScimError> {
        let Some(path) = &operation.path else {
            return self.without_path(operation);
        };
        let target = Target::find(self.resource_type, path, &mut self.tolerances);
        match target {
            Ok(Target::Attribute(found)) if is_members(&found) && found.sub.is_none() => {
                self.whole(&found, operation.op, operation.value.as_ref())?;
            }
            Ok(Target::Values {
                attribute,
                filter,
                sub,
                ..
            }) if is_members(&attribute) => self.selected(&attribute, &filter, sub.is_some(), operation)?,
            Ok(Target::Attribute(found)) if is_members(&found) => self.needs_list = true,
            // The error of a path is reported when its turn comes.
            _ => {
                self.tolerances.forget_operation();
                return Ok(Some(operation.clone()));
            }
        }
        Ok(None)
    }

    /// An operation without path may speak of members among others.
    fn without_path(&mut self, operation: &Operation) -> Result<Option<Operation>, ScimError> {
        let (Op::Add | Op::Replace, Some(Value::Object(value))) = (operation.op, &operation.value) else {
            return Ok(Some(operation.clone()));
        };
        let mut rest = Map::new();
        for (name, value) in value {
            match Target::find(self.resource_type, name, &mut self.tolerances) {
                Ok(Target::Attribute(found)) if is_members(&found) && found.sub.is_none() => {
                    self.tolerances.forget_operation();
                    self.whole(&found, operation.op, Some(value))?;
                    continue;
                }
                Ok(Target::Attribute(found) | Target::Values { attribute: found, .. })
                    if is_members(&found) =>
                {
                    self.needs_list = true;
                }
                _ => {}
            }
            rest.insert(name.clone(), value.clone());
        }
        if rest.len() == value.len() {
            self.tolerances.forget_operation();
            return Ok(Some(operation.clone()));
        }
        Ok((!rest.is_empty()).then(|| Operation {
            value: Some(Value::Object(rest)),
            ..operation.clone()
        }))
    }

    /// `members` as a whole.
    fn whole(&mut self, members: &AttributePath, op: Op, value: Option<&Value>) -> Result<(), ScimError> {
        if op == Op::Remove {
            let Some(value) = value.filter(|it| !it.is_null()) else {
                self.delta.clear();
                return Ok(());
            };
            let listed = self
                .tolerances
                .values_to_remove(&members.attribute, value)
                .ok_or_else(|| remove_with_value(members))?;
            for listed in &listed {
                match named_id(listed, self.policy) {
                    Some(id) => self.delta.set(uuid(&id), false),
                    // By anything but its id, `{"type": "Group"}`.
                    None => self.needs_list |= listed.is_object(),
                }
            }
            return Ok(());
        }
        let elements = match value {
            None => {
                return Err(invalid_value(format!(
                    "`{members}`: the operation needs a `value`"
                )));
            }
            Some(Value::Null) => &[],
            Some(Value::Array(elements)) => &elements[..],
            Some(single) => std::slice::from_ref(single),
        };
        if op == Op::Replace {
            self.delta.clear();
        }
        for element in elements.iter().filter(|it| !it.is_null()) {
            self.tolerances.text_for_complex(&members.attribute, element);
            let id = named_id(element, self.policy).ok_or_else(|| no_id(members))?;
            let id = member_id(members, &json!({ "value": id }))?;
            let type_ = element.as_object().and_then(|it| attribute_of(it, "type"));
            if let Some(type_) = type_.and_then(Value::as_str) {
                self.types.push((id, type_.to_owned()));
            }
            self.delta.set(Some(id), true);
        }
        Ok(())
    }

    /// Members that fulfil a filter, which may name them by their ids.
    fn selected(
        &mut self,
        members: &AttributePath,
        filter: &ValFilter,
        has_sub: bool,
        operation: &Operation,
    ) -> Result<(), ScimError> {
        let Some(ids) = ids_in(filter).filter(|_| !has_sub) else {
            self.needs_list = true;
            return Ok(());
        };
        match (operation.op, &operation.value) {
            (Op::Remove, value) => {
                if value.as_ref().is_some_and(|it| !it.is_null()) {
                    self.tolerances.value_beside_filter();
                }
                // What is no id is nobody's id.
                for id in ids {
                    self.delta.set(uuid(&id), false);
                }
            }
            // Whether the member is there or not, it is there afterwards, and nothing else of it can
            // change.
            (Op::Add, Some(Value::Object(value)))
                if says_no_other(value, &ids) && self.tolerances.value_from_filter(filter).is_some() =>
            {
                self.delta
                    .set(Some(member_id(members, &json!({ "value": ids[0] }))?), true);
            }
            _ => self.needs_list = true,
        }
        Ok(())
    }
}

/// What operations on members come to, whoever was a member before.
#[derive(Default)]
struct Delta {
    /// Nobody who was a member before is one now, unless named.
    replaces: bool,
    /// The last word on each id, in order of the first.
    named: Vec<(Uuid, bool)>,
    places: HashMap<Uuid, usize>,
}

impl Delta {
    fn clear(&mut self) {
        *self = Delta {
            replaces: true,
            ..Delta::default()
        };
    }

    fn set(&mut self, id: Option<Uuid>, is_member: bool) {
        let Some(id) = id else { return };
        let place = *self.places.entry(id).or_insert(self.named.len());
        if place == self.named.len() {
            self.named.push((id, is_member));
        } else {
            self.named[place].1 = is_member;
        }
    }

    fn into_steps(self) -> Vec<MembersStep> {
        let of = |is_member: bool| -> Vec<Uuid> {
            let ids = self.named.iter().filter(|(_, it)| *it == is_member);
            ids.map(|(id, _)| *id).collect()
        };
        let (removed, added) = (of(false), of(true));
        let mut steps = Vec::new();
        match (self.replaces, added.is_empty()) {
            (true, true) => steps.push(MembersStep::RemoveAll),
            (true, false) => steps.push(MembersStep::ReplaceAll(added)),
            (false, no_one) => {
                if !removed.is_empty() {
                    steps.push(MembersStep::Remove(removed));
                }
                if !no_one {
                    steps.push(MembersStep::Add(added));
                }
            }
        }
        steps
    }
}

/// The id that an element of `members` names, in an object by its `value` or else its `$ref`;
/// leniently also as a plain string.
pub(crate) fn named_id(element: &Value, policy: Policy) -> Option<String> {
    match element {
        Value::Object(members) => {
            let said = ["value", "$ref"].into_iter().filter_map(|name| {
                let value = attribute_of(members, name)?;
                Some((name.to_owned(), value.clone()))
            });
            reference_id(&said.collect()).map(str::to_owned)
        }
        Value::String(id) if policy.lenient && !id.is_empty() => Some(id.clone()),
        _ => None,
    }
}

pub(crate) fn no_id(members: &AttributePath) -> ScimError {
    invalid_value(format!("`{members}.value` is required: the id of a resource"))
}

fn uuid(id: &str) -> Option<Uuid> {
    member_id(&"members", &json!({ "value": id })).ok()
}

/// Whether an object says nothing of a member but the one id of the filter.
fn says_no_other(value: &Map<String, Value>, ids: &[String]) -> bool {
    let [id] = ids else { return false };
    value
        .iter()
        .all(|(name, it)| name.eq_ignore_ascii_case("value") && it.as_str() == Some(id))
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
                if path.urn().is_none()
                    && path.sub().is_none()
                    && path.name().eq_ignore_ascii_case("value") =>
            {
                Some(id.clone())
            }
            _ => None,
        })
        .collect()
}

pub(crate) fn is_members(found: &AttributePath) -> bool {
    found.extension.is_none() && found.attribute.name == "members" && found.attribute.is_reference_set()
}
