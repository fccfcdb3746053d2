//! Databases as SQL text, and as objects that can be compared.

use std::collections::BTreeSet;
use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, RunQueryDsl as _, SqliteConnection};

use crate::cli::Shell;

/// The statements that create a database with its rows, one per line if they have one line.
pub fn dump(shell: &Shell) -> String {
    match shell.is_postgres() {
        true => postgres(&shell.url()),
        false => sqlite(shell),
    }
}

/// Creates the database that a dump describes.
pub fn restore(shell: &Shell, sql: &str) {
    let sql = match shell.is_postgres() {
        true => sql.to_owned(),
        // Tables are not in the order of their keys. One transaction, instead of one for each row.
        false => format!("PRAGMA foreign_keys = OFF;\nBEGIN;\n{sql}\nCOMMIT;"),
    };
    shell.sql(&sql);
}

/// The texts that a query yields.
pub fn texts(shell: &Shell, sql: &str) -> Vec<String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        text: String,
    }
    let query = diesel::sql_query(format!("SELECT text FROM ({sql}) AS t"));
    let rows: Vec<Row> = match shell.is_postgres() {
        true => query.load(&mut PgConnection::establish(&shell.url()).unwrap()),
        false => {
            let path = shell.folder.path().join("scim.db");
            let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
            query.load(&mut conn)
        }
    }
    .unwrap();
    rows.into_iter().map(|it| it.text).collect()
}

/// The versions of the migrations of a database, in their order.
pub fn migrations(shell: &Shell) -> Vec<String> {
    texts(
        shell,
        "SELECT CAST(version AS TEXT) AS text FROM __diesel_schema_migrations ORDER BY version",
    )
}

/// The tables, columns, keys, indexes, triggers and functions of a database, without the comments in them.
pub fn schema(shell: &Shell) -> BTreeSet<String> {
    let queries: &[&str] = match shell.is_postgres() {
        true => &POSTGRES_SCHEMA,
        false => {
            &["SELECT sql AS text FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"]
        }
    };
    let objects = queries.iter().flat_map(|it| texts(shell, it));
    objects.map(|it| without_comments(&it)).collect()
}

const POSTGRES_SCHEMA: [&str; 5] = [
    "SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, collation_name, is_nullable,
       column_default, is_identity, is_generated) AS text
     FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT indexdef AS text FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS text
     FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "SELECT pg_get_triggerdef(oid) AS text FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT pg_get_functiondef(oid) AS text FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
];

fn without_comments(sql: &str) -> String {
    let lines = sql.lines().map(|it| it.split("--").next().unwrap_or_default());
    lines
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}

fn sqlite(shell: &Shell) -> String {
    let objects = |condition: &str| {
        texts(
            shell,
            &format!(
                "SELECT sql || ';' AS text FROM sqlite_master \
                 WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND {condition} ORDER BY rowid"
            ),
        )
    };
    let tables = texts(
        shell,
        "SELECT name AS text FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
    );
    let mut statements = objects("type = 'table'");
    statements.extend(tables.iter().flat_map(|table| sqlite_rows(shell, table)));
    // The table of the greatest numbers exists as soon as a table with AUTOINCREMENT does, and has rows by now.
    statements.push("DELETE FROM sqlite_sequence;".to_owned());
    statements.extend(sqlite_rows(shell, "sqlite_sequence"));
    statements.extend(objects("type <> 'table'"));
    statements.join("\n") + "\n"
}

fn sqlite_rows(shell: &Shell, table: &str) -> Vec<String> {
    let columns = texts(
        shell,
        &format!("SELECT 'quote(\"' || name || '\")' AS text FROM pragma_table_info('{table}')"),
    );
    let values = columns.join(" || ',' || ");
    texts(
        shell,
        &format!("SELECT 'INSERT INTO \"{table}\" VALUES(' || {values} || ');' AS text FROM \"{table}\""),
    )
}

/// Runs `pg_dump`, and leaves out what only `psql` understands and what depends on its version.
fn postgres(url: &str) -> String {
    let output = Command::new("pg_dump")
        .args(["--no-owner", "--no-privileges", "--inserts", url])
        .output()
        .expect("`pg_dump`, a client program of PostgreSQL, is needed to write a database as text");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pg_dump: {error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let left_out = ["--", "\\", "SET ", "SELECT pg_catalog.set_config("];
    let kept = text.lines().filter(|line| {
        let is_setting = left_out.iter().any(|it| line.starts_with(it));
        !line.is_empty() && !is_setting
    });
    // Functions come before the tables that they use.
    let lines = ["SET check_function_bodies = false;"].into_iter().chain(kept);
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
