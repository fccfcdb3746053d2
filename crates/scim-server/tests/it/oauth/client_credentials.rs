//! The token endpoint for clients with secrets and keys, and access tokens at the SCIM surface.

use std::time::Instant;

use chrono::Utc;
use scim_model::store::{ConnectionChange, ConnectionState, Credentials as _, Directory as _, SecretAdded};
use scim_server::oauth::registration::new_secret;
use serde_json::{Value, json};

use super::issuer::Key;
use super::{
    ASSERTION_TYPE, FORM, Registered, TOKEN, Wanted, by_assertion, by_secret, client_of, client_with_keys,
    expect_oauth_error, form, minutes, post, post_with_basic, read, register, secret_form, token,
};
use crate::harness::{Choice, Server, on_each};

const CC: &str = "grant_type=client_credentials";

/// cred-01
#[test]
fn cred_01_only_post_is_served() {
    let server = Server::start();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = server.stranger(None).request(method, TOKEN).send().expect(405);
        assert_eq!(reply.header("allow"), Some("POST"), "{method}");
        assert!(!reply.text.contains("access_token"));
    }
}

/// cred-02
#[test]
fn cred_02_a_request_is_a_form_in_utf_8() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let send = |content_type: &str, body: &str| {
        let request = server.stranger(None).request("POST", TOKEN);
        request.header("content-type", content_type).text(body).send()
    };
    let body = secret_form(&client);
    for content_type in [
        FORM,
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-URLencoded;charset=\"UTF-8\"",
    ] {
        send(content_type, &body).expect(200);
    }
    for content_type in [
        "application/json",
        "text/plain",
        "",
        "application/x-www-form-urlencoded; charset=latin1",
        "multipart/form-data",
    ] {
        expect_oauth_error(send(content_type, &body), 400, "invalid_request");
    }
    let json = json!({"grant_type": "client_credentials"}).to_string();
    expect_oauth_error(send("application/json", &json), 400, "invalid_request");
    let bytes = server
        .stranger(None)
        .request("POST", TOKEN)
        .header("content-type", FORM)
        .bytes(b"\xff\xfe")
        .send();
    expect_oauth_error(bytes, 400, "invalid_request");
}

/// cred-03, cred-80
#[test]
fn cred_03_the_grant_is_client_credentials() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let send = |grant: &str| {
        post(
            &server,
            &form(&[
                ("grant_type", grant),
                ("client_id", &client.id),
                ("client_secret", &client.secret),
            ]),
        )
    };
    send("client_credentials").expect(200);
    expect_oauth_error(
        post(&server, &form(&[("client_id", &client.id)])),
        400,
        "invalid_request",
    );
    for grant in [
        "password",
        "authorization_code",
        "refresh_token",
        "Client_Credentials",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        // cred-80
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        expect_oauth_error(send(grant), 400, "unsupported_grant_type");
    }
}

/// cred-04, cred-05, cred-06
#[test]
fn cred_04_to_06_parameters_may_be_empty_or_unknown_and_not_repeated() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let usual = secret_form(&client);
    let reply = post(&server, &format!("{usual}&scope=")).expect(200);
    assert_eq!(reply.json()["scope"], "scim");
    post(
        &server,
        &format!("{usual}&client_assertion=&client_assertion_type="),
    )
    .expect(200);
    post(&server, &format!("{usual}&baseAddress=x&resource=y&foo=1&foo=2")).expect(200);
    for (name, value) in [
        ("grant_type", "client_credentials"),
        ("client_id", client.id.as_str()),
        ("client_secret", client.secret.as_str()),
    ] {
        let twice = format!("{usual}&{}", form(&[(name, value)]));
        expect_oauth_error(post(&server, &twice), 400, "invalid_request");
    }
    for name in ["scope", "client_assertion", "client_assertion_type"] {
        expect_oauth_error(
            post(&server, &format!("{usual}&{name}=&{name}=")),
            400,
            "invalid_request",
        );
    }
}

/// cred-07
#[test]
fn cred_07_credentials_are_never_read_from_the_uri() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let path = format!("{TOKEN}?{}", secret_form(&client));
    let request = server
        .stranger(None)
        .request("POST", &path)
        .header("content-type", FORM)
        .text(CC);
    expect_oauth_error(request.send(), 401, "invalid_client");
}

/// cred-10
#[test]
fn cred_10_sizes_are_limited() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let usual = secret_form(&client);
    let padded = |size: usize| format!("{usual}&pad={}", "a".repeat(size - usual.len() - 5));
    post(&server, &padded(16 * 1024)).expect(200);
    expect_oauth_error(post(&server, &padded(16 * 1024 + 1)), 400, "invalid_request");
    let many = |number: usize| format!("{usual}{}", "&a=b".repeat(number - 3));
    post(&server, &many(32)).expect(200);
    expect_oauth_error(post(&server, &many(33)), 400, "invalid_request");
    for (name, most) in [("client_id", 128), ("client_secret", 256)] {
        let others = if name == "client_id" {
            "client_secret=x"
        } else {
            "client_id=x"
        };
        let sized = |size: usize| format!("{CC}&{others}&{name}={}", "a".repeat(size));
        expect_oauth_error(post(&server, &sized(most)), 401, "invalid_client");
        expect_oauth_error(post(&server, &sized(most + 1)), 400, "invalid_request");
    }
    let assertion = |size: usize| by_assertion(&server, Some("x"), &"a".repeat(size));
    expect_oauth_error(assertion(8 * 1024), 401, "invalid_client");
    expect_oauth_error(assertion(8 * 1024 + 1), 400, "invalid_request");
}

/// cred-11
#[test]
fn cred_11_http_basic_is_supported() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    post_with_basic(&server, &client.id, &client.secret, CC).expect(200);
    // Every character as %XX.
    let encoded = |text: &str| text.bytes().map(|it| format!("%{it:02X}")).collect::<String>();
    post_with_basic(&server, &encoded(&client.id), &encoded(&client.secret), CC).expect(200);
    for authorization in [
        "Basic !",
        "Basic",
        "Basic YQ==",
        "Bearer abc",
        "Negotiate YQ==",
        "Basic //79/Q==",
    ] {
        let request = server.stranger(Some(authorization)).request("POST", TOKEN);
        let reply = request
            .header("content-type", FORM)
            .text(&secret_form(&client))
            .send();
        expect_oauth_error(reply, 401, "invalid_client");
    }
}

/// cred-12, cred-28, cred-33
///
/// The credentials test of Microsoft's validator.
#[test]
fn cred_12_the_validator_gets_a_token_for_a_secret_in_the_body() {
    on_each(Choice::default, |server| {
        let (_, client) = client_of(&server, "acme");
        let body = include_str!("../../fixtures/oauth/validator-credentials.txt")
            .replace("{client_id}", &client.id)
            .replace("{client_secret}", &client.secret);
        let reply = post(&server, &body).expect(200);
        let minutes = reply.json()["expires_in"].as_f64().unwrap() / 60.0;
        assert!((60.0..=360.0).contains(&minutes));
        assert_eq!(reply.json()["scope"], "scim");
        assert_eq!(read(&server, reply.json()["access_token"].as_str().unwrap()), 200);
    });
}

/// cred-13, cred-14
#[test]
fn cred_13_entra_may_send_the_secret_in_header_and_body() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let basic = |body: &str| post_with_basic(&server, &client.id, &client.secret, body);
    basic(&secret_form(&client)).expect(200);
    // cred-14: the id in the body and Basic in the header.
    basic(&form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &client.id),
    ]))
    .expect(200);
    for (name, value) in [("client_secret", "other"), ("client_id", "other")] {
        let body = format!("{CC}&{}", form(&[(name, value)]));
        expect_oauth_error(basic(&body), 400, "invalid_request");
    }
    let assertion = form(&[
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", "a.b.c"),
    ]);
    expect_oauth_error(basic(&format!("{CC}&{assertion}")), 400, "invalid_request");
    let in_body = format!("{}&{assertion}", secret_form(&client));
    expect_oauth_error(post(&server, &in_body), 400, "invalid_request");
}

/// cred-15
#[test]
fn cred_15_a_client_without_a_proof_is_refused() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let id = form(&[("grant_type", "client_credentials"), ("client_id", &client.id)]);
    for body in [CC, &id, &format!("{CC}&client_secret={}", client.secret)] {
        expect_oauth_error(post(&server, body), 401, "invalid_client");
    }
}

/// cred-16, cred-17
#[test]
fn cred_17_strangers_cannot_tell_why_they_are_refused() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let (deleted, text) = new_secret("deleted", 730, Utc::now()).unwrap();
    assert_eq!(
        server.store.add_secret(&client.id, &deleted).unwrap(),
        SecretAdded::Done
    );
    assert!(server.store.delete_secret(&client.id, deleted.id).unwrap());
    let refused = |id: &str, secret: &str, basic: bool| {
        let reply = match basic {
            true => post_with_basic(&server, id, secret, CC),
            false => by_secret(
                &server,
                &Registered {
                    id: id.to_owned(),
                    secret: secret.to_owned(),
                },
            ),
        };
        let reply = expect_oauth_error(reply, 401, "invalid_client");
        assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"scim\""));
        reply.text
    };
    for basic in [true, false] {
        let unknown = refused("client_unknown", &client.secret, basic);
        assert_eq!(refused(&client.id, "wrong", basic), unknown);
        assert_eq!(refused(&client.id, &text, basic), unknown);
    }
}

/// cred-17
///
/// The answers to an unknown client and to a wrong secret take about the same time.
#[test]
fn cred_17_refusals_take_the_same_time() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let time = |id: &str| {
        let mut times: Vec<u128> = (0..9)
            .map(|_| {
                let body = form(&[
                    ("grant_type", "client_credentials"),
                    ("client_id", id),
                    ("client_secret", "x"),
                ]);
                let began = Instant::now();
                post(&server, &body).expect(401);
                began.elapsed().as_micros()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (known, unknown) = (time(&client.id), time("client_unknown"));
    let (less, more) = (known.min(unknown), known.max(unknown));
    assert!(more < less * 4 + 5_000, "{known} µs and {unknown} µs");
}

/// cred-19, cred-09
#[test]
fn cred_19_the_eleventh_wrong_secret_has_to_wait() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let wrong = Registered {
        secret: "wrong".to_owned(),
        id: client.id.clone(),
    };
    for _ in 0..10 {
        expect_oauth_error(by_secret(&server, &wrong), 401, "invalid_client");
    }
    for refused in [&wrong, &client] {
        let reply = expect_oauth_error(by_secret(&server, refused), 429, "temporarily_unavailable");
        let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
    }
    let elsewhere = server
        .stranger(None)
        .request("POST", TOKEN)
        .from("192.0.2.7:4711");
    elsewhere
        .header("content-type", FORM)
        .text(&secret_form(&client))
        .send()
        .expect(200);
    // A header that anybody can send names no other source.
    let forged = server
        .stranger(None)
        .request("POST", TOKEN)
        .header("x-forwarded-for", "192.0.2.8");
    forged
        .header("content-type", FORM)
        .text(&secret_form(&client))
        .send()
        .expect(429);
}

/// cred-19
///
/// Behind a proxy on the same machine that is not named, a stranger stops the client that is named, and no other.
#[test]
fn cred_19_a_stranger_behind_an_unnamed_proxy_does_not_stop_other_clients() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let send = |peer: &str, body: &str| {
        let request = server.stranger(None).request("POST", TOKEN).from(peer);
        request.header("content-type", FORM).text(body).send()
    };
    for (peer, status) in [("127.0.0.1:4711", 200), ("192.0.2.9:4711", 429)] {
        for number in 0..61 {
            let id = format!("client_{number}");
            let secret = "wrong".to_owned();
            send(peer, &secret_form(&Registered { id, secret }));
        }
        send(peer, &secret_form(&client)).expect(status);
    }
}

/// cred-19, cred-60
///
/// Clients that are named by their assertions only are limited one by one, and each failure counts.
#[test]
fn cred_19_failed_assertions_count_for_the_client_that_they_name() {
    let server = Server::start();
    let tenant = server.tenant("acme").tenant.unwrap();
    let (key, forger) = (Key::ec("1"), Key::ec("1"));
    let [attacked, neighbour] = [(); 2].map(|()| client_with_keys(&server, tenant, &[&key]));
    let number = std::cell::Cell::new(0);
    let assertion = |key: &Key, id: &str| {
        number.set(number.get() + 1);
        key.sign(
            &json!({"iss": id, "sub": id, "aud": "https://scim.example.com", "jti": number.get().to_string(),
                    "exp": Utc::now().timestamp() + 300}),
        )
    };
    let send = |key: &Key, id: &str| by_assertion(&server, None, &assertion(key, id));
    for _ in 0..10 {
        expect_oauth_error(send(&forger, &attacked), 401, "invalid_client");
    }
    expect_oauth_error(send(&key, &attacked), 429, "temporarily_unavailable");
    // The parameter names the same client.
    let named = by_assertion(&server, Some(&attacked), &assertion(&key, &attacked));
    expect_oauth_error(named, 429, "temporarily_unavailable");
    send(&key, &neighbour).expect(200);
}

/// cred-20, cred-21, cred-22, cred-23, cred-38
#[test]
fn cred_20_a_token_response_has_exactly_four_members() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let reply = by_secret(&server, &client).expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("pragma"), Some("no-cache"));
    let body = reply.json();
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "scope"]);
    assert_eq!(body["token_type"], "Bearer");
    assert!(body["expires_in"].is_u64());
    let token = body["access_token"].as_str().unwrap();
    assert!(token.len() <= 64 && !token.contains('.'));
}

/// cred-22, cred-24, cred-25
///
/// No text of the request is in an error.
#[test]
fn cred_24_errors_echo_nothing() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let hostile = "<script>\"\\é\r\nX: y";
    for body in [
        form(&[("grant_type", hostile)]),
        form(&[
            ("grant_type", "client_credentials"),
            ("client_id", hostile),
            ("client_secret", hostile),
        ]),
        format!("{}&{}", secret_form(&client), form(&[("scope", hostile)])),
        form(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", hostile),
            ("client_assertion", hostile),
        ]),
    ] {
        let reply = post(&server, &body);
        assert!(!reply.text.contains("<script"), "{}", reply.text);
        let (status, error) = (reply.status, reply.json()["error"].as_str().unwrap().to_owned());
        expect_oauth_error(reply, status, &error);
    }
}

/// cred-21, cred-25, cred-27, cred-29
#[test]
fn cred_25_an_unknown_scope_is_named_after_authentication() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let with_scope = |client: &Registered, scope: &str| {
        post(
            &server,
            &format!("{}&{}", secret_form(client), form(&[("scope", scope)])),
        )
    };
    expect_oauth_error(with_scope(&client, "admin"), 400, "invalid_scope");
    let wrong = Registered {
        secret: "wrong".to_owned(),
        id: client.id.clone(),
    };
    expect_oauth_error(with_scope(&wrong, "admin"), 401, "invalid_client");
    for scope in ["scim", "scim.readwrite"] {
        assert_eq!(with_scope(&client, scope).expect(200).json()["scope"], "scim");
    }
    assert!(server.store.disable_client(&client.id, true).unwrap());
    let reply = expect_oauth_error(by_secret(&server, &client), 400, "unauthorized_client");
    assert_eq!(reply.json()["error_description"], "the client is disabled");
    expect_oauth_error(by_secret(&server, &wrong), 401, "invalid_client");
}

/// cred-21, cred-29, cred-30
#[test]
fn cred_30_a_token_for_reading_cannot_write() {
    let server = Server::start();
    let (tenant, client) = client_of(&server, "acme");
    let reader = register(
        &server,
        tenant,
        Wanted {
            read_only: true,
            ..Wanted::default()
        },
    );
    for (client, scope) in [
        (&reader, None),
        (&reader, Some("scim")),
        (&client, Some("scim.read")),
    ] {
        let scope = scope.map(|it| form(&[("scope", it)])).unwrap_or_default();
        let reply = post(&server, &format!("{}&{scope}", secret_form(client))).expect(200);
        assert_eq!(reply.json()["scope"], "scim.read");
        let token = token(reply);
        assert_eq!(read(&server, &token), 200);
        let user = json!({"schemas": [crate::harness::USER], "userName": "bjensen"});
        let refused = server
            .stranger(Some(&format!("Bearer {token}")))
            .post("/Users", user);
        let refused = refused.expect_error(403, None);
        assert!(
            refused
                .header("www-authenticate")
                .unwrap()
                .contains("insufficient_scope")
        );
    }
}

/// cred-32, cred-33
#[test]
fn cred_33_the_lifetime_is_always_the_setting() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    for _ in 0..50 {
        assert_eq!(by_secret(&server, &client).expect(200).json()["expires_in"], 3600);
    }
}

/// cred-34, cred-35
///
/// What ends a token at once.
#[test]
fn cred_34_a_token_ends_with_its_secret_client_connection_or_tenant() {
    on_each(Choice::default, |server| {
        let (tenant, client) = client_of(&server, "acme");
        let fresh = || {
            let client = register(&server, tenant, Wanted::default());
            let token = token(by_secret(&server, &client));
            (server.store.client(&client.id).unwrap().unwrap(), token)
        };
        let ends = |what: &str, token: &str, refusal: u16| {
            let lookup = || {
                let reply = server.stranger(Some(&format!("Bearer {token}"))).get("/Users");
                assert!([200, refusal].contains(&reply.status), "{what}: {}", reply.text);
                reply.status == refusal
            };
            // A server that has the token in its cache accepts it for at most a second.
            crate::harness::wait_until(what, lookup);
        };
        let (first, token_1) = fresh();
        assert!(
            server
                .store
                .delete_secret(&first.client_id, first.secrets[0].id)
                .unwrap()
        );
        ends("the secret", &token_1, 401);
        let (second, token_2) = fresh();
        assert!(server.store.disable_client(&second.client_id, true).unwrap());
        ends("the client", &token_2, 401);
        assert!(server.store.disable_client(&second.client_id, false).unwrap());
        ends("the client that was enabled again", &token_2, 401);
        assert!(server.store.delete_client(&second.client_id, Utc::now()).unwrap());
        ends("the client", &token_2, 401);
        let (third, token_3) = fresh();
        let set = |state| {
            let change = ConnectionChange {
                state: Some(state),
                ..ConnectionChange::default()
            };
            server
                .store
                .change_connection(tenant, third.connection.id, &change)
                .unwrap()
                .unwrap();
        };
        set(ConnectionState::Paused);
        ends("the connection", &token_3, 403);
        let paused = expect_oauth_error(by_secret(&server, &client), 400, "unauthorized_client");
        assert_eq!(paused.json()["error_description"], "the connection is paused");
        set(ConnectionState::Active);
        crate::harness::wait_until("the resumed connection", || read(&server, &token_3) == 200);
        assert!(server.store.delete_tenant("acme").unwrap());
        ends("the tenant", &token_3, 401);
        expect_oauth_error(by_secret(&server, &client), 401, "invalid_client");
    });
}

/// cred-34
#[test]
fn cred_34_an_expired_secret_gets_no_token() {
    let server = Server::start();
    let tenant = server.tenant("acme").tenant.unwrap();
    let created = Utc::now() - minutes(2 * 24 * 60);
    let client = register(
        &server,
        tenant,
        Wanted {
            days: 1,
            created,
            ..Wanted::default()
        },
    );
    let reply = expect_oauth_error(by_secret(&server, &client), 401, "invalid_client");
    let day = (created + minutes(24 * 60)).format("%Y-%m-%d");
    assert_eq!(
        reply.json()["error_description"],
        format!("the secret expired on {day}")
    );
}

/// cred-36, cred-46
#[test]
fn cred_36_a_token_is_bound_to_its_tenant() {
    let server = Server::start();
    let (acme, client) = client_of(&server, "acme");
    let (_, other) = client_of(&server, "other");
    let with = |token: &str| format!("Bearer {token}");
    let (token_1, token_2) = (
        token(by_secret(&server, &client)),
        token(by_secret(&server, &other)),
    );
    let user = server
        .client(acme, crate::harness::Token::default())
        .create_user("bjensen");
    server.stranger(Some(&with(&token_1))).get(&user.path).expect(200);
    server
        .stranger(Some(&with(&token_2)))
        .get(&user.path)
        .expect_error(404, None);
}

/// cred-37
#[test]
fn cred_37_several_tokens_of_a_client_are_valid() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let tokens: Vec<String> = (0..3).map(|_| token(by_secret(&server, &client))).collect();
    for token in &tokens {
        assert_eq!(read(&server, token), 200);
    }
}

/// cred-44, cred-49
#[test]
fn cred_44_secrets_overlap() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let (second, text) = new_secret("second", 730, Utc::now()).unwrap();
    server.store.add_secret(&client.id, &second).unwrap();
    let new = Registered {
        secret: text,
        id: client.id.clone(),
    };
    let old_token = token(by_secret(&server, &client));
    let new_token = token(by_secret(&server, &new));
    let stored = server.store.client(&client.id).unwrap().unwrap();
    assert!(stored.last_used.is_some() && stored.secrets.iter().all(|it| it.last_used.is_some()));
    server
        .store
        .delete_secret(&client.id, stored.secrets[0].id)
        .unwrap();
    expect_oauth_error(by_secret(&server, &client), 401, "invalid_client");
    by_secret(&server, &new).expect(200);
    crate::harness::wait_until("the old token", || read(&server, &old_token) == 401);
    assert_eq!(read(&server, &new_token), 200);
}

/// cred-59, cred-60, cred-67, cred-91
///
/// A client that signs its assertions.
#[test]
fn cred_67_an_assertion_of_a_client_is_good_once() {
    on_each(Choice::default, |server| {
        let tenant = server.tenant("acme").tenant.unwrap();
        let (old, new) = (Key::ec("old"), Key::rsa("new"));
        let id = client_with_keys(&server, tenant, &[&old, &new]);
        let claims = |jti: &str| json!({"iss": id, "sub": id, "aud": "https://scim.example.com", "jti": jti, "exp": Utc::now().timestamp() + 300});
        let first = old.sign(&claims("1"));
        assert_eq!(
            read(&server, &token(by_assertion(&server, Some(&id), &first))),
            200
        );
        let reply = expect_oauth_error(by_assertion(&server, Some(&id), &first), 401, "invalid_client");
        assert_eq!(reply.json()["error_description"], "the assertion was used before");
        // The same identifier in another assertion is a replay too.
        let mut again = claims("1");
        again["exp"] = json!(Utc::now().timestamp() + 200);
        expect_oauth_error(
            by_assertion(&server, Some(&id), &old.sign(&again)),
            401,
            "invalid_client",
        );
        // cred-91: both keys are valid; cred-60: the client may leave its id out.
        by_assertion(&server, None, &new.sign(&claims("2"))).expect(200);
        let endpoint = {
            let mut claims = claims("3");
            claims["aud"] = json!("https://scim.example.com/oauth2/token");
            new.sign(&claims)
        };
        by_assertion(&server, Some(&id), &endpoint).expect(200);
        let (_, other) = client_of(&server, "other");
        let of_other = by_assertion(&server, Some(&other.id), &new.sign(&claims("4")));
        let reply = expect_oauth_error(of_other, 401, "invalid_client");
        assert_eq!(reply.json()["error_description"], "assertion refused");
    });
}

/// cred-50
#[test]
fn cred_50_assertion_and_type_come_together() {
    let server = Server::start();
    let tenant = server.tenant("acme").tenant.unwrap();
    let key = Key::ec("a");
    let id = client_with_keys(&server, tenant, &[&key]);
    let assertion = key.sign(
        &json!({"iss": id, "sub": id, "aud": "https://scim.example.com", "jti": "1",
                                     "exp": Utc::now().timestamp() + 300}),
    );
    let with = |parameters: &[(&str, &str)]| post(&server, &format!("{CC}&{}", form(parameters)));
    expect_oauth_error(with(&[("client_assertion", &assertion)]), 400, "invalid_request");
    expect_oauth_error(
        with(&[("client_assertion_type", ASSERTION_TYPE)]),
        400,
        "invalid_request",
    );
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let other = with(&[("client_assertion_type", saml), ("client_assertion", &assertion)]);
    let description = other.json()["error_description"].clone();
    assert_eq!(
        description,
        format!("client_assertion_type must be {ASSERTION_TYPE}")
    );
    expect_oauth_error(other, 401, "invalid_client");
    with(&[
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &assertion),
    ])
    .expect(200);
}

/// cred-79, cred-101
///
/// Other credentials at the SCIM surface.
#[test]
fn cred_79_an_assertion_is_no_access_token() {
    let server = Server::start();
    let (_, client) = client_of(&server, "acme");
    let key = Key::rsa("a");
    let mut claims = super::issuer::entra_claims(Utc::now().timestamp());
    claims["aud"] = json!("8adf8e6e-67b2-4cf2-a259-e3dc5476c621");
    for authorization in [
        format!("Bearer {}", key.sign(&claims)),
        format!("Bearer {}", client.secret),
    ] {
        let reply = server
            .stranger(Some(&authorization))
            .get("/Users")
            .expect_error(401, None);
        assert!(
            reply
                .header("www-authenticate")
                .unwrap()
                .contains("invalid_token")
        );
    }
    use base64::Engine as _;
    let pair = base64::prelude::BASE64_STANDARD.encode(format!("{}:{}", client.id, client.secret));
    server
        .stranger(Some(&format!("Basic {pair}")))
        .get("/Users")
        .expect_error(401, None);
}

#[test]
fn changes_name_the_client_as_their_originator() {
    let server = Server::start();
    let (tenant, client) = client_of(&server, "acme");
    let token = token(by_secret(&server, &client));
    server
        .stranger(Some(&format!("Bearer {token}")))
        .create_user("bjensen");
    let id = server.store.client(&client.id).unwrap().unwrap().id;
    let changes = scim_model::store::ChangeJournal::changes(
        &*server.store,
        tenant,
        scim_model::change::ChangePosition::default(),
        10,
    );
    let actor = serde_json::to_value(&changes.unwrap()[0].actor).unwrap();
    assert_eq!(actor["credential"], Value::String(id.to_string()));
}
