//! Paths: their spellings, and the path prefix that an operator chooses.

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{Choice, HttpClient, Server, USER, encode};
use crate::metrics::scrape;
use crate::restart::Binary;

/// 7644-3.2-04, 7644-3.13-02, A-47, RFC 3986 section 2.1: segments are decoded once, and one slash at the end is ignored
#[test]
fn a_path_can_be_spelled_in_several_ways() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let encoded = user.id.replacen('-', "%2D", 1);
    let user_urn = encode(USER);
    for path in [
        &*user.path,
        &format!("{}/", user.path),
        &format!("/Users/{encoded}"),
        &format!("/Users/{encoded}/?attributes=userName"),
        &format!("/%55sers/{}", user.id),
        &format!("//scim/Users/{}", user.id),
        &format!("//scim/%762/Users/{}/", user.id),
        "/Users/?count=1",
        "/ResourceTypes/%55ser",
        &format!("/Schemas/{user_urn}"),
        &format!("/Schemas/{user_urn}/"),
        &format!("/Schemas/{USER}"),
    ] {
        acme.get(path).expect(200);
    }
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
    let searched = acme.post("/Users/.search/", search).expect(200);
    assert_eq!(searched.json()["totalResults"], json!(1));
    for path in [
        &*format!("{}//", user.path),
        &format!("/Users/{}%2F", user.id),
        &format!("/Users//{}", user.id),
        &format!("/Users/{}", encoded.replace('%', "%25")),
        &format!("/x/../Users/{}", user.id),
        &format!("//scim//v2/Users/{}", user.id),
        &format!("//scim/v2Users/{}", user.id),
        "/Users//",
        "//livez/",
    ] {
        acme.get(path).expect_error(404, None);
    }
}

fn at(prefix: &str) -> Server {
    let mut choice = Choice {
        path_prefix: prefix.parse().unwrap(),
        ..Choice::default()
    };
    choice.settings.base_url = format!("https://example.com{prefix}").into();
    Server::start_with(choice)
}

/// The URLs in all places where responses contain them.
#[test]
fn responses_name_the_chosen_prefix() {
    let server = at("/idp");
    let acme = server.tenant("acme");
    let reply = acme
        .post("/Users", json!({"schemas": [USER], "userName": "bjensen"}))
        .expect(201);
    let user = reply.json();
    let location = format!("https://example.com/idp/Users/{}", user["id"].as_str().unwrap());
    assert_eq!(reply.header("location"), Some(&*location));
    assert_eq!(user["meta"]["location"], *location);
    let group = json!({"displayName": "Guides", "members": [{"value": user["id"]}]});
    let group = acme.create("/Groups", group).json;
    assert_eq!(group["members"][0]["$ref"], *location);
    let listed = acme.get("/Users").expect(200).resources();
    assert_eq!(listed[0]["meta"]["location"], *location);
    let group_location = group["meta"]["location"].clone();
    assert_eq!(listed[0]["groups"][0]["$ref"], group_location);
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes/User",
        &format!("/Schemas/{USER}"),
    ] {
        let document = acme.get(path).expect(200).json();
        let expected = format!("https://example.com/idp{path}");
        assert_eq!(document["meta"]["location"], *expected, "{path}");
    }
    let metrics = scrape(&server);
    for route in ["/idp/Users", "/idp/Groups", "/idp/ResourceTypes/{id}"] {
        let label = format!("route=\"{route}\"");
        assert!(metrics.contains(&label), "{label} in\n{metrics}");
    }
    assert!(!metrics.contains("/scim/v2"), "{metrics}");
}

#[test]
fn nothing_is_served_beside_the_prefix() {
    let server = at("/idp");
    let acme = server.tenant("acme");
    acme.get("//idp/Users").expect(200);
    acme.get("//livez").expect(200);
    for path in [
        "//scim/v2/Users",
        "//scim/Users",
        "//idp/v2/Users",
        "//Users",
        "//idpx/Users",
    ] {
        acme.get(path).expect_error(404, None);
        server.stranger(None).get(path).expect_error(401, None);
    }
}

/// 7644-3.13-02, 7644-3.13-03, A-46: as for `/scim/v2`
#[test]
fn a_prefix_with_a_version_is_served_without_it_too() {
    let server = at("/a/b/v2");
    let acme = server.tenant("acme");
    acme.get("//a/b/v2/Users").expect(200);
    acme.get("//a/b/Users").expect(200);
    acme.get("//a/b/v3/Users").expect_error(400, Some("invalidVers"));
    for path in ["//a/Users", "//v2/Users", "//a/v3/Users"] {
        acme.get(path).expect_error(404, None);
    }
    let server = at("/v2");
    let acme = server.tenant("acme");
    acme.get("//v2/Users").expect(200);
    acme.get("//Users").expect_error(404, None);
    acme.get("//v3/Users").expect_error(404, None);
}

#[test]
fn a_server_prints_and_serves_the_prefix_of_its_setting() {
    let server = Binary::start(&["--path-prefix", "/identity/scim"]);
    assert!(server.base_url.ends_with("/identity/scim"), "{}", server.base_url);
    let (status, list) = server.client().send("GET", "/Users", None);
    assert_eq!((status, &list["totalResults"]), (200, &json!(0)));
    let origin = server.base_url.trim_end_matches("/identity/scim");
    let elsewhere = HttpClient::new(origin, &server.token());
    assert_eq!(elsewhere.send("GET", "/scim/v2/Users", None).0, 404);
    let (status, alive) = elsewhere.send("GET", "/livez", None);
    assert_eq!((status, alive), (200, json!({"status": "alive"})));
}

#[test]
fn an_invalid_prefix_is_refused_with_the_name_of_its_setting() {
    let shell = Shell::new();
    for (prefix, reason) in [
        ("scim", "must begin with `/`"),
        ("", "must begin with `/`"),
        ("/", "at least one segment"),
        ("/scim/", "must not end with `/`"),
        ("/{id}", "letters, digits"),
        ("/livez", "reserved"),
    ] {
        let by_flag = shell.refused(&["--path-prefix", prefix]);
        let by_environment = shell
            .command(&[])
            .env("SCIM_PATH_PREFIX", prefix)
            .output()
            .unwrap();
        assert!(!by_environment.status.success(), "{prefix}");
        let by_environment = String::from_utf8(by_environment.stderr).unwrap();
        for text in [by_flag, by_environment] {
            assert!(text.contains("--path-prefix") && text.contains(reason), "{text}");
        }
    }
    assert_eq!(shell.json(&["migrate", "--json"]), json!({"migrated": true}));
}

/// A proxy may show clients another path than the one that the server serves.
#[test]
fn a_base_url_may_have_another_path_than_the_prefix() {
    let mut choice = Choice {
        path_prefix: "/internal".parse().unwrap(),
        ..Choice::default()
    };
    choice.settings.base_url = "https://example.com/public/v2".into();
    let server = Server::start_with(choice);
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let location: &Value = &user.json["meta"]["location"];
    assert_eq!(
        *location,
        *format!("https://example.com/public/v2/Users/{}", user.id)
    );
    acme.get("//public/v2/Users").expect_error(404, None);
}
