//! The grammar of `scim-server webhook`, and the file of the secrets key.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::super::client_args::UrlArgs;
use super::super::oauth_args::EgressArgs;
use super::super::unshown::Unshown;
use super::token::overlap;
use crate::config::database_url::DatabaseUrl;
use crate::delivery::event::EventId;
use crate::delivery::filter::TypePattern;
use crate::delivery::webhooks::registration::{Header, LONGEST_ROTATION_OVERLAP};
use crate::sealing::KeyFile;

const DATABASE: &str = "Database";

/// The commands below `webhook`.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Create an endpoint that gets the events after now, and print its secret once
    Create(Box<CreateArgs>),
    /// List the endpoints, without their secrets
    List {
        /// Print one JSON object, with the list as `items`
        #[arg(long)]
        json: bool,
    },
    /// Show an endpoint with the messages that were given up and the latest deliveries
    Show(EndpointArgs),
    /// Change settings of an endpoint, which keeps its id and its secrets
    Set(Box<SetWebhookArgs>),
    /// Send a test to an endpoint, and show the result
    Test {
        /// The endpoint
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// Seconds to wait for the result
        #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=300))]
        wait: u32,
    },
    /// Send events again, with the same ids
    Replay {
        /// The endpoint
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// The events that are sent again
        #[command(flatten)]
        what: ReplayArgs,
    },
    /// Replace the secret of an endpoint, and print the new one once
    Rotate {
        /// The endpoint
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// The time for which the other secrets sign too: a number with `d`, `h` or `m`, up to 7 days, or 0
        #[arg(long, default_value = "24h", value_name = "TIME", value_parser = rotation_overlap)]
        overlap: TimeDelta,
        /// The key that seals the secret
        #[command(flatten)]
        key: SecretsKeyArgs,
    },
    /// Send nothing to an endpoint until it is enabled; requests under way end
    Disable(EndpointArgs),
    /// Enable an endpoint, which continues where it stopped
    Enable {
        /// The endpoint
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// Skip the events up to now
        #[arg(long)]
        from_now: bool,
    },
    /// Delete an endpoint
    Delete(EndpointArgs),
}

/// The options of `webhook create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The URL that gets the events, with `https` unless `serve` lists its target in `--egress-allow`
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) url: String,
    /// A tenant whose events the endpoint gets; may be repeated [default: all tenants]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) tenant: Vec<String>,
    /// The types of events, separated by commas, such as `user.deactivated,group.*` [default: all]
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(in crate::cli) types: Vec<TypePattern>,
    /// The content of messages
    #[arg(long, value_enum, default_value_t = View::Full)]
    pub(in crate::cli) view: View,
    /// A header that the requests have in addition, `Name: value`; may be repeated
    #[arg(long, value_name = "HEADER", value_parser = Unshown(str::parse::<Header>))]
    pub(in crate::cli) header: Vec<Header>,
    #[command(flatten)]
    pub(in crate::cli) key: SecretsKeyArgs,
    #[command(flatten)]
    pub(in crate::cli) egress: EgressArgs,
    #[command(flatten)]
    pub(in crate::cli) urls: UrlArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The options of `webhook set`.
#[derive(Debug, Args)]
pub struct SetWebhookArgs {
    #[command(flatten)]
    pub(in crate::cli) endpoint: EndpointArgs,
    /// The URL that gets the events; with another one, name the headers again, or `--no-headers`
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) url: Option<String>,
    /// A tenant whose events the endpoint gets; may be repeated, and replaces the earlier ones
    #[arg(long, value_name = "NAME", conflicts_with = "all_tenants")]
    pub(in crate::cli) tenant: Vec<String>,
    /// The endpoint gets the events of all tenants
    #[arg(long)]
    pub(in crate::cli) all_tenants: bool,
    /// The types of events, separated by commas, which replace the earlier ones
    #[arg(
        long,
        value_name = "TYPE",
        value_delimiter = ',',
        conflicts_with = "all_types"
    )]
    pub(in crate::cli) types: Vec<TypePattern>,
    /// The endpoint gets all types of events
    #[arg(long)]
    pub(in crate::cli) all_types: bool,
    /// The content of messages
    #[arg(long, value_enum)]
    pub(in crate::cli) view: Option<View>,
    /// A header that the requests have in addition, `Name: value`; may be repeated, and replaces the earlier ones
    #[arg(long, value_name = "HEADER", value_parser = Unshown(str::parse::<Header>), conflicts_with = "no_headers")]
    pub(in crate::cli) header: Vec<Header>,
    /// The requests have no additional headers
    #[arg(long)]
    pub(in crate::cli) no_headers: bool,
    #[command(flatten)]
    pub(in crate::cli) key: SecretsKeyArgs,
    #[command(flatten)]
    pub(in crate::cli) egress: EgressArgs,
    #[command(flatten)]
    pub(in crate::cli) urls: UrlArgs,
}

/// The content of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// Old and new values, as in the feed; a message of more than 20 kB has only the names of the attributes
    Full,
    /// The names of the changed attributes
    Notice,
}

/// An endpoint.
#[derive(Debug, Args)]
pub struct EndpointArgs {
    /// The id that `webhook create` has printed
    pub(in crate::cli) id: Uuid,
    /// Print one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The events that are sent again.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ReplayArgs {
    /// The id of one event, or of a message that was given up
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) event: Option<String>,
    /// All events after this one
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) after: Option<EventId>,
    /// All events that the journal has
    #[arg(long)]
    pub(in crate::cli) all: bool,
}

fn rotation_overlap(text: &str) -> Result<TimeDelta, String> {
    let time = overlap(text)?;
    match time <= LONGEST_ROTATION_OVERLAP {
        true => Ok(time),
        false => Err("expected at most 7 days".to_owned()),
    }
}

/// The file of the key that seals secrets in the database.
#[derive(Clone, Debug, Args)]
pub struct SecretsKeyArgs {
    /// A file with 64 hexadecimal digits: the key that seals the secrets of webhooks in the database. More lines are older
    /// keys, which still open. With SQLite, the file is created if it does not exist [default with SQLite: the path of
    /// the database and `.secrets-key`]
    #[arg(long, help_heading = DATABASE, env = "SCIM_SECRETS_KEY_FILE", value_name = "FILE")]
    secrets_key_file: Option<PathBuf>,
}

impl SecretsKeyArgs {
    /// Returns the file for a database.
    pub fn key_file(&self, database: &DatabaseUrl) -> KeyFile {
        match (&self.secrets_key_file, database.sqlite_path()) {
            (Some(path), None) => KeyFile::existing(path.clone()),
            (Some(path), Some(_)) => KeyFile::created_if_missing(path.clone()),
            (None, Some(database)) => KeyFile::created_if_missing(beside(database)),
            (None, None) => KeyFile::not_named(),
        }
    }
}

/// The default path. A symbolic link to the database leads to the same file as its own path.
fn beside(database: &Path) -> PathBuf {
    let mut path = database
        .canonicalize()
        .unwrap_or_else(|_| database.to_owned())
        .into_os_string();
    path.push(".secrets-key");
    path.into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::arguments::{Cli, Command};

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    fn parse(arguments: &[&str]) -> Result<WebhookCommand, clap::Error> {
        let cli = Cli::try_parse_from([&["scim-server", "webhook"], arguments].concat())?;
        match cli.command {
            Some(Command::Webhook(command)) => Ok(command),
            other => panic!("{other:?} is another command"),
        }
    }

    #[test]
    fn an_endpoint_has_tenants_types_and_headers() {
        let command = parse(&[
            "create",
            "--url",
            "https://example.com/hook",
            "--tenant",
            "acme",
            "--tenant",
            "globex",
            "--types",
            "user.*,group.deleted",
            "--header",
            "Authorization: Bearer abc",
            "--view",
            "notice",
        ]);
        let WebhookCommand::Create(arguments) = command.expect("it is valid") else {
            panic!("it is another command");
        };
        assert_eq!(arguments.tenant, ["acme", "globex"]);
        assert_eq!((arguments.types.len(), arguments.header.len()), (2, 1));
        assert_eq!(arguments.view, View::Notice);
        for wrong in [
            &["set"][..],
            &["set", ID, "--tenant", "acme", "--all-tenants"],
            &["set", ID, "--types", "user.*", "--all-types"],
            &["set", ID, "--header", "a: b", "--no-headers"],
            &["set", ID, "--types", "user.gone"],
            &["create"],
            &["create", "--url", "https://example.com/", "--types", "user.gone"],
            &["create", "--url", "https://example.com/", "--header", "Host: a"],
            &["create", "--url", "https://example.com/", "--view", "all"],
            &["show", "7"],
            &["replay", ID],
            &["replay", ID, "--all", "--after", "1-1-0"],
            &["replay", ID, "--after", "now"],
            &["rotate", ID, "--overlap", "8d"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        let secret = parse(&[
            "create",
            "--url",
            "https://example.com/",
            "--header",
            "Cookie: abc",
        ]);
        let error = secret.expect_err("it is reserved").to_string();
        assert!(!error.contains("abc") && error.contains("cookie"), "{error}");
    }

    #[test]
    fn the_secrets_key_is_beside_the_database() {
        let folder = tempfile::tempdir().expect("there is space");
        let database = folder.path().join("scim.db");
        std::fs::write(&database, "").expect("there is space");
        let path = beside(&database);
        let expected = database.canonicalize().expect("it exists");
        assert_eq!(path.parent(), expected.parent());
        assert_eq!(path.file_name().expect("it is a file"), "scim.db.secrets-key");
        let link = folder.path().join("link.db");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&database, &link).expect("there is space");
            assert_eq!(beside(&link), path);
        }
    }
}
