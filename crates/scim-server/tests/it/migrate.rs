//! `scim-server migrate status`, `up` and `--dry-run`.

use serde_json::{Value, json};

use crate::cli::Shell;

const NEWEST_VERSION: &str = "SELECT max(CAST(version AS BIGINT)) FROM __diesel_schema_migrations";

/// The migrations that the two commands about them list.
fn names(value: &Value) -> Vec<String> {
    let names = value.as_array().unwrap().iter();
    names.map(|it| it.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_status_of_a_new_database_lists_all_migrations_and_creates_nothing() {
    Shell::on_each(|shell| {
        let status = shell.json(&["migrate", "status", "--json"]);
        assert_eq!(status["exists"], json!(shell.is_postgres()));
        assert_eq!(status["upToDate"], json!(false));
        assert_eq!(status["applied"], json!([]));
        let pending = names(&status["pending"]);
        assert_eq!(pending[0], "20261124000000_resources");
        assert!(pending.is_sorted(), "{pending:?}");
        for dry_run in [
            &["migrate", "--dry-run", "--json"][..],
            &["migrate", "up", "--dry-run", "--json"],
        ] {
            let planned = shell.json(dry_run);
            assert_eq!(names(&planned["pending"]), pending);
            assert_eq!(planned["migrated"], json!(false));
        }
        let files = std::fs::read_dir(shell.folder.path()).unwrap();
        assert_eq!(files.count(), 0, "not even an empty file");
        let text = shell.ok(&["migrate", "--dry-run"]);
        assert!(
            text.starts_with("would run  20261124000000_resources\n"),
            "{text}"
        );
        assert!(text.ends_with("Nothing was changed.\n"), "{text}");

        assert_eq!(
            shell.json(&["migrate", "up", "--json"]),
            json!({ "migrated": true })
        );
        let status = shell.json(&["migrate", "status", "--json"]);
        assert_eq!(names(&status["applied"]), pending);
        assert_eq!(
            (&status["upToDate"], &status["pending"]),
            (&json!(true), &json!([]))
        );
        assert_eq!(shell.ok(&["migrate"]), "The database schema is up to date.\n");
    });
}

#[test]
fn the_status_tells_missing_and_unknown_migrations_apart() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate", "up"]);
        let newest = shell.number(NEWEST_VERSION);
        shell.sql(&format!(
            "DELETE FROM __diesel_schema_migrations WHERE version = '{newest}'"
        ));
        let text = shell.ok(&["migrate", "status"]);
        assert!(text.contains(&format!("\npending  {newest}_")), "{text}");
        assert!(
            text.ends_with("`scim-server migrate`, or start the server.\n"),
            "{text}"
        );
        shell.sql(&format!(
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('{newest}'), ('20991231000000')"
        ));
        let status = shell.json(&["migrate", "status", "--json"]);
        assert_eq!(status["unknown"], json!(["20991231000000"]));
        assert_eq!(status["upToDate"], json!(false));
        for command in [&["migrate", "--dry-run"][..], &["migrate", "up"]] {
            let (code, text) = shell.failure(command);
            assert_eq!(code, 4, "{text}");
            assert!(
                text.contains("does not know the migration `20991231000000`"),
                "{text}"
            );
        }
    });
}
