//! Matchers of a trace: plain values compare exactly, `{"$contains": …}` and similar ones by rule.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Map, Number, Value};

/// Why a value does not match.
type Reason = String;

/// The value at a JSON pointer (RFC 6901); `""` and `/` are the whole document.
pub(crate) fn at<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    let tokens = pointer.trim_start_matches('/');
    if tokens.is_empty() {
        return Some(document);
    }
    tokens.split('/').try_fold(document, |value, token| {
        let token = token.replace("~1", "/").replace("~0", "~");
        match value {
            Value::Object(members) => members.get(&token),
            Value::Array(items) if token.bytes().all(|byte| byte.is_ascii_digit()) => {
                items.get(token.parse::<usize>().ok()?)
            }
            _ => None,
        }
    })
}

/// Compares a value, or its absence, with a matcher or a plain value.
///
/// # Errors
/// Why it does not match.
pub(crate) fn check(value: Option<&Value>, matcher: &Value) -> Result<(), Reason> {
    if let Some((name, argument)) = named(matcher) {
        return check_named(value, name, argument);
    }
    match value {
        Some(value) if equal(value, matcher) => Ok(()),
        _ => Err(format!("want {}, got {}", short(Some(matcher)), short(value))),
    }
}

/// Whether two values are the same: `true` is not 1, `1.0` is 1.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => equal_numbers(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

/// A number without fraction and exponent.
pub(crate) fn is_integer(value: &Value) -> bool {
    value
        .as_number()
        .is_some_and(|number| !number.to_string().contains(['.', 'e', 'E']))
}

/// A value for a message: at most some 140 characters.
pub(crate) fn short(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "<absent>".to_owned();
    };
    let text = value.to_string();
    if text.chars().count() <= 140 {
        text
    } else {
        text.chars().take(137).chain("...".chars()).collect()
    }
}

/// Only these are matchers: `{"$ref": "…"}` is plain data.
const NAMES: [&str; 18] = [
    "$eq",
    "$exists",
    "$absent",
    "$unassigned",
    "$type",
    "$contains",
    "$lacks",
    "$len",
    "$regex",
    "$ieq",
    "$match",
    "$each",
    "$any_of",
    "$all_of",
    "$not",
    "$min",
    "$max",
    "$rfc3339",
];

fn named(matcher: &Value) -> Option<(&str, &Value)> {
    let members = matcher.as_object().filter(|members| members.len() == 1)?;
    let (name, argument) = members.iter().next()?;
    NAMES
        .contains(&name.as_str())
        .then_some((name.as_str(), argument))
}

fn check_named(value: Option<&Value>, name: &str, argument: &Value) -> Result<(), Reason> {
    let assigned = value.filter(|value| !value.is_null());
    let holds = |holds: bool, want: &dyn Fn() -> String| {
        if holds {
            Ok(())
        } else {
            Err(format!("want {}, got {}", want(), short(value)))
        }
    };
    match name {
        "$eq" => holds(value.is_some_and(|value| equal(value, argument)), &|| {
            short(Some(argument))
        }),
        "$exists" => holds(assigned.is_some() == yes(argument), &|| {
            (if yes(argument) { "a value" } else { "nothing" }).to_owned()
        }),
        "$absent" => check_named(value, "$exists", &Value::Bool(!yes(argument))),
        "$unassigned" => holds(assigned.is_none_or(is_empty) == yes(argument), &|| {
            // RFC 7643 section 2.5: null and an empty array are the same as nothing.
            (if yes(argument) { "unassigned" } else { "assigned" }).to_owned()
        }),
        "$type" => holds(has_type(value, argument), &|| format!("type {argument}")),
        "$contains" => contains(value, argument),
        "$lacks" => match assigned {
            Some(_) if contains(value, argument).is_ok() => {
                Err(format!("unwanted {} in {}", short(Some(argument)), short(value)))
            }
            _ => Ok(()),
        },
        "$len" => has_length(assigned, argument),
        "$regex" => {
            let pattern = argument.as_str().ok_or("`$regex` needs a string")?;
            let regex = Regex::new(pattern).map_err(|error| format!("`{pattern}`: {error}"))?;
            let text = value.and_then(Value::as_str);
            holds(text.is_some_and(|text| regex.is_match(text)), &|| {
                format!("/{pattern}/")
            })
        }
        "$ieq" => {
            let text = value.and_then(Value::as_str).map(str::to_lowercase);
            let wanted = argument
                .as_str()
                .map_or_else(|| argument.to_string(), str::to_owned);
            holds(text == Some(wanted.to_lowercase()), &|| {
                format!("`{wanted}` in any case")
            })
        }
        "$match" => subset(value, argument),
        "$each" => {
            let items = value.and_then(Value::as_array);
            let items = items.ok_or_else(|| format!("want an array, got {}", short(value)))?;
            let checked = items.iter().enumerate();
            checked.into_iter().try_for_each(|(index, item)| {
                subset(Some(item), argument).map_err(|reason| format!("[{index}] {reason}"))
            })
        }
        "$any_of" => {
            let reasons: Vec<Reason> = alternatives(argument)?
                .iter()
                .filter_map(|it| check(value, it).err())
                .collect();
            if reasons.len() < alternatives(argument)?.len() {
                return Ok(());
            }
            Err(format!("none of: {}", reasons.join(" | ")))
        }
        "$all_of" => alternatives(argument)?
            .iter()
            .try_for_each(|matcher| check(value, matcher)),
        "$not" => match check(value, argument) {
            Ok(()) => Err(format!(
                "must not match {}, got {}",
                short(Some(argument)),
                short(value)
            )),
            Err(_) => Ok(()),
        },
        "$min" => holds(bound(value, argument, |value, bound| value >= bound), &|| {
            format!(">= {argument}")
        }),
        "$max" => holds(bound(value, argument, |value, bound| value <= bound), &|| {
            format!("<= {argument}")
        }),
        "$rfc3339" => {
            let text = value.and_then(Value::as_str);
            holds(
                text.is_some_and(|text| DATE_TIME.is_match(text)) == yes(argument),
                &|| {
                    (if yes(argument) {
                        "a date-time with zone"
                    } else {
                        "no date-time"
                    })
                    .to_owned()
                },
            )
        }
        _ => Err(format!("`{name}` is no matcher")),
    }
}

static DATE_TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$").expect("a regex")
});

/// `true`, as in `{"$absent": true}`.
fn yes(argument: &Value) -> bool {
    argument.as_bool().unwrap_or(true)
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

fn has_type(value: Option<&Value>, names: &Value) -> bool {
    let actual: &[&str] = match value {
        None => &["missing"],
        Some(Value::Null) => &["null"],
        Some(Value::Bool(_)) => &["boolean"],
        Some(number @ Value::Number(_)) if is_integer(number) => &["integer", "number"],
        Some(Value::Number(_)) => &["number"],
        Some(Value::String(_)) => &["string"],
        Some(Value::Array(_)) => &["array"],
        Some(Value::Object(_)) => &["object"],
    };
    let is_named = |name: &Value| name.as_str().is_some_and(|name| actual.contains(&name));
    names
        .as_array()
        .map_or_else(|| is_named(names), |names| names.iter().any(is_named))
}

fn contains(value: Option<&Value>, wanted: &Value) -> Result<(), Reason> {
    match value {
        Some(Value::String(text)) if wanted.as_str().is_some_and(|wanted| text.contains(wanted)) => Ok(()),
        Some(Value::String(_)) => Err(format!("want {} in {}", short(Some(wanted)), short(value))),
        Some(Value::Array(items)) if items.iter().any(|item| subset(Some(item), wanted).is_ok()) => Ok(()),
        Some(Value::Array(_)) => Err(format!(
            "no element like {} in {}",
            short(Some(wanted)),
            short(value)
        )),
        _ => Err(format!(
            "want a string or array that holds {}, got {}",
            short(Some(wanted)),
            short(value)
        )),
    }
}

/// An object has to hold these members, and may hold more.
fn subset(value: Option<&Value>, wanted: &Value) -> Result<(), Reason> {
    let Some(members) = wanted.as_object().filter(|_| named(wanted).is_none()) else {
        return check(value, wanted);
    };
    let Some(actual) = value.and_then(Value::as_object) else {
        return Err(format!("want an object, got {}", short(value)));
    };
    members.iter().try_for_each(|(key, wanted)| {
        subset(actual.get(key), wanted).map_err(|reason| format!("{key}: {reason}"))
    })
}

fn has_length(assigned: Option<&Value>, wanted: &Value) -> Result<(), Reason> {
    let length = match assigned {
        None if wanted.as_u64() == Some(0) => 0,
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(members)) => members.len(),
        Some(Value::String(text)) => text.chars().count(),
        _ => return Err(format!("want length {wanted}, got {}", short(assigned))),
    };
    let length = length as u64;
    let holds = match wanted.as_u64() {
        Some(wanted) => length == wanted,
        None => {
            let bound = |name: &str, default: u64| wanted[name].as_u64().unwrap_or(default);
            (bound("$min", 0)..=bound("$max", u64::MAX)).contains(&length)
        }
    };
    if holds {
        Ok(())
    } else {
        Err(format!("want length {wanted}, got {length}"))
    }
}

fn alternatives(argument: &Value) -> Result<&Vec<Value>, Reason> {
    argument
        .as_array()
        .ok_or_else(|| format!("`$any_of` and `$all_of` need a list, not {argument}"))
}

fn bound(value: Option<&Value>, bound: &Value, holds: fn(f64, f64) -> bool) -> bool {
    let (Some(value), Some(bound)) = (value.and_then(Value::as_f64), bound.as_f64()) else {
        return false;
    };
    holds(value, bound)
}

fn equal_numbers(left: &Number, right: &Number) -> bool {
    left == right
        || match (left.as_i128(), right.as_i128()) {
            (Some(left), Some(right)) => left == right,
            _ => left.as_f64() == right.as_f64(),
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn matches(value: &Value, matcher: &Value) {
        assert_eq!(check(Some(value), matcher), Ok(()), "{value} and {matcher}");
    }

    #[track_caller]
    fn differs(value: &Value, matcher: &Value) {
        assert!(check(Some(value), matcher).is_err(), "{value} and {matcher}");
    }

    #[test]
    fn pointers_lead_through_objects_and_arrays() {
        let document = json!({"a": [{"b": 1}], "urn:x:2.0:User": {"m/n~": 2}, "n": null});
        assert_eq!(at(&document, ""), Some(&document));
        assert_eq!(at(&document, "/"), Some(&document));
        assert_eq!(at(&document, "/a/0/b"), Some(&json!(1)));
        assert_eq!(at(&document, "/urn:x:2.0:User/m~1n~0"), Some(&json!(2)));
        assert_eq!(at(&document, "/n"), Some(&Value::Null));
        for absent in ["/b", "/a/1", "/a/-1", "/a/x", "/a/0/b/c", "/n/x", "/a/"] {
            assert_eq!(at(&document, absent), None, "{absent}");
        }
    }

    #[test]
    fn plain_values_compare_exactly_and_deeply() {
        matches(&json!({"a": [1, {"b": null}]}), &json!({"a": [1, {"b": null}]}));
        matches(&json!(1), &json!(1.0));
        matches(&json!({"$ref": "x"}), &json!({"$ref": "x"}));
        for (value, other) in [
            (json!(true), json!(1)),
            (json!(false), json!(0)),
            (json!("1"), json!(1)),
            (json!({"a": 1, "b": 2}), json!({"a": 1})),
            (json!([1, 2]), json!([2, 1])),
            (json!({"$ref": "x"}), json!({"$ref": "y"})),
            (json!(null), json!(false)),
        ] {
            differs(&value, &other);
        }
    }

    #[test]
    fn an_absent_value_matches_only_what_speaks_of_absence() {
        for matcher in [
            json!({"$absent": true}),
            json!({"$unassigned": true}),
            json!({"$lacks": "x"}),
            json!({"$len": 0}),
            json!({"$not": "x"}),
            json!({"$exists": false}),
            json!({"$type": "missing"}),
            json!({"$type": ["string", "missing"]}),
            json!({"$any_of": ["x", {"$absent": true}]}),
        ] {
            assert_eq!(check(None, &matcher), Ok(()), "{matcher}");
        }
        for matcher in [
            json!(null),
            json!([]),
            json!({"$eq": null}),
            json!({"$exists": true}),
            json!({"$type": "null"}),
            json!({"$contains": "x"}),
            json!({"$len": 1}),
            json!({"$len": {"$min": 0}}),
            json!({"$regex": ""}),
            json!({"$ieq": ""}),
            json!({"$match": {}}),
            json!({"$each": {}}),
            json!({"$min": 0}),
            json!({"$max": 9}),
            json!({"$rfc3339": true}),
            json!({"$absent": false}),
            json!({"$unassigned": false}),
        ] {
            assert!(check(None, &matcher).is_err(), "{matcher}");
        }
    }

    #[test]
    fn presence() {
        matches(&json!(""), &json!({"$exists": true}));
        differs(&json!(null), &json!({"$exists": true}));
        matches(&json!(null), &json!({"$absent": true}));
        differs(&json!([]), &json!({"$absent": true}));
        for value in [json!(null), json!([]), json!({})] {
            matches(&value, &json!({"$unassigned": true}));
            differs(&value, &json!({"$unassigned": false}));
        }
        for value in [json!(""), json!(0), json!(false), json!([null])] {
            differs(&value, &json!({"$unassigned": true}));
        }
    }

    #[test]
    fn types() {
        for (value, name) in [
            (json!("x"), "string"),
            (json!(1), "integer"),
            (json!(1), "number"),
            (json!(1.5), "number"),
            (json!(true), "boolean"),
            (json!({}), "object"),
            (json!([]), "array"),
            (json!(null), "null"),
        ] {
            matches(&value, &json!({"$type": name}));
            matches(&value, &json!({"$type": ["missing", name]}));
        }
        differs(&json!(1.5), &json!({"$type": "integer"}));
        differs(&json!(1.0), &json!({"$type": "integer"}));
        differs(&json!(true), &json!({"$type": ["integer", "string"]}));
    }

    #[test]
    fn containing_and_lacking() {
        let members = json!([{"value": "a", "type": "User"}, {"value": "b"}]);
        matches(&members, &json!({"$contains": {"value": "a"}}));
        matches(
            &members,
            &json!({"$contains": {"value": {"$regex": "^b$"}, "type": {"$absent": true}}}),
        );
        differs(&members, &json!({"$contains": {"value": "b", "type": "User"}}));
        matches(&members, &json!({"$lacks": {"value": "c"}}));
        differs(&members, &json!({"$lacks": {"value": "a"}}));
        matches(&json!("urn:x"), &json!({"$contains": "rn"}));
        differs(&json!("urn:x"), &json!({"$contains": "y"}));
        differs(&json!({"a": 1}), &json!({"$contains": "a"}));
        matches(&json!({"a": 1}), &json!({"$lacks": "a"}));
        matches(&json!(null), &json!({"$lacks": "a"}));
        matches(&json!([1, true]), &json!({"$contains": true}));
        differs(&json!([1]), &json!({"$contains": true}));
    }

    #[test]
    fn lengths() {
        matches(&json!([1, 2]), &json!({"$len": 2}));
        matches(&json!("äö"), &json!({"$len": 2}));
        matches(&json!({"a": 1}), &json!({"$len": 1}));
        matches(&json!(null), &json!({"$len": 0}));
        matches(&json!([1, 2]), &json!({"$len": {"$min": 1, "$max": 2}}));
        differs(&json!([1, 2]), &json!({"$len": {"$min": 3}}));
        differs(&json!([1, 2]), &json!({"$len": {"$max": 1}}));
        differs(&json!(2), &json!({"$len": 2}));
    }

    #[test]
    fn texts() {
        matches(
            &json!("application/scim+json; charset=utf-8"),
            &json!({"$regex": r"^application/scim\+json"}),
        );
        differs(&json!(409), &json!({"$regex": "^409$"}));
        matches(&json!("UserName"), &json!({"$ieq": "USERNAME"}));
        differs(&json!("UserName"), &json!({"$ieq": "userNam"}));
        for good in ["2026-01-31T10:00:00Z", "2026-01-31T10:00:00.123+01:00"] {
            matches(&json!(good), &json!({"$rfc3339": true}));
        }
        for bad in ["2026-01-31T10:00Z", "2026-01-31 10:00:00Z", "2026-01-31T10:00:00"] {
            differs(&json!(bad), &json!({"$rfc3339": true}));
        }
    }

    #[test]
    fn members_and_elements() {
        matches(
            &json!({"a": 1, "b": {"c": 2, "d": 3}}),
            &json!({"$match": {"b": {"c": {"$min": 2}}}}),
        );
        differs(&json!({"a": 1}), &json!({"$match": {"b": 1}}));
        matches(&json!({"a": 1}), &json!({"$match": {"b": {"$absent": true}}}));
        matches(
            &json!([{"a": 1, "x": 0}, {"a": 2}]),
            &json!({"$each": {"a": {"$type": "integer"}}}),
        );
        differs(
            &json!([{"a": 1}, {"b": 2}]),
            &json!({"$each": {"a": {"$exists": true}}}),
        );
        matches(&json!([]), &json!({"$each": {"a": 1}}));
    }

    #[test]
    fn combinations_and_bounds() {
        matches(&json!("b"), &json!({"$any_of": ["a", "b"]}));
        differs(&json!("c"), &json!({"$any_of": ["a", "b"]}));
        differs(&json!("c"), &json!({"$any_of": []}));
        matches(
            &json!("ab"),
            &json!({"$all_of": [{"$contains": "a"}, {"$contains": "b"}]}),
        );
        differs(
            &json!("a"),
            &json!({"$all_of": [{"$contains": "a"}, {"$contains": "b"}]}),
        );
        matches(&json!("a"), &json!({"$not": {"$contains": "b"}}));
        differs(&json!("a"), &json!({"$not": "a"}));
        matches(&json!(2), &json!({"$min": 2}));
        differs(&json!(1.5), &json!({"$min": 2}));
        matches(&json!(2), &json!({"$max": 2}));
        differs(&json!(true), &json!({"$max": 2}));
        matches(&json!({"$min": 1}), &json!({"$eq": {"$min": 1}}));
    }
}
