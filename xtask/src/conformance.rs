//! `cargo xtask conformance`: checks that a test shows every requirement of the RFCs.
//!
//! docs/conformance/requirements.tsv lists the requirements of the RFCs, credentials.tsv those for credentials, and
//! events.tsv those for events. A test shows a requirement if its documentation contains the id (`/// 7644-3.5.2-14`,
//! `/// cred-51 to cred-57`) or its name begins with it (`r7644_3_5_2_14_…`, `evt_51_…`).
//! docs/conformance/bindings.tsv adds tests without ids, reasons why requirements do not bind this server
//! (`reason: …`), and requirements of parts that are not built yet (`open: …`). docs/CONFORMANCE.md shows the result
//! as a table.

mod suites;
mod tests_found;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub(crate) use suites::run as run_suites;
use tests_found::TestFn;

use crate::{files, process};

const REQUIREMENTS: [&str; 3] = [
    "docs/conformance/requirements.tsv",
    "docs/conformance/credentials.tsv",
    "docs/conformance/events.tsv",
];
const BINDINGS: &str = "docs/conformance/bindings.tsv";
const TABLE: &str = "docs/CONFORMANCE.md";

/// Whether docs/CONFORMANCE.md is checked or written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// The file has to be up to date.
    Check,
    /// The file is written.
    Write,
}

/// Checks that every requirement has a test or a reason, and checks or writes the table.
///
/// # Errors
/// Returns the findings, one per line.
pub(crate) fn run(table: Table) -> Result<(), String> {
    println!("$ cargo xtask conformance");
    let root = process::root();
    let read = |path: &str| {
        std::fs::read_to_string(root.join(path)).map_err(|error| format!("`{path}` cannot be read: {error}"))
    };
    let mut requirements = Vec::new();
    for path in REQUIREMENTS {
        requirements.extend(Requirement::parse(path, &read(path)?)?);
    }
    let tests = tests_found::in_workspace(&files::read(&root)?)?;
    let (bound, findings) = bind(&requirements, &tests, &read(BINDINGS)?);
    if !findings.is_empty() {
        return Err(lines("conformance", &findings));
    }
    let text = render(&requirements, &bound);
    match table {
        Table::Write => std::fs::write(root.join(TABLE), text)
            .map_err(|error| format!("`{TABLE}` cannot be written: {error}"))?,
        Table::Check if read(TABLE).ok().as_deref() != Some(&text) => {
            return Err(format!(
                "conformance: `{TABLE}` is out of date: run `cargo xtask conformance --write`"
            ));
        }
        Table::Check => {}
    }
    println!("conformance: {}", summary("requirements", &bound));
    Ok(())
}

/// Returns for example `626 rules: 602 shown by tests, 20 not built yet, 4 do not bind this server`.
fn summary(noun: &str, bound: &BTreeMap<String, Shown>) -> String {
    let count = |is: fn(&Shown) -> bool| bound.values().filter(|it| is(it)).count();
    let shown = count(|it| matches!(it, Shown::Tests(_)));
    let open = count(|it| matches!(it, Shown::Open(_)));
    let excused = count(|it| matches!(it, Shown::Reason(_)));
    let open = match open {
        0 => String::new(),
        open => format!(" {open} not built yet,"),
    };
    format!(
        "{} {noun}: {shown} shown by tests,{open} {excused} do not bind this server",
        bound.len()
    )
}

fn lines(prefix: &str, findings: &[String]) -> String {
    findings
        .iter()
        .map(|finding| format!("{prefix}: {finding}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A line of requirements.tsv.
#[derive(Debug)]
struct Requirement {
    /// `7644-3.5.2-14`
    id: String,
    /// The keyword of the RFC; `def` is binding text without a keyword, `note` a question that the RFC leaves open.
    level: String,
    /// The requirement in our own words, with our choice.
    text: String,
}

impl Requirement {
    fn parse(path: &str, table: &str) -> Result<Vec<Requirement>, String> {
        let rows = rows(table).map(|(number, cells)| match cells.as_slice() {
            [id, level, text] => {
                let [id, level, text] = [id, level, text].map(|it| (*it).to_owned());
                Ok(Requirement { id, level, text })
            }
            _ => Err(format!(
                "`{path}` line {number}: expected an id, a level and a requirement"
            )),
        });
        let requirements = rows.collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<&str> = requirements.iter().map(|it| it.id.as_str()).collect();
        if ids.len() == requirements.len() && !ids.is_empty() {
            return Ok(requirements);
        }
        Err(format!("`{path}` is empty or contains an id twice"))
    }

    /// `RFC 7644 section 3.5.2`
    fn section(&self) -> String {
        if self.id.starts_with("cred-") {
            return "Credentials".to_owned();
        }
        if self.id.starts_with("evt-") {
            return "Events".to_owned();
        }
        let (rfc, rest) = self.id.split_once('-').unwrap_or((&self.id, ""));
        let section = rest.rsplit_once('-').map_or(rest, |(section, _)| section);
        format!("RFC {rfc} section {section}")
    }
}

/// The lines of a table below its heading, with their numbers.
fn rows(table: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let numbered = table.lines().enumerate().skip(1);
    numbered.map(|(index, line)| (index + 1, line.split('\t').collect()))
}

/// How a requirement is accounted for.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// Paths of tests, such as `scim-server::rfc7644_patch::operations_run_in_order`.
    Tests(BTreeSet<String>),
    /// The reason why it does not bind this server.
    Reason(String),
    /// The part that is not built yet.
    Open(String),
}

/// Finds the tests or the reason of each requirement. The second value is the list of findings.
fn bind(
    requirements: &[Requirement],
    tests: &[TestFn],
    table: &str,
) -> (BTreeMap<String, Shown>, Vec<String>) {
    let mut findings = Vec::new();
    let known: BTreeSet<&str> = requirements.iter().map(|it| it.id.as_str()).collect();
    let mut shown: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for test in tests {
        for id in test.ids.iter().filter(|id| !known.contains(id.as_str())) {
            findings.push(format!("{}: unknown requirement `{id}`", test.path));
        }
    }
    for id in &known {
        let names = test_name_prefixes(id);
        let theirs = tests
            .iter()
            .filter(|it| it.ids.contains(*id) || names.iter().any(|name| it.name().starts_with(name)));
        let paths: BTreeSet<String> = theirs.map(|it| it.path.clone()).collect();
        if !paths.is_empty() {
            shown.insert(id, paths);
        }
    }

    let mut reasons: BTreeMap<&str, Shown> = BTreeMap::new();
    for (number, cells) in rows(table) {
        let &[id, what] = cells.as_slice() else {
            findings.push(format!(
                "`{BINDINGS}` line {number}: expected an id, and a test or a reason"
            ));
            continue;
        };
        let Some(id) = known.get(id) else {
            findings.push(format!("`{BINDINGS}` line {number}: unknown requirement `{id}`"));
            continue;
        };
        if let Some(reason) = what.strip_prefix("reason: ") {
            reasons.insert(id, Shown::Reason(reason.to_owned()));
        } else if let Some(part) = what.strip_prefix("open: ") {
            reasons.insert(id, Shown::Open(part.to_owned()));
        } else if tests.iter().any(|it| it.path == what) {
            shown.entry(id).or_default().insert(what.to_owned());
        } else {
            findings.push(format!("`{BINDINGS}` line {number}: unknown test `{what}`"));
        }
    }

    let mut bound = BTreeMap::new();
    for id in known {
        match (shown.remove(id), reasons.remove(id)) {
            (Some(tests), None) => bound.insert(id.to_owned(), Shown::Tests(tests)),
            (None, Some(reason)) => bound.insert(id.to_owned(), reason),
            (None, None) => {
                findings.push(format!(
                    "no test shows `{id}`: add its id to a test, or a reason to `{BINDINGS}`"
                ));
                None
            }
            (Some(_), Some(_)) => {
                findings.push(format!(
                    "a test shows `{id}`: remove its reason, or its line `open`, from `{BINDINGS}`"
                ));
                None
            }
        };
    }
    (bound, findings)
}

/// Returns the beginnings of test names for an id: `r7644_3_5_2_14_` and `rfc7644_3_5_2_14_` for `7644-3.5.2-14`, and
/// `cred_51_` for `cred-51`, `evt_51_` for `evt-51`.
fn test_name_prefixes(id: &str) -> Vec<String> {
    let id = id.replace(['-', '.'], "_");
    if id.starts_with("cred") || id.starts_with("evt") {
        return vec![format!("{id}_")];
    }
    vec![format!("r{id}_"), format!("rfc{id}_")]
}

const HEAD: &str = "\
# Conformance

The requirements that the RFCs place on a SCIM service provider, and the tests that show each of them.
`cargo xtask conformance --write` writes this file, and `cargo xtask ci` checks it; do not edit it by hand.

The rules are those of RFC 7643 and 7644 (SCIM), 9865 (cursors), 6750 (bearer tokens), 9110 (HTTP), 8259 (JSON),
5789 (PATCH), 6585 (status codes) and 9967 (events), in our own words and with their verified errata. `def` is
binding text without a keyword, and `note` is a question that an RFC leaves open. \"Here\" introduces our choice;
numbers such as `A-17` refer to [DECISIONS.md](DECISIONS.md). The rules for credentials (`cred-NN`) come from RFC 6749, 7523,
8414, 8725 and 9700, and from the requirements that identity providers publish. In them, {T} is the token endpoint, {B}
the base URL, {I} the issuer identifier, and CC the grant type of client credentials. The rules for events (`evt-NN`)
come from Standard Webhooks, the HTML standard (server-sent events), RFC 8417, 8935, 8936 and 9967, and OpenID Shared
Signals and CAEP. \"Not built yet\" marks the rules of parts that are still missing. `cargo xtask conformance --suites` runs two public test
suites against the server as well.

";

fn render(requirements: &[Requirement], bound: &BTreeMap<String, Shown>) -> String {
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "{}.", summary("rules", bound));
    let mut section = String::new();
    for requirement in requirements {
        if requirement.section() != section {
            section = requirement.section();
            let _ = writeln!(
                text,
                "\n## {section}\n\n| id | level | rule | shown by |\n| --- | --- | --- | --- |"
            );
        }
        let shown = match bound.get(&requirement.id) {
            Some(Shown::Tests(tests)) => tests
                .iter()
                .map(|it| format!("`{it}`"))
                .collect::<Vec<_>>()
                .join("<br>"),
            Some(Shown::Reason(reason)) => format!("— {}", cell(reason)),
            Some(Shown::Open(part)) => format!("— not built yet: {}", cell(part)),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {shown} |",
            requirement.id,
            requirement.level,
            cell(&requirement.text)
        );
    }
    text
}

/// Escapes text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirements() -> Vec<Requirement> {
        let table = "id\tlevel\trequirement\n7644-3.5.2-14\tdef\tIn order.\n7644-3.7.1-01\tMUST\tBulk.\n";
        Requirement::parse("t.tsv", table).expect("a table")
    }

    fn test(path: &str, ids: &[&str]) -> TestFn {
        TestFn {
            path: path.to_owned(),
            ids: ids.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn a_requirement_is_shown_by_documentation_name_or_table() {
        let reason = "id\tshown by\n7644-3.7.1-01\treason: no bulk\n";
        for (test, table) in [
            (test("c::m::any", &["7644-3.5.2-14"]), reason.to_owned()),
            (test("c::m::r7644_3_5_2_14_in_order", &[]), reason.to_owned()),
            (test("c::m::rfc7644_3_5_2_14_in_order", &[]), reason.to_owned()),
            (
                test("c::m::any", &[]),
                format!("{reason}7644-3.5.2-14\tc::m::any\n"),
            ),
        ] {
            let path = test.path.clone();
            let (bound, findings) = bind(&requirements(), &[test], &table);
            assert!(findings.is_empty(), "{findings:?}");
            assert_eq!(bound["7644-3.5.2-14"], Shown::Tests(BTreeSet::from([path])));
            assert_eq!(bound["7644-3.7.1-01"], Shown::Reason("no bulk".to_owned()));
        }
    }

    #[test]
    fn a_part_that_is_not_built_yet_is_open() {
        let table = "id\tshown by\n7644-3.5.2-14\topen: PATCH\n7644-3.7.1-01\treason: no bulk\n";
        let (bound, findings) = bind(&requirements(), &[], table);
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(bound["7644-3.5.2-14"], Shown::Open("PATCH".to_owned()));
        let text = render(&requirements(), &bound);
        assert!(text.contains("| In order. | — not built yet: PATCH |\n"));
        assert!(text.contains("2 rules: 0 shown by tests, 1 not built yet, 1 do not bind this server."));
        let shown = test("c::m::any", &["7644-3.5.2-14"]);
        let (_, findings) = bind(&requirements(), &[shown], table);
        assert!(findings[0].contains("or its line `open`"), "{findings:?}");
    }

    #[test]
    fn missing_wrong_and_outdated_bindings_are_found() {
        let order = || test("c::m::any", &["7644-3.5.2-14"]);
        for (tests, table, expected) in [
            (vec![order()], "id\tshown by\n", "no test shows `7644-3.7.1-01`"),
            (
                vec![],
                "id\tshown by\n7644-3.7.1-01\treason: no bulk\n",
                "no test shows `7644-3.5.2-14`",
            ),
            (
                vec![order()],
                "h\n7644-3.7.1-01\tc::m::gone\n",
                "unknown test `c::m::gone`",
            ),
            (
                vec![order()],
                "h\n7644-9-99\treason: x\n",
                "unknown requirement `7644-9-99`",
            ),
            (
                vec![test("c::m::any", &["7644-9-99"])],
                "h\n",
                "c::m::any: unknown requirement",
            ),
            (
                vec![order()],
                "h\n7644-3.5.2-14\treason: x\n",
                "remove its reason",
            ),
            (
                vec![test("c::m::r7644_3_5_2_1_x", &[])],
                "h\n",
                "no test shows `7644-3.5.2-14`",
            ),
            (vec![order()], "h\n7644-3.7.1-01\n", "line 2"),
        ] {
            let (_, findings) = bind(&requirements(), &tests, table);
            assert!(
                findings.iter().any(|it| it.contains(expected)),
                "{expected}: {findings:?}"
            );
        }
    }

    #[test]
    fn the_table_is_ordered_by_section() {
        let tests = [test("c::m::any", &["7644-3.5.2-14"])];
        let (bound, _) = bind(&requirements(), &tests, "h\n7644-3.7.1-01\treason: a|b\n");
        let text = render(&requirements(), &bound);
        assert!(text.contains("## RFC 7644 section 3.5.2\n"));
        assert!(text.contains("| 7644-3.5.2-14 | def | In order. | `c::m::any` |\n"));
        assert!(text.contains("| 7644-3.7.1-01 | MUST | Bulk. | — a\\|b |\n"));
        assert!(text.contains("2 rules: 1 shown by tests, 1 do not bind this server."));
    }
}
