//! The URLs that may lead to an unencrypted connection.

use super::*;

fn allows(url: &str, has_tls: bool, environment: &[(&str, &str)]) -> bool {
    let variable = |name: &str| {
        let found = environment.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    refuse_silent_plaintext(url, has_tls, variable).is_ok()
}

#[test]
fn plaintext_to_another_machine_must_be_requested() {
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
        // These modes do not ask for plaintext, but fall back to it.
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
fn modes_that_need_tls_are_refused_without_it() {
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
fn the_environment_counts_for_settings_that_the_url_lacks() {
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
