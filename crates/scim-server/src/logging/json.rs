//! An entry of the log as one line of JSON.

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};
use serde_json::{Map, Number};

/// Returns an entry as a JSON object without a line break: `time`, `level`, `target`, `message`, and the fields of the
/// entry. The message is shortened until the object has at most `max_bytes`.
pub(super) fn line(record: &Record<'_>, max_bytes: usize, now: &str) -> String {
    let mut message = record.args().to_string();
    loop {
        let mut object = object(record.level(), record.target(), &message, now);
        // The visitor never fails.
        let _ = record.key_values().visit(&mut Fields(&mut object));
        let line = serde_json::Value::Object(object).to_string();
        if line.len() <= max_bytes || message.is_empty() {
            return line;
        }
        let mut half = message.len() / 2;
        while !message.is_char_boundary(half) {
            half -= 1;
        }
        message.truncate(half);
        // It is shorter than the half that was removed, unless nothing is left.
        if !message.is_empty() {
            message.pop();
            message.push('…');
        }
    }
}

/// Returns a warning of the log itself.
pub(super) fn warning(target: &str, message: &str, now: &str) -> String {
    serde_json::Value::Object(object(Level::Warn, target, message, now)).to_string()
}

fn object(level: Level, target: &str, message: &str, now: &str) -> Map<String, serde_json::Value> {
    let members = [
        ("time", now),
        ("level", level.as_str()),
        ("target", target),
        ("message", message),
    ];
    let members = members.map(|(name, value)| (name.to_owned(), value.into()));
    members.into_iter().collect()
}

/// Adds the fields of an entry to an object.
struct Fields<'a>(&'a mut Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let number = value.to_u64().map(Number::from);
        let number = number.or_else(|| value.to_i64().map(Number::from));
        let number = number.or_else(|| value.to_f64().and_then(Number::from_f64));
        let json = match (number, value.to_bool()) {
            (Some(number), _) => number.into(),
            (None, Some(truth)) => truth.into(),
            (None, None) => value.to_string().into(),
        };
        self.0.insert(key.to_string(), json);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-12-01T10:00:00.000Z";

    fn entry(message: &str, max_bytes: usize) -> Value {
        let fields: &[(&str, log::kv::Value<'_>)] = &[
            ("status", 200_u16.into()),
            ("took", 0.25_f64.into()),
            ("tenant", "a\"b".into()),
            ("is_new", true.into()),
        ];
        let line = line(
            &Record::builder()
                .args(format_args!("{message}"))
                .level(Level::Info)
                .target("audit")
                .key_values(&fields)
                .build(),
            max_bytes,
            NOW,
        );
        assert!(line.len() <= max_bytes && !line.contains('\n'), "{line}");
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn an_entry_has_its_fields() {
        let expected = json!({
            "time": NOW, "level": "INFO", "target": "audit", "message": "two\nlines",
            "status": 200, "took": 0.25, "tenant": "a\"b", "is_new": true,
        });
        assert_eq!(entry("two\nlines", 1000), expected);
    }

    #[test]
    fn a_long_message_is_shortened_and_the_line_stays_json() {
        for message in ["é".repeat(5000), "\u{1}".repeat(5000)] {
            let short = entry(&message, 1000);
            let short = short["message"].as_str().unwrap();
            assert!(short.ends_with('…') && short.len() > 20, "{short:?}");
        }
    }
}
