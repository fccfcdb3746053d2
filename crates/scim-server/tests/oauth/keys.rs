//! Key sets and their cache, with a clock and an issuer that the test controls.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::DateTime;
use scim_server::egress::{Egress, EgressSettings, system_lookup};
use scim_server::oauth::Algorithm;
use scim_server::oauth::key_cache::{KeyCache, KeyError};
use scim_server::oauth::key_fetch::{self, Fetched};
use scim_server::oauth::key_set::{self, KeySet};
use serde_json::{Value, json};
use uuid::Uuid;

use super::issuer::{Key, encode, jwks};

const URL: &str = "https://issuer.example.com/keys";

/// An issuer whose keys change, and a cache of them.
struct Subject {
    cache: Arc<KeyCache>,
    /// The key set, or `None` while the issuer is down.
    published: Arc<Mutex<Option<Value>>>,
    max_age: Arc<Mutex<Option<Duration>>>,
    /// The time that the issuer takes.
    pause: Arc<Mutex<Duration>>,
    seconds: Arc<AtomicI64>,
    fetches: Arc<AtomicUsize>,
    trust: Uuid,
}

impl Subject {
    fn new(keys: &[&Key]) -> Subject {
        let published = Arc::new(Mutex::new(Some(jwks(keys))));
        let max_age = Arc::new(Mutex::new(None));
        // Long enough for other threads to arrive.
        let pause = Arc::new(Mutex::new(Duration::from_millis(5)));
        let (seconds, fetches) = (
            Arc::new(AtomicI64::new(1_800_000_000)),
            Arc::new(AtomicUsize::new(0)),
        );
        let fetch = {
            let (published, max_age, fetches) = (published.clone(), max_age.clone(), fetches.clone());
            let pause = pause.clone();
            move |url: &str| {
                if url != URL {
                    return Err("there is no such host".to_owned());
                }
                fetches.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(*pause.lock().unwrap());
                let keys: Option<Value> = published.lock().unwrap().clone();
                let text = keys.ok_or("the issuer is down")?.to_string().into_bytes();
                Ok(Fetched {
                    text,
                    max_age: *max_age.lock().unwrap(),
                })
            }
        };
        let clock = seconds.clone();
        let now = move || DateTime::from_timestamp(clock.load(Ordering::SeqCst), 0).unwrap();
        Subject {
            cache: Arc::new(KeyCache::new(Arc::new(fetch), Arc::new(now))),
            published,
            max_age,
            pause,
            seconds,
            fetches,
            trust: Uuid::now_v7(),
        }
    }

    fn publish(&self, keys: Option<&[&Key]>) {
        *self.published.lock().unwrap() = keys.map(jwks);
    }

    fn find(&self, kid: &str) -> Result<(), KeyError> {
        self.cache
            .find(self.trust, URL, Some(kid), Algorithm::Es256)
            .map(drop)
    }

    fn wait(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

/// cred-86
#[test]
fn cred_86_keys_are_cached_and_refreshed_in_the_background() {
    let (a, b) = (Key::ec("a"), Key::ec("b"));
    let subject = Subject::new(&[&a, &b]);
    for _ in 0..10 {
        subject.find("a").unwrap();
        subject.find("b").unwrap();
    }
    assert_eq!(subject.fetches(), 1);
    subject.publish(Some(&[&b]));
    subject.wait(6 * 3600 - 1);
    subject.cache.refresh_due();
    subject.find("a").unwrap();
    assert_eq!(subject.fetches(), 1, "they are not due yet");
    subject.wait(1);
    subject.cache.refresh_due();
    assert_eq!(subject.fetches(), 2);
    subject.find("b").unwrap();
    // A withdrawn key ends with the refresh.
    assert_eq!(subject.find("a"), Err(KeyError::Unknown));
}

/// cred-86
#[test]
fn cred_86_the_issuer_may_ask_for_an_earlier_refresh() {
    let a = Key::ec("a");
    for (max_age, due) in [(3600, 3600), (1, 300), (86_400, 6 * 3600)] {
        let subject = Subject::new(&[&a]);
        *subject.max_age.lock().unwrap() = Some(Duration::from_secs(max_age));
        subject.find("a").unwrap();
        subject.wait(due - 1);
        subject.cache.refresh_due();
        assert_eq!(subject.fetches(), 1, "max-age {max_age}");
        subject.wait(1);
        subject.cache.refresh_due();
        assert_eq!(subject.fetches(), 2, "max-age {max_age}");
    }
}

/// cred-87
#[test]
fn cred_87_an_unknown_key_is_fetched_at_once_and_then_once_a_minute() {
    let (a, b, c) = (Key::ec("a"), Key::ec("b"), Key::ec("c"));
    let subject = Subject::new(&[&a]);
    subject.find("a").unwrap();
    subject.publish(Some(&[&a, &b]));
    subject.find("b").unwrap();
    assert_eq!(subject.fetches(), 2, "a new key works at the first try");
    subject.publish(Some(&[&a, &b, &c]));
    // The issuer may have published each of these keys since the last fetch, so none of them is refused for good.
    for number in 0..1000 {
        assert!(matches!(
            subject.find(&format!("unknown {number}")),
            Err(KeyError::Unavailable(_))
        ));
    }
    assert!(matches!(subject.find("c"), Err(KeyError::Unavailable(_))));
    assert_eq!(subject.fetches(), 2, "the minute is not over");
    subject.wait(60);
    subject.find("c").unwrap();
    assert_eq!(subject.fetches(), 3);
    subject.wait(60);
    assert_eq!(
        subject.find("d"),
        Err(KeyError::Unknown),
        "a fetch for this request has shown that the key does not exist"
    );
    assert_eq!(subject.fetches(), 4);
}

/// cred-87
#[test]
fn cred_87_many_requests_at_once_cause_one_fetch() {
    let a = Key::ec("a");
    let subject = Subject::new(&[&a]);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let subject = &subject;
            scope.spawn(move || match number % 2 {
                0 => assert_eq!(subject.find("a"), Ok(())),
                _ => assert!(subject.find("unknown").is_err()),
            });
        }
    });
    assert!(
        subject.fetches() <= 2,
        "{}: one for the set, and one for the unknown key",
        subject.fetches()
    );
}

/// A slow issuer takes few threads: the other requests are told to come again.
#[test]
fn few_requests_wait_for_a_slow_issuer() {
    let a = Key::ec("a");
    let slow = Subject::new(&[&a]);
    *slow.pause.lock().unwrap() = Duration::from_millis(500);
    let began = Instant::now();
    let refused = std::thread::scope(|scope| {
        let all: Vec<_> = (0..40)
            .map(|_| scope.spawn(|| (slow.find("a"), began.elapsed())))
            .collect();
        let all = all.into_iter().map(|it| it.join().unwrap());
        all.filter(|(result, time)| result.is_err() && *time < Duration::from_millis(400))
            .count()
    });
    assert!(refused >= 20, "{refused}");
    assert_eq!(slow.fetches(), 1);
    slow.find("a").unwrap();
}

/// cred-88
#[test]
fn cred_88_known_keys_work_for_a_day_while_the_issuer_is_down() {
    let a = Key::ec("a");
    let subject = Subject::new(&[&a]);
    subject.find("a").unwrap();
    subject.publish(None);
    for hour in 0..23 {
        subject.find("a").unwrap_or_else(|_| panic!("hour {hour}"));
        assert!(
            matches!(subject.find("b"), Err(KeyError::Unavailable(_))),
            "hour {hour}"
        );
        subject.wait(3600);
        subject.cache.refresh_due();
    }
    subject.wait(3601);
    assert!(matches!(subject.find("a"), Err(KeyError::Unavailable(_))));
    let fetches = subject.fetches();
    for _ in 0..10 {
        assert!(matches!(subject.find("a"), Err(KeyError::Unavailable(_))));
    }
    assert_eq!(
        subject.fetches(),
        fetches,
        "an issuer that is down is asked once a minute"
    );
    subject.publish(Some(&[&a]));
    subject.wait(60);
    subject.find("a").unwrap();
}

#[test]
fn a_changed_url_forgets_the_keys() {
    let a = Key::ec("a");
    let subject = Subject::new(&[&a]);
    subject.find("a").unwrap();
    let other = subject.cache.find(
        subject.trust,
        "https://other.example.com/",
        Some("a"),
        Algorithm::Es256,
    );
    assert!(
        matches!(other, Err(KeyError::Unavailable(_))),
        "the other URL is fetched"
    );
}

/// cred-54, cred-89
#[test]
fn cred_89_keys_that_cannot_be_used_do_not_spoil_the_set() {
    let (rsa, ec) = (Key::rsa("rsa"), Key::ec("ec"));
    let with = |key: &Key, name: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[name] = value;
        jwk["kid"] = json!("bad");
        jwk
    };
    let short = |bits: usize| encode(vec![0xff; bits / 8]);
    let unusable = [
        with(&rsa, "use", json!("enc")),
        with(&rsa, "use", json!(7)),
        with(&rsa, "key_ops", json!(["encrypt"])),
        with(&rsa, "key_ops", json!([])),
        with(&rsa, "alg", json!("RS384")),
        with(&rsa, "alg", json!("RSA-OAEP")),
        with(&rsa, "alg", json!("ES256")),
        with(&rsa, "kty", json!("oct")),
        with(&rsa, "kty", json!("AKP")),
        with(&rsa, "kid", json!(7))
            .as_object()
            .map(|it| {
                let mut it = it.clone();
                it.insert("kid".to_owned(), json!(7));
                Value::Object(it)
            })
            .unwrap(),
        with(&rsa, "n", json!(short(1024))),
        with(&rsa, "n", json!(short(2040))),
        with(&rsa, "n", json!(encode([vec![0; 200], vec![0xff; 128]].concat()))),
        with(&rsa, "n", json!(short(16_384))),
        with(&rsa, "n", json!("!")),
        with(&rsa, "e", json!("AQ")),
        with(&rsa, "e", json!("Ag")),
        with(&rsa, "e", json!("")),
        with(&ec, "crv", json!("P-384")),
        with(&ec, "crv", json!("secp256k1")),
        with(&ec, "x", json!(encode([1; 31]))),
        with(&ec, "alg", json!("RS256")),
        json!({"kty": "OKP", "crv": "X25519", "x": encode([1; 32])}),
        json!({"kty": "oct", "k": encode("secret")}),
        json!({}),
        json!("key"),
        json!(null),
    ];
    for key in &unusable {
        let set = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
        assert!(set.is_empty(), "{key}");
    }
    let mut all = unusable.to_vec();
    all.extend([rsa.jwk(), ec.jwk(), with(&rsa, "key_ops", json!(["verify"]))]);
    let set = KeySet::parse(json!({ "keys": all }).to_string().as_bytes()).unwrap();
    assert_eq!(set.len(), 3);
    assert!(set.has(Some("rsa"), Algorithm::Rs256) && set.has(Some("ec"), Algorithm::Es256));
    assert!(!set.has(Some("rsa"), Algorithm::Es256));
}

/// cred-85
#[test]
fn cred_85_key_sets_are_parsed_strictly() {
    let many: Vec<Value> = (0..101).map(|_| json!({})).collect();
    for text in [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"keys": {}}"#.to_owned(),
        r#"{"keys": [], "keys": []}"#.to_owned(),
        "<html>".to_owned(),
        json!({ "keys": many }).to_string(),
    ] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(KeySet::parse(json!({ "keys": &many[..100] }).to_string().as_bytes()).is_ok());
}

/// Secret keys are neither stored nor shown, and the problem names the member without its value.
#[test]
fn secret_keys_are_refused_and_not_shown() {
    let public = Key::ec("a").jwk();
    let text = |key: &Value| json!({ "keys": [public, key] }).to_string();
    assert_eq!(key_set::refuse_secret_keys(&text(&public)), Ok(()));
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        let mut key = Key::ec("b").jwk();
        key[member] = json!("hidden-value");
        let problem = key_set::refuse_secret_keys(&text(&key)).unwrap_err();
        assert!(problem.contains(&format!("`{member}`")), "{problem}");
        assert!(!problem.contains("hidden-value"), "{problem}");
        let shown = key_set::public_part(&text(&key));
        assert_eq!(shown["keys"][0], public);
        assert_eq!(shown["keys"][1]["kid"], "b");
        assert!(!shown.to_string().contains("hidden-value"), "{shown}");
        // A key that is not in a set is no less secret.
        assert!(
            key_set::refuse_secret_keys(&key.to_string())
                .unwrap_err()
                .contains(&format!("`{member}`"))
        );
    }
    let symmetric = json!({"kty": "oct", "kid": "c"});
    assert!(
        key_set::refuse_secret_keys(&text(&symmetric))
            .unwrap_err()
            .contains("oct")
    );
    assert_eq!(key_set::public_part("no JSON"), json!({ "keys": [] }));
}

/// Fetches the keys of an issuer that answers with `answer`, and returns the result and the time that it took.
fn fetch_from(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (Result<Fetched, String>, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        answer(&mut stream);
    });
    let allow = ["127.0.0.1"].iter().filter_map(|it| it.parse().ok()).collect();
    let settings = EgressSettings {
        allow,
        ..EgressSettings::default()
    };
    let fetch = key_fetch::over(Arc::new(Egress::new(settings, system_lookup())));
    let began = Instant::now();
    (fetch(&url), began.elapsed())
}

/// cred-85
///
/// An issuer that never ends its answer: by the time, and by the size.
#[test]
fn cred_85_a_fetch_ends_after_five_seconds_and_at_512_kib() {
    let (dripped, time) = fetch_from(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(dripped.is_err());
    assert!((4..8).contains(&time.as_secs()), "{time:?}");
    for (size, is_accepted) in [(512 * 1024, true), (512 * 1024 + 1, false)] {
        let (fetched, _) = fetch_from(move |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let _ = stream.write_all(&vec![b' '; size]);
        });
        assert_eq!(fetched.map(|it| it.text.len()).ok(), is_accepted.then_some(size));
    }
    let (endless, time) = fetch_from(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 64 * 1024]).is_ok() {}
    });
    assert!(endless.is_err() && time.as_secs() < 4, "{time:?}");
}

/// cred-85
#[test]
fn cred_85_only_status_200_brings_keys() {
    for status in ["201 Created", "302 Found", "404 Not Found", "500 X"] {
        let (fetched, _) = fetch_from(move |stream| {
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nlocation: /\r\ncontent-length: 11\r\n\r\n{{\"keys\":[]}}"
            );
        });
        let number = status.split(' ').next().unwrap();
        assert_eq!(
            fetched.err(),
            Some(format!("the issuer answered with status {number}"))
        );
    }
}
