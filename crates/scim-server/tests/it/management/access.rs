//! Access to each route: keys, scopes and limits to tenants, on every route.

use std::time::Duration;

use actix_web::http::Method;
use chrono::Utc;
use scim_model::store::{OperatorKeys as _, OperatorScope};
use scim_server::http::management::route_table;
use scim_server::management::keys::KeyScope;
use serde_json::{Value, json};

use crate::harness::{Choice, Server, on_each, wait_until};

/// A path of the route table with names that do not exist.
fn concrete(path: &str) -> String {
    path.split('/')
        .map(|it| if it.starts_with('{') { "x" } else { it })
        .collect::<Vec<_>>()
        .join("/")
}

/// cred-103, evt-42
#[test]
fn cred_103_every_route_needs_an_operator_key() {
    let server = Server::start();
    let (admin, acme) = (server.admin(), server.tenant("acme"));
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some(admin.key.clone()),
        Some(format!("Basic {}", admin.key)),
        Some(format!("Bearer opk_{}", "a".repeat(43))),
        // The token of a tenant.
        Some(format!("Bearer {}", acme.secret())),
    ];
    let paths: Vec<(String, &str)> = route_table::resources()
        .iter()
        .flat_map(|it| {
            it.operations()
                .iter()
                .map(|(method, _)| (it.path, method.to_string()))
                .collect::<Vec<_>>()
        })
        .map(|(path, method)| (concrete(path), &*Box::leak(method.into_boxed_str())))
        .collect();
    assert!(paths.len() > 30);
    let others = [
        ("/nothing".to_owned(), "GET"),
        ("/tenants".to_owned(), "PUT"),
        ("/tenants".to_owned(), "OPTIONS"),
    ];
    for (path, method) in paths.into_iter().chain(others) {
        for authorization in &wrong {
            let request = admin
                .request(method, &path)
                .authorization(authorization.as_deref());
            // Neither a body nor a query is read before the key.
            let reply = request
                .bytes(b"{")
                .send()
                .expect_problem(401, "unauthenticated", None);
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(
                challenge.starts_with("Bearer realm=\"management\""),
                "{challenge}"
            );
        }
        let in_url = admin.request(method, &format!("{path}?access_token={}", admin.key));
        in_url
            .authorization(None)
            .send()
            .expect_problem(401, "unauthenticated", None);
    }
    // The key of an operator gives no access to users.
    let stranger = server.stranger(Some(&format!("Bearer {}", admin.key)));
    stranger.get("/Users").expect(401);
    stranger.get("/ServiceProviderConfig").expect(200);
}

#[test]
fn every_route_needs_its_scope() {
    let server = Server::start();
    server.tenant("acme");
    let (read, events) = (
        server.operator(KeyScope::Read, &[]),
        server.operator(KeyScope::Events, &[]),
    );
    for resource in route_table::resources() {
        for (method, needed) in resource.operations() {
            let path = concrete(resource.path);
            let refused = match needed {
                OperatorScope::Admin => vec![&read, &events],
                OperatorScope::Read => vec![&events],
                // A poll acknowledges tokens, and a read changes nothing.
                OperatorScope::Events if *method == Method::POST => vec![&read],
                OperatorScope::Events => vec![],
            };
            for operator in refused {
                let reply = operator.request(method.as_str(), &path).bytes(b"{").send();
                let reply = reply.expect_problem(403, "forbidden", None);
                let challenge = reply.header("www-authenticate").unwrap();
                assert!(challenge.contains("insufficient_scope") && challenge.contains(needed.as_str()));
            }
        }
    }
    read.get("/tenants").expect(200);
    read.request("HEAD", "/tenants").send().expect(200);
    events.request("HEAD", "/tenants").send().expect(403);
    events.get("/openapi.json").expect(200);
}

#[test]
fn a_key_that_is_limited_to_tenants_sees_nothing_else() {
    on_each(Choice::default, |server| {
        for tenant in ["acme", "other", "third"] {
            server.tenant(tenant);
        }
        let limited = server.operator(KeyScope::Admin, &["acme", "third"]);
        assert_eq!(limited.list("/tenants", "name"), ["acme", "third"]);
        for resource in route_table::resources()
            .iter()
            .filter(|it| it.path.starts_with("/tenants/{"))
        {
            let path = concrete(&resource.path.replacen("{tenant}", "other", 1));
            for (method, _) in resource.operations() {
                let body = json!({"name": "x", "disabled": true, "assertion": "a"});
                let request = limited.request(method.as_str(), &path);
                let reply = match method.as_str() {
                    "POST" | "PATCH" => request.json(&body).send(),
                    _ => request.send(),
                };
                // An invalid body is found before the tenant is looked up.
                assert!(
                    [400, 404].contains(&reply.status),
                    "{method} {path}: {}",
                    reply.text
                );
                assert!(!reply.text.contains("other` exists"));
            }
        }
        limited
            .get("/tenants/other")
            .expect_problem(404, "not-found", Some("tenant"));
        limited
            .get("/tenants/nobody")
            .expect_problem(404, "not-found", Some("tenant"));
        limited
            .patch("/tenants/other", json!({"name": "mine"}))
            .expect(404);
        limited.delete("/tenants/other").expect(404);
        for (method, path) in [
            ("GET", "/keys"),
            ("POST", "/keys"),
            ("GET", "/keys/x"),
            ("DELETE", "/keys/x"),
            ("POST", "/tenants"),
        ] {
            let body = json!({"name": "x", "scope": "admin"});
            let body = if path == "/tenants" {
                json!({"name": "x"})
            } else {
                body
            };
            let reply = limited.request(method, path).json(&body).send();
            reply.expect_problem(403, "forbidden", None);
        }
        limited.get("/tenants/acme").expect(200);
        // A renamed tenant stays visible, and another one that gets its name does not become so.
        limited
            .patch("/tenants/acme", json!({"name": "acme2"}))
            .expect(200);
        server.tenant("acme");
        assert_eq!(limited.list("/tenants", "name"), ["acme2", "third"]);
        let admin = server.admin();
        admin.delete("/tenants/acme2").expect(204);
        admin.delete("/tenants/third").expect(204);
        assert_eq!(limited.list("/tenants", "name"), [""; 0]);
        limited.get("/tenants/acme").expect(404);
    });
}

/// cred-104, cred-107
#[test]
fn operator_keys_are_created_listed_and_revoked() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let new = json!({"name": "feed", "scope": "events", "tenants": ["acme"], "days": 30});
        let (created, path) = admin.create("/keys", new);
        let secret = created["key"].as_str().unwrap();
        assert!(secret.starts_with("opk_"));
        let shown = admin.get(&path).expect(200);
        assert!(!shown.text.contains(secret), "{}", shown.text);
        let shown = shown.json();
        assert_eq!(
            (&shown["tenants"], &shown["scope"], &shown["state"]),
            (&json!(["acme"]), &json!("events"), &json!("valid"))
        );
        assert_eq!(shown["lastUsed"], Value::Null);
        assert!(!admin.get("/keys").expect(200).text.contains(secret));
        let bearer = format!("Bearer {secret}");
        let with_key = |path: &str| admin.request("GET", path).authorization(Some(&bearer)).send();
        with_key("/tenants").expect(403);
        with_key("/openapi.json").expect(200);
        wait_until("the use is recorded", || {
            admin.get(&path).json()["lastUsed"].is_string()
        });
        // The revocation has effect at once.
        admin.delete(&path).expect(204);
        with_key("/openapi.json").expect(401);
        assert_eq!(admin.get(&path).expect(200).json()["state"], "revoked");
        admin.delete(&path).expect(204);
        // A key can revoke itself.
        admin.delete(&format!("/keys/{}", admin.id)).expect(204);
        admin.get("/keys").expect(401);
    });
}

#[test]
fn an_expired_key_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    let (created, _) = admin.create("/keys", json!({"name": "short", "scope": "read", "days": 1}));
    let key = created["key"].as_str().unwrap();
    let get = || {
        let authorization = format!("Bearer {key}");
        admin
            .request("GET", "/tenants")
            .authorization(Some(&authorization))
            .send()
    };
    get().expect(200);
    let stored = server.store.operator_keys().unwrap();
    let stored = stored
        .iter()
        .find(|it| it.id.to_string() == created["id"])
        .unwrap();
    let day = stored.expires.unwrap() - Utc::now();
    assert!(day <= chrono::TimeDelta::days(1) && day > chrono::TimeDelta::hours(23));
    assert!(!stored.is_valid(Utc::now() + Duration::from_secs(24 * 3600)));
}

#[test]
fn wrong_properties_of_a_key_are_named() {
    let server = Server::start();
    let admin = server.admin();
    for (body, field) in [
        (json!({"scope": "read"}), "name"),
        (json!({"name": "", "scope": "read"}), "name"),
        (json!({"name": "a\nb", "scope": "read"}), "name"),
        (json!({"name": "a"}), "scope"),
        (json!({"name": "a", "scope": "write"}), "scope"),
        (json!({"name": "a", "scope": "read", "tenants": []}), "tenants"),
        (
            json!({"name": "a", "scope": "read", "tenants": ["nobody"]}),
            "tenants",
        ),
        (json!({"name": "a", "scope": "read", "days": 0}), "days"),
        (json!({"name": "a", "scope": "read", "days": "1"}), "days"),
        (json!({"name": "a", "scope": "read", "extra": 1}), "extra"),
    ] {
        let reply = admin.post("/keys", body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    assert_eq!(admin.list("/keys", "id").len(), 1);
    for id in ["x", "01900000-0000-7000-8000-000000000000"] {
        admin
            .get(&format!("/keys/{id}"))
            .expect_problem(404, "not-found", Some("id"));
        admin
            .delete(&format!("/keys/{id}"))
            .expect_problem(404, "not-found", Some("id"));
    }
}
