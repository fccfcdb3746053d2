//! The lookup of access tokens of OAuth clients.

use std::sync::Arc;

use scim_model::store::{AccessToken, Credentials};

use super::{Credential, Identity};
use crate::clock;
use crate::http::blocking::Blocking;
use crate::http::error::Failure;
use crate::service::ClientSettings;

/// Looks an access token up in the store. Returns `None` if the token does not exist, has expired, or has ended with its
/// client.
pub(super) async fn look_up(
    credentials: Arc<dyn Credentials>,
    blocking: &Blocking,
    hash: [u8; 32],
) -> Result<Option<AccessToken>, Failure> {
    let found = blocking.run(move || Ok(credentials.access_token(&hash)?)).await?;
    Ok(found.filter(|it| it.expires > clock::now()))
}

/// Returns the identity of the client that has a token. `settings` are those of the server.
pub(super) fn identity(token: AccessToken, settings: &ClientSettings) -> Identity {
    let settings = settings.of(&token.connection);
    Identity {
        tenant: token.connection.tenant,
        tenant_name: token.tenant_name.into(),
        read_only: token.read_only,
        credential: Some(Credential {
            id: token.client,
            name: token.client_name.into(),
            connection: token.connection.id,
            connection_name: token.connection.name.into(),
        }),
        settings: Some(Arc::new(settings)),
    }
}
