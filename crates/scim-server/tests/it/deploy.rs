//! The files in docs/deploy agree with the binary, with the manifests and with each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex_lite::Regex;
use scim_server::cli::settings::grammar::grammar;
use scim_server::http::server::{GRACE_SECONDS, MANAGEMENT_GRACE_SECONDS};
use scim_server::telemetry::FLUSH_LIMIT;

use crate::cli::Shell;
use crate::harness::Server;

/// The top level of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Path and text of the files with settings of the server.
fn deploy_files() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("docs/deploy")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push((path.clone(), std::fs::read_to_string(path).unwrap())),
            }
        }
    }
    assert!(files.len() > 15, "{}", files.len());
    files
}

/// Calls a function for a command and for all commands below it.
fn each_command(command: &clap::Command, visit: &mut impl FnMut(&clap::Command)) {
    visit(command);
    for below in command.get_subcommands() {
        each_command(below, visit);
    }
}

/// The matches of the first group of an expression.
fn found<'a>(expression: &str, text: &'a str) -> Vec<&'a str> {
    let expression = Regex::new(expression).unwrap();
    let found = expression.captures_iter(text);
    found.map(|it| it.get(1).unwrap().as_str()).collect()
}

/// The only match of the first group of an expression.
#[track_caller]
fn only<'a>(expression: &str, text: &'a str) -> &'a str {
    let found: BTreeSet<&str> = found(expression, text).into_iter().collect();
    assert_eq!(found.len(), 1, "{expression}: {found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn every_variable_is_a_setting_of_the_binary() {
    let mut known = BTreeSet::new();
    each_command(&grammar(), &mut |command| {
        let names = command.get_arguments().filter_map(|it| it.get_env()?.to_str());
        known.extend(names.map(str::to_owned));
    });
    let mut used = BTreeSet::new();
    for (path, text) in deploy_files() {
        for name in found(r"\b(SCIM_[A-Z_]*[A-Z])\b", &text) {
            // The chart shows a user how such variables may begin.
            assert!(known.contains(name), "{}: {name}", path.display());
            used.insert(name.to_owned());
        }
    }
    for needed in ["SCIM_LISTEN", "SCIM_BASE_URL", "SCIM_DATABASE_URL"] {
        assert!(used.contains(needed), "{needed}");
    }
}

#[test]
fn every_command_and_flag_exists() {
    let cli = grammar();
    let mut commands = BTreeSet::new();
    for (path, text) in deploy_files() {
        // The name of the package for cargo is not a command of the server.
        let text = text.replace("\\\n", " ").replace("--package scim-server", "");
        let shell = found(
            r"(?m)(?:^|[ /])scim-server ((?:[a-z-]+ )*[a-z-]+(?: --?[^\n`#]*)?)$",
            &text,
        );
        let lists = found(r#"(?:CMD \["/usr/bin/scim-server", |args: \[)([^\]]+)\]"#, &text);
        let lists = lists.iter().map(|it| it.replace(['"', ','], ""));
        for line in shell.into_iter().map(str::to_owned).chain(lists) {
            let mut command = &cli;
            for word in line.split_whitespace() {
                if let Some(flag) = word.strip_prefix("--") {
                    let flag = flag.split('=').next().unwrap();
                    let mut flags = command.get_arguments().filter_map(clap::Arg::get_long);
                    assert!(
                        flags.any(|it| it == flag) || ["database-url", "help"].contains(&flag),
                        "{}: `{line}`: {flag}",
                        path.display()
                    );
                } else if let Some(below) = command.find_subcommand(word) {
                    command = below;
                    commands.insert(word.to_owned());
                }
            }
        }
    }
    for needed in ["health", "migrate", "tenant"] {
        assert!(commands.contains(needed), "{needed}: {commands:?}");
    }
}

/// The ports of the image are those of its health check, of the proxy and of the chart.
#[test]
fn the_ports_agree() {
    let image = read("docs/deploy/Dockerfile");
    let scim = only(r"SCIM_LISTEN=0\.0\.0\.0:(\d+)", &image);
    let management = only(r"SCIM_MANAGEMENT_LISTEN=0\.0\.0\.0:(\d+)", &image);
    assert_eq!(only(r"EXPOSE ([\d ]+)", &image), format!("{scim} {management}"));
    let proxy = read("docs/deploy/compose/Caddyfile");
    assert_eq!(only(r"scim-\d:(\d+)", &proxy), scim);
    let deployment = read("docs/deploy/helm/scim-server/templates/deployment.yaml");
    assert_eq!(only(r"value: 0\.0\.0\.0:(\d+)", &deployment), scim);
    assert_eq!(
        only(r"(?m)name: http\n +containerPort: (\d+)$", &deployment),
        scim
    );
    let values = read("docs/deploy/helm/scim-server/values.yaml");
    assert_eq!(only(r"(?m)^management:\n +port: (\d+)$", &values), management);
    let unit = read("docs/deploy/systemd/scim-server.toml");
    assert_eq!(only(r#"(?m)^listen = "127\.0\.0\.1:(\d+)"#, &unit), scim);
    assert_eq!(
        only(r#"(?m)^management-listen = "127\.0\.0\.1:(\d+)"#, &unit),
        management
    );
}

/// The probes of the proxy ask the main listener, and those of the chart and of Prometheus the management listener.
#[test]
fn the_probes_exist() {
    let server = Server::start();
    let proxy = read("docs/deploy/compose/Caddyfile");
    let path = only(r"health_uri (/\S+)", &proxy);
    server.stranger(None).get(&format!("/{path}")).expect(200);
    let chart = "docs/deploy/helm/scim-server/templates";
    let deployment = read(&format!("{chart}/deployment.yaml"));
    let monitor = read(&format!("{chart}/servicemonitor.yaml"));
    let probes = found(r"path: (/[a-z]+), port: management", &deployment);
    assert_eq!(probes, ["/livez", "/livez", "/readyz"]);
    for path in probes.into_iter().chain([only(r"path: (/\S+)", &monitor)]) {
        let request = actix_web::test::TestRequest::default().uri(path);
        server.send_as_operator(request).expect(200);
    }
}

#[test]
fn the_versions_agree() {
    let manifest = read("Cargo.toml");
    let version = env!("CARGO_PKG_VERSION");
    let number = |text: &str| -> Vec<u32> { text.split('.').map(|it| it.parse().unwrap()).collect() };
    let needed = only(r#"(?m)^rust-version = "([\d.]+)""#, &manifest);
    let image = read("docs/deploy/Dockerfile");
    let used = only(r"FROM docker\.io/library/rust:([\d.]+)-bookworm", &image);
    assert!(number(used) >= number(needed), "{used} is older than {needed}");
    let chart = read("docs/deploy/helm/scim-server/Chart.yaml");
    assert_eq!(only(r"(?m)^version: (\S+)$", &chart), version);
    assert_eq!(only(r#"(?m)^appVersion: "(\S+)"$"#, &chart), version);
    assert_eq!(only(r"--tag scim-server:(\S+)", &image), version);
    let compose = read("docs/deploy/compose/compose.yaml");
    assert_eq!(only(r"image: scim-server:(\S+)", &compose), version);
}

/// Docker sends only these files to the build, and the build needs all members of the workspace.
#[test]
fn the_image_is_built_from_files_that_exist() {
    let ignore = read(".dockerignore");
    let sent: Vec<&str> = found(r"(?m)^!(\S+)$", &ignore);
    for path in &sent {
        assert!(root().join(path).exists(), "{path}");
    }
    let manifest = read("Cargo.toml");
    let members = only(r"(?m)^members = \[(.*)\]$", &manifest);
    for member in found(r#""([^"/]+)[^"]*""#, members) {
        assert!(sent.contains(&member), "{member}");
    }
    let image = read("docs/deploy/Dockerfile");
    for licence in found(r"(LICENSE-[A-Z]+)", &image) {
        assert!(sent.contains(&licence), "{licence}");
    }
    let compose = read("docs/deploy/compose/compose.yaml");
    let context = root()
        .join("docs/deploy/compose")
        .join(only(r"context: (\S+)", &compose));
    assert!(context.join(only(r"dockerfile: (\S+)", &compose)).is_file());
}

#[test]
fn the_package_is_made_of_files_that_exist() {
    let manifest = read("crates/scim-server/Cargo.toml");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_, assets) = manifest.split_once("\nassets = [").unwrap();
    let (assets, _) = assets.split_once("\n]").unwrap();
    let sources = found(r#"(?m)^ +\["([^"]+)""#, assets);
    assert!(sources.contains(&"target/release/scim-server"));
    for source in sources.iter().filter(|it| !it.contains("target/")) {
        assert!(here.join(source).is_file(), "{source}");
    }
    // The step before it writes the others.
    let written = read("xtask/src/package.rs");
    for source in sources
        .iter()
        .filter_map(|it| it.strip_prefix("../../target/package/files/"))
    {
        assert!(written.contains(&format!("(\"{source}\", &[")), "{source}");
    }
    let changes = here.join(only(r#"(?m)^changelog = "([^"]+)""#, &manifest));
    let changes = std::fs::read_to_string(changes).unwrap();
    let newest = format!("scim-server ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(changes.starts_with(&newest), "{changes}");
    let units = here.join(only(r#"unit-scripts = "([^"]+)""#, &manifest));
    let unit = units.join(format!("{}.service", only(r#"unit-name = "([^"]+)""#, &manifest)));
    let unit = std::fs::read_to_string(unit).unwrap();
    // The package installs what the unit names.
    let settings = only(r"SCIM_CONFIG=/(\S+)", &unit);
    assert!(manifest.contains(&format!("conf-files = [\"/{settings}\"]")));
    let (folder, _) = settings.rsplit_once('/').unwrap();
    assert!(assets.contains(&format!("\"{folder}/\"")));
    let scripts = here.join(only(r#"maintainer-scripts = "([^"]+)""#, &manifest));
    assert!(scripts.join("postinst").is_file());
    let user = only(r"(?m)^User=(\S+)$", &unit);
    let users = std::fs::read_to_string(scripts.join("scim-server.conf")).unwrap();
    assert!(users.starts_with(&format!("u {user} ")), "{users}");
}

/// The binary accepts the settings of the unit, also those that an administrator may turn on.
#[test]
fn the_settings_of_the_unit_are_valid() {
    let shell = Shell::new();
    let file = shell.folder.path().join("scim-server.toml");
    let given = read("docs/deploy/systemd/scim-server.toml");
    let with_all = Regex::new("(?m)^#([a-z-]+ = )").unwrap();
    assert!(with_all.find_iter(&given).count() > 4);
    // A secret is given by its value, or by a file.
    let without_url = |text: &str| text.replace("database-url = ", "#");
    let all = without_url(&with_all.replace_all(&given, "$1")).replace("/etc/scim-server", ".");
    for (name, content) in [
        (
            "database-url",
            "postgres://scim:secret@db.example.com/scim".to_owned(),
        ),
        ("cursor-key", "0f".repeat(32)),
        ("secrets-key", "f0".repeat(32)),
    ] {
        std::fs::write(shell.folder.path().join(name), content).unwrap();
    }
    for text in [given, all] {
        std::fs::write(&file, &text).unwrap();
        shell.ok(&["config", "check", "scim-server.toml"]);
    }
}

/// A server that stops has served for its delay, longer than a proxy needs to notice. Nothing ends it before its last
/// request.
#[test]
fn a_server_has_the_time_that_it_needs_to_stop() {
    let least = GRACE_SECONDS + MANAGEMENT_GRACE_SECONDS + FLUSH_LIMIT.as_secs();
    let number = |expression: &str, text: &str| only(expression, text).parse::<u64>().unwrap();
    let compose = read("docs/deploy/compose/compose.yaml");
    let delay = number(r"SCIM_SHUTDOWN_DELAY: (\d+)", &compose);
    let limit = number(r"stop_grace_period: (\d+)s", &compose);
    assert!(
        limit >= delay + least,
        "{limit} s are not {delay} s and {least} s"
    );
    let proxy = read("docs/deploy/compose/Caddyfile");
    let notices = number(r"health_interval (\d+)s", &proxy) + number(r"health_timeout (\d+)s", &proxy);
    assert!(delay > notices, "{delay} s are not longer than {notices} s");
    assert!(number(r"lb_try_duration (\d+)s", &proxy) > 0);
    let unit = read("docs/deploy/systemd/scim-server.service");
    let delay = number(
        r"(?m)^#shutdown-delay = (\d+)$",
        &read("docs/deploy/systemd/scim-server.toml"),
    );
    let limit = number(r"(?m)^TimeoutStopSec=(\d+)$", &unit);
    assert!(
        limit >= delay + least,
        "{limit} s are not {delay} s and {least} s"
    );
    let pod = read("docs/deploy/helm/scim-server/templates/deployment.yaml");
    let added = number(
        r"terminationGracePeriodSeconds: \{\{ add \.Values\.shutdownDelaySeconds (\d+) \}\}",
        &pod,
    );
    assert!(added >= least, "{added} s are not {least} s");
    let setting = r"name: SCIM_SHUTDOWN_DELAY\n +value: (\{\{ \.Values\.shutdownDelaySeconds \| quote \}\})";
    only(setting, &pod);
}

/// No password and no key is the value of a variable, where other users of the machine and descriptions of containers
/// could show it.
#[test]
fn secrets_are_in_files() {
    let mut secrets = BTreeSet::new();
    each_command(&grammar(), &mut |command| {
        let hidden = command.get_arguments().filter(|it| it.is_hide_env_values_set());
        secrets.extend(hidden.filter_map(|it| Some(it.get_env()?.to_str()?.to_owned())));
    });
    assert!(secrets.contains("SCIM_CURSOR_KEY"), "{secrets:?}");
    let mut in_files = 0;
    for (path, text) in deploy_files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The image has the default of a container without settings. The other two are about all settings.
        if ["Dockerfile", "README.md"].contains(&&*name) || path.ends_with("deploy/scim-server.toml") {
            continue;
        }
        for used in found(r"\b(SCIM_[A-Z_]*[A-Z])\b", &text) {
            assert!(!secrets.contains(used), "{}: {used}", path.display());
            let secret = used.strip_suffix("_FILE").unwrap_or_default();
            in_files += usize::from(secrets.contains(secret));
        }
        assert!(!text.contains("PGPASSWORD"), "{}", path.display());
    }
    assert!(in_files >= 4, "{in_files}");
}

/// The secrets of containers are files that the container gets.
#[test]
fn the_files_of_secrets_exist_where_settings_name_them() {
    let compose = read("docs/deploy/compose/compose.yaml");
    let guide = read("docs/OPERATIONS.md");
    for name in found(r"_FILE: /run/secrets/(\S+)", &compose) {
        assert!(
            compose.contains(&format!("\n  {name}:\n    file: ./secrets/{name}\n")),
            "{name}"
        );
        let given = found(r"(?m)^ +secrets: \[(.*)\]$", &compose).join(", ");
        assert!(given.split(", ").any(|it| it == name), "{name}: {given}");
        assert!(guide.contains(name), "{name}");
    }
    let chart = "docs/deploy/helm/scim-server/templates";
    let pod = read(&format!("{chart}/deployment.yaml"));
    let job = read(&format!("{chart}/migration-job.yaml"));
    let helpers = read(&format!("{chart}/_helpers.tpl"));
    let named = |text: &str| -> BTreeSet<String> {
        found(r"value: /etc/scim-server/secrets/(\S+)", text)
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let database = named(&helpers);
    for (text, needed) in [
        (&pod, named(&pod).union(&database).cloned().collect()),
        (&job, database),
    ] {
        let mounted: BTreeSet<String> = found(r"- key: (\S+)", text)
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert_eq!(mounted, needed);
        assert!(text.contains("scim-server.secretsMount"));
    }
}

/// Helm refuses values that the schema does not know, also those of values.yaml.
#[test]
fn the_schema_of_the_chart_has_every_value() {
    let values = read("docs/deploy/helm/scim-server/values.yaml");
    let schema: serde_json::Value =
        serde_json::from_str(&read("docs/deploy/helm/scim-server/values.schema.json")).unwrap();
    let described: BTreeSet<&str> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .filter(|it| *it != "global")
        .collect();
    let given: BTreeSet<&str> = found(r"(?m)^([a-zA-Z]+):", &values).into_iter().collect();
    assert_eq!(given, described);
    for group in given {
        let (_, rest) = values.split_once(&format!("\n{group}:\n")).unwrap_or(("", ""));
        let end = rest.find("\n\n").unwrap_or(rest.len());
        for name in found(r"(?m)^  ([a-zA-Z]+):", &rest[..end]) {
            let known = &schema["properties"][group];
            let is_free = known["additionalProperties"] != serde_json::json!(false);
            assert!(is_free || known["properties"][name].is_object(), "{group}.{name}");
        }
    }
    // Each value is used by a template.
    let templates: String = deploy_files()
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().contains("/templates/"))
        .map(|(_, text)| text)
        .collect();
    for name in described {
        assert!(templates.contains(&format!(".Values.{name}")), "{name}");
    }
}
