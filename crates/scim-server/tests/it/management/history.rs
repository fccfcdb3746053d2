//! Users and groups as operators see them, and their histories.

use scim_model::store::{ChangeJournal as _, Directory as _};
use scim_server::management::keys::KeyScope;
use serde_json::{Value, json};

use crate::harness::{Choice, on_each};

/// The `kind` and the version of the changes on a page.
fn described(page: &Value) -> Vec<Value> {
    let items = page["items"].as_array().expect("it is a page").iter();
    items.map(|it| json!([it["kind"], it["version"]])).collect()
}

#[test]
fn users_and_groups_are_listed_and_shown_as_scim_json() {
    on_each(Choice::default, |server| {
        let (acme, other) = (server.tenant("acme"), server.tenant("other"));
        let users: Vec<_> = (0..5).map(|it| acme.create_user(&format!("user{it}"))).collect();
        let group = acme.create_group("Guides", &[&users[0], &users[1]]);
        other.create_user("stranger");
        let admin = server.operator(KeyScope::Read, &[]);
        let (mut path, mut names) = ("/tenants/acme/users?limit=2".to_owned(), Vec::new());
        loop {
            let page = admin.get(&path).expect(200).json();
            for item in page["items"].as_array().unwrap() {
                names.push(item["userName"].clone());
            }
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/tenants/acme/users?limit=2&after={next}");
        }
        assert_eq!(names, ["user0", "user1", "user2", "user3", "user4"]);
        let found = admin
            .get("/tenants/acme/users?filter=userName%20eq%20%22user3%22")
            .expect(200)
            .json();
        assert_eq!(found["items"][0], acme.get(&users[3].path).expect(200).json());
        assert_eq!(found["next"], Value::Null);
        let sorted = admin
            .get("/tenants/acme/users?sortBy=userName&sortOrder=descending&limit=1")
            .expect(200)
            .json();
        assert_eq!(sorted["items"][0]["userName"], "user4");

        let listed = admin.get("/tenants/acme/groups").expect(200).json();
        assert_eq!(listed["items"][0]["displayName"], "Guides");
        assert!(listed["items"][0].get("members").is_none());
        let shown = admin
            .get(&format!("/tenants/acme/groups/{}", group.id))
            .expect(200);
        assert_eq!(shown.json(), acme.get(&group.path).expect(200).json());
        assert!(shown.header("ETag").is_some());

        for (query, field) in [
            ("filter=nope", "filter"),
            ("sortBy=%20nope(", "sortBy"),
            ("sortOrder=up", "sortOrder"),
            ("limit=0", "limit"),
            ("after=nope", "after"),
            ("nope=1", "nope"),
        ] {
            admin.get(&format!("/tenants/acme/users?{query}")).expect_problem(
                400,
                "invalid-request",
                Some(field),
            );
        }
        for (path, field) in [
            (format!("/tenants/other/users/{}", users[0].id), "id"),
            (format!("/tenants/acme/groups/{}", users[0].id), "id"),
            ("/tenants/acme/users/nope".to_owned(), "id"),
            ("/tenants/nope/users".to_owned(), "tenant"),
        ] {
            admin.get(&path).expect_problem(404, "not-found", Some(field));
        }
        let limited = server.operator(KeyScope::Read, &["other"]);
        limited
            .get("/tenants/acme/users")
            .expect_problem(404, "not-found", Some("tenant"));
        let events = server.operator(KeyScope::Events, &[]);
        events
            .get("/tenants/acme/users")
            .expect_problem(403, "forbidden", None);
    });
}

#[test]
fn a_history_has_changes_states_and_differences() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let (user, friend) = (acme.create_user("bjensen"), acme.create_user("friend"));
        let group = acme.create_group("Guides", &[&user]);
        for operations in [
            json!([{"op": "add", "path": "title", "value": "Guide"}]),
            json!([{"op": "replace", "path": "active", "value": false}]),
        ] {
            acme.patch(&user.path, operations).expect(200);
        }
        acme.patch(
            &group.path,
            json!([{"op": "add", "path": "members", "value": [{"value": friend.id}]}]),
        )
        .expect(204);
        acme.delete(&user.path).expect(204);

        let admin = server.admin();
        let path = format!("/tenants/acme/users/{}/history", user.id);
        let whole = admin.get(&path).expect(200).json();
        assert_eq!(
            described(&whole),
            [
                json!(["delete", 3]),
                json!(["update", 3]),
                json!(["update", 2]),
                json!(["create", 1])
            ]
        );
        assert_eq!(whole["items"][0]["actor"]["kind"], "connection");
        let first = admin.get(&format!("{path}?limit=3")).expect(200).json();
        assert_eq!(described(&first), described(&whole)[..3]);
        let next = first["next"].as_str().expect("there is another page");
        let second = admin
            .get(&format!("{path}?limit=3&after={next}"))
            .expect(200)
            .json();
        assert_eq!(described(&second), described(&whole)[3..]);
        assert_eq!(second["next"], Value::Null);

        // The times of the changes, from the oldest.
        let at = |index: usize| whole["items"][3 - index]["at"].as_str().unwrap().to_owned();
        let state = admin.get(&format!("{path}?at={}", at(1))).expect(200).json();
        assert_eq!(state["resourceType"], "User");
        assert_eq!(state["resource"]["title"], "Guide");
        assert_eq!(state["resource"]["id"], json!(user.id));
        let gone = admin.get(&format!("{path}?at={}", at(3)));
        gone.expect_problem(404, "not-found", Some("id"));
        let before = admin.get(&format!("{path}?at=2020-01-01T00:00:00Z"));
        before.expect_problem(404, "not-found", Some("id"));

        let difference = admin
            .get(&format!("{path}?from=2020-01-01T00:00:00Z&to={}", at(0)))
            .expect(200)
            .json();
        assert_eq!(difference["existedBefore"], false);
        assert_eq!(difference["existedAfter"], true);
        assert_eq!(difference["changes"], json!({"userName": {"new": "bjensen"}}));
        let deletion = admin.get(&format!("{path}?from={}", at(2))).expect(200).json();
        assert_eq!(deletion["existedAfter"], false);
        assert_eq!(deletion["changes"]["title"], json!({"old": "Guide"}));

        let path = format!("/tenants/acme/groups/{}/history", group.id);
        let changes = admin.get(&path).expect(200).json();
        let at = |index: usize| changes["items"][index]["at"].as_str().unwrap();
        assert_eq!(
            described(&changes)[0],
            json!(["memberDeleted", changes["items"][0]["version"]])
        );
        let state = admin.get(&format!("{path}?at={}", at(1))).expect(200).json();
        let mut members = [user.id.clone(), friend.id.clone()];
        members.sort();
        let members: Vec<Value> = members.iter().map(|it| json!({ "value": it })).collect();
        assert_eq!(state["resource"]["members"], json!(members));
        let difference = admin
            .get(&format!("{path}?from={}&to={}", at(2), at(1)))
            .expect(200)
            .json();
        assert_eq!(
            difference["changes"],
            json!({"members": {"added": [friend.id], "removed": []}})
        );
    });
}

#[test]
fn a_wrong_parameter_of_a_history_is_named() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let admin = server.admin();
        let path = format!("/tenants/acme/users/{}/history", user.id);
        for (query, field) in [
            ("at=yesterday", "at"),
            ("from=2026-11-30", "from"),
            ("to=2026-11-30T12:00:00Z", "from"),
            ("at=2026-11-30T12:00:00Z&from=2026-11-30T12:00:00Z", "at"),
            ("from=2026-11-30T12:00:00Z&to=2025-11-30T12:00:00Z", "from"),
            ("at=2026-11-30T12:00:00Z&limit=1", "limit"),
            ("limit=0", "limit"),
            ("after=nope", "after"),
            ("nope=1", "nope"),
        ] {
            admin
                .get(&format!("{path}?{query}"))
                .expect_problem(400, "invalid-request", Some(field));
        }
        for id in ["nope", "0190b4f2-7b6e-7c3a-9a55-5d2c1f1e0000"] {
            admin
                .get(&format!("/tenants/acme/users/{id}/history"))
                .expect_problem(404, "not-found", Some("id"));
        }
        // Retention drops the oldest changes.
        acme.patch(&user.path, json!([{"op": "add", "path": "title", "value": "a"}]))
            .expect(200);
        let tenants = server.store.tenants().unwrap();
        let tenant = tenants.into_iter().find(|it| it.name == "acme").unwrap().id;
        let pruned = server
            .store
            .prune_changes(tenant, chrono::Utc::now() + chrono::TimeDelta::hours(1), 1);
        assert_eq!(pruned.unwrap(), 1);
        let dropped = admin.get(&format!("{path}?at=2026-01-01T00:00:00Z"));
        let problem = dropped.expect_problem(410, "history-dropped", None).json();
        let since = problem["since"].as_str().expect("it has a time").to_owned();
        let state = admin.get(&format!("{path}?at={since}")).expect(200).json();
        assert_eq!(state["resource"]["userName"], "bjensen");
        assert_eq!(state["version"], Value::Null);
    });
}
