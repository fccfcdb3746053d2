//! Endpoints of webhooks.

use scim_server::management::keys::KeyScope;
use serde_json::{Value, json};

use super::operator::Operator;
use crate::harness::{Choice, Server, on_each};

fn create(admin: &Operator, more: Value) -> (Value, String) {
    let mut body = json!({"url": "https://127.0.0.1/hook"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    admin.create("/webhooks", body)
}

#[test]
fn endpoints_are_created_shown_changed_and_deleted() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let headers = json!({"Authorization": "Bearer receiver-secret"});
        let more = json!({"tenants": ["acme"], "types": ["user.*"], "view": "notice", "headers": headers});
        let (created, path) = create(&admin, more);
        let secret = created["secret"].as_str().unwrap();
        assert!(secret.starts_with("whsec_"), "{secret}");
        assert_eq!(
            (&created["tenants"], &created["types"], &created["view"]),
            (&json!(["acme"]), &json!(["user.*"]), &json!("notice"))
        );
        assert_eq!(
            (&created["state"], &created["hasHeaders"]),
            (&json!("active"), &json!(true))
        );
        let shown = admin.get(&path).expect(200);
        let list = admin.get("/webhooks").expect(200);
        for text in [&shown.text, &list.text] {
            assert!(
                !text.contains(secret) && !text.contains("receiver-secret"),
                "{text}"
            );
        }
        let shown = shown.json();
        assert_eq!(
            (&shown["waiting"], &shown["deadLetters"], &shown["deliveries"]),
            (&json!(0), &json!([]), &json!([]))
        );

        let rotated = admin
            .post(&format!("{path}/rotate-secret"), json!({"overlapSeconds": 60}))
            .expect(200)
            .json();
        assert_ne!(rotated["secret"], created["secret"]);
        assert_eq!(admin.get(&path).json()["secrets"].as_array().unwrap().len(), 2);

        let test = admin
            .request("POST", &format!("{path}/test"))
            .send()
            .expect(202)
            .json();
        assert!(test["message"].is_string());
        server.tenant("other").create_user("x");
        let now = admin.get("/events?after=now").expect(200).json();
        let replayed = admin.post(
            &format!("{path}/replay"),
            json!({"after": admin.get("/events?tenant=acme&after=now").json()["next"]}),
        );
        replayed.expect(202);
        let unknown = admin.post(&format!("{path}/replay"), json!({"message": now["next"]}));
        unknown.expect_problem(400, "invalid-request", Some("message"));
        assert_eq!(
            admin.list(&format!("{path}/deliveries?limit=5"), "message"),
            [""; 0]
        );

        let disabled = admin
            .request("POST", &format!("{path}/disable"))
            .send()
            .expect(200)
            .json();
        assert_eq!(
            (&disabled["state"], &disabled["disabledReason"]),
            (&json!("disabled"), &json!("by an operator"))
        );
        let test = admin.request("POST", &format!("{path}/test")).send();
        test.expect_problem(409, "conflict", None);
        let enabled = admin
            .post(&format!("{path}/enable"), json!({"fromNow": true}))
            .expect(200)
            .json();
        assert_eq!(enabled["state"], "active");
        admin.delete(&path).expect(204);
        admin.get(&path).expect_problem(404, "not-found", None);
        admin.delete(&path).expect_problem(404, "not-found", None);
    });
}

#[test]
fn wrong_properties_of_an_endpoint_are_named() {
    let server = Server::start();
    server.tenant("acme");
    let admin = server.admin();
    let url = "https://127.0.0.1/hook";
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "https://u@example.com/"}), "url"),
        (json!({"url": url, "tenants": []}), "tenants"),
        (json!({"url": url, "tenants": ["nobody"]}), "tenants"),
        (json!({"url": url, "types": ["user.gone"]}), "types"),
        (json!({"url": url, "view": "half"}), "view"),
        (json!({"url": url, "headers": {"Host": "a"}}), "headers"),
        (json!({"url": url, "headers": {"a": 1}}), "headers.a"),
        (json!({"url": url, "secret": "whsec_mine"}), "secret"),
    ] {
        let reply = admin.post("/webhooks", body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    assert_eq!(admin.list("/webhooks", "url"), [""; 0]);
    let (_, path) = create(&admin, json!({}));
    for (rest, body, field) in [
        (
            "rotate-secret",
            json!({"overlapSeconds": 8 * 24 * 3600}),
            "overlapSeconds",
        ),
        ("replay", json!({}), "message"),
        ("replay", json!({"message": "x"}), "message"),
        ("replay", json!({"after": "x"}), "after"),
        ("replay", json!({"message": "x", "after": "x"}), "message"),
        ("enable", json!({"fromNow": 1}), "fromNow"),
    ] {
        let reply = admin.post(&format!("{path}/{rest}"), body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    // A target that the server does not permit now is a warning, because the operator may permit it later.
    let (warned, _) = admin.create("/webhooks", json!({"url": "https://10.0.0.1/hook"}));
    assert!(warned["warning"].is_string(), "{warned}");
}

#[test]
fn a_key_that_is_limited_to_tenants_sees_their_endpoints_only() {
    let server = Server::start();
    for name in ["acme", "other"] {
        server.tenant(name);
    }
    let admin = server.admin();
    let (_, of_all) = create(&admin, json!({}));
    let (_, of_both) = create(&admin, json!({"tenants": ["acme", "other"]}));
    let (mine, path) = create(&admin, json!({"tenants": ["acme"]}));
    let limited = server.operator(KeyScope::Admin, &["acme"]);
    assert_eq!(limited.list("/webhooks", "id"), [mine["id"].clone()]);
    limited.get(&path).expect(200);
    for hidden in [of_all, of_both] {
        limited.get(&hidden).expect_problem(404, "not-found", None);
        limited.delete(&hidden).expect_problem(404, "not-found", None);
        limited
            .request("POST", &format!("{hidden}/test"))
            .send()
            .expect(404);
    }
    let url = "https://127.0.0.1/hook";
    for body in [json!({"url": url}), json!({"url": url, "tenants": ["other"]})] {
        limited
            .post("/webhooks", body)
            .expect_problem(400, "invalid-request", Some("tenants"));
    }
    create(&limited, json!({"tenants": ["acme"]}));
    assert_eq!(limited.list("/webhooks", "id").len(), 2);
}
