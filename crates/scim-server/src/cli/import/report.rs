//! The report of an import: the lines that were refused, and why.

use std::fmt;
use std::io::{self, Write as _};

use scim_model::{ScimError, ScimType};
use serde_json::{Value, json};

use crate::cli::arguments::ImportArgs;
use crate::cli::progress::Progress;
use crate::cli::{CommandError, Terminal};

/// The refusals that the JSON report has in full.
const SHOWN: usize = 10_000;

/// A refused line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    line: u64,
    attribute: Option<String>,
    scim_type: Option<ScimType>,
    detail: String,
}

impl Refusal {
    pub(super) fn of_line(line: u64, scim_type: Option<ScimType>, detail: impl Into<String>) -> Refusal {
        Refusal {
            line,
            attribute: None,
            scim_type,
            detail: detail.into(),
        }
    }

    pub(super) fn of_attribute(
        line: u64,
        attribute: impl Into<String>,
        scim_type: Option<ScimType>,
        detail: impl Into<String>,
    ) -> Refusal {
        Refusal {
            attribute: Some(attribute.into()),
            ..Refusal::of_line(line, scim_type, detail)
        }
    }

    pub(super) fn of_error(line: u64, error: &ScimError) -> Refusal {
        Refusal {
            line,
            attribute: error.path.clone(),
            scim_type: error.scim_type(),
            detail: error.detail.clone(),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "line": self.line,
            "attribute": self.attribute,
            "scimType": self.scim_type.map(ScimType::as_str),
            "detail": self.detail,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "line {}: ", self.line)?;
        if let Some(scim_type) = self.scim_type {
            write!(out, "{}: ", scim_type.as_str())?;
        }
        out.write_str(&self.detail)
    }
}

/// The numbers of an import, and its progress.
pub(super) struct Report {
    pub(super) created: u64,
    pub(super) unchanged: u64,
    pub(super) tokens: u64,
    pub(super) clients: u64,
    pub(super) changes: u64,
    pub(super) progress: Progress,
    as_json: bool,
    number: u64,
    shown: Vec<Refusal>,
}

impl Report {
    pub(super) fn new(as_json: bool) -> Report {
        Report {
            created: 0,
            unchanged: 0,
            tokens: 0,
            clients: 0,
            changes: 0,
            progress: Progress::new("resources"),
            as_json,
            number: 0,
            shown: Vec::new(),
        }
    }

    /// Records a refusal. As text it is printed at once, so that a long import can be stopped early.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.number += 1;
        if !self.as_json {
            // The exit code reports it too.
            let _ = self.progress.suspended(|| writeln!(io::stderr(), "{refusal}"));
        } else if self.shown.len() < SHOWN {
            self.shown.push(refusal);
        }
    }

    pub(super) fn refused(&self) -> u64 {
        self.number
    }

    pub(super) fn print(self, arguments: &ImportArgs, terminal: &mut Terminal) -> Result<(), CommandError> {
        drop(self.progress);
        let tenant = &arguments.tenant;
        if self.as_json {
            return terminal.print(&json!({
                "tenant": tenant,
                "dryRun": arguments.dry_run,
                "created": self.created,
                "unchanged": self.unchanged,
                "tokens": self.tokens,
                "clients": self.clients,
                "changes": self.changes,
                "refused": self.number,
                "refusals": self.shown.iter().map(Refusal::to_json).collect::<Vec<_>>(),
            }));
        }
        let (created, unchanged, refused) = (self.created, self.unchanged, self.number);
        let intro = match arguments.dry_run {
            true => "Nothing was stored. An import would create",
            false => "Created",
        };
        writeln!(
            terminal.output,
            "{intro} {created} resources in the tenant {tenant}; {unchanged} are there already, {refused} lines are refused."
        )?;
        if self.tokens + self.clients + self.changes > 0 {
            writeln!(
                terminal.output,
                "Tokens: {}. OAuth clients and federations: {}. Entries of the journal: {}.",
                self.tokens, self.clients, self.changes
            )?;
        }
        Ok(())
    }
}
