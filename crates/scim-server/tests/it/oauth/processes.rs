//! The binary: its commands, its log, and two servers on one PostgreSQL.

use std::process::{Command, Stdio};
use std::sync::Arc;

use chrono::Utc;
use serde_json::{Value, json};

use super::federation::Issuer;
use super::issuer::{DIRECTORY, Key, SUBJECT, entra_claims, entra_issuer, jwks, sha256};
use super::{ASSERTION_TYPE, form};
use crate::harness::{HttpClient, PostgresDatabase, wait_until};
use crate::restart::Binary;

/// A database with its commands.
struct Installation {
    database_url: String,
}

impl Installation {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scim-server"));
        command
            .args(arguments)
            .args(["--database-url", &self.database_url])
            .env("SCIM_BASE_URL", "https://scim.example.com")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// The standard output and error of a command that succeeds.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> (String, String) {
        let output = self.command(arguments).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        (out, err)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let (out, _) = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap()
    }

    /// The result of `federation check`, whose exit code says whether the assertion is accepted.
    #[track_caller]
    fn check(&self, client_id: &str, file: &str, more: &[&str]) -> Value {
        let arguments = [
            "federation",
            "check",
            client_id,
            "--assertion-file",
            file,
            "--json",
        ];
        let output = self.command(&[&arguments[..], more].concat()).output().unwrap();
        let trial: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        match trial["failed"].as_str() {
            None => assert_eq!(
                (output.status.code(), &trial["accepted"]),
                (Some(0), &json!(true))
            ),
            Some(check) => {
                assert_eq!(
                    (output.status.code(), &trial["accepted"]),
                    (Some(9), &json!(false))
                );
                let expected = format!("refused by the check of `{check}`");
                assert!(
                    error.trim_end().lines().last().unwrap().contains(&expected),
                    "{error}"
                );
            }
        }
        trial
    }

    /// The exit code and the error of a command that fails.
    fn fail(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// Sends a token request to a server, and returns status and body.
pub fn ask(base_url: &str, body: &str) -> (u16, Value) {
    let url = base_url.replace("/scim/v2", "/oauth2/token");
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None);
    let agent = config.build().new_agent();
    let request = agent
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded");
    let mut response = request.send(body).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap())
}

pub fn secret_form(created: &Value) -> String {
    let text = |name: &str| created[name].as_str().unwrap();
    form(&[
        ("grant_type", "client_credentials"),
        ("client_id", text("clientId")),
        ("client_secret", text("clientSecret")),
    ])
}

fn assertion_form(client_id: &str, assertion: &str) -> String {
    form(&[
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ])
}

/// cred-42, cred-43, cred-44, cred-47, cred-48, cred-49, cred-104
///
/// Clients on the command line.
#[test]
fn cred_47_the_command_line_manages_clients() {
    let server = Binary::start(&[]);
    let it = Installation {
        database_url: server.database_url(),
    };
    let created = it.json(&["client", "create", "--tenant", "default", "--name", "Entra"]);
    assert_eq!(created["tokenEndpoint"], "https://scim.example.com/oauth2/token");
    assert_eq!(created["scimUrl"], "https://scim.example.com/scim/v2");
    assert_eq!(
        (&created["tenant"], &created["connection"]),
        (&json!("default"), &json!("default"))
    );
    let days = created["expires"]
        .as_str()
        .unwrap()
        .parse::<chrono::DateTime<Utc>>()
        .unwrap()
        - Utc::now();
    assert!((729..=730).contains(&days.num_days()));
    let id = created["clientId"].as_str().unwrap().to_owned();
    let secret = created["clientSecret"].as_str().unwrap().to_owned();
    assert!(
        uuid::Uuid::try_parse(&id).is_err(),
        "no id of a resource looks like it"
    );
    let (status, body) = ask(&server.base_url, &secret_form(&created));
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/Users", &token).0, 200);

    // The journal names the client by the id that the list shows.
    let user = json!({"schemas": [crate::harness::USER], "userName": "bjensen"});
    assert_eq!(
        HttpClient::new(&server.base_url, &token)
            .send("POST", "/Users", Some(&user))
            .0,
        201
    );
    let (journal, _) = it.run(&["journal", "--tenant", "default"]);
    let entry: Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
    assert_eq!(
        entry["actor"]["credential"],
        it.json(&["client", "show", &id])["id"]
    );
    assert!(!journal.contains(&token) && !journal.contains(&secret));

    let second = it.json(&["client", "secret", "add", &id, "--days", "29", "--name", "next"]);
    let shown = it.json(&["client", "show", &id]);
    assert_eq!(shown["secrets"][1]["state"], "expiring");
    assert_eq!(shown["secrets"][0]["lastFour"], secret[secret.len() - 4..]);
    assert!(shown["lastUsed"].is_string() && shown["secrets"][0]["lastUsed"].is_string());
    // Neither a secret nor its hash is ever shown again.
    let (list, _) = it.run(&["client", "list", "--json"]);
    let (text, _) = it.run(&["client", "list", "--tenant", "default"]);
    let (pretty, _) = it.run(&["client", "show", &id]);
    let today = Utc::now().format("%Y-%m-%d");
    let last_four = [0, 1].map(|it| shown["secrets"][it]["lastFour"].as_str().unwrap());
    let first_expiry = &created["expires"].as_str().unwrap()[..10];
    for part in [
        format!(" created {today} used {today}"),
        format!(" {} until {first_expiry}, {} until ", last_four[0], last_four[1]),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    for output in [&list, &text, &pretty, &shown.to_string()] {
        assert!(output.contains(&id));
        for hidden in [
            &secret,
            second["clientSecret"].as_str().unwrap(),
            &sha256(&secret),
        ] {
            assert!(!output.contains(hidden), "{output}");
        }
    }
    assert_eq!(ask(&server.base_url, &secret_form(&second)).0, 200);
    let old = shown["secrets"][0]["id"].as_str().unwrap();
    it.run(&["client", "secret", "delete", &id, old]);
    assert_eq!(server.get("/Users", &token).0, 401);
    assert_eq!(ask(&server.base_url, &secret_form(&created)).0, 401);
    assert_eq!(ask(&server.base_url, &secret_form(&second)).0, 200);
    for _ in 0..4 {
        it.json(&["client", "secret", "add", &id]);
    }
    let (code, error) = it.fail(&["client", "secret", "add", &id]);
    assert!(code == Some(3) && error.contains("5 valid secrets"), "{error}");
    it.run(&["client", "disable", &id]);
    let (status, body) = ask(&server.base_url, &secret_form(&second));
    assert_eq!((status, &body["error"]), (400, &json!("unauthorized_client")));
    it.run(&["client", "enable", &id]);
    assert_eq!(ask(&server.base_url, &secret_form(&second)).0, 200);
    it.run(&["client", "delete", &id]);
    assert_eq!(it.json(&["client", "list"]), json!({ "items": [] }));
    for (arguments, code) in [
        (
            vec!["client", "create", "--tenant", "default", "--days", "1096"],
            2,
        ),
        (vec!["client", "create", "--tenant", "nobody"], 7),
        (
            vec![
                "client",
                "create",
                "--tenant",
                "default",
                "--connection",
                "nobody",
            ],
            3,
        ),
        (vec!["client", "show", &id], 3),
        (vec!["client", "delete", &id], 3),
        (vec!["client", "secret", "add", "nobody"], 3),
        (
            vec![
                "client",
                "create",
                "--tenant",
                "default",
                "--jwks-url",
                "http://keys.example.com/",
            ],
            3,
        ),
        (
            vec![
                "client",
                "create",
                "--tenant",
                "default",
                "--jwks-file",
                "/does/not/exist",
            ],
            2,
        ),
    ] {
        assert_eq!(it.fail(&arguments).0, Some(code), "{arguments:?}");
    }
}

/// cred-92, cred-95
///
/// The path of the issuer follows that of the metadata, and anybody may read the document.
#[test]
fn cred_92_the_metadata_have_the_path_of_the_issuer() {
    let issuer = "https://id.example.com/scim";
    let base_url = "https://scim.example.com/scim/v2";
    let server = Binary::start(&["--oauth-issuer", issuer, "--base-url", base_url]);
    let (_, rest) = server.printed.split_once("listening on ").unwrap();
    let (address, _) = rest.split_once(',').unwrap();
    let get = |path: &str| {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None);
        let mut response = config
            .build()
            .new_agent()
            .get(format!("http://{address}{path}"))
            .call()
            .unwrap();
        (
            response.status().as_u16(),
            response.body_mut().read_to_string().unwrap(),
        )
    };
    let (status, text) = get("/.well-known/oauth-authorization-server/scim");
    assert_eq!(status, 200, "{text}");
    let metadata: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(
        metadata["token_endpoint"],
        "https://scim.example.com/oauth2/token"
    );
    assert_eq!(get("/.well-known/oauth-authorization-server").0, 401);
}

/// cred-09, cred-19
///
/// A base URL with `https` means a proxy, whose name the limit of failed attempts needs.
#[test]
fn cred_19_a_server_warns_of_a_proxy_that_is_not_named() {
    let base_url = ["--base-url", "https://scim.example.com/scim/v2"];
    let unnamed = Binary::start(&base_url);
    let log = unnamed.log_until("--trusted-proxy");
    let line = log.lines().find(|it| it.contains("--trusted-proxy")).unwrap();
    assert!(line.contains("WARN"), "{line}");
    let named = Binary::start(&[&base_url[..], &["--trusted-proxy", "127.0.0.1"]].concat());
    let local = Binary::start(&[]);
    for server in [&named, &local] {
        ask(
            &server
                .base_url
                .replace("https://scim.example.com", &address(server)),
            "grant_type=password",
        );
        assert!(
            !server
                .log_until("refused a token request")
                .contains("--trusted-proxy")
        );
    }
}

/// The address that a server prints.
fn address(server: &Binary) -> String {
    let (_, rest) = server.printed.split_once("listening on ").unwrap();
    let (address, _) = rest.split_once(',').unwrap();
    format!("http://{address}")
}

/// cred-86
#[cfg(target_os = "linux")]
#[test]
fn cred_86_a_server_has_a_thread_that_refreshes_keys() {
    let server = Binary::start(&[]);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let names = tasks.map(|it| std::fs::read_to_string(it.unwrap().path().join("comm")).unwrap());
    assert!(names.into_iter().any(|it| it.trim() == "keys"));
}

/// cred-45
#[test]
fn cred_45_the_expiry_of_a_secret_is_announced() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let it = Installation {
        database_url: format!("sqlite:{}", folder.path().join("scim.db").display()),
    };
    it.run(&["tenant", "create", "acme"]);
    let create = |days: &str| it.json(&["client", "create", "--tenant", "acme", "--days", days]);
    let (soon, later) = (create("29"), create("31"));
    let server = Binary::start_in(folder, &[]);
    let log = server.log_until("a secret of the client");
    let warning = log
        .lines()
        .find(|it| it.contains("a secret of the client"))
        .unwrap();
    assert!(
        warning.contains(soon["clientId"].as_str().unwrap()) && warning.contains("tenant acme"),
        "{warning}"
    );
    assert!(!log.contains(later["clientId"].as_str().unwrap()), "{log}");
}

/// cred-71, cred-82, cred-83
///
/// Federations on the command line. The issuer is on a loopback address.
#[test]
fn cred_71_the_command_line_manages_federations() {
    let key = Key::rsa("1");
    let issuer = Issuer::start(&[&key]);
    let server = Binary::start(&["--egress-allow", "127.0.0.1"]);
    let it = Installation {
        database_url: server.database_url(),
    };
    let entra = entra_issuer();
    let audience = "api://11112222-bbbb-3333-cccc-4444dddd5555";
    let usual = [
        "federation",
        "create",
        "--tenant",
        "default",
        "--issuer",
        &entra,
        "--subject",
        SUBJECT,
    ];
    let create = [
        &usual[..],
        &[
            "--audience",
            audience,
            "--audience",
            "second",
            "--jwks-url",
            &issuer.url,
        ],
    ]
    .concat();
    let (code, error) = it.fail(&create);
    assert!(
        code == Some(3) && error.contains("the URL must begin with `https://`"),
        "{error}"
    );
    let created = it.json(&[&create[..], &["--egress-allow", "127.0.0.1"]].concat());
    assert_eq!(created["tokenEndpoint"], "https://scim.example.com/oauth2/token");
    assert_eq!(created["scimUrl"], "https://scim.example.com/scim/v2");
    let id = created["clientId"].as_str().unwrap();
    let assertion = key.sign(&entra_claims(Utc::now().timestamp()));
    let (status, body) = ask(&server.base_url, &assertion_form(id, &assertion));
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(server.get("/Users", token).0, 200);

    // A trial names the check, and issues nothing.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assertion.jwt");
    let check_with = |assertion: &str, more: &[&str]| {
        std::fs::write(&file, assertion).unwrap();
        let file = file.to_str().unwrap();
        it.check(id, file, more)
    };
    let check = |assertion: &str| check_with(assertion, &["--egress-allow", "127.0.0.1"]);
    assert_eq!(check(&format!("{assertion}\n"))["accepted"], true);
    let mut other = entra_claims(Utc::now().timestamp());
    other["aud"] = json!("api://x/");
    let trial = check(&key.sign(&other));
    assert_eq!(
        (&trial["accepted"], &trial["failed"]),
        (&json!(false), &json!("aud"))
    );
    assert!(trial["problem"].as_str().unwrap().contains("api://x/"), "{trial}");
    assert_eq!(
        (&trial["claims"]["aud"], &trial["claims"]["exp"]),
        (&json!("api://x/"), &other["exp"])
    );
    assert_eq!(check_with(&assertion, &[])["failed"], "keys");

    let shown = it.json(&["federation", "show", id]);
    assert_eq!(
        (&shown["issuer"], &shown["audiences"][1]),
        (&json!(entra), &json!("second"))
    );
    assert_eq!(
        it.json(&["federation", "list"])["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(it.json(&["client", "list"]), json!({ "items": [] }));
    it.run(&["federation", "delete", id]);
    assert_eq!(server.get("/Users", token).0, 401);
    assert_eq!(ask(&server.base_url, &assertion_form(id, &assertion)).0, 401);

    // Keys in a file need no connection.
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, jwks(&[&key]).to_string()).unwrap();
    let keys = keys.to_str().unwrap();
    let inline = it.json(&[&usual[..], &["--audience", audience, "--jwks-file", keys]].concat());
    let id = inline["clientId"].as_str().unwrap();
    let fresh = key.sign(&entra_claims(Utc::now().timestamp()));
    assert_eq!(ask(&server.base_url, &assertion_form(id, &fresh)).0, 200);
    let (code, error) = it.fail(&["client", "secret", "add", id]);
    assert!(code == Some(3) && error.contains("federation"), "{error}");
    let common = [
        "federation",
        "create",
        "--tenant",
        "default",
        "--subject",
        "s",
        "--audience",
        "a",
        "--jwks-file",
        keys,
    ];
    let mut secret = jwks(&[&key]);
    secret["keys"][0]["d"] = json!("hidden-value");
    let file = folder.path().join("secret.json");
    std::fs::write(&file, secret.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let of_client = ["client", "create", "--tenant", "default", "--jwks-file", file];
    let of_federation = [&common[..9], &[file, "--issuer", "https://issuer.example.com"]].concat();
    for arguments in [&of_client[..], &of_federation] {
        let (code, error) = it.fail(arguments);
        assert!(code == Some(2) && error.contains("`d`"), "{code:?} {error}");
        assert!(!error.contains("hidden-value"), "{error}");
    }
    let of_everybody = [
        &common[..],
        &["--issuer", "https://login.microsoftonline.com/common/v2.0"],
    ]
    .concat();
    assert_eq!(it.fail(&of_everybody).0, Some(3));
    assert_eq!(
        it.fail(&[&usual[..], &["--audience", "a"]].concat()).0,
        Some(2),
        "keys are missing"
    );
}

/// cred-82
///
/// A trial has the result that the token endpoint has with the same settings.
#[test]
fn cred_82_a_trial_has_the_result_of_the_token_endpoint() {
    let key = Key::rsa("1");
    let server = Binary::start(&["--oauth-clock-skew", "300"]);
    let it = Installation {
        database_url: server.database_url(),
    };
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, jwks(&[&key]).to_string()).unwrap();
    let entra = entra_issuer();
    let create = |more: &[&str]| {
        let usual: &[&str] = &[
            "federation",
            "create",
            "--tenant",
            "default",
            "--issuer",
            &entra,
            "--subject",
            SUBJECT,
            "--audience",
            "api://11112222-bbbb-3333-cccc-4444dddd5555",
            "--jwks-file",
            keys.to_str().unwrap(),
        ];
        it.json(&[usual, more].concat())["clientId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (id, once) = (create(&[]), create(&["--single-use", "--audience", "api://once"]));
    let signed = |age: i64| {
        let mut claims = entra_claims(Utc::now().timestamp());
        claims["exp"] = json!(Utc::now().timestamp() - age);
        key.sign(&claims)
    };
    let file = folder.path().join("assertion.jwt");
    let failed = |id: &str, assertion: &str, skew: &str| {
        std::fs::write(&file, assertion).unwrap();
        let file = file.to_str().unwrap();
        it.check(id, file, &["--oauth-clock-skew", skew])["failed"].clone()
    };
    let status = |id: &str, assertion: &str| ask(&server.base_url, &assertion_form(id, assertion)).0;
    let (fresh, late) = (signed(-600), signed(200));
    assert_eq!(
        (failed(&id, &late, "60"), failed(&id, &late, "300")),
        (json!("exp"), Value::Null)
    );
    assert_eq!(status(&id, &late), 200);

    it.run(&["client", "disable", &id]);
    assert_eq!(
        (failed(&id, &fresh, "300"), status(&id, &fresh)),
        (json!("client"), 400)
    );
    it.run(&["client", "enable", &id]);
    it.run(&["connection", "pause", "default", "--tenant", "default"]);
    assert_eq!(
        (failed(&id, &fresh, "300"), status(&id, &fresh)),
        (json!("connection"), 400)
    );
    it.run(&["connection", "resume", "default", "--tenant", "default"]);
    assert_eq!(
        (failed(&id, &fresh, "300"), status(&id, &fresh)),
        (Value::Null, 200)
    );

    // A trial does not use an assertion up.
    assert_eq!(
        (failed(&once, &fresh, "300"), failed(&once, &fresh, "300")),
        (Value::Null, Value::Null)
    );
    assert_eq!((status(&once, &fresh), status(&once, &fresh)), (200, 401));
    assert_eq!(failed(&once, &fresh, "300"), json!("replay"));
    let client = it.json(&["client", "create", "--tenant", "default"]);
    let (code, error) = it.fail(&["federation", "check", client["clientId"].as_str().unwrap()]);
    assert!(code == Some(3) && error.contains("is no federation"), "{error}");
}

/// cred-86, cred-91
///
/// Inline keys rotate without a new client id and without a gap.
#[test]
fn cred_91_keys_in_the_database_rotate() {
    let (old, new) = (Key::ec("1"), Key::ec("2"));
    let server = Binary::start(&["--oauth-issuer", "https://scim.example.com"]);
    let it = Installation {
        database_url: server.database_url(),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, keys: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, keys.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (first, both, second) = (
        file("1", &jwks(&[&old])),
        file("2", &jwks(&[&old, &new])),
        file("3", &jwks(&[&new])),
    );
    let created = it.json(&["client", "create", "--tenant", "default", "--jwks-file", &first]);
    let id = created["clientId"].as_str().unwrap();
    let ask_with = |key: &Key| {
        let assertion = key.sign(&json!({
            "iss": id, "sub": id, "aud": "https://scim.example.com", "jti": uuid::Uuid::now_v7().to_string(),
            "exp": Utc::now().timestamp() + 60
        }));
        ask(&server.base_url, &assertion_form(id, &assertion))
    };
    let statuses = || [&old, &new].map(|key| ask_with(key).0);
    let token = ask_with(&old).1["access_token"].as_str().unwrap().to_owned();
    assert_eq!(statuses(), [200, 401]);
    let changed = it.json(&["client", "set", id, "--jwks-file", &both, "--name", "Robot"]);
    assert_eq!(
        (&changed["clientId"], &changed["name"]),
        (&created["clientId"], &json!("Robot"))
    );
    assert_eq!(changed["keys"]["inline"]["keys"].as_array().unwrap().len(), 2);
    assert_eq!(statuses(), [200, 200]);
    assert!(
        it.run(&["client", "set", id, "--jwks-file", &second])
            .0
            .contains("Changed the client")
    );
    assert_eq!(statuses(), [401, 200]);
    assert_eq!(
        server.get("/Users", &token).0,
        200,
        "a token outlives the rotation"
    );
    assert_eq!(it.json(&["client", "show", id])["name"], "Robot");

    // Without keys, the client authenticates by its secrets.
    let (changed, warning) = it.run(&["client", "set", id, "--no-keys"]);
    assert!(changed.contains("for assertions have ended"), "{changed}");
    assert!(
        warning.contains("neither keys nor a valid secret") && warning.contains("add a secret"),
        "{warning}"
    );
    assert_eq!(statuses(), [401, 401]);
    assert_eq!(server.get("/Users", &token).0, 401);
    let secret = it.json(&["client", "secret", "add", id]);
    assert_eq!(ask(&server.base_url, &secret_form(&secret)).0, 200);
    let (changed, warning) = it.run(&["client", "set", id, "--no-keys", "--name", "Droid"]);
    assert!(
        !changed.contains("ended") && !warning.contains("neither"),
        "{changed}{warning}"
    );
    let mut private = jwks(&[&new]);
    private["keys"][0]["d"] = json!("hidden-value");
    let private = file("4", &private);
    for (arguments, code, part) in [
        (vec!["client", "set", id], 2, "nothing to change"),
        (vec!["client", "set", id, "--jwks-file", &private], 2, "`d`"),
        (
            vec!["client", "set", id, "--jwks-url", "http://keys.example.com/"],
            3,
            "https",
        ),
        (vec!["client", "set", "nobody", "--name", "x"], 3, "no client"),
        (
            vec!["federation", "set", id, "--subject", "x"],
            3,
            "is no federation",
        ),
    ] {
        let (found, error) = it.fail(&arguments);
        assert!(
            found == Some(code) && error.contains(part),
            "{arguments:?}: {error}"
        );
    }
}

/// cred-34, cred-71, cred-72
///
/// The values of a federation change under the same client id. Tokens for assertions that are refused now end.
#[test]
fn cred_71_the_values_of_a_federation_change() {
    let (old, new) = (Key::rsa("1"), Key::ec("2"));
    let server = Binary::start(&[]);
    let it = Installation {
        database_url: server.database_url(),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, keys: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, keys.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (first, second) = (file("1", &jwks(&[&old])), file("2", &jwks(&[&old, &new])));
    let entra = entra_issuer();
    let audience = "api://11112222-bbbb-3333-cccc-4444dddd5555";
    let created = it.json(&[
        "federation",
        "create",
        "--tenant",
        "default",
        "--issuer",
        &entra,
        "--subject",
        SUBJECT,
        "--audience",
        "wrong",
        "--jwks-file",
        &first,
    ]);
    let id = created["clientId"].as_str().unwrap();
    let ask_with = |key: &Key, subject: &str| {
        let mut claims = entra_claims(Utc::now().timestamp());
        claims["sub"] = json!(subject);
        ask(&server.base_url, &assertion_form(id, &key.sign(&claims)))
    };
    assert_eq!(ask_with(&old, SUBJECT).0, 401);
    it.run(&[
        "federation",
        "set",
        id,
        "--audience",
        audience,
        "--audience",
        "second",
    ]);
    let (status, body) = ask_with(&old, SUBJECT);
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(
        (server.get("/Users", token).0, ask_with(&new, SUBJECT).0),
        (200, 401)
    );
    it.run(&[
        "federation",
        "set",
        id,
        "--jwks-file",
        &second,
        "--algorithm",
        "RS256",
        "--algorithm",
        "ES256",
    ]);
    assert_eq!(
        (server.get("/Users", token).0, ask_with(&new, SUBJECT).0),
        (200, 200)
    );
    let shown = it.json(&[
        "federation",
        "set",
        id,
        "--subject",
        "other",
        "--single-use",
        "true",
        "--claim",
        "ver=2.0",
    ]);
    assert_eq!(
        json!([
            shown["clientId"],
            shown["subject"],
            shown["audiences"],
            shown["singleUse"],
            shown["claims"]
        ]),
        json!([id, "other", [audience, "second"], true, {"ver": "2.0"}])
    );
    assert_eq!(
        server.get("/Users", token).0,
        401,
        "the token was issued for another subject"
    );
    assert_eq!((ask_with(&old, SUBJECT).0, ask_with(&old, "other").0), (401, 200));
    let shown = it.json(&["federation", "set", id, "--no-claims", "--single-use", "false"]);
    assert_eq!(
        (&shown["claims"], &shown["singleUse"]),
        (&json!({}), &json!(false))
    );
    for (arguments, code, part) in [
        (vec!["federation", "set", id], 2, "nothing to change"),
        (
            vec![
                "federation",
                "set",
                id,
                "--issuer",
                "https://login.microsoftonline.com/COMMON/v2.0",
            ],
            3,
            "no directory",
        ),
        (vec!["federation", "set", id, "--subject", ""], 3, "is not valid"),
        (vec!["federation", "set", id, "--claim", "x"], 2, "--claim"),
        (
            vec!["federation", "set", id, "--algorithm", "HS256"],
            3,
            "not a supported algorithm",
        ),
        (
            vec!["client", "set", id, "--name", "x"],
            3,
            "use `federation set`",
        ),
    ] {
        let (found, error) = it.fail(&arguments);
        assert!(
            found == Some(code) && error.contains(part),
            "{arguments:?}: {error}"
        );
    }
    let unchanged = it.json(&["federation", "show", id]);
    assert_eq!(
        (&unchanged["issuer"], &unchanged["subject"]),
        (&json!(entra), &json!("other"))
    );
}

/// Returns the arguments that create a federation with Entra.
fn entra_federation<'a>(issuer: &'a str, keys_url: &'a str) -> Vec<&'a str> {
    vec![
        "federation",
        "create",
        "--tenant",
        "default",
        "--issuer",
        issuer,
        "--subject",
        SUBJECT,
        "--audience",
        "api://11112222-bbbb-3333-cccc-4444dddd5555",
        "--jwks-url",
        keys_url,
    ]
}

/// A server does not tell the commands its URL, so they say when they have guessed it.
#[test]
fn commands_warn_when_the_urls_that_they_print_are_guessed() {
    let server = Binary::start(&[]);
    let it = Installation {
        database_url: server.database_url(),
    };
    let entra = entra_issuer();
    let federation = entra_federation(&entra, "https://20.190.128.1/keys");
    for (arguments, more) in [
        (&["client", "create", "--tenant", "default"][..], &[][..]),
        (&["token", "create", "--tenant", "default"], &[]),
        (&federation, &["--audience", "api://other"]),
    ] {
        let (_, told) = it.run(arguments);
        assert!(!told.contains("warning"), "{told}");
        let mut command = it.command(&[arguments, more, &["--json"]].concat());
        let output = command.env_remove("SCIM_BASE_URL").output().unwrap();
        let [out, told] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        let created: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(created["scimUrl"], "http://127.0.0.1:8080/scim/v2");
        assert!(
            told.contains("warning: the URLs begin with the address 127.0.0.1:8080")
                && told.contains("--base-url or SCIM_BASE_URL"),
            "{told}"
        );
    }
}

/// evt-141
///
/// The keys of an issuer are never fetched from the server itself, whatever the operator allows.
#[test]
fn evt_141_the_server_fetches_nothing_from_itself() {
    let server = Binary::start(&[
        "--base-url",
        "https://scim.example.com",
        "--egress-allow",
        "127.0.0.0/8",
    ]);
    let it = Installation {
        database_url: server.database_url(),
    };
    let (_, rest) = server.printed.split_once("listening on ").unwrap();
    let (listen, _) = rest.split_once(',').unwrap();
    let (entra, own_url) = (entra_issuer(), format!("http://{listen}/livez"));
    let create = [
        &entra_federation(&entra, &own_url)[..],
        &["--egress-allow", "127.0.0.0/8"],
    ]
    .concat();
    let (code, told) = it.fail(&[&create[..], &["--listen", listen]].concat());
    assert!(
        code == Some(3) && told.contains("leads to this server itself"),
        "{told}"
    );
    // A command that does not know where the server listens cannot refuse the URL.
    let created = it.json(&create);
    let assertion = Key::rsa("1").sign(&entra_claims(Utc::now().timestamp()));
    let sent = assertion_form(created["clientId"].as_str().unwrap(), &assertion);
    let url = format!("http://{listen}/scim/v2");
    assert_eq!(ask(&url, &sent).0, 503);
    server.log_until("the URL leads to this server itself");
}

/// evt-138
///
/// The proxy of the operator resolves the names of issuers.
#[test]
fn evt_138_keys_are_fetched_through_the_proxy_of_the_operator() {
    let key = Key::rsa("1");
    let issuer = Issuer::start(&[&key]);
    let proxy = issuer.url.replace("/keys", "");
    let through_proxy = ["--egress-proxy", &proxy, "--egress-allow", "keys.invalid"];
    let server = Binary::start(&through_proxy);
    let it = Installation {
        database_url: server.database_url(),
    };
    let entra = entra_issuer();
    let create = [
        &entra_federation(&entra, "http://keys.invalid:8080/keys")[..],
        &through_proxy,
    ]
    .concat();
    let (_, told) = it.run(&create);
    assert!(!told.contains("cannot be resolved"), "{told}");
    let created = it.json(&[&create[..], &["--audience", "api://other"]].concat());
    let id = created["clientId"].as_str().unwrap();
    let assertion = key.sign(&entra_claims(Utc::now().timestamp()));
    let (status, body) = ask(&server.base_url, &assertion_form(id, &assertion));
    assert_eq!(status, 200, "{body}");
}

/// cred-41
///
/// Nothing secret reaches the log, even with every entry switched on.
#[test]
fn cred_41_the_log_names_clients_and_no_secrets() {
    let key = Key::rsa("1");
    let issuer = Issuer::start(&[&key]);
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_scim-server"));
    command
        .args(["--listen", "127.0.0.1:0", "--egress-allow", "127.0.0.1"])
        .args(["--first-token-file", "first"])
        .current_dir(folder.path())
        .env_remove("SCIM_DATABASE_URL")
        // A proxy of the environment is not used (evt-138).
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("RUST_LOG", "trace,actix_http=trace");
    let server = Binary::run(command);
    let it = Installation {
        database_url: format!("sqlite:{}", folder.path().join("scim.db").display()),
    };
    let client = it.json(&["client", "create", "--tenant", "default"]);
    let entra = entra_issuer();
    let federation = it.json(&[
        "federation",
        "create",
        "--tenant",
        "default",
        "--issuer",
        &entra,
        "--subject",
        SUBJECT,
        "--audience",
        "api://11112222-bbbb-3333-cccc-4444dddd5555",
        "--jwks-url",
        &issuer.url,
        "--egress-allow",
        "127.0.0.1",
    ]);
    let (status, body) = ask(&server.base_url, &secret_form(&client));
    assert_eq!(status, 200);
    let mut wrong = client.clone();
    wrong["clientSecret"] = json!("scim_secret_wrong");
    assert_eq!(ask(&server.base_url, &secret_form(&wrong)).0, 401);
    let claims = entra_claims(Utc::now().timestamp());
    let assertion = key.sign(&claims);
    let id = federation["clientId"].as_str().unwrap();
    let (status, of_federation) = ask(&server.base_url, &assertion_form(id, &assertion));
    assert_eq!(status, 200, "{of_federation}");
    let client_id = client["clientId"].as_str().unwrap();
    for _ in 1..10 {
        assert_eq!(ask(&server.base_url, &secret_form(&wrong)).0, 401);
    }
    assert_eq!(ask(&server.base_url, &secret_form(&wrong)).0, 429);
    let twice = format!("{}&client_id=other", secret_form(&client));
    assert_eq!(ask(&server.base_url, &twice).0, 400);
    assert_eq!(ask(&server.base_url, "grant_type=password&client_id=a").0, 400);
    let unknown = secret_form(&json!({"clientId": "client_missing", "clientSecret": "scim_secret_wrong"}));
    assert_eq!(ask(&server.base_url, &unknown).0, 401);
    let mut forged_header = key.header();
    forged_header["kid"] = json!("forged\nline");
    let forged = key.sign_with(&forged_header, &claims);
    assert_eq!(ask(&server.base_url, &assertion_form(id, &forged)).0, 401);
    let mut other = claims.clone();
    other["sub"] = json!("stranger");
    let refused = key.sign(&other);
    assert_eq!(ask(&server.base_url, &assertion_form(id, &refused)).0, 401);
    let tokens = [&body, &of_federation].map(|it| it["access_token"].as_str().unwrap().to_owned());
    for token in &tokens {
        assert_eq!(server.get("/Users", token).0, 200);
    }
    let log = server.log_until("reason=sub: ");
    wait_until("the access log", || {
        server.log_until("reason=sub: ").matches("/scim/v2/Users").count() >= 2
    });
    assert!(log.contains("issued a token: tenant=default"), "{log}");
    for part in [
        "method=client_secret_post",
        "method=federation",
        "scope=scim",
        &format!("iss={entra}"),
        "kid=\"1\"",
        &format!("tenant=default client={client_id} method=client_secret_post scope=- reason=wrong secret"),
        &format!(
            "tenant=default client={client_id} method=client_secret_post scope=- reason=too many failed attempts"
        ),
        "tenant=- client=- method=- scope=- reason=client_id occurs twice",
        "reason=the only supported grant is client_credentials",
        "tenant=- client=unknown:",
        &format!(
            r#"tenant=default client={id} method=federation scope=- iss="{entra}" kid="forged\nline" assertion="#
        ),
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let log = server.log_until("/scim/v2/Users");
    let secret = client["clientSecret"].as_str().unwrap();
    let signatures = [&assertion, &refused].map(|it| it.rsplit('.').next().unwrap().to_owned());
    let bodies = [&assertion, &refused].map(|it| it.split('.').nth(1).unwrap().to_owned());
    for hidden in tokens
        .iter()
        .chain(&signatures)
        .chain(&bodies)
        .map(String::as_str)
        .chain([
            secret,
            "scim_secret_wrong",
            "client_missing",
            "CqSTAc3_2kqHLtVbvh0yAA",
        ])
    {
        assert!(!log.contains(hidden), "`{hidden}` is in the log");
        assert!(
            !log.contains(&sha256(hidden)),
            "the hash of `{hidden}` is in the log"
        );
    }
    assert!(DIRECTORY.len() == 36);
}

/// cred-34, cred-35, cred-67
///
/// Revocation and the memory of assertions are shared.
#[test]
fn cred_35_two_servers_share_revocation_and_replay_memory() {
    let Some(database) = PostgresDatabase::create() else {
        return;
    };
    let it = Installation {
        database_url: database.url.clone(),
    };
    it.run(&["migrate"]);
    it.run(&["tenant", "create", "acme"]);
    let start = || {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Binary::start_in(
            folder,
            &[
                "--database-url",
                &database.url,
                "--oauth-issuer",
                "https://scim.example.com",
            ],
        )
    };
    let (one, other) = (start(), start());
    let client = it.json(&["client", "create", "--tenant", "acme"]);
    let (status, body) = ask(&one.base_url, &secret_form(&client));
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    for server in [&one, &other] {
        assert_eq!(
            HttpClient::new(&server.base_url, token)
                .send("GET", "/Users", None)
                .0,
            200
        );
    }
    // A token that has ended by disabling the client does not come back, on either server.
    let id = client["clientId"].as_str().unwrap();
    it.run(&["client", "disable", id]);
    it.run(&["client", "enable", id]);
    for server in [&one, &other] {
        assert_eq!(
            HttpClient::new(&server.base_url, token)
                .send("GET", "/Users", None)
                .0,
            401
        );
    }
    let (status, body) = ask(&one.base_url, &secret_form(&client));
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    it.run(&["client", "delete", id]);
    for server in [&one, &other] {
        assert_eq!(
            HttpClient::new(&server.base_url, token)
                .send("GET", "/Users", None)
                .0,
            401
        );
    }
    let key = Key::ec("1");
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, jwks(&[&key]).to_string()).unwrap();
    let created = it.json(&[
        "client",
        "create",
        "--tenant",
        "acme",
        "--jwks-file",
        keys.to_str().unwrap(),
    ]);
    assert_eq!(
        created["clientSecret"],
        Value::Null,
        "a client with keys needs no secret"
    );
    let id = created["clientId"].as_str().unwrap();
    for number in 0..10 {
        let assertion = key.sign(&json!({"iss": id, "sub": id, "aud": "https://scim.example.com",
                                         "jti": format!("{number}"), "exp": Utc::now().timestamp() + 60}));
        let body = assertion_form(id, &assertion);
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let both = [&one, &other].map(|it| scope.spawn(|| ask(&it.base_url, &body).0));
            both.map(|it| it.join().unwrap()).to_vec()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "{number}");
    }
}
