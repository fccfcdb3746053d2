//! `cargo xtask bench webhooks`: the time from the commit of a write to the request of a webhook, and the time that a write
//! takes with and without endpoints. The receivers run in the same process.
#![allow(
    clippy::print_stdout,
    reason = "a command-line program prints to the terminal"
)]

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use chrono::Utc;
use clap::Parser;
use scim_model::change::Actor;
use scim_model::store::{Directory, NewResource, ResourceStore, TenantId};
use scim_model::{Document, SchemaRegistry, SecretHashes};
use scim_server::delivery::feed::Feed;
use scim_server::delivery::state_counts::StateCounts;
use scim_server::delivery::webhooks::registration::{self, NewEndpoint};
use scim_server::delivery::webhooks::{ENDPOINT_STATES, WebhookWorker, WorkerParts};
use scim_server::egress::{AllowEntry, Egress, EgressSettings, system_lookup};
use scim_server::sealing::KeyFile;
use scim_storage_diesel::{DieselStore, StoreOptions};
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Parser)]
struct Options {
    /// An empty database.
    #[arg(long)]
    database_url: String,
    /// The endpoints whose latency is measured.
    #[arg(long, default_value_t = 50)]
    endpoints: usize,
    /// Writes per second.
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

/// Endpoints during the measurement of writes.
const ENDPOINTS_OF_WRITES: usize = 10;

/// Rounds of writes with and without endpoints, in turn.
const ROUNDS: u32 = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let bench = Bench::open(&options.database_url)?;
    let receiver = Receiver::start()?;
    bench.create_endpoints(&receiver, options.endpoints)?;
    let worker = bench.start_worker()?;
    let commits = bench.write(&options, options.seconds, "latency")?;
    let expected = commits.len() * options.endpoints;
    receiver.wait_for(expected);
    let mut delays: Vec<Duration> = receiver
        .arrivals()
        .into_iter()
        .filter_map(|(user, at)| Some(at.saturating_duration_since(*commits.get(&user)?)))
        .collect();
    delays.sort();
    println!("| from commit to request | p50 | p99 | max |");
    println!("| --- | ---: | ---: | ---: |");
    let part = |of: usize| shown(delays[index(delays.len(), of)]);
    println!(
        "| {} endpoints, {} writes/s | {} | {} | {} |",
        options.endpoints,
        options.rate,
        part(50),
        part(99),
        part(100)
    );
    drop(worker);
    bench.delete_endpoints()?;
    measure_writes(&bench, &receiver, &options)
}

/// Measures writes with and without endpoints in turn, because the machine may be busy with other work.
fn measure_writes(bench: &Bench, receiver: &Receiver, options: &Options) -> Result<(), Box<dyn Error>> {
    let mut times: [Vec<Duration>; 2] = Default::default();
    for round in 0..ROUNDS {
        let has_endpoints = round % 2 == 1;
        if has_endpoints {
            bench.create_endpoints(receiver, ENDPOINTS_OF_WRITES)?;
        }
        let worker = bench.start_worker()?;
        // The worker looks for endpoints once a second.
        thread::sleep(Duration::from_secs(2));
        let taken = bench.timed_writes(options, options.seconds / 2, &format!("writes{round}"))?;
        times[usize::from(has_endpoints)].extend(taken);
        drop(worker);
        bench.delete_endpoints()?;
    }
    println!("\n| a write takes | p50 | p90 | p99 |");
    println!("| --- | ---: | ---: | ---: |");
    for (name, mut times) in ["without endpoints", "with ten endpoints"].into_iter().zip(times) {
        times.sort();
        let part = |of: usize| shown(times[index(times.len(), of)]);
        println!("| {name} | {} | {} | {} |", part(50), part(90), part(99));
    }
    Ok(())
}

/// The place in a sorted list of a part in percent.
fn index(length: usize, percent: usize) -> usize {
    (length - 1) * percent / 100
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The store, and what a worker needs.
struct Bench {
    store: Arc<DieselStore>,
    feed: Arc<Feed>,
    keys: Arc<KeyFile>,
    tenant: TenantId,
    registry: SchemaRegistry,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn open(url: &str) -> Result<Bench, Box<dyn Error>> {
        let store = Arc::new(DieselStore::open(url, &StoreOptions::default())?);
        let folder = tempfile::tempdir()?;
        Ok(Bench {
            feed: Arc::new(Feed::new(store.clone())),
            keys: Arc::new(KeyFile::created_if_missing(folder.path().join("key"))),
            tenant: store.create_tenant(&Uuid::now_v7().to_string(), Utc::now())?,
            store,
            registry: SchemaRegistry::load(&[])?,
            _folder: folder,
        })
    }

    fn create_endpoints(&self, receiver: &Receiver, number: usize) -> Result<(), Box<dyn Error>> {
        for _ in 0..number {
            let new = NewEndpoint {
                id: Uuid::now_v7(),
                url: receiver.url.clone(),
                tenants: None,
                types: Vec::new(),
                full: true,
                headers: Vec::new(),
            };
            registration::create(&*self.store, &self.feed, &self.keys, new, Utc::now())?;
        }
        Ok(())
    }

    fn delete_endpoints(&self) -> Result<(), Box<dyn Error>> {
        use scim_model::store::Webhooks as _;
        for it in self.store.webhooks()? {
            self.store.delete_webhook(it.id)?;
        }
        Ok(())
    }

    fn start_worker(&self) -> Result<WebhookWorker, Box<dyn Error>> {
        let settings = EgressSettings {
            allow: ["127.0.0.1".parse::<AllowEntry>()?].into_iter().collect(),
            ..EgressSettings::default()
        };
        Ok(WebhookWorker::start(WorkerParts {
            id: Uuid::nil(),
            store: self.store.clone(),
            journal: self.store.clone(),
            feed: self.feed.clone(),
            egress: Arc::new(Egress::new(settings, system_lookup())),
            keys: self.keys.clone(),
            counts: StateCounts::new(ENDPOINT_STATES),
        })?)
    }

    fn create_user(&self, name: &str) -> Result<(), Box<dyn Error>> {
        let Value::Object(values) = json!({ "userName": name }) else {
            unreachable!("it is an object");
        };
        let new = NewResource {
            resource_type: self
                .registry
                .resource_type("User")
                .ok_or("it is built in")?
                .clone(),
            id: Uuid::now_v7(),
            now: Utc::now(),
            actor: Actor::System,
            document: Document::from_values(values),
            members: Vec::new(),
            secrets: SecretHashes::new(),
        };
        Ok(self.store.create(self.tenant, &new)?)
    }

    /// Creates users at a rate, and returns the time of each commit by name.
    fn write(
        &self,
        options: &Options,
        seconds: u32,
        name: &str,
    ) -> Result<HashMap<String, Instant>, Box<dyn Error>> {
        // The worker looks for endpoints once a second.
        thread::sleep(Duration::from_secs(2));
        let mut commits = HashMap::new();
        for number in 0..seconds * options.rate {
            let name = format!("{name}-{number}");
            self.create_user(&name)?;
            commits.insert(name, Instant::now());
            thread::sleep(Duration::from_secs(1) / options.rate);
        }
        Ok(commits)
    }

    fn timed_writes(
        &self,
        options: &Options,
        seconds: u32,
        name: &str,
    ) -> Result<Vec<Duration>, Box<dyn Error>> {
        let mut times = Vec::new();
        for number in 0..seconds * options.rate {
            let began = Instant::now();
            self.create_user(&format!("{name}-{number}"))?;
            times.push(began.elapsed());
            thread::sleep(Duration::from_secs(1) / options.rate);
        }
        Ok(times)
    }
}

/// A receiver that records which user each request is about, and when it came.
struct Receiver {
    url: String,
    arrivals: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl Receiver {
    fn start() -> Result<Receiver, Box<dyn Error>> {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0")?);
        let url = format!("http://{}/", listener.local_addr()?);
        let arrivals: Arc<Mutex<Vec<(String, Instant)>>> = Arc::default();
        for _ in 0..8 {
            let (listener, arrivals) = (listener.clone(), arrivals.clone());
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let at = Instant::now();
                    if let Ok(user) = serve(stream) {
                        arrivals.lock().expect("no thread panics").push((user, at));
                    }
                }
            });
        }
        Ok(Receiver { url, arrivals })
    }

    fn arrivals(&self) -> Vec<(String, Instant)> {
        self.arrivals.lock().expect("no thread panics").clone()
    }

    fn wait_for(&self, number: usize) {
        while self.arrivals().len() < number {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn serve(mut stream: TcpStream) -> Result<String, Box<dyn Error>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
    let event: Value = serde_json::from_slice(&body)?;
    Ok(event["data"]["userName"].as_str().unwrap_or_default().to_owned())
}
