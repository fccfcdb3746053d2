//! Checks that every migration exists for both databases under one name, with an `up.sql` and a `down.sql`.

use std::collections::BTreeSet;

use crate::files::File;

const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// Returns a finding for each `up.sql` or `down.sql` that a database lacks.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let names: BTreeSet<&str> = DATABASES
        .iter()
        .flat_map(|database| files.iter().filter_map(|file| name(file, database)))
        .collect();
    if names.is_empty() {
        return vec!["`migrations` contains no migration: see `migrations/README.md`".to_owned()];
    }
    let mut findings = Vec::new();
    for name in names {
        for database in DATABASES {
            for direction in ["up.sql", "down.sql"] {
                let path = format!("migrations/{database}/{name}/{direction}");
                let has_text = files
                    .iter()
                    .any(|file| file.path == path && !file.text.trim().is_empty());
                if !has_text {
                    findings.push(format!(
                        "`{path}` is missing or empty: a migration has the same name, an `up.sql` and a `down.sql` \
                         for each database (a comment is enough where one has nothing to change)"
                    ));
                }
            }
        }
    }
    findings
}

fn name<'a>(file: &'a File, database: &str) -> Option<&'a str> {
    let (name, _) = file
        .path
        .strip_prefix("migrations/")?
        .strip_prefix(database)?
        .strip_prefix('/')?
        .split_once('/')?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(paths: &[&str]) -> Vec<String> {
        check(
            &paths
                .iter()
                .map(|path| File::new(path, "SELECT 1;"))
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn both_databases_need_both_directions() {
        let paths = [
            "sqlite/1_a/up.sql",
            "sqlite/1_a/down.sql",
            "postgres/1_a/up.sql",
            "postgres/1_a/down.sql",
        ]
        .map(|path| format!("migrations/{path}"));
        let paths: Vec<&str> = paths
            .iter()
            .map(String::as_str)
            .chain(["migrations/README.md"])
            .collect();
        assert_eq!(findings(&paths), [""; 0]);
        for missing in 0..4 {
            let mut fewer = paths.clone();
            let path = fewer.remove(missing);
            let found = findings(&fewer);
            assert_eq!(found.len(), 1, "{path}");
            assert!(
                found[0].starts_with(&format!("`{path}` is missing")),
                "{}",
                found[0]
            );
        }
    }

    #[test]
    fn an_empty_file_is_not_a_migration() {
        let files = [
            File::new("migrations/sqlite/1_a/up.sql", "\n"),
            File::new("migrations/sqlite/1_a/down.sql", "-- none"),
        ];
        assert_eq!(check(&files).len(), 3);
    }
}
