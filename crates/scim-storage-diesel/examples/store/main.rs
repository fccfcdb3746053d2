//! `cargo xtask load` fills a store like that of a large company, and `cargo xtask bench store` measures the cost of
//! its operations.
//!
//! Start with `operations.rs`, the table of operations with their limits and goals. `meter.rs` measures one of them,
//! and `report.rs` prints the results.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints to the terminal"
)]

mod bench;
mod data;
mod database;
mod fill;
mod meter;
mod operations;
mod report;
mod requests;
#[path = "../../src/schema.rs"]
mod schema;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use bench::Bench;
use database::Database;
use fill::Plan;
use report::{Measured, grouped};

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
enum Command {
    /// Fills a tenant of a store.
    Load {
        #[arg(long, default_value = "sqlite:scim.db")]
        database_url: String,
        #[command(flatten)]
        plan: Plan,
    },
    /// Measures the operations of a store by the number of users.
    Bench(Options),
}

#[derive(Parser)]
struct Options {
    /// The folder of the SQLite files.
    #[arg(long)]
    folder: PathBuf,
    /// A PostgreSQL database. The bench creates others on the same server.
    #[arg(long)]
    postgres_url: Option<String>,
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    users: Vec<u64>,
    #[arg(long, conflicts_with = "postgres_only")]
    sqlite_only: bool,
    #[arg(long)]
    postgres_only: bool,
    /// Measures only operations whose name contains this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Keeps the filled databases for the next run.
    #[arg(long)]
    keep: bool,
}

/// The number of passes over all stores. The speed of a shared machine varies over time, and several passes let all
/// compared stores meet the same conditions.
const PASSES: usize = 3;

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Load { database_url, plan } => fill::fill(&Database::at(database_url), &plan).map(drop),
        Command::Bench(options) => bench(&options),
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn bench(options: &Options) -> Outcome<()> {
    std::fs::create_dir_all(&options.folder)?;
    let mut stores = Vec::new();
    for users in &options.users {
        if !options.postgres_only {
            stores.push(prepare(Database::sqlite(&options.folder, *users), *users)?);
        }
        if let (false, Some(server)) = (options.sqlite_only, &options.postgres_url) {
            stores.push(prepare(Database::postgres(server, *users), *users)?);
        }
    }
    for pass in 1..=PASSES {
        for (database, plan, measured) in &mut stores {
            eprintln!("{}, {} users, pass {pass}", measured.engine, grouped(plan.users));
            let bench = Bench::open(database, plan)?;
            let mut operations = operations::all(&bench)?;
            for operations in operations.chunk_by_mut(|_, next| next.reverts) {
                if operations.iter().any(|it| it.row.name.contains(&options.only)) {
                    let figures = meter::measure(&bench, operations);
                    for (operation, figure) in operations.iter().zip(figures) {
                        measured.add(&operation.row, figure);
                    }
                }
            }
            drop(operations);
            bench.close()?;
        }
    }
    let (databases, measured): (Vec<_>, Vec<_>) =
        stores.into_iter().map(|(it, _, figures)| (it, figures)).unzip();
    print!("{}", report::markdown(&measured));
    if !options.keep {
        databases.iter().try_for_each(Database::delete)?;
    }
    Ok(())
}

/// Fills a database with the default plan for this number of users, unless an earlier run has kept it.
fn prepare(database: Database, users: u64) -> Outcome<(Database, Plan, Measured)> {
    let engine = database.engine();
    eprintln!("{engine}, {} users", grouped(users));
    let plan = Plan::large(users);
    let mut filled = None;
    if !fill::is_complete(&database, &plan).unwrap_or(false) {
        database.delete()?;
        database.create()?;
        filled = Some(fill::fill(&database, &plan)?);
    }
    database.settle()?;
    let measured = Measured {
        engine,
        users,
        rows: Vec::new(),
        size: database.size()?,
        filled,
    };
    Ok((database, plan, measured))
}
