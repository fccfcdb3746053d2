//! The arguments of `health`.

use std::path::PathBuf;

use clap::Args;

use super::{NETWORK, path, trimmed};

/// The options of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The address of the server, as it has it
    #[arg(long, env = "SCIM_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = trimmed,
          help_heading = NETWORK)]
    pub listen: String,

    /// The certificate of the server, as it has it: with one, ask by https. The answer is not verified
    #[arg(long, env = "SCIM_TLS_CERTIFICATE", value_name = "FILE", value_parser = path(), help_heading = NETWORK)]
    pub tls_certificate: Option<PathBuf>,

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
