//! The configuration of a server, which is checked at the start. Each topic has a file.
//!
//! This module knows neither the command line nor the environment; `cli::arguments` reads both.

pub mod base_url;
pub mod database_url;
pub mod file;
pub mod listen;
pub mod oauth;
pub mod path_prefix;
pub mod retention;
pub mod schemas;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use scim_model::SchemaRegistry;

use crate::service::Settings;
use base_url::BaseUrl;
use listen::ManagementAddress;
use oauth::OAuthConfig;
use path_prefix::PathPrefix;
use retention::Retention;
use tls::TlsFiles;

/// Everything that a server needs to know before it opens its store.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address of the management listener, unless it is off.
    pub management: Option<ManagementAddress>,
    /// The certificate of the listener for SCIM; without one, it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The certificate of the management listener; without one, it speaks plain HTTP.
    pub management_tls: Option<TlsFiles>,
    /// A further address of the metrics.
    pub metrics: Option<SocketAddr>,
    /// The path below which the SCIM endpoints are.
    pub path_prefix: PathPrefix,
    /// The URL under which clients reach the server; without one, the address that it listens on with the path prefix.
    pub base_url: Option<BaseUrl>,
    /// The built-in schemas and resource types, and those of the operator.
    pub registry: Arc<SchemaRegistry>,
    /// The time for which journal entries are kept.
    pub retention: Retention,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The most bytes of large responses that may be in memory.
    pub max_response_bytes: usize,
    /// The time after which a client that does not read its response is disconnected.
    pub write_timeout: Duration,
    /// The time between a signal and the stop.
    pub shutdown_delay: Duration,
    /// The most tenants that the metrics count separately.
    pub metrics_tenants: usize,
    /// The URL of the collector of traces, without the path of traces. Without one, the standard variables of
    /// OpenTelemetry decide.
    pub otlp_endpoint: Option<String>,
    /// The settings of the authorization server, and the internal targets of outgoing requests.
    pub oauth: OAuthConfig,
    /// The settings of the operations, except for the base URL.
    pub settings: Settings,
}

impl Config {
    /// Returns the settings of a server that listens on an address.
    pub fn settings_at(&self, listening: SocketAddr) -> Settings {
        let base_url = match &self.base_url {
            Some(url) => url.clone(),
            None if self.tls.is_some() => BaseUrl::of_tls_listener(listening, &self.path_prefix),
            None => BaseUrl::of_listener(listening, &self.path_prefix),
        };
        Settings {
            base_url: base_url.as_str().into(),
            ..self.settings.clone()
        }
    }
}
