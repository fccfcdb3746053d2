//! `cargo xtask package`: the Debian package, the binary in it, and the software bill of materials, in `target/package`.
//!
//! Three cargo subcommands do the work. Only releases need them, not builds or tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process;

/// The tools, with the versions that are known to work.
const TOOLS: [(&str, &str); 3] = [("auditable", "0.7.7"), ("deb", "3.8.0"), ("cyclonedx", "0.5.9")];

const PACKAGE: &str = "scim-server";

/// The additional features of packages: TLS to PostgreSQL, and traces.
const FEATURES: &str = "postgres-tls,otlp";

/// Builds everything.
///
/// # Errors
/// Fails when a tool is missing, with the command that installs it, or when a step fails.
pub(crate) fn run() -> Result<(), String> {
    let missing: Vec<String> = TOOLS
        .iter()
        .filter(|(name, _)| process::output(process::cargo(&[name]).arg("--version")).is_err())
        .map(|(name, version)| format!("cargo install --locked cargo-{name}@{version}"))
        .collect();
    if !missing.is_empty() {
        return Err(format!("install the missing tools:\n{}", missing.join("\n")));
    }
    let root = process::root();
    let target = root.join("target/package");
    fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    // Embeds the list of dependencies in the binary.
    process::run(&mut process::cargo(&[
        "auditable",
        "build",
        "--release",
        "--locked",
        "--package",
        PACKAGE,
        "--features",
        FEATURES,
    ]))?;
    let binary = root.join("target/release").join(PACKAGE);
    check(&binary)?;
    copy(&binary, &target.join(PACKAGE))?;
    write_files(&binary, &target.join("files"))?;
    let deb = ["deb", "--package", PACKAGE, "--no-build", "--locked", "--output"];
    process::run(process::cargo(&deb).arg(&target))?;
    process::run(&mut process::cargo(&[
        "cyclonedx",
        "--manifest-path",
        "crates/scim-server/Cargo.toml",
        "--format",
        "json",
        "--features",
        FEATURES,
        "--spec-version",
        "1.5",
        "--override-filename",
        SBOM,
    ]))?;
    // The tool writes a file next to each manifest of the workspace.
    for folder in ["crates", "."] {
        take_boms(&root.join(folder), &target)?;
    }
    println!("\n{}:", target.display());
    process::run(Command::new("ls").arg("-l").arg(&target))
}

/// The name of the bill of materials without `.json`.
const SBOM: &str = "scim-server.cdx";

/// Checks that the binary starts, and has the features of packages.
fn check(binary: &Path) -> Result<(), String> {
    let version = process::output(Command::new(binary).arg("--version"))?;
    println!("{}", version.trim());
    Ok(())
}

/// Writes the files that the binary makes: the manual page and the completions of shells.
fn write_files(binary: &Path, folder: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    for (name, arguments) in [
        ("scim-server.1", &["manual"][..]),
        ("scim-server", &["completions", "bash"]),
        ("_scim-server", &["completions", "zsh"]),
        ("scim-server.fish", &["completions", "fish"]),
    ] {
        let text = process::output(Command::new(binary).args(arguments))?;
        fs::write(folder.join(name), text).map_err(failed)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

/// Moves the bill of materials of the server to the target folder, and deletes those of the other crates.
fn take_boms(folder: &Path, target: &Path) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let bom = entry.path().join(format!("{SBOM}.json"));
        if !bom.is_file() {
            continue;
        }
        if entry.file_name() == PACKAGE {
            copy(&bom, &target.join(format!("{SBOM}.json")))?;
        }
        fs::remove_file(&bom).map_err(|error| format!("{}: {error}", bom.display()))?;
    }
    Ok(())
}
