//! The grammar of the command line, and the environment variables: the only reader of both.

mod backup;
mod clients;
mod connection;
mod doctor;
mod events;
mod health;
mod history;
mod key;
mod migrate;
mod move_to;
mod operation;
mod set_stream;
mod tenant;
mod tls;
mod token;
mod transfer;
mod undo;
mod webhook;

use std::convert::Infallible;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use self::backup::BackupArgs;
pub use self::clients::{ClientArgs, GroupPatch, Leniency, Reprovision, UrlFilters};
pub use self::connection::{Assignment, ConnectionCommand, ConnectionName};
pub use self::doctor::DoctorArgs;
pub use self::events::EventsArgs;
pub use self::health::HealthArgs;
pub use self::history::HistoryArgs;
pub use self::key::{KeyCommand, KeyScope};
pub use self::migrate::{MigrateArgs, MigrateCommand};
pub use self::move_to::MoveArgs;
pub use self::operation::{LogFormat, OperationArgs};
pub use self::set_stream::{
    CreateStreamArgs, Events, SetStreamArgs, SetStreamCommand, StreamArgs, StreamStart,
};
pub use self::tenant::TenantCommand;
pub use self::tls::TlsArgs;
pub use self::token::{Lifetime, Scope, TokenCommand};
pub use self::transfer::{ExportArgs, ImportArgs, StoredFormArgs};
pub use self::undo::UndoArgs;
pub use self::webhook::{
    CreateArgs, EndpointArgs, ReplayArgs, SecretsKeyArgs, SetWebhookArgs, View, WebhookCommand,
};
use super::client_args::{ClientCommand, FederationCommand};
use super::exit::Exit;
use super::oauth_args::OAuthArgs;
use super::unshown::Unshown;
use crate::config::database_url::{DatabaseUrl, InvalidDatabaseUrl};
use crate::config::path_prefix::PathPrefix;
use crate::config::retention::Retention;
use crate::service::{CursorKey, InvalidCursorKey};

const NETWORK: &str = "Network";
const SCIM: &str = "Requests, responses and schemas";
const LISTS: &str = "Lists and queries";
const DATABASE: &str = "Database";
const OPERATION: &str = "Operation";

/// A multi-tenant SCIM 2.0 server. Without a command, it serves.
#[derive(Debug, Parser)]
#[command(name = "scim-server", version, propagate_version = true, max_term_width = 100, after_help = Exit::HELP)]
pub struct Cli {
    /// The configuration file; `config generate` prints one. Flags and environment variables are used before it
    #[arg(long, global = true, env = "SCIM_CONFIG", value_name = "FILE", value_parser = path(), help_heading = "Configuration")]
    pub config: Option<PathBuf>,

    /// The database: `sqlite:PATH` or `postgres://…`
    #[arg(
        long,
        global = true,
        env = "SCIM_DATABASE_URL",
        default_value = "sqlite:scim.db",
        hide_env_values = true,
        value_name = "URL",
        value_parser = Unshown(database_url),
        help_heading = DATABASE
    )]
    pub database_url: DatabaseUrl,

    /// The kind of connection pooler in front of PostgreSQL
    #[arg(
        long,
        global = true,
        env = "SCIM_POSTGRES_POOLER",
        value_enum,
        default_value_t = PostgresPooler::None,
        value_name = "MODE",
        help_heading = DATABASE
    )]
    pub postgres_pooler: PostgresPooler,

    /// The form of the log, which goes to the standard error output: lines of text, or one JSON object per line
    #[arg(
        long,
        global = true,
        env = "SCIM_LOG_FORMAT",
        value_enum,
        default_value_t = LogFormat::Text,
        value_name = "FORMAT",
        help_heading = OPERATION
    )]
    pub log_format: LogFormat,

    /// The settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,

    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// See [`Cli::postgres_pooler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PostgresPooler {
    /// No pooler, or one that gives each client a connection for as long as it stays
    None,
    /// A pooler that may give each transaction another connection, such as PgBouncer with `pool_mode = transaction`
    Transaction,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve SCIM over HTTP (the default)
    Serve(Box<ServeArgs>),
    /// Migrate the database to the schema of this version, and exit
    Migrate(MigrateArgs),
    /// Write a backup of a SQLite database, also while a server runs, and verify it
    Backup(BackupArgs),
    /// Write all users and groups of a tenant to the standard output, one JSON object per line
    Export(ExportArgs),
    /// Read the users and groups of a tenant from the standard input, as `export` writes them
    Import(ImportArgs),
    /// Move a SQLite database to PostgreSQL, while no server runs, and compare the two
    Move(MoveArgs),
    /// Examine the settings, the database and the surroundings of a server; each finding says what to do
    Doctor(Box<DoctorArgs>),
    /// Manage tenants
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Manage connections: the identity providers of a tenant, with their settings
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// Manage bearer tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Manage OAuth clients and their secrets
    #[command(subcommand)]
    Client(ClientCommand),
    /// Manage the trust in external issuers (workload identity federation)
    #[command(subcommand)]
    Federation(FederationCommand),
    /// Manage operator keys, the credentials of the management API
    #[command(subcommand)]
    Key(KeyCommand),
    /// Manage endpoints of webhooks
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Manage streams of security event tokens, and the keys that sign them
    #[command(subcommand)]
    SetStream(SetStreamCommand),
    /// Print the changes of a tenant's users and groups, one JSON object per line
    Journal(JournalArgs),
    /// Print the changes of a user or group, its state at a time, or the difference between two times
    History(HistoryArgs),
    /// Undo the changes of a connection, a credential, a request or a window of time, except what was changed later
    Undo(UndoArgs),
    /// Print events of the feed, such as `user.deactivated`, one JSON object per line
    Events(EventsArgs),
    /// Ask a running server whether it is ready; the exit code is 1 if it is not
    Health(HealthArgs),
    /// Show the effective settings, check a configuration file, or print one
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, in the format of man(7)
    Manual,
}

/// The commands below `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show the value of every setting and its origin, with the flags of `serve` that are given; secrets are hidden
    Show {
        /// Print one JSON object, with the settings as `items`
        #[arg(long)]
        json: bool,
        /// The flags of the server.
        #[command(flatten)]
        serve: Box<ServeArgs>,
    },
    /// Check a configuration file as a start with it would, with the environment variables that are set
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a configuration file with every setting and its default
    Generate,
    /// Print the JSON Schema of configuration files
    Schema,
}

/// The settings of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(
        long,
        env = "SCIM_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT",
        value_parser = trimmed,
        help_heading = NETWORK
    )]
    pub listen: String,

    /// The path of this server before `/Users`; with the suffix `/v2`, requests without `/v2` are answered too
    #[arg(long, help_heading = NETWORK, env = "SCIM_PATH_PREFIX", default_value = PathPrefix::DEFAULT, value_name = "PATH")]
    pub path_prefix: PathPrefix,

    /// The URL that clients see before `/Users`, for example `https://example.com/scim/v2`; a URL without
    /// a path gets the path prefix [default: http://LISTEN and the path prefix]
    #[arg(long, help_heading = NETWORK, env = "SCIM_BASE_URL", value_name = "URL", value_parser = trimmed)]
    pub base_url: Option<String>,

    /// Serve plain HTTP on an address that other machines can reach, or under an `http` base URL, without a
    /// certificate and without a TLS proxy named by `--base-url https://…`
    #[arg(long, help_heading = NETWORK, env = "SCIM_ALLOW_PLAIN_HTTP")]
    pub allow_plain_http: bool,

    /// The page that describes how to set up a client, as `documentationUri` of ServiceProviderConfig
    #[arg(long, help_heading = SCIM, env = "SCIM_DOCUMENTATION_URI", value_name = "URL", value_parser = trimmed)]
    pub documentation_uri: Option<String>,

    /// The settings of clients.
    #[command(flatten)]
    pub clients: ClientArgs,

    /// Whether the groups of a tenant must have different display names
    #[arg(long, help_heading = SCIM, env = "SCIM_GROUP_NAMES", value_enum, default_value_t = GroupNames::Unique)]
    pub group_names: GroupNames,

    /// How passwords, and other attributes that a schema calls secret, are stored: no SCIM operation ever
    /// returns them
    #[arg(long, help_heading = SCIM, env = "SCIM_PASSWORDS", value_enum, default_value_t = Passwords::Drop)]
    pub passwords: Passwords,

    /// The folder with the JSON documents of your own schemas and resource types
    #[arg(long, help_heading = SCIM, env = "SCIM_SCHEMAS", value_name = "DIR", value_parser = path())]
    pub schemas: Option<PathBuf>,

    /// The largest request body; a PUT of a group takes about 100 bytes per member
    #[arg(long, help_heading = NETWORK, env = "SCIM_MAX_BODY_BYTES", default_value_t = 1024 * 1024, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1024..=1024 * 1024 * 1024))]
    pub max_body_bytes: u64,

    /// The memory for large responses that clients have not taken yet; one tenant may use half of it
    #[arg(long, help_heading = NETWORK, env = "SCIM_MAX_RESPONSE_BYTES", default_value_t = 256 * 1024 * 1024, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(16 * 1024 * 1024..=1024 * 1024 * 1024 * 1024))]
    pub max_response_bytes: u64,

    /// Seconds after which a client that does not read its response is disconnected
    #[arg(long, help_heading = NETWORK, env = "SCIM_WRITE_TIMEOUT", default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=300))]
    pub write_timeout: u32,

    /// Resources on a page when the request has no `count`
    #[arg(long, help_heading = LISTS, env = "SCIM_DEFAULT_PAGE_SIZE", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub default_page_size: u32,

    /// The most resources on a page; some clients skip resources when it is below 100
    #[arg(long, help_heading = LISTS, env = "SCIM_MAX_PAGE_SIZE", default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(100..=1000))]
    pub max_page_size: u32,

    /// The days for which journal entries are kept; older ones are dropped. `forever`, or 0, keeps all
    #[arg(long, help_heading = DATABASE, env = "SCIM_JOURNAL_DAYS", default_value = "90", value_name = "N")]
    pub journal_days: Retention,

    /// A new file for the token of the first start, readable by its owner only; without it, the token is printed
    #[arg(long, help_heading = DATABASE, env = "SCIM_FIRST_TOKEN_FILE", value_name = "FILE", value_parser = path())]
    pub first_token_file: Option<PathBuf>,

    /// A new file for the operator key of the first start, readable by its owner only; without it, the key is printed,
    /// unless the token is written to a file: then no key is created
    #[arg(long, help_heading = DATABASE, env = "SCIM_FIRST_KEY_FILE", value_name = "FILE", value_parser = path())]
    pub first_key_file: Option<PathBuf>,

    /// 64 hexadecimal digits that servers share to accept each other's paging cursors; of several keys,
    /// separated by commas, the first one makes cursors and all are accepted [default: random at each start]
    #[arg(long, help_heading = LISTS, env = "SCIM_CURSOR_KEY", hide_env_values = true, value_name = "HEX[,HEX…]", value_delimiter = ',',
          value_parser = Unshown(cursor_key))]
    pub cursor_key: Vec<CursorKey>,

    /// Seconds for which a paging cursor is valid; 0 means no limit
    #[arg(long, help_heading = LISTS, env = "SCIM_CURSOR_LIFETIME", default_value_t = 24 * 60 * 60, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=366 * 24 * 60 * 60))]
    pub cursor_lifetime: u32,

    /// The most queries without an index that run at the same time; one tenant may use half of them
    /// [default: half the processors, at least 2 and at most 4]
    #[arg(long, help_heading = LISTS, env = "SCIM_MAX_SCANS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub max_scans: Option<u32>,

    /// The time limit of a query without an index, in seconds
    #[arg(long, help_heading = LISTS, env = "SCIM_SCAN_TIMEOUT", default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=25))]
    pub scan_timeout: u32,

    /// The address of the management API, and of the probes and `/metrics`, which need no operator key: an address and
    /// port, a port of this machine, or `off` [default: 127.0.0.1:8081]
    #[arg(long, help_heading = NETWORK, env = "SCIM_MANAGEMENT_LISTEN", value_name = "[ADDRESS:]PORT|off",
          value_parser = trimmed)]
    pub management_listen: Option<String>,

    /// A further address of `/metrics`; deprecated, because `--management-listen` serves them too
    #[arg(long, help_heading = NETWORK, env = "SCIM_METRICS_LISTEN", value_name = "[ADDRESS:]PORT",
          value_parser = trimmed)]
    pub metrics_listen: Option<String>,

    /// The certificates.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// The options of the authorization server.
    #[command(flatten)]
    pub oauth: OAuthArgs,

    /// The key that seals secrets in the database.
    #[command(flatten)]
    pub secrets_key: SecretsKeyArgs,

    /// The settings about running a server.
    #[command(flatten)]
    pub operation: OperationArgs,
}

/// The options of `journal`.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
    /// Keep running, and print changes as they are made
    #[arg(long)]
    pub follow: bool,
    /// Only changes after this `position` of a printed change
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    pub after: Option<String>,
    /// Exit after this many changes
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print the current `position` instead of changes: a later `--after` with it prints the changes made since
    #[arg(long, conflicts_with_all = ["follow", "after", "limit"])]
    pub position: bool,
}

/// See [`ServeArgs::group_names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GroupNames {
    /// Refuse a second group with the same name, as Entra expects
    Unique,
    /// Allow groups with the same name
    Any,
}

/// See [`ServeArgs::passwords`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Passwords {
    /// Accept them, and store nothing
    Drop,
    /// Store their argon2id hash, for a product that verifies logins
    Argon2id,
}

fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    text.parse()
        .map_err(|error: InvalidDatabaseUrl| error.to_string())
}

fn cursor_key(text: &str) -> Result<CursorKey, String> {
    text.parse().map_err(|error: InvalidCursorKey| error.to_string())
}

/// Removes blanks and line breaks, which a file of settings often has at the end of a line.
fn trimmed(text: &str) -> Result<String, Infallible> {
    Ok(text.trim().to_owned())
}

/// Reads a path, and trims it like other settings. A path that is not UTF-8 stays as it is.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str().map(str::trim) {
        Some("") => Err("expected a path"),
        Some(trimmed) => Ok(PathBuf::from(trimmed)),
        None => Ok(path),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_journal_is_kept_for_90_days_unless_told_otherwise() {
        let days = |arguments: &[&str]| {
            let cli = Cli::try_parse_from([&["scim-server"], arguments].concat());
            cli.ok().map(|it| it.serve.journal_days.0)
        };
        assert_eq!(days(&[]), Some(Some(90)));
        assert_eq!(days(&["--journal-days", "1"]), Some(Some(1)));
        assert_eq!(days(&["--journal-days", "0"]), Some(None));
        assert_eq!(days(&["--journal-days", "x"]), None);
        let help = Cli::command().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("`forever`, or 0, keeps all"), "{help}");
    }

    #[test]
    fn an_invalid_path_prefix_is_refused_with_the_name_of_its_flag() {
        let parse = |prefix: &str| Cli::try_parse_from(["scim-server", "--path-prefix", prefix]);
        let valid = parse("/idp").map(|it| it.serve.path_prefix.to_string());
        assert_eq!(valid.expect("it is valid"), "/idp");
        let error = parse("idp").expect_err("it has no `/`").to_string();
        assert!(
            error.contains("--path-prefix") && error.contains("must begin with `/`"),
            "{error}"
        );
        let usual = Cli::parse_from(["scim-server"]).serve.path_prefix;
        assert_eq!(usual.as_str(), "/scim/v2");
    }

    #[test]
    fn tenant_names_are_short_and_plain() {
        let create = |name: &str| Cli::try_parse_from(["scim-server", "tenant", "create", name]).is_ok();
        for name in ["a", "Acme-2_x.org", "7", &"a".repeat(64)] {
            assert!(create(name), "{name}");
        }
        for name in ["", "a b", "é", "a/b", "a\n", &"a".repeat(65)] {
            assert!(!create(name), "{name}");
        }
    }

    #[test]
    fn page_caps_under_100_are_refused() {
        let parse = |n| Cli::try_parse_from(["scim-server", "--max-page-size", n]);
        assert!(parse("99").is_err());
        assert!(parse("100").is_ok());
    }

    #[test]
    fn cursor_keys_can_be_several() {
        let keys = |text: &str| {
            Cli::try_parse_from(["scim-server", "--cursor-key", text]).map(|it| it.serve.cursor_key)
        };
        let (one, two) = ("0f".repeat(32), "f0".repeat(32));
        let expected = [[0x0f; 32], [0xf0; 32]].map(CursorKey::new);
        assert_eq!(keys(&format!("{one}, {two}\n")).unwrap(), expected);
        assert!(keys(&format!("{one},")).is_err());
        assert!(Cli::parse_from(["scim-server"]).serve.cursor_key.is_empty());
    }
}
