//! RFC 7643 section 9 and RFC 7644 section 7: what the server stores of secrets, and who can read it.

use serde_json::json;

use super::client::*;
use super::tenants::{staff_tenant, tenant};

/// 7643-9.2-01, 7643-4.1.1-16, 7643-4.1.1-19
#[test]
fn no_clear_text_of_a_password_is_stored() {
    let client = tenant();
    let marker = |round: u32| format!("Marker-{round}-of-a-Pa55word");
    let with = |round: u32| {
        user_with(
            "a",
            &json!({"password": marker(round), "title": "Marker-of-a-title"}),
        )
    };
    let path = format!("/Users/{}", client.create("/Users", &with(1)).id());
    client.put(&path, &with(2)).expect(200);
    for operation in [
        json!({"op": "replace", "path": "password", "value": marker(3)}),
        json!({"op": "add", "value": {"password": marker(4)}}),
        json!({"op": "add", "value": {format!("{USER}:password"): marker(5)}}),
    ] {
        client.patch(&path, &json!([operation])).expect(200);
    }
    // Nor does a refused request leave one behind.
    client.post("/Users", &with(6)).expect_error(409, "uniqueness");
    let failing = json!([
        {"op": "replace", "path": "password", "value": marker(7)},
        {"op": "remove", "path": "userName"},
    ]);
    client.patch(&path, &failing).expect_error(400, "mutability");
    client.refused_filter("/Users", &format!("password eq \"{}\"", marker(8)));
    let stored = client.server.stored_bytes();
    let holds = |text: &str| stored.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds("Marker-of-a-title"), "the test reads the right files");
    assert!(!holds("of-a-Pa55word"));
}

/// 7643-7-17, 7643-7-19
#[test]
fn other_secrets_are_treated_like_passwords() {
    let client = staff_tenant();
    let with = |round: u32| {
        user_with(
            "a",
            &json!({STAFF: {"pin": format!("Marker-{round}-of-a-pin"), "plain": "x"}}),
        )
    };
    let made = client.create("/Users", &with(1));
    let path = format!("/Users/{}", made.id());
    let pin = format!("{STAFF}:pin");
    let asking = format!("{path}?attributes={pin},{STAFF}");
    for answer in [
        made,
        client.put(&path, &with(2)).expect(200),
        client
            .patch(
                &path,
                &json!([{"op": "add", "path": pin, "value": "Marker-3-of-a-pin"}]),
            )
            .expect(200),
        client
            .patch(
                &asking,
                &json!([{"op": "add", "value": {STAFF: {"pin": "Marker-4-of-a-pin"}}}]),
            )
            .expect(200),
        client.get(&path).expect(200),
        client.get(&asking).expect(200),
    ] {
        assert_eq!(answer.body[STAFF], json!({"plain": "x"}));
    }
    let listed = client.get(&format!("/Users?attributes={pin}")).expect(200);
    assert_eq!(keys(&listed.resources()[0]), ["id", "schemas"]);
    for filter in [format!("{pin} pr"), format!("{pin} eq \"Marker-4-of-a-pin\"")] {
        client.refused_filter("/Users", &filter);
    }
    let stored = client.server.stored_bytes();
    assert!(!stored.windows(9).any(|it| it == b"-of-a-pin"));
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
