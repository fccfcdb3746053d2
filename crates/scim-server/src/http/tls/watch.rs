//! The work that reads certificates again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt::task::spawn_blocking;
use actix_web::rt::time::timeout;

use super::{Reload, Tls};
use crate::clock;
use crate::signals::Hangups;

/// The time between two looks at the files. Their contents are compared, so that a link that leads to another file,
/// and a file with an old date, count as changes too.
const INTERVAL: Duration = Duration::from_secs(2);

/// The time between two warnings of the same certificate.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the files again when they have changed, and at each SIGHUP. Never ends.
pub async fn watch(all: Vec<Arc<Tls>>, mut hangups: Hangups) {
    let mut last_warned = Instant::now();
    loop {
        let is_asked = timeout(INTERVAL, hangups.next()).await.is_ok();
        let is_due = last_warned.elapsed() > BETWEEN_WARNINGS;
        if is_due {
            last_warned = Instant::now();
        }
        for tls in all.iter().cloned() {
            // The files may be on a network.
            let reloaded = spawn_blocking(move || {
                if is_due {
                    tls.warn_of_expiry(clock::now());
                }
                (tls.reload(), tls)
            });
            if let Ok((Reload::Unchanged, tls)) = reloaded.await
                && is_asked
            {
                log::info!(
                    "SIGHUP: the certificate of the listener `{}` has not changed",
                    tls.listener()
                );
            }
        }
        if is_asked && all.is_empty() {
            log::info!("SIGHUP: no listener has a certificate that could be read again");
        }
    }
}
