//! RFC 7643 section 9 and RFC 7644 section 7: what is kept, and how.

use serde_json::json;

use super::client::*;
use super::tenants::{staff_tenant, tenant};

/// 7643-9.2-01, 7643-4.1.1-16, 7643-4.1.1-19
#[test]
fn no_clear_text_of_a_password_is_stored() {
    let client = tenant();
    let marker = |round: u32| format!("Marker-{round}-of-a-Pa55word");
    let path = format!(
        "/Users/{}",
        client.user_with("a", &json!({"password": marker(1), "title": "Marker-of-a-title"}))
    );
    client
        .put(
            &path,
            &user_with("a", &json!({"password": marker(2), "title": "Marker-of-a-title"})),
        )
        .expect(200);
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "password", "value": marker(3)}]),
        )
        .expect(200);
    client
        .patch(&path, &json!([{"op": "add", "value": {"password": marker(4)}}]))
        .expect(200);
    let stored = client.server.stored_bytes();
    let holds = |text: &str| stored.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds("Marker-of-a-title"), "the test looks at the right files");
    assert!(!holds("of-a-Pa55word"));
}

/// 7643-7-17
#[test]
fn other_secrets_are_kept_as_little_as_passwords() {
    let client = staff_tenant();
    let made = client.create(
        "/Users",
        &user_with("a", &json!({STAFF: {"pin": "Marker-of-a-pin", "plain": "x"}})),
    );
    assert_eq!(made.body[STAFF], json!({"plain": "x"}));
    let path = format!("/Users/{}", made.id());
    assert!(
        client
            .now(&format!("{path}?attributes={STAFF}:pin,{STAFF}"))
            .get(STAFF)
            .is_none_or(|it| it.get("pin").is_none())
    );
    client.refused_filter("/Users", &format!("{STAFF}:pin pr"));
    let stored = client.server.stored_bytes();
    assert!(!stored.windows(15).any(|it| it == b"Marker-of-a-pin"));
}

/// 7644-7.7-01, 7644-7.4-01, 6750-5.2-01
#[test]
fn tokens_are_stored_as_hashes() {
    let client = tenant();
    client.get("/Users").expect(200);
    let token = client.token.as_deref().expect("a token");
    let stored = client.server.stored_bytes();
    assert!(!stored.windows(token.len()).any(|it| it == token.as_bytes()));
    let random = token
        .strip_prefix(scim_server::token::PREFIX)
        .expect("the prefix")
        .as_bytes();
    assert!(!stored.windows(random.len()).any(|it| it == random));
}

/// 7643-9.3-04
#[cfg(unix)]
#[test]
fn only_the_servers_account_can_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let client = tenant();
    client.user("a");
    let files = client.server.stored_files();
    assert!(files.iter().any(|it| it.ends_with("scim.db")), "{files:?}");
    for file in files {
        let mode = file.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", file.display());
    }
}
