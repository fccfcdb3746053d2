//! Finds the tests of the workspace in its sources, with their paths and the requirements that they name.

use std::collections::BTreeSet;

use regex_lite::Regex;

use crate::files::File;

/// A function that `cargo test` runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestFn {
    /// The crate, the modules that are files, and the name: `scim-model::condition::r7644_3_4_2_2_14_and_or_not`.
    /// `tests/it/`, `tests/oauth/` and modules inside a file are left out. A test in `tests/unit/` has the path of the
    /// source file that includes it.
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
/// Fails when no module declares a file, so that its tests never run.
pub(crate) fn in_workspace(files: &[File]) -> Result<Vec<TestFn>, String> {
    let text = |path: &str| {
        files
            .iter()
            .find(|file| file.path == path)
            .map(|file| &*file.text)
    };
    let mut found = Vec::new();
    for file in files {
        if is_unit_test(&file.path) {
            found.extend(in_text(&including_module(&file.path, files)?, &file.text));
            continue;
        }
        let Some((folder, module)) = place(&file.path) else {
            continue;
        };
        let name = folder.split('/').nth(1).unwrap_or_default();
        if ["lib", "main"].contains(&module) || is_main_of_binary(module) {
            found.extend(in_text(name, &file.text));
            continue;
        }
        let (parents, own_name) = match module.rsplit_once('/') {
            Some((parent, name)) => (vec![parent], name),
            None => (vec!["lib", "main"], module),
        };
        let parents = parents.iter().filter_map(|it| {
            text(&format!("{folder}/{it}.rs")).or_else(|| text(&format!("{folder}/{it}/main.rs")))
        });
        if !parents.into_iter().any(|text| declares(text, own_name)) {
            return Err(undeclared(&file.path));
        }
        found.extend(in_text(&module_path(name, module), &file.text));
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn undeclared(path: &str) -> String {
    format!("conformance: no module declares `{path}`, so it is never compiled: add a `mod` line")
}

/// Returns the path of a module that is a file: `a::b::c` for `b/c` of the crate `a`, and `a` for its `lib` or `main`.
fn module_path(name: &str, module: &str) -> String {
    match module {
        "lib" | "main" => name.to_owned(),
        module => format!("{name}::{}", module.replace('/', "::")),
    }
}

/// Whether the file contains the unit tests of a source file, which includes it with `#[path]`.
fn is_unit_test(path: &str) -> bool {
    path.starts_with("crates/") && path.contains(UNIT_TESTS) && path.ends_with(".rs")
}

const UNIT_TESTS: &str = "/tests/unit/";

/// Returns the module whose source file includes a file of unit tests.
fn including_module(path: &str, files: &[File]) -> Result<String, String> {
    let (package, rest) = path.split_once(UNIT_TESTS).unwrap_or_default();
    let name = package.split('/').nth(1).unwrap_or_default();
    let including = files.iter().find_map(|file| {
        let in_package = file.path.strip_prefix(package)?.strip_prefix('/')?;
        let up = "../".repeat(in_package.matches('/').count());
        let declaration = format!("#[path = \"{up}{}{rest}\"]", &UNIT_TESTS[1..]);
        let is_included = file.text.lines().any(|line| line.trim() == declaration);
        place(&file.path)
            .map(|(_, module)| module)
            .filter(|_| is_included)
    });
    including
        .map(|module| module_path(name, module))
        .ok_or_else(|| undeclared(path))
}

/// Splits the path of a source file into the folder of its crate or test and the path of its module.
fn place(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_suffix(".rs").filter(|it| it.starts_with("crates/"))?;
    let (start, folder) = ["/src/", "/tests/it/", "/tests/oauth/"]
        .iter()
        .find_map(|it| Some((path.find(it)?, it)))?;
    let end = start + folder.len();
    Some((&path[..end - 1], &path[end..]))
}

/// Whether a module is the root of a binary with its own folder, such as `bin/scim-server/main`.
fn is_main_of_binary(module: &str) -> bool {
    module.starts_with("bin/") && module.ends_with("/main")
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
    let id = Regex::new(r"\b\d{4}-\d+(\.\d+)*-\d{2}\b").expect("the pattern is valid");
    let list = Regex::new(r"\b(cred|evt)-\d{2,3}((, | and | to )((cred|evt)-)?\d{2,3})*\b")
        .expect("the pattern is valid");
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored, mut ids) = (false, false, BTreeSet::new());
    for line in text.lines().map(str::trim) {
        if let Some(documentation) = line.strip_prefix("///") {
            ids.extend(id.find_iter(documentation).map(|it| it.as_str().to_owned()));
            ids.extend(list.find_iter(documentation).flat_map(|it| listed(it.as_str())));
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

/// Returns the ids in a list such as `cred-51 to cred-57, 65, 66 and 69`. A number without a prefix has that of the
/// number before it.
fn listed(list: &str) -> Vec<String> {
    let list = list.replace(" and ", ", ");
    let mut prefix = "";
    let mut ids = Vec::new();
    for part in list.split(", ") {
        let (first, last) = part.split_once(" to ").unwrap_or((part, part));
        prefix = first.split_once('-').map_or(prefix, |(prefix, _)| prefix);
        let number = |text: &str| text.rsplit('-').next()?.parse::<u32>().ok();
        if let (Some(first), Some(last)) = (number(first), number(last)) {
            ids.extend((first..=last).map(|it| format!("{prefix}-{it:02}")));
        }
    }
    ids
}

fn function_name(line: &str) -> Option<&str> {
    let rest = ["fn ", "async fn "].iter().find_map(|it| line.strip_prefix(it))?;
    rest.split(|c: char| c != '_' && !c.is_alphanumeric()).next()
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
/// In order (see 9865-2-01), as in 9865-3-01. No ids: A-38, 7644-3.5.2, 2020-01-01T, 7644-3..2-14, 764-3-14, 7644-3-1.
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
    fn ids_of_credentials_may_be_a_list() {
        let text = "\
/// The ends of a token: cred-34 and cred-35. Others are cred-51 to cred-53, 65, and 66; see cred-100, or credo-1.
#[test]
fn one() {}
";
        let (_, ids) = found(text).remove(0);
        assert_eq!(
            ids,
            [
                "cred-100", "cred-34", "cred-35", "cred-51", "cred-52", "cred-53", "cred-65"
            ]
        );
    }

    #[test]
    fn lists_of_credentials_and_events_may_be_mixed() {
        let text = "\
/// evt-05, 07 to 09 and cred-34, 35; no eventually-01
#[test]
fn one() {}
";
        let (_, ids) = found(text).remove(0);
        assert_eq!(
            ids,
            ["cred-34", "cred-35", "evt-05", "evt-07", "evt-08", "evt-09"]
        );
    }

    #[test]
    fn the_path_of_a_test_follows_the_modules() {
        let test = |name: &str| format!("#[test]\nfn {name}() {{}}\n");
        let mut files = vec![
            File::new("crates/a/src/lib.rs", &format!("mod b;\n{}", test("one"))),
            File::new("crates/a/src/b.rs", &format!("mod c;\n{}", test("two"))),
            File::new("crates/a/src/b/c.rs", &test("three")),
            File::new("crates/a/src/bin/tool/main.rs", "mod e;\n"),
            File::new("crates/a/src/bin/tool/e.rs", &test("five")),
            File::new("crates/a/tests/it/main.rs", "mod d;\n"),
            File::new("crates/a/tests/it/d.rs", &test("four")),
            File::new("crates/a/tests/plans/main.rs", &test("left_out")),
            File::new("xtask/src/main.rs", &test("left_out")),
        ];
        let found = in_workspace(&files).expect("all files are declared");
        let paths: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "a::b::c::three",
                "a::b::two",
                "a::bin::tool::e::five",
                "a::d::four",
                "a::one"
            ]
        );
        for lost in ["crates/a/src/e.rs", "crates/a/src/bin/tool/b.rs"] {
            files.push(File::new(lost, ""));
            assert!(in_workspace(&files).is_err_and(|it| it.contains(&format!("`{lost}`"))));
            files.pop();
        }
    }

    #[test]
    fn unit_tests_in_a_separate_file_have_the_path_of_the_module_that_includes_them() {
        let test = |name: &str| format!("#[test]\nfn {name}() {{}}\n");
        let including = |up: &str, name: &str| {
            format!("#[cfg(test)]\n#[path = \"{up}tests/unit/{name}.rs\"]\nmod tests;\n")
        };
        let with = |including_d: &str| {
            vec![
                File::new("crates/a/src/lib.rs", "mod b;\nmod d;\n"),
                File::new("crates/a/src/bin/tool/main.rs", "mod serve;\n"),
                File::new(
                    "crates/a/src/bin/tool/serve.rs",
                    &including("../../../", "binary"),
                ),
                File::new("crates/a/src/b.rs", "mod c;\n"),
                File::new("crates/a/src/b/c.rs", &including("../../", "deep")),
                File::new("crates/a/src/d.rs", including_d),
                File::new("crates/a/tests/unit/binary.rs", &test("one")),
                File::new("crates/a/tests/unit/deep.rs", &test("two")),
                File::new("crates/a/tests/unit/flat.rs", &test("three")),
            ]
        };
        let found = in_workspace(&with(&including("../", "flat"))).expect("all files are included");
        let paths: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, ["a::b::c::two", "a::bin::tool::serve::one", "a::d::three"]);
        let commented = including("../", "flat").replace("#[path", "// #[path");
        for text in ["", &commented, &including("../../", "flat")] {
            let result = in_workspace(&with(text));
            assert!(
                result.is_err_and(|it| it.contains("`crates/a/tests/unit/flat.rs`")),
                "{text}"
            );
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
