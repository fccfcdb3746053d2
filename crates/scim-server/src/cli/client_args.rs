//! The grammar of `scim-server client` and `scim-server federation`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::names;
use super::oauth_args::{ClockArgs, EgressArgs};
use crate::config::base_url::BaseUrl;
use crate::config::path_prefix::PathPrefix;
use crate::oauth::registration::{LONGEST_SECRET_DAYS, SECRET_DAYS};

/// The commands below `client`.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Create an OAuth client, and print its secret once
    Create {
        /// The connection of the client
        #[command(flatten)]
        owner: OwnerArgs,
        /// The days after which the secret expires; Entra asks for 365 to 1095
        #[arg(long, default_value_t = SECRET_DAYS, value_name = "N",
              value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_SECRET_DAYS)))]
        days: u32,
        /// The keys of a client that signs assertions; such a client gets no secret
        #[command(flatten)]
        keys: Box<KeyArgs>,
        /// The URLs for the identity provider
        #[command(flatten)]
        urls: UrlArgs,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List clients, without their secrets
    List(ListArgs),
    /// Show a client with its secrets, without their texts
    Show(ShowArgs),
    /// Change the name or the keys of a client, which keeps its id and its secrets
    Set(SetClientArgs),
    /// Add or delete secrets of a client
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Refuse a client and its access tokens until it is enabled
    Disable(ShowArgs),
    /// Accept a disabled client again
    Enable(ShowArgs),
    /// Delete a client; when this command has ended, no server accepts its access tokens
    Delete(ShowArgs),
}

/// The commands below `client secret`.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Create a further secret and print it once; a client has up to five valid ones
    Add {
        /// The id of the client
        client_id: String,
        /// A name for the secret
        #[arg(long, default_value = "", value_name = "TEXT", value_parser = names::label())]
        name: String,
        /// The days after which the secret expires
        #[arg(long, default_value_t = SECRET_DAYS, value_name = "N",
              value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_SECRET_DAYS)))]
        days: u32,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete a secret; when this command has ended, no server accepts it and its access tokens
    Delete {
        /// The id of the client
        client_id: String,
        /// The id of the secret, which `client show` prints
        id: uuid::Uuid,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// The commands below `federation`.
#[derive(Debug, Subcommand)]
pub enum FederationCommand {
    /// Trust the assertions of an external issuer, such as Entra
    Create(Box<FederationArgs>),
    /// List federations
    List(ListArgs),
    /// Show a federation
    Show(ShowArgs),
    /// Change values of a federation, which keeps its client id
    Set(Box<SetFederationArgs>),
    /// Try an assertion, and say which check fails; no token is issued
    Check(CheckArgs),
    /// Delete a federation; when this command has ended, no server accepts its access tokens
    Delete(ShowArgs),
}

/// The options of `federation create`.
#[derive(Debug, Args)]
pub struct FederationArgs {
    #[command(flatten)]
    pub(super) owner: OwnerArgs,
    /// The issuer, character by character as in the claim `iss`
    #[arg(long, value_name = "ISSUER")]
    pub(super) issuer: String,
    /// The subject, character by character as in the claim `sub`
    #[arg(long, value_name = "SUBJECT")]
    pub(super) subject: String,
    /// An audience, character by character as in the claim `aud`; up to four
    #[arg(long, required = true, value_name = "AUDIENCE")]
    pub(super) audience: Vec<String>,
    /// A further claim that the assertion must have, for example `azp=…`
    #[arg(long, value_name = "NAME=VALUE", value_parser = claim)]
    pub(super) claim: Vec<(String, String)>,
    /// Accept each assertion once; Entra may send one several times
    #[arg(long)]
    pub(super) single_use: bool,
    /// An accepted algorithm: RS256, ES256, PS256 or EdDSA [default: RS256 and ES256]
    #[arg(long, value_name = "NAME")]
    pub(super) algorithm: Vec<String>,
    #[command(flatten)]
    pub(super) keys: KeyArgs,
    #[command(flatten)]
    pub(super) urls: UrlArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// The options of `client set`. Values that are not named stay as they are.
#[derive(Debug, Args)]
pub struct SetClientArgs {
    /// The id of the client
    pub(super) client_id: String,
    /// The name of the client
    #[arg(long, value_name = "TEXT", value_parser = names::label())]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) keys: KeyArgs,
    /// Remove the keys; the client authenticates by its secrets only
    #[arg(long, conflicts_with_all = ["jwks_url", "jwks_file"])]
    pub(super) no_keys: bool,
    #[command(flatten)]
    pub(super) urls: UrlArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// The options of `federation set`. Values that are not named stay as they are, and a list replaces the whole list.
#[derive(Debug, Args)]
pub struct SetFederationArgs {
    /// The id of the client that `federation create` has printed
    pub(super) client_id: String,
    /// The name of the federation
    #[arg(long, value_name = "TEXT", value_parser = names::label())]
    pub(super) name: Option<String>,
    /// The issuer, character by character as in the claim `iss`
    #[arg(long, value_name = "ISSUER")]
    pub(super) issuer: Option<String>,
    /// The subject, character by character as in the claim `sub`
    #[arg(long, value_name = "SUBJECT")]
    pub(super) subject: Option<String>,
    /// An audience, character by character as in the claim `aud`; up to four, which replace the earlier ones
    #[arg(long, value_name = "AUDIENCE")]
    pub(super) audience: Vec<String>,
    /// A further claim that the assertion must have; the claims replace the earlier ones
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "no_claims", value_parser = claim)]
    pub(super) claim: Vec<(String, String)>,
    /// Demand no further claims
    #[arg(long)]
    pub(super) no_claims: bool,
    /// Whether each assertion is accepted once
    #[arg(long, value_name = "true|false")]
    pub(super) single_use: Option<bool>,
    /// An accepted algorithm; the algorithms replace the earlier ones
    #[arg(long, value_name = "NAME")]
    pub(super) algorithm: Vec<String>,
    #[command(flatten)]
    pub(super) keys: KeyArgs,
    #[command(flatten)]
    pub(super) urls: UrlArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

fn claim(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE"),
    }
}

/// The options of `federation check`. The settings are those of the server, so that the result is the same.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The id of the client that `federation create` has printed
    pub(super) client_id: String,
    /// The file with the assertion; without it, the assertion is read from the standard input
    #[arg(long, value_name = "FILE")]
    pub(super) assertion_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) clock: ClockArgs,
    #[command(flatten)]
    pub(super) egress: EgressArgs,
    #[command(flatten)]
    pub(super) urls: UrlArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// The owner of a new client, and the access that it gets.
#[derive(Debug, Args)]
pub struct OwnerArgs {
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: String,
    /// The connection of the tenant
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub(super) connection: String,
    /// A name for the client
    #[arg(long, default_value = "", value_name = "TEXT", value_parser = names::label())]
    pub(super) name: String,
    /// The access that the client gets
    #[arg(long, value_enum, default_value_t = ClientScope::Scim)]
    pub(super) scope: ClientScope,
}

/// The access that a new client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientScope {
    /// Read and write users and groups
    Scim,
    /// Read users and groups
    #[value(name = "scim.read")]
    ScimRead,
}

/// The public keys of a client or an issuer.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The `https` URL of the JWK set with the public keys
    #[arg(long, value_name = "URL", conflicts_with = "jwks_file")]
    pub(super) jwks_url: Option<String>,
    /// A file with the JWK set, for servers that must not connect to the issuer
    #[arg(long, value_name = "FILE")]
    pub(super) jwks_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) egress: EgressArgs,
}

/// The URL of the server, as the settings of `serve` have it.
#[derive(Debug, Args)]
pub struct UrlArgs {
    /// The base URL that `serve` has [default: http://LISTEN and the path prefix]
    #[arg(long, env = "SCIM_BASE_URL", value_name = "URL")]
    base_url: Option<String>,
    /// The path prefix that `serve` has
    #[arg(long, env = "SCIM_PATH_PREFIX", default_value = PathPrefix::DEFAULT, value_name = "PATH")]
    path_prefix: PathPrefix,
    /// The certificate that `serve` has; with one, the default of the base URL is `https://LISTEN`
    #[arg(long, env = "SCIM_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<std::path::PathBuf>,
    /// The address that `serve` has
    #[arg(
        long,
        env = "SCIM_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT"
    )]
    listen: String,
}

impl UrlArgs {
    /// Returns a warning if the URLs that a command prints are those of this machine, because nothing says which URL the
    /// identity provider uses.
    pub(super) fn warning(&self) -> Option<String> {
        let is_guessed = self.base_url.is_none();
        is_guessed.then(|| {
            format!(
                "the URLs begin with the address {}, which an identity provider may not reach: give this command the \
                 base URL of the server with --base-url or SCIM_BASE_URL",
                self.listen.trim()
            )
        })
    }

    /// Returns the address that the server listens on, if it is given as an address and not as a name.
    pub(super) fn listener(&self) -> Option<SocketAddr> {
        self.listen.trim().parse().ok()
    }

    /// Returns the URL that clients see before `/Users`.
    ///
    /// # Errors
    /// A text that names the argument.
    pub(super) fn base_url(&self) -> Result<String, String> {
        let (given, flag) = match &self.base_url {
            Some(url) => (url.trim().to_owned(), "--base-url"),
            None if self.tls_certificate.is_some() => (format!("https://{}", self.listen.trim()), "--listen"),
            None => (format!("http://{}", self.listen.trim()), "--listen"),
        };
        let url = BaseUrl::parse(&given, &self.path_prefix);
        Ok(url
            .map_err(|reason| format!("{flag} `{given}`: {reason}"))?
            .to_string())
    }
}

/// The options of a list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this tenant
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// List the deleted ones instead, which entries of the journal may name
    #[arg(long)]
    pub(super) deleted: bool,
    /// Print one JSON object, with the list as `items`
    #[arg(long)]
    pub(super) json: bool,
}

/// A client.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The id of the client
    pub(super) client_id: String,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}
