//! The defaults that a database URL gets.

use super::*;

const ALL: &str = "connect_timeout=5&keepalives_idle=10&keepalives_interval=5&keepalives_count=3\
                   &tcp_user_timeout=15000&fallback_application_name=scim-server";

#[test]
fn defaults_are_added_to_urls_of_every_form() {
    for (url, expected) in [
        (
            "postgres://scim@localhost/scim",
            "postgres://scim@localhost/scim?ALL",
        ),
        ("postgresql://", "postgresql://?ALL"),
        ("postgres:///scim?", "postgres:///scim?ALL"),
        ("postgres://localhost?a=b&", "postgres://localhost?a=b&ALL"),
        (
            "postgres:///scim?host=%2Fvar%2Frun",
            "postgres:///scim?host=%2Fvar%2Frun&ALL",
        ),
        (
            "postgres://%2Fvar%2Frun%2Fpostgresql/scim",
            "postgres://%2Fvar%2Frun%2Fpostgresql/scim?ALL",
        ),
        (
            "postgres://a,b:5433/scim?sslmode=require",
            "postgres://a,b:5433/scim?sslmode=require&ALL",
        ),
        // The question mark belongs to the password.
        (
            "postgres://scim:p?connect_timeout=1@[::1]:5432/scim",
            "postgres://scim:p?connect_timeout=1@[::1]:5432/scim?ALL",
        ),
    ] {
        assert_eq!(
            with_defaults(url, |_| None),
            expected.replace("ALL", ALL),
            "{url}"
        );
    }
}

#[test]
fn the_settings_of_a_url_and_of_the_environment_stay() {
    let rest = "keepalives_idle=10&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=15000\
                &fallback_application_name=scim-server";
    for url in [
        "postgres:///scim?connect_timeout=60",
        "postgres:///scim?%63onnect_timeout=0",
        "postgres:///scim?connect_timeout=",
    ] {
        assert_eq!(with_defaults(url, |_| None), format!("{url}&{rest}"));
    }
    let variable = |name: &str| (name == "PGCONNECT_TIMEOUT").then(|| "60".to_owned());
    assert_eq!(
        with_defaults("postgres:///scim", variable),
        format!("postgres:///scim?{rest}")
    );
    let complete = format!("postgres:///scim?{ALL}");
    assert_eq!(with_defaults(&complete, |_| None), complete);
}
