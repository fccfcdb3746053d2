//! `cargo xtask bench`: measurements of release builds. Each prints a table.

use crate::{postgres, process};

/// Runs the bench of that name.
///
/// # Errors
/// Fails when there is no such bench, or when the bench fails.
pub(crate) fn run(name: &str, options: &[&str]) -> Result<(), String> {
    match (name, options) {
        ("filter", []) => filter(),
        ("patch", []) => patch(),
        ("store", options) => store(options),
        ("list", options) => {
            let (mut command, _database) = on_databases("list", options)?;
            process::run(&mut command)
        }
        ("filter" | "patch", _) => Err(format!("`bench {name}` takes no options")),
        _ => Err(format!(
            "unknown bench `{name}`: choose `filter`, `patch`, `store` or `list`"
        )),
    }
}

/// Measures the Rust parsers of SCIM filters side by side. They are a separate workspace, so that no other build
/// depends on them.
fn filter() -> Result<(), String> {
    let folder = process::root().join("crates/scim-filter/benches/peers");
    // One of the parsers declares a newer compiler than it needs.
    let mut command = process::cargo(&["run", "--release", "--locked", "--ignore-rust-version"]);
    command.env("CARGO_TARGET_DIR", process::root().join("target/peers"));
    process::run(command.current_dir(folder))
}

/// Fills a store with the data of a large company, through the port that the server uses.
///
/// # Errors
/// Fails when the tenant is not empty, or when the store fails.
pub(crate) fn load(options: &[&str]) -> Result<(), String> {
    process::run(store_example("load").args(options))
}

/// Measures the operations of a store by the number of users. With `--write`, the tables are written to
/// docs/PERFORMANCE.md.
fn store(options: &[&str]) -> Result<(), String> {
    let (writes, options): (Vec<&str>, Vec<&str>) = options.iter().partition(|it| **it == "--write");
    let (mut command, _database) = on_databases("bench", &options)?;
    if writes.is_empty() {
        return process::run(&mut command);
    }
    let tables = process::printed(&mut command)?;
    print!("{tables}");
    let path = process::root().join("docs/PERFORMANCE.md");
    let unusable = |error: std::io::Error| format!("`{}`: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(unusable)?;
    let text = with_tables(&text, &tables).ok_or(format!(
        "`{}` lacks the lines that mark the tables",
        path.display()
    ))?;
    std::fs::write(&path, text).map_err(unusable)
}

/// Returns the command for the example, and the PostgreSQL that has to be kept until the command ends.
fn on_databases(
    command: &str,
    options: &[&str],
) -> Result<(std::process::Command, Option<postgres::Database>), String> {
    let mut command = store_example(command);
    command.args(["--folder", "target/bench-store"]);
    let database = if options.contains(&"--sqlite-only") {
        None
    } else {
        Some(postgres::provide_with(STORE_SETTINGS)?)
    };
    if let Some(database) = &database {
        command.args(["--postgres-url", database.url()]);
    }
    command.args(options);
    Ok((command, database))
}

/// PostgreSQL as in production: committed data is on the disk. Without parallel workers, so that the process of the
/// connection accounts for all processor time.
const STORE_SETTINGS: &[&str] = &[
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "max_parallel_workers_per_gather=0",
];

/// The bench writes the text between these lines of docs/PERFORMANCE.md.
const BEGINNING: &str = "<!-- cargo xtask bench store --write -->\n";
const END: &str = "<!-- end of what is written -->\n";

fn with_tables(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGINNING)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGINNING}\n{}\n\n{END}{after}", tables.trim()))
}

fn store_example(command: &str) -> std::process::Command {
    let arguments = [
        "run",
        "--release",
        "--locked",
        "--package",
        "scim-storage-diesel",
        "--example",
        "store",
        "--",
        command,
    ];
    process::cargo(&arguments)
}

/// Measures PATCH by the size of the group, and by whether the members have to be read.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tables_replace_the_old_ones() {
        let page = |tables: &str| format!("# Performance\n\n{BEGINNING}\n{tables}\n\n{END}\nMore.\n");
        assert_eq!(with_tables(&page("old"), "new\n"), Some(page("new")));
        assert_eq!(with_tables("# Performance\n", "new"), None);
    }
}
