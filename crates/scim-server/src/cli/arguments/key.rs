//! The commands below `key`.

use clap::{Subcommand, ValueEnum};
use uuid::Uuid;

use crate::cli::unshown::Unshown;
use crate::management::keys;

/// The commands below `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create an operator key for the management API, and print it once
    Create {
        /// A name that tells the key from others, such as its purpose
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// The operations that the key allows
        #[arg(long, value_enum)]
        scope: KeyScope,
        /// A tenant that the key is limited to; can be given several times [default: all tenants]
        #[arg(long, value_name = "NAME")]
        tenant: Vec<String>,
        /// The days after which the key expires [default: never]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: Option<u32>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List operator keys, without the keys themselves
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Revoke an operator key; when this command has ended, no server accepts it
    Revoke {
        /// The id that `key list` shows
        #[arg(value_parser = Unshown(key_id))]
        id: Uuid,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// The operations that an operator key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyScope {
    /// All operations
    Admin,
    /// Reading
    Read,
    /// Reading events
    Events,
}

impl KeyScope {
    /// Returns the scope that is stored.
    pub fn scope(self) -> keys::KeyScope {
        match self {
            KeyScope::Admin => keys::KeyScope::Admin,
            KeyScope::Read => keys::KeyScope::Read,
            KeyScope::Events => keys::KeyScope::Events,
        }
    }
}

fn key_id(text: &str) -> Result<Uuid, String> {
    let expected =
        "expected the id of an operator key, which `scim-server key list` shows; the key itself is no id";
    text.parse().map_err(|_| expected.to_owned())
}
