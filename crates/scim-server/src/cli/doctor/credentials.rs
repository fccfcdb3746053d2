//! Credentials that are about to expire.

use chrono::TimeDelta;

use super::examined::Examined;
use super::finding::Findings;
use crate::cli::{CommandError, Terminal};

const CHECK: &str = "credentials";

/// The time before an expiry from which on it is a finding, as in the log of the server.
const NOTICE: TimeDelta = TimeDelta::days(30);

pub(super) fn examine(
    store: &dyn Examined,
    terminal: &Terminal,
    findings: &mut Findings,
) -> Result<(), CommandError> {
    let (now, until) = (terminal.now, terminal.now + NOTICE);
    let before = findings.problems();
    for token in store.expiring_tokens(now, until)? {
        let Some(expires) = token.expires else { continue };
        findings.warning(
            CHECK,
            format!(
                "the token {} of the tenant {} and its connection {} expires on {}",
                token.id,
                token.tenant_name,
                token.connection.name,
                expires.format("%Y-%m-%d")
            ),
            format!(
                "run `{}`",
                terminal.hints.command(&format!("token rotate {}", token.id))
            ),
        );
    }
    for secret in store.expiring_secrets(now, until)? {
        let command = format!("client secret add {}", secret.client_id);
        findings.warning(
            CHECK,
            format!(
                "a secret of the client {} of the tenant {} and its connection {} expires on {}",
                secret.client_id,
                secret.tenant_name,
                secret.connection_name,
                secret.expires.format("%Y-%m-%d")
            ),
            format!("run `{}`", terminal.hints.command(&command)),
        );
    }
    for key in store.operator_keys()? {
        let Some(expires) = key.expires.filter(|it| key.is_valid(now) && *it < until) else {
            continue;
        };
        findings.warning(
            CHECK,
            format!(
                "the operator key {} ({}) expires on {}",
                key.id,
                key.name,
                expires.format("%Y-%m-%d")
            ),
            format!(
                "create another one with `{}`",
                terminal.hints.command("key create")
            ),
        );
    }
    if findings.problems() == before {
        findings.good(CHECK, "none expires within 30 days");
    }
    Ok(())
}
