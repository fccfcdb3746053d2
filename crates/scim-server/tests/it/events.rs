//! `scim-server events`: events as JSON lines, while a server runs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{HttpClient, USER, patch_op};
use crate::webhooks::receiver::{Receiver, answer};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn create(client: &HttpClient, name: &str) -> String {
    client.create("/Users", &json!({"schemas": [USER], "userName": name}))
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|it| it["type"].as_str().unwrap()).collect()
}

/// The exit code of a command whose tenant does not exist, or exists no longer.
const NO_TENANT: i32 = 7;

/// The exit code of a reader that may have missed events.
const POSITION_LOST: i32 = 6;

/// evt-51, evt-55
#[test]
fn events_are_json_lines() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let start = shell.ok(&["events", "--position"]);
        let client = server.client();
        let user = create(&client, "bjensen");
        let patch = patch_op(json!([{"op": "replace", "path": "active", "value": false}]));
        client.send("PATCH", &format!("/Users/{user}"), Some(&patch));
        client.send("DELETE", &format!("/Users/{user}"), None);
        let all = lines(&shell.ok(&["events"]));
        assert_eq!(types(&all), ["user.created", "user.deactivated", "user.deleted"]);
        let keys: Vec<&String> = all[1].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "type", "timestamp", "data"]);
        let data = &all[1]["data"];
        assert_eq!(data["changes"], json!({"active": {"new": false}}));
        assert_eq!(
            (
                &data["tenant"],
                &data["resourceId"],
                &data["userName"],
                &data["version"]
            ),
            (&json!("default"), &json!(user), &json!("bjensen"), &json!(2))
        );
        assert_eq!(
            format!("{}-0", data["position"].as_str().unwrap()),
            all[1]["id"].as_str().unwrap()
        );
        let read = |arguments: &[&str]| lines(&shell.ok(&[&["events"], arguments].concat()));
        assert_eq!(read(&["--after", start.trim()]), all);
        for (index, event) in all.iter().enumerate() {
            let id = event["id"].as_str().unwrap();
            assert_eq!(read(&["--after", id]), all[index + 1..]);
        }
        assert_eq!(read(&["--limit", "2"]), all[..2]);
        assert_eq!(read(&["--limit", "0"]), [] as [Value; 0]);
        assert_eq!(read(&["--after", "now"]), [] as [Value; 0]);
        assert_eq!(read(&["--types", "user.deleted,group.*"]), all[2..]);
        assert_eq!(read(&["--tenant", "default"]), all);
        let position = shell.ok(&["events", "--position", "--tenant", "default"]);
        assert_eq!(position.trim(), all[2]["id"].as_str().unwrap());
        shell.ok(&["tenant", "create", "other"]);
        assert_eq!(read(&["--tenant", "other"]), [] as [Value; 0]);
        assert_eq!(read(&["--tenant", "other", "--tenant", "default"]), all);
    });
}

/// evt-56
#[test]
fn invalid_and_lost_positions_are_refused() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        create(&client, "bjensen");
        create(&client, "smith");
        let all = lines(&shell.ok(&["events"]));
        let id = |index: usize| all[index]["id"].as_str().unwrap();
        for (arguments, expected) in [
            (["--after", "1042"], "`1042-1735689600123-0`, or `now`"),
            (
                ["--after", all[0]["data"]["position"].as_str().unwrap()],
                "`after`: expected an event id",
            ),
            (["--types", "user.gone"], "`user.gone` is not a type of events"),
            (["--limit", "x"], "--limit"),
        ] {
            let (code, told) = shell.failure(&[&["events"], &arguments[..]].concat());
            assert_eq!(code, 2, "{told}");
            assert!(told.contains(expected), "{told}");
        }
        let (code, told) = shell.failure(&["events", "--tenant", "nobody"]);
        assert_eq!(
            (code, told.contains("no tenant `nobody`")),
            (NO_TENANT, true),
            "{told}"
        );
        let (code, told) = shell.failure(&["events", "--after", "999-1735689600123-0"]);
        assert_eq!(code, POSITION_LOST, "{told}");
        assert!(
            told.contains("`999-1735689600123-0`") && told.contains("an older backup has been restored"),
            "{told}"
        );
        shell.ok(&["tenant", "create", "other"]);
        let (code, _) = shell.failure(&["events", "--tenant", "other", "--after", id(1)]);
        assert_eq!(code, POSITION_LOST);
        // Retention has dropped both entries.
        shell.sql(
            "INSERT INTO journal_start (tenant_id, transaction_id, sequence, at) \
             SELECT tenant_id, 0, sequence, at FROM changes WHERE sequence = 2",
        );
        shell.sql("DELETE FROM changes");
        let (code, told) = shell.failure(&["events", "--after", id(0)]);
        assert_eq!(code, POSITION_LOST, "{told}");
        assert!(told.contains("`--journal-days`"), "{told}");
        assert_eq!(shell.ok(&["events", "--after", id(1)]), "");
    });
}

struct Reader {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Reader {
    fn start(shell: &Shell, arguments: &[&str]) -> Reader {
        let mut child = shell
            .command(&[&["events"], arguments].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Reader { child, output }
    }

    /// Returns the next event, or `None` when the process has ended.
    fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    fn next(&mut self) -> Value {
        self.read().unwrap()
    }
}

#[test]
fn a_follower_prints_events_as_they_happen() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        create(&client, "first");
        let mut follower = Reader::start(shell, &["--follow", "--tenant", "default", "--types", "user.*"]);
        assert_eq!(follower.next()["data"]["userName"], "first");
        for name in ["second", "third"] {
            create(&client, name);
            assert_eq!(follower.next()["data"]["userName"], name);
        }
        shell.ok(&["tenant", "delete", "default", "--yes"]);
        let output = follower.child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(NO_TENANT), "{told}");
        assert!(told.contains("the tenant `default` has been deleted"), "{told}");
    });
}

#[test]
fn a_follower_ends_when_its_reader_does() {
    let shell = Shell::new();
    let server = shell.serve(&[]);
    create(&server.client(), "first");
    let mut follower = Reader::start(&shell, &["--follow", "--after", "now"]);
    drop(follower.output);
    assert!(follower.child.wait().unwrap().success());
}

/// The state that an application keeps: whether each user is active, and the version of the last event about the user.
#[derive(Default)]
struct Product {
    users: BTreeMap<String, (bool, i64)>,
    after: Option<String>,
}

impl Product {
    /// Processes an event. The id is stored with it, as in one transaction.
    fn process(&mut self, event: &Value) {
        let (data, id) = (&event["data"], event["id"].as_str().unwrap());
        let user = data["resourceId"].as_str().unwrap().to_owned();
        let version = data["version"].as_i64().unwrap();
        let known = self.users.get(&user).copied();
        assert!(
            known.is_none_or(|(_, last)| version >= last),
            "the events of a user are in order"
        );
        let is_active = known.is_none_or(|(is_active, _)| is_active);
        match event["type"].as_str().unwrap() {
            "user.created" => assert!(known.is_none(), "no event comes twice"),
            "user.deleted" => assert!(known.is_some(), "no event is missing"),
            "user.deactivated" | "user.reactivated" | "user.updated" => {}
            other => panic!("{other}"),
        }
        match event["type"].as_str().unwrap() {
            "user.deleted" => drop(self.users.remove(&user)),
            "user.deactivated" => drop(self.users.insert(user, (false, version))),
            "user.reactivated" => drop(self.users.insert(user, (true, version))),
            _ => drop(self.users.insert(user, (is_active, version))),
        }
        self.after = Some(id.to_owned());
    }

    fn arguments(&self) -> Vec<&str> {
        self.after.iter().flat_map(|it| ["--after", it]).collect()
    }
}

/// evt-49, evt-50, evt-51: servers and readers are killed while others write; the reader ends with the state of the
/// directory. On PostgreSQL two servers write at the same time.
#[test]
fn a_reader_that_is_killed_ends_with_the_state_of_the_directory() {
    Shell::on_each(|shell| {
        let first = shell.serve(&[]);
        let token = first.token();
        let has_two = shell.url().starts_with("postgres");
        let second = has_two.then(|| shell.serve(&[]));
        let stable = second.as_ref().map(|it| it.base_url.clone());
        let flaky = Mutex::new(Some(first));
        let is_over = AtomicBool::new(false);
        let mut product = Product::default();
        std::thread::scope(|scope| {
            let (flaky, token, stable, is_over) = (&flaky, &token, &stable, &is_over);
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    scope.spawn(move || {
                        // While the server is started again, its writers wait.
                        let client = || {
                            let url = stable.clone().filter(|_| writer % 2 == 0);
                            let of_flaky = || flaky.lock().unwrap().as_ref().unwrap().base_url.clone();
                            HttpClient::new(&url.unwrap_or_else(of_flaky), token)
                        };
                        for round in 0..20 {
                            write(&client(), &format!("{writer}-{round}"), round);
                        }
                    })
                })
                .collect();
            scope.spawn(move || {
                for _ in 0..3 {
                    std::thread::sleep(Duration::from_millis(500));
                    let mut flaky = flaky.lock().unwrap();
                    flaky.take().unwrap().kill();
                    *flaky = Some(shell.serve(&[]));
                }
            });
            scope.spawn(move || {
                let results: Vec<_> = writers
                    .into_iter()
                    .map(std::thread::ScopedJoinHandle::join)
                    .collect();
                is_over.store(true, Ordering::Release);
                assert!(results.iter().all(Result::is_ok));
            });
            // Each reader processes some events, and is killed with others in its pipe.
            let mut number = 1;
            while !is_over.load(Ordering::Acquire) {
                let mut reader = Reader::start(shell, &product.arguments());
                for _ in 0..number {
                    let Some(event) = reader.read() else { break };
                    product.process(&event);
                }
                reader.child.kill().unwrap();
                reader.child.wait().unwrap();
                number = number % 17 + 4;
            }
        });
        let rest = shell.ok(&[&["events"], &product.arguments()[..]].concat());
        lines(&rest).iter().for_each(|it| product.process(it));
        let flaky = flaky.into_inner().unwrap().unwrap();
        let client = HttpClient::new(&flaky.base_url, &token);
        let (_, list) = client.send("GET", "/Users?count=200&attributes=active", None);
        let stored = list["Resources"].as_array().unwrap().iter();
        let stored: BTreeMap<&str, bool> = stored
            .map(|it| (it["id"].as_str().unwrap(), it["active"] != json!(false)))
            .collect();
        let copied: BTreeMap<&str, bool> = product
            .users
            .iter()
            .map(|(id, (is_active, _))| (&**id, *is_active))
            .collect();
        assert_eq!(copied, stored);
        assert!(stored.len() > 10, "{}", stored.len());
    });
}

/// Creates a user, and deactivates, reactivates, changes or deletes it. A server that is killed answers nothing.
fn write(client: &HttpClient, name: &str, round: u32) {
    let user = json!({"schemas": [USER], "userName": name, "active": true});
    let Ok((201, created)) = client.try_send("POST", "/Users", Some(&user)) else {
        return;
    };
    let path = format!("/Users/{}", created["id"].as_str().unwrap());
    let active =
        |value: bool| patch_op(json!([{"op": "replace", "value": {"active": value, "title": name}}]));
    let _ = client.try_send("PATCH", &path, Some(&active(false)));
    if round.is_multiple_of(3) {
        let _ = client.try_send("PATCH", &path, Some(&active(true)));
    }
    if round.is_multiple_of(4) {
        let _ = client.try_send("DELETE", &path, None);
    }
}

/// The commands of the guide work as they are written, on the addresses of this server and in the order of the guide.
#[test]
fn the_commands_of_the_guide_work() {
    let shell = Shell::new();
    let server = shell.serve(&["--egress-allow", "127.0.0.1"]);
    let client = server.client();
    let receiver = Receiver::start(|_, _| answer(204));
    let text = include_str!("../../../../docs/EVENTS.md").replace("\\\n", " ");
    let text = text.replace("http://127.0.0.1:8081/api/v1", &server.management_url());
    // A test of a webhook is delivered before the command ends.
    let text = text.replace("https://app.example.com/scim-events", &receiver.url);
    let blocks = text.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|it| it.split("```").next().unwrap().lines());
    let mut terminal = Terminal {
        shell: &shell,
        variables: BTreeMap::new(),
        id: String::new(),
    };
    let mut number = 0;
    for line in lines {
        // A request that waits for an event gets one.
        create(&client, &format!("user{number}"));
        terminal.run(line);
        number += 1;
    }
    assert!(number > 10, "{number} commands");
    receiver.wait_for(1);
}

/// The part of a shell that the guide uses: variables, quotes, and the member of an answer as `jq -r` prints it.
struct Terminal<'a> {
    shell: &'a Shell,
    variables: BTreeMap<String, String>,
    /// The last id that a command has printed, for `ID` in the guide.
    id: String,
}

impl Terminal<'_> {
    fn run(&mut self, line: &str) {
        let is_name = |it: &str| it.bytes().all(|it| it.is_ascii_uppercase() || it == b'_');
        let Some((name, value)) = line.split_once('=').filter(|(name, _)| is_name(name)) else {
            self.output(line);
            return;
        };
        let command = value.strip_prefix("$(").and_then(|it| it.strip_suffix(')'));
        let value = match command.map(|it| it.rsplit_once(" | jq -r .").unwrap()) {
            Some((command, member)) => {
                let answer: Value = serde_json::from_str(&self.output(command)).unwrap();
                answer[member].as_str().expect(line).to_owned()
            }
            None => value.to_owned(),
        };
        self.variables.insert(format!("${name}"), value);
    }

    fn output(&mut self, command: &str) -> String {
        let words = self.words(command);
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        match words[0].as_str() {
            "curl" => request(&arguments),
            "scim-server" => {
                // A follower has no end.
                let arguments: Vec<&str> = arguments.into_iter().filter(|it| *it != "--follow").collect();
                let output = self.shell.ok(&arguments);
                let mut ids = output.split(|it: char| it.is_whitespace() || "\":,".contains(it));
                let last = ids.rfind(|it| uuid::Uuid::try_parse(it).is_ok());
                self.id = last.unwrap_or(&self.id).to_owned();
                output
            }
            other => panic!("`{other}` is not a command that the guide has explained"),
        }
    }

    fn words(&self, command: &str) -> Vec<String> {
        let mut command = command.to_owned();
        for (name, value) in &self.variables {
            command = command.replace(name, value);
        }
        let mut words = Vec::new();
        let (mut word, mut quote) = (String::new(), None);
        for character in command.chars().chain([' ']) {
            match (character, quote) {
                ('"' | '\'', None) => quote = Some(character),
                (_, Some(open)) if open == character => quote = None,
                (' ', None) => words.extend(Some(std::mem::take(&mut word)).filter(|it| !it.is_empty())),
                _ => word.push(character),
            }
        }
        let with_id = |word: String| match word == "ID" {
            true => self.id.clone(),
            false => word.replace("/ID/", &format!("/{}/", self.id)),
        };
        words.into_iter().map(with_id).collect()
    }
}

/// Sends the request of `curl`, and returns the body of the answer, or the first line of a stream.
fn request(arguments: &[&str]) -> String {
    let (mut request, mut body, mut is_stream) = (http::Request::builder(), String::new(), false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || *arguments.next().unwrap();
        request = match *argument {
            "-H" => {
                let (name, value) = value().split_once(": ").unwrap();
                request.header(name, value)
            }
            "-d" => {
                value().clone_into(&mut body);
                request.method("POST")
            }
            "-s" => request,
            "-N" => {
                is_stream = true;
                request
            }
            url => request.uri(url),
        };
    }
    let agent = ureq::Agent::config_builder().proxy(None).build().new_agent();
    let mut reply = agent.run(request.body(body).unwrap()).unwrap();
    if is_stream {
        let mut line = String::new();
        BufReader::new(reply.body_mut().as_reader())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "retry: 5000\n");
        return line;
    }
    reply.body_mut().read_to_string().unwrap()
}
