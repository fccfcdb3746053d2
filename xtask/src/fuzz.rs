//! `cargo xtask fuzz`: fuzzes scim-filter and scim-patch, each target for a while.
//!
//! What a run found that was new stays in `target/fuzz` and is where the next run goes on. The corpus in
//! `fuzz/corpus` of a crate is small and written by hand: it seeds the runs, and the tests replay it.

use crate::process;

/// The fuzzer of this version runs on stable when no sanitizer is asked for.
const CARGO_FUZZ: &str = "0.13.2";

/// Crates and their targets.
const TARGETS: [(&str, &str); 4] = [
    ("scim-filter", "filter_text"),
    ("scim-filter", "path_text"),
    ("scim-filter", "print_parse"),
    ("scim-patch", "patch"),
];

/// Runs each target for so many seconds; installs cargo-fuzz where it is missing.
///
/// # Errors
/// When a target fails; what it printed names the input, which lies in `fuzz/artifacts`: add it to the corpus.
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
        // New inputs go to the first folder; all are read.
        command.arg(&found).arg(folder.join("corpus").join(target));
        command.args([
            "--",
            &format!("-max_total_time={seconds}"),
            "-print_final_stats=1",
        ]);
        // libFuzzer counts what the properties already promise: an input takes milliseconds at most.
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
