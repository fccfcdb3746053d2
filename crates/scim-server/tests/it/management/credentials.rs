//! Bearer tokens, OAuth clients and federations.

use serde_json::{Value, json};

use crate::harness::{Choice, Server, on_each, wait_until};

const CONNECTION: &str = "/tenants/acme/connections/default";

fn path(rest: &str) -> String {
    format!("{CONNECTION}{rest}")
}

/// cred-104
#[test]
fn cred_104_tokens_are_created_listed_rotated_and_revoked_and_shown_once() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let existing = admin.list(&path("/tokens"), "id").len();
        let (created, token) = admin.create(
            &path("/tokens"),
            json!({"name": "for Okta", "scope": "scim.read", "days": 10}),
        );
        let secret = created["token"].as_str().unwrap();
        assert_eq!(
            (&created["tenant"], &created["connection"]),
            (&json!("acme"), &json!("default"))
        );
        let get = |secret: &str| {
            server
                .stranger(Some(&format!("Bearer {secret}")))
                .get("/Users")
                .status
        };
        assert_eq!(get(secret), 200);
        let list = admin.get(&path("/tokens")).expect(200);
        assert!(!list.text.contains(secret), "{}", list.text);
        assert_eq!(list.json()["items"].as_array().unwrap().len(), existing + 1);
        let shown = admin.get(&token).expect(200).json();
        assert!(secret.ends_with(shown["lastFour"].as_str().unwrap()));
        assert_eq!(
            (&shown["name"], &shown["scope"], &shown["state"]),
            (&json!("for Okta"), &json!("scim.read"), &json!("valid"))
        );
        wait_until("the use is recorded", || {
            admin.get(&token).json()["lastUsed"].is_string()
        });

        let (rotated, second) = admin.create(
            &format!("{token}/rotate"),
            json!({"overlapSeconds": 3600, "days": null}),
        );
        assert_eq!(
            (&rotated["name"], &rotated["scope"], &rotated["expires"]),
            (&json!("for Okta"), &json!("scim.read"), &Value::Null)
        );
        assert_eq!(rotated["replaced"]["id"], created["id"]);
        assert_eq!(
            admin.get(&token).json()["expires"],
            rotated["replaced"]["expires"]
        );
        let new_secret = rotated["token"].as_str().unwrap();
        assert_eq!((get(secret), get(new_secret)), (200, 200));
        let (third, _) = admin.create(&format!("{second}/rotate"), json!({"overlapSeconds": 0}));
        wait_until("the old token has ended", || get(new_secret) == 401);
        assert_eq!(get(third["token"].as_str().unwrap()), 200);
        let again = admin.post(&format!("{second}/rotate"), json!({}));
        again.expect_problem(409, "conflict", None);

        admin.delete(&token).expect(204);
        wait_until("the token is refused", || get(secret) == 401);
        assert_eq!(admin.get(&token).json()["state"], "revoked");
    });
}

#[test]
fn wrong_properties_of_a_token_are_named() {
    let server = Server::start();
    server.tenant("acme");
    server.tenant("other");
    let admin = server.admin();
    for (body, field) in [
        (json!({"days": 0}), "days"),
        (json!({"days": 40000}), "days"),
        (json!({"days": 1.5}), "days"),
        (json!({"scope": "admin"}), "scope"),
        (json!({"name": "a\u{202e}"}), "name"),
        (json!({"token": "scim_mine"}), "token"),
    ] {
        admin
            .post(&path("/tokens"), body)
            .expect_problem(400, "invalid-request", Some(field));
    }
    let (_, token) = admin.create(&path("/tokens"), json!({}));
    let rotate = admin.post(
        &format!("{token}/rotate"),
        json!({"overlapSeconds": 400 * 24 * 3600}),
    );
    rotate.expect_problem(400, "invalid-request", Some("overlapSeconds"));
    // A token of another tenant or connection is not there.
    let id = token.rsplit('/').next().unwrap();
    admin.create("/tenants/acme/connections", json!({"name": "entra"}));
    for place in [
        "/tenants/other/connections/default",
        "/tenants/acme/connections/entra",
    ] {
        let path = format!("{place}/tokens/{id}");
        admin.get(&path).expect_problem(404, "not-found", Some("id"));
        admin.delete(&path).expect_problem(404, "not-found", Some("id"));
        admin
            .post(&format!("{path}/rotate"), json!({}))
            .expect_problem(404, "not-found", Some("id"));
    }
    admin
        .get(&path("/tokens/x"))
        .expect_problem(404, "not-found", Some("id"));
    assert_eq!(admin.get(&token).json()["state"], "valid");
}

/// Gets an access token with a secret.
fn access(server: &Server, client_id: &str, secret: &str) -> u16 {
    let body = format!("grant_type=client_credentials&client_id={client_id}&client_secret={secret}");
    server
        .stranger(None)
        .request("POST", "//oauth2/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .text(&body)
        .send()
        .status
}

#[test]
fn clients_have_several_secrets_and_each_is_shown_once() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let (created, client) = admin.create(&path("/clients"), json!({"name": "Entra", "days": 400}));
        let (id, secret) = (
            created["clientId"].as_str().unwrap(),
            created["clientSecret"].as_str().unwrap(),
        );
        assert_eq!(client, path(&format!("/clients/{id}")));
        assert_eq!(created["tokenEndpoint"], "https://scim.example.com/oauth2/token");
        assert_eq!(created["scimUrl"], "https://scim.example.com/scim/v2");
        assert_eq!(created["expires"], created["secrets"][0]["expires"]);
        assert_eq!(access(&server, id, secret), 200);
        let (added, second) = admin.create(&format!("{client}/secrets"), json!({"name": "2027"}));
        let new_secret = added["clientSecret"].as_str().unwrap();
        assert_eq!(access(&server, id, new_secret), 200);
        for path in [path("/clients"), client.clone(), format!("{client}/secrets")] {
            let shown = admin.get(&path).expect(200).text;
            assert!(!shown.contains(secret) && !shown.contains(new_secret), "{shown}");
        }
        assert_eq!(admin.list(&format!("{client}/secrets"), "name"), ["", "2027"]);
        let first = format!(
            "{client}/secrets/{}",
            created["secrets"][0]["id"].as_str().unwrap()
        );
        admin.delete(&first).expect(204);
        admin
            .delete(&first)
            .expect_problem(404, "not-found", Some("secret"));
        assert_eq!(
            (access(&server, id, secret), access(&server, id, new_secret)),
            (401, 200)
        );
        assert!(second.starts_with(&format!("{client}/secrets/")));
        for number in 0..4 {
            admin.create(&format!("{client}/secrets"), json!({"name": format!("{number}")}));
        }
        let too_many = admin.post(&format!("{client}/secrets"), json!({}));
        too_many.expect_problem(409, "conflict", None);

        let disabled = admin.patch(&client, json!({"disabled": true})).expect(200).json();
        assert_eq!(disabled["state"], "disabled");
        assert_ne!(access(&server, id, new_secret), 200);
        admin.patch(&client, json!({"disabled": false})).expect(200);
        assert_eq!(access(&server, id, new_secret), 200);
        admin.delete(&client).expect(204);
        admin.get(&client).expect_problem(404, "not-found", Some("id"));
        assert_eq!(admin.list(&path("/clients"), "clientId"), [""; 0]);
    });
}

fn federation() -> Value {
    json!({
        "name": "Entra",
        "issuer": "https://login.microsoftonline.com/d/v2.0",
        "subject": "S",
        "audiences": ["api://a"],
        "keys": {"url": "https://127.0.0.1/keys"},
    })
}

/// cred-71, cred-82
#[test]
fn cred_71_and_82_a_federation_answers_three_values_and_tries_assertions() {
    let server = Server::start();
    server.tenant("acme");
    let admin = server.admin();
    let (created, trust) = admin.create(&path("/federations"), federation());
    for member in ["clientId", "tokenEndpoint", "scimUrl"] {
        assert!(created[member].is_string(), "{created}");
    }
    assert_eq!(created.get("clientSecret"), None);
    let shown = admin.get(&trust).expect(200).json();
    for member in ["issuer", "subject", "audiences", "keys"] {
        assert_eq!(shown[member], federation()[member]);
    }
    let trial = admin
        .post(&format!("{trust}/check"), json!({"assertion": "not a JWT"}))
        .expect(200)
        .json();
    assert_eq!(trial["accepted"], json!(false));
    assert!(
        trial["failed"].is_string() && trial["problem"].is_string(),
        "{trial}"
    );
    let missing = admin.post(&format!("{trust}/check"), json!({}));
    missing.expect_problem(400, "invalid-request", Some("assertion"));
    // Clients and federations are different lists.
    let (_, client) = admin.create(&path("/clients"), json!({}));
    assert_eq!(admin.list(&path("/federations"), "name"), ["Entra"]);
    assert_eq!(admin.list(&path("/clients"), "name"), [""]);
    admin
        .get(&client.replace("/clients/", "/federations/"))
        .expect(404);
    admin
        .get(&trust.replace("/federations/", "/clients/"))
        .expect(404);
    let secret = admin.post(
        &format!("{}/secrets", trust.replace("/federations/", "/clients/")),
        json!({}),
    );
    secret.expect(404);
    admin.delete(&trust).expect(204);
    admin.get(&trust).expect(404);
}

/// cred-74, cred-83
#[test]
fn wrong_properties_of_clients_and_federations_are_named() {
    let server = Server::start();
    server.tenant("acme");
    let admin = server.admin();
    let with = |name: &str, value: Value| {
        let mut body = federation();
        body[name] = value;
        body
    };
    for (body, field) in [
        (
            with("issuer", json!("https://login.microsoftonline.com/common/v2.0")),
            "issuer",
        ),
        (with("issuer", json!("")), "issuer"),
        (with("subject", json!(" S")), "subject"),
        (with("audiences", json!([])), "audiences"),
        (with("audiences", json!(["a", "b", "c", "d", "e"])), "audiences"),
        (with("algorithms", json!(["HS256"])), "algorithms"),
        (
            with("keys", json!({"url": "http://login.microsoftonline.com/keys"})),
            "keys",
        ),
        (
            with("keys", json!({"url": "https://169.254.169.254/keys"})),
            "keys",
        ),
        (with("keys", json!({})), "keys"),
        (with("keys", json!({"inline": {"keys": []}})), "keys"),
        (
            with("keys", json!({"inline": {"keys": [{"kty": "oct", "k": "AAAA"}]}})),
            "keys.inline",
        ),
        (with("keys", json!({"file": "/etc/passwd"})), "keys.file"),
        (with("claims", json!({"azp": ""})), "claims"),
        (with("claims", json!({"azp": 1})), "claims.azp"),
    ] {
        let reply = admin.post(&path("/federations"), body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    for (body, field) in [
        (json!({"days": 0}), "days"),
        (json!({"days": 2000}), "days"),
        (json!({"name": " a"}), "name"),
        (json!({"keys": {"url": "https://10.0.0.1/keys"}}), "keys"),
        (json!({"secret": "mine"}), "secret"),
    ] {
        let reply = admin.post(&path("/clients"), body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    assert_eq!(admin.list(&path("/federations"), "name"), [""; 0]);
    assert_eq!(admin.list(&path("/clients"), "name"), [""; 0]);
}

/// An operator deletes only the client that the operator has seen.
#[test]
fn a_deletion_may_name_the_client_that_it_expects() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let trust = json!({
            "issuer": "https://issuer.example.com", "subject": "s", "audiences": ["a"],
            "keys": {"url": "https://127.0.0.1/keys"}
        });
        for (kind, body) in [("/clients", json!({})), ("/federations", trust)] {
            let created = admin.post(&path(kind), body).expect(201);
            let object = created
                .header("location")
                .unwrap()
                .strip_prefix("/api/v1")
                .unwrap();
            let first = created.header("etag").unwrap();
            assert_eq!(admin.get(object).header("etag"), Some(first), "{kind}");
            let changed = admin.patch(object, json!({"name": "Robot"})).expect(200);
            let delete = |tag: &str| admin.request("DELETE", object).header("if-match", tag).send();
            delete(first).expect_problem(412, "stale", None);
            admin.get(object).expect(200);
            delete(changed.header("etag").unwrap()).expect(204);
        }
    });
}

#[test]
fn names_and_keys_of_a_client_change() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let keys = json!({"url": "https://127.0.0.1/keys"});
        let (created, client) = admin.create(&path("/clients"), json!({"name": "Entra", "keys": keys}));
        let tag = |path: &str| admin.get(path).header("etag").unwrap().to_owned();
        let patch = |path: &str, tag: &str, body: Value| {
            let request = admin.request("PATCH", path).header("if-match", tag);
            request.json(&body).send()
        };
        let first = tag(&client);
        let changed = patch(&client, &first, json!({"name": "Robot"})).expect(200);
        let second = tag(&client);
        assert_eq!(changed.header("etag"), Some(second.as_str()));
        assert_ne!(first, second);
        let changed = changed.json();
        for (member, value) in [
            ("name", json!("Robot")),
            ("clientId", created["clientId"].clone()),
            ("keys", keys.clone()),
            ("state", json!("active")),
        ] {
            assert_eq!(changed[member], value, "{member}");
        }
        let late = patch(&client, &first, json!({"disabled": true}));
        late.expect_problem(412, "stale", None);
        assert_eq!(admin.get(&client).json()["state"], "active");
        let other = json!({"url": "https://127.0.0.1/others"});
        let both = json!({"keys": other, "disabled": true});
        let changed = patch(&client, &second, both).expect(200).json();
        assert_eq!(
            (&changed["keys"], &changed["state"]),
            (&other, &json!("disabled"))
        );
        // The client has no secret: it gets no token any more.
        let without = admin.patch(&client, json!({"keys": null})).expect(200).json();
        assert_eq!(without["keys"], Value::Null);
        let warning = without["warnings"].to_string();
        assert!(warning.contains("neither keys nor a valid secret"), "{warning}");
        admin.create(&format!("{client}/secrets"), json!({}));
        let with_secret = admin.patch(&client, json!({"keys": null})).expect(200).json();
        assert_eq!(with_secret.get("warnings"), None, "{with_secret}");
        for (body, field) in [
            (json!({"name": " a"}), "name"),
            (json!({"keys": {}}), "keys"),
            (
                json!({"keys": {"url": "http://login.microsoftonline.com/keys"}}),
                "keys",
            ),
            (json!({"secret": "mine"}), "secret"),
        ] {
            let reply = admin.patch(&client, body);
            reply.expect_problem(400, "invalid-request", Some(field));
        }
    });
}

#[test]
fn the_values_of_a_federation_change() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let (created, trust) = admin.create(&path("/federations"), federation());
        let shown = admin.get(&trust).expect(200);
        let first = shown.header("etag").unwrap().to_owned();
        let patch = |tag: &str, body: Value| {
            let request = admin.request("PATCH", &trust).header("if-match", tag);
            request.json(&body).send()
        };
        let body = json!({"subject": "T", "audiences": ["b", "c"], "claims": {"azp": "x"}, "singleUse": true,
                          "algorithms": ["ES256"], "keys": {"url": "https://127.0.0.1/others"}});
        let changed = patch(&first, body.clone()).expect(200);
        let second = changed.header("etag").unwrap().to_owned();
        let changed = changed.json();
        for (member, value) in body.as_object().unwrap() {
            assert_eq!(&changed[member], value, "{member}");
        }
        for member in ["name", "issuer", "clientId", "state"] {
            assert_eq!(changed[member], created[member], "{member}");
        }
        patch(&first, json!({"name": "late"})).expect_problem(412, "stale", None);
        let renamed = patch(&second, json!({"name": "Okta", "disabled": true}))
            .expect(200)
            .json();
        assert_eq!(
            (&renamed["name"], &renamed["state"], &renamed["subject"]),
            (&json!("Okta"), &json!("disabled"), &json!("T"))
        );
        for (body, field) in [
            (json!({"issuer": ""}), "issuer"),
            (json!({"audiences": []}), "audiences"),
            (json!({"algorithms": ["HS256"]}), "algorithms"),
            (json!({"keys": {"url": "https://10.0.0.1/keys"}}), "keys"),
            (json!({"clientId": "mine"}), "clientId"),
        ] {
            let reply = admin.patch(&trust, body);
            reply.expect_problem(400, "invalid-request", Some(field));
        }
        let (_, client) = admin.create(&path("/clients"), json!({}));
        let as_federation = client.replace("/clients/", "/federations/");
        admin.patch(&as_federation, json!({"name": "x"})).expect(404);
    });
}

/// An assertion of the one would be an assertion of the other.
#[test]
fn a_tenant_has_one_federation_with_the_same_values() {
    on_each(Choice::default, |server| {
        for name in ["acme", "other"] {
            server.tenant(name);
        }
        let admin = server.admin();
        let mut body = federation();
        body["audiences"] = json!(["a", "b"]);
        let (first, _) = admin.create(&path("/federations"), body.clone());
        admin.create("/tenants/acme/connections", json!({"name": "entra"}));
        body["audiences"] = json!(["b", "a"]);
        body["name"] = json!("again");
        for connection in ["default", "entra"] {
            let path = format!("/tenants/acme/connections/{connection}/federations");
            let refused = admin.post(&path, body.clone());
            refused.expect_problem(409, "conflict", None);
            let refused = admin.post(&path, body.clone()).text;
            assert!(refused.contains(first["clientId"].as_str().unwrap()), "{refused}");
        }
        admin.create("/tenants/other/connections/default/federations", body.clone());
        body["subject"] = json!("T");
        let (_, second) = admin.create(&path("/federations"), body);
        let refused = admin.patch(&second, json!({"subject": "S"}));
        refused.expect_problem(409, "conflict", None);
        admin.patch(&second, json!({"subject": "U"})).expect(200);
    });
}

/// The rules for the keys may have changed since they were stored.
#[test]
fn a_federation_can_be_disabled_whatever_its_values_are() {
    let server = Server::start();
    server.tenant("acme");
    let admin = server.admin();
    let (_, trust) = admin.create(&path("/federations"), federation());
    server.sql("UPDATE oauth_client SET method = replace(method, 'https://127.0.0.1', 'https://10.0.0.1')");
    let named = admin.patch(&trust, json!({"singleUse": true}));
    named.expect_problem(400, "invalid-request", Some("keys"));
    let disabled = admin.patch(&trust, json!({"disabled": true})).expect(200).json();
    assert_eq!(disabled["state"], "disabled");
}
