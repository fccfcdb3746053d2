//! The operations of a request (RFC 7644 section 3.5.2).

use scim_model::Policy;
use scim_model::message::{self, Op};
use serde_json::Value;

use crate::error::PatchError;

/// One operation, with the place it had in the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// From 1, for messages.
    pub number: usize,
    /// What to do.
    pub op: Op,
    /// Where, as it came; `None` is the resource itself.
    pub path: Option<String>,
    /// With what; `Some(Value::Null)` when it is `null`, `None` when there is none.
    pub value: Option<Value>,
}

impl Operation {
    /// An operation for use without a request, for example in tests.
    pub fn new(number: usize, op: Op, path: Option<&str>, value: Option<Value>) -> Operation {
        Operation {
            number,
            op,
            path: path.map(str::to_owned),
            value,
        }
    }

    /// The operations of a whole PatchOp message.
    ///
    /// # Errors
    /// `invalidSyntax` for a body that is no PatchOp message, has no operations, or an unknown `op`
    /// 413 for more operations than [`message::MAX_OPERATIONS`].
    pub fn parse_all(body: Value, policy: Policy) -> Result<Vec<Operation>, PatchError> {
        let operations = message::patch_operations(body, policy).map_err(PatchError::whole)?;
        let numbered = operations.into_iter().zip(1..).map(|(it, number)| Operation {
            number,
            op: it.op,
            path: it.path,
            value: it.value,
        });
        Ok(numbered.collect())
    }

    pub(crate) fn fail(&self, error: scim_model::ScimError) -> PatchError {
        PatchError {
            operation: Some(self.number),
            path: self.path.clone(),
            error,
        }
    }
}
