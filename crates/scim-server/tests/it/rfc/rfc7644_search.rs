//! RFC 7644 section 3.4.3: queries by POST.

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{strict_tenant, tenant};

fn some_users() -> Client {
    let client = tenant();
    for (name, title) in [("c", "1"), ("a", "2"), ("b", "2")] {
        client.user_with(name, &json!({"title": title}));
    }
    client
}

fn search(client: &Client, parameters: &Value) -> Answer {
    let mut body = parameters.clone();
    body["schemas"] = json!([SEARCH_REQUEST]);
    client.post("/Users/.search", &body)
}

/// 7644-3.4.3-01
#[test]
fn every_list_can_be_searched_with_post() {
    let client = some_users();
    client.group("g", &[]);
    for (path, total) in [("/.search", 4), ("/Users/.search", 3), ("/Groups/.search", 1)] {
        let answer = client
            .post(path, &json!({"schemas": [SEARCH_REQUEST]}))
            .expect(200);
        assert_eq!(answer.body["schemas"], json!([LIST_RESPONSE]));
        assert_eq!(answer.body["totalResults"], total, "{path}");
        let get = client.get(path);
        assert!(matches!(get.status, 404 | 405), "{path}: {}", get.status);
    }
    client
        .post("/Nothing/.search", &json!({"schemas": [SEARCH_REQUEST]}))
        .expect_error(404, "");
}

/// 7644-3.1-04, 7644-8.2-01
#[test]
fn messages_have_their_registered_urns() {
    let client = some_users();
    let id = client.get("/Users").expect(200).resources()[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/Users/{id}");
    let message = |name: &str| format!("urn:ietf:params:scim:api:messages:2.0:{name}");
    let search = |urn: &str| client.post("/Users/.search", &json!({"schemas": [urn]}));
    let patch = |urn: &str| {
        let body = json!({"schemas": [urn], "Operations": [{"op": "add", "path": "title", "value": "t"}]});
        client.send("PATCH", &path, &[], Some(body.to_string().as_bytes()))
    };
    search(&message("SearchRequest")).expect(200);
    patch(&message("PatchOp")).expect(200);
    // By default a PATCH may name another URN, because clients do (A-01).
    patch(&message("PatchOperation")).expect(200);
    let strict = strict_tenant();
    let path = format!("/Users/{}", strict.user("messages"));
    let strictly = |urn: &str| {
        let body = json!({"schemas": [urn], "Operations": [{"op": "add", "path": "title", "value": "t"}]});
        strict.send("PATCH", &path, &[], Some(body.to_string().as_bytes()))
    };
    strictly(&message("PatchOp")).expect(200);
    for wrong in [
        USER.to_owned(),
        message("ListResponse"),
        message("BulkRequest"),
        message("SearchRequests"),
        message("PatchOperation"),
        "SearchRequest".into(),
        "PatchOp".into(),
        "urn:ietf:params:scim:api:messages:1.0:SearchRequest".into(),
        "urn:ietf:params:scim:api:messages:1.0:PatchOp".into(),
        "urn:ietf:params:scim:schemas:core:2.0:PatchOp".into(),
    ] {
        search(&wrong).expect_error(400, "invalidSyntax");
        strictly(&wrong).expect_error(400, "invalidSyntax");
    }
    search(&message("PatchOp")).expect_error(400, "invalidSyntax");
    strictly(&message("SearchRequest")).expect_error(400, "invalidSyntax");
    let root = json!({"schemas": [SEARCH_REQUEST]});
    for (name, answer) in [
        ("ListResponse", client.get("/Users")),
        ("ListResponse", client.get("/Groups?cursor")),
        ("ListResponse", client.post("/.search", &root)),
        ("ListResponse", client.get("/Schemas")),
        ("ListResponse", client.get("/ResourceTypes")),
        ("Error", client.get("/Users/nothing")),
        ("Error", client.get("/Users?filter=x")),
        ("Error", client.anonymous().get("/Users")),
        ("Error", client.post("/Users", &user("a"))),
    ] {
        assert_eq!(answer.body["schemas"], json!([message(name)]), "{}", answer.body);
    }
}

/// 7644-3.4.3-02
#[test]
fn the_body_is_a_search_request() {
    let client = some_users();
    let strict = strict_tenant();
    for body in [
        json!({"schemas": [USER]}),
        json!({"schemas": [PATCH_OP]}),
        json!([]),
        json!({"schemas": SEARCH_REQUEST}),
    ] {
        for client in [&client, &strict] {
            client
                .post("/Users/.search", &body)
                .expect_error(400, "invalidSyntax");
        }
    }
    for body in [json!({}), json!({"schemas": []}), json!({"schemas": null})] {
        strict
            .post("/Users/.search", &body)
            .expect_error(400, "invalidSyntax");
        // Clients leave `schemas` out or empty (A-01).
        assert_eq!(
            client.post("/Users/.search", &body).expect(200).resources().len(),
            3
        );
    }
    // Only parameters in the body count; those in the URL are ignored.
    let answer = client
        .post(
            "/Users/.search?count=1&filter=x",
            &json!({"schemas": [SEARCH_REQUEST]}),
        )
        .expect(200);
    assert_eq!(answer.resources().len(), 3);
}

/// 7644-3.4.3-03
#[test]
fn attribute_names_must_be_an_array() {
    let client = some_users();
    let answer = search(&client, &json!({"attributes": ["title", "userName"]})).expect(200);
    assert_eq!(
        keys(&answer.resources()[0]),
        ["id", "schemas", "title", "userName"]
    );
    let answer = search(&client, &json!({"excludedAttributes": ["title", "meta"]})).expect(200);
    assert_eq!(keys(&answer.resources()[0]), ["id", "schemas", "userName"]);
    let in_text = json!({"attributes": "title,userName"});
    search(&strict_tenant(), &in_text).expect_error(400, "invalidSyntax");
    // Clients built with SCIM-SDK send one string (A-32).
    let answer = search(&client, &in_text).expect(200);
    assert_eq!(
        keys(&answer.resources()[0]),
        ["id", "schemas", "title", "userName"]
    );
    let answer = search(&client, &json!({"excludedAttributes": "title, meta"})).expect(200);
    assert_eq!(keys(&answer.resources()[0]), ["id", "schemas", "userName"]);
    search(&client, &json!({"attributes": 5})).expect_error(400, "invalidSyntax");
    search(
        &client,
        &json!({"attributes": ["title"], "excludedAttributes": ["userName"]}),
    )
    .expect_error(400, "invalidValue");
}

/// 7644-3.4.3-04
#[test]
fn filters_in_a_search_are_checked() {
    let client = some_users();
    assert_eq!(
        search(&client, &json!({"filter": r#"title eq "1""#}))
            .expect(200)
            .names(),
        ["c"]
    );
    for filter in ["x", "", r#"nosuch eq "a""#] {
        search(&client, &json!({"filter": filter})).expect_error(400, "invalidFilter");
    }
}

/// 7644-3.4.3-05
#[test]
fn sorting_and_paging_work_as_in_a_url() {
    let client = some_users();
    let answer = search(
        &client,
        &json!({"sortBy": "userName", "sortOrder": "descending", "startIndex": 2, "count": 1}),
    )
    .expect(200);
    assert_eq!(answer.names(), ["b"]);
    assert_eq!(
        (
            &answer.body["startIndex"],
            &answer.body["itemsPerPage"],
            &answer.body["totalResults"]
        ),
        (&json!(2), &json!(1), &json!(3))
    );
    assert!(
        search(&client, &json!({"count": 0}))
            .expect(200)
            .resources()
            .is_empty()
    );
    assert_eq!(
        search(&client, &json!({"startIndex": -3})).expect(200).body["startIndex"],
        1
    );
    for parameters in [
        json!({"count": "10"}),
        json!({"startIndex": "1"}),
        json!({"count": 1.5}),
    ] {
        let answer = search(&client, &parameters).expect(400);
        assert!(
            matches!(
                answer.body["scimType"].as_str(),
                Some("invalidValue" | "invalidSyntax")
            ),
            "{}",
            answer.body
        );
    }
    search(&client, &json!({"sortBy": "nosuch"})).expect_error(400, "invalidValue");
    search(&client, &json!({"sortBy": "title", "sortOrder": "x"})).expect_error(400, "invalidValue");
}

/// 7644-3.4.3-06, 7644-7.5.2-02
#[test]
fn a_search_returns_the_same_as_a_get() {
    let client = some_users();
    for (in_url, in_body) in [
        (String::new(), json!({})),
        (
            query(&[
                ("filter", r#"title eq "2""#),
                ("sortBy", "userName"),
                ("count", "1"),
            ]),
            json!({"filter": r#"title eq "2""#, "sortBy": "userName", "count": 1}),
        ),
        (
            query(&[("attributes", "title"), ("startIndex", "2")]),
            json!({"attributes": ["title"], "startIndex": 2}),
        ),
        (
            query(&[("excludedAttributes", "meta.created")]),
            json!({"excludedAttributes": ["meta.created"]}),
        ),
    ] {
        assert_eq!(
            search(&client, &in_body).expect(200).body,
            client.get(&format!("/Users{in_url}")).expect(200).body
        );
    }
}

/// 7644-3.12-16, 7644-7.5.2-01
#[test]
fn personal_data_in_a_url_is_accepted() {
    // All identity providers look users up in this way (A-45). The same filter can be sent in a body.
    let client = tenant();
    client.user_with("a@example.com", &json!({"emails": [{"value": "a@example.com"}]}));
    for filter in [
        r#"userName eq "a@example.com""#,
        r#"emails.value eq "a@example.com""#,
    ] {
        assert_eq!(client.users(filter), ["a@example.com"], "{filter}");
        assert_eq!(
            search(&client, &json!({"filter": filter})).expect(200).names(),
            ["a@example.com"]
        );
    }
}

/// 7644-3.4.3-07
#[test]
fn found_resources_name_their_schemas() {
    let client = some_users();
    for resource in search(&client, &json!({"attributes": ["userName"]}))
        .expect(200)
        .resources()
    {
        assert_eq!(resource["schemas"], json!([USER]));
    }
}

/// 9865-3-01
#[test]
fn cursors_work_in_a_search() {
    let client = some_users();
    let first = search(&client, &json!({"cursor": "", "count": 2, "sortBy": "userName"})).expect(200);
    assert_eq!(first.names(), ["a", "b"]);
    let next = first.body["nextCursor"].clone();
    let last = search(
        &client,
        &json!({"cursor": next, "count": 2, "sortBy": "userName"}),
    )
    .expect(200);
    assert_eq!(last.names(), ["c"]);
    assert!(last.body.get("nextCursor").is_none());
}

/// 7644-3.4.3-06, 7644-3.4.2.4-02, 7644-3.4.2.4-04, 9865-3-01: a body accepts and
/// refuses the same parameters as a URL, with the same response
#[test]
fn a_search_refuses_what_a_get_refuses() {
    let client = some_users();
    let number = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |it| json!(it));
    for (parameters, status) in [
        (vec![("startIndex", "0")], 200),
        (vec![("startIndex", "-7"), ("count", "2")], 200),
        (vec![("startIndex", "3"), ("count", "2")], 200),
        (vec![("startIndex", "99")], 200),
        (vec![("count", "0")], 200),
        (vec![("count", "-1")], 200),
        (vec![("count", "1000000000")], 200),
        (vec![("count", "9223372036854775807")], 200),
        (vec![("sortOrder", "descending")], 200),
        (vec![("sortBy", "userName"), ("sortOrder", "DESCENDING")], 200),
        (vec![("sortBy", "Title")], 200),
        (vec![("sortBy", "meta.created"), ("count", "1")], 200),
        (vec![("filter", "title eq \"2\""), ("sortBy", "userName")], 200),
        (vec![("filter", "not (title pr)")], 200),
        (vec![("attributes", "userName")], 200),
        (vec![("excludedAttributes", "title")], 200),
        (vec![("sortBy", "nosuch")], 400),
        (vec![("sortBy", "name")], 400),
        (vec![("sortBy", "password")], 400),
        (vec![("sortBy", "emails[")], 400),
        (vec![("sortBy", "title"), ("sortOrder", "up")], 400),
        (vec![("startIndex", "x")], 400),
        (vec![("count", "x")], 400),
        (vec![("cursor", ""), ("count", "x")], 400),
        (vec![("cursor", ""), ("startIndex", "1")], 400),
        (vec![("cursor", "forged")], 400),
        (vec![("filter", "")], 400),
        (vec![("filter", "title eq")], 400),
        (vec![("filter", "nosuch eq \"x\"")], 400),
        (vec![("filter", "password eq \"x\"")], 400),
        (
            vec![("attributes", "title"), ("excludedAttributes", "userName")],
            400,
        ),
    ] {
        let mut body = json!({});
        for (name, value) in &parameters {
            body[*name] = match *name {
                "startIndex" | "count" => number(value),
                "attributes" | "excludedAttributes" => json!([value]),
                _ => json!(value),
            };
        }
        let get = client.get(&format!("/Users{}", query(&parameters)));
        let post = search(&client, &body);
        assert_eq!(get.status, status, "{parameters:?}: {}", get.body);
        assert_eq!(post.status, status, "{parameters:?}: {}", post.body);
        assert_eq!(get.body, post.body, "{parameters:?}");
    }
}

/// 7644-3.4.2.1-01, 7644-3.4.2.3-02: all types share one order and one
/// sequence of pages
#[test]
fn a_search_over_all_types_is_one_list() {
    let client = tenant();
    for name in ["d", "a"] {
        client.user_with(&format!("user-{name}"), &json!({"displayName": name}));
    }
    for name in ["c", "b"] {
        client.group(name, &[]);
    }
    let all = |parameters: Value| {
        let mut body = parameters;
        body["schemas"] = json!([SEARCH_REQUEST]);
        client.post("/.search", &body).expect(200)
    };
    let names = |page: &Answer| -> Vec<String> {
        let names = page
            .resources()
            .iter()
            .map(|it| it["displayName"].as_str().map(str::to_owned));
        names.map(|it| it.expect("all have one")).collect()
    };
    assert_eq!(
        names(&all(json!({"sortBy": "displayName"}))),
        ["a", "b", "c", "d"]
    );
    let page = all(json!({"sortBy": "displayName", "sortOrder": "descending", "startIndex": 2, "count": 2}));
    assert_eq!(names(&page), ["c", "b"]);
    assert_eq!(page.body["totalResults"], 4);
    let first = all(json!({"sortBy": "displayName", "cursor": "", "count": 3}));
    assert_eq!(names(&first), ["a", "b", "c"]);
    let next = first.body["nextCursor"].clone();
    let last = all(json!({"sortBy": "displayName", "cursor": next, "count": 3}));
    assert_eq!(names(&last), ["d"]);
    assert!(last.body.get("nextCursor").is_none());
}
