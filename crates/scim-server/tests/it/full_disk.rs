//! Files that cannot grow, as on a full disk.
#![cfg(target_os = "linux")] // `prlimit` is a command of Linux.

use std::collections::BTreeSet;
use std::process::Command;

use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{GROUP, HttpClient, USER, patch_op, wait_until};
use crate::keys::first_key;
use crate::restart::Binary;
use crate::webhooks::receiver::{Received, Receiver};

/// Starts a server that gets an error when a file cannot grow, as on a full disk, and not the signal of the limit.
fn serve(shell: &Shell) -> Binary {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' XFSZ; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_scim-server"),
        ])
        .args(["--listen", "127.0.0.1:0", "--egress-allow", "127.0.0.1"])
        .args(["--database-url", &shell.url()])
        .current_dir(shell.folder.path());
    Binary::run(command)
}

/// Limits the size of each file that the server writes.
fn limit_files(server: &Binary, bytes: &str) {
    let arguments = ["--pid", &server.id().to_string(), &format!("--fsize={bytes}:")];
    let status = Command::new("prlimit").args(arguments).status().unwrap();
    assert!(status.success());
}

/// The size of the largest file in the folder of the database.
fn largest_file(shell: &Shell) -> u64 {
    let files = std::fs::read_dir(shell.folder.path()).unwrap();
    files
        .map(|it| it.unwrap().metadata().unwrap().len())
        .max()
        .unwrap()
}

fn all_ids(client: &HttpClient, endpoint: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut path = format!("{endpoint}?attributes=id&count=200&cursor");
    loop {
        let (status, page) = client.send("GET", &path, None);
        assert_eq!(status, 200, "{page}");
        let resources = page["Resources"].as_array().into_iter().flatten();
        ids.extend(resources.map(|it| it["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else {
            return ids;
        };
        path = format!("{endpoint}?attributes=id&count=200&cursor={cursor}");
    }
}

/// Repeats a write until the server refuses it, and returns the error.
fn until_refused(mut write: impl FnMut(usize) -> (u16, Value)) -> Value {
    for number in 0..10_000 {
        match write(number) {
            (200 | 201, _) => {}
            (503, error) => return error,
            (status, error) => panic!("{status}: {error}"),
        }
    }
    panic!("the files are limited")
}

/// Reads and the feed go on, writes are refused as a whole, and go on when there is room again, without a restart. All
/// acknowledged changes are delivered.
#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let shell = Shell::new();
    let server = serve(&shell);
    let client = server.client();
    let api = HttpClient::new(&server.management_url(), first_key(&server));
    let receiver = Receiver::accepting();
    let webhook = [
        "webhook",
        "create",
        "--url",
        &receiver.url,
        "--egress-allow",
        "127.0.0.1",
        "--json",
    ];
    shell.json(&webhook);
    let user = |name: &str| json!({"schemas": [USER], "userName": name, "title": "x".repeat(2_000)});
    let first = client.create("/Users", &user("first"));
    let path = format!("/Users/{first}");

    // The log of SQLite is empty, and can become as large as the database.
    shell.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    limit_files(&server, &largest_file(&shell).to_string());
    let mut users = BTreeSet::from([first.clone()]);
    let refusal = until_refused(|number| {
        let (status, created) = client.send("POST", "/Users", Some(&user(&format!("user{number}"))));
        users.extend(
            created["id"]
                .as_str()
                .filter(|_| status == 201)
                .map(str::to_owned),
        );
        (status, created)
    });
    let detail = refusal["detail"].as_str().unwrap();
    assert_eq!(refusal["status"], "503");
    assert!(
        detail.contains("log of the server") && !detail.contains("disk"),
        "{detail}"
    );
    // The log may begin again from its start, so there can be room for further changes.
    let (mut title, mut changes) = (user("")["title"].clone(), 0);
    until_refused(|number| {
        let new = json!(format!("{number} {}", "y".repeat(2_000)));
        let operation = json!([{"op": "replace", "path": "title", "value": new}]);
        let answer = client.send("PATCH", &path, Some(&patch_op(operation)));
        if answer.0 == 200 {
            (title, changes) = (new, changes + 1);
        }
        answer
    });
    let mut groups = 0;
    until_refused(|number| {
        let members: Value = users.iter().map(|it| json!({ "value": it })).collect();
        let group = json!({"schemas": [GROUP], "displayName": format!("group{number}"), "members": members});
        let answer = client.send("POST", "/Groups", Some(&group));
        groups += usize::from(answer.0 == 201);
        answer
    });

    // Nothing was applied in part, and readers get everything else.
    assert_eq!(all_ids(&client, "/Users"), users);
    assert_eq!(client.send("GET", &path, None).1["title"], title);
    assert_eq!(all_ids(&client, "/Groups").len(), groups);
    let feed = || {
        let (status, page) = api.send("GET", "/events?limit=1000", None);
        assert_eq!((status, &page["more"]), (200, &json!(false)), "{page}");
        let events = page["events"].as_array().unwrap().iter();
        events
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // The creation of a group, and its members.
    assert_eq!(feed().len(), users.len() + changes + 2 * groups);

    limit_files(&server, "unlimited");
    client.create("/Users", &user("last"));
    assert_eq!(client.send("DELETE", &path, None).0, 204);
    let events = feed();
    assert!(events.len() >= users.len() + changes + 3 * groups + 2);
    wait_until("webhooks", || {
        let received = receiver.received();
        let received: BTreeSet<&str> = received.iter().map(Received::id).collect();
        events.iter().all(|it| received.contains(&**it))
    });
    drop(server);
    assert_eq!(integrity(&shell), "ok");
}

fn integrity(shell: &Shell) -> String {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        integrity_check: String,
    }
    let path = shell.folder.path().join("scim.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let rows = diesel::sql_query("PRAGMA integrity_check").load::<Row>(&mut connection);
    let rows = rows.unwrap().into_iter().map(|it| it.integrity_check);
    rows.collect::<Vec<_>>().join("\n")
}
