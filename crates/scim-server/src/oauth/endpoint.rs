//! The token endpoint: from a request to an access token, or to an error that says nothing to a stranger.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Client, ClientMethod, Credentials, NewAccessToken, TokenIssued};
use sha2::{Digest as _, Sha256};

use super::attempts::Attempts;
use super::authentication::{self, Authenticated, Sources};
use super::error::{ErrorCode, OAuthError};
use super::key_cache::{KeyCache, Now};
use super::outcome::{Refused, UsedAssertion};
use super::refusal_log::Entry;
use super::request::TokenRequest;
use super::scope::Scope;
use super::secret;
use super::settings::OAuthSettings;
use super::verification::Trial;

/// The token endpoint.
pub struct TokenEndpoint {
    store: Arc<dyn Credentials>,
    keys: Arc<KeyCache>,
    /// The settings.
    pub settings: OAuthSettings,
    attempts: Attempts,
    now: Now,
}

/// An issued token. It is stored as a hash only.
pub struct Issued {
    /// The token.
    pub token: String,
    /// Its lifetime in seconds: the setting, and never the rest of a clock reading.
    pub expires_in: u32,
    /// Its scope.
    pub scope: Scope,
    /// The name of the tenant.
    pub tenant_name: String,
}

impl TokenEndpoint {
    /// Creates the endpoint.
    pub fn new(
        store: Arc<dyn Credentials>,
        keys: Arc<KeyCache>,
        settings: OAuthSettings,
        now: Now,
    ) -> TokenEndpoint {
        TokenEndpoint {
            store,
            keys,
            settings,
            attempts: Attempts::default(),
            now,
        }
    }

    /// Returns the keys of issuers, which a [`Refresher`](super::refresher::Refresher) refreshes.
    pub fn keys(&self) -> Arc<KeyCache> {
        self.keys.clone()
    }

    /// Issues a token. Blocks while it reads the store or fetches keys. `source` is the address of the client.
    ///
    /// # Errors
    /// See [`OAuthError`]. Each refusal is logged.
    pub fn issue(&self, request: &TokenRequest, source: IpAddr) -> Result<Issued, OAuthError> {
        let now = (self.now)();
        let client_id = request.client_id.as_deref().unwrap_or_default();
        if let Some(seconds) = self.attempts.wait(source, client_id, now) {
            let client = authentication::client_for_log(&self.sources(), request.client_id.as_deref());
            let reason = format!("too many failed attempts from {source}");
            log_refusal(Some(request), client.as_ref(), &reason);
            return Err(OAuthError {
                retry_after: Some(seconds),
                ..OAuthError::new(
                    ErrorCode::TooManyAttempts,
                    "too many failed attempts: try again later",
                )
            });
        }
        self.checked(request, now).map_err(|refused| {
            if refused.is_failure {
                self.attempts.record(source, client_id, now);
            }
            log_refusal(Some(request), refused.client.as_deref(), &refused.reason);
            refused.error
        })
    }

    /// Tries an assertion for a client without issuing a token, and says which check fails. Returns `None` for a client
    /// that does not authenticate by assertions.
    pub fn try_assertion(&self, client: &Client, text: &str, now: DateTime<Utc>) -> Option<Trial> {
        authentication::try_assertion(&self.sources(), client, text, now)
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            store: &*self.store,
            keys: &self.keys,
            settings: &self.settings,
        }
    }

    fn checked(&self, request: &TokenRequest, now: DateTime<Utc>) -> Result<Issued, Refused> {
        let Authenticated {
            client,
            secret,
            assertion,
            method,
        } = authentication::authenticate(&self.sources(), request, now)?;
        let refused = |error: OAuthError, reason: &str, client: &Client| Refused {
            error,
            reason: reason.to_owned(),
            client: Some(Box::new(client.clone())),
            is_failure: false,
        };
        if !client.is_active() {
            let reason = match client.disabled {
                true => "the client is disabled",
                false => "the connection is paused",
            };
            return Err(refused(
                OAuthError::new(ErrorCode::UnauthorizedClient, reason),
                reason,
                &client,
            ));
        }
        let scope = Scope::granted(request.scope.as_deref(), client.read_only)
            .map_err(|error| refused(error, "the scope is unknown", &client))?;
        let token = secret::new_access_token().map_err(|error| Refused::later(error.to_string()))?;
        let is_single_use = match &client.method {
            ClientMethod::Client { .. } => true,
            ClientMethod::Federation(trust) => trust.single_use,
        };
        let digest = assertion.as_ref().map(|it| it.digest(client.id));
        let remembered = assertion
            .as_ref()
            .filter(|_| is_single_use)
            .map(|it| it.remember_until);
        let new = NewAccessToken {
            sha256: Sha256::digest(&token).into(),
            tenant: client.connection.tenant,
            client: client.id,
            secret,
            read_only: scope == Scope::ScimRead,
            created: now,
            expires: now + TimeDelta::seconds(self.settings.lifetime.into()),
            assertion: digest.zip(remembered),
        };
        match self.store.issue_access_token(&new)? {
            TokenIssued::Done => {}
            TokenIssued::Replayed => {
                let error = OAuthError::new(ErrorCode::InvalidClient, "the assertion was used before");
                return Err(refused(error, "the assertion was used before", &client));
            }
            TokenIssued::Gone => {
                return Err(refused(
                    OAuthError::invalid_client(),
                    "the credential was deleted",
                    &client,
                ));
            }
        }
        let of_assertion = assertion.as_ref().map(UsedAssertion::for_log).unwrap_or_default();
        log::info!(
            target: LOG,
            "issued a token: tenant={} client={} method={method} scope={}{of_assertion}",
            client.tenant_name,
            client.client_id,
            scope.name()
        );
        Ok(Issued {
            token,
            expires_in: self.settings.lifetime,
            scope,
            tenant_name: client.tenant_name,
        })
    }
}

/// Logs the refusal of a request that names no client in a form that can be read.
pub fn log_unread_request(error: &OAuthError) {
    log_refusal(None, None, error.description.as_deref().unwrap_or("-"));
}

fn log_refusal(request: Option<&TokenRequest>, client: Option<&Client>, reason: &str) {
    let entry = Entry {
        request,
        client,
        reason,
    };
    log::warn!(target: LOG, "refused a token request: {entry}");
}

/// The target of log entries.
const LOG: &str = "scim_server::oauth";
