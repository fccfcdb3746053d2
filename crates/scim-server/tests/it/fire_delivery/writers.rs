//! Clients that change a tenant while servers are killed. Each knows what the directory has to contain in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::replica::{Attributes, attributes, key};
use super::servers::Servers;
use crate::harness::{ENTERPRISE, GROUP, HttpClient, USER, encode, patch_op};

/// A tenant with the groups that all its writers change.
pub struct Tenant {
    pub name: String,
    pub token: String,
    /// Ids.
    pub groups: Vec<String>,
}

/// The result of a writer.
#[derive(Default)]
pub struct Written {
    /// Each version that a server has acknowledged, by resource; `None` is the deletion.
    pub acknowledged: Vec<(String, Option<i64>)>,
    /// The attributes of its users and its own groups.
    pub resources: BTreeMap<String, Attributes>,
    /// Its users in the groups of the tenant.
    pub members: BTreeMap<String, BTreeSet<String>>,
    /// Requests that were sent again, because the answer was lost or the server was busy.
    pub repeated: usize,
}

struct User {
    id: String,
    name: String,
    title: String,
    department: String,
    active: bool,
}

impl User {
    fn document(&self) -> Value {
        json!({
            "schemas": [USER, ENTERPRISE],
            "userName": self.name,
            "active": self.active,
            "title": self.title,
            "name": {"familyName": self.title, "givenName": "Barbara"},
            "emails": [{"value": format!("{}@example.com", self.title), "type": "work"}],
            ENTERPRISE: {"department": self.department},
        })
    }

    fn path(&self) -> String {
        format!("/Users/{}", self.id)
    }
}

struct Group {
    id: String,
    name: String,
    members: BTreeSet<String>,
    /// Whether other writers change it too.
    is_shared: bool,
}

impl Group {
    fn document(&self) -> Value {
        let members: Value = self.members.iter().map(|it| json!({ "value": it })).collect();
        json!({"schemas": [GROUP], "displayName": self.name, "members": members})
    }

    fn path(&self) -> String {
        format!("/Groups/{}", self.id)
    }
}

/// The answer to a request.
struct Answer {
    status: u16,
    etag: Option<String>,
    body: Value,
    /// Whether an earlier attempt may have had its effect already.
    is_repeated: bool,
}

pub struct Writer<'a> {
    servers: &'a Servers<'a>,
    tenant: &'a Tenant,
    number: usize,
    random: fastrand::Rng,
    clients: HashMap<String, HttpClient>,
    users: Vec<User>,
    groups: Vec<Group>,
    names: usize,
    written: Written,
}

/// The fewest users of a writer, and the most.
const USERS: std::ops::Range<usize> = 5..2_000;

impl<'a> Writer<'a> {
    pub fn new(servers: &'a Servers<'a>, tenant: &'a Tenant, number: usize) -> Writer<'a> {
        let shared = tenant.groups.iter().map(|id| Group {
            id: id.clone(),
            name: String::new(),
            members: BTreeSet::new(),
            is_shared: true,
        });
        Writer {
            servers,
            tenant,
            number,
            random: fastrand::Rng::with_seed(number as u64),
            clients: HashMap::new(),
            users: Vec::new(),
            groups: shared.collect(),
            names: 0,
            written: Written::default(),
        }
    }

    /// Makes a number of changes, and counts them.
    pub fn run(mut self, changes: usize, done: &AtomicUsize) -> Written {
        for _ in 0..changes {
            self.change();
            done.fetch_add(1, Ordering::Relaxed);
        }
        for user in &self.users {
            let key = key(&self.tenant.name, "User", &user.id);
            self.written.resources.insert(key, attributes(&user.document()));
        }
        for group in self.groups {
            let key = key(&self.tenant.name, "Group", &group.id);
            match group.is_shared {
                true => drop(self.written.members.insert(key, group.members)),
                false => drop(self.written.resources.insert(key, attributes(&group.document()))),
            }
        }
        self.written
    }

    fn change(&mut self) {
        if self.users.len() < USERS.start {
            return self.create_user();
        }
        let user = self.random.usize(0..self.users.len());
        let group = self.random.usize(0..self.groups.len());
        match self.random.u8(0..100) {
            0..20 if self.users.len() < USERS.end => self.create_user(),
            0..35 => self.replace_user(user),
            35..48 => self.patch_user(user),
            48..58 => self.set_active(user),
            58..65 => self.rename_user(user),
            65..74 => self.delete_user(user),
            74..79 => self.create_group(),
            79..83 => self.rename_group(group),
            83..86 => self.delete_group(group),
            _ => self.change_members(group),
        }
    }

    fn create_user(&mut self) {
        let mut user = User {
            id: String::new(),
            name: self.new_name("user"),
            title: self.new_name("title"),
            department: "Tours".to_owned(),
            active: true,
        };
        user.id = self.create("User", &user.document(), "userName", &user.name);
        self.users.push(user);
    }

    fn replace_user(&mut self, user: usize) {
        self.users[user].title = self.new_name("title");
        self.users[user].department = self.new_name("department");
        let (path, body) = (self.users[user].path(), self.users[user].document());
        self.send_update("PUT", "User", &path, &body);
    }

    fn patch_user(&mut self, user: usize) {
        let department = self.new_name("department");
        let path = format!("{ENTERPRISE}:department");
        let operation = json!({"op": "replace", "path": path, "value": department});
        self.users[user].department = department;
        self.patch("User", &self.users[user].path(), &operation);
    }

    fn set_active(&mut self, user: usize) {
        let active = !self.users[user].active;
        self.users[user].active = active;
        let operation = json!({"op": "replace", "path": "active", "value": active});
        self.patch("User", &self.users[user].path(), &operation);
    }

    fn rename_user(&mut self, user: usize) {
        let name = self.new_name("user");
        let operation = json!({"op": "replace", "path": "userName", "value": name});
        self.users[user].name = name;
        self.patch("User", &self.users[user].path(), &operation);
    }

    fn delete_user(&mut self, user: usize) {
        let user = self.users.swap_remove(user);
        for group in &mut self.groups {
            group.members.remove(&user.id);
        }
        self.delete("User", &user.id, &user.path());
    }

    fn create_group(&mut self) {
        let members = self.some_users();
        let mut group = Group {
            id: String::new(),
            name: self.new_name("group"),
            members,
            is_shared: false,
        };
        group.id = self.create("Group", &group.document(), "displayName", &group.name);
        self.groups.push(group);
    }

    fn rename_group(&mut self, group: usize) {
        let name = self.new_name("group");
        let operation = json!({"op": "replace", "path": "displayName", "value": name});
        self.groups[group].name = name;
        self.patch("Group", &self.groups[group].path(), &operation);
    }

    fn delete_group(&mut self, group: usize) {
        if self.groups[group].is_shared {
            return self.change_members(group);
        }
        let group = self.groups.swap_remove(group);
        self.delete("Group", &group.id, &group.path());
    }

    /// Removes a member, or adds some.
    fn change_members(&mut self, group: usize) {
        let path = self.groups[group].path();
        let member = self.groups[group].members.first().cloned();
        let operation = match member.filter(|_| self.random.u8(0..3) == 0) {
            Some(member) => {
                self.groups[group].members.remove(&member);
                json!({"op": "remove", "path": format!("members[value eq \"{member}\"]")})
            }
            None => {
                let added = self.some_users();
                let members: Value = added.iter().map(|it| json!({ "value": it })).collect();
                self.groups[group].members.extend(added);
                json!({"op": "add", "path": "members", "value": members})
            }
        };
        self.patch("Group", &path, &operation);
    }

    fn some_users(&mut self) -> BTreeSet<String> {
        let number = self.random.usize(1..4);
        let chosen = (0..number).map(|_| self.random.usize(0..self.users.len()));
        chosen.map(|it| self.users[it].id.clone()).collect()
    }

    fn new_name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}-{}-{}", self.number, self.names)
    }

    /// Creates a resource, and returns its id. After a lost answer, the name tells whether it was created.
    fn create(&mut self, kind: &str, document: &Value, attribute: &str, name: &str) -> String {
        let path = format!("/{kind}s");
        let mut answer = self.send("POST", &path, document);
        if answer.status == 409 && answer.is_repeated {
            let filter = encode(&format!("{attribute} eq \"{name}\""));
            answer = self.send("GET", &format!("{path}?filter={filter}"), &Value::Null);
            let found = answer.body["Resources"][0].take();
            answer.etag = found["meta"]["version"].as_str().map(str::to_owned);
            answer.body = found;
            answer.status = 201;
        }
        assert_eq!(answer.status, 201, "{}", answer.body);
        let id = answer.body["id"].as_str().unwrap().to_owned();
        self.acknowledge(kind, &id, answer.etag.as_deref());
        id
    }

    fn patch(&mut self, kind: &str, path: &str, operation: &Value) {
        self.send_update("PATCH", kind, path, &patch_op(json!([operation])));
    }

    fn send_update(&mut self, method: &str, kind: &str, path: &str, body: &Value) {
        let answer = self.send(method, path, body);
        let is_done = matches!(answer.status, 200 | 204);
        // A member that an attempt without an answer has removed already.
        let is_removed = answer.is_repeated && answer.body["scimType"] == "noTarget";
        assert!(
            is_done || is_removed,
            "{method} {path} {body}: {} {}",
            answer.status,
            answer.body
        );
        if is_done {
            let id = path.rsplit('/').next().unwrap();
            self.acknowledge(kind, id, answer.etag.as_deref());
        }
    }

    fn delete(&mut self, kind: &str, id: &str, path: &str) {
        let answer = self.send("DELETE", path, &Value::Null);
        let is_deleted = answer.is_repeated && answer.status == 404;
        assert!(
            answer.status == 204 || is_deleted,
            "{path}: {} {}",
            answer.status,
            answer.body
        );
        let key = key(&self.tenant.name, kind, id);
        self.written.acknowledged.push((key, None));
    }

    fn acknowledge(&mut self, kind: &str, id: &str, etag: Option<&str>) {
        let key = key(&self.tenant.name, kind, id);
        let version = version(etag.expect("a change answers with an ETag"));
        self.written.acknowledged.push((key, Some(version)));
    }

    /// Sends a request until a server answers it. Every request can be repeated.
    fn send(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        for turn in 0.. {
            let address = self.servers.address(self.number + turn);
            let client = self.clients.entry(address.scim.clone());
            let client = client.or_insert_with_key(|it| HttpClient::new(it, &self.tenant.token));
            match client.try_send_if_match(method, path, None, body) {
                Ok((status, etag, body)) if status != 503 && status != 401 => {
                    return Answer {
                        status,
                        etag,
                        body,
                        is_repeated: turn > 0,
                    };
                }
                // Another program may have got the address of a server that was killed.
                Ok((401, ..)) => assert_ne!(self.servers.address(self.number + turn), address),
                Ok(_) | Err(_) => {}
            }
            self.written.repeated += 1;
            thread::sleep(Duration::from_millis(10));
        }
        unreachable!("the loop has no end")
    }
}

/// The version in an ETag such as `W/"7"` or `W/"7.0123456789abcdef"`.
pub fn version(etag: &str) -> i64 {
    let digits = etag.trim_start_matches("W/\"");
    let end = digits.find(|it: char| !it.is_ascii_digit()).unwrap();
    digits[..end].parse().unwrap()
}
