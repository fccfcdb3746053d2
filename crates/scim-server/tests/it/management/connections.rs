//! Connections, as the management API shows and changes them.

use serde_json::{Value, json};

use super::operator::Operator;
use crate::harness::{Choice, Server, on_each, wait_until};

fn acme<'a>(server: &'a Server) -> Operator<'a> {
    server.tenant("acme");
    server.admin()
}

#[test]
fn connections_are_created_shown_changed_and_deleted() {
    on_each(Choice::default, |server| {
        let admin = acme(&server);
        let path = "/tenants/acme/connections";
        let new = json!({"name": "entra", "preset": "entra", "settings": {"leniency": "strict"}});
        let (created, entra) = admin.create(path, new.clone());
        assert_eq!(entra, format!("{path}/entra"));
        assert_eq!(created["tenant"], "acme");
        assert_eq!(
            (&created["state"], &created["settings"]),
            (&json!("active"), &json!({"leniency": "strict"}))
        );
        admin.post(path, new).expect_problem(409, "conflict", None);
        admin.create(path, json!({"name": "script"}));
        assert_eq!(admin.list(path, "name"), ["default", "entra", "script"]);

        let shown = admin.get(&entra).expect(200).json();
        let effective = |shown: &Value, name: &str| {
            let setting = &shown["effectiveSettings"][name];
            json!([setting["value"], setting["origin"]])
        };
        assert_eq!(effective(&shown, "leniency"), json!(["strict", "connection"]));
        assert_eq!(effective(&shown, "url-filters"), json!(["allow", "preset"]));
        assert_eq!(
            effective(&shown, "active-by-default"),
            json!(["false", "default"])
        );
        assert!(shown["effectiveSettings"]["url-filters"]["reason"].is_string());
        assert_eq!(
            shown["credentials"],
            json!({"tokens": 0, "clients": 0, "federations": 0})
        );
        assert_eq!(shown["lastUsed"], Value::Null);

        let patch = json!({"preset": "okta", "settings": {"leniency": null, "group-patch": "resource"}});
        let changed = admin.patch(&entra, patch).expect(200).json();
        assert_eq!(
            (&changed["preset"], &changed["settings"]),
            (&json!("okta"), &json!({"group-patch": "resource"}))
        );
        assert_eq!(changed["id"], created["id"]);
        let same = admin.patch(&entra, json!({})).expect(200).json();
        assert_eq!(same, changed);

        admin.delete(&entra).expect(204);
        admin
            .get(&entra)
            .expect_problem(404, "not-found", Some("connection"));
        admin
            .delete(&entra)
            .expect_problem(404, "not-found", Some("connection"));
        admin
            .delete(&format!("{path}/default"))
            .expect_problem(409, "conflict", None);
    });
}

#[test]
fn a_paused_connection_refuses_its_tokens_within_a_second() {
    let server = Server::start();
    let client = server.tenant("acme");
    let admin = server.admin();
    let path = "/tenants/acme/connections/default";
    client.get("/Users").expect(200);
    let paused = admin
        .request("POST", &format!("{path}/pause"))
        .send()
        .expect(200)
        .json();
    assert_eq!(paused["state"], "paused");
    wait_until("the token is refused", || client.get("/Users").status == 403);
    let by_patch = admin.patch(path, json!({"state": "active"})).expect(200).json();
    assert_eq!(by_patch["state"], "active");
    wait_until("the token is accepted", || client.get("/Users").status == 200);
    admin.patch(path, json!({"state": "paused"})).expect(200);
    let resumed = admin
        .request("POST", &format!("{path}/resume"))
        .send()
        .expect(200)
        .json();
    assert_eq!(resumed["state"], "active");
    wait_until("the use is shown", || {
        admin.get(path).json()["lastUsed"].is_string()
    });
}

#[test]
fn wrong_properties_of_a_connection_are_named() {
    let server = Server::start();
    let admin = acme(&server);
    let path = "/tenants/acme/connections";
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "a b"}), "name"),
        (json!({"name": "a", "preset": "active-directory"}), "preset"),
        (json!({"name": "a", "settings": {"nope": "x"}}), "settings"),
        (
            json!({"name": "a", "settings": {"leniency": "some"}}),
            "settings.leniency",
        ),
        (
            json!({"name": "a", "settings": {"leniency": 1}}),
            "settings.leniency",
        ),
        (json!({"name": "a", "state": "paused"}), "state"),
    ] {
        let reply = admin.post(path, body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    let default = format!("{path}/default");
    for (body, field) in [
        (json!({"preset": "x"}), "preset"),
        (json!({"settings": {"leniency": "some"}}), "settings.leniency"),
        (json!({"settings": {"nope": "x"}}), "settings"),
        (json!({"state": "stopped"}), "state"),
        (json!({"name": "other"}), "name"),
    ] {
        let reply = admin.patch(&default, body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    assert_eq!(admin.list(path, "name"), ["default"]);
    assert_eq!(admin.get(&default).json()["settings"], json!({}));
    for (missing, part) in [
        ("/tenants/acme/connections/x", "connection"),
        ("/tenants/nobody/connections/default", "tenant"),
    ] {
        admin.get(missing).expect_problem(404, "not-found", Some(part));
        let change = admin.patch(missing, json!({}));
        change.expect_problem(404, "not-found", Some(part));
    }
}

/// Two operators who change what they have seen do not overwrite each other.
#[test]
fn a_change_may_name_the_connection_that_it_expects() {
    on_each(Choice::default, |server| {
        let admin = acme(&server);
        let path = "/tenants/acme/connections/default";
        let tag = admin.get(path).expect(200).header("etag").unwrap().to_owned();
        let change = |tag: &str, leniency: &str| {
            let body = json!({"settings": {"leniency": leniency}});
            admin
                .request("PATCH", path)
                .header("if-match", tag)
                .json(&body)
                .send()
        };
        let changed = change(&tag, "strict").expect(200);
        let new_tag = changed.header("etag").unwrap().to_owned();
        assert_ne!(tag, new_tag);
        assert_eq!(admin.get(path).header("etag"), Some(&*new_tag));
        change(&tag, "interop").expect_problem(412, "stale", None);
        change("*", "interop").expect(200);
        change(&new_tag, "clients").expect_problem(412, "stale", None);
        let pause = admin
            .request("POST", &format!("{path}/pause"))
            .header("if-match", &tag);
        pause.send().expect_problem(412, "stale", None);
        for action in ["pause", "resume"] {
            let reply = admin.post(&format!("{path}/{action}"), json!({"reason": "maintenance"}));
            reply.expect_problem(400, "invalid-request", Some("reason"));
        }
        assert_eq!(admin.get(path).json()["settings"]["leniency"], "interop");
        let other = "/tenants/acme/connections/other";
        let created = admin
            .post("/tenants/acme/connections", json!({"name": "other"}))
            .expect(201);
        assert_eq!(created.header("etag"), admin.get(other).header("etag"));
        let delete = |tag: &str| admin.request("DELETE", other).header("if-match", tag).send();
        delete(&tag).expect_problem(412, "stale", None);
        let tag = admin.get(other).header("etag").unwrap().to_owned();
        delete(&tag).expect(204);
    });
}
