//! The arguments of `undo`.

use chrono::{DateTime, Utc};
use clap::Args;
use uuid::Uuid;

use super::StoredFormArgs;

/// The arguments of `undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
    /// Only changes by this connection, which may have been deleted
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// Only changes by this token, client or operator key
    #[arg(long, value_name = "ID")]
    pub credential: Option<Uuid>,
    /// Only changes by this request
    #[arg(long, value_name = "ID")]
    pub request: Option<String>,
    /// Only changes at this time or later, for example `2026-11-30T12:00:00Z`
    #[arg(long, value_name = "TIME")]
    pub from: Option<DateTime<Utc>>,
    /// Only changes at this time or earlier
    #[arg(long, value_name = "TIME")]
    pub to: Option<DateTime<Utc>>,
    /// Undo the changes; without it, the command only says what would be done
    #[arg(long)]
    pub execute: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// The settings of the servers.
    #[command(flatten)]
    pub form: StoredFormArgs,
}
