//! Checks that every decision that is cited (`A-` and two digits) has an entry in `docs/DECISIONS.md`, and that every
//! entry is cited.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::File;

const DECISIONS: &str = "docs/DECISIONS.md";

/// Returns a finding for each citation without an entry and for each entry without a citation.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut entries = BTreeSet::new();
    let mut citations: BTreeMap<&str, &str> = BTreeMap::new();
    for file in files {
        for line in file.text.lines() {
            let heading = line.strip_prefix("## ").filter(|_| file.path == DECISIONS);
            match heading.and_then(|text| numbers(text).next()) {
                Some(number) => _ = entries.insert(number),
                None => citations.extend(numbers(line).map(|number| (number, file.path.as_str()))),
            }
        }
    }
    // An entry that only other entries mention is not in use.
    let outside: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.path != DECISIONS)
        .flat_map(|file| numbers(&file.text))
        .collect();
    let missing = citations
        .iter()
        .filter(|(number, _)| !entries.contains(*number))
        .map(|(number, path)| {
            format!("`{path}` cites {number}, which `{DECISIONS}` does not explain: add an entry")
        });
    let unused = entries
        .iter()
        .filter(|number| !outside.contains(*number))
        .map(|number| {
            format!(
                "`{DECISIONS}` has an entry {number} that is never cited: cite it in the code or test that \
                 decides it, or remove it"
            )
        });
    missing.chain(unused).collect()
}

/// The numbers of decisions in a text, such as the one in `(A-17)`.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|it: char| !it.is_alphanumeric() && it != '-');
    words.filter(|word| {
        let digits = word.strip_prefix("A-").unwrap_or_default();
        digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // In pieces, so that the tests of this check cite no decision.
    const USED: &str = concat!("A", "-91");
    const UNKNOWN: &str = concat!("A", "-92");

    #[test]
    fn numbers_are_whole_words() {
        let text = format!("({USED}, RSA-91 {USED}1 {USED}-1 A-9 `{UNKNOWN}`");
        assert_eq!(numbers(&text).collect::<Vec<_>>(), [USED, UNKNOWN]);
    }

    #[test]
    fn every_citation_of_this_project_has_an_entry() {
        let files = crate::files::read(&crate::process::root()).expect("the tests run in a clone");
        assert_eq!(check(&files), [""; 0]);
    }

    #[test]
    fn citations_and_entries_belong_together() {
        let decisions = File::new(
            DECISIONS,
            &format!("# Decisions\n\n## {USED}: Why?\nSee {USED}.\n"),
        );
        let citing = |number: &str| File::new("crates/a/src/lib.rs", &format!("// Why ({number}).\n"));
        assert_eq!(check(&[decisions, citing(USED)]), [""; 0]);
        let decisions = File::new(DECISIONS, &format!("## {USED}: Why?\nSee {USED}.\n"));
        let found = check(&[decisions, citing(UNKNOWN)]);
        assert!(
            found[0].starts_with(&format!("`crates/a/src/lib.rs` cites {UNKNOWN}")),
            "{found:?}"
        );
        assert!(
            found[1].contains(&format!("an entry {USED} that is never cited")),
            "{found:?}"
        );
    }
}
