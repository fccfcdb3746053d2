//! The arguments of `export` and `import`.

use std::path::PathBuf;

use clap::Args;

use super::{GroupNames, SCIM, path};
use crate::cli::names;

/// The settings of the servers that decide how resources are stored.
#[derive(Debug, Args)]
pub struct StoredFormArgs {
    /// The folder with the JSON documents of your own schemas and resource types, as for the servers
    #[arg(long, help_heading = SCIM, env = "SCIM_SCHEMAS", value_name = "DIR", value_parser = path())]
    pub schemas: Option<PathBuf>,
    /// Whether the groups of a tenant must have different display names, as for the servers
    #[arg(long, help_heading = SCIM, env = "SCIM_GROUP_NAMES", value_enum, default_value_t = GroupNames::Unique)]
    pub group_names: GroupNames,
}

/// The arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
    /// Include the connections, their OAuth clients and federations, and valid tokens and client secrets as hashes
    #[arg(long)]
    pub with_tokens: bool,
    /// Include the hashes of passwords and other secrets
    #[arg(long)]
    pub with_password_hashes: bool,
    /// Include the journal
    #[arg(long)]
    pub with_journal: bool,
    /// The settings of the servers.
    #[command(flatten)]
    pub form: StoredFormArgs,
}

/// The arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The tenant, which is created if it does not exist
    #[arg(long, value_name = "NAME", value_parser = names::name)]
    pub tenant: String,
    /// Store nothing, and report what would be refused and why
    #[arg(long)]
    pub dry_run: bool,
    /// Keep the ids of resources; without it, each gets a new id, always the same one in the same tenant
    #[arg(long)]
    pub keep_ids: bool,
    /// Keep the versions, and the times of creation and of the last change
    #[arg(long)]
    pub keep_versions: bool,
    /// Create the connections of the export with their tokens, OAuth clients and federations
    #[arg(long)]
    pub keep_tokens: bool,
    /// Store the journal of the export at its positions, so that its readers continue, instead of new entries
    #[arg(long, requires_all = ["keep_ids", "keep_versions"])]
    pub keep_journal: bool,
    /// The settings of the servers.
    #[command(flatten)]
    pub form: StoredFormArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
