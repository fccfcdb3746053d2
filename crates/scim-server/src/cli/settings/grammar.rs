//! The grammar with the parts that every setting of a kind has.

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::accepted::is_switch;
use crate::cli::arguments::{self, Cli};

/// The prefix of the variables of this server.
const PREFIX: &str = "SCIM_";

/// The variable that names the configuration file, and cannot be in it.
const CONFIG_VARIABLE: &str = "SCIM_CONFIG";

/// The end of the key of a file that has a secret.
pub(super) const FILE_SUFFIX: &str = "-file";

/// The end of the id of the argument for such a file.
const FILE_ID_SUFFIX: &str = "_in_file";

/// Returns the grammar of the command line. Secrets can also be in a file, and a switch can be turned off: otherwise no
/// flag could replace `true` in the configuration file.
pub fn grammar() -> Command {
    extended(Cli::command())
}

fn extended(command: Command) -> Command {
    let arguments: Vec<Arg> = command.get_arguments().cloned().collect();
    let place = |it: &Arg| arguments.iter().position(|other| other.get_id() == it.get_id());
    // Equal places are in the order of the names, so that the file of a secret follows it.
    let command = command.mut_args(|it| {
        let is_setting = variable(&it).is_some();
        let ordered = place(&it).map_or(it.clone(), |place| it.display_order(place));
        match is_setting && is_switch(&ordered) {
            true => with_value(ordered),
            false => ordered,
        }
    });
    let files = arguments
        .iter()
        .filter(|it| it.is_hide_env_values_set())
        .filter_map(|it| {
            let file = file_of(it, variable(it)?);
            Some(file.display_order(place(it)?))
        });
    let command = command.args(files.collect::<Vec<_>>());
    command.mut_subcommands(extended)
}

/// Lets a switch have a value: `--x` and `--x=true` are the same.
fn with_value(switch: Arg) -> Arg {
    switch
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .value_parser(clap::value_parser!(bool))
        .value_name("true|false")
        .hide_default_value(true)
        .hide_possible_values(true)
}

fn file_of(secret: &Arg, variable: &str) -> Arg {
    let name = secret.get_long().unwrap_or_default();
    let file = Arg::new(file_id(secret.get_id().as_str()))
        .long(format!("{name}{FILE_SUFFIX}"))
        .env(format!("{variable}_FILE"))
        .global(secret.is_global_set())
        .value_name("FILE")
        .value_parser(arguments::path())
        .help(format!("A file with the value of `--{name}`"));
    match secret.get_help_heading() {
        Some(heading) => file.help_heading(heading.to_owned()),
        None => file,
    }
}

/// Returns the id of the argument for the file of a secret.
pub fn file_id(secret: &str) -> String {
    format!("{secret}{FILE_ID_SUFFIX}")
}

/// Whether an argument is the file of a secret.
pub(super) fn is_file_of_secret(argument: &Arg) -> bool {
    argument.get_id().as_str().ends_with(FILE_ID_SUFFIX)
}

/// Returns the environment variable of a setting, and `None` for other arguments.
pub(super) fn variable(argument: &Arg) -> Option<&str> {
    let variable = argument.get_env()?.to_str()?;
    (variable.starts_with(PREFIX) && variable != CONFIG_VARIABLE).then_some(variable)
}

/// Returns the key of the setting that a variable has.
pub(super) fn key_of(variable: &str) -> String {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn the_grammar_is_well_formed() {
        grammar().debug_assert();
    }

    #[test]
    fn a_switch_can_be_turned_off() {
        let value = |arguments: &[&str]| {
            let arguments = [&["scim-server"], arguments].concat();
            let matches = grammar().try_get_matches_from(arguments).ok()?;
            Some(Cli::from_arg_matches(&matches).ok()?.serve.allow_plain_http)
        };
        assert_eq!(value(&[]), Some(false));
        assert_eq!(value(&["--allow-plain-http"]), Some(true));
        assert_eq!(value(&["--allow-plain-http=true"]), Some(true));
        assert_eq!(value(&["--allow-plain-http=false"]), Some(false));
        assert_eq!(value(&["--allow-plain-http=1"]), None);
    }
}
