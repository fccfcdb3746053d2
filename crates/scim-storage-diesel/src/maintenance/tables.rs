//! The tables of a database, as its catalogue describes them.
//!
//! No list of tables is written down here, so that none can be forgotten when a migration adds one.

use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::sql::{Dialect, Sql, sql};

/// A table and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The kind of values in a column, the same on both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Number,
    Text,
    Bytes,
    Bool,
    /// JSON in the database's own form.
    Json,
}

/// The number of rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowCount {
    /// Name of the table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
}

/// Returns all tables with data of this project, a table after those that it refers to.
pub(crate) fn all(conn: &mut Conn) -> Result<Vec<Table>, Failure> {
    let columns = match conn.dialect() {
        Dialect::Sqlite => sql!(
            "SELECT m.name, c.name, lower(c.type) FROM sqlite_master m, pragma_table_info(m.name) c
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'
             ORDER BY m.name, c.cid"
        ),
        Dialect::Postgres => sql!(
            "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_\\_%'
             ORDER BY table_name COLLATE \"C\", ordinal_position"
        ),
    };
    let mut tables: Vec<Table> = Vec::new();
    for (table, name, declared) in conn.rows::<(String, String, String)>(&columns)? {
        let kind = kind(&table, &name, &declared)?;
        if tables.last().is_none_or(|it| it.name != table) {
            tables.push(Table {
                name: table,
                columns: Vec::new(),
            });
        }
        let last = tables.last_mut().expect("one was pushed");
        last.columns.push(Column { name, kind });
    }
    let references = match conn.dialect() {
        Dialect::Sqlite => sql!(
            "SELECT DISTINCT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f
             WHERE m.type = 'table'"
        ),
        Dialect::Postgres => sql!(
            "SELECT DISTINCT c.relname::text, r.relname::text FROM pg_constraint k
             JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype = 'f' AND n.nspname = current_schema()"
        ),
    };
    let references = conn.rows::<(String, String)>(&references)?;
    in_order(tables, &references)
}

/// Returns the number of rows of each table.
pub(crate) fn count(conn: &mut Conn) -> Result<Vec<RowCount>, Failure> {
    let mut counts = Vec::new();
    for table in all(conn)? {
        let count = sql!("SELECT count(*) FROM {table}"; table = quoted(&table.name));
        let rows = conn.row::<i64>(&count.one_off())?.unwrap_or(0);
        counts.push(RowCount {
            table: table.name,
            rows: u64::try_from(rows).unwrap_or(0),
        });
    }
    Ok(counts)
}

/// A name of the catalogue as SQL.
pub(crate) fn quoted(name: &str) -> Sql {
    Sql::trusted(format!("\"{name}\""))
}

fn kind(table: &str, column: &str, declared: &str) -> Result<Kind, Failure> {
    Ok(match declared {
        // SQLite stores its own form of JSON as bytes.
        "blob" if (table, column) == ("resource_normal", "normal") => Kind::Json,
        "jsonb" => Kind::Json,
        "integer" | "bigint" => Kind::Number,
        "text" => Kind::Text,
        "blob" | "bytea" => Kind::Bytes,
        "boolean" => Kind::Bool,
        other => {
            let text = format!("the column `{column}` of `{table}` has the unknown type `{other}`");
            return Err(unavailable(text).into());
        }
    })
}

/// Puts each table after those that it refers to; otherwise the order stays.
fn in_order(mut tables: Vec<Table>, references: &[(String, String)]) -> Result<Vec<Table>, Failure> {
    let mut ordered: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let is_waited_for = |name: &String| tables.iter().any(|it| it.name == *name);
        let is_free = |table: &Table| {
            let mut targets = references.iter().filter(|(from, _)| *from == table.name);
            targets.all(|(_, to)| *to == table.name || !is_waited_for(to))
        };
        let Some(next) = tables.iter().position(is_free) else {
            return Err(unavailable("tables refer to each other in a circle").into());
        };
        ordered.push(tables.remove(next));
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Table {
        Table {
            name: name.to_owned(),
            columns: Vec::new(),
        }
    }

    #[test]
    fn a_table_comes_after_those_that_it_refers_to() {
        let reference = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
        let references = [("a", "b"), ("b", "c"), ("c", "c")].map(reference);
        let tables = ["a", "b", "c", "d"].map(table).to_vec();
        let ordered = in_order(tables.clone(), &references).expect("there is an order");
        let names: Vec<String> = ordered.into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["c", "b", "a", "d"]);
        let circle = [("a", "b"), ("b", "a")].map(reference);
        assert!(in_order(tables, &circle).is_err());
    }

    #[test]
    fn a_column_of_an_unknown_type_is_an_error() {
        assert_eq!(
            kind("resource", "document", "text").expect("it is known"),
            Kind::Text
        );
        assert_eq!(kind("resource", "id", "blob").expect("it is known"), Kind::Bytes);
        assert_eq!(
            kind("resource_normal", "normal", "blob").expect("it is known"),
            Kind::Json
        );
        assert!(kind("resource", "price", "real").is_err());
    }
}
