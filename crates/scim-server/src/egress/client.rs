//! The client: one request, one response, within limits.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http;
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;

use super::allow::AllowList;
use super::authorities::Authorities;
use super::error::EgressError;
use super::own::OwnAddresses;
use super::proxy::ProxyUrl;
use super::resolver::{GuardedResolver, Lookup};
use super::target::{NEEDS_ENTRY, Reach, Rules, Target};

/// The largest header section of a response.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The client for outgoing requests.
#[derive(Debug)]
pub struct Egress {
    agent: Agent,
    resolver: GuardedResolver,
}

/// The settings of the client.
#[derive(Clone, Debug, Default)]
pub struct EgressSettings {
    /// The internal targets that are permitted.
    pub allow: AllowList,
    /// The addresses of this server, which no target may lead to.
    pub own: OwnAddresses,
    /// The certificate authorities that are trusted.
    pub authorities: Authorities,
    /// The proxy that all requests go through. It resolves the names in URLs, and has to refuse internal addresses.
    pub proxy: Option<ProxyUrl>,
}

/// A request. Its headers and body come from this server, and its target may come from a tenant.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The target, which [`Egress::target`] has checked.
    pub target: &'a Target,
    /// Names and values of headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty for `GET`.
    pub body: &'a [u8],
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Delivers a body.
    Post,
}

/// The limits of a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time for a connection.
    pub connect: Duration,
    /// The time for everything, from the lookup of the name to the last byte of the response.
    pub total: Duration,
    /// The largest body of a response, in bytes.
    pub body: usize,
    /// The treatment of a larger body.
    pub oversize: Oversize,
}

/// The treatment of a response body that exceeds its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversize {
    /// The response is an error.
    Refuse,
    /// The rest is not read.
    Truncate,
}

/// A response with any status.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names, in lower case, and values of the headers. Values that are not text are left out.
    pub headers: Vec<(String, String)>,
    /// The body, without decompression.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the first value of a header. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(it, _)| it == name);
        header.map(|(_, value)| value.as_str())
    }
}

impl Egress {
    /// Creates a client.
    pub fn new(settings: EgressSettings, lookup: Lookup) -> Egress {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(settings.authorities.0)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            // By default, the client library reads a proxy from the environment.
            .proxy(settings.proxy.map(|it| it.0))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .accept_encoding(ureq::config::AutoHeaderValue::None)
            .user_agent(concat!("scim-server/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(MAX_HEADER_BYTES)
            // Every request resolves and checks the name again.
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .build();
        let resolver = GuardedResolver {
            rules: Rules {
                allow: settings.allow,
                own: settings.own,
                has_proxy: config.proxy().is_some(),
            },
            lookup,
        };
        let connector = DefaultConnector::new();
        let agent = match config.proxy() {
            // The only name that is resolved is that of the proxy, which the operator has chosen.
            Some(_) => Agent::with_parts(config, connector, DefaultResolver::default()),
            None => Agent::with_parts(config, connector, resolver.clone()),
        };
        Egress { agent, resolver }
    }

    /// Checks the shape of a URL, and its address if it has one instead of a name.
    ///
    /// # Errors
    /// `Refused`.
    pub fn target(&self, url: &str) -> Result<Target, EgressError> {
        self.resolver.rules.target(url)
    }

    /// Checks a URL and the addresses that its name has now, for an early message when the URL is stored. With a proxy,
    /// only the proxy may be able to resolve the name.
    ///
    /// # Errors
    /// `Refused`, or `Unresolved` when the name has no address now, which may change later. A URL that only an address of
    /// the operator's networks permits is `Refused` then.
    pub fn check(&self, url: &str) -> Result<Target, EgressError> {
        let target = self.target(url)?;
        if self.resolver.rules.has_proxy {
            return Ok(target);
        }
        match self.resolver.addresses(&target, Duration::MAX) {
            Err(error @ EgressError::Unresolved) if target.reach == Reach::Internal => {
                Err(EgressError::Refused(format!("{error}, and {NEEDS_ENTRY}")))
            }
            result => result.map(|_| target),
        }
    }

    /// Sends a request. Blocks the thread for at most the total time of the limits.
    ///
    /// # Errors
    /// See [`EgressError`].
    pub fn send(&self, request: &Request, limits: &Limits) -> Result<Response, EgressError> {
        let mut builder = http::Request::builder()
            .method(match request.method {
                Method::Get => http::Method::GET,
                Method::Post => http::Method::POST,
            })
            .uri(request.target.url());
        for (name, value) in request.headers {
            builder = builder.header(*name, *value);
        }
        let invalid = |error: http::Error| EgressError::Refused(format!("the request is not valid: {error}"));
        let response = match request.method {
            Method::Get => self.run(builder.body(()).map_err(invalid)?, limits)?,
            Method::Post => self.run(builder.body(request.body).map_err(invalid)?, limits)?,
        };
        let status = response.status().as_u16();
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = response.headers().iter().filter_map(text).collect();
        Ok(Response {
            status,
            headers,
            body: read(response, limits)?,
        })
    }

    fn run<S: ureq::AsSendBody>(
        &self,
        request: http::Request<S>,
        limits: &Limits,
    ) -> Result<http::Response<ureq::Body>, EgressError> {
        let configured = self
            .agent
            .configure_request(request)
            .timeout_connect(Some(limits.connect))
            .timeout_global(Some(limits.total))
            .build();
        self.agent.run(configured).map_err(error)
    }
}

fn read(mut response: http::Response<ureq::Body>, limits: &Limits) -> Result<Vec<u8>, EgressError> {
    let mut body = Vec::new();
    // One byte more than the limit shows that the body is larger.
    let most = limits.body as u64 + 1;
    let reader = response.body_mut().as_reader();
    reader.take(most).read_to_end(&mut body).map_err(|failed| {
        // An error of the client library is wrapped, and comes out again here.
        error(ureq::Error::from(failed))
    })?;
    if body.len() > limits.body {
        match limits.oversize {
            Oversize::Refuse => return Err(EgressError::TooLarge),
            Oversize::Truncate => body.truncate(limits.body),
        }
    }
    Ok(body)
}

/// Maps an error of the client library to the reaction of a caller.
pub(super) fn error(error: ureq::Error) -> EgressError {
    match error {
        ureq::Error::Other(error) => match error.downcast::<EgressError>() {
            Ok(refused) => *refused,
            Err(other) => EgressError::Protocol(other.to_string()),
        },
        ureq::Error::Timeout(_) | ureq::Error::BodyStalled => EgressError::Timeout,
        ureq::Error::HostNotFound => EgressError::Unresolved,
        ureq::Error::ConnectionFailed => {
            EgressError::Unreachable("no address accepts connections".to_owned())
        }
        ureq::Error::ConnectProxyFailed(reason) => {
            EgressError::Unreachable(format!("the proxy opened no tunnel: {reason}"))
        }
        ureq::Error::Rustls(error) => EgressError::Tls(error.to_string()),
        ureq::Error::Tls(text) => EgressError::Tls(text.to_owned()),
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => EgressError::TooLarge,
        ureq::Error::Io(error) => {
            let tls = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
            match tls {
                Some(tls) => EgressError::Tls(tls.to_string()),
                None => EgressError::Unreachable(error.to_string()),
            }
        }
        other => EgressError::Protocol(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
