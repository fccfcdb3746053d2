//! `scim-server journal`: prints a tenant's changes as JSON lines.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use scim_model::change::ChangePosition;
use scim_model::store::{ChangeJournal, Directory, JournalError, Tenant};

use super::arguments::JournalArgs;
use super::{CommandError, find_tenant};
use crate::delivery::follow::{FollowError, Follower, current_position};

/// Prints changes, one JSON object per line, each as soon as it is known: the existing ones, or also those to come. Ends
/// without an error when the reader closes the output, when `stop` gets a message, or when all its senders are gone.
///
/// # Errors
/// `NoTenant`, also when the tenant is deleted while the command runs; `PositionLost`; `Usage` for a text that is not a
/// position.
pub fn print(
    directory: &dyn Directory,
    journal: &dyn ChangeJournal,
    arguments: &JournalArgs,
    output: &mut dyn Write,
    stop: &Receiver<()>,
) -> Result<(), CommandError> {
    let after: Option<ChangePosition> = match &arguments.after {
        None => None,
        Some(text) => Some(
            text.trim()
                .parse()
                .map_err(|reason| CommandError::Usage(format!("`{text}` is not a position: {reason}")))?,
        ),
    };
    let tenant = match find_tenant(directory, &arguments.tenant) {
        Err(CommandError::NoTenant(text)) if after.is_some() => {
            return Err(CommandError::NoTenant(format!(
                "{text}: it has been deleted, and its journal with it, or its name is another one"
            )));
        }
        result => result?,
    };
    if arguments.position {
        let position = current_position(journal, &tenant);
        let position = position.map_err(|error| failure(error.into(), &tenant))?;
        writeln!(output, "{position}")?;
        return Ok(());
    }
    let after = after.unwrap_or_default();
    let mut follower = Follower::new(directory, journal, &tenant, after, arguments.follow);
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let changes = follower.next(left, stop);
        let Some(changes) = changes.map_err(|error| failure(error, &tenant))? else {
            return Ok(());
        };
        for change in &changes {
            // One write for each line, so that a reader never sees half of it.
            let line = format!("{}\n", change.to_json(&tenant.name));
            match output.write_all(line.as_bytes()).and_then(|()| output.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                result => result?,
            }
            left -= 1;
        }
        if stop.recv_timeout(Duration::ZERO) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
    Ok(())
}

/// A reader whose position is lost has to know that changes were missed.
fn failure(error: FollowError, tenant: &Tenant) -> CommandError {
    let advice = "read all resources again, and then the journal without `--after`";
    let name = &tenant.name;
    match error {
        FollowError::TenantDeleted(_) => CommandError::NoTenant(error.to_string()),
        FollowError::TenantReplaced(_) => CommandError::NoTenant(format!("{error}; {advice}")),
        FollowError::Journal(JournalError::Store(error)) => error.into(),
        FollowError::Journal(JournalError::Dropped(position)) => CommandError::PositionLost(format!(
            "the journal of `{name}` after `{position}` is incomplete, because entries older than `--journal-days` \
             have been dropped: {advice}"
        )),
        FollowError::Journal(JournalError::Unknown(position)) => CommandError::PositionLost(format!(
            "`{position}` is not a position in the journal of `{name}`: it belongs to another tenant, or an older \
             backup has been restored; {advice}"
        )),
    }
}
