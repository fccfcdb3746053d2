//! Checks that the top level contains only what a newcomer should see first.

use std::collections::BTreeSet;

use crate::files::File;

/// Dotfiles are not checked, because they are for tools. `target` is not committed.
const ENTRIES: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "crates",
    "docs",
    "migrations",
    "xtask",
];

/// Returns a finding for each entry that should not be at the top level, and for each that is missing.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let found: BTreeSet<&str> = files
        .iter()
        .map(|file| {
            file.path
                .split_once('/')
                .map_or(file.path.as_str(), |(folder, _)| folder)
        })
        .collect();
    let surplus = found
        .iter()
        .filter(|name| !name.starts_with('.') && !ENTRIES.contains(name))
        .map(|name| {
            format!("`{name}` does not belong at the top level: move it to docs, crates, migrations or xtask")
        });
    let missing = ENTRIES
        .iter()
        .filter(|name| !found.contains(*name))
        .map(|name| format!("`{name}` is missing at the top level: restore it"));
    surplus.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(paths: &[&str]) -> Vec<String> {
        check(&paths.iter().map(|path| File::new(path, "")).collect::<Vec<_>>())
    }

    #[test]
    fn surplus_and_missing_entries_are_found() {
        let right = [
            "Cargo.lock",
            "Cargo.toml",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "README.md",
            "crates/a/Cargo.toml",
            "docs/A.md",
            "migrations/README.md",
            "xtask/Cargo.toml",
            ".gitignore",
            ".ci/run",
        ];
        assert_eq!(findings(&right), [""; 0]);
        assert_eq!(findings(&[&right[..], &["scripts/x.sh"]].concat()).len(), 1);
        assert_eq!(
            findings(&right[1..]),
            ["`Cargo.lock` is missing at the top level: restore it"]
        );
    }
}
