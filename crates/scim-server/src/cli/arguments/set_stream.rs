//! The grammar of `scim-server set-stream`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::super::client_args::UrlArgs;
use super::super::names;
use super::super::oauth_args::EgressArgs;
use super::SecretsKeyArgs;
use crate::config::oauth::Issuer;
use crate::delivery::security_events::registration::Continue;
use crate::delivery::security_events::{EventUri, RevokedSubject};
use crate::jose::SigningAlgorithm;

/// The commands below `set-stream`.
#[derive(Debug, Subcommand)]
pub enum SetStreamCommand {
    /// Create a stream that has the events after now
    Create(Box<CreateStreamArgs>),
    /// List the streams
    List {
        /// Print one JSON object, with the list as `items`
        #[arg(long)]
        json: bool,
    },
    /// Show a stream with the latest tokens that its receiver refused
    Show(StreamArgs),
    /// Change settings of a stream, which keeps its audience and its tenants
    Set(Box<SetStreamArgs>),
    /// Keep the tokens of a stream, and deliver none until it is enabled
    Pause {
        /// The stream
        #[command(flatten)]
        stream: StreamArgs,
        /// The reason, which `show` prints
        #[arg(long, default_value = "by an operator", value_name = "TEXT", value_parser = names::label())]
        reason: String,
    },
    /// Deliver and keep no tokens of a stream until it is enabled, which continues with the events after that
    Disable {
        /// The stream
        #[command(flatten)]
        stream: StreamArgs,
        /// The reason, which `show` prints
        #[arg(long, default_value = "by an operator", value_name = "TEXT", value_parser = names::label())]
        reason: String,
    },
    /// Deliver the tokens of a stream; one that was paused continues where it stopped
    Enable {
        /// The stream
        #[command(flatten)]
        stream: StreamArgs,
        /// Where it continues instead: `now`, `oldest`, or after a position of the journal
        #[arg(long, value_name = "POSITION")]
        from: Option<StreamStart>,
    },
    /// Send a verification event to the receiver
    Verify {
        /// The stream
        #[command(flatten)]
        stream: StreamArgs,
        /// The text that the receiver expects in the event
        #[arg(long, value_name = "TEXT")]
        state: Option<String>,
    },
    /// Make a new signing key, which signs after it has been published for 24 hours
    RotateKey {
        /// The algorithm of the key
        #[arg(long, default_value_t = SigningAlgorithm::default(), value_name = "ALGORITHM")]
        algorithm: SigningAlgorithm,
        /// The key that seals the signing key
        #[command(flatten)]
        key: SecretsKeyArgs,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete a stream
    Delete(StreamArgs),
}

/// A stream.
#[derive(Debug, Args)]
pub struct StreamArgs {
    /// The id that `set-stream create` has printed
    pub(in crate::cli) id: Uuid,
    /// Print one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The options of `set-stream create`.
#[derive(Debug, Args)]
pub struct CreateStreamArgs {
    /// The audience of the tokens: the text that identifies the receiver
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) audience: String,
    /// The issuer of the tokens, an `https` URL [default: that of the authorization server, the origin of the base URL]
    #[arg(long, env = "SCIM_OAUTH_ISSUER", value_name = "URL")]
    pub(in crate::cli) issuer: Option<Issuer>,
    /// The URL that the server sends the tokens to; without it, the receiver polls
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) push: Option<String>,
    /// A file with the value of the header `Authorization` of these requests; `-` reads it from standard input
    #[arg(long, value_name = "FILE", requires = "push")]
    pub(in crate::cli) authorization_file: Option<PathBuf>,
    /// A tenant whose events the stream has; may be repeated [default: all tenants]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) tenant: Vec<String>,
    /// The events: `notice` (about users and groups, with the names of changed attributes), `full` (with the values),
    /// `caep` (the end of sessions), or URIs
    #[arg(long, default_value = "notice", value_name = "EVENT,…", value_parser = events)]
    pub(in crate::cli) events: Events,
    /// The algorithm of the signatures
    #[arg(long, default_value_t = SigningAlgorithm::default(), value_name = "ALGORITHM")]
    pub(in crate::cli) algorithm: SigningAlgorithm,
    /// Add the `userName` of users to the subjects of tokens
    #[arg(long)]
    pub(in crate::cli) with_user_name: bool,
    /// The account whose sessions end: `externalId` or `userName` of an issuer, or `email` (a `userName` with `@`)
    #[arg(long, default_value_t = RevokedSubject::default(), value_name = "KIND")]
    pub(in crate::cli) revoked_subject: RevokedSubject,
    /// The issuer of these accounts [default: the issuer of the tokens]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) account_issuer: Option<String>,
    /// A name for the stream
    #[arg(long, default_value = "", value_name = "TEXT", value_parser = names::label())]
    pub(in crate::cli) name: String,
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

/// The options of `set-stream set`. Values that are not named stay as they are.
#[derive(Debug, Args)]
pub struct SetStreamArgs {
    #[command(flatten)]
    pub(in crate::cli) stream: StreamArgs,
    /// The name of the stream
    #[arg(long, value_name = "TEXT", value_parser = names::label())]
    pub(in crate::cli) name: Option<String>,
    // No environment variable, which would change each stream that is only renamed.
    /// The issuer of the tokens, an `https` URL
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) issuer: Option<Issuer>,
    /// The URL that the server sends the tokens to
    #[arg(long, value_name = "URL", conflicts_with = "poll")]
    pub(in crate::cli) push: Option<String>,
    /// The receiver polls from now on
    #[arg(long)]
    pub(in crate::cli) poll: bool,
    /// A file with the value of the header `Authorization` of requests; `-` reads it from standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["poll", "no_authorization"])]
    pub(in crate::cli) authorization_file: Option<PathBuf>,
    /// Send requests without the header `Authorization`
    #[arg(long)]
    pub(in crate::cli) no_authorization: bool,
    /// The events, which replace the earlier ones: `notice`, `full`, `caep`, or URIs
    #[arg(long, value_name = "EVENT,…", value_parser = events)]
    pub(in crate::cli) events: Option<Events>,
    /// The algorithm of the signatures
    #[arg(long, value_name = "ALGORITHM")]
    pub(in crate::cli) algorithm: Option<SigningAlgorithm>,
    /// Whether the subjects of tokens contain the `userName` of users
    #[arg(long, value_name = "true|false")]
    pub(in crate::cli) with_user_name: Option<bool>,
    /// The account whose sessions end: `externalId` or `userName` of an issuer, or `email` (a `userName` with `@`)
    #[arg(long, value_name = "KIND")]
    pub(in crate::cli) revoked_subject: Option<RevokedSubject>,
    /// The issuer of these accounts
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) account_issuer: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) key: SecretsKeyArgs,
    #[command(flatten)]
    pub(in crate::cli) egress: EgressArgs,
    #[command(flatten)]
    pub(in crate::cli) urls: UrlArgs,
}

/// A list of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events(pub(in crate::cli) Vec<EventUri>);

fn events(text: &str) -> Result<Events, String> {
    EventUri::list(text)
        .map(Events)
        .map_err(|error| error.to_string())
}

/// The place where a stream continues. `FromStr` reads `now`, `oldest`, or a position of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStart(pub(in crate::cli) Continue);

impl FromStr for StreamStart {
    type Err = String;

    fn from_str(text: &str) -> Result<StreamStart, String> {
        text.parse().map(StreamStart)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::arguments::{Cli, Command};

    fn parse(arguments: &[&str]) -> Result<SetStreamCommand, clap::Error> {
        let cli = Cli::try_parse_from([&["scim-server", "set-stream"], arguments].concat())?;
        match cli.command {
            Some(Command::SetStream(command)) => Ok(command),
            other => panic!("{other:?} is another command"),
        }
    }

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    #[test]
    fn a_stream_has_events_and_a_receiver() {
        let command = parse(&[
            "create",
            "--audience",
            "https://receiver.example.com",
            "--issuer",
            "https://scim.example.com",
            "--push",
            "https://receiver.example.com/events",
            "--events",
            "full,caep",
            "--algorithm",
            "ES256",
            "--tenant",
            "acme",
            "--revoked-subject",
            "email",
        ]);
        let SetStreamCommand::Create(arguments) = command.expect("it is valid") else {
            panic!("it is another command");
        };
        assert_eq!(
            arguments.events,
            Events(EventUri::list("caep,full").expect("it is a list"))
        );
        assert_eq!(arguments.algorithm, SigningAlgorithm::Es256);
        assert_eq!(arguments.revoked_subject, RevokedSubject::Email);
        for (from, expected) in [
            ("now", Continue::Now),
            ("oldest", Continue::Oldest),
            (
                "7-1735689600000",
                Continue::After("7-1735689600000".parse().expect("it is a position")),
            ),
        ] {
            let command = parse(&["enable", ID, "--from", from]).expect("it is valid");
            let SetStreamCommand::Enable { from, .. } = command else {
                panic!("it is another command");
            };
            assert_eq!(from, Some(StreamStart(expected)));
        }
        for wrong in [
            &["create"][..],
            &["create", "--audience", "a", "--issuer", "http://scim.example.com"],
            &["create", "--audience", "a", "--events", "all"],
            &["create", "--audience", "a", "--algorithm", "none"],
            &["create", "--audience", "a", "--authorization-file", "-"],
            &["create", "--audience", "a", "--revoked-subject", "id"],
            &["enable", ID, "--from", "yesterday"],
            &["show", "7"],
            &["set", ID, "--push", "https://a.example/", "--poll"],
            &["set", ID, "--audience", "a"],
            &["set", ID, "--with-user-name", "maybe"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
