//! `cargo xtask fuzz`: fuzzes scim-filter and scim-patch, each target for a given time.
//!
//! New inputs that a run finds stay in `target/fuzz`, and the next run continues from them. The corpus in
//! `fuzz/corpus` of a crate is small and written by hand: it seeds the runs, and the tests replay it.

use crate::process;

/// This version runs on the stable toolchain when no sanitizer is used.
const CARGO_FUZZ: &str = "0.13.2";

/// Crates and their targets.
const TARGETS: [(&str, &str); 4] = [
    ("scim-filter", "filter_text"),
    ("scim-filter", "path_text"),
    ("scim-filter", "print_parse"),
    ("scim-patch", "patch"),
];

/// Runs each target for the given number of seconds. Installs cargo-fuzz if it is missing.
///
/// # Errors
/// Fails when a target fails. Its output names the input in `fuzz/artifacts`: add that to the corpus.
pub(crate) fn run(seconds: u32) -> Result<(), String> {
    if process::output(&mut process::cargo(&["fuzz", "--version"])).is_err() {
        process::run(&mut process::cargo(&[
            "install",
            "cargo-fuzz",
            "--locked",
            "--version",
            CARGO_FUZZ,
        ]))?;
    }
    let mut failed = Vec::new();
    for (package, target) in TARGETS {
        let folder = process::root().join("crates").join(package).join("fuzz");
        let found = process::root().join("target/fuzz").join(target);
        std::fs::create_dir_all(&found).map_err(|error| format!("`{}`: {error}", found.display()))?;
        let mut command = process::cargo(&["fuzz", "run", "--sanitizer", "none", target]);
        // libFuzzer reads both folders and writes new inputs to the first one.
        command.arg(&found).arg(folder.join("corpus").join(target));
        command.args([
            "--",
            &format!("-max_total_time={seconds}"),
            "-print_final_stats=1",
        ]);
        // The checked properties include that an input takes milliseconds at most.
        command.args(["-timeout=5", "-verbosity=0"]);
        if let Err(message) = process::run(command.current_dir(&folder)) {
            println!("{message}");
            failed.push(target);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("fuzz: failed: {}", failed.join(", ")))
    }
}
