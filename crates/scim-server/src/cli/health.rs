//! `scim-server health`: asks a running server whether it is ready, for containers without a shell and curl.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::CommandError;
use super::arguments::HealthArgs;
use crate::config::listen;
use crate::egress;

/// The time for the answer. The server itself answers `/readyz` within three seconds.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Asks the server, and prints its answer.
///
/// # Errors
/// `Usage` when the address is invalid, and `NotHealthy` when the server cannot be reached or answers no.
pub fn run(arguments: &HealthArgs, output: &mut dyn Write) -> Result<(), CommandError> {
    let path = if arguments.live { "/livez" } else { "/readyz" };
    let url = format!("{}{path}", origin(arguments)?);
    let unhealthy = |reason: String| CommandError::NotHealthy(format!("{url}: {reason}"));
    let (status, body) = egress::probe(&url, TIME_LIMIT).map_err(|error| unhealthy(error.to_string()))?;
    let body = body.trim();
    if status != 200 {
        return Err(unhealthy(format!("status {status}: {body}")));
    }
    match arguments.json {
        true => writeln!(output, "{body}")?,
        false => writeln!(output, "{url}: OK")?,
    }
    Ok(())
}

/// Returns the URL of the server without a path.
fn origin(arguments: &HealthArgs) -> Result<String, CommandError> {
    if let Some(url) = &arguments.url {
        let is_web = url.starts_with("http://") || url.starts_with("https://");
        return match is_web && egress::host_and_port(url).is_some() {
            true => Ok(url.trim_end_matches('/').to_owned()),
            false => Err(CommandError::Usage(format!(
                "--url `{url}`: expected a URL such as `http://127.0.0.1:8080`"
            ))),
        };
    }
    let mut address = listen::resolve("--listen", &arguments.listen)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    // A server that listens on all addresses also listens on that of this machine.
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let scheme = if arguments.tls_certificate.is_some() {
        "https"
    } else {
        "http"
    };
    Ok(format!("{scheme}://{address}"))
}
