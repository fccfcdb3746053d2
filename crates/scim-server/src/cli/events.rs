//! `scim-server events`: prints the events of the feed as JSON lines.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use scim_model::store::{Directory, FeedTenants, StoreError, Tenant};

use super::arguments::EventsArgs;
use super::{CommandError, find_tenant};
use crate::delivery::feed::{After, Feed, FeedError, FeedPage, FeedRequest, MAX_LIMIT};
use crate::delivery::filter::EventFilter;

/// The pause between two reads of a feed that has no more events.
const INTERVAL: Duration = Duration::from_millis(250);

/// Reads without an event before the command checks that its tenants still exist.
const READS_PER_TENANT_CHECK: u32 = 4;

/// Prints events, one JSON object per line, each as soon as it is known: the existing ones, or also those to come. Ends
/// without an error when the reader closes the output, when `stop` gets a message, or when all its senders are gone.
///
/// # Errors
/// `NoTenant`, also when a tenant is deleted while the command runs; `PositionLost`.
pub fn print(
    directory: &dyn Directory,
    feed: &Feed,
    arguments: &EventsArgs,
    output: &mut dyn Write,
    stop: &Receiver<()>,
) -> Result<(), CommandError> {
    let names = arguments.tenant.iter();
    let tenants: Vec<Tenant> = names
        .map(|it| find_tenant(directory, it))
        .collect::<Result<_, _>>()?;
    let chosen = match tenants.is_empty() {
        true => FeedTenants::All,
        false => FeedTenants::Only(tenants.iter().map(|it| it.id).collect()),
    };
    let mut reader = Reader {
        directory,
        feed,
        request: FeedRequest {
            filter: EventFilter {
                types: arguments.types.clone(),
                ..EventFilter::default()
            },
            limit: MAX_LIMIT,
            ..FeedRequest::new(chosen, arguments.after.unwrap_or_default())
        },
        tenants,
        waits: arguments.follow,
    };
    if arguments.position {
        reader.request.after = After::Now;
        let page = reader.next(MAX_LIMIT.into())?;
        writeln!(output, "{}", page.next)?;
        return Ok(());
    }
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut idle_reads = 0;
    while left > 0 {
        let page = reader.next(left)?;
        for event in &page.events {
            // One write for each line, so that a reader never sees half of it.
            let line = format!("{}\n", event.body());
            match output.write_all(line.as_bytes()).and_then(|()| output.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                result => result?,
            }
            left -= 1;
        }
        if page.more {
            if is_stopped(stop, Duration::ZERO) {
                return Ok(());
            }
            continue;
        }
        idle_reads += 1;
        if !arguments.follow || idle_reads % READS_PER_TENANT_CHECK == 0 {
            reader.check_tenants()?;
        }
        if !arguments.follow || is_stopped(stop, INTERVAL) {
            return Ok(());
        }
    }
    Ok(())
}

fn is_stopped(stop: &Receiver<()>, within: Duration) -> bool {
    stop.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
}

/// A reader of the feed that continues after the last page.
struct Reader<'a> {
    directory: &'a dyn Directory,
    feed: &'a Feed,
    request: FeedRequest,
    /// The chosen tenants; empty for all.
    tenants: Vec<Tenant>,
    waits: bool,
}

impl Reader<'_> {
    fn next(&mut self, limit: u64) -> Result<FeedPage, CommandError> {
        self.request.limit = u32::try_from(limit).map_or(MAX_LIMIT, |it| it.min(MAX_LIMIT));
        loop {
            match self.feed.page(&self.request) {
                Ok(page) => {
                    self.request.after = After::Event(page.next);
                    return Ok(page);
                }
                // A reader can wait for a database that is busy for a while.
                Err(FeedError::Store(StoreError::Busy)) if self.waits => std::thread::sleep(INTERVAL),
                Err(FeedError::Store(error)) => return Err(error.into()),
                Err(error @ FeedError::Gone { .. }) => {
                    self.check_tenants()?;
                    return Err(CommandError::PositionLost(format!(
                        "{error}; print the current id with `events --position`, read all resources again, and continue \
                         after that id"
                    )));
                }
            }
        }
    }

    /// Without this check, a reader of deleted tenants would wait forever.
    fn check_tenants(&self) -> Result<(), CommandError> {
        if self.tenants.is_empty() {
            return Ok(());
        }
        let existing = match self.directory.tenants() {
            Err(StoreError::Busy) => return Ok(()),
            result => result?,
        };
        match self
            .tenants
            .iter()
            .find(|it| existing.iter().all(|other| other.id != it.id))
        {
            Some(gone) => Err(CommandError::NoTenant(format!(
                "the tenant `{}` has been deleted, and its events with it",
                gone.name
            ))),
            None => Ok(()),
        }
    }
}
