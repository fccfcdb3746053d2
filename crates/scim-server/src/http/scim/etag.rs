//! Entity tags and preconditions of requests (RFC 9110 sections 8.8.3 and 13).

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};

use crate::service::precondition::{Match, Preconditions};

/// Extracts `If-Match` and `If-None-Match`. `If-Modified-Since` and `If-Unmodified-Since` are ignored, because no
/// response has a `Last-Modified`.
impl FromRequest for Preconditions {
    type Error = Infallible;
    type Future = Ready<Result<Preconditions, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Preconditions::of(request.headers())))
    }
}

impl Preconditions {
    pub(super) fn of(headers: &HeaderMap) -> Preconditions {
        Preconditions {
            if_match: tags(headers, &IF_MATCH),
            if_none_match: tags(headers, &IF_NONE_MATCH),
        }
    }
}

/// Returns `*` or the opaque tags of all header fields of a name. `W/` is removed, because all tags of this server are
/// weak and the examples of RFC 7644 section 3.14 send weak tags in `If-Match` too (A-44).
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Match> {
    if !headers.contains_key(name) {
        return None;
    }
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let Ok(text) = value.to_str() else { continue };
        if text.trim() == "*" {
            return Some(Match::Any);
        }
        tags.extend(opaque_tags(text));
    }
    Some(Match::Tags(tags))
}

/// Returns the opaque parts of a list such as `W/"3", "x"`. A tag without quotes is accepted.
fn opaque_tags(list: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return tags;
        }
        rest = rest.strip_prefix("W/").unwrap_or(rest);
        let (tag, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        tags.push(tag.trim_end().to_owned());
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags_lose_their_quotes_and_weakness() {
        let cases: &[(&str, &[&str])] = &[
            (r#"W/"3""#, &["3"]),
            (r#""3""#, &["3"]),
            (r#""x", W/"3.9f" ,"#, &["x", "3.9f"]),
            (r#""a,b""#, &["a,b"]),
            ("3", &["3"]),
            (r#""open"#, &["open"]),
            ("", &[]),
        ];
        for (list, tags) in cases {
            assert_eq!(&opaque_tags(list), tags, "{list}");
        }
    }
}
