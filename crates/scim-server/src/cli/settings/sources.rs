//! The sources of settings: flags before environment variables before the configuration file before defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::file::FileSettings;
use super::grammar::{file_id, key_of, variable};
use super::setting::Setting;
use crate::cli::secrets;

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This flag.
    Flag(String),
    /// This environment variable.
    Variable(String),
    /// A line of the configuration file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The default.
    Default,
}

impl Origin {
    /// Returns the name of the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Origin::Flag(_) => "flag",
            Origin::Variable(_) => "variable",
            Origin::File { .. } => "file",
            Origin::Default => "default",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Origin::Flag(name) | Origin::Variable(name) => out.write_str(name),
            Origin::File { path, line } => write!(out, "{}:{line}", path.display()),
            Origin::Default => out.write_str("default"),
        }
    }
}

/// The origins of the settings, by their keys.
pub type Origins = BTreeMap<String, Origin>;

/// The arguments of a process with the values of all sources.
#[derive(Debug)]
pub struct Resolved {
    /// The arguments. A value of the configuration file, or of the file of a secret, counts as a default here.
    pub matches: ArgMatches,
    /// The origins. For a secret in a file, this is the place that names the file.
    pub origins: Origins,
}

/// Adds the configuration file and the files of secrets to arguments that have been parsed once.
///
/// # Errors
/// One line for each mistake.
pub fn resolve(
    grammar: &Command,
    arguments: &[OsString],
    matches: &ArgMatches,
    file: Option<&Path>,
) -> Result<Resolved, Vec<String>> {
    let settings = Setting::all(grammar);
    let file = match file {
        Some(path) => FileSettings::read(path, &settings)?,
        None => FileSettings::default(),
    };
    let mut sources = Sources {
        settings: &settings,
        file,
        origins: Origins::new(),
        problems: Vec::new(),
    };
    let command = sources.replace_defaults(grammar.clone(), matches);
    if !sources.problems.is_empty() {
        return Err(sources.problems);
    }
    let matches = command.try_get_matches_from(arguments);
    Ok(Resolved {
        matches: matches.map_err(|error| vec![error.to_string().trim_end().to_owned()])?,
        origins: sources.origins,
    })
}

/// A place that has a value.
struct Found {
    origin: Origin,
    content: Content,
}

enum Content {
    /// The value that clap has read already.
    Parsed,
    /// Values for the flag.
    Values(Vec<String>),
    /// The path of a file with the value.
    In(PathBuf),
}

struct Sources<'a> {
    settings: &'a [Setting],
    file: FileSettings,
    origins: Origins,
    problems: Vec<String>,
}

impl Sources<'_> {
    /// Gives the arguments of a command, and of the command below it that was called, the values of files as defaults.
    /// The inner command overwrites the origins, because its flags are the effective ones.
    fn replace_defaults(&mut self, command: Command, matches: &ArgMatches) -> Command {
        let mut command = command;
        let arguments: Vec<Arg> = command.get_arguments().cloned().collect();
        for argument in &arguments {
            let Some(variable) = variable(argument) else {
                continue;
            };
            let (key, id) = (key_of(variable), argument.get_id().as_str());
            let found = self.find(argument, &key, matches);
            let values = match found.content {
                Content::Parsed => None,
                Content::Values(values) => Some(values),
                Content::In(path) => self.read_secret(&key, &path, &found.origin),
            };
            self.origins.insert(key, found.origin);
            if let Some(values) = values {
                // Without its variable, the argument takes the default.
                command = command.mut_arg(id, |it| it.env(Resettable::Reset).default_values(values));
            }
        }
        if let Some((name, matches)) = matches.subcommand() {
            command = command.mut_subcommand(name, |it| self.replace_defaults(it, matches));
        }
        command
    }

    /// Finds the first source that has a setting.
    fn find(&mut self, argument: &Arg, key: &str, matches: &ArgMatches) -> Found {
        let secret_file = SecretFile::of(argument, matches);
        let name = argument.get_long().unwrap_or_default();
        let source = matches.value_source(argument.get_id().as_str());
        let variable = variable(argument).unwrap_or_default();
        for (wanted, main, file) in [
            (
                ValueSource::CommandLine,
                format!("--{name}"),
                format!("--{name}-file"),
            ),
            (
                ValueSource::EnvVariable,
                variable.to_owned(),
                format!("{variable}_FILE"),
            ),
        ] {
            let origin = |name: String| match wanted {
                ValueSource::CommandLine => Origin::Flag(name),
                _ => Origin::Variable(name),
            };
            let is_given = source == Some(wanted);
            let secret_file = secret_file.as_ref().filter(|it| it.source == wanted);
            if is_given && secret_file.is_some() {
                self.add_problem(format!(
                    "`{main}` and `{file}` exclude each other: give one of them"
                ));
            }
            if is_given {
                let content = Content::Parsed;
                return Found {
                    origin: origin(main),
                    content,
                };
            }
            if let Some(secret_file) = secret_file {
                let content = Content::In(secret_file.path.clone());
                return Found {
                    origin: origin(file),
                    content,
                };
            }
        }
        self.find_in_file(key)
    }

    fn find_in_file(&self, key: &str) -> Found {
        let origin = |line: usize| Origin::File {
            path: self.file.path.clone(),
            line,
        };
        if let Some((line, values)) = self.file.values.get(key) {
            let content = Content::Values(values.clone());
            return Found {
                origin: origin(*line),
                content,
            };
        }
        let secret_file = self.settings.iter().find(|it| it.secret.as_deref() == Some(key));
        let secret_file = secret_file.and_then(|it| self.file.values.get(&it.key));
        match secret_file {
            Some((line, values)) => Found {
                origin: origin(*line),
                content: Content::In(values.concat().trim().into()),
            },
            None => Found {
                origin: Origin::Default,
                content: Content::Parsed,
            },
        }
    }

    /// Reads the file of a secret.
    fn read_secret(&mut self, key: &str, path: &Path, origin: &Origin) -> Option<Vec<String>> {
        let setting = self.settings.iter().find(|it| it.key == key)?;
        let checked = fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                let value = text.trim_end_matches(['\r', '\n']).to_owned();
                secrets::remember(&value);
                match value.trim().is_empty() {
                    true => Err("the file is empty".to_owned()),
                    false => setting.check(std::slice::from_ref(&value)).map(|()| value),
                }
            });
        match checked {
            Ok(value) => Some(vec![value]),
            Err(problem) => {
                self.add_problem(format!("{origin}: {}: {problem}", path.display()));
                None
            }
        }
    }

    /// Several commands can have a setting, and a problem is reported once.
    fn add_problem(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// The file that a flag or a variable names for a secret.
struct SecretFile {
    path: PathBuf,
    source: ValueSource,
}

impl SecretFile {
    fn of(argument: &Arg, matches: &ArgMatches) -> Option<SecretFile> {
        if !argument.is_hide_env_values_set() {
            return None;
        }
        let id = file_id(argument.get_id().as_str());
        Some(SecretFile {
            path: matches.get_one::<PathBuf>(&id)?.clone(),
            source: matches.value_source(&id)?,
        })
    }
}

/// Adds the place in the configuration file to an error that begins with a flag. Some values are checked together with
/// others, when their place is not known any more.
pub fn with_place(error: &str, origins: &Origins) -> String {
    let key = error
        .strip_prefix("--")
        .and_then(|it| it.split_whitespace().next());
    match key.and_then(|it| origins.get(it.trim_end_matches(':'))) {
        Some(origin @ Origin::File { .. }) => format!("{origin}: {}", &error[2..]),
        _ => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::cli::arguments::Cli;
    use crate::cli::settings::grammar::grammar;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            Folder(tempfile::tempdir().expect("there is space"))
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).expect("there is space");
            path
        }
    }

    fn resolved(file: &Path, arguments: &[&str]) -> Result<(Cli, Origins), Vec<String>> {
        let arguments: Vec<OsString> = ["scim-server"].iter().chain(arguments).map(Into::into).collect();
        let matches = grammar().get_matches_from(&arguments);
        let resolved = resolve(&grammar(), &arguments, &matches, Some(file))?;
        let cli = Cli::from_arg_matches(&resolved.matches).expect("the arguments are valid");
        Ok((cli, resolved.origins))
    }

    #[test]
    fn a_flag_is_before_the_file_and_the_file_before_the_default() {
        let folder = Folder::new();
        let file = folder.file(
            "scim.toml",
            "write-timeout = 7\nleniency = \"strict\"\nactive-by-default = true\ntrusted-proxy = [\"10.0.0.0/8\", \"192.0.2.1\"]\n\
             journal-days = 3\n",
        );
        let (cli, origins) = resolved(&file, &["--write-timeout", "9"]).expect("all are valid");
        let place = |line| Origin::File {
            path: file.clone(),
            line,
        };
        assert_eq!((cli.serve.write_timeout, cli.serve.scan_timeout), (9, 10));
        assert_eq!(cli.serve.journal_days.0, Some(3));
        assert_eq!(
            cli.serve.clients.given(),
            [
                ("leniency", "strict".to_owned()),
                ("active-by-default", "true".to_owned())
            ]
        );
        let config = cli.serve.config().expect("the settings are valid");
        assert_eq!(config.oauth.trusted_proxies.len(), 2);
        assert_eq!(
            origins["write-timeout"],
            Origin::Flag("--write-timeout".to_owned())
        );
        assert_eq!(origins["leniency"], place(2));
        assert_eq!(origins["trusted-proxy"], place(4));
        assert_eq!(origins["scan-timeout"], Origin::Default);
        let (cli, _) = resolved(&file, &["--active-by-default=false"]).expect("all are valid");
        assert!(!cli.serve.clients.active_by_default);
    }

    #[test]
    fn the_file_applies_to_every_command() {
        let folder = Folder::new();
        let file = folder.file(
            "scim.toml",
            "database-url = \"sqlite:a.db\"\nlisten = \"127.0.0.1:7\"\n",
        );
        for arguments in [&["migrate"][..], &["tenant", "list"], &["serve"]] {
            let (cli, origins) = resolved(&file, arguments).expect("all are valid");
            assert_eq!(cli.database_url.with_password(), "sqlite:a.db", "{arguments:?}");
            assert_eq!(origins["database-url"].kind(), "file");
        }
        let before = ["--database-url", "sqlite:b.db", "tenant", "list"];
        let after = ["tenant", "list", "--database-url", "sqlite:b.db"];
        for arguments in [before, after] {
            let (cli, origins) = resolved(&file, &arguments).expect("all are valid");
            assert_eq!(cli.database_url.with_password(), "sqlite:b.db");
            assert_eq!(origins["database-url"].kind(), "flag");
        }
    }

    #[test]
    fn a_secret_can_be_in_a_file_of_its_own() {
        let folder = Folder::new();
        let url = folder.file("url", "sqlite:from-file.db\n");
        let empty = folder.file("scim.toml", "");
        let flag = format!("--database-url-file={}", url.display());
        let (cli, origins) = resolved(&empty, &[&flag]).expect("all are valid");
        assert_eq!(cli.database_url.with_password(), "sqlite:from-file.db");
        assert_eq!(
            origins["database-url"],
            Origin::Flag("--database-url-file".to_owned())
        );
        let named = folder.file(
            "named.toml",
            &format!("database-url-file = '{}'\n", url.display()),
        );
        let (cli, origins) = resolved(&named, &["tenant", "list"]).expect("all are valid");
        assert_eq!(cli.database_url.with_password(), "sqlite:from-file.db");
        assert_eq!(origins["database-url"].kind(), "file");
        let direct = folder.file("direct.toml", "database-url = 'sqlite:direct.db'\n");
        let (cli, _) = resolved(&direct, &[&flag]).expect("all are valid");
        assert_eq!(cli.database_url.with_password(), "sqlite:from-file.db");
        let (cli, _) = resolved(&named, &["--database-url=sqlite:flag.db"]).expect("all are valid");
        assert_eq!(cli.database_url.with_password(), "sqlite:flag.db");
        let both = resolved(&empty, &[&flag, "--database-url=sqlite:flag.db"]).expect_err("there are two");
        assert_eq!(
            both,
            ["`--database-url` and `--database-url-file` exclude each other: give one of them"]
        );
    }

    #[test]
    fn a_bad_secret_in_a_file_is_not_shown() {
        let folder = Folder::new();
        let empty = folder.file("scim.toml", "");
        for (content, expected) in [("5ec2e7\n", "64 hexadecimal digits"), ("\n", "the file is empty")] {
            let key = folder.file("key", content);
            let flag = format!("--cursor-key-file={}", key.display());
            let problems = resolved(&empty, &["serve", &flag]).expect_err("it is invalid");
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(
                problems[0].contains(expected) && !problems[0].contains("5ec2e7"),
                "{problems:?}"
            );
            assert!(problems[0].starts_with("--cursor-key-file: "), "{problems:?}");
        }
        let problems = resolved(&empty, &["--cursor-key-file=/does/not/exist"]).expect_err("it is missing");
        assert!(problems[0].contains("/does/not/exist"), "{problems:?}");
    }

    #[test]
    fn an_error_that_begins_with_a_flag_gets_its_place() {
        let path = PathBuf::from("scim.toml");
        let origins = Origins::from([
            ("listen".to_owned(), Origin::File { path, line: 3 }),
            (
                "base-url".to_owned(),
                Origin::Variable("SCIM_BASE_URL".to_owned()),
            ),
        ]);
        assert_eq!(
            with_place("--listen `x`: no", &origins),
            "scim.toml:3: listen `x`: no"
        );
        assert_eq!(with_place("--base-url `x`: no", &origins), "--base-url `x`: no");
        assert_eq!(with_place("no tenant", &origins), "no tenant");
    }
}
