//! Refuses connections to PostgreSQL that could be unencrypted without the operator's consent.
//!
//! libpq's default, `sslmode=prefer`, falls back to plaintext, and without TLS compiled in it always uses plaintext. So
//! a URL that names another machine has to name an `sslmode` that leaves no choice.

use std::net::IpAddr;

use crate::open_error::OpenError;

/// Whether this build can encrypt (the feature `postgres-tls`).
pub(crate) const HAS_TLS: bool = cfg!(feature = "postgres-tls");

/// Refuses a URL that leaves the choice to libpq. `variable` reads the environment, which libpq uses for settings that
/// the URL does not have.
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
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        // The user ends at the first `@` before any `/`.
        let rest = match rest.find(['@', '/']) {
            Some(at) if rest[at..].starts_with('@') => &rest[at + 1..],
            _ => rest,
        };
        let (hosts, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (_, query) = rest.split_once('?').unwrap_or((rest, ""));

        let mut host = hosts.split(',').map(without_port).collect::<Vec<_>>().join(",");
        let mut hostaddr = None;
        let mut sslmode = None;
        let mut service = None;
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = decoded(value);
            match decoded(name).as_str() {
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

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match hex.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(url: &str, has_tls: bool, environment: &[(&str, &str)]) -> bool {
        let variable = |name: &str| {
            let found = environment.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        refuse_silent_plaintext(url, has_tls, variable).is_ok()
    }

    #[test]
    fn plaintext_to_another_machine_is_a_choice() {
        for (url, is_fine) in [
            ("postgres://scim@localhost/scim", true),
            ("postgres://scim:p%40ss@127.0.0.1:5432/scim", true),
            ("postgres://scim@[::1]:5432/scim", true),
            ("postgres:///scim", true),
            ("postgres://%2Fvar%2Frun%2Fpostgresql/scim", true),
            ("postgres:///scim?host=/var/run/postgresql", true),
            ("postgres:///scim?host=%2Fvar%2Frun", true),
            ("postgres:///scim?host=@scim", true),
            ("postgres://localhost/scim?sslmode=prefer", true),
            ("postgres://db.example.com/scim", false),
            ("postgres://localhost@db.example.com/scim", false),
            ("postgres://x?host=localhost@db.example.com/scim", false),
            ("postgres://localhost,db.example.com/scim", false),
            ("postgres://localhost/scim?host=db.example.com", false),
            ("postgres://localhost/scim?%68ost=db.example.com", false),
            ("postgres://localhost/scim?hostaddr=10.0.0.1", false),
            ("postgres://localhost/scim?service=far", false),
            ("postgres://10.0.0.1", false),
            ("postgres://10.0.0.1?connect_timeout=3", false),
            // Nothing is said by these: they take plaintext when they get no better.
            ("postgres://db.example.com/scim?sslmode=prefer", false),
            ("postgres://db.example.com/scim?sslmode=allow", false),
            ("postgres://db.example.com/scim?sslmode=", false),
            ("postgres://db.example.com/sslmode=disable", false),
            ("postgres://db.example.com/scim?xsslmode=disable", false),
            (
                "postgres://db.example.com/scim?sslmode=disable&sslmode=prefer",
                false,
            ),
            ("postgres://db.example.com/scim?sslmode=disable", true),
            ("postgres://db.example.com/scim?service=far&sslmode=disable", true),
        ] {
            for has_tls in [false, true] {
                assert_eq!(allows(url, has_tls, &[]), is_fine, "{url}, with TLS: {has_tls}");
            }
        }
    }

    #[test]
    fn what_only_tls_can_keep_is_promised_with_tls_alone() {
        for host in ["db.example.com", "localhost"] {
            for parameter in [
                "sslmode=require",
                "sslmode=verify-ca",
                "sslmode=verify-full",
                "ssl=true",
            ] {
                let url = format!("postgres://{host}/scim?{parameter}");
                assert!(allows(&url, true, &[]), "{url}");
                assert!(!allows(&url, false, &[]), "{url}");
            }
        }
    }

    #[test]
    fn the_environment_counts_where_the_url_is_silent() {
        for (url, environment, is_fine) in [
            ("postgres:///scim", [("PGHOST", "db.example.com")], false),
            ("postgres:///scim", [("PGHOST", "/var/run/postgresql")], true),
            ("postgres://localhost/scim", [("PGHOST", "db.example.com")], true),
            ("postgres://localhost/scim", [("PGHOSTADDR", "10.0.0.1")], false),
            ("postgres://localhost/scim", [("PGSERVICE", "far")], false),
            ("postgres://db.example.com/scim", [("PGSSLMODE", "disable")], true),
            ("postgres://db.example.com/scim", [("PGSSLMODE", "prefer")], false),
            (
                "postgres://db.example.com/scim?sslmode=prefer",
                [("PGSSLMODE", "disable")],
                false,
            ),
        ] {
            assert_eq!(allows(url, false, &environment), is_fine, "{url} {environment:?}");
        }
    }
}
