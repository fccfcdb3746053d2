//! The contributors' commands: `cargo xtask ci` and its parts.
//!
//! This program knows the layout of the workspace and its tools, but nothing about SCIM. It has few dependencies, so
//! that it is built in seconds.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program writes to its terminal"
)]

mod bench;
mod ci;
mod conformance;
mod files;
mod fuzz;
mod layers;
mod mutants;
mod postgres;
mod process;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  ci [--no-postgres]         runs tidy, conformance, formatting, lints, tests on SQLite and PostgreSQL, documentation
  tidy                       runs the checks that need no compiling
  conformance [--write]      checks that every requirement of the RFCs has a test or a reason; --write writes
                             docs/CONFORMANCE.md
  conformance --suites       runs two public test suites against the server
  postgres -- <command> ...  runs a command with a throwaway PostgreSQL, whose URL is in
                             SCIM_TEST_POSTGRES_URL
  fuzz [<seconds>]           fuzzes the filter parser and PATCH, by default 60 seconds for each target
  mutants [CRATE] [--sample N] [--seed S] [--nextest] [-- <cargo-mutants arguments>]
                             makes small changes to the code of scim-filter, scim-patch, scim-model and
                             scim-server (or of one CRATE) in a copy below target/mutants, and lists those
                             that no test catches; --sample tries N random ones, and the same seed chooses
                             the same ones again; needs cargo-mutants
  bench filter               compares the filter parser with the other ones for Rust
  bench patch                measures PATCH on small and large groups
  bench store [--users 10000,100000,1000000] [--sqlite-only | --postgres-only] [--keep] [--write]
                             measures the operations of a store by the number of users; --keep keeps
                             filled SQLite files for the next run, --write writes docs/PERFORMANCE.md
  bench list [--users 20000] [--sqlite-only | --postgres-only] [--keep]
                             measures pages, scans, and lookups while scans run
  load [--users 1000000] [--groups 1000] [--big-group 100000] [--tenant NAME] [--database-url URL]
                             fills a tenant of a store, by default in scim.db
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["ci"] => ci::run(ci::Databases::SqliteAndPostgres),
        ["ci", "--no-postgres"] => ci::run(ci::Databases::SqliteOnly),
        ["tidy"] => tidy::run(),
        ["conformance"] => conformance::run(conformance::Table::Check),
        ["conformance", "--write"] => conformance::run(conformance::Table::Write),
        ["conformance", "--suites"] => conformance::run_suites(),
        ["postgres", "--", command @ ..] if !command.is_empty() => postgres::run(command),
        ["fuzz"] => fuzz::run(60),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(seconds),
            Err(_) => Err(format!("`{seconds}` is not a number of seconds")),
        },
        ["mutants", options @ ..] => mutants::run(options),
        ["bench", name, options @ ..] => bench::run(name, options),
        ["load", options @ ..] => bench::load(options),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        [] => Err(HELP.to_owned()),
        _ => Err(format!("unknown command: `{}`\n\n{HELP}", arguments.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}
