//! The certificates of the listeners.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use super::finding::Findings;

const CHECK: &str = "certificates";

/// The time before an expiry from which on it is a finding, as in the log of the server.
const NOTICE: TimeDelta = TimeDelta::days(14);

/// The certificate of a listener.
#[derive(Clone, Debug)]
pub struct ListenerCertificate {
    /// The flag that names the file.
    pub flag: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The time at which the certificate expires, or the reason why the server could not use it and its key.
    pub expires: Result<DateTime<Utc>, String>,
}

pub(super) fn examine(certificates: &[ListenerCertificate], now: DateTime<Utc>, findings: &mut Findings) {
    for certificate in certificates {
        let place = format!("{} {}", certificate.flag, certificate.path.display());
        match &certificate.expires {
            Err(reason) => findings.error(
                CHECK,
                reason,
                "correct the file: the server does not start with it",
            ),
            Ok(expires) => {
                let day = expires.format("%Y-%m-%d");
                let remedy = "replace the file: the server notices it by itself";
                if *expires <= now {
                    findings.error(CHECK, format!("{place}: it expired on {day}"), remedy);
                } else if *expires - now <= NOTICE {
                    findings.warning(CHECK, format!("{place}: it expires on {day}"), remedy);
                } else {
                    findings.good(CHECK, format!("{place}: it is valid until {day}"));
                }
            }
        }
    }
}
