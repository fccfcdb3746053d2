//! The arguments of `doctor`.

use clap::Args;

use super::ServeArgs;

/// The arguments of `doctor`: the settings of the server that it examines.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print one JSON object, with the findings as `items`
    #[arg(long)]
    pub json: bool,
    /// The settings of the server.
    #[command(flatten)]
    pub serve: ServeArgs,
}
