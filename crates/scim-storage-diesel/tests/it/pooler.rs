//! PostgreSQL behind a pooler that gives each transaction another connection, as PgBouncer does with
//! `pool_mode = transaction`. The pooler of these tests is the strictest that the mode allows: consecutive
//! transactions never get the same connection.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use scim_model::change::ChangePosition;
use scim_model::store::conformance::{self, Fixture};
use scim_model::store::{ChangeJournal, Directory};
use scim_storage_diesel::{DieselStore, Pooler, StoreOptions};

use crate::database::Database;

#[test]
fn the_conformance_suite_passes_through_a_transaction_pooler() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let url = pool(&database.url);
    let options = StoreOptions {
        pooler: Pooler::Transaction,
        ..StoreOptions::default()
    };
    // Migrations run through the pooler too.
    let store = DieselStore::open(&url, &options).expect("it opens behind a pooler");
    conformance::check(&store);
    // Each request uses the connections in turn, so a statement that was prepared earlier would be missing.
    let it = Fixture::new(&store, "acme");
    for number in 0..20 {
        let user = it.add_user(&format!("user{number}"));
        let group = it.add_group(&format!("group{number}"), &[user]);
        assert_eq!(it.members(group), [user]);
    }
    let changes = store.changes(it.tenant, ChangePosition::default(), 100);
    assert_eq!(changes.expect("the store is there").len(), 40);
    DieselStore::open_directory(&url, Pooler::Transaction).expect("commands work behind it as well");
}

/// The pooler is strict enough: a store that is not configured for it fails.
#[test]
fn the_test_pooler_breaks_prepared_statements() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let unaware = DieselStore::open(&pool(&database.url), &StoreOptions::default());
    let works = unaware.is_ok_and(|store| (0..10).all(|_| store.tenants().is_ok()));
    assert!(!works);
}

/// The number of connections to PostgreSQL, which the transactions of each client use in turn.
const CONNECTIONS: usize = 3;

/// Starts a pooler in front of a database and returns its URL. The pooler ends with the process.
fn pool(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("it is a URL");
    let (user, rest) = rest.split_once('@').expect("the URL names a user");
    let (server, name) = rest.split_once('/').expect("the URL names a database");
    let server = server.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = server.clone();
            // An error means that the client has closed its connection.
            std::thread::spawn(move || serve(client, &server).unwrap_or(()));
        }
    });
    format!("{scheme}://{user}@{address}/{name}")
}

fn serve(mut client: TcpStream, server: &str) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut hello = startup(&mut client)?;
    // Requests for TLS or GSSAPI have a code in the place of a version.
    while hello[4..6] == [0x04, 0xd2] {
        client.write_all(b"N")?;
        hello = startup(&mut client)?;
    }
    let mut connections = Vec::new();
    for number in 0..CONNECTIONS {
        let mut connection = TcpStream::connect(server)?;
        connection.set_nodelay(true)?;
        connection.write_all(&hello)?;
        let greeting = until_ready(&mut connection)?;
        if number == 0 {
            client.write_all(&greeting)?;
        }
        connections.push(connection);
    }
    for turn in 0.. {
        let connection = &mut connections[turn % CONNECTIONS];
        // One transaction.
        loop {
            let (kind, message) = next(&mut client)?;
            if kind == b'X' {
                return connection.shutdown(Shutdown::Both);
            }
            connection.write_all(&message)?;
            if kind == b'Q' || kind == b'S' {
                let answer = until_ready(connection)?;
                client.write_all(&answer)?;
                if answer.ends_with(b"I") {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Reads the first message, which has a length but no kind.
fn startup(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    with_body(client, length.to_vec(), length)
}

/// Reads a message that begins with its kind.
fn next(peer: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    peer.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    Ok((kind, with_body(peer, head.to_vec(), length)?))
}

fn with_body(peer: &mut TcpStream, mut message: Vec<u8>, length: [u8; 4]) -> std::io::Result<Vec<u8>> {
    let start = message.len();
    message.resize(start + u32::from_be_bytes(length) as usize - 4, 0);
    peer.read_exact(&mut message[start..])?;
    Ok(message)
}

/// Reads all messages up to ReadyForQuery, which ends with the state of the transaction.
fn until_ready(connection: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut messages = Vec::new();
    loop {
        let (kind, message) = next(connection)?;
        messages.extend(message);
        if kind == b'Z' {
            return Ok(messages);
        }
    }
}
