//! Changes of clients and federations that keep their id.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scim_model::store::{
    Client, ClientChange, ClientMethod, Credentials, Federation, KeySource, MethodChange, StoreError,
    check_label,
};

use super::ManagementError;
use super::clients::no_client;
use super::federations::explain_twin;
use crate::egress::Egress;
use crate::oauth::{key_set, registration};

/// New values of a client or a federation. Settings without a new value stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewValues {
    /// The name; it may be empty.
    pub name: Option<String>,
    /// Whether the client and its access tokens are refused.
    pub disabled: Option<bool>,
    /// Refuse the change if the client has changed since it was read.
    pub if_unchanged: bool,
}

/// A change that was made.
#[derive(Debug)]
pub struct Changed {
    /// The client after the change.
    pub client: Client,
    /// Whether the access tokens have ended that the client got for assertions.
    pub ended_tokens: bool,
    /// Consequences and problems that the operator should know, such as a host that does not exist now.
    pub warnings: Vec<String>,
}

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
    /// Returns a federation with the new values. The caller checks it.
    fn applied_to(self, old: &Federation) -> Federation {
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

/// Changes a client that was read before. `keys` are its new keys; `Some(None)` removes them. Servers follow within a
/// second.
///
/// # Errors
/// `Invalid`; `Refused` for a federation, or if the client has changed since; `NotFound`. `Store` with `Stale` if it has
/// changed and the change depends on it.
pub fn change_client(
    store: &(impl Credentials + ?Sized),
    client: &Client,
    values: NewValues,
    keys: Option<Option<KeySource>>,
    egress: &Egress,
    now: DateTime<Utc>,
) -> Result<Changed, ManagementError> {
    let ClientMethod::Client { keys: old } = client.method.clone() else {
        let text = format!("`{}` is a federation: use `federation set`", client.client_id);
        return Err(ManagementError::Refused(text));
    };
    let mut warnings = Vec::new();
    if let Some(Some(keys)) = &keys {
        warnings.extend(registration::check_keys(keys, egress)?);
    }
    let removes_keys = keys == Some(None);
    let new = keys.unwrap_or_else(|| old.clone().map(public));
    let mut changed = apply(store, client, values, key_change(old, new), warnings)?;
    if removes_keys && !changed.client.secrets.iter().any(|it| it.expires > now) {
        let text = "the client has neither keys nor a valid secret now, so that it gets no access token: add a \
                    secret, or set keys again";
        changed.warnings.push(text.to_owned());
    }
    Ok(changed)
}

/// Changes a federation that was read before. Servers follow within a second.
///
/// # Errors
/// As for [`change_client`]. `Refused` for a client, and if another federation of the tenant has the same values.
pub fn change_federation(
    store: &(impl Credentials + ?Sized),
    client: &Client,
    values: NewValues,
    change: FederationChange,
    egress: &Egress,
) -> Result<Changed, ManagementError> {
    let ClientMethod::Federation(old) = client.method.clone() else {
        let text = format!("`{}` is no federation", client.client_id);
        return Err(ManagementError::Refused(text));
    };
    // A federation can be disabled whatever the rules say about its values now.
    let has_new_values = change != FederationChange::default();
    let new = change.applied_to(&old);
    let mut warnings = Vec::new();
    if has_new_values {
        warnings.extend(registration::check_federation(&new, egress)?);
    }
    let changed = apply(
        store,
        client,
        values,
        federation_change(old, new.clone()),
        warnings,
    );
    changed.map_err(|error| explain_twin(error, store, client.connection.tenant, &new, client.id))
}

fn apply(
    store: &(impl Credentials + ?Sized),
    client: &Client,
    values: NewValues,
    method: MethodChange,
    warnings: Vec<String>,
) -> Result<Changed, ManagementError> {
    if let Some(name) = &values.name {
        check_label(name).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
    }
    let client_id = &*client.client_id;
    let ended_tokens = method.ends_tokens;
    let change = ClientChange {
        name: values.name,
        method: Some(method),
        disabled: values.disabled,
        expected: values.if_unchanged.then(|| Box::new(client.clone())),
    };
    match store.change_client(client_id, &change) {
        Ok(true) => {}
        Ok(false) => return Err(no_client(client_id)),
        Err(StoreError::Stale) if !values.if_unchanged => {
            let text = format!("`{client_id}` was changed by somebody else at the same time: try again");
            return Err(ManagementError::Refused(text));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Changed {
        client: super::clients::find(store, client_id)?,
        ended_tokens,
        warnings,
    })
}

/// Returns the change from one federation to another. It ends the access tokens when an assertion that was accepted may
/// be refused now for its claims; they stay when only keys and algorithms change, so that keys rotate without a gap.
fn federation_change(old: Federation, new: Federation) -> MethodChange {
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

/// Returns the change of the keys of a client that signs assertions itself. When it loses its keys, its access tokens
/// for assertions end.
fn key_change(old: Option<KeySource>, new: Option<KeySource>) -> MethodChange {
    MethodChange {
        ends_tokens: old.is_some() && new.is_none(),
        old: ClientMethod::Client { keys: old },
        new: ClientMethod::Client { keys: new },
    }
}

/// Returns keys without the private members that an earlier version has stored.
fn public(keys: KeySource) -> KeySource {
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
        assert!(key_change(keys(), None).ends_tokens);
        assert!(!key_change(None, keys()).ends_tokens && !key_change(None, None).ends_tokens);
    }
}
