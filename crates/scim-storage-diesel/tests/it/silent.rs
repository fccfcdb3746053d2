//! Connections to PostgreSQL whose traffic is lost although they stay open, as behind a failed firewall or proxy. The
//! proxy in these tests acknowledges everything that it receives, so that TCP itself notices nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use scim_model::store::conformance::at;
use scim_model::store::{Directory, StoreError};
use scim_storage_diesel::{DieselStore, StoreOptions};

use crate::database::Database;

#[test]
fn silent_connections_are_given_up() {
    for loss in [Loss::Discarded, Loss::Unread, Loss::Answers] {
        for busy in [false, true] {
            let Some((database, proxy, store)) = started(4) else {
                return;
            };
            let stop = Arc::new(AtomicBool::new(false));
            let writers = if busy { 8 } else { 0 };
            let writers: Vec<_> = (0..writers)
                .map(|number| {
                    let stop = stop.clone();
                    on_a_thread(&store, move |store| write_until(&stop, store, number))
                })
                .collect();
            std::thread::sleep(Duration::from_millis(300));
            proxy.lose(loss);
            wait_until_served(&store);
            for _ in 0..20 {
                let answer = on_a_thread(&store, Directory::tenants);
                let answer = answer.recv_timeout(Duration::from_secs(3));
                assert!(matches!(answer, Ok(Ok(_))), "{loss:?}, busy: {busy}: {answer:?}");
            }
            stop.store(true, Ordering::Relaxed);
            proxy.cut();
            for writer in writers {
                let acknowledged = writer
                    .recv_timeout(Duration::from_secs(20))
                    .expect("every write ends");
                assert!(!acknowledged.is_empty());
                for name in acknowledged {
                    let found = format!("SELECT count(*) FROM tenant WHERE name = '{name}'");
                    assert_eq!(database.number(&found), 1, "{name}");
                }
            }
        }
    }
}

/// The client received a 503 long before, and may have sent its request again.
#[test]
fn a_write_that_was_given_up_is_neither_done_nor_repeated() {
    for (reaches_the_database, expected) in [(false, 0), (true, 1)] {
        let Some((database, proxy, store)) = started(2) else {
            return;
        };
        if reaches_the_database {
            proxy.lose_answer_to_commit();
        } else {
            proxy.lose(Loss::Discarded);
        }
        let write = on_a_thread(&store, |store| store.create_tenant("acme", at(0)));
        wait_until_served(&store);
        assert!(write.try_recv().is_err(), "the write is still waiting");
        std::thread::sleep(LIMIT);
        proxy.cut();
        let result = write
            .recv_timeout(Duration::from_secs(5))
            .expect("the write ends");
        assert!(
            matches!(result, Err(StoreError::Busy | StoreError::Unavailable(_))),
            "{result:?}"
        );
        let found = "SELECT count(*) FROM tenant WHERE name = 'acme'";
        assert_eq!(database.number(found), expected);
    }
}

#[test]
fn idle_connections_are_given_up_before_a_request_uses_them() {
    let Some((_database, proxy, store)) = started(4) else {
        return;
    };
    let before = proxy.connections();
    proxy.lose(Loss::Discarded);
    let since = Instant::now();
    while proxy.connections() == before {
        assert!(since.elapsed() < Duration::from_secs(30), "no new connection");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(1));
    let answer = on_a_thread(&store, Directory::tenants).recv_timeout(Duration::from_secs(2));
    assert!(matches!(answer, Ok(Ok(_))), "{answer:?}");
    // A store ends although PostgreSQL is silent.
    proxy.lose(Loss::Unread);
    let store = Arc::into_inner(store).expect("no other thread uses it");
    let (ended, end) = channel();
    std::thread::spawn(move || {
        drop(store);
        ended.send(())
    });
    end.recv_timeout(Duration::from_secs(5)).expect("the store ends");
}

#[test]
fn new_connections_may_be_refused_for_some_time() {
    let Some((_database, proxy, store)) = started(4) else {
        return;
    };
    proxy.lose(Loss::Discarded);
    proxy.refuse(true);
    let since = Instant::now();
    while since.elapsed() < 5 * LIMIT {
        let answer = on_a_thread(&store, Directory::tenants).recv_timeout(LIMIT / 2);
        assert!(!matches!(answer, Ok(Ok(_))), "{answer:?}");
    }
    proxy.refuse(false);
    wait_until_served(&store);
}

#[test]
fn silent_connections_and_their_threads_are_limited() {
    let Some((_database, proxy, store)) = started(1) else {
        return;
    };
    let read = || on_a_thread(&store, Directory::tenants);
    let mut answers = Vec::new();
    for _ in 0..7 {
        proxy.lose(Loss::Discarded);
        let answer = read();
        if answer.recv_timeout(LIMIT * 3 / 2).is_err() {
            answers.push(answer);
        }
    }
    let refused = read().recv_timeout(Duration::from_secs(6));
    assert!(matches!(refused, Ok(Err(StoreError::Busy))), "{refused:?}");
    answers.retain(|it| it.try_recv().is_err());
    assert!(answers.len() <= 4, "{} threads wait", answers.len());
    proxy.cut();
    wait_until_served(&store);
    for it in answers {
        let ended = it.recv_timeout(Duration::from_secs(5));
        ended.expect("the thread is free again").ok();
    }
}

/// The time that PostgreSQL has to answer in these tests.
const LIMIT: Duration = Duration::from_secs(1);

/// Opens a store behind a proxy, with all its connections.
fn started(connections: u32) -> Option<(Database, Proxy, Arc<DieselStore>)> {
    let database = Database::postgres()?;
    let proxy = Proxy::before(&database.url);
    let options = StoreOptions {
        connections,
        silence_limit: LIMIT,
        ..StoreOptions::default()
    };
    let store = Arc::new(DieselStore::open(&proxy.url, &options).expect("it opens"));
    let reads: Vec<_> = (0..2 * connections)
        .map(|_| on_a_thread(&store, Directory::tenants))
        .collect();
    for read in reads {
        read.recv().expect("it answers").expect("the store is there");
    }
    Some((database, proxy, store))
}

/// Runs a call on a new thread, because it may never return.
fn on_a_thread<T: Send + 'static>(
    store: &Arc<DieselStore>,
    call: impl FnOnce(&DieselStore) -> T + Send + 'static,
) -> Receiver<T> {
    let store = store.clone();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let result = call(&store);
        drop(store);
        // The test may have ended.
        let _ = sender.send(result);
    });
    receiver
}

/// Waits until a call returns.
fn wait_until_served(store: &Arc<DieselStore>) {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(30) {
        let answer = on_a_thread(store, Directory::tenants);
        if matches!(answer.recv_timeout(LIMIT / 4), Ok(Ok(_))) {
            return;
        }
    }
    panic!("the store does not recover");
}

/// Creates tenants. Returns the names of those that were acknowledged.
fn write_until(stop: &AtomicBool, store: &DieselStore, writer: u32) -> Vec<String> {
    let names = (0..).map(|number| format!("w{writer}-{number}"));
    let names = names.take_while(|_| !stop.load(Ordering::Relaxed));
    names
        .filter(|it| store.create_tenant(it, at(0)).is_ok())
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    /// Both directions are read and discarded.
    Discarded,
    /// Nothing is read any more.
    Unread,
    /// Requests arrive, and their responses are discarded.
    Answers,
}

struct Proxy {
    url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    accepted: AtomicU32,
    refuses: AtomicBool,
    waits_for_commit: AtomicBool,
    links: Mutex<Vec<Arc<Link>>>,
}

struct Link {
    client: TcpStream,
    server: TcpStream,
    loss: Mutex<Option<Loss>>,
    is_cut: AtomicBool,
}

impl Proxy {
    fn before(url: &str) -> Proxy {
        let (start, rest) = url.split_once('@').expect("the URL names a user");
        let (server, name) = rest.split_once('/').expect("the URL names a database");
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it listens");
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                shared.accept(client, &server);
            }
        });
        Proxy {
            url: format!("{start}@{address}/{name}"),
            state,
        }
    }

    /// Loses the traffic of all open connections. New ones work.
    fn lose(&self, loss: Loss) {
        for link in &*self.state.links.lock().expect("no thread panics") {
            *link.loss.lock().expect("no thread panics") = Some(loss);
        }
    }

    /// Discards the responses on the first connection that commits.
    fn lose_answer_to_commit(&self) {
        self.state.waits_for_commit.store(true, Ordering::Relaxed);
    }

    fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::Relaxed);
    }

    fn connections(&self) -> u32 {
        self.state.accepted.load(Ordering::Relaxed)
    }

    /// Ends all open connections.
    fn cut(&self) {
        for link in self.state.links.lock().expect("no thread panics").drain(..) {
            link.cut();
        }
    }
}

impl State {
    fn accept(self: &Arc<State>, client: TcpStream, server: &str) {
        if self.refuses.load(Ordering::Relaxed) {
            return;
        }
        let server = TcpStream::connect(server).expect("the database is there");
        client.set_nodelay(true).expect("it is a socket");
        server.set_nodelay(true).expect("it is a socket");
        let link = Arc::new(Link {
            client,
            server,
            loss: Mutex::default(),
            is_cut: AtomicBool::new(false),
        });
        self.links.lock().expect("no thread panics").push(link.clone());
        self.accepted.fetch_add(1, Ordering::Relaxed);
        for is_answer in [false, true] {
            let (state, link) = (self.clone(), link.clone());
            std::thread::spawn(move || {
                // An error means that one side has closed the connection.
                link.copy(&state, is_answer).unwrap_or(());
                link.cut();
            });
        }
    }
}

impl Link {
    fn copy(&self, state: &State, is_answer: bool) -> std::io::Result<()> {
        let (mut from, mut to) = match is_answer {
            false => (&self.client, &self.server),
            true => (&self.server, &self.client),
        };
        let mut buffer = [0; 8192];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            let bytes = &buffer[..length];
            let is_commit = !is_answer && bytes.windows(7).any(|it| it == b"COMMIT\0");
            if is_commit && state.waits_for_commit.swap(false, Ordering::Relaxed) {
                *self.loss.lock().expect("no thread panics") = Some(Loss::Answers);
            }
            let loss = *self.loss.lock().expect("no thread panics");
            match loss {
                None => to.write_all(bytes)?,
                Some(Loss::Answers) if !is_answer => to.write_all(bytes)?,
                Some(Loss::Discarded | Loss::Answers) => {}
                Some(Loss::Unread) => {
                    while !self.is_cut.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                }
            }
        }
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        // Either side may have closed the connection already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}
