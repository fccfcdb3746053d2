//! Checks that every file that a document names or links to exists.

use std::collections::BTreeSet;

use crate::files::File;

/// Not checked, because `cargo xtask conformance --write` writes it and it names tests, not files.
const GENERATED: &str = "docs/CONFORMANCE.md";

/// Returns a finding for each path in a document that leads to no file or folder of the project.
///
/// The check covers the targets of links, and two kinds of paths in backticks: those that begin with a folder of the
/// top level or of a crate, and the ends of paths to source files, such as `http/error.rs`.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let existing: BTreeSet<&str> = files.iter().flat_map(|file| with_folders(&file.path)).collect();
    let is_end = |path: &str| files.iter().any(|it| it.path.ends_with(&format!("/{path}")));
    files
        .iter()
        .filter(|file| file.path.ends_with(".md") && file.path != GENERATED)
        .flat_map(|file| {
            let links = links(&file.text).map(|target| from_top_level(&file.path, target));
            links
                .chain(mentions(&file.text))
                .filter(|path| !existing.contains(path.as_str()))
                .chain(ends(&file.text).filter(|path| !is_end(path)))
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

/// Returns the paths in backticks that begin at the top level or with the name of a crate, all from the top level.
fn mentions(text: &str) -> impl Iterator<Item = String> {
    paths(text).filter_map(whole)
}

/// Returns the other paths of source files in backticks.
fn ends(text: &str) -> impl Iterator<Item = String> {
    let is_end = |it: &&str| it.ends_with(".rs") && whole(it).is_none();
    paths(text).filter(is_end).map(str::to_owned)
}

/// Returns the paths in backticks. Patterns such as `crates/*/README.md` are left out.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|code| {
        code.contains('/') && !code.contains(|c: char| c.is_whitespace() || "*<>{}$…".contains(c))
    })
}

fn whole(code: &str) -> Option<String> {
    let path = code.trim_end_matches('/');
    match code.split('/').next()? {
        "crates" | "docs" | "migrations" | "xtask" => Some(path.to_owned()),
        first if first.starts_with("scim-") => Some(format!("crates/{path}")),
        _ => None,
    }
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
            `crates/scim-a/src/` `scim-a/src/lib.rs` `crates/*/README.md` `crates/<crate>/src` `scim-a::lib` \
            `src/lib.rs` `lib.rs` `utils.rs`";
        assert_eq!(findings(document), [""; 0]);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_found() {
        for (document, path) in [
            ("[a](B.md)", "docs/B.md"),
            ("[a](../LICENCE)", "LICENCE"),
            ("`crates/scim-a/src/main.rs`", "crates/scim-a/src/main.rs"),
            ("`scim-a/tests`", "crates/scim-a/tests"),
            ("`http/lib.rs`", "http/lib.rs"),
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
