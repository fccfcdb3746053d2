//! Authentication and authorization: every request but discovery needs a valid bearer token.

use chrono::{TimeDelta, Utc};
use scim_model::store::Directory;
use scim_server::http::scim;
use serde_json::json;

use crate::harness::{Server, Token, USER};

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE",
];

/// 7644-2-06, 7644-2.2-01, 7644-3.12-08, 6750-3-01, 6750-3-02, 6750-3.1-02, 9110-11.6.1-01:
/// covers every route of the table, also those that are added later
#[test]
fn every_route_but_discovery_needs_a_token() {
    let server = Server::start();
    let stranger = server.stranger(None);
    let mut public: Vec<String> = Vec::new();
    for endpoint in scim::endpoints(&server.http) {
        let path = endpoint.path.replace("{id}", "User");
        if endpoint.public {
            public.push(endpoint.path.clone());
            continue;
        }
        for method in METHODS {
            let reply = stranger.request(method, &path).send();
            assert_eq!(reply.status, 401, "{method} {path}");
            assert_eq!(
                reply.header("www-authenticate"),
                Some(r#"Bearer realm="scim""#),
                "{method} {path}"
            );
            if method != "HEAD" {
                reply.expect_error(401, None);
            }
        }
    }
    let discovery = [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/ResourceTypes/{id}",
        "/Schemas",
        "/Schemas/{id}",
    ];
    assert_eq!(public, discovery);
}

/// 7644-2-04: no spelling of a path avoids the token check
#[test]
fn unknown_paths_and_odd_spellings_need_a_token_too() {
    let server = Server::start();
    let stranger = server.stranger(None);
    let paths = [
        "/%55sers",
        "/Users%2f",
        "/Users%00",
        "/users",
        "//scim//v2/Users",
        "/./Users",
        "/x/../Users",
        "/Users;x=y",
        "/ServiceProviderConfig/../Users",
        "/Schemas/%2e%2e/Users",
        "//Users",
        "//",
        "//scim/v3/Users",
        "//scim/Users",
        "//metrics",
        "/ServiceProviderConfigs",
        "/nothing",
    ];
    for path in paths {
        stranger.get(path).expect_error(401, None);
    }
}

/// 6750-2.1-01, 6750-2.1-02, 6750-2.2-01, 6750-2.3-01, 7644-2-05, 6750-3-04, 6750-3-05
#[test]
fn only_a_bearer_token_is_accepted() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let secret = acme.secret();
    let refused = [
        "".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Basic {secret}"),
        format!("Token {secret}"),
        secret.clone(),
        format!("Bearer{secret}"),
        format!("Bearer {secret}x"),
        format!("Bearer {}", &secret[..secret.len() - 1]),
        format!("Bearer {}", secret.to_uppercase()),
        format!("Bearer {secret} {secret}"),
        format!("Bearer {secret},{secret}"),
        "Bearer \"'; drop table tokens".to_owned(),
        "Bearer scim_0123456789012345678901234567890123456789012".to_owned(),
    ];
    for authorization in refused {
        let reply = server
            .stranger(Some(&authorization))
            .get("/Users")
            .expect_error(401, None);
        let challenge = reply.header("www-authenticate").unwrap();
        let expected = [
            r#"Bearer realm="scim""#,
            r#"Bearer realm="scim", error="invalid_token""#,
        ]
        .contains(&challenge);
        assert!(expected, "{authorization}: {challenge}");
        assert_eq!(
            challenge.contains("invalid_token"),
            authorization.starts_with("Bearer "),
            "{authorization}"
        );
    }
    let nobody = server.stranger(None);
    nobody
        .get(&format!("/Users?access_token={secret}"))
        .expect_error(401, None);
    nobody
        .request("GET", "/Users")
        .header("cookie", &format!("token={secret}"))
        .send()
        .expect_error(401, None);
    let form = nobody
        .request("POST", "/Users")
        .header("content-type", "application/x-www-form-urlencoded");
    form.text(&format!("access_token={secret}"))
        .send()
        .expect_error(401, None);
    let twice = acme
        .request("GET", "/Users")
        .header("authorization", &format!("Bearer {secret}"));
    twice.send().expect_error(401, None);
    server
        .stranger(Some(&format!("bearer {secret}")))
        .get("/Users")
        .expect(200);
    server
        .stranger(Some(&format!("BEARER {secret}")))
        .get("/Users?access_token=x")
        .expect(200);
}

/// 7644-7.4-03, 6750-5.2-02: tokens expire, and two can be valid at once while a client changes from one to the other
#[test]
fn expired_tokens_are_refused() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let tenant = acme.tenant.unwrap();
    let at = |expires| {
        server.client(
            tenant,
            Token {
                expires: Some(expires),
                ..Token::default()
            },
        )
    };
    at(Utc::now() + TimeDelta::minutes(1)).get("/Users").expect(200);
    acme.get("/Users").expect(200);
    let reply = at(Utc::now() - TimeDelta::seconds(1))
        .get("/Users")
        .expect_error(401, None);
    assert_eq!(
        reply.header("www-authenticate"),
        Some(r#"Bearer realm="scim", error="invalid_token""#)
    );
    let soon = at(Utc::now() + TimeDelta::milliseconds(300));
    soon.get("/Users").expect(200);
    std::thread::sleep(std::time::Duration::from_millis(350));
    soon.get("/Users").expect_error(401, None);
}

/// 9865-5.2-02: every page needs a valid token
#[test]
fn a_revoked_token_is_refused_once_the_cache_expires() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.create_user("a");
    acme.create_user("b");
    let next = acme.get("/Users?cursor&count=1").expect(200).json()["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let tokens = server.store.tokens(acme.tenant).unwrap();
    assert!(server.store.revoke_token(tokens[0].id, Utc::now()).unwrap());
    std::thread::sleep(scim_server::token::CACHE_LIFETIME);
    acme.get(&format!("/Users?cursor={next}&count=1"))
        .expect_error(401, None);
}

#[test]
fn the_tokens_of_a_deleted_tenant_are_refused() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.create_user("a");
    assert!(server.store.delete_tenant("acme").unwrap());
    std::thread::sleep(scim_server::token::CACHE_LIFETIME);
    acme.get("/Users").expect_error(401, None);
    let again = server.tenant("acme");
    assert_eq!(again.get("/Users").json()["totalResults"], json!(0));
}

/// 7644-2-07, 7644-2-08, 7644-2.1-01, 7644-3.12-09, 6750-3.1-01
#[test]
fn a_read_only_token_cannot_write() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let auditor = server.client(
        acme.tenant.unwrap(),
        Token {
            read_only: true,
            ..Token::default()
        },
    );
    auditor.get(&user.path).expect(200);
    let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"] });
    auditor.post("/Users/.search", search).expect(200);
    let body = json!({ "schemas": [USER], "userName": "x" });
    let replies = [
        auditor.post("/Users", body.clone()),
        auditor.put(&user.path, body),
        auditor.patch(
            &user.path,
            json!([{ "op": "replace", "path": "title", "value": "x" }]),
        ),
        auditor.delete(&user.path),
        auditor.delete("/Users/0190a0a0-0000-7000-8000-000000000000"),
    ];
    for reply in replies {
        let reply = reply.expect_error(403, None);
        let challenge = reply.header("www-authenticate");
        assert_eq!(
            challenge,
            Some(r#"Bearer realm="scim", error="insufficient_scope", scope="scim""#)
        );
    }
    assert_eq!(acme.get(&user.path).json(), user.json);
}

/// 7644-6.1-01, 7644-6.1-02, 6750-5.3-02: the token alone decides which tenant's data a request sees
#[test]
fn only_the_token_selects_the_tenant() {
    let server = Server::start();
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    let user = acme.create_user("bjensen");
    for (name, value) in [
        ("x-tenant", "acme"),
        ("x-tenant-id", "1"),
        ("host", "acme.example.com"),
        ("x-forwarded-host", "acme.example.com"),
        ("x-original-url", user.path.as_str()),
        ("x-http-method-override", "DELETE"),
    ] {
        let list = other
            .request("GET", "/Users?tenant=acme")
            .header(name, value)
            .send()
            .expect(200);
        assert_eq!(list.json()["totalResults"], json!(0), "{name}");
        acme.request("GET", &user.path)
            .header(name, value)
            .send()
            .expect(200);
    }
}

/// A-69: an invalid token is ignored where a request needs none
#[test]
fn discovery_ignores_tokens() {
    let server = Server::start();
    let acme = server.tenant("acme");
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/Schemas",
        "/ResourceTypes/User",
    ] {
        let texts = [
            acme.get(path),
            server.stranger(None).get(path),
            server.stranger(Some("Bearer x")).get(path),
        ]
        .map(|it| it.expect(200).text);
        assert!(texts.iter().all(|it| *it == texts[0]));
    }
}

/// 7644-7.4-01, 7644-7.7-01: only a hash is stored
#[test]
fn no_secret_is_in_the_database() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.get("/Users").expect(200);
    let secret = acme.secret();
    let stored = server.stored_bytes();
    assert!(!stored.windows(20).any(|it| it == &secret.as_bytes()[..20]));
    assert!(!stored.windows(43).any(|it| it == &secret.as_bytes()[5..]));
}
