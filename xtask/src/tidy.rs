//! `cargo xtask tidy`: the checks that need no compiling.
//!
//! Each check is a function from what it reads to findings; a finding is a sentence that says what to do.

mod manifests;
mod migrations;
mod texts;
mod top_level;

use std::path::Path;

use crate::{files, layers, process};

/// Runs all checks.
///
/// # Errors
/// The findings, one a line.
pub(crate) fn run() -> Result<(), String> {
    println!("$ cargo xtask tidy");
    let files = project_files(&process::root())?;
    let packages = layers::packages(&metadata()?)?;
    let mut findings = layers::check(&packages);
    findings.extend(manifests::check(&files));
    findings.extend(migrations::check(&files));
    findings.extend(top_level::check(&files));
    findings.extend(texts::check(&files, &process::root().to_string_lossy()));
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

/// A file of the project: its path from the top level, with `/`, and its text when it is text.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    /// Empty for a file that is no UTF-8.
    pub(crate) text: String,
}

impl File {
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// Reads the files of the project.
fn project_files(root: &Path) -> Result<Vec<File>, String> {
    let files = files::paths(root)?.into_iter().filter_map(|path| {
        let bytes = std::fs::read(root.join(&path)).ok()?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        Some(File { path, text })
    });
    Ok(files.collect())
}

/// The workspace's packages and what their manifests ask for; `--no-deps` needs neither network nor lock.
fn metadata() -> Result<serde_json::Value, String> {
    let text = process::output(&mut process::cargo(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    serde_json::from_str(&text).map_err(|error| format!("`cargo metadata` printed no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_itself_is_listed() {
        let files = project_files(&process::root()).expect("the tests run in a clone");
        let this = files
            .iter()
            .find(|file| file.path == "xtask/src/tidy.rs")
            .expect("this file is listed");
        assert!(this.text.starts_with("//! `cargo xtask tidy`"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
