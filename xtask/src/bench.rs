//! `cargo xtask bench`: measurements of release builds. Each prints a table.

mod http;

use std::process::Command;

use crate::{postgres, process};

/// The benches.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// Compares the filter parser with other Rust parsers of SCIM filters
    Filter,
    /// Measures PATCH on small and large groups
    Patch,
    /// Measures the processor time of the server for HTTP requests, and compares several binaries
    Http(http::Options),
    /// Measures the latency of a tenant, alone and while another tenant floods the server
    Fairness(http::fairness::Options),
    /// Measures pages of the feed at the start, in the middle and at the end of a million journal entries
    Feed,
    /// Measures the time from a commit to the requests of webhooks, and the cost that endpoints add to a write
    ///
    /// Options: [--endpoints 50] [--rate 10] [--seconds 20].
    Webhooks {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Measures the operations of a store by the number of users
    ///
    /// Options: [--users 10000,100000] [--sqlite-only | --postgres-only] [--keep] [--only TEXT] [--write].
    /// --keep keeps filled SQLite files for the next run, --only measures the operations whose name contains TEXT, and
    /// --write writes docs/performance/store.md.
    Store {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
}

/// Runs a bench.
///
/// # Errors
/// Fails when the bench fails.
pub(crate) fn run(bench: &Bench) -> Result<(), String> {
    match bench {
        Bench::Filter => filter(),
        Bench::Patch => process::run(&mut example("scim-patch", "patch_bench")),
        Bench::Http(options) => http::run(options),
        Bench::Fairness(options) => http::fairness::run(options),
        Bench::Feed => on_each_database("feed_bench", &[]),
        Bench::Webhooks { options } => on_each_database("webhook_bench", options),
        Bench::Store { options } => store(options),
    }
}

/// Measures the Rust parsers of SCIM filters side by side. They are a separate workspace, so that no other build
/// depends on them.
fn filter() -> Result<(), String> {
    let folder = process::root().join("crates/scim-filter/benches/peers");
    // One of the parsers declares a newer compiler version than it needs.
    let mut command = process::cargo(&["run", "--release", "--locked", "--ignore-rust-version"]);
    command.env("CARGO_TARGET_DIR", process::root().join("target/peers"));
    process::run(command.current_dir(folder))
}

/// Runs an example of scim-server on an empty database of each kind.
fn on_each_database(name: &str, options: &[String]) -> Result<(), String> {
    let folder = process::root().join("target").join(name);
    // A filled database of an earlier run would distort the result.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let database = postgres::provide_with(STORE_SETTINGS)?;
    let sqlite = format!("sqlite:{}", folder.join("scim.db").display());
    for url in [&sqlite, database.url()] {
        let mut bench = example("scim-server", name);
        process::run(bench.args(["--", "--database-url", url]).args(options))?;
    }
    std::fs::remove_dir_all(&folder).map_err(|error| format!("`{}`: {error}", folder.display()))
}

/// Fills a store with the data of a large company, through the port that the server uses.
///
/// # Errors
/// Fails when the tenant is not empty, or when the store fails.
pub(crate) fn load(options: &[String]) -> Result<(), String> {
    process::run(store_example("load").args(options))
}

/// Measures the operations of a store by the number of users. With `--write`, the report is written to
/// docs/performance/store.md.
fn store(options: &[String]) -> Result<(), String> {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (writes, options): (Vec<&str>, Vec<&str>) = options.iter().partition(|it| **it == "--write");
    let mut command = store_example("bench");
    command.args(["--folder", "target/bench-store"]).args(&options);
    // The server runs until the bench ends.
    let database = if options.contains(&"--sqlite-only") {
        None
    } else {
        Some(postgres::provide_with(STORE_SETTINGS)?)
    };
    if let Some(database) = &database {
        command.args(["--postgres-url", database.url()]);
    }
    if writes.is_empty() {
        return process::run(&mut command);
    }
    let git = ["describe", "--always", "--dirty", "--abbrev=7"];
    let commit = process::output(Command::new("git").args(git).current_dir(process::root()))?;
    let tables = process::printed(&mut command)?;
    print!("{tables}");
    let date = process::output(Command::new("date").args(["-u", "+%F"]))?;
    let command = [&["cargo xtask bench store"], options.as_slice()]
        .concat()
        .join(" ");
    let text = format!(
        "# The store\n\n`{command}` wrote this file on {} at commit {}. [PERFORMANCE.md](../PERFORMANCE.md) describes \
         the method.\n\n{}\n",
        date.trim(),
        commit.trim(),
        tables.trim()
    );
    std::fs::write(process::root().join(STORE_REPORT), text)
        .map_err(|error| format!("`{STORE_REPORT}`: {error}"))
}

const STORE_REPORT: &str = "docs/performance/store.md";

/// PostgreSQL as in production: committed data is on the disk. Without parallel workers, so that the process of the
/// connection accounts for all processor time.
const STORE_SETTINGS: &[&str] = &[
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "max_parallel_workers_per_gather=0",
];

fn store_example(command: &str) -> Command {
    let mut example = example("scim-storage-diesel", "store");
    example.args(["--", command]);
    example
}

fn example(package: &str, name: &str) -> Command {
    process::cargo(&[
        "run",
        "--release",
        "--locked",
        "--package",
        package,
        "--example",
        name,
    ])
}
