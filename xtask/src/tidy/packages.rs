//! Checks that every crate describes itself, in its manifest and in a README.

use std::path::Path;

use serde_json::Value;

use crate::files::File;

/// Returns a finding for each crate with an incomplete manifest or without a README.
///
/// `metadata` is the output of `cargo metadata --no-deps`, in which inherited values are resolved.
pub(crate) fn check(metadata: &Value, root: &Path, files: &[File]) -> Vec<String> {
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    // Either all crates have the address of the project, or it has none yet.
    let repository = packages.iter().find_map(|package| package["repository"].as_str());
    packages
        .iter()
        .flat_map(|package| check_package(package, repository, root, files))
        .collect()
}

fn check_package(package: &Value, repository: Option<&str>, root: &Path, files: &[File]) -> Vec<String> {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    let manifest = manifest.strip_prefix(root).unwrap_or(manifest);
    let mut missing: Vec<String> = ["description", "license", "readme"]
        .into_iter()
        .filter(|key| package[key].as_str().is_none_or(str::is_empty))
        .chain(
            ["keywords", "categories"]
                .into_iter()
                .filter(|key| package[key].as_array().is_none_or(Vec::is_empty)),
        )
        .map(|key| format!("`{}` has no `{key}`: add it to `[package]`", manifest.display()))
        .collect();
    if package["repository"].as_str() != repository {
        missing.push(format!(
            "`{}` does not name the project's repository: add `repository.workspace = true` to `[package]`",
            manifest.display()
        ));
    }
    let readme = manifest.with_file_name("README.md");
    let has_text = |file: &File| Path::new(&file.path) == readme && !file.text.trim().is_empty();
    if !files.iter().any(has_text) {
        missing.push(format!(
            "`{}` is missing: say what the crate does, with an example",
            readme.display()
        ));
    }
    missing
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn findings(change: impl FnOnce(&mut Value), readme: &str) -> Vec<String> {
        let complete = |name: &str| {
            json!({
                "manifest_path": format!("/src/scim/crates/{name}/Cargo.toml"),
                "description": "Filters", "license": "MIT", "readme": "README.md",
                "keywords": ["scim"], "categories": ["authentication"],
                "repository": "https://example.com/scim",
            })
        };
        let mut metadata = json!({"packages": [complete("a"), complete("b")]});
        change(&mut metadata["packages"][1]);
        let files = [
            File::new("crates/a/README.md", "# a"),
            File::new("crates/b/README.md", readme),
        ];
        check(&metadata, Path::new("/src/scim"), &files)
    }

    #[test]
    fn a_complete_manifest_with_a_readme_is_right() {
        assert_eq!(findings(|_| {}, "# b"), [""; 0]);
    }

    #[test]
    fn each_missing_part_is_named() {
        for key in ["description", "license", "readme", "keywords", "categories"] {
            let found = findings(|package| package[key] = Value::Null, "# b");
            assert_eq!(
                found,
                [format!(
                    "`crates/b/Cargo.toml` has no `{key}`: add it to `[package]`"
                )]
            );
        }
        let found = findings(|package| package["repository"] = Value::Null, "# b");
        assert!(
            found.len() == 1 && found[0].starts_with("`crates/b/Cargo.toml` does not name the project's"),
            "{found:?}"
        );
        let found = findings(|_| {}, "\n");
        assert!(
            found.len() == 1 && found[0].starts_with("`crates/b/README.md` is missing"),
            "{found:?}"
        );
    }
}
