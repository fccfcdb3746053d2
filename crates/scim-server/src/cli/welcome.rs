//! The text that a server prints when it starts, and the token of the first start.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Connection, Directory, StoreError};

use super::CommandError;
use super::arguments::DEFAULT_TOKEN_DAYS;
use super::hints::Hints;
use super::token::{NewSecret, validity};
use crate::private_file;

/// The name of the tenant of the first start.
pub const FIRST_TENANT: &str = "default";

/// The facts that a server shows when it starts.
pub struct Welcome<'a> {
    /// The URL that clients see.
    pub base_url: &'a str,
    /// The address that the server listens on.
    pub listen: SocketAddr,
    /// The URL of the database, without its password.
    pub database: &'a str,
    /// The file for the token of the first start; without one, the token is printed.
    pub token_file: Option<&'a Path>,
    /// The commands that the text recommends.
    pub hints: &'a Hints,
}

impl Welcome<'_> {
    /// Prints the URL, the address and the tenants. The very first start creates a tenant with a token, and prints the
    /// token, or writes it to the file. It is not shown again.
    ///
    /// # Errors
    /// `Refused` when the file exists already or cannot be created; nothing has then been created. See also
    /// [`CommandError`].
    pub fn print(
        &self,
        directory: &dyn Directory,
        output: &mut dyn Write,
        now: DateTime<Utc>,
    ) -> Result<(), CommandError> {
        let first = match directory.tenants()?.is_empty() {
            true => self.create_first(directory, now)?,
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
        match first {
            Some(secret) => self.print_first(&secret, output),
            None => {
                let names: Vec<String> = directory.tenants()?.into_iter().map(|it| it.name).collect();
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

    /// Creates the first tenant and its token. `None` when another server on the same database was faster.
    fn create_first(
        &self,
        directory: &dyn Directory,
        now: DateTime<Utc>,
    ) -> Result<Option<NewSecret>, CommandError> {
        let expires = Some(now + TimeDelta::days(i64::from(DEFAULT_TOKEN_DAYS)));
        let new = NewSecret::random(now, expires, "created at the first start", false)?;
        // The file comes first: a token that could not be written would be lost.
        if let Some(path) = self.token_file {
            private_file::create(path, &new.secret).map_err(|error| unwritable(path, &error))?;
        }
        let created = match directory.create_tenant(FIRST_TENANT, now) {
            Ok(tenant) => match directory.connection(tenant, Connection::DEFAULT)? {
                Some(connection) => new.store(directory, &connection).map(|()| Some(new)),
                None => Ok(None),
            },
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        };
        if let Some(path) = self.token_file
            && !matches!(created, Ok(Some(_)))
        {
            // This process has created the file, and its content is not a token.
            let _ = std::fs::remove_file(path);
        }
        created
    }

    fn print_first(&self, new: &NewSecret, output: &mut dyn Write) -> Result<(), CommandError> {
        let base_url = self.base_url;
        let until = validity(new.expires);
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
                new.secret.clone(),
                "read -r TOKEN    # and paste the token".to_owned(),
            ),
        };
        writeln!(
            output,
            r#"
First start: created the tenant `{FIRST_TENANT}`. Its token {place}.

  Base URL  {base_url}
  Token     {token}
  Valid     {until}

Try it:

  {read}
  curl -H "Authorization: Bearer $TOKEN" "{base_url}/Users"
  curl -X POST -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/scim+json" -d '{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen"}}' "{base_url}/Users"
"#,
        )?;
        Ok(())
    }
}

fn unwritable(path: &Path, error: &io::Error) -> CommandError {
    let path = path.display();
    CommandError::Refused(match error.kind() {
        io::ErrorKind::AlreadyExists => format!(
            "--first-token-file: `{path}` exists already, and is not overwritten: move it away, or name another file"
        ),
        _ => format!("--first-token-file: cannot create `{path}`: {error}"),
    })
}
