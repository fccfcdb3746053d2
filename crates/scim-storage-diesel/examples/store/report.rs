//! The report as Markdown: a table for each database, a row for each operation.

use crate::meter::Figure;
use crate::operations::{Goal, Row};

/// The measurements of one store.
pub(crate) struct Measured {
    pub(crate) engine: &'static str,
    pub(crate) users: u64,
    pub(crate) rows: Vec<(Row, Figure)>,
    /// Bytes on disk before the first pass.
    pub(crate) size: u64,
    /// Users created per second by parallel writers; `None` when the store had been filled before.
    pub(crate) filled: Option<f64>,
}

impl Measured {
    /// Adds a figure, or keeps the cheaper one of two passes.
    pub(crate) fn add(&mut self, row: &Row, figure: Figure) {
        eprintln!("  {}: {} ({})", row.name, time(figure.cpu), time(figure.median));
        match self.rows.iter_mut().find(|(it, _)| it.name == row.name) {
            Some((_, before)) => {
                before.cpu = before.cpu.min(figure.cpu);
                before.median = before.median.min(figure.median);
            }
            None => self.rows.push((row.clone(), figure)),
        }
    }

    fn cpu(&self, name: &str) -> Option<f64> {
        let mut rows = self.rows.iter();
        rows.find(|(row, _)| row.name == name)
            .map(|(_, figure)| figure.cpu)
    }

    /// Returns the cost of an operation in relation to its limit, and to its cost in a smaller store.
    fn factors(&self, row: &Row, smallest: &Measured) -> [Option<f64>; 2] {
        let factor = |limit: Option<f64>| Some(self.cpu(&row.name)? / limit?);
        let before = smallest.cpu(&row.name).filter(|_| smallest.users < self.users);
        [factor(self.cpu(row.limit)), factor(before)]
    }

    /// Returns the measured value of a goal, its maximum and its unit. Growth needs stores of two sizes.
    fn check(&self, row: &Row, goal: Goal, smallest: &Measured) -> Option<(f64, f64, &str)> {
        let [ratio, growth] = self.factors(row, smallest);
        let cpu = self.cpu(&row.name)?;
        Some(match goal {
            Goal::Growth(most) => (growth?, most, " growth"),
            Goal::Ratio(most) => (ratio?, most, " ratio"),
            // The cost of the page itself outweighs what it skips.
            Goal::DeepRatio(_) | Goal::Skip(..) if self.users < 100_000 => return None,
            Goal::DeepRatio(most) => (ratio?, most, " ratio"),
            Goal::Skip(first_page, share) => {
                let beyond = (cpu - self.cpu(first_page)?) / 1e3;
                let skipped = share * self.users as f64 / 1e6;
                (beyond / skipped, 60.0, " ms a million skipped")
            }
            Goal::Scan(most) => {
                let most = most[usize::from(self.engine != "SQLite")];
                (cpu / self.users as f64, most, " µs a user")
            }
        })
    }
}

/// Returns the tables. Ratios and goals are those of the largest store.
pub(crate) fn markdown(all: &[Measured]) -> String {
    let of = |engine| all.iter().filter(|it| it.engine == engine).collect::<Vec<_>>();
    ["SQLite", "PostgreSQL"].map(|engine| table(&of(engine))).concat()
}

fn table(stores: &[&Measured]) -> String {
    let (Some(first), Some(last)) = (stores.first(), stores.last()) else {
        return String::new();
    };
    let mut head = vec!["operation".to_owned()];
    head.extend(stores.iter().map(|it| format!("{} users", grouped(it.users))));
    head.extend(["growth", "ratio", "to", "goals"].map(str::to_owned));
    let mut text = format!("## {}\n\n{}", last.engine, line(&head));
    text += &line(&vec!["---".to_owned(); head.len()]);
    let (mut met, mut missed) = (0, 0);
    for (row, _) in &last.rows {
        let mut cells = vec![row.name.clone()];
        for (_, figure) in stores
            .iter()
            .flat_map(|it| &it.rows)
            .filter(|(it, _)| it.name == row.name)
        {
            cells.push(format!("{} ({})", time(figure.cpu), time(figure.median)));
        }
        let [ratio, growth] = last.factors(row, first);
        let optional = |it: Option<f64>| it.map_or(String::new(), |it| format!("{it:.2}"));
        cells.extend([optional(growth), optional(ratio), row.limit.to_owned()]);
        let goals = row.goals.iter().filter_map(|it| last.check(row, *it, first));
        let goals = goals.map(|(measured, most, unit)| {
            let is_met = measured <= most;
            *if is_met { &mut met } else { &mut missed } += 1;
            format!(
                "{measured:.2} of {most}{unit}: {}",
                if is_met { "met" } else { "**missed**" }
            )
        });
        cells.push(goals.collect::<Vec<_>>().join("; "));
        text += &line(&cells);
    }
    text += &format!(
        "\nAt {} users: {met} goals met, {missed} missed.\n\n",
        grouped(last.users)
    );
    for Measured {
        users, size, filled, ..
    } in stores
    {
        text += &format!(
            "- {} users: {} bytes on disk for each",
            grouped(*users),
            grouped(size / users)
        );
        let rate = |it: f64| format!("; {} created a second by parallel writers", grouped(it as u64));
        text += &filled.map_or(String::new(), rate);
        text += "\n";
    }
    text + "\n"
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn time(microseconds: f64) -> String {
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
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}
