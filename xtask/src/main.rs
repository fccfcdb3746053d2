//! The contributors' commands: `cargo xtask ci` and its parts.
//!
//! Knows the workspace's layout and its tools, nothing of SCIM. It has few dependencies, so that it is built in
//! seconds.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to its terminal"
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

  ci [--no-postgres]         tidy, formatting, lints, tests on SQLite and PostgreSQL, documentation
  tidy                       the checks that need no compiling
  conformance [--write]      every requirement of the RFCs has a test or a reason; --write writes
                             docs/CONFORMANCE.md
  conformance --suites       two public test suites against the server
  postgres -- <command> ...  runs a command with a throwaway PostgreSQL, whose URL is in
                             SCIM_TEST_POSTGRES_URL
  fuzz [<seconds>]           fuzzes the filter parser and PATCH, 60 seconds a target if not told otherwise
  mutants [CRATE] [--sample N] [--seed S] [--nextest] [-- <cargo-mutants arguments>]
                             changes scim-filter, scim-patch, scim-model and scim-server (or one of them) in
                             small ways, in a copy below target/mutants, and lists the changes that no test
                             catches; --sample tries N changes, which the seed repeats
  bench filter               the filter parser beside the other ones for Rust
  bench patch                what a PATCH costs, on small groups and on large ones
  bench store [--users 10000,100000,1000000] [--sqlite-only | --postgres-only] [--keep] [--write]
                             what the operations of a store cost, by the number of users; --keep keeps
                             filled SQLite files for the next run, --write writes docs/PERFORMANCE.md
  bench list [--users 20000] [--sqlite-only | --postgres-only] [--keep]
                             what pages and scans cost, and look-ups beside scans
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
            Err(_) => Err(format!("not a number of seconds: `{seconds}`")),
        },
        ["mutants", options @ ..] => mutants::run(options),
        ["bench", name, options @ ..] => bench::run(name, options),
        ["load", options @ ..] => bench::load(options),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        [] => Err(HELP.to_owned()),
        _ => Err(format!("no such command: `{}`\n\n{HELP}", arguments.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}
