//! The commands below `config`.

use std::io::Write;

use clap::{ArgMatches, FromArgMatches};
use serde_json::{Value, json};

use super::CommandError;
use super::arguments::{Cli, ConfigCommand};
use super::settings::documents;
use super::settings::setting::{DefaultValue, Setting};
use super::settings::sources::Origin;
use super::start::Start;
use crate::config::{Config, database_url};

/// Runs a command. `read_certificates` reads the files of TLS as the listeners do.
///
/// # Errors
/// `Usage` for a file with a mistake, or `Io`.
pub fn run(
    command: &ConfigCommand,
    start: &Start,
    read_certificates: impl FnOnce(&Config) -> Result<(), String>,
    output: &mut dyn Write,
) -> Result<(), CommandError> {
    let settings = Setting::all(&start.grammar);
    match command {
        ConfigCommand::Show { json, .. } => show(*json, &settings, start, output),
        ConfigCommand::Check { file } => {
            let cli = Cli::from_arg_matches(&start.matches);
            let cli = cli.map_err(|error| CommandError::Usage(error.to_string()))?;
            let checked = cli.serve.config();
            let config = checked.map_err(|error| CommandError::Usage(error.to_string()))?;
            read_certificates(&config).map_err(CommandError::Usage)?;
            Ok(writeln!(output, "{}: valid", file.display())?)
        }
        ConfigCommand::Generate => Ok(write!(output, "{}", documents::example(&settings))?),
        ConfigCommand::Schema => Ok(writeln!(output, "{:#}", documents::schema(&settings))?),
    }
}

fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, it)| innermost(it))
}

/// A setting as `config show` prints it.
struct Shown<'a> {
    setting: &'a Setting,
    /// The effective value, if the setting has one that can be written.
    value: Option<Vec<String>>,
    origin: &'a Origin,
}

fn show(json: bool, settings: &[Setting], start: &Start, output: &mut dyn Write) -> Result<(), CommandError> {
    let matches = innermost(&start.matches);
    // The origin of a secret names the file that it is in.
    let shown = settings
        .iter()
        .filter(|it| it.secret.is_none())
        .filter_map(|setting| {
            Some(Shown {
                setting,
                value: value(setting, matches)?,
                origin: start.origins.get(&setting.key)?,
            })
        });
    if json {
        let items: Vec<Value> = shown.map(|it| it.json()).collect();
        return Ok(writeln!(output, "{}", json!({ "items": items }))?);
    }
    for it in shown {
        writeln!(output, "{}", it.line())?;
    }
    Ok(())
}

/// Returns the values of a setting, which can be none, and `None` if the command does not have the setting.
fn value(setting: &Setting, matches: &ArgMatches) -> Option<Option<Vec<String>>> {
    let given = matches.try_get_raw(setting.id()).ok()?;
    let given = given.map(|it| it.map(|it| it.to_string_lossy().trim().to_owned()).collect());
    let default = || match setting.default() {
        DefaultValue::Value(value) => Some(vec![value]),
        DefaultValue::Described(_) | DefaultValue::None => None,
    };
    Some(
        given
            .or_else(default)
            .map(|it: Vec<String>| match setting.is_secret {
                true => it.iter().map(|it| database_url::hidden(it)).collect(),
                false => it,
            }),
    )
}

impl Shown<'_> {
    fn json(&self) -> Value {
        let value = self.value.as_ref().map(|it| self.setting.accepted.in_json(it));
        json!({
            "key": self.setting.key,
            "value": value,
            "origin": self.origin.kind(),
            "from": match self.origin {
                Origin::Default => None,
                origin => Some(origin.to_string()),
            },
        })
    }

    /// Returns a line of TOML.
    fn line(&self) -> String {
        let (key, origin) = (&self.setting.key, self.origin);
        match (&self.value, self.setting.default()) {
            (Some(value), _) => format!("{key} = {}  # {origin}", self.setting.accepted.in_toml(value)),
            (None, DefaultValue::Described(words)) => format!("# {key}  # {origin}: {words}"),
            (None, _) => format!("# {key}  # {origin}: none"),
        }
    }
}
