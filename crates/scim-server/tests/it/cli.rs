//! The command line: managing tenants and tokens, also while a server runs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PostgresDatabase, USER, wait_until};
use crate::restart::Binary;

/// A folder with a database, or a database on PostgreSQL, and the commands run on it.
pub struct Shell {
    pub folder: TempDir,
    postgres: Option<PostgresDatabase>,
}

impl Shell {
    pub fn new() -> Shell {
        Shell {
            folder: tempfile::tempdir().unwrap(),
            postgres: None,
        }
    }

    /// Runs a test on SQLite, and on PostgreSQL where `SCIM_TEST_POSTGRES_URL` names one.
    pub fn on_each(test: impl Fn(&Shell)) {
        test(&Shell::new());
        if let Some(shell) = Shell::on_postgres() {
            test(&shell);
        }
    }

    /// On a new database of PostgreSQL; `None` when `SCIM_TEST_POSTGRES_URL` is not set.
    pub fn on_postgres() -> Option<Shell> {
        Some(Shell {
            postgres: Some(PostgresDatabase::create()?),
            ..Shell::new()
        })
    }

    pub fn is_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    pub fn url(&self) -> String {
        match &self.postgres {
            Some(database) => database.url.clone(),
            None => format!("sqlite:{}", self.folder.path().join("scim.db").display()),
        }
    }

    /// A server on the database, with the token of its first start.
    pub fn serve(&self, arguments: &[&str]) -> Binary {
        Binary::start(&[&["--database-url", &self.url()], arguments].concat())
    }

    /// Runs SQL statements directly on the database.
    pub fn sql(&self, sql: &str) {
        match &self.postgres {
            Some(database) => PgConnection::establish(&database.url).unwrap().batch_execute(sql),
            None => self.sqlite().batch_execute(sql),
        }
        .unwrap();
    }

    /// Returns the number that a query yields.
    pub fn number(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let query = diesel::sql_query(format!("SELECT ({sql}) AS n"));
        let row: Row = match &self.postgres {
            Some(database) => query
                .get_result(&mut PgConnection::establish(&database.url).unwrap())
                .unwrap(),
            None => query.get_result(&mut self.sqlite()).unwrap(),
        };
        row.n
    }

    fn sqlite(&self) -> SqliteConnection {
        let path = self.folder.path().join("scim.db");
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        conn
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scim-server"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("SCIM_DATABASE_URL");
        if let Some(database) = &self.postgres {
            command.env("SCIM_DATABASE_URL", &database.url);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(arguments);
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Returns the exit code and the error of a command that must fail.
    #[track_caller]
    pub fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn tenants_are_created_listed_and_deleted() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    assert!(shell.folder.path().join("scim.db").exists());
    assert_eq!(
        shell.json(&["tenant", "create", "other", "--json"])["name"],
        json!("other")
    );
    assert!(
        shell
            .refused(&["tenant", "create", "acme"])
            .contains("the tenant `acme` already exists")
    );
    shell.refused(&["tenant", "create", "../x"]);
    let names = |value: Value| -> Vec<Value> {
        value["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].clone())
            .collect()
    };
    assert_eq!(
        names(shell.json(&["tenant", "list", "--json"])),
        ["acme", "other"]
    );
    assert!(shell.ok(&["tenant", "list"]).contains("acme"));
    shell.refused(&["tenant", "delete", "nobody", "--yes"]);
    shell.ok(&["tenant", "delete", "other", "--yes"]);
    assert_eq!(names(shell.json(&["tenant", "list", "--json"])), ["acme"]);
}

/// The resources of a renamed tenant stay, and its events have the new name.
#[test]
fn a_tenant_is_renamed() {
    Shell::on_each(|shell| {
        shell.ok(&["tenant", "create", "acme"]);
        shell.ok(&["tenant", "create", "other"]);
        let token = shell.json(&["token", "create", "--tenant", "acme", "--json"]);
        let renamed = shell.json(&["tenant", "rename", "acme", "acme.corp", "--json"]);
        let members: Vec<&str> = renamed.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            (members, &renamed["name"]),
            (vec!["name", "created"], &json!("acme.corp"))
        );
        let list = shell.json(&["tenant", "list", "--json"]);
        assert_eq!(list["items"][0], renamed);
        let tokens = shell.json(&["token", "list", "--tenant", "acme.corp", "--json"]);
        assert_eq!(tokens["items"][0]["id"], token["id"]);
        let failure = |arguments: &[&str]| shell.failure(&[&["tenant", "rename"], arguments].concat());
        let (code, text) = failure(&["other", "acme.corp"]);
        assert_eq!(
            (code, text.contains("the tenant `acme.corp` already exists")),
            (3, true),
            "{text}"
        );
        let (code, text) = failure(&["acme", "new"]);
        assert_eq!((code, text.contains("`acme`")), (7, true), "{text}");
        for arguments in [&["other", "../x"][..], &["other", ""], &["other"]] {
            assert_eq!(failure(arguments).0, 2, "{arguments:?}");
        }
        let text = shell.ok(&["tenant", "rename", "acme.corp", "acme"]);
        assert_eq!(text, "Renamed the tenant acme.corp to acme.\n");
    });
}

#[test]
fn deleting_a_tenant_asks_for_its_name() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let answer = |text: &str| {
        let mut child = shell
            .command(&["tenant", "delete", "acme"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!output.stdout.starts_with(b"This"), "the question is no result");
        output.status.success()
    };
    assert!(!answer("yes\n"));
    assert!(!answer(""));
    assert!(shell.ok(&["tenant", "list"]).contains("acme"));
    assert!(answer("acme\n"));
    assert_eq!(shell.json(&["tenant", "list", "--json"]), json!({ "items": [] }));
    assert_eq!(shell.json(&["migrate", "--json"]), json!({ "migrated": true }));
}

/// A name without control characters cannot change the terminal that shows it.
#[test]
fn names_of_credentials_are_short_and_visible() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let longest = "ä".repeat(128);
    let too_long = "ä".repeat(129);
    for noun in ["token", "client"] {
        shell.ok(&[noun, "create", "--tenant", "acme", "--name", &longest]);
    }
    let commands: [&[&str]; 3] = [
        &["token", "create", "--tenant", "acme"],
        &["client", "create", "--tenant", "acme"],
        &["client", "secret", "add", "client_x"],
    ];
    for command in commands {
        for name in ["a\nb", "\u{1b}[2J", "a\u{202e}b", &too_long] {
            let error = shell.refused(&[command, &["--name", name]].concat());
            assert!(
                error.contains("--name") && error.contains("at most 128 characters"),
                "{error}"
            );
            assert!(!error.contains(name), "the error repeats {name:?}");
        }
    }
    for noun in ["tenant", "connection"] {
        let mut arguments = vec![noun, "create", "a\u{202e}b"];
        if noun == "connection" {
            arguments.extend(["--tenant", "acme"]);
        }
        assert!(shell.refused(&arguments).contains("1 to 64 letters"));
    }
}

/// 7644-2-03, 7644-7.4-03, 6750-5.2-02: an operator creates tokens, and they expire unless the operator says otherwise
#[test]
fn tokens_are_created_listed_and_revoked() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let token = shell.json(&["token", "create", "--tenant", "acme", "--json"]);
    let names: Vec<&String> = token.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["token", "id", "tenant", "connection", "expires", "scimUrl"]
    );
    let expires: chrono::DateTime<chrono::Utc> = token["expires"].as_str().unwrap().parse().unwrap();
    let days = (expires - chrono::Utc::now()).num_days();
    assert!((1..=366).contains(&days), "{days}");
    let secret = token["token"].as_str().unwrap();
    assert!(secret.starts_with("scim_") && secret.len() == 48, "{secret}");
    let text = shell.ok(&[
        "token",
        "create",
        "--tenant",
        "acme",
        "--note",
        "Okta",
        "--days",
        "30",
        "--read-only",
    ]);
    assert!(text.contains("scim_"), "{text}");
    let endless = shell.json(&["token", "create", "--tenant", "acme", "--no-expiry", "--json"]);
    assert_eq!(endless["expires"], Value::Null);
    let list = shell.json(&["token", "list", "--tenant", "acme", "--json"]);
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert!(!list.to_string().contains("scim_"));
    assert!(!shell.ok(&["token", "list"]).contains("scim_"));
    let id = token["id"].as_str().unwrap();
    shell.ok(&["token", "revoke", id]);
    let list = shell.json(&["token", "list", "--json"]);
    let revoked = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["id"] == json!(id))
        .unwrap();
    assert_eq!(revoked["state"], json!("revoked"));
    shell.refused(&["token", "create", "--tenant", "nobody"]);
    shell.refused(&["token", "revoke", "0190a0a0-0000-7000-8000-000000000000"]);
    shell.refused(&["token", "revoke", "x"]);
}

/// Scripts tell failures apart by their exit code.
#[test]
fn exit_codes_tell_failures_apart() {
    Shell::on_each(|shell| {
        let code = |arguments: &[&str]| {
            let (code, text) = shell.failure(arguments);
            assert!(!text.contains("panicked"), "{text}");
            code
        };
        // The database does not exist yet.
        assert_eq!(code(&["tenant", "list"]), 4);
        assert_eq!(code(&["journal", "--tenant", "acme"]), 4);
        shell.ok(&["tenant", "create", "acme"]);
        for arguments in [
            &["--bogus"][..],
            &["tenant"],
            &["tenant", "create", "../x"],
            &["--listen", "nonsense"],
            &["--base-url", "ftp://x"],
            &["--schemas", "missing"],
            &["--database-url", "oracle:x"],
            &[
                "--database-url",
                "postgres://db.example.com/scim",
                "tenant",
                "list",
            ],
            &["journal", "--tenant", "acme", "--after", "x"],
        ] {
            assert_eq!(code(arguments), 2, "{arguments:?}");
        }
        assert_eq!(code(&["tenant", "create", "acme"]), 3);
        assert_eq!(
            code(&["tenant", "delete", "acme"]),
            3,
            "the question had no answer"
        );
        assert_eq!(
            code(&["token", "revoke", "0190a0a0-0000-7000-8000-000000000000"]),
            3
        );
        for arguments in [
            &["tenant", "delete", "nobody", "--yes"][..],
            &["token", "create", "--tenant", "nobody"],
            &["token", "list", "--tenant", "nobody"],
            &["journal", "--tenant", "nobody"],
        ] {
            assert_eq!(code(arguments), 7, "{arguments:?}");
        }
        assert_eq!(code(&["--database-url", "sqlite:missing/scim.db"]), 4);
        assert_eq!(
            code(&["--database-url", "postgres://127.0.0.1:1/scim", "tenant", "list"]),
            4
        );
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        assert_eq!(code(&["--listen", &address]), 8);
        assert_eq!(
            code(&["--listen", "127.0.0.1:0", "--metrics-listen", &address]),
            8
        );
        let help = shell.ok(&["--help"]);
        for number in 0..=8 {
            assert!(help.contains(&format!("\n  {number}  ")), "{help}");
        }
    });
    let shell = Shell::new();
    let _server = shell.serve(&[]);
    let url = shell.url();
    assert_eq!(
        shell
            .failure(&["--listen", "127.0.0.1:0", "--database-url", &url])
            .0,
        5
    );
}

#[test]
fn every_command_explains_itself() {
    let shell = Shell::new();
    let commands: [&[&str]; 12] = [
        &[],
        &["serve"],
        &["migrate"],
        &["tenant"],
        &["tenant", "create"],
        &["tenant", "list"],
        &["tenant", "rename"],
        &["tenant", "delete"],
        &["token", "create"],
        &["token", "list"],
        &["token", "revoke"],
        &["journal"],
    ];
    for command in commands {
        let help = shell.ok(&[command, &["--help"]].concat());
        assert!(help.contains("--database-url"), "{command:?}: {help}");
    }
}

#[test]
fn invalid_settings_are_refused_at_startup() {
    let shell = Shell::new();
    for arguments in [
        &["--max-page-size", "99"][..],
        &["--listen", "0.0.0.0:0"],
        &["--listen", "nonsense"],
        &["--base-url", "https://example.com/scim?x"],
        &["--base-url", "http://h:abc"],
        &["--journal-days", "-1"],
        &["--schemas", "missing"],
        &["--cursor-key", "short"],
        &["--leniency", "some"],
        &["--database-url", "oracle:x"],
        &["--database-url", "postgres://db.example.com/scim"],
        &["--database-url", "postgres://db.example.com/scim?sslmode=prefer"],
        &["--postgres-pooler", "some"],
        &["--listen", "127.0.0.1:0", "tenant", "list"],
    ] {
        shell.refused(arguments);
    }
    let text = shell.refused(&["--schemas", "missing"]);
    assert!(text.contains("--schemas: missing: "), "{text}");
    shell.ok(&["migrate"]);
    shell.ok(&["migrate", "--database-url", "sqlite:other.db"]);
    shell.ok(&["--database-url", "sqlite:third.db", "tenant", "create", "acme"]);
    assert!(shell.folder.path().join("other.db").exists() && shell.folder.path().join("third.db").exists());
}

/// Each invalid file in the folder of schemas leads to a one-line error that names the file and the attribute.
#[cfg(unix)]
#[test]
fn invalid_schema_files_are_named_at_startup() {
    let shell = Shell::new();
    let folder = |name: &str| {
        let folder = shell.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    };
    // The address is invalid too, so that no server keeps running; schemas are read before it.
    let start = |folder: &str| {
        let text = shell.refused(&["--listen", "nonsense", "--schemas", folder]);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains("panicked"), "{text}");
        text
    };
    let long = "x".repeat(5_000_000);
    let deep = "[".repeat(50_000);
    let pointless = r#"{"id":"urn:example:x","attributes":[{"name":"a\nb\u001b[31m"}]}"#;
    let files: [(&str, &[u8], &str); 12] = [
        (
            "latin.json",
            b"{\"id\":\"\xe9\"}",
            "latin.json: it is not UTF-8 at byte 7",
        ),
        (
            "sixteen.json",
            b"\xff\xfe{\0}\0",
            "sixteen.json: it is not UTF-8 at byte 0",
        ),
        ("empty.json", b"", "empty.json: the file is empty"),
        ("number.JSON", b"5", "number.JSON: expected a JSON object"),
        (
            "cut.json",
            b"{\"id\":",
            "cut.json: the file is not JSON: expected a value at line 1 column 7",
        ),
        (
            "deep.json",
            deep.as_bytes(),
            "deep.json: the file is nested deeper than 64 levels",
        ),
        (
            "long.json",
            long.as_bytes(),
            "long.json: it is larger than 4194304 bytes",
        ),
        (
            "odd.json",
            pointless.as_bytes(),
            "odd.json: attribute `a b [31m`: a name starts",
        ),
        (
            "twice.json",
            br#"{"id":"urn:example:x","attributes":[{"name":"a"},{"name":"b"},{"name":"A"}]}"#,
            "twice.json: attribute `A`: the name occurs twice",
        ),
        (
            "nested.json",
            br#"[{"id":"urn:example:x","attributes":[{"name":"a","type":"complex","subAttributes":
                [{"name":"b","type":"complex","subAttributes":[{"name":"c"}]}]}]}]"#,
            "nested.json: attribute `a.b`: a complex attribute cannot contain a complex attribute",
        ),
        (
            "case.json",
            br#"{"id":"URN:IETF:params:scim:schemas:core:2.0:user","attributes":[{"name":"a"}]}"#,
            "case.json: there is another schema with the id",
        ),
        (
            "search.json",
            br#"{"name":"S","endpoint":"/.search","schema":"urn:ietf:params:scim:schemas:core:2.0:User"}"#,
            "search.json: the endpoint `/.search` must be",
        ),
    ];
    for (index, (name, text, part)) in files.iter().enumerate() {
        let folder = folder(&index.to_string());
        std::fs::write(folder.join(name), text).unwrap();
        let error = start(folder.to_str().unwrap());
        assert!(error.contains(part), "{name}: {error}");
    }
    let odd = folder("odd");
    std::fs::create_dir(odd.join("folder.json")).unwrap();
    assert!(start("odd").contains("folder.json: it is not a file"));
    std::fs::remove_dir(odd.join("folder.json")).unwrap();
    let made = Command::new("mkfifo").arg(odd.join("pipe.json")).status();
    if made.is_ok_and(|it| it.success()) {
        assert!(start("odd").contains("pipe.json: it is not a file"));
        std::fs::remove_file(odd.join("pipe.json")).unwrap();
    }
    std::os::unix::fs::symlink("loop.json", odd.join("loop.json")).unwrap();
    assert!(start("odd").contains("loop.json: "));
    std::fs::remove_file(odd.join("loop.json")).unwrap();
    assert!(start("missing").contains("missing: "));
    std::fs::write(shell.folder.path().join("file"), "{}").unwrap();
    assert!(start("file").contains("file: "));

    // Without an invalid schema, the address is the first error.
    let schema = "\u{feff}[{\"id\":\"urn:example:x\",\"attributes\":[{\"name\":\"a\"}]}]";
    std::fs::write(shell.folder.path().join("elsewhere"), schema).unwrap();
    std::os::unix::fs::symlink("../elsewhere", odd.join("link.json")).unwrap();
    std::fs::write(odd.join("README"), "not JSON").unwrap();
    folder("none");
    for folder in ["odd", "none"] {
        assert!(start(folder).contains("--listen"), "{folder}");
    }
}

/// The commands and the server share the database: a new token works at once, and a revoked one no longer.
#[test]
fn a_running_server_sees_the_changes_of_commands() {
    let server = Binary::start(&[]);
    let url = server.database_url();
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme", "--database-url", &url]);
    let token = shell.json(&[
        "token",
        "create",
        "--tenant",
        "acme",
        "--json",
        "--database-url",
        &url,
    ]);
    let secret = token["token"].as_str().unwrap();
    assert_eq!(server.get("/Users", secret).0, 200);
    shell.ok(&[
        "token",
        "revoke",
        token["id"].as_str().unwrap(),
        "--database-url",
        &url,
    ]);
    assert_eq!(server.get("/Users", secret).0, 401);
    let token = shell.json(&[
        "token",
        "create",
        "--tenant",
        "acme",
        "--json",
        "--database-url",
        &url,
    ]);
    let secret = token["token"].as_str().unwrap();
    assert_eq!(server.get("/Users", secret).0, 200);
    shell.ok(&["tenant", "delete", "acme", "--yes", "--database-url", &url]);
    assert_eq!(server.get("/Users", secret).0, 401);
}

/// A mistyped path or name must not create anything.
#[test]
fn a_command_that_only_reads_creates_no_database() {
    let commands: [&[&str]; 7] = [
        &["tenant", "list"],
        &["tenant", "delete", "acme", "--yes"],
        &["token", "create", "--tenant", "acme"],
        &["token", "list"],
        &["token", "revoke", "0190a0a0-0000-7000-8000-000000000000"],
        &["journal", "--tenant", "acme"],
        &["journal", "--tenant", "acme", "--follow"],
    ];
    Shell::on_each(|shell| {
        for command in commands {
            let text = shell.refused(command);
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("`scim-server migrate`"), "{text}");
        }
        let files = std::fs::read_dir(shell.folder.path()).unwrap();
        assert_eq!(files.count(), 0, "not even an empty file");
        if shell.postgres.is_some() {
            let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
            assert_eq!(shell.number(tables), 0);
        }
        shell.ok(&["migrate"]);
        assert_eq!(shell.json(&["tenant", "list", "--json"]), json!({ "items": [] }));
    });
    let shell = Shell::new();
    let text = shell.refused(&["tenant", "list"]);
    assert!(text.contains("the database `scim.db` does not exist"), "{text}");
    // An empty file that another program has left.
    std::fs::write(shell.folder.path().join("scim.db"), "").unwrap();
    assert!(
        shell
            .refused(&["tenant", "list"])
            .contains("database schema is out of date")
    );
}

/// A server of an older version may still be running, so a command that only reads must not migrate.
#[test]
fn a_command_that_only_reads_migrates_nothing() {
    Shell::on_each(|shell| {
        shell.ok(&["tenant", "create", "acme"]);
        shell.sql("DROP TABLE journal_start; DELETE FROM __diesel_schema_migrations WHERE version = '20261124220100'");
        assert!(
            shell
                .refused(&["tenant", "list"])
                .contains("database schema is out of date")
        );
        shell.ok(&["migrate"]);
        assert!(shell.ok(&["tenant", "list"]).contains("acme"));
    });
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    Shell::on_each(|shell| {
        shell.ok(&["tenant", "create", "acme"]);
        shell.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')");
        for command in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["migrate"],
            &["tenant", "list"],
        ] {
            let text = shell.refused(command);
            assert!(
                text.contains("a newer version has migrated the database") && text.contains("20991231000000"),
                "{text}"
            );
            assert_eq!(text.lines().count(), 1, "{text}");
        }
        shell.sql("DELETE FROM __diesel_schema_migrations WHERE version = '20991231000000'");
        assert!(shell.ok(&["tenant", "list"]).contains("acme"));
    });
}

/// Several servers of a new version may start at the same time.
#[test]
fn processes_that_migrate_at_once_all_succeed() {
    Shell::on_each(|shell| {
        let start = |_| shell.command(&["migrate"]).stdout(Stdio::null()).spawn().unwrap();
        let children: Vec<_> = (0..6).map(start).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(shell.json(&["tenant", "list", "--json"]), json!({ "items": [] }));
    });
}

/// The tenant is inaccessible, its remaining rows are invisible, and the next command or server deletes them.
#[test]
fn an_interrupted_deletion_is_finished() {
    for by_server in [false, true] {
        Shell::on_each(|shell| {
            shell.ok(&["tenant", "create", "acme"]);
            let token = shell.json(&["token", "create", "--tenant", "acme", "--json"]);
            let users = 5_000;
            let id = match shell.postgres {
                Some(_) => "decode(lpad(to_hex(i), 32, '0'), 'hex')",
                None => "unhex(printf('%032x', i))",
            };
            shell.sql(&format!(
                "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {users}) \
                 INSERT INTO resource (tenant_id, kind, id, version, created, modified, unique_key, document) \
                 SELECT t.id, 1, {id}, 1, i, i, 'user' || i, '{{}}' FROM s, tenant t"
            ));
            let mut child = shell
                .command(&["tenant", "delete", "acme", "--yes"])
                .spawn()
                .unwrap();
            let left = || shell.number("SELECT count(*) FROM resource");
            while left() == users {
                assert!(child.try_wait().unwrap().is_none());
            }
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(left() > 0, "the test kills it in the middle");

            assert_eq!(shell.json(&["tenant", "list", "--json"]), json!({ "items": [] }));
            assert_eq!(shell.json(&["token", "list", "--json"]), json!({ "items": [] }));
            if by_server {
                let mut server = shell.serve(&[]);
                assert_eq!(server.get("/Users", token["token"].as_str().unwrap()).0, 401);
                assert!(shell.ok(&["tenant", "list"]).contains("default"));
                wait_until("the deletion", || {
                    left() == 0 && shell.number("SELECT count(*) FROM tenant") == 1
                });
                server.signal("-TERM");
                server.wait();
                let log = server.log();
                assert_eq!(
                    log.matches("finishing the deletion of a tenant").count(),
                    1,
                    "{log}"
                );
                return;
            }
            // Without a question: it was answered when the deletion began.
            shell.ok(&["tenant", "delete", "acme"]);
            assert_eq!((left(), shell.number("SELECT count(*) FROM tenant")), (0, 0));
            shell.refused(&["tenant", "delete", "acme", "--yes"]);
        });
    }
}

/// A changed schema makes a server recompute index entries at its start, in one transaction.
#[test]
fn an_interrupted_rebuild_changes_nothing() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        let server = shell.serve(&[]);
        let token = server.token();
        let bjensen = server.client().create(
            "/Users",
            &json!({ "schemas": [USER], "userName": "bjensen", "emails": [{ "value": "b@example.com" }] }),
        );
        drop(server);
        let (users, zero) = (3_000, "00000000000000000000000000000000");
        let id = match shell.postgres {
            Some(_) => "decode(lpad(to_hex(i), 32, '0'), 'hex')",
            None => "unhex(printf('%032x', i))",
        };
        shell.sql(&format!(
            "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {users}) \
             INSERT INTO resource (tenant_id, kind, id, version, created, modified, unique_key, document) \
             SELECT t.id, 1, {id}, 1, i, i, 'old' || i, \
             '{{\"schemas\":[\"{USER}\"],\"userName\":\"user' || i || '\"}}' FROM s, tenant t; \
             UPDATE resource_type SET shape = '{zero}' WHERE id = 1"
        ));
        let mut child = shell
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("computing the index entries of 3001 User resources again") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let stale = "SELECT count(*) FROM resource WHERE unique_key LIKE 'old%'";
        assert_eq!(shell.number(stale), users);
        let shape = format!("SELECT count(*) FROM resource_type WHERE shape = '{zero}'");
        assert_eq!(shell.number(&shape), 1, "the next start repeats it");

        let server = shell.serve(&[]);
        assert_eq!((shell.number(stale), shell.number(&shape)), (0, 0));
        for (filter, expected) in [
            ("userName%20eq%20%22USER2999%22", 1),
            ("emails.value%20eq%20%22B@example.com%22", 1),
            ("userName%20sw%20%22user%22", 3_000),
        ] {
            let (status, found) = server.get(&format!("/Users?filter={filter}&count=1"), &token);
            assert_eq!(
                (status, &found["totalResults"]),
                (200, &json!(expected)),
                "{filter}"
            );
        }
        let (_, user) = server.get(&format!("/Users/{bjensen}"), &token);
        assert_eq!(user["meta"]["version"], "W/\"1\"");
    });
}

/// An identity provider asks for both.
#[test]
fn a_new_token_comes_with_the_scim_url() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let url = "https://scim.example.com/scim/v2";
    let base = "https://scim.example.com";
    let create = ["token", "create", "--tenant", "acme", "--base-url", base];
    let created = shell.json(&[&create[..], &["--json"]].concat());
    assert_eq!(created["scimUrl"], url);
    assert!(created["token"].as_str().unwrap().starts_with("scim_"));
    assert!(shell.ok(&create).contains(&format!("The SCIM URL is {url}\n")));
    // Without the base URL, the address is a guess.
    let guessed = shell.run(&create[..4]);
    assert!(guessed.status.success());
    let warning = String::from_utf8(guessed.stderr).unwrap();
    assert!(warning.contains("--base-url"), "{warning}");
    let id = created["id"].as_str().unwrap();
    let rotated = shell.json(&["token", "rotate", id, "--json"]);
    assert_eq!(rotated.get("scimUrl"), None);
    assert_eq!(rotated["replaced"]["id"], id);
}

/// A secret in the wrong place is not repeated.
#[test]
fn errors_of_the_command_line_show_no_secret_of_a_webhook() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    for arguments in [
        &["webhook", "show", secret][..],
        &["webhook", "rotate", secret],
        &["webhook", "create", "--url", secret],
        &[secret],
    ] {
        let error = shell.refused(arguments);
        assert!(!error.contains("whsec_") && error.contains('…'), "{error}");
    }
}
