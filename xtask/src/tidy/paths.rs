//! Every file that a document names or links to exists.

use std::collections::BTreeSet;

use crate::files::File;

/// Not checked, because `cargo xtask conformance --write` writes it and it names tests, not files.
const GENERATED: &str = "docs/CONFORMANCE.md";

/// Returns a finding for each path in a document that leads to no file or folder of the project.
///
/// Checked are the targets of links, and paths in backticks that begin with a folder of the top level or of a crate.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let existing: BTreeSet<&str> = files.iter().flat_map(|file| with_folders(&file.path)).collect();
    files
        .iter()
        .filter(|file| file.path.ends_with(".md") && file.path != GENERATED)
        .flat_map(|file| {
            let links = links(&file.text).map(|target| from_top_level(&file.path, target));
            links
                .chain(mentions(&file.text))
                .filter(|path| !existing.contains(path.as_str()))
                .map(|path| {
                    format!(
                        "`{}` names `{path}`, which does not exist: correct the path",
                        file.path
                    )
                })
        })
        .collect()
}

/// Returns a path and the paths of all folders that contain it.
fn with_folders(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(folder, _)| folder))
}

/// Returns the targets of Markdown links, without anchors; links to other sites are left out.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains(':'))
}

/// Resolves the target of a link in the document.
fn from_top_level(document: &str, target: &str) -> String {
    let mut folders: Vec<&str> = document.split('/').collect();
    folders.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(folders.pop()),
            part => folders.push(part),
        }
    }
    folders.join("/")
}

/// Returns the paths in backticks, from the top level. Patterns such as `crates/*/README.md` are left out.
fn mentions(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).filter_map(|code| {
        let is_path =
            code.contains('/') && !code.contains(|c: char| c.is_whitespace() || "*<>{}$…".contains(c));
        let path = code.trim_end_matches('/');
        let first = code.split('/').next().unwrap_or_default();
        match first {
            "crates" | "docs" | "migrations" | "xtask" if is_path => Some(path.to_owned()),
            _ if is_path && first.starts_with("scim-") => Some(format!("crates/{path}")),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(document: &str) -> Vec<String> {
        check(&[
            File::new("docs/A.md", document),
            File::new("README.md", ""),
            File::new("crates/scim-a/src/lib.rs", ""),
        ])
    }

    #[test]
    fn existing_files_and_folders_may_be_named() {
        let document = "[a](../README.md#start) [b](A.md) [c](../crates/scim-a) [d](https://example.com/x) [e](#here)\n\
            `crates/scim-a/src/` `scim-a/src/lib.rs` `crates/*/README.md` `crates/<crate>/src` `scim-a::lib`";
        assert_eq!(findings(document), [""; 0]);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_found() {
        for (document, path) in [
            ("[a](B.md)", "docs/B.md"),
            ("[a](../LICENCE)", "LICENCE"),
            ("`crates/scim-a/src/main.rs`", "crates/scim-a/src/main.rs"),
            ("`scim-a/tests`", "crates/scim-a/tests"),
        ] {
            let found = findings(document);
            assert_eq!(
                found,
                [format!(
                    "`docs/A.md` names `{path}`, which does not exist: correct the path"
                )]
            );
        }
    }
}
