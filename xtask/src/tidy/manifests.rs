//! Checks that only the workspace's table states versions.

use toml::{Table, Value};

use crate::files::File;

/// Returns a finding for each dependency of a crate that does not come from `[workspace.dependencies]`.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let manifests = files
        .iter()
        .filter(|file| file.path != "Cargo.toml" && file.path.ends_with("/Cargo.toml"))
        // Fuzz targets and the bench against other crates are separate workspaces.
        .filter(|file| !file.text.lines().any(|line| line.trim() == "[workspace]"));
    manifests.flat_map(check_manifest).collect()
}

fn check_manifest(manifest: &File) -> Vec<String> {
    let path = &manifest.path;
    let table: Table = match manifest.text.parse() {
        Ok(table) => table,
        Err(error) => return vec![format!("`{path}` is not TOML: {error}")],
    };
    let mut findings = Vec::new();
    let has_lints = table.get("lints").is_some_and(|it| it.get("workspace").is_some());
    if !has_lints {
        findings.push(format!(
            "`{path}` does not use the workspace's lint table: add `[lints]` with `workspace = true`"
        ));
    }
    // `[dependencies]`, `[dev-dependencies]`, `[target.'cfg(unix)'.dependencies]` and the like.
    let platforms = table.get("target").and_then(Value::as_table).into_iter();
    let platforms = platforms.flat_map(Table::values).filter_map(Value::as_table);
    let sections = std::iter::once(&table).chain(platforms).flatten();
    let dependencies = sections
        .filter(|(name, _)| name.ends_with("dependencies"))
        .filter_map(|(_, section)| section.as_table());
    for (name, value) in dependencies.flatten() {
        if value.is_str()
            || ["version", "path", "git"]
                .iter()
                .any(|key| value.get(key).is_some())
        {
            findings.push(format!(
                "`{path}` states the version or source of `{name}`: move it to [workspace.dependencies] in the \
                 top-level `Cargo.toml`, and write `{name}.workspace = true`"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(manifest: &str) -> usize {
        let manifest = format!("{manifest}\n[lints]\nworkspace = true\n");
        check(&[File::new("crates/a/Cargo.toml", &manifest)]).len()
    }

    #[test]
    fn versions_of_the_workspace_are_allowed() {
        let manifest = "[package]\nname = \"a\"\nversion = \"1\"\n[features]\nserde = [\"dep:serde\"]\n\
            [dependencies]\n# why\npest.workspace = true\nserde = { workspace = true, optional = true, features = [\"rc\"] }\n\
            [dependencies.uuid]\nworkspace = true\nfeatures = [\"v7\"]\n";
        assert_eq!(findings(manifest), 0);
    }

    #[test]
    fn a_version_in_the_manifest_of_a_crate_is_found() {
        for manifest in [
            "[dependencies]\npest = \"2\"",
            "[dev-dependencies]\npest = { version = \"2\" }",
            "[build-dependencies]\npest = { default-features = false, path = \"../pest\" }",
            "[target.'cfg(unix)'.dependencies]\npest = { git = \"https://example.com/pest\" }",
            "[dependencies.pest]\nversion = \"2\"",
        ] {
            assert_eq!(findings(manifest), 1, "{manifest}");
        }
    }

    #[test]
    fn every_crate_uses_the_lint_table() {
        let found = check(&[File::new("crates/a/Cargo.toml", "[package]\nname = \"a\"")]);
        assert!(found.len() == 1 && found[0].contains("lint table"), "{found:?}");
    }

    #[test]
    fn a_separate_workspace_states_its_versions() {
        assert_eq!(findings("[workspace]\n[dependencies]\npest = \"2\""), 0);
    }

    #[test]
    fn the_finding_says_what_to_do() {
        let found = check(&[File::new(
            "crates/a/Cargo.toml",
            "[lints]\nworkspace = true\n[dependencies.pest]\nversion = \"2\"",
        )]);
        assert!(
            found[0].ends_with("write `pest.workspace = true`"),
            "{}",
            found[0]
        );
    }
}
