//! Undo: a plan, then the deed, on both databases.

use scim_model::store::TenantId;
use serde_json::{Value, json};

use crate::harness::{Choice, Created, Server, Token, on_each};

/// All users and groups of a tenant without what a restored resource may have new: version and time.
fn content(server: &Server, tenant: &str) -> Vec<Value> {
    let admin = server.admin();
    let mut content = Vec::new();
    for endpoint in ["users", "groups"] {
        let mut after = String::new();
        loop {
            let page = admin
                .get(&format!("/tenants/{tenant}/{endpoint}?limit=100&after={after}"))
                .expect(200)
                .json();
            for item in page["items"].as_array().unwrap() {
                let id = item["id"].as_str().unwrap();
                let shown = admin.get(&format!("/tenants/{tenant}/{endpoint}/{id}"));
                let mut shown = shown.expect(200).json();
                shown.as_object_mut().unwrap().remove("meta");
                for list in ["members", "groups"] {
                    if let Some(Value::Array(elements)) = shown.get_mut(list) {
                        elements.sort_by_key(ToString::to_string);
                    }
                }
                content.push(shown);
            }
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
    }
    content.sort_by_key(|it| it["id"].to_string());
    content
}

fn deactivation() -> Value {
    json!([{"op": "replace", "path": "active", "value": false}])
}

/// A tenant with users and a group, which the connection `default` has created.
fn prepare(server: &Server) -> (TenantId, Vec<Created>, Created) {
    let acme = server.tenant("acme");
    let users: Vec<Created> = (0..8)
        .map(|number| {
            let user = json!({
                "userName": format!("user{number}"),
                "active": true,
                "title": "Guide",
                "emails": [{"value": "b@example.com"}, {"value": "a@example.com", "primary": true}],
            });
            acme.create("/Users", user)
        })
        .collect();
    let group = acme.create_group("Guides", &users.iter().collect::<Vec<_>>());
    (acme.tenant.unwrap(), users, group)
}

#[test]
fn the_changes_of_a_connection_are_planned_and_undone() {
    on_each(Choice::default, |server| {
        let (tenant, users, group) = prepare(&server);
        let admin = server.admin();
        admin.create(
            "/tenants/acme/connections",
            json!({"name": "hr", "preset": "okta"}),
        );
        let before = content(&server, "acme");

        let of_connection = Token {
            connection: Some("hr"),
            ..Token::default()
        };
        let hr = server.client(tenant, of_connection);
        for user in &users[..3] {
            hr.patch(&user.path, deactivation()).expect(200);
        }
        hr.delete(&users[2].path).expect(204);
        hr.delete(&users[3].path).expect(204);
        hr.patch(
            &group.path,
            json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", users[4].id)},
                   {"op": "replace", "path": "displayName", "value": "Others"}]),
        )
        .expect(204);
        let created = hr.create_user("newcomer");
        let broken = content(&server, "acme");
        assert_ne!(before, broken);

        let chosen = json!({"connection": "hr"});
        let plan = admin
            .post("/tenants/acme/undo", chosen.clone())
            .expect(200)
            .json();
        assert_eq!((&plan["dryRun"], &plan["resources"]), (&json!(true), &json!(6)));
        assert_eq!(content(&server, "acme"), broken, "a plan changes nothing");
        let action = |id: &str| {
            let items = plan["items"].as_array().unwrap();
            let item = items.iter().find(|it| it["id"] == id).expect("it is in the plan");
            item["action"].clone()
        };
        assert_eq!(action(&users[0].id), "update");
        assert_eq!(action(&users[2].id), "create");
        assert_eq!(action(&users[3].id), "create");
        assert_eq!(action(&created.id), "delete");
        assert_eq!(action(&group.id), "update");

        // In parts, as an undo of many resources.
        let mut after = Value::Null;
        let mut done = 0;
        loop {
            let part = json!({"connection": "hr", "dryRun": false, "limit": 2, "after": after});
            let part = admin.post("/tenants/acme/undo", part).expect(200).json();
            done += part["items"].as_array().unwrap().len();
            after = part["next"].clone();
            if after.is_null() {
                break;
            }
        }
        assert_eq!(done, 6);
        assert_eq!(content(&server, "acme"), before);
        let history = admin
            .get(&format!("/tenants/acme/users/{}/history", users[3].id))
            .expect(200)
            .json();
        let last = &history["items"][0];
        assert_eq!(
            (&last["kind"], &last["version"], &last["actor"]["kind"]),
            (&json!("create"), &json!(2), &json!("operatorKey"))
        );

        // Again, it changes nothing.
        let again = json!({"connection": "hr", "dryRun": false});
        let again = admin.post("/tenants/acme/undo", again).expect(200).json();
        for item in again["items"].as_array().unwrap() {
            assert_eq!(item["action"], "none", "{item}");
        }
        assert_eq!(content(&server, "acme"), before);
    });
}

#[test]
fn what_was_changed_later_is_left_alone() {
    on_each(Choice::default, |server| {
        let (tenant, users, _) = prepare(&server);
        let acme = server.client(tenant, Token::default());
        let admin = server.admin();
        let reply = acme.patch(
            &users[0].path,
            json!([{"op": "replace", "path": "title", "value": "Wrong"},
                   {"op": "replace", "path": "active", "value": false}]),
        );
        let request = reply.expect(200).header("X-Request-Id").unwrap().to_owned();
        acme.patch(
            &users[0].path,
            json!([{"op": "replace", "path": "title", "value": "Right"}]),
        )
        .expect(200);
        let undo = json!({"request": request, "dryRun": false});
        let undone = admin.post("/tenants/acme/undo", undo).expect(200).json();
        let item = &undone["items"][0];
        assert_eq!(item["attributes"], json!(["active"]));
        assert_eq!(item["left"][0]["path"], "title");
        assert_eq!(item["left"][0]["reason"], "another change came later");
        let user = acme.get(&users[0].path).expect(200).json();
        assert_eq!((&user["title"], &user["active"]), (&json!("Right"), &json!(true)));
    });
}

#[test]
fn wrong_selections_are_refused() {
    on_each(Choice::default, |server| {
        prepare(&server);
        let admin = server.admin();
        for (body, field) in [
            (json!({}), "connection"),
            (json!({"limit": 0, "connection": "default"}), "limit"),
            (json!({"from": "yesterday"}), "from"),
            (
                json!({"from": "2026-11-30T12:00:00Z", "to": "2026-11-29T12:00:00Z"}),
                "from",
            ),
            (json!({"connection": "default", "nope": 1}), "nope"),
            (json!({"credential": "nope"}), "credential"),
        ] {
            admin
                .post("/tenants/acme/undo", body)
                .expect_problem(400, "invalid-request", Some(field));
        }
        admin
            .post("/tenants/acme/undo", json!({"connection": "nope"}))
            .expect_problem(404, "not-found", Some("connection"));
        admin
            .post("/tenants/nope/undo", json!({"connection": "default"}))
            .expect_problem(404, "not-found", Some("tenant"));
        // A deleted connection is still known to the journal.
        admin.create(
            "/tenants/acme/connections",
            json!({"name": "hr", "preset": "okta"}),
        );
        admin.delete("/tenants/acme/connections/hr").expect(204);
        let plan = admin.post("/tenants/acme/undo", json!({"connection": "hr"}));
        assert_eq!(plan.expect(200).json()["resources"], 0);
    });
}
