//! Rows of any table in a form that is the same for both databases, and digests of them.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::tables::{Column, Kind, Table};
use crate::error::{Failure, unavailable};
use crate::sql::{Dialect, Sql};

/// The values of a row as texts, in the order of the columns. Bytes are hexadecimal digits.
pub(crate) type Row = Vec<Option<String>>;

/// Selects the rows of a table, each as the text of a JSON array that [`parse`] reads.
pub(crate) fn select(dialect: Dialect, table: &Table) -> Sql {
    let values: Vec<String> = table.columns.iter().map(|it| as_text(dialect, it)).collect();
    let (values, name) = (values.join(", "), &table.name);
    let text = match dialect {
        Dialect::Sqlite => format!("SELECT json_array({values}) FROM \"{name}\""),
        Dialect::Postgres => format!("SELECT json_build_array({values})::text FROM \"{name}\""),
    };
    Sql::trusted(text).one_off()
}

fn as_text(dialect: Dialect, column: &Column) -> String {
    let name = format!("\"{}\"", column.name);
    match (dialect, column.kind) {
        (_, Kind::Text) => name,
        (_, Kind::Number) => format!("CAST({name} AS TEXT)"),
        (_, Kind::Bool) => format!("CASE WHEN {name} THEN 'true' WHEN NOT {name} THEN 'false' END"),
        (Dialect::Sqlite, Kind::Bytes) => format!("CASE WHEN {name} IS NOT NULL THEN lower(hex({name})) END"),
        (Dialect::Postgres, Kind::Bytes) => format!("encode({name}, 'hex')"),
        // A plain text: `json_array` would nest the result of a function of JSON.
        (Dialect::Sqlite, Kind::Json) => format!("json({name}) || ''"),
        (Dialect::Postgres, Kind::Json) => format!("{name}::text"),
    }
}

/// Reads a row that a statement of [`select`] has returned.
pub(crate) fn parse(table: &Table, text: &str) -> Result<Row, Failure> {
    let mut row: Row = serde_json::from_str(text).map_err(unavailable)?;
    for (value, column) in row.iter_mut().zip(&table.columns) {
        if let (Some(json), Kind::Json) = (&value, column.kind) {
            let json: Value = serde_json::from_str(json).map_err(unavailable)?;
            *value = Some(sorted(json).to_string());
        }
    }
    Ok(row)
}

/// JSON with the members of each object in the order of their names: PostgreSQL does not keep another order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            members
                .into_iter()
                .map(|(name, value)| (name, sorted(value)))
                .collect()
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        value => value,
    }
}

/// A digest of rows that does not depend on their order: the sum of the SHA-256 of each row, modulo 2^256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) rows: u64,
    pub(crate) sum: [u8; 32],
}

impl Digest {
    pub(crate) fn add(&mut self, row: &Row) {
        let mut hash = Sha256::new();
        for value in row {
            // The length keeps two values apart, and no text has this one.
            let length = value.as_ref().map_or(u64::MAX, |it| it.len() as u64);
            hash.update(length.to_le_bytes());
            hash.update(value.as_deref().unwrap_or_default());
        }
        let mut carry = 0;
        for (byte, added) in self.sum.iter_mut().zip(hash.finalize()) {
            let sum = u16::from(*byte) + u16::from(added) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        self.rows += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(rows: &[&[Option<&str>]]) -> Digest {
        let mut digest = Digest::default();
        for row in rows {
            digest.add(&row.iter().map(|it| it.map(str::to_owned)).collect());
        }
        digest
    }

    #[test]
    fn a_digest_depends_on_the_rows_and_not_on_their_order() {
        let (one, other): (&[_], &[_]) = (&[Some("a"), None], &[Some("b"), Some("")]);
        assert_eq!(digest(&[one, other]), digest(&[other, one]));
        assert_ne!(digest(&[one, other]), digest(&[one]));
        assert_ne!(digest(&[one, one]), digest(&[other, other]));
        // The borders between values count, and so do missing ones.
        assert_ne!(
            digest(&[&[Some("ab"), Some("c")]]),
            digest(&[&[Some("a"), Some("bc")]])
        );
        assert_ne!(digest(&[&[None]]), digest(&[&[Some("")]]));
    }

    #[test]
    fn json_is_compared_without_the_order_of_names() {
        let table = Table {
            name: "resource_normal".to_owned(),
            columns: vec![Column {
                name: "normal".to_owned(),
                kind: Kind::Json,
            }],
        };
        let read = |text: &str| parse(&table, &serde_json::json!([text]).to_string()).expect("it is JSON");
        assert_eq!(
            read(r#"{"b":[{"d":1,"c":2}],"a":null}"#),
            read(r#"{"a": null, "b": [{"c": 2, "d": 1}]}"#)
        );
        assert_ne!(read(r#"{"a":[1,2]}"#), read(r#"{"a":[2,1]}"#));
    }
}
