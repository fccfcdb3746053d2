//! The URL of a PostgreSQL database, read as libpq reads it.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

/// Default settings of connections, unless the URL sets them: a dead connection or server is noticed within seconds,
/// and `pg_stat_activity` shows the program.
const DEFAULTS: [(&str, &str); 6] = [
    ("connect_timeout", "5"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    // In milliseconds.
    ("tcp_user_timeout", "15000"),
    // `application_name` and `PGAPPNAME` take precedence.
    ("fallback_application_name", "scim-server"),
];

/// The parts of a URL that determine where a connection leads, and how.
pub(super) struct Url<'a> {
    pub(super) hosts: &'a str,
    query: Option<&'a str>,
}

impl<'a> Url<'a> {
    pub(super) fn of(url: &'a str) -> Url<'a> {
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        // The user ends at the first `@` before any `/`.
        let rest = match rest.find(['@', '/']) {
            Some(at) if rest[at..].starts_with('@') => &rest[at + 1..],
            _ => rest,
        };
        let (hosts, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        Url {
            hosts,
            query: rest.split_once('?').map(|(_, query)| query),
        }
    }

    /// The names and values in the query.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        self.query.unwrap_or_default().split('&').map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (decoded(name), decoded(value))
        })
    }
}

/// Adds the [`DEFAULTS`] that neither the URL nor the environment, which `variable` reads, sets.
pub(super) fn with_defaults(url: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let parsed = Url::of(url);
    let mut result = url.to_owned();
    for (name, value) in DEFAULTS {
        let is_set = parsed.parameters().any(|(it, _)| it == name)
            || name == "connect_timeout" && variable("PGCONNECT_TIMEOUT").is_some();
        if is_set {
            continue;
        }
        let separator = match parsed.query {
            None if result.len() == url.len() => "?",
            Some("") if result.len() == url.len() => "",
            _ if result.ends_with('&') => "",
            _ => "&",
        };
        write!(result, "{separator}{name}={value}").expect("a string accepts every text");
    }
    result
}

pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
#[path = "../../../tests/unit/url.rs"]
mod tests;
