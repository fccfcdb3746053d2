//! The clients of a rolling upgrade: each one writes its own users and its own group, and remembers what it has written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::proxy::{Answer, Proxy};
use crate::harness::{GROUP, HttpClient, USER, encode, patch_op};

pub struct Client {
    number: usize,
    token: String,
    rounds: AtomicUsize,
}

/// The acknowledged writes of a client.
#[derive(Default)]
pub struct Written {
    /// The titles of users by their ids; `None` for deleted ones.
    users: BTreeMap<String, Option<String>>,
    /// The members of the group.
    members: Vec<String>,
    group: String,
    versions: Vec<(String, i64)>,
    pub requests: usize,
    /// Requests that were sent again.
    pub repeated: usize,
}

/// A client that runs.
struct Run<'a> {
    client: &'a Client,
    proxy: &'a Proxy,
    written: Written,
}

impl Client {
    pub fn several(number: usize, token: &str) -> Vec<Client> {
        let clients = (0..number).map(|number| Client {
            number,
            token: token.to_owned(),
            rounds: AtomicUsize::default(),
        });
        clients.collect()
    }

    /// The number of finished rounds.
    pub fn rounds(&self) -> usize {
        self.rounds.load(Ordering::SeqCst)
    }

    /// Writes until it is over.
    pub fn run(&self, proxy: &Proxy, is_over: &AtomicBool) -> Written {
        let mut run = Run {
            client: self,
            proxy,
            written: Written::default(),
        };
        run.create_group();
        while !is_over.load(Ordering::SeqCst) {
            run.round(self.rounds());
            self.rounds.fetch_add(1, Ordering::SeqCst);
        }
        run.written
    }
}

impl Run<'_> {
    fn create_group(&mut self) {
        let name = format!("group {}", self.client.number);
        let group = json!({ "schemas": [GROUP], "displayName": name });
        self.written.group = self.create("/Groups", &group, &format!("displayName eq \"{name}\""));
    }

    /// A user is created, read, changed in each way, found and put into the group. Every third one is deleted.
    fn round(&mut self, round: usize) {
        let name = format!("user-{}-{round}", self.client.number);
        let mut user = json!({ "schemas": [USER], "userName": name, "externalId": format!("x-{name}") });
        let by_name = format!("userName eq \"{name}\"");
        let id = self.create("/Users", &user, &by_name);
        let path = format!("/Users/{id}");
        let read = self.send("GET", &path, None, &[200]);
        assert_eq!(read.body["userName"], name);
        let patch = patch_op(json!([{ "op": "add", "path": "title", "value": "Guide" }]));
        self.change("PATCH", &id, &path, &patch);
        user["title"] = format!("Guide {round}").into();
        self.change("PUT", &id, &path, &user);
        let found = self.send(
            "GET",
            &format!("/Users?filter={}", encode(&by_name)),
            None,
            &[200],
        );
        assert_eq!(found.body["Resources"][0]["id"], *id, "{}", found.body);
        let group = self.written.group.clone();
        let add = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
        self.change("PATCH", &group, &format!("/Groups/{group}"), &patch_op(add));
        let is_deleted = round.is_multiple_of(3);
        if is_deleted {
            self.repeatable("DELETE", &path, None, &[204], 404);
        } else {
            self.written.members.push(id.clone());
        }
        self.written
            .users
            .insert(id, (!is_deleted).then(|| format!("Guide {round}")));
    }

    fn create(&mut self, endpoint: &str, body: &Value, filter: &str) -> String {
        let created = self.repeatable("POST", endpoint, Some(body), &[201], 409);
        let resource = created.unwrap_or_else(|| {
            let found = self.send(
                "GET",
                &format!("{endpoint}?filter={}", encode(filter)),
                None,
                &[200],
            );
            found.body["Resources"][0].clone()
        });
        let id = resource["id"].as_str().unwrap().to_owned();
        self.written.versions.push((id.clone(), 1));
        id
    }

    fn change(&mut self, method: &str, id: &str, path: &str, body: &Value) {
        let answer = self.send(method, path, Some(body), &[200, 204]);
        let digits: String = answer
            .etag
            .unwrap()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        self.written
            .versions
            .push((id.to_owned(), digits.parse().unwrap()));
    }

    /// Like `send`, but a request that was repeated may get `done`, because an earlier one was carried out. Returns the body,
    /// unless the status is `done` or there is no body.
    fn repeatable(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        expected: &[u16],
        done: u16,
    ) -> Option<Value> {
        let before = self.written.repeated;
        let answer = self.send(method, path, body, &[expected, &[done]].concat());
        assert!(
            answer.status != done || self.written.repeated > before,
            "{method} {path}: {}",
            answer.body
        );
        (answer.status != done && !answer.body.is_null()).then_some(answer.body)
    }

    /// Sends a request until the answer is not 503. Only a 503 with `Retry-After` is permitted, and a refused connection.
    fn send(&mut self, method: &str, path: &str, body: Option<&Value>, expected: &[u16]) -> Answer {
        for _ in 0..100 {
            self.written.requests += 1;
            let answer = self.proxy.send(method, path, &self.client.token, body);
            let pause = match answer {
                None => Duration::from_millis(50),
                Some(Answer {
                    status: 503,
                    retry_after: Some(seconds),
                    ..
                }) => Duration::from_secs(seconds),
                Some(answer) => {
                    let Answer { status, body, .. } = &answer;
                    assert!(expected.contains(status), "{method} {path}: {status} {body}");
                    return answer;
                }
            };
            self.written.repeated += 1;
            thread::sleep(pause);
        }
        panic!("{method} {path}: it is always unavailable");
    }
}

impl Written {
    /// The acknowledged versions of resources, by their ids.
    pub fn versions(&self) -> impl Iterator<Item = (&str, i64)> {
        self.versions.iter().map(|(id, version)| (id.as_str(), *version))
    }

    /// Compares what a server returns with what was written.
    pub fn check(&self, client: &HttpClient) {
        assert!(self.users.len() > 3);
        for (id, title) in &self.users {
            let (status, user) = client.send("GET", &format!("/Users/{id}"), None);
            match title {
                Some(title) => assert_eq!((status, &user["title"]), (200, &json!(title)), "{id}"),
                None => assert_eq!(status, 404, "{id}"),
            }
        }
        let (_, group) = client.send("GET", &format!("/Groups/{}", self.group), None);
        let mut members: Vec<&str> = group["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["value"].as_str().unwrap())
            .collect();
        members.sort_unstable();
        let mut expected: Vec<&str> = self.members.iter().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(members, expected);
    }
}
