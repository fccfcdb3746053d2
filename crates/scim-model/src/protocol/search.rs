//! Searches: SearchRequest (RFC 7644 section 3.4.3) and ListResponse (3.4.2).

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::envelope::{check_schemas, member, message, syntax};
use crate::error::{ScimError, ScimType, shortened};
use crate::json::write_string;
use crate::representation::body::Body;
use crate::representation::projection::Projection;
use crate::store::ResourceKey;
use crate::tolerance::{Tolerance, Tolerances};

/// URN of the message that holds a list.
const LIST_RESPONSE_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// URN of the message that asks for a list.
const SEARCH_REQUEST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// `sortOrder` (RFC 7644 section 3.4.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// From the smallest key to the greatest; the default.
    #[default]
    Ascending,
    /// From the greatest key to the smallest.
    Descending,
}

impl SortOrder {
    /// Reads the keyword, in any case.
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
    /// The order, if the client sent one.
    pub sort_order: Option<SortOrder>,
    /// The index as sent; values below 1 count as 1.
    pub start_index: Option<i64>,
    /// The count as sent; negative values count as 0.
    pub count: Option<i64>,
    /// The cursor; empty for the first page (RFC 9865 section 2.1).
    pub cursor: Option<String>,
}

impl SearchRequest {
    /// Reads the body of `POST …/.search`. Names may have any case, unknown members are ignored, and `null`
    /// counts as absent.
    ///
    /// # Errors
    /// `invalidSyntax` if the body is not a SearchRequest, or if names are in one string under a strict policy
    /// `invalidFilter` for a filter that is not a string; `invalidCount` for a count of a wrong type next to
    /// a cursor; `invalidValue` for other wrong types.
    pub fn parse(body: &Value, tolerances: &Tolerances) -> Result<SearchRequest, ScimError> {
        let body = message(body)?;
        check_schemas(body, SEARCH_REQUEST_URN, |_| false, tolerances)?;
        let sort_order = string(body, "sortOrder", ScimType::InvalidValue)?;
        let cursor = string(body, "cursor", ScimType::InvalidCursor)?;
        // RFC 9865 section 2.1
        let of_count = if cursor.is_some() {
            ScimType::InvalidCount
        } else {
            ScimType::InvalidValue
        };
        Ok(SearchRequest {
            attributes: names(body, "attributes", tolerances)?,
            excluded_attributes: names(body, "excludedAttributes", tolerances)?,
            filter: string(body, "filter", ScimType::InvalidFilter)?,
            sort_by: string(body, "sortBy", ScimType::InvalidValue)?,
            sort_order: sort_order.as_deref().map(SortOrder::parse).transpose()?,
            start_index: integer(body, "startIndex", ScimType::InvalidValue)?,
            count: integer(body, "count", of_count)?,
            cursor,
        })
    }
}

/// The members of a ListResponse other than the resources (RFC 7644 section 3.4.2, RFC 9865 section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListResponse<'a> {
    /// Number of all resources that match.
    pub total_results: u64,
    /// Index of the first resource, from 1, for pages by index.
    pub start_index: Option<u64>,
    /// Cursor of the next page; `None` on the last page and on pages by index.
    pub next_cursor: Option<&'a str>,
    /// Cursor of the previous page; `None` on the first page and on pages by index.
    pub previous_cursor: Option<&'a str>,
}

impl ListResponse<'_> {
    /// Returns the JSON text. `write` appends the text of one resource. `Resources` is present even if it is
    /// empty.
    ///
    /// # Errors
    /// The first error of `write`.
    pub fn to_json<T, E>(
        &self,
        resources: impl ExactSizeIterator<Item = T>,
        write: impl FnMut(&mut Body, T) -> Result<(), E>,
    ) -> Result<Body, E> {
        self.to_json_with_rest(resources, Vec::new(), write)
    }

    /// Like [`ListResponse::to_json`], for a page whose last resources are still to be read. Some of them may not exist
    /// any more then, so `itemsPerPage` is written after them.
    ///
    /// # Errors
    /// The first error of `write`.
    pub fn to_json_with_rest<T, E>(
        &self,
        resources: impl ExactSizeIterator<Item = T>,
        rest: Vec<ResourceKey>,
        mut write: impl FnMut(&mut Body, T) -> Result<(), E>,
    ) -> Result<Body, E> {
        let mut body = Body::default();
        let text = body.text();
        text.reserve(256 + resources.len() * 1024);
        let _ = write!(
            text,
            "{{\"schemas\":[\"{LIST_RESPONSE_URN}\"],\"totalResults\":{}",
            self.total_results
        );
        if rest.is_empty() {
            let _ = write!(text, ",\"itemsPerPage\":{}", resources.len());
        }
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
        if rest.is_empty() {
            body.text().push_str("]}");
        } else {
            body.rest_of_list(rest);
        }
        Ok(body)
    }
}

fn string(body: &Map<String, Value>, name: &str, keyword: ScimType) -> Result<Option<String>, ScimError> {
    match member(body, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ScimError::new(keyword, format!("`{name}` must be a string"))),
    }
}

/// Reads a list of names. Clients built with SCIM-SDK send it in one string, in the form that URLs have.
fn names(
    body: &Map<String, Value>,
    name: &str,
    tolerances: &Tolerances,
) -> Result<Option<Vec<String>>, ScimError> {
    let refused = || syntax(&format!("`{name}` must be an array of attribute names"));
    match member(body, name) {
        None => Ok(None),
        Some(Value::Array(names)) => {
            let names = names
                .iter()
                .map(|it| it.as_str().map(str::to_owned).ok_or_else(refused));
            names.collect::<Result<_, _>>().map(Some)
        }
        Some(Value::String(names)) if tolerances.allow(Tolerance::NamesInText) => {
            Ok(Some(Projection::query_list(names)))
        }
        Some(_) => Err(refused()),
    }
}

/// Reads an integer; a value beyond 64 bits becomes the nearest one.
fn integer(body: &Map<String, Value>, name: &str, keyword: ScimType) -> Result<Option<i64>, ScimError> {
    let refused = || ScimError::new(keyword, format!("`{name}` must be an integer"));
    let lexeme = match member(body, name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number.as_str(),
        Some(_) => return Err(refused()),
    };
    saturating_integer(lexeme).map(Some).ok_or_else(refused)
}

/// Reads an integer in digits with an optional sign; a value beyond 64 bits becomes the nearest one. The parameters
/// of a URL are read with it too.
pub fn saturating_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let beyond = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(beyond))
}
