//! Checks that hashes of secrets are compared in constant time: no `==` or `!=` next to `sha256` in the server.

use regex_lite::Regex;

use super::source::Source;

/// Returns a finding for each comparison of a hash that takes longer for a better guess.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let comparison =
        Regex::new(r"sha256\b\)?\s*[!=]=|[!=]=\s*[&*\w.(]*sha256\b").expect("the pattern is valid");
    let mut findings = Vec::new();
    for source in sources {
        if !source.path.starts_with("crates/scim-server/src/") {
            continue;
        }
        for found in comparison.find_iter(source.text) {
            let line = source.text[..found.start()].lines().count().max(1);
            findings.push(format!(
                "`{}`, line {line}: compare hashes of secrets with `PresentedSecret::matches`, which takes constant time",
                source.path
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cred-18
    #[test]
    fn cred_18_hashes_are_not_compared_by_an_operator() {
        for (statement, is_refused) in [
            ("it.sha256 == presented", true),
            ("it.sha256 != presented", true),
            ("presented == it.sha256", true),
            ("presented == &it.sha256", true),
            ("*sha256\n        == presented", true),
            ("presented.matches(&it.sha256)", false),
            ("sha256 = presented", false),
            ("a == b && it.sha256.len() > 0", false),
        ] {
            let text = format!("fn f() -> bool {{\n    {statement}\n}}\n");
            let source = |path| Source {
                path,
                text: &text,
                syntax: syn::parse_file("").expect("it is Rust"),
            };
            let found = check(&[source("crates/scim-server/src/a.rs"), source("crates/b/src/a.rs")]);
            assert_eq!(found.len(), usize::from(is_refused), "{statement}: {found:?}");
            assert!(found.iter().all(|it| it.contains("line 2")), "{found:?}");
        }
    }
}
