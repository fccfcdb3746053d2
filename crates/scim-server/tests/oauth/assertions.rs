//! The checks of an assertion, each with an assertion that fails it alone.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, TimeDelta, Utc};
use scim_server::oauth::assertion::Assertion;
use scim_server::oauth::claims::{Accepted, Expected, Instant, Signer};
use scim_server::oauth::key_cache::KeyError;
use scim_server::oauth::key_set::KeySet;
use scim_server::oauth::request::TokenRequest;
use scim_server::oauth::verification::{self, Refusal};
use scim_server::oauth::{Algorithm, Fault, USUAL_ALGORITHMS};
use serde_json::{Value, json};

use super::issuer::{DIRECTORY, Key, SUBJECT, encode, entra_claims, entra_issuer, hs256, jwks};

const NOW: i64 = 1_800_000_000;

static RSA: LazyLock<Key> = LazyLock::new(|| Key::rsa("rsa-1"));
static OTHER: LazyLock<Key> = LazyLock::new(|| Key::rsa("rsa-2"));
static EC: LazyLock<Key> = LazyLock::new(|| Key::ec("ec-1"));
static ED: LazyLock<Key> = LazyLock::new(|| Key::ed("ed-1"));

fn at() -> Instant {
    Instant {
        now: DateTime::from_timestamp(NOW, 0).unwrap(),
        skew: TimeDelta::seconds(60),
    }
}

/// The settings of a trust in Entra.
fn entra() -> Expected {
    Expected {
        signer: Signer::Issuer,
        issuer: entra_issuer(),
        subject: SUBJECT.to_owned(),
        audiences: vec!["api://11112222-bbbb-3333-cccc-4444dddd5555".to_owned()],
        further: BTreeMap::new(),
    }
}

/// The settings of a client that signs its assertions itself.
fn own_key() -> Expected {
    Expected {
        signer: Signer::Client,
        issuer: "client-1".to_owned(),
        subject: "client-1".to_owned(),
        audiences: vec![
            "https://scim.example.com".to_owned(),
            "https://scim.example.com/oauth2/token".to_owned(),
        ],
        further: BTreeMap::new(),
    }
}

fn own_claims() -> Value {
    json!({"iss": "client-1", "sub": "client-1", "aud": "https://scim.example.com", "exp": NOW + 300, "jti": "j1"})
}

fn set(keys: &Value) -> KeySet {
    KeySet::parse(keys.to_string().as_bytes()).unwrap()
}

fn check_with(
    text: &str,
    expected: &Expected,
    algorithms: &[Algorithm],
    keys: &KeySet,
) -> Result<Accepted, Fault> {
    let keys = Arc::new(keys.clone());
    let find = |kid: Option<&str>, algorithm| match keys.has(kid, algorithm) {
        true => Ok(keys.clone()),
        false => Err(KeyError::Unknown),
    };
    let assertion = Assertion::parse(text)?;
    verification::verify(&assertion, expected, algorithms, &find, at()).map_err(|refusal| match refusal {
        Refusal::Fault(fault) => fault,
        Refusal::NoKeys(reason) => panic!("{reason}"),
    })
}

/// Checks an assertion against the settings of the trust in Entra, whose keys are `RSA` and `EC`.
fn check(text: &str) -> Result<Accepted, Fault> {
    check_with(text, &entra(), &USUAL_ALGORITHMS, &set(&jwks(&[&RSA, &EC])))
}

/// Entra's claims with other values; `null` removes a claim.
fn claims(changes: Value) -> Value {
    with(entra_claims(NOW - 10), changes)
}

fn with(mut value: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            change => value[name] = change.clone(),
        }
    }
    value
}

fn header(changes: Value) -> Value {
    with(RSA.header(), changes)
}

/// cred-52
#[test]
fn cred_52_assertions_with_each_usual_algorithm_are_accepted() {
    for key in [&*RSA, &*EC] {
        check(&key.sign(&claims(json!({})))).unwrap();
    }
}

/// cred-51, cred-52, cred-53, cred-55, cred-56, cred-57, cred-58, cred-66, cred-70
///
/// Faults that show before the signature is right, or show that it is wrong. The client learns nothing but
/// the refusal.
// Table: the check that fails, and an assertion that fails no other check.
#[test]
fn cred_51_to_57_forged_assertions_are_refused() {
    let good = RSA.sign(&claims(json!({})));
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let signed = |header: Value| RSA.sign_with(&header, &claims(json!({})));
    let text = |header: &str, claims: &str| RSA.sign_text(header, claims, "RS256");
    let usual = RSA.header().to_string();
    let mut changed = signature.to_owned();
    changed.replace_range(10..11, if &changed[10..11] == "A" { "B" } else { "A" });
    let none = |name: &str| format!("{}.{body}.", encode(json!({"alg": name}).to_string()));
    let public_secret = |secret: &[u8]| {
        hs256(
            secret,
            &json!({"alg": "HS256", "kid": "rsa-1"}),
            &claims(json!({})),
        )
    };
    let jwk_secret = RSA.jwk().to_string();
    let other_claims = encode(claims(json!({"oid": "x"})).to_string());
    let embedded = with(OTHER.header(), json!({"jwk": OTHER.jwk()}));
    let repeated = entra_claims(NOW)
        .to_string()
        .replacen('{', r#"{"aud":"other","#, 1);
    let forged = [
        ("form", String::new()),
        ("form", "a.b".to_owned()),
        ("form", format!("{good}.a.b")),
        ("form", format!("{good}{good}")),
        ("form", format!("{head}.{body}.{signature}.")),
        (
            "form",
            json!({"payload": body, "protected": head, "signature": signature}).to_string(),
        ),
        ("form", format!("{head}.{body}.")),
        ("form", format!("{head}.{body}.{signature}=")),
        ("form", format!("{head}.{body}.+/{signature}")),
        ("form", format!("{head}.{body} .{signature}")),
        ("form", format!("{}.{body}.{signature}", encode("[]"))),
        ("form", format!("{}.{body}.{signature}", encode("{"))),
        ("form", RSA.sign(&claims(json!({"pad": "a".repeat(8192)})))),
        ("form", text(&usual, "\"claims\"")),
        ("form", text(&usual, "")),
        ("form", text(&usual, &repeated)),
        (
            "form",
            text(
                &usual.replacen('{', r#"{"alg":"none","#, 1),
                &claims(json!({})).to_string(),
            ),
        ),
        (
            "form",
            text(&usual, &format!("{}1{}", "{\"a\":".repeat(9), "}".repeat(9))),
        ),
        (
            "form",
            text(&usual, &format!("{}1{}", "{\"a\":".repeat(900), "}".repeat(900))),
        ),
        ("alg", none("none") + "AA"),
        ("alg", none("None") + "AA"),
        ("alg", none("") + "AA"),
        ("form", none("none")),
        ("alg", public_secret(&RSA.der())),
        ("alg", public_secret(jwk_secret.as_bytes())),
        ("alg", signed(header(json!({"alg": null})))),
        ("alg", signed(header(json!({"alg": ["RS256"]})))),
        ("alg", signed(header(json!({"alg": "rs256"})))),
        ("alg", signed(header(json!({"alg": "RS384"})))),
        ("alg", signed(header(json!({"alg": "HS256"})))),
        ("alg", signed(header(json!({"alg": "PS256"})))),
        ("alg", ED.sign(&claims(json!({})))),
        ("kid", signed(header(json!({"alg": "ES256"})))),
        ("kid", signed(header(json!({"kid": "ec-1"})))),
        ("kid", signed(header(json!({"kid": "rsa-2"})))),
        ("kid", signed(header(json!({"kid": "RSA-1"})))),
        ("kid", signed(header(json!({"kid": "' or 1=1--"})))),
        ("kid", signed(header(json!({"kid": "../../etc/passwd"})))),
        ("kid", signed(header(json!({"kid": "k".repeat(257)})))),
        ("kid", signed(header(json!({"kid": 1})))),
        ("kid", signed(header(json!({"kid": ""})))),
        ("kid", OTHER.sign_with(&embedded, &claims(json!({})))),
        ("signature", OTHER.sign_with(&RSA.header(), &claims(json!({})))),
        (
            "signature",
            OTHER.sign_with(&header(json!({"jwk": OTHER.jwk()})), &claims(json!({}))),
        ),
        (
            "signature",
            OTHER.sign_with(
                &header(json!({"jku": "https://evil.example/"})),
                &claims(json!({})),
            ),
        ),
        (
            "signature",
            OTHER.sign_with(&header(json!({"x5c": ["MIIB"]})), &claims(json!({}))),
        ),
        (
            "signature",
            OTHER.sign_with(&header(json!({"kid": null})), &claims(json!({}))),
        ),
        ("signature", format!("{head}.{body}.{changed}")),
        ("signature", format!("{head}.{other_claims}.{signature}")),
        (
            "signature",
            format!(
                "{}.{body}.{signature}",
                encode(header(json!({"a": 1})).to_string())
            ),
        ),
        ("signature", format!("{head}.{body}.{}", encode([0; 64]))),
        ("signature", format!("{head}.{body}.{}", encode([0; 256]))),
        ("crit", signed(header(json!({"crit": ["b64"], "b64": false})))),
        ("crit", signed(header(json!({"crit": []})))),
        ("cty", signed(header(json!({"cty": "JWT"})))),
        ("typ", signed(header(json!({"typ": "secevent+jwt"})))),
        ("typ", signed(header(json!({"typ": "at+jwt"})))),
        ("typ", signed(header(json!({"typ": "logout+jwt"})))),
        ("typ", signed(header(json!({"typ": "dpop+jwt"})))),
        ("typ", signed(header(json!({"typ": 1})))),
        ("iss", RSA.sign(&claims(json!({"iss": null})))),
        (
            "iss",
            RSA.sign(&claims(json!({"iss": format!("{}/", entra_issuer())}))),
        ),
        (
            "iss",
            RSA.sign(&claims(json!({"iss": entra_issuer().to_uppercase()}))),
        ),
        ("iss", RSA.sign(&claims(json!({"iss": [entra_issuer()]})))),
        (
            "iss",
            RSA.sign(&claims(
                json!({"iss": "https://login.microsoftonline.com/common/v2.0"}),
            )),
        ),
    ];
    for (expected, text) in &forged {
        let fault = check(text).expect_err(text);
        assert_eq!(fault.check, *expected, "{fault}: {text}");
        assert_eq!(fault.description(), "assertion refused", "{text}");
    }
    assert!(forged.len() >= 30);
}

/// cred-62, cred-63, cred-65, cred-70, cred-72, cred-75, cred-77
///
/// Claims that do not fit, in an assertion with the right signature. The client learns the name of the claim,
/// and no stored value.
// Table: the claim in the description, and the claims of the assertion.
#[test]
fn cred_70_claims_that_do_not_fit_are_named() {
    let aud = "api://11112222-bbbb-3333-cccc-4444dddd5555";
    for (expected, changes) in [
        ("sub", json!({"sub": null})),
        ("sub", json!({"sub": SUBJECT.to_uppercase()})),
        ("sub", json!({"sub": "other"})),
        ("sub", json!({"sub": [SUBJECT]})),
        ("aud", json!({"aud": null})),
        ("aud", json!({"aud": format!("{aud}/")})),
        ("aud", json!({"aud": format!("{aud}/.default")})),
        (
            "aud",
            json!({"aud": "API://11112222-bbbb-3333-cccc-4444dddd5555"}),
        ),
        ("aud", json!({"aud": "api://"})),
        ("aud", json!({"aud": [aud, "x"]})),
        ("aud", json!({"aud": [aud, aud]})),
        ("aud", json!({"aud": []})),
        ("aud", json!({"aud": [[aud]]})),
        ("aud", json!({"aud": {"a": aud}})),
        ("aud", json!({"aud": "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"})),
        ("exp", json!({"exp": null})),
        ("exp", json!({"exp": NOW - 120})),
        ("exp", json!({"exp": NOW - 61})),
        ("exp", json!({"exp": NOW + 48 * 3600})),
        ("exp", json!({"exp": NOW.to_string()})),
        ("exp", json!({"exp": "1"})),
        ("exp", json!({"exp": -1})),
        ("exp", json!({"exp": 1e300})),
        ("exp", json!({"exp": true})),
        ("exp", json!({"exp": 9_223_372_036_854_775_807_i64})),
        ("exp", json!({"exp": 0})),
        ("nbf", json!({"nbf": NOW + 300})),
        ("nbf", json!({"nbf": NOW + 61})),
        ("nbf", json!({"nbf": "now"})),
        ("nbf", json!({"nbf": -5})),
        ("iat", json!({"iat": NOW + 61})),
        ("iat", json!({"iat": 1e300})),
        ("tid", json!({"tid": "aaaabbbb-0000-cccc-1111-dddd2222eeef"})),
        ("tid", json!({"tid": "x"})),
        ("tid", json!({"tid": 7})),
        (
            "events",
            json!({"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}}),
        ),
        ("jti", json!({"jti": 7})),
        ("jti", json!({"jti": "a".repeat(257)})),
    ] {
        let fault = check(&RSA.sign(&claims(changes.clone()))).expect_err(&changes.to_string());
        assert_eq!(fault.check, expected, "{fault}: {changes}");
        let description = fault.description();
        assert_eq!(description, format!("{expected} does not match"));
        assert!(description.is_ascii() && !description.contains(['"', '\\']));
    }
}

/// cred-64
#[test]
fn cred_64_clocks_may_differ_by_60_seconds() {
    for changes in [
        json!({"exp": NOW - 59}),
        json!({"nbf": NOW + 59, "iat": NOW + 59}),
        json!({"exp": NOW + 24 * 3600 + 59}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"nbf": null, "iat": null}),
    ] {
        let result = check(&RSA.sign(&claims(changes.clone())));
        assert!(result.is_ok(), "{changes}: {result:?}");
    }
}

/// cred-57
#[test]
fn cred_57_types_that_are_meant_for_assertions_are_accepted() {
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("client-authentication+jwt"),
        json!(null),
    ] {
        let text = RSA.sign_with(&header(json!({"typ": typ})), &claims(json!({})));
        assert!(check(&text).is_ok(), "{typ}");
    }
}

/// cred-56
#[test]
fn cred_56_without_kid_only_keys_of_the_type_are_tried() {
    let without = |key: &Key| with(key.header(), json!({"kid": null}));
    for key in [&*RSA, &*EC] {
        check(&key.sign_with(&without(key), &claims(json!({})))).unwrap();
    }
    // The ninth key is not tried.
    let mut keys: Vec<Value> = (0..8).map(|_| OTHER.jwk()).collect();
    keys.push(RSA.jwk());
    let many = set(&json!({"keys": keys}));
    let text = RSA.sign_with(&without(&RSA), &claims(json!({})));
    let fault = check_with(&text, &entra(), &USUAL_ALGORITHMS, &many).unwrap_err();
    assert_eq!(fault.check, "signature");
    check_with(&RSA.sign(&claims(json!({}))), &entra(), &USUAL_ALGORITHMS, &many).unwrap();
}

/// cred-53
#[test]
fn cred_53_a_key_is_used_with_its_algorithm_only() {
    let keys = |jwk: Value| set(&json!({"keys": [jwk]}));
    let (rs256, ps256) = (
        RSA.sign(&claims(json!({}))),
        RSA.sign_with(&header(json!({"alg": "PS256"})), &claims(json!({}))),
    );
    let all = [
        Algorithm::Rs256,
        Algorithm::Es256,
        Algorithm::Ps256,
        Algorithm::EdDsa,
    ];
    let of_ps256 = keys(with(RSA.jwk(), json!({"alg": "PS256"})));
    for (keys, text, is_accepted) in [
        (&keys(with(RSA.jwk(), json!({"alg": "RS256"}))), &rs256, true),
        (&keys(RSA.jwk()), &rs256, true),
        (&of_ps256, &rs256, false),
        (&of_ps256, &ps256, true),
        (&keys(RSA.jwk()), &ps256, false),
        (&keys(ED.jwk()), &ED.sign(&claims(json!({}))), true),
    ] {
        let result = check_with(text, &entra(), &all, keys);
        assert_eq!(result.is_ok(), is_accepted, "{keys:?}: {result:?}");
    }
    // PS256 and EdDSA must be switched on.
    let fault = check_with(&ps256, &entra(), &USUAL_ALGORITHMS, &of_ps256).unwrap_err();
    assert_eq!(fault.check, "alg");
}

/// cred-59, cred-62, cred-67
#[test]
fn cred_59_a_client_with_its_own_key_is_issuer_and_subject() {
    let keys = set(&jwks(&[&EC]));
    let check = |changes: Value| {
        let text = EC.sign(&with(own_claims(), changes));
        check_with(&text, &own_key(), &USUAL_ALGORITHMS, &keys)
    };
    let accepted = check(json!({})).unwrap();
    assert_eq!(accepted.id.as_deref(), Some("j1"));
    let until: DateTime<Utc> = DateTime::from_timestamp(NOW + 360, 0).unwrap();
    assert_eq!(accepted.remember_until, until);
    for (expected, changes) in [
        ("iss", json!({"iss": "client-2"})),
        ("sub", json!({"sub": "client-2"})),
        ("aud", json!({"aud": "https://scim.example.com/"})),
        (
            "aud",
            json!({"aud": ["https://scim.example.com", "https://scim.example.com/oauth2/token"]}),
        ),
        ("exp", json!({"exp": NOW + 2 * 3600})),
        ("jti", json!({"jti": null})),
        ("jti", json!({"jti": ""})),
        ("jti", json!({"jti": null, "uti": "x"})),
    ] {
        let fault = check(changes.clone()).expect_err(&changes.to_string());
        assert_eq!(fault.check, expected, "{changes}");
    }
}

/// cred-61
#[test]
fn cred_61_the_audience_of_an_own_key_is_the_issuer_or_the_token_endpoint() {
    let keys = set(&jwks(&[&EC]));
    let check = |aud: Value, expected: &Expected| {
        let text = EC.sign(&with(own_claims(), json!({ "aud": aud })));
        check_with(&text, expected, &USUAL_ALGORITHMS, &keys).is_ok()
    };
    let strict = Expected {
        audiences: vec!["https://scim.example.com".to_owned()],
        ..own_key()
    };
    for (aud, usual, is_strict) in [
        (json!("https://scim.example.com"), true, true),
        (json!(["https://scim.example.com"]), true, true),
        (json!("https://scim.example.com/oauth2/token"), true, false),
        (json!(["https://scim.example.com", "x"]), false, false),
        (json!("other"), false, false),
    ] {
        assert_eq!(
            (check(aud.clone(), &own_key()), check(aud.clone(), &strict)),
            (usual, is_strict),
            "{aud}"
        );
    }
}

/// cred-73
#[test]
fn cred_73_a_trust_has_several_audiences() {
    let forms = [
        "api://app/.default",
        "api://app",
        "11112222-bbbb-3333-cccc-4444dddd5555",
    ];
    let expected = Expected {
        audiences: forms.map(str::to_owned).to_vec(),
        ..entra()
    };
    let keys = set(&jwks(&[&RSA]));
    let check = |aud: &str| {
        let text = RSA.sign(&claims(json!({ "aud": aud })));
        check_with(&text, &expected, &USUAL_ALGORITHMS, &keys)
    };
    for form in forms {
        check(form).unwrap();
    }
    assert_eq!(
        check("api://app/").unwrap_err().description(),
        "aud does not match"
    );
}

/// cred-77
#[test]
fn cred_77_further_claims_of_a_trust_are_compared() {
    let expected = Expected {
        further: BTreeMap::from([("azp".to_owned(), "provisioning".to_owned())]),
        ..entra()
    };
    let keys = set(&jwks(&[&RSA]));
    for (azp, is_accepted) in [
        (json!("provisioning"), true),
        (json!("Provisioning"), false),
        (json!(null), false),
    ] {
        let text = RSA.sign(&claims(json!({ "azp": azp })));
        let result = check_with(&text, &expected, &USUAL_ALGORITHMS, &keys);
        assert_eq!(result.is_ok(), is_accepted, "{azp}: {result:?}");
    }
    // The directory in `tid` is that of the issuer, in any case, and optional.
    for tid in [json!(DIRECTORY), json!(DIRECTORY.to_uppercase()), json!(null)] {
        check(&RSA.sign(&claims(json!({ "tid": tid })))).unwrap();
    }
}

/// cred-69
#[test]
fn cred_69_no_key_is_looked_for_before_the_issuer_fits() {
    let find = |_: Option<&str>, _| panic!("a key is looked for");
    for text in [
        RSA.sign(&claims(json!({"iss": "https://evil.example/"}))),
        RSA.sign_with(&header(json!({"alg": "PS256"})), &claims(json!({}))),
    ] {
        let assertion = Assertion::parse(&text).unwrap();
        verification::verify(&assertion, &entra(), &USUAL_ALGORITHMS, &find, at()).unwrap_err();
    }
}

/// One wrong character anywhere makes an assertion worthless, and no text makes the server panic.
#[test]
fn no_mutation_of_an_assertion_is_accepted() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % most as u64).unwrap()
    };
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \"{}\0";
    let keys = set(&jwks(&[&EC]));
    let good = EC.sign(&claims(json!({})));
    check_with(&good, &entra(), &USUAL_ALGORITHMS, &keys).unwrap();
    for _ in 0..3_000 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=random(3) {
            let (at, letter) = (random(bytes.len()), letters[random(letters.len())]);
            match random(4) {
                0 => bytes.insert(at, letter),
                1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at.max(9)),
                _ => bytes[at] = letter,
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        let result = check_with(&text, &entra(), &USUAL_ALGORITHMS, &keys);
        assert!(result.is_err() || text == good, "{text}");
        let _ = TokenRequest::parse(text.as_bytes(), &[text.as_bytes()]);
        let _ = TokenRequest::parse(format!("grant_type=client_credentials&{text}").as_bytes(), &[]);
        let _ = KeySet::parse(text.as_bytes());
    }
}
