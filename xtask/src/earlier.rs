//! `cargo xtask database-fixture` and `cargo xtask rolling-upgrade`, which use binaries of earlier versions.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{ci, postgres, process};

/// The database that a version writes.
#[derive(clap::Args)]
pub(crate) struct Fixture {
    /// The folder of the database. `current` is that of this version, and is kept as `previous` if it lacks migrations
    #[arg(default_value = "current")]
    name: String,
    /// The commit whose binary writes the database, instead of this one
    #[arg(long, value_name = "COMMIT")]
    from: Option<String>,
}

/// The upgrade of two instances, one after the other.
#[derive(clap::Args)]
pub(crate) struct RollingUpgrade {
    /// The commit whose binary serves first
    #[arg(long, value_name = "COMMIT")]
    from: String,
    /// The rounds of each client between two replacements, of about eight requests each
    #[arg(long, default_value_t = 100, value_name = "N")]
    rounds: u32,
}

/// Writes a database into `crates/scim-server/tests/fixtures/databases`.
///
/// # Errors
/// Fails when the binary cannot be built, when no PostgreSQL or `pg_dump` is found, or when the database cannot be written.
pub(crate) fn write_fixture(fixture: &Fixture) -> Result<(), String> {
    let mut settings = vec![("SCIM_WRITE_DATABASE", fixture.name.clone().into())];
    if let Some(commit) = &fixture.from {
        settings.push(("SCIM_WRITE_DATABASE_WITH", binary(commit)?.into_os_string()));
    }
    server_test("upgrade::the_current_database", &settings)
}

/// Replaces two instances of an earlier version, one after the other, while clients write.
///
/// # Errors
/// Fails when a binary cannot be built, when no PostgreSQL is found, or when a request fails.
pub(crate) fn rolling_upgrade(upgrade: &RollingUpgrade) -> Result<(), String> {
    let settings = [
        (
            "SCIM_ROLLING_UPGRADE_FROM",
            binary(&upgrade.from)?.into_os_string(),
        ),
        ("SCIM_ROLLING_UPGRADE_ROUNDS", upgrade.rounds.to_string().into()),
    ];
    server_test("upgrade::rolling", &settings)
}

/// Runs a test of scim-server with a PostgreSQL, whose programs are on the `PATH`.
fn server_test(filter: &str, settings: &[(&str, OsString)]) -> Result<(), String> {
    // The packages and features of `ci`, so that nothing is compiled twice. Only scim-server has tests with these names.
    let test = ["test", "--locked", "--workspace", ci::FEATURES, "--tests"];
    process::run(&mut process::cargo(&[&test[..], &["--no-run"]].concat()))?;
    let programs = postgres::programs()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([programs]);
    let path = std::env::join_paths(folders).map_err(|error| error.to_string())?;
    let database = postgres::provide()?;
    let mut command = process::cargo(&[&test[..], &["--", filter, "--nocapture"]].concat());
    process::run(
        command
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("PATH", path)
            .env(postgres::URL_VARIABLE, database.url()),
    )
}

/// Returns the binary of a commit, which is built in `target/earlier` at the first call.
fn binary(commit: &str) -> Result<PathBuf, String> {
    let id = format!("{commit}^{{commit}}");
    let id = process::output(&mut git(&["rev-parse", "--verify", "--short=12", &id]))?;
    let folder = process::root().join("target/earlier");
    let binary = folder.join(format!("scim-server-{}", id.trim()));
    if binary.is_file() {
        return Ok(binary);
    }
    let source = folder.join("source");
    // An interrupted call may have left it.
    remove_worktree(&source);
    process::run(git(&["worktree", "add", "--detach"]).arg(&source).arg(id.trim()))?;
    let target = folder.join("target");
    let mut build = process::cargo(&[
        "build",
        "--locked",
        "--package",
        "scim-server",
        "--bin",
        "scim-server",
    ]);
    let built = process::run(build.current_dir(&source).env("CARGO_TARGET_DIR", &target));
    remove_worktree(&source);
    built?;
    let copied = std::fs::copy(target.join("debug/scim-server"), &binary);
    copied.map_err(|error| format!("`{}` cannot be written: {error}", binary.display()))?;
    Ok(binary)
}

fn git(arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(process::root());
    git
}

fn remove_worktree(folder: &Path) {
    // There is none, usually.
    let _ = process::output(git(&["worktree", "remove", "--force"]).arg(folder));
    let _ = process::output(&mut git(&["worktree", "prune"]));
}
