//! `filter_vectors parse`: reads one JSON document with texts to parse, answers one with
//! their trees. Other implementations can be compared with this one through it.
//!
//! In: `[{"id", "kind": "filter" | "path" | "attribute", "input", "mode": "strict" | "lenient"}]`.
//! Out: `{id: {"ast", "display", "leniencies"?} | {"error": {"offset", "column", "message"}}}`.

use std::fmt::Display;
use std::io::{self, Read, Write};

use scim_filter::{
    AttrExp, AttrPath, CompValue, Filter, Options, ParseError, Parsed, PatchPath, ValFilter, ValuePath,
};
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() != Some("parse") {
        return Err("usage: filter_vectors parse < texts.json".into());
    }
    let mut document = String::new();
    io::stdin().read_to_string(&mut document)?;
    let cases: Vec<Value> = serde_json::from_str(&document)?;
    let mut answers = Map::new();
    for case in &cases {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        answers.insert(
            text("id").to_owned(),
            answer(text("kind"), text("input"), text("mode")),
        );
    }
    writeln!(io::stdout(), "{}", Value::Object(answers))?;
    Ok(())
}

fn answer(kind: &str, input: &str, mode: &str) -> Value {
    let options = if mode == "strict" {
        Options::strict()
    } else {
        Options::default()
    };
    match kind {
        "path" => outcome(PatchPath::parse_with(input, &options), patch_path),
        "attribute" => outcome(
            AttrPath::parse_with(input, &options),
            |it| json!({"path": attr_path(it)}),
        ),
        _ => outcome(Filter::parse_with(input, &options), filter),
    }
}

fn outcome<T: Display>(parsed: Result<Parsed<T>, ParseError>, ast: fn(&T) -> Value) -> Value {
    match parsed {
        Ok(Parsed { value, leniencies }) => {
            let mut answer = json!({"ast": ast(&value), "display": value.to_string()});
            if !leniencies.is_empty() {
                answer["leniencies"] = leniencies.iter().map(ToString::to_string).collect();
            }
            answer
        }
        Err(error) => json!({"error": {
            "offset": error.offset(), "column": error.column(), "message": error.to_string(),
        }}),
    }
}

fn filter(it: &Filter) -> Value {
    match it {
        Filter::Attr(test) => attr_exp(test),
        Filter::ValuePath(value) => value_path(value),
        Filter::And(operands) => json!({"and": operands.iter().map(filter).collect::<Vec<_>>()}),
        Filter::Or(operands) => json!({"or": operands.iter().map(filter).collect::<Vec<_>>()}),
        Filter::Not(inner) => json!({"not": filter(inner)}),
    }
}

fn val_filter(it: &ValFilter) -> Value {
    match it {
        ValFilter::Attr(test) => attr_exp(test),
        ValFilter::And(operands) => {
            json!({"and": operands.iter().map(val_filter).collect::<Vec<_>>()})
        }
        ValFilter::Or(operands) => {
            json!({"or": operands.iter().map(val_filter).collect::<Vec<_>>()})
        }
        ValFilter::Not(inner) => json!({"not": val_filter(inner)}),
    }
}

fn value_path(it: &ValuePath) -> Value {
    json!({"valuePath": attr_path(&it.path), "filter": val_filter(&it.filter)})
}

fn patch_path(it: &PatchPath) -> Value {
    match it {
        PatchPath::Attr(path) => json!({"path": attr_path(path)}),
        PatchPath::Value {
            value_path: value,
            sub,
        } => {
            let mut tree = value_path(value);
            if let Some(sub) = sub {
                tree["sub"] = json!(sub);
            }
            tree
        }
    }
}

fn attr_exp(it: &AttrExp) -> Value {
    match it {
        AttrExp::Present(path) => json!({"op": "pr", "path": attr_path(path)}),
        AttrExp::Compare(path, op, value) => {
            json!({"op": op.as_str(), "path": attr_path(path), "value": comp_value(value)})
        }
    }
}

fn attr_path(it: &AttrPath) -> Value {
    let mut tree = Map::new();
    if let Some(urn) = &it.urn {
        tree.insert("urn".to_owned(), json!(urn));
    }
    tree.insert("attr".to_owned(), json!(it.name));
    if let Some(sub) = &it.sub {
        tree.insert("sub".to_owned(), json!(sub));
    }
    Value::Object(tree)
}

fn comp_value(it: &CompValue) -> Value {
    match it {
        CompValue::Bool(value) => json!(value),
        CompValue::Null => Value::Null,
        CompValue::Number(number) => json!({"number": number.as_str()}),
        CompValue::String(text) => json!(text),
    }
}
