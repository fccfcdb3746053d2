//! Request bodies (media type, size limit, deadline), and the media types of responses (RFC 7644 section 3.8, A-21).

use std::pin::Pin;
use std::time::Duration;

use actix_web::http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{FromRequest, HttpRequest, dev};
use scim_model::{ScimError, ScimType};

use crate::http::context::Http;
use crate::http::error::Failure;
use crate::http::media_type::SCIM_JSON;

/// The deadline for receiving a whole body. actix limits the time for headers only, so a slow body could otherwise
/// hold its connection forever.
const DEADLINE: Duration = Duration::from_secs(10);

/// Extracts the body of a request, up to the limit of the server.
pub struct Body(pub Bytes);

impl FromRequest for Body {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Body, Failure>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), Payload::from_request(request, payload));
        Box::pin(async move {
            let http = request
                .app_data::<Data<Http>>()
                .ok_or_else(Failure::not_mounted)?;
            // The body moves out of the request and cannot be missing.
            let payload = payload.await.map_err(|it| Failure::Internal(it.to_string()))?;
            let body = read(request.headers(), payload, http.options.max_body_bytes).await?;
            Ok(Body(body))
        })
    }
}

/// Reads the body of a request, which may have at most `limit` bytes.
///
/// # Errors
/// `415`, `413` or `408`, or `400` when the connection is lost.
async fn read(headers: &HeaderMap, payload: Payload, limit: usize) -> Result<Bytes, Failure> {
    check_encoding(headers)?;
    check_media_type(headers)?;
    let too_large = || ScimError::too_large(format!("the body is larger than {limit} bytes"));
    // A declared length above the limit is rejected without reading the body.
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large().into());
    }
    match actix_web::rt::time::timeout(DEADLINE, payload.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_broken_off))) => {
            Err(ScimError::new(ScimType::InvalidSyntax, "the body is incomplete").into())
        }
        Ok(Err(_limit_exceeded)) => Err(too_large().into()),
        Err(_elapsed) => Err(Failure::BodyTimeout),
    }
}

/// Checks that the body is not compressed. A compressed one would have to be expanded before its size is known.
fn check_encoding(headers: &HeaderMap) -> Result<(), Failure> {
    let is_identity = |value: &HeaderValue| {
        let value = value.to_str().unwrap_or("?");
        let mut codings = value.split(',').map(str::trim);
        codings.all(|it| it.is_empty() || it.eq_ignore_ascii_case("identity"))
    };
    match headers.get_all(CONTENT_ENCODING).all(is_identity) {
        true => Ok(()),
        false => Err(Failure::UnsupportedEncoding),
    }
}

/// Checks the media type of a request. A missing one means SCIM, and JSON allows no charset other than UTF-8 (RFC 8259
/// section 8.1).
fn check_media_type(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let value = value.to_str().unwrap_or("?");
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let known = ["application/scim+json", "application/json", ""]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(essence));
    let utf8 = parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let charset = value.trim_matches('"');
        !name.eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"]
                .iter()
                .any(|it| it.eq_ignore_ascii_case(charset))
    });
    if known && utf8 {
        Ok(())
    } else {
        Err(Failure::UnsupportedMediaType)
    }
}

/// Checks that the client does not exclude SCIM's media type. A client that asks only for other types gets SCIM's
/// JSON, as RFC 9110 section 15.5.7 permits, because some clients read SCIM but send another `Accept`.
///
/// # Errors
/// `406` when `Accept` excludes SCIM's media type with `q=0`.
pub(super) fn check_accept(headers: &HeaderMap) -> Result<(), Failure> {
    for value in headers.get_all(ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        for range in value.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            let refused = parts.any(|it| {
                let (name, q) = it.split_once('=').unwrap_or((it, ""));
                name.eq_ignore_ascii_case("q") && q.parse::<f32>().is_ok_and(|q| q <= 0.0)
            });
            if refused && essence.eq_ignore_ascii_case(SCIM_JSON) {
                return Err(Failure::NotAcceptable);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a21_media_types_of_requests() {
        let accepted = [
            "application/scim+json",
            "application/json",
            "Application/SCIM+JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"; odata=verbose",
            "",
        ];
        let refused = [
            "text/plain",
            "text/xml",
            "application/json-patch+json",
            "application/scim+json; charset=iso-8859-1",
            "application/x-www-form-urlencoded",
        ];
        let check = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            check_media_type(&headers).is_ok()
        };
        assert!(accepted.iter().all(|it| check(it)));
        assert!(!refused.iter().any(|it| check(it)));
        assert!(check_media_type(&HeaderMap::new()).is_ok());
    }

    /// RFC 9110 section 8.4
    #[test]
    fn compressed_bodies_are_refused() {
        let check = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            check_encoding(&headers).is_ok()
        };
        for accepted in [&[][..], &["identity"], &["Identity, "], &[""]] {
            assert!(check(accepted), "{accepted:?}");
        }
        for refused in [
            &["gzip"][..],
            &["x-nothing"],
            &["identity, br"],
            &["identity", "deflate"],
        ] {
            assert!(!check(refused), "{refused:?}");
        }
    }

    #[test]
    fn a21_only_an_explicit_refusal_is_406() {
        let cases = [
            ("application/scim+json", true),
            ("application/json", true),
            ("*/*", true),
            ("text/html", true),
            ("application/scim+json;q=0.5", true),
            ("application/scim+json;level=0", true),
            ("application/json;q=0", true),
            ("application/scim+json;q=0", false),
            ("text/html, application/scim+json; q=0.0", false),
        ];
        for (accept, fine) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(check_accept(&headers).is_ok(), fine, "{accept}");
        }
    }

    #[test]
    fn a_body_may_be_as_long_as_the_limit() {
        let read = |declared: &str, body: &'static str, limit| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_str(declared).unwrap());
            let payload = Bytes::from_static(body.as_bytes());
            let (_, mut dev) = TestRequest::default().set_payload(payload).to_http_parts();
            actix_web::rt::System::new().block_on(async {
                let payload = Payload::from_request(&TestRequest::default().to_http_request(), &mut dev);
                let body = super::read(&headers, payload.await.unwrap(), limit).await;
                body.map_err(|failure| failure.to_response(&Method::POST, "4711").status().as_u16())
            })
        };
        assert_eq!(read("5", "12345", 5).as_deref(), Ok(&b"12345"[..]));
        assert_eq!(read("6", "123456", 5), Err(413));
        // A declared length above the limit is rejected before the body is read.
        assert_eq!(read("6", "", 5), Err(413));
        assert_eq!(read("600", "", 5), Err(413));
        // A false declared length does not bypass the limit.
        assert_eq!(read("1", "123456", 5), Err(413));
        assert_eq!(read("x", "12345", 5).as_deref(), Ok(&b"12345"[..]));
    }
}
