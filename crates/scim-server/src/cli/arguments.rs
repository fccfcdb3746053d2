//! Flags and environment, read once and checked; the only reader of both.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A multi-tenant SCIM 2.0 server. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "scim-server", version, propagate_version = true)]
pub struct Cli {
    /// Where the resources are: `sqlite:PATH` or `postgres://…`
    #[arg(
        long,
        global = true,
        env = "SCIM_DATABASE_URL",
        default_value = "sqlite:scim.db",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: String,

    /// What stands between here and PostgreSQL
    #[arg(
        long,
        global = true,
        env = "SCIM_POSTGRES_POOLER",
        value_enum,
        default_value_t = PostgresPooler::None,
        value_name = "MODE"
    )]
    pub postgres_pooler: PostgresPooler,

    /// Settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// See [`Cli::postgres_pooler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PostgresPooler {
    /// Nothing, or a pooler whose clients keep their connections
    None,
    /// A pooler that gives each transaction another connection, as PgBouncer with `pool_mode = transaction`
    Transaction,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve SCIM over HTTP (the default)
    Serve(ServeArgs),
    /// Bring the database to this version's schema and end
    Migrate {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Manage tenants
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Manage bearer tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print the changes of a tenant's users and groups, one JSON object a line
    Journal(JournalArgs),
}

/// How the server serves.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(
        long,
        env = "SCIM_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT"
    )]
    pub listen: String,

    /// What clients see in front of `/Users`, for example `https://example.com/scim/v2`; a URL without
    /// a path gets `/scim/v2` [default: http://LISTEN/scim/v2]
    #[arg(long, env = "SCIM_BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,

    /// Serve plain HTTP on an address that others can reach, without a TLS proxy that
    /// `--base-url https://…` tells of
    #[arg(long, env = "SCIM_ALLOW_PLAIN_HTTP")]
    pub allow_plain_http: bool,

    /// How strictly requests are read: what real clients send, or the RFC alone
    #[arg(long, env = "SCIM_LENIENCY", value_enum, default_value_t = Leniency::Clients)]
    pub leniency: Leniency,

    /// Store and show `active: true` of new users of whom the client does not say whether they are
    #[arg(long, env = "SCIM_ACTIVE_BY_DEFAULT")]
    pub active_by_default: bool,

    /// Whether the display names of a tenant's groups must differ
    #[arg(long, env = "SCIM_GROUP_NAMES", value_enum, default_value_t = GroupNames::Unique)]
    pub group_names: GroupNames,

    /// What a successful PATCH of a group answers: 204, or 200 with all its members
    #[arg(long, env = "SCIM_GROUP_PATCH", value_enum, default_value_t = GroupPatch::NoContent)]
    pub group_patch: GroupPatch,

    /// Whether filters may stand in URLs, which proxies and histories keep: identity providers send them
    /// so. Refused, they have to come by POST to `/.search`
    #[arg(long, env = "SCIM_URL_FILTERS", value_enum, default_value_t = UrlFilters::Allow)]
    pub url_filters: UrlFilters,

    /// What becomes of passwords, and of other attributes that a schema calls secret: no SCIM
    /// operation shows them in any case
    #[arg(long, env = "SCIM_PASSWORDS", value_enum, default_value_t = Passwords::Drop)]
    pub passwords: Passwords,

    /// Folder with the JSON documents of your own schemas and resource types
    #[arg(long, env = "SCIM_SCHEMAS", value_name = "DIR")]
    pub schemas: Option<PathBuf>,

    /// Largest request body; a PUT of a group takes about 100 bytes a member
    #[arg(long, env = "SCIM_MAX_BODY_BYTES", default_value_t = 1024 * 1024, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1024..=1024 * 1024 * 1024))]
    pub max_body_bytes: u64,

    /// Resources on a page when a request does not say
    #[arg(long, env = "SCIM_DEFAULT_PAGE_SIZE", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub default_page_size: u32,

    /// Most resources on a page; some clients skip resources when it is below 100
    #[arg(long, env = "SCIM_MAX_PAGE_SIZE", default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(100..=1000))]
    pub max_page_size: u32,

    /// How many days the journal of changes goes back; older lines are dropped. `forever`, or 0, keeps all
    #[arg(long, env = "SCIM_JOURNAL_DAYS", default_value = "90", value_name = "N", value_parser = journal_days)]
    pub journal_days: JournalDays,

    /// 64 hexadecimal digits that servers share to accept each other's paging cursors; of several keys,
    /// with commas between, the first one makes cursors and all of them are accepted
    /// [default: random at each start]
    #[arg(long, env = "SCIM_CURSOR_KEY", hide_env_values = true, value_name = "HEX[,HEX…]", value_delimiter = ',',
          value_parser = cursor_key)]
    pub cursor_key: Vec<[u8; 32]>,

    /// Seconds for which a paging cursor can be used; 0 is for ever
    #[arg(long, env = "SCIM_CURSOR_LIFETIME", default_value_t = 24 * 60 * 60, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=366 * 24 * 60 * 60))]
    pub cursor_lifetime: u32,

    /// How many queries that no index serves run at once, half of them for one tenant
    /// [default: half the processors, 2 at least and 4 at most]
    #[arg(long, env = "SCIM_MAX_SCANS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub max_scans: Option<u32>,

    /// Seconds after which a query that no index serves is ended
    #[arg(long, env = "SCIM_SCAN_TIMEOUT", default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=25))]
    pub scan_timeout: u32,

    /// Where Prometheus finds `/metrics`, without a token: an address and port, or a port of this machine
    /// [default: nowhere]
    #[arg(long, env = "SCIM_METRICS_LISTEN", value_name = "[ADDRESS:]PORT")]
    pub metrics_listen: Option<String>,
}

/// `journal`
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// Whose
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
    /// Do not end: print changes as they are made
    #[arg(long)]
    pub follow: bool,
    /// Only what stands behind the line that showed this `position`
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    pub after: Option<String>,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

/// See [`ServeArgs::journal_days`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalDays(pub Option<u32>);

/// See [`ServeArgs::leniency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Leniency {
    /// What Okta, Entra, OneLogin and others send is accepted
    Clients,
    /// The RFC decides
    Strict,
}

/// See [`ServeArgs::group_names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GroupNames {
    /// A second group of a name is refused, as Entra expects
    Unique,
    /// Groups may share a name
    Any,
}

/// See [`ServeArgs::group_patch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GroupPatch {
    /// 204, or 200 when the request names attributes
    NoContent,
    /// 200 with the group
    Resource,
}

/// See [`ServeArgs::url_filters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UrlFilters {
    /// They are answered
    Allow,
    /// 403 with the `scimType` `sensitive`
    Refuse,
}

/// See [`ServeArgs::passwords`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Passwords {
    /// They are accepted and not stored
    Drop,
    /// Their argon2id hash is stored, for a product that verifies logins against it
    Argon2id,
}

/// `tenant …`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Create a tenant
    Create {
        /// Letters, digits, `-`, `_` and `.`
        #[arg(value_parser = tenant_name)]
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the tenants
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Delete a tenant with all its users, groups and tokens
    Delete {
        /// Which
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it once
    Create {
        /// Whose
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
        /// It may read but not write
        #[arg(long)]
        read_only: bool,
        /// It ends after so many days
        #[arg(long, default_value_t = DEFAULT_TOKEN_DAYS, value_name = "N",
              value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: u32,
        /// It never ends
        #[arg(long, conflicts_with = "days")]
        no_expiry: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List tokens, without their secrets
    List {
        /// Only this tenant's
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; no server accepts it when this command has ended
    Revoke {
        /// The id that `token list` shows
        id: uuid::Uuid,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Tokens have a limited lifetime (RFC 7644 section 7.4); clients keep theirs for long.
pub const DEFAULT_TOKEN_DAYS: u32 = 365;

impl Cli {
    /// Flags of `serve` in front of a command would be passed over in silence.
    ///
    /// # Errors
    /// Names the first one.
    pub fn check_order(matches: &clap::ArgMatches) -> Result<(), String> {
        let Some((command, _)) = matches.subcommand() else {
            return Ok(());
        };
        let given = |id: &&clap::Id| {
            !["database_url", "postgres_pooler"].contains(&id.as_str())
                && matches.value_source(id.as_str()) == Some(clap::parser::ValueSource::CommandLine)
                && matches.try_get_raw(id.as_str()).is_ok()
        };
        match matches.ids().find(given) {
            Some(id) => Err(format!(
                "`--{}` must stand behind `{command}`",
                id.as_str().replace('_', "-")
            )),
            None => Ok(()),
        }
    }
}

impl ServeArgs {
    /// The address to listen on.
    ///
    /// # Errors
    /// When it cannot be resolved, or others could reach it and read tokens on the way (RFC 7644
    /// section 7.2).
    pub fn listen_address(&self) -> io::Result<SocketAddr> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let mut addresses = self
            .listen
            .to_socket_addrs()
            .map_err(|error| invalid(format!("--listen `{}`: {error}", self.listen)))?;
        let address = addresses
            .next()
            .ok_or_else(|| invalid(format!("--listen `{}`: no address", self.listen)))?;
        let behind_tls = self
            .base_url
            .as_deref()
            .is_some_and(|it| it.starts_with("https://"));
        if address.ip().is_loopback() || behind_tls || self.allow_plain_http {
            return Ok(address);
        }
        Err(invalid(format!(
            "others can reach {address}, and plain HTTP would show them the tokens: put a TLS proxy in front \
             and give its address with --base-url https://…, or add --allow-plain-http"
        )))
    }

    /// Where metrics are served, if anywhere. Others can read them only when the address says so.
    ///
    /// # Errors
    /// When it cannot be resolved.
    pub fn metrics_address(&self) -> io::Result<Option<SocketAddr>> {
        let Some(text) = &self.metrics_listen else {
            return Ok(None);
        };
        if let Ok(port) = text.parse::<u16>() {
            return Ok(Some(SocketAddr::from(([127, 0, 0, 1], port))));
        }
        let invalid = |reason: String| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("--metrics-listen `{text}`: {reason}"),
            )
        };
        let mut addresses = text
            .to_socket_addrs()
            .map_err(|error| invalid(error.to_string()))?;
        let address = addresses.next().ok_or_else(|| invalid("no address".to_owned()))?;
        Ok(Some(address))
    }

    /// What clients see in front of `/Users`, without a trailing slash.
    ///
    /// # Errors
    /// When it is not an `http` or `https` URL, or has a query, a fragment or a user (RFC 7644
    /// sections 1.3 and 7.1).
    pub fn base_url(&self, listening: SocketAddr) -> io::Result<String> {
        match &self.base_url {
            None => Ok(format!("http://{listening}{}", crate::http::PREFIX)),
            Some(url) => checked_base_url(url).map_err(|reason| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("--base-url `{url}`: {reason}"),
                )
            }),
        }
    }

    /// How long a paging cursor can be used; `None` is for ever.
    pub fn cursor_lifetime(&self) -> Option<Duration> {
        (self.cursor_lifetime > 0).then(|| Duration::from_secs(self.cursor_lifetime.into()))
    }

    /// Name and text of each JSON file in the folder of schemas.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn schema_files(&self) -> io::Result<Vec<(String, String)>> {
        let Some(folder) = self.schemas.as_deref() else {
            return Ok(Vec::new());
        };
        json_files(folder).map_err(|error| io::Error::new(error.kind(), format!("--schemas: {error}")))
    }
}

/// No schema is that large.
const MAX_SCHEMA_BYTES: u64 = 4 * 1024 * 1024;

fn json_files(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let named =
        |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let wrong = |path: &Path, what: String| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| named(folder, error))? {
        let path = entry.map_err(|error| named(folder, error))?.path();
        if !path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json")) {
            continue;
        }
        // A link counts as what it leads to. Reading a pipe would wait for ever.
        let metadata = std::fs::metadata(&path).map_err(|error| named(&path, error))?;
        if !metadata.is_file() {
            return Err(wrong(&path, "it is no file".to_owned()));
        }
        if metadata.len() > MAX_SCHEMA_BYTES {
            return Err(wrong(
                &path,
                format!("it is larger than {MAX_SCHEMA_BYTES} bytes"),
            ));
        }
        let bytes = std::fs::read(&path).map_err(|error| named(&path, error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            wrong(&path, format!("it is not UTF-8 at byte {at}"))
        })?;
        files.push((path.display().to_string(), text));
    }
    files.sort();
    Ok(files)
}

fn checked_base_url(url: &str) -> Result<String, &'static str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let rest = rest.ok_or("it must begin with `https://` or `http://`")?;
    if rest.contains(['?', '#']) {
        return Err("it must have no query and no fragment");
    }
    if url
        .chars()
        .any(|it| it.is_whitespace() || it.is_control() || "\"<>\\^`{|}".contains(it))
        || !url.is_ascii()
    {
        return Err("it has a character that URLs do not have");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() {
        return Err("it names no host");
    }
    if authority.contains('@') {
        return Err("it must hold no user");
    }
    check_host(authority)?;
    if path.trim_matches('/').is_empty() {
        return Ok(format!("{}{}", url.trim_end_matches('/'), crate::http::PREFIX));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// RFC 3986 section 3.2: a name or an IP address, the one of IPv6 in brackets, and perhaps a port.
fn check_host(authority: &str) -> Result<(), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("its `[` has no `]`")?;
            address
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| "between `[` and `]` stands no IPv6 address")?;
            (address, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err("it names no host");
    }
    if host.contains(['[', ']']) {
        return Err("it has a bracket in its host");
    }
    match port.strip_prefix(':').map(|it| (it, it.parse::<u16>())) {
        None if port.is_empty() => Ok(()),
        Some((digits, Ok(1..))) if digits.bytes().all(|it| it.is_ascii_digit()) => Ok(()),
        _ => Err("its port is no number from 1 to 65535"),
    }
}

/// `0`, which others take for "without end" as well, is `forever`.
fn journal_days(text: &str) -> Result<JournalDays, String> {
    if text == "forever" {
        return Ok(JournalDays(None));
    }
    match text.parse() {
        Ok(0) => Ok(JournalDays(None)),
        Ok(days @ 1..=36_500) => Ok(JournalDays(Some(days))),
        _ => Err("1 to 36500 days are needed, or `forever` or 0 to keep all".to_owned()),
    }
}

fn cursor_key(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "64 hexadecimal digits are needed".to_owned();
    let mut key = [0; 32];
    if text.len() != 64 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(key)
}

/// The name stands in logs and is typed by people.
fn tenant_name(text: &str) -> Result<String, String> {
    let allowed = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
        return Err("1 to 64 letters, digits, `-`, `_` or `.` are needed".to_owned());
    }
    Ok(text.to_owned())
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
    fn base_urls_end_where_endpoints_begin() {
        let cases = [
            ("https://example.com", Ok("https://example.com/scim/v2")),
            ("https://example.com/", Ok("https://example.com/scim/v2")),
            ("https://example.com/scim/v2/", Ok("https://example.com/scim/v2")),
            ("http://[::1]:8080", Ok("http://[::1]:8080/scim/v2")),
            ("https://[2001:db8::1]/idp", Ok("https://[2001:db8::1]/idp")),
            ("http://h:65535", Ok("http://h:65535/scim/v2")),
            ("https://example.com/idp", Ok("https://example.com/idp")),
        ];
        for (url, expected) in cases {
            assert_eq!(checked_base_url(url), expected.map(str::to_owned), "{url}");
        }
    }

    #[test]
    fn rfc7644_1_3_01_a_base_url_has_no_query() {
        for url in [
            "https://a/?x",
            "https://a/#x",
            "https://user@a/",
            "ftp://a",
            "https://",
            "a.com",
            "https://a/x y",
            "https://a/\u{7}",
            "https://a/\u{7f}",
            "https://a/{x}",
            "https://a/\"",
            "https://a/é",
            "",
        ] {
            assert!(checked_base_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_base_url_has_a_host_and_a_port_that_can_be() {
        for url in [
            "http://h:abc",
            "http://h:",
            "http://h:0",
            "http://h:65536",
            "http://h:+80",
            "http://h:80:80",
            "http://h:-1/scim",
            "https://:443",
            "https://[::1",
            "https://[::1]443",
            "https://[::1]:x",
            "https://[h]",
            "https://h]",
        ] {
            assert!(checked_base_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_journal_goes_back_some_days_or_for_ever() {
        let days = |n| {
            Cli::try_parse_from(["scim-server", "--journal-days", n])
                .ok()
                .map(|it| it.serve.journal_days.0)
        };
        assert_eq!(
            Cli::parse_from(["scim-server"]).serve.journal_days,
            JournalDays(Some(90))
        );
        assert_eq!(days("1"), Some(Some(1)));
        assert_eq!(days("0"), Some(None));
        assert_eq!(days("forever"), Some(None));
        for wrong in ["", "-1", "x", "36501", "99999999999"] {
            assert_eq!(days(wrong), None, "{wrong}");
            let told = journal_days(wrong).expect_err("it is wrong");
            assert!(told.contains("`forever` or 0 to keep all"), "{told}");
        }
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("`forever`, or 0, keeps all"), "{help}");
    }

    #[test]
    fn rfc7644_7_2_01_plain_http_stays_on_this_machine_unless_told() {
        let check = |arguments: &[&str]| {
            let cli = Cli::parse_from([&["scim-server"], arguments].concat());
            cli.serve.listen_address().is_ok()
        };
        assert!(check(&[]));
        assert!(!check(&["--listen", "0.0.0.0:8080"]));
        assert!(!check(&["--listen", "0.0.0.0:8080", "--base-url", "http://a"]));
        assert!(check(&["--listen", "0.0.0.0:8080", "--base-url", "https://a"]));
        assert!(check(&["--listen", "0.0.0.0:8080", "--allow-plain-http"]));
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
    fn cursors_live_for_a_day_unless_told() {
        let lifetime = |arguments: &[&str]| {
            let cli = Cli::parse_from([&["scim-server"], arguments].concat());
            cli.serve.cursor_lifetime()
        };
        assert_eq!(lifetime(&[]), Some(Duration::from_secs(86_400)));
        assert_eq!(
            lifetime(&["--cursor-lifetime", "1"]),
            Some(Duration::from_secs(1))
        );
        assert_eq!(lifetime(&["--cursor-lifetime", "0"]), None);
    }

    #[test]
    fn a_schema_file_may_be_as_long_as_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let read = |length: usize| {
            std::fs::write(folder.path().join("a.json"), "x".repeat(length)).unwrap();
            let path = folder.path().to_str().unwrap();
            let files = Cli::parse_from(["scim-server", "--schemas", path])
                .serve
                .schema_files();
            files.map(|it| it.iter().map(|(_, text)| text.len()).collect::<Vec<_>>())
        };
        assert_eq!(read(4 * 1024 * 1024).unwrap(), [4 * 1024 * 1024]);
        assert!(read(4 * 1024 * 1024 + 1).is_err());
    }

    #[test]
    fn page_caps_under_100_are_refused() {
        let parse = |n| Cli::try_parse_from(["scim-server", "--max-page-size", n]);
        assert!(parse("99").is_err());
        assert!(parse("100").is_ok());
    }

    #[test]
    fn a_cursor_key_is_64_digits() {
        assert_eq!(cursor_key(&"0f".repeat(32)), Ok([15; 32]));
        assert!(cursor_key("0f").is_err());
        assert!(cursor_key(&"é".repeat(32)).is_err());
        assert!(cursor_key(&"+1".repeat(32)).is_err());
    }

    #[test]
    fn metrics_stay_on_this_machine_unless_told() {
        let address = |text: &str| {
            let cli = Cli::parse_from(["scim-server", "--metrics-listen", text]);
            cli.serve.metrics_address().map(|it| it.map(|it| it.to_string()))
        };
        assert_eq!(address("9090").unwrap().as_deref(), Some("127.0.0.1:9090"));
        assert_eq!(address("0.0.0.0:9090").unwrap().as_deref(), Some("0.0.0.0:9090"));
        assert!(address("9090x").is_err());
        let silent = Cli::parse_from(["scim-server"]);
        assert_eq!(silent.serve.metrics_address().unwrap(), None);
    }

    #[test]
    fn cursor_keys_can_be_several() {
        let keys = |text: &str| {
            Cli::try_parse_from(["scim-server", "--cursor-key", text]).map(|it| it.serve.cursor_key)
        };
        let (one, two) = ("0f".repeat(32), "f0".repeat(32));
        assert_eq!(keys(&format!("{one},{two}")).unwrap(), [[0x0f; 32], [0xf0; 32]]);
        assert!(keys(&format!("{one},")).is_err());
        assert!(Cli::parse_from(["scim-server"]).serve.cursor_key.is_empty());
    }
}
