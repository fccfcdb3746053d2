//! The feed: the events of all tenants, or of some, in one order and in pages.

use std::collections::HashMap;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use scim_model::change::ChangePosition;
use scim_model::store::{
    ChangeFeed, FeedEntries, FeedEntry, FeedStart, FeedTenants, JournalError, PastResource, StoreError,
};

use super::event::{Event, EventId, InvalidEventId, events_of};
use super::feed_signal::{FeedSignal, Waiter};
use super::filter::EventFilter;

/// Events on a page when a request does not say how many.
pub const DEFAULT_LIMIT: u32 = 100;

/// The most events on a page.
pub const MAX_LIMIT: u32 = 1_000;

/// The bounds of a page, in addition to the number of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageBounds {
    /// Entries that the page looks at, at least 1. A filter that few events pass gets a page with `more` and without
    /// events.
    pub entries: usize,
    /// The size of its entries, and of the resources that its events contain, in bytes of stored text. A single entry
    /// may be larger.
    pub bytes: usize,
}

impl PageBounds {
    /// The bounds for readers that take a page as a whole.
    pub const PAGE: PageBounds = PageBounds {
        entries: 10_000,
        bytes: 4 * 1024 * 1024,
    };

    /// The bounds for readers that take event by event, and may stop at any time. The server holds at most 1 MiB for such a
    /// reader: the events of a page, whose other members have less than 100 kB, and two events that are being sent.
    pub const STREAM: PageBounds = PageBounds {
        entries: 1_000,
        bytes: 256 * 1024,
    };
}

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
    /// The other bounds of the page.
    pub bounds: PageBounds,
    /// Whether events contain the resource in the state right after the change.
    pub with_resources: bool,
}

impl FeedRequest {
    /// Asks for all events of tenants, in pages of the usual size and without resources.
    pub fn new(tenants: FeedTenants, after: After) -> FeedRequest {
        FeedRequest {
            tenants,
            after,
            filter: EventFilter::default(),
            limit: DEFAULT_LIMIT,
            bounds: PageBounds::PAGE,
            with_resources: false,
        }
    }
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
    /// The number of entries after the last event of the page that were looked at, and whose events did not pass the
    /// filter.
    pub skipped: usize,
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
            let resources = match request.with_resources {
                true => self.resources(&page, &read)?,
                false => Resources::NotWanted,
            };
            match page.take(&read, &resources) {
                Some(last) => start = FeedStart::After(last),
                None => return Ok(page.finish()),
            }
        }
    }

    /// Reads the resources of the entries that have events for a page.
    fn resources(&self, page: &PageInProgress, read: &FeedEntries) -> Result<Resources, StoreError> {
        let mut wanted: Vec<&FeedEntry> = read.entries.iter().filter(|it| page.has_event_of(it)).collect();
        wanted.truncate(page.limit - page.events.len());
        if wanted.is_empty() {
            return Ok(Resources::NotWanted);
        }
        let left = page.request.bounds.bytes.saturating_sub(page.bytes);
        let found = self.store.resources_after(&wanted, left)?;
        let positions = wanted.iter().map(|it| it.change.position);
        Ok(Resources::Of(positions.zip(found).collect()))
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
        Ok(FeedPage {
            events: Vec::new(),
            next: self.last_event_at(tenants, position)?,
            skipped: 0,
            more: false,
            oldest: id_at(self.store.oldest_position(tenants)?),
            visible_up_to: position.sequence,
        })
    }

    /// Returns the id of the last event of a change.
    fn last_event_at(&self, tenants: &FeedTenants, position: ChangePosition) -> Result<EventId, FeedError> {
        let entries = match self.store.entries(tenants, FeedStart::At(position), 1) {
            Ok(read) => read.entries,
            // Retention has dropped it since.
            Err(JournalError::Dropped(_) | JournalError::Unknown(_)) => Vec::new(),
            Err(JournalError::Store(error)) => return Err(error.into()),
        };
        let last = entries.first().filter(|it| it.change.position == position);
        let number = last.map_or(0, |it| it.change.parts().len().saturating_sub(1));
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Ok(EventId { position, number })
    }

    /// Returns the id after which a reader continues that has read the feed of other tenants up to an event, and that wants
    /// these tenants from now on.
    ///
    /// # Errors
    /// The errors of the store.
    pub fn position_at(&self, tenants: &FeedTenants, event: EventId) -> Result<EventId, FeedError> {
        let position = self.store.position_at(tenants, event.position.sequence)?;
        match position == event.position {
            true => Ok(event),
            false => self.last_event_at(tenants, position),
        }
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

/// The resources after the changes of some entries, by position.
enum Resources {
    NotWanted,
    Of(HashMap<ChangePosition, PastResource>),
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
    skipped: usize,
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
            skipped: 0,
            bytes: 0,
        }
    }

    /// Entries to read: with a filter many, because few may pass; otherwise one for each missing event. The entry of the
    /// start is read too, and is not looked at unless it has further events.
    fn next_limit(&self) -> u32 {
        let wanted = match self.request.filter.is_empty() {
            true => self.limit - self.events.len(),
            false => MAX_LIMIT as usize,
        };
        let wanted = wanted.min(self.request.bounds.entries.saturating_sub(self.looked_at).max(1));
        u32::try_from(wanted + 1).unwrap_or(MAX_LIMIT)
    }

    /// Whether an entry has an event that belongs on the page.
    fn has_event_of(&self, entry: &FeedEntry) -> bool {
        let mut events = events_of(entry).into_iter();
        events.any(|it| self.after.is_none_or(|after| it.id > after) && self.request.filter.matches(&it))
    }

    /// Adds the events of entries. Returns the position to continue after, or `None` when the page is complete.
    fn take(&mut self, read: &FeedEntries, resources: &Resources) -> Option<ChangePosition> {
        self.oldest = id_at(read.oldest);
        self.visible_up_to = read.visible_up_to;
        for entry in &read.entries {
            if !self.take_entry(entry, resources) {
                self.more = true;
                return None;
            }
        }
        // The last entries may belong to a tenant that is being deleted.
        let last = read.last.map(id_at);
        self.next = self.next.max(last);
        self.more = read.more;
        read.last
            .filter(|_| read.more && self.looked_at < self.request.bounds.entries)
    }

    /// Adds the events of an entry; `false` when the page has no room for all of them.
    fn take_entry(&mut self, entry: &FeedEntry, resources: &Resources) -> bool {
        let after = self.after;
        let mut events = events_of(entry);
        events.retain(|it| after.is_none_or(|after| it.id > after));
        if events.is_empty() {
            return true;
        }
        let bounds = self.request.bounds;
        let is_full = self.looked_at >= bounds.entries || self.bytes + entry.stored_bytes > bounds.bytes;
        if self.looked_at > 0 && is_full {
            return false;
        }
        self.looked_at += 1;
        self.bytes += entry.stored_bytes;
        let mut is_skipped = true;
        for mut event in events {
            let id = event.id;
            if self.request.filter.matches(&event) {
                if self.events.len() == self.limit {
                    return false;
                }
                if let Resources::Of(found) = resources {
                    let Some(resource) = found.get(&id.position) else {
                        return false;
                    };
                    if !self.events.is_empty() && self.bytes + resource.bytes > bounds.bytes {
                        return false;
                    }
                    self.bytes += resource.bytes;
                    event.resource.clone_from(&resource.members);
                }
                self.events.push(event);
                self.skipped = 0;
                is_skipped = false;
            }
            self.next = Some(id);
        }
        self.skipped += usize::from(is_skipped);
        true
    }

    fn finish(self) -> FeedPage {
        FeedPage {
            events: self.events,
            next: self.next.unwrap_or(self.oldest),
            skipped: self.skipped,
            more: self.more,
            oldest: self.oldest,
            visible_up_to: self.visible_up_to,
        }
    }
}
