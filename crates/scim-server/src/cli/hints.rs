//! The commands that messages recommend, in a form that can be copied.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::arguments::Cli;

/// The flags that a recommended command has to repeat to reach the same database.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    database: Option<String>,
}

impl Hints {
    /// Repeats `--database-url` without its password if the command line has it. An environment variable also applies
    /// to the recommended command.
    pub fn new(matches: &ArgMatches, cli: &Cli) -> Hints {
        let is_given = matches.value_source("database_url") == Some(ValueSource::CommandLine);
        Hints {
            database: is_given.then(|| quoted(&cli.database_url.without_password())),
        }
    }

    /// Returns the command line of a command such as `tenant list`.
    pub fn command(&self, command: &str) -> String {
        match &self.database {
            Some(url) => format!("scim-server {command} --database-url {url}"),
            None => format!("scim-server {command}"),
        }
    }
}

/// Quotes a text for a shell if it contains a character that a shell may interpret.
fn quoted(text: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./:@,=%+".contains(it);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;

    #[test]
    fn a_hint_repeats_the_given_database_url_without_its_password() {
        let hint = |arguments: &[&str]| {
            let matches = Cli::command().get_matches_from([&["scim-server"], arguments].concat());
            let cli = Cli::from_arg_matches(&matches).expect("the arguments are valid");
            Hints::new(&matches, &cli).command("tenant list")
        };
        assert_eq!(hint(&["tenant", "list"]), "scim-server tenant list");
        for arguments in [
            ["--database-url", "sqlite:a.db", "tenant", "list"],
            ["tenant", "list", "--database-url", "sqlite:a.db"],
        ] {
            assert_eq!(
                hint(&arguments),
                "scim-server tenant list --database-url sqlite:a.db"
            );
        }
        assert_eq!(
            hint(&["--database-url", "postgres://scim:pa55@host/scim?sslmode=disable"]),
            "scim-server tenant list --database-url 'postgres://scim@host/scim?sslmode=disable'"
        );
        assert_eq!(
            hint(&["--database-url", "sqlite:it's.db"]),
            r"scim-server tenant list --database-url 'sqlite:it'\''s.db'"
        );
    }
}
