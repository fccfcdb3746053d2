//! The findings of an examination, each with its remedy.

use serde::Serialize;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Nothing has to be done.
    Ok,
    /// The server works, and something should be done.
    Warning,
    /// The server does not work, or loses something.
    Error,
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    level: Level,
    /// The subject of the check, the same in every version: scripts choose findings by it.
    check: &'static str,
    text: String,
    /// The remedy, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// The findings, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn good(&mut self, check: &'static str, text: impl Into<String>) {
        self.push(Level::Ok, check, text.into(), None);
    }

    pub(super) fn warning(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Level::Warning, check, text.into(), Some(remedy.into()));
    }

    pub(super) fn error(&mut self, check: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.push(Level::Error, check, text.into(), Some(remedy.into()));
    }

    fn push(&mut self, level: Level, check: &'static str, text: String, remedy: Option<String>) {
        self.0.push(Finding {
            level,
            check,
            text,
            remedy,
        });
    }

    pub(super) fn items(&self) -> &[Finding] {
        &self.0
    }

    /// The number of findings so far that are not good.
    pub(super) fn problems(&self) -> usize {
        self.errors() + self.warnings()
    }

    pub(super) fn errors(&self) -> usize {
        self.count(Level::Error)
    }

    pub(super) fn warnings(&self) -> usize {
        self.count(Level::Warning)
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|it| it.level == level).count()
    }

    /// The findings as lines, with the remedy below each.
    pub(super) fn lines(&self, is_colored: bool) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(move |it| {
            let (word, color) = match it.level {
                Level::Ok => ("ok     ", "32"),
                Level::Warning => ("warning", "33"),
                Level::Error => ("error  ", "31"),
            };
            let word = match is_colored {
                true => format!("\x1b[{color}m{word}\x1b[0m"),
                false => word.to_owned(),
            };
            let finding = format!("{word}  {}: {}", it.check, it.text);
            let remedy = it.remedy.as_ref().map(|it| format!("         -> {it}"));
            std::iter::once(finding).chain(remedy)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_its_remedy_below_it_and_colour_on_request_only() {
        let mut findings = Findings::default();
        findings.good("database", "it is reachable");
        findings.warning("disk", "1 GiB is free", "make room");
        findings.error("migrations", "one is missing", "migrate");
        let lines: Vec<String> = findings.lines(false).collect();
        assert_eq!(
            lines,
            [
                "ok       database: it is reachable",
                "warning  disk: 1 GiB is free",
                "         -> make room",
                "error    migrations: one is missing",
                "         -> migrate",
            ]
        );
        assert_eq!(
            (findings.errors(), findings.warnings(), findings.problems()),
            (1, 1, 2)
        );
        assert!(
            findings
                .lines(true)
                .next()
                .expect("there is one")
                .contains("\x1b[32m")
        );
    }
}
