//! The files of the project, as git knows them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::process;

/// Returns the sorted paths of all files that are committed or that `git add --all` would add.
///
/// # Errors
/// Fails outside a git clone.
pub(crate) fn paths(root: &Path) -> Result<Vec<String>, String> {
    let mut git = Command::new("git");
    // In CI, the checkout often belongs to another user than the one who builds.
    git.args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listing = process::output(git.current_dir(root).stdin(Stdio::null()))
        .map_err(|error| format!("the files are listed by git: run this in a clone: {error}"))?;
    let mut paths: Vec<String> = listing
        .split('\0')
        // A deleted file is listed until its deletion is staged.
        .filter(|path| !path.is_empty() && root.join(path).is_file())
        .map(str::to_owned)
        .collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

/// A file of the project: its path from the top level, with `/`, and its text when it is text.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    /// Empty for a file that is not UTF-8.
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
///
/// # Errors
/// Fails outside a git clone.
pub(crate) fn read(root: &Path) -> Result<Vec<File>, String> {
    let files = paths(root)?.into_iter().filter_map(|path| {
        let bytes = std::fs::read(root.join(&path)).ok()?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        Some(File { path, text })
    });
    Ok(files.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_itself_is_listed() {
        let files = read(&process::root()).expect("the tests run in a clone");
        let this = files
            .iter()
            .find(|file| file.path == "xtask/src/files.rs")
            .expect("this file is listed");
        assert!(this.text.starts_with("//! The files of the project"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
