//! New clients and secrets, and the rules for the values that an operator chooses.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Client, ClientMethod, Connection, Federation, KeySource, NewClient, NewSecret};
use sha2::{Digest as _, Sha256};

use super::key_set::KeySet;
use super::secret;
use crate::clock;
use crate::egress::{Egress, EgressError};
use crate::jose::Algorithm;
use crate::token;

/// The usual and the longest lifetime of a client secret in days. Entra asks for one to three years.
pub const SECRET_DAYS: u32 = 730;
/// See [`SECRET_DAYS`].
pub const LONGEST_SECRET_DAYS: u32 = 1095;

/// The lifetime in days below which an operator gets a note that Entra asks for more.
pub const ENTRA_SECRET_DAYS: u32 = 365;

/// The most audiences of a federation, and the most further claims.
pub const MAX_AUDIENCES: usize = 4;
const MAX_CLAIMS: usize = 8;

/// The longest value that a claim is compared with.
const MAX_VALUE: usize = 1024;

/// Returns a client of a connection with a random id.
///
/// # Errors
/// The operating system provides no random bytes.
pub fn new_client(
    connection: &Connection,
    name: &str,
    method: ClientMethod,
    read_only: bool,
    now: DateTime<Utc>,
) -> Result<NewClient, getrandom::Error> {
    Ok(NewClient {
        id: clock::new_id(),
        tenant: connection.tenant,
        connection: connection.id,
        client_id: secret::new_client_id()?,
        name: name.to_owned(),
        method,
        read_only,
        disabled: false,
        created: now,
        secrets: Vec::new(),
    })
}

/// Returns a secret to store, and the secret itself, which is shown once.
///
/// # Errors
/// The operating system provides no random bytes.
pub fn new_secret(
    name: &str,
    days: u32,
    now: DateTime<Utc>,
) -> Result<(NewSecret, String), getrandom::Error> {
    let secret = secret::new_client_secret()?;
    let new = NewSecret {
        id: clock::new_id(),
        sha256: Sha256::digest(&secret).into(),
        last_four: token::last_four(&secret),
        name: name.to_owned(),
        created: now,
        expires: now + TimeDelta::days(days.into()),
    };
    Ok((new, secret))
}

/// A value that an operator has chosen and that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct InvalidValue {
    /// The name of the value.
    pub field: &'static str,
    /// The problem in words.
    pub detail: String,
}

fn invalid(field: &'static str, detail: impl Into<String>) -> InvalidValue {
    let detail = detail.into();
    InvalidValue { field, detail }
}

/// Checks the source of public keys, and returns a warning when the host of a URL cannot be resolved now.
///
/// # Errors
/// The problem with `keys`.
pub fn check_keys(keys: &KeySource, egress: &Egress) -> Result<Option<String>, InvalidValue> {
    match keys {
        KeySource::Url(url) => match egress.check(url) {
            Ok(_) => Ok(None),
            Err(EgressError::Refused(reason)) => Err(invalid(
                "keys",
                format!("the URL of the keys is refused: {reason}"),
            )),
            Err(error) => Ok(Some(format!("the keys cannot be fetched now: {error}"))),
        },
        KeySource::Inline(text) => match KeySet::parse(text.as_bytes()).map_err(|it| invalid("keys", it))? {
            keys if keys.is_empty() => Err(invalid("keys", "none of the keys can verify signatures")),
            _ => Ok(None),
        },
    }
}

/// Checks the values of a federation. Returns a warning in the same case as [`check_keys`].
///
/// # Errors
/// The first value that is not valid.
pub fn check_federation(federation: &Federation, egress: &Egress) -> Result<Option<String>, InvalidValue> {
    let Federation {
        issuer,
        subject,
        audiences,
        claims,
        algorithms,
        keys,
        ..
    } = federation;
    if audiences.is_empty() || audiences.len() > MAX_AUDIENCES {
        let text = format!("a federation has 1 to {MAX_AUDIENCES} audiences");
        return Err(invalid("audiences", text));
    }
    if claims.len() > MAX_CLAIMS {
        let text = format!("a federation has at most {MAX_CLAIMS} further claims");
        return Err(invalid("claims", text));
    }
    let values = [("issuer", issuer), ("subject", subject)]
        .into_iter()
        .chain(audiences.iter().map(|it| ("audiences", it)))
        .chain(claims.values().map(|it| ("claims", it)));
    for (field, value) in values {
        if value.is_empty() || value.len() > MAX_VALUE || value.trim() != value {
            let text = format!(
                "the value `{value}` is not valid: it must have 1 to {MAX_VALUE} bytes, and no blank at either end"
            );
            return Err(invalid(field, text));
        }
    }
    // Entra uses these words in the issuers that all directories share.
    let of_everybody = ["common", "organizations", "consumers"];
    let is_of_everybody = |part: &str| of_everybody.iter().any(|it| it.eq_ignore_ascii_case(part));
    if issuer.split('/').any(is_of_everybody) {
        let text = format!(
            "the issuer `{issuer}` belongs to no directory: use the one with the id of the directory"
        );
        return Err(invalid("issuer", text));
    }
    if let Some(unknown) = algorithms.iter().find(|it| Algorithm::named(it).is_none()) {
        let text = format!("`{unknown}` is not a supported algorithm: use RS256, ES256, PS256 or EdDSA");
        return Err(invalid("algorithms", text));
    }
    check_keys(keys, egress)
}

/// Returns the state of a client for lists.
pub fn state(client: &Client) -> &'static str {
    match (client.disabled, client.is_active()) {
        (true, _) => "disabled",
        (false, false) => "paused",
        (false, true) => "active",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::egress::EgressSettings;

    fn federation() -> Federation {
        Federation {
            issuer: "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0".to_owned(),
            subject: "S".to_owned(),
            audiences: vec!["api://a".to_owned()],
            keys: KeySource::Url("https://login.microsoftonline.com/d/discovery/v2.0/keys".to_owned()),
            claims: BTreeMap::new(),
            single_use: false,
            algorithms: vec![],
        }
    }

    fn check(federation: &Federation) -> Result<Option<String>, InvalidValue> {
        let lookup = |name: &str| match name {
            "login.microsoftonline.com." => Ok(vec!["20.190.128.1".parse().expect("it is an address")]),
            "internal.example.com." => Ok(vec!["10.0.0.1".parse().expect("it is an address")]),
            _ => Ok(vec![]),
        };
        check_federation(
            federation,
            &Egress::new(EgressSettings::default(), Arc::new(lookup)),
        )
    }

    /// cred-74, cred-83
    #[test]
    fn cred_74_values_of_a_federation_are_checked_when_it_is_created() {
        assert_eq!(check(&federation()), Ok(None));
        let keys = |url: &str| Federation {
            keys: KeySource::Url(url.to_owned()),
            ..federation()
        };
        let issuer = |issuer: &str| Federation {
            issuer: issuer.to_owned(),
            ..federation()
        };
        for (refused, part) in [
            (
                issuer("https://login.microsoftonline.com/common/v2.0"),
                "belongs to no directory",
            ),
            (
                issuer("https://login.microsoftonline.com/organizations/v2.0"),
                "belongs to no directory",
            ),
            (
                issuer("https://login.microsoftonline.com/COMMON/v2.0"),
                "belongs to no directory",
            ),
            (
                issuer("https://login.microsoftonline.com/Organizations/v2.0"),
                "belongs to no directory",
            ),
            (
                issuer("https://sts.windows.net/consumers"),
                "belongs to no directory",
            ),
            (issuer(""), "is not valid"),
            (issuer(" https://a.example"), "no blank"),
            (
                Federation {
                    subject: String::new(),
                    ..federation()
                },
                "is not valid",
            ),
            (
                Federation {
                    audiences: vec![],
                    ..federation()
                },
                "1 to 4 audiences",
            ),
            (
                Federation {
                    audiences: vec!["a".to_owned(); 5],
                    ..federation()
                },
                "1 to 4 audiences",
            ),
            (
                Federation {
                    algorithms: vec!["HS256".to_owned()],
                    ..federation()
                },
                "not a supported algorithm",
            ),
            (keys("http://login.microsoftonline.com/keys"), "https"),
            (keys("https://u@login.microsoftonline.com/keys"), "user"),
            (keys("https://login.microsoftonline.com/keys#a"), "fragment"),
            (keys("https://169.254.169.254/keys"), "link-local"),
            (keys("https://internal.example.com/keys"), "private"),
            (
                Federation {
                    keys: KeySource::Inline("{\"keys\": []}".to_owned()),
                    ..federation()
                },
                "none of the keys",
            ),
        ] {
            let problem = check(&refused).expect_err(part).to_string();
            assert!(problem.contains(part), "{problem}");
        }
        // The host may exist later.
        assert!(check(&keys("https://missing.example.com/keys")).is_ok_and(|it| it.is_some()));
    }

    /// cred-42, cred-43
    #[test]
    fn cred_42_and_43_a_secret_is_random_and_expires() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("it is a time");
        let (new, secret) = new_secret("x", SECRET_DAYS, now).expect("there are random bytes");
        assert_eq!(new.expires - now, TimeDelta::days(730));
        assert!(secret.starts_with("scim_secret_") && secret.ends_with(&new.last_four));
        assert_eq!(new.sha256, <[u8; 32]>::from(Sha256::digest(&secret)));
        let (_, other) = new_secret("x", SECRET_DAYS, now).expect("there are random bytes");
        assert_ne!(secret, other);
    }
}
