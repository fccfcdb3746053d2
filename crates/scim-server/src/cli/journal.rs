//! `scim-server journal`: a tenant's changes as JSON lines.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use scim_model::change::ChangePosition;
use scim_model::store::{ChangeJournal, Directory, JournalError, StoreError, Tenant};

use crate::cli::arguments::JournalArgs;
use crate::cli::{CommandError, find_tenant};

/// Changes that are read at once.
const PAGE: u32 = 100;

/// Between two looks for new changes.
const INTERVAL: Duration = Duration::from_millis(250);

/// So many looks in vain are between two at the tenant itself.
const LOOKS_PER_TENANT: u32 = 4;

/// Prints changes, one JSON object a line, and each line as soon as it is known: those there are, or
/// also those to come. Ends well when the reader goes away, or when `stop` has nobody left to send.
///
/// # Errors
/// `Refused` when there is no such tenant, or no longer, or the position does not say where to go on.
pub fn print(
    directory: &dyn Directory,
    journal: &dyn ChangeJournal,
    arguments: &JournalArgs,
    output: &mut dyn Write,
    stop: &Receiver<()>,
) -> Result<(), CommandError> {
    let tenant = find_tenant(directory, &arguments.tenant)?;
    let mut after = match &arguments.after {
        None => ChangePosition::default(),
        Some(text) => text
            .parse()
            .map_err(|reason| CommandError::Refused(format!("`{text}` is no position: {reason}")))?,
    };
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut in_vain = 0;
    while left > 0 {
        let limit = u32::try_from(left).map_or(PAGE, |it| it.min(PAGE));
        let changes = match journal.changes(tenant.id, after, limit) {
            // Whoever follows can wait for a database that is busy or away for a while.
            Err(JournalError::Store(StoreError::Busy)) if arguments.follow => Vec::new(),
            result => result.map_err(|error| lost(error, &tenant))?,
        };
        for change in &changes {
            // In one piece: a reader never sees half a line.
            let line = format!("{}\n", change.to_json(&tenant.name));
            match output.write_all(line.as_bytes()).and_then(|()| output.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                result => result?,
            }
            after = change.position;
            left -= 1;
        }
        let wait = match (changes.is_empty(), arguments.follow) {
            (true, false) => return Ok(()),
            (true, true) => INTERVAL,
            (false, _) => Duration::ZERO,
        };
        in_vain = if changes.is_empty() { in_vain + 1 } else { 0 };
        if in_vain == LOOKS_PER_TENANT {
            in_vain = 0;
            still_there(directory, &tenant)?;
        }
        if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
    Ok(())
}

/// Whoever follows a tenant that has gone would wait for ever.
fn still_there(directory: &dyn Directory, tenant: &Tenant) -> Result<(), CommandError> {
    match directory.tenants() {
        // It can be waited for.
        Err(StoreError::Busy) => Ok(()),
        Ok(tenants) if tenants.iter().any(|it| it.id == tenant.id) => Ok(()),
        Ok(_) => Err(CommandError::Refused(format!(
            "the tenant `{}` has been deleted, and its journal with it",
            tenant.name
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Whoever goes on from a place that is gone must know it: he has missed something.
fn lost(error: JournalError, tenant: &Tenant) -> CommandError {
    let advice = "read all resources anew, and the journal without `--after`";
    match error {
        JournalError::Store(error) => CommandError::Store(error),
        JournalError::Dropped(position) => CommandError::Refused(format!(
            "the journal of `{}` behind `{position}` is no longer complete: lines older than `--journal-days` have \
             been dropped; {advice}",
            tenant.name
        )),
        JournalError::Unknown(position) => CommandError::Refused(format!(
            "`{position}` is no position in the journal of `{}`: it is another tenant's, or a backup was restored \
             that is older; {advice}",
            tenant.name
        )),
    }
}
