//! Endpoints of webhooks and streams that do not get their events, and the key that their secrets need.

use scim_model::store::SetStreamStatus;
use uuid::Uuid;

use super::examined::Examined;
use super::finding::Findings;
use crate::cli::{CommandError, Terminal, timestamp, with_sources};
use crate::sealing::{KeyFile, Purpose};

const WEBHOOKS: &str = "webhooks";
const STREAMS: &str = "security event streams";

pub(super) fn examine(
    store: &dyn Examined,
    keys: &KeyFile,
    terminal: &Terminal,
    findings: &mut Findings,
) -> Result<(), CommandError> {
    webhooks(store, terminal, findings)?;
    streams(store, terminal, findings)?;
    let sealed = sealed(store)?;
    if !sealed.is_empty() {
        secrets_key(keys, &sealed, findings);
    }
    Ok(())
}

fn webhooks(store: &dyn Examined, terminal: &Terminal, findings: &mut Findings) -> Result<(), CommandError> {
    let webhooks = store.webhooks()?;
    let before = findings.problems();
    for webhook in &webhooks {
        let show = terminal.hints.command(&format!("webhook show {}", webhook.id));
        if let Some((reason, since)) = &webhook.disabled {
            let enable = terminal.hints.command(&format!("webhook enable {}", webhook.id));
            findings.warning(
                WEBHOOKS,
                format!(
                    "the endpoint {} is disabled since {}: {reason}",
                    webhook.id,
                    timestamp(*since)
                ),
                format!("run `{enable}` if it is needed again"),
            );
        } else if let Some(since) = webhook.health.failing_since {
            findings.error(
                WEBHOOKS,
                format!(
                    "the endpoint {} has been failing since {}",
                    webhook.id,
                    timestamp(since)
                ),
                format!("run `{show}` to see the answers of the receiver"),
            );
        } else if !store.webhook_messages(webhook.id, true, None, 1)?.is_empty() {
            let replay = terminal
                .hints
                .command(&format!("webhook replay {} --event ID", webhook.id));
            findings.warning(
                WEBHOOKS,
                format!("messages for the endpoint {} were given up", webhook.id),
                format!("run `{show}` to see them, and `{replay}` to send one again"),
            );
        }
    }
    if findings.problems() == before {
        findings.good(
            WEBHOOKS,
            format!("endpoints that get their events: {}", webhooks.len()),
        );
    }
    Ok(())
}

fn streams(store: &dyn Examined, terminal: &Terminal, findings: &mut Findings) -> Result<(), CommandError> {
    let streams = store.set_streams()?;
    let before = findings.problems();
    for stream in &streams {
        let show = terminal.hints.command(&format!("set-stream show {}", stream.id));
        if stream.state.status != SetStreamStatus::Enabled {
            let enable = terminal
                .hints
                .command(&format!("set-stream enable {}", stream.id));
            findings.warning(
                STREAMS,
                format!(
                    "the stream {} is {} since {}: {}",
                    stream.id,
                    stream.state.status.as_str(),
                    timestamp(stream.state.since),
                    stream.state.reason
                ),
                format!("run `{enable}` if it is needed again"),
            );
        } else if let Some(since) = stream.health.failing_since {
            findings.error(
                STREAMS,
                format!(
                    "the stream {} has been failing since {}",
                    stream.id,
                    timestamp(since)
                ),
                format!("run `{show}`, and look for the cause in the log of the server"),
            );
        }
    }
    if findings.problems() == before {
        findings.good(
            STREAMS,
            format!("streams that get their events: {}", streams.len()),
        );
    }
    Ok(())
}

/// A sealed value, with the purpose and the row that it was sealed for.
type Sealed = (Purpose, Uuid, Vec<u8>);

/// The sealed values of webhooks and streams, and the private keys.
fn sealed(store: &dyn Examined) -> Result<Vec<Sealed>, CommandError> {
    let mut sealed = Vec::new();
    for webhook in store.webhooks()? {
        let headers = webhook.settings.headers.into_iter();
        sealed.extend(headers.map(|it| (Purpose::WebhookHeaders, webhook.id, it)));
        let secrets = webhook.secrets.into_iter();
        sealed.extend(secrets.map(|it| (Purpose::WebhookSecret, it.id, it.sealed)));
    }
    let keys = store.signing_keys()?.into_iter();
    sealed.extend(keys.map(|it| (Purpose::SigningKey, it.id, it.sealed)));
    Ok(sealed)
}

fn secrets_key(keys: &KeyFile, sealed: &[Sealed], findings: &mut Findings) {
    const CHECK: &str = "secrets key";
    let mut opened = sealed
        .iter()
        .map(|(purpose, row, value)| keys.open(*purpose, *row, value));
    if let Some(Err(error)) = opened.find(Result::is_err) {
        return findings.error(
            CHECK,
            with_sources(&error),
            "name the file that the servers use with `--secrets-key-file`, or restore it from its backup",
        );
    }
    let Some(path) = keys.path() else { return };
    #[cfg(unix)]
    if let Ok(metadata) = path.metadata()
        && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
    {
        return findings.warning(
            CHECK,
            format!("other users may be able to read {}", path.display()),
            format!("run `chmod 600 {}`", path.display()),
        );
    }
    findings.good(CHECK, format!("{} opens the sealed secrets", path.display()));
}
