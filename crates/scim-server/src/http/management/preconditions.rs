//! Entity tags: an operator changes only what the operator has seen (RFC 9110 section 13.1.1).

use std::future::{Ready, ready};

use actix_web::http::header::{IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest, dev};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::problem::Problem;

/// Returns the entity tag of an object: a hash of what operators can change of it.
pub(super) fn tag(view: &impl Serialize) -> String {
    let json = serde_json::to_vec(view).unwrap_or_default();
    let hash = Sha256::digest(json);
    let digits: String = hash[..8].iter().map(|it| format!("{it:02x}")).collect();
    format!("\"{digits}\"")
}

/// Extracts `If-Match`.
pub(super) struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// Returns whether the request names a tag.
    pub(super) fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// Checks that the object is one that the request names.
    ///
    /// # Errors
    /// 412
    pub(super) fn check(&self, current: &str) -> Result<(), Problem> {
        match &self.0 {
            Some(tags) if !tags.iter().any(|it| it == current || it == "*") => Err(Problem::stale()),
            _ => Ok(()),
        }
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<IfMatch, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let headers = request.headers();
        if headers.contains_key(IF_NONE_MATCH) {
            let text = "use the header `If-Match` for changes";
            return ready(Err(Problem::invalid("If-None-Match", text)));
        }
        let values: Vec<&str> = headers
            .get_all(IF_MATCH)
            .filter_map(|it| it.to_str().ok())
            .collect();
        let tags = values.iter().flat_map(|it| it.split(','));
        let tags = tags.map(|it| it.trim().to_owned()).collect();
        ready(Ok(IfMatch(headers.contains_key(IF_MATCH).then_some(tags))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_change_names_the_object_as_it_is() {
        let (one, other) = (tag(&"one"), tag(&"other"));
        assert_ne!(one, other);
        for (header, is_met) in [
            (None, true),
            (Some("*".to_owned()), true),
            (Some(one.clone()), true),
            (Some(format!("{other} , {one}")), true),
            (Some(other), false),
            (Some(format!("W/{one}")), false),
            (Some(String::new()), false),
        ] {
            let mut request = TestRequest::default();
            if let Some(header) = &header {
                request = request.insert_header((IF_MATCH, header.as_str()));
            }
            let (request, mut payload) = request.to_http_parts();
            let condition = IfMatch::from_request(&request, &mut payload).into_inner();
            let condition = condition.expect("it is valid");
            assert_eq!(condition.is_given(), header.is_some());
            assert_eq!(condition.check(&one).is_ok(), is_met, "{header:?}");
        }
    }
}
