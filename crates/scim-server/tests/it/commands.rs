//! The commands as a library: their exact output, at a time that the test chooses.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser as _;
use scim_model::store::Directory;
use scim_server::cli::arguments::{Cli, Command, Lifetime, TenantCommand, TokenCommand};
use scim_server::cli::hints::Hints;
use scim_server::cli::welcome::Welcome;
use scim_server::cli::{self, CommandError, Terminal};
use scim_server::token;
use scim_storage_diesel::DieselStore;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Server, Token, create_token};

/// A directory, and the time of its commands.
struct Subject {
    store: Arc<DieselStore>,
    now: DateTime<Utc>,
    _server: Server,
}

impl Subject {
    fn new() -> Subject {
        let server = Server::start();
        Subject {
            store: server.store.clone(),
            now: DateTime::from_timestamp_millis(1_767_268_800_250).unwrap(),
            _server: server,
        }
    }

    /// Runs a command whose questions are answered with a text, and returns the result and both outputs.
    fn run(
        &self,
        answer: &str,
        command: impl FnOnce(&dyn Directory, &mut Terminal) -> Result<(), CommandError>,
    ) -> (Result<(), CommandError>, String, String) {
        let (mut questions, mut output) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            input: &mut answer.as_bytes(),
            questions: &mut questions,
            output: &mut output,
            hints: &Hints::default(),
            now: self.now,
        };
        let result = command(&*self.store, &mut terminal);
        let [output, questions] = [output, questions].map(|it| String::from_utf8(it).unwrap());
        (result, output, questions)
    }

    #[track_caller]
    fn tenant(&self, command: TenantCommand) -> String {
        let (result, output, questions) =
            self.run("", |it, terminal| cli::tenant::run(it, &command, terminal));
        result.unwrap();
        assert_eq!(questions, "");
        output
    }

    #[track_caller]
    fn token(&self, command: TokenCommand) -> String {
        let (result, output, questions) =
            self.run("", |it, terminal| cli::token::run(it, &command, terminal));
        result.unwrap();
        assert_eq!(questions, "");
        output
    }

    fn create_tenant(&self, name: &str, json: bool) -> String {
        let name = name.to_owned();
        self.tenant(TenantCommand::Create { name, json })
    }

    fn create_token(&self, days: u32, no_expiry: bool, json: bool) -> String {
        let days = days.to_string();
        let lifetime = match no_expiry {
            true => vec!["--no-expiry", "--read-only"],
            false => vec!["--days", &days],
        };
        let create = ["scim-server", "token", "create", "--tenant", "acme"];
        let more = ["--name", "for Okta", "--base-url", "https://scim.example.com"];
        let json = if json { &["--json"][..] } else { &[] };
        let cli = Cli::parse_from([&create[..], &more, &lifetime, json].concat());
        match cli.command {
            Some(Command::Token(command)) => self.token(command),
            other => panic!("{other:?} is another command"),
        }
    }
}

fn parse(output: &str) -> Value {
    assert_eq!(output.lines().count(), 1, "{output}");
    serde_json::from_str(output).unwrap()
}

#[test]
fn tenants_are_shown_with_their_time_of_creation() {
    let it = Subject::new();
    assert_eq!(
        it.create_tenant("acme", false),
        "Created the tenant acme. Create a token for it:\n  scim-server token create --tenant acme\n"
    );
    let created = json!({ "name": "other", "created": "2026-01-01T12:00:00.250Z" });
    assert_eq!(parse(&it.create_tenant("other", true)), created);
    assert_eq!(
        it.tenant(TenantCommand::List { json: false }),
        "acme                     2026-01-01T12:00:00.250Z\nother                    2026-01-01T12:00:00.250Z\n"
    );
    let list = parse(&it.tenant(TenantCommand::List { json: true }));
    assert_eq!(list["items"][1], created);
    let again = TenantCommand::Create {
        name: "acme".to_owned(),
        json: true,
    };
    let (result, output, _) = it.run("", |it, terminal| cli::tenant::run(it, &again, terminal));
    assert!(matches!(result, Err(CommandError::Refused(text)) if text.contains("`acme` already exists")));
    assert_eq!(output, "");
}

#[test]
fn a_deletion_is_confirmed_by_name_and_reported() {
    let it = Subject::new();
    it.create_tenant("acme", false);
    let delete = |answer: &str, yes: bool, json: bool| {
        let command = TenantCommand::Delete {
            name: "acme".to_owned(),
            yes,
            json,
        };
        it.run(answer, |it, terminal| cli::tenant::run(it, &command, terminal))
    };
    let (result, output, questions) = delete("acm\n", false, false);
    assert!(matches!(result, Err(CommandError::Refused(text)) if text == "nothing was deleted"));
    assert_eq!(output, "");
    assert_eq!(questions.matches("acme").count(), 1, "{questions}");
    assert!(questions.ends_with("Type its name to continue: "), "{questions}");
    let (result, output, questions) = delete(" acme \n", false, false);
    result.unwrap();
    assert!(!questions.is_empty());
    assert_eq!(
        output,
        "Deleted the tenant acme with all its users, groups and tokens.\n"
    );
    let (result, ..) = delete("", true, true);
    assert!(matches!(result, Err(CommandError::NoTenant(text)) if text.contains("no tenant `acme`")));
    it.create_tenant("acme", false);
    let (result, output, questions) = delete("", true, true);
    result.unwrap();
    assert_eq!(
        (parse(&output), &*questions),
        (json!({ "name": "acme", "deleted": true }), "")
    );
}

/// 7644-7.4-03: the day on which a token ends is shown
#[test]
fn tokens_are_shown_with_their_state() {
    let it = Subject::new();
    it.create_tenant("acme", false);
    let text = it.create_token(30, false, false);
    let lines: Vec<&str> = text.lines().collect();
    let [first, secret, last, url] = lines[..] else {
        panic!("{text}")
    };
    assert!(
        first.starts_with("Token ")
            && first.ends_with(" of the tenant acme and its connection default, shown only now:")
    );
    assert!(token::is_well_formed(secret.trim_start()), "{secret}");
    assert_eq!(last, "It is valid until 2026-01-31.");
    assert_eq!(url, "The SCIM URL is https://scim.example.com/scim/v2");
    assert!(
        it.create_token(1, true, false)
            .contains("\nIt is valid without end.\n")
    );
    let created = parse(&it.create_token(1, false, true));
    assert_eq!(
        (&created["tenant"], &created["expires"]),
        (&json!("acme"), &json!("2026-01-02T12:00:00.250Z"))
    );
    assert!(token::is_well_formed(created["token"].as_str().unwrap()));

    let list = |at: DateTime<Utc>| {
        let it = Subject {
            store: it.store.clone(),
            now: at,
            _server: Server::start(),
        };
        let tenant = Some("acme".to_owned());
        let json = parse(&it.token(token_list(tenant, true)));
        let text = it.token(token_list(None, false));
        let json = json["items"].clone();
        let states: Vec<Value> = json
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["state"].clone())
            .collect();
        (json, text, states)
    };
    let id_of_second = parse(&it.token(token_list(None, true)))["items"][1]["id"].clone();
    let id_of_second = Uuid::parse_str(id_of_second.as_str().unwrap()).unwrap();
    it.store.record_token_use(id_of_second, it.now).unwrap();
    let (json, text, states) = list(it.now);
    assert_eq!(states, ["valid", "valid", "valid"]);
    let endless = json!({
        "id": json[1]["id"], "tenant": "acme", "connection": "default", "state": "valid", "scope": "scim.read", "readOnly": true, "lastFour": json[1]["lastFour"], "lastUsed": "2026-01-01T12:00:00.250Z",
        "created": "2026-01-01T12:00:00.250Z", "expires": null, "revoked": null, "name": "for Okta",
    });
    assert_eq!(json[1], endless);
    let line = |number: usize| text.lines().nth(number).unwrap();
    let id = |number: usize| json[number]["id"].as_str().unwrap();
    let last_four = |number: usize| json[number]["lastFour"].as_str().unwrap();
    assert_eq!(
        line(0),
        format!(
            "{} acme                     default          valid    write created 2026-01-01 until 2026-01-31 {} never used            for Okta",
            id(0),
            last_four(0)
        )
    );
    assert_eq!(
        line(1),
        format!(
            "{} acme                     default          valid    read  created 2026-01-01 without end      {} used 2026-01-01 12:00 for Okta",
            id(1),
            last_four(1)
        )
    );
    let expiry = it.now + TimeDelta::days(1);
    assert_eq!(
        list(expiry - TimeDelta::milliseconds(1)).2,
        ["valid", "valid", "valid"]
    );
    assert_eq!(list(expiry).2, ["valid", "valid", "expired"]);

    let revoke = |id: &str, json: bool| {
        let id = Uuid::parse_str(id).unwrap();
        it.token(TokenCommand::Revoke { id, json })
    };
    assert_eq!(revoke(id(0), false), format!("Revoked the token {}.\n", id(0)));
    let revoked = json!({ "id": id(1), "revoked": "2026-01-01T12:00:00.250Z" });
    assert_eq!(parse(&revoke(id(1), true)), revoked);
    let (json, _, states) = list(expiry);
    assert_eq!(states, ["revoked", "revoked", "expired"]);
    assert_eq!(json[0]["revoked"], json!("2026-01-01T12:00:00.250Z"));
}

fn token_list(tenant: Option<String>, json: bool) -> TokenCommand {
    TokenCommand::List {
        tenant,
        deleted: false,
        json,
    }
}

/// The old token stays valid for the overlap, unless it ends before.
#[test]
fn a_rotated_token_has_a_successor_and_an_end() {
    let it = Subject::new();
    it.create_tenant("acme", false);
    let first = parse(&it.create_token(1, true, true));
    let id = |token: &Value| Uuid::parse_str(token["id"].as_str().unwrap()).unwrap();
    let rotate = |id: Uuid, overlap: TimeDelta, json: bool| TokenCommand::Rotate {
        id,
        overlap,
        lifetime: Lifetime {
            days: 30,
            no_expiry: false,
        },
        json,
    };
    let second = parse(&it.token(rotate(id(&first), TimeDelta::days(7), true)));
    assert_eq!(
        (&second["tenant"], &second["connection"], &second["expires"]),
        (
            &json!("acme"),
            &json!("default"),
            &json!("2026-01-31T12:00:00.250Z")
        )
    );
    let end = "2026-01-08T12:00:00.250Z";
    assert_eq!(second["replaced"], json!({ "id": first["id"], "expires": end }));
    let list = || parse(&it.token(token_list(None, true)))["items"].clone();
    let listed = list();
    assert_eq!(
        (&listed[0]["expires"], &listed[1]["scope"]),
        (&json!(end), &json!("scim.read"))
    );
    assert_eq!(listed[1]["name"], "for Okta");
    let secret = second["token"].as_str().unwrap();
    assert!(token::is_well_formed(secret) && secret.ends_with(listed[1]["lastFour"].as_str().unwrap()));

    let text = it.token(rotate(id(&first), TimeDelta::days(30), false));
    assert!(
        text.ends_with(&format!("\nThe token {} is valid until {end}.\n", id(&first))),
        "{text}"
    );
    it.token(rotate(id(&second), TimeDelta::zero(), false));
    let states: Vec<Value> = list()
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["state"].clone())
        .collect();
    assert_eq!(states, ["valid", "expired", "valid", "valid"]);
    for (id, expected) in [
        (
            id(&second),
            format!("the token `{}` is expired: create another one", id(&second)),
        ),
        (Uuid::nil(), format!("there is no token `{}`", Uuid::nil())),
    ] {
        let command = rotate(id, TimeDelta::zero(), true);
        let (result, output, _) = it.run("", |it, terminal| cli::token::run(it, &command, terminal));
        assert!(matches!(result, Err(CommandError::Refused(text)) if text == expected));
        assert_eq!(output, "");
    }
}

#[test]
fn tokens_of_one_tenant_are_listed_alone() {
    let it = Subject::new();
    for name in ["acme", "other"] {
        let tenant = it.store.create_tenant(name, it.now).unwrap();
        create_token(&*it.store, tenant, Token::default());
    }
    let tenants = |tenant: Option<&str>| {
        let tenant = tenant.map(str::to_owned);
        let list = parse(&it.token(token_list(tenant, true)));
        let tokens = list["items"].as_array().unwrap().iter();
        tokens.map(|it| it["tenant"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(tenants(None), ["acme", "other"]);
    assert_eq!(tenants(Some("other")), ["other"]);
}

/// 7644-7.4-03: also the token of the first start has an end
#[test]
fn the_first_start_is_welcomed_once() {
    let it = Subject::new();
    let welcome = || {
        let mut output = Vec::new();
        let welcome = Welcome {
            base_url: "https://example.com/scim/v2",
            listen: ([127, 0, 0, 1], 8080).into(),
            database: "sqlite:scim.db",
            management: None,
            token_file: None,
            key_file: None,
            hints: &Hints::default(),
        };
        welcome.print(&*it.store, &mut output, it.now).unwrap();
        String::from_utf8(output).unwrap()
    };
    let banner = format!(
        "SCIM 2.0 at https://example.com/scim/v2\n\
         scim-server {}, listening on 127.0.0.1:8080, database sqlite:scim.db\n",
        env!("CARGO_PKG_VERSION")
    );
    let first = welcome();
    assert!(first.starts_with(&format!("{banner}\nFirst start: ")), "{first}");
    assert!(first.contains("\n  Valid     until 2027-01-01\n"), "{first}");
    let tokens = it.store.tokens(None).unwrap();
    assert_eq!(tokens.len(), 1);
    assert_eq!((&*tokens[0].tenant_name, tokens[0].read_only), ("default", false));
    assert_eq!(tokens[0].expires, Some(it.now + TimeDelta::days(365)));
    it.create_tenant("acme", false);
    assert_eq!(
        welcome(),
        format!(
            "{banner}Tenants: acme, default. To create a token: scim-server token create --tenant NAME\n"
        )
    );
}
