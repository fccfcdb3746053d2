//! The authorization server as the HTTP service holds it.

use std::sync::Arc;

use ipnet::IpNet;

use crate::oauth::TokenEndpoint;

/// The authorization server of an HTTP service.
#[derive(Clone)]
pub struct OAuth {
    /// The token endpoint.
    pub endpoint: Arc<TokenEndpoint>,
    /// The proxies whose `X-Forwarded-For` names the address of a client.
    pub trusted_proxies: Arc<[IpNet]>,
}
