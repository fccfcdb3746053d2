//! Tenants, and the rules for bodies, pages and paths that hold for everything else too.

use scim_model::store::Directory as _;
use serde_json::{Value, json};

use crate::harness::{Choice, Server, on_each};

#[test]
fn tenants_are_created_shown_renamed_and_deleted() {
    on_each(Choice::default, |server| {
        let admin = server.admin();
        let (created, path) = admin.create("/tenants", json!({"name": "acme"}));
        assert_eq!(
            (created["name"].as_str(), path.as_str()),
            (Some("acme"), "/tenants/acme")
        );
        let created_at = created["created"].as_str().unwrap();
        assert!(
            created_at.ends_with('Z') && created_at.len() == 24,
            "{created_at}"
        );
        admin
            .post("/tenants", json!({"name": "acme"}))
            .expect_problem(409, "conflict", None);
        let acme = server
            .store
            .tenants()
            .unwrap()
            .into_iter()
            .find(|it| it.name == "acme")
            .unwrap();
        let client = server.client(acme.id, Default::default());
        let user = client.create_user("bjensen");
        client.create_group("Guides", &[&user]);

        let shown = admin.get("/tenants/acme").expect(200).json();
        assert_eq!(shown["created"], created["created"]);
        let counts = json!({"connections": 1, "tokens": 1, "clients": 0, "federations": 0,
                            "resources": {"User": 1, "Group": 1}});
        assert_eq!(shown["counts"], counts);

        let renamed = admin
            .patch("/tenants/acme", json!({"name": "Acme-2"}))
            .expect(200)
            .json();
        assert_eq!(renamed, json!({"name": "Acme-2", "created": created["created"]}));
        admin
            .get("/tenants/acme")
            .expect_problem(404, "not-found", Some("tenant"));
        assert_eq!(admin.get("/tenants/Acme-2").expect(200).json()["counts"], counts);
        client.get(&user.path).expect(200);

        admin.delete("/tenants/Acme-2").expect(204);
        admin.get("/tenants/Acme-2").expect(404);
        admin
            .delete("/tenants/Acme-2")
            .expect_problem(404, "not-found", Some("tenant"));
        // The name is free at once.
        admin.create("/tenants", json!({"name": "Acme-2"}));
        let counts = &admin.get("/tenants/Acme-2").expect(200).json()["counts"];
        assert_eq!(counts["resources"], json!({"User": 0, "Group": 0}));
    });
}

#[test]
fn invalid_names_and_bodies_are_refused_with_their_field() {
    let server = Server::start();
    let admin = server.admin();
    admin.create("/tenants", json!({"name": "acme"}));
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "a b"}),
        json!({"name": "a".repeat(65)}),
        json!({"name": 1}),
        json!({"name": null}),
    ] {
        let reply = admin.post("/tenants", body.clone());
        reply.expect_problem(400, "invalid-request", Some("name"));
        let reply = admin.patch("/tenants/acme", body);
        reply.expect_problem(400, "invalid-request", Some("name"));
    }
    let unknown = admin.post("/tenants", json!({"name": "b", "plan": "gold"}));
    unknown.expect_problem(400, "invalid-request", Some("plan"));
    for body in ["", "{", "[\"b\"]", "{\"name\": \"b\"} x", "\u{0}"] {
        let request = admin
            .request("POST", "/tenants")
            .header("content-type", "application/json");
        let reply = request.bytes(body.as_bytes()).send();
        reply.expect_problem(400, "invalid-request", None);
    }
    let twice = admin
        .request("POST", "/tenants")
        .header("content-type", "application/json");
    let twice = twice.bytes(br#"{"name": "b", "name": "c"}"#).send();
    twice.expect_problem(400, "invalid-request", Some("name"));
    assert_eq!(admin.list("/tenants", "name"), ["acme"]);
}

#[test]
fn bodies_have_a_media_type_and_a_limited_size() {
    let server = Server::start_with(Choice {
        max_body_bytes: 64,
        ..Choice::default()
    });
    let admin = server.admin();
    let post = |content_type: Option<&str>, body: &str| {
        let mut request = admin.request("POST", "/tenants");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        request.bytes(body.as_bytes()).send()
    };
    let valid = r#"{"name": "a"}"#;
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/scim+json"),
        Some("application/x-www-form-urlencoded"),
    ] {
        post(content_type, valid).expect_problem(415, "unsupported-media-type", None);
    }
    let compressed = admin
        .request("POST", "/tenants")
        .header("content-encoding", "gzip");
    compressed
        .json(&json!({"name": "a"}))
        .send()
        .expect_problem(415, "unsupported-media-type", None);
    let large = format!("{{\"name\": \"{}\"}}", "a".repeat(100));
    post(Some("application/json"), &large).expect_problem(413, "too-large", None);
    post(Some("Application/JSON; charset=utf-8"), valid).expect(201);
}

#[test]
fn unknown_paths_and_methods_are_problems() {
    let server = Server::start();
    let admin = server.admin();
    for path in ["/nothing", "", "/tenants/a/nothing", "/tenants/"] {
        admin.get(path).expect_problem(404, "not-found", None);
    }
    let reply = admin
        .request("PUT", "/tenants")
        .send()
        .expect_problem(405, "method-not-allowed", None);
    assert_eq!(reply.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    let options = admin.request("OPTIONS", "/tenants/x").send().expect(204);
    assert_eq!(options.header("allow"), Some("GET, HEAD, PATCH, DELETE, OPTIONS"));
    let head = admin.request("HEAD", "/tenants").send().expect(200);
    assert_eq!(head.header("content-type"), Some("application/json"));
    for reply in [admin.get("/tenants"), admin.get("/nothing")] {
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(reply.header("x-request-id").is_some());
    }
}

#[test]
fn lists_have_pages() {
    let server = Server::start();
    let admin = server.admin();
    for number in 0..7 {
        admin.create("/tenants", json!({"name": format!("t{number}")}));
    }
    let (mut path, mut seen, mut pages) = ("/tenants?limit=3".to_owned(), Vec::new(), 0);
    loop {
        let page = admin.get(&path).expect(200).json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["name"].clone()),
        );
        pages += 1;
        // A tenant before the cursor that is created between two pages changes nothing.
        if pages == 1 {
            admin.create("/tenants", json!({"name": "t0a"}));
        }
        match &page["next"] {
            Value::String(next) => path = format!("/tenants?limit=3&after={next}"),
            other => {
                assert_eq!(other, &Value::Null);
                break;
            }
        }
    }
    assert_eq!(seen, ["t0", "t1", "t2", "t3", "t4", "t5", "t6"]);
    assert_eq!(pages, 3);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("after=%25", "after"),
        ("foo=1", "foo"),
        ("limit=1&limit=2", "limit"),
    ] {
        let reply = admin.get(&format!("/tenants?{query}"));
        reply.expect_problem(400, "invalid-request", Some(field));
    }
}

#[test]
fn a_change_may_name_the_tenant_that_it_expects() {
    let server = Server::start();
    let admin = server.admin();
    admin.create("/tenants", json!({"name": "acme"}));
    let tag = admin
        .get("/tenants/acme")
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    let rename = |from: &str, to: &str, tag: &str| {
        let request = admin
            .request("PATCH", &format!("/tenants/{from}"))
            .header("if-match", tag);
        request.json(&json!({"name": to})).send()
    };
    let renamed = rename("acme", "b", &tag).expect(200);
    let new_tag = renamed.header("etag").unwrap().to_owned();
    rename("b", "c", &tag).expect_problem(412, "stale", None);
    let delete = |tag: &str| {
        admin
            .request("DELETE", "/tenants/b")
            .header("if-match", tag)
            .send()
    };
    delete(&tag).expect_problem(412, "stale", None);
    delete(&new_tag).expect(204);
}
