//! A JSON notation for filter trees that is independent of Rust, for comparing implementations:
//! `{"op": "eq", "path": {"attr": "userName"}, "value": "x"}`, `{"and": [...]}`,
//! `{"not": ...}`, `{"valuePath": {"attr": "emails"}, "filter": ...}`.

use scim_filter::{
    AttrExp, AttrPath, CompValue, Filter, Leniency, Options, ParseError, PatchPath, ValFilter, ValuePath,
};
use serde_json::{Map, Value, json};

/// The result of parsing one text.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ast: Value,
    pub(crate) display: String,
    pub(crate) leniencies: Vec<Leniency>,
}

/// Parses a `filter`, `path` or `attribute`.
pub(crate) fn parse(kind: &str, text: &str, options: &Options) -> Result<Outcome, ParseError> {
    Ok(match kind {
        "path" => {
            let it = PatchPath::parse_with(text, options)?;
            let (ast, display) = (patch_path(&it.value), it.value.to_string());
            Outcome {
                ast,
                display,
                leniencies: it.leniencies,
            }
        }
        "attribute" => {
            let it = AttrPath::parse_with(text, options)?;
            let (ast, display) = (json!({"path": attr_path(&it.value)}), it.value.to_string());
            Outcome {
                ast,
                display,
                leniencies: it.leniencies,
            }
        }
        _ => {
            let it = Filter::parse_with(text, options)?;
            let (ast, display) = (filter(&it.value), it.value.to_string());
            Outcome {
                ast,
                display,
                leniencies: it.leniencies,
            }
        }
    })
}

/// Creates an object without `json!`, which would copy the whole subtree at each level.
fn node(name: &str, inner: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), inner)]))
}

fn filter(it: &Filter) -> Value {
    match it {
        Filter::Attr(test) => attr_exp(test),
        Filter::ValuePath(value) => value_path(value),
        Filter::And(operands) => node("and", operands.iter().map(filter).collect()),
        Filter::Or(operands) => node("or", operands.iter().map(filter).collect()),
        Filter::Not(inner) => node("not", filter(inner)),
    }
}

fn val_filter(it: &ValFilter) -> Value {
    match it {
        ValFilter::Attr(test) => attr_exp(test),
        ValFilter::And(operands) => node("and", operands.iter().map(val_filter).collect()),
        ValFilter::Or(operands) => node("or", operands.iter().map(val_filter).collect()),
        ValFilter::Not(inner) => node("not", val_filter(inner)),
    }
}

fn value_path(it: &ValuePath) -> Value {
    let mut tree = node("valuePath", attr_path(&it.path));
    tree["filter"] = val_filter(&it.filter);
    tree
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
    if let Some(urn) = it.urn() {
        tree.insert("urn".to_owned(), json!(urn));
    }
    tree.insert("attr".to_owned(), json!(it.name()));
    if let Some(sub) = it.sub() {
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
