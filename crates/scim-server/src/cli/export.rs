//! `scim-server export`: writes a tenant as JSON lines.

use std::io::{self, BufWriter, Write};

use chrono::{DateTime, Utc};
use scim_model::SecretHash;
use scim_model::store::{Credentials, Directory, ExportParts, Exported, Stored, Tenant, Transfer};
use serde_json::{Map, Value, json};

use super::arguments::ExportArgs;
use super::progress::Progress;
use super::transfer::{
    ChangeLine, ClientLine, ConnectionLine, End, FORMAT, Header, Line, SECRETS, TokenLine,
};
use super::{CommandError, find_tenant, timestamp};

/// Writes a tenant to the output, as of one moment. The memory that is needed does not depend on the number of resources.
///
/// # Errors
/// `NoTenant`; `Io` also when the reader closes the output early, because the export is then incomplete.
pub fn run(
    store: &(impl Credentials + Directory + Transfer),
    arguments: &ExportArgs,
    output: impl Write,
    now: DateTime<Utc>,
) -> Result<(), CommandError> {
    let tenant = find_tenant(store, &arguments.tenant)?;
    // Before the snapshot: the hashes must not be newer than the connections.
    let credentials = match arguments.with_tokens {
        true => credentials(store, &tenant, now)?,
        false => Vec::new(),
    };
    let mut writer = Writer {
        output: BufWriter::new(output),
        progress: Progress::new("resources"),
        counted: End {
            resources: 0,
            changes: 0,
        },
        failed: None,
    };
    let wanted = ExportParts {
        secrets: arguments.with_password_hashes,
        changes: arguments.with_journal,
    };
    let header = |position: String, dropped: Option<String>, resources: u64| Header {
        format: FORMAT,
        tenant: tenant.name.clone(),
        exported: timestamp(now),
        position,
        dropped,
        resources,
        has_tokens: arguments.with_tokens,
        has_password_hashes: arguments.with_password_hashes,
        has_journal: arguments.with_journal,
    };
    store.export(tenant.id, wanted, &mut |record| {
        let written = match record {
            Exported::Start {
                position,
                dropped,
                resources,
            } => {
                writer.progress.set_length(resources);
                let dropped = dropped.map(|it| it.to_string());
                let first = Line::Export(header(position.to_string(), dropped, resources));
                writer.lines(std::iter::once(&first).chain(&credentials))
            }
            Exported::Resource { stored, secrets } => writer.resource(&stored, secrets),
            Exported::Change(change) => {
                writer.counted.changes += 1;
                writer.lines([&Line::Change(Box::new(ChangeLine::of(&change)))])
            }
        };
        writer.failed = written.err();
        writer.failed.is_none()
    })?;
    writer.finish()
}

/// The connections of a tenant, its tokens that can still be used, its OAuth clients and its federations.
fn credentials(
    store: &(impl Credentials + Directory + Transfer),
    tenant: &Tenant,
    now: DateTime<Utc>,
) -> Result<Vec<Line>, CommandError> {
    let hashes = store.token_hashes(tenant.id)?;
    let connections = store.connections(tenant.id)?;
    let connections = connections
        .iter()
        .map(|it| Line::Connection(ConnectionLine::of(it)));
    let tokens = store.tokens(Some(tenant.id))?;
    let tokens = tokens.iter().filter_map(|it| {
        let is_valid = it.revoked.is_none() && it.expires.is_none_or(|expires| expires > now);
        let hash = hashes.get(&it.id).filter(|_| is_valid)?;
        Some(Line::Token(TokenLine::of(it, hash)))
    });
    let clients = store.clients(Some(tenant.id))?;
    let clients = clients
        .iter()
        .map(|it| Line::Client(Box::new(ClientLine::of(it, now))));
    Ok(connections.chain(tokens).chain(clients).collect())
}

struct Writer<W: Write> {
    output: BufWriter<W>,
    progress: Progress,
    counted: End,
    /// The reason why nothing more is written.
    failed: Option<io::Error>,
}

impl<W: Write> Writer<W> {
    fn lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a Line>) -> io::Result<()> {
        for line in lines {
            serde_json::to_writer(&mut self.output, line)?;
            self.output.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Writes a resource. Its stored text begins with `schemas` and is not parsed.
    fn resource(&mut self, stored: &Stored, secrets: Vec<(String, SecretHash)>) -> io::Result<()> {
        let meta = json!({
            "resourceType": &*stored.resource_type,
            "created": timestamp(stored.created),
            "lastModified": timestamp(stored.last_modified),
            "version": format!("W/\"{}\"", stored.version),
        });
        let attributes = stored.document.strip_suffix('}');
        let attributes = attributes.ok_or_else(|| io::Error::other("a stored document is damaged"))?;
        self.output.write_all(attributes.as_bytes())?;
        write!(self.output, ",\"id\":\"{}\",\"meta\":{meta}", stored.id)?;
        if let Some(members) = stored.members.as_ref().filter(|it| !it.is_empty()) {
            self.output.write_all(b",\"members\":[")?;
            for (index, member) in members.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let type_ = Value::from(&*member.resource_type);
                write!(
                    self.output,
                    "{comma}{{\"value\":\"{}\",\"type\":{type_}}}",
                    member.id
                )?;
            }
            self.output.write_all(b"]")?;
        }
        if !secrets.is_empty() {
            let hashes = secrets
                .into_iter()
                .map(|(path, SecretHash(hash))| (path, Value::from(hash)));
            let hashes = Value::Object(hashes.collect::<Map<_, _>>());
            write!(self.output, ",\"{SECRETS}\":{hashes}")?;
        }
        self.output.write_all(b"}\n")?;
        self.counted.resources += 1;
        self.progress.set(self.counted.resources);
        Ok(())
    }

    fn finish(mut self) -> Result<(), CommandError> {
        if let Some(error) = self.failed.take() {
            return Err(error.into());
        }
        self.lines([&Line::End(self.counted)])?;
        Ok(self.output.flush()?)
    }
}
