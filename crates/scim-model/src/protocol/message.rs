//! The envelopes of RFC 7644: ListResponse (section 3.4.2), SearchRequest (3.4.3) and PatchOp
//! (3.5.2).

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType, shortened};
use crate::json::write_string;
use crate::representation::body::Body;
use crate::value::policy::Policy;

/// URN of the message that holds a list.
pub const LIST_RESPONSE_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// URN of the message that asks for one.
pub const SEARCH_REQUEST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// URN of the message that changes a resource.
pub const PATCH_OP_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// URN of the message that says what went wrong.
pub const ERROR_URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Operations of one PATCH.
pub const MAX_OPERATIONS: usize = 1000;

/// What a list says beside its resources (RFC 7644 section 3.4.2, RFC 9865 section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListResponse<'a> {
    /// Matches in all.
    pub total_results: u64,
    /// 1-based, for pages by index.
    pub start_index: Option<u64>,
    /// Where the next page starts, for pages by cursor; `None` on the last.
    pub next_cursor: Option<&'a str>,
    /// Where the page before starts, for pages by cursor; `None` on the first.
    pub previous_cursor: Option<&'a str>,
}

impl ListResponse<'_> {
    /// The JSON text; `write` appends that of one resource. `Resources` is there even when it is
    /// empty.
    ///
    /// # Errors
    /// The first of `write`.
    pub fn to_json<T, E>(
        &self,
        resources: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Body, T) -> Result<(), E>,
    ) -> Result<Body, E> {
        let mut body = Body::default();
        let text = body.text();
        text.reserve(256 + resources.len() * 1024);
        let _ = write!(
            text,
            "{{\"schemas\":[\"{LIST_RESPONSE_URN}\"],\"totalResults\":{},\"itemsPerPage\":{}",
            self.total_results,
            resources.len()
        );
        if let Some(start_index) = self.start_index {
            let _ = write!(text, ",\"startIndex\":{start_index}");
        }
        for (name, cursor) in [
            ("nextCursor", self.next_cursor),
            ("previousCursor", self.previous_cursor),
        ] {
            if let Some(cursor) = cursor {
                let _ = write!(text, ",\"{name}\":");
                write_string(text, cursor);
            }
        }
        text.push_str(",\"Resources\":[");
        for (index, resource) in resources.enumerate() {
            if index > 0 {
                body.text().push(',');
            }
            write(&mut body, resource)?;
        }
        body.text().push_str("]}");
        Ok(body)
    }
}

/// `sortOrder` (RFC 7644 section 3.4.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// From the smallest; the default.
    #[default]
    Ascending,
    /// From the greatest.
    Descending,
}

impl SortOrder {
    /// From the keyword, in any case.
    ///
    /// # Errors
    /// `invalidValue` for any other word.
    pub fn parse(text: &str) -> Result<SortOrder, ScimError> {
        if text.eq_ignore_ascii_case("ascending") {
            Ok(SortOrder::Ascending)
        } else if text.eq_ignore_ascii_case("descending") {
            Ok(SortOrder::Descending)
        } else {
            let detail = format!(
                "`sortOrder` must be `ascending` or `descending`, not `{}`",
                shortened(text)
            );
            Err(ScimError::new(ScimType::InvalidValue, detail))
        }
    }
}

/// The parameters of a query, from the body of `POST …/.search` or from a URL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchRequest {
    /// Attributes to return.
    pub attributes: Option<Vec<String>>,
    /// Attributes not to return.
    pub excluded_attributes: Option<Vec<String>>,
    /// A filter, not parsed.
    pub filter: Option<String>,
    /// An attribute path, not parsed.
    pub sort_by: Option<String>,
    /// The order; `None` when not given.
    pub sort_order: Option<SortOrder>,
    /// As given; values below 1 count as 1.
    pub start_index: Option<i64>,
    /// As given; negative values count as 0.
    pub count: Option<i64>,
    /// The cursor; empty for the first page (RFC 9865 section 2.1).
    pub cursor: Option<String>,
}

impl SearchRequest {
    /// From the body of `POST …/.search`; names in any case, unknown ones ignored, `null` is absent.
    ///
    /// # Errors
    /// `invalidSyntax` when it is no SearchRequest, or names come in one string;
    /// `invalidFilter` for a filter that is no string, `invalidCount` for a count beside a cursor;
    /// `invalidValue` for other wrong types.
    pub fn parse(body: &Value) -> Result<SearchRequest, ScimError> {
        let body = message(body)?;
        check_schemas(body, SEARCH_REQUEST_URN, Policy { lenient: false })?;
        let sort_order = string(body, "sortOrder", ScimType::InvalidValue)?;
        let cursor = string(body, "cursor", ScimType::InvalidCursor)?;
        // RFC 9865 section 2.1
        let of_count = if cursor.is_some() {
            ScimType::InvalidCount
        } else {
            ScimType::InvalidValue
        };
        Ok(SearchRequest {
            attributes: names(body, "attributes")?,
            excluded_attributes: names(body, "excludedAttributes")?,
            filter: string(body, "filter", ScimType::InvalidFilter)?,
            sort_by: string(body, "sortBy", ScimType::InvalidValue)?,
            sort_order: sort_order.as_deref().map(SortOrder::parse).transpose()?,
            start_index: integer(body, "startIndex", ScimType::InvalidValue)?,
            count: integer(body, "count", of_count)?,
            cursor,
        })
    }
}

/// `op` of a PATCH operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The RFC's own keywords.
pub enum Op {
    Add,
    Remove,
    Replace,
}

/// One operation of a PATCH as it came: its path is text, and its value fits no attribute yet.
#[derive(Clone, Debug, PartialEq)]
pub struct RawOperation {
    /// What to do.
    pub op: Op,
    /// Where, not parsed; `None` when absent or `null`.
    pub path: Option<String>,
    /// With what; `Some(Value::Null)` when it is `null`, `None` when there is no such member.
    pub value: Option<Value>,
}

/// The operations of a PATCH body, in order; `op` and the names of members in any case (Entra sends
/// `"op": "Add"`), other members ignored.
///
/// # Errors
/// `invalidSyntax` for a body that is no PatchOp message, without operations, or with another `op`
/// leniently `schemas` may be missing (JumpCloud). `invalidPath` for a path that is no
/// string. 413 for more than [`MAX_OPERATIONS`].
pub fn patch_operations(body: Value, policy: Policy) -> Result<Vec<RawOperation>, ScimError> {
    check_schemas(message(&body)?, PATCH_OP_URN, policy)?;
    let operations = match body {
        Value::Object(members) => members
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("Operations")),
        _ => None,
    };
    let operations = match operations {
        Some((_, Value::Array(operations))) if !operations.is_empty() => operations,
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

fn syntax(detail: &str) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, detail)
}

fn message(body: &Value) -> Result<&Map<String, Value>, ScimError> {
    body.as_object()
        .ok_or_else(|| syntax("the body must be a JSON object"))
}

/// RFC 7644 section 3.1: a message names its URN.
fn check_schemas(body: &Map<String, Value>, urn: &str, policy: Policy) -> Result<(), ScimError> {
    let names_urn = match member(body, "schemas") {
        None => policy.lenient,
        Some(Value::Array(urns)) => urns
            .iter()
            .filter_map(Value::as_str)
            .any(|it| it.eq_ignore_ascii_case(urn)),
        Some(_) => false,
    };
    if names_urn {
        Ok(())
    } else {
        Err(syntax(&format!("`schemas` must be an array that names `{urn}`")))
    }
}

/// A member by its name in any case; `null` is absent.
fn member<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.iter()
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .filter(|it| !it.is_null())
}

fn string(body: &Map<String, Value>, name: &str, keyword: ScimType) -> Result<Option<String>, ScimError> {
    match member(body, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ScimError::new(keyword, format!("`{name}` must be a string"))),
    }
}

fn names(body: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, ScimError> {
    let refused = || syntax(&format!("`{name}` must be an array of attribute names"));
    match member(body, name) {
        None => Ok(None),
        Some(Value::Array(names)) => {
            let names = names
                .iter()
                .map(|it| it.as_str().map(str::to_owned).ok_or_else(refused));
            names.collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(refused()),
    }
}

/// An integer; one beyond 64 bits is as good as the greatest.
fn integer(body: &Map<String, Value>, name: &str, keyword: ScimType) -> Result<Option<i64>, ScimError> {
    let refused = || ScimError::new(keyword, format!("`{name}` must be an integer"));
    let lexeme = match member(body, name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number.as_str(),
        Some(_) => return Err(refused()),
    };
    saturating_integer(lexeme).map(Some).ok_or_else(refused)
}

/// An integer in digits, with an optional sign; one beyond 64 bits becomes the nearest. For the
/// parameters of a URL too.
pub fn saturating_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let beyond = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(beyond))
}
