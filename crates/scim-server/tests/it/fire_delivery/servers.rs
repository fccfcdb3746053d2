//! The servers, which are killed and started again. Their addresses change, and a file tells readers where they are.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, RwLock};

use serde_json::{Value, json};

use super::log::write_atomically;
use crate::cli::Shell;
use crate::restart::Binary;

/// The URLs of a server, for clients and for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub scim: String,
    pub management: String,
}

pub struct Servers<'a> {
    shell: &'a Shell,
    arguments: Vec<String>,
    running: Vec<Mutex<Option<Binary>>>,
    addresses: RwLock<Vec<Address>>,
    file: PathBuf,
}

impl<'a> Servers<'a> {
    /// Starts this number of servers on the database.
    pub fn start(shell: &'a Shell, number: usize, arguments: &[&str]) -> Servers<'a> {
        // The writers send as many requests as they can.
        let arguments = [&["--rate-limit", "0"], arguments].concat();
        let servers = Servers {
            shell,
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            running: (0..number).map(|_| Mutex::new(None)).collect(),
            addresses: RwLock::default(),
            file: shell.folder.path().join("servers"),
        };
        for number in 0..number {
            servers.start_again(number);
        }
        servers
    }

    /// Kills a server without a chance to clean up, and starts it again.
    pub fn kill(&self, number: usize) {
        self.running[number].lock().unwrap().take().unwrap().kill();
        self.start_again(number);
    }

    fn start_again(&self, number: usize) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let server = self.shell.serve(&arguments);
        let address = Address {
            scim: server.base_url.clone(),
            management: server.management_url(),
        };
        *self.running[number].lock().unwrap() = Some(server);
        let mut addresses = self.addresses.write().unwrap();
        match addresses.get_mut(number) {
            Some(it) => *it = address,
            None => addresses.push(address),
        }
        let file = addresses
            .iter()
            .map(|it| json!({"scim": it.scim, "management": it.management}));
        write_atomically(&self.file, &Value::from_iter(file).to_string());
    }

    /// The number of servers.
    pub fn number(&self) -> usize {
        self.running.len()
    }

    /// The servers in turn.
    pub fn address(&self, turn: usize) -> Address {
        let addresses = self.addresses.read().unwrap();
        addresses[turn % addresses.len()].clone()
    }

    /// The addresses, for another process.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// The addresses in a file.
pub fn addresses(file: &Path) -> Vec<Address> {
    let text = std::fs::read_to_string(file).unwrap();
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let addresses = list.iter().map(|it| Address {
        scim: text(it, "scim"),
        management: text(it, "management"),
    });
    addresses.collect()
}
