//! Finds the tests of the workspace in its sources, with their paths and the requirements that they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A function that `cargo test` runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestFn {
    /// The crate, the modules that are files, and the name: `scim-model::condition::r7644_3_4_2_2_14_and_or_not`.
    /// `tests/it/` and modules inside a file are left out.
    pub(crate) path: String,
    /// Ids of requirements in its documentation.
    pub(crate) ids: BTreeSet<String>,
}

impl TestFn {
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or(&self.path)
    }
}

/// Returns all tests of the workspace, sorted by path.
///
/// # Errors
/// Fails when a file cannot be read, or when no module declares it, so that its tests never run.
pub(crate) fn in_workspace(root: &Path) -> Result<Vec<TestFn>, String> {
    let mut found = Vec::new();
    for crate_folder in entries(&root.join("crates"))? {
        let name = crate_folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for (folder, entry_files) in [("src", &["lib.rs", "main.rs"][..]), ("tests/it", &["main.rs"])] {
            let folder = crate_folder.join(folder);
            if folder.is_dir() {
                in_folder(&folder, &name, entry_files, &mut found)?;
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Reads the files of a folder. The files named in `declaring` declare its modules.
fn in_folder(folder: &Path, module: &str, declaring: &[&str], found: &mut Vec<TestFn>) -> Result<(), String> {
    let declarations: String = declaring
        .iter()
        .filter_map(|it| fs::read_to_string(folder.join(it)).ok())
        .collect();
    for path in entries(folder)? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(stem) = name.strip_suffix(".rs") else {
            continue;
        };
        let text = fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        if declaring.contains(&name.as_str()) {
            found.extend(in_text(module, &text));
            continue;
        }
        if !declares(&declarations, stem) {
            return Err(format!(
                "conformance: no module declares `{}`, so it is never compiled: add a `mod` line",
                path.display()
            ));
        }
        let module = format!("{module}::{stem}");
        found.extend(in_text(&module, &text));
        let children = folder.join(stem);
        if children.is_dir() {
            let parent = format!("../{name}");
            in_folder(&children, &module, &[&parent], found)?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let failed = |error: std::io::Error| format!("`{}` cannot be read: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries
        .map(|it| it.map(|it| it.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// Whether the text contains `mod name;`.
fn declares(text: &str, name: &str) -> bool {
    let declaration = format!("mod {name};");
    text.lines().any(|line| {
        let line = line.trim();
        !line.starts_with("//") && line.ends_with(&declaration)
    })
}

/// Returns the tests in a file, except those with `#[ignore]`.
fn in_text(module: &str, text: &str) -> Vec<TestFn> {
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored, mut ids) = (false, false, BTreeSet::new());
    for line in text.lines().map(str::trim) {
        if let Some(documentation) = line.strip_prefix("///") {
            let words = documentation.split([' ', ',', '(', ')', ';', ':']);
            let words = words.map(|it| it.trim_end_matches('.'));
            ids.extend(words.filter(|it| is_id(it)).map(str::to_owned));
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.ends_with("::test]");
            is_ignored |= line.starts_with("#[ignore");
        } else if let Some(name) = function_name(line) {
            if is_test && !is_ignored {
                found.push(TestFn {
                    path: format!("{module}::{name}"),
                    ids: std::mem::take(&mut ids),
                });
            }
            (is_test, is_ignored, ids) = (false, false, BTreeSet::new());
        } else if !line.starts_with("//") {
            (is_test, is_ignored, ids) = (false, false, BTreeSet::new());
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let rest = ["fn ", "async fn "].iter().find_map(|it| line.strip_prefix(it))?;
    rest.split(|c: char| c != '_' && !c.is_alphanumeric()).next()
}

/// Whether it looks like `7644-3.5.2-14`.
fn is_id(word: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|it| it.is_ascii_digit());
    let Some((rfc, rest)) = word.split_once('-') else {
        return false;
    };
    let Some((section, number)) = rest.rsplit_once('-') else {
        return false;
    };
    let is_section = section
        .split('.')
        .all(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()));
    digits(rfc, 4) && digits(number, 2) && is_section
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, Vec<String>)> {
        let tests = in_text("c::m", text).into_iter();
        tests
            .map(|it| (it.name().to_owned(), it.ids.into_iter().collect()))
            .collect()
    }

    #[test]
    fn a_test_has_the_ids_above_it() {
        let text = "\
/// 7644-3.5.2-14, 7643-8.7.1-01
///
/// In order (see 9865-2-01), as in 9865-3-01.
#[test]
#[allow(unused)] // Another attribute may come between.
fn one() {
    let nothing = 1;
}

/// 7644-3.5.2-15
fn no_test() {}

#[actix_web::test]
async fn two() {}

/// 7644-3.5.2-16
#[test]
#[ignore = \"slow\"]
fn never() {}
";
        let ids = |ids: &[&str]| ids.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let one = (
            "one".to_owned(),
            ids(&["7643-8.7.1-01", "7644-3.5.2-14", "9865-2-01", "9865-3-01"]),
        );
        assert_eq!(found(text), [one, ("two".to_owned(), vec![])]);
    }

    #[test]
    fn only_ids_are_ids() {
        for word in ["7644-3.5.2-14", "9110-13.1.1-01", "7643-3-08"] {
            assert!(is_id(word), "{word}");
        }
        for word in [
            "A-38",
            "7644-3.5.2",
            "2020-01-01T",
            "7644-3..2-14",
            "764-3-14",
            "7644-3-1",
            "x",
        ] {
            assert!(!is_id(word), "{word}");
        }
    }

    #[test]
    fn a_module_is_declared_or_not() {
        assert!(declares(
            "mod a;\n#[cfg(test)]\npub(crate) mod filter;\n",
            "filter"
        ));
        assert!(!declares("mod a;\n// mod filter;\n", "filter"));
        assert!(!declares("mod a_filter;\n", "b"));
    }
}
