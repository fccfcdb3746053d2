//! Reading the journal for all endpoints. Endpoints at the same place share a page.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{ChangeFeed, FeedTenants, JournalError, StoreError};
use uuid::Uuid;

use super::super::message::{Gap, MessageId};
use super::endpoint::Endpoint;
use crate::delivery::event::{Event, EventId, events_of};
use crate::delivery::feed::{After, Feed, FeedError, FeedRequest, GoneReason};

/// Events on a page.
const PAGE: u32 = 100;

/// Entries of one resource that are read at once.
const BACKLOG_PAGE: u32 = 100;

/// Resources of an endpoint whose further events are read in one round.
const BACKLOGS: usize = 10;

/// The reader of the journal.
pub(super) struct Reading {
    journal: Arc<dyn ChangeFeed>,
    feed: Arc<Feed>,
    /// The number of the last visible entry.
    visible_up_to: Option<i64>,
}

/// The result of reading after an event.
#[derive(Clone)]
enum Read {
    /// Events, the last one that was looked at, and whether there are more.
    Page(Arc<[Arc<Event>]>, EventId, bool),
    /// Events are missing. Reading can continue after the last one.
    Gap(GoneReason, EventId),
}

impl Reading {
    pub(super) fn new(journal: Arc<dyn ChangeFeed>, feed: Arc<Feed>) -> Reading {
        Reading {
            journal,
            feed,
            visible_up_to: None,
        }
    }

    /// Reads a page for each endpoint that has room and may have unread events.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn read_for(
        &mut self,
        endpoints: &mut BTreeMap<Uuid, Endpoint>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if endpoints.is_empty() {
            return Ok(());
        }
        let visible = self.journal.visible_up_to()?;
        if self.visible_up_to != Some(visible) {
            endpoints.values_mut().for_each(|it| it.is_behind = true);
        }
        let mut pages = HashMap::new();
        for endpoint in endpoints.values_mut().filter(|it| it.is_behind) {
            let Some(after) = endpoint.queue.reads_after() else {
                continue;
            };
            let tenants = endpoint.tenants();
            let key = (tenant_ids(&tenants), after);
            let read = match pages.get(&key) {
                Some(read) => Read::clone(read),
                None => {
                    let read = self.read(tenants, after)?;
                    pages.insert(key, read.clone());
                    read
                }
            };
            match read {
                Read::Page(events, next, more) => {
                    endpoint.take(&events, next, now);
                    endpoint.is_behind = more;
                }
                Read::Gap(_, oldest) if oldest == after => {
                    // Repeating it would not help until something changes.
                    endpoint.is_behind = false;
                    log::error!(
                        "the webhook endpoint {} cannot read after {after}",
                        endpoint.webhook.id
                    );
                }
                Read::Gap(reason, oldest) => {
                    log::warn!(
                        "the webhook endpoint {} has missed events: {}",
                        endpoint.webhook.id,
                        reason.explanation()
                    );
                    let reason = reason.into();
                    let gap = MessageId::Gap {
                        reason,
                        after,
                        oldest,
                    };
                    endpoint.queue.skip_gap(gap, oldest, now);
                }
            }
        }
        self.visible_up_to = Some(visible);
        for endpoint in endpoints.values_mut() {
            self.read_backlogs(endpoint, now)?;
        }
        Ok(())
    }

    /// Reads further events of resources whose messages are not all stored.
    fn read_backlogs(&self, endpoint: &mut Endpoint, now: DateTime<Utc>) -> Result<(), StoreError> {
        for _ in 0..BACKLOGS {
            let Some(backlog) = endpoint.queue.backlog() else {
                return Ok(());
            };
            let entries = match self
                .journal
                .later_of_resource(backlog.after.position, BACKLOG_PAGE)
            {
                Ok(entries) => entries,
                Err(JournalError::Dropped(_)) => {
                    endpoint.queue.lose_backlog(backlog, Gap::Dropped, now);
                    continue;
                }
                Err(JournalError::Unknown(_)) => {
                    endpoint.queue.lose_backlog(backlog, Gap::Unknown, now);
                    continue;
                }
                Err(JournalError::Store(error)) => return Err(error),
            };
            let read_to = endpoint.queue.read_to();
            let mut more_after = (entries.len() >= BACKLOG_PAGE as usize).then_some(backlog.after);
            let mut wanted = Vec::new();
            for entry in &entries {
                let is_of_tenant = endpoint.subscription.tenants.includes(entry.tenant);
                for event in events_of(entry).iter().filter(|it| it.id > backlog.after) {
                    if event.id > read_to {
                        more_after = None;
                    } else {
                        more_after = more_after.map(|_| event.id);
                        wanted
                            .extend((is_of_tenant && endpoint.subscription.wants(event)).then_some(event.id));
                    }
                }
            }
            endpoint.queue.fill(backlog, wanted, more_after, now);
        }
        Ok(())
    }

    fn read(&self, tenants: FeedTenants, after: EventId) -> Result<Read, StoreError> {
        let request = FeedRequest {
            limit: PAGE,
            ..FeedRequest::new(tenants, After::Event(after))
        };
        match self.feed.page(&request) {
            Ok(page) => {
                let events = page.events.into_iter().map(Arc::new).collect();
                Ok(Read::Page(events, page.next, page.more))
            }
            Err(FeedError::Gone { reason, oldest, .. }) => Ok(Read::Gap(reason, oldest)),
            Err(FeedError::Store(error)) => Err(error),
        }
    }
}

fn tenant_ids(tenants: &FeedTenants) -> Option<Vec<i64>> {
    match tenants {
        FeedTenants::All => None,
        FeedTenants::Only(ids) => Some(ids.iter().map(|it| it.0).collect()),
    }
}
