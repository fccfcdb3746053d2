//! `cargo xtask conformance --suites`: runs two public test suites, scim2-tester and scim-sanity, against the binary
//! of the server.
//!
//! Their results are compared with docs/conformance/suites-accepted.tsv, which has to list every deviation with its
//! reason, and nothing that is no longer a deviation.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process;

const ACCEPTED: &str = "docs/conformance/suites-accepted.tsv";
const VERSIONS: &str = include_str!("requirements.txt");
const SCIM2_TESTER: &str = include_str!("scim2_tester.py");

/// Builds the binary, starts it on a new database and runs the suites against it.
///
/// # Errors
/// Fails when the preparation fails, on deviations that are not accepted, and on accepted ones that no longer occur.
pub(crate) fn run() -> Result<(), String> {
    let root = process::root();
    let python = Python::prepare(&root)?;
    process::run(&mut process::cargo(&[
        "build",
        "--locked",
        "--package",
        "scim-server",
    ]))?;
    let server = Server::start(&root)?;
    let mut checks = python.scim2_tester(&server)?;
    checks.extend(python.scim_sanity(&server)?);
    drop(server);

    let accepted = std::fs::read_to_string(root.join(ACCEPTED))
        .map_err(|error| format!("`{ACCEPTED}` cannot be read: {error}"))?;
    let findings = compare(&checks, &accepted);
    for suite in [SUITES[0], SUITES[1]] {
        let (all, passed) = count(&checks, suite);
        println!("{suite}: {passed} of {all} checks passed");
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(super::lines("suites", &findings))
    }
}

const SUITES: [&str; 2] = ["scim2-tester", "scim-sanity"];

/// One check of a suite.
#[derive(Debug)]
struct Check {
    suite: &'static str,
    name: String,
    outcome: Outcome,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// Not applicable: the server does not announce the feature.
    Skipped,
    Deviation,
}

impl Outcome {
    /// Parses the status words of both suites. A warning counts as a deviation.
    fn parse(status: &str) -> Outcome {
        match status {
            "success" | "compliant" | "acceptable" | "pass" => Outcome::Passed,
            "skipped" | "skip" => Outcome::Skipped,
            _ => Outcome::Deviation,
        }
    }
}

fn count(checks: &[Check], suite: &str) -> (usize, usize) {
    let counted = || {
        checks
            .iter()
            .filter(|it| it.suite == suite && it.outcome != Outcome::Skipped)
    };
    (
        counted().count(),
        counted().filter(|it| it.outcome == Outcome::Passed).count(),
    )
}

/// Compares the results of the suites with the accepted deviations, and returns the findings.
fn compare(checks: &[Check], accepted: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for suite in SUITES {
        // A suite that gave up early has found no deviations, but has proved nothing either.
        let (all, _) = count(checks, suite);
        if all < 20 {
            findings.push(format!("{suite} ran only {all} checks"));
        }
    }
    let mut rows = BTreeSet::new();
    for (number, cells) in super::rows(accepted) {
        match cells.as_slice() {
            [suite, name, reason] if !reason.is_empty() => drop(rows.insert((*suite, *name))),
            _ => findings.push(format!(
                "`{ACCEPTED}` line {number}: expected a suite, a check and a reason"
            )),
        }
    }
    let deviations = checks.iter().filter(|it| it.outcome == Outcome::Deviation);
    let found: BTreeSet<(&str, &str)> = deviations
        .clone()
        .map(|it| (it.suite, it.name.as_str()))
        .collect();
    for check in deviations.filter(|it| !rows.contains(&(it.suite, it.name.as_str()))) {
        findings.push(format!("{}: {}: {}", check.suite, check.name, check.message));
    }
    for (suite, name) in rows.difference(&found) {
        findings.push(format!(
            "`{ACCEPTED}`: {suite} no longer complains about `{name}`: remove the line"
        ));
    }
    findings
}

/// A virtual environment below target/ that contains exactly the versions of requirements.txt.
struct Python {
    folder: PathBuf,
}

impl Python {
    fn prepare(root: &Path) -> Result<Python, String> {
        let folder = root.join("target/conformance-venv");
        let python = Python { folder };
        let installed = python.folder.join("requirements.txt");
        if std::fs::read_to_string(&installed).is_ok_and(|it| it == VERSIONS) {
            return Ok(python);
        }
        process::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&python.folder),
        )?;
        let wanted = root.join("xtask/src/conformance/requirements.txt");
        let install = [
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--requirement",
        ];
        process::run(python.command("pip").args(install).arg(wanted))?;
        process::run(
            python
                .command("pip")
                .args(["--disable-pip-version-check", "check"]),
        )?;
        // Written last, so that an interrupted installation begins again.
        std::fs::write(&installed, VERSIONS).map_err(|error| format!("{}: {error}", installed.display()))?;
        Ok(python)
    }

    fn command(&self, program: &str) -> Command {
        Command::new(self.folder.join("bin").join(program))
    }

    fn scim2_tester(&self, server: &Server) -> Result<Vec<Check>, String> {
        let mut command = self.command("python");
        command
            .args(["-c", SCIM2_TESTER])
            .env("SUITE_BASE_URL", &server.base_url);
        command.env("SUITE_TOKEN", server.token("scim2-tester")?);
        println!("$ scim2-tester {}", server.base_url);
        let output = command
            .output()
            .map_err(|error| format!("scim2-tester: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "scim2-tester: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .map(|line| check(SUITES[0], line.parse().ok().as_ref(), ""))
            .collect()
    }

    fn scim_sanity(&self, server: &Server) -> Result<Vec<Check>, String> {
        let token = server.token("scim-sanity")?;
        let mut command = self.command("scim-sanity");
        command.args(["probe", &server.base_url, "--token", &token]);
        command.args(["--strict", "--json-output", "--i-accept-side-effects"]);
        println!("$ scim-sanity probe {} --strict", server.base_url);
        // The exit status is 1 when a check fails; the comparison decides whether that is accepted.
        let output = command
            .output()
            .map_err(|error| format!("scim-sanity: {error}"))?;
        let report: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
            format!(
                "scim-sanity: {error}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )
        })?;
        let results = report["results"].as_array().ok_or("scim-sanity: no results")?;
        results
            .iter()
            .map(|it| check(SUITES[1], Some(it), it["phase"].as_str().unwrap_or_default()))
            .collect()
    }
}

fn check(suite: &'static str, result: Option<&Value>, phase: &str) -> Result<Check, String> {
    let text = |name: &str| result.and_then(|it| it[name].as_str());
    match (text("name"), text("status")) {
        (Some(name), Some(status)) => Ok(Check {
            suite,
            name: format!("{phase} {name}").trim().replace('\t', " "),
            outcome: Outcome::parse(status),
            message: text("message").unwrap_or_default().to_owned(),
        }),
        _ => Err(format!("{suite}: not the result of a check: {result:?}")),
    }
}

/// A server on a free port of this machine. Its database is deleted when it ends.
struct Server {
    process: Child,
    binary: PathBuf,
    folder: PathBuf,
    base_url: String,
}

impl Server {
    fn start(root: &Path) -> Result<Server, String> {
        let binary = root.join("target/debug/scim-server");
        let folder = root.join(format!("target/conformance-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let log =
            File::create(folder.join("log")).map_err(|error| format!("{}: {error}", folder.display()))?;
        let address = free_address()?;
        let process = Server::command(&binary, &folder)
            .args(["serve", "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("`{}` could not be started: {error}", binary.display()))?;
        let mut server = Server {
            process,
            binary,
            folder,
            base_url: format!("http://{address}/scim/v2"),
        };
        server.await_readiness(address)?;
        Ok(server)
    }

    /// Returns a command of the binary on the database of the suites, without the settings of the environment.
    fn command(binary: &Path, folder: &Path) -> Command {
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SCIM_") {
                command.env_remove(name);
            }
        }
        command
            .arg("--database-url")
            .arg(format!("sqlite:{}", folder.join("scim.db").display()));
        command
    }

    fn await_readiness(&mut self, address: SocketAddr) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(format!("the server ended ({status}): {}", log.trim()));
            }
            sleep(Duration::from_millis(50));
        }
        Err("the server is not ready after 20 seconds".to_owned())
    }

    /// Creates a tenant and a token for it.
    fn token(&self, tenant: &str) -> Result<String, String> {
        let command = |arguments: &[&str]| {
            let mut command = Server::command(&self.binary, &self.folder);
            command.args(arguments);
            process::output(&mut command)
        };
        command(&["tenant", "create", tenant])?;
        let answer = command(&["token", "create", "--tenant", tenant, "--json"])?;
        let answer: Value =
            serde_json::from_str(&answer).map_err(|error| format!("token create: {error}"))?;
        answer["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| "token create: no token".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `drop` cannot report errors.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    listener.map_err(|error| format!("no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(outcome: Outcome) -> Vec<Check> {
        let one = |(number, suite): (usize, &'static str)| Check {
            suite,
            name: format!("check {number}"),
            outcome: if number == 0 { outcome } else { Outcome::Passed },
            message: "why".to_owned(),
        };
        SUITES
            .iter()
            .flat_map(|suite| (0..20).map(move |number| (number, *suite)))
            .map(one)
            .collect()
    }

    #[test]
    fn a_deviation_needs_a_reason_and_a_reason_a_deviation() {
        let accepted = "h\nscim2-tester\tcheck 0\tbecause\nscim-sanity\tcheck 0\tbecause\n";
        assert!(compare(&checks(Outcome::Deviation), accepted).is_empty());
        assert!(compare(&checks(Outcome::Passed), "h\n").is_empty());
        let missing = compare(&checks(Outcome::Deviation), "h\nscim-sanity\tcheck 0\tbecause\n");
        assert_eq!(missing, ["scim2-tester: check 0: why"]);
        assert_eq!(compare(&checks(Outcome::Passed), accepted).len(), 2);
        assert_eq!(
            compare(&checks(Outcome::Passed), "h\nscim-sanity\tcheck 0\n").len(),
            1
        );
    }

    #[test]
    fn a_suite_that_gave_up_is_a_finding() {
        assert_eq!(
            compare(&checks(Outcome::Passed)[..30], "h\n"),
            ["scim-sanity ran only 10 checks"]
        );
        assert_eq!(compare(&checks(Outcome::Skipped), "h\n").len(), 2);
    }

    #[test]
    fn words_of_both_suites_are_understood() {
        for (word, outcome) in [
            ("success", Outcome::Passed),
            ("pass", Outcome::Passed),
            ("skip", Outcome::Skipped),
            ("warn", Outcome::Deviation),
            ("critical", Outcome::Deviation),
            ("news", Outcome::Deviation),
        ] {
            assert_eq!(Outcome::parse(word), outcome, "{word}");
        }
    }
}
