//! The operations of a request (RFC 7644 section 3.5.2).

use scim_model::internal::{Op, check_keys_at, patch_operations};
use scim_model::{Policy, ResourceType, SchemaRegistry, ScimError, ScimType};
use serde_json::Value;

use crate::error::PatchError;

/// One operation of a PATCH, with its number in the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The number, from 1, which error messages repeat.
    pub number: usize,
    /// The kind of operation.
    pub op: Op,
    /// The `path` as the client sent it; without one the operation concerns the resource itself.
    pub path: Option<String>,
    /// The `value`; `Some(Value::Null)` when the client sent `null`, `None` when it sent no `value`.
    pub value: Option<Value>,
}

impl Operation {
    /// Creates an operation without a request, for example in tests.
    pub fn new(number: usize, op: Op, path: Option<&str>, value: Option<Value>) -> Operation {
        Operation {
            number,
            op,
            path: path.map(str::to_owned),
            value,
        }
    }

    /// Reads the operations of a PatchOp message.
    ///
    /// # Errors
    /// `invalidSyntax` for a body that is not a PatchOp message, has no operations or has an unknown `op`
    /// `invalidPath` for a `path` that is not a string; `TooLarge` for more than 1,000
    /// operations.
    pub fn parse_all(body: Value, policy: Policy) -> Result<Vec<Operation>, PatchError> {
        Operation::read_all(body, &scim_model::Tolerances::new(policy))
    }

    /// Reads the operations of a PatchOp message, and records the tolerances that the message itself needs. The
    /// tolerances of its operations are part of [`crate::Plan`] and [`crate::Outcome`].
    ///
    /// # Errors
    /// The errors of [`Operation::parse_all`].
    pub fn read_all(body: Value, tolerances: &scim_model::Tolerances) -> Result<Vec<Operation>, PatchError> {
        let operations = patch_operations(body, tolerances).map_err(PatchError::of_request)?;
        let numbered = operations.into_iter().zip(1..).map(|(it, number)| Operation {
            number,
            op: it.op,
            path: it.path,
            value: it.value,
        });
        Ok(numbered.collect())
    }

    /// Checks the keys in the value of an operation that name a schema of the server. A key must not name a schema
    /// that the resource type does not have, or any schema inside the value of an attribute. Such a key is refused,
    /// while other unknown keys are ignored.
    ///
    /// # Errors
    /// `invalidPath`, with the key.
    pub fn check_keys(
        operations: &[Operation],
        registry: &SchemaRegistry,
        resource_type: &ResourceType,
    ) -> Result<(), PatchError> {
        for operation in operations {
            let (path, value) = (operation.path.as_deref(), operation.value.as_ref());
            let value = value.unwrap_or(&Value::Null);
            check_keys_at(registry, resource_type, path, value, ScimType::InvalidPath)
                .map_err(|error| operation.fail(error))?;
        }
        Ok(())
    }

    /// Returns how the operation writes its value; `None` for a `remove`.
    pub(crate) fn write(&self) -> Option<Write> {
        match self.op {
            Op::Add => Some(Write::Add),
            Op::Replace => Some(Write::Replace),
            Op::Remove => None,
        }
    }

    pub(crate) fn fail(&self, error: ScimError) -> PatchError {
        PatchError {
            operation: Some(self.number),
            path: self.path.clone(),
            error,
        }
    }
}

/// The two operations that write. They differ in the existing values of a multi-valued attribute: `add` keeps them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Write {
    Add,
    Replace,
}
