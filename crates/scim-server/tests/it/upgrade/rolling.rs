//! Two instances on one PostgreSQL are replaced one after the other, while clients write through a proxy.
//!
//! Clients see no failure except 503 with `Retry-After`, and webhooks tell each change. The short form replaces instances of this version, and adds what
//! a later version could add to the database. `cargo xtask rolling-upgrade` builds an earlier version, starts with it, and
//! runs for longer.

mod clients;
mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use serde_json::Value;

use self::clients::{Client, Written};
use self::proxy::{Instance, Proxy};
use super::program::Program;
use super::recording::{LOCAL, write_secrets_key};
use super::{PREVIOUS, dump, report, restore, text};
use crate::cli::Shell;
use crate::harness::{HttpClient, wait_until};
use crate::webhooks::receiver::Receiver;

/// The program that the instances begin with, instead of that of this version.
const FROM: &str = "SCIM_ROLLING_UPGRADE_FROM";

/// The rounds of each client between two replacements, instead of a few.
const ROUNDS: &str = "SCIM_ROLLING_UPGRADE_ROUNDS";

const CLIENTS: usize = 3;

/// What a later version could do to the database while this one serves: see "Expand, then contract" in
/// `migrations/README.md`.
const NEXT_VERSION: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(x'5343494d'::bigint);
    CREATE TABLE next_version (tenant_id BIGINT NOT NULL, id BIGINT NOT NULL PRIMARY KEY);
    ALTER TABLE resource ADD COLUMN next_version TEXT;
    CREATE INDEX next_version_resource ON resource (tenant_id, next_version);
    INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000');
    COMMIT;";

const WITHOUT_NEXT_VERSION: &str = "
    BEGIN;
    DROP TABLE next_version;
    ALTER TABLE resource DROP COLUMN next_version;
    DELETE FROM __diesel_schema_migrations WHERE version = '20991231000000';
    COMMIT;";

/// Two signals end an instance with this delay: the first one makes `/readyz` fail, the second one ends the delay.
const DELAY: [&str; 2] = ["--shutdown-delay", "3600"];

/// Clients send as fast as they can.
const RATE: [&str; 2] = ["--rate-limit", "0"];

#[test]
fn instances_are_replaced_while_clients_write() {
    let Some(shell) = Shell::on_postgres() else { return };
    let current = Program::current();
    let earlier = Program::named_by(FROM);
    let token = match &earlier {
        Some(program) => {
            program.json(&shell, &["tenant", "create", "acme"]);
            let token = program.json(&shell, &["token", "create", "--tenant", "acme"]);
            write_secrets_key(&shell, &"5c".repeat(32));
            text(&token["token"]).to_owned()
        }
        None => {
            let token = text(&restore(PREVIOUS, &shell)["tenants"][0]["token"]).to_owned();
            // Its receiver is gone, and another one may have its port.
            shell.sql("DELETE FROM webhook_endpoint");
            token
        }
    };
    let rounds = std::env::var(ROUNDS).map_or(3, |it| it.parse().unwrap());
    let first = earlier.as_ref().unwrap_or(&current);
    // Without an earlier version, the migrations are pending, and both instances start at once.
    let instances = thread::scope(|threads| {
        let starting = [(); 2].map(|()| threads.spawn(|| start(first, &shell)));
        starting.map(|it| it.join().unwrap())
    });
    let proxy = Proxy::before(instances);
    let receiver = receiver(first, &shell);
    let clients = Client::several(CLIENTS, &token);
    let is_over = AtomicBool::new(false);
    let written = thread::scope(|threads| {
        // A failed assertion must end the clients too.
        let _end = EndOnDrop(&is_over);
        let running: Vec<_> = clients
            .iter()
            .map(|it| threads.spawn(|| it.run(&proxy, &is_over)))
            .collect();
        let wait_for_rounds = || {
            let target = clients.iter().map(|it| it.rounds() + rounds).collect::<Vec<_>>();
            for (client, target) in clients.iter().zip(target) {
                wait_until("a round", || {
                    client.rounds() >= target || running.iter().any(ScopedJoinHandle::is_finished)
                });
            }
        };
        wait_for_rounds();
        if earlier.is_none() {
            add_and_remove_the_next_version(&shell, &wait_for_rounds);
        }
        for number in 0..2 {
            proxy.replace(number, || start(&current, &shell));
            wait_for_rounds();
        }
        is_over.store(true, Ordering::SeqCst);
        let written = running.into_iter().map(|it| it.join().unwrap());
        written.collect::<Vec<_>>()
    });
    if let Some(earlier) = &earlier {
        let (code, error) = earlier.failure(&shell, &["serve", "--listen", "127.0.0.1:0"]);
        report(&format!(
            "the earlier version on the upgraded database: {code:?}, {error}"
        ));
        assert!(error.contains("newer version"), "{error}");
        assert!(dump::migrations(&shell).is_sorted());
    }
    let repeated: usize = written.iter().map(|it| it.repeated).sum();
    let requests: usize = written.iter().map(|it| it.requests).sum();
    report(&format!(
        "{requests} requests; {repeated} of them were sent again"
    ));
    assert!(requests > repeated);
    for base_url in proxy.base_urls() {
        let client = HttpClient::new(&base_url, &token);
        written.iter().for_each(|it| it.check(&client));
    }
    check_journal(&current.lines(&shell, &["journal", "--tenant", "acme"]), &written);
    if let Some(receiver) = receiver {
        check_messages(&receiver, &written);
    }
}

/// A receiver of all events, if the version has webhooks.
fn receiver(program: &Program, shell: &Shell) -> Option<Receiver> {
    if !program.has_command(shell, "webhook") {
        return None;
    }
    let receiver = Receiver::accepting();
    let create = ["webhook", "create", "--url", &receiver.url];
    program.json(shell, &[&create[..], &LOCAL].concat());
    Some(receiver)
}

/// Each acknowledged change reaches the receiver.
fn check_messages(receiver: &Receiver, written: &[Written]) {
    let versions = written.iter().flat_map(Written::versions);
    let expected: BTreeSet<(String, i64)> = versions.map(|(id, version)| (id.to_owned(), version)).collect();
    wait_until("the last message", || {
        let received: BTreeSet<(String, i64)> = receiver
            .received()
            .iter()
            .map(|it| {
                let data = &it.json()["data"];
                (
                    text(&data["resourceId"]).to_owned(),
                    data["version"].as_i64().unwrap(),
                )
            })
            .collect();
        expected.is_subset(&received)
    });
}

struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Starts an instance with the flags that its version has.
fn start(program: &Program, shell: &Shell) -> Instance {
    let flags = [DELAY, RATE, LOCAL]
        .into_iter()
        .filter(|it| program.has_flag(shell, it[0]));
    Instance {
        server: program.serve(shell, flags.collect::<Vec<_>>().as_flattened()),
        has_delay: program.has_flag(shell, DELAY[0]),
    }
}

/// Instances of this version continue to serve while a later one migrates, and no further one starts.
fn add_and_remove_the_next_version(shell: &Shell, wait_for_rounds: &dyn Fn()) {
    shell.sql(NEXT_VERSION);
    wait_for_rounds();
    let (code, error) = Program::current().failure(shell, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(4), "{error}");
    assert!(error.contains("`20991231000000`"), "{error}");
    shell.sql(WITHOUT_NEXT_VERSION);
    wait_for_rounds();
}

/// The journal has each acknowledged change once, and the changes of a resource in the order of its versions.
fn check_journal(entries: &[Value], written: &[Written]) {
    let mut versions = BTreeMap::<&str, Vec<i64>>::new();
    let mut positions = Vec::new();
    for entry in entries {
        let (position, _) = text(&entry["position"]).split_once('-').unwrap();
        positions.push(position.parse::<i64>().unwrap());
        if entry["kind"] != "delete" {
            let versions = versions.entry(text(&entry["id"])).or_default();
            versions.push(entry["version"].as_i64().unwrap());
        }
    }
    assert!(positions.is_sorted_by(|one, other| one < other));
    for (id, versions) in &versions {
        let expected: Vec<i64> = (1..).take(versions.len()).collect();
        assert_eq!(*versions, expected, "{id}");
    }
    for (id, version) in written.iter().flat_map(Written::versions) {
        assert!(
            versions.get(id).is_some_and(|it| it.contains(&version)),
            "{id} in version {version}"
        );
    }
}
