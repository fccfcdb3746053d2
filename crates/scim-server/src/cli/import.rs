//! `scim-server import`: reads a tenant from JSON lines.
//!
//! Lines are stored in batches. A killed import is run again with the same lines: it finds what it has stored.

mod credentials;
mod ids;
mod journal;
mod prepared;
mod report;
mod seen;
mod setting;
mod storing;

use std::io::BufRead;
use std::sync::Arc;

use chrono::SubsecRound as _;
use scim_model::{SchemaRegistry, ScimType, json};

use self::credentials::Credentials;
use self::journal::Entries;
use self::report::Refusal;
pub use self::setting::ImportStore;
use self::setting::{Setting, Target};
use self::storing::Storing;
use super::arguments::ImportArgs;
use super::originator::originator;
use super::transfer::{End, FORMAT, Header, Line};
use super::{CommandError, Terminal};

/// Stores the lines of the input in a tenant, and reports those that are refused.
///
/// # Errors
/// `Refused` if a line is refused, after all others have been stored; and see [`CommandError`].
pub fn run(
    store: &dyn ImportStore,
    registry: Arc<SchemaRegistry>,
    arguments: &ImportArgs,
    input: &mut dyn BufRead,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let setting = Setting {
        store,
        registry,
        arguments,
        tenant: Target::find(store, &arguments.tenant, terminal.now)?,
        now: terminal.now.trunc_subsecs(3),
        actor: originator(),
    };
    let mut import = Import {
        storing: Storing::new(&setting),
        credentials: Credentials::default(),
        setting: &setting,
        entries: Entries::default(),
        header: None,
        end: None,
        read: End {
            resources: 0,
            changes: 0,
        },
    };
    import.read_all(input)?;
    let report = import.storing.report;
    let refused = report.refused();
    report.print(arguments, terminal)?;
    match refused {
        0 => Ok(()),
        number => Err(CommandError::Refused(format!("refused lines: {number}"))),
    }
}

/// An import that is under way.
struct Import<'a> {
    setting: &'a Setting<'a>,
    storing: Storing<'a>,
    credentials: Credentials,
    entries: Entries,
    header: Option<Header>,
    end: Option<End>,
    /// The lines that were read so far.
    read: End,
}

impl Import<'_> {
    fn read_all(&mut self, input: &mut dyn BufRead) -> Result<(), CommandError> {
        let (mut number, mut text) = (0, Vec::new());
        loop {
            text.clear();
            if input.read_until(b'\n', &mut text)? == 0 {
                break;
            }
            number += 1;
            let text = text.trim_ascii();
            if !text.is_empty() {
                self.line(number, text)?;
            }
        }
        self.storing.store_batch()?;
        self.storing.add_deferred_members()?;
        self.entries.store(self.setting.store, self.setting.tenant.id())?;
        if self.header.is_some() && self.end != Some(self.read) {
            self.storing.report.refuse(Refusal::of_line(
                number + 1,
                None,
                "the export is incomplete: lines are missing at its end, or were left out",
            ));
        }
        if self.header.is_some() && self.storing.report.refused() == 0 {
            // The export of a tenant without resources.
            self.setting.tenant_to_fill()?;
        }
        Ok(())
    }

    fn line(&mut self, number: u64, text: &[u8]) -> Result<(), CommandError> {
        let value = match json::parse(text) {
            Ok(value) => value,
            Err(error) => {
                self.storing.report.refuse(Refusal::of_error(number, &error));
                return Ok(());
            }
        };
        if value.get("schemas").is_some() {
            if self.setting.arguments.keep_journal && self.header.is_none() {
                let text =
                    "--keep-journal needs an export with its first line, which comes before the resources";
                return Err(CommandError::Refused(text.to_owned()));
            }
            self.read.resources += 1;
            self.storing.report.progress.set(self.read.resources);
            return self.storing.resource(number, value, text.len());
        }
        match serde_json::from_value::<Line>(value) {
            Ok(line) => self.special(number, line),
            Err(error) => {
                let detail = format!("neither a resource nor a line of an export: {error}");
                self.storing
                    .report
                    .refuse(Refusal::of_line(number, Some(ScimType::InvalidSyntax), detail));
                Ok(())
            }
        }
    }

    fn special(&mut self, number: u64, line: Line) -> Result<(), CommandError> {
        match line {
            Line::Export(header) => self.begin(header),
            Line::Connection(line) if self.setting.arguments.keep_tokens => {
                let outcome = self.credentials.connection(self.setting, &line)?;
                self.record(number, outcome);
                Ok(())
            }
            Line::Token(line) if self.setting.arguments.keep_tokens => {
                let outcome = self.credentials.token(self.setting, &line)?;
                self.storing.report.tokens += u64::from(outcome.is_ok());
                self.record(number, outcome);
                Ok(())
            }
            Line::Client(line) if self.setting.arguments.keep_tokens => {
                let outcome = self.credentials.client(self.setting, &line)?;
                self.storing.report.clients += u64::from(outcome.is_ok());
                self.record(number, outcome);
                Ok(())
            }
            Line::Change(change) => {
                self.read.changes += 1;
                if !self.setting.arguments.keep_journal {
                    return Ok(());
                }
                match change.to_change() {
                    Ok(change) => {
                        self.storing.report.changes += 1;
                        match self.setting.arguments.dry_run {
                            true => Ok(()),
                            false => self
                                .entries
                                .add(self.setting.store, self.setting.tenant.id(), change),
                        }
                    }
                    Err(detail) => {
                        self.storing.report.refuse(Refusal::of_line(
                            number,
                            Some(ScimType::InvalidValue),
                            detail,
                        ));
                        Ok(())
                    }
                }
            }
            Line::Connection(_) | Line::Token(_) | Line::Client(_) => Ok(()),
            Line::End(end) => {
                self.end = Some(end);
                Ok(())
            }
        }
    }

    fn record(&mut self, number: u64, outcome: Result<(), String>) {
        if let Err(detail) = outcome {
            self.storing.report.refuse(Refusal::of_line(number, None, detail));
        }
    }

    /// Checks that the export has the parts that the arguments keep.
    fn begin(&mut self, header: Header) -> Result<(), CommandError> {
        if header.format > FORMAT {
            let text = format!(
                "the format {} of the export is newer than this version: {FORMAT}",
                header.format
            );
            return Err(CommandError::Refused(text));
        }
        for (is_wanted, is_there, flag) in [
            (
                self.setting.arguments.keep_tokens,
                header.has_tokens,
                "--with-tokens",
            ),
            (
                self.setting.arguments.keep_journal,
                header.has_journal,
                "--with-journal",
            ),
        ] {
            if is_wanted && !is_there {
                let text =
                    format!("the export lacks a part that the arguments keep: export it again with `{flag}`");
                return Err(CommandError::Refused(text));
            }
        }
        if self.setting.arguments.keep_journal {
            journal::start(self.setting, &header)?;
        }
        self.storing.report.progress.set_length(header.resources);
        self.header = Some(header);
        Ok(())
    }
}
