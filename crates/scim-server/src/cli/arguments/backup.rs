//! The arguments of `backup`.

use std::path::PathBuf;

use clap::Args;

use super::{SecretsKeyArgs, path};

/// The arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The new file, readable by its owner only
    #[arg(value_name = "FILE", value_parser = path())]
    pub file: PathBuf,
    /// The key that seals secrets in the database.
    #[command(flatten)]
    pub key: SecretsKeyArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
