//! The request of a receiver that polls (RFC 8936 section 2.2).

use std::collections::{BTreeMap, BTreeSet};

use scim_model::json;
use serde_json::{Map, Value};

/// The most acknowledgements in a request.
const MAX_ACKNOWLEDGEMENTS: usize = 10_000;

/// The most characters of an error of a receiver that are kept.
const MAX_TEXT: usize = 1_000;

/// A request for tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollRequest {
    /// The most tokens in the answer.
    pub max_events: Option<usize>,
    /// Whether the answer is sent at once, also if there are no tokens.
    pub return_immediately: bool,
    /// The tokens that the receiver has.
    pub ack: Vec<String>,
    /// The tokens that the receiver refuses.
    pub set_errs: BTreeMap<String, SetError>,
}

/// The reason why a receiver refuses a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError {
    /// The word of RFC 8935 section 2.4, or another one.
    pub err: String,
    /// The reason for people.
    pub description: String,
}

/// The request is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct InvalidPoll {
    /// The member that is to blame; `None` if the whole is.
    pub member: Option<&'static str>,
    detail: String,
}

impl InvalidPoll {
    fn whole(detail: impl Into<String>) -> InvalidPoll {
        let detail = detail.into();
        InvalidPoll { member: None, detail }
    }

    fn member(name: &'static str, problem: &str) -> InvalidPoll {
        InvalidPoll {
            member: Some(name),
            detail: format!("`{name}` {problem}"),
        }
    }
}

impl PollRequest {
    /// Reads the JSON of a request. `{}` is a request, and unknown members are ignored.
    ///
    /// # Errors
    /// The text is not a JSON object, or a member has another type.
    pub fn parse(body: &[u8]) -> Result<PollRequest, InvalidPoll> {
        let members = match json::parse(body) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err(InvalidPoll::whole("the request is not a JSON object")),
            Err(error) => {
                let text = format!("the request is not valid: {}", error.detail);
                return Err(InvalidPoll::whole(text));
            }
        };
        let request = PollRequest {
            max_events: match members.get("maxEvents") {
                None => None,
                Some(number) => {
                    let number = number
                        .as_u64()
                        .ok_or_else(|| InvalidPoll::member("maxEvents", "is not a number from 0 on"))?;
                    Some(usize::try_from(number).unwrap_or(usize::MAX))
                }
            },
            return_immediately: match members.get("returnImmediately") {
                None => false,
                Some(value) => value
                    .as_bool()
                    .ok_or_else(|| InvalidPoll::member("returnImmediately", "is neither true nor false"))?,
            },
            ack: match members.get("ack") {
                None => Vec::new(),
                Some(ids) => {
                    strings(ids).ok_or_else(|| InvalidPoll::member("ack", "is not an array of strings"))?
                }
            },
            set_errs: match members.get("setErrs") {
                None => BTreeMap::new(),
                Some(errors) => set_errors(errors).ok_or_else(|| {
                    InvalidPoll::member("setErrs", "is not an object of objects with `err`")
                })?,
            },
        };
        match request.ack.len() + request.set_errs.len() <= MAX_ACKNOWLEDGEMENTS {
            true => Ok(request),
            false => {
                let problem = format!("has, with `setErrs`, more than {MAX_ACKNOWLEDGEMENTS} tokens");
                Err(InvalidPoll::member("ack", &problem))
            }
        }
    }

    /// Whether the receiver acknowledges or refuses tokens.
    pub fn has_acknowledgements(&self) -> bool {
        !self.ack.is_empty() || !self.set_errs.is_empty()
    }

    /// The tokens that the receiver does not need again.
    pub(super) fn finished(&self) -> BTreeSet<&str> {
        self.ack
            .iter()
            .chain(self.set_errs.keys())
            .map(String::as_str)
            .collect()
    }

    /// Removes the acknowledgements, once they were stored.
    pub fn acknowledged(&mut self) {
        self.ack.clear();
        self.set_errs.clear();
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let elements = value.as_array()?.iter().map(|it| it.as_str().map(str::to_owned));
    elements.collect()
}

fn set_errors(value: &Value) -> Option<BTreeMap<String, SetError>> {
    let text = |members: &Map<String, Value>, name| {
        let text = members.get(name)?.as_str()?;
        Some(text.chars().take(MAX_TEXT).collect::<String>())
    };
    let error = |(jti, error): (&String, &Value)| {
        let members = error.as_object()?;
        let error = SetError {
            err: text(members, "err")?,
            description: text(members, "description").unwrap_or_default(),
        };
        Some((jti.clone(), error))
    };
    value.as_object()?.iter().map(error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evt_103_a_request_may_be_empty_and_have_unknown_members() {
        let parse = |text: &str| PollRequest::parse(text.as_bytes());
        assert_eq!(parse("{}"), Ok(PollRequest::default()));
        let all = parse(
            r#"{"maxEvents": 5, "returnImmediately": true, "ack": ["a"], "x": 1,
                "setErrs": {"b": {"err": "invalid_key", "description": "no"}, "c": {"err": "other"}}}"#,
        );
        let error = |err: &str, description: &str| SetError {
            err: err.to_owned(),
            description: description.to_owned(),
        };
        let expected = PollRequest {
            max_events: Some(5),
            return_immediately: true,
            ack: vec!["a".to_owned()],
            set_errs: BTreeMap::from([
                ("b".to_owned(), error("invalid_key", "no")),
                ("c".to_owned(), error("other", "")),
            ]),
        };
        assert_eq!(all, Ok(expected));
    }

    #[test]
    fn evt_111_an_invalid_request_names_the_member() {
        for (text, expected) in [
            ("", None),
            ("[]", None),
            (r#"{"ack":[],"ack":[]}"#, None),
            (r#"{"maxEvents":-1}"#, Some("maxEvents")),
            (r#"{"maxEvents":"1"}"#, Some("maxEvents")),
            (r#"{"returnImmediately":"true"}"#, Some("returnImmediately")),
            (r#"{"ack":"a"}"#, Some("ack")),
            (r#"{"ack":[1]}"#, Some("ack")),
            (r#"{"setErrs":{"a":"b"}}"#, Some("setErrs")),
            (r#"{"setErrs":{"a":{}}}"#, Some("setErrs")),
        ] {
            let error = PollRequest::parse(text.as_bytes()).expect_err(text);
            assert_eq!(error.member, expected, "{text}: {error}");
            let named = expected.unwrap_or("the request is not");
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
        let many = json_of_acknowledgements(MAX_ACKNOWLEDGEMENTS + 1);
        let error = PollRequest::parse(many.as_bytes()).expect_err("there are too many");
        assert_eq!(error.member, Some("ack"), "{error}");
    }

    fn json_of_acknowledgements(number: usize) -> String {
        serde_json::json!({ "ack": vec!["a"; number] }).to_string()
    }
}
