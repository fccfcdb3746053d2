//! Changes reach the product: writers change several tenants while servers and readers are killed, and each reader ends
//! with exactly the state of the directory.
//!
//! `cargo xtask fire delivery` runs the same tests with 100,000 changes.

mod log;
mod readers;
mod replica;
mod servers;
mod verdict;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use scim_model::store::Webhooks as _;
use scim_storage_diesel::{DieselStore, Pooler};
use serde_json::{Value, json};
use uuid::Uuid;

use self::log::Tail;
use self::readers::Reader;
use self::replica::Resources;
use self::servers::Servers;
use self::verdict::{Truth, Verdict};
use self::writers::{Tenant, Writer, Written};
use crate::cli::Shell;
use crate::harness::{GROUP, HttpClient};
use crate::security_events::{AUDIENCE, ISSUER};

/// The variable with the number of changes, for a longer test than usual.
const CHANGES: &str = "SCIM_FIRE_CHANGES";

const WRITERS: usize = 8;

const TENANTS: usize = 3;

/// The rounds in which each server and each reader is killed once while others write.
const ROUNDS: usize = 3;

/// The deliveries of webhooks between two further rounds, when many are left after the last change.
const DELIVERIES_OF_ROUND: usize = 10_000;

/// The time without a delivery after which nothing more is expected.
const SILENCE: Duration = Duration::from_secs(60);

/// evt-22, evt-49, evt-50, evt-51, evt-63, evt-107
#[test]
fn every_reader_ends_with_the_state_of_the_directory_on_sqlite() {
    run(&Shell::new(), 1, "SQLite");
}

/// evt-22, evt-49, evt-50, evt-51, evt-63, evt-107
#[test]
fn every_reader_ends_with_the_state_of_the_directory_on_postgresql() {
    if let Some(shell) = Shell::on_postgres() {
        run(&shell, 2, "PostgreSQL");
    }
}

fn changes() -> usize {
    let changes = std::env::var(CHANGES).ok();
    changes.map_or(1_200, |it| it.parse().expect("it is a number"))
}

#[allow(clippy::print_stdout)] // The figures are a result of the long test.
fn run(shell: &Shell, servers: usize, database: &str) {
    let began = Instant::now();
    let stage = Stage::start(shell, servers);
    let mut readers = stage.start_readers();
    let killed = AtomicUsize::new(0);
    let written = stage.write(&mut readers, &killed);
    let seconds_of_writing = began.elapsed().as_secs();
    let truth = Truth::read(&stage.api());
    stage.wait_for_readers(&mut readers, &truth, &killed);

    let mut directory = Resources::new();
    for tenant in &stage.tenants {
        let client = HttpClient::new(&stage.servers.address(0).scim, &tenant.token);
        directory.extend(replica::directory(&client, &tenant.name));
    }
    let verdicts: Vec<Verdict> = readers
        .iter()
        .map(|it| Verdict::of(it.name, &it.log(), &truth, &directory))
        .collect();
    let died: usize = readers.iter().map(|it| it.died).sum();
    println!(
        "delivery on {database}: {} changes, {} events, {} resources at the end; written in {seconds_of_writing} s, \
         delivered after {} s; {} kills, {died} receivers that died, {} requests of writers repeated",
        changes(),
        truth.len(),
        directory.len(),
        began.elapsed().as_secs(),
        killed.load(Ordering::Relaxed),
        written.iter().map(|it| it.repeated).sum::<usize>(),
    );
    for it in &verdicts {
        println!("{}", it.figures());
    }
    assert_eq!(
        stage
            .store
            .webhook_messages(stage.webhook, true, None, 10)
            .unwrap(),
        [],
        "no dead letters"
    );
    truth.check(&written, &directory);
    check_directory(&written, &directory);
    verdicts.iter().for_each(Verdict::check);
}

/// The servers with their tenants, and what readers need to follow them.
struct Stage<'a> {
    shell: &'a Shell,
    servers: Servers<'a>,
    store: DieselStore,
    tenants: Vec<Tenant>,
    key: String,
    stream: String,
    webhook: Uuid,
    secret: String,
    /// The receiver of webhooks keeps its address when it is killed.
    receiver: TcpListener,
}

impl<'a> Stage<'a> {
    fn start(shell: &'a Shell, servers: usize) -> Stage<'a> {
        let secrets_key = shell.folder.path().join("secrets");
        std::fs::write(&secrets_key, "5c".repeat(32)).unwrap();
        let secrets_key = ["--secrets-key-file", secrets_key.to_str().unwrap()];
        let local = ["--egress-allow", "127.0.0.1"];
        let servers = Servers::start(shell, servers, &[&secrets_key[..], &local].concat());
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let key = shell.json(&[
            "key", "create", "--name", "product", "--scope", "events", "--json",
        ]);
        let set = ["set-stream", "create", "--audience", AUDIENCE, "--issuer", ISSUER];
        let set = [&set[..], &["--events", "full,caep", "--json"], &secrets_key].concat();
        let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", receiver.local_addr().unwrap());
        let webhook = ["webhook", "create", "--url", &url, "--json"];
        let webhook = shell.json(&[&webhook[..], &secrets_key, &local].concat());
        let stream = shell.json(&set);
        let tenants = (0..TENANTS).map(|number| {
            let name = format!("tenant{number}");
            shell.ok(&["tenant", "create", &name]);
            let token = shell.json(&["token", "create", "--tenant", &name, "--json"]);
            let token = text(&token, "token");
            let client = HttpClient::new(&servers.address(number).scim, &token);
            let groups = (0..3 + changes() / 1_000).map(|it| {
                let group = json!({"schemas": [GROUP], "displayName": format!("shared {it}")});
                client.create("/Groups", &group)
            });
            let groups = groups.collect();
            Tenant { name, token, groups }
        });
        Stage {
            shell,
            tenants: tenants.collect(),
            store: DieselStore::open_existing(&shell.url(), Pooler::None).unwrap(),
            servers,
            key: text(&key, "key"),
            stream: text(&stream, "id"),
            webhook: text(&webhook, "id").parse().unwrap(),
            secret: text(&webhook, "secret"),
            receiver,
        }
    }

    fn start_readers(&self) -> [Reader; 4] {
        let settings = json!({
            "servers": self.servers.file(),
            "key": self.key,
            "stream": self.stream,
            "secret": self.secret,
            "faults": 20,
        });
        let folder = self.shell.folder.path();
        ["feed", "stream", "webhook", "set"].map(|name| {
            let socket = (name == "webhook").then(|| self.receiver.try_clone().unwrap());
            Reader::start(name, folder, settings.clone(), socket)
        })
    }

    /// The management API of a server.
    fn api(&self) -> HttpClient {
        HttpClient::new(&self.servers.address(0).management, &self.key)
    }

    /// Makes the changes, and kills each server and each reader several times at the same time.
    fn write(&self, readers: &mut [Reader], killed: &AtomicUsize) -> Vec<Written> {
        let (done, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (done, is_over) = (&done, &is_over);
        let kills = ROUNDS * (self.servers.number() + readers.len());
        thread::scope(|scope| {
            let killer = scope.spawn(move || {
                for kill in 0..kills {
                    // While servers start, others write.
                    while done.load(Ordering::Relaxed) < changes() * (kill + 1) / (kills + 1)
                        && !is_over.load(Ordering::Relaxed)
                    {
                        thread::sleep(Duration::from_millis(5));
                        readers.iter_mut().for_each(Reader::look_after);
                    }
                    self.kill(readers, kill);
                    killed.fetch_add(1, Ordering::Relaxed);
                }
            });
            let writers: Vec<_> = (0..WRITERS)
                .map(|number| {
                    let writer = Writer::new(&self.servers, &self.tenants[number % TENANTS], number);
                    scope.spawn(move || writer.run(changes() / WRITERS, done))
                })
                .collect();
            let written: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            is_over.store(true, Ordering::Relaxed);
            killer.join().unwrap();
            written.into_iter().map(Result::unwrap).collect()
        })
    }

    /// Kills the servers and the readers in turn.
    fn kill(&self, readers: &mut [Reader], turn: usize) {
        let target = turn % (self.servers.number() + readers.len());
        match target.checked_sub(self.servers.number()) {
            None => self.servers.kill(target),
            Some(reader) => readers[reader].kill(),
        }
    }

    /// Waits until each reader has each event, or nothing comes any more.
    fn wait_for_readers(&self, readers: &mut [Reader], truth: &Truth, killed: &AtomicUsize) {
        let mut tails: Vec<Tail> = readers.iter().map(|it| Tail::new(it.log())).collect();
        let mut last = (0, Instant::now());
        let (mut delivered, mut turn) = (0, 0);
        loop {
            readers.iter_mut().for_each(Reader::look_after);
            for (reader, tail) in readers.iter().zip(&mut tails) {
                tail.advance(|line| verdict::id(reader.name, line));
            }
            let is_complete = |(reader, tail): (&Reader, &Tail)| truth.is_in(reader.name, &tail.ids);
            if readers.iter().zip(&tails).all(is_complete) {
                return;
            }
            let lines: usize = tails.iter().map(|it| it.lines).sum();
            if lines > last.0 {
                last = (lines, Instant::now());
            } else if last.1.elapsed() > SILENCE {
                return;
            }
            let webhooks = tails[2].lines;
            if delivered == 0 {
                delivered = webhooks;
            } else if webhooks >= delivered + DELIVERIES_OF_ROUND {
                delivered = webhooks;
                for _ in 0..self.servers.number() + readers.len() {
                    self.kill(readers, turn);
                    turn += 1;
                    killed.fetch_add(1, Ordering::Relaxed);
                }
            }
            self.send_soon();
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Lets the server send messages now that have failed twice, as an operator does who does not want to wait for
    /// minutes. Messages that the server does not know are not sent.
    fn send_soon(&self) {
        let Ok(waiting) = self.store.webhook_messages(self.webhook, false, None, 2_000) else {
            return;
        };
        let soon = Utc::now() + TimeDelta::seconds(30);
        for it in waiting
            .iter()
            .filter(|it| it.next_attempt.is_some_and(|it| it > soon))
        {
            let queued = self
                .store
                .queue_webhook_message(self.webhook, &it.message, Utc::now());
            assert!(queued.is_ok_and(|it| it));
        }
    }
}

/// The directory is what the writers have made of it.
#[track_caller]
fn check_directory(written: &[Written], directory: &Resources) {
    let mut members: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for (group, ids) in written.iter().flat_map(|it| &it.members) {
        members.entry(group).or_default().extend(ids);
    }
    let mut expected: BTreeSet<&String> = members.keys().copied().collect();
    for (key, attributes) in written.iter().flat_map(|it| &it.resources) {
        assert_eq!(directory.get(key), Some(attributes), "{key}");
        expected.insert(key);
    }
    assert_eq!(directory.keys().collect::<BTreeSet<_>>(), expected);
    for (group, ids) in members {
        let stored = directory[group].get("members").cloned();
        let stored: Vec<String> = serde_json::from_value(stored.unwrap_or(json!([]))).unwrap();
        assert_eq!(stored.iter().collect::<BTreeSet<_>>(), ids, "{group}");
    }
}
