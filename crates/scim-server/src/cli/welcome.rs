//! The text that a server prints when it starts.

use std::io::Write;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Directory, StoreError, TenantId};

use super::CommandError;
use super::arguments::DEFAULT_TOKEN_DAYS;
use super::token::{create, validity};

/// The name of the tenant of the first start.
pub const FIRST_TENANT: &str = "default";

/// Prints the base URL and the tenants. The very first start creates a tenant with a token, and prints the token, which
/// is not shown again.
///
/// # Errors
/// See [`CommandError`].
pub fn print(
    directory: &dyn Directory,
    base_url: &str,
    output: &mut dyn Write,
    now: DateTime<Utc>,
) -> Result<(), CommandError> {
    if directory.tenants()?.is_empty() {
        match directory.create_tenant(FIRST_TENANT, now) {
            Ok(tenant) => return print_first(directory, tenant, base_url, output, now),
            // Another server on the same database was faster.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let names: Vec<String> = directory.tenants()?.into_iter().map(|it| it.name).collect();
    writeln!(output, "SCIM 2.0 at {base_url}")?;
    writeln!(
        output,
        "Tenants: {}. To create a token: scim-server token create --tenant NAME",
        names.join(", ")
    )?;
    Ok(())
}

fn print_first(
    directory: &dyn Directory,
    tenant: TenantId,
    base_url: &str,
    output: &mut dyn Write,
    now: DateTime<Utc>,
) -> Result<(), CommandError> {
    let expires = Some(now + TimeDelta::days(i64::from(DEFAULT_TOKEN_DAYS)));
    let note = "created at the first start";
    let (secret, _) = create(directory, tenant, now, expires, note, false)?;
    writeln!(
        output,
        r#"SCIM 2.0 at {base_url}

First start: created the tenant `{FIRST_TENANT}`. Its token is shown only now; keep it.

  Base URL  {base_url}
  Token     {secret}
  Valid     {until}

Try it:

  curl -H "Authorization: Bearer {secret}" "{base_url}/Users"
  curl -X POST -H "Authorization: Bearer {secret}" -H "Content-Type: application/scim+json" -d '{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen"}}' "{base_url}/Users"
"#,
        until = validity(expires),
    )?;
    Ok(())
}
