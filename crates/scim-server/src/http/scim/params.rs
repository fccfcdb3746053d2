//! Parsing of the query string, which is decoded exactly once (A-31, RFC 3986 section 2.1).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;
use scim_model::internal::{Projection, SearchRequest, SortOrder, saturating_integer};
use scim_model::{Policy, ScimError, ScimType};

use crate::http::error::Failure;

/// The decoded parameters of RFC 7644 sections 3.4.2 and 3.9 and of RFC 9865 section 2. Other parameters are ignored
/// (7644-3.4.2-02).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    attributes: Option<String>,
    excluded_attributes: Option<String>,
    filter: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<String>,
    count: Option<String>,
    /// An empty value requests the first page.
    cursor: Option<String>,
}

/// The maximum length of a query string: percent-encoding can triple the length of a filter, which is limited to 8 KiB.
const MAX_LENGTH: usize = 32 * 1024;

impl Params {
    /// Parses a query string. Names are case-insensitive, because ignoring a `Filter` would return all users.
    ///
    /// # Errors
    /// `414` when the query string is too long, `400` for a repeated parameter or one that is not UTF-8.
    pub fn parse(query: &str) -> Result<Params, Failure> {
        if query.len() > MAX_LENGTH {
            return Err(Failure::QueryTooLong(MAX_LENGTH));
        }
        let mut params = Params::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some((name, slot)) = params.slot(name) else {
                continue;
            };
            if slot.is_some() {
                return Err(ScimError::new(scim_type(name), format!("`{name}` must not be repeated")).into());
            }
            let value = value.replace('+', " ");
            let decoded = percent_decode_str(&value).decode_utf8();
            let not_utf8 = |_| ScimError::new(scim_type(name), format!("`{name}` must be UTF-8"));
            *slot = Some(decoded.map_err(not_utf8)?.into_owned());
        }
        Ok(params)
    }

    /// Returns whether the query string has a `filter`.
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Returns the projection for a response with one resource.
    ///
    /// # Errors
    /// `invalidValue`
    pub fn projection(&self, policy: Policy) -> Result<Projection, ScimError> {
        let names = |list: &Option<String>| list.as_deref().map(Projection::query_list);
        Projection::new(
            names(&self.attributes).as_deref(),
            names(&self.excluded_attributes).as_deref(),
            policy,
        )
    }

    /// Returns the search request that the query string describes.
    ///
    /// # Errors
    /// `invalidValue` for an invalid integer or sort order; `invalidCount` for an invalid `count` next to a `cursor`.
    pub fn search(self) -> Result<SearchRequest, ScimError> {
        let of_count = if self.cursor.is_some() {
            ScimType::InvalidCount
        } else {
            ScimType::InvalidValue
        };
        let sort_order = self
            .sort_order
            .as_deref()
            .map(str::trim)
            .filter(|it| !it.is_empty());
        Ok(SearchRequest {
            attributes: self.attributes.as_deref().map(Projection::query_list),
            excluded_attributes: self.excluded_attributes.as_deref().map(Projection::query_list),
            filter: self.filter,
            sort_by: self.sort_by,
            sort_order: sort_order.map(SortOrder::parse).transpose()?,
            start_index: integer("startIndex", self.start_index.as_deref(), ScimType::InvalidValue)?,
            count: integer("count", self.count.as_deref(), of_count)?,
            cursor: self.cursor,
        })
    }

    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<String>)> {
        let slots = [
            ("attributes", &mut self.attributes),
            ("excludedAttributes", &mut self.excluded_attributes),
            ("filter", &mut self.filter),
            ("sortBy", &mut self.sort_by),
            ("sortOrder", &mut self.sort_order),
            ("startIndex", &mut self.start_index),
            ("count", &mut self.count),
            ("cursor", &mut self.cursor),
        ];
        slots.into_iter().find(|(it, _)| it.eq_ignore_ascii_case(name))
    }
}

impl FromRequest for Params {
    type Error = Failure;
    type Future = Ready<Result<Params, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Params::parse(request.query_string()))
    }
}

fn integer(name: &str, text: Option<&str>, scim_type: ScimType) -> Result<Option<i64>, ScimError> {
    let Some(text) = text.map(str::trim).filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let refused = || ScimError::new(scim_type, format!("`{name}` must be an integer"));
    saturating_integer(text).map(Some).ok_or_else(refused)
}

fn scim_type(name: &str) -> ScimType {
    match name {
        "filter" => ScimType::InvalidFilter,
        "cursor" => ScimType::InvalidCursor,
        _ => ScimType::InvalidValue,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;

    use super::*;

    #[test]
    fn values_are_decoded_once() {
        let filter = |query: &str| Params::parse(query).unwrap().filter;
        let decoded = |text: &str| Some(text.to_owned());
        assert_eq!(
            filter("filter=userName+eq+%22a%2Bb%22&"),
            decoded(r#"userName eq "a+b""#)
        );
        assert_eq!(
            filter("filter=userName%20eq%20%22R%26D%22&_=1"),
            decoded(r#"userName eq "R&D""#)
        );
        assert_eq!(filter("filter=%2541"), decoded("%41"));
        assert_eq!(filter("FILTER=x"), decoded("x"));
        assert_eq!(filter("filter"), decoded(""));
        assert_eq!(filter("filter=a=b"), decoded("a=b"));
        assert_eq!(filter("filter=100%"), decoded("100%"));
        assert_eq!(filter(""), None);
        assert_eq!(filter("&&x=y"), None);
    }

    #[test]
    fn integers_of_any_size_are_read() {
        let count = |query: &str| Params::parse(query).unwrap().search().map(|it| it.count);
        assert_eq!(count("count=10"), Ok(Some(10)));
        assert_eq!(count("count=-1"), Ok(Some(-1)));
        assert_eq!(count("count=99999999999999999999"), Ok(Some(i64::MAX)));
        assert_eq!(count("count=-99999999999999999999"), Ok(Some(i64::MIN)));
        assert_eq!(count("count="), Ok(None));
        assert_eq!(
            count("count=abc").unwrap_err().scim_type(),
            Some(ScimType::InvalidValue)
        );
        assert_eq!(
            count("cursor&count=1.5").unwrap_err().scim_type(),
            Some(ScimType::InvalidCount)
        );
    }

    #[test]
    fn invalid_query_strings_are_rejected() {
        let scim_type = |query: &str| match Params::parse(query) {
            Err(Failure::Scim(error)) => error.scim_type(),
            other => panic!("{query}: {other:?}"),
        };
        for (query, expected) in [
            ("filter=%ff", ScimType::InvalidFilter),
            ("count=1&count=2", ScimType::InvalidValue),
            ("filter=a&Filter=b", ScimType::InvalidFilter),
            ("cursor=%ff", ScimType::InvalidCursor),
            ("cursor=a&cursor=b", ScimType::InvalidCursor),
        ] {
            assert_eq!(scim_type(query), Some(expected), "{query}");
        }
        assert!(Params::parse(&"x".repeat(32 * 1024)).is_ok());
        let too_long = Params::parse(&"x".repeat(32 * 1024 + 1)).unwrap_err();
        assert_eq!(too_long.to_response(&Method::GET, "").status().as_u16(), 414);
    }
}
