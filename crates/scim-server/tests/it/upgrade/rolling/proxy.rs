//! A proxy before two instances: it sends requests to the instances whose `/readyz` succeeds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use serde_json::Value;

use crate::harness::wait_until;
use crate::restart::Binary;

/// A server that the proxy sends requests to.
pub struct Instance {
    pub server: Binary,
    /// Whether `/readyz` fails before the server ends.
    pub has_delay: bool,
}

pub struct Proxy {
    instances: [Mutex<Option<Instance>>; 2],
    backends: [Backend; 2],
    next: AtomicUsize,
}

/// An instance, as the proxy sees it.
struct Backend {
    /// `None` while the instance gets no requests.
    base_url: RwLock<Option<String>>,
}

/// The answer of an instance.
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<u64>,
    pub etag: Option<String>,
    pub body: Value,
}

impl Proxy {
    /// Waits until the instances are ready.
    pub fn before(instances: [Instance; 2]) -> Proxy {
        let backends = instances.each_ref().map(|it| Backend {
            base_url: RwLock::new(Some(it.ready())),
        });
        Proxy {
            instances: instances.map(|it| Mutex::new(Some(it))),
            backends,
            next: AtomicUsize::default(),
        }
    }

    /// Ends an instance, and starts another one in its place.
    ///
    /// An instance with a shutdown delay is taken out when its `/readyz` fails. One without a
    /// delay is taken out before it gets the signal.
    pub fn replace(&self, number: usize, start: impl FnOnce() -> Instance) {
        let backend = &self.backends[number];
        let mut old = self.instances[number].lock().unwrap().take().unwrap();
        if old.has_delay {
            old.server.signal("-TERM");
            wait_until("/readyz fails", || !is_ready(&old.server.base_url));
        }
        backend.take_out();
        old.server.signal("-TERM");
        assert!(old.server.wait().success());
        let new = start();
        *backend.base_url.write().unwrap() = Some(new.ready());
        *self.instances[number].lock().unwrap() = Some(new);
    }

    pub fn base_urls(&self) -> Vec<String> {
        let urls = self.backends.iter().map(|it| it.base_url.read().unwrap().clone());
        urls.flatten().collect()
    }

    /// Sends a request to the next instance that is in use. `None` if it could not be connected to, so that the request
    /// has had no effect.
    pub fn send(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Option<Answer> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        for number in [turn, turn + 1] {
            // An instance is taken out when its last request has been answered.
            let backend = self.backends[number % 2].base_url.read().unwrap();
            if let Some(base_url) = &*backend {
                return send(method, &format!("{base_url}{path}"), token, body);
            }
        }
        panic!("no instance is ready");
    }
}

impl Instance {
    /// Waits until the instance is ready, and returns its base URL.
    fn ready(&self) -> String {
        let url = &self.server.base_url;
        wait_until("the instance is ready", || is_ready(url));
        url.clone()
    }
}

impl Backend {
    /// Waits until the requests to the instance have been answered, and sends no more.
    fn take_out(&self) {
        *self.base_url.write().unwrap() = None;
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent()
}

fn send(method: &str, url: &str, token: &str, body: Option<&Value>) -> Option<Answer> {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/scim+json")
        .body(body.map(Value::to_string).unwrap_or_default())
        .unwrap();
    // A new connection for each request: whether it can be made tells if the request may be repeated.
    let mut answer = match agent().run(request) {
        Ok(answer) => answer,
        Err(ureq::Error::ConnectionFailed) => return None,
        Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return None,
        Err(error) => panic!("{method} {url}: {error}"),
    };
    let text = answer.body_mut().read_to_string().unwrap();
    let header = |name: &str| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
    Some(Answer {
        status: answer.status().as_u16(),
        retry_after: header("retry-after").map(|it| it.parse().unwrap()),
        etag: header("etag"),
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
    })
}

fn origin(base_url: &str) -> &str {
    base_url.trim_end_matches("/scim/v2")
}

fn is_ready(base_url: &str) -> bool {
    let answer = agent().get(format!("{}/readyz", origin(base_url))).call();
    answer.is_ok_and(|it| it.status() == 200)
}
