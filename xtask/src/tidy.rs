//! `cargo xtask tidy`: the checks that compile nothing.
//!
//! Each check is a function that returns findings. A finding is a message that says what to do.

pub(crate) mod cycles;
mod decisions;
mod hashes;
mod manifests;
mod migrations;
mod packages;
mod paths;
mod sizes;
pub(crate) mod source;
mod texts;
mod top_level;

use self::source::Source;
use crate::{files, layers, process};

/// Runs all checks.
///
/// # Errors
/// Returns the findings, one per line.
pub(crate) fn run() -> Result<(), String> {
    println!("$ cargo xtask tidy");
    let files = files::read(&process::root())?;
    let metadata = metadata()?;
    let mut findings = layers::check(&layers::packages(&metadata)?);
    findings.extend(packages::check(&metadata, &process::root(), &files));
    findings.extend(manifests::check(&files));
    findings.extend(migrations::check(&files));
    findings.extend(top_level::check(&files));
    findings.extend(decisions::check(&files));
    findings.extend(paths::check(&files));
    findings.extend(texts::check(&files, &process::root().to_string_lossy()));
    match Source::all(&files) {
        Ok(sources) => {
            findings.extend(sizes::check(&sources));
            findings.extend(cycles::check(&sources));
            findings.extend(hashes::check(&sources));
            findings.extend(layers::modules::check(&cycles::uses(&sources)));
        }
        Err(finding) => findings.push(finding),
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing to do", files.len());
        return Ok(());
    }
    Err(findings
        .iter()
        .map(|finding| format!("tidy: {finding}"))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// Returns the packages of the workspace with their manifests. `--no-deps` needs neither network nor lock file.
fn metadata() -> Result<serde_json::Value, String> {
    let text = process::output(&mut process::cargo(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    serde_json::from_str(&text).map_err(|error| format!("`cargo metadata` printed no JSON: {error}"))
}
