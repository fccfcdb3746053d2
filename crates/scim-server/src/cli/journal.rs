//! `scim-server journal`: prints a tenant's changes as JSON lines.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use scim_model::change::ChangePosition;
use scim_model::store::{ChangeJournal, Directory, JournalError, Tenant};

use super::arguments::JournalArgs;
use super::{CommandError, find_tenant};
use crate::delivery::follow::{FollowError, Follower};

/// Prints changes, one JSON object per line, each as soon as it is known: the existing ones, or also those to come. Ends
/// without an error when the reader closes the output, or all senders of `stop` are gone.
///
/// # Errors
/// `Refused` when the tenant does not exist or is deleted, or the journal cannot be read after the position.
pub fn print(
    directory: &dyn Directory,
    journal: &dyn ChangeJournal,
    arguments: &JournalArgs,
    output: &mut dyn Write,
    stop: &Receiver<()>,
) -> Result<(), CommandError> {
    let tenant = find_tenant(directory, &arguments.tenant)?;
    let after = match &arguments.after {
        None => ChangePosition::default(),
        Some(text) => text
            .parse()
            .map_err(|reason| CommandError::Refused(format!("`{text}` is not a position: {reason}")))?,
    };
    let mut follower = Follower::new(directory, journal, &tenant, after, arguments.follow);
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let changes = follower.next(left, stop);
        let Some(changes) = changes.map_err(|error| refused(error, &tenant))? else {
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
fn refused(error: FollowError, tenant: &Tenant) -> CommandError {
    let advice = "read all resources again, and then the journal without `--after`";
    let tenant = &tenant.name;
    match error {
        FollowError::TenantDeleted(_) => CommandError::Refused(error.to_string()),
        FollowError::Journal(JournalError::Store(error)) => CommandError::Store(error),
        FollowError::Journal(JournalError::Dropped(position)) => CommandError::Refused(format!(
            "the journal of `{tenant}` after `{position}` is incomplete, because entries older than `--journal-days` \
             have been dropped: {advice}"
        )),
        FollowError::Journal(JournalError::Unknown(position)) => CommandError::Refused(format!(
            "`{position}` is not a position in the journal of `{tenant}`: it belongs to another tenant, or an older \
             backup has been restored; {advice}"
        )),
    }
}
