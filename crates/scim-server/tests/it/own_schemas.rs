//! Custom schemas and resource types as clients see them, on every database, and the fate of stored data
//! when a schema document is removed and restored.

use scim_server::service::Leniency;
use serde_json::{Value, json};

use crate::harness::{BASE, Choice, Client, ENTERPRISE, GROUP, Server, Token, USER, encode, on_each};

const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:1.0:User";
const DEVICE: &str = "urn:example:params:scim:schemas:core:1.0:Device";
const ASSET: &str = "urn:example:params:scim:schemas:extension:asset:1.0:Device";

/// A document in a file.
fn file(name: &str, document: Value) -> (String, String) {
    (name.to_owned(), document.to_string())
}

fn schema(id: &str, attributes: Value) -> (String, String) {
    file(
        id,
        json!({"schemas": [SCHEMA], "id": id, "attributes": attributes}),
    )
}

fn resource_type(name: &str, endpoint: &str, schema: &str, extensions: &[(&str, bool)]) -> (String, String) {
    let extensions: Vec<Value> = extensions
        .iter()
        .map(|(schema, required)| json!({"schema": schema, "required": required}))
        .collect();
    let document = json!({"schemas": [RESOURCE_TYPE], "name": name, "endpoint": endpoint, "schema": schema,
        "schemaExtensions": extensions});
    file(name, document)
}

fn badge() -> (String, String) {
    schema(
        BADGE,
        json!([
            {"name": "number", "type": "integer", "uniqueness": "server"}, {"name": "colour"},
            {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value"}, {"name": "door", "returned": "always"}]},
            {"name": "tax-id", "returned": "never", "uniqueness": "server"},
        ]),
    )
}

fn user(extensions: &[(&str, bool)]) -> (String, String) {
    resource_type("User", "/Users", USER, extensions)
}

fn devices() -> [(String, String); 3] {
    [
        schema(
            DEVICE,
            json!([
                {"name": "displayName", "required": true},
                {"name": "serial", "required": true, "caseExact": true, "uniqueness": "server", "mutability": "immutable"},
                {"name": "weight", "type": "decimal"},
                {"name": "active", "type": "boolean"},
                // Names with a meaning for User and Group, and none here.
                {"name": "members", "multiValued": true},
                {"name": "groups", "type": "complex", "multiValued": true, "subAttributes": [
                    {"name": "value"}, {"name": "type"}, {"name": "primary", "type": "boolean"}]},
                {"name": "password"},
                {"name": "owner", "type": "complex", "subAttributes": [{"name": "value"},
                    {"name": "$ref", "type": "reference", "referenceTypes": ["User"]},
                    {"name": "displayName", "mutability": "readOnly"}]},
            ]),
        ),
        schema(
            ASSET,
            json!([{"name": "tag", "required": true}, {"name": "cost-center", "indexed": true}]),
        ),
        resource_type("Device_2", "/dev-ices_2", DEVICE, &[(ASSET, true)]),
    ]
}

fn with(schemas: impl IntoIterator<Item = (String, String)>) -> Choice {
    Choice {
        schemas: schemas.into_iter().collect(),
        ..Choice::default()
    }
}

fn found(client: &Client, endpoint: &str, filter: &str) -> usize {
    let reply = client.get(&format!("{endpoint}?filter={}", encode(filter)));
    reply.expect(200).resources().len()
}

/// A-34: clients of Entra with custom extensions write `.value` after the name of every multi-valued attribute.
#[test]
fn simple_values_may_be_named_by_value_wherever_names_stand() {
    on_each(
        || with(devices()),
        |server| {
            let acme = server.tenant("acme");
            let at = "/dev-ices_2";
            for (name, members) in [("a", ["zoe", "yan"]), ("b", ["ann", "bob"])] {
                let body = json!({"schemas": [DEVICE, ASSET], "displayName": name, "serial": name,
                    ASSET: {"tag": "A1"}, "members": members.map(|it| json!({"value": it}))});
                acme.post(at, body).expect(201);
            }
            let listed = |query: &str| {
                let list = acme.get(&format!("{at}?{query}")).expect(200);
                let names = list.resources().into_iter().map(|it| it["members"][0].clone());
                names.collect::<Vec<_>>()
            };
            let filter = encode("members.value eq \"yan\"");
            assert_eq!(listed(&format!("filter={filter}")), [json!("zoe")]);
            assert_eq!(listed("sortBy=members.value"), [json!("ann"), json!("zoe")]);
            assert_eq!(listed("attributes=members.value"), [json!("zoe"), json!("ann")]);
            assert_eq!(
                listed("excludedAttributes=members.value"),
                [json!(null), json!(null)]
            );
        },
    );
}

/// 7643-6-01, 7643-6-09, 7644-3.2-01: a custom type is served like Users.
#[test]
fn a_custom_resource_type_is_served_like_users() {
    on_each(
        || with(devices()),
        |server| {
            let acme = server.tenant("acme");
            let at = "/dev-ices_2";
            let owner = acme.create("/Users", json!({"userName": "bjensen", "displayName": "Babs"}));
            let body = json!({"schemas": [DEVICE, ASSET], "DISPLAYNAME": "Drill", "serial": "S-1", "weight": 1.50,
                "members": ["ann", "bob"], "groups": [{"value": "red", "type": "x", "primary": true}, {"value": "blue"}],
                "password": "shown", "owner": {"value": owner.id}, ASSET: {"tag": "A1", "cost-center": "North"}});
            // The required extension and its required attribute.
            let mut without = body.clone();
            without.as_object_mut().unwrap().shift_remove(ASSET);
            let error = acme
                .post(at, without.clone())
                .expect_error(400, Some("invalidValue"));
            assert!(
                error.text.contains(&format!("`{ASSET}` is required")),
                "{}",
                error.text
            );
            without[ASSET] = json!({"cost-center": "North"});
            let error = acme.post(at, without).expect_error(400, Some("invalidValue"));
            assert!(
                error.text.contains(&format!("`{ASSET}:tag` is required")),
                "{}",
                error.text
            );

            let created = acme.post(at, body.clone()).expect(201);
            let drill = created.json();
            let id = drill["id"].as_str().unwrap().to_owned();
            let path = format!("{at}/{id}");
            let location = format!("{BASE}{path}");
            assert_eq!(created.header("location"), Some(location.as_str()));
            assert_eq!(drill["schemas"], json!([DEVICE, ASSET]));
            assert_eq!(drill["displayName"], "Drill");
            assert_eq!(drill["password"], "shown");
            assert_eq!(drill["members"], json!(["ann", "bob"]));
            assert_eq!(drill["meta"]["resourceType"], "Device_2");
            assert_eq!(
                drill["owner"],
                json!({"value": owner.id, "$ref": format!("{BASE}{}", owner.path), "displayName": "Babs"})
            );
            assert!(created.text.contains(r#""weight":1.5"#), "{}", created.text);
            assert_eq!(acme.get(&path).expect(200).json(), drill);
            acme.post(at, body.clone()).expect_error(409, Some("uniqueness"));
            let other = json!({"schemas": [DEVICE], "displayName": "Saw", "serial": "s-1", "weight": 10,
                "active": false, "members": ["ann"], ASSET: {"tag": "A2", "cost-center": "South"}});
            acme.post(at, other).expect(201);

            for (filter, total) in [
                ("displayName eq \"DRILL\"", 1),
                ("serial eq \"s-1\"", 1),
                ("weight gt 2", 1),
                ("weight eq 1.5", 1),
                ("active eq false", 1),
                ("active eq true", 0),
                ("members eq \"ANN\"", 2),
                ("members co \"o\"", 1),
                ("not (members eq \"bob\")", 1),
                ("groups eq \"red\"", 1),
                ("groups[type eq \"x\" and value eq \"blue\"]", 0),
                ("groups[primary eq true]", 1),
                ("owner.displayName eq \"babs\"", 1),
                ("meta.resourceType eq \"Device_2\"", 2),
                (&format!("{ASSET}:cost-center sw \"no\""), 1),
                (&format!("{}:TAG pr", ASSET.to_uppercase()), 2),
                (&format!("{DEVICE}:password eq \"shown\""), 1),
            ] {
                assert_eq!(found(&acme, at, filter), total, "{filter}");
            }
            for (sort_by, names) in [
                ("weight", ["Drill", "Saw"]),
                ("displayName", ["Drill", "Saw"]),
                (&format!("{ASSET}:cost-center"), ["Drill", "Saw"]),
                ("groups", ["Drill", "Saw"]),
            ] {
                let list = acme.list(&format!("{at}?sortBy={}", encode(sort_by)), "displayName");
                assert_eq!(list, names, "{sort_by}");
            }
            for filter in ["userName pr", "tag eq \"A1\"", "cost-center pr"] {
                acme.get(&format!("{at}?filter={}", encode(filter)))
                    .expect_error(400, Some("invalidFilter"));
            }
            let some = acme
                .get(&format!("{path}?attributes={ASSET}:tag,groups.type"))
                .expect(200)
                .json();
            assert_eq!(
                some,
                json!({"schemas": [DEVICE, ASSET], "id": id, "groups": [{"type": "x"}], ASSET: {"tag": "A1"}})
            );

            // PATCH: the values of `members` are plain values here, not references.
            let changed = acme.patch(
                &path,
                json!([
                    {"op": "remove", "path": "members[value eq \"ann\"]"},
                    {"op": "add", "path": "members", "value": "cyd"},
                    {"op": "add", "path": "groups", "value": [{"value": "green", "primary": true}]},
                    {"op": "replace", "path": format!("{ASSET}:cost-center"), "value": "West"},
                ]),
            );
            let changed = changed.expect(200).json();
            assert_eq!(changed["members"], json!(["bob", "cyd"]));
            assert_eq!(changed["groups"][0]["primary"], false);
            assert_eq!(found(&acme, at, "members eq \"ann\""), 1);
            assert_eq!(found(&acme, at, "members eq \"cyd\" and groups eq \"green\""), 1);
            assert_eq!(found(&acme, at, &format!("{ASSET}:cost-center eq \"west\"")), 1);
            for (operation, scim_type) in [
                (
                    json!({"op": "remove", "path": format!("{ASSET}:tag")}),
                    "mutability",
                ),
                (json!({"op": "remove", "path": ASSET}), "mutability"),
                (
                    json!({"op": "replace", "path": "serial", "value": "S-2"}),
                    "mutability",
                ),
                (
                    json!({"op": "replace", "path": "userName", "value": "x"}),
                    "invalidPath",
                ),
            ] {
                acme.patch(&path, json!([operation]))
                    .expect_error(400, Some(scim_type));
            }
            // PUT keeps immutable values.
            let mut next = body;
            next.as_object_mut().unwrap().shift_remove("serial");
            next.as_object_mut().unwrap().shift_remove("DISPLAYNAME");
            next["displayName"] = json!("Big drill");
            let replaced = acme.put(&path, next).expect(200).json();
            assert_eq!(
                (&replaced["serial"], &replaced["displayName"]),
                (&json!("S-1"), &json!("Big drill"))
            );

            // A search over all types, and discovery.
            let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                "filter": "displayName sw \"big\"", "attributes": ["displayName"]});
            let everything = acme.post("/.search", search).expect(200).resources();
            assert_eq!(everything.len(), 1);
            assert_eq!(everything[0]["displayName"], "Big drill");
            let published = acme.get("/ResourceTypes/Device_2").expect(200).json();
            assert_eq!(published["endpoint"], at);
            assert_eq!(
                published["schemaExtensions"],
                json!([{"schema": ASSET, "required": true}])
            );
            assert_eq!(
                acme.get(&format!("/Schemas/{ASSET}")).expect(200).json()["id"],
                ASSET
            );
            // Another tenant sees nothing.
            let other = server.tenant("other");
            other.get(&path).expect_error(404, None);
            assert_eq!(found(&other, at, "displayName pr"), 0);
            acme.delete(&path).expect(204);
            acme.get(&path).expect_error(404, None);
            assert_eq!(found(&acme, at, "members eq \"cyd\""), 0);
        },
    );
}

/// Without its schema, the data of an extension is kept but hidden; with the schema restored, it is shown again.
#[test]
fn a_removed_extension_can_be_restored() {
    let whole = || with([badge(), user(&[(ENTERPRISE, false), (BADGE, false)])]);
    let without = || with([user(&[(ENTERPRISE, false)])]);
    on_each(whole, |server| {
        let acme = server.tenant("acme");
        let tenant = acme.tenant.unwrap();
        let value = json!({"number": 7, "colour": "red", "keys": [{"value": "k", "door": "main"}]});
        let mut body = json!({"schemas": [USER, BADGE, ENTERPRISE], "userName": "bjensen", BADGE: value,
            ENTERPRISE: {"department": "Tours"}});
        body[BADGE]["tax-id"] = json!("T-1");
        let bjensen = acme.create("/Users", body.clone());
        assert_eq!(bjensen.json[BADGE], value);
        // Published as unique, and never returned (7643-7-23).
        let twin = json!({"userName": "twin", BADGE: {"tax-id": "t-1"}});
        let taken = acme
            .post("/Users", twin.clone())
            .expect_error(409, Some("uniqueness"));
        assert!(
            taken.text.contains(&format!("`{BADGE}:tax-id`")),
            "{}",
            taken.text
        );
        let path = bjensen.path.clone();
        drop(acme);

        // The schema is removed.
        let server = server.restart_with(without());
        let acme = server.client(tenant, Token::default());
        let seen = acme.get(&path).expect(200);
        assert_eq!(seen.json()["schemas"], json!([USER, ENTERPRISE]));
        assert!(!seen.text.contains("badge"), "{}", seen.text);
        let list = acme
            .get(&format!("/Users?attributes=userName,{BADGE}"))
            .expect(200);
        assert!(!list.text.contains("badge"), "{}", list.text);
        for filter in [
            format!("{BADGE}:number eq 7"),
            format!("{BADGE}:keys[value eq \"k\"]"),
            format!("{BADGE}:colour pr"),
        ] {
            acme.get(&format!("/Users?filter={}", encode(&filter)))
                .expect_error(400, Some("invalidFilter"));
        }
        let by_schema = format!("schemas eq \"{BADGE}\"");
        assert_eq!(found(&acme, "/Users", &by_schema), 0);
        acme.get(&format!("/Users?sortBy={BADGE}:colour"))
            .expect_error(400, Some("invalidValue"));
        acme.patch(
            &path,
            json!([{"op": "replace", "path": format!("{BADGE}:colour"), "value": "blue"}]),
        )
        .expect_error(400, Some("invalidPath"));
        acme.patch(&path, json!([{"op": "remove", "path": BADGE}]))
            .expect_error(400, Some("invalidPath"));
        acme.get(&format!("/Schemas/{BADGE}")).expect_error(404, None);
        // Unknown attributes are ignored, also in a PUT, which replaces visible attributes only.
        body["title"] = json!("Guide");
        body[BADGE]["colour"] = json!("blue");
        let replaced = acme.put(&path, body).expect(200);
        assert!(!replaced.text.contains("badge"), "{}", replaced.text);
        let patched = acme.patch(
            &path,
            json!([{"op": "replace", "value": {"nickName": "B", BADGE: {"colour": "green"}}}]),
        );
        assert!(!patched.expect(200).text.contains("badge"));
        drop(acme);

        // The schema is restored.
        let server = server.restart_with(whole());
        let acme = server.client(tenant, Token::default());
        let seen = acme.get(&path).expect(200).json();
        assert_eq!(seen["schemas"], json!([USER, ENTERPRISE, BADGE]));
        assert_eq!(seen[BADGE], value);
        assert_eq!(
            (&seen["title"], &seen["nickName"]),
            (&json!("Guide"), &json!("B"))
        );
        for filter in [
            format!("{BADGE}:number eq 7"),
            format!("{BADGE}:keys[door eq \"main\" and value eq \"k\"]"),
            by_schema,
        ] {
            assert_eq!(found(&acme, "/Users", &filter), 1, "{filter}");
        }
        acme.post("/Users", twin).expect_error(409, Some("uniqueness"));
        let own = acme
            .get(&format!("{path}?excludedAttributes={BADGE}"))
            .expect(200)
            .json();
        // 7643-7-18: a sub-attribute that is always returned is.
        assert_eq!(own[BADGE], json!({"keys": [{"door": "main"}]}));
    });
}

/// The resources of a removed resource type are kept but hidden.
#[test]
fn a_removed_resource_type_can_be_restored() {
    on_each(
        || with(devices()),
        |server| {
            let acme = server.tenant("acme");
            let tenant = acme.tenant.unwrap();
            let body = json!({"schemas": [DEVICE, ASSET], "displayName": "Drill", "serial": "S-1", "members": ["a"],
                ASSET: {"tag": "A1"}});
            let drill = acme.create("/dev-ices_2", body.clone());
            acme.create_user("bjensen");
            drop(acme);

            let server = server.restart_with(with([]));
            let acme = server.client(tenant, Token::default());
            acme.get(&drill.path).expect_error(404, None);
            acme.post("/dev-ices_2", body.clone()).expect_error(404, None);
            acme.get("/ResourceTypes/Device_2").expect_error(404, None);
            let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
            let all = acme.post("/.search", search).expect(200);
            assert_eq!(all.json()["totalResults"], 1);
            assert!(!all.text.contains("Drill"), "{}", all.text);
            // A resource of a removed type cannot become a member (A-26).
            acme.post(
                "/Groups",
                json!({"displayName": "g", "members": [{"value": drill.id}]}),
            )
            .expect_error(400, Some("invalidValue"));
            drop(acme);

            let server = server.restart_with(with(devices()));
            let acme = server.client(tenant, Token::default());
            let back = acme.get(&drill.path).expect(200);
            assert_eq!(back.header("etag"), Some(drill.etag.as_str()));
            assert_eq!(back.json(), drill.json);
            assert_eq!(
                found(&acme, "/dev-ices_2", "members eq \"A\" and serial eq \"S-1\""),
                1
            );
            acme.post("/dev-ices_2", body)
                .expect_error(409, Some("uniqueness"));
        },
    );
}

/// A newly required attribute must not prevent the deactivation of an account.
#[test]
fn a_user_without_a_newly_required_value_can_be_deactivated() {
    let strict = |mut choice: Choice| {
        choice.settings.client.leniency = Leniency::Strict;
        choice
    };
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let tenant = acme.tenant.unwrap();
        let bjensen = acme.create("/Users", json!({"userName": "bjensen", "active": true}));
        let path = bjensen.path;
        drop(acme);

        let required = schema(
            BADGE,
            json!([{"name": "number", "required": true}, {"name": "colour"}]),
        );
        let server = server.restart_with(strict(with([required, user(&[(BADGE, true)])])));
        let acme = server.client(tenant, Token::default());
        let off = json!([{"op": "replace", "path": "active", "value": false}]);
        assert_eq!(acme.patch(&path, off).expect(200).json()["active"], false);
        // A change of the extension has to complete it.
        let colour = json!([{"op": "add", "path": format!("{BADGE}:colour"), "value": "red"}]);
        let error = acme.patch(&path, colour).expect_error(400, Some("invalidValue"));
        assert!(
            error.text.contains(&format!("`{BADGE}:number` is required")),
            "{}",
            error.text
        );
        // A replacement has to be complete.
        let body = json!({"schemas": [USER], "userName": "bjensen", "active": true});
        acme.put(&path, body).expect_error(400, Some("invalidValue"));
        let complete = json!([{"op": "add", "path": format!("{BADGE}:number"), "value": "7"}]);
        assert_eq!(
            acme.patch(&path, complete).expect(200).json()[BADGE],
            json!({"number": "7"})
        );
        acme.patch(
            &path,
            json!([{"op": "remove", "path": format!("{BADGE}:number")}]),
        )
        .expect_error(400, Some("mutability"));
        acme.patch(&path, json!([{"op": "remove", "path": BADGE}]))
            .expect_error(400, Some("mutability"));
    });
}

/// 7643-6-09: an extension may hold nothing but secrets, which no answer shows.
#[test]
fn a_required_extension_may_hold_only_secrets() {
    let choice = || {
        let pin = json!([{"name": "pin", "mutability": "writeOnly", "secret": true, "required": true}]);
        with([schema(BADGE, pin), user(&[(BADGE, true)])])
    };
    let stored_hashes = || {
        let mut choice = choice();
        choice.settings.hash_secrets = true;
        choice
    };
    let story = |server: Server| {
        let acme = server.tenant("acme");
        let body = json!({"schemas": [USER, BADGE], "userName": "bjensen", BADGE: {"pin": "1234"}});
        let created = acme.post("/Users", body.clone()).expect(201);
        assert!(!created.text.contains("1234"), "{}", created.text);
        assert_eq!(created.json()["schemas"], json!([USER, BADGE]));
        assert_eq!(created.json().get(BADGE), None);
        let path = format!("/Users/{}", created.json()["id"].as_str().unwrap());
        assert_eq!(acme.get(&path).expect(200).json(), created.json());
        for none in [json!({}), json!({"pin": ""}), json!({"pin": null})] {
            let mut without = body.clone();
            without["userName"] = json!("other");
            without[BADGE] = none;
            let error = acme
                .post("/Users", without)
                .expect_error(400, Some("invalidValue"));
            assert!(error.text.contains(BADGE), "{}", error.text);
        }
        // Attributes that a PATCH does not name stay; required ones cannot be removed.
        let put = json!({"schemas": [USER], "userName": "bjensen", "title": "Guide"});
        assert_eq!(
            acme.put(&path, put).expect(200).json()["schemas"],
            json!([USER, BADGE])
        );
        let off = json!([{"op": "replace", "path": "active", "value": false}]);
        acme.patch(&path, off).expect(200);
        acme.patch(&path, json!([{"op": "remove", "path": format!("{BADGE}:pin")}]))
            .expect_error(400, Some("mutability"));
        assert_eq!(found(&acme, "/Users", &format!("schemas eq \"{BADGE}\"")), 1);
    };
    on_each(choice, story);
    on_each(stored_hashes, story);
}

/// Groups can have extensions too, and their members are still references.
#[test]
fn groups_can_be_extended() {
    const COST: &str = "urn:example:params:scim:schemas:extension:cost:1.0:Group";
    let choice = || {
        let cost = schema(
            COST,
            json!([{"name": "members", "multiValued": true},
                {"name": "code", "required": true, "uniqueness": "server"}]),
        );
        with([cost, resource_type("Group", "/Groups", GROUP, &[(COST, false)])])
    };
    on_each(choice, |server| {
        let acme = server.tenant("acme");
        let bjensen = acme.create_user("bjensen");
        let body = json!({"schemas": [GROUP, COST], "displayName": "Guides", "members": [{"value": bjensen.id}],
            COST: {"code": "C1", "members": ["x"]}});
        let guides = acme.create("/Groups", body);
        assert_eq!(guides.json[COST], json!({"members": ["x"], "code": "C1"}));
        let second = acme.create("/Groups", json!({"displayName": "Drivers"}));
        for (filter, total) in [
            (format!("{COST}:code eq \"c1\""), 1),
            (format!("{COST}:members eq \"x\""), 1),
            (format!("members eq \"{}\"", bjensen.id), 1),
            (
                format!("members eq \"{}\" and {COST}:members eq \"y\"", bjensen.id),
                0,
            ),
            (format!("not ({COST}:code pr)"), 1),
        ] {
            assert_eq!(found(&acme, "/Groups", &filter), total, "{filter}");
        }
        let code = |code: &str| json!([{"op": "add", "path": format!("{COST}:code"), "value": code}]);
        acme.patch(&second.path, code("c1"))
            .expect_error(409, Some("uniqueness"));
        acme.patch(&second.path, code("C2")).expect(204);
        acme.patch(
            &second.path,
            json!([{"op": "add", "path": format!("{COST}:members"), "value": ["y", "z"]},
            {"op": "add", "path": "members", "value": [{"value": bjensen.id}]},
            {"op": "remove", "path": format!("{COST}:members[value eq \"y\"]")}]),
        )
        .expect(204);
        let seen = acme.get(&second.path).expect(200).json();
        assert_eq!(seen[COST], json!({"members": ["z"], "code": "C2"}));
        assert_eq!(seen["members"][0]["value"], json!(bjensen.id));
        let without = json!([{"op": "remove", "path": format!("{COST}:code")}]);
        acme.patch(&second.path, without)
            .expect_error(400, Some("mutability"));
        acme.patch(&second.path, json!([{"op": "remove", "path": COST}]))
            .expect(204);
        let seen = acme.get(&second.path).expect(200).json();
        assert_eq!((&seen["schemas"], seen.get(COST)), (&json!([GROUP]), None));
        assert_eq!(seen["members"].as_array().unwrap().len(), 1);
    });
}

/// A-26: the server sets the URI of a custom reference whose display name the client sets, and filters find it.
#[test]
fn a_custom_reference_has_its_uri() {
    let documents = [
        schema(
            DEVICE,
            json!([{"name": "serial"}, {"name": "owner", "type": "complex", "subAttributes": [
                {"name": "value"}, {"name": "display"},
                {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}]}]),
        ),
        resource_type("Device", "/Devices", DEVICE, &[]),
    ];
    on_each(
        || with(documents.clone()),
        |server| {
            let client = server.tenant("acme");
            let owner = client.create_user("ann").id;
            let body = json!({"schemas": [DEVICE], "owner": {"value": owner, "display": "Ann"}});
            let made = client.post("/Devices", body).expect(201).json();
            let uri = format!("{BASE}/Users/{owner}");
            assert_eq!(
                made["owner"],
                json!({"value": owner, "display": "Ann", "$ref": uri})
            );
            assert_eq!(found(&client, "/Devices", &format!("owner.$ref eq \"{uri}\"")), 1);
            assert_eq!(found(&client, "/Devices", "owner.display eq \"ann\""), 1);
            assert_eq!(found(&client, "/Devices", &format!("owner.$ref ne \"{uri}\"")), 0);
        },
    );
}

/// 7643-7-21: attributes and sub-attributes that are returned on request are part of the answer to the
/// POST, PUT or PATCH that sends them, and of no other answer by default.
#[test]
fn attributes_returned_on_request_are_in_the_answer_to_the_write_that_sends_them() {
    let documents = [
        schema(
            DEVICE,
            json!([
                {"name": "serial"}, {"name": "asked", "returned": "request"},
                {"name": "desk", "type": "complex", "subAttributes": [
                    {"name": "value"}, {"name": "asked", "returned": "request"}]},
                {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
                    {"name": "value"}, {"name": "asked", "returned": "request"}]},
            ]),
        ),
        resource_type("Device", "/Devices", DEVICE, &[]),
    ];
    on_each(
        || with(documents.clone()),
        |server| {
            let acme = server.tenant("acme");
            let all = json!({"schemas": [DEVICE], "serial": "S-1", "asked": "a",
                "desk": {"value": "d", "asked": "a"}, "keys": [{"value": "k", "asked": "a"}]});
            let shown = |mut json: Value| {
                let members = json.as_object_mut().unwrap();
                members.shift_remove("meta");
                members.shift_remove("id");
                json
            };
            let by_default = json!({"schemas": [DEVICE], "serial": "S-1", "desk": {"value": "d"},
                "keys": [{"value": "k"}]});
            let device = acme.create("/Devices", all.clone());
            assert_eq!(shown(device.json.clone()), all);
            let read = || shown(acme.get(&device.path).expect(200).json());
            assert_eq!(read(), by_default);
            assert_eq!(shown(acme.put(&device.path, all.clone()).expect(200).json()), all);
            let put = json!({"schemas": [DEVICE], "serial": "S-1", "asked": "a", "desk": {"value": "d"},
                "keys": [{"value": "k"}]});
            assert_eq!(shown(acme.put(&device.path, put.clone()).expect(200).json()), put);
            acme.put(&device.path, all).expect(200);
            for (path, value, name, expected) in [
                ("serial", json!("S-1"), "serial", json!("S-1")),
                ("asked", json!("b"), "asked", json!("b")),
                (
                    "desk.asked",
                    json!("b"),
                    "desk",
                    json!({"value": "d", "asked": "b"}),
                ),
                (
                    "keys[value eq \"k\"].asked",
                    json!("b"),
                    "keys",
                    json!([{"value": "k", "asked": "b"}]),
                ),
                (
                    "keys",
                    json!([{"value": "k", "asked": "c"}]),
                    "keys",
                    json!([{"value": "k", "asked": "c"}]),
                ),
            ] {
                let mut answer = by_default.clone();
                answer[name] = expected;
                let replace = json!([{"op": "replace", "path": path, "value": value}]);
                assert_eq!(
                    shown(acme.patch(&device.path, replace).expect(200).json()),
                    answer,
                    "{path}"
                );
                assert_eq!(read(), by_default);
            }
        },
    );
}

/// 7643-7-16: PUT and PATCH give every value the immutable part of the value that it repeats, in any order.
#[test]
fn an_immutable_part_stays_with_its_value() {
    let documents = [
        schema(
            DEVICE,
            json!([{"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value"}, {"name": "type"}, {"name": "since", "mutability": "immutable"}]}]),
        ),
        resource_type("Device", "/Devices", DEVICE, &[]),
    ];
    on_each(
        || with(documents.clone()),
        |server| {
            let acme = server.tenant("acme");
            let key = |value: &str, type_: &str| json!({"value": value, "type": type_});
            let with_since = |value: &str, type_: &str, since: &str| {
                let mut key = key(value, type_);
                key["since"] = since.into();
                key
            };
            let keys = json!([
                with_since("k", "a", "2020"),
                with_since("k", "b", "2021"),
                with_since("l", "a", "2022")
            ]);
            let body = |keys: &Value| json!({"schemas": [DEVICE], "keys": keys});
            let given = json!([key("l", "a"), key("k", "b"), key("m", "a"), key("k", "a")]);
            let expected = json!([
                with_since("l", "a", "2022"),
                with_since("k", "b", "2021"),
                key("m", "a"),
                with_since("k", "a", "2020")
            ]);
            let put = acme.create("/Devices", body(&keys));
            let seen = acme.put(&put.path, body(&given)).expect(200).json();
            assert_eq!(seen["keys"], expected);
            let patched = acme.create("/Devices", body(&keys));
            let replace = |keys: &Value| json!([{"op": "replace", "path": "keys", "value": keys}]);
            let seen = acme.patch(&patched.path, replace(&given)).expect(200).json();
            assert_eq!(seen["keys"], expected);
            let swapped = json!([with_since("k", "a", "2021"), with_since("k", "b", "2020")]);
            acme.put(&put.path, body(&swapped))
                .expect_error(400, Some("mutability"));
            acme.patch(&patched.path, replace(&swapped))
                .expect_error(400, Some("mutability"));
        },
    );
}
