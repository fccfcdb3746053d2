//! Schemas and resource types: the built-in ones, and those of an operator.

use scim_model::internal::discovery;
use scim_model::schema::{Mutability, Returned, Uniqueness};
use scim_model::{AttributeType, Document, Policy, SchemaRegistry};
use serde_json::{Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:1.0:User";
const DEVICE: &str = "urn:example:params:scim:schemas:core:1.0:Device";

/// 7643-8.7.1-01, 7643-8.7.2-01
#[test]
fn the_published_schemas_are_those_of_rfc_7643_with_its_errata() {
    let registry = SchemaRegistry::builtin();
    let mut published = Vec::new();
    for schema in &registry.schemas {
        let document = discovery::schema(schema, "https://example.com/v2");
        for attribute in document["attributes"].as_array().unwrap() {
            describe(
                &document["id"].as_str().unwrap().replace(':', " "),
                "",
                attribute,
                &mut published,
            );
        }
    }
    let names = [
        "User",
        "Group",
        "EnterpriseUser",
        "ServiceProviderConfig",
        "ResourceType",
        "Schema",
    ];
    let of = |name: &str| {
        if name == "EnterpriseUser" {
            ENTERPRISE.replace(':', " ")
        } else {
            format!("urn ietf params scim schemas core 2.0 {name}")
        }
    };
    let expected = include_str!("../fixtures/schemas.txt")
        .lines()
        .filter(|it| !it.starts_with('#'));
    let expected: Vec<String> = expected
        .map(|line| {
            let (schema, rest) = line.split_once(' ').unwrap();
            assert!(names.contains(&schema));
            format!("{} {rest}", of(schema))
        })
        .collect();
    let as_in_file = |line: &String| {
        let name = names.iter().find(|it| line.starts_with(&format!("{} ", of(it))));
        name.map_or_else(|| line.clone(), |it| line.replacen(&of(it), it, 1))
    };
    let without = |lines: &[String], others: &[String]| -> Vec<String> {
        lines
            .iter()
            .filter(|it| !others.contains(it))
            .map(as_in_file)
            .collect()
    };
    assert_eq!(
        published,
        expected,
        "the published schemas differ from tests/fixtures/schemas.txt, which is written by hand. If they are right, add \
         the lines {:#?} and remove {:#?}",
        without(&published, &expected),
        without(&expected, &published)
    );
}

fn describe(schema: &str, prefix: &str, attribute: &Value, lines: &mut Vec<String>) {
    let text = |name: &str| attribute[name].as_str().map(str::to_owned);
    let list = |name: &str| {
        let values = attribute[name].as_array()?;
        assert!(name == "canonicalValues" || !values.is_empty());
        Some(
            values
                .iter()
                .map(|it| it.as_str().unwrap())
                .collect::<Vec<_>>()
                .join(","),
        )
    };
    let path = format!("{prefix}{}", text("name").unwrap());
    assert!(
        !text("description").unwrap().is_empty(),
        "{path} has no description"
    );
    let mut words = vec![schema.to_owned(), path.clone(), text("type").unwrap()];
    words.push(
        if attribute["multiValued"].as_bool().unwrap() {
            "many"
        } else {
            "one"
        }
        .to_owned(),
    );
    words.push(
        if attribute["required"].as_bool().unwrap() {
            "required"
        } else {
            "optional"
        }
        .to_owned(),
    );
    words.extend([text("mutability").unwrap(), text("returned").unwrap()]);
    words.extend(
        attribute["caseExact"]
            .as_bool()
            .map(|it| if it { "caseExact" } else { "caseInexact" }.to_owned()),
    );
    words.extend(text("uniqueness").map(|it| format!("unique={it}")));
    words.extend(list("canonicalValues").map(|it| format!("values={it}")));
    words.extend(list("referenceTypes").map(|it| format!("to={it}")));
    lines.push(words.join(" "));
    for sub in attribute["subAttributes"].as_array().into_iter().flatten() {
        describe(schema, &format!("{path}."), sub, lines);
    }
}

/// 7643-3.1-09, 3.1-14, 3.1-16, 3.1-17, 3.1-22
#[test]
fn the_common_attributes_are_those_of_rfc_7643_section_3_1() {
    let registry = SchemaRegistry::builtin();
    let resource_type = registry.resource_type("Group").unwrap();
    let id = resource_type.core_attribute("ID").unwrap();
    assert!(id.case_exact && id.mutability == Mutability::ReadOnly && id.returned == Returned::Always);
    let external_id = resource_type.core_attribute("externalid").unwrap();
    assert!(
        external_id.case_exact && external_id.mutability == Mutability::ReadWrite && !external_id.required
    );
    let meta = resource_type.core_attribute("meta").unwrap();
    assert!(
        meta.sub_attributes
            .iter()
            .all(|it| it.mutability == Mutability::ReadOnly)
    );
    assert!(meta.sub_attribute("version").unwrap().case_exact);
    assert!(meta.sub_attribute("resourceType").unwrap().case_exact);
}

fn load(files: &[Value]) -> Result<SchemaRegistry, String> {
    let files: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(at, it)| (format!("{at}.json"), it.to_string()))
        .collect();
    SchemaRegistry::load(&files).map_err(|error| error.to_string())
}

fn schema(id: &str, attributes: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": id, "name": "Own", "attributes": attributes})
}

fn resource_type(name: &str, endpoint: &str, schema: &str, extensions: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": name, "name": name,
        "endpoint": endpoint, "schema": schema, "schemaExtensions": extensions})
}

#[test]
fn r7643_2_2_01_characteristics_left_out_have_their_defaults() {
    let registry = load(&[schema(
        BADGE,
        json!([{"name": "cost-center"}, {"name": "link", "type": "reference"},
        {"name": "photo", "type": "BINARY"}, {"name": "pin", "mutability": "writeOnly"},
        {"name": "level", "type": "integer", "indexed": true}]),
    )])
    .unwrap();
    let own = registry.schema(&BADGE.to_uppercase()).unwrap();
    let attribute = &own.attributes[0];
    assert_eq!(attribute.type_, AttributeType::String);
    assert!(!attribute.required && !attribute.case_exact && !attribute.multi_valued && !attribute.indexed);
    assert_eq!(attribute.mutability, Mutability::ReadWrite);
    assert_eq!(attribute.returned, Returned::Default);
    assert_eq!(attribute.uniqueness, Uniqueness::None);
    let published = discovery::schema(own, "https://example.com");
    assert_eq!(
        published["attributes"][0],
        json!({"name": "cost-center", "type": "string", "multiValued": false,
        "description": "", "required": false, "caseExact": false, "mutability": "readWrite", "returned": "default",
        "uniqueness": "none"})
    );
    assert_eq!(published["attributes"][1]["referenceTypes"], json!(["uri"]));
    assert_eq!(published["attributes"][1]["caseExact"], json!(true));
    assert_eq!(published["attributes"][2]["caseExact"], json!(true));
    assert_eq!(published["attributes"][3]["returned"], json!("never"));
    assert!(own.attributes[4].indexed && published["attributes"][4].get("indexed").is_none());
}

#[test]
fn documents_that_break_a_rule_are_refused_with_file_and_attribute() {
    let attribute = |attribute: Value| vec![schema(BADGE, json!([attribute]))];
    let sub = |sub: Value| attribute(json!({"name": "badge", "type": "complex", "subAttributes": [sub]}));
    let many = |sub: Value| {
        attribute(json!({"name": "badges", "type": "complex", "multiValued": true, "subAttributes": [sub]}))
    };
    let plain = || schema(BADGE, json!([{"name": "a"}]));
    let device = || schema(DEVICE, json!([{"name": "serial"}]));
    let cases = [
        // 7643-2.1-03, names
        (
            attribute(json!({"name": "1x"})),
            "0.json: attribute `1x`: a name starts with a letter",
        ),
        (
            attribute(json!({"name": "a b"})),
            "attribute `a b`: a name starts",
        ),
        (attribute(json!({"name": "é"})), "attribute `é`: a name starts"),
        (attribute(json!({"name": ""})), "attribute ``: a name starts"),
        (
            attribute(json!({"type": "string"})),
            "0.json: attribute `attributes[0]`: an attribute has no `name`",
        ),
        (
            vec![schema(BADGE, json!([{"name": "a"}, {"name": ["a"]}]))],
            "attribute `attributes[1]`: `name` must be a string",
        ),
        (
            vec![schema(
                BADGE,
                json!([{"name": "a"}, {"name": "b", "type": "complex",
                "subAttributes": [{"name": "c"}, {"nmae": "d"}]}]),
            )],
            "attribute `b.subAttributes[1]`: an attribute has no `name`",
        ),
        (
            attribute(json!("x")),
            "attribute `attributes[0]`: an attribute must be a JSON object",
        ),
        (
            attribute(json!({"name": "$ref", "type": "reference"})),
            "attribute `$ref`: a name starts with a letter",
        ),
        (
            attribute(json!({"name": "a\nb"})),
            "0.json: attribute `a b`: a name starts",
        ),
        (
            vec![schema(BADGE, json!([{"name": "a"}, {"name": "A"}]))],
            "attribute `A`: the name occurs twice",
        ),
        // 7643-3.3-03, reserved names
        (
            attribute(json!({"name": "ID"})),
            "attribute `ID`: the name is reserved",
        ),
        (
            attribute(json!({"name": "meta"})),
            "attribute `meta`: the name is reserved",
        ),
        (
            attribute(json!({"name": "schemas"})),
            "attribute `schemas`: the name is reserved",
        ),
        (
            attribute(json!({"name": "externalId"})),
            "attribute `externalId`: the name is reserved",
        ),
        // 7643-2.3-01, types
        (
            attribute(json!({"name": "a", "type": "uuid"})),
            "attribute `a`: unknown type `uuid`",
        ),
        (
            attribute(json!({"name": "a", "type": 5})),
            "attribute `a`: `type` must be a string",
        ),
        // 7643-2.3.8-03, nesting
        (
            sub(json!({"name": "in", "type": "complex", "subAttributes": [{"name": "x"}]})),
            "attribute `badge.in`: a complex attribute cannot contain a complex attribute",
        ),
        (
            sub(json!({"name": "in", "type": "uuid"})),
            "attribute `badge.in`: unknown type",
        ),
        (
            attribute(json!({"name": "a", "subAttributes": [{"name": "x"}]})),
            "attribute `a`: complex attributes, and no others",
        ),
        (
            attribute(json!({"name": "a", "type": "complex"})),
            "attribute `a`: complex attributes, and no others",
        ),
        // characteristics
        (
            attribute(json!({"name": "a", "mutability": "readonly"})),
            "`mutability` has the unknown value `readonly`; the values are readOnly, readWrite, immutable and writeOnly",
        ),
        (
            attribute(json!({"name": "a", "returned": "often"})),
            "`returned` has the unknown value `often`; the values are always, never, default and request",
        ),
        (
            attribute(json!({"name": "a", "uniqueness": true})),
            "`uniqueness` has the unknown value `true`; the values are none, server and global",
        ),
        (
            attribute(json!({"name": "a", "required": "yes"})),
            "`required` must be true or false",
        ),
        (
            attribute(json!({"name": "a", "requried": true})),
            "unknown member `requried`",
        ),
        (
            attribute(json!({"name": "a", "mutability": "writeOnly", "returned": "default"})),
            "`returned` must be `never`",
        ),
        (attribute(json!({"name": "a", "secret": true})), "can be `secret`"),
        (
            attribute(json!({"name": "a", "secret": true, "mutability": "writeOnly", "multiValued": true})),
            "can be `secret`",
        ),
        (
            attribute(json!({"name": "a", "secret": true, "mutability": "writeOnly", "type": "integer"})),
            "can be `secret`",
        ),
        (
            attribute(json!({"name": "a", "type": "complex", "subAttributes": [
                {"name": "b", "secret": true, "mutability": "writeOnly"}]})),
            "can be `secret`",
        ),
        // types of members
        (
            attribute(json!({"name": "a", "description": ["x"]})),
            "0.json: attribute `a`: `description` must be a string",
        ),
        (
            sub(json!({"name": "a", "multiValued": "true"})),
            "0.json: attribute `badge.a`: `multiValued` must be true or false",
        ),
        (
            attribute(json!({"name": "a", "type": "complex", "subAttributes": {"name": "b"}})),
            "attribute `a`: `subAttributes` must be an array",
        ),
        (
            attribute(json!({"name": "a", "canonicalValues": ["x", 1]})),
            "attribute `a`: `canonicalValues` must be an array of strings",
        ),
        (
            attribute(json!({"name": "a", "type": "reference", "referenceTypes": [null]})),
            "attribute `a`: `referenceTypes` must be an array of strings",
        ),
        (
            attribute(json!({"name": "a", "type": null})),
            "attribute `a`: `type` must be a string",
        ),
        (
            attribute(json!({"name": "a", "type": "uuid"})),
            "the types are string, boolean, decimal, integer, dateTime, reference, binary and complex",
        ),
        // members that only the built-in schemas have
        (
            attribute(json!({"name": "a", "type": "boolean", "default": null})),
            "attribute `a`: unknown member `default`; the known members are name, type, multiValued, description, required, canonicalValues, caseExact, mutability, returned, uniqueness, referenceTypes, subAttributes, indexed, secret",
        ),
        (
            sub(json!({"name": "a", "Format": "country"})),
            "attribute `badge.a`: unknown member `format`",
        ),
        // 7643-2.3.2-01, 7643-2.3.3-01, 7643-2.3.8-02
        (
            attribute(json!({"name": "a", "type": "boolean", "caseExact": true})),
            "attribute `a`: only strings, references and binary values can be `caseExact`",
        ),
        (
            attribute(json!({"name": "a", "type": "integer", "caseExact": true})),
            "can be `caseExact`",
        ),
        (
            attribute(
                json!({"name": "a", "type": "complex", "caseExact": true, "subAttributes": [{"name": "b"}]}),
            ),
            "can be `caseExact`",
        ),
        (
            attribute(
                json!({"name": "a", "secret": true, "mutability": "writeOnly", "uniqueness": "server"}),
            ),
            "attribute `a`: a secret cannot be unique",
        ),
        // 7643-2.4-02, sub-attributes that RFC 7643 section 2.4 defines
        (
            many(json!({"name": "primary"})),
            "attribute `badges.primary`: `primary` of a multi-valued attribute must be a single boolean",
        ),
        (
            many(json!({"name": "primary", "type": "boolean", "multiValued": true})),
            "must be a single boolean",
        ),
        (
            many(json!({"name": "$ref"})),
            "attribute `badges.$ref`: `$ref` of a multi-valued attribute must be a single reference",
        ),
        (
            many(json!({"name": "Type", "type": "integer"})),
            "attribute `badges.Type`: `type` of a multi-valued attribute must be a single string",
        ),
        (
            many(json!({"name": "display", "type": "boolean"})),
            "must be a single string",
        ),
        (
            attribute(json!({"name": "a", "type": "reference", "referenceTypes": ["User", "Printer"]})),
            "attribute `a`: `referenceTypes` has `Printer`; the values are external, uri and the resource types User, Group",
        ),
        (
            sub(json!({"name": "$ref", "type": "reference", "referenceTypes": ["user"]})),
            "attribute `badge.$ref`: `referenceTypes` has `user`",
        ),
        (
            attribute(json!({"name": "a", "multiValued": true, "uniqueness": "server"})),
            "`uniqueness` must be `none`",
        ),
        (
            attribute(json!({"name": "a", "referenceTypes": ["User"]})),
            "only references have `referenceTypes`",
        ),
        (
            attribute(json!({"name": "a", "type": "integer", "canonicalValues": ["1"]})),
            "only strings have",
        ),
        (
            attribute(json!({"name": "a", "type": "boolean", "canonicalValues": "x"})),
            "must be an array of strings",
        ),
        // URNs
        (
            vec![plain(), plain()],
            "1.json: there is another schema with the id",
        ),
        (
            vec![schema(&USER.to_uppercase(), json!([{"name": "a"}]))],
            "there is another schema",
        ),
        (
            vec![schema("https://example.com/x", json!([{"name": "a"}]))],
            "must be a URN",
        ),
        (vec![schema("urn:a:b", json!([{"name": "a"}]))], "must be a URN"),
        (vec![schema("urn:ex:", json!([{"name": "a"}]))], "must be a URN"),
        (vec![schema("urn:ex:a:", json!([{"name": "a"}]))], "must be a URN"),
        (
            vec![schema("urn:ex:a\"b", json!([{"name": "a"}]))],
            "must be a URN",
        ),
        (
            vec![schema("urn:ietf:params:scim:api:x", json!([{"name": "a"}]))],
            "reserved",
        ),
        (
            vec![plain(), schema(&format!("{BADGE}:a"), json!([{"name": "b"}]))],
            "reads as the attribute `a`",
        ),
        (
            vec![schema(&format!("{USER}:title"), json!([{"name": "b"}]))],
            "reads as the attribute `title`",
        ),
        (vec![schema(BADGE, json!([]))], "at least one attribute"),
        // resource types
        (
            vec![resource_type("Device", "/Devices", DEVICE, json!([]))],
            "there is no schema",
        ),
        (
            vec![
                device(),
                resource_type(
                    "Device",
                    "/Devices",
                    DEVICE,
                    json!([{"schema": BADGE, "required": true}]),
                ),
            ],
            "1.json: there is no schema `urn:example:params:scim:schemas:extension:badge:1.0:User`",
        ),
        (
            vec![
                device(),
                plain(),
                resource_type("Device", "/Devices", DEVICE, json!([{"schema": BADGE}])),
            ],
            "must have `required`",
        ),
        (
            vec![
                device(),
                resource_type(
                    "Device",
                    "/Devices",
                    DEVICE,
                    json!([{"schema": DEVICE, "required": true}]),
                ),
            ],
            "named twice",
        ),
        (
            vec![
                device(),
                resource_type(
                    "Device",
                    "/Devices",
                    DEVICE,
                    json!([{"schema": USER.to_uppercase(), "required": false}]),
                ),
            ],
            "the schema `urn:ietf:params:scim:schemas:core:2.0:User` is a core schema, not an extension",
        ),
        (
            vec![device(), resource_type("Device", "/Schemas", DEVICE, json!([]))],
            "the endpoint `/Schemas` is reserved",
        ),
        (
            vec![device(), resource_type("Device", "/bulk", DEVICE, json!([]))],
            "reserved",
        ),
        (
            vec![device(), resource_type("Device", "/users", DEVICE, json!([]))],
            "there is another resource type at",
        ),
        (
            vec![device(), resource_type("Device", "Devices", DEVICE, json!([]))],
            "must be `/` and one name",
        ),
        (
            vec![device(), resource_type("Device", "/a/b", DEVICE, json!([]))],
            "must be `/` and one name",
        ),
        (
            vec![device(), resource_type("Device", "/.search", DEVICE, json!([]))],
            "must be `/` and one name",
        ),
        (
            vec![device(), resource_type("De vice", "/Devices", DEVICE, json!([]))],
            "the name `De vice`",
        ),
        (
            vec![device(), resource_type("schema", "/Devices", DEVICE, json!([]))],
            "the name `schema` is reserved",
        ),
        (
            vec![device(), resource_type("URI", "/Devices", DEVICE, json!([]))],
            "the name `URI` is reserved",
        ),
        (
            vec![
                device(),
                resource_type("A", "/A", DEVICE, json!([])),
                resource_type("a", "/B", DEVICE, json!([])),
            ],
            "another resource type with the name `a`",
        ),
        (
            vec![resource_type("User", "/People", USER, json!([]))],
            "`User` must keep",
        ),
        (
            vec![device(), resource_type("User", "/Users", DEVICE, json!([]))],
            "`User` must keep",
        ),
        (
            vec![resource_type("Person", "/People", USER, json!([]))],
            "belongs to a built-in resource type",
        ),
        (
            vec![resource_type(
                "S",
                "/S",
                "urn:ietf:params:scim:schemas:core:2.0:Schema",
                json!([]),
            )],
            "there is no schema",
        ),
        (
            vec![device(), resource_type("Device", "/Devices", DEVICE, json!({}))],
            "1.json: `schemaExtensions` must be an array",
        ),
        (
            vec![
                device(),
                resource_type("Device", "/Devices", DEVICE, json!([DEVICE])),
            ],
            "each of `schemaExtensions` must be an object with `schema` and `required`",
        ),
        (
            vec![
                device(),
                plain(),
                resource_type(
                    "Device",
                    "/Devices",
                    DEVICE,
                    json!([{"schema": BADGE, "required": true, "name": "Badge"}]),
                ),
            ],
            "2.json: unknown member `name`; the known members are schema, required",
        ),
        (
            vec![device(), resource_type("Device", "", DEVICE, json!([]))],
            "1.json: `endpoint` is missing",
        ),
        (
            vec![json!({"name": "Device", "endpoint": "/Devices"})],
            "0.json: `schema` is missing",
        ),
        (
            vec![
                device(),
                json!({"id": "Other", "name": "Device", "endpoint": "/Devices", "schema": DEVICE}),
            ],
            "1.json: `id` must be the name, `Device`, or be left out",
        ),
        // documents
        (vec![json!("x")], "expected a JSON object"),
        (
            vec![json!({"attributes": [{"name": "a"}]})],
            "0.json: `id` is missing",
        ),
        (
            vec![json!({"id": BADGE, "title": "Badge", "attributes": [{"name": "a"}]})],
            "0.json: unknown member `title`; the known members are schemas, id, externalId, meta, name, description, attributes",
        ),
        (
            vec![json!({"schemas": BADGE, "id": BADGE, "attributes": [{"name": "a"}]})],
            "0.json: `schemas` must be an array of URNs",
        ),
        (
            vec![json!({"schemas": ["urn:x"], "id": "urn:example:x"})],
            "`schemas` must name",
        ),
        (vec![json!({"id": "urn:example:x"})], "`schemas` must name"),
    ];
    for (files, part) in cases {
        let error = load(&files).unwrap_err();
        assert!(
            error.contains(part),
            "{}\nsays: {error}\nnot:  {part}",
            Value::Array(files)
        );
    }
}

#[test]
fn malformed_files_are_refused_in_one_line() {
    let load = |text: &str| {
        let files = [("a\nb.json".to_owned(), text.to_owned())];
        let error = SchemaRegistry::load(&files).unwrap_err().to_string();
        assert!(error.starts_with("a b.json: "), "{error}");
        assert!(
            error.len() < 1000 && !error.contains(char::is_control),
            "{error:?}"
        );
        error["a b.json: ".len()..].to_owned()
    };
    assert_eq!(
        load(r#"{"attributes":[{"name":"a"},{"name":"b","Name":"c"}]}"#),
        "`attributes[1].Name` occurs twice in one object at line 1 column 47"
    );
    assert_eq!(load(""), "the file is empty, expected JSON");
    assert_eq!(
        load("\u{feff}{\"a\":"),
        "the file is not JSON: expected a value at line 1 column 6"
    );
    assert_eq!(
        load(&"[".repeat(100_000)),
        "the file is nested deeper than 64 levels"
    );
    // Long parts of the document are shortened in the message.
    let long = "x\n".repeat(500_000);
    let plain = "x".repeat(201);
    for document in [
        json!({"id": format!("urn:example:{plain}"), "attributes": [{"name": "a"}]}),
        json!({"id": BADGE, "attributes": [{"name": plain}]}),
        json!({"name": plain, "endpoint": "/Devices", "schema": USER}),
        json!({"name": "Device", "endpoint": format!("/{plain}"), "schema": USER}),
    ] {
        let error = load(&document.to_string());
        assert!(error.ends_with("must not be longer than 200 bytes"), "{error}");
    }
    for document in [
        json!({"id": long, "attributes": [{"name": "a"}]}),
        json!({"id": BADGE, "attributes": [{"name": long}]}),
        json!({"id": BADGE, "attributes": [{"name": "a", "type": long}]}),
        json!({"id": BADGE, "attributes": [{"name": "a", "mutability": [long]}]}),
        json!({"id": BADGE, "attributes": [{"name": "a", "type": "reference", "referenceTypes": [long]}]}),
        json!({"id": BADGE, "attributes": [{"name": "a", long.clone(): 1}]}),
        json!({"name": "Device", "endpoint": long, "schema": USER}),
        json!({"name": long, "endpoint": "/Devices", "schema": USER}),
        json!({"name": "Device", "endpoint": "/Devices", "schema": long}),
    ] {
        load(&document.to_string());
    }
}

/// 7643-2.1-01: names of members match in any case, and `null` is an absent member.
#[test]
fn documents_are_read_whatever_the_case_of_their_members() {
    let own = |document: Value| load(&[document]).unwrap().schema(BADGE).unwrap().clone();
    let document = json!({"SCHEMAS": ["urn:ietf:params:scim:schemas:core:2.0:schema"], "Id": BADGE, "NAME": "Own",
        "externalid": 5, "meta": {"version": "1"}, "Description": "d", "ATTRIBUTES": [{"Name": "a", "TYPE": "Complex", "multivalued": true,
            "subattributes": [{"name": "b", "CASEEXACT": true, "canonicalvalues": ["x"]}]}]});
    let expected = json!({"id": BADGE, "name": "Own", "description": "d", "attributes": [{"name": "a", "type": "complex",
        "multiValued": true, "subAttributes": [{"name": "b", "caseExact": true, "canonicalValues": ["x"]}]}]});
    assert_eq!(own(document), own(expected));
    let document = json!({"id": BADGE, "name": null, "description": null, "attributes": [{"name": "a", "description": null,
        "required": null, "canonicalValues": null, "mutability": null, "returned": null, "uniqueness": null, "subAttributes": null}]});
    let expected = json!({"id": BADGE, "name": "User", "attributes": [{"name": "a"}]});
    assert_eq!(own(document), own(expected));
}

/// The published uniqueness is the enforced one: a server does not know the values of others.
#[test]
fn global_uniqueness_is_published_as_server_uniqueness() {
    let registry = load(&[schema(BADGE, json!([{"name": "a", "uniqueness": "global"}]))]).unwrap();
    let own = registry.schema(BADGE).unwrap();
    assert_eq!(own.attributes[0].uniqueness, Uniqueness::Server);
    let published = discovery::schema(own, "https://example.com");
    assert_eq!(published["attributes"][0]["uniqueness"], json!("server"));
}

/// The limit is inclusive.
#[test]
fn the_name_of_an_attribute_may_have_200_bytes() {
    let named = |length: usize| load(&[schema(BADGE, json!([{"name": "a".repeat(length)}]))]);
    named(200).unwrap();
    let error = named(201).unwrap_err().to_string();
    assert!(error.contains("must not be longer than 200 bytes"), "{error}");
}

/// Only the URN of a schema with one of its attributes at the end is ambiguous.
#[test]
fn the_urn_of_one_schema_may_begin_with_that_of_another() {
    let longer = schema(&format!("{BADGE}:other"), json!([{"name": "b"}]));
    let ends_like_an_attribute = schema("urn:example:params:scim:schemas:title", json!([{"name": "c"}]));
    load(&[
        schema(BADGE, json!([{"name": "a"}])),
        longer,
        ends_like_an_attribute,
    ])
    .unwrap();
}

/// An operator's types, and references to them, may come in any order. `"caseExact": false` is accepted for any type.
#[test]
fn references_may_name_an_operators_resource_types() {
    let registry = load(&[
        schema(
            BADGE,
            json!([{"name": "reader", "type": "reference", "referenceTypes": ["Device", "external", "User"]},
                {"name": "open", "type": "boolean", "caseExact": false},
                {"name": "kinds", "type": "complex", "multiValued": true, "subAttributes": [
                    {"name": "value", "type": "integer"}, {"name": "primary", "type": "boolean"},
                    {"name": "$ref", "type": "reference", "referenceTypes": ["Device"]}]},
                {"name": "kind", "type": "complex", "subAttributes": [{"name": "type", "type": "integer"}]}]),
        ),
        resource_type("Device", "/Devices", DEVICE, json!([])),
        schema(DEVICE, json!([{"name": "serial"}])),
    ]);
    assert!(registry.is_ok(), "{registry:?}");
}

#[test]
fn an_extension_is_attached_by_a_resource_type_document() {
    let badge = schema(
        BADGE,
        json!([{"name": "number", "type": "integer", "required": true},
        {"name": "weight", "type": "decimal"}, {"name": "issued", "type": "dateTime"},
        {"name": "serial", "mutability": "immutable"}]),
    );
    // Alone it has no effect.
    let registry = load(std::slice::from_ref(&badge)).unwrap();
    assert_eq!(registry.schemas.len(), 7);
    assert_eq!(registry.resource_type("User").unwrap().extensions.len(), 1);
    // The document has exactly the extensions that it lists.
    let user = resource_type(
        "User",
        "/Users",
        USER,
        json!([{"schema": BADGE, "required": true}]),
    );
    let registry = load(&[user, badge]).unwrap();
    assert_eq!(registry.resource_types.len(), 2);
    let own = registry.resource_type("User").unwrap();
    assert_eq!(own.extensions.len(), 1);
    assert!(own.extension_of(ENTERPRISE).is_none() && own.has_groups());

    let create = |extension: Value| {
        let body = json!({"schemas": [USER, BADGE], "userName": "a", BADGE: extension});
        Document::for_create(own, body, Policy { lenient: true })
    };
    // Numbers keep their digits.
    let body = format!(
        r#"{{"schemas":["{USER}"],"userName":"a","{BADGE}":{{"number":123456789012345678901,"weight":1.50}}}}"#
    );
    let body = scim_model::json::parse(body.as_bytes()).unwrap();
    let sent = Document::for_create(own, body, Policy { lenient: false }).unwrap();
    let text = sent.document.to_stored_json(own);
    assert!(
        text.contains(r#"{"number":123456789012345678901,"weight":1.50}"#),
        "{text}"
    );
    // 7643-6-09, 7643-2.3.3-01, 7643-2.3.4-01, 7643-2.3.5-01, A-59
    let sent = create(json!({"number": 7, "weight": 1.50, "issued": "2020-01-01T01:00:00+01:00"})).unwrap();
    let expected = r#"{"number":7,"weight":1.5,"issued":"2020-01-01T01:00:00+01:00"}"#;
    assert_eq!(sent.document.values()[BADGE].to_string(), expected);
    // Entra sends numbers as strings.
    let sent = create(json!({"number": "-7", "weight": "1.50"})).unwrap();
    assert_eq!(
        sent.document.values()[BADGE].to_string(),
        r#"{"number":-7,"weight":1.50}"#
    );
    // A dateTime without a zone is UTC, and is returned with a zone for readers that require one.
    let sent = create(json!({"number": 7, "issued": "2020-01-01T01:00:00.5"})).unwrap();
    assert_eq!(
        sent.document.values()[BADGE]["issued"],
        "2020-01-01T01:00:00.500Z"
    );
    for (extension, path) in [
        (json!({"weight": 1}), format!("`{BADGE}:number` is required")),
        (json!(null), format!("`{BADGE}` is required")),
        (json!({}), format!("`{BADGE}` is required")),
        (
            json!({"number": 3.5}),
            format!("`{BADGE}:number` must be an integer"),
        ),
        (
            scim_model::json::parse(b"{\"number\":3e2}").unwrap(),
            format!("`{BADGE}:number` must be an integer"),
        ),
        (
            json!({"number": "3.0"}),
            format!("`{BADGE}:number` must be an integer"),
        ),
        (
            json!({"number": 1, "weight": "1.5e0"}),
            format!("`{BADGE}:weight` must be a number"),
        ),
        (
            json!({"number": 1, "issued": "2020-01-01"}),
            format!("`{BADGE}:issued` must be a date and time"),
        ),
    ] {
        let error = create(extension).unwrap_err();
        assert_eq!(error.scim_type().unwrap().as_str(), "invalidValue");
        assert!(error.detail.starts_with(&path), "{}", error.detail);
    }
}

#[test]
fn r7643_7_16_an_immutable_attribute_keeps_its_value() {
    let badge = schema(
        BADGE,
        json!([{"name": "serial", "mutability": "immutable"}, {"name": "colour"},
        {"name": "maker", "type": "complex", "subAttributes": [{"name": "name", "mutability": "immutable"}, {"name": "city"}]}]),
    );
    let user = resource_type(
        "User",
        "/Users",
        USER,
        json!([{"schema": BADGE, "required": false}]),
    );
    let registry = load(&[badge, user]).unwrap();
    let own = registry.resource_type("User").unwrap();
    let replace = |current: Value, extension: Value| {
        let current = Document::from_values(
            json!({"userName": "a", BADGE: current})
                .as_object()
                .unwrap()
                .clone(),
        );
        let body = json!({"schemas": [USER], "userName": "a", BADGE: extension});
        Document::for_replace(own, &current, body, Policy { lenient: false })
            .map(|it| it.document.values()[BADGE].to_string())
    };
    let kept =
        |current, extension, expected: &str| assert_eq!(replace(current, extension).unwrap(), expected);
    kept(
        json!({"serial": "1"}),
        json!({"serial": "1", "colour": "red"}),
        r#"{"serial":"1","colour":"red"}"#,
    );
    kept(
        json!({"colour": "red"}),
        json!({"serial": "2"}),
        r#"{"serial":"2"}"#,
    );
    kept(
        json!({"serial": "1", "colour": "red"}),
        json!(null),
        r#"{"serial":"1"}"#,
    );
    kept(
        json!({"maker": {"name": "n", "city": "c"}}),
        json!({"maker": {"city": "d"}}),
        r#"{"maker":{"name":"n","city":"d"}}"#,
    );
    for (current, extension, path) in [
        (json!({"serial": "1"}), json!({"serial": "2"}), "serial"),
        (
            json!({"maker": {"name": "n"}}),
            json!({"maker": {"name": "m"}}),
            "maker.name",
        ),
    ] {
        let error = replace(current, extension).unwrap_err();
        assert_eq!(error.scim_type().unwrap().as_str(), "mutability");
        assert!(
            error.detail.contains(&format!("`{BADGE}:{path}`")),
            "{}",
            error.detail
        );
    }
}

#[test]
fn an_operators_resource_type_is_data() {
    // 7643-3.1-03: a core schema that lists common attributes does not change them.
    let device = schema(
        DEVICE,
        json!([{"name": "id", "caseExact": false}, {"name": "serial", "required": true, "uniqueness": "server"},
        {"name": "members", "multiValued": true}]),
    );
    let registry = load(&[resource_type("Device", "/Devices", DEVICE, json!(null)), device]).unwrap();
    let own = registry.resource_type_at("/Devices").unwrap();
    assert!(!own.has_members() && !own.has_groups());
    assert!(own.core_attribute("id").unwrap().case_exact);
    let body = json!({"schemas": [DEVICE], "serial": "x", "members": ["a"], "externalId": "e"});
    let sent = Document::for_create(own, body, Policy { lenient: false }).unwrap();
    let text = sent.document.to_stored_json(own);
    assert_eq!(
        text,
        format!(r#"{{"schemas":["{DEVICE}"],"externalId":"e","serial":"x","members":["a"]}}"#)
    );
    assert_eq!(sent.members, None);
}

#[test]
fn data_of_a_removed_extension_stays() {
    let registry = SchemaRegistry::builtin();
    let user = registry.resource_type("User").unwrap();
    let text = format!(r#"{{"schemas":["{USER}","{BADGE}"],"userName":"a","{BADGE}":{{"number":7}}}}"#);
    let current = Document::from_stored_json(&text).unwrap();
    assert_eq!(current.schemas(user), [USER]);
    let body = json!({"schemas": [USER], "userName": "b"});
    let sent = Document::for_replace(user, &current, body, Policy { lenient: false }).unwrap();
    let expected = format!(r#"{{"schemas":["{USER}","{BADGE}"],"userName":"b","{BADGE}":{{"number":7}}}}"#);
    assert_eq!(sent.document.to_stored_json(user), expected);
}

/// The built-in types, with this extension of User.
fn user_with(attributes: Value, required: bool) -> SchemaRegistry {
    let user = resource_type(
        "User",
        "/Users",
        USER,
        json!([{"schema": BADGE, "required": required}]),
    );
    load(&[schema(BADGE, attributes), user]).unwrap()
}

fn document(value: Value) -> Document {
    Document::from_values(value.as_object().unwrap().clone())
}

/// 7644-3.5.1-06: immutable values stay, and the object around them keeps its required values.
#[test]
fn a_replacement_may_leave_out_an_object_with_immutable_values() {
    let registry = user_with(
        json!([{"name": "serial", "mutability": "immutable", "required": true},
            {"name": "number", "type": "integer", "required": true}, {"name": "colour"},
            {"name": "maker", "type": "complex", "subAttributes": [
                {"name": "city", "required": true}, {"name": "street"},
                {"name": "name", "mutability": "immutable", "required": true}]}]),
        false,
    );
    let own = registry.resource_type("User").unwrap();
    let replace = |current: Value, extension: Option<Value>| {
        let mut body = json!({"schemas": [USER], "userName": "a"});
        if let Some(extension) = extension {
            body[BADGE] = extension;
        }
        let current = document(json!({"userName": "a", BADGE: current}));
        let sent = Document::for_replace(own, &current, body, Policy { lenient: false });
        sent.map(|it| it.document.values().get(BADGE).map(Value::to_string))
            .map_err(|it| it.detail)
    };
    let whole = json!({"serial": "1", "number": 7, "colour": "red",
        "maker": {"city": "c", "street": "s", "name": "n"}});
    let kept = r#"{"serial":"1","number":7,"maker":{"city":"c","name":"n"}}"#;
    for left_out in [None, Some(json!(null)), Some(json!({}))] {
        assert_eq!(
            replace(whole.clone(), left_out.clone()),
            Ok(Some(kept.to_owned())),
            "{left_out:?}"
        );
    }
    // Only the complex value is left out.
    let without_maker = json!({"serial": "1", "number": 8});
    assert_eq!(
        replace(whole.clone(), Some(without_maker)),
        Ok(Some(kept.replace('7', "8")))
    );
    // An object in the body must be complete.
    let error = replace(whole.clone(), Some(json!({"serial": "1"}))).unwrap_err();
    assert_eq!(
        error,
        format!("`{BADGE}:number` is required and must not be empty")
    );
    let error = replace(
        whole,
        Some(json!({"serial": "1", "number": 7, "maker": {"street": "t"}})),
    )
    .unwrap_err();
    assert_eq!(
        error,
        format!("`{BADGE}:maker.city` is required and must not be empty")
    );
    // Without immutable values everything is removed.
    assert_eq!(
        replace(json!({"number": 7, "maker": {"city": "c"}}), None),
        Ok(None)
    );
}

/// 7643-6-09: secrets are in no document, but an extension that has one is present.
#[test]
fn an_extension_may_have_only_secrets() {
    let pin = json!({"name": "pin", "mutability": "writeOnly", "secret": true, "required": true});
    let puk = json!({"name": "puk", "mutability": "writeOnly", "secret": true});
    let colour = json!({"name": "colour"});
    let lenient = Policy { lenient: true };
    let create = |registry: &SchemaRegistry, extension: Value| {
        let own = registry.resource_type("User").unwrap();
        let body = json!({"schemas": [USER, BADGE], "userName": "a", BADGE: extension});
        Document::for_create(own, body, lenient).map_err(|it| it.detail)
    };
    let missing = Err(format!("`{BADGE}:pin` is required and must not be empty"));

    let secrets_only = user_with(json!([pin, puk]), true);
    let own = secrets_only.resource_type("User").unwrap();
    let sent = create(&secrets_only, json!({"pin": "1234"})).unwrap();
    assert_eq!(sent.document, document(json!({"userName": "a"})));
    assert_eq!(sent.secrets.keys().collect::<Vec<_>>(), [&format!("{BADGE}:pin")]);
    // Every resource has the extension, so every resource names it.
    assert_eq!(sent.document.schemas(own), [USER, BADGE]);
    let body = json!({"schemas": [USER, BADGE], "userName": "b"});
    let replaced = Document::for_replace(own, &sent.document, body, lenient).unwrap();
    assert_eq!(replaced.document, document(json!({"userName": "b"})));
    assert_eq!(
        create(&secrets_only, json!({"puk": "5678"})).map(|it| it.document),
        missing
    );
    let required = format!("`{BADGE}` is required: every resource of this type has the extension");
    for none in [json!(null), json!({})] {
        assert_eq!(
            create(&secrets_only, none).map(|it| it.document),
            Err(required.clone())
        );
    }

    let mixed = user_with(json!([pin, colour]), true);
    let own = mixed.resource_type("User").unwrap();
    let sent = create(&mixed, json!({"pin": "1234"})).unwrap();
    assert_eq!(sent.document.schemas(own), [USER]);
    assert_eq!(
        create(&mixed, json!({"colour": "red"})).map(|it| it.document),
        missing
    );
    // The secret stays, so the body may omit the extension, unless its other values would vanish.
    let body = || json!({"schemas": [USER], "userName": "b"});
    assert!(Document::for_replace(own, &sent.document, body(), lenient).is_ok());
    let current = document(json!({"userName": "a", BADGE: {"colour": "red"}}));
    let error = Document::for_replace(own, &current, body(), lenient).unwrap_err();
    assert_eq!(error.detail, required);

    // An optional extension may be absent. A body that has it must have its required attributes.
    let optional = user_with(json!([pin, puk]), false);
    assert!(create(&optional, json!(null)).is_ok());
    assert_eq!(
        create(&optional, json!({"puk": "5678"})).map(|it| it.document),
        missing
    );
    assert!(create(&optional, json!({"pin": "1234"})).is_ok());
}

/// A newly required attribute must not prevent the deactivation of an account.
#[test]
fn a_patch_is_refused_only_for_values_that_it_makes_missing() {
    let registry = user_with(
        json!([{"name": "number", "required": true}, {"name": "colour"},
            {"name": "maker", "type": "complex", "subAttributes": [{"name": "city", "required": true}, {"name": "street"}]},
            {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value", "required": true}, {"name": "display"}, {"name": "primary", "type": "boolean"}]}]),
        true,
    );
    let own = registry.resource_type("User").unwrap();
    let check = |before: Option<Value>, after: Option<Value>| {
        let user = |extension: Option<Value>| {
            let mut user = json!({"userName": "a"});
            if let Some(extension) = extension {
                user[BADGE] = extension;
            }
            document(user)
        };
        user(after)
            .check_patched(own, &user(before))
            .map_err(|it| it.detail)
    };
    let broken = |path: &str| Err(format!("`{BADGE}{path}` is required and must not be empty"));
    // Values that were missing before.
    let is_fine = |before: Option<Value>, after: Option<Value>| assert_eq!(check(before, after), Ok(()));
    is_fine(None, None);
    is_fine(Some(json!({"colour": "red"})), Some(json!({"colour": "blue"})));
    is_fine(
        Some(json!({"number": ""})),
        Some(json!({"number": "", "colour": "blue"})),
    );
    is_fine(
        Some(json!({"number": "1", "maker": {"street": "s"}})),
        Some(json!({"number": "1", "maker": {"street": "t"}})),
    );
    is_fine(
        Some(json!({"number": "1", "keys": [{"display": "d", "primary": true}]})),
        Some(
            json!({"number": "1", "keys": [{"display": "d", "primary": false}, {"value": "v", "primary": true}]}),
        ),
    );
    // Values that the PATCH makes missing.
    assert_eq!(
        check(Some(json!({"number": "1"})), None),
        Err(format!(
            "`{BADGE}` is required: every resource of this type has the extension"
        ))
    );
    assert_eq!(
        check(
            Some(json!({"number": "1", "colour": "red"})),
            Some(json!({"colour": "red"}))
        ),
        broken(":number")
    );
    assert_eq!(check(None, Some(json!({"colour": "red"}))), broken(":number"));
    assert_eq!(
        check(
            Some(json!({"number": "1"})),
            Some(json!({"number": "1", "maker": {"street": "s"}}))
        ),
        broken(":maker.city")
    );
    assert_eq!(
        check(
            Some(json!({"number": "1", "maker": {"city": "c"}})),
            Some(json!({"number": "1", "maker": {"city": ""}}))
        ),
        broken(":maker.city")
    );
    assert_eq!(
        check(
            Some(json!({"number": "1", "keys": [{"display": "d"}, {"value": "v"}]})),
            Some(json!({"number": "1", "keys": [{"display": "d"}, {"display": "v"}]}))
        ),
        broken(":keys.value")
    );
    // Without a document before, all required values are checked.
    let error = document(json!({"userName": "a", BADGE: {"colour": "red"}}))
        .check(own)
        .unwrap_err();
    assert_eq!(Err::<(), _>(error.detail), broken(":number"));
}

/// The extension after a PUT over `current`, or the detail of its error.
fn replaced(registry: &SchemaRegistry, current: Value, body: Value, lenient: bool) -> Result<String, String> {
    let own = registry.resource_type("User").unwrap();
    let current = document(json!({"userName": "a", BADGE: current}));
    let mut whole = json!({"schemas": [USER], "userName": "a"});
    if !body.is_null() {
        whole[BADGE] = body;
    }
    Document::for_replace(own, &current, whole, Policy { lenient })
        .map(|it| {
            it.document
                .values()
                .get(BADGE)
                .map(Value::to_string)
                .unwrap_or_default()
        })
        .map_err(|it| it.detail)
}

/// 7644-3.5.1-06, 7643-7-16: another spelling of an equal value is not a change.
#[test]
fn an_immutable_value_matches_in_any_spelling() {
    let immutable = |name: &str, type_: &str, many: bool| json!({"name": name, "type": type_, "multiValued": many, "mutability": "immutable"});
    let mut link = immutable("link", "complex", true);
    link["subAttributes"] = json!([{"name": "value"}, {"name": "since", "type": "dateTime"}, {"name": "primary", "type": "boolean"}]);
    let registry = user_with(
        json!([immutable("at", "dateTime", false), immutable("weight", "decimal", false),
            immutable("octets", "binary", false), immutable("tags", "string", true),
            immutable("name", "string", false), link,
            {"name": "maker", "type": "complex", "subAttributes": [immutable("since", "dateTime", false)]}]),
        false,
    );
    let weight = |text: &str| scim_model::json::parse(text.as_bytes()).unwrap();
    for (old, same, other) in [
        (
            json!({"at": "2020-01-01T00:00:00Z"}),
            json!({"at": "2020-01-01T01:00:00.000+01:00"}),
            json!({"at": "2020-01-01T01:00:00Z"}),
        ),
        (
            weight(r#"{"weight":1.5}"#),
            weight(r#"{"weight":1.50}"#),
            weight(r#"{"weight":1.51}"#),
        ),
        (
            json!({"octets": "QQ=="}),
            json!({"octets": "QQ"}),
            json!({"octets": "Qg"}),
        ),
        (
            json!({"tags": ["a", "B", "b"]}),
            json!({"tags": ["b", "b", "A"]}),
            json!({"tags": ["a", "A", "b"]}),
        ),
        (
            json!({"name": "Straße"}),
            json!({"name": "STRASSE"}),
            json!({"name": "Strasze"}),
        ),
        (
            json!({"link": [{"value": "x", "since": "2020-01-01T00:00:00Z"}, {"value": "y"}]}),
            json!({"link": [{"value": "Y", "primary": false}, {"since": "2019-12-31T23:00:00-01:00", "value": "X"}]}),
            json!({"link": [{"value": "x"}, {"value": "y", "since": "2020-01-01T00:00:00Z"}]}),
        ),
        (
            json!({"maker": {"since": "2020-01-01T00:00:00Z"}}),
            json!({"maker": {"since": "2020-01-01T01:00:00+01:00"}}),
            json!({"maker": {"since": "2020-01-02T00:00:00Z"}}),
        ),
    ] {
        // The old spelling stays.
        assert_eq!(
            replaced(&registry, old.clone(), same.clone(), false),
            Ok(old.to_string()),
            "{same}"
        );
        let error = replaced(&registry, old, other.clone(), false).unwrap_err();
        assert!(
            error.contains("is immutable and already has a value"),
            "{other}: {error}"
        );
    }
}

/// 7643-7-16, 7643-2.4-09: an element that stays in a multi-valued attribute keeps its immutable
/// sub-attributes.
#[test]
fn an_element_keeps_its_immutable_sub_attributes() {
    let registry = user_with(
        json!([{"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value"}, {"name": "type"}, {"name": "serial", "type": "integer", "mutability": "immutable"}, {"name": "colour"}]}]),
        false,
    );
    let put = |old: Value, new: Value| replaced(&registry, json!({"keys": old}), json!({"keys": new}), true);
    let kept = |old: Value, new: Value, expected: Value| {
        assert_eq!(put(old, new), Ok(json!({"keys": expected}).to_string()));
    };
    let old = json!([{"value": "k", "type": "door", "serial": 1}]);
    let error = put(old.clone(), json!([{"value": "K", "type": "Door", "serial": 2}])).unwrap_err();
    assert_eq!(
        error,
        format!("`{BADGE}:keys.serial` is immutable and already has a value")
    );
    // An immutable sub-attribute that is left out stays; the rest is replaced.
    kept(
        old.clone(),
        json!([{"value": "k", "type": "door", "colour": "red"}]),
        json!([{"value": "k", "type": "door", "serial": 1, "colour": "red"}]),
    );
    // A different element inherits nothing, and an element without the sub-attribute may get it.
    let new =
        json!([{"value": "k", "type": "car", "serial": 2}, {"value": "l", "type": "door", "serial": 3}]);
    kept(old.clone(), new.clone(), new);
    let first = json!([{"value": "k", "serial": 5}]);
    kept(json!([{"value": "k"}]), first.clone(), first);
    // Several of one identity are paired in any order, and a new one is accepted.
    let several = json!([{"value": "k", "serial": 1}, {"value": "k", "serial": 2, "colour": "red"}]);
    let turned = json!([{"value": "k", "serial": 2, "colour": "blue"}, {"value": "k", "serial": 1}]);
    kept(several.clone(), turned.clone(), turned);
    let more = json!([{"value": "k", "serial": 3}, {"value": "k", "serial": 2}, {"value": "k", "serial": 1}]);
    kept(several.clone(), more.clone(), more);
    let error = put(
        several,
        json!([{"value": "k", "serial": 1}, {"value": "k", "serial": 3}]),
    )
    .unwrap_err();
    assert_eq!(
        error,
        format!("`{BADGE}:keys.serial` is immutable and already has a value")
    );
}

/// An immutable sub-attribute keeps its old spelling, in a core schema too; a hidden one takes the value that is sent.
#[test]
fn an_element_of_a_core_attribute_keeps_the_spelling_of_immutable_values() {
    let keys = json!([{"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
        {"name": "value"}, {"name": "serial", "mutability": "immutable"}, {"name": "code", "returned": "never"}]}]);
    let registry = load(&[
        schema(DEVICE, keys),
        resource_type("Device", "/Devices", DEVICE, json!([])),
    ])
    .unwrap();
    let device = registry.resource_type("Device").unwrap();
    let current = document(json!({"keys": [{"value": "k", "serial": "AB", "code": "2"}]}));
    let put = |keys: Value| {
        let body = json!({"schemas": [DEVICE], "keys": keys});
        let sent = Document::for_replace(device, &current, body, Policy { lenient: false }).unwrap();
        Value::Object(sent.document.into_values())["keys"].clone()
    };
    assert_eq!(
        put(json!([{"value": "k"}])),
        json!([{"value": "k", "serial": "AB", "code": "2"}])
    );
    assert_eq!(
        put(json!([{"value": "k", "serial": "ab", "code": "3"}])),
        json!([{"value": "k", "serial": "AB", "code": "3"}])
    );
}

/// 7644-3.5.1-03: a client cannot repeat a value that it is never shown, so leaving it out does not remove it.
#[test]
fn hidden_values_stay_when_a_replacement_leaves_them_out() {
    let never = |name: &str| json!({"name": name, "returned": "never"});
    let registry = user_with(
        json!([never("hint"), {"name": "note", "mutability": "writeOnly"}, {"name": "colour"},
            {"name": "maker", "type": "complex", "subAttributes": [
                {"name": "city", "required": true}, {"name": "street"}, never("code")]},
            {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value"}, {"name": "colour"}, never("code")]}]),
        false,
    );
    let whole = json!({"hint": "h", "note": "n", "colour": "red", "maker": {"city": "c", "street": "s", "code": "1"},
        "keys": [{"value": "k", "colour": "red", "code": "2"}]});
    let put = |body: Value| replaced(&registry, whole.clone(), body, false).unwrap();
    let shown = json!({"colour": "red", "maker": {"city": "c", "street": "s"}, "keys": [{"value": "k", "colour": "red"}]});
    assert_eq!(put(shown), whole.to_string());
    let changed = json!({"maker": {"city": "d"}, "keys": [{"value": "l"}, {"value": "k", "code": "3"}]});
    let expected = json!({"hint": "h", "note": "n", "maker": {"city": "d", "code": "1"},
        "keys": [{"value": "l"}, {"value": "k", "code": "3"}]});
    assert_eq!(put(changed), expected.to_string());
    // The object around it stays, with its required values.
    let expected = json!({"hint": "h", "note": "n", "maker": {"city": "c", "code": "1"}}).to_string();
    assert_eq!(put(json!(null)), expected);
    assert_eq!(put(json!({"colour": null})), expected);
    // A body that names it changes it.
    let cleared = json!({"HINT": null, "note": "m", "maker": {"city": "c", "Code": null}});
    assert_eq!(
        put(cleared),
        json!({"note": "m", "maker": {"city": "c"}}).to_string()
    );
    assert_eq!(put(json!({"hint": null, "note": null, "maker": null})), "");
}

/// Data stays when its description is removed, until the value around it is removed.
#[test]
fn undescribed_data_stays_within_described_values() {
    let registry = user_with(
        json!([{"name": "colour"},
            {"name": "maker", "type": "complex", "subAttributes": [{"name": "city"}]},
            {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [{"name": "value"}, {"name": "type"}]}]),
        false,
    );
    let current = json!({"colour": "red", "maker": {"city": "c", "gone": 1}, "keys": [{"value": "k", "gone": 2}, {"value": "l", "gone": 3}], "gone": {"x": 4}});
    let put = |body: Value| replaced(&registry, current.clone(), body, true).unwrap();
    assert_eq!(
        put(
            json!({"colour": "blue", "maker": {"city": "d"}, "keys": [{"value": "l"}, {"value": "k", "type": "door"}]})
        ),
        json!({"colour": "blue", "maker": {"city": "d", "gone": 1},
            "keys": [{"value": "l", "gone": 3}, {"value": "k", "type": "door"}], "gone": {"x": 4}})
        .to_string()
    );
    for left_out in [json!(null), json!({}), json!({"maker": null})] {
        assert_eq!(put(left_out), json!({"gone": {"x": 4}}).to_string());
    }
    // In the core schema too.
    let own = registry.resource_type("User").unwrap();
    let current = document(json!({"userName": "a", "name": {"givenName": "A", "gone": 1}}));
    let body = json!({"schemas": [USER], "userName": "a", "name": {"familyName": "B"}});
    let sent = Document::for_replace(own, &current, body, Policy { lenient: false }).unwrap();
    assert_eq!(
        Value::Object(sent.document.into_values()),
        json!({"userName": "a", "name": {"familyName": "B", "gone": 1}})
    );
}

/// 7643-2.3.3-01, 7643-2.3.4-01: a number without a comparison key is refused with the reason.
#[test]
fn numbers_that_are_too_long_are_refused_with_the_reason() {
    let registry = user_with(
        json!([{"name": "number", "type": "integer"}, {"name": "weight", "type": "decimal"}]),
        false,
    );
    let nines = "9".repeat(1001);
    let range = "must be zero, or from 10^-1001 to below 10^1000, with at most 1,000 significant digits";
    for (name, lexeme, reason) in [
        ("number", nines.as_str(), "must not have more than 1,000 digits"),
        (
            "number",
            "1e3",
            "must be an integer without fraction and exponent",
        ),
        ("weight", &nines, range),
        ("weight", "1e1001", range),
        ("weight", "1e-1002", range),
    ] {
        let body = scim_model::json::parse(format!("{{\"{name}\":{lexeme}}}").as_bytes()).unwrap();
        let error = replaced(&registry, json!({}), body, true).unwrap_err();
        assert_eq!(error, format!("`{BADGE}:{name}` {reason}"), "{lexeme}");
    }
}

/// 7643-7-16, 7643-2.4-09: values with the same `value` and `type` are paired by their immutable
/// sub-attributes, first those that agree in all of them.
#[test]
fn values_of_one_identity_are_paired_by_their_immutable_sub_attributes() {
    let registry = user_with(
        json!([{"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value"}, {"name": "type"},
            {"name": "serial", "type": "integer", "mutability": "immutable"},
            {"name": "maker", "mutability": "immutable"}, {"name": "colour"}]}]),
        false,
    );
    let put = |old: &Value, new: Value| replaced(&registry, json!({"keys": old}), json!({"keys": new}), true);
    let kept = |old: &Value, new: Value, expected: Value| {
        assert_eq!(
            put(old, new.clone()),
            Ok(json!({"keys": expected}).to_string()),
            "{new}"
        );
    };
    let changes = |sub: &str| {
        Err(format!(
            "`{BADGE}:keys.{sub}` is immutable and already has a value"
        ))
    };

    let old = json!([{"value": "k", "serial": 1, "maker": "a"}, {"value": "k", "serial": 2, "maker": "b"}]);
    // The element without a serial number comes first and does not take the place of the one that has it.
    kept(
        &old,
        json!([{"value": "k", "colour": "red"}, {"value": "k", "serial": 1, "maker": "a", "colour": "blue"}]),
        json!([{"value": "k", "serial": 2, "maker": "b", "colour": "red"},
            {"value": "k", "serial": 1, "maker": "a", "colour": "blue"}]),
    );
    // One of two immutable sub-attributes identifies the value.
    kept(
        &old,
        json!([{"value": "k", "maker": "b"}, {"value": "k", "serial": 1}]),
        json!([{"value": "k", "serial": 2, "maker": "b"}, {"value": "k", "serial": 1, "maker": "a"}]),
    );
    assert_eq!(
        put(
            &old,
            json!([{"value": "k", "serial": 1, "maker": "a"}, {"value": "k", "serial": 1, "maker": "b"}])
        ),
        changes("serial")
    );
    assert_eq!(
        put(
            &old,
            json!([{"value": "k", "serial": 1, "maker": "c"}, {"value": "k", "serial": 2, "maker": "b"}])
        ),
        changes("maker")
    );
    // Each old value is kept once: a third element of the same identity is new.
    kept(
        &old,
        json!([{"value": "k", "serial": 1, "maker": "a"}, {"value": "k", "serial": 2, "maker": "b"},
            {"value": "k", "colour": "red"}]),
        json!([{"value": "k", "serial": 1, "maker": "a"}, {"value": "k", "serial": 2, "maker": "b"},
            {"value": "k", "colour": "red"}]),
    );

    // A value with another `type`, or with none, is a different one: it inherits and contradicts nothing.
    let old = json!([{"value": "k", "type": "door", "serial": 1}]);
    for new in [
        json!([{"value": "k", "serial": 2}]),
        json!([{"value": "k", "type": "car", "colour": "red"}]),
        json!([{"value": "l", "type": "door", "serial": 2}]),
        json!([{"type": "door", "serial": 2}]),
    ] {
        kept(&old, new.clone(), new);
    }
    let without_type = json!([{"value": "k", "serial": 1}]);
    let new = json!([{"value": "k", "type": "door", "serial": 2}]);
    kept(&without_type, new.clone(), new);
}

/// 7643-7-16: an element that a PATCH writes keeps immutable and undescribed sub-attributes, and loses those
/// that are never returned.
#[test]
fn a_patched_element_keeps_its_immutable_sub_attributes() {
    let registry = user_with(
        json!([{"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value"}, {"name": "serial", "type": "integer", "mutability": "immutable"},
            {"name": "code", "returned": "never"}, {"name": "colour"}]}]),
        false,
    );
    let own = registry.resource_type("User").unwrap();
    let patched = |before: Value, after: Value| {
        let mut after = document(json!({"userName": "a", BADGE: {"keys": after}}));
        let before = document(json!({"userName": "a", BADGE: {"keys": before}}));
        after
            .keep_in_elements(own, &before)
            .map(|()| after.values()[BADGE]["keys"].to_string())
            .map_err(|it| it.detail)
    };
    let before = json!([{"value": "k", "serial": 1, "code": "c", "colour": "red", "gone": 3}]);
    assert_eq!(
        patched(
            before.clone(),
            json!([{"value": "l"}, {"value": "k", "colour": "blue"}])
        ),
        Ok(json!([{"value": "l"}, {"value": "k", "serial": 1, "colour": "blue", "gone": 3}]).to_string())
    );
    assert_eq!(
        patched(before, json!([{"value": "k", "serial": 2}])),
        Err(format!(
            "`{BADGE}:keys.serial` is immutable and already has a value"
        ))
    );
}

/// 7643-7-21: an attribute that is returned on request is part of the response when a client has sent it.
#[test]
fn sent_attributes_that_are_returned_on_request_are_noted() {
    let asked = |name: &str| json!({"name": name, "returned": "request"});
    let complex = |name: &str, many: bool, returned: &str| {
        json!({"name": name, "type": "complex",
        "multiValued": many, "returned": returned, "subAttributes": [{"name": "value"}, asked("hint")]})
    };
    let registry = user_with(
        json!([asked("note"), asked("pending"), {"name": "colour"}, complex("maker", false, "default"),
            complex("keys", true, "default"), complex("whole", false, "request")]),
        false,
    );
    let own = registry.resource_type("User").unwrap();
    let requested = |extension: Value| {
        let body = || json!({"schemas": [USER], "userName": "a", BADGE: extension});
        let policy = Policy { lenient: false };
        let paths = |sent: scim_model::Sent| {
            let paths = sent.requested.iter().map(ToString::to_string);
            paths
                .map(|it| it.strip_prefix(&format!("{BADGE}:")).unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let created = paths(Document::for_create(own, body(), policy).unwrap());
        // A replacement notes the attributes that the body names, not those that it keeps.
        let current = document(json!({"userName": "a", BADGE: {"pending": "p"}}));
        let replaced = paths(Document::for_replace(own, &current, body(), policy).unwrap());
        assert_eq!(created, replaced);
        created
    };
    let none: [&str; 0] = [];
    assert_eq!(requested(json!({"colour": "red"})), none);
    assert_eq!(
        requested(json!({"note": null, "maker": {"hint": null, "value": "m"}})),
        none
    );
    assert_eq!(requested(json!({"Note": "n", "colour": "red"})), ["note"]);
    assert_eq!(
        requested(json!({"maker": {"value": "m"}, "keys": [{"value": "k"}]})),
        none
    );
    assert_eq!(requested(json!({"maker": {"Hint": "h"}})), ["maker.hint"]);
    assert_eq!(
        requested(json!({"keys": [{"value": "k"}, {"value": "l", "hint": "h"}]})),
        ["keys.hint"]
    );
    assert_eq!(requested(json!({"whole": {"value": "w"}})), ["whole"]);
    assert_eq!(
        requested(json!({"whole": {"hint": "w"}, "note": "n"})),
        ["whole", "whole.hint", "note"]
    );
}

/// A-26: only a single complex attribute with `value`, and a `$ref` to a resource type, is shown as a reference.
#[test]
fn a_shown_reference_has_a_value_and_refers_to_a_resource() {
    let reference = |types: &[&str]| json!({"name": "$ref", "type": "reference", "referenceTypes": types});
    let complex = |name: &str, many: bool, subs: Value| json!({"name": name, "type": "complex", "multiValued": many, "subAttributes": subs});
    let registry = user_with(
        json!([
            complex("owner", false, json!([{"name": "value"}, reference(&["User"])])),
            complex("site", false, json!([{"name": "value"}, reference(&["external", "Group"])])),
            complex("many", true, json!([{"name": "value"}, reference(&["User"])])),
            complex("unnamed", false, json!([{"name": "label"}, reference(&["User"])])),
            complex("web", false, json!([{"name": "value"}, reference(&["external", "uri"])])),
            complex("any", false, json!([{"name": "value"}, reference(&[])])),
            complex("plain", false, json!([{"name": "value"}, {"name": "label"}])),
            {"name": "flat"}
        ]),
        false,
    );
    let shown = registry.resource_type("User").unwrap().shown_references();
    let shown: Vec<String> = shown.map(|it| it.to_string()).collect();
    assert_eq!(shown, [format!("{BADGE}:owner"), format!("{BADGE}:site")]);
}
