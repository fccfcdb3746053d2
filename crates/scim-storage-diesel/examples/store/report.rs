//! The tables of docs/PERFORMANCE.md.

use std::fmt::Write as _;

use crate::operations::{BESIDE, Figures, JOINED, LEFT};

/// The measurements of one database of one size.
pub(crate) struct Measured {
    pub(crate) database: &'static str,
    pub(crate) users: u64,
    pub(crate) figures: Figures,
    /// The cost of the lookup in the small tenant when the database contains no other tenant.
    pub(crate) alone: Option<f64>,
    /// Bytes on disk.
    pub(crate) size: u64,
    /// Users created per second during the filling; `None` when the database was already filled.
    pub(crate) filled: Option<f64>,
}

impl Measured {
    /// Keeps the cheaper of two measurements for each operation. The size remains that of the first pass.
    pub(crate) fn keep_cheapest(&mut self, again: Measured) {
        for ((_, figure), (_, other)) in self.figures.iter_mut().zip(again.figures) {
            figure.cpu = figure.cpu.min(other.cpu);
            figure.median = figure.median.min(other.median);
        }
        self.alone = self.alone.zip(again.alone).map(|(it, other)| it.min(other));
    }

    fn cpu(&self, name: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|(it, _)| *it == name)
            .map(|(_, it)| it.cpu)
    }
}

/// Operations whose cost must not grow with the number of users. The list excludes "any of all", which measures reads
/// without a cache, and pages whose offset in a block or in a sorted list depends on the number.
const FLAT: &[&str] = &[
    "get by id",
    "get by id, with its groups",
    "userName eq",
    "externalId eq",
    "emails.value eq",
    "emails[type eq \"work\" and value eq]",
    "index page",
    "index page at 50 %",
    "cursor page",
    "cursor page at 90 %",
    SORTED,
    "cursor page sorted by familyName",
    "cursor page sorted by familyName at 90 %",
    "lastModified gt, 50 matches",
    "total, no filter",
    "create a user",
    "patch a user (read, write)",
    JOINED[0],
    JOINED[1],
    JOINED[2],
    LEFT[0],
    LEFT[1],
    LEFT[2],
    "delete a user in three groups",
    "get the big group without members",
    BESIDE,
];
const MOST_GROWTH: f64 = 1.5;

/// The lower bound for the cost of a read.
const BARE: &str = "bare prepared SELECT of a row";

const SORTED: &str = "index page sorted by familyName";

/// Returns all tables as Markdown.
pub(crate) fn markdown(all: &[Measured]) -> String {
    let mut text = String::new();
    for database in ["SQLite", "PostgreSQL"] {
        let of_it: Vec<&Measured> = all.iter().filter(|it| it.database == database).collect();
        if !of_it.is_empty() {
            table(&mut text, database, &of_it);
            goals(&mut text, &of_it);
        }
    }
    text
}

fn table(text: &mut String, database: &str, of_it: &[&Measured]) {
    let (first, last) = (of_it[0], of_it[of_it.len() - 1]);
    let _ = write!(text, "### {database}\n\n| |");
    for measured in of_it {
        let _ = write!(text, " {} users |", grouped(measured.users));
    }
    let _ = writeln!(text, " growth |\n|---|{}---:|", "---:|".repeat(of_it.len()));
    for (name, _) in &first.figures {
        let _ = write!(text, "| {} |", name.replace('|', "\\|"));
        for measured in of_it {
            match measured.figures.iter().find(|(it, _)| it == name) {
                Some((_, it)) => {
                    let _ = write!(text, " {} ({}) |", time(it.cpu), time(it.median));
                }
                None => text.push_str(" |"),
            }
        }
        let growth = last
            .cpu(name)
            .zip(first.cpu(name))
            .map(|(last, first)| last / first);
        let _ = match growth {
            Some(growth) if first.users < last.users => writeln!(text, " {growth:.2} |"),
            _ => writeln!(text, " |"),
        };
    }
    let _ = write!(text, "| bytes on disk a user, with all that belongs to it |");
    for measured in of_it {
        let _ = write!(text, " {} |", grouped(measured.size / measured.users.max(1)));
    }
    let _ = writeln!(text, " |");
    if of_it.iter().any(|it| it.filled.is_some()) {
        let _ = write!(text, "| users created a second while it was filled |");
        for measured in of_it {
            let rate = measured.filled.map_or_else(String::new, |it| grouped(it as u64));
            let _ = write!(text, " {rate} |");
        }
        let _ = writeln!(text, " |");
    }
    text.push('\n');
}

fn goals(text: &mut String, of_it: &[&Measured]) {
    let (first, last) = (of_it[0], of_it[of_it.len() - 1]);
    let _ = writeln!(
        text,
        "| goal, at {} users | measured | at most | |\n|---|---:|---:|---|",
        grouped(last.users)
    );
    let mut goal = |what: &str, measured: Option<f64>, most: f64, unit: &str| {
        let Some(measured) = measured else { return };
        let verdict = if measured <= most { "met" } else { "**missed**" };
        let _ = writeln!(
            text,
            "| {what} | {measured:.2}{unit} | {most}{unit} | {verdict} |"
        );
    };
    let ratio = |name, to| Some(last.cpu(name)? / last.cpu(to)?);
    if first.users < last.users {
        let growth = |name: &'static str| Some((last.cpu(name)? / first.cpu(name)?, name));
        let worst = FLAT
            .iter()
            .filter_map(|it| growth(it))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((most, name)) = worst {
            let sizes = format!("from {} to {} users", grouped(first.users), grouped(last.users));
            let what = format!("indexed reads and writes grow {sizes}; the most is `{name}`");
            goal(&what, Some(most), MOST_GROWTH, "");
            let to_bare = growth(BARE).map(|(bare, _)| most / bare);
            goal("that growth, to the bare SELECT's", to_bare, MOST_GROWTH, "");
        }
    }
    goal("get by id, to the bare SELECT", ratio("get by id", BARE), 2.0, "");
    goal(
        "a member joins the group of 100,000, to that of 10",
        ratio(JOINED[2], JOINED[0]),
        1.3,
        "",
    );
    goal(
        "a member leaves the group of 100,000, to that of 10",
        ratio(LEFT[2], LEFT[0]),
        1.3,
        "",
    );
    goal(
        "a cursor page at 90 %, to the first",
        ratio("cursor page at 90 %", "cursor page"),
        3.0,
        "",
    );
    goal(
        "a cursor page by familyName at 90 %, to the first",
        ratio(
            "cursor page sorted by familyName at 90 %",
            "cursor page sorted by familyName",
        ),
        3.0,
        "",
    );
    for (deep, start, share) in [
        ("index page at 50 %", "index page", 0.5),
        ("index page at 90 %", "index page", 0.9),
        ("index page sorted by familyName at 50 %", SORTED, 0.5),
        ("index page sorted by familyName at 90 %", SORTED, 0.9),
    ] {
        let skipped = last.users as f64 * share / 1e6;
        let milliseconds = last
            .cpu(deep)
            .zip(last.cpu(start))
            .map(|(deep, start)| (deep - start) / 1e3 / skipped);
        let what = format!("{deep}, a million resources skipped");
        goal(&what, milliseconds, 60.0, " ms");
    }
    // The page in the middle is the deepest one, because pages after it are read from the end.
    let keys = "bare prepared SELECT of the keys of a page sorted by familyName at 50 %";
    goal(
        "index page sorted by familyName at 50 %, to the bare SELECT of its keys",
        ratio("index page sorted by familyName at 50 %", keys),
        2.0,
        "",
    );
    let most = if last.database == "SQLite" { 2.0 } else { 4.0 };
    for name in [
        "total, title co \"x\" (no index)",
        "total, emails.type eq \"x\" (no index)",
    ] {
        let a_row = last.cpu(name).map(|it| it / last.users as f64);
        goal(&format!("{name}, a resource"), a_row, most, " µs");
    }
    let beside = last
        .cpu(BESIDE)
        .zip(last.alone)
        .map(|(beside, alone)| beside / alone);
    goal(
        "a lookup in a tenant of 200 with a large neighbour, to without",
        beside,
        1.5,
        "",
    );
    text.push('\n');
}

pub(crate) fn time(microseconds: f64) -> String {
    match microseconds {
        it if it < 10.0 => format!("{it:.1} µs"),
        it if it < 1e3 => format!("{it:.0} µs"),
        it if it < 1e4 => format!("{:.1} ms", it / 1e3),
        it if it < 1e6 => format!("{:.0} ms", it / 1e3),
        it => format!("{:.2} s", it / 1e6),
    }
}

/// Formats a number with commas between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
