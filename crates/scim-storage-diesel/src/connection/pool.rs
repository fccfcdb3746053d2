//! The pool of connections to either database.

use std::time::Duration;

use diesel::r2d2::{Builder, ConnectionManager, CustomizeConnection, Error, R2D2Connection};

pub(super) type Pool<C> = diesel::r2d2::Pool<ConnectionManager<C>>;

/// Creates a pool, which opens connections when they are needed. A request that waits too long for a connection is refused.
pub(super) fn pool<C: R2D2Connection + Send + 'static>(
    url: &str,
    size: u32,
    settings: impl CustomizeConnection<C, Error>,
) -> Pool<C> {
    Builder::new()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .connection_timeout(Duration::from_secs(3))
        .connection_customizer(Box::new(settings))
        .build_unchecked(ConnectionManager::new(url))
}
