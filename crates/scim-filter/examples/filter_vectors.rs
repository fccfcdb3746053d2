//! `filter_vectors parse`: reads a JSON document with texts to parse and prints one with their trees, so that other
//! implementations can be compared with this one.
//!
//! Input: `[{"id", "kind": "filter" | "path" | "attribute", "input", "mode": "strict" | "lenient"}]`.
//! Output: `{id: {"ast", "display", "leniencies"?} | {"error": {"offset", "column", "message"}}}`.

mod ast_json;

use std::io::{self, Read, Write};

use scim_filter::Options;
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
    match ast_json::parse(kind, input, &options) {
        Ok(parsed) => {
            let mut answer = json!({"ast": parsed.ast, "display": parsed.display});
            if !parsed.leniencies.is_empty() {
                answer["leniencies"] = parsed.leniencies.iter().map(ToString::to_string).collect();
            }
            answer
        }
        Err(error) => json!({"error": {
            "offset": error.offset(), "column": error.column(), "message": error.to_string(),
        }}),
    }
}
