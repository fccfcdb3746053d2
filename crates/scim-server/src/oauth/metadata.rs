//! The metadata of the authorization server (RFC 8414).

use serde_json::{Value, json};

use super::scope::Scope;
use super::settings::OAuthSettings;
use crate::jose::{Algorithm, USUAL_ALGORITHMS};

/// The path of the metadata, before the path of the issuer.
pub const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";

/// Returns the metadata. `response_types_supported` is left out: there is no authorization endpoint, and empty arrays
/// must be left out (RFC 8414 section 3.2). `jwks_uri` is left out because the server signs nothing.
pub fn metadata(settings: &OAuthSettings) -> Value {
    json!({
        "issuer": settings.issuer,
        "token_endpoint": settings.token_endpoint,
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": USUAL_ALGORITHMS.map(Algorithm::name),
        "scopes_supported": Scope::NAMES,
    })
}
