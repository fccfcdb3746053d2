//! The settings: their sources, the configuration file, the commands about it, and the documents that are written from
//! the settings.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::FromArgMatches;
use scim_server::cli::arguments::Cli;
use scim_server::cli::settings::accepted::Accepted;
use scim_server::cli::settings::documents;
use scim_server::cli::settings::grammar::grammar;
use scim_server::cli::settings::setting::{DefaultValue, Setting};
use scim_server::cli::settings::sources::resolve;
use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{GROUP, HttpClient};
use crate::restart::Binary;

const UPDATE: &str = "SCIM_UPDATE_SETTINGS";

impl Shell {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied()).output().unwrap()
    }

    #[track_caller]
    fn shown(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Vec<Value> {
        let output = self.run_with(variables, &[&["config", "show", "--json"], arguments].concat());
        assert!(output.status.success(), "{}", error(&output));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        shown["items"].as_array().unwrap().clone()
    }
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn item(items: &[Value], key: &str) -> Value {
    items.iter().find(|it| it["key"] == key).expect(key).clone()
}

fn expected(key: &str, value: Value, origin: &str, from: Option<&str>) -> Value {
    json!({ "key": key, "value": value, "origin": origin, "from": from })
}

#[test]
fn flags_are_before_variables_before_the_file_before_defaults() {
    let shell = Shell::new();
    shell.write(
        "scim.toml",
        "write-timeout = 1\nscan-timeout = 2\ncursor-lifetime = 3\nactive-by-default = true\n\
         trusted-proxy = [\"10.0.0.0/8\", \"192.0.2.1\"]\n",
    );
    let variables = [
        ("SCIM_CONFIG", "scim.toml"),
        ("SCIM_WRITE_TIMEOUT", "11"),
        ("SCIM_SCAN_TIMEOUT", "12"),
    ];
    let items = shell.shown(&variables, &["--write-timeout", "21"]);
    let networks = json!(["10.0.0.0/8", "192.0.2.1"]);
    for it in [
        expected("write-timeout", json!(21), "flag", Some("--write-timeout")),
        expected("scan-timeout", json!(12), "variable", Some("SCIM_SCAN_TIMEOUT")),
        expected("cursor-lifetime", json!(3), "file", Some("scim.toml:3")),
        expected("active-by-default", json!(true), "file", Some("scim.toml:4")),
        expected("trusted-proxy", networks, "file", Some("scim.toml:5")),
        expected("max-page-size", json!(200), "default", None),
        expected("leniency", json!("clients"), "default", None),
        expected("max-scans", Value::Null, "default", None),
    ] {
        assert_eq!(item(&items, it["key"].as_str().unwrap()), it);
    }
    let items = shell.shown(
        &variables,
        &["--active-by-default=false", "--config", "scim.toml"],
    );
    assert_eq!(item(&items, "active-by-default")["value"], json!(false));
}

#[test]
fn the_file_names_the_database_of_every_command() {
    let shell = Shell::new();
    let url = format!("sqlite:{}", shell.folder.path().join("other.db").display());
    shell.write("scim.toml", &format!("database-url = '{url}'\n"));
    shell.ok(&["tenant", "create", "acme", "--config", "scim.toml"]);
    assert!(shell.folder.path().join("other.db").exists());
    assert!(!shell.folder.path().join("scim.db").exists());
    let tenants = shell.json(&["--config", "scim.toml", "tenant", "list", "--json"]);
    assert_eq!(tenants["items"][0]["name"], "acme");
    let (code, error) = shell.failure(&[
        "token",
        "list",
        "--tenant",
        "acme",
        "--config",
        "scim.toml",
        "--database-url",
        "sqlite:missing.db",
    ]);
    assert_eq!(code, 4);
    assert!(
        error.contains("`scim-server migrate --config scim.toml --database-url sqlite:missing.db`"),
        "{error}"
    );
}

/// `export`, `import`, `backup`, `doctor` and `move` have the settings of the server from its file.
#[test]
fn commands_on_whole_databases_read_the_file_as_the_server_does() {
    let shell = Shell::new();
    let path = |name: &str| shell.folder.path().join(name).display().to_string();
    shell.write("url", &format!("sqlite:{}\n", path("other.db")));
    shell.write("key", &"0f".repeat(32));
    fs::create_dir(shell.folder.path().join("schemas")).unwrap();
    let badge = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "urn:example:Badge", "name": "Badge",
        "attributes": [{ "name": "code", "type": "string" }],
    });
    shell.write("schemas/badge.json", &badge.to_string());
    let resource_type = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "name": "Badge", "endpoint": "/Badges",
        "schema": "urn:example:Badge",
    });
    shell.write("schemas/badges.json", &resource_type.to_string());
    let file = shell.write(
        "scim.toml",
        &format!(
            "database-url-file = '{}'\nsecrets-key-file = '{}'\nschemas = '{}'\ngroup-names = 'any'\n\
             base-url = 'http://127.0.0.1:1'\n",
            path("url"),
            path("key"),
            path("schemas")
        ),
    );
    let file = file.to_str().unwrap();
    let server = Binary::start(&["--config", file]);
    let (_, address) = server.printed.split_once("listening on ").unwrap();
    let address = address.split(',').next().unwrap();
    let client = HttpClient::new(&format!("http://{address}/scim/v2"), &server.token());
    for _ in 0..2 {
        client.create("/Groups", &json!({ "schemas": [GROUP], "displayName": "Guides" }));
    }
    client.create(
        "/Badges",
        &json!({ "schemas": ["urn:example:Badge"], "code": "7" }),
    );
    drop(server);
    shell.ok(&[
        "webhook",
        "create",
        "--url",
        "https://93.184.215.14/hook",
        "--config",
        file,
    ]);

    fn with<'a>(file: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--config", file]].concat()
    }
    let variable = [("SCIM_CONFIG", file)];
    let exported = shell.ok(&with(file, &["export", "--tenant", "default"]));
    assert_eq!(exported.matches("Guides").count(), 2, "{exported}");
    assert_eq!(exported.matches("urn:example:Badge").count(), 1, "{exported}");
    let output = shell.run_with(&variable, &["export", "--tenant", "default"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 5);
    // A flag is used before the file.
    let unique = with(
        file,
        &["export", "--tenant", "default", "--group-names", "unique"],
    );
    assert_eq!(shell.failure(&unique).0, 3);

    let lines = shell.write("lines", &exported);
    let mut import = shell.command(&["import", "--tenant", "copy", "--json"]);
    import.envs(variable).stdin(fs::File::open(lines).unwrap());
    let output = import.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["created"], &report["refused"]), (&json!(3), &json!(0)));

    let backup = shell.json(&with(file, &["backup", "copy.db", "--json"]));
    assert_eq!(
        (&backup["secretsKeyFile"], &backup["rows"]["resource"]),
        (&json!(path("key")), &json!(6))
    );
    let output = shell.run_with(&variable, &["doctor", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let level = |check: &str| {
        let items = found["items"].as_array().unwrap();
        items.iter().find(|it| it["check"] == check).unwrap()["level"].clone()
    };
    assert_eq!(
        (level("database"), level("base URL")),
        (json!("ok"), json!("error"))
    );
    assert_ne!(level("secrets key"), "error", "{found}");
    if let Some(target) = Shell::on_postgres() {
        let moved = shell.json(&with(file, &["move", "--to", &target.url(), "--json"]));
        assert_eq!(
            (&moved["secretsKeyFile"], &moved["tables"]["resource"]["rows"]),
            (&json!(path("key")), &json!(6))
        );
    }
    assert!(!shell.folder.path().join("scim.db").exists());
}

#[test]
fn the_server_serves_with_the_settings_of_the_file() {
    let shell = Shell::new();
    let file = shell.write("scim.toml", "path-prefix = \"/idp\"\n");
    let server = shell.serve(&["--config", file.to_str().unwrap()]);
    assert!(server.base_url.ends_with("/idp"), "{}", server.base_url);
}

#[test]
fn a_mistake_in_the_file_stops_the_start_with_all_lines() {
    let shell = Shell::new();
    shell.write(
        "scim.toml",
        "listn = \"127.0.0.1:1\"\nleniency = \"stric\"\n\nmax-scans = 65\njournal-days = \"x\"\n\
         database-url = \"mysql://u:pa55@h\"\n",
    );
    for arguments in [
        &["serve", "--config", "scim.toml"][..],
        &["--config", "scim.toml"],
        &["tenant", "list", "--config", "scim.toml"],
        &["config", "check", "scim.toml"],
    ] {
        let (code, error) = shell.failure(arguments);
        assert_eq!(code, 2, "{arguments:?}");
        let lines: Vec<&str> = error.lines().collect();
        let beginnings = [
            "scim-server: scim.toml:1: `listn` is not a setting: did you mean `listen`?",
            "scim-server: scim.toml:2: `leniency`: expected one of `clients`, `strict`, `interop`",
            "scim-server: scim.toml:4: `max-scans`: expected an integer from 1 to 64",
            "scim-server: scim.toml:5: `journal-days`: expected ",
            "scim-server: scim.toml:6: `database-url`: expected `sqlite:PATH` or `postgres://",
        ];
        assert_eq!(lines.len(), beginnings.len(), "{error}");
        for (line, beginning) in lines.iter().zip(beginnings) {
            assert!(line.starts_with(beginning), "{line}");
        }
        assert!(!error.contains("pa55"), "{error}");
    }
}

#[test]
fn an_error_about_two_settings_names_the_line_of_one() {
    let shell = Shell::new();
    shell.write("scim.toml", "write-timeout = 5\nlisten = \"0.0.0.0:0\"\n");
    for arguments in [
        &["serve", "--config", "scim.toml"][..],
        &["config", "check", "scim.toml"],
    ] {
        let (code, error) = shell.failure(arguments);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(
            error.starts_with("scim-server: scim.toml:2: listen: other machines "),
            "{error}"
        );
        assert!(error.contains("https"), "{error}");
    }
}

#[test]
fn a_file_is_checked_with_the_variables_that_are_set() {
    let shell = Shell::new();
    shell.write("scim.toml", "listen = \"0.0.0.0:0\"\n");
    shell.write("wrong.toml", "x = 1\n");
    let variables = [
        ("SCIM_BASE_URL", "https://scim.example.com"),
        ("SCIM_CONFIG", "wrong.toml"),
    ];
    let output = shell.run_with(&variables, &["config", "check", "scim.toml"]);
    assert!(output.status.success(), "{}", error(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "scim.toml: valid\n");
    let (code, error) = shell.failure(&["config", "check", "missing.toml"]);
    assert_eq!(code, 2);
    assert!(error.starts_with("scim-server: missing.toml: "), "{error}");
    assert_eq!(shell.failure(&["--config", "missing.toml"]).0, 2);
    let output = shell.run_with(&variables, &["config", "generate"]);
    assert!(
        output.status.success(),
        "a broken file does not prevent a new one"
    );
}

#[test]
fn unknown_variables_are_warnings_and_unknown_keys_are_not() {
    let shell = Shell::new();
    let output = shell.run_with(&[("SCIM_LISTN", "x")], &["config", "show"]);
    assert!(output.status.success());
    assert!(
        error(&output).contains("did you mean `SCIM_LISTEN`?"),
        "{}",
        error(&output)
    );
}

#[test]
fn a_mistake_in_a_variable_names_it_and_the_accepted_values() {
    let shell = Shell::new();
    for (variable, value, accepted) in [
        ("SCIM_WRITE_TIMEOUT", "abc", "expected an integer from 1 to 300"),
        ("SCIM_ALLOW_PLAIN_HTTP", "maybe", "possible values: true, false"),
        (
            "SCIM_LENIENCY",
            "stric",
            "possible values: clients, strict, interop",
        ),
    ] {
        let output = shell.run_with(&[(variable, value)], &["serve"]);
        let text = error(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(accepted), "{text}");
        assert!(
            text.contains(&format!("the environment variable `{variable}`")),
            "{text}"
        );
    }
}

#[test]
fn every_secret_can_be_in_a_file_which_ends_with_a_line_break() {
    let shell = Shell::new();
    let url = format!("sqlite:{}", shell.folder.path().join("secret.db").display());
    shell.write("url", &format!("{url}\r\n"));
    let variables = [("SCIM_DATABASE_URL_FILE", "url")];
    let output = shell.run_with(&variables, &["tenant", "create", "acme"]);
    assert!(output.status.success(), "{}", error(&output));
    assert!(shell.folder.path().join("secret.db").exists());
    // The flag is before the variable, and two variables contradict each other.
    let output = shell.run_with(
        &variables,
        &["tenant", "list", "--database-url", "sqlite:missing.db"],
    );
    assert_eq!(output.status.code(), Some(4));
    let both = [variables[0], ("SCIM_DATABASE_URL", "sqlite:scim.db")];
    let output = shell.run_with(&both, &["tenant", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        error(&output),
        "scim-server: `SCIM_DATABASE_URL` and `SCIM_DATABASE_URL_FILE` exclude each other: give one of them\n"
    );
    let output = shell.run_with(&[("SCIM_CURSOR_KEY_FILE", "url")], &["serve"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        error(&output).starts_with("scim-server: SCIM_CURSOR_KEY_FILE: url: "),
        "{}",
        error(&output)
    );
    assert!(!error(&output).contains("secret.db"), "{}", error(&output));
}

#[test]
fn secrets_are_hidden() {
    let shell = Shell::new();
    let key = "0f".repeat(32);
    shell.write("scim.toml", &format!("cursor-key = [\"{key}\"]\n"));
    shell.write("proxy", "http://user:pa55@proxy.example.com:3128\n");
    let variables = [
        ("SCIM_DATABASE_URL", "postgres://scim:pa55@db/scim?password=pa55"),
        ("SCIM_EGRESS_PROXY_FILE", "proxy"),
        ("SCIM_CONFIG", "scim.toml"),
    ];
    let items = shell.shown(&variables, &[]);
    for it in [
        expected(
            "database-url",
            json!("postgres://scim@db/scim"),
            "variable",
            Some("SCIM_DATABASE_URL"),
        ),
        expected(
            "egress-proxy",
            json!("http://user@proxy.example.com:3128"),
            "variable",
            Some("SCIM_EGRESS_PROXY_FILE"),
        ),
        expected("cursor-key", json!("…"), "file", Some("scim.toml:1")),
    ] {
        assert_eq!(item(&items, it["key"].as_str().unwrap()), it);
    }
    let output = shell.run_with(&variables, &["config", "show"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("pa55") && !text.contains("0f0f"), "{text}");
    assert!(
        text.contains("\negress-proxy = \"http://user@proxy.example.com:3128\"  # SCIM_EGRESS_PROXY_FILE\n"),
        "{text}"
    );
    assert!(
        text.contains("\nlisten = \"127.0.0.1:8080\"  # default\n"),
        "{text}"
    );
    assert!(
        text.contains("\n# documentation-uri  # default: none\n"),
        "{text}"
    );
}

/// Removes the `#` before each key, as an operator does.
fn uncommented(example: &str) -> String {
    let is_setting = |line: &str| {
        line.strip_prefix('#')
            .is_some_and(|it| it.starts_with(char::is_alphabetic))
    };
    let lines = example
        .lines()
        .map(|it| if is_setting(it) { &it[1..] } else { it });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_without_its_hashes_describes_the_defaults() {
    let shell = Shell::new();
    let example = shell.ok(&["config", "generate"]);
    shell.write("unchanged.toml", &example);
    shell.ok(&["config", "check", "unchanged.toml"]);
    shell.write("scim.toml", &uncommented(&example));
    shell.ok(&["config", "check", "scim.toml"]);
    let (defaults, shown) = (
        shell.shown(&[], &[]),
        shell.shown(&[], &["--config", "scim.toml"]),
    );
    for (default, shown) in defaults.iter().zip(&shown) {
        assert_eq!(default["key"], shown["key"]);
        assert_eq!(default["value"], shown["value"], "{}", default["key"]);
        let origin = if default["value"].is_null() {
            "default"
        } else {
            "file"
        };
        assert_eq!(shown["origin"], origin, "{}", default["key"]);
    }
    // Some defaults are in the code that uses them, and the help repeats them.
    let config = |file: Option<&Path>| {
        let arguments = ["scim-server".into()];
        let matches = grammar().get_matches_from(&arguments);
        let resolved = resolve(&grammar(), &arguments, &matches, file).unwrap();
        let cli = Cli::from_arg_matches(&resolved.matches).unwrap();
        let config = cli.serve.config().unwrap();
        format!(
            "{:?} {:?} {:?} {:?} {:?}",
            config.settings,
            config.oauth,
            config.listen,
            config.management.map(|it| it.address),
            config.retention
        )
    };
    assert_eq!(config(Some(&shell.folder.path().join("scim.toml"))), config(None));
}

#[test]
fn the_schema_describes_every_key_of_the_example() {
    let shell = Shell::new();
    let schema: Value = serde_json::from_str(&shell.ok(&["config", "schema"])).unwrap();
    let example = shell.ok(&["config", "generate"]);
    let properties = schema["properties"].as_object().unwrap();
    let keys: Vec<String> = example
        .lines()
        .filter_map(|it| it.strip_prefix('#')?.trim_start().split_once(" = "))
        .map(|(key, _)| key.to_owned())
        .filter(|it| !it.contains(' '))
        .collect();
    let mut sorted: Vec<&String> = properties.keys().collect();
    let mut found: Vec<&String> = keys.iter().collect();
    sorted.sort();
    found.sort();
    assert_eq!(found, sorted);
    assert_eq!(schema["additionalProperties"], json!(false));
    for (key, property) in properties {
        let Some(default) = property.get("default") else {
            continue;
        };
        assert!(accepts(property, default), "{key}: {default}");
        assert!(!accepts(property, &json!({})), "{key}");
    }
    let leniency = &properties["leniency"];
    assert!(accepts(leniency, &json!("strict")) && !accepts(leniency, &json!("stric")));
    let timeout = &properties["write-timeout"];
    assert!(
        accepts(timeout, &json!(300)) && !accepts(timeout, &json!(301)) && !accepts(timeout, &json!("3"))
    );
    let days = &properties["journal-days"];
    assert!(accepts(days, &json!(7)) && accepts(days, &json!("forever")) && !accepts(days, &json!(true)));
}

/// Evaluates the keywords that the schema of a setting has.
fn accepts(property: &Value, value: &Value) -> bool {
    let kind = match value {
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        _ => "other",
    };
    let kinds = match &property["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let is_word = |words: &Vec<Value>| words.iter().filter(|it| it["const"] == *value).count() == 1;
    kinds.contains(&kind.into())
        && property["oneOf"].as_array().is_none_or(is_word)
        && property["minimum"]
            .as_i64()
            .is_none_or(|it| value.as_i64() >= Some(it))
        && property["maximum"]
            .as_i64()
            .is_none_or(|it| value.as_i64() <= Some(it))
}

#[test]
fn the_documents_about_the_settings_are_up_to_date() {
    let settings = Setting::all(&grammar());
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let guide = fs::read_to_string(docs.join("OPERATIONS.md")).unwrap();
    let (begin, end) = ("<!-- settings: begin -->\n", "<!-- settings: end -->");
    let (before, rest) = guide.split_once(begin).expect("the guide has the mark");
    let (_, after) = rest.split_once(end).expect("the guide has the mark");
    let guide = format!("{before}{begin}{}{end}{after}", tables(&settings));
    for (name, expected) in [
        ("OPERATIONS.md", guide),
        ("deploy/scim-server.toml", documents::example(&settings)),
        (
            "deploy/scim-server.schema.json",
            format!("{:#}\n", documents::schema(&settings)),
        ),
    ] {
        let path = docs.join(name);
        if std::env::var_os(UPDATE).is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &expected).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        let command = format!("{UPDATE}=1 cargo test -p scim-server --test it settings::the_documents");
        assert!(
            found == expected,
            "docs/{name} is not up to date: run `{command}`"
        );
    }
}

/// Returns the settings as tables in Markdown, one for each heading.
fn tables(settings: &[Setting]) -> String {
    let mut text = String::new();
    for (heading, group) in documents::by_heading(settings) {
        let _ = write!(
            text,
            "\n### {heading}\n\n| Flag | Default | Meaning |\n| --- | --- | --- |\n"
        );
        for setting in group {
            let default = match setting.default() {
                DefaultValue::Value(value) => format!("`{value}`"),
                DefaultValue::Described(words) => words,
                DefaultValue::None => String::new(),
            };
            let meaning = format!("{}{}", setting.help(), values(setting)).replace('|', "\\|");
            let _ = writeln!(text, "| `--{}` | {default} | {meaning} |", setting.key);
        }
    }
    text.push('\n');
    text
}

fn values(setting: &Setting) -> String {
    match &setting.accepted {
        Accepted::Words(words) => {
            let words: Vec<String> = words
                .iter()
                .map(|(word, meaning)| format!("`{word}`: {meaning}"))
                .collect();
            format!(". {}", words.join("; "))
        }
        Accepted::Number(least, most) => format!(". From {least} to {most}"),
        _ if setting.is_secret => ". Secret".to_owned(),
        _ => String::new(),
    }
}

#[test]
fn shells_complete_commands_and_flags() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shell.ok(&["completions", name]);
        assert!(
            script.contains("scim-server") && script.contains("database-url-file"),
            "{name}"
        );
    }
    let script = shell.write("completions.bash", &shell.ok(&["completions", "bash"]));
    let complete = |line: &[&str]| {
        let words: Vec<String> = line.iter().map(|it| format!("'{it}'")).collect();
        let last = line.len() - 1;
        let text = format!(
            "source {script}; COMP_WORDS=({words}); COMP_CWORD={last}; \
             $(complete -p scim-server | sed 's/.* -F \\([^ ]*\\) .*/\\1/') scim-server '{word}' '{previous}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script = script.display(),
            words = words.join(" "),
            word = line[last],
            previous = line[last - 1],
        );
        let output = Command::new("bash").arg("-c").arg(text).output().unwrap();
        assert!(output.status.success(), "{}", error(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["scim-server", "compl"]), ["completions"]);
    assert_eq!(complete(&["scim-server", "config", "sh"]), ["show"]);
    assert_eq!(
        complete(&["scim-server", "serve", "--leniency", ""]),
        ["clients", "strict", "interop"]
    );
}

#[test]
fn there_is_no_colour_without_a_terminal() {
    let shell = Shell::new();
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["serve", "--lisen", "x"],
        &["config", "show"],
    ] {
        let output = shell.run(arguments);
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.is_empty() && !text.contains(&0x1b), "{arguments:?}");
    }
}
