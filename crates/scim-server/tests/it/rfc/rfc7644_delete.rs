//! RFC 7644 section 3.6: deleting resources.

use serde_json::json;

use super::client::*;
use super::tenants::tenant;

/// 7644-3.6-01, 7644-3.6-04, 9110-15.3.5-01
#[test]
fn a_deleted_resource_is_not_found() {
    let client = tenant();
    let member = client.user("m");
    let user_path = format!("/Users/{}", client.user("a"));
    let group_path = format!("/Groups/{}", client.group("g", &[&member]));
    let members = json!([{"op": "add", "path": "members", "value": [{"value": member}]}]);
    let name = json!([{"op": "replace", "path": "displayName", "value": "n"}]);
    for (path, body) in [(user_path, user("a")), (group_path, group("g", &[]))] {
        let answer = client.delete(&path).expect(204);
        assert!(answer.bytes.is_empty() && answer.header("Content-Type").is_none());
        assert!(answer.header("Content-Length").is_none_or(|it| it == "0"));
        client.get(&path).expect_error(404, "");
        client.send("HEAD", &path, &[], None).expect(404);
        client.put(&path, &body).expect_error(404, "");
        client.patch(&path, &name).expect_error(404, "");
        client.delete(&path).expect_error(404, "");
        if path.starts_with("/Groups") {
            client.patch(&path, &members).expect_error(404, "");
        }
    }
}

/// 7644-3.6-02
#[test]
fn a_deleted_resource_is_in_no_list_and_no_group() {
    let client = tenant();
    let id = client.user("a");
    let inner = client.group("inner", &[&id]);
    let outer = client.group("outer", &[&inner, &id]);
    client.delete(&format!("/Users/{id}")).expect(204);
    client.delete(&format!("/Groups/{inner}")).expect(204);
    assert!(client.users(&format!(r#"id eq "{id}""#)).is_empty());
    assert_eq!(client.get("/Users").expect(200).body["totalResults"], 0);
    let search = client
        .post("/.search", &json!({"schemas": [SEARCH_REQUEST]}))
        .expect(200);
    assert_eq!(search.names(), ["outer"]);
    assert_eq!(client.now(&format!("/Groups/{outer}"))["members"], json!([]));
    assert!(
        client
            .found("/Groups", &format!(r#"members.value eq "{id}""#))
            .is_empty()
    );
}

/// 7644-3.6-02
#[test]
fn a_deleted_group_is_not_shown_by_its_members() {
    let client = tenant();
    let id = client.user("a");
    let group = client.group("g", &[&id]);
    assert_eq!(client.users("groups pr"), ["a"]);
    client.delete(&format!("/Groups/{group}")).expect(204);
    assert!(client.now(&format!("/Users/{id}")).get("groups").is_none());
    assert!(client.users("groups pr").is_empty());
    assert!(client.users(&format!(r#"groups.value eq "{group}""#)).is_empty());
    assert!(client.found("/Groups", r#"displayName eq "g""#).is_empty());
    let page = client.get("/Groups?cursor").expect(200);
    assert_eq!(
        (page.resources().len(), &page.body["totalResults"]),
        (0, &json!(0))
    );
}

/// 7644-3.6-03
#[test]
fn the_name_of_a_deleted_resource_is_free() {
    let client = tenant();
    let id = client.user("a");
    client.delete(&format!("/Users/{id}")).expect(204);
    assert_ne!(client.user("a"), id);
    let id = client.group("g", &[]);
    client.delete(&format!("/Groups/{id}")).expect(204);
    assert_ne!(client.group("g", &[]), id);
    // The name is also free for a PUT or PATCH of another user.
    let gone = client.user("b");
    client.delete(&format!("/Users/{gone}")).expect(204);
    let path = format!("/Users/{}", client.user("c"));
    client.put(&path, &user("b")).expect(200);
    client.delete(&path).expect(204);
    let operation = json!([{"op": "replace", "path": "userName", "value": "b"}]);
    client
        .patch(&format!("/Users/{}", client.user("d")), &operation)
        .expect(200);
}

/// 7644-3.6-05
#[test]
fn a_delete_can_be_conditional() {
    let client = tenant();
    for (endpoint, body) in [("/Users", user("a")), ("/Groups", group("g", &[]))] {
        let made = client.create(endpoint, &body);
        let path = format!("{endpoint}/{}", made.id());
        client
            .send("DELETE", &path, &[("If-Match", "W/\"999\"")], None)
            .expect_error(412, "");
        client.get(&path).expect(200);
        client
            .send("DELETE", &path, &[("If-Match", &made.etag())], None)
            .expect(204);
        client.get(&path).expect_error(404, "");
    }
}
