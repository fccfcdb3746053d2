//! The feed on the threads of the listener, for pages and streams.

use std::time::Duration;

use super::operator::Operator;
use super::problem::Problem;
use crate::delivery::feed::{Feed, FeedError, FeedPage, FeedRequest};
use crate::delivery::feed_signal::Waiter;

/// The time between two looks at whether the server stops.
pub(super) const SHUTDOWN_CHECK: Duration = Duration::from_millis(500);

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Problem {
        match error {
            FeedError::Store(error) => error.into(),
            FeedError::Gone { reason, oldest, .. } => {
                Problem::gone(error.to_string(), reason.as_str(), oldest.to_string())
            }
        }
    }
}

/// Reads a page on a thread that may block.
pub(super) async fn page(operator: &Operator, request: &FeedRequest) -> Result<FeedPage, Problem> {
    let (feed, request) = (operator.http.management.webhooks.feed.clone(), request.clone());
    operator.call(move |_| Ok(feed.page(&request)?)).await
}

/// Registers a reader that waits for events.
pub(super) fn waiter(feed: &Feed) -> Result<Waiter, Problem> {
    feed.waiter().map_err(|it| Problem::internal(it.to_string()))
}
