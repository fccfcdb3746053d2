//! The start of the binary: the command line, the environment and the configuration file.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};

use super::arguments::{self, Cli, ConfigCommand};
use super::exit::Exit;
use super::hints::Hints;
use super::secrets;
use super::settings::accepted::Accepted;
use super::settings::grammar::grammar;
use super::settings::setting::Setting;
use super::settings::sources::{Origins, Resolved, resolve};

/// The start of a process.
pub struct Start {
    /// The commands that messages recommend.
    pub hints: Hints,
    /// The origins of the settings.
    pub origins: Origins,
    /// The arguments with the values of all sources.
    pub matches: ArgMatches,
    /// The grammar that they follow.
    pub grammar: Command,
}

impl Start {
    /// Reads the arguments of this process. Ends the process after help, and with an error if a setting is invalid.
    pub fn of_process() -> (Cli, Start) {
        let grammar = grammar();
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let parsed = grammar.clone().try_get_matches_from(&arguments);
        let parsed = parsed.unwrap_or_else(|error| exit_with_usage(&explained(error, &grammar, &arguments)));
        if let Err(text) = check_order(&grammar, &parsed) {
            grammar.clone().error(ErrorKind::ArgumentConflict, text).exit();
        }
        let cli = Cli::from_arg_matches(&parsed).unwrap_or_else(|error| exit_with_usage(&error));
        let Resolved { matches, origins } = match file(&cli) {
            File::Unused => Resolved {
                matches: parsed,
                origins: Origins::new(),
            },
            File::Used(path) => resolve(&grammar, &arguments, &parsed, path.as_deref())
                .unwrap_or_else(|problems| exit_with_problems(&problems)),
        };
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| exit_with_usage(&error));
        let start = Start {
            hints: Hints::new(&matches, &cli),
            origins,
            matches,
            grammar,
        };
        (cli, start)
    }
}

/// Whether a command uses the configuration file and the files of secrets.
enum File {
    Unused,
    Used(Option<PathBuf>),
}

fn file(cli: &Cli) -> File {
    match &cli.command {
        Some(arguments::Command::Completions { .. } | arguments::Command::Manual) => File::Unused,
        Some(arguments::Command::Config(ConfigCommand::Generate | ConfigCommand::Schema)) => File::Unused,
        Some(arguments::Command::Config(ConfigCommand::Check { file })) => File::Used(Some(file.clone())),
        _ => File::Used(cli.config.clone()),
    }
}

/// Adds the accepted values to an error about the value of a setting, and the variable that it comes from: the error names
/// the flag only.
fn explained(mut error: clap::Error, grammar: &Command, arguments: &[OsString]) -> clap::Error {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return error;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let flag = argument
        .split([' ', '[', '='])
        .next()
        .unwrap_or_default()
        .to_owned();
    let settings = Setting::all(grammar);
    let Some(setting) = settings
        .iter()
        .find(|it| flag.strip_prefix("--") == Some(&it.key))
    else {
        return error;
    };
    let mut tips: Vec<StyledStr> = Vec::new();
    if matches!(setting.accepted, Accepted::Number(..)) {
        tips.push(format!("expected {}", setting.accepted.description()).into());
    }
    let is_given = arguments.iter().any(|it| it.to_string_lossy().starts_with(&flag));
    if !is_given && std::env::var_os(&setting.variable).is_some() {
        tips.push(
            format!(
                "the value is that of the environment variable `{}`",
                setting.variable
            )
            .into(),
        );
    }
    if let Some(ContextValue::StyledStrs(others)) = error.get(ContextKind::Suggested) {
        tips.extend(others.iter().cloned());
    }
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// Ends the process with an error of the command line, or with the help that was asked for.
fn exit_with_usage(error: &clap::Error) -> ! {
    let text = error.to_string();
    let shown = secrets::hide(&text);
    if shown == text {
        error.exit();
    }
    let _ = write!(io::stderr(), "{shown}");
    std::process::exit(error.exit_code());
}

fn exit_with_problems(problems: &[String]) -> ! {
    for problem in problems {
        let _ = writeln!(io::stderr(), "scim-server: {}", secrets::hide(problem));
    }
    std::process::exit(Exit::Usage as i32);
}

/// Checks that no flag of `serve` comes before a command, where clap would silently ignore it.
fn check_order(grammar: &Command, matches: &ArgMatches) -> Result<(), String> {
    let Some((command, _)) = matches.subcommand() else {
        return Ok(());
    };
    let misplaced = grammar.get_arguments().find(|it| {
        let source = matches.value_source(it.get_id().as_str());
        !it.is_global_set() && source == Some(ValueSource::CommandLine)
    });
    match misplaced.and_then(clap::Arg::get_long) {
        Some(flag) => Err(format!("`--{flag}` must come after `{command}`")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_value_says_which_are_accepted() {
        let text = |flag: &str| {
            let arguments: Vec<OsString> = ["scim-server", flag].iter().map(Into::into).collect();
            let error = grammar().try_get_matches_from(&arguments).expect_err(flag);
            explained(error, &grammar(), &arguments).to_string()
        };
        for (flag, expected) in [
            ("--write-timeout=abc", "expected an integer from 1 to 300"),
            ("--write-timeout=301", "expected an integer from 1 to 300"),
            ("--allow-plain-http=maybe", "[possible values: true, false]"),
            ("--leniency=stric", "[possible values: clients, strict, interop]"),
            ("--leniency=stric", "a similar value exists"),
        ] {
            assert!(text(flag).contains(expected), "{}", text(flag));
        }
    }

    #[test]
    fn a_flag_of_the_server_before_a_command_is_refused_unless_every_command_has_it() {
        let checked = |arguments: &[&str]| {
            let arguments = [&["scim-server"], arguments].concat();
            check_order(&grammar(), &grammar().get_matches_from(arguments))
        };
        assert_eq!(checked(&["--listen", "127.0.0.1:1"]), Ok(()));
        for flag in ["--database-url", "--database-url-file", "--config"] {
            assert_eq!(checked(&[flag, "sqlite:a.db", "migrate"]), Ok(()));
        }
        for flag in ["--listen", "--cursor-key-file"] {
            let misplaced = checked(&[flag, "127.0.0.1:1", "migrate"]);
            assert_eq!(misplaced, Err(format!("`{flag}` must come after `migrate`")));
        }
    }
}
