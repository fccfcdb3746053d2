//! `src/schema.rs` describes the tables that the migrations make, on both databases.
//!
//! After a migration, run this test with `SCIM_UPDATE_SCHEMA=1`, which writes the file from SQLite's catalogue.

use std::collections::BTreeMap;

use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection};

use crate::database::Database;

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema.rs");

/// The type of its JSON depends on the database, and no statement in the query DSL reads it.
const LEFT_OUT: &str = "resource_normal";

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    declared_type: String,
    #[diesel(sql_type = Bool)]
    is_nullable: bool,
    /// From 1; 0 when the column is not part of the primary key.
    #[diesel(sql_type = BigInt)]
    key_position: i64,
}

impl Column {
    fn diesel_type(&self) -> String {
        let type_ = match self.declared_type.to_lowercase().as_str() {
            "integer" | "bigint" => "BigInt",
            "text" => "Text",
            "blob" | "bytea" => "Binary",
            "boolean" => "Bool",
            other => panic!(
                "{}.{} has the unexpected type {other}",
                self.table_name, self.name
            ),
        };
        match self.is_nullable {
            true => format!("Nullable<{type_}>"),
            false => type_.to_owned(),
        }
    }
}

type Tables = BTreeMap<String, Vec<Column>>;

#[test]
fn the_tables_are_those_of_the_migrations() {
    let sqlite = sqlite_tables();
    let described: BTreeMap<String, String> = sqlite
        .iter()
        .map(|(name, columns)| (name.clone(), described(name, columns)))
        .collect();
    let text = std::fs::read_to_string(SCHEMA).expect("src/schema.rs exists");
    if std::env::var_os("SCIM_UPDATE_SCHEMA").is_some() {
        std::fs::write(SCHEMA, updated(&text, &described)).expect("src/schema.rs can be written");
        return;
    }
    let in_file: BTreeMap<String, String> = blocks(&text).map(|it| (table_of(it), it.to_owned())).collect();
    assert_eq!(
        in_file, described,
        "src/schema.rs differs from the tables of the migrations: this test writes it if it runs with \
         SCIM_UPDATE_SCHEMA=1"
    );
    if let Some(postgres) = postgres_tables() {
        let types = |tables: &Tables| -> BTreeMap<String, BTreeMap<String, String>> {
            let of_table = |columns: &Vec<Column>| {
                let types = columns.iter().map(|it| (it.name.clone(), it.diesel_type()));
                types.collect()
            };
            tables
                .iter()
                .map(|(name, it)| (name.clone(), of_table(it)))
                .collect()
        };
        assert_eq!(types(&postgres), types(&sqlite));
    }
}

fn sqlite_tables() -> Tables {
    let database = Database::sqlite();
    drop(database.store());
    let file = database.file();
    let mut conn = SqliteConnection::establish(file.to_str().expect("the path is UTF-8")).expect("it opens");
    tables(
        diesel::sql_query(
            "SELECT t.name AS table_name, c.name AS name, c.type AS declared_type, \
             (c.\"notnull\" = 0 AND c.pk = 0) AS is_nullable, c.pk AS key_position \
             FROM sqlite_master t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\' \
             ORDER BY t.name, c.cid",
        )
        .load(&mut conn)
        .expect("the catalogue is readable"),
    )
}

fn postgres_tables() -> Option<Tables> {
    let database = Database::postgres()?;
    drop(database.store());
    let mut conn = PgConnection::establish(&database.url).expect("the server is there");
    Some(tables(
        diesel::sql_query(
            "SELECT table_name::text, column_name::text AS name, data_type::text AS declared_type, \
             is_nullable = 'YES' AS is_nullable, 0::bigint AS key_position \
             FROM information_schema.columns WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_\\_%' \
             ORDER BY table_name, ordinal_position",
        )
        .load(&mut conn)
        .expect("the catalogue is readable"),
    ))
}

fn tables(columns: Vec<Column>) -> Tables {
    let mut tables = Tables::new();
    for column in columns.into_iter().filter(|it| it.table_name != LEFT_OUT) {
        tables.entry(column.table_name.clone()).or_default().push(column);
    }
    tables
}

/// A table as `diesel::table!` takes it.
fn described(name: &str, columns: &[Column]) -> String {
    let mut key: Vec<&Column> = columns.iter().filter(|it| it.key_position > 0).collect();
    key.sort_by_key(|it| it.key_position);
    let key: Vec<&str> = key.into_iter().map(|it| it.name.as_str()).collect();
    let lines = columns
        .iter()
        .map(|it| format!("        {} -> {},\n", it.name, it.diesel_type()));
    format!(
        "diesel::table! {{\n    {name} ({}) {{\n{}    }}\n}}\n",
        key.join(", "),
        lines.collect::<String>()
    )
}

/// The `diesel::table!` blocks of the file.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive("\n}\n")
        .filter_map(|it| it.find("diesel::table!").map(|start| &it[start..]))
}

fn table_of(block: &str) -> String {
    let line = block.lines().nth(1).expect("the second line names the table");
    line.split_whitespace().next().expect("it has a name").to_owned()
}

/// The file with the blocks of the catalogue: its order is kept, and new tables come last.
fn updated(text: &str, described: &BTreeMap<String, String>) -> String {
    let start = text.find("diesel::table!").expect("there is a table");
    let end = text
        .find("diesel::joinable!")
        .expect("joins come after the tables");
    let known: Vec<String> = blocks(text).map(table_of).collect();
    let new = described.keys().filter(|it| !known.contains(it));
    let tables = known
        .iter()
        .chain(new)
        .filter_map(|it| described.get(it))
        .map(|it| format!("{it}\n"));
    format!("{}{}{}", &text[..start], tables.collect::<String>(), &text[end..])
}
