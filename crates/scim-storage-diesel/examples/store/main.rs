//! `cargo xtask load`, `cargo xtask bench store` and `bench list`: fills a store like that of a large company, and
//! measures the cost of its operations.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program prints to the terminal"
)]

mod data;
mod listing;
mod load;
mod meter;
mod operations;
mod raw;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use scim_storage_diesel::{DieselStore, StoreOptions, Synchronous};

use data::Company;
use load::{NEIGHBOUR, Plan, SEED};
use raw::Raw;
use report::{Measured, grouped};

const HELP: &str = "\
load [--database-url URL] [--users N] [--groups N] [--big-group N] [--tenant NAME]
bench --folder PATH [--postgres-url URL] [--users N,N,...] [--sqlite-only | --postgres-only]
      [--only TEXT] [--keep]
list --folder PATH [--postgres-url URL] [--users N] [--sqlite-only | --postgres-only] [--keep]
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, rest)) if command == "load" => Arguments::parse(rest).and_then(|it| load(&it)),
        Some((command, rest)) if command == "bench" => Arguments::parse(rest).and_then(|it| bench(&it)),
        Some((command, rest)) if command == "list" => Arguments::parse(rest).and_then(|it| list(&it)),
        _ => Err(HELP.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    database_url: String,
    users: Vec<u64>,
    groups: u64,
    big_group: u64,
    tenant: String,
    folder: Option<PathBuf>,
    postgres_url: Option<String>,
    sqlite: bool,
    postgres: bool,
    only: Option<String>,
    keep: bool,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Result<Arguments, String> {
        let mut parsed = Arguments {
            database_url: "sqlite:scim.db".to_owned(),
            users: Vec::new(),
            groups: 1_000,
            big_group: 100_000,
            tenant: "large".to_owned(),
            folder: None,
            postgres_url: None,
            sqlite: true,
            postgres: true,
            only: None,
            keep: false,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("`{name}` requires a value"));
            let number = |text: &str| {
                text.replace('_', "")
                    .parse::<u64>()
                    .map_err(|_| format!("`{name}` requires a number, not `{text}`"))
            };
            match name.as_str() {
                "--database-url" => parsed.database_url.clone_from(value()?),
                "--users" => parsed.users = value()?.split(',').map(number).collect::<Result<_, _>>()?,
                "--groups" => parsed.groups = number(value()?)?,
                "--big-group" => parsed.big_group = number(value()?)?,
                "--tenant" => parsed.tenant.clone_from(value()?),
                "--folder" => parsed.folder = Some(value()?.into()),
                "--postgres-url" => parsed.postgres_url = Some(value()?.clone()),
                "--sqlite-only" => parsed.postgres = false,
                "--postgres-only" => parsed.sqlite = false,
                "--only" => parsed.only = Some(value()?.clone()),
                "--keep" => parsed.keep = true,
                other => return Err(format!("unknown option `{other}`\n\n{HELP}")),
            }
        }
        Ok(parsed)
    }

    /// Calls `work` for each kind of database that the arguments select.
    fn on_each(&self, work: &mut dyn FnMut(&LocationOf) -> Result<(), String>) -> Result<(), String> {
        let folder = self.folder.as_ref().ok_or("`--folder` is missing")?;
        std::fs::create_dir_all(folder).map_err(|it| format!("`{}`: {it}", folder.display()))?;
        if self.sqlite {
            work(&|name| Location::Sqlite(folder.join(format!("{name}.db"))))?;
        }
        if let (true, Some(server)) = (self.postgres, &self.postgres_url) {
            work(&|name| Location::Postgres {
                server: server.clone(),
                name: format!("scim_bench_{name}"),
            })?;
        }
        Ok(())
    }

    fn plan(&self, url: &str, users: u64) -> Plan {
        Plan {
            tenant: self.tenant.clone(),
            users,
            groups: self.groups,
            big_group: self.big_group.min(users),
            // Eight connections to PostgreSQL are enough. SQLite combines the waiting writes into one commit.
            threads: if url.starts_with("sqlite:") { 32 } else { 8 },
        }
    }
}

fn load(arguments: &Arguments) -> Result<(), String> {
    let users = match arguments.users.as_slice() {
        [] => 1_000_000,
        [users] => *users,
        _ => return Err("`--users` needs one number".to_owned()),
    };
    let url = &arguments.database_url;
    let start = Instant::now();
    load::fill(&open_to_fill(url)?, &arguments.plan(url, users))?;
    eprintln!(
        "filled tenant `{}` in {} s",
        arguments.tenant,
        start.elapsed().as_secs()
    );
    Ok(())
}

fn bench(arguments: &Arguments) -> Result<(), String> {
    let sizes = match arguments.users.as_slice() {
        [] => &[10_000, 100_000][..],
        sizes => sizes,
    };
    let mut stores = Vec::new();
    for users in sizes {
        arguments.on_each(&mut |location| {
            let (large, alone) = (location(&users.to_string()), location("alone"));
            let filled = Filled::prepare(arguments, *users, &large)?;
            stores.push((*users, large, alone, filled));
            Ok(())
        })?;
    }
    let mut all: Vec<Measured> = Vec::new();
    for pass in 0..PASSES {
        for (number, (users, _, alone, filled)) in stores.iter().enumerate() {
            eprintln!(
                "{}, {} users, pass {}",
                filled.database,
                grouped(*users),
                pass + 1
            );
            let measured = measure(arguments, *users, filled, alone)?;
            match all.get_mut(number) {
                Some(before) => before.keep_cheapest(measured),
                None => all.push(measured),
            }
        }
    }
    if !arguments.keep {
        stores.iter().try_for_each(|(_, large, ..)| large.delete())?;
    }
    print!("{}", report::markdown(&all));
    Ok(())
}

fn list(arguments: &Arguments) -> Result<(), String> {
    let users = match arguments.users.as_slice() {
        [] => 20_000,
        [users] => *users,
        _ => return Err("`--users` needs one number".to_owned()),
    };
    let mut all = Vec::new();
    arguments.on_each(&mut |location| {
        let large = location(&users.to_string());
        let filled = Filled::prepare(arguments, users, &large)?;
        let options = StoreOptions {
            // One tenant may run two of three scans, as many as all tenants together by default.
            max_scans: 3,
            ..StoreOptions::default()
        };
        let store = DieselStore::open(&filled.url, &options).map_err(|it| it.to_string())?;
        let tenant = load::tenant(&store, &filled.plan.tenant)?;
        all.push(listing::measure(
            filled.database,
            &store,
            &filled.url,
            tenant,
            users,
        )?);
        drop(store);
        if arguments.keep { Ok(()) } else { large.delete() }
    })?;
    print!("{}", listing::markdown(users, &all));
    Ok(())
}

/// Returns the location of the database of a name.
type LocationOf<'a> = dyn Fn(&str) -> Location + 'a;

/// The location of a database.
enum Location {
    Sqlite(PathBuf),
    Postgres { server: String, name: String },
}

impl Location {
    /// Returns the URL of the database, which is created if it does not exist.
    fn url(&self) -> Result<String, String> {
        match self {
            Location::Sqlite(path) => Ok(format!("sqlite:{}", path.display())),
            Location::Postgres { server, name } => {
                // The statement fails if the database exists, which is fine.
                let _ = Raw::open(server)?.run(&format!(
                    "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
                ));
                let (before, _) = server.rsplit_once('/').ok_or("the URL names no database")?;
                Ok(format!("{before}/{name}"))
            }
        }
    }

    fn delete(&self) -> Result<(), String> {
        match self {
            Location::Sqlite(path) => {
                for suffix in ["", "-wal", "-shm", ".lock"] {
                    let mut name = path.as_os_str().to_owned();
                    name.push(suffix);
                    // Not every file exists.
                    let _ = std::fs::remove_file(name);
                }
                Ok(())
            }
            Location::Postgres { server, name } => {
                Raw::open(server)?.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            }
        }
    }
}

/// The number of passes over all stores. The speed of a shared machine varies over time, and several passes let all
/// compared stores meet the same conditions.
const PASSES: usize = 3;

/// Measures a filled database.
fn measure(arguments: &Arguments, users: u64, filled: &Filled, alone: &Location) -> Result<Measured, String> {
    let Filled {
        database,
        url,
        plan,
        rate,
    } = filled;
    let store = open(url, Synchronous::Full)?;
    let tenant = load::tenant(&store, &plan.tenant)?;
    let figures = operations::all(
        &store,
        url,
        tenant,
        plan.users,
        plan.groups,
        arguments.only.as_deref(),
    )?;
    drop(store);
    let size = Raw::open(url)?.size()?;

    alone.delete()?;
    let url = alone.url()?;
    let store = open(&url, Synchronous::Full)?;
    let tenant = load::fill_small(&store, NEIGHBOUR.0, NEIGHBOUR.1, 1)?;
    settle(&url)?;
    let alone_figures = operations::alone(&store, &url, tenant)?;
    drop(store);
    alone.delete()?;
    Ok(Measured {
        database,
        users,
        figures,
        alone: alone_figures.first().map(|(_, it)| it.cpu),
        size,
        filled: *rate,
    })
}

/// A database that has been filled according to its plan.
struct Filled {
    database: &'static str,
    url: String,
    plan: Plan,
    /// Users created per second; `None` when the database was already filled.
    rate: Option<f64>,
}

impl Filled {
    fn prepare(arguments: &Arguments, users: u64, location: &Location) -> Result<Filled, String> {
        let url = location.url()?;
        let database = if url.starts_with("sqlite:") {
            "SQLite"
        } else {
            "PostgreSQL"
        };
        eprintln!("{database}, {} users", grouped(users));
        let plan = arguments.plan(&url, users);
        let mut rate = None;
        if !is_complete(&url, &plan)? {
            location.delete()?;
            let start = Instant::now();
            load::fill(&open_to_fill(&location.url()?)?, &plan)?;
            rate = Some(users as f64 / start.elapsed().as_secs_f64());
        }
        settle(&url)?;
        Ok(Filled {
            database,
            url,
            plan,
            rate,
        })
    }
}

fn is_complete(url: &str, plan: &Plan) -> Result<bool, String> {
    let store = open(url, Synchronous::Full)?;
    let tenant = load::tenant(&store, &plan.tenant)?;
    Ok(load::count(&store, tenant, &Company::new(SEED))? == (plan.users, plan.groups))
}

/// Runs the maintenance that the databases would otherwise do on their own at some later time.
fn settle(url: &str) -> Result<(), String> {
    let mut raw = Raw::open(url)?;
    if url.starts_with("sqlite:") {
        raw.run("PRAGMA wal_checkpoint(TRUNCATE)")
    } else {
        raw.run("VACUUM ANALYZE")?;
        raw.run("CHECKPOINT")
    }
}

fn open(url: &str, synchronous: Synchronous) -> Result<DieselStore, String> {
    let options = StoreOptions {
        synchronous,
        // Long scans are measured, not aborted.
        scan_timeout: Duration::from_secs(600),
        ..StoreOptions::default()
    };
    DieselStore::open(url, &options).map_err(|it| it.to_string())
}

/// Opens a store that does not wait for the disk at commits. Data that a power failure destroys can be filled again.
fn open_to_fill(url: &str) -> Result<DieselStore, String> {
    if url.starts_with("sqlite:") {
        return open(url, Synchronous::Normal);
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    open(
        &format!("{url}{separator}options=-c%20synchronous_commit%3Doff"),
        Synchronous::Full,
    )
}
