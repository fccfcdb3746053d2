//! The token endpoint: turns a request into an access token, or into an error that reveals nothing to a stranger.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Client, Credentials, NewAccessToken, TokenIssued};
use sha2::{Digest as _, Sha256};

use super::attempts::{Attempts, Source};
use super::authentication::{self, Authenticated, Sources};
use super::error::{ErrorCode, OAuthError};
use super::fault::Fault;
use super::key_cache::{KeyCache, Now};
use super::outcome::{Refused, UsedAssertion};
use super::refusal_log::Entry;
use super::request::{Proof, TokenRequest};
use super::scope::Scope;
use super::secret;
use super::settings::OAuthSettings;
use super::trial::{self, Trial};

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
    /// Its lifetime in seconds, exactly as the setting has it.
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

    /// Issues a token. Blocks while it reads the store or fetches keys.
    ///
    /// # Errors
    /// See [`OAuthError`]. Each refusal is logged.
    pub fn issue(&self, request: &TokenRequest, source: Source) -> Result<Issued, OAuthError> {
        let now = (self.now)();
        let named = request.named_client();
        let client_id = named.as_deref().unwrap_or_default();
        if let Some(seconds) = self.attempts.wait(source, client_id, now) {
            let client = authentication::client_for_log(&self.sources(), named.as_deref());
            let reason = format!("too many failed attempts from {}", source.address);
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

    /// Tries an assertion for a client without issuing a token, and says which check fails. The checks are those of a
    /// request without a scope.
    pub fn try_assertion(&self, client_id: &str, text: &str) -> Trial {
        let request = TokenRequest {
            client_id: Some(client_id.to_owned()),
            proof: Proof::Assertion(text.to_owned()),
            scope: None,
        };
        let admitted = self.admitted(&request, (self.now)());
        let outcome = admitted.and_then(|(authenticated, _)| self.check_unused(&authenticated));
        Trial {
            failed: outcome.err().map(Refused::failed_check),
            claims: trial::shown_claims(text),
        }
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            store: &*self.store,
            keys: &self.keys,
            settings: &self.settings,
        }
    }

    /// Authenticates the client of a request, and determines the scope of the token.
    fn admitted(
        &self,
        request: &TokenRequest,
        now: DateTime<Utc>,
    ) -> Result<(Authenticated, Scope), Refused> {
        let authenticated = authentication::authenticate(&self.sources(), request, now)?;
        let client = &authenticated.client;
        if !client.is_active() {
            let (check, reason) = match client.disabled {
                true => ("client", "the client is disabled"),
                false => ("connection", "the connection is paused"),
            };
            let error = OAuthError::new(ErrorCode::UnauthorizedClient, reason);
            return Err(refused(error, check, reason, client));
        }
        let scope = Scope::granted(request.scope.as_deref(), client.read_only)
            .map_err(|error| refused(error, "scope", "the scope is unknown", client))?;
        Ok((authenticated, scope))
    }

    /// Refuses a single-use assertion that was used before.
    fn check_unused(&self, authenticated: &Authenticated) -> Result<(), Refused> {
        match authenticated.single_use() {
            Some((digest, _)) if self.store.is_assertion_used(&digest)? => {
                Err(replayed(&authenticated.client))
            }
            _ => Ok(()),
        }
    }

    fn checked(&self, request: &TokenRequest, now: DateTime<Utc>) -> Result<Issued, Refused> {
        let (authenticated, scope) = self.admitted(request, now)?;
        let token = secret::new_access_token().map_err(|error| Refused::later(error.to_string()))?;
        let remembered = authenticated.single_use();
        let Authenticated {
            client,
            secret,
            assertion,
            method,
        } = authenticated;
        let new = NewAccessToken {
            sha256: Sha256::digest(&token).into(),
            tenant: client.connection.tenant,
            client: client.id,
            secret,
            read_only: scope == Scope::ScimRead,
            created: now,
            expires: now + TimeDelta::seconds(self.settings.lifetime.into()),
            assertion: remembered,
            checked: assertion.is_some().then(|| client.method.clone()),
        };
        match self.store.issue_access_token(&new)? {
            TokenIssued::Done => {}
            TokenIssued::Changed => {
                let reason = "the client was changed during the request";
                return Err(Refused::later(reason.to_owned()));
            }
            TokenIssued::Replayed => return Err(replayed(&client)),
            TokenIssued::Gone => {
                let error = OAuthError::invalid_client();
                return Err(refused(error, "client", "the credential was deleted", &client));
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

/// A refusal of a client that proved its identity.
fn refused(error: OAuthError, check: &'static str, reason: &str, client: &Client) -> Refused {
    Refused {
        error,
        reason: reason.to_owned(),
        client: Some(Box::new(client.clone())),
        is_failure: false,
        fault: Some(Box::new(Fault::signed(check, reason))),
    }
}

fn replayed(client: &Client) -> Refused {
    let reason = "the assertion was used before";
    refused(
        OAuthError::new(ErrorCode::InvalidClient, reason),
        "replay",
        reason,
        client,
    )
}

/// Logs the refusal of a request whose form is wrong, so that its client is not known.
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
