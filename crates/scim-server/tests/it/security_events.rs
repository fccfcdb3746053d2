//! Security event tokens: polling and keys in process on each database, and pushing by the binary.

pub mod push;
mod servers;
mod tokens;

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use scim_model::change::ChangePosition;
use scim_model::store::{ChangeJournal, SetStreamState, SetStreamStatus, SetStreams};
use scim_server::delivery::feed::Feed;
use scim_server::delivery::security_events::poll::{PollAnswer, PollRequest, poll};
use scim_server::delivery::security_events::registration::{
    self, Continue, NewDelivery, NewStream, StreamError,
};
use scim_server::delivery::security_events::{
    EventUri, KeyRing, KeyRingError, RevokedSubject, SecurityEvents, StreamParts, Token, verification_token,
};
use scim_server::egress::{Egress, EgressSettings, system_lookup};
use scim_server::jose::{SigningAlgorithm, SigningKey};
use scim_server::sealing::{KeyFile, Purpose};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::harness::{BASE, Choice, Server, on_each};
use crate::oauth;

pub const ISSUER: &str = "https://scim.example.com";
pub const AUDIENCE: &str = "https://receiver.example.com";
const DEACTIVATE: &str = "urn:ietf:params:scim:event:prov:deactivate";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";

/// The parts of a process that delivers tokens of a server's store.
struct Process {
    parts: StreamParts,
    _folder: Arc<TempDir>,
}

impl Process {
    fn start(server: &Server) -> Process {
        Process::with_keys_in(server, Arc::new(tempfile::tempdir().unwrap()))
    }

    fn with_keys_in(server: &Server, folder: Arc<TempDir>) -> Process {
        let keys = Arc::new(KeyFile::created_if_missing(folder.path().join("secrets-key")));
        let ring = KeyRing::new(server.store.clone(), keys.clone());
        Process {
            parts: StreamParts {
                store: server.store.clone(),
                journal: server.store.clone(),
                feed: Arc::new(Feed::new(server.store.clone())),
                security_events: SecurityEvents::new(Arc::new(ring)),
                keys,
                egress: Arc::new(Egress::new(EgressSettings::default(), system_lookup())),
                registry: scim_server::registry(&[]).unwrap(),
                base_url: Some(BASE.to_owned()),
            },
            _folder: folder,
        }
    }

    /// Another process with the same secrets key.
    fn another(&self, server: &Server) -> Process {
        Process::with_keys_in(server, self._folder.clone())
    }

    fn ring(&self) -> &KeyRing {
        &self.parts.security_events.ring
    }

    fn create(&self, events: &str) -> Uuid {
        self.create_with(new_stream(events)).unwrap()
    }

    fn create_with(&self, new: NewStream) -> Result<Uuid, StreamError> {
        let StreamParts {
            store, journal, keys, ..
        } = &self.parts;
        let id = new.id;
        registration::create(&**store, &**journal, self.ring(), keys, new, Utc::now()).map(|()| id)
    }

    /// The answer to a poll that does not wait.
    #[track_caller]
    fn poll(&self, id: Uuid, mut request: Value) -> PollAnswer {
        request["returnImmediately"] = true.into();
        self.wait(id, &request, Duration::ZERO)
    }

    #[track_caller]
    fn wait(&self, id: Uuid, request: &Value, timeout: Duration) -> PollAnswer {
        let request = PollRequest::parse(request.to_string().as_bytes()).unwrap();
        poll(&self.parts, id, request, timeout).unwrap()
    }

    /// The events of an answer, whose signatures are verified.
    fn events(&self, answer: &PollAnswer) -> Vec<Value> {
        let jwks = self.ring().published().unwrap();
        let claims = answer.sets.iter().map(|(jti, set)| {
            let claims = verify(&jwks, set);
            assert_eq!(claims["jti"], **jti);
            claims
        });
        claims.collect()
    }

    fn uris(&self, answer: &PollAnswer) -> Vec<String> {
        self.events(answer).iter().map(uri).collect()
    }

    fn set_state(&self, id: Uuid, status: SetStreamStatus, from: Continue) {
        let state = SetStreamState {
            status,
            reason: String::new(),
            since: Utc::now(),
        };
        registration::change_state(&*self.parts.store, &*self.parts.journal, id, &state, from).unwrap();
    }
}

fn new_stream(events: &str) -> NewStream {
    NewStream {
        id: Uuid::now_v7(),
        name: String::new(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        tenants: None,
        events: EventUri::list(events).unwrap(),
        delivery: NewDelivery::Poll,
        algorithm: SigningAlgorithm::default(),
        with_user_name: false,
        revoked_subject: RevokedSubject::default(),
        account_issuer: None,
        own_audiences: Vec::new(),
    }
}

/// Verifies a token with the JOSE library and a JWK set, as a receiver does, and returns its claims.
#[track_caller]
pub fn verify(jwks: &Value, set: &str) -> Value {
    let header = decode_header(set).unwrap();
    assert_eq!(header.typ.as_deref(), Some("secevent+jwt"), "evt-72");
    let keys: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    decode(set, &DecodingKey::from_jwk(key).unwrap(), &validation)
        .unwrap()
        .claims
}

fn uri(claims: &Value) -> String {
    claims["events"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone()
}

fn jtis(answer: &PollAnswer) -> Vec<&str> {
    answer.sets.iter().map(|(jti, _)| jti.as_str()).collect()
}

/// evt-70, evt-103, evt-104, evt-107, evt-108, evt-109
///
/// Tokens come again until they are acknowledged, in any order, and also in another process.
#[test]
fn evt_107_an_acknowledged_token_never_comes_again() {
    on_each(Choice::default, |server| {
        let (process, acme) = (Process::start(&server), server.tenant("acme"));
        let id = process.create("notice");
        assert_eq!(
            process.poll(id, json!({})).to_json().to_string(),
            r#"{"sets":{},"moreAvailable":false}"#
        );
        let users: Vec<_> = ["a", "b", "c", "d"]
            .iter()
            .map(|it| acme.create_user(it))
            .collect();
        let first = process.poll(id, json!({}));
        let claims = process.events(&first);
        let subjects: Vec<&Value> = claims.iter().map(|it| &it["sub_id"]["uri"]).collect();
        let expected: Vec<&str> = users.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(subjects, expected, "evt-109");
        let text = first.to_json()["sets"].to_string();
        let places: Vec<_> = jtis(&first).iter().map(|it| text.find(it).unwrap()).collect();
        assert!(places.is_sorted(), "evt-109: the members are in order");
        let [a, b, c, d] = jtis(&first)[..] else {
            panic!("{first:?}")
        };
        assert_eq!(jtis(&process.poll(id, json!({}))), [a, b, c, d], "evt-70");
        let unknown = "00000000000000000000000000000007.1-1.patch";
        let rest = process.poll(id, json!({"ack": [c, unknown, "?"]}));
        assert_eq!(jtis(&rest), [a, b, d]);
        let refused = json!({"setErrs": {b: {"err": "invalid_request", "description": "no"}}});
        let other = process.another(&server);
        assert_eq!(jtis(&other.poll(id, refused)), [a, d]);
        let letters = server.store.refused_sets(id, 10).unwrap();
        let letters: Vec<_> = letters
            .iter()
            .map(|it| (&*it.jti, &*it.error, &*it.description))
            .collect();
        assert_eq!(letters, [(b, "invalid_request", "no")], "evt-108");
        assert_eq!(jtis(&process.poll(id, json!({"ack": [a]}))), [d]);
        assert_eq!(
            server.store.finished_sets(id).unwrap(),
            [""; 0],
            "the position has passed them"
        );
        assert_eq!(jtis(&process.poll(id, json!({"ack": [d]}))), [""; 0]);
        let position = server.store.set_stream(id).unwrap().unwrap().position;
        assert_eq!(
            process.poll(id, json!({"ack": [a, b, c, d]})),
            PollAnswer::default()
        );
        assert_eq!(server.store.set_stream(id).unwrap().unwrap().position, position);
    });
}

/// evt-113
///
/// The first key signs as soon as it is made, so each process publishes it at once.
#[test]
fn evt_113_the_first_key_is_published_at_once() {
    on_each(Choice::default, |server| {
        let (process, acme) = (Process::start(&server), server.tenant("acme"));
        let other = process.another(&server);
        assert_eq!(other.ring().published().unwrap(), json!({ "keys": [] }));
        let id = process.create("notice");
        acme.create_user("bjensen");
        let answer = process.poll(id, json!({}));
        assert_eq!(other.events(&answer).len(), 1);
    });
}

/// evt-105
#[test]
fn evt_105_an_answer_has_at_most_the_wanted_tokens() {
    on_each(Choice::default, |server| {
        let (process, acme) = (Process::start(&server), server.tenant("acme"));
        let id = process.create("notice");
        for number in 0..130 {
            acme.create_user(&format!("user{number}"));
        }
        let one = process.poll(id, json!({"maxEvents": 1}));
        assert_eq!((one.sets.len(), one.more_available), (1, true));
        let all = process.poll(id, json!({"maxEvents": 5000}));
        assert_eq!((all.sets.len(), all.more_available), (100, true));
        let began = Instant::now();
        let none = process.wait(
            id,
            &json!({"maxEvents": 0, "ack": jtis(&all)}),
            Duration::from_secs(20),
        );
        assert_eq!((none.sets.len(), none.more_available), (0, true));
        assert!(began.elapsed() < Duration::from_secs(10), "it answers at once");
        let rest = process.poll(id, json!({}));
        assert_eq!((rest.sets.len(), rest.more_available), (30, false));
        let mut every: Vec<_> = all.sets.iter().chain(&rest.sets).map(|(jti, _)| jti).collect();
        every.sort();
        every.dedup();
        assert_eq!(every.len(), 130);
    });
}

#[test]
fn evt_106_a_poll_waits_for_tokens() {
    on_each(Choice::default, |server| {
        let (process, acme) = (Process::start(&server), server.tenant("acme"));
        let id = process.create("notice");
        let began = Instant::now();
        let idle = process.wait(id, &json!({}), Duration::from_millis(1500));
        assert_eq!(idle, PollAnswer::default());
        assert!(began.elapsed() >= Duration::from_millis(1500));
        thread::scope(|threads| {
            let waiting = threads.spawn(|| process.wait(id, &json!({}), Duration::from_secs(30)));
            thread::sleep(Duration::from_millis(500));
            acme.create_user("a");
            let began = Instant::now();
            assert_eq!(waiting.join().unwrap().sets.len(), 1);
            assert!(began.elapsed() < Duration::from_secs(10));
        });
    });
}

/// evt-73, evt-90, evt-127
#[test]
fn a_stream_has_its_tenants_and_events() {
    on_each(Choice::default, |server| {
        let (process, acme, globex) = (
            Process::start(&server),
            server.tenant("acme"),
            server.tenant("globex"),
        );
        let of_acme = process
            .create_with(NewStream {
                tenants: acme.tenant.map(|it| vec![it]),
                algorithm: SigningAlgorithm::Es256,
                ..new_stream("caep")
            })
            .unwrap();
        let of_all = process.create("notice");
        let off = json!([{"op": "replace", "path": "active", "value": false}]);
        for client in [&acme, &globex] {
            let user = client.create_user("bjensen");
            client.patch(&user.path, off.clone()).expect(200);
        }
        let sessions = process.events(&process.poll(of_acme, json!({})));
        assert_eq!(sessions.len(), 1);
        assert!(uri(&sessions[0]).ends_with("session-revoked"));
        assert_eq!(sessions[0]["sub_id"]["format"], "iss_sub");
        assert_eq!(sessions[0]["sub_id"]["iss"], ISSUER);
        let all = process.events(&process.poll(of_all, json!({})));
        let of_tenant =
            |name: &str| -> Vec<&Value> { all.iter().filter(|it| it["tenant"] == name).collect() };
        assert_eq!((of_tenant("acme").len(), of_tenant("globex").len()), (3, 3));
        let of_acme = of_tenant("acme");
        assert_eq!(uri(of_acme[2]), DEACTIVATE);
        assert_eq!(
            of_acme[1]["txn"], of_acme[2]["txn"],
            "evt-90: two tokens of one change"
        );
        assert_eq!(
            of_acme[2]["txn"], sessions[0]["txn"],
            "evt-90: also in another stream"
        );
        assert_ne!(of_acme[0]["txn"], of_acme[1]["txn"]);
    });
}

/// evt-75, evt-87, evt-88
///
/// Tokens that are signed in one second have the same `iat`, and the position tells their order, also where the event has
/// no room for it. No token says that a resource comes into the stream or leaves it: the stream has whole tenants.
#[test]
fn evt_75_the_position_tells_the_order_of_tokens_with_the_same_time() {
    on_each(Choice::default, |server| {
        let (process, acme) = (Process::start(&server), server.tenant("acme"));
        let id = process.create("notice,caep");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Guides", &[&user]);
        let off = json!([{"op": "replace", "path": "active", "value": false}]);
        acme.patch(&user.path, off).expect(200);
        acme.delete(&user.path).expect(204);
        acme.delete(&group.path).expect(204);
        let all = process.events(&process.poll(id, json!({})));
        let prov = |name: &str| format!("urn:ietf:params:scim:event:prov:{name}");
        let uris: Vec<String> = all.iter().map(uri).collect();
        let expected = [
            prov("create:notice"),
            prov("create:notice"),
            prov("patch:notice"),
            prov("deactivate"),
            REVOKED.to_owned(),
            prov("patch:notice"),
            prov("delete"),
            REVOKED.to_owned(),
            prov("delete"),
        ];
        let sorted = |uris: &[String]| {
            let mut uris = uris.to_vec();
            uris.sort();
            uris
        };
        // The deletion and its effect on the group are two entries of one write, in an order of the store.
        assert_eq!(sorted(&uris), sorted(&expected), "evt-88");
        assert!(all.iter().all(|it| it["iat"] == all[0]["iat"]));
        let position =
            |claims: &Value| -> ChangePosition { claims["position"].as_str().unwrap().parse().unwrap() };
        for pair in all.windows(2) {
            let (one, next) = (position(&pair[0]), position(&pair[1]));
            assert!(
                one < next || one == next && pair[0]["txn"] == pair[1]["txn"],
                "{pair:?}"
            );
        }
        let positions: BTreeSet<ChangePosition> = all.iter().map(position).collect();
        assert_eq!(positions.len(), 6, "each change has its own");
        for claims in &all {
            let uri = uri(claims);
            let payload = &claims["events"][&uri];
            match uri == prov("delete") {
                true => assert_eq!(payload, &json!({}), "evt-87"),
                false if uri == REVOKED => assert_eq!(payload.get("position"), None),
                false => assert_eq!(payload["position"], claims["position"]),
            }
        }
        EventUri::list("urn:ietf:params:scim:event:feed:add").expect_err("evt-88");
    });
}

/// evt-83, evt-86
///
/// The token of a creation contains the user as a GET returns it.
#[test]
fn evt_83_a_full_token_contains_the_resource() {
    on_each(Choice::default, |server| {
        let (process, acme) = (Process::start(&server), server.tenant("acme"));
        let id = process.create("full");
        let user = acme.create(
            "/Users",
            json!({"userName": "bjensen", "externalId": "e1", "password": "correct horse battery",
                "name": {"familyName": "Jensen"}, "emails": [{"value": "b@example.com", "primary": true}],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Tours"}}),
        );
        let events = process.events(&process.poll(id, json!({})));
        let payload = &events[0]["events"]["urn:ietf:params:scim:event:prov:create:full"];
        let mut read = acme.get(&user.path).expect(200).json();
        let version = read["meta"]["version"].take();
        assert_eq!(payload["version"], version, "evt-86");
        read["meta"]["version"] = version;
        if read["schemas"] != payload["data"]["schemas"] {
            let sorted = |it: &Value| {
                let mut schemas: Vec<String> = serde_json::from_value(it["schemas"].clone()).unwrap();
                schemas.sort();
                schemas
            };
            assert_eq!(sorted(&read), sorted(&payload["data"]));
            read["schemas"] = payload["data"]["schemas"].clone();
        }
        assert_eq!(payload["data"], read);
    });
}

/// evt-95, evt-121, evt-122
#[test]
fn evt_122_a_verification_event_echoes_the_state() {
    on_each(Choice::default, |server| {
        let (process, acme) = (Process::start(&server), server.tenant("acme"));
        let id = process.create("notice");
        acme.create_user("a");
        let verify = |now| registration::verify(&*process.parts.store, id, Some("VGhpcyBpcw"), now);
        let now = Utc::now();
        verify(now).unwrap();
        assert!(matches!(
            verify(now + TimeDelta::seconds(5)),
            Err(StreamError::TooSoon)
        ));
        process.set_state(id, SetStreamStatus::Paused, Continue::Here);
        let answer = process.poll(id, json!({}));
        let claims = &process.events(&answer)[0];
        assert_eq!(
            answer.sets.len(),
            1,
            "a paused stream has tokens about itself only"
        );
        assert_eq!(claims["events"], json!({VERIFICATION: {"state": "VGhpcyBpcw"}}));
        assert_eq!(
            claims["sub_id"],
            json!({"format": "opaque", "id": id.to_string()})
        );
        assert_eq!(
            process.poll(id, json!({"ack": jtis(&answer)})),
            PollAnswer::default()
        );
        process.set_state(id, SetStreamStatus::Enabled, Continue::Here);
        assert_eq!(
            process.poll(id, json!({})).sets.len(),
            1,
            "the stream has kept the token of the user"
        );
        process.set_state(id, SetStreamStatus::Disabled, Continue::Here);
        acme.create_user("b");
        assert_eq!(process.poll(id, json!({})), PollAnswer::default());
        process.set_state(id, SetStreamStatus::Enabled, Continue::Here);
        assert_eq!(
            process.poll(id, json!({})),
            PollAnswer::default(),
            "a disabled stream keeps nothing"
        );
        process.set_state(id, SetStreamStatus::Enabled, Continue::Oldest);
        assert_eq!(
            process.poll(id, json!({})).sets.len(),
            2,
            "evt-95: the journal has everything"
        );
    });
}

/// evt-110, evt-121
#[test]
fn evt_110_a_stream_whose_tokens_were_dropped_pauses_and_says_so() {
    on_each(Choice::default, |server| {
        let (process, acme) = (Process::start(&server), server.tenant("acme"));
        acme.create_user("a");
        let id = process.create("notice");
        for name in ["b", "c"] {
            acme.create_user(name);
        }
        let later = Utc::now() + TimeDelta::days(1);
        server
            .store
            .prune_changes(acme.tenant.unwrap(), later, 100)
            .unwrap();
        assert_eq!(process.poll(id, json!({})), PollAnswer::default());
        let stream = server.store.set_stream(id).unwrap().unwrap();
        assert_eq!(stream.state.status, SetStreamStatus::Paused);
        let answer = process.poll(id, json!({}));
        let claims = &process.events(&answer)[0];
        assert_eq!(uri(claims), UPDATED);
        assert_eq!(claims["events"][UPDATED]["status"], "paused");
        assert_eq!(claims["events"][UPDATED]["reason"], stream.state.reason);
        process.set_state(id, SetStreamStatus::Enabled, Continue::Now);
        acme.create_user("d");
        let uris = process.uris(&process.poll(id, json!({"ack": jtis(&answer)})));
        assert_eq!(uris, ["urn:ietf:params:scim:event:prov:create:notice"]);
    });
}

/// A token to sign.
fn some_token() -> Token {
    verification_token(&tokens::settings("notice"), Uuid::now_v7(), None)
}

fn kid(set: &str) -> String {
    decode_header(set).unwrap().kid.unwrap()
}

/// evt-114
///
/// Receivers that remember the keys for a day know the key of each algorithm before it signs.
#[test]
fn evt_114_the_first_key_of_another_algorithm_is_published_a_day_before_it_signs() {
    on_each(Choice::default, |server| {
        let process = Process::start(&server);
        // The store keeps milliseconds.
        let now = DateTime::from_timestamp_millis(Utc::now().timestamp_millis()).unwrap();
        process.ring().ensure(SigningAlgorithm::Rs256, now).unwrap();
        // An earlier version made no key of this algorithm.
        let keys = server.store.signing_keys().unwrap();
        let of_es256 = keys.iter().find(|it| it.algorithm == "ES256").unwrap();
        assert!(server.store.delete_signing_key(of_es256.id).unwrap());
        let process = process.another(&server);
        let es256 = || NewStream {
            algorithm: SigningAlgorithm::Es256,
            ..new_stream("notice")
        };
        let refused = process.create_with(es256());
        let Err(StreamError::Key(KeyRingError::Waiting(key, signs_from))) = refused else {
            panic!("{refused:?}");
        };
        assert!(signs_from >= now + TimeDelta::hours(24));
        let published = process.ring().published().unwrap();
        let is_published = |it: &Value| it["kid"] == json!(key.simple().to_string());
        assert!(published["keys"].as_array().unwrap().iter().any(is_published));
        let sign = |algorithm, now| process.ring().sign(algorithm, &some_token(), now);
        let early = sign(SigningAlgorithm::Es256, now + TimeDelta::hours(23));
        assert!(
            matches!(early, Err(KeyRingError::Waiting(id, _)) if id == key),
            "{early:?}"
        );
        sign(SigningAlgorithm::Rs256, now).unwrap();
        let set = sign(SigningAlgorithm::Es256, now + TimeDelta::hours(25)).unwrap();
        assert_eq!(kid(&set), key.simple().to_string());
        // The command that rotates keys makes the first one with the same pause.
        assert!(server.store.delete_signing_key(key).unwrap());
        let process = process.another(&server);
        let first = process.ring().rotate(SigningAlgorithm::Es256, now).unwrap();
        assert_eq!(first.signs_from, now + TimeDelta::hours(24));
        // Without any key, no receiver can know one.
        for key in server.store.signing_keys().unwrap() {
            server.store.delete_signing_key(key.id).unwrap();
        }
        process.another(&server).create_with(es256()).unwrap();
    });
}

/// evt-113, evt-114
#[test]
fn evt_114_a_new_key_is_published_a_day_before_it_signs() {
    on_each(Choice::default, |server| {
        let process = Process::start(&server);
        let (ring, now) = (process.ring(), Utc::now());
        let reply = server.stranger(None).get("//.well-known/jwks.json").expect(200);
        assert_eq!(reply.text, r#"{"keys":[]}"#);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let kid_at = |now: DateTime<Utc>| {
            let set = ring.sign(SigningAlgorithm::Rs256, &some_token(), now).unwrap();
            kid(&set)
        };
        let first = kid_at(now);
        let new = ring.rotate(SigningAlgorithm::Rs256, now).unwrap();
        assert_eq!(new.signs_from, now + TimeDelta::hours(24));
        let again = ring.rotate(SigningAlgorithm::Rs256, now + TimeDelta::hours(1));
        assert!(matches!(again, Err(KeyRingError::Waiting(id, _)) if id == new.id));
        assert_eq!(kid_at(now + TimeDelta::hours(23)), first);
        let second = kid_at(now + TimeDelta::hours(25));
        assert_ne!(second, first);
        let kids = || -> Vec<String> {
            let keys = process.another(&server).ring().published().unwrap();
            let keys = keys["keys"].as_array().unwrap().iter();
            let of_algorithm = keys.filter(|it| it["alg"] == "RS256");
            of_algorithm
                .map(|it| it["kid"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(kids(), [first.clone(), second.clone()]);
        ring.delete_old(now + TimeDelta::days(30)).unwrap();
        assert_eq!(kids(), [first.clone(), second.clone()], "the old key is kept");
        ring.delete_old(now + TimeDelta::days(32)).unwrap();
        assert_eq!(kids(), [second]);
    });
}

/// evt-113
#[test]
fn evt_113_the_keys_are_public_and_have_public_members_only() {
    let server = Server::start();
    let process = Process::start(&server);
    for algorithm in SigningAlgorithm::ALL {
        process.ring().ensure(algorithm, Utc::now()).unwrap();
    }
    let reply = server.stranger(None).get("//.well-known/jwks.json").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
    let jwks = reply.json();
    for key in jwks["keys"].as_array().unwrap() {
        for name in ["kid", "alg", "kty"] {
            assert!(key[name].is_string(), "{key}");
        }
        assert_eq!(key["use"], "sig");
        for secret in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(secret).is_none(), "{key}");
        }
    }
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
    server
        .stranger(None)
        .post("//.well-known/jwks.json", json!({}))
        .expect(405);
}

/// evt-115
#[test]
fn servers_that_start_at_once_make_one_key_of_each_algorithm() {
    on_each(Choice::default, |server| {
        let first = Process::start(&server);
        let processes: Vec<Process> = (0..4).map(|_| first.another(&server)).collect();
        let barrier = Barrier::new(processes.len());
        thread::scope(|threads| {
            for process in &processes {
                threads.spawn(|| {
                    barrier.wait();
                    process
                        .ring()
                        .ensure(SigningAlgorithm::Es256, Utc::now())
                        .unwrap();
                });
            }
        });
        let keys = server.store.signing_keys().unwrap();
        let algorithms: Vec<&str> = keys.iter().map(|it| it.algorithm.as_str()).collect();
        assert_eq!(algorithms, ["ES256", "RS256"]);
        let sign = |it: &Process| it.ring().sign(SigningAlgorithm::Es256, &some_token(), Utc::now());
        for process in &processes {
            assert_eq!(kid(&sign(process).unwrap()), keys[0].id.simple().to_string());
        }
        // The secrets key is another one.
        assert!(sign(&Process::start(&server)).is_err());
    });
}

/// evt-69, evt-100, evt-115
#[test]
fn a_stream_is_checked_and_its_secret_sealed() {
    let server = Server::start();
    let process = Process::start(&server);
    let push = |authorization: &str| NewDelivery::Push {
        url: "https://receiver.example.com/events".to_owned(),
        authorization: Some(authorization.to_owned()),
    };
    process
        .create_with(NewStream {
            delivery: push("Bearer b3duIHNlY3JldA"),
            ..new_stream("notice")
        })
        .unwrap();
    let stored = server.stored_bytes();
    let has = |text: &[u8]| stored.windows(text.len()).any(|it| it == text);
    assert!(has(b"receiver.example.com") && !has(b"b3duIHNlY3JldA"));
    let with = |change: &dyn Fn(&mut NewStream)| {
        let mut new = new_stream("notice");
        change(&mut new);
        match process.create_with(new) {
            Err(StreamError::Invalid { detail, .. }) => detail,
            other => panic!("{other:?}"),
        }
    };
    for (text, expected) in [
        (
            with(&|it| it.audience = ISSUER.to_owned()),
            "the audience must name the receiver",
        ),
        (
            with(&|it| it.audience = format!("{ISSUER}/oauth2/token")),
            "the audience must name the receiver",
        ),
        (
            with(&|it| it.audience = "a b".to_owned()),
            "the audience must have",
        ),
        (
            with(&|it| it.own_audiences = vec![format!("{AUDIENCE}/")]),
            "the audience must name the receiver",
        ),
        (
            with(&|it| it.issuer = String::new()),
            "the issuer must be an `https` URL: it must begin",
        ),
        (
            with(&|it| it.issuer = "https://".to_owned()),
            "the issuer must be an `https` URL: it does not name a host",
        ),
        (
            with(&|it| it.issuer = format!("{ISSUER}?a")),
            "the issuer must be an `https` URL: it must not have a query",
        ),
        (
            with(&|it| it.issuer = format!("{ISSUER}#a")),
            "the issuer must be an `https` URL: it must not have a query or a fragment",
        ),
        (
            with(&|it| it.issuer = format!(" {ISSUER}")),
            "the issuer must be a URL",
        ),
        (
            with(&|it| it.events = Vec::new()),
            "the stream asks for no events",
        ),
        (
            with(&|it| it.tenants = Some(Vec::new())),
            "the stream has no tenant",
        ),
        (
            with(&|it| it.delivery = push("a\nb")),
            "the authorization header must have",
        ),
        (
            with(&|it| it.account_issuer = Some("é".to_owned())),
            "the account issuer must have",
        ),
    ] {
        assert!(text.starts_with(expected), "{text}");
    }
}

/// evt-77
///
/// This server does not accept a token as proof of identity, whoever sends it, and even if it trusts the key: a client
/// whose keys are those of the tokens gets access with an assertion, and not with a token that has the same claims.
#[test]
fn evt_77_a_token_gives_no_access() {
    let server = Server::start();
    let (process, acme) = (Process::start(&server), server.tenant("acme"));
    let id = process.create("notice");
    acme.create_user("a");
    let set = process.poll(id, json!({})).sets.remove(0).1;
    let stored = server.store.signing_keys().unwrap();
    let stored = stored.iter().find(|it| it.algorithm == "RS256").unwrap();
    let keys = &process.parts.keys;
    let der = keys.open(Purpose::SigningKey, stored.id, &stored.sealed).unwrap();
    let key = SigningKey::from_pkcs8(SigningAlgorithm::Rs256, &der).unwrap();
    let jwks = process.ring().published().unwrap();
    let client = oauth::client_with_jwks(&server, acme.tenant.unwrap(), &jwks);
    let claims = json!({
        "iss": client, "sub": client, "aud": ISSUER, "jti": Uuid::now_v7().to_string(),
        "iat": Utc::now().timestamp(), "exp": Utc::now().timestamp() + 300,
    });
    let mut with_events = claims.clone();
    with_events["events"] = json!({ VERIFICATION: {} });
    let signed = |typ: &str, claims: &Value| {
        key.sign(&stored.id.simple().to_string(), typ, &claims.to_string())
            .unwrap()
    };
    let reply = |assertion: &str| oauth::by_assertion(&server, Some(&client), assertion);
    for token in [
        set.clone(),
        signed("secevent+jwt", &claims),
        signed("JWT", &with_events),
    ] {
        let refused = reply(&token);
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (401, &json!("invalid_client"))
        );
        let as_bearer = server.stranger(Some(&format!("Bearer {token}")));
        assert_eq!(as_bearer.get("/Users").status, 401);
    }
    let accepted = reply(&signed("JWT", &claims)).expect(200).json();
    let bearer = format!("Bearer {}", accepted["access_token"].as_str().unwrap());
    server.stranger(Some(&bearer)).get("/Users").expect(200);
}

/// evt-116
///
/// The keys sign security event tokens only: no other value that this server gives away is signed with one of them.
#[test]
fn evt_116_the_keys_sign_nothing_but_security_event_tokens() {
    let server = Server::start();
    let (process, acme) = (Process::start(&server), server.tenant("acme"));
    let id = process.create("notice,caep");
    for name in ["a", "b"] {
        let user = acme.create_user(name);
        acme.delete(&user.path).expect(204);
        acme.create_user(name);
    }
    let jwks: JwkSet = serde_json::from_value(process.ring().published().unwrap()).unwrap();
    let signed_by_us = |text: &str| {
        let header = decode_header(text).ok()?;
        let key = jwks.find(header.kid.as_deref()?)?;
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        let claims = decode::<Value>(text, &DecodingKey::from_jwk(key).ok()?, &validation).ok()?;
        Some((claims.header, claims.claims))
    };
    let sets = process.poll(id, json!({})).sets;
    assert!(sets.len() > 5);
    for (_, set) in &sets {
        let (header, claims) = signed_by_us(set).expect("the server has signed it");
        assert_eq!(header.typ.as_deref(), Some("secevent+jwt"));
        assert_eq!(claims["events"].as_object().unwrap().len(), 1);
        for absent in ["sub", "exp", "scope", "client_id"] {
            assert_eq!(claims.get(absent), None);
        }
    }
    let page = acme.get("/Users?count=1&cursor=").expect(200).json();
    let client = oauth::client_with_jwks(&server, acme.tenant.unwrap(), &json!({"keys": []}));
    let others = [
        oauth::access_token(&server, acme.tenant.unwrap()),
        acme.secret().to_owned(),
        server.admin().key,
        page["nextCursor"].as_str().unwrap().to_owned(),
        client,
    ];
    for value in others {
        assert!(!value.is_empty());
        assert!(signed_by_us(&value).is_none(), "{value}");
    }
}
