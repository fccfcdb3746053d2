//! Operations in order, each on the result of the one before (RFC 7644 section 3.5.2).

mod multiple;
pub(crate) mod selection;
mod state;
mod values;

use scim_model::change::AttributeChanges;
use scim_model::message::Op;
use scim_model::{AttributePath, Document, Policy, ResourceType, ScimError, ScimType, SentSecrets};
use serde_json::{Map, Value};

use crate::apply::multiple::Write;
use crate::apply::state::Working;
use crate::error::{PatchError, invalid_path, invalid_value, is_read_only, quoted};
use crate::operation::Operation;
use crate::quirks::Leniency;
use crate::target::Target;

/// What a PATCH led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The document now; the one that was given if nothing changed.
    pub document: Document,
    /// The difference; empty if nothing changed.
    pub changes: AttributeChanges,
    /// The password, and other secrets, that were set or removed; they are in no document. The
    /// last operation on one counts, and it follows from the operations alone.
    pub secrets: SentSecrets,
    /// Tolerances that were needed, each once for an operation.
    pub leniencies: Vec<Leniency>,
    /// The attributes with `returned` = `request` that the client wrote: they are part of the answer
    /// (RFC 7643 section 7, [`scim_model::Projection::with_sent`]).
    pub requested: Vec<AttributePath>,
}

/// Applies operations in order, each to the result of the one before. On an error nothing of them
/// has happened: the document is not touched, the outcome is a new one.
///
/// A document that holds readOnly attributes, `id` for one, has them only compared: a value without
/// path may repeat what is stored, under a strict policy too.
///
/// # Errors
/// The first operation that cannot be applied, or what is wrong with the result: `noTarget`,
/// `invalidPath`, `invalidFilter`, `mutability`, `invalidValue` where RFC 7644 section 3.5.2 has
/// them; 413 for operations that look at too many values.
pub fn apply(
    resource_type: &ResourceType,
    document: &Document,
    operations: &[Operation],
    policy: Policy,
) -> Result<Outcome, PatchError> {
    let mut working = Working::new(resource_type, document, policy);
    for operation in operations {
        working.number = operation.number;
        working.tolerances.next_operation();
        working
            .operation(operation)
            .map_err(|error| operation.fail(error))?;
    }
    let leniencies = working.tolerances.take();
    let requested = std::mem::take(&mut working.requested);
    let secrets = std::mem::take(&mut working.secrets);
    let written = std::mem::take(&mut working.written);
    let mut after = working.into_document();
    after
        .keep_in_elements(resource_type, document)
        .and_then(|()| after.check_patched(resource_type, document))
        .map_err(|error| blame(error, &written, operations))?;
    let changes = AttributeChanges::between(resource_type, document, &after);
    let document = if changes.is_empty() {
        document.clone()
    } else {
        after
    };
    Ok(Outcome {
        document,
        changes,
        secrets,
        leniencies,
        requested,
    })
}

/// The operation that last wrote what is wrong with the result.
fn blame(error: ScimError, written: &[(AttributePath, usize)], operations: &[Operation]) -> PatchError {
    let path = error.path.as_deref().unwrap_or_default();
    let by = written.iter().find(|(found, _)| {
        let rest = path.strip_prefix(&found.to_string());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let operation = match (by, operations) {
        (Some((_, number)), _) => operations.iter().find(|it| it.number == *number),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    match operation {
        Some(operation) => operation.fail(error),
        None => PatchError::whole(error),
    }
}

impl Working<'_> {
    fn operation(&mut self, operation: &Operation) -> Result<(), ScimError> {
        let Operation { op, path, value, .. } = operation;
        let Some(path) = path else {
            return self.without_path(*op, value.as_ref());
        };
        let target = Target::find(self.resource_type, path, &mut self.tolerances)?;
        let given = || {
            value
                .clone()
                .ok_or_else(|| invalid_value(format!("path {}: the operation needs a `value`", quoted(path))))
        };
        match op {
            Op::Remove => self.remove(target, value.as_ref()),
            Op::Add => self.write(Write::Add, target, path, given()?),
            Op::Replace => self.write(Write::Replace, target, path, given()?),
        }
    }

    /// Without `path` the target is the resource itself, and the value an object of attributes
    /// (RFC 7644 sections 3.5.2.1 and 3.5.2.3); a remove has to say of what (section 3.5.2.2).
    fn without_path(&mut self, op: Op, value: Option<&Value>) -> Result<(), ScimError> {
        let write = match op {
            Op::Remove => {
                return Err(ScimError::new(
                    ScimType::NoTarget,
                    "a remove needs a `path` that says what to remove",
                ));
            }
            Op::Add => Write::Add,
            Op::Replace => Write::Replace,
        };
        match value {
            Some(Value::Object(members)) => self.members(write, members),
            Some(_) => Err(invalid_value(
                "without `path` the `value` must be an object of attributes",
            )),
            None => Err(invalid_value("the operation needs a `value`")),
        }
    }

    fn members(&mut self, write: Write, members: &Map<String, Value>) -> Result<(), ScimError> {
        for (name, value) in members {
            if name.eq_ignore_ascii_case("schemas") {
                continue; // Follows from the data.
            }
            let target = match Target::find(self.resource_type, name, &mut self.tolerances) {
                Ok(target) => target,
                Err(error) if error.scim_type() == Some(ScimType::InvalidPath) => {
                    self.unknown(name)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if target.is_more_than_a_name() && !self.tolerances.path_as_key() {
                return Err(invalid_path(format!(
                    "{} is no name of an attribute",
                    quoted(name)
                )));
            }
            if let Target::Attribute(found) | Target::Values { attribute: found, .. } = &target
                && self.is_skipped(found, value)?
            {
                continue;
            }
            self.write(write, target, name, value.clone())?;
        }
        Ok(())
    }

    /// A readOnly attribute among others: what is stored may be repeated, for the rest see the quirk.
    pub(crate) fn is_skipped(&mut self, found: &AttributePath, value: &Value) -> Result<bool, ScimError> {
        if !is_read_only(found) {
            return Ok(false);
        }
        let repeats = found.sub.is_none() && self.get(found) == Some(value);
        if repeats || self.tolerances.read_only_in_value() {
            return Ok(true);
        }
        Err(ScimError::at(ScimType::Mutability, found, "is readOnly"))
    }

    pub(crate) fn unknown(&mut self, name: &str) -> Result<(), ScimError> {
        if self.tolerances.unknown_in_value() {
            return Ok(());
        }
        Err(invalid_path(format!(
            "{} is no attribute of {}",
            quoted(name),
            self.resource_type.name
        )))
    }
}
