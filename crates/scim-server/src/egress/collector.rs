//! Requests to the collector of traces, whose URL the operator has chosen.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Request, Response};
use ureq::tls::TlsConfig;

use super::authorities::Authorities;
use super::client::error;
use super::direct_agent::direct_agent;
use super::error::EgressError;

/// The largest answer that is read, in bytes. A collector answers with a few bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// The client for a collector. It keeps a connection open between requests. No proxy is used, and the addresses of the
/// server's own network are permitted.
#[derive(Clone, Debug)]
pub struct CollectorClient {
    agent: Agent,
}

impl CollectorClient {
    /// Creates a client that trusts these authorities, and gives a request up after a time.
    pub fn new(authorities: Authorities, time_limit: Duration) -> CollectorClient {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(authorities.0)
            .build();
        CollectorClient {
            agent: direct_agent(tls, time_limit),
        }
    }

    /// Sends a request, and returns its answer with any status. Blocks the thread for at most the time limit.
    ///
    /// # Errors
    /// See [`EgressError`]. None is `Refused`.
    pub fn send(&self, request: Request<&[u8]>) -> Result<Response<Vec<u8>>, EgressError> {
        let response = self.agent.run(request).map_err(error)?;
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        let read = body.as_reader().take(MAX_BYTES).read_to_end(&mut bytes);
        read.map_err(|failed| error(ureq::Error::from(failed)))?;
        Ok(Response::from_parts(head, bytes))
    }
}
