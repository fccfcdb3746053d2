//! The JSON of a resource: the stored text with `id`, `meta`, `members`, `groups` and references.

use chrono::{TimeZone, Utc};
use scim_model::internal::{Body, Presenter, Projection};
use scim_model::store::{Reference, Stored};
use scim_model::{ErrorKind, Policy, SchemaRegistry};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::represent;

const BASE: &str = "https://example.com/scim/v2";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const ID: &str = "0190f7a0-0000-7000-8000-00000000000a";
const GROUP_ID: &str = "0190f7a0-0000-7000-8000-0000000000aa";
const BOSS: &str = "0190f7a0-0000-7000-8000-0000000000bb";
const META: &str = r#""meta":{"resourceType":"User","created":"2024-03-10T12:00:00.007Z","lastModified":"2024-03-11T00:00:00.000Z","location":"https://example.com/scim/v2/Users/0190f7a0-0000-7000-8000-00000000000a","version":"W/\"3\""}"#;

fn stored(type_name: &str, document: &str) -> Stored {
    Stored {
        resource_type: type_name.into(),
        id: ID.parse().unwrap(),
        version: 3,
        created: Utc.timestamp_millis_opt(1_710_072_000_007).unwrap(),
        last_modified: Utc.with_ymd_and_hms(2024, 3, 11, 0, 0, 0).unwrap(),
        document: document.to_owned(),
        members: None,
        rest_of_members: None,
        groups: None,
    }
}

fn reference(id: &str, type_name: &str, display: Option<&str>) -> Reference {
    Reference {
        id: id.parse().unwrap(),
        resource_type: type_name.into(),
        display: display.map(str::to_owned),
    }
}

fn body(stored: &Stored, projection: &Projection, references: &[Reference]) -> String {
    let representation = represent(&SchemaRegistry::builtin(), BASE, projection, stored, references).unwrap();
    let parsed: Value = serde_json::from_str(&representation.body).unwrap();
    if let Some(version) = parsed["meta"].get("version") {
        // 7643-3.1-21
        assert_eq!(version.as_str(), Some(&*representation.etag));
    }
    representation.body
}

fn attributes(names: &[&str]) -> Projection {
    let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
    Projection::new(Some(&names), None, Policy { lenient: true }).unwrap()
}

fn excluded(names: &[&str]) -> Projection {
    let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
    Projection::new(None, Some(&names), Policy { lenient: true }).unwrap()
}

#[test]
fn a_stored_text_is_copied() {
    let bjensen = stored(
        "User",
        &format!(r#"{{"schemas":["{USER}"],"userName":"bj","emails":[{{"value":"]}}"}}]}}"#),
    );
    let expected = format!(
        r#"{{"schemas":["{USER}"],"id":"{ID}","userName":"bj","emails":[{{"value":"]}}"}}],{META}}}"#
    );
    assert_eq!(body(&bjensen, &Projection::default(), &[]), expected);
    // Parsed and written attribute by attribute, the text is the same.
    assert_eq!(body(&bjensen, &excluded(&["title"]), &[]), expected);
    let empty = stored("User", &format!(r#"{{"schemas":["{USER}"]}}"#));
    assert_eq!(
        body(&empty, &Projection::default(), &[]),
        format!(r#"{{"schemas":["{USER}"],"id":"{ID}",{META}}}"#)
    );
}

#[test]
fn text_that_looks_like_json_is_text() {
    let title = r#""title":"\\\",}]{[:\"schemas\":[\"x\"]","#;
    let text = format!(
        r#"{{"schemas":["{USER}"],"userName":"\\",{title}"name":{{"formatted":"}},"}},"active":true}}"#
    );
    let tricky = stored("User", &text);
    let expected = body(&tricky, &Projection::default(), &[]);
    assert!(expected.contains(title));
    assert_eq!(body(&tricky, &excluded(&["nickName"]), &[]), expected);
    let active = body(&tricky, &attributes(&["active", "name.formatted"]), &[]);
    let name = r#""name":{"formatted":"},"}"#;
    assert_eq!(
        active,
        format!(r#"{{"schemas":["{USER}"],"id":"{ID}",{name},"active":true}}"#)
    );
}

#[test]
fn a_damaged_document_is_an_error() {
    let registry = SchemaRegistry::builtin();
    for text in [
        "",
        "[]",
        "{",
        r#"{"userName":"x"}"#,
        r#"{"schemas":["x"],"userName":"#,
        r#"{"schemas":["x"] "a":1}"#,
    ] {
        let projection = excluded(&["title"]);
        let error = represent(&registry, BASE, &projection, &stored("User", text), &[]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal, "{text}");
    }
    let projection = Projection::default();
    assert!(represent(&registry, BASE, &projection, &stored("Gone", "{}"), &[]).is_err());
}

#[test]
fn data_that_is_no_longer_described_is_not_shown() {
    let gone = "urn:example:params:scim:schemas:extension:gone:1.0:User";
    let text = format!(r#"{{"schemas":["{USER}","{gone}"],"userName":"bj","{gone}":{{"a":1}}}}"#);
    let expected = format!(r#"{{"schemas":["{USER}"],"id":"{ID}","userName":"bj",{META}}}"#);
    assert_eq!(
        body(&stored("User", &text), &Projection::default(), &[]),
        expected
    );
    assert_eq!(
        body(&stored("User", &text), &excluded(&["groups"]), &[]),
        expected
    );
}

#[test]
fn members_are_written_from_their_rows() {
    let group = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let mut staff = stored(
        "Group",
        &format!(r#"{{"schemas":["{group}"],"displayName":"g"}}"#),
    );
    let start = format!(r#"{{"schemas":["{group}"],"id":"{ID}","displayName":"g","#);
    // Not requested
    assert!(body(&staff, &Projection::default(), &[]).starts_with(&format!("{start}\"meta\"")));
    // An empty group shows `members` too (A-24).
    staff.members = Some(vec![]);
    assert!(
        body(&staff, &Projection::default(), &[]).starts_with(&format!("{start}\"members\":[],\"meta\""))
    );
    staff.members = Some(vec![
        reference(BOSS, "User", Some("B \"oss\"")),
        reference(GROUP_ID, "Group", None),
    ]);
    let members = format!(
        r#""members":[{{"value":"{BOSS}","$ref":"{BASE}/Users/{BOSS}","type":"User","display":"B \"oss\""}},{{"value":"{GROUP_ID}","$ref":"{BASE}/Groups/{GROUP_ID}","type":"Group"}}],"meta""#
    );
    assert!(body(&staff, &Projection::default(), &[]).starts_with(&format!("{start}{members}")));
    // Projected
    assert!(!body(&staff, &excluded(&["members"]), &[]).contains("members"));
    let expected = format!(
        r#"{{"schemas":["{group}"],"id":"{ID}","members":[{{"value":"{BOSS}"}},{{"value":"{GROUP_ID}"}}]}}"#
    );
    assert_eq!(body(&staff, &attributes(&["members.value"]), &[]), expected);
    assert!(!body(&staff, &excluded(&["members.display"]), &[]).contains("oss"));
    assert!(!body(&staff, &excluded(&["meta"]), &[]).contains("meta"));
}

#[test]
fn groups_are_shown_and_are_part_of_the_entity_tag() {
    let mut bjensen = stored("User", &format!(r#"{{"schemas":["{USER}"],"userName":"bj"}}"#));
    let registry = SchemaRegistry::builtin();
    let tag = |stored: &Stored, projection: &Projection| {
        represent(&registry, BASE, projection, stored, &[]).unwrap().etag
    };
    let default = Projection::default();
    bjensen.groups = Some(vec![]);
    assert_eq!(tag(&bjensen, &default), "W/\"3\"");
    assert!(!body(&bjensen, &default, &[]).contains("groups"));

    bjensen.groups = Some(vec![reference(GROUP_ID, "Group", Some("Staff"))]);
    let groups = format!(
        r#""groups":[{{"value":"{GROUP_ID}","$ref":"{BASE}/Groups/{GROUP_ID}","type":"direct","display":"Staff"}}],"meta""#
    );
    assert!(body(&bjensen, &default, &[]).contains(&groups));
    let staff = tag(&bjensen, &default);
    assert!(
        staff.starts_with("W/\"3.") && staff.len() == "W/\"3.\"".len() + 16,
        "{staff}"
    );
    assert_eq!(tag(&bjensen, &excluded(&["groups"])), "W/\"3\"");
    assert_eq!(tag(&bjensen, &attributes(&["userName"])), "W/\"3\"");
    bjensen.groups = Some(vec![reference(GROUP_ID, "Group", Some("Stuff"))]);
    assert_ne!(tag(&bjensen, &default), staff);
    bjensen.groups = Some(vec![reference(BOSS, "Group", Some("Staff"))]);
    assert_ne!(tag(&bjensen, &default), staff);
    bjensen.groups = Some(vec![
        reference(GROUP_ID, "Group", None),
        reference(BOSS, "Group", None),
    ]);
    let several: Value = serde_json::from_str(&body(&bjensen, &default, &[])).unwrap();
    assert_eq!(several["groups"][1]["value"], BOSS);
    let shows_groups =
        |projection: &Projection| Presenter::new(&registry, BASE, projection).shows_groups(&bjensen);
    assert!(shows_groups(&default) && shows_groups(&attributes(&["groups.value"])));
    assert!(!shows_groups(&excluded(&["groups"])) && !shows_groups(&attributes(&["userName"])));
}

/// The tag contains a hash of the manager, like that of the groups. A manager that is not shown has no hash.
#[test]
fn references_are_part_of_the_entity_tag() {
    let document = format!(
        r#"{{"schemas":["{USER}","{ENTERPRISE}"],"userName":"bj","{ENTERPRISE}":{{"manager":{{"value":"{BOSS}"}}}}}}"#
    );
    let mut bjensen = stored("User", &document);
    let registry = SchemaRegistry::builtin();
    let tag = |stored: &Stored, projection: &Projection, references: &[Reference]| {
        represent(&registry, BASE, projection, stored, references)
            .unwrap()
            .etag
    };
    let default = Projection::default();
    let boss = [reference(BOSS, "User", Some("Boss"))];
    let shown = tag(&bjensen, &default, &boss);
    assert!(
        shown.starts_with("W/\"3.") && shown.len() == "W/\"3.\"".len() + 16,
        "{shown}"
    );
    // Copied or parsed, and among references that belong to other resources.
    assert_eq!(tag(&bjensen, &excluded(&["title"]), &boss), shown);
    assert_eq!(tag(&bjensen, &excluded(&["userName"]), &boss), shown);
    let more = [reference(ID, "User", Some("Other")), boss[0].clone()];
    assert_eq!(tag(&bjensen, &default, &more), shown);

    let others = [
        vec![],
        vec![reference(BOSS, "User", Some("Chief"))],
        vec![reference(BOSS, "User", Some(""))],
        vec![reference(BOSS, "User", None)],
    ];
    let mut tags: Vec<String> = others.iter().map(|it| tag(&bjensen, &default, it)).collect();
    assert_eq!(tags[0], "W/\"3\"");
    assert_eq!(
        tag(&bjensen, &default, &[reference(BOSS, "Group", Some("Boss"))]),
        "W/\"3\""
    );
    tags.push(shown);
    bjensen.groups = Some(vec![reference(GROUP_ID, "Group", Some("Staff"))]);
    tags.push(tag(&bjensen, &default, &[]));
    tags.push(tag(&bjensen, &default, &boss));
    // The same resource with the same name, shown with another type.
    bjensen.groups = Some(vec![boss[0].clone()]);
    tags.push(tag(&bjensen, &default, &[]));
    tags.sort_unstable();
    let all = tags.len();
    tags.dedup();
    assert_eq!(tags.len(), all, "{tags:?}");

    bjensen.groups = None;
    let value = format!("{ENTERPRISE}:manager.value");
    for hidden in [
        attributes(&["userName"]),
        attributes(&[&value]),
        excluded(&[ENTERPRISE]),
    ] {
        assert!(
            Presenter::new(&registry, BASE, &hidden)
                .reference_ids(&bjensen)
                .is_empty()
        );
        assert_eq!(tag(&bjensen, &hidden, &boss), "W/\"3\"");
    }
}

/// A-26, 7643-4.3-03
#[test]
fn a_manager_is_shown_with_uri_and_name_when_it_exists() {
    let document = format!(
        r#"{{"schemas":["{USER}","{ENTERPRISE}"],"userName":"bj","title":"\"manager\":{{\"value\":\"","{ENTERPRISE}":{{"department":"d","manager":{{"value":"{BOSS}"}}}}}}"#
    );
    let bjensen = stored("User", &document);
    let registry = SchemaRegistry::builtin();
    let default = Projection::default();
    let ids = |projection: &Projection| Presenter::new(&registry, BASE, projection).reference_ids(&bjensen);
    assert_eq!(ids(&default), [BOSS.parse::<Uuid>().unwrap()]);
    assert!(ids(&attributes(&["userName"])).is_empty());
    assert_eq!(ids(&attributes(&[ENTERPRISE])).len(), 1);

    let plain = format!(r#""manager":{{"value":"{BOSS}"}}"#);
    let shown =
        format!(r#""manager":{{"value":"{BOSS}","$ref":"{BASE}/Users/{BOSS}","displayName":"Boss"}}"#);
    let nameless = format!(r#""manager":{{"value":"{BOSS}","$ref":"{BASE}/Users/{BOSS}"}}"#);
    for projection in [default, excluded(&["title"])] {
        let manager = |references: &[Reference], expected: &str| {
            let body = body(&bjensen, &projection, references);
            assert!(body.contains(expected), "{body}");
        };
        manager(&[], &plain);
        manager(&[reference(BOSS, "User", Some("Boss"))], &shown);
        manager(&[reference(BOSS, "User", None)], &nameless);
        // Another type, another resource
        manager(&[reference(BOSS, "Group", Some("Boss"))], &plain);
        manager(&[reference(ID, "User", Some("Boss"))], &plain);
    }
    let name = attributes(&[&format!("{ENTERPRISE}:manager.displayName")]);
    let body = body(&bjensen, &name, &[reference(BOSS, "User", Some("Boss"))]);
    assert!(body.contains(r#""manager":{"displayName":"Boss"}"#), "{body}");
    // A text that is not an id.
    let other = stored("User", &document.replace(BOSS, "the boss é"));
    assert!(
        Presenter::new(&registry, BASE, &name)
            .reference_ids(&other)
            .is_empty()
    );
}

#[test]
fn types_of_an_operator_are_read_attribute_by_attribute() {
    let device = "urn:example:params:scim:schemas:core:1.0:Device";
    let schema = json!({"id": device, "attributes": [{"name": "serial"}, {"name": "load", "type": "decimal"}, {"name": "asked", "returned": "request"},
        {"name": "owner", "type": "complex", "subAttributes": [{"name": "value"},
            {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}, {"name": "displayName", "mutability": "readOnly"}]}]});
    let device_type = json!({"name": "Device", "endpoint": "/Devices", "schema": device});
    let files = [
        ("a".to_owned(), schema.to_string()),
        ("b".to_owned(), device_type.to_string()),
    ];
    let registry = SchemaRegistry::load(&files).unwrap();
    let document = format!(
        r#"{{"schemas":["{device}"],"serial":"s","load":1.50,"asked":"a","owner":{{"value":"{BOSS}"}},"gone":"g"}}"#
    );
    let projection = Projection::default();
    let representation = represent(
        &registry,
        BASE,
        &projection,
        &stored("Device", &document),
        &[reference(BOSS, "User", Some("Boss"))],
    )
    .unwrap();
    let expected = format!(
        r#"{{"schemas":["{device}"],"id":"{ID}","serial":"s","load":1.50,"owner":{{"value":"{BOSS}","$ref":"{BASE}/Users/{BOSS}","displayName":"Boss"}},"meta""#
    );
    assert!(
        representation.body.starts_with(&expected),
        "{}",
        representation.body
    );
    assert!(representation.body.contains("/Devices/"));
}

/// A response that shows the whole stored text copies it, because parsing every resource of a page would cost more
/// than reading it. Only a text that is not JSON shows the difference.
#[test]
fn a_text_that_is_shown_whole_is_not_parsed() {
    let group_urn = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let extended = json!([
        {"id": "urn:example:Badge", "attributes": [{"name": "code"}, {"name": "hint", "returned": "never"}]},
        {"name": "User", "endpoint": "/Users", "schema": USER, "schemaExtensions": [
            {"schema": ENTERPRISE, "required": false}, {"schema": "urn:example:Badge", "required": false}]}]);
    let registries = [
        SchemaRegistry::builtin(),
        SchemaRegistry::load(&[("badge.json".to_owned(), extended.to_string())]).unwrap(),
    ];
    let is_copied = |registry: &SchemaRegistry, projection: &Projection, type_: &str, schemas: &[&str]| {
        let text = json!({ "schemas": schemas })
            .to_string()
            .replace('}', ",no JSON}");
        let shown = represent(registry, BASE, projection, &stored(type_, &text), &[]);
        shown.is_ok_and(|it| it.body.contains("no JSON"))
    };
    for registry in &registries {
        for projection in [Projection::default(), excluded(&["groups", "members", "meta"])] {
            assert!(is_copied(registry, &projection, "User", &[USER]));
            assert!(is_copied(registry, &projection, "User", &[USER, ENTERPRISE]));
            assert!(!is_copied(
                registry,
                &projection,
                "User",
                &[USER, "urn:example:Badge"]
            ));
        }
        assert!(is_copied(
            registry,
            &excluded(&["members"]),
            "Group",
            &[group_urn]
        ));
        // An attribute in the stored text can be left out only by parsing the text.
        for projection in [
            attributes(&["userName"]),
            excluded(&["title"]),
            excluded(&[ENTERPRISE]),
        ] {
            assert!(!is_copied(registry, &projection, "User", &[USER]));
        }
    }
}

/// A list over several types has one presenter for all of them.
#[test]
fn a_presenter_writes_each_resource_by_its_own_type() {
    let registry = SchemaRegistry::builtin();
    let default = Projection::default();
    let mut presenter = Presenter::new(&registry, BASE, &default);
    let user = stored("User", &format!(r#"{{"schemas":["{USER}"],"userName":"bj"}}"#));
    let mut group = stored(
        "Group",
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Staff"}"#,
    );
    group.members = Some(vec![reference(BOSS, "User", Some("Boss"))]);
    for (stored, endpoint) in [(&user, "Users"), (&group, "Groups"), (&user, "Users")] {
        let mut body = Body::default();
        presenter.write(&mut body, stored.clone(), &[]).unwrap();
        let text = body.into_text();
        let location = format!(r#""location":"{BASE}/{endpoint}/{ID}""#);
        assert!(text.contains(&location), "{text}");
        assert_eq!(text.contains(BOSS), endpoint == "Groups", "{text}");
    }
}

/// The core schema, one extension and another may each have a reference of the same name.
#[test]
fn references_of_one_name_are_all_found() {
    let one = "urn:example:params:scim:schemas:extension:one:1.0:Device";
    let two = "urn:example:params:scim:schemas:extension:two:1.0:Device";
    let device = "urn:example:params:scim:schemas:core:1.0:Device";
    let owner = serde_json::json!([{"name": "owner", "type": "complex", "subAttributes": [
        {"name": "note"}, {"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": ["User"]},
        {"name": "displayName", "mutability": "readOnly"}]}]);
    let schema = |id: &str| serde_json::json!({"id": id, "attributes": owner}).to_string();
    let extensions = [one, two].map(|it| serde_json::json!({"schema": it, "required": false}));
    let resource_type = serde_json::json!({"name": "Device", "endpoint": "/Devices", "schema": device,
        "schemaExtensions": extensions});
    let files = [
        schema(device),
        schema(one),
        schema(two),
        resource_type.to_string(),
    ];
    let registry = SchemaRegistry::load(&files.map(|it| ("file".to_owned(), it))).unwrap();
    let id = |number: u128| uuid::Uuid::from_u128(number).to_string();
    // The first reference has no id, so the ids after it belong to the others.
    let text = format!(
        r#"{{"schemas":["{device}","{one}","{two}"],"owner":{{"note":"n"}},"{one}":{{"owner":{{"value":"{}"}}}},"{two}":{{"owner":{{"note":"m","value":"{}"}}}}}}"#,
        id(1),
        id(2)
    );
    let projection = Projection::default();
    let mut presenter = Presenter::new(&registry, BASE, &projection);
    let mut ids = presenter.reference_ids(&stored("Device", &text));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, [uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2)]);
}

/// The `$ref` of an attribute that does not refer to a resource is data, even when another extension has a reference
/// of the same name.
#[test]
fn an_attribute_with_the_name_of_a_reference_is_not_shown_as_one() {
    let device = "urn:example:params:scim:schemas:core:1.0:Device";
    let plain = "urn:example:params:scim:schemas:extension:plain:1.0:Device";
    let referring = "urn:example:params:scim:schemas:extension:referring:1.0:Device";
    let owner = |subs: Value| json!([{"name": "owner", "type": "complex", "subAttributes": subs}]);
    let to_user = json!([{"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": ["User"]},
        {"name": "displayName", "mutability": "readOnly"}]);
    let external =
        json!([{"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": ["external"]}]);
    let schemas = json!([
        {"id": device, "attributes": [{"name": "serial"}]},
        {"id": plain, "attributes": [{"name": "note"}, owner(external)[0]]},
        {"id": referring, "attributes": owner(to_user)},
        {"name": "Device", "endpoint": "/Devices", "schema": device, "schemaExtensions": [
            {"schema": plain, "required": false}, {"schema": referring, "required": false}]}]);
    let registry = SchemaRegistry::load(&[("file".to_owned(), schemas.to_string())]).unwrap();
    let outside = json!({"value": BOSS, "$ref": "https://hr.example.com/boss"});
    let text = json!({"schemas": [device, plain, referring], plain: {"note": "n", "owner": outside},
        referring: {"owner": {"value": BOSS}}});
    let shown = represent(
        &registry,
        BASE,
        &excluded(&[&format!("{plain}:note")]),
        &stored("Device", &text.to_string()),
        &[reference(BOSS, "User", Some("Boss"))],
    )
    .unwrap();
    let body: Value = serde_json::from_str(&shown.body).unwrap();
    assert_eq!(body[plain], json!({"owner": outside}));
    assert_eq!(
        body[referring]["owner"],
        json!({"value": BOSS, "$ref": format!("{BASE}/Users/{BOSS}"), "displayName": "Boss"})
    );
}

/// 7643-2.4-06, A-26: `$ref` follows from the id whether or not a name is shown, and a name that a client may
/// write stays as it was sent.
#[test]
fn a_reference_without_a_name_is_shown_with_its_uri() {
    let device = "urn:example:params:scim:schemas:core:1.0:Device";
    for name in ["display", "displayName"] {
        let schema = json!({"id": device, "attributes": [{"name": "owner", "type": "complex", "subAttributes": [
            {"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}, {"name": name}]}]});
        let resource_type = json!({"name": "Device", "endpoint": "/Devices", "schema": device});
        let file = ("file".to_owned(), json!([schema, resource_type]).to_string());
        let registry = SchemaRegistry::load(&[file]).unwrap();
        let own = registry.resource_type("Device").unwrap();
        let body =
            json!({"schemas": [device], "owner": {"$ref": format!("../Users/{BOSS}"), name: "The boss"}});
        let sent = scim_model::Document::for_create(own, body, Policy { lenient: false }).unwrap();
        let stored = stored("Device", &sent.document.to_stored_json(own));
        let projection = Projection::default();
        let owner = |references: &[Reference]| {
            let shown = represent(&registry, BASE, &projection, &stored, references).unwrap();
            serde_json::from_str::<Value>(&shown.body).unwrap()["owner"].clone()
        };
        assert_eq!(
            owner(&[reference(BOSS, "User", Some("Boss"))]),
            json!({"value": BOSS, "$ref": format!("{BASE}/Users/{BOSS}"), name: "The boss"})
        );
        // Deleted, or of another type.
        for others in [vec![], vec![reference(BOSS, "Device", None)]] {
            assert_eq!(owner(&others), json!({"value": BOSS, name: "The boss"}));
        }
        let mut presenter = Presenter::new(&registry, BASE, &projection);
        assert_eq!(presenter.reference_ids(&stored), [BOSS.parse::<Uuid>().unwrap()]);
    }
}
