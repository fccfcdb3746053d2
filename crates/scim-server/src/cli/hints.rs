//! The commands that messages recommend, in a form that can be copied.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::arguments::Cli;
use super::settings::grammar::file_id;

/// The flags that a recommended command has to repeat to reach the same database.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    flags: String,
}

impl Hints {
    /// Repeats the flags that name the configuration file and the database, without a password. An environment variable
    /// also applies to the recommended command.
    pub fn new(matches: &ArgMatches, cli: &Cli) -> Hints {
        let is_given = |id: &str| {
            let is_known = matches.try_get_raw(id).is_ok();
            is_known && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        let mut flags = String::new();
        let mut add = |flag: &str, value: &str| {
            flags.push_str(&format!(" {flag} {}", quoted(value)));
        };
        if let Some(path) = cli.config.as_ref().filter(|_| is_given("config")) {
            add("--config", &path.display().to_string());
        }
        let file = file_id("database_url");
        if is_given("database_url") {
            add("--database-url", &cli.database_url.without_password());
        } else if is_given(&file) {
            let path = matches.get_one::<PathBuf>(&file);
            add(
                "--database-url-file",
                &path.map_or(String::new(), |it| it.display().to_string()),
            );
        }
        Hints { flags }
    }

    /// Returns the command line of a command such as `tenant list`.
    pub fn command(&self, command: &str) -> String {
        format!("scim-server {command}{}", self.flags)
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
    use clap::FromArgMatches;

    use super::*;
    use crate::cli::settings::grammar::grammar;

    #[test]
    fn a_hint_repeats_the_given_database_url_without_its_password() {
        let hint = |arguments: &[&str]| {
            let matches = grammar().get_matches_from([&["scim-server"], arguments].concat());
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
            hint(&["--config", "scim.toml", "--database-url-file", "my url"]),
            "scim-server tenant list --config scim.toml --database-url-file 'my url'"
        );
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
