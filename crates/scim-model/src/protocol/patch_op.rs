//! PatchOp (RFC 7644 section 3.5.2).

use serde_json::Value;

use super::envelope::{check_schemas, message, syntax};
use crate::error::{ScimError, ScimType, shortened};
use crate::tolerance::{Tolerance, Tolerances};

/// URN of the message that changes a resource.
pub const PATCH_OP_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The most operations of one PATCH.
const MAX_OPERATIONS: usize = 1000;

/// `op` of a PATCH operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The RFC's own keywords.
pub enum Op {
    Add,
    Remove,
    Replace,
}

/// One operation of a PATCH before it is resolved: the path is text, and the value was not checked.
#[derive(Clone, Debug, PartialEq)]
pub struct RawOperation {
    /// The kind of the operation.
    pub op: Op,
    /// The path, not parsed; `None` if it is absent or `null`.
    pub path: Option<String>,
    /// The value; `Some(Value::Null)` if it is `null`, `None` if the member is absent.
    pub value: Option<Value>,
}

/// Reads the operations of a PATCH body, in order. `op` and the names of members may have any case (Entra
/// sends `"op": "Add"`), and other members are ignored.
///
/// # Errors
/// `invalidSyntax` for a body that is not a PatchOp message, lacks operations, or contains an unknown `op`; a
/// lenient policy accepts a missing, empty or other `schemas`, and an empty list of operations. `invalidPath` for a
/// path that is not a string. An error of the kind `TooLarge` for more than 1,000 operations.
pub fn patch_operations(body: Value, tolerances: &Tolerances) -> Result<Vec<RawOperation>, ScimError> {
    // Clients built with the library scim-patch send the URN of the resource type, or one that they have made up.
    let are_strings = |urns: &[Value]| urns.iter().all(Value::is_string);
    let other = |urns: &[Value]| are_strings(urns) && tolerances.allow(Tolerance::OtherSchemas);
    check_schemas(message(&body)?, PATCH_OP_URN, other, tolerances)?;
    let operations = match body {
        Value::Object(members) => members
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("Operations")),
        _ => None,
    };
    let operations = match operations {
        // Microsoft's validator sends an empty list (trace `entra-validator/empty-operations`).
        Some((_, Value::Array(operations)))
            if !operations.is_empty() || tolerances.allow(Tolerance::EmptyOperations) =>
        {
            operations
        }
        _ => {
            return Err(syntax(
                "`Operations` must be an array with at least one operation",
            ));
        }
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(ScimError::too_large(format!(
            "`Operations` may hold {MAX_OPERATIONS} operations at most"
        )));
    }
    let mut read = Vec::with_capacity(operations.len());
    for (given, number) in operations.into_iter().zip(1..) {
        read.push(operation(given).map_err(|mut error| {
            error.detail = format!("operation {number}: {}", error.detail);
            error
        })?);
    }
    Ok(read)
}

fn operation(operation: Value) -> Result<RawOperation, ScimError> {
    let Value::Object(members) = operation else {
        return Err(syntax("each of `Operations` must be an object"));
    };
    let (mut op, mut path, mut value) = (None, None, None);
    for (name, member) in members {
        if name.eq_ignore_ascii_case("op") {
            op = Some(member);
        } else if name.eq_ignore_ascii_case("path") {
            path = Some(member);
        } else if name.eq_ignore_ascii_case("value") {
            value = Some(member);
        }
    }
    let op = match op {
        Some(Value::String(op)) => op_named(&op)?,
        Some(_) => return Err(syntax("`op` must be a string: `add`, `remove` or `replace`")),
        None => return Err(syntax("`op` is missing: it must be `add`, `remove` or `replace`")),
    };
    let path = match path {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) => Some(path),
        Some(_) => return Err(ScimError::new(ScimType::InvalidPath, "`path` must be a string")),
    };
    Ok(RawOperation { op, path, value })
}

fn op_named(name: &str) -> Result<Op, ScimError> {
    let known = [("add", Op::Add), ("remove", Op::Remove), ("replace", Op::Replace)];
    let op = known
        .into_iter()
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, op)| op);
    op.ok_or_else(|| {
        syntax(&format!(
            "`op` must be `add`, `remove` or `replace`, not `{}`",
            shortened(name)
        ))
    })
}
