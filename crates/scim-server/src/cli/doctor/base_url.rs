//! The base URL: whether a server answers there.

use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;

use super::database::skew;
use super::finding::Findings;
use crate::clock;
use crate::config::Config;
use crate::egress::{Egress, EgressSettings, Limits, Method, Oversize, Request, Response, system_lookup};

const CHECK: &str = "base URL";

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    total: Duration::from_secs(10),
    body: 256 * 1024,
    oversize: Oversize::Refuse,
};

/// Asks for ServiceProviderConfig, which needs no token. Without a base URL, nothing is asked.
pub(super) fn examine(config: &Config, findings: &mut Findings) {
    let Some(base_url) = &config.base_url else {
        return findings.good(CHECK, "none is set, so it was not tried");
    };
    let url = format!("{base_url}/ServiceProviderConfig");
    match get(&url, config) {
        Ok(response) if is_service_provider_config(&response) => {
            findings.good(CHECK, format!("{base_url} answers"));
            let date = response.header("date").map(DateTime::parse_from_rfc2822);
            if let Some(Ok(date)) = date {
                // The header has whole seconds.
                skew("the base URL", date.to_utc() - clock::now(), findings);
            }
        }
        Ok(response) => findings.error(
            CHECK,
            format!("{url} answers with status {} and not as a SCIM server does", response.status),
            "let the proxy forward the path of the base URL to the path prefix of this server, and start the server",
        ),
        Err(error) => findings.error(
            CHECK,
            format!("{url} does not answer: {error}"),
            "check the name, the proxy, its certificate, and that the server runs; `--egress-ca-file` names a private \
             certificate authority",
        ),
    }
}

/// The operator has chosen this URL, so that it may lead anywhere.
fn get(url: &str, config: &Config) -> Result<Response, String> {
    let everywhere = ["0.0.0.0/0", "::/0"].iter().filter_map(|it| it.parse().ok());
    let settings = EgressSettings {
        allow: everywhere.collect(),
        authorities: config.oauth.egress.authorities.clone(),
        ..EgressSettings::default()
    };
    let egress = Egress::new(settings, system_lookup());
    let target = egress.target(url).map_err(|it| it.to_string())?;
    let request = Request {
        method: Method::Get,
        target: &target,
        headers: &[("accept", "application/scim+json")],
        body: &[],
    };
    egress.send(&request, &LIMITS).map_err(|it| it.to_string())
}

fn is_service_provider_config(response: &Response) -> bool {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let schemas = body["schemas"].as_array();
    let is_schema = |it: &Value| it == "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
    response.status == 200 && schemas.is_some_and(|it| it.iter().any(is_schema))
}
