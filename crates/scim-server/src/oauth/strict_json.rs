//! JSON of assertions and key sets: no repeated members, and limited depth.

use scim_model::json;
use serde_json::{Map, Value};

/// The deepest nesting of objects and arrays.
const MAX_DEPTH: usize = 8;

/// Parses an object. Two members with the same name are refused, because two implementations could choose different
/// ones.
///
/// # Errors
/// The problem in words.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    // The parser skips a byte order mark, which some editors write. RFC 8259 section 8.1 forbids it in a message.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("it begins with a byte order mark".to_owned());
    }
    match json::parse(bytes).map_err(|error| error.detail)? {
        Value::Object(object) if object.values().all(|it| is_shallow(it, MAX_DEPTH - 1)) => Ok(object),
        Value::Object(_) => Err(format!("it is nested deeper than {MAX_DEPTH} levels")),
        _ => Err("it is not an object".to_owned()),
    }
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => false,
        Value::Array(elements) => elements.iter().all(|it| is_shallow(it, levels - 1)),
        Value::Object(members) => members.values().all(|it| is_shallow(it, levels - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cred-66
    #[test]
    fn cred_66_objects_have_no_repeated_members_and_at_most_8_levels() {
        let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        for (text, is_valid) in [
            (r#"{"aud":"a","sub":"b"}"#, true),
            (r#"{"aud":"a","aud":"a"}"#, false),
            (r#"{"aud":"a","aud":"b"}"#, false),
            (r#"{"a":{"b":1,"b":2}}"#, false),
            (&nested(8), true),
            (&nested(9), false),
            (&nested(1000), false),
            ("[]", false),
            ("\"a\"", false),
            ("{", false),
            ("{} {}", false),
            ("", false),
            ("\u{feff}{\"aud\":\"a\"}", false),
        ] {
            assert_eq!(object(text.as_bytes()).is_ok(), is_valid, "{text}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }
}
