//! Changes of clients and federations that keep the client id.

use std::collections::BTreeMap;

use scim_model::store::{ClientMethod, Federation, KeySource, MethodChange};

use super::key_set;

/// New values of a federation. The values that are not named stay as they are, and a list replaces the whole list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FederationChange {
    /// The issuer of the assertions.
    pub issuer: Option<String>,
    /// The subject of the assertions.
    pub subject: Option<String>,
    /// The accepted audiences.
    pub audiences: Option<Vec<String>>,
    /// Further claims that an assertion must have.
    pub claims: Option<BTreeMap<String, String>>,
    /// Whether an assertion is good for one token only.
    pub single_use: Option<bool>,
    /// The names of accepted algorithms; empty for the server's defaults.
    pub algorithms: Option<Vec<String>>,
    /// The keys of the issuer.
    pub keys: Option<KeySource>,
}

impl FederationChange {
    /// Returns a federation with the new values. The caller checks it with
    /// [`check_federation`](super::registration::check_federation).
    pub fn applied_to(self, old: &Federation) -> Federation {
        let old = old.clone();
        Federation {
            issuer: self.issuer.unwrap_or(old.issuer),
            subject: self.subject.unwrap_or(old.subject),
            audiences: self.audiences.unwrap_or(old.audiences),
            keys: self.keys.unwrap_or_else(|| public(old.keys)),
            claims: self.claims.unwrap_or(old.claims),
            single_use: self.single_use.unwrap_or(old.single_use),
            algorithms: self.algorithms.unwrap_or(old.algorithms),
        }
    }
}

/// Returns the change from one federation to another. It ends the access tokens when an assertion that was accepted may
/// be refused now for its claims; they stay when only keys and algorithms change, so that keys rotate without a gap.
pub fn federation_change(old: Federation, new: Federation) -> MethodChange {
    let ends_tokens = old.issuer != new.issuer
        || old.subject != new.subject
        || old.audiences != new.audiences
        || old.claims != new.claims;
    MethodChange {
        old: ClientMethod::Federation(old),
        new: ClientMethod::Federation(new),
        ends_tokens,
    }
}

/// Returns the change of the keys of a client that signs assertions itself. Without keys, its access tokens for
/// assertions end.
pub fn key_change(old: Option<KeySource>, new: Option<KeySource>) -> MethodChange {
    MethodChange {
        ends_tokens: new.is_none(),
        old: ClientMethod::Client { keys: old },
        new: ClientMethod::Client { keys: new },
    }
}

/// Returns keys without the private members that an earlier version has stored.
pub fn public(keys: KeySource) -> KeySource {
    match keys {
        KeySource::Inline(text) if key_set::refuse_secret_keys(&text).is_err() => {
            KeySource::Inline(key_set::public_part(&text).to_string())
        }
        keys => keys,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn federation() -> Federation {
        Federation {
            issuer: "https://issuer.example.com".to_owned(),
            subject: "S".to_owned(),
            audiences: vec!["a".to_owned()],
            keys: KeySource::Inline(r#"{"keys":[{"kty":"EC","kid":"1","x":"X","d":"hidden"}]}"#.to_owned()),
            claims: BTreeMap::from([("azp".to_owned(), "p".to_owned())]),
            single_use: true,
            algorithms: vec!["ES256".to_owned()],
        }
    }

    #[test]
    fn a_change_keeps_the_rest_and_removes_private_keys() {
        let changed = FederationChange {
            subject: Some("T".to_owned()),
            ..FederationChange::default()
        };
        let expected = Federation {
            subject: "T".to_owned(),
            keys: KeySource::Inline(r#"{"keys":[{"kty":"EC","kid":"1","x":"X"}]}"#.to_owned()),
            ..federation()
        };
        assert_eq!(changed.applied_to(&federation()), expected);
        let everything = FederationChange {
            issuer: Some("i".to_owned()),
            subject: Some("s".to_owned()),
            audiences: Some(vec!["b".to_owned()]),
            claims: Some(BTreeMap::new()),
            single_use: Some(false),
            algorithms: Some(vec![]),
            keys: Some(KeySource::Url("https://a.example/".to_owned())),
        };
        assert_eq!(
            everything.applied_to(&federation()),
            Federation {
                issuer: "i".to_owned(),
                subject: "s".to_owned(),
                audiences: vec!["b".to_owned()],
                claims: BTreeMap::new(),
                single_use: false,
                algorithms: vec![],
                keys: KeySource::Url("https://a.example/".to_owned()),
            }
        );
    }

    #[test]
    fn tokens_end_when_an_assertion_may_be_refused_for_its_claims() {
        let ends = |change: FederationChange| {
            let new = change.applied_to(&federation());
            federation_change(federation(), new).ends_tokens
        };
        let usual = FederationChange::default;
        let text = || Some("x".to_owned());
        for change in [
            FederationChange {
                issuer: text(),
                ..usual()
            },
            FederationChange {
                subject: text(),
                ..usual()
            },
            FederationChange {
                audiences: Some(vec![]),
                ..usual()
            },
            FederationChange {
                claims: Some(BTreeMap::new()),
                ..usual()
            },
        ] {
            assert!(ends(change.clone()), "{change:?}");
        }
        let keys = Some(KeySource::Url("https://a.example/".to_owned()));
        for change in [
            usual(),
            FederationChange { keys, ..usual() },
            FederationChange {
                algorithms: Some(vec![]),
                ..usual()
            },
        ] {
            assert!(!ends(change.clone()), "{change:?}");
        }
        let keys = || Some(KeySource::Url("https://a.example/".to_owned()));
        assert!(key_change(keys(), None).ends_tokens && !key_change(None, keys()).ends_tokens);
    }
}
