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
    // CI often checks out as another user than it builds.
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
