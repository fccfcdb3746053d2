//! Only the workspace's table states versions.

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
    let mut findings = Vec::new();
    let lints = manifest.text.split("[lints]").nth(1).unwrap_or_default();
    if !lints.trim_start().starts_with("workspace = true") {
        findings.push(format!(
            "`{}` does not use the workspace's lint table: add `[lints]` with `workspace = true`",
            manifest.path
        ));
    }
    let mut section = "";
    for line in manifest.text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            continue;
        }
        // `[dependencies]`, `[dev-dependencies]`, `[target.'cfg(unix)'.dependencies]` and their sub-tables.
        if line.starts_with('#') || !section.split('.').any(|part| part.ends_with("dependencies")) {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        let is_table_of_one = !section.ends_with("dependencies");
        let stated_here = value.starts_with('"') && !is_table_of_one
            || ["version", "path", "git"]
                .iter()
                .any(|key| is_table_of_one && name == *key || has_key(value, key));
        if stated_here {
            let dependency = if is_table_of_one {
                section.rsplit('.').next().unwrap_or(section)
            } else {
                name
            };
            findings.push(format!(
                "`{}` states the version or source of `{dependency}`: move it to [workspace.dependencies] in \
                 the top-level `Cargo.toml`, and write `{dependency}.workspace = true`",
                manifest.path
            ));
        }
    }
    findings
}

/// Whether an inline table such as `{ version = "1", optional = true }` has the key.
fn has_key(table: &str, key: &str) -> bool {
    table.starts_with('{')
        && table
            .trim_matches(['{', '}'])
            .split(',')
            .any(|entry| entry.split_once('=').is_some_and(|(name, _)| name.trim() == key))
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
