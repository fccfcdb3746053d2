//! Writes a database with the program of a version, through its interfaces, and records what the program answers.

use serde_json::{Value, json};

use super::dump;
use super::program::{Program, SECRETS_KEY};
use super::requests::{answers, create, patch, pick, poll};
use crate::cli::Shell;
use crate::harness::{ENTERPRISE, GROUP, HttpClient, USER};
use crate::restart::Binary;
use crate::security_events::{AUDIENCE, ISSUER};
use crate::webhooks::receiver::Receiver;

/// The flags of a server on a recorded database: the journal is kept, however old it is.
pub const SERVER: [&str; 4] = ["--passwords", "argon2id", "--journal-days", "forever"];

/// The flag that permits receivers of webhooks on this machine.
pub const LOCAL: [&str; 2] = ["--egress-allow", "127.0.0.1"];

/// Writes a database, and returns the recorded answers.
///
/// The answers have `BASE` in place of the base URL.
pub fn record(program: &Program, shell: &Shell) -> Value {
    let secrets_key = "5c".repeat(32);
    write_secrets_key(shell, &secrets_key);
    for tenant in ["acme", "globex", "initech"] {
        program.json(shell, &["tenant", "create", tenant]);
    }
    let token = |arguments: &[&str]| {
        let create = ["token", "create", "--no-expiry", "--note", "recorded"];
        program.json(shell, &[&create, arguments].concat())
    };
    let [acme, globex, initech] = ["acme", "globex", "initech"].map(|it| token(&["--tenant", it]));
    let read_only = token(&["--tenant", "acme", "--read-only"]);
    let revoked = token(&["--tenant", "acme"]);
    program.json(shell, &["token", "revoke", text(&revoked, "id")]);

    let has_operators = program.has_command(shell, "webhook");
    let operators = has_operators.then(|| Operators::prepare(program, shell));
    let local: &[&str] = if has_operators { &LOCAL } else { &[] };
    let server = program.serve(shell, &[&SERVER[..], local].concat());
    let client = |token: &Value| HttpClient::new(&server.base_url, text(token, "token"));
    let paths = fill_acme(&client(&acme));
    let mut tenants = vec![
        tenant("acme", &client(&acme), &paths),
        tenant("globex", &client(&globex), &fill_globex(&client(&globex))),
    ];
    create(
        &client(&initech),
        "/Users",
        json!({ "schemas": [USER], "userName": "peter" }),
    );
    program.json(shell, &["tenant", "delete", "initech", "--yes"]);
    let operators = operators.map(|it| it.record(program, shell, &server));
    stop(server);

    for it in &mut tenants {
        it["journal"] = program
            .lines(shell, &["journal", "--tenant", text(it, "name")])
            .into();
    }
    let events = match program.has_command(shell, "events") {
        true => program.lines(shell, &["events"]),
        false => Vec::new(),
    };
    json!({
        "program": program.text(shell, &["--version"]).trim(),
        "migrations": dump::migrations(shell),
        "secretsKey": secrets_key,
        "tenants": tenants,
        "readOnlyToken": read_only["token"],
        "revokedToken": revoked["token"],
        "events": events,
        "operators": operators,
    })
}

/// Writes the file of the secrets key into the folder of the shell.
pub fn write_secrets_key(shell: &Shell, key: &str) {
    std::fs::write(shell.folder.path().join(SECRETS_KEY), key).unwrap();
}

/// Ends a server with a signal, as operators do.
pub fn stop(mut server: Binary) {
    server.signal("-TERM");
    assert!(server.wait().success());
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("`{name}` in {value}"))
}

fn tenant(name: &str, client: &HttpClient, paths: &[String]) -> Value {
    let token = client.authorization().trim_start_matches("Bearer ");
    json!({ "name": name, "token": token, "answers": answers(client, paths) })
}

/// Creates, changes and deletes resources, and returns the paths whose answers are recorded.
fn fill_acme(client: &HttpClient) -> Vec<String> {
    let babs = create(
        client,
        "/Users",
        json!({ "schemas": [USER], "userName": "babs", "displayName": "Babs", "externalId": "701983" }),
    );
    let barbara = create(client, "/Users", full_user(&babs));
    let more = [
        json!({ "schemas": [USER], "userName": "jürgen", "name": { "familyName": "Weiß" }, "active": false }),
        json!({ "schemas": [USER], "userName": "名前", "title": "it's \\ \"quoted\"\t%_" }),
        json!({ "schemas": [USER], "userName": "JSMITH@example.com", "name": { "familyName": "Smith" },
            "emails": [{ "value": "jsmith@example.com", "primary": true }], "nickName": "gone soon" }),
    ];
    let [juergen, name, smith] = more.map(|it| create(client, "/Users", it));
    let gone = create(client, "/Users", json!({ "schemas": [USER], "userName": "gone" }));
    let members = |ids: &[&str]| ids.iter().map(|it| json!({ "value": it })).collect::<Vec<_>>();
    let group = |name: &str, ids: &[&str]| {
        let group = json!({ "schemas": [GROUP], "displayName": name, "members": members(ids) });
        create(client, "/Groups", group)
    };
    let guides = group("Tour Guides", &[&barbara, &juergen, &gone]);
    let employees = group("Employees", &[&guides, &babs, &smith]);
    let empty = create(
        client,
        "/Groups",
        json!({ "schemas": [GROUP], "displayName": "Nobody" }),
    );

    let user = format!("/Users/{barbara}");
    patch(
        client,
        &user,
        json!([{ "op": "replace", "path": "title", "value": "Vice President" }]),
    );
    patch(
        client,
        &user,
        json!([{ "op": "remove", "path": "phoneNumbers[type eq \"home\"]" }]),
    );
    let put = json!({ "schemas": [USER], "userName": "jsmith@example.com", "name": { "familyName": "Smith" },
        "emails": [{ "value": "smith@example.com", "type": "work" }] });
    assert_eq!(client.send("PUT", &format!("/Users/{smith}"), Some(&put)).0, 200);
    let guides_path = format!("/Groups/{guides}");
    patch(
        client,
        &guides_path,
        json!([{ "op": "add", "path": "members", "value": members(&[&name]) }]),
    );
    let juergen_only = format!("members[value eq \"{juergen}\"]");
    patch(
        client,
        &guides_path,
        json!([{ "op": "remove", "path": juergen_only }]),
    );
    // The groups of these users get a new version.
    patch(
        client,
        &format!("/Users/{babs}"),
        json!([{ "op": "replace", "path": "displayName", "value": "Barbara" }]),
    );
    assert_eq!(client.send("DELETE", &format!("/Users/{gone}"), None).0, 204);

    let ids = [&babs, &barbara, &juergen, &name, &smith, &gone].map(|it| format!("/Users/{it}"));
    let groups = [&guides, &employees, &empty].map(|it| format!("/Groups/{it}"));
    let queries = [
        "/Users".to_owned(),
        "/Groups".to_owned(),
        "/Users?startIndex=2&count=2".to_owned(),
        "/Users?sortBy=name.familyName&sortOrder=descending".to_owned(),
        "/Users?attributes=userName,emails".to_owned(),
        filter("/Users", "userName eq \"BABS\""),
        filter("/Users", "emails[type eq \"work\" and value co \"example\"]"),
        filter("/Users", "active eq false or externalId pr"),
        filter(
            "/Users",
            &format!("{ENTERPRISE}:department eq \"Tour Operations\""),
        ),
        filter("/Users", &format!("{ENTERPRISE}:manager.value eq \"{babs}\"")),
        filter(
            "/Users",
            "meta.lastModified gt \"2026-01-01T00:00:00Z\" and not (title pr)",
        ),
        filter("/Users", &format!("groups.value eq \"{guides}\"")),
        filter("/Groups", &format!("members.value eq \"{babs}\"")),
        filter("/Groups", "displayName sw \"tour\""),
    ];
    ids.into_iter().chain(groups).chain(queries).collect()
}

fn filter(endpoint: &str, text: &str) -> String {
    format!("{endpoint}?filter={}", crate::harness::encode(text))
}

/// A user with a value in most attributes.
fn full_user(manager: &str) -> Value {
    json!({
        "schemas": [USER, ENTERPRISE], "userName": "bjensen@example.com", "externalId": "701984",
        "name": { "formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara",
            "middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III" },
        "displayName": "Babs Jensen", "nickName": "Babs", "profileUrl": "https://login.example.com/bjensen",
        "title": "Tour Guide", "userType": "Employee", "preferredLanguage": "en-US", "locale": "en-US",
        "timezone": "America/Los_Angeles", "active": true, "password": "correct horse battery staple",
        "emails": [
            { "value": "bjensen@example.com", "type": "work", "primary": true },
            { "value": "babs@jensen.org", "type": "home", "display": "at home" },
        ],
        "phoneNumbers": [{ "value": "555-555-5555", "type": "work" }, { "value": "555-555-4444", "type": "home" }],
        "ims": [{ "value": "someaimhandle", "type": "aim" }],
        "photos": [{ "value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo" }],
        "addresses": [{ "type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood",
            "region": "CA", "postalCode": "91608", "country": "US", "primary": true,
            "formatted": "100 Universal City Plaza\nHollywood, CA 91608 US" }],
        "entitlements": [{ "value": "wiki" }], "roles": [{ "value": "guide", "type": "job", "primary": true }],
        ENTERPRISE: { "employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios",
            "division": "Theme Park", "department": "Tour Operations", "manager": { "value": manager } },
    })
}

fn fill_globex(client: &HttpClient) -> Vec<String> {
    let user = json!({ "schemas": [USER], "userName": "babs", "displayName": "another one" });
    let babs = create(client, "/Users", user);
    let group = json!({ "schemas": [GROUP], "displayName": "Employees", "members": [{ "value": babs }] });
    let employees = create(client, "/Groups", group);
    let paths = ["/Users", "/Groups"].map(str::to_owned);
    let ids = [format!("/Users/{babs}"), format!("/Groups/{employees}")];
    paths.into_iter().chain(ids).collect()
}

/// What versions with the management API have in addition.
struct Operators {
    key: Value,
    oauth: Value,
    receiver: Receiver,
    endpoint: Value,
    stream: Value,
}

impl Operators {
    /// Creates connections, credentials, an endpoint and a stream.
    fn prepare(program: &Program, shell: &Shell) -> Operators {
        let run = |line: &str| program.json(shell, &line.split(' ').collect::<Vec<_>>());
        run("connection create entra --tenant globex --preset entra");
        run("connection set entra --tenant globex leniency=strict url-filters=refuse");
        run("connection create okta --tenant globex --preset okta");
        let rotated = run("token create --tenant globex --connection okta --no-expiry");
        run(&format!(
            "token rotate {} --overlap 0 --no-expiry",
            text(&rotated, "id")
        ));
        run("token create --tenant globex --connection entra --no-expiry");
        run("connection delete okta --tenant globex --yes");
        let keys = shell.folder.path().join("keys.json");
        std::fs::write(
            &keys,
            json!({ "keys": [PUBLIC_KEY.parse::<Value>().unwrap()] }).to_string(),
        )
        .unwrap();
        run(
            "federation create --tenant globex --issuer https://issuer.example.com --subject s --audience a --jwks-file keys.json",
        );
        let oauth = run("client create --tenant globex --connection entra --name reports --days 1000");
        run("key create --name events --scope events --tenant globex");
        let revoked = run("key create --name revoked --scope read");
        run(&format!("key revoke {}", text(&revoked, "id")));
        let receiver = Receiver::accepting();
        let url = receiver.url.clone();
        let create = [
            "webhook",
            "create",
            "--tenant",
            "acme",
            "--header",
            "X-Api-Key: abc",
            "--url",
            &url,
        ];
        let endpoint = program.json(shell, &[&create[..], &LOCAL].concat());
        Operators {
            key: run("key create --name console --scope admin"),
            oauth,
            receiver,
            endpoint,
            stream: run(&format!(
                "set-stream create --audience {AUDIENCE} --issuer {ISSUER} --tenant acme"
            )),
        }
    }

    /// Records what operators and receivers see.
    fn record(self, program: &Program, shell: &Shell, server: &Binary) -> Value {
        let id = text(&self.endpoint, "id");
        let expected = program.lines(shell, &["events", "--tenant", "acme"]);
        let messages = self.receiver.wait_for(expected.len());
        crate::harness::wait_until("the progress is stored", || {
            program.json(shell, &["webhook", "show", id])["position"] == expected.last().unwrap()["id"]
        });
        let operator = HttpClient::new(&server.management_url(), text(&self.key, "key"));
        let sets = poll(&operator, text(&self.stream, "id"));
        let paths = [
            "/tenants",
            "/tenants/globex/connections",
            "/tenants/globex/connections/entra",
            "/tenants/globex/connections/entra/tokens",
            "/tenants/globex/connections/entra/clients",
            "/tenants/globex/connections/default/federations",
            "/webhooks",
            "/set-streams",
            "/keys",
        ];
        json!({
            "key": self.key["key"],
            "answers": answers(&operator, &paths.map(str::to_owned)),
            "client": pick(&self.oauth, &["clientId", "clientSecret"]),
            "endpoint": pick(&self.endpoint, &["id", "secret"]),
            "message": messages.last().unwrap().json(),
            "stream": { "id": self.stream["id"], "sets": sets },
        })
    }
}

/// A key of RFC 7517, appendix A.1. Its private half signs nothing here.
const PUBLIC_KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
