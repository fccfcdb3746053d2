//! The commands below `tenant`.

use clap::Subcommand;

use crate::cli::names;

/// The commands below `tenant`.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Create a tenant
    Create {
        /// Letters, digits, `-`, `_` and `.`
        #[arg(value_parser = names::name)]
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the tenants
    List {
        /// Print one JSON object, with the list as `items`
        #[arg(long)]
        json: bool,
    },
    /// Give a tenant another name; its connections, tokens, users and groups stay
    Rename {
        /// The name of the tenant
        name: String,
        /// Letters, digits, `-`, `_` and `.`
        #[arg(value_parser = names::name)]
        new_name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete a tenant with all its users, groups and tokens
    Delete {
        /// The name of the tenant
        name: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}
