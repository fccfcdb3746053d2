//! The dependencies that crates may have: the diagram in `docs/ARCHITECTURE.md` as a table.

pub(crate) mod modules;

use serde_json::Value;

/// A crate of the workspace and the crates of the workspace that it may use.
struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
    /// Crates that only its tests, benches and examples may use.
    tests_may_use: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    // One of its examples evaluates filters on documents.
    Layer {
        name: "scim-filter",
        may_use: &[],
        tests_may_use: &["scim-model"],
    },
    Layer {
        name: "scim-model",
        may_use: &["scim-filter"],
        tests_may_use: &[],
    },
    Layer {
        name: "scim-patch",
        may_use: &["scim-filter", "scim-model"],
        tests_may_use: &[],
    },
    Layer {
        name: "scim-storage-diesel",
        may_use: &["scim-filter", "scim-model"],
        tests_may_use: &["scim-patch"],
    },
    Layer {
        name: "scim-server",
        may_use: &["scim-filter", "scim-model", "scim-patch", "scim-storage-diesel"],
        tests_may_use: &[],
    },
    Layer {
        name: "xtask",
        may_use: &[],
        tests_may_use: &[],
    },
];

/// External crates that only one crate may use, so that a single place depends on them.
const OWNED: &[(&str, &str)] = &[
    ("pest", "scim-filter"),
    ("pest_derive", "scim-filter"),
    ("diesel", "scim-storage-diesel"),
    ("diesel_migrations", "scim-storage-diesel"),
    ("r2d2", "scim-storage-diesel"),
    ("libsqlite3-sys", "scim-storage-diesel"),
    ("pq-sys", "scim-storage-diesel"),
    ("openssl-sys", "scim-storage-diesel"),
    ("actix-web", "scim-server"),
    ("argon2", "scim-server"),
    ("prometheus-client", "scim-server"),
];

/// The external crates that xtask may use. There are few, because every command waits until xtask is built.
const XTASK_MAY_USE: &[&str] = &[
    "clap",
    "fastrand",
    "proc-macro2",
    "regex-lite",
    "serde_json",
    "syn",
    "tempfile",
    "toml",
];

/// A package of the workspace as `cargo metadata` describes it.
#[derive(Debug)]
pub(crate) struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    name: String,
    /// A dependency of tests, benches and examples only.
    is_dev: bool,
}

/// Reads the packages from the output of `cargo metadata --no-deps`.
///
/// # Errors
/// Fails when the output does not have the documented form.
pub(crate) fn packages(metadata: &Value) -> Result<Vec<Package>, String> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or("`cargo metadata` printed no `packages`")?;
    packages.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package, String> {
    let name = |value: &Value| {
        value["name"]
            .as_str()
            .map(str::to_owned)
            .ok_or("a package without a name")
    };
    let dependencies = value["dependencies"]
        .as_array()
        .ok_or("a package without `dependencies`")?;
    let dependencies = dependencies
        .iter()
        .map(|it| {
            Ok(Dependency {
                name: name(it)?,
                is_dev: it["kind"].as_str() == Some("dev"),
            })
        })
        .collect::<Result<_, String>>()?;
    Ok(Package {
        name: name(value)?,
        dependencies,
    })
}

/// Returns a finding for each dependency that the table does not allow.
pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .flat_map(|package| check_package(package, packages))
        .collect()
}

fn check_package(package: &Package, packages: &[Package]) -> Vec<String> {
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == package.name) else {
        return vec![format!(
            "`{}` has no layer: add it to LAYERS in `xtask/src/layers.rs` and to the picture in \
             `docs/ARCHITECTURE.md`",
            package.name
        )];
    };
    let is_ours = |name: &str| packages.iter().any(|package| package.name == name);
    package
        .dependencies
        .iter()
        .filter_map(|dependency| check_arrow(layer, dependency, &is_ours))
        .collect()
}

fn check_arrow(layer: &Layer, dependency: &Dependency, is_ours: &dyn Fn(&str) -> bool) -> Option<String> {
    let Dependency { name, is_dev } = dependency;
    let from = layer.name;
    if is_ours(name) {
        let allowed =
            layer.may_use.contains(&name.as_str()) || *is_dev && layer.tests_may_use.contains(&name.as_str());
        return (!allowed).then(|| {
            let users = if *is_dev { "the tests of " } else { "" };
            format!(
                "{users}`{from}` may not use `{name}`: remove it from `[{}dependencies]`, or move the code to a \
                 crate that may (docs/ARCHITECTURE.md)",
                if *is_dev { "dev-" } else { "" }
            )
        });
    }
    // Tests may use any external crate, because it does not reach users.
    if *is_dev {
        return None;
    }
    if from == "xtask" && !XTASK_MAY_USE.contains(&name.as_str()) {
        return Some(format!(
            "`xtask` may not use `{name}`, only {}: everything waits until it is built",
            XTASK_MAY_USE.join(", ")
        ));
    }
    let (_, owner) = OWNED.iter().find(|(outside, _)| outside == name)?;
    (*owner != from).then(|| {
        format!("`{from}` may not use `{name}`, which only `{owner}` may use: add the needed function to `{owner}`")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the findings for a workspace in which `name` has these dependencies of these kinds.
    fn findings(name: &str, dependencies: &[(&str, Option<&str>)]) -> Vec<String> {
        let dependencies: Vec<Value> = dependencies
            .iter()
            .map(|(name, kind)| json!({"name": name, "kind": kind}))
            .collect();
        let mut all: Vec<Value> = LAYERS
            .iter()
            .filter(|layer| layer.name != name)
            .map(|layer| json!({"name": layer.name, "dependencies": []}))
            .collect();
        all.push(json!({"name": name, "dependencies": dependencies}));
        check(&packages(&json!({"packages": all})).expect("the form of cargo metadata"))
    }

    #[test]
    fn every_dependency_in_the_diagram_is_allowed() {
        for layer in LAYERS {
            let arrows: Vec<_> = layer.may_use.iter().map(|name| (*name, None)).collect();
            assert_eq!(findings(layer.name, &arrows), [""; 0]);
        }
        for (outside, owner) in OWNED {
            assert_eq!(findings(owner, &[(outside, None)]), [""; 0]);
        }
    }

    #[test]
    fn a_dependency_in_the_wrong_direction_is_found() {
        for (from, to) in [
            ("scim-filter", "scim-model"),
            ("scim-model", "scim-patch"),
            ("scim-patch", "scim-storage-diesel"),
            ("scim-storage-diesel", "scim-patch"),
            ("scim-storage-diesel", "scim-server"),
            ("scim-server", "xtask"),
        ] {
            let found = findings(from, &[(to, None)]);
            assert_eq!(found.len(), 1, "{from} -> {to}");
            assert!(
                found[0].starts_with(&format!("`{from}` may not use `{to}`: remove it")),
                "{}",
                found[0]
            );
        }
    }

    #[test]
    fn build_scripts_count_as_the_crate_and_tests_may_use_more() {
        assert_eq!(findings("scim-filter", &[("scim-model", Some("dev"))]), [""; 0]);
        assert_eq!(findings("scim-filter", &[("scim-model", Some("build"))]).len(), 1);
        assert_eq!(findings("scim-filter", &[("scim-server", Some("dev"))]).len(), 1);
    }

    #[test]
    fn an_external_crate_has_one_owner() {
        let found = findings("scim-storage-diesel", &[("actix-web", None)]);
        assert_eq!(
            found,
            [
                "`scim-storage-diesel` may not use `actix-web`, which only `scim-server` may use: add the \
              needed function to `scim-server`"
            ]
        );
        assert_eq!(findings("scim-server", &[("diesel", None)]).len(), 1);
        assert_eq!(findings("scim-server", &[("diesel", Some("dev"))]), [""; 0]);
        assert_eq!(findings("scim-model", &[("uuid", None)]), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let found = findings("scim-new", &[]);
        assert!(found[0].starts_with("`scim-new` has no layer"), "{found:?}");
    }

    #[test]
    fn xtask_stays_small() {
        assert_eq!(findings("xtask", &[("serde_json", None)]), [""; 0]);
        assert_eq!(findings("xtask", &[("ureq", None)]).len(), 1);
    }
}
