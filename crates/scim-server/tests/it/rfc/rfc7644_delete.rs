//! RFC 7644 section 3.6: deleting resources.

use serde_json::json;

use super::client::*;
use super::tenants::tenant;

/// 7644-3.6-01, 7644-3.6-04
#[test]
fn what_is_deleted_is_gone() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let answer = client.delete(&path).expect(204);
    assert!(answer.bytes.is_empty() && answer.header("Content-Type").is_none());
    assert!(answer.header("Content-Length").is_none_or(|it| it == "0"));
    client.get(&path).expect_error(404, "");
    client.put(&path, &user("a")).expect_error(404, "");
    client
        .patch(&path, &json!([{"op": "add", "path": "title", "value": "t"}]))
        .expect_error(404, "");
    client.delete(&path).expect_error(404, "");
}

/// 7644-3.6-02
#[test]
fn what_is_deleted_is_found_nowhere() {
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

/// 7644-3.6-03
#[test]
fn what_is_deleted_is_in_nobodys_way() {
    let client = tenant();
    let id = client.user("a");
    client.delete(&format!("/Users/{id}")).expect(204);
    assert_ne!(client.user("a"), id);
}

/// 7644-3.6-05
#[test]
fn a_delete_may_have_a_condition() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let path = format!("/Users/{}", made.id());
    client
        .send("DELETE", &path, &[("If-Match", "W/\"999\"")], None)
        .expect_error(412, "");
    client.get(&path).expect(200);
    client
        .send("DELETE", &path, &[("If-Match", &made.etag())], None)
        .expect(204);
}
