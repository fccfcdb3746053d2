//! `cargo xtask fire`: long forms of tests that kill and starve the server. Their short forms run with `cargo xtask ci`.

use crate::{postgres, process};

/// The groups of tests.
#[derive(clap::Subcommand)]
pub(crate) enum Fire {
    /// Writers change tenants while servers and readers are killed; each change has to reach each reader
    Delivery {
        /// The number of changes
        #[arg(long, default_value_t = 100_000)]
        changes: u32,
    },
}

/// Runs the tests of a group on SQLite and PostgreSQL, one after the other, with a release build.
///
/// # Errors
/// Fails when no PostgreSQL can be provided, or when a test fails.
pub(crate) fn run(group: &Fire) -> Result<(), String> {
    match group {
        Fire::Delivery { changes } => {
            server_tests("fire_delivery::", ("SCIM_FIRE_CHANGES", &changes.to_string()))
        }
    }
}

/// Runs tests of scim-server whose size an environment variable sets.
fn server_tests(filter: &str, (variable, size): (&str, &str)) -> Result<(), String> {
    let package = ["--package", "scim-server", "--features", "scim-model/testing"];
    let test = [
        &["test", "--release", "--locked"],
        &package[..],
        &["--test", "it"],
    ]
    .concat();
    // The test is built first, so that the database does not wait for the compiler.
    process::run(&mut process::cargo(&[&test[..], &["--no-run"]].concat()))?;
    let database = postgres::provide()?;
    let one_by_one = [&test[..], &["--", filter, "--nocapture", "--test-threads", "1"]].concat();
    let mut command = process::cargo(&one_by_one);
    process::run(
        command
            .env(variable, size)
            .env(postgres::URL_VARIABLE, database.url()),
    )
}
