//! The content of a request: its JSON body, and the parameters of its query.

use std::pin::Pin;
use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, Data, Payload, Query};
use actix_web::{FromRequest, HttpRequest, dev};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::problem::Problem;
use super::state::ManagementHttp;

/// The deadline for receiving a whole body.
const DEADLINE: Duration = Duration::from_secs(10);

/// The media types of bodies. The second one is for PATCH (RFC 7396): `null` removes a value.
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// The largest body of a request without members, in bytes.
const MAX_NO_INPUT: usize = 4096;

/// The longest query, in bytes.
const MAX_QUERY: usize = 16 * 1024;

/// Extracts a JSON body, up to the limit of the server.
pub(super) struct Input<T> {
    pub(super) value: T,
    /// The bytes of the body, which show whether a request is a repeated one.
    pub(super) bytes: Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for Input<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Input<T>, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), Payload::from_request(request, payload));
        Box::pin(async move {
            let http = request.app_data::<Data<ManagementHttp>>();
            let http = http.ok_or_else(|| Problem::internal("the routes are not mounted"))?;
            let limit = http.http.options.max_body_bytes;
            let payload = payload.await.map_err(|it| Problem::internal(it.to_string()))?;
            let bytes = read(request.headers(), payload, limit).await?;
            let value = parse(&bytes)?;
            Ok(Input { value, bytes })
        })
    }
}

/// Extracts the body of a request that has no members: none, or an empty object.
pub(super) struct NoInput;

/// An object without members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoMembers {}

impl FromRequest for NoInput {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<NoInput, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), Payload::from_request(request, payload));
        Box::pin(async move {
            let headers = request.headers();
            let payload = payload.await.map_err(|it| Problem::internal(it.to_string()))?;
            let bytes = receive(headers, payload, MAX_NO_INPUT).await?;
            if !bytes.is_empty() {
                check_media_type(headers)?;
                parse::<NoMembers>(&bytes)?;
            }
            Ok(NoInput)
        })
    }
}

async fn read(headers: &HeaderMap, payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    check_media_type(headers)?;
    receive(headers, payload, limit).await
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(Problem::unsupported_media_type(
            "the body must not be compressed: send it without `Content-Encoding`",
        ));
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    if !MEDIA_TYPES
        .iter()
        .any(|it| it.eq_ignore_ascii_case(essence.trim()))
    {
        return Err(Problem::unsupported_media_type(
            "the body must be `application/json`: set the header `Content-Type`",
        ));
    }
    Ok(())
}

async fn receive(headers: &HeaderMap, payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|it| it > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    match actix_web::rt::time::timeout(DEADLINE, payload.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_broken_off))) => Err(Problem::malformed("the body is incomplete")),
        Ok(Err(_limit_exceeded)) => Err(Problem::too_large(limit)),
        Err(_elapsed) => Err(Problem::timeout()),
    }
}

/// Reads JSON, and names the member that has a wrong type, is unknown or missing.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A derived `Deserialize` would also read an array, as the members in their order.
    if bytes.iter().find(|it| !it.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::malformed("the body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let detail = inner.to_string();
        let field = quoted_member(&detail);
        match (path.as_str(), field) {
            _ if !inner.is_data() => Problem::malformed(format!("the body is not JSON: {detail}")),
            (".", Some(field)) => Problem::invalid(field, detail.clone()),
            (".", None) => Problem::malformed(format!("the body is not valid: {detail}")),
            (path, Some(field)) if !path.ends_with(field) => {
                Problem::invalid(&format!("{path}.{field}"), detail.clone())
            }
            (path, _) => Problem::invalid(path, detail.clone()),
        }
    })?;
    json.end()
        .map_err(|error| Problem::malformed(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// Reads a member of a change that may be `null`, which differs from a missing one. With `#[serde(default)]`.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Returns the member that an error of serde names: an unknown, missing or repeated one.
fn quoted_member(detail: &str) -> Option<&str> {
    let words = ["unknown field `", "missing field `", "duplicate field `"];
    let rest = words.iter().find_map(|it| detail.strip_prefix(it))?;
    rest.split('`').next()
}

/// Extracts the parameters of the query.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Returns the value of a parameter that occurs at most once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Problem::invalid(name, "expected the parameter once")),
        }
    }

    /// Returns the values of a parameter that may occur several times.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.iter().filter(move |(it, _)| it == name);
        pairs.map(|(_, value)| value.as_str())
    }

    /// Returns the number that a parameter has.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let value = self.one(name)?;
        let number = value.map(|it| {
            it.parse()
                .map_err(|_| Problem::invalid(name, "expected a number"))
        });
        number.transpose()
    }

    /// Checks that no other parameters are given, which would be ignored.
    pub(super) fn check_names(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().take(64).collect();
                let expected = known.join(", ");
                Err(Problem::invalid(
                    &shown,
                    format!("unknown parameter: use {expected}"),
                ))
            }
        }
    }
}

impl FromRequest for Parameters {
    type Error = Problem;
    type Future = std::future::Ready<Result<Parameters, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        std::future::ready(parameters(request.query_string()))
    }
}

fn parameters(query: &str) -> Result<Parameters, Problem> {
    if query.len() > MAX_QUERY {
        return Err(Problem::malformed(format!(
            "the query is longer than {MAX_QUERY} bytes"
        )));
    }
    match Query::<Vec<(String, String)>>::from_query(query) {
        Ok(pairs) => Ok(Parameters(pairs.into_inner())),
        Err(_) => Err(Problem::malformed("the query cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // The values do not matter.
    struct Outer {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // The values do not matter.
    struct Inner {
        days: u32,
    }

    #[test]
    fn the_member_that_is_to_blame_is_named() {
        let field = |body: &str| {
            let problem = parse::<Outer>(body.as_bytes()).expect_err(body);
            let body = json!(problem.field_errors());
            body[0]["field"].as_str().map(str::to_owned)
        };
        for (body, expected) in [
            (r#"{"name": 1}"#, Some("name")),
            (r#"{"inner": {"days": 1}}"#, Some("name")),
            (r#"{"name": "a", "nope": 1}"#, Some("nope")),
            (r#"{"name": "a", "name": "b"}"#, Some("name")),
            (r#"{"name": "a", "inner": {"days": -1}}"#, Some("inner.days")),
            (r#"{"name": "a", "inner": {}}"#, Some("inner.days")),
            (
                r#"{"name": "a", "inner": {"days": 1, "weeks": 2}}"#,
                Some("inner.weeks"),
            ),
            ("[]", None),
            ("{", None),
            ("", None),
            (r#"{"name": "a"} x"#, None),
        ] {
            assert_eq!(field(body).as_deref(), expected, "{body}");
        }
        assert!(parse::<Outer>(br#"{"name": "a", "inner": {"days": 1}}"#).is_ok());
    }

    #[test]
    fn parameters_are_decoded_and_checked() {
        let read = parameters("tenant=a&tenant=b%20c&limit=7&wait=x").expect("it is a query");
        assert_eq!(read.all("tenant").collect::<Vec<_>>(), ["a", "b c"]);
        assert!(matches!(read.number("limit"), Ok(Some(7))));
        assert!(matches!(read.number("none"), Ok(None)));
        assert!(read.number("wait").is_err() && read.one("tenant").is_err());
        assert!(read.check_names(&["tenant", "limit", "wait"]).is_ok());
        assert!(read.check_names(&["tenant", "limit"]).is_err());
        assert!(parameters(&"a".repeat(MAX_QUERY + 1)).is_err());
    }
}
