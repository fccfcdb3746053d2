//! A setting, as the grammar defines it.

use clap::{Arg, Command};

use super::accepted::{self, Accepted};
use super::grammar::{FILE_SUFFIX, is_file_of_secret, key_of, variable};

/// A setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key in the file, which is the flag without `--`.
    pub key: String,
    /// The environment variable.
    pub variable: String,
    /// The values that it accepts.
    pub accepted: Accepted,
    /// Whether the value must not be shown.
    pub is_secret: bool,
    /// The key of the secret, if the value is the path of a file that has the secret.
    pub secret: Option<String>,
    definition: Arg,
}

/// The value that a setting has if it is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// A value that can be given as well.
    Value(String),
    /// A description, because the value depends on something else.
    Described(String),
    /// No value.
    None,
}

impl Setting {
    /// Returns the settings of a command and of the commands below it, in the order of the help. A setting of several
    /// commands is returned once, as the first of them defines it.
    pub fn all(grammar: &Command) -> Vec<Setting> {
        let mut settings: Vec<Setting> = Vec::new();
        for setting in grammar.get_arguments().filter_map(Setting::new) {
            let secret = settings
                .iter()
                .position(|it| Some(&it.key) == setting.secret.as_ref());
            // The file of a secret follows the secret.
            settings.insert(secret.map_or(settings.len(), |it| it + 1), setting);
        }
        for command in grammar.get_subcommands() {
            for setting in Setting::all(command) {
                if settings.iter().all(|it| it.key != setting.key) {
                    settings.push(setting);
                }
            }
        }
        settings
    }

    fn new(definition: &Arg) -> Option<Setting> {
        let variable = variable(definition)?.to_owned();
        let key = key_of(&variable);
        let secret = is_file_of_secret(definition).then(|| key.strip_suffix(FILE_SUFFIX).map(str::to_owned));
        Some(Setting {
            accepted: Accepted::of(definition),
            is_secret: definition.is_hide_env_values_set(),
            definition: definition.clone(),
            key,
            variable,
            secret: secret.flatten(),
        })
    }

    /// Returns the id of the argument.
    pub fn id(&self) -> &str {
        self.definition.get_id().as_str()
    }

    /// Returns the heading of the help below which the setting is.
    pub fn heading(&self) -> &str {
        self.definition.get_help_heading().unwrap_or("Options")
    }

    /// Returns the name of the value in the help.
    pub fn value_name(&self) -> String {
        let names = self.definition.get_value_names().unwrap_or_default();
        names
            .iter()
            .map(clap::builder::Str::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Returns the help without the default.
    pub fn help(&self) -> String {
        let help = self.whole_help();
        match help.rfind(" [default") {
            Some(at) if help.ends_with(']') => help[..at].to_owned(),
            _ => help,
        }
    }

    fn whole_help(&self) -> String {
        let help = self
            .definition
            .get_long_help()
            .or_else(|| self.definition.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Returns the default. The help states it if the code that uses the setting has it: one word is a value.
    pub fn default(&self) -> DefaultValue {
        let values: Vec<&str> = self
            .definition
            .get_default_values()
            .iter()
            .filter_map(|it| it.to_str())
            .collect();
        if !values.is_empty() {
            return DefaultValue::Value(values.join(","));
        }
        let help = self.whole_help();
        let Some((_, stated)) = help.strip_suffix(']').and_then(|it| it.rsplit_once(" [default")) else {
            return DefaultValue::None;
        };
        match stated.strip_prefix(": ") {
            Some(word) if !word.contains(' ') => DefaultValue::Value(word.to_owned()),
            Some(words) => DefaultValue::Described(words.to_owned()),
            None => DefaultValue::Described(stated.trim().to_owned()),
        }
    }

    /// Checks values with the parser of the flag.
    ///
    /// # Errors
    /// Says which values are accepted.
    pub fn check(&self, values: &[String]) -> Result<(), String> {
        accepted::parse(&self.definition, values).map_err(|reason| self.accepted.problem(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::grammar::grammar;
    use crate::config::file::Value;

    fn setting(key: &str) -> Setting {
        let settings = Setting::all(&grammar());
        settings
            .into_iter()
            .find(|it| it.key == key)
            .expect("it is a setting")
    }

    #[test]
    fn a_setting_says_what_it_accepts() {
        for (key, expected) in [
            ("allow-plain-http", "`true` or `false`"),
            ("leniency", "one of `clients`, `strict`, `interop`"),
            ("write-timeout", "an integer from 1 to 300"),
            ("max-body-bytes", "an integer from 1024 to 1073741824"),
            ("cursor-lifetime", "an integer from 0 to 31622400"),
            ("journal-days", "a string or an integer"),
            ("listen", "a string"),
            ("egress-allow", "a string or an array of strings"),
            ("cursor-key", "a string or an array of strings"),
        ] {
            assert_eq!(setting(key).accepted.description(), expected, "{key}");
        }
    }

    #[test]
    fn every_integer_has_a_range() {
        let settings = Setting::all(&grammar());
        for setting in settings.iter().filter(|it| accepted::is_integer(&it.definition)) {
            assert!(
                matches!(setting.accepted, Accepted::Number(..)),
                "{}",
                setting.key
            );
        }
    }

    #[test]
    fn values_are_checked_by_the_parser_of_the_flag() {
        let check = |key: &str, value: &str| setting(key).check(&[value.to_owned()]);
        assert_eq!(check("write-timeout", "30"), Ok(()));
        assert_eq!(check("leniency", "strict"), Ok(()));
        assert_eq!(check("journal-days", "forever"), Ok(()));
        for (key, value, part) in [
            ("write-timeout", "0", "expected an integer from 1 to 300"),
            (
                "leniency",
                "stric",
                "expected one of `clients`, `strict`, `interop`",
            ),
            ("journal-days", "x", "forever"),
            ("path-prefix", "idp", "must begin with `/`"),
            ("trusted-proxy", "proxy", "expected a network"),
        ] {
            let problem = check(key, value).expect_err(value);
            assert!(problem.contains(part), "{key}: {problem}");
        }
        let problem = check("cursor-key", "5ec2e7").expect_err("it is too short");
        assert!(!problem.contains("5ec2e7") && problem.contains("64"), "{problem}");
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let found = |key: &str, value: Value| setting(key).accepted.arguments(&value);
        assert_eq!(
            found("write-timeout", Value::Integer(3)),
            Ok(vec!["3".to_owned()])
        );
        assert_eq!(
            found("allow-plain-http", Value::Boolean(true)),
            Ok(vec!["true".to_owned()])
        );
        for (key, value, expected) in [
            (
                "write-timeout",
                Value::Text("3".to_owned()),
                "expected an integer from 1 to 300, and found a string",
            ),
            (
                "allow-plain-http",
                Value::Integer(1),
                "expected `true` or `false`, and found an integer",
            ),
            (
                "listen",
                Value::Integer(8080),
                "expected a string, and found an integer",
            ),
            (
                "listen",
                Value::Other("a table"),
                "expected a string, and found a table",
            ),
        ] {
            assert_eq!(found(key, value), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_setting_has_one_name() {
        let grammar = grammar();
        let flags: Vec<&str> = grammar.get_arguments().filter_map(Arg::get_long).collect();
        for setting in Setting::all(&grammar) {
            assert!(
                flags.contains(&&*setting.key),
                "--{} and {}",
                setting.key,
                setting.variable
            );
        }
    }

    #[test]
    fn every_secret_can_be_in_a_file() {
        let settings = Setting::all(&grammar());
        let secrets: Vec<&str> = settings
            .iter()
            .filter(|it| it.is_secret)
            .map(|it| &*it.key)
            .collect();
        for expected in ["database-url", "cursor-key", "egress-proxy"] {
            assert!(secrets.contains(&expected), "{secrets:?}");
        }
        for secret in secrets {
            let file = settings.iter().find(|it| it.secret.as_deref() == Some(secret));
            assert_eq!(file.expect(secret).key, format!("{secret}-file"));
        }
    }

    #[test]
    fn the_default_is_that_of_the_flag_or_the_one_that_its_help_states() {
        let value = |it: &str| DefaultValue::Value(it.to_owned());
        let described = |it: &str| DefaultValue::Described(it.to_owned());
        for (key, expected) in [
            ("listen", value("127.0.0.1:8080")),
            ("write-timeout", value("30")),
            ("allow-plain-http", value("false")),
            ("leniency", value("clients")),
            ("management-listen", value("127.0.0.1:8081")),
            ("cursor-key", described("random at each start")),
            (
                "secrets-key-file",
                described("with SQLite: the path of the database and `.secrets-key`"),
            ),
            ("documentation-uri", DefaultValue::None),
        ] {
            assert_eq!(setting(key).default(), expected, "{key}");
            assert!(!setting(key).help().contains("[default"), "{key}");
        }
    }
}
