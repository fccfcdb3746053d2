//! The tests of Microsoft's SCIM validator that a server can be asked directly, with the preset `entra`.
//!
//! The names are those of `SCIM-Validation-Test-Overview.md` in AzureAD/SCIMReferenceCode. Tests 1 to 14 go through Entra
//! and send the same requests. The tests 21 and 22, about credentials, are in `oauth`: `cred_12_…` and `cred_78_…`.

use chrono::Utc;
use scim_model::store::{Connection, ConnectionId, ConnectionSettings, ConnectionState, Directory};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Choice, Client, ENTERPRISE, GROUP, Server, Token, USER, encode, on_each};

/// Runs a story of a client of a connection with the preset `entra`, on each database and with flags of the server that the
/// preset has to replace.
fn as_entra(story: impl Fn(Client)) {
    let choice = || {
        let mut choice = Choice::default();
        choice.settings.client.set("leniency", "strict");
        choice.settings.client.set("group-patch", "resource");
        choice.settings.client.set("url-filters", "refuse");
        choice
    };
    on_each(choice, |server| story(entra(&server)));
}

fn entra(server: &Server) -> Client<'_> {
    let tenant = server.store.create_tenant("acme", Utc::now()).unwrap();
    let connection = Connection {
        id: ConnectionId(Uuid::now_v7()),
        tenant,
        name: "entra".to_owned(),
        preset: "entra".to_owned(),
        settings: ConnectionSettings::new(),
        state: ConnectionState::Active,
        created: Utc::now(),
    };
    assert!(server.store.create_connection(&connection).unwrap());
    let wanted = Token {
        connection: Some("entra"),
        ..Token::default()
    };
    server.client(tenant, wanted)
}

/// The attributes of the default mappings of Entra, by resource type, without `id`.
const USER_MAPPINGS: &[&str] = &[
    "userName",
    "active",
    "displayName",
    "title",
    "preferredLanguage",
    "externalId",
    "name.givenName",
    "name.familyName",
    "name.formatted",
    "emails[type eq \"work\"].value",
    "addresses[type eq \"work\"].formatted",
    "addresses[type eq \"work\"].streetAddress",
    "addresses[type eq \"work\"].locality",
    "addresses[type eq \"work\"].region",
    "addresses[type eq \"work\"].postalCode",
    "addresses[type eq \"work\"].country",
    "phoneNumbers[type eq \"work\"].value",
    "phoneNumbers[type eq \"mobile\"].value",
    "phoneNumbers[type eq \"fax\"].value",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
];
const GROUP_MAPPINGS: &[&str] = &["displayName", "externalId", "members"];

/// The names that the validator makes of an attribute in `/Schemas`.
fn flattened(attribute: &Value, prefix: &str) -> Vec<String> {
    let name = attribute["name"].as_str().unwrap();
    let subs = attribute["subAttributes"].as_array().cloned().unwrap_or_default();
    let sub_names = || subs.iter().map(|it| it["name"].as_str().unwrap());
    if ["manager", "members"].contains(&name) || subs.is_empty() {
        return match attribute["type"].as_str() {
            Some("reference") => Vec::new(),
            _ => vec![format!("{prefix}{name}")],
        };
    }
    if attribute["multiValued"] == false {
        return sub_names().map(|sub| format!("{prefix}{name}.{sub}")).collect();
    }
    let types = subs.iter().find(|it| it["name"] == "type");
    let types = types
        .and_then(|it| it["canonicalValues"].as_array())
        .cloned()
        .unwrap_or_default();
    let selections = types.iter().filter_map(Value::as_str);
    let selections = selections.map(|it| format!("type eq \"{it}\""));
    selections
        .flat_map(|selection| sub_names().map(move |sub| format!("{prefix}{name}[{selection}].{sub}")))
        .collect()
}

/// 15
#[test]
fn schema_discoverability() {
    as_entra(|entra| {
        let schemas = entra.get("/Schemas").expect(200);
        assert!(!schemas.text.contains(":null"), "{}", schemas.text);
        let found: Vec<String> = schemas
            .resources()
            .iter()
            .filter(|it| [USER, GROUP, ENTERPRISE].contains(&it["id"].as_str().unwrap()))
            .flat_map(|schema| {
                let prefix = match schema["id"].as_str() {
                    Some(ENTERPRISE) => format!("{ENTERPRISE}:"),
                    _ => String::new(),
                };
                let attributes = schema["attributes"].as_array().unwrap().clone();
                let names = attributes.into_iter().flat_map(move |it| flattened(&it, &prefix));
                names.collect::<Vec<_>>()
            })
            .collect();
        for name in USER_MAPPINGS.iter().chain(GROUP_MAPPINGS) {
            assert!(found.iter().any(|it| it == name), "{name}");
        }
    });
}

fn operation(op: &str, path: &str, value: &Value) -> Value {
    json!({ "op": op, "path": path, "value": value })
}

/// 16
#[test]
fn scim_null_update() {
    as_entra(|entra| {
        let user = entra.create_user("null-update");
        let paths = USER_MAPPINGS
            .iter()
            .filter(|it| !["userName", "active", "externalId"].contains(it) && !it.ends_with(":manager"));
        for value in [json!("full"), json!(""), Value::Null] {
            let operations: Vec<Value> = paths.clone().map(|it| operation("Replace", it, &value)).collect();
            entra.patch(&user.path, json!(operations)).expect(200);
        }
        let left = entra.get(&user.path).expect(200).json();
        for name in ["displayName", "title", "preferredLanguage"] {
            assert!(left[name].is_null() || left[name] == "", "{left}");
        }
    });
}

/// 17 and 18
#[test]
fn scim_user_create_and_update() {
    as_entra(|entra| {
        let body = json!({
            "schemas": [USER, ENTERPRISE], "userName": "created@example.com", "active": true, "externalId": "e1",
            "displayName": "d", "name": { "givenName": "g", "familyName": "f" }, "meta": { "resourceType": "User" },
            "emails": [{ "type": "work", "value": "created@example.com", "primary": "True" }],
        });
        let user = entra.post("/Users", body).expect(201).json();
        assert_eq!(user["userName"], "created@example.com");
        let path = format!("/Users/{}", user["id"].as_str().unwrap());
        let updates = [
            ("displayName", "upd-displayName"),
            ("title", "upd-title"),
            ("name.givenName", "upd-givenName"),
            ("emails[type eq \"work\"].value", "upd-work@example.com"),
            ("addresses[type eq \"work\"].country", "upd-country"),
            ("locale", "upd-locale"),
            ("timezone", "upd-timezone"),
        ];
        for pathless in [false, true] {
            let operations = match pathless {
                false => updates
                    .map(|(path, value)| operation("Replace", path, &json!(value)))
                    .to_vec(),
                true => {
                    let value: Value = updates
                        .iter()
                        .map(|(path, value)| ((*path).to_owned(), json!(value)))
                        .collect();
                    vec![json!({ "op": "Replace", "value": value })]
                }
            };
            let updated = entra.patch(&path, json!(operations)).expect(200).json();
            assert_eq!(updated["displayName"], "upd-displayName");
            assert_eq!(updated["name"]["givenName"], "upd-givenName");
            assert_eq!(updated["emails"][0]["value"], "upd-work@example.com");
            assert_eq!(updated["addresses"][0]["country"], "upd-country");
            assert_eq!(
                (&updated["locale"], &updated["timezone"]),
                (&json!("upd-locale"), &json!("upd-timezone"))
            );
        }
    });
}

/// 19 and 20
#[test]
fn scim_group_create_and_update() {
    as_entra(|entra| {
        let body = json!({
            "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "displayName": "created", "externalId": "g1", "meta": { "resourceType": "Group" },
        });
        let group = entra.post("/Groups", body).expect(201).json();
        assert_eq!(group["displayName"], "created");
        let path = format!("/Groups/{}", group["id"].as_str().unwrap());
        let updates = json!([
            operation("Replace", "displayName", &json!("upd-displayName")),
            operation("Replace", "externalId", &json!("upd-externalId")),
        ]);
        entra.patch(&path, updates).expect(204);
        let updated = entra
            .get(&format!("{path}?excludedAttributes=members"))
            .expect(200)
            .json();
        assert_eq!(
            (&updated["displayName"], &updated["externalId"]),
            (&json!("upd-displayName"), &json!("upd-externalId"))
        );
        let filter = encode("displayName eq \"upd-displayName\"");
        let found = entra
            .get(&format!("/Groups?excludedAttributes=members&filter={filter}"))
            .expect(200);
        assert_eq!(found.json()["totalResults"], 1);
    });
}

/// 23 and 24
#[test]
fn scim_user_and_group_pagination() {
    as_entra(|entra| {
        for number in 0..11 {
            entra.create_user(&format!("user{number}"));
            entra.create_group(&format!("group{number}"), &[]);
        }
        for endpoint in ["/Users", "/Groups"] {
            for (start, expected) in [(1, 5), (6, 5), (11, 1)] {
                let page = entra
                    .get(&format!("{endpoint}?startIndex={start}&count=5"))
                    .expect(200)
                    .json();
                assert_eq!(
                    (&page["startIndex"], &page["itemsPerPage"], &page["totalResults"]),
                    (&json!(start), &json!(expected), &json!(11))
                );
            }
        }
    });
}

/// 25
#[test]
fn scim_update_manager() {
    as_entra(|entra| {
        let (user, first, second) = (
            entra.create_user("user"),
            entra.create_user("first"),
            entra.create_user("second"),
        );
        let path = format!("{ENTERPRISE}:manager");
        let manager = |op: &str, value: &str| {
            entra
                .patch(&user.path, json!([operation(op, &path, &json!(value))]))
                .expect(200);
            entra.get(&user.path).expect(200).json()[ENTERPRISE]["manager"]["value"].clone()
        };
        assert_eq!(manager("Add", &first.id), json!(first.id));
        assert_eq!(manager("Replace", &second.id), json!(second.id));
        assert_eq!(manager("Replace", ""), Value::Null);
    });
}
