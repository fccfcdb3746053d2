//! Authentication: the identity behind a request.
//!
//! [`Authenticator`] is the trait, [`BearerTokens`] its default implementation, and [`Caller`] the extractor that gives
//! the result to a handler.

mod access_token;
pub mod bearer;
pub mod caller;
pub mod presented;

use std::pin::Pin;
use std::sync::Arc;

use actix_web::HttpRequest;
use scim_model::change::Actor;
use scim_model::store::{ConnectionId, TenantId};
use uuid::Uuid;

use super::error::Failure;
use crate::service::ClientSettings;

pub use bearer::BearerTokens;
pub use caller::Caller;

/// Finds the client that sent a request, and the client's tenant.
///
/// An application with other credentials than bearer tokens implements this trait. The server calls it once for each
/// request that needs authentication, before it reads the query or the body.
pub trait Authenticator: Send + Sync {
    /// Returns the identity of the client, or the reason to refuse the request.
    ///
    /// The future runs on a thread that serves other requests too: call blocking code with
    /// [`actix_web::web::block`].
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> Authentication<'a>;
}

/// The future of [`Authenticator::authenticate`].
pub type Authentication<'a> = Pin<Box<dyn Future<Output = Result<Identity, Refusal>> + 'a>>;

/// An authenticated client.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The tenant whose resources the client may use.
    pub tenant: TenantId,
    /// The name of the tenant, for the access log.
    pub tenant_name: Arc<str>,
    /// Whether the client may only read.
    pub read_only: bool,
    /// The credential that the client used, for the journal. Without one, the journal says that the originator of a
    /// change is unknown.
    pub credential: Option<Credential>,
    /// The settings for the client; `None` means those of the server.
    pub settings: Option<Arc<ClientSettings>>,
}

/// A credential of a connection.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Identifies the credential without being secret.
    pub id: Uuid,
    /// The name that its creator gave the credential.
    pub name: Arc<str>,
    /// The connection that the credential belongs to.
    pub connection: ConnectionId,
    /// The name of the connection.
    pub connection_name: Arc<str>,
}

impl Identity {
    /// Returns the originator of the changes that a request makes.
    pub fn actor(&self, request_id: &str) -> Actor {
        match &self.credential {
            None => Actor::Unknown,
            Some(credential) => Actor::Connection {
                connection: credential.connection,
                credential: credential.id,
                request: request_id.to_owned(),
            },
        }
    }
}

/// The reason to refuse a request.
#[derive(Debug)]
pub enum Refusal {
    /// The request has no credentials: 401.
    NoCredentials,
    /// The credentials are not valid: 401.
    InvalidCredentials,
    /// The credentials are valid, but their connection is paused: 403.
    Paused,
    /// The credentials could not be checked. The failure decides the response.
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        Refusal::Failed(failure)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        match refusal {
            Refusal::NoCredentials => Failure::Unauthorized {
                token_presented: false,
            },
            Refusal::InvalidCredentials => Failure::Unauthorized {
                token_presented: true,
            },
            Refusal::Paused => Failure::Paused,
            Refusal::Failed(failure) => failure,
        }
    }
}
