//! `cargo xtask bench`: measurements in release builds, each with a table.

use crate::process;

/// Runs the benches of that name.
///
/// # Errors
/// When there are none, or they fail.
pub(crate) fn run(name: &str) -> Result<(), String> {
    match name {
        "filter" => filter(),
        "patch" => patch(),
        "store" => store(),
        _ => Err(format!(
            "no such bench: `{name}`; there are `filter`, `patch` and `store`"
        )),
    }
}

/// The parsers of SCIM filters for Rust, side by side. They are a workspace of their own, so that no
/// other build has them among its dependencies.
fn filter() -> Result<(), String> {
    let folder = process::root().join("crates/scim-filter/benches/peers");
    // One of them asks for a newer compiler than it needs.
    let mut command = process::cargo(&["run", "--release", "--locked", "--ignore-rust-version"]);
    command.env("CARGO_TARGET_DIR", process::root().join("target/peers"));
    process::run(command.current_dir(folder))
}

/// What must not grow with the size of a group or a tenant, on SQLite, and on PostgreSQL under `cargo
/// xtask postgres -- cargo xtask bench store`.
fn store() -> Result<(), String> {
    example("scim-storage-diesel", "growth")
}

/// What a PATCH costs, by the size of the group and by whether its members have to be read.
fn patch() -> Result<(), String> {
    example("scim-patch", "patch_bench")
}

fn example(package: &str, name: &str) -> Result<(), String> {
    let arguments = [
        "run",
        "--release",
        "--locked",
        "--package",
        package,
        "--example",
        name,
    ];
    process::run(&mut process::cargo(&arguments))
}
