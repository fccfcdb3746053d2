//! `cargo xtask mutants`: changes the code in small ways, and reports the changes that no test catches.
//!
//! cargo-mutants makes the changes in a copy of the project below `target/mutants`, never in the work tree.
//! The copy and its build stay, so that a second run compiles only what has changed since.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use serde_json::Value;

use crate::{files, process};

/// A crate whose tests are measured.
struct Target {
    name: &'static str,
    /// The features that its tests need.
    features: &'static str,
    /// Files whose mutants are left out: tests that are compiled into the library, which nothing else tests.
    test_code: &'static [&'static str],
}

const TARGETS: [Target; 4] = [
    Target {
        name: "scim-filter",
        features: "serde",
        test_code: &[],
    },
    Target {
        name: "scim-patch",
        features: "",
        test_code: &[],
    },
    Target {
        name: "scim-model",
        features: "testing",
        test_code: &["crates/scim-model/src/store/conformance"],
    },
    Target {
        name: "scim-server",
        features: "",
        test_code: &[],
    },
];

/// Tests the mutants of the named crate, or of all crates in [`TARGETS`].
///
/// Survivors are a result and not a failure of this command.
///
/// # Errors
/// Fails when cargo-mutants is not installed, and when the tests fail without any mutation.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if process::output(&mut process::cargo(&["mutants", "--version"])).is_err() {
        return Err("cargo-mutants is not installed: run `cargo install cargo-mutants --locked`".to_owned());
    }
    let folder = process::root().join("target/mutants");
    create_folder(&folder)?;
    let lock =
        File::create(folder.join("lock")).map_err(|error| format!("`target/mutants/lock`: {error}"))?;
    lock.try_lock()
        .map_err(|_| "another run uses `target/mutants`: wait for its end".to_owned())?;
    let tree = folder.join("tree");
    copy_project(&process::root(), &tree)?;
    let mut summaries = Vec::new();
    for target in TARGETS {
        if options.package.as_ref().is_none_or(|name| name == target.name) {
            summaries.push(test(&target, options, &folder, &tree)?);
        }
    }
    println!("\n== result\n{}", summaries.join("\n"));
    Ok(())
}

/// The arguments of the command.
#[derive(clap::Parser)]
pub(crate) struct Options {
    /// The only crate to change
    #[arg(value_parser = PossibleValuesParser::new(TARGETS.map(|target| target.name)))]
    package: Option<String>,
    /// Tries N random changes instead of all
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Chooses the same random changes as an earlier run
    #[arg(long, value_name = "S", default_value_t = seconds_since_1970(), hide_default_value = true)]
    seed: u64,
    /// Runs the tests with cargo-nextest, which ends at the first failure
    #[arg(long)]
    nextest: bool,
    /// Arguments for cargo-mutants
    #[arg(last = true)]
    rest: Vec<String>,
}

fn seconds_since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}

/// Makes `copy` contain the files of the project and no others.
///
/// Files that are already equal keep their time, so that cargo does not compile them again.
fn copy_project(root: &Path, copy: &Path) -> Result<(), String> {
    create_folder(copy)?;
    let wanted = files::paths(root)?;
    for path in &wanted {
        let failed = |error| format!("`{path}` cannot be copied below `target/mutants`: {error}");
        let (from, to) = (root.join(path), copy.join(path));
        let content = fs::read(&from).map_err(failed)?;
        if fs::read(&to).is_ok_and(|present| present == content) {
            continue;
        }
        create_folder(to.parent().unwrap_or(copy))?;
        fs::write(&to, content).map_err(failed)?;
    }
    remove_others(copy, Path::new(""), &wanted.iter().map(Path::new).collect())
        .map_err(|error| format!("`{}` cannot be cleaned: {error}", copy.display()))
}

/// Removes the files below `copy/folder` that are not among `wanted`.
fn remove_others(copy: &Path, folder: &Path, wanted: &BTreeSet<&Path>) -> std::io::Result<()> {
    for entry in fs::read_dir(copy.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(copy, &path, wanted)?;
        } else if !wanted.contains(path.as_path()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn create_folder(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("`{}` cannot be created: {error}", path.display()))
}

/// Runs cargo-mutants on one crate and returns the summary of its results.
fn test(target: &Target, options: &Options, folder: &Path, tree: &Path) -> Result<String, String> {
    let mutants = list(target, options, tree)?;
    let number = options.sample.unwrap_or(mutants.len()).min(mutants.len());
    let chosen = sample(&mutants, number, options.seed);
    println!(
        "\n== {}: {number} of {} mutants, seed {}",
        target.name,
        mutants.len(),
        options.seed
    );
    if chosen.is_empty() {
        return Ok(format!("{}: no mutants", target.name));
    }
    let output = folder.join(target.name);
    create_folder(&output)?;
    let mut command = cargo_mutants(target, options, tree);
    command
        .args(["--in-place", "--no-shuffle", "--output"])
        .arg(&output);
    if options.nextest {
        command.arg("--test-tool=nextest");
    }
    let files: BTreeSet<&str> = chosen.iter().map(|mutant| mutant.file.as_str()).collect();
    command.args(files.iter().map(|file| format!("--file={file}")));
    if options.sample.is_some() {
        let names = chosen.iter().map(|mutant| regex_lite::escape(&mutant.name));
        command.args(names.map(|name| format!("--re=^{name}$")));
    }
    command.env("CARGO_TARGET_DIR", folder.join("build"));
    // Not echoed, because the command for a sample has many lines.
    let status = command
        .status()
        .map_err(|error| format!("cargo-mutants could not be started: {error}"))?;
    let outcomes = output.join("mutants.out/outcomes.json");
    // 0: all caught; 2: some missed; 3: some timed out.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(format!(
            "mutants: cargo-mutants failed on {} ({status})",
            target.name
        ));
    }
    summarize(target.name, &chosen, &read_json(&outcomes)?)
}

fn cargo_mutants(target: &Target, options: &Options, tree: &Path) -> Command {
    let mut command = process::cargo(&["mutants", "--package", target.name]);
    if !target.features.is_empty() {
        command.args(["--features", target.features]);
    }
    command.args(&options.rest).current_dir(tree);
    command
}

/// A mutant as `cargo mutants --list --json` describes it.
#[derive(Clone, Debug, PartialEq)]
struct Mutant {
    name: String,
    file: String,
}

fn list(target: &Target, options: &Options, tree: &Path) -> Result<Vec<Mutant>, String> {
    let text = process::output(cargo_mutants(target, options, tree).args(["--list", "--json"]))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| format!("`cargo mutants --list --json` printed no JSON: {error}"))?;
    let entries = value
        .as_array()
        .ok_or("`cargo mutants --list --json` printed no array")?;
    let mutants: Option<Vec<Mutant>> = entries
        .iter()
        .map(|it| {
            Some(Mutant {
                name: it["name"].as_str()?.to_owned(),
                file: it["file"].as_str()?.to_owned(),
            })
        })
        .collect();
    let mut mutants = mutants.ok_or("`cargo mutants --list --json` printed a mutant without name or file")?;
    mutants.retain(|it| !target.test_code.iter().any(|start| it.file.starts_with(start)));
    Ok(mutants)
}

/// Chooses `number` mutants at random; the same seed chooses the same ones.
fn sample(mutants: &[Mutant], number: usize, seed: u64) -> Vec<Mutant> {
    let mut mutants = mutants.to_vec();
    fastrand::Rng::with_seed(seed).shuffle(&mut mutants);
    mutants.truncate(number);
    mutants
}

fn read_json(path: &PathBuf) -> Result<Value, String> {
    let failed = |error: String| format!("`{}`: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// Counts the outcomes of the chosen mutants and lists those that no test caught.
///
/// Other mutants may have run too: cargo-mutants 27.1 does not apply `--re` to mutants of the kind "delete field".
fn summarize(name: &str, chosen: &[Mutant], outcomes: &Value) -> Result<String, String> {
    let outcomes = outcomes["outcomes"]
        .as_array()
        .ok_or("`outcomes.json` has no `outcomes`")?;
    let names = |summary: &str| -> Vec<&str> {
        outcomes
            .iter()
            .filter(|it| it["summary"] == summary)
            .filter_map(|it| it["scenario"]["Mutant"]["name"].as_str())
            .filter(|name| chosen.iter().any(|mutant| mutant.name == *name))
            .collect()
    };
    let (caught, missed) = (names("CaughtMutant").len(), names("MissedMutant"));
    let (timeout, unviable) = (names("Timeout"), names("Unviable").len());
    let viable = caught + missed.len() + timeout.len();
    // A change that makes tests hang counts as caught.
    let noticed = caught + timeout.len();
    // Rounded down: 94.96 % is not 95 %.
    let permille = (noticed * 1000).checked_div(viable).unwrap_or(1000);
    let mut text = format!(
        "{name}: {caught} caught, {} missed, {} timed out, {unviable} unviable: {}.{} % of {viable} viable mutants \
         caught (a timeout counts as caught)",
        missed.len(),
        timeout.len(),
        permille / 10,
        permille % 10
    );
    for (outcome, names) in [("missed", missed), ("timed out", timeout)] {
        for name in names {
            text.push_str(&format!("\n  {outcome}: {name}"));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    fn named(name: &str) -> Mutant {
        Mutant {
            name: name.to_owned(),
            file: "a.rs".to_owned(),
        }
    }

    #[test]
    fn a_seed_chooses_the_same_mutants_again_and_none_twice() {
        let all: Vec<Mutant> = (0..100).map(|it| named(&it.to_string())).collect();
        let chosen = sample(&all, 30, 7);
        assert_eq!(chosen, sample(&all, 30, 7));
        assert_ne!(chosen, sample(&all, 30, 8));
        let names: BTreeSet<&str> = chosen.iter().map(|mutant| mutant.name.as_str()).collect();
        assert_eq!(names.len(), 30);
        assert_eq!(sample(&all, 100, 7).len(), 100);
    }

    #[test]
    fn the_summary_counts_outcomes_and_names_survivors() {
        let mutant =
            |name: &str, summary: &str| json!({"scenario": {"Mutant": {"name": name}}, "summary": summary});
        let outcomes = json!({"outcomes": [
            {"scenario": "Baseline", "summary": "Success"},
            mutant("a", "CaughtMutant"), mutant("b", "CaughtMutant"), mutant("c", "MissedMutant"),
            mutant("d", "Timeout"), mutant("e", "Unviable"), mutant("not chosen", "MissedMutant"),
        ]});
        let chosen: Vec<Mutant> = ["a", "b", "c", "d", "e"].map(named).into();
        assert_eq!(
            summarize("scim-filter", &chosen, &outcomes).expect("the form of cargo-mutants"),
            "scim-filter: 2 caught, 1 missed, 1 timed out, 1 unviable: 75.0 % of 4 viable mutants caught (a timeout \
             counts as caught)\n  missed: c\n  timed out: d"
        );
    }

    #[test]
    fn options_are_read_in_any_order() {
        let parse = |arguments: &[&str]| Options::try_parse_from([&["mutants"], arguments].concat());
        let options = parse(&["--seed", "7", "scim-patch", "--sample", "20", "--", "--jobs=1"])
            .expect("all options are known");
        assert_eq!(
            (options.package.as_deref(), options.sample, options.seed),
            (Some("scim-patch"), Some(20), 7)
        );
        assert_eq!(options.rest, ["--jobs=1"]);
        for wrong in [
            &["scim-other"][..],
            &["--sample"],
            &["--sample", "few"],
            &["scim-patch", "scim-patch"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
