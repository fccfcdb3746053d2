//! The default [`Authenticator`]: bearer tokens (RFC 6750 section 2.1) that the directory of tenants knows.
//!
//! No other authentication is accepted: no cookie, query parameter, form field or Basic scheme. Only the token
//! determines the tenant of a request.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{ConnectionState, Credentials, Directory, Token};

use super::access_token;
use super::presented::presented;
use super::{Authentication, Authenticator, Credential, Identity, Refusal};
use crate::clock;
use crate::http::blocking::Blocking;
use crate::http::error::Failure;
use crate::oauth::secret::is_access_token;
use crate::service::ClientSettings;
use crate::token::{self, CACHE_LIFETIME};

/// The maximum number of cached tokens.
const CACHE_CAPACITY: usize = 10_000;

/// The time within which a second use of a token is not recorded.
const USES_APART: TimeDelta = TimeDelta::minutes(1);

/// Resolves bearer tokens to identities.
pub struct BearerTokens {
    directory: Arc<dyn Directory>,
    /// The access tokens of OAuth clients, if the server issues them.
    access_tokens: Option<Arc<dyn Credentials>>,
    blocking: Blocking,
    /// The settings of the server, which apply where a connection sets nothing.
    settings: Arc<ClientSettings>,
    cache: RwLock<HashMap<[u8; 32], CachedToken>>,
}

/// A token that was valid when it was looked up.
struct CachedToken {
    identity: Identity,
    /// The state of its connection.
    state: ConnectionState,
    expires: Option<DateTime<Utc>>,
    /// The start of the lookup, not its end, because the store's result may be as old as that.
    looked_up: Instant,
}

impl Authenticator for BearerTokens {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> Authentication<'a> {
        Box::pin(self.identity(request.headers()))
    }
}

impl BearerTokens {
    /// Creates an authenticator that looks tokens up in `directory`, on the threads of `blocking`. `settings` are
    /// those of the server, which apply where a connection sets nothing.
    pub fn new(
        directory: Arc<dyn Directory>,
        blocking: Blocking,
        settings: Arc<ClientSettings>,
    ) -> BearerTokens {
        BearerTokens {
            directory,
            access_tokens: None,
            blocking,
            settings,
            cache: RwLock::default(),
        }
    }

    /// Accepts access tokens of OAuth clients too.
    #[must_use]
    pub fn with_access_tokens(mut self, credentials: Arc<dyn Credentials>) -> BearerTokens {
        self.access_tokens = Some(credentials);
        self
    }

    /// Returns the identity of the only valid token of a request.
    async fn identity(&self, headers: &HeaderMap) -> Result<Identity, Refusal> {
        let presented = presented(headers)?;
        let is_of_client = is_access_token(presented.secret);
        let access_tokens = self.access_tokens.as_ref().filter(|_| is_of_client);
        if !token::is_well_formed(presented.secret) && access_tokens.is_none() {
            return Err(presented.refusal());
        }
        let hash = token::digest(presented.secret);
        let (identity, state) = match self.cached(&hash) {
            Some(known) => known,
            None => {
                let found = match access_tokens {
                    Some(credentials) => self.look_up_access_token(credentials, hash).await?,
                    None => self.look_up(hash).await?,
                };
                let known = found.ok_or_else(|| presented.refusal())?;
                let answer = (known.identity.clone(), known.state);
                self.insert(hash, known);
                answer
            }
        };
        let may_be_bare = identity.settings.as_ref().is_some_and(|it| it.bare_tokens);
        if presented.is_bare && !may_be_bare {
            return Err(presented.refusal());
        }
        match state {
            ConnectionState::Active => Ok(identity),
            ConnectionState::Paused => Err(Refusal::Paused),
        }
    }

    fn cached(&self, hash: &[u8; 32]) -> Option<(Identity, ConnectionState)> {
        let cache = self.cache.read().expect("no code panics while it holds the lock");
        let known = cache.get(hash)?;
        let fresh =
            known.looked_up.elapsed() < CACHE_LIFETIME && known.expires.is_none_or(|it| clock::now() < it);
        fresh.then(|| (known.identity.clone(), known.state))
    }

    /// Looks a token up in the store. Returns `None` if the token does not exist, has expired or was revoked.
    async fn look_up(&self, hash: [u8; 32]) -> Result<Option<CachedToken>, Failure> {
        let directory = self.directory.clone();
        let looked_up = Instant::now();
        let found = self
            .blocking
            .run(move || Ok(directory.token_by_hash(&hash)?))
            .await?;
        let Some(token) = found else {
            return Ok(None);
        };
        let ended = token.expires.is_some_and(|it| it <= clock::now());
        if token.revoked.is_some() || ended {
            return Ok(None);
        }
        self.record_use(&token);
        let (settings, state) = (self.settings.of(&token.connection), token.connection.state);
        let identity = Identity {
            tenant: token.connection.tenant,
            tenant_name: token.tenant_name.into(),
            read_only: token.read_only,
            credential: Some(Credential {
                id: token.id,
                name: token.name.into(),
                connection: token.connection.id,
                connection_name: token.connection.name.into(),
            }),
            settings: Some(Arc::new(settings)),
        };
        Ok(Some(CachedToken {
            identity,
            state,
            expires: token.expires,
            looked_up,
        }))
    }

    /// Records that a token was used, at most once a minute. The request does not wait for it.
    fn record_use(&self, token: &Token) {
        let now = clock::now();
        if token.last_used.is_some_and(|it| now - it < USES_APART) {
            return;
        }
        let (directory, blocking, id) = (self.directory.clone(), self.blocking.clone(), token.id);
        actix_web::rt::spawn(async move {
            let recorded = blocking
                .run(move || Ok(directory.record_token_use(id, now)?))
                .await;
            if let Err(failure) = recorded {
                // The time is for information only, and the next request tries again.
                log::debug!("the use of the token {id} was not recorded: {failure}");
            }
        });
    }

    /// Looks up an access token of an OAuth client.
    async fn look_up_access_token(
        &self,
        credentials: &Arc<dyn Credentials>,
        hash: [u8; 32],
    ) -> Result<Option<CachedToken>, Failure> {
        let looked_up = Instant::now();
        let found = access_token::look_up(credentials.clone(), &self.blocking, hash).await?;
        Ok(found.map(|token| CachedToken {
            state: token.connection.state,
            expires: Some(token.expires),
            looked_up,
            identity: access_token::identity(token, &self.settings),
        }))
    }

    fn insert(&self, hash: [u8; 32], new: CachedToken) {
        let mut cache = self
            .cache
            .write()
            .expect("no code panics while it holds the lock");
        if cache.len() >= CACHE_CAPACITY {
            cache.retain(|_, it| it.looked_up.elapsed() < CACHE_LIFETIME);
        }
        if cache.len() < CACHE_CAPACITY {
            cache.insert(hash, new);
        }
    }
}

#[cfg(test)]
mod tests;
