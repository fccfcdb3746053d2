//! Checks the text of files: module documentation, reasons of lint exceptions, and names that a file must not mention.

use crate::files::File;

/// Returns a finding for each file without module documentation, for each unexplained lint exception, and for each
/// trace of the machine that a file was written on.
pub(crate) fn check(files: &[File], checkout: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(module_documentation(file));
        findings.extend(lint_exceptions(file));
        findings.extend(machine(file, checkout));
    }
    findings
}

fn module_documentation(file: &File) -> Option<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let says_something = first
        .strip_prefix("//!")
        .is_some_and(|text| text.split_whitespace().count() > 1);
    (file.path.ends_with(".rs") && !says_something).then(|| {
        format!(
            "`{}` has to start with a sentence (`//! …`) about its purpose",
            file.path
        )
    })
}

/// A lint exception needs a reason: after it, in the line above it, or as its `reason`.
fn lint_exceptions(file: &File) -> Vec<String> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let is_exception = |line: &str| {
        let attribute = line.strip_prefix("#!").or_else(|| line.strip_prefix('#'));
        attribute.is_some_and(|it| it.starts_with("[allow(") || it.starts_with("[expect("))
    };
    let unexplained = lines.iter().enumerate().filter(|(at, line)| {
        let above = at.checked_sub(1).map_or("", |above| lines[above]);
        let end = lines[*at..].iter().position(|it| it.contains(")]")).unwrap_or(0);
        let text = lines[*at..=*at + end].join(" ");
        is_exception(line) && !above.starts_with("//") && !text.contains("//") && !text.contains("reason =")
    });
    unexplained
        .map(|(at, _)| {
            format!(
                "`{}` has a lint exception without a reason in line {}: add a comment or a `reason`",
                file.path,
                at + 1
            )
        })
        .collect()
}

fn machine(file: &File, checkout: &str) -> Vec<String> {
    // A lock file may name only cargo's default source.
    let text = match file.path.as_str() {
        path if path.ends_with("Cargo.lock") => &file.text.replace(LOCK_SOURCE, ""),
        _ => &file.text,
    };
    let registries = REGISTRIES
        .iter()
        .filter(|name| text.contains(**name))
        .map(|name| {
            format!(
                "`{}` names a package registry (`{name}`): remove it, because the tools know their registry",
                file.path
            )
        });
    let path = absolute_path(text, checkout).map(|path| {
        format!(
            "`{}` contains an absolute path of a machine (`{path}`): write it relative to the top level",
            file.path
        )
    });
    registries.chain(path).collect()
}

// The texts are written in pieces, so that this file passes its own check.
const LOCK_SOURCE: &str = concat!("registry+https://github.com/rust-lang/", "crates", ".io-index");
const REGISTRIES: [&str; 9] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("proxy", ".golang.org"),
    // Settings that point a tool at another registry.
    concat!("replace", "-with ="),
    concat!("[regis", "tries"),
    concat!("index", "-url"),
    concat!("find", "-links"),
];

/// Returns the first absolute path in a home folder or in this checkout.
///
/// `/Users/…` is a SCIM endpoint. It counts as a home folder only if a folder of macOS follows the name.
fn absolute_path<'a>(text: &'a str, checkout: &str) -> Option<&'a str> {
    let after = |start: usize| {
        let end = text[start..].find(|c: char| c.is_whitespace() || "\"'`)>,;".contains(c));
        &text[start..end.map_or(text.len(), |end| start + end)]
    };
    let find = |prefix: &str, is_home: &dyn Fn(&[&str]) -> bool| {
        text.match_indices(prefix)
            // The end of a longer path or of a URL does not count.
            .filter(|(start, _)| {
                !text[..*start].ends_with(|c: char| c.is_alphanumeric() || "._-}~".contains(c))
            })
            .map(|(start, _)| after(start))
            .find(|path| is_home(&path[prefix.len()..].split('/').collect::<Vec<_>>()))
    };
    let named = |parts: &[&str]| parts.len() > 1 && !parts[0].is_empty();
    let mac = |parts: &[&str]| {
        parts.len() > 2 && ["Desktop", "Documents", "Downloads", "Library"].contains(&parts[1])
    };
    find(concat!("/ho", "me/"), &named)
        .or_else(|| find(concat!("/ro", "ot/"), &|parts| !parts[0].is_empty()))
        .or_else(|| find(concat!("/Us", "ers/"), &mac))
        .or_else(|| {
            // A short path such as `/app` is not searched for, because every mention of such a folder would be a
            // finding.
            let is_distinctive = checkout.matches('/').count() > 1;
            is_distinctive.then(|| find(checkout, &|_| true)).flatten()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&[File::new(path, text)], "/build/checkout").len()
    }

    #[test]
    fn a_module_starts_with_a_sentence() {
        assert_eq!(findings("crates/a/src/lib.rs", "//! Filters of SCIM.\n"), 0);
        for text in [
            "",
            "//!\n",
            "//! x\n",
            "// Filters of SCIM.\n",
            "use std::fmt;\n//! Filters of SCIM.\n",
        ] {
            assert_eq!(findings("crates/a/src/lib.rs", text), 1, "{text:?}");
        }
        assert_eq!(findings("docs/A.md", ""), 0);
    }

    #[test]
    fn a_lint_exception_has_its_reason() {
        for (exception, number) in [
            ("#[allow(dead_code)]", 1),
            ("#![expect(\n    unused,\n    dead_code\n)]", 1),
            ("#[allow(dead_code)] // Why.", 0),
            ("// Why.\n#[allow(dead_code)]", 0),
            ("#![allow(\n    unused,\n    reason = \"why\"\n)]", 0),
        ] {
            let text = format!("//! Filters of SCIM.\n\n{exception}\nfn one() {{}}\n");
            assert_eq!(findings("crates/a/src/lib.rs", &text), number, "{exception}");
        }
    }

    #[test]
    fn registries_are_found() {
        assert_eq!(
            findings("docs/A.md", concat!("from https://static.crates", ".io/x")),
            1
        );
        assert_eq!(
            findings(
                ".cargo/config.toml",
                concat!("[source.x]\nreplace", "-with = \"y\"")
            ),
            1
        );
        let lock = format!("source = \"{LOCK_SOURCE}\"");
        assert_eq!(findings("Cargo.lock", &lock), 0);
        assert_eq!(findings("crates/a/fuzz/Cargo.lock", &lock), 0);
        assert_eq!(findings("docs/A.md", &lock), 1);
        assert_eq!(
            findings(
                "Cargo.lock",
                concat!("source = \"registry+https://mirror.pypi", ".org\"")
            ),
            1
        );
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for path in [
            concat!("/ho", "me/ann/scim"),
            concat!("(/ro", "ot/scim)"),
            concat!("/Us", "ers/ann/Documents/scim"),
            "/build/checkout/target",
        ] {
            assert_eq!(findings("docs/A.md", &format!("see `{path}` there")), 1, "{path}");
        }
    }

    #[test]
    fn endpoints_are_not_home_folders() {
        for text in [
            "GET /Users/2819c223-7f76-453a-919d-413861904646",
            "https://example.com/v2/Users/ann/Documents",
            "{{base}}/Users/x",
            "$HOME/scim",
            "https://example.com/home/ann/x",
        ] {
            assert_eq!(findings("docs/A.md", text), 0, "{text}");
        }
    }
}
