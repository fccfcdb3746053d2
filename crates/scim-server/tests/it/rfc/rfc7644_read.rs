//! RFC 7644 sections 3.4, 3.4.1, 3.8 and 3.13: reading one resource, media types and versions.

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{staff_tenant, tenant, two_tenants};

/// 7644-3.4-01
#[test]
fn by_default_no_secret_is_returned() {
    let client = tenant();
    let path = format!(
        "/Users/{}",
        client.user_with("a", &json!({"password": "p4ssw0rd", "title": "t"}))
    );
    let read = client.now(&path);
    assert_eq!(keys(&read), ["id", "meta", "schemas", "title", "userName"]);
}

/// 7644-3.4-01
#[test]
fn attributes_returned_on_request_need_a_request() {
    let client = staff_tenant();
    let staff = json!({"plain": "p", "notes": "n", "desk": {"building": "b", "key": "k"}});
    let id = client.user_with("a", &json!({STAFF: staff}));
    let search = |attributes: Value| {
        let mut body = json!({"schemas": [SEARCH_REQUEST], "filter": format!("id eq \"{id}\"")});
        if !attributes.is_null() {
            body["attributes"] = attributes;
        }
        let answer = client.post("/Users/.search", &body).expect(200);
        answer.resources()[0][STAFF].clone()
    };
    let path = format!("/Users/{id}");
    let unasked = json!({"plain": "p", "desk": {"building": "b"}});
    assert_eq!(client.now(&path)[STAFF], unasked);
    assert_eq!(search(Value::Null), unasked);
    let names = [format!("{STAFF}:notes"), format!("{STAFF}:desk.key")];
    let asked = json!({"notes": "n", "desk": {"key": "k"}});
    let query = format!("?attributes={}", names.join(","));
    assert_eq!(client.now(&format!("{path}{query}"))[STAFF], asked);
    assert_eq!(search(json!(names)), asked);
}

/// 7644-3.4.1-01, 9110-8.8.3.1-01, 7644-3.8-04
#[test]
fn a_resource_is_found_by_its_id() {
    let client = tenant();
    let (user, group) = (client.user("a"), client.group("g", &[]));
    for (endpoint, id) in [("/Users", user), ("/Groups", group)] {
        for headers in [vec![], vec![("Accept", "*/*")]] {
            let path = format!("{endpoint}/{id}");
            let read = client.send("GET", &path, &headers, None).expect(200);
            assert_eq!(read.body["id"], id);
            assert!(is_scim_json(&read), "{endpoint}: {:?}", read.headers);
            assert!(!read.etag().is_empty());
            let location = format!("{}{path}", client.base_url);
            assert_eq!(read.header("Content-Location"), Some(location.as_str()));
            assert_eq!(read.body["meta"]["location"], location);
            let list = client.send("GET", endpoint, &headers, None).expect(200);
            assert!(is_scim_json(&list), "{endpoint}: {:?}", list.headers);
        }
    }
}

fn is_scim_json(answer: &Answer) -> bool {
    answer.header("Content-Type").is_some_and(|it| {
        matches!(
            it,
            "application/scim+json" | "application/scim+json; charset=utf-8"
        )
    })
}

/// 7644-3.1-01, 7644-3.1-02, 9110-8.3-01
#[test]
fn every_body_is_scim_json_and_names_its_schemas() {
    let client = tenant();
    let extended = user_with("a", &json!({ENTERPRISE: {"department": "d"}}));
    let user_made = client.create("/Users", &extended);
    let group_made = client.create("/Groups", &group("g", &[&user_made.id()]));
    let user_path = format!("/Users/{}", user_made.id());
    let group_path = format!("/Groups/{}", group_made.id());
    let operation = json!([{"op": "replace", "path": "displayName", "value": "h"}]);
    let search = json!({"schemas": [SEARCH_REQUEST]});
    let core = |name: &str| format!("urn:ietf:params:scim:schemas:core:2.0:{name}");
    let (user_schemas, group_schemas) = (json!([USER, ENTERPRISE]), json!([GROUP]));
    for (answer, schemas) in [
        (client.get(&user_path), &user_schemas),
        (
            client.get(&format!("{user_path}?attributes=userName")),
            &user_schemas,
        ),
        (client.put(&user_path, &extended), &user_schemas),
        (client.patch(&user_path, &operation), &user_schemas),
        (client.get(&group_path), &group_schemas),
        (client.put(&group_path, &group("g", &[])), &group_schemas),
        (
            client.patch(&format!("{group_path}?attributes=displayName"), &operation),
            &group_schemas,
        ),
        (client.get("/Users"), &json!([LIST_RESPONSE])),
        (
            client.get("/Groups?excludedAttributes=schemas"),
            &json!([LIST_RESPONSE]),
        ),
        (client.post("/.search", &search), &json!([LIST_RESPONSE])),
        (
            client.get("/ServiceProviderConfig"),
            &json!([core("ServiceProviderConfig")]),
        ),
        (client.get("/ResourceTypes"), &json!([LIST_RESPONSE])),
        (client.get("/ResourceTypes/User"), &json!([core("ResourceType")])),
        (client.get("/Schemas"), &json!([LIST_RESPONSE])),
        (client.get(&format!("/Schemas/{USER}")), &json!([core("Schema")])),
        (user_made, &user_schemas),
        (group_made, &group_schemas),
    ] {
        assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
        assert!(is_scim_json(&answer), "{:?}", answer.headers);
        assert_eq!(&answer.body["schemas"], schemas, "{}", answer.body);
        for listed in answer.body["Resources"].as_array().into_iter().flatten() {
            assert!(
                listed["schemas"].as_array().is_some_and(|it| !it.is_empty()),
                "{listed}"
            );
        }
    }
    let refused = client.get("/Users/nothing").expect(404);
    assert!(is_scim_json(&refused), "{:?}", refused.headers);
    assert_eq!(refused.body["schemas"], json!([ERROR]));
}

/// 7644-3.4.1-02, 7644-3.4.1-03
#[test]
fn only_the_id_names_a_resource() {
    let (client, other) = two_tenants();
    let id = client.user_with("a", &json!({"externalId": "x"}));
    let group = client.group("g", &[]);
    let unknown = client
        .get("/Users/0190b3a2-0000-7000-8000-000000000000")
        .expect_error(404, "");
    for path in [
        "/Users/a",
        "/Users/x",
        "/Users/not-a-uuid",
        "/Users/%00",
        "/Users/%2e%2e",
        "/Users/99999999999999999999999",
    ] {
        client.get(path).expect_error(404, "");
    }
    client.get("/Groups/g").expect_error(404, "");
    client.get(&format!("/Users/{group}")).expect_error(404, "");
    client.get(&format!("/Groups/{id}")).expect_error(404, "");
    // A resource of another tenant gives the same error as an unknown id.
    let foreign = other.get(&format!("/Users/{id}")).expect_error(404, "");
    assert_eq!(foreign.body, unknown.body);
}

/// 7644-3.8-03, 7644-8.1-01, 9110-15.5.7-01
#[test]
fn responses_are_scim_json_unless_excluded() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for accept in [
        "application/scim+json",
        "application/json",
        "application/scim+json, application/json;q=0.5",
        "application/*",
        "text/html",
    ] {
        let answer = client.send("GET", &path, &[("Accept", accept)], None).expect(200);
        assert!(
            answer
                .header("Content-Type")
                .is_some_and(|it| it.starts_with("application/scim+json")),
            "{accept}"
        );
    }
    client
        .send("GET", &path, &[("Accept", "application/scim+json;q=0")], None)
        .expect_error(406, "");
}

/// 7644-3.8-02, 7644-3.8-05, 7644-8.1-01, 9110-15.5.16-01
#[test]
fn requests_are_json() {
    let client = tenant();
    for (index, media_type) in [
        "application/scim+json",
        "application/json",
        "application/scim+json; charset=utf-8",
        "APPLICATION/JSON",
    ]
    .iter()
    .enumerate()
    {
        let body = user(&format!("u{index}")).to_string();
        client
            .send(
                "POST",
                "/Users",
                &[("Content-Type", media_type)],
                Some(body.as_bytes()),
            )
            .expect(201);
    }
    // A body without a media type is read as SCIM.
    let body = user("none").to_string();
    let head = format!(
        "POST {}/Users HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        client.base_path,
        client.address,
        client.token.as_deref().expect("a token"),
        body.len()
    );
    client.exchange("POST", head.as_bytes()).expect(201);
    for media_type in [
        "text/plain",
        "text/xml",
        "application/x-www-form-urlencoded",
        "application/json-patch+json",
    ] {
        let answer = client.send(
            "POST",
            "/Users",
            &[("Content-Type", media_type)],
            Some(user("x").to_string().as_bytes()),
        );
        let answer = answer.expect_error(415, "");
        let hint = answer
            .header("Accept")
            .or(answer.header("Accept-Post"))
            .unwrap_or_default();
        assert!(
            hint.contains("application/scim+json"),
            "{media_type}: {:?}",
            answer.headers
        );
    }
    client
        .get(&format!("/Users/{}.scim", client.user("suffix")))
        .expect_error(404, "");
}

/// 7644-1.2-01
#[test]
fn queries_are_percent_encoded_once() {
    let client = tenant();
    client.user("a+b");
    client.user("R&D %41 ü");
    let found = |query: &str| client.get(&format!("/Users?filter={query}")).expect(200).names();
    assert_eq!(found("userName%20eq%20%22a%2Bb%22"), ["a+b"]);
    assert_eq!(found("userName+eq+%22a%2Bb%22&"), ["a+b"]);
    assert_eq!(found("userName+eq+%22R%26D+%2541+%C3%BC%22"), ["R&D %41 ü"]);
    assert!(found("userName+eq+%22a+b%22").is_empty());
    client
        .get("/Users?filter=userName+eq+%22%ff%22")
        .expect_error(400, "invalidFilter");
}

/// 7644-1.2-01
#[test]
fn paths_are_percent_encoded_once() {
    let client = tenant();
    let id = client.user("a");
    let encoded: String = id.bytes().map(|it| format!("%{it:02x}")).collect();
    assert_eq!(client.now(&format!("/Users/{encoded}"))["userName"], "a");
    let twice = encoded.replace('%', "%25");
    client.get(&format!("/Users/{twice}")).expect_error(404, "");
    for query in ["sortBy=user%4Eame&attributes=user%4eame", "%73ortBy=userName"] {
        client.get(&format!("/Users?{query}")).expect(200);
    }
    let projected = client.now(&format!("/Users/{id}?attributes=user%4eame%2Ctitle"));
    assert_eq!(keys(&projected), ["id", "schemas", "userName"]);
}

/// 7644-3.12-06
#[test]
fn a_trailing_slash_causes_no_redirect() {
    let client = tenant();
    let id = client.user("a");
    assert_eq!(client.get("/Users/").expect(200).names(), ["a"]);
    assert_eq!(client.now(&format!("/Users/{id}/"))["userName"], "a");
    client.create("/Users/", &user("b"));
    client
        .post("/Users/.search/", &json!({"schemas": [SEARCH_REQUEST]}))
        .expect(200);
    for path in [
        "/Groups/",
        "/Schemas/",
        "/ResourceTypes/User/",
        "/ServiceProviderConfig/",
    ] {
        client.get(path).expect(200);
    }
    for path in ["", "/", "//Users", "/users", "/Users/x/", "/Users/?count=1"] {
        let answer = client.get(path);
        assert!(!(300..400).contains(&answer.status), "{path}: {}", answer.status);
        assert!(answer.header("Location").is_none(), "{path}");
    }
}

/// 7644-1.3-02, 7644-3.13-01, 7644-3.13-02, 7644-3.13-03, 7644-3.12-17, 7644-3.13-04
#[test]
fn the_version_stands_before_the_endpoint() {
    let client = tenant();
    client.user("a");
    assert_eq!(client.base_path, "/scim/v2");
    client.send_to("GET", "/scim/v2/Users", &[], None).expect(200);
    let search = json!({"schemas": [SEARCH_REQUEST]}).to_string();
    client
        .send_to("POST", "/scim/v2/.search", &[], Some(search.as_bytes()))
        .expect(200);
    for path in [
        "/scim/v1/Users",
        "/scim/v3/Users",
        "/scim/v3/Users/x",
        "/scim/v11/ServiceProviderConfig",
    ] {
        client
            .send_to("GET", path, &[], None)
            .expect_error(400, "invalidVers");
    }
    // Elsewhere in the path it is not a version.
    for path in [
        "/v2/scim/Users",
        "/scim/Users/v2",
        "/scim/v2/v2/Users",
        "/scim/2/Users",
    ] {
        client.send_to("GET", path, &[], None).expect_error(404, "");
    }
    // Without a version the latest one is used.
    assert_eq!(
        client
            .send_to("GET", "/scim/Users", &[], None)
            .expect(200)
            .names(),
        ["a"]
    );
}

/// Returns all URIs in the body and the headers of a response.
fn uris(answer: &Answer) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.starts_with("http://") || text.starts_with("https://") => {
                found.push(text.clone());
            }
            Value::Array(values) => values.iter().for_each(|it| collect(it, found)),
            Value::Object(object) => object.values().for_each(|it| collect(it, found)),
            _ => {}
        }
    }
    let mut found: Vec<String> = ["Location", "Content-Location"]
        .iter()
        .filter_map(|name| answer.header(name).map(str::to_owned))
        .collect();
    collect(&answer.body, &mut found);
    found
}

/// 7644-7.1-01
#[test]
fn no_published_uri_has_userinfo() {
    let client = tenant();
    let boss = client.user("boss");
    let manager = json!({ENTERPRISE: {"manager": {"value": boss}}});
    let made = client.create("/Users", &user_with("a", &manager));
    let group_made = client.create("/Groups", &group("g", &[&made.id()]));
    let (user_path, group_path) = (
        format!("/Users/{}", made.id()),
        format!("/Groups/{}", group_made.id()),
    );
    let operation = json!([{"op": "add", "path": "displayName", "value": "h"}]);
    // Each case names the least number of URIs: those of the resource and of its references.
    for (answer, least) in [
        (client.get(&user_path), 4),
        (client.put(&user_path, &user_with("a", &manager)), 4),
        (client.patch(&user_path, &operation), 4),
        (client.get(&group_path), 3),
        (client.get("/Users"), 4),
        (client.get("/Groups"), 2),
        (client.get("/ServiceProviderConfig"), 1),
        (client.get("/ResourceTypes"), 2),
        (client.get("/Schemas"), 6),
        (made, 3),
        (group_made, 3),
    ] {
        let uris = uris(&answer);
        assert!(uris.len() >= least, "{least}: {uris:?}");
        for uri in uris {
            let (_, rest) = uri.split_once("://").expect("an absolute URI");
            let authority = rest.split('/').next().unwrap_or_default();
            assert!(!authority.is_empty() && !authority.contains('@'), "{uri}");
        }
    }
}

/// 7644-7.1-01
#[test]
fn published_uris_come_from_the_configuration() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let location = made.body["meta"]["location"].as_str().expect("a URI");
    assert!(location.starts_with(&client.base_url), "{location}");
    let path = format!("/scim/v2/Users/{}", made.id());
    for header in [
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example"),
        ("X-Original-URL", "/evil"),
    ] {
        let read = client.send_to("GET", &path, &[header], None).expect(200);
        assert_eq!(read.body["meta"]["location"], location);
    }
    let host = format!(
        "GET {path} HTTP/1.1\r\nHost: user:pw@evil.example\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        client.token.as_deref().expect("a token")
    );
    let read = client.exchange("GET", host.as_bytes());
    assert!(
        read.status == 400 || read.body["meta"]["location"] == location,
        "{} {}",
        read.status,
        read.body
    );
}

/// 9967-2.5.1.1-01
#[test]
fn preferences_are_ignored() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for wish in ["respond-async", "return=minimal"] {
        let body = user("a").to_string();
        let answer = client
            .send("PUT", &path, &[("Prefer", wish)], Some(body.as_bytes()))
            .expect(200);
        assert_eq!(answer.body["userName"], "a");
        assert!(answer.header("Preference-Applied").is_none() && answer.header("Set-Txn").is_none());
    }
}

/// 7644-7.4-04
#[test]
fn no_cookies_are_set() {
    let client = tenant();
    for answer in [
        client.create("/Users", &user("a")),
        client.get("/Users"),
        client.get("/ServiceProviderConfig"),
        client.anonymous().get("/Users"),
    ] {
        assert!(answer.header("Set-Cookie").is_none());
    }
}
