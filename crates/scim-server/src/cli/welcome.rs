//! The text that a server prints when it starts, and the token and the operator key of the first start.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Connection, Directory, OperatorKeys, StoreError};

use super::CommandError;
use super::hints::Hints;
use super::token::validity;
use crate::clock;
use crate::management::Access;
use crate::management::keys::{self, IssuedKey, KeyRequest, KeyScope};
use crate::management::tokens::{PreparedToken, TOKEN_DAYS};
use crate::private_file;

/// The name of the tenant of the first start.
pub const FIRST_TENANT: &str = "default";

/// The facts that a server shows when it starts.
pub struct Welcome<'a> {
    /// The URL that clients see.
    pub base_url: &'a str,
    /// The address that the server listens on.
    pub listen: SocketAddr,
    /// The URL of the management listener without a path, if there is one.
    pub management: Option<String>,
    /// The URL of the database, without its password.
    pub database: &'a str,
    /// The file for the token of the first start; without one, the token is printed.
    pub token_file: Option<&'a Path>,
    /// The file for the operator key of the first start.
    pub key_file: Option<&'a Path>,
    /// The commands that the text recommends.
    pub hints: &'a Hints,
}

impl Welcome<'_> {
    /// Prints the URL, the address and the tenants. The very first start creates a tenant with a token, and an operator
    /// key, and prints both, or writes them to the files. They are not shown again.
    ///
    /// # Errors
    /// `Refused` when a file exists already or cannot be created; nothing has then been created. See also
    /// [`CommandError`].
    pub fn print<S: Directory + OperatorKeys>(
        &self,
        store: &S,
        output: &mut dyn Write,
        now: DateTime<Utc>,
    ) -> Result<(), CommandError> {
        let first = match store.tenants()?.is_empty() {
            true => self.create_first(store, now)?,
            false => None,
        };
        let Welcome {
            base_url,
            listen,
            database,
            hints,
            ..
        } = self;
        writeln!(output, "SCIM 2.0 at {base_url}")?;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(
            output,
            "scim-server {version}, listening on {listen}, database {database}"
        )?;
        if let Some(origin) = &self.management {
            writeln!(output, "Management API at {origin}/api/v1")?;
        }
        match first {
            Some(secrets) => self.print_first(&secrets, output),
            None => {
                let names: Vec<String> = store.tenants()?.into_iter().map(|it| it.name).collect();
                let command = hints.command("token create --tenant NAME");
                writeln!(
                    output,
                    "Tenants: {}. To create a token: {command}",
                    names.join(", ")
                )?;
                Ok(())
            }
        }
    }

    /// Creates the first tenant, its token and the first operator key. `None` when another server on the same database
    /// was faster.
    fn create_first<S: Directory + OperatorKeys>(
        &self,
        store: &S,
        now: DateTime<Utc>,
    ) -> Result<Option<FirstSecrets>, CommandError> {
        let expires = Some(now + TimeDelta::days(i64::from(TOKEN_DAYS)));
        let token = PreparedToken::random(clock::new_id(), FIRST_NAME, Access::ReadAndWrite, now, expires)?;
        let request = KeyRequest {
            id: clock::new_id(),
            name: FIRST_NAME,
            scope: KeyScope::Admin,
            tenants: &[],
            expires: None,
        };
        // An operator who keeps the token out of the output would not want the more powerful key in it.
        let is_key_wanted =
            self.management.is_some() && (self.token_file.is_none() || self.key_file.is_some());
        let key = match is_key_wanted {
            true => Some(keys::prepare(&request, Vec::new(), now)?),
            false => None,
        };
        // The files come first: a secret that could not be written would be lost.
        let token_file = SecretFile::write("--first-token-file", self.token_file, &token.secret)?;
        let key_file = match &key {
            Some((_, issued)) => SecretFile::write("--first-key-file", self.key_file, &issued.secret)?,
            None => None,
        };
        let tenant = match store.create_tenant(FIRST_TENANT, now) {
            Ok(tenant) => tenant,
            Err(StoreError::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(connection) = store.connection(tenant, Connection::DEFAULT)? else {
            return Ok(None);
        };
        token.store(store, &connection)?;
        if let Some((new, _)) = &key {
            store.create_operator_key(new)?;
        }
        for file in [token_file, key_file].into_iter().flatten() {
            file.keep();
        }
        let key = key.map(|(_, issued)| issued);
        Ok(Some(FirstSecrets { token, key }))
    }

    fn print_first(&self, first: &FirstSecrets, output: &mut dyn Write) -> Result<(), CommandError> {
        let base_url = self.base_url;
        let until = validity(first.token.expires);
        let (place, token, read) = match self.token_file {
            Some(path) => {
                let path = path.display();
                (
                    "is in a file that only its owner can read",
                    format!("in {path}"),
                    format!("TOKEN=$(cat '{path}')"),
                )
            }
            None => (
                "is shown only now; keep it",
                first.token.secret.clone(),
                "read -r TOKEN    # and paste the token".to_owned(),
            ),
        };
        let key = match (&first.key, self.key_file) {
            (Some(_), Some(path)) => format!("in {}", path.display()),
            (Some(key), None) => format!("{}  (for the management API, shown only now)", key.secret),
            (None, _) => {
                let command = self.hints.command("key create --name NAME --scope admin");
                format!("none; to create one: {command}")
            }
        };
        writeln!(
            output,
            r#"
First start: created the tenant `{FIRST_TENANT}`. Its token {place}.

  Base URL  {base_url}
  Token     {token}
  Valid     {until}

  Operator key  {key}

Try it:

  {read}
  curl -H "Authorization: Bearer $TOKEN" "{base_url}/Users"
  curl -X POST -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/scim+json" -d '{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen"}}' "{base_url}/Users"
"#,
        )?;
        Ok(())
    }
}

/// The name of the first token and the first operator key.
const FIRST_NAME: &str = "created at the first start";

/// The secrets of the first start.
struct FirstSecrets {
    token: PreparedToken,
    key: Option<IssuedKey>,
}

/// A new file with a secret. It is removed unless the secret is stored.
struct SecretFile<'a> {
    path: &'a Path,
    is_kept: bool,
}

impl<'a> SecretFile<'a> {
    /// Writes the file, if there is a path.
    fn write(
        flag: &str,
        path: Option<&'a Path>,
        secret: &str,
    ) -> Result<Option<SecretFile<'a>>, CommandError> {
        let Some(path) = path else { return Ok(None) };
        private_file::create(path, secret).map_err(|error| unwritable(flag, path, &error))?;
        let is_kept = false;
        Ok(Some(SecretFile { path, is_kept }))
    }

    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for SecretFile<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // This process has created the file, and its content is not a valid secret.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

fn unwritable(flag: &str, path: &Path, error: &io::Error) -> CommandError {
    let path = path.display();
    CommandError::Refused(match error.kind() {
        io::ErrorKind::AlreadyExists => format!(
            "{flag}: `{path}` exists already, and is not overwritten: move it away, or name another file"
        ),
        _ => format!("{flag}: cannot create `{path}`: {error}"),
    })
}
