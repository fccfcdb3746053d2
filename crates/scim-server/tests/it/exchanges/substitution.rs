//! `{{name}}`, `{{ids[3]}}`, `{{name|filter}}` and `$expand`.

use std::sync::LazyLock;

use base64::Engine as _;
use regex_lite::{Captures, Regex};
use serde_json::{Map, Value};

/// The variables of a running scenario.
pub(crate) type Variables = Map<String, Value>;

/// A name that has no value: what was being saved was not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unresolved(pub String);

static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.\[\]]*)\s*(?:\|\s*([a-z0-9]+)\s*)?\}\}").expect("a regex")
});

/// Replaces the variables in the strings and keys of a value, and each `$expand` in a list.
pub(crate) fn substitute(value: &Value, variables: &Variables) -> Result<Value, Unresolved> {
    match value {
        Value::String(text) => substitute_string(text, variables),
        Value::Array(items) => {
            let mut result = Vec::new();
            for item in items {
                match item.get("$expand") {
                    Some(expand) => result.extend(expand_items(expand, variables)?),
                    None => result.push(substitute(item, variables)?),
                }
            }
            Ok(Value::Array(result))
        }
        Value::Object(members) => substitute_map(members, variables).map(Value::Object),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

pub(crate) fn substitute_map(
    members: &Map<String, Value>,
    variables: &Variables,
) -> Result<Map<String, Value>, Unresolved> {
    members
        .iter()
        .map(|(key, value)| Ok((substitute_text(key, variables)?, substitute(value, variables)?)))
        .collect()
}

/// Where only text makes sense: a path, a key, a raw body.
pub(crate) fn substitute_text(text: &str, variables: &Variables) -> Result<String, Unresolved> {
    let mut result = String::new();
    let mut rest = 0;
    for found in VARIABLE.captures_iter(text) {
        let whole = found.get(0).expect("a match has a whole");
        result.push_str(&text[rest..whole.start()]);
        result.push_str(&replacement(&found, variables)?);
        rest = whole.end();
    }
    result.push_str(&text[rest..]);
    Ok(result)
}

/// The value of a name, `ids[3]` being an element of the list `ids`.
pub(crate) fn lookup(name: &str, variables: &Variables) -> Result<Value, Unresolved> {
    let unresolved = || Unresolved(name.to_owned());
    if let Some((list, index)) = name.strip_suffix(']').and_then(|it| it.rsplit_once('['))
        && let Ok(index) = index.parse::<usize>()
    {
        return lookup(list, variables)?
            .get(index)
            .cloned()
            .ok_or_else(unresolved);
    }
    variables.get(name).cloned().ok_or_else(unresolved)
}

/// A string that is only a variable takes over the value's type.
fn substitute_string(text: &str, variables: &Variables) -> Result<Value, Unresolved> {
    if let Some(found) = VARIABLE.captures(text)
        && found.get(0).is_some_and(|whole| whole.range() == (0..text.len()))
        && found.get(2).is_none()
    {
        return lookup(&found[1], variables);
    }
    substitute_text(text, variables).map(Value::String)
}

fn replacement(found: &Captures, variables: &Variables) -> Result<String, Unresolved> {
    let text = as_text(&lookup(&found[1], variables)?);
    let Some(filter) = found.get(2) else {
        return Ok(text);
    };
    match filter.as_str() {
        "url" => Ok(percent_encode(&text, "%20")),
        "form" => Ok(percent_encode(&text, "+")),
        "upper" => Ok(text.to_uppercase()),
        "lower" => Ok(text.to_lowercase()),
        "swap" => Ok(text.chars().flat_map(swap_case).collect()),
        "b64" => Ok(base64::engine::general_purpose::STANDARD.encode(text)),
        unknown => Err(Unresolved(format!("{}|{unknown}", &found[1]))),
    }
}

/// A string as it is, all else as JSON.
pub(crate) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Percent-encodes all but the unreserved characters of RFC 3986, in upper-case hexadecimal digits.
fn percent_encode(text: &str, space: &str) -> String {
    let mut result = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => result.push(byte.into()),
            b' ' => result.push_str(space),
            _ => result.push_str(&format!("%{byte:02X}")),
        }
    }
    result
}

fn swap_case(character: char) -> Vec<char> {
    if character.is_uppercase() {
        character.to_lowercase().collect()
    } else {
        character.to_uppercase().collect()
    }
}

/// `{"from": "ids", "as": "m", "start": 0, "end": 10, "item": …}`: the item once for each element.
fn expand_items(expand: &Value, variables: &Variables) -> Result<Vec<Value>, Unresolved> {
    let text = |name: &str| {
        expand[name]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Unresolved(format!("$expand.{name}")))
    };
    let (from, variable) = (text("from")?, text("as")?);
    let list = lookup(&from, variables)?;
    let elements = list.as_array().ok_or(Unresolved(from))?;
    // A bound below zero counts from the end.
    let bound = |name: &str, default: usize| match expand[name].as_i64() {
        Some(index) if index < 0 => elements.len().saturating_sub(index.unsigned_abs() as usize),
        Some(index) => elements.len().min(index as usize),
        None => default,
    };
    let (start, end) = (bound("start", 0), bound("end", elements.len()));
    let mut inner = variables.clone();
    elements
        .get(start..end)
        .unwrap_or_default()
        .iter()
        .map(|element| {
            inner.insert(variable.clone(), element.clone());
            substitute(&expand["item"], &inner)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Borrow;

    use serde_json::json;

    use super::*;

    fn variables() -> Variables {
        let variables = json!({
            "run": "a1b2", "name": "Ann & Bob+", "n": 7, "ids": ["x", "y", "z"], "user": {"id": "u1"}, "mixed": "aBc"
        });
        variables.as_object().expect("an object").clone()
    }

    #[track_caller]
    fn check(before: impl Borrow<Value>, after: impl Borrow<Value>) {
        assert_eq!(
            substitute(before.borrow(), &variables()).as_ref(),
            Ok(after.borrow())
        );
    }

    #[test]
    fn names_are_replaced_in_strings_and_keys() {
        check(
            json!({"{{run}}-k": ["{{run}}-v", 1, null, true]}),
            json!({"a1b2-k": ["a1b2-v", 1, null, true]}),
        );
        check(json!("{{ run }}/{{n}}"), json!("a1b2/7"));
        check(json!("{{not a name}} {run}"), json!("{{not a name}} {run}"));
    }

    #[test]
    fn a_string_that_is_only_a_name_takes_over_the_value() {
        check(
            json!(["{{n}}", "{{ids}}", "{{user}}"]),
            json!([7, ["x", "y", "z"], {"id": "u1"}]),
        );
        check(json!("{{ids[1]}}"), json!("y"));
        check(json!("/Users/{{ids[2]}}?"), json!("/Users/z?"));
        check(json!("-{{ids}}"), json!("-[\"x\",\"y\",\"z\"]"));
    }

    #[test]
    fn filters_change_the_text() {
        check(json!("{{name|url}}"), json!("Ann%20%26%20Bob%2B"));
        check(json!("{{name|form}}"), json!("Ann+%26+Bob%2B"));
        check(
            json!("{{mixed|upper}}{{mixed|lower}}{{mixed|swap}}"),
            json!("ABCabcAbC"),
        );
        check(json!("{{ run | b64 }}"), json!("YTFiMg=="));
        check(json!("{{n|url}}"), json!("7"));
    }

    #[test]
    fn what_has_no_value_is_named() {
        for (text, name) in [
            ("{{u}}", "u"),
            ("x{{ids[3]}}", "ids[3]"),
            ("{{run|odd}}", "run|odd"),
            ("{{n[0]}}", "n[0]"),
        ] {
            assert_eq!(
                substitute(&json!([text]), &variables()),
                Err(Unresolved(name.to_owned()))
            );
        }
    }

    #[test]
    fn expand_makes_an_item_of_each_element() {
        let item = json!({"value": "{{m}}", "type": "{{run}}"});
        let expand = |more: Value| {
            let mut expand = json!({"from": "ids", "as": "m", "item": item.clone()});
            for (name, value) in more.as_object().expect("an object") {
                expand[name] = value.clone();
            }
            json!([{"value": "first"}, {"$expand": expand}])
        };
        let result = |ids: &[&str]| {
            let made = ids.iter().map(|id| json!({"value": id, "type": "a1b2"}));
            Value::Array([json!({"value": "first"})].into_iter().chain(made).collect())
        };
        check(expand(json!({})), result(&["x", "y", "z"]));
        check(expand(json!({"start": 1})), result(&["y", "z"]));
        check(expand(json!({"start": 0, "end": 2})), result(&["x", "y"]));
        check(expand(json!({"start": 2, "end": 10})), result(&["z"]));
        check(expand(json!({"start": 5})), result(&[]));
        check(expand(json!({"end": -1})), result(&["x", "y"]));
    }
}
