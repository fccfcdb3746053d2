//! Refuses connections to PostgreSQL that could be unencrypted without the operator's consent.
//!
//! libpq's default, `sslmode=prefer`, falls back to plaintext, and without TLS compiled in it always uses plaintext.
//! So a URL that names another machine has to set an `sslmode` that leaves libpq no choice.

use std::net::IpAddr;

use super::url::{Url, decoded};
use crate::open_error::OpenError;

/// Whether this build can encrypt (the feature `postgres-tls`).
pub(crate) const HAS_TLS: bool = cfg!(feature = "postgres-tls");

/// Refuses a URL that leaves the choice to libpq. `variable` reads the environment, from which libpq takes settings
/// that the URL lacks.
pub(crate) fn refuse_silent_plaintext(
    url: &str,
    has_tls: bool,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), OpenError> {
    let target = Target::of(url, variable);
    let refusal = |reason: String| Err(OpenError::Plaintext(reason));
    match target.sslmode.as_deref() {
        Some("disable") => Ok(()),
        Some(mode @ ("require" | "verify-ca" | "verify-full")) => match has_tls {
            true => Ok(()),
            false => refusal(format!(
                "`sslmode={mode}` needs a build with the feature `postgres-tls`"
            )),
        },
        _ if target.is_local => Ok(()),
        _ if has_tls => refusal(
            "add `sslmode=verify-full` to the URL, or `require` to encrypt without knowing the server, \
             or `disable` if the network between is trusted"
                .to_owned(),
        ),
        _ => refusal(
            "this build has no TLS to PostgreSQL; take one with the feature `postgres-tls`, or add \
             `sslmode=disable` to the URL if the network between is trusted"
                .to_owned(),
        ),
    }
}

/// The target of a URL, read as libpq reads it.
struct Target {
    /// Every host is a socket or a loopback address of this machine.
    is_local: bool,
    sslmode: Option<String>,
}

impl Target {
    fn of(url: &str, variable: impl Fn(&str) -> Option<String>) -> Target {
        let url = Url::of(url);
        let mut host = url
            .hosts
            .split(',')
            .map(without_port)
            .collect::<Vec<_>>()
            .join(",");
        let mut hostaddr = None;
        let mut sslmode = None;
        let mut service = None;
        for (name, value) in url.parameters() {
            match name.as_str() {
                "host" => host = value,
                "hostaddr" => hostaddr = Some(value),
                "sslmode" => sslmode = Some(value),
                // The spelling of JDBC, which libpq accepts.
                "ssl" if value == "true" => sslmode = Some("require".to_owned()),
                "service" => service = Some(value),
                _ => {}
            }
        }
        let or_variable = |value: Option<String>, name: &str| {
            let given = value.filter(|it| !it.is_empty());
            given.or_else(|| variable(name)).unwrap_or_default()
        };
        let host = or_variable(Some(host), "PGHOST");
        let hostaddr = or_variable(hostaddr, "PGHOSTADDR");
        // A service is a file that may name any host.
        let is_local = or_variable(service, "PGSERVICE").is_empty()
            && host.split(',').chain(hostaddr.split(',')).all(is_local);
        let sslmode = or_variable(sslmode, "PGSSLMODE");
        Target {
            is_local,
            sslmode: (!sslmode.is_empty()).then_some(sslmode),
        }
    }
}

fn without_port(host: &str) -> String {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host.split(':').next().unwrap_or(host),
    };
    decoded(name)
}

fn is_local(host: &str) -> bool {
    // Without a host libpq uses a socket; a path, or a name that begins with `@`, is a socket too.
    host.is_empty()
        || host.starts_with(['/', '@'])
        || host == "localhost"
        || host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}

#[cfg(test)]
#[path = "../../../tests/unit/plaintext.rs"]
mod tests;
