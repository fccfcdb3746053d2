//! The configuration file, checked against the settings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::setting::Setting;
use crate::cli::nearest::nearest;
use crate::cli::secrets;
use crate::config::file::{self, Entry};

/// The valid settings of a file.
#[derive(Clone, Debug, Default)]
pub struct FileSettings {
    /// The path of the file.
    pub path: PathBuf,
    /// The line and the arguments of each key.
    pub values: BTreeMap<String, (usize, Vec<String>)>,
}

impl FileSettings {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// One line for each mistake, with the path and, if it is in a line, its number.
    pub fn read(path: &Path, settings: &[Setting]) -> Result<FileSettings, Vec<String>> {
        let name = path.display();
        let bytes = fs::read(path).map_err(|error| vec![format!("{name}: {error}")])?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|it| **it == b'\n').count() + 1;
            vec![format!("{name}:{line}: the text is not UTF-8")]
        })?;
        let (entries, problems) = file::parse(&text);
        let mut problems: Vec<(usize, String)> = problems.into_iter().map(|it| (it.line, it.text)).collect();
        let mut values = BTreeMap::new();
        for entry in &entries {
            match checked(entry, settings) {
                Ok(arguments) => {
                    arguments.iter().for_each(|it| secrets::remember(it));
                    values.insert(entry.key.clone(), (entry.line, arguments));
                }
                Err(problem) => problems.push((entry.line, problem)),
            }
        }
        problems.extend(settings.iter().filter_map(|it| named_twice(it, &values)));
        if problems.is_empty() {
            let path = path.to_owned();
            return Ok(FileSettings { path, values });
        }
        problems.sort();
        let lines = problems
            .into_iter()
            .map(|(line, text)| format!("{name}:{line}: {text}"));
        Err(lines.collect())
    }
}

fn checked(entry: &Entry, settings: &[Setting]) -> Result<Vec<String>, String> {
    let key = &entry.key;
    let Some(setting) = settings.iter().find(|it| it.key == *key) else {
        return Err(unknown(entry, settings));
    };
    let arguments = setting.accepted.arguments(&entry.value);
    let checked = arguments.and_then(|it| setting.check(&it).map(|()| it));
    checked.map_err(|problem| format!("`{key}`: {problem}"))
}

fn unknown(entry: &Entry, settings: &[Setting]) -> String {
    let key = &entry.key;
    if matches!(entry.value, file::Value::Other("a table")) {
        return format!(
            "`{key}` is a table: settings are written without tables, and their keys are the flags of `serve`"
        );
    }
    let name = key.to_lowercase().replace('_', "-");
    let name = name.strip_prefix("scim-").unwrap_or(&name);
    match nearest(name, settings.iter().map(|it| &*it.key)) {
        Some(meant) => format!("`{key}` is not a setting: did you mean `{meant}`?"),
        None => format!("`{key}` is not a setting: `scim-server config generate` prints all"),
    }
}

fn named_twice(
    setting: &Setting,
    values: &BTreeMap<String, (usize, Vec<String>)>,
) -> Option<(usize, String)> {
    let secret = setting.secret.as_ref()?;
    let ((line, _), (other, _)) = (values.get(&setting.key)?, values.get(secret)?);
    let text = format!(
        "`{}` and `{secret}` in line {other} exclude each other: remove one",
        setting.key
    );
    Some((*line, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::grammar::grammar;

    fn read(text: &str) -> Result<FileSettings, Vec<String>> {
        let folder = tempfile::tempdir().expect("there is space");
        let path = folder.path().join("scim.toml");
        fs::write(&path, text).expect("there is space");
        let place = format!("{}", path.display());
        FileSettings::read(&path, &Setting::all(&grammar())).map_err(|problems| {
            problems
                .iter()
                .map(|it| it.replace(&place, "scim.toml"))
                .collect()
        })
    }

    #[test]
    fn all_problems_of_a_file_are_named_with_their_lines() {
        let problems = read(
            "listen = 8080\nleniency = \"stric\"\nbase_url = \"https://example.com\"\nweather = 1\n\n\
             write-timeout = 0\nscan-timeout =\n[database]\nurl = \"sqlite:a.db\"\n",
        );
        let expected = [
            "scim.toml:1: `listen`: expected a string, and found an integer",
            "scim.toml:2: `leniency`: expected one of `clients`, `strict`, `interop`",
            "scim.toml:3: `base_url` is not a setting: did you mean `base-url`?",
            "scim.toml:4: `weather` is not a setting: `scim-server config generate` prints all",
            "scim.toml:6: `write-timeout`: expected an integer from 1 to 300",
            "scim.toml:7: invalid TOML: ",
            "scim.toml:8: `database` is a table: settings are written without tables",
        ];
        let problems = problems.expect_err("it has mistakes");
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem} is not {expected}");
        }
    }

    #[test]
    fn a_secret_and_its_file_exclude_each_other() {
        let problems =
            read("cursor-key-file = \"key\"\ndatabase-url = \"sqlite:a.db\"\ndatabase-url-file = \"url\"\n");
        assert_eq!(
            problems.expect_err("there are two"),
            ["scim.toml:3: `database-url-file` and `database-url` in line 2 exclude each other: remove one"]
        );
    }

    #[test]
    fn names_that_resemble_a_setting_are_recognized() {
        for (key, meant) in [
            ("SCIM_LISTEN", "listen"),
            ("max_body_bytes", "max-body-bytes"),
            ("databse-url", "database-url"),
        ] {
            let problems = read(&format!("{key} = 1")).expect_err("it is not a setting");
            assert!(
                problems[0].contains(&format!("did you mean `{meant}`?")),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let settings = Setting::all(&grammar());
        let problems =
            FileSettings::read(Path::new("missing.toml"), &settings).expect_err("it does not exist");
        assert!(
            problems.len() == 1 && problems[0].starts_with("missing.toml: "),
            "{problems:?}"
        );
        let folder = tempfile::tempdir().expect("there is space");
        let path = folder.path().join("scim.toml");
        fs::write(&path, b"# a\nlisten = \"\xff\"\n").expect("there is space");
        let problems = FileSettings::read(&path, &settings).expect_err("it is not UTF-8");
        assert!(problems[0].ends_with(":2: the text is not UTF-8"), "{problems:?}");
    }
}
