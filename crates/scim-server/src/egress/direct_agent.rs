//! The agent for targets that the operator has chosen: without a proxy, and without rules about addresses.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::TlsConfig;

/// Creates an agent that returns responses of any status, and gives a request up after a time. It follows no redirects: they
/// would take the headers, which can have a key, to another place.
pub(super) fn direct_agent(tls: TlsConfig, time_limit: Duration) -> Agent {
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(time_limit))
        .build();
    Agent::new_with_config(config)
}
