//! `cargo xtask ci`: runs the steps in order.
//!
//! A failing step does not stop the following ones. The last line says which steps failed, or which tests were left
//! out.

use std::time::Instant;

use crate::{conformance, postgres, process, tidy};

/// The databases that the tests use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Databases {
    /// Both; a PostgreSQL is started unless `SCIM_TEST_POSTGRES_URL` names one.
    SqliteAndPostgres,
    /// SQLite only: the tests on PostgreSQL are left out, and the last line says so.
    SqliteOnly,
}

type Step<'a> = &'a dyn Fn() -> Result<(), String>;

/// Runs all steps.
///
/// # Errors
/// Fails when a step failed; the message names all failed steps.
pub(crate) fn run(databases: Databases) -> Result<(), String> {
    // Clippy checks benches and examples too. `cargo test` runs without `--all-targets`, because that option leaves
    // out doc tests. All steps build the same packages with the same features, so that each dependency is compiled
    // once for its metadata (clippy, doc) and once for its code (tests).
    let steps: [(&str, Step); 6] = [
        ("tidy", &tidy::run),
        ("conformance", &|| conformance::run(conformance::Table::Check)),
        ("fmt", &|| cargo(&["fmt", "--all", "--check"], &[])),
        ("clippy", &|| {
            cargo(
                &[
                    "clippy",
                    "--locked",
                    "--workspace",
                    FEATURES,
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ],
                &[],
            )
        }),
        ("test", &|| test(databases)),
        ("doc", &|| {
            cargo(
                &["doc", "--locked", "--workspace", FEATURES, "--no-deps"],
                &[("RUSTDOCFLAGS", "-D warnings")],
            )
        }),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = step();
        let seconds = start.elapsed().as_secs();
        match outcome {
            Ok(()) => println!("== {name}: ok, {seconds} s"),
            Err(message) => {
                println!("{message}\n== {name}: FAILED, {seconds} s");
                failed.push(name);
            }
        }
    }
    println!();
    if !failed.is_empty() {
        return Err(format!("ci: failed: {}", failed.join(", ")));
    }
    match databases {
        Databases::SqliteAndPostgres => println!("ci: all steps passed"),
        Databases::SqliteOnly => {
            println!("ci: all steps passed; left out: the tests on PostgreSQL (--no-postgres)");
        }
    }
    Ok(())
}

/// Every feature except `postgres-tls`, which compiles OpenSSL and changes only a constant of our code. The suites of
/// `cargo xtask conformance --suites` build the server without features.
pub(crate) const FEATURES: &str = "--features=scim-filter/serde,scim-model/testing,scim-server/otlp";

const TEST: [&str; 5] = ["test", "--locked", "--workspace", FEATURES, "--no-fail-fast"];

fn test(databases: Databases) -> Result<(), String> {
    if databases == Databases::SqliteOnly {
        let mut command = command(&TEST, &[]);
        return process::run(command.env_remove(postgres::URL_VARIABLE));
    }
    // The tests are built first, so that the database does not wait for the compiler.
    cargo(&[&TEST[..], &["--no-run"]].concat(), &[])?;
    match postgres::provide() {
        Ok(database) => cargo(&TEST, &[(postgres::URL_VARIABLE, database.url())]),
        Err(reason) => {
            let without = cargo(&TEST, &[]);
            let failures = without.err().map_or(String::new(), |error| format!("\n{error}"));
            Err(format!("the tests on PostgreSQL did not run: {reason}{failures}"))
        }
    }
}

fn cargo(arguments: &[&str], settings: &[(&str, &str)]) -> Result<(), String> {
    process::run(&mut command(arguments, settings))
}

fn command(arguments: &[&str], settings: &[(&str, &str)]) -> std::process::Command {
    let mut command = process::cargo(arguments);
    command.envs(settings.iter().copied());
    // A machine that builds once does not need the caches of incremental compilation.
    if std::env::var_os("CI").is_some() && std::env::var_os("CARGO_INCREMENTAL").is_none() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}
