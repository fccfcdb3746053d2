//! The chapter "A deployment, step by step" of OPERATIONS.md: its commands are run in their order by a shell, and what
//! they print is compared with the document.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use regex_lite::Regex;
use tempfile::TempDir;
use url::Url;

const CHAPTER: &str = "## A deployment, step by step\n";

/// The first line of blocks that need a package manager, a service manager or another machine.
const BY_HAND: &str = "# By hand\n";

/// The programs that the chapter uses, next to those of every system.
const PROGRAMS: [&str; 7] = ["bash", "curl", "jq", "openssl", "psql", "pg_dump", "pg_restore"];

/// The time for the whole chapter, in which servers stop three times for five seconds.
const TIME_LIMIT: Duration = Duration::from_secs(200);

/// A block of commands with the output that the document shows.
struct Block {
    commands: String,
    shown: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn chapter() -> String {
    let guide = fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let (_, chapter) = guide.split_once(CHAPTER).expect("the guide has the chapter");
    chapter.split("\n## ").next().unwrap().to_owned()
}

/// The fenced blocks of a text, each with its language.
fn fences(text: &str) -> Vec<(&str, String)> {
    let mut fences: Vec<(&str, String)> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(language) => {
                is_open = !is_open;
                if is_open {
                    fences.push((language, String::new()));
                }
            }
            None if is_open => {
                let (_, content) = fences.last_mut().unwrap();
                content.push_str(line);
                content.push('\n');
            }
            None => {}
        }
    }
    assert!(!is_open, "the last block has no end");
    fences
}

/// The blocks to run. A block without output shows none.
fn blocks(chapter: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut by_hand = 0;
    for (language, content) in fences(chapter) {
        match language {
            "sh" if content.starts_with(BY_HAND) => by_hand += 1,
            "sh" => blocks.push(Block {
                commands: content,
                shown: String::new(),
            }),
            "text" => {
                let block = blocks.last_mut().expect("commands come before their output");
                assert_eq!(block.shown, "", "two outputs of one block: {content}");
                block.shown = content;
            }
            "caddyfile" => {}
            other => panic!("the chapter has a block of the language `{other}`"),
        }
    }
    assert!(by_hand <= 2, "few commands are left to the reader: {by_hand}");
    assert!(blocks.len() >= 10, "{}", blocks.len());
    blocks
}

/// The places of the document, and those of the test. Earlier rows are replaced first.
fn places(folder: &Path, postgres: &str, balancer: u16) -> Vec<(&'static str, String)> {
    let url = Url::parse(postgres).unwrap();
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let name = format!("scim_prod_{}", uuid::Uuid::now_v7().simple());
    let [one, two, one_management, two_management] = free_ports().map(|it| it.to_string());
    vec![
        ("8443", one),
        ("8444", two),
        ("9443", one_management),
        ("9444", two_management),
        ("/srv/scim", folder.display().to_string()),
        (
            "/usr/src/scim",
            root().canonicalize().unwrap().display().to_string(),
        ),
        ("postgres://postgres@127.0.0.1:5432/postgres", postgres.to_owned()),
        ("127.0.0.1:5432", address),
        ("scim_prod", name),
        (
            "https://scim.example.com",
            format!("https://127.0.0.1:{balancer}"),
        ),
    ]
}

/// Ports below those that the system gives to connections and to listeners on port 0, which other tests use. None contains
/// a port of the document.
fn free_ports() -> [u16; 4] {
    let mut found = Vec::new();
    while found.len() < 4 {
        let port = fastrand::u16(20_000..28_000);
        if !found.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            found.push(port);
        }
    }
    found.try_into().unwrap()
}

/// A load balancer that passes connections on to an instance that accepts them, each in turn.
fn balance(listener: TcpListener, instances: [u16; 2]) {
    thread::spawn(move || {
        for (turn, client) in listener.incoming().enumerate() {
            let mut order = [instances[turn % 2], instances[(turn + 1) % 2]].into_iter();
            let instance = order.find_map(|port| TcpStream::connect(("127.0.0.1", port)).ok());
            let (Ok(client), Some(instance)) = (client, instance) else {
                continue;
            };
            pass_on(client.try_clone().unwrap(), instance.try_clone().unwrap());
            pass_on(instance, client);
        }
    });
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        // Either side may have gone away.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// A shell with everything that it has started, which ends with it.
struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        let _ = self.0.wait();
    }
}

/// Drops the databases and the role of the chapter, also after a failure.
struct Cleanup {
    postgres: String,
    name: String,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let name = &self.name;
        for statement in [
            format!("DROP DATABASE IF EXISTS {name}_check WITH (FORCE)"),
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("DROP ROLE IF EXISTS {name}"),
        ] {
            let _ = Command::new("psql")
                .args(["--quiet", "--command", &statement, &self.postgres])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// One script of all blocks, so that a reader's variables and processes live on. It prints a mark after each block.
fn script(blocks: &[Block]) -> String {
    let mut script = "set -eo pipefail\n".to_owned();
    for (number, block) in blocks.iter().enumerate() {
        // `doctor` reports that the PostgreSQL of the tests keeps nothing after a failure of power.
        let commands = block.commands.replace(
            "\nscim-server doctor ",
            "\naccept_lack_of_durability scim-server doctor ",
        );
        script.push_str(&format!("{commands}printf '\\n@@{number}\\n'\n"));
    }
    format!("{ACCEPT_LACK_OF_DURABILITY}{script}")
}

/// Runs `doctor`, and leaves out the errors about durability.
const ACCEPT_LACK_OF_DURABILITY: &str = r#"
accept_lack_of_durability() {
  "$@" > log/doctor || test "$(grep -c '^error' log/doctor)" = "$(grep -c '^error    durability:' log/doctor)"
  errors=$(grep -c '^error    durability:' log/doctor || true)
  sed -e '/^error    durability:/,/->/d' -e "s/^Errors: $errors\./Errors: 0./" log/doctor
}
"#;

/// Compares an output with the document, in which `…` stands for any text, and a line of it alone for any lines.
#[track_caller]
fn check_output(block: &Block, printed: &str) {
    let lines: Vec<String> = block
        .shown
        .lines()
        .map(|line| match line {
            "…" => "(?:[^\n]*\n)*".to_owned(),
            line => {
                let parts: Vec<String> = line.split('…').map(escaped).collect();
                format!("{}\n", parts.join("[^\n]*"))
            }
        })
        .collect();
    let expected = Regex::new(&format!("^{}$", lines.concat())).unwrap();
    assert!(
        expected.is_match(printed),
        "the document shows\n{}and not\n{printed}after\n{}",
        block.shown,
        block.commands
    );
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if character.is_ascii_punctuation() && !"<>".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // `openssl` knows `version` only, and says so.
    found.is_ok()
}

/// Runs the script, and returns what it printed and what else is known about it.
fn run(script: &str, folder: &Path) -> (bool, String, String) {
    let file = folder.join("script");
    fs::write(&file, script).unwrap();
    let (output, errors) = (folder.join("output"), folder.join("errors"));
    let binary = Path::new(env!("CARGO_BIN_EXE_scim-server"));
    let path = std::env::var("PATH").unwrap();
    let child = Command::new("bash")
        .arg(&file)
        .env_clear()
        .env("PATH", format!("{}:{path}", binary.parent().unwrap().display()))
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(File::create(&output).unwrap())
        .stderr(File::create(&errors).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut session = Session(child);
    let began = Instant::now();
    let status = loop {
        match session.0.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if began.elapsed() > TIME_LIMIT => break None,
            None => thread::sleep(Duration::from_millis(100)),
        }
    };
    drop(session);
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let mut known = format!("{status:?}\n{}", read(&errors));
    for name in ["one.log", "two.log", "openssl.log", "doctor"] {
        known.push_str(&format!("{name}:\n{}", read(&folder.join("scim/log").join(name))));
    }
    (status.is_some_and(|it| it.success()), read(&output), known)
}

#[test]
fn the_commands_of_the_deployment_do_what_the_document_shows() {
    let Ok(postgres) = std::env::var("SCIM_TEST_POSTGRES_URL") else {
        return;
    };
    if let Some(missing) = PROGRAMS.iter().find(|it| !is_installed(it)) {
        let _ = writeln!(io::stderr(), "not run: there is no `{missing}` on this machine");
        return;
    }
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("scim");
    fs::create_dir(&home).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let places = places(&home, &postgres, listener.local_addr().unwrap().port());
    let place = |name: &str| places.iter().find(|it| it.0 == name).unwrap().1.clone();
    balance(listener, ["8443", "8444"].map(|it| place(it).parse().unwrap()));
    let _cleanup = Cleanup {
        name: place("scim_prod"),
        postgres,
    };
    let mut chapter = chapter();
    for (from, to) in &places {
        assert!(
            chapter.contains(from),
            "the chapter does not name {from} any more"
        );
        chapter = chapter.replace(from, to);
    }
    let blocks = blocks(&chapter);
    let (succeeded, output, known) = run(&script(&blocks), folder.path());

    let mut rest = &*output;
    for (number, block) in blocks.iter().enumerate() {
        let Some((printed, after)) = rest.split_once(&format!("\n@@{number}\n")) else {
            panic!("failed: {}printed: {rest}\n{known}", block.commands);
        };
        check_output(block, printed);
        rest = after;
    }
    assert!(succeeded, "{known}");
}

/// The comparison itself refuses what differs.
#[test]
fn an_output_is_compared_line_by_line() {
    let block = Block {
        commands: String::new(),
        shown: "a (…) b\n…\nz.\n".to_owned(),
    };
    check_output(&block, "a (1) b\nz.\n");
    check_output(&block, "a () b\nx\ny\nz.\n");
    for wrong in [
        "",
        "a (1) b\n",
        "a (1) c\nz.\n",
        "a (1) b\nzz\n",
        "x\na (1) b\nz.\n",
    ] {
        assert!(
            std::panic::catch_unwind(|| check_output(&block, wrong)).is_err(),
            "{wrong}"
        );
    }
}
