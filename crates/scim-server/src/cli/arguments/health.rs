//! The arguments of `health`.

use clap::Args;

use super::{NETWORK, trimmed};

/// The options of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The address of the server, as it has it
    #[arg(long, env = "SCIM_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = trimmed,
          help_heading = NETWORK)]
    pub listen: String,

    /// Ask at this address instead, for example `http://127.0.0.1:8081` for the management listener
    #[arg(long, value_name = "URL", value_parser = trimmed)]
    pub url: Option<String>,

    /// Ask whether the process answers (`/livez`), and not whether it can serve requests (`/readyz`)
    #[arg(long)]
    pub live: bool,

    /// Print the answer of the server, which is JSON
    #[arg(long)]
    pub json: bool,
}
