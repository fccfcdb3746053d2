//! The operations of a PATCH in order, each on the result of the one before (RFC 7644 section 3.5.2).

mod attribute;
mod budget;
mod complex;
mod document;
mod extension;
mod index;
mod multiple;
mod paths;
mod report;
mod selection;
mod single;
mod state;
mod sub_values;
mod values;

use scim_model::change::AttributeChanges;
use scim_model::internal::schema_named;
use scim_model::{
    AttributePath, Document, Policy, ResourceType, Schema, ScimError, ScimType, SentSecrets, Tolerance,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use self::paths::of_extension;
use self::report::Report;
use self::state::State;
use crate::error::{PatchError, invalid_path, invalid_value, quoted};
use crate::operation::{Operation, Write};
use crate::target::Target;

/// The result of a PATCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The document after the PATCH; exactly the given one if nothing changed.
    pub document: Document,
    /// The difference between the documents; empty if nothing changed.
    pub changes: AttributeChanges,
    /// The password and other secrets that were set or removed, which are in no document. The last operation
    /// on a secret counts. Whether a secret differs from the stored one is not known here.
    pub secrets: SentSecrets,
    /// The tolerances that the client needed, each once for an operation.
    pub tolerances: Vec<Tolerance>,
    /// The attributes and sub-attributes with `returned` = `request` that the client wrote. The response has to
    /// contain them (RFC 7643 section 7).
    pub requested: Vec<AttributePath>,
    /// Members for which the client sent a `type`, if the document holds members. A `type` that contradicts the resource
    /// is an error that only the store can detect.
    pub member_types: Vec<(Uuid, String)>,
}

/// Applies operations in order, each to the result of the one before.
///
/// The given document does not change, so after an error nothing has happened. A document may contain readOnly
/// attributes such as `id`: they are not written, but a client may repeat their stored value in a value without
/// `path`, even under a strict policy.
///
/// # Errors
/// The error of the first operation that cannot be applied, or of the result: `noTarget`, `invalidPath`,
/// `invalidFilter`, `mutability` and `invalidValue` as in RFC 7644 section 3.5.2; `TooLarge` for operations that
/// examine too many values.
pub fn apply(
    resource_type: &ResourceType,
    document: &Document,
    operations: &[Operation],
    policy: Policy,
) -> Result<Outcome, PatchError> {
    let mut state = State::new(resource_type, document, policy);
    for operation in operations {
        state.begin_operation(operation.number);
        state
            .operation(operation)
            .map_err(|error| operation.fail(error))?;
    }
    let State {
        document: open,
        tolerances,
        report,
        ..
    } = state;
    let mut after = open.close();
    after
        .keep_in_elements(resource_type, document)
        .and_then(|()| after.check_patched(resource_type, document))
        .map_err(|error| blame(error, &report, operations))?;
    let changes = AttributeChanges::between(resource_type, document, &after);
    let document = if changes.is_empty() {
        document.clone()
    } else {
        after
    };
    Ok(Outcome {
        document,
        changes,
        secrets: report.secrets,
        tolerances: tolerances.into_used(),
        requested: report.requested,
        member_types: report.member_types,
    })
}

/// Adds, to an error of the result, the operation that wrote the invalid attribute.
fn blame(error: ScimError, report: &Report, operations: &[Operation]) -> PatchError {
    let path = error.path.as_deref().unwrap_or_default();
    let operation = match (report.last_operation_on(path), operations) {
        (Some(number), _) => operations.iter().find(|it| it.number == number),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    match operation {
        Some(operation) => operation.fail(error),
        None => PatchError::of_request(error),
    }
}

impl State<'_> {
    fn operation(&mut self, operation: &Operation) -> Result<(), ScimError> {
        let value = operation.value.as_ref();
        let Some(path) = &operation.path else {
            return self.without_path(operation);
        };
        if self.tolerances.is_core_urn(self.resource_type, operation) {
            return self.without_path(operation);
        }
        let target = Target::find(self.resource_type, path, &mut self.tolerances)?;
        let Some(write) = operation.write() else {
            return self.remove(target, value);
        };
        let Some(value) = value else {
            let message = format!("path {}: the operation needs a `value`", quoted(path));
            return Err(invalid_value(message));
        };
        self.write(write, target, path, value.clone())
    }

    /// Without `path` the target is the resource itself, and the value an object of attributes (RFC 7644 sections
    /// 3.5.2.1 and 3.5.2.3). A `remove` needs a `path` (section 3.5.2.2).
    fn without_path(&mut self, operation: &Operation) -> Result<(), ScimError> {
        let Some(write) = operation.write() else {
            return Err(ScimError::new(
                ScimType::NoTarget,
                "a remove needs a `path` that says what to remove",
            ));
        };
        let named = match &operation.value {
            Some(Value::Object(named)) => named,
            Some(_) => {
                let problem = "without `path` the `value` must be an object of attributes";
                return Err(invalid_value(problem));
            }
            None => return Err(invalid_value("the operation needs a `value`")),
        };
        self.write_attributes(write, named)
    }

    /// Writes the attributes that an object names.
    fn write_attributes(&mut self, write: Write, named: &Map<String, Value>) -> Result<(), ScimError> {
        for it in self.tolerances.named_attributes(self.resource_type, named) {
            if it.name.eq_ignore_ascii_case("schemas") {
                continue; // `schemas` follows from the attributes that have values.
            }
            let has_urn = schema_named(self.resource_type, it.name).is_some();
            self.write_named(write, it.name, it.value, has_urn)?;
        }
        Ok(())
    }

    /// Writes an attribute by its name in an object of attributes. An unknown name is ignored, unless it has the URN of a
    /// schema.
    fn write_named(
        &mut self,
        write: Write,
        name: &str,
        value: &Value,
        has_urn: bool,
    ) -> Result<(), ScimError> {
        let target = match Target::find(self.resource_type, name, &mut self.tolerances) {
            Ok(target) => target,
            Err(error) if error.scim_type() != Some(ScimType::InvalidPath) => return Err(error),
            Err(error) if has_urn => return Err(error),
            Err(_) => return self.refuse_unknown(name),
        };
        if target.is_more_than_a_name() && !self.tolerances.path_as_key() {
            let message = format!("{} is not the name of an attribute", quoted(name));
            return Err(invalid_path(message));
        }
        match target.attribute() {
            Some(found) if self.is_ignored(found, value)? => Ok(()),
            _ => self.write(write, target, name, value.clone()),
        }
    }

    /// Writes the named attributes of an extension; the others stay.
    fn write_extension(&mut self, write: Write, schema: &Schema, value: Value) -> Result<(), ScimError> {
        let named = match value {
            Value::Null => return self.remove_extension(schema),
            Value::Object(named) => named,
            _ => {
                let problem = "must be an object of its attributes";
                return Err(ScimError::at(ScimType::InvalidValue, &schema.id, problem));
            }
        };
        for (name, value) in named {
            let mut attributes = schema.attributes.iter();
            if let Some(attribute) = attributes.find(|it| it.name.eq_ignore_ascii_case(&name)) {
                let found = of_extension(schema, attribute);
                if !self.is_ignored(&found, &value)? {
                    self.write_attribute(write, &found, value)?;
                }
                continue;
            }
            let (path, has_urn) = match schema_named(self.resource_type, &name) {
                None => (format!("{}:{name}", schema.id), false),
                Some(_) if self.tolerances.repeated_urn() => (name, true),
                Some(_) => {
                    let message = format!("{} is not an attribute of {}", quoted(&name), schema.id);
                    return Err(invalid_path(message));
                }
            };
            match value {
                Value::Object(named) if path.eq_ignore_ascii_case(&self.resource_type.schema.id) => {
                    self.tolerances.core_urn_container();
                    self.write_attributes(write, &named)?;
                }
                value => self.write_named(write, &path, &value, has_urn)?,
            }
        }
        Ok(())
    }

    fn write(&mut self, write: Write, target: Target, path: &str, value: Value) -> Result<(), ScimError> {
        match target {
            Target::Extension(schema) => self.write_extension(write, &schema, value),
            Target::Schemas { condition: None } => self.write_schemas(write, &value),
            Target::Schemas { .. } => {
                let problem = "follows from the attributes that have values";
                Err(ScimError::at(ScimType::Mutability, "schemas", problem))
            }
            Target::Attribute(found) => self.write_attribute(write, &found, value),
            Target::Values(selection) => self.write_selection(write, &selection, path, value),
        }
    }

    fn remove(&mut self, target: Target, value: Option<&Value>) -> Result<(), ScimError> {
        let value = value.filter(|it| !it.is_null());
        match target {
            Target::Extension(schema) => self.remove_extension(&schema),
            Target::Schemas { condition: None } => self.remove_schemas(value),
            Target::Schemas {
                condition: Some(condition),
            } => self.remove_selected_schemas(&condition),
            Target::Attribute(found) => self.remove_attribute(&found, value),
            Target::Values(selection) => self.remove_selection(&selection, value),
        }
    }
}
