//! Requests to the server of this machine itself.

use std::sync::Arc;
use std::time::Duration;

use ureq::tls::TlsConfig;

use super::client::error;
use super::direct_agent::direct_agent;
use super::error::EgressError;

/// The largest answer of a probe, in bytes.
const MAX_BYTES: u64 = 4096;

/// Sends a GET without credentials to a URL that the operator has chosen, and returns the status and the body of the
/// answer. The certificate of the server is not verified: the host is usually an address, which no certificate names,
/// and the request contains no secret.
///
/// # Errors
/// See [`EgressError`]. None is `Refused`.
pub fn probe(url: &str, time_limit: Duration) -> Result<(u16, String), EgressError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .disable_verification(true)
        .build();
    let mut response = direct_agent(tls, time_limit).get(url).call().map_err(error)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_BYTES);
    Ok((status, body.read_to_string().map_err(error)?))
}
