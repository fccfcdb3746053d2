//! Connections: the commands, and what their settings change for a client.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::change::{ChangePosition, Operation};
use scim_model::store::{ChangeJournal, Connection, Directory, TenantId};
use scim_server::cli::arguments::{Cli, Command, ConnectionCommand};
use scim_server::cli::hints::Hints;
use scim_server::cli::{self, CommandError, Terminal};
use scim_server::service::Leniency;
use scim_storage_diesel::DieselStore;
use serde_json::{Value, json};

use crate::harness::{
    Choice, Client, ENTERPRISE, GROUP, Server, Token, USER, create_token, on_each, wait_until,
};

/// Runs `connection` with arguments, and an answer to its question. Returns what it printed.
fn run(store: &Arc<DieselStore>, arguments: &str, answer: &str) -> Result<String, CommandError> {
    let command = command(arguments);
    let (mut input, mut questions, mut output) = (answer.as_bytes(), Vec::new(), Vec::new());
    let mut terminal = Terminal {
        input: &mut input,
        questions: &mut questions,
        output: &mut output,
        hints: &Hints::default(),
        now: DateTime::from_timestamp_millis(1_767_268_800_250).unwrap(),
    };
    cli::connection::run(&**store, &command, &mut terminal)?;
    Ok(String::from_utf8(output).unwrap())
}

fn command(arguments: &str) -> ConnectionCommand {
    let words = ["scim-server", "connection"].into_iter();
    let cli = clap::Parser::try_parse_from(words.chain(arguments.split_whitespace()));
    let cli: Cli = cli.unwrap_or_else(|error| panic!("{error}"));
    match cli.command {
        Some(Command::Connection(command)) => command,
        other => panic!("{other:?}"),
    }
}

fn ok(store: &Arc<DieselStore>, arguments: &str) -> String {
    run(store, arguments, "").unwrap()
}

fn json_of(store: &Arc<DieselStore>, arguments: &str) -> Value {
    let text = ok(store, &format!("{arguments} --json"));
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn refused(store: &Arc<DieselStore>, arguments: &str, answer: &str) -> String {
    match run(store, arguments, answer) {
        Err(CommandError::Refused(text) | CommandError::NoTenant(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// A client with a token of a connection.
fn client<'a>(server: &'a Server, tenant: TenantId, connection: &'static str) -> Client<'a> {
    server.client(tenant, token_of(connection))
}

fn token_of(connection: &'static str) -> Token {
    Token {
        connection: Some(connection),
        ..Token::default()
    }
}

#[test]
fn connections_are_created_listed_and_deleted() {
    let server = Server::start();
    let store = &server.store;
    server.tenant("acme");
    let created = json_of(store, "create entra --tenant acme --preset entra");
    let expected = json!({
        "id": created["id"], "name": "entra", "tenant": "acme", "preset": "entra", "state": "active",
        "created": "2026-01-01T12:00:00.250Z", "settings": {},
    });
    assert_eq!(created, expected);
    assert_eq!(
        ok(store, "create okta --tenant acme"),
        "Created the connection okta of the tenant acme. Create a credential for it, the first of these that the \
         client supports:\n  \
         scim-server federation create --tenant acme --connection okta\n  \
         scim-server client create --tenant acme --connection okta\n  \
         scim-server token create --tenant acme --connection okta\n"
    );
    let again = refused(store, "create okta --tenant acme", "");
    assert_eq!(again, "the tenant `acme` already has a connection `okta`");
    assert!(refused(store, "create okta --tenant other", "").contains("no tenant `other`"));
    let list = json_of(store, "list --tenant acme");
    let names: Vec<&Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["default", "entra", "okta"]);
    assert!(
        ok(store, "list --tenant acme").contains("\nentra                    entra      active 2026-01-01")
    );

    assert!(refused(store, "delete default --tenant acme --yes", "").contains("cannot be deleted"));
    assert!(refused(store, "delete x --tenant acme --yes", "").contains("no connection `x`"));
    assert_eq!(
        refused(store, "delete okta --tenant acme", "x\n"),
        "nothing was deleted"
    );
    assert_eq!(
        run(store, "delete okta --tenant acme", "okta\n").unwrap(),
        "Deleted the connection okta of the tenant acme with its credentials.\n"
    );
    let deleted = json_of(store, "delete entra --tenant acme --yes");
    assert_eq!(
        (&deleted["id"], &deleted["deleted"]),
        (&created["id"], &json!(true))
    );
    assert_eq!(
        json_of(store, "list --tenant acme")["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn every_effective_value_is_shown_with_its_origin() {
    let server = Server::start();
    let store = &server.store;
    server.tenant("acme");
    ok(store, "create okta --tenant acme --preset okta");
    let changed = json_of(
        store,
        "set okta --tenant acme group-patch=resource leniency=strict",
    );
    assert_eq!(
        changed["settings"],
        json!({"group-patch": "resource", "leniency": "strict"})
    );
    let changed = json_of(store, "set okta --tenant acme leniency=");
    assert_eq!(changed["settings"], json!({"group-patch": "resource"}));
    let shown = json_of(
        store,
        "show okta --tenant acme --active-by-default --url-filters refuse",
    );
    assert_eq!(
        shown["settings"],
        json!({
            "leniency": {"value": "clients", "origin": "preset"},
            "active-by-default": {"value": "true", "origin": "server"},
            "group-patch": {"value": "resource", "origin": "connection"},
            "url-filters": {"value": "allow", "origin": "preset"},
            "reprovision": {"value": "conflict", "origin": "default"},
            "bearer-scheme": {"value": "optional", "origin": "preset"},
            "rate-limit": {"value": "200", "origin": "default"},
        })
    );
    let shown = json_of(store, "show default --tenant acme");
    let values = shown["settings"].as_object().unwrap();
    assert!(values.values().all(|it| it["origin"] == "default"), "{shown}");
    let text = ok(store, "show okta --tenant acme");
    assert!(
        text.starts_with("okta of the tenant acme: preset okta, active, created 2026"),
        "{text}"
    );
    assert!(
        text.contains("\ngroup-patch          resource     connection\n"),
        "{text}"
    );
    assert!(
        text.contains("\nbearer-scheme        optional     preset: its header mode sends"),
        "{text}"
    );
    let changed = json_of(store, "set okta --tenant acme preset=strict");
    assert_eq!(changed["preset"], "strict");
}

/// A change is effective within a second, also for a token that is in the cache.
#[test]
fn the_settings_of_a_connection_apply_to_its_clients_only() {
    on_each(Choice::default, |server| {
        let store = &server.store;
        let tenant = store.create_tenant("acme", Utc::now()).unwrap();
        ok(store, "create entra --tenant acme --preset entra");
        let (entra, other) = (
            client(&server, tenant, "entra"),
            client(&server, tenant, "default"),
        );
        let group = entra.create("/Groups", json!({ "displayName": "Guides" }));
        let rename = |client: &Client, name: &str| {
            let operation = json!([{ "op": "replace", "path": "displayName", "value": name }]);
            client.patch(&group.path, operation).status
        };
        let unknown = |name: &str| json!({ "schemas": [USER], "userName": name, "favourite": "x" });
        assert_eq!((rename(&entra, "a"), rename(&other, "b")), (204, 204));
        entra.post("/Users", unknown("one")).expect(201);
        let before = server.store.connection(tenant, "entra").unwrap();
        ok(
            store,
            "set entra --tenant acme group-patch=resource leniency=strict url-filters=refuse",
        );
        ok(store, "set entra --tenant acme active-by-default=true");
        assert_eq!((rename(&entra, "c"), rename(&other, "d")), (200, 204));
        entra
            .post("/Users", unknown("two"))
            .expect_error(400, Some("invalidSyntax"));
        other.post("/Users", unknown("two")).expect(201);
        let filter = "/Users?filter=userName%20eq%20%22two%22";
        entra.get(filter).expect_error(403, Some("sensitive"));
        other.get(filter).expect(200);
        assert_eq!(entra.create_user("three").json["active"], true);
        assert_eq!(other.create_user("four").json.get("active"), None);
        ok(
            store,
            "set entra --tenant acme group-patch= leniency= url-filters= active-by-default=",
        );
        assert_eq!(rename(&entra, "e"), 204);
        assert_eq!(server.store.connection(tenant, "entra").unwrap(), before);
    });
}

/// A-80: the credentials are right, and the answer says who can help.
#[test]
fn a_paused_connection_is_refused_until_it_is_resumed() {
    on_each(Choice::default, |server| {
        let store = &server.store;
        let tenant = store.create_tenant("acme", Utc::now()).unwrap();
        ok(store, "create entra --tenant acme --preset entra");
        let (entra, other) = (
            client(&server, tenant, "entra"),
            client(&server, tenant, "default"),
        );
        entra.get("/Users").expect(200);
        assert_eq!(
            ok(store, "pause entra --tenant acme"),
            "Paused the connection entra of the tenant acme.\n"
        );
        for reply in [
            entra.get("/Users"),
            entra.post("/Users", json!({})),
            entra.get("/nothing"),
        ] {
            let reply = reply.expect_error(403, None);
            assert!(reply.text.contains("is paused"), "{}", reply.text);
            assert_eq!(reply.header("www-authenticate"), None);
        }
        other.get("/Users").expect(200);
        assert_eq!(
            json_of(store, "list --tenant acme")["items"][1]["state"],
            "paused"
        );
        assert_eq!(json_of(store, "resume entra --tenant acme")["state"], "active");
        entra.get("/Users").expect(200);
    });
}

/// Its users and groups stay, because other connections may manage them too.
#[test]
fn a_deleted_connection_has_no_credentials() {
    on_each(Choice::default, |server| {
        let store = &server.store;
        let tenant = store.create_tenant("acme", Utc::now()).unwrap();
        ok(store, "create entra --tenant acme");
        let (entra, other) = (
            client(&server, tenant, "entra"),
            client(&server, tenant, "default"),
        );
        let user = entra.create_user("bjensen");
        ok(store, "delete entra --tenant acme --yes");
        entra.get("/Users").expect_error(401, None);
        other.get(&user.path).expect(200);
    });
}

/// cred-49
#[test]
fn a_token_shows_when_it_was_last_used() {
    on_each(Choice::default, |server| {
        let store = &server.store;
        let tenant = store.create_tenant("acme", Utc::now()).unwrap();
        let acme = client(&server, tenant, "default");
        let last_used = || store.tokens(Some(tenant)).unwrap()[0].last_used;
        assert_eq!(last_used(), None);
        let before = Utc::now();
        acme.get("/Users").expect(200);
        wait_until("the use is recorded", || {
            acme.get("/Users").expect(200);
            last_used().is_some()
        });
        let first = last_used().unwrap();
        assert!((before - first).num_seconds().abs() < 60);
        acme.get("/Users").expect(200);
        assert_eq!(last_used(), Some(first));
    });
}

/// A-81: the person who comes back keeps the id, and with it what the application knows about the person.
#[test]
fn a_returning_user_is_restored() {
    on_each(Choice::default, |server| {
        let store = &server.store;
        let tenant = store.create_tenant("acme", Utc::now()).unwrap();
        ok(store, "create okta --tenant acme --preset okta");
        ok(store, "set okta --tenant acme reprovision=restore");
        let (okta, other) = (
            client(&server, tenant, "okta"),
            client(&server, tenant, "default"),
        );
        let user = |name: &str, external_id: &str| json!({ "schemas": [USER], "userName": name, "externalId": external_id, "title": "Guide" });
        let set_active = |path: &str, active: bool| {
            let operation = json!([{ "op": "replace", "path": "active", "value": active }]);
            okta.patch(path, operation).expect(200);
        };
        let babs = okta.create("/Users", user("babs", "1"));
        let smith = okta.create("/Users", user("smith", "2"));

        okta.post("/Users", user("BABS", "9"))
            .expect_error(409, Some("uniqueness"));
        okta.post("/Users", user("new", "1"))
            .expect_error(409, Some("uniqueness"));
        set_active(&babs.path, false);
        other
            .post("/Users", user("babs", "1"))
            .expect_error(409, Some("uniqueness"));
        okta.post("/Users", user("babs", "2"))
            .expect_error(409, Some("uniqueness"));
        okta.post("/Users", json!({ "schemas": [USER], "title": "x" }))
            .expect_error(400, Some("invalidValue"));
        assert_eq!(okta.get(&babs.path).json()["active"], false);

        let back = json!({ "schemas": [USER], "userName": "Babs", "displayName": "Babs", "externalId": "1" });
        let reply = okta.post("/Users", back).expect(201);
        assert!(reply.header("location").unwrap().ends_with(&babs.path));
        let restored = reply.json();
        assert_eq!(
            (&restored["id"], &restored["active"]),
            (&json!(babs.id), &json!(true))
        );
        assert_eq!(
            (&restored["userName"], restored.get("title")),
            (&json!("Babs"), None)
        );
        assert_eq!(okta.get(&babs.path).json(), restored);
        okta.post("/Users", user("babs", "1"))
            .expect_error(409, Some("uniqueness"));
        let last = store
            .changes(tenant, ChangePosition::default(), 100)
            .unwrap()
            .pop()
            .unwrap();
        assert_eq!(
            (last.id.to_string(), last.operation),
            (babs.id, Operation::Restored)
        );
        assert!(last.to_json("acme").to_string().contains(r#""kind":"restored""#));
        let text = last.detail.to_stored();
        assert!(text.contains(r#""active":{"old":false,"new":true}"#), "{text}");

        set_active(&smith.path, false);
        let by_external_id = okta.post("/Users", user("smith2", "2")).expect(201).json();
        assert_eq!(
            (&by_external_id["id"], &by_external_id["userName"]),
            (&json!(smith.id), &json!("smith2"))
        );
        set_active(&smith.path, false);
        let mut inactive = user("smith2", "2");
        inactive["active"] = json!(false);
        inactive["title"] = json!("Nurse");
        let same = okta.post("/Users", inactive).expect(201).json();
        assert_eq!(
            (&same["id"], &same["active"], &same["title"]),
            (&json!(smith.id), &json!(false), &json!("Nurse"))
        );
        let changes = store.changes(tenant, ChangePosition::default(), 100).unwrap();
        let last = changes.last().unwrap();
        assert_eq!(
            (last.id.to_string(), last.operation),
            (smith.id.clone(), Operation::Update),
            "the client did not want the user back"
        );
        okta.delete(&smith.path).expect(204);
        let again = okta.create("/Users", user("smith2", "2"));
        assert_ne!(again.id, smith.id, "a deletion is final");
        okta.get(&smith.path).expect_error(404, None);
    });
}

/// A-82: the rules of the profile are enforced, and announced, for the clients of the connection only.
#[test]
fn the_interoperability_profile_is_enforced_where_it_is_announced() {
    let server = Server::start();
    let store = &server.store;
    let tenant = store.create_tenant("acme", Utc::now()).unwrap();
    ok(store, "create idp --tenant acme --preset interop");
    let (idp, other) = (client(&server, tenant, "idp"), client(&server, tenant, "default"));
    let announced = |client: &Client| {
        let config = client.get("/ServiceProviderConfig").expect(200).json();
        config.get("interopProfileConformant").cloned()
    };
    assert_eq!((announced(&idp), announced(&other)), (Some(json!(true)), None));
    for stranger in [None, Some("Bearer wrong"), Some("Basic eDp5")] {
        assert_eq!(announced(&server.stranger(stranger)), None);
    }
    let types_without_values = |client: &Client| {
        let schema = client.get(&format!("/Schemas/{USER}")).expect(200).json();
        let attributes = schema["attributes"].as_array().unwrap().clone();
        let multi_valued = attributes.into_iter().filter(|it| it["multiValued"] == true);
        let types = multi_valued.flat_map(|it| it["subAttributes"].as_array().cloned().unwrap_or_default());
        let has_values = |it: &Value| it["canonicalValues"].as_array().is_some_and(|it| !it.is_empty());
        types.filter(|it| it["name"] == "type" && !has_values(it)).count()
    };
    assert_eq!(types_without_values(&idp), 0);
    assert!(types_without_values(&other) > 0);
    for setting in ["url-filters=refuse", "reprovision=restore"] {
        ok(store, &format!("set idp --tenant acme {setting}"));
        assert_eq!(announced(&idp), None, "{setting}");
        let name = setting.split('=').next().unwrap();
        ok(store, &format!("set idp --tenant acme {name}="));
        assert_eq!(announced(&idp), Some(json!(true)));
    }

    let unknown = "urn:example:unknown";
    let bodies = [
        json!({ "schemas": [USER], "userName": "a", "favourite": 1 }),
        json!({ "schemas": [USER, unknown], "userName": "a" }),
        json!({ "schemas": [USER, unknown], "userName": "a", unknown: { "x": 1 } }),
    ];
    let user = idp.create(
        "/Users",
        json!({ "userName": "babs", "name": { "givenName": "B", "familyName": "J" } }),
    );
    for body in &bodies {
        idp.post("/Users", body.clone())
            .expect_error(400, Some("invalidSyntax"));
        idp.put(&user.path, body.clone())
            .expect_error(400, Some("invalidSyntax"));
    }
    other.post("/Users", bodies[1].clone()).expect(201);
    for operation in [
        json!({ "op": "replace", "value": { "active": false } }),
        json!({ "op": "replace", "path": "", "value": { "active": false } }),
        json!({ "op": "remove", "path": " " }),
        json!({ "op": "add", "path": "favourite", "value": "x" }),
        json!({ "op": "replace", "path": "name.favourite", "value": "x" }),
        json!({ "op": "remove", "path": "favourites[value eq \"x\"]" }),
        json!({ "op": "add", "path": format!("{unknown}:x"), "value": "x" }),
        json!({ "op": "replace", "path": "name", "value": { "favourite": "x" } }),
        json!({ "op": "add", "path": "name", "value": { "givenName": "Z", "favourite": "x" } }),
        json!({ "op": "add", "path": "emails", "value": [{ "value": "a@example.com", "favourite": "x" }] }),
        json!({ "op": "add", "path": "emails", "value": { "favourite": "x" } }),
        json!({ "op": "add", "path": "emails[type eq \"work\"].favourite", "value": "x" }),
        json!({ "op": "add", "path": "emails[type eq \"work\"]", "value": { "favourite": "x" } }),
        json!({ "op": "add", "path": ENTERPRISE, "value": { "favourite": "x" } }),
        json!({ "op": "add", "path": ENTERPRISE, "value": { "manager": { "favourite": "x" } } }),
        json!({ "op": "add", "path": ENTERPRISE, "value": { GROUP: { "displayName": "x" } } }),
        json!({ "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": { "favourite": "x" } }),
        json!({ "op": "add", "path": "schemas", "value": [unknown] }),
        json!({ "op": "remove", "path": "emails[type eq \"work\"].favourite" }),
        json!({ "op": "remove" }),
    ] {
        idp.patch(&user.path, json!([operation]))
            .expect_error(400, Some("invalidSyntax"));
    }
    let filtered = json!([{ "op": "remove", "path": "emails[favourite eq \"x\"]" }]);
    idp.patch(&user.path, filtered)
        .expect_error(400, Some("invalidFilter"));
    let patch_op = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    let message = json!({
        "schemas": [patch_op, unknown],
        "Operations": [{ "op": "replace", "path": "active", "value": false }],
    });
    let sent = idp.request("PATCH", &user.path).json(&message).send();
    sent.expect_error(400, Some("invalidSyntax"));
    idp.patch(
        &user.path,
        json!([{ "op": "add", "path": "schemas", "value": [ENTERPRISE] }]),
    )
    .expect(200);
    let name = |operation: &str, value: Value| {
        let operation = json!([{ "op": operation, "path": "name", "value": value }]);
        idp.patch(&user.path, operation).expect(200).json()["name"].clone()
    };
    assert_eq!(
        name("replace", json!({ "givenName": "Z" })),
        json!({ "givenName": "Z" })
    );
    assert_eq!(
        name("add", json!({ "familyName": "J" })),
        json!({ "givenName": "Z", "familyName": "J" })
    );
    let manager = idp.create("/Users", json!({ "userName": "mandy" }));
    let path = format!("{ENTERPRISE}:manager");
    let set = json!([{ "op": "replace", "path": path, "value": { "value": manager.id } }]);
    let shown = idp.patch(&user.path, set).expect(200).json();
    assert_eq!(shown[ENTERPRISE]["manager"]["value"], manager.id.as_str());
    // A filter and the URN of an extension select no complex attribute: what is not named stays.
    let address = json!([{ "type": "work", "locality": "Oslo", "country": "NO" }]);
    let set = json!([
        { "op": "add", "path": "addresses", "value": address },
        { "op": "replace", "path": "addresses[type eq \"work\"]", "value": { "locality": "Bergen" } },
        { "op": "add", "path": ENTERPRISE, "value": { "department": "A", "division": "B" } },
        { "op": "replace", "path": ENTERPRISE, "value": { "department": "C" } },
    ]);
    let shown = idp.patch(&user.path, set).expect(200).json();
    let merged = json!([{ "type": "work", "locality": "Bergen", "country": "NO" }]);
    assert_eq!(shown["addresses"], merged);
    let extension = &shown[ENTERPRISE];
    assert_eq!(
        (&extension["department"], &extension["division"]),
        (&json!("C"), &json!("B"))
    );
    idp.delete(&user.path).expect(204);
    idp.get(&user.path).expect_error(404, None);
    idp.create("/Users", json!({ "userName": "babs" }));
    ok(store, "set idp --tenant acme leniency=strict");
    assert_eq!(announced(&idp), None);

    let mut choice = Choice::default();
    choice.settings.client.leniency = Leniency::Interop;
    let server = Server::start_with(choice);
    assert_eq!(announced(&server.stranger(None)), Some(json!(true)));
    assert_eq!(announced(&server.tenant("acme")), Some(json!(true)));
}

/// cred-100: Okta's header mode
#[test]
fn okta_may_send_its_token_without_a_scheme() {
    let server = Server::start();
    let store = &server.store;
    let tenant = store.create_tenant("acme", Utc::now()).unwrap();
    ok(store, "create okta --tenant acme --preset okta");
    let bare = |connection: &'static str| {
        server
            .stranger(Some(
                &create_token(&*server.store, tenant, token_of(connection)).0,
            ))
            .get("/Users")
    };
    bare("okta").expect(200);
    let refused = bare(Connection::DEFAULT).expect_error(401, None);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"scim\""));
    ok(store, "set okta --tenant acme bearer-scheme=required");
    bare("okta").expect_error(401, None);
}
