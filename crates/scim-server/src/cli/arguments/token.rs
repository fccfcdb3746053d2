//! The commands below `token`.

use chrono::TimeDelta;
use clap::{Args, Subcommand, ValueEnum};
use scim_model::store::Connection;
use uuid::Uuid;

use crate::cli::client_args::UrlArgs;
use crate::cli::names;
use crate::cli::unshown::Unshown;
use crate::management::tokens::{LONGEST_OVERLAP, LONGEST_TOKEN_DAYS, TOKEN_DAYS};

/// The commands below `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it once
    Create {
        /// The tenant
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// The connection of the tenant
        #[arg(long, default_value = Connection::DEFAULT, value_name = "NAME")]
        connection: String,
        /// A name that tells the token from others, such as its purpose
        #[arg(long, alias = "note", default_value = "", value_name = "TEXT", value_parser = names::label())]
        name: String,
        /// The operations that the token allows
        #[arg(long, value_enum, default_value_t = Scope::ReadAndWrite)]
        scope: Scope,
        /// The same as `--scope scim.read`
        #[arg(long, conflicts_with = "scope")]
        read_only: bool,
        /// The time of expiry.
        #[command(flatten)]
        lifetime: Lifetime,
        /// The URL for the identity provider
        #[command(flatten)]
        urls: UrlArgs,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List tokens, without their secrets
    List {
        /// Only the tokens of this tenant
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// List the tokens that were deleted with their connection instead, which entries of the journal may name
        #[arg(long)]
        deleted: bool,
        /// Print one JSON object, with the list as `items`
        #[arg(long)]
        json: bool,
    },
    /// Create a token like another one, which stays valid for some time, and print it once
    Rotate {
        /// The id that `token list` shows
        #[arg(value_parser = Unshown(token_id))]
        id: Uuid,
        /// The time for which the other token stays valid: a number with `d`, `h` or `m`, or 0
        #[arg(long, default_value = "7d", value_name = "TIME", value_parser = overlap)]
        overlap: TimeDelta,
        /// The time of expiry of the new token.
        #[command(flatten)]
        lifetime: Lifetime,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; when this command has ended, no server accepts it
    Revoke {
        /// The id that `token list` shows
        #[arg(value_parser = Unshown(token_id))]
        id: Uuid,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// The operations that a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Reading and writing
    #[value(name = "scim")]
    ReadAndWrite,
    /// Reading
    #[value(name = "scim.read")]
    Read,
}

/// The time for which a token is valid.
#[derive(Clone, Copy, Debug, Args)]
pub struct Lifetime {
    /// The days after which the token expires
    #[arg(long, default_value_t = TOKEN_DAYS, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_TOKEN_DAYS)))]
    pub days: u32,
    /// The token never expires
    #[arg(long, conflicts_with = "days")]
    pub no_expiry: bool,
}

fn token_id(text: &str) -> Result<Uuid, String> {
    let expected =
        "expected the id of a token, which `scim-server token list` shows; the token itself is no id";
    text.parse().map_err(|_| expected.to_owned())
}

pub(super) fn overlap(text: &str) -> Result<TimeDelta, String> {
    let expected = || "expected a number with `d`, `h` or `m`, such as `7d`, up to a year, or 0".to_owned();
    if text == "0" {
        return Ok(TimeDelta::zero());
    }
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let minutes = match unit {
        'd' => 24 * 60,
        'h' => 60,
        'm' => 1,
        _ => return Err(expected()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    let overlap = TimeDelta::minutes(i64::from(number) * minutes);
    match overlap <= LONGEST_OVERLAP {
        true => Ok(overlap),
        false => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_number_with_a_unit() {
        for (text, expected) in [
            ("7d", TimeDelta::days(7)),
            ("36h", TimeDelta::hours(36)),
            ("5m", TimeDelta::minutes(5)),
            ("0", TimeDelta::zero()),
            ("0d", TimeDelta::zero()),
            ("366d", LONGEST_OVERLAP),
        ] {
            assert_eq!(overlap(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "d",
            "7",
            "7w",
            "-1d",
            "367d",
            "4294967296m",
            "1.5d",
            " 7d",
            "7é",
        ] {
            assert!(overlap(text).is_err(), "{text}");
        }
    }
}
