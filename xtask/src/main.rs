//! The contributors' commands: `cargo xtask ci` and its parts.
//!
//! This program knows the layout of the workspace and its tools, but nothing about SCIM. Its dependencies are
//! few and are mostly those of the server, because every check waits until this program is built.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program writes to its terminal"
)]

mod bench;
mod ci;
mod conformance;
mod earlier;
mod files;
mod fire;
mod fuzz;
mod layers;
mod mutants;
mod package;
mod postgres;
mod process;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// The contributors' commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Runs tidy, conformance, formatting, lints, tests on SQLite and PostgreSQL, documentation
    Ci {
        /// Leaves out the tests on PostgreSQL
        #[arg(long)]
        no_postgres: bool,
    },
    /// Runs the checks that compile nothing
    Tidy,
    /// Checks that every requirement of the RFCs has a test or a reason
    Conformance {
        /// Writes docs/CONFORMANCE.md
        #[arg(long)]
        write: bool,
        /// Runs two public test suites against the server instead (needs Python)
        #[arg(long, conflicts_with = "write")]
        suites: bool,
    },
    /// Runs a command with a throwaway PostgreSQL, whose URL is in SCIM_TEST_POSTGRES_URL
    Postgres {
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Fuzzes the filter parser and PATCH
    Fuzz {
        /// The time for each target, in seconds
        #[arg(default_value_t = 60)]
        seconds: u32,
    },
    /// Runs the long forms of tests that kill servers
    #[command(subcommand)]
    Fire(fire::Fire),
    /// Writes the database of a version, with data, for the tests of upgrades
    ///
    /// Needs pg_dump. Without options, the binary of this version writes `current`, after a migration was added.
    DatabaseFixture(earlier::Fixture),
    /// Replaces two instances of an earlier version on PostgreSQL, one after the other, while clients write
    RollingUpgrade(earlier::RollingUpgrade),
    /// Makes small changes to the code in a copy below target/mutants, and lists those that no test catches
    ///
    /// Needs cargo-mutants.
    Mutants(mutants::Options),
    /// Builds the Debian package and the bill of materials in target/package
    ///
    /// Needs cargo-auditable, cargo-deb and cargo-cyclonedx, and perl and make for OpenSSL.
    Package,
    /// Measures release builds
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Fills a tenant of a store, by default with a million users in scim.db
    ///
    /// Options: [--users 1000000] [--groups 1000] [--big-group 100000] [--tenant NAME] [--database-url URL]
    Load {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
}

fn main() -> ExitCode {
    use conformance::Table;

    let outcome = match Command::parse() {
        Command::Ci { no_postgres: false } => ci::run(ci::Databases::SqliteAndPostgres),
        Command::Ci { no_postgres: true } => ci::run(ci::Databases::SqliteOnly),
        Command::Tidy => tidy::run(),
        Command::Conformance { suites: true, .. } => conformance::run_suites(),
        Command::Conformance { write: true, .. } => conformance::run(Table::Write),
        Command::Conformance { .. } => conformance::run(Table::Check),
        Command::Postgres { command } => postgres::run(&command),
        Command::Fuzz { seconds } => fuzz::run(seconds),
        Command::Fire(group) => fire::run(&group),
        Command::DatabaseFixture(fixture) => earlier::write_fixture(&fixture),
        Command::RollingUpgrade(upgrade) => earlier::rolling_upgrade(&upgrade),
        Command::Mutants(options) => mutants::run(&options),
        Command::Package => package::run(),
        Command::Bench(bench) => bench::run(&bench),
        Command::Load { options } => bench::load(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}
