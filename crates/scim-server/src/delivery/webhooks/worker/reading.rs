//! Reading the journal for all endpoints. Endpoints at the same place share a page.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{ChangeFeed, FeedTenants, StoreError};
use uuid::Uuid;

use super::super::message::MessageId;
use super::endpoint::Endpoint;
use crate::delivery::event::{Event, EventId};
use crate::delivery::feed::{After, Feed, FeedError, FeedRequest, GoneReason};

/// Events on a page.
const PAGE: u32 = 100;

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
