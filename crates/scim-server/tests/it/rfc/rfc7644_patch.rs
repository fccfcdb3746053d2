//! RFC 7644 section 3.5.2 and RFC 5789: PATCH.

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{staff_tenant, strict_tenant, tenant};

/// A user that a test changes.
struct Subject {
    client: Client,
    path: String,
}

impl Subject {
    fn new(attributes: &Value) -> Subject {
        Subject::of(tenant(), attributes)
    }

    fn of(client: Client, attributes: &Value) -> Subject {
        // The tenant may already have another subject.
        let name = format!("u{}", client.get("/Users?count=0").body["totalResults"]);
        let path = format!("/Users/{}", client.user_with(&name, attributes));
        Subject { client, path }
    }

    /// Applies operations that must succeed, and returns the resource.
    #[track_caller]
    fn after(&self, operations: &Value) -> Value {
        let answer = self.client.patch(&self.path, operations).expect(200);
        assert_eq!(answer.body, self.client.now(&self.path));
        answer.body
    }

    /// Sends operations that must fail, and checks that nothing changed.
    #[track_caller]
    fn refuses(&self, operations: &Value, scim_type: &str) {
        let before = self.client.get(&self.path).expect(200);
        let answer = self.client.patch(&self.path, operations);
        assert_eq!(answer.status, 400, "{operations}: {}", answer.body);
        assert_eq!(
            answer.body["scimType"], scim_type,
            "{operations}: {}",
            answer.body
        );
        answer.expect_error(400, scim_type);
        let after = self.client.get(&self.path).expect(200);
        assert_eq!(after.body, before.body, "{operations}");
        assert_eq!(after.etag(), before.etag(), "{operations}");
    }
}

/// A group that a test changes, and three users.
struct Team {
    client: Client,
    path: String,
    users: [String; 3],
}

impl Team {
    /// The first `count` users are members.
    fn with_members(count: usize) -> Team {
        let client = tenant();
        let users = ["a", "b", "c"].map(|name| client.user(name));
        let members: Vec<&str> = users[..count].iter().map(String::as_str).collect();
        let path = format!("/Groups/{}", client.group("g", &members));
        Team { client, path, users }
    }

    /// Applies operations that must succeed, and checks the members.
    #[track_caller]
    fn after(&self, operations: &Value, members: &[&String]) {
        self.client.patch(&self.path, operations).expect_success();
        assert_eq!(
            self.members(),
            members.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
            "{operations}"
        );
    }

    fn members(&self) -> Vec<String> {
        let group = self.client.now(&self.path);
        group["members"]
            .as_array()
            .expect("members")
            .iter()
            .filter_map(|it| it["value"].as_str())
            .map(str::to_owned)
            .collect()
    }

    fn version(&self) -> String {
        self.client.get(&self.path).expect(200).etag()
    }
}

/// 7644-3.5.2-02
#[test]
fn json_patch_is_refused() {
    let user = Subject::new(&json!({"emails": [{"value": "a"}]}));
    for op in ["move", "copy", "test"] {
        user.refuses(
            &json!([{"op": op, "path": "title", "value": "x"}]),
            "invalidSyntax",
        );
    }
    for path in ["emails[0]", "/emails/0", "/title", "emails/0/value", "emails.0"] {
        user.refuses(
            &json!([{"op": "replace", "path": path, "value": "x"}]),
            "invalidPath",
        );
    }
}

/// 7644-3.5.2-03, 7644-3.1-04, 5789-2-02
#[test]
fn the_body_is_a_patch_message() {
    let client = strict_tenant();
    let path = format!("/Users/{}", client.user("patch-message"));
    let operations = json!([{"op": "replace", "path": "title", "value": "t"}]);
    let send = |body: Value| client.send("PATCH", &path, &[], Some(body.to_string().as_bytes()));
    for schemas in [Value::Null, json!([]), json!([USER]), json!([SEARCH_REQUEST])] {
        send(json!({"schemas": schemas, "Operations": operations})).expect_error(400, "invalidSyntax");
    }
    send(json!({"Operations": operations})).expect_error(400, "invalidSyntax");
    send(user_with("patch-message", &json!({"title": "t"}))).expect_error(400, "invalidSyntax");
    send(json!({"schemas": [PATCH_OP], "Operations": operations})).expect(200);
    // By default `schemas` may be missing, as JumpCloud sends it, or name something else (A-01).
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let send = |body: Value| client.send("PATCH", &path, &[], Some(body.to_string().as_bytes()));
    send(json!({"Operations": operations})).expect(200);
    for schemas in [Value::Null, json!([]), json!([USER]), json!([SEARCH_REQUEST])] {
        send(json!({"schemas": schemas, "Operations": operations})).expect(200);
    }
    for schemas in [json!(PATCH_OP), json!([5]), json!({})] {
        send(json!({"schemas": schemas, "Operations": operations})).expect_error(400, "invalidSyntax");
    }
    send(user_with("a", &json!({"title": "t"}))).expect_error(400, "invalidSyntax");
}

/// 7644-3.5.2-04, 7644-3.5.2-17
#[test]
fn operations_must_be_a_filled_array() {
    let client = strict_tenant();
    let id = client.user("operations");
    let empty = client.patch(&format!("/Users/{id}"), &json!([]));
    empty.expect_error(400, "invalidSyntax");
    // Microsoft's validator sends an empty array, which changes nothing (A-77).
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let before = client.get(&path).expect(200);
    assert_eq!(client.patch(&path, &json!([])).expect(200).body, before.body);
    client
        .patch("/Users/2819c223-7f76-453a-919d-413861904646", &json!([]))
        .expect(404);
    let path = format!("/Users/{}", client.user("b"));
    for operations in [
        json!(null),
        json!({"op": "add"}),
        json!("x"),
        json!([5]),
        json!([[]]),
    ] {
        client
            .patch(&path, &operations)
            .expect_error(400, "invalidSyntax");
    }
    let send = |body: Value| client.send("PATCH", &path, &[], Some(body.to_string().as_bytes()));
    send(json!({"schemas": [PATCH_OP]})).expect_error(400, "invalidSyntax");
    let lower = json!({"schemas": [PATCH_OP], "operations": [{"op": "add", "path": "title", "value": "t"}]});
    assert_eq!(send(lower).expect(200).body["title"], "t");
}

/// 7644-3.5.2-05
#[test]
fn each_operation_has_one_op_in_any_case() {
    let user = Subject::new(&json!({}));
    user.refuses(&json!([{"path": "title", "value": "t"}]), "invalidSyntax");
    for op in [json!("x"), json!(""), json!(null), json!(5), json!(["add"])] {
        user.refuses(
            &json!([{"op": op, "path": "title", "value": "t"}]),
            "invalidSyntax",
        );
    }
    assert_eq!(
        user.after(&json!([{"op": "Add", "path": "title", "value": "1"}]))["title"],
        "1"
    );
    assert_eq!(
        user.after(&json!([{"op": "REPLACE", "path": "title", "value": "2"}]))["title"],
        "2"
    );
    assert!(
        user.after(&json!([{"op": "Remove", "path": "title"}]))
            .get("title")
            .is_none()
    );
}

/// 7644-3.5.2-06, 7644-3.5.2.2-01
#[test]
fn remove_needs_a_path() {
    let user = Subject::new(&json!({"title": "t"}));
    user.refuses(&json!([{"op": "remove"}]), "noTarget");
    user.refuses(&json!([{"op": "remove", "value": {"title": "t"}}]), "noTarget");
}

/// 7644-3.5.2-07
#[test]
fn paths_follow_the_grammar() {
    let user = Subject::new(
        &json!({"emails": [{"type": "work", "value": "a"}], "addresses": [{"type": "work", "locality": "l"}]}),
    );
    for (path, value) in [
        ("name.familyName".to_owned(), json!("f")),
        ("addresses[type eq \"work\"]".into(), json!({"locality": "m"})),
        (
            "emails[type eq \"work\" and value sw \"a\"].display".into(),
            json!("d"),
        ),
        (format!("{USER}:emails[type eq \"work\"].display"), json!("e")),
        (format!("{ENTERPRISE}:department"), json!("d")),
        (format!("{USER}:name.givenName"), json!("g")),
    ] {
        user.after(&json!([{"op": "replace", "path": path, "value": value}]));
    }
    for path in [
        "emails[type eq \"work\"",
        "emails[type eq \"work\"]value",
        "emails[].value",
        "emails]",
        "",
        " ",
        "title.",
        ".title",
        "name..givenName",
        "title x",
        "emails[type eq \"work\"].value.x",
    ] {
        user.refuses(
            &json!([{"op": "replace", "path": path, "value": "x"}]),
            "invalidPath",
        );
    }
    user.refuses(
        &json!([{"op": "replace", "path": 5, "value": "x"}]),
        "invalidPath",
    );
}

/// 7644-3.5.2-08
#[test]
fn a_path_is_not_a_filter() {
    let user = Subject::new(&json!({}));
    user.refuses(
        &json!([{"op": "remove", "path": "schemas eq \"urn:x\""}]),
        "invalidPath",
    );
    user.refuses(
        &json!([{"op": "remove", "path": "title eq \"x\""}]),
        "invalidPath",
    );
}

/// 7644-3.5.2-09, 7644-3.5.2-10, 7644-3.5.2-11
#[test]
fn operations_must_fit_mutability_and_type() {
    let user = Subject::new(&json!({"title": "t"}));
    for (path, value) in [
        ("title", json!(5)),
        ("title", json!({})),
        ("active", json!("perhaps")),
        ("name", json!("x")),
        ("emails", json!([5])),
        ("userName", json!(["a", "b"])),
    ] {
        user.refuses(
            &json!([{"op": "add", "path": path, "value": value}]),
            "invalidValue",
        );
    }
    for (path, value) in [
        ("meta.created", json!("2020-01-01T00:00:00Z")),
        ("meta", json!({})),
        ("id", json!("x")),
        ("groups", json!([])),
    ] {
        for op in ["add", "replace", "remove"] {
            user.refuses(&json!([{"op": op, "path": path, "value": value}]), "mutability");
        }
    }
    let team = Team::with_members(1);
    for (path, value, scim_type) in [
        ("displayName", json!(5), "invalidValue"),
        ("members", json!([5]), "invalidValue"),
        ("members", json!([{"value": 5}]), "invalidValue"),
        (
            "members",
            json!([{"value": team.users[0], "type": "Group"}]),
            "invalidValue",
        ),
        ("meta.created", json!("2020-01-01T00:00:00Z"), "mutability"),
        ("id", json!("x"), "mutability"),
        ("nosuch", json!("x"), "invalidPath"),
        ("userName", json!("x"), "invalidPath"),
    ] {
        for op in ["add", "replace"] {
            let operation = json!([{"op": op, "path": path, "value": value}]);
            team.client
                .patch(&team.path, &operation)
                .expect_error(400, scim_type);
        }
    }
    assert_eq!(team.members(), [team.users[0].as_str()]);
    for path in [
        "nosuch",
        "name.nosuch",
        "emails[type eq \"work\"].nosuch",
        "urn:nothing:title",
    ] {
        user.refuses(&json!([{"op": "add", "path": path, "value": "x"}]), "invalidPath");
    }
}

/// 7644-3.5.2-12
#[test]
fn extension_attributes_need_their_urn() {
    let user = Subject::new(&json!({}));
    user.refuses(
        &json!([{"op": "add", "path": "employeeNumber", "value": "1"}]),
        "invalidPath",
    );
    let changed =
        user.after(&json!([{"op": "add", "path": format!("{ENTERPRISE}:employeeNumber"), "value": "1"}]));
    assert_eq!(changed[ENTERPRISE], json!({"employeeNumber": "1"}));
    // Each operation sees the result of the one before.
    let changed = user.after(&json!([
        {"op": "add", "value": {ENTERPRISE: {"department": "d"}}},
        {"op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "e"},
    ]));
    assert_eq!(
        changed[ENTERPRISE],
        json!({"employeeNumber": "1", "department": "e"})
    );
}

/// 7644-3.5.2-13
#[test]
fn schemas_follows_the_extensions_in_use() {
    let user = Subject::new(&json!({}));
    let path = format!("{ENTERPRISE}:employeeNumber");
    assert_eq!(
        user.after(&json!([{"op": "add", "path": path, "value": "1"}]))["schemas"],
        json!([USER, ENTERPRISE])
    );
    let removed = user.after(&json!([{"op": "remove", "path": path}]));
    assert_eq!(removed["schemas"], json!([USER]));
    assert!(removed.get(ENTERPRISE).is_none());
    let manager = format!("{ENTERPRISE}:manager.value");
    for op in ["add", "replace"] {
        for operation in [
            json!({"op": op, "path": path, "value": "1"}),
            json!({"op": op, "path": manager, "value": "m"}),
            json!({"op": op, "path": ENTERPRISE, "value": {"division": "d"}}),
            json!({"op": op, "value": {ENTERPRISE: {"division": "d"}}}),
            json!({"op": op, "value": {(path.clone()): "1"}}),
        ] {
            let changed = user.after(&json!([operation]));
            assert_eq!(changed["schemas"], json!([USER, ENTERPRISE]), "{operation}");
            let removed = user.after(&json!([{"op": "remove", "path": ENTERPRISE}]));
            assert_eq!(removed["schemas"], json!([USER]), "{operation}");
        }
    }
}

/// 7644-3.5.2-14
#[test]
fn operations_run_in_order() {
    let team = Team::with_members(2);
    let [_, _, c] = &team.users;
    team.after(&json!([{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": [{"value": c}]}]), &[c]);
    team.after(&json!([{"op": "add", "path": "members", "value": [{"value": c}]}, {"op": "remove", "path": "members"}]), &[]);
    let user = Subject::new(&json!({}));
    let changed = user.after(&json!([{"op": "add", "path": "title", "value": "a"}, {"op": "replace", "path": "title", "value": "b"}]));
    assert_eq!(changed["title"], "b");
    let changed = user.after(&json!([{"op": "add", "path": "emails", "value": [{"type": "x", "value": "1"}]}, {"op": "replace", "path": "emails[type eq \"x\"].value", "value": "2"}]));
    assert_eq!(changed["emails"], json!([{"type": "x", "value": "2"}]));
}

/// 7644-3.5.2-15
#[test]
fn a_new_primary_value_replaces_the_old_one() {
    let emails = json!({"emails": [{"value": "a", "primary": true}, {"value": "b"}]});
    let primaries = |user: &Value| -> Vec<String> {
        let emails = user["emails"].as_array().expect("emails").iter();
        emails
            .filter(|it| it["primary"] == true)
            .filter_map(|it| it["value"].as_str())
            .map(str::to_owned)
            .collect()
    };
    let user = Subject::new(&emails);
    let changed =
        user.after(&json!([{"op": "replace", "path": "emails[value eq \"b\"].primary", "value": true}]));
    assert_eq!(primaries(&changed), ["b"]);
    let changed =
        user.after(&json!([{"op": "add", "path": "emails", "value": [{"value": "c", "primary": true}]}]));
    assert_eq!(primaries(&changed), ["c"]);
    user.refuses(&json!([{"op": "add", "path": "emails", "value": [{"value": "d", "primary": true}, {"value": "e", "primary": true}]}]), "invalidValue");
    // The same holds without a path, and other attributes keep their primary value.
    user.after(&json!([{"op": "add", "path": "phoneNumbers", "value": [{"value": "1", "primary": true}]}]));
    for (op, value, primary) in [
        ("add", json!([{"value": "d", "primary": true}]), "d"),
        ("add", json!([{"value": "a", "primary": true}]), "a"),
        (
            "replace",
            json!([{"value": "x"}, {"value": "y", "primary": true}]),
            "y",
        ),
    ] {
        let changed = user.after(&json!([{"op": op, "value": {"emails": value}}]));
        assert_eq!(primaries(&changed), [primary], "{op}");
        assert_eq!(changed["phoneNumbers"], json!([{"value": "1", "primary": true}]));
    }
    // A value that is not primary leaves the primary one alone.
    let changed =
        user.after(&json!([{"op": "add", "path": "emails", "value": [{"value": "z", "primary": false}]}]));
    assert_eq!(primaries(&changed), ["y"]);
}

/// 7644-3.5.2-16
#[test]
fn all_operations_or_none() {
    let user = Subject::new(&json!({"title": "t", "emails": [{"value": "a"}]}));
    user.refuses(&json!([{"op": "replace", "path": "title", "value": "u"}, {"op": "replace", "path": "bad[", "value": 1}]), "invalidPath");
    user.refuses(
        &json!([{"op": "remove", "path": "emails"}, {"op": "add", "path": "title", "value": 5}]),
        "invalidValue",
    );
    // A conflict that only the store detects also leaves everything as it was.
    user.client.user("taken");
    let before = user.client.get(&user.path).expect(200);
    let operations = json!([{"op": "replace", "path": "title", "value": "u"}, {"op": "replace", "path": "userName", "value": "taken"}]);
    user.client
        .patch(&user.path, &operations)
        .expect_error(409, "uniqueness");
    let after = user.client.get(&user.path).expect(200);
    assert_eq!((&after.body, after.etag()), (&before.body, before.etag()));
    let team = Team::with_members(1);
    let [a, b, _] = &team.users;
    let version = team.version();
    let operations = json!([{"op": "add", "path": "members", "value": [{"value": b}]}, {"op": "remove", "path": "displayName"}]);
    team.client
        .patch(&team.path, &operations)
        .expect_error(400, "mutability");
    let operations = json!([{"op": "add", "path": "members", "value": [{"value": b}]}, {"op": "add", "path": "members", "value": [{"value": "nobody"}]}]);
    team.client
        .patch(&team.path, &operations)
        .expect_error(400, "invalidValue");
    assert_eq!(team.members(), [a.as_str()]);
    assert_eq!(team.version(), version);
}

/// 7644-3.5.2-18, 7644-3.5.2.1-09, 9110-15.3.5-01
#[test]
fn users_are_returned_and_groups_are_not() {
    let user = Subject::new(&json!({}));
    let answer = user
        .client
        .patch(&user.path, &json!([{"op": "add", "path": "title", "value": "t"}]))
        .expect(200);
    assert_eq!(answer.body, user.client.now(&user.path));
    assert_eq!(answer.header("ETag"), answer.body["meta"]["version"].as_str());
    let team = Team::with_members(0);
    let operations = json!([{"op": "add", "path": "members", "value": [{"value": team.users[0]}]}]);
    let answer = team.client.patch(&team.path, &operations).expect(204);
    assert!(answer.bytes.is_empty() && answer.header("Content-Type").is_none());
    assert_eq!(answer.etag(), team.version());
    assert!(answer.header("Authorization").is_none());
}

/// 7644-3.5.2-19
#[test]
fn requested_attributes_are_returned() {
    let team = Team::with_members(1);
    let operations = json!([{"op": "replace", "path": "displayName", "value": "h"}]);
    let answer = team
        .client
        .patch(&format!("{}?attributes=displayName", team.path), &operations)
        .expect(200);
    assert_eq!(keys(&answer.body), ["displayName", "id", "schemas"]);
    assert_eq!(answer.body["displayName"], "h");
}

/// 7644-3.5.2.1-01
#[test]
fn add_needs_a_value() {
    let user = Subject::new(&json!({}));
    for operation in [
        json!({"op": "add", "path": "title"}),
        json!({"op": "add"}),
        json!({"op": "replace", "path": "title"}),
    ] {
        let answer = user.client.patch(&user.path, &json!([operation])).expect(400);
        assert!(
            matches!(
                answer.body["scimType"].as_str(),
                Some("invalidValue" | "invalidSyntax")
            ),
            "{operation}: {}",
            answer.body
        );
    }
    user.refuses(
        &json!([{"op": "add", "path": "title", "value": ["a", "b"]}]),
        "invalidValue",
    );
}

/// 7644-3.5.2.1-02
#[test]
fn add_without_a_path_takes_an_object() {
    let user = Subject::new(&json!({"emails": [{"value": "a"}], "title": "t"}));
    let changed = user.after(&json!([{"op": "add", "value": {"nickName": "B", "emails": [{"value": "b"}]}}]));
    assert_eq!(
        (&changed["nickName"], &changed["title"]),
        (&json!("B"), &json!("t"))
    );
    assert_eq!(changed["emails"], json!([{"value": "a"}, {"value": "b"}]));
    for value in [json!("x"), json!(5), json!([])] {
        user.refuses(&json!([{"op": "add", "value": value}]), "invalidValue");
    }
}

/// 7644-3.5.2.1-03, 7644-3.5.2.1-06
#[test]
fn add_creates_or_replaces_a_single_value() {
    let user = Subject::new(&json!({}));
    let changed = user.after(&json!([{"op": "add", "path": "emails", "value": [{"value": "a"}]}]));
    assert_eq!(changed["emails"], json!([{"value": "a"}]));
    let path = format!("{ENTERPRISE}:manager.value");
    let changed = user.after(&json!([{"op": "add", "path": path, "value": "m"}]));
    assert_eq!(changed[ENTERPRISE], json!({"manager": {"value": "m"}}));
    let path = format!("{ENTERPRISE}:division");
    for value in ["d", "e"] {
        let changed = user.after(&json!([{"op": "add", "path": path, "value": value}]));
        assert_eq!(changed[ENTERPRISE]["division"], value);
    }
    assert_eq!(
        user.after(&json!([{"op": "add", "path": "nickName", "value": "1"}]))["nickName"],
        "1"
    );
    assert_eq!(
        user.after(&json!([{"op": "add", "path": "nickName", "value": "2"}]))["nickName"],
        "2"
    );
    assert_eq!(
        user.after(&json!([{"op": "add", "path": "name.givenName", "value": "g"}]))["name"],
        json!({"givenName": "g"})
    );
}

/// 7644-3.5.2.1-04
#[test]
fn add_merges_into_a_complex_value() {
    let user = Subject::new(&json!({"name": {"givenName": "g", "familyName": "f"}}));
    let changed =
        user.after(&json!([{"op": "add", "path": "name", "value": {"middleName": "J", "givenName": "h"}}]));
    assert_eq!(
        changed["name"],
        json!({"givenName": "h", "familyName": "f", "middleName": "J"})
    );
    user.refuses(
        &json!([{"op": "add", "path": "name", "value": "x"}]),
        "invalidValue",
    );
    // A manager may be given as an id alone (A-37).
    let changed = user.after(&json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": "m"}]));
    assert_eq!(changed[ENTERPRISE]["manager"], json!({"value": "m"}));
}

/// 7644-3.5.2.1-05
#[test]
fn add_appends_to_several_values() {
    let user = Subject::new(&json!({"emails": [{"value": "a"}]}));
    user.after(&json!([{"op": "add", "path": "emails", "value": [{"value": "b"}]}]));
    let changed = user.after(&json!([{"op": "add", "path": "emails", "value": {"value": "c"}}]));
    assert_eq!(
        changed["emails"],
        json!([{"value": "a"}, {"value": "b"}, {"value": "c"}])
    );
}

/// 7644-3.5.2.1-07, 7644-3.5.2.1-08
#[test]
fn adding_an_existing_value_changes_nothing() {
    let team = Team::with_members(1);
    let a = &team.users[0];
    let before = team.client.now(&team.path);
    team.after(
        &json!([{"op": "add", "path": "members", "value": [{"value": a}]}]),
        &[a],
    );
    assert_eq!(team.client.now(&team.path), before);
    let user = Subject::new(&json!({"emails": [{"value": "a", "type": "work"}]}));
    let before = user.client.now(&user.path);
    assert_eq!(
        user.after(&json!([{"op": "add", "path": "emails", "value": [{"type": "work", "value": "a"}]}])),
        before
    );
    assert_eq!(
        user.after(&json!([{"op": "add", "path": "userName", "value": before["userName"]}])),
        before
    );
}

/// 7644-3.5.2.1-10
#[test]
fn add_with_a_filter_creates_what_it_describes() {
    let user = Subject::new(&json!({"emails": [{"type": "home", "value": "h"}]}));
    let changed =
        user.after(&json!([{"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@b"}]));
    assert_eq!(
        changed["emails"],
        json!([{"type": "home", "value": "h"}, {"type": "work", "value": "a@b"}])
    );
    user.refuses(
        &json!([{"op": "add", "path": "emails[value sw \"zz\"].display", "value": "d"}]),
        "noTarget",
    );
    // A filter that matches creates nothing: the operation changes every match.
    let changed = user.after(&json!([{"op": "add", "path": "emails[value pr].display", "value": "d"}]));
    assert_eq!(
        changed["emails"],
        json!([{"type": "home", "value": "h", "display": "d"}, {"type": "work", "value": "a@b", "display": "d"}])
    );
}

/// 7644-3.5.2.2-02, 7644-3.5.2.2-03
#[test]
fn remove_unassigns() {
    let user = Subject::new(&json!({"title": "t"}));
    assert!(
        user.after(&json!([{"op": "remove", "path": "title"}]))
            .get("title")
            .is_none()
    );
    assert!(user.client.users("title pr").is_empty());
    let user = Subject::new(&json!({
        "active": false, "name": {"givenName": "g", "familyName": "f"}, "emails": [{"value": "a"}, {"value": "b"}],
        ENTERPRISE: {"division": "d", "department": "e", "manager": {"value": "m"}},
    }));
    for (path, filter) in [
        ("active".to_owned(), "active eq false".to_owned()),
        ("name.givenName".into(), "name.givenName pr".into()),
        ("name".into(), "name pr".into()),
        ("emails".into(), "emails pr".into()),
        (
            format!("{ENTERPRISE}:division"),
            format!("{ENTERPRISE}:division pr"),
        ),
        (
            format!("{ENTERPRISE}:manager"),
            format!("{ENTERPRISE}:manager pr"),
        ),
        (ENTERPRISE.into(), format!("schemas eq \"{ENTERPRISE}\"")),
    ] {
        assert_eq!(user.client.users(&filter).len(), 1, "{filter}");
        user.after(&json!([{"op": "remove", "path": path}]));
        assert!(user.client.users(&filter).is_empty(), "{filter}");
    }
    assert_eq!(
        keys(&user.client.now(&user.path)),
        ["id", "meta", "schemas", "userName"]
    );
    let team = Team::with_members(3);
    team.after(&json!([{"op": "remove", "path": "members"}]), &[]);
    assert!(team.client.found("/Groups", "members pr").is_empty());
}

/// 7644-3.5.2.2-04, 7644-3.5.2.2-07
#[test]
fn remove_deletes_the_matching_values() {
    let team = Team::with_members(2);
    let [a, b, c] = &team.users;
    team.after(
        &json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}]),
        &[b],
    );
    let version = team.version();
    // Removing a user who is not a member is neither an error nor a change.
    team.after(
        &json!([{"op": "remove", "path": format!("members[value eq \"{c}\"]")}]),
        &[b],
    );
    team.after(
        &json!([{"op": "remove", "path": "members[value eq \"nobody\"]"}]),
        &[b],
    );
    assert_eq!(team.version(), version);
    team.after(
        &json!([{"op": "remove", "path": format!("members[value eq \"{b}\"]")}]),
        &[],
    );
    let user =
        Subject::new(&json!({"emails": [{"type": "work", "value": "a"}, {"type": "home", "value": "b"}]}));
    let changed = user.after(&json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]));
    assert_eq!(changed["emails"], json!([{"type": "home", "value": "b"}]));
    assert!(
        user.after(&json!([{"op": "remove", "path": "emails[value eq \"b\"]"}]))
            .get("emails")
            .is_none()
    );
}

/// 7644-3.5.2.2-05
#[test]
fn remove_can_delete_a_sub_attribute_alone() {
    let user = Subject::new(
        &json!({"emails": [{"type": "work", "value": "a", "display": "d"}, {"type": "home", "display": "e", "value": "b"}, {"type": "work", "value": "c", "display": "f"}]}),
    );
    let changed = user.after(&json!([{"op": "remove", "path": "emails[type eq \"work\"].display"}]));
    assert_eq!(
        changed["emails"],
        json!([{"type": "work", "value": "a"}, {"type": "home", "display": "e", "value": "b"}, {"type": "work", "value": "c"}])
    );
    assert_eq!(user.client.users("emails.display pr").len(), 1);
    // Without a filter it leaves every value.
    let changed = user.after(&json!([{"op": "remove", "path": "emails.display"}]));
    assert_eq!(
        changed["emails"],
        json!([{"type": "work", "value": "a"}, {"type": "home", "value": "b"}, {"type": "work", "value": "c"}])
    );
    assert!(user.client.users("emails.display pr").is_empty());
}

/// 7644-3.5.2.2-06
#[test]
fn required_and_read_only_attributes_cannot_be_removed() {
    let user = Subject::new(&json!({}));
    for path in ["userName", "meta", "id", "meta.created", "groups"] {
        user.refuses(&json!([{"op": "remove", "path": path}]), "mutability");
    }
    let team = Team::with_members(0);
    team.client
        .patch(&team.path, &json!([{"op": "remove", "path": "displayName"}]))
        .expect_error(400, "mutability");
    // An empty value for a required attribute counts as a missing value (A-78).
    for value in [json!(""), json!(null), json!([])] {
        for op in ["add", "replace"] {
            let named = |path: &str| json!([{"op": op, "path": path, "value": value}]);
            user.refuses(&named("userName"), "invalidValue");
            user.refuses(&json!([{"op": op, "value": {"userName": value}}]), "invalidValue");
            team.client
                .patch(&team.path, &named("displayName"))
                .expect_error(400, "invalidValue");
        }
    }
    assert_eq!(team.client.now(&team.path)["displayName"], "g");
}

/// 7644-3.5.2.2-08
#[test]
fn the_space_before_a_quote_may_be_missing() {
    let team = Team::with_members(2);
    let [a, b, _] = &team.users;
    team.after(
        &json!([{"op": "remove", "path": format!("members[value eq\"{a}\"]")}]),
        &[b],
    );
}

/// 7644-3.5.2.3-01
#[test]
fn replace_without_a_path_takes_an_object() {
    let user = Subject::new(&json!({"title": "t", "emails": [{"value": "a"}]}));
    let changed = user.after(&json!([{"op": "replace", "value": {"active": false}}]));
    assert_eq!(
        (&changed["active"], &changed["title"]),
        (&json!(false), &json!("t"))
    );
    let changed =
        user.after(&json!([{"op": "replace", "value": {"emails": [{"value": "b"}], "nickName": "n"}}]));
    assert_eq!(changed["emails"], json!([{"value": "b"}]));
    // Okta sends the id with the new name of a group (A-13); Entra sends paths as keys (A-57).
    let team = Team::with_members(0);
    let id = team.path.trim_start_matches("/Groups/");
    team.client
        .patch(
            &team.path,
            &json!([{"op": "replace", "value": {"id": id, "displayName": "h"}}]),
        )
        .expect_success();
    assert_eq!(team.client.now(&team.path)["displayName"], "h");
    let changed = user.after(&json!([{"op": "replace", "value": {"name.givenName": "g", (format!("{ENTERPRISE}:department")): "d"}}]));
    assert_eq!(
        (&changed["name"], &changed[ENTERPRISE]),
        (&json!({"givenName": "g"}), &json!({"department": "d"}))
    );
}

/// 7644-3.5.2.3-02, 7644-3.5.2.3-04
#[test]
fn replace_sets_present_and_absent_attributes() {
    let user = Subject::new(&json!({"title": "t"}));
    assert_eq!(
        user.after(&json!([{"op": "replace", "path": "title", "value": "u"}]))["title"],
        "u"
    );
    assert_eq!(
        user.after(&json!([{"op": "replace", "path": "nickName", "value": "n"}]))["nickName"],
        "n"
    );
    let path = format!("{ENTERPRISE}:division");
    assert_eq!(
        user.after(&json!([{"op": "replace", "path": path, "value": "d"}]))[ENTERPRISE],
        json!({"division": "d"})
    );
    assert_eq!(
        user.after(&json!([{"op": "replace", "path": "emails", "value": [{"value": "a"}]}]))["emails"],
        json!([{"value": "a"}])
    );
}

/// 7644-3.5.2.3-03
#[test]
fn replace_replaces_all_values() {
    let team = Team::with_members(1);
    let [_, b, c] = &team.users;
    team.after(
        &json!([{"op": "replace", "path": "members", "value": [{"value": b}, {"value": c}]}]),
        &[b, c],
    );
    let user = Subject::new(&json!({"emails": [{"value": "a"}, {"value": "b"}]}));
    let changed = user.after(&json!([{"op": "replace", "path": "emails", "value": [{"value": "c"}]}]));
    assert_eq!(changed["emails"], json!([{"value": "c"}]));
}

/// 7644-3.5.2.3-05
#[test]
fn replace_leaves_unnamed_sub_attributes_alone() {
    let user = Subject::new(&json!({"name": {"givenName": "A", "familyName": "B"}}));
    let changed = user.after(&json!([{"op": "replace", "path": "name", "value": {"givenName": "C"}}]));
    assert_eq!(changed["name"], json!({"givenName": "C", "familyName": "B"}));
    let changed = user.after(&json!([{"op": "replace", "path": "name", "value": {"givenName": null}}]));
    assert_eq!(changed["name"], json!({"familyName": "B"}));
}

/// 7644-3.5.2.3-06, 7644-3.5.2.3-07
#[test]
fn replace_changes_every_match_and_only_those() {
    let addresses = json!([{"type": "work", "locality": "a"}, {"type": "home", "locality": "b"}, {"type": "work", "locality": "c"}]);
    let user = Subject::new(&json!({"addresses": addresses}));
    let changed = user
        .after(&json!([{"op": "replace", "path": "addresses[type eq \"work\"]", "value": {"region": "r"}}]));
    let expected = json!([{"type": "work", "locality": "a", "region": "r"}, {"type": "home", "locality": "b"}, {"type": "work", "locality": "c", "region": "r"}]);
    assert_eq!(changed["addresses"], expected);
    let changed =
        user.after(&json!([{"op": "replace", "path": "addresses[type eq \"work\"].locality", "value": "x"}]));
    let localities: Vec<&Value> = changed["addresses"]
        .as_array()
        .expect("addresses")
        .iter()
        .map(|it| &it["locality"])
        .collect();
    assert_eq!(localities, ["x", "b", "x"]);
}

/// 7644-3.5.2.1-05, 7644-3.5.2.2-04, 7644-3.5.2.3-03, 7644-3.5.2.3-06, 7644-3.5.2-08
#[test]
fn values_of_simple_attributes_are_selected_by_value() {
    let user = Subject::of(staff_tenant(), &json!({STAFF: {"tags": ["aa", "ab", "b"]}}));
    let tags = format!("{STAFF}:tags");
    for (operation, expected) in [
        (
            json!({"op": "replace", "path": format!("{tags}[value sw \"a\"]"), "value": "x"}),
            json!(["x", "x", "b"]),
        ),
        (
            json!({"op": "add", "path": tags, "value": "c"}),
            json!(["x", "x", "b", "c"]),
        ),
        (
            json!({"op": "remove", "path": format!("{tags}[value eq \"x\" or value eq \"c\"]")}),
            json!(["b"]),
        ),
        (
            json!({"op": "replace", "path": tags, "value": ["d", "e"]}),
            json!(["d", "e"]),
        ),
    ] {
        let changed = user.after(&json!([operation]));
        assert_eq!(changed[STAFF]["tags"], expected, "{operation}");
    }
    let emptied = user.after(&json!([{"op": "remove", "path": format!("{tags}[value pr]")}]));
    assert!(emptied.get(STAFF).is_none());
}

/// 7644-3.5.2.3-08
#[test]
fn replace_without_a_match_has_no_target() {
    let operation = json!([{"op": "replace", "path": "emails[type eq \"nosuch\"].value", "value": "x"}]);
    let user = Subject::of(
        strict_tenant(),
        &json!({"emails": [{"type": "work", "value": "a"}]}),
    );
    user.refuses(&operation, "noTarget");
    // By default the operation creates the value, because Entra relies on it (A-38).
    let user = Subject::new(&json!({"emails": [{"type": "work", "value": "a"}]}));
    let changed = user.after(&operation);
    assert_eq!(
        changed["emails"],
        json!([{"type": "work", "value": "a"}, {"type": "nosuch", "value": "x"}])
    );
    user.refuses(
        &json!([{"op": "replace", "path": "emails[value co \"zz\"].display", "value": "x"}]),
        "noTarget",
    );
}

/// 7644-3.5.2-20
#[test]
fn invalid_filters_in_paths_differ_from_invalid_paths() {
    let user = Subject::new(&json!({"emails": [{"type": "work"}]}));
    for path in [
        "emails[type xx \"w\"]",
        "emails[nosuch eq \"w\"]",
        "emails[primary gt true]",
        "emails[userName eq \"w\"].value",
    ] {
        user.refuses(&json!([{"op": "remove", "path": path}]), "invalidFilter");
        user.refuses(
            &json!([{"op": "replace", "path": path, "value": {"type": "x"}}]),
            "invalidFilter",
        );
    }
    for path in [
        "emails[",
        "emails[type eq \"w\"",
        "nosuch[type eq \"w\"]",
        "emails[type eq \"w\"].nosuch",
    ] {
        user.refuses(&json!([{"op": "remove", "path": path}]), "invalidPath");
    }
}

/// 7644-3.5.2-21
#[test]
fn an_unknown_resource_cannot_be_patched() {
    let client = tenant();
    let operations = json!([{"op": "add", "path": "title", "value": "t"}]);
    client
        .patch("/Users/0190b3a2-0000-7000-8000-000000000000", &operations)
        .expect_error(404, "");
    client.patch("/Users/nothing", &operations).expect_error(404, "");
    let (id, other_id) = (client.user("a"), client.user("b"));
    let group = client.group("g", &[&id]);
    for operations in [
        json!([{"op": "replace", "path": "displayName", "value": "h"}]),
        json!([{"op": "add", "path": "members", "value": [{"value": other_id}]}]),
        json!([{"op": "remove", "path": "members"}]),
    ] {
        for other in ["0190b3a2-0000-7000-8000-000000000000", "nothing", &id] {
            client
                .patch(&format!("/Groups/{other}"), &operations)
                .expect_error(404, "");
        }
    }
    client
        .patch(&format!("/Users/{group}"), &operations)
        .expect_error(404, "");
}

/// 5789-2.2-01
#[test]
fn other_kinds_of_patches_are_refused() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let json_patch = br#"[{"op":"add","path":"/title","value":"x"}]"#;
    let headers = [("Content-Type", "application/json-patch+json")];
    let answer = client
        .send("PATCH", &path, &headers, Some(json_patch))
        .expect_error(415, "");
    let accepted = answer.header("Accept-Patch").expect("Accept-Patch");
    assert!(
        accepted.contains("application/scim+json") && accepted.contains("application/json"),
        "{accepted}"
    );
    client
        .send("PATCH", &path, &[], Some(b"{"))
        .expect_error(400, "invalidSyntax");
}

/// 5789-2-01
#[test]
fn a_patch_is_never_seen_half_applied() {
    let client = tenant();
    let path = format!(
        "/Users/{}",
        client.user_with("a", &json!({"title": "0", "nickName": "0"}))
    );
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let user = client.now(&path);
                assert_eq!(user["title"], user["nickName"]);
                seen += 1;
            }
            seen
        });
        for round in 1..30 {
            let value = round.to_string();
            client.patch(&path, &json!([{"op": "replace", "path": "title", "value": value}, {"op": "replace", "path": "nickName", "value": value}])).expect(200);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reader.join().expect("no torn read") > 0);
    });
}
