//! The feed: the events of all tenants, or of some, in one order and in pages.

use std::io;
use std::str::FromStr;
use std::sync::Arc;

use scim_model::change::ChangePosition;
use scim_model::store::{
    ChangeFeed, FeedEntries, FeedEntry, FeedStart, FeedTenants, JournalError, StoreError,
};

use super::event::{Event, EventId, InvalidEventId, events_of};
use super::feed_signal::{FeedSignal, Waiter};
use super::filter::EventFilter;

/// Events on a page when a request does not say how many.
pub const DEFAULT_LIMIT: u32 = 100;

/// The most events on a page.
pub const MAX_LIMIT: u32 = 1_000;

/// Entries that one page looks at. A filter that few events pass gets a page with `more` and without events.
const MAX_ENTRIES: usize = 10_000;

/// A page ends when the stored texts of its entries have this size, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The feed of a process. Its readers share one that polls for changes while any of them waits.
pub struct Feed {
    store: Arc<dyn ChangeFeed>,
    signal: FeedSignal,
}

/// The page that a reader asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedRequest {
    /// The tenants whose events are wanted.
    pub tenants: FeedTenants,
    /// The place where the page begins.
    pub after: After,
    /// The events that are wanted. It changes no ids.
    pub filter: EventFilter,
    /// The most events on the page; a number outside of 1 to [`MAX_LIMIT`] counts as the nearest one.
    pub limit: u32,
}

/// The place where a page begins. `FromStr` reads an event id or `now`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// The oldest event that has been kept.
    #[default]
    Oldest,
    /// The events that are yet to come: the page is empty, and its `next` is the current id.
    Now,
    /// The events after this one.
    Event(EventId),
}

impl FromStr for After {
    type Err = InvalidAfter;

    fn from_str(text: &str) -> Result<After, InvalidAfter> {
        match text {
            "now" => Ok(After::Now),
            text => text.parse().map(After::Event).map_err(InvalidAfter),
        }
    }
}

/// The text is not a place in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`after`: {0}, or `now`")]
pub struct InvalidAfter(InvalidEventId);

/// A page of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedPage {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// The last id that was looked at, after which the reader continues. It moves also when no event passed the filter.
    pub next: EventId,
    /// Whether there may be later events now.
    pub more: bool,
    /// The oldest id after which a reader misses nothing.
    pub oldest: EventId,
    /// See [`Waiter::wait`].
    pub visible_up_to: i64,
}

/// The reason why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The feed cannot continue after the id without a gap. The reader has to read all resources again.
    #[error("the feed cannot continue after `{after}`: {}", reason.explanation())]
    Gone {
        /// The id that the reader sent.
        after: EventId,
        /// Why events may be missing.
        reason: GoneReason,
        /// The oldest id after which a reader misses nothing.
        oldest: EventId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the feed cannot continue after an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoneReason {
    /// Retention has dropped events after the id.
    Dropped,
    /// The id belongs to another or a deleted tenant, or a backup was restored.
    Unknown,
}

impl GoneReason {
    /// Returns the word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            GoneReason::Dropped => "dropped",
            GoneReason::Unknown => "unknown",
        }
    }

    /// Returns a sentence for people.
    pub fn explanation(self) -> &'static str {
        match self {
            GoneReason::Dropped => {
                "later events are missing, because entries older than `--journal-days` have been dropped"
            }
            GoneReason::Unknown => {
                "it belongs to another or a deleted tenant, or an older backup has been restored"
            }
        }
    }
}

impl Feed {
    /// Creates the feed of a store.
    pub fn new(store: Arc<dyn ChangeFeed>) -> Feed {
        let signal = FeedSignal::new(store.clone());
        Feed { store, signal }
    }

    /// Returns the next page.
    ///
    /// # Errors
    /// `Gone`, and the errors of the store.
    pub fn page(&self, request: &FeedRequest) -> Result<FeedPage, FeedError> {
        let (mut start, after) = match request.after {
            After::Now => return self.empty_page(&request.tenants),
            After::Oldest => (FeedStart::Oldest, None),
            After::Event(id) => (FeedStart::At(id.position), Some(id)),
        };
        let mut page = PageInProgress::new(request, after);
        loop {
            let read = match self.store.entries(&request.tenants, start, page.next_limit()) {
                // The events so far are in order. The next page reports the error.
                Err(JournalError::Dropped(_) | JournalError::Unknown(_)) if page.looked_at > 0 => {
                    page.more = true;
                    return Ok(page.finish());
                }
                result => result.map_err(|error| self.explain(error, request, after))?,
            };
            if let Some(after) = after.filter(|it| lacks_parts(*it, &read)) {
                let dropped = JournalError::Dropped(after.position);
                return Err(self.explain(dropped, request, Some(after)));
            }
            match page.take(&read) {
                Some(last) => start = FeedStart::After(last),
                None => return Ok(page.finish()),
            }
        }
    }

    /// Registers a reader that waits for events. It should be registered before it reads the page that it finds empty.
    ///
    /// # Errors
    /// The operating system starts no more threads.
    pub fn waiter(&self) -> io::Result<Waiter> {
        self.signal.waiter()
    }

    /// A page without events at the current end of the feed.
    fn empty_page(&self, tenants: &FeedTenants) -> Result<FeedPage, FeedError> {
        let position = self.store.current_position(tenants)?;
        let entries = match self.store.entries(tenants, FeedStart::At(position), 1) {
            Ok(read) => read.entries,
            // Retention has dropped it since.
            Err(JournalError::Dropped(_) | JournalError::Unknown(_)) => Vec::new(),
            Err(JournalError::Store(error)) => return Err(error.into()),
        };
        let last = entries.first().filter(|it| it.change.position == position);
        let number = last.map_or(0, |it| it.change.parts().len().saturating_sub(1));
        Ok(FeedPage {
            events: Vec::new(),
            next: EventId {
                position,
                number: u32::try_from(number).unwrap_or(u32::MAX),
            },
            more: false,
            oldest: id_at(self.store.oldest_position(tenants)?),
            visible_up_to: position.sequence,
        })
    }

    fn explain(&self, error: JournalError, request: &FeedRequest, after: Option<EventId>) -> FeedError {
        let reason = match error {
            JournalError::Store(error) => return error.into(),
            JournalError::Dropped(_) => GoneReason::Dropped,
            JournalError::Unknown(_) => GoneReason::Unknown,
        };
        match self.store.oldest_position(&request.tenants) {
            Ok(oldest) => FeedError::Gone {
                after: after.unwrap_or_default(),
                reason,
                oldest: id_at(oldest),
            },
            Err(error) => error.into(),
        }
    }
}

/// Whether retention has dropped a change before the reader has seen all of its events.
fn lacks_parts(after: EventId, read: &FeedEntries) -> bool {
    let seen = after.number as usize + 1;
    read.dropped_parts.is_some_and(|parts| seen < parts)
}

/// A position as the id of its first event. It continues after a dropped entry, whose events need no number.
fn id_at(position: ChangePosition) -> EventId {
    EventId { position, number: 0 }
}

/// A page that is being filled.
struct PageInProgress<'a> {
    request: &'a FeedRequest,
    limit: usize,
    after: Option<EventId>,
    events: Vec<Event>,
    next: Option<EventId>,
    more: bool,
    oldest: EventId,
    visible_up_to: i64,
    looked_at: usize,
    bytes: usize,
}

impl<'a> PageInProgress<'a> {
    fn new(request: &'a FeedRequest, after: Option<EventId>) -> PageInProgress<'a> {
        PageInProgress {
            request,
            limit: request.limit.clamp(1, MAX_LIMIT) as usize,
            after,
            events: Vec::new(),
            next: after,
            more: false,
            oldest: EventId::default(),
            visible_up_to: 0,
            looked_at: 0,
            bytes: 0,
        }
    }

    /// Entries to read: with a filter many, because few may pass; otherwise one for each missing event, and that of the
    /// start.
    fn next_limit(&self) -> u32 {
        let missing = self.limit - self.events.len();
        let wanted = match self.request.filter.is_empty() {
            true => missing + 1,
            false => MAX_LIMIT as usize,
        };
        u32::try_from(wanted.min(MAX_ENTRIES)).unwrap_or(MAX_LIMIT)
    }

    /// Adds the events of entries. Returns the position to continue after, or `None` when the page is complete.
    fn take(&mut self, read: &FeedEntries) -> Option<ChangePosition> {
        self.oldest = id_at(read.oldest);
        self.visible_up_to = read.visible_up_to;
        for entry in &read.entries {
            if self.bytes > MAX_BYTES || !self.take_entry(entry) {
                self.more = true;
                return None;
            }
        }
        // The last entries may belong to a tenant that is being deleted.
        let last = read.last.map(id_at);
        self.next = self.next.max(last);
        self.more = read.more;
        read.last.filter(|_| read.more && self.looked_at < MAX_ENTRIES)
    }

    /// Adds the events of an entry; `false` when an event of it has no room.
    fn take_entry(&mut self, entry: &FeedEntry) -> bool {
        self.looked_at += 1;
        self.bytes += entry.stored_bytes;
        for event in events_of(entry) {
            if self.after.is_some_and(|after| event.id <= after) {
                continue;
            }
            let id = event.id;
            if self.request.filter.matches(&event) {
                if self.events.len() == self.limit {
                    return false;
                }
                self.events.push(event);
            }
            self.next = Some(id);
        }
        true
    }

    fn finish(self) -> FeedPage {
        FeedPage {
            events: self.events,
            next: self.next.unwrap_or(self.oldest),
            more: self.more,
            oldest: self.oldest,
            visible_up_to: self.visible_up_to,
        }
    }
}
