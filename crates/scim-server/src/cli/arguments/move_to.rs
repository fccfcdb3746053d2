//! The arguments of `move`.

use clap::Args;

use super::SecretsKeyArgs;
use crate::config::database_url::DatabaseUrl;

/// The arguments of `move`.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// The empty PostgreSQL database that gets the data, as `postgres://…`; its password can be in `PGPASSWORD`
    #[arg(long, value_name = "URL")]
    pub to: DatabaseUrl,
    /// The key that seals secrets in the database.
    #[command(flatten)]
    pub key: SecretsKeyArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
