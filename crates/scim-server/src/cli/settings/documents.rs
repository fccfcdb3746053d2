//! The documents about the settings: the file with all defaults, and the JSON Schema of such files.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::accepted::Accepted;
use super::setting::{DefaultValue, Setting};

/// The width of lines in the file.
const WIDTH: usize = 100;

const HEAD: &str = "\
#:schema ./scim-server.schema.json
# The settings of scim-server, each with its default. Written by `scim-server config generate`.
#
# Remove the `#` before a key to change the value. A key is a flag of `scim-server serve`, whose help has the same text.
# A flag is used before its environment variable, and a variable before this file. `--config FILE` or SCIM_CONFIG names
# the file, and `scim-server config check FILE` checks it.
";

/// Groups settings by their headings, in the order in which the headings appear.
pub fn by_heading(settings: &[Setting]) -> Vec<(&str, Vec<&Setting>)> {
    let mut groups: Vec<(&str, Vec<&Setting>)> = Vec::new();
    for setting in settings {
        match groups
            .iter_mut()
            .find(|(heading, _)| *heading == setting.heading())
        {
            Some((_, group)) => group.push(setting),
            None => groups.push((setting.heading(), vec![setting])),
        }
    }
    groups
}

/// Returns a configuration file in which every setting is a comment. Without the `#`, it describes the defaults.
pub fn example(settings: &[Setting]) -> String {
    let mut text = HEAD.to_owned();
    for (heading, group) in by_heading(settings) {
        let _ = write!(text, "\n\n# ---- {heading} ----\n");
        for setting in group {
            text.push('\n');
            add_wrapped(&mut text, &setting.help());
            add_wrapped(
                &mut text,
                &format!("({}; {})", setting.accepted.description(), setting.variable),
            );
            let (key, accepted) = (&setting.key, &setting.accepted);
            let _ = match setting.default() {
                DefaultValue::Value(value) => writeln!(text, "#{key} = {}", accepted.in_toml(&[value])),
                DefaultValue::Described(words) => {
                    add_wrapped(&mut text, &format!("Default: {words}"));
                    writeln!(text, "# {key} = {}", placeholder(setting))
                }
                DefaultValue::None => writeln!(text, "# {key} = {}", placeholder(setting)),
            };
        }
    }
    text
}

/// Returns a text in the place of a value. The line is not TOML after its `#` is removed, unless the value is a string.
fn placeholder(setting: &Setting) -> String {
    match setting.accepted {
        Accepted::Number(..) | Accepted::Switch => setting.value_name(),
        _ => setting.accepted.in_toml(&[setting.value_name()]),
    }
}

fn add_wrapped(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            "#".clone_into(&mut line);
        }
        let _ = write!(line, " {word}");
    }
    let _ = writeln!(text, "{line}");
}

/// Returns the JSON Schema (draft 2020-12) of configuration files.
pub fn schema(settings: &[Setting]) -> Value {
    let properties: Map<String, Value> = settings.iter().map(|it| (it.key.clone(), property(it))).collect();
    let exclusions = settings.iter().filter_map(|it| {
        let secret = it.secret.as_ref()?;
        Some((it.key.clone(), json!({ "not": { "required": [secret] } })))
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration file of scim-server",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "dependentSchemas": exclusions.collect::<Map<_, _>>(),
    })
}

fn property(setting: &Setting) -> Value {
    let mut property = match &setting.accepted {
        Accepted::Switch => json!({ "type": "boolean" }),
        Accepted::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Accepted::TextOrInteger => json!({ "type": ["string", "integer"] }),
        Accepted::Text => json!({ "type": "string" }),
        Accepted::Texts => json!({ "type": ["string", "array"], "items": { "type": "string" } }),
        Accepted::Words(words) => {
            let values = words
                .iter()
                .map(|(word, meaning)| json!({ "const": word, "description": meaning }));
            json!({ "type": "string", "oneOf": values.collect::<Vec<_>>() })
        }
    };
    property["description"] = match setting.default() {
        DefaultValue::Described(words) => format!("{}. Default: {words}", setting.help()).into(),
        _ => setting.help().into(),
    };
    if let DefaultValue::Value(value) = setting.default() {
        property["default"] = setting.accepted.in_json(&[value]);
    }
    if setting.is_secret {
        property["writeOnly"] = true.into();
    }
    property
}
