//! The changes of members that follow from the operations alone.
//!
//! `add`, `replace` and `remove` of the whole `members` attribute, and of members whose `value` a filter names,
//! become row operations: no store has to read the members of the group. Any other filter
//! (`members[type eq "Group"]`, `not`, a sub-attribute after the bracket) needs the list of members; the whole request
//! is then applied to a document that contains it.

mod delta;

use scim_filter::ValFilter;
use scim_model::internal::{Op, member_id, schema_named};
use scim_model::store::MembersStep;
use scim_model::{AttributePath, Policy, ResourceType, ScimError, Tolerance};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::delta::Delta;
use crate::error::{PatchError, invalid_value};
use crate::member::{
    equality, id_to_add, id_to_remove, is_members_of, parse_id, refuse_null, without_other_type,
};
use crate::object::value_named;
use crate::operation::Operation;
use crate::target::{Selection, Target};
use crate::tolerance::Tolerances;

/// How to carry out a PATCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The effect on the members.
    pub members: MembersPlan,
    /// The operations for [`crate::apply()`]: all operations if the list of members is needed, otherwise those that
    /// do not concern members. Members are taken out of the value of an operation without `path`.
    pub rest: Vec<Operation>,
    /// The tolerances that the planned part needed; [`crate::Outcome::tolerances`] lists those of the rest.
    pub tolerances: Vec<Tolerance>,
    /// The new members for which the client sent a `type`, and the members to remove for which a filter has a `type`
    /// that no member can have. A `type` that contradicts the resource is an error that only the store can
    /// detect. [`crate::Outcome::member_types`] lists those of the rest.
    pub member_types: Vec<(Uuid, String)>,
}

/// The effect of a PATCH on the members of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum MembersPlan {
    /// No operation concerns members.
    Untouched,
    /// Row operations: `Remove` and `Add` of different ids, `ReplaceAll`, or `RemoveAll`. They are the net effect of
    /// all operations: an id that is added and then removed is only removed.
    Steps(Vec<MembersStep>),
    /// The document must contain the members. [`scim_model::change::AttributeChanges::members`] then returns the row
    /// operations.
    NeedsList,
}

/// Separates the operations on members from the others. A resource type without members has an empty plan, with all
/// operations in [`Plan::rest`].
///
/// # Errors
/// The errors of [`crate::apply()`], for the operations on members.
pub fn plan(
    resource_type: &ResourceType,
    operations: &[Operation],
    policy: Policy,
) -> Result<Plan, PatchError> {
    let mut plan = Plan {
        members: MembersPlan::Untouched,
        rest: Vec::new(),
        tolerances: Vec::new(),
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
    plan.tolerances = planner.tolerances.into_used();
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
    /// Plans an operation, and returns the part of it that does not concern members.
    fn operation(&mut self, operation: &Operation) -> Result<Option<Operation>, ScimError> {
        let Some(path) = &operation.path else {
            return self.without_path(operation);
        };
        if Tolerances::new(self.policy).is_core_urn(self.resource_type, operation) {
            return self.without_path(operation);
        }
        match Target::find(self.resource_type, path, &mut self.tolerances) {
            Ok(Target::Attribute(found)) if self.is_members(&found) => {
                if found.sub.is_some() {
                    self.needs_list = true;
                } else {
                    self.whole(&found, operation.op, operation.value.as_ref())?;
                }
            }
            Ok(Target::Values(selection)) if self.is_members(&selection.attribute) => {
                self.selected(&selection, operation)?;
            }
            // `apply` reports a path that is invalid, in the order of the operations.
            target => {
                if let (Ok(Target::Extension(_)), Some(value)) = (target, &operation.value) {
                    self.needs_list |= self.may_name_members(value);
                }
                self.tolerances.forget_operation();
                return Ok(Some(operation.clone()));
            }
        }
        Ok(None)
    }

    /// Plans an operation without `path`, whose value may name members among other attributes.
    fn without_path(&mut self, operation: &Operation) -> Result<Option<Operation>, ScimError> {
        let (Op::Add | Op::Replace, Some(Value::Object(named))) = (operation.op, &operation.value) else {
            return Ok(Some(operation.clone()));
        };
        let mut rest = Map::new();
        let mut has_container = false;
        let mut all_rest = true;
        let unrecorded = &mut Tolerances::new(self.policy);
        for it in unrecorded.named_attributes(self.resource_type, named) {
            has_container |= it.is_under_urn;
            // `apply` records the tolerances that the other names need.
            let target = Target::find(self.resource_type, it.name, &mut Tolerances::new(self.policy)).ok();
            match target.as_ref().and_then(Target::attribute) {
                Some(found) if self.is_members(found) => {
                    all_rest = false;
                    Target::find(self.resource_type, it.name, &mut self.tolerances)?;
                    if target.as_ref().is_some_and(Target::is_more_than_a_name) {
                        self.needs_list = true;
                    } else {
                        self.whole(found, operation.op, Some(it.value))?;
                    }
                }
                _ => {
                    let is_extension = matches!(target, Some(Target::Extension(_)));
                    self.needs_list |= is_extension && self.may_name_members(it.value);
                    rest.insert(it.name.clone(), it.value.clone());
                }
            }
        }
        if all_rest {
            return Ok(Some(operation.clone()));
        }
        if has_container {
            self.tolerances.allow(Tolerance::CoreUrnContainer);
        }
        if rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(Operation {
            value: Some(Value::Object(rest)),
            ..operation.clone()
        }))
    }

    /// Returns whether the object of an extension has a key with the URN of a schema, which may lead to the members.
    fn may_name_members(&self, value: &Value) -> bool {
        let mut names = value.as_object().into_iter().flat_map(Map::keys);
        names.any(|it| schema_named(self.resource_type, it).is_some())
    }

    /// Plans an operation on the whole `members` attribute.
    fn whole(&mut self, members: &AttributePath, op: Op, value: Option<&Value>) -> Result<(), ScimError> {
        if op == Op::Remove {
            return self.remove_whole(members, value);
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
        for element in elements {
            if element.is_null() {
                refuse_null(members, &self.tolerances)?;
                continue;
            }
            let id = id_to_add(members, element, &mut self.tolerances)?;
            let id = member_id(members, &json!({ "value": id }))?;
            let type_ = element.as_object().and_then(|it| value_named(it, "type"));
            if let Some(type_) = type_.and_then(Value::as_str) {
                self.types.push((id, type_.to_owned()));
            }
            self.delta.add(id);
        }
        Ok(())
    }

    fn remove_whole(&mut self, members: &AttributePath, value: Option<&Value>) -> Result<(), ScimError> {
        let Some(value) = value.filter(|it| !it.is_null()) else {
            self.delta.clear();
            return Ok(());
        };
        let listed = self
            .tolerances
            .listed_values(self.resource_type, members, value)?;
        for id in listed.iter().filter_map(id_to_remove) {
            self.delta.remove(id);
        }
        Ok(())
    }

    /// Plans an operation on the members that a filter selects, if the filter names their ids.
    fn selected(&mut self, selection: &Selection, operation: &Operation) -> Result<(), ScimError> {
        let other_type = match operation.op {
            Op::Remove => without_other_type(&selection.attribute, &selection.filter, &self.tolerances),
            Op::Add | Op::Replace => None,
        };
        let filter = other_type.as_ref().map_or(&selection.filter, |(rest, _)| rest);
        let Some(ids) = ids_in(filter).filter(|_| selection.sub.is_none()) else {
            self.needs_list = true;
            return Ok(());
        };
        match (operation.op, &operation.value) {
            (Op::Remove, value) => {
                if value.as_ref().is_some_and(|it| !it.is_null()) {
                    self.tolerances.value_with_filter();
                }
                // A text that is not an id names no member.
                for id in ids.iter().filter_map(|it| parse_id(it)) {
                    let word = other_type.as_ref().map(|(_, word)| (id, word.clone()));
                    self.types.extend(word);
                    self.delta.remove(id);
                }
            }
            // The result is the same whether the group has the member already or not, since nothing else of a member
            // can change.
            (Op::Add, Some(Value::Object(value)))
                if has_no_other(value, &ids)
                    && self
                        .tolerances
                        .value_from_filter(&selection.attribute.attribute, &selection.filter)
                        .is_some() =>
            {
                let member = json!({ "value": ids[0] });
                self.delta.add(member_id(&selection.attribute, &member)?);
            }
            _ => self.needs_list = true,
        }
        Ok(())
    }

    fn is_members(&self, found: &AttributePath) -> bool {
        is_members_of(self.resource_type, found)
    }
}

/// Returns whether the value of an operation names nothing but the one id of the filter.
fn has_no_other(value: &Map<String, Value>, ids: &[String]) -> bool {
    let [id] = ids else { return false };
    value
        .iter()
        .all(|(name, it)| name.eq_ignore_ascii_case("value") && it.as_str() == Some(id))
}

/// Returns the ids of `value eq "a"` and `value eq "a" or value eq "b"`; `None` for any other filter.
fn ids_in(filter: &ValFilter) -> Option<Vec<String>> {
    let terms = match filter {
        ValFilter::Or(terms) => &**terms,
        single => std::slice::from_ref(single),
    };
    terms
        .iter()
        .map(|term| equality(term, "value").map(str::to_owned))
        .collect()
}
