//! The pool of connections to either database.

use std::time::Duration;

use diesel::r2d2::{ConnectionManager, Error, R2D2Connection};
use r2d2::{Builder, CustomizeConnection};

pub(super) type Pool<C> = r2d2::Pool<ConnectionManager<C>>;

/// The longest wait for a connection, before a request is refused as `Busy`.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Creates a pool, which opens connections when they are needed.
pub(super) fn pool<C: R2D2Connection + Send + 'static>(
    url: &str,
    size: u32,
    settings: impl CustomizeConnection<C, Error>,
) -> Pool<C> {
    Builder::new()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .connection_timeout(MAX_WAIT)
        .connection_customizer(Box::new(settings))
        .build_unchecked(ConnectionManager::new(url))
}
