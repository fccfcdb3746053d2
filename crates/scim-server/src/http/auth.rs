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
