//! RFC 6750 and RFC 7644 sections 2, 6 and 7: tokens and tenants.

use serde_json::json;

use super::client::*;
use super::tenants::{expired_token, read_only_token, revoke, tenant, token_for, two_tenants};

fn challenge(answer: &Answer) -> String {
    answer
        .header("WWW-Authenticate")
        .expect("WWW-Authenticate")
        .to_owned()
}

/// 6750-2-01, 6750-2.3-01, 6750-2.2-01
#[test]
fn tokens_are_accepted_in_the_header_only() {
    let client = tenant();
    let anonymous = client.anonymous();
    let token = client.token.as_deref().expect("a token");
    anonymous
        .get(&format!("/Users?access_token={token}"))
        .expect_error(401, "");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    anonymous
        .send(
            "POST",
            "/Users",
            &form,
            Some(format!("access_token={token}").as_bytes()),
        )
        .expect_error(401, "");
    // A query parameter next to the header is ignored.
    client.get("/Users?access_token=other").expect(200);
    client
        .with_token("wrong")
        .get(&format!("/Users?access_token={token}"))
        .expect_error(401, "");
}

/// 6750-2.1-01
#[test]
fn the_scheme_is_bearer_in_any_case() {
    let client = tenant();
    let token = client.token.as_deref().expect("a token").to_owned();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        client
            .send(
                "GET",
                "/Users",
                &[("Authorization", &format!("{scheme} {token}"))],
                None,
            )
            .expect(200);
    }
    for value in ["Bearer", "Bearer ", "bearer  ", "Bearertoken", token.as_str()] {
        client
            .send("GET", "/Users", &[("Authorization", value)], None)
            .expect_error(401, "");
    }
    let value = format!("Bearer {token}");
    let twice = client.send(
        "GET",
        "/Users",
        &[("Authorization", &value), ("Authorization", &value)],
        None,
    );
    let refused = challenge(&twice.expect_error(401, ""));
    assert!(refused.contains("error=\"invalid_token\""), "{refused}");
}

/// 6750-2.1-02, 6750-5.2-01, 7644-7.4-01, 7644-7.7-01: a token cannot be guessed
#[test]
fn tokens_are_long_and_use_the_allowed_characters() {
    let client = tenant();
    let other = token_for(&client);
    let (one, two) = (
        client.token.as_deref().expect("a token"),
        other.token.as_deref().expect("a token"),
    );
    assert_ne!(one, two);
    for token in [one, two] {
        // 256 random bits are 43 characters of base64.
        assert!(token.len() >= 43, "{}", token.len());
        assert!(
            token
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"-._~+/=".contains(&it))
        );
    }
    for hostile in [
        "a b",
        "\u{e9}",
        "\"quoted\"",
        "a\\b",
        &"x".repeat(4000),
        &one[..one.len() - 1],
        &format!("{one}x"),
    ] {
        client.with_token(hostile).get("/Users").expect_error(401, "");
    }
}

/// 6750-3-01, 6750-3-02, 6750-3-04, 6750-3.1-01, 6750-3.1-02, 7644-2-06, 7644-2.2-01
#[test]
fn the_challenge_names_the_error() {
    let client = tenant();
    let none = challenge(
        &client
            .anonymous()
            .post("/Users", &user("a"))
            .expect_error(401, ""),
    );
    assert!(
        none.starts_with("Bearer realm=\"") && !none.contains("error"),
        "{none}"
    );
    let wrong = challenge(&client.with_token("wrong").get("/Users").expect_error(401, ""));
    assert!(
        wrong.starts_with("Bearer realm=\"") && wrong.contains("error=\"invalid_token\""),
        "{wrong}"
    );
    let reader = read_only_token(&client);
    let scope = challenge(&reader.post("/Users", &user("a")).expect_error(403, ""));
    assert!(
        scope.starts_with("Bearer ") && scope.contains("error=\"insufficient_scope\""),
        "{scope}"
    );
}

/// 6750-3-03, 6750-3-05
#[test]
fn the_challenge_reflects_no_input() {
    let client = tenant();
    let hostile = [
        "\", error=\"x",
        "<script>",
        "a\\\"b",
        "realm=\"evil\"",
        "a\tb",
        "\u{e9}vil",
    ];
    let mut answers: Vec<Answer> = hostile
        .iter()
        .map(|it| client.with_token(it).get("/Users").expect_error(401, ""))
        .collect();
    answers.push(client.anonymous().get("/Users").expect_error(401, ""));
    answers.push(
        client
            .anonymous()
            .get("/Users?realm=%22evil%22&error=evil")
            .expect_error(401, ""),
    );
    answers.push(
        read_only_token(&client)
            .post("/Users", &user("evil"))
            .expect_error(403, ""),
    );
    for answer in answers {
        let challenge = challenge(&answer);
        // RFC 6750 section 3: a quoted value holds printable ASCII without `"` and `\`.
        let parameters = challenge.strip_prefix("Bearer ").expect("the scheme");
        for parameter in parameters.split(", ") {
            let (name, value) = parameter.split_once("=\"").expect("a quoted value");
            let value = value.strip_suffix('"').expect("a quoted value");
            assert!(
                name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_'),
                "{challenge}"
            );
            assert!(
                value.bytes().all(|it| it == b' ' || it.is_ascii_graphic()),
                "{challenge}"
            );
            assert!(!value.is_empty() && !value.contains(['"', '\\']), "{challenge}");
        }
        for name in ["realm=", "scope=", "error=", "error_description=", "error_uri="] {
            assert!(challenge.matches(name).count() <= 1, "{challenge}");
        }
        assert!(
            !challenge.contains("evil") && !challenge.contains("script") && !challenge.contains('\\'),
            "{challenge}"
        );
        assert_eq!(
            answer
                .headers
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate"))
                .count(),
            1
        );
    }
}

/// 6750-5.2-02, 7644-7.4-03, 7644-2-04
#[test]
fn revoked_and_expired_tokens_are_refused() {
    let client = tenant();
    let (first, second) = (token_for(&client), token_for(&client));
    first.get("/Users").expect(200);
    second.get("/Users").expect(200);
    revoke(&first);
    first.get("/Users").expect_error(401, "");
    second.get("/Users").expect(200);
    let expired = challenge(&expired_token(&client).get("/Users").expect_error(401, ""));
    assert!(expired.contains("error=\"invalid_token\""), "{expired}");
}

/// 6750-5.3-02, 7644-6-01, 7644-6.1-01, 7644-2-04, 7644-2-07, 7644-2-08, 7644-6.2-01
#[test]
fn the_token_selects_the_tenant() {
    let (one, other) = two_tenants();
    let made = one.create("/Users", &user("a"));
    let path = format!("/Users/{}", made.id());
    let group = format!("/Groups/{}", one.group("g", &[]));
    let group_made = one.now(&group);
    assert!(other.get("/Users").expect(200).resources().is_empty());
    assert!(other.get("/Groups").expect(200).resources().is_empty());
    assert!(other.users(&format!(r#"id eq "{}""#, made.id())).is_empty());
    let unknown = "/Users/0190b3a2-0000-7000-8000-000000000000";
    let stranger = other.get(unknown).expect_error(404, "");
    let stale = [("If-Match", "W/\"999\"")];
    let member = other.user("m");
    let join = json!([{"op": "add", "path": "members", "value": [{"value": member}]}]);
    for answer in [
        other.get(&path),
        other.put(&path, &user("x")),
        other.patch(&path, &json!([{"op": "add", "path": "title", "value": "t"}])),
        other.send("DELETE", &path, &stale, None),
        other.delete(&path),
        other.get(&group),
        other.put(&group, &self::group("theirs", &[])),
        other.patch(&group, &join),
        other.patch(&group, &json!([{"op": "remove", "path": "members"}])),
        other.patch(
            &group,
            &json!([{"op": "replace", "path": "displayName", "value": "x"}]),
        ),
        other.send("DELETE", &group, &stale, None),
        other.delete(&group),
    ] {
        assert_eq!(answer.expect_error(404, "").body, stranger.body);
    }
    // A member from another tenant gives the same message as an unknown id.
    let foreign = other
        .post("/Groups", &group_of(&made.id()))
        .expect_error(400, "invalidValue");
    let nobody = "0190b3a2-0000-7000-8000-000000000000";
    let absent = other
        .post("/Groups", &group_of(nobody))
        .expect_error(400, "invalidValue");
    let words = |answer: &Answer, id: &str| answer.body.to_string().replace(id, "…");
    assert_eq!(words(&foreign, &made.id()), words(&absent, nobody));
    assert_eq!(one.get(&path).expect(200).body, made.body);
    assert_eq!(one.now(&group), group_made);
}

fn group_of(id: &str) -> serde_json::Value {
    group("theirs", &[id])
}

/// 7644-6.1-02
#[test]
fn no_header_or_path_selects_a_tenant() {
    let (one, other) = two_tenants();
    one.user("a");
    for header in [
        "X-Tenant",
        "X-Tenant-Id",
        "X-Forwarded-User",
        "X-HTTP-Method-Override",
        "X-Original-URL",
    ] {
        let answer = other.send("GET", "/Users", &[(header, "1")], None).expect(200);
        assert!(answer.resources().is_empty(), "{header}");
    }
    for path in ["/tenant-1/scim/v2/Users", "/1/scim/v2/Users"] {
        other.send_to("GET", path, &[], None).expect_error(404, "");
    }
}

/// 7644-2-05
#[test]
fn cookies_and_other_schemes_are_refused() {
    let client = tenant();
    let token = client.token.as_deref().expect("a token");
    let anonymous = client.anonymous();
    for header in [
        ("Cookie", format!("token={token}; Authorization=Bearer {token}")),
        ("Authorization", "Basic dXNlcjpwYXNz".to_owned()),
        ("Authorization", format!("Digest {token}")),
        ("Proxy-Authorization", format!("Bearer {token}")),
    ] {
        let answer = anonymous
            .send("GET", "/Users", &[(header.0, &header.1)], None)
            .expect_error(401, "");
        assert!(challenge(&answer).starts_with("Bearer "));
    }
}
