//! Who calls: a bearer token (RFC 6750 section 2.1) becomes a [`Caller`] with its tenant.
//!
//! No other way in exists: no cookie, no query parameter, no form field, no Basic. Nothing but the
//! token says which tenant a request belongs to.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use chrono::{DateTime, Utc};
use scim_model::store::{Directory, TenantId};

use super::blocking::Blocking;
use super::error::Failure;
use crate::token;

/// An authenticated client. Handlers of everything but discovery take one, and the store is
/// reached with its tenant only.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Every call of the store names it.
    pub tenant: TenantId,
    /// For the access log.
    pub tenant_name: Arc<str>,
    /// Whether only reading is allowed.
    pub read_only: bool,
}

/// How long a token that was found valid is not looked up again. After a token is revoked or a
/// tenant deleted, the command line waits that long before it reports success: by then no server
/// accepts the token any more.
pub const CACHE_LIFETIME: Duration = Duration::from_secs(1);

/// More tokens than this are not remembered.
const CACHE_CAPACITY: usize = 10_000;

/// Turns tokens into callers.
pub struct Authenticator {
    directory: Arc<dyn Directory>,
    blocking: Blocking,
    known: RwLock<HashMap<[u8; 32], Known>>,
}

/// A token that was valid a moment ago.
struct Known {
    caller: Caller,
    expires: Option<DateTime<Utc>>,
    /// When the look-up began, not when it ended: what the store said is at least that old.
    asked: Instant,
}

impl Authenticator {
    /// Tokens are looked up in this directory.
    pub fn new(directory: Arc<dyn Directory>, blocking: Blocking) -> Authenticator {
        Authenticator {
            directory,
            blocking,
            known: RwLock::default(),
        }
    }

    /// The caller of a request.
    ///
    /// # Errors
    /// `Unauthorized` without exactly one valid token.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        let secret = bearer(headers)?;
        if !token::is_well_formed(secret) {
            return Err(Failure::Unauthorized {
                token_presented: true,
            });
        }
        let hash = token::digest(secret);
        if let Some(caller) = self.remembered(&hash) {
            return Ok(caller);
        }
        let known = self.look_up(hash).await?.ok_or(Failure::Unauthorized {
            token_presented: true,
        })?;
        let caller = known.caller.clone();
        self.remember(hash, known);
        Ok(caller)
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<Caller> {
        let known = self.known.read().expect("nothing panics while it holds the lock");
        let known = known.get(hash)?;
        let fresh = known.asked.elapsed() < CACHE_LIFETIME && known.expires.is_none_or(|it| Utc::now() < it);
        fresh.then(|| known.caller.clone())
    }

    /// Asks the store; `None` when it has no such token or the token has ended.
    async fn look_up(&self, hash: [u8; 32]) -> Result<Option<Known>, Failure> {
        let directory = self.directory.clone();
        let asked = Instant::now();
        let found = self
            .blocking
            .run(move || Ok(directory.token_by_hash(&hash)?))
            .await?;
        let Some(token) = found else {
            return Ok(None);
        };
        let ended = token.expires.is_some_and(|it| it <= Utc::now());
        if token.revoked.is_some() || ended {
            return Ok(None);
        }
        let caller = Caller {
            tenant: token.tenant,
            tenant_name: token.tenant_name.into(),
            read_only: token.read_only,
        };
        Ok(Some(Known {
            caller,
            expires: token.expires,
            asked,
        }))
    }

    fn remember(&self, hash: [u8; 32], new: Known) {
        let mut known = self
            .known
            .write()
            .expect("nothing panics while it holds the lock");
        if known.len() >= CACHE_CAPACITY {
            known.retain(|_, it| it.asked.elapsed() < CACHE_LIFETIME);
        }
        if known.len() < CACHE_CAPACITY {
            known.insert(hash, new);
        }
    }
}

/// The token of the one `Authorization` header; the scheme's name in any case (RFC 9110
/// section 11.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Err(Failure::Unauthorized {
            token_presented: false,
        });
    };
    if values.next().is_some() {
        return Err(Failure::Unauthorized {
            token_presented: true,
        });
    }
    let (scheme, token) = value
        .to_str()
        .unwrap_or_default()
        .split_once(' ')
        .unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        // Another scheme presents no token, and the challenge then has no error (RFC 6750 3.1).
        return Err(Failure::Unauthorized {
            token_presented: false,
        });
    }
    Ok(token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actix_web::http::header::HeaderValue;
    use chrono::TimeDelta;
    use scim_model::store::{NewToken, StoreError, Tenant, Token};
    use uuid::Uuid;

    use super::*;

    /// Answers every look-up with the same token, and counts them.
    #[derive(Default)]
    struct Counting {
        token: Option<Token>,
        look_ups: AtomicUsize,
    }

    impl Directory for Counting {
        fn token_by_hash(&self, _: &[u8; 32]) -> Result<Option<Token>, StoreError> {
            self.look_ups.fetch_add(1, Ordering::SeqCst);
            Ok(self.token.clone())
        }

        fn create_tenant(&self, _: &str, _: DateTime<Utc>) -> Result<TenantId, StoreError> {
            unreachable!("a request only looks tokens up")
        }

        fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
            unreachable!("a request only looks tokens up")
        }

        fn delete_tenant(&self, _: &str) -> Result<bool, StoreError> {
            unreachable!("a request only looks tokens up")
        }

        fn continue_deletion(&self, _: Option<&str>) -> Result<bool, StoreError> {
            unreachable!("a request only looks tokens up")
        }

        fn create_token(&self, _: &NewToken) -> Result<(), StoreError> {
            unreachable!("a request only looks tokens up")
        }

        fn tokens(&self, _: Option<TenantId>) -> Result<Vec<Token>, StoreError> {
            unreachable!("a request only looks tokens up")
        }

        fn revoke_token(&self, _: Uuid, _: DateTime<Utc>) -> Result<bool, StoreError> {
            unreachable!("a request only looks tokens up")
        }
    }

    fn valid_token() -> Token {
        Token {
            id: Uuid::nil(),
            tenant: TenantId(7),
            tenant_name: "acme".to_owned(),
            created: Utc::now(),
            expires: None,
            revoked: None,
            read_only: true,
            note: String::new(),
        }
    }

    /// An authenticator, the directory behind it, and a call with a secret of 43 times this letter.
    struct Subject {
        system: actix_web::rt::SystemRunner,
        directory: Arc<Counting>,
        authenticator: Authenticator,
    }

    impl Subject {
        fn new(token: Option<Token>) -> Subject {
            let directory = Arc::new(Counting {
                token,
                ..Counting::default()
            });
            Subject {
                system: actix_web::rt::System::new(),
                authenticator: Authenticator::new(directory.clone(), Blocking::default()),
                directory,
            }
        }

        fn call(&self, letter: char) -> Result<Caller, Failure> {
            let value = format!("Bearer scim_{}", letter.to_string().repeat(43));
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
            self.system.block_on(self.authenticator.caller(&headers))
        }

        fn look_ups(&self) -> usize {
            self.directory.look_ups.load(Ordering::SeqCst)
        }

        /// As if every token in the cache had been looked up that much earlier.
        fn age(&self, by: Duration) {
            for known in self.authenticator.known.write().unwrap().values_mut() {
                known.asked = known.asked.checked_sub(by).expect("the clock has run for longer");
            }
        }
    }

    #[test]
    fn a_cached_token_saves_a_look_up() {
        let subject = Subject::new(Some(valid_token()));
        for _ in 0..5 {
            let caller = subject.call('a').unwrap();
            assert_eq!((caller.tenant, &*caller.tenant_name), (TenantId(7), "acme"));
            assert!(caller.read_only);
        }
        assert_eq!(subject.look_ups(), 1);
        subject.call('b').unwrap();
        assert_eq!(subject.look_ups(), 2, "another token is looked up for itself");
        subject.call('a').unwrap();
        assert_eq!(subject.look_ups(), 2);
        subject.age(CACHE_LIFETIME);
        subject.call('a').unwrap();
        assert_eq!(subject.look_ups(), 3, "nothing is kept beyond its time");
        subject.call('a').unwrap();
        assert_eq!(subject.look_ups(), 3);
    }

    #[test]
    fn a_token_that_expires_while_it_is_cached_is_refused() {
        let expires = Utc::now() + TimeDelta::hours(1);
        let subject = Subject::new(Some(Token {
            expires: Some(expires),
            ..valid_token()
        }));
        subject.call('a').unwrap();
        subject.call('a').unwrap();
        assert_eq!(subject.look_ups(), 1);
        for known in subject.authenticator.known.write().unwrap().values_mut() {
            known.expires = Some(Utc::now());
        }
        subject.call('a').unwrap();
        assert_eq!(subject.look_ups(), 2, "the directory decides");
    }

    #[test]
    fn refused_tokens_are_not_cached() {
        let past = Some(Utc::now() - TimeDelta::seconds(1));
        let revoked = Token {
            revoked: past,
            ..valid_token()
        };
        let expired = Token {
            expires: past,
            ..valid_token()
        };
        for token in [None, Some(revoked), Some(expired)] {
            let subject = Subject::new(token);
            for look_ups in 1..=3 {
                let refused = subject.call('a').unwrap_err();
                let presented = matches!(
                    refused,
                    Failure::Unauthorized {
                        token_presented: true
                    }
                );
                assert!(presented, "{refused:?}");
                assert_eq!(subject.look_ups(), look_ups);
            }
        }
    }

    #[test]
    fn a_text_that_is_no_token_is_not_looked_up() {
        let subject = Subject::new(Some(valid_token()));
        assert!(subject.call('!').is_err());
        assert_eq!(subject.look_ups(), 0);
    }

    #[test]
    fn a_full_cache_gives_up_old_tokens_and_no_others() {
        let subject = Subject::new(Some(valid_token()));
        subject.call('a').unwrap();
        let fill = |asked: Instant| {
            let mut known = subject.authenticator.known.write().unwrap();
            let caller = known.values().next().unwrap().caller.clone();
            for number in known.len()..CACHE_CAPACITY {
                let mut hash = [0; 32];
                hash[..8].copy_from_slice(&number.to_be_bytes());
                let caller = caller.clone();
                known.insert(
                    hash,
                    Known {
                        caller,
                        expires: None,
                        asked,
                    },
                );
            }
            assert_eq!(known.len(), CACHE_CAPACITY);
        };
        let size = || subject.authenticator.known.read().unwrap().len();
        // None of these is old within this test.
        fill(Instant::now() + Duration::from_secs(3_600));
        subject.call('b').unwrap();
        subject.call('b').unwrap();
        assert_eq!(
            (subject.look_ups(), size()),
            (3, CACHE_CAPACITY),
            "there is no room for it"
        );
        subject.authenticator.known.write().unwrap().clear();
        subject.call('a').unwrap();
        fill(
            Instant::now()
                .checked_sub(CACHE_LIFETIME)
                .expect("the clock has run for longer"),
        );
        subject.call('b').unwrap();
        subject.call('b').unwrap();
        assert_eq!((subject.look_ups(), size()), (5, 2), "the old ones made room");
    }
}
