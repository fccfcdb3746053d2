//! Laws that hold for every document and every request. The property tests and the fuzz target check them.
#![allow(dead_code)] // The fuzz target calls only one of the functions.

use scim_model::change::{AttributeChange, AttributeChanges};
use scim_model::store::{MembersChange, MembersStep};
use scim_model::{Document, ErrorKind, Policy, ResourceType, SchemaRegistry, ScimType, json as scim_json};
use scim_patch::{MembersPlan, Op, Operation, apply, plan};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Checks any bytes: a line with a resource, and a PatchOp message after it.
pub(crate) fn bytes(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|it| *it == b'\n') else {
        return;
    };
    let (Ok(resource), Ok(message)) = (scim_json::parse(&bytes[..end]), scim_json::parse(&bytes[end..]))
    else {
        return;
    };
    let registry = SchemaRegistry::builtin();
    for resource_type in &registry.resource_types {
        request(resource_type, resource.clone(), &message);
    }
}

/// Checks a resource as a client creates it, and a message.
pub(crate) fn request(resource_type: &ResourceType, resource: Value, message: &Value) {
    let Ok(sent) = Document::for_create(resource_type, resource, Policy { lenient: true }) else {
        return;
    };
    let mut document = sent.document;
    if let Some(members) = sent.members.filter(|it| !it.is_empty()) {
        document.insert("members", as_members(&members));
    }
    for lenient in [true, false] {
        let policy = Policy { lenient };
        if let Ok(operations) = Operation::parse_all(message.clone(), policy) {
            patch(resource_type, &document, &operations, policy);
        }
    }
}

pub(crate) fn patch(
    resource_type: &ResourceType,
    document: &Document,
    operations: &[Operation],
    policy: Policy,
) {
    let before = Value::Object(document.values().clone()).to_string();
    let outcome = apply(resource_type, document, operations, policy);
    assert_eq!(Value::Object(document.values().clone()).to_string(), before);
    let context = || format!("{operations:?} on {before}");
    if let Err(error) = &outcome {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.contains('\n'), "{text}");
        // The client is at fault, and no other resource is in the way.
        let is_other = matches!(
            error.error.kind,
            ErrorKind::Internal | ErrorKind::Scim(ScimType::Uniqueness | ScimType::Sensitive)
        );
        assert!(!is_other, "{text}");
    }
    if let Ok(outcome) = &outcome {
        let after = &outcome.document;
        assert_eq!(after.check(resource_type), Ok(()), "{}", context());
        assert!(policy.lenient || outcome.tolerances.is_empty(), "{}", context());
        // The changes are the whole difference: applied to the old document, they give the new one.
        assert_eq!(
            outcome.changes,
            AttributeChanges::between(resource_type, document, after),
            "{}",
            context()
        );
        let replayed = replay(resource_type, &outcome.changes, document, after);
        assert!(
            AttributeChanges::between(resource_type, after, &replayed).is_empty(),
            "{}",
            context()
        );
        if outcome.changes.is_empty() {
            assert_eq!(after, document, "{}", context());
        }
        // A stored document is read back unchanged.
        let text = after.to_stored_json(resource_type);
        let mut stored = after.clone();
        if resource_type.has_members() {
            stored.remove("members");
        }
        assert_eq!(Document::from_stored_json(&text), Ok(stored), "{}", context());
        // RFC 7644 section 3.5.2.1: adding an existing value changes nothing.
        if let [
            Operation {
                op: Op::Add,
                path: Some(path),
                ..
            },
        ] = operations
            && !path.contains('[')
        {
            let again = apply(resource_type, after, operations, policy);
            assert!(again.is_ok_and(|it| it.changes.is_empty()), "{}", context());
        }
    }
    if resource_type.has_members() {
        planned(resource_type, document, operations, policy);
    }
}

/// Applies the changes to the old document. Values that the changes do not record come from the new document.
fn replay(
    resource_type: &ResourceType,
    changes: &AttributeChanges,
    old: &Document,
    new: &Document,
) -> Document {
    let mut replayed = old.values().clone();
    for (path, change) in changes.iter() {
        let in_extension = resource_type.extensions.iter().find_map(|(schema, _)| {
            let name = path.strip_prefix(&*schema.id)?.strip_prefix(':')?;
            Some((&*schema.id, name))
        });
        let (recorded, name) = match in_extension {
            None => (new.values().get(path), path),
            Some((urn, name)) => (new.values().get(urn).and_then(|it| it.get(name)), name),
        };
        let holder = match in_extension {
            None => &mut replayed,
            Some((urn, _)) => {
                let holder = replayed.entry(urn).or_insert_with(|| json!({}));
                holder.as_object_mut().unwrap()
            }
        };
        let value = match change {
            AttributeChange::Value { new, .. } => new.clone(),
            AttributeChange::Hidden => recorded.cloned(),
            AttributeChange::References { added, removed } => {
                let names = |it: &Value, ids: &[String]| ids.iter().any(|id| it["value"] == **id);
                let elements = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
                let mut values = elements(holder.get(name)).unwrap_or_default();
                values.retain(|it| !names(it, removed));
                let come = elements(recorded).unwrap_or_default();
                values.extend(come.into_iter().filter(|it| names(it, added)));
                (!values.is_empty()).then_some(Value::Array(values))
            }
            AttributeChange::Steps(_) => panic!("`{path}` was compared, not planned"),
        };
        match value {
            Some(value) => drop(holder.insert(name.to_owned(), value)),
            None => drop(holder.shift_remove(name)),
        }
        if let Some((urn, _)) = in_extension
            && replayed[urn] == json!({})
        {
            replayed.shift_remove(urn);
        }
    }
    Document::from_values(replayed)
}

/// Checks that the plan for the members of a group has the same result as the operations on the list.
fn planned(resource_type: &ResourceType, document: &Document, operations: &[Operation], policy: Policy) {
    let whole = apply(resource_type, document, operations, policy);
    let context = || format!("{operations:?} on {document:?}");
    let planned = match plan(resource_type, operations, policy) {
        Ok(planned) => planned,
        Err(error) => {
            // The plan may refuse, before `apply` does, only members that no store could have.
            let refused_later = match whole {
                Err(_) => true,
                Ok(whole) => {
                    whole.changes.members().is_err() || error.to_string().contains("names no resource")
                }
            };
            assert!(refused_later, "{error}: {}", context());
            return;
        }
    };
    let steps = match planned.members {
        MembersPlan::NeedsList => {
            assert_eq!(planned.rest, operations);
            return;
        }
        MembersPlan::Untouched => Vec::new(),
        MembersPlan::Steps(steps) => steps,
    };
    let mut without_members = document.clone();
    let members = without_members.remove("members");
    let rest = apply(resource_type, &without_members, &planned.rest, policy);
    match (whole, rest) {
        (Ok(whole), Ok(rest)) => {
            assert!(!rest.document.values().contains_key("members"), "{}", context());
            let mut expected = whole.document.clone();
            let expected_members = ids(expected.remove("members").as_ref());
            assert_eq!(rest.document, expected, "{}", context());
            let before = ids(members.as_ref());
            assert_eq!(
                sorted(carried_out(&steps, before.clone())),
                sorted(expected_members.clone()),
                "{}",
                context()
            );
            // The row operations that follow from the changes of the list have the same result.
            if let Ok(MembersChange::Steps(steps)) = whole.changes.members() {
                assert_eq!(
                    sorted(carried_out(&steps, before)),
                    sorted(expected_members),
                    "{}",
                    context()
                );
            }
        }
        (Err(_), Err(_)) => {}
        (whole, rest) => panic!("{whole:?} but {rest:?}: {}", context()),
    }
}

pub(crate) fn as_members(ids: &[Uuid]) -> Value {
    ids.iter()
        .map(|id| json!({"value": id.to_string(), "type": "User"}))
        .collect()
}

fn ids(members: Option<&Value>) -> Vec<Uuid> {
    let members = members.and_then(Value::as_array).into_iter().flatten();
    members
        .map(|it| {
            it["value"]
                .as_str()
                .unwrap_or_default()
                .parse()
                .unwrap_or_default()
        })
        .collect()
}

fn sorted(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    ids.sort_unstable();
    ids
}

fn carried_out(steps: &[MembersStep], mut members: Vec<Uuid>) -> Vec<Uuid> {
    for step in steps {
        let (removed, added): (Vec<Uuid>, &[Uuid]) = match step {
            MembersStep::Add(ids) => (Vec::new(), ids),
            MembersStep::Remove(ids) => (ids.clone(), &[]),
            MembersStep::RemoveAll => (members.clone(), &[]),
            MembersStep::ReplaceAll(ids) => (members.clone(), ids),
        };
        members.retain(|it| !removed.contains(it));
        for id in added {
            if !members.contains(id) {
                members.push(*id);
            }
        }
    }
    members
}

/// Returns a PatchOp message.
pub(crate) fn message(operations: Vec<Value>) -> Value {
    Value::Object(Map::from_iter([
        (
            "schemas".to_owned(),
            json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]),
        ),
        ("Operations".to_owned(), Value::Array(operations)),
    ]))
}
